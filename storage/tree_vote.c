/* tree_vote.c - what rows show, for a vote over them, and rows that take the place of others
 * (docs/healing.md, "A damaged replica does not win"). */
#include "storage/engine_settle.h"
#include "storage/tree_private.h"

#include "base/mutant.h"

/* --- what is shown */

void tree_put_values(const struct row *row, int64_t now_s, struct arena *arena, struct buf *out)
{
    struct row values = {.siblings = row->siblings, .deletion = TOMB_NONE};
    struct part p = {.siblings = row->siblings, .deletion = TOMB_NONE};
    p.static_row.deletion = TOMB_NONE;
    values.cells = arena_array(arena, struct cell, row->cells_count);
    for (size_t i = 0; i < row->cells_count; i++) {
        if (cell_is_live(&row->cells[i], now_s))
            values.cells[values.cells_count++] = row->cells[i];
    }
    p.rows = &values;
    p.rows_count = values.cells_count > 0;
    part_body_write(&p, PART_NO_CLOCK, out);
}

struct showing {
    struct engine *e;
    struct arena *arena;
    const struct clock *agreed;
    int64_t now_s;
    struct buf at;
    struct tree_shown *items;
    size_t count, cap;
};

static void add(struct showing *s, const struct part *part, uint64_t hash)
{
    s->items = arena_grow(s->arena, s->items, s->count, &s->cap, sizeof *s->items);
    s->items[s->count++] =
        (struct tree_shown){arena_copy(s->arena, buf_bytes(&s->at)), hash, *part};
}

static struct part bare(const struct part *p)
{
    struct part out = {.table = p->table,
                       .siblings = p->siblings,
                       .token = p->token,
                       .key = p->key,
                       .deletion = TOMB_NONE};
    out.static_row.deletion = TOMB_NONE;
    return out;
}

/* Of a head all counts that is not agreed: what its deletions cover is not seen in it. */
static void show_head(struct showing *s, const struct part *p)
{
    struct part head = *p, left;
    uint64_t hash = 0;
    head.rows = NULL;
    head.rows_count = 0;
    left = head;
    key_tree_place(&s->at, p->token, p->key, KEY_DELETION);
    if (part_is_empty(&head))
        return;
    if (tree_strip(&left, s->agreed, s->now_s, s->arena)) {
        struct buf body;
        buf_init(&body, SIZE_MAX);
        buf_put_bytes(&body, buf_bytes(&s->at));
        part_body_write(&left, PART_NO_CLOCK, &body);
        hash = siphash(&s->e->tree_key, buf_bytes(&body));
        buf_close(&body);
    }
    add(s, &head, hash);
}

static void show_row(struct showing *s, const struct part *p, struct row *row)
{
    struct part one = bare(p);
    uint64_t hash = 0;
    one.siblings = row->siblings;
    one.rows = row;
    one.rows_count = 1;
    key_tree_place(&s->at, p->token, p->key, KEY_ROW);
    key_add_escaped(&s->at, row->key);
    if (row_is_live(row, s->now_s)) {
        struct buf body;
        buf_init(&body, SIZE_MAX);
        buf_put_bytes(&body, buf_bytes(&s->at));
        tree_put_values(row, s->now_s, s->arena, &body);
        hash = siphash(&s->e->tree_key, buf_bytes(&body));
        buf_close(&body);
    }
    add(s, &one, hash);
}

enum err engine_tree_shown(struct engine *e, const struct range_place *place, struct bytes rows,
                           const struct clock *agreed, int64_t now_s, struct arena *arena,
                           struct tree_shown **ret, size_t *ret_count)
{
    struct showing s = {.e = e, .arena = arena, .agreed = agreed, .now_s = now_s};
    struct bytes own = arena_copy(arena, rows);
    struct reader in = reader_make(own);
    enum err err = ERR_OK;
    buf_init(&s.at, SIZE_MAX);
    while (reader_left(&in) > 0 && err == ERR_OK) {
        struct part *p = arena_new(arena, struct part);
        err = part_read(&in, arena, p);
        if (err == ERR_OK && place != NULL && !tree_is_of_place(place, p))
            err = ERR_MALFORMED;
        if (err != ERR_OK)
            break;
        show_head(&s, p);
        for (size_t i = 0; i < p->rows_count; i++)
            show_row(&s, p, &p->rows[i]);
    }
    buf_close(&s.at);
    *ret = s.items;
    *ret_count = s.count;
    return err;
}

