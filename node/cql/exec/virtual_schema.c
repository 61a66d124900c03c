/* virtual_schema.c - system_schema and system_virtual_schema: the schema as rows. Tables of what
 * this release does not have (types, views, functions …) exist and are empty. */
#include "node/cql/exec/core.h"

#include <stdlib.h>
#include <string.h>

static void put_double(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                       const char *column, double d)
{
    uint64_t bits;
    uint8_t b[8];
    memcpy(&bits, &d, sizeof bits);
    store_u64(b, bits);
    virtual_set(r, v, row, column, bytes_make(b, sizeof b));
}

static void keyspace_row(struct run *r, struct virtual_rows *v, const struct keyspace *k)
{
    struct cql_value *row = virtual_row(r, v);
    struct option_map replication = replication_options(&k->replication, r->arena);
    virtual_text(r, v, row, "keyspace_name", k->name);
    virtual_bool(r, v, row, "durable_writes", k->durable_writes);
    virtual_map(r, v, row, "replication", &replication);
}

static void put_flags(struct run *r, struct virtual_rows *v, const struct table *t,
                      struct cql_value *row)
{
    static const uint8_t compound[] = {0,   0,   0,   1,   0,   0,   0,   8,
                                       'c', 'o', 'm', 'p', 'o', 'u', 'n', 'd'};
    static const uint8_t counter[] = {0,   0,   0, 2, 0, 0, 0,   8,   'c', 'o', 'm', 'p', 'o', 'u',
                                      'n', 'd', 0, 0, 0, 7, 'c', 'o', 'u', 'n', 't', 'e', 'r'};
    virtual_set(r, v, row, "flags",
                t->is_counter ? bytes_make(counter, sizeof counter)
                              : bytes_make(compound, sizeof compound));
}

static void table_row(struct run *r, struct virtual_rows *v, const struct table *t)
{
    struct cql_value *row = virtual_row(r, v);
    const struct table_options *o = &t->options;
    static const struct option_pair siblings[] = {{"conflicts", "siblings"}};
    struct option_map extensions = {siblings, o->conflicts == CONFLICTS_SIBLINGS};
    virtual_text(r, v, row, "keyspace_name", t->keyspace);
    virtual_text(r, v, row, "table_name", t->name);
    virtual_text(r, v, row, "comment", o->comment);
    virtual_uuid(r, v, row, "id", &t->id);
    put_flags(r, v, t, row);
    virtual_text(r, v, row, "additional_write_policy", o->additional_write_policy);
    virtual_text(r, v, row, "read_repair", o->read_repair);
    virtual_text(r, v, row, "speculative_retry", o->speculative_retry);
    virtual_map(r, v, row, "caching", &o->caching);
    virtual_map(r, v, row, "compaction", &o->compaction);
    virtual_map(r, v, row, "compression", &o->compression);
    virtual_map(r, v, row, "extensions", &extensions);
    put_double(r, v, row, "bloom_filter_fp_chance", o->bloom_filter_fp_chance);
    put_double(r, v, row, "crc_check_chance", o->crc_check_chance);
    put_double(r, v, row, "dclocal_read_repair_chance", 0.0);
    put_double(r, v, row, "read_repair_chance", 0.0);
    virtual_int(r, v, row, "default_time_to_live", o->default_time_to_live);
    virtual_int(r, v, row, "gc_grace_seconds", o->gc_grace_seconds);
    virtual_int(r, v, row, "max_index_interval", o->max_index_interval);
    virtual_int(r, v, row, "min_index_interval", o->min_index_interval);
    virtual_int(r, v, row, "memtable_flush_period_in_ms", o->memtable_flush_period_in_ms);
    /* these only where they are not the default; cdc and memtable never: as Cassandra has it */
    if (!o->allow_auto_snapshot)
        virtual_bool(r, v, row, "allow_auto_snapshot", false);
    if (!o->incremental_backups)
        virtual_bool(r, v, row, "incremental_backups", false);
}

static int compare_columns(const void *a, const void *b)
{
    return strcmp((*(const struct column *const *)a)->name,
                  (*(const struct column *const *)b)->name);
}

static void column_rows(struct run *r, struct virtual_rows *v, const struct table *t)
{
    const struct column **sorted = arena_array(r->arena, const struct column *, t->column_count);
    for (uint32_t i = 0; i < t->column_count; i++)
        sorted[i] = &t->columns[i];
    qsort(sorted, t->column_count, sizeof sorted[0], compare_columns);
    for (uint32_t i = 0; i < t->column_count; i++) {
        const struct column *c = sorted[i];
        bool key = c->kind == COLUMN_PARTITION_KEY || c->kind == COLUMN_CLUSTERING;
        struct cql_value *row = virtual_row(r, v);
        virtual_text(r, v, row, "keyspace_name", t->keyspace);
        virtual_text(r, v, row, "table_name", t->name);
        virtual_text(r, v, row, "column_name", c->name);
        virtual_set(r, v, row, "column_name_bytes", bytes_text(c->name));
        virtual_text(r, v, row, "clustering_order",
                     c->kind != COLUMN_CLUSTERING ? "none"
                     : c->reversed                ? "desc"
                                                  : "asc");
        virtual_text(r, v, row, "kind", column_kind_name(c->kind));
        virtual_int(r, v, row, "position", key ? c->position : -1);
        virtual_text(r, v, row, "type", cql_type_text(r->arena, c->type));
    }
}

