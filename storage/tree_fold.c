/* tree_fold.c - what the dots since the as-of clock touched, and what was dropped, become dirty.
 *
 * A dot may touch rows, ranges of rows, the head of a partition, or all of it. A deletion changes
 * the head, and each row that it covers. What a dot did not name and changed all the same was
 * covered by a deletion that went: that leaves a mark (engine_tree_mark). */
#include "storage/tree_private.h"

#include "base/mem.h"
#include "base/mutant.h"

#include <string.h>

/* --- from an entry to stretches */

typedef enum err stretch_fn(void *arg, table_no table, struct bytes from, struct bytes upto);

struct touch {
    stretch_fn *fn;
    void *arg;
    struct buf from, upto;
};

static void touch_init(struct touch *t, stretch_fn *fn, void *arg)
{
    *t = (struct touch){.fn = fn, .arg = arg};
    buf_init(&t->from, SIZE_MAX);
    buf_init(&t->upto, SIZE_MAX);
}

static void touch_close(struct touch *t)
{
    buf_close(&t->from);
    buf_close(&t->upto);
}

static enum err touch_head(struct touch *t, const struct shape *s)
{
    key_tree_place(&t->from, s->token, s->key, KEY_DELETION);
    key_tree_place(&t->upto, s->token, s->key, KEY_ROW);
    return t->fn(t->arg, s->table, buf_bytes(&t->from), buf_bytes(&t->upto));
}

static enum err touch_part(struct touch *t, const struct shape *s)
{
    key_tree_place(&t->from, s->token, s->key, KEY_DELETION);
    key_tree_place(&t->upto, s->token, s->key, KEY_END);
    return t->fn(t->arg, s->table, buf_bytes(&t->from), buf_bytes(&t->upto));
}

static enum err touch_rows(struct touch *t, const struct shape *s, size_t front)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < s->rows_count && err == ERR_OK; i++) {
        t->from.len = front;
        key_add_escaped(&t->from, s->rows[i]);
        size_t len = t->from.len;
        buf_put_u8(&t->from, 0); /* what follows it at once */
        err = t->fn(t->arg, s->table, bytes_make(t->from.data, len), buf_bytes(&t->from));
    }
    for (size_t i = 0; i < s->ranges_count && err == ERR_OK; i++) {
        t->from.len = front;
        if (s->ranges[i].start.len > 0)
            key_add_escaped(&t->from, s->ranges[i].start);
        key_tree_place(&t->upto, s->token, s->key, s->ranges[i].end.len > 0 ? KEY_ROW : KEY_END);
        if (s->ranges[i].end.len > 0)
            key_add_escaped(&t->upto, s->ranges[i].end);
        err = t->fn(t->arg, s->table, buf_bytes(&t->from), buf_bytes(&t->upto));
    }
    return err;
}

static enum err touch_shape(struct touch *t, const struct shape *s)
{
    if ((s->flags & (SHAPE_DELETION | SHAPE_WHOLE)) != 0)
        return touch_part(t, s);
    enum err err = ERR_OK;
    if ((s->flags & SHAPE_STATIC) != 0 || s->ranges_count > 0)
        err = touch_head(t, s);
    key_tree_place(&t->from, s->token, s->key, KEY_ROW);
    return err == ERR_OK ? touch_rows(t, s, t->from.len) : err;
}

/* --- walking the log */

struct log_walk {
    struct touch touch;
    struct arena *arena;
    size_t left;         /* so many entries may be read */
    struct clock walked; /* what was */
    bool lacks;          /* the log has not all that was asked for */
};

/* The entries of the dots first .. last of an actor. */
static enum err walk_run(struct log_walk *w, struct log_cursor *c, uint64_t first, uint64_t last)
{
    enum err err = ERR_OK;
    uint64_t n = first;
    for (; n <= last && w->left > 0 && err == ERR_OK && !w->lacks; n++, w->left--) {
        struct bytes entry;
        struct shape shape;
        uint64_t at = 0;
        err = log_cursor_seek(c, n, &at, &entry);
        w->lacks = err == ERR_NOT_FOUND || (err == ERR_OK && at != n);
        if (w->lacks || err != ERR_OK)
            break;
        struct reader in = reader_make(entry);
        w->lacks = !engine_shape_read(&in, w->arena, &shape) || !reader_done(&in);
        err = w->lacks ? ERR_OK : touch_shape(&w->touch, &shape);
        if (err != ERR_OK)
            return err;
    }
    if (n > first)
        clock_add_run(&w->walked, c->actor, first, n - 1);
    return w->lacks ? ERR_OK : err;
}

