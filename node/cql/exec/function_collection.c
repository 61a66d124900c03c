/* function_collection.c - what is in one map, set or list: keys, values, count and aggregates of
 * it. */
#include "node/cql/exec/aggregate.h"
#include "node/cql/exec/function_inner.h"
#include "node/schema/arithmetic.h"

/* A collection argument, whose type is known from the start. */
static bool make_any(struct run *r, const struct factory *x, const struct function_arg *args,
                     struct function *ret)
{
    const struct cql_type *type = function_arg_infer(r, &args[0]);
    if (type == NULL)
        return factory_cannot_infer(r, x, &args[0]);
    ret->args[0] = type;
    return true;
}

static bool make_keys(struct run *r, const struct factory *x, const struct function_arg *args,
                      size_t count, const struct cql_type *want, struct function *ret)
{
    (void)count;
    (void)want;
    if (!make_any(r, x, args, ret))
        return false;
    if (ret->args[0]->kind != CQL_MAP)
        return factory_refuses(r, x, "a map argument", &args[0], ret->args[0]);
    ret->result = cql_type_set(r->arena, ret->args[0]->items[0], true);
    return true;
}

static bool make_values(struct run *r, const struct factory *x, const struct function_arg *args,
                        size_t count, const struct cql_type *want, struct function *ret)
{
    if (!make_keys(r, x, args, count, want, ret))
        return false;
    ret->result = cql_type_list(r->arena, ret->args[0]->items[1], true);
    return true;
}

static bool make_count(struct run *r, const struct factory *x, const struct function_arg *args,
                       size_t count, const struct cql_type *want, struct function *ret)
{
    (void)count;
    (void)want;
    if (!make_any(r, x, args, ret))
        return false;
    if (!cql_type_is_collection(ret->args[0]))
        return factory_refuses(r, x, "a collection argument", &args[0], ret->args[0]);
    ret->result = cql_type_native(CQL_INT);
    return true;
}

static bool make_extreme(struct run *r, const struct factory *x, const struct function_arg *args,
                         size_t count, const struct cql_type *want, struct function *ret)
{
    (void)count;
    (void)want;
    if (!make_any(r, x, args, ret))
        return false;
    if (ret->args[0]->kind != CQL_LIST && ret->args[0]->kind != CQL_SET)
        return factory_refuses(r, x, "a set or list argument", &args[0], ret->args[0]);
    ret->result = ret->args[0]->items[0];
    return true;
}

static bool make_sum(struct run *r, const struct factory *x, const struct function_arg *args,
                     size_t count, const struct cql_type *want, struct function *ret)
{
    (void)count;
    (void)want;
    if (!make_any(r, x, args, ret))
        return false;
    const struct cql_type *type = ret->args[0];
    if ((type->kind != CQL_LIST && type->kind != CQL_SET) || !arithmetic_is_number(type->items[0]))
        return factory_refuses(r, x, "a numeric set/list argument", &args[0], type);
    ret->result = type->items[0];
    return true;
}

/* --- bodies */

/* Every second item, from the first or the second on, as a collection of the result's type. */
static bool half_of_map(struct run *r, const struct function *f, struct bytes map, bool keys,
                        struct cql_value *ret)
{
    struct value_items it = value_items_open(f->args[0], map);
    struct bytes *items = arena_array(r->arena, struct bytes, it.left / 2);
    struct bytes key, value;
    struct buf b;
    struct errmsg m;
    size_t n = 0;
    while (value_items_next(&it, &key) && value_items_next(&it, &value))
        items[n++] = keys ? key : value;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = value_collection_build(f->result, items, n, &b, &m);
    *ret = function_take(r, &b);
    return run_err(r, err, &m);
}

static bool keys_body(struct run *r, const struct function *f, const struct cql_value *args,
                      size_t count, struct cql_value *ret)
{
    return any_null(args, count) || half_of_map(r, f, args[0].data, true, ret);
}

static bool values_body(struct run *r, const struct function *f, const struct cql_value *args,
                        size_t count, struct cql_value *ret)
{
    return any_null(args, count) || half_of_map(r, f, args[0].data, false, ret);
}

static bool collection_count(struct run *r, const struct function *f, const struct cql_value *args,
                             size_t count, struct cql_value *ret)
{
    if (!any_null(args, count))
        *ret = value_put_whole(r, f->result, (int64_t)value_items_count(args[0].data));
    return true;
}

static bool items_of(struct run *r, const struct function *f, const struct cql_value *args,
                     size_t count, enum aggregate_kind kind, struct cql_value *ret)
{
    return any_null(args, count) ||
           aggregate_items(r, kind, f->result, value_items_open(f->args[0], args[0].data), ret);
}

static bool collection_min(struct run *r, const struct function *f, const struct cql_value *args,
                           size_t count, struct cql_value *ret)
{
    return items_of(r, f, args, count, AGGREGATE_MIN, ret);
}

static bool collection_max(struct run *r, const struct function *f, const struct cql_value *args,
                           size_t count, struct cql_value *ret)
{
    return items_of(r, f, args, count, AGGREGATE_MAX, ret);
}

static bool collection_sum(struct run *r, const struct function *f, const struct cql_value *args,
                           size_t count, struct cql_value *ret)
{
    return items_of(r, f, args, count, AGGREGATE_SUM, ret);
}

static bool collection_avg(struct run *r, const struct function *f, const struct cql_value *args,
                           size_t count, struct cql_value *ret)
{
    return items_of(r, f, args, count, AGGREGATE_AVG, ret);
}

struct factories function_collection_factories(void)
{
    static const struct factory factories[] = {
        {"map_keys", "map", 1, 1, make_keys, keys_body},
        {"map_values", "map", 1, 1, make_values, values_body},
        {"collection_count", "collection", 1, 1, make_count, collection_count},
        {"collection_min", "numeric_set_or_list", 1, 1, make_extreme, collection_min},
        {"collection_max", "numeric_set_or_list", 1, 1, make_extreme, collection_max},
        {"collection_sum", "numeric_set_or_list", 1, 1, make_sum, collection_sum},
        {"collection_avg", "numeric_set_or_list", 1, 1, make_sum, collection_avg},
    };
    return (struct factories){factories, ARRAY_LEN(factories)};
}
