/* report.c - the bytes of lots: what is wanted, and what a leader tells of it. */
#include "node/repair/repair_core.h"

#include <string.h>

bool bits_have(const uint8_t *bits, size_t at)
{
    return (bits[at / 8] >> (at % 8) & 1) != 0;
}

void bits_set(uint8_t *bits, size_t at)
{
    bits[at / 8] = (uint8_t)(bits[at / 8] | 1u << (at % 8));
}

void repair_sums_add(struct repair_sums *to, const struct repair_sums *what)
{
#define X(name) to->name += what->name;
    REPAIR_SUM_LIST(X)
#undef X
}

struct repair_sums *repair_sums_of(struct repair_table **list, size_t *count, size_t *cap,
                                   table_no table)
{
    size_t at = *count;
    while (at > 0 && (*list)[at - 1].table > table)
        at--;
    if (at > 0 && (*list)[at - 1].table == table)
        return &(*list)[at - 1].sums;
    *list = mem_grow(*list, *count, cap, sizeof **list);
    memmove(*list + at + 1, *list + at, (*count - at) * sizeof **list);
    ++*count;
    (*list)[at] = (struct repair_table){.table = table};
    return &(*list)[at].sums;
}

/* --- ranges and tables */

void repair_put_ranges(struct buf *out, const range_no *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_put_varint(out, i == 0 ? ranges[0] : ranges[i] - ranges[i - 1]);
}

enum err repair_read_ranges(struct bytes in, uint32_t limit, struct arena *arena, range_no **ret,
                            size_t *ret_count)
{
    struct reader r = reader_make(in);
    range_no *ranges = arena_array(arena, range_no, in.len);
    size_t count = 0;
    uint64_t at = 0;
    while (reader_left(&r) > 0) {
        uint64_t step = read_varint(&r);
        if (r.failed || count == LOT_RANGES_MAX || step >= limit || (count > 0 && step == 0))
            return ERR_MALFORMED;
        at += step;
        if (at >= limit)
            return ERR_MALFORMED;
        ranges[count++] = (range_no)at;
    }
    if (count == 0)
        return ERR_MALFORMED;
    *ret = ranges;
    *ret_count = count;
    return ERR_OK;
}

void repair_put_tables(struct buf *out, const table_no *tables, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_put_u32(out, tables[i]);
}

enum err repair_read_tables(struct bytes in, struct arena *arena, table_no **ret, size_t *ret_count)
{
    struct reader r = reader_make(in);
    size_t count = in.len / 4;
    if (in.len % 4 != 0 || count > REPAIR_TABLES_MAX)
        return ERR_MALFORMED;
    table_no *tables = arena_array(arena, table_no, count);
    for (size_t i = 0; i < count; i++) {
        tables[i] = read_u32(&r);
        if (tables[i] == 0 || (i > 0 && tables[i] <= tables[i - 1]))
            return ERR_MALFORMED;
    }
    *ret = tables;
    *ret_count = count;
    return ERR_OK;
}

/* --- sums */

void repair_put_sums(struct buf *out, const struct repair_table *sums, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_put_varint(out, sums[i].table);
#define X(name) buf_put_varint(out, sums[i].sums.name);
        REPAIR_SUM_LIST(X)
#undef X
    }
}

enum err repair_read_sums(struct bytes in, struct arena *arena, struct repair_table **ret,
                          size_t *ret_count)
{
    struct reader r = reader_make(in);
    struct repair_table *sums = NULL;
    size_t count = 0, cap = 0;
    while (reader_left(&r) > 0) {
        uint64_t table = read_varint(&r);
        if (count > LOT_TABLES_MAX || table > UINT32_MAX ||
            (count > 0 && table <= sums[count - 1].table))
            return ERR_MALFORMED;
        sums = arena_grow(arena, sums, count, &cap, sizeof *sums);
        struct repair_table *t = &sums[count++];
        t->table = (table_no)table;
#define X(name) t->sums.name = read_varint(&r);
        REPAIR_SUM_LIST(X)
#undef X
        if (r.failed)
            return ERR_MALFORMED;
    }
    *ret = sums;
    *ret_count = count;
    return ERR_OK;
}

/* --- DID */

void repair_put_report(struct wire_repair_did *m, const struct lot_report *report, size_t ranges,
                       struct arena *arena)
{
    struct buf problems, sums;
    buf_init(&problems, WIRE_MESSAGE_MAX / 4);
    buf_init(&sums, WIRE_MESSAGE_MAX / 4);
    for (size_t i = 0; i < report->problems_count; i++) {
        const struct repair_problem *p = &report->problems[i];
        buf_put_varint(&problems, p->range);
        buf_put_varint(&problems, p->peer);
        buf_put_varint(&problems, (uint64_t)p->err);
        buf_put_varint(&problems, p->lacking);
    }
    repair_put_sums(&sums, report->sums, report->sums_count);
    size_t size = BITS_BYTES(ranges);
    m->done = arena_copy(arena, bytes_make(report->done, size));
    m->equal = arena_copy(arena, bytes_make(report->equal, size));
    m->failed = arena_copy(arena, bytes_make(report->failed, size));
    m->problems = arena_copy(arena, buf_bytes(&problems));
    m->sums = arena_copy(arena, buf_bytes(&sums));
    buf_close(&problems);
    buf_close(&sums);
}

static enum err read_problems(struct bytes in, size_t ranges, struct arena *arena,
                              struct lot_report *ret)
{
    struct reader r = reader_make(in);
    ret->problems = arena_array(arena, struct repair_problem, LOT_PROBLEMS_MAX);
    while (reader_left(&r) > 0) {
        uint64_t range = read_varint(&r), peer = read_varint(&r), err = read_varint(&r);
        uint64_t lacking = read_varint(&r);
        if (r.failed || range >= ranges || peer > UINT32_MAX ||
            ret->problems_count == LOT_PROBLEMS_MAX)
            return ERR_MALFORMED;
        ret->problems[ret->problems_count++] =
            (struct repair_problem){.range = (range_no)range,
                                    .peer = (node_no)peer,
                                    .err = err > 0 && err < ERR_COUNT ? (enum err)err : ERR_FAILED,
                                    .lacking = lacking};
    }
    return ERR_OK;
}

enum err repair_read_report(const struct wire_repair_did *m, size_t ranges, struct arena *arena,
                            struct lot_report *ret)
{
    size_t size = BITS_BYTES(ranges);
    *ret = (struct lot_report){0};
    if (m->done.len != size || m->equal.len != size || m->failed.len != size)
        return ERR_MALFORMED;
    ret->done = (uint8_t *)(uintptr_t)arena_copy(arena, m->done).data;
    ret->equal = (uint8_t *)(uintptr_t)arena_copy(arena, m->equal).data;
    ret->failed = (uint8_t *)(uintptr_t)arena_copy(arena, m->failed).data;
    enum err err = read_problems(m->problems, ranges, arena, ret);
    if (err == ERR_OK)
        err = repair_read_sums(m->sums, arena, &ret->sums, &ret->sums_count);
    return err;
}
