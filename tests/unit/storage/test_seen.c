/* What a session has seen: random additions against a table that remembers everything, tokens that
 * are cut or turned over, what falls out when there is too much. */
#include "base/rng.h"
#include "storage/clock.h"
#include "storage/engine.h"
#include "storage/seen.h"
#include "storage/store_mem.h"
#include "unit/storage/engine_fixture.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define PLACES 5
#define ACTORS 4

static struct arena arena;

static bool codec_works(const struct seen *s)
{
    struct buf out;
    struct seen again;
    buf_init(&out, SEEN_BYTES_MAX);
    seen_encode(s, &out);
    bool good = buf_finish(&out) == ERR_OK &&
                seen_decode(buf_bytes(&out), &arena, &again) == ERR_OK &&
                again.time_us == s->time_us && again.floor == s->floor && again.count == s->count;
    for (size_t i = 0; i < s->count && good; i++)
        good = again.items[i].keyspace == s->items[i].keyspace &&
               again.items[i].range == s->items[i].range && again.items[i].n == s->items[i].n &&
               again.items[i].quorum == s->items[i].quorum &&
               actor_compare(again.items[i].actor, s->items[i].actor) == 0;
    buf_close(&out);
    return good;
}

static void random_against_table(void)
{
    uint64_t seed = 1;
    for (; seed <= 300; seed++) {
        struct rng r;
        struct seen s[2] = {{0}, {0}};
        uint64_t table[PLACES][ACTORS] = {{0}};
        bool good = true;
        rng_init(&r, seed);
        for (int i = 0; i < 60; i++) {
            uint32_t place = (uint32_t)rng_below(&r, PLACES),
                     actor = (uint32_t)rng_below(&r, ACTORS);
            struct seen_entry e = {place / 2,
                                   place % 2,
                                   {actor / 2 + 1, actor % 2 + 1},
                                   1 + rng_below(&r, 50),
                                   rng_chance(&r, 500000)};
            seen_note(&s[rng_below(&r, 2)], &arena, e);
            if (e.n > table[place][actor])
                table[place][actor] = e.n;
        }
        s[0].time_us = (int64_t)rng_below(&r, 1000);
        s[1].time_us = (int64_t)rng_below(&r, 1000);
        int64_t later = s[0].time_us > s[1].time_us ? s[0].time_us : s[1].time_us;
        seen_merge(&s[0], &arena, &s[1]);
        good = s[0].time_us == later && codec_works(&s[0]);
        for (uint32_t place = 0; place < PLACES; place++) {
            struct clock need;
            uint64_t all = 0;
            clock_init(&need);
            bool any = seen_need(&s[0], place / 2, place % 2, &need);
            for (uint32_t a = 0; a < ACTORS; a++) {
                struct actor actor = {a / 2 + 1, a % 2 + 1};
                good = good && clock_top(&need, actor) == table[place][a];
                all += table[place][a];
            }
            good = good && any == (all > 0) && clock_count(&need) == all;
            clock_close(&need);
        }
        if (!good)
            break;
    }
    if (seed <= 300)
        printf("seed %llu\n", (unsigned long long)seed);
    CU_ASSERT_EQUAL(seed, 301);
    arena_close(&arena);
    arena = (struct arena){0};
}

static struct seen_entry entry(uint32_t range, uint64_t n, bool quorum)
{
    return (struct seen_entry){1, range, {1, 1}, n, quorum};
}

/* The one that was not raised for the longest time goes; reads are raised to what finds it. */
static void too_much(void)
{
    struct seen s = {0};
    struct clock need;
    for (uint32_t i = 0; i < SEEN_ENTRIES_MAX; i++)
        seen_note(&s, &arena, entry(i, 1, i > 1));
    seen_note(&s, &arena, entry(0, 2, true)); /* is now the youngest; of 1 there was no quorum */
    CU_ASSERT_EQUAL(s.floor, SEEN_ANY);
    CU_ASSERT_EQUAL(s.count, SEEN_ENTRIES_MAX);
    CU_ASSERT_FALSE(s.items[s.count - 1].quorum);
    CU_ASSERT_TRUE(codec_works(&s));
    seen_note(&s, &arena, entry(1000, 7, true)); /* range 1 goes: no quorum has it */
    CU_ASSERT_EQUAL(s.floor, SEEN_ALL);
    s.floor = SEEN_ANY;
    seen_note(&s, &arena, entry(1001, 7, true));
    CU_ASSERT_EQUAL(s.floor, SEEN_QUORUM);
    CU_ASSERT_EQUAL(s.count, SEEN_ENTRIES_MAX);
    clock_init(&need);
    CU_ASSERT_FALSE(seen_need(&s, 1, 2, &need));
    CU_ASSERT_TRUE(seen_need(&s, 1, 1000, &need));
    clock_close(&need);
    arena_close(&arena);
    arena = (struct arena){0};
}

