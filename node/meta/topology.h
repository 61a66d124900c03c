/* topology.h - who is in the cluster, who owns what, and who votes on changes: made by the log.
 *
 * A function of the applied entries alone (state.h applies them), so equal on all nodes at one
 * epoch. Liveness is no part of it.
 *
 *              JOIN_START               the move settles
 *   (unknown) ------------> JOINING -----------------------> NORMAL
 *                                                              | LEAVE_START, or JOIN_START of a
 *                              the move settles                v node that replaces it
 *                      LEFT <------------------------------ LEAVING
 *
 * A JOINING node, too, is LEAVING when another one replaces it: else one that was lost before it
 * had pulled everything would keep the ring moving for ever.
 *
 * A move: an entry changes the ring's target and names the movers, the nodes that will be replicas
 * of something they are not now. Each mover pulls what it will hold and then proposes JOIN_FINISH
 * with the ring_epoch it has pulled for. When the last has, the ring settles: target is owner.
 * Another join or leave in between makes a new target, a new ring_epoch, and all its movers begin
 * again (what they have already is kept and costs only a comparison). Without keyspaces there is
 * nothing to pull: no movers, the ring settles at once.
 *
 * Invariants, asserted by topology_check():
 *   (1) Nodes in ascending number; no host id twice; no endpoint twice among those that have not
 *       left, but for a node and the one it replaces.
 *   (2) Members are NORMAL, or JOINING in the place of another; an odd number of them: 1, 3 or 5.
 *   (3) The ring is moving exactly when there are movers.
 *
 * Ownership: everything belongs to the topology; views live until the next meta_step().
 */
#ifndef TORC_NODE_META_TOPOLOGY_H
#define TORC_NODE_META_TOPOLOGY_H

#include "node/meta/paxos.h"
#include "ring/ring.h"

#define TOPOLOGY_NODES_MAX                                                                         \
    4096 /* those that have left included: their numbers are never reused                          \
          */
#define TOPOLOGY_MEMBERS_MAX PAXOS_MEMBERS_MAX
#define CLUSTER_NAME_SIZE    128 /* with the closing NUL */

/* Stored and sent: do not renumber. */
enum node_state { NODE_JOINING = 1, NODE_NORMAL = 2, NODE_LEAVING = 3, NODE_LEFT = 4 };

/* What a node says about itself. */
struct node_info {
    struct uuid host_id;
    struct endpoint endpoint; /* internode */
    struct endpoint cql;
    uint32_t weight;
    uint32_t boot; /* the number of its latest life, as far as it has told */
    char dc[RING_NAME_SIZE];
    char rack[RING_NAME_SIZE];
};

struct topology_node {
    node_no node;
    enum node_state state;
    node_no replaces; /* while JOINING: the node whose ranges it takes; else 0 */
    struct node_info info;
};

struct topology {
    uint64_t epoch; /* the last applied slot; 0: no cluster yet */
    struct uuid cluster_id;
    char name[CLUSTER_NAME_SIZE];
    struct topology_node *nodes; /* ascending */
    size_t count;
    size_t cap;
    struct ring *ring;   /* NULL when epoch is 0 */
    uint64_t ring_epoch; /* the slot that last changed the ring or its target */
    node_no *movers;     /* ascending; who has yet to finish pulling for ring_epoch */
    size_t movers_count;
    node_no members[TOPOLOGY_MEMBERS_MAX]; /* ascending: the acceptors of the next slot */
    uint32_t members_count;
};

void topology_init(struct topology *t);
void topology_close(struct topology *t);
void topology_check(const struct topology *t);

/* All return NULL when there is none. By address: only nodes that have not left. */
const struct topology_node *topology_find(const struct topology *t, node_no node);
const struct topology_node *topology_find_host(const struct topology *t, const struct uuid *host);
const struct topology_node *topology_find_endpoint(const struct topology *t,
                                                   const struct endpoint *endpoint);
bool topology_is_member(const struct topology *t, node_no node);
bool topology_is_mover(const struct topology *t, node_no node);

/* "JOINING" and so on. */
const char *node_state_text(enum node_state state);

/* The changes of the entries; state.c decides whether they may be made. */
struct topology_node *topology_add(struct topology *t, node_no node, const struct node_info *info);
struct topology_node *topology_edit(struct topology *t, node_no node);

/* Take over `ring` (owned by the topology from here) at `slot`, with these movers. With none, the
 * ring is settled and nodes change to NORMAL and LEFT accordingly. */
void topology_move(struct topology *t, uint64_t slot, struct ring *ring, const node_no *movers,
                   size_t count);

/* A mover has finished. Returns whether that settled the ring. */
bool topology_finish(struct topology *t, uint64_t slot, node_no node);

/* Choose the members anew: 1, 3 or 5 of the NORMAL nodes and of those that replace one; NORMAL ones
 * first, then distinct racks, then distinct data centres, then those that are members already, then
 * the lowest numbers. */
void topology_choose_members(struct topology *t);

void topology_encode(const struct topology *t, struct buf *out);
enum err topology_decode(struct reader *in, struct topology *ret) MUST_CHECK;

/* The decoders of parts set in->failed. */
void endpoint_encode(const struct endpoint *e, struct buf *out); /* 16 bytes, u16 port */
struct endpoint endpoint_decode(struct reader *in);
void node_info_encode(const struct node_info *info, struct buf *out);
void node_info_decode(struct reader *in, struct node_info *ret);

#endif
