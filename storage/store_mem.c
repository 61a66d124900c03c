/* store_mem.c - see store_mem.h.
 *
 * Longer than 600 lines: what is damaged or lost is an entry of what is durable and of each undo.
 */
#include "storage/store_mem.h"

#include "base/arena.h"
#include "base/mem.h"
#include "storage/overlay.h"

#define BLOCK_BYTES 4096 /* of a block of LevelDB, about: what one checksum covers */

/* What overlay_entry.group says of an entry. */
enum { ENTRY_GOOD, ENTRY_DAMAGED };

struct undo { /* what a key was before the group changed it */
    struct bytes key;
    struct bytes value;
    bool had;
    bool damaged;
};

struct group {
    struct list link;
    struct arena arena;
    struct store_batch ops; /* all its operations, for the durable view */
    struct undo *undo;
    size_t undo_count, undo_cap;
    uint64_t *tickets;
    size_t tickets_count, tickets_cap, tickets_done;
    size_t bytes;
    uint64_t last; /* batch in it */
    enum err err;
};

struct store_mem {
    struct store store;
    struct overlay view;    /* everything, durable or not */
    struct overlay durable; /* what a power cut leaves */
    struct group *filling;
    struct list flushed;
    struct list done; /* groups with tickets to hand out */
    struct store_journal journal;
    size_t backlog;
    enum err failed;
    char *failure;
    struct buf bad_start, bad_end;
    enum err bad;
    uint32_t bad_one_in; /* 0: none */
    struct lost_keys lost;
    uint32_t damaged; /* entries were: 0 saves looking */
    store_mem_seen *seen;
    void *seen_arg;
};

struct mem_iter {
    struct store_iter iter;
    struct overlay_iter at;
    enum err met;
};

static struct store_mem *mem_of(const struct store *s)
{
    return container_of(s, struct store_mem, store);
}

static struct group *group_new(void)
{
    struct group *g = mem_new(struct group);
    arena_init(&g->arena);
    list_init(&g->link);
    store_batch_init(&g->ops);
    return g;
}

static void group_free(struct group *g)
{
    list_remove(&g->link);
    store_batch_close(&g->ops);
    arena_close(&g->arena);
    mem_free(g->undo);
    mem_free(g->tickets);
    mem_free(g);
}

static struct group *group_first(struct list *l)
{
    return container_of(l->next, struct group, link);
}

static void groups_free(struct list *l)
{
    while (!list_empty(l))
        group_free(group_first(l));
}

/* What reading a key gives, beside what is wrong with the entry itself. */
static enum err key_error(const struct store_mem *m, struct bytes key)
{
    if (m->bad != ERR_OK && bytes_compare(key, buf_bytes(&m->bad_start)) >= 0 &&
        bytes_compare(key, buf_bytes(&m->bad_end)) < 0)
        return m->bad;
    if (m->bad_one_in > 0 && (bytes_hash(key) ^ m->bad_one_in) % m->bad_one_in == 0)
        return ERR_IO;
    return ERR_OK;
}

static enum err mem_get(struct store *s, struct bytes key, struct buf *ret_value)
{
    struct store_mem *m = mem_of(s);
    struct overlay_entry entry;
    enum err err = key_error(m, key);
    if (err != ERR_OK)
        return err;
    if (!overlay_find(&m->view, key, &entry))
        return ERR_NOT_FOUND;
    if (entry.group == ENTRY_DAMAGED)
        return ERR_CORRUPT;
    buf_clear(ret_value);
    buf_put_bytes(ret_value, entry.value);
    return buf_finish(ret_value);
}

static struct mem_iter *mem_iter_of(const struct store_iter *i)
{
    return container_of(i, struct mem_iter, iter);
}

static struct store_iter *mem_iter_new(struct store *s, bool durable)
{
    struct mem_iter *i = mem_new(struct mem_iter);
    overlay_iter_init(&i->at, durable ? &mem_of(s)->durable : &mem_of(s)->view);
    return &i->iter;
}

static void mem_iter_free(struct store_iter *iter)
{
    struct mem_iter *i = mem_iter_of(iter);
    overlay_iter_close(&i->at);
    mem_free(i);
}

/* As LevelDB's, an iterator that meets what it cannot read goes on behind it, and says so only when
 * it is asked. */
static void look(struct mem_iter *i, bool forward)
{
    const struct store_mem *m = mem_of(i->iter.store);
    if (m->bad == ERR_OK && m->bad_one_in == 0 && m->damaged == 0)
        return;
    while (i->at.valid) {
        enum err err = key_error(m, overlay_iter_key(&i->at));
        if (err == ERR_OK && overlay_iter_entry(&i->at).group == ENTRY_DAMAGED)
            err = ERR_CORRUPT;
        if (err == ERR_OK)
            return;
        i->met = err;
        if (forward)
            overlay_iter_next(&i->at);
        else
            overlay_iter_prev(&i->at);
    }
}

static void mem_iter_seek(struct store_iter *iter, struct bytes key)
{
    overlay_iter_seek(&mem_iter_of(iter)->at, key);
    look(mem_iter_of(iter), true);
}

