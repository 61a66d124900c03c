/* engine_rows.c - from fragments to rows.
 *
 * A row is the join of its fragments, so reading it once more costs the same work again. A read
 * that met COLLAPSE_AT fragments or more puts their join in their place, and one that met a row
 * which is deleted as a whole removes it, in one batch when the read ends. Rows that are written
 * and never read are collapsed by one write in COLLAPSE_ODDS (engine_collapse): so the expected
 * number of fragments is bounded whatever the workload, without any counters to keep. A row with
 * thousands of cells is read for it more seldom the larger it is, and only its small fragments are
 * written anew: else a counter that everybody counts (counter.h) or a large collection would be
 * rewritten with every 64 cells that come to it.
 */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"
#include "storage/fragment.h"

void rows_init(struct rows *r, struct engine *e, struct arena *arena, bool durable)
{
    *r = (struct rows){.e = e, .arena = arena};
    buf_init(&r->prefix, SIZE_MAX);
    buf_init(&r->seek, SIZE_MAX);
    buf_init(&r->keys, SIZE_MAX);
    buf_init(&r->head_keys, SIZE_MAX);
    store_batch_init(&r->fix);
    r->look_only = durable && store_backlog(e->store) > 0 && !MUTANT(reads_undurable);
    r->it = r->look_only ? store_iter_new_durable(e->store) : store_iter_new(e->store);
}

enum err rows_close(struct rows *r)
{
    enum err err = store_iter_error(r->it);
    store_iter_free(r->it);
    bool fits = store_batch_finish(&r->fix) == ERR_OK;
    if (err == ERR_OK && r->fix.count > 0 && fits && !r->look_only &&
        store_failure(r->e->store) == NULL) {
        if (r->removes)
            engine_note_removed(r->e, &r->fix, 0);
        store_write(r->e->store, &r->fix, 0);
    }
    store_batch_close(&r->fix);
    buf_close(&r->prefix);
    buf_close(&r->seek);
    buf_close(&r->keys);
    buf_close(&r->head_keys);
    return err;
}

static enum err read_fragment(struct rows *r, struct part *ret)
{
    struct bytes value = arena_copy(r->arena, store_iter_value(r->it));
    struct bytes body;
    struct part p = {.table = r->head.table, .token = r->head.token, .key = r->head.key};
    buf_put_vbytes(&r->keys, store_iter_key(r->it));
    r->bytes += value.len;
    r->e->stats.fragments_read++;
    enum err err = fragment_open(store_iter_key(r->it), value, &body);
    if (err != ERR_OK) {
        engine_note_garbled(r->e, store_iter_key(r->it));
        return err;
    }
    struct reader in = reader_make(body);
    if (part_body_read(&in, r->arena, &p) != ERR_OK || !reader_done(&in))
        return ERR_CORRUPT;
    *ret = p;
    return ERR_OK;
}

/* Put `joined` in the place of the fragments with these keys, or nothing when it is empty. */
static void collapse(struct rows *r, struct bytes keys, const struct part *joined)
{
    struct reader in = reader_make(keys);
    struct bytes key = BYTES_NONE;
    bool empty = part_is_empty(joined) ||
                 (MUTANT(purge_early) && joined->rows_count == 1 && joined->rows->cells_count == 0);
    unsigned max = empty ? REMOVALS_MAX : COLLAPSES_MAX;
    if (r->fixes >= max || r->fix.ops.len > WRITE_BYTES_MAX / 2 || r->rewriting)
        return;
    while (reader_left(&in) > 0) {
        key = read_vbytes(&in);
        store_batch_delete(&r->fix, key);
    }
    if (!empty)
        engine_batch_row(r->e, &r->fix, bytes_make(key.data, key.len - KEY_FRAGMENT_SIZE), joined);
    r->fixes++;
    r->removes = r->removes || empty;
    r->e->stats.collapses++;
}

/* Whether the iterator stands on a key that begins with the partition's. */
static bool in_prefix(const struct rows *r)
{
    return store_iter_valid(r->it) &&
           bytes_starts_with(store_iter_key(r->it), buf_bytes(&r->prefix));
}

/* Whether it stands on a data key of the partition; ret_kind and the rest of the key. */
static bool at_kind(const struct rows *r, enum key_kind *ret_kind, struct bytes *ret_rest)
{
    if (!in_prefix(r))
        return false;
    struct bytes key = store_iter_key(r->it);
    size_t skip = r->prefix.len + 1;
    if (key.len < skip + KEY_FRAGMENT_SIZE || key.data[skip - 1] < KEY_DELETION ||
        key.data[skip - 1] > KEY_ROW)
        return false;
    *ret_kind = (enum key_kind)key.data[skip - 1];
    *ret_rest = bytes_make(key.data + skip, key.len - skip);
    return true;
}

