/* Stories of nodes that forget, or are not who they seem; numbers as in docs/bug-stories.md. */
#include "story/fixture.h"

#include <stdio.h>

void identity_setup(void);
void identity_teardown(void);

void identity_setup(void)
{
    story_setup();
}

void identity_teardown(void)
{
    story_teardown();
}

static bool is_ready(struct sim *s, void *node)
{
    return sim_is_ready(s, *(unsigned *)node);
}

static bool becomes_ready(unsigned node)
{
    return sim_until(sim, is_ready, &node, SECONDS(60));
}

static bool is_joining(struct sim *s, void *arg)
{
    const struct topology *t = meta_topology(node_meta(sim_node(s, 1)));
    (void)arg;
    return t->count == 4 && topology_is_moving(t);
}

static bool is_replacing(struct sim *s, void *arg)
{
    const struct topology *t = meta_topology(node_meta(sim_node(s, 1)));
    (void)arg;
    return t->count == 5 && topology_is_moving(t);
}

static bool nobody_moves(struct sim *s, void *arg)
{
    (void)arg;
    for (unsigned i = 1; i <= sim_nodes(s); i++) {
        if (topology_is_moving(meta_topology(node_meta(sim_node(s, i)))))
            return false;
    }
    return true;
}

static unsigned nodes_known(unsigned via)
{
    return sim_cql(sim, via, CQL_CL_ONE, "SELECT peer FROM system.peers")->rows + 1;
}

/* A node names its writes, sends them to the others and loses power before its own disk has them.
 * What it writes after the restart has other names, or the others would take it for the old. */
static void a_lost_tail_is_not_named_again(void)
{
    char cql[128];
    story_begin(3);
    sim_set_disk(sim, MILLISECONDS(50));
    for (int i = 1; i <= 20; i++) {
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v%d')", i, i);
        (void)sim_ask(sim, 1, CQL_CL_QUORUM, cql);
    }
    sim_elapse(sim, MILLISECONDS(30)); /* nothing is on its disk, and all is on its way */
    sim_crash(sim, 1);
    sim_set_disk(sim, 300);
    sim_elapse(sim, SECONDS(1));
    CU_ASSERT(read_rows(2, CQL_CL_QUORUM, 1, 20));
    sim_start(sim, 1);
    CU_ASSERT_FATAL(becomes_ready(1));
    CU_ASSERT(write_rows(1, CQL_CL_ONE, 101, 120));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(2, CQL_CL_ONE, 1, 20));
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 101, 120));
}

/* The same with a disk that is lost as a whole: the node that takes over at that address is another
 * one to the logs. */
static void a_lost_disk_is_another_node(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(3, CQL_CL_ALL, 1, 20));
    sim_crash(sim, 3);
    sim_lose_disk(sim, 3);
    sim_elapse(sim, SECONDS(10));
    sim_start_replacing(sim, 3);
    CU_ASSERT_FATAL(becomes_ready(3));
    CU_ASSERT(write_rows(3, CQL_CL_ONE, 101, 120));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(30)));
    for (unsigned via = 1; via <= 3; via++) {
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 20));
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 101, 120));
    }
}

/* It would be asked for data that it does not have: it is refused, and says why, until it is
 * started as what it is. Also when it is a seed, and when it asks again and again. */
static void a_wiped_node_is_refused(void)
{
    for (unsigned wiped = 1; wiped <= 3; wiped += 2) {
        story_teardown();
        story_setup();
        story_begin(3);
        CU_ASSERT(write_rows(2, CQL_CL_ALL, 1, 10));
        sim_kill(sim, wiped);
        sim_lose_disk(sim, wiped);
        sim_watch(sim, "take over from it with");
        sim_start(sim, wiped);
        sim_elapse(sim, SECONDS(60));
        CU_ASSERT_FALSE(sim_is_ready(sim, wiped));
        CU_ASSERT(read_rows(2, CQL_CL_ONE, 1, 10));
        CU_ASSERT(says(2, CQL_CL_ALL, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
        sim_kill(sim, wiped);
        sim_start(sim, wiped);
        sim_elapse(sim, SECONDS(10));
        CU_ASSERT_FALSE(sim_is_ready(sim, wiped));
        CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 11, 20));
        sim_kill(sim, wiped);
        sim_lose_disk(sim, wiped);
        sim_elapse(sim, SECONDS(30));
        sim_start_replacing(sim, wiped);
        CU_ASSERT_FATAL(becomes_ready(wiped));
        CU_ASSERT_FATAL(see_each_other());
        CU_ASSERT(become_equal(SECONDS(60)));
        CU_ASSERT(read_rows(wiped, CQL_CL_ONE, 1, 20));
    }
}

/* While a node takes over from a dead one nobody else enters under that address, but who takes over
 * from it, when it has died, too. */
