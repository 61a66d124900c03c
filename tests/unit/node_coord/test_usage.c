/* What a replica remembers of its reads and writes. */
#include "node/coord/usage.h"

#include <CUnit/CUnit.h>

static struct usages u;

void usage_setup(void);
void usage_teardown(void);

void usage_setup(void)
{
    usages_init(&u);
}

void usage_teardown(void)
{
    usages_close(&u);
}

static uint64_t count(table_no table, enum usage_kind kind)
{
    const struct histogram *h = usage_find(&u, table, kind);
    return h == NULL ? 0 : h->count;
}

static int64_t most(table_no table, enum usage_kind kind)
{
    const struct histogram *h = usage_find(&u, table, kind);
    return h == NULL ? -1 : h->max;
}

static void kinds_are_told_apart(void)
{
    struct scan_result found = {.live_rows = 7};
    usage_note(&u, 5, USAGE_WRITE, 1000);
    usage_note_read(&u, &(struct scan){.table = 5, .single = true}, &found, 30);
    usage_note_read(&u, &(struct scan){.table = 6}, &found, 50);
    CU_ASSERT_EQUAL(count(5, USAGE_WRITE), 1);
    CU_ASSERT_EQUAL(count(5, USAGE_READ), 1);
    CU_ASSERT_EQUAL(count(5, USAGE_SCAN), 0);
    CU_ASSERT_EQUAL(count(6, USAGE_READ), 0);
    CU_ASSERT_EQUAL(most(5, USAGE_READ), 30);
    CU_ASSERT_EQUAL(most(6, USAGE_SCAN), 50);
    CU_ASSERT_EQUAL(most(6, USAGE_ROWS), 7);
    CU_ASSERT_PTR_NULL(usage_find(&u, 7, USAGE_ROWS));
}

static void all_kinds_of_tombstones_count(void)
{
    const struct tomb tomb = {1, 1, {{0, 0}, 0}};
    struct cell cells[] = {{.kind = CELL_LIVE}, {.kind = CELL_TOMBSTONE}, {.kind = CELL_TOMBSTONE}};
    struct range_tomb ranges[] = {{.tomb = tomb}};
    struct row rows[] = {{.deletion = tomb}, {.deletion = TOMB_NONE, .cells = cells}};
    struct part parts[] = {{.deletion = tomb, .tombs = ranges, .tombs_count = 1, .rows = rows},
                           {.deletion = TOMB_NONE,
                            .has_static = true,
                            .static_row = {.deletion = TOMB_NONE, .cells = cells}}};
    struct scan_result found = {.parts = parts, .parts_count = 2};
    parts[0].rows_count = 2;
    rows[1].cells_count = 3;
    parts[1].static_row.cells_count = 2;
    usage_note_read(&u, &(struct scan){.table = 1}, &found, 0);
    CU_ASSERT_EQUAL(most(1, USAGE_TOMBSTONES), 6);
}

static void tables_have_a_bound(void)
{
    for (table_no t = 1; t <= USAGE_TABLES_MAX + 5; t++)
        usage_note(&u, t, USAGE_WRITE, 1);
    usage_note(&u, 1, USAGE_WRITE, 1);
    CU_ASSERT_EQUAL(count(1, USAGE_WRITE), 2);
    CU_ASSERT_EQUAL(count(USAGE_TABLES_MAX, USAGE_WRITE), 1);
    CU_ASSERT_EQUAL(count(USAGE_TABLES_MAX + 1, USAGE_WRITE), 0);
}

CU_TestInfo usage_tests[] = {
    {"kinds are told apart", kinds_are_told_apart},
    {"all kinds of tombstones count", all_kinds_of_tombstones_count},
    {"tables have a bound", tables_have_a_bound},
    CU_TEST_INFO_NULL,
};
