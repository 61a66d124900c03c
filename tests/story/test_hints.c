/* Stories of hints: replicas are away when it is written, and have it when they are back, whoever
 * restarts meanwhile. */
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

#define ROWS 30

void hints_setup(void);
void hints_teardown(void);

void hints_setup(void)
{
    story_setup();
}

void hints_teardown(void)
{
    story_teardown();
}

/* Four nodes, RF 3: of every fourth row or so node 4 is no replica. */
static void only_node_4_is_left(void)
{
    story_begin(4);
    for (unsigned i = 1; i <= 3; i++)
        sim_kill(sim, i);
    sim_elapse(sim, SECONDS(15));
}

static void all_come_back(void)
{
    for (unsigned i = 1; i <= 4; i++) {
        if (!sim_is_up(sim, i))
            CU_ASSERT(sim_start(sim, i));
    }
    CU_ASSERT(see_each_other());
    sim_elapse(sim, SECONDS(40));
    CU_ASSERT_EQUAL(counted("torc_hints"), 0);
}

static void any_survives_the_death_of_all(void)
{
    only_node_4_is_left();
    CU_ASSERT(write_rows(4, CQL_CL_ANY, 1, ROWS));
    uint64_t hints = counted_by(4, "torc_hints");
    CU_ASSERT(hints > 0 && hints < ROWS);
    sim_kill(sim, 4);
    sim_start(sim, 4);
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT_EQUAL(counted_by(4, "torc_hints"), hints);
    sim_crash(sim, 4); /* the power is cut: what was acked is on the disk */
    sim_start(sim, 4);
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT_EQUAL(counted_by(4, "torc_hints"), hints);
    all_come_back();
    CU_ASSERT(read_rows(1, CQL_CL_ALL, 1, ROWS));
    CU_ASSERT(become_equal(SECONDS(20)));
}

/* Power is cut at each moment of the delivery, on both sides. */
static void a_power_cut_in_the_middle_loses_nothing(void)
{
    only_node_4_is_left();
    CU_ASSERT(write_rows(4, CQL_CL_ANY, 1, ROWS));
    for (unsigned i = 1; i <= 3; i++)
        sim_start(sim, i);
    for (int i = 0; i < 12; i++) {
        unsigned node = 1 + (unsigned)i % 4;
        sim_elapse(sim, SECONDS(2) + 37 * (usec)i * USEC_PER_MS);
        sim_crash(sim, node);
        sim_elapse(sim, MILLISECONDS(300));
        sim_start(sim, node);
    }
    all_come_back();
    CU_ASSERT(read_rows(2, CQL_CL_ALL, 1, ROWS));
    CU_ASSERT(become_equal(SECONDS(20)));
}

static void many_writes_of_a_row_are_one_hint(void)
{
    only_node_4_is_left();
    CU_ASSERT(write_rows(4, CQL_CL_ANY, 1, ROWS));
    uint64_t hints = counted_by(4, "torc_hints");
    for (int i = 0; i < 3; i++)
        CU_ASSERT(write_rows(4, CQL_CL_ANY, 1, ROWS));
    CU_ASSERT_EQUAL(counted_by(4, "torc_hints"), hints);
    CU_ASSERT_EQUAL(counted_by(4, "torc_hints_merged_total"), 3 * hints);
    all_come_back();
    CU_ASSERT(read_rows(3, CQL_CL_ALL, 1, ROWS));
}

static void say_all(unsigned via, enum cql_consistency level, const char *expected,
                    const char *format)
{
    for (int k = 1; k <= ROWS; k++) {
        char cql[128];
        (void)snprintf(cql, sizeof cql, format, k);
        CU_ASSERT(says(via, level, expected, cql));
    }
}

/* A deletion is kept like any write, and a TTL runs while it waits. */
static void deletions_wait_and_ttls_run(void)
{
    story_begin(4);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, ROWS));
    for (unsigned i = 1; i <= 3; i++)
        sim_kill(sim, i);
    sim_elapse(sim, SECONDS(15));
    say_all(4, CQL_CL_ANY, "ok", "DELETE FROM ks.t WHERE k = %d");
    say_all(4, CQL_CL_ANY, "ok", "INSERT INTO ks.t (k, v) VALUES (100%d, 'x') USING TTL 30");
    CU_ASSERT(counted_by(4, "torc_hints") > 2);
    sim_elapse(sim, SECONDS(40));
    all_come_back();
    say_all(1, CQL_CL_ALL, "no rows", "SELECT v FROM ks.t WHERE k = %d");
    say_all(1, CQL_CL_ALL, "no rows", "SELECT v FROM ks.t WHERE k = 100%d");
    CU_ASSERT(become_equal(SECONDS(20)));
}

