/* engine_clock.c - the clocks of the ranges.
 *
 * What is stored of a clock is a snapshot and the range log: the clock is the snapshot and all dots
 * of the log. As a dot's log entry is in the same batch as its data, a clock read back claims
 * exactly what is there. Loading seeks, per actor, to what the snapshot's base does not cover, so
 * it costs what was written since the last snapshot (at most CLOCK_SNAPSHOT_AT entries), not the
 * length of the log. It is done when nothing of the log is in memory yet.
 *
 * Not when the store has failed. What the journal had is on its way into the log then, or was taken
 * back: a clock that is read without it lacks dots that the disk has, and that others have been
 * told of. A write minted by such a clock would come without them in its context, though what they
 * deleted may be dropped here. So the range is not served, as one that cannot be read.
 */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

#include <string.h>

static void range_key(uint8_t room[8], keyspace_no keyspace, range_no range)
{
    store_u32(room, keyspace);
    store_u32(room + 4, range);
}

static void range_init(struct range_state *r)
{
    clock_init(&r->clock);
    buf_init(&r->forget_from, SIZE_MAX);
    r->garbage_newest = TIMESTAMP_NONE;
    buf_init(&r->walk, SIZE_MAX);
    buf_init(&r->urgent, SIZE_MAX);
    buf_init(&r->sweep.part, SIZE_MAX);
    buf_init(&r->sweep.chosen, SIZE_MAX);
    buf_init(&r->sweep.from, SIZE_MAX);
}

static void range_free(struct range_state *r)
{
    map_close(&r->lives);
    mem_free(r->minters);
    clock_close(&r->clock);
    engine_account_close(&r->log);
    buf_close(&r->forget_from);
    mem_free(r->young);
    engine_tails_free(r);
    buf_close(&r->walk);
    buf_close(&r->urgent);
    buf_close(&r->sweep.part);
    buf_close(&r->sweep.chosen);
    buf_close(&r->sweep.from);
    mem_free(r);
}

struct range_state *engine_range_of(const struct omap_node *n)
{
    struct range_state *r;
    memcpy(&r, omap_value(n).data, sizeof r);
    return r;
}

/* Add the dots of a piece; false when it is damaged. */
static bool load_piece(struct range_state *r, struct dot window, struct bytes piece)
{
    struct reader in = reader_make(piece);
    while (reader_left(&in) > 0) {
        uint8_t n;
        struct bytes entry;
        if (!log_piece_next(&in, &n, &entry) || window.n + n == 0)
            return false;
        r->unsaved += clock_add(&r->clock, (struct dot){window.actor, window.n + n});
    }
    return true;
}

/* Add the dots of the log that the snapshot does not cover. */
static enum err load_log(struct engine *e, struct range_state *r)
{
    struct store_iter *it = store_iter_new(e->store);
    keyspace_no keyspace;
    range_no range;
    struct dot window = {{0, 0}, 0};
    struct actor last = {0, 0};
    bool seeked = false; /* to the first piece of `last` that matters */
    enum err err = ERR_OK;
    key_log(&e->key, r->keyspace, r->range, window);
    store_iter_seek(it, buf_bytes(&e->key));
    while (err == ERR_OK && store_iter_valid(it) &&
           key_parse_log(store_iter_key(it), &keyspace, &range, &window) &&
           keyspace == r->keyspace && range == r->range) {
        if (!seeked || actor_compare(window.actor, last) != 0) {
            uint64_t base = clock_base(&r->clock, window.actor);
            last = window.actor;
            seeked = true;
            if (base + 1 >= window.n + LOG_WINDOW) {
                uint64_t first = base + 1;
                key_log(&e->key, keyspace, range, (struct dot){last, first - first % LOG_WINDOW});
                store_iter_seek(it, buf_bytes(&e->key));
                continue;
            }
        }
        if (!load_piece(r, window, store_iter_value(it)))
            err = ERR_CORRUPT;
        store_iter_next(it);
    }
    if (err == ERR_OK)
        err = store_iter_error(it);
    store_iter_free(it);
    return err;
}

static enum err load(struct engine *e, struct range_state *r)
{
    bool forgetting = false;
    if (store_failure(e->store) != NULL) /* what was on its way to the log is nowhere to be read */
        return ERR_IO;
    enum err err = engine_is_forgetting(e, r, &forgetting);
    if (err != ERR_OK || forgetting)
        return err == ERR_OK ? ERR_UNAVAILABLE : err;
    err = engine_recover_logs(e);
    if (err != ERR_OK)
        return err;
    key_clock(&e->key, r->keyspace, r->range);
    err = store_get(e->store, buf_bytes(&e->key), &e->value);
    if (err == ERR_OK && clock_decode(buf_bytes(&e->value), &r->clock) != ERR_OK)
        err = ERR_CORRUPT;
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        err = MUTANT(clock_without_log) ? ERR_OK : load_log(e, r);
    if (err == ERR_OK)
        err = engine_account_load(e, r);
    if (engine_has_garbage(e, r))
        r->garbage_newest = INT64_MAX;
    if (err != ERR_OK) /* claim nothing */
        clock_close(&r->clock);
    return err;
}

