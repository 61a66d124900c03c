/* Stories of deleted data that came back elsewhere; numbers as in docs/bug-stories.md. */
#include "story/fixture.h"

#include "base/mem.h"

#include <stdio.h>

void deletes_setup(void);
void deletes_teardown(void);

void deletes_setup(void)
{
    story_setup();
}

void deletes_teardown(void)
{
    story_teardown();
}

#define DAYS(n) ((usec)(n)*86400 * USEC_PER_SEC)

static void days_pass(int days)
{
    for (unsigned i = 1; i <= sim_nodes(sim); i++)
        sim_jump_clock(sim, i, DAYS(days));
    sim_elapse(sim, SECONDS(5));
}

/* A table whose grace is nothing, and of each kind of delete one: 1 cell, 2 row, 3 rows, 4 all. */
static void make_rows(void)
{
    CU_ASSERT(says(1, CQL_CL_ONE, "ok",
                   "CREATE TABLE ks.d (k int, c int, v int, PRIMARY KEY (k, c)) "
                   "WITH gc_grace_seconds = 0"));
    for (int i = 0; i < 20; i++) { /* so often that reads put deletions in the place of the rows */
        char cql[128];
        snprintf(cql, sizeof cql, "INSERT INTO ks.d (k, c, v) VALUES (%d, 1, 1)", 1 + i % 4);
        CU_ASSERT(says(2, CQL_CL_ALL, "ok", cql));
    }
}

static void delete_rows(unsigned via, enum cql_consistency level)
{
    CU_ASSERT(says(via, level, "ok", "DELETE v FROM ks.d WHERE k = 1 AND c = 1"));
    CU_ASSERT(says(via, level, "ok", "DELETE FROM ks.d WHERE k = 2 AND c = 1"));
    CU_ASSERT(says(via, level, "ok", "DELETE FROM ks.d WHERE k = 3 AND c > 0 AND c < 9"));
    CU_ASSERT(says(via, level, "ok", "DELETE FROM ks.d WHERE k = 4"));
}

static void are_deleted(enum cql_consistency level)
{
    CU_ASSERT(all_say(level, "null", "SELECT v FROM ks.d WHERE k = 1"));
    CU_ASSERT(all_say(level, "no rows", "SELECT v FROM ks.d WHERE k = 2"));
    CU_ASSERT(all_say(level, "no rows", "SELECT v FROM ks.d WHERE k = 3"));
    CU_ASSERT(all_say(level, "no rows", "SELECT v FROM ks.d WHERE k = 4"));
    CU_ASSERT(all_say(level, "1 1", "SELECT k, c FROM ks.d"));
}

/* However long the replica was away: no clock decides when a deletion is forgotten. It comes back
 * and is read first, at a level that repairs. */
static void a_missed_delete_meets_a_read(void)
{
    story_begin(3);
    make_rows();
    sim_kill(sim, 3);
    sim_elapse(sim, SECONDS(1));
    delete_rows(1, CQL_CL_QUORUM);
    are_deleted(CQL_CL_QUORUM);
    days_pass(11);
    are_deleted(CQL_CL_QUORUM);
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    are_deleted(CQL_CL_ALL);
    CU_ASSERT(become_equal(SECONDS(10)));
    are_deleted(CQL_CL_ONE);
}

/* The same when nobody reads, and the others have been restarted meanwhile. */
static void a_missed_delete_is_handed_over(void)
{
    story_begin(3);
    make_rows();
    sim_crash(sim, 3);
    sim_elapse(sim, SECONDS(3));
    delete_rows(2, CQL_CL_QUORUM);
    days_pass(400);
    sim_stop(sim, 1);
    sim_crash(sim, 2);
    for (unsigned i = 1; i <= 3; i++)
        sim_start(sim, i);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(10)));
    cut_all();
    are_deleted(CQL_CL_ONE);
}

/* What each of three replicas knows of row `k`, each for itself: one the row, one the row and its
 * deletion, of which reads leave nothing but the deletion, one neither. */
static void three_states_of(int k, unsigned insert, unsigned both)
{
    char cql[128];
    for (int i = 0; i < 5; i++) {
        snprintf(cql, sizeof cql,
                 "INSERT INTO ks.d (k, c, v) VALUES (%d, 1, %d) USING TIMESTAMP %d", k, i, 10 + i);
        CU_ASSERT(says(insert, CQL_CL_ONE, "ok", cql));
        CU_ASSERT(says(both, CQL_CL_ONE, "ok", cql));
    }
    snprintf(cql, sizeof cql, "DELETE FROM ks.d USING TIMESTAMP 20 WHERE k = %d%s", k,
             k % 2 == 0 ? " AND c = 1" : "");
    CU_ASSERT(says(both, CQL_CL_ONE, "ok", cql));
    snprintf(cql, sizeof cql, "SELECT v FROM ks.d WHERE k = %d", k);
    CU_ASSERT(says(both, CQL_CL_ONE, "no rows", cql));
    CU_ASSERT(says(insert, CQL_CL_ONE, "4", cql));
}

