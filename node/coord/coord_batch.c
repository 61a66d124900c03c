/* Logged batches, at their coordinator. Half a batch must not be left behind when we die, so two
 * nodes have all of it before anything is written:
 *
 *   ASKING --- its stamp is above what there is (coord_ask.c) ---> LOGGING
 *   LOGGING -- every keeper has it -----> WRITING -- all at their level --> DONE ok, keepers forget
 *      |                                     |------ some are not --------> DONE, keepers go on
 *      |--- out of time, or of keepers ---> DONE timed out (of kind BATCH_LOG)
 *
 * Before LOGGING: some partition cannot be written -> DONE unavailable, and nobody has heard of it.
 * From then on the batch may always be written, by the keepers, so no end but the first says that
 * it is not. A keeper that is lost is replaced by the next best. */
#include "node/coord/batch_codec.h"
#include "node/coord/receipt.h"

#include "base/mutant.h"

#include <string.h>

#define CANDIDATES_MAX  8
#define DROPS_MAX       512                 /* told at once */
#define DROPS_LATEST_US (100 * USEC_PER_MS) /* keepers are in no hurry */

struct drop {
    node_no to;
    struct uuid id;
};

struct batch {
    struct pending pending;
    struct due deadline;
    struct memory *memory;
    uint64_t op;
    struct coord_write write;   /* ours */
    struct mutation *mutations; /* its own, that can be stamped */
    struct uuid id;
    struct bytes encoded;
    usec end_mono;
    struct receipt_keeper keeper[CANDIDATES_MAX]; /* the best first; IDLE: not asked */
    size_t candidates;
    struct batch_op own;
    struct coord_result result;
};

struct batch *batch_of(struct pending *p)
{
    return container_of(p, struct batch, pending);
}

struct batch *batch_of_due(struct due *due)
{
    return container_of(due, struct batch, deadline);
}

usec batch_end(const struct batch *b)
{
    return b->end_mono;
}

/* --- keepers */

/* How well a node keeps a batch of ours: one that does not fail together with us. Less is better;
 * 0: not at all. */
static int rank(const struct coord *c, const struct cluster_node *n, const char *taken_rack)
{
    const struct cluster_node *self = cluster_find(c->cluster, cluster_self(c->cluster));
    if (self == NULL || n == self || !cluster_is_alive(c->cluster, n->node) ||
        n->dc_index != self->dc_index)
        return 0;
    bool same = strcmp(n->rack, self->rack) == 0;
    bool taken = taken_rack != NULL && strcmp(n->rack, taken_rack) == 0;
    return 1 + (same ? 2 : 0) + (taken ? 1 : 0);
}

static bool is_candidate(const struct batch *b, node_no node)
{
    for (size_t i = 0; i < b->candidates; i++) {
        if (b->keeper[i].node == node)
            return true;
    }
    return false;
}

/* Living nodes of our data centre, those of other racks first, each time others; ourselves last. */
static void find_keepers(struct coord *c, struct batch *b)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(c->cluster, &nodes);
    const char *rack = NULL;
    while (b->candidates + 1 < CANDIDATES_MAX) {
        const struct cluster_node *best = NULL;
        for (size_t i = 0; i < count; i++) {
            const struct cluster_node *n = &nodes[(i + c->requests) % count];
            int r = rank(c, n, rack);
            if (r > 0 && !is_candidate(b, n->node) && (best == NULL || r < rank(c, best, rack)))
                best = n;
        }
        if (best == NULL)
            break;
        b->keeper[b->candidates++].node = best->node;
        rack = best->rack;
    }
    b->keeper[b->candidates++].node = cluster_self(c->cluster);
}

static size_t count_keepers(const struct batch *b, enum replica_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < b->candidates; i++)
        n += b->keeper[i].state == state;
    return n;
}

