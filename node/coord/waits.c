#include "node/coord/waits.h"

#include <string.h>

void waits_init(struct coord *c)
{
    c->waits = mem_new(struct waits);
    list_init(&c->waits->list);
}

static void wait_free(struct coord *c, struct wait *w)
{
    list_remove(&w->link);
    timers_cancel(&c->timers, &w->due.timer);
    c->waits->count--;
    c->in_flight -= w->bytes;
    for (size_t i = 0; i < w->count; i++)
        clock_close(&w->needs[i].clock);
    memory_retire(c, w->memory); /* it lives there */
}

void waits_close(struct coord *c)
{
    while (!list_empty(&c->waits->list))
        wait_free(c, container_of(c->waits->list.next, struct wait, link));
    mem_free(c->waits->lost);
    mem_free(c->waits);
}

/* --- what is needed */

static bool is_lost(const struct waits *ws, keyspace_no keyspace, range_no range,
                    struct actor actor)
{
    for (size_t i = 0; i < ws->lost_count; i++) {
        const struct lost_life *l = &ws->lost[i];
        if (l->range == range && l->keyspace == keyspace && actor_compare(l->actor, actor) == 0)
            return true;
    }
    return false;
}

/* Without the dots of lives of which all that there will ever be is here. */
static void leave_out_lost(const struct coord *c, keyspace_no keyspace, range_no range,
                           struct clock *clock)
{
    struct clock rest;
    if (c->waits->lost_count == 0)
        return;
    clock_init(&rest);
    for (size_t i = 0; i < clock->count; i++) {
        struct actor actor = clock->entries[i].actor;
        if (!is_lost(c->waits, keyspace, range, actor))
            clock_add_run(&rest, actor, 1, clock_top(clock, actor));
    }
    clock_copy(clock, &rest);
    clock_close(&rest);
}

/* The next of the list; false at its end, or where it is none. */
static bool next_need(const struct coord *c, keyspace_no keyspace, struct reader *r,
                      struct need *ret)
{
    if (reader_left(r) == 0)
        return false;
    *ret = (struct need){.range = read_u32(r)};
    struct bytes encoded = read_vbytes(r);
    clock_init(&ret->clock);
    if (r->failed || ret->range >= cluster_ranges(c->cluster) ||
        clock_decode(encoded, &ret->clock) != ERR_OK) {
        r->failed = true;
        clock_close(&ret->clock);
        return false;
    }
    leave_out_lost(c, keyspace, ret->range, &ret->clock);
    return true;
}

enum err waits_look(struct coord *c, keyspace_no keyspace, struct bytes needs, bool durable)
{
    struct reader r = reader_make(needs);
    struct need need;
    enum err err = ERR_OK, broken = ERR_OK;
    while (next_need(c, keyspace, &r, &need)) {
        enum engine_has has = engine_has(c->engine, keyspace, need.range, &need.clock);
        if (has == ENGINE_LACKS || (has == ENGINE_HAS_YOUNG && durable))
            err = ERR_BEHIND;
        if (broken == ERR_OK)
            broken = engine_serving_error(c->engine, keyspace, need.range);
        clock_close(&need.clock);
    }
    if (r.failed)
        return ERR_MALFORMED;
    return broken != ERR_OK ? broken : err;
}

/* --- beginning */

static enum err begin(struct coord *c, struct now now, const struct wait *like, struct bytes needs)
{
    struct waits *ws = c->waits;
    if (ws->count >= WAITS_MAX || c->in_flight + needs.len > c->config.in_flight_max)
        return ERR_OVERLOADED;
    struct memory *memory = like->memory != NULL ? like->memory : memory_new();
    struct wait *w = arena_new(&memory->arena, struct wait);
    size_t cap = 0;
    struct reader r = reader_make(needs);
    struct need need;
    *w = *like;
    w->memory = memory;
    w->trace = tracing_session(&c->trace);
    w->due.kind = DUE_WAIT;
    w->bytes += needs.len;
    while (next_need(c, w->keyspace, &r, &need)) {
        w->needs = arena_grow(&memory->arena, w->needs, w->count, &cap, sizeof need);
        w->needs[w->count++] = need;
    }
    c->in_flight += w->bytes;
    c->stats.waits++;
    ws->count++;
    ws->dirty = true;
    list_push_back(&ws->list, &w->link);
    usec soon = now.mono + FETCH_AFTER_US;
    timers_set(&c->timers, &w->due.timer, soon < w->end ? soon : w->end);
    tracing_say(&c->trace, w->count > 0 ? "Waiting for what the session has seen elsewhere"
                                        : "Waiting to hear that the range is ours");
    return ERR_OK;
}

enum err waits_for_run(struct coord *c, struct now now, const struct run *run)
{
    struct wait w = {.kind = WAIT_RUN,
                     .request = run->pending.request,
                     .keyspace = run->keyspace,
                     .end = run->end_mono};
    return begin(c, now, &w, run->after);
}

