/* store_mem_faults.c - ends, failures, damage and loss: what a disk does to those who rely on it.
 */
#include "base/mem.h"
#include "storage/store_mem_private.h"

#define BLOCK_BYTES 4096 /* of a block of LevelDB, about: what one checksum covers */

static void revert(struct store_mem *m, struct group *g)
{
    for (size_t i = g->undo_count; i-- > 0;) {
        const struct undo *u = &g->undo[i];
        if (u->damaged)
            overlay_set(&m->view, u->key, (struct overlay_entry){ENTRY_DAMAGED, true, u->value});
        else
            mem_set(&m->view, u->key, u->had, u->value);
    }
    g->undo_count = 0;
}

static void undo_group(struct store_mem *m, struct group *g)
{
    revert(m, g);
    m->backlog -= g->bytes;
    mem_group_free(g);
}

void store_mem_crash(struct store *s, size_t keep)
{
    struct store_mem *m = mem_of(s);
    size_t groups = store_mem_pending(s);
    ASSERT(list_empty(&m->view.iters));
    if (m->filling != NULL)
        undo_group(m, m->filling);
    m->filling = NULL;
    mem_groups_free(&m->done);
    for (; groups > keep; groups--)
        undo_group(m, container_of(m->flushed.prev, struct group, link));
    list_each (at, &m->flushed)
        container_of(at, struct group, link)->tickets_count = 0;
    m->journal = (struct store_journal){0};
    m->failed = ERR_OK;
    mem_free(m->failure);
    m->failure = NULL;
}

void store_mem_fail(struct store *s, size_t written, enum err err, const char *why)
{
    struct store_mem *m = mem_of(s);
    size_t at_group = store_mem_pending(s);
    if (m->failed != ERR_OK)
        return;
    m->failed = err;
    m->failure = mem_text(why);
    if (m->filling != NULL)
        revert(m, m->filling);
    for (struct list *at = m->flushed.prev; at != &m->flushed; at = at->prev) {
        if (at_group-- > written)
            revert(m, container_of(at, struct group, link));
    }
    for (size_t i = 0; !list_empty(&m->flushed); i++)
        mem_group_done(m, group_first(&m->flushed), i < written, err);
}

/* --- what cannot be read */

void store_mem_fail_reads(struct store *s, struct bytes start, struct bytes end, enum err err)
{
    struct store_mem *m = mem_of(s);
    buf_clear(&m->bad_start);
    buf_clear(&m->bad_end);
    buf_put_bytes(&m->bad_start, start);
    buf_put_bytes(&m->bad_end, end);
    m->bad = err;
}

void store_mem_fail_some_reads(struct store *s, uint32_t one_in)
{
    mem_of(s)->bad_one_in = one_in;
}

/* The group that changed it first knows what it was before. False: none has changed it. */
static bool damage_undo(struct group *g, struct bytes key)
{
    for (size_t i = 0; g != NULL && i < g->undo_count; i++) {
        if (!bytes_equal(g->undo[i].key, key))
            continue;
        g->undo[i].damaged = g->undo[i].had;
        return true;
    }
    return false;
}

static void damage_entry(struct store_mem *m, struct bytes key, struct bytes value)
{
    struct overlay_entry entry = {ENTRY_DAMAGED, true, value};
    bool changed = false;
    list_each (at, &m->flushed)
        changed = changed || damage_undo(container_of(at, struct group, link), key);
    changed = changed || damage_undo(m->filling, key);
    if (!changed)
        overlay_set(&m->view, key, entry);
    overlay_set(&m->durable, key, entry);
    m->damaged++;
}

uint32_t store_mem_damage(struct store *s, size_t place)
{
    struct store_mem *m = mem_of(s);
    uint32_t count = 0;
    size_t bytes = 0;
    struct buf key, value;
    ASSERT(list_empty(&m->view.iters));
    ASSERT(list_empty(&m->durable.iters));
    struct omap_node *n = omap_first(&m->durable.map);
    for (size_t i = 0; i < place && n != NULL; i++)
        n = omap_next(n);
    buf_init(&key, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    while (n != NULL && bytes < BLOCK_BYTES) {
        struct overlay_entry e;
        buf_clear(&key);
        buf_clear(&value);
        buf_put_bytes(&key, omap_key(n));
        overlay_find(&m->durable, buf_bytes(&key), &e);
        buf_put_bytes(&value, e.value);
        bytes += key.len + value.len;
        if (e.group != ENTRY_DAMAGED) {
            damage_entry(m, buf_bytes(&key), buf_bytes(&value));
            count++;
        }
        n = omap_next(n);
    }
    buf_close(&key);
    buf_close(&value);
    return count;
}

/* The entries of one block are neighbours: so one stretch of keys. */
uint32_t store_mem_mend(struct store *s)
{
    struct store_mem *m = mem_of(s);
    struct buf from, to, key;
    uint32_t count = 0;
    buf_init(&from, SIZE_MAX);
    buf_init(&to, SIZE_MAX);
    buf_init(&key, SIZE_MAX);
    struct omap_node *n = omap_first(&m->durable.map);
    while (n != NULL) {
        struct overlay_entry e;
        buf_clear(&key);
        buf_put_bytes(&key, omap_key(n));
        n = omap_next(n);
        overlay_find(&m->durable, buf_bytes(&key), &e);
        bool bad = e.group == ENTRY_DAMAGED;
        if (bad && from.len == 0)
            buf_put_bytes(&from, buf_bytes(&key));
        if (bad) {
            buf_clear(&to);
            buf_put_bytes(&to, buf_bytes(&key));
            overlay_remove(&m->durable, buf_bytes(&key));
            overlay_remove(&m->view, buf_bytes(&key));
            count++;
        }
        if (from.len > 0 && (!bad || n == NULL)) {
            lost_add(&m->lost, buf_bytes(&from), buf_bytes(&to));
            buf_clear(&from);
        }
    }
    m->lost.id += count > 0;
    m->damaged = 0;
    buf_close(&from);
    buf_close(&to);
    buf_close(&key);
    return count;
}

/* --- what is lost, and nobody is told */

static bool changes(const struct group *g, struct bytes prefix)
{
    for (size_t i = 0; g != NULL && i < g->undo_count; i++) {
        if (bytes_starts_with(g->undo[i].key, prefix))
            return true;
    }
    return false;
}

bool store_mem_at_rest(const struct store *s, struct bytes prefix)
{
    const struct store_mem *m = mem_of(s);
    bool changed = changes(m->filling, prefix);
    list_each (at, &m->flushed)
        changed = changed || changes(container_of(at, struct group, link), prefix);
    return !changed;
}

uint32_t store_mem_lose(struct store *s, struct bytes prefix)
{
    struct store_mem *m = mem_of(s);
    struct omap_node *n;
    struct buf key;
    uint32_t count = 0;
    ASSERT(store_mem_at_rest(s, prefix));
    buf_init(&key, SIZE_MAX);
    while ((n = omap_seek(&m->durable.map, prefix)) != NULL &&
           bytes_starts_with(omap_key(n), prefix)) {
        buf_clear(&key);
        buf_put_bytes(&key, omap_key(n));
        overlay_remove(&m->durable, buf_bytes(&key));
        overlay_remove(&m->view, buf_bytes(&key));
        count++;
    }
    buf_close(&key);
    return count;
}
