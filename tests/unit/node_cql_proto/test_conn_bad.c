#include "unit/node_cql_proto/wire.h"

#include "node/cql/proto/segment.h"

#include <string.h>

static struct {
    struct arena arena;
    struct cql_conn client;
    struct cql_conn server;
    struct buf buf;
} f;

static void start(uint8_t version)
{
    wire_close(&f.client, &f.server);
    cql_conn_init(&f.client, &(struct cql_conn_config){.end = CQL_CLIENT, .version = version});
    cql_conn_init(&f.server, &(struct cql_conn_config){.end = CQL_SERVER, .frame_max = 200000});
}

void conn_bad_setup(void);
void conn_bad_teardown(void);

void conn_bad_setup(void)
{
    arena_init(&f.arena);
    buf_init(&f.buf, 1 << 20);
    start(4);
}

void conn_bad_teardown(void)
{
    wire_close(&f.client, &f.server);
    buf_close(&f.buf);
    arena_close(&f.arena);
}

/* The server's first answer, decoded from its bare bytes and taken off. */
static struct cql_error answer(struct cql_header *ret_header)
{
    struct cql_error error = {.code = CQL_ERROR_SERVER};
    struct bytes out = cql_conn_out(&f.server);
    CU_ASSERT_TRUE_FATAL(out.len >= CQL_HEADER_SIZE);
    *ret_header = cql_header_read(out.data);
    CU_ASSERT_EQUAL(ret_header->opcode, CQL_ERROR);
    CU_ASSERT_TRUE_FATAL(ret_header->length <= out.len - CQL_HEADER_SIZE);
    struct bytes body =
        arena_copy(&f.arena, bytes_make(out.data + CQL_HEADER_SIZE, ret_header->length));
    CU_ASSERT_EQUAL(cql_error_read(body, ret_header->version, &f.arena, &error), ERR_OK);
    cql_conn_sent(&f.server, CQL_HEADER_SIZE + ret_header->length);
    return error;
}

/* Drivers try 66, 65, 6 and 3; each must read why not, under a version it knows, on stream 0. */
static void versions_not_served(void)
{
    static const uint8_t versions[] = {66, 65, 6, 3, 1, 0, 127};
    struct cql_frame frame;
    struct cql_header h;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        start(4);
        uint8_t options[9] = {versions[i], 0, 0, 7, CQL_OPTIONS};
        CU_ASSERT_EQUAL(wire_feed(&f.server, bytes_make(options, 9), &frame), CQL_NEXT_CLOSED);
        struct cql_error e = answer(&h);
        CU_ASSERT_TRUE(h.version == 4 && h.response && h.stream == 0);
        CU_ASSERT_EQUAL(e.code, CQL_ERROR_PROTOCOL);
        char *text = arena_text(&f.arena, e.message);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "Invalid or unsupported protocol version ("));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "supported versions are (4/v4, 5/v5)"));
        CU_ASSERT_EQUAL(cql_conn_put(&f.server, 0, CQL_READY, 0, BYTES_NONE), ERR_CLOSED);
    }
}

/* Our own client sees such an answer, though it is of another version than it speaks. */
static void client_learns_of_another_version(void)
{
    struct cql_frame frame;
    start(6);
    CU_ASSERT_EQUAL(cql_conn_put(&f.client, 9, CQL_OPTIONS, 0, BYTES_NONE), ERR_OK);
    CU_ASSERT_FALSE(wire_move(&f.client, &f.server, SIZE_MAX, &frame));
    CU_ASSERT_TRUE_FATAL(wire_move(&f.server, &f.client, SIZE_MAX, &frame));
    CU_ASSERT_TRUE(frame.header.opcode == CQL_ERROR && frame.header.version == 4);
    CU_ASSERT_NOT_EQUAL(f.client.state, CQL_CONN_CLOSED);
}

/* What breaks the framing ends the connection, with a reason. */
static void framing_errors_close(void)
{
    static const char *const rows[] = {
        "84 00 0001 05 00000000",                        /* a response to a server */
        "04 00 0001 05 00000000 05 00 0001 05 00000000", /* another version later on */
        "04 00 0001 05 10000001",                        /* longer than the protocol allows */
        "04 00 0001 05 ffffffff",
    };
    struct cql_frame frame;
    struct cql_header h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        start(4);
        enum cql_next next = wire_feed(&f.server, wire_hex(&f.arena, rows[i]), &frame);
        if (next == CQL_NEXT_FRAME)
            next = cql_conn_next(&f.server, &frame);
        CU_ASSERT_EQUAL(next, CQL_NEXT_CLOSED);
        CU_ASSERT_EQUAL(answer(&h).code, CQL_ERROR_PROTOCOL);
        CU_ASSERT_EQUAL(h.stream, 1);
        CU_ASSERT_NOT_EQUAL(f.server.why.text[0], 0);
        CU_ASSERT_EQUAL(wire_feed(&f.server, BYTES_LIT("more"), &frame), CQL_NEXT_CLOSED);
    }
}

