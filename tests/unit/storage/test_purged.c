/* Bounds of what was dropped: never less than that, and seldom anything where nothing was. */
#include "engine_fixture.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>

#define FEW      20000u  /* partitions: less than there are buckets */
#define MANY     150000u /* more than can be told from each other */
#define FAR      (INT64_C(1) << 60)
#define MADE(i)  ((token)((i)*UINT64_C(0x9e3779b97f4a7c15)))
#define OTHER(i) MADE((i) + UINT64_C(1000000))

struct purged_fix {
    struct store *store;
    struct engine *engine;
    struct arena arena;
    uint64_t dots;
};

static void set_up(struct purged_fix *f)
{
    *f = (struct purged_fix){.store = store_mem_new()};
    arena_init(&f->arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(f->store, &f->engine), ERR_OK);
}

static void tear_down(struct purged_fix *f)
{
    engine_free(f->engine);
    store_close(f->store);
    arena_close(&f->arena);
}

static int64_t bound(struct purged_fix *f, token place)
{
    return engine_purged_bound(f->engine, TABLE, place);
}

static void delete_at(struct purged_fix *f, token place, int64_t timestamp)
{
    struct dot dot = {{9, 1}, ++f->dots};
    struct part p = one_row(&f->arena, "row", 1, dot);
    p.token = place;
    p.rows_count = 0;
    p.deletion = (struct tomb){timestamp, 1, dot};
    CU_ASSERT_EQUAL(engine_apply(f->engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    arena_reset(&f->arena);
}

static void drop_all(struct purged_fix *f)
{
    struct clock agreed;
    bool done = false;
    clock_init(&agreed);
    clock_copy(&agreed, engine_clock(f->engine, KEYSPACE, RANGE));
    while (!done)
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(f->engine, KEYSPACE, RANGE, &agreed, 1000, SIZE_MAX, &done), ERR_OK);
    clock_close(&agreed);
}

static unsigned others_with_a_bound(struct purged_fix *f)
{
    unsigned count = 0;
    for (uint64_t i = 0; i < FEW; i++)
        count += bound(f, OTHER(i)) != TIMESTAMP_NONE;
    return count;
}

/* Each has its own, whoever shares its bucket; also after a restart, and with who takes it over. */
static void a_bound_is_of_its_partition(void)
{
    struct purged_fix f, taker;
    struct buf list;
    set_up(&f);
    set_up(&taker);
    buf_init(&list, SIZE_MAX);
    for (uint64_t i = 0; i < FEW; i++)
        delete_at(&f, MADE(i), i % 2 == 0 ? FAR : (int64_t)i);
    drop_all(&f);
    CU_ASSERT(others_with_a_bound(&f) < FEW / 100);
    engine_free(f.engine);
    CU_ASSERT_EQUAL_FATAL(open_engine(f.store, &f.engine), ERR_OK);
    CU_ASSERT_EQUAL(engine_purged_list(f.engine, &list), ERR_OK);
    CU_ASSERT_EQUAL(engine_purged_take(taker.engine, buf_bytes(&list)), ERR_OK);
    CU_ASSERT(others_with_a_bound(&f) < FEW / 100);
    CU_ASSERT(others_with_a_bound(&taker) < FEW / 100);
    unsigned wrong = 0, more = 0;
    for (uint64_t i = 0; i < FEW; i++) {
        int64_t dropped = i % 2 == 0 ? FAR : (int64_t)i;
        wrong += bound(&f, MADE(i)) < dropped || bound(&taker, MADE(i)) < dropped;
        more += bound(&f, MADE(i)) > dropped || bound(&taker, MADE(i)) > dropped;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(more < FEW / 100);
    buf_close(&list);
    tear_down(&f);
    tear_down(&taker);
}

/* However many there are: what is told in common is not less than any of it. */
static void a_bound_is_never_too_low(void)
{
    struct purged_fix f;
    struct buf list;
    unsigned wrong = 0;
    set_up(&f);
    buf_init(&list, SIZE_MAX);
    for (uint64_t i = 0; i < MANY; i++) {
        delete_at(&f, MADE(i), 1 + (int64_t)(i * 7919 % MANY));
        if (i % 25000 == 24999)
            drop_all(&f);
    }
    for (uint64_t i = 0; i < MANY; i++)
        wrong += bound(&f, MADE(i)) < 1 + (int64_t)(i * 7919 % MANY);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(engine_purged_list(f.engine, &list), ERR_OK);
    CU_ASSERT(list.len < (size_t)8 << 20); /* it fits into a message */
    CU_ASSERT_EQUAL(engine_purged_take(f.engine, buf_bytes(&list)), ERR_OK);
    CU_ASSERT_EQUAL(engine_purged_take(f.engine, bytes_make(list.data, list.len - 1)),
                    ERR_MALFORMED);
    buf_close(&list);
    tear_down(&f);
}

CU_TestInfo purged_tests[] = {
    {"a bound is of its partition", a_bound_is_of_its_partition},
    {"a bound is never too low", a_bound_is_never_too_low},
    CU_TEST_INFO_NULL,
};
