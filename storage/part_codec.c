/* part_codec.c - the bytes of a part, version 1. Stored and sent: do not renumber.
 *
 *   part  = u8 version, varint table, i64 token, vbytes key, body
 *   body  = u8 flags (1 deletion, 2 tombs, 4 static, 8 rows, 16 siblings), varint dots, dot*,
 *           svarint base, [stamp], [varint count, tomb*], [row],
 *           [varint count, (vbytes key, row)*]
 *   dot   = varint node, varint boot, varint n              ascending: the distinct ones
 *   base  = the smallest timestamp
 *   mark  = varint (timestamp - base), varint number of the dot
 *   stamp = mark, svarint time_s
 *   tomb  = vbytes start, vbytes end (empty: unbounded), stamp
 *   row   = u8 flags (1 deletion), [stamp], varint count, cell*
 *   cell  = varint column, u8 flags (kind, 4 path, 8 new mark, 16 new writer), [mark],
 *           [u64 writer], [varint ttl if expiring], [svarint time_s if expiring or tombstone],
 *           [vbytes path], [vbytes value if live or expiring],
 *           [varint number of the remover, varint (n of the dot - first) if removed]
 *
 * A cell without a mark has that of the cell before it, the first one (base, dot 0): a write of one
 * dot and one timestamp stores both once, whatever the number of its cells. So with writers; the
 * first one is 0.
 */
#include "base/mem.h"
#include "storage/clock.h"
#include "storage/part_private.h"

#include <stdlib.h>
#include <xxhash.h>

#define PART_VERSION 1

enum body_flags {
    BODY_DELETION = 1,
    BODY_TOMBS = 2,
    BODY_STATIC = 4,
    BODY_ROWS = 8,
    BODY_SIBLINGS = 16
};
enum row_flags { ROW_DELETION = 1 };
enum cell_flags {
    CELL_KIND_MASK = 3,
    CELL_PATH = 4,
    CELL_MARK = 8,
    CELL_WRITER = 16,
    CELL_FLAGS_END = 32
};

/* --- writing */

struct writer {
    struct buf *out;
    int64_t now_s;
    struct dot *dots;
    size_t dots_count, dots_cap;
    int64_t base;
    int64_t last_timestamp; /* of the cell before */
    size_t last_dot;
    uint64_t last_writer;
};

static void gather(struct writer *w, int64_t timestamp, struct dot dot)
{
    if (timestamp < w->base)
        w->base = timestamp;
    if (w->dots_count > 0 && dot_compare(w->dots[w->dots_count - 1], dot) == 0)
        return;
    w->dots = mem_grow(w->dots, w->dots_count, &w->dots_cap, sizeof *w->dots);
    w->dots[w->dots_count++] = dot;
}

static void gather_row(struct writer *w, const struct row *r)
{
    if (!tomb_is_none(&r->deletion))
        gather(w, r->deletion.timestamp, r->deletion.dot);
    for (size_t i = 0; i < r->cells_count; i++) {
        const struct cell *c = &r->cells[i];
        gather(w, c->timestamp, c->dot);
        if (c->kind == CELL_REMOVED)
            gather(w, c->timestamp, c->remover);
    }
}

static int dot_sort_compare(const void *a, const void *b)
{
    return dot_compare(*(const struct dot *)a, *(const struct dot *)b);
}

