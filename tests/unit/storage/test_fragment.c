/* What a stored value is told by: its checksum, over its key and its bytes. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "storage/fragment.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <string.h>

static void test_each_bit_counts(void)
{
    struct buf value;
    struct bytes body;
    struct bytes key = BYTES_LIT("a key"), other = BYTES_LIT("a kez");
    buf_init(&value, 64);
    buf_put_bytes(&value, BYTES_LIT("what was written"));
    fragment_seal(key, &value);
    CU_ASSERT_EQUAL(fragment_open(key, buf_bytes(&value), &body), ERR_OK);
    CU_ASSERT(bytes_equal(body, BYTES_LIT("what was written")));
    CU_ASSERT_EQUAL(fragment_open(other, buf_bytes(&value), &body), ERR_CORRUPT);
    for (size_t bit = 0; bit < 8 * value.len; bit++) {
        value.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT_EQUAL(fragment_open(key, buf_bytes(&value), &body), ERR_CORRUPT);
        value.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < value.len; len++)
        CU_ASSERT_EQUAL(fragment_open(key, bytes_make(value.data, len), &body), ERR_CORRUPT);
    buf_close(&value);
}

/* The first data key behind the back of the engine, with a flipped bit or under another key. */
static void meddle(struct store *s, bool move)
{
    struct store_batch batch;
    struct buf key, value;
    struct store_iter *it = store_iter_new(s);
    buf_init(&key, 4096);
    buf_init(&value, 4096);
    store_iter_seek(it, BYTES_LIT("d"));
    CU_ASSERT_FATAL(store_iter_valid(it) && store_iter_key(it).data[0] == 'd');
    buf_put_bytes(&key, store_iter_key(it));
    buf_put_bytes(&value, store_iter_value(it));
    store_iter_free(it);
    if (move)
        key.data[key.len - 1] ^= 1;
    else
        value.data[value.len / 2] ^= 4;
    store_batch_init(&batch);
    store_batch_put(&batch, buf_bytes(&key), buf_bytes(&value));
    store_write(s, &batch, 0);
    store_batch_close(&batch);
    buf_close(&key);
    buf_close(&value);
}

static void test_what_flips_is_no_data(void)
{
    for (int move = 0; move < 2; move++) {
        struct store *s = store_mem_new();
        struct arena arena = {0};
        struct scan_result result;
        struct engine *e;
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        struct dot dot = engine_next_dot(e, KEYSPACE, RANGE, (struct actor){1, 1});
        struct part p = one_row(&arena, "row", 1000, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
        sync_all(s);
        struct scan all = whole_table();
        CU_ASSERT_EQUAL(engine_scan(e, &all, &arena, &result), ERR_OK);
        meddle(s, move == 1);
        CU_ASSERT_EQUAL(engine_scan(e, &all, &arena, &result), ERR_CORRUPT);
        arena_close(&arena);
        engine_free(e);
        store_close(s);
    }
}

CU_TestInfo fragment_tests[] = {
    {"each bit counts", test_each_bit_counts},
    {"what flips is no data", test_what_flips_is_no_data},
    CU_TEST_INFO_NULL,
};
