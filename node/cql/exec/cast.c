/* cast.c - numbers as values, and CAST among numbers and to text, as Java converts them. */
#include "node/cql/exec/core.h"
#include "node/schema/arithmetic.h"
#include "node/schema/number_math.h"

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

/* --- CAST */

static bool is_number(const struct cql_type *t)
{
    return value_is_whole(t) || value_is_real(t) || t->kind == CQL_DECIMAL || t->kind == CQL_VARINT;
}

static bool has_text(const struct cql_type *from)
{
    switch (from->kind) {
    case CQL_BOOLEAN:
    case CQL_TIMEUUID:
    case CQL_UUID:
    case CQL_INET:
    case CQL_DATE:
    case CQL_TIME:
    case CQL_TIMESTAMP: return true;
    default: return is_number(from);
    }
}

bool cast_is_target(const struct cql_type *to)
{
    return to->kind == CQL_TEXT || to->kind == CQL_ASCII || to->kind == CQL_DATE ||
           to->kind == CQL_TIMESTAMP || (is_number(to) && to->kind != CQL_COUNTER);
}

bool cast_allowed(const struct cql_type *from, const struct cql_type *to)
{
    if (cql_type_equal(from, to))
        return true;
    if (to->kind == CQL_TEXT || to->kind == CQL_ASCII)
        return has_text(from) || (from->kind == CQL_ASCII && to->kind == CQL_TEXT);
    return is_number(from) && is_number(to) && to->kind != CQL_COUNTER;
}

static double real_of(const struct cql_type *from, struct bytes v)
{
    if (from->kind == CQL_VARINT)
        return varint_to_double(v);
    return from->kind == CQL_DECIMAL ? decimal_to_double(v) : value_read_real(from, v);
}

/* A double as Java casts it: cut off, at the bounds of an int or a bigint. */
int64_t value_whole_of_real(const struct cql_type *to, double d)
{
    bool large = to->kind == CQL_BIGINT || to->kind == CQL_COUNTER || to->kind == CQL_VARINT;
    int64_t max = large ? INT64_MAX : INT32_MAX;
    int64_t min = large ? INT64_MIN : INT32_MIN;
    if (d != d)
        return 0;
    if (d >= (double)max)
        return max;
    return d <= (double)min ? min : (int64_t)d;
}

/* What a number is as a varint: its bytes in `out`. */
static enum err to_varint(const struct cql_type *from, struct bytes v, struct buf *out,
                          struct errmsg *m)
{
    if (from->kind == CQL_DECIMAL)
        return decimal_to_varint(v, out, m);
    if (from->kind == CQL_VARINT)
        buf_put_bytes(out, v);
    else
        varint_from_int(value_is_real(from) ? value_whole_of_real(cql_type_native(CQL_VARINT),
                                                                  value_read_real(from, v))
                                            : value_read_whole(v),
                        out);
    return ERR_OK;
}

static enum err to_decimal(const struct cql_type *from, struct bytes v, struct buf *out,
                           struct errmsg *m)
{
    if (!value_is_real(from)) {
        buf_put_i32(out, 0);
        return to_varint(from, v, out, m);
    }
    double d = value_read_real(from, v);
    if (d != d || d - d != 0)
        return errmsg_set(m, ERR_INVALID, "%s cannot be converted into a decimal",
                          d != d ? "A NaN" : "An infinite number");
    if (from->kind == CQL_FLOAT) { /* the digits that print the float */
        struct buf text;
        buf_init(&text, 64);
        value_print(from, v, &text);
        enum err err = value_from_literal(cql_type_native(CQL_DECIMAL), LITERAL_FLOAT,
                                          buf_bytes(&text), "", out, m);
        buf_close(&text);
        return err;
    }
    decimal_from_double(d, out);
    return ERR_OK;
}

/* Whole numbers keep their low bits. */
static bool to_whole(struct run *r, const struct cql_type *from, const struct cql_type *to,
                     struct bytes v, struct cql_value *ret)
{
    struct buf b;
    struct errmsg m;
    if (value_is_real(from)) {
        *ret = value_put_whole(r, to, value_whole_of_real(to, value_read_real(from, v)));
        return true;
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = to_varint(from, v, &b, &m);
    *ret = value_put_whole(r, to, varint_to_int(buf_bytes(&b)));
    buf_close(&b);
    return run_err(r, err, &m);
}

bool value_cast(struct run *r, const struct cql_type *from, const struct cql_type *to,
                struct cql_value v, struct cql_value *ret)
{
    struct buf b;
    struct errmsg m;
    enum err err = ERR_OK;
    *ret = v;
    if (v.kind != CQL_VALUE_SET || cql_type_equal(from, to))
        return true;
    *ret = CQL_NULL;
    if (v.data.len == 0 && from->kind != CQL_ASCII)
        return true;
    if (value_is_whole(to))
        return to_whole(r, from, to, v.data, ret);
    if (value_is_real(to)) {
        *ret = value_put_real(r, to, real_of(from, v.data));
        return true;
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    if (to->kind == CQL_VARINT)
        err = to_varint(from, v.data, &b, &m);
    else if (to->kind == CQL_DECIMAL)
        err = to_decimal(from, v.data, &b, &m);
    else
        value_print(from, v.data, &b);
    *ret = cql_value_make(run_take(r, &b));
    return run_err(r, err, &m);
}
