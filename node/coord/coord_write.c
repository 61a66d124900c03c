/* A run carries one mutation to its replicas. Replica here: mint, apply, send to the others. No
 * replica here: coord_forward.c. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"
#include "node/coord/waits.h"

#include <string.h>

void run_finish(struct coord *c, struct run *run, const struct coord_result *result)
{
    if (stamp_holds(c, run, result))
        return;
    run_tell(c, run, result);
    coord_untrack(c, &run->pending);
    timers_cancel(&c->timers, &run->deadline.timer);
    timers_cancel(&c->timers, &run->half.timer);
    if (!MUTANT(in_flight_leaks))
        c->in_flight -= run->encoded.len;
    if (run->owner != NULL) {
        write_run_done(c, run, result);
    } else {
        struct wire_message m = run_forward_done(run, result);
        if (MUTANT(forward_says_ok))
            m.forward_done.err = ERR_OK;
        coord_send(c, run->peer, &m);
    }
    memory_retire(c, run->memory);
}

void write_free(struct coord *c, struct run *run)
{
    coord_untrack(c, &run->pending);
    timers_cancel(&c->timers, &run->deadline.timer);
    timers_cancel(&c->timers, &run->half.timer);
    if (run->owner != NULL)
        write_run_dropped(c, run->owner);
    memory_retire(c, run->memory);
}

static bool is_synced(const struct run *run)
{
    for (size_t i = 0; i < run->targets; i++) {
        if (run->target[i].state == REPLICA_ACKED && !run->target[i].synced)
            return false;
    }
    return true;
}

static struct coord_result result_of(const struct run *run, enum err err)
{
    const struct quorum *q = quorums_telling(&run->quorums);
    struct coord_result result = {.err = err,
                                  .level = run->level,
                                  .kind = run->kind,
                                  .required = quorum_need(q),
                                  .received = quorum_acked(q),
                                  .failures = q->failures,
                                  .hinted = run->hinted,
                                  .synced = is_synced(run),
                                  .left_out = run->left_out,
                                  .merged = (uint32_t)run->merged,
                                  .merged_in = run->part.table};
    if (err == ERR_UNAVAILABLE)
        result.received = quorum_members(q);
    return result;
}

/* Counters and IF have their own rules, and nobody waits for a replay. */
static bool may_be_stamped(const struct run *run)
{
    return run->kind != WRITE_COUNTER && run->kind != WRITE_CAS && !run->replay;
}

void run_result(struct coord *c, struct run *run, enum err err)
{
    struct coord_result result = result_of(run, err);
    bool undone = run->dot.n == 0 && !run->forwarded;
    result.hints_full = run->hints_full && (err == ERR_UNAVAILABLE || err == ERR_TIMEOUT);
    if (result.hints_full && undone)
        result.err = ERR_OVERLOADED;
    if (err == ERR_OK &&
        (run->weighs || run->hint || (run->supersede.siblings && may_be_stamped(run))))
        stamp_tell(run, &result);
    if (err == ERR_OVERLOADED && run->kind == WRITE_COUNTER)
        result.waits_for = fold_waits_for(c, run->keyspace, run->range);
    run_finish(c, run, &result);
}

bool run_decide(struct coord *c, struct run *run)
{
    switch (quorums_state(&run->quorums)) {
    case QUORUM_ENOUGH: run_result(c, run, ERR_OK); return true;
    case QUORUM_IMPOSSIBLE:
        if (fence_is_stale(&run->pending))
            return false; /* by that plan */
        if (hint_fill(c, run)) {
            hint_send(c, run);
            return quorums_state(&run->quorums) == QUORUM_IMPOSSIBLE && run_decide(c, run);
        }
        if (run->alone && run->forward_waits) {
            run->alone = false; /* who has it may yet answer */
            return false;
        }
        run_result(c, run, quorums_failed(&run->quorums) ? ERR_FAILED : ERR_TIMEOUT);
        return true;
    case QUORUM_WAITING: break;
    }
    return false;
}