static enum err walk_log(struct log_walk *w, struct engine *e, struct range_state *r,
                         const struct clock *dots)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < dots->count && w->left > 0 && err == ERR_OK && !w->lacks; i++) {
        const struct clock_entry *entry = &dots->entries[i];
        struct log_cursor c;
        log_cursor_init(&c, e, r, entry->actor, false, w->arena);
        if (entry->base > 0)
            err = walk_run(w, &c, 1, entry->base);
        for (size_t k = 0; k < entry->runs_count && err == ERR_OK && !w->lacks; k++)
            err = walk_run(w, &c, entry->runs[k].first, entry->runs[k].last);
        log_cursor_close(&c);
    }
    return err;
}

static void walk_init(struct log_walk *w, stretch_fn *fn, void *arg, struct arena *arena,
                      size_t entries_max)
{
    *w = (struct log_walk){.arena = arena, .left = entries_max};
    touch_init(&w->touch, fn, arg);
    clock_init(&w->walked);
}

static void walk_close(struct log_walk *w)
{
    touch_close(&w->touch);
    clock_close(&w->walked);
}

/* --- dirty leaves */

static void set_dirty(struct tree *t, struct tree_piece *p, size_t leaf)
{
    t->dirtied += !piece_is_dirty(p, leaf);
    piece_set_dirty(p, leaf);
}

static enum err mark_stretch(void *arg, table_no table, struct bytes from, struct bytes upto)
{
    struct tree *t = arg;
    struct tree_table *of = tree_table(t, table);
    if (of == NULL) /* it will be built */
        return ERR_OK;
    for (size_t i = tree_find_piece(of, from); i < of->count; i++) {
        struct tree_piece *p = &of->pieces[i];
        if (p->first.len > 0 && bytes_compare(p->first, upto) >= 0)
            break;
        if (p->count == 1)
            set_dirty(t, p, 0);
        if (piece_is_all_dirty(p))
            continue;
        enum err err = tree_load(t, of, p);
        if (err != ERR_OK)
            return err;
        size_t leaf = tree_find_leaf(p, from);
        do
            set_dirty(t, p, leaf++);
        while (leaf < p->count && bytes_compare(p->leaves[leaf].first, upto) < 0);
    }
    t->changed = true;
    return ERR_OK;
}

/* The last piece, or leaf, that begins before all of the partition. */
static size_t piece_before(const struct tree_table *table, token at)
{
    size_t low = 0, high = table->count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        bool before = key_place_token(table->pieces[mid].first) < at;
        low = before ? mid : low;
        high = before ? high : mid;
    }
    return low;
}

static size_t leaf_before(const struct tree_piece *p, token at)
{
    size_t low = 0, high = p->count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        bool before = key_place_token(p->leaves[mid].first) < at;
        low = before ? mid : low;
        high = before ? high : mid;
    }
    return low;
}

/* The token alone tells the leaf, unless one begins within the partition: then *ret_done is false,
 * and it matters what of the partition was touched. */
static enum err mark_token(struct tree *t, table_no table, token at, bool *ret_done)
{
    struct tree_table *of = tree_table(t, table);
    size_t leaf = 0;
    *ret_done = true;
    if (of == NULL) /* it will be built */
        return ERR_OK;
    size_t piece = piece_before(of, at);
    struct tree_piece *p = &of->pieces[piece];
    if (piece + 1 < of->count && key_place_token(p[1].first) == at) {
        *ret_done = false;
        return ERR_OK;
    }
    if (piece_is_all_dirty(p))
        return ERR_OK;
    if (p->count > 1) {
        enum err err = p->leaves != NULL ? ERR_OK : tree_load(t, of, p);
        if (err != ERR_OK)
            return err;
        leaf = leaf_before(p, at);
        bool begins = leaf + 1 < p->count && key_place_token(p->leaves[leaf + 1].first) == at;
        if (begins && !MUTANT(one_leaf_of_many)) {
            *ret_done = false;
            return ERR_OK;
        }
    }
    set_dirty(t, p, leaf);
    t->changed = true;
    return ERR_OK;
}

static void mark_all(struct tree *t)
{
    for (size_t i = 0; i < t->head.count; i++) {
        for (size_t k = 0; k < t->head.tables[i].count; k++)
            piece_set_all_dirty(&t->head.tables[i].pieces[k]);
    }
    t->dirtied++;
    t->changed = true;
}

/* Leaves that have garbage which was due by then. */
static enum err mark_due(struct tree *t, int64_t due)
{
    if (due == TREE_ALL)
        mark_all(t);
    for (size_t i = 0; i < t->head.count && due != TREE_ALL; i++) {
        struct tree_table *table = &t->head.tables[i];
        for (size_t k = 0; k < table->count; k++) {
            struct tree_piece *p = &table->pieces[k];
            if (p->due > due)
                continue;
            enum err err = tree_load(t, table, p);
            if (err != ERR_OK)
                return err;
            for (uint32_t n = 0; n < p->count; n++) {
                if (p->leaves[n].due <= due)
                    set_dirty(t, p, n);
            }
        }
    }
    t->changed = t->marked = true;
    return ERR_OK;
}

