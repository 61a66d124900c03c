/* describe.c - DESCRIBE, answered with rows of text as cqlsh 6 expects them. */
#include "node/schema/describe.h"
#include "node/cql/exec/core.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Short here, with the package in system.local: as Cassandra has it. */
#define PARTITIONER "Murmur3Partitioner"
#define SNITCH      "GossipingPropertyFileSnitch"

struct listing {
    struct run *r;
    struct buf content;
    uint32_t rows;
    bool statements; /* with the column create_statement */
};

static void put_cell(struct listing *l, struct bytes text)
{
    cql_put_value(&l->content, cql_value_make(text));
}

static void put_row(struct listing *l, const char *keyspace, const char *type, const char *name,
                    struct bytes statement)
{
    struct buf printed;
    buf_init(&printed, SCHEMA_COLUMN_MAX * 4);
    cql_name_print(keyspace, &printed);
    put_cell(l, buf_bytes(&printed));
    put_cell(l, bytes_text(type));
    buf_clear(&printed);
    cql_name_print(name, &printed);
    put_cell(l, buf_bytes(&printed));
    if (l->statements)
        put_cell(l, statement);
    buf_close(&printed);
    l->rows++;
}

static void put_index(struct listing *l, const struct table *t, const struct index *i)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    describe_index(t, i, &b);
    put_row(l, t->keyspace, "index", i->name, buf_bytes(&b));
    buf_close(&b);
}

static void put_table(struct listing *l, const struct table *t)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    if (l->statements)
        describe_table(t, &b);
    put_row(l, t->keyspace, "table", t->name, buf_bytes(&b));
    buf_close(&b);
    for (uint32_t i = 0; l->statements && i < t->index_count; i++)
        put_index(l, t, &t->indexes[i]);
}

static void put_type(struct listing *l, const struct cql_type *t)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    if (l->statements)
        describe_type(t, &b);
    put_row(l, t->keyspace, "type", t->name, buf_bytes(&b));
    buf_close(&b);
}

static int compare_tables(const void *a, const void *b)
{
    return strcasecmp((*(const struct table *const *)a)->name,
                      (*(const struct table *const *)b)->name);
}

static int compare_types(const void *a, const void *b)
{
    return strcasecmp((*(const struct cql_type *const *)a)->name,
                      (*(const struct cql_type *const *)b)->name);
}

/* By name, upper and lower case alike, as Cassandra lists things. */
static void put_tables(struct listing *l, const struct keyspace *k)
{
    const struct table **sorted = arena_array(l->r->arena, const struct table *, k->table_count);
    for (uint32_t i = 0; i < k->table_count; i++)
        sorted[i] = k->tables[i];
    qsort(sorted, k->table_count, sizeof sorted[0], compare_tables);
    for (uint32_t i = 0; i < k->table_count; i++)
        put_table(l, sorted[i]);
}

/* TYPES lists them by name; within a keyspace they come in the order in which they can be made. */
static void put_types(struct listing *l, const struct keyspace *k, bool by_name)
{
    const struct cql_type **types = describe_types_order(k, l->r->arena);
    if (by_name)
        qsort(types, k->types.count, sizeof types[0], compare_types);
    for (uint32_t i = 0; i < k->types.count; i++)
        put_type(l, types[i]);
}

static void put_keyspace(struct listing *l, const struct keyspace *k, bool only)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    if (l->statements)
        describe_keyspace(k, &b);
    put_row(l, k->name, "keyspace", k->name, buf_bytes(&b));
    buf_close(&b);
    if (only)
        return;
    put_types(l, k, false);
    put_tables(l, k);
}

static bool reply(struct listing *l, const char *const *names, size_t count, uint8_t version,
                  struct buf *body)
{
    struct cql_column *columns = arena_array(l->r->arena, struct cql_column, count);
    for (size_t i = 0; i < count; i++)
        columns[i] = result_column(l->r, "system", "describe", names[i], cql_type_native(CQL_TEXT));
    struct cql_rows rows = {.metadata = {.column_count = (uint32_t)count, .columns = columns},
                            .count = l->rows,
                            .content = buf_bytes(&l->content)};
    cql_rows_put(body, version, &rows);
    return true;
}

static const char *current_or(struct run *r, struct bytes name)
{
    if (name.len > 0)
        return run_text(r, name);
    if (r->keyspace == NULL)
        run_invalid(r, "No keyspace specified and no current keyspace");
    return r->keyspace;
}

