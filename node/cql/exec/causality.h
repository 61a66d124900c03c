/* causality.h - the blob that causality() gives and USING CAUSALITY takes: which writes to one
 * partition a client has seen.
 *
 *   blob = version:u8 = 1, partition:u32, dots (storage/siblings.h)
 *
 * An empty one says that nothing was seen. Dots are unique in a range of a keyspace only, so the
 * blob says which partition it is of: brought to another one it is refused, for there the same dots
 * may name other writes.
 */
#ifndef TORC_NODE_CQL_EXEC_CAUSALITY_H
#define TORC_NODE_CQL_EXEC_CAUSALITY_H

#include "node/cql/exec/core.h"

#define CAUSALITY_VERSION 1

struct causality {
    bool of_any; /* nothing was seen, wherever */
    uint32_t partition;
    struct dots dots;
};

/* How a blob names a partition. */
uint32_t causality_partition(keyspace_no keyspace, token at);

/* In the run's arena. Of more dots than a write may supersede it has the first: a context that has
 * seen less replaces less. */
struct bytes causality_put(struct run *r, keyspace_no keyspace, token at, const struct dots *dots);

/* ERR_MALFORMED when it is no such blob. The dots live in the arena. Pure. */
enum err causality_read(struct bytes blob, struct arena *arena, struct causality *ret) MUST_CHECK;

/* Both sets of dots. */
struct dots causality_join(struct run *r, const struct dots *a, const struct dots *b);

#endif
