#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_close(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

enum err buf_finish(const struct buf *b)
{
    return b->failed ? ERR_TOO_BIG : ERR_OK;
}

struct bytes buf_bytes(const struct buf *b)
{
    return bytes_make(b->data, b->len);
}

uint8_t *buf_take(struct buf *b, size_t *ret_len)
{
    uint8_t *data = b->data;
    *ret_len = b->len;
    *b = (struct buf){.max = b->max};
    return data;
}

static void grow(struct buf *b, size_t n)
{
    size_t cap = b->cap > 0 ? b->cap : 64;
    while (cap < b->len + n)
        cap *= 2;
    b->data = mem_resize(b->data, cap);
    b->cap = cap;
}

/* What is written is mostly a few bytes, and there mostly is room for them. */
static inline uint8_t *extend(struct buf *b, size_t n)
{
    if (b->failed || n > b->max - b->len) {
        b->failed = true;
        return NULL;
    }
    if (n > b->cap - b->len)
        grow(b, n);
    uint8_t *p = b->data + b->len;
    b->len += n;
    return p;
}

uint8_t *buf_extend(struct buf *b, size_t n)
{
    return extend(b, n);
}

void buf_consume(struct buf *b, size_t n)
{
    ASSERT(n <= b->len);
    b->len -= n;
    if (b->len > 0)
        memmove(b->data, b->data + n, b->len);
}

void buf_put(struct buf *b, const void *data, size_t len)
{
    uint8_t *p = len > 0 ? extend(b, len) : NULL;
    if (p != NULL)
        memcpy(p, data, len);
}

void buf_put_bytes(struct buf *b, struct bytes bytes)
{
    buf_put(b, bytes.data, bytes.len);
}

void buf_put_text(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    ASSERT(n >= 0);
    if ((size_t)n < sizeof small) {
        buf_put(b, small, (size_t)n);
        return;
    }
    /* vsnprintf insists on a NUL, for which there need not be room under max. */
    char *large = mem_resize(NULL, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(large, (size_t)n + 1, format, args);
    va_end(args);
    buf_put(b, large, (size_t)n);
    mem_free(large);
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    uint8_t *p = extend(b, 1);
    if (p != NULL)
        *p = v;
}

void buf_put_u16(struct buf *b, uint16_t v)
{
    uint8_t *p = extend(b, 2);
    if (p != NULL)
        store_u16(p, v);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    uint8_t *p = extend(b, 4);
    if (p != NULL)
        store_u32(p, v);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    uint8_t *p = extend(b, 8);
    if (p != NULL)
        store_u64(p, v);
}

void buf_put_i32(struct buf *b, int32_t v)
{
    buf_put_u32(b, (uint32_t)v);
}

void buf_put_i64(struct buf *b, int64_t v)
{
    buf_put_u64(b, (uint64_t)v);
}

void buf_put_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    if (v < 0x80) {
        buf_put_u8(b, (uint8_t)v);
        return;
    }
    while (v >= 0x80) {
        bytes[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (uint8_t)v;
    buf_put(b, bytes, n);
}

void buf_put_svarint(struct buf *b, int64_t v)
{
    uint64_t sign = v < 0 ? UINT64_MAX : 0;
    buf_put_varint(b, ((uint64_t)v << 1) ^ sign);
}

void buf_put_vbytes(struct buf *b, struct bytes bytes)
{
    buf_put_varint(b, bytes.len);
    buf_put_bytes(b, bytes);
}

void buf_put_uuid(struct buf *b, const struct uuid *u)
{
    buf_put(b, u->b, sizeof u->b);
}

void buf_put_dot(struct buf *b, struct dot dot)
{
    buf_put_varint(b, dot.actor.node);
    buf_put_varint(b, dot.actor.boot);
    buf_put_varint(b, dot.n);
}
