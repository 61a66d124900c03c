/* show.c - rows of a result as a table, and the answers of DESCRIBE. */
#include "cli/session.h"

#include "cli/cells.h"

#include <string.h>

void shown_open(struct shown *w, const struct cql_metadata *metadata, enum table_format format)
{
    arena_init(&w->arena);
    table_init(&w->table, format);
    size_t count = metadata->columns != NULL ? metadata->column_count : 0;
    w->types = arena_array(&w->arena, const struct cql_type *, count + 1);
    for (size_t i = 0; i < count; i++) {
        w->types[i] = cell_type(metadata->columns[i].type, &w->arena);
        table_add_column(&w->table, metadata->columns[i].name, cell_is_number(w->types[i]));
    }
}

void shown_close(struct shown *w)
{
    table_close(&w->table);
    arena_close(&w->arena);
}

void shown_add(struct shown *w, const struct cql_rows *rows)
{
    struct reader r = cql_rows_reader(rows);
    struct table *t = &w->table;
    for (uint32_t i = 0; i < rows->count; i++) {
        for (size_t c = 0; c < t->columns_count; c++) {
            struct cql_value v = cql_read_bytes(&r);
            if (v.kind != CQL_VALUE_SET) {
                table_put_null(t);
                continue;
            }
            if (t->format == TABLE_AS_JSON)
                cell_print_json(w->types[c], v.data, table_text(t));
            else if (t->format == TABLE_AS_CSV && w->types[c] != NULL &&
                     value_validate(w->types[c], v.data, NULL) == ERR_OK)
                value_print(w->types[c], v.data, table_text(t));
            else
                cell_print(w->types[c], v.data, table_text(t));
            table_end_cell(t);
        }
    }
}

static size_t column_at(const struct cql_metadata *m, const char *name)
{
    for (size_t i = 0; i < m->column_count && m->columns != NULL; i++) {
        if (bytes_equal_text(m->columns[i].name, name))
            return i;
    }
    return SIZE_MAX;
}

#define DESCRIBED_MAX 8 /* columns: the server gives four */

static size_t read_row(struct reader *r, size_t columns, struct bytes *ret_cells)
{
    for (size_t i = 0; i < columns; i++)
        ret_cells[i] = cql_read_bytes(r).data;
    return columns;
}

static void put_line(struct buf *out, struct bytes text, const char *end)
{
    buf_put_bytes(out, text);
    buf_put_text(out, end);
}

/* Names on lines of at most 80 columns; a heading for each keyspace unless these are keyspaces. */
static void put_list(const struct cql_rows *rows, size_t keyspace, size_t type, size_t name,
                     struct buf *out)
{
    struct reader r = cql_rows_reader(rows);
    struct bytes cells[DESCRIBED_MAX], before = BYTES_NONE;
    size_t column = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        read_row(&r, rows->metadata.column_count, cells);
        bool inside = !bytes_equal_text(cells[type], "keyspace");
        if (inside && (i == 0 || !bytes_equal(before, cells[keyspace]))) {
            buf_put_text(out, column > 0 ? "\n\n" : "\n");
            buf_put_text(out, "Keyspace ");
            put_line(out, cells[keyspace], "\n");
            for (size_t n = 0; n < cells[keyspace].len + strlen("Keyspace "); n++)
                buf_put_u8(out, '-');
            buf_put_u8(out, '\n');
            column = 0;
        } else if (i == 0) {
            buf_put_u8(out, '\n');
        }
        if (column > 0 && column + 2 + cells[name].len > 80) {
            buf_put_u8(out, '\n');
            column = 0;
        }
        buf_put_text(out, column > 0 ? "  " : "");
        buf_put_bytes(out, cells[name]);
        column += cells[name].len + 2;
        before = cells[keyspace];
    }
    buf_put_text(out, column > 0 ? "\n\n" : "\n");
}

/* One fact a line: what DESCRIBE CLUSTER gives. Who owns each of a thousand ranges is no fact that
 * anybody reads: it is counted. */
static void put_facts(const struct cql_rows *rows, struct buf *out)
{
    struct reader r = cql_rows_reader(rows);
    struct bytes cells[DESCRIBED_MAX];
    struct arena arena;
    arena_init(&arena);
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t n = read_row(&r, rows->metadata.column_count, cells);
        for (size_t c = 0; c < n; c++) {
            const struct cql_type *type = cell_type(rows->metadata.columns[c].type, &arena);
            put_line(out, rows->metadata.columns[c].name, ": ");
            if (type != NULL && cql_type_is_collection(type))
                buf_printf(out, "%u ranges (torc ring shows them)", value_items_count(cells[c]));
            else
                cell_print(type, cells[c], out);
            buf_put_u8(out, '\n');
        }
    }
    arena_close(&arena);
}

bool show_description(const struct cql_rows *rows, struct buf *out)
{
    const struct cql_metadata *m = &rows->metadata;
    size_t keyspace = column_at(m, "keyspace_name");
    size_t type = column_at(m, "type");
    size_t name = column_at(m, "name");
    size_t create = column_at(m, "create_statement");
    if (m->column_count > DESCRIBED_MAX || m->columns == NULL)
        return false;
    if (column_at(m, "cluster") != SIZE_MAX) {
        put_facts(rows, out);
        return true;
    }
    if (create != SIZE_MAX) {
        struct reader r = cql_rows_reader(rows);
        struct bytes cells[DESCRIBED_MAX];
        for (uint32_t i = 0; i < rows->count; i++) {
            read_row(&r, m->column_count, cells);
            buf_put_text(out, i == 0 ? "\n" : "");
            put_line(out, cells[create], "\n\n");
        }
        return true;
    }
    if (keyspace == SIZE_MAX || type == SIZE_MAX || name == SIZE_MAX)
        return false;
    put_list(rows, keyspace, type, name, out);
    return true;
}
