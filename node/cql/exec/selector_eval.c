/* selector_eval.c - the value of a selector for one row. */
#include "node/cql/exec/selector.h"

#include <string.h>

static struct cql_value element(struct run *r, const struct selector *s, struct bytes collection,
                                struct bytes key)
{
    const struct cql_type *type = s->args[0]->type;
    struct value_items it = value_items_open(type, collection);
    struct bytes item, value;
    (void)r;
    while (value_items_next(&it, &item)) {
        value = item;
        if (type->kind == CQL_MAP && !value_items_next(&it, &value))
            break;
        if (value_compare(type->items[0], item, key) == 0)
            return cql_value_make(value);
    }
    return CQL_NULL;
}

/* Null when nothing is left of what is no single cell: there is no empty one. */
static bool slice(struct run *r, const struct selector *s, struct bytes collection,
                  const struct bytes *const *ends, struct cql_value *ret)
{
    const struct cql_type *type = s->type;
    struct value_items it = value_items_open(type, collection);
    struct bytes item, value;
    struct buf b;
    uint32_t n = 0;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_i32(&b, 0);
    while (value_items_next(&it, &item)) {
        value = item;
        if (type->kind == CQL_MAP && !value_items_next(&it, &value))
            break;
        if ((ends[0] != NULL && value_compare(type->items[0], item, *ends[0]) < 0) ||
            (ends[1] != NULL && value_compare(type->items[0], item, *ends[1]) > 0))
            continue;
        buf_put_i32(&b, (int32_t)item.len);
        buf_put_bytes(&b, item);
        if (type->kind == CQL_MAP) {
            buf_put_i32(&b, (int32_t)value.len);
            buf_put_bytes(&b, value);
        }
        n++;
    }
    store_u32(b.data, n);
    struct bytes data = run_take(r, &b);
    *ret = n > 0 || !cql_type_is_multicell(type) ? cql_value_make(data) : CQL_NULL;
    return true;
}

/* The key of an element, or an end of a slice: NULL, open, where there is none. */
static bool part_key(struct run *r, const struct selector *s, struct slot at,
                     const struct bytes **ret)
{
    struct cql_value *v = arena_new(r->arena, struct cql_value);
    bool slice = s->kind == SELECTOR_SLICE;
    *ret = NULL;
    if (at.term == NULL)
        return true;
    if (!slot_value(r, at, v))
        return false;
    if (v->kind == CQL_VALUE_SET)
        *ret = &v->data;
    if (v->kind == CQL_VALUE_SET || (v->kind == CQL_VALUE_UNSET && slice))
        return true;
    return run_invalid(r, "Invalid %s value for %s selection on %s",
                       v->kind == CQL_VALUE_NULL ? "null" : "unset", slice ? "slice" : "element",
                       s->args[0]->name);
}

static bool part_of(struct run *r, const struct selector *s, struct cql_value of,
                    struct cql_value *ret)
{
    const struct bytes *keys[2];
    *ret = CQL_NULL;
    for (size_t i = 0; i < ARRAY_LEN(s->slots); i++) {
        if (!part_key(r, s, s->slots[i], &keys[i]))
            return false;
    }
    if (of.kind != CQL_VALUE_SET)
        return true;
    if (s->kind == SELECTOR_SLICE)
        return slice(r, s, of.data, keys, ret);
    *ret = element(r, s, of.data, *keys[0]);
    return true;
}

/* A list may hold null, as only a list of selectors can. */
static struct cql_value list_of_values(struct run *r, const struct cql_value *args, size_t count)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_i32(&b, (int32_t)count);
    for (size_t i = 0; i < count; i++)
        cql_put_value(&b, args[i]);
    return cql_value_make(run_take(r, &b));
}