/* Ask the best that have not been asked, until two have it or may have it soon. */
static void ask_keepers(struct coord *c, struct batch *b)
{
    size_t asked = count_keepers(b, REPLICA_WAITING) + count_keepers(b, REPLICA_ACKED);
    for (size_t i = 0; i < b->candidates && asked < BATCH_KEEPERS; i++) {
        if (b->keeper[i].state != REPLICA_IDLE)
            continue;
        struct wire_message m = {.type = WIRE_BATCH_KEEP};
        m.batch_keep = (struct wire_batch_keep){b->pending.request, b->id, b->encoded};
        b->keeper[i].state = REPLICA_WAITING;
        coord_send(c, b->keeper[i].node, &m);
        asked++;
    }
}

/* --- the keepers are told that they may forget it, many at a time */

void batch_tell_drops(struct coord *c)
{
    struct drops *d = &c->drops;
    struct memory *memory = memory_new();
    timers_cancel(&c->timers, &d->due.timer);
    for (size_t i = 0; i < d->count; i++) {
        node_no to = d->items[i].to;
        struct buf ids;
        if (to == 0)
            continue;
        buf_init(&ids, DROPS_MAX * sizeof(struct uuid));
        for (size_t k = i; k < d->count; k++) {
            if (d->items[k].to != to)
                continue;
            buf_put(&ids, d->items[k].id.b, sizeof d->items[k].id.b);
            d->items[k].to = 0;
        }
        struct wire_message m = {.type = WIRE_BATCH_DROP};
        m.batch_drop.ids = arena_copy(&memory->arena, buf_bytes(&ids));
        coord_send(c, to, &m);
        buf_close(&ids);
    }
    d->count = 0;
    memory_retire(c, memory);
}

static void drop(struct coord *c, const struct batch *b)
{
    struct drops *d = &c->drops;
    for (size_t i = 0; i < b->candidates; i++) {
        if (b->keeper[i].state == REPLICA_IDLE)
            continue;
        d->items = mem_grow(d->items, d->count, &d->cap, sizeof *d->items);
        d->items[d->count++] = (struct drop){b->keeper[i].node, b->id};
    }
    if (d->count + CANDIDATES_MAX > DROPS_MAX) {
        batch_tell_drops(c);
    } else if (d->due.timer.slot == 0) {
        d->due.kind = DUE_DROPS;
        timers_set(&c->timers, &d->due.timer, c->now.mono + DROPS_LATEST_US);
    }
}

/* --- life */

static void batch_end_logging(struct coord *c, struct batch *b)
{
    coord_untrack(c, &b->pending);
    timers_cancel(&c->timers, &b->deadline.timer);
    c->in_flight -= b->encoded.len;
}

void batch_free(struct coord *c, struct batch *b)
{
    batch_end_logging(c, b);
    memory_retire(c, b->memory);
}

static void batch_done(struct coord *c, struct batch *b, const struct coord_result *result)
{
    b->result = *result;
    if (b->write.receipt) {
        struct arena *arena = &b->memory->arena;
        struct bytes steps = BYTES_NONE;
        receipt_add(&steps, arena, receipt_of_keepers(c, b->keeper, b->candidates, arena));
        receipt_add(&steps, arena, result->receipt);
        b->result.receipt = steps;
    }
    coord_done(c, b->op, &b->result);
    memory_retire(c, b->memory);
}

static void log_timed_out(struct coord *c, struct batch *b)
{
    size_t acked = count_keepers(b, REPLICA_ACKED);
    size_t need = acked + count_keepers(b, REPLICA_WAITING) > 1 ? 2 : 1;
    struct coord_result r = {.err = ERR_TIMEOUT,
                             .level = need > 1 ? LEVEL_TWO : LEVEL_ONE,
                             .kind = WRITE_BATCH_LOG,
                             .required = (uint32_t)need,
                             .received = (uint32_t)acked};
    batch_end_logging(c, b);
    batch_done(c, b, &r);
}

void batch_expired(struct coord *c, struct batch *b)
{
    log_timed_out(c, b);
}

