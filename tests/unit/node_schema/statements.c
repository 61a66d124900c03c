#include "unit/node_schema/statements.h"

#include "base/mem.h"

#include <string.h>

void world_init(struct world *w)
{
    *w = (struct world){.now = schema_new()};
}

void world_close(struct world *w)
{
    schema_unref(w->now);
    arena_close(&w->arena);
}

enum err world_apply(struct world *w, const struct ddl *ddl)
{
    const struct schema *next;
    struct ddl decoded;
    struct buf bytes;
    buf_init(&bytes, DDL_BYTES_MAX);
    ddl_encode(ddl, &bytes);
    enum err err = ddl_decode(arena_copy(&w->arena, buf_bytes(&bytes)), &w->arena, &decoded);
    ASSERT(err == ERR_OK);
    buf_close(&bytes);
    w->error = (struct errmsg){{0}};
    err = schema_apply(w->now, ++w->slot, &decoded, &next, &w->change, &w->error);
    if (err != ERR_OK)
        return err;
    schema_check(next);
    schema_unref(w->now);
    w->now = next;
    return ERR_OK;
}

enum err world_keyspace(struct world *w, const char *name, uint32_t factor)
{
    const struct option_pair pairs[] = {
        {"class", "SimpleStrategy"}, {"replication_factor", arena_printf(&w->arena, "%u", factor)}};
    const struct ddl_option o = {.name = "replication", .pairs = pairs, .pair_count = 2};
    struct ddl ddl = {
        .kind = DDL_CREATE_KEYSPACE, .keyspace = name, .options = &o, .option_count = 1};
    return world_apply(w, &ddl);
}

/* The words of a text between blanks; commas stay. */
static const char **words(struct world *w, const char *text, uint32_t *ret_count)
{
    const char **list = arena_array(&w->arena, const char *, strlen(text) + 1);
    *ret_count = 0;
    while (*text != 0) {
        size_t n = strcspn(text, " ");
        list[(*ret_count)++] = arena_text(&w->arena, bytes_make(text, n));
        text += n + strspn(text + n, " ");
    }
    return list;
}

/* "name type[ static]" */
static struct ddl_column column(struct world *w, const char *text, size_t len)
{
    struct ddl_column c = {0};
    char *copy = arena_text(&w->arena, bytes_make(text, len));
    char *space = strchr(copy, ' ');
    char *is_static = strstr(copy, " static");
    ASSERT(space != NULL);
    *space = 0;
    if (is_static != NULL)
        *is_static = 0;
    c.name = copy;
    c.type = space + 1;
    c.is_static = is_static != NULL;
    return c;
}

/* Where the column's text ends: a comma that is in no <>. */
static size_t column_end(const char *text)
{
    size_t n = 0;
    for (int depth = 0; text[n] != 0 && (text[n] != ',' || depth > 0); n++)
        depth += text[n] == '<' ? 1 : text[n] == '>' ? -1 : 0;
    return n;
}

enum err world_table(struct world *w, const char *keyspace, const char *name, const char *columns,
                     const char *partition, const char *clustering, const char *const *options)
{
    struct ddl_column list[32];
    struct ddl_order orders[8];
    struct ddl_option with[8];
    struct ddl ddl = {.kind = DDL_CREATE_TABLE,
                      .keyspace = keyspace,
                      .table = name,
                      .columns = list,
                      .orders = orders,
                      .options = with,
                      .primary_key_clauses = partition[0] != 0};
    store_u32(ddl.table_id.b, w->slot + 1);
    while (*columns != 0) {
        size_t n = column_end(columns);
        list[ddl.column_count++] = column(w, columns, n);
        columns += n;
        columns += strspn(columns, ", ");
    }
    ddl.partition_key = words(w, partition, &ddl.partition_key_count);
    const char **keys = words(w, clustering, &ddl.clustering_count);
    for (uint32_t i = 0; i < ddl.clustering_count; i++) {
        size_t n = strcspn(keys[i], "-");
        bool descending = keys[i][n] == '-';
        keys[i] = arena_text(&w->arena, bytes_make(keys[i], n));
        orders[ddl.order_count++] = (struct ddl_order){keys[i], descending};
    }
    ddl.clustering = keys;
    for (; options != NULL && *options != NULL; options += 2)
        with[ddl.option_count++] = (struct ddl_option){.name = options[0], .value = options[1]};
    return world_apply(w, &ddl);
}

static enum err alter(struct world *w, enum ddl_kind kind, const char *keyspace, const char *table,
                      const struct ddl_column *c)
{
    struct ddl ddl = {.kind = kind,
                      .keyspace = keyspace,
                      .table = table,
                      .columns = c,
                      .column_count = 1,
                      .timestamp_us = w->slot};
    return world_apply(w, &ddl);
}

enum err world_add(struct world *w, const char *keyspace, const char *table, const char *name,
                   const char *type)
{
    const char *text = arena_printf(&w->arena, "%s %s", name, type);
    struct ddl_column c = column(w, text, strlen(text));
    return alter(w, DDL_ALTER_TABLE_ADD, keyspace, table, &c);
}

enum err world_drop(struct world *w, const char *keyspace, const char *table, const char *name)
{
    struct ddl_column c = {.name = name};
    return alter(w, DDL_ALTER_TABLE_DROP, keyspace, table, &c);
}

enum err world_rename(struct world *w, const char *keyspace, const char *table, const char *from,
                      const char *to)
{
    struct ddl_column c = {.name = from, .new_name = to};
    return alter(w, DDL_ALTER_TABLE_RENAME, keyspace, table, &c);
}

enum err world_with(struct world *w, const char *keyspace, const char *table, const char *name,
                    const char *value)
{
    struct ddl_option o = {.name = name, .value = value};
    struct ddl ddl = {.kind = DDL_ALTER_TABLE_WITH,
                      .keyspace = keyspace,
                      .table = table,
                      .options = &o,
                      .option_count = 1};
    return world_apply(w, &ddl);
}
