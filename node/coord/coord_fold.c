/* Folds: when the increments of a counter may be replaced by their sum (docs/counters.md has the
 * proof). Of a range whose counters have many:
 *
 *   PROMISING  every replica promises to take no increment with a timestamp up to `ts`, and tells
 *              its clock; `seen` is all that any of them had
 *   AGING      a client may still send again what was taken before: wait that long
 *   PROVING    every replica is seen to have all of `seen`; we come to have all that they had then
 *   RESTING    `cut` = ts: what is up to there may be summed. Again, when there is more
 *
 * From PROVING on nobody can take a request anew that somebody took before the promises: whoever
 * coordinates has it. What is said counts only once it is durable. Promises are kept for ever, in
 * the store: a restart, or another folder, changes nothing. When the replicas of the range change
 * it all begins again. A replica that is away stops it: so increments stay, and are limited. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

#define TICK_US         (500 * USEC_PER_MS)
#define FOLDS_MAX       1024 /* ranges; counters of others are not summed until some rest */
#define FACT_PROMISED   "c/promised"
#define IDLE_WINDOWS    4 /* nobody has wanted it for so many windows: forgotten */
#define LIVES_ASKED_MAX REPLICAS_MAX

enum fold_stage { FOLD_PROMISING, FOLD_AGING, FOLD_PROVING, FOLD_RESTING };

struct fold {
    struct due due;
    keyspace_no keyspace;
    range_no range;
    enum fold_stage stage;
    uint64_t round;
    int64_t wanted_ts; /* of the newest increment that is to be summed */
    usec wanted_at, ready_at;
    struct {
        node_no node;
        uint32_t boot; /* 0: not known yet */
        bool told;
    } who[REPLICAS_MAX];
    size_t who_count;
    uint64_t set; /* stands for `who` */
    bool lives_changed;
    int64_t ts;          /* the least that was promised */
    struct clock seen;   /* what all of them had, together */
    struct clock proven; /* PROVING: the same, later */
    int64_t cut;
};

/* What is to be said once it is durable. */
struct tell {
    struct wire_message message;
    struct arena arena;
    node_no to;
};

static uint64_t fold_key(keyspace_no keyspace, range_no range)
{
    return ((uint64_t)keyspace << 32 | range) + 1;
}

/* --- who is asked */

struct set {
    node_no node[2 * REPLICAS_MAX];
    size_t count;
};

static int compare_nodes(const void *a, const void *b)
{
    node_no x = *(const node_no *)a;
    node_no y = *(const node_no *)b;
    return x < y ? -1 : x > y;
}

static void add_nodes(struct set *s, struct replicas replicas)
{
    for (uint32_t i = 0; i < replicas.count && s->count < ARRAY_LEN(s->node); i++)
        s->node[s->count++] = replicas.node[i];
}

/* The replicas of the range now and later, and a number that stands for them; 0: there are none. */
static uint64_t find_set(struct coord *c, keyspace_no keyspace, range_no range, struct set *ret)
{
    const struct placement *p = cluster_placement(c->cluster, keyspace);
    size_t kept = 0;
    ret->count = 0;
    if (p == NULL || range >= p->ranges)
        return 0;
    add_nodes(ret, placement_replicas(p, range));
    add_nodes(ret, placement_pending(p, range));
    qsort(ret->node, ret->count, sizeof ret->node[0], compare_nodes);
    for (size_t i = 0; i < ret->count; i++) {
        if (kept == 0 || ret->node[kept - 1] != ret->node[i])
            ret->node[kept++] = ret->node[i];
    }
    ret->count = kept;
    if (kept == 0 || kept > REPLICAS_MAX)
        return 0;
    return bytes_hash(bytes_make(ret->node, kept * sizeof ret->node[0])) | 1;
}

/* --- lives: nobody takes writes of a life that is over, once it has heard of the next */

void fold_note_life(struct coord *c, node_no node, uint32_t boot)
{
    uintptr_t known = (uintptr_t)map_get(&c->lives, node);
    if (node != 0 && boot > known)
        map_put(&c->lives, node, (void *)(uintptr_t)boot);
}

bool fold_is_over(const struct coord *c, struct actor actor)
{
    return actor.boot < (uintptr_t)map_get(&c->lives, actor.node);
}

/* --- asking */

static void ask_one(struct coord *c, struct now now, struct fold *f, size_t i)
{
    struct memory *memory = memory_new();
    struct buf lives;
    buf_init(&lives, WIRE_MESSAGE_MAX);
    for (size_t k = 0; k < f->who_count; k++) {
        buf_put_u32(&lives, f->who[k].node);
        buf_put_u32(&lives, f->who[k].boot);
    }
    struct wire_message m = {.type = WIRE_FOLD_ASK};
    m.fold_ask = (struct wire_fold_ask){f->round,
                                        f->keyspace,
                                        f->range,
                                        f->set,
                                        f->stage == FOLD_PROMISING ? f->wanted_ts : INT64_MIN,
                                        arena_copy(&memory->arena, buf_bytes(&lives))};
    buf_close(&lives);
    if (f->who[i].node == cluster_self(c->cluster))
        fold_asked(c, now, f->who[i].node, &m.fold_ask);
    else if (cluster_is_alive(c->cluster, f->who[i].node))
        coord_send(c, f->who[i].node, &m);
    memory_retire(c, memory);
}

