#include "helpers.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static bool same(struct replicas r, const node_no *nodes, uint32_t count)
{
    return r.count == count && memcmp(r.node, nodes, sizeof *nodes * count) == 0;
}

/* One small ring, worked out by hand: owners 1 2 3 4 1 2 3 4, nodes 1 and 2 on rack a, 3 on b, 4 on
 * c. */
static void by_hand(void)
{
    node_no owner[] = {1, 2, 3, 4, 1, 2, 3, 4};
    struct ring_node nodes[] = {make_node(1, "dc1", "a"), make_node(2, "dc1", "a"),
                                make_node(3, "dc1", "b"), make_node(4, "dc1", "c")};
    static const struct {
        uint32_t rf;
        bool by_rack;
        range_no range;
        node_no nodes[4];
    } rows[] = {
        {3, false, 0, {1, 2, 3}}, {3, false, 7, {4, 1, 2}},   {9, false, 2, {3, 4, 1, 2}},
        {2, true, 0, {1, 3}},     {3, true, 0, {1, 3, 4}},    {3, true, 1, {2, 3, 4}},
        {3, true, 3, {4, 1, 3}},  {4, true, 0, {1, 2, 3, 4}}, {9, true, 0, {1, 2, 3, 4}},
        {1, true, 6, {3}},
    };
    struct ring *ring = NULL;
    CU_ASSERT_EQUAL_FATAL(one_table(8, nodes, 4, owner, &ring), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct strategy s = rows[i].by_rack ? network("dc1", rows[i].rf) : simple(rows[i].rf);
        struct placement *p = placement_build(ring, &s);
        uint32_t count = rows[i].rf < 4 ? rows[i].rf : 4;
        CU_ASSERT_TRUE(same(placement_replicas(p, rows[i].range), rows[i].nodes, count));
        CU_ASSERT_EQUAL(placement_pending(p, rows[i].range).count, 0);
        CU_ASSERT_TRUE(same(placement_later(p, rows[i].range), rows[i].nodes, count));
        placement_free(p);
    }
    ring_free(ring);
}

static struct strategy random_strategy(struct rng *rng)
{
    struct strategy s = {.type = STRATEGY_NETWORK};
    if (rng_below(rng, 2) == 0)
        return simple(1 + (uint32_t)rng_below(rng, 6));
    for (uint32_t dc = 0; dc < 4; dc++) {
        char name[16];
        snprintf(name, sizeof name, "dc%u", (unsigned)dc);
        if (rng_below(rng, 3) > 0)
            network_add(&s, name, (uint32_t)rng_below(rng, 6));
    }
    return s;
}

/* A token of a range that is not one of the last, where the tokens of several data centres stand.
 */
static token inside(struct rng *rng, range_no range, uint32_t ranges)
{
    struct token_span s = ring_range_span(range, ranges);
    uint64_t width = (uint64_t)s.last - (uint64_t)s.first - RING_DCS_MAX;
    return (token)((uint64_t)s.first + rng_below(rng, width));
}

/* Placement is what walking the published tokens by Cassandra's rules gives. */
static void as_cassandra_walks(void)
{
    node_no nodes[RING_NODES_MAX];
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        uint32_t ranges = (uint32_t)16 << rng_below(&rng, 3);
        struct ring *ring = random_ring(&rng, ranges, 14);
        struct strategy s = random_strategy(&rng);
        struct placement *p = placement_build(ring, &s);
        for (range_no r = 0; r < ranges; r++) {
            token t = inside(&rng, r, ranges);
            uint32_t count = naive_replicas(ring, RING_PUBLISHED, &s, t, nodes);
            bool good = same(placement_replicas(p, r), nodes, count);
            if (!good)
                printf("seed %u range %u\n", (unsigned)seed, (unsigned)r);
            CU_ASSERT_FATAL(good);
        }
        placement_free(p);
        ring_free(ring);
    }
}

/* In one data centre that holds at the very borders too. */
static void at_the_borders(void)
{
    struct ring_node members[5];
    node_no nodes[RING_NODES_MAX];
    for (uint32_t i = 0; i < 5; i++)
        members[i] = make_racked(i + 1, 2);
    struct ring *ring = must_fresh(16, members, 5);
    struct strategy s = network("dc1", 3);
    struct placement *p = placement_build(ring, &s);
    for (range_no r = 0; r < 16; r++) {
        struct token_span span = ring_range_span(r, 16);
        const token tokens[] = {span.first, span.first + 1, span.last - 1, span.last};
        for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
            uint32_t count = naive_replicas(ring, RING_PUBLISHED, &s, tokens[i], nodes);
            CU_ASSERT_TRUE(same(placement_replicas(p, r), nodes, count));
        }
    }
    placement_free(p);
    ring_free(ring);
}

