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

static bool recover(unsigned via, const unsigned *lost, size_t count, enum err expected)
{
    char text[UUID_TEXT_SIZE];
    struct errmsg why = {""};
    struct buf body;
    buf_init(&body, 4096);
    buf_put_text(&body, "{\"cluster\": \"simulated\", \"lost\": [");
    for (size_t i = 0; i < count; i++)
        buf_printf(&body, "%s\"%s\"", i > 0 ? ", " : "",
                   uuid_text(&entry_of(via, lost[i])->info.host_id, text));
    buf_put_text(&body, "]}");
    enum err err = node_metadata_recover(sim_node(sim, via), buf_bytes(&body), &why);
    buf_close(&body);
    if (err != expected)
        printf("\n    recover: %s\n", why.text);
    return err == expected;
}

static bool recovery_is_over(struct sim *s, void *arg)
{
    enum meta_recovery_state state = meta_recovery(node_meta(sim_node(s, *(unsigned *)arg))).state;
    return state == META_RECOVERY_DONE || state == META_RECOVERY_REFUSED;
}

static enum meta_recovery_state recovered(unsigned via)
{
    CU_ASSERT(sim_until(sim, recovery_is_over, &via, SECONDS(40)));
    return meta_recovery(node_meta(sim_node(sim, via))).state;
}

static bool is_ready(struct sim *s, void *arg)
{
    return sim_is_ready(s, *(unsigned *)arg);
}

/* Two of three disks are lost. Who is left goes on alone by a person's word, and the others come
 * back one by one, in their own places. */
static void a_majority_lost_for_ever(void)
{
    const unsigned lost[] = {2, 3}, one[] = {2};
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    CU_ASSERT(recover(1, one, 1, ERR_OK));
    CU_ASSERT_EQUAL(recovered(1), META_RECOVERY_REFUSED);
    sim_kill(sim, 2);
    sim_kill(sim, 3);
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT(recover(1, one, 1, ERR_OK));
    CU_ASSERT_EQUAL(recovered(1), META_RECOVERY_REFUSED);
    CU_ASSERT(recover(1, lost, 2, ERR_OK));
    CU_ASSERT(write_rows(1, CQL_CL_ONE, 21, 30));
    CU_ASSERT_EQUAL(recovered(1), META_RECOVERY_DONE);
    CU_ASSERT(make_table(1, "a"));
    CU_ASSERT(read_rows(1, CQL_CL_ONE, 1, 30));
    for (unsigned i = 2; i <= 3; i++) {
        sim_lose_disk(sim, i);
        CU_ASSERT(sim_start_replacing(sim, i));
        CU_ASSERT_FATAL(sim_until(sim, is_ready, &i, SECONDS(60)));
    }
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    CU_ASSERT(read_rows(3, CQL_CL_ALL, 1, 30));
    CU_ASSERT(make_table(2, "b"));
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 3);
    CU_ASSERT_EQUAL(seen_by(3)->recoveries, 1);
}

/* Three of five are lost, with rows that nobody else had. The two that are left go on, and those
 * that are lost take their places one by one: none of them waits for ever for who is gone. */
static void more_than_the_replicas_are_lost(void)
{
    const unsigned lost[] = {2, 3, 5};
    story_begin(5);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    for (size_t i = 0; i < 3; i++)
        sim_kill(sim, lost[i]);
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT(recover(4, lost, 3, ERR_OK));
    CU_ASSERT_EQUAL(recovered(4), META_RECOVERY_DONE);
    for (size_t i = 0; i < 3; i++) {
        unsigned node = lost[i];
        sim_lose_disk(sim, node);
        CU_ASSERT(sim_start_replacing(sim, node));
        CU_ASSERT_FATAL(sim_until(sim, is_ready, &node, SECONDS(60)));
    }
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    int there = 0;
    for (int i = 1; i <= 40; i++)
        there += sim_cql(sim, 2, CQL_CL_ALL, "SELECT v FROM ks.t WHERE k = %d", i)->rows == 1;
    CU_ASSERT(there > 20);
    CU_ASSERT(write_rows(3, CQL_CL_ALL, 1, 40));
    CU_ASSERT(make_table(5, "a"));
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 5);
}

/* They were not lost, they were behind a cut, and two of three have gone on there. When the cut is
 * over the one that was told to go on is the cluster: the two stop, whatever their clients are at,
 * say what is to be done, and keep to it. */
static void who_was_given_up_serves_nobody(void)
{
    const unsigned lost[] = {2, 3};
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    sim_cut(sim, 1, 2);
    sim_cut(sim, 1, 3);
    sim_elapse(sim, SECONDS(20));
    CU_ASSERT(make_table(2, "theirs"));
    CU_ASSERT(recover(1, lost, 2, ERR_OK));
    CU_ASSERT_EQUAL(recovered(1), META_RECOVERY_DONE);
    CU_ASSERT(make_table(1, "ours"));
    CU_ASSERT(write_rows(1, CQL_CL_ONE, 21, 30));
    CU_ASSERT(make_table(3, "more"));
    CU_ASSERT(write_rows(3, CQL_CL_QUORUM, 31, 40));
    sim_heal_all(sim);
    sim_elapse(sim, SECONDS(20));
    CU_ASSERT(sim_is_ready(sim, 1));
    CU_ASSERT(read_rows(1, CQL_CL_ONE, 1, 30));
    CU_ASSERT(says(1, CQL_CL_ONE, "no rows", "SELECT v FROM ks.t WHERE k = 31"));
    for (unsigned i = 2; i <= 3; i++) {
        CU_ASSERT_FALSE(sim_is_ready(sim, i));
        CU_ASSERT_EQUAL(meta_phase(node_meta(sim_node(sim, i))), META_OUTDATED);
        CU_ASSERT_NOT_EQUAL(sim_cql(sim, i, CQL_CL_ONE, "SELECT v FROM ks.t")->outcome, SIM_OK);
        sim_kill(sim, i);
        sim_start(sim, i);
        sim_elapse(sim, SECONDS(5));
        CU_ASSERT_FALSE(sim_is_ready(sim, i));
        CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(node_meta(sim_node(sim, i))),
                                      "Wipe its data directory, and start it with "
                                      "--replace_address=10.0.0."));
    }
    for (unsigned i = 2; i <= 3; i++) {
        sim_kill(sim, i);
        sim_lose_disk(sim, i);
        CU_ASSERT(sim_start_replacing(sim, i));
        CU_ASSERT_FATAL(sim_until(sim, is_ready, &i, SECONDS(60)));
    }
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(become_equal(SECONDS(60)));
    CU_ASSERT(read_rows(3, CQL_CL_ALL, 1, 30));
    CU_ASSERT(make_table(3, "last"));
    CU_ASSERT_EQUAL(seen_by(2)->members_count, 3);
}

CU_TestInfo metadata_tests[] = {
    {"another node takes the place of a member", another_node_takes_the_place_of_a_member},
    {"a minority lost changes nothing", a_minority_lost_changes_nothing},
    {"a majority lost stops changes only", a_majority_lost_stops_changes_only},
    {"a majority lost for ever", a_majority_lost_for_ever},
    {"more than the replicas are lost", more_than_the_replicas_are_lost},
    {"who was given up serves nobody", who_was_given_up_serves_nobody},
    CU_TEST_INFO_NULL,
};
