/* engine_scan.c - scans: slices, limits, pages. What is answered depends only on the state, not on
 * how it lies in fragments, so that equal replicas answer with equal bytes. */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

/* A page may have to walk over deleted rows that are still there. It ends after this many times its
 * bytes, wherever it is, so that no call runs for long; the rows met are removed as it goes. */
#define SCAN_WORK_FACTOR 8
#define ROW_OVERHEAD     16 /* about what a row and a cell cost beside their contents */

struct run {
    const struct scan *scan;
    struct rows rows;
    struct arena *arena;
    struct scan_result out;
    size_t parts_cap;
    size_t bytes; /* of the answer */
    size_t bytes_max;
    const struct scan_slice *slices; /* of the partition being read */
    size_t slices_count;
    bool points_follow; /* behind that partition */
};

struct page_part { /* of one partition */
    struct part part;
    size_t rows_cap;
    uint32_t live;
    uint32_t before;         /* live rows on the pages before */
    struct scan_slice *read; /* the row ranges that were read, in order of reading */
    size_t read_count;
    bool resumed; /* the page before ended inside this partition */
    bool cut;     /* at the limit of rows per partition, or of the page */
};

static size_t row_bytes(const struct row *row)
{
    size_t sum = ROW_OVERHEAD + row->key.len;
    for (size_t i = 0; i < row->cells_count; i++)
        sum += ROW_OVERHEAD + row->cells[i].path.len + row->cells[i].value.len;
    return sum;
}

static bool page_full(const struct run *run)
{
    const struct scan *s = run->scan;
    return (s->rows_max > 0 && run->out.live_rows >= s->rows_max) || run->bytes >= run->bytes_max ||
           run->rows.bytes >= run->bytes_max * SCAN_WORK_FACTOR;
}

static void stop_at_row(struct run *run, const struct page_part *p, struct bytes row)
{
    run->out.more = true;
    run->out.upto_token = p->part.token;
    run->out.upto_key = p->part.key;
    run->out.upto_in_part = true;
    run->out.upto_row = row;
    run->out.upto_rows = p->before + p->live;
}

/* Whether rows or, when not single, partitions follow where the iterator stands. May say yes when
 * what follows is deleted. */
static bool something_follows(struct run *run, bool last_slice, const struct scan_slice *slice)
{
    const struct scan *s = run->scan;
    struct rows *r = &run->rows;
    struct arena arena;
    table_no table;
    token place;
    struct bytes key;
    size_t len;
    if (!last_slice || s->has_points)
        return !last_slice || run->points_follow;
    if (rows_in_part(r)) {
        struct bytes at = store_iter_key(r->it);
        buf_clear(&r->seek);
        buf_put_bytes(&r->seek, buf_bytes(&r->prefix));
        buf_put_u8(&r->seek, KEY_ROW);
        struct bytes bound = s->reversed ? slice->start : slice->end;
        if (bound.len == 0)
            return true;
        key_add_escaped(&r->seek, bound);
        bool before = bytes_compare(at, buf_bytes(&r->seek)) < 0;
        if (s->reversed ? !before : before)
            return true;
    }
    if (s->single)
        return false;
    rows_skip_part(r);
    if (!store_iter_valid(r->it))
        return false;
    arena_init(&arena);
    bool follows = key_parse_part(store_iter_key(r->it), &arena, &table, &place, &key, &len) &&
                   table == s->table && place <= s->upto_token;
    arena_close(&arena);
    return follows;
}

static void add_row(struct run *run, struct page_part *p, const struct row *row)
{
    if (row_is_empty(row))
        return;
    p->part.rows =
        arena_grow(run->arena, p->part.rows, p->part.rows_count, &p->rows_cap, sizeof *row);
    p->part.rows[p->part.rows_count++] = *row;
    p->part.siblings |= row->siblings;
    run->bytes += row_bytes(row);
    if (row_is_live(row, run->scan->now_s)) {
        p->live++;
        run->out.live_rows++;
    }
}

/* The smallest string greater than b. */
static struct bytes after(struct arena *arena, struct bytes b)
{
    uint8_t *copy = arena_zero(arena, b.len + 1);
    for (size_t i = 0; i < b.len; i++)
        copy[i] = b.data[i];
    return bytes_make(copy, b.len + 1);
}

/* Note that only a part of the slice was read, up to and with this row. */
static void cut_slice(struct run *run, struct scan_slice *read, struct bytes row)
{
    if (run->scan->reversed)
        read->start = row;
    else
        read->end = after(run->arena, row);
}

