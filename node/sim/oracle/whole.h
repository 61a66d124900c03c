/* whole.h - batches that put one id into several places: all of them have it in the end, or none.
 *
 * Like history.h it knows nothing of Torc but its promises. While things go on a read of a place
 * must show what was acked by w replicas before it began, if w + r > replicas, and nothing that was
 * not begun; nothing is said of other places then, for a batch is atomic, not isolated. In the end,
 * when all replicas are equal, each place is read once more, and then (whole_end)
 *
 *   (1) what was acked is in all of its places,
 *   (2) what was not is in all of them or in none,
 *
 * but for batches that as many disks as had a copy of them may have taken along.
 */
#ifndef TORC_NODE_SIM_ORACLE_WHOLE_H
#define TORC_NODE_SIM_ORACLE_WHOLE_H

#include "base/err.h"
#include "base/types.h"

#define WHOLE_PLACES_MAX 32

struct whole; /* Opaque. */

struct whole *whole_new(uint32_t replicas);
void whole_free(struct whole *w); /* accepts NULL */

/* A batch begins: bit i of `places` is place i. `copies`: so many replicas have each part of it at
 * least, once it is said to be done. Batches are numbered from 0 on. */
size_t whole_begin(struct whole *w, uint32_t places, uint32_t copies, usec start);
void whole_acked(struct whole *w, size_t batch, usec end, uint32_t replicas);

/* The batches from first on, `count` of them, that a place shows. */
struct whole_read {
    uint32_t place;
    size_t first, count;
    uint32_t replicas; /* that have answered; 0: nothing was promised */
    usec start, end;
};
bool whole_judge(struct whole *w, const struct whole_read *r, const int64_t *ids, size_t count,
                 bool final, struct errmsg *why) MUST_CHECK;
bool whole_end(const struct whole *w, struct errmsg *why) MUST_CHECK;

/* Batches in all, and those that a read had to show. */
size_t whole_count(const struct whole *w);
uint64_t whole_held(const struct whole *w);

void whole_disk_lost(struct whole *w, usec at);

#endif
