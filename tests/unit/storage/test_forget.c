/* A range that is forgotten: nothing of it is left, also when that is interrupted. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define OTHER_TABLE (TABLE + 1)
#define OTHER_RANGE (RANGE + 1)
#define ROWS        20

static struct actor self = {3, 5};
static const table_no tables[] = {TABLE, OTHER_TABLE};

/* The tokens 100 .. 199 are the range's. */
static const struct range_place place = {100, 199, tables, ARRAY_LEN(tables)};

static void put(struct engine *e, table_no table, range_no range, token where, unsigned n)
{
    struct arena arena;
    char key[16];
    arena_init(&arena);
    struct dot dot = engine_next_dot(e, KEYSPACE, range, self);
    struct part p = one_row(&arena, "row", 1000 + (int64_t)n, dot);
    snprintf(key, sizeof key, "key%u", n);
    p.table = table;
    p.token = where;
    p.key = bytes_text(key);
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, range, &p, dot, NULL, 0), ERR_OK);
    arena_close(&arena);
}

static size_t count_rows(struct engine *e, table_no table)
{
    struct arena arena;
    struct scan_result result;
    struct scan all = {.table = table, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(engine_scan(e, &all, &arena, &result), ERR_OK);
    size_t count = result.live_rows;
    arena_close(&arena);
    return count;
}

static struct engine *filled(struct store *s)
{
    struct engine *e;
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    engine_set_actor(e, self);
    for (unsigned i = 0; i < ROWS; i++) {
        put(e, TABLE, RANGE, 100 + (token)i, i);
        put(e, OTHER_TABLE, RANGE, 199 - (token)i, i);
        put(e, TABLE, OTHER_RANGE, 200 + (token)i, i);
        put(e, TABLE, RANGE - 1, 99 - (token)i, i);
    }
    return e;
}

static void are_gone(struct engine *e)
{
    CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, RANGE), ERR_OK);
    CU_ASSERT(clock_empty(engine_clock(e, KEYSPACE, RANGE)));
    CU_ASSERT_EQUAL(clock_count(engine_clock(e, KEYSPACE, OTHER_RANGE)), ROWS);
    CU_ASSERT_EQUAL(count_rows(e, TABLE), 2 * ROWS);
    CU_ASSERT_EQUAL(count_rows(e, OTHER_TABLE), 0);
}

static void is_forgotten_in_slices(void)
{
    struct store *s = store_mem_new();
    struct engine *e = filled(s);
    struct arena arena;
    bool done = false;
    size_t calls = 0;
    arena_init(&arena);
    engine_save_clocks(e);
    while (!done) {
        CU_ASSERT_EQUAL_FATAL(engine_forget(e, KEYSPACE, RANGE, &place, 7, &done), ERR_OK);
        calls++;
        if (done)
            break;
        struct part p = one_row(&arena, "late", 1, (struct dot){{9, 9}, 1});
        CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, RANGE), ERR_UNAVAILABLE);
        CU_ASSERT_EQUAL(engine_ranges_error(e, KEYSPACE, 0, RANGE), ERR_UNAVAILABLE);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, (struct dot){{9, 9}, 1}, NULL, 0),
                        ERR_UNAVAILABLE);
    }
    CU_ASSERT(calls >= 2 * ROWS / 7); /* rows */
    are_gone(e);
    engine_free(e);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    are_gone(e);
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

/* Whatever is left after a restart in the middle is not there, until it is not there. */
static void is_forgotten_over_restarts(void)
{
    struct store *s = store_mem_new();
    struct engine *e = filled(s);
    bool done = false;
    for (unsigned i = 0; !done; i++) {
        CU_ASSERT_EQUAL_FATAL(engine_forget(e, KEYSPACE, RANGE, &place, 3, &done), ERR_OK);
        CU_ASSERT_FATAL(i < 1000);
        sync_all(s);
        engine_free(e);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        engine_set_actor(e, self);
        CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, RANGE), done ? ERR_OK : ERR_UNAVAILABLE);
        CU_ASSERT(clock_empty(engine_clock(e, KEYSPACE, RANGE)));
        CU_ASSERT_EQUAL(engine_stats(e).damaged, 0);
    }
    are_gone(e);
    engine_free(e);
    store_close(s);
}

/* Others have them, and would take the second write of that name for the first. */
static void no_dot_is_minted_twice(void)
{
    struct store *s = store_mem_new();
    struct engine *e = filled(s);
    bool done = false;
    struct dot next = engine_next_dot(e, KEYSPACE, RANGE, self);
    CU_ASSERT_EQUAL(next.n, 2 * ROWS + 1);
    for (unsigned twice = 0; twice < 2; twice++) {
        CU_ASSERT_EQUAL_FATAL(engine_forget(e, KEYSPACE, RANGE, &place, SIZE_MAX, &done), ERR_OK);
        CU_ASSERT(done);
        CU_ASSERT_EQUAL(engine_next_dot(e, KEYSPACE, RANGE, self).n, next.n);
    }
    put(e, TABLE, RANGE, 150, 1);
    CU_ASSERT_EQUAL(engine_next_dot(e, KEYSPACE, RANGE, self).n, next.n + 1);
    CU_ASSERT_EQUAL(clock_count(engine_clock(e, KEYSPACE, RANGE)), 1);
    engine_free(e);
    store_close(s);
}

CU_TestInfo forget_tests[] = {
    {"is forgotten in slices", is_forgotten_in_slices},
    {"is forgotten over restarts", is_forgotten_over_restarts},
    {"no dot is minted twice", no_dot_is_minted_twice},
    CU_TEST_INFO_NULL,
};
