/* engine_garbage.c - the index of what will be garbage one day.
 *
 * Whatever says that something is not there gets an entry in the batch that writes it: where it is,
 * since when it is due, and its dot. Nobody removes the entry when the garbage is overwritten:
 * the walk (engine_purge.c) comes by when the dot is agreed, and finds nothing. Deletions come
 * first: they are due as soon as they are agreed, while what expires waits for its time.
 */
#include "base/mem.h"
#include "storage/engine_private.h"

/* --- entries */

static void put(struct engine *e, struct range_state *r, struct garbage_key *g, int64_t timestamp)
{
    g->keyspace = r->keyspace;
    g->range = r->range;
    key_garbage(&e->key, g);
    store_batch_put(&e->batch, buf_bytes(&e->key), BYTES_NONE);
    e->stats.garbage_noted++;
    if (timestamp > r->garbage_newest)
        r->garbage_newest = timestamp;
}

static void put_tomb(struct engine *e, struct range_state *r, struct garbage_key *g,
                     const struct tomb *t)
{
    if (tomb_is_none(t))
        return;
    g->class = GARBAGE_DELETED;
    g->due = t->time_s;
    g->dot = t->dot;
    put(e, r, g, t->timestamp);
}

/* The cells of a write are mostly alike, and one entry is enough for all of them. */
static void put_row(struct engine *e, struct range_state *r, struct garbage_key *g,
                    const struct row *row)
{
    const struct cell *last = NULL;
    put_tomb(e, r, g, &row->deletion);
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (!cell_is_garbage(c) ||
            (last != NULL && last->kind == c->kind && last->time_s == c->time_s &&
             last->timestamp == c->timestamp && dot_compare(cell_event(last), cell_event(c)) == 0))
            continue;
        last = c;
        g->class = c->kind == CELL_EXPIRING ? GARBAGE_EXPIRING : GARBAGE_DELETED;
        g->due = c->kind == CELL_REMOVED ? c->timestamp / 1000000 : c->time_s;
        g->dot = cell_event(c);
        put(e, r, g, c->timestamp);
    }
}

void engine_batch_garbage(struct engine *e, struct range_state *r, const struct part *p)
{
    struct garbage_key g = {.table = p->table, .token = p->token, .key = p->key};
    g.kind = KEY_DELETION;
    put_tomb(e, r, &g, &p->deletion);
    g.kind = KEY_TOMBS;
    for (size_t i = 0; i < p->tombs_count; i++) {
        if (i == 0 || !tomb_equal(&p->tombs[i].tomb, &p->tombs[i - 1].tomb))
            put_tomb(e, r, &g, &p->tombs[i].tomb);
    }
    g.kind = KEY_STATIC;
    if (p->has_static)
        put_row(e, r, &g, &p->static_row);
    g.kind = KEY_ROW;
    for (size_t i = 0; i < p->rows_count; i++) {
        g.row = p->rows[i].key;
        put_row(e, r, &g, &p->rows[i]);
    }
}

void engine_garbage_forgotten(struct engine *e, struct range_state *r)
{
    e->stats.garbage_waiting -= r->waited;
    r->waiting = r->waited = 0;
    r->garbage_newest = TIMESTAMP_NONE;
    buf_clear(&r->walk);
    buf_clear(&r->urgent);
    buf_clear(&r->sweep.part);
    buf_clear(&r->sweep.chosen);
    buf_clear(&r->sweep.from);
    r->drops++;
}

bool engine_has_garbage(struct engine *e, const struct range_state *r)
{
    struct store_iter *it = store_iter_new(e->store);
    key_garbage_range(&e->key, r->keyspace, r->range);
    store_iter_seek(it, buf_bytes(&e->key));
    bool any = store_iter_valid(it) && bytes_starts_with(store_iter_key(it), buf_bytes(&e->key));
    any = any || store_iter_error(it) != ERR_OK;
    store_iter_free(it);
    return any;
}

