#include "node/coord/coord_core.h"

#include "base/mutant.h"
#include "node/coord/cas_core.h"
#include "node/coord/waits.h"

struct memory *memory_new(void)
{
    struct memory *m = mem_new(struct memory);
    list_init(&m->link);
    return m;
}

void memory_retire(struct coord *c, struct memory *m)
{
    list_push_back(&c->retired, &m->link);
}

struct coord *coord_new(const struct coord_config *config, struct engine *engine,
                        struct cluster *cluster)
{
    struct coord *c = mem_new(struct coord);
    c->config = *config;
    c->engine = engine;
    c->cluster = cluster;
    map_init(&c->pending_by_request);
    map_init(&c->applying_by_ticket);
    map_init(&c->votes_by_ticket);
    map_init(&c->cas_by_op);
    map_init(&c->folds);
    usages_init(&c->usages);
    map_init(&c->tells);
    map_init(&c->lives);
    list_init(&c->pending);
    list_init(&c->stale);
    list_init(&c->retired);
    timers_init(&c->timers);
    /* Answers to an earlier life of this node must not match a request of this one. */
    rng_init(&c->rng, config->seed);
    /* Below the bits that tell whose own operation one is. */
    c->requests = rng_next(&c->rng) % BATCH_OWN_OP & ~UINT64_C(0xffffffff);
    fold_load(c);
    answer_times_init(&c->times);
    if (c->config.write_timeout_us == 0)
        c->config.write_timeout_us = 2 * USEC_PER_SEC;
    keeper_open(c);
    deliver_open(c);
    waits_init(c);
    tracing_init(&c->trace);
    return c;
}

static void free_pending(struct coord *c, struct pending *p)
{
    switch (p->type) {
    case PENDING_RUN: write_free(c, container_of(p, struct run, pending)); break;
    case PENDING_ROUND: read_free(c, container_of(p, struct round, pending)); break;
    case PENDING_CAS: cas_free(c, container_of(p, struct cas, pending)); break;
    case PENDING_BATCH: batch_free(c, batch_of(p)); break;
    case PENDING_ASK: ask_close(c, ask_of_pending(p)); break;
    case PENDING_HINT: coord_untrack(c, p); break;
    }
}

void coord_free(struct coord *c)
{
    if (c == NULL)
        return;
    while (!list_empty(&c->pending))
        free_pending(c, container_of(c->pending.next, struct pending, link));
    waits_close(c);
    timers_close(&c->timers); /* before what they stand in goes */
    batches_close(c);
    tracing_close(&c->trace);
    usages_close(&c->usages);
    keeper_close(c);
    deliver_close(c);
    map_close(&c->pending_by_request);
    map_clear(&c->applying_by_ticket, mem_free);
    map_close(&c->applying_by_ticket);
    cas_move_free(c);
    map_clear(&c->votes_by_ticket, vote_free);
    map_close(&c->votes_by_ticket);
    map_close(&c->cas_by_op);
    fold_free_all(c);
    fold_drop_tells(c);
    coord_clear(c);
    mem_free(c->effects);
    mem_free(c->own);
    answer_times_close(&c->times);
    mem_free(c);
}

void coord_set_actor(struct coord *c, struct actor self)
{
    c->self = self;
    c->trace.self = self;
    engine_set_actor(c->engine, self);
}

void coord_set_clock_doubtful(struct coord *c, bool doubtful)
{
    c->clock_doubtful = doubtful;
}

struct tracing *coord_tracing(struct coord *c)
{
    return &c->trace;
}

static const char *name_of(const struct coord *c, node_no node, char text[ENDPOINT_TEXT_SIZE])
{
    const struct cluster_node *n = cluster_find(c->cluster, node);
    return n != NULL ? endpoint_text(&n->endpoint, text) : "a node that is gone";
}

void coord_begin(struct coord *c, struct now now)
{
    c->now = now;
    keeper_load(c, now);
    deliver_arm(c, now);
}

uint64_t coord_track(struct coord *c, struct pending *p, enum pending_type type)
{
    p->type = type;
    p->request = ++c->requests;
    p->stale = 0;
    map_put(&c->pending_by_request, p->request, p);
    list_push_back(&c->pending, &p->link);
    return p->request;
}

