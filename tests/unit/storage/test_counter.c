/* counter: the sum of increments, each there once, whatever comes how often in which order. */
#include "base/mem.h"
#include "base/rng.h"
#include "storage/counter.h"
#include "storage/part_private.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_MAX 24

static struct part part_of(const struct cell *cells, size_t count, struct arena *arena)
{
    struct row *row = arena_new(arena, struct row);
    row->deletion = TOMB_NONE;
    row->cells = arena_array(arena, struct cell, count);
    memcpy(row->cells, cells, count * sizeof *cells);
    row->cells_count = count;
    struct part p = {.table = 1, .deletion = TOMB_NONE, .rows = row, .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    part_normalise(&p, arena);
    return p;
}

static int64_t value_of(const struct part *p, struct arena *arena)
{
    struct cell sum;
    if (p->rows_count == 0 || !counter_read(p->rows->cells, p->rows->cells_count, 0, arena, &sum))
        return INT64_MIN;
    return (int64_t)load_u64(sum.value.data);
}

static struct cell increment(uint64_t request, int64_t delta, int64_t timestamp, uint64_t n,
                             struct arena *arena)
{
    uint8_t id[COUNTER_ID_SIZE];
    uint8_t name[8];
    store_u64(name, request);
    counter_id(bytes_make(name, sizeof name), id);
    struct cell c = counter_increment(3, id, delta, timestamp, arena);
    c.dot = (struct dot){{1 + (uint32_t)(n % 3), 1}, n};
    return c;
}

/* A request that two replicas took without knowing of each other counts once. */
static void same_request_counts_once(void)
{
    struct arena arena;
    arena_init(&arena);
    struct cell a = increment(7, 5, 100, 1, &arena);
    struct cell b = increment(7, 5, 130, 2, &arena);
    struct cell c = increment(8, -2, 110, 3, &arena);
    struct part pa = part_of(&a, 1, &arena);
    struct part pb = part_of(&b, 1, &arena);
    struct part pc = part_of(&c, 1, &arena);
    CU_ASSERT_EQUAL(value_of(&pa, &arena), 5);
    part_merge(&pa, &pb, &arena, &pa);
    CU_ASSERT_EQUAL(value_of(&pa, &arena), 5);
    part_merge(&pc, &pa, &arena, &pc);
    CU_ASSERT_EQUAL(value_of(&pc, &arena), 3);
    arena_close(&arena);
}

/* The base stands for what is not newer, also for what comes after it. */
static void base_stands_for_the_old(void)
{
    struct arena arena;
    arena_init(&arena);
    struct cell cells[3] = {increment(1, 5, 100, 1, &arena), increment(2, 6, 200, 2, &arena),
                            increment(3, 7, 300, 3, &arena)};
    struct part late = part_of(&cells[0], 1, &arena);
    struct cell base;
    CU_ASSERT_TRUE(counter_read(cells, 2, 0, &arena, &base));
    CU_ASSERT_EQUAL(base.timestamp, 200);
    struct part p = part_of(&base, 1, &arena);
    CU_ASSERT_EQUAL(value_of(&p, &arena), 11);
    part_merge(&p, &late, &arena, &p);
    CU_ASSERT_EQUAL(value_of(&p, &arena), 11);
    struct part young = part_of(&cells[2], 1, &arena);
    part_merge(&young, &p, &arena, &p);
    CU_ASSERT_EQUAL(value_of(&p, &arena), 18);
    arena_close(&arena);
}

static void numbers_wrap_around(void)
{
    struct arena arena;
    arena_init(&arena);
    struct cell cells[2] = {increment(1, INT64_MAX, 100, 1, &arena),
                            increment(2, 1, 101, 2, &arena)};
    struct part p = part_of(cells, 2, &arena);
    CU_ASSERT_EQUAL(value_of(&p, &arena), INT64_MIN);
    arena_close(&arena);
}

/* Any bytes of a peer in the place of numbers: nothing but not counted. */
static void odd_values_do_not_count(void)
{
    struct arena arena;
    arena_init(&arena);
    struct cell cells[2] = {increment(1, 5, 100, 1, &arena), increment(2, 1, 101, 2, &arena)};
    cells[1].value = BYTES_LIT("abc");
    struct part p = part_of(cells, 2, &arena);
    CU_ASSERT_EQUAL(value_of(&p, &arena), 5);
    CU_ASSERT_FALSE(cell_is_increment(&cells[1]));
    arena_close(&arena);
}

/* Requests, some sent twice to other replicas, in pieces that are merged in any order: the sum of
 * the different ones that no deletion covers. */
static bool run_random(uint64_t seed)
{
    struct rng r;
    struct arena arena;
    int64_t delta[EVENTS_MAX];
    int64_t newest[EVENTS_MAX] = {0};
    struct part all;
    uint64_t expect = 0;
    bool live = false;
    rng_init(&r, seed);
    arena_init(&arena);
    size_t requests = 1 + (size_t)rng_below(&r, EVENTS_MAX / 2);
    int64_t deleted = rng_chance(&r, 300000) ? (int64_t)rng_below(&r, 200) : 0;
    for (size_t i = 0; i < requests; i++)
        delta[i] = (int64_t)rng_below(&r, 100) - 50;
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        size_t request = i < requests ? i : (size_t)rng_below(&r, requests);
        int64_t at = 1 + (int64_t)rng_below(&r, 200);
        struct cell c = increment(request, delta[request], at, i + 1, &arena);
        struct part p = part_of(&c, 1, &arena);
        if (at > newest[request])
            newest[request] = at;
        if (i == 0)
            all = p;
        else if (rng_chance(&r, 500000))
            part_merge(&all, &p, &arena, &all);
        else
            part_merge(&p, &all, &arena, &all);
        if (i == EVENTS_MAX / 2 && deleted > 0) {
            struct part gone = part_of(&c, 1, &arena);
            gone.rows_count = 0;
            gone.deletion = (struct tomb){deleted, 0, {{9, 1}, 1}};
            part_merge(&all, &gone, &arena, &all);
        }
    }
    for (size_t i = 0; i < requests; i++) {
        live |= newest[i] > deleted;
        expect += newest[i] > deleted ? (uint64_t)delta[i] : 0;
    }
    bool good =
        part_is_canonical(&all) && value_of(&all, &arena) == (live ? (int64_t)expect : INT64_MIN);
    arena_close(&arena);
    return good;
}

static void any_order_is_one_sum(void)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        bool good = run_random(seed);
        if (!good)
            fprintf(stderr, "counter: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

CU_TestInfo counter_tests[] = {
    {"a request that was taken twice counts once", same_request_counts_once},
    {"a base stands for what is not newer", base_stands_for_the_old},
    {"numbers wrap around", numbers_wrap_around},
    {"odd values do not count", odd_values_do_not_count},
    {"any order of merging gives one sum", any_order_is_one_sum},
    CU_TEST_INFO_NULL,
};
