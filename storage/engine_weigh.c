/* engine_weigh.c - does a write win, and what is to be sent instead where it does not?
 *
 * Above the maximum of its bucket it wins, and nothing is read. Else what it touches is read, and
 * what wins over some of it is gathered in a part `here`: winning cells, and the deletions that
 * shadow something, cut to where they do. Its join with the write is what goes to all replicas: a
 * replica that has dropped the deletion T of a write W must not get W alone (docs/versions.md).
 *
 * What the write wants and does not get is a loss; what it does not get but has all the same (the
 * same value, a row that is there, something that is deleted anyhow) is none. */
#include "base/mutant.h"
#include "storage/engine_private.h"

#include <string.h>

#define WEIGH_BYTES_MAX ((size_t)1 << 20) /* read to see whether a deletion leaves anything */

struct weigh {
    const struct part *part;
    const struct clock *context;
    int64_t stamp;
    int64_t now_s;
    int64_t maximum;
    int64_t limit, within; /* the largest loss of what is stamped that is not above the limit */
    bool unread;           /* what a deletion leaves is not all known */
    struct arena *arena;
    struct rows rows;
    struct part here;
    size_t rows_cap, tombs_cap;
    struct weighed *ret;
};

/* What has this timestamp in the write loses to something newer. A deletion above the stamp stands
 * in for one that has the stamp: it won where that was minted, in silence, since both delete. */
static void lose(struct weigh *w, bool deletes, int64_t mine, int64_t by)
{
    bool stamped = w->stamp != 0 && mine >= w->stamp - 1 && (deletes || mine <= w->stamp);
    loss_add(stamped ? &w->ret->stamped : &w->ret->given, by);
    if (stamped && by <= w->limit && by > w->within)
        w->within = by;
}

static bool is_in_context(const struct weigh *w, struct dot dot)
{
    return w->context != NULL && dot.n > 0 && clock_has(w->context, dot);
}

/* ... unless that is garbage that goes before the write is applied. A value does not go: whose
 * clock has it and who did not find it has lost it, and told nobody that it wins. */
static void lose_to_garbage(struct weigh *w, int64_t mine, int64_t by, struct dot dot)
{
    if (!is_in_context(w, dot))
        lose(w, false, mine, by);
}

/* --- what is there goes into `here` */

static void add_tomb(struct weigh *w, struct bytes start, struct bytes end, const struct tomb *t)
{
    struct part *h = &w->here;
    h->tombs = arena_grow(w->arena, h->tombs, h->tombs_count, &w->tombs_cap, sizeof *h->tombs);
    h->tombs[h->tombs_count++] = (struct range_tomb){start, end, *t};
}

/* A deletion of the head, as far as it covers a row; NULL: it covers the static row. */
static void add_cover(struct weigh *w, const struct bytes *row, const struct tomb *t)
{
    if (row == NULL || tomb_equal(t, &w->rows.head.deletion)) {
        w->here.deletion = *t;
        return;
    }
    uint8_t *end = arena_zero(w->arena, row->len + 1);
    if (row->len > 0)
        memcpy(end, row->data, row->len);
    add_tomb(w, *row, bytes_make(end, row->len + 1), t);
}

static void add_row(struct weigh *w, const struct row *row, bool is_static)
{
    struct part *h = &w->here;
    if (row_is_empty(row))
        return;
    if (is_static) {
        h->has_static = true;
        h->static_row = *row;
        return;
    }
    h->rows = arena_grow(w->arena, h->rows, h->rows_count, &w->rows_cap, sizeof *h->rows);
    h->rows[h->rows_count++] = *row;
}

/* --- one row */

static int place_compare(const struct cell *c, uint32_t column, bool has_path, struct bytes path)
{
    if (c->column != column)
        return c->column < column ? -1 : 1;
    if (c->has_path != has_path)
        return c->has_path ? 1 : -1;
    return has_path ? bytes_compare(c->path, path) : 0;
}

