/* What an engine finds again when it starts, and what it keeps when it tidies up. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/engine.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static void the_clock_is_found_again(void)
{
    for (int saved = 0; saved < 2; saved++) {
        struct store *s = store_mem_new();
        struct engine *e;
        struct arena arena;
        struct clock before;
        range_no range = 0;
        arena_init(&arena);
        clock_init(&before);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        for (uint64_t n = 1; n <= 5000; n++) { /* beyond one snapshot; with holes */
            struct dot dot = {{1 + (uint32_t)(n % 2), 3}, n % 7 == 0 ? n : n / 2 + 1};
            struct part p = one_row(&arena, "a", (int64_t)n, dot);
            CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
            arena_reset(&arena);
        }
        CU_ASSERT_TRUE(engine_stats(e).collapses > 0); /* of a row that nobody reads */
        clock_copy(&before, engine_clock(e, KEYSPACE, RANGE));
        if (saved == 1)
            engine_save_clocks(e);
        store_flush(s);
        store_mem_sync(s, SIZE_MAX);
        engine_free(e);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        CU_ASSERT_TRUE(engine_next_range(e, KEYSPACE, 0, &range));
        CU_ASSERT_EQUAL(range, RANGE);
        CU_ASSERT_FALSE(engine_next_range(e, KEYSPACE, RANGE + 1, &range));
        CU_ASSERT_FALSE(engine_next_range(e, KEYSPACE - 1, 0, &range));
        CU_ASSERT_TRUE(clock_equal(&before, engine_clock(e, KEYSPACE, RANGE)));
        CU_ASSERT_TRUE(engine_max_timestamp(e) >= 5000);
        engine_free(e);
        store_close(s);
        clock_close(&before);
        arena_close(&arena);
    }
}

/* Some ranges with logs only, some with snapshots too: each is found once, in order, and then the
 * end; in the engine that wrote them and in the next one. */
static void ranges_are_walked_in_order(void)
{
    static const range_no ranges[] = {1, 4, 9, 15};
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (int round = 0; round < 3; round++) {
        size_t found = 0;
        for (size_t i = 0; i < ARRAY_LEN(ranges) && round < 2; i++) {
            struct dot dot = {{1, 1 + (uint32_t)round}, 1};
            struct part p = one_row(&arena, "a", 1, dot);
            CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, ranges[i], &p, dot, NULL, 0), ERR_OK);
        }
        CU_ASSERT_TRUE(engine_drop_table(e, TABLE, SIZE_MAX)); /* nothing between the two records */
        for (range_no at = 0; engine_next_range(e, KEYSPACE, at, &at) && found < 16; at++) {
            CU_ASSERT_EQUAL(at, ranges[found % ARRAY_LEN(ranges)]);
            CU_ASSERT_EQUAL(engine_clock_hash(e, KEYSPACE, at),
                            clock_hash(engine_clock(e, KEYSPACE, at)));
            found++;
        }
        CU_ASSERT_EQUAL(found, ARRAY_LEN(ranges));
        if (round == 1)
            engine_save_clocks(e);
        store_flush(s);
        store_mem_sync(s, SIZE_MAX);
        engine_free(e);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    }
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

