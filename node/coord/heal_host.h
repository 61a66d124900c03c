/* heal_host.h - what coordination wants of who heals: how fast hints may go, that clients are asked
 * how they like it, that what is refused is found otherwise; and who is better not read from. */
#ifndef TORC_NODE_COORD_HEAL_HOST_H
#define TORC_NODE_COORD_HEAL_HOST_H

#include "node/coord/coord.h"

struct heal_host {
    void *arg;
    /* Bytes a second to a target, now. */
    uint64_t (*rate)(void *arg, struct now now);
    /* A page of hints goes to this node. */
    void (*go)(void *arg, struct now now, node_no to);
    /* A hint for the target was not kept, for a bound was reached. */
    void (*refused)(void *arg, struct now now, keyspace_no keyspace, range_no range,
                    node_no target);
    /* A hint for the target that was acked is lost; target 0: hints of any target and range may be.
     * True: who has the range will compare it, and has that on his disk. Else ask again. */
    bool (*lost)(void *arg, struct now now, keyspace_no keyspace, range_no range, node_no target);
    /* Of this range the node, which may be we, lacks so much that a read of it mostly ends in its
     * repair. */
    bool (*is_behind)(void *arg, keyspace_no keyspace, range_no range, node_no node);
};

/* Copied. Without one hints go at the highest rate there is, and refusals and losses are told to
 * nobody, and all replicas are as good. */
void coord_heal_host(struct coord *c, const struct heal_host *host);

#endif
