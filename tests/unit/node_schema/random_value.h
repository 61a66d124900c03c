/* random_value.h - values of any type, with a liking for edges. */
#ifndef TORC_TESTS_RANDOM_VALUE_H
#define TORC_TESTS_RANDOM_VALUE_H

#include "base/rng.h"
#include "node/schema/value.h"

/* A type that may be part of a clustering key; nested up to `depth`. */
const struct cql_type *random_key_type(struct rng *r, struct arena *a, unsigned depth);

/* Any scalar, frozen collection, tuple, vector or frozen user-defined type. */
const struct cql_type *random_type(struct rng *r, struct arena *a, unsigned depth);

/* A valid value, sets and maps sorted; bytes in the arena. */
struct bytes random_value(struct rng *r, struct arena *a, const struct cql_type *type);

#endif
