/* fuzz_cql_frame - any bytes through the connection codec and the decoders behind it.
 *
 * The first byte chooses the end, the version, the compression and whether the handshake is over;
 * the second how the rest is cut into reads. With the top bit of the first set, the rest goes in as
 * payloads of valid segments: a fuzzer does not guess checksums.
 */
#include "base/mem.h"
#include "node/cql/proto/conn.h"
#include "node/cql/proto/request.h"
#include "node/cql/proto/response.h"
#include "node/cql/proto/segment.h"

#define FRAME_MAX ((size_t)1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A request that decodes encodes to something that decodes to the same bytes again. */
static void check_request(const struct cql_frame *frame, struct arena *a)
{
    struct cql_request request, back;
    struct errmsg msg;
    struct buf one, two;
    if (cql_request_read(frame, a, &request, &msg) != ERR_OK)
        return;
    buf_init(&one, BUF_MAX_DEFAULT);
    buf_init(&two, BUF_MAX_DEFAULT);
    struct cql_frame again = *frame;
    again.header.flags = cql_request_put(&one, frame->header.version, &request);
    again.body = buf_bytes(&one);
    ASSERT(cql_request_read(&again, a, &back, NULL) == ERR_OK);
    cql_request_put(&two, frame->header.version, &back);
    ASSERT(bytes_equal(buf_bytes(&one), buf_bytes(&two)));
    buf_close(&one);
    buf_close(&two);
}

static void check_response(const struct cql_frame *frame, struct arena *a)
{
    struct cql_response response, back;
    struct errmsg msg;
    struct buf one;
    if (cql_response_read(frame, a, &response, &msg) != ERR_OK)
        return;
    buf_init(&one, BUF_MAX_DEFAULT);
    struct cql_frame again = *frame;
    again.header.flags = cql_response_put(&one, frame->header.version, &response);
    again.body = buf_bytes(&one);
    if (buf_finish(&one) == ERR_OK)
        ASSERT(cql_response_read(&again, a, &back, NULL) == ERR_OK);
    buf_close(&one);
}

static void drain(struct cql_conn *c)
{
    struct cql_frame frame;
    struct arena a;
    arena_init(&a);
    while (cql_conn_next(c, &frame) == CQL_NEXT_FRAME) {
        ASSERT(frame.body.len <= FRAME_MAX && frame.header.length == frame.body.len);
        if (c->config.end == CQL_SERVER) {
            check_request(&frame, &a);
            if (c->state == CQL_CONN_ANSWERING)
                (void)!cql_conn_put(c, frame.header.stream, CQL_READY, 0, BYTES_NONE);
            else
                (void)!cql_conn_put(c, frame.header.stream, CQL_RESULT, 0, frame.body);
        } else {
            check_response(&frame, &a);
        }
        arena_reset(&a);
        cql_conn_sent(c, cql_conn_out(c).len);
    }
    arena_close(&a);
    ASSERT(c->in.len + c->part.len <= 2 * FRAME_MAX + CQL_CONN_FEED_MAX);
}

/* Bring the connection to OPEN by an honest handshake. */
static void open_conn(struct cql_conn *c, bool server, uint8_t version, enum cql_compression how)
{
    struct cql_pair option = {BYTES_LIT("COMPRESSION"), bytes_text(cql_compression_name(how))};
    struct cql_frame frame;
    struct buf body, wire;
    buf_init(&body, 1000);
    buf_init(&wire, 1000);
    cql_put_string_map(&body, (struct cql_map){&option, 1});
    struct cql_header h = {.version = version, .response = !server};
    if (server) {
        h.opcode = CQL_STARTUP;
        h.length = (uint32_t)body.len;
        cql_header_put(&wire, &h);
        buf_put_bytes(&wire, buf_bytes(&body));
    } else {
        ASSERT(cql_conn_put(c, 0, CQL_STARTUP, 0, buf_bytes(&body)) == ERR_OK);
        h.opcode = CQL_READY;
        cql_header_put(&wire, &h);
    }
    cql_conn_feed(c, buf_bytes(&wire));
    ASSERT(cql_conn_next(c, &frame) == CQL_NEXT_FRAME);
    if (server)
        ASSERT(cql_conn_put(c, 0, CQL_READY, 0, BYTES_NONE) == ERR_OK);
    ASSERT(c->state == CQL_CONN_OPEN);
    buf_close(&body);
    buf_close(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t choice = data[0];
    size_t piece = data[1] + 1;
    bool server = choice & 1;
    uint8_t version = choice & 2 ? 5 : 4;
    enum cql_compression how = (choice >> 2 & 3) % 3;
    if (version >= 5 && how == CQL_SNAPPY)
        how = CQL_LZ4;
    struct cql_conn c;
    cql_conn_init(&c, &(struct cql_conn_config){.end = server ? CQL_SERVER : CQL_CLIENT,
                                                .version = version,
                                                .frame_max = FRAME_MAX});
    if (choice & 0x10)
        open_conn(&c, server, version, how);
    struct buf wire;
    buf_init(&wire, SIZE_MAX / 2);
    for (size_t at = 2; at < size; at += piece) {
        struct bytes part = bytes_make(data + at, size - at < piece ? size - at : piece);
        buf_clear(&wire);
        if (choice & 0x80)
            cql_segment_put(&wire, part, choice & 0x40, how == CQL_LZ4);
        else
            buf_put_bytes(&wire, part);
        cql_conn_feed(&c, buf_bytes(&wire));
        drain(&c);
    }
    buf_close(&wire);
    cql_conn_close(&c);
    return 0;
}
