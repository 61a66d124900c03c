/* Members that are dead for long make way for others; a minority lost changes nothing. */
#include "sim.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define AWAY   (60 * USEC_PER_SEC)
#define SPOKEN (10 * USEC_PER_SEC) /* by then the last of the members has said it */

void members_setup(void);
void members_teardown(void);

static struct sim *f;

void members_setup(void)
{
    f = NULL;
}

void members_teardown(void)
{
    sim_free(f);
    f = NULL;
}

static const struct topology *seen_by(uint32_t i)
{
    return meta_topology(f->nodes[i].meta);
}

/* Nodes are numbered by when they came in: the number that node `i` has in the log. */
static node_no number(uint32_t i)
{
    return topology_find_host(seen_by(1), &f->nodes[i].config.self.host_id)->node;
}

static bool is_member(uint32_t i)
{
    return topology_is_member(seen_by(1), number(i));
}

static bool is_away(uint32_t i)
{
    return topology_find(seen_by(1), number(i))->away;
}

static void ring_of(uint64_t seed, uint32_t nodes)
{
    f = sim_new(seed, nodes);
    for (uint32_t i = 1; i <= nodes; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE_FATAL(sim_run_until(f, sim_all_ready, 30 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(sim_wait(f, 1, sim_create_keyspace(f, 1))->err, ERR_OK);
}

/* Gossip says so, everywhere. */
static void tell_all(uint32_t of, bool alive)
{
    for (uint32_t i = 1; i <= f->count; i++) {
        if (i != of && f->nodes[i].meta != NULL)
            sim_tell(f, i, number(of), alive);
    }
}

static void kill(uint32_t i)
{
    tell_all(i, false);
    sim_crash(f, i);
}

static void start(uint32_t i)
{
    sim_start(f, i);
    tell_all(i, true);
    for (uint32_t j = 1; j <= f->count; j++) {
        if (f->nodes[j].meta == NULL)
            sim_tell(f, i, number(j), false);
    }
}

static enum err change(uint32_t i)
{
    static unsigned tables;
    char name[16];
    snprintf(name, sizeof name, "t%u", tables++);
    const struct sim_done *d = sim_wait(f, i, sim_create(f, i, name));
    return d == NULL ? ERR_TIMEOUT : d->err;
}

/* A member of a ring of four, not node 1 (which is asked here). */
static uint32_t some_member(void)
{
    return is_member(2) ? 2 : 3;
}

static uint32_t no_member(void)
{
    for (uint32_t i = 2; i <= f->count; i++) {
        if (!is_member(i))
            return i;
    }
    return 1;
}

static void another_one_takes_the_place_of_who_is_dead(void)
{
    ring_of(1, 4);
    uint32_t gone = some_member(), spare = no_member();
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 3);
    kill(gone);
    sim_run(f, AWAY - USEC_PER_SEC);
    CU_ASSERT_TRUE(is_member(gone));
    sim_run(f, SPOKEN);
    CU_ASSERT_TRUE(is_away(gone));
    CU_ASSERT_FALSE(is_member(gone));
    CU_ASSERT_TRUE(is_member(spare));
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 3);
    CU_ASSERT_EQUAL(change(1), ERR_OK);

    /* So a second one may be lost. */
    uint64_t epoch = meta_epoch(f->nodes[1].meta);
    uint32_t second = gone == 2 ? 3 : 2;
    if (!is_member(second))
        second = 4;
    kill(second);
    CU_ASSERT_EQUAL(change(1), ERR_OK);
    CU_ASSERT_EQUAL(meta_epoch(f->nodes[1].meta), epoch + 1);
    start(second);
    sim_run(f, SPOKEN);

    /* The old one comes back: it may be chosen again when it has been there for long. */
    epoch = meta_epoch(f->nodes[1].meta);
    start(gone);
    sim_run(f, AWAY - USEC_PER_SEC);
    CU_ASSERT_TRUE(is_away(gone));
    sim_run(f, SPOKEN);
    CU_ASSERT_FALSE(is_away(gone));
    CU_ASSERT_TRUE(sim_agree(f));
    /* One HERE, said once; the other entry is the new life of who has restarted. */
    CU_ASSERT_TRUE(meta_epoch(f->nodes[1].meta) <= epoch + 2);
    sim_run(f, 2 * AWAY);
    CU_ASSERT_TRUE(meta_epoch(f->nodes[1].meta) <= epoch + 2);
}

/* There is nobody else: a minority lost changes nothing. */
static void where_nobody_else_is_it_stays_a_member(void)
{
    ring_of(2, 3);
    kill(3);
    sim_run(f, AWAY + SPOKEN);
    CU_ASSERT_TRUE(is_away(3));
    CU_ASSERT_TRUE(is_member(3));
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 3);
    CU_ASSERT_EQUAL(change(2), ERR_OK);
    /* The other one goes as well, and this one is back: it has a vote. */
    start(3);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
    kill(2);
    CU_ASSERT_EQUAL(change(3), ERR_OK);
    CU_ASSERT_TRUE(sim_agree(f));
}

