/* ddl.c - statements of the data definition language as commands for the metadata log. */
#include "node/cql/exec/core.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct ddl_option option(struct run *r, const struct ast_property *p)
{
    struct ddl_option o = {.name = run_text(r, p->name)};
    const struct ast_terms *items = &p->value->items;
    if (p->value->kind != AST_MAP && p->value->kind != AST_SET) {
        o.value = run_text(r, p->value->text);
        return o;
    }
    struct option_pair *pairs = arena_array(r->arena, struct option_pair, items->count / 2);
    o.pair_count = (uint32_t)(items->count / 2);
    o.pairs = pairs;
    for (size_t i = 0; i < o.pair_count; i++) {
        pairs[i].key = run_text(r, items->items[2 * i]->text);
        pairs[i].value = run_text(r, items->items[2 * i + 1]->text);
    }
    return o;
}

static bool is_constant(const struct ast_term *t)
{
    return t->kind >= AST_INTEGER && t->kind <= AST_DURATION;
}

/* More than a change of the schema has room for is refused before anybody compares it all. */
static bool too_many(struct run *r, size_t count)
{
    return run_invalid(r, "The statement lists %zu things, at most %d are possible", count,
                       DDL_ITEMS_MAX);
}

static bool put_options(struct run *r, const struct ast_properties *p, struct ddl *ret)
{
    if (p->count > DDL_ITEMS_MAX)
        return too_many(r, p->count);
    struct ddl_option *options = arena_array(r->arena, struct ddl_option, p->count);
    for (size_t i = 0; i < p->count; i++) {
        const struct ast_term *v = p->items[i].value;
        bool map = v->kind == AST_MAP || (v->kind == AST_SET && v->items.count == 0);
        for (size_t j = 0; map && j < v->items.count; j++)
            map = is_constant(v->items.items[j]);
        if (!map && !is_constant(v) && v->kind != AST_COLUMN)
            return run_fail(r, CQL_ERROR_SYNTAX, "Invalid value for property '%s'",
                            run_text(r, p->items[i].name));
        for (size_t j = 0; j < i; j++) {
            if (bytes_equal(p->items[j].name, p->items[i].name))
                return run_fail(r, CQL_ERROR_SYNTAX, "Multiple definitions for property '%s'",
                                run_text(r, p->items[i].name));
        }
        options[i] = option(r, &p->items[i]);
    }
    ret->options = options;
    ret->option_count = (uint32_t)p->count;
    return true;
}

#define NO_MASKS                                                                                   \
    "Cannot mask columns because dynamic data masking is not enabled. You can enable it with the " \
    "dynamic_data_masking_enabled property on cassandra.yaml"

/* One warning for all the options of a table that are kept and mean nothing here; another for the
 * one that Cassandra's users are told to set with care. */
static void warn_inert(struct run *r, const struct ddl *ddl)
{
    const char *names = "";
    for (uint32_t i = 0; i < ddl->option_count; i++) {
        if (strcmp(ddl->options[i].name, "gc_grace_seconds") == 0)
            run_warn(r, "gc_grace_seconds is kept, and nothing depends on it: what was deleted is "
                        "forgotten when all replicas have proved that they know of it");
        else if (table_option_is_inert(ddl->options[i].name))
            names = arena_printf(r->arena, "%s%s%s", names, names[0] != 0 ? ", " : "",
                                 ddl->options[i].name);
    }
    if (names[0] != 0)
        run_warn(r, "Torc keeps these table options and does not act on them: %s", names);
}

static bool put_table_options(struct run *r, const struct ast_properties *p, struct ddl *ret)
{
    if (!put_options(r, p, ret))
        return false;
    warn_inert(r, ret);
    return true;
}

/* Masking is off as it is in Cassandra, which still takes a mask when a column is added. */
static bool mask_column(struct run *r, const char *name, const struct ddl *ddl)
{
    if (ddl->kind != DDL_ALTER_TABLE_ADD)
        return run_invalid(r, NO_MASKS);
    run_warn(r, "The mask of column %s is not kept: dynamic data masking is not enabled", name);
    return true;
}

