#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCHES      7
#define BATCH_NS_MIN 20e6

static volatile uint64_t used;

void bench_use(uint64_t result)
{
    used = result;
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double batch(void (*operations)(void *, uint64_t), void *arg, uint64_t n)
{
    double start = cpu_ns();
    operations(arg, n);
    return cpu_ns() - start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void bench_run(const char *name, void (*operations)(void *arg, uint64_t n), void *arg)
{
    double each[BATCHES];
    uint64_t n = 1;
    while (batch(operations, arg, n) < BATCH_NS_MIN)
        n *= 2;
    for (int i = 0; i < BATCHES; i++)
        each[i] = batch(operations, arg, n) / (double)n;
    qsort(each, BATCHES, sizeof each[0], compare);
    printf("%-32s %10.1f ns   median %10.1f ns\n", name, each[0], each[BATCHES / 2]);
}
