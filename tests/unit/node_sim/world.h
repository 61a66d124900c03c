/* world.h - what tests of the simulator share: one cluster, a keyspace, short words. */
#ifndef TORC_TESTS_UNIT_NODE_SIM_WORLD_H
#define TORC_TESTS_UNIT_NODE_SIM_WORLD_H

#include "node/sim/core.h"

#include <CUnit/CUnit.h>

#define SECONDS(n) ((n)*USEC_PER_SEC)
#define MS(n)      ((n)*USEC_PER_MS)

extern struct sim *w;

void world_setup(void);
void world_teardown(void);
void world_again(const struct sim_config *config); /* another one instead */

/* So many nodes, keyspace ks (as many copies as nodes, at most 3), table ks.t (k int, v text). */
void world_form(unsigned nodes);

/* The answer of the statement, in the words of sim_say. */
bool answers(unsigned via, enum cql_consistency level, const char *expected, const char *cql);
bool write_row(unsigned via, enum cql_consistency level, int k);
bool equal_within(usec limit_us);

#endif
