/* engine_lost.c - what the store has lost, until somebody has dealt with it.
 *
 * A store tells what it lost when it was mended (lost.h); of values whose checksum is not right the
 * engine hears when they are read. Both are kept in one fact with the id of the store's finding,
 * so that each is dealt with once, whatever ends the process: the fact goes in a batch behind what
 * was done about it.
 *
 *   fact "d/lost" = lost_encode
 *
 * Here: vital records were mended from their copies before (engine_vital.c). Of accounts what a
 * lost stretch still shows may be what once was, so it goes; but not hints, which are writes:
 * better brought twice. What their loss means their owners say, until engine_lost_done. Indexes
 * whose entries are lost are built anew: a missing entry would be a row not found.
 */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

#include <string.h>

#define FACT_LOST BYTES_LIT("d/lost")
#define LOST_SIZE ((size_t)16 << 20)

static bool touches_letter(const struct lost_keys *l, char letter)
{
    uint8_t from = (uint8_t)letter, upto = (uint8_t)(letter + 1);
    return lost_touches(l, bytes_make(&from, 1), bytes_make(&upto, 1));
}

/* Any key that begins so? */
static bool touches_prefix(const struct lost_keys *l, struct bytes prefix)
{
    uint8_t upto[16];
    size_t len = prefix.len;
    memcpy(upto, prefix.data, len);
    while (len > 0 && ++upto[len - 1] == 0)
        len--;
    return lost_touches(l, prefix, bytes_make(upto, len));
}

