/* When replicas were last known to be equal: by clocks, by trees, over restarts and other rings. */
#include "compare_world.h"

#include <CUnit/CUnit.h>

static const struct heal_comparisons everything = {.peer = 2, .keyspace = KEYSPACE};

static void place(node_no no, uint64_t epoch)
{
    heal_placed(f.node[no - 1].heal, f.now, epoch);
}

void proved_setup(void);
void proved_teardown(void);

void proved_setup(void)
{
    compare_setup();
    for (node_no i = 1; i <= NODES; i++)
        place(i, 1);
}

void proved_teardown(void)
{
    compare_teardown();
}

static struct heal_proved of(node_no no, range_no range, node_no peer)
{
    struct heal_proved p = {0};
    CU_ASSERT_FATAL(heal_proved_next(f.node[no - 1].heal, KEYSPACE, range, peer, &p));
    CU_ASSERT(p.keyspace == KEYSPACE && p.range == range && p.peer == peer);
    return p;
}

static size_t count_pairs(node_no no)
{
    struct heal_proved p = {0};
    size_t count = 0;
    keyspace_no keyspace = 0;
    range_no range = 0;
    node_no peer = 0;
    for (; heal_proved_next(f.node[no - 1].heal, keyspace, range, peer, &p); count++) {
        CU_ASSERT_NOT_EQUAL(p.peer, no);
        keyspace = p.keyspace;
        range = p.range;
        peer = p.peer + 1;
    }
    return count;
}

static int64_t wall(void)
{
    return f.now.wall / USEC_PER_SEC;
}

static void equal_clocks_are_noted_each_second(void)
{
    CU_ASSERT_EQUAL(count_pairs(1), RANGES * (NODES - 1));
    CU_ASSERT_EQUAL(of(1, 3, 2).clocks_s, HEAL_NEVER);
    CU_ASSERT_FALSE(of(1, 3, 2).compared);
    fill(10);
    begin();
    for (int i = 0; i < 3; i++) {
        elapse(5 * USEC_PER_SEC);
        for (node_no a = 1; a <= NODES; a++) {
            for (node_no b = 1; b <= NODES; b++) {
                for (range_no r = 0; a != b && r < RANGES; r++) {
                    CU_ASSERT(of(a, r, b).clocks_s >= wall() - 3);
                    CU_ASSERT_EQUAL(of(a, r, b).lacks + of(a, r, b).peer_lacks, 0);
                }
            }
        }
    }
    CU_ASSERT_EQUAL(of(1, 3, 2).trees_s, HEAL_NEVER);
}

static void what_is_lacking_is_counted(void)
{
    fill(10);
    begin();
    f.lost[WIRE_PULL] = true;
    elapse(5 * USEC_PER_SEC);
    int64_t before = wall();
    for (unsigned i = 0; i < 7; i++) {
        struct dot dot = next_dot(1);
        struct part p = part_of(i, 50, CELL_LIVE, "one has it", dot);
        apply(1, &p, dot);
    }
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(of(2, RANGE, 1).lacks, 7);
    CU_ASSERT_EQUAL(of(2, RANGE, 1).peer_lacks, 0);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).lacks, 0);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).peer_lacks, 7);
    CU_ASSERT(of(1, RANGE, 2).clocks_s <= before);
    CU_ASSERT(of(1, RANGE + 1, 2).clocks_s > before + 15);
    CU_ASSERT(of(2, RANGE, 3).clocks_s > before + 15);
    f.lost[WIRE_PULL] = false;
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).peer_lacks + of(2, RANGE, 1).lacks, 0);
    CU_ASSERT(of(1, RANGE, 2).clocks_s > before + 20);
}

/* What a power cut may take proves nothing, whichever of them it is. */
static void what_is_young_proves_nothing(void)
{
    for (size_t stuck = 0; stuck < 2; stuck++) {
        proved_teardown();
        proved_setup();
        fill(10);
        f.node[stuck].stuck = true;
        put_both(50, 20);
        begin();
        elapse(10 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(of(1, RANGE, 2).clocks_s, HEAL_NEVER);
        CU_ASSERT_EQUAL(of(2, RANGE, 1).clocks_s, HEAL_NEVER);
        CU_ASSERT(of(1, RANGE, 2).compared && of(1, RANGE, 2).lacks == 0);
        CU_ASSERT(of(1, RANGE + 1, 2).clocks_s > wall() - 5);
        compare(&between);
        CU_ASSERT(f.node[0].figures.equal && !f.node[0].figures.proved);
        CU_ASSERT_EQUAL(of(1, RANGE, 2).trees_s, HEAL_NEVER);
        CU_ASSERT_EQUAL(of(2, RANGE, 1).trees_s, HEAL_NEVER);
        f.node[stuck].stuck = false;
        elapse(10 * USEC_PER_SEC);
        CU_ASSERT(of(1, RANGE, 2).clocks_s > wall() - 5);
        CU_ASSERT(of(2, RANGE, 1).clocks_s > wall() - 5);
        compare(&between);
        CU_ASSERT_EQUAL(of(1, RANGE, 2).trees_s, wall());
        CU_ASSERT_EQUAL(of(2, RANGE, 1).trees_s, wall());
    }
}

static void compare_everything(void)
{
    uint64_t before = f.node[0].compared_all;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, &everything));
    for (int i = 0; i < 300 && f.node[0].compared_all == before; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL_FATAL(f.node[0].compared_all, before + 1);
}