void coord_untrack(struct coord *c, struct pending *p)
{
    map_remove(&c->pending_by_request, p->request);
    list_remove(&p->link);
    fence_forget(p);
}

static struct coord_effect *append(struct coord *c, enum coord_effect_type type)
{
    c->effects = mem_grow(c->effects, c->effects_count, &c->effects_cap, sizeof *c->effects);
    struct coord_effect *e = &c->effects[c->effects_count++];
    *e = (struct coord_effect){.type = type};
    return e;
}

void coord_send(struct coord *c, node_no to, const struct wire_message *m)
{
    struct coord_effect *e = append(c, COORD_SEND);
    e->send.to = to;
    e->send.message = *m;
    e->send.message.trace = tracing_session(&c->trace);
    if (c->trace.on != NULL) {
        char text[ENDPOINT_TEXT_SIZE];
        tracing_put(&c->trace, "Sending %s message to %s", wire_name(m->type),
                    name_of(c, to, text));
    }
}

void coord_done(struct coord *c, uint64_t op, const struct coord_result *result)
{
    if ((op & COORD_OWN_OP) != 0) {
        c->own = mem_grow(c->own, c->own_count, &c->own_cap, sizeof *c->own);
        c->own[c->own_count++] = (struct own_result){op, result};
        return;
    }
    struct coord_effect *e = append(c, COORD_DONE);
    e->done.op = op;
    e->done.result = result;
    if (result->err == ERR_TIMEOUT)
        c->stats.timeouts++;
    else if (result->err == ERR_UNAVAILABLE)
        c->stats.unavailable++;
    else if (result->err == ERR_OVERLOADED)
        c->stats.overloaded++;
}

void coord_moved(struct coord *c, uint64_t ring_epoch)
{
    append(c, COORD_MOVED)->ring_epoch = ring_epoch;
}

void coord_fetch(struct coord *c, const struct fetch *f, struct bytes wanted)
{
    struct coord_effect *e = append(c, COORD_FETCH);
    e->fetch.id = f->id;
    e->fetch.keyspace = f->keyspace;
    e->fetch.range = f->range;
    e->fetch.wanted = wanted;
}

const struct seen *copy_seen(struct arena *arena, const struct seen *seen)
{
    struct seen *copy = arena_new(arena, struct seen);
    seen_merge(copy, arena, seen);
    return copy;
}

size_t coord_effects(const struct coord *c, const struct coord_effect **ret_effects)
{
    *ret_effects = c->effects;
    return c->effects_count;
}

void coord_clear(struct coord *c)
{
    c->effects_count = 0;
    list_each_safe (at, after, &c->retired) {
        struct memory *m = container_of(at, struct memory, link);
        list_remove(at);
        arena_close(&m->arena);
        mem_free(m);
    }
}

static void durable(struct coord *c, struct now now, uint64_t ticket, enum err err);

uint64_t coord_next_ticket(const struct coord *c)
{
    return COORD_TICKET | (c->tickets + 1);
}

void coord_apply(struct coord *c, struct now now, keyspace_no keyspace, range_no range,
                 const struct part *part, struct dot dot, const struct clock *context,
                 struct applying applying)
{
    uint64_t ticket = COORD_TICKET | ++c->tickets;
    applying.trace = tracing_session(&c->trace);
    applying.table = part->table;
    applying.keyspace = keyspace;
    applying.range = range;
    applying.began = now.mono;
    tracing_say(&c->trace, "Writing %zu rows of a partition of %s to the store",
                part->rows_count + part->has_static, tracing_table(&c->trace, part->table));
    map_put(&c->applying_by_ticket, ticket, mem_copy(&applying, sizeof applying));
    c->in_flight += applying.bytes;
    c->waits->dirty = c->waits->count > 0;
    enum err err = engine_apply(c->engine, keyspace, range, part, dot, context, ticket);
    if (err != ERR_OK || MUTANT(ack_before_fsync))
        durable(c, now, ticket, err);
}

/* An ack is about to leave. What came before the stage and is durable in it is in no clock that we
 * have told of meanwhile (docs/movement.md, "The fence", 2). */
static enum err judge_again(struct coord *c, const struct applying *a, enum err err)
{
    if (err != ERR_OK || MUTANT(old_plan_acked))
        return err;
    return fence_check(c, a->keyspace, a->range, a->range, a->planned) == ERR_OK ? ERR_OK
                                                                                 : ERR_STALE;
}

