#include "helpers.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <string.h>

/* What ring_new refuses: every invariant of its header, one by one. */
static void invalid_rings(void)
{
    struct ring_node a = make_node(1, "dc1", "r1");
    struct ring_node b = make_node(2, "dc2", "r1");
    struct ring_node bad;
    struct ring *ring = NULL;
    node_no half[] = {1, 0};
    node_no stranger[] = {1, 9};
    node_no other_dc[] = {2, 2, 1, 1};
    struct ring_node both[] = {a, b};
    struct ring_node twice[] = {a, a};
    CU_ASSERT_EQUAL(ring_new(3, &a, 1, NULL, NULL, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2 * RING_RANGES_MAX, &a, 1, NULL, NULL, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2, twice, 2, NULL, NULL, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2, &a, 1, half, NULL, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2, &a, 1, stranger, NULL, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2, both, 2, other_dc, NULL, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2, &a, 1, NULL, half, &ring), ERR_INVALID);
    bad = make_node(0, "dc1", "r1");
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, NULL, &ring), ERR_INVALID);
    bad = make_node(1, "", "r1");
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, NULL, &ring), ERR_INVALID);
    bad = make_node(1, "dc1", "");
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, NULL, &ring), ERR_INVALID);
    bad = a;
    bad.weight = 0;
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, NULL, &ring), ERR_INVALID);
    bad.weight = RING_WEIGHT_MAX + 1;
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, NULL, &ring), ERR_INVALID);
    bad = a;
    memset(bad.rack, 'x', sizeof bad.rack);
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, NULL, &ring), ERR_INVALID);
    CU_ASSERT_PTR_NULL(ring);
}

static void too_many_data_centres(void)
{
    struct ring_node nodes[RING_DCS_MAX + 1];
    struct ring *ring = NULL;
    for (uint32_t i = 0; i <= RING_DCS_MAX; i++) {
        char dc[] = {(char)('A' + i), 0};
        nodes[i] = make_node(i + 1, dc, "r1");
    }
    CU_ASSERT_EQUAL(ring_new(8, nodes, RING_DCS_MAX + 1, NULL, NULL, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL_FATAL(ring_new(8, nodes, RING_DCS_MAX, NULL, NULL, &ring), ERR_OK);
    CU_ASSERT_EQUAL(ring->dcs, RING_DCS_MAX);
    ring_free(ring);
}

static void finding_things(void)
{
    struct ring_node nodes[] = {make_node(7, "b", "r1"), make_node(3, "a", "r1")};
    node_no owner[] = {3, 3, 7, 7};
    struct ring *ring = NULL;
    CU_ASSERT_EQUAL_FATAL(ring_new(2, nodes, 2, owner, NULL, &ring), ERR_OK);
    CU_ASSERT_EQUAL(ring->node[0].node, 3);
    CU_ASSERT_EQUAL(ring_find(ring, 7)->node, 7);
    CU_ASSERT_PTR_NULL(ring_find(ring, 5));
    CU_ASSERT_EQUAL(ring_find_dc(ring, "a"), 0);
    CU_ASSERT_EQUAL(ring_find_dc(ring, "b"), 1);
    CU_ASSERT_EQUAL(ring_find_dc(ring, "c"), -1);
    CU_ASSERT_EQUAL(ring_owner(ring, RING_NOW, 1, 0), 7);
    CU_ASSERT_EQUAL(ring_count(ring, RING_NOW, 7), 2);
    CU_ASSERT_EQUAL(ring_count(ring, RING_NOW, 5), 0);
    ring_free(ring);
    ring_free(NULL);
}

/* In one data centre the tokens are the last ones of the ranges; with two, no token is there twice
 * and each stands first on its half of the ring. */
static void published_tokens(void)
{
    struct ring_node nodes[] = {make_node(1, "a", "r1"), make_node(2, "b", "r1")};
    struct ring *one = must_fresh(8, nodes, 1);
    struct ring *two = must_fresh(8, nodes, 2);
    token tokens[8];
    CU_ASSERT_EQUAL(ring_tokens(one, RING_NOW, 1, tokens), 8);
    for (range_no r = 0; r < 8; r++)
        CU_ASSERT_EQUAL(tokens[r], ring_range_right(r, 8));
    for (range_no r = 0; r < 8; r++) {
        token right = ring_range_right(r, 8);
        CU_ASSERT_EQUAL(ring_token(two, RING_NOW, 0, r), r < 4 ? right : right - 1);
        CU_ASSERT_EQUAL(ring_token(two, RING_NOW, 1, r), r < 4 ? right - 1 : right);
    }
    CU_ASSERT_EQUAL(ring_tokens(two, RING_NOW, 9, tokens), 0);
    ring_free(one);
    ring_free(two);
}

/* Settling takes the target and forgets who left; abandoning forgets who was to come. */
static void settle_and_abandon(void)
{
    struct ring_node nodes[] = {make_node(1, "a", "r1"), make_node(2, "a", "r1"),
                                make_node(3, "b", "r1")};
    struct ring *ring = must_fresh(16, nodes, 2);
    struct ring *plan = must_join(ring, &nodes[2], 1);
    struct ring *settled_ring = ring_settle(plan);
    struct ring *abandoned = ring_abandon(plan);
    struct ring *leave = must_leave(settled_ring, 3);
    struct ring *back = ring_settle(leave);
    CU_ASSERT_PTR_NOT_NULL(plan->target);
    CU_ASSERT_EQUAL(ring_count(plan, RING_NOW, 3), 0);
    CU_ASSERT_EQUAL(ring_count(plan, RING_LATER, 3), 16);
    CU_ASSERT_EQUAL(ring_count(settled_ring, RING_NOW, 3), 16);
    CU_ASSERT_TRUE(ring_equal(abandoned, ring));
    CU_ASSERT_TRUE(ring_equal(back, ring));
    CU_ASSERT_FALSE(ring_equal(plan, ring));
    ring_free(ring);
    ring_free(plan);
    ring_free(settled_ring);
    ring_free(abandoned);
    ring_free(leave);
    ring_free(back);
}

CU_TestInfo ring_tests[] = {
    {"what is no ring", invalid_rings},
    {"too many data centres", too_many_data_centres},
    {"finding nodes, data centres, owners", finding_things},
    {"published tokens", published_tokens},
    {"settle and abandon a move", settle_and_abandon},
    CU_TEST_INFO_NULL,
};
