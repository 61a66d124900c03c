/* Processes and clients: turns that are not finished, turns that take long, connections that end.
 */
#include "unit/node_sim/world.h"

void processes_setup(void);
void processes_teardown(void);

void processes_setup(void)
{
    world_setup();
}

void processes_teardown(void)
{
    world_teardown();
}

/* However far a turn got, acked rows stay and the replicas become equal. */
static void a_crash_in_the_middle_of_a_turn(void)
{
    world_form(3);
    for (unsigned effects = 0; effects < 2; effects++) {
        CU_ASSERT(write_row(2, CQL_CL_QUORUM, 100 + (int)effects));
        sim_crash_in_turn(w, 1, effects);
        sim_ask(w, 1, CQL_CL_QUORUM, "INSERT INTO ks.t (k, v) VALUES (1, 'x')");
        sim_elapse(w, SECONDS(2));
        CU_ASSERT_FALSE_FATAL(sim_is_up(w, 1));
        CU_ASSERT(sim_start(w, 1));
        CU_ASSERT(sim_until_ready(w, SECONDS(20)));
        CU_ASSERT(equal_within(SECONDS(20)));
    }
    CU_ASSERT(answers(3, CQL_CL_ALL, "v101", "SELECT v FROM ks.t WHERE k = 101"));
}

/* Half of the messages of a turn are out, what it wrote is not: of a write to three replicas, that
 * of the coordinator is gone. */
static void half_a_turn_is_performed(void)
{
    world_form(3);
    sim_elapse(w, SECONDS(2));
    size_t before = store_mem_count(machine_of(w, 1)->store);
    CU_ASSERT_EQUAL(store_mem_pending(machine_of(w, 1)->store), 0);
    sim_crash_in_turn(w, 1, 1);
    sim_ask(w, 1, CQL_CL_ONE, "INSERT INTO ks.t (k, v) VALUES (1, 'x')");
    for (int i = 0; i < 5000 && sim_is_up(w, 1); i++)
        sim_elapse(w, 10);
    CU_ASSERT_FALSE_FATAL(sim_is_up(w, 1));
    CU_ASSERT_EQUAL(store_mem_count(machine_of(w, 1)->store), before);
    CU_ASSERT_EQUAL(store_backlog(machine_of(w, 1)->store), 0);
    sim_elapse(w, MS(100));
    unsigned rows = 0;
    for (unsigned node = 2; node <= 3; node++)
        rows += sim_cql(w, node, CQL_CL_ONE, "SELECT v FROM ks.t")->rows;
    CU_ASSERT_EQUAL(rows, 1); /* the first message was out, the second not */
}

static void a_slow_node_takes_its_time(void)
{
    world_form(2);
    usec start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_ONE, 1));
    usec fast = sim_now(w) - start;
    sim_slow_node(w, 1, MS(100));
    start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_ONE, 2)); /* to hear of it, and of the fsync */
    CU_ASSERT(sim_now(w) - start >= MS(150));
    sim_slow_node(w, 1, 0);
    sim_elapse(w, SECONDS(1));
    start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_ONE, 3));
    CU_ASSERT(sim_now(w) - start < 20 * fast);
    CU_ASSERT(equal_within(SECONDS(10)));
}

/* Slow, but alive: it is asked, it answers, and nobody calls it dead. */
static void a_slow_node_lives(void)
{
    world_form(3);
    sim_slow_node(w, 3, MS(30));
    sim_elapse(w, SECONDS(10));
    CU_ASSERT(sim_see_each_other(w, NULL));
    for (int i = 0; i < 20; i++)
        CU_ASSERT(write_row(1 + (unsigned)i % 3, CQL_CL_ALL, i));
    sim_pause(w, 3);
    sim_elapse(w, SECONDS(1));
    sim_resume(w, 3);
    sim_elapse(w, SECONDS(5));
    CU_ASSERT(write_row(3, CQL_CL_ALL, 21));
    CU_ASSERT(equal_within(SECONDS(10)));
}

/* Who hangs up gets no answer; what the node has read it may still do. */
static void a_client_hangs_up(void)
{
    world_form(3);
    uint64_t asked = sim_ask(w, 1, CQL_CL_QUORUM, "INSERT INTO ks.t (k, v) VALUES (1, 'v1')");
    sim_elapse(w, 700); /* on its way */
    sim_hang_up(w, 1);
    CU_ASSERT_EQUAL(sim_reply_of(w, asked)->outcome, SIM_LOST);
    CU_ASSERT(write_row(1, CQL_CL_QUORUM, 2));
    CU_ASSERT(answers(1, CQL_CL_ALL, "v1", "SELECT v FROM ks.t WHERE k = 1"));
    sim_hang_up(w, 1);
    sim_hang_up(w, 1);
    CU_ASSERT(equal_within(SECONDS(10)));
}

CU_TestInfo processes_tests[] = {
    {"a crash in the middle of a turn", a_crash_in_the_middle_of_a_turn},
    {"half a turn is performed", half_a_turn_is_performed},
    {"a slow node takes its time", a_slow_node_takes_its_time},
    {"a slow node lives", a_slow_node_lives},
    {"a client hangs up", a_client_hangs_up},
    CU_TEST_INFO_NULL,
};
