/* tree_strip.c - rows without what is no difference between two replicas: garbage that all of them
 * have proved, which one may have dropped and the other not yet, and what has expired. And without
 * what may have been dropped here. */
#include "storage/tree_private.h"

#include "base/mutant.h"

struct strip {
    const struct clock *agreed;
    int64_t now_s;
    struct garbage_rule rule;
    struct arena *arena;
};

static void strip_row(struct strip *s, struct row *row)
{
    struct row out = *row;
    int64_t newest = TIMESTAMP_NONE;
    out.cells = arena_array(s->arena, struct cell, row->cells_count);
    out.cells_count = 0;
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->kind != CELL_EXPIRING || cell_is_live(c, s->now_s))
            out.cells[out.cells_count++] = *c;
    }
    *row = out;
    if (s->agreed != NULL)
        (void)row_take_garbage(&out, &s->rule, NULL, s->arena, row, &newest);
}

bool tree_strip(struct part *p, const struct clock *agreed, int64_t now_s, struct arena *arena)
{
    static const struct clock none;
    struct strip s = {.agreed = agreed, .now_s = now_s, .arena = arena};
    s.rule = (struct garbage_rule){.dots = agreed != NULL ? agreed : &none,
                                   .expired_before_s = INT64_MIN};
    if (tomb_goes(&s.rule, &p->deletion, 0))
        p->deletion = TOMB_NONE;
    struct range_tomb *tombs = arena_array(arena, struct range_tomb, p->tombs_count);
    size_t kept = 0;
    for (size_t i = 0; i < p->tombs_count; i++) {
        if (!tomb_goes(&s.rule, &p->tombs[i].tomb, 0))
            tombs[kept++] = p->tombs[i];
    }
    p->tombs = tombs;
    p->tombs_count = kept;
    if (p->has_static) {
        strip_row(&s, &p->static_row);
        p->has_static = !row_is_empty(&p->static_row);
    }
    struct row *rows = arena_array(arena, struct row, p->rows_count);
    kept = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        rows[kept] = p->rows[i];
        strip_row(&s, &rows[kept]);
        kept += !row_is_empty(&rows[kept]);
    }
    p->rows = rows;
    p->rows_count = kept;
    return !part_is_empty(p);
}

/* --- what may have been dropped here */

struct dropped {
    const struct clock *clock;
    int64_t bound, now_s;
    struct arena *arena;
};

static bool may_be_dropped(const struct dropped *d, int64_t timestamp, struct dot dot)
{
    return timestamp <= d->bound && dot.n > 0 && clock_has(d->clock, dot);
}

static bool tomb_may_be(const struct dropped *d, const struct tomb *t)
{
    return !tomb_is_none(t) && may_be_dropped(d, t->timestamp, t->dot);
}

static void leave_dropped(const struct dropped *d, struct row *row)
{
    struct cell *cells = arena_array(d->arena, struct cell, row->cells_count);
    size_t kept = 0;
    if (tomb_may_be(d, &row->deletion))
        row->deletion = TOMB_NONE;
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        bool deletes =
            c->kind == CELL_TOMBSTONE || (c->kind == CELL_EXPIRING && !cell_is_live(c, d->now_s));
        if (!deletes || !may_be_dropped(d, c->timestamp, c->dot))
            cells[kept++] = *c;
    }
    row->cells = cells;
    row->cells_count = kept;
}

bool tree_strip_dropped(struct engine *e, const struct range_state *r, struct part *p,
                        int64_t now_s, struct arena *arena)
{
    struct dropped d = {&r->clock, engine_purged_bound(e, p->table, p->token), now_s, arena};
    if (d.bound == TIMESTAMP_NONE || MUTANT(dropped_comes_back))
        return !part_is_empty(p);
    if (tomb_may_be(&d, &p->deletion))
        p->deletion = TOMB_NONE;
    struct range_tomb *tombs = arena_array(arena, struct range_tomb, p->tombs_count);
    size_t kept = 0;
    for (size_t i = 0; i < p->tombs_count; i++) {
        if (!tomb_may_be(&d, &p->tombs[i].tomb))
            tombs[kept++] = p->tombs[i];
    }
    p->tombs = tombs;
    p->tombs_count = kept;
    if (p->has_static) {
        leave_dropped(&d, &p->static_row);
        p->has_static = !row_is_empty(&p->static_row);
    }
    struct row *rows = arena_array(arena, struct row, p->rows_count);
    kept = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        rows[kept] = p->rows[i];
        leave_dropped(&d, &rows[kept]);
        kept += !row_is_empty(&rows[kept]);
    }
    p->rows = rows;
    p->rows_count = kept;
    return !part_is_empty(p);
}
