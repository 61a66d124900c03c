/* fault.h - a random plan of faults over a simulated cluster. Each seed draws its own mixture. */
#ifndef TORC_NODE_SIM_RUN_FAULT_H
#define TORC_NODE_SIM_RUN_FAULT_H

#include "base/rng.h"
#include "node/sim/sim.h"

#define FAULT_RECOVERIES_MAX 64

enum fault_kind {
    FAULT_CUT,         /* two nodes from each other */
    FAULT_CUT_ONE_WAY, /* messages of one to another */
    FAULT_ISOLATE,     /* one from all others */
    FAULT_CRASH,       /* power cut: loses what is not synced */
    FAULT_KILL,        /* the process dies, the kernel's buffers live */
    FAULT_PAUSE,       /* the process stands still */
    FAULT_STOP,        /* a clean stop */
    FAULT_CRASH_ALL,   /* the power goes everywhere */
    FAULT_JOIN,        /* no fault: a node more, once a run */
    FAULT_COUNT
};

struct fault_plan {
    struct sim *sim;
    struct rng rng;
    uint32_t weights[FAULT_COUNT];
    usec every_us; /* between faults, at most twice that */
    usec lasts_us; /* at most */
    unsigned down_max;
    usec next;
    struct {
        usec at;
        enum fault_kind kind;
        unsigned a, b;
    } recoveries[FAULT_RECOVERIES_MAX];
    size_t recoveries_count;
    uint64_t done;
};

void fault_init(struct fault_plan *f, struct sim *sim);
usec fault_next(const struct fault_plan *f); /* when fault_act is next due */
void fault_act(struct fault_plan *f);        /* everything that is due */
void fault_end(struct fault_plan *f);        /* heal, resume and start everything */

#endif
