/* Stories of logged batches: whoever dies, all of one is there in the end, or nothing. */
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

#define ROWS 12 /* partitions, of all replica sets of a ring of five */

void batches_setup(void);
void batches_teardown(void);

void batches_setup(void)
{
    story_setup();
}

void batches_teardown(void)
{
    story_teardown();
}

static const char *batch(const char *value)
{
    static char cql[2048];
    size_t at = (size_t)snprintf(cql, sizeof cql, "BEGIN BATCH ");
    for (int k = 1; k <= ROWS; k++)
        at += (size_t)snprintf(cql + at, sizeof cql - at,
                               "INSERT INTO ks.t (k, v) VALUES (%d, '%s'); ", k, value);
    (void)snprintf(cql + at, sizeof cql - at, "APPLY BATCH");
    return cql;
}

/* How many of the rows have the value. */
static int count(unsigned via, enum cql_consistency level, const char *value)
{
    int n = 0;
    for (int k = 1; k <= ROWS; k++) {
        const struct sim_reply *r = sim_cql(sim, via, level, "SELECT v FROM ks.t WHERE k = %d", k);
        n += strcmp(sim_say(sim, r), value) == 0;
    }
    return n;
}

static void a_batch_is_logged_written_and_forgotten(void)
{
    story_begin(5);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", batch("a")));
    CU_ASSERT_EQUAL(counted("torc_batches_logged_total"), 1);
    CU_ASSERT_EQUAL(count(2, CQL_CL_QUORUM, "a"), ROWS);
    sim_elapse(sim, SECONDS(1));
    CU_ASSERT_EQUAL(counted("torc_batches_kept"), 0);
    sim_elapse(sim, SECONDS(20));
    CU_ASSERT_EQUAL(counted("torc_batch_replays_total"), 0);
}

/* The coordinator loses its power at every hundred microseconds of a batch, and never comes back
 * before all is said: with the others there is all of it, or nothing. */
static void the_coordinator_dies_at_any_moment(void)
{
    int whole = 0;
    int none = 0;
    story_begin(5);
    for (int i = 0; i < 40; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "b%d", i);
        sim_ask(sim, 1, CQL_CL_QUORUM, batch(value));
        sim_elapse(sim, 200 * i);
        sim_crash(sim, 1);
        sim_elapse(sim, SECONDS(15));
        int n = count(2, CQL_CL_QUORUM, value);
        whole += n == ROWS;
        none += n == 0;
        CU_ASSERT(n == 0 || n == ROWS);
        CU_ASSERT_EQUAL(counted("torc_batches_kept"), 0);
        sim_start(sim, 1);
        CU_ASSERT(see_each_other());
        CU_ASSERT_EQUAL(count(2, CQL_CL_ALL, value), n);
    }
    CU_ASSERT(whole > 0 && none > 0);
    CU_ASSERT(become_equal(SECONDS(20)));
}

/* Everybody dies, just after the keepers have it: what is on their disks is enough. */
static void all_die_and_it_is_there(void)
{
    bool any = false;
    story_begin(5);
    for (int i = 0; i < 20; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "c%d", i);
        sim_ask(sim, 1, CQL_CL_ALL, batch(value));
        sim_elapse(sim, 400 * i);
        for (unsigned node = 1; node <= 5; node++)
            sim_crash(sim, node);
        for (unsigned node = 1; node <= 5; node++)
            sim_start(sim, node);
        CU_ASSERT(see_each_other());
        sim_elapse(sim, SECONDS(15));
        int n = count(3, CQL_CL_ALL, value);
        CU_ASSERT(n == 0 || n == ROWS);
        any |= n == ROWS;
    }
    CU_ASSERT(any);
}

/* Some partitions have lost their majority: nothing is written anywhere, nor later. */
static void what_cannot_be_written_is_refused_whole(void)
{
    story_begin(5);
    for (unsigned node = 3; node <= 5; node++)
        sim_kill(sim, node);
    sim_elapse(sim, SECONDS(2));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "error: UNAVAILABLE", batch("d")));
    for (unsigned node = 3; node <= 5; node++)
        sim_start(sim, node);
    CU_ASSERT(see_each_other());
    sim_elapse(sim, SECONDS(15));
    CU_ASSERT_EQUAL(count(1, CQL_CL_ALL, "d"), 0);
}

CU_TestInfo batches_tests[] = {
    {"a batch is logged, written and forgotten", a_batch_is_logged_written_and_forgotten},
    {"the coordinator dies at any moment", the_coordinator_dies_at_any_moment},
    {"all die, and it is there", all_die_and_it_is_there},
    {"what cannot be written is refused whole", what_cannot_be_written_is_refused_whole},
    CU_TEST_INFO_NULL,
};
