/* modify.h - the two halves of INSERT, UPDATE and DELETE: modify_resolve.c makes one of these out
 * of a statement, modify.c makes mutations out of it. Private to this folder. */
#ifndef TORC_NODE_CQL_EXEC_MODIFY_H
#define TORC_NODE_CQL_EXEC_MODIFY_H

#include "node/cql/exec/causality.h"
#include "node/cql/exec/condition.h"

struct op { /* what happens to one column */
    const struct column *column;
    enum ast_assign_kind kind;
    bool removes;            /* DELETE column, DELETE column[key], DELETE column.field */
    uint32_t no;             /* among those of the statement */
    struct bytes field_name; /* of AST_ASSIGN_FIELD */
    uint32_t field;
    struct slot value;
    struct slot key;
};

struct modify {
    const struct table *table;
    bool evaluates; /* values are there */
    bool insert;
    bool whole_rows;   /* DELETE FROM */
    bool touches_rows; /* not only static columns */
    struct op *ops;
    size_t ops_count;
    struct slot timestamp, ttl, causality;
    struct bytes form;      /* INSERT: of the clustering key (form.h), for the marker */
    struct slot *key_slots; /* INSERT: by column index, for the primary key */
    struct where where;     /* the others */
    struct conditions conditions;
    bool with_conditions; /* of the statement, or of another one of its batch */

    /* evaluated */
    struct keys keys;
    struct slices slices;
    struct cell_times times;
    bool causal;           /* it takes away what is in `seen`, and no more */
    struct causality seen; /* of a table that keeps siblings */
    struct needs *needs;
};

bool modify_resolve(struct run *r, const struct ast_stmt *s, const struct modify_times *times,
                    struct modify *m);
/* Resolve, and evaluate which partitions and rows it is about. */
bool modify_target(struct run *r, const struct ast_stmt *s, const struct modify_times *times,
                   struct modify *m);
/* modify_json.c: INSERT JSON. The columns of m->table get their values out of the text. */
bool modify_json(struct run *r, const struct ast_insert *s, struct modify *m);
bool modify_build(struct run *r, struct modify *m, struct parts *ret);

/* The entry for a row that must be seen, made when it is new. Valid until the next call. */
const struct need *modify_need(struct run *r, const struct modify *m, struct bytes key,
                               struct bytes row_key, bool want_static);
/* The same for all rows that the deletions of ranges in a part, or of all of it, cover. */
const struct need *modify_need_range(struct run *r, const struct modify *m, const struct part *p);

/* modify_siblings.c: of a table that keeps siblings */
bool modify_keeps_siblings(const struct modify *m);
bool modify_eval_causality(struct run *r, struct modify *m); /* USING CAUSALITY, or the payload's */
/* What the mutation takes away, once its part is known; ranges of rows become rows. Before what
 * must be read was read, it is not all. */
bool modify_supersede(struct run *r, const struct modify *m, struct exec_mutation *mutation);
/* With IF: takes away all that was read. */
void modify_supersede_all(struct run *r, struct modify *m, const struct part *seen);
/* 0: mutations of one partition may be joined. */
int modify_compare_supersede(const struct supersede *a, const struct supersede *b);

#endif
