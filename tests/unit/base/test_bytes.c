/* bytes, buf and the reader: order, bounds, and that what is written can be read. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static void order_of_bytes(void)
{
    const struct {
        struct bytes a, b;
        int sign;
    } rows[] = {
        {{NULL, 0}, {NULL, 0}, 0},
        {{NULL, 0}, BYTES_LIT("\0"), -1},
        {BYTES_LIT("a"), BYTES_LIT("a"), 0},
        {BYTES_LIT("a"), BYTES_LIT("ab"), -1}, /* a prefix comes first */
        {BYTES_LIT("b"), BYTES_LIT("ab"), 1},
        {BYTES_LIT("\x7f"), BYTES_LIT("\x80"), -1}, /* unsigned */
        {BYTES_LIT("\xff"), BYTES_LIT("\xff\x00"), -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int c = bytes_compare(rows[i].a, rows[i].b);
        CU_ASSERT_EQUAL((c > 0) - (c < 0), rows[i].sign);
        c = bytes_compare(rows[i].b, rows[i].a);
        CU_ASSERT_EQUAL((c > 0) - (c < 0), -rows[i].sign);
        CU_ASSERT_EQUAL(bytes_equal(rows[i].a, rows[i].b), rows[i].sign == 0);
    }
    CU_ASSERT_TRUE(bytes_starts_with(BYTES_LIT("abc"), BYTES_LIT("ab")));
    CU_ASSERT_TRUE(bytes_starts_with(BYTES_NONE, BYTES_NONE));
    CU_ASSERT_FALSE(bytes_starts_with(BYTES_LIT("ab"), BYTES_LIT("abc")));
    CU_ASSERT_EQUAL(bytes_hash(BYTES_LIT("a")), 0xaf63dc4c8601ec8cu); /* published for FNV-1a */
}

static void varints(void)
{
    static const struct {
        uint64_t value;
        size_t len;
    } rows[] = {
        {0, 1},           {1, 1},         {127, 1},
        {128, 2},         {16383, 2},     {16384, 3},
        {UINT32_MAX, 5},  {INT64_MAX, 9}, {(uint64_t)INT64_MAX + 1, 10},
        {UINT64_MAX, 10},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 64);
        buf_put_varint(&b, rows[i].value);
        CU_ASSERT_EQUAL(b.len, rows[i].len);
        struct reader r = reader_make(buf_bytes(&b));
        CU_ASSERT_EQUAL(read_varint(&r), rows[i].value);
        CU_ASSERT_EQUAL(reader_finish(&r), ERR_OK);
        for (size_t cut = 0; cut < b.len; cut++) { /* every shorter one fails */
            r = reader_make(bytes_make(b.data, cut));
            CU_ASSERT_EQUAL(read_varint(&r), 0);
            CU_ASSERT_EQUAL(reader_finish(&r), ERR_MALFORMED);
        }
        buf_close(&b);
    }
}

static void varints_that_overflow(void)
{
    const struct bytes rows[] = {
        BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* 65 bits */
        BYTES_LIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), /* eleven bytes */
        BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reader r = reader_make(rows[i]);
        CU_ASSERT_EQUAL(read_varint(&r), 0);
        CU_ASSERT_TRUE(r.failed);
    }
}

static void signed_varints(void)
{
    static const int64_t rows[] = {0, -1, 1, -64, 64, INT32_MIN, INT64_MIN, INT64_MAX};
    struct buf b;
    buf_init(&b, 256);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        buf_put_svarint(&b, rows[i]);
    struct reader r = reader_make(buf_bytes(&b));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(read_svarint(&r), rows[i]);
    CU_ASSERT_TRUE(reader_done(&r));
    CU_ASSERT_EQUAL(b.data[1], 1); /* zigzag: -1 is one byte */
    buf_close(&b);
}

static void everything_written_can_be_read(void)
{
    struct buf b;
    struct uuid u = {{1, 2, 3}};
    struct dot dot = {{7, UINT32_MAX}, 300};
    buf_init(&b, 4096);
    buf_put_u8(&b, 0xab);
    buf_put_u16(&b, 0x1234);
    buf_put_u32(&b, 0xdeadbeef);
    buf_put_u64(&b, 0x0102030405060708);
    buf_put_i32(&b, INT32_MIN);
    buf_put_i64(&b, -2);
    buf_put_vbytes(&b, BYTES_LIT("hello"));
    buf_put_uuid(&b, &u);
    buf_put_dot(&b, dot);
    buf_put_text(&b, "rest");
    CU_ASSERT_EQUAL(buf_finish(&b), ERR_OK);
    CU_ASSERT_EQUAL(memcmp(b.data, "\xab\x12\x34\xde\xad\xbe\xef\x01\x02", 9), 0); /* big endian */
    struct reader r = reader_make(buf_bytes(&b));
    CU_ASSERT_EQUAL(read_u8(&r), 0xab);
    CU_ASSERT_EQUAL(read_u16(&r), 0x1234);
    CU_ASSERT_EQUAL(read_u32(&r), 0xdeadbeef);
    CU_ASSERT_EQUAL(read_u64(&r), 0x0102030405060708);
    CU_ASSERT_EQUAL(read_i32(&r), INT32_MIN);
    CU_ASSERT_EQUAL(read_i64(&r), -2);
    CU_ASSERT_TRUE(bytes_equal_text(read_vbytes(&r), "hello"));
    struct uuid got = read_uuid(&r);
    CU_ASSERT_TRUE(uuid_equal(&got, &u));
    CU_ASSERT_EQUAL(dot_compare(read_dot(&r), dot), 0);
    CU_ASSERT_TRUE(bytes_equal_text(read_rest(&r), "rest"));
    CU_ASSERT_EQUAL(reader_finish(&r), ERR_OK);
    buf_close(&b);
}

