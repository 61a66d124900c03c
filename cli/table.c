#include "cli/table.h"

#include "base/mem.h"
#include "cli/cells.h"
#include "cli/csv.h"
#include "cli/utf8.h"

#include <string.h>

#define COLOUR_HEAD "\033[1;35m"
#define COLOUR_NULL "\033[2m"
#define COLOUR_OFF  "\033[0m"

bool table_format_parse(const char *word, enum table_format *ret_format)
{
#define X(name, text)                                                                              \
    if (strcmp(word, text) == 0) {                                                                 \
        *ret_format = TABLE_AS_##name;                                                             \
        return true;                                                                               \
    }
    TABLE_FORMAT_LIST(X)
#undef X
    return false;
}

void table_init(struct table *t, enum table_format format)
{
    *t = (struct table){.format = format};
    buf_init(&t->text, TABLE_TEXT_MAX);
}

void table_close(struct table *t)
{
    for (size_t i = 0; i < t->columns_count; i++)
        mem_free(t->columns[i].name);
    mem_free(t->columns);
    mem_free(t->cells);
    buf_close(&t->text);
    *t = (struct table){0};
}

void table_add_column(struct table *t, struct bytes name, bool right)
{
    char *copy = mem_alloc(name.len + 1);
    if (name.len > 0)
        memcpy(copy, name.data, name.len);
    t->columns = mem_grow(t->columns, t->columns_count, &t->columns_cap, sizeof *t->columns);
    t->columns[t->columns_count++] = (struct table_column){copy, right, utf8_width(name)};
}

struct buf *table_text(struct table *t)
{
    return &t->text;
}

static void end_cell(struct table *t, bool null)
{
    size_t at =
        t->cells_count > 0 ? t->cells[t->cells_count - 1].at + t->cells[t->cells_count - 1].len : 0;
    struct bytes text =
        t->text.len > at ? bytes_make(t->text.data + at, t->text.len - at) : BYTES_NONE;
    struct table_column *column = &t->columns[t->cells_count % t->columns_count];
    size_t width = t->format != TABLE_AS_TABLE ? 0 : null ? strlen("null") : utf8_width(text);
    t->cells = mem_grow(t->cells, t->cells_count, &t->cells_cap, sizeof *t->cells);
    t->cells[t->cells_count++] = (struct table_cell){at, text.len, width, null};
    if (width > column->width)
        column->width = width;
}

void table_end_cell(struct table *t)
{
    end_cell(t, false);
}

void table_put_cell(struct table *t, struct bytes text)
{
    buf_put_bytes(&t->text, text);
    end_cell(t, false);
}

void table_put_null(struct table *t)
{
    end_cell(t, true);
}

void table_put_text(struct table *t, const char *text)
{
    if (t->format == TABLE_AS_JSON)
        json_put_string(&t->text, bytes_text(text));
    else
        buf_put_text(&t->text, text);
    end_cell(t, false);
}

static void pad(struct buf *out, size_t n, uint8_t c)
{
    for (size_t i = 0; i < n; i++)
        buf_put_u8(out, c);
}

static void put_coloured(const struct table *t, struct buf *out, const char *colour,
                         struct bytes text)
{
    if (t->look.colours)
        buf_put_text(out, colour);
    buf_put_bytes(out, text);
    if (t->look.colours)
        buf_put_text(out, COLOUR_OFF);
}

static struct bytes cell_text(const struct table *t, const struct table_cell *c)
{
    return c->len == 0 ? BYTES_NONE : bytes_make(t->text.data + c->at, c->len);
}

static void put_shown(const struct table *t, struct buf *out, const struct table_cell *c)
{
    if (c->null)
        put_coloured(t, out, COLOUR_NULL, BYTES_LIT("null"));
    else
        buf_put_bytes(out, cell_text(t, c));
}

/* Of the lines that put_heading and put_aligned make. */
static bool is_too_wide(const struct table *t)
{
    size_t width = 0;
    for (size_t i = 0; i < t->columns_count; i++)
        width += t->columns[i].width + 3;
    return t->look.width > 0 && width > t->look.width + 1;
}

static void put_heading(const struct table *t, struct buf *out)
{
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct table_column *c = &t->columns[i];
        buf_put_text(out, i > 0 ? " | " : " ");
        size_t space = c->width - utf8_width(bytes_text(c->name));
        if (c->right)
            pad(out, space, ' ');
        put_coloured(t, out, COLOUR_HEAD, bytes_text(c->name));
        if (!c->right && i + 1 < t->columns_count)
            pad(out, space, ' ');
    }
    buf_put_u8(out, '\n');
    for (size_t i = 0; i < t->columns_count; i++) {
        buf_put_text(out, i > 0 ? "+" : "");
        pad(out, t->columns[i].width + 2, '-');
    }
    buf_put_u8(out, '\n');
}

