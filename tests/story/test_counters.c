/* Stories of counters; numbers as in docs/bug-stories.md. */
#include "story/fixture.h"

#include <stdio.h>

void counters_setup(void);
void counters_teardown(void);

void counters_setup(void)
{
    story_setup();
}

void counters_teardown(void)
{
    story_teardown();
}

#define ADD  "UPDATE ks.n SET n = n + 1 WHERE k = 1"
#define READ "SELECT n FROM ks.n WHERE k = 1"

static void begin(unsigned nodes)
{
    story_begin(nodes);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "CREATE TABLE ks.n (k int PRIMARY KEY, n counter)"));
}

static bool answered(struct sim *s, void *request)
{
    return sim_reply_of(s, *(uint64_t *)request)->outcome != SIM_PENDING;
}

/* Send it under a name; whether it was acked. */
static bool add(unsigned via, enum cql_consistency level, uint64_t name)
{
    uint64_t request = sim_ask_named(sim, via, level, ADD, name);
    bool good = sim_until(sim, answered, &request, SECONDS(20)) &&
                sim_reply_of(sim, request)->outcome == SIM_OK;
    sim_forget(sim, request);
    return good;
}

/* Until it is acked, each time by the next node. */
static bool insist(unsigned nodes, uint64_t name)
{
    for (unsigned i = 0; i < 50; i++) {
        if (add(1 + (unsigned)(name + i) % nodes, CQL_CL_QUORUM, name))
            return true;
        sim_elapse(sim, MILLISECONDS(100));
    }
    return false;
}

/* A node counts, sends that to the others and loses power before its own disk has it. What it
 * counts after the restart is not taken for what it had counted. */
static void a_lost_tail_is_not_counted_over(void)
{
    begin(3);
    sim_set_disk(sim, MILLISECONDS(50));
    for (uint64_t i = 1; i <= 10; i++)
        (void)sim_ask_named(sim, 1, CQL_CL_QUORUM, ADD, i);
    sim_elapse(sim, MILLISECONDS(30));
    sim_crash(sim, 1);
    sim_elapse(sim, SECONDS(1));
    sim_start(sim, 1);
    CU_ASSERT(see_each_other());
    sim_set_disk(sim, 300);
    for (uint64_t i = 1; i <= 20; i++) /* ten of them again */
        CU_ASSERT(insist(1, i));
    CU_ASSERT(all_say(CQL_CL_ALL, "0000000000000014", READ));
    CU_ASSERT(become_equal(SECONDS(30)));
}

/* The node that was asked first has counted it, and cannot say so. */
static void what_is_sent_again_counts_once(void)
{
    begin(3);
    for (uint64_t i = 1; i <= 12; i++) {
        unsigned first = 1 + (unsigned)(i % 3);
        if (i % 2 == 0)
            cut_off(first);
        (void)add(first, i % 4 == 0 ? CQL_CL_ONE : CQL_CL_QUORUM, i);
        CU_ASSERT(add(1 + first % 3, CQL_CL_QUORUM, i));
        if (i % 2 == 0)
            CU_ASSERT(heal());
        CU_ASSERT(add(first, CQL_CL_QUORUM, i));
    }
    CU_ASSERT(all_say(CQL_CL_QUORUM, "000000000000000c", READ));
    CU_ASSERT(become_equal(SECONDS(30)));
    CU_ASSERT(counted("torc_counter_repeats_total") > 0);
}

static void a_deleted_counter_begins_at_nothing(void)
{
    begin(3);
    CU_ASSERT(add(1, CQL_CL_ALL, 1));
    CU_ASSERT(add(2, CQL_CL_ALL, 2));
    sim_stop(sim, 3);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "DELETE FROM ks.n WHERE k = 1"));
    CU_ASSERT(add(2, CQL_CL_QUORUM, 3));
    sim_start(sim, 3); /* it has the old count */
    CU_ASSERT(see_each_other());
    CU_ASSERT(insist(3, 4));
    CU_ASSERT(become_equal(SECONDS(30)));
    CU_ASSERT(all_say(CQL_CL_ONE, "0000000000000002", READ));
}

/* Every side of a partition counts, at ONE. */
static void partitions_lose_no_count(void)
{
    begin(3);
    cut_all();
    for (unsigned node = 1; node <= 3; node++) {
        for (uint64_t i = 0; i < 10; i++)
            CU_ASSERT(add(node, CQL_CL_ONE, node * 100 + i));
    }
    CU_ASSERT(heal());
    CU_ASSERT(become_equal(SECONDS(30)));
    CU_ASSERT(all_say(CQL_CL_ONE, "000000000000001e", READ));
}

/* In the end the increments are a sum, on all replicas the same bytes. */
static void increments_become_sums(void)
{
    begin(3);
    for (uint64_t i = 1; i <= 20; i++)
        CU_ASSERT(insist(3, i));
    sim_elapse(sim, SECONDS(35)); /* counter_retry_window */
    for (uint64_t i = 21; i <= 26; i++)
        CU_ASSERT(insist(3, i));
    CU_ASSERT(counted("torc_counter_folds_total") > 0);
    CU_ASSERT(all_say(CQL_CL_ALL, "000000000000001a", READ));
    CU_ASSERT(become_equal(SECONDS(30)));
}

CU_TestInfo counters_tests[] = {
    {"a lost tail is not counted over (19)", a_lost_tail_is_not_counted_over},
    {"what is sent again counts once (21)", what_is_sent_again_counts_once},
    {"a deleted counter begins at nothing (22)", a_deleted_counter_begins_at_nothing},
    {"partitions lose no count (23)", partitions_lose_no_count},
    {"increments become sums", increments_become_sums},
    CU_TEST_INFO_NULL,
};
