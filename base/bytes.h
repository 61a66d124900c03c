/* bytes.h - a borrowed view of bytes, and a reader that cannot run past its end.
 *
 * `struct bytes` owns nothing: whoever hands one out says how long it lives. The reader is how
 * every decoder of foreign bytes is written: once a read does not fit, it and all later reads give
 * zero and `failed` stays set, so a decoder checks once, at its end.
 */
#ifndef TORC_BASE_BYTES_H
#define TORC_BASE_BYTES_H

#include "base/err.h"
#include "base/types.h"

struct bytes {
    const uint8_t *data;
    size_t len;
};

#define BYTES_NONE      ((struct bytes){NULL, 0})
#define BYTES_LIT(text) ((struct bytes){(const uint8_t *)(text), sizeof(text) - 1})

static inline struct bytes bytes_make(const void *data, size_t len)
{
    return (struct bytes){(const uint8_t *)data, len};
}

struct bytes bytes_text(const char *text); /* without the closing NUL */
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);
bool bytes_starts_with(struct bytes a, struct bytes prefix);

/* Unsigned byte order, a prefix before what it begins. <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);

/* FNV-1a, for hash tables inside one process; not for anything stored or sent. */
uint64_t bytes_hash(struct bytes b);

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct reader reader_make(struct bytes b);
size_t reader_left(const struct reader *r);
bool reader_done(const struct reader *r);                  /* nothing failed and nothing is left */
enum err reader_finish(const struct reader *r) MUST_CHECK; /* OK when reader_done, else MALFORMED */

uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r); /* big endian, like all that follow */
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
int32_t read_i32(struct reader *r);
int64_t read_i64(struct reader *r);

/* LEB128, at most ten bytes; a longer or overflowing one fails. Zigzag for the signed form. */
uint64_t read_varint(struct reader *r);
int64_t read_svarint(struct reader *r);

/* A view into the reader's bytes. */
struct bytes read_bytes(struct reader *r, size_t len);
struct bytes read_vbytes(struct reader *r); /* varint length, then the bytes */
struct bytes read_rest(struct reader *r);
struct uuid read_uuid(struct reader *r);
struct dot read_dot(struct reader *r); /* as buf_put_dot writes it */

static inline void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)(v >> 16));
    store_u16(p + 2, (uint16_t)v);
}
static inline void store_u64(uint8_t *p, uint64_t v)
{
    store_u32(p, (uint32_t)(v >> 32));
    store_u32(p + 4, (uint32_t)v);
}
static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)(p[0] << 8) | p[1]);
}
static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)load_u16(p) << 16 | load_u16(p + 2);
}
static inline uint64_t load_u64(const uint8_t *p)
{
    return (uint64_t)load_u32(p) << 32 | load_u32(p + 4);
}

#endif