static void load_first(struct engine *e, struct range_state *r)
{
    r->err = load(e, r);
    if (r->err != ERR_UNAVAILABLE && store_failure(e->store) == NULL) /* else it is no damage */
        (void)engine_note(e, r->err);
    e->damaged_ranges += r->err != ERR_OK;
}

static void load_anew(struct engine *e, struct range_state *r)
{
    e->damaged_ranges--;
    r->hashed = false;
    load_first(e, r);
}

struct range_state *engine_range(struct engine *e, keyspace_no keyspace, range_no range)
{
    uint8_t key[8];
    struct range_state *r = e->last; /* a write asks for its range several times */
    if (r != NULL && r->range == range && r->keyspace == keyspace && r->err == ERR_OK)
        return r;
    range_key(key, keyspace, range);
    struct omap_node *n = omap_find(&e->ranges, bytes_make(key, sizeof key));
    if (n != NULL) {
        e->last = r = engine_range_of(n);
        if (r->err == ERR_IO) /* perhaps it was the cable */
            load_anew(e, r);
        return r;
    }
    r = mem_new(struct range_state);
    r->keyspace = keyspace;
    r->range = range;
    range_init(r);
    omap_put(&e->ranges, bytes_make(key, sizeof key), bytes_make(&r, sizeof r));
    load_first(e, r);
    return r;
}

void engine_ranges_free(struct engine *e)
{
    for (struct omap_node *n = omap_first(&e->ranges); n != NULL; n = omap_next(n))
        range_free(engine_range_of(n));
    omap_close(&e->ranges);
    omap_close(&e->loaded);
    omap_close(&e->recovered_bytes);
}

void engine_range_save(struct engine *e, struct range_state *r)
{
    buf_clear(&e->value);
    clock_encode(&r->clock, &e->value);
    key_clock(&e->key, r->keyspace, r->range);
    store_batch_put(&e->batch, buf_bytes(&e->key), buf_bytes(&e->value));
    r->unsaved = 0;
}

/* Forget those that are durable meanwhile. */
static void grow_old(const struct engine *e, struct range_state *r)
{
    size_t old = 0;
    while (old < r->young_count && r->young[old].batch <= e->store->durable)
        old++;
    r->young_count -= old;
    if (old > 0 && r->young_count > 0)
        memmove(r->young, r->young + old, r->young_count * sizeof *r->young);
}

/* The batch that brings the dot is the next to be written. */
static void note_young(struct engine *e, struct range_state *r, struct dot dot)
{
    uint64_t batch = e->store->written + 1;
    if (r->young_count >= 16 && r->young[0].batch <= e->store->durable)
        grow_old(e, r);
    if (r->young_count == YOUNG_MAX) {
        r->young_all = batch;
        return;
    }
    r->young = mem_grow(r->young, r->young_count, &r->young_cap, sizeof *r->young);
    r->young[r->young_count++] = (struct young_dot){dot, batch};
}

bool engine_durable_clock(struct engine *e, keyspace_no keyspace, range_no range, struct clock *ret)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct clock young;
    grow_old(e, r);
    if (r->young_all > e->store->durable)
        return false;
    clock_init(&young);
    for (size_t i = 0; i < r->young_count; i++)
        clock_add(&young, r->young[i].dot);
    clock_missing(&r->clock, &young, ret);
    clock_close(&young);
    return true;
}

enum engine_has engine_has(struct engine *e, keyspace_no keyspace, range_no range,
                           const struct clock *need)
{
    struct range_state *r = engine_range(e, keyspace, range);
    if (r->err != ERR_OK || !clock_covers(&r->clock, need))
        return ENGINE_LACKS;
    grow_old(e, r);
    if (r->young_all > e->store->durable)
        return ENGINE_HAS_YOUNG;
    for (size_t i = 0; i < r->young_count; i++) {
        if (clock_has(need, r->young[i].dot))
            return ENGINE_HAS_YOUNG;
    }
    return ENGINE_HAS;
}

void engine_range_add(struct engine *e, struct range_state *r, struct dot dot)
{
    if (!clock_add(&r->clock, dot))
        return;
    note_young(e, r, dot);
    if (MUTANT(clock_claims_gaps))
        clock_add_run(&r->clock, dot.actor, 1, dot.n);
    r->hashed = false;
    if (++r->unsaved >= CLOCK_SNAPSHOT_AT)
        engine_range_save(e, r);
}

/* Which of them are young is not looked at one by one. */
void engine_range_add_all(struct engine *e, struct range_state *r, const struct clock *dots)
{
    clock_merge(&r->clock, dots);
    r->young_all = e->store->written + 1;
    r->hashed = false;
    engine_range_save(e, r);
}

void engine_save_clocks(struct engine *e)
{
    engine_settle_logs(e);
    for (struct omap_node *n = omap_first(&e->ranges); n != NULL; n = omap_next(n)) {
        struct range_state *r = engine_range_of(n);
        if (r->unsaved == 0 || r->err != ERR_OK)
            continue;
        engine_batch_begin(e);
        engine_range_save(e, r);
        engine_batch_write(e, 0);
    }
}

