/* where.h - what the files that resolve and evaluate WHERE share. Private. */
#ifndef TORC_NODE_CQL_EXEC_WHERE_H
#define TORC_NODE_CQL_EXEC_WHERE_H

#include "node/cql/exec/core.h"

/* A relation and its operator as they stand in error texts. */
const char *relation_text(struct run *r, const struct ast_relation *a);
const char *relation_op_text(enum ast_op op);

static inline bool relation_is_slice(enum ast_op op)
{
    return op == AST_LT || op == AST_LTE || op == AST_GT || op == AST_GTE;
}

/* index_plan.c: there is an index that can decide it. */
bool index_supports(const struct table *t, const struct restriction *x);

/* Refuse a restriction that contradicts those before it, or comes after an inequality of an earlier
 * clustering column where no ALLOW FILTERING was said. */
bool where_may_add(struct run *r, const struct table *t, const struct where *w,
                   const struct restriction *x, bool filtering);

#endif