static void mem_iter_seek_last(struct store_iter *iter, struct bytes key)
{
    overlay_iter_seek_last(&mem_iter_of(iter)->at, key);
    look(mem_iter_of(iter), false);
}

static void mem_iter_next(struct store_iter *iter)
{
    overlay_iter_next(&mem_iter_of(iter)->at);
    look(mem_iter_of(iter), true);
}

static void mem_iter_prev(struct store_iter *iter)
{
    overlay_iter_prev(&mem_iter_of(iter)->at);
    look(mem_iter_of(iter), false);
}

static bool mem_iter_valid(const struct store_iter *iter)
{
    return mem_iter_of(iter)->at.valid;
}

static struct bytes mem_iter_key(const struct store_iter *iter)
{
    return overlay_iter_key(&mem_iter_of(iter)->at);
}

static struct bytes mem_iter_value(const struct store_iter *iter)
{
    return overlay_iter_entry(&mem_iter_of(iter)->at).value;
}

static enum err mem_iter_error(const struct store_iter *iter)
{
    return mem_iter_of(iter)->met;
}

static void remember(struct store_mem *m, struct group *g, struct bytes key)
{
    struct overlay_entry old;
    struct undo undo = {.key = arena_copy(&g->arena, key)};
    undo.had = overlay_find(&m->view, key, &old);
    if (undo.had) {
        undo.value = arena_copy(&g->arena, old.value);
        undo.damaged = old.group == ENTRY_DAMAGED;
    }
    g->undo = mem_grow(g->undo, g->undo_count, &g->undo_cap, sizeof *g->undo);
    g->undo[g->undo_count++] = undo;
}

static void set(struct overlay *o, struct bytes key, bool is_put, struct bytes value)
{
    if (is_put)
        overlay_set(o, key, (struct overlay_entry){ENTRY_GOOD, true, value});
    else
        overlay_remove(o, key);
}

static void put(struct store_mem *m, struct group *g, struct bytes key, struct bytes value)
{
    if (m->seen != NULL)
        m->seen(m->seen_arg, key, value);
    if (m->failed != ERR_OK)
        return;
    remember(m, g, key);
    set(&m->view, key, true, value);
    store_batch_put(&g->ops, key, value);
}