const struct clock *engine_clock(struct engine *e, keyspace_no keyspace, range_no range)
{
    return &engine_range(e, keyspace, range)->clock;
}

enum err engine_range_error(struct engine *e, keyspace_no keyspace, range_no range)
{
    return engine_range(e, keyspace, range)->err;
}

enum err engine_ranges_error(struct engine *e, keyspace_no keyspace, range_no first, range_no last)
{
    uint8_t key[8];
    range_key(key, keyspace, first);
    if (e->damaged_ranges + e->rebuilding_ranges == 0)
        return ERR_OK;
    struct omap_node *n = omap_seek(&e->ranges, bytes_make(key, sizeof key));
    for (; n != NULL; n = omap_next(n)) {
        const struct range_state *r = engine_range_of(n);
        if (r->keyspace != keyspace || r->range > last)
            return ERR_OK;
        if (r->err != ERR_OK)
            return r->err;
        if (r->rebuilding && !MUTANT(rebuilding_serves))
            return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

uint64_t engine_top(const struct engine *e, const struct range_state *r, const struct clock *known)
{
    uint64_t top = clock_top(known, e->actor);
    return r->minted > top && !MUTANT(minted_forgotten) ? r->minted : top;
}

struct dot engine_next_dot(struct engine *e, keyspace_no keyspace, range_no range,
                           struct actor self)
{
    const struct range_state *r = engine_range(e, keyspace, range);
    uint64_t top = clock_top(&r->clock, self);
    if (actor_compare(self, e->actor) == 0)
        top = engine_top(e, r, &r->clock);
    return (struct dot){self, MUTANT(reuse_dot) && top > 0 ? top : top + 1};
}

/* The first range >= from that has a record whose keys begin with e->key's letter. */
static bool stored_range(const struct engine *e, struct store_iter *it, keyspace_no keyspace,
                         range_no *ret)
{
    keyspace_no k;
    range_no r;
    struct dot dot;
    store_iter_seek(it, buf_bytes(&e->key));
    if (!store_iter_valid(it))
        return false;
    struct bytes key = store_iter_key(it);
    if (key.data[0] != e->key.data[0]) /* no snapshot beyond: the first of the logs, of any range */
        return false;
    if ((!key_parse_clock(key, &k, &r) && !key_parse_log(key, &k, &r, &dot)) || k != keyspace)
        return false;
    *ret = r;
    return true;
}

/* The first range >= from that the store has a snapshot or a log of. *ret_err: why it may not be
 * the first, or not the last. */
static bool next_stored(struct engine *e, keyspace_no keyspace, range_no from, range_no *ret,
                        enum err *ret_err)
{
    range_no got;
    struct store_iter *it = store_iter_new(e->store);
    key_clock(&e->key, keyspace, from);
    bool found = stored_range(e, it, keyspace, ret);
    key_log(&e->key, keyspace, from, (struct dot){{0, 0}, 0});
    if (stored_range(e, it, keyspace, &got) && (!found || got < *ret)) {
        found = true;
        *ret = got;
    }
    *ret_err = *ret_err == ERR_OK ? store_iter_error(it) : *ret_err;
    store_iter_free(it);
    return found;
}

/* Load all that is stored, once: from then on every range with a clock is in memory, for whoever
 * writes to one makes it. Healing walks them each second. What could not be read is tried again
 * when somebody walks them anew. */
static void load_keyspace(struct engine *e, keyspace_no keyspace, bool anew)
{
    uint8_t key[4];
    range_no range = 0;
    enum err err = ERR_OK;
    store_u32(key, keyspace);
    struct omap_node *n = omap_find(&e->loaded, bytes_make(key, sizeof key));
    if (n != NULL && (omap_value(n).len == 0 || !anew))
        return;
    err = engine_recover_logs(e); /* what is in the journal alone has no key yet */
    while (next_stored(e, keyspace, range, &range, &err)) {
        (void)engine_range(e, keyspace, range);
        if (range++ == UINT32_MAX)
            break;
    }
    struct bytes incomplete = err == ERR_IO ? BYTES_LIT("?") : BYTES_NONE;
    omap_put(&e->loaded, bytes_make(key, sizeof key), incomplete);
}

bool engine_next_range(struct engine *e, keyspace_no keyspace, range_no from, range_no *ret_range)
{
    uint8_t key[8];
    load_keyspace(e, keyspace, from == 0);
    range_key(key, keyspace, from);
    struct omap_node *n = omap_seek(&e->ranges, bytes_make(key, sizeof key));
    while (n != NULL && clock_empty(&engine_range_of(n)->clock)) /* looked at, never written */
        n = omap_next(n);
    if (n == NULL || engine_range_of(n)->keyspace != keyspace)
        return false;
    *ret_range = engine_range_of(n)->range;
    return true;
}

uint64_t engine_clock_hash(struct engine *e, keyspace_no keyspace, range_no range)
{
    struct range_state *r = engine_range(e, keyspace, range);
    if (!r->hashed)
        r->hash = clock_hash(&r->clock);
    r->hashed = true;
    return r->hash;
}
