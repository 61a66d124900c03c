#include "node/sim/watch_raw.h"

#include <string.h>
#include <xxhash.h>

#define ITEMS_MAX (1u << 20)

/* --- keys */

/* A string up to its 00 00; 00 FF in it is 00. */
static bool unescape(struct reader *in, struct arena *arena, struct bytes *ret)
{
    uint8_t *room = arena_alloc(arena, reader_left(in) + 1);
    size_t len = 0;
    for (;;) {
        uint8_t b = read_u8(in);
        uint8_t next = b == 0 ? read_u8(in) : 1;
        if (in->failed || (b == 0 && next != 0 && next != 0xff))
            return false;
        if (b == 0 && next == 0)
            break;
        room[len++] = b;
    }
    *ret = bytes_make(room, len);
    return true;
}

/* --- data */

struct body {
    struct reader in;
    struct arena *arena;
    struct raw_entry *entry;
    size_t cap;
    struct dot *dots;
    uint64_t dots_count;
    int64_t base, timestamp; /* timestamp, dot, writer: of the cell before */
    struct dot dot;
    uint64_t writer;
    bool siblings;
};

static struct raw_item *add(struct body *b, enum raw_what what)
{
    struct raw_entry *e = b->entry;
    e->items = arena_grow(b->arena, e->items, e->items_count, &b->cap, sizeof *e->items);
    struct raw_item *item = &e->items[e->items_count++];
    memset(item, 0, sizeof *item);
    item->what = what;
    return item;
}

static uint64_t count_of(struct body *b)
{
    uint64_t count = read_varint(&b->in);
    if (count > ITEMS_MAX || count > reader_left(&b->in))
        b->in.failed = true;
    return b->in.failed ? 0 : count;
}

static void numbered_dot(struct body *b, struct dot *dot)
{
    uint64_t number = read_varint(&b->in);
    if (number < b->dots_count)
        *dot = b->dots[number];
    else
        b->in.failed = true;
}

static void mark(struct body *b, int64_t *timestamp, struct dot *dot)
{
    *timestamp = (int64_t)((uint64_t)b->base + read_varint(&b->in));
    numbered_dot(b, dot);
}

static void stamp(struct body *b, struct raw_item *item)
{
    mark(b, &item->timestamp, &item->dot);
    item->time_s = read_svarint(&b->in);
}

static void cell(struct body *b, struct bytes row, bool is_static)
{
    struct raw_item *item = add(b, RAW_CELL);
    uint64_t column = read_varint(&b->in);
    uint8_t flags = read_u8(&b->in);
    item->row = row;
    item->is_static = is_static;
    item->column = (uint32_t)column;
    item->kind = flags & 3;
    item->has_path = (flags & 4) != 0;
    if (column > UINT32_MAX || flags > 31 || item->kind == (b->siblings ? 2 : 3))
        b->in.failed = true;
    if ((flags & 8) != 0)
        mark(b, &b->timestamp, &b->dot);
    item->timestamp = b->timestamp;
    item->siblings = b->siblings;
    item->dot = item->target = b->dot;
    if ((flags & 16) != 0)
        b->writer = read_u64(&b->in);
    item->writer = item->kind == 3 ? 0 : b->writer;
    if (item->kind == 1)
        item->ttl = read_varint(&b->in);
    if (item->kind == 1 || item->kind == 2)
        item->time_s = read_svarint(&b->in);
    if (item->has_path)
        item->path = read_vbytes(&b->in);
    if (item->kind < 2)
        item->value = read_vbytes(&b->in);
    item->first = b->dot.n;
    if (item->kind == 3) {
        numbered_dot(b, &item->dot);
        item->first -= read_varint(&b->in);
        if (item->first == 0 || item->first > item->target.n)
            b->in.failed = true;
    }
}

