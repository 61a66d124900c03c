/* selector.h - one expression of a SELECT's list, as a tree. Private.
 *
 *   selector_prepare   names and functions are looked up, bottom up: `type` is what the expression
 *                      is for sure, NULL when it is a constant, a marker or made of such
 *   selector_settle    types are pushed down, markers are declared: `type` is never NULL after it
 *   selector_eval      a value of one row
 *
 * The tree does not change after selector_settle but for what aggregates in it have seen
 * (aggregate.h).
 */
#ifndef TORC_NODE_CQL_EXEC_SELECTOR_H
#define TORC_NODE_CQL_EXEC_SELECTOR_H

#include "node/cql/exec/cast_call.h"
#include "node/cql/exec/operation.h"

struct aggregate;

enum selector_kind {
    SELECTOR_COLUMN,
    SELECTOR_CONSTANT,  /* slots[0]; also a marker */
    SELECTOR_CALL,      /* function(args) */
    SELECTOR_OPERATION, /* args[0] op args[1], -args[0] */
    SELECTOR_CAST,      /* CAST(args[0] AS type) */
    SELECTOR_SAME,      /* args[0]: in parentheses, or with a type hint */
    SELECTOR_ELEMENT,   /* args[0][slots[0]] of a set or map */
    SELECTOR_FIELD,     /* args[0].field of a user-defined type */
    SELECTOR_TUPLE,     /* (args) */
    SELECTOR_UDT,       /* {field: args}, fields[i] is the number of the field that args[i] is */
    SELECTOR_SLICE,     /* args[0][slots[0]..slots[1]], each may have no term */
    SELECTOR_LIST,      /* [args] */
    SELECTOR_SET,       /* {args} */
    SELECTOR_MAP,       /* {args: args} */
    SELECTOR_FACT,      /* writetime and its like of args[0]: a column, an element, a slice */
    SELECTOR_SIBLINGS,  /* siblings(args[0]): a column, an element, a field */
    SELECTOR_CAUSALITY,
    SELECTOR_AGGREGATE, /* of args, one or none */
};

enum selector_fact { FACT_WRITETIME, FACT_MAX_WRITETIME, FACT_TTL };

struct selector {
    enum selector_kind kind;
    const struct cql_type *type;
    const char *name; /* of the column in the answer, and in error texts */
    const struct ast_term *term;
    const struct column *column;
    const struct function *function;
    struct operation operation;
    struct cast cast;
    enum selector_fact fact;
    struct slot slots[2];
    uint32_t field;
    const uint32_t *fields;
    struct selector **args;
    size_t args_count;
    struct aggregate *aggregate;
    bool aggregates; /* it, or something in it, is an aggregate */
};

/* What a row has for a column: live cells, in order; one of a simple column. */
struct column_cells {
    const struct cell *items; /* also dead ones of a collection: look */
    size_t count;
};

struct row_values {
    const struct cql_value *values;   /* one for each column of the table */
    const struct column_cells *cells; /* the same; NULL for a virtual table */
    int64_t now_s;
    const struct part *part; /* of a table with siblings, with all of them; else NULL */
    const struct row *row;   /* the same; NULL: the static row alone */
};

/* Of r->table. NULL after run_fail. */
struct selector *selector_prepare(struct run *r, const struct ast_term *term);
struct selector *selector_of_column(struct run *r, const struct column *c);

/* `want`: the type that is wanted there, NULL when nothing says it. */
bool selector_settle(struct run *r, struct selector *s, const struct cql_type *want);

/* May the expression, prepared, stand for a value of the type? */
enum fit selector_fit(struct run *r, const struct selector *s, const struct cql_type *type);

/* The value of an expression without aggregates. Lives in r->arena or in the row. */
bool selector_eval(struct run *r, const struct selector *s, const struct row_values *row,
                   struct cql_value *ret);

/* The value of an expression whose arguments have these values. */
bool selector_apply(struct run *r, const struct selector *s, const struct cql_value *args,
                    struct cql_value *ret);

/* selector_fact.c: writetime(c), maxwritetime(c), ttl(c), of columns, elements and slices */
struct selector *selector_prepare_fact(struct run *r, const struct ast_term *term,
                                       enum selector_fact fact);
bool selector_eval_fact(struct run *r, const struct selector *s, const struct row_values *row,
                        struct cql_value *ret);
/* Where a SELECTOR_ELEMENT or a SELECTOR_FIELD of a column has its cell. */
bool selector_path(struct run *r, const struct selector *of, struct bytes *ret);

/* selector_version.c */
struct selector *selector_prepare_siblings(struct run *r, const struct ast_term *term);
struct selector *selector_prepare_causality(struct run *r, const struct ast_term *term);
bool selector_eval_siblings(struct run *r, const struct selector *s, const struct row_values *row,
                            struct cql_value *ret);
bool selector_eval_causality(struct run *r, const struct row_values *row, struct cql_value *ret);

#endif
