#include "node/cql/proto/segment.h"

#include "base/mem.h"
#include "node/cql/proto/compress.h"

#include <zlib.h>

#define PLAIN_HEADER     3 /* bytes before the CRC24 */
#define LZ4_HEADER       5
#define CRC24_SIZE       3
#define CRC24_INIT       0x875060u
#define CRC24_POLYNOMIAL 0x1974F0Bu
#define LENGTH_BITS      17

static uint64_t load_little(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static void put_little(struct buf *b, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_put_u8(b, (uint8_t)(v >> (8 * i)));
}

uint32_t cql_crc24(uint64_t bytes, size_t len)
{
    uint32_t crc = CRC24_INIT;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)(bytes >> (8 * i) & 0xff) << 16;
        for (int bit = 0; bit < 8; bit++) {
            crc <<= 1;
            if (crc & 0x1000000u)
                crc ^= CRC24_POLYNOMIAL;
        }
    }
    return crc;
}

uint32_t cql_crc32(struct bytes payload)
{
    static const uint8_t salt[4] = {0xFA, 0x2D, 0x55, 0xCA};
    uLong crc = crc32(0, salt, sizeof salt);
    if (payload.len > 0)
        crc = crc32_z(crc, payload.data, payload.len);
    return (uint32_t)crc;
}

enum err cql_segment_read(struct bytes stream, bool lz4, struct cql_segment *ret_segment)
{
    size_t n = lz4 ? LZ4_HEADER : PLAIN_HEADER;
    if (stream.len < n + CRC24_SIZE)
        return ERR_NOT_FOUND;
    uint64_t header = load_little(stream.data, n);
    if (cql_crc24(header, n) != load_little(stream.data + n, CRC24_SIZE))
        return ERR_CORRUPT;

    size_t len = header & CQL_SEGMENT_PAYLOAD_MAX;
    header >>= LENGTH_BITS;
    size_t plain_len = 0;
    if (lz4) {
        plain_len = header & CQL_SEGMENT_PAYLOAD_MAX;
        header >>= LENGTH_BITS;
    }
    size_t size = n + CRC24_SIZE + len + CQL_SEGMENT_TRAILER;
    if (stream.len < size)
        return ERR_NOT_FOUND;
    struct bytes payload = bytes_make(stream.data + n + CRC24_SIZE, len);
    if (cql_crc32(payload) != load_little(payload.data + len, CQL_SEGMENT_TRAILER))
        return ERR_CORRUPT;
    *ret_segment = (struct cql_segment){
        .self_contained = header & 1,
        .size = size,
        .plain_len = plain_len,
        .payload = payload,
    };
    return ERR_OK;
}

void cql_segment_put(struct buf *b, struct bytes payload, bool self_contained, bool lz4)
{
    ASSERT(payload.len <= CQL_SEGMENT_PAYLOAD_MAX);
    size_t n = lz4 ? LZ4_HEADER : PLAIN_HEADER;
    size_t start = b->len;
    if (buf_extend(b, n + CRC24_SIZE) == NULL)
        return;
    size_t plain_len = payload.len;
    if (!lz4 || payload.len < CQL_COMPRESS_MIN || !cql_block_compress(b, payload)) {
        plain_len = 0;
        buf_put_bytes(b, payload);
    }
    size_t len = b->len - start - n - CRC24_SIZE;
    uint64_t header = len;
    unsigned bits = LENGTH_BITS;
    if (lz4) {
        header |= (uint64_t)plain_len << bits;
        bits += LENGTH_BITS;
    }
    header |= (uint64_t)self_contained << bits;
    uint32_t crc = cql_crc24(header, n);
    if (b->failed)
        return;
    for (size_t i = 0; i < n; i++)
        b->data[start + i] = (uint8_t)(header >> (8 * i));
    for (size_t i = 0; i < CRC24_SIZE; i++)
        b->data[start + n + i] = (uint8_t)(crc >> (8 * i));
    put_little(b, cql_crc32(bytes_make(b->data + start + n + CRC24_SIZE, len)),
               CQL_SEGMENT_TRAILER);
}
