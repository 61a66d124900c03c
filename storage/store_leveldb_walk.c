/* store_leveldb_walk.c - iterators of LevelDB that do not walk twice over what is gone.
 *
 * LevelDB does not tell over how much an iterator steps, so its keys are compared by a function of
 * ours, in LevelDB's own order, that counts: whoever walks compares each key that it steps over. A
 * step that compared `many` of them leaves a gap (gaps.h), and where one is known an iterator is
 * sent behind it. What it then has still to step over makes the gap longer; so what goes is stepped
 * over once, be it read ever so often.
 *
 * Why nothing alive is in a gap, for an iterator D that was made no earlier than the one, L, that
 * found it. L saw nothing there. What was put there and L did not see had not reached LevelDB when
 * L was made; it was in the overlay then, and is there still, for no group has left it since
 * (`collected`): so a gap ends before the first key of the overlay, be that a deletion: what is
 * deleted there may be put, and seen, by a group between. What is put later is cut out when it is
 * written, before it can get to LevelDB. Records of the journal pass by the overlay, so no gap has
 * any. What L skipped for damage is no gap.
 *
 * Going back LevelDB can only be sent to a key that is there, so a gap helps when it begins right
 * behind one.
 */
#include "base/mutant.h"
#include "storage/store_leveldb_private.h"

#include <string.h>

#define JOURNAL     BYTES_LIT("j\0\0\0\0\0\0\0\1") /* the first record of it (store.h) */
#define JOURNAL_END BYTES_LIT("k")
#define LAST        BYTES_LIT("\xff") /* of what is above it no gap is known */

static _Thread_local uint64_t compared;

uint64_t store_leveldb_compared(void)
{
    return compared;
}

static int compare_keys(void *arg, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)arg;
    compared++;
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static const char *order_name(void *arg)
{
    (void)arg;
    return "leveldb.BytewiseComparator"; /* it is that order, and the directory says so */
}

static void nothing_to_free(void *arg)
{
    (void)arg;
}

leveldb_comparator_t *ldb_order_new(void)
{
    return leveldb_comparator_create(NULL, nothing_to_free, compare_keys, order_name);
}

void ldb_walk_init(struct ldb_walk *w, struct store_leveldb *l)
{
    *w = (struct ldb_walk){.store = l, .number = ++l->walks, .collected = l->collected};
    w->it = leveldb_create_iterator(l->db, l->read_options); /* sees what there is now */
    buf_init(&w->from, SIZE_MAX);
    buf_init(&w->upto, SIZE_MAX);
}

void ldb_walk_close(struct ldb_walk *w)
{
    leveldb_iter_destroy(w->it);
    buf_close(&w->from);
    buf_close(&w->upto);
}

bool ldb_walk_valid(const struct ldb_walk *w)
{
    return leveldb_iter_valid(w->it);
}

struct bytes ldb_walk_key(const struct ldb_walk *w)
{
    size_t len;
    const char *key = leveldb_iter_key(w->it, &len);
    return bytes_make(key, len);
}

struct bytes ldb_walk_value(const struct ldb_walk *w)
{
    size_t len;
    const char *value = leveldb_iter_value(w->it, &len);
    return bytes_make(value, len);
}

enum err ldb_walk_error(const struct ldb_walk *w)
{
    char *text = NULL;
    leveldb_iter_get_error(w->it, &text);
    enum err err = text != NULL ? ldb_err_of(text) : ERR_OK;
    leveldb_free(text);
    return err;
}

static void set(struct buf *b, struct bytes key)
{
    buf_clear(b);
    buf_put_bytes(b, key);
}

/* To the smallest key above that one. In one go: each step forward does it. */
static void set_behind(struct buf *b, struct bytes key)
{
    buf_clear(b);
    uint8_t *room = buf_extend(b, key.len + 1);
    if (key.len > 0)
        memcpy(room, key.data, key.len);
    room[key.len] = 0;
}

static void seek(struct ldb_walk *w, struct bytes key)
{
    leveldb_iter_seek(w->it, (const char *)key.data, key.len);
}

/* The iterator saw nothing at from <= key < upto. behind: there is a key, and from follows it. */
static void learn(struct ldb_walk *w, struct bytes from, struct bytes upto, bool behind)
{
    struct store_leveldb *l = w->store;
    struct bytes young;
    if (bytes_compare(from, upto) >= 0 || l->collected != w->collected ||
        ldb_walk_error(w) != ERR_OK)
        return;
    if (overlay_first(&l->overlay, from, &young) && bytes_compare(young, upto) < 0 &&
        !MUTANT(young_in_gap))
        upto = young;
    if (bytes_compare(from, JOURNAL_END) < 0 && bytes_compare(upto, JOURNAL) > 0)
        upto = JOURNAL;
    if (bytes_compare(from, upto) < 0)
        gaps_add(&l->gaps, from, upto, w->number, behind);
}

