/* plan.h - which ranges a node gets: even, racks apart, least moved.
 *
 * Pure and deterministic: the same ring and nodes give the same plan on every machine. A plan is
 * the ring with one table more (ring_extend). Plans are made in each data centre alone, and a data
 * centre where nobody comes or goes keeps its row. A ring that is moving already is planned on from
 * its newest table. A member that owns nothing gets its share with the next change in its data
 * centre. TOO_BIG when the ring has as many tables as it may.
 *
 * In order of importance: every node gets its share of the ranges to within one; the load with
 * replicas (RF 1 .. PLAN_RF_MAX) is even; the replicas of a range are on different racks; and of
 * the tables that do this, one is taken that moves little. README.md has the method and
 * measurements.
 */
#ifndef TORC_RING_PLAN_H
#define TORC_RING_PLAN_H

#include "ring/ring.h"

#define PLAN_RF_MAX 5 /* the replication factors that a plan keeps even */

/* A settled ring of these nodes from nothing. INVALID as ring_new, or more nodes in a data centre
 * than ranges. */
enum err ring_plan_fresh(uint32_t ranges, const struct ring_node *nodes, size_t count,
                         struct ring **ret_ring) MUST_CHECK;

/* EXISTS when one of them is in the ring already, INVALID as above. */
enum err ring_plan_join(const struct ring *ring, const struct ring_node *joining, size_t count,
                        struct ring **ret_ring) MUST_CHECK;

/* NOT_FOUND when one of them owns nothing (any more). The last node of a data centre may leave: the
 * data centre then owns nothing. */
enum err ring_plan_leave(const struct ring *ring, const node_no *leaving, size_t count,
                         struct ring **ret_ring) MUST_CHECK;

/* `with` gets exactly the ranges of `gone`, whose data centre and weight it takes over: nobody else
 * moves. NOT_FOUND when `gone` owns nothing, EXISTS when `with` is in the ring, INVALID when it is
 * of another data centre. */
enum err ring_plan_replace(const struct ring *ring, node_no gone, const struct ring_node *with,
                           struct ring **ret_ring) MUST_CHECK;

#endif
