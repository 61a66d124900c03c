/* sure.h - what is taken over or rebuilt is compared with all who have it, before it counts as
 * whole; inside of healing.
 *
 *   all that each other has, by its clock, is here --marks (MARK_SURE)--> compared by trees with
 *   each of them, some ranges at a time --> whole: it is served, and counts in quorums
 *
 * Clocks alone do not do: a replica may have lost rows without knowing. Its clock still names
 * their dots, so who has asked it first has these in its own clock, without the rows, and asks
 * nobody else for them. Then two replicas miss what was acked, and a quorum of them shows nothing.
 *
 * The sessions are such as are needed where a log was cut off (docs/healing.md, "When a clock takes
 * in another"): nothing is left out of them, and what either side has comes to the other one. So
 * each row that any of the others has by then is here. Nobody votes meanwhile: who is not whole has
 * no voice of its own, for all it has it got from somebody who has one.
 *
 * Ranges that nobody ever wrote to, and those that there was only one other replica to get from,
 * are not compared: nothing would be found.
 */
#ifndef TORC_NODE_HEAL_SURE_H
#define TORC_NODE_HEAL_SURE_H

#include "base/types.h"

#define SURE_RANGES 256u /* marked at a time: there are only so many marks */

struct heal;

/* What is compared: all ranges that are being rebuilt, or that are being taken over. */
struct sure {
    uint64_t of; /* as of which count of what is rebuilt, or epoch of the ring; 0: none yet */
    keyspace_no keyspace; /* those before are marked, or done */
    range_no range;
};

/* The replica's rows are not all that it should have, so it has no vote, and whoever compares
 * with it leaves nothing out. */
bool sure_is_not(struct heal *h, keyspace_no keyspace, range_no range);

/* All that the others have is here by clocks, durably, since `of` (above 0). True: and by trees.
 * Else the sessions that are needed are marked; to be asked again when marks have gone. */
bool sure_rebuilt(struct heal *h, struct now now, uint64_t of);
bool sure_moved(struct heal *h, struct now now, uint64_t of);

/* The node may have what nobody else has: a mover waits for it. */
bool sure_is_heard(const struct heal *h, node_no node);

#endif
