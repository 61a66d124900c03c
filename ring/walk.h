/* walk.h - one data centre's part of NetworkTopologyStrategy. Private to ring/.
 *
 * Cassandra's rule: go round from the range on; a node on a rack not seen yet is taken; one on a
 * rack seen already only while repeats are left, of which there are the replication factor less the
 * number of racks; until there are as many as wanted or all nodes are in. Nodes and racks are small
 * numbers here, so that a walk needs no searching.
 */
#ifndef TORC_RING_WALK_H
#define TORC_RING_WALK_H

#include "base/types.h"

struct walk {
    uint32_t ranges;
    uint32_t nodes;       /* that own something */
    uint32_t racks;       /* that those nodes are on */
    const uint16_t *row;  /* [ranges] owner as an index of the data centre's nodes */
    const uint16_t *rack; /* [nodes] */
    uint32_t *node_seen;  /* [nodes] scratch: the walk that saw it last */
    uint32_t *rack_seen;  /* [racks] */
    uint32_t stamp;       /* of the walk */
};

/* The replicas of `range` in order of preference, as indices; and for each the range whose owner it
 * is met as, when ret_met is not NULL. Returns how many: min(rf, nodes), for which there must be
 * room. */
uint32_t walk_replicas(struct walk *w, range_no range, uint32_t rf, uint16_t *ret_nodes,
                       range_no *ret_met);

#endif
