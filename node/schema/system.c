/* system.c - the built-in keyspaces, of two kinds.
 *
 * Local ones (system, system_schema and the virtual ones) are definitions only: whoever executes a
 * SELECT makes the rows. Their numbers begin at SCHEMA_SYSTEM_NO.
 *
 * Replicated ones (system_auth, system_distributed, system_traces) are in the schema of every
 * cluster from its first slot on, with numbers from SCHEMA_REPLICATED_NO that no slot gives; from
 * then on they are keyspaces of the ring as any other, but only their replication can be changed.
 */
#include "base/mem.h"
#include "node/schema/build.h"
#include "node/schema/system_tables.h"

#include <string.h>

#define DAY (24 * 60 * 60)

static const struct {
    const char *name;
    bool is_virtual;
    enum replication_class class;
    uint32_t factor;
    int32_t gc_grace_seconds;
    int32_t flush_ms;
} keyspaces[SYSTEM_KEYSPACES] = {
    [SYSTEM] = {"system", false, REPLICATION_LOCAL, 0, 0, 3600000},
    [SYSTEM_SCHEMA] = {"system_schema", false, REPLICATION_LOCAL, 0, 7 * DAY, 3600000},
    [SYSTEM_VIRTUAL_SCHEMA] = {"system_virtual_schema", true, REPLICATION_LOCAL, 0, 0, 0},
    [SYSTEM_VIEWS] = {"system_views", true, REPLICATION_LOCAL, 0, 0, 0},
    [SYSTEM_AUTH] = {"system_auth", false, REPLICATION_SIMPLE, 1, 90 * DAY, 0},
    [SYSTEM_DISTRIBUTED] = {"system_distributed", false, REPLICATION_SIMPLE, 3, 10 * DAY, 0},
    [SYSTEM_TRACES] = {"system_traces", false, REPLICATION_SIMPLE, 2, 0, 0},
};

/* What some tables have otherwise than their keyspace; NULL and 0: as it has it. */
static const struct {
    enum system_keyspace keyspace;
    const char *name;
    int32_t time_to_live;
    const char *compaction; /* "class; option; value; …", in the order of the keys */
} exceptions[] = {
    {SYSTEM, "batches", 0, "SizeTiered; max_threshold; 32; min_threshold; 2"},
    {SYSTEM, "compaction_history", 7 * DAY, NULL},
    {SYSTEM, "paxos", 0, "Leveled; max_threshold; 32; min_threshold; 4"},
    {SYSTEM_DISTRIBUTED, "parent_repair_history", 30 * DAY,
     "TimeWindow; compaction_window_size; 1; compaction_window_unit; DAYS; max_threshold; 32; "
     "min_threshold; 4"},
    {SYSTEM_DISTRIBUTED, "repair_history", 30 * DAY,
     "TimeWindow; compaction_window_size; 1; compaction_window_unit; DAYS; max_threshold; 32; "
     "min_threshold; 4"},
};

#define COLUMNS_MAX    128
#define COMPACTION_MAX 8

/* Up to the next ';' of *at, as a text of the arena; NULL at its end. */
static const char *next_item(const char **at, struct arena *a)
{
    if (**at == 0)
        return NULL;
    size_t len = strcspn(*at, ";");
    const char *item = arena_text(a, bytes_make(*at, len));
    *at += len;
    *at += strspn(*at, "; ");
    return item;
}

static struct option_map compaction(const char *text, struct arena *a)
{
    struct option_pair *pairs = arena_array(a, struct option_pair, COMPACTION_MAX);
    uint32_t n = 1;
    pairs[0].key = "class";
    pairs[0].value = arena_printf(a, "org.apache.cassandra.db.compaction.%sCompactionStrategy",
                                  next_item(&text, a));
    while (*text != 0) {
        ASSERT(n < COMPACTION_MAX);
        pairs[n].key = next_item(&text, a);
        pairs[n++].value = next_item(&text, a);
    }
    option_map_sort(pairs, n);
    return (struct option_map){pairs, n};
}

