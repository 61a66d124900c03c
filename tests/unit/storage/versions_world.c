#include "versions_world.h"

#include "base/mem.h"
#include "engine_fixture.h"
#include "storage/store_mem.h"

#include <string.h>

void world_wrong(struct world *w, const char *what)
{
    if (w->wrong == NULL)
        w->wrong = what;
}

void world_expect(struct world *w, bool good, const char *what)
{
    if (!good)
        world_wrong(w, what);
}

struct part world_place(struct part p, size_t place)
{
    static const char *const keys[WORLD_PARTS] = {"x", "xy"};
    p.table = TABLE;
    p.token = (token)place;
    p.key = bytes_text(keys[place]);
    return p;
}

/* --- replicas */

/* Nothing that was told counts any more. */
static void forget_told(struct replica *r)
{
    for (size_t i = 0; i < WORLD_REPLICAS; i++) {
        clock_close(&r->told[i].heard);
        clock_close(&r->told[i].seen);
        clock_close(&r->told[i].proved);
        r->told[i].pulled = false;
        r->asked[i] = 0;
    }
}

static void boot(struct world *w, struct replica *r)
{
    r->self.boot++;
    world_expect(w, open_engine(r->store, &r->engine) == ERR_OK, "an engine does not open");
    engine_set_actor(r->engine, r->self);
    sync_all(r->store); /* the boot number is durable before the first write */
    forget_told(r);
    for (size_t i = 0; i < w->rules.replicas; i++)
        engine_note_life(r->engine, KEYSPACE, RANGE,
                         (struct actor){w->replicas[i].self.node, r->told[i].boot});
}

void world_open(struct world *w, uint64_t seed, const struct world_rules *rules)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed);
    arena_init(&w->arena);
    w->rules = *rules;
    w->clock = 100;
    w->now_s = 1000;
    for (size_t i = 0; i < rules->replicas; i++) {
        w->replicas[i].store = store_mem_new();
        w->replicas[i].self.node = (node_no)(i + 1);
        boot(w, &w->replicas[i]);
    }
}

void world_close(struct world *w)
{
    for (size_t i = 0; i < w->rules.replicas; i++) {
        struct replica *r = &w->replicas[i];
        engine_free(r->engine);
        store_close(r->store);
        store_close(r->backup);
        forget_told(r);
    }
    arena_close(&w->arena);
}

static void crash(struct world *w, struct replica *r)
{
    store_flush(r->store);
    store_mem_sync(r->store, (size_t)rng_below(&w->rng, 3));
    store_mem_crash(r->store, rng_chance(&w->rng, 300000) ? SIZE_MAX : 0);
    engine_free(r->engine);
    boot(w, r);
}

/* A replica has left the range, and comes back: a new epoch, and a new life. What it had it
 * forgets. */
static void come_back(struct world *w, struct replica *r)
{
    static const table_no tables[] = {TABLE};
    static const struct range_place place = {0, WORLD_PARTS, tables, ARRAY_LEN(tables)};
    bool done = false;
    for (size_t i = 0; i < w->rules.replicas; i++) {
        if (w->replicas[i].coming)
            return; /* one after the other */
        forget_told(&w->replicas[i]);
    }
    w->epoch++;
    r->since = ++w->entry;
    r->coming = true;
    r->self.boot++;
    while (!done && w->wrong == NULL)
        world_expect(w, engine_forget(r->engine, KEYSPACE, RANGE, &place, 10, &done) == ERR_OK,
                     "a range is not forgotten");
    engine_set_actor(r->engine, r->self);
    sync_all(r->store);
}

static void back_up(struct world *w, struct replica *r)
{
    store_close(r->backup);
    r->backup = store_mem_copy(r->store);
    for (size_t i = 0; i < w->rules.replicas; i++)
        r->backup_boots[i] = r->told[i].boot;
}

static size_t some_replica(struct world *w)
{
    return (size_t)rng_below(&w->rng, w->rules.replicas);
}