static bool put_columns(struct run *r, const struct ast_columns *c, struct ddl *ret)
{
    struct ddl_column *columns = arena_array(r->arena, struct ddl_column, c->count);
    for (size_t i = 0; i < c->count; i++) {
        columns[i].name = run_text(r, c->items[i].name);
        if (c->items[i].is_masked && !mask_column(r, columns[i].name, ret))
            return false;
        columns[i].type = run_text(r, c->items[i].type->text);
        columns[i].is_static = c->items[i].is_static;
    }
    ret->columns = columns;
    ret->column_count = (uint32_t)c->count;
    return true;
}

static const char *const *put_names(struct run *r, const struct ast_names *names, uint32_t *ret)
{
    const char **out = arena_array(r->arena, const char *, names->count);
    for (size_t i = 0; i < names->count; i++)
        out[i] = run_text(r, names->items[i]);
    *ret = (uint32_t)names->count;
    return out;
}

static bool put_table(struct run *r, const struct ast_table *id, struct ddl *ret)
{
    ret->keyspace = id->keyspace.len > 0 ? run_text(r, id->keyspace) : r->keyspace;
    ret->table = run_text(r, id->name);
    ret->unqualified = id->keyspace.len == 0;
    return ret->keyspace != NULL ||
           run_invalid(r, "No keyspace has been specified. USE a keyspace, or explicitly specify "
                          "keyspace.tablename");
}

static bool create_table(struct run *r, const struct ast_create_table *t, struct ddl *ret)
{
    const struct ast_orders *orders = &t->options.clustering_order;
    struct ddl_order *out = arena_array(r->arena, struct ddl_order, orders->count);
    for (size_t i = 0; i < orders->count; i++)
        out[i] =
            (struct ddl_order){run_text(r, orders->items[i].column), orders->items[i].descending};
    ret->kind = DDL_CREATE_TABLE;
    ret->if_not_exists = t->if_not_exists;
    ret->table_id = timeuuid_next(r->exec, r->now_us);
    ret->orders = out;
    ret->order_count = (uint32_t)orders->count;
    ret->primary_key_clauses = t->primary_keys;
    ret->partition_key = put_names(r, &t->partition_key, &ret->partition_key_count);
    ret->clustering = put_names(r, &t->clustering, &ret->clustering_count);
    if (t->options.compact_storage)
        return run_unsupported(r, "COMPACT STORAGE");
    return put_table(r, &t->table, ret) && put_columns(r, &t->columns, ret) &&
           put_table_options(r, &t->options.properties, ret);
}

/* Names, or with a step of 2 old and new ones in turn. */
static void put_dropped(struct run *r, const struct ast_names *names, size_t step, struct ddl *ret)
{
    struct ddl_column *columns = arena_array(r->arena, struct ddl_column, names->count / step);
    for (size_t i = 0; i < names->count / step; i++) {
        columns[i].name = run_text(r, names->items[i * step]);
        if (step == 2)
            columns[i].new_name = run_text(r, names->items[i * step + 1]);
    }
    ret->columns = columns;
    ret->column_count = (uint32_t)(names->count / step);
}

static bool drop_timestamp(struct run *r, const struct ast_alter_table *t, struct ddl *ret)
{
    struct slot s = {t->timestamp, cql_type_native(CQL_BIGINT), "[timestamp]"};
    bool given;
    ret->timestamp_us = r->timestamp_us;
    if (s.term != NULL && s.term->kind == AST_MARKER)
        return run_invalid(r, "Bind variables cannot be used in this statement");
    return slot_int(r, s, &ret->timestamp_us, &given);
}

/* What changes nothing, or is refused, but not of a table that is not there. */
static bool alter_nothing(struct run *r, const struct ast_alter_table *t, struct ddl *ret)
{
    const struct table *table = schema_table(r->schema, ret->keyspace, ret->table);
    ret->kind = DDL_ALTER_TABLE_ADD; /* of no columns */
    if (table == NULL)
        return true;
    if (t->kind == AST_ALTER_TYPE)
        return run_invalid(r, "Altering column types is no longer supported");
    if (t->kind == AST_ALTER_DROP_COMPACT)
        return run_invalid(r, "Cannot DROP COMPACT STORAGE on table without COMPACT STORAGE");
    const char *name = run_text(r, t->names.items[0]);
    return t->if_column || table_column(table, name) != NULL ||
           run_invalid(r, "Column with name '%s' doesn't exist on table '%s'", name, table->name);
}

