/* value.c - checking, ordering and normalizing values. */
#include "node/schema/value.h"

#include "base/mem.h"
#include "node/schema/number.h"
#include "node/schema/value_parts.h"

#include <math.h>
#include <string.h>

static enum err invalid(struct errmsg *e, const char *expected, size_t len)
{
    return errmsg_set(e, ERR_INVALID, "Expected %s (%zu)", expected, len);
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(struct bytes b)
{
    size_t i = 0;
    while (i < b.len) {
        uint8_t c = b.data[i];
        size_t more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || more > b.len - i - 1)
            return false;
        for (size_t k = 1; k <= more; k++) {
            if ((b.data[i + k] & 0xc0) != 0x80)
                return false;
        }
        uint8_t second = more > 0 ? b.data[i + 1] : 0;
        if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
            (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

static enum err check_ascii(struct bytes v, struct errmsg *e)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] >= 0x80)
            return errmsg_set(e, ERR_INVALID, "Invalid byte for ascii: %d", (int)v.data[i] - 256);
    }
    return ERR_OK;
}

static enum err check_uuid(struct bytes v, bool timeuuid, struct errmsg *e)
{
    if (v.len != 0 && v.len != 16)
        return errmsg_set(e, ERR_INVALID, "UUID should be 16 or 0 bytes (%zu)", v.len);
    if (timeuuid && v.len == 16 && v.data[6] >> 4 != 1)
        return errmsg_set(e, ERR_INVALID, "Invalid version for TimeUUID type: 0x%x",
                          v.data[6] >> 4);
    return ERR_OK;
}

static enum err check_inet(struct bytes v, struct errmsg *e)
{
    if (v.len == 0 || v.len == 4 || v.len == 16)
        return ERR_OK;
    char hex[65];
    size_t n = v.len < 32 ? v.len : 32;
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = "0123456789abcdef"[v.data[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[v.data[i] & 15];
    }
    hex[2 * n] = 0;
    return errmsg_set(e, ERR_INVALID, "Expected 4 or 16 byte inetaddress; got %s", hex);
}

static enum err check_collection(const struct cql_type *t, struct bytes v, struct errmsg *e)
{
    const char *name = t->kind == CQL_LIST ? "list" : t->kind == CQL_SET ? "set" : "map";
    struct reader r = reader_make(v);
    int32_t count = read_i32(&r);
    if (r.failed || (count > 0 && (size_t)count > reader_left(&r) / 4))
        return errmsg_set(e, ERR_INVALID, "Not enough bytes to read a %s", name);
    if (count > VALUE_ITEMS_MAX)
        return errmsg_set(e, ERR_INVALID, "Too many elements in a %s: %d, at most %d are possible",
                          name, count, VALUE_ITEMS_MAX);
    for (int32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < t->count; k++) {
            int32_t len = read_i32(&r);
            if (!r.failed && len < 0)
                return errmsg_set(e, ERR_INVALID, "Null value read when not allowed");
            struct bytes item = read_bytes(&r, (size_t)len);
            if (r.failed)
                return errmsg_set(e, ERR_INVALID, "Not enough bytes to read a %s", name);
            enum err err = value_validate(t->items[k], item, e);
            if (err != ERR_OK)
                return err;
        }
    }
    if (!reader_done(&r) || count < 0)
        return errmsg_set(e, ERR_INVALID, "Unexpected extraneous bytes after %s value", name);
    return ERR_OK;
}

enum err value_validate(const struct cql_type *type, struct bytes v, struct errmsg *e)
{
    struct cql_duration duration;
    switch (type->kind) {
    case CQL_ASCII: return check_ascii(v, e);
    case CQL_TEXT:
        return is_utf8(v) ? ERR_OK : errmsg_set(e, ERR_INVALID, "String didn't validate.");
    case CQL_BLOB:
    case CQL_VARINT: return ERR_OK;
    case CQL_BIGINT:
    case CQL_COUNTER:
        return v.len == 0 || v.len == 8 ? ERR_OK : invalid(e, "8 or 0 byte long", v.len);
    case CQL_INT: return v.len == 0 || v.len == 4 ? ERR_OK : invalid(e, "4 or 0 byte int", v.len);
    case CQL_SMALLINT: return v.len == 2 ? ERR_OK : invalid(e, "2 bytes for a smallint", v.len);
    case CQL_TINYINT: return v.len == 1 ? ERR_OK : invalid(e, "1 byte for a tinyint", v.len);
    case CQL_BOOLEAN: return v.len <= 1 ? ERR_OK : invalid(e, "1 or 0 byte value", v.len);
    case CQL_FLOAT:
        return v.len == 0 || v.len == 4 ? ERR_OK
                                        : invalid(e, "4 or 0 byte value for a float", v.len);
    case CQL_DOUBLE:
        return v.len == 0 || v.len == 8 ? ERR_OK
                                        : invalid(e, "8 or 0 byte value for a double", v.len);
    case CQL_TIMESTAMP:
        return v.len == 0 || v.len == 8 ? ERR_OK : invalid(e, "8 or 0 byte long for date", v.len);
    case CQL_DATE: return v.len == 4 ? ERR_OK : invalid(e, "4 byte long for date", v.len);
    case CQL_TIME: return v.len == 8 ? ERR_OK : invalid(e, "8 byte long for time", v.len);
    case CQL_DECIMAL:
        return v.len == 0 || v.len >= 4 ? ERR_OK : invalid(e, "0 or at least 4 bytes", v.len);
    case CQL_UUID: return check_uuid(v, false, e);
    case CQL_TIMEUUID: return check_uuid(v, true, e);
    case CQL_INET: return check_inet(v, e);
    case CQL_DURATION:
        if (v.len < 3)
            return invalid(e, "at least 3 bytes for a duration", v.len);
        return value_duration_read(v, &duration) == ERR_OK
                   ? ERR_OK
                   : errmsg_set(e, ERR_INVALID,
                                "The duration months, days and nanoseconds must be in range and "
                                "all of the same sign");
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP: return check_collection(type, v, e);
    case CQL_UDT:
    case CQL_TUPLE:
    case CQL_VECTOR: return value_parts_validate(type, v, e);
    }
    return ERR_INVALID;
}