static void stored(struct coord *c, struct now now, const struct applying *a, enum err err)
{
    struct pending *p = map_get(&c->pending_by_request, a->request);
    struct verdict verdict = a->verdict;
    verdict.synced = !c->config.unsynced;
    if (p != NULL && p->type == PENDING_RUN)
        write_stored(c, container_of(p, struct run, pending), err, &verdict);
    else if (p != NULL && p->type == PENDING_ROUND)
        repair_answer(c, now, container_of(p, struct round, pending), cluster_self(c->cluster),
                      judge_again(c, a, err), cluster_epoch(c->cluster));
}

static void durable(struct coord *c, struct now now, uint64_t ticket, enum err err)
{
    struct applying *a = map_remove(&c->applying_by_ticket, ticket);
    if (a == NULL) {
        (void)fold_durable(c, now, ticket, err);
        return;
    }
    c->now = now;
    c->in_flight -= a->bytes;
    usage_note(&c->usages, a->table, USAGE_WRITE, now.mono - a->began);
    struct uuid before = tracing_enter(&c->trace, now, &a->trace);
    tracing_say(&c->trace, err == ERR_OK ? "The write is durable" : "The write has failed");
    if (a->kept != NULL) {
        keeper_durable(c, now, a, err);
    } else if (a->hint) {
        hint_durable(c, a, err);
    } else if (a->for_peer) {
        const struct verdict *v = &a->verdict;
        struct wire_message m = {.type = WIRE_WRITE_ACK};
        m.write_ack = (struct wire_write_ack){a->request,         (uint32_t)judge_again(c, a, err),
                                              v->given.lost,      v->given.by,
                                              v->stamped.lost,    v->stamped.by,
                                              !c->config.unsynced};
        coord_send(c, a->peer, &m);
    } else {
        stored(c, now, a, err);
    }
    tracing_leave(&c->trace, &before);
    mem_free(a);
}

/* --- inputs: what sessions have started is heard once all else has returned */

static void settle(struct coord *c, struct now now)
{
    do {
        while (c->own_at < c->own_count) {
            struct own_result r = c->own[c->own_at++];
            if ((r.op & BATCH_OWN_OP) != 0)
                batch_heard(c, r.op, r.result);
            else
                cas_heard(c, now, r.op & ~COORD_OWN_OP, r.result);
        }
        c->own_at = c->own_count = 0;
    } while (waits_check(c, now) || fence_go(c, now));
}

void coord_write_start(struct coord *c, struct now now, uint64_t op, const struct coord_write *w)
{
    c->now = now;
    tracing_say(&c->trace, w->kind == WRITE_BATCH && w->count > 1
                               ? "Determining replicas for atomic batch"
                               : "Determining replicas for mutation");
    if (w->kind == WRITE_BATCH && w->count > 1)
        batch_start(c, now, op, w);
    else
        write_begin(c, now, op, w);
    settle(c, now);
}

void coord_read_start(struct coord *c, struct now now, uint64_t op, const struct coord_read *r)
{
    read_begin(c, now, op, r);
    settle(c, now);
}

void coord_cas_start(struct coord *c, struct now now, uint64_t op, const struct coord_cas *cas)
{
    cas_begin(c, now, op, cas);
    settle(c, now);
}

void coord_cas_propose(struct coord *c, struct now now, uint64_t session, uint64_t op,
                       const struct mutation *change)
{
    cas_decide(c, now, session, op, change);
    settle(c, now);
}

void coord_durable(struct coord *c, struct now now, uint64_t ticket, enum err err)
{
    c->now = now;
    if (c->waits->count == 0 || !waits_durable(c, ticket)) {
        durable(c, now, ticket, err);
        vote_durable(c, ticket, err);
    }
    settle(c, now);
}

void coord_caught_up(struct coord *c, struct now now)
{
    if (c->waits->count == 0)
        return;
    c->now = now;
    c->waits->dirty = true;
    settle(c, now);
}

void coord_placed(struct coord *c, struct now now)
{
    if (c->waits->count == 0 && list_empty(&c->stale))
        return;
    c->now = now;
    c->waits->dirty = true;
    settle(c, now);
}