static bool alter_table(struct run *r, const struct ast_alter_table *t, struct ddl *ret)
{
    ret->if_exists = t->if_exists;
    if (t->kind == AST_ALTER_MASK)
        return run_invalid(r, NO_MASKS);
    if (!put_table(r, &t->table, ret))
        return false;
    switch (t->kind) {
    case AST_ALTER_ADD:
        ret->kind = DDL_ALTER_TABLE_ADD;
        ret->if_no_column = t->if_column;
        return put_columns(r, &t->columns, ret);
    case AST_ALTER_DROP:
        ret->kind = DDL_ALTER_TABLE_DROP;
        ret->if_column_exists = t->if_column;
        put_dropped(r, &t->names, 1, ret);
        return drop_timestamp(r, t, ret);
    case AST_ALTER_RENAME:
        ret->kind = DDL_ALTER_TABLE_RENAME;
        ret->if_column_exists = t->if_column;
        put_dropped(r, &t->names, 2, ret);
        return true;
    case AST_ALTER_WITH:
        ret->kind = DDL_ALTER_TABLE_WITH;
        return put_table_options(r, &t->properties, ret);
    default: return alter_nothing(r, t, ret);
    }
}

#define VECTOR_WARNING                                                                             \
    "SAI ANN indexes on vector columns are experimental and are not recommended for production "   \
    "use.\nThey don't yet support SELECT queries with:\n * Consistency level higher than "         \
    "ONE/LOCAL_ONE.\n * Paging.\n * No LIMIT clauses.\n * PER PARTITION LIMIT clauses.\n * GROUP " \
    "BY clauses.\n * Aggregation functions.\n * Filters on columns without a SAI index."

static bool create_index(struct run *r, const struct ast_create_index *i, struct ddl *ret)
{
    static const char *const kinds[] = {"", "keys", "values", "entries", "full"};
    struct ddl_column *targets = arena_array(r->arena, struct ddl_column, i->targets.count);
    for (size_t n = 0; n < i->targets.count; n++) {
        targets[n].name = run_text(r, i->targets.items[n].column);
        targets[n].type = kinds[i->targets.items[n].kind];
    }
    ret->kind = DDL_CREATE_INDEX;
    ret->if_not_exists = i->if_not_exists;
    ret->index = run_text(r, i->name);
    ret->custom = i->custom;
    ret->index_class = i->class != NULL ? run_text(r, i->class->text) : "";
    ret->columns = targets;
    ret->column_count = (uint32_t)i->targets.count;
    if (!put_table(r, &i->table, ret) || !put_options(r, &i->properties, ret))
        return false;
    const struct table *t = schema_table(r->schema, ret->keyspace, ret->table);
    for (size_t n = 0; t != NULL && i->class != NULL && n < i->targets.count; n++) {
        const struct column *c = table_column(t, targets[n].name);
        if (c != NULL && c->type->kind == CQL_VECTOR &&
            strcasecmp(ret->index_class, "legacy_local_table") != 0)
            run_warn(r, "%s", VECTOR_WARNING);
    }
    return true;
}

/* The answer names the table. */
static bool drop_index(struct run *r, const struct ast_drop *d, struct ddl *ret)
{
    ret->kind = DDL_DROP_INDEX;
    ret->if_exists = d->if_exists;
    if (!put_table(r, &d->table, ret))
        return false;
    const struct keyspace *k = schema_keyspace(r->schema, ret->keyspace);
    const struct table *t = k != NULL ? keyspace_index_table(k, ret->table) : NULL;
    ret->index = ret->table;
    ret->table = t != NULL ? t->name : "";
    return true;
}

static bool user_type(struct run *r, const struct ast_user_type *t, bool create, struct ddl *ret)
{
    ret->if_exists = t->if_exists;
    ret->if_not_exists = t->if_not_exists;
    if (!put_table(r, &t->id, ret))
        return false;
    if (create || t->kind == AST_ALTER_TYPE_ADD) {
        ret->kind = create ? DDL_CREATE_TYPE : DDL_ALTER_TYPE_ADD;
        ret->if_no_column = t->if_field;
        return put_columns(r, &t->fields, ret);
    }
    ret->kind = t->kind == AST_ALTER_TYPE_RENAME ? DDL_ALTER_TYPE_RENAME : DDL_ALTER_TYPE_ALTER;
    ret->if_column_exists = t->if_field;
    put_dropped(r, &t->names, 2, ret);
    return true;
}

