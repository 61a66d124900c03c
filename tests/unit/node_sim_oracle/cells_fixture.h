/* cells_fixture.h - a table, and how to write to it and to hold answers against it, in few words.
 */
#ifndef TORC_TESTS_UNIT_NODE_SIM_ORACLE_CELLS_FIXTURE_H
#define TORC_TESTS_UNIT_NODE_SIM_ORACLE_CELLS_FIXTURE_H

#include "base/arena.h"
#include "node/sim/oracle/cells.h"

/* k int, c int, s int static, a int, b int, e set<int>: PRIMARY KEY (k, c) */
enum { K, C, S, A, B, E, COLUMNS };

#define COPIES 3
#define QUORUM 2
#define NONE   INT64_MIN /* null */

struct cells_fixture {
    struct cells *cells;
    struct arena arena;
    struct errmsg why;
};
extern struct cells_fixture cells_fixture;

void cells_setup(void);
void cells_teardown(void);

struct cells *table_new(bool reversed);
struct bytes table_whole(int64_t v);
const struct bytes *table_one(int64_t v);
uint32_t table_write_in(struct cells *c, struct cells_change change);
uint32_t table_write(struct cells_change change);
void table_write_acked(struct cells_change change, uint32_t copies);
struct cells_change table_put(int64_t row, uint32_t column, int64_t value, int64_t timestamp);
struct cells_change table_removal(int64_t row, uint32_t column, int64_t timestamp);
struct cells_change table_element(enum cells_change_kind kind, int64_t row, int64_t path,
                                  int64_t timestamp);
struct cells_change table_mark(int64_t row, int64_t timestamp);
struct cells_where table_between(int64_t low, int64_t high);
struct cells_change table_cover(int64_t low, int64_t high, int64_t timestamp);
struct cells_read table_whole_partition(const struct cells *c, uint32_t copies);
struct cells_value table_set_of(int64_t elements);
bool table_answers_in(struct cells *c, const struct cells_read *read, int64_t (*rows)[COLUMNS],
                      uint32_t count);
bool table_reads(uint32_t copies, int64_t (*rows)[COLUMNS], uint32_t count);

#define ROWS(...)                                                                                  \
    (int64_t[][COLUMNS])                                                                           \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define EMPTY (int64_t(*)[COLUMNS]) NULL, 0

#endif
