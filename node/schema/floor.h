/* floor.h - times rounded down to a multiple of a duration: CQL's floor. */
#ifndef TORC_NODE_SCHEMA_FLOOR_H
#define TORC_NODE_SCHEMA_FLOOR_H

#include "node/schema/value.h"

/* Milliseconds since the epoch, counted from `start`. Months are counted in the calendar. A
 * duration of nothing leaves the time as it is. ERR_INVALID with Cassandra's words: a negative
 * duration, a start after the time. */
enum err floor_timestamp(int64_t ms, const struct cql_duration *d, int64_t start, int64_t *ret,
                         struct errmsg *e) MUST_CHECK;

/* Nanoseconds since midnight; the duration is less than a day. */
enum err floor_time(int64_t nanos, const struct cql_duration *d, int64_t *ret,
                    struct errmsg *e) MUST_CHECK;

#endif
