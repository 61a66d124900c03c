#include "gen.h"

#include "base/mem.h"

#include <string.h>

const char *const gen_keys[] = {"a", "ab", "b", "ba", "c", "d"};
const size_t gen_keys_count = ARRAY_LEN(gen_keys);
static const char *const bounds[] = {"", "a", "aa", "ab", "b", "b0", "c", "d", "e"};

struct bytes gen_row_key(struct rng *r)
{
    return bytes_text(gen_keys[rng_below(r, gen_keys_count)]);
}

static struct bytes small_value(struct rng *r)
{
    static const char *const values[] = {"", "x", "y", "xy", "z"};
    return bytes_text(values[rng_below(r, ARRAY_LEN(values))]);
}

static struct cell gen_cell(struct rng *r, struct dot dot)
{
    struct cell c = {.column = (uint32_t)rng_below(r, 4), .dot = dot};
    c.kind = (enum cell_kind)rng_below(r, 3);
    c.timestamp = rng_between(r, 1, 12);
    if (c.column == 3) { /* a collection: elements, or its tombstone */
        c.has_path = rng_chance(r, 700000);
        if (c.has_path)
            c.path = small_value(r);
        else
            c.kind = CELL_TOMBSTONE;
    }
    if (c.kind == CELL_EXPIRING)
        c.ttl = (int32_t)rng_between(r, 1, 3);
    if (c.kind != CELL_LIVE)
        c.time_s = rng_between(r, 100, 103);
    if (c.kind != CELL_TOMBSTONE && c.column != COLUMN_MARKER)
        c.value = small_value(r);
    return c;
}

struct event event_deletion(enum event_kind kind, const char *start, const char *end,
                            int64_t timestamp)
{
    struct event e = {.kind = kind, .row = bytes_text(start)};
    e.start = e.row;
    e.end = bytes_text(end);
    e.tomb = (struct tomb){timestamp, 5, {{0, 0}, 0}};
    return e;
}

struct event gen_event(struct rng *r, struct dot dot)
{
    struct event e = {.kind = EVENT_CELL};
    uint64_t choice = rng_below(r, 100);
    e.tomb = (struct tomb){rng_between(r, 1, 12), rng_between(r, 100, 103), dot};
    e.cell = gen_cell(r, dot);
    e.row = gen_row_key(r);
    if (choice < 3) {
        e.kind = EVENT_PART;
    } else if (choice < 20) {
        uint64_t from = rng_below(r, ARRAY_LEN(bounds) - 1);
        uint64_t to = from + 1 + rng_below(r, ARRAY_LEN(bounds) - from);
        e.kind = EVENT_RANGE;
        e.start = bytes_text(bounds[from]);
        e.end = to < ARRAY_LEN(bounds) ? bytes_text(bounds[to]) : BYTES_NONE;
    } else if (choice < 30) {
        e.kind = EVENT_ROW;
    } else if (choice < 40) {
        e.kind = EVENT_STATIC;
    }
    return e;
}

struct part gen_part(const struct event *events, size_t count, struct arena *arena)
{
    struct part p = {.table = 7, .token = -5, .key = BYTES_LIT("k"), .deletion = TOMB_NONE};
    p.rows = arena_array(arena, struct row, count);
    p.tombs = arena_array(arena, struct range_tomb, count);
    p.static_row.deletion = TOMB_NONE;
    p.static_row.cells = arena_array(arena, struct cell, count);
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &events[i];
        struct row row = {.key = e->row, .deletion = TOMB_NONE};
        switch (e->kind) {
        case EVENT_PART:
            if (tomb_wins(&e->tomb, &p.deletion))
                p.deletion = e->tomb;
            break;
        case EVENT_RANGE:
            p.tombs[p.tombs_count++] = (struct range_tomb){e->start, e->end, e->tomb};
            break;
        case EVENT_ROW:
            row.deletion = e->tomb;
            p.rows[p.rows_count++] = row;
            break;
        case EVENT_CELL:
            row.cells = arena_array(arena, struct cell, 1);
            row.cells[row.cells_count++] = e->cell;
            p.rows[p.rows_count++] = row;
            break;
        case EVENT_STATIC:
            p.has_static = true;
            p.static_row.cells[p.static_row.cells_count++] = e->cell;
            break;
        }
    }
    part_normalise(&p, arena);
    return p;
}

/* --- the model */

/* Written again from the rule in the design, not from part.c: a lexicographic list of reasons. */
static bool beats(const struct cell *a, const struct cell *b)
{
    int64_t reasons[4] = {a->timestamp - b->timestamp,
                          (int64_t)(a->kind != CELL_LIVE) - (b->kind != CELL_LIVE),
                          (int64_t)(a->kind == CELL_TOMBSTONE) - (b->kind == CELL_TOMBSTONE),
                          a->kind != CELL_LIVE ? a->time_s - b->time_s : 0};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i] != 0)
            return reasons[i] > 0;
    }
    size_t len = a->value.len < b->value.len ? a->value.len : b->value.len;
    int c = len > 0 ? memcmp(a->value.data, b->value.data, len) : 0;
    if (c == 0)
        c = (a->value.len > b->value.len) - (a->value.len < b->value.len);
    if (c != 0)
        return c > 0;
    if (a->ttl != b->ttl)
        return a->ttl < b->ttl;
    return dot_compare(a->dot, b->dot) > 0;
}

static bool in_range(const struct event *e, struct bytes key)
{
    return bytes_compare(e->start, key) <= 0 && (e->end.len == 0 || bytes_compare(key, e->end) < 0);
}

