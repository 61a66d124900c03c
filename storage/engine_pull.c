/* engine_pull.c - giving another replica what it lacks (engine_take.c takes it).
 *
 *   pull (sent) = u8 version 1, u8 flags, varint parts, (u8 shown, i64 bound, part)*,
 *           varint entries, (dot, entry)*
 *           flags: 1 all is named; entry: engine_log.c
 *           shown: 1 all rows of the partition, 2 all rows in the ranges of its entries
 *           bound: of what was dropped in partitions like this one
 *
 * Do not renumber.
 *
 * A pull carries the state of what the dots touched, not the writes: what was overwritten meanwhile
 * is not sent. With every row go the deletions that cover it, because they may be what became of
 * the dot's effect: else the receiver's clock would claim a dot whose effect it has in no form.
 *
 * What was dropped is not sent at all. But whoever has its dot from then on must know the bound of
 * its timestamp, else it would take an older write for one that nothing was ever against, and mint
 * it without a context; replicas that have the deletion still would keep the write down. And what
 * it deleted must go there, too: the receiver sees that it has something of which the giver's clock
 * has the dot, and the answer nothing (engine_context.c). That says something only where all is
 * shown. So of a deletion of rows or of the partition that is not here any more, all that it
 * covered is.
 *
 * And with every partition go the entries of other dots that touched it and that the asker has not
 * heard of: what of it is shown already must have a name there, too. All is named, unless they are
 * too many to be looked at, or the log does not tell of some any more; then a partition may have
 * been touched by dots that do not come with it.
 */
#include "storage/engine_pull.h"
#include "base/mem.h"
#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

#define PULL_BYTES_MAX WRITE_BYTES_MAX
#define SHOWN_MAX      ((size_t)4 << 20) /* read to show what became of a deletion */

/* --- giving */

struct named { /* a dot, and its entry in the log */
    struct dot dot;
    struct bytes entry;
};