static void row(struct body *b, struct bytes key, bool is_static)
{
    uint8_t flags = read_u8(&b->in);
    if (flags > 1)
        b->in.failed = true;
    if (flags == 1) {
        struct raw_item *item = add(b, RAW_ROW_DELETION);
        item->row = key;
        item->is_static = is_static;
        stamp(b, item);
    }
    uint64_t cells = count_of(b);
    for (uint64_t i = 0; i < cells && !b->in.failed; i++)
        cell(b, key, is_static);
}

static void dots(struct body *b)
{
    b->dots_count = count_of(b);
    b->dots = arena_array(b->arena, struct dot, b->dots_count);
    for (uint64_t i = 0; i < b->dots_count; i++)
        b->dots[i] = read_dot(&b->in);
    b->base = b->timestamp = read_svarint(&b->in);
    if (b->dots_count > 0)
        b->dot = b->dots[0];
}

/* The value of a data key; `key` is the row that the key names. */
static bool body(struct bytes value, struct bytes key, struct arena *arena, struct raw_entry *ret)
{
    struct body b = {.in = reader_make(value), .arena = arena, .entry = ret};
    uint8_t flags = read_u8(&b.in);
    b.siblings = (flags & 16) != 0;
    dots(&b);
    if ((flags & 1) != 0)
        stamp(&b, add(&b, RAW_PART_DELETION));
    uint64_t tombs = (flags & 2) != 0 ? count_of(&b) : 0;
    for (uint64_t i = 0; i < tombs && !b.in.failed; i++) {
        struct raw_item *item = add(&b, RAW_RANGE_DELETION);
        item->start = read_vbytes(&b.in);
        item->end = read_vbytes(&b.in);
        stamp(&b, item);
    }
    if ((flags & 4) != 0)
        row(&b, BYTES_NONE, true);
    uint64_t rows = (flags & 8) != 0 ? count_of(&b) : 0;
    for (uint64_t i = 0; i < rows && !b.in.failed; i++) {
        if (read_vbytes(&b.in).len != 0) /* the key of the store says it */
            b.in.failed = true;
        row(&b, key, false);
    }
    return flags < 32 && rows <= 1 && reader_done(&b.in);
}

/* The value ends in a checksum of itself and its key. */
static bool unseal(struct bytes key, struct bytes *value)
{
    if (value->len < 4)
        return false;
    value->len -= 4;
    uint64_t sum = XXH3_64bits_withSeed(value->data, value->len, XXH3_64bits(key.data, key.len));
    return load_u32(value->data + value->len) == (uint32_t)(sum ^ sum >> 32);
}

static bool data(struct reader *key, struct bytes value, struct arena *arena, struct raw_entry *ret)
{
    struct bytes row_key = BYTES_NONE;
    ret->type = RAW_DATA;
    ret->table = read_u32(key);
    ret->token = (int64_t)(read_u64(key) ^ UINT64_C(1) << 63);
    if (!unescape(key, arena, &ret->partition))
        return false;
    uint8_t kind = read_u8(key);
    if (kind == 4 && !unescape(key, arena, &row_key))
        return false;
    (void)read_u64(key);
    return kind >= 1 && kind <= 4 && reader_done(key) && body(value, row_key, arena, ret);
}

/* Only that it is one: what it points to may be gone. */
static bool index_entry(struct reader *key, struct bytes value, struct arena *arena)
{
    struct bytes term, partition, row_key;
    (void)read_u64(key); /* table, index */
    if (!unescape(key, arena, &term))
        return false;
    (void)read_u64(key); /* token */
    if (!unescape(key, arena, &partition))
        return false;
    uint8_t kind = read_u8(key);
    if (kind == 4 && !unescape(key, arena, &row_key))
        return false;
    return (kind == 3 || kind == 4) && reader_done(key) && value.len == 0;
}

