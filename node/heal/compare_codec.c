/* compare_codec.c - the bytes in the messages of a session (compare.h has the grammar). */
#include "node/heal/compare.h"

enum { UNIT_LIST = 1, UNIT_FOLLOWS = 2, UNIT_FLAGS_END = 4 };

static void put_key(struct buf *out, struct key_coder *c, struct bytes key)
{
    size_t shared = 0;
    while (shared < key.len && shared < c->last.len && key.data[shared] == c->last.data[shared])
        shared++;
    buf_put_varint(out, shared);
    buf_put_vbytes(out, bytes_make(key.data + shared, key.len - shared));
    c->last.max = SIZE_MAX;
    buf_clear(&c->last);
    buf_put_bytes(&c->last, key);
}

/* The keys of a message as they come, in the arena. A few bytes may stand for a long key, so what
 * all come to is bounded. */
struct key_reader {
    struct arena *arena;
    struct bytes last;
    size_t bytes;
};

static struct bytes read_key(struct reader *in, struct key_reader *keys)
{
    uint64_t shared = read_varint(in);
    struct bytes rest = read_vbytes(in);
    struct bytes *last = &keys->last;
    if (in->failed || shared > last->len ||
        shared + rest.len > COMPARE_KEYS_READ_MAX - keys->bytes) {
        in->failed = true;
        return BYTES_NONE;
    }
    size_t len = (size_t)shared + rest.len;
    keys->bytes += len;
    struct arena *arena = keys->arena;
    uint8_t *key = arena_alloc(arena, len > 0 ? len : 1);
    for (size_t i = 0; i < len; i++)
        key[i] = i < shared ? last->data[i] : rest.data[i - shared];
    *last = bytes_make(key, len);
    return *last;
}

void compare_put_touched(struct buf *out, const struct tree_touched *items, size_t count)
{
    struct key_coder keys = {0};
    for (size_t i = 0; i < count; i++) {
        buf_put_varint(out, items[i].table);
        put_key(out, &keys, items[i].stretch.from);
        put_key(out, &keys, items[i].stretch.upto);
    }
    buf_close(&keys.last);
}

enum err compare_read_touched(struct bytes in, struct arena *arena, struct touched *ret)
{
    struct reader r = reader_make(in);
    struct key_reader keys = {.arena = arena};
    size_t cap = 0;
    *ret = (struct touched){0};
    while (reader_left(&r) > 0) {
        struct tree_touched t;
        uint64_t table = read_varint(&r);
        t.table = (table_no)table;
        t.stretch.from = read_key(&r, &keys);
        t.stretch.upto = read_key(&r, &keys);
        if (r.failed || table > UINT32_MAX || ret->count == 2 * COMPARE_TOUCHED_MAX)
            return ERR_MALFORMED;
        ret->items = arena_grow(arena, ret->items, ret->count, &cap, sizeof *ret->items);
        ret->items[ret->count++] = t;
    }
    return ERR_OK;
}

void compare_put_place(struct buf *out, struct key_coder *keys, table_no table, struct bytes place)
{
    buf_put_varint(out, table);
    put_key(out, keys, place);
}

enum err compare_read_places(struct bytes in, bool hashed, struct arena *arena,
                             struct compare_place **ret, size_t *ret_count)
{
    struct reader r = reader_make(in);
    struct key_reader keys = {.arena = arena};
    struct compare_place *out = NULL;
    size_t count = 0, cap = 0;
    while (reader_left(&r) > 0) {
        struct compare_place p = {0};
        uint64_t table = read_varint(&r);
        p.table = (table_no)table;
        p.place = read_key(&r, &keys);
        p.hash = hashed ? read_u64(&r) : 0;
        const struct compare_place *before = count > 0 ? &out[count - 1] : NULL;
        if (r.failed || table > UINT32_MAX || count == COMPARE_UNITS_MAX ||
            (before != NULL &&
             (before->table > p.table ||
              (before->table == p.table && bytes_compare(before->place, p.place) >= 0))))
            return ERR_MALFORMED;
        out = arena_grow(arena, out, count, &cap, sizeof *out);
        out[count++] = p;
    }
    *ret = out;
    *ret_count = count;
    return ERR_OK;
}

void compare_put_unit(struct buf *out, struct key_coder *keys, const struct compare_unit *before,
                      const struct compare_unit *unit)
{
    bool follows = before != NULL && before->table == unit->table && before->stretch.upto.len > 0 &&
                   bytes_equal(before->stretch.upto, unit->stretch.from);
    buf_put_u8(out, (uint8_t)((unit->list ? UNIT_LIST : 0) | (follows ? UNIT_FOLLOWS : 0)));
    if (!follows) {
        buf_put_varint(out, unit->table);
        put_key(out, keys, unit->stretch.from);
    }
    put_key(out, keys, unit->stretch.upto);
    if (!unit->list) {
        buf_put_u64(out, unit->sum);
        return;
    }
    buf_put_varint(out, unit->count);
    for (size_t i = 0; i < unit->count; i++)
        buf_put_u64(out, unit->hashes[i]);
}

