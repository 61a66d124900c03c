/* level.h - consistency levels and kinds of writes, with the native protocol's numbers and words.
 */
#ifndef TORC_NODE_COORD_LEVEL_H
#define TORC_NODE_COORD_LEVEL_H

#include "base/types.h"

#define LEVEL_LIST(X)                                                                              \
    X(ANY, 0x0)                                                                                    \
    X(ONE, 0x1)                                                                                    \
    X(TWO, 0x2)                                                                                    \
    X(THREE, 0x3)                                                                                  \
    X(QUORUM, 0x4)                                                                                 \
    X(ALL, 0x5)                                                                                    \
    X(LOCAL_QUORUM, 0x6)                                                                           \
    X(EACH_QUORUM, 0x7)                                                                            \
    X(SERIAL, 0x8)                                                                                 \
    X(LOCAL_SERIAL, 0x9)                                                                           \
    X(LOCAL_ONE, 0xA)

enum level {
#define X(name, number) LEVEL_##name = number,
    LEVEL_LIST(X)
#undef X
};

#define WRITE_KIND_LIST(X)                                                                         \
    X(SIMPLE, 0)                                                                                   \
    X(BATCH, 1)                                                                                    \
    X(UNLOGGED_BATCH, 2)                                                                           \
    X(COUNTER, 3)                                                                                  \
    X(BATCH_LOG, 4)                                                                                \
    X(CAS, 5)

enum write_kind {
#define X(name, number) WRITE_##name = number,
    WRITE_KIND_LIST(X)
#undef X
};

/* "LOCAL_QUORUM"; "?" for a number that is none. */
const char *level_name(enum level level);
bool level_valid(uint32_t number);

/* LOCAL_ONE, LOCAL_QUORUM and LOCAL_SERIAL: only replicas of the coordinator's data centre count.
 */
bool level_is_local(enum level level);

#endif
