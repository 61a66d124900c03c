/* run.h - one run of a scenario: a workload under faults, then all is healed and must be well.
 *
 *   form -> load under faults -> heal -> converge (bounded) -> nothing is left of what was deleted
 *     (bounded) -> read everything at ALL
 *
 * The first contradiction ends the run.
 */
#ifndef TORC_NODE_SIM_RUN_RUN_H
#define TORC_NODE_SIM_RUN_RUN_H

#include "node/sim/run/load.h"

struct run_config {
    const struct scenario *scenario;
    void (*print)(void *arg, const char *line); /* what happens; may be NULL */
    void *print_arg;
};

struct run_result {
    bool good;
    struct errmsg why; /* when not good */
    uint64_t hash, events;
    usec end_us; /* since the load began: when it was over, or went wrong */
    struct load_counts counts;
    uint64_t faults[FAULT_COUNT];
    uint64_t faults_count;
    uint64_t lost;    /* partitions that went from one replica */
    uint64_t mended;  /* rows that sessions found and brought, after healing */
    uint64_t crossed; /* rows in sessions, from the beginning; */
    uint64_t alike;   /* of them who got it had it just so by then */
    struct sim_repairs repairs;
    usec converged_us; /* from healing to equal replicas */
    usec forgotten_us; /* and from then on, until nothing was left of what was deleted */
};

void run_scenario(const struct run_config *config, struct run_result *ret);

#endif
