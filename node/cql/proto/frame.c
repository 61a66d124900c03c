#include "node/cql/proto/frame.h"

struct cql_header cql_header_read(const uint8_t bytes[CQL_HEADER_SIZE])
{
    return (struct cql_header){
        .version = bytes[0] & 0x7f,
        .response = (bytes[0] & CQL_RESPONSE_BIT) != 0,
        .flags = bytes[1],
        .stream = (int16_t)load_u16(bytes + 2),
        .opcode = bytes[4],
        .length = load_u32(bytes + 5),
    };
}

void cql_header_put(struct buf *b, const struct cql_header *h)
{
    buf_put_u8(b, (uint8_t)(h->version | (h->response ? CQL_RESPONSE_BIT : 0)));
    buf_put_u8(b, h->flags);
    buf_put_u16(b, (uint16_t)h->stream);
    buf_put_u8(b, h->opcode);
    buf_put_u32(b, h->length);
}
