#include "storage/seen.h"

#include "base/mutant.h"
#include "storage/clock.h"

#include <string.h>
#include <xxhash.h>

#define SEEN_VERSION 1

void seen_raise_floor(struct seen *s, enum seen_floor floor)
{
    if (floor > s->floor)
        s->floor = floor;
}

static bool same_place(const struct seen_entry *a, const struct seen_entry *b)
{
    return a->range == b->range && a->keyspace == b->keyspace &&
           actor_compare(a->actor, b->actor) == 0;
}

static void remove_at(struct seen *s, size_t at)
{
    memmove(s->items + at, s->items + at + 1, (s->count - at - 1) * sizeof *s->items);
    s->count--;
}

void seen_note(struct seen *s, struct arena *arena, struct seen_entry entry)
{
    for (size_t i = s->count; i-- > 0;) {
        const struct seen_entry *have = &s->items[i];
        if (!same_place(have, &entry))
            continue;
        if (entry.n <= have->n)
            return;
        entry.quorum = entry.quorum && have->quorum; /* it stands for the lower ones, too */
        remove_at(s, i);
        break;
    }
    if (s->count == SEEN_ENTRIES_MAX) {
        seen_raise_floor(s, s->items[0].quorum ? SEEN_QUORUM : SEEN_ALL);
        remove_at(s, 0);
    }
    s->items = arena_grow(arena, s->items, s->count, &s->cap, sizeof *s->items);
    s->items[s->count++] = entry;
}

void seen_merge(struct seen *into, struct arena *arena, const struct seen *from)
{
    if (from->time_us > into->time_us)
        into->time_us = from->time_us;
    seen_raise_floor(into, from->floor);
    for (size_t i = 0; i < from->count; i++)
        seen_note(into, arena, from->items[i]);
}

/* The dots of a part, of each actor the highest, before they are added: most are of few actors. */
struct tops {
    struct arena *arena;
    struct dot *items;
    size_t count, cap, last;
};

static void note(struct tops *t, struct dot dot)
{
    if (dot.n == 0)
        return;
    if (t->count == 0 || actor_compare(t->items[t->last].actor, dot.actor) != 0) {
        t->last = 0;
        while (t->last < t->count && actor_compare(t->items[t->last].actor, dot.actor) != 0)
            t->last++;
        if (t->last == t->count) {
            t->items = arena_grow(t->arena, t->items, t->count, &t->cap, sizeof *t->items);
            t->items[t->count++] = dot;
        }
    }
    if (dot.n > t->items[t->last].n)
        t->items[t->last].n = dot.n;
}

static void note_tomb(struct tops *t, const struct tomb *tomb)
{
    if (tomb->timestamp != TIMESTAMP_NONE && !MUTANT(token_without_tombstones))
        note(t, tomb->dot);
}

static void note_row(struct tops *t, const struct row *row)
{
    note_tomb(t, &row->deletion);
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->kind == CELL_TOMBSTONE && MUTANT(token_without_tombstones))
            continue;
        note(t, cell_event(c));
    }
}

void seen_add_part(struct seen *s, struct arena *arena, keyspace_no keyspace, range_no range,
                   const struct part *p)
{
    struct tops t = {.arena = arena};
    note_tomb(&t, &p->deletion);
    for (size_t i = 0; i < p->tombs_count; i++)
        note_tomb(&t, &p->tombs[i].tomb);
    if (p->has_static)
        note_row(&t, &p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        note_row(&t, &p->rows[i]);
    for (size_t i = 0; i < t.count; i++)
        seen_note(s, arena,
                  (struct seen_entry){keyspace, range, t.items[i].actor, t.items[i].n, false});
}

void seen_add_clock(struct seen *s, struct arena *arena, keyspace_no keyspace, range_no range,
                    const struct clock *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct actor actor = c->entries[i].actor;
        seen_note(s, arena,
                  (struct seen_entry){keyspace, range, actor, clock_top(c, actor), false});
    }
}

