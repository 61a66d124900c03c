/* Improve a table: swap owners while it pays.
 *
 * What is to be made small is, over the replication factors 1 .. PLAN_RF_MAX, the squares of what
 * each node holds outside its share, and a little for every range that moves. One change alters
 * only the replicas of the ranges whose walk meets it, so a trial costs a few short walks. The
 * search is random with a fixed seed and a fixed amount of work: the same everywhere.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "ring/plan_dc.h"
#include "ring/walk.h"

#include <string.h>

#define UNEVEN_COST  16 /* of one range squared outside a share, */
#define STRETCH_COST 2  /* of one step more than needed to find the replicas of a range, */
#define MOVE_COST                                                                                  \
    7 /* and of a range that moves: less than it takes to spare one node one range                 \
       */
#define MOVE_COST_LARGE                                                                            \
    12 /* the same where a newcomer gets less than LARGE ranges: more than that, */
#define LARGE             32   /* for there every further range is much beside what has to move */
#define FREE_TRIALS       1500 /* that move nothing more, and for each node: */
#define FREE_TRIALS_NODE  80
#define OTHER_TRIALS      2000 /* that may, and for each node: */
#define OTHER_TRIALS_NODE 400

struct search {
    struct plan_dc *p;
    struct walk walk;
    struct rng rng;
    uint32_t lengths; /* how many different walks cover all factors: see init */
    uint32_t length[PLAN_RF_MAX];
    uint32_t from[PLAN_RF_MAX]; /* a walk of length[i] counts for factors from[i] .. length[i] */
    struct plan_share *share[PLAN_RF_MAX + 1]; /* [factor][node] */
    int32_t *load[PLAN_RF_MAX + 1];
    uint16_t *found;   /* [ranges][PLAN_RF_MAX walks][PLAN_RF_MAX] replicas counted in load */
    uint32_t *reach;   /* [ranges] steps of the longest walk from there */
    range_no *changed; /* [changes] the ranges that the seed gave to another node */
    uint32_t changes;
    int64_t uneven;
    int64_t stretch;
    int64_t moved;
    int64_t move_cost;
};

static int64_t outside(struct plan_share s, int32_t load)
{
    int64_t d = load > s.most ? load - s.most : load < s.least ? s.least - load : 0;
    return d * d;
}

static void shift_load(struct search *s, uint32_t rf, uint16_t node, int32_t step)
{
    int32_t *load = &s->load[rf][node];
    struct plan_share share = s->share[rf][node];
    s->uneven -= outside(share, *load);
    *load += step;
    s->uneven += outside(share, *load);
}

/* Find the replicas of a range anew and shift the loads of those that differ from what was found
 * last. */
static void count_range(struct search *s, range_no range)
{
    uint16_t nodes[PLAN_RF_MAX];
    range_no met[PLAN_RF_MAX];
    uint32_t reach = 0;
    for (uint32_t i = 0; i < s->lengths; i++) {
        uint16_t *found = s->found + ((size_t)range * PLAN_RF_MAX + i) * PLAN_RF_MAX;
        uint32_t n = walk_replicas(&s->walk, range, s->length[i], nodes, met);
        for (uint32_t k = 0; k < n; k++) {
            if (found[k] == nodes[k])
                continue;
            for (uint32_t rf = k + 1 > s->from[i] ? k + 1 : s->from[i]; rf <= s->length[i]; rf++) {
                if (found[k] != PLAN_NOBODY)
                    shift_load(s, rf, found[k], -1);
                shift_load(s, rf, nodes[k], 1);
            }
            found[k] = nodes[k];
        }
        uint32_t steps = (met[n - 1] - range) & (s->p->ranges - 1);
        reach = steps > reach ? steps : reach;
    }
    s->stretch += (int64_t)reach - s->reach[range];
    s->reach[range] = reach;
}

/* Give a range to a node. The ranges before it whose walk met it are those to count anew; a range
 * whose walk ends before it ends the run, as no range before that one walks further. */
static void give(struct search *s, range_no at, uint16_t node)
{
    struct plan_dc *p = s->p;
    uint32_t mask = p->ranges - 1;
    if (p->row[at] == node)
        return;
    s->moved -= p->base[at] != PLAN_NOBODY && p->row[at] != p->base[at];
    p->row[at] = node;
    s->moved += p->base[at] != PLAN_NOBODY && p->row[at] != p->base[at];
    for (uint32_t back = 0; back < p->ranges && s->reach[(at - back) & mask] >= back; back++)
        count_range(s, (at - back) & mask);
}

static int64_t cost(const struct search *s)
{
    return s->uneven * UNEVEN_COST + s->stretch * STRETCH_COST + s->moved * s->move_cost;
}

/* A walk for factor f finds the replicas for all smaller factors too, unless f exceeds the number
 * of racks: then how many repeats it may take depends on f itself. */
