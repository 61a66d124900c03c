/* function.c - finding the function that a call means, as Cassandra finds it:
 *
 *   a factory of that name    it says what the arguments have to be
 *   one overload              the arguments are checked, with errors that name the one at fault
 *   several                   those whose result is for the wanted type and whose arguments fit;
 * the first that fits exactly, else the only one, else the call is ambiguous
 */
#include "node/cql/exec/function_inner.h"

#include "base/mem.h"
#include "node/cql/exec/operation.h"

#include <ctype.h>
#include <string.h>

#define FUNCTION_NAME_MAX 48

void overloads_add(struct overloads *out, struct overload o)
{
    ASSERT(out->count < OVERLOADS_MAX);
    out->items[out->count++] = o;
}

/* Known by name, so that what stands outside of a SELECT's list is told apart from no function. */
static void aggregate_overloads(const char *name, struct overloads *out)
{
    static const enum cql_kind numbers[] = {CQL_TINYINT, CQL_SMALLINT, CQL_INT,
                                            CQL_BIGINT,  CQL_FLOAT,    CQL_DOUBLE,
                                            CQL_DECIMAL, CQL_VARINT,   CQL_COUNTER};
    if (strcmp(name, "count") == 0)
        overloads_add(out, (struct overload){"count", NULL, CQL_BIGINT, {CQL_BLOB}});
    if (strcmp(name, "sum") != 0 && strcmp(name, "avg") != 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        overloads_add(out, (struct overload){name, NULL, numbers[i], {numbers[i]}});
}

static bool make_extreme(struct run *r, const struct factory *x, const struct function_arg *args,
                         size_t count, const struct cql_type *want, struct function *ret)
{
    (void)count;
    ret->args[0] = function_arg_infer(r, &args[0]);
    if (ret->args[0] == NULL)
        ret->args[0] = want;
    ret->result = ret->args[0];
    return ret->args[0] != NULL || factory_cannot_infer(r, x, &args[0]);
}

static const struct factory extremes[] = {
    {"min", "any", 1, 1, make_extreme, NULL},
    {"max", "any", 1, 1, make_extreme, NULL},
};

static const struct factory *find_factory(const char *name)
{
    struct factories all[] = {
        {extremes, ARRAY_LEN(extremes)}, function_collection_factories(),
        function_mask_factories(),       function_vector_factories(),
        function_json_factories(),       function_token_factories(),
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (size_t k = 0; k < all[i].count; k++) {
            if (strcmp(all[i].items[k].name, name) == 0)
                return &all[i].items[k];
        }
    }
    return NULL;
}

static void find_overloads(const char *name, struct overloads *out)
{
    function_time_overloads(name, out);
    function_blob_overloads(name, out);
    function_math_overloads(name, out);
    aggregate_overloads(name, out);
}

bool factory_cannot_infer(struct run *r, const struct factory *x, const struct function_arg *arg)
{
    return run_invalid(r,
                       "Cannot infer type of argument %s in call to function system.%s(%s): use "
                       "type casts to disambiguate",
                       arg->text, x->name, x->parameters);
}

bool factory_refuses(struct run *r, const struct factory *x, const char *what,
                     const struct function_arg *arg, const struct cql_type *type)
{
    return run_invalid(r, "Function system.%s requires %s, but found argument %s of type %s",
                       x->name, what, arg->text, cql_type_text(r->arena, type));
}

/* --- one candidate */

static bool check_args(struct run *r, const struct function *f, const struct function_arg *args,
                       size_t count)
{
    if (count != f->count)
        return run_invalid(r,
                           "Invalid number of arguments in call to function %s: %zu required but "
                           "%zu provided",
                           f->name, f->count, count);
    for (size_t i = 0; i < count; i++) {
        const struct cql_type *type = function_arg_type(f, i);
        if (function_arg_fit(r, &args[i], type) == FIT_NOT)
            return run_invalid(r,
                               "Type error: %s cannot be passed as argument %zu of function %s of "
                               "type %s",
                               args[i].text, i, f->name, cql_type_text(r->arena, type));
    }
    return true;
}

static const struct function *from_factory(struct run *r, const struct factory *x,
                                           const struct function_arg *args, size_t count,
                                           const struct cql_type *want)
{
    struct function *f = arena_new(r->arena, struct function);
    f->name = arena_printf(r->arena, "system.%s", x->name);
    f->body = x->body;
    f->count = count;
    if (count < x->min || count > x->max) {
        run_invalid(r, "Invalid number of arguments for function system.%s(%s)", x->name,
                    x->parameters);
        return NULL;
    }
    return x->make(r, x, args, count, want, f) && check_args(r, f, args, count) ? f : NULL;
}

static struct function *from_overload(struct run *r, const struct overload *o)
{
    struct function *f = arena_new(r->arena, struct function);
    f->name = arena_printf(r->arena, "system.%s", o->name);
    f->body = o->body;
    f->result = cql_type_native(o->result);
    for (; f->count < FUNCTION_ARGS_MAX && o->args[f->count] != 0; f->count++)
        f->args[f->count] = cql_type_native(o->args[f->count]);
    return f;
}

/* --- several */

static enum fit overload_fit(struct run *r, const struct overload *o,
                             const struct function_arg *args, size_t count,
                             const struct cql_type *want)
{
    struct function_arg result = {.type = cql_type_native(o->result)};
    enum fit worst = FIT_EXACTLY;
    if ((count < FUNCTION_ARGS_MAX && o->args[count] != 0) ||
        (want != NULL && function_arg_fit(r, &result, want) == FIT_NOT))
        return FIT_NOT;
    for (size_t i = 0; i < count && worst != FIT_NOT; i++) {
        if (i >= FUNCTION_ARGS_MAX || o->args[i] == 0)
            return FIT_NOT;
        enum fit fit = function_arg_fit(r, &args[i], cql_type_native(o->args[i]));
        worst = fit < worst ? fit : worst;
    }
    return worst;
}

/* The overloads that fit; one when it fits exactly. */
static struct overloads fitting(struct run *r, const struct overloads *all,
                                const struct function_arg *args, size_t count,
                                const struct cql_type *want)
{
    struct overloads found = {.count = 0};
    for (size_t i = 0; i < all->count; i++) {
        enum fit fit = overload_fit(r, &all->items[i], args, count, want);
        if (fit == FIT_EXACTLY)
            found.count = 0;
        if (fit != FIT_NOT)
            overloads_add(&found, all->items[i]);
        if (fit == FIT_EXACTLY)
            break;
    }
    return found;
}

static const char *signatures(struct run *r, const struct overloads *all)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < all->count; i++) {
        const struct overload *o = &all->items[i];
        buf_printf(&b, "%ssystem.%s : (", i > 0 ? ", " : "", o->name);
        for (size_t k = 0; k < FUNCTION_ARGS_MAX && o->args[k] != 0; k++)
            buf_printf(&b, "%s%s", k > 0 ? ", " : "",
                       cql_type_text(r->arena, cql_type_native(o->args[k])));
        buf_printf(&b, ") -> %s", cql_type_text(r->arena, cql_type_native(o->result)));
    }
    return run_text(r, run_take(r, &b));
}