/* Whoever is which, and whoever meets whom first: the row is gone. */
static void insert_delete_nothing_in_every_role(void)
{
    static const unsigned roles[6][2] = {{1, 2}, {1, 3}, {2, 1}, {2, 3}, {3, 1}, {3, 2}};
    static const unsigned first[3][2] = {{1, 2}, {1, 3}, {2, 3}};
    char cql[128];
    story_begin(3);
    CU_ASSERT(
        says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.d (k int, c int, v int, PRIMARY KEY (k, c))"));
    for (int m = 0; m < 6; m++) {
        cut_all();
        for (int i = 0; i < 6; i++)
            three_states_of(10 * i + m, roles[i][0], roles[i][1]);
        sim_heal(sim, first[m / 2][0], first[m / 2][1]);
        sim_elapse(sim, SECONDS(5));
        CU_ASSERT_FATAL(heal());
        for (int i = 0; i < 6; i++) {
            snprintf(cql, sizeof cql, "SELECT v FROM ks.d WHERE k = %d", 10 * i + m);
            CU_ASSERT(says(roles[i][0], CQL_CL_ALL, "no rows", cql));
            CU_ASSERT(all_say(CQL_CL_QUORUM, "no rows", cql));
        }
        CU_ASSERT(become_equal(SECONDS(20))); /* deletions are dropped meanwhile */
    }
    CU_ASSERT(all_say(CQL_CL_ONE, "no rows", "SELECT k FROM ks.d"));
}

/* Equal replicas stay as they are: reading what is deleted writes nothing and sends nothing. */
static void reads_of_the_deleted_write_nothing(void)
{
    story_begin(3);
    make_rows();
    cut_off(3);
    delete_rows(1, CQL_CL_QUORUM);
    CU_ASSERT_FATAL(heal());
    are_deleted(CQL_CL_ALL);
    CU_ASSERT(become_equal(SECONDS(10)));
    days_pass(11);
    uint64_t writes = counted("torc_store_writes_total");
    uint64_t repairs = counted("torc_read_repairs_total");
    uint64_t pulled = counted("torc_handoff_dots_pulled_total");
    for (int i = 0; i < 100; i++)
        are_deleted(i % 2 == 0 ? CQL_CL_ALL : CQL_CL_QUORUM);
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT_EQUAL(counted("torc_store_writes_total"), writes);
    CU_ASSERT_EQUAL(counted("torc_read_repairs_total"), repairs);
    CU_ASSERT_EQUAL(counted("torc_handoff_dots_pulled_total"), pulled);
}

/* What comes late, and is older than the deletion, is dead on arrival: through whichever replica,
 * also one that has yet to hear of the deletion. */
static void a_late_write_is_older_than_the_delete(void)
{
    story_begin(3);
    cut_off(3);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "DELETE FROM ks.t USING TIMESTAMP 200 WHERE k = 1"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "DELETE FROM ks.t USING TIMESTAMP 200 WHERE k = 2"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok",
                   "INSERT INTO ks.t (k, v) VALUES (1, 'late') USING TIMESTAMP 100"));
    CU_ASSERT(says(3, CQL_CL_ONE, "ok",
                   "INSERT INTO ks.t (k, v) VALUES (2, 'late') USING TIMESTAMP 100"));
    CU_ASSERT(
        says(3, CQL_CL_ONE, "ok", "INSERT INTO ks.t (k, v) VALUES (3, 'new') USING TIMESTAMP 201"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "DELETE FROM ks.t USING TIMESTAMP 200 WHERE k = 3"));
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(all_say(CQL_CL_ONE, "3 new", "SELECT k, v FROM ks.t"));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "ok",
                   "INSERT INTO ks.t (k, v) VALUES (2, 'later') USING TIMESTAMP 199"));
    CU_ASSERT(all_say(CQL_CL_ALL, "3 new", "SELECT k, v FROM ks.t"));
}

/* Rows expire at one instant for all: replicas whose clocks are apart do not repair each other, and
 * one that was away shows nothing of what has expired meanwhile. */
