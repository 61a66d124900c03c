/* The oracle of tables: answers that it must take, and answers that it must refuse. */
#include "unit/node_sim_oracle/cells_fixture.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static void acked_by_a_quorum_is_read_by_a_quorum(void)
{
    table_write_acked(table_put(1, A, 7, 10), QUORUM);
    CU_ASSERT(table_reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!table_reads(QUORUM, EMPTY));
    CU_ASSERT(!table_reads(QUORUM, ROWS({0, 1, NONE, NONE, NONE, 0}), 1));
    CU_ASSERT(!table_reads(QUORUM, ROWS({0, 1, NONE, 8, NONE, 0}), 1));
    CU_ASSERT(!table_reads(QUORUM, ROWS({0, 2, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!table_reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}, {0, 1, NONE, 7, NONE, 0}), 2));
    CU_ASSERT(!table_reads(QUORUM, ROWS({1, 1, NONE, 7, NONE, 0}), 1));
}

static void one_copy_may_not_have_it(void)
{
    table_write_acked(table_put(1, A, 7, 10), QUORUM);
    CU_ASSERT(table_reads(1, EMPTY));
    CU_ASSERT(table_reads(1, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    table_write_acked(table_put(2, A, 7, 10), 1);
    CU_ASSERT(table_reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!table_reads(COPIES, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(table_reads(COPIES, ROWS({0, 1, NONE, 7, NONE, 0}, {0, 2, NONE, 7, NONE, 0}), 2));
}

static void what_a_quorum_showed_stays(void)
{
    uint32_t w = table_write(table_put(1, A, 7, 10));
    CU_ASSERT(table_reads(QUORUM, EMPTY));
    CU_ASSERT(table_reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!table_reads(QUORUM, EMPTY));
    cells_over(cells_fixture.cells, w);
    table_write(table_removal(1, A, 11));
    CU_ASSERT(table_reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(table_reads(QUORUM, EMPTY));
    CU_ASSERT(!table_reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
}

/* What comes after a deletion, with an older timestamp, may find it forgotten, and what it had
 * deleted too; what was over before it stays deleted. */
static void what_deletions_leave_room_for(void)
{
    table_write_acked(table_put(1, A, 6, 9), COPIES);
    table_write_acked(table_put(1, A, 7, 10), COPIES);
    table_write_acked(table_cover(0, 5, 12), COPIES);
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    table_write_acked(table_put(1, A, 8, 8), COPIES);
    CU_ASSERT(table_reads(1, EMPTY));
    CU_ASSERT(table_reads(1, ROWS({0, 1, NONE, 8, NONE, 0}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, 6, NONE, 0}), 1));
    table_write_acked(table_put(1, A, 5, 13), COPIES);
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, 8, NONE, 0}), 1));
}

/* It is asked for again while the deletion is there: the first attempt may come last. */
static void what_is_not_over_may_come_after_a_deletion(void)
{
    uint32_t w = table_write(table_put(1, A, 7, 10));
    cells_acked(cells_fixture.cells, w, COPIES);
    table_write_acked(table_removal(1, A, 11), COPIES);
    CU_ASSERT(table_reads(1, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
    CU_ASSERT(table_reads(1, EMPTY));
}

/* Which of two deletions it was cannot be known. */
static void what_may_be_one_of_two_was_not_shown(void)
{
    table_write_acked(table_put(1, A, 7, 10), QUORUM);
    table_write(table_removal(1, A, 11));
    table_write(table_cover(0, 5, 12));
    CU_ASSERT(table_reads(QUORUM, EMPTY));
    CU_ASSERT(table_reads(QUORUM, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
}

static void a_read_that_began_before_the_ack(void)
{
    uint32_t w = table_write(table_put(1, A, 7, 10));
    struct cells_read before = table_whole_partition(cells_fixture.cells, QUORUM);
    cells_acked(cells_fixture.cells, w, COPIES);
    CU_ASSERT(table_answers_in(cells_fixture.cells, &before, EMPTY));
    CU_ASSERT(!table_reads(QUORUM, EMPTY));
}

static void a_lost_disk(void)
{
    table_write_acked(table_put(1, A, 7, 10), QUORUM);
    table_write_acked(table_put(2, A, 7, 10), 1);
    uint32_t under_way = table_write(table_put(3, A, 7, 10));
    cells_lost_copy(cells_fixture.cells);
    cells_acked(cells_fixture.cells, under_way, 1);
    CU_ASSERT(table_reads(QUORUM, EMPTY));
    CU_ASSERT(!table_reads(COPIES, EMPTY));
    CU_ASSERT(table_reads(COPIES, ROWS({0, 1, NONE, 7, NONE, 0}), 1));
}

static void rows_live_by_marker_or_cell(void)
{
    table_write_acked(table_put(1, A, 7, 10), COPIES);
    table_write_acked(table_mark(2, 10), COPIES);
    table_write_acked(table_put(2, A, 7, 10), COPIES);
    table_write_acked(table_removal(1, A, 11), COPIES);
    table_write_acked(table_removal(2, A, 11), COPIES);
    CU_ASSERT(table_reads(1, ROWS({0, 2, NONE, NONE, NONE, 0}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, NONE, NONE, 0}, {0, 2, NONE, NONE, NONE, 0}), 2));
    CU_ASSERT(!table_reads(1, EMPTY));
}

static void deletions_win_ties_and_larger_values_too(void)
{
    table_write_acked(table_put(1, A, 7, 10), COPIES);
    table_write_acked(table_put(1, A, 9, 10), COPIES);
    table_write_acked(table_put(1, A, 8, 10), COPIES);
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, 8, NONE, 0}), 1));
    CU_ASSERT(table_reads(1, ROWS({0, 1, NONE, 9, NONE, 0}), 1));
    struct cells_change with_ttl = table_put(1, A, 5, 10);
    with_ttl.ttl = 100000;
    table_write_acked(with_ttl, COPIES);
    CU_ASSERT(table_reads(1, ROWS({0, 1, NONE, 5, NONE, 0}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, 9, NONE, 0}), 1));
    table_write_acked(table_removal(1, A, 10), COPIES);
    CU_ASSERT(table_reads(1, EMPTY));
    table_write_acked(table_mark(3, 10), COPIES);
    table_write_acked(table_cover(3, 3, 10), COPIES);
    CU_ASSERT(table_reads(1, EMPTY));
    CU_ASSERT(!table_reads(1, ROWS({0, 3, NONE, NONE, NONE, 0}), 1));
}

