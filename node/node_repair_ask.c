/* What people ask of repair runs: to begin one, and to end it. */
#include "node/node_core.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what people ask for */

struct asked {
    struct node *n;
    struct repair_wish wish;
    struct repair_scope scope;
    table_no tables[REPAIR_TABLES_MAX];
    struct token_span spans[2 * REPAIR_SPANS_MAX];
};

static bool is_text(const json_t *value)
{
    return json_is_string(value);
}

static bool is_list(const json_t *value)
{
    return json_is_array(value);
}

static bool is_flag(const json_t *value)
{
    return json_is_boolean(value);
}

static bool names_node(const json_t *value)
{
    return json_is_string(value) || json_is_integer(value);
}

/* What is misspelt, or of another type, would be as if it were not there: all would be compared,
 * and mended. */
static enum err check_request(json_t *request, struct errmsg *reterr)
{
    static const struct {
        const char *key;
        bool (*fits)(const json_t *value);
        const char *type;
    } known[] = {{"keyspace", is_text, "a text"},
                 {"tables", is_list, "a list of texts"},
                 {"ranges", is_list, "a list of pairs of tokens"},
                 {"node", names_node, "a number, or a text"},
                 {"full", is_flag, "true or false"},
                 {"preview", is_flag, "true or false"}};
    const char *key;
    json_t *value;
    json_object_foreach(request, key, value)
    {
        size_t at = 0;
        while (at < ARRAY_LEN(known) && strcmp(known[at].key, key) != 0)
            at++;
        if (at == ARRAY_LEN(known))
            return errmsg_set(reterr, ERR_INVALID,
                              "\"%.64s\" is not known here: keyspace, tables, ranges, node, full "
                              "and preview are",
                              key);
        if (!known[at].fits(value))
            return errmsg_set(reterr, ERR_INVALID, "\"%s\" is %s", key, known[at].type);
    }
    if (json_array_size(json_object_get(request, "tables")) > 0 &&
        json_object_get(request, "keyspace") == NULL)
        return errmsg_set(reterr, ERR_INVALID, "\"tables\" are of a \"keyspace\": of which one?");
    return ERR_OK;
}

static int compare_tables(const void *a, const void *b)
{
    table_no x = *(const table_no *)a, y = *(const table_no *)b;
    return x < y ? -1 : x > y;
}

static enum err take_tables(struct asked *a, const struct keyspace *k, const json_t *tables,
                            struct errmsg *reterr)
{
    size_t i;
    const json_t *name;
    if (json_array_size(tables) > REPAIR_TABLES_MAX)
        return errmsg_set(reterr, ERR_TOO_BIG, "more than %u tables", REPAIR_TABLES_MAX);
    json_array_foreach(tables, i, name)
    {
        const char *text = json_string_value(name);
        if (text == NULL)
            return errmsg_set(reterr, ERR_INVALID, "\"tables\" is a list of texts");
        const struct table *t = keyspace_table(k, text);
        if (t == NULL)
            return errmsg_set(reterr, ERR_NOT_FOUND, "keyspace %s has no table %s", k->name, text);
        a->tables[a->scope.tables_count++] = t->no;
    }
    qsort(a->tables, a->scope.tables_count, sizeof *a->tables, compare_tables);
    size_t kept = 0;
    for (i = 0; i < a->scope.tables_count; i++) {
        if (i == 0 || a->tables[i] != a->tables[i - 1])
            a->tables[kept++] = a->tables[i];
    }
    a->scope.tables_count = kept;
    a->scope.tables = kept > 0 ? a->tables : NULL;
    return ERR_OK;
}

static enum err take_scope(struct asked *a, const json_t *request, struct errmsg *reterr)
{
    const char *name = json_string_value(json_object_get(request, "keyspace"));
    if (name == NULL)
        return ERR_OK;
    const struct keyspace *k = a->n->schema != NULL ? schema_keyspace(a->n->schema, name) : NULL;
    if (k == NULL)
        return errmsg_set(reterr, ERR_NOT_FOUND, "there is no keyspace %s", name);
    if (!cluster_has_keyspace(a->n->cluster, k->no))
        return errmsg_set(reterr, ERR_INVALID,
                          "keyspace %s is of each node itself: there is nothing to compare", name);
    a->scope.keyspace = k->no;
    a->wish.scopes = &a->scope;
    a->wish.scopes_count = 1;
    return take_tables(a, k, json_object_get(request, "tables"), reterr);
}

static bool read_token(const json_t *text, token *ret)
{
    const char *t = json_string_value(text);
    return t != NULL && token_parse(bytes_text(t), ret);
}

/* (left, right], as drivers and nodetool have it. */
static enum err take_ranges(struct asked *a, const json_t *ranges, struct errmsg *reterr)
{
    size_t i;
    const json_t *range;
    if (json_array_size(ranges) > REPAIR_SPANS_MAX)
        return errmsg_set(reterr, ERR_TOO_BIG, "more than %u ranges", REPAIR_SPANS_MAX);
    json_array_foreach(ranges, i, range)
    {
        token left, right;
        if (json_array_size(range) != 2 || !read_token(json_array_get(range, 0), &left) ||
            !read_token(json_array_get(range, 1), &right))
            return errmsg_set(reterr, ERR_INVALID,
                              "a range is two tokens, each as a text: [left, right]");
        a->wish.spans_count += token_spans_of(left, right, a->spans + a->wish.spans_count);
    }
    a->wish.spans = a->spans;
    return ERR_OK;
}

