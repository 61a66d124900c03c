/* proved.h - when this node and another replica of a range were last known to be equal; inside of
 * healing.
 *
 *   clocks   their durable clocks were equal: nothing was lacking, if clocks tell the truth
 *   trees    their rows were, or were made so, by a session: and both had that durably
 *
 * Each is a wall time, of this node. So is the time when the range was read again here, leaf by
 * leaf: that is kept under this node itself. Times of clocks are in memory only, for a second after
 * a start there are new ones. The others are kept as a fact for each keyspace, written a little
 * later: a crash may lose some, and never makes one up.
 *
 *   proved (a fact) = u64 ring epoch, u64 hash of pairs, (varint step from the pair before,
 *           varint time)*
 *
 * A pair is forgotten when the peer is no replica any more, or we are none, and all of them when
 * that may have happened unseen: then somebody may be back with less than he had.
 *
 * Invariants: pairs ascend by (range, peer); there is one for each replica of each range of ours,
 * but for what is above PROVED_MAX: of these nothing is known.
 */
#ifndef TORC_NODE_HEAL_PROVED_H
#define TORC_NODE_HEAL_PROVED_H

#include "base/map.h"
#include "base/types.h"
#include "node/wire/wire.h"

#define PROVED_MAX   262144u             /* pairs: 15 MB */
#define PROVED_DELAY (10 * USEC_PER_SEC) /* so much later it is on its way to the disk */

struct proved_pair {
    range_no range;
    node_no peer;
    int64_t clocks_s, trees_s; /* wall; HEAL_NEVER */
    usec trees_at;             /* mono; 0: not since the start */
    uint32_t lacks, peer_lacks;
    bool compared;
    bool told;      /* a clock since our start, and since it was lost last */
    uint64_t heard; /* its clock came in this round last */
    usec try_at;    /* rounds.c: not before (mono) */
    unsigned tries; /* ... that failed */
    usec forgot_at; /* the range was forgotten last (mono); 0: not since the start */
    uint64_t same;  /* its hash (compare_many.h), which was ours, too, and durable on both sides; */
    usec same_at;   /* asked then (mono); 0: it was not. Of runs that somebody asked for */
    usec read_at;   /* of this node itself: the last reading again that went through began then
                       (mono); 0: there was none since the start */
};

struct proved_keyspace {
    keyspace_no keyspace;
    uint64_t ring_epoch, hash;
    struct proved_pair *pairs;
    size_t count;
    bool changed; /* not as it was written */
};

struct proved {
    struct map keyspaces; /* keyspace -> struct proved_keyspace * */
    size_t pairs;
    usec store_at;
};

struct heal;

void proved_init(struct heal *h);
void proved_free(struct heal *h);

/* Ring or keyspaces may be others; `seen`: so far each change of them was looked at. */
void proved_placed(struct heal *h, bool seen);
/* What is here of the range goes. */
void proved_forget(struct heal *h, keyspace_no keyspace, range_no range);
/* ... and has gone: what somebody has found out before does not count any more. */
void proved_forgot(struct heal *h, struct now now, keyspace_no keyspace, range_no range);

/* What it tells next is the first that it tells (away.c). */
void proved_lost(struct heal *h, node_no peer);

/* An answer to our question about clocks. */
void proved_hear(struct heal *h, struct now now, node_no from, const struct wire_clocks *m);
void proved_by_trees(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                     node_no peer);
/* The range was read again here, clean leaves too; that began at (mono). */
void proved_read(struct heal *h, struct now now, keyspace_no keyspace, range_no range, usec began);
bool proved_was_read(const struct heal *h, keyspace_no keyspace, range_no range, usec since);
void proved_tick(struct heal *h, struct now now);

/* NULL: nothing is known. Valid until the next proved_placed. */
const struct proved_keyspace *proved_of(const struct heal *h, keyspace_no keyspace);
struct proved_pair *proved_find(const struct heal *h, keyspace_no keyspace, range_no range,
                                node_no peer);

#endif
