/* usage.h - what this replica did for each table, for the tables of system_views.
 *
 * Kept for the first USAGE_TABLES_MAX tables that are used, since the start of the node. A write
 * takes until it is durable. A read is done within one turn of the node, in which its time stands
 * still: how long it takes is told by a stopwatch of the shell, without one it is 0. */
#ifndef TORC_NODE_COORD_USAGE_H
#define TORC_NODE_COORD_USAGE_H

#include "base/histogram.h"
#include "base/map.h"
#include "storage/engine.h"

#define USAGE_TABLES_MAX 128

enum usage_kind {
    USAGE_READ,       /* us, of a partition */
    USAGE_SCAN,       /* us, of a part of the ring */
    USAGE_WRITE,      /* us */
    USAGE_ROWS,       /* live ones that a read found */
    USAGE_TOMBSTONES, /* of cells, rows and ranges that a read met */
    USAGE_KINDS
};

struct usages {
    struct map by_table; /* struct usage */
};

void usages_init(struct usages *u);
void usages_close(struct usages *u);
void usage_note(struct usages *u, table_no table, enum usage_kind kind, int64_t value);
void usage_note_read(struct usages *u, const struct scan *scan, const struct scan_result *found,
                     usec took);

/* NULL: never. */
const struct histogram *usage_find(const struct usages *u, table_no table, enum usage_kind kind);

#endif
