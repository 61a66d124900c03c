#include "storage/garbage.h"

#include "base/mutant.h"

#include <string.h>

/* --- what goes */

bool cell_is_garbage(const struct cell *c)
{
    return c->kind != CELL_LIVE;
}

static bool dot_goes(const struct garbage_rule *rule, struct dot dot)
{
    return clock_has(rule->dots, dot) || (!rule->is_context && MUTANT(purge_unagreed));
}

bool tomb_goes(const struct garbage_rule *rule, const struct tomb *t, int64_t covered)
{
    if (tomb_is_none(t) || (rule->is_context && covered > t->timestamp))
        return false;
    return dot_goes(rule, t->dot);
}

/* Would the cell cover anything of the row? */
static bool covers_any(const struct cell *c, const struct row *in)
{
    for (size_t i = 0; i < in->cells_count; i++) {
        const struct cell *x = &in->cells[i];
        bool in_place = !c->has_path || (x->has_path && bytes_equal(x->path, c->path));
        if (x->column == c->column && in_place && x->timestamp <= c->timestamp)
            return true;
    }
    return false;
}

/* The removal is agreed, and so is all that it names: or it never can be. A value that its minter
 * lost was shown to somebody before, who replaced it. */
static bool removed_goes(const struct garbage_rule *rule, const struct cell *c)
{
    struct dot dot = c->dot;
    if (MUTANT(purge_unagreed))
        return true;
    if (!clock_has(rule->dots, c->remover))
        return false;
    while (dot.n >= c->first) {
        uint64_t from = clock_run_from(rule->dots, dot);
        if (from == 0 && (rule->is_lost == NULL || !rule->is_lost(rule->lost_arg, dot)))
            return false;
        dot.n = (from > 0 ? from : dot.n) - 1;
    }
    return true;
}

static bool cell_goes(const struct garbage_rule *rule, const struct cell *c, const struct row *in)
{
    if (!cell_is_garbage(c) || (rule->is_context && c->kind == CELL_REMOVED))
        return false;
    if (rule->is_context)
        return covers_any(c, in) && dot_goes(rule, c->dot);
    if (c->kind == CELL_EXPIRING && c->time_s >= rule->expired_before_s)
        return false;
    if (c->kind == CELL_REMOVED)
        return removed_goes(rule, c);
    return dot_goes(rule, c->dot);
}

bool row_take_garbage(const struct row *own, const struct garbage_rule *rule, const struct row *in,
                      struct arena *arena, struct row *ret, int64_t *newest)
{
    struct row out = *own;
    *ret = *own;
    if (rule->is_context && in == NULL)
        return false;
    if (tomb_goes(rule, &own->deletion, in != NULL ? row_min_timestamp(in) : 0)) {
        *newest = own->deletion.timestamp > *newest ? own->deletion.timestamp : *newest;
        out.deletion = TOMB_NONE;
    }
    out.cells = arena_array(arena, struct cell, own->cells_count);
    out.cells_count = 0;
    for (size_t i = 0; i < own->cells_count; i++) {
        const struct cell *c = &own->cells[i];
        if (!cell_goes(rule, c, in))
            out.cells[out.cells_count++] = *c;
        else if (c->timestamp > *newest)
            *newest = c->timestamp;
    }
    if (out.cells_count == own->cells_count &&
        tomb_is_none(&out.deletion) == tomb_is_none(&own->deletion))
        return false;
    *ret = out;
    return true;
}

static bool shows(const struct row *shown, const struct cell *c)
{
    for (size_t i = 0; shown != NULL && i < shown->cells_count; i++) {
        const struct cell *x = &shown->cells[i];
        if (x->column == c->column && x->has_path == c->has_path && bytes_equal(x->path, c->path) &&
            x->kind == c->kind && dot_compare(x->dot, c->dot) == 0)
            return true;
    }
    return false;
}

static bool is_absent(const struct row *own, const struct cell *c, const struct clock *theirs,
                      int64_t bound, const struct row *shown)
{
    return (c->kind == CELL_LIVE || c->kind == CELL_EXPIRING) && c->dot.n > 0 &&
           (own->siblings || c->timestamp <= bound) && clock_has(theirs, c->dot) &&
           !shows(shown, c);
}

bool row_take_absent(const struct row *own, const struct clock *theirs, int64_t bound,
                     const struct row *shown, struct arena *arena, struct row *ret)
{
    struct row out = *own;
    size_t first = 0;
    *ret = *own;
    while (first < own->cells_count && !is_absent(own, &own->cells[first], theirs, bound, shown))
        first++;
    if (first == own->cells_count)
        return false;
    out.cells = arena_array(arena, struct cell, own->cells_count);
    out.cells_count = 0;
    for (size_t i = 0; i < own->cells_count; i++) {
        if (i < first || !is_absent(own, &own->cells[i], theirs, bound, shown))
            out.cells[out.cells_count++] = own->cells[i];
    }
    *ret = out;
    return true;
}

bool row_has_garbage_of(const struct row *r, struct dot dot, bool expiring)
{
    if (!expiring && !tomb_is_none(&r->deletion) && dot_compare(r->deletion.dot, dot) == 0)
        return true;
    for (size_t i = 0; i < r->cells_count; i++) {
        const struct cell *c = &r->cells[i];
        if (cell_is_garbage(c) && (c->kind == CELL_EXPIRING) == expiring &&
            dot_compare(cell_event(c), dot) == 0)
            return true;
    }
    return false;
}

/* --- what is known */

/* Writes have one dot, so the last answer is mostly the next one. */
struct known {
    const struct clock *clock;
    struct dot last;
    bool is;
};

