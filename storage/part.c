/* part.c - the join of partitions: see part.h for what it means.
 *
 * Why it is a join. Take all events ever written: the state is, at every place, the strongest
 * deletion that covers it, and per (column, path) the strongest cell that no covering deletion
 * shadows. "Strongest" orders by timestamp first, and shadowing only looks at timestamps. So
 * whatever is dropped early because something shadows it, would be dropped late too: what shadows
 * it stays, or is itself dropped for something with a timestamp at least as high.
 *
 * For the same reason every cell at (column, no path), not only a tombstone, shadows the elements
 * of its column: else a live one with a higher timestamp would replace the tombstone and bring
 * elements back, depending on the order of merging. Only counters have both: there the live one is
 * the sum of what it shadows (counter.h).
 */
#include "storage/part.h"

#include "base/mem.h"
#include "base/mutant.h"
#include "storage/part_private.h"

#include <stdlib.h>
#include <string.h>

/* --- order */

bool cell_wins(const struct cell *a, const struct cell *b)
{
    int c;
    if (a->timestamp != b->timestamp)
        return a->timestamp > b->timestamp;
    if (MUTANT(tie_by_arrival))
        return false;
    if (a->kind != b->kind)
        return a->kind > b->kind; /* tombstone, then expiring, then live */
    if (a->time_s != b->time_s)
        return a->time_s > b->time_s;
    c = bytes_compare(a->value, b->value);
    if (c != 0)
        return c > 0;
    if (a->ttl != b->ttl)
        return a->ttl < b->ttl; /* same end, so the smaller was written later */
    return dot_compare(a->dot, b->dot) > 0;
}

bool tomb_wins(const struct tomb *a, const struct tomb *b)
{
    if (a->timestamp != b->timestamp)
        return a->timestamp > b->timestamp;
    if (a->time_s != b->time_s)
        return a->time_s > b->time_s;
    return dot_compare(a->dot, b->dot) > 0;
}

bool tomb_is_none(const struct tomb *t)
{
    return t->timestamp == TIMESTAMP_NONE;
}

bool tomb_shadows(const struct tomb *t, int64_t timestamp)
{
    return timestamp <= t->timestamp;
}

bool tomb_equal(const struct tomb *a, const struct tomb *b)
{
    return a->timestamp == b->timestamp && a->time_s == b->time_s &&
           dot_compare(a->dot, b->dot) == 0;
}

struct tomb tomb_max(const struct tomb *a, const struct tomb *b)
{
    return tomb_wins(a, b) ? *a : *b;
}

struct dot cell_event(const struct cell *c)
{
    return c->kind == CELL_REMOVED ? c->remover : c->dot;
}

bool cell_is_live(const struct cell *c, int64_t now_s)
{
    if (MUTANT(expired_is_live) && c->kind == CELL_EXPIRING)
        return true;
    return c->kind == CELL_LIVE || (c->kind == CELL_EXPIRING && c->time_s > now_s);
}

bool row_is_live(const struct row *r, int64_t now_s)
{
    for (size_t i = 0; i < r->cells_count; i++) {
        if (cell_is_live(&r->cells[i], now_s))
            return true;
    }
    return false;
}

static int cell_place_compare(const struct cell *a, const struct cell *b, bool siblings)
{
    int c = 0;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    if (a->has_path != b->has_path)
        return a->has_path ? 1 : -1;
    if (a->has_path)
        c = bytes_compare(a->path, b->path);
    return c == 0 && siblings ? dot_compare(a->dot, b->dot) : c;
}

/* --- rows */

/* Of two cells in one place a stays. */
static bool cell_beats(const struct cell *a, const struct cell *b, bool siblings)
{
    return siblings ? siblings_beats(a, b) : cell_wins(a, b);
}

static bool cells_equal(const struct cell *a, const struct cell *b, bool siblings)
{
    return !cell_beats(a, b, siblings) && !cell_beats(b, a, siblings);
}

/* Whether the cell is dropped; *at walks along with the cells of one row. */
struct shadow {
    int64_t floor;     /* timestamps up to this are deleted */
    uint32_t column;   /* of the last cell without path ... */
    int64_t timestamp; /* ... and its timestamp */
};

