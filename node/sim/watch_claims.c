/* watch_claims.c - a clock is honest: what it claims on the disk is on the disk, or something is
 * that made it void. Effects are remembered at random when they are first seen; later they are
 * looked for wherever the dot is claimed, in one view of what a power cut would leave. */
#include "base/omap.h"
#include "node/schema/schema.h"
#include "node/sim/watch_core.h"

#include <inttypes.h>

struct view {
    struct watch *w;
    struct store_iter *it;
    struct arena *arena;
    struct buf key;
    struct omap journal; /* key of each dot in it */
};

static bool read_here(struct view *v, struct raw_entry *ret)
{
    struct bytes key = arena_copy(v->arena, store_iter_key(v->it));
    return raw_read(key, arena_copy(v->arena, store_iter_value(v->it)), v->arena, ret);
}

static bool stands_at(struct view *v)
{
    store_iter_seek(v->it, buf_bytes(&v->key));
    return store_iter_valid(v->it) && bytes_equal(store_iter_key(v->it), buf_bytes(&v->key));
}

static void dot_key(struct buf *out, uint32_t keyspace, uint32_t range, struct dot dot)
{
    buf_clear(out);
    buf_put_u8(out, 'l');
    buf_put_u32(out, keyspace);
    buf_put_u32(out, range);
    buf_put_u32(out, dot.actor.node);
    buf_put_u32(out, dot.actor.boot);
    buf_put_u64(out, dot.n);
}

/* What is in the journal and counts: of what is older pieces were made, which are there or were
 * forgotten. */
static void read_journal(struct view *v)
{
    static const uint8_t epoch_key[] = "Mjournal";
    struct raw_entry e;
    uint64_t epoch = 0;
    buf_clear(&v->key);
    buf_put(&v->key, epoch_key, sizeof epoch_key - 1);
    if (stands_at(v) && store_iter_value(v->it).len == 8)
        epoch = load_u64(store_iter_value(v->it).data);
    store_iter_seek(v->it, BYTES_LIT("j"));
    for (; store_iter_valid(v->it) && store_iter_key(v->it).data[0] == 'j';
         store_iter_next(v->it)) {
        struct bytes record = store_iter_value(v->it);
        arena_reset(v->arena);
        if (record.len < 8 || load_u64(record.data) < epoch || !read_here(v, &e))
            continue;
        for (size_t i = 0; i < e.logs_count; i++) {
            dot_key(&v->key, e.logs[i].keyspace, e.logs[i].range, e.logs[i].dot);
            omap_put(&v->journal, buf_bytes(&v->key), BYTES_NONE);
        }
    }
}

static bool is_in_pieces(struct view *v, const struct sample *s)
{
    struct raw_entry e;
    struct dot dot = s->item.dot;
    dot.n -= dot.n % 64;
    dot_key(&v->key, s->keyspace, s->range, dot);
    store_iter_seek(v->it, buf_bytes(&v->key));
    for (; store_iter_valid(v->it) && bytes_starts_with(store_iter_key(v->it), buf_bytes(&v->key));
         store_iter_next(v->it)) {
        if (!read_here(v, &e))
            return false;
        for (size_t i = 0; i < e.logs_count; i++) {
            if (e.logs[i].dot.n == s->item.dot.n)
                return true;
        }
    }
    return false;
}

/* In the log, or in the snapshot. */
static bool is_claimed(struct view *v, const struct sample *s)
{
    struct dot dot = s->item.dot;
    struct raw_entry e;
    dot_key(&v->key, s->keyspace, s->range, dot);
    if (omap_find(&v->journal, buf_bytes(&v->key)) != NULL || is_in_pieces(v, s))
        return true;
    v->key.len = 9;
    v->key.data[0] = 'c';
    if (!stands_at(v) || !read_here(v, &e))
        return false;
    for (size_t i = 0; i < e.runs_count; i++) {
        if (actor_compare(e.runs[i].actor, dot.actor) == 0 && e.runs[i].first <= dot.n &&
            dot.n <= e.runs[i].last)
            return true;
    }
    return false;
}

/* All items of the partition, NULL when it cannot be read. */
static struct raw_item *read_partition(struct view *v, const struct sample *s, size_t *ret_count)
{
    struct raw_item *items = arena_array(v->arena, struct raw_item, 1);
    size_t count = 0, cap = 1;
    buf_clear(&v->key);
    buf_put_u8(&v->key, 'd');
    buf_put_u32(&v->key, s->table);
    buf_put_u64(&v->key, (uint64_t)s->token ^ UINT64_C(1) << 63);
    for (size_t i = 0; i < s->partition.len; i++) {
        buf_put_u8(&v->key, s->partition.data[i]);
        if (s->partition.data[i] == 0)
            buf_put_u8(&v->key, 0xff);
    }
    buf_put_u16(&v->key, 0);
    store_iter_seek(v->it, buf_bytes(&v->key));
    for (; store_iter_valid(v->it); store_iter_next(v->it)) {
        struct raw_entry e;
        if (!bytes_starts_with(store_iter_key(v->it), buf_bytes(&v->key)))
            break;
        if (!read_here(v, &e))
            return NULL;
        for (size_t i = 0; i < e.items_count; i++) {
            items = arena_grow(v->arena, items, count, &cap, sizeof *items);
            items[count++] = e.items[i];
        }
    }
    *ret_count = count;
    return items;
}

