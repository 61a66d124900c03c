#include "storage/tree_record.h"

#include "storage/keys.h"

#include <string.h>

#define RECORD_VERSION 1
#define TABLES_MAX     65536u
#define PIECES_MAX     (1u << 20)

enum due_kind { DUE_KIND_NEVER = 0, DUE_KIND_NOW = 1, DUE_KIND_AT = 2 };

/* --- writing */

static void write_due(int64_t due, struct buf *out)
{
    enum due_kind kind = due == DUE_NEVER ? DUE_KIND_NEVER
                         : due == DUE_NOW ? DUE_KIND_NOW
                                          : DUE_KIND_AT;
    buf_put_u8(out, (uint8_t)kind);
    if (kind == DUE_KIND_AT)
        buf_put_svarint(out, due);
}

static void write_sum(const struct tree_sum *s, struct buf *out)
{
    buf_put_u64(out, s->sum);
    buf_put_varint(out, s->rows);
}

static size_t bitmap_size(uint32_t leaves)
{
    return (leaves + 7) / 8;
}

void tree_head_encode(const struct tree_head *h, struct buf *out)
{
    struct buf clock;
    buf_init(&clock, SIZE_MAX);
    clock_encode(&h->asof, &clock);
    buf_put_u8(out, RECORD_VERSION);
    buf_put_u64(out, h->check);
    buf_put_vbytes(out, buf_bytes(&clock));
    buf_close(&clock);
    buf_put_varint(out, h->count);
    for (size_t i = 0; i < h->count; i++) {
        const struct tree_table *t = &h->tables[i];
        buf_put_varint(out, t->table);
        buf_put_varint(out, t->next_id);
        buf_put_varint(out, t->count);
        for (size_t k = 0; k < t->count; k++) {
            const struct tree_piece *p = &t->pieces[k];
            buf_put_varint(out, p->id);
            buf_put_vbytes(out, p->first);
            write_sum(&p->sum, out);
            write_due(p->due, out);
            buf_put_varint(out, p->count);
            buf_put(out, p->dirty, bitmap_size(p->count));
        }
    }
}

void tree_leaves_encode(const struct tree_leaf *leaves, size_t count, struct buf *out)
{
    struct bytes before = BYTES_NONE;
    buf_put_u8(out, RECORD_VERSION);
    buf_put_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        struct bytes first = leaves[i].first;
        size_t shared = 0;
        while (shared < first.len && shared < before.len &&
               first.data[shared] == before.data[shared])
            shared++;
        buf_put_varint(out, shared);
        buf_put_vbytes(out, bytes_make(first.data + shared, first.len - shared));
        write_sum(&leaves[i].sum, out);
        write_due(leaves[i].due, out);
        before = first;
    }
}

/* --- reading: any failure sets the reader's `failed` */

static int64_t read_due(struct reader *in)
{
    uint8_t kind = read_u8(in);
    if (kind > DUE_KIND_AT)
        in->failed = true;
    int64_t at = kind == DUE_KIND_AT ? read_svarint(in) : 0;
    return kind == DUE_KIND_NEVER ? DUE_NEVER : kind == DUE_KIND_NOW ? DUE_NOW : at;
}

static struct tree_sum read_sum(struct reader *in)
{
    struct tree_sum s;
    s.sum = read_u64(in);
    s.rows = read_varint(in);
    return s;
}

/* A count of items of at least `least` bytes each. */
static size_t read_count(struct reader *in, size_t max, size_t least)
{
    uint64_t count = read_varint(in);
    if (in->failed || count > max || count > reader_left(in) / least) {
        in->failed = true;
        return 0;
    }
    return (size_t)count;
}

/* The first of all is empty; all others are places, and ascend. */
static bool follows(struct bytes place, struct bytes before, bool is_first)
{
    return is_first ? place.len == 0 : bytes_compare(before, place) < 0 && key_is_tree_place(place);
}

static void read_piece(struct reader *in, struct arena *arena, uint32_t next_id,
                       struct tree_piece *p)
{
    uint64_t id = read_varint(in);
    p->first = read_vbytes(in);
    p->sum = read_sum(in);
    p->due = read_due(in);
    uint64_t count = read_varint(in);
    p->dirty = arena_zero(arena, PIECE_BITMAP);
    if (in->failed || id >= next_id || count < 1 || count > PIECE_LEAVES_MAX) {
        in->failed = true;
        return;
    }
    p->id = (uint32_t)id;
    p->count = (uint32_t)count;
    struct bytes bits = read_bytes(in, bitmap_size(p->count));
    if (!in->failed)
        memcpy(p->dirty, bits.data, bits.len);
    if (p->count % 8 != 0 && p->dirty[p->count / 8] >> p->count % 8 != 0)
        in->failed = true;
}