static struct shadow shadow_begin(const struct row *r, const struct tomb *cover)
{
    int64_t floor =
        r->deletion.timestamp > cover->timestamp ? r->deletion.timestamp : cover->timestamp;
    return (struct shadow){floor, 0, TIMESTAMP_NONE};
}

static bool shadow_covers(struct shadow *s, const struct cell *c)
{
    if (s->column != c->column) {
        s->column = c->column;
        s->timestamp = TIMESTAMP_NONE;
    }
    if (c->timestamp <= s->floor)
        return true;
    if (!c->has_path) {
        s->timestamp = c->timestamp;
        return false;
    }
    return c->timestamp <= s->timestamp;
}

/* Drop what the cover, the row's deletion and its collection tombstones shadow, in place. */
static void row_settle(struct row *r, const struct tomb *cover)
{
    size_t kept = 0;
    if (r->siblings) {
        siblings_settle(r);
        return;
    }
    if (!tomb_is_none(&r->deletion) && tomb_shadows(cover, r->deletion.timestamp))
        r->deletion = TOMB_NONE;
    struct shadow s = shadow_begin(r, cover);
    for (size_t i = 0; i < r->cells_count; i++) {
        if (!shadow_covers(&s, &r->cells[i]))
            r->cells[kept++] = r->cells[i];
    }
    r->cells_count = kept;
}

static bool row_is_settled(const struct row *r, const struct tomb *cover)
{
    if (r->siblings)
        return siblings_are_settled(r);
    if (!tomb_is_none(&r->deletion) && tomb_shadows(cover, r->deletion.timestamp))
        return false;
    struct shadow s = shadow_begin(r, cover);
    for (size_t i = 0; i < r->cells_count; i++) {
        if (shadow_covers(&s, &r->cells[i]))
            return false;
    }
    return true;
}

bool row_is_empty(const struct row *r)
{
    return r->cells_count == 0 && tomb_is_none(&r->deletion);
}

void row_cover(const struct row *r, const struct tomb *cover, struct arena *arena, struct row *ret)
{
    struct row out = *r;
    if (!row_is_settled(r, cover)) {
        out.cells = arena_array(arena, struct cell, r->cells_count);
        if (r->cells_count > 0)
            memcpy(out.cells, r->cells, r->cells_count * sizeof *r->cells);
        row_settle(&out, cover);
    }
    *ret = out;
}

void row_merge(const struct row *a, const struct row *b, struct arena *arena, struct row *ret)
{
    struct row out = {.key = a->key, .deletion = tomb_max(&a->deletion, &b->deletion)};
    out.siblings = a->siblings || b->siblings;
    if (MUTANT(row_deletion_lost))
        out.deletion = a->deletion;
    struct tomb none = TOMB_NONE;
    size_t i = 0;
    size_t k = 0;
    out.cells = arena_array(arena, struct cell, a->cells_count + b->cells_count);
    while (i < a->cells_count || k < b->cells_count) {
        int c = i == a->cells_count ? 1
                : k == b->cells_count
                    ? -1
                    : cell_place_compare(&a->cells[i], &b->cells[k], out.siblings);
        const struct cell *from = c < 0 ? &a->cells[i] : &b->cells[k];
        if (c == 0 &&
            cell_beats(&a->cells[i], &b->cells[k], out.siblings) != MUTANT(older_cell_wins))
            from = &a->cells[i];
        out.cells[out.cells_count++] = *from;
        i += c <= 0;
        k += c >= 0;
    }
    row_settle(&out, &none);
    *ret = out;
}

/* --- canonical form */

static int cell_sort_compare(const void *a, const void *b)
{
    return cell_place_compare(a, b, false);
}

static int sibling_sort_compare(const void *a, const void *b)
{
    return cell_place_compare(a, b, true);
}

