#include "base/mem.h"
#include "base/rng.h"
#include "unit/node_cql_proto/wire.h"

#include <stdio.h>
#include <string.h>

/* Laws that hold for any bytes and any messages; a failing seed is printed. */

static struct {
    struct arena arena;
    struct cql_conn client;
    struct cql_conn server;
    struct rng rng;
} f;

void random_setup(void);
void random_teardown(void);

void random_setup(void)
{
    arena_init(&f.arena);
}

void random_teardown(void)
{
    wire_close(&f.client, &f.server);
    arena_close(&f.arena);
}

static void start(uint8_t version)
{
    wire_close(&f.client, &f.server);
    cql_conn_init(&f.client, &(struct cql_conn_config){
                                 .end = CQL_CLIENT, .version = version, .frame_max = 1 << 20});
    cql_conn_init(&f.server, &(struct cql_conn_config){.end = CQL_SERVER, .frame_max = 1 << 20});
}

/* Take all that comes out and decode it; the bound of memory holds. */
static void drain(struct cql_conn *c)
{
    struct cql_frame frame;
    while (cql_conn_next(c, &frame) == CQL_NEXT_FRAME) {
        struct cql_request request;
        struct cql_response response;
        struct errmsg msg;
        arena_reset(&f.arena);
        CU_ASSERT_TRUE(frame.body.len <= c->config.frame_max);
        if (c->config.end == CQL_SERVER)
            (void)!cql_request_read(&frame, &f.arena, &request, &msg);
        else
            (void)!cql_response_read(&frame, &f.arena, &response, &msg);
        CU_ASSERT_TRUE(arena_used(&f.arena) <= 32 * frame.body.len + 1024);
        if (c->state == CQL_CONN_ANSWERING && c->config.end == CQL_SERVER)
            CU_ASSERT_EQUAL(cql_conn_put(c, frame.header.stream, CQL_READY, 0, BYTES_NONE), ERR_OK);
    }
    CU_ASSERT_TRUE(c->in.len + c->part.len + c->body.len <=
                   2 * c->config.frame_max + CQL_CONN_FEED_MAX);
}

/* Good conversations with bytes flipped, dropped and doubled on the way. */
static void damaged_streams(void)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        unsigned before = CU_get_number_of_failures();
        rng_init(&f.rng, seed);
        uint8_t version = (uint8_t)rng_between(&f.rng, 4, 5);
        start(version);
        wire_open(&f.client, &f.server, rng_below(&f.rng, 2) ? CQL_LZ4 : CQL_PLAIN, SIZE_MAX);
        struct cql_conn *from = rng_below(&f.rng, 2) ? &f.client : &f.server;
        struct cql_conn *to = from == &f.client ? &f.server : &f.client;
        bool client = from == &f.client;
        static const enum cql_opcode requests[] = {CQL_QUERY, CQL_BATCH, CQL_EXECUTE, CQL_REGISTER};
        static const enum cql_opcode responses[] = {CQL_RESULT, CQL_ERROR, CQL_EVENT,
                                                    CQL_SUPPORTED};
        for (int i = 0; i < 8; i++) {
            enum cql_opcode opcode = (client ? requests : responses)[rng_below(&f.rng, 4)];
            struct bytes body = wire_noise(&f.arena, rng_below(&f.rng, 900), seed);
            CU_ASSERT_EQUAL(cql_conn_put(from, (int16_t)i, opcode, 0, body), ERR_OK);
        }
        struct bytes out = cql_conn_out(from);
        uint8_t *wire = mem_copy(out.data, out.len);
        for (uint64_t i = rng_below(&f.rng, 4); i > 0; i--)
            wire[rng_below(&f.rng, out.len)] ^= (uint8_t)(1 << rng_below(&f.rng, 8));
        for (size_t at = 0; at < out.len;) {
            size_t n = rng_below(&f.rng, 300) + 1;
            n = n < out.len - at ? n : out.len - at;
            if (!rng_chance(&f.rng, 10000))
                cql_conn_feed(to, bytes_make(wire + at, n));
            at += rng_chance(&f.rng, 10000) ? n / 2 + 1 : n;
            drain(to);
        }
        mem_free(wire);
        if (CU_get_number_of_failures() > before)
            printf("\n  seed %llu\n", (unsigned long long)seed);
    }
}

/* Headers that are right and bodies that are noise, or long runs of small numbers: these get
 * further into the decoders than pure noise. */
static void plausible_bodies(void)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        rng_init(&f.rng, seed);
        size_t n = rng_below(&f.rng, 200);
        uint8_t *body = mem_alloc(n + 1);
        for (size_t i = 0; i < n; i++)
            body[i] =
                (uint8_t)(rng_chance(&f.rng, 700000) ? rng_below(&f.rng, 3) : rng_next(&f.rng));
        struct cql_frame frame = {{.version = (uint8_t)rng_between(&f.rng, 4, 5),
                                   .flags = (uint8_t)(rng_next(&f.rng) & 0x0e),
                                   .opcode = (uint8_t)rng_below(&f.rng, 0x11)},
                                  bytes_make(body, n)};
        struct cql_request request;
        struct cql_response response;
        arena_reset(&f.arena);
        if (cql_request_read(&frame, &f.arena, &request, NULL) == ERR_OK)
            CU_ASSERT_EQUAL(request.opcode, frame.header.opcode);
        if (cql_response_read(&frame, &f.arena, &response, NULL) == ERR_OK)
            CU_ASSERT_EQUAL(response.opcode, frame.header.opcode);
        CU_ASSERT_TRUE(arena_used(&f.arena) <= 64 * n + 1024);
        mem_free(body);
    }
}