enum err tree_fold(struct tree *t, size_t entries_max, bool *ret_done)
{
    struct clock since;
    struct arena arena;
    struct log_walk w;
    int64_t due;
    enum err err = ERR_OK;
    *ret_done = true;
    if (tree_read_mark(t->e, t->r, &due))
        err = mark_due(t, due);
    if (err != ERR_OK || clock_equal(&t->head.asof, &t->r->clock))
        return err;
    if (!clock_covers(&t->r->clock, &t->head.asof)) { /* it speaks of what is not here */
        mark_all(t);
        t->e->stats.trees_built++;
        clock_copy(&t->head.asof, &t->r->clock);
        return ERR_OK;
    }
    arena_init(&arena);
    clock_init(&since);
    clock_missing(&t->r->clock, &t->head.asof, &since);
    walk_init(&w, mark_stretch, t, &arena, entries_max);
    err = walk_log(&w, t->e, t->r, &since);
    if (err == ERR_OK && w.lacks && !MUTANT(lost_log_is_clean)) {
        mark_all(t);
        t->e->stats.trees_built++;
        clock_copy(&t->head.asof, &t->r->clock);
    } else if (err == ERR_OK && w.lacks) {
        clock_copy(&t->head.asof, &t->r->clock);
    } else if (err == ERR_OK) {
        clock_merge(&t->head.asof, &w.walked);
        *ret_done = clock_covers(&t->head.asof, &t->r->clock);
    }
    t->changed = true;
    walk_close(&w);
    clock_close(&since);
    arena_close(&arena);
    return err;
}

/* --- what comes without a dot */

static enum err touch_part_of(struct touch *t, const struct part *p, struct arena *arena)
{
    struct shape s = {.table = p->table, .token = p->token, .key = p->key};
    s.flags =
        (tomb_is_none(&p->deletion) ? 0u : SHAPE_DELETION) | (p->has_static ? SHAPE_STATIC : 0u);
    s.ranges = arena_array(arena, struct scan_slice, p->tombs_count);
    for (size_t i = 0; i < p->tombs_count; i++)
        s.ranges[s.ranges_count++] = (struct scan_slice){p->tombs[i].start, p->tombs[i].end};
    s.rows = arena_array(arena, struct bytes, p->rows_count);
    for (size_t i = 0; i < p->rows_count; i++)
        s.rows[s.rows_count++] = p->rows[i].key;
    return touch_shape(t, &s);
}

