/* tree_vote.c - what rows show, for a vote over them, and rows that take the place of others
 * (docs/healing.md, "A damaged replica does not win"). */
#include "storage/engine_settle.h"
#include "storage/tree_private.h"

#include "base/mutant.h"

/* --- what is shown */

static struct row values_of(const struct row *row, int64_t now_s, struct arena *arena)
{
    struct row values = {.siblings = row->siblings, .deletion = TOMB_NONE};
    values.cells = arena_array(arena, struct cell, row->cells_count);
    for (size_t i = 0; i < row->cells_count; i++) {
        if (cell_is_live(&row->cells[i], now_s))
            values.cells[values.cells_count++] = row->cells[i];
    }
    return values;
}

void tree_put_values(const struct row *row, int64_t now_s, struct arena *arena, struct buf *out)
{
    struct row values = values_of(row, now_s, arena);
    struct part p = {.siblings = row->siblings, .deletion = TOMB_NONE};
    p.static_row.deletion = TOMB_NONE;
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
        (struct tree_shown){arena_copy(s->arena, buf_bytes(&s->at)), hash, TIMESTAMP_NONE, *part};
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

/* Of a head its values count, and the deletions that are not agreed: what they cover is not seen in
 * it. */
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
    (void)tree_strip(&left, s->agreed, s->now_s, s->arena);
    if (left.has_static)
        left.static_row = values_of(&left.static_row, s->now_s, s->arena);
    left.has_static = left.has_static && left.static_row.cells_count > 0;
    if (!part_is_empty(&left)) {
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
        struct bytes key, row;
        enum key_kind kind;
        token place;
        out[i].place = places[i];
        while (at < have_count && bytes_compare(have[at].place, places[i]) < 0)
            at++;
        if (at < have_count && bytes_equal(have[at].place, places[i]))
            out[i] = have[at];
        out[i].dropped = key_parse_tree_place(places[i], arena, &place, &key, &kind, &row)
                             ? engine_purged_bound(e, table, place)
                             : TIMESTAMP_NONE;
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
    int64_t now_s;
    bool open, head_changed;
    struct part head; /* as it becomes */
};

static bool covers(const struct tomb *t, const struct row *row)
{
    return !tomb_is_none(t) && tomb_shadows(t, row_min_timestamp(row));
}

static bool shows_other(const struct part *a, const struct part *b, int64_t now_s,
                        struct arena *arena)
{
    const struct row none = {.deletion = TOMB_NONE};
    struct buf x, y;
    buf_init(&x, SIZE_MAX);
    buf_init(&y, SIZE_MAX);
    tree_put_values(a->has_static ? &a->static_row : &none, now_s, arena, &x);
    tree_put_values(b->has_static ? &b->static_row : &none, now_s, arena, &y);
    bool other = !bytes_equal(buf_bytes(&x), buf_bytes(&y));
    buf_close(&x);
    buf_close(&y);
    return other;
}

/* What a head becomes where most have `with`: its values, and the deletions that are here. Others
 * may have dropped theirs by an agreement that is over, and with them what they covered: here that
 * lies under them still, and would come to light. One that covers values that most show goes.
 * False: that is no change, but for garbage. */
static bool head_becomes(struct engine *e, const struct range_state *r, const struct part *own,
                         const struct part *with, int64_t now_s, struct arena *arena,
                         struct part *ret)
{
    struct part kept = bare(own), in = with != NULL ? *with : kept, lack;
    in.rows = NULL;
    in.rows_count = 0;
    (void)tree_strip_dropped(e, r, &in, now_s, arena);
    kept.deletion = own->deletion;
    kept.tombs = own->tombs;
    kept.tombs_count = own->tombs_count;
    bool hides = in.has_static && row_is_live(&in.static_row, now_s) &&
                 covers(&own->deletion, &in.static_row);
    if (hides)
        kept.deletion = TOMB_NONE;
    if (MUTANT(vote_takes_deletions)) {
        *ret = in;
        return true;
    }
    part_merge(&kept, &in, arena, ret);
    struct part deletions = *ret;
    deletions.has_static = false;
    deletions.static_row = kept.static_row;
    return hides || part_lacks(&kept, &deletions, arena, &lack) ||
           shows_other(own, ret, now_s, arena);
}

bool engine_tree_changes(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct part *own, const struct part *with, int64_t now_s,
                         struct arena *arena)
{
    struct part none, ret;
    if ((own != NULL && own->rows_count > 0) || (with != NULL && with->rows_count > 0))
        return true;
    if (own == NULL && with == NULL)
        return false;
    none = bare(own != NULL ? own : with);
    return head_becomes(e, engine_range(e, keyspace, range), own != NULL ? own : &none, with, now_s,
                        arena, &ret);
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

static bool loses_deletion(const struct part *before, const struct part *after)
{
    return !tomb_is_none(&before->deletion) && tomb_is_none(&after->deletion);
}

/* The head covers what comes: values of it, or the row. */
static bool loses_deletions(struct engine *e, const struct replacing *c, const struct part *head,
                            enum key_kind kind, struct bytes row, const struct part *with)
{
    struct part after;
    if (tomb_is_none(&head->deletion) && head->tombs_count == 0)
        return false;
    if (kind != KEY_ROW)
        return head_becomes(e, c->range, head, with, c->now_s, c->arena, &after) &&
               loses_deletion(head, &after);
    struct tomb cover = part_deletion_at(head, row);
    return with != NULL && with->rows_count > 0 && covers(&cover, &with->rows[0]);
}

/* Before anything is replaced, in batches of its own: nothing looks otherwise for it. */
static enum err bury_covered(struct engine *e, const struct replacing *c,
                             const struct tree_replace *items, size_t count)
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
    settle_init(&s, e, c->range, &none, NULL, c->arena);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        const struct tree_replace *item = &items[i];
        if (!key_parse_tree_place(item->place, c->arena, &at, &key, &kind, &row)) {
            err = ERR_MALFORMED;
            break;
        }
        if (item->table == table && bytes_equal(key, last)) /* is done */
            continue;
        err = settle_open(&s, item->table, at, key);
        if (err != ERR_OK || !loses_deletions(e, c, &s.rows.head, kind, row, item->with))
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
    struct part head;
    if (!head_becomes(c->settle.e, c->range, &c->head, item->with, c->now_s, c->arena, &head))
        return ERR_OK;
    if (loses_deletion(&c->head, &head))
        engine_tree_mark(c->settle.e, c->range, TREE_ALL);
    c->head = head;
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
                             const struct tree_replace *items, size_t count, int64_t now_s,
                             struct arena *arena, uint64_t ticket)
{
    static const struct garbage_rule none;
    struct replacing c = {
        .arena = arena, .range = engine_range(e, keyspace, range), .now_s = now_s};
    if (c.range->err != ERR_OK)
        return c.range->err;
    enum err err = touch(e, c.range, items, count, arena);
    if (err == ERR_OK && !MUTANT(covered_comes_back))
        err = bury_covered(e, &c, items, count);
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