static void dropped_rows(struct run *r, struct virtual_rows *v, const struct table *t)
{
    for (uint32_t i = 0; i < t->dropped_count; i++) {
        const struct dropped_column *d = &t->dropped[i];
        uint8_t ms[8];
        if (i > 0 && strcmp(d->name, t->dropped[i - 1].name) == 0)
            continue; /* the latest drop of a name comes first */
        struct cql_value *row = virtual_row(r, v);
        store_u64(ms, (uint64_t)(d->dropped_us / USEC_PER_MS));
        virtual_text(r, v, row, "keyspace_name", t->keyspace);
        virtual_text(r, v, row, "table_name", t->name);
        virtual_text(r, v, row, "column_name", d->name);
        virtual_set(r, v, row, "dropped_time", bytes_make(ms, sizeof ms));
        virtual_text(r, v, row, "kind", column_kind_name(d->kind));
        virtual_text(r, v, row, "type", cql_type_text(r->arena, d->type));
    }
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct option_pair *)a)->key, ((const struct option_pair *)b)->key);
}

static void index_rows(struct run *r, struct virtual_rows *v, const struct table *t)
{
    for (uint32_t i = 0; i < t->index_count; i++) {
        const struct index *x = &t->indexes[i];
        struct option_pair *items = arena_array(r->arena, struct option_pair, x->options.count + 2);
        struct option_map options = {items, 0};
        for (uint32_t n = 0; n < x->options.count; n++)
            items[options.count++] = x->options.items[n];
        items[options.count++] = (struct option_pair){"target", index_target_text(t, x, r->arena)};
        if (x->class_name != NULL)
            items[options.count++] = (struct option_pair){"class_name", x->class_name};
        qsort(items, options.count, sizeof *items, compare_pairs);
        struct cql_value *row = virtual_row(r, v);
        virtual_text(r, v, row, "keyspace_name", t->keyspace);
        virtual_text(r, v, row, "table_name", t->name);
        virtual_text(r, v, row, "index_name", x->name);
        virtual_text(r, v, row, "kind", x->class_name != NULL ? "CUSTOM" : "COMPOSITES");
        virtual_map(r, v, row, "options", &options);
    }
}

static void type_rows(struct run *r, struct virtual_rows *v, const struct keyspace *k)
{
    for (uint32_t i = 0; i < k->types.count; i++) {
        const struct cql_type *t = k->types.items[i];
        struct cql_value *row = virtual_row(r, v);
        struct bytes *names = arena_array(r->arena, struct bytes, t->count);
        struct bytes *types = arena_array(r->arena, struct bytes, t->count);
        for (uint32_t n = 0; n < t->count; n++) {
            names[n] = bytes_text(t->fields[n]);
            types[n] = bytes_text(cql_type_text(r->arena, t->items[n]));
        }
        virtual_text(r, v, row, "keyspace_name", k->name);
        virtual_text(r, v, row, "type_name", t->name);
        virtual_items(r, v, row, "field_names", names, t->count);
        virtual_items(r, v, row, "field_types", types, t->count);
    }
}

void virtual_schema_make(struct run *r, struct virtual_rows *v)
{
    bool of_virtual = strcmp(v->table->keyspace, "system_virtual_schema") == 0;
    const char *name = v->table->name;
    for (uint32_t i = 0; i < r->schema->keyspace_count; i++) {
        const struct keyspace *k = r->schema->keyspaces[i];
        if (k->is_virtual != of_virtual)
            continue;
        if (strcmp(name, "keyspaces") == 0)
            keyspace_row(r, v, k);
        if (strcmp(name, "types") == 0)
            type_rows(r, v, k);
        for (uint32_t j = 0; j < k->table_count; j++) {
            if (strcmp(name, "tables") == 0)
                table_row(r, v, k->tables[j]);
            else if (strcmp(name, "indexes") == 0)
                index_rows(r, v, k->tables[j]);
            else if (strcmp(name, "columns") == 0)
                column_rows(r, v, k->tables[j]);
            else if (strcmp(name, "dropped_columns") == 0)
                dropped_rows(r, v, k->tables[j]);
        }
    }
}
