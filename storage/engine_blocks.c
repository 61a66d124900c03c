/* engine_blocks.c - where the entries of the range logs lie.
 *
 * A key for each entry would cost as much as the data that it speaks of. So an entry is appended to
 * the store's journal, in the batch of its data; the store makes one record of all that goes to the
 * disk together. In memory it is kept in a *tail*: what is young, by range, actor and window of
 * LOG_WINDOW dots.
 *
 *   write --> journal + tail --settle, when the tails have grown--> pieces, one for each tail
 *   start: journal -----------------------------------------------> pieces
 *
 * Settling is one batch: the pieces, and the epoch from which on the journal counts. Records of
 * before lie there until others take their places: to find and remove them would mean to read them
 * all. A piece is never changed, but by pruning; what comes late of a window is another piece of
 * it. A tail is there until its piece is durable, so that whoever reads what is durable always
 * finds it in one of them.
 *
 *   piece  = (u8 n - window, vbytes entry)*
 *   record = u64 epoch, (varint keyspace, varint range, dot, vbytes entry)*      of the journal
 *
 * Stored: do not renumber. */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

#include <string.h>

/* --- tails */

static struct log_tail *tail_of(struct range_state *r, struct dot dot)
{
    uint64_t window = dot.n - dot.n % LOG_WINDOW;
    for (size_t i = r->tails_count; i-- > 0;) {
        struct log_tail *t = &r->tails[i];
        if (t->settled == 0 && t->window == window && actor_compare(t->actor, dot.actor) == 0)
            return t;
    }
    r->tails = mem_grow(r->tails, r->tails_count, &r->tails_cap, sizeof *r->tails);
    struct log_tail *t = &r->tails[r->tails_count++];
    *t = (struct log_tail){.actor = dot.actor, .window = window};
    buf_init(&t->bytes, SIZE_MAX);
    return t;
}

static void tail_free(struct log_tail *t)
{
    buf_close(&t->bytes);
    mem_free(t->items);
}

void engine_tails_free(struct range_state *r)
{
    for (size_t i = 0; i < r->tails_count; i++)
        tail_free(&r->tails[i]);
    mem_free(r->tails);
    r->tails = NULL;
    r->tails_count = r->tails_cap = 0;
}

static struct bytes item_bytes(const struct log_tail *t, size_t i)
{
    return bytes_make(t->bytes.data + t->items[i].at, t->items[i].len);
}

static void tail_add(struct engine *e, struct range_state *r, struct dot dot, struct bytes entry)
{
    struct log_tail *t = tail_of(r, dot);
    t->items = mem_grow(t->items, t->count, &t->cap, sizeof *t->items);
    t->items[t->count++] = (struct log_item){.n = (uint8_t)(dot.n % LOG_WINDOW),
                                             .written = e->store->written,
                                             .at = (uint32_t)t->bytes.len,
                                             .len = (uint32_t)entry.len};
    buf_put_bytes(&t->bytes, entry);
    e->tail_bytes += entry.len + sizeof *t->items;
}

/* --- writing */

void engine_put_entry(struct engine *e, struct range_state *r, struct dot dot, struct bytes entry)
{
    buf_clear(&e->term);
    buf_put_varint(&e->term, r->keyspace);
    buf_put_varint(&e->term, r->range);
    buf_put_dot(&e->term, dot);
    buf_put_vbytes(&e->term, entry);
    size_t at = store_batch_append(&e->batch, e->epoch, buf_bytes(&e->term));
    at += e->term.len - entry.len;
    e->staged = mem_grow(e->staged, e->staged_count, &e->staged_cap, sizeof *e->staged);
    e->staged[e->staged_count++] = (struct log_staged){r, dot, at, entry.len};
}

void engine_batch_write(struct engine *e, uint64_t ticket)
{
    store_write(e->store, &e->batch, ticket);
    for (size_t i = 0; i < e->staged_count; i++) {
        const struct log_staged *s = &e->staged[i];
        tail_add(e, s->range, s->dot, bytes_make(e->batch.ops.data + s->at, s->len));
    }
    e->staged_count = 0;
    if (e->tail_bytes > e->tails_max)
        engine_settle_logs(e);
}

static void put_piece(struct engine *e, keyspace_no keyspace, range_no range, struct dot window,
                      struct bytes piece)
{
    key_log(&e->key, keyspace, range, window);
    buf_put_u64(&e->key, ++e->fragment);
    store_batch_put(&e->batch, buf_bytes(&e->key), piece);
}

/* Forget tails whose pieces are durable, or that nothing is in. */
static void drop_settled(struct engine *e, struct range_state *r)
{
    uint64_t durable = e->store->durable;
    size_t kept = 0;
    for (size_t i = 0; i < r->tails_count; i++) {
        if (r->tails[i].settled != 0 && r->tails[i].settled <= durable)
            tail_free(&r->tails[i]);
        else
            r->tails[kept++] = r->tails[i];
    }
    r->tails_count = kept;
}

