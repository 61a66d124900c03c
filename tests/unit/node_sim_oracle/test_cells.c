/* The oracle of tables: answers that it must take, answers that it must refuse, and small random
 * histories against all that could have been seen. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "node/sim/oracle/cells.h"

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* k int, c int, s int static, a int, b int, e set<int>: PRIMARY KEY (k, c) */
enum { K, C, S, A, B, E, COLUMNS };

#define COPIES 3
#define QUORUM 2
#define NONE   INT64_MIN /* null */

static struct {
    struct cells *cells;
    struct arena arena;
    struct errmsg why;
} f;

void cells_setup(void);
void cells_teardown(void);

static struct cells *new_cells(bool reversed)
{
    struct cells_column columns[COLUMNS] = {
        [K] = {.kind = CELLS_PARTITION},
        [C] = {.kind = CELLS_CLUSTERING, .order = CELLS_WHOLE, .reversed = reversed},
        [S] = {.kind = CELLS_STATIC},
        [A] = {.kind = CELLS_REGULAR},
        [B] = {.kind = CELLS_REGULAR},
        [E] = {.kind = CELLS_REGULAR, .shape = CELLS_SET, .order = CELLS_WHOLE},
    };
    struct cells *c = cells_new(COPIES);
    CU_ASSERT(cells_add_table(c, columns, COLUMNS) == 0);
    return c;
}

void cells_setup(void)
{
    memset(&f, 0, sizeof f);
    f.cells = new_cells(false);
}

void cells_teardown(void)
{
    cells_free(f.cells);
    arena_close(&f.arena);
}

static struct bytes whole(int64_t v)
{
    uint8_t b[4];
    store_u32(b, (uint32_t)v);
    return arena_copy(&f.arena, bytes_make(b, sizeof b));
}

static const struct bytes *one(int64_t v)
{
    struct bytes *b = arena_new(&f.arena, struct bytes);
    *b = whole(v);
    return b;
}

static uint32_t write_in(struct cells *c, struct cells_change change)
{
    return cells_write(c, 0, one(0), &change, 1);
}

static uint32_t write(struct cells_change change)
{
    return write_in(f.cells, change);
}

static void write_acked(struct cells_change change, uint32_t copies)
{
    cells_acked(f.cells, write(change), copies);
}

static struct cells_change put(int64_t row, uint32_t column, int64_t value, int64_t timestamp)
{
    return (struct cells_change){.kind = CELLS_PUT,
                                 .timestamp = timestamp,
                                 .row = one(row),
                                 .column = column,
                                 .value = whole(value)};
}

static struct cells_change removal(int64_t row, uint32_t column, int64_t timestamp)
{
    return (struct cells_change){
        .kind = CELLS_REMOVE, .timestamp = timestamp, .row = one(row), .column = column};
}

static struct cells_change element(enum cells_change_kind kind, int64_t row, int64_t path,
                                   int64_t timestamp)
{
    return (struct cells_change){.kind = kind,
                                 .timestamp = timestamp,
                                 .row = one(row),
                                 .column = E,
                                 .has_path = true,
                                 .path = whole(path)};
}

static struct cells_change mark(int64_t row, int64_t timestamp)
{
    return (struct cells_change){.kind = CELLS_MARK, .timestamp = timestamp, .row = one(row)};
}

/* Rows with low <= c <= high; without bounds: the partition. */
static struct cells_where between(int64_t low, int64_t high)
{
    struct cells_relation *r = arena_array(&f.arena, struct cells_relation, 2);
    r[0] = (struct cells_relation){0, 1, CELLS_GE, 1, one(low)};
    r[1] = (struct cells_relation){0, 1, CELLS_LE, 1, one(high)};
    return (struct cells_where){r, low > high ? 0 : 2};
}

static struct cells_change cover(int64_t low, int64_t high, int64_t timestamp)
{
    return (struct cells_change){
        .kind = CELLS_COVER, .timestamp = timestamp, .where = between(low, high)};
}

/* --- reading */

static const struct cells_selector all_columns[COLUMNS] = {{CELLS_VALUE, K}, {CELLS_VALUE, C},
                                                           {CELLS_VALUE, S}, {CELLS_VALUE, A},
                                                           {CELLS_VALUE, B}, {CELLS_VALUE, E}};

