/* measure.h - what the benchmarks of the store share. */
#ifndef TORC_TESTS_BENCH_MEASURE_H
#define TORC_TESTS_BENCH_MEASURE_H

#include "storage/store.h"

/* CPU that this process has used, all threads, in microseconds. */
double measure_cpu_us(void);

/* Flush, and take completions until no more than so many bytes wait. A store of LevelDB. */
void measure_wait(struct store *store, size_t backlog);

#endif
