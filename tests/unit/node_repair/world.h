/* world.h - a ring of nodes with repair runs, and a healing that is made of sets of rows: for the
 * tests of managers and leaders. Messages are encoded, delivered in order, decoded. */
#ifndef TORC_TESTS_REPAIR_WORLD_H
#define TORC_TESTS_REPAIR_WORLD_H

#include "node/repair/repair.h"

#define NODES_MAX  5u
#define RANGES_MAX 1024u
#define KEYSPACES  2u /* 7 and 8 */
#define KEYSPACE   7u
#define TABLE      9u /* of the first one; 10 is of the second one */

struct one {
    struct store *store;
    struct engine *engine;
    struct cluster *cluster;
    struct repair *repair; /* NULL: the process is not there */
    uint64_t lives;
    uint64_t batches;                     /* begun here */
    uint64_t rows[KEYSPACES][RANGES_MAX]; /* a row is a bit */
    uint64_t dots[KEYSPACES][RANGES_MAX]; /* that its clock has; a dot is a bit */
};

struct message {
    struct buf bytes;
    node_no to;
};

struct session {
    node_no node;
    uint64_t batch;
    node_no peer;
    keyspace_no keyspace;
    bool preview;
    range_no *ranges;
    size_t count;
    usec due;
};

struct world {
    unsigned nodes;
    uint32_t ranges;
    uint32_t rf;
    struct now now;
    struct one node[NODES_MAX];
    struct message queue[256];
    size_t queued, taken;
    struct session sessions[64];
    size_t sessions_count;
    usec session_us;       /* how long a batch takes at node 1; at node 2 twice as long, … */
    uint64_t session_read; /* rows that a batch has read again when it ends */
    enum err session_err;  /* so often sessions end with it */
    unsigned session_errs;
    node_no session_at;       /* ... of those that this one begins; 0: of any */
    bool session_ours;        /* ... for what who begins them has */
    uint64_t compared;        /* ranges, by sessions of a pair */
    uint64_t bytes, messages; /* of managers and leaders */
    bool deaf[NODES_MAX + 1]; /* messages to it are lost */
};
extern struct world w;

void world_setup(unsigned nodes, uint32_t ranges, uint32_t rf);
void world_teardown(void);

/* The ring has these nodes as owners from now on (bit 0: node 1). */
void world_own(unsigned mask);
void world_joins(unsigned mask, node_no node); /* ... and this one will, too: ranges move to it */
void world_down(node_no node);                 /* the process ends, and the others see it */
void world_up(node_no node);
void world_drop_keyspace(keyspace_no keyspace);

void world_settle(void);       /* all that is on its way arrives, at one time */
void world_elapse(usec us);    /* in steps of 10 ms */
bool world_run(usec limit_us); /* until no run is under way; false: one is */

/* A row that only the nodes of the mask have. */
void world_plant(unsigned mask, unsigned keyspace, range_no range, unsigned row);
bool world_equal(void); /* all replicas that are up have the same rows */
struct replicas world_replicas(unsigned keyspace, range_no range);

uint64_t world_start(node_no node, const struct repair_wish *wish); /* 0: refused */
const struct repair_run *world_find(node_no node, uint64_t id);
struct repair_sums world_sums(const struct repair_run *run, uint32_t ret_counts[4]);

#endif
