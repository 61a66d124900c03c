#include "helpers.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ring_node make_node(node_no node, const char *dc, const char *rack)
{
    struct ring_node n = {.node = node, .weight = 1};
    snprintf(n.dc, sizeof n.dc, "%s", dc);
    snprintf(n.rack, sizeof n.rack, "%s", rack);
    return n;
}

struct ring_node make_racked(node_no node, uint32_t racks)
{
    char rack[16];
    snprintf(rack, sizeof rack, "r%u", (unsigned)((node - 1) % racks));
    return make_node(node, "dc1", rack);
}

struct ring *must_fresh(uint32_t ranges, const struct ring_node *nodes, size_t count)
{
    struct ring *ring = NULL;
    enum err err = ring_plan_fresh(ranges, nodes, count, &ring);
    ASSERT(err == ERR_OK);
    return ring;
}

struct ring *must_join(const struct ring *ring, const struct ring_node *joining, size_t count)
{
    struct ring *plan = NULL;
    enum err err = ring_plan_join(ring, joining, count, &plan);
    ASSERT(err == ERR_OK);
    return plan;
}

struct ring *must_leave(const struct ring *ring, node_no leaving)
{
    struct ring *plan = NULL;
    enum err err = ring_plan_leave(ring, &leaving, 1, &plan);
    ASSERT(err == ERR_OK);
    return plan;
}

enum err one_table(uint32_t ranges, const struct ring_node *nodes, size_t count, node_no *owner,
                   struct ring **ret_ring)
{
    struct ring_table table = {1, owner};
    return ring_new(ranges, nodes, count, &table, 1, ret_ring);
}

struct ring *settled(struct ring *ring, struct ring *plan)
{
    struct ring *done = ring_settle(plan);
    ring_free(ring);
    ring_free(plan);
    return done;
}

struct strategy simple(uint32_t rf)
{
    return (struct strategy){.type = STRATEGY_SIMPLE, .rf = rf};
}

struct strategy network(const char *dc, uint32_t rf)
{
    struct strategy s = {.type = STRATEGY_NETWORK};
    network_add(&s, dc, rf);
    return s;
}

void network_add(struct strategy *s, const char *dc, uint32_t rf)
{
    snprintf(s->dc[s->dcs].name, sizeof s->dc[s->dcs].name, "%s", dc);
    s->dc[s->dcs++].rf = rf;
}

struct published {
    token token;
    const struct ring_node *node;
};

static int compare_published(const void *a, const void *b)
{
    const struct published *x = a;
    const struct published *y = b;
    return x->token < y->token ? -1 : x->token > y->token;
}

static bool chosen(const node_no *nodes, uint32_t count, node_no node)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i] == node)
            return true;
    }
    return false;
}

/* Distinct nodes (or racks, when by_rack) of a data centre among those that publish. */
static uint32_t distinct(const struct published *all, uint32_t count, const char *dc, bool by_rack)
{
    const struct ring_node *seen[RING_NODES_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool known = strcmp(all[i].node->dc, dc) != 0;
        for (uint32_t j = 0; j < n && !known; j++)
            known = by_rack ? strcmp(seen[j]->rack, all[i].node->rack) == 0
                            : seen[j]->node == all[i].node->node;
        if (!known)
            seen[n++] = all[i].node;
    }
    return n;
}

/* One data centre's book-keeping, named as Cassandra's is. */
struct dc_state {
    int left;
    int repeats;
    const char *racks[RING_NODES_MAX];
    uint32_t rack_count;
};

static bool rack_is_new(struct dc_state *d, const char *rack)
{
    for (uint32_t i = 0; i < d->rack_count; i++) {
        if (strcmp(d->racks[i], rack) == 0)
            return false;
    }
    d->racks[d->rack_count++] = rack;
    return true;
}

