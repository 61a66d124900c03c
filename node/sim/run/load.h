/* load.h - clients that write and read at random, and tell the history.
 *
 * Registers with and without client timestamps, sets of ids, deletes of rows, of ranges and of
 * whole partitions, at mixed consistency levels. Each client waits for its answer, thinks, and asks
 * again, of another node when its own has not answered well.
 */
#ifndef TORC_NODE_SIM_RUN_LOAD_H
#define TORC_NODE_SIM_RUN_LOAD_H

#include "node/sim/oracle/history.h"
#include "node/sim/run/run.h"

struct load; /* Opaque. */

struct load *load_new(struct sim *sim, unsigned clients, usec skew_us);
void load_free(struct load *l);

/* Keyspace and tables; false when they cannot be made. */
bool load_prepare(struct load *l, struct errmsg *why);

usec load_next(const struct load *l);         /* when load_act is next due, apart from answers */
void load_act(struct load *l);                /* who is due asks; answers are taken */
bool load_settled(struct sim *s, void *load); /* nobody waits for an answer; takes answers */

/* Read everything at ALL. */
bool load_read_all(struct load *l);

/* The first contradiction; NULL while there is none. */
const char *load_problem(const struct load *l);
void load_count(const struct load *l, struct run_result *ret);

#endif
