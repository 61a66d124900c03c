/* show.c - rows of a result as a table. */
#include "cli/session.h"

#include "cli/cells.h"

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
