/* Blocking read repair. The replicas that answered disagree: fetch the rows from all of them, join,
 * send each what it lacks, and answer when the level is met by replicas that have the joined state
 * (so a later quorum read cannot go back: monotonic quorum reads). When an ack is late the others,
 * that were not asked yet, are brought to the joined state, too, and theirs count as well. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"

static void merge_and_repair(struct coord *c, struct now now, struct round *round);

static bool has_answered(const struct answer *a)
{
    return a->state == REPLICA_ACKED;
}

void repair_start(struct coord *c, struct now now, struct round *round)
{
    round->phase = ROUND_FULL;
    tracing_say(&c->trace, "Digests differ, asking for the rows");
    c->stats.digest_mismatches++;
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        if (a->full || a->full_asked || (!has_answered(a) && a->state != REPLICA_WAITING))
            continue;
        /* It counts again when its rows are here; a digest still on its way is ignored. */
        if (has_answered(a))
            quorums_unack(&round->quorums, a->standing);
        round_ask(c, now, round, i, true);
    }
    repair_full_answer(c, now, round);
}

void repair_full_answer(struct coord *c, struct now now, struct round *round)
{
    while (quorums_state(&round->quorums) == QUORUM_IMPOSSIBLE) {
        if (!round_ask_another(c, now, round, true)) {
            round_fail(c, round, quorums_failed(&round->quorums) ? ERR_FAILED : ERR_TIMEOUT);
            return;
        }
    }
    if (quorums_state(&round->quorums) != QUORUM_ENOUGH || round_uncovered(c, now, round))
        return;
    merge_and_repair(c, now, round);
}

static const struct part *find_part(const struct scan_result *r, const struct part *like)
{
    for (size_t i = 0; i < r->parts_count; i++) {
        if (r->parts[i].token == like->token && bytes_equal(r->parts[i].key, like->key))
            return &r->parts[i];
    }
    return NULL;
}

/* What a replica that answered so lacks of a joined part; false: nothing. */
static bool lacks(const struct answer *a, const struct part *want, struct arena *arena,
                  struct part *ret)
{
    struct part none = {
        .table = want->table, .token = want->token, .key = want->key, .deletion = TOMB_NONE};
    none.static_row.deletion = TOMB_NONE;
    const struct part *have = find_part(&a->result, want);
    return part_lacks(have != NULL ? have : &none, want, arena, ret);
}

/* The table wants its replicas left as they are (read_repair = 'NONE'). */
static void tell_unrepaired(struct coord *c, struct now now, struct round *round)
{
    struct part lack;
    round->unrepaired = true;
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        for (size_t k = 0; k < round->merged.parts_count && has_answered(a) && !a->lacks; k++)
            a->lacks = lacks(a, &round->merged.parts[k], &round->op->memory->arena, &lack);
    }
    round_finish(c, now, round, &round->merged);
}

/* Send this replica what it lacks of the joined state; true when there was something. */
static bool repair_one(struct coord *c, struct now now, struct round *round, struct answer *a)
{
    struct arena *arena = &round->op->memory->arena;
    keyspace_no keyspace = round->op->request.keyspace;
    bool any = false;
    for (size_t i = 0; i < round->merged.parts_count; i++) {
        const struct part *want = &round->merged.parts[i];
        struct part lack;
        if (!lacks(a, want, arena, &lack))
            continue;
        range_no range = ring_range_of(want->token, cluster_ranges(c->cluster));
        struct dot no_dot = {{0, 0}, 0};
        any = true;
        if (a->state == REPLICA_LOST)
            return true; /* we, who could not take the part before it */
        c->stats.repairs++;
        a->repairing = a->lacks = true;
        a->repairs++;
        a->repaired++;
        if (a->node == cluster_self(c->cluster)) {
            if (!replica_takes_state(c, keyspace, range, &lack, round->planned)) {
                repair_answer(c, now, round, a->node, ERR_BEHIND, 0);
                return true;
            }
            coord_apply(
                c, now, keyspace, range, &lack, no_dot, NULL,
                (struct applying){.request = round->pending.request, .planned = round->planned});
            continue;
        }
        struct buf out;
        buf_init(&out, WIRE_MESSAGE_MAX);
        part_encode(&lack, &out);
        usec left = round->op->deadline.timer.at - now.mono;
        struct wire_message m = {.type = WIRE_WRITE};
        m.write = (struct wire_write){.request = round->pending.request,
                                      .timeout_us = left > 0 ? (uint64_t)left : 0,
                                      .keyspace = keyspace,
                                      .range = range,
                                      .dot = no_dot,
                                      .part = arena_copy(arena, buf_bytes(&out)),
                                      .planned = round->planned};
        buf_close(&out);
        coord_send(c, a->node, &m);
    }
    return any;
}

