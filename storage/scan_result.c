/* scan_result.c - scans and their answers on the wire, and the join of several answers.
 *
 *   scan   = u8 version 1, varint flags, varint table, i64 token, vbytes key, i64 after, i64 upto,
 *            varint slices, (vbytes start, vbytes end)*, varint rows_max, varint rows_per_part,
 *            varint bytes_max, i64 from_token, vbytes from_key, vbytes from_row,
 *            varint from_rows, svarint now_s, varint index, vbytes from, vbytes upto,
 *            varint points, (i64 token, vbytes key, u8 whole, vbytes row)*
 *   flags  = 1 single, 2 want_static, 4 reversed, 8 has_from, 16 from_in_part, 32 has_points
 *   result = u8 version 1, u8 flags (1 more, 2 in part), varint live_rows,
 *            [i64 token, vbytes key, vbytes row, varint rows if more], varint parts, part*
 *
 * Do not renumber.
 */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/index.h"
#include "storage/part_private.h"

#include <xxhash.h>

#define SCAN_VERSION    1
#define SCAN_SLICES_MAX 65536

enum scan_flags {
    SCAN_SINGLE = 1,
    SCAN_STATIC = 2,
    SCAN_REVERSED = 4,
    SCAN_FROM = 8,
    SCAN_IN_PART = 16,
    SCAN_POINTS = 32,
    SCAN_FLAGS_END = 64
};
enum result_flags { RESULT_MORE = 1, RESULT_IN_PART = 2, RESULT_FLAGS_END = 4 };

void scan_encode(const struct scan *s, struct buf *out)
{
    buf_put_u8(out, SCAN_VERSION);
    buf_put_varint(out, (s->single ? SCAN_SINGLE : 0u) | (s->want_static ? SCAN_STATIC : 0u) |
                            (s->reversed ? SCAN_REVERSED : 0u) | (s->has_from ? SCAN_FROM : 0u) |
                            (s->from_in_part ? SCAN_IN_PART : 0u) |
                            (s->has_points ? SCAN_POINTS : 0u));
    buf_put_varint(out, s->table);
    buf_put_i64(out, s->token);
    buf_put_vbytes(out, s->key);
    buf_put_i64(out, s->after_token);
    buf_put_i64(out, s->upto_token);
    buf_put_varint(out, s->slices_count);
    for (size_t i = 0; i < s->slices_count; i++) {
        buf_put_vbytes(out, s->slices[i].start);
        buf_put_vbytes(out, s->slices[i].end);
    }
    buf_put_varint(out, s->rows_max);
    buf_put_varint(out, s->rows_per_part);
    buf_put_varint(out, s->bytes_max);
    buf_put_i64(out, s->from_token);
    buf_put_vbytes(out, s->from_key);
    buf_put_vbytes(out, s->from_row);
    buf_put_varint(out, s->from_rows);
    buf_put_svarint(out, s->now_s);
    buf_put_varint(out, s->index.no);
    buf_put_vbytes(out, s->index.from);
    buf_put_vbytes(out, s->index.upto);
    scan_points_put(s->points, s->points_count, out);
}

static uint32_t read_u32_varint(struct reader *in)
{
    uint64_t v = read_varint(in);
    if (v > UINT32_MAX)
        in->failed = true;
    return (uint32_t)v;
}

/* Ascending and disjoint. */
static void read_slices(struct reader *in, struct arena *arena, struct scan *s)
{
    uint64_t count = read_varint(in);
    if (in->failed || count > SCAN_SLICES_MAX || count > reader_left(in) / 2) {
        in->failed = true;
        return;
    }
    s->slices_count = (size_t)count;
    s->slices = arena_array(arena, struct scan_slice, count);
    for (size_t i = 0; i < s->slices_count; i++) {
        struct scan_slice *slice = &s->slices[i];
        slice->start = read_vbytes(in);
        slice->end = read_vbytes(in);
        if (i > 0 && range_before_end(slice->start, slice[-1].end))
            in->failed = true;
    }
}

