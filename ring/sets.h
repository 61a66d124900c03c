/* sets.h - the replicas of every range by one table of a ring and one replication strategy.
 *
 * Exactly what a driver finds by walking the published tokens of that table with Cassandra's
 * SimpleStrategy or NetworkTopologyStrategy, in the same order of preference. Every range has the
 * same number of replicas: what the strategy asks for, or all owners there are.
 */
#ifndef TORC_RING_SETS_H
#define TORC_RING_SETS_H

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

/* They are the same nodes, in any order. */
bool replicas_equal(struct replicas a, struct replicas b);

/* Of all ranges, one after the other. */
struct replica_sets {
    node_no *node; /* [ranges * each] */
    uint32_t each;
};

/* A pure function; keeps no pointer to its arguments. */
struct replica_sets sets_build(const struct ring *ring, const struct ring_table *table,
                               const struct strategy *strategy);
void sets_close(struct replica_sets *s);
struct replicas sets_at(const struct replica_sets *s, range_no range);

#endif
