/* gaps.h - stretches of keys in which nothing lives, remembered by who has walked over them.
 *
 * A store that never writes in place keeps what was removed or overwritten until it compacts it,
 * and who walks there steps over all of it, each time anew: a row that is overwritten for ever lies
 * behind all that it has ever been. So an iterator that had to step over much remembers the
 * stretch, and those after it begin behind it.
 *
 *     from                          to
 *      | x x x x x x x x x x x x x x | live     x: gone
 *
 * Invariants, for who uses it (store_leveldb_walk.c says why they hold):
 *   (1) Nothing lives at from <= key < to, for an iterator whose number is `since` or more.
 *   (2) What is about to be put is cut out before it can be seen.
 *   (3) Stretches are ascending, and do not touch each other.
 *
 * Bounded, in number and in bytes: what was not used for longest is forgotten. That, and a restart,
 * costs one walk. Pure; owns copies of the keys.
 */
#ifndef TORC_STORAGE_GAPS_H
#define TORC_STORAGE_GAPS_H

#include "base/buf.h"

#define GAPS_MAX       256u
#define GAPS_BYTES_MAX ((size_t)1 << 20) /* of keys */

struct gap { /* from <= key < to */
    struct buf from, to;
    uint64_t since; /* true for iterators from this number on */
    bool behind;    /* when it was found there was a key that `from` is right behind: key, 0x00 */
    uint64_t used;
};

struct gaps {
    struct gap of[GAPS_MAX]; /* ascending */
    size_t count;
    size_t bytes;
    uint64_t
        version; /* another one after each change: pointers are good as long as it is the same */
    uint64_t uses;
};

void gaps_init(struct gaps *g);
void gaps_close(struct gaps *g);

/* Nothing lives there, for iterators from this number on. Joined with what it meets. */
void gaps_add(struct gaps *g, struct bytes from, struct bytes to, uint64_t since, bool behind);

/* Something is put there. */
void gaps_cut(struct gaps *g, struct bytes key);

/* The one that has the key; the first that begins above it; the one that ends with it (to == key).
 * NULL: there is none. */
const struct gap *gaps_at(const struct gaps *g, struct bytes key);
const struct gap *gaps_above(const struct gaps *g, struct bytes key);
const struct gap *gaps_before(const struct gaps *g, struct bytes key);

void gaps_use(struct gaps *g, const struct gap *gap); /* it was worth remembering */

#endif
