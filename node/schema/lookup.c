/* lookup.c - finding things in a snapshot, and checking its invariants. */
#include "base/mem.h"
#include "node/schema/schema.h"

#include <string.h>

const struct keyspace *schema_keyspace(const struct schema *s, const char *name)
{
    uint32_t low = 0;
    uint32_t high = s->keyspace_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int c = strcmp(name, s->keyspaces[middle]->name);
        if (c == 0)
            return s->keyspaces[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct keyspace *schema_keyspace_by_no(const struct schema *s, keyspace_no no)
{
    for (uint32_t i = 0; i < s->keyspace_count; i++) {
        if (s->keyspaces[i]->no == no)
            return s->keyspaces[i];
    }
    return NULL;
}

const struct table *keyspace_table(const struct keyspace *k, const char *name)
{
    uint32_t low = 0;
    uint32_t high = k->table_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int c = strcmp(name, k->tables[middle]->name);
        if (c == 0)
            return k->tables[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct table *schema_table(const struct schema *s, const char *keyspace, const char *name)
{
    const struct keyspace *k = schema_keyspace(s, keyspace);
    return k != NULL ? keyspace_table(k, name) : NULL;
}

const struct table *schema_table_by_no(const struct schema *s, table_no no)
{
    uint32_t low = 0;
    uint32_t high = s->table_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->by_no[middle]->no == no)
            return s->by_no[middle];
        if (no < s->by_no[middle]->no)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct table *schema_table_by_id(const struct schema *s, const struct uuid *id)
{
    for (uint32_t i = 0; i < s->table_count; i++) {
        if (uuid_equal(&s->by_no[i]->id, id))
            return s->by_no[i];
    }
    return NULL;
}

const struct column *table_column(const struct table *t, const char *name)
{
    uint32_t low = 0;
    uint32_t high = t->column_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int c = strcmp(name, t->by_name[middle]->name);
        if (c == 0)
            return t->by_name[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct column *table_column_by_id(const struct table *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].id == id)
            return &t->columns[i];
    }
    return NULL;
}

const struct dropped_column *table_dropped_by_id(const struct table *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->dropped_count; i++) {
        if (t->dropped[i].id == id)
            return &t->dropped[i];
    }
    return NULL;
}

const char *index_target_name(enum index_target target)
{
    static const char *const names[] = {"", "values", "keys", "entries", "full"};
    return names[target];
}

const struct index *table_index(const struct table *t, const char *name)
{
    for (uint32_t i = 0; i < t->index_count; i++) {
        if (strcmp(t->indexes[i].name, name) == 0)
            return &t->indexes[i];
    }
    return NULL;
}

const struct column *index_column(const struct table *t, const struct index *i)
{
    return table_column_by_id(t, i->column_id);
}

const struct table *keyspace_index_table(const struct keyspace *k, const char *index)
{
    for (uint32_t i = 0; i < k->table_count; i++) {
        if (table_index(k->tables[i], index) != NULL)
            return k->tables[i];
    }
    return NULL;
}

const char *index_target_text(const struct table *t, const struct index *i, struct arena *a)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    if (i->target != INDEX_SIMPLE)
        buf_printf(&b, "%s(", index_target_name(i->target));
    cql_name_print(index_column(t, i)->name, &b);
    if (i->target != INDEX_SIMPLE)
        buf_put_u8(&b, ')');
    const char *text = arena_text(a, buf_bytes(&b));
    buf_close(&b);
    return text;
}

const struct column *table_columns_of(const struct table *t, enum column_kind kind,
                                      uint32_t *ret_count)
{
    uint32_t counts[] = {t->partition_key_count, t->clustering_count, t->static_count,
                         t->regular_count};
    uint32_t start = 0;
    for (int i = 0; i < (int)kind; i++)
        start += counts[i];
    *ret_count = counts[kind];
    return t->columns + start;
}

static void check_table(const struct table *t)
{
    uint32_t counts[4] = {0};
    for (uint32_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        ASSERT(i == 0 || t->columns[i - 1].kind <= c->kind);
        ASSERT(c->position == counts[c->kind]++);
        ASSERT(c->id > 0 && c->id < t->next_column_id);
        ASSERT(table_column(t, c->name) == c && table_column_by_id(t, c->id) == c);
        ASSERT(table_dropped_by_id(t, c->id) == NULL);
        ASSERT(c->kind < COLUMN_STATIC || c->position == 0 ||
               strcmp(t->columns[i - 1].name, c->name) < 0);
    }
    ASSERT(counts[0] == t->partition_key_count && counts[0] > 0);
    ASSERT(counts[1] == t->clustering_count);
    ASSERT(counts[2] == t->static_count);
    ASSERT(counts[3] == t->regular_count);
    for (uint32_t i = 0; i < t->index_count; i++) {
        ASSERT(index_column(t, &t->indexes[i]) != NULL);
        ASSERT(i == 0 || strcmp(t->indexes[i - 1].name, t->indexes[i].name) < 0);
    }
}

void schema_check(const struct schema *s)
{
    uint32_t tables = 0;
    for (uint32_t i = 0; i < s->keyspace_count; i++) {
        const struct keyspace *k = s->keyspaces[i];
        ASSERT(i == 0 || strcmp(s->keyspaces[i - 1]->name, k->name) < 0);
        ASSERT(schema_keyspace_by_no(s, k->no) == k);
        for (uint32_t j = 1; j < k->types.count; j++)
            ASSERT(strcmp(k->types.items[j - 1]->name, k->types.items[j]->name) < 0);
        for (uint32_t j = 0; j < k->table_count; j++) {
            const struct table *t = k->tables[j];
            ASSERT(j == 0 || strcmp(k->tables[j - 1]->name, t->name) < 0);
            ASSERT(t->keyspace_no == k->no && strcmp(t->keyspace, k->name) == 0);
            ASSERT(schema_table_by_no(s, t->no) == t);
            check_table(t);
            tables++;
        }
    }
    ASSERT(tables == s->table_count);
}
