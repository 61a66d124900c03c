/* siblings.c - rows that keep what nobody has replaced: what removed cells take away, and reading.
 *
 * Why the join of part.c is one here, too. At each place there is at most one write, for its dot
 * names it. A removal covers a range of dots in a place and in all that are under it; it takes away
 * values and smaller removals whenever they meet, and what takes it away itself covers at least as
 * much. So a state is the largest removals of all that were ever made, and the values that none of
 * them covers, whatever the order. Of two that cover the same the larger by (timestamp, dot) stays.
 */
#include "storage/siblings.h"

#include "base/mutant.h"
#include "storage/part_private.h"

#include <stdlib.h>
#include <string.h>

#define SUPERSEDE_VERSION 1
#define DOTS_VERSION      1

/* --- the join */

bool siblings_beats(const struct cell *a, const struct cell *b)
{
    bool removed = a->kind == CELL_REMOVED;
    if (removed != (b->kind == CELL_REMOVED))
        return removed != MUTANT(removal_lost);
    if (removed && a->first != b->first)
        return a->first < b->first;
    if (removed && a->timestamp != b->timestamp)
        return a->timestamp > b->timestamp;
    if (removed)
        return dot_compare(a->remover, b->remover) > 0;
    if (cell_wins(a, b) || cell_wins(b, a))
        return cell_wins(a, b);
    return a->writer > b->writer;
}

bool sibling_is_canonical(const struct cell *c)
{
    bool removed = c->kind == CELL_REMOVED;
    if (c->kind == CELL_TOMBSTONE || c->dot.n == 0 || removed != (c->remover.n > 0))
        return false;
    if (removed && (c->time_s != 0 || c->value.len > 0 || c->first == 0 || c->first > c->dot.n))
        return false;
    return c->column != COLUMN_ROW || (removed && !c->has_path);
}

static uint64_t first_of(const struct cell *c)
{
    return c->kind == CELL_REMOVED ? c->first : c->dot.n;
}

/* Both in one place, a before b: does b take a away? */
static bool next_covers(const struct cell *a, const struct cell *b)
{
    return b->kind == CELL_REMOVED && actor_compare(a->dot.actor, b->dot.actor) == 0 &&
           b->first <= first_of(a) && a->column == b->column && a->has_path == b->has_path &&
           (!a->has_path || bytes_equal(a->path, b->path));
}

/* Removals that may cover others: of one column, and of the row. Neither list has one that another
 * one of it covers, so both their ends and their beginnings ascend. */
struct wide {
    const struct cell *of_row;
    size_t of_row_count;
    uint32_t column;
    const struct cell *of_column;
    size_t of_column_count;
};

static struct wide wide_begin(const struct row *r)
{
    size_t first = r->cells_count;
    while (first > 0 && r->cells[first - 1].column == COLUMN_ROW)
        first--;
    return (struct wide){.of_row = r->cells + first, .of_row_count = r->cells_count - first};
}

