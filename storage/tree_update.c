/* tree_update.c - dirty leaves are read, and cut or joined as they have grown or shrunk.
 *
 * A leaf that is read gives as many as it has rows for: while it is read the rows of up to two
 * leaves are gathered; when a third one begins the first is done. Where the work of a call ends in
 * the middle of it, what was read is a leaf, and what was not is a dirty one. */
#include "storage/tree_private.h"

#include "base/mutant.h"

#include <string.h>

#define ENTRIES_MAX 16384u /* of the log, folded in one call ... */
#define ENTRIES_MIN 256u   /* ... and so many whatever it may do */

#define FRAGMENTS_A_ROW 16u /* a call may end in a leaf that has more for each row than that */

/* Leaves and pieces are cut when they are larger than twice the width, joined below a quarter when
 * that gives no more than this: what is joined is not cut at once. */
static uint32_t joined_max(const struct engine *e)
{
    return e->tree_width + e->tree_width / 2;
}

struct leaf_list {
    struct tree *t;
    struct tree_leaf *items;
    size_t count, cap;
};

struct update {
    struct tree *t;
    const struct range_place *place;
    size_t left; /* fragments that may be read yet */
};

static void add_leaf(struct leaf_list *l, const struct tree_leaf *leaf)
{
    l->items = arena_grow(&l->t->leaves, l->items, l->count, &l->cap, sizeof *l->items);
    l->items[l->count++] = *leaf;
}

static void leaf_add(struct tree_leaf *leaf, uint64_t digest, int64_t due)
{
    leaf->sum.sum += digest;
    leaf->sum.rows++;
    leaf->due = due < leaf->due ? due : leaf->due;
}

static void leaf_join(struct tree_leaf *leaf, const struct tree_leaf *next)
{
    leaf->sum.sum += next->sum.sum;
    leaf->sum.rows += next->sum.rows;
    leaf->due = next->due < leaf->due ? next->due : leaf->due;
}

static struct tree_leaf leaf_at(struct leaf_list *l, struct bytes first)
{
    return (struct tree_leaf){.first = arena_copy(&l->t->leaves, first), .due = DUE_NEVER};
}

/* The leaf's rows as new leaves. */
static enum err read_rows(struct update *u, struct tree_reader *r, struct leaf_list *out,
                          struct bytes first)
{
    struct tree_leaf a = leaf_at(out, first), b = {.due = DUE_NEVER}, rest;
    struct tree_row row;
    bool has_rest = false;
    uint32_t width = u->t->e->tree_width;
    enum err err;
    for (bool begun = false; (err = tree_reader_next(r, &row)) == ERR_OK; begun = true) {
        size_t work = tree_reader_work(r);
        uint64_t rows = a.sum.rows + b.sum.rows;
        bool enough = rows >= width || work >= u->left + (size_t)FRAGMENTS_A_ROW * width;
        if (begun && work >= u->left && enough) {
            rest = leaf_at(out, row.place);
            has_rest = rest.dirty = true;
            break;
        }
        if (row.empty)
            continue;
        if (b.sum.rows == width) {
            add_leaf(out, &a);
            a = b;
        }
        if (a.sum.rows == width && (b.sum.rows == 0 || b.sum.rows == width))
            b = leaf_at(out, row.place);
        leaf_add(a.sum.rows < width ? &a : &b, tree_digest(r, &row), tree_due(&row.part));
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    leaf_join(&a, &b);
    add_leaf(out, &a);
    if (has_rest)
        add_leaf(out, &rest);
    return ERR_OK;
}

static enum err read_leaf(struct update *u, const struct tree_table *table, struct bytes first,
                          struct bytes upto, struct leaf_list *out)
{
    struct tree_reader r;
    enum err err = tree_reader_init(&r, u->t->e, u->place, table->table, first, upto);
    err = err == ERR_MALFORMED ? ERR_CORRUPT : err;
    if (err == ERR_OK)
        err = read_rows(u, &r, out, first);
    size_t work = 1 + tree_reader_work(&r);
    enum err closed = tree_reader_close(&r);
    u->left -= work < u->left ? work : u->left;
    u->t->e->stats.leaves_read++;
    return err == ERR_OK ? closed : err;
}

/* Small ones beside each other become one. Both must be known. */
static void join_leaves(struct leaf_list *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct tree_leaf *last = kept > 0 ? &l->items[kept - 1] : NULL;
        const struct tree_leaf *leaf = &l->items[i];
        bool joins = last != NULL && !last->dirty && !leaf->dirty &&
                     (last->sum.rows < l->t->e->tree_width / 4 ||
                      leaf->sum.rows < l->t->e->tree_width / 4) &&
                     last->sum.rows + leaf->sum.rows <= joined_max(l->t->e);
        if (joins)
            leaf_join(last, leaf);
        else
            l->items[kept++] = *leaf;
    }
    l->count = kept;
}

/* --- pieces */

static void set_leaves(struct tree *t, struct tree_piece *p, struct tree_leaf *leaves, size_t count)
{
    p->leaves = leaves;
    p->count = (uint32_t)count;
    piece_sum_up(p);
    p->first = arena_copy(&t->arena, p->first); /* outlives the leaves */
    p->changed = t->changed = true;
}