enum err tree_touch_parts(struct engine *e, struct range_state *r, const struct part *parts,
                          size_t count)
{
    struct tree t;
    struct touch touch;
    struct arena arena = {0};
    enum err err = tree_open(&t, e, r);
    touch_init(&touch, mark_stretch, &t);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = touch_part_of(&touch, &parts[i], &arena);
    if (err == ERR_OK && t.changed)
        tree_write(&t);
    touch_close(&touch);
    tree_close(&t);
    arena_close(&arena);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* --- before entries go */

struct tree_prune {
    struct tree t;
    struct touch touch;
    struct arena arena;
    struct clock gone;      /* dots that were folded here; the tree gets them when it is written */
    struct dot first, last; /* a run of them that is not in `gone` yet; n == 0: there is none */
    table_no looked_at;     /* of the last entry; 0: there was none */
    bool all_dirty;         /* all leaves of that table are: nothing becomes so; */
    size_t dirtied;         /* when the tree had so many */
};

enum err engine_tree_prune_new(struct engine *e, struct range_state *r, struct tree_prune **ret)
{
    struct tree t;
    enum err err = tree_open(&t, e, r);
    *ret = NULL;
    if (err != ERR_OK || MUTANT(pruned_unfolded)) {
        tree_close(&t);
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    struct tree_prune *p = mem_new(struct tree_prune);
    p->t = t;
    touch_init(&p->touch, mark_stretch, &p->t);
    clock_init(&p->gone);
    *ret = p;
    return ERR_OK;
}

static void end_run(struct tree_prune *p)
{
    if (p->first.n > 0)
        clock_add_run(&p->gone, p->first.actor, p->first.n, p->last.n);
    p->first.n = 0;
}

static void note_gone(struct tree_prune *p, struct dot dot)
{
    bool next =
        p->first.n > 0 && dot.n == p->last.n + 1 && actor_compare(dot.actor, p->last.actor) == 0;
    if (!next) {
        end_run(p);
        p->first = dot;
    }
    p->last = dot;
}

static bool has_window(const struct clock *c, struct dot window)
{
    uint64_t first = window.n > 0 ? window.n : 1;
    uint64_t from = clock_run_from(c, (struct dot){window.actor, window.n + LOG_WINDOW - 1});
    return from > 0 && from <= first;
}

/* Where rows are written at random all leaves are dirty soon: then it does not matter what else is
 * in an entry of the table. */
static bool is_dirty_anyhow(struct tree_prune *p, table_no table)
{
    bool other = p->looked_at != table && !MUTANT(dirty_in_any_table);
    if (table != 0 && (other || p->dirtied != p->t.dirtied)) {
        const struct tree_table *t = tree_table(&p->t, table);
        p->all_dirty = t != NULL && tree_table_is_all_dirty(t);
        p->looked_at = table;
        p->dirtied = p->t.dirtied;
    }
    return table != 0 && p->all_dirty;
}

/* No more of the entry is read than it takes to know which leaves it touched. */
static enum err mark_entry(struct tree_prune *p, struct bytes entry)
{
    token at = 0;
    table_no table = engine_shape_place(entry, &at);
    struct reader in = reader_make(entry);
    struct shape shape;
    bool done = is_dirty_anyhow(p, table);
    enum err err = ERR_OK;
    if (!done && table != 0)
        err = mark_token(&p->t, table, at, &done);
    if (err != ERR_OK || done)
        return err;
    if (engine_shape_read(&in, &p->arena, &shape))
        return touch_shape(&p->touch, &shape);
    mark_all(&p->t);
    return ERR_OK;
}

enum err engine_tree_prune_piece(struct tree_prune *p, const struct clock *known, struct dot window,
                                 struct bytes piece)
{
    const struct clock *own = &p->t.r->clock, *asof = &p->t.head.asof;
    bool all_known = has_window(known, window) && has_window(own, window);
    bool all_new = clock_top(asof, window.actor) < window.n;
    enum err err = ERR_OK;
    arena_reset(&p->arena);
    struct reader in = reader_make(arena_copy(&p->arena, piece)); /* marking may write */
    while (reader_left(&in) > 0 && err == ERR_OK) {
        uint8_t n;
        struct bytes entry;
        if (!log_piece_next(&in, &n, &entry))
            break; /* nothing of it is pruned */
        struct dot dot = {window.actor, window.n + n};
        if ((!all_new && clock_has(asof, dot)) ||
            (!all_known && !(clock_has(known, dot) && clock_has(own, dot))))
            continue;
        note_gone(p, dot);
        err = mark_entry(p, entry);
    }
    return err;
}

void engine_tree_prune_free(struct tree_prune *p, bool write)
{
    if (p == NULL)
        return;
    end_run(p);
    if (write && !clock_empty(&p->gone)) {
        clock_merge(&p->t.head.asof, &p->gone);
        p->t.changed = true;
        tree_write(&p->t);
    }
    clock_close(&p->gone);
    touch_close(&p->touch);
    arena_close(&p->arena);
    tree_close(&p->t);
    mem_free(p);
}

/* --- what dots touched, for others */

struct touched_list {
    struct arena *arena;
    struct tree_touched *items;
    size_t count, cap, max;
    size_t bytes, bytes_max;
};

static enum err add_touched(void *arg, table_no table, struct bytes from, struct bytes upto)
{
    struct touched_list *l = arg;
    l->bytes += from.len + upto.len;
    if (l->count == l->max || l->bytes > l->bytes_max)
        return ERR_TOO_BIG;
    l->items = arena_grow(l->arena, l->items, l->count, &l->cap, sizeof *l->items);
    l->items[l->count++] =
        (struct tree_touched){table, {arena_copy(l->arena, from), arena_copy(l->arena, upto)}};
    return ERR_OK;
}

enum err engine_tree_touched(struct engine *e, keyspace_no keyspace, range_no range,
                             const struct clock *dots, size_t max, size_t bytes_max,
                             struct arena *arena, struct tree_touched **ret, size_t *ret_count)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct touched_list list = {.arena = arena, .max = max, .bytes_max = bytes_max};
    struct arena scratch;
    struct log_walk w;
    if (r->err != ERR_OK)
        return r->err;
    arena_init(&scratch);
    walk_init(&w, add_touched, &list, &scratch, max + 1);
    enum err err = walk_log(&w, e, r, dots);
    if (err == ERR_OK && w.lacks)
        err = ERR_BEHIND;
    else if (err == ERR_OK && !clock_covers(&w.walked, dots))
        err = ERR_TOO_BIG;
    walk_close(&w);
    arena_close(&scratch);
    if (err == ERR_OK) {
        *ret = list.items;
        *ret_count = list.count;
    }
    return engine_note(e, err);
}
