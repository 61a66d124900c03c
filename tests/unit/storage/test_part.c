/* part: the join against a model that stores every event and tries everything; the codec. */
#include "gen.h"
#include "storage/part_private.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_MAX 24

static struct dot dot_of(uint64_t n)
{
    return (struct dot){{1 + (uint32_t)(n % 3), 1}, n};
}

/* Cut the events into parts, join these in random order with repetitions. */
static struct part join_randomly(struct rng *r, const struct event *events, size_t count,
                                 struct arena *arena)
{
    struct part pile[EVENTS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count;) {
        size_t take = 1 + (size_t)rng_below(r, 3);
        take = take > count - i ? count - i : take;
        pile[n++] = gen_part(&events[i], take, arena);
        i += take;
    }
    return gen_join(r, pile, n, arena);
}

static bool run_join(uint64_t seed, struct arena *arena)
{
    struct rng r;
    struct event events[EVENTS_MAX];
    rng_init(&r, seed);
    size_t count = 1 + (size_t)rng_below(&r, EVENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        events[i] = gen_event(&r, dot_of(i + 1));
        if (i > 0 && rng_chance(&r, 100000))
            events[i] = events[i - 1]; /* the same write twice */
    }
    struct part model = model_part(events, count, arena);
    struct part once = gen_part(events, count, arena);
    struct part joined = join_randomly(&r, events, count, arena);
    struct part again = join_randomly(&r, events, count, arena);
    struct part twice;
    part_merge(&joined, &again, arena, &twice);
    return parts_equal(&model, &once) && parts_equal(&model, &joined) &&
           parts_equal(&model, &again) && parts_equal(&model, &twice) && part_is_canonical(&joined);
}

