/* Stories of ranges that move; numbers as in docs/bug-stories.md. One invariant is behind them: at
 * every step each read quorum meets each write quorum that was acked. */
#include "node/coord/cluster.h"
#include "node/schema/schema.h"
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

void movement_setup(void);
void movement_teardown(void);

void movement_setup(void)
{
    story_setup();
}

void movement_teardown(void)
{
    story_teardown();
}

static const struct topology *topology_of(unsigned node)
{
    return meta_topology(node_meta(sim_node(sim, node)));
}

/* As node 1, or that of `arg`, sees it. */
static bool moves(struct sim *s, void *arg)
{
    (void)s;
    return topology_is_moving(topology_of(arg != NULL ? *(unsigned *)arg : 1));
}

static bool has_moved(struct sim *s, void *arg)
{
    return !moves(s, arg);
}

/* Wait for the end of the move while each row of 1 .. last is read at a quorum and `more` rows a
 * second are written; the number of the last row that was. */
static int read_and_write_while_it_moves(int last, unsigned nodes)
{
    usec end = sim_now(sim) + SECONDS(120);
    unsigned via = 0;
    while (sim_now(sim) < end && moves(sim, NULL)) {
        via = via % nodes + 1;
        last++;
        CU_ASSERT(write_rows(via, CQL_CL_QUORUM, last, last));
        CU_ASSERT(read_rows(nodes + 1 - via, CQL_CL_QUORUM, last, last));
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1 + last % 40, 1 + last % 40));
    }
    CU_ASSERT(!moves(sim, NULL));
    return last;
}

/* A row that was acked is shown at a quorum, or the quorum is not there; never nothing. The number
 * of rows that were shown. */
static int rows_shown(unsigned via, int first, int last)
{
    int shown = 0;
    for (int k = first; k <= last; k++) {
        const struct sim_reply *r =
            sim_cql(sim, via, CQL_CL_QUORUM, "SELECT v FROM ks.t WHERE k = %d", k);
        CU_ASSERT(r->outcome != SIM_OK || r->rows == 1);
        shown += r->outcome == SIM_OK;
    }
    return shown;
}

/* One replica lacks rows that the two others have acked. The newcomer takes what those have: in the
 * very moment in which it owns its ranges, it and that replica are a quorum that knows the rows. */
static void a_join_beside_a_replica_that_lacks_writes(void)
{
    for (unsigned lacks = 1; lacks <= 3; lacks++) {
        story_teardown();
        story_setup();
        story_begin(3);
        sim_add(sim);
        cut_off(lacks);
        CU_ASSERT(write_rows(lacks % 3 + 1, CQL_CL_QUORUM, 1, 60));
        sim_heal(sim, lacks, 4);
        sim_start(sim, 4);
        CU_ASSERT_FATAL(sim_until(sim, moves, &(unsigned){lacks % 3 + 1}, SECONDS(60)));
        CU_ASSERT_FATAL(sim_until(sim, has_moved, &(unsigned){lacks % 3 + 1}, SECONDS(60)));
        sim_isolate(sim, 4);
        sim_heal(sim, lacks, 4);
        sim_elapse(sim, SECONDS(3));
        CU_ASSERT(rows_shown(4, 1, 60) > 0);
        CU_ASSERT(rows_shown(lacks, 1, 60) > 0);
        CU_ASSERT_FATAL(heal());
        for (unsigned via = 1; via <= 4; via++)
            CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1, 60));
    }
}

/* Two of three replicas of some ranges, those with the acked rows, are away while a node joins: the
 * third alone is not believed, the move waits for them. */
static void a_join_while_those_who_know_are_away(void)
{
    story_begin(5);
    cut_off(5);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 60));
    sim_crash(sim, 1);
    sim_crash(sim, 2);
    sim_heal_all(sim);
    sim_add(sim);
    sim_start(sim, 6);
    sim_elapse(sim, SECONDS(60));
    sim_start(sim, 1);
    sim_start(sim, 2);
    sim_cut(sim, 1, 5); /* these two make a quorum with the newcomer, not with each other */
    sim_cut(sim, 2, 5);
    CU_ASSERT_FATAL(sim_until(sim, has_moved, NULL, SECONDS(60)));
    for (unsigned via = 3; via <= 6; via++)
        CU_ASSERT(rows_shown(via, 1, 60) > 0);
    CU_ASSERT_FATAL(heal());
    CU_ASSERT_FATAL(sim_form(sim, 6));
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(6, CQL_CL_ONE, 1, 60));
}

/* What a quorum read has shown the next one shows, before, during and after the move: also a value
 * that only one replica had, and whose writer was never told that it is there. */
