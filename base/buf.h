/* buf.h - a growing buffer that owns its bytes and knows its bound.
 *
 * Writers do not return errors: when `max` would be passed the buffer notes it, writes nothing
 * more, and buf_finish says ERR_TOO_BIG. So an encoder checks once, at its end.
 */
#ifndef TORC_BASE_BUF_H
#define TORC_BASE_BUF_H

#include "base/bytes.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed; /* a write did not fit under max */
};

#define BUF_MAX_DEFAULT ((size_t)1 << 28) /* what no single message or batch may pass */

void buf_init(struct buf *b, size_t max);
void buf_close(struct buf *b); /* accepts a zeroed or closed one */
void buf_clear(struct buf *b); /* empty again, failure forgotten, memory kept */
enum err buf_finish(const struct buf *b) MUST_CHECK;
struct bytes buf_bytes(const struct buf *b); /* valid until the next write */

/* Hand over the allocation; the buffer is empty afterwards. Release with mem_free. */
uint8_t *buf_take(struct buf *b, size_t *ret_len);

/* Room for n more bytes, counted as written; NULL when max would be passed. */
uint8_t *buf_extend(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n); /* drop n bytes from the front */

void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_bytes(struct buf *b, struct bytes bytes);
void buf_put_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v); /* big endian, like all that follow */
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_i32(struct buf *b, int32_t v);
void buf_put_i64(struct buf *b, int64_t v);
void buf_put_varint(struct buf *b, uint64_t v);
void buf_put_svarint(struct buf *b, int64_t v);
void buf_put_vbytes(struct buf *b, struct bytes bytes);
void buf_put_uuid(struct buf *b, const struct uuid *u);
void buf_put_dot(struct buf *b, struct dot dot); /* varint node, varint boot, varint n */

#endif
