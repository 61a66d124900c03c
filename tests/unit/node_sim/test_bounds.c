/* What is under way is bounded, and nothing of it is left behind. */
#include "unit/node_sim/world.h"

#include <stdio.h>
#include <string.h>

void bounds_setup(void);
void bounds_teardown(void);

void bounds_setup(void)
{
    world_setup();
}

void bounds_teardown(void)
{
    world_teardown();
}

static bool is_quiet(struct sim *s, void *why)
{
    return sim_is_quiet(s, why);
}

static bool quiet_within(usec limit_us)
{
    struct errmsg why;
    if (sim_until(w, is_quiet, &why, limit_us))
        return true;
    printf("\n    %s\n", why.text);
    return false;
}

static void ask_many(unsigned via, enum cql_consistency level, int count)
{
    static char cql[4096];
    struct errmsg why;
    char text[3001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (int i = 0; i < count; i++) {
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, '%s')", i, text);
        (void)sim_ask(w, via, level, cql);
        if (i % 50 != 0)
            continue;
        sim_step(w, sim_now(w) + 100);
        CU_ASSERT_FATAL(sim_check_bounds(w, &why));
    }
}

/* More than a node may have in flight is asked of it: some of it is refused, all of it answered,
 * and nothing stays behind. */
static void an_overloaded_node(void)
{
    struct sim_config config = {.seed = 5, .limits = {.in_flight_max = 200000}};
    world_again(&config);
    world_form(3);
    sim_set_disk(w, MS(20));
    ask_many(1, CQL_CL_QUORUM, 3000);
    CU_ASSERT(quiet_within(SECONDS(10)));
    unsigned overloaded = 0;
    for (uint64_t q = 3; q <= w->numbers; q++) {
        const struct sim_reply *r = sim_reply_of(w, q);
        CU_ASSERT_NOT_EQUAL(r->outcome, SIM_PENDING);
        overloaded += r->outcome == SIM_ERROR && r->code == CQL_ERROR_OVERLOADED;
    }
    CU_ASSERT(overloaded > 0);
}

/* Cuts, kills, a peer that stands still and clients that hang up leave nothing behind. */
static void nothing_is_left_behind(void)
{
    world_form(3);
    ask_many(1, CQL_CL_ALL, 200);
    sim_cut(w, 1, 3);
    ask_many(2, CQL_CL_QUORUM, 200);
    sim_elapse(w, MS(500));
    sim_kill(w, 2);
    ask_many(1, CQL_CL_ONE, 200);
    sim_hang_up(w, 1);
    CU_ASSERT(sim_start(w, 2));
    sim_pause(w, 3);
    ask_many(1, CQL_CL_QUORUM, 200);
    sim_elapse(w, MS(300));
    sim_hang_up(w, 1);
    sim_heal_all(w);
    sim_resume(w, 3);
    CU_ASSERT(sim_until_ready(w, SECONDS(20)));
    CU_ASSERT(equal_within(SECONDS(20)));
    CU_ASSERT(quiet_within(SECONDS(10)));
    CU_ASSERT(sim_check_bounds(w, NULL));
}

/* A client that sends more than a node will read has it waiting in the kernel, not in the node. */
static void a_client_that_does_not_wait(void)
{
    world_form(1);
    sim_set_disk(w, MS(50));
    ask_many(1, CQL_CL_ONE, 5000);
    sim_elapse(w, MS(5));
    CU_ASSERT(sim_check_bounds(w, NULL));
    CU_ASSERT(w->machines[1].client.unread_count > 0);
    CU_ASSERT(quiet_within(SECONDS(20)));
    for (uint64_t q = 3; q <= w->numbers; q++)
        CU_ASSERT_EQUAL(sim_reply_of(w, q)->outcome, SIM_OK);
}

/* Data centres and racks: each has its copies, and all are compared. */
static void replicas_of_two_data_centres(void)
{
    struct sim_config config = {.seed = 5, .dcs = 2, .racks = 2};
    world_again(&config);
    CU_ASSERT_FATAL(sim_form(w, 6));
    CU_ASSERT_FATAL(answers(1, CQL_CL_ONE, "ok",
                            "CREATE KEYSPACE ks WITH replication = {'class': "
                            "'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 3}"));
    CU_ASSERT_FATAL(answers(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.t (k int PRIMARY KEY, v text)"));
    const struct topology *t = meta_topology(node_meta(sim_node(w, 4)));
    CU_ASSERT_EQUAL(t->ring->dcs, 2);
    for (int k = 0; k < 40; k++)
        CU_ASSERT(write_row(1 + (unsigned)k % 6, CQL_CL_LOCAL_QUORUM, k));
    CU_ASSERT(equal_within(SECONDS(10)));
    sim_isolate(w, 2); /* of dc2 */
    CU_ASSERT(write_row(1, CQL_CL_LOCAL_QUORUM, 41));
    CU_ASSERT(write_row(4, CQL_CL_LOCAL_QUORUM, 42));
    sim_elapse(w, SECONDS(3));
    CU_ASSERT_FALSE(sim_replicas_equal(w, NULL));
    sim_heal_all(w);
    CU_ASSERT(equal_within(SECONDS(20)));
    sim_elapse(w, SECONDS(5)); /* all know that all are back */
    CU_ASSERT(answers(2, CQL_CL_ALL, "v41", "SELECT v FROM ks.t WHERE k = 41"));
}

CU_TestInfo bounds_tests[] = {
    {"an overloaded node", an_overloaded_node},
    {"nothing is left behind", nothing_is_left_behind},
    {"a client that does not wait", a_client_that_does_not_wait},
    {"replicas of two data centres", replicas_of_two_data_centres},
    CU_TEST_INFO_NULL,
};