static uint64_t *read_hashes(struct reader *in, struct arena *arena, size_t *ret_count)
{
    uint64_t count = read_varint(in);
    if (in->failed || count > COMPARE_LIST_MAX || count > reader_left(in) / 8) {
        in->failed = true;
        return NULL;
    }
    uint64_t *hashes = arena_array(arena, uint64_t, count);
    for (size_t i = 0; i < count; i++)
        hashes[i] = read_u64(in);
    *ret_count = (size_t)count;
    return hashes;
}

enum err compare_read_units(struct bytes in, struct arena *arena, struct compare_unit **ret,
                            size_t *ret_count)
{
    struct reader r = reader_make(in);
    struct key_reader keys = {.arena = arena};
    struct compare_unit *units = NULL;
    size_t count = 0, cap = 0;
    while (reader_left(&r) > 0) {
        struct compare_unit u = {0};
        uint8_t flags = read_u8(&r);
        bool follows = (flags & UNIT_FOLLOWS) != 0;
        if (flags >= UNIT_FLAGS_END || (follows && count == 0) || count == COMPARE_UNITS_MAX)
            return ERR_MALFORMED;
        uint64_t table = follows ? units[count - 1].table : read_varint(&r);
        u.table = (table_no)table;
        u.stretch.from = follows ? units[count - 1].stretch.upto : read_key(&r, &keys);
        u.stretch.upto = read_key(&r, &keys);
        u.list = (flags & UNIT_LIST) != 0;
        if (u.list)
            u.hashes = read_hashes(&r, arena, &u.count);
        else
            u.sum = read_u64(&r);
        if (r.failed || table > UINT32_MAX)
            return ERR_MALFORMED;
        units = arena_grow(arena, units, count, &cap, sizeof *units);
        units[count++] = u;
    }
    *ret = units;
    *ret_count = count;
    return ERR_OK;
}

void compare_put_answer(struct buf *out, bool list, const struct compare_answer *a)
{
    size_t last = 0;
    if (!list) {
        buf_put_u8(out, a->differs);
        return;
    }
    buf_put_vbytes(out, a->upto);
    buf_put_varint(out, a->wanted_count);
    for (size_t i = 0; i < a->wanted_count; i++) {
        buf_put_varint(out, a->wanted[i] - last);
        last = a->wanted[i];
    }
    buf_put_varint(out, a->theirs_count);
    for (size_t i = 0; i < a->theirs_count; i++)
        buf_put_u64(out, a->theirs[i]);
}

/* Ascending numbers of rows in the list. */
static bool read_wanted(struct reader *in, const struct compare_unit *unit, struct arena *arena,
                        struct compare_answer *ret)
{
    uint64_t at = 0, count = read_varint(in);
    if (in->failed || count > unit->count)
        return false;
    ret->wanted = arena_array(arena, size_t, count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = read_varint(in);
        if (in->failed || step >= unit->count - at || (i > 0 && step == 0))
            return false;
        at += step;
        ret->wanted[ret->wanted_count++] = (size_t)at;
    }
    return true;
}

enum err compare_read_answers(struct bytes in, const struct compare_unit *units, size_t units_count,
                              struct arena *arena, struct compare_answer **ret, size_t *ret_count)
{
    struct reader r = reader_make(in);
    uint64_t count = read_varint(&r);
    if (r.failed || count > units_count)
        return ERR_MALFORMED;
    struct compare_answer *answers = arena_array(arena, struct compare_answer, count);
    for (size_t i = 0; i < count; i++) {
        struct compare_answer *a = &answers[i];
        if (!units[i].list) {
            a->differs = read_u8(&r) != 0;
            continue;
        }
        a->upto = read_vbytes(&r);
        if (!read_wanted(&r, &units[i], arena, a))
            return ERR_MALFORMED;
        a->theirs = read_hashes(&r, arena, &a->theirs_count);
    }
    *ret = answers;
    *ret_count = (size_t)count;
    return reader_finish(&r);
}

bool compare_stretches_meet(const struct tree_stretch *a, const struct tree_stretch *b)
{
    return (a->upto.len == 0 || bytes_compare(b->from, a->upto) < 0) &&
           (b->upto.len == 0 || bytes_compare(a->from, b->upto) < 0);
}
