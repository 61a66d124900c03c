/* compare_many.h - many ranges are compared with one peer; inside of healing.
 *
 * The ranges whose sums are the same as of the same clocks, by one hash of 8 bytes a range, are
 * settled by that. The others get sessions of their own (compare.h), some at a time.
 *
 *   range:  TODO --asked, equal--> DONE
 *             |  ^                  ^
 *             |  +-- not ready      |
 *             +--differs--> DIFFERS --session--> RUNNING
 *
 * Invariants: each range is settled once, with one HEAL_COMPARED; the end comes after the last one,
 * and from the deadline alone, so nothing that is told in between can free what tells it.
 */
#ifndef TORC_NODE_HEAL_COMPARE_MANY_H
#define TORC_NODE_HEAL_COMPARE_MANY_H

#include "node/heal/compare.h"

#define MANY_SESSIONS 4u /* that one of them has at a time */

enum many_state { MANY_TODO, MANY_DIFFERS, MANY_RUNNING, MANY_DONE };

struct many_range {
    range_no range;
    enum many_state state;
};

struct comparing_many {
    uint64_t id, no; /* the caller's; ours */
    node_no peer;
    keyspace_no keyspace;
    bool full, preview, gentle;
    struct arena own; /* of the two lists */
    const table_no *tables;
    size_t tables_count;
    struct many_range *ranges; /* ascending */
    size_t ranges_count;
    size_t settled, running, equal, failed;
    usec due, began;
    struct heal_figures figures;
};

/* A session that was begun for it is over, and was told of. */
void many_session_ended(struct heal *h, struct now now, const struct comparing *s, enum err err,
                        const struct heal_figures *figures);
void many_deadline(struct heal *h, struct now now);
usec many_next_deadline(const struct heal *h);
void many_peer_lost(struct heal *h, struct now now, node_no peer);
void many_free(struct heal *h);

#endif
