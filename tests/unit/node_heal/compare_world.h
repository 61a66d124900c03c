/* compare_world.h - two of three replicas whose rows differ on purpose, for sessions by trees. */
#ifndef TORC_TESTS_COMPARE_WORLD_H
#define TORC_TESTS_COMPARE_WORLD_H

#include "three.h"

#define RANGE 5
#define WIDTH 16 /* of trees */

extern const struct heal_comparison between; /* nodes 1 and 2, all of RANGE */
extern range_no compare_in;                  /* where rows are; RANGE after compare_setup */

extern table_no compare_table; /* ... of; TABLE after compare_setup */
#define OTHER_TABLE (TABLE + 1)

void compare_setup(void);
void compare_teardown(void);
void begin_anew(void);
void add_other_table(void); /* the keyspace has two tables from now on */
token token_of(unsigned row);
/* A row; with another value than it had, when `value` is another one. */
struct part part_of(unsigned row, int64_t timestamp, enum cell_kind kind, const char *value,
                    struct dot dot);
struct dot next_dot(node_no by);
void apply(node_no to, const struct part *p, struct dot dot);
void put_both(unsigned row, int64_t timestamp);
/* Both clocks have the dot; node `who` alone has the row, or the newer value. */
void plant(node_no who, unsigned row, int64_t timestamp);
/* A row goes from the disk of the node, behind its back. */
void lose_row(node_no no, unsigned row);
void sync_all(void);
void fill(unsigned rows);
/* Node 1 compares with node 2. */
const struct heal_figures *compare(const struct heal_comparison *what);
void get_digest(node_no no, struct digest *ret);
bool rows_are_equal(void);
bool clocks_are_equal(void);

#endif
