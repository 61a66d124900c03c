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

#define UNEVEN_COST                                                                                \
    4 /* of one range squared outside a share, where a moved range costs MOVE_COST */
#define MOVE_COST   1
#define TRIALS_MAX  6000 /* and for each node: */
#define TRIALS_NODE 600

struct search {
    struct plan_dc *p;
    struct walk walk;
    struct rng rng;
    uint32_t lengths; /* how many different walks cover all factors: see init */
    uint32_t length[PLAN_RF_MAX];
    uint32_t from[PLAN_RF_MAX]; /* a walk of length[i] counts for factors from[i] .. length[i] */
    struct plan_share *share[PLAN_RF_MAX + 1]; /* [factor][node] */
    int32_t *load[PLAN_RF_MAX + 1];
    int64_t uneven;
    int64_t moved;
};

static int64_t outside(struct plan_share s, int32_t load)
{
    int64_t d = load > s.most ? load - s.most : load < s.least ? s.least - load : 0;
    return d * d;
}

/* Count, or with step -1 take back, the replicas of one range. True when the walk met `at`. */
static bool count_range(struct search *s, range_no range, range_no at, int32_t step)
{
    uint16_t nodes[PLAN_RF_MAX];
    range_no met[PLAN_RF_MAX];
    uint32_t ranges = s->p->ranges;
    uint32_t distance = (at + ranges - range) % ranges;
    bool reached = false;
    for (uint32_t i = 0; i < s->lengths; i++) {
        uint32_t n = walk_replicas(&s->walk, range, s->length[i], nodes, met);
        for (uint32_t k = 0; k < n; k++) {
            for (uint32_t rf = k + 1 > s->from[i] ? k + 1 : s->from[i]; rf <= s->length[i]; rf++) {
                int32_t *load = &s->load[rf][nodes[k]];
                struct plan_share share = s->share[rf][nodes[k]];
                s->uneven -= outside(share, *load);
                *load += step;
                s->uneven += outside(share, *load);
            }
        }
        reached = reached || (met[n - 1] + ranges - range) % ranges >= distance;
    }
    return reached;
}

/* Give a range to a node. The ranges before it whose walk met it are those to count anew; a range
 * whose walk ends before it ends the run, as no range before that one walks further. */
static void give(struct search *s, range_no at, uint16_t node)
{
    struct plan_dc *p = s->p;
    uint32_t back = 0;
    if (p->row[at] == node)
        return;
    while (back < p->ranges && count_range(s, (at + p->ranges - back) % p->ranges, at, -1))
        back++;
    if (back < p->ranges)
        count_range(s, (at + p->ranges - back) % p->ranges, at, 1);
    s->moved -= p->base[at] != PLAN_NOBODY && p->row[at] != p->base[at];
    p->row[at] = node;
    s->moved += p->base[at] != PLAN_NOBODY && p->row[at] != p->base[at];
    for (uint32_t i = 0; i < back; i++)
        count_range(s, (at + p->ranges - i) % p->ranges, at, 1);
}

static int64_t cost(const struct search *s)
{
    return s->uneven * UNEVEN_COST + s->moved * MOVE_COST;
}

/* A walk for factor f finds the replicas for all smaller factors too, unless f exceeds the number
 * of racks: then how many repeats it may take depends on f itself. */
static void init(struct search *s, struct plan_dc *p)
{
    uint32_t top = p->nodes - 1 < PLAN_RF_MAX ? p->nodes - 1 : PLAN_RF_MAX;
    memset(s, 0, sizeof *s);
    s->p = p;
    rng_init(&s->rng, 1);
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
    for (range_no r = 0; r < p->ranges; r++)
        count_range(s, r, r, 1);
    for (range_no r = 0; r < p->ranges; r++)
        s->moved += p->base[r] != PLAN_NOBODY && p->row[r] != p->base[r];
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

/* One trial: near a range of an uneven node, swap the owner with that of another range; or, when
 * the owner came there by this plan, let it come somewhere else instead, which moves nothing more.
 */
static void trial(struct search *s)
{
    struct plan_dc *p = s->p;
    int64_t before = cost(s);
    range_no a = random_range_of(s, find_uneven(s));
    a = (range_no)((a + p->ranges * 8 + rng_below(&s->rng, 2 * PLAN_RF_MAX + 1) - PLAN_RF_MAX) %
                   p->ranges);
    uint16_t owner_a = p->row[a];
    bool back = p->base[a] != PLAN_NOBODY && p->base[a] != owner_a && rng_below(&s->rng, 2) == 0;
    range_no b = back ? random_range_of(s, p->base[a]) : (range_no)rng_below(&s->rng, p->ranges);
    uint16_t owner_b = p->row[b];
    if (owner_a == owner_b)
        return;
    give(s, a, owner_b);
    give(s, b, owner_a);
    if (cost(s) <= before)
        return;
    give(s, b, owner_b);
    give(s, a, owner_a);
}

void plan_dc_search(struct plan_dc *p)
{
    struct search s;
    if (p->nodes < 2)
        return;
    init(&s, p);
    uint64_t trials = TRIALS_MAX + (uint64_t)TRIALS_NODE * p->nodes;
    for (uint64_t i = 0; i < trials && s.uneven > 0; i++)
        trial(&s);
}
