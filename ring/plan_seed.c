/* A first table with exactly the quotas. */
#include "base/mem.h"
#include "ring/plan_dc.h"

static int32_t *surplus_of(const struct plan_dc *p)
{
    int32_t *surplus = arena_array(p->arena, int32_t, p->nodes);
    for (uint32_t i = 0; i < p->nodes; i++)
        surplus[i] = -(int32_t)p->quota[i];
    for (range_no r = 0; r < p->ranges; r++) {
        if (p->row[r] != PLAN_NOBODY)
            surplus[p->row[r]]++;
    }
    return surplus;
}

/* From nothing: take turns, racks first and nodes within a rack, everyone as often as its quota
 * says and as evenly as whole numbers can (each turn all gain their quota in credit, the richest
 * pays). */
static void seed_fresh(struct plan_dc *p)
{
    int64_t *rack_credit = arena_array(p->arena, int64_t, p->racks);
    int64_t *rack_quota = arena_array(p->arena, int64_t, p->racks);
    int64_t *credit = arena_array(p->arena, int64_t, p->nodes);
    for (uint32_t i = 0; i < p->nodes; i++)
        rack_quota[p->rack[i]] += p->quota[i];
    for (range_no r = 0; r < p->ranges; r++) {
        uint32_t rack = 0;
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < p->racks; i++) {
            rack_credit[i] += rack_quota[i];
            rack = rack_credit[i] > rack_credit[rack] ? i : rack;
        }
        rack_credit[rack] -= p->ranges;
        for (uint32_t i = 0; i < p->nodes; i++) {
            if (p->rack[i] != rack)
                continue;
            credit[i] += p->quota[i];
            best = best == UINT32_MAX || credit[i] > credit[best] ? i : best;
        }
        credit[best] -= rack_quota[rack];
        p->row[r] = (uint16_t)best;
    }
}

/* The range nearest to `slot`, but preferably one of the richest node within `near`; only of nodes
 * with a surplus. */
static range_no find_giver(const struct plan_dc *p, const int32_t *surplus, range_no slot,
                           uint32_t near)
{
    range_no best = UINT32_MAX;
    int32_t best_surplus = 0;
    for (uint32_t d = 0; d < p->ranges && (d <= near || best == UINT32_MAX); d++) {
        range_no at = (slot + (d % 2 == 0 ? d / 2 : p->ranges - (d + 1) / 2)) % p->ranges;
        int32_t s = p->row[at] == PLAN_NOBODY ? 0 : surplus[p->row[at]];
        if (s > best_surplus) {
            best_surplus = s;
            best = at;
        }
    }
    return best;
}

/* Those who have nothing yet take from those who have too much, evenly round the ring. */
static void seed_newcomers(struct plan_dc *p, int32_t *surplus)
{
    for (uint32_t i = 0; i < p->nodes; i++) {
        if (surplus[i] != -(int32_t)p->quota[i])
            continue;
        for (uint32_t j = 0; j < p->quota[i]; j++) {
            uint64_t slot = ((uint64_t)j * p->ranges + (uint64_t)i * 7) / p->quota[i];
            range_no at =
                find_giver(p, surplus, (range_no)(slot % p->ranges), p->ranges / p->quota[i] / 2);
            if (at == UINT32_MAX)
                return;
            surplus[p->row[at]]--;
            surplus[i]++;
            p->row[at] = (uint16_t)i;
        }
    }
}

/* How far the nearest other range of a node is, up to a few more than replicas reach. */
static uint32_t distance_to(const struct plan_dc *p, uint32_t node, range_no at)
{
    uint32_t d = 1;
    while (d <= 2 * PLAN_RF_MAX && p->row[(at + d) % p->ranges] != node &&
           p->row[(at + p->ranges * 2 - d) % p->ranges] != node)
        d++;
    return d;
}

/* What is left over goes to those who lack, each range to one whose others are far away. */
static void seed_orphans(struct plan_dc *p, int32_t *surplus)
{
    for (range_no r = 0; r < p->ranges; r++) {
        if (p->row[r] != PLAN_NOBODY && surplus[p->row[r]] > 0) {
            surplus[p->row[r]]--;
            p->row[r] = PLAN_NOBODY;
        }
    }
    for (range_no r = 0; r < p->ranges; r++) {
        if (p->row[r] != PLAN_NOBODY)
            continue;
        uint32_t best = UINT32_MAX;
        uint32_t best_distance = 0;
        for (uint32_t i = 0; i < p->nodes; i++) {
            if (surplus[i] >= 0)
                continue;
            uint32_t d = distance_to(p, i, r);
            if (d > best_distance || (d == best_distance && surplus[i] < surplus[best])) {
                best_distance = d;
                best = i;
            }
        }
        ASSERT(best != UINT32_MAX);
        surplus[best]++;
        p->row[r] = (uint16_t)best;
    }
}

void plan_dc_seed(struct plan_dc *p)
{
    bool fresh = true;
    for (range_no r = 0; r < p->ranges; r++) {
        p->row[r] = p->base[r];
        fresh = fresh && p->base[r] == PLAN_NOBODY;
    }
    if (fresh) {
        seed_fresh(p);
        return;
    }
    int32_t *surplus = surplus_of(p);
    seed_newcomers(p, surplus);
    seed_orphans(p, surplus);
}
