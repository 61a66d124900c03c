/* trial.h - one run of a world by a plan, and what came of it. Runs can be added up.
 *
 *   warm-up | calm: traffic is measured | crashes, one after the other | until all know | healed:
 *                                                                        until all agree
 */
#ifndef TORC_TESTS_BENCH_SWIM_TRIAL_H
#define TORC_TESTS_BENCH_SWIM_TRIAL_H

#include "world.h"

struct samples {
    double *values;
    size_t count, cap;
};

struct trial {
    struct world_config world;
    usec warm_us; /* slow members are held from its end on */
    usec calm_us;
    size_t crashes; /* of members that are not slow */
    usec gap_us;    /* between two crashes */
    usec limit_us;  /* after the last crash, for all to know */
};

struct outcome {
    struct samples suspected, dead, known; /* seconds since the crash; what never happened: none */
    size_t crashes;
    struct world_mistakes mistakes; /* until the world was healed */
    double hours;                   /* in which they were made */
    struct world_traffic calm;
    double calm_s;   /* member seconds of it */
    double cpu_us;   /* of this process, calm */
    double agreed_s; /* from healing until all agreed, the longest; negative: did not */
    uint64_t hash;   /* of the last run */
    size_t runs;
};

void trial_run(const struct trial *t, struct outcome *sum); /* adds to it; begin with zeroes */
void outcome_close(struct outcome *o);

/* The p-th percentile, of a hundred; 0 when there are none. */
double samples_at(struct samples *s, double p);
double samples_mean(const struct samples *s);

#endif
