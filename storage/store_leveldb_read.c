/* store_leveldb_read.c - values and iterators: the overlay of what is being written, over LevelDB.
 */
#include "base/mem.h"
#include "storage/store_leveldb_private.h"

static enum err take_error(char *text)
{
    enum err err = ldb_err_of(text);
    leveldb_free(text);
    return err;
}

enum err ldb_get(struct store *s, struct bytes key, struct buf *ret_value)
{
    struct store_leveldb *l = ldb_of(s);
    struct overlay_entry entry;
    size_t len = 0;
    char *text = NULL;
    if (overlay_find(&l->overlay, key, &entry)) {
        if (!entry.is_put)
            return ERR_NOT_FOUND;
        buf_clear(ret_value);
        buf_put_bytes(ret_value, entry.value);
        return buf_finish(ret_value);
    }
    char *value = leveldb_get(l->db, l->read_options, (const char *)key.data, key.len, &len, &text);
    if (text != NULL)
        return take_error(text);
    if (value == NULL)
        return ERR_NOT_FOUND;
    buf_clear(ret_value);
    buf_put(ret_value, value, len);
    leveldb_free(value);
    return buf_finish(ret_value);
}

/* Merges the overlay and LevelDB's iterator. Going forward, both stand at their first key >= the
 * current one; going back, at their last key <= it. Where both have a key, the overlay's counts. */
struct ldb_iter {
    struct store_iter iter;
    struct overlay_iter over;
    struct ldb_walk disk;
    bool back;
    bool valid;
    bool on_over; /* the current entry is the overlay's */
    bool on_disk; /* that of LevelDB stands on the current key, too */
    struct buf key;
};

static struct ldb_iter *ldb_iter_of(const struct store_iter *i)
{
    return container_of(i, struct ldb_iter, iter);
}

/* LevelDB shows a batch when its log is synced, not before: durable is what LevelDB has. */
struct store_iter *ldb_iter_new(struct store *s, bool durable)
{
    struct store_leveldb *l = ldb_of(s);
    struct ldb_iter *i = mem_new(struct ldb_iter);
    overlay_iter_init(&i->over, durable ? &l->nothing : &l->overlay);
    ldb_walk_init(&i->disk, l);
    buf_init(&i->key, SIZE_MAX);
    return &i->iter;
}

void ldb_iter_free(struct store_iter *iter)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    ldb_walk_close(&i->disk);
    overlay_iter_close(&i->over);
    buf_close(&i->key);
    mem_free(i);
}

static void step_over(struct ldb_iter *i)
{
    if (i->back)
        overlay_iter_prev(&i->over);
    else
        overlay_iter_next(&i->over);
}

static void step_disk(struct ldb_iter *i)
{
    if (i->back)
        ldb_walk_prev(&i->disk);
    else
        ldb_walk_next(&i->disk);
}

/* Choose the nearer of both; step over what the overlay deletes. */
static void settle(struct ldb_iter *i)
{
    for (;;) {
        bool over = i->over.valid;
        bool disk = ldb_walk_valid(&i->disk);
        int c =
            over && disk ? bytes_compare(overlay_iter_key(&i->over), ldb_walk_key(&i->disk)) : 0;
        if (i->back)
            c = -c;
        i->on_over = over && (!disk || c <= 0);
        i->on_disk = disk && (!over || c >= 0);
        i->valid = over || disk;
        if (!i->on_over || overlay_iter_entry(&i->over).is_put)
            return;
        step_over(i);
        if (i->on_disk)
            step_disk(i);
    }
}

void ldb_iter_seek(struct store_iter *iter, struct bytes key)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    i->back = false;
    overlay_iter_seek(&i->over, key);
    ldb_walk_seek(&i->disk, key);
    settle(i);
}

void ldb_iter_seek_last(struct store_iter *iter, struct bytes key)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    i->back = true;
    overlay_iter_seek_last(&i->over, key);
    ldb_walk_seek_last(&i->disk, key);
    settle(i);
}

struct bytes ldb_iter_key(const struct store_iter *iter)
{
    const struct ldb_iter *i = ldb_iter_of(iter);
    ASSERT(i->valid);
    return i->on_over ? overlay_iter_key(&i->over) : ldb_walk_key(&i->disk);
}

struct bytes ldb_iter_value(const struct store_iter *iter)
{
    const struct ldb_iter *i = ldb_iter_of(iter);
    ASSERT(i->valid);
    return i->on_over ? overlay_iter_entry(&i->over).value : ldb_walk_value(&i->disk);
}

/* Away from the current key, in the direction that both already go. */
static void step(struct ldb_iter *i)
{
    bool over = i->on_over;
    bool disk = i->on_disk;
    if (over)
        step_over(i);
    if (disk)
        step_disk(i);
    settle(i);
}

static void keep_key(struct ldb_iter *i)
{
    struct bytes key = ldb_iter_key(&i->iter);
    buf_clear(&i->key);
    buf_put_bytes(&i->key, key);
}

void ldb_iter_next(struct store_iter *iter)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    ASSERT(i->valid);
    if (i->back) { /* turn round: both must come to stand behind the current key */
        keep_key(i);
        buf_put_u8(&i->key, 0);
        ldb_iter_seek(iter, buf_bytes(&i->key));
        return;
    }
    step(i);
}

void ldb_iter_prev(struct store_iter *iter)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    ASSERT(i->valid);
    if (!i->back) {
        keep_key(i);
        ldb_iter_seek_last(iter, buf_bytes(&i->key));
        return;
    }
    step(i);
}

bool ldb_iter_valid(const struct store_iter *iter)
{
    return ldb_iter_of(iter)->valid;
}

enum err ldb_iter_error(const struct store_iter *iter)
{
    return ldb_walk_error(&ldb_iter_of(iter)->disk);
}
