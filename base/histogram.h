/* histogram.h - how often which value occurred: log-linear buckets, exact below 64.
 *
 * Every power of two is cut into 32 equal buckets, and a percentile answers with the middle of a
 * bucket, so it is off by at most 1/64 of the value (1.6 %). Values above HISTOGRAM_VALUE_MAX
 * (2^35: 9.5 hours in microseconds, 32 GiB in bytes) are counted in the last bucket, negative ones
 * as 0; sum, min and max are exact for all of them. Plain data without pointers, under 8 KiB:
 * copy it, merge it, no release needed. Zeroed is empty.
 */
#ifndef TORC_BASE_HISTOGRAM_H
#define TORC_BASE_HISTOGRAM_H

#include "base/types.h"

#define HISTOGRAM_VALUE_BITS 35
#define HISTOGRAM_VALUE_MAX  (((int64_t)1 << HISTOGRAM_VALUE_BITS) - 1)
#define HISTOGRAM_BUCKETS    (64 + (HISTOGRAM_VALUE_BITS - 6) * 32)

struct histogram {
    uint64_t count;
    int64_t sum; /* stops at INT64_MAX */
    int64_t min; /* 0 while empty, as is max */
    int64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_record(struct histogram *h, int64_t value);
void histogram_halve(struct histogram *h); /* as if every second value had not been recorded */
void histogram_merge(struct histogram *h, const struct histogram *other);

/* The value that `per_million` of the recorded values do not exceed: 500000 is the median, 0 the
 * minimum, 1000000 the maximum. 0 while empty. */
int64_t histogram_percentile(const struct histogram *h, uint32_t per_million);
int64_t histogram_mean(const struct histogram *h); /* rounded down; 0 while empty */

/* How many recorded values were below 2^bits; exact, for bits <= HISTOGRAM_VALUE_BITS. */
uint64_t histogram_below(const struct histogram *h, unsigned bits);

#endif
