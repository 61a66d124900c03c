/* placement.h - the replicas of every range for one replication strategy, looked up in O(1).
 *
 * Exactly what a driver finds by walking the published tokens with Cassandra's SimpleStrategy or
 * NetworkTopologyStrategy, in the same order of preference. A pure function of ring and strategy;
 * build it once for each (ring, strategy) and share it. It keeps no pointer to either.
 *
 * Every range has the same number of replicas: what the strategy asks for, or all owners there are.
 * In a move, a range has three sets: its replicas now (reads go here), its replicas later, and the
 * pending ones: those of later that are not there now. Writes go to now and pending, and need their
 * consistency level among `replicas` and among `later`.
 */
#ifndef TORC_RING_PLACEMENT_H
#define TORC_RING_PLACEMENT_H

#include "ring/ring.h"

#define STRATEGY_RF_MAX 128 /* of one data centre */

struct strategy {
    enum { STRATEGY_SIMPLE, STRATEGY_NETWORK } type;
    uint32_t rf; /* SIMPLE */
    uint32_t
        dcs; /* NETWORK: how many of dc[] are used; no name twice, unknown ones place nothing */
    struct {
        char name[RING_NAME_SIZE];
        uint32_t rf;
    } dc[RING_DCS_MAX];
};

bool strategy_equal(const struct strategy *a, const struct strategy *b);

struct replicas {
    const node_no *node; /* in order of preference */
    uint32_t count;
};

bool replicas_have(struct replicas r, node_no node);

struct placement {
    uint32_t ranges;
    uint32_t now_each;
    uint32_t later_each;
    bool moving;
    node_no *now;         /* [ranges * now_each] */
    node_no *later;       /* [ranges * later_each]; `now` itself when nothing moves */
    node_no *pending;     /* one after the other */
    uint32_t *pending_at; /* [ranges + 1] where those of a range begin; NULL when nothing moves */
};

struct placement *placement_build(const struct ring *ring, const struct strategy *strategy);
void placement_free(struct placement *p); /* accepts NULL */

struct replicas placement_replicas(const struct placement *p, range_no range);
struct replicas placement_later(const struct placement *p, range_no range);
struct replicas placement_pending(const struct placement *p, range_no range);

/* Replicas that the move adds, over all ranges: how many range copies it sends. */
uint64_t placement_moves(const struct placement *p);

#endif