static void ranges_and_partitions(void)
{
    for (int64_t i = 1; i <= 4; i++)
        table_write_acked(table_put(i, B, i, 10), COPIES);
    table_write_acked(table_put(0, S, 1, 20), COPIES);
    table_write_acked(table_cover(2, 3, 15), COPIES);
    CU_ASSERT(table_reads(1, ROWS({0, 1, 1, NONE, 1, 0}, {0, 4, 1, NONE, 4, 0}), 2));
    CU_ASSERT(!table_reads(1, ROWS({0, 4, 1, NONE, 4, 0}, {0, 1, 1, NONE, 1, 0}), 2));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, 1, NONE, 1, 0}, {0, 4, NONE, NONE, 4, 0}), 2));
    table_write_acked(table_cover(1, 0, 15), COPIES);
    CU_ASSERT(table_reads(1, ROWS({0, NONE, 1, NONE, NONE, 0}), 1));
    CU_ASSERT(!table_reads(1, EMPTY));
    table_write_acked(table_cover(1, 0, 20), COPIES);
    CU_ASSERT(table_reads(1, EMPTY));
    CU_ASSERT(!table_reads(1, ROWS({0, NONE, 1, NONE, NONE, 0}), 1));
}

static void elements(void)
{
    struct cells_change all = table_removal(1, E, 15);
    table_write_acked(table_element(CELLS_PUT, 1, 0, 10), COPIES);
    table_write_acked(table_element(CELLS_PUT, 1, 1, 16), COPIES);
    table_write_acked(table_element(CELLS_PUT, 1, 2, 16), COPIES);
    table_write_acked(table_element(CELLS_REMOVE, 1, 2, 17), COPIES);
    CU_ASSERT(table_reads(1, ROWS({0, 1, NONE, NONE, NONE, 3}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, NONE, NONE, 7}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, NONE, NONE, 11}), 1));
    table_write_acked(all, COPIES);
    CU_ASSERT(table_reads(1, ROWS({0, 1, NONE, NONE, NONE, 2}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, NONE, NONE, 3}), 1));
    CU_ASSERT(!table_reads(1, ROWS({0, 1, NONE, NONE, NONE, 0}), 1));
}

