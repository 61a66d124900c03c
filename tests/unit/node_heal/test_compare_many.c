/* Many ranges compared with one peer: what is equal costs some bytes, what is not a session. */
#include "compare_world.h"

#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

static const struct heal_comparisons everything = {.peer = 2, .keyspace = KEYSPACE};

void compare_many_setup(void);
void compare_many_teardown(void);

void compare_many_setup(void)
{
    compare_setup();
}

void compare_many_teardown(void)
{
    compare_teardown();
}

/* Node 1 compares all with node 2. */
static const struct heal_figures *compare_all(const struct heal_comparisons *what)
{
    uint64_t before = f.node[0].compared_all;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, what));
    perform(1);
    for (int i = 0; i < 3000 && f.node[0].compared_all == before; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL_FATAL(f.node[0].compared_all, before + 1);
    return &f.node[0].all_figures;
}

static void fill_all(unsigned rows)
{
    for (compare_in = 0; compare_in < RANGES; compare_in++)
        fill(rows);
    compare_in = RANGE;
}

static void what_differs_gets_a_session(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct rng rng;
        unsigned planted[RANGES] = {0}, all = 0, ranges = 0;
        rng_init(&rng, seed);
        begin_anew();
        fill_all(60);
        for (unsigned i = 0; i < 3 * seed; i++) {
            compare_in = (range_no)rng_below(&rng, RANGES);
            plant(1 + (node_no)rng_below(&rng, 2), 4 * planted[compare_in]++, 20);
        }
        sync_all();
        const struct heal_figures *g = compare_all(&everything);
        struct heal_stats stats = heal_stats(f.node[0].heal);
        CU_ASSERT_EQUAL(stats.bytes_asked.search, g->bytes_search);
        CU_ASSERT_EQUAL(stats.bytes_asked.received, g->bytes_received);
        CU_ASSERT_EQUAL(stats.bytes_asked.sent, g->bytes_sent);
        CU_ASSERT(stats.bytes_asked.search > 0 && stats.bytes_rounds.search == 0);
        CU_ASSERT_EQUAL(f.node[0].all_err, ERR_OK);
        CU_ASSERT_EQUAL(f.node[0].all_ranges, RANGES);
        CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
        for (size_t i = 0; i < RANGES; i++) {
            all += planted[i];
            ranges += planted[i] > 0;
            CU_ASSERT_EQUAL(f.node[0].compared_ranges[i], 1);
            CU_ASSERT_EQUAL(f.node[0].compared_errs[i], ERR_OK);
            CU_ASSERT_EQUAL(f.node[0].compared_figures[i].equal, planted[i] == 0);
            CU_ASSERT_EQUAL(f.node[0].compared_figures[i].rows_different, planted[i]);
        }
        CU_ASSERT_EQUAL(g->rows_different, all);
        CU_ASSERT_EQUAL(f.node[0].all_equal, RANGES - ranges);
        CU_ASSERT(rows_are_equal());
        CU_ASSERT(compare_all(&everything)->equal);
    }
}

static size_t bytes_crossed(void)
{
    size_t all = 0;
    for (int i = WIRE_COMPARE_OPEN; i <= WIRE_COMPARE_ROOTS_TOLD; i++)
        all += f.bytes_sent[i];
    return all;
}

/* A pair of nodes has all ranges of a ring in common: a thousand of them, with some rows each. */
static void a_thousand_equal_ranges_cost_some_kilobytes(void)
{
    compare_teardown();
    three_ranges = MOST;
    compare_setup();
    for (compare_in = 0; compare_in < MOST; compare_in++) {
        for (unsigned i = 0; i < 3; i++)
            put_both(i, 10);
    }
    sync_all();
    CU_ASSERT(compare_all(&everything)->equal); /* which builds the trees */
    size_t before = bytes_crossed();
    uint64_t read = engine_stats(f.node[0].engine).fragments_read +
                    engine_stats(f.node[1].engine).fragments_read;
    const struct heal_figures *g = compare_all(&everything);
    CU_ASSERT(g->equal);
    CU_ASSERT_EQUAL(f.node[0].all_ranges, MOST);
    CU_ASSERT_EQUAL(f.node[0].all_equal, MOST);
    CU_ASSERT_EQUAL(g->rows, 3 * MOST);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_OPEN], 0);
    CU_ASSERT(bytes_crossed() - before < 13000);
    CU_ASSERT(g->bytes_search >= bytes_crossed() - before);
    CU_ASSERT(g->messages <= 2 * MOST / 128);
    CU_ASSERT(g->us < USEC_PER_SEC);
    CU_ASSERT_EQUAL(engine_stats(f.node[0].engine).fragments_read +
                        engine_stats(f.node[1].engine).fragments_read,
                    read);
    for (size_t i = 0; i < MOST; i++) {
        CU_ASSERT_EQUAL(f.node[0].compared_ranges[i], 2);
        CU_ASSERT(f.node[0].compared_figures[i].equal && f.node[0].compared_figures[i].proved);
    }
    three_ranges = 0;
}

