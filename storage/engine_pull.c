/* engine_pull.c - giving another replica what it lacks, and taking it.
 *
 *   pull (sent) = u8 version 1, u8 flags, varint parts, (i64 bound, part)*, varint entries,
 *           (dot, entry)*
 *           flags: 1 all is named; entry: engine_log.c
 *           bound: of what was dropped in partitions like this one
 *
 * Do not renumber.
 *
 * A pull carries the state of what the dots touched, not the writes: what was overwritten meanwhile
 * is not sent. With every row go the deletions that cover it, because they may be what became of
 * the dot's effect: else the receiver's clock would claim a dot whose effect it has in no form.
 * What was dropped is not sent at all. But whoever has its dot from then on must know the bound of
 * its timestamp, else it would take an older write for one that nothing was ever against, and mint
 * it without a context; replicas that have the deletion still would keep the write down.
 * And with every partition go the entries of other dots that touched it and that the asker has not
 * heard of: what of it is shown already must have a name there, too. All is named, unless they are
 * too many to be looked at; then a partition may have been touched by dots that do not come with
 * it.
 */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

#include <stdlib.h>
#include <string.h>

#define PULL_VERSION     1
#define PULL_ALL_NAMED   1u
#define PULL_ENTRIES_MAX 4096u /* wanted ones; and as many beside */
#define PULL_BYTES_MAX   WRITE_BYTES_MAX

/* --- giving */

struct named { /* a dot, and its entry in the log */
    struct dot dot;
    struct bytes entry;
};

/* What is to be read of one partition, gathered from the entries of several dots. */
struct touched {
    struct shape sum;
    size_t ranges_cap, rows_cap;
    struct named *dots;
    size_t dots_count, dots_cap;
    struct touched *next; /* in the order of their first dots */
};

struct pull {
    struct engine *e;
    struct arena *arena;
    struct omap by_key; /* u32 table, key -> struct touched * */
    struct touched *first, **last;
    size_t entries;
    bool too_many; /* that is not all of them */
    bool beside;   /* these dots are not wanted: only those that touched the same partitions go */
};

/* NULL: not yet there, and what is beside goes only with what is wanted. */
static struct touched *touch(struct pull *pull, const struct shape *shape)
{
    struct touched *t = NULL;
    struct bytes found;
    struct buf key;
    buf_init(&key, SIZE_MAX);
    buf_put_u32(&key, shape->table);
    buf_put_i64(&key, shape->token);
    buf_put_bytes(&key, shape->key);
    if (omap_get(&pull->by_key, buf_bytes(&key), &found)) {
        memcpy(&t, found.data, sizeof t);
    } else if (!pull->beside) {
        t = arena_new(pull->arena, struct touched);
        t->sum = (struct shape){.table = shape->table, .token = shape->token, .key = shape->key};
        *pull->last = t;
        pull->last = &t->next;
        omap_put(&pull->by_key, buf_bytes(&key), bytes_make(&t, sizeof t));
    }
    buf_close(&key);
    return t;
}

static void gather(struct pull *pull, const struct shape *shape, struct named named)
{
    struct touched *t = touch(pull, shape);
    pull->entries++;
    if (t == NULL)
        return;
    struct shape *sum = &t->sum;
    sum->flags |= shape->flags;
    for (size_t i = 0; i < shape->ranges_count; i++) {
        sum->ranges = arena_grow(pull->arena, sum->ranges, sum->ranges_count, &t->ranges_cap,
                                 sizeof *sum->ranges);
        sum->ranges[sum->ranges_count++] = shape->ranges[i];
    }
    for (size_t i = 0; i < shape->rows_count; i++) {
        sum->rows =
            arena_grow(pull->arena, sum->rows, sum->rows_count, &t->rows_cap, sizeof *sum->rows);
        sum->rows[sum->rows_count++] = shape->rows[i];
    }
    if (pull->beside && MUTANT(strays_unnamed))
        return;
    t->dots = arena_grow(pull->arena, t->dots, t->dots_count, &t->dots_cap, sizeof named);
    t->dots[t->dots_count++] = named;
}