static void add_targets(struct coord *c, struct run *run, struct replicas replicas, bool later)
{
    for (uint32_t i = 0; i < replicas.count; i++) {
        size_t at = 0;
        while (at < run->targets && run->target[at].node != replicas.node[i])
            at++;
        if (at == REPLICAS_MAX)
            return;
        if (at == run->targets) {
            const struct cluster_node *n = cluster_find(c->cluster, replicas.node[i]);
            run->target[at].node = replicas.node[i];
            run->target[at].standing.dc = n != NULL ? n->dc_index : 0;
            run->targets++;
        }
        run->target[at].standing.in_now |= !later;
        run->target[at].standing.in_later |= later;
    }
}

/* Does its answer count? Of a hint that is for one replica only that one's does. */
static bool counts(const struct run *run, size_t i)
{
    return run->to == 0 || run->target[i].node == run->to;
}

/* Who is to get it, and are enough of them alive? */
static enum err run_plan(struct coord *c, struct run *run)
{
    struct quorum_plan needed;
    const struct placement *p = cluster_placement(c->cluster, run->keyspace);
    if (p == NULL || c->self.node == 0)
        return ERR_UNAVAILABLE;
    run->range = ring_range_of(run->part.token, p->ranges);
    if (!cluster_quorum_plan(c->cluster, run->keyspace, run->range, run->level, &needed))
        return ERR_UNAVAILABLE;
    if (cluster_table_is_gone(c->cluster, run->part.table))
        return ERR_FAILED;
    if (MUTANT(write_one_short) && run->level == LEVEL_QUORUM)
        quorum_plan_level(&needed, LEVEL_ONE);
    needed.joint = needed.joint && !MUTANT(forget_later_set);
    run->planned = needed.planned;
    quorums_init(&run->quorums, &needed);
    add_targets(c, run, placement_replicas(p, run->range), false);
    if (needed.joint)
        add_targets(c, run, placement_later(p, run->range), true);
    for (size_t i = 0; i < run->targets; i++) {
        if (!replica_is_able(c, run->keyspace, run->range, run->target[i].node)) {
            run->target[i].state = REPLICA_LOST;
            continue;
        }
        if (counts(run, i))
            quorums_member(&run->quorums, run->target[i].standing);
    }
    (void)hint_fill(c, run);
    if (quorums_state(&run->quorums) != QUORUM_IMPOSSIBLE || hint_any_is_possible(c, run))
        return ERR_OK;
    return ERR_UNAVAILABLE;
}

enum err run_encode(struct run *run)
{
    struct buf out;
    buf_init(&out, STORE_BATCH_MAX);
    part_encode(&run->sent, &out);
    enum err err = buf_finish(&out);
    run->encoded = arena_copy(&run->memory->arena, buf_bytes(&out));
    buf_close(&out);
    return err;
}

/* What the request becomes under its dot. False: the run is over, or goes on elsewhere. */
static bool mint(struct coord *c, struct now now, struct run *run, struct dot dot)
{
    enum err err = run->supersede.siblings ? stamp_mint_siblings(c, now, run, dot)
                                           : stamp_mint(c, now, run, dot);
    if (err == ERR_INVALID)
        run_result(c, run, ERR_FAILED);
    else if (err != ERR_OK) /* what is here cannot be read */
        run_elsewhere(c, now, run);
    return err == ERR_OK;
}

static void send_write(struct coord *c, struct now now, struct run *run, node_no to)
{
    struct wire_message m = {.type = WIRE_WRITE};
    m.write = (struct wire_write){.request = run->pending.request,
                                  .timeout_us = (uint64_t)run_left_us(run, now),
                                  .keyspace = run->keyspace,
                                  .range = run->range,
                                  .dot = run->dot,
                                  .part = run->encoded,
                                  .context = run->context,
                                  .weighs = run->weighs,
                                  .stamp = run->stamp,
                                  .after = run->after,
                                  .planned = run->planned};
    coord_send(c, to, &m);
}

/* Ours at once: the others do not see what lost here, for what won is sent to them. */
static void take_verdict(struct run *run, size_t i, const struct verdict *verdict)
{
    run->target[i].told = true;
    run->target[i].verdict = *verdict;
}

