/* plan_dc.h - planning one data centre. Private to ring/.
 *
 * Three steps: plan_dc_quotas says how many ranges each node gets, plan_dc_seed makes a table with
 * exactly those, plan_dc_search improves it. Nodes are indices 0 .. nodes-1 in order of number.
 */
#ifndef TORC_RING_PLAN_DC_H
#define TORC_RING_PLAN_DC_H

#include "base/arena.h"
#include "ring/plan.h"

#define PLAN_NOBODY UINT16_MAX

struct plan_dc {
    uint32_t ranges;
    uint32_t nodes;
    uint32_t racks;
    const uint16_t *rack;   /* [nodes] */
    const uint32_t *weight; /* [nodes] */
    const uint16_t *base;   /* [ranges] who owns it, NOBODY when that node leaves or nobody does */
    uint32_t *quota;        /* [nodes] */
    uint16_t *row;          /* [ranges] the plan */
    struct arena *arena;
};

/* The least and the most that a node may hold at one replication factor and be called even. */
struct plan_share {
    int32_t least;
    int32_t most;
};

/* shares[node] at factor rf: what weights ask for as far as racks and the number of nodes allow, to
 * within one range or 0.9 %, whichever is more. */
void plan_dc_shares(const struct plan_dc *p, uint32_t rf, struct plan_share *ret_shares);
void plan_dc_quotas(struct plan_dc *p);
void plan_dc_seed(struct plan_dc *p);
void plan_dc_search(struct plan_dc *p);

#endif
