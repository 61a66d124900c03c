/* A ring of 3 to 9 nodes, whatever comes and goes in which order: how even it stays, and how much
 * each change copies. "The least" for who comes is its share of all copies, for who goes what it
 * had. */
#include "helpers.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define RANGES   1024u
#define SMALLEST 3u
#define LARGEST  9u
#define RF_MAX   5u
#define SEEDS    6u
#define CHANGES  16u

struct growing {
    struct rng rng;
    struct ring *ring;
    node_no nodes[LARGEST];
    uint32_t count;
    node_no next;
};

/* Copies on the node, as the ring is now. */
static uint64_t copies(const struct ring *ring, const struct strategy *s, node_no node)
{
    struct placement *p = placement_build(ring, s);
    uint64_t count = 0;
    for (range_no r = 0; r < ring->ranges; r++)
        count += replicas_have(placement_replicas(p, r), node);
    placement_free(p);
    return count;
}

/* At most a tenth more than the least. */
static void is_little(const struct growing *g, const struct ring *plan, node_no gone)
{
    for (uint32_t rf = 1; rf <= RF_MAX; rf++) {
        struct strategy s = simple(rf);
        uint32_t more = g->count > rf ? rf : 0; /* else all have everything */
        uint64_t least = gone != 0 ? copies(g->ring, &s, gone) : (uint64_t)RANGES * more / g->count;
        struct placement *p = placement_build(plan, &s);
        uint64_t moves = placement_moves(p);
        placement_free(p);
        if (gone == 0 && more == 0)
            continue;
        if (moves * 10 > least * 11)
            printf("    RF %u, %u nodes, %s: %llu copies for %llu\n", (unsigned)rf,
                   (unsigned)g->count, gone != 0 ? "one gone" : "one more",
                   (unsigned long long)moves, (unsigned long long)least);
        CU_ASSERT(moves * 10 <= least * 11);
    }
}

static void is_even(const struct growing *g)
{
    for (uint32_t rf = 1; rf <= RF_MAX && rf <= g->count; rf++) {
        struct strategy s = simple(rf);
        CU_ASSERT(unevenness(g->ring, &s) <= 10);
    }
}

static void change(struct growing *g)
{
    bool join = g->count == SMALLEST || (g->count < LARGEST && rng_below(&g->rng, 2) == 0);
    node_no gone = 0;
    struct ring *plan;
    if (join) {
        struct ring_node node = make_node(g->next, "dc1", "r0");
        plan = must_join(g->ring, &node, 1);
        g->nodes[g->count++] = g->next++;
    } else {
        uint32_t at = (uint32_t)rng_below(&g->rng, g->count);
        gone = g->nodes[at];
        plan = must_leave(g->ring, gone);
        g->nodes[at] = g->nodes[--g->count];
    }
    is_little(g, plan, gone);
    g->ring = settled(g->ring, plan);
    is_even(g);
}

static void comings_and_goings(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct growing g = {.count = SMALLEST, .next = SMALLEST + 1};
        struct ring_node first[SMALLEST];
        rng_init(&g.rng, seed);
        for (uint32_t i = 0; i < SMALLEST; i++) {
            g.nodes[i] = i + 1;
            first[i] = make_node(i + 1, "dc1", "r0");
        }
        g.ring = must_fresh(RANGES, first, SMALLEST);
        for (unsigned i = 0; i < CHANGES; i++)
            change(&g);
        ring_free(g.ring);
    }
}

CU_TestInfo balance_tests[] = {
    {"3 to 9 nodes stay even, and little moves", comings_and_goings},
    CU_TEST_INFO_NULL,
};
