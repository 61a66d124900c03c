#include "cli/status.h"

#include "cli/hints.h"
#include "cli/metadata.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512

const char *status_path(enum verb verb)
{
    switch (verb) {
    case VERB_ring: return "/ring";
    case VERB_hints: return "/hints";
    case VERB_metadata: return "/metadata";
    default: return "/status";
    }
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "?";
}

void status_put_size(struct buf *out, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        bytes /= 1024;
    buf_printf(out, "%.*f %s", unit == 0 || bytes >= 100 ? 0 : 2, bytes, units[unit]);
}

static void add_columns(struct table *t, const char *const *names, size_t count,
                        const char *numbers)
{
    for (size_t i = 0; i < count; i++)
        table_add_column(t, bytes_text(names[i]), numbers[i] == '#');
}

static void put_cell_text(struct table *t, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL)
        table_put_null(t);
    else
        table_put_text(t, text);
}

static void put_cell_int(struct table *t, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_number(value)) {
        table_put_null(t);
        return;
    }
    buf_printf(table_text(t), "%.0f", json_number_value(value));
    table_end_cell(t);
}

static void put_node(struct table *t, const json_t *node)
{
    bool people = t->format == TABLE_AS_TABLE;
    const json_t *up = json_object_get(node, "up");
    const json_t *owns = json_object_get(node, "owns");
    const json_t *load = json_object_get(node, "load");
    put_cell_int(t, node, "node");
    table_put_text(t, json_is_true(up) ? "up" : "down");
    put_cell_text(t, node, "state");
    put_cell_text(t, node, "gossip");
    put_cell_text(t, node, "address");
    put_cell_text(t, node, "cql");
    put_cell_text(t, node, "dc");
    put_cell_text(t, node, "rack");
    put_cell_int(t, node, "ranges");
    if (!json_is_number(owns))
        table_put_null(t);
    else {
        buf_printf(table_text(t), people ? "%.1f %%" : "%.4f",
                   json_number_value(owns) * (people ? 100 : 1));
        table_end_cell(t);
    }
    if (!people || !json_is_number(load))
        put_cell_int(t, node, "load");
    else {
        status_put_size(table_text(t), json_number_value(load));
        table_end_cell(t);
    }
    put_cell_text(t, node, "host_id");
}

static void put_nodes(const json_t *root, struct table *t)
{
    static const char *const names[] = {"node", "up",   "state",  "gossip", "address", "cql",
                                        "dc",   "rack", "ranges", "owns",   "load",    "host_id"};
    const json_t *node;
    size_t i;
    add_columns(t, names, ARRAY_LEN(names), "#-------###-");
    json_array_foreach(json_object_get(root, "nodes"), i, node) put_node(t, node);
}

/* What a person should know before reading the rows, and what is wrong after them. */
static void put_summary(const json_t *root, struct buf *out)
{
    size_t count = json_array_size(json_object_get(root, "nodes")), up = 0, i;
    const json_t *node;
    json_array_foreach(json_object_get(root, "nodes"), i, node) up +=
        json_is_true(json_object_get(node, "up"));
    buf_printf(out, "Cluster \"%s\": %zu of %zu nodes up, as node %lld sees it (%s).\n\n",
               text_of(root, "cluster"), up, count,
               (long long)json_integer_value(json_object_get(root, "node")),
               text_of(root, "phase"));
}

/* Who is down keeps deletions from being forgotten. */
static void put_pins(const json_t *root, struct buf *out)
{
    const json_t *node;
    size_t i;
    json_array_foreach(json_object_get(root, "nodes"), i, node)
    {
        json_int_t pins = json_integer_value(json_object_get(node, "pins"));
        if (pins > 0)
            buf_printf(out,
                       "\nNode %lld is down for %lld s: deletions in %lld range%s are kept until "
                       "it is back or replaced.\n",
                       (long long)json_integer_value(json_object_get(node, "node")),
                       (long long)json_integer_value(json_object_get(node, "pins_s")),
                       (long long)pins, pins == 1 ? "" : "s");
    }
}

static void put_notes(const json_t *root, struct buf *out)
{
    const json_t *note;
    size_t i;
    json_array_foreach(json_object_get(root, "notes"), i, note)
    {
        if (json_is_string(note))
            buf_printf(out, "\nNote: %s.\n", json_string_value(note));
    }
}

static void put_status(const json_t *root, struct table *t, struct buf *out)
{
    const char *problem = json_string_value(json_object_get(root, "problem"));
    if (t->format == TABLE_AS_TABLE)
        put_summary(root, out);
    put_nodes(root, t);
    table_print(t, out, true, false);
    if (t->format == TABLE_AS_TABLE && problem != NULL && problem[0] != 0)
        buf_printf(out, "\nProblem: %s\n", problem);
    if (t->format == TABLE_AS_TABLE)
        put_notes(root, out);
    json_int_t missing = json_integer_value(json_object_get(root, "missing"));
    json_int_t rate = json_integer_value(json_object_get(root, "handoff_rate"));
    if (t->format == TABLE_AS_TABLE && missing > 0)
        buf_printf(out,
                   "\nCatching up: %" JSON_INTEGER_FORMAT
                   " writes to come, at up to %.1f MiB a second for the sake of clients\n",
                   missing, (double)rate / (1 << 20));
    if (t->format == TABLE_AS_TABLE)
        put_pins(root, out);
}

