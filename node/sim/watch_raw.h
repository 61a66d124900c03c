/* watch_raw.h - what lies on the disk of a node, read by the grammar alone.
 *
 * A second decoder of stored bytes, written from storage/keys.h and the heads of part_codec.c,
 * engine_log.c, engine_blocks.c, clock.c and tree_record.h, for those who judge the first one: it
 * calls nothing of storage. It demands no canonical form, only that the bytes are in the grammar.
 */
#ifndef TORC_NODE_SIM_WATCH_RAW_H
#define TORC_NODE_SIM_WATCH_RAW_H

#include "base/arena.h"

enum raw_type {
    RAW_OTHER, /* facts, entries of indexes and of garbage, the store's own records */
    RAW_CLOCK,
    RAW_LOG, /* a piece of a range log, a record of their journal */
    RAW_DATA,
    RAW_GARBAGE, /* an entry of the index of what will be garbage */
};

enum raw_what { RAW_PART_DELETION, RAW_RANGE_DELETION, RAW_ROW_DELETION, RAW_CELL };

struct raw_item { /* one thing that a dot did to a partition */
    enum raw_what what;
    bool is_static;
    struct bytes row;        /* clustering key; of cells and row deletions */
    struct bytes start, end; /* of a range deletion; end empty: no bound */
    uint32_t column;
    bool has_path;
    bool siblings;
    uint8_t kind; /* of a cell: 0 live, 1 expiring, 2 tombstone, 3 removed */
    uint64_t ttl;
    int64_t timestamp, time_s;
    struct bytes path, value;
    struct dot dot;    /* whose effect it is */
    struct dot target; /* siblings: the place has it too; the last that is removed, or its own */
    uint64_t first;    /* siblings: of a removal the first of its run, else target.n */
    uint64_t writer;
};

struct raw_run { /* dots first .. last of an actor */
    struct actor actor;
    uint64_t first, last;
};

struct raw_log {
    uint32_t keyspace, range;
    struct dot dot;
    uint32_t table;
    int64_t token;
    struct bytes partition;
    struct bytes entry; /* all of it */
};

struct raw_entry {
    enum raw_type type;
    uint32_t keyspace, range; /* CLOCK, GARBAGE */
    struct raw_log *logs;     /* LOG */
    size_t logs_count;
    struct dot dot; /* GARBAGE */
    uint32_t table; /* DATA, GARBAGE */
    int64_t due_s;  /* GARBAGE: so it is deleted, or expires */
    bool expires;   /* GARBAGE */
    int64_t token;
    struct bytes partition; /* the key, unescaped */
    struct raw_item *items; /* DATA */
    size_t items_count;
    struct raw_run *runs; /* CLOCK: a base is a run from 1 */
    size_t runs_count;
};

/* What it points to lives in the arena, and in key and value. False: not in the grammar. */
bool raw_read(struct bytes key, struct bytes value, struct arena *arena, struct raw_entry *ret);

#endif