/* What its kind does not have. */
static void cell_normalise(struct cell *c)
{
    if (c->kind != CELL_EXPIRING)
        c->ttl = 0;
    if (c->kind == CELL_LIVE || c->kind == CELL_REMOVED)
        c->time_s = 0;
    if (c->kind == CELL_TOMBSTONE || c->kind == CELL_REMOVED)
        c->value = BYTES_NONE;
    if (c->kind != CELL_REMOVED)
        c->remover = (struct dot){{0, 0}, 0};
    if (!c->has_path)
        c->path = BYTES_NONE;
}

static int row_sort_compare(const void *a, const void *b)
{
    return bytes_compare(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static void row_normalise(struct row *r)
{
    struct tomb none = TOMB_NONE;
    size_t kept = 0;
    if (tomb_is_none(&r->deletion))
        r->deletion = TOMB_NONE;
    for (size_t i = 0; i < r->cells_count; i++)
        cell_normalise(&r->cells[i]);
    if (r->cells_count > 1)
        qsort(r->cells, r->cells_count, sizeof *r->cells,
              r->siblings ? sibling_sort_compare : cell_sort_compare);
    for (size_t i = 0; i < r->cells_count; i++) {
        struct cell *last = kept > 0 ? &r->cells[kept - 1] : NULL;
        if (last == NULL || cell_place_compare(last, &r->cells[i], r->siblings) != 0)
            r->cells[kept++] = r->cells[i];
        else if (cell_beats(&r->cells[i], last, r->siblings))
            *last = r->cells[i];
    }
    r->cells_count = kept;
    row_settle(r, &none);
}

/* Apply the deletions of the part to its rows, and drop the rows that become empty. */
static void part_settle_rows(struct part *p)
{
    size_t kept = 0;
    size_t at = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        struct tomb cover = tombs_at(p, &at, p->rows[i].key);
        row_settle(&p->rows[i], &cover);
        if (!row_is_empty(&p->rows[i]))
            p->rows[kept++] = p->rows[i];
    }
    p->rows_count = kept;
    if (p->has_static) {
        row_settle(&p->static_row, &p->deletion);
        p->has_static = !row_is_empty(&p->static_row);
    }
    if (!p->has_static)
        p->static_row = (struct row){.deletion = TOMB_NONE};
}

void part_normalise(struct part *p, struct arena *arena)
{
    size_t kept = 0;
    if (tomb_is_none(&p->deletion) || p->siblings)
        p->deletion = TOMB_NONE;
    if (p->siblings)
        p->tombs_count = 0;
    struct tomb_list tombs = tombs_normalise(p->tombs, p->tombs_count, arena);
    tombs = tombs_settle(tombs, &p->deletion, arena);
    p->tombs = tombs.items;
    p->tombs_count = tombs.count;
    for (size_t i = 0; i < p->rows_count; i++) {
        p->rows[i].siblings = p->siblings;
        row_normalise(&p->rows[i]);
    }
    if (p->has_static) {
        p->static_row.key = BYTES_NONE;
        p->static_row.siblings = p->siblings;
        row_normalise(&p->static_row);
    }
    if (p->rows_count > 1)
        qsort(p->rows, p->rows_count, sizeof *p->rows, row_sort_compare);
    for (size_t i = 0; i < p->rows_count; i++) {
        struct row *last = kept > 0 ? &p->rows[kept - 1] : NULL;
        if (last != NULL && bytes_equal(last->key, p->rows[i].key))
            row_merge(last, &p->rows[i], arena, last);
        else
            p->rows[kept++] = p->rows[i];
    }
    p->rows_count = kept;
    part_settle_rows(p);
}

void row_join(const struct row *rows, size_t count, struct arena *arena, struct row *ret)
{
    struct row out = rows[0];
    size_t cells = 0;
    for (size_t i = 0; i < count; i++)
        cells += rows[i].cells_count;
    out.cells = arena_array(arena, struct cell, cells);
    out.cells_count = 0;
    for (size_t i = 0; i < count; i++) {
        out.deletion = tomb_max(&out.deletion, &rows[i].deletion);
        out.siblings |= rows[i].siblings;
        if (rows[i].cells_count > 0)
            memcpy(out.cells + out.cells_count, rows[i].cells,
                   rows[i].cells_count * sizeof *rows[i].cells);
        out.cells_count += rows[i].cells_count;
    }
    row_normalise(&out);
    *ret = out;
}

static bool row_is_canonical(const struct row *r, const struct tomb *cover)
{
    for (size_t i = 0; i < r->cells_count; i++) {
        const struct cell *c = &r->cells[i];
        if (i > 0 && cell_place_compare(&r->cells[i - 1], c, r->siblings) >= 0)
            return false;
        if ((c->kind != CELL_EXPIRING && c->ttl != 0) || (c->kind == CELL_LIVE && c->time_s != 0) ||
            (c->kind == CELL_TOMBSTONE && c->value.len > 0))
            return false;
        if (r->siblings ? !sibling_is_canonical(c) : c->kind == CELL_REMOVED || c->writer != 0)
            return false;
    }
    return !row_is_empty(r) && row_is_settled(r, cover);
}

bool part_is_canonical(const struct part *p)
{
    size_t at = 0;
    if (p->siblings && (!tomb_is_none(&p->deletion) || p->tombs_count > 0))
        return false;
    for (size_t i = 0; i < p->tombs_count; i++) {
        const struct range_tomb *t = &p->tombs[i];
        const struct range_tomb *last = i > 0 ? t - 1 : NULL;
        if (tomb_shadows(&p->deletion, t->tomb.timestamp) || !range_before_end(t->start, t->end))
            return false;
        if (last != NULL && range_before_end(t->start, last->end))
            return false;
        if (last != NULL && bytes_equal(last->end, t->start) && tomb_equal(&last->tomb, &t->tomb))
            return false;
    }
    for (size_t i = 0; i < p->rows_count; i++) {
        struct tomb cover = tombs_at(p, &at, p->rows[i].key);
        if (i > 0 && bytes_compare(p->rows[i - 1].key, p->rows[i].key) >= 0)
            return false;
        if (!row_is_canonical(&p->rows[i], &cover))
            return false;
    }
    return !p->has_static || row_is_canonical(&p->static_row, &p->deletion);
}

/* --- merge */

/* Append the row as the deletions of p leave it. */
static void add_covered(struct part *p, const struct row *r, size_t *at, struct arena *arena)
{
    struct tomb cover = tombs_at(p, at, r->key);
    row_cover(r, &cover, arena, &p->rows[p->rows_count]);
    if (!row_is_empty(&p->rows[p->rows_count]))
        p->rows_count++;
}

static void merge_rows(const struct part *a, const struct part *b, struct arena *arena,
                       struct part *out)
{
    size_t i = 0;
    size_t k = 0;
    size_t at = 0;
    out->rows = arena_array(arena, struct row, a->rows_count + b->rows_count);
    while (i < a->rows_count || k < b->rows_count) {
        int c = i == a->rows_count   ? 1
                : k == b->rows_count ? -1
                                     : bytes_compare(a->rows[i].key, b->rows[k].key);
        if (c == 0) {
            struct row both;
            row_merge(&a->rows[i], &b->rows[k], arena, &both);
            add_covered(out, &both, &at, arena);
        } else {
            add_covered(out, c < 0 ? &a->rows[i] : &b->rows[k], &at, arena);
        }
        i += c <= 0;
        k += c >= 0;
    }
}

static void merge_deletions(const struct part *a, const struct part *b, struct arena *arena,
                            struct part *out)
{
    out->deletion = tomb_max(&a->deletion, &b->deletion);
    if (MUTANT(merge_forgets_deletion))
        out->deletion = a->deletion;
    struct tomb_list tombs = tombs_overlay((struct tomb_list){a->tombs, a->tombs_count},
                                           (struct tomb_list){b->tombs, b->tombs_count}, arena);
    tombs = tombs_settle(tombs, &out->deletion, arena);
    out->tombs = tombs.items;
    out->tombs_count = tombs.count;
}

void part_merge(const struct part *a, const struct part *b, struct arena *arena, struct part *ret)
{
    struct part out = {.table = a->table, .token = a->token, .key = a->key};
    out.siblings = a->siblings || b->siblings;
    out.deletion = TOMB_NONE;
    if (!out.siblings)
        merge_deletions(a, b, arena, &out);
    out.static_row.deletion = TOMB_NONE;
    if (a->has_static || b->has_static) {
        struct row both = a->has_static ? a->static_row : b->static_row;
        if (a->has_static && b->has_static)
            row_merge(&a->static_row, &b->static_row, arena, &both);
        row_cover(&both, &out.deletion, arena, &out.static_row);
        out.has_static = !row_is_empty(&out.static_row);
    }
    merge_rows(a, b, arena, &out);
    *ret = out;
}

/* --- difference */

/* ret := what of `full` is not in `have` (NULL: nothing is). False when all of it is there. */
static bool row_lacks(const struct row *have, const struct row *full, struct arena *arena,
                      struct row *ret)
{
    size_t k = 0;
    *ret = (struct row){.key = full->key, .siblings = full->siblings, .deletion = full->deletion};
    if (have != NULL && tomb_equal(&have->deletion, &full->deletion))
        ret->deletion = TOMB_NONE;
    ret->cells = arena_array(arena, struct cell, full->cells_count);
    for (size_t i = 0; i < full->cells_count; i++) {
        const struct cell *c = &full->cells[i];
        while (have != NULL && k < have->cells_count &&
               cell_place_compare(&have->cells[k], c, full->siblings) < 0)
            k++;
        bool there = have != NULL && k < have->cells_count &&
                     cell_place_compare(&have->cells[k], c, full->siblings) == 0 &&
                     cells_equal(&have->cells[k], c, full->siblings);
        if (!there)
            ret->cells[ret->cells_count++] = *c;
    }
    return !row_is_empty(ret);
}

static void tombs_lack(const struct part *have, const struct part *full, struct arena *arena,
                       struct part *ret)
{
    size_t k = 0;
    ret->tombs = arena_array(arena, struct range_tomb, full->tombs_count);
    for (size_t i = 0; i < full->tombs_count; i++) {
        const struct range_tomb *t = &full->tombs[i];
        while (k < have->tombs_count && !range_before_end(t->start, have->tombs[k].end))
            k++;
        bool there = k < have->tombs_count && bytes_compare(have->tombs[k].start, t->start) <= 0 &&
                     range_end_compare(have->tombs[k].end, t->end) >= 0 &&
                     tomb_equal(&have->tombs[k].tomb, &t->tomb);
        if (!there)
            ret->tombs[ret->tombs_count++] = *t;
    }
}

bool part_lacks(const struct part *have, const struct part *want, struct arena *arena,
                struct part *ret)
{
    struct part full;
    struct part out = {.table = want->table, .token = want->token, .key = want->key};
    size_t k = 0;
    part_merge(have, want, arena, &full);
    out.siblings = full.siblings;
    out.deletion = full.deletion;
    if (tomb_equal(&have->deletion, &full.deletion))
        out.deletion = TOMB_NONE;
    tombs_lack(have, &full, arena, &out);
    out.static_row.deletion = TOMB_NONE;
    if (full.has_static)
        out.has_static = row_lacks(have->has_static ? &have->static_row : NULL, &full.static_row,
                                   arena, &out.static_row);
    out.rows = arena_array(arena, struct row, full.rows_count);
    for (size_t i = 0; i < full.rows_count; i++) {
        const struct row *r = &full.rows[i];
        while (k < have->rows_count && bytes_compare(have->rows[k].key, r->key) < 0)
            k++;
        bool there = k < have->rows_count && bytes_equal(have->rows[k].key, r->key);
        if (row_lacks(there ? &have->rows[k] : NULL, r, arena, &out.rows[out.rows_count]))
            out.rows_count++;
    }
    if (part_is_empty(&out))
        return false;
    *ret = out;
    return true;
}

bool part_is_empty(const struct part *p)
{
    return tomb_is_none(&p->deletion) && p->tombs_count == 0 && !p->has_static &&
           p->rows_count == 0;
}
