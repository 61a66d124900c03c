/* selection.h - what a SELECT shows: its selectors, the columns of the answer, rows. Private. */
#ifndef TORC_NODE_CQL_EXEC_SELECTION_H
#define TORC_NODE_CQL_EXEC_SELECTION_H

#include "node/cql/exec/selector.h"

struct selection; /* Opaque. In the arena of the run. */

/* First what there is, then of which types: between the two WHERE is resolved, so that the first of
 * several mistakes is the one that Cassandra tells. */
bool selection_prepare(struct run *r, const struct table *t, const struct ast_select *s,
                       struct selection **ret);
bool selection_settle(struct run *r, struct selection *s);

/* One row comes out for all rows, or for each group of them. */
bool selection_is_aggregate(const struct selection *s);
void selection_group(struct selection *s); /* as if there were an aggregate */

/* What DISTINCT forbids; *ret_wrong: the first column that is neither. */
bool selection_only_keys_and_statics(const struct selection *s, const char **ret_wrong);
/* At least one static column, and none but these and partition keys. */
bool selection_only_statics(const struct selection *s);
bool selection_has_column(const struct selection *s, const struct column *c);

/* A value of the column, not merely siblings(column) or what is known of its cells, and no
 * siblings(column) beside it. */
bool selection_shows(const struct selection *s, const struct column *c);

/* The metadata of the answer. */
size_t selection_count(const struct selection *s);
const struct cql_column *selection_columns(struct run *r, const struct table *t,
                                           const struct selection *s);

/* A row of the table: what it shows is appended; with aggregates it is taken in. */
bool selection_row(struct run *r, struct selection *s, const struct row_values *row,
                   struct buf *out);

/* What the rows taken in come to is appended; they begin anew. */
bool selection_finish(struct run *r, struct selection *s, struct buf *out);

#endif