/* The first entry of what is due, if any. */
static bool has_due(struct engine *e, const struct range_state *r, int64_t expired_before_s)
{
    struct store_iter *it = store_iter_new(e->store);
    struct arena arena;
    struct garbage_key g;
    arena_init(&arena);
    key_garbage_range(&e->key, r->keyspace, r->range);
    store_iter_seek(it, buf_bytes(&e->key));
    bool due = store_iter_valid(it) && key_parse_garbage(store_iter_key(it), &arena, &g) &&
               g.keyspace == r->keyspace && g.range == r->range &&
               (g.class == GARBAGE_DELETED || g.due < expired_before_s);
    store_iter_free(it);
    arena_close(&arena);
    return due;
}

bool engine_next_garbage(struct engine *e, keyspace_no keyspace, range_no from,
                         int64_t expired_before_s, range_no *ret_range)
{
    while (engine_next_range(e, keyspace, from, &from)) {
        const struct range_state *r = engine_range(e, keyspace, from);
        if (r->garbage_newest != TIMESTAMP_NONE && has_due(e, r, expired_before_s)) {
            *ret_range = from;
            return true;
        }
        if (from++ == UINT32_MAX)
            return false;
    }
    return false;
}

bool engine_each_garbage(struct engine *e, keyspace_no keyspace, range_no range,
                         int64_t expired_before_s, size_t max,
                         void (*visit)(void *arg, struct dot dot, int64_t due_s), void *arg)
{
    struct store_iter *it = store_iter_new(e->store);
    struct arena arena;
    struct garbage_key g;
    size_t seen = 0;
    bool whole = true;
    arena_init(&arena);
    key_garbage_range(&e->key, keyspace, range);
    store_iter_seek(it, buf_bytes(&e->key));
    for (; store_iter_valid(it) && bytes_starts_with(store_iter_key(it), buf_bytes(&e->key));
         store_iter_next(it)) {
        arena_reset(&arena);
        bool good = key_parse_garbage(store_iter_key(it), &arena, &g);
        if (good && g.class == GARBAGE_EXPIRING && g.due >= expired_before_s)
            break;
        if (seen++ == max) {
            whole = false;
            break;
        }
        if (good)
            visit(arg, g.dot, g.due);
        whole &= good;
    }
    whole &= store_iter_error(it) == ERR_OK;
    store_iter_free(it);
    arena_close(&arena);
    return whole;
}

/* Entries lie by ranges, which a table does not know: all are looked at. */
bool engine_drop_garbage(struct engine *e, table_no table, size_t keys_max)
{
    static const uint8_t letter = 'g';
    struct bytes prefix = bytes_make(&letter, 1);
    struct store_iter *it = store_iter_new(e->store);
    struct arena arena;
    struct garbage_key g;
    size_t count = 0;
    arena_init(&arena);
    engine_batch_begin(e);
    store_iter_seek(it, e->drop_cursor.len > 0 ? buf_bytes(&e->drop_cursor) : prefix);
    for (; store_iter_valid(it) && count < keys_max && e->batch.ops.len < WRITE_BYTES_MAX &&
           bytes_starts_with(store_iter_key(it), prefix);
         store_iter_next(it), count++) {
        arena_reset(&arena);
        if (key_parse_garbage(store_iter_key(it), &arena, &g) && g.table == table)
            store_batch_delete(&e->batch, store_iter_key(it));
    }
    bool done = !store_iter_valid(it) || !bytes_starts_with(store_iter_key(it), prefix) ||
                store_iter_error(it) != ERR_OK;
    buf_clear(&e->drop_cursor);
    if (!done)
        buf_put_bytes(&e->drop_cursor, store_iter_key(it));
    store_iter_free(it);
    arena_close(&arena);
    if (e->batch.count > 0) {
        engine_note_removed(e, &e->batch, 0);
        engine_batch_write(e, 0);
    }
    engine_compact_removed(e, done);
    return done;
}

uint64_t engine_drops(struct engine *e, keyspace_no keyspace, range_no range)
{
    return engine_range(e, keyspace, range)->drops;
}
