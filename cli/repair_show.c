/* repair_show.c - what a repair is asked for, and what is shown of it. */
#include "cli/repair.h"

#include "cli/status.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- asking */

void repair_request(const struct options *o, struct buf *out)
{
    json_t *j = json_object();
    json_t *tables = json_array(), *ranges = json_array();
    if (o->keyspace != NULL)
        json_object_set_new(j, "keyspace", json_string(o->keyspace));
    for (size_t i = 0; i < o->tables_count; i++)
        json_array_append_new(tables, json_string(o->tables[i]));
    for (size_t i = 0; i < o->spans_count; i++) {
        size_t left = strcspn(o->spans[i], ":");
        json_array_append_new(ranges,
                              json_pack("[s%,s]", o->spans[i], left, o->spans[i] + left + 1));
    }
    json_object_set_new(j, "tables", tables);
    json_object_set_new(j, "ranges", ranges);
    if (o->node != NULL)
        json_object_set_new(j, "node", json_string(o->node));
    json_object_set_new(j, "full", json_boolean(o->full));
    json_object_set_new(j, "preview", json_boolean(o->preview));
    char *text = json_dumps(j, JSON_COMPACT);
    if (text != NULL)
        buf_put_text(out, text);
    free(text);
    json_decref(j);
}

/* --- reading */

static json_t *parse(struct bytes answer, struct errmsg *reterr)
{
    json_error_t why;
    json_t *root = json_loadb((const char *)answer.data, answer.len, 0, &why);
    if (!json_is_object(root)) {
        json_decref(root);
        (void)errmsg_set(reterr, ERR_MALFORMED, "the answer is not that of a Torc node: %s",
                         why.text);
        return NULL;
    }
    return root;
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));
    return n > 0 ? (uint64_t)n : 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static double seconds_of(const json_t *run)
{
    return json_number_value(json_object_get(run, "seconds"));
}

enum err repair_watch_take(struct bytes answer, struct repair_watch *ret, struct errmsg *reterr)
{
    json_t *root = parse(answer, reterr);
    if (root == NULL)
        return ERR_MALFORMED;
    const char *id = text_of(root, "id"), *state = text_of(root, "state");
    enum err err = ERR_OK;
    if (*id == 0 || strspn(id, "0123456789-") != strlen(id))
        err = errmsg_set(reterr, ERR_MALFORMED, "the answer has no repair in it");
    snprintf(ret->id, sizeof ret->id, "%.32s", id);
    ret->over = (*state != 0 && strcmp(state, "running") != 0) || *text_of(root, "stopped") != 0;
    ret->durable = json_is_true(json_object_get(root, "durable"));
    ret->rows = number_of(root, "rows");
    ret->rows_read = number_of(root, "rows_read");
    const json_t *waits = json_object_get(root, "waits_for");
    ret->waits_for = number_of(waits, "node");
    ret->lacking = number_of(waits, "lacking");
    ret->elapsed = (usec)(seconds_of(root) * (double)USEC_PER_SEC);
    ret->done = (uint64_t)(1000 * json_number_value(json_object_get(root, "progress")) + 0.5);
    json_decref(root);
    return err;
}

/* --- a run that is over */

/* X(name in JSON, heading, of each table too) */
#define FIGURES(X)                                                                                 \
    X("rows", "rows", true)                                                                        \
    X("rows_different", "different", true)                                                         \
    X("rows_received", "received", true)                                                           \
    X("rows_sent", "sent", true)                                                                   \
    X("bytes_search", "search bytes", false)                                                       \
    X("bytes_hashes", "of them hashes", false)                                                     \
    X("bytes_received", "bytes received", false)                                                   \
    X("bytes_sent", "bytes sent", false)

static void put_number(struct table *t, uint64_t n)
{
    if (t->format == TABLE_AS_TABLE)
        put_grouped(table_text(t), n);
    else
        buf_printf(table_text(t), "%" PRIu64, n);
    table_end_cell(t);
}

static void put_none(struct table *t)
{
    if (t->format == TABLE_AS_TABLE)
        table_put_text(t, "");
    else
        table_put_null(t);
}

static void put_seconds(struct table *t, double seconds)
{
    if (seconds < 0) {
        put_none(t);
        return;
    }
    buf_printf(table_text(t), "%.2f", seconds);
    table_end_cell(t);
}

/* --- ... for programs: one table of all */

