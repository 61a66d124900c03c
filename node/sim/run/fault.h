/* fault.h - the faults of a scenario, done to a simulated cluster.
 *
 *   waiting --at--> done (or skipped) --lasts--> undone
 *
 * A fault is skipped when it makes no sense as things are: its node is away already, so many nodes
 * are away as may be, a clock or a link is under another fault. Then the run is what it would have
 * been without it, but for the time.
 *
 * A node whose disk is lost or damaged is replaced by one with an empty disk at the same address.
 * That happens to one node at a time, and the next one waits until the ring has been whole again:
 * otherwise what was acked could be gone, and rightly.
 */
#ifndef TORC_NODE_SIM_RUN_FAULT_H
#define TORC_NODE_SIM_RUN_FAULT_H

#include "node/sim/run/load.h"

struct fault_plan; /* Opaque. */

/* Borrows all three. The time of the faults begins now, unless fault_resume says otherwise. */
struct fault_plan *fault_new(struct sim *sim, const struct scenario *scenario, struct load *load);
void fault_free(struct fault_plan *f);

/* After fault_end: what comes later than `at` in the scenario goes on from now. */
void fault_resume(struct fault_plan *f, usec at);

usec fault_next(const struct fault_plan *f); /* when fault_act is next due */
void fault_act(struct fault_plan *f);        /* everything that is due */
void fault_end(struct fault_plan *f);        /* undo all, resume and start everything */

/* How often each kind was really done, [FAULT_COUNT]. */
const uint64_t *fault_counts(const struct fault_plan *f);

#endif
