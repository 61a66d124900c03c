#include "helpers.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

static struct ring *fresh(uint32_t ranges, uint32_t count, uint32_t racks)
{
    struct ring_node *nodes = mem_alloc(sizeof *nodes * count);
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = make_racked(i + 1, racks);
    struct ring *ring = must_fresh(ranges, nodes, count);
    mem_free(nodes);
    return ring;
}

/* In thousandths over one: what cannot be avoided, and never asked to be less than 1 %. */
static uint32_t allowed(uint32_t ranges, uint32_t count, uint32_t rf)
{
    uint64_t total = (uint64_t)ranges * (rf < count ? rf : count);
    uint64_t most = (total + count - 1) / count;
    uint64_t bound = (most * count * 1000 - total * 1000) / total;
    return bound > 10 ? (uint32_t)bound : 10;
}

static void check_even(const struct ring *ring, uint32_t rf_max)
{
    for (uint32_t rf = 1; rf <= rf_max; rf++) {
        struct strategy s = network("dc1", rf);
        uint32_t got = unevenness(ring, &s);
        uint32_t most = allowed(ring->ranges, ring->nodes, rf);
        if (got > most)
            printf("%u nodes, rf %u: %u/1000 over the mean\n", (unsigned)ring->nodes, (unsigned)rf,
                   (unsigned)got);
        CU_ASSERT(got <= most);
    }
}

/* Every node gets its share of the ranges to within one. */
static void check_counts(const struct ring *ring)
{
    for (uint32_t i = 0; i < ring->nodes; i++) {
        uint32_t n = ring_count(ring, RING_PUBLISHED, ring->node[i].node);
        CU_ASSERT(n == ring->ranges / ring->nodes || n == ring->ranges / ring->nodes + 1);
    }
}

static void fresh_rings_are_even(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 16};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct ring *ring = fresh(1024, sizes[i], 1);
        check_even(ring, PLAN_RF_MAX);
        check_counts(ring);
        ring_free(ring);
    }
}

/* Node by node to nine, then nodes that come and go. */
static void even_after_any_changes(void)
{
    struct rng rng;
    rng_init(&rng, 11);
    struct ring *ring = fresh(512, 1, 1);
    node_no next = 2;
    for (uint32_t step = 0; step < 28; step++) {
        bool grow = step < 8 || ring->nodes < 3 || (ring->nodes < 12 && rng_below(&rng, 2) == 0);
        if (grow) {
            struct ring_node n = make_racked(next++, 1);
            ring = settled(ring, must_join(ring, &n, 1));
        } else {
            node_no gone = ring->node[rng_below(&rng, ring->nodes)].node;
            ring = settled(ring, must_leave(ring, gone));
        }
        check_even(ring, PLAN_RF_MAX);
        check_counts(ring);
    }
    ring_free(ring);
}

/* A join sends little more than the newcomer's share, a leave little more than what the leaver had.
 */
static void little_moves(void)
{
    struct ring *ring = fresh(1024, 1, 1);
    for (uint32_t count = 1; count < 10; count++) {
        struct ring_node n = make_racked(count + 1, 1);
        struct ring *join = must_join(ring, &n, 1);
        struct ring *grown = ring_settle(join);
        struct ring *leave = must_leave(grown, grown->node[count / 2].node);
        for (uint32_t rf = 1; rf <= PLAN_RF_MAX; rf++) {
            struct strategy s = network("dc1", rf);
            struct placement *in = placement_build(join, &s);
            struct placement *out = placement_build(leave, &s);
            uint64_t share = (uint64_t)1024 * (rf < count + 1 ? rf : count + 1) / (count + 1);
            if (placement_moves(in) > share * 11 / 10 + 6 ||
                placement_moves(out) > share * 11 / 10 + 6)
                printf("%u nodes, rf %u: %u in, %u out, share %u\n", (unsigned)count, (unsigned)rf,
                       (unsigned)placement_moves(in), (unsigned)placement_moves(out),
                       (unsigned)share);
            CU_ASSERT(placement_moves(in) <= share * 11 / 10 + 6);
            CU_ASSERT(placement_moves(out) <= share * 11 / 10 + 6);
            placement_free(in);
            placement_free(out);
        }
        ring_free(leave);
        ring_free(join);
        ring_free(ring);
        ring = grown;
    }
    ring_free(ring);
}