static bool is_usable(const struct ldb_walk *w, const struct gap *gap)
{
    return gap != NULL && (gap->since <= w->number || MUTANT(gap_for_elders));
}

/* To the first key that is not below; when a gap was jumped over to come there, it gets longer by
 * what is gone behind it. */
static void go_to(struct ldb_walk *w, struct bytes key, bool jumped)
{
    uint64_t before = compared;
    w->version = 0;
    seek(w, key);
    if (jumped || compared - before > w->store->many)
        learn(w, key, ldb_walk_valid(w) ? ldb_walk_key(w) : LAST, false);
}

static void jump(struct ldb_walk *w, const struct gap *gap)
{
    gaps_use(&w->store->gaps, gap);
    set(&w->from, buf_bytes(&gap->to));
    go_to(w, buf_bytes(&w->from), true);
}

void ldb_walk_seek(struct ldb_walk *w, struct bytes key)
{
    const struct gap *gap = gaps_at(&w->store->gaps, key);
    if (is_usable(w, gap))
        jump(w, gap);
    else
        go_to(w, key, false);
}

/* Whether b is the smallest key above a. */
static bool follows(struct bytes a, struct bytes b)
{
    return b.len == a.len + 1 && b.data[a.len] == 0 && bytes_starts_with(b, a);
}

/* The gap that begins right behind the key where it stands. */
static const struct gap *gap_ahead(struct ldb_walk *w)
{
    const struct gaps *g = &w->store->gaps;
    if (g->count == 0)
        return NULL;
    struct bytes key = ldb_walk_key(w);
    if (w->version != g->version ||
        (w->ahead != NULL && bytes_compare(buf_bytes(&w->ahead->from), key) <= 0)) {
        w->ahead = gaps_above(g, key);
        w->version = g->version;
    }
    bool near = is_usable(w, w->ahead) && follows(key, buf_bytes(&w->ahead->from));
    return near ? w->ahead : NULL;
}

void ldb_walk_next(struct ldb_walk *w)
{
    const struct gap *gap = gap_ahead(w);
    if (gap != NULL) {
        jump(w, gap);
        return;
    }
    uint64_t before = compared;
    set_behind(&w->from, ldb_walk_key(w));
    leveldb_iter_next(w->it);
    if (compared - before > w->store->many)
        learn(w, buf_bytes(&w->from), ldb_walk_valid(w) ? ldb_walk_key(w) : LAST, true);
}

/* To the key right before the gap that ends with the key where it stands. False: not there. */
static bool jump_back(struct ldb_walk *w)
{
    struct store_leveldb *l = w->store;
    struct bytes key = ldb_walk_key(w);
    const struct gap *gap = gaps_before(&l->gaps, key);
    struct overlay_entry young;
    if (!is_usable(w, gap) || !gap->behind)
        return false;
    set(&w->from, bytes_make(gap->from.data, gap->from.len - 1));
    if (overlay_find(&l->overlay, buf_bytes(&w->from), &young)) /* LevelDB may not have it yet */
        return false;
    gaps_use(&l->gaps, gap);
    set(&w->upto, key);
    seek(w, buf_bytes(&w->from));
    if (ldb_walk_valid(w) && bytes_equal(ldb_walk_key(w), buf_bytes(&w->from)))
        return true;
    seek(w, buf_bytes(&w->upto)); /* it is gone, too */
    return false;
}

void ldb_walk_prev(struct ldb_walk *w)
{
    w->version = 0;
    if (jump_back(w) || !ldb_walk_valid(w))
        return;
    uint64_t before = compared;
    set(&w->upto, ldb_walk_key(w));
    leveldb_iter_prev(w->it);
    if (compared - before <= w->store->many)
        return;
    if (ldb_walk_valid(w))
        set_behind(&w->from, ldb_walk_key(w));
    else
        set(&w->from, BYTES_NONE);
    learn(w, buf_bytes(&w->from), buf_bytes(&w->upto), ldb_walk_valid(w));
}

void ldb_walk_seek_last(struct ldb_walk *w, struct bytes key)
{
    ldb_walk_seek(w, key);
    if (ldb_walk_valid(w))
        ldb_walk_prev(w);
    else
        leveldb_iter_seek_to_last(w->it);
}