static const char *full_name(struct run *r, const struct ast_table *id)
{
    const char *name = run_text(r, id->name);
    return id->keyspace.len == 0 ? name
                                 : arena_printf(r->arena, "%s.%s", run_text(r, id->keyspace), name);
}

static const struct function *best(struct run *r, const struct ast_table *id,
                                   const struct overloads *all, const struct function_arg *args,
                                   size_t count, const struct cql_type *want)
{
    struct overloads found = fitting(r, all, args, count, want);
    if (found.count == 1)
        return from_overload(r, &found.items[0]);
    if (found.count == 0)
        run_invalid(r,
                    "Invalid call to function %s, none of its type signatures match (known type "
                    "signatures: %s)",
                    full_name(r, id), signatures(r, all));
    else
        run_invalid(r,
                    "Ambiguous call to function %s (can be matched by following signatures: %s): "
                    "use type casts to disambiguate",
                    full_name(r, id), signatures(r, &found));
    return NULL;
}

/* --- all */

static const struct function *unknown(struct run *r, const struct ast_table *id,
                                      const struct cql_type *want)
{
    if (want != NULL) /* a value */
        run_invalid(r, "Unknown function %s called", full_name(r, id));
    else
        run_invalid(r, "Unknown function '%s'", full_name(r, id));
    return NULL;
}

