/* shrink.h - the smallest scenario that still fails.
 *
 * Delta debugging (Zeller and Hildebrandt, 2002) over the list of faults, and a few reductions of
 * everything else: shorter, earlier, fewer nodes, clients, requests and workloads, no delays, no
 * offsets, default limits. A reduction stays when the run still fails, with whatever contradiction.
 */
#ifndef TORC_NODE_SIM_RUN_SHRINK_H
#define TORC_NODE_SIM_RUN_SHRINK_H

#include "node/sim/run/run.h"

struct shrink_config {
    uint64_t runs_max;
    void (*run)(const struct run_config *config, struct run_result *ret); /* run_scenario */
    void (*progress)(void *arg, uint64_t runs, const struct scenario *smallest);
    void *progress_arg; /* progress may be NULL */
};

/* Makes *s, which fails, smaller in place. *ret_result is the run of what it became. Returns how
 * many runs that took. */
uint64_t shrink(struct scenario *s, const struct shrink_config *config,
                struct run_result *ret_result);

#endif
