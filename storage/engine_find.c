/* engine_find.c - scans of indexes.
 *
 * One term: its entries lie in the order of the table, so they are walked, page by page. A range of
 * terms: its entries are gathered and sorted, page by page again, up to INDEX_WALK_MAX of them; a
 * range with more is no better than the table, so that is read, as it is while the index is being
 * built. All three answer the same. */
#include "base/mem.h"
#include "storage/engine_index.h"

#include <stdlib.h>
#include <string.h>

#define WORK_FACTOR 8 /* a page reads so many times its bytes before it ends */

struct candidate {
    struct scan_point point;
    struct bytes entry; /* the whole key */
    struct bytes term;
};

struct find {
    struct engine *e;
    const struct scan *scan;
    const struct index_spec *spec;
    struct arena *arena;  /* of the answer */
    struct arena scratch; /* of what is read */
    struct rows rows;
    struct scan_point open; /* the partition that `rows` is at */
    bool is_open;
    struct buf term;
    struct store_batch stale;
    struct index_result out;
    size_t cap;
    size_t limit;
    size_t work_max;
};

/* --- what matches */

static bool in_bounds(const struct scan_index *x, struct bytes term)
{
    return bytes_compare(term, x->from) >= 0 &&
           (x->upto.len == 0 || bytes_compare(term, x->upto) < 0);
}

/* Does a cell give a term within the bounds? now_s INT64_MIN: as if nothing expired. */
static bool cells_match(struct find *f, const struct row *row, const struct scan_index *x,
                        int64_t now_s)
{
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->column != f->spec->column || !cell_is_live(c, now_s))
            continue;
        buf_clear(&f->term);
        if (f->spec->term(f->spec->arg, c->path, c->value, &f->term) &&
            in_bounds(x, buf_bytes(&f->term)))
            return true;
    }
    return false;
}

static bool key_matches(struct find *f, struct bytes key, const struct scan_index *x)
{
    buf_clear(&f->term);
    return f->spec->term(f->spec->arg, BYTES_NONE, key, &f->term) &&
           in_bounds(x, buf_bytes(&f->term));
}

static bool in_slices(const struct scan *s, struct bytes row)
{
    for (size_t i = 0; i < s->slices_count; i++) {
        if (bytes_compare(row, s->slices[i].start) >= 0 && range_before_end(row, s->slices[i].end))
            return true;
    }
    return s->slices_count == 0;
}

/* Behind where the pages before ended, and within the tokens or the partition asked for. */
static bool wanted(const struct scan *s, const struct scan_point *p)
{
    if (s->single && (p->token != s->token || !bytes_equal(p->key, s->key)))
        return false;
    if (!s->single &&
        ((p->token <= s->after_token && s->after_token != INT64_MIN) || p->token > s->upto_token))
        return false;
    if (!p->whole && !in_slices(s, p->row))
        return false;
    if (!s->has_from)
        return true;
    if (p->token != s->from_token)
        return p->token > s->from_token;
    int c = bytes_compare(p->key, s->from_key);
    if (c != 0)
        return c > 0;
    return s->from_in_part && (p->whole || bytes_compare(p->row, s->from_row) > 0);
}

static void add_point(struct find *f, const struct scan_point *p)
{
    struct index_result *out = &f->out;
    if (out->count > 0 && scan_point_compare(&out->points[out->count - 1], p) == 0)
        return;
    out->points = arena_grow(f->arena, out->points, out->count, &f->cap, sizeof *p);
    struct scan_point *to = &out->points[out->count++];
    *to = *p;
    to->key = arena_copy(f->arena, p->key);
    to->row = arena_copy(f->arena, p->row);
}

/* --- reading what entries point to */

static enum err open_part(struct find *f, const struct scan_point *p)
{
    if (f->is_open && f->open.token == p->token && bytes_equal(f->open.key, p->key))
        return ERR_OK;
    f->open = *p;
    f->is_open = true;
    return rows_open(&f->rows, f->spec->table, p->token, p->key);
}

/* The row of a point; ERR_NOT_FOUND when it is not there. */
static enum err read_row(struct find *f, struct bytes key, struct row *ret)
{
    rows_seek(&f->rows, key);
    enum err err = rows_next(&f->rows, false, ret);
    if (err == ERR_OK && !bytes_equal(ret->key, key))
        err = ERR_NOT_FOUND;
    return err;
}

