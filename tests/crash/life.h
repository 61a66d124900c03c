/* life.h - one life of a node's storage, in a process that is going to be killed. */
#ifndef TORC_TESTS_CRASH_LIFE_H
#define TORC_TESTS_CRASH_LIFE_H

#include "crash/tally.h"

#define LIFE_WRONG 3 /* exit status: t->verdict says why */

struct life_plan {
    const char *dir;
    uint64_t seed;
    bool periodic;   /* STORE_SYNC_PERIODIC, and nobody asks for a sync */
    uint32_t writes; /* then close as an operator would */
};

/* Open the store, check it against the tally, then write; exits. */
_Noreturn void life_run(struct tally *t, const struct life_plan *plan);

#endif
