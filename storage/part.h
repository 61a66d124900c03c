/* part.h - a partition, or a fragment of one: what a write carries, what a replica answers, what is
 * merged. Pure; knows no schema: clustering keys and element keys are order-preserving byte
 * strings, columns are numbers.
 *
 *   part = deletion of the whole partition, range tombstones, a static row, rows by clustering key
 *   row  = deletion of the row, cells by (column, element)
 *   cell = (timestamp us, live | expiring | tombstone, value, dot)
 *
 * A cell at COLUMN_MARKER says that the row exists by itself (INSERT), with no value. A collection
 * is one cell per element (`has_path`), and a tombstone at (column, no path) shadows its elements.
 * So is a counter, one cell per increment (counter.h).
 *
 * Parts of tables that keep siblings have another place for a cell, and no deletions: siblings.h.
 *
 * Merge is the join of Cassandra's last-write-wins order (part_merge): commutative, associative,
 * idempotent, and its result is canonical: parts with the same meaning are the same bytes.
 * Nothing here looks at the wall clock except where a function takes `now_s`.
 */
#ifndef TORC_STORAGE_PART_H
#define TORC_STORAGE_PART_H

#include "base/arena.h"
#include "base/buf.h"

#define COLUMN_MARKER  0u         /* the row marker; real columns begin at 1 */
#define COLUMN_ROW     UINT32_MAX /* siblings: a removed cell for the whole row */
#define TIMESTAMP_NONE INT64_MIN
#define PART_ROWS_MAX  (1u << 20) /* decoders refuse more of any list */

/* CELL_REMOVED: in tables with siblings, and CELL_TOMBSTONE is not. */
enum cell_kind { CELL_LIVE = 0, CELL_EXPIRING = 1, CELL_TOMBSTONE = 2, CELL_REMOVED = 3 };

struct cell {
    uint32_t column;
    enum cell_kind kind;
    bool has_path;
    int32_t ttl;       /* seconds; expiring only, else 0 */
    int64_t timestamp; /* microseconds */
    int64_t time_s;    /* expiring: seconds since the epoch when it ends; tombstone: local deletion
                          time; live: 0 */
    struct bytes path; /* element key, order-preserving */
    struct bytes value;
    struct dot dot;      /* that wrote it; of a removed cell: that is removed */
    struct dot remover;  /* removed only: the dot of the removal, whose timestamp it has */
    union {              /* with siblings */
        uint64_t writer; /* of a value; 0: nobody in particular */
        uint64_t first;  /* removed: so are all of the dot's actor from this n up to the dot's */
    };
};

/* A deletion of everything with a timestamp <= its own. timestamp == TIMESTAMP_NONE: there is none.
 */
struct tomb {
    int64_t timestamp;
    int64_t time_s; /* local deletion time */
    struct dot dot;
};

#define TOMB_NONE ((struct tomb){TIMESTAMP_NONE, 0, {{0, 0}, 0}})

struct row {
    struct bytes key; /* encoded clustering key; empty for the static row and without clustering */
    bool siblings;    /* as its part; part_normalise sets it */
    struct tomb deletion;
    struct cell *cells; /* ascending by (column, has_path, path), and dot with siblings */
    size_t cells_count;
};

/* Deletes the rows with start <= key < end (encoded clustering bounds). */
struct range_tomb {
    struct bytes start;
    struct bytes end;
    struct tomb tomb;
};

struct part {
    table_no table;
    bool siblings; /* of a table that keeps them; an empty part need not know */
    token token;
    struct bytes key; /* serialised partition key */
    struct tomb deletion;
    struct range_tomb *tombs; /* canonical: ascending, disjoint */
    size_t tombs_count;
    bool has_static;
    struct row static_row;
    struct row *rows; /* ascending by key */
    size_t rows_count;
};

/* The order of two cells of one (column, path): true when a wins over b. Cassandra 5.0's
 * Cells.resolveRegular, and for markers LivenessInfo.supersedes; total: equal in all else, the
 * larger dot wins, so that replicas keep the same bytes. */
bool cell_wins(const struct cell *a, const struct cell *b);
bool tomb_wins(const struct tomb *a, const struct tomb *b);
bool tomb_is_none(const struct tomb *t);

/* Deletions shadow ties: timestamp <= t->timestamp. */
bool tomb_shadows(const struct tomb *t, int64_t timestamp);

/* The dot of the write that made the cell what it is: what a clock says of it. */
struct dot cell_event(const struct cell *c);

/* Live at now_s: not a tombstone, not removed, and not expired. */
bool cell_is_live(const struct cell *c, int64_t now_s);

/* A row is there when its marker or any cell is live. */
bool row_is_live(const struct row *r, int64_t now_s);

/* Sort, drop what is shadowed inside the part, make tombstones disjoint: the canonical form. Every
 * builder of a part calls it once. Works in place on arrays from the arena. */
void part_normalise(struct part *p, struct arena *arena);

/* ret := join of a and b, canonical; both canonical and of one table and key. May share memory with
 * its inputs. */
void part_merge(const struct part *a, const struct part *b, struct arena *arena, struct part *ret);
/* Of many rows at once: one copy of all cells, sorted. */
void row_join(const struct row *rows, size_t count, struct arena *arena, struct row *ret);
void row_merge(const struct row *a, const struct row *b, struct arena *arena, struct row *ret);

/* ret := what `have` lacks to become merge(have, want): the repair to send. False when nothing. */
bool part_lacks(const struct part *have, const struct part *want, struct arena *arena,
                struct part *ret);

/* The strongest deletion that covers a row key: the partition's or a range tombstone's. */
struct tomb part_deletion_at(const struct part *p, struct bytes row_key);

bool part_is_empty(const struct part *p);

/* Every cell and tombstone of p gets this dot (what minting does; not with siblings). */
void part_set_dot(struct part *p, struct dot dot);

/* The largest timestamp in the part, TIMESTAMP_NONE when there is none. */
int64_t part_max_timestamp(const struct part *p);
int64_t part_min_timestamp(const struct part *p); /* INT64_MAX when there is none */

/* The write that a cell or a deletion comes from. */
struct version {
    int64_t timestamp; /* TIMESTAMP_NONE: there is none */
    struct dot dot;
};

/* *newest := the one with the largest timestamp of it and all in the part; of equal ones that with
 * the larger dot. */
void part_newest(const struct part *p, struct version *newest);

/* What of a write is not seen where it is merged with what is there. */
struct loss {
    bool lost;
    int64_t by; /* the largest timestamp of what wins over it */
};

void loss_add(struct loss *l, int64_t by);

/* What is stamped `from` is stamped `to`, and what is just below it (a collection that is replaced:
 * its old elements) just below that; in place. False, and nothing is changed: nothing has that
 * stamp, or something else in the part lies between, over which it would win all of a sudden. */
bool part_restamp(struct part *p, int64_t from, int64_t to);

/* The bytes are a grammar at the head of part_codec.c, with a format version. Views in the decoded
 * part point into `in`. */
void part_encode(const struct part *p, struct buf *out);
enum err part_decode(struct bytes in, struct arena *arena, struct part *ret) MUST_CHECK;
enum err part_read(struct reader *in, struct arena *arena, struct part *ret) MUST_CHECK;

/* 128-bit content digest (XXH3) of the canonical encoding, dots included; cells expired at now_s
 * are as if tombstones, so that replicas do not differ by when they looked. */
struct digest {
    uint8_t b[16];
};
void part_digest(const struct part *p, int64_t now_s, struct digest *ret);

#endif