static void batch_decide(struct coord *c, struct now now, struct batch *b)
{
    if (count_keepers(b, REPLICA_WAITING) > 0)
        return;
    if (count_keepers(b, REPLICA_ACKED) == 0) {
        log_timed_out(c, b);
        return;
    }
    batch_end_logging(c, b);
    b->write.timeout_us = b->end_mono > now.mono ? b->end_mono - now.mono : 0;
    if (MUTANT(batch_dropped_early))
        drop(c, b);
    b->own.batch = b;
    batch_write(c, &b->own, &b->write);
}

static void keeper_answered(struct coord *c, struct now now, struct batch *b, node_no node,
                            enum replica_state state)
{
    for (size_t i = 0; i < b->candidates; i++) {
        if (b->keeper[i].node != node || b->keeper[i].state != REPLICA_WAITING)
            continue;
        b->keeper[i].state = state;
        ask_keepers(c, b);
        batch_decide(c, now, b);
        return;
    }
}

void batch_kept(struct coord *c, struct now now, struct batch *b, node_no from, enum err err)
{
    keeper_answered(c, now, b, from, err == ERR_OK ? REPLICA_ACKED : REPLICA_LOST);
}

void batch_peer_lost(struct coord *c, struct now now, struct batch *b, node_no node)
{
    keeper_answered(c, now, b, node, REPLICA_LOST);
}

/* The keepers will write it: nobody may be told that nothing was done. */
static enum err outcome(enum err err)
{
    return err == ERR_UNAVAILABLE || err == ERR_OVERLOADED ? ERR_TIMEOUT : err;
}

static void batch_written(struct coord *c, struct batch *b, const struct coord_result *result)
{
    struct coord_result r = *result;
    if (r.err == ERR_OK && !MUTANT(batch_dropped_early))
        drop(c, b);
    if (r.err == ERR_UNAVAILABLE)
        r.received = 0; /* it counted the living */
    r.err = outcome(r.err);
    batch_done(c, b, &r);
}

void batch_write(struct coord *c, struct batch_op *op, const struct coord_write *w)
{
    uint64_t number = COORD_OWN_OP | BATCH_OWN_OP | ++c->batch_ops;
    map_put(&c->batches_by_op, number, op);
    write_begin(c, c->now, number, w);
}

void batch_heard(struct coord *c, uint64_t number, const struct coord_result *result)
{
    struct batch_op *op = map_remove(&c->batches_by_op, number);
    if (op->kept != NULL)
        keeper_written(c, op->kept, result);
    else if (op->giving != NULL)
        deliver_heard(c, op->giving, result);
    else
        batch_written(c, op->batch, result);
}

void batches_close(struct coord *c)
{
    uint64_t *numbers = map_keys(&c->batches_by_op);
    for (size_t i = 0, count = map_count(&c->batches_by_op); i < count; i++) {
        struct batch_op *op = map_get(&c->batches_by_op, numbers[i]);
        if (op->batch != NULL)
            memory_retire(c, op->batch->memory);
    }
    mem_free(numbers);
    map_close(&c->batches_by_op);
    mem_free(c->drops.items);
}

/* Why it cannot be begun; OK: it can. */
static struct coord_result check(struct coord *c, const struct coord_write *w, size_t bytes)
{
    struct coord_result r = {.err = ERR_OK, .level = w->level, .kind = WRITE_BATCH};
    if (c->in_flight + bytes > c->config.in_flight_max)
        r.err = ERR_OVERLOADED;
    for (size_t i = 0; i < w->count && r.err == ERR_OK; i++)
        (void)write_is_possible(c, &w->mutations[i], w, &r);
    return r;
}

/* --- the beginning */

static void batch_log(struct coord *c, struct now now, struct batch *b)
{
    coord_track(c, &b->pending, PENDING_BATCH);
    b->id = timeid(&c->last_batch, now.wall, c->self);
    b->deadline.kind = DUE_BATCH;
    timers_set(&c->timers, &b->deadline.timer, b->end_mono);
    find_keepers(c, b);
    ask_keepers(c, b);
}