enum err waits_for_round(struct coord *c, struct now now, const struct round *round)
{
    struct wait w = {.kind = WAIT_ROUND,
                     .request = round->pending.request,
                     .keyspace = round->op->request.keyspace,
                     .durable = true,
                     .end = round->op->deadline.timer.at};
    return begin(c, now, &w, round->after);
}

enum err waits_for_peer(struct coord *c, struct now now, node_no from, const struct wire_message *m,
                        uint64_t epoch)
{
    bool read = m->type == WIRE_READ;
    uint64_t timeout = read ? m->read.timeout_us : m->write.timeout_us;
    struct memory *memory = memory_new();
    struct buf copy;
    struct wait w = {
        .kind = WAIT_PEER, .from = from, .memory = memory, .durable = read, .epoch = epoch};
    usec most = 3600 * USEC_PER_SEC;
    w.end = now.mono + (timeout < (uint64_t)most ? (usec)timeout : most);
    w.keyspace = read ? m->read.keyspace : m->write.keyspace;
    buf_init(&copy, WIRE_MESSAGE_MAX);
    wire_encode(m, &copy);
    w.bytes = copy.len;
    enum err err = wire_decode(arena_copy(&memory->arena, buf_bytes(&copy)), &w.message);
    buf_close(&copy);
    if (err == ERR_OK)
        err = begin(c, now, &w, read ? w.message.read.after : w.message.write.after);
    if (err != ERR_OK)
        memory_retire(c, memory);
    return err == ERR_OK ? ERR_OK : ERR_OVERLOADED;
}

/* --- going on */

static void go(struct coord *c, struct now now, struct wait *w)
{
    struct pending *p = map_get(&c->pending_by_request, w->request);
    struct uuid before = tracing_enter(&c->trace, now, &w->trace);
    if (w->kind == WAIT_RUN && p != NULL && p->type == PENDING_RUN)
        write_resume(c, now, container_of(p, struct run, pending));
    else if (w->kind == WAIT_ROUND && p != NULL && p->type == PENDING_ROUND)
        round_resume(c, now, container_of(p, struct round, pending));
    else if (w->kind == WAIT_PEER && w->message.type == WIRE_READ)
        replica_read(c, now, w->from, &w->message.read, true);
    else if (w->kind == WAIT_PEER)
        replica_write(c, now, w->from, &w->message.write, true);
    tracing_leave(&c->trace, &before);
}

/* One ticket for all that are met in one turn. */
static void await_disk(struct coord *c, struct wait *w)
{
    struct waits *ws = c->waits;
    if (w->barrier != 0)
        return;
    if (ws->barrier == 0 || ws->barrier_at != c->now.mono) {
        ws->barrier = COORD_TICKET | ++c->tickets;
        ws->barrier_at = c->now.mono;
        engine_barrier(c->engine, ws->barrier);
    }
    w->barrier = ws->barrier;
}

static bool is_ready(struct coord *c, struct wait *w)
{
    bool young = false;
    if (w->epoch > cluster_epoch(c->cluster))
        return false;
    for (size_t i = 0; i < w->count; i++) {
        enum engine_has has =
            engine_has(c->engine, w->keyspace, w->needs[i].range, &w->needs[i].clock);
        if (engine_serving_error(c->engine, w->keyspace, w->needs[i].range) != ERR_OK)
            return true; /* it was found damaged meanwhile: whoever asks is to hear of it */
        if (has == ENGINE_LACKS && !w->needs[i].complete)
            return false;
        young |= has == ENGINE_HAS_YOUNG && w->durable;
    }
    if (young)
        await_disk(c, w);
    return !young;
}

bool waits_check(struct coord *c, struct now now)
{
    struct waits *ws = c->waits;
    struct list ready;
    if (!ws->dirty)
        return false;
    ws->dirty = false;
    list_init(&ready);
    list_each_safe (at, after, &ws->list) {
        struct wait *w = container_of(at, struct wait, link);
        if (!is_ready(c, w))
            continue;
        list_remove(&w->link);
        list_push_back(&ready, &w->link);
    }
    bool any = !list_empty(&ready);
    while (!list_empty(&ready)) {
        struct wait *w = container_of(ready.next, struct wait, link);
        go(c, now, w);
        wait_free(c, w);
    }
    return any;
}

bool waits_durable(struct coord *c, uint64_t ticket)
{
    bool any = false;
    c->waits->dirty = c->waits->count > 0;
    if (ticket == c->waits->barrier)
        c->waits->barrier = 0;
    list_each (at, &c->waits->list) {
        struct wait *w = container_of(at, struct wait, link);
        any |= w->barrier == ticket;
        w->barrier = w->barrier == ticket ? 0 : w->barrier;
    }
    return any;
}

/* --- asking for it */

