/* Who begins sessions by trees: marks, rounds, scrubs; and that nobody else does. */
#include "compare_world.h"

#include "node/heal/heal_core.h"

#include <CUnit/CUnit.h>
#include <string.h>

#define PERIOD (1000 * USEC_PER_SEC)

static struct heal *heal_of(node_no no)
{
    return f.node[no - 1].heal;
}

static void place_all(uint64_t epoch)
{
    for (node_no i = 1; i <= NODES; i++)
        heal_placed(heal_of(i), f.now, epoch);
}

void rounds_setup(void);
void rounds_teardown(void);

void rounds_setup(void)
{
    three_scrub_us = PERIOD;
    compare_setup();
    three_scrub_us = 0;
    place_all(1);
}

void rounds_teardown(void)
{
    compare_teardown();
}

static bool is_proved(node_no no, range_no range, node_no peer, int64_t since_s)
{
    const struct proved_pair *p = proved_find(heal_of(no), KEYSPACE, range, peer);
    return p != NULL && p->trees_s >= since_s;
}

static bool all_proved(int64_t since_s)
{
    bool all = true;
    for (range_no r = 0; r < RANGES; r++) {
        for (node_no a = 1; a <= NODES; a++) {
            for (node_no b = 1; b <= NODES; b++)
                all = all && (a == b || is_proved(a, r, b, since_s));
        }
    }
    return all;
}

static int64_t wall(void)
{
    return f.now.wall / USEC_PER_SEC;
}

static size_t bytes_of_sessions(void)
{
    size_t all = 0;
    for (int i = WIRE_COMPARE_OPEN; i <= WIRE_COMPARE_END; i++)
        all += f.bytes_sent[i];
    return all;
}

static uint64_t read_by_all(void)
{
    uint64_t all = 0;
    for (size_t i = 0; i < NODES; i++)
        all += engine_stats(f.node[i].engine).fragments_read;
    return all;
}

/* The phases of some pass in the seconds beside the whole periods. */
static bool is_about(uint64_t count, uint64_t wanted)
{
    return count >= wanted && count <= wanted + 4;
}

static void new_replicas_are_compared_soon_and_then_once_a_period(void)
{
    fill(100);
    begin();
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(all_proved(wall() - 20));
    size_t bytes = bytes_of_sessions();
    CU_ASSERT(bytes < NODES * (RANGES * 12 + 500)); /* one question a pair of nodes, or two */
    CU_ASSERT_EQUAL(f.node[0].compared + f.node[0].compared_all, 0); /* nobody is told */
    CU_ASSERT_EQUAL(heal_stats(heal_of(3)).round_ranges, 0);         /* the lower number begins */
    CU_ASSERT(is_about(heal_stats(heal_of(1)).round_ranges, 2 * RANGES));
    CU_ASSERT(heal_stats(heal_of(1)).bytes_rounds.search > 0);
    CU_ASSERT_EQUAL(heal_stats(heal_of(1)).bytes_asked.search, 0);
    CU_ASSERT(is_about(heal_stats(heal_of(2)).round_ranges, RANGES));
    elapse(PERIOD);
    CU_ASSERT(all_proved(wall() - PERIOD / USEC_PER_SEC - 1));
    CU_ASSERT(is_about(heal_stats(heal_of(1)).round_ranges, 4 * RANGES));
    /* Each at its time, a question of its own; and not a row is read for that. */
    CU_ASSERT(bytes_of_sessions() - bytes < (size_t)NODES * RANGES * 160);
    for (node_no i = 1; i <= NODES; i++)
        CU_ASSERT(is_about(heal_stats(heal_of(i)).scrubbed, RANGES));
    uint64_t read = read_by_all();
    elapse(PERIOD / 2);
    CU_ASSERT(read_by_all() - read <= (uint64_t)NODES * 100); /* at most one scrub each */
}

static void what_differs_behind_the_clocks_is_found(void)
{
    fill(200);
    begin();
    elapse(20 * USEC_PER_SEC);
    for (unsigned i = 0; i < 7; i++)
        plant(1 + i % 2, 20 * i, 20);
    sync_all();
    elapse(PERIOD + 10 * USEC_PER_SEC);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(all_proved(wall() - PERIOD / USEC_PER_SEC - 11));
    CU_ASSERT(f.node[0].doubtful + f.node[1].doubtful + f.node[2].doubtful >= 7);
}