static bool covers(const struct raw_item *tomb, struct bytes row)
{
    return bytes_compare(tomb->start, row) <= 0 &&
           (tomb->end.len == 0 || bytes_compare(row, tomb->end) < 0);
}

/* Of siblings: it is the effect, or takes its dot away, there or from more. */
static bool removes(const struct raw_item *item, const struct raw_item *effect)
{
    bool same_row = item->is_static == effect->is_static && bytes_equal(item->row, effect->row);
    bool there = item->column == effect->column && item->has_path == effect->has_path &&
                 bytes_equal(item->path, effect->path);
    if (there && dot_compare(item->target, effect->target) == 0)
        return same_row && raw_beats(item, effect);
    return same_row && raw_takes_away(item, effect);
}

bool watch_accounts_for(const struct raw_item *item, const struct raw_item *effect)
{
    bool same_row = item->is_static == effect->is_static && bytes_equal(item->row, effect->row);
    bool void_by_time = item->timestamp >= effect->timestamp;
    switch (item->what) {
    case RAW_PART_DELETION:
        return effect->what == RAW_PART_DELETION ? raw_beats(item, effect) : void_by_time;
    case RAW_RANGE_DELETION:
        return (effect->what == RAW_CELL || effect->what == RAW_ROW_DELETION) &&
               !effect->is_static && covers(item, effect->row) && void_by_time;
    case RAW_ROW_DELETION:
        return same_row && (effect->what == RAW_CELL
                                ? void_by_time
                                : effect->what == RAW_ROW_DELETION && raw_beats(item, effect));
    case RAW_CELL:
        if (item->siblings)
            return effect->what == RAW_CELL && removes(item, effect);
        if (effect->what != RAW_CELL || !same_row || item->column != effect->column)
            return false;
        if (item->has_path == effect->has_path && bytes_equal(item->path, effect->path))
            return raw_beats(item, effect);
        return !item->has_path && void_by_time; /* the whole collection */
    }
    return false;
}

/* Every place of the deleted range is deleted, by something as strong. */
static bool range_is_covered(const struct raw_item *items, size_t count,
                             const struct raw_item *effect)
{
    struct bytes at = effect->start;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < count && !moved; i++) {
            const struct raw_item *t = &items[i];
            if (t->what != RAW_RANGE_DELETION || t->timestamp < effect->timestamp || !covers(t, at))
                continue;
            if (t->end.len == 0 || (effect->end.len > 0 && bytes_compare(t->end, effect->end) >= 0))
                return true;
            at = t->end;
            moved = true;
        }
    }
    return false;
}

static bool is_there(const struct raw_item *items, size_t count, const struct raw_item *effect)
{
    for (size_t i = 0; i < count; i++) {
        if (watch_accounts_for(&items[i], effect))
            return true;
    }
    return effect->what == RAW_RANGE_DELETION && range_is_covered(items, count, effect);
}

/* The table may be gone, and the range another's. */
static bool is_to_be_there(struct node *n, const struct sample *s)
{
    const struct meta *m = node_meta(n);
    return schema_table_by_no(meta_schema(m), s->table) != NULL &&
           cluster_is_replica(node_cluster(n), s->keyspace, s->range, meta_self(m));
}

static bool look_for(struct view *v, unsigned node, const struct sample *s)
{
    size_t count = 0;
    arena_reset(v->arena);
    if (!is_claimed(v, s))
        return true;
    if (rows_are_lost(v->w->sim, node, s->table, s->partition) ||
        rows_may_lack(v->w->sim, node, s->keyspace, s->range))
        return true;
    const struct raw_item *items = read_partition(v, s, &count);
    if (store_iter_error(v->it) != ERR_OK)
        return true; /* damage: such a range is not served */
    v->w->count.claims++;
    if (items != NULL && (is_there(items, count, &s->item) || watch_may_be_forgotten(v->w, s)))
        return true;
    return watch_fail(v->w,
                      "node %u claims dot (%" PRIu32 ", %" PRIu32 ", %" PRIu64
                      "), but nothing on its disk accounts for its effect in table %" PRIu32
                      " (column %" PRIu32 ", timestamp %" PRId64 ")",
                      node, s->item.dot.actor.node, s->item.dot.actor.boot, s->item.dot.n, s->table,
                      s->item.column, s->item.timestamp);
}

bool watch_claims(struct watch *w, unsigned node, size_t samples)
{
    struct machine *m = &w->sim->machines[node];
    bool good = true;
    if (m->node == NULL || store_failure(m->store) != NULL)
        return true;
    struct view v = {.w = w, .arena = &w->arena, .it = store_iter_new_durable(m->store)};
    buf_init(&v.key, SIZE_MAX);
    omap_init(&v.journal);
    read_journal(&v);
    bool all = samples >= w->samples_count;
    for (size_t i = 0; good && i < (all ? w->samples_count : samples); i++) {
        size_t which = all ? i : (size_t)rng_below(&w->rng, w->samples_count);
        if (is_to_be_there(m->node, &w->samples[which]))
            good = look_for(&v, node, &w->samples[which]);
    }
    store_iter_free(v.it);
    omap_close(&v.journal);
    buf_close(&v.key);
    return good;
}