/* The version 1 timestamp of a UUID in the order of time, version nibble first. */
static uint64_t uuid_time(const uint8_t *u)
{
    return (uint64_t)load_u16(u + 6) << 48 | (uint64_t)load_u16(u + 4) << 32 | load_u32(u);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_i64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* By version, then by time for version 1, else by bytes; the rest as unsigned bytes. */
static int compare_uuid(const uint8_t *a, const uint8_t *b)
{
    int c = (a[6] >> 4) - (b[6] >> 4);
    if (c != 0)
        return c;
    if (a[6] >> 4 != 1)
        return memcmp(a, b, 16);
    c = compare_u64(uuid_time(a), uuid_time(b));
    return c != 0 ? c : memcmp(a + 8, b + 8, 8);
}

/* As above, but Cassandra compares the last eight bytes as signed ones here. */
static int compare_timeuuid(const uint8_t *a, const uint8_t *b)
{
    int c = compare_u64(uuid_time(a), uuid_time(b));
    for (int i = 8; i < 16 && c == 0; i++)
        c = (int8_t)a[i] - (int8_t)b[i];
    return c;
}

/* A float's bits as an integer with the order of Float.compare: -0.0 < 0.0, all NaN one and last.
 */
static int64_t float_rank(uint32_t bits)
{
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        bits = 0x7fc00000u;
    return (bits & 0x80000000u) != 0 ? -(int64_t)(bits & 0x7fffffffu) - 1 : (int64_t)bits;
}

static int64_t double_rank(uint64_t bits)
{
    uint64_t sign = (uint64_t)1 << 63;
    if ((bits & ~sign) > 0x7ff0000000000000u)
        bits = 0x7ff8000000000000u;
    return (bits & sign) != 0 ? -(int64_t)(bits & ~sign) - 1 : (int64_t)bits;
}

static int compare_decimal(struct bytes a, struct bytes b)
{
    struct decimal x;
    struct decimal y;
    decimal_read(a, &x);
    decimal_read(b, &y);
    int c = decimal_compare(&x, &y);
    decimal_close(&x);
    decimal_close(&y);
    return c;
}

static int compare_fixed(enum cql_kind kind, const uint8_t *a, const uint8_t *b)
{
    switch (kind) {
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_TIMESTAMP: return compare_i64((int64_t)load_u64(a), (int64_t)load_u64(b));
    case CQL_INT: return compare_i64((int32_t)load_u32(a), (int32_t)load_u32(b));
    case CQL_SMALLINT: return (int16_t)load_u16(a) - (int16_t)load_u16(b);
    case CQL_TINYINT: return (int8_t)*a - (int8_t)*b;
    case CQL_BOOLEAN: return (*a != 0) - (*b != 0);
    case CQL_FLOAT: return compare_i64(float_rank(load_u32(a)), float_rank(load_u32(b)));
    case CQL_DOUBLE: return compare_i64(double_rank(load_u64(a)), double_rank(load_u64(b)));
    case CQL_UUID: return compare_uuid(a, b);
    case CQL_TIMEUUID: return compare_timeuuid(a, b);
    default: ASSERT(false); return 0;
    }
}

int value_compare(const struct cql_type *type, struct bytes a, struct bytes b)
{
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT:
    case CQL_BLOB:
    case CQL_INET:
    case CQL_DATE: /* day 0 is 2^31: unsigned bytes */
    case CQL_TIME:
    case CQL_DURATION: return bytes_compare(a, b);
    case CQL_VARINT: return varint_compare(a, b);
    default: break;
    }
    if (a.len == 0 || b.len == 0)
        return (a.len > 0) - (b.len > 0);
    if (type->kind == CQL_DECIMAL)
        return compare_decimal(a, b);
    if (type->count > 0)
        return value_parts_compare(type, a, b);
    if (a.len != b.len) /* not valid, but no reason to read past the end */
        return bytes_compare(a, b);
    return compare_fixed(type->kind, a.data, b.data);
}

void value_canonical(const struct cql_type *type, struct bytes v, struct buf *out)
{
    if (v.len == 0)
        return;
    if (type->count > 0) {
        value_parts_canonical(type, v, out);
    } else if (type->kind == CQL_DECIMAL) {
        struct decimal d;
        decimal_read(v, &d);
        decimal_put(&d, out);
        decimal_close(&d);
    } else if (type->kind == CQL_VARINT) {
        buf_put_bytes(out, varint_trim(v));
    } else if (type->kind == CQL_BOOLEAN) {
        buf_put_u8(out, v.data[0] != 0);
    } else if (type->kind == CQL_FLOAT && (load_u32(v.data) & 0x7fffffffu) > 0x7f800000u) {
        buf_put_u32(out, 0x7fc00000u);
    } else if (type->kind == CQL_DOUBLE &&
               (load_u64(v.data) & ~((uint64_t)1 << 63)) > 0x7ff0000000000000u) {
        buf_put_u64(out, 0x7ff8000000000000u);
    } else {
        buf_put_bytes(out, v);
    }
}
