/* tree_take.c - rows that another replica has otherwise, joined with what is here. */
#include "storage/tree_private.h"

#include "base/mutant.h"

#include <stdlib.h>

struct taking {
    struct engine *e;
    struct range_state *range;
    const struct range_place *place;
    struct arena *arena;
    const struct clock *agreed, *told;
    int64_t now_s;
    struct clock known; /* the clock, `told`, and names given here */
    struct dot *names;
    size_t names_count, names_cap, settled_cap;
    struct part *lacks; /* what is written: before that the tree hears of it */
    size_t lacks_count, lacks_cap;
    struct buf at; /* scratch: a place */
    struct tree_taken out;
};

bool tree_is_of_place(const struct range_place *place, const struct part *p)
{
    bool has_table = false;
    for (size_t i = 0; i < place->tables_count; i++)
        has_table = has_table || place->tables[i] == p->table;
    return has_table && p->token >= place->first && p->token <= place->last;
}

static bool has_head(const struct part *p)
{
    return !tomb_is_none(&p->deletion) || p->tombs_count > 0 || p->has_static;
}

/* --- does it show something else than before? Garbage that one has dropped long ago does not. */

static bool shows_other(struct taking *t, const struct row *before, const struct row *after)
{
    struct row none = {.siblings = after->siblings, .deletion = TOMB_NONE};
    struct buf a, b;
    buf_init(&a, SIZE_MAX);
    buf_init(&b, SIZE_MAX);
    tree_put_values(before != NULL ? before : &none, t->now_s, t->arena, &a);
    tree_put_values(after, t->now_s, t->arena, &b);
    bool other = !bytes_equal(buf_bytes(&a), buf_bytes(&b));
    buf_close(&a);
    buf_close(&b);
    return other;
}

/* News, by dots that the clock does not have, may come in a session, too: what another one brought
 * there before it was broken off, for good. */
static void count_doubtful(struct taking *t, const struct part *had, const struct part *in)
{
    struct part news, with_news, after;
    const struct part *own = &with_news;
    uint64_t before = t->out.doubtful;
    part_drop_known(in, &t->range->clock, t->arena, &news);
    part_merge(had, &news, t->arena, &with_news);
    part_merge(had, in, t->arena, &after);
    if (after.has_static)
        t->out.doubtful +=
            shows_other(t, own->has_static ? &own->static_row : NULL, &after.static_row);
    else
        t->out.doubtful += own->has_static;
    for (size_t i = 0; i < after.rows_count; i++)
        t->out.doubtful += shows_other(t, part_find_row(own, after.rows[i].key), &after.rows[i]);
    for (size_t i = 0; i < own->rows_count; i++)
        t->out.doubtful += part_find_row(&after, own->rows[i].key) == NULL;
    if (before == 0 && t->out.doubtful > 0) {
        t->out.table = in->table;
        t->out.key = arena_copy(t->arena, in->key);
    }
}

/* --- does the giver lack anything? */

static bool one_lacks(struct taking *t, const struct part *have, const struct part *want)
{
    struct part ret;
    return part_lacks(have, want, t->arena, &ret);
}

static void note_settled(struct taking *t, table_no table)
{
    struct tree_taken *o = &t->out;
    o->settled =
        arena_grow(t->arena, o->settled, o->settled_count, &t->settled_cap, sizeof *o->settled);
    o->settled[o->settled_count++] =
        (struct tree_settled){table, siphash(&t->e->tree_key, buf_bytes(&t->at))};
}

static void find_settled(struct taking *t, const struct part *own, const struct part *in)
{
    struct part have = *in, want = *own;
    have.rows_count = want.rows_count = 0;
    if (has_head(in) && !one_lacks(t, &have, &want)) {
        key_tree_place(&t->at, in->token, in->key, KEY_DELETION);
        note_settled(t, in->table);
    }
    for (size_t i = 0; i < in->rows_count; i++) {
        struct row *row = (struct row *)(uintptr_t)part_find_row(own, in->rows[i].key);
        struct part none = {.siblings = in->siblings, .deletion = TOMB_NONE};
        none.static_row.deletion = TOMB_NONE;
        have = want = none;
        have.rows = &in->rows[i];
        want.rows = row;
        have.rows_count = 1;
        want.rows_count = row != NULL;
        if (row != NULL && one_lacks(t, &have, &want))
            continue;
        key_tree_place(&t->at, in->token, in->key, KEY_ROW);
        key_add_escaped(&t->at, in->rows[i].key);
        note_settled(t, in->table);
    }
}