/* Of a token that is as long as can be, no part and nothing with a bit turned is one. */
static void mangled(void)
{
    struct seen s = {.time_us = INT64_MAX, .floor = SEEN_ALL}, ret;
    struct buf out;
    size_t taken = 0;
    buf_init(&out, SEEN_BYTES_MAX);
    for (uint32_t i = 0; i < SEEN_ENTRIES_MAX; i++)
        seen_note(&s, &arena,
                  (struct seen_entry){
                      UINT32_MAX, UINT32_MAX - i, {UINT32_MAX, UINT32_MAX}, DOT_N_MAX, true});
    seen_encode(&s, &out);
    CU_ASSERT_EQUAL(buf_finish(&out), ERR_OK);
    CU_ASSERT_TRUE(codec_works(&s));
    for (size_t len = 0; len < out.len; len++)
        taken += seen_decode(bytes_make(out.data, len), &arena, &ret) == ERR_OK;
    for (size_t bit = 0; bit < out.len * 8; bit += 5) {
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        taken += seen_decode(buf_bytes(&out), &arena, &ret) == ERR_OK;
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CU_ASSERT_EQUAL(taken, 0);
    buf_close(&out);
    arena_close(&arena);
    arena = (struct arena){0};
}

static struct tomb tomb(uint64_t n)
{
    return (struct tomb){10, 1, {{9, 1}, n}};
}

/* Each kind of deletion and of cell counts, and those of several actors do. */
static void dots_of_a_part(void)
{
    struct cell cells[] = {{.column = 1, .dot = {{1, 1}, 5}},
                           {.column = 2, .kind = CELL_TOMBSTONE, .dot = {{2, 1}, 6}}};
    struct row row = {.cells = cells, .cells_count = 2, .deletion = TOMB_NONE};
    struct range_tomb range = {.tomb = TOMB_NONE};
    for (int i = 0; i < 6; i++) {
        struct part p = {.deletion = TOMB_NONE, .rows = &row, .rows_count = 1};
        struct seen s = {0};
        struct clock need;
        struct row copy = row;
        clock_init(&need);
        p.static_row = (struct row){.deletion = TOMB_NONE};
        p.rows = &copy;
        if (i == 1)
            p.deletion = tomb(7);
        if (i == 2) {
            range.tomb = tomb(7);
            p.tombs = &range;
            p.tombs_count = 1;
        }
        if (i == 3)
            copy.deletion = tomb(7);
        if (i == 4) {
            p.has_static = true;
            p.static_row.deletion = tomb(7);
        }
        seen_add_part(&s, &arena, 3, 4, &p);
        CU_ASSERT_TRUE(seen_need(&s, 3, 4, &need));
        CU_ASSERT_EQUAL(clock_top(&need, (struct actor){1, 1}), 5);
        CU_ASSERT_EQUAL(clock_top(&need, (struct actor){2, 1}), 6);
        CU_ASSERT_EQUAL(clock_top(&need, (struct actor){9, 1}), i >= 1 && i <= 4 ? 7 : 0);
        CU_ASSERT_FALSE(seen_need(&s, 3, 5, &need));
        clock_close(&need);
    }
    arena_close(&arena);
    arena = (struct arena){0};
}

/* An engine has a dot when it is durable; before that it has it young. */
static void what_an_engine_has(void)
{
    struct store *store = store_mem_new();
    struct engine *e;
    struct clock need;
    struct dot dot = {{1, 1}, 1};
    CU_ASSERT_EQUAL_FATAL(open_engine(store, &e), ERR_OK);
    clock_init(&need);
    clock_add(&need, dot);
    CU_ASSERT_EQUAL(engine_has(e, KEYSPACE, RANGE, &need), ENGINE_LACKS);
    for (uint64_t n = 1; n <= 3; n++) {
        struct part p = one_row(&arena, "a", 5, (struct dot){{1, 1}, n});
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, (struct dot){{1, 1}, n}, NULL, n),
                        ERR_OK);
        CU_ASSERT_EQUAL(engine_has(e, KEYSPACE, RANGE, &need),
                        n == 1 ? ENGINE_HAS_YOUNG : ENGINE_HAS);
        if (n == 1)
            sync_all(store);
    }
    clock_add_run(&need, (struct actor){1, 1}, 1, 3);
    CU_ASSERT_EQUAL(engine_has(e, KEYSPACE, RANGE, &need), ENGINE_HAS_YOUNG);
    store_flush(store);
    CU_ASSERT_EQUAL(engine_has(e, KEYSPACE, RANGE, &need), ENGINE_HAS_YOUNG);
    sync_all(store);
    CU_ASSERT_EQUAL(engine_has(e, KEYSPACE, RANGE, &need), ENGINE_HAS);
    clock_add(&need, (struct dot){{2, 1}, 1});
    CU_ASSERT_EQUAL(engine_has(e, KEYSPACE, RANGE, &need), ENGINE_LACKS);
    clock_close(&need);
    engine_free(e);
    store_close(store);
    arena_close(&arena);
    arena = (struct arena){0};
}

CU_TestInfo seen_tests[] = {
    {"random additions against a table", random_against_table},
    {"too much of it", too_much},
    {"tokens that are cut or turned over", mangled},
    {"the dots of a part", dots_of_a_part},
    {"what an engine has, and durably", what_an_engine_has},
    CU_TEST_INFO_NULL,
};
