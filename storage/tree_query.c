/* tree_query.c - what a session asks of a tree: its root, sums of stretches, lists of rows. */
#include "storage/tree_private.h"

/* A list may read so many fragments for each row that it may give, and this many besides. */
#define LIST_WORK 16u
#define LIST_MORE 4096u

static bool ends_behind(struct bytes a, struct bytes b) /* ends of stretches: empty is the last */
{
    return b.len > 0 && (a.len == 0 || bytes_compare(a, b) > 0);
}

static bool begins_before_end(struct bytes first, struct bytes end)
{
    return end.len == 0 || bytes_compare(first, end) < 0;
}

/* --- root */

enum err engine_tree_root(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place, struct tree_sum *ret_sums,
                          struct clock *ret_asof, bool *ret_current)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct tree t;
    int64_t due;
    enum err err = tree_open(&t, e, r);
    bool current =
        err == ERR_OK && !tree_read_mark(e, r, &due) && clock_equal(&t.head.asof, &r->clock);
    for (size_t i = 0; i < place->tables_count && (err == ERR_OK || err == ERR_NOT_FOUND); i++) {
        const struct tree_table *table = tree_table(&t, place->tables[i]);
        ret_sums[i] = (struct tree_sum){0, 0};
        current = current && table != NULL && tree_table_is_clean(table);
        for (size_t k = 0; table != NULL && k < table->count; k++) {
            ret_sums[i].sum += table->pieces[k].sum.sum;
            ret_sums[i].rows += table->pieces[k].sum.rows;
        }
    }
    if (err == ERR_OK)
        clock_copy(ret_asof, &t.head.asof);
    tree_close(&t);
    *ret_current = current;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* --- stretches */

struct query {
    struct tree t;
    const struct range_place *place;
    struct tree_table *table;
    struct tree_stretch stretch;
    const struct tree_skip *skip;
};

/* Close it in any case. */
static enum err query_open(struct query *q, struct engine *e, keyspace_no keyspace, range_no range,
                           const struct range_place *place, table_no table,
                           const struct tree_stretch *stretch, const struct tree_skip *skip)
{
    struct bytes key, row;
    token at;
    enum key_kind kind;
    enum err err = tree_open(&q->t, e, engine_range(e, keyspace, range));
    q->place = place;
    q->stretch = *stretch;
    q->skip = skip;
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_BEHIND : err;
    if ((stretch->from.len > 0 &&
         !key_parse_tree_place(stretch->from, &q->t.arena, &at, &key, &kind, &row)) ||
        !begins_before_end(stretch->from, stretch->upto))
        return ERR_MALFORMED;
    q->table = tree_table(&q->t, table);
    return q->table == NULL ? ERR_BEHIND : ERR_OK;
}

/* What of a leaf is in the stretch. */
struct unit {
    struct tree_stretch stretch;
    bool whole;
    bool dirty;
    const struct tree_leaf *leaf;
};

typedef enum err unit_fn(void *arg, struct query *q, const struct unit *unit);

static enum err unit_of_leaf(struct query *q, size_t piece, size_t leaf, unit_fn *fn, void *arg)
{
    const struct tree_piece *p = &q->table->pieces[piece];
    struct unit u = {.leaf = &p->leaves[leaf], .dirty = piece_is_dirty(p, leaf)};
    struct bytes end = tree_leaf_end(q->table, piece, leaf);
    bool from_inside = bytes_compare(q->stretch.from, u.leaf->first) > 0;
    bool upto_inside = ends_behind(end, q->stretch.upto);
    u.stretch.from = from_inside ? q->stretch.from : u.leaf->first;
    u.stretch.upto = upto_inside ? q->stretch.upto : end;
    u.whole = !from_inside && !upto_inside && !tree_skip_meets(q->skip, &u.stretch);
    if (u.whole && u.dirty)
        return ERR_BEHIND;
    return fn(arg, q, &u);
}

