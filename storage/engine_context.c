/* engine_context.c - what goes before a write with a context (docs/versions.md).
 *
 * A write that is older than a deletion T here, by its timestamp, was minted by a replica that had
 * T and has dropped it: then T was agreed, and may go here as well. It goes where the write is, and
 * no further: of a range what is left on both sides stays, a deletion of the partition becomes
 * ranges beside the write. So the work is that of the write, and the purge does the rest.
 *
 * A pull says more: where it shows all that its giver has, values of which his clock has the dot,
 * and which it does not show, were deleted there by something that has been dropped since. Who
 * never had that (his disk is an old one, or he is about to take the range over) keeps them
 * otherwise. Where nothing was ever dropped at the giver nobody looks.
 */
#include "storage/engine_settle.h"

#include "base/mutant.h"

#define CONTEXT_ROWS_MAX      64u    /* of more rows whole pieces of deletions go */
#define CONTEXT_FRAGMENTS_MAX 10000u /* read for one write */

struct stretch {
    struct bytes start, end;
    int64_t covered; /* smallest timestamp of what the message has there */
    enum { ALL, RANGE, ONE_ROW, ALL_ROWS } what; /* what lies there in the message */
};

struct stretches {
    struct stretch *items;
    size_t count;
};

static struct bytes behind(struct arena *arena, struct bytes key)
{
    uint8_t *copy = arena_zero(arena, key.len + 1);
    for (size_t i = 0; i < key.len; i++)
        copy[i] = key.data[i];
    return bytes_make(copy, key.len + 1);
}

/* The rows of the message in a piece of a deletion here; INT64_MAX when there is none. */
static int64_t least_in(const struct part *p, const struct range_tomb *t)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < p->rows_count; i++) {
        const struct row *row = &p->rows[i];
        int64_t min = row_min_timestamp(row);
        if (bytes_compare(row->key, t->start) >= 0 && range_before_end(row->key, t->end))
            least = min < least ? min : least;
    }
    return least;
}

static void add_stretch(struct stretches *s, struct stretch stretch)
{
    s->items[s->count++] = stretch;
}

/* Where the message has anything that a deletion of the head could cover. Of many rows, the pieces
 * of deletions that they are under. */
static struct stretches find_stretches(const struct part *p, const struct part *head,
                                       struct arena *arena)
{
    bool single = p->rows_count <= CONTEXT_ROWS_MAX;
    size_t most = p->tombs_count + head->tombs_count + CONTEXT_ROWS_MAX + 2;
    struct stretches out = {arena_array(arena, struct stretch, most), 0};
    const struct range_tomb all = {{NULL, 0}, {NULL, 0}, head->deletion};
    if (!tomb_is_none(&p->deletion))
        add_stretch(&out, (struct stretch){.covered = p->deletion.timestamp, .what = ALL});
    for (size_t i = 0; i < p->tombs_count; i++) {
        const struct range_tomb *t = &p->tombs[i];
        add_stretch(&out, (struct stretch){t->start, t->end, t->tomb.timestamp, RANGE});
    }
    for (size_t i = 0; i < p->rows_count && single; i++) {
        const struct row *row = &p->rows[i];
        add_stretch(&out, (struct stretch){row->key, behind(arena, row->key),
                                           row_min_timestamp(row), ONE_ROW});
    }
    for (size_t i = 0; i < head->tombs_count && !single; i++) {
        const struct range_tomb *t = &head->tombs[i];
        add_stretch(&out, (struct stretch){t->start, t->end, least_in(p, t), RANGE});
    }
    if (!single && !tomb_is_none(&head->deletion))
        add_stretch(&out, (struct stretch){.covered = least_in(p, &all), .what = RANGE});
    if (!single) /* garbage of the rows themselves */
        add_stretch(&out,
                    (struct stretch){p->rows[0].key, behind(arena, p->rows[p->rows_count - 1].key),
                                     INT64_MAX, ALL_ROWS});
    return out;
}

struct carve {
    struct settle settle;
    const struct garbage_rule *rule;
    const struct part *message;
    struct arena *arena;
    struct part head; /* as it becomes */
    bool whole_gone;  /* the partition's deletion */
    bool scattered;   /* the partition's deletion has become ranges */
    bool any;         /* of the head goes something */
};