enum err scan_decode(struct bytes in, struct arena *arena, struct scan *ret)
{
    struct reader r = reader_make(in);
    struct scan s = {0};
    uint8_t version = read_u8(&r);
    uint64_t flags = read_varint(&r);
    if (r.failed || version != SCAN_VERSION || flags >= SCAN_FLAGS_END)
        return ERR_MALFORMED;
    s.single = (flags & SCAN_SINGLE) != 0;
    s.want_static = (flags & SCAN_STATIC) != 0;
    s.reversed = (flags & SCAN_REVERSED) != 0;
    s.has_from = (flags & SCAN_FROM) != 0;
    s.from_in_part = (flags & SCAN_IN_PART) != 0;
    s.table = read_u32_varint(&r);
    s.token = read_i64(&r);
    s.key = read_vbytes(&r);
    s.after_token = read_i64(&r);
    s.upto_token = read_i64(&r);
    read_slices(&r, arena, &s);
    s.rows_max = read_u32_varint(&r);
    s.rows_per_part = read_u32_varint(&r);
    s.bytes_max = read_u32_varint(&r);
    s.from_token = read_i64(&r);
    s.from_key = read_vbytes(&r);
    s.from_row = read_vbytes(&r);
    s.from_rows = read_u32_varint(&r);
    s.now_s = read_svarint(&r);
    s.index.no = read_u32_varint(&r);
    s.index.from = read_vbytes(&r);
    s.index.upto = read_vbytes(&r);
    s.has_points = (flags & SCAN_POINTS) != 0;
    s.points = scan_points_read(&r, arena, &s.points_count);
    if (!reader_done(&r) || (s.reversed && (!s.single || s.index.no != 0)) ||
        (s.has_points && s.single) || (!s.has_points && s.points_count > 0))
        return ERR_MALFORMED;
    *ret = s;
    return ERR_OK;
}

static void write_head(const struct scan_result *r, struct buf *out)
{
    buf_put_u8(out, SCAN_VERSION);
    buf_put_u8(out, (uint8_t)((r->more ? RESULT_MORE : 0) |
                              (r->more && r->upto_in_part ? RESULT_IN_PART : 0)));
    buf_put_varint(out, r->live_rows);
    if (r->more) {
        buf_put_i64(out, r->upto_token);
        buf_put_vbytes(out, r->upto_key);
        buf_put_vbytes(out, r->upto_row);
        buf_put_varint(out, r->upto_rows);
    }
    buf_put_varint(out, r->parts_count);
}

void scan_result_encode(const struct scan_result *r, struct buf *out)
{
    write_head(r, out);
    for (size_t i = 0; i < r->parts_count; i++)
        part_encode(&r->parts[i], out);
}

static int part_place_compare(const struct part *a, const struct part *b)
{
    if (a->token != b->token)
        return a->token < b->token ? -1 : 1;
    return bytes_compare(a->key, b->key);
}

enum err scan_result_decode(struct bytes in, struct arena *arena, struct scan_result *ret)
{
    struct reader r = reader_make(in);
    struct scan_result out = {0};
    uint8_t version = read_u8(&r);
    uint8_t flags = read_u8(&r);
    out.live_rows = read_u32_varint(&r);
    out.more = (flags & RESULT_MORE) != 0;
    out.upto_in_part = (flags & RESULT_IN_PART) != 0;
    if (out.more) {
        out.upto_token = read_i64(&r);
        out.upto_key = read_vbytes(&r);
        out.upto_row = read_vbytes(&r);
        out.upto_rows = read_u32_varint(&r);
    }
    uint64_t count = read_varint(&r);
    /* The smallest part takes 14 bytes. */
    if (r.failed || version != SCAN_VERSION || flags >= RESULT_FLAGS_END ||
        (out.upto_in_part && !out.more) || count > PART_ROWS_MAX || count > reader_left(&r) / 14)
        return ERR_MALFORMED;
    out.parts_count = (size_t)count;
    out.parts = arena_array(arena, struct part, count);
    for (size_t i = 0; i < out.parts_count; i++) {
        struct part *p = &out.parts[i];
        enum err err = part_read(&r, arena, p);
        if (err != ERR_OK)
            return err;
        if (i > 0 && (p->table != p[-1].table || part_place_compare(&p[-1], p) >= 0))
            return ERR_MALFORMED;
    }
    enum err err = reader_finish(&r);
    if (err == ERR_OK)
        *ret = out;
    return err;
}

/* Where an answer ends is part of it: two that have the same rows differ when only one has more. */
void scan_result_digest(const struct scan_result *r, int64_t now_s, struct digest *ret)
{
    struct buf b;
    XXH128_canonical_t canonical;
    buf_init(&b, SIZE_MAX);
    write_head(r, &b);
    for (size_t i = 0; i < r->parts_count && !MUTANT(digest_without_rows); i++) {
        struct digest d;
        part_digest(&r->parts[i], now_s, &d);
        buf_put(&b, d.b, sizeof d.b);
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(b.data, b.len));
    for (size_t i = 0; i < sizeof ret->b; i++)
        ret->b[i] = canonical.digest[i];
    buf_close(&b);
}

/* --- merge */

