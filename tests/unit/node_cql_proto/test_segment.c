#include "base/mem.h"
#include "node/cql/proto/segment.h"
#include "unit/node_cql_proto/wire.h"

/* The golden bytes were written by the Python driver 3.30.1, which shares no code with us. */
static const char strands[] = "the ring the ring the ring ";

static struct {
    struct arena arena;
    struct buf buf;
    struct buf plain;
} f;

void segment_setup(void);
void segment_teardown(void);

void segment_setup(void)
{
    arena_init(&f.arena);
    buf_init(&f.buf, 1 << 20);
    buf_init(&f.plain, 1 << 20);
}

void segment_teardown(void)
{
    buf_close(&f.plain);
    buf_close(&f.buf);
    arena_close(&f.arena);
}

/* "the ring " 75 times. */
static struct bytes golden_text(void)
{
    struct buf b;
    buf_init(&b, 4096);
    while (b.len < 675)
        buf_put(&b, strands, 27);
    struct bytes copy = arena_copy(&f.arena, buf_bytes(&b));
    buf_close(&b);
    return copy;
}

static struct bytes counting(size_t n)
{
    uint8_t *out = arena_alloc(&f.arena, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(i % 251);
    return bytes_make(out, n);
}

static void plain_segments_are_the_drivers(void)
{
    cql_segment_put(&f.buf, BYTES_LIT("abc"), true, false);
    wire_expect(&f.arena, buf_bytes(&f.buf), "030002 42967c 616263 087a36c5");

    struct bytes big = counting(CQL_SEGMENT_PAYLOAD_MAX + 10);
    buf_clear(&f.buf);
    cql_segment_put(&f.buf, bytes_make(big.data, CQL_SEGMENT_PAYLOAD_MAX), false, false);
    cql_segment_put(&f.buf, bytes_make(big.data + CQL_SEGMENT_PAYLOAD_MAX, 10), false, false);
    struct bytes all = buf_bytes(&f.buf);
    wire_expect(&f.arena, bytes_make(all.data, 9), "ffff01 3891fe 000102");
    wire_expect(&f.arena, bytes_make(all.data + all.len - 24, 24),
                "6f522be7 0a0000 91b9c0 3132333435363738393a 15a25e5c");
}

static void lz4_segments_are_the_drivers(void)
{
    struct cql_segment s;
    cql_segment_put(&f.buf, BYTES_LIT("abc"), true, true);
    wire_expect(&f.arena, buf_bytes(&f.buf), "0300000004 772283 616263 087a36c5");

    /* How LZ4 finds its matches is its own affair; reading what another one wrote is not. */
    struct bytes theirs = wire_hex(&f.arena, "1500460504 af199f 9f7468652072696e67200900ffff"
                                             "845072696e6720 5d6fd5ab");
    CU_ASSERT_EQUAL_FATAL(cql_segment_read(theirs, true, &s), ERR_OK);
    CU_ASSERT_TRUE(s.self_contained && s.size == theirs.len && s.plain_len == 675);
    CU_ASSERT_EQUAL(cql_block_decompress(&f.plain, s.payload, s.plain_len), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&f.plain), golden_text()));
}

static void bodies_are_the_drivers(void)
{
    struct bytes lz4 = wire_hex(&f.arena, "000002a3 9f7468652072696e67200900ffff845072696e6720");
    CU_ASSERT_EQUAL(cql_body_decompress(&f.plain, CQL_LZ4, lz4, 675), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&f.plain), golden_text()));
    struct bytes snappy = wire_hex(&f.arena, "a305207468652072696e6720fe0900fe0900fe0900fe0900fe"
                                             "0900fe0900fe0900fe0900fe0900fe0900660900");
    buf_clear(&f.plain);
    CU_ASSERT_EQUAL(cql_body_decompress(&f.plain, CQL_SNAPPY, snappy, 675), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&f.plain), golden_text()));
}

static void segments_of_every_size_go_both_ways(void)
{
    static const size_t sizes[] = {0, 1, 2, 100, 511, 512, 513, 5000, CQL_SEGMENT_PAYLOAD_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sizes) * 4; i++) {
        bool lz4 = i & 1;
        size_t n = sizes[i / 4];
        struct bytes payload = i & 2 ? wire_noise(&f.arena, n, i) : wire_text(&f.arena, n);
        struct cql_segment s = {0};
        buf_clear(&f.buf);
        buf_clear(&f.plain);
        cql_segment_put(&f.buf, payload, i % 3 == 0, lz4);
        CU_ASSERT_EQUAL_FATAL(buf_finish(&f.buf), ERR_OK);
        CU_ASSERT_EQUAL_FATAL(cql_segment_read(buf_bytes(&f.buf), lz4, &s), ERR_OK);
        CU_ASSERT_TRUE(s.size == f.buf.len && s.self_contained == (i % 3 == 0));
        if (s.plain_len > 0) {
            CU_ASSERT_EQUAL(cql_block_decompress(&f.plain, s.payload, s.plain_len), ERR_OK);
            CU_ASSERT_TRUE(s.payload.len < n);
            s.payload = buf_bytes(&f.plain);
        }
        CU_ASSERT_TRUE(bytes_equal(s.payload, payload));
    }
}