/* The deletion of the partition as ranges over all rows, and over the static row. */
static void scatter(struct carve *c)
{
    struct range_tomb *all = arena_array(c->arena, struct range_tomb, 1);
    struct part *h = &c->head;
    struct tomb deletion = h->deletion;
    all->tomb = deletion;
    struct tomb_list tombs = tombs_overlay((struct tomb_list){h->tombs, h->tombs_count},
                                           (struct tomb_list){all, 1}, c->arena);
    h->tombs = tombs.items;
    h->tombs_count = tombs.count;
    h->deletion = TOMB_NONE;
    h->static_row.deletion = tomb_max(&h->static_row.deletion, &deletion);
    h->has_static = true;
    c->scattered = true;
}

/* Take out of the head what goes in the stretch; true when something did. */
static bool carve_head(struct carve *c, const struct stretch *at)
{
    const struct tomb *whole = &c->settle.rows.head.deletion;
    struct tomb_list inside, outside, left;
    bool any = !c->whole_gone && tomb_goes(c->rule, whole, at->covered);
    if (at->what == ALL) { /* ranges stay beside a deletion of the partition */
        if (any)
            c->head.deletion = TOMB_NONE;
        c->whole_gone |= any;
        c->any |= any;
        return any;
    }
    if (any && !c->scattered)
        scatter(c);
    struct tomb_list tombs = {c->head.tombs, c->head.tombs_count};
    tombs_split(tombs, at->start, at->end, c->arena, &inside, &outside);
    left = (struct tomb_list){arena_array(c->arena, struct range_tomb, inside.count), 0};
    for (size_t i = 0; i < inside.count; i++) {
        if (tomb_goes(c->rule, &inside.items[i].tomb, at->covered)) {
            int64_t timestamp = inside.items[i].tomb.timestamp;
            c->settle.newest = timestamp > c->settle.newest ? timestamp : c->settle.newest;
            any = true;
        } else {
            left.items[left.count++] = inside.items[i];
        }
    }
    if (!any)
        return false;
    if (c->scattered && !tomb_goes(c->rule, whole, at->covered)) { /* what the ranges hid stays */
        struct range_tomb *below = arena_array(c->arena, struct range_tomb, 1);
        *below = (struct range_tomb){at->start, at->end, *whole};
        left = tombs_overlay(left, (struct tomb_list){below, 1}, c->arena);
    }
    left = tombs_overlay(left, outside, c->arena);
    c->head.tombs = left.items;
    c->head.tombs_count = left.count;
    c->any = true;
    return true;
}

/* The static row of the message, or its deletion of the partition: the deletion here, and garbage
 * of the row go before it. */
static void carve_static(struct carve *c)
{
    const struct part *m = c->message;
    const struct row *in = m->has_static ? &m->static_row : NULL;
    const struct tomb *whole = &c->settle.rows.head.deletion;
    struct row own = c->settle.rows.head.static_row; /* covered by the deletion */
    int64_t covered = in != NULL ? row_min_timestamp(in) : INT64_MAX;
    if (!tomb_is_none(&m->deletion) && m->deletion.timestamp < covered)
        covered = m->deletion.timestamp;
    bool whole_goes = tomb_goes(c->rule, whole, covered);
    if (whole_goes && !c->scattered && !c->whole_gone)
        scatter(c);
    bool taken = settle_take(&c->settle, &own, NULL, &c->head.static_row);
    if (c->scattered && !whole_goes)
        c->head.static_row.deletion = tomb_max(&c->head.static_row.deletion, whole);
    c->head.has_static = !row_is_empty(&c->head.static_row);
    c->any |= taken || whole_goes;
}

static enum err carve_stretch(struct carve *c, const struct stretch *at)
{
    struct settle *s = &c->settle;
    struct bytes next;
    struct row row;
    bool done = true;
    enum err err = ERR_OK;
    bool any = carve_head(c, at);
    if (at->what == ONE_ROW) {
        rows_seek(&s->rows, at->start);
        if (!rows_in_part(&s->rows))
            return rows_error(&s->rows);
        err = rows_peek(&s->rows, &next);
        if (err == ERR_OK && bytes_equal(next, at->start))
            err = settle_row(s, &row);
    } else if (any || at->what == ALL_ROWS) {
        err = settle_rows(s, at->start, at->end, CONTEXT_FRAGMENTS_MAX, &done, &next);
    }
    return err == ERR_OK && !done ? ERR_BEHIND : err;
}

