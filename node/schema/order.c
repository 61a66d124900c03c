/* order.c - the bytes of one component. Stored: do not change.
 *
 *   component    = 0x10 | 0x20 body
 *   bigint int smallint tinyint timestamp = two's complement big endian, sign bit inverted
 *   date time    = as they are (unsigned)
 *   boolean      = 0 | 1
 *   float double = IEEE bits; sign bit inverted when positive, all bits when negative; one NaN
 *   ascii text blob inet = bytes with 00 -> 01 01 and 01 -> 01 02, then 00
 *   uuid         = version nibble, then version 1: time first (8), rest (8); else: all 16 bytes
 *   timeuuid     = time first (8), rest (8) with the sign bit of each byte inverted
 *   varint       = length (0x80 + n below 64, else 0xc0 n:u32; inverted when negative), the n bytes
 *   decimal      = 40 zero | 80 point:40bit (excess 2^39) digits 00, two digits a byte plus one;
 *                  20 and the rest inverted when negative
 *   duration     = as text
 *   list set     = {component} 08             elements, then what sorts before any element
 *   map          = {key value} 08
 *   tuple udt    = {component | 0c} 08        0c: null; nulls at the end are left out, but the
 * first vector       = {component}                dimension of them
 *
 * The terminator 0x08 is below every lead, so a shorter one comes first; 0x0c is below every value.
 */
#include "node/schema/order.h"

#include "base/mem.h"
#include "node/schema/number.h"
#include "node/schema/vint.h"

#include <string.h>

#define ORDER_END     0x08
#define ORDER_NULL    0x0c
#define POINT_EXCESS  ((int64_t)1 << 39)
#define DECIMAL_MINUS 0x20
#define DECIMAL_ZERO  0x40
#define DECIMAL_PLUS  0x80
/* How far below INT32_MIN the scale may lie: as many zeros as a value can have at its end. */
#define DECIMAL_ZEROS_MAX ((int64_t)1 << 20)
#define SIGN64            ((uint64_t)1 << 63)

static void put_body(const struct cql_type *type, struct bytes v, struct buf *out);

static void put_component(const struct cql_type *type, struct bytes v, struct buf *out)
{
    if (v.len == 0) {
        buf_put_u8(out, ORDER_LEAD_EMPTY);
        return;
    }
    buf_put_u8(out, ORDER_LEAD_VALUE);
    put_body(type, v, out);
}

static void put_escaped(struct bytes v, struct buf *out)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] <= 1) {
            buf_put_u8(out, 1);
            buf_put_u8(out, (uint8_t)(v.data[i] + 1));
        } else {
            buf_put_u8(out, v.data[i]);
        }
    }
    buf_put_u8(out, 0);
}

static void put_uuid(struct bytes v, bool timeuuid, struct buf *out)
{
    const uint8_t *u = v.data;
    uint8_t version = u[6] >> 4;
    if (!timeuuid)
        buf_put_u8(out, version);
    if (!timeuuid && version != 1) {
        buf_put(out, u, 16);
        return;
    }
    buf_put(out, u + 6, 2);
    buf_put(out, u + 4, 2);
    buf_put(out, u, 4);
    for (int i = 8; i < 16; i++)
        buf_put_u8(out, timeuuid ? u[i] ^ 0x80 : u[i]);
}

static void put_varint(struct bytes v, struct buf *out)
{
    v = varint_trim(v);
    uint8_t flip = v.data[0] >= 0x80 ? 0xff : 0;
    uint32_t n = (uint32_t)v.len;
    if (n < 64) {
        buf_put_u8(out, (uint8_t)((0x80 + n) ^ flip));
    } else {
        buf_put_u8(out, 0xc0 ^ flip);
        buf_put_u32(out, flip != 0 ? ~n : n);
    }
    buf_put_bytes(out, v);
}

static void put_decimal(struct bytes v, struct buf *out)
{
    struct decimal d;
    decimal_read(v, &d);
    if (d.sign == 0) {
        buf_put_u8(out, DECIMAL_ZERO);
        return;
    }
    uint8_t flip = d.sign < 0 ? 0xff : 0;
    uint64_t point = (uint64_t)(d.point + POINT_EXCESS);
    buf_put_u8(out, d.sign < 0 ? DECIMAL_MINUS : DECIMAL_PLUS);
    for (int shift = 32; shift >= 0; shift -= 8)
        buf_put_u8(out, (uint8_t)(point >> shift) ^ flip);
    for (size_t i = 0; i < d.count; i += 2) {
        int pair = (d.digits[i] - '0') * 10 + (i + 1 < d.count ? d.digits[i + 1] - '0' : 0);
        buf_put_u8(out, (uint8_t)(pair + 1) ^ flip);
    }
    buf_put_u8(out, flip);
    decimal_close(&d);
}