static void a_failed_reader_stays_failed(void)
{
    struct reader r = reader_make(BYTES_LIT("\x01\x02\x03"));
    CU_ASSERT_EQUAL(read_u32(&r), 0);
    CU_ASSERT_EQUAL(read_u8(&r), 0); /* although three bytes are left */
    CU_ASSERT_EQUAL(reader_finish(&r), ERR_MALFORMED);
    r = reader_make(BYTES_LIT("\x05"
                              "abc")); /* announces more than there is */
    CU_ASSERT_EQUAL(read_vbytes(&r).len, 0);
    CU_ASSERT_TRUE(r.failed);
    r = reader_make(BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")); /* 2^64 - 1 bytes */
    CU_ASSERT_EQUAL(read_vbytes(&r).len, 0);
    CU_ASSERT_TRUE(r.failed);
    r = reader_make(BYTES_LIT("\xff\xff\xff\xff\x1f\x01\x01")); /* a node above 32 bits */
    CU_ASSERT_EQUAL(read_dot(&r).n, 0);
    CU_ASSERT_TRUE(r.failed);
    r = reader_make(BYTES_LIT("ab"));
    (void)read_u8(&r);
    CU_ASSERT_EQUAL(reader_finish(&r), ERR_MALFORMED); /* something is left */
    r = reader_make(BYTES_NONE);
    CU_ASSERT_EQUAL(reader_finish(&r), ERR_OK);
}

/* Any bytes, read in any way: never past the end (the sanitizer watches), and `left` only falls. */
static void reader_on_random_bytes(void)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        size_t len = (size_t)rng_below(&rng, 40);
        uint8_t *data = mem_alloc(len);
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)rng_next(&rng);
        struct reader r = reader_make(bytes_make(data, len));
        for (int i = 0; i < 12; i++) {
            size_t left = reader_left(&r);
            switch (rng_below(&rng, 7)) {
            case 0: (void)read_u16(&r); break;
            case 1: (void)read_varint(&r); break;
            case 2: (void)read_svarint(&r); break;
            case 3: (void)read_vbytes(&r); break;
            case 4: (void)read_dot(&r); break;
            case 5: (void)read_bytes(&r, (size_t)rng_below(&rng, 9)); break;
            default: (void)read_u64(&r); break;
            }
            CU_ASSERT_TRUE(reader_left(&r) <= left);
        }
        mem_free(data);
    }
}

static void buf_knows_its_bound(void)
{
    struct buf b;
    buf_init(&b, 10);
    buf_put_text(&b, "12345");
    buf_put_text(&b, "1234567"); /* does not fit: nothing of it is written, nor anything later */
    buf_put_u8(&b, 1);
    CU_ASSERT_EQUAL(b.len, 5);
    CU_ASSERT_EQUAL(buf_finish(&b), ERR_TOO_BIG);
    CU_ASSERT_PTR_NULL(buf_extend(&b, SIZE_MAX));
    buf_clear(&b);
    buf_put_text(&b, "0123456789");
    CU_ASSERT_EQUAL(buf_finish(&b), ERR_OK);
    buf_close(&b);
    buf_close(&b);
}

static void buf_consume_and_take(void)
{
    struct buf b;
    size_t len = 0;
    buf_init(&b, 100);
    buf_put_text(&b, "abcdef");
    buf_consume(&b, 2);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&b), "cdef"));
    uint8_t *data = buf_take(&b, &len);
    CU_ASSERT_EQUAL(len, 4);
    CU_ASSERT_EQUAL(b.len, 0);
    mem_free(data);
    buf_put_text(&b, "again");
    buf_consume(&b, 5);
    CU_ASSERT_EQUAL(b.len, 0);
    buf_close(&b);
}

static void buf_printf_of_every_length(void)
{
    char text[600];
    for (int len = 250; len < 262; len++) { /* around the size of the small buffer */
        struct buf b;
        buf_init(&b, 600);
        buf_printf(&b, "%0*d", len, 1);
        buf_put_text(&b, "!");
        snprintf(text, sizeof text, "%0*d!", len, 1);
        CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&b), text));
        buf_close(&b);
    }
}

/* A text that just fits must fit, whether printed through the small buffer or directly. */
static void buf_printf_up_to_the_bound(void)
{
    static const size_t bounds[] = {10, 255, 256, 257, 400};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        struct buf b;
        buf_init(&b, bounds[i]);
        buf_printf(&b, "%0*d", (int)bounds[i], 1);
        CU_ASSERT_EQUAL(buf_finish(&b), ERR_OK);
        CU_ASSERT_EQUAL(b.len, bounds[i]);
        buf_printf(&b, "x");
        CU_ASSERT_EQUAL(buf_finish(&b), ERR_TOO_BIG);
        buf_close(&b);
    }
}

CU_TestInfo bytes_tests[] = {
    {"order of bytes", order_of_bytes},
    {"varints", varints},
    {"varints that overflow", varints_that_overflow},
    {"signed varints", signed_varints},
    {"everything written can be read", everything_written_can_be_read},
    {"a failed reader stays failed", a_failed_reader_stays_failed},
    {"reader on random bytes", reader_on_random_bytes},
    {"buf knows its bound", buf_knows_its_bound},
    {"buf: consume and take", buf_consume_and_take},
    {"buf_printf of every length", buf_printf_of_every_length},
    {"buf_printf up to the bound", buf_printf_up_to_the_bound},
    CU_TEST_INFO_NULL,
};
