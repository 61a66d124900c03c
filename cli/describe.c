/* describe.c - the answers of DESCRIBE, laid out as cqlsh does. */
#include "cli/cells.h"
#include "cli/session.h"

#include <string.h>

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

/* --- names, in columns: down the first one, then down the second */

#define SCREEN_WIDTH 80
#define COLUMN_GAP   2

struct name_list {
    const struct bytes *items;
    size_t count;
};

/* How wide the names are in that many lines; the last column has no gap behind it. */
static size_t width_in(struct name_list l, size_t lines)
{
    size_t total = 0;
    for (size_t at = 0; at < l.count; at += lines) {
        size_t width = 0;
        for (size_t i = at; i < at + lines && i < l.count; i++)
            width = l.items[i].len > width ? l.items[i].len : width;
        total += width + (at > 0 ? COLUMN_GAP : 0);
    }
    return total;
}

static size_t column_width(struct name_list l, size_t lines, size_t column)
{
    size_t width = 0;
    for (size_t i = column * lines; i < (column + 1) * lines && i < l.count; i++)
        width = l.items[i].len > width ? l.items[i].len : width;
    return width;
}

static void put_names(struct name_list l, struct buf *out)
{
    size_t lines = 1;
    while (lines < l.count && width_in(l, lines) > SCREEN_WIDTH)
        lines++;
    for (size_t line = 0; line < lines; line++) {
        for (size_t i = line; i < l.count; i += lines) {
            bool last = i + lines >= l.count;
            size_t width = column_width(l, lines, i / lines);
            buf_put_bytes(out, l.items[i]);
            for (size_t n = l.items[i].len; n < width + COLUMN_GAP && !last; n++)
                buf_put_u8(out, ' ');
        }
        buf_put_u8(out, '\n');
    }
}

/* The names of a keyspace, under a heading unless that keyspace is in use, or these are keyspaces.
 */
static void put_group(struct bytes keyspace, struct name_list l, bool headed, struct buf *out)
{
    buf_put_u8(out, '\n');
    if (headed) {
        buf_put_text(out, "Keyspace ");
        put_line(out, keyspace, "\n");
        for (size_t n = 0; n < keyspace.len + strlen("Keyspace "); n++)
            buf_put_u8(out, '-');
        buf_put_u8(out, '\n');
    }
    put_names(l, out);
}

static void put_list(const struct cql_rows *rows, size_t keyspace, size_t type, size_t name,
                     bool used, struct buf *out)
{
    struct reader r = cql_rows_reader(rows);
    struct bytes cells[DESCRIBED_MAX], group = BYTES_NONE;
    struct arena arena;
    arena_init(&arena);
    struct bytes *names = arena_array(&arena, struct bytes, rows->count);
    struct name_list l = {names, 0};
    bool headed = false;
    for (uint32_t i = 0; i < rows->count; i++) {
        read_row(&r, rows->metadata.column_count, cells);
        bool inside = !bytes_equal_text(cells[type], "keyspace");
        if (inside && l.count > 0 && !bytes_equal(group, cells[keyspace])) {
            put_group(group, l, headed, out);
            l.count = 0;
        }
        headed = inside && !used;
        group = cells[keyspace];
        names[l.count++] = cells[name];
    }
    if (l.count > 0) {
        put_group(group, l, headed, out);
        buf_put_u8(out, '\n');
    }
    arena_close(&arena);
}

/* --- DESCRIBE CLUSTER */

static void put_owners(const struct cql_type *type, struct bytes v, struct buf *out)
{
    struct value_parts p = value_parts_open(type, v);
    struct value_part end, owners, owner;
    buf_put_text(out, "Range ownership:\n");
    while (value_parts_next(&p, &end) && value_parts_next(&p, &owners)) {
        struct value_parts each = value_parts_open(owners.type, owners.bytes);
        buf_printf(out, " %39.*s  [", (int)end.bytes.len, (const char *)end.bytes.data);
        while (value_parts_next(&each, &owner)) {
            buf_put_text(out, each.at > 1 ? ", " : "");
            buf_put_bytes(out, owner.bytes);
        }
        buf_put_text(out, "]\n");
    }
    buf_put_u8(out, '\n');
}

/* One fact a line, and with a keyspace in use who owns its ranges. */
static void put_facts(const struct cql_rows *rows, struct buf *out)
{
    static const char *const titles[] = {"\nCluster: ", "Partitioner: ", "Snitch: "};
    struct reader r = cql_rows_reader(rows);
    struct bytes cells[DESCRIBED_MAX];
    struct arena arena;
    arena_init(&arena);
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t n = read_row(&r, rows->metadata.column_count, cells);
        for (size_t c = 0; c < n; c++) {
            const struct cql_type *type = cell_type(rows->metadata.columns[c].type, &arena);
            if (c < ARRAY_LEN(titles)) {
                buf_put_text(out, titles[c]);
                put_line(out, cells[c], c + 1 == ARRAY_LEN(titles) ? "\n\n" : "\n");
            } else if (type != NULL && type->kind == CQL_MAP &&
                       value_validate(type, cells[c], NULL) == ERR_OK) {
                put_owners(type, cells[c], out);
            }
        }
    }
    arena_close(&arena);
}

bool show_description(const struct cql_rows *rows, const char *keyspace_used, struct buf *out)
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
            buf_put_u8(out, '\n');
            put_line(out, cells[create], "\n");
        }
        return true;
    }
    if (keyspace == SIZE_MAX || type == SIZE_MAX || name == SIZE_MAX)
        return false;
    put_list(rows, keyspace, type, name, keyspace_used != NULL, out);
    return true;
}