void coord_fetched(struct coord *c, struct now now, uint64_t id, bool complete)
{
    c->now = now;
    waits_fetched(c, now, id, complete);
    settle(c, now);
}

/* An error code of a peer: numbers it cannot mean become plain failures. */
static enum err peer_err(uint32_t number)
{
    return number < ERR_COUNT ? (enum err)number : ERR_FAILED;
}

static void take_ack(struct coord *c, struct now now, struct run *run, node_no from, uint64_t epoch,
                     const struct wire_write_ack *m)
{
    struct verdict v = {{m->given_lost, m->given_by}, {m->stamped_lost, m->stamped_by}, m->synced};
    if (m->err == ERR_OK)
        answer_time_note(&c->times, run->part.table, ANSWER_WRITE, now.mono - run->started);
    write_answer(c, run, from, peer_err(m->err), epoch, &v);
}

static bool receive(struct coord *c, struct now now, node_no from, const struct wire_message *m)
{
    struct pending *p;
    c->now = now;
    switch (m->type) {
    case WIRE_BATCH_KEEP: keeper_keep(c, now, from, &m->batch_keep); return true;
    case WIRE_BATCH_DROP: keeper_drop(c, &m->batch_drop); return true;
    case WIRE_BATCH_KEPT:
        p = map_get(&c->pending_by_request, m->batch_kept.request);
        if (p != NULL && p->type == PENDING_BATCH)
            batch_kept(c, now, batch_of(p), from, peer_err(m->batch_kept.err));
        return true;
    case WIRE_HINT_KEEP: hint_keep(c, now, from, &m->hint_keep); return true;
    case WIRE_HINT_KEPT:
        p = map_get(&c->pending_by_request, m->hint_kept.request);
        if (p != NULL && p->type == PENDING_RUN)
            hint_kept(c, container_of(p, struct run, pending), from, peer_err(m->hint_kept.err));
        else if (p != NULL && p->type == PENDING_HINT)
            deliver_handed_on(c, giving_of(p), from, peer_err(m->hint_kept.err));
        return true;
    case WIRE_MAXIMUM_ASK: replica_maximum(c, from, &m->maximum_ask); return true;
    case WIRE_MAXIMUM_TELL:
        p = map_get(&c->pending_by_request, m->maximum_tell.request);
        if (p != NULL && p->type == PENDING_ASK)
            ask_told(c, now, ask_of_pending(p), from, peer_err(m->maximum_tell.err), m->epoch,
                     &m->maximum_tell);
        return true;
    case WIRE_WRITE: replica_write(c, now, from, &m->write, false); return true;
    case WIRE_READ: replica_read(c, now, from, &m->read, false); return true;
    case WIRE_FORWARD: write_forwarded(c, now, from, &m->forward); return true;
    case WIRE_FOLD_ASK: fold_asked(c, now, from, &m->fold_ask); return true;
    case WIRE_FOLD_TELL: fold_told(c, now, from, &m->fold_tell); return true;
    case WIRE_FORWARD_DONE: write_forward_done(c, now, m->epoch, &m->forward_done); return true;
    case WIRE_WRITE_ACK:
        p = map_get(&c->pending_by_request, m->write_ack.request);
        if (p == NULL)
            c->stats.late++;
        else if (p->type == PENDING_RUN)
            take_ack(c, now, container_of(p, struct run, pending), from, m->epoch, &m->write_ack);
        else if (p->type == PENDING_ROUND)
            repair_answer(c, now, container_of(p, struct round, pending), from,
                          peer_err(m->write_ack.err), m->epoch);
        return true;
    case WIRE_READ_REPLY:
        p = map_get(&c->pending_by_request, m->read_reply.request);
        if (p != NULL && p->type == PENDING_ROUND)
            read_reply(c, now, container_of(p, struct round, pending), from, m->epoch,
                       &m->read_reply);
        else
            c->stats.late++;
        return true;
    default: return cas_receive(c, now, from, m);
    }
}

bool coord_receive(struct coord *c, struct now now, node_no from, const struct wire_message *m)
{
    struct uuid before = tracing_enter(&c->trace, now, &m->trace);
    if (c->trace.on != NULL) {
        char text[ENDPOINT_TEXT_SIZE];
        tracing_put(&c->trace, "%s message received from %s", wire_name(m->type),
                    name_of(c, from, text));
    }
    bool ours = receive(c, now, from, m);
    settle(c, now);
    tracing_leave(&c->trace, &before);
    return ours;
}

