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
    node_no mine[] = {1, 1};
    node_no half[] = {1, 0};
    node_no stranger[] = {1, 9};
    node_no other_dc[] = {2, 2, 1, 1};
    struct ring_node both[] = {a, b};
    struct ring_node twice[] = {a, a};
    CU_ASSERT_EQUAL(ring_new(3, &a, 1, NULL, 0, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2 * RING_RANGES_MAX, &a, 1, NULL, 0, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(ring_new(2, twice, 2, NULL, 0, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(one_table(2, &a, 1, half, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(one_table(2, &a, 1, stranger, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL(one_table(2, both, 2, other_dc, &ring), ERR_INVALID);
    struct ring_table twice_one[] = {{1, mine}, {1, mine}};
    CU_ASSERT_EQUAL(ring_new(2, &a, 1, twice_one, 2, &ring), ERR_INVALID);
    struct ring_table then_half[] = {{1, mine}, {2, half}};
    CU_ASSERT_EQUAL(ring_new(2, &a, 1, then_half, 2, &ring), ERR_INVALID);
    struct ring_table many[RING_TABLES_MAX + 1];
    for (uint32_t i = 0; i <= RING_TABLES_MAX; i++)
        many[i] = (struct ring_table){i, mine};
    CU_ASSERT_EQUAL(ring_new(2, &a, 1, many, RING_TABLES_MAX + 1, &ring), ERR_INVALID);
    bad = make_node(0, "dc1", "r1");
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, 0, &ring), ERR_INVALID);
    bad = make_node(1, "", "r1");
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, 0, &ring), ERR_INVALID);
    bad = make_node(1, "dc1", "");
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, 0, &ring), ERR_INVALID);
    bad = a;
    bad.weight = 0;
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, 0, &ring), ERR_INVALID);
    bad.weight = RING_WEIGHT_MAX + 1;
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, 0, &ring), ERR_INVALID);
    bad = a;
    memset(bad.rack, 'x', sizeof bad.rack);
    CU_ASSERT_EQUAL(ring_new(2, &bad, 1, NULL, 0, &ring), ERR_INVALID);
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
    CU_ASSERT_EQUAL(ring_new(8, nodes, RING_DCS_MAX + 1, NULL, 0, &ring), ERR_INVALID);
    CU_ASSERT_EQUAL_FATAL(ring_new(8, nodes, RING_DCS_MAX, NULL, 0, &ring), ERR_OK);
    CU_ASSERT_EQUAL(ring->dcs, RING_DCS_MAX);
    ring_free(ring);
}

static void finding_things(void)
{
    struct ring_node nodes[] = {make_node(7, "b", "r1"), make_node(3, "a", "r1")};
    node_no owner[] = {3, 3, 7, 7};
    struct ring *ring = NULL;
    CU_ASSERT_EQUAL_FATAL(one_table(2, nodes, 2, owner, &ring), ERR_OK);
    CU_ASSERT_EQUAL(ring->node[0].node, 3);
    CU_ASSERT_EQUAL(ring_find(ring, 7)->node, 7);
    CU_ASSERT_PTR_NULL(ring_find(ring, 5));
    CU_ASSERT_EQUAL(ring_find_dc(ring, "a"), 0);
    CU_ASSERT_EQUAL(ring_find_dc(ring, "b"), 1);
    CU_ASSERT_EQUAL(ring_find_dc(ring, "c"), -1);
    CU_ASSERT_EQUAL(ring_owner(ring, RING_PUBLISHED, 1, 0), 7);
    CU_ASSERT_EQUAL(ring_count(ring, RING_PUBLISHED, 7), 2);
    CU_ASSERT_EQUAL(ring_count(ring, RING_PUBLISHED, 5), 0);
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
    CU_ASSERT_EQUAL(ring_tokens(one, RING_PUBLISHED, 1, tokens), 8);
    for (range_no r = 0; r < 8; r++)
        CU_ASSERT_EQUAL(tokens[r], ring_range_right(r, 8));
    for (range_no r = 0; r < 8; r++) {
        token right = ring_range_right(r, 8);
        CU_ASSERT_EQUAL(ring_token(two, RING_PUBLISHED, 0, r), r < 4 ? right : right - 1);
        CU_ASSERT_EQUAL(ring_token(two, RING_PUBLISHED, 1, r), r < 4 ? right - 1 : right);
    }
    CU_ASSERT_EQUAL(ring_tokens(two, RING_PUBLISHED, 9, tokens), 0);
    ring_free(one);
    ring_free(two);
}

