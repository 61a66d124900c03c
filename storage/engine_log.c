/* engine_log.c - writes under a dot, and the range logs that name what each dot touched.
 *
 *   entry (stored and sent) = u8 version 1, varint table, i64 token, vbytes key,
 *           u8 flags (1 deletion, 2 static, 4 the whole partition, 8 garbage, now or one day,
 *           16 garbage of several kinds: of one row some may go before the rest),
 *           varint ranges, (vbytes start, vbytes end)*, varint rows, (vbytes key)*
 *
 * Do not renumber. */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

#define LOG_VERSION 1

/* Of what may be garbage one day: what goes at once when it is agreed, and when the rest expires.
 */
struct garbage_kinds {
    bool several, at_once;
    int64_t expires; /* when the rest does; 0: nothing */
};

static void note_row(struct garbage_kinds *g, const struct row *row)
{
    g->at_once = g->at_once || !tomb_is_none(&row->deletion);
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->kind != CELL_LIVE && c->kind != CELL_EXPIRING)
            g->at_once = true;
        if (c->kind != CELL_EXPIRING)
            continue;
        g->several = g->several || (g->expires != 0 && g->expires != c->time_s);
        g->expires = c->time_s;
    }
}

/* Siblings: a value goes where another one has replaced it, too. */
static unsigned garbage_flags(const struct part *p)
{
    struct garbage_kinds g = {
        .at_once = p->siblings || !tomb_is_none(&p->deletion) || p->tombs_count > 0,
    };
    if (p->has_static)
        note_row(&g, &p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        note_row(&g, &p->rows[i]);
    bool any = g.at_once || g.expires != 0;
    bool several = g.several || (g.at_once && g.expires != 0);
    return (any ? SHAPE_GARBAGE : 0) | (several ? SHAPE_SEVERAL : 0);
}

static void shape_write(const struct part *p, struct buf *out)
{
    bool whole = p->rows_count > LOG_ROWS_MAX || p->tombs_count > LOG_ROWS_MAX;
    size_t ranges = whole ? 0 : p->tombs_count;
    size_t rows = whole ? 0 : p->rows_count;
    buf_put_u8(out, LOG_VERSION);
    buf_put_varint(out, p->table);
    buf_put_i64(out, p->token);
    buf_put_vbytes(out, p->key);
    buf_put_u8(out, (uint8_t)((tomb_is_none(&p->deletion) ? 0 : SHAPE_DELETION) |
                              (p->has_static ? SHAPE_STATIC : 0) | (whole ? SHAPE_WHOLE : 0) |
                              garbage_flags(p)));
    buf_put_varint(out, ranges);
    for (size_t i = 0; i < ranges; i++) {
        buf_put_vbytes(out, p->tombs[i].start);
        buf_put_vbytes(out, p->tombs[i].end);
    }
    buf_put_varint(out, rows);
    for (size_t i = 0; i < rows; i++)
        buf_put_vbytes(out, p->rows[i].key);
}

table_no engine_shape_place(struct bytes entry, token *ret_token)
{
    struct reader in = reader_make(entry);
    uint8_t version = read_u8(&in);
    uint64_t table = read_varint(&in);
    *ret_token = read_i64(&in);
    return in.failed || version != LOG_VERSION || table > UINT32_MAX ? 0 : (table_no)table;
}

bool engine_shape_read(struct reader *in, struct arena *arena, struct shape *ret)
{
    struct shape s = {0};
    uint8_t version = read_u8(in);
    uint64_t table = read_varint(in);
    s.table = (table_no)table;
    s.token = read_i64(in);
    s.key = read_vbytes(in);
    s.flags = read_u8(in);
    uint64_t ranges = read_varint(in);
    if (in->failed || version != LOG_VERSION || table > UINT32_MAX || s.flags >= SHAPE_FLAGS_END ||
        ranges > LOG_ROWS_MAX)
        return false;
    s.ranges_count = (size_t)ranges;
    if (ranges > 0)
        s.ranges = arena_array(arena, struct scan_slice, ranges);
    for (size_t i = 0; i < s.ranges_count; i++) {
        s.ranges[i].start = read_vbytes(in);
        s.ranges[i].end = read_vbytes(in);
        if (!range_before_end(s.ranges[i].start, s.ranges[i].end))
            return false;
    }
    uint64_t rows = read_varint(in);
    if (in->failed || rows > LOG_ROWS_MAX)
        return false;
    s.rows_count = (size_t)rows;
    if (rows > 0)
        s.rows = arena_array(arena, struct bytes, rows);
    for (size_t i = 0; i < s.rows_count; i++)
        s.rows[i] = read_vbytes(in);
    if (in->failed)
        return false;
    *ret = s;
    return true;
}

void engine_put_shape(struct engine *e, struct range_state *r, struct dot dot, const struct part *p)
{
    buf_clear(&e->value);
    shape_write(p, &e->value);
    engine_put_entry(e, r, dot, buf_bytes(&e->value));
}

/* Fill e->batch with what of p is new. ret: that. *dot: under which it is written; n == 0: none. */
static enum err batch_apply(struct engine *e, struct range_state *r, const struct part *p,
                            const struct clock *context, struct arena *arena, struct dot *dot,
                            struct part *ret)
{
    struct part named = *p; /* a write is named by its own dot, even where nothing of it is new */
    struct part rest;
    part_drop_known(p, &r->clock, arena, &rest);
    if (dot->n == 0) {
        *dot = engine_name(e, r, &r->clock, &rest, arena, &named);
        if (dot->n > 0 && engine_is_stale(e, r, &named))
            return ERR_BEHIND;
    }
    *ret = rest;
    enum err err = engine_batch_context(e, r, ret, context, NULL, true);
    if (err != ERR_OK)
        return err;
    engine_batch_part(e, r, ret);
    if (dot->n > 0)
        engine_put_shape(e, r, *dot, &named);
    return engine_batch_check(e);
}

enum err engine_apply(struct engine *e, keyspace_no keyspace, range_no range, const struct part *p,
                      struct dot dot, const struct clock *context, uint64_t ticket)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct arena arena;
    struct part rest = *p;
    enum err err = ERR_OK;
    if (dot.n > DOT_N_MAX)
        return ERR_MALFORMED;
    if (r->err != ERR_OK || r->rebuilding)
        return engine_serving_error(e, keyspace, range);
    ASSERT(part_is_canonical(p)); /* part_normalise makes it, part_decode checks it */
    arena_init(&arena);
    engine_batch_begin(e);
    bool fresh = dot.n == 0 || !clock_has(&r->clock, dot);
    if (fresh && dot.n > 0 && engine_life_is_over(e, r, dot.actor))
        err = ERR_STALE;
    else if (fresh)
        err = batch_apply(e, r, p, context, &arena, &dot, &rest);
    if (err != ERR_OK) {
        engine_batch_undo(e);
        arena_close(&arena);
        return err;
    }
    if (fresh && dot.n > 0 && !MUTANT(data_without_clock))
        engine_range_add(e, r, dot);
    e->stats.writes++;
    e->stats.bytes_written += e->batch.ops.len;
    engine_batch_write(e, ticket);
    if (fresh)
        counter_sets_feed(&e->counters, &rest);
    if (fresh && (rest.rows_count > 0 || rest.has_static) && rest.rows_count <= COLLAPSE_ROWS_MAX &&
        rng_below(&e->rng, COLLAPSE_ODDS) == 0)
        engine_collapse(e, &rest);
    arena_close(&arena);
    return ERR_OK;
}

