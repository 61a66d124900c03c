/* bench.h - how long one operation of a core takes, on this machine, now.
 *
 * For comparing two commits on one machine, not for promises: nothing asserts on a time. A function
 * performs n operations; n is doubled until a batch takes 20 ms, then seven batches are timed with
 * the CPU clock of the process. The fastest is the figure (what disturbs only ever adds), the
 * median beside it says how disturbed the machine was.
 */
#ifndef TORC_TESTS_BENCH_BENCH_H
#define TORC_TESTS_BENCH_BENCH_H

#include <stdint.h>

/* Measure and print one line. */
void bench_run(const char *name, void (*operations)(void *arg, uint64_t n), void *arg);

/* Hand over a result, so that the compiler cannot leave out what made it. */
void bench_use(uint64_t result);

#endif
