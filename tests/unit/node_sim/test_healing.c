/* Rows that one replica has lost without knowing, and sessions by trees that look for them. */
#include "unit/node_sim/world.h"

#include <stdio.h>

#define ROWS 60

void healing_setup(void);
void healing_teardown(void);

void healing_setup(void)
{
    world_setup();
}

void healing_teardown(void)
{
    world_teardown();
}

/* Nobody compares who is not asked to. */
static void three_with_rows(void)
{
    world_again(&(struct sim_config){.seed = 1, .limits.scrub_us = SECONDS(36000)});
    world_form(3);
    for (int k = 1; k <= ROWS; k++)
        CU_ASSERT_FATAL(write_row(1 + (unsigned)k % 3, CQL_CL_ALL, k));
    CU_ASSERT(equal_within(SECONDS(10)));
}

static unsigned rows_at(unsigned via, enum cql_consistency level)
{
    unsigned rows = 0;
    for (int k = 1; k <= ROWS; k++) {
        const struct sim_reply *r = sim_cql(w, via, level, "SELECT v FROM ks.t WHERE k = %d", k);
        rows += r->outcome == SIM_OK && r->rows == 1;
    }
    return rows;
}

static bool has_ended(struct sim *s, void *node)
{
    return !sim_is_comparing(s, *(unsigned *)node);
}

static struct sim_compared compare(unsigned a, unsigned b, bool full, bool preview)
{
    struct sim_compare what = {a, b, full, preview};
    CU_ASSERT_FATAL(sim_compare(w, &what));
    CU_ASSERT(!sim_compare(w, &what)); /* one at a time */
    CU_ASSERT_FATAL(sim_until(w, has_ended, &a, SECONDS(60)));
    CU_ASSERT_EQUAL(sim_compared(w, a)->failed, 0);
    CU_ASSERT_PTR_NULL(sim_session_problem(w));
    return *sim_compared(w, a);
}

/* No clock tells of it; who asks the one that has lost them sees it. */
static void lost_rows_are_not_noticed(void)
{
    three_with_rows();
    uint32_t lost = sim_lose_rows(w, 3, 5);
    CU_ASSERT(lost > 0 && lost <= 5);
    sim_elapse(w, MS(100));
    CU_ASSERT_EQUAL(sim_rows_lost(w), lost);
    CU_ASSERT(sim_clocks_equal(w, NULL));
    CU_ASSERT(!sim_replicas_equal(w, NULL));
    CU_ASSERT_EQUAL(rows_at(3, CQL_CL_QUORUM), ROWS);
    CU_ASSERT(rows_at(3, CQL_CL_ONE) < ROWS);
    CU_ASSERT_EQUAL(rows_at(2, CQL_CL_ONE), ROWS);
}

/* Most replicas have each row, always. */
static void only_one_replica_loses_rows(void)
{
    three_with_rows();
    CU_ASSERT(sim_lose_rows(w, 3, 2) > 0);
    CU_ASSERT_EQUAL(sim_lose_rows(w, 2, 2), 0);
    (void)compare(1, 3, true, false);
    CU_ASSERT_EQUAL(sim_rows_lost(w), 0);
    CU_ASSERT(sim_lose_rows(w, 2, 2) > 0);
}

static void a_session_brings_them_and_nothing_else(void)
{
    three_with_rows();
    (void)compare(1, 3, false, false); /* so that there are trees */
    uint32_t lost = sim_lose_rows(w, 3, 5);
    CU_ASSERT(lost > 0);
    uint64_t crossed = sim_crossed(w).rows;
    CU_ASSERT(compare(1, 3, false, false).figures.equal); /* clean leaves are not read again */
    CU_ASSERT(compare(1, 3, true, true).figures.rows_different <= lost);
    (void)compare(1, 3, true, false);
    CU_ASSERT_EQUAL(sim_crossed(w).rows, crossed + lost); /* whoever began the session */
    CU_ASSERT_EQUAL(sim_crossed(w).alike, 0);
    CU_ASSERT_EQUAL(sim_rows_lost(w), 0);
    CU_ASSERT(sim_replicas_equal(w, NULL));
    CU_ASSERT(compare(1, 3, true, false).figures.equal);
    CU_ASSERT(sim_trees_true(w, NULL));
}

static void a_session_ends_with_its_node(void)
{
    struct sim_compare what = {1, 3, true, false};
    unsigned node = 1;
    three_with_rows();
    CU_ASSERT_FATAL(sim_compare(w, &what));
    sim_kill(w, 1);
    sim_elapse(w, MS(1));
    CU_ASSERT(has_ended(w, &node));
    CU_ASSERT(sim_start(w, 1));
    CU_ASSERT(sim_until_ready(w, SECONDS(20)));
    CU_ASSERT_FATAL(sim_compare(w, &what));
    sim_kill(w, 3);
    CU_ASSERT(sim_until(w, has_ended, &node, SECONDS(60)));
    CU_ASSERT(sim_compared(w, 1)->failed > 0);
}

static bool runs_are_over(struct sim *s, void *node)
{
    return !sim_is_repairing(s, *(unsigned *)node);
}

static void a_repair_run_goes_on_after_its_manager(void)
{
    unsigned manager = 1;
    uint64_t id;
    three_with_rows();
    uint32_t lost = sim_lose_rows(w, 3, 5);
    CU_ASSERT(lost > 0);
    CU_ASSERT_FATAL(sim_repair(w, manager, true, false, &id));
    CU_ASSERT(sim_is_repairing(w, manager));
    sim_elapse(w, MS(5)); /* it is durable, and has got nowhere */
    CU_ASSERT(sim_is_repairing(w, manager));
    sim_kill(w, manager);
    CU_ASSERT_EQUAL(sim_repairs(w).cut, 1);
    CU_ASSERT(!sim_repair(w, manager, true, false, &id));
    CU_ASSERT(sim_start(w, manager));
    CU_ASSERT(sim_until_ready(w, SECONDS(20)));
    CU_ASSERT_PTR_NOT_NULL(sim_repair_run(w, manager, id));
    CU_ASSERT(sim_until(w, runs_are_over, &manager, SECONDS(60)));
    CU_ASSERT(sim_repairs_look(w, NULL));
    CU_ASSERT_EQUAL(sim_crossed(w).rows, lost);
    CU_ASSERT_EQUAL(sim_crossed(w).alike, 0);
    CU_ASSERT(sim_replicas_equal(w, NULL));
    CU_ASSERT_EQUAL(sim_repairs(w).begun, 1);
}

/* A tree that says other than what is there. */
static void a_tree_that_lies_is_found(void)
{
    struct errmsg why;
    three_with_rows();
    (void)compare(1, 3, false, false);
    CU_ASSERT(sim_trees_true(w, &why));
    CU_ASSERT(sim_lose_rows(w, 3, 1) > 0);
    CU_ASSERT(!sim_trees_true(w, &why));
}

CU_TestInfo healing_tests[] = {
    {"lost rows are not noticed", lost_rows_are_not_noticed},
    {"only one replica loses rows", only_one_replica_loses_rows},
    {"a session brings them, and nothing else", a_session_brings_them_and_nothing_else},
    {"a repair run goes on after its manager", a_repair_run_goes_on_after_its_manager},
    {"a session ends with its node", a_session_ends_with_its_node},
    {"a tree that lies is found", a_tree_that_lies_is_found},
    CU_TEST_INFO_NULL,
};