static struct bytes some_text(size_t max)
{
    return wire_noise(&f.arena, rng_below(&f.rng, max + 1), rng_next(&f.rng));
}

static struct cql_values some_values(bool named)
{
    size_t n = rng_below(&f.rng, 5);
    struct cql_value *items = arena_array(&f.arena, struct cql_value, n);
    struct bytes *names = arena_array(&f.arena, struct bytes, n);
    for (size_t i = 0; i < n; i++) {
        items[i].kind = (enum cql_value_kind)rng_below(&f.rng, 3);
        if (items[i].kind == CQL_VALUE_SET)
            items[i].data = some_text(300);
        names[i] = some_text(10);
    }
    return (struct cql_values){items, named && n > 0 ? names : NULL, n};
}

static struct cql_params some_params(uint8_t version, bool batch)
{
    struct cql_params p = {
        .consistency = (enum cql_consistency)rng_below(&f.rng, CQL_CL_COUNT),
        .flags = (uint32_t)rng_below(&f.rng, version < 5 ? 0x40 : 0x200) & ~0x40u,
        .values = some_values(rng_below(&f.rng, 2)),
        .page_size = (int32_t)rng_next(&f.rng),
        .paging_state = some_text(40),
        .serial_consistency = CQL_CL_LOCAL_SERIAL,
        .timestamp = (int64_t)(rng_next(&f.rng) >> 1),
        .keyspace = some_text(10),
        .now_in_seconds = (int32_t)rng_next(&f.rng),
    };
    if (batch)
        p.flags &= CQL_BATCH_PARAMS;
    return p;
}

static struct cql_request some_request(uint8_t version)
{
    struct cql_request r = {.tracing = rng_below(&f.rng, 2)};
    struct cql_batch_item *items;
    switch (rng_below(&f.rng, 4)) {
    case 0:
        r.opcode = CQL_QUERY;
        r.query.text = some_text(2000);
        r.query.params = some_params(version, false);
        break;
    case 1:
        r.opcode = CQL_EXECUTE;
        r.execute.id = some_text(16);
        r.execute.result_metadata_id = some_text(16);
        r.execute.params = some_params(version, false);
        break;
    case 2:
        r.opcode = CQL_PREPARE;
        r.prepare.text = some_text(2000);
        r.prepare.has_keyspace = version >= 5 && rng_below(&f.rng, 2);
        r.prepare.keyspace = some_text(10);
        break;
    default:
        r.opcode = CQL_BATCH;
        r.batch.count = rng_below(&f.rng, 5);
        r.batch.type = (enum cql_batch_type)rng_below(&f.rng, 3);
        r.batch.params = some_params(version, true);
        r.batch.items = items = arena_array(&f.arena, struct cql_batch_item, r.batch.count);
        for (size_t i = 0; i < r.batch.count; i++) {
            items[i].prepared = rng_below(&f.rng, 2);
            items[i].statement = some_text(60);
            items[i].values = some_values(false);
        }
    }
    return r;
}

/* Encoding is a function of the meaning: encode, send, decode and encode again gives the same
 * bytes, whichever way they travelled. */
static void requests_survive_the_way(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        unsigned before = CU_get_number_of_failures();
        rng_init(&f.rng, seed);
        uint8_t version = (uint8_t)rng_between(&f.rng, 4, 5);
        struct buf sent, again;
        buf_init(&sent, 1 << 20);
        buf_init(&again, 1 << 20);
        start(version);
        wire_open(&f.client, &f.server, rng_below(&f.rng, 2) ? CQL_LZ4 : CQL_PLAIN, SIZE_MAX);
        for (int i = 0; i < 20; i++) {
            struct cql_frame frame;
            struct cql_request back;
            arena_reset(&f.arena);
            struct cql_request request = some_request(version);
            buf_clear(&sent);
            buf_clear(&again);
            uint8_t flags = cql_request_put(&sent, version, &request);
            CU_ASSERT_EQUAL(buf_finish(&sent), ERR_OK);
            CU_ASSERT_EQUAL(cql_conn_put(&f.client, 1, request.opcode, flags, buf_bytes(&sent)),
                            ERR_OK);
            size_t piece = rng_below(&f.rng, 500) + 1;
            if (!wire_move(&f.client, &f.server, piece, &frame) ||
                cql_request_read(&frame, &f.arena, &back, NULL) != ERR_OK) {
                CU_FAIL("a request was lost");
                break;
            }
            CU_ASSERT_EQUAL(cql_request_put(&again, version, &back), flags);
            CU_ASSERT_TRUE(bytes_equal(buf_bytes(&sent), buf_bytes(&again)));
        }
        buf_close(&sent);
        buf_close(&again);
        if (CU_get_number_of_failures() > before)
            printf("\n  seed %llu\n", (unsigned long long)seed);
    }
}

CU_TestInfo random_tests[] = {
    {"damaged streams", damaged_streams},
    {"plausible bodies", plausible_bodies},
    {"requests survive the way", requests_survive_the_way},
    CU_TEST_INFO_NULL,
};