static bool collection(struct run *r, const struct selector *s, const struct cql_value *args,
                       struct cql_value *ret)
{
    struct bytes *items = arena_array(r->arena, struct bytes, s->args_count);
    struct buf b;
    struct errmsg m;
    for (size_t i = 0; i < s->args_count; i++) {
        if (args[i].kind != CQL_VALUE_SET)
            return run_invalid(r, "null is not supported inside collections");
        items[i] = args[i].data;
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = value_collection_build(s->type, items, s->args_count, &b, &m);
    *ret = cql_value_make(run_take(r, &b));
    return run_err(r, err, &m);
}

/* A tuple, a user-defined type, a vector. */
static bool parts(struct run *r, const struct selector *s, const struct cql_value *args,
                  struct cql_value *ret)
{
    bool vector = s->type->kind == CQL_VECTOR;
    size_t count = s->type->kind == CQL_UDT ? s->type->count : s->args_count;
    struct value_part *of = arena_array(r->arena, struct value_part, count);
    struct buf b;
    for (size_t i = 0; i < count; i++)
        of[i].null = true;
    for (size_t i = 0; i < s->args_count; i++) {
        if (vector && args[i].kind != CQL_VALUE_SET)
            return run_invalid(r, "null is not supported inside vectors");
        size_t n = s->kind == SELECTOR_UDT ? s->fields[i] : i;
        of[n] = (struct value_part){.bytes = args[i].data, .null = args[i].kind != CQL_VALUE_SET};
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    if (vector)
        value_vector_build(s->type, of, &b);
    else
        value_tuple_build(of, count, &b);
    *ret = cql_value_make(run_take(r, &b));
    return true;
}

static struct cql_value field(const struct selector *s, struct cql_value of)
{
    struct value_parts p = value_parts_open(s->args[0]->type, of.data);
    struct value_part part;
    while (of.kind == CQL_VALUE_SET && value_parts_next(&p, &part)) {
        if (p.at - 1 == s->field)
            return part.null ? CQL_NULL : cql_value_make(part.bytes);
    }
    return CQL_NULL;
}

bool selector_apply(struct run *r, const struct selector *s, const struct cql_value *args,
                    struct cql_value *ret)
{
    switch (s->kind) {
    case SELECTOR_CALL: return function_call(r, s->function, args, s->args_count, ret);
    case SELECTOR_OPERATION: return operation_apply(r, &s->operation, args, ret);
    case SELECTOR_CAST: return cast_apply(r, &s->cast, args[0], ret);
    case SELECTOR_ELEMENT:
    case SELECTOR_SLICE: return part_of(r, s, args[0], ret);
    case SELECTOR_FIELD: *ret = field(s, args[0]); return true;
    case SELECTOR_TUPLE:
    case SELECTOR_UDT: return parts(r, s, args, ret);
    case SELECTOR_LIST:
        if (s->type->kind == CQL_VECTOR)
            return parts(r, s, args, ret);
        *ret = list_of_values(r, args, s->args_count);
        return true;
    case SELECTOR_SET:
    case SELECTOR_MAP:
        return s->type->kind == CQL_VECTOR ? parts(r, s, args, ret) : collection(r, s, args, ret);
    case SELECTOR_CONSTANT: return slot_value(r, s->slots[0], ret);
    default: *ret = args[0]; return true;
    }
}

bool selector_eval(struct run *r, const struct selector *s, const struct row_values *row,
                   struct cql_value *ret)
{
    if (s->kind == SELECTOR_COLUMN) {
        *ret = row->values[column_index(r->table, s->column)];
        return true;
    }
    if (s->kind == SELECTOR_FACT)
        return selector_eval_fact(r, s, row, ret);
    if (s->kind == SELECTOR_SIBLINGS)
        return selector_eval_siblings(r, s, row, ret);
    if (s->kind == SELECTOR_CAUSALITY)
        return selector_eval_causality(r, row, ret);
    struct cql_value *args = arena_array(r->arena, struct cql_value, s->args_count);
    for (size_t i = 0; i < s->args_count; i++) {
        if (!selector_eval(r, s->args[i], row, &args[i]))
            return false;
        if (args[i].kind == CQL_VALUE_UNSET && s->kind == SELECTOR_CALL)
            return run_invalid(r, "Invalid unset value for argument in call to function %s",
                               strchr(function_name(s->function), '.') + 1);
    }
    return selector_apply(r, s, args, ret);
}
