/* Nodes that have heard of different epochs: what was planned before a range was in its stage has
 * no effect, and nobody fails for it (docs/movement.md, "The fence"). A keyspace of one copy is
 * that of R(0), of two copies that of R(0) and R(1), and so on. */
#include "unit/node_coord/cluster_fixture.h"

#include "ring/murmur3.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;
static node_no nodes[FIXTURE_NODES]; /* R(0), R(1), R(2), and the one that has no copy of three */

void fence_setup(void);
void fence_teardown(void);

void fence_setup(void)
{
    fixture_open(&f);
    for (uint32_t i = 0; i < 3; i++)
        nodes[i] = fixture_replica(&f, "k", i);
    nodes[3] = fixture_stranger(&f, "k");
}

void fence_teardown(void)
{
    fixture_close(&f);
}

/* nodes[first .. last] hear of it. */
static void see(unsigned first, unsigned last, uint32_t now, uint32_t later, uint64_t since)
{
    for (unsigned i = first; i <= last; i++)
        fixture_see(&f, nodes[i], now, later, since);
}

static void freeze(unsigned first, unsigned last, bool frozen)
{
    for (unsigned i = first; i <= last; i++)
        fixture_at(&f, nodes[i])->frozen = frozen;
}

/* What was begun goes on, and ends well. */
static bool ends_well(void)
{
    fixture_settle(&f);
    return f.done != 0 && f.result.err == ERR_OK;
}

static enum err write_by(unsigned via, enum level level)
{
    return fixture_write(&f, nodes[via], "k", "r", "v", 10, level);
}

static bool has(unsigned i)
{
    return fixture_has(&f, nodes[i], "k", "r", "v");
}

/* So many dots were minted for it. */
static uint64_t dots(unsigned i)
{
    range_no range = 0;
    struct engine *e = fixture_at(&f, nodes[i])->engine;
    return engine_next_range(e, KEYSPACE, 0, &range) ? clock_count(engine_clock(e, KEYSPACE, range))
                                                     : 0;
}

static void a_write_planned_before_is_not_taken(void)
{
    see(0, 3, 3, 0, 5);
    see(1, 3, 3, 4, 10);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_COUNT); /* it waits */
    CU_ASSERT_FALSE(has(1));
    CU_ASSERT_FALSE(has(2));
    see(0, 0, 3, 4, 10);
    CU_ASSERT(ends_well());
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT(has(i));
        CU_ASSERT_EQUAL(dots(i), 1);
    }
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, nodes[0])->coord).planned_anew, 1);
}

/* Nor does it wait for longer than its time. */
static void who_never_hears_of_it_times_out(void)
{
    see(0, 3, 3, 0, 5);
    see(1, 3, 3, 4, 10);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(fixture_read(&f, nodes[0], "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 6 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, nodes[i])->coord), 0);
}

/* It came before the stage, and is on the disk after it began: nobody was told of it meanwhile. */
static void what_is_durable_too_late_is_not_acked(void)
{
    see(0, 3, 3, 0, 5);
    freeze(1, 2, true);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_COUNT);
    see(1, 3, 3, 4, 10);
    freeze(1, 2, false);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 0);
    see(0, 0, 3, 4, 10);
    CU_ASSERT(ends_well());
    CU_ASSERT(has(3));
    CU_ASSERT_EQUAL(dots(1), 1);
}

/* Of enough replicas that have yet to hear of the stage acks are enough. */
static void those_who_are_behind_may_ack(void)
{
    see(0, 3, 3, 0, 5);
    see(2, 3, 3, 4, 10);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_FALSE(has(2));
}

static void what_a_coordinator_took_itself_is_judged_too(void)
{
    see(0, 3, 1, 0, 5);
    freeze(0, 0, true);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_COUNT);
    see(0, 3, 1, 3, 10);
    freeze(1, 2, true);
    freeze(0, 0, false);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 0); /* it is one of three that later are asked */
    freeze(1, 2, false);
    CU_ASSERT(ends_well());
    CU_ASSERT(has(1));
    CU_ASSERT(has(2));
    CU_ASSERT_EQUAL(dots(1), 1);
}

static void a_read_planned_before_is_not_answered(void)
{
    see(0, 3, 3, 0, 5);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_ALL), ERR_OK);
    see(0, 2, 3, 4, 10);
    CU_ASSERT_EQUAL(fixture_read(&f, nodes[3], "k", 0, LEVEL_QUORUM), ERR_COUNT);
    see(3, 3, 3, 4, 10);
    CU_ASSERT(ends_well());
    CU_ASSERT_EQUAL(f.result.rows.parts_count, 1);
}

