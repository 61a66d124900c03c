/* engine_forget.c - all of a range goes: this replica had left it, and is to hold it again.
 *
 * What lies here of an earlier time may have been deleted since, and the deletion forgotten, by
 * those who hold the range. So data, log and clock go before anything is taken over. A mark stands
 * from the first removal to the last; as long as it does the range is not served, and claims no
 * dot, whatever of it is left: also when the node is restarted meanwhile.
 *
 * Entries of indexes stay, as those of overwritten values do, until a scan meets them. */
#include "storage/engine_private.h"

#include <string.h>

static void mark_key(struct buf *out, const struct range_state *r)
{
    uint8_t name[10] = {'e', '/'};
    store_u32(name + 2, r->keyspace);
    store_u32(name + 6, r->range);
    key_fact(out, bytes_make(name, sizeof name));
}

enum err engine_is_forgetting(struct engine *e, const struct range_state *r, bool *ret)
{
    mark_key(&e->key, r);
    enum err err = store_get(e->store, buf_bytes(&e->key), &e->value);
    *ret = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

void engine_begin_forgetting(struct engine *e, keyspace_no keyspace, range_no range)
{
    struct range_state *r = engine_range(e, keyspace, range);
    if (r->err == ERR_UNAVAILABLE)
        return;
    uint64_t top = clock_top(&r->clock, e->actor);
    engine_settle_logs(e); /* so that the journal has nothing of it */
    engine_tails_free(r);
    r->minted = top > r->minted ? top : r->minted;
    clock_close(&r->clock);
    engine_account_close(&r->log);
    r->hashed = false;
    r->unsaved = 0;
    r->young_count = 0;
    r->young_all = 0;
    engine_garbage_forgotten(e, r);
    engine_tree_forgotten(r);
    counter_sets_drop_all(&e->counters);
    if (r->err == ERR_OK)
        e->damaged_ranges++;
    r->lost = false;
    r->err = ERR_UNAVAILABLE;
    engine_batch_begin(e);
    mark_key(&e->key, r);
    engine_vital_put(e, &e->batch, BYTES_LIT("1"));
    key_clock(&e->key, r->keyspace, r->range);
    store_batch_delete(&e->batch, buf_bytes(&e->key));
    key_log_account(&e->key, r->keyspace, r->range);
    store_batch_delete(&e->batch, buf_bytes(&e->key));
    store_write(e->store, &e->batch, 0);
}

struct removal {
    struct engine *e;
    struct range_state *r;
    struct store_iter *it;
    size_t left; /* so many keys may go in this call */
};

/* To the key, or where the last call ended: stretches are gone through in the order of their keys,
 * so that what is removed already is not met again. */
static void seek(struct removal *m, struct bytes key)
{
    struct bytes from = buf_bytes(&m->r->forget_from);
    store_iter_seek(m->it, bytes_compare(from, key) > 0 ? from : key);
}

/* The key where the iterator stands goes. False: enough has gone for now. */
static bool take(struct removal *m)
{
    struct bytes key = store_iter_key(m->it);
    if (m->left == 0) {
        buf_clear(&m->r->forget_from);
        buf_put_bytes(&m->r->forget_from, key);
        return false;
    }
    store_batch_delete(&m->e->batch, key);
    m->left--;
    return true;
}

static bool begins_with(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && memcmp(key.data, prefix.data, prefix.len) == 0;
}

/* What there is of the range under the letter. */
static bool remove_of_range(struct removal *m, char letter)
{
    uint8_t room[9] = {0};
    struct bytes prefix = bytes_make(room, sizeof room);
    room[0] = (uint8_t)letter;
    store_u32(room + 1, m->r->keyspace);
    store_u32(room + 5, m->r->range);
    for (seek(m, prefix); store_iter_valid(m->it); store_iter_next(m->it)) {
        if (!begins_with(store_iter_key(m->it), prefix))
            return true;
        if (!take(m))
            return false;
    }
    return true;
}

/* The data of a table in its tokens. */
static bool remove_of_table(struct removal *m, const struct range_place *place, table_no table)
{
    struct buf after;
    buf_init(&after, 64);
    bool done = true;
    if (place->last == INT64_MAX)
        key_table(&after, table + 1);
    else
        key_token(&after, table, place->last + 1);
    key_token(&m->e->key, table, place->first);
    for (seek(m, buf_bytes(&m->e->key)); store_iter_valid(m->it) && done; store_iter_next(m->it)) {
        if (bytes_compare(store_iter_key(m->it), buf_bytes(&after)) >= 0)
            break;
        done = take(m);
    }
    buf_close(&after);
    return done;
}

/* In the order of letters. */
static bool remove_some(struct removal *m, const struct range_place *place)
{
    if (!remove_of_range(m, 'T'))
        return false;
    for (size_t i = 0; i < place->tables_count; i++) {
        if (!remove_of_table(m, place, place->tables[i]))
            return false;
    }
    return remove_of_range(m, 'g') && remove_of_range(m, 'l') && remove_of_range(m, 't');
}

enum err engine_forget(struct engine *e, keyspace_no keyspace, range_no range,
                       const struct range_place *place, size_t keys_max, bool *ret_done)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct removal m = {.e = e, .r = r, .left = keys_max};
    engine_begin_forgetting(e, keyspace, range);
    m.it = store_iter_new(e->store);
    engine_batch_begin(e);
    bool done = remove_some(&m, place);
    enum err err = store_iter_error(m.it);
    store_iter_free(m.it);
    if (err != ERR_OK)
        return engine_note(e, err);
    if (done) {
        mark_key(&e->key, r);
        engine_vital_delete(e, &e->batch);
        buf_clear(&r->forget_from);
        r->err = ERR_OK;
        e->damaged_ranges--;
    }
    engine_note_removed(e, &e->batch, range);
    store_write(e->store, &e->batch, 0);
    engine_compact_removed(e, done);
    *ret_done = done;
    return ERR_OK;
}