void coord_peer_lost(struct coord *c, struct now now, node_no node)
{
    c->now = now;
    /* Handling one request may end it, and never starts another of an earlier place in the list. */
    list_each_safe (at, after, &c->pending) {
        struct pending *p = container_of(at, struct pending, link);
        switch (p->type) {
        case PENDING_RUN:
            write_peer_lost(c, now, container_of(p, struct run, pending), node);
            break;
        case PENDING_ROUND:
            read_peer_lost(c, now, container_of(p, struct round, pending), node);
            break;
        case PENDING_CAS: cas_peer_lost(c, now, container_of(p, struct cas, pending), node); break;
        case PENDING_BATCH: batch_peer_lost(c, now, batch_of(p), node); break;
        case PENDING_ASK: ask_peer_lost(c, now, ask_of_pending(p), node); break;
        case PENDING_HINT: deliver_handed_on(c, giving_of(p), node, ERR_CLOSED); break;
        }
    }
    deliver_peer_lost(c, node);
    settle(c, now);
}

usec coord_next_deadline(const struct coord *c)
{
    return timers_next(&c->timers);
}

static void expire(struct coord *c, struct now now, struct due *due)
{
    switch (due->kind) {
    case DUE_RUN: write_expired(c, container_of(due, struct run, deadline)); break;
    case DUE_READ: read_expired(c, container_of(due, struct read_op, deadline)); break;
    case DUE_FOLD: fold_tick(c, now, due); break;
    case DUE_SPECULATION:
        read_speculate(c, now, container_of(due, struct round, speculation));
        break;
    case DUE_CAS: cas_expired(c, container_of(due, struct cas, deadline)); break;
    case DUE_CAS_MOVE: cas_move_again(c, now); break;
    case DUE_CAS_AGAIN: cas_again(c, now, container_of(due, struct cas, again)); break;
    case DUE_ASK: ask_expired(c, now, ask_of_due(due)); break;
    case DUE_BATCH: batch_expired(c, batch_of_due(due)); break;
    case DUE_WAIT: waits_due(c, now, container_of(due, struct wait, due)); break;
    case DUE_KEEPER: keeper_due(c, now); break;
    case DUE_HALF: hint_half(c, container_of(due, struct run, half)); break;
    case DUE_HINTS: deliver_tick(c, now); break;
    case DUE_DROPS: batch_tell_drops(c); break;
    }
}

void coord_deadline(struct coord *c, struct now now)
{
    struct timer *t;
    c->now = now;
    while ((t = timers_pop(&c->timers, now.mono)) != NULL)
        expire(c, now, container_of(t, struct due, timer));
    settle(c, now);
}

const struct usages *coord_usages(const struct coord *c)
{
    return &c->usages;
}

struct coord_stats coord_stats(const struct coord *c)
{
    return c->stats;
}

size_t coord_in_flight(const struct coord *c)
{
    return c->in_flight;
}

size_t coord_pending(const struct coord *c)
{
    return map_count(&c->pending_by_request);
}

static usec ends_at(struct pending *p)
{
    switch (p->type) {
    case PENDING_RUN: return container_of(p, struct run, pending)->end_mono;
    case PENDING_ROUND: return container_of(p, struct round, pending)->op->deadline.timer.at;
    case PENDING_CAS: return container_of(p, struct cas, pending)->deadline.timer.at;
    case PENDING_BATCH: return batch_end(batch_of(p));
    case PENDING_ASK: return ask_end(ask_of_pending(p));
    case PENDING_HINT: break; /* who is asked answers, or is lost */
    }
    return USEC_NEVER;
}

size_t coord_overdue(const struct coord *c, struct now now)
{
    size_t overdue = 0;
    list_each (at, &c->pending) {
        struct pending *p = container_of(at, struct pending, link);
        overdue += ends_at(p) < now.mono;
    }
    return overdue;
}

size_t coord_waiting(const struct coord *c)
{
    return c->waits->count;
}

size_t coord_applying(const struct coord *c)
{
    return map_count(&c->applying_by_ticket) + map_count(&c->votes_by_ticket);
}
