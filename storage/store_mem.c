/* store_mem.c - reading, writing and becoming durable. What goes wrong: store_mem_faults.c. */
#include "base/mem.h"
#include "storage/store_mem_private.h"

struct mem_iter {
    struct store_iter iter;
    struct overlay_iter at;
    enum err met;
};

static struct group *group_new(void)
{
    struct group *g = mem_new(struct group);
    arena_init(&g->arena);
    list_init(&g->link);
    store_batch_init(&g->ops);
    return g;
}

void mem_group_free(struct group *g)
{
    list_remove(&g->link);
    store_batch_close(&g->ops);
    arena_close(&g->arena);
    mem_free(g->undo);
    mem_free(g->tickets);
    mem_free(g);
}

void mem_groups_free(struct list *l)
{
    while (!list_empty(l))
        mem_group_free(group_first(l));
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

void mem_set(struct overlay *o, struct bytes key, bool is_put, struct bytes value)
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
    mem_set(&m->view, key, true, value);
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
            mem_set(&m->view, op.key, false, BYTES_NONE);
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

void mem_group_done(struct store_mem *m, struct group *g, bool written, enum err err)
{
    struct store_op op;
    size_t at = 0;
    while (written && store_batch_next(&g->ops, &at, &op))
        mem_set(&m->durable, op.key, op.type == STORE_PUT, op.value);
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
        mem_group_done(m, m->filling, false, m->failed);
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
        mem_group_free(g);
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
        mem_group_free(m->filling);
    mem_groups_free(&m->flushed);
    mem_groups_free(&m->done);
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
        mem_group_done(m, group_first(&m->flushed), true, ERR_OK);
}

size_t store_mem_count(const struct store *s)
{
    return omap_count(&mem_of(s)->durable.map);
}

void store_mem_watch(struct store *s, store_mem_seen *seen, void *arg)
{
    mem_of(s)->seen = seen;
    mem_of(s)->seen_arg = arg;
}