/* Of each index that has lost entries it goes that it is built, or how far. */
static enum err indexes_anew(struct engine *e)
{
    struct buf name, after, from, upto;
    enum err err = ERR_OK;
    buf_init(&name, SIZE_MAX);
    buf_init(&after, SIZE_MAX);
    buf_init(&from, SIZE_MAX);
    buf_init(&upto, SIZE_MAX);
    while (err == ERR_OK && touches_letter(&e->lost, 'i')) {
        err = engine_fact_next(e, BYTES_LIT("a/x"), buf_bytes(&after), &name, &e->value);
        if (err != ERR_OK)
            break;
        buf_clear(&after);
        buf_put_bytes(&after, buf_bytes(&name));
        if (name.len != 11)
            continue;
        table_no table = load_u32(name.data + 3);
        index_no index = load_u32(name.data + 7);
        key_index(&from, table, index);
        key_index(&upto, table, index + 1);
        if (lost_touches(&e->lost, buf_bytes(&from), buf_bytes(&upto)))
            engine_fact_delete(e, buf_bytes(&name), 0);
    }
    buf_close(&name);
    buf_close(&after);
    buf_close(&from);
    buf_close(&upto);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* What is shown of accounts where some are lost may be old: an index that was not built any more, a
 * proof of what was forgotten since. */
static enum err accounts_drop(struct engine *e)
{
    struct store_iter *it = store_iter_new(e->store);
    engine_batch_begin(e);
    for (store_iter_seek(it, BYTES_LIT("A")); store_iter_valid(it); store_iter_next(it)) {
        struct bytes key = store_iter_key(it);
        if (key.data[0] != 'A')
            break;
        if (lost_has(&e->lost, key) && !bytes_starts_with(key, BYTES_LIT("A" ACCOUNT_HINTS)))
            store_batch_delete(&e->batch, key);
    }
    enum err err = store_iter_error(it);
    store_iter_free(it);
    if (err == ERR_OK)
        store_write(e->store, &e->batch, 0);
    return err;
}

void engine_lost_save(struct engine *e)
{
    struct buf out;
    buf_init(&out, LOST_SIZE);
    lost_encode(&e->lost, &out);
    if (buf_finish(&out) == ERR_OK)
        engine_fact_put(e, FACT_LOST, buf_bytes(&out), 0);
    buf_close(&out);
}

static void add_all(struct lost_keys *to, const struct lost_keys *from)
{
    for (size_t i = 0; i < from->count; i++)
        lost_add(to, buf_bytes(&from->spans[i].from), buf_bytes(&from->spans[i].to));
}

enum err engine_lost_load(struct engine *e, struct errmsg *reterr)
{
    const struct lost_keys *found = store_lost(e->store);
    struct buf value;
    enum err err;
    buf_init(&value, LOST_SIZE);
    err = engine_fact_get(e, FACT_LOST, &value);
    if (err == ERR_OK)
        err = lost_decode(buf_bytes(&value), &e->lost);
    buf_close(&value);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return errmsg_set(reterr, err, "what the store has lost cannot be read: %s", err_text(err));
    if (e->lost.id == found->id) {
        if (found->count > 0) /* what was read from the store when it was opened is durable */
            store_lost_known(e->store);
        return ERR_OK;
    }
    e->lost.id = found->id;
    add_all(&e->lost, found);
    if (touches_letter(&e->lost, 'j')) /* the clocks of all ranges are not known any more */
        lost_add(&e->lost, BYTES_LIT("c"), BYTES_LIT("u"));
    engine_lost_save(e);
    enum err shown = accounts_drop(e);
    return shown == ERR_OK ? indexes_anew(e) : shown;
}

bool engine_account_is_lost(struct engine *e, struct bytes prefix)
{
    key_fact(&e->key, prefix);
    return touches_prefix(&e->lost, buf_bytes(&e->key));
}

bool engine_fact_is_lost(struct engine *e, struct bytes name)
{
    key_fact(&e->key, name);
    return lost_has(&e->lost, buf_bytes(&e->key));
}

void engine_note_garbled(struct engine *e, struct bytes key)
{
    if (!lost_has(&e->lost, key)) {
        lost_add(&e->lost, key, key);
        e->losses++;
    }
    e->garbled = true;
}

uint64_t engine_losses(const struct engine *e)
{
    return e->losses;
}

bool engine_has_lost(const struct engine *e)
{
    return e->lost.count > 0;
}

/* Kinds of keys of a range; the first ones say what was written to it. */
static const char range_letters[] = {'c', 'f', 'g', 'l', 'T', 't'};
#define WRITTEN_LETTERS 4u

static struct bytes range_prefix(uint8_t room[9], char letter, keyspace_no keyspace, range_no range)
{
    room[0] = (uint8_t)letter;
    store_u32(room + 1, keyspace);
    store_u32(room + 5, range);
    return bytes_make(room, 9);
}

/* Into e->key and e->value: from where to where the rows of a table lie. */
static void rows_place(struct engine *e, const struct range_place *place, size_t table)
{
    key_token(&e->key, place->tables[table], place->first);
    if (place->last == INT64_MAX)
        key_table(&e->value, place->tables[table] + 1);
    else
        key_token(&e->value, place->tables[table], place->last + 1);
}

bool engine_range_is_lost(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place)
{
    uint8_t room[9];
    bool lost = false;
    for (size_t i = 0; i < sizeof range_letters && !lost; i++)
        lost = touches_prefix(&e->lost, range_prefix(room, range_letters[i], keyspace, range));
    for (size_t i = 0; i < place->tables_count && !lost; i++) {
        rows_place(e, place, i);
        lost = lost_touches(&e->lost, buf_bytes(&e->key), buf_bytes(&e->value));
    }
    return lost;
}

bool engine_range_is_bare(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place)
{
    struct store_iter *it = store_iter_new(e->store);
    uint8_t room[9];
    bool bare = true;
    for (size_t i = 0; i < WRITTEN_LETTERS && bare; i++) {
        struct bytes prefix = range_prefix(room, range_letters[i], keyspace, range);
        store_iter_seek(it, prefix);
        bare = !store_iter_valid(it) || !bytes_starts_with(store_iter_key(it), prefix);
    }
    for (size_t i = 0; i < place->tables_count && bare; i++) {
        rows_place(e, place, i);
        store_iter_seek(it, buf_bytes(&e->key));
        bare =
            !store_iter_valid(it) || bytes_compare(store_iter_key(it), buf_bytes(&e->value)) >= 0;
    }
    bare = bare && store_iter_error(it) == ERR_OK;
    store_iter_free(it);
    return bare;
}

void engine_lost_done(struct engine *e)
{
    lost_forget(&e->lost);
    engine_lost_save(e);
}

/* In memory only: whoever calls it remembers, and calls it again after a start. */
void engine_set_lost(struct engine *e, keyspace_no keyspace, range_no range)
{
    struct range_state *r = engine_range(e, keyspace, range);
    if (r->err == ERR_UNAVAILABLE || r->lost)
        return;
    uint64_t top = clock_top(&r->clock, e->actor);
    r->minted = top > r->minted ? top : r->minted;
    clock_close(&r->clock);
    r->hashed = false;
    if (r->err == ERR_OK)
        e->damaged_ranges++;
    r->err = ERR_CORRUPT;
    r->lost = true;
}

void engine_set_rebuilding(struct engine *e, keyspace_no keyspace, range_no range, bool rebuilding)
{
    struct range_state *r = engine_range(e, keyspace, range);
    if (r->rebuilding && !rebuilding)
        e->rebuilding_ranges--;
    else if (!r->rebuilding && rebuilding)
        e->rebuilding_ranges++;
    r->rebuilding = rebuilding;
}

enum err engine_serving_error(struct engine *e, keyspace_no keyspace, range_no range)
{
    const struct range_state *r = engine_range(e, keyspace, range);
    bool rebuilding = r->rebuilding && !MUTANT(rebuilding_serves);
    return r->err == ERR_OK && rebuilding ? ERR_UNAVAILABLE : r->err;
}
