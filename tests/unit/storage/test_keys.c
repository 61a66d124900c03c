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

CU_TestInfo keys_tests[] = {
    {"keys are read back", keys_are_read_back},
    CU_TEST_INFO_NULL,
};
