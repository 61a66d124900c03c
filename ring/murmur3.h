/* murmur3.h - the hash that places a partition on the ring.
 *
 * MurmurHash3 x64 128 with seed 0 as Cassandra computes it, which differs from the textbook in one
 * place: the bytes of the last, incomplete block are sign-extended before they are shifted. Every
 * driver repeats this, so it can never be put right.
 */
#ifndef TORC_RING_MURMUR3_H
#define TORC_RING_MURMUR3_H

#include "base/bytes.h"

struct murmur3 {
    uint64_t h1;
    uint64_t h2;
};

/* The raw 128 bits, sign-extended tail included. */
struct murmur3 murmur3_hash(struct bytes key);

/* The token of a serialised partition key: h1 as a signed number, with INT64_MIN made INT64_MAX.
 * Only the empty key has the token INT64_MIN. */
token murmur3_token(struct bytes key);

#endif
