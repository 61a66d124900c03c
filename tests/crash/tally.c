/* tally.c - see tally.h. */
#include "crash/tally.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE 16

bool tally_fail(struct tally *t, const char *format, ...)
{
    va_list args;
    if (t->verdict[0] != 0)
        return false;
    va_start(args, format);
    vsnprintf(t->verdict, sizeof t->verdict, format, args);
    va_end(args);
    return false;
}

/* --- what a write is */

static token token_of(range_no range)
{
    return (token)range * 1000 - 2500;
}

static struct bytes text_key(struct arena *arena, char letter, uint32_t number)
{
    char *room = arena_array(arena, char, KEY_SIZE);
    int len = snprintf(room, KEY_SIZE, "%c%08u", letter, number);
    return bytes_make(room, (size_t)len);
}

/* Bytes that do not compress, so that tables fill, and that no other write has. */
static struct bytes value_of(const struct tally *t, uint32_t i, struct arena *arena)
{
    uint32_t len = t->writes[i].bytes;
    uint8_t *room = arena_array(arena, uint8_t, len);
    uint64_t x = i + 1;
    for (uint32_t at = 0; at < len; at++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        room[at] = (uint8_t)(x >> 56);
    }
    return bytes_make(room, len);
}

static struct row row_of(const struct tally *t, uint32_t i, struct bytes key, struct arena *arena)
{
    struct row row = {.key = key, .deletion = TOMB_NONE, .cells_count = 1};
    row.cells = arena_array(arena, struct cell, 1);
    row.cells[0] = (struct cell){.column = 1,
                                 .kind = CELL_LIVE,
                                 .timestamp = (int64_t)i + 1,
                                 .value = value_of(t, i, arena),
                                 .dot = t->writes[i].dot};
    return row;
}

struct part tally_part(const struct tally *t, uint32_t i, struct arena *arena)
{
    const struct tally_write *w = &t->writes[i];
    struct part p = {.table = TALLY_TABLE,
                     .token = token_of(w->range),
                     .key = text_key(arena, 'p', w->range),
                     .deletion = TOMB_NONE,
                     .static_row = {.deletion = TOMB_NONE},
                     .rows_count = 2};
    p.rows = arena_array(arena, struct row, 2);
    p.rows[0] = row_of(t, i, text_key(arena, 'h', w->hot), arena);
    p.rows[1] = row_of(t, i, text_key(arena, 'u', i), arena);
    part_normalise(&p, arena);
    return p;
}

/* --- what the store has */

struct look {
    struct tally *t;
    struct arena arena;
    bool seen[TALLY_WRITES_MAX];
    uint32_t hot[TALLY_RANGES][TALLY_HOT_ROWS]; /* the write that the row shows, plus 1 */
};

/* The write that a row is of: it must be one that was issued, to this range, byte for byte. */
static bool look_at_row(struct look *l, range_no range, const struct row *r)
{
    struct tally *t = l->t;
    char room[KEY_SIZE] = {0};
    if (r->key.len < 2 || r->key.len >= KEY_SIZE || r->cells_count != 1)
        return tally_fail(t, "a row that nobody wrote, range %u", range);
    memcpy(room, r->key.data, r->key.len);
    uint64_t i = (uint64_t)r->cells[0].timestamp - 1;
    uint64_t number = strtoull(room + 1, NULL, 10);
    if (i >= t->count || t->writes[i].range != range)
        return tally_fail(t, "row %s of range %u has write %llu of %u issued", room, range,
                          (unsigned long long)i, t->count);
    arena_reset(&l->arena);
    struct part p = tally_part(t, (uint32_t)i, &l->arena);
    const struct row *wanted = &p.rows[room[0] == 'u'];
    if (!bytes_equal(wanted->key, r->key) ||
        !bytes_equal(wanted->cells[0].value, r->cells[0].value) ||
        dot_compare(wanted->cells[0].dot, r->cells[0].dot) != 0)
        return tally_fail(t, "row %s of range %u is not what write %llu wrote", room, range,
                          (unsigned long long)i);
    if (room[0] == 'u')
        l->seen[i] = true;
    else
        l->hot[range][number % TALLY_HOT_ROWS] = (uint32_t)i + 1;
    return true;
}