static void put_parts(const struct cql_type *t, struct bytes v, struct buf *out)
{
    struct value_parts p = value_parts_open(t, v);
    struct value_part part;
    size_t end = out->len; /* behind the last that is not null */
    while (value_parts_next(&p, &part)) {
        if (part.null)
            buf_put_u8(out, ORDER_NULL);
        else
            put_component(part.type, part.bytes, out);
        if (!part.null || p.at == 1)
            end = out->len;
    }
    if (!out->failed)
        out->len = end;
    if (t->kind != CQL_VECTOR)
        buf_put_u8(out, ORDER_END);
}

/* `v` is valid and not empty. */
static void put_body(const struct cql_type *type, struct bytes v, struct buf *out)
{
    uint32_t f;
    uint64_t d;
    switch (type->kind) {
    case CQL_BIGINT:
    case CQL_TIMESTAMP: buf_put_u64(out, load_u64(v.data) ^ SIGN64); break;
    case CQL_INT: buf_put_u32(out, load_u32(v.data) ^ 0x80000000u); break;
    case CQL_SMALLINT: buf_put_u16(out, (uint16_t)(load_u16(v.data) ^ 0x8000u)); break;
    case CQL_TINYINT: buf_put_u8(out, v.data[0] ^ 0x80); break;
    case CQL_DATE:
    case CQL_TIME: buf_put_bytes(out, v); break;
    case CQL_BOOLEAN: buf_put_u8(out, v.data[0] != 0); break;
    case CQL_FLOAT:
        f = load_u32(v.data);
        f = (f & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : f;
        buf_put_u32(out, (f & 0x80000000u) != 0 ? ~f : f | 0x80000000u);
        break;
    case CQL_DOUBLE:
        d = load_u64(v.data);
        d = (d & ~SIGN64) > 0x7ff0000000000000u ? 0x7ff8000000000000u : d;
        buf_put_u64(out, (d & SIGN64) != 0 ? ~d : d | SIGN64);
        break;
    case CQL_ASCII:
    case CQL_TEXT:
    case CQL_BLOB:
    case CQL_DURATION:
    case CQL_INET: put_escaped(v, out); break;
    case CQL_UUID: put_uuid(v, false, out); break;
    case CQL_TIMEUUID: put_uuid(v, true, out); break;
    case CQL_VARINT: put_varint(v, out); break;
    case CQL_DECIMAL: put_decimal(v, out); break;
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP:
    case CQL_TUPLE:
    case CQL_UDT:
    case CQL_VECTOR: put_parts(type, v, out); break;
    default: ASSERT(false);
    }
}

static bool can_be_key(const struct cql_type *type)
{
    return !cql_type_is_multicell(type) && !cql_type_mentions(type, CQL_COUNTER);
}

enum err order_encode(const struct cql_type *type, bool reversed, struct bytes value,
                      struct buf *out, struct errmsg *ret_err)
{
    enum err err = value_validate(type, value, ret_err);
    if (err != ERR_OK)
        return err;
    if (!can_be_key(type))
        return errmsg_set(ret_err, ERR_INVALID, "Values of this type cannot be part of a key");
    size_t start = out->len;
    put_component(type, value, out);
    for (size_t i = start; i < out->len && reversed; i++)
        out->data[i] = (uint8_t)~out->data[i];
    return ERR_OK;
}

/* A reader of bytes that may be inverted. */
struct unkey {
    struct reader *r;
    uint8_t flip;
};

static void take_value(struct unkey *k, const struct cql_type *type, struct buf *out);

static uint8_t take_u8(struct unkey *k)
{
    return read_u8(k->r) ^ k->flip;
}

static uint64_t take_uint(struct unkey *k, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | take_u8(k);
    return v;
}

static void take_raw(struct unkey *k, size_t n, struct buf *out)
{
    struct bytes b = read_bytes(k->r, n);
    for (size_t i = 0; i < b.len; i++)
        buf_put_u8(out, b.data[i] ^ k->flip);
}

static void take_escaped(struct unkey *k, struct buf *out)
{
    while (!k->r->failed) {
        uint8_t c = take_u8(k);
        if (c == 0)
            return;
        if (c == 1) {
            c = take_u8(k);
            if (c != 1 && c != 2)
                k->r->failed = true;
            c--;
        }
        buf_put_u8(out, c);
    }
}

static void take_uuid(struct unkey *k, bool timeuuid, struct buf *out)
{
    uint8_t version = timeuuid ? 1 : take_u8(k);
    uint8_t u[16];
    uint8_t given[16];
    for (int i = 0; i < 16; i++)
        given[i] = take_u8(k);
    memcpy(u, given, 16);
    if (version == 1) {
        memcpy(u + 6, given, 2);
        memcpy(u + 4, given + 2, 2);
        memcpy(u, given + 4, 4);
    }
    for (int i = 8; i < 16 && timeuuid; i++)
        u[i] ^= 0x80;
    if (u[6] >> 4 != version)
        k->r->failed = true;
    buf_put(out, u, 16);
}

static void take_varint(struct unkey *k, struct buf *out)
{
    uint8_t head = take_u8(k);
    uint8_t flip = head < 0x80 ? 0xff : 0;
    uint32_t n = (uint32_t)(head ^ flip) - 0x80;
    if (n == 64) {
        n = (uint32_t)take_uint(k, 4);
        n = flip != 0 ? ~n : n;
        if (n < 64)
            k->r->failed = true;
    }
    if (n == 0 || n > reader_left(k->r) || ((head ^ flip) > 0xc0)) {
        k->r->failed = true;
        return;
    }
    size_t start = out->len;
    take_raw(k, n, out);
    if (out->failed || k->r->failed)
        return;
    struct bytes v = bytes_make(out->data + start, n);
    if ((v.data[0] >= 0x80) != (flip != 0) || varint_trim(v).len != n)
        k->r->failed = true;
}

static void take_decimal(struct unkey *k, struct buf *out)
{
    uint8_t head = take_u8(k);
    if (k->r->failed || (head != DECIMAL_ZERO && head != DECIMAL_PLUS && head != DECIMAL_MINUS)) {
        k->r->failed = true;
        return;
    }
    struct decimal d = {0};
    if (head != DECIMAL_ZERO) {
        uint8_t flip = head == DECIMAL_PLUS ? 0 : 0xff;
        struct unkey digits = {k->r, k->flip ^ flip};
        d.sign = flip == 0 ? 1 : -1;
        d.point = (int64_t)take_uint(&digits, 5) - POINT_EXCESS;
        d.digits = mem_alloc(2 * reader_left(k->r) + 1);
        uint8_t pair;
        while ((pair = take_u8(&digits)) != 0 && pair <= 100 && !k->r->failed) {
            d.digits[d.count++] = (char)('0' + (pair - 1) / 10);
            d.digits[d.count++] = (char)('0' + (pair - 1) % 10);
        }
        if (d.count > 0 && d.digits[d.count - 1] == '0')
            d.count--;
        /* What no value encodes to: no digits, zeros at an end, a scale beyond 32 bits. */
        int64_t scale = (int64_t)d.count - d.point;
        if (pair != 0 || d.count == 0 || d.digits[0] == '0' || d.digits[d.count - 1] == '0' ||
            scale > INT32_MAX || scale < (int64_t)INT32_MIN - DECIMAL_ZEROS_MAX)
            k->r->failed = true;
    }
    if (!k->r->failed)
        decimal_put(&d, out);
    decimal_close(&d);
}

static void take_items(struct unkey *k, const struct cql_type *t, struct buf *out)
{
    size_t at = out->len;
    uint32_t n = 0;
    buf_put_u32(out, 0);
    while (!k->r->failed && !out->failed) {
        if (reader_left(k->r) > 0 && (*k->r->at ^ k->flip) == ORDER_END) {
            take_u8(k);
            if (n % t->count != 0)
                k->r->failed = true;
            break;
        }
        size_t start = out->len;
        buf_put_u32(out, 0);
        take_value(k, t->items[n % t->count], out);
        n++;
        if (!out->failed)
            store_u32(out->data + start, (uint32_t)(out->len - start - 4));
    }
    if (!out->failed)
        store_u32(out->data + at, n / t->count);
}

/* What was left out at the end is null again. */
static void take_tuple(struct unkey *k, const struct cql_type *t, struct buf *out)
{
    uint32_t n = 0;
    bool null = false;
    while (!k->r->failed && !out->failed) {
        uint8_t lead = reader_left(k->r) > 0 ? *k->r->at ^ k->flip : 0;
        if (lead == ORDER_END && n > 0 && (!null || n == 1)) {
            take_u8(k);
            break;
        }
        if (n == t->count || lead == 0) {
            k->r->failed = true;
            return;
        }
        size_t start = out->len;
        buf_put_i32(out, -1);
        null = lead == ORDER_NULL;
        if (null)
            take_u8(k);
        else
            take_value(k, t->items[n], out);
        if (!null && !out->failed)
            store_u32(out->data + start, (uint32_t)(out->len - start - 4));
        n++;
    }
    for (; n < t->count && !k->r->failed; n++)
        buf_put_i32(out, -1);
}

static void take_vector(struct unkey *k, const struct cql_type *t, struct buf *out)
{
    bool fixed = cql_type_fixed_size(t->items[0]) > 0;
    struct buf item;
    buf_init(&item, out->max);
    for (uint32_t i = 0; i < t->dimension && !k->r->failed && !out->failed; i++) {
        buf_clear(&item);
        take_value(k, t->items[0], &item);
        if (!fixed)
            vint_put(item.len, out);
        buf_put_bytes(out, buf_bytes(&item));
        out->failed |= item.failed;
    }
    buf_close(&item);
}

static void take_float(struct unkey *k, unsigned bytes, struct buf *out)
{
    uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    uint64_t v = take_uint(k, bytes);
    v = (v & sign) != 0 ? v & ~sign : ~v;
    if (bytes == 4)
        buf_put_u32(out, (uint32_t)v);
    else
        buf_put_u64(out, v);
}

static void take_body(struct unkey *k, const struct cql_type *type, struct buf *out)
{
    switch (type->kind) {
    case CQL_BIGINT:
    case CQL_TIMESTAMP: buf_put_u64(out, take_uint(k, 8) ^ SIGN64); break;
    case CQL_INT: buf_put_u32(out, (uint32_t)take_uint(k, 4) ^ 0x80000000u); break;
    case CQL_SMALLINT: buf_put_u16(out, (uint16_t)(take_uint(k, 2) ^ 0x8000u)); break;
    case CQL_TINYINT: buf_put_u8(out, take_u8(k) ^ 0x80); break;
    case CQL_DATE: take_raw(k, 4, out); break;
    case CQL_TIME: take_raw(k, 8, out); break;
    case CQL_BOOLEAN: buf_put_u8(out, take_u8(k)); break;
    case CQL_FLOAT: take_float(k, 4, out); break;
    case CQL_DOUBLE: take_float(k, 8, out); break;
    case CQL_ASCII:
    case CQL_TEXT:
    case CQL_BLOB:
    case CQL_DURATION:
    case CQL_INET: take_escaped(k, out); break;
    case CQL_UUID: take_uuid(k, false, out); break;
    case CQL_TIMEUUID: take_uuid(k, true, out); break;
    case CQL_VARINT: take_varint(k, out); break;
    case CQL_DECIMAL: take_decimal(k, out); break;
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP: take_items(k, type, out); break;
    case CQL_TUPLE:
    case CQL_UDT: take_tuple(k, type, out); break;
    case CQL_VECTOR: take_vector(k, type, out); break;
    default: k->r->failed = true;
    }
}

static void take_value(struct unkey *k, const struct cql_type *type, struct buf *out)
{
    uint8_t lead = take_u8(k);
    if (lead == ORDER_LEAD_VALUE)
        take_body(k, type, out);
    else if (lead != ORDER_LEAD_EMPTY)
        k->r->failed = true;
}

enum err order_decode(const struct cql_type *type, bool reversed, struct reader *r,
                      struct buf *ret_value)
{
    struct unkey k = {r, reversed ? 0xff : 0};
    size_t start = ret_value->len;
    take_value(&k, type, ret_value);
    if (r->failed)
        return ERR_MALFORMED;
    if (ret_value->failed)
        return ERR_TOO_BIG;
    size_t len = ret_value->len - start;
    struct bytes v = len > 0 ? bytes_make(ret_value->data + start, len) : BYTES_NONE;
    enum err err = value_validate(type, v, NULL);
    return err == ERR_OK ? ERR_OK : ERR_MALFORMED;
}

void order_bound_before(struct buf *prefix)
{
    buf_put_u8(prefix, 0x00);
}

void order_bound_after(struct buf *prefix)
{
    buf_put_u8(prefix, 0xff);
}

enum err partition_key_compose(const struct bytes *components, size_t count, struct buf *out,
                               struct errmsg *ret_err)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = components[i].len;
        total += len + (count > 1 ? 3 : 0);
        if (len > PARTITION_KEY_MAX || total > PARTITION_KEY_MAX)
            return errmsg_set(ret_err, ERR_INVALID,
                              "Key length of %zu is longer than maximum of %d",
                              len > total ? len : total, PARTITION_KEY_MAX);
    }
    if (count == 1) {
        buf_put_bytes(out, components[0]);
        return ERR_OK;
    }
    for (size_t i = 0; i < count; i++) {
        buf_put_u16(out, (uint16_t)components[i].len);
        buf_put_bytes(out, components[i]);
        buf_put_u8(out, 0);
    }
    return ERR_OK;
}

enum err partition_key_split(struct bytes key, size_t count, struct bytes *ret_components)
{
    if (count == 1) {
        ret_components[0] = key;
        return ERR_OK;
    }
    struct reader r = reader_make(key);
    for (size_t i = 0; i < count; i++) {
        ret_components[i] = read_bytes(&r, read_u16(&r));
        if (read_u8(&r) != 0)
            r.failed = true;
    }
    return reader_finish(&r);
}
