/* Keys of the store, written and taken apart: keys.c. */
#include "engine_fixture.h"
#include "gen.h"
#include "storage/keys.h"

#include <CUnit/CUnit.h>

static void keys_are_read_back(void)
{
    struct rng rng;
    struct arena arena;
    struct buf key;
    rng_init(&rng, 7);
    arena_init(&arena);
    buf_init(&key, SIZE_MAX);
    for (int i = 0; i < 2000; i++) {
        struct garbage_key g = {.keyspace = (keyspace_no)rng_below(&rng, 9),
                                .range = (range_no)rng_below(&rng, 99),
                                .class =
                                    rng_chance(&rng, 500000) ? GARBAGE_DELETED : GARBAGE_EXPIRING,
                                .due = rng_between(&rng, -5, 5),
                                .table = (table_no)rng_below(&rng, 5),
                                .token = rng_between(&rng, -9, 9),
                                .key = gen_row_key(&rng),
                                .kind = (enum key_kind)rng_between(&rng, 1, 4),
                                .dot = {{1, 2}, rng_below(&rng, 100)}};
        struct garbage_key got;
        if (g.kind == KEY_ROW)
            g.row = gen_row_key(&rng);
        key_garbage(&key, &g);
        bool good = key_parse_garbage(buf_bytes(&key), &arena, &got) &&
                    got.keyspace == g.keyspace && got.range == g.range && got.class == g.class &&
                    got.due == g.due && got.table == g.table && got.token == g.token &&
                    bytes_equal(got.key, g.key) && got.kind == g.kind &&
                    bytes_equal(got.row, g.row) && dot_compare(got.dot, g.dot) == 0;
        CU_ASSERT_TRUE(good);
        key.len -= 1 + (size_t)rng_below(&rng, 3);
        CU_ASSERT_FALSE(key_parse_garbage(buf_bytes(&key), &arena, &got) &&
                        dot_compare(got.dot, g.dot) == 0);
    }
    buf_close(&key);
    arena_close(&arena);
}

/* Places sort as rows are stored: heads first, then by row; zero bytes do no harm. */
static void places_of_trees(void)
{
    struct rng rng;
    struct arena arena;
    struct buf place, before, data;
    struct bytes keys[] = {BYTES_LIT("a"), BYTES_LIT("a\0"), BYTES_LIT("a\0\1"), BYTES_LIT("b")};
    rng_init(&rng, 7);
    arena_init(&arena);
    buf_init(&place, SIZE_MAX);
    buf_init(&before, SIZE_MAX);
    buf_init(&data, SIZE_MAX);
    for (token t = -2; t < 2; t++) {
        for (size_t k = 0; k < 4 * 5; k++) {
            token got_token;
            enum key_kind kind;
            struct bytes key, row;
            struct bytes given = k % 5 > 0 ? keys[k % 5 - 1] : BYTES_NONE;
            key_tree_place(&place, t, keys[k / 5], k % 5 > 0 ? KEY_ROW : KEY_DELETION);
            if (k % 5 > 0)
                key_add_escaped(&place, given);
            CU_ASSERT(bytes_compare(buf_bytes(&before), buf_bytes(&place)) < 0);
            CU_ASSERT_TRUE_FATAL(
                key_parse_tree_place(buf_bytes(&place), &arena, &got_token, &key, &kind, &row));
            CU_ASSERT(key_is_tree_place(buf_bytes(&place)));
            CU_ASSERT_EQUAL(got_token, t);
            CU_ASSERT(bytes_equal(key, keys[k / 5]));
            CU_ASSERT_EQUAL(kind, k % 5 > 0 ? KEY_ROW : KEY_DELETION);
            CU_ASSERT(bytes_equal(row, given));
            key_part(&data, 7, t, keys[k / 5]); /* the key of its data, from behind the table */
            CU_ASSERT(
                bytes_starts_with(buf_bytes(&place), bytes_make(data.data + 5, data.len - 5)));
            buf_clear(&before);
            buf_put_bytes(&before, buf_bytes(&place));
            place.len -= 1 + (size_t)rng_below(&rng, 2);
            CU_ASSERT_FALSE(
                key_parse_tree_place(buf_bytes(&place), &arena, &got_token, &key, &kind, &row));
            CU_ASSERT_FALSE(key_is_tree_place(buf_bytes(&place)));
        }
    }
    for (unsigned i = 0; i < 20000; i++) { /* whatever bytes: both say the same */
        static const uint8_t often[] = {0, 0, 0, 0xff, 0xff, KEY_DELETION, KEY_ROW, 'x'};
        struct bytes key, row;
        enum key_kind kind;
        token got_token;
        buf_clear(&place);
        buf_put_u64(&place, i);
        for (uint64_t n = rng_below(&rng, 12); n > 0; n--)
            buf_put_u8(&place, often[rng_below(&rng, sizeof often)]);
        bool parsed =
            key_parse_tree_place(buf_bytes(&place), &arena, &got_token, &key, &kind, &row);
        CU_ASSERT_EQUAL(key_is_tree_place(buf_bytes(&place)), parsed);
    }
    buf_close(&place);
    buf_close(&before);
    buf_close(&data);
    arena_close(&arena);
}

CU_TestInfo keys_tests[] = {
    {"places of trees", places_of_trees},
    {"keys are read back", keys_are_read_back},
    CU_TEST_INFO_NULL,
};