/* A restart, or a cut of less than a minute, is nobody's business. */
static void who_is_away_for_a_moment_stays(void)
{
    ring_of(3, 4);
    uint32_t gone = some_member();
    uint64_t epoch = meta_epoch(f->nodes[1].meta);
    for (int i = 0; i < 5; i++) {
        tell_all(gone, false);
        sim_run(f, AWAY / 2);
        tell_all(gone, true);
        sim_run(f, AWAY / 2);
    }
    CU_ASSERT_EQUAL(meta_epoch(f->nodes[1].meta), epoch);
    CU_ASSERT_TRUE(is_member(gone));
}

static uint64_t say_away(uint32_t by, uint32_t of)
{
    struct buf b;
    buf_init(&b, 256);
    command_away(number(of), true, seen_by(by)->away_epoch, &b);
    uint64_t request = sim_propose(f, by, buf_bytes(&b));
    buf_close(&b);
    return request;
}

/* Two members hold each other for dead. Each says so, knowing the same: one of them goes. */
static void one_at_a_time(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        sim_free(f);
        ring_of(seed, 5);
        uint64_t a = say_away(2, 3), b = say_away(3, 2);
        const struct sim_done *da = sim_wait(f, 2, a), *db = sim_wait(f, 3, b);
        CU_ASSERT_PTR_NOT_NULL_FATAL(da);
        CU_ASSERT_PTR_NOT_NULL_FATAL(db);
        CU_ASSERT_TRUE(da->err == ERR_OK || db->err == ERR_OK);
        CU_ASSERT_TRUE(da->err == ERR_STALE || db->err == ERR_STALE);
        CU_ASSERT_EQUAL(is_away(2) + is_away(3), 1);
    }
}

/* Two die at once. Each is said to be away by an entry of its own. */
static void two_at_once_go_one_by_one(void)
{
    ring_of(4, 7);
    uint32_t gone[2] = {0, 0}, count = 0;
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 5);
    for (uint32_t i = 2; i <= 7 && count < 2; i++) {
        if (is_member(i))
            gone[count++] = i;
    }
    uint64_t epoch = meta_epoch(f->nodes[1].meta);
    kill(gone[0]);
    kill(gone[1]);
    sim_run(f, AWAY + 3 * SPOKEN);
    CU_ASSERT_EQUAL(meta_epoch(f->nodes[1].meta), epoch + 2);
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 5);
    for (uint32_t i = 1; i <= 7; i++)
        CU_ASSERT_EQUAL(is_member(i), i != gone[0] && i != gone[1]);
    CU_ASSERT_TRUE(sim_agree(f));
}

/* Most are lost: nobody is said to be anything, and who wants a change is told what to do. */
static void a_majority_lost_stops_changes_only(void)
{
    ring_of(5, 3);
    kill(2);
    kill(3);
    uint64_t epoch = meta_epoch(f->nodes[1].meta);
    sim_run(f, 2 * AWAY);
    CU_ASSERT_EQUAL(meta_epoch(f->nodes[1].meta), epoch);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[1].meta), META_READY);
    const struct sim_done *d = sim_wait(f, 1, sim_create(f, 1, "t"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, ERR_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(d->message,
                           "only 1 of 3 metadata members are up: start node 2 (10.0.0.2:7000) "
                           "again, start node 3 (10.0.0.3:7000) again, or see torc help metadata "
                           "when they are lost for ever");
    start(2);
    CU_ASSERT_EQUAL(change(1), ERR_OK);
}

static bool four_is_in(struct sim *s)
{
    return meta_phase(s->nodes[4].meta) == META_READY;
}

/* Who wants to enter meanwhile is told so, too, and enters when it can. */
static void who_wants_to_enter_is_told(void)
{
    f = sim_new(6, 4);
    for (uint32_t i = 1; i <= 3; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE_FATAL(sim_run_until(f, sim_all_ready, 30 * USEC_PER_SEC));
    for (uint32_t i = 2; i <= 3; i++) {
        sim_tell(f, 1, number(i), false);
        sim_crash(f, i);
    }
    sim_start(f, 4);
    sim_run(f, 5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[4].meta), META_ENTERING);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(meta_problem(f->nodes[4].meta),
               "the cluster cannot let us in yet: only 1 of 3 metadata members are up"));
    start(2);
    CU_ASSERT_TRUE(sim_run_until(f, four_is_in, 5 * USEC_PER_SEC));
    CU_ASSERT_STRING_EQUAL(meta_problem(f->nodes[4].meta), "");
}

CU_TestInfo members_tests[] = {
    {"another one takes the place of who is dead", another_one_takes_the_place_of_who_is_dead},
    {"where nobody else is, it stays a member", where_nobody_else_is_it_stays_a_member},
    {"who is away for a moment stays", who_is_away_for_a_moment_stays},
    {"one at a time", one_at_a_time},
    {"two at once go one by one", two_at_once_go_one_by_one},
    {"a majority lost stops changes only", a_majority_lost_stops_changes_only},
    {"who wants to enter is told", who_wants_to_enter_is_told},
    CU_TEST_INFO_NULL,
};