/* Settling takes the newest table and forgets who left; keeping another one, who was to come. */
static void tables_come_and_go(void)
{
    struct ring_node nodes[] = {make_node(1, "a", "r1"), make_node(2, "a", "r1"),
                                make_node(3, "b", "r1")};
    const bool first[RING_TABLES_MAX] = {true}, ends[RING_TABLES_MAX] = {true, false, true};
    struct ring *ring = must_fresh(16, nodes, 2);
    struct ring *plan = must_join(ring, &nodes[2], 1);
    struct ring *there = ring_settle(plan);
    struct ring *abandoned = ring_keep(plan, first);
    struct ring *leave = must_leave(plan, 3);
    struct ring *two = ring_keep(leave, ends);
    CU_ASSERT_EQUAL(plan->tables, 2);
    CU_ASSERT_EQUAL(plan->table[1].number, ring->table[0].number + 1);
    CU_ASSERT_EQUAL(ring_count(plan, RING_PUBLISHED, 3), 0);
    CU_ASSERT_EQUAL(ring_count(plan, RING_NEWEST, 3), 16);
    CU_ASSERT_EQUAL(ring_count(there, RING_PUBLISHED, 3), 16);
    CU_ASSERT_EQUAL(there->table[0].number, plan->table[1].number);
    CU_ASSERT_TRUE(ring_equal(abandoned, ring));
    CU_ASSERT_FALSE(ring_equal(plan, ring));
    CU_ASSERT_EQUAL(leave->tables, 3);
    CU_ASSERT_EQUAL(two->tables, 2);
    CU_ASSERT_EQUAL(two->nodes, 2);
    CU_ASSERT_PTR_NULL(ring_find_table(two, plan->table[1].number));
    CU_ASSERT_PTR_EQUAL(ring_find_table(two, leave->table[2].number), ring_table(two, RING_NEWEST));
    ring_free(ring);
    ring_free(plan);
    ring_free(there);
    ring_free(abandoned);
    ring_free(leave);
    ring_free(two);
}

static void no_more_tables_than_there_may_be(void)
{
    struct ring_node nodes[RING_TABLES_MAX + 1];
    struct ring *more = NULL;
    for (uint32_t i = 0; i <= RING_TABLES_MAX; i++)
        nodes[i] = make_node(i + 1, "a", "r1");
    struct ring *ring = must_fresh(16, nodes, 1);
    for (uint32_t i = 1; i < RING_TABLES_MAX; i++) {
        more = must_join(ring, &nodes[i], 1);
        ring_free(ring);
        ring = more;
    }
    more = NULL;
    CU_ASSERT_EQUAL(ring_plan_join(ring, &nodes[RING_TABLES_MAX], 1, &more), ERR_TOO_BIG);
    CU_ASSERT_EQUAL(ring_plan_leave(ring, &nodes[0].node, 1, &more), ERR_TOO_BIG);
    CU_ASSERT_PTR_NULL(more);
    ring_free(ring);
}

CU_TestInfo ring_tests[] = {
    {"what is no ring", invalid_rings},
    {"too many data centres", too_many_data_centres},
    {"finding nodes, data centres, owners", finding_things},
    {"published tokens", published_tokens},
    {"tables come and go", tables_come_and_go},
    {"no more tables than there may be", no_more_tables_than_there_may_be},
    CU_TEST_INFO_NULL,
};
