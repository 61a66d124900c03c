/* spans.h - stretches of keys that wait to be compacted.
 *
 * Bounded. What overlaps is joined, so that nothing is compacted twice for having been asked for
 * twice; the rest comes in the order in which it was asked for. Pure; owns copies of the keys.
 */
#ifndef TORC_STORAGE_SPANS_H
#define TORC_STORAGE_SPANS_H

#include "base/buf.h"

#define SPANS_MAX 64u

struct span { /* from <= key <= to */
    struct buf from, to;
};

struct spans {
    struct span waiting[SPANS_MAX];
    size_t count;
};

void span_init(struct span *s);
void span_close(struct span *s);
void span_set(struct span *s, struct bytes from, struct bytes to);
void span_add_key(struct span *s, struct bytes key); /* it grows, if it must, to have it */

void spans_init(struct spans *s);
void spans_close(struct spans *s);

/* False: there is no room. */
bool spans_add(struct spans *s, struct bytes from, struct bytes to);

/* The one that waited longest. False: none waits. */
bool spans_take(struct spans *s, struct span *ret);

/* A key about halfway between both, as if keys were numbers; from <= *ret < to. False: they are too
 * near to each other. */
bool span_middle(struct bytes from, struct bytes to, struct buf *ret);

#endif