bool seen_need(const struct seen *s, keyspace_no keyspace, range_no range, struct clock *ret)
{
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        const struct seen_entry *e = &s->items[i];
        if (e->keyspace != keyspace || e->range != range)
            continue;
        clock_add_run(ret, e->actor, 1, e->n);
        any = true;
    }
    return any;
}

void seen_put_needs(const struct seen *s, keyspace_no keyspace, range_no first, range_no last,
                    struct buf *out)
{
    struct buf encoded;
    buf_init(&encoded, SEEN_BYTES_MAX);
    for (uint64_t from = first; from <= last;) {
        uint64_t next = UINT64_MAX;
        for (size_t i = 0; i < s->count; i++) {
            const struct seen_entry *e = &s->items[i];
            if (e->keyspace == keyspace && e->range >= from && e->range < next)
                next = e->range;
        }
        if (next > last)
            break;
        struct clock need;
        clock_init(&need);
        (void)seen_need(s, keyspace, (range_no)next, &need);
        buf_clear(&encoded);
        clock_encode(&need, &encoded);
        clock_close(&need);
        buf_put_u32(out, (uint32_t)next);
        buf_put_vbytes(out, buf_bytes(&encoded));
        from = next + 1;
    }
    buf_close(&encoded);
}

static uint32_t sum_of(struct bytes b)
{
    return (uint32_t)XXH3_64bits(b.data, b.len);
}

void seen_encode(const struct seen *s, struct buf *out)
{
    size_t start = out->len;
    buf_put_u8(out, SEEN_VERSION);
    buf_put_u8(out, (uint8_t)s->floor);
    buf_put_i64(out, s->time_us);
    buf_put_varint(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct seen_entry *e = &s->items[i];
        buf_put_varint(out, e->keyspace);
        buf_put_varint(out, e->range);
        buf_put_varint(out, e->actor.node);
        buf_put_varint(out, e->actor.boot);
        buf_put_varint(out, e->n);
        buf_put_u8(out, e->quorum);
    }
    if (!out->failed)
        buf_put_u32(out, sum_of(bytes_make(out->data + start, out->len - start)));
}

/* A varint of 32 bits. */
static bool read_number(struct reader *r, uint32_t *ret)
{
    uint64_t n = read_varint(r);
    *ret = (uint32_t)n;
    return !r->failed && n <= UINT32_MAX;
}

static bool read_entry(struct reader *r, struct seen_entry *ret)
{
    bool good = read_number(r, &ret->keyspace) && read_number(r, &ret->range) &&
                read_number(r, &ret->actor.node) && read_number(r, &ret->actor.boot);
    ret->n = read_varint(r);
    uint8_t quorum = read_u8(r);
    ret->quorum = quorum == 1;
    return good && !r->failed && quorum <= 1 && ret->n >= 1 && ret->n <= DOT_N_MAX;
}

enum err seen_decode(struct bytes in, struct arena *arena, struct seen *ret)
{
    if (in.len > SEEN_BYTES_MAX || in.len < sizeof(uint32_t))
        return ERR_MALFORMED;
    struct bytes body = bytes_make(in.data, in.len - sizeof(uint32_t));
    struct reader r = reader_make(body);
    struct seen s = {0};
    uint8_t version = read_u8(&r);
    uint8_t floor = read_u8(&r);
    s.time_us = read_i64(&r);
    uint64_t count = read_varint(&r);
    if (r.failed || version != SEEN_VERSION || floor > SEEN_ALL || count > SEEN_ENTRIES_MAX ||
        load_u32(in.data + body.len) != sum_of(body))
        return ERR_MALFORMED;
    s.floor = (enum seen_floor)floor;
    s.items = arena_array(arena, struct seen_entry, count);
    s.cap = (size_t)count;
    for (; s.count < count; s.count++) {
        if (!read_entry(&r, &s.items[s.count]))
            return ERR_MALFORMED;
    }
    if (!reader_done(&r))
        return ERR_MALFORMED;
    *ret = s;
    return ERR_OK;
}
