/* vote_keep.c - what lost a vote is kept, before it goes: facts, the oldest of many go.
 *
 *   difference (a fact) = i64 wall s, u32 keyspace, u32 range, u32 table, u32 peer,
 *           vbytes partition key, u8 is a row, vbytes row key, vbytes had, vbytes won (texts)
 *           under "a/lost", u64 number
 */
#include "node/heal/vote.h"

#include "storage/keys.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FACT_LOST "a/lost"
#define TEXT_MAX  1024u
#define VALUE_MAX 64u

static struct bytes name_of(uint64_t number, uint8_t room[14])
{
    memcpy(room, FACT_LOST, 6);
    store_u64(room + 6, number);
    return bytes_make(room, 14);
}

static void load(struct heal *h)
{
    struct buf name, value, after;
    if (h->lost.loaded)
        return;
    buf_init(&name, 64);
    buf_init(&value, WIRE_MESSAGE_MAX);
    buf_init(&after, 64);
    h->lost.first = h->lost.next = 1;
    while (engine_fact_next(h->engine, BYTES_LIT(FACT_LOST), buf_bytes(&after), &name, &value) ==
           ERR_OK) {
        if (name.len == 14) {
            uint64_t number = load_u64(name.data + 6);
            if (h->lost.next == 1)
                h->lost.first = number;
            h->lost.next = number + 1;
        }
        buf_clear(&after);
        buf_put_bytes(&after, buf_bytes(&name));
    }
    h->lost.loaded = true;
    buf_close(&name);
    buf_close(&value);
    buf_close(&after);
}

/* --- as text */

struct text {
    char s[TEXT_MAX + 1];
    size_t len;
};

static void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->s + t->len, sizeof t->s - t->len, format, args);
    va_end(args);
    if (n > 0)
        t->len += (size_t)n < sizeof t->s - t->len ? (size_t)n : sizeof t->s - 1 - t->len;
}

static void say_hex(struct text *t, struct bytes b)
{
    say(t, "0x");
    for (size_t i = 0; i < b.len && i < VALUE_MAX; i++)
        say(t, "%02x", b.data[i]);
    if (b.len > VALUE_MAX)
        say(t, "... (%zu bytes)", b.len);
}

static void say_dot(struct text *t, const char *what, int64_t timestamp, struct dot dot)
{
    say(t, "%s at %" PRId64 " by %u.%u:%" PRIu64, what, timestamp, (unsigned)dot.actor.node,
        (unsigned)dot.actor.boot, dot.n);
}

static void say_row(struct text *t, const struct row *row)
{
    static const char *const kinds[] = {"", "expiring ", "deleted", "removed"};
    if (!tomb_is_none(&row->deletion))
        say_dot(t, "row deleted", row->deletion.timestamp, row->deletion.dot);
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        say(t, "%scolumn %u", t->len > 0 ? "; " : "", (unsigned)c->column);
        if (c->has_path) {
            say(t, "[");
            say_hex(t, c->path);
            say(t, "]");
        }
        say(t, " = %s", kinds[c->kind]);
        if (c->kind == CELL_LIVE || c->kind == CELL_EXPIRING)
            say_hex(t, c->value);
        say_dot(t, "", c->timestamp, c->dot);
    }
}

static struct bytes text_of(const struct part *p, struct text *t)
{
    t->len = 0;
    t->s[0] = 0;
    if (p != NULL && !tomb_is_none(&p->deletion))
        say_dot(t, "partition deleted", p->deletion.timestamp, p->deletion.dot);
    for (size_t i = 0; p != NULL && i < p->tombs_count; i++)
        say_dot(t, t->len > 0 ? "; range deleted" : "range deleted", p->tombs[i].tomb.timestamp,
                p->tombs[i].tomb.dot);
    if (p != NULL && p->has_static)
        say_row(t, &p->static_row);
    if (p != NULL && p->rows_count > 0)
        say_row(t, &p->rows[0]);
    if (t->len == 0)
        say(t, "nothing");
    return bytes_make((const uint8_t *)t->s, t->len);
}

/* --- */

static void keep_one(struct heal *h, const struct compare_range *r, node_no peer, int64_t at_s,
                     const struct vote_difference *d)
{
    struct arena arena = {0};
    struct text text;
    struct bytes key, row;
    enum key_kind kind;
    token at;
    uint8_t room[14];
    struct buf value;
    buf_init(&value, WIRE_MESSAGE_MAX);
    if (key_parse_tree_place(d->place, &arena, &at, &key, &kind, &row)) {
        buf_put_i64(&value, at_s);
        buf_put_u32(&value, r->keyspace);
        buf_put_u32(&value, r->range);
        buf_put_u32(&value, d->table);
        buf_put_u32(&value, peer);
        buf_put_vbytes(&value, key);
        buf_put_u8(&value, kind == KEY_ROW);
        buf_put_vbytes(&value, kind == KEY_ROW ? row : BYTES_NONE);
        buf_put_vbytes(&value, text_of(d->had, &text));
        buf_put_vbytes(&value, text_of(d->won, &text));
        engine_fact_put(h->engine, name_of(h->lost.next++, room), buf_bytes(&value), 0);
    }
    while (h->lost.next - h->lost.first > HEAL_DIFFERENCES_MAX)
        engine_fact_delete(h->engine, name_of(h->lost.first++, room), 0);
    buf_close(&value);
    arena_close(&arena);
}

void vote_keep(struct heal *h, const struct compare_range *r, node_no peer, int64_t at_s,
               const struct vote_difference *list, size_t count)
{
    load(h);
    h->stats.replaced += count;
    for (size_t i = 0; i < count; i++)
        keep_one(h, r, peer, at_s, &list[i]);
}

static bool read_one(struct bytes in, struct arena *arena, struct heal_difference *ret)
{
    struct reader r = reader_make(arena_copy(arena, in));
    ret->at_s = read_i64(&r);
    ret->keyspace = read_u32(&r);
    ret->range = read_u32(&r);
    ret->table = read_u32(&r);
    ret->peer = read_u32(&r);
    ret->key = read_vbytes(&r);
    ret->is_row = read_u8(&r) != 0;
    ret->row = read_vbytes(&r);
    ret->had = arena_text(arena, read_vbytes(&r));
    ret->won = arena_text(arena, read_vbytes(&r));
    return reader_finish(&r) == ERR_OK;
}

size_t heal_differences(struct heal *h, struct arena *arena, const struct heal_difference **ret)
{
    struct heal_difference *out = NULL;
    struct buf value;
    size_t count = 0, cap = 0;
    uint8_t room[14];
    load(h);
    buf_init(&value, WIRE_MESSAGE_MAX);
    for (uint64_t n = h->lost.first; n < h->lost.next; n++) {
        struct heal_difference d = {.number = n};
        buf_clear(&value);
        if (engine_fact_get(h->engine, name_of(n, room), &value) != ERR_OK ||
            !read_one(buf_bytes(&value), arena, &d))
            continue;
        out = arena_grow(arena, out, count, &cap, sizeof *out);
        out[count++] = d;
    }
    buf_close(&value);
    *ret = out;
    return count;
}