static void expired_rows_are_no_difference(void)
{
    story_begin(3);
    sim_set_clock(sim, 1, -MILLISECONDS(200));
    sim_set_clock(sim, 3, MILLISECONDS(200));
    char cql[128];
    for (int i = 1; i <= 5; i++) {
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'short') USING TTL 2", i);
        CU_ASSERT(says(1 + (unsigned)i % 3, CQL_CL_ALL, "ok", cql));
    }
    for (int i = 0; i < 40; i++) {
        for (unsigned via = 1; via <= 3; via++)
            CU_ASSERT_EQUAL(sim_cql(sim, via, CQL_CL_ALL, "SELECT * FROM ks.t")->outcome, SIM_OK);
        sim_elapse(sim, MILLISECONDS(100));
    }
    CU_ASSERT(all_say(CQL_CL_ALL, "no rows", "SELECT * FROM ks.t"));
    CU_ASSERT_EQUAL(counted("torc_digest_mismatches_total"), 0);
    CU_ASSERT_EQUAL(counted("torc_handoff_dots_pulled_total"), 0);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 7, 7));
    cut_off(3);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "UPDATE ks.t USING TTL 2 SET v = 'short' WHERE k = 7"));
    sim_elapse(sim, SECONDS(3));
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(all_say(CQL_CL_ONE, "7 null", "SELECT k, v FROM ks.t"));
}

static void make_and_delete(int count)
{
    char cql[128];
    for (int i = 0; i < count; i++) {
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v')", i);
        CU_ASSERT(says(1 + (unsigned)i % 2, CQL_CL_QUORUM, "ok", cql));
        snprintf(cql, sizeof cql, "DELETE FROM ks.t WHERE k = %d", i);
        CU_ASSERT(says(2 - (unsigned)i % 2, CQL_CL_QUORUM, "ok", cql));
    }
}

/* A few seconds after the last delete no replica has any left; nor after a partition has healed. */
static void deletes_are_forgotten_soon(void)
{
    story_begin(3);
    make_and_delete(20);
    CU_ASSERT_EQUAL(counted("torc_garbage_dropped_total"), 0);
    sim_elapse(sim, SECONDS(12));
    CU_ASSERT_EQUAL(counted("torc_garbage_ranges"), 0);
    for (unsigned i = 1; i <= 3; i++)
        CU_ASSERT(counted_by(i, "torc_garbage_dropped_total") >= 20);
    cut_off(3);
    make_and_delete(20);
    sim_elapse(sim, SECONDS(30));
    CU_ASSERT(counted_by(1, "torc_pinned_ranges") > 0);
    CU_ASSERT(counted_by(2, "torc_pinned_ranges") > 0);
    CU_ASSERT(says(1, CQL_CL_ONE, "down",
                   "SELECT reason FROM system_views.tombstone_pins WHERE keyspace_name = 'ks' "
                   "LIMIT 1"));
    CU_ASSERT(
        says(1, CQL_CL_ONE, "20",
             "SELECT sum(waiting) FROM system_views.tombstone_pins WHERE keyspace_name = 'ks' "
             "AND more = false ALLOW FILTERING"));
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(become_equal(SECONDS(10)));
    sim_elapse(sim, SECONDS(12));
    CU_ASSERT_EQUAL(counted("torc_garbage_ranges"), 0);
    CU_ASSERT_EQUAL(counted("torc_pinned_ranges"), 0);
    CU_ASSERT(says(1, CQL_CL_ONE, "no rows", "SELECT reason FROM system_views.tombstone_pins"));
    CU_ASSERT(all_say(CQL_CL_ALL, "no rows", "SELECT * FROM ks.t"));
    cut_all();
    CU_ASSERT(all_say(CQL_CL_ONE, "no rows", "SELECT * FROM ks.t"));
}

/* Nor is any left with those who have given a part of the ring away: what still lies there counts
 * for nothing. */
static void a_join_pins_nothing(void)
{
    story_begin(3);
    make_and_delete(40);
    sim_add(sim);
    sim_start(sim, 4);
    sim_elapse(sim, SECONDS(30));
    CU_ASSERT_FATAL(see_each_other());
    sim_elapse(sim, SECONDS(90));
    CU_ASSERT_EQUAL(counted("torc_garbage_ranges"), 0);
    sim_crash(sim, 4);
    sim_elapse(sim, SECONDS(20));
    CU_ASSERT_EQUAL(counted("torc_pinned_ranges"), 0);
}

/* A dead replica keeps them, however long; the one in its place lets them go. */
static void a_dead_replica_keeps_deletes_until_replaced(void)
{
    story_begin(4);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 0, 30));
    sim_crash(sim, 3);
    sim_elapse(sim, SECONDS(5));
    make_and_delete(20);
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT(counted("torc_pinned_ranges") > 0);
    sim_lose_disk(sim, 3);
    CU_ASSERT_FATAL(sim_start_replacing(sim, 3));
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(30)));
    sim_elapse(sim, SECONDS(20));
    CU_ASSERT_EQUAL(counted("torc_garbage_ranges"), 0);
    for (int i = 0; i < 20; i++) {
        char cql[64];
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", i);
        CU_ASSERT(says(1 + (unsigned)i % 4, CQL_CL_ALL, "no rows", cql));
    }
}