static struct cells_read whole_partition(const struct cells *c, uint32_t copies)
{
    return (struct cells_read){.keys = one(0),
                               .keys_count = 1,
                               .selectors = all_columns,
                               .selectors_count = COLUMNS,
                               .start = cells_now(c),
                               .copies = copies};
}

/* A set as an answer has it, from the bits of `elements`; 0 is null. */
static struct cells_value set_of(int64_t elements)
{
    struct buf b;
    uint32_t count = 0;
    buf_init(&b, 1024);
    buf_put_u32(&b, 0);
    for (uint32_t i = 0; i < 8; i++) {
        if ((elements >> i & 1) == 0)
            continue;
        count++;
        buf_put_u32(&b, 4);
        buf_put_u32(&b, i);
    }
    store_u32(b.data, count);
    struct cells_value v = {count == 0, arena_copy(&f.arena, buf_bytes(&b))};
    buf_close(&b);
    return v;
}

static bool answers_in(struct cells *c, const struct cells_read *read, int64_t (*rows)[COLUMNS],
                       uint32_t count)
{
    struct cells_value values[64 * COLUMNS];
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < COLUMNS; k++) {
            struct cells_value *v = &values[i * COLUMNS + k];
            *v = k == E ? set_of(rows[i][k])
                        : (struct cells_value){rows[i][k] == NONE, whole(rows[i][k])};
            if (v->is_null)
                v->bytes = BYTES_NONE;
        }
    }
    return cells_answer(c, read, values, count, &f.why);
}

static bool reads(uint32_t copies, int64_t (*rows)[COLUMNS], uint32_t count)
{
    struct cells_read read = whole_partition(f.cells, copies);
    return answers_in(f.cells, &read, rows, count);
}

#define ROWS(...)                                                                                  \
    (int64_t[][COLUMNS])                                                                           \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define EMPTY (int64_t(*)[COLUMNS]) NULL, 0

/* --- by hand */

static void acked_by_a_quorum_is_read_by_a_quorum(void)
{
    write_acked(put(1, A, 7, 10), QUORUM);
    CU_ASSERT(reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!reads(QUORUM, EMPTY));
    CU_ASSERT(!reads(QUORUM, ROWS({0, 1, NONE, NONE, NONE, 0}), 1));
    CU_ASSERT(!reads(QUORUM, ROWS({0, 1, NONE, 8, NONE, 0}), 1));
    CU_ASSERT(!reads(QUORUM, ROWS({0, 2, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}, {0, 1, NONE, 7, NONE, 0}), 2));
    CU_ASSERT(!reads(QUORUM, ROWS({1, 1, NONE, 7, NONE, 0}), 1));
}

