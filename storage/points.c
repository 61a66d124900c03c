/* points.c - answers of indexes on the wire, and the join of several of them.
 *
 *   points = varint count, (i64 token, vbytes key, u8 whole, vbytes row)*, ascending
 *   result = u8 version 1, u8 flags (1 more, 2 in part), points,
 *            [i64 token, vbytes key, vbytes row if more]
 */
#include "base/mem.h"
#include "storage/index.h"
#include "storage/part_private.h"

#define INDEX_RESULT_VERSION 1
#define POINTS_MAX           65536u
#define POINT_SIZE_MIN       11u

enum { POINTS_MORE = 1, POINTS_IN_PART = 2 };

int scan_point_compare(const struct scan_point *a, const struct scan_point *b)
{
    if (a->token != b->token)
        return a->token < b->token ? -1 : 1;
    int c = bytes_compare(a->key, b->key);
    if (c != 0)
        return c;
    if (a->whole != b->whole)
        return a->whole ? -1 : 1;
    return bytes_compare(a->row, b->row);
}

void scan_points_put(const struct scan_point *points, size_t count, struct buf *out)
{
    buf_put_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        buf_put_i64(out, points[i].token);
        buf_put_vbytes(out, points[i].key);
        buf_put_u8(out, points[i].whole);
        buf_put_vbytes(out, points[i].whole ? BYTES_NONE : points[i].row);
    }
}

struct scan_point *scan_points_read(struct reader *in, struct arena *arena, size_t *ret_count)
{
    uint64_t count = read_varint(in);
    *ret_count = 0;
    if (in->failed || count > POINTS_MAX || count > reader_left(in) / POINT_SIZE_MIN) {
        in->failed = true;
        return NULL;
    }
    struct scan_point *points = arena_array(arena, struct scan_point, count);
    for (size_t i = 0; i < count && !in->failed; i++) {
        struct scan_point *p = &points[i];
        p->token = read_i64(in);
        p->key = read_vbytes(in);
        uint8_t whole = read_u8(in);
        p->whole = whole == 1;
        p->row = read_vbytes(in);
        if (whole > 1 || (p->whole && p->row.len > 0) ||
            (i > 0 && scan_point_compare(&points[i - 1], p) >= 0))
            in->failed = true;
    }
    *ret_count = (size_t)count;
    return points;
}

void index_result_encode(const struct index_result *r, struct buf *out)
{
    buf_put_u8(out, INDEX_RESULT_VERSION);
    buf_put_u8(out, (uint8_t)((r->more ? POINTS_MORE : 0) |
                              (r->more && r->upto_in_part ? POINTS_IN_PART : 0)));
    scan_points_put(r->points, r->count, out);
    if (r->more) {
        buf_put_i64(out, r->upto_token);
        buf_put_vbytes(out, r->upto_key);
        buf_put_vbytes(out, r->upto_row);
    }
}

enum err index_result_decode(struct bytes in, struct arena *arena, struct index_result *ret)
{
    struct reader r = reader_make(in);
    struct index_result out = {0};
    uint8_t version = read_u8(&r);
    uint8_t flags = read_u8(&r);
    if (r.failed || version != INDEX_RESULT_VERSION || flags > (POINTS_MORE | POINTS_IN_PART) ||
        flags == POINTS_IN_PART)
        return ERR_MALFORMED;
    out.points = scan_points_read(&r, arena, &out.count);
    out.more = (flags & POINTS_MORE) != 0;
    out.upto_in_part = (flags & POINTS_IN_PART) != 0;
    if (out.more) {
        out.upto_token = read_i64(&r);
        out.upto_key = read_vbytes(&r);
        out.upto_row = read_vbytes(&r);
    }
    enum err err = reader_finish(&r);
    if (err == ERR_OK)
        *ret = out;
    return err;
}

/* Is the point behind the end of the answer? */
static bool is_behind(const struct scan_point *p, const struct index_result *r)
{
    struct scan_point end = {r->upto_token, r->upto_key, false, r->upto_row};
    if (!r->more)
        return false;
    if (p->token == end.token && bytes_equal(p->key, end.key))
        return r->upto_in_part && !p->whole && bytes_compare(p->row, end.row) > 0;
    return scan_point_compare(p, &end) > 0;
}

static bool ends_before(const struct index_result *a, const struct index_result *b)
{
    if (!a->more || !b->more)
        return a->more && !b->more;
    struct scan_point x = {a->upto_token, a->upto_key, false, a->upto_row};
    struct scan_point y = {b->upto_token, b->upto_key, false, b->upto_row};
    bool same_part = x.token == y.token && bytes_equal(x.key, y.key);
    if (same_part && (!a->upto_in_part || !b->upto_in_part))
        return a->upto_in_part && !b->upto_in_part;
    return scan_point_compare(&x, &y) < 0;
}

void index_result_merge(const struct index_result *results, size_t count, struct arena *arena,
                        struct index_result *ret)
{
    struct index_result out = {0};
    size_t *at = arena_array(arena, size_t, count);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += results[i].count;
        if (ends_before(&results[i], &out)) {
            out.more = true;
            out.upto_token = results[i].upto_token;
            out.upto_key = results[i].upto_key;
            out.upto_in_part = results[i].upto_in_part;
            out.upto_row = results[i].upto_row;
        }
    }
    out.points = arena_array(arena, struct scan_point, total);
    for (;;) {
        const struct scan_point *least = NULL;
        for (size_t i = 0; i < count; i++) {
            const struct scan_point *p = &results[i].points[at[i]];
            if (at[i] < results[i].count && (least == NULL || scan_point_compare(p, least) < 0))
                least = p;
        }
        if (least == NULL || is_behind(least, &out))
            break;
        out.points[out.count++] = *least;
        for (size_t i = 0; i < count; i++)
            at[i] += at[i] < results[i].count &&
                     scan_point_compare(&results[i].points[at[i]], least) == 0;
    }
    *ret = out;
}
