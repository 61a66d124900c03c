/* maxima.h - per bucket of partitions, an upper bound of all timestamps ever applied there.
 *
 * A write above the bound of its bucket is newer than all there is: nobody need read to know that
 * it wins. A deletion covers many rows, so the buckets are of partitions, not of rows.
 *
 * The buckets are in memory. Over a restart the bound is kept in a coarser form, in *groups* of
 * buckets: a record of a group holds a bound that runs ahead of what is written (so that few writes
 * move it) and, beside it, the buckets with a timestamp far beyond all others of the group. Else
 * one timestamp from the far future would make a whole group of no use for ever. A bucket that was
 * not written since the start has the bound of its group.
 *
 * Who writes: maxima_note, and when it says so, the record of the group into the store, no later
 * than what has that timestamp. What is noted and then not written does no harm: it is a bound.
 *
 * Pure: no clock. What is far is told from the other timestamps of the group.
 */
#ifndef TORC_STORAGE_MAXIMA_H
#define TORC_STORAGE_MAXIMA_H

#include "base/buf.h"

#define MAXIMA_BITS       19u /* 2^19 buckets of 8 bytes */
#define MAXIMA_GROUP_BITS 10u
#define MAXIMA_GROUPS     (1u << MAXIMA_GROUP_BITS)
#define MAXIMA_FAR_MAX    8u                             /* buckets of a group */
#define MAXIMA_FAR_US     ((int64_t)24 * 3600 * 1000000) /* so far from the others is far */
#define MAXIMA_AHEAD_US   ((int64_t)10 * 1000000)

struct maxima_group {
    int64_t floor;     /* of buckets not written since the start */
    int64_t bound;     /* as stored: none of the group is above it, but for the far ones */
    uint64_t *buckets; /* timestamps, moved so that zero is the least; NULL: none was written */
    uint32_t far_count;
    struct maxima_far {
        uint32_t bucket;
        int64_t timestamp;
    } far[MAXIMA_FAR_MAX]; /* ascending by timestamp; one for each bucket */
};

struct maxima {
    struct maxima_group *groups;
};

void maxima_init(struct maxima *m);
void maxima_close(struct maxima *m);

/* What stands for a partition below. */
uint64_t maxima_hash(table_no table, token place);

/* Nothing in the bucket has a timestamp above this; TIMESTAMP_NONE (part.h) when nothing was ever
 * there. */
int64_t maxima_at(const struct maxima *m, uint64_t hash);

/* Whether that is the bound of the group, from before the start: nothing need have that timestamp.
 */
bool maxima_is_bound(const struct maxima *m, uint64_t hash);

/* A timestamp is being written. True: the record of that group is to be stored with it or before.
 */
bool maxima_note(struct maxima *m, uint64_t hash, int64_t timestamp, uint32_t *ret_group);

/* The record: i64 bound, u8 count, (u32 bucket, i64 timestamp)*. Reading: once for each
 * group, before anything is noted. ERR_CORRUPT when it is none. */
void maxima_group_write(const struct maxima *m, uint32_t group, struct buf *out);
enum err maxima_group_read(struct maxima *m, uint32_t group, struct bytes in) MUST_CHECK;

/* Of all; TIMESTAMP_NONE when nothing was ever applied. */
int64_t maxima_largest(const struct maxima *m);

#endif
