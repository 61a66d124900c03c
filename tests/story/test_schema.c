/* Stories of schema changes among several nodes. */
#include "node/schema/schema.h"
#include "story/fixture.h"

void schema_setup(void);
void schema_teardown(void);

void schema_setup(void)
{
    story_setup();
}

void schema_teardown(void)
{
    story_teardown();
}

static bool knows(unsigned node, const char *table)
{
    return schema_table(meta_schema(node_meta(sim_node(sim, node))), "ks", table) != NULL;
}

static void a_change_reaches_all_before_its_answer(void)
{
    story_begin(5);
    for (unsigned via = 1; via <= 5; via++) {
        char name[] = "t0";
        name[1] = (char)('0' + via);
        const struct sim_reply *r =
            sim_cql(sim, via, CQL_CL_ONE, "CREATE TABLE ks.%s (k int PRIMARY KEY)", name);
        CU_ASSERT_EQUAL(r->outcome, SIM_OK);
        for (unsigned i = 1; i <= 5; i++)
            CU_ASSERT(knows(i, name));
    }
}

static bool is_ready(struct sim *s, void *node)
{
    return sim_is_ready(s, *(unsigned *)node);
}

static void a_node_that_was_away_learns_it_before_it_serves(void)
{
    unsigned away = 3;
    story_begin(3);
    sim_kill(sim, away);
    sim_elapse(sim, SECONDS(1));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.late (k int PRIMARY KEY)"));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", "INSERT INTO ks.late (k) VALUES (1)"));
    sim_start(sim, away);
    CU_ASSERT(sim_until(sim, is_ready, &away, SECONDS(30)));
    CU_ASSERT(knows(away, "late"));
    CU_ASSERT(says(away, CQL_CL_QUORUM, "1", "SELECT k FROM ks.late WHERE k = 1"));
}

/* Two nodes ask for the same table at once: one makes it, the other hears that it exists. */
static void one_table_made_twice_exists_once(void)
{
    static const char cql[] = "CREATE TABLE ks.twice (k int PRIMARY KEY)";
    story_begin(3);
    uint64_t a = sim_ask(sim, 1, CQL_CL_ONE, cql);
    uint64_t b = sim_ask(sim, 2, CQL_CL_ONE, cql);
    sim_elapse(sim, SECONDS(5));
    unsigned ok = 0, exists = 0;
    ok += sim_reply_of(sim, a)->outcome == SIM_OK;
    ok += sim_reply_of(sim, b)->outcome == SIM_OK;
    exists += sim_reply_of(sim, a)->code == CQL_ERROR_ALREADY_EXISTS;
    exists += sim_reply_of(sim, b)->code == CQL_ERROR_ALREADY_EXISTS;
    CU_ASSERT_EQUAL(ok, 1);
    CU_ASSERT_EQUAL(exists, 1);
    CU_ASSERT(become_equal(SECONDS(5)));
}

/* A node whose links do not work for so long has not heard of a change that the others agree upon,
 * and is not held for dead yet. */
static void change_behind_the_back_of_3(const char *cql)
{
    sim_cut(sim, 3, 1);
    sim_cut(sim, 3, 2);
    (void)sim_ask(sim, 1, CQL_CL_ONE, cql);
    sim_elapse(sim, MILLISECONDS(300));
}

/* What a node refuses because of its own old schema may be right by now: the log says. */
static void a_refusal_is_of_the_log(void)
{
    story_begin(3);
    change_behind_the_back_of_3("DROP TABLE ks.t");
    CU_ASSERT(!knows(1, "t"));
    CU_ASSERT(knows(3, "t"));
    uint64_t create = sim_ask(sim, 3, CQL_CL_ONE, "CREATE TABLE ks.t (k int PRIMARY KEY)");
    uint64_t lenient =
        sim_ask(sim, 3, CQL_CL_ONE, "CREATE TABLE IF NOT EXISTS ks.t (k int PRIMARY KEY)");
    uint64_t drop = sim_ask(sim, 3, CQL_CL_ONE, "DROP TABLE ks.nothing");
    sim_elapse(sim, MILLISECONDS(10));
    CU_ASSERT_EQUAL(sim_reply_of(sim, create)->outcome, SIM_PENDING);
    CU_ASSERT_EQUAL(sim_reply_of(sim, lenient)->outcome, SIM_PENDING);
    CU_ASSERT_EQUAL(sim_reply_of(sim, drop)->outcome, SIM_PENDING);
    sim_heal_all(sim);
    sim_elapse(sim, SECONDS(12));
    CU_ASSERT_STRING_EQUAL(sim_say(sim, sim_reply_of(sim, create)), "ok");
    CU_ASSERT_STRING_EQUAL(sim_say(sim, sim_reply_of(sim, lenient)), "ok");
    CU_ASSERT_STRING_EQUAL(sim_say(sim, sim_reply_of(sim, drop)), "error: INVALID");
    CU_ASSERT(knows(1, "t"));
}

/* Nobody would ever read it: so replicas that know do not ack it, and the client hears of it. */
static void a_write_to_a_table_that_is_gone_is_not_acked(void)
{
    story_begin(3);
    change_behind_the_back_of_3("TRUNCATE ks.t");
    uint64_t write = sim_ask(sim, 3, CQL_CL_QUORUM, "INSERT INTO ks.t (k, v) VALUES (1, 'a')");
    uint64_t read = sim_ask(sim, 3, CQL_CL_QUORUM, "SELECT v FROM ks.t WHERE k = 1");
    sim_elapse(sim, MILLISECONDS(5));
    sim_heal_all(sim);
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT_STRING_EQUAL(sim_say(sim, sim_reply_of(sim, write)), "error: WRITE_FAILURE");
    CU_ASSERT_STRING_EQUAL(sim_say(sim, sim_reply_of(sim, read)), "error: READ_FAILURE");
    CU_ASSERT(write_rows(3, CQL_CL_QUORUM, 2, 2));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "2 v2", "SELECT k, v FROM ks.t"));
    CU_ASSERT(become_equal(SECONDS(10)));
}

CU_TestInfo schema_tests[] = {
    {"a change reaches all before its answer", a_change_reaches_all_before_its_answer},
    {"a node that was away learns it before it serves",
     a_node_that_was_away_learns_it_before_it_serves},
    {"one table made twice exists once", one_table_made_twice_exists_once},
    {"a refusal is of the log", a_refusal_is_of_the_log},
    {"a write to a table that is gone is not acked", a_write_to_a_table_that_is_gone_is_not_acked},
    CU_TEST_INFO_NULL,
};
