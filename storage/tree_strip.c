/* tree_strip.c - rows without what is no difference between two replicas: garbage that all of them
 * have proved, which one may have dropped and the other not yet, and what has expired. */
#include "storage/tree_private.h"

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
