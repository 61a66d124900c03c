/* Stories of range logs that do not reach back: who was away for longer than they last, and who is
 * new. All limits are small, so that some hundred rows are too much for a log. */
#include "node/schema/schema.h"
#include "story/fixture.h"

#include <stdio.h>

void logs_setup(void);
void logs_teardown(void);

void logs_setup(void)
{
    static const struct sim_limits small = {
        .log_min = 256, .log_max = 1500, .log_tails_max = 256, .log_window_us = SECONDS(600)};
    story_setup_with(&small);
}

void logs_teardown(void)
{
    story_teardown();
}

static bool delete_rows(unsigned via, int first, int last)
{
    char cql[96];
    bool good = true;
    for (int k = first; k <= last; k++) {
        snprintf(cql, sizeof cql, "DELETE FROM ks.t WHERE k = %d", k);
        good &= says(via, CQL_CL_QUORUM, "ok", cql);
    }
    return good;
}

/* The same values again and again: the logs move on. */
static bool overwrite(unsigned via, int first, int last, int times)
{
    bool good = true;
    for (int i = 0; i < times; i++) {
        good &= write_rows(via, CQL_CL_QUORUM, first, last);
        sim_elapse(sim, SECONDS(1));
    }
    return good;
}

static bool rows_are_gone(unsigned via, int first, int last)
{
    char cql[96];
    bool good = true;
    for (int k = first; k <= last; k++) {
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
        good &= says(via, CQL_CL_ONE, "no rows", cql);
    }
    return good;
}

/* It is told so, compares its rows with the others, and has all; what was deleted meanwhile too. */
static void away_for_longer_than_the_logs_last(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 100));
    sim_crash(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(delete_rows(1, 1, 20));
    CU_ASSERT(overwrite(2, 41, 100, 20));
    CU_ASSERT(counted("torc_log_cut_dots_total") > 0);
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    CU_ASSERT(counted("torc_handoff_truncated_dots_total") > 0);
    CU_ASSERT_EQUAL(counted("torc_read_repairs_total"), 0);
    cut_off(3);
    CU_ASSERT(rows_are_gone(3, 1, 20));
    CU_ASSERT(read_rows(3, CQL_CL_ONE, 21, 100));
}

/* It dies while it catches up, and so does who it asks; writes go on. */
static void killed_while_it_comes_back(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 100));
    sim_crash(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(delete_rows(1, 1, 20));
    CU_ASSERT(overwrite(2, 41, 100, 20));
    for (int i = 0; i < 6; i++) {
        sim_start(sim, 3);
        sim_elapse(sim, MILLISECONDS(700) * (i + 1));
        CU_ASSERT(write_rows(1 + (unsigned)i % 2, CQL_CL_QUORUM, 101 + i, 101 + i));
        unsigned dies = i % 3 == 2 ? 1 : 3;
        sim_kill(sim, dies);
        sim_elapse(sim, SECONDS(1));
        sim_start(sim, dies);
        CU_ASSERT_FATAL(see_each_other());
        sim_kill(sim, 3);
    }
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(90)));
    cut_off(3);
    CU_ASSERT(rows_are_gone(3, 1, 20));
    CU_ASSERT(read_rows(3, CQL_CL_ONE, 21, 106));
}

/* Two are away, one after the other, each for longer than the logs last. */
static void two_are_away_at_once(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 60));
    sim_crash(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(delete_rows(1, 1, 10));
    CU_ASSERT(overwrite(2, 21, 60, 15));
    sim_crash(sim, 2);
    CU_ASSERT_FATAL(see_each_other());
    for (int i = 0; i < 15; i++) {
        CU_ASSERT(write_rows(1, CQL_CL_ONE, 61, 100));
        sim_elapse(sim, SECONDS(1));
    }
    sim_start(sim, 3);
    sim_start(sim, 2);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(90)));
    cut_all();
    for (unsigned via = 1; via <= 3; via++) {
        CU_ASSERT(rows_are_gone(via, 1, 10));
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 11, 100));
    }
}

static bool has_moved(struct sim *s, void *arg)
{
    (void)arg;
    return !topology_is_moving(meta_topology(node_meta(sim_node(s, 1))));
}

static bool moves(struct sim *s, void *arg)
{
    return !has_moved(s, arg);
}

/* What all had is in no log any more when a node joins: it gets it all the same, before it owns
 * anything. */
static void a_node_joins_when_logs_are_pruned(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 100));
    CU_ASSERT(delete_rows(1, 1, 20));
    CU_ASSERT(overwrite(2, 21, 100, 10));
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT(counted("torc_log_pruned_dots_total") > 0);
    sim_add(sim);
    sim_start(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, moves, NULL, SECONDS(60)));
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 101, 120));
    CU_ASSERT_FATAL(sim_until(sim, has_moved, NULL, SECONDS(120)));
    CU_ASSERT_FATAL(sim_form(sim, 4));
    for (unsigned via = 1; via <= 4; via++) {
        CU_ASSERT(rows_are_gone(via, 1, 20));
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 21, 120));
    }
    CU_ASSERT(become_equal(SECONDS(30)));
}

/* ... or one takes the place of another, whose disk is lost. */
static void a_node_is_replaced_when_logs_are_pruned(void)
{
    story_begin(4);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 100));
    CU_ASSERT(delete_rows(1, 1, 20));
    CU_ASSERT(overwrite(2, 21, 100, 10));
    sim_elapse(sim, SECONDS(60));
    sim_crash(sim, 4);
    sim_lose_disk(sim, 4);
    sim_elapse(sim, SECONDS(60));
    sim_start_replacing(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, moves, NULL, SECONDS(60)));
    CU_ASSERT_FATAL(sim_until(sim, has_moved, NULL, SECONDS(120)));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    sim_crash(sim, 1);
    CU_ASSERT_FATAL(see_each_other());
    for (unsigned via = 2; via <= 4; via++)
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 21, 100));
}

CU_TestInfo logs_tests[] = {
    {"away for longer than the logs last", away_for_longer_than_the_logs_last},
    {"killed while it comes back", killed_while_it_comes_back},
    {"two are away at once", two_are_away_at_once},
    {"a node joins when logs are pruned", a_node_joins_when_logs_are_pruned},
    {"a node is replaced when logs are pruned", a_node_is_replaced_when_logs_are_pruned},
    CU_TEST_INFO_NULL,
};
