/* tree.c - the records of a tree in the store; marks of what is dropped; trees that go. */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/tree_private.h"

#include <string.h>

/* --- marks
 *
 *   mark = i64 due: garbage that was due by then may have been dropped since the last fold; the
 *          largest there is: anything may
 *
 * It is written in a batch of its own before that of what is dropped: should that not be written,
 * some leaves are read for nothing. */

static bool has_tree(struct engine *e, struct range_state *r)
{
    if (r->tree.has == TREE_UNKNOWN) {
        key_tree(&e->key, r->keyspace, r->range);
        bool none = store_get(e->store, buf_bytes(&e->key), &e->value) == ERR_NOT_FOUND;
        r->tree.has = none ? TREE_NONE : TREE_SOME;
    }
    return r->tree.has == TREE_SOME;
}

bool tree_read_mark(struct engine *e, struct range_state *r, int64_t *ret_due)
{
    if (!r->tree.mark_known) {
        key_tree_mark(&e->key, r->keyspace, r->range);
        enum err err = store_get(e->store, buf_bytes(&e->key), &e->value);
        bool whole = err == ERR_OK && e->value.len == 8;
        r->tree.marked = err != ERR_NOT_FOUND;
        r->tree.mark = whole ? (int64_t)load_u64(e->value.data) : TREE_ALL;
        r->tree.mark_known = true;
    }
    *ret_due = r->tree.mark;
    return r->tree.marked;
}

void engine_tree_mark(struct engine *e, struct range_state *r, int64_t due)
{
    int64_t had;
    uint8_t room[8];
    if (!has_tree(e, r) || (tree_read_mark(e, r, &had) && had >= due) || MUTANT(drops_unmarked))
        return;
    r->tree.marked = true;
    r->tree.mark = due;
    store_u64(room, (uint64_t)due);
    store_batch_clear(&e->bounds);
    key_tree_mark(&e->key, r->keyspace, r->range);
    store_batch_put(&e->bounds, buf_bytes(&e->key), bytes_make(room, sizeof room));
    store_write(e->store, &e->bounds, 0);
}

/* --- trees that go */

void engine_tree_forgotten(struct range_state *r)
{
    r->tree.has = TREE_UNKNOWN;
    r->tree.mark_known = r->tree.marked = false;
}

/* All there is of the tree, and its mark. What cannot be read stays: without head it is nothing. */
static void remove_all(struct engine *e, struct range_state *r)
{
    struct store_iter *it = store_iter_new(e->store);
    struct store_batch batch;
    store_batch_init(&batch);
    key_tree_mark(&e->key, r->keyspace, r->range);
    store_batch_delete(&batch, buf_bytes(&e->key));
    key_tree(&e->key, r->keyspace, r->range);
    store_batch_delete(&batch, buf_bytes(&e->key));
    store_iter_seek(it, buf_bytes(&e->key));
    for (; store_iter_valid(it) && bytes_starts_with(store_iter_key(it), buf_bytes(&e->key));
         store_iter_next(it))
        store_batch_delete(&batch, store_iter_key(it));
    store_iter_free(it);
    store_write(e->store, &batch, 0);
    store_batch_close(&batch);
    r->tree.has = TREE_NONE;
    r->tree.mark_known = true;
    r->tree.marked = false;
}

uint64_t engine_tree_check(const struct engine *e)
{
    return e->tree_check;
}

void engine_tree_drop(struct engine *e, keyspace_no keyspace, range_no range)
{
    struct range_state *r = engine_range(e, keyspace, range);
    if (r->err == ERR_OK)
        remove_all(e, r);
}

/* The table goes from the tree of one range. */
static void drop_table(struct engine *e, keyspace_no keyspace, range_no range, table_no table)
{
    struct tree t;
    enum err err = tree_open(&t, e, engine_range(e, keyspace, range));
    for (size_t i = 0; err == ERR_OK && i < t.head.count; i++) {
        if (t.head.tables[i].table != table)
            continue;
        tree_remove_table(&t, i);
        tree_write(&t);
        break;
    }
    tree_close(&t);
}

