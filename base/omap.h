/* omap.h - an ordered map from bytes to bytes; it owns copies of both.
 *
 * A treap with parent pointers. The priorities come from a counter run through a mixer, so the
 * same operations give the same tree, and keys chosen by a client, which cannot choose the
 * priorities, do not make it deep: every operation is O(log n) expected.
 *
 * Invariants, asserted by omap_check():
 *   (1) In-order traversal gives the keys in bytes_compare order, each once.
 *   (2) No node has a higher priority than its parent.
 *   (3) `count` and `memory` are what a full traversal would add up to.
 *
 * Ownership: a node, and the view of its key, stays valid until that very key is removed or the map
 * is cleared; putting and removing other keys does not move it. The view of a value ends with the
 * next put of its key. The map does not bound itself: the owner watches omap_memory().
 */
#ifndef TORC_BASE_OMAP_H
#define TORC_BASE_OMAP_H

#include "base/bytes.h"

struct omap_node; /* Opaque. */

struct omap {
    struct omap_node *root;
    size_t count;
    size_t memory;
    uint64_t made; /* nodes ever made: the source of the priorities */
};

void omap_init(struct omap *m);
void omap_clear(struct omap *m); /* drop everything; the map can be used on */
void omap_close(struct omap *m); /* accepts NULL and a zeroed map */

size_t omap_count(const struct omap *m);
size_t omap_memory(const struct omap *m); /* bytes held: nodes, keys and values */

/* Set the value of `key`, new or not; the node keeps its place when it was there. */
struct omap_node *omap_put(struct omap *m, struct bytes key, struct bytes value);

/* False, and *ret_value untouched, when the key is not there. ret_value may be NULL. */
bool omap_get(const struct omap *m, struct bytes key, struct bytes *ret_value);

/* False when the key is not there. `key` may be the view of the removed node's own key. */
bool omap_remove(struct omap *m, struct bytes key);
void omap_remove_node(struct omap *m, struct omap_node *node);

/* All return NULL when there is no such node. */
struct omap_node *omap_find(const struct omap *m, struct bytes key);
struct omap_node *omap_seek(const struct omap *m, struct bytes key);        /* the first >= key */
struct omap_node *omap_seek_before(const struct omap *m, struct bytes key); /* the last < key */
struct omap_node *omap_first(const struct omap *m);
struct omap_node *omap_last(const struct omap *m);
struct omap_node *omap_next(const struct omap_node *node);
struct omap_node *omap_prev(const struct omap_node *node);

struct bytes omap_key(const struct omap_node *node);
struct bytes omap_value(const struct omap_node *node);

/* Assert the invariants. O(n). */
void omap_check(const struct omap *m);

#endif
