#include "cli/metadata.h"

#include <stdlib.h>

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

static const char *vote_of(const json_t *row)
{
    if (json_is_true(json_object_get(row, "away")))
        return json_is_true(json_object_get(row, "member")) ? "member, away" : "away";
    return json_is_true(json_object_get(row, "member")) ? "member" : "";
}

static void put_row(struct table *t, const json_t *row)
{
    put_number(t, row, "node");
    table_put_text(t, json_is_true(json_object_get(row, "up")) ? "up" : "down");
    table_put_text(t, vote_of(row));
    put_text(t, row, "state");
    put_text(t, row, "address");
    put_number(t, row, "epoch");
    put_text(t, row, "host_id");
}

static void put_summary(const json_t *root, struct buf *out)
{
    const char *cluster = json_string_value(json_object_get(root, "cluster"));
    unsigned members = 0, up = 0;
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(root, "nodes"), i, row)
    {
        bool member = json_is_true(json_object_get(row, "member"));
        members += member;
        up += member && json_is_true(json_object_get(row, "up"));
    }
    buf_printf(out,
               "Cluster \"%s\": %u of %u metadata members up, epoch %lld, generation %lld, as node "
               "%lld sees it.\n",
               cluster != NULL ? cluster : "?", up, members,
               (long long)json_integer_value(json_object_get(root, "epoch")),
               (long long)json_integer_value(json_object_get(root, "generation")),
               (long long)json_integer_value(json_object_get(root, "node")));
    if (json_is_false(json_object_get(root, "majority")))
        buf_put_text(out, "Most are down: reads and writes go on, changes of the schema and of the "
                          "ring wait.\nStart them again, or see torc help metadata.\n");
    buf_put_u8(out, '\n');
}

void metadata_render(const json_t *root, struct table *t, struct buf *out)
{
    static const struct {
        const char *name;
        bool number;
    } columns[] = {{"node", true},     {"up", false},   {"vote", false},   {"state", false},
                   {"address", false}, {"epoch", true}, {"host_id", false}};
    const json_t *row;
    size_t i;
    if (t->format == TABLE_AS_JSON) { /* what is said of the whole is no row */
        char *text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        buf_put_text(out, text);
        buf_put_u8(out, '\n');
        free(text);
        return;
    }
    if (t->format == TABLE_AS_TABLE)
        put_summary(root, out);
    for (i = 0; i < ARRAY_LEN(columns); i++)
        table_add_column(t, bytes_text(columns[i].name), columns[i].number);
    json_array_foreach(json_object_get(root, "nodes"), i, row) put_row(t, row);
    table_print(t, out, true, false);
}
