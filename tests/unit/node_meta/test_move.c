/* Joins, leaves and replacements with data to move: who must pull, and when the ring settles. */
#include "sim.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void move_setup(void);
void move_teardown(void);

static struct sim *f;

void move_setup(void)
{
    f = NULL;
}

void move_teardown(void)
{
    sim_free(f);
    f = NULL;
}

/* Nodes 1 .. `up` of `nodes` have formed a ring that has the keyspace ks with two copies. */
static void ring_with_data(uint32_t up, uint32_t nodes)
{
    f = sim_new(1, nodes);
    for (uint32_t i = 1; i <= up; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
    const struct sim_done *d = sim_wait(f, 1, sim_create_keyspace(f, 1));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL_FATAL(d->err, ERR_OK);
    f->pulling_takes = true;
}

static const struct topology *seen_by(uint32_t i)
{
    return meta_topology(f->nodes[i].meta);
}

static enum err finish(uint32_t i, uint64_t ring_epoch)
{
    struct buf b;
    buf_init(&b, 256);
    command_step(meta_self(f->nodes[i].meta), ring_epoch, &b);
    const struct sim_done *d = sim_wait(f, i, sim_propose(f, i, buf_bytes(&b)));
    buf_close(&b);
    return d == NULL ? ERR_TIMEOUT : d->err;
}

/* Everybody who is asked to has pulled. */
static void finish_all(void)
{
    for (uint32_t i = 1; i <= f->count; i++) {
        if (f->nodes[i].meta != NULL && topology_waits_for(seen_by(i), meta_self(f->nodes[i].meta)))
            CU_ASSERT_EQUAL(finish(i, seen_by(i)->ring_epoch), ERR_OK);
    }
}

static void join(uint32_t i)
{
    sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 3 * USEC_PER_SEC));
}

static void a_join_settles_when_all_movers_have_pulled(void)
{
    ring_with_data(3, 4);
    join(4);
    node_no self = meta_self(f->nodes[4].meta);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_JOINING);
    CU_ASSERT_EQUAL(seen_by(1)->ring->tables, 2);
    CU_ASSERT_TRUE(topology_waits_for(seen_by(1), self));
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_PUBLISHED, self), 0);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_NEWEST, self), 16);
    CU_ASSERT_FALSE(topology_is_member(seen_by(1), self));
    finish_all();
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_NORMAL);
    CU_ASSERT_EQUAL(seen_by(1)->ring->tables, 1);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_PUBLISHED, self), 16);
    CU_ASSERT_TRUE(sim_agree(f));
}

/* Anchors 33, 34: a second join while the first one pulls makes a new target, and what was pulled
 * for the old one does not count. */
static void two_joins_at_once(void)
{
    ring_with_data(3, 5);
    join(4);
    uint64_t before = seen_by(4)->ring_epoch;
    join(5);
    CU_ASSERT_TRUE(seen_by(4)->ring_epoch > before);
    CU_ASSERT_EQUAL(finish(4, before), ERR_STALE);
    CU_ASSERT_EQUAL(seen_by(1)->ring->tables, 2);
    finish_all();
    CU_ASSERT_EQUAL(seen_by(1)->ring->tables, 1);
    for (size_t i = 0; i < seen_by(1)->count; i++) {
        const struct topology_node *n = &seen_by(1)->nodes[i];
        uint32_t owned = ring_count(seen_by(1)->ring, RING_PUBLISHED, n->node);
        CU_ASSERT_EQUAL(n->state, NODE_NORMAL);
        CU_ASSERT_TRUE(owned == 12 || owned == 13);
    }
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 5);
}

/* Each mover knows of every node that it has applied the ring: only then it may begin. */
static bool movers_know(struct sim *s)
{
    for (uint32_t i = 1; i <= s->count; i++) {
        const struct topology *t = seen_by(i);
        if (!topology_waits_for(t, meta_self(s->nodes[i].meta)))
            continue;
        for (size_t n = 0; n < t->count; n++) {
            if (meta_applied_by(s->nodes[i].meta, t->nodes[n].node) < t->ring_epoch)
                return false;
        }
    }
    return true;
}

static void movers_learn_soon_who_knows_of_the_move(void)
{
    ring_with_data(3, 9);
    for (uint32_t i = 4; i <= 9; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
    CU_ASSERT_TRUE(seen_by(1)->moves.provers_count >= 6);
    CU_ASSERT_TRUE(sim_run_until(f, movers_know, USEC_PER_SEC / 5));
}

static void movers_learn_it_though_messages_are_lost(void)
{
    ring_with_data(3, 9);
    for (uint32_t i = 4; i <= 9; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
    f->lose = 300000;
    CU_ASSERT_TRUE(sim_run_until(f, movers_know, 2 * USEC_PER_SEC));
}

/* Anchors 27: a join that never finishes owns nothing and answers for nothing. */
static void a_joining_node_that_dies_owns_nothing(void)
{
    ring_with_data(3, 4);
    join(4);
    node_no self = meta_self(f->nodes[4].meta);
    sim_crash(f, 4);
    sim_run(f, 5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_JOINING);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_PUBLISHED, self), 0);
    join(4);
    CU_ASSERT_EQUAL(meta_self(f->nodes[4].meta), self);
    finish_all();
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_NORMAL);
}