/* What a walk that prunes takes away. */
struct pruning {
    const struct clock *known;
    struct range_state *r;
    struct clock gone;
    uint64_t bytes;
    size_t entries, entries_max;
};

/* The piece without what is known; whether that is less. */
static bool prune_piece(struct pruning *p, struct dot window, struct bytes piece, struct buf *ret)
{
    struct reader in = reader_make(piece);
    size_t before = p->entries;
    buf_clear(ret);
    while (reader_left(&in) > 0) {
        uint8_t n;
        struct bytes entry;
        if (!log_piece_next(&in, &n, &entry))
            return false;
        struct dot dot = {window.actor, window.n + n};
        if (clock_has(p->known, dot) && clock_has(&p->r->clock, dot)) {
            clock_add(&p->gone, dot);
            p->entries++;
        } else {
            buf_put_u8(ret, n);
            buf_put_vbytes(ret, entry);
        }
    }
    return p->entries > before;
}

static void put_pruned(struct engine *e, struct pruning *p, struct bytes key, struct bytes had)
{
    p->bytes += engine_piece_bytes(had.len);
    if (e->value.len > 0) {
        p->bytes -= engine_piece_bytes(e->value.len);
        store_batch_put(&e->batch, key, buf_bytes(&e->value));
    } else {
        store_batch_delete(&e->batch, key);
    }
}