static uint32_t live_rows(const struct scan *s, const struct part *p)
{
    uint32_t live = 0;
    for (size_t i = 0; i < p->rows_count; i++)
        live += row_is_live(&p->rows[i], s->now_s);
    return live;
}

/* Live rows of this partition on the pages before. */
static uint32_t rows_before(const struct scan *s, token place, struct bytes key)
{
    bool resumed = s->has_from && s->from_in_part &&
                   (s->single || (place == s->from_token && bytes_equal(key, s->from_key)));
    return resumed ? s->from_rows : 0;
}

/* How many rows of the partition are still wanted; 0: no limit. */
static uint32_t part_limit(const struct scan *s, token place, struct bytes key)
{
    uint32_t before = rows_before(s, place, key);
    if (s->rows_per_part == 0)
        return 0;
    return before < s->rows_per_part ? s->rows_per_part - before : 1;
}

/* A partition of which only rows were asked for by name shows no static row by itself. */
static bool of_rows(const struct scan *s)
{
    return s->slices_count > 0 || (s->points_count > 0 && !s->points[0].whole);
}

uint32_t scan_part_rows(const struct scan *s, const struct part *p)
{
    uint32_t live = live_rows(s, p);
    bool first = rows_before(s, p->token, p->key) == 0;
    if (live == 0 && p->has_static && !of_rows(s) && first)
        live = row_is_live(&p->static_row, s->now_s);
    return live;
}

/* Rows in the direction of the scan. */
static const struct row *row_at(const struct scan *s, const struct part *p, size_t i)
{
    return &p->rows[s->reversed ? p->rows_count - 1 - i : i];
}

static int row_order(const struct scan *s, struct bytes a, struct bytes b)
{
    return s->reversed ? bytes_compare(b, a) : bytes_compare(a, b);
}

/* Keep of the part what is not behind the row. */
static void cut_part(const struct scan *s, struct part *p, struct bytes row, struct arena *arena)
{
    size_t keep = 0;
    while (keep < p->rows_count && row_order(s, row_at(s, p, keep)->key, row) <= 0)
        keep++;
    if (s->reversed) {
        p->rows += p->rows_count - keep;
        part_cut_tombs(p, row, BYTES_NONE, arena);
    } else {
        struct buf end; /* the smallest string greater than the row */
        buf_init(&end, SIZE_MAX);
        buf_put_bytes(&end, row);
        buf_put_u8(&end, 0);
        part_cut_tombs(p, BYTES_NONE, arena_copy(arena, buf_bytes(&end)), arena);
        buf_close(&end);
    }
    p->rows_count = keep;
}

struct place {
    bool is; /* there is one */
    token token;
    struct bytes key;
    bool in_part;
    struct bytes row;
};

static bool place_before(const struct scan *s, const struct place *a, const struct place *b)
{
    if (!a->is || !b->is)
        return a->is && !b->is; /* no place is behind all */
    if (a->token != b->token)
        return a->token < b->token;
    int c = bytes_compare(a->key, b->key);
    if (c != 0)
        return c < 0;
    if (!a->in_part || !b->in_part)
        return a->in_part && !b->in_part;
    return row_order(s, a->row, b->row) < 0;
}

static struct place place_of_result(const struct scan_result *r)
{
    return (struct place){r->more, r->upto_token, r->upto_key, r->upto_in_part, r->upto_row};
}

static struct place place_in(const struct part *p, struct bytes row)
{
    return (struct place){true, p->token, p->key, true, row};
}

struct joiner {
    const struct scan *scan;
    const struct scan_result *results;
    size_t count;
    size_t *at; /* in each result: the next part */
    struct arena *arena;
    struct place end; /* nothing behind it is known */
    struct scan_result out;
    size_t cap;
};

/* The smallest part not yet taken, joined over all answers. *ret_cut: a replica ended it there, at
 * its limit of rows per partition. False when there are no more. */
static bool next_part(struct joiner *j, struct part *ret, struct place *ret_cut)
{
    const struct part *least = NULL;
    for (size_t i = 0; i < j->count; i++) {
        const struct scan_result *r = &j->results[i];
        if (j->at[i] < r->parts_count &&
            (least == NULL || part_place_compare(&r->parts[j->at[i]], least) < 0))
            least = &r->parts[j->at[i]];
    }
    if (least == NULL)
        return false;
    struct part sum = *least;
    *ret_cut = (struct place){.is = false};
    for (size_t i = 0; i < j->count; i++) {
        const struct scan_result *r = &j->results[i];
        if (j->at[i] == r->parts_count || part_place_compare(&r->parts[j->at[i]], least) != 0)
            continue;
        const struct part *p = &r->parts[j->at[i]++];
        uint32_t limit = part_limit(j->scan, p->token, p->key);
        if (limit > 0 && live_rows(j->scan, p) >= limit) {
            struct place cut = place_in(p, row_at(j->scan, p, p->rows_count - 1)->key);
            if (place_before(j->scan, &cut, ret_cut))
                *ret_cut = cut;
        }
        part_merge(&sum, p, j->arena, &sum);
    }
    *ret = sum;
    return true;
}