static void one_copy_may_not_have_it(void)
{
    write_acked(put(1, A, 7, 10), QUORUM);
    CU_ASSERT(reads(1, EMPTY));
    CU_ASSERT(reads(1, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    write_acked(put(2, A, 7, 10), 1);
    CU_ASSERT(reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!reads(COPIES, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(reads(COPIES, ROWS({0, 1, NONE, 7, NONE, 0}, {0, 2, NONE, 7, NONE, 0}), 2));
}

static void what_a_quorum_showed_stays(void)
{
    write(put(1, A, 7, 10));
    CU_ASSERT(reads(QUORUM, EMPTY));
    CU_ASSERT(reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!reads(QUORUM, EMPTY));
    write(removal(1, A, 11));
    CU_ASSERT(reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(reads(QUORUM, EMPTY));
    CU_ASSERT(!reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
}

/* Which of two deletions it was cannot be known. */
static void what_may_be_one_of_two_was_not_shown(void)
{
    write_acked(put(1, A, 7, 10), QUORUM);
    write(removal(1, A, 11));
    write(cover(0, 5, 12));
    CU_ASSERT(reads(QUORUM, EMPTY));
    CU_ASSERT(reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
}

static void a_read_that_began_before_the_ack(void)
{
    uint32_t w = write(put(1, A, 7, 10));
    struct cells_read before = whole_partition(f.cells, QUORUM);
    cells_acked(f.cells, w, COPIES);
    CU_ASSERT(answers_in(f.cells, &before, EMPTY));
    CU_ASSERT(!reads(QUORUM, EMPTY));
}

static void a_lost_disk(void)
{
    write_acked(put(1, A, 7, 10), QUORUM);
    write_acked(put(2, A, 7, 10), 1);
    uint32_t under_way = write(put(3, A, 7, 10));
    cells_lost_copy(f.cells);
    cells_acked(f.cells, under_way, 1);
    CU_ASSERT(reads(QUORUM, EMPTY));
    CU_ASSERT(!reads(COPIES, EMPTY));
    CU_ASSERT(reads(COPIES, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
}

static void rows_live_by_marker_or_cell(void)
{
    write_acked(put(1, A, 7, 10), COPIES);
    write_acked(mark(2, 10), COPIES);
    write_acked(put(2, A, 7, 10), COPIES);
    write_acked(removal(1, A, 11), COPIES);
    write_acked(removal(2, A, 11), COPIES);
    CU_ASSERT(reads(1, ROWS({0, 2, NONE, NONE, NONE, 0}), 1));
    CU_ASSERT(!reads(1, ROWS({0, 1, NONE, NONE, NONE, 0}, {0, 2, NONE, NONE, NONE, 0}), 2));
    CU_ASSERT(!reads(1, EMPTY));
}

static void deletions_win_ties_and_larger_values_too(void)
{
    write_acked(put(1, A, 7, 10), COPIES);
    write_acked(put(1, A, 9, 10), COPIES);
    write_acked(put(1, A, 8, 10), COPIES);
    CU_ASSERT(!reads(1, ROWS({0, 1, NONE, 8, NONE, 0}), 1));
    CU_ASSERT(reads(1, ROWS({0, 1, NONE, 9, NONE, 0}), 1));
    struct cells_change with_ttl = put(1, A, 5, 10);
    with_ttl.ttl = 100000;
    write_acked(with_ttl, COPIES);
    CU_ASSERT(reads(1, ROWS({0, 1, NONE, 5, NONE, 0}), 1));
    CU_ASSERT(!reads(1, ROWS({0, 1, NONE, 9, NONE, 0}), 1));
    write_acked(removal(1, A, 10), COPIES);
    CU_ASSERT(reads(1, EMPTY));
    write_acked(mark(3, 10), COPIES);
    write_acked(cover(3, 3, 10), COPIES);
    CU_ASSERT(reads(1, EMPTY));
    CU_ASSERT(!reads(1, ROWS({0, 3, NONE, NONE, NONE, 0}), 1));
}

static void ranges_and_partitions(void)
{
    for (int64_t i = 1; i <= 4; i++)
        write_acked(put(i, B, i, 10), COPIES);
    write_acked(put(0, S, 1, 20), COPIES);
    write_acked(cover(2, 3, 15), COPIES);
    CU_ASSERT(reads(1, ROWS({0, 1, 1, NONE, 1, 0}, {0, 4, 1, NONE, 4, 0}), 2));
    CU_ASSERT(!reads(1, ROWS({0, 4, 1, NONE, 4, 0}, {0, 1, 1, NONE, 1, 0}), 2));
    CU_ASSERT(!reads(1, ROWS({0, 1, 1, NONE, 1, 0}, {0, 4, NONE, NONE, 4, 0}), 2));
    write_acked(cover(1, 0, 15), COPIES);
    CU_ASSERT(reads(1, ROWS({0, NONE, 1, NONE, NONE, 0}), 1));
    CU_ASSERT(!reads(1, EMPTY));
    write_acked(cover(1, 0, 20), COPIES);
    CU_ASSERT(reads(1, EMPTY));
    CU_ASSERT(!reads(1, ROWS({0, NONE, 1, NONE, NONE, 0}), 1));
}

static void elements(void)
{
    struct cells_change all = removal(1, E, 15);
    write_acked(element(CELLS_PUT, 1, 0, 10), COPIES);
    write_acked(element(CELLS_PUT, 1, 1, 16), COPIES);
    write_acked(element(CELLS_PUT, 1, 2, 16), COPIES);
    write_acked(element(CELLS_REMOVE, 1, 2, 17), COPIES);
    CU_ASSERT(reads(1, ROWS({0, 1, NONE, NONE, NONE, 3}), 1));
    CU_ASSERT(!reads(1, ROWS({0, 1, NONE, NONE, NONE, 7}), 1));
    CU_ASSERT(!reads(1, ROWS({0, 1, NONE, NONE, NONE, 11}), 1));
    write_acked(all, COPIES);
    CU_ASSERT(reads(1, ROWS({0, 1, NONE, NONE, NONE, 2}), 1));
    CU_ASSERT(!reads(1, ROWS({0, 1, NONE, NONE, NONE, 3}), 1));
    CU_ASSERT(!reads(1, ROWS({0, 1, NONE, NONE, NONE, 0}), 1));
}

static void limits_hide_what_comes_later(void)
{
    for (int64_t i = 1; i <= 4; i++)
        write_acked(put(i, B, i, 10), COPIES);
    struct cells_read read = whole_partition(f.cells, 1);
    read.limit = 2;
    CU_ASSERT(
        answers_in(f.cells, &read, ROWS({0, 1, NONE, NONE, 1, 0}, {0, 2, NONE, NONE, 2, 0}), 2));
    CU_ASSERT(
        !answers_in(f.cells, &read, ROWS({0, 1, NONE, NONE, 1, 0}, {0, 3, NONE, NONE, 3, 0}), 2));
    CU_ASSERT(!answers_in(f.cells, &read, ROWS({0, 1, NONE, NONE, 1, 0}), 1));
    read.limit = 0;
    read.per_partition_limit = 2;
    read.reversed = true;
    read.where = between(1, 3);
    CU_ASSERT(
        answers_in(f.cells, &read, ROWS({0, 3, NONE, NONE, 3, 0}, {0, 2, NONE, NONE, 2, 0}), 2));
    CU_ASSERT(
        !answers_in(f.cells, &read, ROWS({0, 4, NONE, NONE, 4, 0}, {0, 3, NONE, NONE, 3, 0}), 2));
    CU_ASSERT(
        !answers_in(f.cells, &read, ROWS({0, 2, NONE, NONE, 2, 0}, {0, 1, NONE, NONE, 1, 0}), 2));
}

static void filters(void)
{
    struct cells_read read = whole_partition(f.cells, QUORUM);
    for (int64_t i = 1; i <= 4; i++)
        write_acked(put(i, A, i % 2, 10), QUORUM);
    write_acked(put(0, S, 1, 10), QUORUM);
    write(put(3, A, 0, 20));
    read.start = cells_now(f.cells);
    read.filters = true;
    read.filter_column = A;
    read.filter_value = whole(1);
    CU_ASSERT(answers_in(f.cells, &read, ROWS({0, 1, 1, 1, NONE, 0}, {0, 3, 1, 1, NONE, 0}), 2));
    CU_ASSERT(answers_in(f.cells, &read, ROWS({0, 1, 1, 1, NONE, 0}), 1));
    CU_ASSERT(!answers_in(f.cells, &read, ROWS({0, 3, 1, 1, NONE, 0}), 1));
    CU_ASSERT(!answers_in(f.cells, &read, ROWS({0, 1, 1, 1, NONE, 0}, {0, 2, 1, 0, NONE, 0}), 2));
    read.filter_value = whole(5);
    CU_ASSERT(answers_in(f.cells, &read, EMPTY));
    CU_ASSERT(!answers_in(f.cells, &read, ROWS({0, NONE, 1, NONE, NONE, 0}), 1));
}

static void counts(void)
{
    uint8_t bytes[8] = {0};
    struct cells_value value = {false, bytes_make(bytes, sizeof bytes)};
    struct cells_read read = whole_partition(f.cells, QUORUM);
    write_acked(put(0, S, 1, 10), QUORUM);
    read.start = cells_now(f.cells);
    read.counts = true;
    CU_ASSERT(!cells_answer(f.cells, &read, &value, 1, &f.why));
    bytes[7] = 1; /* the static row, there being no other */
    CU_ASSERT(cells_answer(f.cells, &read, &value, 1, &f.why));
    for (int64_t i = 1; i <= 3; i++)
        write_acked(put(i, A, i, 10), QUORUM);
    write(removal(2, A, 20));
    write(put(4, A, 4, 10));
    read.start = cells_now(f.cells);
    for (uint8_t n = 0; n < 6; n++) {
        bytes[7] = n;
        CU_ASSERT(cells_answer(f.cells, &read, &value, 1, &f.why) == (n >= 2 && n <= 4));
    }
    read.where = between(2, 3);
    bytes[7] = 3;
    CU_ASSERT(!cells_answer(f.cells, &read, &value, 1, &f.why));
}

/* Pages are reads of their own: static values may change, and rows may come, between two. */
static void pages(void)
{
    for (int64_t i = 1; i <= 2; i++)
        write(put(i, B, i, 10));
    write_acked(put(0, S, 1, 10), COPIES);
    struct cells_read read = whole_partition(f.cells, QUORUM);
    write(put(0, S, 2, 20));
    int64_t changed[][COLUMNS] = {{0, 1, 1, NONE, 1, 0}, {0, 2, 2, NONE, 2, 0}};
    int64_t came[][COLUMNS] = {{0, NONE, 1, NONE, NONE, 0}, {0, 2, 1, NONE, 2, 0}};
    CU_ASSERT(!answers_in(f.cells, &read, changed, 2));
    CU_ASSERT(!answers_in(f.cells, &read, came, 2));
    read.paged = true;
    CU_ASSERT(answers_in(f.cells, &read, came, 2));
    CU_ASSERT(answers_in(f.cells, &read, changed, 2));
    changed[1][S] = 3;
    CU_ASSERT(!answers_in(f.cells, &read, changed, 2));
}

static void writetimes(void)
{
    static const struct cells_selector selectors[] = {
        {CELLS_VALUE, K}, {CELLS_VALUE, C}, {CELLS_VALUE, A}, {CELLS_WRITETIME, A}};
    uint8_t eleven[8] = {0, 0, 0, 0, 0, 0, 0, 11}, twelve[8] = {0, 0, 0, 0, 0, 0, 0, 12};
    struct cells_value values[] = {{false, whole(0)},
                                   {false, whole(1)},
                                   {false, whole(7)},
                                   {false, bytes_make(eleven, sizeof eleven)}};
    write(put(1, A, 7, 11));
    write(put(1, A, 8, 12));
    struct cells_read read = whole_partition(f.cells, QUORUM);
    read.selectors = selectors;
    read.selectors_count = ARRAY_LEN(selectors);
    CU_ASSERT(cells_answer(f.cells, &read, values, 1, &f.why));
    values[3].bytes = bytes_make(twelve, sizeof twelve);
    CU_ASSERT(!cells_answer(f.cells, &read, values, 1, &f.why));
    values[2].bytes = whole(8);
    CU_ASSERT(cells_answer(f.cells, &read, values, 1, &f.why));
    values[3].is_null = true;
    CU_ASSERT(!cells_answer(f.cells, &read, values, 1, &f.why));
}

static void tokens(void)
{
    static const struct cells_selector selectors[] = {
        {CELLS_VALUE, K}, {CELLS_TOKEN, 0}, {CELLS_VALUE, S}};
    uint8_t five[8] = {0, 0, 0, 0, 0, 0, 0, 5}, nine[8] = {0, 0, 0, 0, 0, 0, 0, 9};
    struct cells_value values[] = {{false, whole(1)}, {false, bytes_make(five, 8)}, {true, {0}},
                                   {false, whole(0)}, {false, bytes_make(nine, 8)}, {true, {0}}};
    for (int64_t k = 0; k < 2; k++) {
        struct cells_change c = mark(1, 10);
        cells_acked(f.cells, cells_write(f.cells, 0, one(k), &c, 1), COPIES);
    }
    struct cells_read read = {.selectors = selectors,
                              .selectors_count = ARRAY_LEN(selectors),
                              .distinct = true,
                              .start = cells_now(f.cells),
                              .copies = 1};
    CU_ASSERT(!cells_answer(f.cells, &read, values, 1, &f.why));
    CU_ASSERT(cells_answer(f.cells, &read, values, 2, &f.why));
    read.by_token = true;
    read.token_min = 4;
    read.token_max = 8;
    CU_ASSERT(cells_answer(f.cells, &read, values, 1, &f.why));
    CU_ASSERT(!cells_answer(f.cells, &read, values, 2, &f.why));
    CU_ASSERT(!cells_answer(f.cells, &read, values, 0, &f.why));
    values[1].bytes = bytes_make(nine, 8);
    CU_ASSERT(!cells_answer(f.cells, &read, values, 1, &f.why));
}

/* --- random histories, and all that could have been seen of them */

#define WRITES  7
#define ROWS_AT 3 /* clustering keys 0, 1, 2 */

struct past {
    struct cells_change changes[WRITES];
    bool must[WRITES];
    int64_t low[WRITES], high[WRITES]; /* of covers */
    bool reversed;
};

static int64_t number(struct bytes b)
{
    return b.len == 4 ? (int32_t)load_u32(b.data) : 0;
}

static bool covers(const struct past *p, uint32_t i, int64_t row, bool is_static)
{
    const struct cells_change *c = &p->changes[i];
    bool whole_partition_goes = p->low[i] > p->high[i];
    return c->kind == CELLS_COVER &&
           (whole_partition_goes || (!is_static && p->low[i] <= row && row <= p->high[i]));
}

/* The winner at a place among the writes of `subset`, by going through them one at a time; NULL:
 * none, or a deletion. */
static const struct cells_change *winner(const struct past *p, uint32_t subset, int64_t row,
                                         uint32_t column, int64_t path)
{
    const struct cells_change *best = NULL;
    int64_t dead = NONE;
    for (uint32_t i = 0; i < WRITES; i++) {
        const struct cells_change *c = &p->changes[i];
        if ((subset >> i & 1) == 0)
            continue;
        bool here = c->kind != CELLS_COVER && c->column == column &&
                    (c->kind == CELLS_MARK) == (column == COLUMNS) &&
                    (column == S || number(*c->row) == row);
        bool same_path = !c->has_path || number(c->path) == path;
        bool kills =
            covers(p, i, row, column == S) || (here && c->kind == CELLS_REMOVE && same_path);
        if (kills && c->timestamp > dead)
            dead = c->timestamp;
        if (here && c->kind != CELLS_REMOVE && same_path &&
            (best == NULL || c->timestamp > best->timestamp ||
             (c->timestamp == best->timestamp && bytes_compare(c->value, best->value) > 0)))
            best = c;
    }
    return best != NULL && best->timestamp > dead ? best : NULL;
}

static int64_t value(const struct past *p, uint32_t subset, int64_t row, uint32_t column)
{
    const struct cells_change *c = winner(p, subset, row, column, 0);
    return c != NULL ? number(c->value) : NONE;
}

/* What a read that saw exactly this gives. */
static uint32_t answer(const struct past *p, uint32_t subset, int64_t (*ret)[COLUMNS])
{
    uint32_t count = 0;
    int64_t s = value(p, subset, 0, S);
    for (int64_t i = 0; i < ROWS_AT; i++) {
        int64_t row = p->reversed ? ROWS_AT - 1 - i : i;
        int64_t made[COLUMNS] = {0, row, s, value(p, subset, row, A), value(p, subset, row, B), 0};
        for (int64_t path = 0; path < 2; path++)
            made[E] |= winner(p, subset, row, E, path) != NULL ? 1 << path : 0;
        if (winner(p, subset, row, COLUMNS, 0) != NULL || made[A] != NONE || made[B] != NONE ||
            made[E] != 0)
            memcpy(ret[count++], made, sizeof made);
    }
    if (count == 0 && s != NONE)
        memcpy(ret[count++], (int64_t[COLUMNS]){0, NONE, s, NONE, NONE, 0}, sizeof ret[0]);
    return count;
}

static struct cells_change some_change(struct rng *r, bool single_cells, struct past *p, uint32_t i)
{
    int64_t row = rng_between(r, 0, ROWS_AT - 1), at = rng_between(r, 1, 5);
    int64_t v = rng_between(r, 1, 2);
    uint32_t column = (uint32_t)rng_between(r, S, B);
    struct cells_change c;
    p->low[i] = rng_between(r, 0, 2);
    p->high[i] = rng_between(r, 0, 2);
    switch (rng_below(r, single_cells ? 4 : 8)) {
    case 0: return removal(row, column, at);
    case 4: return element(CELLS_PUT, row, rng_between(r, 0, 1), at);
    case 5: return element(CELLS_REMOVE, row, rng_between(r, 0, 1), at);
    case 6:
        c = mark(row, at);
        c.column = COLUMNS;
        return rng_chance(r, 500000) ? c : removal(row, E, at);
    case 7: return cover(p->low[i], p->high[i], at);
    default: return put(row, column, v, at);
    }
}

static bool oracle_takes(const struct past *p, int64_t (*rows)[COLUMNS], uint32_t count)
{
    struct cells *c = new_cells(p->reversed);
    for (uint32_t i = 0; i < WRITES; i++) {
        uint32_t w = write_in(c, p->changes[i]);
        if (p->must[i])
            cells_acked(c, w, QUORUM);
    }
    struct cells_read read = whole_partition(c, QUORUM);
    bool good = answers_in(c, &read, rows, count);
    cells_free(c);
    return good;
}

/* Some answer that subset could give? */
static bool possible(const struct past *p, int64_t (*rows)[COLUMNS], uint32_t count)
{
    for (uint32_t subset = 0; subset < 1u << WRITES; subset++) {
        int64_t made[ROWS_AT][COLUMNS];
        bool has_all = true;
        for (uint32_t i = 0; i < WRITES; i++)
            has_all = has_all && (!p->must[i] || (subset >> i & 1) == 1);
        if (has_all && answer(p, subset, made) == count &&
            (count == 0 || memcmp(made, rows, count * sizeof made[0]) == 0))
            return true;
    }
    return false;
}

static void spoil(struct rng *r, int64_t (*rows)[COLUMNS], uint32_t *count)
{
    uint32_t at = (uint32_t)rng_below(r, ROWS_AT);
    if (at >= *count) {
        int64_t row[COLUMNS] = {0, rng_between(r, 0, 2), NONE, rng_between(r, 1, 2), NONE, 0};
        memcpy(rows[(*count)++], row, sizeof row);
        return;
    }
    switch (rng_below(r, 4)) {
    case 0: rows[at][rng_between(r, S, B)] = NONE; break;
    case 1: rows[at][rng_between(r, S, B)] = rng_between(r, 1, 2); break;
    case 2: rows[at][E] ^= rng_between(r, 1, 3); break;
    default: memmove(rows[at], rows[at + 1], (*count - at - 1) * sizeof rows[0]); (*count)--;
    }
}

/* certain: everything must be seen. */
static void against_all_subsets(uint64_t seed, bool single_cells, bool certain)
{
    struct rng rng;
    struct past p;
    int64_t rows[ROWS_AT + 1][COLUMNS];
    rng_init(&rng, seed);
    p.reversed = rng_chance(&rng, 300000);
    for (uint32_t i = 0; i < WRITES; i++) {
        p.changes[i] = some_change(&rng, single_cells, &p, i);
        p.must[i] = certain || rng_chance(&rng, 500000);
    }
    for (int n = 0; n < 40; n++) {
        uint32_t subset = (uint32_t)rng_below(&rng, 1u << WRITES);
        for (uint32_t i = 0; i < WRITES; i++)
            subset |= p.must[i] ? 1u << i : 0;
        uint32_t count = answer(&p, subset, rows);
        if (n % 2 == 1)
            spoil(&rng, rows, &count);
        bool can = count <= ROWS_AT && possible(&p, rows, count);
        bool takes = oracle_takes(&p, rows, count);
        bool good = can ? takes : !takes || !(single_cells || certain);
        if (!good)
            printf("\n    seed %" PRIu64 ": %s, and is %s: %s\n", seed,
                   can ? "can be" : "cannot be", takes ? "taken" : "refused",
                   takes ? "" : f.why.text);
        CU_ASSERT_FATAL(good);
    }
    arena_reset(&f.arena);
}

static void nothing_right_is_refused(void)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        against_all_subsets(seed, false, false);
}

static void of_single_cells_nothing_wrong_is_taken(void)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        against_all_subsets(seed, true, false);
}

static void when_all_is_certain_one_answer_is_right(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        against_all_subsets(seed, false, true);
}

CU_TestInfo cells_tests[] = {
    {"acked by a quorum is read by a quorum", acked_by_a_quorum_is_read_by_a_quorum},
    {"one copy may not have it", one_copy_may_not_have_it},
    {"what a quorum showed stays", what_a_quorum_showed_stays},
    {"what may be one of two was not shown", what_may_be_one_of_two_was_not_shown},
    {"a read that began before the ack", a_read_that_began_before_the_ack},
    {"a lost disk", a_lost_disk},
    {"rows live by marker or cell", rows_live_by_marker_or_cell},
    {"deletions win ties, and larger values", deletions_win_ties_and_larger_values_too},
    {"ranges and partitions", ranges_and_partitions},
    {"elements of collections", elements},
    {"limits hide what comes later", limits_hide_what_comes_later},
    {"filters", filters},
    {"counts", counts},
    {"pages", pages},
    {"writetimes", writetimes},
    {"tokens", tokens},
    {"nothing right is refused", nothing_right_is_refused},
    {"of single cells nothing wrong is taken", of_single_cells_nothing_wrong_is_taken},
    {"when all is certain one answer is right", when_all_is_certain_one_answer_is_right},
    CU_TEST_INFO_NULL,
};