/* It had the row, its tree says so, and it is not there: the others have it. */
static void a_scrub_finds_what_a_disk_has_lost(void)
{
    fill(200);
    begin();
    elapse(20 * USEC_PER_SEC);
    lose_row(3, 77);
    CU_ASSERT_EQUAL(f.node[2].leaves_wrong, 0);
    for (int i = 0; i < 2000 && f.node[2].leaves_wrong == 0; i++)
        elapse(USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].leaves_wrong, 1);
    elapse(5 * USEC_PER_SEC); /* at once, whoever begins the rounds */
    struct digest a, c;
    get_digest(1, &a);
    get_digest(3, &c);
    CU_ASSERT_EQUAL(memcmp(&a, &c, sizeof a), 0);
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), 0);
    CU_ASSERT_EQUAL(f.node[2].doubtful, 1);
    elapse(PERIOD);
    CU_ASSERT_EQUAL(f.node[2].leaves_wrong, 1);
}

static void marks_come_first_and_are_tried_until_it_works(void)
{
    rounds_teardown();
    compare_setup(); /* no rounds */
    place_all(1);
    fill(100);
    begin();
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(bytes_of_sessions(), 0);
    plant(1, 5, 20);
    plant(2, 50, 20);
    sync_all();
    set_down(2, true);
    CU_ASSERT(marks_set(heal_of(1), f.now, KEYSPACE, RANGE, 0, MARK_ASKED, NULL));
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 2);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 1);
    CU_ASSERT(marks_find(heal_of(1), KEYSPACE, RANGE, 2) != NULL);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = true; /* it is back, and does not answer yet */
    set_down(2, false);
    elapse(30 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 1);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = false;
    elapse(60 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 0);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(is_proved(1, RANGE, 2, wall() - 100) && is_proved(2, RANGE, 1, wall() - 100));
    CU_ASSERT_FALSE(is_proved(1, 0, 2, 0));
}

static void many_marks_share_their_questions(void)
{
    begin();
    elapse(20 * USEC_PER_SEC);
    size_t asked = f.sent[WIRE_COMPARE_ROOTS];
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT(marks_set(heal_of(3), f.now, KEYSPACE, r, 0, MARK_DAMAGED, NULL));
    elapse(3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), 0);
    CU_ASSERT(f.sent[WIRE_COMPARE_ROOTS] - asked <= 3);
}

/* Clients wait, or somebody has asked for a repair: rounds can wait. */
static void rounds_wait_for_others(void)
{
    for (node_no i = 1; i <= NODES; i++)
        heal_set_busy(heal_of(i), true);
    begin();
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_ROOTS], 0);
    const struct heal_comparison never = {.peer = 2, .keyspace = KEYSPACE, .range = 3};
    f.lost[WIRE_COMPARE_OPENED] = true;
    for (node_no i = 1; i <= NODES; i++)
        heal_set_busy(heal_of(i), false);
    CU_ASSERT(heal_compare(heal_of(1), f.now, 1, &never));
    elapse(4 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(heal_stats(heal_of(1)).round_ranges, 0);
    CU_ASSERT(is_about(heal_stats(heal_of(2)).round_ranges, RANGES));
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(is_about(heal_stats(heal_of(1)).round_ranges, 2 * RANGES));
}

/* A node is away while much is written, comes back and takes over; its peers leave it alone until
 * it has what logs tell. */
static void rounds_wait_for_handoff(void)
{
    struct heal_proved p;
    f.lost[WIRE_PULL] = true;
    for (unsigned i = 0; i < ROUNDS_LACKS_MAX + 10; i++) {
        struct dot dot = next_dot(1);
        struct part part = part_of(i, 10, CELL_LIVE, "on its way", dot);
        apply(1, &part, dot);
    }
    sync_all();
    begin();
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(heal_proved_next(heal_of(1), KEYSPACE, RANGE, 2, &p));
    CU_ASSERT_EQUAL(p.peer_lacks, ROUNDS_LACKS_MAX + 10);
    CU_ASSERT_FALSE(is_proved(1, RANGE, 2, 0));
    CU_ASSERT(is_proved(1, RANGE + 1, 2, 0));
    f.lost[WIRE_PULL] = false;
    elapse(60 * USEC_PER_SEC);
    CU_ASSERT(all_proved(0));
}

CU_TestInfo rounds_tests[] = {
    {"new replicas are compared soon, and then once a period",
     new_replicas_are_compared_soon_and_then_once_a_period},
    {"what differs behind the clocks is found", what_differs_behind_the_clocks_is_found},
    {"a scrub finds what a disk has lost", a_scrub_finds_what_a_disk_has_lost},
    {"marks come first and are tried until it works",
     marks_come_first_and_are_tried_until_it_works},
    {"many marks share their questions", many_marks_share_their_questions},
    {"rounds wait for others", rounds_wait_for_others},
    {"rounds wait for handoff", rounds_wait_for_handoff},
    CU_TEST_INFO_NULL,
};
