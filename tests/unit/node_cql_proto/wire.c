#include "unit/node_cql_proto/wire.h"

#include "base/mem.h"
#include "base/rng.h"

#include <stdio.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct bytes wire_hex(struct arena *a, const char *hex)
{
    struct bytes text = bytes_text(hex);
    uint8_t *out = arena_alloc(a, text.len / 2 + 1);
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int d = hex_digit(hex[i]);
        if (d < 0)
            continue;
        out[digits / 2] = (uint8_t)(digits % 2 == 0 ? d << 4 : out[digits / 2] | d);
        digits++;
    }
    ASSERT(digits % 2 == 0);
    return bytes_make(out, digits / 2);
}

void wire_expect(struct arena *a, struct bytes actual, const char *hex)
{
    bool same = bytes_equal(actual, wire_hex(a, hex));
    CU_ASSERT_TRUE(same);
    if (same)
        return;
    printf("\n  expected %s\n  actual   ", hex);
    for (size_t i = 0; i < actual.len; i++)
        printf("%02x", actual.data[i]);
    printf("\n");
}

struct bytes wire_text(struct arena *a, size_t n)
{
    static const char words[] = "the ring has many strands ";
    uint8_t *out = arena_alloc(a, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)words[(i + i / 1000) % (sizeof words - 1)];
    return bytes_make(out, n);
}

struct bytes wire_noise(struct arena *a, size_t n, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    uint8_t *out = arena_alloc(a, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)rng_next(&rng);
    return bytes_make(out, n);
}

enum cql_next wire_feed(struct cql_conn *c, struct bytes bytes, struct cql_frame *ret_frame)
{
    cql_conn_feed(c, bytes);
    return cql_conn_next(c, ret_frame);
}

bool wire_move(struct cql_conn *from, struct cql_conn *to, size_t piece,
               struct cql_frame *ret_frame)
{
    enum cql_next next = cql_conn_next(to, ret_frame);
    while (next == CQL_NEXT_MORE) {
        struct bytes out = cql_conn_out(from);
        if (out.len == 0)
            return false;
        size_t n = out.len < piece ? out.len : piece;
        next = wire_feed(to, bytes_make(out.data, n), ret_frame);
        cql_conn_sent(from, n);
    }
    return next == CQL_NEXT_FRAME;
}

void wire_open(struct cql_conn *client, struct cql_conn *server, enum cql_compression compression,
               size_t piece)
{
    struct cql_frame frame;
    struct buf body;
    buf_init(&body, 4096);
    CU_ASSERT_EQUAL(cql_conn_put(client, 0, CQL_OPTIONS, 0, BYTES_NONE), ERR_OK);
    CU_ASSERT_TRUE_FATAL(wire_move(client, server, piece, &frame));
    CU_ASSERT_EQUAL(frame.header.opcode, CQL_OPTIONS);
    cql_supported_put(&body, &(struct cql_supported){0});
    CU_ASSERT_EQUAL(cql_conn_put(server, 0, CQL_SUPPORTED, 0, buf_bytes(&body)), ERR_OK);
    CU_ASSERT_TRUE_FATAL(wire_move(server, client, piece, &frame));
    CU_ASSERT_EQUAL(frame.header.opcode, CQL_SUPPORTED);

    struct cql_pair options[] = {
        {BYTES_LIT("CQL_VERSION"), BYTES_LIT("3.0.0")},
        {BYTES_LIT("COMPRESSION"), bytes_text(cql_compression_name(compression))},
    };
    buf_clear(&body);
    cql_put_string_map(&body, (struct cql_map){options, compression == CQL_PLAIN ? 1 : 2});
    CU_ASSERT_EQUAL(cql_conn_put(client, 1, CQL_STARTUP, 0, buf_bytes(&body)), ERR_OK);
    CU_ASSERT_TRUE_FATAL(wire_move(client, server, piece, &frame));
    CU_ASSERT_EQUAL(frame.header.opcode, CQL_STARTUP);
    CU_ASSERT_EQUAL(cql_conn_put(server, 1, CQL_READY, 0, BYTES_NONE), ERR_OK);
    CU_ASSERT_TRUE_FATAL(wire_move(server, client, piece, &frame));
    CU_ASSERT_EQUAL(frame.header.opcode, CQL_READY);
    CU_ASSERT_EQUAL(client->state, CQL_CONN_OPEN);
    CU_ASSERT_EQUAL(server->state, CQL_CONN_OPEN);
    buf_close(&body);
}

void wire_close(struct cql_conn *client, struct cql_conn *server)
{
    cql_conn_close(client);
    cql_conn_close(server);
}