static void settle_range(struct engine *e, struct range_state *r, uint64_t write)
{
    bool any = false;
    drop_settled(e, r);
    for (size_t i = 0; i < r->tails_count; i++) {
        struct log_tail *t = &r->tails[i];
        if (t->settled != 0)
            continue;
        buf_clear(&e->value);
        for (size_t k = 0; k < t->count; k++) {
            buf_put_u8(&e->value, t->items[k].n);
            buf_put_vbytes(&e->value, item_bytes(t, k));
        }
        put_piece(e, r->keyspace, r->range, (struct dot){t->actor, t->window},
                  buf_bytes(&e->value));
        engine_account_add(&r->log, engine_piece_bytes(e->value.len));
        t->settled = write;
        any = true;
    }
    if (any)
        engine_account_put(e, r);
}

static void put_epoch(struct engine *e, uint64_t epoch)
{
    uint8_t room[8];
    store_u64(room, epoch);
    key_meta(&e->key, "journal");
    engine_vital_put(e, &e->batch, bytes_make(room, sizeof room));
    e->epoch = epoch;
}

void engine_settle_logs(struct engine *e)
{
    if (!e->recovered || e->tail_bytes == 0)
        return;
    engine_batch_begin(e);
    for (struct omap_node *n = omap_first(&e->ranges); n != NULL; n = omap_next(n))
        settle_range(e, engine_range_of(n), e->store->written + 1);
    put_epoch(e, e->epoch + 1);
    store_write(e->store, &e->batch, 0);
    e->tail_bytes = 0;
}

/* --- start */

/* One record, behind its epoch, into `pieces`: key of the window -> the piece. */
static bool recover_record(struct reader in, struct omap *pieces, struct buf *key,
                           struct buf *piece)
{
    while (reader_left(&in) > 0) {
        struct bytes had;
        uint64_t keyspace = read_varint(&in);
        uint64_t range = read_varint(&in);
        struct dot dot = read_dot(&in);
        struct bytes entry = read_vbytes(&in);
        if (in.failed || keyspace > UINT32_MAX || range > UINT32_MAX || dot.n < 1 ||
            dot.n > DOT_N_MAX)
            return false;
        key_log(key, (keyspace_no)keyspace, (range_no)range,
                (struct dot){dot.actor, dot.n - dot.n % LOG_WINDOW});
        buf_clear(piece);
        if (omap_get(pieces, buf_bytes(key), &had))
            buf_put_bytes(piece, had);
        buf_put_u8(piece, (uint8_t)(dot.n % LOG_WINDOW));
        buf_put_vbytes(piece, entry);
        omap_put(pieces, buf_bytes(key), buf_bytes(piece));
    }
    return true;
}

static enum err recover_journal(struct engine *e, uint64_t epoch, struct omap *pieces)
{
    static const uint8_t first = STORE_JOURNAL;
    struct store_iter *it = store_iter_new(e->store);
    struct buf piece;
    enum err err = ERR_OK;
    buf_init(&piece, SIZE_MAX);
    e->epoch = epoch;
    store_iter_seek(it, bytes_make(&first, 1));
    for (; err == ERR_OK && store_iter_valid(it) && store_iter_key(it).data[0] == first;
         store_iter_next(it)) {
        struct reader in = reader_make(store_iter_value(it));
        uint64_t of = read_u64(&in);
        if (!in.failed && of < epoch) /* numbers begin with 1: behind it are older ones only */
            break;
        e->epoch = of > e->epoch ? of : e->epoch;
        if (in.failed || !recover_record(in, pieces, &e->key, &piece))
            err = ERR_CORRUPT;
    }
    if (err == ERR_OK)
        err = store_iter_error(it);
    store_iter_free(it);
    buf_close(&piece);
    return err;
}

static enum err read_epoch(struct engine *e, uint64_t *ret)
{
    *ret = 0;
    key_meta(&e->key, "journal");
    enum err err = store_get(e->store, buf_bytes(&e->key), &e->value);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err == ERR_OK && e->value.len != 8)
        err = ERR_CORRUPT;
    if (err == ERR_OK)
        *ret = load_u64(e->value.data);
    return err;
}

/* Each range that is loaded asks for it: what is damaged is not read again for thousands of them.
 */
