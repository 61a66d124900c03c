/* segment.h - what version 5 wraps its envelopes in once the handshake is over.
 *
 *   plain segment  = header:u24 crc24(header):u24 payload crc32(payload):u32
 *                    header = payload length:17  self contained:1  0:6
 *   lz4 segment    = header:u40 crc24(header):u24 payload crc32(payload):u32
 *                    header = payload length:17  plain length:17  self contained:1  0:5
 *                    plain length 0: the payload is not compressed
 *
 * Little endian, the least significant bits first; the only part of the protocol that is. A self
 * contained segment holds one or more whole envelopes; otherwise it is a piece of one envelope
 * that fits no single segment, and its pieces follow each other with nothing between.
 *
 * The checksums tell a damaged stream: after a mismatch nothing that follows can be trusted, and
 * the connection must be closed.
 */
#ifndef TORC_NODE_CQL_PROTO_SEGMENT_H
#define TORC_NODE_CQL_PROTO_SEGMENT_H

#include "base/buf.h"

#define CQL_SEGMENT_PAYLOAD_MAX ((size_t)(1 << 17) - 1)
#define CQL_SEGMENT_HEADER_MAX  ((size_t)8)
#define CQL_SEGMENT_TRAILER     ((size_t)4)

struct cql_segment {
    bool self_contained;
    size_t size;          /* of the whole segment: what to drop from the stream */
    size_t plain_len;     /* of the payload once decompressed; 0 when it is not compressed */
    struct bytes payload; /* as sent, borrowed */
};

/* Look at the start of a stream. ERR_OK and *ret_segment when a whole valid segment is there;
 * ERR_NOT_FOUND when more bytes are needed; ERR_CORRUPT on a checksum mismatch. The header is
 * judged as soon as it is there, so a corrupt length is never waited for. */
enum err cql_segment_read(struct bytes stream, bool lz4,
                          struct cql_segment *ret_segment) MUST_CHECK;

/* Append one segment with a payload of at most CQL_SEGMENT_PAYLOAD_MAX bytes. */
void cql_segment_put(struct buf *b, struct bytes payload, bool self_contained, bool lz4);

/* CRC24 of at most eight bytes given as a number, lowest byte first, and CRC32 with the four
 * bytes in front that make an empty payload differ from none. */
uint32_t cql_crc24(uint64_t bytes, size_t len);
uint32_t cql_crc32(struct bytes payload);

#endif
