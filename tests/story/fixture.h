/* fixture.h - a simulated cluster for a story, and short words to tell it with. */
#ifndef TORC_TESTS_STORY_FIXTURE_H
#define TORC_TESTS_STORY_FIXTURE_H

#include "node/sim/sim.h"

#include <CUnit/CUnit.h>

#define SECONDS(n)      ((n)*USEC_PER_SEC)
#define MILLISECONDS(n) ((n)*USEC_PER_MS)

extern struct sim *sim; /* of the running story */

void story_setup(void); /* no nodes yet */
void story_setup_with(const struct sim_limits *limits);
void story_teardown(void);

/* A ring of so many nodes, with keyspace ks (RF 3) and table ks.t (k int PRIMARY KEY, v text). */
void story_begin(unsigned nodes);

/* The statement answers so, in the words of sim_say; says what it did answer when it does not. */
bool says(unsigned via, enum cql_consistency level, const char *expected, const char *cql);

/* The same through every node that is up. */
bool all_say(enum cql_consistency level, const char *expected, const char *cql);

/* Rows 1 .. count of ks.t, written at that level; all acked. */
bool write_rows(unsigned via, enum cql_consistency level, int first, int last);
bool read_rows(unsigned via, enum cql_consistency level, int first, int last);

/* Replicas become equal within so long; says what differs when they do not. */
bool become_equal(usec limit_us);

/* Cut all nodes from each other, or one from all others, and wait until everybody has noticed. */
void cut_all(void);
void cut_off(unsigned node);

/* All nodes are connected again and see each other. */
bool heal(void);

/* The sum, over the nodes that are up, of a metric by its name (and labels). */
uint64_t counted(const char *metric);
uint64_t counted_by(unsigned node, const char *metric);

/* All nodes that are up are ready and see each other, within a minute. */
bool see_each_other(void);

#endif
