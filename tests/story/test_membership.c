/* Stories of who is believed to be there, as clients feel them; numbers as in docs/bug-stories.md.
 * tests/unit/gossip has the same on the core alone. */
#include "story/fixture.h"

#include <stdio.h>

void membership_setup(void);
void membership_teardown(void);

void membership_setup(void)
{
    story_setup();
}

void membership_teardown(void)
{
    story_teardown();
}

/* All but one were dead to that one for long, and come back at once with clocks of hours ago, so
 * that what they say of themselves is older than what is said of them. They are all asked again. */
static void all_come_back_and_seem_old(void)
{
    story_begin(5);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    for (unsigned i = 2; i <= 5; i++)
        sim_kill(sim, i);
    sim_elapse(sim, SECONDS(90));
    CU_ASSERT(says(1, CQL_CL_TWO, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
    for (unsigned i = 2; i <= 5; i++) {
        sim_set_clock(sim, i, -10 * SECONDS(3600));
        sim_start(sim, i);
    }
    CU_ASSERT_FATAL(see_each_other());
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT_EQUAL(counted("torc_nodes{state=\"down\"}"), 0);
    for (unsigned via = 1; via <= 5; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ALL, 1, 20));
    CU_ASSERT(write_rows(2, CQL_CL_ALL, 21, 30));
}

/* What one node sends arrives, and nothing arrives there. It holds the others for dead and says so;
 * they go on, with each other, and nobody is taken out but it. */
static void a_node_that_hears_nobody(void)
{
    story_begin(5);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    uint64_t before = sim_events(sim);
    sim_elapse(sim, SECONDS(60));
    uint64_t calm = sim_events(sim) - before;
    for (unsigned i = 1; i <= 4; i++)
        sim_cut_one_way(sim, i, 5);
    sim_elapse(sim, SECONDS(5));
    before = sim_events(sim);
    for (int second = 0; second < 60; second++) {
        unsigned via = 1 + (unsigned)second % 4;
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1 + second % 20, 1 + second % 20));
        CU_ASSERT(write_rows(via, CQL_CL_QUORUM, 100 + second, 100 + second));
        for (unsigned i = 1; i <= 4; i++)
            CU_ASSERT(counted_by(i, "torc_nodes{state=\"down\"}") <= 1);
        sim_elapse(sim, SECONDS(1));
    }
    CU_ASSERT(sim_events(sim) - before < 4 * calm + 120 * 40);
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(5, CQL_CL_QUORUM, 100, 159));
}

/* A node is killed and started as soon as it serves, again and again: each time it serves at once.
 * It knows what the others know as soon as they have answered, and that they hear of its new life
 * from the log is nobody's business but theirs. */
static void who_restarts_serves_at_once(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    for (int i = 0; i < 30; i++) {
        unsigned node = 1 + (unsigned)i % 3;
        for (int again = 0; again < 3; again++) {
            sim_kill(sim, node);
            sim_start(sim, node);
            sim_elapse(sim, MILLISECONDS(150));
            CU_ASSERT(read_rows(node, CQL_CL_ONE, 1, 1));
        }
        CU_ASSERT_FATAL(see_each_other());
    }
}

/* Two of three are away, so no entry can be decided. The third is restarted: it serves what it has,
 * as before. */
static void a_restart_needs_no_quorum(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    sim_kill(sim, 1);
    sim_kill(sim, 2);
    sim_kill(sim, 3);
    sim_start(sim, 3);
    sim_elapse(sim, SECONDS(2));
    CU_ASSERT(read_rows(3, CQL_CL_ONE, 1, 20));
    CU_ASSERT(write_rows(3, CQL_CL_ONE, 21, 30));
    sim_start(sim, 1);
    sim_start(sim, 2);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(1, CQL_CL_ALL, 1, 30));
}

CU_TestInfo membership_tests[] = {
    {"all come back and seem old (46)", all_come_back_and_seem_old},
    {"a node that hears nobody takes nobody out (48)", a_node_that_hears_nobody},
    {"who restarts serves at once", who_restarts_serves_at_once},
    {"a restart needs no quorum", a_restart_needs_no_quorum},
    CU_TEST_INFO_NULL,
};