static void reads_do_not_go_back_while_a_range_moves(void)
{
    char cql[96];
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    cut_all();
    for (int k = 1; k <= 40; k++) {
        snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'new' WHERE k = %d", k);
        CU_ASSERT(says(1 + (unsigned)k % 3, CQL_CL_ONE, "ok", cql));
    }
    sim_add(sim);
    sim_set_latency(sim, MILLISECONDS(20), MILLISECONDS(20));
    sim_heal_all(sim);
    sim_start(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, moves, NULL, SECONDS(60)));
    bool shown[41] = {false};
    int last = 0;
    for (int i = 0; i < 600 && (moves(sim, NULL) || i < 400); i++) {
        int k = 1 + i % 40;
        unsigned via = 1 + (unsigned)i % 4;
        if (via == 4 && !sim_is_ready(sim, 4))
            via = 1;
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
        const struct sim_reply *r = sim_cql(sim, via, CQL_CL_QUORUM, "%s", cql);
        if (r->outcome != SIM_OK)
            continue;
        bool is_new = r->rows == 1 && bytes_equal(r->cells[0].bytes, BYTES_LIT("new"));
        CU_ASSERT(is_new || !shown[k]);
        shown[k] |= is_new;
        last += is_new;
    }
    CU_ASSERT(last > 0);
    CU_ASSERT_FATAL(sim_form(sim, 4));
    CU_ASSERT(become_equal(SECONDS(10)));
    for (int k = 1; k <= 40; k++) {
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
        CU_ASSERT(all_say(CQL_CL_ONE, "new", cql));
    }
}

/* No row is missed by any read at a quorum while a node enters under writes. */
static void no_row_is_missed_while_a_node_joins(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 40));
    sim_add(sim);
    sim_set_latency(sim, MILLISECONDS(5), MILLISECONDS(5));
    sim_start(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, moves, NULL, SECONDS(60)));
    int last = read_and_write_while_it_moves(40, 3);
    CU_ASSERT(last > 40);
    CU_ASSERT_FATAL(sim_form(sim, 4));
    CU_ASSERT(read_rows(4, CQL_CL_QUORUM, 1, last));
    CU_ASSERT(become_equal(SECONDS(10)));
    for (unsigned via = 1; via <= 4; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, last));
}

/* The same while one takes the place of a dead one, and then another node dies: nothing that was
 * acked meanwhile needs it. */
static void no_row_is_missed_while_a_node_is_replaced(void)
{
    story_begin(4);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 40));
    sim_crash(sim, 4);
    sim_lose_disk(sim, 4);
    CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 41, 60));
    sim_elapse(sim, SECONDS(60));
    sim_set_latency(sim, MILLISECONDS(5), MILLISECONDS(5));
    sim_start_replacing(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, moves, NULL, SECONDS(60)));
    int last = read_and_write_while_it_moves(60, 3);
    CU_ASSERT(last > 60);
    CU_ASSERT_FATAL(see_each_other());
    sim_crash(sim, 1);
    sim_elapse(sim, SECONDS(3));
    for (unsigned via = 2; via <= 4; via++)
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1, last));
    sim_start(sim, 1);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(10)));
    for (unsigned via = 1; via <= 4; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, last));
}

/* Two nodes join at the same moment and a third dies in between: one after the other, or together,
 * but never so that an acked row is missed. */
static void two_changes_at_once(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 40));
    sim_add(sim);
    sim_add(sim);
    sim_set_latency(sim, MILLISECONDS(5), MILLISECONDS(5));
    sim_start(sim, 4);
    sim_start(sim, 5);
    CU_ASSERT_FATAL(sim_until(sim, moves, NULL, SECONDS(60)));
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 41, 50));
    sim_crash(sim, 5);
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 51, 60));
    CU_ASSERT(read_rows(3, CQL_CL_QUORUM, 1, 60));
    sim_start(sim, 5);
    CU_ASSERT_FATAL(sim_form(sim, 5));
    for (unsigned via = 1; via <= 5; via++)
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1, 60));
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(5, CQL_CL_ONE, 1, 60));
}

/* While a node joins, the owners of now do not decide alone: neither a write that too few of the
 * future owners can hear of is acked, nor a read answered that they could contradict. */
static void both_sets_of_owners_decide(void)
{
    char cql[96];
    int acked = 0, refused = 0;
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    sim_add(sim);
    sim_start(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, moves, NULL, SECONDS(60)));
    sim_crash(sim, 4);
    sim_crash(sim, 1);
    sim_elapse(sim, SECONDS(10));
    for (int k = 1; k <= 40; k++) {
        snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'new' WHERE k = %d", k);
        bool ok = sim_cql(sim, 2, CQL_CL_QUORUM, "%s", cql)->outcome == SIM_OK;
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
        CU_ASSERT(says(3, CQL_CL_QUORUM, ok ? "new" : "error: UNAVAILABLE", cql));
        acked += ok;
        refused += !ok;
    }
    CU_ASSERT(acked > 0);
    CU_ASSERT(refused > 0);
}