static void an_address_that_is_being_taken_over(void)
{
    story_begin(4);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    sim_crash(sim, 4);
    sim_lose_disk(sim, 4);
    sim_elapse(sim, SECONDS(30));
    sim_start_replacing(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, is_replacing, NULL, SECONDS(30)));
    sim_crash(sim, 4);
    CU_ASSERT(is_replacing(sim, NULL));
    sim_lose_disk(sim, 4);
    sim_start(sim, 4);
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT_FALSE(sim_is_ready(sim, 4));
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1, 20));
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 21, 40));
    CU_ASSERT(read_rows(3, CQL_CL_QUORUM, 1, 40));
    sim_kill(sim, 4);
    sim_lose_disk(sim, 4);
    sim_start_replacing(sim, 4);
    CU_ASSERT_FATAL(becomes_ready(4));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    for (unsigned via = 1; via <= 4; via++) {
        CU_ASSERT_EQUAL(nodes_known(via), 4);
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 40));
    }
}

/* A node that dies while it joins owns nothing: nobody is told to ask it, and no row is missed.
 * Started again it goes on where it was. */
static void a_join_that_fails(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    sim_add(sim);
    sim_start(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, is_joining, NULL, SECONDS(30)));
    sim_crash(sim, 4);
    CU_ASSERT(is_joining(sim, NULL));
    for (unsigned via = 1; via <= 3; via++) {
        CU_ASSERT_EQUAL(nodes_known(via), 3);
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1, 40));
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 40));
    }
    CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 41, 60));
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT(read_rows(3, CQL_CL_QUORUM, 1, 60));
    CU_ASSERT_FATAL(sim_form(sim, 4));
    CU_ASSERT(read_rows(4, CQL_CL_ONE, 1, 60));
    CU_ASSERT(become_equal(SECONDS(10)));
}

/* The power goes before its disk has who it is. Nobody was told of that one for good: it would be a
 * member that no one can ever be again, and hold the address. */
static void a_join_before_the_first_fsync(void)
{
    story_begin(3);
    sim_add(sim);
    sim_slow_disk(sim, 4, SECONDS(2));
    sim_start(sim, 4);
    sim_elapse(sim, SECONDS(1));
    sim_crash(sim, 4);
    sim_slow_disk(sim, 4, 0);
    sim_start(sim, 4);
    CU_ASSERT_FATAL(becomes_ready(4));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    for (unsigned via = 1; via <= 4; via++)
        CU_ASSERT_EQUAL(nodes_known(via), 4);
}

/* It dies while it joins, and its disk is gone. Another one at its address takes its place, and the
 * move ends. */
static void a_join_that_fails_for_good(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    sim_add(sim);
    sim_start(sim, 4);
    CU_ASSERT_FATAL(sim_until(sim, is_joining, NULL, SECONDS(30)));
    sim_crash(sim, 4);
    sim_lose_disk(sim, 4);
    CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 41, 60));
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT(is_joining(sim, NULL));
    sim_start_replacing(sim, 4);
    CU_ASSERT_FATAL(becomes_ready(4));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    for (unsigned via = 1; via <= 4; via++) {
        CU_ASSERT_EQUAL(nodes_known(via), 4);
        CU_ASSERT(read_rows(via, CQL_CL_ONE, 1, 60));
    }
}

/* Who was replaced is gone from every list, and stays so when everybody starts again. */
static void who_was_replaced_is_no_ghost(void)
{
    story_begin(3);
    sim_crash(sim, 2);
    sim_lose_disk(sim, 2);
    sim_elapse(sim, SECONDS(20));
    sim_start_replacing(sim, 2);
    CU_ASSERT_FATAL(becomes_ready(2));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    CU_ASSERT(sim_until(sim, nobody_moves, NULL, SECONDS(5)));
    /* A message of before the restart may have found its link broken only now. */
    CU_ASSERT(see_each_other());
    for (int round = 0; round < 2; round++) {
        for (unsigned via = 1; via <= 3; via++) {
            CU_ASSERT_EQUAL(nodes_known(via), 3);
            CU_ASSERT_EQUAL(counted("torc_nodes{state=\"down\"}"), 0);
        }
        for (unsigned i = 1; i <= 3; i++)
            sim_crash(sim, i);
        for (unsigned i = 1; i <= 3; i++)
            sim_start(sim, i);
        CU_ASSERT_FATAL(see_each_other());
        sim_elapse(sim, SECONDS(60));
    }
}

CU_TestInfo identity_tests[] = {
    {"a lost tail is not named again (24)", a_lost_tail_is_not_named_again},
    {"a lost disk is another node (24)", a_lost_disk_is_another_node},
    {"a wiped node is refused until it says what it replaces (25)", a_wiped_node_is_refused},
    {"nobody enters at an address that is being taken over (26)",
     an_address_that_is_being_taken_over},
    {"a join that fails owns nothing, and goes on later (27)", a_join_that_fails},
    {"a join before the first fsync leaves nothing behind", a_join_before_the_first_fsync},
    {"a join that fails for good is taken over (27)", a_join_that_fails_for_good},
    {"who was replaced is no ghost (29)", who_was_replaced_is_no_ghost},
    CU_TEST_INFO_NULL,
};