/* What all know leaves the log and not the clock; who lacks it is told that it is not there. */
static void a_pruned_log_keeps_its_clock(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct clock known, done;
    struct buf b;
    struct actor actor = {1, 1};
    bool finished = false;
    int calls = 0;
    arena_init(&arena);
    clock_init(&known);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (uint64_t n = 1; n <= 300; n++) {
        struct dot dot = {actor, n};
        struct part p = one_row(&arena, "a", (int64_t)n, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    }
    clock_add_run(&known, actor, 1, 4);
    clock_add_run(&known, actor, 6, 302);
    for (; !finished && calls < 20; calls++)
        CU_ASSERT_EQUAL(engine_log_prune(e, KEYSPACE, RANGE, &known, 70, &finished), ERR_OK);
    CU_ASSERT_EQUAL(calls, 3); /* 299 entries, whole pieces */
    engine_free(e);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    sync_all(s);
    CU_ASSERT_EQUAL(clock_count(engine_clock(e, KEYSPACE, RANGE)), 300);
    CU_ASSERT_EQUAL(engine_log_read(e, KEYSPACE, RANGE, engine_clock(e, KEYSPACE, RANGE),
                                    engine_clock(e, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_EQUAL(clock_count(&done), 1);
    CU_ASSERT_TRUE(clock_has(&done, (struct dot){actor, 5}));
    engine_free(e);
    store_close(s);
    clock_close(&known);
    clock_close(&done);
    buf_close(&b);
    arena_close(&arena);
}

static void a_read_collapses_what_it_met(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct scan_result r;
    struct scan scan = whole_table();
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (uint64_t n = 1; n <= 20; n++) {
        struct dot dot = {{1, 1}, n};
        struct part p = one_row(&arena, "a", (int64_t)n, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    }
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_OK);
    uint64_t before = engine_stats(e).fragments_read;
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_OK);
    CU_ASSERT_TRUE(engine_stats(e).fragments_read < before + 4);
    CU_ASSERT_EQUAL(r.live_rows, 1);
    while (!engine_drop_table(e, TABLE, 1)) {
    }
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.parts_count, 0);
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

static void facts(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct buf name, value;
    buf_init(&name, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    engine_fact_put(e, BYTES_LIT("log/1"), BYTES_LIT("a"), 0);
    engine_fact_put(e, BYTES_LIT("log/2"), BYTES_LIT("b"), 0);
    engine_fact_put(e, BYTES_LIT("other"), BYTES_LIT("c"), 0);
    engine_fact_put(e, BYTES_LIT("host"), BYTES_LIT("d"), 0);
    engine_fact_delete(e, BYTES_LIT("host"), 0);
    CU_ASSERT_EQUAL(engine_fact_get(e, BYTES_LIT("host"), &value), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(engine_fact_get(e, BYTES_LIT("other"), &value), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&value), "c"));
    CU_ASSERT_EQUAL(engine_fact_next(e, BYTES_LIT("log/"), BYTES_NONE, &name, &value), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&name), "log/1"));
    CU_ASSERT_EQUAL(engine_fact_next(e, BYTES_LIT("log/"), BYTES_LIT("log/1"), &name, &value),
                    ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&value), "b"));
    CU_ASSERT_EQUAL(engine_fact_next(e, BYTES_LIT("log/"), BYTES_LIT("log/2"), &name, &value),
                    ERR_NOT_FOUND);
    engine_free(e);
    store_close(s);
    buf_close(&name);
    buf_close(&value);
}

static void another_ring_is_refused(void)
{
    struct store *s = store_mem_new();
    struct engine_config config = {.seed = 1, .ring_ranges = 32};
    struct engine *e;
    struct errmsg msg;
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    engine_free(e);
    CU_ASSERT_EQUAL(engine_new(s, &config, &e, &msg), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(msg.text, "ring_ranges is 32"));
    store_close(s);
}

static void damage_is_not_served(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct scan_result r;
    struct scan scan = whole_table();
    struct dot dot = {{1, 1}, 1};
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    struct part p = one_row(&arena, "a", 1, dot);
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    store_mem_fail_reads(s, BYTES_LIT("d"), BYTES_LIT("e"), ERR_CORRUPT);
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_CORRUPT);
    engine_free(e);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    store_mem_fail_reads(s, BYTES_LIT("l"), BYTES_LIT("m"), ERR_CORRUPT);
    CU_ASSERT_TRUE(clock_empty(engine_clock(e, KEYSPACE, RANGE))); /* it claims nothing */
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_CORRUPT);
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

/* The dots whose entries the log gives, of all that the clock has. */
static void log_gives(struct engine *e, struct clock *ret)
{
    struct clock none, left, all, done;
    struct buf b;
    clock_init(&none);
    clock_init(&left);
    clock_init(&all);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    clock_copy(&all, engine_clock(e, KEYSPACE, RANGE));
    clock_copy(&left, &all);
    do { /* a call gives a bounded number */
        CU_ASSERT_EQUAL(engine_log_read(e, KEYSPACE, RANGE, &left, &all, SIZE_MAX / 2, &b, &done),
                        ERR_OK);
        clock_merge(ret, &done);
        struct clock rest;
        clock_init(&rest);
        clock_missing(&left, ret, &rest);
        clock_close(&left);
        left = rest;
    } while (!clock_empty(&done) && !clock_empty(&left));
    clock_close(&left);
    clock_close(&all);
    clock_close(&done);
    clock_close(&none);
    buf_close(&b);
}

/* Entries go from the journal into pieces, in any order of their dots, over restarts and power
 * cuts: what is durable is in the clock, and in the log once. */
