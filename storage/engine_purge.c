/* engine_purge.c - dropping what was deleted, when everybody has proved it (docs/versions.md).
 *
 * A walk over the index of garbage, from where the last call ended: what is due and agreed is taken
 * out of its row, or its head. A deletion of many rows goes last: all rows under it are read, and
 * what it shadows is removed, in as many calls as it takes; when nothing is left under it, it goes
 * in the batch of the last rows. What it is about to drop is kept in memory meanwhile: a restart
 * begins again, which costs reads and no more.
 */
#include "storage/engine_settle.h"

#include "base/mem.h"
#include "base/mutant.h"

#define PURGE_BATCH_MAX ((size_t)1 << 20) /* bytes; then it is written, and another begins */
#define ENTRIES_A_WORK  16u               /* entries that cannot go yet cost little */
#define ARENA_MAX       ((size_t)4 << 20)

struct walk {
    struct engine *e;
    struct range_state *range;
    struct garbage_rule rule;
    struct arena arena; /* of the partition that is open */
    struct settle settle;
    struct buf open;  /* the key of that partition; empty: none is */
    struct part left; /* the head that was rewritten last, as it is now */
    size_t entries;   /* looked at */
    size_t work_max;
};

static size_t work_done(const struct walk *w)
{
    return settle_work(&w->settle) + w->entries / ENTRIES_A_WORK;
}

static bool has_time(const struct walk *w)
{
    return work_done(w) < w->work_max;
}

static void write_batch(struct walk *w, bool always)
{
    struct engine *e = w->e;
    if (e->batch.count == 0 || (!always && e->batch.ops.len < PURGE_BATCH_MAX))
        return;
    engine_note_removed(e, &e->batch, w->range->range);
    engine_batch_write(e, 0);
    engine_batch_begin(e);
}

static enum err open_part(struct walk *w, const struct garbage_key *g)
{
    struct buf key;
    buf_init(&key, SIZE_MAX);
    key_part(&key, g->table, g->token, g->key);
    bool same = bytes_equal(buf_bytes(&key), buf_bytes(&w->open));
    enum err err = ERR_OK;
    if (!same || arena_used(&w->arena) > ARENA_MAX) {
        arena_reset(&w->arena);
        buf_clear(&w->open);
        buf_put_bytes(&w->open, buf_bytes(&key));
        err = settle_open(&w->settle, g->table, g->token, arena_copy(&w->arena, g->key));
        if (err != ERR_OK)
            buf_clear(&w->open);
    }
    buf_close(&key);
    return err;
}

/* --- a row */

/* *ret_left: garbage with the dot of the entry is there still. */
static enum err purge_row(struct walk *w, const struct garbage_key *g, bool *ret_left)
{
    struct rows *r = &w->settle.rows;
    struct bytes key;
    struct row row;
    *ret_left = false;
    rows_seek(r, g->row);
    if (!rows_in_part(r))
        return rows_error(r);
    enum err err = rows_peek(r, &key);
    if (err != ERR_OK)
        return err;
    if (!bytes_equal(key, g->row)) /* it is not there; or it cannot be read, and was skipped */
        return rows_error(r);
    err = settle_row(&w->settle, &row);
    if (err == ERR_OK)
        *ret_left = row_has_garbage_of(&row, g->dot, g->class == GARBAGE_EXPIRING);
    return err;
}

/* --- a head */

/* Of the head, the deletions that go. */
static void choose(struct walk *w, struct part *ret)
{
    const struct part *head = &w->settle.rows.head;
    *ret = (struct part){.table = head->table, .token = head->token, .key = head->key};
    ret->static_row.deletion = TOMB_NONE;
    ret->deletion = tomb_goes(&w->rule, &head->deletion, 0) ? head->deletion : TOMB_NONE;
    ret->tombs = arena_array(&w->arena, struct range_tomb, head->tombs_count);
    for (size_t i = 0; i < head->tombs_count; i++) {
        if (tomb_goes(&w->rule, &head->tombs[i].tomb, 0))
            ret->tombs[ret->tombs_count++] = head->tombs[i];
    }
}