enum { RANGES = 16 };

/* For each range and node: 1 while it is a replica, 2 when it has been one. Returns how often one
 * has become a replica again. */
static unsigned note_replicas(uint8_t states[RANGES][SIM_NODES_MAX + 1])
{
    const struct placement *p =
        cluster_placement(node_cluster(sim_node(sim, 1)),
                          schema_keyspace(meta_schema(node_meta(sim_node(sim, 1))), "ks")->no);
    unsigned again = 0;
    for (range_no range = 0; range < RANGES; range++) {
        struct replicas replicas = placement_replicas(p, range);
        for (unsigned i = 1; i <= sim_nodes(sim); i++) {
            bool is_in = replicas_have(replicas, meta_self(node_meta(sim_node(sim, i))));
            again += is_in && states[range][i] == 2;
            if (is_in || states[range][i] != 0)
                states[range][i] = is_in ? 1 : 2;
        }
    }
    return again;
}

/* A ring grows node by node, and replicas that had lost a range get it back with what they had of
 * it then. Rows are deleted and written in between: what was deleted stays so, what is new is
 * there. */
static void who_reenters_a_range_brings_nothing_back(void)
{
    static uint8_t states[RANGES][SIM_NODES_MAX + 1];
    char cql[96];
    unsigned again = 0;
    memset(states, 0, sizeof states);
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 60));
    for (unsigned nodes = 4; nodes <= 9; nodes++) {
        (void)note_replicas(states);
        CU_ASSERT_FATAL(sim_form(sim, nodes));
        again += note_replicas(states);
        int first = (int)(nodes - 4) * 10;
        for (int k = first + 1; k <= first + 10; k++) {
            snprintf(cql, sizeof cql, "DELETE FROM ks.t WHERE k = %d", k);
            CU_ASSERT(says(nodes, CQL_CL_QUORUM, "ok", cql));
            snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'v%d' WHERE k = %d", 100 + k, 100 + k);
            CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", cql));
        }
        for (int k = 1; k <= first + 10; k++) {
            snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
            CU_ASSERT(says(1 + (unsigned)k % nodes, CQL_CL_QUORUM, "no rows", cql));
        }
        CU_ASSERT(become_equal(SECONDS(10)));
        for (unsigned via = 1; via <= nodes; via++)
            CU_ASSERT(read_rows(via, CQL_CL_ONE, 101, 100 + first + 10));
    }
    CU_ASSERT(again > 0);
    CU_ASSERT(all_say(CQL_CL_ONE, "60", "SELECT COUNT(*) FROM ks.t"));
}

/* Six nodes start at one moment, and not all of the seeds among them: there is one ring, and
 * whoever is a seed joins as the others do. */
static void all_bootstrap_at_once(void)
{
    for (unsigned late = 1; late <= 3; late++) {
        story_teardown();
        story_setup();
        for (int i = 0; i < 6; i++)
            sim_add(sim);
        for (unsigned i = 6; i >= 1; i--) {
            if (i != late)
                sim_start(sim, i);
        }
        sim_elapse(sim, SECONDS(5));
        sim_start(sim, late);
        CU_ASSERT_FATAL(sim_form(sim, 6));
        CU_ASSERT(says(late, CQL_CL_ONE, "ok",
                       "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 3}"));
        CU_ASSERT(says(6, CQL_CL_ONE, "ok", "CREATE TABLE ks.t (k int PRIMARY KEY, v text)"));
        CU_ASSERT(write_rows(late, CQL_CL_ALL, 1, 20));
        for (unsigned via = 1; via <= 6; via++)
            CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1, 20));
    }
}

/* Three newcomers enter a ring with data in one moment while all of its seeds are down but one. */
static void newcomers_need_one_seed(void)
{
    story_begin(5);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    sim_kill(sim, 2);
    sim_kill(sim, 3);
    sim_elapse(sim, SECONDS(2));
    for (int i = 0; i < 3; i++)
        sim_start(sim, sim_add(sim));
    sim_elapse(sim, SECONDS(30));
    for (unsigned via = 6; via <= 8; via++)
        CU_ASSERT(sim_is_ready(sim, via));
    sim_start(sim, 2);
    sim_start(sim, 3);
    CU_ASSERT_FATAL(sim_form(sim, 8));
    CU_ASSERT(become_equal(SECONDS(30)));
    for (unsigned via = 1; via <= 8; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 40));
}

static bool asks_to_own(struct sim *s, void *arg)
{
    struct node *n = sim_node(s, *(unsigned *)arg);
    const struct meta *m = node_meta(n);
    return topology_waits_for(meta_topology(m), meta_self(m)) && node_pending(n).changes > 0;
}