/* A scan is refused for any of its ranges. */
static void nor_is_a_scan(void)
{
    struct scan scan = {.table = TABLE,
                        .after_token = INT64_MIN,
                        .upto_token = INT64_MAX,
                        .now_s = f.now.wall / USEC_PER_SEC};
    see(0, 3, 4, 0, 5);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_ALL), ERR_OK);
    see(0, 2, 4, 1, 10);
    CU_ASSERT_EQUAL(fixture_scan(&f, nodes[3], &scan, LEVEL_QUORUM), ERR_COUNT);
    see(3, 3, 4, 1, 10);
    CU_ASSERT(ends_well());
    CU_ASSERT_EQUAL(f.result.rows.parts_count, 1);
}

/* What a read brings a replica carries the plan of the read. */
static void nor_is_a_repair_of_such_a_read_taken(void)
{
    see(0, 3, 3, 0, 5);
    fixture_at(&f, nodes[1])->down = fixture_at(&f, nodes[2])->down = true;
    CU_ASSERT_EQUAL(write_by(0, LEVEL_ONE), ERR_OK);
    fixture_at(&f, nodes[1])->down = fixture_at(&f, nodes[2])->down = false;
    freeze(1, 2, true);
    CU_ASSERT_EQUAL(fixture_read(&f, nodes[0], "k", 0, LEVEL_ALL), ERR_COUNT);
    see(0, 3, 3, 4, 10);
    freeze(1, 2, false);
    fixture_settle(&f);
    CU_ASSERT(ends_well());
    CU_ASSERT_EQUAL(f.result.rows.parts_count, 1);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT(has(i)); /* also that of later, which the first plan did not name */
}

/* Who has yet to hear that a range is his hears of it first. */
static void who_is_behind_catches_up_first(void)
{
    see(0, 3, 1, 0, 5);
    see(0, 0, 1, 3, 10);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_COUNT);
    CU_ASSERT_EQUAL(coord_waiting(fixture_at(&f, nodes[1])->coord), 1);
    CU_ASSERT_FALSE(has(1));
    see(1, 1, 1, 3, 10);
    CU_ASSERT(ends_well());
    CU_ASSERT(has(1));
    CU_ASSERT_FALSE(has(2));
    CU_ASSERT_EQUAL(fixture_read(&f, nodes[0], "k", 0, LEVEL_ALL), ERR_COUNT);
    see(2, 2, 1, 3, 10);
    CU_ASSERT(ends_well());
    CU_ASSERT_EQUAL(f.result.rows.parts_count, 1);
}

static void but_not_for_ever(void)
{
    see(0, 3, 1, 0, 5);
    see(0, 0, 1, 3, 10);
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_NOT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(coord_waiting(fixture_at(&f, nodes[1])->coord), 0);
}

/* As the forwarder sees it only R(2) lives. */
static void forward_to_the_last(void)
{
    cluster_set_alive(fixture_at(&f, nodes[3])->cluster, nodes[0], false);
    cluster_set_alive(fixture_at(&f, nodes[3])->cluster, nodes[1], false);
    CU_ASSERT_EQUAL(write_by(3, LEVEL_ONE), ERR_COUNT);
    cluster_set_alive(fixture_at(&f, nodes[3])->cluster, nodes[0], true);
    cluster_set_alive(fixture_at(&f, nodes[3])->cluster, nodes[1], true);
}

static void a_write_handed_to_who_has_lost_the_range_goes_on(void)
{
    see(0, 3, 3, 0, 5);
    see(0, 2, 2, 0, 20);
    forward_to_the_last();
    CU_ASSERT_FALSE(has(2));
    see(3, 3, 2, 0, 20);
    CU_ASSERT(ends_well());
    CU_ASSERT(has(0));
    CU_ASSERT(has(1));
    CU_ASSERT_FALSE(has(2));
}

static void a_write_handed_to_who_has_yet_to_hear_waits_there(void)
{
    see(0, 3, 2, 0, 5);
    see(3, 3, 3, 0, 20);
    forward_to_the_last();
    see(0, 2, 3, 0, 20);
    CU_ASSERT(ends_well());
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT(has(i));
}

/* Its range is gone before the write is through: another replica makes it anew. */
static void who_minted_and_is_no_replica_any_more_hands_it_on(void)
{
    see(0, 3, 3, 2, 10);
    f.slow = nodes[2];
    CU_ASSERT_EQUAL(write_by(2, LEVEL_QUORUM), ERR_COUNT);
    see(0, 3, 2, 0, 20);
    fixture_release(&f, false);
    CU_ASSERT(ends_well());
    CU_ASSERT(has(0));
    CU_ASSERT(has(1));
}

