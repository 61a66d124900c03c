#include "node/cql/proto/compress.h"

#include "base/mem.h"

#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>

/* Neither format can say more than this many plain bytes with one byte: LZ4 adds 255 to a length
 * per byte, Snappy copies 64 bytes with three. A claim above it is refused before memory is taken.
 */
#define LZ4_RATIO_MAX    255
#define SNAPPY_RATIO_MAX 64

static const char *const names[] = {
    [CQL_PLAIN] = "",
    [CQL_LZ4] = "lz4",
    [CQL_SNAPPY] = "snappy",
};

const char *cql_compression_name(enum cql_compression c)
{
    return names[c];
}

static bool equal_any_case(struct bytes a, const char *lower)
{
    struct bytes b = bytes_text(lower);
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if ((a.data[i] | 0x20) != b.data[i] && a.data[i] != b.data[i])
            return false;
    }
    return true;
}

bool cql_compression_parse(struct bytes name, enum cql_compression *ret_compression)
{
    for (enum cql_compression c = CQL_LZ4; c <= CQL_SNAPPY; c++) {
        if (equal_any_case(name, names[c])) {
            *ret_compression = c;
            return true;
        }
    }
    return false;
}

/* Append at most `room` LZ4 bytes of `plain`; false and nothing appended when they are not enough.
 */
static bool lz4_put(struct buf *b, struct bytes plain, size_t room)
{
    size_t start = b->len;
    uint8_t *to = buf_extend(b, room);
    if (to == NULL)
        return false;
    int n = LZ4_compress_default((const char *)plain.data, (char *)to, (int)plain.len, (int)room);
    b->len = n > 0 ? start + (size_t)n : start;
    return n > 0;
}

static enum err lz4_read(struct buf *b, struct bytes block, size_t plain_len)
{
    if (block.len > INT_MAX || plain_len > INT_MAX)
        return ERR_TOO_BIG;
    if (plain_len / LZ4_RATIO_MAX > block.len)
        return ERR_MALFORMED;
    size_t start = b->len;
    uint8_t *to = buf_extend(b, plain_len);
    if (to == NULL)
        return ERR_TOO_BIG;
    int n =
        LZ4_decompress_safe((const char *)block.data, (char *)to, (int)block.len, (int)plain_len);
    if (n >= 0 && (size_t)n == plain_len)
        return ERR_OK;
    b->len = start;
    return ERR_MALFORMED;
}

static void snappy_put(struct buf *b, struct bytes plain)
{
    size_t start = b->len;
    size_t len = snappy_max_compressed_length(plain.len);
    uint8_t *to = buf_extend(b, len);
    if (to == NULL)
        return;
    /* Fails only when the room is below the maximum it asked for itself. */
    snappy_status s = snappy_compress((const char *)plain.data, plain.len, (char *)to, &len);
    ASSERT(s == SNAPPY_OK);
    b->len = start + len;
}

static enum err snappy_read(struct buf *b, struct bytes body, size_t max)
{
    const char *from = (const char *)body.data;
    size_t len;
    if (snappy_uncompressed_length(from, body.len, &len) != SNAPPY_OK)
        return ERR_MALFORMED;
    if (len > max)
        return ERR_TOO_BIG;
    if (len / SNAPPY_RATIO_MAX > body.len)
        return ERR_MALFORMED;
    if (len == 0)
        return body.len == 1 ? ERR_OK : ERR_MALFORMED;
    size_t start = b->len;
    uint8_t *to = buf_extend(b, len);
    if (to == NULL)
        return ERR_TOO_BIG;
    if (snappy_uncompress(from, body.len, (char *)to, &len) == SNAPPY_OK)
        return ERR_OK;
    b->len = start;
    return ERR_MALFORMED;
}

void cql_body_compress(struct buf *b, enum cql_compression c, struct bytes body)
{
    switch (c) {
    case CQL_PLAIN: buf_put_bytes(b, body); break;
    case CQL_LZ4:
        if (body.len > LZ4_MAX_INPUT_SIZE) {
            b->failed = true;
            break;
        }
        buf_put_u32(b, (uint32_t)body.len);
        lz4_put(b, body, (size_t)LZ4_compressBound((int)body.len));
        break;
    case CQL_SNAPPY: snappy_put(b, body); break;
    }
}

enum err cql_body_decompress(struct buf *b, enum cql_compression c, struct bytes body, size_t max)
{
    if (c == CQL_SNAPPY)
        return snappy_read(b, body, max);
    if (c == CQL_LZ4) {
        if (body.len < 4)
            return ERR_MALFORMED;
        size_t plain_len = load_u32(body.data);
        if (plain_len > max)
            return ERR_TOO_BIG;
        if (plain_len == 0) /* no block, or the one byte that an empty block is */
            return body.len <= 5 ? ERR_OK : ERR_MALFORMED;
        return lz4_read(b, bytes_make(body.data + 4, body.len - 4), plain_len);
    }
    return ERR_MALFORMED;
}

bool cql_block_compress(struct buf *b, struct bytes payload)
{
    return payload.len > 1 && lz4_put(b, payload, payload.len - 1);
}

enum err cql_block_decompress(struct buf *b, struct bytes block, size_t plain_len)
{
    return lz4_read(b, block, plain_len);
}