static bool look_at_part(struct look *l, const struct part *p)
{
    range_no range = (range_no)((p->token + 2500) / 1000);
    if (range >= TALLY_RANGES || p->token != token_of(range))
        return tally_fail(l->t, "a partition that nobody wrote");
    for (size_t i = 0; i < p->rows_count; i++) {
        if (!look_at_row(l, range, &p->rows[i]))
            return false;
    }
    return true;
}

static bool look_at_all(struct look *l, struct engine *e)
{
    struct scan scan = {
        .table = TALLY_TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX, .durable = true};
    struct scan_result page = {.more = true};
    struct arena arena;
    bool good = true;
    arena_init(&arena);
    while (good && page.more) {
        enum err err = engine_scan(e, &scan, &arena, &page);
        if (err != ERR_OK) {
            good = tally_fail(l->t, "scan: %s", err_text(err));
            break;
        }
        for (size_t i = 0; good && i < page.parts_count; i++)
            good = look_at_part(l, &page.parts[i]);
        scan.has_from = true;
        scan.from_token = page.upto_token;
        scan.from_key = page.upto_key;
        scan.from_in_part = page.upto_in_part;
        scan.from_row = page.upto_row;
        scan.from_rows = page.upto_rows;
    }
    arena_close(&arena);
    return good;
}

/* --- the comparison */

/* What was promised is there, and within one life nothing is there behind something that is not. */
static bool check_promises(struct look *l)
{
    struct tally *t = l->t;
    uint32_t gap = UINT32_MAX;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct tally_write *w = &t->writes[i];
        if (!l->seen[i] && w->acked)
            return tally_fail(t, "LOST: write %u of %u, acked, of boot %u, range %u", i, t->count,
                              w->dot.actor.boot, w->range);
        if (l->seen[i] && gap != UINT32_MAX && t->writes[gap].dot.actor.boot == w->dot.actor.boot)
            return tally_fail(t, "write %u is there and write %u before it is not", i, gap);
        if (!l->seen[i])
            gap = i;
    }
    return true;
}

/* The clock of a range has the dots of the writes that are there, and no others. */
static bool check_clock(struct look *l, struct engine *e, range_no range)
{
    struct tally *t = l->t;
    uint64_t there = 0;
    const struct clock *c = engine_clock(e, TALLY_KEYSPACE, range);
    if (engine_range_error(e, TALLY_KEYSPACE, range) != ERR_OK)
        return tally_fail(t, "the clock of range %u cannot be read", range);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct tally_write *w = &t->writes[i];
        if (w->range != range)
            continue;
        if (clock_has(c, w->dot) != l->seen[i])
            return tally_fail(t, "write %u, dot %llu of boot %u in range %u: %s", i,
                              (unsigned long long)w->dot.n, w->dot.actor.boot, range,
                              l->seen[i] ? "there, not in the clock" : "in the clock, not there");
        there += l->seen[i];
    }
    if (clock_count(c) != there)
        return tally_fail(t, "the clock of range %u has %llu dots, of %llu writes", range,
                          (unsigned long long)clock_count(c), (unsigned long long)there);
    return true;
}

static bool check_hot_rows(struct look *l)
{
    uint32_t newest[TALLY_RANGES][TALLY_HOT_ROWS] = {{0}};
    for (uint32_t i = 0; i < l->t->count; i++) {
        const struct tally_write *w = &l->t->writes[i];
        if (l->seen[i])
            newest[w->range][w->hot] = i + 1;
    }
    for (uint32_t r = 0; r < TALLY_RANGES; r++) {
        for (uint32_t h = 0; h < TALLY_HOT_ROWS; h++) {
            if (newest[r][h] != l->hot[r][h])
                return tally_fail(l->t, "row h%u of range %u shows write %u - 1, not %u - 1", h, r,
                                  l->hot[r][h], newest[r][h]);
        }
    }
    return true;
}

bool tally_check(struct tally *t, struct engine *e)
{
    static struct look look; /* too big for a stack */
    memset(&look, 0, sizeof look);
    look.t = t;
    arena_init(&look.arena);
    bool good = look_at_all(&look, e) && check_promises(&look) && check_hot_rows(&look);
    for (range_no r = 0; good && r < TALLY_RANGES; r++)
        good = check_clock(&look, e, r);
    for (uint32_t i = 0; good && t->promise_seen && i < t->count; i++)
        t->writes[i].acked = t->writes[i].acked || look.seen[i];
    arena_close(&look.arena);
    return good;
}
