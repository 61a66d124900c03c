/* tree_private.h - what the files of the trees share.
 *
 *   tree_record.c  the records
 *   tree.c         loading and writing them; marks of what is dropped; trees that go
 *   tree_read.c    rows of a stretch, and their digests
 *   tree_fold.c    what is dirty: range log, marks
 *   tree_update.c  reading what is dirty, cutting and joining leaves
 *   tree_skip.c    what is left out of that
 *   tree_query.c   sums, slices, lists
 *   tree_scrub.c   reading what is clean
 *   tree_strip.c   rows without what is no difference
 *   tree_rows.c    rows for others
 *   tree_take.c    rows of others
 *   tree_vote.c    rows of most
 */
#ifndef TORC_STORAGE_TREE_PRIVATE_H
#define TORC_STORAGE_TREE_PRIVATE_H

#include "storage/engine_private.h"
#include "storage/tree_record.h"

/* --- tree.c: the tree of one range, for the time of a call */

struct tree_gone { /* a piece whose record is to be removed */
    struct tree_gone *next;
    table_no table;
    uint32_t id;
};

struct tree {
    struct engine *e;
    struct range_state *r;
    struct arena arena;  /* of the head */
    struct arena leaves; /* of pieces that were read; let go when it is too much */
    struct tree_head head;
    bool changed;   /* the head is to be written */
    size_t dirtied; /* grows when leaves that were clean become dirty, in tree_fold.c */
    struct tree_gone *gone;
    bool marked; /* what was dropped is among the dirty leaves: the mark goes */
};

/* ERR_NOT_FOUND: there is none. ERR_CORRUPT: there is none any more. Close it in any case. */
enum err tree_open(struct tree *t, struct engine *e, struct range_state *r) MUST_CHECK;
void tree_close(struct tree *t);

/* It is new, and has no tables. */
void tree_make(struct tree *t);

/* Write what has changed. Leaves that were read are not in memory any more. */
void tree_write(struct tree *t);

/* The leaves of a piece; those of others may have been let go: only one is to be used at a time. */
enum err tree_load(struct tree *t, struct tree_table *table, struct tree_piece *p) MUST_CHECK;

struct tree_table *tree_table(const struct tree *t, table_no table); /* NULL: it has none */
void tree_add_table(struct tree *t, table_no table);
void tree_remove_table(struct tree *t, size_t at);

/* The record of the piece goes; the piece itself is the caller's to take out of the table. */
void tree_remove_piece(struct tree *t, const struct tree_table *table, const struct tree_piece *p);

/* The last piece, or leaf of a piece, that does not begin behind the place. */
size_t tree_find_piece(const struct tree_table *table, struct bytes place);
size_t tree_find_leaf(const struct tree_piece *p, struct bytes place);

/* Where a leaf of a piece ends. */
struct bytes tree_leaf_end(const struct tree_table *table, size_t piece, size_t leaf);

/* What the mark says: garbage due by then may have been dropped. False: there is no mark. */
bool tree_read_mark(struct engine *e, struct range_state *r, int64_t *ret_due);

/* --- tree_read.c */

struct tree_reader {
    struct engine *e;
    table_no table;
    token last;
    struct bytes upto;
    struct arena arena; /* of the partition that is open, or some of its rows */
    size_t opened;      /* bytes of it that its head takes up */
    struct rows rows;
    struct buf place; /* of the row that was given */
    size_t front;     /* of it: of the partition */
    struct buf key;   /* of the partition; outlives the arena */
    struct buf row;   /* the next row is not before this key */
    struct buf body;  /* scratch */
    bool open;        /* the next is a row of that partition ... */
    bool head;        /* ... or its head */
    uint64_t before;  /* fragments read by the engine when it began */
};

struct tree_row {
    struct bytes place; /* until the next one */
    struct part part;   /* a head, or a row that has no key */
    bool empty;         /* nothing is left of it */
};

/* from: a place, or empty. ERR_MALFORMED. Close it in any case. */
enum err tree_reader_init(struct tree_reader *r, struct engine *e, const struct range_place *place,
                          table_no table, struct bytes from, struct bytes upto) MUST_CHECK;
enum err tree_reader_close(struct tree_reader *r) MUST_CHECK;

/* ERR_NOT_FOUND at the end. */
enum err tree_reader_next(struct tree_reader *r, struct tree_row *ret) MUST_CHECK;
size_t tree_reader_work(const struct tree_reader *r);

/* Of place and row. */
uint64_t tree_digest(struct tree_reader *r, const struct tree_row *row);
int64_t tree_due(const struct part *p);

/* The sum of a stretch, read. *ret_due: its earliest garbage. */
enum err tree_read_sum(struct engine *e, const struct range_place *place, table_no table,
                       const struct tree_stretch *stretch, const struct tree_skip *skip,
                       struct tree_sum *ret, int64_t *ret_due) MUST_CHECK;

/* --- tree_skip.c; skip may be NULL */

bool tree_skip_meets(const struct tree_skip *skip, const struct tree_stretch *stretch);

/* --- tree_strip.c */

/* The part without garbage whose dots are in `agreed` (NULL: none) and without what has expired at
 * now_s (INT64_MIN: nothing has); shares what stays. False: nothing is left. */
bool tree_strip(struct part *p, const struct clock *agreed, int64_t now_s, struct arena *arena);

/* The part without garbage that was here, as the clock says, and may have been dropped since: with
 * a timestamp up to the bound of what was. (Where it is still here nothing is lost by that.) False:
 * nothing is left. */
bool tree_strip_dropped(struct engine *e, const struct range_state *r, struct part *p,
                        int64_t now_s, struct arena *arena);

/* --- tree_take.c, tree_vote.c */

bool tree_is_of_place(const struct range_place *place, const struct part *p);
void tree_put_values(const struct row *row, int64_t now_s, struct arena *arena, struct buf *out);

/* --- tree_fold.c */

/* Leaves that have anything of the parts become dirty, in a batch of their own. */
enum err tree_touch_parts(struct engine *e, struct range_state *r, const struct part *parts,
                          size_t count) MUST_CHECK;

/* Marks into dirty leaves, and the next entries of the log, about entries_max of them. *ret_done:
 * the as-of clock is that of the range. */
enum err tree_fold(struct tree *t, size_t entries_max, bool *ret_done) MUST_CHECK;

#endif