/* Has the partition any live cell? */
static enum err part_has_cells(struct find *f, int64_t now_s, bool *ret)
{
    struct row row;
    *ret = f->rows.head.has_static && row_is_live(&f->rows.head.static_row, now_s);
    if (*ret)
        return ERR_OK;
    rows_seek(&f->rows, BYTES_NONE);
    enum err err = ERR_OK;
    while (err == ERR_OK && !*ret) {
        err = rows_next(&f->rows, false, &row);
        *ret = err == ERR_OK && row_is_live(&row, now_s);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Does what the entry points to match now; is there anything left of what made the entry? */
static enum err check(struct find *f, const struct candidate *c, bool *ret_match, bool *ret_stale)
{
    const struct scan *s = f->scan;
    struct buf upto;
    struct row row = {.deletion = TOMB_NONE};
    enum err err = open_part(f, &c->point);
    bool any = false;
    *ret_match = *ret_stale = false;
    if (err != ERR_OK)
        return err;
    if (f->spec->source == INDEX_OF_PARTITION_KEY) {
        err = part_has_cells(f, s->now_s, ret_match);
        if (err == ERR_OK && !*ret_match)
            err = part_has_cells(f, INT64_MIN, &any);
        *ret_stale = !*ret_match && !any;
        return err;
    }
    if (f->spec->source == INDEX_OF_STATIC && f->rows.head.has_static)
        row = f->rows.head.static_row;
    else if (f->spec->source != INDEX_OF_STATIC)
        err = read_row(f, c->point.row, &row);
    if (err == ERR_NOT_FOUND) {
        *ret_stale = true;
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
    if (f->spec->source == INDEX_OF_ROW_KEY) {
        *ret_match = row_is_live(&row, s->now_s);
        *ret_stale = !row_is_live(&row, INT64_MIN);
        return ERR_OK;
    }
    *ret_match = cells_match(f, &row, &s->index, s->now_s);
    if (*ret_match)
        return ERR_OK;
    buf_init(&upto, SIZE_MAX);
    buf_put_bytes(&upto, c->term);
    buf_put_u8(&upto, 0);
    struct scan_index exact = {.from = c->term, .upto = buf_bytes(&upto)};
    *ret_stale = !cells_match(f, &row, &exact, INT64_MIN);
    buf_close(&upto);
    return ERR_OK;
}

/* Look at one candidate, in order. *ret_full: the page ends behind it. */
static enum err take(struct find *f, const struct candidate *c, bool *ret_full)
{
    bool match;
    bool stale;
    enum err err = check(f, c, &match, &stale);
    if (err != ERR_OK)
        return err;
    if (match)
        add_point(f, &c->point);
    if (stale && !f->rows.look_only)
        store_batch_delete(&f->stale, c->entry);
    *ret_full = f->out.count >= f->limit || f->rows.bytes >= f->work_max;
    return ERR_OK;
}

static void stop_behind(struct find *f, const struct scan_point *p)
{
    f->out.more = true;
    f->out.upto_token = p->token;
    f->out.upto_key = arena_copy(f->arena, p->key);
    f->out.upto_in_part = !p->whole;
    f->out.upto_row = p->whole ? BYTES_NONE : arena_copy(f->arena, p->row);
}

/* --- entries */

/* The entry under the iterator; `len`: of what key_index wrote. */
static enum err parse_entry(struct find *f, const struct store_iter *it, size_t len,
                            struct candidate *ret)
{
    enum key_kind kind;
    ret->entry = arena_copy(&f->scratch, store_iter_key(it));
    struct bytes rest = bytes_make(ret->entry.data + len, ret->entry.len - len);
    if (!key_parse_index(rest, &f->scratch, &ret->term, &ret->point.token, &ret->point.key, &kind,
                         &ret->point.row))
        return ERR_CORRUPT;
    ret->point.whole = kind != KEY_ROW;
    return ERR_OK;
}

#define INDEX_KEY_SIZE 9

/* The first entry of the term that may be wanted. */
static void seek_term(const struct find *f, const struct buf *prefix, struct buf *out)
{
    const struct scan *s = f->scan;
    buf_clear(out);
    buf_put_bytes(out, buf_bytes(prefix));
    bool from =
        s->has_from && (s->single || s->from_token > s->after_token || s->after_token == INT64_MIN);
    if (from) {
        key_add_token(out, s->from_token);
        key_add_escaped(out, s->from_key);
        if (!s->from_in_part)
            buf_put_u8(out, KEY_END);
        if (s->from_in_part && s->from_row.len > 0) {
            buf_put_u8(out, KEY_ROW);
            key_add_escaped(out, s->from_row);
        }
    } else if (s->single) {
        key_add_token(out, s->token);
        key_add_escaped(out, s->key);
    } else if (s->after_token != INT64_MIN) {
        key_add_token(out, s->after_token + (s->after_token != INT64_MAX));
    }
}

static bool is_past(const struct scan *s, const struct scan_point *p)
{
    return s->single ? p->token != s->token || !bytes_equal(p->key, s->key)
                     : p->token > s->upto_token;
}

static enum err find_term(struct find *f, struct store_iter *it)
{
    struct buf prefix, seek;
    enum err err = ERR_OK;
    bool full = false;
    struct candidate last = {0};
    buf_init(&prefix, SIZE_MAX);
    buf_init(&seek, SIZE_MAX);
    index_key_term(&prefix, f->spec, f->scan->index.from);
    seek_term(f, &prefix, &seek);
    store_iter_seek(it, buf_bytes(&seek));
    for (; err == ERR_OK && store_iter_valid(it) &&
           bytes_starts_with(store_iter_key(it), buf_bytes(&prefix));
         store_iter_next(it)) {
        struct candidate c;
        err = parse_entry(f, it, INDEX_KEY_SIZE, &c);
        if (err != ERR_OK || is_past(f->scan, &c.point))
            break;
        if (!wanted(f->scan, &c.point))
            continue;
        if (full) { /* there is one more */
            stop_behind(f, &last.point);
            break;
        }
        err = take(f, &c, &full);
        last = c;
    }
    if (err == ERR_OK)
        err = store_iter_error(it);
    buf_close(&prefix);
    buf_close(&seek);
    return err;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    int c = scan_point_compare(&x->point, &y->point);
    return c != 0 ? c : bytes_compare(x->term, y->term);
}

/* The entries of the range of terms that are wanted. *ret_many: too many to look at. */
static enum err gather(struct find *f, struct store_iter *it, struct candidate **ret,
                       size_t *ret_count, bool *ret_many)
{
    const struct scan_index *x = &f->scan->index;
    struct buf prefix, seek;
    size_t cap = 0;
    size_t walked = 0;
    enum err err = ERR_OK;
    *ret = NULL;
    *ret_count = 0;
    buf_init(&prefix, SIZE_MAX);
    buf_init(&seek, SIZE_MAX);
    key_index(&prefix, f->spec->table, f->spec->no);
    buf_put_bytes(&seek, buf_bytes(&prefix));
    if (x->from.len > 0)
        key_add_escaped(&seek, x->from);
    store_iter_seek(it, buf_bytes(&seek));
    for (; err == ERR_OK && store_iter_valid(it) && walked <= INDEX_WALK_MAX &&
           bytes_starts_with(store_iter_key(it), buf_bytes(&prefix));
         store_iter_next(it)) {
        struct candidate c;
        err = parse_entry(f, it, INDEX_KEY_SIZE, &c);
        if (err != ERR_OK || !in_bounds(x, c.term))
            break;
        walked++;
        if (!wanted(f->scan, &c.point))
            continue;
        *ret = arena_grow(&f->scratch, *ret, *ret_count, &cap, sizeof c);
        (*ret)[(*ret_count)++] = c;
    }
    if (err == ERR_OK)
        err = store_iter_error(it);
    *ret_many = walked > INDEX_WALK_MAX;
    buf_close(&prefix);
    buf_close(&seek);
    return err;
}

static enum err find_range(struct find *f, struct store_iter *it, bool *ret_many)
{
    struct candidate *all;
    size_t count;
    bool full = false;
    enum err err = gather(f, it, &all, &count, ret_many);
    if (err != ERR_OK || *ret_many)
        return err;
    if (count > 1)
        qsort(all, count, sizeof *all, compare_candidates);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        bool same = i > 0 && scan_point_compare(&all[i - 1].point, &all[i].point) == 0;
        if (full && !same) {
            stop_behind(f, &all[i - 1].point);
            break;
        }
        bool now_full;
        err = take(f, &all[i], &now_full);
        full |= err == ERR_OK && now_full;
    }
    return err;
}

/* --- the table, when the index is not built or the range is too wide */

static void match_part(struct find *f, const struct part *p)
{
    const struct scan *s = f->scan;
    struct scan_point point = {p->token, p->key, true, BYTES_NONE};
    bool live = p->has_static && row_is_live(&p->static_row, s->now_s);
    for (size_t i = 0; i < p->rows_count; i++) {
        const struct row *row = &p->rows[i];
        bool has = row_is_live(row, s->now_s);
        bool match =
            f->spec->source == INDEX_OF_CELLS
                ? cells_match(f, row, &s->index, s->now_s)
                : f->spec->source == INDEX_OF_ROW_KEY && has && key_matches(f, row->key, &s->index);
        live |= has;
        if (match) {
            struct scan_point of_row = point;
            of_row.whole = false;
            of_row.row = row->key;
            add_point(f, &of_row);
        }
    }
    bool whole = f->spec->source == INDEX_OF_STATIC
                     ? p->has_static && cells_match(f, &p->static_row, &s->index, s->now_s)
                     : f->spec->source == INDEX_OF_PARTITION_KEY && live &&
                           key_matches(f, p->key, &s->index);
    if (whole)
        add_point(f, &point);
}

static enum err find_in_table(struct find *f)
{
    struct arena arena = {0};
    struct scan_result rows;
    struct scan sub = *f->scan;
    sub.index = (struct scan_index){0};
    sub.want_static = true;
    sub.rows_max = sub.rows_per_part = 0;
    if (index_gives_parts(f->spec))
        sub.slices_count = 0;
    enum err err = engine_scan(f->e, &sub, &arena, &rows);
    for (size_t i = 0; i < rows.parts_count && err == ERR_OK; i++)
        match_part(f, &rows.parts[i]);
    if (err == ERR_OK && rows.more) {
        const struct index_result *out = &f->out;
        const struct scan_point *last = out->count > 0 ? &out->points[out->count - 1] : NULL;
        bool done = last != NULL && last->whole && last->token == rows.upto_token &&
                    bytes_equal(last->key, rows.upto_key); /* no need to read the rest of it */
        f->out.more = true;
        f->out.upto_token = rows.upto_token;
        f->out.upto_key = arena_copy(f->arena, rows.upto_key);
        f->out.upto_in_part = rows.upto_in_part && !done;
        f->out.upto_row = f->out.upto_in_part ? arena_copy(f->arena, rows.upto_row) : BYTES_NONE;
    }
    arena_close(&arena);
    return err;
}

/* --- */

static bool is_one_term(const struct scan_index *x)
{
    return x->upto.len == x->from.len + 1 && x->upto.data[x->from.len] == 0 &&
           bytes_starts_with(x->upto, x->from);
}

static enum err find(struct find *f)
{
    bool many = false;
    enum err err;
    /* Before the rows: what the rows' view lacks must not be taken for gone. */
    bool look_only = f->scan->durable && store_backlog(f->e->store) > 0;
    struct store_iter *it =
        look_only ? store_iter_new_durable(f->e->store) : store_iter_new(f->e->store);
    rows_init(&f->rows, f->e, &f->scratch, f->scan->durable);
    store_batch_init(&f->stale);
    if (is_one_term(&f->scan->index))
        err = find_term(f, it);
    else
        err = find_range(f, it, &many);
    store_iter_free(it);
    enum err closed = rows_close(&f->rows);
    if (err == ERR_OK)
        err = closed;
    if (err == ERR_OK && f->stale.count > 0 && !f->rows.look_only &&
        store_batch_finish(&f->stale) == ERR_OK && store_failure(f->e->store) == NULL)
        store_write(f->e->store, &f->stale, 0);
    store_batch_close(&f->stale);
    if (err == ERR_OK && many)
        err = find_in_table(f);
    return err;
}

enum err engine_index_scan(struct engine *e, const struct scan *scan, struct arena *arena,
                           struct index_result *ret)
{
    struct scan s = *scan;
    struct index_state *state = engine_index(e, s.table, s.index.no);
    if (state == NULL)
        return ERR_STALE;
    if (!s.single && s.after_token == INT64_MIN && s.upto_token == INT64_MIN)
        s.upto_token = INT64_MAX;
    struct find f = {.e = e, .scan = &s, .spec = &state->spec, .arena = arena};
    f.limit = s.rows_max > 0 && s.rows_max < INDEX_POINTS_MAX ? s.rows_max : INDEX_POINTS_MAX;
    f.work_max = (s.bytes_max > 0 ? s.bytes_max : SCAN_BYTES_DEFAULT) * (size_t)WORK_FACTOR;
    buf_init(&f.term, SIZE_MAX);
    e->stats.scans++;
    enum err err = index_is_usable(e, state, s.durable) ? find(&f) : find_in_table(&f);
    buf_close(&f.term);
    arena_close(&f.scratch);
    if (err == ERR_OK)
        *ret = f.out;
    return engine_note(e, err);
}