const struct function *function_find(struct run *r, const struct ast_table *id,
                                     const struct function_arg *args, size_t count,
                                     const struct cql_type *want)
{
    struct overloads all = {.count = 0};
    const struct function *f;
    if (id->name.len > FUNCTION_NAME_MAX ||
        (id->keyspace.len > 0 && !bytes_equal_text(id->keyspace, "system")))
        return unknown(r, id, want);
    const char *name = run_text(r, id->name);
    const struct factory *x = find_factory(name);
    find_overloads(name, &all);
    if (x != NULL) {
        f = from_factory(r, x, args, count, want);
    } else if (all.count == 0) {
        f = unknown(r, id, want);
    } else if (all.count > 1) {
        f = best(r, id, &all, args, count, want);
    } else {
        f = from_overload(r, &all.items[0]);
        f = check_args(r, f, args, count) ? f : NULL;
    }
    if (f != NULL && f->body == NULL) {
        run_invalid(r, "Aggregation function are not supported in the where clause");
        return NULL;
    }
    return f;
}

bool function_as_arg(struct run *r, const struct ast_table *id, const struct function_arg *args,
                     size_t count, struct function_arg *ret)
{
    struct overloads all = {.count = 0};
    const char *name = run_text(r, id->name);
    struct operand_fits *fits;
    bool json = strcmp(name, "from_json") == 0 || strcmp(name, "fromjson") == 0;
    if (id->name.len <= FUNCTION_NAME_MAX)
        find_overloads(name, &all);
    if (!json && all.count < 2) {
        const struct function *f = function_find(r, id, args, count, NULL);
        ret->type = f != NULL ? f->result : NULL;
        return f != NULL;
    }
    fits = arena_new(r->arena, struct operand_fits);
    ret->fits = fits;
    fits->others = json ? FIT_EXACTLY : FIT_NOT;
    for (size_t kind = 0; kind < OPERAND_KINDS; kind++) {
        const struct cql_type *want = cql_type_native((enum cql_kind)kind);
        fits->of[kind] = json ? FIT_EXACTLY : FIT_NOT;
        if (json || want == NULL)
            continue;
        struct overloads found = fitting(r, &all, args, count, want);
        if (found.count == 1)
            fits->of[kind] = found.items[0].result == want->kind ? FIT_EXACTLY : FIT_WEAKLY;
    }
    struct overloads alone = fitting(r, &all, args, count, NULL);
    if (alone.count == 1)
        ret->guess = cql_type_native(alone.items[0].result);
    return true;
}

const char *function_name(const struct function *f)
{
    return f->name;
}

const struct cql_type *function_arg_type(const struct function *f, size_t n)
{
    return f->table != NULL ? f->table->columns[n].type : f->args[n];
}

const struct cql_type *function_result(const struct function *f)
{
    return f->result;
}

const struct function *function_of_cast(struct run *r, const struct cql_type *from,
                                        const struct cql_type *to)
{
    struct overloads all = {.count = 0};
    bool to_time = to->kind == CQL_DATE || to->kind == CQL_TIMESTAMP;
    if (!to_time || from->kind == to->kind)
        return NULL;
    function_time_overloads(to->kind == CQL_DATE ? "to_date" : "to_timestamp", &all);
    for (size_t i = 0; i < all.count; i++) {
        if (all.items[i].args[0] == from->kind)
            return from_overload(r, &all.items[i]);
    }
    return NULL;
}

bool function_call(struct run *r, const struct function *f, const struct cql_value *args,
                   size_t count, struct cql_value *ret)
{
    *ret = CQL_NULL;
    return f->body(r, f, args, count, ret);
}

bool function_failed(struct run *r, const struct function *f, const char *text)
{
    struct bytes *types = arena_array(r->arena, struct bytes, f->count);
    for (size_t i = 0; i < f->count; i++)
        types[i] = bytes_text(cql_type_text(r->arena, function_arg_type(f, i)));
    r->function = strchr(f->name, '.') + 1;
    r->function_types = (struct cql_string_list){types, f->count};
    return run_fail(r, CQL_ERROR_FUNCTION_FAILURE, "%s", text);
}

struct cql_value function_take(struct run *r, struct buf *b)
{
    return cql_value_make(run_take(r, b));
}