/* The number of the first cell at the place or behind it. */
static size_t seek_cell(const struct row *r, uint32_t column, bool has_path, struct bytes path)
{
    size_t low = 0;
    size_t high = r->cells_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (place_compare(&r->cells[mid], column, has_path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct cell *find_cell(const struct row *r, uint32_t column, bool has_path,
                                    struct bytes path)
{
    size_t at = seek_cell(r, column, has_path, path);
    bool found = at < r->cells_count && place_compare(&r->cells[at], column, has_path, path) == 0;
    return found ? &r->cells[at] : NULL;
}

/* Whoever wrote it. */
static bool beats(const struct cell *there, const struct cell *mine)
{
    struct cell x = *there;
    x.dot = mine->dot;
    return cell_wins(&x, mine);
}

/* Cells from..: those of `there` that are live and newer than a deletion that should have taken
 * them, but for places that the write itself fills. */
static void outlive(struct weigh *w, const struct row *mine, const struct cell *there,
                    int64_t timestamp)
{
    if (!cell_is_live(there, w->now_s))
        return;
    if (there->timestamp <= timestamp)
        return;
    const struct cell *own =
        mine != NULL ? find_cell(mine, there->column, there->has_path, there->path) : NULL;
    if (own == NULL) /* else it is weighed by itself */
        lose(w, true, timestamp, there->timestamp);
}

static bool same_value(const struct cell *there, const struct cell *mine)
{
    return there->kind == CELL_LIVE && mine->kind == CELL_LIVE &&
           bytes_equal(there->value, mine->value);
}

/* What should be gone, or replaced, and stays. x: what is in the place of c, or NULL. */
static void weigh_rest(struct weigh *w, const struct row *mine, const struct cell *c,
                       const struct row *there, const struct cell *x)
{
    bool wanted = c->kind != CELL_TOMBSTONE;
    for (size_t i = seek_cell(there, c->column, true, BYTES_NONE);
         !c->has_path && i < there->cells_count && there->cells[i].column == c->column; i++)
        outlive(w, mine, &there->cells[i], c->timestamp);
    if (x == NULL || !beats(x, c) || same_value(x, c))
        return;
    if (!cell_is_live(x, w->now_s) && wanted)
        lose_to_garbage(w, c->timestamp, x->timestamp, x->dot);
    else if (cell_is_live(x, w->now_s) &&
             !(MUTANT(loss_to_the_lost_untold) && is_in_context(w, x->dot)))
        lose(w, !wanted, c->timestamp, x->timestamp);
}

/* `t`: the strongest deletion that covers the row. Whether it shadows the cell; else what wins over
 * it is added to `out`. A deletion that is shadowed has lost nothing by that, but what is newer
 * than both stays. And a value must get above that, too: a second loss would not count. */
static bool weigh_cell(struct weigh *w, const struct row *mine, const struct cell *c,
                       const struct row *there, const struct tomb *t, struct row *out)
{
    bool wanted = c->kind != CELL_TOMBSTONE;
    const struct cell *x = find_cell(there, c->column, c->has_path, c->path);
    const struct cell *all = c->has_path ? find_cell(there, c->column, false, BYTES_NONE) : NULL;
    bool shadowed = tomb_shadows(t, c->timestamp);
    bool replaced = !shadowed && all != NULL && c->timestamp <= all->timestamp;
    if (wanted && shadowed)
        lose_to_garbage(w, c->timestamp, t->timestamp, t->dot);
    if (wanted && all != NULL && c->timestamp <= all->timestamp)
        lose_to_garbage(w, c->timestamp, all->timestamp, all->dot);
    weigh_rest(w, mine, c, there, x);
    if (replaced)
        out->cells[out->cells_count++] = *all;
    else if (!shadowed && x != NULL && cell_wins(x, c)) /* also the same under another name */
        out->cells[out->cells_count++] = *x;
    return shadowed;
}

/* there: as the head's deletions leave it. */
static void weigh_row(struct weigh *w, const struct row *mine, const struct row *there,
                      const struct tomb *cover, bool is_static)
{
    bool own = tomb_wins(&there->deletion, cover);
    const struct tomb *t = own ? &there->deletion : cover;
    struct row out = {.key = mine->key, .deletion = TOMB_NONE};
    bool shadowed = false;
    out.cells = arena_array(w->arena, struct cell, mine->cells_count);
    if (!tomb_is_none(&mine->deletion)) {
        shadowed = tomb_shadows(t, mine->deletion.timestamp);
        for (size_t i = 0; i < there->cells_count; i++)
            outlive(w, mine, &there->cells[i], mine->deletion.timestamp);
    }
    for (size_t i = 0; i < mine->cells_count; i++)
        shadowed |= weigh_cell(w, mine, &mine->cells[i], there, t, &out);
    if (shadowed && own)
        out.deletion = *t;
    else if (shadowed)
        add_cover(w, is_static ? NULL : &mine->key, t);
    add_row(w, &out, is_static);
}

static enum err weigh_rows(struct weigh *w)
{
    const struct part *p = w->part;
    struct part *head = &w->rows.head;
    struct tomb cover = head->deletion;
    size_t at = 0;
    enum err err = ERR_OK;
    if (p->has_static)
        weigh_row(w, &p->static_row, &head->static_row, &cover, true);
    for (size_t i = 0; i < p->rows_count && err == ERR_OK; i++) {
        struct row row;
        struct row none = {.deletion = TOMB_NONE};
        rows_seek(&w->rows, p->rows[i].key);
        err = rows_next(&w->rows, false, &row);
        bool there = err == ERR_OK && bytes_equal(row.key, p->rows[i].key);
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
        cover = tombs_at(head, &at, p->rows[i].key);
        if (err == ERR_OK)
            weigh_row(w, &p->rows[i], there ? &row : &none, &cover, false);
    }
    return err;
}

/* --- deletions of many rows */

/* Does any of the rows in start <= key < end outlive the deletion? */
static enum err weigh_range(struct weigh *w, struct bytes start, struct bytes end,
                            const struct tomb *t)
{
    const struct part *p = w->part;
    size_t k = 0;
    struct row row;
    enum err err;
    rows_seek(&w->rows, start);
    while ((err = rows_next(&w->rows, false, &row)) == ERR_OK && range_before_end(row.key, end)) {
        while (k < p->rows_count && bytes_compare(p->rows[k].key, row.key) < 0)
            k++;
        bool own = k < p->rows_count && bytes_equal(p->rows[k].key, row.key);
        for (size_t i = 0; i < row.cells_count; i++)
            outlive(w, own ? &p->rows[k] : NULL, &row.cells[i], t->timestamp);
        if (w->rows.bytes > WEIGH_BYTES_MAX) { /* a server's stamp goes above all there is */
            if (w->stamp != 0 && t->timestamp == w->stamp) {
                w->unread = true;
                lose(w, true, t->timestamp, w->maximum < w->limit ? w->maximum : w->limit);
            }
            break;
        }
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err weigh_tombs(struct weigh *w)
{
    const struct part *p = w->part;
    const struct part *head = &w->rows.head;
    enum err err = ERR_OK;
    if (!tomb_is_none(&p->deletion)) {
        if (tomb_wins(&head->deletion, &p->deletion))
            w->here.deletion = head->deletion;
        for (size_t i = 0; i < head->static_row.cells_count; i++)
            outlive(w, p->has_static ? &p->static_row : NULL, &head->static_row.cells[i],
                    p->deletion.timestamp);
        err = weigh_range(w, BYTES_NONE, BYTES_NONE, &p->deletion);
    }
    for (size_t i = 0; i < p->tombs_count && err == ERR_OK; i++) {
        const struct range_tomb *mine = &p->tombs[i];
        struct part cut = *head;
        part_cut_tombs(&cut, mine->start, mine->end, w->arena);
        for (size_t k = 0; k < cut.tombs_count; k++) {
            if (tomb_wins(&cut.tombs[k].tomb, &mine->tomb))
                add_tomb(w, cut.tombs[k].start, cut.tombs[k].end, &cut.tombs[k].tomb);
        }
        if (tomb_shadows(&head->deletion, mine->tomb.timestamp))
            w->here.deletion = head->deletion;
        err = weigh_range(w, mine->start, mine->end, &mine->tomb);
    }
    return err;
}

/* Into w->ret and w->here, unless all of it is newest. */
static enum err weigh(struct engine *e, struct weigh *w)
{
    const struct part *p = w->part;
    w->maximum = engine_maximum(e, p->table, p->token);
    w->within = TIMESTAMP_NONE;
    *w->ret = (struct weighed){.newest = part_min_timestamp(p) > w->maximum, .part = *p};
    if (w->ret->newest)
        return ERR_OK;
    e->stats.weighed++;
    w->here = (struct part){.table = p->table, .token = p->token, .key = p->key};
    w->here.deletion = w->here.static_row.deletion = TOMB_NONE;
    rows_init(&w->rows, e, w->arena, false);
    enum err err = rows_open(&w->rows, p->table, p->token, p->key);
    if (err == ERR_OK)
        err = weigh_rows(w);
    if (err == ERR_OK)
        err = weigh_tombs(w);
    enum err closed = rows_close(&w->rows);
    err = err == ERR_OK ? closed : err;
    return err == ERR_OK ? ERR_OK : engine_note(e, err);
}

enum err engine_contest(struct engine *e, const struct part *p, int64_t stamp, int64_t limit,
                        int64_t now_s, struct arena *arena, int64_t *ret, bool *ret_beyond)
{
    struct weighed weighed;
    struct weigh w = {
        .part = p, .stamp = stamp, .limit = limit, .now_s = now_s, .arena = arena, .ret = &weighed};
    enum err err = weigh(e, &w);
    *ret = w.within;
    *ret_beyond |=
        weighed.stamped.lost && (weighed.stamped.by > limit || (w.unread && w.maximum > limit));
    return err;
}

enum err engine_weigh(struct engine *e, const struct part *p, const struct clock *context,
                      int64_t stamp, int64_t now_s, struct arena *arena, struct weighed *ret)
{
    struct weigh w = {.part = p,
                      .context = context,
                      .stamp = stamp,
                      .limit = INT64_MAX,
                      .now_s = now_s,
                      .arena = arena,
                      .ret = ret};
    enum err err = weigh(e, &w);
    if (err != ERR_OK || ret->newest)
        return err;
    part_normalise(&w.here, arena);
    if (!part_is_empty(&w.here) && !MUTANT(back_dated_sent_raw))
        part_merge(&w.here, p, arena, &ret->part);
    return ERR_OK;
}