static void both_note_what_a_session_proves(void)
{
    fill(100);
    for (unsigned i = 0; i < 5; i++)
        plant(1 + i % 2, 10 * i, 20);
    sync_all();
    struct heal_comparison what = between;
    table_no table = TABLE;
    what.preview = true;
    compare(&what);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).trees_s, HEAL_NEVER); /* it knows better */
    CU_ASSERT_EQUAL(of(2, RANGE, 1).trees_s, HEAL_NEVER);
    compare(&between);
    elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL(f.node[0].figures.rows_different, 5);
    CU_ASSERT(of(1, RANGE, 2).trees_s >= wall() - 1);
    CU_ASSERT(of(2, RANGE, 1).trees_s >= wall() - 1);
    CU_ASSERT_EQUAL(of(1, RANGE, 3).trees_s, HEAL_NEVER);
    CU_ASSERT_EQUAL(of(1, 0, 2).trees_s, HEAL_NEVER);
    elapse(5 * USEC_PER_SEC);
    compare_everything();
    for (range_no r = 0; r < RANGES; r++) {
        CU_ASSERT(of(1, r, 2).trees_s >= wall() - 1);
        CU_ASSERT(of(2, r, 1).trees_s >= wall() - 1);
    }
    what.preview = false;
    what.tables = &table;
    what.tables_count = 1;
    elapse(5 * USEC_PER_SEC);
    compare(&what);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).trees_s, wall()); /* it is all there is */
}

static void start_again(node_no no, uint64_t epoch)
{
    sync_all();
    restart(no, BYTES_NONE, BYTES_NONE);
    place(no, epoch);
}

static void a_restart_forgets_the_last_seconds_at_most(void)
{
    fill(20);
    begin();
    compare_everything();
    int64_t at = wall();
    start_again(1, 1);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).trees_s, HEAL_NEVER);
    begin();
    compare_everything();
    at = wall();
    elapse((12 * USEC_PER_SEC));
    start_again(1, 1);
    for (range_no r = 0; r < RANGES; r++) {
        CU_ASSERT(of(1, r, 2).trees_s >= at - 1 && of(1, r, 2).trees_s <= at);
        CU_ASSERT_EQUAL(of(1, r, 3).trees_s, HEAL_NEVER);
    }
    CU_ASSERT_EQUAL(of(1, RANGE, 2).clocks_s, HEAL_NEVER);
}

/* With another ring the same two may be other replicas than they were, if nobody has looked. */
static void another_ring_forgets(void)
{
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = 2};
    fill(20);
    begin();
    compare_everything();
    elapse((12 * USEC_PER_SEC));
    cluster_set_ring_epoch(f.node[0].cluster, 9);
    place(1, 2);
    CU_ASSERT(of(1, RANGE, 2).trees_s > 0); /* this change was seen */
    cluster_set_ring_epoch(f.node[0].cluster, 10);
    place(1, 9);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).trees_s, HEAL_NEVER);
    compare_everything();
    CU_ASSERT_EQUAL(f.node[0].all_failed, RANGES); /* node 2 has not heard of it */
    cluster_set_ring_epoch(f.node[1].cluster, 10);
    compare_everything();
    elapse((12 * USEC_PER_SEC));
    CU_ASSERT(of(1, RANGE, 2).trees_s > 0);
    cluster_set_ring_epoch(f.node[0].cluster, 11);
    start_again(1, 11);
    CU_ASSERT_EQUAL(of(1, RANGE, 2).trees_s, HEAL_NEVER);
    cluster_set_keyspace(f.node[0].cluster, KEYSPACE, &strategy);
    place(1, 12);
    CU_ASSERT(count_pairs(1) < RANGES * (NODES - 1));
    cluster_set_keyspace(f.node[0].cluster, KEYSPACE, NULL);
    place(1, 13);
    CU_ASSERT_EQUAL(count_pairs(1), 0);
}

CU_TestInfo proved_tests[] = {
    {"equal clocks are noted each second", equal_clocks_are_noted_each_second},
    {"what is lacking is counted", what_is_lacking_is_counted},
    {"what is young proves nothing", what_is_young_proves_nothing},
    {"both note what a session proves", both_note_what_a_session_proves},
    {"a restart forgets the last seconds at most", a_restart_forgets_the_last_seconds_at_most},
    {"another ring forgets", another_ring_forgets},
    CU_TEST_INFO_NULL,
};