int tree_settled_compare(const void *a, const void *b)
{
    const struct tree_settled *x = a, *y = b;
    if (x->table != y->table && !MUTANT(settled_in_any_table))
        return x->table < y->table ? -1 : 1;
    return x->key_hash < y->key_hash ? -1 : x->key_hash > y->key_hash;
}

/* --- taking */

static void take_lack(struct taking *t, const struct part *lack)
{
    struct engine *e = t->e;
    struct part stray;
    struct dot dot = engine_name(e, t->range, &t->known, lack, t->arena, &stray);
    t->lacks = arena_grow(t->arena, t->lacks, t->lacks_count, &t->lacks_cap, sizeof *t->lacks);
    t->lacks[t->lacks_count++] = *lack;
    engine_batch_part(e, t->range, lack);
    counter_sets_feed(&e->counters, lack);
    if (dot.n > 0) {
        engine_put_shape(e, t->range, dot, &stray);
        clock_add(&t->known, dot);
        t->names = arena_grow(t->arena, t->names, t->names_count, &t->names_cap, sizeof *t->names);
        t->names[t->names_count++] = dot;
    }
}

static enum err take_one(struct taking *t, struct part *p)
{
    struct part own, lack;
    if (!tree_is_of_place(t->place, p))
        return ERR_MALFORMED;
    if (!tree_strip(p, t->agreed, INT64_MIN, t->arena) ||
        !tree_strip_dropped(t->e, t->range, p, t->now_s, t->arena))
        return ERR_OK;
    enum err err = engine_read_own(t->e, p, t->arena, &own);
    if (err != ERR_OK)
        return err;
    find_settled(t, &own, p);
    if (!part_lacks(&own, p, t->arena, &lack))
        return ERR_OK;
    t->out.rows += lack.rows_count + has_head(&lack);
    if (t->told == NULL)
        count_doubtful(t, &own, p);
    take_lack(t, &lack);
    return ERR_OK;
}

enum err engine_tree_take(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place, struct bytes rows,
                          const struct clock *agreed, const struct clock *told, int64_t now_s,
                          struct arena *arena, uint64_t ticket, struct tree_taken *ret)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct taking t = {.e = e, .range = r, .place = place, .arena = arena};
    struct reader in = reader_make(rows);
    if (r->err != ERR_OK)
        return r->err;
    t.agreed = agreed;
    t.told = told;
    t.now_s = now_s;
    buf_init(&t.at, SIZE_MAX);
    clock_init(&t.known);
    clock_copy(&t.known, &r->clock);
    if (told != NULL)
        clock_merge(&t.known, told);
    engine_batch_begin(e);
    enum err err = ERR_OK;
    while (reader_left(&in) > 0 && err == ERR_OK) {
        struct part p;
        err = part_read(&in, arena, &p);
        if (err == ERR_OK)
            err = take_one(&t, &p);
    }
    err = err == ERR_OK ? engine_batch_check(e) : err;
    err = err == ERR_OK ? tree_touch_parts(e, r, t.lacks, t.lacks_count) : err;
    if (err == ERR_OK) {
        for (size_t i = 0; i < t.names_count; i++)
            engine_range_add(e, r, t.names[i]);
        e->stats.bytes_written += e->batch.ops.len;
        engine_batch_write(e, ticket);
        if (t.out.settled_count > 1)
            qsort(t.out.settled, t.out.settled_count, sizeof *t.out.settled, tree_settled_compare);
        *ret = t.out;
    } else {
        engine_batch_undo(e);
        counter_sets_drop_all(&e->counters); /* they may have heard of what was not written */
    }
    clock_close(&t.known);
    buf_close(&t.at);
    return err;
}

/* The tree is as true of the new dots as it was of the others: what came for them has made its
 * leaves dirty. */
static void join_tree(struct engine *e, struct range_state *r, const struct clock *dots)
{
    struct tree t;
    if (tree_open(&t, e, r) == ERR_OK) { /* else it is built anew */
        clock_merge(&t.head.asof, dots);
        t.changed = true;
        tree_write(&t);
    }
    tree_close(&t);
}

enum err engine_tree_join(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct clock *dots, uint64_t ticket)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct clock gained;
    if (r->err != ERR_OK)
        return r->err;
    clock_init(&gained);
    clock_missing(dots, &r->clock, &gained);
    engine_batch_begin(e);
    bool any = !clock_empty(&gained);
    if (any) {
        engine_range_add_all(e, r, &gained);
        engine_account_pruned(e, r, &gained, 0);
    }
    engine_batch_write(e, ticket);
    if (any)
        join_tree(e, r, &gained);
    clock_close(&gained);
    return ERR_OK;
}
