#include "node/schema/order.h"
#include "unit/node_schema/random_value.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define COLUMNS_MAX 4

static int sign(int c)
{
    return (c > 0) - (c < 0);
}

/* Keys of 1 to 4 components: bytes compare as the values do, component by component. */
static void bytes_compare_as_values(void)
{
    struct rng r;
    rng_init(&r, 3);
    for (int i = 0; i < 20000; i++) {
        struct arena a = {0};
        struct buf x;
        struct buf y;
        buf_init(&x, 1 << 20);
        buf_init(&y, 1 << 20);
        int want = 0;
        size_t n = 1 + rng_below(&r, COLUMNS_MAX);
        for (size_t c = 0; c < n; c++) {
            const struct cql_type *t = random_key_type(&r, &a, 2);
            bool reversed = rng_chance(&r, 500000);
            struct bytes p = random_value(&r, &a, t);
            struct bytes q = rng_chance(&r, 500000) ? p : random_value(&r, &a, t);
            CU_ASSERT_EQUAL(order_encode(t, reversed, p, &x, NULL), ERR_OK);
            CU_ASSERT_EQUAL(order_encode(t, reversed, q, &y, NULL), ERR_OK);
            int one = sign(value_compare(t, p, q));
            want = want != 0 ? want : reversed ? -one : one;
        }
        if (sign(bytes_compare(buf_bytes(&x), buf_bytes(&y))) != want) {
            printf("seed 3, round %d\n", i);
            CU_FAIL("order of bytes is not the order of values");
        }
        buf_close(&x);
        buf_close(&y);
        arena_close(&a);
    }
}

static void values_come_back(void)
{
    struct rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 20000; i++) {
        struct arena a = {0};
        struct buf key;
        struct buf back;
        struct buf want;
        buf_init(&key, 1 << 20);
        buf_init(&back, 1 << 20);
        buf_init(&want, 1 << 20);
        const struct cql_type *t = random_key_type(&r, &a, 2);
        bool reversed = rng_chance(&r, 500000);
        struct bytes v = random_value(&r, &a, t);
        CU_ASSERT_EQUAL(order_encode(t, reversed, v, &key, NULL), ERR_OK);
        uint8_t lead = key.data[0];
        CU_ASSERT(lead > 0x01 && lead < 0xfe);
        buf_put_u8(&key, 0x77); /* what follows is left alone */
        struct reader rd = reader_make(buf_bytes(&key));
        CU_ASSERT_EQUAL(order_decode(t, reversed, &rd, &back), ERR_OK);
        CU_ASSERT_EQUAL(reader_left(&rd), 1);
        value_canonical(t, v, &want);
        if (!bytes_equal(buf_bytes(&back), buf_bytes(&want))) {
            printf("seed 5, round %d, %s\n", i, cql_type_text(&a, t));
            CU_FAIL("another value came back");
        }
        CU_ASSERT_EQUAL(value_compare(t, buf_bytes(&back), v), 0);
        buf_close(&key);
        buf_close(&back);
        buf_close(&want);
        arena_close(&a);
    }
}

/* The bounds enclose every continuation of a prefix and nothing else. */
static void bounds_enclose_continuations(void)
{
    struct rng r;
    rng_init(&r, 9);
    for (int i = 0; i < 5000; i++) {
        struct arena a = {0};
        struct buf low;
        struct buf high;
        struct buf key;
        buf_init(&low, 1 << 20);
        buf_init(&high, 1 << 20);
        buf_init(&key, 1 << 20);
        const struct cql_type *t = random_key_type(&r, &a, 1);
        bool reversed = rng_chance(&r, 500000);
        struct bytes prefix = random_value(&r, &a, t);
        struct bytes other = random_value(&r, &a, t);
        CU_ASSERT_EQUAL(order_encode(t, reversed, prefix, &low, NULL), ERR_OK);
        buf_put_bytes(&high, buf_bytes(&low));
        order_bound_before(&low);
        order_bound_after(&high);
        CU_ASSERT_EQUAL(order_encode(t, reversed, other, &key, NULL), ERR_OK);
        CU_ASSERT_EQUAL(order_encode(t, !reversed, random_value(&r, &a, t), &key, NULL), ERR_OK);
        bool inside = bytes_compare(buf_bytes(&low), buf_bytes(&key)) < 0 &&
                      bytes_compare(buf_bytes(&key), buf_bytes(&high)) < 0;
        CU_ASSERT_EQUAL(inside, value_compare(t, prefix, other) == 0);
        buf_close(&low);
        buf_close(&high);
        buf_close(&key);
        arena_close(&a);
    }
}

