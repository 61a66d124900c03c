#include "storage/engine_settle.h"

#include "base/mutant.h"

void settle_init(struct settle *s, struct engine *e, struct range_state *range,
                 const struct garbage_rule *rule, const struct part *message, struct arena *arena)
{
    *s = (struct settle){.e = e, .range = range, .rule = rule, .message = message};
    s->newest = TIMESTAMP_NONE;
    s->before = e->stats.fragments_read;
    rows_init(&s->rows, e, arena, false);
    s->rows.rewriting = true;
}

enum err settle_close(struct settle *s)
{
    return rows_close(&s->rows);
}

size_t settle_work(const struct settle *s)
{
    return (size_t)(s->e->stats.fragments_read - s->before);
}

enum err settle_open(struct settle *s, table_no table, token place, struct bytes key)
{
    int64_t bound;
    s->newest = TIMESTAMP_NONE;
    s->changed = false;
    /* Else it could not be raised by what goes. */
    enum err err = engine_read_purged(s->e, table, place, &bound);
    if (err != ERR_OK)
        return err;
    return rows_open(&s->rows, table, place, key);
}

/* What a purge takes is agreed, and has expired if it expires. Of a context it may be any garbage;
 * and where a pull does not show it, any value. */
static void mark_tree(struct settle *s)
{
    int64_t due = s->rule->is_context ? TREE_ALL_GARBAGE : s->rule->expired_before_s;
    due = due < TREE_ALL_GARBAGE ? due : TREE_ALL_GARBAGE;
    engine_tree_mark(s->e, s->range, s->took_values ? TREE_ALL : due);
}

static void delete_keys(struct settle *s, struct bytes keys, struct bytes *ret_last)
{
    struct reader in = reader_make(keys);
    while (reader_left(&in) > 0) {
        *ret_last = read_vbytes(&in);
        store_batch_delete(&s->e->batch, *ret_last);
    }
}

/* Nothing is left of the row: its fragments say which entries of indexes it had. */
static void unindex(struct settle *s, struct bytes key)
{
    const struct part *head = &s->rows.head;
    struct part p = {.table = head->table, .token = head->token, .key = head->key};
    for (size_t i = 0; i < s->rows.fragments_count; i++) {
        struct row row = s->rows.fragments[i];
        row.key = key;
        p.rows = &row;
        p.rows_count = 1;
        engine_batch_unindex(s->e, &p);
    }
}

void settle_put_row(struct settle *s, const struct row *row)
{
    struct bytes last = BYTES_NONE;
    mark_tree(s);
    delete_keys(s, buf_bytes(&s->rows.keys), &last);
    s->changed = true;
    if (row_is_empty(row)) {
        unindex(s, row->key);
        s->e->stats.purged_rows++;
        return;
    }
    struct row nameless = *row;
    nameless.key = BYTES_NONE; /* the store's key says it */
    struct part p = {
        .siblings = row->siblings, .deletion = TOMB_NONE, .static_row = {.deletion = TOMB_NONE}};
    p.rows = &nameless;
    p.rows_count = 1;
    engine_batch_row(s->e, &s->e->batch, bytes_make(last.data, last.len - KEY_FRAGMENT_SIZE), &p);
}

static bool is_among(const struct bytes *keys, size_t count, struct bytes key)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = bytes_compare(keys[mid], key);
        if (c == 0)
            return true;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static bool is_within(const struct scan_slice *ranges, size_t count, struct bytes key)
{
    size_t low = 0; /* so many begin at it or before */
    size_t high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (bytes_compare(ranges[mid].start, key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 && range_before_end(key, ranges[low - 1].end);
}

/* Does the answer say how the giver has this row? */
static bool is_shown(const struct answer *a, const struct bytes *key)
{
    if (a->whole || key == NULL)
        return a->whole || a->has_static;
    return is_among(a->rows, a->rows_count, *key) || is_within(a->ranges, a->ranges_count, *key);
}

static const struct row *row_of(const struct part *p, const struct bytes *key)
{
    if (key == NULL)
        return p->has_static ? &p->static_row : NULL;
    return part_find_row(p, *key);
}

bool settle_take(struct settle *s, const struct row *own, const struct bytes *key, struct row *ret)
{
    const struct row *in = s->message != NULL ? row_of(s->message, key) : NULL;
    bool taken = row_take_garbage(own, s->rule, in, s->rows.arena, ret, &s->newest);
    const struct answer *a = s->answer;
    if (a == NULL || a->bound == TIMESTAMP_NONE || !is_shown(a, key))
        return taken;
    struct row left = *ret;
    bool absent =
        row_take_absent(&left, s->rule->dots, a->bound, row_of(a->part, key), s->rows.arena, ret);
    s->took_values |= absent;
    return absent || taken;
}

enum err settle_row(struct settle *s, struct row *ret)
{
    struct row row;
    enum err err = rows_next(&s->rows, false, &row);
    if (err != ERR_OK)
        return err;
    bool taken = settle_take(s, &row, &row.key, ret);
    if (taken)
        s->e->stats.purged += row.cells_count - ret->cells_count +
                              (tomb_is_none(&row.deletion) != tomb_is_none(&ret->deletion));
    if (taken || s->rows.shadowed || row_is_empty(&row))
        settle_put_row(s, ret);
    return ERR_OK;
}

enum err settle_rows(struct settle *s, struct bytes start, struct bytes end, size_t work_max,
                     bool *ret_done, struct bytes *ret_next)
{
    struct rows *r = &s->rows;
    struct row row;
    *ret_done = false;
    rows_seek(r, start);
    while (rows_in_part(r)) {
        enum err err = rows_peek(r, ret_next);
        if (err != ERR_OK)
            return err;
        if (!range_before_end(*ret_next, end))
            break;
        if (settle_work(s) >= work_max || s->e->batch.ops.len > WRITE_BYTES_MAX / 4)
            return ERR_OK;
        err = settle_row(s, &row);
        if (err != ERR_OK)
            return err;
    }
    *ret_done = true;
    return rows_error(r);
}

void settle_head(struct settle *s, const struct part *head)
{
    struct bytes last = BYTES_NONE;
    struct part bare = *head;
    bare.rows = NULL;
    bare.rows_count = 0;
    mark_tree(s);
    delete_keys(s, buf_bytes(&s->rows.head_keys), &last);
    engine_batch_data(s->e, &bare);
    s->changed = true;
}

void settle_drop_row(struct settle *s, struct bytes key)
{
    struct bytes last;
    delete_keys(s, buf_bytes(&s->rows.keys), &last);
    unindex(s, key);
}

void settle_drop_head(struct settle *s)
{
    struct bytes last;
    delete_keys(s, buf_bytes(&s->rows.head_keys), &last);
}

void settle_note(struct settle *s)
{
    const struct part *head = &s->rows.head;
    if (s->newest != TIMESTAMP_NONE)
        engine_batch_purged(s->e, head->table, head->token, s->newest);
    if (s->changed)
        s->range->drops++;
    if (s->changed)
        counter_sets_drop_part(&s->e->counters, head->table, head->token, head->key);
}
