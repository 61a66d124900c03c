/* tally.h - counters: what was added, and whether a value that is read can be a sum of it.
 *
 * Like history.h it knows nothing of Torc but its promises. Each request that adds is told here
 * once, however often it is sent, and must count once at most:
 *
 *   must   acked by w replicas before a read of r began, w + r > replicas
 *   may    begun before the read ended
 *   value  the sum over a set of requests with  must <= set <= may
 *
 * What a request adds is 2^40 plus a small number of its own (tally_add makes it), so a value says
 * how many requests it has, and its lower half which they can be. A read of r replicas is never
 * followed by one of s with fewer requests, when r + s > replicas. In the end (tally_all_equal) all
 * that was acked by anybody counts. A lost disk takes one replica from what was known before.
 */
#ifndef TORC_NODE_SIM_ORACLE_TALLY_H
#define TORC_NODE_SIM_ORACLE_TALLY_H

#include "base/err.h"
#include "base/rng.h"
#include "base/types.h"

#define TALLY_NOTHING    INT64_MIN /* the counter has no value */
#define TALLY_ADDED_MAX  4096u     /* requests of one counter: more would not fit the value */
#define TALLY_UNSURE_MAX 16u /* of so many requests every set is tried, of more only counted */

struct tally; /* Opaque. */

struct tally *tally_new(uint32_t replicas);
void tally_free(struct tally *t); /* accepts NULL */

/* How many requests have begun to add to it. */
size_t tally_count(const struct tally *t, uint64_t key);

/* A request begins; the number is for tally_added, *ret_delta is what it adds. */
size_t tally_add(struct tally *t, uint64_t key, struct rng *rng, usec start, int64_t *ret_delta);

/* It was acked by so many replicas. Who is not told may count or not, for ever. */
void tally_added(struct tally *t, size_t request, usec end, uint32_t replicas);

struct tally_read {
    uint64_t key;
    uint32_t replicas; /* 0: nothing was promised, but that it was added */
    usec start, end;
};
bool tally_judge(struct tally *t, const struct tally_read *r, int64_t value,
                 struct errmsg *why) MUST_CHECK;

/* Reads that had to show something. */
uint64_t tally_held(const struct tally *t);

void tally_disk_lost(struct tally *t, usec at);
void tally_all_equal(struct tally *t, usec at);

#endif