/* In a move: later is the placement of the settled ring, pending what is in later but not in now.
 */
static void pending_replicas(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct ring *ring = random_ring(&rng, 32, 9);
        struct ring_node one = make_node(1000, "dc0", "r9");
        struct ring *plan =
            rng_below(&rng, 2) == 0 || ring->nodes == 1
                ? must_join(ring, &one, 1)
                : must_leave(ring, ring_owner(ring, RING_NEWEST, 0, (range_no)rng_below(&rng, 32)));
        struct ring *after = ring_settle(plan);
        struct strategy s = random_strategy(&rng);
        struct placement *before_p = placement_build(ring, &s);
        struct placement *plan_p = placement_build(plan, &s);
        struct placement *after_p = placement_build(after, &s);
        uint64_t sent = 0;
        for (range_no r = 0; r < 32; r++) {
            struct replicas now = placement_replicas(plan_p, r);
            struct replicas later = placement_later(plan_p, r);
            struct replicas pending = placement_pending(plan_p, r);
            struct replicas was = placement_replicas(before_p, r);
            struct replicas will = placement_replicas(after_p, r);
            uint32_t found = 0;
            CU_ASSERT_TRUE(same(now, was.node, was.count));
            bool moves_on = will.count > 0 && !replicas_equal(was, will);
            CU_ASSERT_TRUE(replicas_equal(later, moves_on ? will : was));
            CU_ASSERT_EQUAL(placement_stage(plan_p, r), moves_on ? STAGE_JOINT : STAGE_SETTLED);
            CU_ASSERT_EQUAL(placement_needs_later(plan_p, r), moves_on);
            for (uint32_t i = 0; i < later.count; i++) {
                if (replicas_have(now, later.node[i]))
                    continue;
                found++;
                CU_ASSERT_TRUE(replicas_have(pending, later.node[i]));
            }
            CU_ASSERT_EQUAL(pending.count, found);
            sent += found;
        }
        CU_ASSERT_EQUAL(placement_moves(plan_p), sent);
        CU_ASSERT_EQUAL(placement_moves(after_p), 0);
        placement_free(before_p);
        placement_free(plan_p);
        placement_free(after_p);
        ring_free(ring);
        ring_free(plan);
        ring_free(after);
    }
}

static void nobody_to_place_on(void)
{
    struct ring_node n = make_node(1, "dc1", "r1");
    struct ring *empty = NULL;
    CU_ASSERT_EQUAL_FATAL(ring_new(8, &n, 1, NULL, 0, &empty), ERR_OK);
    struct ring *full = must_fresh(8, &n, 1);
    struct strategy some = simple(3);
    struct strategy elsewhere = network("dc7", 3);
    struct placement *on_empty = placement_build(empty, &some);
    struct placement *on_other = placement_build(full, &elsewhere);
    CU_ASSERT_EQUAL(placement_replicas(on_empty, 7).count, 0);
    CU_ASSERT_EQUAL(placement_replicas(on_other, 0).count, 0);
    placement_free(on_empty);
    placement_free(on_other);
    placement_free(NULL);
    ring_free(empty);
    ring_free(full);
}

static void equal_strategies(void)
{
    struct strategy a = network("x", 1);
    struct strategy b = network("y", 2);
    network_add(&a, "y", 2);
    network_add(&b, "x", 1);
    struct strategy c = network("x", 1);
    struct strategy d = simple(1);
    struct strategy e = simple(2);
    CU_ASSERT_TRUE(strategy_equal(&a, &b));
    CU_ASSERT_FALSE(strategy_equal(&a, &c));
    CU_ASSERT_FALSE(strategy_equal(&a, &d));
    CU_ASSERT_FALSE(strategy_equal(&d, &e));
    CU_ASSERT_TRUE(strategy_equal(&d, &d));
}

CU_TestInfo placement_tests[] = {
    {"a ring worked out by hand", by_hand},
    {"as Cassandra walks", as_cassandra_walks},
    {"at the borders", at_the_borders},
    {"pending replicas", pending_replicas},
    {"nobody to place on", nobody_to_place_on},
    {"equal strategies", equal_strategies},
    CU_TEST_INFO_NULL,
};
