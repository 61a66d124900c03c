#include "node/cql/exec/cast_call.h"

static const enum cql_kind kinds[] = {
#define X(name, number, text) CQL_##name,
    CQL_SCALARS(X)
#undef X
};

/* Is there a cast between the two? */
static bool has_overload(struct run *r, const struct cql_type *from, const struct cql_type *to,
                         const struct function **ret_function)
{
    *ret_function = NULL;
    if (from->kind == to->kind)
        return false;
    *ret_function = function_of_cast(r, from, to);
    return *ret_function != NULL || cast_allowed(from, to);
}

static const char *signatures(struct run *r, const struct cql_type *to, const char *name)
{
    struct buf b;
    const struct function *f;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct cql_type *from = cql_type_native(kinds[i]);
        if (has_overload(r, from, to, &f))
            buf_printf(&b, "%s%s : (%s) -> %s", b.len > 0 ? ", " : "", name,
                       cql_type_text(r->arena, from), cql_type_text(r->arena, to));
    }
    return run_text(r, run_take(r, &b));
}

bool cast_find(struct run *r, const struct cql_type *to, const struct function_arg *arg,
               struct cast *ret)
{
    const char *name = arena_printf(r->arena, "system.cast_as_%s", cql_type_text(r->arena, to));
    size_t weak = 0;
    if (!cast_is_target(to))
        return run_invalid(r, "Unknown function %s called", name);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct cql_type *from = cql_type_native(kinds[i]);
        const struct function *f;
        enum fit fit = has_overload(r, from, to, &f) ? function_arg_fit(r, arg, from) : FIT_NOT;
        if (fit == FIT_NOT)
            continue;
        *ret = (struct cast){from, to, f, name};
        if (fit == FIT_EXACTLY)
            return true;
        weak++;
    }
    if (weak == 0)
        return run_invalid(r,
                           "Invalid call to function %s, none of its type signatures match (known "
                           "type signatures: %s)",
                           name, signatures(r, to, name));
    return weak == 1 ||
           run_invalid(r,
                       "Ambiguous call to function %s (can be matched by following signatures: "
                       "%s): use type casts to disambiguate",
                       name, signatures(r, to, name));
}

bool cast_apply(struct run *r, const struct cast *c, struct cql_value arg, struct cql_value *ret)
{
    return c->function != NULL ? function_call(r, c->function, &arg, 1, ret)
                               : value_cast(r, c->from, c->to, arg, ret);
}
