#include "node/cql/proto/notation.h"

#include <string.h>

/* Readers. */

struct bytes cql_read_string(struct reader *r)
{
    return read_bytes(r, read_u16(r));
}

struct bytes cql_read_short_bytes(struct reader *r)
{
    return read_bytes(r, read_u16(r));
}

struct bytes cql_read_long_string(struct reader *r)
{
    int32_t n = read_i32(r);
    if (n < 0) {
        r->failed = true;
        return BYTES_NONE;
    }
    return read_bytes(r, (size_t)n);
}

struct cql_value cql_read_bytes(struct reader *r)
{
    int32_t n = read_i32(r);
    if (n < 0 || r->failed)
        return CQL_NULL;
    return cql_value_make(read_bytes(r, (size_t)n));
}

struct cql_value cql_read_value(struct reader *r)
{
    int32_t n = read_i32(r);
    if (n == -2)
        return CQL_UNSET;
    if (n < -1)
        r->failed = true;
    if (n < 0 || r->failed)
        return CQL_NULL;
    return cql_value_make(read_bytes(r, (size_t)n));
}

enum cql_consistency cql_read_consistency(struct reader *r)
{
    uint16_t n = read_u16(r);
    if (n >= CQL_CL_COUNT) {
        r->failed = true;
        return CQL_CL_ANY;
    }
    return (enum cql_consistency)n;
}

struct endpoint cql_read_inetaddr(struct reader *r)
{
    struct endpoint e = {{0}, 0};
    uint8_t n = read_u8(r);
    if (n != 4 && n != 16) {
        r->failed = true;
        return e;
    }
    struct bytes ip = read_bytes(r, n);
    if (r->failed)
        return e;
    if (n == 4)
        return endpoint_v4(ip.data[0], ip.data[1], ip.data[2], ip.data[3], 0);
    memcpy(e.ip, ip.data, sizeof e.ip);
    return e;
}

struct endpoint cql_read_inet(struct reader *r)
{
    struct endpoint e = cql_read_inetaddr(r);
    int32_t port = read_i32(r);
    if (port < 0 || port > UINT16_MAX)
        r->failed = true;
    if (r->failed)
        return (struct endpoint){{0}, 0};
    e.port = (uint16_t)port;
    return e;
}

/* A count of things that take at least `least` bytes each: so an array of them is never larger
 * than a small multiple of what was received. 0 with the reader failed when they cannot be there.
 */
static size_t read_count(struct reader *r, size_t least)
{
    size_t n = read_u16(r);
    if (n * least > reader_left(r)) {
        r->failed = true;
        return 0;
    }
    return n;
}

struct cql_string_list cql_read_string_list(struct reader *r, struct arena *a)
{
    size_t n = read_count(r, 2);
    struct bytes *items = n > 0 ? arena_array(a, struct bytes, n) : NULL;
    for (size_t i = 0; i < n && !r->failed; i++)
        items[i] = cql_read_string(r);
    return r->failed ? (struct cql_string_list){NULL, 0} : (struct cql_string_list){items, n};
}

static struct cql_map read_map(struct reader *r, struct arena *a, bool of_bytes)
{
    size_t n = read_count(r, of_bytes ? 6 : 4);
    struct cql_pair *items = n > 0 ? arena_array(a, struct cql_pair, n) : NULL;
    for (size_t i = 0; i < n && !r->failed; i++) {
        items[i].key = cql_read_string(r);
        items[i].value = of_bytes ? cql_read_bytes(r).data : cql_read_string(r);
    }
    return r->failed ? (struct cql_map){NULL, 0} : (struct cql_map){items, n};
}

struct cql_map cql_read_string_map(struct reader *r, struct arena *a)
{
    return read_map(r, a, false);
}

struct cql_map cql_read_bytes_map(struct reader *r, struct arena *a)
{
    return read_map(r, a, true);
}

bool cql_map_get(const struct cql_map *map, const char *key, struct bytes *ret_value)
{
    for (size_t i = 0; i < map->count; i++) {
        if (bytes_equal_text(map->items[i].key, key)) {
            *ret_value = map->items[i].value;
            return true;
        }
    }
    return false;
}

/* Writers. */

void cql_put_short_bytes(struct buf *b, struct bytes bytes)
{
    if (bytes.len > UINT16_MAX) {
        b->failed = true;
        return;
    }
    buf_put_u16(b, (uint16_t)bytes.len);
    buf_put_bytes(b, bytes);
}