static enum err batch_encode_ours(struct batch *b)
{
    struct buf out;
    buf_init(&out, BATCH_BYTES_MAX);
    batch_encode(b->write.mutations, b->write.count, &out);
    enum err err = buf_finish(&out);
    b->encoded = arena_copy(&b->memory->arena, buf_bytes(&out));
    buf_close(&out);
    return err;
}

/* What its keepers write later has the same stamps. */
static enum err batch_stamp(struct batch *b, const struct asked *a)
{
    for (size_t i = 0; i < b->write.count; i++) {
        struct mutation *m = &b->mutations[i];
        bool same = a->stamp == b->write.stamp;
        m->unasked = !(same || part_restamp(&m->part, b->write.stamp, a->stamp)) || !a->of[i].asked;
    }
    b->write.asked = true;
    b->write.limit = a->limit;
    b->write.beyond = a->beyond;
    if (a->stamp == b->write.stamp)
        return ERR_OK;
    b->write.stamp = a->stamp;
    return batch_encode_ours(b);
}

void batch_asked(struct coord *c, struct now now, struct batch *b, const struct asked *a)
{
    struct coord_result failed = {.err = a->err,
                                  .level = b->write.level,
                                  .kind = WRITE_BATCH_LOG,
                                  .required = a->required,
                                  .failures = a->failures};
    c->in_flight -= b->encoded.len;
    if (failed.err == ERR_OK)
        failed.err = batch_stamp(b, a);
    if (failed.err != ERR_OK) {
        batch_done(c, b, &failed);
        return;
    }
    c->in_flight += b->encoded.len;
    batch_log(c, now, b);
}

void batch_close(struct coord *c, struct batch *b)
{
    c->in_flight -= b->encoded.len;
    memory_retire(c, b->memory);
}

/* ERR_BEHIND: batch_asked gets it. */
static enum err batch_ask(struct coord *c, struct batch *b, struct asked *ret)
{
    struct ask_of *of = arena_array(&b->memory->arena, struct ask_of, b->write.count);
    struct ask_request r = {.of = of,
                            .count = b->write.count,
                            .level = b->write.level,
                            .stamp = b->write.stamp,
                            .until = stamp_until(c, b->write.stamp, b->write.timeout_us),
                            .end_mono = b->end_mono,
                            .batch = b};
    for (size_t i = 0; i < b->write.count; i++)
        of[i] = (struct ask_of){.keyspace = b->mutations[i].keyspace,
                                .part = &b->mutations[i].part,
                                .supersede = &b->mutations[i].supersede};
    return ask_start(c, &r, ret, NULL);
}

void batch_start(struct coord *c, struct now now, uint64_t op, const struct coord_write *w)
{
    struct memory *memory = memory_new();
    struct batch *b = arena_new(&memory->arena, struct batch);
    struct mutation *mutations;
    b->memory = memory;
    b->op = op;
    b->write = *w;
    list_init(&b->pending.link);
    enum err err = batch_encode_ours(b);
    struct coord_result r = check(c, w, b->encoded.len);
    if (err != ERR_OK)
        r.err = ERR_TOO_BIG;
    else if (r.err == ERR_OK)
        r.err = batch_decode(b->encoded, &memory->arena, &mutations, &b->write.count);
    if (r.err != ERR_OK) {
        batch_done(c, b, &r);
        return;
    }
    b->write.mutations = mutations;
    if (w->seen != NULL)
        b->write.seen = copy_seen(&memory->arena, w->seen);
    c->stats.batches++;
    b->mutations = mutations;
    b->end_mono = now.mono + w->timeout_us;
    c->in_flight += b->encoded.len;
    struct asked asked = {.err = ERR_OK};
    if (write_asks(w))
        asked.err = batch_ask(c, b, &asked);
    if (asked.err == ERR_BEHIND)
        return;
    if (write_asks(w))
        batch_asked(c, now, b, &asked);
    else
        batch_log(c, now, b);
}
