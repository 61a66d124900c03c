/* fence.h - what was planned under an earlier electorate of a range has no effect on a replica that
 * knows of the next one (ring/stage.h, docs/movement.md, "The fence"). Private to the folder.
 *
 *   planned   the epoch that a request was planned with; all its messages carry it
 *   since     of a range: the entry that last changed who is asked, as far as we have applied
 *
 *   replica       planned < since                 STALE, when the message comes, and again when the
 *                                                 ack leaves: the stage may have begun in between
 *                 not ours, planned after our     waits until it has applied that (waits.h)
 *                 epoch
 *                 not ours                        STALE
 *   coordinator   STALE                         that replica is lost to the plan. Was it ahead of
 *                                               the plan, or was it ourselves, the request is
 *                                               *stale*: it plans anew, and asks all again, as soon
 *                                               as we have applied as much. Others may be enough
 *                                               before that: who answers has judged the plan
 *
 * The epoch of who refuses is that of the envelope, so the node is fetching the log already.
 *
 * Invariant: a stale request is in the list of these until it plans anew or ends; it fails by its
 * deadline alone.
 */
#ifndef TORC_NODE_COORD_FENCE_H
#define TORC_NODE_COORD_FENCE_H

#include "node/coord/coord.h"

struct pending;

/* May we take, or answer, this of these ranges? ERR_STALE: it was planned before the stage of one
 * of them, or one is not ours. ERR_BEHIND: one is not ours, but who planned knows more than we do.
 * Of a keyspace that is not there ERR_OK, unless we may have yet to hear of it. */
enum err fence_check(struct coord *c, keyspace_no keyspace, range_no first, range_no last,
                     uint64_t planned);

/* A refusal by who has applied `epoch`: is it the plan that is to blame? Then the request waits for
 * that epoch; its answers count until it plans anew. */
bool fence_refused(struct coord *c, struct pending *p, uint64_t planned, uint64_t epoch);

/* The same, without asking. */
void fence_wait(struct coord *c, struct pending *p, uint64_t epoch);

bool fence_is_stale(const struct pending *p);
void fence_forget(struct pending *p); /* it ends */

/* Who is stale, and can, plans anew. True: somebody did. */
bool fence_go(struct coord *c, struct now now);

#endif