enum err rows_error(const struct rows *r)
{
    enum key_kind kind;
    struct bytes rest;
    if (in_prefix(r) && !at_kind(r, &kind, &rest)) /* such a key is never written */
        return ERR_CORRUPT;
    return store_iter_error(r->it);
}

/* The fragments of one row, in tiers: two neighbours are one when the first is not more than twice
 * as large as the second. So there are no more tiers than the logarithm of what they hold. */
struct tier {
    struct row row; /* their join, after join_tiers */
    size_t keys;    /* where those of its fragments begin */
    size_t first;   /* fragment */
    size_t fragments;
    size_t cells;
};

#define TIERS_MAX 64u

struct tiers {
    struct tier of[TIERS_MAX];
    size_t count;
    struct row *rows; /* as they were read */
    size_t fragments, cap, cells;
};

static void tiers_begin(struct tiers *t)
{
    t->rows = NULL;
    t->count = t->fragments = t->cap = t->cells = 0;
}

static void add_fragment(struct tiers *t, const struct row *row, size_t keys, struct arena *arena)
{
    t->rows = arena_grow(arena, t->rows, t->fragments, &t->cap, sizeof *t->rows);
    t->rows[t->fragments] = *row;
    struct tier last = {
        .keys = keys, .first = t->fragments++, .fragments = 1, .cells = row->cells_count};
    t->cells += row->cells_count;
    while (t->count > 0 && (t->of[t->count - 1].cells <= 2 * last.cells || t->count == TIERS_MAX)) {
        const struct tier *before = &t->of[--t->count];
        last = (struct tier){.keys = before->keys,
                             .first = before->first,
                             .fragments = before->fragments + last.fragments,
                             .cells = before->cells + last.cells};
    }
    t->of[t->count++] = last;
}

static struct row join_tiers(struct tiers *t, struct arena *arena)
{
    for (size_t i = 0; i < t->count; i++) {
        struct tier *tier = &t->of[i];
        if (tier->fragments == 1)
            tier->row = t->rows[tier->first];
        else
            row_join(&t->rows[tier->first], tier->fragments, arena, &tier->row);
    }
    struct row all = t->of[t->count - 1].row;
    for (size_t i = t->count - 1; i-- > 0;)
        row_merge(&t->of[i].row, &all, arena, &all);
    return all;
}

static void collapse_row(struct rows *r, struct bytes keys, const struct row *row, bool is_static)
{
    struct row nameless = *row;
    struct part p = {
        .siblings = row->siblings, .deletion = TOMB_NONE, .static_row = {.deletion = TOMB_NONE}};
    nameless.key = BYTES_NONE; /* the store's key says it */
    if (MUTANT(collapse_loses_cell) && row->cells_count > 1)
        nameless.cells_count--;
    if (!row_is_empty(row) && is_static) {
        p.has_static = true;
        p.static_row = nameless;
    } else if (!row_is_empty(row)) {
        p.rows = &nameless;
        p.rows_count = 1;
    }
    collapse(r, keys, &p);
}

/* Of a large row what is large stays as it is, so that writing it anew is worth it each time; but
 * not when half of it is gone. */
static void collapse_tiers(struct rows *r, const struct tiers *t, const struct row *all,
                           bool is_static)
{
    struct bytes keys = buf_bytes(&r->keys);
    if (row_is_empty(all) || t->cells < COLLAPSE_TIERS_AT || all->cells_count < t->cells / 2) {
        collapse_row(r, keys, all, is_static);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t end = i + 1 < t->count ? t->of[i + 1].keys : keys.len;
        if (t->of[i].fragments > 1)
            collapse_row(r, bytes_make(keys.data + t->of[i].keys, end - t->of[i].keys),
                         &t->of[i].row, is_static);
    }
}

/* The fragments of one kind, joined. *ret_tiers: of the static row. */
static enum err read_kind(struct rows *r, enum key_kind this, struct part *joined,
                          struct tiers *ret_tiers)
{
    enum key_kind kind;
    struct bytes rest;
    tiers_begin(ret_tiers);
    for (size_t count = 0; at_kind(r, &kind, &rest) && kind == this; count++) {
        struct part p;
        size_t key = r->keys.len;
        enum err err = read_fragment(r, &p);
        if (err != ERR_OK)
            return err;
        if (p.rows_count > 0 || (this == KEY_STATIC && !p.has_static))
            return ERR_CORRUPT;
        if (count == 0)
            *joined = p;
        else if (this != KEY_STATIC)
            part_merge(joined, &p, r->arena, joined);
        add_fragment(ret_tiers, &p.static_row, key, r->arena);
        store_iter_next(r->it);
    }
    if (this == KEY_STATIC)
        joined->static_row = join_tiers(ret_tiers, r->arena);
    return ERR_OK;
}