/* The pieces of an actor. Those that went earlier are not met again. fold: of the tree of the
 * range; NULL: it has none. *ret_done: there are no more. */
static enum err prune_actor(struct engine *e, struct pruning *p, struct store_iter *it,
                            struct tree_prune *fold, struct actor actor, bool *ret_done)
{
    keyspace_no k;
    range_no n;
    struct dot window;
    enum err err = ERR_OK;
    uint64_t from = clock_base(&p->r->log.floor, actor) + 1;
    key_log(&e->key, p->r->keyspace, p->r->range, (struct dot){actor, from - from % LOG_WINDOW});
    store_iter_seek(it, buf_bytes(&e->key));
    for (; err == ERR_OK && store_iter_valid(it); store_iter_next(it)) {
        if (!key_parse_log(store_iter_key(it), &k, &n, &window) || k != p->r->keyspace ||
            n != p->r->range || actor_compare(window.actor, actor) != 0 ||
            window.n > clock_top(p->known, actor))
            break;
        *ret_done = p->entries < p->entries_max;
        if (!*ret_done)
            break;
        struct bytes piece = store_iter_value(it);
        if (fold != NULL)
            err = engine_tree_prune_piece(fold, p->known, window, piece);
        if (err == ERR_OK && prune_piece(p, window, piece, &e->value))
            put_pruned(e, p, store_iter_key(it), piece);
    }
    return err;
}

static enum err prune(struct engine *e, struct pruning *p, struct tree_prune *fold, bool *ret_done)
{
    struct store_iter *it = store_iter_new(e->store);
    enum err err = ERR_OK;
    *ret_done = true;
    engine_batch_begin(e);
    for (size_t i = 0; i < p->known->count && *ret_done && err == ERR_OK; i++)
        err = prune_actor(e, p, it, fold, p->known->entries[i].actor, ret_done);
    err = err == ERR_OK ? store_iter_error(it) : err;
    store_iter_free(it);
    return err;
}

enum err engine_log_prune(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct clock *known, size_t entries_max, bool *ret_done)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct pruning p = {.known = known, .r = r, .entries_max = entries_max};
    struct tree_prune *fold = NULL;
    bool done = false;
    if (r->err != ERR_OK)
        return r->err;
    clock_init(&p.gone);
    engine_settle_logs(e);
    enum err err = engine_tree_prune_new(e, r, &fold);
    if (err == ERR_OK)
        err = prune(e, &p, fold, &done);
    engine_tree_prune_free(fold, err == ERR_OK);
    if (err == ERR_OK && done) { /* no entry is left of any of them */
        clock_close(&p.gone);
        clock_init(&p.gone);
        clock_common(known, &r->clock, &p.gone);
    }
    if (err == ERR_OK && !clock_covers(&r->log.floor, &p.gone)) {
        engine_range_save(e, r);
        engine_account_pruned(e, r, &p.gone, p.bytes);
        engine_note_removed(e, &e->batch, range);
        engine_batch_write(e, 0);
    }
    clock_close(&p.gone);
    if (err != ERR_OK)
        return err;
    engine_compact_removed(e, done);
    *ret_done = done;
    return ERR_OK;
}