/* What is to be read of one partition, gathered from the entries of several dots. */
struct touched {
    struct shape sum;
    struct dot *range_dots; /* who deleted each of its ranges */
    size_t ranges_cap, range_dots_cap, rows_cap;
    struct dot deletion; /* the last one that deleted the partition */
    size_t deletions;    /* so many did */
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
    if ((shape->flags & SHAPE_DELETION) != 0) {
        t->deletion = named.dot;
        t->deletions++;
    }
    for (size_t i = 0; i < shape->ranges_count; i++) {
        sum->ranges = arena_grow(pull->arena, sum->ranges, sum->ranges_count, &t->ranges_cap,
                                 sizeof *sum->ranges);
        t->range_dots = arena_grow(pull->arena, t->range_dots, sum->ranges_count,
                                   &t->range_dots_cap, sizeof *t->range_dots);
        t->range_dots[sum->ranges_count] = named.dot;
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

int pull_row_compare(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static int range_compare(const void *a, const void *b)
{
    const struct scan_slice *x = a;
    const struct scan_slice *y = b;
    return bytes_compare(x->start, y->start);
}

size_t pull_merge_ranges(struct scan_slice *ranges, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(ranges, count, sizeof *ranges, range_compare);
    for (size_t i = 0; i < count; i++) {
        struct scan_slice *last = kept > 0 ? &ranges[kept - 1] : NULL;
        if (last == NULL || (last->end.len > 0 && bytes_compare(last->end, ranges[i].start) < 0))
            ranges[kept++] = ranges[i];
        else if (range_end_compare(ranges[i].end, last->end) > 0)
            last->end = ranges[i].end;
    }
    return kept;
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

/* The pieces of deletions there. */
static void add_tombs(const struct rows *rows, struct bytes start, struct bytes end,
                      struct part *out)
{
    struct part piece = rows->head;
    part_cut_tombs(&piece, start, end, rows->arena);
    for (size_t k = 0; k < piece.tombs_count; k++)
        out->tombs[out->tombs_count++] = piece.tombs[k];
}

/* Is the deletion of the partition gone that it was touched by, or may be? Of several it is not
 * known whether the one that is here came before another one was dropped. */
static bool deletion_is_gone(const struct touched *t, const struct part *head)
{
    return t->deletions > 1 ||
           (t->deletions == 1 && dot_compare(head->deletion.dot, t->deletion) != 0);
}

/* ... or one of the ranges, or a piece of it. */
static bool range_is_gone(const struct touched *t, const struct part *head, struct arena *arena)
{
    bool whole = true;
    for (size_t i = 0; i < t->sum.ranges_count && whole; i++) {
        const struct scan_slice *range = &t->sum.ranges[i];
        struct part piece = *head;
        struct bytes upto = range->start;
        part_cut_tombs(&piece, range->start, range->end, arena);
        for (size_t k = 0; k < piece.tombs_count && whole; k++) {
            whole = dot_compare(piece.tombs[k].tomb.dot, t->range_dots[i]) == 0 &&
                    bytes_equal(piece.tombs[k].start, upto);
            upto = piece.tombs[k].end;
        }
        whole = whole && piece.tombs_count > 0 && range_end_compare(upto, range->end) == 0;
    }
    return !whole;
}

/* Rows with start <= key < end; ERR_TOO_BIG: too much was read by then. */
static enum err read_rows(struct rows *rows, struct bytes start, struct bytes end, size_t bytes_max,
                          struct part *out, size_t *cap)
{
    struct row row;
    enum err err;
    rows_seek(rows, start);
    while ((err = rows_next(rows, false, &row)) == ERR_OK && range_before_end(row.key, end)) {
        if (rows->bytes > bytes_max)
            return ERR_TOO_BIG;
        add_row(rows->arena, out, cap, &row);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* The rows that were touched, each with the deletions that cover it. */
static enum err read_named_rows(struct rows *rows, const struct shape *s, struct part *out,
                                size_t *cap)
{
    struct row row;
    enum err err = ERR_OK;
    if (s->rows_count > 1)
        qsort(s->rows, s->rows_count, sizeof *s->rows, pull_row_compare);
    for (size_t i = 0; i < s->rows_count && err == ERR_OK; i++) {
        if (i > 0 && (bytes_equal(s->rows[i - 1], s->rows[i]) || MUTANT(pull_first_row)))
            continue;
        add_tombs(rows, s->rows[i], row_end(rows->arena, s->rows[i]), out);
        rows_seek(rows, s->rows[i]);
        err = rows_next(rows, false, &row);
        if (err == ERR_OK && bytes_equal(row.key, s->rows[i]))
            add_row(rows->arena, out, cap, &row);
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    return err;
}

/* All rows, where the entry of a dot or what became of it asks for them; else ERR_OK, and nothing.
 */
static enum err read_whole(struct rows *rows, const struct touched *t, bool dropped,
                           struct part *out, size_t *cap, unsigned *shown)
{
    bool must = (t->sum.flags & SHAPE_WHOLE) != 0;
    if (!must && !(dropped && deletion_is_gone(t, &rows->head)))
        return ERR_OK;
    enum err err =
        read_rows(rows, BYTES_NONE, BYTES_NONE, must ? PULL_BYTES_MAX : SHOWN_MAX, out, cap);
    if (err == ERR_OK)
        *shown = PULL_SHOWS_ALL;
    else if (err == ERR_TOO_BIG && !must)
        err = ERR_OK;
    return err;
}

static enum err read_ranges(struct rows *rows, struct touched *t, bool dropped, struct part *out,
                            size_t *cap, unsigned *shown)
{
    const struct shape *s = &t->sum;
    enum err err = ERR_OK;
    for (size_t i = 0; i < s->ranges_count; i++)
        add_tombs(rows, s->ranges[i].start, s->ranges[i].end, out);
    if (s->ranges_count == 0 || !dropped || !range_is_gone(t, &rows->head, rows->arena))
        return ERR_OK;
    size_t before = out->rows_count;
    size_t count = pull_merge_ranges(s->ranges, s->ranges_count); /* nobody needs them any more */
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = read_rows(rows, s->ranges[i].start, s->ranges[i].end, SHOWN_MAX, out, cap);
    if (err == ERR_OK)
        *shown = PULL_SHOWS_RANGES;
    if (err != ERR_TOO_BIG)
        return err;
    out->rows_count = before;
    return ERR_OK;
}

/* ret := the present state of what was touched, with all deletions that cover it. dropped: some may
 * be gone; what became of what they covered is shown then, too. */
static enum err read_touched(struct engine *e, struct touched *t, bool dropped, struct arena *arena,
                             struct part *ret, unsigned *ret_shown)
{
    struct shape *s = &t->sum;
    struct rows rows;
    size_t cap = 0;
    rows_init(&rows, e, arena, true);
    enum err err = rows_open(&rows, s->table, s->token, s->key);
    struct part out = rows.head;
    *ret_shown = 0;
    if (err == ERR_OK)
        err = read_whole(&rows, t, dropped, &out, &cap, ret_shown);
    if (err == ERR_OK && *ret_shown == 0) {
        if ((s->flags & SHAPE_STATIC) == 0 || MUTANT(pull_forgets_static)) {
            out.has_static = false;
            out.static_row = (struct row){.deletion = TOMB_NONE};
        }
        out.rows_count = 0;
        out.tombs = arena_array(arena, struct range_tomb,
                                (s->rows_count + s->ranges_count + 1) * (out.tombs_count + 1));
        out.tombs_count = 0;
        err = read_named_rows(&rows, s, &out, &cap);
        if (err == ERR_OK)
            err = read_ranges(&rows, t, dropped, &out, &cap, ret_shown);
        part_normalise(&out, arena);
    }
    enum err closed = rows_close(&rows);
    err = err != ERR_OK ? err : closed;
    if (err == ERR_OK)
        *ret = out;
    return err;
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
        int64_t bound = TIMESTAMP_NONE;
        unsigned shown = 0;
        size_t before = parts->len;
        enum err err = engine_read_purged(pull->e, t->sum.table, t->sum.token, &bound);
        if (err == ERR_OK)
            err = read_touched(pull->e, t, bound != TIMESTAMP_NONE, &arena, &p, &shown);
        if (err == ERR_OK) {
            buf_put_u8(parts, (uint8_t)shown);
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
    struct clock lacks, beside, pruned;
    enum err err = ERR_OK;
    clock_init(&lacks);
    clock_init(&beside);
    clock_init(&pruned);
    clock_missing(&r->clock, have, &lacks);
    clock_missing(&lacks, wanted, &beside);
    clock_common(&lacks, &r->log.floor, &pruned);
    pull->too_many |=
        !clock_empty(&pruned) && !MUTANT(pruned_is_named); /* they may have touched it */
    pull->beside = true;
    pull->entries = 0;
    for (size_t i = 0; i < beside.count && err == ERR_OK; i++)
        err = gather_actor(pull, r, &beside.entries[i]);
    clock_close(&pruned);
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
