/* What must be there, told by a list that forgets nothing, and what replicas show. */
#include "versions_world.h"

#include "base/mem.h"
#include "engine_fixture.h"

#include <string.h>

#define STATIC_BIT 31u

static bool in_range(const struct event *e, struct bytes key)
{
    return bytes_compare(e->start, key) <= 0 && (e->end.len == 0 || bytes_compare(key, e->end) < 0);
}

static bool same_place(const struct cell *a, const struct cell *b)
{
    return a->column == b->column && a->has_path == b->has_path && bytes_equal(a->path, b->path);
}

static bool is_cell(const struct fact *f)
{
    return f->event.kind == EVENT_CELL || f->event.kind == EVENT_STATIC;
}

/* The row of a cell, as a bit. */
static uint32_t row_bit(const struct fact *f)
{
    if (f->event.kind == EVENT_STATIC)
        return 1u << STATIC_BIT;
    for (uint32_t i = 0; i < gen_keys_count; i++) {
        if (bytes_equal_text(f->event.row, gen_keys[i]))
            return 1u << i;
    }
    return 0;
}

/* Does t take away what v wrote, if v was there and t comes, in whatever order? */
static bool deletes(const struct fact *t, const struct fact *v)
{
    const struct event *e = &t->event;
    bool is_static = v->event.kind == EVENT_STATIC;
    if (t == v || t->part != v->part)
        return false;
    switch (e->kind) {
    case EVENT_PART: break;
    case EVENT_RANGE:
        if (is_static || !in_range(e, v->event.row))
            return false;
        break;
    case EVENT_ROW:
        if (is_static || !bytes_equal(e->row, v->event.row))
            return false;
        break;
    case EVENT_CELL:
    case EVENT_STATIC:
        if (e->kind != v->event.kind || (!is_static && !bytes_equal(e->row, v->event.row)))
            return false;
        if (same_place(&e->cell, &v->event.cell))
            return cell_wins(&e->cell, &v->event.cell);
        return e->cell.column == v->event.cell.column && !e->cell.has_path &&
               v->event.cell.has_path && v->event.cell.timestamp <= e->cell.timestamp;
    }
    return v->event.cell.timestamp <= e->tomb.timestamp;
}

/* --- what a replica shows */

static const struct part *part_of(const struct scan_result *r, size_t place)
{
    for (size_t i = 0; i < r->parts_count; i++) {
        if (r->parts[i].token == (token)place)
            return &r->parts[i];
    }
    return NULL;
}

static const struct row *find_row(const struct part *p, struct bytes key)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        if (bytes_equal(p->rows[i].key, key))
            return &p->rows[i];
    }
    return NULL;
}

static bool shows_cell(const struct part *p, const struct fact *f)
{
    const struct cell *want = &f->event.cell;
    const struct row *row = f->event.kind == EVENT_STATIC ? (p->has_static ? &p->static_row : NULL)
                                                          : find_row(p, f->event.row);
    for (size_t i = 0; row != NULL && i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (same_place(c, want) && dot_compare(c->dot, want->dot) == 0 && c->kind == want->kind &&
            c->time_s == want->time_s && c->ttl == want->ttl && bytes_equal(c->value, want->value))
            return true;
    }
    return false;
}

/* In which rows this fact is what counts. */
static uint32_t shows(const struct part *p, const struct fact *f)
{
    uint32_t rows = 0;
    if (p == NULL)
        return 0;
    if (is_cell(f))
        return shows_cell(p, f) ? row_bit(f) : 0;
    for (uint32_t i = 0; i < gen_keys_count; i++) {
        struct bytes key = bytes_text(gen_keys[i]);
        const struct row *row = find_row(p, key);
        struct tomb t = f->event.kind == EVENT_ROW ? (row != NULL ? row->deletion : TOMB_NONE)
                                                   : part_deletion_at(p, key);
        if (!tomb_is_none(&t) && dot_compare(t.dot, f->dot) == 0)
            rows |= 1u << i;
    }
    if (f->event.kind == EVENT_PART && dot_compare(p->deletion.dot, f->dot) == 0)
        rows |= 1u << STATIC_BIT;
    return rows;
}

static bool is_excused(const struct fact *v, size_t by)
{
    return (v->excused[by / 8] >> by % 8 & 1) != 0;
}

void model_note_write(struct world *w, size_t replica, size_t first, size_t count,
                      const struct clock *before)
{
    struct scan_result r;
    if (!world_read(w, replica, false, &r))
        return;
    for (size_t i = first; i < first + count; i++) {
        struct fact *v = &w->facts[i];
        v->alive = shows(part_of(&r, v->part), v);
        for (size_t t = 0; t < first && v->alive != 0 && is_cell(v); t++) {
            if (clock_has(before, w->facts[t].dot) && deletes(&w->facts[t], v))
                v->excused[t / 8] = (uint8_t)(v->excused[t / 8] | 1u << t % 8);
        }
    }
}

