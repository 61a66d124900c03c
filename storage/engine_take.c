/* engine_take.c - taking what another replica gave: the grammar is in engine_pull.c. */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_pull.h"

#include <stdlib.h>

struct taken {
    struct engine *e;
    struct range_state *range;
    struct arena *arena;
    struct part *parts; /* as they came */
    size_t parts_count;
    struct answer *answers; /* by part: where it shows all that the giver has */
    bool old;               /* this disk is: what is not shown goes */
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

static bool row_shows(const struct row *row, struct dot dot)
{
    bool shows = row != NULL && dot_compare(row->deletion.dot, dot) == 0;
    for (size_t i = 0; row != NULL && i < row->cells_count && !shows; i++)
        shows = row->cells[i].kind != CELL_LIVE && dot_compare(row->cells[i].dot, dot) == 0;
    return shows;
}

static bool range_is_shown(const struct part *p, const struct scan_slice *range, struct dot dot)
{
    bool shown = false;
    for (size_t i = 0; i < p->tombs_count && !shown; i++) {
        const struct range_tomb *t = &p->tombs[i];
        shown = dot_compare(t->tomb.dot, dot) == 0 && bytes_equal(t->start, range->start) &&
                bytes_equal(t->end, range->end);
    }
    return shown;
}

/* What the entry names is shown as the giver has it; and is looked at where the dot may have
 * deleted something that is dropped by now: else who has lost rows, and does not know it, would
 * have others remove them. */
static void note_shown(struct taken *t, struct answer *a, struct dot dot, const struct shape *shape)
{
    const struct part *p = a->part;
    if ((shape->flags & SHAPE_GARBAGE) == 0 && !MUTANT(lost_rows_win))
        return;
    bool may_be_shown = !p->siblings && (shape->flags & SHAPE_SEVERAL) == 0;
    bool deletes = (shape->flags & SHAPE_DELETION) != 0 && dot_compare(p->deletion.dot, dot) != 0;
    a->all_may_lack = a->all_may_lack || deletes || (shape->flags & SHAPE_WHOLE) != 0;
    a->has_static =
        a->has_static || ((shape->flags & SHAPE_STATIC) != 0 &&
                          !(may_be_shown && p->has_static && row_shows(&p->static_row, dot)));
    for (size_t i = 0; i < shape->rows_count; i++) {
        if (may_be_shown && row_shows(part_find_row(p, shape->rows[i]), dot))
            continue;
        a->rows = arena_grow(t->arena, a->rows, a->rows_count, &a->rows_cap, sizeof *a->rows);
        a->rows[a->rows_count++] = shape->rows[i];
    }
    for (size_t i = 0; i < shape->ranges_count && (a->shows_ranges || a->whole); i++) {
        if (range_is_shown(p, &shape->ranges[i], dot))
            continue;
        a->ranges =
            arena_grow(t->arena, a->ranges, a->ranges_count, &a->ranges_cap, sizeof *a->ranges);
        a->ranges[a->ranges_count++] = shape->ranges[i];
    }
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
        part = find_part(t, &shape, part < t->parts_count ? part : 0);
        part = part < t->parts_count ? part : find_part(t, &shape, 0);
        if (clock_has(&t->range->clock, dot))
            continue;
        if (part < t->parts_count)
            note_shown(t, &t->answers[part], dot, &shape);
        t->entries[t->dots_count] = bytes_make(start, (size_t)(in->at - start));
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
    t->answers = arena_array(t->arena, struct answer, count);
    t->left_out = arena_array(t->arena, bool, count);
    for (; t->parts_count < count; t->parts_count++) {
        struct answer *a = &t->answers[t->parts_count];
        uint8_t shown = read_u8(&reader);
        *a = (struct answer){.part = &t->parts[t->parts_count]};
        a->whole = (shown & PULL_SHOWS_ALL) != 0;
        a->shows_ranges = (shown & PULL_SHOWS_RANGES) != 0;
        a->bound = read_i64(&reader);
        enum err err = part_read(&reader, t->arena, &t->parts[t->parts_count]);
        if (err != ERR_OK || shown > (PULL_SHOWS_ALL | PULL_SHOWS_RANGES))
            return err != ERR_OK ? err : ERR_MALFORMED;
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
    struct answer *answer = &t->answers[i];
    answer->whole = answer->whole && answer->all_may_lack;
    answer->has_static = answer->has_static || answer->whole;
    if (answer->rows_count > 1)
        qsort(answer->rows, answer->rows_count, sizeof *answer->rows, pull_row_compare);
    answer->ranges_count = pull_merge_ranges(answer->ranges, answer->ranges_count);
    engine_batch_purged(e, p->table, p->token, answer->bound);
    engine_note_timestamp(e, p->table, p->token, answer->bound);
    err = engine_batch_context(e, t->range, &rest, context, t->old ? answer : NULL, trusted);
    if (err == ERR_BEHIND) {
        t->left_out[i] = true;
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
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
                          const struct clock *context, bool trusted, bool old, uint64_t ticket)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct arena arena;
    struct taken t = {.e = e,
                      .range = r,
                      .arena = &arena,
                      .old = (old && !MUTANT(absent_kept)) || MUTANT(lost_values_win)};
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
