/* Rounds that ask an index. Every replica that counts says which of its rows match; a row that any
 * of them names is read from as many as the level needs, joined and repaired like any other, and
 * whoever asked for the rows looks again whether they match.
 *
 * So nothing that a quorum knows is missed: a value that was acked at W is in the index of one of
 * the R that are asked. And nothing is shown that was overwritten: its row is read from R replicas,
 * one of which knows. A replica decides by one index alone, never by several conditions: a row that
 * meets both only when two replicas' cells are joined would be found by neither. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"

/* Behind this, nothing was asked of the index yet. */
static void set_next(struct read_op *op, const struct round *round, const struct index_result *all)
{
    const struct scan *scan = &op->request.scan;
    op->next = *all;
    if (all->more || scan->single || round->scan.upto_token == scan->upto_token)
        return;
    op->next.more = true; /* the next span */
    op->next.upto_token = round->scan.upto_token;
    op->next.upto_key = BYTES_NONE;
    op->next.upto_in_part = false;
}

bool index_next(struct read_op *op)
{
    struct scan *scan = &op->request.scan;
    const struct index_result *next = &op->next;
    struct scan_result *all = &op->result.rows;
    bool span = next->upto_key.len == 0; /* partition keys are never empty */
    uint32_t rows_max = op->points.has_points ? op->points.rows_max : scan->rows_max;
    op->points = (struct scan){0};
    scan->rows_max = rows_max;
    if (!next->more)
        return false;
    all->upto_token = next->upto_token;
    all->upto_key = next->upto_key;
    all->upto_in_part = next->upto_in_part;
    all->upto_row = next->upto_in_part ? next->upto_row : BYTES_NONE;
    all->upto_rows = 0;
    scan->has_from = !span;
    if (span)
        scan->after_token = next->upto_token;
    scan->from_token = next->upto_token;
    scan->from_key = next->upto_key;
    scan->from_in_part = all->upto_in_part;
    scan->from_row = all->upto_row;
    scan->from_rows = 0;
    return true;
}

/* The rows that were found, as a scan of the ring from the first to the last of them and no
 * further: an answer that ends with the scan must not claim what the index was not asked for yet.
 */
static struct scan scan_of_points(const struct read_op *op, const struct index_result *found)
{
    struct scan s = op->request.scan;
    const struct scan_point *first = &found->points[0];
    bool resumes = s.has_from && s.from_in_part && first->whole && first->token == s.from_token &&
                   bytes_equal(first->key, s.from_key);
    s.index = (struct scan_index){0};
    s.has_points = true;
    s.points = found->points;
    s.points_count = found->count;
    s.after_token = first->token == INT64_MIN ? INT64_MIN : first->token - 1;
    s.upto_token = found->points[found->count - 1].token;
    s.single = false;
    s.has_from = resumes; /* a partition that was found, and read in part */
    return s;
}

void index_answered(struct coord *c, struct now now, struct round *round)
{
    struct read_op *op = round->op;
    struct arena *arena = &op->memory->arena;
    struct index_result results[REPLICAS_MAX], all;
    size_t count = 0;
    for (size_t i = 0; i < round->answers; i++) {
        if (round->answer[i].state == REPLICA_ACKED && (count == 0 || !MUTANT(index_of_one)))
            results[count++] = round->answer[i].found;
    }
    index_result_merge(results, count, arena, &all);
    set_next(op, round, &all);
    op->result.required = quorum_need(&round->quorums.now);
    op->result.received = quorum_acked(&round->quorums.now);
    op->result.data_present = true;
    round_tell(round);
    round_receipt(c, round, ERR_OK);
    round_drop(c, round);
    if (all.count > 0) {
        op->points = scan_of_points(op, &all);
        round_start(c, now, op);
        return;
    }
    op->result.rows.more = index_next(op);
    if (!op->result.rows.more)
        op_done(c, op, ERR_OK);
    else if (now.mono >= op->deadline.timer.at)
        op_done(c, op, ERR_TIMEOUT);
    else
        round_start(c, now, op);
}