/* What it points to may be gone, too. */
static bool garbage_entry(struct reader *key, struct bytes value, struct arena *arena,
                          struct raw_entry *ret)
{
    struct bytes row_key;
    ret->type = RAW_GARBAGE;
    ret->keyspace = read_u32(key);
    ret->range = read_u32(key);
    uint8_t class = read_u8(key);
    ret->expires = class == 2;
    ret->due_s = (int64_t)(read_u64(key) ^ UINT64_C(1) << 63);
    ret->table = read_u32(key);
    ret->token = (int64_t)(read_u64(key) ^ UINT64_C(1) << 63);
    if (!unescape(key, arena, &ret->partition))
        return false;
    uint8_t kind = read_u8(key);
    if (kind == 4 && !unescape(key, arena, &row_key))
        return false;
    ret->dot.actor.node = read_u32(key);
    ret->dot.actor.boot = read_u32(key);
    ret->dot.n = read_u64(key);
    return (class == 1 || class == 2) && kind >= 1 && kind <= 4 && reader_done(key) &&
           value.len == 0;
}

/* The largest timestamp that was dropped from a bucket of partitions. */
static bool purged_bound(struct reader *key)
{
    (void)read_u32(key);
    return reader_done(key);
}

/* --- logs and clocks */

/* What an entry says of its dot, the rest is the rows. */
static bool add_log(struct raw_entry *ret, size_t *cap, struct arena *arena, struct raw_log log)
{
    struct reader in = reader_make(log.entry);
    uint8_t version = read_u8(&in);
    uint64_t table = read_varint(&in);
    log.table = (uint32_t)table;
    log.token = read_i64(&in);
    log.partition = read_vbytes(&in);
    ret->logs = arena_grow(arena, ret->logs, ret->logs_count, cap, sizeof log);
    ret->logs[ret->logs_count++] = log;
    return !in.failed && version == 1 && table <= UINT32_MAX;
}

static bool log_piece(struct reader *key, struct bytes value, struct arena *arena,
                      struct raw_entry *ret)
{
    struct reader in = reader_make(value);
    struct raw_log log = {0};
    size_t cap = 0;
    ret->type = RAW_LOG;
    log.keyspace = read_u32(key);
    log.range = read_u32(key);
    log.dot.actor.node = read_u32(key);
    log.dot.actor.boot = read_u32(key);
    uint64_t window = read_u64(key);
    (void)read_u64(key); /* piece */
    bool good = reader_done(key) && window % 64 == 0;
    while (good && reader_left(&in) > 0) {
        uint8_t n = read_u8(&in);
        log.dot.n = window + n;
        log.entry = read_vbytes(&in);
        good = !in.failed && n < 64 && add_log(ret, &cap, arena, log);
    }
    return good;
}

static bool journal(struct reader *key, struct bytes value, struct arena *arena,
                    struct raw_entry *ret)
{
    struct reader in = reader_make(value);
    size_t cap = 0;
    ret->type = RAW_LOG;
    (void)read_u64(key); /* number */
    (void)read_u64(&in); /* epoch */
    bool good = reader_done(key) && !in.failed;
    while (good && reader_left(&in) > 0) {
        struct raw_log log = {0};
        log.keyspace = (uint32_t)read_varint(&in);
        log.range = (uint32_t)read_varint(&in);
        log.dot = read_dot(&in);
        log.entry = read_vbytes(&in);
        good = !in.failed && add_log(ret, &cap, arena, log);
    }
    return good;
}

static bool clock_entry(struct reader *key, struct bytes value, struct arena *arena,
                        struct raw_entry *ret)
{
    struct reader in = reader_make(value);
    size_t cap = 0;
    ret->type = RAW_CLOCK;
    ret->keyspace = read_u32(key);
    ret->range = read_u32(key);
    uint8_t version = read_u8(&in);
    uint64_t actors = read_varint(&in);
    for (uint64_t i = 0; i < actors && !in.failed; i++) {
        struct actor actor;
        actor.node = (uint32_t)read_varint(&in);
        actor.boot = (uint32_t)read_varint(&in);
        uint64_t end = read_varint(&in);
        uint64_t runs = read_varint(&in);
        for (uint64_t k = 0; k <= runs && !in.failed; k++) {
            struct raw_run run = {actor, 1, end};
            if (k > 0) {
                run.first = end + 2 + read_varint(&in);
                run.last = run.first + read_varint(&in);
            }
            end = run.last;
            if (run.last == 0)
                continue;
            ret->runs = arena_grow(arena, ret->runs, ret->runs_count, &cap, sizeof *ret->runs);
            ret->runs[ret->runs_count++] = run;
        }
    }
    return reader_done(key) && version == 1 && reader_done(&in);
}