static enum err take_node(struct asked *a, const char *text, struct errmsg *reterr)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(a->n->cluster, &nodes);
    struct endpoint at;
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    bool is_number = *text != 0 && *end == 0;
    bool is_address = !is_number && endpoint_parse(text, 0, &at);
    for (size_t i = 0; i < count; i++) {
        char ip[ENDPOINT_TEXT_SIZE], other[ENDPOINT_TEXT_SIZE], uuid[UUID_TEXT_SIZE];
        bool same_address =
            is_address && (at.port == 0 || at.port == nodes[i].endpoint.port) &&
            strcmp(endpoint_ip_text(&at, ip), endpoint_ip_text(&nodes[i].endpoint, other)) == 0;
        if ((is_number && nodes[i].node == number) || same_address ||
            strcmp(uuid_text(&nodes[i].host_id, uuid), text) == 0) {
            a->wish.only = nodes[i].node;
            return ERR_OK;
        }
    }
    return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node %s; see torc status", text);
}

static const char *name_of(void *arg, keyspace_no keyspace)
{
    const struct node *n = arg;
    const struct keyspace *k =
        n->schema != NULL ? schema_keyspace_by_no(n->schema, keyspace) : NULL;
    return k != NULL ? k->name : "";
}

static enum err start(struct asked *a, struct now now, json_t *request, struct buf *out,
                      struct errmsg *reterr)
{
    char room[REPAIR_ID_SIZE];
    uint64_t id = 0;
    bool joined = false;
    char number[24];
    const json_t *node = json_object_get(request, "node");
    const char *only = json_string_value(node);
    if (json_is_integer(node)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(node));
        only = number;
    }
    enum err err = check_request(request, reterr);
    if (err == ERR_OK)
        err = take_scope(a, request, reterr);
    if (err == ERR_OK)
        err = take_ranges(a, json_object_get(request, "ranges"), reterr);
    if (err == ERR_OK && only != NULL)
        err = take_node(a, only, reterr);
    if (err != ERR_OK)
        return err;
    a->wish.name_of = name_of;
    a->wish.arg = a->n;
    a->wish.full = json_is_true(json_object_get(request, "full"));
    a->wish.preview = json_is_true(json_object_get(request, "preview"));
    err = repair_run_start(a->n->repair, now, &a->wish, &id, &joined);
    if (err == ERR_UNAVAILABLE && repair_stopped(a->n->repair) != NULL)
        return errmsg_set(reterr, err, "%s", store_failure_text(a->n));
    if (err == ERR_UNAVAILABLE)
        return errmsg_set(reterr, err, "this node is not ready: %s", node_phase(a->n));
    if (err == ERR_TOO_BIG)
        return errmsg_set(reterr, err, "a repair takes %u keyspaces at most: name them one by one",
                          REPAIR_PARTS_MAX);
    if (err == ERR_OVERLOADED)
        return errmsg_set(reterr, err, "%u repairs run here already", REPAIR_RUNNING_MAX);
    if (err != ERR_OK)
        return errmsg_set(reterr, err, "no range is wanted by that");
    json_t *j = json_object();
    json_object_set_new(j, "id", json_string(repair_id_text(id, room)));
    json_object_set_new(j, "joined", json_boolean(joined));
    json_object_set_new(j, "node", json_integer(cluster_self(a->n->cluster)));
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL)
        buf_put_text(out, text);
    buf_put_text(out, "\n");
    free(text);
    json_decref(j);
    return ERR_OK;
}

enum err node_repair_start(struct node *n, struct now now, struct bytes request, struct buf *out,
                           struct errmsg *reterr)
{
    json_error_t why;
    json_t *j = json_loadb((const char *)request.data, request.len, 0, &why);
    if (!json_is_object(j)) {
        json_decref(j);
        return errmsg_set(reterr, ERR_MALFORMED, "the request is not JSON: %s", why.text);
    }
    struct asked *a = mem_new(struct asked);
    a->n = n;
    enum err err = start(a, now, j, out, reterr);
    mem_free(a);
    json_decref(j);
    return err;
}

enum err node_repair_cancel(struct node *n, struct now now, const char *id, struct errmsg *reterr)
{
    uint64_t number = 0;
    bool is_id = repair_id_parse(bytes_text(id), &number);
    enum err err = is_id ? repair_run_cancel(n->repair, now, number) : ERR_NOT_FOUND;
    node_no manager = (node_no)(number >> 32);
    char text[ENDPOINT_TEXT_SIZE];
    const struct cluster_node *node = cluster_find(n->cluster, manager);
    if (err == ERR_CLOSED)
        return errmsg_set(reterr, err, "repair %s is over", id);
    if (err == ERR_NOT_FOUND && is_id && node != NULL && manager != cluster_self(n->cluster))
        return errmsg_set(reterr, err, "repair %s is node %u's: ask there, at %s", id,
                          (unsigned)manager, endpoint_ip_text(&node->endpoint, text));
    if (err == ERR_NOT_FOUND)
        return errmsg_set(reterr, err, "there is no repair %s; see torc repair --list", id);
    return err;
}
