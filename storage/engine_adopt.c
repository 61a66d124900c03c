/* engine_adopt.c - lives that are over, and garbage whose dot nobody knows.
 *
 * A write carries with it what it met where it was minted, be it durable there or not; read repair
 * carries what somebody showed. When the minter of that loses it (its log's tail, its disk, the
 * range), there is a deletion here with a dot that no clock has, nor ever will: it could not be
 * agreed. So what is due, is unknown here, and is of a life from whose successor this replica has
 * pulled, or of a node that is none of the replicas any more, gets a dot of this replica, which the
 * others pull. Not before: as long as its minter may tell of it, replicas would rename each other's
 * garbage for nothing. (docs/versions.md)
 */
#include "base/mem.h"
#include "storage/engine_settle.h"

void engine_note_life(struct engine *e, keyspace_no keyspace, range_no range, struct actor actor)
{
    struct range_state *r = engine_range(e, keyspace, range);
    uintptr_t known = (uintptr_t)map_get(&r->lives, actor.node);
    if (actor.boot > known)
        map_put(&r->lives, actor.node, (void *)(uintptr_t)actor.boot);
}

bool engine_life_is_over(const struct engine *e, const struct range_state *r, struct actor actor)
{
    return actor.boot < (uintptr_t)map_get(&r->lives, actor.node) ||
           (actor.node == e->actor.node && actor.boot < e->actor.boot);
}

void engine_note_minters(struct engine *e, keyspace_no keyspace, range_no range,
                         const node_no *nodes, size_t count)
{
    struct range_state *r = engine_range(e, keyspace, range);
    if (count != r->minters_count || r->minters == NULL) {
        mem_free(r->minters);
        r->minters = mem_alloc((count + 1) * sizeof *r->minters);
        r->minters_count = count;
    }
    for (size_t i = 0; i < count; i++)
        r->minters[i] = nodes[i];
}

static bool has_left(const struct engine *e, const struct range_state *r, node_no node)
{
    bool is_minter = r->minters == NULL || node == e->actor.node;
    for (size_t i = 0; i < r->minters_count && !is_minter; i++)
        is_minter = r->minters[i] == node;
    return !is_minter;
}

bool engine_is_orphan(const struct engine *e, const struct range_state *r, struct dot dot)
{
    return e->actor.node != 0 && !clock_has(&r->clock, dot) &&
           (engine_life_is_over(e, r, dot.actor) || has_left(e, r, dot.actor.node));
}

/* Whether a part has a dot that the clock lacks and is of a life that is over; or, where somebody
 * says who mints, of somebody who does not. */
struct doubt {
    const struct engine *e;
    const struct range_state *r;
    engine_tells *tells; /* or NULL */
    void *arg;
};

static bool dot_is_doubted(const struct doubt *d, struct dot dot)
{
    if (dot.n == 0 || clock_has(&d->r->clock, dot))
        return false;
    return d->tells != NULL ? !d->tells(d->arg, dot.actor.node)
                            : engine_life_is_over(d->e, d->r, dot.actor);
}

static bool row_is_doubted(const struct doubt *d, const struct row *row)
{
    bool doubted = dot_is_doubted(d, row->deletion.dot);
    for (size_t i = 0; i < row->cells_count && !doubted; i++)
        doubted = dot_is_doubted(d, cell_event(&row->cells[i]));
    return doubted;
}

static bool part_is_doubted(const struct doubt *d, const struct part *p)
{
    bool doubted = dot_is_doubted(d, p->deletion.dot);
    for (size_t i = 0; i < p->tombs_count && !doubted; i++)
        doubted = dot_is_doubted(d, p->tombs[i].tomb.dot);
    if (p->has_static)
        doubted = doubted || row_is_doubted(d, &p->static_row);
    for (size_t i = 0; i < p->rows_count && !doubted; i++)
        doubted = row_is_doubted(d, &p->rows[i]);
    return doubted;
}

bool engine_is_stale(const struct engine *e, const struct range_state *r, const struct part *p)
{
    return part_is_doubted(&(struct doubt){.e = e, .r = r}, p);
}

bool engine_is_told(struct engine *e, keyspace_no keyspace, range_no range, const struct part *p,
                    engine_tells *tells, void *arg)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct doubt d = {e, r, tells, arg};
    struct arena arena = {0};
    struct part rest, stray;
    bool told = true;
    if (r->err == ERR_OK) { /* else nothing is taken at all */
        part_drop_known(p, &r->clock, &arena, &rest);
        if (engine_name(e, r, &r->clock, &rest, &arena, &stray).n > 0)
            told = !part_is_doubted(&d, &stray);
    }
    arena_close(&arena);
    return told;
}