static enum err read_slice(struct run *run, struct page_part *p, const struct scan_slice *slice,
                           bool last_slice)
{
    const struct scan *s = run->scan;
    struct scan_slice *read = &p->read[p->read_count++];
    *read = *slice;
    if (s->reversed)
        rows_seek_last(&run->rows, slice->end);
    else
        rows_seek(&run->rows, slice->start);
    while (rows_in_part(&run->rows)) {
        struct row row;
        enum err err = rows_next(&run->rows, s->reversed, &row);
        if (err != ERR_OK)
            return err;
        if (s->reversed ? bytes_compare(row.key, slice->start) < 0
                        : !range_before_end(row.key, slice->end))
            break;
        add_row(run, p, &row);
        bool part_full = s->rows_per_part > 0 && p->before + p->live >= s->rows_per_part;
        /* A partition that gave all it may is done: the next page begins behind it. */
        bool stop = !part_full && page_full(run) && something_follows(run, last_slice, slice);
        if (stop)
            stop_at_row(run, p, row.key);
        p->cut = stop || part_full;
        if (p->cut) {
            cut_slice(run, read, row.key);
            break;
        } /* else read to the end, whose range tombstones belong to a complete answer */
    }
    return p->cut ? ERR_OK : rows_error(&run->rows);
}

/* The slice without what earlier pages read. False when nothing is left of it. */
static bool clip(const struct run *run, const struct page_part *p, struct scan_slice *slice)
{
    const struct scan *s = run->scan;
    slice->start = arena_copy(run->arena, slice->start); /* results outlive the scan */
    slice->end = arena_copy(run->arena, slice->end);
    if (p->resumed && s->reversed && range_end_compare(slice->end, s->from_row) > 0)
        slice->end = arena_copy(run->arena, s->from_row);
    else if (p->resumed && !s->reversed && bytes_compare(slice->start, s->from_row) <= 0)
        slice->start = MUTANT(page_repeats_row) ? s->from_row : after(run->arena, s->from_row);
    if (p->resumed && s->reversed && s->from_row.len == 0)
        return false; /* before the empty key there is nothing */
    return range_before_end(slice->start, slice->end);
}

/* Of the head's tombstones, what lies in the row ranges that were read. */
static void cut_tombs(struct run *run, struct page_part *p)
{
    struct part *part = &p->part;
    const struct part whole = *part;
    if (whole.tombs_count == 0)
        return;
    part->tombs = arena_array(run->arena, struct range_tomb, whole.tombs_count + p->read_count);
    part->tombs_count = 0;
    for (size_t i = 0; i < p->read_count; i++) {
        size_t at = run->scan->reversed ? p->read_count - 1 - i : i;
        struct part piece = whole;
        part_cut_tombs(&piece, p->read[at].start, p->read[at].end, run->arena);
        for (size_t k = 0; k < piece.tombs_count; k++)
            part_append_tomb(part, &piece.tombs[k]);
    }
}

static void finish_part(struct run *run, struct page_part *p)
{
    struct part *part = &p->part;
    if (run->scan->reversed) { /* parts are ascending */
        for (size_t i = 0; i < part->rows_count / 2; i++) {
            struct row row = part->rows[i];
            part->rows[i] = part->rows[part->rows_count - 1 - i];
            part->rows[part->rows_count - 1 - i] = row;
        }
    }
    cut_tombs(run, p);
    if (!part_is_empty(part)) {
        run->out.parts = arena_grow(run->arena, run->out.parts, run->out.parts_count,
                                    &run->parts_cap, sizeof *part);
        run->out.parts[run->out.parts_count++] = *part;
        run->bytes += ROW_OVERHEAD + part->key.len + 2 * ROW_OVERHEAD * part->tombs_count;
    }
    if (!p->cut && scan_part_rows(run->scan, part) > p->live)
        run->out.live_rows++; /* its static row is all there is */
}

/* The partition whose head is read. */
static enum err read_part(struct run *run, bool resumed)
{
    const struct scan *s = run->scan;
    static const struct scan_slice all = {{NULL, 0}, {NULL, 0}};
    const struct scan_slice *slices = run->slices_count > 0 ? run->slices : &all;
    size_t count = run->slices_count > 0 ? run->slices_count : 1;
    struct page_part p = {.part = run->rows.head, .resumed = resumed};
    p.before = resumed ? s->from_rows : 0;
    p.read = arena_array(run->arena, struct scan_slice, count);
    if (!s->want_static && p.part.has_static) {
        p.part.has_static = false;
        p.part.static_row = (struct row){.deletion = TOMB_NONE};
    }
    if (p.part.has_static)
        run->bytes += row_bytes(&p.part.static_row);
    for (size_t i = 0; i < count && !p.cut; i++) {
        struct scan_slice slice = slices[s->reversed ? count - 1 - i : i];
        if (!clip(run, &p, &slice))
            continue;
        enum err err = read_slice(run, &p, &slice, i + 1 == count);
        if (err != ERR_OK)
            return err;
    }
    finish_part(run, &p);
    return ERR_OK;
}

/* After a partition that was read to its end the page is full: say so when others follow. */
static bool stop_after_part(struct run *run)
{
    static const struct scan_slice none = {{NULL, 0}, {NULL, 0}};
    if (run->out.more)
        return true;
    if (!page_full(run))
        return false;
    if (!run->scan->has_points)
        rows_skip_part(&run->rows);
    run->out.more = something_follows(run, true, &none);
    run->out.upto_token = run->rows.head.token;
    run->out.upto_key = run->rows.head.key;
    return true;
}