static void a_table_that_is_dropped_takes_them_along(void)
{
    only_node_4_is_left();
    CU_ASSERT(write_rows(4, CQL_CL_ANY, 1, ROWS));
    CU_ASSERT(counted_by(4, "torc_hints") > 0);
    cut_off(4);
    for (unsigned i = 1; i <= 3; i++)
        sim_start(sim, i);
    sim_elapse(sim, SECONDS(30));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "DROP TABLE ks.t"));
    CU_ASSERT(heal());
    all_come_back();
    CU_ASSERT(counted_by(4, "torc_hints_gone_total{why=\"table\"}") > 0);
}

/* As many rows of a partition as no node would take at once. */
static void rows_of_a_partition_go_in_writes_that_are_taken(void)
{
    story_teardown();
    story_setup_with(&(struct sim_limits){.in_flight_max = 4096});
    story_begin(4);
    CU_ASSERT(says(4, CQL_CL_ONE, "ok",
                   "CREATE TABLE ks.many (k int, c int, v text, PRIMARY KEY (k, c))"));
    for (unsigned i = 1; i <= 3; i++)
        sim_kill(sim, i);
    sim_elapse(sim, SECONDS(15));
    for (int i = 0; i < 8 * ROWS; i++)
        CU_ASSERT_STRING_EQUAL(
            sim_say(sim, sim_cql(sim, 4, CQL_CL_ANY,
                                 "INSERT INTO ks.many (k, c, v) VALUES (%d, %d, '%0200d')", i % 8,
                                 i, i)),
            "ok");
    CU_ASSERT(counted_by(4, "torc_hints") >= ROWS);
    all_come_back();
    CU_ASSERT(become_equal(SECONDS(20)));
}

/* Two of five are away: where they are two of three replicas a stand-in makes the quorum. */
static void a_sloppy_quorum_writes_on(void)
{
    int refused = 0;
    story_begin(5);
    sim_kill(sim, 4);
    sim_kill(sim, 5);
    sim_elapse(sim, SECONDS(15));
    for (int k = 1; k <= ROWS; k++)
        refused += strcmp(sim_say(sim, sim_cql(sim, 1, CQL_CL_QUORUM,
                                               "INSERT INTO ks.t (k, v) VALUES (%d, 'a')", k)),
                          "ok") != 0;
    CU_ASSERT(refused > 0 && refused < ROWS);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "ALTER KEYSPACE ks WITH sloppy_quorum = true"));
    CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 1, ROWS));
    CU_ASSERT_EQUAL(counted("torc_hinted_writes_total"), (uint64_t)refused);
    for (unsigned i = 1; i <= 3; i++) {
        sim_crash(sim, i);
        sim_start(sim, i);
    }
    sim_start(sim, 4);
    sim_start(sim, 5);
    CU_ASSERT(see_each_other());
    sim_elapse(sim, SECONDS(40));
    CU_ASSERT_EQUAL(counted("torc_hints"), 0);
    CU_ASSERT(read_rows(3, CQL_CL_ALL, 1, ROWS));
    CU_ASSERT(become_equal(SECONDS(20)));
}

CU_TestInfo hints_tests[] = {
    {"ANY survives the death of all", any_survives_the_death_of_all},
    {"a power cut in the middle loses nothing", a_power_cut_in_the_middle_loses_nothing},
    {"many writes of a row are one hint", many_writes_of_a_row_are_one_hint},
    {"deletions wait and TTLs run", deletions_wait_and_ttls_run},
    {"a table that is dropped takes them along", a_table_that_is_dropped_takes_them_along},
    {"rows of a partition go in writes that are taken",
     rows_of_a_partition_go_in_writes_that_are_taken},
    {"a sloppy quorum writes on", a_sloppy_quorum_writes_on},
    CU_TEST_INFO_NULL,
};