static uint32_t naive_network(const struct published *all, uint32_t count, uint32_t start,
                              const struct strategy *s, node_no *ret_nodes)
{
    struct dc_state *state = mem_alloc(sizeof *state * s->dcs);
    uint32_t found = 0;
    for (uint32_t i = 0; i < s->dcs; i++) {
        int nodes = (int)distinct(all, count, s->dc[i].name, false);
        state[i].left = (int)s->dc[i].rf < nodes ? (int)s->dc[i].rf : nodes;
        state[i].repeats = (int)s->dc[i].rf - (int)distinct(all, count, s->dc[i].name, true);
    }
    for (uint32_t step = 0; step < count; step++) {
        const struct ring_node *n = all[(start + step) % count].node;
        struct dc_state *d = NULL;
        for (uint32_t i = 0; i < s->dcs; i++)
            d = strcmp(s->dc[i].name, n->dc) == 0 ? &state[i] : d;
        if (d == NULL || d->left <= 0 || chosen(ret_nodes, found, n->node))
            continue;
        if (!rack_is_new(d, n->rack)) {
            if (d->repeats <= 0)
                continue;
            d->repeats--;
        }
        d->left--;
        ret_nodes[found++] = n->node;
    }
    mem_free(state);
    return found;
}

uint32_t naive_replicas(const struct ring *ring, enum ring_when when, const struct strategy *s,
                        token t, node_no *ret_nodes)
{
    struct published *all = mem_alloc(sizeof *all * ring->ranges * (ring->dcs + 1));
    token *tokens = mem_alloc(sizeof *tokens * ring->ranges);
    uint32_t count = 0;
    uint32_t start = 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < ring->nodes; i++) {
        uint32_t n = ring_tokens(ring, when, ring->node[i].node, tokens);
        for (uint32_t j = 0; j < n; j++)
            all[count++] = (struct published){tokens[j], &ring->node[i]};
    }
    qsort(all, count, sizeof *all, compare_published);
    while (start < count && all[start].token < t)
        start++;
    if (s->type == STRATEGY_NETWORK)
        found = naive_network(all, count, start, s, ret_nodes);
    for (uint32_t step = 0; s->type == STRATEGY_SIMPLE && step < count && found < s->rf; step++) {
        node_no n = all[(start + step) % count].node->node;
        if (!chosen(ret_nodes, found, n))
            ret_nodes[found++] = n;
    }
    mem_free(tokens);
    mem_free(all);
    return found;
}

uint32_t unevenness(const struct ring *ring, const struct strategy *s)
{
    struct placement *p = placement_build(ring, s);
    uint64_t *load = mem_alloc(sizeof *load * ring->nodes);
    uint64_t most = 0;
    for (range_no r = 0; r < ring->ranges; r++) {
        struct replicas at = placement_replicas(p, r);
        for (uint32_t i = 0; i < at.count; i++)
            load[ring_find(ring, at.node[i]) - ring->node]++;
    }
    for (uint32_t i = 0; i < ring->nodes; i++)
        most = load[i] > most ? load[i] : most;
    uint64_t total = (uint64_t)ring->ranges * placement_replicas(p, 0).count;
    placement_free(p);
    mem_free(load);
    return (uint32_t)((most * ring->nodes * 1000 - total * 1000) / total);
}

struct ring *random_ring(struct rng *rng, uint32_t ranges, uint32_t most)
{
    struct ring_node *nodes = mem_alloc(sizeof *nodes * most);
    uint32_t count = 1 + (uint32_t)rng_below(rng, most);
    uint32_t dcs = 1 + (uint32_t)rng_below(rng, 3);
    uint32_t racks = 1 + (uint32_t)rng_below(rng, 4);
    struct ring *bare = NULL;
    struct ring *ring = NULL;
    for (uint32_t i = 0; i < count; i++) {
        char dc[16];
        char rack[16];
        snprintf(dc, sizeof dc, "dc%u", (unsigned)rng_below(rng, dcs));
        snprintf(rack, sizeof rack, "r%u", (unsigned)rng_below(rng, racks));
        nodes[i] = make_node(i * 3 + 1 + (node_no)rng_below(rng, 3), dc, rack);
        nodes[i].weight = 1 + (uint32_t)rng_below(rng, 3);
    }
    enum err err = ring_new(ranges, nodes, count, NULL, 0, &bare);
    ASSERT(err == ERR_OK);
    node_no *owner = mem_alloc(sizeof *owner * ranges * bare->dcs);
    for (uint32_t i = 0; i < ranges * bare->dcs; i++) {
        while (owner[i] == 0) {
            const struct ring_node *n = &nodes[rng_below(rng, count)];
            owner[i] = strcmp(n->dc, bare->dc[i / ranges]) == 0 ? n->node : 0;
        }
    }
    err = one_table(ranges, nodes, count, owner, &ring);
    ASSERT(err == ERR_OK);
    ring_free(bare);
    mem_free(owner);
    mem_free(nodes);
    return ring;
}