/* We are a replica: the write gets its dot here. */
static void run_coordinate(struct coord *c, struct now now, struct run *run)
{
    node_no self = cluster_self(c->cluster);
    if (run->hint) {
        enum err err = stamp_leave_out(c, run);
        if (err == ERR_STALE)
            run_result(c, run, ERR_OK);
        else if (err != ERR_OK)
            run_elsewhere(c, now, run);
        if (err != ERR_OK)
            return;
    }
    if (run->kind == WRITE_COUNTER) {
        enum err err = counter_take(c, now, run);
        if (MUTANT(known_is_acked) && err == ERR_OK && run->repeated) {
            run_result(c, run, ERR_OK);
            return;
        }
        if (err == ERR_OVERLOADED || err == ERR_TIMEOUT)
            run_result(c, run, err);
        else if (err != ERR_OK)
            run_elsewhere(c, now, run);
        if (err != ERR_OK)
            return;
    }
    struct dot dot = engine_next_dot(c->engine, run->keyspace, run->range, c->self);
    run->dot = dot;
    if (!mint(c, now, run, dot))
        return;
    run->original = run->encoded;
    c->in_flight -= run->encoded.len;
    enum err err = run_encode(run);
    c->in_flight += run->encoded.len;
    if (err != ERR_OK) { /* a dot and what it removes may be more than was asked for */
        run_result(c, run, ERR_TOO_BIG);
        return;
    }
    for (size_t i = 0; i < run->targets; i++) {
        if (run->target[i].state == REPLICA_LOST)
            continue;
        run->target[i].state = REPLICA_WAITING;
        if (run->target[i].node == self) {
            take_verdict(run, i, &run->minted);
            continue;
        }
        send_write(c, now, run, run->target[i].node);
    }
    hint_send(c, run);
    /* Last, because a store that has failed answers at once, and that may end the run. */
    run->own = REPLICA_WAITING;
    run->ticket = coord_next_ticket(c);
    coord_apply(c, now, run->keyspace, run->range, &run->sent, dot, NULL,
                (struct applying){.request = run->pending.request, .verdict = run->minted});
}

/* Who may give the write its dot: a replica; of a counter one that has all that the range holds,
 * not one that is about to (docs/counters.md). */
static bool may_coordinate(const struct run *run, size_t i)
{
    return run->target[i].state != REPLICA_LOST && counts(run, i) &&
           (run->kind != WRITE_COUNTER || run->target[i].standing.in_now);
}

static const struct standing *own_standing(const struct coord *c, const struct run *run)
{
    for (size_t i = 0; i < run->targets; i++) {
        if (run->target[i].node == cluster_self(c->cluster) && counts(run, i))
            return &run->target[i].standing;
    }
    return NULL;
}

static bool is_ours(const struct coord *c, const struct run *run)
{
    for (size_t i = 0; i < run->targets; i++) {
        if (run->target[i].node == cluster_self(c->cluster))
            return may_coordinate(run, i);
    }
    return false;
}

/* Handed to us by who takes us for a replica: he knows less than we do, or more. */
static bool is_strange(const struct coord *c, const struct run *run)
{
    const struct standing *s = own_standing(c, run);
    return run->owner == NULL && (s == NULL || (run->kind == WRITE_COUNTER && !s->in_now));
}

static void run_refuse(struct coord *c, struct run *run)
{
    if (run->peer_planned > cluster_epoch(c->cluster) && !MUTANT(early_is_refused))
        fence_wait(c, &run->pending, run->peer_planned);
    else
        run_result(c, run, ERR_STALE);
}

/* Find its replicas, and who of them makes the write. */
static void run_go(struct coord *c, struct now now, struct run *run)
{
    enum err err = run_plan(c, run);
    if (err != ERR_OK) {
        run_result(c, run, err);
        return;
    }
    err = run->hint ? ERR_OK : stamp_check_replay(c, run);
    if (err == ERR_STALE) {
        c->stats.replays_left_out++;
        run_result(c, run, ERR_OK);
        return;
    }
    if (err == ERR_OK && is_strange(c, run)) {
        run_refuse(c, run);
        return;
    }
    if (err != ERR_OK || !is_ours(c, run)) { /* left out for that it would be half a batch */
        run_elsewhere(c, now, run);
        return;
    }
    err = run_wait(c, now, run);
    if (err == ERR_OK)
        run_coordinate(c, now, run);
    else if (err != ERR_BEHIND)
        run_result(c, run, err);
}

