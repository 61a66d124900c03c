#include "unit/node_cql_proto/wire.h"

#include "base/mem.h"

static struct {
    struct arena arena;
    struct cql_conn client;
    struct cql_conn server;
} f;

void conn_setup(void);
void conn_teardown(void);

void conn_setup(void)
{
    arena_init(&f.arena);
}

void conn_teardown(void)
{
    wire_close(&f.client, &f.server);
    arena_close(&f.arena);
}

static void start(uint8_t version, size_t frame_max)
{
    wire_close(&f.client, &f.server);
    cql_conn_init(&f.client, &(struct cql_conn_config){
                                 .end = CQL_CLIENT, .version = version, .frame_max = frame_max});
    cql_conn_init(&f.server, &(struct cql_conn_config){.end = CQL_SERVER, .frame_max = frame_max});
}

/* Every way to speak: the versions with the compressions they have. */
static const struct way {
    uint8_t version;
    enum cql_compression compression;
} ways[] = {{4, CQL_PLAIN}, {4, CQL_LZ4}, {4, CQL_SNAPPY}, {5, CQL_PLAIN}, {5, CQL_LZ4}};

static void say(struct cql_conn *from, struct cql_conn *to, size_t piece, int16_t stream,
                struct bytes body)
{
    bool server = from->config.end == CQL_SERVER;
    struct cql_frame frame;
    enum cql_opcode opcode = server ? CQL_RESULT : CQL_QUERY;
    CU_ASSERT_EQUAL(cql_conn_put(from, stream, opcode, CQL_FLAG_TRACING, body), ERR_OK);
    CU_ASSERT_TRUE_FATAL(wire_move(from, to, piece, &frame));
    CU_ASSERT_EQUAL(frame.header.version, from->version);
    CU_ASSERT_EQUAL(frame.header.response, server);
    CU_ASSERT_EQUAL(frame.header.stream, stream);
    CU_ASSERT_EQUAL(frame.header.flags, CQL_FLAG_TRACING);
    CU_ASSERT_EQUAL(frame.header.opcode, opcode);
    CU_ASSERT_EQUAL(frame.header.length, body.len);
    CU_ASSERT_TRUE(bytes_equal(frame.body, body));
}

static void both_ends_in_every_way(void)
{
    static const size_t sizes[] = {0, 1, 511, 512, 10000, 131062, 131063, 500000};
    for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
        start(ways[w].version, 0);
        wire_open(&f.client, &f.server, ways[w].compression, SIZE_MAX);
        for (size_t i = 0; i < ARRAY_LEN(sizes) * 2; i++) {
            size_t n = sizes[i / 2];
            struct bytes body = i & 1 ? wire_noise(&f.arena, n, i) : wire_text(&f.arena, n);
            say(&f.client, &f.server, SIZE_MAX, (int16_t)i, body);
            say(&f.server, &f.client, 100000, (int16_t)i, body);
        }
    }
}

/* Wherever TCP cuts, the same frames come out: pieces of 1, 2, 3 … bytes. */
static void cut_at_every_byte(void)
{
    for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
        for (size_t piece = 1; piece < 40; piece++) {
            start(ways[w].version, 0);
            wire_open(&f.client, &f.server, ways[w].compression, piece);
            say(&f.client, &f.server, piece, 1, wire_text(&f.arena, 700));
            say(&f.server, &f.client, piece, 2, wire_text(&f.arena, 700));
            say(&f.client, &f.server, piece, 3, BYTES_NONE);
        }
    }
}

static void compression_makes_it_smaller(void)
{
    for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
        start(ways[w].version, 0);
        wire_open(&f.client, &f.server, ways[w].compression, SIZE_MAX);
        struct bytes body = wire_text(&f.arena, 50000);
        CU_ASSERT_EQUAL(cql_conn_put(&f.server, 1, CQL_RESULT, 0, body), ERR_OK);
        size_t len = cql_conn_out(&f.server).len;
        CU_ASSERT_TRUE(ways[w].compression == CQL_PLAIN ? len > 50000 : len < 10000);
    }
}

/* Small messages of a turn share one segment; all come out again, in order. */
static void segments_are_shared(void)
{
    struct cql_frame frame;
    start(5, 0);
    wire_open(&f.client, &f.server, CQL_PLAIN, SIZE_MAX);
    for (int16_t i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(cql_conn_put(&f.server, i, CQL_RESULT, 0, BYTES_LIT("abcd")), ERR_OK);
    struct bytes out = cql_conn_out(&f.server);
    CU_ASSERT_EQUAL(out.len, 6 + 100 * 13 + 4);
    cql_conn_feed(&f.client, out);
    for (int16_t i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL_FATAL(cql_conn_next(&f.client, &frame), CQL_NEXT_FRAME);
        CU_ASSERT_EQUAL(frame.header.stream, i);
    }
    CU_ASSERT_EQUAL(cql_conn_next(&f.client, &frame), CQL_NEXT_MORE);

    /* More than one segment holds, a large one in the middle. */
    static const size_t sizes[] = {100000, 40000, 400000, 3};
    cql_conn_sent(&f.server, out.len);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct bytes body = wire_noise(&f.arena, sizes[i], i);
        CU_ASSERT_EQUAL(cql_conn_put(&f.server, (int16_t)i, CQL_RESULT, 0, body), ERR_OK);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CU_ASSERT_TRUE_FATAL(wire_move(&f.server, &f.client, 50000, &frame));
        CU_ASSERT_EQUAL(frame.header.stream, (int16_t)i);
        CU_ASSERT_TRUE(bytes_equal(frame.body, wire_noise(&f.arena, sizes[i], i)));
    }
}