static bool changes_again(struct sim *s, void *arg)
{
    (void)s;
    return topology_of(1)->ring_epoch > *(uint64_t *)arg;
}

/* Node 4 has pulled all and asks to own it; but before the log hears of that node 5 joins, and the
 * ring is another. What 4 has pulled is not enough for that: it asks again when it has heard all
 * owners, and not because its first question came too late. */
static void what_was_pulled_for_another_ring_is_not_enough(void)
{
    unsigned fourth = 4;
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    sim_add(sim);
    sim_add(sim);
    for (unsigned i = 1; i <= 3; i++)
        sim_set_link(sim, fourth, i, MILLISECONDS(200), 0);
    sim_start(sim, fourth);
    CU_ASSERT_FATAL(sim_until(sim, asks_to_own, &fourth, SECONDS(30)));
    uint64_t before = topology_of(1)->ring_epoch;
    sim_start(sim, 5);
    sim_cut(sim, fourth, 2);
    CU_ASSERT_FATAL(sim_until(sim, changes_again, &before, SECONDS(5)));
    node_no number = meta_self(node_meta(sim_node(sim, fourth)));
    CU_ASSERT(topology_waits_for(topology_of(1), number));
    sim_elapse(sim, SECONDS(8));
    CU_ASSERT(topology_waits_for(topology_of(1), number)); /* it has not heard 2 since */
    sim_heal_all(sim);
    CU_ASSERT(sim_until(sim, has_moved, NULL, SECONDS(60)));
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(fourth, CQL_CL_ALL, 1, 40));
}

static void replicate(unsigned factor)
{
    char cql[128];
    snprintf(cql, sizeof cql,
             "ALTER KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
             "'replication_factor': %u}",
             factor);
    CU_ASSERT_FATAL(says(1, CQL_CL_ONE, "ok", cql));
}

/* One replica becomes three: the two that come count for nothing by themselves before they have
 * what the one has. */
static void new_replicas_have_the_rows_before_they_count(void)
{
    story_begin(3);
    replicate(1);
    CU_ASSERT_FATAL(sim_until(sim, has_moved, NULL, SECONDS(60)));
    CU_ASSERT(write_rows(1, CQL_CL_ONE, 1, 40));
    sim_set_latency(sim, MILLISECONDS(20), MILLISECONDS(20));
    replicate(3);
    CU_ASSERT(moves(sim, NULL));
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 40));
    CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 41, 60));
    CU_ASSERT_FATAL(sim_until(sim, has_moved, NULL, SECONDS(60)));
    cut_all();
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 40));
    CU_ASSERT_FATAL(heal());
}

/* Three replicas become one: it has what any of the three had before the others forget it, also the
 * one that is away. */
static void who_stays_has_what_those_who_leave_had(void)
{
    story_begin(3);
    cut_off(3);
    CU_ASSERT(write_rows(3, CQL_CL_ONE, 1, 40));
    sim_crash(sim, 3);
    sim_heal_all(sim);
    sim_elapse(sim, SECONDS(5));
    replicate(1);
    sim_elapse(sim, SECONDS(30));
    CU_ASSERT(moves(sim, NULL));
    sim_start(sim, 3);
    CU_ASSERT_FATAL(sim_until(sim, has_moved, NULL, SECONDS(60)));
    CU_ASSERT_FATAL(sim_form(sim, 3));
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 40));
}

CU_TestInfo movement_tests[] = {
    {"a join beside a replica that lacks writes (30)", a_join_beside_a_replica_that_lacks_writes},
    {"a join while those who know are away (30)", a_join_while_those_who_know_are_away},
    {"reads do not go back while a range moves (31)", reads_do_not_go_back_while_a_range_moves},
    {"no row is missed while a node joins (32)", no_row_is_missed_while_a_node_joins},
    {"no row is missed while a node is replaced (9, 32)",
     no_row_is_missed_while_a_node_is_replaced},
    {"two changes at once (33)", two_changes_at_once},
    {"both sets of owners decide while a range moves (33)", both_sets_of_owners_decide},
    {"who re-enters a range brings nothing back (1, 20)", who_reenters_a_range_brings_nothing_back},
    {"what was pulled for another ring is not enough",
     what_was_pulled_for_another_ring_is_not_enough},
    {"all bootstrap at once, a seed later (34)", all_bootstrap_at_once},
    {"newcomers need one seed (34)", newcomers_need_one_seed},
    {"new replicas have the rows before they count", new_replicas_have_the_rows_before_they_count},
    {"who stays has what those who leave had", who_stays_has_what_those_who_leave_had},
    CU_TEST_INFO_NULL,
};