/* How many nodes there are, of a data centre or at all. */
static size_t nodes_of(const struct exec_view *view, const char *dc)
{
    size_t count = dc == NULL || strcmp(view->self.dc, dc) == 0;
    for (size_t i = 0; i < view->peers_count; i++)
        count += dc == NULL || strcmp(view->peers[i].dc, dc) == 0;
    return count;
}

void ddl_warn_factors(struct run *r, const struct ddl *ddl)
{
    const struct ddl_option *o = NULL;
    for (uint32_t i = 0; i < ddl->option_count; i++) {
        if (strcmp(ddl->options[i].name, "replication") == 0)
            o = &ddl->options[i];
    }
    if (o == NULL || (ddl->kind != DDL_CREATE_KEYSPACE && ddl->kind != DDL_ALTER_KEYSPACE))
        return;
    for (uint32_t i = 0; i < o->pair_count; i++) {
        const char *key = o->pairs[i].key;
        bool simple = strcmp(key, "replication_factor") == 0;
        long factor = strtol(o->pairs[i].value, NULL, 10);
        size_t nodes = nodes_of(r->exec->view, simple ? NULL : key);
        if (strcmp(key, "class") == 0 || factor <= 0 || (size_t)factor <= nodes)
            continue;
        run_warn(r,
                 "Your replication factor %ld for keyspace %s is higher than the number of nodes "
                 "%zu%s%s",
                 factor, ddl->keyspace, nodes, simple ? "" : " for datacenter ", simple ? "" : key);
    }
}

static bool resolve(struct run *r, const struct ast_stmt *s, struct ddl *ret)
{
    *ret = (struct ddl){0};
    switch (s->kind) {
    case AST_CREATE_KEYSPACE:
    case AST_ALTER_KEYSPACE:
        ret->kind = s->kind == AST_CREATE_KEYSPACE ? DDL_CREATE_KEYSPACE : DDL_ALTER_KEYSPACE;
        ret->keyspace = run_text(r, s->keyspace.name);
        ret->if_exists = s->keyspace.if_exists;
        ret->if_not_exists = s->keyspace.if_not_exists;
        return put_options(r, &s->keyspace.properties, ret);
    case AST_DROP_KEYSPACE:
        ret->kind = DDL_DROP_KEYSPACE;
        ret->keyspace = run_text(r, s->drop.table.name);
        ret->if_exists = s->drop.if_exists;
        return true;
    case AST_CREATE_TABLE: return create_table(r, &s->create_table, ret);
    case AST_ALTER_TABLE: return alter_table(r, &s->alter_table, ret);
    case AST_CREATE_INDEX: return create_index(r, &s->create_index, ret);
    case AST_DROP_INDEX: return drop_index(r, &s->drop, ret);
    case AST_CREATE_TYPE: return user_type(r, &s->user_type, true, ret);
    case AST_ALTER_TYPE_STMT: return user_type(r, &s->user_type, false, ret);
    default: break;
    }
    ret->kind = s->kind == AST_TRUNCATE    ? DDL_TRUNCATE_TABLE
                : s->kind == AST_DROP_TYPE ? DDL_DROP_TYPE
                                           : DDL_DROP_TABLE;
    ret->if_exists = s->drop.if_exists;
    return put_table(r, &s->drop.table, ret);
}

static bool check_counts(struct run *r, const struct ddl *ddl)
{
    uint32_t most = 0;
    const uint32_t counts[] = {ddl->column_count, ddl->partition_key_count, ddl->clustering_count,
                               ddl->order_count, ddl->option_count};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        most = counts[i] > most ? counts[i] : most;
    for (uint32_t i = 0; i < ddl->option_count; i++)
        most = ddl->options[i].pair_count > most ? ddl->options[i].pair_count : most;
    return most <= DDL_ITEMS_MAX || too_many(r, most);
}

bool ddl_resolve(struct run *r, const struct ast_stmt *s, struct ddl *ret)
{
    return resolve(r, s, ret) && check_counts(r, ret);
}
