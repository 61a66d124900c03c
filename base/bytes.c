#include "base/bytes.h"

#include <string.h>

struct bytes bytes_text(const char *text)
{
    return bytes_make(text, strlen(text));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_text(text));
}

bool bytes_starts_with(struct bytes a, struct bytes prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n > 0 ? memcmp(a.data, b.data, n) : 0;
    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

uint64_t bytes_hash(struct bytes b)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < b.len; i++)
        h = (h ^ b.data[i]) * 0x100000001b3u;
    return h;
}

struct reader reader_make(struct bytes b)
{
    static const uint8_t none[1];
    const uint8_t *at = b.data != NULL ? b.data : none;
    return (struct reader){at, at + b.len, false};
}

size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

bool reader_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}

enum err reader_finish(const struct reader *r)
{
    return reader_done(r) ? ERR_OK : ERR_MALFORMED;
}

/* The next n bytes, or NULL with the failure noted. */
static const uint8_t *take(struct reader *r, size_t n)
{
    if (r->failed || reader_left(r) < n) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

uint8_t read_u8(struct reader *r)
{
    const uint8_t *p = take(r, 1);
    return p != NULL ? *p : 0;
}

uint16_t read_u16(struct reader *r)
{
    const uint8_t *p = take(r, 2);
    return p != NULL ? load_u16(p) : 0;
}

uint32_t read_u32(struct reader *r)
{
    const uint8_t *p = take(r, 4);
    return p != NULL ? load_u32(p) : 0;
}

uint64_t read_u64(struct reader *r)
{
    const uint8_t *p = take(r, 8);
    return p != NULL ? load_u64(p) : 0;
}

int32_t read_i32(struct reader *r)
{
    return (int32_t)read_u32(r);
}

int64_t read_i64(struct reader *r)
{
    return (int64_t)read_u64(r);
}

uint64_t read_varint(struct reader *r)
{
    uint64_t v = 0;
    if (!r->failed && reader_left(r) > 0 && *r->at < 0x80) /* as most are */
        return *r->at++;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = read_u8(r);
        if (r->failed)
            return 0;
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    r->failed = true;
    return 0;
}

int64_t read_svarint(struct reader *r)
{
    uint64_t v = read_varint(r);
    return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}

struct bytes read_bytes(struct reader *r, size_t len)
{
    const uint8_t *p = take(r, len);
    return p != NULL ? bytes_make(p, len) : BYTES_NONE;
}

struct bytes read_vbytes(struct reader *r)
{
    uint64_t len = read_varint(r);
    if (len > reader_left(r)) {
        r->failed = true;
        return BYTES_NONE;
    }
    return read_bytes(r, (size_t)len);
}

struct bytes read_rest(struct reader *r)
{
    return read_bytes(r, reader_left(r));
}

struct uuid read_uuid(struct reader *r)
{
    struct uuid u = {{0}};
    const uint8_t *p = take(r, sizeof u.b);
    if (p != NULL)
        memcpy(u.b, p, sizeof u.b);
    return u;
}

struct dot read_dot(struct reader *r)
{
    uint64_t node = read_varint(r);
    uint64_t boot = read_varint(r);
    uint64_t n = read_varint(r);
    if (node > UINT32_MAX || boot > UINT32_MAX)
        r->failed = true;
    if (r->failed)
        return (struct dot){{0, 0}, 0};
    return (struct dot){{(node_no)node, (uint32_t)boot}, n};
}
