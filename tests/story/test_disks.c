/* Stories of disks that are lost or damaged: what other replicas have must be enough, and equal. */
#include "story/fixture.h"

void disks_setup(void);
void disks_teardown(void);

void disks_setup(void)
{
    story_setup();
}

void disks_teardown(void)
{
    story_teardown();
}

static bool is_back(struct sim *s, void *node)
{
    return sim_is_ready(s, *(unsigned *)node);
}

static void replace_disk(unsigned node)
{
    sim_lose_disk(sim, node);
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT_FATAL(sim_start_replacing(sim, node));
    CU_ASSERT_FATAL(sim_until(sim, is_back, &node, SECONDS(60)));
}

/* Only one replica has a write; a read has it repaired on another one; then the first loses its
 * disk, and with it the only log that names the write. All the same all replicas get it. */
static void a_repaired_row_outlives_who_had_it(void)
{
    story_begin(3);
    sim_isolate(sim, 2);
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT(write_rows(2, CQL_CL_ONE, 1, 1));
    sim_kill(sim, 1);
    sim_elapse(sim, SECONDS(5));
    sim_heal(sim, 2, 3);
    for (int i = 0; i < 400 && sim_is_up(sim, 2); i++) {
        const struct sim_reply *r = sim_cql(sim, 3, CQL_CL_TWO, "SELECT v FROM ks.t WHERE k = 1");
        if (r->outcome == SIM_OK && r->rows == 1)
            sim_crash(sim, 2);
        else
            sim_elapse(sim, MILLISECONDS(5));
    }
    CU_ASSERT_FALSE_FATAL(sim_is_up(sim, 2));
    sim_heal_all(sim);
    sim_start(sim, 1);
    replace_disk(2);
    CU_ASSERT(see_each_other());
    CU_ASSERT(become_equal(SECONDS(20)));
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 1));
}

CU_TestInfo disks_tests[] = {
    {"a repaired row outlives who had it", a_repaired_row_outlives_who_had_it},
    CU_TEST_INFO_NULL,
};
