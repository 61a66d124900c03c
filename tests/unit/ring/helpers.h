/* helpers.h - rings for tests, and Cassandra's strategies written the slow way. */
#ifndef TORC_TESTS_UNIT_RING_HELPERS_H
#define TORC_TESTS_UNIT_RING_HELPERS_H

#include "base/rng.h"
#include "ring/placement.h"
#include "ring/plan.h"

struct ring_node make_node(node_no node, const char *dc, const char *rack);

/* "dc1", rack "r0", "r1" ... in turn. */
struct ring_node make_racked(node_no node, uint32_t racks);

struct ring *must_fresh(uint32_t ranges, const struct ring_node *nodes, size_t count);
struct ring *must_join(const struct ring *ring, const struct ring_node *joining, size_t count);
struct ring *must_leave(const struct ring *ring, node_no leaving);

/* A ring of one table, numbered 1. INVALID as ring_new. */
enum err one_table(uint32_t ranges, const struct ring_node *nodes, size_t count, node_no *owner,
                   struct ring **ret_ring) MUST_CHECK;

/* Free the ring and the plan, give the settled plan. */
struct ring *settled(struct ring *ring, struct ring *plan);

struct strategy simple(uint32_t rf);
struct strategy network(const char *dc, uint32_t rf);
void network_add(struct strategy *s, const char *dc, uint32_t rf);

/* The replicas of a token, found from nothing but the tokens that the nodes publish. ret_nodes has
 * room for all nodes. Returns how many. */
uint32_t naive_replicas(const struct ring *ring, enum ring_when when, const struct strategy *s,
                        token t, node_no *ret_nodes);

/* Most replicas that a node of the ring holds over the mean, in thousandths over one. */
uint32_t unevenness(const struct ring *ring, const struct strategy *s);

/* A ring of 1 to `most` nodes in 1 to 3 data centres, some weights, some racks; each
 * range owned by any of them, so that some may own nothing. */
struct ring *random_ring(struct rng *rng, uint32_t ranges, uint32_t most);

#endif