/* The same for one that it made for another node. */
static void also_what_it_made_for_another(void)
{
    see(0, 3, 3, 0, 10);
    f.slow = nodes[2];
    freeze(2, 2, true);
    forward_to_the_last();
    see(0, 3, 2, 0, 20);
    freeze(2, 2, false);
    fixture_release(&f, false);
    CU_ASSERT(ends_well());
    CU_ASSERT(has(0));
    CU_ASSERT(has(1));
}

/* The question for a stamp is a read. */
static void a_stamp_is_asked_for_by_the_plan_of_now(void)
{
    see(0, 3, 3, 0, 5);
    CU_ASSERT_EQUAL(fixture_write(&f, nodes[0], "k", "r", "v", f.now.wall + 1000, LEVEL_ALL),
                    ERR_OK);
    see(0, 2, 3, 4, 10);
    CU_ASSERT_EQUAL(fixture_stamped(&f, nodes[3], "k", "r", "w", f.now.wall, LEVEL_QUORUM),
                    ERR_COUNT);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT(has(i));
    see(3, 3, 3, 4, 10);
    CU_ASSERT(ends_well());
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT(fixture_has(&f, nodes[i], "k", "r", "w"));
}

static void read_serially(unsigned via)
{
    struct coord_cas cas = {.keyspace = KEYSPACE,
                            .scan = {.table = TABLE,
                                     .single = true,
                                     .token = murmur3_token(BYTES_LIT("k")),
                                     .key = BYTES_LIT("k"),
                                     .now_s = f.now.wall / USEC_PER_SEC},
                            .read_only = true,
                            .serial = LEVEL_SERIAL,
                            .level = LEVEL_QUORUM,
                            .timeout_us = USEC_PER_SEC};
    f.done = 0;
    coord_cas_start(fixture_at(&f, nodes[via])->coord, f.now, 9, &cas);
    fixture_settle(&f);
}

/* While both sets are asked one of now alone is no quorum. */
static void both_sets_are_needed(void)
{
    see(0, 3, 1, 3, 10);
    fixture_at(&f, nodes[1])->down = fixture_at(&f, nodes[2])->down = true;
    CU_ASSERT_EQUAL(write_by(0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(fixture_read(&f, nodes[0], "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 6 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
}

/* The same replicas, but others were in between. */
static void a_vote_of_another_time_is_not_given(void)
{
    see(0, 3, 3, 0, 5);
    see(0, 2, 3, 0, 20);
    read_serially(3);
    CU_ASSERT_EQUAL(f.done, 0); /* it rests */
    see(3, 3, 3, 0, 20);
    fixture_elapse(&f, 200 * USEC_PER_MS);
    CU_ASSERT(ends_well());
}

/* Kept before the others came, told after: it counts for nothing. */
static void nor_one_that_is_durable_too_late(void)
{
    see(0, 3, 3, 0, 5);
    freeze(0, 2, true);
    read_serially(3);
    see(0, 2, 3, 0, 20);
    freeze(0, 2, false);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 0);
    see(3, 3, 3, 0, 20);
    fixture_elapse(&f, 200 * USEC_PER_MS);
    CU_ASSERT(ends_well());
}

CU_TestInfo fence_tests[] = {
    {"both sets are needed", both_sets_are_needed},
    {"a write planned before is not taken", a_write_planned_before_is_not_taken},
    {"who never hears of it times out", who_never_hears_of_it_times_out},
    {"what is durable too late is not acked", what_is_durable_too_late_is_not_acked},
    {"those who are behind may ack", those_who_are_behind_may_ack},
    {"what a coordinator took itself is judged, too", what_a_coordinator_took_itself_is_judged_too},
    {"a read planned before is not answered", a_read_planned_before_is_not_answered},
    {"nor is a scan", nor_is_a_scan},
    {"nor is a repair of such a read taken", nor_is_a_repair_of_such_a_read_taken},
    {"who is behind catches up first", who_is_behind_catches_up_first},
    {"but not for ever", but_not_for_ever},
    {"a write handed to who has lost the range goes on",
     a_write_handed_to_who_has_lost_the_range_goes_on},
    {"a write handed to who has yet to hear waits there",
     a_write_handed_to_who_has_yet_to_hear_waits_there},
    {"who minted and is no replica any more hands it on",
     who_minted_and_is_no_replica_any_more_hands_it_on},
    {"also what it made for another", also_what_it_made_for_another},
    {"a stamp is asked for by the plan of now", a_stamp_is_asked_for_by_the_plan_of_now},
    {"a vote of another time is not given", a_vote_of_another_time_is_not_given},
    {"nor one that is durable too late", nor_one_that_is_durable_too_late},
    CU_TEST_INFO_NULL,
};
