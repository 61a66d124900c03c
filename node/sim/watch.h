/* watch.h - what must be true of the whole cluster at every moment, looked at from outside.
 *
 *   watch_new -> (everything stored is read as it is written) watch_look … -> watch_end -> free
 *
 * Looks at what lies on the disks and at what the nodes hold for true, and asks none of the code
 * that made it so: stored bytes are read by a decoder of their own (watch_raw.h), merged naively.
 *
 *   (1) A dot names one write, for ever: the same partition and the same cells on every disk. An
 *       actor is one process, and its counters only grow.                       (watch_dots.c)
 *   (2) A durable clock claims only what is durably there, or obsoleted by something that is.
 *                                                                               (watch_claims.c)
 *   (3) At one epoch all nodes have the same metadata, owners and replicas; these are as many and
 * as far apart as the keyspace asks for. Epochs do not go back, numbers of nodes have one host.
 *                                                                               (watch_ring.c)
 *   (4) Incarnations do not go back, and who can be reached for long is held to be alive.
 *                                                                               (watch_ring.c)
 *   (5) What nodes hold of things that are under way is bounded.               (sim_check_bounds)
 *   (6) When all is healed, replicas are equal.                               (watch_state.c)
 *   (7) When all is healed and nothing is written, nothing is left of what was deleted or has
 *       expired.                                                              (watch_left.c)
 *   (8) What a node takes to be agreed all replicas durably have, and all that was minted before it
 *       by the same node.                                                    (watch_agree.c)
 *   (9) Unless a disk was damaged, Merkle trees find nothing that clocks say cannot be: no row that
 *       differs at equal dots, no leaf that has changed on its own. Sessions by trees mend what
 * they find, so (6) alone would not tell.                                   (watch_agree.c)
 *
 * The first contradiction stays.
 */
#ifndef TORC_NODE_SIM_WATCH_H
#define TORC_NODE_SIM_WATCH_H

#include "node/sim/sim.h"

struct watch; /* Opaque. */

/* Machines may be added later; one watch a simulation. Changes nothing in the run: the same seed
 * gives the same hash with and without. */
struct watch *watch_new(struct sim *s);
void watch_free(struct watch *w); /* before sim_free; accepts NULL */

/* A look at all nodes, during whatever; every second or so. False, with the contradiction. */
bool watch_look(struct watch *w, struct errmsg *ret_why);

/* The same, and (6): when all is healed and sim_replicas_equal says that it is equal. */
bool watch_end(struct watch *w, struct errmsg *ret_why);

/* (7), some time after the last request. */
bool watch_nothing_left(struct watch *w, struct errmsg *ret_why);

/* How many values, of all disks, expire about then: from one second before until one after, and as
 * long as clocks may be apart. */
uint64_t watch_expiring(struct watch *w, usec from, usec upto);

/* What it has seen, for those who must know that it did. */
struct watch_count {
    uint64_t dots, cells; /* distinct ones */
    uint64_t claims;      /* dots whose effect was looked for */
    uint64_t epochs;
    uint64_t compared; /* partitions, at the end */
    uint64_t agreed;   /* agreements looked at */
};
struct watch_count watch_count(const struct watch *w);

#endif