/* Trees lie by ranges, which a table does not know: all are looked at. */
bool engine_drop_trees(struct engine *e, table_no table, size_t keys_max)
{
    static const uint8_t letter = 't';
    struct bytes prefix = bytes_make(&letter, 1);
    keyspace_no keyspace;
    range_no range;
    struct buf at;
    struct store_iter *it = store_iter_new(e->store);
    buf_init(&at, SIZE_MAX);
    buf_put_bytes(&at, e->drop_tree.len > 0 ? buf_bytes(&e->drop_tree) : prefix);
    bool done = false;
    for (size_t count = 0; !done && count < keys_max; count++) {
        store_iter_seek(it, buf_bytes(&at));
        done = !store_iter_valid(it) || !bytes_starts_with(store_iter_key(it), prefix);
        if (done)
            break;
        struct bytes key = store_iter_key(it);
        if (key_parse_tree(key, &keyspace, &range)) {
            drop_table(e, keyspace, range, table);
            key_tree(&at, keyspace, range);
        } else {
            buf_clear(&at);
            buf_put(&at, key.data, key.len < 9 ? key.len : 9);
        }
        buf_put_u64(&at, UINT64_MAX); /* behind its pieces */
    }
    store_iter_free(it);
    buf_clear(&e->drop_tree);
    if (!done)
        buf_put_bytes(&e->drop_tree, buf_bytes(&at));
    buf_close(&at);
    return done;
}

/* --- one tree */

enum err tree_open(struct tree *t, struct engine *e, struct range_state *r)
{
    *t = (struct tree){.e = e, .r = r};
    clock_init(&t->head.asof);
    if (r->err != ERR_OK)
        return r->err;
    if (r->tree.has == TREE_NONE)
        return ERR_NOT_FOUND;
    key_tree(&e->key, r->keyspace, r->range);
    enum err err = store_get(e->store, buf_bytes(&e->key), &e->value);
    r->tree.has = err == ERR_NOT_FOUND ? TREE_NONE : TREE_SOME;
    if (err == ERR_OK && tree_head_decode(arena_copy(&t->arena, buf_bytes(&e->value)), &t->arena,
                                          &t->head) != ERR_OK)
        err = ERR_CORRUPT;
    bool other_key = err == ERR_OK && t->head.check != e->tree_check;
    if (err == ERR_CORRUPT || other_key)
        remove_all(e, r);
    return other_key ? ERR_NOT_FOUND : engine_note(e, err);
}

void tree_close(struct tree *t)
{
    clock_close(&t->head.asof);
    arena_close(&t->arena);
    arena_close(&t->leaves);
}

void tree_make(struct tree *t)
{
    remove_all(t->e, t->r);
    t->head.check = t->e->tree_check;
    t->head.count = t->head.cap = 0;
    t->head.tables = NULL;
    clock_copy(&t->head.asof, &t->r->clock);
    t->changed = true;
    t->r->tree.has = TREE_SOME;
}

static void piece_key(struct tree *t, table_no table, uint32_t id)
{
    key_tree_table(&t->e->key, t->r->keyspace, t->r->range, table);
    buf_put_u32(&t->e->key, id);
}

static void let_go(struct tree *t)
{
    for (size_t i = 0; i < t->head.count; i++) {
        struct tree_table *table = &t->head.tables[i];
        for (size_t k = 0; k < table->count; k++)
            table->pieces[k].leaves = NULL;
    }
    arena_reset(&t->leaves);
}

void tree_write(struct tree *t)
{
    struct engine *e = t->e;
    struct store_batch batch; /* somebody may be filling that of the engine */
    store_batch_init(&batch);
    for (size_t i = 0; i < t->head.count && t->changed; i++) {
        struct tree_table *table = &t->head.tables[i];
        for (size_t k = 0; k < table->count; k++) {
            struct tree_piece *p = &table->pieces[k];
            if (!p->changed)
                continue;
            buf_clear(&e->value);
            tree_leaves_encode(p->leaves, p->count, &e->value);
            piece_key(t, table->table, p->id);
            store_batch_put(&batch, buf_bytes(&e->key), buf_bytes(&e->value));
            p->changed = false;
        }
    }
    for (struct tree_gone *g = t->gone; g != NULL; g = g->next) {
        piece_key(t, g->table, g->id);
        store_batch_delete(&batch, buf_bytes(&e->key));
    }
    t->gone = NULL;
    if (t->changed) {
        buf_clear(&e->value);
        tree_head_encode(&t->head, &e->value);
        key_tree(&e->key, t->r->keyspace, t->r->range);
        store_batch_put(&batch, buf_bytes(&e->key), buf_bytes(&e->value));
    }
    if (t->marked) {
        key_tree_mark(&e->key, t->r->keyspace, t->r->range);
        store_batch_delete(&batch, buf_bytes(&e->key));
        t->r->tree.marked = t->marked = false;
    }
    if (batch.count > 0)
        store_write(e->store, &batch, 0);
    store_batch_close(&batch);
    t->changed = false;
    let_go(t);
}

