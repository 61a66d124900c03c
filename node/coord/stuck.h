/* stuck.h - ranges of which hints could not go to their target: they wait, and the others go on.
 * Private to the folder; one for each queue (coord_deliver.c).
 *
 * A queue is walked in *passes*, from its first hint to its last. What could not go has its range
 * left out for 1 s, 2 s, 4 s .. 30 s; then it is the turn of what is behind it in that range, if
 * something is, and in the pass after that of itself. So neither a range that nobody takes for
 * years nor a row that nobody takes ever stops any other.
 *
 *   (none) --- a hint did not go --> PAUSED --- the pause is over --> BEHIND --- a pass ends ---+
 *                                      ^                                 |                      v
 *                                      +----- a hint did not go ---------+<----------------- FIRST
 *   nothing failed for a minute: (none)
 *
 * A range is one of a table, for that is what the place of a hint tells without reading it. There
 * are STUCK_MAX at most for a target: what fails beyond those pauses all of it.
 */
#ifndef TORC_NODE_COORD_STUCK_H
#define TORC_NODE_COORD_STUCK_H

#include "base/map.h"
#include "base/types.h"

#define STUCK_MAX       4096u
#define STUCK_PAUSE     USEC_PER_SEC
#define STUCK_PAUSE_MAX (30 * USEC_PER_SEC)
#define STUCK_FORGET    (60 * USEC_PER_SEC)

struct stuck {
    struct map ranges; /* of a table: struct stuck_range */
};

void stuck_init(struct stuck *s);
void stuck_close(struct stuck *s);

/* Is it not the turn of this hint? */
bool stuck_passes(struct stuck *s, table_no table, range_no range, uint64_t number, usec now);

/* This one did not go. False: there is no room to remember it. */
bool stuck_note(struct stuck *s, table_no table, range_no range, uint64_t number, usec now);

/* There is nobody to give the range to: it waits for as long as the least pause. */
void stuck_wait(struct stuck *s, table_no table, range_no range, usec now);

/* A pass is over: the first of each range whose pause is over get their turn again. */
void stuck_pass_end(struct stuck *s, usec now);

/* How often in a row hints of it did not go. */
unsigned stuck_failures(const struct stuck *s, table_no table, range_no range);

/* Ranges in their pause, and how long the shortest is. */
size_t stuck_count(const struct stuck *s, usec now, usec *ret_least);

/* Is there one that waits for its turn? */
bool stuck_is_due(const struct stuck *s, usec now);

#endif
