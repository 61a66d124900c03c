/* catalog.h - tables that come and go while clients use them, and whether the answers can be true.
 *
 * A name is an object: there is a table of this name, with some of the columns 0 .. 7 added, or
 * there is none. What clients were told of their changes must be linearizable (linear.h), name by
 * name: the metadata log orders them, and an answer "there is one already" or "there is none" is
 * an answer too.
 *
 * The rows of a table go with it. A node that has not applied a change yet takes writes and reads
 * for the table that it knows; so beside time it counts how far a node had applied the log: its
 * epoch, which the caller looks up when a row is written or read (the epoch then), and when a
 * change is answered (the change is within it). When a read is answered (1) a row is there only if
 * it was inserted under this name, before the read ended, (2) and not if its insert was answered
 * before a change that wipes the table was asked for, and the node that read had applied that; (3)
 * it is there if its insert was acked by so many replicas that the read must have asked one of
 * them, and every change that wipes the table was either within the epochs of both nodes or asked
 * for after the read.
 */
#ifndef TORC_NODE_SIM_ORACLE_CATALOG_H
#define TORC_NODE_SIM_ORACLE_CATALOG_H

#include "node/sim/oracle/linear.h"

#define CATALOG_COLUMNS_MAX 8

enum catalog_kind {
    CATALOG_CREATE,
    CATALOG_DROP,
    CATALOG_TRUNCATE,
    CATALOG_ADD_COLUMN,
    CATALOG_DROP_COLUMN,
    CATALOG_FOUND, /* the schema was read, and shows all that is there */
};

enum catalog_answer { CATALOG_DONE, CATALOG_EXISTS, CATALOG_REFUSED };

struct catalog; /* Opaque. */

struct catalog *catalog_new(uint32_t replicas); /* of each row */
void catalog_free(struct catalog *c);           /* accepts NULL */

struct catalog_change {
    uint32_t name;
    uint32_t client;
    enum catalog_kind kind;
    uint32_t column; /* of the column changes */
    bool lenient;    /* IF [NOT] EXISTS, of the table */
    usec call;
};

/* Asked for. Without an end it may happen at any time, or never. */
size_t catalog_change(struct catalog *c, const struct catalog_change *change);
void catalog_changed(struct catalog *c, size_t number, usec end, uint64_t epoch,
                     enum catalog_answer answer);
void catalog_never(struct catalog *c, size_t number); /* it is known not to have happened */

/* In one moment, the schema that all agree upon has the table with these columns (bits), or not. */
void catalog_found(struct catalog *c, uint32_t name, bool exists, uint32_t columns, usec now);

/* Rows have ids that are never used twice. `replicas`: that many have acked it; 0: it was answered,
 * but not acked. */
struct catalog_insert {
    uint32_t name, partition;
    int64_t id;
    usec call;
    uint64_t epoch; /* of the node asked, then */
};
size_t catalog_insert(struct catalog *c, const struct catalog_insert *insert);
void catalog_inserted(struct catalog *c, size_t row, usec end, uint32_t replicas);
void catalog_disk_lost(struct catalog *c); /* every row so far may be on one replica less */

/* All ids of a partition, as so many replicas have answered. False, with the contradiction. */
struct catalog_read {
    uint32_t name, partition;
    usec start, end;
    uint64_t epoch; /* of the node asked, at the start */
    uint32_t replicas;
    const int64_t *ids;
    size_t count;
};
bool catalog_read(const struct catalog *c, const struct catalog_read *read, struct errmsg *why);

/* Judge all changes so far. */
enum linear_verdict catalog_check(const struct catalog *c, struct errmsg *ret_why);

#endif