/* All that anybody waits for in this range, in one question. */
static void fetch(struct coord *c, keyspace_no keyspace, range_no range)
{
    struct waits *ws = c->waits;
    for (size_t i = 0; i < ws->fetches_count; i++) {
        if (ws->fetches[i].keyspace == keyspace && ws->fetches[i].range == range)
            return;
    }
    if (ws->fetches_count == FETCHES_MAX)
        return;
    struct fetch *f = &ws->fetches[ws->fetches_count++];
    *f = (struct fetch){++ws->fetch_ids, keyspace, range};
    struct clock wanted;
    clock_init(&wanted);
    list_each (at, &ws->list) {
        struct wait *w = container_of(at, struct wait, link);
        for (size_t i = 0; i < w->count && w->keyspace == keyspace; i++) {
            if (w->needs[i].range != range || w->needs[i].complete)
                continue;
            w->needs[i].fetch = f->id;
            clock_merge(&wanted, &w->needs[i].clock);
        }
    }
    struct memory *memory = memory_new();
    struct buf encoded;
    buf_init(&encoded, WIRE_MESSAGE_MAX);
    clock_encode(&wanted, &encoded);
    coord_fetch(c, f, arena_copy(&memory->arena, buf_bytes(&encoded)));
    memory_retire(c, memory);
    buf_close(&encoded);
    clock_close(&wanted);
}

/* Whoever waited for the answer knows that none is coming. */
static void expire(struct coord *c, struct wait *w)
{
    struct wire_message m = {0};
    if (w->kind == WAIT_PEER && w->message.type == WIRE_READ) {
        m.type = WIRE_READ_REPLY;
        m.read_reply.request = w->message.read.request;
        m.read_reply.err = ERR_BEHIND;
    } else if (w->kind == WAIT_PEER) {
        m.type = WIRE_WRITE_ACK;
        m.write_ack.request = w->message.write.request;
        m.write_ack.err = ERR_BEHIND;
    }
    if (w->kind == WAIT_PEER)
        coord_send(c, w->from, &m);
    c->stats.waits_in_vain++;
    wait_free(c, w);
}

void waits_due(struct coord *c, struct now now, struct wait *w)
{
    if (now.mono >= w->end) {
        expire(c, w);
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct need *n = &w->needs[i];
        if (!n->complete && engine_has(c->engine, w->keyspace, n->range, &n->clock) == ENGINE_LACKS)
            fetch(c, w->keyspace, n->range);
    }
    usec again = now.mono + FETCH_AGAIN_US;
    timers_set(&c->timers, &w->due.timer, again < w->end ? again : w->end);
}

/* Is it known that the life is over, so that nothing of it is taken any more? */
static bool is_over(struct coord *c, const struct clock *here, struct actor actor)
{
    for (size_t i = 0; i < here->count; i++) {
        if (here->entries[i].actor.node == actor.node)
            fold_note_life(c, actor.node, here->entries[i].actor.boot);
    }
    return fold_is_over(c, actor) || actor.boot < cluster_life(c->cluster, actor.node) ||
           cluster_find(c->cluster, actor.node) == NULL;
}

static void note_lost(struct coord *c, keyspace_no keyspace, const struct need *need)
{
    struct waits *ws = c->waits;
    const struct clock *here = engine_clock(c->engine, keyspace, need->range);
    struct clock missing;
    clock_init(&missing);
    clock_missing(&need->clock, here, &missing);
    for (size_t i = 0; i < missing.count; i++) {
        struct actor actor = missing.entries[i].actor;
        if (is_lost(ws, keyspace, need->range, actor) || !is_over(c, here, actor))
            continue;
        if (ws->lost_count == LOST_MAX)
            memmove(ws->lost, ws->lost + 1, --ws->lost_count * sizeof *ws->lost);
        ws->lost = mem_grow(ws->lost, ws->lost_count, &ws->lost_cap, sizeof *ws->lost);
        ws->lost[ws->lost_count++] = (struct lost_life){keyspace, need->range, actor};
    }
    clock_close(&missing);
}

void waits_fetched(struct coord *c, struct now now, uint64_t id, bool complete)
{
    struct waits *ws = c->waits;
    (void)now;
    for (size_t i = 0; i < ws->fetches_count; i++) {
        if (ws->fetches[i].id != id)
            continue;
        memmove(ws->fetches + i, ws->fetches + i + 1,
                (--ws->fetches_count - i) * sizeof *ws->fetches);
        break;
    }
    list_each (at, &ws->list) {
        struct wait *w = container_of(at, struct wait, link);
        for (size_t i = 0; i < w->count; i++) {
            struct need *n = &w->needs[i];
            if (n->fetch != id)
                continue;
            n->fetch = 0;
            n->complete = complete;
            if (complete)
                note_lost(c, w->keyspace, n);
        }
    }
    ws->dirty = true;
}