enum err engine_tree_look(struct engine *e, table_no table, const struct bytes *places,
                          size_t count, const struct clock *agreed, int64_t now_s, size_t bytes_max,
                          struct arena *arena, struct tree_shown **ret, size_t *ret_count)
{
    struct buf rows;
    struct tree_shown *have = NULL, *out = arena_array(arena, struct tree_shown, count);
    size_t have_count = 0, at = 0;
    buf_init(&rows, WRITE_BYTES_MAX);
    enum err err = engine_tree_rows(e, table, places, count, bytes_max, &rows, ret_count);
    if (err == ERR_OK)
        err =
            engine_tree_shown(e, NULL, buf_bytes(&rows), agreed, now_s, arena, &have, &have_count);
    for (size_t i = 0; err == ERR_OK && i < *ret_count; i++) {
        out[i].place = places[i];
        while (at < have_count && bytes_compare(have[at].place, places[i]) < 0)
            at++;
        if (at < have_count && bytes_equal(have[at].place, places[i]))
            out[i] = have[at];
    }
    buf_close(&rows);
    *ret = out;
    return err;
}

/* --- in the place of what is here */

struct replacing {
    struct settle settle;
    struct arena *arena;
    struct range_state *range;
    bool open, head_changed;
    struct part head; /* as it becomes */
};

static bool covers(const struct tomb *t, const struct row *row)
{
    return !tomb_is_none(t) && tomb_shadows(t, row_min_timestamp(row));
}

/* What most show is not deleted: a deletion that is here and agreed, so in no vote. */
static void uncover(struct replacing *c, const struct row *row)
{
    struct part *h = &c->head;
    struct range_tomb *kept = arena_array(c->arena, struct range_tomb, h->tombs_count);
    size_t count = 0;
    bool any = covers(&h->deletion, row);
    if (any)
        h->deletion = TOMB_NONE;
    for (size_t i = 0; i < h->tombs_count; i++) {
        const struct range_tomb *t = &h->tombs[i];
        if (bytes_compare(row->key, t->start) >= 0 && range_before_end(row->key, t->end) &&
            covers(&t->tomb, row))
            any = true;
        else
            kept[count++] = *t;
    }
    if (!any)
        return;
    engine_tree_mark(c->settle.e, c->range, TREE_ALL); /* other rows come to light */
    h->tombs = kept;
    h->tombs_count = count;
    c->head_changed = true;
}

static void end_part(struct replacing *c)
{
    struct engine *e = c->settle.e;
    if (c->open && c->head_changed) {
        key_part(&e->key, c->head.table, c->head.token, c->head.key);
        if (bytes_equal(buf_bytes(&e->key), buf_bytes(&c->range->sweep.part)))
            buf_clear(&c->range->sweep.part); /* it begins anew, with what is there then */
        settle_drop_head(&c->settle);
        if (!part_is_empty(&c->head))
            engine_batch_part(e, c->range, &c->head);
    }
    if (c->open)
        counter_sets_drop_part(&e->counters, c->head.table, c->head.token, c->head.key);
    c->open = c->head_changed = false;
}

static enum err open_part(struct replacing *c, table_no table, token at, struct bytes key)
{
    if (c->open && c->head.table == table && c->head.token == at && bytes_equal(c->head.key, key))
        return ERR_OK;
    end_part(c);
    enum err err = settle_open(&c->settle, table, at, key);
    if (err != ERR_OK)
        return err;
    c->head = c->settle.rows.head;
    c->head.table = table;
    c->head.token = at;
    c->head.key = key;
    c->head.rows = NULL;
    c->head.rows_count = 0;
    c->open = true;
    return ERR_OK;
}

static enum err replace_row(struct replacing *c, struct bytes key, const struct part *with)
{
    struct rows *rows = &c->settle.rows;
    struct bytes found;
    struct row own;
    enum err err = ERR_OK;
    rows_seek(rows, key);
    bool here = rows_in_part(rows);
    if (here)
        err = rows_peek(rows, &found);
    if (err == ERR_OK && here && bytes_equal(found, key)) {
        err = rows_next(rows, false, &own);
        if (err == ERR_OK)
            settle_drop_row(&c->settle, key);
    }
    if (err == ERR_OK)
        err = rows_error(rows);
    if (err != ERR_OK || with == NULL || with->rows_count == 0)
        return err;
    engine_batch_part(c->settle.e, c->range, with);
    if (with->rows[0].cells_count > 0)
        uncover(c, &with->rows[0]);
    return ERR_OK;
}

/* What deletions here cover of the partition that is open goes for good: else it would come to
 * light when they do. */
static enum err bury(struct settle *s)
{
    struct engine *e = s->e;
    struct bytes next = BYTES_NONE;
    bool done = false;
    while (!done) {
        engine_batch_begin(e);
        enum err err = settle_rows(s, next, BYTES_NONE, SIZE_MAX, &done, &next);
        if (err == ERR_OK)
            err = engine_batch_check(e);
        if (err != ERR_OK) {
            engine_batch_undo(e);
            return err;
        }
        engine_batch_write(e, 0);
    }
    return ERR_OK;
}