static struct table_options options(const struct system_table *t, struct arena *a)
{
    struct table_options o = table_options_default();
    o.comment = t->comment;
    o.gc_grace_seconds = keyspaces[t->keyspace].gc_grace_seconds;
    o.memtable_flush_period_in_ms = keyspaces[t->keyspace].flush_ms;
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++) {
        if (exceptions[i].keyspace != t->keyspace || strcmp(exceptions[i].name, t->name) != 0)
            continue;
        o.default_time_to_live = exceptions[i].time_to_live;
        if (exceptions[i].compaction != NULL)
            o.compaction = compaction(exceptions[i].compaction, a);
    }
    return o;
}

static bool is_replicated(enum system_keyspace ks)
{
    return keyspaces[ks].class != REPLICATION_LOCAL;
}

static struct column column(const char *text, uint32_t id, struct arena *a)
{
    struct column c = {.kind = COLUMN_REGULAR, .id = id};
    if (*text == '=' || *text == '>')
        c.kind = *text++ == '=' ? COLUMN_PARTITION_KEY : COLUMN_CLUSTERING;
    const char *space = strchr(text, ' ');
    ASSERT(space != NULL);
    enum err err = cql_type_parse(a, bytes_text(space + 1), &c.type, NULL);
    ASSERT(err == ERR_OK);
    c.name = arena_text(a, bytes_make(text, (size_t)(space - text)));
    return c;
}

static const struct table *make(size_t i, struct arena *a)
{
    struct column columns[COLUMNS_MAX] = {0};
    const struct system_table *t = &system_tables[i];
    uint32_t base = is_replicated(t->keyspace) ? SCHEMA_REPLICATED_NO : SCHEMA_SYSTEM_NO;
    struct table draft = {.columns = columns};
    const char *at = t->columns;
    const char *item;
    uint32_t n = 0;
    while ((item = next_item(&at, a)) != NULL) {
        ASSERT(n < COLUMNS_MAX);
        columns[n] = column(item, n + 1, a);
        n++;
    }
    draft.no = base + (table_no)i;
    draft.keyspace_no = base + (keyspace_no)t->keyspace;
    memcpy(draft.id.b, "torc-built-in", 13); /* the same on every node and in every cluster */
    store_u16(draft.id.b + 14, (uint16_t)(i + 1));
    draft.keyspace = keyspaces[t->keyspace].name;
    draft.name = t->name;
    draft.column_count = n;
    draft.next_column_id = n + 1;
    draft.is_virtual = keyspaces[t->keyspace].is_virtual;
    draft.options = options(t, a);
    return table_make(&draft);
}

static const struct keyspace *make_keyspace(enum system_keyspace ks, struct arena *scratch)
{
    const struct table **made = arena_array(scratch, const struct table *, system_tables_count);
    uint32_t base = is_replicated(ks) ? SCHEMA_REPLICATED_NO : SCHEMA_SYSTEM_NO;
    struct keyspace draft = {
        .no = base + (keyspace_no)ks,
        .name = keyspaces[ks].name,
        .durable_writes = true,
        .is_virtual = keyspaces[ks].is_virtual,
        .replication = {.class = keyspaces[ks].class, .factor = keyspaces[ks].factor},
        .tables = made};
    for (size_t i = 0; i < system_tables_count; i++) {
        if (system_tables[i].keyspace == ks)
            made[draft.table_count++] = make(i, scratch);
    }
    const struct keyspace *k = keyspace_make(&draft);
    for (uint32_t i = 0; i < draft.table_count; i++)
        table_unref(made[i]);
    return k;
}

uint32_t system_keyspaces_make(bool replicated, const struct keyspace **ret_keyspaces)
{
    struct arena scratch = {0};
    uint32_t n = 0;
    for (int ks = 0; ks < SYSTEM_KEYSPACES; ks++) {
        if (replicated || !is_replicated((enum system_keyspace)ks))
            ret_keyspaces[n++] = make_keyspace((enum system_keyspace)ks, &scratch);
    }
    arena_close(&scratch);
    return n;
}

static int find(const char *name)
{
    for (int ks = 0; ks < SYSTEM_KEYSPACES; ks++) {
        if (strcmp(name, keyspaces[ks].name) == 0)
            return ks;
    }
    return -1;
}

bool keyspace_is_system(const char *name)
{
    return find(name) >= 0;
}

bool keyspace_is_local(const char *name)
{
    int ks = find(name);
    return ks >= 0 && !is_replicated((enum system_keyspace)ks);
}