/* `live`: rows of that partition in this answer. */
static void end_at(struct joiner *j, const struct place *place, uint32_t live)
{
    j->out.more = true;
    j->out.upto_token = place->token;
    j->out.upto_key = place->key;
    j->out.upto_in_part = place->in_part;
    j->out.upto_row = place->in_part ? place->row : BYTES_NONE;
    j->out.upto_rows = place->in_part ? rows_before(j->scan, place->token, place->key) + live : 0;
}

/* The n-th live row of the part (n >= 1), NULL when it has fewer. */
static const struct row *nth_live(const struct scan *s, const struct part *p, uint32_t n)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        const struct row *row = row_at(s, p, i);
        if (row_is_live(row, s->now_s) && --n == 0)
            return row;
    }
    return NULL;
}

/* The partition lies behind the place. */
static bool behind(const struct part *p, const struct place *place)
{
    const struct part at = {.token = place->token, .key = place->key};
    return place->is && part_place_compare(p, &at) > 0;
}

/* Take the part in, as far as limits and knowledge go. False when the answer ends there. */
static bool take(struct joiner *j, struct part *p, struct place cut)
{
    const struct scan *s = j->scan;
    struct place here = {true, p->token, p->key, false, BYTES_NONE};
    struct place known = place_before(s, &j->end, &here) ? j->end : (struct place){.is = false};
    known = place_before(s, &cut, &known) ? cut : known;
    if (known.is)
        cut_part(s, p, known.row, j->arena);
    uint32_t limit = part_limit(s, p->token, p->key);
    const struct row *last = limit > 0 ? nth_live(s, p, limit) : NULL;
    bool finished = last != NULL || !known.is;
    if (last != NULL)
        cut_part(s, p, last->key, j->arena);
    uint32_t left = s->rows_max - j->out.live_rows; /* rows_max 0: not looked at */
    last = s->rows_max > 0 ? nth_live(s, p, left) : NULL;
    if (last != NULL && (!finished || last != row_at(s, p, p->rows_count - 1))) {
        finished = false;
        known = place_in(p, last->key);
        cut_part(s, p, last->key, j->arena);
    }
    j->out.live_rows += finished ? scan_part_rows(s, p) : live_rows(s, p);
    if (!part_is_empty(p)) {
        j->out.parts = arena_grow(j->arena, j->out.parts, j->out.parts_count, &j->cap, sizeof *p);
        j->out.parts[j->out.parts_count++] = *p;
    }
    if (!finished)
        end_at(j, &known, live_rows(s, p));
    return finished;
}

void scan_result_merge(const struct scan *scan, const struct scan_result *results, size_t count,
                       struct arena *arena, struct scan_result *ret)
{
    struct joiner j = {.scan = scan, .results = results, .count = count, .arena = arena};
    struct part p;
    struct place cut;
    struct place last = {.is = false};
    j.at = arena_array(arena, size_t, count);
    for (size_t i = 0; i < count; i++) {
        struct place end = place_of_result(&results[i]);
        if (place_before(scan, &end, &j.end) && !MUTANT(short_page))
            j.end = end;
    }
    bool full = false;
    bool rest = false; /* parts that the limit leaves out */
    while (!rest && next_part(&j, &p, &cut)) {
        full = scan->rows_max > 0 && j.out.live_rows >= scan->rows_max;
        if (full || behind(&p, &j.end)) {
            rest = true;
        } else if (!take(&j, &p, cut)) {
            *ret = j.out;
            return;
        } else {
            last = (struct place){true, p.token, p.key, false, BYTES_NONE};
        }
    }
    full = scan->rows_max > 0 && j.out.live_rows >= scan->rows_max;
    /* The partition in which knowledge ends gave all that rows_per_part allows. */
    bool enough = j.end.is && j.end.in_part && last.is && last.token == j.end.token &&
                  bytes_equal(last.key, j.end.key);
    if (enough && scan->single)
        j.end.is = false;
    if (enough ? j.end.is : full && (rest || j.end.is))
        end_at(&j, &last, 0);
    else if (j.end.is)
        end_at(&j, &j.end, 0);
    *ret = j.out;
}
