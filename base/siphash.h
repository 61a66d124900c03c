/* siphash.h - SipHash-2-4: 64 bits that nobody can steer who does not have the key.
 *
 * For digests that are stored and compared between machines, of bytes that a client has chosen.
 * (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.) Pure. */
#ifndef TORC_BASE_SIPHASH_H
#define TORC_BASE_SIPHASH_H

#include "base/bytes.h"

struct siphash_key {
    uint8_t b[16];
};

uint64_t siphash(const struct siphash_key *key, struct bytes in);

#endif
