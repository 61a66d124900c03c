/* run.h - one random run: a workload under faults, then everything is healed and must be well.
 *
 *   form -> load under faults -> heal -> converge (bounded) -> read everything at ALL
 *
 * What is random, and in which bounds, is drawn from the seed at the start (README.md: the fault
 * plan). The first contradiction ends the run.
 */
#ifndef TORC_NODE_SIM_RUN_RUN_H
#define TORC_NODE_SIM_RUN_RUN_H

#include "node/sim/sim.h"

#define RUN_CLIENTS_MAX 256

struct run_config {
    uint64_t seed;
    unsigned nodes; /* 0: 3 to 5, from the seed */
    usec time_us;   /* of load and faults */
    unsigned clients;
    void (*print)(void *arg, const char *line); /* what happens; may be NULL */
    void *print_arg;
};

struct run_result {
    bool good;
    struct errmsg why; /* when not good */
    uint64_t hash, events;
    unsigned nodes;
    uint64_t writes, acked, reads, refused, faults;
    usec converged_us; /* from healing to equal replicas */
};

void run_random(const struct run_config *config, struct run_result *ret);

#endif
