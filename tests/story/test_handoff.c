/* Stories of what a replica missed; numbers as in docs/bug-stories.md. */
#include "story/fixture.h"

#include <stdio.h>

void handoff_setup(void);
void handoff_teardown(void);

void handoff_setup(void)
{
    story_setup();
}

void handoff_teardown(void)
{
    story_teardown();
}

/* A replica comes and goes for four hours, and who coordinated the writes that it missed is
 * restarted, too. There is no window after which a missed write is nobody's business. */
static void no_window_for_missed_writes(void)
{
    int row = 0;
    story_begin(3);
    for (int hour = 0; hour < 4; hour++) {
        sim_kill(sim, 3);
        sim_elapse(sim, SECONDS(1));
        CU_ASSERT_FATAL(see_each_other());
        for (unsigned via = 1; via <= 2; via++) {
            CU_ASSERT(write_rows(via, CQL_CL_QUORUM, row + 1, row + 10));
            row += 10;
        }
        for (unsigned i = 1; i <= 3; i++)
            sim_jump_clock(sim, i, (usec)3600 * USEC_PER_SEC);
        sim_crash(sim, 1 + (unsigned)hour % 2);
        sim_elapse(sim, SECONDS(1));
        sim_start(sim, 3);
        sim_elapse(sim, MILLISECONDS(30)); /* it is hardly there, and is away again */
        sim_kill(sim, 3);
        sim_start(sim, 1 + (unsigned)hour % 2);
        sim_start(sim, 3);
        sim_elapse(sim, MILLISECONDS(200) * hour);
    }
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(10)));
    cut_off(3);
    CU_ASSERT(read_rows(3, CQL_CL_ONE, 1, row));
}

/* Each node in turn is away for half a minute, stopped, killed or without power, while writes at
 * ONE and at a quorum go on through the others; nothing that was acked is missing on any replica,
 * and nobody read anything so that it could be repaired by that. */
static void a_short_restart_drops_nothing(void)
{
    int row = 0;
    story_begin(3);
    for (unsigned away = 1; away <= 3; away++) {
        unsigned other = away % 3 + 1;
        uint64_t asked =
            sim_ask(sim, other, CQL_CL_ONE, "INSERT INTO ks.t (k, v) VALUES (0, 'v0')");
        if (away == 1)
            sim_stop(sim, away);
        else if (away == 2)
            sim_kill(sim, away);
        else
            sim_crash(sim, away);
        for (int second = 0; second < 30; second++) {
            CU_ASSERT(write_rows(other, CQL_CL_ONE, row + 1, row + 1));
            CU_ASSERT(write_rows(other % 3 + 1 == away ? other : other % 3 + 1, CQL_CL_QUORUM,
                                 row + 2, row + 2));
            row += 2;
            sim_elapse(sim, SECONDS(1));
        }
        CU_ASSERT_EQUAL(sim_reply_of(sim, asked)->outcome, SIM_OK);
        sim_start(sim, away);
        CU_ASSERT_FATAL(see_each_other());
        sim_elapse(sim, SECONDS(5));
    }
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT_EQUAL(counted("torc_read_repairs_total"), 0);
    cut_all();
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 0, row));
}

CU_TestInfo handoff_tests[] = {
    {"there is no window for missed writes (8)", no_window_for_missed_writes},
    {"a short restart drops nothing (10)", a_short_restart_drops_nothing},
    CU_TEST_INFO_NULL,
};
