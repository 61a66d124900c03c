/* Stories of schema changes that meet each other, failures and writes; numbers as in
 * docs/bug-stories.md. */
#include "node/schema/schema.h"
#include "story/fixture.h"

#include <stdio.h>

void schema_races_setup(void);
void schema_races_teardown(void);

void schema_races_setup(void)
{
    story_setup();
}

void schema_races_teardown(void)
{
    story_teardown();
}

static bool agree(struct sim *s, void *arg)
{
    struct uuid version = {{0}};
    bool any = false, same = true;
    (void)arg;
    for (unsigned i = 1; i <= sim_nodes(s); i++) {
        if (!sim_is_ready(s, i))
            continue;
        const struct schema *schema = meta_schema(node_meta(sim_node(s, i)));
        same &= !any || uuid_equal(&version, &schema->version);
        version = schema->version;
        any = true;
    }
    return any && same;
}

static bool knows(unsigned node, const char *table)
{
    return schema_table(meta_schema(node_meta(sim_node(sim, node))), "ks", table) != NULL;
}

/* A node misses a change and cannot fetch it: links break while it asks, again and again, and who
 * was asked dies. It asks on until it has it, then it serves. */
static void a_failed_fetch_is_tried_again(void)
{
    story_begin(4);
    cut_off(4);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.late (k int PRIMARY KEY)"));
    CU_ASSERT_FALSE(knows(4, "late"));
    for (int i = 0; i < 20; i++) { /* open for about as long as one question and half an answer */
        sim_heal(sim, 4, 1 + (unsigned)i % 3);
        sim_elapse(sim, MILLISECONDS(1) + 100 * i);
        sim_isolate(sim, 4);
        sim_elapse(sim, MILLISECONDS(400));
    }
    sim_kill(sim, 1);
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(sim_until(sim, agree, NULL, SECONDS(10)));
    CU_ASSERT(knows(4, "late"));
    CU_ASSERT(says(4, CQL_CL_QUORUM, "ok", "INSERT INTO ks.late (k) VALUES (1)"));
}

/* Nodes join one after the other while tables are made, through the newest each time: every change
 * ends, all agree after each, and it takes no longer with more nodes. */
static void changes_while_nodes_join(void)
{
    char cql[96];
    story_begin(3);
    for (unsigned newest = 4; newest <= 7; newest++) {
        sim_start(sim, sim_add(sim));
        for (int i = 0; i < 5; i++) {
            snprintf(cql, sizeof cql, "CREATE TABLE ks.t_%u_%d (k int PRIMARY KEY)", newest, i);
            unsigned via = sim_is_ready(sim, newest) ? newest : 1 + (unsigned)i % 3;
            usec before = sim_now(sim);
            CU_ASSERT(says(via, CQL_CL_ONE, "ok", cql));
            CU_ASSERT(sim_now(sim) - before < SECONDS(11));
        }
        CU_ASSERT_FATAL(sim_form(sim, newest));
        CU_ASSERT(sim_until(sim, agree, NULL, SECONDS(1)));
        snprintf(cql, sizeof cql, "SELECT k FROM ks.t_%u_4", newest);
        CU_ASSERT(all_say(CQL_CL_QUORUM, "no rows", cql));
    }
}

/* ALTER after ALTER, each through another node, none refused for being behind; with one node away
 * and back in between, and with the first node gone for good. */
static void alter_after_alter(void)
{
    char cql[96];
    story_begin(5);
    for (unsigned i = 1; i <= 20; i++) {
        if (i == 5)
            sim_kill(sim, 1);
        if (i == 8)
            sim_crash(sim, 4);
        if (i == 12) {
            sim_start(sim, 4);
            CU_ASSERT_FATAL(see_each_other());
        }
        unsigned via = 2 + i % 4;
        if (!sim_is_up(sim, via))
            via = 2;
        snprintf(cql, sizeof cql, "ALTER TABLE ks.t ADD c%u int", i);
        CU_ASSERT(says(via, CQL_CL_ONE, "ok", cql));
        snprintf(cql, sizeof cql, "UPDATE ks.t SET c%u = %u WHERE k = 1", i, i);
        CU_ASSERT(says(via == 2 ? 3 : 2, CQL_CL_QUORUM, "ok", cql));
        CU_ASSERT(sim_until(sim, agree, NULL, SECONDS(5)));
    }
    CU_ASSERT(all_say(CQL_CL_QUORUM, "1 10 20", "SELECT c1, c10, c20 FROM ks.t WHERE k = 1"));
}

/* Rows written under every version of a table are read under the last one: columns come, go and
 * come back as something else while a replica that missed all of it holds the old ones. */
