/* cells.h - tables of rows: what clients wrote, and whether an answer to a SELECT can be true.
 *
 * The oracle of the generated workload. Like history.h it knows nothing of Torc but its promises,
 * here the rules of CQL: last write wins by timestamp, cell by cell; deletions of cells, rows,
 * ranges and partitions shadow what is not newer; a row is there while its marker or a cell is.
 * Every write has a client timestamp, so the end does not depend on who came first.
 *
 * A write is a list of changes to one partition. Each is kept, and for each how many copies are
 * known to have it: those that acked it, or those that a read asked which showed it. A read of r
 * copies must have seen what is on more than all minus r of them; it may have seen everything else.
 * An answer is allowed when every cell of it can be what is left of some such choice:
 *
 *   shown     a write gave that value, and nothing that must have been seen overrules it
 *   missing   every write that must have been seen is overruled by some deletion, seen for sure
 *             or not
 *
 * and likewise for rows; rows are in order, match the restrictions, and a limit hides only what
 * comes after it. Cells are judged one by one, so a choice that must be the same for two of them
 * (one deletion that cannot be both seen and not) is not held against an answer: nothing right is
 * refused. When all is known to be on all copies, exactly one answer is allowed.
 *
 * A deletion is forgotten when all copies have it and have told each other. What is executed only
 * then is new, however old its timestamp is. So a deletion, and what it had overruled, does not
 * count against a write that was not over when the deletion was asked for.
 *
 * Ties: at one timestamp a deletion beats a write, a write with a TTL one without, the later end
 * the earlier (equal TTLs: either), the larger value (unsigned bytes) the smaller. TTLs must be
 * longer than the run and further apart: nothing expires here.
 *
 * Values are bytes as on the wire. Keys are equal when their bytes are.
 */
#ifndef TORC_NODE_SIM_ORACLE_CELLS_H
#define TORC_NODE_SIM_ORACLE_CELLS_H

#include "base/bytes.h"

#define CELLS_TABLES_MAX     8
#define CELLS_COLUMNS_MAX    32
#define CELLS_CLUSTERING_MAX 4
#define CELLS_EVENTS_MAX     ((size_t)1 << 24) /* of a run */

struct cells; /* Opaque. */

/* --- tables */

enum cells_kind { CELLS_PARTITION, CELLS_CLUSTERING, CELLS_STATIC, CELLS_REGULAR };
enum cells_shape { CELLS_ONE, CELLS_SET, CELLS_MAP };

/* How values of clustering columns and elements of collections compare. */
enum cells_order {
    CELLS_BYTEWISE, /* text, blob, uuid (of one version), inet, date, boolean */
    CELLS_WHOLE,    /* whole numbers of any length, big endian, two's complement */
    CELLS_DECIMAL,  /* scale, then a whole number; both small */
    CELLS_REAL,     /* float and double */
};

struct cells_column {
    enum cells_kind kind;
    enum cells_shape shape;
    enum cells_order order; /* of a clustering column or of the elements */
    bool reversed;          /* DESC */
};

/* copies: of every row, at most 255. */
struct cells *cells_new(uint32_t copies);
void cells_free(struct cells *c);

/* Columns in the order partition key, clustering, static, regular. Returns the table's number, from
 * 0 on. */
uint32_t cells_add_table(struct cells *c, const struct cells_column *columns, uint32_t count);

/* --- restrictions of clustering columns */

enum cells_op { CELLS_EQ, CELLS_LT, CELLS_LE, CELLS_GT, CELLS_GE, CELLS_IN };

/* `columns` clustering columns beginning with number `first` (from 0), compared as one tuple with
 * values[columns], or for IN with `alternatives` of them. */
struct cells_relation {
    uint32_t first, columns;
    enum cells_op op;
    uint32_t alternatives; /* 1 but for IN */
    const struct bytes *values;
};

struct cells_where {
    const struct cells_relation *items;
    uint32_t count;
};

/* --- writes */

enum cells_change_kind {
    CELLS_PUT,    /* a value of a column, or an element of one */
    CELLS_REMOVE, /* the same, deleted; a collection without `path`: all of it */
    CELLS_MARK,   /* the row exists: INSERT */
    CELLS_COVER,  /* all rows that match `where` are deleted; without restrictions: the partition */
};

struct cells_change {
    enum cells_change_kind kind;
    int64_t timestamp;
    int32_t ttl;             /* PUT and MARK; 0: none */
    const struct bytes *row; /* all clustering columns; not for static columns and COVER */
    uint32_t column;         /* PUT, REMOVE */
    bool has_path;
    struct bytes path; /* the element */
    struct bytes value;
    struct cells_where where;
};

/* A point in the order of what clients did and heard. */
struct cells_moment {
    uint64_t order;
    uint32_t losses;
};
struct cells_moment cells_now(const struct cells *c);

/* A write that is about to be asked for; all is copied. The number is for cells_acked, which tells
 * that so many copies have it. A write that is not acked may happen at any time. */
uint32_t cells_write(struct cells *c, uint32_t table, const struct bytes *key,
                     const struct cells_change *changes, size_t count);
void cells_acked(struct cells *c, uint32_t write, uint32_t copies);

/* No attempt of it is under way: it is not executed from now on. */
void cells_over(struct cells *c, uint32_t write);

/* One copy of everything is gone: what was on k copies is on k - 1 for sure. */
void cells_lost_copy(struct cells *c);

/* --- reads */

enum cells_what { CELLS_VALUE, CELLS_WRITETIME, CELLS_TOKEN };

struct cells_selector {
    enum cells_what what;
    uint32_t column;
};

/* Selectors must name all columns of the partition key and, but for DISTINCT, of clustering; and
 * the one that filters. */
struct cells_read {
    uint32_t table;
    const struct bytes *keys; /* keys_count times all columns of the partition key; 0: all */
    uint32_t keys_count;
    bool by_token; /* only partitions with token_min <= token <= token_max */
    int64_t token_min, token_max;
    struct cells_where where;
    bool filters; /* only rows whose regular column has that value */
    uint32_t filter_column;
    struct bytes filter_value;
    bool reversed;
    bool distinct;
    bool counts; /* the answer is one bigint: how many rows. No filter, no limits, selectors unused
                  */
    uint32_t limit, per_partition_limit; /* 0: none */
    bool paged; /* read page by page: static values may change between two */
    const struct cells_selector *selectors;
    uint32_t selectors_count;
    struct cells_moment start; /* before it was asked */
    uint32_t copies;           /* so many have answered; 0: nothing was promised */
};

struct cells_value {
    bool is_null;
    struct bytes bytes;
};

/* The answer, rows times selectors_count values. False, with the contradiction in words, when it
 * cannot be. What it shows is remembered. */
bool cells_answer(struct cells *c, const struct cells_read *read, const struct cells_value *values,
                  uint32_t rows, struct errmsg *why);

/* How many of the answers had to show the effect of some write. */
uint64_t cells_held(const struct cells *c);

/* --- what there is, for those who make requests */

uint32_t cells_partitions(const struct cells *c, uint32_t table);
const struct bytes *cells_partition_key(const struct cells *c, uint32_t table, uint32_t i);

/* The token, once an answer has told it. */
bool cells_partition_token(const struct cells *c, uint32_t table, uint32_t i, int64_t *ret_token);

/* How many changes of a partition are kept. 0 when it was never written. */
size_t cells_partition_events(const struct cells *c, uint32_t table, const struct bytes *key);

/* Of all partitions. */
size_t cells_events(const struct cells *c);

#endif