static void put_line(struct table *t, const char *keyspace, const char *table, const json_t *of,
                     bool is_table, double seconds)
{
    table_put_text(t, keyspace);
    table_put_text(t, table);
    if (is_table) {
        put_none(t);
        put_none(t);
        put_none(t);
    } else {
        put_number(t, number_of(of, "ranges"));
        put_number(t, number_of(of, "equal"));
        put_number(t, number_of(of, "ranges_damaged"));
    }
#define X(name, heading, of_table)                                                                 \
    if (is_table && !(of_table))                                                                   \
        put_none(t);                                                                               \
    else                                                                                           \
        put_number(t, number_of(of, name));
    FIGURES(X)
#undef X
    put_seconds(t, seconds);
}

static void put_table(const json_t *run, struct table *t)
{
    const json_t *k, *of;
    size_t i, at;
    table_add_column(t, BYTES_LIT("keyspace"), false);
    table_add_column(t, BYTES_LIT("table"), false);
    table_add_column(t, BYTES_LIT("ranges"), true);
    table_add_column(t, BYTES_LIT("equal"), true);
    table_add_column(t, BYTES_LIT("damaged"), true);
#define X(name, heading, of_table) table_add_column(t, BYTES_LIT(heading), true);
    FIGURES(X)
#undef X
    table_add_column(t, BYTES_LIT("seconds"), true);
    json_array_foreach(json_object_get(run, "keyspaces"), i, k)
    {
        json_array_foreach(json_object_get(k, "tables"), at, of)
            put_line(t, text_of(k, "keyspace"), text_of(of, "table"), of, true, -1);
        put_line(t, text_of(k, "keyspace"), "(all)", k, false, -1);
    }
    put_line(t, "(all)", "", run, false, seconds_of(run));
}

/* --- ... for people: two that fit a terminal of 80 columns, rows and what it cost. Of one keyspace
 * there is no line for all of them. */

static bool has_sum(const json_t *run)
{
    return json_array_size(json_object_get(run, "keyspaces")) != 1;
}

static void put_rows_line(struct table *t, const char *keyspace, const char *table,
                          const json_t *of)
{
    table_put_text(t, keyspace);
    table_put_text(t, table);
    put_number(t, number_of(of, "rows"));
    put_number(t, number_of(of, "rows_different"));
    put_number(t, number_of(of, "rows_received"));
    put_number(t, number_of(of, "rows_sent"));
}

static void put_rows(const json_t *run, struct table *t, bool named)
{
    static const char *const names[] = {"keyspace",  "table",    "rows",
                                        "different", "received", "sent"};
    const json_t *k, *of;
    size_t i, at;
    for (i = 0; i < ARRAY_LEN(names); i++)
        table_add_column(t, bytes_text(names[i]), i >= 2);
    json_array_foreach(json_object_get(run, "keyspaces"), i, k)
    {
        json_array_foreach(json_object_get(k, "tables"), at, of)
        {
            if (named || number_of(of, "rows_different") > 0)
                put_rows_line(t, text_of(k, "keyspace"), text_of(of, "table"), of);
        }
        put_rows_line(t, text_of(k, "keyspace"), "(all)", k);
    }
    if (has_sum(run))
        put_rows_line(t, "(all)", "", run);
}

static void put_size(struct table *t, uint64_t bytes)
{
    status_put_size(table_text(t), (double)bytes);
    table_end_cell(t);
}

static void put_cost_line(struct table *t, const char *keyspace, const json_t *of, double seconds)
{
    table_put_text(t, keyspace);
    put_number(t, number_of(of, "ranges"));
    put_number(t, number_of(of, "equal"));
    put_size(t, number_of(of, "bytes_search"));
    put_size(t, number_of(of, "bytes_received"));
    put_size(t, number_of(of, "bytes_sent"));
    put_seconds(t, seconds);
}

static void put_cost(const json_t *run, struct table *t)
{
    static const char *const names[] = {"keyspace", "ranges", "equal",  "search",
                                        "received", "sent",   "seconds"};
    const json_t *k;
    size_t i;
    for (i = 0; i < ARRAY_LEN(names); i++)
        table_add_column(t, bytes_text(names[i]), i >= 1);
    json_array_foreach(json_object_get(run, "keyspaces"), i, k)
        put_cost_line(t, text_of(k, "keyspace"), k, has_sum(run) ? -1 : seconds_of(run));
    if (has_sum(run))
        put_cost_line(t, "(all)", run, seconds_of(run));
}

/* Those of the same keyspace, node and reason in one line; the first is that with the lowest
 * number, whoever was told of first. */
