/* rng.h - seeded random numbers: xoshiro256** (Blackman and Vigna), seeded by splitmix64.
 *
 * The only randomness a core has. Not for secrets.
 */
#ifndef TORC_BASE_RNG_H
#define TORC_BASE_RNG_H

#include "base/types.h"

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* uniform in 0 .. bound-1; bound > 0 */
int64_t rng_between(struct rng *r, int64_t low, int64_t high); /* both ends included */
bool rng_chance(struct rng *r, uint32_t in_million);
double rng_unit(struct rng *r);      /* [0, 1); for tests and load, never for protocol decisions */
struct uuid rng_uuid(struct rng *r); /* version 4 */

/* A generator of its own, for a subsystem, that does not disturb this one's sequence further. */
struct rng rng_fork(struct rng *r);

#endif
