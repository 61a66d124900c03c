/* operation.h - + - * / % and the minus sign, in values and in SELECT's lists. Private.
 *
 * Found like a function of two arguments that has an overload for each pair of numeric types, for
 * times and durations, and for texts.
 */
#ifndef TORC_NODE_CQL_EXEC_OPERATION_H
#define TORC_NODE_CQL_EXEC_OPERATION_H

#include "node/cql/exec/function.h"

struct operation {
    char op;
    size_t count; /* 1: the minus sign */
    const struct cql_type *args[2];
    const struct cql_type *result;
};

/* How well a value whose type depends on what it is for stands for each scalar type, by its kind,
 * and for all others. */
#define OPERAND_KINDS 32
struct operand_fits {
    enum fit of[OPERAND_KINDS];
    enum fit others;
};

/* False after run_fail. `want`: the type its result is for, NULL when that says nothing. */
bool operation_find(struct run *r, char op, const struct function_arg *args, size_t count,
                    const struct cql_type *want, struct operation *ret);

/* What a result of the operation may be, when its operands are no more than this. */
void operation_fits(struct run *r, char op, const struct function_arg *args, size_t count,
                    struct operand_fits *ret);
/* Its type when nothing is wanted; NULL when that is not clear. */
const struct cql_type *operation_guess(struct run *r, char op, const struct function_arg *args,
                                       size_t count);
enum fit operand_fit(const struct operand_fits *fits, const struct cql_type *type);

/* "_add": the function that Cassandra has for it. */
const char *operation_name(char op, size_t count);

/* "sum : (int) -> int, …", for error texts: of every numeric type. */
const char *number_signatures(struct run *r, const char *name);

/* Null of null. */
bool operation_apply(struct run *r, const struct operation *o, const struct cql_value *args,
                     struct cql_value *ret);

#endif