static void put_problems(const json_t *run, struct buf *out)
{
    const json_t *problems = json_object_get(run, "problems");
    size_t count = json_array_size(problems);
    uint64_t all = number_of(run, "problems_count");
    bool told[256] = {false};
    for (size_t i = 0; i < count && i < ARRAY_LEN(told); i++) {
        const json_t *p = json_array_get(problems, i);
        size_t alike = 0;
        uint64_t lacking = 0;
        for (size_t k = i; k < count && k < ARRAY_LEN(told); k++) {
            const json_t *q = json_array_get(problems, k);
            if (told[k] || strcmp(text_of(p, "keyspace"), text_of(q, "keyspace")) != 0 ||
                strcmp(text_of(p, "reason"), text_of(q, "reason")) != 0 ||
                number_of(p, "node") != number_of(q, "node"))
                continue;
            told[k] = true;
            lacking += number_of(q, "lacking");
            alike++;
            if (number_of(q, "range") < number_of(p, "range"))
                p = q;
        }
        if (alike == 0)
            continue;
        buf_printf(out,
                   "Not %s: keyspace %s, %zu range%s (the first is %" PRIu64 ", tokens "
                   "%lld to %lld)",
                   lacking > 0 ? "equal" : "compared", text_of(p, "keyspace"), alike,
                   alike == 1 ? "" : "s", number_of(p, "range"),
                   (long long)json_integer_value(json_object_get(p, "first_token")),
                   (long long)json_integer_value(json_object_get(p, "last_token")));
        if (number_of(p, "node") > 0)
            buf_printf(out, " with node %" PRIu64 " (%s)", number_of(p, "node"),
                       text_of(p, "address"));
        if (lacking > 0) {
            buf_put_text(out, ", which has yet to get ");
            put_grouped(out, lacking);
            buf_printf(out, " write%s: handoff brings them\n", lacking == 1 ? "" : "s");
        } else {
            buf_printf(out, ": %s\n", text_of(p, "reason"));
        }
    }
    if (all > count)
        buf_printf(out, "... and %" PRIu64 " more.\n", all - count);
}

static size_t put_dropped(const json_t *run, struct buf *out)
{
    const json_t *k;
    size_t i, count = 0;
    json_array_foreach(json_object_get(run, "keyspaces"), i, k)
    {
        if (!json_is_true(json_object_get(k, "dropped")))
            continue;
        buf_printf(out, "Keyspace %s was dropped meanwhile.\n", text_of(k, "keyspace"));
        count++;
    }
    return count;
}

static void put_sentence(const json_t *run, struct buf *out)
{
    size_t dropped = put_dropped(run, out);
    uint64_t ranges = number_of(run, "ranges"), equal = number_of(run, "equal");
    uint64_t failed = number_of(run, "failed"), different = number_of(run, "rows_different");
    uint64_t lacking = number_of(run, "ranges_lacking");
    uint64_t damaged = number_of(run, "ranges_damaged"), alone = number_of(run, "ranges_alone");
    bool preview = json_is_true(json_object_get(run, "preview"));
    if (*text_of(run, "stopped") != 0)
        buf_printf(out,
                   "Repair %s stands still: %" PRIu64 " of %" PRIu64 " ranges are done, and the "
                   "store of the node that manages it has failed: %s. It goes on when that node is "
                   "started again.\n",
                   text_of(run, "id"), number_of(run, "done"), ranges, text_of(run, "stopped"));
    else if (strcmp(text_of(run, "state"), "cancelled") == 0)
        buf_printf(out, "Repair %s was cancelled: %" PRIu64 " of %" PRIu64 " ranges were done.\n",
                   text_of(run, "id"), number_of(run, "done"), ranges);
    else if (alone > 0 && alone == ranges)
        buf_printf(out, "Each of %" PRIu64 " ranges has one replica: nothing to compare.\n",
                   ranges);
    else if (equal == ranges && dropped == 0)
        buf_printf(out, "All %" PRIu64 " ranges are equal.\n", ranges);
    else if (equal == ranges)
        buf_printf(out, "All %" PRIu64 " ranges that were compared were equal.\n", ranges);
    else if (different > 0)
        buf_printf(out, "%" PRIu64 " row%s %s in %" PRIu64 " of %" PRIu64 " ranges; %s.\n",
                   different, different == 1 ? "" : "s",
                   preview ? different == 1 ? "differs" : "differ" : "differed",
                   number_of(run, "ranges_different"), ranges,
                   preview      ? "nothing was changed"
                   : failed > 0 ? "they are equal now on the replicas that were compared"
                                : "they are equal now");
    if (alone > 0 && alone < ranges)
        buf_printf(out, "%" PRIu64 " of them ha%s one replica: nothing to compare there.\n", alone,
                   alone == 1 ? "s" : "ve");
    if (failed > lacking)
        buf_printf(out,
                   "%" PRIu64 " of %" PRIu64 " ranges could not be compared with all "
                   "replicas.\n",
                   failed - lacking, ranges);
    if (lacking > 0)
        buf_printf(out,
                   "In %" PRIu64 " of %" PRIu64 " ranges a replica has yet to get what another "
                   "one has: torc hints shows it, and another run tells.\n",
                   lacking, ranges);
    if (damaged > 0)
        buf_printf(out,
                   "In %" PRIu64 " of them something cannot be read: torc status names the node, "
                   "which rebuilds what is damaged from the others, where there are others.\n",
                   damaged);
}