static void forget_targets(struct run *run)
{
    run->targets = 0;
    memset(run->target, 0, sizeof run->target);
}

void write_resume(struct coord *c, struct now now, struct run *run)
{
    run->waited = true;
    forget_targets(run); /* who lives, and who holds the range, may have changed */
    run_go(c, now, run);
}

void run_start(struct coord *c, struct now now, struct run *run, usec timeout_us)
{
    bool stamped = may_be_stamped(run);
    run->weighs = stamped && !run->supersede.siblings;
    run->stamp = run->came = stamped ? run->came : 0;
    coord_track(c, &run->pending, PENDING_RUN);
    run->started = now.mono;
    run->end_mono = now.mono + timeout_us;
    hint_watch(c, run, timeout_us);
    run->deadline.kind = DUE_RUN;
    timers_set(&c->timers, &run->deadline.timer, run->end_mono);
    c->in_flight += run->encoded.len;
    if (c->in_flight > c->config.in_flight_max)
        run_result(c, run, ERR_OVERLOADED);
    else if (stamp_is_given_up(c, run))
        run_result(c, run, ERR_UNAVAILABLE); /* should that be wrong, another replica gets it */
    else
        run_go(c, now, run);
}

struct run *run_new(void)
{
    struct memory *memory = memory_new();
    struct run *run = arena_new(&memory->arena, struct run);
    run->memory = memory;
    run->limit = INT64_MIN;
    list_init(&run->pending.link);
    return run;
}

bool write_is_possible(struct coord *c, const struct mutation *m, const struct coord_write *w,
                       struct coord_result *ret)
{
    struct run *run = run_new();
    run->keyspace = m->keyspace;
    run->part = m->part;
    run->level = w->level;
    run->kind = w->kind;
    enum err err = run_plan(c, run);
    *ret = result_of(run, err);
    memory_retire(c, run->memory);
    return err == ERR_OK;
}

void write_answer(struct coord *c, struct run *run, node_no from, enum err err, uint64_t epoch,
                  const struct verdict *verdict)
{
    for (size_t i = 0; i < run->targets && !run->held; i++) {
        if (run->target[i].node != from || run->target[i].state != REPLICA_WAITING)
            continue;
        bool over = err == ERR_STALE && fence_refused(c, &run->pending, run->planned, epoch);
        run->target[i].state = err == ERR_OK ? REPLICA_ACKED : REPLICA_LOST;
        run->target[i].err = err;
        run->target[i].synced = verdict->synced;
        if (err == ERR_OK)
            take_verdict(run, i, verdict);
        if (run->target[i].keeper != 0 && run->target[i].hint == REPLICA_ACKED)
            return; /* that has counted */
        if (!counts(run, i))
            return;
        if (err == ERR_OK && MUTANT(count_ack_twice))
            quorums_ack(&run->quorums, run->target[i].standing);
        if (err == ERR_OK)
            quorums_ack(&run->quorums, run->target[i].standing);
        else if (over)
            quorums_lose(&run->quorums, run->target[i].standing);
        else if (!hint_stands_in(run, i))
            quorums_fail(&run->quorums, run->target[i].standing);
        run_decide(c, run);
        return;
    }
}

/* --- a plan that is over (fence.h) */

void write_stored(struct coord *c, struct run *run, enum err err, const struct verdict *verdict)
{
    run->own = err == ERR_OK ? REPLICA_ACKED : REPLICA_LOST;
    if (err == ERR_OK && !MUTANT(old_plan_kept) &&
        stage_is_fenced(run->planned, cluster_stage_since(c->cluster, run->keyspace, run->range)))
        err = ERR_STALE;
    write_answer(c, run, cluster_self(c->cluster), err, cluster_epoch(c->cluster), verdict);
}