static void rows_outlive_schema_changes(void)
{
    story_begin(3);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.u (k int PRIMARY KEY, a int, b text)"));
    CU_ASSERT(says(1, CQL_CL_ALL, "ok", "INSERT INTO ks.u (k, a, b) VALUES (1, 1, 'one')"));
    sim_crash(sim, 3);
    sim_elapse(sim, SECONDS(2));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "ALTER TABLE ks.u ADD c int"));
    CU_ASSERT(
        says(2, CQL_CL_QUORUM, "ok", "INSERT INTO ks.u (k, a, b, c) VALUES (2, 2, 'two', 2)"));
    CU_ASSERT(says(2, CQL_CL_ONE, "ok", "ALTER TABLE ks.u DROP b"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "INSERT INTO ks.u (k, a, c) VALUES (3, 3, 3)"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "ALTER TABLE ks.u ADD b int"));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", "UPDATE ks.u SET b = 7 WHERE k = 1"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "ALTER TABLE ks.u RENAME k TO key"));
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    static const char rows[] = "1 1 7 null; 2 2 null 2; 3 3 null 3";
    CU_ASSERT(says(3, CQL_CL_ALL, "3", "SELECT COUNT(*) FROM ks.u"));
    CU_ASSERT(become_equal(SECONDS(10)));
    for (unsigned via = 1; via <= 3; via++) {
        CU_ASSERT(
            says(via, CQL_CL_ONE, "1 1 7 null", "SELECT key, a, b, c FROM ks.u WHERE key = 1"));
        CU_ASSERT(
            says(via, CQL_CL_ONE, rows, "SELECT key, a, b, c FROM ks.u WHERE key IN (1, 2, 3)"));
    }
}

/* Writes are under way while the table is dropped and made again: none of them shows up in the new
 * one, on whatever node, and all nodes answer. */
static void writes_meet_a_drop(void)
{
    char cql[96];
    story_begin(3);
    sim_set_latency(sim, MILLISECONDS(3), MILLISECONDS(10));
    for (int round = 0; round < 5; round++) {
        uint64_t drop = 0, create = 0;
        for (int i = 0; i < 60; i++) {
            snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'old')", i);
            sim_forget(sim, sim_ask(sim, 1 + (unsigned)i % 3, CQL_CL_QUORUM, cql));
            if (i == 20)
                drop = sim_ask(sim, 1 + (unsigned)round % 3, CQL_CL_ONE, "DROP TABLE ks.t");
            sim_elapse(sim, 500);
        }
        sim_elapse(sim, SECONDS(3));
        CU_ASSERT_EQUAL(sim_reply_of(sim, drop)->outcome, SIM_OK);
        create = sim_ask(sim, 1 + (unsigned)(round + 1) % 3, CQL_CL_ONE,
                         "CREATE TABLE ks.t (k int PRIMARY KEY, v text)");
        sim_elapse(sim, SECONDS(3));
        CU_ASSERT_EQUAL(sim_reply_of(sim, create)->outcome, SIM_OK);
        CU_ASSERT(all_say(CQL_CL_ALL, "no rows", "SELECT * FROM ks.t"));
        CU_ASSERT(write_rows(3, CQL_CL_ALL, 1, 3));
        CU_ASSERT(says(2, CQL_CL_ONE, "ok", "TRUNCATE ks.t"));
        CU_ASSERT(all_say(CQL_CL_ONE, "no rows", "SELECT * FROM ks.t"));
    }
    CU_ASSERT(become_equal(SECONDS(10)));
}

/* Every node makes the same table in the same moment: it is one table, and rows written through one
 * are read through the other. */
static void one_table_made_by_all_at_once(void)
{
    static const char cql[] = "CREATE TABLE ks.same (k int PRIMARY KEY, v int)";
    uint64_t asked[6];
    unsigned made = 0;
    story_begin(5);
    for (unsigned via = 1; via <= 5; via++)
        asked[via] = sim_ask(sim, via, CQL_CL_ONE, cql);
    sim_elapse(sim, SECONDS(10));
    for (unsigned via = 1; via <= 5; via++) {
        const struct sim_reply *r = sim_reply_of(sim, asked[via]);
        made += r->outcome == SIM_OK;
        CU_ASSERT(r->outcome == SIM_OK || r->code == CQL_ERROR_ALREADY_EXISTS);
    }
    CU_ASSERT_EQUAL(made, 1);
    table_no no = schema_table(meta_schema(node_meta(sim_node(sim, 1))), "ks", "same")->no;
    for (unsigned via = 1; via <= 5; via++) {
        char insert[96];
        CU_ASSERT_EQUAL(schema_table(meta_schema(node_meta(sim_node(sim, via))), "ks", "same")->no,
                        no);
        snprintf(insert, sizeof insert, "INSERT INTO ks.same (k, v) VALUES (%u, %u)", via, via);
        CU_ASSERT(says(via, CQL_CL_QUORUM, "ok", insert));
    }
    CU_ASSERT(all_say(CQL_CL_QUORUM, "5", "SELECT COUNT(*) FROM ks.same"));
}

CU_TestInfo schema_races_tests[] = {
    {"a failed fetch of the schema is tried again (42)", a_failed_fetch_is_tried_again},
    {"changes while nodes join (43)", changes_while_nodes_join},
    {"ALTER after ALTER, each through another node (43)", alter_after_alter},
    {"rows outlive schema changes (44)", rows_outlive_schema_changes},
    {"writes meet a DROP (44)", writes_meet_a_drop},
    {"one table made by all at once (45)", one_table_made_by_all_at_once},
    CU_TEST_INFO_NULL,
};
