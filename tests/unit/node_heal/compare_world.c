#include "compare_world.h"

#include "ring/token.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

const struct heal_comparison between = {.peer = 2, .keyspace = KEYSPACE, .range = RANGE};
range_no compare_in = RANGE;
table_no compare_table = TABLE;

void compare_setup(void)
{
    compare_in = RANGE;
    compare_table = TABLE;
    three_tree_width = WIDTH;
    three_setup(3);
    three_tree_width = 0;
}

void compare_teardown(void)
{
    three_teardown();
}

void begin_anew(void)
{
    compare_teardown();
    compare_setup();
}

void add_other_table(void)
{
    static const struct cluster_table tables[] = {{TABLE, KEYSPACE}, {OTHER_TABLE, KEYSPACE}};
    for (size_t i = 0; i < NODES; i++)
        cluster_set_tables(f.node[i].cluster, tables, ARRAY_LEN(tables), 1);
}

token token_of(unsigned row)
{
    return ring_range_span(compare_in, three_ranges > 0 ? three_ranges : RANGES).first + 1000 +
           (token)row * 1000003;
}

/* A row; with another value than it had, when `value` is another one. */
struct part part_of(unsigned row, int64_t timestamp, enum cell_kind kind, const char *value,
                    struct dot dot)
{
    struct cell *cell = arena_new(&f.arena, struct cell);
    struct row *r = arena_new(&f.arena, struct row);
    *cell = (struct cell){.column = 1, .timestamp = timestamp, .kind = kind};
    if (kind == CELL_LIVE)
        cell->value = bytes_text(value);
    *r = (struct row){.deletion = TOMB_NONE, .cells = cell, .cells_count = 1};
    struct part p = {.table = compare_table,
                     .token = token_of(row),
                     .key = bytes_text(arena_printf(&f.arena, "row%u", row)),
                     .deletion = TOMB_NONE,
                     .rows = r,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    part_set_dot(&p, dot);
    return p;
}

struct dot next_dot(node_no by)
{
    return engine_next_dot(f.node[by - 1].engine, KEYSPACE, compare_in, (struct actor){by, 1});
}

void apply(node_no to, const struct part *p, struct dot dot)
{
    CU_ASSERT_EQUAL(engine_apply(f.node[to - 1].engine, KEYSPACE, compare_in, p, dot, NULL, 0),
                    ERR_OK);
}

void put_both(unsigned row, int64_t timestamp)
{
    struct dot dot = next_dot(1);
    struct part p = part_of(row, timestamp, CELL_LIVE, "as both have it", dot);
    for (node_no i = 1; i <= 3; i++)
        apply(i, &p, dot);
}

/* Both clocks have the dot; node `who` alone has the row, or the newer value. */
void plant(node_no who, unsigned row, int64_t timestamp)
{
    struct dot dot = next_dot(1);
    struct part p = part_of(row, timestamp, CELL_LIVE, "as one has it", dot), none = p;
    none.rows_count = 0;
    for (node_no i = 1; i <= 3; i++)
        apply(i, i == who ? &p : &none, dot);
}

void sync_all(void)
{
    for (size_t i = 0; i < NODES; i++) {
        store_flush(f.node[i].store);
        store_mem_sync(f.node[i].store, SIZE_MAX);
    }
}

void fill(unsigned rows)
{
    for (unsigned i = 0; i < rows; i++)
        put_both(i, 10);
    sync_all();
}

/* Node 1 compares with node 2. */
const struct heal_figures *compare(const struct heal_comparison *what)
{
    uint64_t before = f.node[0].compared;
    CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, what));
    perform(1);
    for (int i = 0; i < 3000 && f.node[0].compared == before; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL_FATAL(f.node[0].compared, before + 1);
    return &f.node[0].figures;
}

void get_digest(node_no no, struct digest *ret)
{
    struct scan all = {.table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result rows;
    all.bytes_max = UINT32_MAX;
    all.now_s = f.now.wall / USEC_PER_SEC;
    CU_ASSERT_EQUAL_FATAL(engine_scan(f.node[no - 1].engine, &all, &f.arena, &rows), ERR_OK);
    CU_ASSERT_FALSE(rows.more);
    scan_result_digest(&rows, all.now_s, ret);
}

bool rows_are_equal(void)
{
    struct digest a, b;
    get_digest(1, &a);
    get_digest(2, &b);
    return memcmp(&a, &b, sizeof a) == 0;
}

bool clocks_are_equal(void)
{
    return clock_equal(engine_clock(f.node[0].engine, KEYSPACE, compare_in),
                       engine_clock(f.node[1].engine, KEYSPACE, compare_in));
}

/* The keys of a row go behind everybody's back. */
void lose_row(node_no no, unsigned row)
{
    struct store *store = f.node[no - 1].store;
    struct store_batch batch;
    char name[16];
    snprintf(name, sizeof name, "row%u", row);
    struct store_iter *it = store_iter_new(store);
    store_batch_init(&batch);
    for (store_iter_seek(it, BYTES_LIT("d")); store_iter_valid(it); store_iter_next(it)) {
        struct bytes key = store_iter_key(it);
        if (key.data[0] != 'd')
            break;
        if (key.len > 13 + strlen(name) && memcmp(key.data + 13, name, strlen(name) + 1) == 0)
            store_batch_delete(&batch, key);
    }
    store_iter_free(it);
    CU_ASSERT_EQUAL(batch.count, 1);
    store_write(store, &batch, 0);
    store_batch_close(&batch);
    sync_all();
}