/* --- what must be so */

static void check_fact(struct world *w, const struct clock *clock, const struct scan_result *r,
                       const struct fact *v)
{
    bool there = shows(part_of(r, v->part), v) != 0;
    bool dead = false;    /* by something that somebody has */
    bool perhaps = false; /* by something that was once */
    for (size_t t = 0; t < w->facts_count; t++) {
        const struct fact *by = &w->facts[t];
        if (is_excused(v, t) || !deletes(by, v))
            continue;
        perhaps = true;
        dead = dead || ((by->alive & row_bit(v)) != 0 && clock_has(clock, by->dot));
    }
    if (there && dead)
        world_wrong(w, "what was deleted is back");
    if (!there && !perhaps && v->alive != 0 && clock_has(clock, v->dot) &&
        v->event.cell.kind == CELL_LIVE)
        world_wrong(w, "a value is lost");
}

void world_check_history(struct world *w)
{
    struct scan_result r;
    const struct clock *clock = engine_clock(w->replicas[0].engine, KEYSPACE, RANGE);
    if (!world_read(w, 0, false, &r))
        return;
    for (size_t i = 0; i < w->facts_count && w->wrong == NULL; i++) {
        if (is_cell(&w->facts[i]) && w->facts[i].event.cell.kind != CELL_TOMBSTONE)
            check_fact(w, clock, &r, &w->facts[i]);
    }
}

void world_check_equal(struct world *w)
{
    struct scan_result r;
    struct buf first, other;
    struct digest digest, first_digest;
    const struct clock *clock = engine_clock(w->replicas[0].engine, KEYSPACE, RANGE);
    buf_init(&first, SIZE_MAX);
    buf_init(&other, SIZE_MAX);
    for (size_t i = 0; i < w->rules.replicas && world_read(w, i, false, &r); i++) {
        buf_clear(&other);
        scan_result_encode(&r, i == 0 ? &first : &other);
        scan_result_digest(&r, w->now_s, i == 0 ? &first_digest : &digest);
        if (i == 0)
            continue;
        if (!clock_equal(clock, engine_clock(w->replicas[i].engine, KEYSPACE, RANGE)))
            world_wrong(w, "clocks differ");
        else if (!bytes_equal(buf_bytes(&first), buf_bytes(&other)))
            world_wrong(w, "clocks are equal and data is not");
        else if (memcmp(&first_digest, &digest, sizeof digest) != 0)
            world_wrong(w, "data is equal and digests are not");
    }
    buf_close(&first);
    buf_close(&other);
}

static bool row_has_garbage(const struct row *row, int64_t now_s)
{
    bool any = !tomb_is_none(&row->deletion);
    for (size_t i = 0; i < row->cells_count; i++)
        any = any || !cell_is_live(&row->cells[i], now_s);
    return any;
}

void world_check_empty(struct world *w)
{
    struct scan_result r;
    range_no range = 0;
    for (size_t i = 0; i < w->rules.replicas && world_read(w, i, false, &r); i++) {
        bool any = engine_next_garbage(w->replicas[i].engine, KEYSPACE, 0, w->now_s, &range);
        for (size_t k = 0; k < r.parts_count; k++) {
            const struct part *p = &r.parts[k];
            any = any || !tomb_is_none(&p->deletion) || p->tombs_count > 0 ||
                  (p->has_static && row_has_garbage(&p->static_row, w->now_s));
            for (size_t n = 0; n < p->rows_count; n++)
                any = any || row_has_garbage(&p->rows[n], w->now_s);
        }
        if (any)
            world_wrong(w, "garbage is left");
    }
}

void world_check_all_there(struct world *w)
{
    struct scan_result r;
    struct event *events = arena_array(&w->arena, struct event, WORLD_EVENTS);
    const struct clock *clock = engine_clock(w->replicas[0].engine, KEYSPACE, RANGE);
    if (!world_read(w, 0, false, &r))
        return;
    for (size_t place = 0; place < WORLD_PARTS; place++) {
        size_t count = 0;
        for (size_t i = 0; i < w->facts_count; i++) {
            if (w->facts[i].part == place && clock_has(clock, w->facts[i].dot))
                events[count++] = w->facts[i].event;
        }
        struct part model = world_place(model_part(events, count, &w->arena), place);
        const struct part *have = part_of(&r, place);
        if (have == NULL ? !part_is_empty(&model) : !parts_equal(have, &model))
            world_wrong(w, "the data is not what was written");
    }
}