/* The iterator stands at the first key of the partition or behind it. */
static enum err read_head(struct rows *r)
{
    enum key_kind kind = KEY_END;
    struct bytes rest;
    while (at_kind(r, &kind, &rest) && kind < KEY_ROW) {
        enum key_kind this = kind;
        struct part joined;
        struct tiers tiers;
        buf_clear(&r->keys);
        enum err err = read_kind(r, this, &joined, &tiers);
        if (err != ERR_OK)
            return err;
        if (r->rewriting)
            buf_put_bytes(&r->head_keys, buf_bytes(&r->keys));
        struct part before = r->head; /* what a kind before shadows goes, too */
        part_merge(&before, &joined, r->arena, &r->head);
        if (this == KEY_TOMBS) {
            joined.tombs = r->head.tombs;
            joined.tombs_count = r->head.tombs_count;
        } else if (this == KEY_STATIC) {
            joined.has_static = r->head.has_static;
            joined.static_row = r->head.static_row;
            r->cells += tiers.cells;
        }
        if (this == KEY_STATIC && (tiers.fragments >= COLLAPSE_AT || part_is_empty(&joined)))
            collapse_tiers(r, &tiers, &joined.static_row, true);
        else if (tiers.fragments >= COLLAPSE_AT || part_is_empty(&joined))
            collapse(r, buf_bytes(&r->keys), &joined);
    }
    r->at_first = true;
    return rows_error(r);
}

static void begin_part(struct rows *r, table_no table, token place, struct bytes key)
{
    r->head = (struct part){.table = table, .token = place, .key = key, .deletion = TOMB_NONE};
    r->head.static_row.deletion = TOMB_NONE;
    buf_clear(&r->head_keys);
}

enum err rows_open(struct rows *r, table_no table, token place, struct bytes key)
{
    begin_part(r, table, place, key);
    key_part(&r->prefix, table, place, key);
    store_iter_seek(r->it, buf_bytes(&r->prefix));
    return read_head(r);
}

enum err rows_open_here(struct rows *r, table_no table)
{
    table_no got_table;
    token place;
    struct bytes key;
    size_t len;
    enum err err = store_iter_error(r->it);
    if (err != ERR_OK)
        return err;
    if (!store_iter_valid(r->it))
        return ERR_NOT_FOUND;
    struct bytes full = store_iter_key(r->it);
    key_table(&r->seek, table);
    if (!bytes_starts_with(full, buf_bytes(&r->seek)))
        return ERR_NOT_FOUND;
    if (!key_parse_part(full, r->arena, &got_table, &place, &key, &len))
        return ERR_CORRUPT;
    buf_clear(&r->prefix);
    buf_put(&r->prefix, full.data, len);
    begin_part(r, table, place, arena_copy(r->arena, key));
    return read_head(r);
}

void rows_skip_part(struct rows *r)
{
    enum key_kind kind;
    struct bytes rest;
    if (!at_kind(r, &kind, &rest) && store_iter_valid(r->it) &&
        bytes_compare(store_iter_key(r->it), buf_bytes(&r->prefix)) > 0)
        return; /* it is behind already */
    buf_clear(&r->seek);
    buf_put_bytes(&r->seek, buf_bytes(&r->prefix));
    buf_put_u8(&r->seek, KEY_END);
    store_iter_seek(r->it, buf_bytes(&r->seek));
}

/* r->seek := the key before all fragments of the row. */
static void row_key(struct rows *r, struct bytes row)
{
    buf_clear(&r->seek);
    buf_put_bytes(&r->seek, buf_bytes(&r->prefix));
    buf_put_u8(&r->seek, KEY_ROW);
    if (row.len > 0)
        key_add_escaped(&r->seek, row);
}

bool rows_in_part(const struct rows *r)
{
    enum key_kind kind;
    struct bytes rest;
    return at_kind(r, &kind, &rest) && kind == KEY_ROW;
}

enum err rows_peek(struct rows *r, struct bytes *ret_key)
{
    enum key_kind kind;
    struct bytes rest;
    size_t len;
    if (!at_kind(r, &kind, &rest) || kind != KEY_ROW)
        return ERR_NOT_FOUND;
    rest = arena_copy(r->arena, bytes_make(rest.data, rest.len - KEY_FRAGMENT_SIZE));
    return key_unescape(rest, r->arena, ret_key, &len) && len == rest.len ? ERR_OK : ERR_CORRUPT;
}

