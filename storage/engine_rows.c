/* engine_rows.c - from fragments to rows.
 *
 * A row is the join of its fragments, so reading it once more costs the same work again. A read
 * that met COLLAPSE_AT fragments or more puts their join in their place, and one that met a row
 * which is deleted as a whole removes it, in one batch when the read ends. Rows that are written
 * and never read are collapsed by one write in COLLAPSE_ODDS (engine_collapse): so the expected
 * number of fragments is bounded whatever the workload, without any counters to keep.
 */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

void rows_init(struct rows *r, struct engine *e, struct arena *arena, bool durable)
{
    *r = (struct rows){.e = e, .arena = arena};
    buf_init(&r->prefix, SIZE_MAX);
    buf_init(&r->seek, SIZE_MAX);
    buf_init(&r->keys, SIZE_MAX);
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
        store_failure(r->e->store) == NULL)
        store_write(r->e->store, &r->fix, 0);
    store_batch_close(&r->fix);
    buf_close(&r->prefix);
    buf_close(&r->seek);
    buf_close(&r->keys);
    return err;
}

/* Join the fragment under the iterator into *into. */
static enum err read_fragment(struct rows *r, struct part *into, bool first)
{
    struct bytes value = arena_copy(r->arena, store_iter_value(r->it));
    struct reader in = reader_make(value);
    struct part p = {.table = r->head.table, .token = r->head.token, .key = r->head.key};
    buf_put_vbytes(&r->keys, store_iter_key(r->it));
    r->bytes += value.len;
    r->e->stats.fragments_read++;
    if (part_body_read(&in, r->arena, &p) != ERR_OK || !reader_done(&in))
        return ERR_CORRUPT;
    if (first)
        *into = p;
    else
        part_merge(into, &p, r->arena, into);
    return ERR_OK;
}

/* Put `joined` in the place of the fragments just read, or nothing when it is empty. */
static void collapse(struct rows *r, const struct part *joined)
{
    struct reader in = reader_make(buf_bytes(&r->keys));
    struct bytes key = BYTES_NONE;
    bool empty = part_is_empty(joined) ||
                 (MUTANT(purge_early) && joined->rows_count == 1 && joined->rows->cells_count == 0);
    unsigned max = empty ? REMOVALS_MAX : COLLAPSES_MAX;
    if (r->fixes >= max || r->fix.ops.len > WRITE_BYTES_MAX / 2)
        return;
    while (reader_left(&in) > 0) {
        key = read_vbytes(&in);
        store_batch_delete(&r->fix, key);
    }
    if (!empty)
        engine_batch_row(r->e, &r->fix, bytes_make(key.data, key.len - KEY_FRAGMENT_SIZE), joined);
    r->fixes++;
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

/* The iterator stands at the first key of the partition or behind it. */
static enum err read_head(struct rows *r)
{
    enum key_kind kind = KEY_END;
    struct bytes rest;
    while (at_kind(r, &kind, &rest) && kind < KEY_ROW) {
        enum key_kind this = kind;
        struct part joined;
        size_t count = 0;
        buf_clear(&r->keys);
        while (at_kind(r, &kind, &rest) && kind == this) {
            enum err err = read_fragment(r, &joined, count == 0);
            if (err != ERR_OK)
                return err;
            if (joined.rows_count > 0)
                return ERR_CORRUPT;
            count++;
            store_iter_next(r->it);
        }
        struct part before = r->head; /* what a kind before shadows goes, too */
        part_merge(&before, &joined, r->arena, &r->head);
        if (this == KEY_TOMBS) {
            joined.tombs = r->head.tombs;
            joined.tombs_count = r->head.tombs_count;
        } else if (this == KEY_STATIC) {
            joined.has_static = r->head.has_static;
            joined.static_row = r->head.static_row;
        }
        if (count >= COLLAPSE_AT || part_is_empty(&joined))
            collapse(r, &joined);
    }
    r->at_first = true;
    return rows_error(r);
}

static void begin_part(struct rows *r, table_no table, token place, struct bytes key)
{
    r->head = (struct part){.table = table, .token = place, .key = key, .deletion = TOMB_NONE};
    r->head.static_row.deletion = TOMB_NONE;
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
    struct part joined;
    size_t len;
    size_t count = 0;
    if (!at_kind(r, &kind, &rest) || kind != KEY_ROW) {
        enum err err = rows_error(r);
        return err != ERR_OK ? err : ERR_NOT_FOUND;
    }
    size_t escaped = rest.len - KEY_FRAGMENT_SIZE;
    struct bytes own = arena_copy(r->arena, bytes_make(rest.data, escaped));
    if (!key_unescape(own, r->arena, &row_bytes, &len) || len != escaped)
        return ERR_CORRUPT;
    buf_clear(&r->keys);
    do {
        enum err err = read_fragment(r, &joined, count == 0);
        if (err != ERR_OK)
            return err;
        if (joined.rows_count != 1)
            return ERR_CORRUPT;
        count++;
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
    row_cover(&joined.rows[0], &cover, r->arena, ret);
    r->e->stats.rows_read++;
    if (count >= COLLAPSE_AT || row_is_empty(ret)) {
        struct part whole = {.deletion = TOMB_NONE, .rows = ret, .rows_count = 1};
        if (MUTANT(collapse_loses_cell) && ret->cells_count > 1)
            ret->cells_count--;
        whole.static_row.deletion = TOMB_NONE;
        whole.rows_count = row_is_empty(ret) ? 0 : 1;
        ret->key = BYTES_NONE;
        collapse(r, &whole);
    }
    ret->key = row_bytes;
    return store_iter_error(r->it);
}

void engine_collapse(struct engine *e, const struct part *p)
{
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
    arena_close(&arena);
}
