/* ring_balance.c - how even the ring is and how much a join moves: the tables of ring/README.md.
 *
 * ring_balance [Q [racks]]: one data centre. For each number of nodes S, the load of the fullest
 * node over the mean: in a ring made at once, in one grown node by node, and after S/2+2 random
 * leaves and joins; the bound ceil(Q*RF/S) / (Q*RF/S); and what the join of node S+1 moves over
 * Q*RF/(S+1).
 */
#include "base/mem.h"
#include "base/rng.h"
#include "ring/placement.h"
#include "ring/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint32_t factors[] = {1, 2, 3, 5};
static uint32_t racks = 1;

static struct ring_node make_node(node_no node)
{
    struct ring_node n = {.node = node, .weight = 1, .dc = "dc1"};
    snprintf(n.rack, sizeof n.rack, "r%u", (unsigned)((node - 1) % racks));
    return n;
}

static struct strategy network(uint32_t rf)
{
    struct strategy s = {.type = STRATEGY_NETWORK, .dcs = 1};
    strcpy(s.dc[0].name, "dc1");
    s.dc[0].rf = rf;
    return s;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Fullest node over the mean. */
static double unevenness(const struct ring *ring, uint32_t rf)
{
    struct strategy s = network(rf);
    struct placement *p = placement_build(ring, &s);
    uint32_t *load = mem_alloc(sizeof *load * ring->nodes);
    uint32_t most = 0;
    for (range_no r = 0; r < ring->ranges; r++) {
        struct replicas at = placement_replicas(p, r);
        for (uint32_t i = 0; i < at.count; i++)
            load[ring_find(ring, at.node[i]) - ring->node]++;
    }
    for (uint32_t i = 0; i < ring->nodes; i++)
        most = load[i] > most ? load[i] : most;
    double mean = (double)ring->ranges * placement_replicas(p, 0).count / ring->nodes;
    placement_free(p);
    mem_free(load);
    return most / mean;
}

static void change(struct ring **ring, enum err err, struct ring *plan)
{
    ASSERT(err == ERR_OK);
    ring_free(*ring);
    *ring = ring_settle(plan);
    ring_free(plan);
}

static void join(struct ring **ring, node_no node)
{
    struct ring *plan = NULL;
    struct ring_node n = make_node(node);
    enum err err = ring_plan_join(*ring, &n, 1, &plan);
    change(ring, err, plan);
}

static void leave(struct ring **ring, node_no node)
{
    struct ring *plan = NULL;
    enum err err = ring_plan_leave(*ring, &node, 1, &plan);
    change(ring, err, plan);
}

static struct ring *churned(const struct ring *grown, struct rng *rng)
{
    struct ring *ring = ring_copy(grown);
    node_no next = grown->nodes + 1;
    for (uint32_t i = 0; i < grown->nodes / 2 + 2; i++) {
        if (ring->nodes > 1)
            leave(&ring, ring->node[rng_below(rng, ring->nodes)].node);
        else
            join(&ring, next++);
        while (ring->nodes < grown->nodes)
            join(&ring, next++);
    }
    while (ring->nodes > grown->nodes)
        leave(&ring, ring->node[0].node);
    return ring;
}

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void report(uint32_t ranges, const struct ring *grown)
{
    uint32_t size = grown->nodes;
    struct ring_node *nodes = mem_alloc(sizeof *nodes * size);
    struct ring *fresh = NULL;
    struct ring *plan = NULL;
    struct rng rng;
    rng_init(&rng, size);
    for (uint32_t i = 0; i < size; i++)
        nodes[i] = make_node(i + 1);
    enum err err = ring_plan_fresh(ranges, nodes, size, &fresh);
    ASSERT(err == ERR_OK);
    struct ring *mixed = churned(grown, &rng);
    double before = milliseconds();
    struct ring_node one = make_node(size + 1);
    err = ring_plan_join(grown, &one, 1, &plan);
    ASSERT(err == ERR_OK);
    double took = milliseconds() - before;
    for (size_t i = 0; i < ARRAY_LEN(factors); i++) {
        uint32_t each = smaller(factors[i], size);
        double mean = (double)ranges * each / size;
        uint32_t ceiling = (ranges * each + size - 1) / size;
        struct strategy s = network(factors[i]);
        struct placement *p = placement_build(plan, &s);
        double fair = (double)ranges * smaller(factors[i], size + 1) / (size + 1);
        printf("| %u | %u | %.4f | %.4f | %.4f | %.4f | %.3f | %.1f |\n", size, factors[i],
               ceiling / mean, unevenness(fresh, factors[i]), unevenness(grown, factors[i]),
               unevenness(mixed, factors[i]), (double)placement_moves(p) / fair, took);
        placement_free(p);
    }
    fflush(stdout);
    ring_free(fresh);
    ring_free(mixed);
    ring_free(plan);
    mem_free(nodes);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,  12, 13,
                                     14, 15, 16, 20, 24, 25, 28, 29, 32, 64, 100, 128};
    uint32_t ranges = argc > 1 ? (uint32_t)atoi(argv[1]) : RING_RANGES_DEFAULT;
    racks = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    if (!ring_ranges_valid(ranges) || racks == 0) {
        fprintf(stderr, "usage: ring_balance [Q [racks]]\n");
        return 2;
    }
    struct ring *ring = NULL;
    enum err err = ring_new(ranges, NULL, 0, NULL, 0, &ring);
    ASSERT(err == ERR_OK);
    puts("| S | RF | bound | fresh | grown | churned | join moves | ms |\n"
         "| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (size_t i = 0; i < ARRAY_LEN(sizes) && sizes[i] <= ranges / 8; i++) {
        while (ring->nodes < sizes[i])
            join(&ring, ring->nodes + 1);
        report(ranges, ring);
    }
    ring_free(ring);
    return 0;
}
