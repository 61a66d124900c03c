/* cluster.h - the cluster as one node sees it: who owns what, who is where, who answers.
 *
 * Built from the metadata log (topology, keyspaces) and from gossip (liveness), which never changes
 * ownership. A plain object that the node keeps up to date and the coordinator reads.
 */
#ifndef TORC_NODE_COORD_CLUSTER_H
#define TORC_NODE_COORD_CLUSTER_H

#include "base/arena.h"
#include "base/types.h"
#include "node/coord/patience.h"
#include "node/coord/quorum.h"
#include "ring/placement.h"

struct cluster_node {
    node_no node;
    struct uuid host_id;
    struct endpoint endpoint; /* internode */
    char dc[RING_NAME_SIZE];
    char rack[RING_NAME_SIZE];
    uint32_t dc_index; /* of its name among the sorted names; cluster_set_nodes fills it in */
    bool alive;        /* worth asking: gossip does not call it dead and its link works */
};

struct cluster;

struct cluster *cluster_new(void);
void cluster_free(struct cluster *c);

/* Replace nodes and ring (both copied). Placements are computed anew when next asked for; `alive`
 * of nodes known before is kept, of others taken from the array. */
void cluster_set_nodes(struct cluster *c, node_no self, const struct cluster_node *nodes,
                       size_t count, const struct ring *ring, uint64_t epoch);

/* What a keyspace asks for; NULL strategy: the keyspace is gone. Its ranges go as a whole from the
 * published table of the ring to the newest, unless it is told otherwise. */
void cluster_set_keyspace(struct cluster *c, keyspace_no keyspace, const struct strategy *strategy);

/* Where the ranges of a known keyspace are (copied), in the ring that is set. */
void cluster_set_moves(struct cluster *c, const struct moves_keyspace *moves);

/* Its option sloppy_quorum: who is not there may be stood in for (coord_hint.c). */
void cluster_set_sloppy(struct cluster *c, keyspace_no keyspace, bool sloppy);
bool cluster_is_sloppy(const struct cluster *c, keyspace_no keyspace);
void cluster_set_alive(struct cluster *c, node_no node, bool alive);

/* All entries of the metadata up to this one are in it. */
void cluster_set_epoch(struct cluster *c, uint64_t epoch);

node_no cluster_self(const struct cluster *c);
uint64_t cluster_epoch(const struct cluster *c);

/* The slot that last changed the ring or where its ranges are: equal on all nodes that know of this
 * ring. */
void cluster_set_ring_epoch(struct cluster *c, uint64_t ring_epoch);
uint64_t cluster_ring_epoch(const struct cluster *c);
uint32_t cluster_ranges(const struct cluster *c);         /* Q; 0 before there is a ring */
const struct ring *cluster_ring(const struct cluster *c); /* NULL before there is one */
const struct cluster_node *cluster_find(const struct cluster *c, node_no node); /* or NULL */
bool cluster_is_alive(const struct cluster *c, node_no node);
size_t cluster_nodes(const struct cluster *c,
                     const struct cluster_node **ret_nodes); /* by number */

/* NULL when the keyspace is not known. Valid until nodes, ring or keyspace change. */
const struct placement *cluster_placement(struct cluster *c, keyspace_no keyspace);

/* What a request at `level` needs of the range. False when the keyspace is not known. */
bool cluster_quorum_plan(struct cluster *c, keyspace_no keyspace, range_no range, enum level level,
                         struct quorum_plan *ret_plan);

/* The entry that last changed who is asked for the range; 0 when the keyspace is not known. */
uint64_t cluster_stage_since(struct cluster *c, keyspace_no keyspace, range_no range);

/* The tables that there are at this epoch (copied). */
struct cluster_table {
    table_no table;
    keyspace_no keyspace;
};
void cluster_set_tables(struct cluster *c, const struct cluster_table *tables, size_t count,
                        uint64_t epoch);

/* What a table says of its reads; those that say nothing of it have the usual ones. */
struct table_policy {
    table_no table;
    struct patience retry; /* with a read, before one replica more is asked */
    struct patience extra; /* with an ack of a repair, before other replicas are repaired */
    bool no_repair;        /* a read joins what replicas have, and leaves them as they are */
};
void cluster_set_policies(struct cluster *c, const struct table_policy *policies, size_t count);
const struct table_policy *cluster_policy(const struct cluster *c, table_no table); /* until then */

/* Those of a keyspace, ascending; in the arena. */
size_t cluster_tables_of(const struct cluster *c, keyspace_no keyspace, struct arena *arena,
                         const table_no **ret_tables);

/* Where the data of a range of the keyspace lies; its tables in the arena. */
struct range_place; /* storage/engine.h */
void cluster_place(const struct cluster *c, keyspace_no keyspace, range_no range,
                   struct arena *arena, struct range_place *ret);

/* Dropped or truncated: its number is a slot that we have applied, and it is not there. One that we
 * have not heard of yet is not gone. */
bool cluster_table_is_gone(const struct cluster *c, table_no table);

/* All keyspaces, ascending: first number >= from, or false. */
bool cluster_next_keyspace(const struct cluster *c, keyspace_no from, keyspace_no *ret_keyspace);

bool cluster_has_keyspace(const struct cluster *c, keyspace_no keyspace);

/* This node holds or will hold the range (replica now, later or pending). */
bool cluster_is_replica(struct cluster *c, keyspace_no keyspace, range_no range, node_no node);

/* Lives of other nodes, as boot numbers: the latest that has told its clocks here. Its writes of
 * earlier ones are on nobody's list (docs/versions.md), so they are no longer taken. */
void cluster_note_life(struct cluster *c, node_no node, uint32_t boot);
uint32_t cluster_life(const struct cluster *c, node_no node); /* 0: none */

/* This node is one of the replicas of the range since this entry of the metadata; 0: all the time.
 * What was planned before was not for it. */
void cluster_set_since(struct cluster *c, keyspace_no keyspace, range_no range, uint64_t epoch);
uint64_t cluster_since(const struct cluster *c, keyspace_no keyspace, range_no range);

#endif
