/* aggregate.h - count, min, max, sum and avg, and what they have seen of a group. Private.
 *
 * Also expressions without an aggregate show something when there is one beside them, or GROUP BY:
 * the first row of the group. So every selector of such a SELECT is an accumulator, and where
 * aggregates are inside an expression its parts are.
 */
#ifndef TORC_NODE_CQL_EXEC_AGGREGATE_H
#define TORC_NODE_CQL_EXEC_AGGREGATE_H

#include "node/cql/exec/selector.h"

enum aggregate_kind {
    AGGREGATE_ROWS, /* count(*) */
    AGGREGATE_COUNT,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_FIRST, /* no aggregate: what the first row of the group shows */
};

/* Is it the name of one? Then *ret is the selector, NULL after run_fail. */
bool aggregate_prepare(struct run *r, const struct ast_term *call, struct selector **ret);
bool aggregate_settle(struct run *r, struct selector *s);

/* "system.min", for error texts. */
const char *aggregate_function(const struct selector *s);

/* The kept values live in `keep`, which must outlive the rows. */
bool aggregate_take(struct run *r, struct arena *keep, struct selector *s,
                    const struct row_values *row);
/* What it came to. */
bool aggregate_value(struct run *r, const struct selector *s, struct cql_value *ret);
/* Begin anew with the next group. */
void aggregate_reset(struct selector *s);

/* MIN, MAX, SUM or AVG of the items of one list or set, which are of the type, as of rows. */
bool aggregate_items(struct run *r, enum aggregate_kind kind, const struct cql_type *type,
                     struct value_items items, struct cql_value *ret);

#endif
