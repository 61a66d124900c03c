/* How much each node ought to hold. */
#include "base/mem.h"
#include "ring/plan_dc.h"

#include <string.h>

/* Shares are counted in 1/4096 of a range. */
#define FINE 4096

/* Something that gets a share in proportion to its weight, but no less and no more than its bounds.
 */
struct claim {
    int64_t weight;
    int64_t least;
    int64_t most;
    int64_t share;
};

static int64_t clip(int64_t v, int64_t least, int64_t most)
{
    return v < least ? least : v > most ? most : v;
}

/* Divide `total` among the claims: each its weight times one level, clipped to its bounds. The
 * level is found by halving, in whole numbers, so that all machines find the same. */
static void divide(struct claim *claims, uint32_t count, int64_t total)
{
    int64_t low = 0;
    int64_t high = (total + 1) * RING_NODES_MAX; /* in 1/RING_NODES_MAX of a share per weight */
    while (low < high) {
        int64_t level = low + (high - low + 1) / 2;
        int64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            struct claim *c = &claims[i];
            sum += clip(level / RING_NODES_MAX * c->weight +
                            level % RING_NODES_MAX * c->weight / RING_NODES_MAX,
                        c->least, c->most);
        }
        if (sum <= total)
            low = level;
        else
            high = level - 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct claim *c = &claims[i];
        c->share = clip(low / RING_NODES_MAX * c->weight +
                            low % RING_NODES_MAX * c->weight / RING_NODES_MAX,
                        c->least, c->most);
    }
}

/* Less than the share by one range and its replicas is what rounding costs; more is not allowed. */
static struct plan_share around(int64_t share, uint32_t rf)
{
    int64_t slack = share * 9 / 1000;
    int64_t under = slack > FINE * (int64_t)rf ? slack : FINE * (int64_t)rf;
    int64_t least = share > under ? (share - under + FINE - 1) / FINE : 0;
    int64_t most = (share + slack) / FINE;
    int64_t floor = (share + 8) / FINE; /* a whole number less what halving lost is that number */
    int64_t ceil = (share + FINE - 8) / FINE;
    ceil = ceil < floor ? floor : ceil;
    return (struct plan_share){(int32_t)(floor < least ? floor : least),
                               (int32_t)(ceil > most ? ceil : most)};
}

void plan_dc_shares(const struct plan_dc *p, uint32_t rf, struct plan_share *ret_shares)
{
    int64_t all = (int64_t)p->ranges * FINE;
    struct claim *racks = arena_array(p->arena, struct claim, p->racks);
    struct claim *members = arena_array(p->arena, struct claim, p->nodes);
    uint32_t *member_of = arena_array(p->arena, uint32_t, p->nodes);
    for (uint32_t i = 0; i < p->nodes; i++) {
        struct claim *r = &racks[p->rack[i]];
        r->weight += p->weight[i];
        r->most += rf <= p->racks ? 0 : all;
    }
    for (uint32_t i = 0; i < p->racks; i++) {
        /* No rack twice while there are enough; every rack once when there are not. */
        racks[i].least = rf < p->racks ? 0 : all;
        racks[i].most = rf <= p->racks ? all : racks[i].most;
    }
    divide(racks, p->racks, all * (rf < p->nodes ? rf : p->nodes));
    for (uint32_t rack = 0; rack < p->racks; rack++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < p->nodes; i++) {
            if (p->rack[i] != rack)
                continue;
            members[count] = (struct claim){.weight = p->weight[i], .most = all};
            member_of[count++] = i;
        }
        divide(members, count, racks[rack].share);
        for (uint32_t i = 0; i < count; i++)
            ret_shares[member_of[i]] = around(members[i].share, rf);
    }
}

/* Whole ranges in proportion to weight, at least one each. What rounding leaves over goes first to
 * those that have more already, so that no node gives up what another then lacks. */
void plan_dc_quotas(struct plan_dc *p)
{
    uint64_t weights = 0;
    uint32_t given = 0;
    uint32_t *has = arena_array(p->arena, uint32_t, p->nodes);
    for (uint32_t i = 0; i < p->nodes; i++)
        weights += p->weight[i];
    for (range_no r = 0; r < p->ranges; r++) {
        if (p->base[r] != PLAN_NOBODY)
            has[p->base[r]]++;
    }
    for (uint32_t i = 0; i < p->nodes; i++) {
        p->quota[i] = (uint32_t)((uint64_t)p->ranges * p->weight[i] / weights);
        p->quota[i] = p->quota[i] == 0 ? 1 : p->quota[i];
        given += p->quota[i];
    }
    while (given != p->ranges) {
        bool more = given < p->ranges;
        uint32_t best = UINT32_MAX;
        int64_t best_need = INT64_MIN;
        for (uint32_t i = 0; i < p->nodes; i++) {
            int64_t share = (int64_t)((uint64_t)p->ranges * p->weight[i] * 256 / weights);
            int64_t need = (share - (int64_t)p->quota[i] * 256) * (more ? 1 : -1);
            bool exact = share % 256 == 0 && need == 0;
            if (!more && p->quota[i] == 1)
                continue;
            if (more && !exact && has[i] > p->quota[i] && need > -256)
                need += 256;
            if (need > best_need) {
                best_need = need;
                best = i;
            }
        }
        p->quota[best] += more ? 1 : UINT32_MAX;
        given += more ? 1 : UINT32_MAX;
    }
}