static void put_aligned(struct table *t, struct buf *out, size_t rows)
{
    if (!t->headed)
        put_heading(t, out);
    for (size_t i = 0; i < rows * t->columns_count; i++) {
        const struct table_cell *cell = &t->cells[i];
        size_t at = i % t->columns_count;
        const struct table_column *c = &t->columns[at];
        bool end = at + 1 == t->columns_count;
        buf_put_text(out, at > 0 ? " | " : " ");
        if (c->right)
            pad(out, c->width - cell->width, ' ');
        put_shown(t, out, cell);
        if (!c->right && !end)
            pad(out, c->width - cell->width, ' ');
        if (end)
            buf_put_u8(out, '\n');
    }
}

static void put_expanded(struct table *t, struct buf *out, size_t rows)
{
    size_t width = 0, values = 0;
    for (size_t i = 0; i < t->columns_count; i++) {
        size_t w = utf8_width(bytes_text(t->columns[i].name));
        width = w > width ? w : width;
        values = t->columns[i].width > values ? t->columns[i].width : values;
    }
    for (size_t i = 0; i < rows * t->columns_count; i++) {
        size_t at = i % t->columns_count;
        struct bytes name = bytes_text(t->columns[at].name);
        if (at == 0) {
            buf_printf(out, "@ Row %llu\n",
                       (unsigned long long)(t->rows + i / t->columns_count + 1));
            pad(out, width + 2, '-');
            buf_put_u8(out, '+');
            pad(out, (values < 60 ? values : 60) + 2, '-');
            buf_put_u8(out, '\n');
        }
        buf_put_u8(out, ' ');
        put_coloured(t, out, COLOUR_HEAD, name);
        pad(out, width - utf8_width(name), ' ');
        buf_put_text(out, " | ");
        put_shown(t, out, &t->cells[i]);
        buf_put_text(out, at + 1 == t->columns_count ? "\n\n" : "\n");
    }
}

static void put_csv(struct table *t, struct buf *out, size_t rows)
{
    for (size_t i = 0; i < t->columns_count && !t->headed; i++) {
        buf_put_text(out, i > 0 ? "," : "");
        csv_put_field(out, CSV_FORMAT_DEFAULT, bytes_text(t->columns[i].name), false);
    }
    if (!t->headed)
        buf_put_u8(out, '\n');
    for (size_t i = 0; i < rows * t->columns_count; i++) {
        const struct table_cell *cell = &t->cells[i];
        size_t at = i % t->columns_count;
        buf_put_text(out, at > 0 ? "," : "");
        if (!cell->null)
            csv_put_field(out, CSV_FORMAT_DEFAULT, cell_text(t, cell), cell->len == 0);
        if (at + 1 == t->columns_count)
            buf_put_u8(out, '\n');
    }
}

static void put_json(struct table *t, struct buf *out, size_t rows)
{
    if (!t->headed)
        buf_put_u8(out, '[');
    for (size_t i = 0; i < rows * t->columns_count; i++) {
        const struct table_cell *cell = &t->cells[i];
        size_t at = i % t->columns_count;
        if (at == 0)
            buf_put_text(out, t->rows + i == 0 ? "\n{" : ",\n{");
        else
            buf_put_text(out, ", ");
        json_put_string(out, bytes_text(t->columns[at].name));
        buf_put_text(out, ": ");
        buf_put_bytes(out, cell->null ? BYTES_LIT("null") : cell_text(t, cell));
        if (at + 1 == t->columns_count)
            buf_put_u8(out, '}');
    }
}

static void put_end(const struct table *t, struct buf *out, bool count)
{
    if (t->format == TABLE_AS_JSON)
        buf_put_text(out, t->rows > 0 ? "\n]\n" : "]\n");
    else if (t->format == TABLE_AS_TABLE && count)
        buf_printf(out, t->expand && t->rows > 0 ? "(%llu rows)\n" : "\n(%llu rows)\n",
                   (unsigned long long)t->rows);
}

void table_print(struct table *t, struct buf *out, bool last, bool count)
{
    size_t rows = t->columns_count > 0 ? t->cells_count / t->columns_count : 0;
    t->expand = t->expand || (!t->headed && is_too_wide(t));
    if (t->format == TABLE_AS_CSV)
        put_csv(t, out, rows);
    else if (t->format == TABLE_AS_JSON)
        put_json(t, out, rows);
    else if (t->expand && (rows > 0 || t->headed)) /* of no rows there is the heading */
        put_expanded(t, out, rows);
    else
        put_aligned(t, out, rows);
    t->headed = true;
    t->rows += rows;
    t->cells_count = 0;
    buf_clear(&t->text);
    if (last)
        put_end(t, out, count);
}