/* --- pieces and leaves */

enum err tree_load(struct tree *t, struct tree_table *table, struct tree_piece *p)
{
    struct engine *e = t->e;
    size_t count = 0;
    if (p->leaves != NULL)
        return ERR_OK;
    if (arena_used(&t->leaves) > e->tree_bytes_max)
        tree_write(t);
    piece_key(t, table->table, p->id);
    enum err err = store_get(e->store, buf_bytes(&e->key), &e->value);
    if (err == ERR_OK && tree_leaves_decode(arena_copy(&t->leaves, buf_bytes(&e->value)),
                                            &t->leaves, &p->leaves, &count) != ERR_OK)
        err = ERR_CORRUPT;
    if (err == ERR_NOT_FOUND ||
        (err == ERR_OK && (count != p->count || !bytes_equal(p->leaves[0].first, p->first))))
        err = ERR_CORRUPT;
    if (err != ERR_OK)
        p->leaves = NULL;
    if (err == ERR_CORRUPT) {
        remove_all(e, t->r);
        t->changed = t->marked = false;
    }
    return engine_note(e, err);
}

struct tree_table *tree_table(const struct tree *t, table_no table)
{
    for (size_t i = 0; i < t->head.count; i++) {
        if (t->head.tables[i].table == table)
            return &t->head.tables[i];
    }
    return NULL;
}

void tree_add_table(struct tree *t, table_no table)
{
    size_t at = 0;
    struct tree_head *h = &t->head;
    h->tables = arena_grow(&t->arena, h->tables, h->count, &h->cap, sizeof *h->tables);
    while (at < h->count && h->tables[at].table < table)
        at++;
    memmove(h->tables + at + 1, h->tables + at, (h->count - at) * sizeof *h->tables);
    struct tree_table *n = &h->tables[at];
    *n = (struct tree_table){.table = table, .next_id = 1};
    h->count++;
    n->pieces = arena_grow(&t->arena, NULL, 0, &n->cap, sizeof *n->pieces);
    n->pieces[n->count++] = (struct tree_piece){.count = 1, .due = DUE_NEVER, .changed = true};
    n->pieces->dirty = arena_zero(&t->arena, PIECE_BITMAP);
    piece_set_dirty(n->pieces, 0);
    n->pieces->leaves = arena_new(&t->leaves, struct tree_leaf);
    n->pieces->leaves->due = DUE_NEVER;
    t->changed = true;
}

void tree_remove_piece(struct tree *t, const struct tree_table *table, const struct tree_piece *p)
{
    struct tree_gone *gone = arena_new(&t->arena, struct tree_gone);
    *gone = (struct tree_gone){.next = t->gone, .table = table->table, .id = p->id};
    t->gone = gone;
    t->changed = true;
}

void tree_remove_table(struct tree *t, size_t at)
{
    struct tree_head *h = &t->head;
    for (size_t i = 0; i < h->tables[at].count; i++)
        tree_remove_piece(t, &h->tables[at], &h->tables[at].pieces[i]);
    h->count--;
    memmove(h->tables + at, h->tables + at + 1, (h->count - at) * sizeof *h->tables);
    t->changed = true;
}

/* As bytes_compare; mostly the tokens, which places begin with, tell. */
static int compare_places(struct bytes a, struct bytes b)
{
    if (a.len >= 8 && b.len >= 8) {
        uint64_t x = load_u64(a.data), y = load_u64(b.data);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return bytes_compare(a, b);
}

size_t tree_find_piece(const struct tree_table *table, struct bytes place)
{
    size_t low = 0;
    size_t high = table->count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (compare_places(table->pieces[mid].first, place) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

size_t tree_find_leaf(const struct tree_piece *p, struct bytes place)
{
    size_t low = 0;
    size_t high = p->count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (compare_places(p->leaves[mid].first, place) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

struct bytes tree_leaf_end(const struct tree_table *table, size_t piece, size_t leaf)
{
    const struct tree_piece *p = &table->pieces[piece];
    if (leaf + 1 < p->count)
        return p->leaves[leaf + 1].first;
    return piece + 1 < table->count ? table->pieces[piece + 1].first : BYTES_NONE;
}