static void equal_decimals_are_one_key(void)
{
    static const struct {
        const char *text;
        const char *back;
    } rows[] = {{"1.00", "1"},    {"100", "100"},
                {"1e2", "100"},   {"-0.50", "-0.5"},
                {"0.000", "0"},   {"1e39", "1000000000000000000000000000000000000000"},
                {"1e50", "1E+50"}};
    const struct cql_type *t = cql_type_native(CQL_DECIMAL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf v;
        struct buf key;
        struct buf back;
        struct buf text;
        buf_init(&v, 100);
        buf_init(&key, 100);
        buf_init(&back, 100);
        buf_init(&text, 100);
        CU_ASSERT_EQUAL(
            value_from_literal(t, LITERAL_FLOAT, bytes_text(rows[i].text), "", &v, NULL), ERR_OK);
        CU_ASSERT_EQUAL(order_encode(t, false, buf_bytes(&v), &key, NULL), ERR_OK);
        struct reader r = reader_make(buf_bytes(&key));
        CU_ASSERT_EQUAL(order_decode(t, false, &r, &back), ERR_OK);
        value_print(t, buf_bytes(&back), &text);
        CU_ASSERT(bytes_equal_text(buf_bytes(&text), rows[i].back));
        buf_close(&v);
        buf_close(&key);
        buf_close(&back);
        buf_close(&text);
    }
}

static void what_cannot_be_a_key_is_refused(void)
{
    struct buf key;
    buf_init(&key, 100);
    CU_ASSERT_EQUAL(order_encode(cql_type_native(CQL_COUNTER), false, BYTES_LIT("\0\0\0\0\0\0\0\1"),
                                 &key, NULL),
                    ERR_INVALID);
    CU_ASSERT_EQUAL(order_encode(cql_type_native(CQL_INT), false, BYTES_LIT("abc"), &key, NULL),
                    ERR_INVALID);
    CU_ASSERT_EQUAL(key.len, 0);
    buf_close(&key);
}

/* Found by fuzzing: an empty value for a buffer that has no memory yet. */
static void an_empty_key_comes_back(void)
{
    struct buf key;
    struct buf back;
    buf_init(&key, 100);
    buf_init(&back, 100);
    CU_ASSERT_EQUAL(order_encode(cql_type_native(CQL_BLOB), false, BYTES_NONE, &key, NULL), ERR_OK);
    struct reader r = reader_make(buf_bytes(&key));
    CU_ASSERT_EQUAL(order_decode(cql_type_native(CQL_BLOB), false, &r, &back), ERR_OK);
    CU_ASSERT_EQUAL(back.len, 0);
    buf_close(&key);
    buf_close(&back);
}

static void partition_keys_compose_and_split(void)
{
    struct buf key;
    struct bytes parts[] = {BYTES_LIT("ab"), BYTES_NONE, BYTES_LIT("c")};
    struct bytes back[3];
    buf_init(&key, 1 << 17);
    CU_ASSERT_EQUAL(partition_key_compose(parts, 1, &key, NULL), ERR_OK);
    CU_ASSERT(bytes_equal_text(buf_bytes(&key), "ab"));
    buf_clear(&key);
    CU_ASSERT_EQUAL(partition_key_compose(parts, 3, &key, NULL), ERR_OK);
    CU_ASSERT(bytes_equal(buf_bytes(&key), BYTES_LIT("\0\2ab\0\0\0\0\0\1c\0")));
    CU_ASSERT_EQUAL(partition_key_split(buf_bytes(&key), 3, back), ERR_OK);
    for (int i = 0; i < 3; i++)
        CU_ASSERT(bytes_equal(back[i], parts[i]));
    CU_ASSERT_EQUAL(partition_key_split(buf_bytes(&key), 2, back), ERR_MALFORMED);
    static const uint8_t big[65536];
    struct bytes huge = bytes_make(big, sizeof big);
    CU_ASSERT_EQUAL(partition_key_compose(&huge, 1, &key, NULL), ERR_INVALID);
    buf_close(&key);
}

CU_TestInfo order_tests[] = {{"bytes compare as values", bytes_compare_as_values},
                             {"values come back", values_come_back},
                             {"bounds enclose continuations", bounds_enclose_continuations},
                             {"equal decimals are one key", equal_decimals_are_one_key},
                             {"what cannot be a key is refused", what_cannot_be_a_key_is_refused},
                             {"an empty key comes back", an_empty_key_comes_back},
                             {"partition keys compose and split", partition_keys_compose_and_split},
                             CU_TEST_INFO_NULL};
