/* copy.h - COPY table TO and FROM CSV.
 *
 *   COPY [keyspace.]table [(column, ...)] TO   'file' | STDOUT [WITH option = value [AND ...]]
 *   COPY [keyspace.]table [(column, ...)] FROM 'file' | STDIN  [WITH ...]
 *
 * TO reads page by page and asks for the next page before it writes the one it has. FROM keeps up
 * to INFLIGHT rows on their way; an overloaded or slow server makes the window smaller, and rows
 * that may be tried again are, with growing pauses. Rows that cannot be are written to file.err.
 */
#ifndef TORC_CLI_COPY_H
#define TORC_CLI_COPY_H

#include "base/arena.h"
#include "cli/csv.h"
#include "cli/input.h"

#include <stdio.h>

#define COPY_INFLIGHT_MAX 8192
#define COPY_COLUMNS_MAX  ((size_t)4096)

/* X(name, default, help) */
#define COPY_OPTION_LIST(X)                                                                        \
    X(HEADER, "false", "the first line holds the names of the columns")                            \
    X(DELIMITER, ",", "one character between fields")                                              \
    X(QUOTE, "\"", "one character around fields that need it")                                     \
    X(ESCAPE, "\"", "one character before a quote inside quotes; '\\' for files of cqlsh")         \
    X(NULL, "", "the text, without quotes, that stands for null")                                  \
    X(PAGESIZE, "1000", "TO: rows asked for at a time")                                            \
    X(MAXROWS, "-1", "FROM: stop after so many rows; -1: all")                                     \
    X(SKIPROWS, "0", "FROM: pass over so many rows at the start")                                  \
    X(INFLIGHT, "512", "FROM: rows on their way at once, at most 8192")                            \
    X(MAXATTEMPTS, "8", "FROM: times a row is tried while the server is overloaded or slow")       \
    X(MAXERRORS, "1000", "FROM: give up after so many rows that could not be stored")              \
    X(UNSET, "true", "FROM: null leaves a column as it is; false: null deletes it")                \
    X(TTL, "0", "FROM: seconds that the rows live; 0: for ever")

struct copy_options {
    bool header;
    struct csv_format format;
    struct bytes null;
    int64_t page_size, max_rows, skip_rows, in_flight, max_attempts, max_errors, ttl;
    bool unset;
};

struct copy_request {
    bool from;
    struct bytes keyspace; /* empty: the current one */
    struct bytes table;    /* both as they count */
    struct bytes *columns; /* none: all */
    size_t columns_count;
    struct bytes file; /* empty: STDIN or STDOUT */
    struct copy_options options;
};

/* Read a COPY command. Texts live in the arena. ERR_SYNTAX with words. */
enum err copy_parse(struct bytes text, struct arena *a, struct copy_request *ret_request,
                    struct errmsg *reterr) MUST_CHECK;

/* Run it. Ends with a line of counts; false when anything failed. */
struct session;
bool copy_to(struct session *s, const struct copy_request *request);
bool copy_from(struct session *s, const struct copy_request *request);

/* Append names as CQL. */
void copy_put_name(struct buf *out, struct bytes name);
void copy_put_table(struct buf *out, const struct copy_request *request);

#endif