/* Each value is a record of its own. */
static void append(struct store_mem *m, struct group *g, const struct store_op *op)
{
    struct buf key, value;
    buf_init(&key, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    store_journal_begin(&m->journal, op->epoch, &key, &value);
    buf_put_bytes(&value, op->value);
    put(m, g, buf_bytes(&key), buf_bytes(&value));
    buf_close(&key);
    buf_close(&value);
}

static void mem_write(struct store *s, const struct store_batch *b, uint64_t ticket)
{
    struct store_mem *m = mem_of(s);
    struct store_op op;
    size_t at = 0;
    if (m->filling == NULL)
        m->filling = group_new();
    struct group *g = m->filling;
    while (store_batch_next(b, &at, &op)) {
        if (op.type == STORE_PUT) {
            put(m, g, op.key, op.value);
        } else if (op.type == STORE_APPEND) {
            append(m, g, &op);
        } else if (m->failed == ERR_OK) {
            remember(m, g, op.key);
            set(&m->view, op.key, false, BYTES_NONE);
            store_batch_delete(&g->ops, op.key);
        }
    }
    g->last = s->written;
    g->bytes += b->ops.len;
    m->backlog += b->ops.len;
    if (ticket != 0) {
        g->tickets = mem_grow(g->tickets, g->tickets_count, &g->tickets_cap, sizeof *g->tickets);
        g->tickets[g->tickets_count++] = ticket;
    }
}

static void group_done(struct store_mem *m, struct group *g, bool written, enum err err)
{
    struct store_op op;
    size_t at = 0;
    while (written && store_batch_next(&g->ops, &at, &op))
        set(&m->durable, op.key, op.type == STORE_PUT, op.value);
    store_batch_close(&g->ops);
    if (written && g->last > m->store.durable)
        m->store.durable = g->last;
    g->err = err;
    m->backlog -= g->bytes;
    list_remove(&g->link);
    list_push_back(&m->done, &g->link);
}

static void mem_flush(struct store *s)
{
    struct store_mem *m = mem_of(s);
    if (m->filling == NULL)
        return;
    list_push_back(&m->flushed, &m->filling->link);
    if (m->failed != ERR_OK)
        group_done(m, m->filling, false, m->failed);
    m->filling = NULL;
}

static bool mem_completed(struct store *s, struct store_done *ret_done)
{
    struct store_mem *m = mem_of(s);
    while (!list_empty(&m->done)) {
        struct group *g = group_first(&m->done);
        if (g->tickets_done < g->tickets_count) {
            *ret_done = (struct store_done){g->tickets[g->tickets_done++], g->err};
            return true;
        }
        group_free(g);
    }
    return false;
}

static const char *mem_failure(const struct store *s)
{
    return mem_of(s)->failure;
}

static size_t mem_backlog(const struct store *s)
{
    return mem_of(s)->backlog;
}

static uint64_t mem_size(struct store *s, struct bytes from, struct bytes to)
{
    struct overlay_iter i;
    uint64_t size = 0;
    overlay_iter_init(&i, &mem_of(s)->view);
    for (overlay_iter_seek(&i, from); i.valid && bytes_compare(overlay_iter_key(&i), to) < 0;
         overlay_iter_next(&i))
        size += overlay_iter_key(&i).len + overlay_iter_entry(&i).value.len;
    overlay_iter_close(&i);
    return size;
}

/* Nothing is left of a removed key. */
static bool mem_compact(struct store *s, struct bytes from, struct bytes to)
{
    (void)s;
    (void)from;
    (void)to;
    return true;
}

static const struct lost_keys *mem_lost(const struct store *s)
{
    return &mem_of(s)->lost;
}

static void mem_lost_known(struct store *s)
{
    lost_forget(&mem_of(s)->lost);
}

static void mem_close(struct store *s)
{
    struct store_mem *m = mem_of(s);
    if (m->filling != NULL)
        group_free(m->filling);
    groups_free(&m->flushed);
    groups_free(&m->done);
    overlay_close(&m->view);
    overlay_close(&m->durable);
    lost_close(&m->lost);
    buf_close(&m->bad_start);
    buf_close(&m->bad_end);
    mem_free(m->failure);
    mem_free(m);
}

static const struct store_ops mem_ops = {
    .get = mem_get,
    .iter_new = mem_iter_new,
    .iter_free = mem_iter_free,
    .iter_seek = mem_iter_seek,
    .iter_seek_last = mem_iter_seek_last,
    .iter_next = mem_iter_next,
    .iter_prev = mem_iter_prev,
    .iter_valid = mem_iter_valid,
    .iter_key = mem_iter_key,
    .iter_value = mem_iter_value,
    .iter_error = mem_iter_error,
    .write = mem_write,
    .flush = mem_flush,
    .completed = mem_completed,
    .failure = mem_failure,
    .backlog = mem_backlog,
    .size = mem_size,
    .compact = mem_compact,
    .lost = mem_lost,
    .lost_known = mem_lost_known,
    .close = mem_close,
};

struct store *store_mem_new(void)
{
    struct store_mem *m = mem_new(struct store_mem);
    m->store.ops = &mem_ops;
    overlay_init(&m->view);
    overlay_init(&m->durable);
    list_init(&m->flushed);
    list_init(&m->done);
    buf_init(&m->bad_start, SIZE_MAX);
    buf_init(&m->bad_end, SIZE_MAX);
    return &m->store;
}

struct store *store_mem_copy(struct store *s)
{
    struct store *copy = store_mem_new();
    struct store_iter *it = store_iter_new_durable(s);
    struct store_batch batch;
    store_batch_init(&batch);
    for (store_iter_seek(it, BYTES_NONE); store_iter_valid(it); store_iter_next(it)) {
        store_batch_clear(&batch);
        store_batch_put(&batch, store_iter_key(it), store_iter_value(it));
        store_write(copy, &batch, 0);
    }
    store_iter_free(it);
    store_batch_close(&batch);
    store_flush(copy);
    store_mem_sync(copy, SIZE_MAX);
    return copy;
}

size_t store_mem_pending(const struct store *s)
{
    size_t count = 0;
    list_each (at, &mem_of(s)->flushed)
        count++;
    return count;
}

bool store_mem_has_news(const struct store *s)
{
    return !list_empty(&mem_of(s)->done);
}

void store_mem_sync(struct store *s, size_t groups)
{
    struct store_mem *m = mem_of(s);
    for (; groups > 0 && !list_empty(&m->flushed); groups--)
        group_done(m, group_first(&m->flushed), true, ERR_OK);
}

static void revert(struct store_mem *m, struct group *g)
{
    for (size_t i = g->undo_count; i-- > 0;) {
        const struct undo *u = &g->undo[i];
        if (u->damaged)
            overlay_set(&m->view, u->key, (struct overlay_entry){ENTRY_DAMAGED, true, u->value});
        else
            set(&m->view, u->key, u->had, u->value);
    }
    g->undo_count = 0;
}

static void undo_group(struct store_mem *m, struct group *g)
{
    revert(m, g);
    m->backlog -= g->bytes;
    group_free(g);
}

void store_mem_crash(struct store *s, size_t keep)
{
    struct store_mem *m = mem_of(s);
    size_t groups = store_mem_pending(s);
    ASSERT(list_empty(&m->view.iters));
    if (m->filling != NULL)
        undo_group(m, m->filling);
    m->filling = NULL;
    groups_free(&m->done);
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
        group_done(m, group_first(&m->flushed), i < written, err);
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

size_t store_mem_count(const struct store *s)
{
    return omap_count(&mem_of(s)->durable.map);
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

void store_mem_watch(struct store *s, store_mem_seen *seen, void *arg)
{
    mem_of(s)->seen = seen;
    mem_of(s)->seen_arg = arg;
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