/* What a pull shows all of: rows that the giver has no more go. All of these are looked at, however
 * many they are, as the giver has done; what is too much to remove goes the next time. */
static enum err carve_shown(struct carve *c)
{
    static const struct scan_slice all = {{NULL, 0}, {NULL, 0}};
    struct settle *s = &c->settle;
    const struct answer *a = s->answer;
    size_t ranges = a->whole ? 1 : a->ranges_count;
    struct bytes next;
    struct row row;
    enum err err = ERR_OK;
    bool done = true;
    for (size_t i = 0; i < a->rows_count && err == ERR_OK && !a->whole; i++) {
        if (i > 0 && bytes_equal(a->rows[i], a->rows[i - 1]))
            continue;
        rows_seek(&s->rows, a->rows[i]);
        err = rows_error(&s->rows);
        if (err != ERR_OK || !rows_in_part(&s->rows))
            continue;
        err = rows_peek(&s->rows, &next);
        if (err == ERR_OK && bytes_equal(next, a->rows[i]))
            err = settle_row(s, &row);
    }
    for (size_t i = 0; i < ranges && err == ERR_OK && done; i++) {
        const struct scan_slice *range = a->whole ? &all : &a->ranges[i];
        err = settle_rows(s, range->start, range->end, SIZE_MAX, &done, &next);
    }
    return err == ERR_OK && !done ? ERR_BEHIND : err;
}

static enum err carve(struct carve *c)
{
    struct settle *s = &c->settle;
    const struct part *m = c->message;
    enum err err = settle_open(s, m->table, m->token, m->key);
    if (err != ERR_OK)
        return err;
    c->head = s->rows.head;
    if (tomb_goes(c->rule, &c->head.deletion, part_min_timestamp(m)))
        s->newest = c->head.deletion.timestamp;
    struct stretches all = find_stretches(m, &s->rows.head, c->arena);
    for (size_t i = 0; i < all.count && err == ERR_OK; i++)
        err = carve_stretch(c, &all.items[i]);
    if (err == ERR_OK && s->answer != NULL)
        err = carve_shown(c);
    if (err == ERR_OK && (m->has_static || !tomb_is_none(&m->deletion) ||
                          (s->answer != NULL && s->answer->has_static)))
        carve_static(c);
    if (err == ERR_OK && c->any) {
        settle_head(s, &c->head);
        engine_batch_garbage(s->e, s->range, &c->head);
    }
    return err;
}

static bool shows_any(const struct answer *a)
{
    return a->whole || a->has_static || a->rows_count > 0 || a->ranges_count > 0;
}

enum err engine_batch_context(struct engine *e, struct range_state *r, const struct part *p,
                              const struct clock *context, const struct answer *answer,
                              bool trusted)
{
    bool covered = !p->siblings && part_min_timestamp(p) <= r->garbage_newest;
    if (answer != NULL && (answer->bound == TIMESTAMP_NONE || !shows_any(answer)))
        answer = NULL; /* nothing is gone there that is not deleted here */
    if (context == NULL || (!covered && answer == NULL) || MUTANT(context_ignored))
        return ERR_OK;
    struct garbage_rule rule = {.dots = context, .is_context = true};
    struct arena arena;
    size_t len = e->batch.ops.len;
    size_t count = e->batch.count;
    struct engine_stats stats = e->stats;
    arena_init(&arena);
    struct carve c = {.rule = &rule, .message = p, .arena = &arena};
    settle_init(&c.settle, e, r, &rule, p, &arena);
    c.settle.answer = answer;
    enum err err = carve(&c);
    bool changed = c.settle.changed;
    bool some = err == ERR_BEHIND && answer != NULL && trusted; /* the rest goes the next time */
    if (err == ERR_OK && changed && !trusted)
        err = ERR_BEHIND;
    else if (err == ERR_BEHIND)
        key_part(&r->urgent, p->table, p->token, p->key);
    if (err == ERR_OK || some) {
        settle_note(&c.settle);
    } else {
        e->batch.ops.len = len;
        e->batch.count = count;
        e->stats = stats;
    }
    enum err closed = settle_close(&c.settle);
    arena_close(&arena);
    return err != ERR_OK ? err : closed;
}