bool world_read(struct world *w, size_t replica, bool durable, struct scan_result *ret)
{
    struct scan s = whole_table();
    s.durable = durable;
    s.now_s = w->now_s;
    bool good =
        engine_scan(w->replicas[replica].engine, &s, &w->arena, ret) == ERR_OK && !ret->more;
    world_expect(w, good, "a replica cannot be read");
    return good;
}

/* --- the network */

struct bytes world_keep_clock(struct world *w, const struct clock *c)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    clock_encode(c, &b);
    struct bytes kept = arena_copy(&w->arena, buf_bytes(&b));
    buf_close(&b);
    return kept;
}

static struct bytes keep_part(struct world *w, const struct part *p)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    part_encode(p, &b);
    struct bytes kept = arena_copy(&w->arena, buf_bytes(&b));
    buf_close(&b);
    return kept;
}

void world_send(struct world *w, const struct message *m)
{
    for (int i = 0; i < 2 && w->net_count < WORLD_MESSAGES; i++) {
        if (i == 1 && rng_chance(&w->rng, 900000))
            break;
        w->net[w->net_count] = *m;
        w->net[w->net_count].epoch = w->epoch;
        w->net[w->net_count++].entry = w->entry;
    }
}

/* --- writes */

static struct event some_event(struct world *w, struct dot dot, int64_t timestamp)
{
    struct event e = gen_event(&w->rng, dot);
    e.tomb.timestamp = e.cell.timestamp = timestamp;
    e.tomb.time_s = w->now_s;
    if (e.cell.kind == CELL_TOMBSTONE)
        e.cell.time_s = w->now_s;
    if (e.cell.kind == CELL_EXPIRING)
        e.cell.time_s = w->now_s + e.cell.ttl;
    return e;
}

/* Sent as it is when it is newer than all there is; else with what this replica had. */
static void mint(struct world *w, size_t by, size_t place, size_t first, size_t count)
{
    struct replica *me = &w->replicas[by];
    struct clock before;
    struct weighed weighed;
    struct event events[4];
    struct dot dot = engine_next_dot(me->engine, KEYSPACE, RANGE, me->self);
    for (size_t i = 0; i < count; i++) {
        struct fact *f = &w->facts[first + i];
        f->dot = f->event.tomb.dot = f->event.cell.dot = dot;
        f->part = place;
        events[i] = f->event;
    }
    struct part p = world_place(gen_part(events, count, &w->arena), place);
    clock_init(&before);
    clock_copy(&before, engine_clock(me->engine, KEYSPACE, RANGE));
    world_expect(w, engine_weigh(me->engine, &p, NULL, 0, w->now_s, &w->arena, &weighed) == ERR_OK,
                 "a write cannot be weighed");
    world_expect(w,
                 engine_apply(me->engine, KEYSPACE, RANGE, &weighed.part, dot, NULL, 0) == ERR_OK,
                 "a write is not applied by its minter");
    model_note_write(w, by, first, count, &before);
    struct message m = {.kind = MESSAGE_WRITE, .from = by, .boot = me->self.boot, .dot = dot};
    m.part = keep_part(w, &weighed.part);
    m.has_context = part_min_timestamp(&p) <= engine_purged_bound(me->engine, p.table, p.token);
    m.context = world_keep_clock(w, &before);
    w->contexts += m.has_context;
    clock_close(&before);
    for (m.to = 0; m.to < w->rules.replicas; m.to++) {
        if (m.to != by && rng_chance(&w->rng, 700000))
            world_send(w, &m);
    }
}

