/* where_values.c - the values of restrictions. What a null means depends on the place: it is an
 * error for a key, before all rows for a range of them, and nothing to look for in the list of a
 * filter. */
#include "node/cql/exec/where.h"

static bool bad_value(struct run *r, const struct restriction *x, const char *name,
                      struct cql_value v, enum value_use use)
{
    const char *what = v.kind == CQL_VALUE_NULL ? "null" : "unset";
    const char *column = x->columns[0]->name;
    if (x->token)
        return run_invalid(r, "Invalid %s token value", what);
    if (use == USE_FILTER && x->key.term != NULL)
        return run_invalid(r, "Unsupported %s map %s for column %s", what,
                           name == x->key.name ? "key" : "value", column);
    if (use == USE_FILTER)
        return run_invalid(r, "Unsupported %s value for column %s", what, column);
    if (v.kind == CQL_VALUE_UNSET && x->whole)
        return run_invalid(r, "Invalid unset value for tuple %s", name);
    if (v.kind == CQL_VALUE_UNSET || (x->tuple && !relation_is_slice(x->op)))
        return run_invalid(r, "Invalid %s value for column %s", what, name);
    return run_invalid(r, "Invalid null value in condition for column %s", name);
}

/* One value, that may not be there only where the list of a filter has none for it. */
static bool take(struct run *r, const struct restriction *x, const char *name, struct cql_value v,
                 enum value_use use, struct bytes *ret)
{
    *ret = v.data;
    return v.kind == CQL_VALUE_SET || bad_value(r, x, name, v, use);
}

bool restriction_key(struct run *r, const struct restriction *x, struct bytes *ret)
{
    struct cql_value v;
    return x->key.term == NULL ||
           (slot_value(r, x->key, &v) && take(r, x, x->key.name, v, USE_FILTER, ret));
}

/* The parts of a tuple, into x->count values. */
static bool split_tuple(struct run *r, const struct restriction *x, struct bytes tuple,
                        enum value_use use, struct bytes *ret)
{
    struct reader in = reader_make(tuple);
    struct errmsg m;
    for (size_t i = 0; i < x->count; i++) {
        int32_t len = reader_done(&in) ? -1 : read_i32(&in);
        struct cql_value v = len < 0 ? CQL_NULL : cql_value_make(read_bytes(&in, (size_t)len));
        if (in.failed)
            return run_invalid(r, "Not enough bytes to read a tuple");
        if (!take(r, x, x->columns[i]->name, v, use, &ret[i]) ||
            !run_err(r, value_validate(x->columns[i]->type, v.data, &m), &m))
            return false;
    }
    return true;
}

static bool in_marker_values(struct run *r, const struct restriction *x, enum value_use use,
                             struct bytes **ret_values, size_t *ret_rows)
{
    struct cql_value list;
    struct bytes item;
    size_t n = 0;
    if (!slot_value(r, *x->slots, &list))
        return false;
    if (list.kind == CQL_VALUE_UNSET && x->whole)
        return run_invalid(r, "Invalid unset value for %s", x->slots->name);
    if (list.kind != CQL_VALUE_SET)
        return x->whole ? run_invalid(r, "Invalid null value for IN restriction")
                        : run_invalid(r, "Invalid %s value for column %s",
                                      list.kind == CQL_VALUE_NULL ? "null" : "unset",
                                      x->columns[0]->name);
    size_t count = value_items_count(list.data);
    struct value_items it = value_items_open(x->slots->type, list.data);
    *ret_values = arena_array(r->arena, struct bytes, count * x->count);
    for (; n < count && value_items_next(&it, &item); n++) {
        (*ret_values)[n * x->count] = item;
        if (x->whole && !split_tuple(r, x, item, use, &(*ret_values)[n * x->count]))
            return false;
    }
    *ret_rows = n;
    return true;
}

bool restriction_values(struct run *r, const struct restriction *x, enum value_use use,
                        struct bytes **ret_values, size_t *ret_rows)
{
    size_t width = x->token ? 1 : x->count, n = 0;
    if (x->in_marker)
        return in_marker_values(r, x, use, ret_values, ret_rows);
    *ret_rows = 0;
    *ret_values = arena_array(r->arena, struct bytes, x->alternatives * width);
    for (size_t i = 0; i < x->alternatives; i++) {
        size_t first = n;
        for (size_t j = 0; j < (x->whole ? 1 : width); j++) {
            const struct slot *s = &x->slots[x->whole ? i : i * width + j];
            struct cql_value v;
            if (!slot_value(r, *s, &v))
                return false;
            if (v.kind != CQL_VALUE_SET && use == USE_FILTER && x->alternatives > 1 && width == 1) {
                n = first;
                break;
            }
            if (v.kind == CQL_VALUE_NULL && use == USE_SLICE && !x->tuple)
                return true;
            if (v.kind == CQL_VALUE_UNSET && x->tuple && !x->whole)
                return run_invalid(r, "Invalid unset value for tuple field number %zu", j);
            if (!take(r, x, s->name, v, use, &(*ret_values)[n++]))
                return false;
            if (x->whole && !split_tuple(r, x, v.data, use, &(*ret_values)[first]))
                return false;
        }
        n = n == first ? first : first + width;
        *ret_rows = n / width;
    }
    return true;
}