/* What the log of a range takes up, and the clock of what it has no more; samples of both. */
static bool log_account(struct reader *key, struct bytes value)
{
    struct reader in = reader_make(value);
    (void)read_u64(key); /* keyspace, range */
    (void)read_varint(&in);
    (void)read_varint(&in);
    (void)read_i64(&in);
    (void)read_vbytes(&in);
    uint64_t samples = read_varint(&in);
    for (uint64_t i = 0; i < samples && !in.failed; i++) {
        (void)read_i64(&in);
        (void)read_varint(&in);
        (void)read_vbytes(&in);
    }
    return reader_done(key) && reader_done(&in);
}

/* --- trees: sums of rows */

static bool leaves(struct reader *key, struct bytes value)
{
    struct reader in = reader_make(value);
    (void)read_u32(key); /* table */
    (void)read_u32(key); /* piece */
    bool good = read_u8(&in) == 1;
    uint64_t count = read_varint(&in);
    for (uint64_t i = 0; i < count && !in.failed && good; i++) {
        (void)read_varint(&in);
        (void)read_vbytes(&in); /* first place */
        (void)read_u64(&in);
        (void)read_varint(&in); /* sum, rows */
        uint8_t due = read_u8(&in);
        if (due == 2)
            (void)read_svarint(&in);
        good = due <= 2;
    }
    return good && reader_done(key) && reader_done(&in);
}

static bool tree(struct reader *key, struct bytes value)
{
    struct reader in = reader_make(value);
    (void)read_u32(key); /* keyspace */
    (void)read_u32(key); /* range */
    if (reader_left(key) > 0)
        return leaves(key, value);
    bool good = read_u8(&in) == 1;
    (void)read_u64(&in);
    (void)read_vbytes(&in); /* as-of clock */
    uint64_t tables = read_varint(&in);
    for (uint64_t i = 0; i < tables && !in.failed && good; i++) {
        (void)read_varint(&in);
        (void)read_varint(&in); /* table, next piece */
        uint64_t pieces = read_varint(&in);
        for (uint64_t k = 0; k < pieces && !in.failed && good; k++) {
            (void)read_varint(&in);
            (void)read_vbytes(&in);
            (void)read_u64(&in);
            (void)read_varint(&in);
            uint8_t due = read_u8(&in);
            if (due == 2)
                (void)read_svarint(&in);
            uint64_t count = read_varint(&in);
            (void)read_bytes(&in, (size_t)(count + 7) / 8); /* which are dirty */
            good = due <= 2;
        }
    }
    return good && reader_done(key) && reader_done(&in);
}

static bool tree_mark(struct reader *key, struct bytes value)
{
    (void)read_u32(key);
    (void)read_u32(key);
    return reader_done(key) && value.len == 8;
}

bool raw_read(struct bytes key, struct bytes value, struct arena *arena, struct raw_entry *ret)
{
    struct reader in = reader_make(key);
    memset(ret, 0, sizeof *ret);
    switch (read_u8(&in)) {
    case 'd': return unseal(key, &value) && data(&in, value, arena, ret);
    case 'i': return index_entry(&in, value, arena);
    case 'g': return garbage_entry(&in, value, arena, ret);
    case 'b': return purged_bound(&in);
    case 'l': return log_piece(&in, value, arena, ret);
    case 'j': return journal(&in, value, arena, ret);
    case 'f': return log_account(&in, value);
    case 'c': return clock_entry(&in, value, arena, ret);
    case 't': return tree(&in, value);
    case 'T': return tree_mark(&in, value);
    case 'A':
    case 'M':
    case 'z':
    case 'F': return !in.failed;
    default: return false;
    }
}