static bool is_removed(const struct cell *cells, size_t count, const struct cell *c)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) { /* the first that ends with the cell's dot, or behind it */
        size_t mid = low + (high - low) / 2;
        if (dot_compare(cells[mid].dot, c->dot) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < count && cells[low].kind == CELL_REMOVED &&
           actor_compare(cells[low].dot.actor, c->dot.actor) == 0 &&
           cells[low].first <= first_of(c);
}

/* Is the cell to go? Cells come in order; `at`: where the cell is, or will be. */
static bool wide_covers(struct wide *w, const struct cell *c, const struct cell *at)
{
    if (c->column == COLUMN_ROW)
        return c->kind != CELL_REMOVED || c->has_path;
    if (c->kind == CELL_TOMBSTONE || is_removed(w->of_row, w->of_row_count, c))
        return true;
    if (w->of_column == NULL || w->column != c->column) {
        w->column = c->column;
        w->of_column = at;
        w->of_column_count = 0;
    }
    if (!c->has_path) {
        w->of_column_count++;
        return false;
    }
    return is_removed(w->of_column, w->of_column_count, c);
}

/* Of each place what nothing else in it covers, in place. Only the next one that stays can cover
 * one: what follows that begins behind it. */
static void settle_places(struct row *r)
{
    size_t from = r->cells_count;
    for (size_t i = r->cells_count; i-- > 0;) {
        if (from == r->cells_count || !next_covers(&r->cells[i], &r->cells[from]))
            r->cells[--from] = r->cells[i];
    }
    r->cells_count -= from;
    if (from > 0)
        memmove(r->cells, r->cells + from, r->cells_count * sizeof *r->cells);
}

void siblings_settle(struct row *r)
{
    size_t kept = 0;
    r->deletion = TOMB_NONE;
    settle_places(r);
    struct wide w = wide_begin(r);
    for (size_t i = 0; i < r->cells_count; i++) {
        struct cell c = r->cells[i];
        if (!wide_covers(&w, &c, &r->cells[kept]))
            r->cells[kept++] = c;
    }
    r->cells_count = kept;
}

bool siblings_are_settled(const struct row *r)
{
    struct wide w = wide_begin(r);
    if (!tomb_is_none(&r->deletion))
        return false;
    for (size_t i = 0; i < r->cells_count; i++) {
        if (i > 0 && next_covers(&r->cells[i - 1], &r->cells[i]))
            return false;
        if (wide_covers(&w, &r->cells[i], &r->cells[i]))
            return false;
    }
    return true;
}

/* --- sets of dots */

static int dot_sort_compare(const void *a, const void *b)
{
    return dot_compare(*(const struct dot *)a, *(const struct dot *)b);
}

void dots_normalise(struct dots *d)
{
    size_t kept = 0;
    if (d->count > 1)
        qsort(d->items, d->count, sizeof *d->items, dot_sort_compare);
    for (size_t i = 0; i < d->count; i++) {
        if (kept == 0 || dot_compare(d->items[kept - 1], d->items[i]) != 0)
            d->items[kept++] = d->items[i];
    }
    d->count = kept;
}

bool dots_have(const struct dots *d, struct dot dot)
{
    return d->count > 0 && bsearch(&dot, d->items, d->count, sizeof dot, dot_sort_compare) != NULL;
}

void dots_encode(const struct dots *d, struct buf *out)
{
    buf_put_u8(out, DOTS_VERSION);
    buf_put_varint(out, d->count);
    for (size_t i = 0; i < d->count; i++)
        buf_put_dot(out, d->items[i]);
}

static bool read_dots(struct reader *in, struct arena *arena, struct dots *ret)
{
    uint8_t version = read_u8(in);
    uint64_t count = read_varint(in);
    if (in->failed || version != DOTS_VERSION || count > SUPERSEDE_DOTS_MAX ||
        count > reader_left(in) / 3)
        return false;
    *ret = (struct dots){arena_array(arena, struct dot, count), (size_t)count};
    for (size_t i = 0; i < ret->count; i++) {
        struct dot dot = ret->items[i] = read_dot(in);
        if (dot.n == 0 || dot.n > DOT_N_MAX || (i > 0 && dot_compare(ret->items[i - 1], dot) >= 0))
            return false;
    }
    return !in->failed;
}

enum err dots_decode(struct bytes in, struct arena *arena, struct dots *ret)
{
    struct reader r = reader_make(in);
    struct dots got;
    if (!read_dots(&r, arena, &got) || !reader_done(&r))
        return ERR_MALFORMED;
    *ret = got;
    return ERR_OK;
}

/* u8 version, u8 causal, u64 writer, dots */
void supersede_encode(const struct supersede *s, struct buf *out)
{
    if (!s->siblings)
        return;
    buf_put_u8(out, SUPERSEDE_VERSION);
    buf_put_u8(out, s->causal);
    buf_put_u64(out, s->writer);
    dots_encode(&s->seen, out);
}

enum err supersede_decode(struct bytes in, struct arena *arena, struct supersede *ret)
{
    struct reader r = reader_make(in);
    struct supersede got = {.siblings = true};
    *ret = (struct supersede){0};
    if (in.len == 0)
        return ERR_OK;
    uint8_t version = read_u8(&r);
    uint8_t causal = read_u8(&r);
    got.causal = causal != 0;
    got.writer = read_u64(&r);
    if (r.failed || version != SUPERSEDE_VERSION || causal > 1 ||
        !read_dots(&r, arena, &got.seen) || !reader_done(&r))
        return ERR_MALFORMED;
    *ret = got;
    return ERR_OK;
}

/* --- reading */

static void add_dots(const struct row *r, struct dots *d)
{
    for (size_t i = 0; i < r->cells_count; i++) {
        if (r->cells[i].kind != CELL_REMOVED)
            d->items[d->count++] = r->cells[i].dot;
    }
}

struct dots row_dots(const struct row *r, struct arena *arena)
{
    struct dots d = {arena_array(arena, struct dot, r->cells_count), 0};
    add_dots(r, &d);
    dots_normalise(&d);
    return d;
}

struct dots part_dots(const struct part *p, struct arena *arena)
{
    size_t most = p->has_static ? p->static_row.cells_count : 0;
    for (size_t i = 0; i < p->rows_count; i++)
        most += p->rows[i].cells_count;
    struct dots d = {arena_array(arena, struct dot, most), 0};
    if (p->has_static)
        add_dots(&p->static_row, &d);
    for (size_t i = 0; i < p->rows_count; i++)
        add_dots(&p->rows[i], &d);
    dots_normalise(&d);
    return d;
}

static bool is_at(const struct cell *c, uint32_t column, bool has_path, struct bytes path)
{
    return c->column == column && c->has_path == has_path &&
           (!has_path || bytes_equal(c->path, path));
}

static int winner_first(const void *a, const void *b)
{
    const struct cell *x = *(const struct cell *const *)a;
    const struct cell *y = *(const struct cell *const *)b;
    return cell_wins(x, y) ? -1 : cell_wins(y, x);
}

size_t row_siblings(const struct row *r, uint32_t column, bool has_path, struct bytes path,
                    int64_t now_s, const struct cell **ret)
{
    size_t count = 0;
    for (size_t i = 0; i < r->cells_count; i++) {
        if (is_at(&r->cells[i], column, has_path, path) && cell_is_live(&r->cells[i], now_s))
            ret[count++] = &r->cells[i];
    }
    if (count > 1)
        qsort(ret, count, sizeof *ret, winner_first);
    return count;
}

/* The cells of one place are [*at, end). NULL: none is live. */
static const struct cell *next_winner(const struct row *r, int64_t now_s, size_t *at,
                                      bool *ret_others)
{
    const struct cell *first = &r->cells[*at];
    const struct cell *best = NULL;
    *ret_others = false;
    size_t end = *at;
    for (;
         end < r->cells_count && is_at(&r->cells[end], first->column, first->has_path, first->path);
         end++) {
        const struct cell *c = &r->cells[end];
        if (!cell_is_live(c, now_s))
            continue;
        *ret_others |= best != NULL && !bytes_equal(best->value, c->value);
        if (best == NULL || cell_wins(c, best))
            best = c;
    }
    *at = end;
    return best;
}

size_t row_winners(const struct row *r, int64_t now_s, struct arena *arena, struct row *ret)
{
    struct row out = {.key = r->key, .deletion = TOMB_NONE};
    size_t contested = 0;
    out.cells = arena_array(arena, struct cell, r->cells_count);
    for (size_t i = 0; i < r->cells_count;) {
        bool others;
        const struct cell *best = next_winner(r, now_s, &i, &others);
        if (best == NULL)
            continue;
        out.cells[out.cells_count] = *best;
        out.cells[out.cells_count++].writer = WRITER_NONE;
        contested += others;
    }
    *ret = out;
    return contested;
}

size_t part_winners(const struct part *p, int64_t now_s, struct arena *arena, struct part *ret)
{
    struct part out = {.table = p->table, .token = p->token, .key = p->key, .deletion = TOMB_NONE};
    size_t contested = 0;
    out.static_row.deletion = TOMB_NONE;
    if (p->has_static) {
        contested += row_winners(&p->static_row, now_s, arena, &out.static_row);
        out.has_static = !row_is_empty(&out.static_row);
    }
    out.rows = arena_array(arena, struct row, p->rows_count);
    for (size_t i = 0; i < p->rows_count; i++) {
        contested += row_winners(&p->rows[i], now_s, arena, &out.rows[out.rows_count]);
        out.rows_count += !row_is_empty(&out.rows[out.rows_count]);
    }
    *ret = out;
    return contested;
}