/* The piece has these leaves now; those that are too many are in pieces behind it. */
static void put_leaves(struct tree *t, struct tree_table *table, size_t at,
                       const struct leaf_list *l)
{
    size_t done = 0;
    while (done < l->count) {
        size_t left = l->count - done;
        size_t width = t->e->tree_width;
        size_t take = left > 2 * width ? width : left;
        if (done > 0) {
            at++;
            table->pieces = arena_grow(&t->arena, table->pieces, table->count, &table->cap,
                                       sizeof *table->pieces);
            memmove(table->pieces + at + 1, table->pieces + at,
                    (table->count - at) * sizeof *table->pieces);
            table->count++;
            table->pieces[at] = (struct tree_piece){.id = table->next_id++};
            table->pieces[at].dirty = arena_zero(&t->arena, PIECE_BITMAP);
        }
        set_leaves(t, &table->pieces[at], l->items + done, take);
        done += take;
    }
}

/* A piece of few leaves goes into the one before it. */
static enum err join_piece(struct tree *t, struct tree_table *table, size_t at)
{
    struct leaf_list l = {.t = t};
    for (size_t i = at - 1; i <= at; i++) {
        struct tree_piece *p = &table->pieces[i];
        enum err err = tree_load(t, table, p);
        if (err != ERR_OK)
            return err;
        for (uint32_t k = 0; k < p->count; k++) {
            struct tree_leaf leaf = p->leaves[k];
            leaf.dirty = piece_is_dirty(p, k);
            leaf.first = arena_copy(&t->arena, leaf.first);
            l.items = arena_grow(&t->arena, l.items, l.count, &l.cap, sizeof *l.items);
            l.items[l.count++] = leaf;
        }
    }
    tree_remove_piece(t, table, &table->pieces[at]);
    table->count--;
    memmove(table->pieces + at, table->pieces + at + 1,
            (table->count - at) * sizeof *table->pieces);
    join_leaves(&l);
    set_leaves(t, &table->pieces[at - 1], l.items, l.count);
    return ERR_OK;
}

static bool is_small(const struct engine *e, const struct tree_table *table, size_t at)
{
    uint32_t count = table->pieces[at].count;
    uint32_t before = at > 0 ? table->pieces[at - 1].count : PIECE_LEAVES_MAX;
    uint32_t least = e->tree_width / 4;
    return (count < least || before < least) && count + before <= joined_max(e);
}

static enum err update_piece(struct update *u, struct tree_table *table, size_t at)
{
    struct tree *t = u->t;
    struct tree_piece *p = &table->pieces[at];
    struct leaf_list out = {.t = t};
    enum err err = tree_load(t, table, p);
    for (uint32_t i = 0; err == ERR_OK && i < p->count; i++) {
        struct tree_leaf leaf = p->leaves[i];
        leaf.dirty = piece_is_dirty(p, i);
        if (leaf.dirty && u->left > 0 && !MUTANT(dirty_is_clean))
            err = read_leaf(u, table, leaf.first, tree_leaf_end(table, at, i), &out);
        else
            add_leaf(&out, &leaf);
    }
    if (err != ERR_OK)
        return err;
    join_leaves(&out);
    put_leaves(t, table, at, &out);
    return ERR_OK;
}

static enum err update_table(struct update *u, struct tree_table *table)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < table->count && u->left > 0 && err == ERR_OK; i++) {
        if (piece_dirty_count(&table->pieces[i]) == 0)
            continue;
        err = update_piece(u, table, i);
        if (err == ERR_OK && is_small(u->t->e, table, i))
            err = join_piece(u->t, table, i--);
    }
    return err;
}

/* --- */

static void match_tables(struct tree *t, const struct range_place *place)
{
    for (size_t i = 0; i < place->tables_count; i++) {
        if (tree_table(t, place->tables[i]) == NULL)
            tree_add_table(t, place->tables[i]);
    }
    for (size_t i = t->head.count; i-- > 0;) {
        bool there = false;
        for (size_t k = 0; k < place->tables_count && !there; k++)
            there = place->tables[k] == t->head.tables[i].table;
        if (!there)
            tree_remove_table(t, i);
    }
}

static bool is_clean(const struct tree *t)
{
    bool clean = true;
    for (size_t i = 0; i < t->head.count && clean; i++)
        clean = tree_table_is_clean(&t->head.tables[i]);
    return clean;
}

static enum err update(struct tree *t, const struct range_place *place, size_t work_max,
                       bool *ret_done)
{
    struct update u = {.t = t, .place = place, .left = work_max > 0 ? work_max : 1};
    size_t entries = u.left > ENTRIES_MAX   ? ENTRIES_MAX
                     : u.left < ENTRIES_MIN ? ENTRIES_MIN
                                            : u.left;
    bool folded = false;
    match_tables(t, place);
    enum err err = tree_fold(t, entries, &folded);
    for (size_t i = 0; err == ERR_OK && folded && i < t->head.count && u.left > 0; i++)
        err = update_table(&u, &t->head.tables[i]);
    *ret_done = err == ERR_OK && folded && is_clean(t);
    return err;
}

enum err engine_tree_update(struct engine *e, keyspace_no keyspace, range_no range,
                            const struct range_place *place, size_t work_max, bool *ret_done)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct tree t;
    bool done = false;
    enum err err = tree_open(&t, e, r);
    if (err == ERR_NOT_FOUND) {
        tree_make(&t);
        err = ERR_OK;
        e->stats.trees_built++;
    }
    if (err == ERR_OK && store_failure(e->store) != NULL)
        err = ERR_IO;
    if (err == ERR_OK) {
        err = update(&t, place, work_max, &done);
        if (err == ERR_OK || r->tree.has == TREE_SOME) /* what could be read need not be again */
            tree_write(&t);
    }
    tree_close(&t);
    if (err == ERR_OK)
        *ret_done = done;
    return err;
}
