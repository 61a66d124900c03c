/* cast_call.h - CAST(x AS type) as a function with an overload for each type that x may be of.
 * Private. */
#ifndef TORC_NODE_CQL_EXEC_CAST_CALL_H
#define TORC_NODE_CQL_EXEC_CAST_CALL_H

#include "node/cql/exec/function.h"

struct cast {
    const struct cql_type *from, *to;
    const struct function *function; /* between types of time; NULL: value_cast */
    const char *name;                /* "system.cast_as_int" */
};

/* False after run_fail. The argument may be of the target's own type only where the caller says so
 * itself: a cast that does nothing is none. */
bool cast_find(struct run *r, const struct cql_type *to, const struct function_arg *arg,
               struct cast *ret);

bool cast_apply(struct run *r, const struct cast *c, struct cql_value arg, struct cql_value *ret);

#endif