static void sweep_end(struct sweep *s)
{
    buf_clear(&s->part);
    buf_clear(&s->chosen);
    buf_clear(&s->from);
}

static bool sweep_is_here(const struct walk *w)
{
    const struct sweep *s = &w->range->sweep;
    return s->part.len > 0 && bytes_equal(buf_bytes(&s->part), buf_bytes(&w->open));
}

/* The rows under the chosen deletions, from where the last call ended. */
static enum err sweep_rows(struct walk *w, const struct part *chosen, bool *ret_done)
{
    struct sweep *s = &w->range->sweep;
    bool whole = !tomb_is_none(&chosen->deletion);
    size_t count = whole ? 1 : chosen->tombs_count;
    struct bytes from = arena_copy(&w->arena, buf_bytes(&s->from));
    bool resumed = sweep_is_here(w);
    *ret_done = true;
    for (size_t i = 0; i < count && *ret_done; i++) {
        static const struct range_tomb all = {{NULL, 0}, {NULL, 0}, {0, 0, {{0, 0}, 0}}};
        const struct range_tomb *t = whole ? &all : &chosen->tombs[i];
        struct bytes start = t->start, next = BYTES_NONE;
        if (resumed && !range_before_end(from, t->end))
            continue;
        if (resumed && bytes_compare(from, start) > 0)
            start = from;
        while (*ret_done) {
            size_t seen = settle_work(&w->settle);
            enum err err = settle_rows(&w->settle, start, t->end, w->work_max, ret_done, &next);
            if (err != ERR_OK)
                return err;
            if (*ret_done)
                break;
            *ret_done = has_time(w) && settle_work(&w->settle) > seen; /* the batch was full */
            if (*ret_done)
                write_batch(w, true);
            start = next;
        }
        if (!*ret_done) {
            buf_clear(&s->from);
            buf_put_bytes(&s->from, next);
        }
    }
    return ERR_OK;
}

/* The head without what was chosen, and its static row without garbage. */
static void finish_head(struct walk *w, const struct part *chosen)
{
    struct settle *s = &w->settle;
    const struct part *old = &s->rows.head;
    struct part head = *old;
    int64_t before = s->newest;
    size_t gone = 0;
    if (!tomb_is_none(&old->deletion) && tomb_equal(&old->deletion, &chosen->deletion)) {
        head.deletion = TOMB_NONE;
        s->newest = old->deletion.timestamp > s->newest ? old->deletion.timestamp : s->newest;
        gone++;
    }
    head.tombs = arena_array(&w->arena, struct range_tomb, old->tombs_count);
    head.tombs_count = 0;
    for (size_t i = 0; i < old->tombs_count; i++) {
        const struct tomb *t = &old->tombs[i].tomb;
        if (!part_has_dot(chosen, t->dot)) {
            head.tombs[head.tombs_count++] = old->tombs[i];
            continue;
        }
        s->newest = t->timestamp > s->newest ? t->timestamp : s->newest;
        gone++;
    }
    if (old->has_static && row_take_garbage(&old->static_row, &w->rule, NULL, &w->arena,
                                            &head.static_row, &s->newest)) {
        head.has_static = !row_is_empty(&head.static_row);
        gone++;
    }
    w->left = head;
    if (gone == 0) {
        s->newest = before;
        return;
    }
    s->e->stats.purged += gone;
    settle_head(s, &head);
}

static bool head_has_garbage_of(const struct part *head, const struct garbage_key *g)
{
    struct part bare = *head;
    bare.rows_count = 0;
    bare.has_static = false;
    return g->kind == KEY_STATIC
               ? head->has_static &&
                     row_has_garbage_of(&head->static_row, g->dot, g->class == GARBAGE_EXPIRING)
               : part_has_dot(&bare, g->dot);
}

/* The deletions of the open partition that may go, with all rows under them. *ret_done false: the
 * work of this call is done, and the next goes on. */
