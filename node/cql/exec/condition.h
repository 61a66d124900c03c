/* condition.h - what stands after IF: on columns, elements of collections and fields, of one row
 * and the static one. Private to this folder. */
#ifndef TORC_NODE_CQL_EXEC_CONDITION_H
#define TORC_NODE_CQL_EXEC_CONDITION_H

#include "node/cql/exec/core.h"

struct condition {
    const struct column *column;
    enum ast_op op;
    struct slot key;             /* c[key]: its term is not NULL */
    bool of_field;               /* c.field */
    uint32_t field;              /* its place in the type */
    const struct cql_type *type; /* of what is compared */
    struct slot *slots;          /* one; of IN as many as there are alternatives */
    size_t slots_count;
    bool in_marker; /* IN ?: the one slot is a list */
};

enum if_kind { IF_NOTHING, IF_NOT_EXISTS, IF_EXISTS, IF_COLUMNS };

/* Of one statement; on regular columns first, then on static ones. */
struct conditions {
    enum if_kind kind;
    struct condition *items;
    size_t count, regular;
};

/* Whether a statement has an IF at all: syntax only. */
enum if_kind conditions_kind(const struct ast_stmt *s);
bool conditions_resolve(struct run *r, const struct table *t, const struct ast_stmt *s,
                        struct conditions *ret);

/* Are all true of this row (NULL: there is none)? The static ones, or the others. False after
 * run_fail, too: look at ret_true only when it returned true. */
bool conditions_hold(struct run *r, const struct conditions *c, bool statics, const struct row *row,
                     bool *ret_true);

/* The value of a column in a row; null where there is none. */
struct cql_value row_value(struct run *r, const struct column *c, const struct row *row);

#endif