/* What they told before does not come again: who has it already does not weigh it. */
static void keep_verdicts(struct run *run, const struct run *before)
{
    for (size_t i = 0; i < run->targets; i++) {
        for (size_t k = 0; k < before->targets; k++) {
            if (before->target[k].told && before->target[k].node == run->target[i].node)
                take_verdict(run, i, &before->target[k].verdict);
        }
    }
}

/* Under the dot that it has, to all who are to have it by the plan. */
static void run_send_again(struct coord *c, struct now now, struct run *run)
{
    for (size_t i = 0; i < run->targets; i++) {
        bool own = run->target[i].node == cluster_self(c->cluster);
        if (run->target[i].state == REPLICA_LOST)
            continue;
        run->target[i].state = own ? run->own : REPLICA_WAITING;
        if (!own)
            send_write(c, now, run, run->target[i].node);
        else if (run->own == REPLICA_ACKED && counts(run, i))
            quorums_ack(&run->quorums, run->target[i].standing);
        else if (run->own == REPLICA_LOST && counts(run, i))
            quorums_fail(&run->quorums, run->target[i].standing);
    }
    hint_send(c, run);
    run_decide(c, run);
}

/* Nobody may tell of the dot that it got: somebody else, or we in a new life, mints it anew. */
static bool run_unmint(struct coord *c, struct run *run)
{
    c->in_flight -= run->encoded.len;
    run->encoded = run->original;
    c->in_flight += run->encoded.len;
    run->stamp = run->stamp != 0 ? run->came : 0;
    run->ticket = 0;
    run->own = REPLICA_IDLE;
    run->forward_lost = true; /* it may have been written */
    forget_targets(run);
    return part_decode(run->encoded, &run->memory->arena, &run->part) == ERR_OK;
}

void write_plan_anew(struct coord *c, struct now now, struct run *run)
{
    struct run *before = mem_copy(run, sizeof *run);
    struct applying *own = run->ticket != 0 ? map_get(&c->applying_by_ticket, run->ticket) : NULL;
    enum err err;
    coord_untrack(c, &run->pending);
    coord_track(c, &run->pending, PENDING_RUN); /* acks of the plan before come too late */
    if (own != NULL)
        own->request = run->pending.request;
    run->forwarded = run->forward_waits = run->alone = false;
    run->hinted = 0;
    forget_targets(run);
    if (run->own == REPLICA_IDLE) {
        run_go(c, now, run);
    } else if ((err = run_plan(c, run)) != ERR_OK) {
        run_result(c, run, err == ERR_UNAVAILABLE ? ERR_TIMEOUT : err); /* some may have it */
    } else if (is_ours(c, run) && actor_compare(run->dot.actor, c->self) == 0) {
        keep_verdicts(run, before);
        run_send_again(c, now, run);
    } else if (run_unmint(c, run)) {
        run_go(c, now, run);
    } else {
        run_result(c, run, ERR_FAILED);
    }
    mem_free(before);
}

void write_peer_lost(struct coord *c, struct now now, struct run *run, node_no node)
{
    if (hint_peer_lost(c, run, node))
        return;
    if (run->forwarded) {
        if (run->forward_to != node || run->held || fence_is_stale(&run->pending))
            return;
        run->forward_lost = true;
        run->forward_waits = false;
        if (!run_forward(c, now, run) && !run->alone && !hint_alone(c, run))
            run_result(c, run, ERR_TIMEOUT); /* it may or may not have happened */
        return;
    }
    for (size_t i = 0; i < run->targets && !run->held; i++) {
        if (run->target[i].node != node || run->target[i].state != REPLICA_WAITING)
            continue;
        run->target[i].state = REPLICA_LOST;
        run->target[i].err = ERR_CLOSED;
        if (!counts(run, i) || hint_stands_in(run, i))
            return;
        if (MUTANT(lost_replica_counts))
            quorums_ack(&run->quorums, run->target[i].standing);
        else
            quorums_lose(&run->quorums, run->target[i].standing);
        run_decide(c, run);
        return;
    }
}

void write_expired(struct coord *c, struct run *run)
{
    if (run->held)
        run_finish(c, run, &run->outcome);
    else if (!MUTANT(write_never_expires))
        run_result(c, run, MUTANT(timeout_is_success) ? ERR_OK : ERR_TIMEOUT);
}
