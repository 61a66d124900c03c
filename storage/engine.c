/* engine.c - life of an engine, facts, writes. The other files: engine_private.h. */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"
#include "storage/fragment.h"

#define BOOT_SHIFT  40 /* fragment numbers: 2^24 boots of 2^40 writes */
#define META_MAXIMA "t/"

/* --- life */

static enum err meta_get(struct engine *e, const char *name, struct buf *ret_value)
{
    key_meta(&e->key, name);
    return store_get(e->store, buf_bytes(&e->key), ret_value);
}

static void meta_put_u64(struct engine *e, const char *name, uint64_t number)
{
    uint8_t room[8];
    store_u64(room, number);
    key_meta(&e->key, name);
    engine_vital_put(e, &e->batch, bytes_make(room, sizeof room));
}

/* ERR_NOT_FOUND when it is not there, ERR_CORRUPT when it is no number. */
static enum err meta_get_u64(struct engine *e, const char *name, uint64_t *ret)
{
    enum err err = meta_get(e, name, &e->value);
    if (err == ERR_OK && e->value.len != 8)
        err = ERR_CORRUPT;
    if (err == ERR_OK)
        *ret = load_u64(e->value.data);
    return err;
}

static void maxima_key(struct engine *e, uint32_t group)
{
    key_meta(&e->key, META_MAXIMA);
    buf_put_u32(&e->key, group);
}

static enum err maxima_load(struct engine *e)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < MAXIMA_GROUPS && err == ERR_OK; i++) {
        maxima_key(e, i);
        err = store_get(e->store, buf_bytes(&e->key), &e->value);
        if (err == ERR_OK)
            err = maxima_group_read(&e->maxima, i, buf_bytes(&e->value));
        else if (err == ERR_NOT_FOUND)
            err = ERR_OK;
    }
    return err;
}

static enum err meta_open(struct engine *e, const struct engine_config *config,
                          struct errmsg *reterr)
{
    uint64_t format = 0;
    uint64_t ranges = 0;
    uint64_t boots = 0;
    enum err err = meta_get_u64(e, "format", &format);
    if (err == ERR_OK && format != ENGINE_FORMAT)
        return errmsg_set(reterr, ERR_UNSUPPORTED, "data format %llu, this is version %u",
                          (unsigned long long)format, ENGINE_FORMAT);
    if (err == ERR_OK)
        err = meta_get_u64(e, "ranges", &ranges);
    if (err == ERR_OK && ranges != config->ring_ranges)
        return errmsg_set(reterr, ERR_CONFIG, "ring_ranges is %u, the data was made with %llu",
                          config->ring_ranges, (unsigned long long)ranges);
    if (err == ERR_OK)
        err = meta_get_u64(e, "boots", &boots);
    if (err == ERR_OK) {
        err = maxima_load(e);
        if (err == ERR_OK)
            err = engine_load_purged_told(e);
    } else if (err == ERR_NOT_FOUND && format == 0) {
        err = ERR_OK; /* a new store */
    }
    if (err != ERR_OK)
        return errmsg_set(reterr, err == ERR_NOT_FOUND ? ERR_CORRUPT : err,
                          "read the store's own records: %s", err_text(err));
    engine_batch_begin(e);
    meta_put_u64(e, "format", ENGINE_FORMAT);
    meta_put_u64(e, "ranges", config->ring_ranges);
    meta_put_u64(e, "boots", boots + 1);
    store_write(e->store, &e->batch, 0);
    e->fragment = MUTANT(fragments_numbered_anew) ? 0 : (boots + 1) << BOOT_SHIFT;
    return ERR_OK;
}

