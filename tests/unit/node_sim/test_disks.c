/* Disks: slow, full, damaged, lost. */
#include "unit/node_sim/world.h"

#include <string.h>

void disks_setup(void);
void disks_teardown(void);

void disks_setup(void)
{
    world_setup();
}

void disks_teardown(void)
{
    world_teardown();
}

/* An fsync takes up to twice as long, and some may be in a row; a write has two seconds. */
static void an_ack_waits_for_a_slow_disk(void)
{
    world_form(3);
    sim_slow_disk(w, 2, MS(200));
    usec start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_QUORUM, 1));
    CU_ASSERT(sim_now(w) - start < MS(100));
    start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_ALL, 2));
    CU_ASSERT(sim_now(w) - start >= MS(200));
    sim_slow_disk(w, 2, 0);
    sim_elapse(w, SECONDS(2));
    start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_ALL, 3));
    CU_ASSERT(sim_now(w) - start < MS(100));
}

/* It does not start before there is space; then it catches up. */
static void a_full_disk_is_emptied(void)
{
    world_form(3);
    CU_ASSERT(write_row(1, CQL_CL_ALL, 1));
    sim_fill_disk(w, 3);
    CU_ASSERT(write_row(1, CQL_CL_QUORUM, 2));
    sim_elapse(w, SECONDS(3));
    CU_ASSERT_FALSE(sim_is_ready(w, 3));
    sim_kill(w, 3);
    CU_ASSERT_FALSE(sim_start(w, 3));
    CU_ASSERT_STRING_EQUAL(sim_why_down(w, 3), "open the store: no space left");
    sim_empty_disk(w, 3);
    CU_ASSERT(sim_start(w, 3));
    CU_ASSERT(sim_until_ready(w, SECONDS(20)));
    CU_ASSERT(equal_within(SECONDS(20)));
}

/* Whatever is being synced when the power goes may be there, from the first group on. */
static void a_power_cut_in_the_middle_of_a_sync(void)
{
    unsigned kept = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_config config = {.seed = seed};
        world_again(&config);
        world_form(1);
        sim_elapse(w, MS(50));
        sim_set_disk(w, MS(100));
        uint64_t asked = sim_ask(w, 1, CQL_CL_ONE, "INSERT INTO ks.t (k, v) VALUES (1, 'x')");
        sim_elapse(w, MS(20));
        CU_ASSERT_EQUAL(sim_reply_of(w, asked)->outcome, SIM_PENDING);
        sim_crash(w, 1);
        CU_ASSERT_EQUAL(sim_reply_of(w, asked)->outcome, SIM_LOST);
        CU_ASSERT(sim_start(w, 1));
        CU_ASSERT(sim_until_ready(w, SECONDS(20)));
        const struct sim_reply *r = sim_cql(w, 1, CQL_CL_ONE, "SELECT v FROM ks.t");
        CU_ASSERT_EQUAL(r->outcome, SIM_OK);
        kept += r->rows;
    }
    CU_ASSERT(kept > 2);
    CU_ASSERT(kept < 18);
}

CU_TestInfo disks_tests[] = {
    {"an ack waits for a slow disk", an_ack_waits_for_a_slow_disk},
    {"a full disk is emptied", a_full_disk_is_emptied},
    {"a power cut in the middle of a sync", a_power_cut_in_the_middle_of_a_sync},
    CU_TEST_INFO_NULL,
};
