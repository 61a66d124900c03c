/* function_inner.h - how the files of functions see each other. Private to function*.c.
 *
 * A family is a file. It has overloads, which take and give scalar types and stand in tables, or
 * factories, which make the one function that a call of their name can mean from the types of its
 * arguments: functions of collections, of any type, of the key of a table.
 */
#ifndef TORC_NODE_CQL_EXEC_FUNCTION_INNER_H
#define TORC_NODE_CQL_EXEC_FUNCTION_INNER_H

#include "node/cql/exec/function.h"

#define FUNCTION_ARGS_MAX 4 /* but token has as many as there are columns in a partition key */
#define OVERLOADS_MAX     32

typedef bool function_body(struct run *r, const struct function *f, const struct cql_value *args,
                           size_t count, struct cql_value *ret);

struct function {
    const char *name;    /* "system.to_date" */
    function_body *body; /* NULL: an aggregate */
    const struct cql_type *args[FUNCTION_ARGS_MAX];
    const struct table *table; /* token: the arguments are its partition key */
    size_t count;
    const struct cql_type *result;
};

struct overload {
    const char *name;
    function_body *body;
    enum cql_kind result;
    enum cql_kind args[FUNCTION_ARGS_MAX]; /* 0: no more */
};

struct overloads {
    struct overload items[OVERLOADS_MAX];
    size_t count;
};

/* Each family adds what it has of that name, in lower case. */
void function_time_overloads(const char *name, struct overloads *out);
void function_blob_overloads(const char *name, struct overloads *out);
void function_math_overloads(const char *name, struct overloads *out);
void overloads_add(struct overloads *out, struct overload o);

struct factory {
    const char *name;
    const char *parameters; /* for error texts */
    size_t min, max;        /* arguments */
    /* Fill in ret->args, result and body. */
    bool (*make)(struct run *r, const struct factory *x, const struct function_arg *args,
                 size_t count, const struct cql_type *want, struct function *ret);
    function_body *body;
};

struct factories {
    const struct factory *items;
    size_t count;
};
struct factories function_collection_factories(void);
struct factories function_mask_factories(void);
struct factories function_vector_factories(void);
struct factories function_json_factories(void);
struct factories function_token_factories(void);

/* "Cannot infer type of argument …". */
bool factory_cannot_infer(struct run *r, const struct factory *x, const struct function_arg *arg);
/* "Function … requires {what}, but found argument …". */
bool factory_refuses(struct run *r, const struct factory *x, const char *what,
                     const struct function_arg *arg, const struct cql_type *type);

/* --- for bodies */
static inline bool any_null(const struct cql_value *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (args[i].kind != CQL_VALUE_SET)
            return true;
    }
    return false;
}

/* An error of the protocol's kind FUNCTION_FAILURE. */
bool function_failed(struct run *r, const struct function *f, const char *text);

struct cql_value function_take(struct run *r, struct buf *b);

#endif