static bool keyspace(struct listing *l, const char *name, bool only)
{
    if (name == NULL)
        return false;
    const struct keyspace *k = schema_keyspace(l->r->schema, name);
    if (k == NULL)
        return run_invalid(l->r, "'%s' not found in keyspaces", name);
    put_keyspace(l, k, only);
    return true;
}

/* INDEX, or what may be one. False without an error when there is none and it need not be. */
static bool index_there(struct listing *l, const char *ks, const char *name)
{
    const struct keyspace *k = schema_keyspace(l->r->schema, ks);
    const struct table *t = k != NULL ? keyspace_index_table(k, name) : NULL;
    if (t != NULL)
        put_index(l, t, table_index(t, name));
    return t != NULL;
}

static bool an_index(struct listing *l, const struct ast_describe *d)
{
    const char *ks = current_or(l->r, d->id.keyspace);
    const char *name = run_text(l->r, d->id.name);
    if (ks == NULL)
        return false;
    if (schema_keyspace(l->r->schema, ks) == NULL)
        return run_invalid(l->r, "'%s' not found in keyspaces", ks);
    return index_there(l, ks, name) ||
           run_invalid(l->r, "Table for existing index '%s' not found in '%s'", name, ks);
}

static bool table(struct listing *l, const struct ast_describe *d)
{
    const char *ks = current_or(l->r, d->id.keyspace);
    const char *name = run_text(l->r, d->id.name);
    if (ks == NULL)
        return false;
    if (schema_keyspace(l->r->schema, ks) == NULL)
        return run_invalid(l->r, "'%s' not found in keyspaces", ks);
    const struct table *t = schema_table(l->r->schema, ks, name);
    if (t == NULL && d->kind == AST_DESCRIBE_ANY && index_there(l, ks, name))
        return true;
    if (t == NULL)
        return d->kind == AST_DESCRIBE_TABLE
                   ? run_invalid(l->r, "Table '%s' not found in keyspace '%s'", name, ks)
                   : run_invalid(l->r, "'%s' not found in keyspace '%s'", name, ks);
    put_table(l, t);
    return true;
}

static bool type(struct listing *l, const struct ast_describe *d)
{
    const char *ks = current_or(l->r, d->id.keyspace);
    const char *name = run_text(l->r, d->id.name);
    const struct keyspace *k = ks != NULL ? schema_keyspace(l->r->schema, ks) : NULL;
    if (ks == NULL)
        return false;
    if (k == NULL)
        return run_invalid(l->r, "'%s' not found in keyspaces", ks);
    const struct cql_type *t = cql_types_find(&k->types, name);
    if (t == NULL)
        return run_invalid(l->r, "User defined type '%s' not found in '%s'", name, ks);
    put_type(l, t);
    return true;
}

static bool any(struct listing *l, const struct ast_describe *d)
{
    const char *name = run_text(l->r, d->id.name);
    if (d->id.keyspace.len == 0 && schema_keyspace(l->r->schema, name) != NULL)
        return keyspace(l, name, false);
    if (d->id.keyspace.len == 0 && l->r->keyspace == NULL)
        return run_invalid(l->r, "'%s' not found in keyspaces", name);
    return table(l, d);
}

/* KEYSPACES, TABLES and SCHEMA walk over everything. */
static bool walk(struct listing *l, const struct ast_describe *d)
{
    const struct schema *s = l->r->schema;
    for (uint32_t i = 0; i < s->keyspace_count; i++) {
        const struct keyspace *k = s->keyspaces[i];
        if (d->kind == AST_DESCRIBE_KEYSPACES) {
            put_keyspace(l, k, true);
        } else if (d->kind == AST_DESCRIBE_SCHEMA) {
            if (d->full || !keyspace_is_system(k->name))
                put_keyspace(l, k, false);
        } else if (l->r->keyspace == NULL || strcmp(l->r->keyspace, k->name) == 0) {
            if (d->kind == AST_DESCRIBE_TYPES)
                put_types(l, k, true);
            else
                put_tables(l, k);
        }
    }
    return true;
}

static bool not_there(struct run *r, const struct ast_describe *d)
{
    const char *what = d->kind == AST_DESCRIBE_VIEW       ? "Materialized view"
                       : d->kind == AST_DESCRIBE_FUNCTION ? "User defined function"
                                                          : "User defined aggregate";
    const char *ks = current_or(r, d->id.keyspace);
    return ks != NULL &&
           run_invalid(r, "%s '%s' not found in '%s'", what, run_text(r, d->id.name), ks);
}