static bool is_known(struct known *k, struct dot dot)
{
    if (dot.n == 0)
        return false;
    if (dot_compare(dot, k->last) != 0) {
        k->last = dot;
        k->is = clock_has(k->clock, dot);
    }
    return k->is;
}

static bool row_any_known(const struct row *r, struct known *k)
{
    bool any = !tomb_is_none(&r->deletion) && is_known(k, r->deletion.dot);
    for (size_t i = 0; i < r->cells_count && !any; i++)
        any = is_known(k, cell_event(&r->cells[i]));
    return any;
}

static bool part_any_known(const struct part *p, struct known *k)
{
    bool any = !tomb_is_none(&p->deletion) && is_known(k, p->deletion.dot);
    for (size_t i = 0; i < p->tombs_count && !any; i++)
        any = is_known(k, p->tombs[i].tomb.dot);
    if (p->has_static)
        any = any || row_any_known(&p->static_row, k);
    for (size_t i = 0; i < p->rows_count && !any; i++)
        any = row_any_known(&p->rows[i], k);
    return any;
}

static struct row row_sift(const struct row *r, struct known *k, struct arena *arena)
{
    struct row out = *r;
    if (!row_any_known(r, k))
        return out;
    if (!tomb_is_none(&r->deletion) && is_known(k, r->deletion.dot))
        out.deletion = TOMB_NONE;
    out.cells = arena_array(arena, struct cell, r->cells_count);
    out.cells_count = 0;
    for (size_t i = 0; i < r->cells_count; i++) {
        if (!is_known(k, cell_event(&r->cells[i])))
            out.cells[out.cells_count++] = r->cells[i];
    }
    return out;
}

static bool sift(const struct part *p, struct known *k, struct arena *arena, struct part *ret)
{
    struct part out = *p;
    *ret = *p;
    if (!part_any_known(p, k))
        return false;
    if (!tomb_is_none(&p->deletion) && is_known(k, p->deletion.dot))
        out.deletion = TOMB_NONE;
    out.tombs = arena_array(arena, struct range_tomb, p->tombs_count);
    out.tombs_count = 0;
    for (size_t i = 0; i < p->tombs_count; i++) {
        if (!is_known(k, p->tombs[i].tomb.dot))
            out.tombs[out.tombs_count++] = p->tombs[i];
    }
    if (p->has_static) {
        out.static_row = row_sift(&p->static_row, k, arena);
        out.has_static = !row_is_empty(&out.static_row);
    }
    if (!out.has_static)
        out.static_row = (struct row){.deletion = TOMB_NONE};
    out.rows = arena_array(arena, struct row, p->rows_count);
    out.rows_count = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        struct row row = row_sift(&p->rows[i], k, arena);
        if (!row_is_empty(&row))
            out.rows[out.rows_count++] = row;
    }
    *ret = out;
    return true;
}

bool part_drop_known(const struct part *p, const struct clock *known, struct arena *arena,
                     struct part *ret)
{
    struct known k = {.clock = known};
    *ret = *p;
    return !MUTANT(known_state_taken) && sift(p, &k, arena, ret);
}

static bool row_has_dot(const struct row *r, struct dot dot)
{
    bool has = !tomb_is_none(&r->deletion) && dot_compare(r->deletion.dot, dot) == 0;
    for (size_t i = 0; i < r->cells_count && !has; i++)
        has = dot_compare(cell_event(&r->cells[i]), dot) == 0;
    return has;
}

bool part_has_dot(const struct part *p, struct dot dot)
{
    bool has = !tomb_is_none(&p->deletion) && dot_compare(p->deletion.dot, dot) == 0;
    for (size_t i = 0; i < p->tombs_count && !has; i++)
        has = dot_compare(p->tombs[i].tomb.dot, dot) == 0;
    if (p->has_static)
        has = has || row_has_dot(&p->static_row, dot);
    for (size_t i = 0; i < p->rows_count && !has; i++)
        has = row_has_dot(&p->rows[i], dot);
    return has;
}

/* --- timestamps, rows, pieces */

const struct row *part_find_row(const struct part *p, struct bytes key)
{
    size_t low = 0;
    size_t high = p->rows_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = bytes_compare(p->rows[mid].key, key);
        if (c == 0)
            return &p->rows[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

int64_t row_min_timestamp(const struct row *r)
{
    int64_t min = tomb_is_none(&r->deletion) ? INT64_MAX : r->deletion.timestamp;
    for (size_t i = 0; i < r->cells_count; i++)
        min = r->cells[i].timestamp < min ? r->cells[i].timestamp : min;
    return min;
}

void tombs_split(struct tomb_list in, struct bytes start, struct bytes end, struct arena *arena,
                 struct tomb_list *ret_inside, struct tomb_list *ret_outside)
{
    struct tomb_list inside = {arena_array(arena, struct range_tomb, in.count), 0};
    struct tomb_list outside = {arena_array(arena, struct range_tomb, in.count + 1), 0};
    for (size_t i = 0; i < in.count; i++) {
        struct range_tomb t = in.items[i];
        if (!range_before_end(t.start, end) || !range_before_end(start, t.end)) {
            outside.items[outside.count++] = t;
            continue;
        }
        if (bytes_compare(t.start, start) < 0) {
            outside.items[outside.count++] = (struct range_tomb){t.start, start, t.tomb};
            t.start = start;
        }
        struct bytes behind = t.end;
        bool more = range_end_compare(t.end, end) > 0;
        if (more)
            t.end = end;
        inside.items[inside.count++] = t;
        if (more)
            outside.items[outside.count++] = (struct range_tomb){end, behind, t.tomb};
    }
    *ret_inside = inside;
    *ret_outside = outside;
}
