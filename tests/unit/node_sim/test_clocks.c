/* Clocks of machines: what they say, and when deadlines fire by them. */
#include "unit/node_sim/world.h"

void clocks_setup(void);
void clocks_teardown(void);

void clocks_setup(void)
{
    world_setup();
}

void clocks_teardown(void)
{
    world_teardown();
}

/* A deadline fires at the first moment at which the clock says so: not before, and not twice. */
static void deadlines_fire_when_the_clock_says_so(void)
{
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        struct clocks c;
        clocks_init(&c, 1);
        c.since = rng_between(&rng, 0, SECONDS(1000));
        c.ppm = (int32_t)rng_between(&rng, -SIM_DRIFT_MAX, SIM_DRIFT_MAX);
        usec mono = c.mono + rng_between(&rng, 0, SECONDS(100000));
        usec when = clocks_when(&c, mono);
        CU_ASSERT_FATAL(clocks_read(&c, when).mono >= mono);
        CU_ASSERT_FATAL(when == c.since || clocks_read(&c, when - 1).mono < mono);
    }
    struct clocks c;
    clocks_init(&c, 1);
    CU_ASSERT_EQUAL(clocks_when(&c, USEC_NEVER), USEC_NEVER);
    CU_ASSERT_EQUAL(clocks_when(&c, c.mono - 5), c.since);
}

static void a_clock_that_drifts(void)
{
    sim_add(w);
    struct now start = sim_clock(w, 1);
    sim_drift_clock(w, 1, 100000);
    sim_elapse(w, SECONDS(10));
    struct now fast = sim_clock(w, 1);
    CU_ASSERT_EQUAL(fast.mono - start.mono, SECONDS(11));
    CU_ASSERT_EQUAL(fast.wall - start.wall, SECONDS(11));
    sim_drift_clock(w, 1, -100000);
    CU_ASSERT_EQUAL(sim_clock(w, 1).mono, fast.mono);
    sim_elapse(w, SECONDS(10));
    CU_ASSERT_EQUAL(sim_clock(w, 1).mono - fast.mono, SECONDS(9));
}

static void a_clock_that_is_set(void)
{
    sim_add(w);
    sim_drift_clock(w, 1, 100000);
    sim_elapse(w, SECONDS(10));
    struct now before = sim_clock(w, 1);
    sim_jump_clock(w, 1, -SECONDS(5));
    CU_ASSERT_EQUAL(sim_clock(w, 1).wall, before.wall - SECONDS(5));
    sim_set_clock(w, 1, SECONDS(2));
    CU_ASSERT_EQUAL(sim_clock(w, 1).wall, SIM_WALL + sim_now(w) + SECONDS(2));
    CU_ASSERT_EQUAL(sim_clock(w, 1).mono, before.mono);
}

/* A node whose clock is fast times out early, by ours. */
static void timeouts_are_by_the_clock_of_the_node(void)
{
    world_form(2);
    sim_drift_clock(w, 1, 500000);
    sim_cut(w, 1, 2);
    usec start = sim_now(w);
    CU_ASSERT(
        answers(1, CQL_CL_ALL, "error: WRITE_TIMEOUT", "INSERT INTO ks.t (k, v) VALUES (1, 'x')"));
    usec took = sim_now(w) - start;
    CU_ASSERT(took < SECONDS(2) - MS(500));
}

/* A cluster lives with clocks that drift, and with wall clocks that jump, as far as clocks may. */
static void a_cluster_of_bad_clocks(void)
{
    struct sim_config config = {.seed = 9, .clock_drift_ppm = 1000, .clock_offset_us = MS(100)};
    world_again(&config);
    world_form(3);
    for (int i = 0; i < 20; i++) {
        CU_ASSERT(write_row(1 + (unsigned)i % 3, CQL_CL_QUORUM, i));
        sim_jump_clock(w, 1 + (unsigned)i % 3, (i % 2 == 0 ? -1 : 1) * MS(100));
        sim_elapse(w, MS(300));
    }
    CU_ASSERT(equal_within(SECONDS(20)));
    CU_ASSERT(sim_see_each_other(w, NULL));
}

CU_TestInfo clocks_tests[] = {
    {"deadlines fire when the clock says so", deadlines_fire_when_the_clock_says_so},
    {"a clock that drifts", a_clock_that_drifts},
    {"a clock that is set", a_clock_that_is_set},
    {"timeouts are by the clock of the node", timeouts_are_by_the_clock_of_the_node},
    {"a cluster of bad clocks", a_cluster_of_bad_clocks},
    CU_TEST_INFO_NULL,
};