static void gather_part(struct writer *w, const struct part *p)
{
    size_t kept = 0;
    w->base = INT64_MAX;
    if (!tomb_is_none(&p->deletion))
        gather(w, p->deletion.timestamp, p->deletion.dot);
    for (size_t i = 0; i < p->tombs_count; i++)
        gather(w, p->tombs[i].tomb.timestamp, p->tombs[i].tomb.dot);
    if (p->has_static)
        gather_row(w, &p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        gather_row(w, &p->rows[i]);
    if (w->dots_count > 1)
        qsort(w->dots, w->dots_count, sizeof *w->dots, dot_sort_compare);
    for (size_t i = 0; i < w->dots_count; i++) {
        if (kept == 0 || dot_compare(w->dots[kept - 1], w->dots[i]) != 0)
            w->dots[kept++] = w->dots[i];
    }
    w->dots_count = kept;
    if (kept == 0)
        w->base = 0;
}

static size_t dot_number(const struct writer *w, struct dot dot)
{
    size_t low = 0;
    size_t high = w->dots_count;
    if (dot_compare(w->dots[w->last_dot], dot) == 0)
        return w->last_dot;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (dot_compare(w->dots[mid], dot) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static void write_mark(struct writer *w, int64_t timestamp, size_t dot)
{
    buf_put_varint(w->out, (uint64_t)timestamp - (uint64_t)w->base);
    buf_put_varint(w->out, dot);
}

static void write_stamp(struct writer *w, const struct tomb *t)
{
    write_mark(w, t->timestamp, dot_number(w, t->dot));
    buf_put_svarint(w->out, t->time_s);
}

static void write_cell(struct writer *w, const struct cell *c)
{
    bool expired = w->now_s != PART_NO_CLOCK && c->kind == CELL_EXPIRING && c->time_s <= w->now_s;
    enum cell_kind kind = expired ? CELL_TOMBSTONE : c->kind;
    size_t dot = dot_number(w, c->dot);
    bool same = c->timestamp == w->last_timestamp && dot == w->last_dot;
    bool writer = kind != CELL_REMOVED && c->writer != w->last_writer;
    buf_put_varint(w->out, c->column);
    buf_put_u8(w->out, (uint8_t)((int)kind | (c->has_path ? CELL_PATH : 0) |
                                 (same ? 0 : CELL_MARK) | (writer ? CELL_WRITER : 0)));
    if (!same)
        write_mark(w, c->timestamp, dot);
    if (writer)
        buf_put_u64(w->out, w->last_writer = c->writer);
    if (kind == CELL_EXPIRING)
        buf_put_varint(w->out, (uint64_t)c->ttl);
    if (kind == CELL_EXPIRING || kind == CELL_TOMBSTONE)
        buf_put_svarint(w->out, c->time_s);
    if (c->has_path)
        buf_put_vbytes(w->out, c->path);
    if (kind == CELL_LIVE || kind == CELL_EXPIRING)
        buf_put_vbytes(w->out, c->value);
    w->last_timestamp = c->timestamp;
    w->last_dot = dot;
    if (kind == CELL_REMOVED) {
        buf_put_varint(w->out, dot_number(w, c->remover));
        buf_put_varint(w->out, c->dot.n - c->first);
    }
}

static void write_row(struct writer *w, const struct row *r)
{
    bool deletion = !tomb_is_none(&r->deletion);
    buf_put_u8(w->out, deletion ? ROW_DELETION : 0);
    if (deletion)
        write_stamp(w, &r->deletion);
    buf_put_varint(w->out, r->cells_count);
    for (size_t i = 0; i < r->cells_count; i++)
        write_cell(w, &r->cells[i]);
}

void part_body_write(const struct part *p, int64_t now_s, struct buf *out)
{
    struct writer w = {.out = out, .now_s = now_s};
    bool deletion = !tomb_is_none(&p->deletion);
    gather_part(&w, p);
    w.last_timestamp = w.base;
    buf_put_u8(out, (uint8_t)((deletion ? BODY_DELETION : 0) | (p->tombs_count ? BODY_TOMBS : 0) |
                              (p->has_static ? BODY_STATIC : 0) | (p->rows_count ? BODY_ROWS : 0) |
                              (p->siblings ? BODY_SIBLINGS : 0)));
    buf_put_varint(out, w.dots_count);
    for (size_t i = 0; i < w.dots_count; i++)
        buf_put_dot(out, w.dots[i]);
    buf_put_svarint(out, w.base);
    if (deletion)
        write_stamp(&w, &p->deletion);
    if (p->tombs_count > 0)
        buf_put_varint(out, p->tombs_count);
    for (size_t i = 0; i < p->tombs_count; i++) {
        buf_put_vbytes(out, p->tombs[i].start);
        buf_put_vbytes(out, p->tombs[i].end);
        write_stamp(&w, &p->tombs[i].tomb);
    }
    if (p->has_static)
        write_row(&w, &p->static_row);
    if (p->rows_count > 0)
        buf_put_varint(out, p->rows_count);
    for (size_t i = 0; i < p->rows_count; i++) {
        buf_put_vbytes(out, p->rows[i].key);
        write_row(&w, &p->rows[i]);
    }
    mem_free(w.dots);
}

static void write_part(const struct part *p, int64_t now_s, struct buf *out)
{
    buf_put_u8(out, PART_VERSION);
    buf_put_varint(out, p->table);
    buf_put_i64(out, p->token);
    buf_put_vbytes(out, p->key);
    part_body_write(p, now_s, out);
}

void part_encode(const struct part *p, struct buf *out)
{
    write_part(p, PART_NO_CLOCK, out);
}

void part_digest(const struct part *p, int64_t now_s, struct digest *ret)
{
    struct buf b;
    XXH128_canonical_t canonical;
    buf_init(&b, SIZE_MAX);
    write_part(p, now_s, &b);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(b.data, b.len));
    for (size_t i = 0; i < sizeof ret->b; i++)
        ret->b[i] = canonical.digest[i];
    buf_close(&b);
}

/* --- reading: any failure sets the reader's `failed`, looked at once at the end */

struct body_reader {
    struct reader *in;
    struct arena *arena;
    struct dot *dots;
    size_t dots_count;
    int64_t base;
    int64_t last_timestamp;
    struct dot last_dot;
    uint64_t last_writer;
    bool siblings;
};

/* A count of items of at least `least` bytes each; 0 when they cannot be there. */
static size_t read_count(struct reader *in, size_t least)
{
    uint64_t count = read_varint(in);
    if (in->failed || count > PART_ROWS_MAX || count > reader_left(in) / least) {
        in->failed = true;
        return 0;
    }
    return (size_t)count;
}

static void read_dots(struct body_reader *b)
{
    b->dots_count = read_count(b->in, 3);
    b->dots = arena_array(b->arena, struct dot, b->dots_count);
    for (size_t i = 0; i < b->dots_count; i++) {
        b->dots[i] = read_dot(b->in);
        if (b->dots[i].n > DOT_N_MAX || (i > 0 && dot_compare(b->dots[i - 1], b->dots[i]) >= 0))
            b->in->failed = true;
    }
}

static struct dot read_dot_number(struct body_reader *b)
{
    uint64_t number = read_varint(b->in);
    if (number < b->dots_count)
        return b->dots[number];
    b->in->failed = true;
    return (struct dot){{0, 0}, 0};
}

static void read_mark(struct body_reader *b, int64_t *ret_timestamp, struct dot *ret_dot)
{
    uint64_t timestamp = read_varint(b->in) + (uint64_t)b->base;
    struct dot dot = read_dot_number(b);
    if (b->in->failed)
        return;
    *ret_timestamp = (int64_t)timestamp;
    *ret_dot = dot;
}

static void read_stamp(struct body_reader *b, struct tomb *ret)
{
    *ret = TOMB_NONE;
    read_mark(b, &ret->timestamp, &ret->dot);
    ret->time_s = read_svarint(b->in);
    if (tomb_is_none(ret)) /* it said that there is one */
        b->in->failed = true;
}

static void read_cell(struct body_reader *b, struct cell *c)
{
    uint64_t column = read_varint(b->in);
    uint8_t flags = read_u8(b->in);
    int kind = flags & CELL_KIND_MASK;
    if (column > UINT32_MAX || flags >= CELL_FLAGS_END || b->dots_count == 0)
        b->in->failed = true;
    if (b->in->failed)
        return;
    c->column = (uint32_t)column;
    c->kind = (enum cell_kind)kind;
    if ((flags & CELL_MARK) != 0)
        read_mark(b, &b->last_timestamp, &b->last_dot);
    c->timestamp = b->last_timestamp;
    c->dot = b->last_dot;
    if ((flags & CELL_WRITER) != 0)
        b->last_writer = read_u64(b->in);
    if (c->kind != CELL_REMOVED)
        c->writer = b->last_writer;
    if (c->kind == CELL_EXPIRING) {
        uint64_t ttl = read_varint(b->in);
        if (ttl > INT32_MAX)
            b->in->failed = true;
        c->ttl = (int32_t)(ttl & INT32_MAX);
    }
    if (c->kind == CELL_EXPIRING || c->kind == CELL_TOMBSTONE)
        c->time_s = read_svarint(b->in);
    c->has_path = (flags & CELL_PATH) != 0;
    if (c->has_path)
        c->path = read_vbytes(b->in);
    if (c->kind == CELL_LIVE || c->kind == CELL_EXPIRING)
        c->value = read_vbytes(b->in);
    if (c->kind == CELL_REMOVED) {
        c->remover = read_dot_number(b);
        c->first = c->dot.n - read_varint(b->in);
    }
}

static void read_row(struct body_reader *b, struct row *r)
{
    uint8_t flags = read_u8(b->in);
    r->deletion = TOMB_NONE;
    r->siblings = b->siblings;
    if (flags > ROW_DELETION)
        b->in->failed = true;
    if ((flags & ROW_DELETION) != 0)
        read_stamp(b, &r->deletion);
    r->cells_count = read_count(b->in, 3);
    r->cells = arena_array(b->arena, struct cell, r->cells_count);
    for (size_t i = 0; i < r->cells_count && !b->in->failed; i++)
        read_cell(b, &r->cells[i]);
}

static void read_tombs(struct body_reader *b, struct part *ret)
{
    ret->tombs_count = read_count(b->in, 5);
    ret->tombs = arena_array(b->arena, struct range_tomb, ret->tombs_count);
    for (size_t i = 0; i < ret->tombs_count && !b->in->failed; i++) {
        ret->tombs[i].start = read_vbytes(b->in);
        ret->tombs[i].end = read_vbytes(b->in);
        read_stamp(b, &ret->tombs[i].tomb);
    }
}

static void read_rows(struct body_reader *b, struct part *ret)
{
    ret->rows_count = read_count(b->in, 3);
    ret->rows = arena_array(b->arena, struct row, ret->rows_count);
    for (size_t i = 0; i < ret->rows_count && !b->in->failed; i++) {
        ret->rows[i].key = read_vbytes(b->in);
        read_row(b, &ret->rows[i]);
    }
}

enum err part_body_read(struct reader *in, struct arena *arena, struct part *ret)
{
    struct body_reader b = {.in = in, .arena = arena};
    uint8_t flags = read_u8(in);
    if (flags >= BODY_SIBLINGS << 1)
        in->failed = true;
    read_dots(&b);
    b.base = read_svarint(in);
    b.last_timestamp = b.base;
    if (b.dots_count > 0)
        b.last_dot = b.dots[0];
    b.siblings = ret->siblings = (flags & BODY_SIBLINGS) != 0;
    ret->deletion = TOMB_NONE;
    ret->static_row.deletion = TOMB_NONE;
    if ((flags & BODY_DELETION) != 0)
        read_stamp(&b, &ret->deletion);
    if ((flags & BODY_TOMBS) != 0)
        read_tombs(&b, ret);
    ret->has_static = (flags & BODY_STATIC) != 0;
    if (ret->has_static)
        read_row(&b, &ret->static_row);
    if ((flags & BODY_ROWS) != 0)
        read_rows(&b, ret);
    if (in->failed || !part_is_canonical(ret)) {
        in->failed = true;
        return ERR_MALFORMED;
    }
    return ERR_OK;
}

enum err part_read(struct reader *in, struct arena *arena, struct part *ret)
{
    struct part got = {0};
    uint8_t version = read_u8(in);
    uint64_t table = read_varint(in);
    got.table = (table_no)table;
    got.token = read_i64(in);
    got.key = read_vbytes(in);
    if (in->failed || version != PART_VERSION || table > UINT32_MAX) {
        in->failed = true;
        return ERR_MALFORMED;
    }
    enum err err = part_body_read(in, arena, &got);
    if (err == ERR_OK)
        *ret = got;
    return err;
}

enum err part_decode(struct bytes in, struct arena *arena, struct part *ret)
{
    struct reader r = reader_make(in);
    struct part got;
    enum err err = part_read(&r, arena, &got);
    if (err == ERR_OK)
        err = reader_finish(&r);
    if (err == ERR_OK)
        *ret = got;
    return err;
}