/* The token at which an equal range begins: range 0 at the least one. */
static void put_token(struct table *t, json_int_t range, json_int_t ranges)
{
    int64_t width = ranges > 0 ? (int64_t)(UINT64_MAX / (uint64_t)ranges) + 1 : 0;
    uint64_t offset = (uint64_t)range * (uint64_t)width;
    if (ranges <= 1)
        offset = 0;
    buf_printf(table_text(t), t->format == TABLE_AS_JSON ? "\"%lld\"" : "%lld",
               (long long)(int64_t)((uint64_t)INT64_MIN + offset));
    table_end_cell(t);
}

static const char *address_of(const json_t *root, json_int_t number)
{
    const json_t *node;
    size_t i;
    json_array_foreach(json_object_get(root, "nodes"), i,
                       node) if (json_integer_value(json_object_get(node, "node")) ==
                                 number) return text_of(node, "address");
    return "?";
}

static void put_ring(const json_t *root, struct table *t, struct buf *out)
{
    static const char *const names[] = {"dc", "first_range", "ranges", "token", "node", "address"};
    json_int_t ranges = json_integer_value(json_object_get(root, "ranges"));
    json_t *owners = json_object_get(root, "owners");
    const char *dc;
    json_t *runs, *run;
    size_t i;
    if (t->format == TABLE_AS_TABLE)
        buf_printf(out, "%lld ranges, epoch %lld%s.\n\n", (long long)ranges,
                   (long long)json_integer_value(json_object_get(root, "epoch")),
                   json_is_true(json_object_get(root, "moving")) ? ", ranges are moving" : "");
    add_columns(t, names, ARRAY_LEN(names), "-####-");
    json_object_foreach(owners, dc, runs)
    {
        json_array_foreach(runs, i, run)
        {
            json_int_t first = json_integer_value(json_array_get(run, 0));
            json_int_t node = json_integer_value(json_array_get(run, 2));
            table_put_text(t, dc);
            buf_printf(table_text(t), "%lld", (long long)first);
            table_end_cell(t);
            buf_printf(table_text(t), "%lld",
                       (long long)json_integer_value(json_array_get(run, 1)));
            table_end_cell(t);
            put_token(t, first, ranges);
            buf_printf(table_text(t), "%lld", (long long)node);
            table_end_cell(t);
            table_put_text(t, address_of(root, node));
        }
    }
    table_print(t, out, true, false);
}

static const json_t *self_of(const json_t *root)
{
    const json_t *node;
    size_t i;
    json_array_foreach(json_object_get(root, "nodes"), i,
                       node) if (json_is_true(json_object_get(node, "self"))) return node;
    return NULL;
}

static void put_fact(struct table *t, const char *name, const json_t *value)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    table_put_text(t, name);
    if (value == NULL || json_is_null(value))
        table_put_null(t);
    else
        table_put_text(t, text != NULL ? text : json_string_value(value));
    free(text);
}

/* Everything the node says of itself: of the cluster first, then of its place in it. */
static void put_info(const json_t *root, struct table *t, struct buf *out)
{
    static const char *const names[] = {"name", "value"};
    const json_t *self = self_of(root);
    const char *name;
    json_t *value;
    add_columns(t, names, ARRAY_LEN(names), "--");
    json_object_foreach((json_t *)(uintptr_t)root, name, value) if (!json_is_array(value))
        put_fact(t, name, value);
    json_object_foreach((json_t *)(uintptr_t)self, name,
                        value) if (json_object_get(root, name) == NULL && strcmp(name, "self") != 0)
        put_fact(t, name, value);
    table_print(t, out, true, false);
}

enum err status_render(enum verb verb, struct bytes answer, enum table_format format,
                       struct table_look look, struct buf *out, struct errmsg *reterr)
{
    json_error_t error;
    struct table t;
    json_t *root = json_loadb((const char *)answer.data, answer.len, 0, &error);
    if (root == NULL || !json_is_object(root)) {
        json_decref(root);
        return errmsg_set(reterr, ERR_MALFORMED, "the answer is not that of a Torc node: %s",
                          error.text);
    }
    table_init(&t, format);
    t.look = look;
    if (verb == VERB_status)
        put_status(root, &t, out);
    else if (verb == VERB_ring)
        put_ring(root, &t, out);
    else if (verb == VERB_hints)
        hints_render(root, &t, out);
    else if (verb == VERB_metadata)
        metadata_render(root, &t, out);
    else
        put_info(root, &t, out);
    table_close(&t);
    json_decref(root);
    return ERR_OK;
}
