/* overlay.h - an ordered map of operations whose iterators see it as it was when they were made.
 *
 * Under store_leveldb it holds what is written and not yet in LevelDB; under store_mem, all there
 * is. Iterators are short-lived and writes under a living iterator are rare (collapsing fragments
 * at the end of a scan), so the price is put there: before an entry changes, every living iterator
 * that has not kept the old one yet keeps a copy in a map of its own, which overrides the shared
 * one.
 */
#ifndef TORC_STORAGE_OVERLAY_H
#define TORC_STORAGE_OVERLAY_H

#include "base/buf.h"
#include "base/list.h"
#include "base/omap.h"

struct overlay {
    struct omap map; /* key -> u64 group, u8 is_put, value */
    struct list iters;
    struct buf scratch;
};

struct overlay_entry {
    uint64_t group; /* who put it there; the owner's numbers */
    bool is_put;
    struct bytes value;
};

void overlay_init(struct overlay *o);
void overlay_close(struct overlay *o);
void overlay_set(struct overlay *o, struct bytes key, struct overlay_entry entry);
void overlay_remove(struct overlay *o, struct bytes key); /* harmless when it is not there */
bool overlay_find(const struct overlay *o, struct bytes key, struct overlay_entry *ret_entry);

/* The first key that is not below; false: there is none. */
bool overlay_first(const struct overlay *o, struct bytes key, struct bytes *ret_key);

struct overlay_iter {
    struct list link;
    struct overlay *overlay;
    struct omap saved; /* key -> u8 was there, the old entry */
    bool valid;
    struct omap_node *node; /* where it stands; NULL after a change: then `key` says where */
    bool node_saved;        /* the node is one of `saved` */
    struct buf key;
};

/* The iterator must not move in memory while it lives. It begins invalid. */
void overlay_iter_init(struct overlay_iter *i, struct overlay *o);
void overlay_iter_close(struct overlay_iter *i);
void overlay_iter_seek(struct overlay_iter *i, struct bytes key);      /* first >= */
void overlay_iter_seek_last(struct overlay_iter *i, struct bytes key); /* last < */
void overlay_iter_next(struct overlay_iter *i);
void overlay_iter_prev(struct overlay_iter *i);
struct bytes overlay_iter_key(const struct overlay_iter *i);
struct overlay_entry overlay_iter_entry(const struct overlay_iter *i);

#endif
