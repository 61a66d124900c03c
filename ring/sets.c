#include "ring/sets.h"

#include "base/arena.h"
#include "base/mem.h"
#include "ring/walk.h"

#include <string.h>

bool strategy_equal(const struct strategy *a, const struct strategy *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == STRATEGY_SIMPLE)
        return a->rf == b->rf;
    if (a->dcs != b->dcs)
        return false;
    for (uint32_t i = 0; i < a->dcs; i++) {
        bool found = false;
        for (uint32_t j = 0; j < b->dcs && !found; j++)
            found = strcmp(a->dc[i].name, b->dc[j].name) == 0 && a->dc[i].rf == b->dc[j].rf;
        if (!found)
            return false;
    }
    return true;
}

bool replicas_have(struct replicas r, node_no node)
{
    for (uint32_t i = 0; i < r.count; i++) {
        if (r.node[i] == node)
            return true;
    }
    return false;
}

bool replicas_equal(struct replicas a, struct replicas b)
{
    bool same = a.count == b.count;
    for (uint32_t i = 0; i < a.count && same; i++)
        same = replicas_have(b, a.node[i]);
    return same;
}

/* One table of a ring, with its nodes and racks as small numbers. */
struct view {
    const struct ring *ring;
    const node_no *table;
    uint32_t nodes;            /* that own something, in all data centres */
    uint32_t active;           /* data centres that own something */
    uint32_t dc[RING_DCS_MAX]; /* [active] their rows */
    struct walk walk[RING_DCS_MAX];
    const node_no *name[RING_DCS_MAX]; /* [active] index of a data centre's node -> number */
    struct arena arena;
};

static uint16_t rack_index(const char **names, uint32_t *count, const char *rack)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (strcmp(names[i], rack) == 0)
            return (uint16_t)i;
    }
    names[*count] = rack;
    return (uint16_t)(*count)++;
}

static void view_dc(struct view *v, uint32_t dc)
{
    const struct ring *ring = v->ring;
    const node_no *row = v->table + (size_t)dc * ring->ranges;
    if (row[0] == 0)
        return;
    uint16_t *index = arena_array(&v->arena, uint16_t, ring->nodes); /* ring's -> ours plus one */
    uint16_t *rack = arena_array(&v->arena, uint16_t, ring->nodes);
    uint16_t *ours = arena_array(&v->arena, uint16_t, ring->ranges);
    node_no *name = arena_array(&v->arena, node_no, ring->nodes);
    const char **racks = arena_array(&v->arena, const char *, ring->nodes);
    struct walk *w = &v->walk[v->active];
    for (range_no r = 0; r < ring->ranges; r++) {
        const struct ring_node *n = ring_find(ring, row[r]);
        size_t at = (size_t)(n - ring->node);
        if (index[at] == 0) {
            rack[w->nodes] = rack_index(racks, &w->racks, n->rack);
            name[w->nodes] = row[r];
            index[at] = (uint16_t)++w->nodes;
        }
        ours[r] = (uint16_t)(index[at] - 1);
    }
    w->ranges = ring->ranges;
    w->row = ours;
    w->rack = rack;
    w->node_seen = arena_array(&v->arena, uint32_t, w->nodes);
    w->rack_seen = arena_array(&v->arena, uint32_t, w->racks);
    v->name[v->active] = name;
    v->dc[v->active] = dc;
    v->active++;
    v->nodes += w->nodes;
}

static void view_init(struct view *v, const struct ring *ring, const struct ring_table *table)
{
    memset(v, 0, sizeof *v);
    arena_init(&v->arena);
    v->ring = ring;
    v->table = table->owner;
    for (uint32_t dc = 0; dc < ring->dcs; dc++)
        view_dc(v, dc);
}

/* The data centre whose token is the n-th from the left at the end of a range. ring_token takes off
 * (slot + arc) mod D, so the leftmost has the most taken off. */
static uint32_t nth_slot(const struct view *v, range_no range, uint32_t n)
{
    uint32_t arc = (uint32_t)((uint64_t)range * v->active / v->ring->ranges);
    return (v->active - 1 - n + v->active - arc) % v->active;
}

static void place_simple(struct view *v, range_no range, uint32_t each, node_no *ret_nodes)
{
    uint32_t count = 0;
    uint32_t stamp = ++v->walk[0].stamp;
    for (uint32_t i = 1; i < v->active; i++)
        v->walk[i].stamp = stamp;
    for (range_no at = range; count < each; at = at + 1 < v->ring->ranges ? at + 1 : 0) {
        for (uint32_t i = 0; i < v->active && count < each; i++) {
            uint32_t slot = nth_slot(v, at, i);
            struct walk *w = &v->walk[slot];
            uint16_t n = w->row[at];
            if (w->node_seen[n] == stamp)
                continue;
            w->node_seen[n] = stamp;
            ret_nodes[count++] = v->name[slot][n];
        }
    }
}

/* Every data centre walks alone; Cassandra walks all at once, so the order of preference is that in
 * which their tokens are met. */
static void place_network(struct view *v, const uint32_t *rf, range_no range, uint32_t each,
                          node_no *ret_nodes)
{
    uint16_t found[RING_DCS_MAX][STRATEGY_RF_MAX];
    range_no met[RING_DCS_MAX][STRATEGY_RF_MAX];
    uint32_t left[RING_DCS_MAX];
    uint32_t next[RING_DCS_MAX] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < v->active; i++)
        left[i] = walk_replicas(&v->walk[i], range, rf[i], found[i], met[i]);
    for (range_no at = range; count < each; at = at + 1 < v->ring->ranges ? at + 1 : 0) {
        for (uint32_t i = 0; i < v->active; i++) {
            uint32_t slot = nth_slot(v, at, i);
            if (next[slot] == left[slot] || met[slot][next[slot]] != at)
                continue;
            ret_nodes[count++] = v->name[slot][found[slot][next[slot]++]];
        }
    }
}

struct replica_sets sets_build(const struct ring *ring, const struct ring_table *table,
                               const struct strategy *s)
{
    struct view v;
    uint32_t rf[RING_DCS_MAX] = {0};
    uint32_t each = 0;
    view_init(&v, ring, table);
    for (uint32_t i = 0; i < v.active && s->type == STRATEGY_NETWORK; i++) {
        for (uint32_t j = 0; j < s->dcs; j++) {
            if (strcmp(s->dc[j].name, ring->dc[v.dc[i]]) == 0)
                rf[i] = s->dc[j].rf < STRATEGY_RF_MAX ? s->dc[j].rf : STRATEGY_RF_MAX;
        }
        each += rf[i] < v.walk[i].nodes ? rf[i] : v.walk[i].nodes;
    }
    if (s->type == STRATEGY_SIMPLE)
        each = s->rf < v.nodes ? s->rf : v.nodes;
    node_no *all = mem_alloc(sizeof *all * ring->ranges * each);
    for (range_no r = 0; r < ring->ranges && each > 0; r++) {
        if (s->type == STRATEGY_SIMPLE)
            place_simple(&v, r, each, all + (size_t)r * each);
        else
            place_network(&v, rf, r, each, all + (size_t)r * each);
    }
    arena_close(&v.arena);
    return (struct replica_sets){all, each};
}

void sets_close(struct replica_sets *s)
{
    mem_free(s->node);
    *s = (struct replica_sets){NULL, 0};
}

struct replicas sets_at(const struct replica_sets *s, range_no range)
{
    return (struct replicas){s->node + (size_t)range * s->each, s->each};
}
