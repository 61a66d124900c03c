/* cells_core.h - what the files of cells.h share; nobody else includes it.
 *
 *   cells.c         tables, writes, what is known of each
 *   cells_order.c   comparing values, restrictions
 *   cells_judge.c   one place: what it may show, whether it may be empty
 *   cells_answer.c  whole answers
 *
 *   table 1--* partition 1--* row 1--* place 1--* event
 *                        1--1 row (static)
 *                        1--* cover (deletion of rows), in each row that it matches
 *
 * A place is a cell: (column, element), the row's marker, or (collection, no element) for its
 * deletion as a whole.
 */
#ifndef TORC_NODE_SIM_ORACLE_CELLS_CORE_H
#define TORC_NODE_SIM_ORACLE_CELLS_CORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "node/sim/oracle/cells.h"

#define NO_TIME INT64_MIN
#define MARKER  UINT32_MAX /* column of the row marker's place */
#define JUDGED_WITHIN                                                                              \
    4096 /* moments: what is overruled longer than that is forgotten, so an                        \
            answer that took longer is not judged */

/* So many copies are known to have it, since a moment. */
struct seen {
    uint32_t copies;
    uint32_t losses; /* of copies, up to then */
    uint64_t since;
};

struct write {
    struct seen acked;
    struct cells_moment asked;
    uint64_t over; /* the order since which it is not executed any more */
};

struct event {
    int64_t timestamp;
    int32_t ttl;
    bool dead; /* a deletion */
    uint32_t write;
    struct bytes value;
    struct seen shown;
};

struct place {
    uint32_t column;
    bool has_path;
    struct bytes path;
    struct event *events;
    size_t count, cap;
    uint64_t mark; /* the order of the last answer that showed it */
};

struct cover {
    int64_t timestamp;
    uint32_t write;
    struct cells_where where;
};

/* A cover at one of the rows it matches: a read shows it there and nowhere else. */
struct cover_at {
    const struct cover *cover;
    struct seen shown;
};

struct row {
    const struct bytes *key;
    struct place *places; /* ascending by column, the elements of a column in no order */
    size_t places_count, places_cap;
    struct cover_at *covers;
    size_t covers_count, covers_cap;
};

struct partition {
    const struct bytes *key;
    struct row statics;
    struct row **rows; /* in clustering order */
    size_t rows_count, rows_cap;
    struct cover **covers;
    size_t covers_count, covers_cap;
    bool has_token;
    int64_t token;
    size_t events;
    uint64_t mark; /* the order of the last answer that showed it */
};

struct table {
    struct cells_column columns[CELLS_COLUMNS_MAX];
    uint32_t columns_count, partition_count, clustering_count;
    struct partition **partitions; /* in the order of their first writes */
    size_t count, cap;
    struct bmap by_key;
};

struct cells {
    uint32_t copies;
    uint64_t order;
    uint32_t losses;
    struct arena arena; /* keys, values */
    struct table tables[CELLS_TABLES_MAX];
    uint32_t tables_count;
    struct write *writes;
    size_t writes_count, writes_cap;
    size_t events;
    uint64_t held;
    bool demanded; /* by the answer being judged */
    struct buf scratch;
};

/* What a read must have seen. */
struct view {
    struct cells *c;
    const struct table *table;
    uint64_t start;
    uint32_t losses;
    uint32_t copies; /* that answered */
    uint32_t needed; /* what is on so many copies must be seen */
};

/* The strongest deletions that cover a place, from outside of it. */
struct fate {
    int64_t must, any;
    const struct row *row;
    const struct place *whole; /* the deletions of the collection; NULL: none */
};

/* --- cells.c */
void seen_add(const struct cells *c, struct seen *s, uint32_t copies, uint32_t losses);
bool seen_by(const struct cells *c, const struct seen *s, uint32_t copies, uint64_t moment);
struct partition *partition_find(struct cells *c, const struct table *t, const struct bytes *key);
struct place *place_find(const struct row *r, uint32_t column, bool has_path, struct bytes path);

/* --- cells_order.c */
int cells_compare(enum cells_order order, struct bytes a, struct bytes b);
int row_key_compare(const struct table *t, const struct bytes *a, const struct bytes *b);
bool where_matches(const struct table *t, const struct cells_where *w, const struct bytes *row);

/* The row's index; or false and where it would be. */
bool row_find(const struct table *t, const struct partition *p, const struct bytes *key,
              size_t *ret_index);

/* --- cells_judge.c */

/* The newest deletion of the place that may have been forgotten when `e` was executed: neither it
 * nor what it had overruled counts against e. NO_TIME: none. `whole`: as in struct fate. */
int64_t newest_forgotten(const struct cells *c, const struct row *r, const struct place *whole,
                         const struct place *p, const struct event *e);
bool must_see(const struct view *v, uint32_t write, const struct seen *shown);
struct fate fate_of_row(const struct view *v, const struct row *r);
struct fate fate_of_column(const struct view *v, const struct row *r, struct fate row,
                           uint32_t column);
bool event_beats(const struct event *a, const struct event *b);

/* A value (any when NULL) with that timestamp (any when NO_TIME). Remembers what was shown. */
bool place_may_show(const struct view *v, const struct fate *f, struct place *p,
                    const struct bytes *value, int64_t timestamp);
bool place_may_be_empty(const struct view *v, const struct fate *f, const struct place *p);
bool place_may_live(const struct view *v, const struct fate *f, const struct place *p);

/* Something else than that value, or nothing. */
bool place_may_differ(const struct view *v, const struct fate *f, const struct place *p,
                      struct bytes value);

/* The place was empty: when one deletion alone explains it, that was shown. */
void place_was_empty(const struct view *v, struct row *r, struct place *p);

/* Every place of the row, the marker too. Static rows have no marker. */
bool row_may_be_missing(const struct view *v, const struct row *r, const struct place **ret_why);
bool row_may_live(const struct view *v, const struct row *r);

/* What is known of a place, in words. */
void place_describe(const struct view *v, const struct row *r, const struct place *p,
                    struct buf *out);

#endif
