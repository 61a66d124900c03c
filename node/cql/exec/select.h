/* select.h - one SELECT: select_clauses.c and select_plan.c decide what to scan, select.c takes
 * parts and makes pages, select_row.c takes rows. Private.
 *
 * A SELECT runs as a sequence of scans: one partition after the other for `=` and IN on the
 * partition key, else slices of the token range; each as long as a replica makes them. What a scan
 * cannot decide (ALLOW FILTERING) is decided here, row by row. */
#ifndef TORC_NODE_CQL_EXEC_SELECT_H
#define TORC_NODE_CQL_EXEC_SELECT_H

#include "node/cql/exec/selection.h"

#define FILTERING_TEXT                                                                             \
    "Cannot execute this query as it might involve data filtering and thus may have "              \
    "unpredictable performance. If you want to execute this query despite the performance "        \
    "unpredictability, use ALLOW FILTERING"

struct select {
    const struct ast_select *ast;
    const struct table *table;
    bool is_virtual; /* answered from memory */
    struct where where;
    struct selection *selection;
    struct slot limit_slot, per_part_slot;
    bool by_key;   /* the partition key is given whole */
    bool reversed; /* ORDER BY against the clustering order */
    bool distinct;
    bool uses_index;                   /* restrictions that the primary key does not serve */
    bool filters_more;                 /* and that no index does */
    const struct index *index;         /* the one to look in */
    const struct restriction *indexed; /* what it is chosen for */
    struct scan_index terms;           /* no 0: the rows are read without it */
    struct nearest *nearest;           /* ORDER BY … ANN OF; NULL: there is none */
    struct selector **group_by;        /* a group is a run of rows that agree in these */
    size_t group_by_count;

    struct select_params params;
    struct keys keys;
    struct slices slices;
    token after_token, upto_token;
    struct filter *filters;
    size_t filters_count;
    uint64_t limit;           /* UINT64_MAX: none */
    uint32_t per_part;        /* rows of one partition; 0: no limit */
    uint32_t groups_per_part; /* the same of groups */
    bool paged;               /* the client asked for pages, whether or not there can be some */
    bool sorts;               /* rows of several partitions are put in order in the end */
    uint64_t sort_limit;

    /* where we are */
    struct position at; /* its bytes live in at_key and at_row */
    struct buf at_key, at_row;
    size_t key_at;
    bool part_done;  /* no more of the present partition */
    bool complete;   /* nothing more to scan for this reply */
    bool more_pages; /* and yet there is more: it goes on at `at` */
    struct scan scan;
    struct virtual_table *virtual_table;
    struct arena *arena; /* of the request */
    struct sorted_row *sorted;
    size_t sorted_count, sorted_cap;

    struct {
        bool *columns;          /* by column: some shown row has siblings there */
        uint32_t rows;          /* of them */
        struct bytes causality; /* of the one row that was asked for */
    } siblings;                 /* of a table that keeps them */

    bool in_group;
    struct buf group; /* what the rows of the present group agree in */
    struct buf content;
    uint32_t rows;
    struct arena scratch;       /* of the rows being taken */
    struct cql_value *values;   /* of the row being taken, by column */
    struct column_cells *cells; /* the same */
    uint16_t *by_id;            /* column id -> index + 1 */
};

/* index_plan.c: decide whether an index is used; ALLOW FILTERING must have been said where none is
 * enough; the terms to look for; and the index that a restriction's texts are compared as. */
bool index_plan(struct run *r, struct select *s, bool clustering_filters);
bool index_check_filtering(struct run *r, const struct select *s);
bool index_plan_start(struct run *r, struct select *s);
const struct index *index_analysing(const struct select *s, const struct restriction *x);

/* select_clauses.c: DISTINCT, ORDER BY, GROUP BY, the limits; the plan's restrictions are known. */
bool select_resolve_clauses(struct run *r, struct select *s);
bool select_eval_limits(struct run *r, struct select *s);

/* nearest.c: what ANN OF may stand beside, in two steps; the vector and the limit; a row that
 * passed all filters; the best rows, into the reply. */
bool nearest_resolve(struct run *r, struct select *s);
bool nearest_check(struct run *r, const struct select *s);
bool nearest_start(struct run *r, struct select *s);
bool nearest_take(struct run *r, struct select *s, const struct row_values *row);
bool nearest_finish(struct run *r, struct select *s);
void nearest_close(struct nearest *n);

bool select_plan_start(struct run *r, struct select *s);
bool select_page_full(const struct select *s);

/* What became of a row. */
enum row_fate {
    ROW_FAILED,    /* run_fail */
    ROW_PASSED_BY, /* it does not pass a filter */
    ROW_TAKEN,
    ROW_OF_NEXT_PAGE, /* not taken: it begins a group that this page has no room for */
    ROW_OF_NEXT_PART, /* not taken: its partition has shown what it may */
};
/* row NULL: the partition has static columns only. */
enum row_fate select_row(struct run *r, struct select *s, const struct part *p,
                         const struct row *row);

/* select_sort.c: note what the row that was just appended is ordered by; put all in order. */
bool select_sort_note(struct run *r, struct select *s, size_t start);
void select_sort(struct select *s);

/* select_siblings.c: of a table that keeps siblings. */
struct select_conflicts {
    size_t *columns;
    size_t count;
};
bool select_keeps_siblings(const struct select *s);
void select_siblings_start(struct run *r, struct select *s);
/* The row as it is shown, and the shown columns where there are siblings; added to *ret. The row
 * itself of another table. */
const struct row *select_winners(struct run *r, struct select *s, const struct row *row,
                                 struct select_conflicts *ret);
/* A row with these is in the answer. */
void select_note_conflicts(struct select *s, const struct select_conflicts *conflicts);
/* The whole primary key is given, of one row. */
bool select_names_one_row(const struct select *s);
bool select_take_causality(struct run *r, struct select *s, const struct row_values *row);
void select_tell_siblings(struct run *r, const struct select *s); /* with the answer */

void select_move(struct select *s, const struct position *to); /* copies */

#endif
