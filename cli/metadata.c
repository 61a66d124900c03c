#include "cli/metadata.h"

#include "cli/net.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_US  (50 * USEC_PER_MS)
#define LINE_MAX 512

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
    if (json_is_true(json_object_get(row, "lost")))
        return "lost";
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
    const char *problem = json_string_value(json_object_get(root, "problem"));
    if (problem != NULL && problem[0] != 0)
        buf_printf(out, "Problem: %s\n", problem);
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

/* --- recover */

static enum err look(const struct options *o, json_t **ret_root, struct errmsg *why)
{
    struct buf answer;
    buf_init(&answer, HTTP_ANSWER_MAX);
    enum err err = http_get(o->host, o->http_port, "/metadata", o->connect_timeout, &answer, why);
    *ret_root = NULL;
    if (err == ERR_OK)
        *ret_root = json_loadb((const char *)answer.data, answer.len, 0, NULL);
    buf_close(&answer);
    if (err == ERR_OK && *ret_root == NULL)
        err = errmsg_set(why, ERR_FAILED, "the answer is not that of a Torc node");
    return err;
}

static const json_t *node_of(const json_t *root, const char *host_id)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(root, "nodes"), i, row)
    {
        const char *id = json_string_value(json_object_get(row, "host_id"));
        if (id != NULL && strcmp(id, host_id) == 0)
            return row;
    }
    return NULL;
}

/* To standard error: standard output is for what came of it. */
static void warn(const struct options *o, const json_t *root)
{
    fputs("These nodes are given up. What only they know of the schema and the ring is gone, and "
          "they are\nnot let back in before they are wiped:\n\n",
          stderr);
    for (size_t i = 0; i < o->lost_count; i++) {
        const json_t *row = node_of(root, o->lost[i]);
        const char *address = json_string_value(json_object_get(row, "address"));
        fprintf(stderr, "  %s  %s\n", o->lost[i], address != NULL ? address : "(not known here)");
    }
    fputs("\n", stderr);
}

/* False: nothing was typed. */
static bool ask_name(char line[LINE_MAX])
{
    fputs("Type the name of the cluster to go on: ", stderr);
    if (fgets(line, LINE_MAX, stdin) == NULL)
        return false;
    line[strcspn(line, "\n")] = 0;
    return line[0] != 0;
}

static enum err begin(const struct options *o, const char *name, struct errmsg *why)
{
    json_t *request = json_object(), *lost = json_array();
    struct buf answer;
    buf_init(&answer, HTTP_ANSWER_MAX);
    for (size_t i = 0; i < o->lost_count; i++)
        json_array_append_new(lost, json_string(o->lost[i]));
    json_object_set_new(request, "lost", lost);
    json_object_set_new(request, "cluster", json_string(name));
    char *text = json_dumps(request, JSON_COMPACT);
    enum err err = http_post(o->host, o->http_port, "/metadata/recover", bytes_text(text),
                             o->connect_timeout, &answer, why);
    free(text);
    json_decref(request);
    buf_close(&answer);
    return err;
}

static int show_end(const struct options *o, const json_t *root, const char *state)
{
    bool done = strcmp(state, "done") == 0;
    const char *why = json_string_value(json_object_get(json_object_get(root, "recovery"), "why"));
    if (o->format == TABLE_AS_JSON) {
        char *text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        puts(text);
        free(text);
    } else if (done) {
        printf("Generation %lld has begun, at epoch %lld. Wipe the nodes that were given up before "
               "they are\nstarted again, and start them with --replace_address.\n",
               (long long)json_integer_value(json_object_get(root, "generation")),
               (long long)json_integer_value(json_object_get(root, "epoch")));
    }
    if (!done)
        fprintf(stderr, "torc: %s\n", why != NULL ? why : "the node does not say why not");
    return done ? EXIT_FINE : EXIT_REQUEST;
}

static int watch(const struct options *o)
{
    struct errmsg why;
    usec until = net_clock() + o->request_timeout;
    while (net_clock() < until && !net_interrupted) {
        json_t *root;
        enum err err = look(o, &root, &why);
        if (err != ERR_OK)
            return http_refused(&why, err);
        const char *state =
            json_string_value(json_object_get(json_object_get(root, "recovery"), "state"));
        bool over = state == NULL || strcmp(state, "done") == 0 || strcmp(state, "refused") == 0;
        int code = over ? show_end(o, root, state != NULL ? state : "") : EXIT_FINE;
        json_decref(root);
        if (over)
            return code;
        (void)poll(NULL, 0, (int)(POLL_US / USEC_PER_MS));
    }
    fputs("torc: it is not over; torc metadata --format json tells what comes of it\n", stderr);
    return EXIT_REQUEST;
}

int metadata_recover(const struct options *o)
{
    struct errmsg why;
    char line[LINE_MAX];
    const char *name = o->cluster_name;
    json_t *root;
    if (o->lost_count == 0) {
        fputs("torc: which nodes are lost? --lost HOSTID for each; torc metadata shows them\n",
              stderr);
        return EXIT_USAGE;
    }
    if (name == NULL && !isatty(STDIN_FILENO)) {
        fputs("torc: there is no terminal to type the cluster's name at: --cluster-name=NAME\n",
              stderr);
        return EXIT_USAGE;
    }
    enum err err = look(o, &root, &why);
    if (err != ERR_OK)
        return http_refused(&why, err);
    warn(o, root);
    json_decref(root);
    if (name == NULL)
        name = ask_name(line) ? line : "";
    err = begin(o, name, &why);
    return err == ERR_OK ? watch(o) : http_refused(&why, err);
}
