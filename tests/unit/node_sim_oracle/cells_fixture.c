#include "unit/node_sim_oracle/cells_fixture.h"

#include "base/buf.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <string.h>

struct cells_fixture cells_fixture;

struct cells *table_new(bool reversed)
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
    memset(&cells_fixture, 0, sizeof cells_fixture);
    cells_fixture.cells = table_new(false);
}

void cells_teardown(void)
{
    cells_free(cells_fixture.cells);
    arena_close(&cells_fixture.arena);
}

struct bytes table_whole(int64_t v)
{
    uint8_t b[4];
    store_u32(b, (uint32_t)v);
    return arena_copy(&cells_fixture.arena, bytes_make(b, sizeof b));
}

const struct bytes *table_one(int64_t v)
{
    struct bytes *b = arena_new(&cells_fixture.arena, struct bytes);
    *b = table_whole(v);
    return b;
}

uint32_t table_write_in(struct cells *c, struct cells_change change)
{
    return cells_write(c, 0, table_one(0), &change, 1);
}

uint32_t table_write(struct cells_change change)
{
    return table_write_in(cells_fixture.cells, change);
}

void table_write_acked(struct cells_change change, uint32_t copies)
{
    uint32_t write = table_write(change);
    cells_acked(cells_fixture.cells, write, copies);
    cells_over(cells_fixture.cells, write);
}

struct cells_change table_put(int64_t row, uint32_t column, int64_t value, int64_t timestamp)
{
    return (struct cells_change){.kind = CELLS_PUT,
                                 .timestamp = timestamp,
                                 .row = table_one(row),
                                 .column = column,
                                 .value = table_whole(value)};
}

struct cells_change table_removal(int64_t row, uint32_t column, int64_t timestamp)
{
    return (struct cells_change){
        .kind = CELLS_REMOVE, .timestamp = timestamp, .row = table_one(row), .column = column};
}

struct cells_change table_element(enum cells_change_kind kind, int64_t row, int64_t path,
                                  int64_t timestamp)
{
    return (struct cells_change){.kind = kind,
                                 .timestamp = timestamp,
                                 .row = table_one(row),
                                 .column = E,
                                 .has_path = true,
                                 .path = table_whole(path)};
}

struct cells_change table_mark(int64_t row, int64_t timestamp)
{
    return (struct cells_change){.kind = CELLS_MARK, .timestamp = timestamp, .row = table_one(row)};
}

/* Rows with low <= c <= high; without bounds: the partition. */
struct cells_where table_between(int64_t low, int64_t high)
{
    struct cells_relation *r = arena_array(&cells_fixture.arena, struct cells_relation, 2);
    r[0] = (struct cells_relation){0, 1, CELLS_GE, 1, table_one(low)};
    r[1] = (struct cells_relation){0, 1, CELLS_LE, 1, table_one(high)};
    return (struct cells_where){r, low > high ? 0 : 2};
}

struct cells_change table_cover(int64_t low, int64_t high, int64_t timestamp)
{
    return (struct cells_change){
        .kind = CELLS_COVER, .timestamp = timestamp, .where = table_between(low, high)};
}

/* --- reading */

static const struct cells_selector all_columns[COLUMNS] = {{CELLS_VALUE, K}, {CELLS_VALUE, C},
                                                           {CELLS_VALUE, S}, {CELLS_VALUE, A},
                                                           {CELLS_VALUE, B}, {CELLS_VALUE, E}};

struct cells_read table_whole_partition(const struct cells *c, uint32_t copies)
{
    return (struct cells_read){.keys = table_one(0),
                               .keys_count = 1,
                               .selectors = all_columns,
                               .selectors_count = COLUMNS,
                               .start = cells_now(c),
                               .copies = copies};
}

/* A set as an answer has it, from the bits of `elements`; 0 is null. */
struct cells_value table_set_of(int64_t elements)
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
    struct cells_value v = {count == 0, arena_copy(&cells_fixture.arena, buf_bytes(&b))};
    buf_close(&b);
    return v;
}

bool table_answers_in(struct cells *c, const struct cells_read *read, int64_t (*rows)[COLUMNS],
                      uint32_t count)
{
    struct cells_value values[64 * COLUMNS];
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < COLUMNS; k++) {
            struct cells_value *v = &values[i * COLUMNS + k];
            *v = k == E ? table_set_of(rows[i][k])
                        : (struct cells_value){rows[i][k] == NONE, table_whole(rows[i][k])};
            if (v->is_null)
                v->bytes = BYTES_NONE;
        }
    }
    return cells_answer(c, read, values, count, &cells_fixture.why);
}

bool table_reads(uint32_t copies, int64_t (*rows)[COLUMNS], uint32_t count)
{
    struct cells_read read = table_whole_partition(cells_fixture.cells, copies);
    return table_answers_in(cells_fixture.cells, &read, rows, count);
}
