#include "cli/hints.h"

#include "cli/status.h"

static void put_text(struct table *t, const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    if (text == NULL)
        table_put_null(t);
    else
        table_put_text(t, text);
}

static void put_number(struct table *t, const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    if (!json_is_number(value)) {
        table_put_null(t);
        return;
    }
    buf_printf(table_text(t), "%.0f", json_number_value(value));
    table_end_cell(t);
}

static void put_bytes(struct table *t, const json_t *row, const char *name, const char *behind)
{
    const json_t *value = json_object_get(row, name);
    if (t->format != TABLE_AS_TABLE || !json_is_number(value)) {
        put_number(t, row, name);
        return;
    }
    status_put_size(table_text(t), json_number_value(value));
    buf_put_text(table_text(t), behind);
    table_end_cell(t);
}

/* People read ages, programs seconds. */
static void put_age(struct table *t, const json_t *row, double now_ms)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    const json_t *oldest = json_object_get(row, "oldest_ms");
    size_t i = 0;
    if (!json_is_number(oldest)) {
        table_put_null(t);
        return;
    }
    double age = (now_ms - json_number_value(oldest)) / 1000;
    age = age > 0 ? age : 0;
    while (i + 1 < ARRAY_LEN(units) && age < 2 * units[i].seconds)
        i++;
    if (t->format == TABLE_AS_TABLE)
        buf_printf(table_text(t), "%.0f %s", age / units[i].seconds, units[i].unit);
    else
        buf_printf(table_text(t), "%.0f", age);
    table_end_cell(t);
}

static void put_row(struct table *t, const json_t *row, double now_ms)
{
    put_text(t, row, "kind");
    put_number(t, row, "node");
    put_text(t, row, "address");
    table_put_text(t, json_is_true(json_object_get(row, "up")) ? "up" : "down");
    put_text(t, row, "keyspace");
    put_number(t, row, "range");
    put_number(t, row, "waiting");
    put_bytes(t, row, "bytes", "");
    put_age(t, row, now_ms);
    put_bytes(t, row, "bytes_per_second", "/s");
    put_text(t, row, "why");
}

void hints_render(const json_t *root, struct table *t, struct buf *out)
{
    static const struct {
        const char *name;
        bool number;
    } columns[] = {{"kind", false},     {"node", true},  {"address", false}, {"up", false},
                   {"keyspace", false}, {"range", true}, {"waiting", true},  {"bytes", true},
                   {"oldest", true},    {"rate", true},  {"why", false}};
    const json_t *rows = json_object_get(root, "waiting");
    double now_ms = json_number_value(json_object_get(root, "now_ms"));
    long long node = (long long)json_integer_value(json_object_get(root, "node"));
    const json_t *row;
    size_t i;
    if (t->format == TABLE_AS_TABLE && json_array_size(rows) == 0) {
        buf_printf(out, "Nothing waits at node %lld.\n", node);
        return;
    }
    if (t->format == TABLE_AS_TABLE)
        buf_printf(out, "What waits for others, as node %lld has it:\n\n", node);
    for (i = 0; i < ARRAY_LEN(columns); i++)
        table_add_column(t, bytes_text(columns[i].name), columns[i].number);
    json_array_foreach(rows, i, row) put_row(t, row, now_ms);
    table_print(t, out, true, false);
}