/* Any single flipped bit is seen; any missing byte is waited for. */
static void damage_is_seen(void)
{
    for (int lz4 = 0; lz4 < 2; lz4++) {
        buf_clear(&f.buf);
        cql_segment_put(&f.buf, golden_text(), true, lz4);
        struct cql_segment s;
        for (size_t n = 0; n < f.buf.len; n++)
            CU_ASSERT_EQUAL(cql_segment_read(bytes_make(f.buf.data, n), lz4, &s), ERR_NOT_FOUND);
        for (size_t bit = 0; bit < f.buf.len * 8; bit++) {
            f.buf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CU_ASSERT_EQUAL(cql_segment_read(buf_bytes(&f.buf), lz4, &s), ERR_CORRUPT);
            f.buf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void bodies_go_both_ways(void)
{
    static const size_t sizes[] = {0, 1, 600, 70000, 300000};
    for (size_t i = 0; i < ARRAY_LEN(sizes) * 4; i++) {
        enum cql_compression c = i & 1 ? CQL_LZ4 : CQL_SNAPPY;
        size_t n = sizes[i / 4];
        struct bytes body = i & 2 ? wire_noise(&f.arena, n, i) : wire_text(&f.arena, n);
        buf_clear(&f.buf);
        buf_clear(&f.plain);
        cql_body_compress(&f.buf, c, body);
        struct bytes packed = buf_bytes(&f.buf);
        CU_ASSERT_EQUAL(cql_body_decompress(&f.plain, c, packed, n), ERR_OK);
        CU_ASSERT_TRUE(bytes_equal(buf_bytes(&f.plain), body));
        if (n == 0)
            continue;
        buf_clear(&f.plain);
        CU_ASSERT_EQUAL(cql_body_decompress(&f.plain, c, packed, n - 1), ERR_TOO_BIG);
        CU_ASSERT_EQUAL(f.plain.len, 0);
        packed.len--;
        CU_ASSERT_EQUAL(cql_body_decompress(&f.plain, c, packed, n), ERR_MALFORMED);
        CU_ASSERT_EQUAL(f.plain.len, 0);
    }
}

/* A few bytes that claim to be megabytes take no megabytes. */
static void bombs_take_no_memory(void)
{
    struct buf small;
    buf_init(&small, 16 << 20);
    struct bytes lz4 = wire_hex(&f.arena, "00ffffff 9f74");
    struct bytes snappy = wire_hex(&f.arena, "ffffff07 2074");
    CU_ASSERT_EQUAL(cql_body_decompress(&small, CQL_LZ4, lz4, 16 << 20), ERR_MALFORMED);
    CU_ASSERT_EQUAL(cql_body_decompress(&small, CQL_SNAPPY, snappy, 16 << 20), ERR_MALFORMED);
    CU_ASSERT_EQUAL(cql_body_decompress(&small, CQL_LZ4, BYTES_LIT("abc"), 9), ERR_MALFORMED);
    CU_ASSERT_EQUAL(cql_body_decompress(&small, CQL_SNAPPY, BYTES_NONE, 9), ERR_MALFORMED);
    CU_ASSERT_EQUAL(cql_body_decompress(&small, CQL_PLAIN, BYTES_LIT("a"), 9), ERR_MALFORMED);
    CU_ASSERT_EQUAL(small.cap, 0);
    buf_close(&small);
}

CU_TestInfo segment_tests[] = {
    {"plain segments are the driver's", plain_segments_are_the_drivers},
    {"lz4 segments are the driver's", lz4_segments_are_the_drivers},
    {"bodies are the driver's", bodies_are_the_drivers},
    {"segments of every size go both ways", segments_of_every_size_go_both_ways},
    {"damage is seen", damage_is_seen},
    {"bodies go both ways", bodies_go_both_ways},
    {"bombs take no memory", bombs_take_no_memory},
    CU_TEST_INFO_NULL,
};