static void a_node_leaves(void)
{
    struct buf b;
    ring_with_data(4, 4);
    node_no self = meta_self(f->nodes[4].meta);
    buf_init(&b, 256);
    command_leave_start(self, &b);
    const struct sim_done *d = sim_wait(f, 4, sim_propose(f, 4, buf_bytes(&b)));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, ERR_OK);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_LEAVING);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_PUBLISHED, self), 16);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_NEWEST, self), 0);
    finish_all();
    sim_run(f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_LEFT);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[4].meta), META_REMOVED);
    /* Anchors 28: it does not come back as who it was. */
    sim_crash(f, 4);
    omap_clear(&f->nodes[4].disk);
    sim_start(f, 4);
    sim_run(f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[4].meta), META_REMOVED);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_LEFT);
    CU_ASSERT_EQUAL(seen_by(1)->count, 4);
    buf_close(&b);
}

static void a_dead_node_is_replaced(void)
{
    ring_with_data(3, 4);
    node_no gone = meta_self(f->nodes[3].meta);
    uint32_t owned = ring_count(seen_by(1)->ring, RING_PUBLISHED, gone);
    sim_crash(f, 3);
    sim_tell(f, 1, gone, false);
    sim_tell(f, 2, gone, false);
    f->nodes[4].config.replaces = sim_endpoint(3);
    join(4);
    node_no self = meta_self(f->nodes[4].meta);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), gone)->state, NODE_LEAVING);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_NEWEST, self), owned);
    CU_ASSERT_EQUAL(seen_by(1)->members_count, 3);
    CU_ASSERT(topology_is_member(seen_by(1), self));
    finish_all();
    CU_ASSERT_EQUAL(topology_find(seen_by(1), gone)->state, NODE_LEFT);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_PUBLISHED, self), owned);
    CU_ASSERT_TRUE(sim_agree(f));
}

/* While one of three is replaced another one crashes: two of three members still decide, and go on
 * doing so when the newcomer has nothing yet. */
static void a_crash_while_a_node_is_replaced(void)
{
    for (uint32_t second = 1; second <= 2; second++) {
        sim_free(f);
        ring_with_data(3, 4);
        node_no gone = meta_self(f->nodes[3].meta);
        node_no crashed = meta_self(f->nodes[second].meta);
        uint32_t other = 3 - second;
        sim_crash(f, 3);
        sim_tell(f, 1, gone, false);
        sim_tell(f, 2, gone, false);
        f->nodes[4].config.replaces = sim_endpoint(3);
        join(4);
        sim_crash(f, second);
        sim_tell(f, other, crashed, false);
        sim_tell(f, 4, crashed, false);
        for (uint32_t i = other; i <= 4; i += 4 - other) {
            const struct sim_done *d = sim_wait(f, i, sim_create(f, i, i == 4 ? "a" : "b"));
            CU_ASSERT_PTR_NOT_NULL_FATAL(d);
            CU_ASSERT_EQUAL(d->err, ERR_OK);
        }
        sim_start(f, second);
        sim_tell(f, other, crashed, true);
        sim_tell(f, 4, crashed, true);
        CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
        finish_all();
        CU_ASSERT_EQUAL(topology_find(seen_by(1), gone)->state, NODE_LEFT);
    }
}

/* It was lost before it had pulled everything: who replaces it gets what it would have got. */
static void a_joining_node_is_replaced(void)
{
    ring_with_data(3, 5);
    join(4);
    node_no gone = meta_self(f->nodes[4].meta);
    uint32_t planned = ring_count(seen_by(1)->ring, RING_NEWEST, gone);
    sim_crash(f, 4);
    for (unsigned i = 1; i <= 3; i++)
        sim_tell(f, i, gone, false);
    f->nodes[5].config.replaces = sim_endpoint(4);
    join(5);
    node_no self = meta_self(f->nodes[5].meta);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), gone)->state, NODE_LEAVING);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_NEWEST, self), planned);
    finish_all();
    CU_ASSERT_EQUAL(topology_find(seen_by(1), gone)->state, NODE_LEFT);
    CU_ASSERT_EQUAL(topology_find(seen_by(1), self)->state, NODE_NORMAL);
    CU_ASSERT_EQUAL(ring_count(seen_by(1)->ring, RING_PUBLISHED, self), planned);
    CU_ASSERT_TRUE(sim_agree(f));
}

CU_TestInfo move_tests[] = {
    {"a join settles when all movers have pulled", a_join_settles_when_all_movers_have_pulled},
    {"two joins at once", two_joins_at_once},
    {"movers learn soon who knows of the move", movers_learn_soon_who_knows_of_the_move},
    {"movers learn it though messages are lost", movers_learn_it_though_messages_are_lost},
    {"a joining node that dies owns nothing", a_joining_node_that_dies_owns_nothing},
    {"a node leaves", a_node_leaves},
    {"a dead node is replaced", a_dead_node_is_replaced},
    {"a crash while a node is replaced", a_crash_while_a_node_is_replaced},
    {"a joining node is replaced", a_joining_node_is_replaced},
    CU_TEST_INFO_NULL,
};