static bool stronger(const struct tomb *a, const struct tomb *b)
{
    return a->timestamp != b->timestamp ? a->timestamp > b->timestamp
           : a->time_s != b->time_s     ? a->time_s > b->time_s
                                        : dot_compare(a->dot, b->dot) > 0;
}

/* The strongest of the chosen kinds of deletion at a key; kinds is a bit set. */
static struct tomb strongest(const struct event *events, size_t count, unsigned kinds,
                             struct bytes key)
{
    struct tomb best = TOMB_NONE;
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &events[i];
        bool here = e->kind == EVENT_PART || (e->kind == EVENT_RANGE && in_range(e, key)) ||
                    (e->kind == EVENT_ROW && bytes_equal(e->row, key));
        if ((kinds >> e->kind & 1) != 0 && here && stronger(&e->tomb, &best))
            best = e->tomb;
    }
    return best;
}

static bool same_place(const struct cell *a, const struct cell *b)
{
    return a->column == b->column && a->has_path == b->has_path && bytes_equal(a->path, b->path);
}

static bool of_row(const struct event *e, const char *key)
{
    return key == NULL ? e->kind == EVENT_STATIC
                       : e->kind == EVENT_CELL && bytes_equal_text(e->row, key);
}

/* key NULL: the static row. */
static struct row model_row(const struct event *events, size_t count, const char *key,
                            struct arena *arena)
{
    struct row row = {.key = key != NULL ? bytes_text(key) : BYTES_NONE, .deletion = TOMB_NONE};
    unsigned wide = key != NULL ? 1u << EVENT_PART | 1u << EVENT_RANGE : 1u << EVENT_PART;
    unsigned all = key != NULL ? wide | 1u << EVENT_ROW : wide;
    struct tomb cover = strongest(events, count, wide, row.key);
    struct tomb whole = strongest(events, count, all, row.key);
    if (key != NULL && whole.timestamp > cover.timestamp)
        row.deletion = whole;
    row.cells = arena_array(arena, struct cell, count);
    for (size_t i = 0; i < count; i++) {
        const struct cell *c = &events[i].cell;
        bool keep = of_row(&events[i], key) && c->timestamp > whole.timestamp;
        for (size_t k = 0; k < count && keep; k++) {
            const struct cell *o = &events[k].cell;
            if (!of_row(&events[k], key) || k == i)
                continue;
            if (same_place(c, o) && (beats(o, c) || (!beats(c, o) && k < i)))
                keep = false;
            if (o->column == c->column && !o->has_path && c->has_path &&
                c->timestamp <= o->timestamp)
                keep = false;
        }
        if (!keep)
            continue;
        size_t at = row.cells_count++;
        while (at > 0) {
            const struct cell *b = &row.cells[at - 1];
            bool less = c->column != b->column       ? c->column < b->column
                        : c->has_path != b->has_path ? b->has_path
                                                     : bytes_compare(c->path, b->path) < 0;
            if (!less)
                break;
            row.cells[at] = row.cells[at - 1];
            at--;
        }
        row.cells[at] = *c;
    }
    return row;
}

static void model_tombs(const struct event *events, size_t count, struct arena *arena,
                        struct part *p)
{
    struct tomb whole = strongest(events, count, 1u << EVENT_PART, BYTES_NONE);
    p->tombs = arena_array(arena, struct range_tomb, ARRAY_LEN(bounds));
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        struct bytes start = bytes_text(bounds[i]);
        struct bytes end = i + 1 < ARRAY_LEN(bounds) ? bytes_text(bounds[i + 1]) : BYTES_NONE;
        struct tomb t = strongest(events, count, 1u << EVENT_RANGE, start);
        struct range_tomb *last = p->tombs_count > 0 ? &p->tombs[p->tombs_count - 1] : NULL;
        if (t.timestamp == TIMESTAMP_NONE || t.timestamp <= whole.timestamp)
            continue;
        if (last != NULL && bytes_equal(last->end, start) && !stronger(&t, &last->tomb) &&
            !stronger(&last->tomb, &t))
            last->end = end;
        else
            p->tombs[p->tombs_count++] = (struct range_tomb){start, end, t};
    }
}

struct part model_part(const struct event *events, size_t count, struct arena *arena)
{
    struct part p = {.table = 7, .token = -5, .key = BYTES_LIT("k")};
    p.deletion = strongest(events, count, 1u << EVENT_PART, BYTES_NONE);
    model_tombs(events, count, arena, &p);
    p.static_row = model_row(events, count, NULL, arena);
    p.has_static = p.static_row.cells_count > 0;
    p.rows = arena_array(arena, struct row, gen_keys_count);
    for (size_t i = 0; i < gen_keys_count; i++) {
        struct row row = model_row(events, count, gen_keys[i], arena);
        if (row.cells_count > 0 || row.deletion.timestamp != TIMESTAMP_NONE)
            p.rows[p.rows_count++] = row;
    }
    return p;
}

bool parts_equal(const struct part *a, const struct part *b)
{
    struct buf x, y;
    buf_init(&x, SIZE_MAX);
    buf_init(&y, SIZE_MAX);
    part_encode(a, &x);
    part_encode(b, &y);
    bool equal = bytes_equal(buf_bytes(&x), buf_bytes(&y));
    buf_close(&x);
    buf_close(&y);
    return equal;
}

struct part gen_join(struct rng *r, struct part *pile, size_t n, struct arena *arena)
{
    while (n > 1) {
        size_t a = (size_t)rng_below(r, n);
        size_t b = (size_t)rng_below(r, n);
        part_merge(&pile[a], &pile[b], arena, &pile[a]);
        if (a != b && rng_chance(r, 700000))
            pile[b] = pile[--n];
    }
    return pile[0];
}