void cql_put_string(struct buf *b, struct bytes text)
{
    cql_put_short_bytes(b, text);
}

void cql_put_string_cut(struct buf *b, struct bytes text)
{
    if (text.len > UINT16_MAX) {
        text.len = UINT16_MAX;
        /* Not in the middle of a UTF-8 character: a driver would refuse the whole message. */
        while (text.len > 0 && (text.data[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    cql_put_string(b, text);
}

void cql_put_bytes(struct buf *b, struct bytes bytes)
{
    if (bytes.len > INT32_MAX) {
        b->failed = true;
        return;
    }
    buf_put_i32(b, (int32_t)bytes.len);
    buf_put_bytes(b, bytes);
}

void cql_put_long_string(struct buf *b, struct bytes text)
{
    cql_put_bytes(b, text);
}

void cql_put_null(struct buf *b)
{
    buf_put_i32(b, -1);
}

void cql_put_value(struct buf *b, struct cql_value value)
{
    switch (value.kind) {
    case CQL_VALUE_SET: cql_put_bytes(b, value.data); break;
    case CQL_VALUE_NULL: buf_put_i32(b, -1); break;
    case CQL_VALUE_UNSET: buf_put_i32(b, -2); break;
    }
}

/* A u16 count; false with the buffer failed when it does not fit. */
static bool put_count(struct buf *b, size_t count)
{
    if (count > UINT16_MAX) {
        b->failed = true;
        return false;
    }
    buf_put_u16(b, (uint16_t)count);
    return true;
}

void cql_put_string_list(struct buf *b, struct cql_string_list list)
{
    if (!put_count(b, list.count))
        return;
    for (size_t i = 0; i < list.count; i++)
        cql_put_string(b, list.items[i]);
}

void cql_put_string_map(struct buf *b, struct cql_map map)
{
    if (!put_count(b, map.count))
        return;
    for (size_t i = 0; i < map.count; i++) {
        cql_put_string(b, map.items[i].key);
        cql_put_string(b, map.items[i].value);
    }
}

void cql_put_bytes_map(struct buf *b, struct cql_map map)
{
    if (!put_count(b, map.count))
        return;
    for (size_t i = 0; i < map.count; i++) {
        struct bytes value = map.items[i].value;
        cql_put_string(b, map.items[i].key);
        if (value.data == NULL && value.len == 0)
            cql_put_null(b);
        else
            cql_put_bytes(b, value);
    }
}

void cql_put_inetaddr(struct buf *b, const struct endpoint *e)
{
    if (endpoint_is_v4(e)) {
        buf_put_u8(b, 4);
        buf_put(b, e->ip + 12, 4);
    } else {
        buf_put_u8(b, 16);
        buf_put(b, e->ip, 16);
    }
}

void cql_put_inet(struct buf *b, const struct endpoint *e)
{
    cql_put_inetaddr(b, e);
    buf_put_i32(b, e->port);
}

/* Type descriptions. */

static void skip_option(struct reader *r, unsigned depth)
{
    if (depth > CQL_OPTION_DEPTH_MAX)
        r->failed = true;
    uint16_t id = read_u16(r);
    if (r->failed)
        return;
    uint16_t n;
    switch (id) {
    case CQL_OPTION_CUSTOM: cql_read_string(r); return;
    case CQL_OPTION_MAP: skip_option(r, depth + 1); /* fall through */
    case CQL_OPTION_LIST:
    case CQL_OPTION_SET: skip_option(r, depth + 1); return;
    case CQL_OPTION_UDT:
        cql_read_string(r);
        cql_read_string(r);
        n = read_u16(r);
        for (uint16_t i = 0; i < n && !r->failed; i++) {
            cql_read_string(r);
            skip_option(r, depth + 1);
        }
        return;
    case CQL_OPTION_TUPLE:
        n = read_u16(r);
        for (uint16_t i = 0; i < n && !r->failed; i++)
            skip_option(r, depth + 1);
        return;
    default:
        /* 0x000A was `text` before version 3. */
        if (id > CQL_OPTION_DURATION || id == 0x000A)
            r->failed = true;
    }
}

struct bytes cql_option_skip(struct reader *r)
{
    const uint8_t *start = r->at;
    skip_option(r, 1);
    return r->failed ? BYTES_NONE : bytes_make(start, (size_t)(r->at - start));
}
