#include "ring/placement.h"

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

static void view_init(struct view *v, const struct ring *ring, enum ring_when when)
{
    memset(v, 0, sizeof *v);
    arena_init(&v->arena);
    v->ring = ring;
    v->table = ring_table(ring, when);
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

static node_no *place_all(const struct ring *ring, enum ring_when when, const struct strategy *s,
                          uint32_t *ret_each)
{
    struct view v;
    uint32_t rf[RING_DCS_MAX] = {0};
    uint32_t each = 0;
    view_init(&v, ring, when);
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
    *ret_each = each;
    return all;
}

static void find_pending(struct placement *p)
{
    uint32_t count = 0;
    p->pending = mem_alloc(sizeof *p->pending * p->ranges * p->later_each);
    p->pending_at = mem_alloc(sizeof *p->pending_at * (p->ranges + 1));
    for (range_no r = 0; r < p->ranges; r++) {
        struct replicas now = placement_replicas(p, r);
        struct replicas later = placement_later(p, r);
        p->pending_at[r] = count;
        for (uint32_t i = 0; i < later.count; i++) {
            if (!replicas_have(now, later.node[i]))
                p->pending[count++] = later.node[i];
        }
    }
    p->pending_at[p->ranges] = count;
}

struct placement *placement_build(const struct ring *ring, const struct strategy *strategy)
{
    struct placement *p = mem_new(struct placement);
    p->ranges = ring->ranges;
    p->now = place_all(ring, RING_NOW, strategy, &p->now_each);
    p->later = p->now;
    p->later_each = p->now_each;
    p->moving = ring->target != NULL;
    if (p->moving) {
        p->later = place_all(ring, RING_LATER, strategy, &p->later_each);
        find_pending(p);
    }
    return p;
}

void placement_free(struct placement *p)
{
    if (p == NULL)
        return;
    if (p->later != p->now)
        mem_free(p->later);
    mem_free(p->now);
    mem_free(p->pending);
    mem_free(p->pending_at);
    mem_free(p);
}

struct replicas placement_replicas(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    return (struct replicas){p->now + (size_t)range * p->now_each, p->now_each};
}

struct replicas placement_later(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    return (struct replicas){p->later + (size_t)range * p->later_each, p->later_each};
}

struct replicas placement_pending(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    if (!p->moving)
        return (struct replicas){NULL, 0};
    uint32_t from = p->pending_at[range];
    return (struct replicas){p->pending + from, p->pending_at[range + 1] - from};
}

uint64_t placement_moves(const struct placement *p)
{
    return p->moving ? p->pending_at[p->ranges] : 0;
}
