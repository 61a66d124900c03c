#include "unit/node_schema/random_value.h"

#include "base/mem.h"

#include <string.h>

static const struct cql_type *nested(struct rng *r, struct arena *a, unsigned depth,
                                     const struct cql_type *(*item)(struct rng *, struct arena *,
                                                                    unsigned))
{
    switch (rng_below(r, 3)) {
    case 0: return cql_type_list(a, item(r, a, depth - 1), true);
    case 1: return cql_type_set(a, random_key_type(r, a, depth - 1), true);
    default: return cql_type_map(a, random_key_type(r, a, depth - 1), item(r, a, depth - 1), true);
    }
}

/* A tuple, a user-defined type or a vector. */
static const struct cql_type *composed(struct rng *r, struct arena *a, unsigned depth,
                                       const struct cql_type *(*item)(struct rng *, struct arena *,
                                                                      unsigned))
{
    static const char *const fields[] = {"a", "b", "c"};
    uint32_t count = 1 + (uint32_t)rng_below(r, 3);
    const struct cql_type **items = arena_array(a, const struct cql_type *, count);
    for (uint32_t i = 0; i < count; i++)
        items[i] = item(r, a, depth - 1);
    if (rng_chance(r, 300000))
        return cql_type_udt(a, "ks", "u", fields, items, count, true);
    if (rng_chance(r, 500000))
        return cql_type_tuple(a, items, count);
    struct cql_type *t = arena_new(a, struct cql_type);
    *t = (struct cql_type){.kind = CQL_VECTOR, .count = 1, .dimension = count, .items = items};
    return t;
}

const struct cql_type *random_key_type(struct rng *r, struct arena *a, unsigned depth)
{
    if (depth > 0 && rng_chance(r, 250000))
        return nested(r, a, depth, random_key_type);
    if (depth > 0 && rng_chance(r, 250000))
        return composed(r, a, depth, random_key_type);
    while (true) {
        const struct cql_type *t = cql_type_native((enum cql_kind)rng_below(r, CQL_DURATION));
        if (t != NULL && t->kind != CQL_COUNTER)
            return t;
    }
}

const struct cql_type *random_type(struct rng *r, struct arena *a, unsigned depth)
{
    if (depth > 0 && rng_chance(r, 400000))
        return nested(r, a, depth, random_type);
    if (depth > 0 && rng_chance(r, 300000))
        return composed(r, a, depth, random_type);
    return rng_chance(r, 50000) ? cql_type_native(CQL_DURATION) : random_key_type(r, a, 0);
}

/* Mostly bytes from a small set, so that prefixes and equal values are common. */
static uint8_t random_byte(struct rng *r)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0xfe, 0xff};
    return rng_chance(r, 700000) ? edges[rng_below(r, sizeof edges)] : (uint8_t)rng_next(r);
}

static void put_random(struct rng *r, struct buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_put_u8(out, random_byte(r));
}

static void put_decimal(struct rng *r, struct buf *out)
{
    char text[64];
    size_t n = 0;
    if (rng_chance(r, 500000))
        text[n++] = '-';
    size_t digits = 1 + rng_below(r, rng_chance(r, 100000) ? 30 : 4);
    for (size_t i = 0; i < digits; i++)
        text[n++] = (char)('0' + (rng_chance(r, 500000) ? 0 : rng_below(r, 10)));
    struct buf one;
    buf_init(&one, 1000);
    struct bytes t = bytes_make(text, n);
    enum err err =
        value_from_literal(cql_type_native(CQL_DECIMAL), LITERAL_INTEGER, t, "", &one, NULL);
    ASSERT(err == ERR_OK);
    int64_t scale = rng_chance(r, 50000) ? (rng_chance(r, 500000) ? INT32_MIN : INT32_MAX)
                                         : rng_between(r, -4, 4);
    buf_put_i32(out, (int32_t)scale);
    buf_put(out, one.data + 4, one.len - 4);
    buf_close(&one);
}