static void ask_all(struct coord *c, struct now now, struct fold *f)
{
    for (size_t i = 0; i < f->who_count; i++) {
        if (!f->who[i].told)
            ask_one(c, now, f, i);
    }
}

static void new_round(struct coord *c, struct now now, struct fold *f)
{
    f->round = ++c->requests;
    f->lives_changed = false;
    clock_close(&f->proven);
    if (f->stage == FOLD_PROMISING) {
        clock_close(&f->seen);
        f->ts = INT64_MAX;
    }
    for (size_t i = 0; i < f->who_count; i++)
        f->who[i].told = false;
    ask_all(c, now, f);
}

/* From the beginning, with the replicas that there are now. */
static void restart(struct coord *c, struct now now, struct fold *f, const struct set *set,
                    uint64_t number)
{
    f->set = number;
    f->cut = INT64_MIN;
    f->stage = FOLD_PROMISING;
    f->who_count = set->count;
    for (size_t i = 0; i < set->count; i++) {
        f->who[i].node = set->node[i];
        f->who[i].boot = (uint32_t)(uintptr_t)map_get(&c->lives, set->node[i]);
    }
    new_round(c, now, f);
}

static void fold_free(void *p)
{
    struct fold *f = p;
    clock_close(&f->seen);
    clock_close(&f->proven);
    mem_free(f);
}

void fold_free_all(struct coord *c)
{
    map_clear(&c->folds, fold_free);
    map_close(&c->folds);
    map_close(&c->lives);
}

/* --- going on */

static void all_told(struct coord *c, struct now now, struct fold *f)
{
    for (size_t i = 0; i < f->who_count; i++) {
        if (!f->who[i].told)
            return;
    }
    if (f->stage == FOLD_PROMISING && f->lives_changed) {
        new_round(c, now, f); /* all are to know of all lives when they promise */
    } else if (f->stage == FOLD_PROMISING) {
        f->stage = FOLD_AGING;
        f->ready_at = now.mono + (MUTANT(fold_too_young) ? 0 : c->config.counter_window_us);
    } else if (f->stage == FOLD_PROVING &&
               clock_covers(engine_clock(c->engine, f->keyspace, f->range), &f->proven)) {
        f->cut = f->ts;
        f->stage = FOLD_RESTING;
    }
}

void fold_tick(struct coord *c, struct now now, struct due *due)
{
    struct fold *f = container_of(due, struct fold, due);
    struct set set;
    if (now.mono - f->wanted_at > IDLE_WINDOWS * c->config.counter_window_us + TICK_US) {
        map_remove(&c->folds, fold_key(f->keyspace, f->range));
        fold_free(f);
        return;
    }
    timers_set(&c->timers, &f->due.timer, now.mono + TICK_US);
    uint64_t number = find_set(c, f->keyspace, f->range, &set);
    if (number == 0)
        return;
    if (number != f->set) {
        restart(c, now, f, &set, number);
        return;
    }
    if (f->stage == FOLD_AGING && now.mono >= f->ready_at && MUTANT(fold_unproved)) {
        f->cut = f->ts;
        f->stage = FOLD_RESTING;
    } else if (f->stage == FOLD_AGING && now.mono >= f->ready_at) {
        f->stage = FOLD_PROVING;
        new_round(c, now, f);
    } else if (f->stage == FOLD_RESTING && f->wanted_ts > f->cut) {
        f->stage = FOLD_PROMISING;
        new_round(c, now, f);
    } else if (f->stage == FOLD_PROMISING || f->stage == FOLD_PROVING) {
        ask_all(c, now, f);
        all_told(c, now, f);
    }
}

void fold_told(struct coord *c, struct now now, node_no from, const struct wire_fold_tell *m)
{
    struct fold *f = map_get(&c->folds, fold_key(m->keyspace, m->range));
    struct clock clock;
    size_t i = 0;
    if (f == NULL || m->round != f->round || m->err != ERR_OK || m->set != f->set ||
        (f->stage != FOLD_PROMISING && f->stage != FOLD_PROVING))
        return;
    while (i < f->who_count && f->who[i].node != from)
        i++;
    if (i == f->who_count || f->who[i].told)
        return;
    clock_init(&clock);
    if (clock_decode(m->clock, &clock) != ERR_OK) {
        clock_close(&clock);
        return;
    }
    f->lives_changed |= f->who[i].boot != m->boot;
    f->who[i].boot = m->boot;
    fold_note_life(c, from, m->boot);
    if (f->stage == FOLD_PROMISING) {
        f->ts = m->promised < f->ts ? m->promised : f->ts;
        clock_merge(&f->seen, &clock);
        f->who[i].told = true;
    } else if (clock_covers(&clock, &f->seen)) {
        clock_merge(&f->proven, &clock);
        f->who[i].told = true;
    }
    clock_close(&clock);
    all_told(c, now, f);
}

