/* Sessions by trees that nobody has asked for, and hints, go by what clients feel of them; and
 * ranges of which hints were refused are compared. */
#include "compare_world.h"

#include "node/heal/heal_core.h"

#include <CUnit/CUnit.h>

#define MS      USEC_PER_MS
#define ROWS    2000u
#define PLANTED 1000u
#define LEAST   (UINT64_C(256) << 10)

void paced_setup(void);
void paced_teardown(void);

void paced_setup(void)
{
    three_rate_min = LEAST;
    compare_setup();
}

void paced_teardown(void)
{
    compare_teardown();
    three_rate_min = 0;
}

static struct heal *heal_of(node_no no)
{
    return f.node[no - 1].heal;
}

static uint32_t random_state;

static usec noise(usec most)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (usec)(random_state >> 8) % most;
}

/* Node 1 asks, node 2 answers. */
static size_t work_of(node_no no)
{
    if (no == 1)
        return f.sent[WIRE_COMPARE_OPEN] + f.sent[WIRE_COMPARE_ASK] + f.sent[WIRE_COMPARE_GIVE];
    return f.sent[WIRE_COMPARE_OPENED] + f.sent[WIRE_COMPARE_TELL] + f.sent[WIRE_COMPARE_GAVE];
}

/* A millisecond, in which a client of each node is answered: those of `who` later, by so much, when
 * it asked or answered anything within the last 5 ms. */
static void tick(node_no who, usec more)
{
    static size_t before[NODES];
    static usec last[NODES];
    f.now.mono += MS;
    f.now.wall += MS;
    for (node_no i = 1; i <= NODES; i++) {
        last[i - 1] = work_of(i) != before[i - 1] ? f.now.mono : last[i - 1];
        before[i - 1] = work_of(i);
        bool late = i == who && f.now.mono - last[i - 1] < 5 * MS;
        heal_foreground(heal_of(i), f.now, MS + noise(MS) + (late ? more : 0));
        if (heal_next_deadline(heal_of(i)) <= f.now.mono)
            heal_deadline(heal_of(i), f.now);
    }
    settle();
}

/* Nodes 1 and 2 know what is quiet, and their rows differ; node 3 is away. */
static void differ(void)
{
    begin_anew();
    for (node_no i = 1; i <= NODES; i++)
        heal_placed(heal_of(i), f.now, 1);
    set_down(3, true);
    fill(ROWS);
    for (unsigned i = 0; i < PLANTED; i++)
        plant(1 + i % 2, 2 * i, 20);
    sync_all();
    begin();
    for (unsigned i = 0; i < 4000; i++)
        tick(0, 0);
}

static usec until_equal(node_no who, usec more)
{
    usec from = f.now.mono;
    uint64_t before = heal_stats(heal_of(1)).compared;
    while (heal_stats(heal_of(1)).compared == before && f.now.mono - from < 200 * USEC_PER_SEC)
        tick(who, more);
    CU_ASSERT(rows_are_equal());
    return f.now.mono - from;
}

static usec mend_marked(node_no who)
{
    differ();
    CU_ASSERT(marks_set(heal_of(1), f.now, KEYSPACE, RANGE, 2, MARK_DAMAGED, NULL));
    return until_equal(who, 5 * MS);
}

static void clients_come_before_what_nobody_asked_for(void)
{
    usec quiet = mend_marked(0);
    CU_ASSERT_EQUAL(heal_stats(heal_of(1)).trees.slowed, 0);
    usec here = mend_marked(1);
    CU_ASSERT(heal_stats(heal_of(1)).trees.slowed > 0);
    usec there = mend_marked(2);
    CU_ASSERT(heal_stats(heal_of(1)).trees.slowed > 0);
    CU_ASSERT(here > quiet * 5 / 4 && there > quiet * 5 / 4);
}

static void who_asked_for_it_does_not_wait(void)
{
    differ();
    CU_ASSERT_FATAL(heal_compare(heal_of(1), f.now, 7, &between));
    usec quiet = until_equal(0, 0);
    differ();
    CU_ASSERT_FATAL(heal_compare(heal_of(1), f.now, 7, &between));
    CU_ASSERT_EQUAL(until_equal(2, 5 * MS), quiet);
    CU_ASSERT_EQUAL(heal_stats(heal_of(1)).trees.slowed, 0);
    CU_ASSERT(mend_marked(0) > 2 * quiet);
}

/* --- hints */