enum err engine_new(struct store *store, const struct engine_config *config,
                    struct engine **ret_engine, struct errmsg *reterr)
{
    struct engine *e = mem_new(struct engine);
    e->store = store;
    e->tails_max = config->log_tails_max > 0 ? config->log_tails_max : LOG_TAILS_MAX;
    rng_init(&e->rng, config->seed);
    omap_init(&e->ranges);
    omap_init(&e->loaded);
    omap_init(&e->recovered_bytes);
    maxima_init(&e->maxima);
    store_batch_init(&e->batch);
    store_batch_init(&e->bounds);
    buf_init(&e->key, SIZE_MAX);
    buf_init(&e->twin, SIZE_MAX);
    buf_init(&e->value, BUF_MAX_DEFAULT);
    buf_init(&e->term, BUF_MAX_DEFAULT);
    buf_init(&e->drop_cursor, SIZE_MAX);
    buf_init(&e->drop_tree, SIZE_MAX);
    e->tree_key = config->tree_key;
    e->tree_check = siphash(&e->tree_key, BYTES_LIT("torc"));
    bool narrow = config->tree_width > 0 && config->tree_width < TREE_WIDTH;
    e->tree_width = narrow ? config->tree_width : TREE_WIDTH;
    e->tree_bytes_max = config->tree_bytes_max > 0 ? config->tree_bytes_max : TREE_BYTES_MAX;
    for (size_t i = 0; i < REMOVED_KINDS_MAX; i++)
        span_init(&e->removed[i].keys);
    counter_sets_init(&e->counters, config->seed, COUNTER_SETS_BYTES_MAX);
    lost_init(&e->lost);
    enum err err = engine_vital_mend(e, reterr);
    if (err == ERR_OK)
        err = meta_open(e, config, reterr);
    if (err == ERR_OK)
        err = engine_lost_load(e, reterr);
    if (err != ERR_OK) {
        engine_free(e);
        return err;
    }
    *ret_engine = e;
    return ERR_OK;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    engine_ranges_free(e);
    lost_close(&e->lost);
    maxima_close(&e->maxima);
    store_batch_close(&e->batch);
    store_batch_close(&e->bounds);
    buf_close(&e->key);
    buf_close(&e->twin);
    buf_close(&e->value);
    buf_close(&e->term);
    mem_free(e->staged);
    buf_close(&e->drop_cursor);
    buf_close(&e->drop_tree);
    for (size_t i = 0; i < REMOVED_KINDS_MAX; i++)
        span_close(&e->removed[i].keys);
    engine_indexes_free(e);
    counter_sets_close(&e->counters);
    mem_free(e);
}

struct counter_sets *engine_counters(struct engine *e)
{
    return &e->counters;
}

struct engine_stats engine_stats(const struct engine *e)
{
    return e->stats;
}

const char *engine_failure(const struct engine *e)
{
    return store_failure(e->store);
}

static uint64_t size_between(struct engine *e, table_no table,
                             void (*key)(struct buf *out, table_no table))
{
    struct buf from, to;
    buf_init(&from, 64);
    buf_init(&to, 64);
    key(&from, table);
    key(&to, table + 1);
    uint64_t size = store_size(e->store, buf_bytes(&from), buf_bytes(&to));
    buf_close(&from);
    buf_close(&to);
    return size;
}

uint64_t engine_table_size(struct engine *e, table_no table)
{
    return size_between(e, table, key_table) + size_between(e, table, key_indexes);
}

enum err engine_note(struct engine *e, enum err err)
{
    if (err == ERR_CORRUPT || err == ERR_IO)
        e->stats.damaged++;
    if (err == ERR_CORRUPT && !e->garbled)
        e->stats.unexplained++;
    e->garbled = false;
    return err;
}

int64_t engine_max_timestamp(const struct engine *e)
{
    return maxima_largest(&e->maxima);
}

int64_t engine_maximum(struct engine *e, table_no table, token place)
{
    int64_t applied = maxima_at(&e->maxima, maxima_hash(table, place));
    int64_t dropped = e->purged_told ? engine_purged_bound(e, table, place) : TIMESTAMP_NONE;
    return dropped > applied ? dropped : applied;
}

bool engine_maximum_is_bound(struct engine *e, table_no table, token place)
{
    uint64_t hash = maxima_hash(table, place);
    return maxima_is_bound(&e->maxima, hash) &&
           engine_maximum(e, table, place) == maxima_at(&e->maxima, hash);
}

/* --- facts */

enum err engine_fact_get(struct engine *e, struct bytes name, struct buf *ret_value)
{
    key_fact(&e->key, name);
    return store_get(e->store, buf_bytes(&e->key), ret_value);
}

void engine_fact_put(struct engine *e, struct bytes name, struct bytes value, uint64_t ticket)
{
    ASSERT(name.len + value.len <= WRITE_BYTES_MAX);
    engine_batch_begin(e);
    engine_batch_fact(e, &e->batch, name, value);
    store_write(e->store, &e->batch, ticket);
}

void engine_fact_delete(struct engine *e, struct bytes name, uint64_t ticket)
{
    engine_batch_begin(e);
    engine_batch_no_fact(e, &e->batch, name);
    store_write(e->store, &e->batch, ticket);
}

enum err engine_fact_next(struct engine *e, struct bytes prefix, struct bytes after,
                          struct buf *ret_name, struct buf *ret_value)
{
    struct store_iter *it = store_iter_new(e->store);
    struct bytes from = bytes_compare(after, prefix) < 0 ? prefix : after;
    enum err err;
    key_fact(&e->key, from);
    store_iter_seek(it, buf_bytes(&e->key));
    if (store_iter_valid(it) && bytes_compare(after, prefix) >= 0 &&
        bytes_equal(store_iter_key(it), buf_bytes(&e->key)))
        store_iter_next(it);
    key_fact(&e->key, prefix);
    bool found = store_iter_valid(it) && bytes_starts_with(store_iter_key(it), buf_bytes(&e->key));
    err = store_iter_error(it);
    if (err == ERR_OK && !found)
        err = ERR_NOT_FOUND;
    buf_clear(ret_name);
    buf_clear(ret_value);
    if (found) {
        struct bytes key = store_iter_key(it);
        buf_put(ret_name, key.data + 1, key.len - 1);
        buf_put_bytes(ret_value, store_iter_value(it));
    }
    if (err == ERR_OK)
        err = buf_finish(ret_name) != ERR_OK ? ERR_TOO_BIG : buf_finish(ret_value);
    store_iter_free(it);
    return err;
}

