/* cast.c - numbers as values, and CAST among numbers and to text. */
#include "node/cql/exec/core.h"

#include <string.h>

bool value_is_whole(const struct cql_type *t)
{
    return t->kind == CQL_BIGINT || t->kind == CQL_COUNTER || t->kind == CQL_INT ||
           t->kind == CQL_SMALLINT || t->kind == CQL_TINYINT;
}

bool value_is_real(const struct cql_type *t)
{
    return t->kind == CQL_DOUBLE || t->kind == CQL_FLOAT;
}

struct cql_value value_put_whole(struct run *r, const struct cql_type *type, int64_t v)
{
    uint8_t *p = arena_alloc(r->arena, 8);
    size_t len = type->kind == CQL_BIGINT || type->kind == CQL_COUNTER ? 8
                 : type->kind == CQL_INT                               ? 4
                 : type->kind == CQL_SMALLINT                          ? 2
                                                                       : 1;
    store_u64(p, (uint64_t)v << (64 - 8 * len));
    return cql_value_make(bytes_make(p, len));
}

struct cql_value value_put_real(struct run *r, const struct cql_type *type, double v)
{
    uint8_t *p = arena_alloc(r->arena, 8);
    float f = (float)v;
    uint32_t small;
    uint64_t large;
    memcpy(&small, &f, sizeof small);
    memcpy(&large, &v, sizeof large);
    if (type->kind == CQL_FLOAT)
        store_u32(p, small);
    else
        store_u64(p, large);
    return cql_value_make(bytes_make(p, type->kind == CQL_FLOAT ? 4 : 8));
}

int64_t value_read_whole(struct bytes b)
{
    uint64_t v = 0;
    for (size_t i = 0; i < b.len; i++)
        v = v << 8 | b.data[i];
    unsigned shift = b.len < 8 && b.len > 0 ? (unsigned)(64 - 8 * b.len) : 0;
    return (int64_t)(v << shift) >> shift;
}

double value_read_real(const struct cql_type *type, struct bytes b)
{
    if (type->kind == CQL_FLOAT && b.len == 4) {
        uint32_t bits = load_u32(b.data);
        float f;
        memcpy(&f, &bits, sizeof f);
        return (double)f;
    }
    if (type->kind == CQL_DOUBLE && b.len == 8) {
        uint64_t bits = load_u64(b.data);
        double d;
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    return (double)value_read_whole(b);
}

/* A double as a whole number, cut off at the ends as Java does. */
static int64_t real_to_whole(double d)
{
    if (d != d)
        return 0;
    if (d >= 9223372036854775807.0)
        return INT64_MAX;
    return d <= -9223372036854775808.0 ? INT64_MIN : (int64_t)d;
}

bool cast_allowed(const struct cql_type *from, const struct cql_type *to)
{
    bool numbers =
        (value_is_whole(from) || value_is_real(from)) && (value_is_whole(to) || value_is_real(to));
    bool text = (to->kind == CQL_TEXT || to->kind == CQL_ASCII) &&
                (from->count == 0 || cql_type_is_collection(from));
    return cql_type_equal(from, to) || text || (numbers && to->kind != CQL_COUNTER);
}

struct cql_value value_cast(struct run *r, const struct cql_type *from, const struct cql_type *to,
                            struct cql_value v)
{
    if (v.kind != CQL_VALUE_SET || cql_type_equal(from, to))
        return v;
    if (to->kind == CQL_TEXT || to->kind == CQL_ASCII) {
        struct buf b;
        buf_init(&b, BUF_MAX_DEFAULT);
        value_print(from, v.data, &b);
        return cql_value_make(run_take(r, &b));
    }
    if (value_is_real(to))
        return value_put_real(r, to, value_read_real(from, v.data));
    return value_put_whole(r, to,
                           value_is_real(from) ? real_to_whole(value_read_real(from, v.data))
                                               : value_read_whole(v.data));
}