/* What a power cut may take is equal, and not proved. */
static void what_is_young_is_not_proved(void)
{
    for (size_t stuck = 0; stuck < 2; stuck++) {
        begin_anew();
        fill_all(10);
        f.node[stuck].stuck = true;
        compare_in = 3;
        put_both(50, 20);
        compare_all(&everything);
        for (size_t i = 0; i < RANGES; i++) {
            CU_ASSERT(f.node[0].compared_figures[i].equal);
            CU_ASSERT_EQUAL(f.node[0].compared_figures[i].proved, i != 3);
        }
        compare_in = RANGE;
        f.node[stuck].stuck = false;
        sync_all();
        compare_all(&everything);
        CU_ASSERT(f.node[0].compared_figures[3].proved);
    }
}

/* A write is on its way in some ranges: these get sessions, which find no difference. */
static void writes_on_their_way_cost_a_session(void)
{
    fill_all(40);
    for (compare_in = 0; compare_in < RANGES; compare_in += 5) {
        struct dot dot = next_dot(1);
        struct part p = part_of(7, 50, CELL_LIVE, "on its way", dot);
        apply(1, &p, dot);
    }
    compare_in = RANGE;
    sync_all();
    const struct heal_figures *g = compare_all(&everything);
    CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
    CU_ASSERT_EQUAL(f.node[0].all_equal, RANGES - 4);
    CU_ASSERT_EQUAL(g->rows_different, 0);
    for (size_t i = 0; i < RANGES; i++)
        CU_ASSERT(f.node[0].compared_figures[i].proved);
}

static void a_silent_peer_ends_it(void)
{
    fill_all(10);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = true;
    compare_all(&everything);
    CU_ASSERT_EQUAL(f.node[0].all_err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(f.node[0].all_ranges, 0);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = false;
    CU_ASSERT(compare_all(&everything)->equal);
}

/* So much is to be read there that the answer comes in parts. */
static void a_slow_peer_answers_in_parts(void)
{
    struct heal_comparisons what = everything;
    what.gentle = true;
    three_scrub_rows = 1000;
    begin_anew();
    three_scrub_rows = 0;
    fill_all(300); /* about five seconds */
    compare_all(&what);
    CU_ASSERT_EQUAL(f.node[0].all_err, ERR_OK);
    CU_ASSERT_EQUAL(f.node[0].all_equal, RANGES);
    CU_ASSERT(f.sent[WIRE_COMPARE_ROOTS] >= 2 && f.sent[WIRE_COMPARE_ROOTS] <= 4);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_ROOTS_TOLD], f.sent[WIRE_COMPARE_ROOTS]);
    CU_ASSERT(f.node[0].all_figures.us > 4 * USEC_PER_SEC);
}

static void all_of_all_is_read_again(void)
{
    struct heal_comparisons what = everything;
    what.full = true;
    fill_all(30);
    compare_all(&everything);
    uint64_t read = engine_stats(f.node[1].engine).fragments_read;
    CU_ASSERT(compare_all(&what)->equal);
    CU_ASSERT_EQUAL(f.node[0].all_equal, RANGES);
    CU_ASSERT(engine_stats(f.node[1].engine).fragments_read >= read + 30 * RANGES);
}

/* However many are planted, so many are told. */
static void figures_say_what_was_planted(void)
{
    static const unsigned counts[] = {1, 10, 1000};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        begin_anew();
        fill(2000);
        compare_all(&everything);
        for (unsigned k = 0; k < counts[i]; k++)
            plant(1 + k % 2, 2 * k, 20);
        sync_all();
        const struct heal_figures *g = compare_all(&everything);
        CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
        CU_ASSERT_EQUAL(g->rows_different, counts[i]);
        CU_ASSERT_EQUAL(f.node[0].compared_figures[RANGE].rows_different, counts[i]);
        CU_ASSERT_EQUAL(g->doubtful, counts[i]);
        CU_ASSERT(f.node[0].compared_figures[RANGE].proved);
        CU_ASSERT(rows_are_equal());
        CU_ASSERT(compare_all(&everything)->equal);
    }
}