static void read_table(struct reader *in, struct arena *arena, struct tree_table *t)
{
    uint64_t table = read_varint(in);
    uint64_t next_id = read_varint(in);
    if (table > UINT32_MAX || next_id > UINT32_MAX)
        in->failed = true;
    t->table = (table_no)table;
    t->next_id = (uint32_t)next_id;
    t->count = t->cap = read_count(in, PIECES_MAX, 13);
    if (t->count == 0)
        in->failed = true;
    t->pieces = arena_array(arena, struct tree_piece, t->count);
    for (size_t i = 0; i < t->count && !in->failed; i++) {
        read_piece(in, arena, t->next_id, &t->pieces[i]);
        struct bytes before = i > 0 ? t->pieces[i - 1].first : BYTES_NONE;
        if (!follows(t->pieces[i].first, before, i == 0))
            in->failed = true;
    }
}

enum err tree_head_decode(struct bytes in, struct arena *arena, struct tree_head *ret)
{
    struct reader r = reader_make(in);
    uint8_t version = read_u8(&r);
    ret->check = read_u64(&r);
    struct bytes clock = read_vbytes(&r);
    if (r.failed || version != RECORD_VERSION || clock_decode(clock, &ret->asof) != ERR_OK)
        return ERR_MALFORMED;
    ret->count = ret->cap = read_count(&r, TABLES_MAX, 3);
    ret->tables = arena_array(arena, struct tree_table, ret->count);
    for (size_t i = 0; i < ret->count && !r.failed; i++) {
        read_table(&r, arena, &ret->tables[i]);
        if (i > 0 && ret->tables[i].table <= ret->tables[i - 1].table)
            r.failed = true;
    }
    return reader_finish(&r);
}

static void read_leaf(struct reader *in, struct arena *arena, struct bytes before,
                      struct tree_leaf *ret)
{
    uint64_t shared = read_varint(in);
    struct bytes rest = read_vbytes(in);
    ret->sum = read_sum(in);
    ret->due = read_due(in);
    if (in->failed || shared > before.len) {
        in->failed = true;
        return;
    }
    uint8_t *first = arena_alloc(arena, (size_t)shared + rest.len + 1);
    if (shared > 0)
        memcpy(first, before.data, (size_t)shared);
    if (rest.len > 0)
        memcpy(first + shared, rest.data, rest.len);
    ret->first = bytes_make(first, (size_t)shared + rest.len);
}

enum err tree_leaves_decode(struct bytes in, struct arena *arena, struct tree_leaf **ret,
                            size_t *ret_count)
{
    struct reader r = reader_make(in);
    struct bytes before = BYTES_NONE;
    uint8_t version = read_u8(&r);
    size_t count = read_count(&r, PIECE_LEAVES_MAX, 12);
    struct tree_leaf *leaves = arena_array(arena, struct tree_leaf, count);
    if (version != RECORD_VERSION || count == 0)
        r.failed = true;
    for (size_t i = 0; i < count && !r.failed; i++) {
        read_leaf(&r, arena, before, &leaves[i]);
        if (i > 0 && !follows(leaves[i].first, before, false))
            r.failed = true;
        before = leaves[i].first;
    }
    *ret = leaves;
    *ret_count = count;
    return reader_finish(&r);
}

/* --- pieces */

size_t piece_dirty_count(const struct tree_piece *p)
{
    size_t count = 0;
    for (size_t i = 0; i < bitmap_size(p->count); i++)
        count += (size_t)__builtin_popcount(p->dirty[i]);
    return count;
}

bool piece_is_all_dirty(const struct tree_piece *p)
{
    for (size_t i = 0; i < p->count / 8; i++) {
        if (p->dirty[i] != 0xff)
            return false;
    }
    return p->count % 8 == 0 || p->dirty[p->count / 8] == (1u << p->count % 8) - 1;
}

bool tree_table_is_clean(const struct tree_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (piece_dirty_count(&t->pieces[i]) > 0)
            return false;
    }
    return true;
}

bool tree_table_is_all_dirty(const struct tree_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (!piece_is_all_dirty(&t->pieces[i]))
            return false;
    }
    return true;
}

void piece_set_all_dirty(struct tree_piece *p)
{
    memset(p->dirty, 0xff, p->count / 8);
    if (p->count % 8 != 0)
        p->dirty[p->count / 8] = (uint8_t)((1u << p->count % 8) - 1);
}

void piece_sum_up(struct tree_piece *p)
{
    p->first = p->leaves[0].first;
    p->sum = (struct tree_sum){0, 0};
    p->due = DUE_NEVER;
    memset(p->dirty, 0, PIECE_BITMAP);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct tree_leaf *leaf = &p->leaves[i];
        p->sum.sum += leaf->sum.sum;
        p->sum.rows += leaf->sum.rows;
        p->due = leaf->due < p->due ? leaf->due : p->due;
        if (leaf->dirty)
            piece_set_dirty(p, i);
    }
}
