#include "node/schema/describe.h"

#include "node/schema/build.h"
#include "node/schema/number.h"

#include <string.h>

static void put_quoted(const char *text, struct buf *out)
{
    buf_put_u8(out, '\'');
    for (const char *c = text; *c != 0; c++) {
        if (*c == '\'')
            buf_put_u8(out, '\'');
        buf_put_u8(out, (uint8_t)*c);
    }
    buf_put_u8(out, '\'');
}

static void put_map(const struct option_map *m, struct buf *out)
{
    buf_put_u8(out, '{');
    for (uint32_t i = 0; i < m->count; i++) {
        if (i > 0)
            buf_put_text(out, ", ");
        put_quoted(m->items[i].key, out);
        buf_put_text(out, ": ");
        put_quoted(m->items[i].value, out);
    }
    buf_put_u8(out, '}');
}

static void virtual_begin(const char *what, const char *keyspace, const char *table,
                          struct buf *out)
{
    buf_printf(out, "/*\nWarning: %s %s%s%s is a virtual %s and cannot be recreated with CQL.\n",
               what, keyspace, table != NULL ? "." : "", table != NULL ? table : "",
               table != NULL ? "table" : "keyspace");
    buf_put_text(out, "Structure, for reference:\n");
}

void describe_keyspace(const struct keyspace *k, struct buf *out)
{
    if (k->is_virtual) {
        virtual_begin("Keyspace", k->name, NULL, out);
        buf_printf(out, "VIRTUAL KEYSPACE %s;\n*/", k->name);
        return;
    }
    struct arena scratch = {0};
    const struct replication *r = &k->replication;
    struct option_map m = replication_options(r, &scratch);
    /* Built-in and simple: the class goes first, by its short name, then the rest by name. */
    buf_put_text(out, "CREATE KEYSPACE ");
    cql_name_print(k->name, out);
    buf_put_text(out, " WITH replication = {'class': ");
    put_quoted(strrchr(replication_class_name(r->class), '.') + 1, out);
    for (uint32_t i = 0; i < m.count; i++) {
        if (strcmp(m.items[i].key, "class") == 0)
            continue;
        buf_put_text(out, ", ");
        put_quoted(m.items[i].key, out);
        buf_put_text(out, ": ");
        put_quoted(m.items[i].value, out);
    }
    /* Two blanks, as Cassandra has it. */
    buf_printf(out, "}  AND durable_writes = %s%s;", k->durable_writes ? "true" : "false",
               k->sloppy_quorum ? " AND sloppy_quorum = true" : "");
    arena_close(&scratch);
}

static void put_column(const struct column *c, bool is_whole_key, struct buf *out)
{
    buf_put_text(out, "    ");
    cql_name_print(c->name, out);
    buf_put_u8(out, ' ');
    cql_type_print(c->type, out);
    if (c->kind == COLUMN_STATIC)
        buf_put_text(out, " static");
    if (is_whole_key)
        buf_put_text(out, " PRIMARY KEY");
}

/* Keys in their order; then static and regular columns by name, those of many cells last. */
static void put_columns(const struct table *t, struct buf *out)
{
    bool single = t->partition_key_count == 1 && t->clustering_count == 0;
    uint32_t printed = 0;
    for (int kind = COLUMN_PARTITION_KEY; kind <= COLUMN_REGULAR; kind++) {
        uint32_t n;
        const struct column *c = table_columns_of(t, (enum column_kind)kind, &n);
        for (int multicell = 0; multicell <= 1; multicell++) {
            for (uint32_t i = 0; i < n; i++) {
                if (cql_type_is_multicell(c[i].type) != (multicell == 1))
                    continue;
                put_column(&c[i], single && kind == COLUMN_PARTITION_KEY, out);
                printed++;
                buf_put_text(out, printed < t->column_count || !single ? ",\n" : "\n");
            }
        }
    }
}

static void put_names(const struct column *c, uint32_t n, struct buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_text(out, ", ");
        cql_name_print(c[i].name, out);
    }
}

static void put_primary_key(const struct table *t, struct buf *out)
{
    uint32_t n;
    const struct column *partition = table_columns_of(t, COLUMN_PARTITION_KEY, &n);
    if (n == 1 && t->clustering_count == 0)
        return;
    buf_put_text(out, "    PRIMARY KEY (");
    if (n > 1)
        buf_put_u8(out, '(');
    put_names(partition, n, out);
    if (n > 1)
        buf_put_u8(out, ')');
    const struct column *clustering = table_columns_of(t, COLUMN_CLUSTERING, &n);
    if (n > 0)
        buf_put_text(out, ", ");
    put_names(clustering, n, out);
    buf_put_text(out, ")\n");
}

/* Returns whether anything was written, so that what follows needs an AND. */
static bool put_clustering_order(const struct table *t, struct buf *out)
{
    uint32_t n;
    const struct column *c = table_columns_of(t, COLUMN_CLUSTERING, &n);
    if (n == 0)
        return false;
    buf_put_text(out, "CLUSTERING ORDER BY (");
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_text(out, ", ");
        cql_name_print(c[i].name, out);
        buf_put_text(out, c[i].reversed ? " DESC" : " ASC");
    }
    buf_put_u8(out, ')');
    return true;
}

