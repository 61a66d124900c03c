#include "node/schema/schema.h"

#include "base/mem.h"
#include "node/schema/build.h"
#include "node/schema/index.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

const char *column_kind_name(enum column_kind kind)
{
    static const char *const names[] = {"partition_key", "clustering", "static", "regular"};
    return names[kind];
}

const char *option_map_get(const struct option_map *m, const char *key)
{
    for (uint32_t i = 0; i < m->count; i++) {
        if (strcmp(m->items[i].key, key) == 0)
            return m->items[i].value;
    }
    return NULL;
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct option_pair *)a)->key, ((const struct option_pair *)b)->key);
}

void option_map_sort(struct option_pair *items, uint32_t count)
{
    if (count > 0)
        qsort(items, count, sizeof *items, compare_pairs);
}

static char *text_copy(struct arena *a, const char *text)
{
    return arena_text(a, bytes_text(text));
}

struct option_map option_map_copy(struct arena *a, const struct option_map *m)
{
    struct option_pair *items = arena_array(a, struct option_pair, m->count);
    for (uint32_t i = 0; i < m->count; i++)
        items[i] =
            (struct option_pair){text_copy(a, m->items[i].key), text_copy(a, m->items[i].value)};
    option_map_sort(items, m->count);
    return (struct option_map){items, m->count};
}

const char *replication_class_name(enum replication_class class)
{
    static const char *const names[] = {"org.apache.cassandra.locator.LocalStrategy",
                                        "org.apache.cassandra.locator.SimpleStrategy",
                                        "org.apache.cassandra.locator.NetworkTopologyStrategy"};
    return names[class];
}

struct option_map replication_options(const struct replication *r, struct arena *a)
{
    struct option_pair *items = arena_array(a, struct option_pair, r->dc_count + 2);
    uint32_t n = 0;
    items[n++] = (struct option_pair){"class", replication_class_name(r->class)};
    if (r->class == REPLICATION_SIMPLE)
        items[n++] = (struct option_pair){"replication_factor", arena_printf(a, "%u", r->factor)};
    for (uint32_t i = 0; i < r->dc_count; i++)
        items[n++] = (struct option_pair){r->dcs[i].dc, arena_printf(a, "%u", r->dcs[i].factor)};
    option_map_sort(items, n);
    return (struct option_map){items, n};
}

/* References. */

const struct table *table_ref(const struct table *t)
{
    atomic_fetch_add(&((struct table *)t)->refs, 1);
    return t;
}

void table_unref(const struct table *t)
{
    if (t == NULL || atomic_fetch_sub(&((struct table *)t)->refs, 1) > 1)
        return;
    struct table *mine = (struct table *)t;
    arena_close(&mine->arena);
    mem_free(mine);
}

const struct keyspace *keyspace_ref(const struct keyspace *k)
{
    atomic_fetch_add(&((struct keyspace *)k)->refs, 1);
    return k;
}

void keyspace_unref(const struct keyspace *k)
{
    if (k == NULL || atomic_fetch_sub(&((struct keyspace *)k)->refs, 1) > 1)
        return;
    struct keyspace *mine = (struct keyspace *)k;
    for (uint32_t i = 0; i < mine->table_count; i++)
        table_unref(mine->tables[i]);
    arena_close(&mine->arena);
    mem_free(mine);
}

const struct schema *schema_ref(const struct schema *s)
{
    atomic_fetch_add(&((struct schema *)s)->refs, 1);
    return s;
}

void schema_unref(const struct schema *s)
{
    if (s == NULL || atomic_fetch_sub(&((struct schema *)s)->refs, 1) > 1)
        return;
    struct schema *mine = (struct schema *)s;
    for (uint32_t i = 0; i < mine->keyspace_count; i++)
        keyspace_unref(mine->keyspaces[i]);
    mem_free(mine->keyspaces);
    mem_free(mine->by_no);
    mem_free(mine);
}

/* Making tables. */

static int compare_columns(const void *a, const void *b)
{
    const struct column *x = a;
    const struct column *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->kind <= COLUMN_CLUSTERING)
        return x->position - y->position;
    return strcmp(x->name, y->name);
}

static int compare_column_names(const void *a, const void *b)
{
    return strcmp((*(const struct column *const *)a)->name,
                  (*(const struct column *const *)b)->name);
}

static int compare_dropped(const void *a, const void *b)
{
    const struct dropped_column *x = a;
    const struct dropped_column *y = b;
    int c = strcmp(x->name, y->name);
    return c != 0 ? c : x->id < y->id ? 1 : -1;
}