static void the_log_keeps_what_is_durable(void)
{
    enum { ACTORS = 3, DOTS = 12000, CUTS = 2 };
    static uint64_t order[ACTORS * DOTS];
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct rng rng;
    struct clock written, durable, given;
    arena_init(&arena);
    rng_init(&rng, 5);
    clock_init(&written);
    clock_init(&durable);
    for (uint64_t i = 0; i < ACTORS * DOTS; i++) { /* nearly in order, as they come */
        uint64_t k = i - rng_below(&rng, i < 100 ? i + 1 : 100);
        order[i] = order[k];
        order[k] = i;
    }
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (uint64_t i = 0; i < ACTORS * DOTS; i++) {
        struct dot dot = {{1 + (uint32_t)(order[i] % ACTORS), 1}, order[i] / ACTORS + 1};
        struct part p = one_row(&arena, "a", (int64_t)i, dot);
        if (i % 1000 == 0)
            arena_reset(&arena);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
        clock_add(&written, dot);
        if (rng_below(&rng, 16) == 0)
            store_flush(s);
        if (rng_below(&rng, 64) == 0) {
            sync_all(s);
            clock_merge(&durable, &written);
        }
        if (i % (ACTORS * DOTS / CUTS) != 0)
            continue;
        clock_init(&given);
        log_gives(e, &given);
        CU_ASSERT_TRUE(clock_covers(&given, &durable)); /* before and after settling */
        engine_free(e);
        store_mem_crash(s, 0);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        CU_ASSERT_TRUE(clock_equal(engine_clock(e, KEYSPACE, RANGE), &durable));
        sync_all(s);
        clock_close(&given);
        log_gives(e, &given);
        CU_ASSERT_TRUE(clock_equal(&given, &durable));
        clock_close(&given);
        clock_close(&written);
        clock_copy(&written, &durable);
    }
    engine_free(e);
    clock_close(&written);
    clock_close(&durable);
    store_close(s);
    arena_close(&arena);
}

/* Nobody knows which dots it named: so no clock claims anything. */
static void a_damaged_journal_claims_nothing(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct dot dot = {{1, 1}, 1};
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    struct part p = one_row(&arena, "a", 1, dot);
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    sync_all(s);
    engine_free(e);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    store_mem_fail_reads(s, BYTES_LIT("j"), BYTES_LIT("k"), ERR_IO);
    CU_ASSERT_TRUE(clock_empty(engine_clock(e, KEYSPACE, RANGE)));
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_IO);
    store_mem_fail_reads(s, BYTES_NONE, BYTES_NONE, ERR_OK); /* it was the cable */
    CU_ASSERT_EQUAL(clock_count(engine_clock(e, KEYSPACE, RANGE)), 1);
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

/* What the journal had is on its way into the log, where it never comes: a clock without it would
 * lack what the disk has. A clock that was read before stays. */
static void a_failed_store_gives_no_clocks(void)
{
    for (int looked = 0; looked < 2; looked++) {
        struct store *s = store_mem_new();
        struct engine *e;
        struct arena arena;
        struct clock durable;
        struct dot dot = {{1, 1}, 1};
        range_no other = RANGE + 1;
        arena_init(&arena);
        clock_init(&durable);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        struct part p = one_row(&arena, "a", 1, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, other, &p, dot, NULL, 0), ERR_OK);
        sync_all(s);
        engine_free(e);
        store_mem_crash(s, SIZE_MAX);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        if (looked == 1)
            CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, other), ERR_OK);
        store_flush(s);
        store_mem_fail(s, 0, ERR_FULL, "no space left");
        CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, RANGE), ERR_IO);
        CU_ASSERT_TRUE(clock_empty(engine_clock(e, KEYSPACE, RANGE)));
        CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, other), looked == 1 ? ERR_OK : ERR_IO);
        CU_ASSERT_TRUE(engine_durable_clock(e, KEYSPACE, other, &durable));
        CU_ASSERT_EQUAL(clock_has(&durable, dot), looked == 1);
        CU_ASSERT_EQUAL(engine_stats(e).damaged, 0);
        engine_free(e);
        store_mem_crash(s, SIZE_MAX);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        CU_ASSERT_TRUE(clock_has(engine_clock(e, KEYSPACE, RANGE), dot));
        CU_ASSERT_TRUE(clock_has(engine_clock(e, KEYSPACE, other), dot));
        engine_free(e);
        store_close(s);
        clock_close(&durable);
        arena_close(&arena);
    }
}

CU_TestInfo restart_tests[] = {
    {"the clock is found again", the_clock_is_found_again},
    {"ranges are walked in order", ranges_are_walked_in_order},
    {"a pruned log keeps its clock", a_pruned_log_keeps_its_clock},
    {"a read collapses what it met", a_read_collapses_what_it_met},
    {"facts", facts},
    {"another ring is refused", another_ring_is_refused},
    {"damage is not served", damage_is_not_served},
    {"the log keeps what is durable", the_log_keeps_what_is_durable},
    {"a damaged journal claims nothing", a_damaged_journal_claims_nothing},
    {"a failed store gives no clocks", a_failed_store_gives_no_clocks},
    CU_TEST_INFO_NULL,
};
