/* virtual.h - making rows of virtual tables: what virtual.c shares with virtual_views.c. Private.
 */
#ifndef TORC_NODE_CQL_EXEC_VIRTUAL_H
#define TORC_NODE_CQL_EXEC_VIRTUAL_H

#include "node/cql/exec/core.h"

void virtual_bigint(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                    const char *column, int64_t value);
void virtual_double(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                    const char *column, double value);
void virtual_inet(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, const struct endpoint *e);

/* Rows of the table that the executor knows by itself; false when it is none of those. */
bool virtual_views_make(struct run *r, struct virtual_rows *v);
/* Rows that the node knows (exec_source). */
void virtual_source_make(struct run *r, struct virtual_rows *v);

#endif