static void write_some(struct world *w)
{
    size_t count = 1 + (size_t)rng_below(&w->rng, 3);
    size_t first = w->facts_count;
    if (first + count > WORLD_EVENTS)
        return;
    size_t by = some_replica(w);
    if (w->replicas[by].coming)
        return;
    int64_t timestamp = ++w->clock;
    if (w->rules.back_dated && rng_chance(&w->rng, 300000))
        timestamp -= rng_between(&w->rng, 1, 25);
    for (size_t i = 0; i < count; i++) {
        w->facts[first + i] = (struct fact){0};
        w->facts[first + i].event = some_event(w, (struct dot){{0, 0}, 0}, timestamp);
    }
    w->facts_count += count;
    mint(w, by, (size_t)rng_below(&w->rng, WORLD_PARTS), first, count);
}

/* A write of a life that is over is not taken once its next one has told of itself; nor one of
 * before this replica came; nor, by who is coming, one whose context it does not have. */
static void receive_write(struct world *w, const struct message *m)
{
    struct replica *r = &w->replicas[m->to];
    struct clock context;
    struct part p;
    if (m->entry < r->since) {
        w->refused++;
        return;
    }
    clock_init(&context);
    world_expect(w,
                 part_decode(m->part, &w->arena, &p) == ERR_OK &&
                     clock_decode(m->context, &context) == ERR_OK,
                 "a message cannot be read");
    enum err err = ERR_BEHIND;
    if (!r->coming || !m->has_context ||
        clock_covers(engine_clock(r->engine, KEYSPACE, RANGE), &context))
        err = engine_apply(r->engine, KEYSPACE, RANGE, &p, m->dot, m->has_context ? &context : NULL,
                           0);
    world_expect(w, err == ERR_OK || err == ERR_BEHIND || err == ERR_STALE,
                 "a write is not applied");
    w->refused += err != ERR_OK;
    clock_close(&context);
}

/* --- read repair: what was read once, or the join of two such answers */

static void repair(struct world *w)
{
    struct scan_result a, b;
    struct message m = {.kind = MESSAGE_REPAIR, .from = some_replica(w), .to = some_replica(w)};
    size_t other = some_replica(w);
    if (w->replicas[m.from].coming || w->replicas[other].coming ||
        !world_read(w, m.from, true, &a) || !world_read(w, other, true, &b))
        return;
    for (size_t i = 0; i < a.parts_count; i++) {
        struct part p = a.parts[i];
        for (size_t k = 0; k < b.parts_count && rng_chance(&w->rng, 500000); k++) {
            if (b.parts[k].token == p.token)
                part_merge(&a.parts[i], &b.parts[k], &w->arena, &p);
        }
        m.part = keep_part(w, &p);
        world_send(w, &m);
    }
}

static void receive_repair(struct world *w, const struct message *m)
{
    struct part p;
    if (m->entry < w->replicas[m->to].since) {
        w->refused++;
        return;
    }
    world_expect(w, part_decode(m->part, &w->arena, &p) == ERR_OK, "a repair cannot be read");
    enum err err = engine_apply(w->replicas[m->to].engine, KEYSPACE, RANGE, &p,
                                (struct dot){{0, 0}, 0}, NULL, 0);
    world_expect(w, err == ERR_OK || err == ERR_BEHIND, "a repair is not applied");
    w->refused += err != ERR_OK;
}

/* --- agreement */

static void prove(struct world *w, size_t by, struct clock *ret)
{
    struct replica *r = &w->replicas[by];
    struct clock common;
    clock_init(&common);
    if (!engine_durable_clock(r->engine, KEYSPACE, RANGE, ret))
        clock_copy(ret, &common);
    for (size_t i = 0; i < w->rules.replicas; i++) {
        if (i == by)
            continue;
        clock_common(ret, &r->told[i].seen, &common);
        clock_copy(ret, &common);
    }
    clock_close(&common);
}

static struct message proved_by(struct world *w, size_t by)
{
    struct message m = {.kind = MESSAGE_PROVED, .from = by};
    struct clock proved;
    clock_init(&proved);
    world_conclude(w, &w->replicas[by]);
    prove(w, by, &proved);
    m.context = world_keep_clock(w, &proved);
    clock_close(&proved);
    return m;
}