/* Pipelined requests of version 4 in one piece. */
static void many_frames_in_one_feed(void)
{
    struct cql_frame frame;
    start(4, 0);
    wire_open(&f.client, &f.server, CQL_PLAIN, SIZE_MAX);
    for (int16_t i = 0; i < 50; i++)
        CU_ASSERT_EQUAL(cql_conn_put(&f.client, i, CQL_QUERY, 0, BYTES_LIT("q")), ERR_OK);
    cql_conn_feed(&f.server, cql_conn_out(&f.client));
    for (int16_t i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL_FATAL(cql_conn_next(&f.server, &frame), CQL_NEXT_FRAME);
        CU_ASSERT_EQUAL(frame.header.stream, i);
    }
    CU_ASSERT_EQUAL(cql_conn_next(&f.server, &frame), CQL_NEXT_MORE);
}

/* The bytes of a handshake of version 5, as they are on the wire. */
static void handshake_on_the_wire(void)
{
    struct cql_frame frame;
    start(5, 0);
    struct bytes startup =
        wire_hex(&f.arena, "0500000101000000280002000b434f4d5052455353494f4e00036c7a34"
                           "000b43514c5f56455253494f4e0005332e342e37");
    CU_ASSERT_EQUAL(wire_feed(&f.server, startup, &frame), CQL_NEXT_FRAME);
    CU_ASSERT_EQUAL(f.server.state, CQL_CONN_ANSWERING);
    CU_ASSERT_EQUAL(cql_conn_next(&f.server, &frame), CQL_NEXT_MORE);
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, 1, CQL_READY, 0, BYTES_NONE), ERR_OK);
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, -1, CQL_EVENT, 0, BYTES_LIT("e")), ERR_OK);
    /* READY bare, all that follows in segments. */
    struct bytes out = cql_conn_out(&f.server);
    wire_expect(&f.arena, bytes_make(out.data, 9), "85 00 0001 02 00000000");
    wire_expect(&f.arena, bytes_make(out.data + 9, 5), "0a00000004");
    CU_ASSERT_EQUAL(out.len, 9 + 8 + 10 + 4);
    wire_expect(&f.arena, bytes_make(out.data + 17, 10), "85 00 ffff 0c 00000001 65");
}

/* What a driver sends while its STARTUP waits is read once it is answered, and not before: only
 * then is it known whether it is a segment. */
static void nothing_comes_out_before_the_answer(void)
{
    struct cql_frame frame;
    start(4, 0);
    cql_conn_feed(&f.server, wire_hex(&f.arena, "04 00 0001 01 00000002 0000"));
    cql_conn_feed(&f.server, wire_hex(&f.arena, "04 00 0002 0f 00000004 ffffffff"));
    CU_ASSERT_EQUAL(cql_conn_next(&f.server, &frame), CQL_NEXT_FRAME);
    CU_ASSERT_EQUAL(cql_conn_next(&f.server, &frame), CQL_NEXT_MORE);
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, 1, CQL_AUTHENTICATE, 0, BYTES_NONE), ERR_OK);
    CU_ASSERT_EQUAL(cql_conn_next(&f.server, &frame), CQL_NEXT_FRAME);
    CU_ASSERT_EQUAL(frame.header.opcode, CQL_AUTH_RESPONSE);
}

