/* Stories of writes that are read and overwritten while they are on the way. */
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

void overwritten_setup(void);
void overwritten_teardown(void);

void overwritten_setup(void)
{
    story_setup();
}

void overwritten_teardown(void)
{
    story_teardown();
}

#define KEYS 12

static bool reads_as(unsigned via, int key, const char *value)
{
    return strcmp(sim_say(sim,
                          sim_cql(sim, via, CQL_CL_QUORUM, "SELECT v FROM ks.t WHERE k = %d", key)),
                  value) == 0;
}

/* One client's write is slow on its way from node 1. Another one sees it, and goes on from what it
 * saw; both are acked. True: it came so far that the slow one was seen before it was over. */
static bool is_seen_and_overwritten(int key)
{
    char cql[96];
    snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'first' WHERE k = %d", key);
    uint64_t first = sim_ask(sim, 1, CQL_CL_QUORUM, cql);
    usec end = sim_now(sim) + MILLISECONDS(1500);
    bool seen = false;
    while (!seen && sim_now(sim) < end)
        seen = reads_as(4, key, "first");
    bool pending = sim_reply_of(sim, first)->outcome == SIM_PENDING;
    if (seen) {
        snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'second' WHERE k = %d", key);
        CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", cql));
        CU_ASSERT(reads_as(4, key, "second"));
    }
    while (sim_reply_of(sim, first)->outcome == SIM_PENDING)
        sim_elapse(sim, MILLISECONDS(1));
    CU_ASSERT_EQUAL(sim_reply_of(sim, first)->outcome, SIM_OK);
    CU_ASSERT_EQUAL(sim_reply_of(sim, first)->warnings_count, 0);
    sim_forget(sim, first);
    for (unsigned via = 2; via <= 4 && seen; via++)
        CU_ASSERT(reads_as(via, key, "second"));
    return seen && pending;
}

/* Of the keys of which node 1 is a replica, and node 4 is none: the others are only another story
 * with the same end. */
static void what_is_written_after_a_read_stays(void)
{
    unsigned happened = 0;
    story_begin(4);
    CU_ASSERT(write_rows(2, CQL_CL_ALL, 1, KEYS));
    for (unsigned far = 2; far <= 3; far++)
        sim_set_link(sim, 1, far, MILLISECONDS(300), 0);
    for (int key = 1; key <= KEYS; key++)
        happened += is_seen_and_overwritten(key);
    CU_ASSERT(happened >= 3);
    sim_set_link(sim, 1, 2, 0, 0);
    sim_set_link(sim, 1, 3, 0, 0);
    for (int key = 1; key <= KEYS; key++)
        CU_ASSERT(reads_as(1, key, "second") || reads_as(1, key, "first"));
    CU_ASSERT(become_equal(SECONDS(10)));
}

CU_TestInfo overwritten_tests[] = {
    {"what is written after a read stays", what_is_written_after_a_read_stays},
    CU_TEST_INFO_NULL,
};