static void hints_are_as_fast_as_clients_of_both_bear(void)
{
    differ();
    uint64_t most = UINT64_C(1) << 20, rate = heal_hints_rate(heal_of(1), f.now);
    CU_ASSERT(rate > 0 && rate <= most / 4);
    for (int i = 0; i < 20000; i++) { /* nobody feels it */
        if (i % 20 == 0)
            heal_hints_go(heal_of(1), f.now, 2);
        (void)heal_hints_rate(heal_of(1), f.now);
        tick(0, 0);
    }
    CU_ASSERT_EQUAL(heal_hints_rate(heal_of(1), f.now), most);
    for (int i = 0; i < 4000; i++) { /* clients of who gets them do */
        if (i % 20 == 0)
            heal_hints_go(heal_of(1), f.now, 2);
        (void)heal_hints_rate(heal_of(1), f.now);
        tick(0, 0);
        if (i % 20 < 5)
            heal_foreground(heal_of(2), f.now, 8 * MS);
    }
    CU_ASSERT(heal_hints_rate(heal_of(1), f.now) < most / 8);
    CU_ASSERT(heal_hints_rate(heal_of(1), f.now) > 0);
    CU_ASSERT(heal_stats(heal_of(1)).hints.slowed > 0);
}

static bool is_refused(node_no no, range_no range)
{
    const struct mark *m = marks_find(heal_of(no), KEYSPACE, range, 3);
    return m != NULL && m->why == MARK_REFUSED;
}

/* Node 1 refuses hints for node 3; node 2 is away, and told later. A session follows when node 3 is
 * back. */
static void ranges_of_refused_hints_are_compared(void)
{
    for (node_no i = 1; i <= NODES; i++)
        heal_placed(heal_of(i), f.now, 1);
    begin();
    set_down(3, true);
    for (int i = 0; i < 3; i++)
        heal_hint_refused(heal_of(1), f.now, KEYSPACE, 4, 3);
    heal_hint_refused(heal_of(2), f.now, KEYSPACE, 9, 3);
    elapse(3 * USEC_PER_SEC);
    CU_ASSERT(is_refused(1, 4) && is_refused(2, 4) && is_refused(1, 9) && is_refused(2, 9));
    CU_ASSERT_EQUAL(f.sent[WIRE_HINT_REFUSED], 2);
    restart(1, BYTES_NONE, BYTES_NONE);
    CU_ASSERT(is_refused(1, 4));
    heal_placed(heal_of(1), f.now, 1);
    heal_begin(heal_of(1), f.now);
    set_down(3, false);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)) + marks_count(heal_of(2)), 0);
    CU_ASSERT(f.sent[WIRE_COMPARE_ROOTS] > 0);
    set_down(3, true); /* and again */
    heal_hint_refused(heal_of(2), f.now, KEYSPACE, 9, 3);
    elapse(3 * USEC_PER_SEC);
    CU_ASSERT(is_refused(1, 9) && is_refused(2, 9));
}

static size_t marked_for_lost_hints(node_no no)
{
    size_t count = 0;
    for (const struct mark *m = marks_seek(heal_of(no), 0, 0, 0); m != NULL;
         m = marks_after(heal_of(no), m))
        count += m->why == MARK_LOST;
    return count;
}

static bool all_know(void)
{
    return heal_hint_lost(heal_of(1), f.now, 0, 0, 0);
}

/* Node 1 has lost hints: of a range that it has itself it knows at once; of others, and where
 * nobody knows which they were, when the others have it on their disks. */
static void ranges_of_lost_hints_are_marked_for_certain(void)
{
    for (node_no i = 1; i <= NODES; i++)
        heal_placed(heal_of(i), f.now, 1);
    begin();
    set_down(3, true);
    CU_ASSERT(heal_hint_lost(heal_of(1), f.now, KEYSPACE, 4, 3));
    CU_ASSERT_EQUAL(marked_for_lost_hints(1), 1);
    CU_ASSERT(heal_hint_lost(heal_of(1), f.now, KEYSPACE + 1, 4, 3)); /* nobody has it */
    CU_ASSERT_FALSE(all_know());
    CU_ASSERT_EQUAL(marked_for_lost_hints(1), 2 * RANGES);
    elapse(3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.sent[WIRE_HINT_LOST], 1);
    CU_ASSERT_EQUAL(f.sent[WIRE_HINT_MARKED], 1);
    restart(2, BYTES_NONE, BYTES_NONE);
    CU_ASSERT(marked_for_lost_hints(2) >= RANGES); /* with the dead one, at least */
    heal_placed(heal_of(2), f.now, 1);
    heal_begin(heal_of(2), f.now);
    CU_ASSERT_FALSE(all_know()); /* not node 3 */
    set_down(3, false);
    elapse(30 * USEC_PER_SEC);
    CU_ASSERT(all_know());
    CU_ASSERT_EQUAL(f.sent[WIRE_HINT_MARKED], 2);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)) + marks_count(heal_of(2)) + marks_count(heal_of(3)), 0);
}

CU_TestInfo paced_tests[] = {
    {"clients come before what nobody asked for", clients_come_before_what_nobody_asked_for},
    {"who asked for it does not wait", who_asked_for_it_does_not_wait},
    {"hints are as fast as clients of both bear", hints_are_as_fast_as_clients_of_both_bear},
    {"ranges of refused hints are compared", ranges_of_refused_hints_are_compared},
    {"ranges of lost hints are marked for certain", ranges_of_lost_hints_are_marked_for_certain},
    CU_TEST_INFO_NULL,
};
