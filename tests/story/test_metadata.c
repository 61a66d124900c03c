/* Stories of the metadata members, as clients feel them: who votes on changes when nodes are lost.
 */
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

void metadata_setup(void);
void metadata_teardown(void);

void metadata_setup(void)
{
    story_setup();
}

void metadata_teardown(void)
{
    story_teardown();
}

#define AWAY SECONDS(90) /* a minute, and what it takes to notice and to say so */

static const struct topology *seen_by(unsigned node)
{
    return meta_topology(node_meta(sim_node(sim, node)));
}

static const struct topology_node *entry_of(unsigned by, unsigned node)
{
    const struct endpoint at = endpoint_v4(10, 0, 0, (uint8_t)node, 7000);
    return topology_find_endpoint(seen_by(by), &at);
}

static bool votes(unsigned by, unsigned node)
{
    return topology_is_member(seen_by(by), entry_of(by, node)->node);
}

/* A machine other than the first one that votes, or that does not. */
static unsigned one_that(bool is_voting)
{
    for (unsigned i = 2; i <= sim_nodes(sim); i++) {
        if (votes(1, i) == is_voting)
            return i;
    }
    return 0;
}

static bool make_table(unsigned via, const char *name)
{
    char cql[64];
    snprintf(cql, sizeof cql, "CREATE TABLE ks.%s (k int PRIMARY KEY)", name);
    return says(via, CQL_CL_ONE, "ok", cql);
}

/* A metadata member dies. Nothing of that is felt; after a minute another node votes in its place,
 * so that two more may go. When it is back it may be chosen again. */
static void another_node_takes_the_place_of_a_member(void)
{
    story_begin(4);
    unsigned gone = one_that(true), spare = one_that(false);
    CU_ASSERT_NOT_EQUAL_FATAL(spare, 0);
    sim_kill(sim, gone);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT(write_rows(1, CQL_CL_QUORUM, i, i));
        CU_ASSERT(read_rows(spare, CQL_CL_QUORUM, i, i));
        sim_elapse(sim, SECONDS(2));
    }
    CU_ASSERT(make_table(1, "a"));
    CU_ASSERT(votes(1, gone));
    sim_elapse(sim, AWAY);
    CU_ASSERT(entry_of(1, gone)->away);
    CU_ASSERT_FALSE(votes(1, gone));
    CU_ASSERT(votes(1, spare));
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 3);
    CU_ASSERT(make_table(spare, "b"));
    sim_start(sim, gone);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(make_table(gone, "c"));
    sim_elapse(sim, AWAY);
    CU_ASSERT_FALSE(entry_of(1, gone)->away);
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(read_rows(gone, CQL_CL_QUORUM, 0, 9));
}

/* A minority is lost, for long, and there is nobody else: reads, writes and changes go on. */
static void a_minority_lost_changes_nothing(void)
{
    story_begin(3);
    sim_kill(sim, 3);
    sim_elapse(sim, AWAY);
    CU_ASSERT(votes(1, 3));
    CU_ASSERT(make_table(2, "a"));
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 20));
    CU_ASSERT(read_rows(2, CQL_CL_QUORUM, 1, 20));
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(make_table(3, "b"));
}

/* Most are lost: reads and writes go on at the levels that the living make up, for as long as one
 * likes; a change is refused with what to do, and nobody comes in. With one of them back all is
 * well. */
static void a_majority_lost_stops_changes_only(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    sim_kill(sim, 2);
    sim_kill(sim, 3);
    sim_elapse(sim, AWAY);
    CU_ASSERT(read_rows(1, CQL_CL_ONE, 1, 20));
    CU_ASSERT(write_rows(1, CQL_CL_ONE, 21, 30));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
    const struct sim_reply *r =
        sim_cql(sim, 1, CQL_CL_ONE, "CREATE TABLE ks.a (k int PRIMARY KEY)");
    CU_ASSERT_STRING_EQUAL(sim_say(sim, r), "error: UNAVAILABLE");
    CU_ASSERT_PTR_NOT_NULL(strstr(r->message, "only 1 of 3 metadata members are up: start node "));
    CU_ASSERT_PTR_NOT_NULL(strstr(r->message, "or see torc help metadata"));
    unsigned fourth = sim_add(sim);
    CU_ASSERT(sim_start(sim, fourth));
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT_FALSE(sim_is_ready(sim, fourth));
    CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(node_meta(sim_node(sim, fourth))),
                                  "the cluster cannot let us in yet: only 1 of 3"));
    sim_start(sim, 2);
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT(make_table(1, "a"));
    CU_ASSERT(sim_is_ready(sim, fourth));
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(20)));
    CU_ASSERT(read_rows(fourth, CQL_CL_ALL, 1, 30));
}

CU_TestInfo metadata_tests[] = {
    {"another node takes the place of a member", another_node_takes_the_place_of_a_member},
    {"a minority lost changes nothing", a_minority_lost_changes_nothing},
    {"a majority lost stops changes only", a_majority_lost_stops_changes_only},
    CU_TEST_INFO_NULL,
};
