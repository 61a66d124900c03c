/* load.h - the clients of a random run.
 *
 *   IDLE --think--> ASKING --answer--> IDLE
 *                     |  no good answer in time
 *                     +--> ASKING again, another node (reads and repeatable writes), or gives up
 *
 * Each client is a session: it asks one request at a time, of a node of its own, and of another
 * node when that one has not answered well. What is asked, and whether the answer can be, is the
 * business of the workloads (workload.h), among which each request chooses.
 */
#ifndef TORC_NODE_SIM_RUN_LOAD_H
#define TORC_NODE_SIM_RUN_LOAD_H

#include "node/sim/run/scenario.h"

struct load; /* Opaque. */

struct load_counts {
    uint64_t writes, acked, reads, answered; /* requests of the chaos phase */
    uint64_t deletes;                        /* asked for, by the workloads that count them */
    uint64_t again, given_up;                /* attempts repeated; requests whose end is unknown */
    uint64_t held; /* reads that had to show something: an older answer would have been refused */
};

/* Borrows the scenario and the cluster. */
struct load *load_new(struct sim *sim, const struct scenario *scenario);
void load_free(struct load *l);

/* Keyspace and tables; false when they cannot be made. */
bool load_prepare(struct load *l, struct errmsg *why);

usec load_next(const struct load *l); /* when load_act is next due, apart from answers */
void load_act(struct load *l);        /* who is due asks; answers are taken */
void load_disk_lost(struct load *l);  /* of a node: now */

/* Rows are gone from one replica, and come back: what one replica alone answers promises nothing
 * from now on. */
void load_rows_lost(struct load *l);

/* Nobody asks any more. Then: nobody waits for an answer; takes answers. */
void load_stop(struct load *l);
bool load_settled(struct sim *s, void *load);

/* Read everything at ALL. */
bool load_read_all(struct load *l);

/* The first contradiction; NULL while there is none. */
const char *load_problem(const struct load *l);
const struct load_counts *load_counts(const struct load *l);

#endif