static void join_equals_model(void)
{
    struct arena arena;
    arena_init(&arena);
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        bool good = run_join(seed, &arena);
        if (!good)
            fprintf(stderr, "part: join: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

/* have + lacks(have, want) = have + want, and nothing is sent that is there. */
static bool run_lacks(uint64_t seed, struct arena *arena)
{
    struct rng r;
    struct event events[EVENTS_MAX];
    struct part lack, both, repaired;
    rng_init(&r, seed);
    for (size_t i = 0; i < EVENTS_MAX; i++)
        events[i] = gen_event(&r, dot_of(i + 1));
    size_t split = (size_t)rng_below(&r, EVENTS_MAX - 1);
    size_t from = (size_t)rng_below(&r, split + 1);
    struct part have = gen_part(events, split + 1, arena);
    struct part want = gen_part(&events[from], EVENTS_MAX - from, arena);
    part_merge(&have, &want, arena, &both);
    if (!part_lacks(&have, &want, arena, &lack))
        return parts_equal(&have, &both);
    part_merge(&have, &lack, arena, &repaired);
    return parts_equal(&repaired, &both) && part_is_canonical(&lack) &&
           !part_lacks(&repaired, &want, arena, &lack);
}

static void lacks_is_the_difference(void)
{
    struct arena arena;
    arena_init(&arena);
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        bool good = run_lacks(seed, &arena);
        if (!good)
            fprintf(stderr, "part: lacks: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

static bool run_codec(uint64_t seed, struct arena *arena)
{
    struct rng r;
    struct event events[EVENTS_MAX];
    struct buf b;
    struct part got;
    rng_init(&r, seed);
    size_t count = 1 + (size_t)rng_below(&r, EVENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        events[i] = gen_event(&r, dot_of(i + 1));
        events[i].cell.timestamp *= rng_chance(&r, 500000) ? INT64_MAX / 12 : -1;
    }
    struct part p = gen_part(events, count, arena);
    buf_init(&b, SIZE_MAX);
    part_encode(&p, &b);
    bool good = part_decode(buf_bytes(&b), arena, &got) == ERR_OK && parts_equal(&p, &got);
    for (size_t cut = 0; cut < b.len; cut++)
        good = good && part_decode(bytes_make(b.data, cut), arena, &got) == ERR_MALFORMED;
    for (int i = 0; i < 30 && good; i++) { /* whatever it makes of this, it does not crash */
        uint8_t *at = &b.data[rng_below(&r, b.len)];
        uint8_t old = *at;
        *at = (uint8_t)rng_next(&r);
        if (part_decode(buf_bytes(&b), arena, &got) == ERR_OK)
            good = part_is_canonical(&got);
        *at = old;
    }
    buf_close(&b);
    return good;
}

static void codec_round_trip_and_malformed(void)
{
    struct arena arena;
    arena_init(&arena);
    for (uint64_t seed = 1; seed <= 400; seed++) {
        bool good = run_codec(seed, &arena);
        if (!good)
            fprintf(stderr, "part: codec: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

static struct cell cell_of(enum cell_kind kind, int64_t timestamp, int64_t time_s,
                           const char *value)
{
    return (struct cell){.column = 1,
                         .kind = kind,
                         .timestamp = timestamp,
                         .time_s = time_s,
                         .value = bytes_text(value),
                         .ttl = kind == CELL_EXPIRING ? 10 : 0,
                         .dot = {{1, 1}, 1}};
}

/* Ascending: each wins over all before it. */
static void the_order_of_cells(void)
{
    struct cell order[] = {
        cell_of(CELL_TOMBSTONE, 1, 900, ""), cell_of(CELL_LIVE, 2, 0, ""),
        cell_of(CELL_LIVE, 2, 0, "a"),       cell_of(CELL_LIVE, 2, 0, "a\x80"),
        cell_of(CELL_LIVE, 2, 0, "b"),       cell_of(CELL_EXPIRING, 2, 100, "z"),
        cell_of(CELL_EXPIRING, 2, 200, "a"), cell_of(CELL_EXPIRING, 2, 200, "b"),
        cell_of(CELL_TOMBSTONE, 2, 50, ""),  cell_of(CELL_TOMBSTONE, 2, 60, ""),
        cell_of(CELL_LIVE, 3, 0, ""),
    };
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        for (size_t k = 0; k < ARRAY_LEN(order); k++)
            CU_ASSERT_EQUAL(cell_wins(&order[i], &order[k]), i > k);
    }
    struct cell later = order[4];
    later.dot.n = 2;
    CU_ASSERT_TRUE(cell_wins(&later, &order[4]));
    CU_ASSERT_FALSE(cell_wins(&order[4], &later));
}

static void digest_sees_expired_as_deleted(void)
{
    struct arena arena;
    struct digest a, b, before;
    struct event e = {.kind = EVENT_CELL, .row = BYTES_LIT("a")};
    arena_init(&arena);
    e.cell = cell_of(CELL_EXPIRING, 5, 100, "v");
    struct part expiring = gen_part(&e, 1, &arena);
    e.cell = cell_of(CELL_TOMBSTONE, 5, 100, "");
    struct part dead = gen_part(&e, 1, &arena);
    part_digest(&expiring, 99, &before);
    part_digest(&expiring, 100, &a);
    part_digest(&dead, 100, &b);
    CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(&a, &before, sizeof a), 0);
    CU_ASSERT_TRUE(row_is_live(&expiring.rows[0], 99));
    CU_ASSERT_FALSE(row_is_live(&expiring.rows[0], 100));
    arena_close(&arena);
}

static void one_dot_is_stored_once(void)
{
    struct arena arena;
    struct event events[19];
    struct buf b;
    arena_init(&arena);
    buf_init(&b, SIZE_MAX);
    for (uint32_t i = 0; i < ARRAY_LEN(events); i++) {
        events[i] = (struct event){.kind = EVENT_CELL, .row = BYTES_LIT("a")};
        events[i].cell = cell_of(CELL_LIVE, 1700000000000000, 0, "v");
        events[i].cell.column = i;
    }
    struct part p = gen_part(events, ARRAY_LEN(events), &arena);
    part_encode(&p, &b);
    CU_ASSERT_TRUE(b.len < 40 + 4 * ARRAY_LEN(events)); /* column, flags, length, one byte each */
    buf_close(&b);
    arena_close(&arena);
}

static bool is_of(const struct event *events, size_t count, const struct version *v)
{
    for (size_t i = 0; i < count; i++) {
        bool cell = events[i].kind == EVENT_CELL || events[i].kind == EVENT_STATIC;
        int64_t timestamp = cell ? events[i].cell.timestamp : events[i].tomb.timestamp;
        struct dot dot = cell ? events[i].cell.dot : events[i].tomb.dot;
        if (timestamp == v->timestamp && dot_compare(dot, v->dot) == 0)
            return true;
    }
    return false;
}

/* Of whatever kind it is; and of several parts the newest of all. */
static void the_newest_is_the_write_with_the_largest_timestamp(void)
{
    struct arena arena;
    struct event events[EVENTS_MAX];
    struct rng r;
    arena_init(&arena);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct version all = {.timestamp = TIMESTAMP_NONE}, each = all;
        rng_init(&r, seed);
        size_t count = 1 + (size_t)rng_below(&r, EVENTS_MAX);
        for (size_t i = 0; i < count; i++) {
            events[i] = gen_event(&r, dot_of(i + 1));
            struct part one = gen_part(&events[i], 1, &arena);
            part_newest(&one, &each);
        }
        struct part p = gen_part(events, count, &arena);
        part_newest(&p, &all);
        CU_ASSERT_EQUAL(all.timestamp, part_max_timestamp(&p));
        CU_ASSERT_EQUAL(all.timestamp, each.timestamp);
        CU_ASSERT(is_of(events, count, &all));
        CU_ASSERT(is_of(events, count, &each) && dot_compare(each.dot, all.dot) >= 0);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

CU_TestInfo part_tests[] = {
    {"the order of cells is Cassandra's", the_order_of_cells},
    {"joins in any order equal the model", join_equals_model},
    {"lacks is the difference", lacks_is_the_difference},
    {"codec round trip and malformed bytes", codec_round_trip_and_malformed},
    {"the digest sees expired cells as deleted", digest_sees_expired_as_deleted},
    {"one dot and timestamp are stored once", one_dot_is_stored_once},
    {"the newest is the write with the largest timestamp",
     the_newest_is_the_write_with_the_largest_timestamp},
    CU_TEST_INFO_NULL,
};