/* Each mends what the other one is mending. */
static void both_begin_at_once(void)
{
    struct heal_comparisons back = everything;
    back.peer = 1;
    fill_all(50);
    for (compare_in = 0; compare_in < RANGES; compare_in++) {
        for (unsigned k = 0; k < 5; k++)
            plant(1 + k % 2, 7 * k, 20);
    }
    compare_in = RANGE;
    sync_all();
    CU_ASSERT(heal_compare_ranges(f.node[1].heal, f.now, 9, &back));
    compare_all(&everything);
    for (int i = 0; i < 100 && f.node[1].compared_all == 0; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL(f.node[1].compared_all, 1);
    CU_ASSERT_EQUAL(f.node[0].all_failed + f.node[1].all_failed, 0);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(compare_all(&everything)->equal);
}

/* The ring is another one in the middle: what was not compared says so, and goes on under the new
 * one. */
static void another_ring_in_the_middle(void)
{
    fill_all(50);
    for (compare_in = 0; compare_in < RANGES; compare_in++)
        plant(1, 7, 20);
    compare_in = RANGE;
    sync_all();
    CU_ASSERT(heal_compare_ranges(f.node[0].heal, f.now, 8, &everything));
    while (f.sent[WIRE_COMPARE_TELL] < 3) {
        f.now.mono += USEC_PER_MS;
        for (size_t i = 0; i < 2; i++)
            heal_deadline(f.node[i].heal, f.now);
        perform(1);
        perform(2);
        deliver();
    }
    for (size_t i = 0; i < NODES; i++)
        cluster_set_ring_epoch(f.node[i].cluster, 9);
    for (int i = 0; i < 300 && f.node[0].compared_all == 0; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL(f.node[0].compared_all, 1);
    CU_ASSERT_EQUAL(f.node[0].all_ranges, RANGES);
    CU_ASSERT(f.node[0].all_failed > 0 && f.node[0].all_failed <= 8);
    compare_all(&everything);
    CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
    CU_ASSERT(rows_are_equal());
}

static void who_goes_away_ends_it(void)
{
    fill_all(20);
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, &everything));
    heal_deadline(f.node[0].heal, f.now);
    perform(1);
    heal_peer_lost(f.node[0].heal, f.now, 2);
    perform(1);
    CU_ASSERT_EQUAL(f.node[0].compared_all, 1);
    CU_ASSERT_EQUAL(f.node[0].all_err, ERR_UNAVAILABLE);
    CU_ASSERT(f.node[0].all_ranges < RANGES);
    CU_ASSERT(compare_all(&everything)->equal);
    CU_ASSERT_EQUAL(f.node[0].all_ranges, RANGES);
}

static void it_can_be_stopped(void)
{
    fill_all(20);
    for (uint64_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++)
        CU_ASSERT(heal_compare_ranges(f.node[0].heal, f.now, 10 + i, &everything));
    CU_ASSERT_FALSE(heal_compare_ranges(f.node[0].heal, f.now, 9, &everything));
    heal_deadline(f.node[0].heal, f.now);
    for (uint64_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++)
        heal_compare_stop(f.node[0].heal, f.now, 10 + i);
    perform(1);
    CU_ASSERT_EQUAL(f.node[0].compared_all, HEAL_COMPARE_MANY_MAX);
    CU_ASSERT_EQUAL(f.node[0].all_err, ERR_CLOSED);
    settle();
    CU_ASSERT(compare_all(&everything)->equal);
}

static void what_is_not_shared_fails_alone(void)
{
    range_no ranges[] = {1, 2};
    struct heal_comparisons what = everything;
    what.ranges = ranges;
    what.ranges_count = 2;
    fill_all(20);
    compare_all(&what);
    CU_ASSERT_EQUAL(f.node[0].all_ranges, 2);
    CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
    cluster_set_ring_epoch(f.node[1].cluster, 9);
    compare_all(&what);
    CU_ASSERT_EQUAL(f.node[0].all_err, ERR_OK);
    CU_ASSERT_EQUAL(f.node[0].all_ranges, 2);
    CU_ASSERT_EQUAL(f.node[0].all_failed, 2);
    CU_ASSERT_EQUAL(f.node[0].compared_errs[1], ERR_STALE);
    what.peer = 9;
    compare_all(&what);
    CU_ASSERT_EQUAL(f.node[0].compared_errs[2], ERR_UNAVAILABLE);
}

CU_TestInfo compare_many_tests[] = {
    {"what differs gets a session", what_differs_gets_a_session},
    {"a thousand equal ranges cost some kilobytes", a_thousand_equal_ranges_cost_some_kilobytes},
    {"what is young is not proved", what_is_young_is_not_proved},
    {"writes on their way cost a session", writes_on_their_way_cost_a_session},
    {"a silent peer ends it", a_silent_peer_ends_it},
    {"a slow peer answers in parts", a_slow_peer_answers_in_parts},
    {"all of all is read again", all_of_all_is_read_again},
    {"figures say what was planted", figures_say_what_was_planted},
    {"both begin at once", both_begin_at_once},
    {"another ring in the middle", another_ring_in_the_middle},
    {"who goes away ends it", who_goes_away_ends_it},
    {"it can be stopped", it_can_be_stopped},
    {"what is not shared fails alone", what_is_not_shared_fails_alone},
    CU_TEST_INFO_NULL,
};