/* --- writes */

void engine_barrier(struct engine *e, uint64_t ticket)
{
    engine_batch_begin(e);
    store_write(e->store, &e->batch, ticket);
}

void engine_batch_begin(struct engine *e)
{
    store_batch_clear(&e->batch);
    e->staged_count = 0;
}

enum err engine_batch_check(const struct engine *e)
{
    enum err err = store_batch_finish(&e->batch);
    return err == ERR_OK && e->batch.ops.len > WRITE_BYTES_MAX ? ERR_TOO_BIG : err;
}

void engine_batch_undo(struct engine *e)
{
    engine_purged_undo(e);
}

/* A batch of its own, before what it speaks of: should that not be written, nothing is lost. */
void engine_note_timestamp(struct engine *e, table_no table, token place, int64_t timestamp)
{
    uint32_t group;
    if (!maxima_note(&e->maxima, maxima_hash(table, place), timestamp, &group))
        return;
    store_batch_clear(&e->bounds);
    buf_clear(&e->value);
    maxima_group_write(&e->maxima, group, &e->value);
    maxima_key(e, group);
    engine_vital_put(e, &e->bounds, buf_bytes(&e->value));
    store_write(e->store, &e->bounds, 0);
}

void engine_batch_row(struct engine *e, struct store_batch *batch, struct bytes key_before_fragment,
                      const struct part *fragment)
{
    if (buf_bytes(&e->key).data != key_before_fragment.data) {
        buf_clear(&e->key);
        buf_put_bytes(&e->key, key_before_fragment);
    }
    buf_put_u64(&e->key, ++e->fragment);
    buf_clear(&e->value);
    part_body_write(fragment, PART_NO_CLOCK, &e->value);
    fragment_seal(buf_bytes(&e->key), &e->value);
    if (e->value.failed) /* the batch then says that it is too big */
        batch->ops.failed = true;
    store_batch_put(batch, buf_bytes(&e->key), buf_bytes(&e->value));
}

/* One fragment of the kind, holding what `fragment` holds. */
static void put_kind(struct engine *e, const struct part *p, enum key_kind kind,
                     const struct part *fragment)
{
    key_part(&e->key, p->table, p->token, p->key);
    buf_put_u8(&e->key, (uint8_t)kind);
    engine_batch_row(e, &e->batch, buf_bytes(&e->key), fragment);
}

void engine_batch_data(struct engine *e, const struct part *p)
{
    const struct part none = {
        .siblings = p->siblings, .deletion = TOMB_NONE, .static_row = {.deletion = TOMB_NONE}};
    struct part f = none;
    if (!tomb_is_none(&p->deletion)) {
        f.deletion = p->deletion;
        put_kind(e, p, KEY_DELETION, &f);
    }
    if (p->tombs_count > 0) {
        f = none;
        f.tombs = p->tombs;
        f.tombs_count = p->tombs_count;
        put_kind(e, p, KEY_TOMBS, &f);
    }
    if (p->has_static) {
        f = none;
        f.has_static = true;
        f.static_row = p->static_row;
        put_kind(e, p, KEY_STATIC, &f);
    }
    for (size_t i = 0; i < p->rows_count; i++) {
        struct row row = p->rows[i];
        row.key = BYTES_NONE; /* the store's key says it */
        f = none;
        f.rows = &row;
        f.rows_count = 1;
        key_part(&e->key, p->table, p->token, p->key);
        buf_put_u8(&e->key, KEY_ROW);
        key_add_escaped(&e->key, p->rows[i].key);
        engine_batch_row(e, &e->batch, buf_bytes(&e->key), &f);
    }
}

void engine_batch_part(struct engine *e, struct range_state *r, const struct part *p)
{
    if (r->sweep.part.len > 0 && part_min_timestamp(p) <= r->sweep.newest) {
        key_part(&e->key, p->table, p->token, p->key);
        if (bytes_equal(buf_bytes(&e->key), buf_bytes(&r->sweep.part)))
            buf_clear(&r->sweep.from); /* the rows behind it have what the sweep has not seen */
    }
    engine_note_timestamp(e, p->table, p->token, part_max_timestamp(p));
    engine_batch_data(e, p);
    engine_batch_indexes(e, p);
    engine_batch_garbage(e, r, p);
}