static void limits_hide_what_comes_later(void)
{
    for (int64_t i = 1; i <= 4; i++)
        table_write_acked(table_put(i, B, i, 10), COPIES);
    struct cells_read read = table_whole_partition(cells_fixture.cells, 1);
    read.limit = 2;
    CU_ASSERT(table_answers_in(cells_fixture.cells, &read,
                               ROWS({0, 1, NONE, NONE, 1, 0}, {0, 2, NONE, NONE, 2, 0}), 2));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read,
                                ROWS({0, 1, NONE, NONE, 1, 0}, {0, 3, NONE, NONE, 3, 0}), 2));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read, ROWS({0, 1, NONE, NONE, 1, 0}), 1));
    read.limit = 0;
    read.per_partition_limit = 2;
    read.reversed = true;
    read.where = table_between(1, 3);
    CU_ASSERT(table_answers_in(cells_fixture.cells, &read,
                               ROWS({0, 3, NONE, NONE, 3, 0}, {0, 2, NONE, NONE, 2, 0}), 2));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read,
                                ROWS({0, 4, NONE, NONE, 4, 0}, {0, 3, NONE, NONE, 3, 0}), 2));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read,
                                ROWS({0, 2, NONE, NONE, 2, 0}, {0, 1, NONE, NONE, 1, 0}), 2));
}

static void filters(void)
{
    struct cells_read read = table_whole_partition(cells_fixture.cells, QUORUM);
    for (int64_t i = 1; i <= 4; i++)
        table_write_acked(table_put(i, A, i % 2, 10), QUORUM);
    table_write_acked(table_put(0, S, 1, 10), QUORUM);
    table_write(table_put(3, A, 0, 20));
    read.start = cells_now(cells_fixture.cells);
    read.filters = true;
    read.filter_column = A;
    read.filter_value = table_whole(1);
    CU_ASSERT(table_answers_in(cells_fixture.cells, &read,
                               ROWS({0, 1, 1, 1, NONE, 0}, {0, 3, 1, 1, NONE, 0}), 2));
    CU_ASSERT(table_answers_in(cells_fixture.cells, &read, ROWS({0, 1, 1, 1, NONE, 0}), 1));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read, ROWS({0, 3, 1, 1, NONE, 0}), 1));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read,
                                ROWS({0, 1, 1, 1, NONE, 0}, {0, 2, 1, 0, NONE, 0}), 2));
    read.filter_value = table_whole(5);
    CU_ASSERT(table_answers_in(cells_fixture.cells, &read, EMPTY));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read, ROWS({0, NONE, 1, NONE, NONE, 0}), 1));
}

static void counts(void)
{
    uint8_t bytes[8] = {0};
    struct cells_value value = {false, bytes_make(bytes, sizeof bytes)};
    struct cells_read read = table_whole_partition(cells_fixture.cells, QUORUM);
    table_write_acked(table_put(0, S, 1, 10), QUORUM);
    read.start = cells_now(cells_fixture.cells);
    read.counts = true;
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, &value, 1, &cells_fixture.why));
    bytes[7] = 1; /* the static row, there being no other */
    CU_ASSERT(cells_answer(cells_fixture.cells, &read, &value, 1, &cells_fixture.why));
    for (int64_t i = 1; i <= 3; i++)
        table_write_acked(table_put(i, A, i, 10), QUORUM);
    table_write(table_removal(2, A, 20));
    table_write(table_put(4, A, 4, 10));
    read.start = cells_now(cells_fixture.cells);
    for (uint8_t n = 0; n < 6; n++) {
        bytes[7] = n;
        CU_ASSERT(cells_answer(cells_fixture.cells, &read, &value, 1, &cells_fixture.why) ==
                  (n >= 2 && n <= 4));
    }
    read.where = table_between(2, 3);
    bytes[7] = 3;
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, &value, 1, &cells_fixture.why));
}

