/* placement.h - the replicas of every range of one keyspace, looked up in O(1).
 *
 * A range has its replicas now, those that it will have later when it moves (the same when it does
 * not), and the pending ones: those of later that are not there now. What its stage asks of each
 * set is in stage.h. Build it once for each ring and keyspace and share it; it keeps no pointer to
 * either.
 */
#ifndef TORC_RING_PLACEMENT_H
#define TORC_RING_PLACEMENT_H

#include "ring/moves.h"

struct placement {
    uint32_t ranges;
    bool moving; /* some range does */
    uint32_t places;
    struct replica_sets set[MOVES_PLACES_MAX]; /* [places] */
    struct placed {
        uint8_t now, later; /* of the sets */
        uint8_t stage;
        uint32_t pending; /* where its own begin */
        uint64_t since;
    } * range;        /* [ranges + 1] */
    node_no *pending; /* one after the other */
};

/* A keyspace with its ranges where `moves` says that they are. */
struct placement *placement_of(const struct ring *ring, const struct moves_keyspace *moves);

/* A keyspace that goes as a whole from the published to the newest table. */
struct placement *placement_build(const struct ring *ring, const struct strategy *strategy);
void placement_free(struct placement *p); /* accepts NULL */

struct replicas placement_replicas(const struct placement *p, range_no range);
struct replicas placement_later(const struct placement *p, range_no range);
struct replicas placement_pending(const struct placement *p, range_no range);
enum stage placement_stage(const struct placement *p, range_no range);

/* The slot that last changed who is asked for the range. */
uint64_t placement_since(const struct placement *p, range_no range);

/* A level is needed among its later replicas as well. */
bool placement_needs_later(const struct placement *p, range_no range);

/* Replicas that the move adds, over all ranges: how many range copies it sends. */
uint64_t placement_moves(const struct placement *p);

#endif
