/* sim.h - several metadata cores in one process on virtual time, with a network and disks that
 * fail.
 *
 * Every message is really encoded and decoded. A disk keeps what was reported durable and a random
 * part of the rest when its node crashes. The oracle is one hash of the state for each slot: the
 * first node to apply a slot sets it, all others must come to the same.
 */
#ifndef TORC_TESTS_META_SIM_H
#define TORC_TESTS_META_SIM_H

#include "base/omap.h"
#include "base/rng.h"
#include "node/meta/meta.h"

#define SIM_NODES_MAX       12
#define SIM_SLOTS_MAX       4096
#define SIM_DONE_MAX        1024
#define SIM_GENERATIONS_MAX 8

struct sim_done {
    uint64_t request;
    enum err err;
    uint64_t slot;
    usec at;
    char message[META_MESSAGE_SIZE];
};

struct sim_store {
    uint64_t ticket;
    struct bytes name, value; /* owned */
};

struct sim_node {
    struct meta_config config;
    struct endpoint seeds[SIM_NODES_MAX];
    struct meta *meta; /* NULL: down */
    uint32_t life;
    struct omap disk; /* durable facts */
    struct sim_store *unsynced;
    size_t unsynced_count, unsynced_cap;
    usec disk_free; /* when the last store is done */
    struct sim_done done[SIM_DONE_MAX];
    size_t done_count;
    usec ready_at; /* of the latest start; -1: not yet */
    uint32_t applied_events;
    uint64_t finished;       /* the ring_epoch it has said to have pulled for */
    uint64_t finish_request; /* that asks so */
};

struct sim_event; /* Opaque. */

struct sim {
    struct rng rng;
    struct now now;
    struct sim_node nodes[SIM_NODES_MAX + 1]; /* from 1 */
    uint32_t count;
    struct sim_event *events; /* a heap by (time, order) */
    size_t events_count, events_cap;
    uint64_t order;
    uint64_t hash;                                       /* of all that happened */
    uint64_t sends;                                      /* messages */
    uint64_t oracle[SIM_GENERATIONS_MAX][SIM_SLOTS_MAX]; /* of each generation */
    uint64_t generations[SIM_GENERATIONS_MAX];
    size_t generations_count;
    uint64_t requests;
    uint32_t wrong; /* states that differ from the oracle's */
    struct uuid clusters[8];
    size_t clusters_count; /* different ones that nodes were ever in */

    bool pulling_takes; /* movers finish when the test says so, not at once */

    /* faults */
    uint32_t lose;      /* of a million messages */
    uint32_t duplicate; /* of a million */
    usec delay_min, delay_max;
    usec disk_max;
    bool cut[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1]; /* from, to */
};

struct sim *sim_new(uint64_t seed, uint32_t nodes);
void sim_free(struct sim *s);

struct endpoint sim_endpoint(uint32_t i);
void sim_seeds_all(struct sim *s);
void sim_seeds_first(struct sim *s);

void sim_start(struct sim *s, uint32_t i);
void sim_crash(struct sim *s, uint32_t i);
void sim_wipe(struct sim *s, uint32_t i); /* the disk is empty, the host id another; must be down */
/* Ask node `i` to go on without these; then what came of it, within half a minute. */
enum err sim_recover(struct sim *s, uint32_t i, const uint32_t *lost, size_t count);
enum meta_recovery_state sim_recovered(struct sim *s, uint32_t i);
void sim_cut(struct sim *s, uint32_t a, uint32_t b, bool cut); /* both directions */
void sim_tell(struct sim *s, uint32_t i, node_no node, bool alive);

/* Let time pass. The second stops early and says whether `until` has become true. */
void sim_run(struct sim *s, usec us);
bool sim_run_until(struct sim *s, bool (*until)(struct sim *s), usec us_max);

bool sim_all_ready(struct sim *s); /* of those that are up, at one epoch, nothing moving */

uint64_t sim_propose(struct sim *s, uint32_t i, struct bytes command);
uint64_t sim_create(struct sim *s, uint32_t i, const char *table); /* in keyspace ks */
uint64_t sim_create_keyspace(struct sim *s, uint32_t i);
/* NULL: not yet answered. */
const struct sim_done *sim_answer(struct sim *s, uint32_t i, uint64_t request);
/* Run until answered. */
const struct sim_done *sim_wait(struct sim *s, uint32_t i, uint64_t request);

/* Every node that is up agrees with the others, and nobody ever came to another state. */
bool sim_agree(struct sim *s);

#endif
