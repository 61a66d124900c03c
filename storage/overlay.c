#include "storage/overlay.h"

#include "base/mem.h"

#define HEAD 9 /* bytes before the value */

void overlay_init(struct overlay *o)
{
    omap_init(&o->map);
    list_init(&o->iters);
    buf_init(&o->scratch, SIZE_MAX);
}

void overlay_close(struct overlay *o)
{
    ASSERT(list_empty(&o->iters));
    omap_close(&o->map);
    buf_close(&o->scratch);
}

static struct overlay_entry entry_decode(struct bytes b)
{
    return (struct overlay_entry){load_u64(b.data), b.data[8] != 0,
                                  bytes_make(b.data + HEAD, b.len - HEAD)};
}

/* Before the entry of this key changes. */
static void preserve(struct overlay *o, struct bytes key)
{
    list_each (at, &o->iters) {
        struct overlay_iter *i = container_of(at, struct overlay_iter, link);
        struct bytes old = BYTES_NONE;
        if (i->valid && i->node != NULL) { /* the node may go away: remember the place by its key */
            buf_clear(&i->key);
            buf_put_bytes(&i->key, omap_key(i->node));
            i->node = NULL;
        }
        if (omap_find(&i->saved, key) != NULL)
            continue;
        bool there = omap_get(&o->map, key, &old);
        struct buf copy;
        buf_init(&copy, SIZE_MAX);
        buf_put_u8(&copy, there);
        buf_put_bytes(&copy, old);
        omap_put(&i->saved, key, buf_bytes(&copy));
        buf_close(&copy);
    }
}

void overlay_set(struct overlay *o, struct bytes key, struct overlay_entry entry)
{
    preserve(o, key);
    buf_clear(&o->scratch);
    buf_put_u64(&o->scratch, entry.group);
    buf_put_u8(&o->scratch, entry.is_put);
    buf_put_bytes(&o->scratch, entry.value);
    omap_put(&o->map, key, buf_bytes(&o->scratch));
}

void overlay_remove(struct overlay *o, struct bytes key)
{
    preserve(o, key);
    omap_remove(&o->map, key);
}

bool overlay_find(const struct overlay *o, struct bytes key, struct overlay_entry *ret_entry)
{
    struct bytes found;
    if (!omap_get(&o->map, key, &found))
        return false;
    *ret_entry = entry_decode(found);
    return true;
}

bool overlay_first(const struct overlay *o, struct bytes key, struct bytes *ret_key)
{
    const struct omap_node *n = omap_seek(&o->map, key);
    if (n != NULL)
        *ret_key = omap_key(n);
    return n != NULL;
}

void overlay_iter_init(struct overlay_iter *i, struct overlay *o)
{
    *i = (struct overlay_iter){.overlay = o};
    omap_init(&i->saved);
    buf_init(&i->key, SIZE_MAX);
    list_push_back(&o->iters, &i->link);
}

void overlay_iter_close(struct overlay_iter *i)
{
    list_remove(&i->link);
    omap_close(&i->saved);
    buf_close(&i->key);
}

/* Step over nodes of the shared map that the iterator has an older entry for. */
static struct omap_node *skip_overridden(const struct overlay_iter *i, struct omap_node *n,
                                         bool forward)
{
    if (omap_count(&i->saved) == 0)
        return n;
    while (n != NULL && omap_find(&i->saved, omap_key(n)) != NULL)
        n = forward ? omap_next(n) : omap_prev(n);
    return n;
}

/* Step over keys that were not there. */
static struct omap_node *skip_absent(struct omap_node *n, bool forward)
{
    while (n != NULL && omap_value(n).data[0] == 0)
        n = forward ? omap_next(n) : omap_prev(n);
    return n;
}

static void stand_at(struct overlay_iter *i, struct omap_node *shared, struct omap_node *saved,
                     bool forward)
{
    shared = skip_overridden(i, shared, forward);
    saved = skip_absent(saved, forward);
    i->node_saved = saved != NULL;
    if (saved != NULL && shared != NULL)
        i->node_saved = (bytes_compare(omap_key(saved), omap_key(shared)) < 0) == forward;
    i->node = i->node_saved ? saved : shared;
    i->valid = i->node != NULL;
}

void overlay_iter_seek(struct overlay_iter *i, struct bytes key)
{
    stand_at(i, omap_seek(&i->overlay->map, key), omap_seek(&i->saved, key), true);
}

void overlay_iter_seek_last(struct overlay_iter *i, struct bytes key)
{
    stand_at(i, omap_seek_before(&i->overlay->map, key), omap_seek_before(&i->saved, key), false);
}

void overlay_iter_next(struct overlay_iter *i)
{
    ASSERT(i->valid);
    if (i->node != NULL && omap_count(&i->saved) == 0) {
        i->node = omap_next(i->node);
        i->valid = i->node != NULL;
        return;
    }
    struct bytes at = overlay_iter_key(i);
    struct buf after; /* the smallest key greater than this one */
    buf_init(&after, SIZE_MAX);
    buf_put_bytes(&after, at);
    buf_put_u8(&after, 0);
    overlay_iter_seek(i, buf_bytes(&after));
    buf_close(&after);
}

void overlay_iter_prev(struct overlay_iter *i)
{
    ASSERT(i->valid);
    if (i->node != NULL && omap_count(&i->saved) == 0) {
        i->node = omap_prev(i->node);
        i->valid = i->node != NULL;
        return;
    }
    overlay_iter_seek_last(i, overlay_iter_key(i));
}

struct bytes overlay_iter_key(const struct overlay_iter *i)
{
    ASSERT(i->valid);
    return i->node != NULL ? omap_key(i->node) : buf_bytes(&i->key);
}

struct overlay_entry overlay_iter_entry(const struct overlay_iter *i)
{
    ASSERT(i->valid);
    struct bytes found = BYTES_NONE;
    if (i->node != NULL && !i->node_saved)
        return entry_decode(omap_value(i->node));
    if (i->node != NULL)
        found = omap_value(i->node);
    else if (!omap_get(&i->saved, buf_bytes(&i->key), &found)) {
        omap_get(&i->overlay->map, buf_bytes(&i->key), &found);
        return entry_decode(found);
    }
    return entry_decode(bytes_make(found.data + 1, found.len - 1));
}
