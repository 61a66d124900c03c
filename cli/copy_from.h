/* copy_from.h - the parts of COPY FROM: what it is set up with, and the run itself. For
 * copy_from*.c only. */
#ifndef TORC_CLI_COPY_FROM_H
#define TORC_CLI_COPY_FROM_H

#include "cli/copy.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "node/schema/value.h"

struct slot {
    enum { SLOT_FREE, SLOT_SENT, SLOT_PAUSED } state;
    uint64_t line; /* of the file */
    uint64_t attempts;
    usec not_before; /* PAUSED */
    struct buf bytes;
    struct buf text;
    struct cql_value *values; /* by marker, views into `bytes` */
    struct csv_field *fields; /* as read, views into `text` */
};

struct import_column {
    const char *name;
    const struct cql_type *type;
    size_t marker; /* which marker of the statement it fills */
    bool key;      /* of the primary key */
};

#define IMPORT_CHUNK ((size_t)256 << 10) /* read from the file at once */

struct import {
    struct session *s;
    const struct copy_request *request;
    const struct copy_options *options;
    struct arena arena;            /* of all that lives as long as the import */
    struct import_column *columns; /* in the order of the fields */
    size_t fields_count;
    bool counters;
    struct bytes id;
    struct bytes result_metadata_id;
    struct slot *slots; /* INFLIGHT of them */
    uint16_t *free_slots;
    size_t free_count;
    size_t *ends; /* of the values of one row */
    size_t sent, paused, window, grown;
    usec answered; /* when the last answer came */
    usec shrunk;
    FILE *file; /* NULL: standard input */
    uint8_t *chunk;
    char *line;
    size_t line_cap;
    struct csv_reader reader;
    bool read_all, done_reading;
    uint64_t records, errors, retries;
    uint64_t rows_at_loss; /* answers there were when the connection was last lost */
    unsigned losses;       /* since then no row was stored */
    FILE *bad;
    bool bad_failed;
    char bad_path[4096];
    const char *stop; /* why the whole of it must stop */
    struct progress progress;
};

/* Keep the window full until all rows have an answer or something makes it stop (m->stop). */
void import_run(struct import *m);

/* Prepare the statement that stores a row. False when it cannot be; the complaint is written. */
bool import_prepare(struct import *m);

/* Feed the reader with the next piece of the file. */
void import_read_more(struct import *m);

#endif