/* The first dot >= n of the actor that is wanted; 0 for none. */
static uint64_t wanted_from(const struct clock_entry *w, uint64_t n)
{
    if (n <= w->base)
        return n;
    size_t low = 0;
    size_t high = w->runs_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (w->runs[mid].last < n)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == w->runs_count)
        return 0;
    return n > w->runs[low].first ? n : w->runs[low].first;
}

/* Gather the log entries of this actor's wanted dots. Goes from entry to entry, not from hole to
 * hole: the log bounds the work, not what a peer lists. */
static enum err gather_actor(struct pull *pull, struct range_state *r, const struct clock_entry *w)
{
    struct log_cursor cursor;
    struct bytes entry;
    uint64_t n = wanted_from(w, 1);
    enum err err = ERR_OK;
    log_cursor_init(&cursor, pull->e, r, w->actor, true, pull->arena);
    while (n > 0 && pull->entries < PULL_ENTRIES_MAX && err == ERR_OK) {
        uint64_t at;
        err = log_cursor_seek(&cursor, n, &at, &entry);
        if (err != ERR_OK)
            break;
        n = wanted_from(w, at);
        if (n != at)
            continue;
        struct shape shape;
        struct reader in = reader_make(entry);
        if (engine_shape_read(&in, pull->arena, &shape) && reader_done(&in))
            gather(pull, &shape, (struct named){{w->actor, n}, entry});
        else
            err = ERR_CORRUPT;
        n = wanted_from(w, n + 1);
    }
    log_cursor_close(&cursor);
    pull->too_many |= pull->entries >= PULL_ENTRIES_MAX;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int bytes_sort_compare(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static void add_row(struct arena *arena, struct part *p, size_t *cap, const struct row *row)
{
    if (row_is_empty(row))
        return;
    p->rows = arena_grow(arena, p->rows, p->rows_count, cap, sizeof *row);
    p->rows[p->rows_count++] = *row;
    p->siblings |= row->siblings;
}

/* The smallest range of one row. */
static struct bytes row_end(struct arena *arena, struct bytes row)
{
    uint8_t *end = arena_zero(arena, row.len + 1);
    if (row.len > 0)
        memcpy(end, row.data, row.len);
    return bytes_make(end, row.len + 1);
}

/* ret := the present state of what was touched, with all deletions that cover it. */
static enum err read_touched(struct engine *e, struct touched *t, struct arena *arena,
                             struct part *ret)
{
    struct shape *s = &t->sum;
    struct rows rows;
    struct row row;
    size_t cap = 0;
    rows_init(&rows, e, arena, true);
    enum err err = rows_open(&rows, s->table, s->token, s->key);
    struct part out = rows.head;
    bool whole = (s->flags & SHAPE_WHOLE) != 0;
    if (!whole && ((s->flags & SHAPE_STATIC) == 0 || MUTANT(pull_forgets_static))) {
        out.has_static = false;
        out.static_row = (struct row){.deletion = TOMB_NONE};
    }
    if (err == ERR_OK && whole) {
        rows_seek(&rows, BYTES_NONE);
        while ((err = rows_next(&rows, false, &row)) == ERR_OK && rows.bytes <= PULL_BYTES_MAX)
            add_row(arena, &out, &cap, &row);
        if (err == ERR_OK)
            err = ERR_TOO_BIG;
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    } else if (err == ERR_OK) {
        out.tombs = arena_array(arena, struct range_tomb,
                                (s->rows_count + s->ranges_count + 1) * (out.tombs_count + 1));
        out.tombs_count = 0;
        if (s->rows_count > 1)
            qsort(s->rows, s->rows_count, sizeof *s->rows, bytes_sort_compare);
    }
    for (size_t i = 0; i < s->rows_count && err == ERR_OK && !whole; i++) {
        if (i > 0 && (bytes_equal(s->rows[i - 1], s->rows[i]) || MUTANT(pull_first_row)))
            continue;
        struct part piece = rows.head;
        part_cut_tombs(&piece, s->rows[i], row_end(arena, s->rows[i]), arena);
        for (size_t k = 0; k < piece.tombs_count; k++)
            out.tombs[out.tombs_count++] = piece.tombs[k];
        rows_seek(&rows, s->rows[i]);
        err = rows_next(&rows, false, &row);
        if (err == ERR_OK && bytes_equal(row.key, s->rows[i]))
            add_row(arena, &out, &cap, &row);
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    for (size_t i = 0; i < s->ranges_count && err == ERR_OK && !whole; i++) {
        struct part piece = rows.head;
        part_cut_tombs(&piece, s->ranges[i].start, s->ranges[i].end, arena);
        for (size_t k = 0; k < piece.tombs_count; k++)
            out.tombs[out.tombs_count++] = piece.tombs[k];
    }
    enum err closed = rows_close(&rows);
    err = err != ERR_OK ? err : closed;
    if (err != ERR_OK)
        return err;
    if (!whole)
        part_normalise(&out, arena);
    *ret = out;
    return ERR_OK;
}

/* Write the states of the first partitions, about bytes_max of them, into `parts`; returns how
 * many, at least one when there is any. */
static enum err write_states(struct pull *pull, size_t bytes_max, struct buf *parts,
                             size_t *ret_count)
{
    size_t count = 0;
    for (struct touched *t = pull->first; t != NULL && (count == 0 || parts->len < bytes_max);
         t = t->next) {
        struct arena arena; /* of one partition: what was read is more than what is sent */
        struct part p;
        arena_init(&arena);
        enum err err = read_touched(pull->e, t, &arena, &p);
        int64_t bound = TIMESTAMP_NONE;
        size_t before = parts->len;
        if (err == ERR_OK)
            err = engine_read_purged(pull->e, p.table, p.token, &bound);
        if (err == ERR_OK) {
            buf_put_i64(parts, bound);
            part_encode(&p, parts);
        }
        arena_close(&arena);
        if (err == ERR_OK && parts->len > PULL_BYTES_MAX) {
            parts->len = before;
            err = count > 0 ? ERR_OK : ERR_TOO_BIG;
            *ret_count = count;
            return err;
        }
        if (err != ERR_OK)
            return err;
        count++;
    }
    *ret_count = count;
    return ERR_OK;
}

/* The entries of the partitions written. */
static void write_entries(const struct pull *pull, size_t parts, struct buf *out,
                          struct clock *ret_done)
{
    size_t count = 0;
    size_t left = parts;
    for (struct touched *t = pull->first; t != NULL && left > 0; t = t->next, left--)
        count += t->dots_count;
    buf_put_varint(out, count);
    left = parts;
    for (struct touched *t = pull->first; t != NULL && left > 0; t = t->next, left--) {
        for (size_t i = 0; i < t->dots_count; i++) {
            buf_put_dot(out, t->dots[i].dot);
            buf_put_bytes(out, t->dots[i].entry);
            clock_add(ret_done, t->dots[i].dot);
        }
    }
}

/* What the asker lacks, and did not know of when it said what it wants: mostly what is just being
 * written. The wanted rows show it already; the other rows of the same batch must go with them, and
 * the dots: were this replica lost before they come by themselves, those rows would be nobody's. */
static enum err gather_beside(struct pull *pull, struct range_state *r, const struct clock *wanted,
                              const struct clock *have)
{
    struct clock lacks, beside;
    enum err err = ERR_OK;
    clock_init(&lacks);
    clock_init(&beside);
    clock_missing(&r->clock, have, &lacks);
    clock_missing(&lacks, wanted, &beside);
    pull->beside = true;
    pull->entries = 0;
    for (size_t i = 0; i < beside.count && err == ERR_OK; i++)
        err = gather_actor(pull, r, &beside.entries[i]);
    clock_close(&beside);
    clock_close(&lacks);
    return err;
}

enum err engine_log_read(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct clock *wanted, const struct clock *have, size_t bytes_max,
                         struct buf *ret_bytes, struct clock *ret_done)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct arena arena;
    struct buf parts;
    size_t count = 0;
    enum err err = r->err;
    arena_init(&arena);
    buf_init(&parts, BUF_MAX_DEFAULT);
    struct pull pull = {.e = e, .arena = &arena};
    pull.last = &pull.first;
    omap_init(&pull.by_key);
    /* Only what is durable goes out: the rows carry what other writes did to them too, and such a
     * write may yet be lost here, with its dot, in a power cut; who got it would have to name it.
     */
    for (size_t i = 0; i < wanted->count && err == ERR_OK; i++)
        err = gather_actor(&pull, r, &wanted->entries[i]);
    if (err == ERR_OK)
        err = gather_beside(&pull, r, wanted, have);
    if (err == ERR_OK)
        err = write_states(&pull, bytes_max, &parts, &count);
    clock_close(ret_done);
    buf_clear(ret_bytes);
    buf_put_u8(ret_bytes, PULL_VERSION);
    buf_put_u8(ret_bytes, (uint8_t)(pull.too_many ? 0 : PULL_ALL_NAMED));
    buf_put_varint(ret_bytes, count);
    buf_put_bytes(ret_bytes, buf_bytes(&parts));
    if (err == ERR_OK) {
        write_entries(&pull, count, ret_bytes, ret_done);
        err = buf_finish(ret_bytes);
    }
    omap_close(&pull.by_key);
    buf_close(&parts);
    arena_close(&arena);
    return engine_note(e, err);
}

/* --- taking */

struct taken {
    struct engine *e;
    struct range_state *range;
    struct arena *arena;
    struct part *parts; /* as they came */
    size_t parts_count;
    int64_t *bounds;  /* by part: of what the giver has dropped there */
    bool *left_out;   /* by part: it needs the context, which is not to be trusted, or much work */
    struct dot *dots; /* that the clock gets with the pull; room for one more per part */
    struct bytes *entries; /* of these dots */
    size_t *part_of;       /* which part a dot's entry names; parts_count: none */
    size_t dots_count;
    struct clock known; /* the clock with these dots */
    bool all_named;
};

/* Entries come in the order of the parts, several for each: `from` is that of the one before. */
static size_t find_part(const struct taken *t, const struct shape *shape, size_t from)
{
    size_t i = from;
    while (i < t->parts_count &&
           (t->parts[i].token != shape->token || t->parts[i].table != shape->table ||
            !bytes_equal(t->parts[i].key, shape->key)))
        i++;
    return i;
}

/* Read the entries of dots that are not in the clock. */
static enum err read_entries(struct taken *t, struct reader *in)
{
    uint64_t count = read_varint(in);
    if (in->failed || count > (uint64_t)2 * PULL_ENTRIES_MAX)
        return ERR_MALFORMED;
    t->dots = arena_array(t->arena, struct dot, count + t->parts_count);
    t->entries = arena_array(t->arena, struct bytes, count);
    t->part_of = arena_array(t->arena, size_t, count);
    size_t part = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct shape shape;
        struct dot dot = read_dot(in);
        const uint8_t *start = in->at;
        if (in->failed || dot.n < 1 || dot.n > DOT_N_MAX ||
            !engine_shape_read(in, t->arena, &shape))
            return ERR_MALFORMED;
        if (clock_has(&t->range->clock, dot))
            continue;
        t->entries[t->dots_count] = bytes_make(start, (size_t)(in->at - start));
        part = find_part(t, &shape, part < t->parts_count ? part : 0);
        part = part < t->parts_count ? part : find_part(t, &shape, 0);
        t->part_of[t->dots_count] = part;
        t->dots[t->dots_count++] = dot;
    }
    return reader_finish(in);
}

static enum err read_pull(struct taken *t, struct bytes in)
{
    struct reader reader = reader_make(in);
    uint8_t version = read_u8(&reader);
    uint8_t flags = read_u8(&reader);
    uint64_t count = read_varint(&reader);
    if (reader.failed || version != PULL_VERSION || flags > PULL_ALL_NAMED ||
        count > PULL_ENTRIES_MAX)
        return ERR_MALFORMED;
    t->all_named = (flags & PULL_ALL_NAMED) != 0;
    t->parts = arena_array(t->arena, struct part, count);
    t->bounds = arena_array(t->arena, int64_t, count);
    t->left_out = arena_array(t->arena, bool, count);
    for (; t->parts_count < count; t->parts_count++) {
        t->bounds[t->parts_count] = read_i64(&reader);
        enum err err = part_read(&reader, t->arena, &t->parts[t->parts_count]);
        if (err != ERR_OK)
            return err;
    }
    return read_entries(t, &reader);
}

/* What is new of one part into the batch. */
static enum err take_part(struct taken *t, size_t i, const struct clock *context, bool trusted)
{
    struct engine *e = t->e;
    const struct part *p = &t->parts[i];
    struct part rest, stray;
    int64_t bound;
    enum err err = engine_read_purged(e, p->table, p->token, &bound);
    if (err != ERR_OK) /* that of the giver could not be added */
        return err;
    part_drop_known(p, &t->range->clock, t->arena, &rest);
    struct dot dot = engine_name(e, t->range, &t->known, &rest, t->arena, &stray);
    err = engine_batch_context(e, t->range, &rest, context, trusted);
    if (err == ERR_BEHIND) {
        t->left_out[i] = true;
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
    engine_batch_purged(e, p->table, p->token, t->bounds[i]);
    if (!MUTANT(pull_without_rows))
        engine_batch_part(e, t->range, &rest);
    if (!MUTANT(pull_not_counted))
        counter_sets_feed(&e->counters, &rest);
    if (dot.n > 0) { /* what no dot of the clock or of the pull tells of */
        engine_put_shape(e, t->range, dot, &stray);
        clock_add(&t->known, dot);
        t->dots[t->dots_count++] = dot;
    }
    return ERR_OK;
}

/* Of what is left out the dots are missing still. */
static void keep_entries(struct taken *t, size_t entries)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->dots_count; i++) {
        bool out = i < entries && t->part_of[i] < t->parts_count && t->left_out[t->part_of[i]];
        if (out)
            continue;
        if (i < entries)
            engine_put_entry(t->e, t->range, t->dots[i], t->entries[i]);
        t->dots[kept++] = t->dots[i];
    }
    t->dots_count = kept;
}