static void make_columns(struct table *t, const struct table *draft)
{
    struct column *columns = arena_array(&t->arena, struct column, draft->column_count);
    uint32_t *counts[] = {&t->partition_key_count, &t->clustering_count, &t->static_count,
                          &t->regular_count};
    t->is_counter = false;
    for (uint32_t i = 0; i < draft->column_count; i++) {
        const struct column *c = &draft->columns[i];
        columns[i] = *c;
        columns[i].name = text_copy(&t->arena, c->name);
        columns[i].type = cql_type_copy(&t->arena, c->type);
        columns[i].position = (uint16_t)(*counts[c->kind])++;
        t->is_counter |= c->kind >= COLUMN_STATIC && c->type->kind == CQL_COUNTER;
    }
    qsort(columns, draft->column_count, sizeof *columns, compare_columns);
    t->by_name = arena_array(&t->arena, const struct column *, draft->column_count);
    uint32_t position = 0;
    for (uint32_t i = 0; i < draft->column_count; i++) {
        position = i > 0 && columns[i].kind == columns[i - 1].kind ? position + 1 : 0;
        columns[i].position = (uint16_t)position;
        t->by_name[i] = &columns[i];
    }
    qsort(t->by_name, draft->column_count, sizeof *t->by_name, compare_column_names);
    t->columns = columns;
    t->column_count = draft->column_count;
}

static void copy_options(struct table_options *o, struct arena *a)
{
    o->additional_write_policy = text_copy(a, o->additional_write_policy);
    o->comment = text_copy(a, o->comment);
    o->memtable = text_copy(a, o->memtable);
    o->read_repair = text_copy(a, o->read_repair);
    o->speculative_retry = text_copy(a, o->speculative_retry);
    o->caching = option_map_copy(a, &o->caching);
    o->compaction = option_map_copy(a, &o->compaction);
    o->compression = option_map_copy(a, &o->compression);
}

static int compare_indexes(const void *a, const void *b)
{
    return strcmp(((const struct index *)a)->name, ((const struct index *)b)->name);
}

static void make_indexes(struct table *t, const struct table *draft)
{
    struct index *indexes = arena_array(&t->arena, struct index, draft->index_count);
    for (uint32_t i = 0; i < draft->index_count; i++) {
        indexes[i] = draft->indexes[i];
        indexes[i].name = text_copy(&t->arena, indexes[i].name);
        if (indexes[i].class_name != NULL)
            indexes[i].class_name = text_copy(&t->arena, indexes[i].class_name);
        indexes[i].options = option_map_copy(&t->arena, &indexes[i].options);
        index_settle(&indexes[i]);
    }
    if (draft->index_count > 0)
        qsort(indexes, draft->index_count, sizeof *indexes, compare_indexes);
    t->indexes = indexes;
    t->index_count = draft->index_count;
}

struct table *table_make(const struct table *draft)
{
    struct table *t = mem_new(struct table);
    arena_init(&t->arena);
    atomic_init(&t->refs, 1);
    t->no = draft->no;
    t->keyspace_no = draft->keyspace_no;
    t->id = draft->id;
    t->keyspace = text_copy(&t->arena, draft->keyspace);
    t->name = text_copy(&t->arena, draft->name);
    t->next_column_id = draft->next_column_id;
    t->is_virtual = draft->is_virtual;
    t->options = draft->options;
    copy_options(&t->options, &t->arena);
    make_columns(t, draft);
    struct dropped_column *dropped =
        arena_array(&t->arena, struct dropped_column, draft->dropped_count);
    for (uint32_t i = 0; i < draft->dropped_count; i++) {
        dropped[i] = draft->dropped[i];
        dropped[i].name = text_copy(&t->arena, dropped[i].name);
        dropped[i].type = cql_type_copy(&t->arena, dropped[i].type);
    }
    if (draft->dropped_count > 0)
        qsort(dropped, draft->dropped_count, sizeof *dropped, compare_dropped);
    t->dropped = dropped;
    t->dropped_count = draft->dropped_count;
    make_indexes(t, draft);
    return t;
}

/* Making keyspaces and schemas. */

static int compare_tables(const void *a, const void *b)
{
    return strcmp((*(const struct table *const *)a)->name, (*(const struct table *const *)b)->name);
}

static int compare_table_nos(const void *a, const void *b)
{
    const struct table *x = *(const struct table *const *)a;
    const struct table *y = *(const struct table *const *)b;
    return x->no < y->no ? -1 : x->no > y->no;
}

static int compare_keyspaces(const void *a, const void *b)
{
    return strcmp((*(const struct keyspace *const *)a)->name,
                  (*(const struct keyspace *const *)b)->name);
}

static int compare_dcs(const void *a, const void *b)
{
    return strcmp(((const struct dc_factor *)a)->dc, ((const struct dc_factor *)b)->dc);
}