#define AND "\n    AND "

static void put_text_option(const char *name, const char *value, struct buf *out)
{
    buf_printf(out, AND "%s = ", name);
    put_quoted(value, out);
}

static void put_map_option(const char *name, const struct option_map *m, struct buf *out)
{
    buf_printf(out, AND "%s = ", name);
    put_map(m, out);
}

static void put_double_option(const char *name, double v, struct buf *out)
{
    buf_printf(out, AND "%s = ", name);
    double_print(v, out);
}

static const char *boolean(bool v)
{
    return v ? "true" : "false";
}

static void put_options(const struct table_options *o, bool ordered, struct buf *out)
{
    if (ordered)
        buf_put_text(out, AND);
    buf_put_text(out, "additional_write_policy = ");
    put_quoted(o->additional_write_policy, out);
    buf_printf(out, AND "allow_auto_snapshot = %s", boolean(o->allow_auto_snapshot));
    put_double_option("bloom_filter_fp_chance", o->bloom_filter_fp_chance, out);
    put_map_option("caching", &o->caching, out);
    buf_printf(out, AND "cdc = %s", boolean(o->cdc));
    put_text_option("comment", o->comment, out);
    put_map_option("compaction", &o->compaction, out);
    put_map_option("compression", &o->compression, out);
    put_text_option("memtable", o->memtable, out);
    put_double_option("crc_check_chance", o->crc_check_chance, out);
    buf_printf(out, AND "default_time_to_live = %d", o->default_time_to_live);
    buf_put_text(out, AND "extensions = {}");
    buf_printf(out, AND "gc_grace_seconds = %d", o->gc_grace_seconds);
    buf_printf(out, AND "incremental_backups = %s", boolean(o->incremental_backups));
    buf_printf(out, AND "max_index_interval = %d", o->max_index_interval);
    buf_printf(out, AND "memtable_flush_period_in_ms = %d", o->memtable_flush_period_in_ms);
    buf_printf(out, AND "min_index_interval = %d", o->min_index_interval);
    put_text_option("read_repair", o->read_repair, out);
    put_text_option("speculative_retry", o->speculative_retry, out);
    /* Torc's own, said only where it differs: a CREATE statement then loads into Cassandra too. */
    if (o->conflicts == CONFLICTS_SIBLINGS)
        put_text_option("conflicts", "siblings", out);
}

void describe_table(const struct table *t, struct buf *out)
{
    if (t->is_virtual)
        virtual_begin("Table", t->keyspace, t->name, out);
    buf_put_text(out, t->is_virtual ? "VIRTUAL TABLE " : "CREATE TABLE ");
    cql_name_print(t->keyspace, out);
    buf_put_u8(out, '.');
    cql_name_print(t->name, out);
    buf_put_text(out, " (\n");
    put_columns(t, out);
    put_primary_key(t, out);
    buf_put_text(out, ") WITH ");
    bool ordered = put_clustering_order(t, out);
    if (t->is_virtual) {
        buf_printf(out, "%scomment = ", ordered ? AND : "");
        put_quoted(t->options.comment, out);
        buf_put_text(out, ";\n*/");
        return;
    }
    put_options(&t->options, ordered, out);
    buf_put_u8(out, ';');
}

void describe_index(const struct table *t, const struct index *i, struct buf *out)
{
    struct arena scratch = {0};
    buf_put_text(out, i->class_name != NULL ? "CREATE CUSTOM INDEX " : "CREATE INDEX ");
    cql_name_print(i->name, out);
    buf_put_text(out, " ON ");
    cql_name_print(t->keyspace, out);
    buf_put_u8(out, '.');
    cql_name_print(t->name, out);
    buf_printf(out, " (%s)", index_target_text(t, i, &scratch));
    if (i->class_name != NULL) {
        buf_put_text(out, " USING ");
        put_quoted(i->class_name, out);
    }
    if (i->options.count > 0) {
        buf_put_text(out, " WITH OPTIONS = ");
        put_map(&i->options, out);
    }
    buf_put_u8(out, ';');
    arena_close(&scratch);
}

void describe_type(const struct cql_type *type, struct buf *out)
{
    buf_put_text(out, "CREATE TYPE ");
    cql_name_print(type->keyspace, out);
    buf_put_u8(out, '.');
    cql_name_print(type->name, out);
    buf_put_text(out, " (");
    for (uint32_t i = 0; i < type->count; i++) {
        buf_put_text(out, i > 0 ? ",\n    " : "\n    ");
        cql_name_print(type->fields[i], out);
        buf_put_u8(out, ' ');
        cql_type_print(type->items[i], out);
    }
    buf_put_text(out, "\n);");
}

const struct cql_type **describe_types_order(const struct keyspace *k, struct arena *a)
{
    return types_in_order(&k->types, a);
}