static void tell_proved(struct world *w, size_t by)
{
    struct message m = proved_by(w, by);
    for (m.to = 0; m.to < w->rules.replicas; m.to++) {
        if (m.to != by)
            world_send(w, &m);
    }
}

static void receive_proved(struct world *w, const struct message *m)
{
    struct clock proved;
    if (m->epoch != w->epoch)
        return;
    clock_init(&proved);
    world_expect(w, clock_decode(m->context, &proved) == ERR_OK, "a clock cannot be read");
    clock_merge(&w->replicas[m->to].told[m->from].proved, &proved);
    clock_close(&proved);
}

static void tell_at_once(struct world *w, size_t by, size_t whom)
{
    struct message m = proved_by(w, by);
    m.to = whom;
    m.epoch = w->epoch;
    if (by != whom)
        receive_proved(w, &m);
}

static void purge(struct world *w, size_t by, size_t work_max, bool all)
{
    struct replica *r = &w->replicas[by];
    struct clock agreed, common;
    bool done = false;
    if (!w->rules.purges)
        return;
    clock_init(&agreed);
    clock_init(&common);
    world_conclude(w, r);
    prove(w, by, &agreed);
    for (size_t i = 0; i < w->rules.replicas; i++) {
        if (i == by)
            continue;
        clock_common(&agreed, &r->told[i].proved, &common);
        clock_copy(&agreed, &common);
    }
    do {
        world_expect(w,
                     engine_purge(r->engine, KEYSPACE, RANGE, &agreed, w->now_s, work_max, &done) ==
                         ERR_OK,
                     "what is agreed cannot be dropped");
        r->purges++;
    } while (all && !done && w->wrong == NULL);
    clock_close(&agreed);
    clock_close(&common);
}

/* --- what happens */

static void deliver(struct world *w, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_WRITE: receive_write(w, m); break;
    case MESSAGE_REPAIR: receive_repair(w, m); break;
    case MESSAGE_ASK: world_receive_ask(w, m); break;
    case MESSAGE_PULL: world_receive_pull(w, m); break;
    case MESSAGE_PROVED: receive_proved(w, m); break;
    }
}

static void keep_late(struct world *w, const struct message *m)
{
    if (w->late_count < WORLD_MESSAGES && (m->kind == MESSAGE_WRITE || m->kind == MESSAGE_REPAIR))
        w->late[w->late_count++] = *m;
}

static void deliver_some(struct world *w)
{
    if (w->net_count == 0)
        return;
    size_t i = (size_t)rng_below(&w->rng, w->net_count);
    struct message m = w->net[i];
    w->net[i] = w->net[--w->net_count];
    if (rng_chance(&w->rng, 150000))
        keep_late(w, &m);
    if (rng_chance(&w->rng, 950000))
        deliver(w, &m);
}

/* Two who have time for each other; now and then all of them, so that something is agreed. */
static void pull_now(struct world *w, size_t to, size_t from)
{
    struct message kept[8];
    for (int i = 0; i < 400 && to != from && w->wrong == NULL; i++) {
        size_t before = w->net_count;
        if (before + ARRAY_LEN(kept) > WORLD_MESSAGES)
            return;
        sync_all(w->replicas[from].store);
        world_ask(w, to, from);
        while (w->net_count > before && w->net_count <= before + ARRAY_LEN(kept)) {
            struct message m = w->net[--w->net_count];
            deliver(w, &m);
        }
        sync_all(w->replicas[to].store);
        world_conclude(w, &w->replicas[to]);
        if (clock_covers(engine_clock(w->replicas[to].engine, KEYSPACE, RANGE),
                         engine_clock(w->replicas[from].engine, KEYSPACE, RANGE)))
            return;
    }
    world_expect(w, to == from, "a pull does not come to an end");
}

