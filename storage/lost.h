/* lost.h - stretches of keys that a store has lost, or may show as they once were.
 *
 * What is lost of one directory is told of until it has been dealt with: each finding has an id of
 * its own. Bounded: of more than LOST_SPANS_MAX stretches neighbours are told of as one.
 */
#ifndef TORC_STORAGE_LOST_H
#define TORC_STORAGE_LOST_H

#include "base/buf.h"

#define LOST_SPANS_MAX 256u

struct lost_span { /* from <= key <= to */
    struct buf from, to;
};

struct lost_keys {
    uint64_t id; /* of the last finding; 0: nothing was ever lost */
    struct lost_span spans[LOST_SPANS_MAX];
    size_t count;
};

void lost_init(struct lost_keys *l);
void lost_close(struct lost_keys *l);
void lost_copy(struct lost_keys *l, const struct lost_keys *from);
void lost_forget(struct lost_keys *l); /* the stretches; not the id */
void lost_add(struct lost_keys *l, struct bytes from, struct bytes to);

/* Is any key of from <= key < upto lost? upto empty: no end. */
bool lost_touches(const struct lost_keys *l, struct bytes from, struct bytes upto);

bool lost_has(const struct lost_keys *l, struct bytes key);

/* lost := u64 id, (vbytes from, vbytes to)*; with a checksum behind. ERR_CORRUPT */
void lost_encode(const struct lost_keys *l, struct buf *out);
enum err lost_decode(struct bytes in, struct lost_keys *ret) MUST_CHECK;

#endif
