/* table.h - rows for people (aligned, or a row a block), for programs (CSV, JSON).
 *
 * A table is filled page by page: begin a row, put its cells, print what was gathered. Only one
 * page is held. Column widths never shrink from page to page, and the heading comes once.
 */
#ifndef TORC_CLI_TABLE_H
#define TORC_CLI_TABLE_H

#include "base/buf.h"

/* X(name, word of --format) */
#define TABLE_FORMAT_LIST(X)                                                                       \
    X(TABLE, "table")                                                                              \
    X(JSON, "json")                                                                                \
    X(CSV, "csv")

enum table_format {
#define X(name, word) TABLE_AS_##name,
    TABLE_FORMAT_LIST(X)
#undef X
};

bool table_format_parse(const char *word, enum table_format *ret_format);

struct table_column {
    char *name;
    bool right; /* numbers */
    size_t width;
};

struct table_cell {
    size_t at, len; /* in `text` */
    size_t width;
    bool null;
};

/* The terminal that it is for; zeroed: none. */
struct table_look {
    bool colours;
    size_t width; /* TABLE: what is wider is shown a row a block; 0: of no matter */
};

struct table {
    enum table_format format;
    struct table_look look;
    bool expand; /* TABLE: a row a block */
    struct table_column *columns;
    size_t columns_count, columns_cap;
    struct buf text; /* of the cells not yet printed */
    struct table_cell *cells;
    size_t cells_count, cells_cap;
    uint64_t rows; /* printed */
    bool headed;
};

#define TABLE_TEXT_MAX ((size_t)1 << 30)

void table_init(struct table *t, enum table_format format);
void table_close(struct table *t); /* accepts a zeroed one */
void table_add_column(struct table *t, struct bytes name, bool right);

/* Cells come row by row, one for each column. The text of JSON cells is JSON; of others, as it is
 * to be shown. */
void table_put_cell(struct table *t, struct bytes text);
void table_put_null(struct table *t);

/* A cell written in place: write to table_text(), then end it. */
struct buf *table_text(struct table *t);
void table_end_cell(struct table *t);

/* A text cell in any format: quoted for JSON. */
void table_put_text(struct table *t, const char *text);

/* Append what was gathered; then, with `last`, what closes the whole ("(n rows)" comes only with
 * `count`). */
void table_print(struct table *t, struct buf *out, bool last, bool count);

#endif
