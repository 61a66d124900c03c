/* function_json.c - to_json of any value, from_json to whatever is wanted. */
#include "node/cql/exec/function_inner.h"
#include "node/schema/json.h"

#include <string.h>

static bool make_to_json(struct run *r, const struct factory *x, const struct function_arg *args,
                         size_t count, const struct cql_type *want, struct function *ret)
{
    (void)count;
    (void)want;
    ret->args[0] = function_arg_infer(r, &args[0]);
    ret->result = cql_type_native(CQL_TEXT);
    return ret->args[0] != NULL || factory_cannot_infer(r, x, &args[0]);
}

static bool make_from_json(struct run *r, const struct factory *x, const struct function_arg *args,
                           size_t count, const struct cql_type *want, struct function *ret)
{
    const struct cql_type *text = cql_type_native(CQL_TEXT);
    const struct cql_type *type = function_arg_infer(r, &args[0]);
    struct function_arg inferred = {.type = type};
    (void)count;
    if (want == NULL)
        return run_invalid(r, "%s() cannot be used in the selection clause of a SELECT statement",
                           x->name);
    if (type != NULL && function_arg_fit(r, &inferred, text) == FIT_NOT)
        return factory_refuses(r, x, "an argument of type text", &args[0], type);
    ret->args[0] = text;
    ret->result = want;
    return true;
}

static bool to_json(struct run *r, const struct function *f, const struct cql_value *args,
                    size_t count, struct cql_value *ret)
{
    struct buf b;
    (void)count;
    buf_init(&b, BUF_MAX_DEFAULT);
    if (args[0].kind == CQL_VALUE_SET)
        value_print_json(f->args[0], args[0].data, &b);
    else
        buf_put_text(&b, "null");
    *ret = function_take(r, &b);
    return true;
}

static bool from_json(struct run *r, const struct function *f, const struct cql_value *args,
                      size_t count, struct cql_value *ret)
{
    struct json j;
    struct buf b;
    struct errmsg m;
    bool null;
    if (any_null(args, count))
        return true;
    if (json_read(r->arena, args[0].data, &j, &m) != ERR_OK)
        return function_failed(
            r, f,
            arena_printf(r->arena,
                         "execution of '%s[text]' failed: Could not decode JSON string '%s': %s",
                         f->name, run_text(r, args[0].data), m.text));
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = value_from_json(r->arena, f->result, &j, &b, &null, &m);
    struct cql_value v = function_take(r, &b);
    if (err != ERR_OK)
        return function_failed(r, f, arena_printf(r->arena, "%s", m.text));
    *ret = null ? CQL_NULL : v;
    return true;
}

struct factories function_json_factories(void)
{
    static const struct factory factories[] = {
        {"to_json", "any", 1, 1, make_to_json, to_json},
        {"tojson", "any", 1, 1, make_to_json, to_json},
        {"from_json", "text", 1, 1, make_from_json, from_json},
        {"fromjson", "text", 1, 1, make_from_json, from_json},
    };
    return (struct factories){factories, ARRAY_LEN(factories)};
}