static void delete_in_all_ways(const char *table, bool ranges)
{
    char cql[128];
    static const char *const how[] = {
        "DELETE v FROM ks.%s WHERE k = 1 AND c = 1", "DELETE FROM ks.%s WHERE k = 1 AND c = 2",
        "DELETE FROM ks.%s WHERE k = 2", "DELETE FROM ks.%s WHERE k = 3 AND c > 1"};
    for (size_t i = 0; i < ARRAY_LEN(how) - !ranges; i++) {
        snprintf(cql, sizeof cql, how[i], table);
        CU_ASSERT(says(1 + (unsigned)i % 3, CQL_CL_ALL, "ok", cql));
    }
}

/* A disk is put back as it was before rows were deleted and the deletions dropped: it pulls, and
 * they go there. What was written later stays. */
static void a_disk_from_a_backup_loses_what_was_deleted(void)
{
    static const char *const tables[] = {"c", "s"};
    char cql[160];
    story_begin(3);
    CU_ASSERT(
        says(1, CQL_CL_ALL, "ok", "CREATE TABLE ks.c (k int, c int, v text, PRIMARY KEY (k, c))"));
    CU_ASSERT(says(1, CQL_CL_ALL, "ok",
                   "CREATE TABLE ks.s (k int, c int, v text, PRIMARY KEY (k, c)) WITH conflicts = "
                   "'siblings'"));
    for (int i = 0; i < 24; i++) {
        snprintf(cql, sizeof cql, "INSERT INTO ks.%s (k, c, v) VALUES (%d, %d, 'v')", tables[i % 2],
                 1 + i / 2 % 4, i / 8);
        CU_ASSERT(says(1 + (unsigned)i % 3, CQL_CL_ALL, "ok", cql));
    }
    sim_elapse(sim, SECONDS(1));
    sim_back_up_disk(sim, 2);
    delete_in_all_ways("c", true);
    delete_in_all_ways("s", false);
    CU_ASSERT(says(1, CQL_CL_ALL, "ok", "DELETE FROM ks.s WHERE k = 3 AND c = 2"));
    CU_ASSERT(says(1, CQL_CL_ALL, "ok", "INSERT INTO ks.c (k, c, v) VALUES (2, 9, 'new')"));
    CU_ASSERT(says(1, CQL_CL_ALL, "ok", "INSERT INTO ks.s (k, c, v) VALUES (2, 9, 'new')"));
    sim_elapse(sim, SECONDS(100));
    CU_ASSERT_EQUAL(counted("torc_garbage_ranges"), 0);
    sim_crash(sim, 2);
    sim_elapse(sim, SECONDS(5));
    sim_restore_disk(sim, 2);
    CU_ASSERT_FATAL(sim_start(sim, 2));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(30)));
    cut_all();
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        snprintf(cql, sizeof cql, "SELECT c, v FROM ks.%s WHERE k = 1", tables[i]);
        CU_ASSERT(all_say(CQL_CL_ONE, "0 v; 1 null", cql));
        snprintf(cql, sizeof cql, "SELECT c, v FROM ks.%s WHERE k = 2", tables[i]);
        CU_ASSERT(all_say(CQL_CL_ONE, "9 new", cql));
        snprintf(cql, sizeof cql, "SELECT c, v FROM ks.%s WHERE k = 3", tables[i]);
        CU_ASSERT(all_say(CQL_CL_ONE, "0 v; 1 v", cql));
        snprintf(cql, sizeof cql, "SELECT c, v FROM ks.%s WHERE k = 4", tables[i]);
        CU_ASSERT(all_say(CQL_CL_ONE, "0 v; 1 v; 2 v", cql));
    }
}

CU_TestInfo deletes_tests[] = {
    {"a delete missed by one replica stays deleted: a read meets it (1)",
     a_missed_delete_meets_a_read},
    {"a delete missed by one replica stays deleted: the logs hand it over (1)",
     a_missed_delete_is_handed_over},
    {"insert, delete and nothing, in every role (2)", insert_delete_nothing_in_every_role},
    {"reads of what is deleted write and send nothing (3)", reads_of_the_deleted_write_nothing},
    {"a late write older than the delete is dead everywhere (4)",
     a_late_write_is_older_than_the_delete},
    {"deletes are forgotten soon", deletes_are_forgotten_soon},
    {"a join pins nothing", a_join_pins_nothing},
    {"a dead replica keeps deletes until it is replaced",
     a_dead_replica_keeps_deletes_until_replaced},
    {"a disk from a backup loses what was deleted since",
     a_disk_from_a_backup_loses_what_was_deleted},
    {"expired rows are no difference (7)", expired_rows_are_no_difference},
    CU_TEST_INFO_NULL,
};