/* Pages are reads of their own: static values may change, and rows may come, between two. */
static void pages(void)
{
    for (int64_t i = 1; i <= 2; i++)
        table_write(table_put(i, B, i, 10));
    table_write_acked(table_put(0, S, 1, 10), COPIES);
    struct cells_read read = table_whole_partition(cells_fixture.cells, QUORUM);
    table_write(table_put(0, S, 2, 20));
    int64_t changed[][COLUMNS] = {{0, 1, 1, NONE, 1, 0}, {0, 2, 2, NONE, 2, 0}};
    int64_t came[][COLUMNS] = {{0, NONE, 1, NONE, NONE, 0}, {0, 2, 1, NONE, 2, 0}};
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read, changed, 2));
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read, came, 2));
    read.paged = true;
    CU_ASSERT(table_answers_in(cells_fixture.cells, &read, came, 2));
    CU_ASSERT(table_answers_in(cells_fixture.cells, &read, changed, 2));
    changed[1][S] = 3;
    CU_ASSERT(!table_answers_in(cells_fixture.cells, &read, changed, 2));
}

static void writetimes(void)
{
    static const struct cells_selector selectors[] = {
        {CELLS_VALUE, K}, {CELLS_VALUE, C}, {CELLS_VALUE, A}, {CELLS_WRITETIME, A}};
    uint8_t eleven[8] = {0, 0, 0, 0, 0, 0, 0, 11}, twelve[8] = {0, 0, 0, 0, 0, 0, 0, 12};
    struct cells_value values[] = {{false, table_whole(0)},
                                   {false, table_whole(1)},
                                   {false, table_whole(7)},
                                   {false, bytes_make(eleven, sizeof eleven)}};
    table_write(table_put(1, A, 7, 11));
    table_write(table_put(1, A, 8, 12));
    struct cells_read read = table_whole_partition(cells_fixture.cells, QUORUM);
    read.selectors = selectors;
    read.selectors_count = ARRAY_LEN(selectors);
    CU_ASSERT(cells_answer(cells_fixture.cells, &read, values, 1, &cells_fixture.why));
    values[3].bytes = bytes_make(twelve, sizeof twelve);
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, values, 1, &cells_fixture.why));
    values[2].bytes = table_whole(8);
    CU_ASSERT(cells_answer(cells_fixture.cells, &read, values, 1, &cells_fixture.why));
    values[3].is_null = true;
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, values, 1, &cells_fixture.why));
}

static void tokens(void)
{
    static const struct cells_selector selectors[] = {
        {CELLS_VALUE, K}, {CELLS_TOKEN, 0}, {CELLS_VALUE, S}};
    uint8_t five[8] = {0, 0, 0, 0, 0, 0, 0, 5}, nine[8] = {0, 0, 0, 0, 0, 0, 0, 9};
    struct cells_value values[] = {
        {false, table_whole(1)}, {false, bytes_make(five, 8)}, {true, {0}},
        {false, table_whole(0)}, {false, bytes_make(nine, 8)}, {true, {0}}};
    for (int64_t k = 0; k < 2; k++) {
        struct cells_change c = table_mark(1, 10);
        cells_acked(cells_fixture.cells, cells_write(cells_fixture.cells, 0, table_one(k), &c, 1),
                    COPIES);
    }
    struct cells_read read = {.selectors = selectors,
                              .selectors_count = ARRAY_LEN(selectors),
                              .distinct = true,
                              .start = cells_now(cells_fixture.cells),
                              .copies = 1};
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, values, 1, &cells_fixture.why));
    CU_ASSERT(cells_answer(cells_fixture.cells, &read, values, 2, &cells_fixture.why));
    read.by_token = true;
    read.token_min = 4;
    read.token_max = 8;
    CU_ASSERT(cells_answer(cells_fixture.cells, &read, values, 1, &cells_fixture.why));
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, values, 2, &cells_fixture.why));
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, values, 0, &cells_fixture.why));
    values[1].bytes = bytes_make(nine, 8);
    CU_ASSERT(!cells_answer(cells_fixture.cells, &read, values, 1, &cells_fixture.why));
}

CU_TestInfo cells_tests[] = {
    {"acked by a quorum is read by a quorum", acked_by_a_quorum_is_read_by_a_quorum},
    {"one copy may not have it", one_copy_may_not_have_it},
    {"what deletions leave room for", what_deletions_leave_room_for},
    {"what is not over may come after a deletion", what_is_not_over_may_come_after_a_deletion},
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
    CU_TEST_INFO_NULL,
};