/* Three racks and three replicas: one on each, and even. */
static void racks_apart(void)
{
    for (uint32_t count = 3; count <= 9; count += 3) {
        struct ring *ring = fresh(1024, count, 3);
        struct strategy s = network("dc1", 3);
        struct strategy plain = simple(3);
        struct placement *p = placement_build(ring, &s);
        for (range_no r = 0; r < ring->ranges; r++) {
            struct replicas at = placement_replicas(p, r);
            CU_ASSERT_EQUAL_FATAL(at.count, 3);
            uint32_t racks = 0;
            for (uint32_t i = 0; i < 3; i++)
                racks |= 1u << ((at.node[i] - 1) % 3);
            CU_ASSERT_EQUAL(racks, 7);
        }
        CU_ASSERT(unevenness(ring, &s) <= 10);
        CU_ASSERT(unevenness(ring, &plain) <= 10);
        placement_free(p);
        ring_free(ring);
    }
}

/* A second data centre moves nothing in the first, and each is even. */
static void data_centres_apart(void)
{
    struct ring *ring = fresh(256, 4, 2);
    struct ring_node more[3];
    for (uint32_t i = 0; i < 3; i++)
        more[i] = make_node(10 + i, "dc2", "r1");
    struct ring *plan = must_join(ring, more, 3);
    struct strategy first = network("dc1", 3);
    struct placement *p = placement_build(plan, &first);
    CU_ASSERT_EQUAL(placement_moves(p), 0);
    placement_free(p);
    struct ring *after = ring_settle(plan);
    for (uint32_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(ring_count(after, RING_PUBLISHED, i + 1), 64);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT(ring_count(after, RING_PUBLISHED, 10 + i) / 85 == 1);
    ring_free(after);
    ring_free(plan);
    ring_free(ring);
}

static void weights_are_shares(void)
{
    struct ring_node nodes[] = {make_racked(1, 1), make_racked(2, 1), make_racked(3, 1)};
    nodes[1].weight = 2;
    nodes[2].weight = 5;
    struct ring *ring = must_fresh(64, nodes, 3);
    CU_ASSERT_EQUAL(ring_count(ring, RING_PUBLISHED, 1), 8);
    CU_ASSERT_EQUAL(ring_count(ring, RING_PUBLISHED, 2), 16);
    CU_ASSERT_EQUAL(ring_count(ring, RING_PUBLISHED, 3), 40);
    ring_free(ring);
}

/* The smallest weight still gets a range, up to as many nodes as ranges. */
static void as_many_nodes_as_ranges(void)
{
    struct ring *ring = fresh(16, 16, 4);
    struct ring_node one = make_racked(17, 1);
    struct ring *plan = NULL;
    for (uint32_t i = 1; i <= 16; i++)
        CU_ASSERT_EQUAL(ring_count(ring, RING_PUBLISHED, i), 1);
    CU_ASSERT_EQUAL(ring_plan_join(ring, &one, 1, &plan), ERR_INVALID);
    ring_free(ring);
    struct ring_node two[] = {make_racked(1, 1), make_racked(2, 1)};
    two[0].weight = RING_WEIGHT_MAX;
    ring = must_fresh(16, two, 2);
    CU_ASSERT_EQUAL(ring_count(ring, RING_PUBLISHED, 2), 1);
    ring_free(ring);
}

static void nothing_to_change_changes_nothing(void)
{
    struct ring *ring = fresh(64, 5, 2);
    struct ring *plan = NULL;
    CU_ASSERT_EQUAL_FATAL(ring_plan_join(ring, NULL, 0, &plan), ERR_OK);
    CU_ASSERT_TRUE(ring_equal(ring, plan));
    ring_free(plan);
    CU_ASSERT_EQUAL_FATAL(ring_plan_leave(ring, NULL, 0, &plan), ERR_OK);
    CU_ASSERT_TRUE(ring_equal(ring, plan));
    ring_free(plan);
    ring_free(ring);
}

static void same_plan_every_time(void)
{
    struct ring *a = fresh(256, 7, 3);
    struct ring *b = fresh(256, 7, 3);
    struct ring_node n = make_racked(8, 3);
    struct ring *plan_a = must_join(a, &n, 1);
    struct ring *plan_b = must_join(b, &n, 1);
    CU_ASSERT_TRUE(ring_equal(plan_a, plan_b));
    ring_free(a);
    ring_free(b);
    ring_free(plan_a);
    ring_free(plan_b);
}

static void who_cannot_come_or_go(void)
{
    struct ring *ring = fresh(64, 3, 1);
    struct ring *plan = NULL;
    struct ring_node known = make_racked(2, 1);
    struct ring_node other_dc = make_node(9, "dc2", "r1");
    struct ring_node fine = make_racked(9, 1);
    node_no stranger = 8;
    CU_ASSERT_EQUAL(ring_plan_join(ring, &known, 1, &plan), ERR_EXISTS);
    CU_ASSERT_EQUAL(ring_plan_leave(ring, &stranger, 1, &plan), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(ring_plan_replace(ring, 8, &fine, &plan), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(ring_plan_replace(ring, 1, &known, &plan), ERR_EXISTS);
    CU_ASSERT_EQUAL(ring_plan_replace(ring, 1, &other_dc, &plan), ERR_INVALID);
    CU_ASSERT_PTR_NULL(plan);
    ring_free(ring);
}

static void replace_takes_the_same_ranges(void)
{
    struct ring *ring = fresh(64, 5, 1);
    struct ring_node with = make_racked(9, 1);
    struct ring *plan = NULL;
    CU_ASSERT_EQUAL_FATAL(ring_plan_replace(ring, 3, &with, &plan), ERR_OK);
    for (range_no r = 0; r < 64; r++) {
        node_no was = ring_owner(plan, RING_PUBLISHED, 0, r);
        CU_ASSERT_EQUAL(ring_owner(plan, RING_NEWEST, 0, r), was == 3 ? 9 : was);
    }
    ring = settled(ring, plan);
    CU_ASSERT_PTR_NULL(ring_find(ring, 3));
    CU_ASSERT_EQUAL(ring->nodes, 5);
    ring_free(ring);
}

/* A second join before the first has settled is planned on top of it; owners are still the old. */
static void plan_on_a_plan(void)
{
    struct ring *ring = fresh(64, 3, 1);
    struct ring_node four = make_racked(4, 1);
    struct ring_node five = make_racked(5, 1);
    struct ring *first = must_join(ring, &four, 1);
    struct ring *second = must_join(first, &five, 1);
    for (range_no r = 0; r < 64; r++)
        CU_ASSERT_EQUAL(ring_owner(second, RING_PUBLISHED, 0, r),
                        ring_owner(ring, RING_PUBLISHED, 0, r));
    struct ring *done = ring_settle(second);
    CU_ASSERT_EQUAL(done->nodes, 5);
    check_counts(done);
    ring_free(done);
    ring_free(second);
    ring_free(first);
    ring_free(ring);
}

/* Any ring, any change: a valid plan in which every member owns something and nobody else does. */
static void any_change_is_valid(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct ring *ring = random_ring(&rng, 32, 12);
        for (uint32_t step = 0; step < 4; step++) {
            struct ring_node n = make_node(500 + step, step % 2 == 0 ? "dc0" : "dc1", "r1");
            if (rng_below(&rng, 2) == 0 || ring->nodes == 1)
                ring = settled(ring, must_join(ring, &n, 1));
            else
                ring = settled(ring, must_leave(ring, ring_owner(ring, RING_NEWEST, 0,
                                                                 (range_no)rng_below(&rng, 32))));
            for (uint32_t i = 0; i < ring->nodes; i++)
                CU_ASSERT(ring_count(ring, RING_PUBLISHED, ring->node[i].node) > 0);
        }
        ring_free(ring);
    }
}

CU_TestInfo plan_tests[] = {
    {"fresh rings are even", fresh_rings_are_even},
    {"even after any changes", even_after_any_changes},
    {"little moves", little_moves},
    {"racks apart", racks_apart},
    {"data centres apart", data_centres_apart},
    {"weights are shares", weights_are_shares},
    {"as many nodes as ranges", as_many_nodes_as_ranges},
    {"nothing to change changes nothing", nothing_to_change_changes_nothing},
    {"the same plan every time", same_plan_every_time},
    {"who cannot come or go", who_cannot_come_or_go},
    {"replace takes the same ranges", replace_takes_the_same_ranges},
    {"a plan on a plan", plan_on_a_plan},
    {"any change is valid", any_change_is_valid},
    CU_TEST_INFO_NULL,
};
