/* rounds.h - who begins sessions by trees that nobody asked for; inside of healing.
 *
 * One place decides, once a second:
 *
 *   1. marks (marks.h): ranges that need a session, until one has gone through;
 *   2. what somebody has asked for (heal_compare, heal_compare_ranges) is let go first;
 *   3. rounds: each range with each other replica once in `scrub_us`, and soon when it never was:
 *      a new replica, after what it has taken over. Begun by the node of the lower number, so that
 *      no pair is compared twice. What was proved longest ago comes first;
 *   4. scrubs: each range of ours is read again here, clean leaves too, once in `scrub_us`.
 *
 * A pair, and a scrub, has a phase of its own in the period, by its name: so the work is spread
 * over it, and a restart moves nothing. Rounds and scrubs read no more than `scrub_rows` a second,
 * less when clients wait; a round that clients would notice is not begun.
 *
 * A leaf that is clean and not as it was is marked against all other replicas: (1) does the rest.
 * But while a range is in a run that somebody has asked for, it is that run's: marks wait, so that
 * what the run finds and mends is counted there; and a preview marks nothing.
 *
 * Invariants: at most one round and ROUNDS_MARKED runs for marks at a time; what failed waits
 * longer and longer.
 */
#ifndef TORC_NODE_HEAL_ROUNDS_H
#define TORC_NODE_HEAL_ROUNDS_H

#include "base/types.h"
#include "storage/tree.h"

#define ROUNDS_MARKED      3u    /* runs for marks at a time, each with another peer or keyspace */
#define ROUNDS_RANGES      128u  /* in one run */
#define ROUNDS_LACKS_MAX   1000u /* dots: more than this is on its way, it is too early */
#define ROUNDS_YOUNG       (10 * USEC_PER_SEC) /* equal, but not durably: again after this */
#define ROUNDS_AGAIN       (20 * USEC_PER_MS)  /* after a run, the next one */
#define ROUNDS_AT_ONCE     100                 /* us: so soon no peer has answered */
#define ROUNDS_TRY_LEAST   (2 * USEC_PER_SEC)
#define ROUNDS_TRIES_SHIFT 10u
#define ROUNDS_BUSY        4 /* so many times slower when clients wait */
#define ROUNDS_HELD        (30 * USEC_PER_SEC)

/* Ids of heal_compare that are ours: nobody else is told of them. */
#define ROUNDS_ID (UINT64_C(1) << 63)

struct rounds_run {
    bool running;
    node_no peer;
    keyspace_no keyspace;
    usec began;
};

struct rounds {
    struct rounds_run runs[1 + ROUNDS_MARKED]; /* the first: the round */
    usec due;
    int64_t began_s; /* wall, when this node began */
    /* the scrub */
    bool scrubbing;
    keyspace_no keyspace;
    range_no range;
    struct tree_scrub scrub;
    usec scrub_due, scrub_began;
    unsigned tries;
    uint64_t wrong; /* leaves of this one */
};

struct heal;
struct heal_figures;
struct compare_range;

void rounds_begin(struct heal *h, struct now now);
void rounds_free(struct heal *h);
void rounds_deadline(struct heal *h, struct now now);
usec rounds_next_deadline(const struct heal *h);

/* A session of ours with the peer is over, whoever has asked for it. */
void rounds_compared(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                     node_no peer, enum err err, bool proved);
/* Somebody has asked for this range, and is at it: for ROUNDS_HELD we leave it alone, marked or
 * not, with each peer until a session with it has gone through. */
void rounds_leave(struct heal *h, struct now now, keyspace_no keyspace, range_no range);
/* A run of ours is over. */
void rounds_ended(struct heal *h, struct now now, uint64_t id);
/* Clean leaves were read again, and were not what they had been. preview: that is told, and no
 * more. */
void rounds_wrong(struct heal *h, struct now now, const struct compare_range *r, bool preview,
                  const struct tree_wrong *wrong, size_t count);

#endif
