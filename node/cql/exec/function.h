/* function.h - functions of values: found once for a call, evaluated as often as there are rows.
 * Private.
 *
 * A call names an overload by the name and by what is known of its arguments before there are
 * values: a column, a cast or another call has a type; of a constant or marker only the types are
 * known that it fits. Aggregates are none of these functions (aggregate.h).
 */
#ifndef TORC_NODE_CQL_EXEC_FUNCTION_H
#define TORC_NODE_CQL_EXEC_FUNCTION_H

#include "node/cql/exec/core.h"

struct selector;
struct operand_fits;
struct function; /* Opaque: one overload. Lives in the arena of the run, or for ever. */

/* An argument, before there are values. */
struct function_arg {
    const struct cql_type *type;     /* NULL: not known, ask function_arg_fit */
    const struct ast_term *term;     /* of a statement's value; NULL: see selector */
    const struct selector *selector; /* of a SELECT's list */
    const char *text;                /* for error texts */
    const struct operand_fits *fits; /* of an operation or call in a value that may be of several
                                        types; else NULL */
    const struct cql_type *guess;    /* with fits: what it is when nothing is wanted; or NULL */
};

/* What is known of a term of a statement (term.c). False after run_fail. */
bool term_arg(struct run *r, const struct ast_term *t, struct function_arg *ret);

enum fit { FIT_NOT, FIT_WEAKLY, FIT_EXACTLY };

/* May the argument stand where a value of the type is wanted? */
enum fit function_arg_fit(struct run *r, const struct function_arg *arg,
                          const struct cql_type *type);

/* The type to take the argument for when nothing is wanted: of a constant its smallest, of a list
 * or set what all items can be; NULL when there is none. */
const struct cql_type *function_arg_infer(struct run *r, const struct function_arg *arg);

/* What is known of a call that is an argument itself, in a value: type, or fits and guess. False
 * after run_fail. */
bool function_as_arg(struct run *r, const struct ast_table *id, const struct function_arg *args,
                     size_t count, struct function_arg *ret);

/* The type a constant is of when nothing else is said: 1 an int, 'a' an ascii. NULL for others. */
const struct cql_type *literal_type(const struct ast_term *t);

/* The function a call means; NULL after run_fail. `want`: the type its result is for, NULL when
 * that says nothing. */
const struct function *function_find(struct run *r, const struct ast_table *id,
                                     const struct function_arg *args, size_t count,
                                     const struct cql_type *want);

/* The function that CAST between two types of time is; NULL when it is none. */
const struct function *function_of_cast(struct run *r, const struct cql_type *from,
                                        const struct cql_type *to);

const struct cql_type *function_result(const struct function *f);
const struct cql_type *function_arg_type(const struct function *f, size_t n);

/* As it stands in the name of a result column, before the parenthesis: "system.to_date". */
const char *function_name(const struct function *f);

/* Values of the types of the arguments; null may be among them. The value lives in r->arena. */
bool function_call(struct run *r, const struct function *f, const struct cql_value *args,
                   size_t count, struct cql_value *ret);

#endif
