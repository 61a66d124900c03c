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
 * A move: an entry gives the ring a further table, and the ranges that others hold by it go there
 * (ring/moves.h). Who takes something over pulls what it will hold and then proposes STEP with the
 * ring_epoch that it has done so for. When all have, all ranges are there: the ring settles, and
 * the new table is the published one. Another join or leave in between makes a newer table and
 * another ring_epoch, and all begin again (what they have already is kept and costs only a
 * comparison). Without keyspaces there is nothing to move: the ring settles at once.
 * ALTER KEYSPACE moves ranges in the same way, without a further table.
 *
 * A member that has been dead for long is AWAY until it has been back for as long, by entries of
 * the log: where there is another node to vote in its place that one does. Who is AWAY with nobody
 * to take its place stays a member, for it may be back before the others are lost.
 *
 * A generation begins when most members are lost for ever and the nodes that are left have agreed
 * to go on without them (RECOVER, recover.c). Who was given up is LOST: it may have decided
 * something else, so it is not heard any more, whatever it says, until its disk is wiped and it
 * replaces itself.
 *
 * Invariants, asserted by topology_check():
 *   (1) Nodes in ascending number; no host id twice; no endpoint twice among those that have not
 *       left, but for a node and the one it replaces.
 *   (2) Members are NORMAL, or JOINING in the place of another, not LOST; an odd number of them: 1,
 * 3 or 5. (3) The ring moves exactly as long as somebody has yet to STEP.
 *
 * Ownership: everything belongs to the topology; views live until the next meta_step().
 */
#ifndef TORC_NODE_META_TOPOLOGY_H
#define TORC_NODE_META_TOPOLOGY_H

#include "node/meta/paxos.h"
#include "ring/moves.h"

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
    bool away;        /* it was dead for long when it was a member; not chosen as one */
    bool lost;        /* given up when a generation began */
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
    uint64_t ring_epoch; /* the slot that last changed the ring, or where its ranges go */
    struct moves moves;
    node_no members[TOPOLOGY_MEMBERS_MAX]; /* ascending: the acceptors of the next slot */
    uint32_t members_count;
    uint64_t away_epoch; /* the slot that last made a node AWAY, or HERE */
    uint32_t recoveries; /* what people call the generation */
    uint64_t generation; /* of this log: 0, or the slot of the last RECOVER << 32 | a tag of it. So
                            who is of an older one sees whether its log is a part of this one, and
                            two that were begun apart differ */
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

/* Something moves; and has yet to until this node has STEPped. */
bool topology_is_moving(const struct topology *t);
bool topology_waits_for(const struct topology *t, node_no node);

/* "JOINING" and so on. */
const char *node_state_text(enum node_state state);

/* The changes of the entries; state.c decides whether they may be made. */
struct topology_node *topology_add(struct topology *t, node_no node, const struct node_info *info);
struct topology_node *topology_edit(struct topology *t, node_no node);

/* Take over `ring` (owned by the topology from here) at `slot`, and go to its newest table. With
 * nobody to wait for it is settled at once, and nodes change to NORMAL and LEFT accordingly. */
void topology_move(struct topology *t, uint64_t slot, struct ring *ring);

/* A keyspace is to be replicated so, which moves the ranges that others are to hold; NULL: it is
 * gone. There must be room (moves_are_full). */
void topology_replicate(struct topology *t, uint64_t slot, keyspace_no keyspace,
                        const struct strategy *strategy);

/* A node has proved. True: it was the last one, and the ring has settled. */
bool topology_step(struct topology *t, uint64_t slot, node_no node);

/* The node is AWAY from this slot on, or HERE. */
void topology_set_away(struct topology *t, uint64_t slot, node_no node, bool away);

/* A generation begins with this entry, without these nodes. */
void topology_recover(struct topology *t, uint64_t slot, uint32_t tag, struct bytes lost);

static inline uint64_t generation_slot(uint64_t generation)
{
    return generation >> 32;
}

/* Choose the members anew: 1, 3 or 5 of the NORMAL nodes and of those that replace one; those that
 * are HERE first, then NORMAL ones, then distinct racks, then distinct data centres, then those
 * that are members already, then the lowest numbers. */
void topology_choose_members(struct topology *t);

void topology_encode(const struct topology *t, struct buf *out);
enum err topology_decode(struct reader *in, struct topology *ret) MUST_CHECK;

/* The decoders of parts set in->failed. */
void endpoint_encode(const struct endpoint *e, struct buf *out); /* 16 bytes, u16 port */
struct endpoint endpoint_decode(struct reader *in);
void node_info_encode(const struct node_info *info, struct buf *out);
void node_info_decode(struct reader *in, struct node_info *ret);

#endif