/* What is merely wrong is refused on its stream, and the connection goes on. */
static void wrong_messages_are_refused(void)
{
    static const char *const rows[] = {
        "04 00 0003 07 00000002 abcd", /* QUERY before STARTUP */
        "04 00 0003 04 00000001 ff",   /* there is no opcode 4 */
        "04 00 0003 08 00000001 ff",   /* RESULT is no request */
        "04 00 0003 01 00000001 ff",   /* malformed STARTUP */
        "04 00 0003 01 00000013 0001 000b 434f4d5052455353494f4e 0002 7a7a", /* COMPRESSION zz */
        "04 01 0003 01 00000002 0000", /* compressed STARTUP */
        "05 00 0003 01 00000017 0001 000b 434f4d5052455353494f4e 0006 736e61707079",
    };
    struct cql_frame frame;
    struct cql_header h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bytes bad = wire_hex(&f.arena, rows[i]);
        start(4);
        CU_ASSERT_EQUAL(wire_feed(&f.server, bad, &frame), CQL_NEXT_MORE);
        CU_ASSERT_EQUAL(answer(&h).code, CQL_ERROR_PROTOCOL);
        CU_ASSERT_EQUAL(h.stream, 3);
        CU_ASSERT_EQUAL(f.server.state, CQL_CONN_OPENING);
        uint8_t options[9] = {bad.data[0], 0, 0, 7, CQL_OPTIONS};
        CU_ASSERT_EQUAL(wire_feed(&f.server, bytes_make(options, 9), &frame), CQL_NEXT_FRAME);
    }
}

static void second_startup_is_refused(void)
{
    struct cql_frame frame;
    struct cql_header h;
    wire_open(&f.client, &f.server, CQL_PLAIN, SIZE_MAX);
    struct bytes again = wire_hex(&f.arena, "04 00 0005 01 00000002 0000");
    CU_ASSERT_EQUAL(wire_feed(&f.server, again, &frame), CQL_NEXT_MORE);
    CU_ASSERT_EQUAL(answer(&h).code, CQL_ERROR_PROTOCOL);
    CU_ASSERT_EQUAL(f.server.state, CQL_CONN_OPEN);
}

/* A request above the bound is refused and skipped, however it is cut; what follows is served. */
static void oversize_is_skipped(void)
{
    struct cql_frame frame;
    for (uint8_t version = 4; version <= 5; version++) {
        for (size_t piece = 60000; piece < 70000; piece += 997) {
            start(version);
            wire_open(&f.client, &f.server, CQL_PLAIN, SIZE_MAX);
            struct bytes big = wire_noise(&f.arena, 200001, 1);
            CU_ASSERT_EQUAL(cql_conn_put(&f.client, 7, CQL_QUERY, 0, big), ERR_OK);
            CU_ASSERT_EQUAL(cql_conn_put(&f.client, 8, CQL_QUERY, 0, BYTES_LIT("q")), ERR_OK);
            CU_ASSERT_TRUE_FATAL(wire_move(&f.client, &f.server, piece, &frame));
            CU_ASSERT_EQUAL(frame.header.stream, 8);
            CU_ASSERT_TRUE(f.server.in.cap <= 1 << 18 && f.server.part.cap <= 1 << 18);
            CU_ASSERT_TRUE_FATAL(wire_move(&f.server, &f.client, SIZE_MAX, &frame));
            CU_ASSERT_TRUE(frame.header.stream == 7 && frame.header.opcode == CQL_ERROR);
            struct cql_error e;
            CU_ASSERT_EQUAL(cql_error_read(frame.body, version, &f.arena, &e), ERR_OK);
            CU_ASSERT_EQUAL(e.code, CQL_ERROR_INVALID);
        }
    }
}

/* Who has not said who it is gets less room. */
static void strangers_send_little(void)
{
    struct cql_frame frame;
    struct cql_header h;
    cql_conn_close(&f.server);
    cql_conn_init(&f.server, &(struct cql_conn_config){.end = CQL_SERVER});
    struct bytes big = wire_hex(&f.arena, "04 00 0005 01 00020001");
    CU_ASSERT_EQUAL(wire_feed(&f.server, big, &frame), CQL_NEXT_MORE);
    CU_ASSERT_EQUAL(answer(&h).code, CQL_ERROR_INVALID);
}