static enum err purge_head(struct walk *w, bool *ret_done)
{
    struct sweep *sweep = &w->range->sweep;
    struct part chosen;
    enum err err = ERR_OK;
    choose(w, &chosen);
    if (sweep_is_here(w)) /* what is agreed meanwhile has rows behind it that were not looked at */
        err = part_decode(arena_copy(&w->arena, buf_bytes(&sweep->chosen)), &w->arena, &chosen);
    *ret_done = true;
    if (err == ERR_OK && !MUTANT(purge_tombstone_first))
        err = sweep_rows(w, &chosen, ret_done);
    if (err != ERR_OK) {
        sweep_end(sweep);
        return err;
    }
    if (*ret_done) {
        finish_head(w, &chosen);
        sweep_end(sweep);
    } else if (!sweep_is_here(w)) {
        buf_put_bytes(&sweep->part, buf_bytes(&w->open));
        part_encode(&chosen, &sweep->chosen);
        sweep->newest = part_max_timestamp(&chosen);
    }
    settle_note(&w->settle);
    return ERR_OK;
}

/* --- the walk */

/* What is read is as it was when reading began: not so after a head has changed. */
static enum err look_anew(struct walk *w)
{
    uint64_t before = w->settle.before;
    enum err err = settle_close(&w->settle);
    write_batch(w, true);
    arena_reset(&w->arena);
    buf_clear(&w->open);
    settle_init(&w->settle, w->e, w->range, &w->rule, NULL, &w->arena);
    w->settle.before = before;
    return err;
}

/* *ret_left: garbage of the entry is there still. */
static enum err purge_open_head(struct walk *w, const struct garbage_key *g, bool *ret_done,
                                bool *ret_left)
{
    enum err err = purge_head(w, ret_done);
    *ret_left = err != ERR_OK || !*ret_done || head_has_garbage_of(&w->left, g);
    if (err == ERR_OK && w->settle.changed)
        err = look_anew(w);
    return err;
}

/* A partition by the key of its data: one that waits for its turn before all others. */
static enum err purge_part(struct walk *w, struct bytes key, bool *ret_done)
{
    struct garbage_key g = {0};
    struct arena arena;
    size_t len;
    bool left;
    arena_init(&arena);
    *ret_done = true;
    enum err err =
        key_parse_part(key, &arena, &g.table, &g.token, &g.key, &len) ? ERR_OK : ERR_CORRUPT;
    if (err == ERR_OK)
        err = open_part(w, &g);
    if (err == ERR_OK)
        err = purge_open_head(w, &g, ret_done, &left);
    if (err != ERR_OK)
        sweep_end(&w->range->sweep);
    arena_close(&arena);
    return err;
}

/* One entry whose dot is agreed. */
static enum err purge_entry(struct walk *w, const struct garbage_key *g, struct bytes key,
                            bool *ret_done)
{
    bool left;
    *ret_done = true;
    enum err err = open_part(w, g);
    if (err != ERR_OK)
        return err;
    if (g->kind == KEY_ROW) {
        err = purge_row(w, g, &left);
        settle_note(&w->settle);
    } else {
        err = purge_open_head(w, g, ret_done, &left);
    }
    if (err == ERR_OK && !left)
        store_batch_delete(&w->e->batch, key);
    return err;
}

/* Ends the call: what comes next is to see what became of this; and it must itself see what was
 * done before. */
static enum err adopt(struct walk *w, const struct garbage_key *g, struct bytes key, bool *ret_done)
{
    *ret_done = false;
    if (w->open.len > 0)
        return ERR_OK;
    enum err err = open_part(w, g);
    return err == ERR_OK ? engine_adopt(&w->settle, g, key) : err;
}

