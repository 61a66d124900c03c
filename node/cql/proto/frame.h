/* frame.h - the envelope: nine bytes of header and a body.
 *
 *   envelope = version:u8 flags:u8 stream:i16 opcode:u8 length:u32 body
 *   version  = 0x03 | 0x04 | 0x05, with 0x80 added in what a server sends
 *
 * All big endian. The layout is the same from version 3 on and in every later one a driver tries
 * (65, 66), so the header of a version that is not served can still be read and answered.
 */
#ifndef TORC_NODE_CQL_PROTO_FRAME_H
#define TORC_NODE_CQL_PROTO_FRAME_H

#include "base/buf.h"
#include "node/cql/proto/names.h"

#define CQL_HEADER_SIZE     ((size_t)9)
#define CQL_VERSION_MIN     4 /* what is served */
#define CQL_VERSION_MAX     5
#define CQL_VERSIONS_TEXT   "4/v4, 5/v5"
#define CQL_FRAME_MAX       ((size_t)16 << 20)  /* default bound of a body, after decompression */
#define CQL_FRAME_LIMIT     ((size_t)256 << 20) /* the protocol's own bound; no setting passes it */
#define CQL_STREAM_EVENT    (-1)
#define CQL_RESPONSE_BIT    0x80
#define CQL_VERSION_SEGMENT 5 /* from this one on, segments follow the handshake */

enum cql_frame_flag {
    CQL_FLAG_COMPRESSED = 0x01,
    CQL_FLAG_TRACING = 0x02,
    CQL_FLAG_PAYLOAD = 0x04,
    CQL_FLAG_WARNING = 0x08,
    CQL_FLAG_BETA = 0x10,
};

struct cql_header {
    uint8_t version; /* without the direction bit */
    bool response;
    uint8_t flags;
    int16_t stream;
    uint8_t opcode;
    uint32_t length; /* of the body that follows */
};

/* One message: the header and its body, uncompressed. */
struct cql_frame {
    struct cql_header header;
    struct bytes body; /* borrowed; whoever hands the frame out says for how long */
};

/* Read a header from its nine bytes. Every nine bytes are a header: judging version, opcode and
 * length is the caller's. */
struct cql_header cql_header_read(const uint8_t bytes[CQL_HEADER_SIZE]);

void cql_header_put(struct buf *b, const struct cql_header *h);

static inline bool cql_version_served(unsigned version)
{
    return version >= CQL_VERSION_MIN && version <= CQL_VERSION_MAX;
}

#endif