enum err engine_recover_logs(struct engine *e)
{
    struct omap pieces;
    uint64_t epoch;
    if (e->recovered || e->recovery_damaged)
        return e->recovered ? ERR_OK : ERR_CORRUPT;
    omap_init(&pieces);
    enum err err = read_epoch(e, &epoch);
    if (err == ERR_OK)
        err = recover_journal(e, epoch, &pieces);
    if (err == ERR_OK) {
        struct store_batch batch = e->batch; /* somebody may be filling it */
        store_batch_init(&e->batch);
        for (struct omap_node *n = omap_first(&pieces); n != NULL; n = omap_next(n)) {
            buf_clear(&e->key);
            buf_put_bytes(&e->key, omap_key(n));
            buf_put_u64(&e->key, ++e->fragment);
            store_batch_put(&e->batch, buf_bytes(&e->key), omap_value(n));
            engine_account_recovered(e, buf_bytes(&e->key), omap_value(n).len);
        }
        put_epoch(e, e->epoch + 1);
        err = store_batch_finish(&e->batch);
        if (err == ERR_OK)
            store_write(e->store, &e->batch, 0);
        e->recovered = err == ERR_OK;
        store_batch_close(&e->batch);
        e->batch = batch;
    }
    e->recovery_damaged = err == ERR_CORRUPT;
    omap_close(&pieces);
    return err;
}

/* --- reading */

void log_cursor_init(struct log_cursor *c, struct engine *e, struct range_state *r,
                     struct actor actor, bool durable, struct arena *arena)
{
    *c = (struct log_cursor){.e = e, .range = r, .actor = actor, .arena = arena};
    c->durable = durable ? e->store->durable : UINT64_MAX;
    c->it = durable ? store_iter_new_durable(e->store) : store_iter_new(e->store);
}

void log_cursor_close(struct log_cursor *c)
{
    store_iter_free(c->it);
}

/* Whether the store's iterator stands on a piece of the actor's. */
static bool at_piece(const struct log_cursor *c, uint64_t *ret_window)
{
    keyspace_no keyspace;
    range_no range;
    struct dot window;
    if (!store_iter_valid(c->it) ||
        !key_parse_log(store_iter_key(c->it), &keyspace, &range, &window) ||
        keyspace != c->range->keyspace || range != c->range->range ||
        actor_compare(window.actor, c->actor) != 0)
        return false;
    *ret_window = window.n;
    return true;
}

bool log_piece_next(struct reader *in, uint8_t *ret_n, struct bytes *ret_entry)
{
    *ret_n = read_u8(in);
    *ret_entry = read_vbytes(in);
    if (*ret_n >= LOG_WINDOW)
        in->failed = true;
    return !in->failed;
}

/* The entries of the first window >= the one of n that has any. */
static enum err load_window(struct log_cursor *c, uint64_t n, bool *ret_found)
{
    uint64_t first = n - n % LOG_WINDOW;
    uint64_t window = 0;
    key_log(&c->e->key, c->range->keyspace, c->range->range, (struct dot){c->actor, first});
    store_iter_seek(c->it, buf_bytes(&c->e->key));
    bool found = at_piece(c, &window);
    for (size_t i = 0; i < c->range->tails_count; i++) {
        const struct log_tail *t = &c->range->tails[i];
        bool here = actor_compare(t->actor, c->actor) == 0 && t->window >= first &&
                    t->items[0].written <= c->durable;
        if (here && (!found || t->window < window))
            window = t->window;
        found = found || here;
    }
    *ret_found = found;
    c->loaded = found;
    c->window = window;
    for (size_t i = 0; i < LOG_WINDOW; i++)
        c->has[i] = false;
    uint64_t at;
    for (; found && at_piece(c, &at) && at == window; store_iter_next(c->it)) {
        struct reader in = reader_make(arena_copy(c->arena, store_iter_value(c->it)));
        while (reader_left(&in) > 0) {
            uint8_t k;
            struct bytes entry;
            if (!log_piece_next(&in, &k, &entry))
                return ERR_CORRUPT;
            c->has[k] = true;
            c->entry[k] = entry;
        }
    }
    for (size_t i = 0; i < c->range->tails_count && found; i++) {
        const struct log_tail *t = &c->range->tails[i];
        if (actor_compare(t->actor, c->actor) != 0 || t->window != window)
            continue;
        for (size_t k = 0; k < t->count && t->items[k].written <= c->durable; k++) {
            c->has[t->items[k].n] = true;
            c->entry[t->items[k].n] = arena_copy(c->arena, item_bytes(t, k));
        }
    }
    return store_iter_error(c->it);
}

enum err log_cursor_seek(struct log_cursor *c, uint64_t n, uint64_t *ret_n, struct bytes *ret_entry)
{
    bool found = true;
    while (found) {
        if (!c->loaded || n < c->window || n - c->window >= LOG_WINDOW) {
            enum err err = load_window(c, n, &found);
            if (err != ERR_OK)
                return err;
        }
        for (size_t i = n > c->window ? n - c->window : 0; i < LOG_WINDOW && found; i++) {
            if (c->has[i]) {
                *ret_n = c->window + i;
                *ret_entry = c->entry[i];
                return ERR_OK;
            }
        }
        n = c->window + LOG_WINDOW;
    }
    return ERR_NOT_FOUND;
}
