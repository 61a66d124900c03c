/* Stories of writes and reads while replicas are away. */
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

void data_setup(void);
void data_teardown(void);

void data_setup(void)
{
    story_setup();
}

void data_teardown(void)
{
    story_teardown();
}

/* W = 2 is met with one of three replicas down; back again, it gets what it missed. */
static void a_write_with_one_replica_down(void)
{
    story_begin(3);
    sim_watch(sim, " is down| is up");
    sim_kill(sim, 3);
    sim_elapse(sim, SECONDS(1));
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 10));
    CU_ASSERT(read_rows(2, CQL_CL_QUORUM, 1, 10));
    CU_ASSERT(says(1, CQL_CL_ALL, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
    sim_start(sim, 3);
    CU_ASSERT(see_each_other());
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(3, CQL_CL_ONE, 1, 10));
    CU_ASSERT(sim_expect(sim, "1 > [3] is down -> asking the others\n"
                              "1 > [3] is up -> asking it again\n"
                              "2 > [3] is down -> asking the others\n"
                              "2 > [3] is up -> asking it again\n"));
}

/* The minority goes on at ONE, the majority at QUORUM; healed, all have both. */
static void a_partition_and_its_healing(void)
{
    story_begin(3);
    sim_isolate(sim, 3);
    sim_elapse(sim, SECONDS(3));
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 5));
    CU_ASSERT(write_rows(3, CQL_CL_ONE, 6, 10));
    CU_ASSERT(
        says(3, CQL_CL_QUORUM, "error: UNAVAILABLE", "INSERT INTO ks.t (k, v) VALUES (11, 'v11')"));
    CU_ASSERT(says(3, CQL_CL_ONE, "no rows", "SELECT v FROM ks.t WHERE k = 1"));
    sim_heal_all(sim);
    CU_ASSERT(see_each_other());
    CU_ASSERT(become_equal(SECONDS(10)));
    for (unsigned i = 1; i <= 3; i++)
        CU_ASSERT(read_rows(i, CQL_CL_ONE, 1, 10));
}

/* What was not synced was not acked, and is gone after a power cut; what was acked is there. */
static void a_crash_loses_what_was_not_synced(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 1));
    sim_set_disk(sim, MILLISECONDS(50));
    /* Disks are busy with this: of what they are just syncing some may be there. */
    sim_ask(sim, 1, CQL_CL_ONE, "INSERT INTO ks.t (k, v) VALUES (3, 'v3')");
    sim_elapse(sim, MILLISECONDS(5));
    uint64_t q = sim_ask(sim, 1, CQL_CL_ONE, "INSERT INTO ks.t (k, v) VALUES (2, 'v2')");
    sim_elapse(sim, MILLISECONDS(20));
    /* Applied there, but not durable: not told yet, or a read could see what then never was. */
    CU_ASSERT(says(2, CQL_CL_ONE, "no rows", "SELECT v FROM ks.t WHERE k = 2"));
    CU_ASSERT_EQUAL(sim_reply_of(sim, q)->outcome, SIM_PENDING);
    for (unsigned i = 1; i <= 3; i++)
        sim_crash(sim, i);
    CU_ASSERT_EQUAL(sim_reply_of(sim, q)->outcome, SIM_LOST);
    for (unsigned i = 1; i <= 3; i++)
        sim_start(sim, i);
    CU_ASSERT(see_each_other());
    CU_ASSERT(says(1, CQL_CL_ALL, "no rows", "SELECT v FROM ks.t WHERE k = 2"));
    CU_ASSERT(read_rows(1, CQL_CL_ALL, 1, 1));
    CU_ASSERT(become_equal(SECONDS(10)));
}

static void with_two_of_three_gone_only_one_is_left(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 3));
    sim_kill(sim, 2);
    sim_kill(sim, 3);
    sim_elapse(sim, SECONDS(2));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(
        says(1, CQL_CL_QUORUM, "error: UNAVAILABLE", "INSERT INTO ks.t (k, v) VALUES (4, 'v4')"));
    CU_ASSERT(read_rows(1, CQL_CL_ONE, 1, 3));
    CU_ASSERT(write_rows(1, CQL_CL_ONE, 5, 5));
}