struct adoption {
    struct dot from, to;
    struct arena *arena;
    bool any;
};

static void adopt_tomb(struct adoption *a, struct tomb *t, struct tomb *ret_piece)
{
    *ret_piece = TOMB_NONE;
    if (tomb_is_none(t) || dot_compare(t->dot, a->from) != 0)
        return;
    t->dot = a->to;
    *ret_piece = *t;
    a->any = true;
}

/* ret_piece := what of the row has the new dot. */
static void adopt_row(struct adoption *a, struct row *row, struct row *ret_piece)
{
    struct cell *cells = arena_array(a->arena, struct cell, row->cells_count);
    *ret_piece = (struct row){.key = row->key, .siblings = row->siblings};
    ret_piece->cells = arena_array(a->arena, struct cell, row->cells_count);
    adopt_tomb(a, &row->deletion, &ret_piece->deletion);
    for (size_t i = 0; i < row->cells_count; i++) {
        cells[i] = row->cells[i];
        if (!cell_is_garbage(&cells[i]) || dot_compare(cell_event(&cells[i]), a->from) != 0)
            continue;
        if (cells[i].kind == CELL_REMOVED)
            cells[i].remover = a->to;
        else
            cells[i].dot = a->to;
        ret_piece->cells[ret_piece->cells_count++] = cells[i];
        a->any = true;
    }
    row->cells = cells;
}

static enum err adopt_in_row(struct adoption *a, struct settle *s, struct bytes key,
                             struct part *piece)
{
    struct bytes next;
    struct row row;
    rows_seek(&s->rows, key);
    if (!rows_in_part(&s->rows))
        return rows_error(&s->rows);
    enum err err = rows_peek(&s->rows, &next);
    if (err != ERR_OK)
        return err;
    if (!bytes_equal(next, key))
        return rows_error(&s->rows);
    err = rows_next(&s->rows, false, &row);
    if (err != ERR_OK)
        return err;
    piece->rows = arena_array(a->arena, struct row, 1);
    piece->rows_count = 1;
    adopt_row(a, &row, &piece->rows[0]);
    struct part whole = {.siblings = row.siblings, .deletion = TOMB_NONE};
    whole.static_row.deletion = TOMB_NONE;
    whole.rows = &row;
    whole.rows_count = 1;
    part_normalise(&whole, a->arena);
    if (a->any)
        settle_put_row(s, &row);
    return ERR_OK;
}

static void adopt_in_head(struct adoption *a, struct settle *s, struct part *piece)
{
    struct part head = s->rows.head;
    head.tombs = arena_array(a->arena, struct range_tomb, head.tombs_count);
    piece->tombs = arena_array(a->arena, struct range_tomb, head.tombs_count);
    adopt_tomb(a, &head.deletion, &piece->deletion);
    for (size_t i = 0; i < head.tombs_count; i++) {
        struct range_tomb *t = &piece->tombs[piece->tombs_count];
        head.tombs[i] = *t = s->rows.head.tombs[i];
        adopt_tomb(a, &head.tombs[i].tomb, &t->tomb);
        piece->tombs_count += !tomb_is_none(&t->tomb);
    }
    if (head.has_static) {
        adopt_row(a, &head.static_row, &piece->static_row);
        piece->has_static = !row_is_empty(&piece->static_row);
        struct part whole = {.siblings = head.siblings, .deletion = TOMB_NONE};
        whole.has_static = true;
        whole.static_row = head.static_row;
        part_normalise(&whole, a->arena);
        head.static_row = whole.static_row;
    }
    if (a->any)
        settle_head(s, &head);
}

enum err engine_adopt(struct settle *s, const struct garbage_key *g, struct bytes entry)
{
    struct engine *e = s->e;
    struct part piece = s->rows.head;
    struct adoption a = {.from = g->dot, .arena = s->rows.arena};
    enum err err = ERR_OK;
    a.to = (struct dot){e->actor, engine_top(e, s->range, &s->range->clock) + 1};
    piece.deletion = TOMB_NONE;
    piece.tombs_count = piece.rows_count = 0;
    piece.has_static = false;
    piece.static_row = (struct row){.deletion = TOMB_NONE};
    if (g->kind == KEY_ROW)
        err = adopt_in_row(&a, s, arena_copy(s->rows.arena, g->row), &piece);
    else
        adopt_in_head(&a, s, &piece);
    if (err != ERR_OK)
        return err;
    store_batch_delete(&e->batch, entry);
    if (!a.any)
        return ERR_OK;
    e->stats.adopted++;
    engine_put_shape(e, s->range, a.to, &piece);
    engine_batch_garbage(e, s->range, &piece);
    engine_range_add(e, s->range, a.to);
    return ERR_OK;
}
