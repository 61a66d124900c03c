/* Blocking read repair. The replicas that answered disagree: fetch the rows from all of them, join,
 * send each what it lacks, and answer when the level is met by replicas that have the joined state
 * (so a later quorum read cannot go back: monotonic quorum reads). */
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

/* Send this replica what it lacks of the joined state; true when there was something. */
static bool repair_one(struct coord *c, struct now now, struct round *round, struct answer *a)
{
    struct arena *arena = &round->op->memory->arena;
    keyspace_no keyspace = round->op->request.keyspace;
    bool any = false;
    for (size_t i = 0; i < round->merged.parts_count; i++) {
        const struct part *want = &round->merged.parts[i];
        struct part none = {
            .table = want->table, .token = want->token, .key = want->key, .deletion = TOMB_NONE};
        none.static_row.deletion = TOMB_NONE;
        const struct part *have = find_part(&a->result, want);
        struct part lack;
        if (!part_lacks(have != NULL ? have : &none, want, arena, &lack))
            continue;
        range_no range = ring_range_of(want->token, cluster_ranges(c->cluster));
        struct dot no_dot = {{0, 0}, 0};
        any = true;
        c->stats.repairs++;
        a->repairing = true;
        a->repairs++;
        a->repaired++;
        if (a->node == cluster_self(c->cluster)) {
            if (!replica_takes_state(c, keyspace, range, &lack, cluster_epoch(c->cluster))) {
                repair_answer(c, now, round, a->node, ERR_BEHIND);
                return true;
            }
            coord_apply(c, now, keyspace, range, &lack, no_dot, NULL,
                        (struct applying){.request = round->pending.request});
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
                                      .part = arena_copy(arena, buf_bytes(&out))};
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
        a->repairing = false;
        a->repairs = a->repaired = 0;
        if (has_answered(a)) {
            quorums_ack(&round->quorums, a->standing);
        } else if (a->state == REPLICA_WAITING) { /* an answer would be to the old number */
            a->state = REPLICA_IDLE;
            a->full = a->full_asked = false;
        }
    }
    repair_full_answer(c, now, round);
}

/* Count the replicas that have the joined state. May end the round. */
static void repair_decide(struct coord *c, struct now now, struct round *round)
{
    enum quorum_state state = quorums_state(&round->quorums);
    if (state == QUORUM_ENOUGH)
        round_finish(c, now, round, &round->merged);
    else if (state == QUORUM_IMPOSSIBLE)
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
    round->phase = ROUND_REPAIR;
    count_anew(round);
    /* An apply to our own store that fails at once must not end the round under the loop. */
    round->sending = true;
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        if (has_answered(a) && (MUTANT(skip_read_repair) || !repair_one(c, now, round, a) ||
                                MUTANT(repair_not_awaited)))
            quorums_ack(&round->quorums, a->standing);
    }
    round->sending = false;
    repair_decide(c, now, round);
}

void repair_answer(struct coord *c, struct now now, struct round *round, node_no from, enum err err)
{
    if (round->phase != ROUND_REPAIR)
        return;
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        if (a->node != from || !a->repairing)
            continue;
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