/* Power goes everywhere in the middle of writing: every acked row is there afterwards. */
static void all_crash_while_writing(void)
{
    enum { ROWS = 60 };
    uint64_t asked[ROWS + 1];
    bool acked[ROWS + 1];
    unsigned count = 0;
    story_begin(3);
    for (int i = 1; i <= ROWS; i++) {
        char cql[128];
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v%d')", i, i);
        asked[i] = sim_ask(sim, 1 + (unsigned)i % 3, CQL_CL_QUORUM, cql);
        sim_elapse(sim, 200);
    }
    for (unsigned i = 1; i <= 3; i++)
        sim_crash(sim, i);
    for (int i = 1; i <= ROWS; i++) {
        acked[i] = sim_reply_of(sim, asked[i])->outcome == SIM_OK;
        count += acked[i];
    }
    CU_ASSERT(count > 10 && count < ROWS);
    for (unsigned i = 1; i <= 3; i++)
        sim_start(sim, i);
    CU_ASSERT(see_each_other());
    for (int i = 1; i <= ROWS; i++)
        CU_ASSERT(!acked[i] || read_rows(2, CQL_CL_QUORUM, i, i));
    CU_ASSERT(become_equal(SECONDS(10)));
    for (int i = 1; i <= ROWS; i++)
        CU_ASSERT(!acked[i] || read_rows(3, CQL_CL_ONE, i, i));
}

/* Nobody reads, so nobody repairs by reading: the range logs bring it. */
static void a_replica_catches_up_from_the_logs(void)
{
    story_begin(3);
    sim_crash(sim, 2);
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 30));
    CU_ASSERT(says(3, CQL_CL_QUORUM, "ok", "DELETE FROM ks.t WHERE k = 30"));
    sim_start(sim, 2);
    CU_ASSERT(sim_until_ready(sim, SECONDS(60)));
    sim_elapse(sim, SECONDS(10));
    sim_isolate(sim, 2);
    CU_ASSERT(read_rows(2, CQL_CL_ONE, 1, 29));
    CU_ASSERT(says(2, CQL_CL_ONE, "no rows", "SELECT v FROM ks.t WHERE k = 30"));
}

/* Before the logs have been compared, a read at ALL brings a stale replica up to date. */
static void read_repair_makes_a_stale_replica_equal(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 1));
    sim_isolate(sim, 3);
    sim_elapse(sim, SECONDS(3));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'new' WHERE k = 1"));
    sim_heal_all(sim);
    CU_ASSERT(see_each_other());
    CU_ASSERT(says(3, CQL_CL_ONE, "v1", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(3, CQL_CL_ALL, "new", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(3, CQL_CL_ONE, "new", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(become_equal(SECONDS(10)));
}

/* It acks nothing; to the others it is down, so nothing waits for it, no schema change either. */
static void a_full_disk_is_a_node_that_is_down(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 5));
    sim_fill_disk(sim, 3);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 6, 10));
    sim_elapse(sim, SECONDS(2));
    CU_ASSERT(says(1, CQL_CL_ALL, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(read_rows(2, CQL_CL_QUORUM, 1, 10));
    usec before = sim_now(sim);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "CREATE TABLE ks.u (k int PRIMARY KEY)"));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", "DROP TABLE ks.u"));
    CU_ASSERT(sim_now(sim) - before < SECONDS(2));
}

CU_TestInfo data_tests[] = {
    {"a write with one replica down", a_write_with_one_replica_down},
    {"a partition and its healing", a_partition_and_its_healing},
    {"a crash loses what was not synced", a_crash_loses_what_was_not_synced},
    {"with two of three gone only ONE is left", with_two_of_three_gone_only_one_is_left},
    {"all crash while writing", all_crash_while_writing},
    {"a replica catches up from the logs", a_replica_catches_up_from_the_logs},
    {"read repair makes a stale replica equal", read_repair_makes_a_stale_replica_equal},
    {"a full disk is a node that is down", a_full_disk_is_a_node_that_is_down},
    CU_TEST_INFO_NULL,
};
