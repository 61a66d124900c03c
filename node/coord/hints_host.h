/* hints_host.h - what coordination wants of who heals, about hints: how fast they may go, that
 * clients are asked how they like it, and that what is refused is found otherwise. */
#ifndef TORC_NODE_COORD_HINTS_HOST_H
#define TORC_NODE_COORD_HINTS_HOST_H

#include "node/coord/coord.h"

struct hints_host {
    void *arg;
    /* Bytes a second to a target, now. */
    uint64_t (*rate)(void *arg, struct now now);
    /* A page of hints goes to this node. */
    void (*go)(void *arg, struct now now, node_no to);
    /* A hint for the target was not kept, for a bound was reached. */
    void (*refused)(void *arg, struct now now, keyspace_no keyspace, range_no range,
                    node_no target);
};

/* Copied. Without one hints go at the highest rate there is, and refusals are told to nobody. */
void coord_hints_host(struct coord *c, const struct hints_host *host);

#endif