static enum err each_unit(struct query *q, unit_fn *fn, void *arg)
{
    for (size_t i = tree_find_piece(q->table, q->stretch.from); i < q->table->count; i++) {
        struct tree_piece *p = &q->table->pieces[i];
        if (p->first.len > 0 && !begins_before_end(p->first, q->stretch.upto))
            break;
        enum err err = tree_load(&q->t, q->table, p);
        for (size_t k = err == ERR_OK ? tree_find_leaf(p, q->stretch.from) : 0;
             k < p->count && err == ERR_OK; k++) {
            if (p->leaves[k].first.len > 0 &&
                !begins_before_end(p->leaves[k].first, q->stretch.upto))
                break;
            err = unit_of_leaf(q, i, k, fn, arg);
        }
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err unit_sum(struct query *q, const struct unit *u, struct tree_sum *ret)
{
    int64_t due;
    *ret = u->leaf->sum;
    return u->whole
               ? ERR_OK
               : tree_read_sum(q->t.e, q->place, q->table->table, &u->stretch, q->skip, ret, &due);
}

static enum err add_unit(void *arg, struct query *q, const struct unit *u)
{
    struct tree_sum *sum = arg, one;
    enum err err = unit_sum(q, u, &one);
    if (err == ERR_OK) {
        sum->sum += one.sum;
        sum->rows += one.rows;
    }
    return err;
}

enum err engine_tree_sum(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct range_place *place, table_no table,
                         const struct tree_stretch *stretch, const struct tree_skip *skip,
                         struct tree_sum *ret)
{
    struct query q;
    struct tree_sum sum = {0, 0};
    enum err err = query_open(&q, e, keyspace, range, place, table, stretch, skip);
    if (err == ERR_OK)
        err = each_unit(&q, add_unit, &sum);
    tree_close(&q.t);
    if (err == ERR_OK)
        *ret = sum;
    return err;
}

/* --- slices */

struct cut {
    struct arena *arena;
    struct tree_slice *slices;
    size_t count, max;
    uint64_t rows;   /* of the stretch, about */
    uint64_t target; /* of a slice */
};

static enum err count_unit(void *arg, struct query *q, const struct unit *u)
{
    struct cut *c = arg;
    (void)q;
    c->rows += u->leaf->sum.rows;
    return ERR_OK;
}

static enum err cut_unit(void *arg, struct query *q, const struct unit *u)
{
    struct cut *c = arg;
    struct tree_slice *last = c->count > 0 ? &c->slices[c->count - 1] : NULL;
    struct tree_sum sum;
    enum err err = unit_sum(q, u, &sum);
    if (err != ERR_OK)
        return err;
    if (last == NULL || (last->sum.rows >= c->target && c->count < c->max)) {
        struct bytes border =
            last == NULL ? q->stretch.from : arena_copy(c->arena, u->stretch.from);
        if (last != NULL)
            last->stretch.upto = border;
        last = &c->slices[c->count++];
        *last = (struct tree_slice){.stretch = {border, q->stretch.upto}};
    }
    last->sum.sum += sum.sum;
    last->sum.rows += sum.rows;
    return ERR_OK;
}

enum err engine_tree_cut(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct range_place *place, table_no table,
                         const struct tree_stretch *stretch, const struct tree_skip *skip,
                         size_t slices_max, struct arena *arena, struct tree_slice *ret,
                         size_t *ret_count)
{
    struct query q;
    struct cut c = {.arena = arena, .slices = ret, .max = slices_max};
    enum err err = query_open(&q, e, keyspace, range, place, table, stretch, skip);
    if (err == ERR_OK)
        err = each_unit(&q, count_unit, &c);
    c.target = (c.rows + slices_max - 1) / slices_max;
    if (err == ERR_OK)
        err = each_unit(&q, cut_unit, &c);
    tree_close(&q.t);
    if (err == ERR_OK)
        *ret_count = c.count;
    return err;
}

/* --- rows */

enum err engine_tree_list(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place, table_no table,
                          const struct tree_stretch *stretch, const struct tree_skip *skip,
                          const struct clock *agreed, int64_t now_s, size_t rows_max,
                          struct arena *arena, struct tree_item **ret_items, size_t *ret_count,
                          struct bytes *ret_next)
{
    struct range_state *state = engine_range(e, keyspace, range);
    struct arena scratch = {0}; /* of one row */
    struct tree_reader r;
    struct tree_row row;
    struct tree_item *items = NULL;
    struct bytes next = BYTES_NONE;
    size_t count = 0, cap = 0, seen = 0;
    if (state->err != ERR_OK)
        return state->err;
    enum err err = tree_reader_init(&r, e, place, table, stretch->from, stretch->upto);
    for (; err == ERR_OK && (err = tree_reader_next(&r, &row)) == ERR_OK; seen++) {
        bool much = tree_reader_work(&r) >= rows_max * LIST_WORK + LIST_MORE;
        if (count >= rows_max || (much && seen > 0)) {
            next = arena_copy(arena, row.place);
            break;
        }
        arena_reset(&scratch);
        if (row.empty || tree_skip_has(skip, row.place) ||
            !tree_strip(&row.part, agreed, now_s, &scratch))
            continue;
        items = arena_grow(arena, items, count, &cap, sizeof *items);
        items[count++] = (struct tree_item){.place = arena_copy(arena, row.place),
                                            .key_hash = siphash(&e->tree_key, row.place),
                                            .content_hash = tree_digest(&r, &row)};
    }
    enum err closed = tree_reader_close(&r);
    arena_close(&scratch);
    err = err == ERR_OK || err == ERR_NOT_FOUND ? closed : err;
    if (err == ERR_OK) {
        *ret_items = items;
        *ret_count = count;
        *ret_next = next;
    }
    return engine_note(e, err);
}
