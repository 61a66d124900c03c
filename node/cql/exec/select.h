/* select.h - one SELECT: select_plan.c decides what to scan, select.c takes the rows. Private.
 *
 * A SELECT runs as a sequence of scans: one partition after the other for `=` and IN on the
 * partition key, else slices of the token range; each as long as a replica makes them. What a scan
 * cannot decide (ALLOW FILTERING) is decided here, row by row. */
#ifndef TORC_NODE_CQL_EXEC_SELECT_H
#define TORC_NODE_CQL_EXEC_SELECT_H

#include "node/cql/exec/selection.h"

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
    const struct column **group_by;    /* a group is a run of rows that agree in these */
    size_t group_by_count;

    struct select_params params;
    struct keys keys;
    struct slices slices;
    token after_token, upto_token;
    struct filter *filters;
    size_t filters_count;
    uint64_t limit;    /* UINT64_MAX: none */
    uint32_t per_part; /* 0: no limit */

    /* where we are */
    struct position at; /* its bytes live in at_key and at_row */
    struct buf at_key, at_row;
    size_t key_at;
    bool complete;   /* nothing more to scan for this reply */
    bool more_pages; /* and yet there is more: it goes on at `at` */
    struct scan scan;

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

bool select_plan_start(struct run *r, struct select *s);
void select_move(struct select *s, const struct position *to); /* copies */

#endif
