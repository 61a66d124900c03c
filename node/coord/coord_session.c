/* Writes of sessions wait for what these have seen. Of their reads: one of the answers that are
 * joined must have all that the session has seen, and what they show is seen from then on
 * (docs/sessions.md). */
#include "base/mutant.h"
#include "node/coord/receipt.h"
#include "node/coord/waits.h"

bool level_is_quorum(enum level level)
{
    return level == LEVEL_QUORUM || level == LEVEL_ALL || level == LEVEL_EACH_QUORUM;
}

void run_take_session(struct coord *c, struct run *run, const struct seen *seen)
{
    struct buf needs;
    uint32_t ranges = cluster_ranges(c->cluster);
    run->tells = seen != NULL;
    if (seen == NULL || ranges == 0)
        return;
    range_no range = ring_range_of(run->part.token, ranges);
    buf_init(&needs, WIRE_MESSAGE_MAX);
    seen_put_needs(seen, run->keyspace, range, range, &needs);
    run->after = arena_copy(&run->memory->arena, buf_bytes(&needs));
    buf_close(&needs);
}

void run_tell(struct coord *c, struct run *run, const struct coord_result *result)
{
    struct arena *arena = &run->memory->arena;
    struct seen_entry e = {run->keyspace, run->range, run->dot.actor, run->dot.n,
                           level_is_quorum(run->level) && result->hinted == 0};
    if (run->want_receipt && run->receipt.len == 0)
        run->receipt = receipt_of_run(c, run, result, arena);
    if (run->tells && run->dot.n > 0)
        seen_note(&run->told, arena, e);
}

struct wire_message run_forward_done(const struct run *run, const struct coord_result *result)
{
    struct wire_message m = {.type = WIRE_FORWARD_DONE};
    m.forward_done = (struct wire_forward_done){.request = run->peer_request,
                                                .err = (uint32_t)result->err,
                                                .required = result->required,
                                                .received = result->received,
                                                .failures = result->failures,
                                                .hinted = result->hinted,
                                                .synced = result->synced,
                                                .left_out = result->left_out,
                                                .hints_full = result->hints_full,
                                                .waits_for = result->waits_for,
                                                .merged = result->merged,
                                                .lost = (uint32_t)result->lost,
                                                .behind = result->behind,
                                                .dot = run->dot,
                                                .receipt = run->receipt};
    return m;
}

enum err run_wait(struct coord *c, struct now now, struct run *run)
{
    if (run->waited || run->after.len == 0 || MUTANT(write_before_dependencies))
        return ERR_OK;
    enum err err = waits_look(c, run->keyspace, run->after, false);
    if (err == ERR_BEHIND)
        err = waits_for_run(c, now, run) == ERR_OK ? ERR_BEHIND : ERR_OVERLOADED;
    return err == ERR_MALFORMED ? ERR_FAILED : err;
}

bool round_has_covering(const struct round *round, enum replica_state state)
{
    for (size_t i = 0; i < round->answers; i++) {
        const struct answer *a = &round->answer[i];
        if (a->covers && a->state == state && (a->full || state == REPLICA_WAITING))
            return true;
    }
    return false;
}

bool round_is_covered(const struct round *round)
{
    return round->after.len == 0 || MUTANT(token_ignored) ||
           round_has_covering(round, REPLICA_ACKED);
}

bool round_uncovered(struct coord *c, struct now now, struct round *round)
{
    while (!round_is_covered(round)) {
        if (round_has_covering(round, REPLICA_WAITING))
            return true;
        if (!round_ask_another(c, now, round, true)) {
            round_fail(c, round, ERR_TIMEOUT);
            return true;
        }
    }
    return false;
}

bool round_wait_ourselves(struct coord *c, struct now now, struct round *round, struct answer *a)
{
    if (!a->covers)
        return false;
    enum err err = waits_look(c, round->op->request.keyspace, round->after, true);
    if (err == ERR_BEHIND)
        err = waits_for_round(c, now, round) == ERR_OK ? ERR_BEHIND : ERR_OVERLOADED;
    if (err != ERR_OK && err != ERR_BEHIND) {
        a->state = REPLICA_LOST;
        a->err = err;
        quorums_fail(&round->quorums, a->standing);
    }
    return err != ERR_OK;
}

void round_tell(struct round *round)
{
    struct read_op *op = round->op;
    bool quorum =
        round->phase != ROUND_INDEX && !round->unrepaired && level_is_quorum(op->request.level);
    for (size_t i = 0; i < round->answers && op->request.seen != NULL; i++) {
        const struct answer *a = &round->answer[i];
        struct arena *arena = &op->memory->arena;
        struct seen seen;
        if (a->state != REPLICA_ACKED || a->outside || a->seen.len == 0 ||
            seen_decode(a->seen, arena, &seen) != ERR_OK)
            continue;
        for (size_t k = 0; k < seen.count; k++)
            seen.items[k].quorum = quorum; /* a read repairs, until its level is met */
        seen_merge(&op->told, arena, &seen);
    }
}

void round_find_after(struct coord *c, struct round *round, range_no first, uint32_t ranges)
{
    struct read_op *op = round->op;
    struct buf needs;
    range_no last =
        ring_range_of(round->scan.single ? round->scan.token : round->scan.upto_token, ranges);
    if (op->request.seen == NULL)
        return;
    buf_init(&needs, WIRE_MESSAGE_MAX);
    seen_put_needs(op->request.seen, op->request.keyspace, first, last, &needs);
    round->after = arena_copy(&op->memory->arena, buf_bytes(&needs));
    buf_close(&needs);
    if (round->after.len == 0 || round->answers == 0 ||
        round->answer[0].node != cluster_self(c->cluster) ||
        waits_look(c, op->request.keyspace, round->after, true) == ERR_OK)
        return;
    struct answer ours = round->answer[0];
    size_t at = 0;
    for (; at + 1 < round->answers && round->answer[at + 1].standing.in_now; at++)
        round->answer[at] = round->answer[at + 1];
    round->answer[at] = ours;
}

enum level session_level(const struct coord_read *r)
{
    if (r->seen == NULL || r->seen->floor == SEEN_ANY || r->level == LEVEL_ALL)
        return r->level;
    if (r->seen->floor == SEEN_ALL)
        return LEVEL_ALL;
    return r->level == LEVEL_EACH_QUORUM ? r->level : LEVEL_QUORUM;
}

void round_receipt(struct coord *c, struct round *round, enum err err)
{
    struct read_op *op = round->op;
    struct arena *arena = &op->memory->arena;
    if (op->request.receipt)
        receipt_add(&op->receipt, arena, receipt_of_round(c, round, err, arena));
}