void rows_seek(struct rows *r, struct bytes start)
{
    row_key(r, start);
    /* After read_head the iterator is at the first row: often it need not move. */
    bool there = r->at_first && (!store_iter_valid(r->it) ||
                                 bytes_compare(store_iter_key(r->it), buf_bytes(&r->seek)) >= 0);
    if (!there)
        store_iter_seek(r->it, buf_bytes(&r->seek));
    r->at_first = false;
}

void rows_seek_last(struct rows *r, struct bytes end)
{
    row_key(r, end);
    r->at_first = false;
    if (end.len == 0)
        r->seek.data[r->prefix.len] = KEY_END;
    store_iter_seek_last(r->it, buf_bytes(&r->seek));
}

enum err rows_next(struct rows *r, bool reversed, struct row *ret)
{
    enum key_kind kind;
    struct bytes rest;
    struct bytes row_bytes;
    struct tiers tiers;
    size_t len;
    if (!at_kind(r, &kind, &rest) || kind != KEY_ROW) {
        enum err err = rows_error(r);
        return err != ERR_OK ? err : ERR_NOT_FOUND;
    }
    size_t escaped = rest.len - KEY_FRAGMENT_SIZE;
    struct bytes own = arena_copy(r->arena, bytes_make(rest.data, escaped));
    if (!key_unescape(own, r->arena, &row_bytes, &len) || len != escaped)
        return ERR_CORRUPT;
    buf_clear(&r->keys);
    tiers_begin(&tiers);
    do {
        struct part fragment;
        size_t key = r->keys.len;
        enum err err = read_fragment(r, &fragment);
        if (err != ERR_OK)
            return err;
        if (fragment.rows_count != 1)
            return ERR_CORRUPT;
        add_fragment(&tiers, &fragment.rows[0], key, r->arena);
        if (reversed)
            store_iter_prev(r->it);
        else
            store_iter_next(r->it);
    } while (at_kind(r, &kind, &rest) && kind == KEY_ROW &&
             rest.len == escaped + KEY_FRAGMENT_SIZE &&
             bytes_equal(bytes_make(rest.data, escaped), own));
    struct tomb cover = part_deletion_at(&r->head, row_bytes);
    if (MUTANT(range_delete_of_fragment))
        cover = r->head.deletion;
    struct row all = join_tiers(&tiers, r->arena);
    row_cover(&all, &cover, r->arena, ret);
    r->shadowed = ret->cells != all.cells || !tomb_equal(&ret->deletion, &all.deletion);
    r->fragments = tiers.rows;
    r->fragments_count = tiers.fragments;
    r->e->stats.rows_read++;
    r->cells += tiers.cells;
    if (tiers.fragments >= COLLAPSE_AT || row_is_empty(ret))
        collapse_tiers(r, &tiers, ret, false);
    ret->key = row_bytes;
    return store_iter_error(r->it);
}

/* What is remembered of the row of p, when it is one. */
static size_t large_at(struct engine *e, const struct part *p, uint64_t *ret_hash)
{
    key_part(&e->key, p->table, p->token, p->key);
    if (p->rows_count > 0)
        key_add_escaped(&e->key, p->rows[0].key);
    *ret_hash = bytes_hash(buf_bytes(&e->key)) | 1;
    return (size_t)(*ret_hash >> 32) % LARGE_ROWS;
}

void engine_collapse(struct engine *e, const struct part *p)
{
    uint64_t hash;
    size_t at = large_at(e, p, &hash);
    if (e->large[at].row == hash && e->large[at].skip > 0) {
        e->large[at].skip--;
        return;
    }
    struct arena arena;
    struct rows r;
    struct row row;
    arena_init(&arena);
    rows_init(&r, e, &arena, false);
    enum err err = rows_open(&r, p->table, p->token, p->key);
    for (size_t i = 0; i < p->rows_count && err == ERR_OK; i++) {
        rows_seek(&r, p->rows[i].key);
        err = rows_next(&r, false, &row);
        if (err == ERR_NOT_FOUND) /* collapsed away */
            err = ERR_OK;
    }
    if (err != ERR_OK) /* what is damaged is not rewritten */
        store_batch_clear(&r.fix);
    err = rows_close(&r);
    e->large[at].row = hash;
    e->large[at].skip = (uint32_t)(r.cells / (COLLAPSE_ODDS * COLLAPSE_SHARE));
    arena_close(&arena);
}