static void init(struct search *s, struct plan_dc *p)
{
    uint32_t top = p->nodes - 1 < PLAN_RF_MAX ? p->nodes - 1 : PLAN_RF_MAX;
    memset(s, 0, sizeof *s);
    s->p = p;
    rng_init(&s->rng, 1);
    s->move_cost = p->nodes * LARGE <= p->ranges ? MOVE_COST : MOVE_COST_LARGE;
    s->walk = (struct walk){.ranges = p->ranges, .nodes = p->nodes, .racks = p->racks};
    s->walk.row = p->row;
    s->walk.rack = p->rack;
    s->walk.node_seen = arena_array(p->arena, uint32_t, p->nodes);
    s->walk.rack_seen = arena_array(p->arena, uint32_t, p->racks);
    for (uint32_t rf = 1; rf <= top; rf++) {
        s->load[rf] = arena_array(p->arena, int32_t, p->nodes);
        s->share[rf] = arena_array(p->arena, struct plan_share, p->nodes);
        plan_dc_shares(p, rf, s->share[rf]);
        for (uint32_t i = 0; i < p->nodes; i++)
            s->uneven += outside(s->share[rf][i], 0);
        bool last = rf == top || (p->racks > 1 && rf >= p->racks);
        if (!last)
            continue;
        s->from[s->lengths] = s->lengths == 0 ? 1 : s->length[s->lengths - 1] + 1;
        s->length[s->lengths++] = rf;
    }
    size_t places = (size_t)p->ranges * PLAN_RF_MAX * PLAN_RF_MAX;
    s->found = arena_array(p->arena, uint16_t, places);
    memset(s->found, 0xff, sizeof *s->found * places);
    s->reach = arena_array(p->arena, uint32_t, p->ranges);
    s->changed = arena_array(p->arena, range_no, p->ranges);
    for (range_no r = 0; r < p->ranges; r++) {
        count_range(s, r);
        if (p->row[r] == p->base[r])
            continue;
        s->changed[s->changes++] = r;
        s->moved += p->base[r] != PLAN_NOBODY;
    }
    s->stretch -= (int64_t)p->ranges * (top - 1);
}

/* A node that holds more or less than its share, the first from a random one on. */
static uint16_t find_uneven(struct search *s)
{
    uint32_t nodes = s->p->nodes;
    uint32_t start = (uint32_t)rng_below(&s->rng, nodes);
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t n = (start + i) % nodes;
        for (uint32_t rf = 1; rf <= PLAN_RF_MAX && s->load[rf] != NULL; rf++) {
            if (outside(s->share[rf][n], s->load[rf][n]) > 0)
                return (uint16_t)n;
        }
    }
    return (uint16_t)start;
}

static range_no random_range_of(struct search *s, uint16_t node)
{
    range_no at = (range_no)rng_below(&s->rng, s->p->ranges);
    for (uint32_t i = 0; i < s->p->ranges && s->p->row[at] != node; i++)
        at = at + 1 < s->p->ranges ? at + 1 : 0;
    return at;
}

/* Swap two owners; undone when that costs. False when undone. */
static bool try_swap(struct search *s, range_no a, range_no b)
{
    uint16_t owner_a = s->p->row[a];
    uint16_t owner_b = s->p->row[b];
    int64_t before = cost(s);
    if (owner_a == owner_b)
        return false;
    give(s, a, owner_b);
    give(s, b, owner_a);
    if (cost(s) <= before)
        return true;
    give(s, b, owner_b);
    give(s, a, owner_a);
    return false;
}

/* Of two ranges that change hands anyway, swap who gets them; or let a range stay where it was, and
 * its new owner have another range of the same giver instead. Neither moves anything more. */
static void try_free(struct search *s)
{
    struct plan_dc *p = s->p;
    range_no *a = &s->changed[rng_below(&s->rng, s->changes)];
    uint16_t giver = p->base[*a];
    if (giver == PLAN_NOBODY) {
        try_swap(s, *a, s->changed[rng_below(&s->rng, s->changes)]);
        return;
    }
    range_no b = random_range_of(s, giver);
    if (p->row[b] == giver && p->row[*a] != giver && try_swap(s, *a, b))
        *a = b;
}

/* Near a range of an uneven node, swap the owner with that of any other range. Every fourth time
 * with one of its own: two ranges of a node side by side hold less than two far apart. */
static void try_any(struct search *s)
{
    uint32_t mask = s->p->ranges - 1;
    uint16_t node = find_uneven(s);
    range_no near = random_range_of(s, node);
    uint32_t off = (uint32_t)rng_below(&s->rng, 2 * PLAN_RF_MAX + 1) - PLAN_RF_MAX;
    bool own = rng_below(&s->rng, 4) == 0;
    range_no other = own ? random_range_of(s, node) : (range_no)rng_below(&s->rng, s->p->ranges);
    try_swap(s, (near + off) & mask, other);
}

void plan_dc_search(struct plan_dc *p)
{
    struct search s;
    if (p->nodes < 2)
        return;
    init(&s, p);
    uint64_t trials = FREE_TRIALS + (uint64_t)FREE_TRIALS_NODE * p->nodes;
    for (uint64_t i = 0; i < trials && s.changes > 0 && s.uneven + s.stretch > 0; i++)
        try_free(&s);
    trials = OTHER_TRIALS + (uint64_t)OTHER_TRIALS_NODE * p->nodes;
    for (uint64_t i = 0; i < trials && s.uneven > 0; i++)
        try_any(&s);
}