/* The head is another one from now on, or it covers the row that comes. */
static bool loses_deletions(const struct part *head, enum key_kind kind, struct bytes row,
                            const struct part *with)
{
    if (tomb_is_none(&head->deletion) && head->tombs_count == 0)
        return false;
    if (kind != KEY_ROW)
        return true;
    struct tomb cover = part_deletion_at(head, row);
    return with != NULL && with->rows_count > 0 && covers(&cover, &with->rows[0]);
}

/* Before anything is replaced, in batches of its own: nothing looks otherwise for it. */
static enum err bury_covered(struct engine *e, struct range_state *r,
                             const struct tree_replace *items, size_t count, struct arena *arena)
{
    struct clock nothing;
    struct garbage_rule none = {.dots = &nothing};
    struct settle s;
    struct bytes last = BYTES_NONE, key, row;
    table_no table = 0;
    enum key_kind kind;
    enum err err = ERR_OK;
    token at;
    clock_init(&nothing);
    settle_init(&s, e, r, &none, NULL, arena);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        const struct tree_replace *item = &items[i];
        if (!key_parse_tree_place(item->place, arena, &at, &key, &kind, &row)) {
            err = ERR_MALFORMED;
            break;
        }
        if (item->table == table && bytes_equal(key, last)) /* is done */
            continue;
        err = settle_open(&s, item->table, at, key);
        if (err != ERR_OK || !loses_deletions(&s.rows.head, kind, row, item->with))
            continue;
        err = bury(&s);
        table = item->table;
        last = key;
    }
    enum err closed = settle_close(&s);
    clock_close(&nothing);
    return err == ERR_OK ? closed : err;
}

static enum err replace_one(struct replacing *c, const struct tree_replace *item)
{
    struct bytes key, row;
    enum key_kind kind;
    token at;
    if (!key_parse_tree_place(item->place, c->arena, &at, &key, &kind, &row))
        return ERR_MALFORMED;
    enum err err = open_part(c, item->table, at, key);
    if (err != ERR_OK)
        return err;
    if (kind == KEY_ROW)
        return replace_row(c, row, item->with);
    struct part none = bare(&c->head);
    c->head = item->with != NULL ? *item->with : none;
    c->head.key = key;
    c->head_changed = true;
    return ERR_OK;
}

/* Their leaves; of a head all that it covers or covered. */
static enum err touch(struct engine *e, struct range_state *r, const struct tree_replace *items,
                      size_t count, struct arena *arena)
{
    struct part *parts = arena_array(arena, struct part, count);
    struct row *rows = arena_array(arena, struct row, count);
    for (size_t i = 0; i < count; i++) {
        struct part *p = &parts[i];
        enum key_kind kind;
        *p = (struct part){.table = items[i].table, .deletion = TOMB_NONE};
        if (!key_parse_tree_place(items[i].place, arena, &p->token, &p->key, &kind, &rows[i].key))
            return ERR_MALFORMED;
        if (kind == KEY_ROW) {
            p->rows = &rows[i];
            p->rows_count = 1;
        } else {
            p->deletion = (struct tomb){.timestamp = 0};
        }
    }
    return tree_touch_parts(e, r, parts, count);
}

enum err engine_tree_replace(struct engine *e, keyspace_no keyspace, range_no range,
                             const struct tree_replace *items, size_t count, struct arena *arena,
                             uint64_t ticket)
{
    static const struct garbage_rule none;
    struct replacing c = {.arena = arena, .range = engine_range(e, keyspace, range)};
    if (c.range->err != ERR_OK)
        return c.range->err;
    enum err err = touch(e, c.range, items, count, arena);
    if (err == ERR_OK && !MUTANT(covered_comes_back))
        err = bury_covered(e, c.range, items, count, arena);
    if (err != ERR_OK)
        return engine_note(e, err);
    engine_batch_begin(e);
    settle_init(&c.settle, e, c.range, &none, NULL, arena);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = replace_one(&c, &items[i]);
    if (err == ERR_OK)
        end_part(&c);
    enum err closed = settle_close(&c.settle);
    err = err == ERR_OK ? closed : err;
    err = err == ERR_OK ? engine_batch_check(e) : err;
    if (err == ERR_OK) {
        e->stats.bytes_written += e->batch.ops.len;
        engine_batch_write(e, ticket);
    } else {
        engine_batch_undo(e);
        counter_sets_drop_all(&e->counters);
    }
    return engine_note(e, err);
}