/* All of the pull into the batch; then t->dots are those that the clock gets with it. */
static enum err take_pull(struct taken *t, struct bytes in, const struct clock *context,
                          bool trusted)
{
    enum err err = read_pull(t, in);
    size_t entries = t->dots_count;
    clock_copy(&t->known, &t->range->clock);
    for (size_t i = 0; i < entries && err == ERR_OK; i++)
        clock_add(&t->known, t->dots[i]);
    /* Of the context a part needs the dots that touched it; of all others it says nothing. */
    if (context != NULL && !trusted)
        trusted = t->all_named || clock_covers(&t->known, context);
    for (size_t i = 0; i < t->parts_count && err == ERR_OK; i++)
        err = take_part(t, i, context, trusted);
    if (err != ERR_OK)
        return err;
    keep_entries(t, entries);
    return engine_batch_check(t->e);
}

enum err engine_log_apply(struct engine *e, keyspace_no keyspace, range_no range, struct bytes in,
                          const struct clock *context, bool trusted, uint64_t ticket)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct arena arena;
    struct taken t = {.e = e, .range = r, .arena = &arena};
    if (r->err != ERR_OK)
        return r->err;
    arena_init(&arena);
    clock_init(&t.known);
    engine_batch_begin(e);
    enum err err = take_pull(&t, in, context, trusted);
    if (err == ERR_OK) {
        for (size_t i = 0; i < t.dots_count && !MUTANT(pull_without_clock); i++)
            engine_range_add(e, r, t.dots[i]);
        e->stats.bytes_written += e->batch.ops.len;
        engine_batch_write(e, ticket);
    } else {
        engine_batch_undo(e);
        counter_sets_drop_all(&e->counters); /* they may have heard of what was not written */
    }
    clock_close(&t.known);
    arena_close(&arena);
    return err;
}