/* Until it has logged in a client may do nothing but that; what fails may be tried again. */
static void only_auth_response_before_the_login(void)
{
    struct cql_frame frame;
    start(4, 0);
    CU_ASSERT_EQUAL(wire_feed(&f.server, wire_hex(&f.arena, "04 00 0001 01 00000002 0000"), &frame),
                    CQL_NEXT_FRAME);
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, 1, CQL_AUTHENTICATE, 0, BYTES_NONE), ERR_OK);
    cql_conn_sent(&f.server, cql_conn_out(&f.server).len);
    CU_ASSERT_EQUAL(wire_feed(&f.server, wire_hex(&f.arena, "04 00 0002 07 00000001 71"), &frame),
                    CQL_NEXT_MORE); /* a QUERY */
    CU_ASSERT_TRUE(cql_conn_out(&f.server).len > 0);
    CU_ASSERT_STRING_EQUAL(f.server.why.text, "Unexpected message QUERY, expecting SASL_RESPONSE");
    for (int round = 0; round < 2; round++) {
        CU_ASSERT_EQUAL(
            wire_feed(&f.server, wire_hex(&f.arena, "04 00 0003 0f 00000004 ffffffff"), &frame),
            CQL_NEXT_FRAME);
        enum cql_opcode answer = round == 0 ? CQL_ERROR : CQL_AUTH_SUCCESS;
        CU_ASSERT_EQUAL(cql_conn_put(&f.server, 3, answer, 0, BYTES_NONE), ERR_OK);
    }
    CU_ASSERT_TRUE(f.server.trusted);
    CU_ASSERT_EQUAL(wire_feed(&f.server, wire_hex(&f.arena, "04 00 0004 07 00000001 71"), &frame),
                    CQL_NEXT_FRAME);
}

/* A STARTUP that the server refuses may be tried again. */
static void startup_after_a_refused_one(void)
{
    struct cql_frame frame;
    start(5, 0);
    struct bytes startup = wire_hex(&f.arena, "0000");
    for (int round = 0; round < 2; round++) {
        CU_ASSERT_EQUAL(cql_conn_put(&f.client, 1, CQL_STARTUP, 0, startup), ERR_OK);
        CU_ASSERT_EQUAL(cql_conn_put(&f.client, 2, CQL_OPTIONS, 0, BYTES_NONE), ERR_INVALID);
        CU_ASSERT_TRUE_FATAL(wire_move(&f.client, &f.server, SIZE_MAX, &frame));
        enum cql_opcode answer = round == 0 ? CQL_ERROR : CQL_READY;
        CU_ASSERT_EQUAL(cql_conn_put(&f.server, 1, answer, 0, BYTES_NONE), ERR_OK);
        CU_ASSERT_TRUE_FATAL(wire_move(&f.server, &f.client, SIZE_MAX, &frame));
        CU_ASSERT_EQUAL(frame.header.opcode, answer);
    }
    say(&f.client, &f.server, SIZE_MAX, 1, BYTES_LIT("q"));
}

static void what_may_wait_is_bounded(void)
{
    wire_close(&f.client, &f.server);
    cql_conn_init(&f.server,
                  &(struct cql_conn_config){.end = CQL_SERVER, .frame_max = 1000, .out_max = 2000});
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, 1, CQL_RESULT, 0, wire_text(&f.arena, 1001)),
                    ERR_TOO_BIG);
    CU_ASSERT_EQUAL(cql_conn_out(&f.server).len, 0);
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, 1, CQL_RESULT, 0, wire_text(&f.arena, 1000)), ERR_OK);
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, 2, CQL_RESULT, 0, wire_text(&f.arena, 1000)),
                    ERR_TOO_BIG);
    CU_ASSERT_EQUAL(cql_conn_out(&f.server).len, 1009);
    cql_conn_sent(&f.server, 1009);
    CU_ASSERT_EQUAL(cql_conn_put(&f.server, 2, CQL_RESULT, 0, wire_text(&f.arena, 1000)), ERR_OK);
}

/* After megabytes an idle connection holds kilobytes. */
static void idle_connections_are_small(void)
{
    struct cql_frame frame;
    for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
        start(ways[w].version, 0);
        wire_open(&f.client, &f.server, ways[w].compression, SIZE_MAX);
        struct bytes body = wire_text(&f.arena, 900000);
        say(&f.client, &f.server, SIZE_MAX, 1, body);
        CU_ASSERT_EQUAL(cql_conn_next(&f.server, &frame), CQL_NEXT_MORE);
        say(&f.server, &f.client, SIZE_MAX, 1, body);
        say(&f.client, &f.server, SIZE_MAX, 1, BYTES_LIT("q"));
        const struct cql_conn *c = &f.server;
        CU_ASSERT_TRUE(c->in.cap + c->part.cap + c->body.cap + c->out.cap + c->pack.cap <= 5 << 16);
    }
}

CU_TestInfo conn_tests[] = {
    {"both ends in every way", both_ends_in_every_way},
    {"cut at every byte", cut_at_every_byte},
    {"compression makes it smaller", compression_makes_it_smaller},
    {"segments are shared", segments_are_shared},
    {"many frames in one feed", many_frames_in_one_feed},
    {"only AUTH_RESPONSE before the login", only_auth_response_before_the_login},
    {"a handshake on the wire", handshake_on_the_wire},
    {"nothing comes out before the answer", nothing_comes_out_before_the_answer},
    {"STARTUP after a refused one", startup_after_a_refused_one},
    {"what may wait is bounded", what_may_wait_is_bounded},
    {"idle connections are small", idle_connections_are_small},
    CU_TEST_INFO_NULL,
};