/* Position before the first partition to read; *ret_resumed when its head has been read. */
static enum err begin_ring(struct run *run, bool *ret_resumed)
{
    const struct scan *s = run->scan;
    struct rows *r = &run->rows;
    *ret_resumed = false;
    bool inside = s->has_from && (s->from_token > s->after_token || s->after_token == INT64_MIN);
    if (inside) {
        enum err err = rows_open(r, s->table, s->from_token, arena_copy(run->arena, s->from_key));
        *ret_resumed = s->from_in_part;
        if (err == ERR_OK && !s->from_in_part)
            rows_skip_part(r);
        return err;
    }
    if (s->after_token == INT64_MAX)
        key_table(&r->seek, s->table + 1);
    else
        key_token(&r->seek, s->table, s->after_token + (s->after_token != INT64_MIN));
    store_iter_seek(r->it, buf_bytes(&r->seek));
    return ERR_OK;
}

static enum err scan_ring(struct run *run)
{
    const struct scan *s = run->scan;
    bool resumed;
    enum err err = begin_ring(run, &resumed);
    while (err == ERR_OK) {
        if (!resumed)
            err = rows_open_here(&run->rows, s->table);
        if (err != ERR_OK || run->rows.head.token > s->upto_token)
            break;
        err = read_part(run, resumed);
        resumed = false;
        if (err != ERR_OK || stop_after_part(run))
            break;
        rows_skip_part(&run->rows);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* --- points */

/* Whether what an index found lies within the tokens, and not before where the scan goes on. */
static bool is_wanted(const struct scan *s, const struct scan_point *p)
{
    if ((p->token <= s->after_token && s->after_token != INT64_MIN) || p->token > s->upto_token)
        return false;
    if (!s->has_from || p->token != s->from_token)
        return !s->has_from || p->token > s->from_token;
    int c = bytes_compare(p->key, s->from_key);
    return c > 0 || (c == 0 && s->from_in_part);
}

static bool same_part(const struct scan_point *a, const struct scan_point *b)
{
    return a->token == b->token && bytes_equal(a->key, b->key);
}

/* The partition of points first .. end-1. */
static enum err read_points(struct run *run, size_t first, size_t end)
{
    const struct scan *s = run->scan;
    const struct scan_point *p = &s->points[first];
    run->slices = s->slices;
    run->slices_count = s->slices_count;
    if (!p->whole) {
        struct scan_slice *rows = arena_array(run->arena, struct scan_slice, end - first);
        for (size_t i = first; i < end; i++) {
            rows[i - first].start = s->points[i].row;
            rows[i - first].end = after(run->arena, s->points[i].row);
        }
        run->slices = rows;
        run->slices_count = end - first;
    }
    run->points_follow = end < s->points_count && is_wanted(s, &s->points[end]);
    bool resumed = s->has_from && s->from_in_part && p->token == s->from_token &&
                   bytes_equal(p->key, s->from_key);
    enum err err = rows_open(&run->rows, s->table, p->token, arena_copy(run->arena, p->key));
    return err == ERR_OK ? read_part(run, resumed) : err;
}

static enum err scan_points(struct run *run)
{
    const struct scan *s = run->scan;
    enum err err = ERR_OK;
    size_t end;
    for (size_t i = 0; i < s->points_count && err == ERR_OK; i = end) {
        end = i + 1;
        while (end < s->points_count && same_part(&s->points[i], &s->points[end]))
            end++;
        if (!is_wanted(s, &s->points[i]))
            continue;
        err = read_points(run, i, end);
        if (err == ERR_OK && stop_after_part(run))
            break;
    }
    return err;
}

static enum err scan_single(struct run *run)
{
    const struct scan *s = run->scan;
    if (s->has_from && !s->from_in_part)
        return ERR_OK; /* its end was reached */
    enum err err = rows_open(&run->rows, s->table, s->token, arena_copy(run->arena, s->key));
    return err == ERR_OK ? read_part(run, s->has_from) : err;
}

enum err engine_scan(struct engine *e, const struct scan *scan, struct arena *arena,
                     struct scan_result *ret)
{
    struct scan s = *scan;
    struct run run = {
        .scan = &s, .arena = arena, .slices = s.slices, .slices_count = s.slices_count};
    run.bytes_max = s.bytes_max > 0 ? s.bytes_max : SCAN_BYTES_DEFAULT;
    if (!s.single && s.after_token == INT64_MIN && s.upto_token == INT64_MIN)
        s.upto_token = INT64_MAX;
    if (!s.single)
        s.reversed = false;
    e->stats.scans++;
    rows_init(&run.rows, e, arena, scan->durable);
    enum err err = s.single       ? scan_single(&run)
                   : s.has_points ? scan_points(&run)
                                  : scan_ring(&run);
    enum err closed = rows_close(&run.rows);
    err = err != ERR_OK ? err : closed;
    if (err == ERR_OK)
        *ret = run.out;
    return engine_note(e, err);
}