struct keyspace *keyspace_make(const struct keyspace *draft)
{
    struct keyspace *k = mem_new(struct keyspace);
    arena_init(&k->arena);
    atomic_init(&k->refs, 1);
    k->no = draft->no;
    k->name = text_copy(&k->arena, draft->name);
    k->durable_writes = draft->durable_writes;
    k->sloppy_quorum = draft->sloppy_quorum;
    k->is_virtual = draft->is_virtual;
    k->replication = draft->replication;
    struct dc_factor *dcs = arena_array(&k->arena, struct dc_factor, k->replication.dc_count);
    for (uint32_t i = 0; i < k->replication.dc_count; i++) {
        dcs[i] = draft->replication.dcs[i];
        dcs[i].dc = text_copy(&k->arena, dcs[i].dc);
    }
    if (k->replication.dc_count > 0)
        qsort(dcs, k->replication.dc_count, sizeof *dcs, compare_dcs);
    k->replication.dcs = dcs;
    const struct cql_type **types =
        arena_array(&k->arena, const struct cql_type *, draft->types.count);
    for (uint32_t i = 0; i < draft->types.count; i++)
        types[i] = cql_type_copy(&k->arena, draft->types.items[i]);
    k->types = (struct cql_types){k->name, types, draft->types.count};
    k->tables = arena_array(&k->arena, const struct table *, draft->table_count);
    for (uint32_t i = 0; i < draft->table_count; i++)
        k->tables[i] = table_ref(draft->tables[i]);
    k->table_count = draft->table_count;
    if (k->table_count > 0)
        qsort(k->tables, k->table_count, sizeof *k->tables, compare_tables);
    return k;
}

/* Equal contents, equal version: a digest dressed as a name-based UUID. Not for secrets: whoever
 * may change the schema gains nothing by a collision. */
static struct uuid digest(const struct schema *s)
{
    struct buf content;
    buf_init(&content, BUF_MAX_DEFAULT);
    schema_encode_content(s, &content);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(content.data, content.len));
    buf_close(&content);
    struct uuid u;
    memcpy(u.b, canonical.digest, sizeof u.b);
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x30);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

const struct schema *schema_make(uint64_t epoch, const struct keyspace *const *keyspaces,
                                 uint32_t count)
{
    struct schema *s = mem_new(struct schema);
    atomic_init(&s->refs, 1);
    s->epoch = epoch;
    s->keyspaces = mem_alloc(count * sizeof(const struct keyspace *));
    s->keyspace_count = count;
    for (uint32_t i = 0; i < count; i++) {
        s->keyspaces[i] = keyspace_ref(keyspaces[i]);
        s->table_count += keyspaces[i]->table_count;
    }
    qsort(s->keyspaces, count, sizeof *s->keyspaces, compare_keyspaces);
    s->by_no = mem_alloc(s->table_count * sizeof(const struct table *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < s->keyspaces[i]->table_count; j++)
            s->by_no[n++] = s->keyspaces[i]->tables[j];
    }
    qsort(s->by_no, n, sizeof *s->by_no, compare_table_nos);
    s->version = digest(s);
    return s;
}

const struct keyspace *keyspace_with(const struct keyspace *k, const struct table *out,
                                     const struct table *in)
{
    struct keyspace draft = *k;
    draft.tables = mem_alloc((k->table_count + 1) * sizeof(const struct table *));
    draft.table_count = 0;
    for (uint32_t i = 0; i < k->table_count; i++) {
        if (k->tables[i] != out)
            draft.tables[draft.table_count++] = k->tables[i];
    }
    if (in != NULL)
        draft.tables[draft.table_count++] = in;
    struct keyspace *next = keyspace_make(&draft);
    mem_free(draft.tables);
    return next;
}

const struct schema *schema_with(const struct schema *s, uint64_t epoch, const struct keyspace *out,
                                 const struct keyspace *in)
{
    const struct keyspace **all = mem_alloc((s->keyspace_count + 1) * sizeof *all);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->keyspace_count; i++) {
        if (s->keyspaces[i] != out)
            all[n++] = s->keyspaces[i];
    }
    if (in != NULL)
        all[n++] = in;
    const struct schema *next = schema_make(epoch, all, n);
    mem_free(all);
    return next;
}

const struct schema *schema_new(void)
{
    const struct keyspace *built_in[SYSTEM_KEYSPACES];
    uint32_t count = system_keyspaces_make(true, built_in);
    const struct schema *s = schema_make(0, built_in, count);
    for (uint32_t i = 0; i < count; i++)
        keyspace_unref(built_in[i]);
    return s;
}