static bool fill(struct listing *l, const struct ast_describe *d)
{
    switch (d->kind) {
    case AST_DESCRIBE_KEYSPACES:
    case AST_DESCRIBE_TYPES:
    case AST_DESCRIBE_TABLES: l->statements = false; return walk(l, d);
    case AST_DESCRIBE_SCHEMA: return walk(l, d);
    case AST_DESCRIBE_KEYSPACE: return keyspace(l, current_or(l->r, d->id.name), d->only);
    case AST_DESCRIBE_TABLE: return table(l, d);
    case AST_DESCRIBE_INDEX: return an_index(l, d);
    case AST_DESCRIBE_ANY: return any(l, d);
    case AST_DESCRIBE_TYPE: return type(l, d);
    case AST_DESCRIBE_FUNCTIONS:
    case AST_DESCRIBE_AGGREGATES: l->statements = false; return true; /* there are none */
    default: return not_there(l->r, d);
    }
}

/* range_ownership: {end of a range: [addresses]}. The replicas are the node's to know; drivers do
 * not read this, so the owner of each token is told. */
static void put_ownership(struct listing *l)
{
    const struct exec_view *view = l->r->exec->view;
    const struct cql_type *text = cql_type_native(CQL_TEXT);
    const struct cql_type *list = cql_type_list(l->r->arena, text, true);
    const struct cql_type *map = cql_type_map(l->r->arena, text, list, false);
    size_t count = 0, total = view->self.tokens_count;
    struct buf b;
    for (size_t i = 0; i < view->peers_count; i++)
        total += view->peers[i].tokens_count;
    struct bytes *items = arena_array(l->r->arena, struct bytes, 2 * total);
    for (size_t i = 0; i <= view->peers_count; i++) {
        const struct exec_peer *p = i == 0 ? &view->self : &view->peers[i - 1];
        char address[ENDPOINT_TEXT_SIZE];
        struct bytes owner = bytes_text(endpoint_ip_text(&p->internode, address));
        buf_init(&b, BUF_MAX_DEFAULT);
        (void)!value_collection_build(list, &owner, 1, &b, NULL);
        struct bytes owners = run_take(l->r, &b);
        for (size_t j = 0; j < p->tokens_count; j++) {
            items[count++] = bytes_text(arena_printf(l->r->arena, "%lld", (long long)p->tokens[j]));
            items[count++] = owners;
        }
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    (void)!value_collection_build(map, items, count, &b, NULL);
    put_cell(l, buf_bytes(&b));
    buf_close(&b);
}

static bool cluster(struct listing *l, uint8_t version, struct buf *body)
{
    struct run *r = l->r;
    const struct cql_type *text = cql_type_native(CQL_TEXT);
    const struct cql_type *list = cql_type_list(r->arena, text, true);
    const struct cql_type *map = cql_type_map(r->arena, text, list, false);
    struct cql_column columns[] = {
        result_column(r, "system", "describe", "cluster", text),
        result_column(r, "system", "describe", "partitioner", text),
        result_column(r, "system", "describe", "snitch", text),
        result_column(r, "system", "describe", "range_ownership", map),
    };
    bool ownership = r->keyspace != NULL && !keyspace_is_system(r->keyspace);
    put_cell(l, bytes_text(r->exec->view->cluster_name));
    put_cell(l, BYTES_LIT(PARTITIONER));
    put_cell(l, BYTES_LIT(SNITCH));
    if (ownership)
        put_ownership(l);
    struct cql_rows rows = {.metadata = {.column_count = ownership ? 4 : 3, .columns = columns},
                            .count = 1,
                            .content = buf_bytes(&l->content)};
    cql_rows_put(body, version, &rows);
    return true;
}

bool describe(struct run *r, const struct ast_describe *d, struct buf *body, uint8_t version)
{
    static const char *const names[] = {"keyspace_name", "type", "name", "create_statement"};
    struct listing l = {.r = r, .statements = true};
    buf_init(&l.content, EXEC_REPLY_MAX);
    bool good = d->kind == AST_DESCRIBE_CLUSTER
                    ? cluster(&l, version, body)
                    : fill(&l, d) && reply(&l, names, l.statements ? 4 : 3, version, body);
    if (good && l.content.failed)
        good = run_invalid(r, "The answer is too large: describe single keyspaces");
    buf_close(&l.content);
    return good;
}