static void count_anew(struct round *round)
{
    quorums_restart(&round->quorums);
    for (size_t i = 0; i < round->answers; i++) {
        if (has_answered(&round->answer[i]))
            quorums_member(&round->quorums, round->answer[i].standing);
    }
}

/* A replica cannot take what it lacks, for its disk is full perhaps: another one in its place, with
 * the rows of those that are left. Under a new number, so that acks of what was sent so far do not
 * count for the state that is joined then. */
static void repair_again(struct coord *c, struct now now, struct round *round)
{
    coord_untrack(c, &round->pending);
    coord_track(c, &round->pending, PENDING_ROUND);
    round->phase = ROUND_FULL;
    count_anew(round);
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        a->repairing = a->outside = a->joins = a->lacks = false;
        a->repairs = a->repaired = 0;
        if (has_answered(a)) {
            quorums_ack(&round->quorums, a->standing);
        } else if (a->state == REPLICA_WAITING) { /* an answer would be to the old number */
            a->state = REPLICA_IDLE;
            a->full = a->full_asked = false;
        }
    }
    speculate_again(c, now, round);
    repair_full_answer(c, now, round);
}

/* Count the replicas that have the joined state. May end the round. */
static void repair_decide(struct coord *c, struct now now, struct round *round)
{
    enum quorum_state state = quorums_state(&round->quorums);
    if (state == QUORUM_ENOUGH)
        round_finish(c, now, round, &round->merged);
    else if (state == QUORUM_IMPOSSIBLE && !fence_is_stale(&round->pending))
        repair_again(c, now, round);
}

static void merge_and_repair(struct coord *c, struct now now, struct round *round)
{
    struct arena *arena = &round->op->memory->arena;
    struct scan_result results[REPLICAS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < round->answers; i++) {
        if (has_answered(&round->answer[i]))
            results[count++] = round->answer[i].result;
    }
    scan_result_merge(&round->scan, results, count, arena, &round->merged);
    if (round->policy.no_repair && (round->op->op & COORD_OWN_OP) == 0) {
        tell_unrepaired(c, now, round);
        return;
    }
    round->phase = ROUND_REPAIR;
    count_anew(round);
    speculate_on_acks(c, now, round);
    /* An apply to our own store that fails at once must not end the round under the loop. */
    round->sending = true;
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        a->outside = !has_answered(a);
        if (has_answered(a) && (MUTANT(skip_read_repair) || !repair_one(c, now, round, a) ||
                                MUTANT(repair_not_awaited)))
            quorums_ack(&round->quorums, a->standing);
    }
    round->sending = false;
    repair_decide(c, now, round);
}

/* Its rows need not be joined: what is told is what lay on enough replicas before it was asked. But
 * it counts only when it has all of that. */
static void bring(struct coord *c, struct now now, struct round *round, struct answer *a)
{
    if (a->state == REPLICA_LOST && a->err == ERR_CLOSED)
        quorums_lose(&round->quorums, a->standing);
    else if (a->state == REPLICA_LOST)
        quorums_fail(&round->quorums, a->standing);
    else if (MUTANT(joins_unrepaired) || !repair_one(c, now, round, a))
        quorums_ack(&round->quorums, a->standing);
}

void repair_joins(struct coord *c, struct now now, struct round *round, struct answer *a)
{
    if (!a->joins || round->sending)
        return; /* it is not needed so far; or our own answer, which repair_widen sees */
    round->sending = true;
    bring(c, now, round, a);
    round->sending = false;
    repair_decide(c, now, round);
}

bool repair_widen(struct coord *c, struct now now, struct round *round)
{
    bool any = false;
    round->sending = true;
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        if (!a->outside || a->joins || a->state == REPLICA_LOST)
            continue;
        any = a->joins = true;
        if (a->state == REPLICA_IDLE)
            round_ask(c, now, round, i, true);
        else
            quorums_member(&round->quorums, a->standing); /* asked before the others were joined */
        if (a->state != REPLICA_WAITING)
            bring(c, now, round, a);
    }
    round->sending = false;
    if (any)
        repair_decide(c, now, round);
    return any;
}

void repair_answer(struct coord *c, struct now now, struct round *round, node_no from, enum err err,
                   uint64_t epoch)
{
    if (round->phase != ROUND_REPAIR)
        return;
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        if (a->node != from || !a->repairing)
            continue;
        if (err == ERR_STALE)
            (void)fence_refused(c, &round->pending, round->planned, epoch);
        if (err == ERR_OK && --a->repairs > 0)
            return; /* more parts of it are on the way */
        a->repairing = false;
        if (err != ERR_OK)
            a->state = REPLICA_LOST;
        a->err = err;
        if (err == ERR_OK)
            quorums_ack(&round->quorums, a->standing);
        else if (err == ERR_CLOSED)
            quorums_lose(&round->quorums, a->standing);
        else
            quorums_fail(&round->quorums, a->standing);
        if (!round->sending)
            repair_decide(c, now, round);
        return;
    }
}