static void compressed_frames_that_lie(void)
{
    static const struct {
        const char *hex;
        enum cql_error_code code;
    } rows[] = {
        {"04 01 0003 07 00000005 00030d41 00", CQL_ERROR_INVALID},  /* 200001 bytes once plain */
        {"04 01 0003 07 00000005 00000010 00", CQL_ERROR_PROTOCOL}, /* cut short */
        {"04 01 0003 07 00000002 0000", CQL_ERROR_PROTOCOL},
    };
    struct cql_frame frame;
    struct cql_header h;
    wire_open(&f.client, &f.server, CQL_LZ4, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bytes hex = wire_hex(&f.arena, rows[i].hex);
        CU_ASSERT_EQUAL(wire_feed(&f.server, hex, &frame), CQL_NEXT_MORE);
        CU_ASSERT_EQUAL(answer(&h).code, rows[i].code);
        CU_ASSERT_EQUAL(h.stream, 3);
    }
    /* An empty body may carry the flag. */
    struct bytes empty = wire_hex(&f.arena, "04 01 0003 05 00000000");
    CU_ASSERT_EQUAL(wire_feed(&f.server, empty, &frame), CQL_NEXT_FRAME);
}

static void put_envelope(struct buf *b, int16_t stream, uint32_t length, size_t body)
{
    struct cql_header h = {.version = 5, .stream = stream, .opcode = CQL_OPTIONS, .length = length};
    cql_header_put(b, &h);
    buf_put_bytes(b, wire_text(&f.arena, body));
}

/* Segments that are whole but do not hold what they should. */
static void segments_that_break_the_rules(void)
{
    struct cql_frame frame;
    for (int row = 0; row < 5; row++) {
        struct buf payload;
        buf_init(&payload, 1 << 20);
        start(5);
        wire_open(&f.client, &f.server, CQL_PLAIN, SIZE_MAX);
        buf_clear(&f.buf);
        put_envelope(&payload, 1, 20, row == 1 ? 21 : 19);
        switch (row) {
        case 0: /* a self contained segment that is not */
            cql_segment_put(&f.buf, buf_bytes(&payload), true, false);
            break;
        case 1: /* a piece with more than its envelope */
            cql_segment_put(&f.buf, buf_bytes(&payload), false, false);
            break;
        case 2: /* a whole one between pieces */
            cql_segment_put(&f.buf, buf_bytes(&payload), false, false);
            cql_segment_put(&f.buf, buf_bytes(&payload), true, false);
            break;
        case 3: /* a damaged one */
            cql_segment_put(&f.buf, buf_bytes(&payload), true, false);
            f.buf.data[10] ^= 1;
            break;
        case 4: /* a header in halves */
            cql_segment_put(&f.buf, bytes_make(payload.data, 5), true, false);
            break;
        }
        enum cql_next next = wire_feed(&f.server, buf_bytes(&f.buf), &frame);
        CU_ASSERT_EQUAL(next, CQL_NEXT_CLOSED);
        CU_ASSERT_TRUE_FATAL(wire_move(&f.server, &f.client, SIZE_MAX, &frame));
        CU_ASSERT_EQUAL(frame.header.opcode, CQL_ERROR);
        buf_close(&payload);
    }
}

/* Bytes that come while STARTUP waits for its answer are kept within a bound. */
static void impatient_clients_are_cut_off(void)
{
    struct cql_frame frame;
    cql_conn_feed(&f.server, wire_hex(&f.arena, "04 00 0001 01 00000002 0000"));
    CU_ASSERT_EQUAL(cql_conn_next(&f.server, &frame), CQL_NEXT_FRAME);
    struct bytes noise = wire_noise(&f.arena, 1 << 19, 1);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_NOT_EQUAL(wire_feed(&f.server, noise, &frame), CQL_NEXT_FRAME);
    CU_ASSERT_EQUAL(f.server.state, CQL_CONN_CLOSED);
}

/* Who sends nonsense and never reads is closed, not remembered without bound. */
static void refusals_are_bounded(void)
{
    struct cql_frame frame;
    struct bytes bad = wire_hex(&f.arena, "04 00 0003 07 00000000");
    for (int i = 0; i < 100000 && f.server.state != CQL_CONN_CLOSED; i++)
        (void)wire_feed(&f.server, bad, &frame);
    CU_ASSERT_EQUAL(f.server.state, CQL_CONN_CLOSED);
    CU_ASSERT_TRUE(cql_conn_out(&f.server).len <= 4 * 200000);
}

CU_TestInfo conn_bad_tests[] = {
    {"versions that are not served", versions_not_served},
    {"a client learns of another version", client_learns_of_another_version},
    {"framing errors close", framing_errors_close},
    {"wrong messages are refused", wrong_messages_are_refused},
    {"a second STARTUP is refused", second_startup_is_refused},
    {"oversize is skipped", oversize_is_skipped},
    {"strangers send little", strangers_send_little},
    {"compressed frames that lie", compressed_frames_that_lie},
    {"segments that break the rules", segments_that_break_the_rules},
    {"impatient clients are cut off", impatient_clients_are_cut_off},
    {"refusals are bounded", refusals_are_bounded},
    CU_TEST_INFO_NULL,
};