static void agree_now(struct world *w)
{
    size_t n = w->rules.replicas;
    for (size_t i = 0; i < 2 * n * n; i++)
        pull_now(w, i % n, i / n % n);
    for (size_t i = 0; i < n; i++)
        tell_proved(w, i);
}

static void deliver_all(struct world *w)
{
    while (w->net_count > 0 && w->wrong == NULL)
        deliver_some(w);
}

/* Enough to agree on much, and to drop it; what is on its way stays there. */
static void time_passes(struct world *w)
{
    size_t n = w->rules.replicas;
    for (size_t i = 0; i < n * n; i++)
        pull_now(w, i % n, i / n);
    for (size_t i = 0; i < n * n; i++)
        tell_at_once(w, i % n, i / n);
    for (size_t i = 0; i < n; i++)
        purge(w, i, 1000, true);
}

/* The disk is as it was when it was copied. Like who comes, it is not relied upon until it has
 * pulled from all others: what it had proved it may not have any more. */
static void restore(struct world *w, struct replica *r)
{
    if (r->backup == NULL)
        return;
    for (size_t i = 0; i < w->rules.replicas; i++) {
        if (w->replicas[i].coming)
            return; /* one after the other */
    }
    for (int i = 0; i < 2 && rng_chance(&w->rng, 500000); i++)
        time_passes(w);
    engine_free(r->engine);
    store_close(r->store);
    r->store = store_mem_copy(r->backup);
    for (size_t i = 0; i < w->rules.replicas; i++)
        r->told[i].boot = r->backup_boots[i];
    r->coming = r->old = true;
    r->since = ++w->entry; /* the others are told of the new life */
    boot(w, r);
}

void world_step(struct world *w)
{
    size_t i = some_replica(w);
    uint64_t choice = rng_below(&w->rng, 1000);
    struct scan_result ignored;
    if (w->rules.restores && rng_chance(&w->rng, 25000))
        back_up(w, &w->replicas[i]);
    else if (w->rules.restores && rng_chance(&w->rng, 25000))
        restore(w, &w->replicas[i]);
    else if (choice < 250)
        write_some(w);
    else if (choice < 600)
        deliver_some(w);
    else if (choice < 650)
        world_ask(w, i, some_replica(w));
    else if (choice < 700)
        pull_now(w, i, some_replica(w));
    else if (choice < 710)
        agree_now(w);
    else if (choice < 760)
        tell_proved(w, i);
    else if (choice < 840)
        purge(w, i, 1 + (size_t)rng_below(&w->rng, 20), false);
    else if (choice < 880)
        repair(w);
    else if (choice < 910)
        store_flush(w->replicas[i].store);
    else if (choice < 940)
        store_mem_sync(w->replicas[i].store, 1);
    else if (choice < 960)
        world_read(w, i, false, &ignored); /* collapses */
    else if (choice < 980)
        w->now_s++;
    else if (choice < 995 && w->rules.crashes)
        crash(w, &w->replicas[i]);
    else if (choice >= 990 && w->rules.moves)
        come_back(w, &w->replicas[i]);
}

void world_quiet(struct world *w)
{
    deliver_all(w);
    w->now_s += 100;
    for (int i = 0; i < 4; i++) {
        agree_now(w);
        deliver_all(w);
        for (size_t k = 0; k < w->rules.replicas; k++)
            purge(w, k, 1000, true);
    }
    w->net_count = 0; /* some of it may be old questions */
}

void world_late(struct world *w)
{
    size_t count = w->late_count;
    w->late_count = WORLD_MESSAGES; /* nothing more */
    for (size_t i = 0; i < count && w->wrong == NULL; i++) {
        struct message m = w->late[rng_below(&w->rng, count)];
        deliver(w, &m);
        if (rng_chance(&w->rng, 100000))
            pull_now(w, some_replica(w), some_replica(w));
        if (rng_chance(&w->rng, 100000))
            purge(w, some_replica(w), 10, false);
    }
}