/* --- what counters ask */

void fold_want(struct coord *c, struct now now, keyspace_no keyspace, range_no range, int64_t ts)
{
    struct set set;
    struct fold *f = map_get(&c->folds, fold_key(keyspace, range));
    if (f == NULL) {
        uint64_t number = find_set(c, keyspace, range, &set);
        if (map_count(&c->folds) >= FOLDS_MAX || number == 0)
            return;
        f = mem_new(struct fold);
        f->keyspace = keyspace;
        f->range = range;
        f->due.kind = DUE_FOLD;
        f->wanted_ts = ts;
        clock_init(&f->seen);
        clock_init(&f->proven);
        map_put(&c->folds, fold_key(keyspace, range), f);
        timers_set(&c->timers, &f->due.timer, now.mono + TICK_US);
        restart(c, now, f, &set, number);
    }
    f->wanted_at = now.mono;
    f->wanted_ts = ts > f->wanted_ts ? ts : f->wanted_ts;
}

int64_t fold_cut(struct coord *c, keyspace_no keyspace, range_no range)
{
    struct set set;
    const struct fold *f = map_get(&c->folds, fold_key(keyspace, range));
    if (f == NULL || find_set(c, keyspace, range, &set) != f->set)
        return INT64_MIN;
    return f->cut;
}

node_no fold_waits_for(struct coord *c, keyspace_no keyspace, range_no range)
{
    const struct fold *f = map_get(&c->folds, fold_key(keyspace, range));
    for (size_t i = 0; f != NULL && i < f->who_count; i++) {
        if (!f->who[i].told && !cluster_is_alive(c->cluster, f->who[i].node))
            return f->who[i].node;
    }
    return 0;
}

/* --- the other side */

void fold_load(struct coord *c)
{
    struct buf value;
    buf_init(&value, 64);
    enum err err = engine_fact_get(c->engine, BYTES_LIT(FACT_PROMISED), &value);
    c->promised = err == ERR_NOT_FOUND ? INT64_MIN : INT64_MAX; /* unreadable: take none at all */
    if (err == ERR_OK && value.len == 8)
        c->promised = (int64_t)load_u64(value.data);
    buf_close(&value);
}

static bool read_lives(struct coord *c, struct bytes lives)
{
    struct reader r = reader_make(lives);
    for (size_t i = 0; i < LIVES_ASKED_MAX && reader_left(&r) > 0; i++) {
        node_no node = read_u32(&r);
        uint32_t boot = read_u32(&r);
        if (!r.failed && cluster_find(c->cluster, node) != NULL)
            fold_note_life(c, node, boot);
    }
    return reader_done(&r);
}

void fold_asked(struct coord *c, struct now now, node_no from, const struct wire_fold_ask *m)
{
    struct set set;
    uint8_t value[8];
    struct buf clock;
    if (c->self.node == 0 || !read_lives(c, m->lives) ||
        find_set(c, m->keyspace, m->range, &set) != m->set ||
        engine_serving_error(c->engine, m->keyspace, m->range) != ERR_OK ||
        c->promised == INT64_MAX)
        return; /* who asks asks again */
    int64_t promise = m->promise < now.wall ? m->promise : now.wall;
    if (promise > c->promised)
        c->promised = promise;
    struct tell *t = mem_new(struct tell);
    buf_init(&clock, WIRE_MESSAGE_MAX);
    clock_encode(engine_clock(c->engine, m->keyspace, m->range), &clock);
    t->to = from;
    t->message = (struct wire_message){.type = WIRE_FOLD_TELL};
    t->message.fold_tell = (struct wire_fold_tell){
        m->round, ERR_OK,       m->keyspace, m->range,
        m->set,   c->self.boot, promise,     arena_copy(&t->arena, buf_bytes(&clock))};
    buf_close(&clock);
    uint64_t ticket = COORD_TICKET | ++c->tickets;
    map_put(&c->tells, ticket, t);
    store_u64(value, (uint64_t)c->promised);
    engine_fact_put(c->engine, BYTES_LIT(FACT_PROMISED), bytes_make(value, sizeof value), ticket);
}

bool fold_durable(struct coord *c, struct now now, uint64_t ticket, enum err err)
{
    struct tell *t = map_remove(&c->tells, ticket);
    if (t == NULL)
        return false;
    struct memory *memory = memory_new();
    t->message.fold_tell.clock = arena_copy(&memory->arena, t->message.fold_tell.clock);
    if (err == ERR_OK && t->to == cluster_self(c->cluster))
        fold_told(c, now, t->to, &t->message.fold_tell);
    else if (err == ERR_OK)
        coord_send(c, t->to, &t->message);
    memory_retire(c, memory);
    arena_close(&t->arena);
    mem_free(t);
    return true;
}

static void tell_free(void *p)
{
    struct tell *t = p;
    arena_close(&t->arena);
    mem_free(t);
}

void fold_drop_tells(struct coord *c)
{
    map_clear(&c->tells, tell_free);
    map_close(&c->tells);
}