/* What it costs when nothing differs, and what the rest of it was for. */
static void put_search(const json_t *run, struct buf *out)
{
    uint64_t all = number_of(run, "bytes_search"), hashes = number_of(run, "bytes_hashes");
    if (all <= hashes)
        return;
    buf_put_text(out, "Of the search ");
    status_put_size(out, (double)hashes);
    buf_put_text(out, " compared hashes of ranges, and ");
    status_put_size(out, (double)(all - hashes));
    buf_put_text(out, " looked further where they differed.\n");
}

static int code_of(const json_t *run)
{
    bool preview = json_is_true(json_object_get(run, "preview"));
    if (strcmp(text_of(run, "state"), "over") != 0 || number_of(run, "failed") > 0)
        return EXIT_REQUEST;
    return preview && number_of(run, "equal") < number_of(run, "ranges") ? EXIT_DIFFERS : EXIT_FINE;
}

enum err repair_render(struct bytes answer, enum table_format format, struct table_look look,
                       bool named, struct buf *out, int *ret_code, struct errmsg *reterr)
{
    struct table t;
    json_t *run = parse(answer, reterr);
    if (run == NULL)
        return ERR_MALFORMED;
    *ret_code = code_of(run);
    if (format == TABLE_AS_JSON) { /* all that the node said */
        buf_put_bytes(out, answer);
        json_decref(run);
        return ERR_OK;
    }
    table_init(&t, format);
    t.look = look;
    if (format == TABLE_AS_TABLE) {
        put_rows(run, &t, named);
        table_print(&t, out, true, false);
        buf_put_text(out, "\n");
        table_close(&t);
        table_init(&t, format);
        t.look = look;
        put_cost(run, &t);
    } else {
        put_table(run, &t);
    }
    table_print(&t, out, true, false);
    table_close(&t);
    if (format == TABLE_AS_TABLE) {
        buf_put_text(out, "\n");
        put_sentence(run, out);
        put_search(run, out);
        put_problems(run, out);
    }
    json_decref(run);
    return ERR_OK;
}

/* --- the list */

static const char *kind_of(const json_t *run)
{
    bool preview = json_is_true(json_object_get(run, "preview"));
    if (json_is_true(json_object_get(run, "full")))
        return preview ? "full preview" : "full";
    return preview ? "preview" : "";
}

enum err repair_render_list(struct bytes answer, enum table_format format, struct table_look look,
                            struct buf *out, struct errmsg *reterr)
{
    static const char *const names[] = {"id",    "state",  "kind", "keyspace",  "ranges", "done",
                                        "equal", "failed", "rows", "different", "seconds"};
    static const char *const figures[] = {"ranges", "done", "equal",
                                          "failed", "rows", "rows_different"};
    struct table t;
    const json_t *run;
    size_t i;
    json_t *root = parse(answer, reterr);
    if (root == NULL)
        return ERR_MALFORMED;
    table_init(&t, format);
    t.look = look;
    for (i = 0; i < ARRAY_LEN(names); i++)
        table_add_column(&t, bytes_text(names[i]), i >= 4);
    json_array_foreach(json_object_get(root, "runs"), i, run)
    {
        const char *keyspace = text_of(run, "keyspace");
        table_put_text(&t, text_of(run, "id"));
        table_put_text(&t, text_of(run, "state"));
        table_put_text(&t, kind_of(run));
        table_put_text(&t, *keyspace != 0 ? keyspace : "(all)");
        for (size_t k = 0; k < ARRAY_LEN(figures); k++)
            put_number(&t, number_of(run, figures[k]));
        buf_printf(table_text(&t), "%.2f", seconds_of(run));
        table_end_cell(&t);
    }
    table_print(&t, out, true, false);
    table_close(&t);
    json_decref(root);
    return ERR_OK;
}