/* True when the end was come to, else r->walk says where to go on. */
static enum err walk(struct walk *w, struct store_iter *it, bool *ret_done)
{
    struct range_state *r = w->range;
    struct buf prefix;
    struct arena arena;
    enum err err = ERR_OK;
    arena_init(&arena);
    buf_init(&prefix, SIZE_MAX);
    key_garbage_range(&prefix, r->keyspace, r->range);
    store_iter_seek(it, r->walk.len > 0 ? buf_bytes(&r->walk) : buf_bytes(&prefix));
    *ret_done = false;
    while (err == ERR_OK) {
        struct garbage_key g;
        bool done = true;
        *ret_done =
            !store_iter_valid(it) || !bytes_starts_with(store_iter_key(it), buf_bytes(&prefix));
        if (*ret_done || !has_time(w))
            break;
        arena_reset(&arena);
        struct bytes key = arena_copy(&arena, store_iter_key(it));
        if (!key_parse_garbage(key, &arena, &g)) {
            err = ERR_CORRUPT;
            break;
        }
        *ret_done = g.class == GARBAGE_EXPIRING && g.due >= w->rule.expired_before_s;
        if (*ret_done)
            break;
        w->entries++;
        bool failed = false;
        bool agreed = clock_has(w->rule.dots, g.dot) || MUTANT(purge_unagreed);
        if (!agreed && engine_is_orphan(w->e, w->range, g.dot))
            failed = engine_note(w->e, adopt(w, &g, key, &done)) != ERR_OK;
        else if (!agreed)
            r->waiting++;
        else
            failed = engine_note(w->e, purge_entry(w, &g, key, &done)) != ERR_OK;
        r->waiting += failed; /* what is damaged stays as it is */
        if (!done && !failed)
            break;
        write_batch(w, false);
        store_iter_next(it);
    }
    err = err == ERR_OK ? store_iter_error(it) : err;
    buf_clear(&r->walk);
    if (!*ret_done && err == ERR_OK)
        buf_put_bytes(&r->walk, store_iter_key(it));
    buf_close(&prefix);
    arena_close(&arena);
    return err;
}

static enum err purge(struct walk *w, bool *ret_done)
{
    struct range_state *r = w->range;
    struct buf first;
    bool done = true;
    enum err err = ERR_OK;
    struct store_iter *it = store_iter_new(w->e->store);
    buf_init(&first, SIZE_MAX);
    buf_put_bytes(&first,
                  r->sweep.part.len > 0 ? buf_bytes(&r->sweep.part) : buf_bytes(&r->urgent));
    if (r->sweep.part.len == 0)
        buf_clear(&r->urgent);
    if (first.len > 0)
        err = purge_part(w, buf_bytes(&first), &done);
    *ret_done = false;
    if (err == ERR_OK && done)
        err = walk(w, it, ret_done);
    buf_close(&first);
    store_iter_free(it);
    return err;
}

static bool is_lost(const void *walk, struct dot dot)
{
    const struct walk *w = walk;
    return engine_is_orphan(w->e, w->range, dot);
}

enum err engine_purge(struct engine *e, keyspace_no keyspace, range_no range,
                      const struct clock *agreed, int64_t expired_before_s, size_t work_max,
                      bool *ret_done)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct walk w = {.e = e, .range = r, .work_max = work_max > 0 ? work_max : 1};
    *ret_done = true;
    if (r->err != ERR_OK || r->garbage_newest == TIMESTAMP_NONE)
        return r->err;
    if (store_failure(e->store) != NULL)
        return ERR_IO;
    w.rule = (struct garbage_rule){
        .dots = agreed, .expired_before_s = expired_before_s, .is_lost = is_lost, .lost_arg = &w};
    arena_init(&w.arena);
    buf_init(&w.open, SIZE_MAX);
    settle_init(&w.settle, e, r, &w.rule, NULL, &w.arena);
    engine_batch_begin(e);
    enum err err = purge(&w, ret_done);
    enum err closed = settle_close(&w.settle);
    err = err != ERR_OK ? err : closed;
    write_batch(&w, true);
    engine_compact_removed(e, *ret_done);
    if (*ret_done) {
        e->stats.garbage_waiting = e->stats.garbage_waiting - r->waited + r->waiting;
        r->waited = r->waiting;
        r->waiting = 0;
        if (!engine_has_garbage(e, r))
            r->garbage_newest = TIMESTAMP_NONE;
    }
    buf_close(&w.open);
    arena_close(&w.arena);
    return engine_note(e, err);
}
