/* timers.h - many deadlines, one answer: the earliest. An intrusive binary heap; equal times come
 * out in the order they were set, so that a run can be repeated. */
#ifndef TORC_BASE_TIMERS_H
#define TORC_BASE_TIMERS_H

#include "base/types.h"

struct timer {
    usec at;
    uint64_t order;
    size_t slot; /* 1-based place in the heap; 0: not set. A zeroed timer is valid. */
};

struct timers {
    struct timer **heap;
    size_t count, cap;
    uint64_t orders;
};

void timers_init(struct timers *t);
void timers_close(struct timers *t);                             /* forgets the timers it holds */
void timers_set(struct timers *t, struct timer *timer, usec at); /* also moves one already set */
void timers_cancel(struct timers *t, struct timer *timer);       /* accepts one that is not set */
usec timers_next(const struct timers *t);                        /* USEC_NEVER when there is none */

/* Take out the earliest timer due at `now`, or NULL. */
struct timer *timers_pop(struct timers *t, usec now);

#endif