static void put_uuid(struct rng *r, bool timeuuid, struct buf *out)
{
    uint8_t u[16];
    for (size_t i = 0; i < 16; i++)
        u[i] = random_byte(r);
    if (timeuuid || rng_chance(r, 300000))
        u[6] = (uint8_t)((u[6] & 0x0f) | 0x10);
    buf_put(out, u, 16);
}

static void put_items(struct rng *r, struct arena *a, const struct cql_type *t, struct buf *out)
{
    struct bytes items[8];
    size_t n = rng_below(r, 4) * t->count;
    for (size_t i = 0; i < n; i++)
        items[i] = random_value(r, a, t->items[i % t->count]);
    enum err err = value_collection_build(t, items, n, out, NULL);
    ASSERT(err == ERR_OK);
}

static void put_parts(struct rng *r, struct arena *a, const struct cql_type *t, struct buf *out)
{
    bool vector = t->kind == CQL_VECTOR;
    size_t count = vector ? t->dimension : rng_below(r, t->count + 1);
    struct value_part parts[3];
    for (size_t i = 0; i < count; i++) {
        parts[i].null = !vector && rng_chance(r, 300000);
        parts[i].bytes = random_value(r, a, t->items[vector ? 0 : i]);
        if (vector && cql_type_fixed_size(t->items[0]) > 0) /* these have no empty value */
            while (parts[i].bytes.len == 0)
                parts[i].bytes = random_value(r, a, t->items[0]);
    }
    if (vector)
        value_vector_build(t, parts, out);
    else
        value_tuple_build(parts, count, out);
}

static void put_value(struct rng *r, struct arena *a, const struct cql_type *t, struct buf *out)
{
    switch (t->kind) {
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_DOUBLE:
    case CQL_TIME:
    case CQL_TIMESTAMP: put_random(r, out, 8); break;
    case CQL_INT:
    case CQL_FLOAT:
    case CQL_DATE: put_random(r, out, 4); break;
    case CQL_SMALLINT: put_random(r, out, 2); break;
    case CQL_TINYINT:
    case CQL_BOOLEAN: put_random(r, out, 1); break;
    case CQL_INET: put_random(r, out, rng_chance(r, 500000) ? 4 : 16); break;
    case CQL_BLOB: put_random(r, out, rng_below(r, 6)); break;
    case CQL_VARINT: put_random(r, out, 1 + rng_below(r, rng_chance(r, 50000) ? 200 : 5)); break;
    case CQL_ASCII:
    case CQL_TEXT:
        for (size_t n = rng_below(r, 6); n > 0; n--)
            buf_put_u8(out, random_byte(r) & 0x7f);
        break;
    case CQL_DECIMAL: put_decimal(r, out); break;
    case CQL_UUID: put_uuid(r, false, out); break;
    case CQL_TIMEUUID: put_uuid(r, true, out); break;
    case CQL_DURATION: {
        int32_t sign = rng_chance(r, 500000) ? 1 : -1;
        struct cql_duration d = {sign * (int32_t)rng_below(r, 100), sign * (int32_t)rng_below(r, 9),
                                 sign * (int64_t)rng_below(r, INT64_MAX)};
        value_duration_put(&d, out);
        break;
    }
    case CQL_TUPLE:
    case CQL_UDT:
    case CQL_VECTOR: put_parts(r, a, t, out); break;
    default: put_items(r, a, t, out); break;
    }
}

struct bytes random_value(struct rng *r, struct arena *a, const struct cql_type *type)
{
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    bool may_be_empty = value_validate(type, BYTES_NONE, NULL) == ERR_OK;
    if (!may_be_empty || !rng_chance(r, 50000))
        put_value(r, a, type, &out);
    struct bytes v = arena_copy(a, buf_bytes(&out));
    buf_close(&out);
    return v;
}
