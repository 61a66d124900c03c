/* system.c - the built-in keyspaces: definitions only, whoever executes a SELECT fills the rows in.
 *
 * Names, columns and types are Cassandra 5.0's, because drivers and cqlsh ask for them. Numbers are
 * from SCHEMA_SYSTEM_NO up in the order below: append, since they may be in prepared statements of
 * running nodes.
 */
#include "base/mem.h"
#include "node/schema/build.h"

#include <string.h>

enum { SYSTEM, SYSTEM_SCHEMA, SYSTEM_TRACES, SYSTEM_VIRTUAL_SCHEMA, SYSTEM_VIEWS };

static const struct {
    const char *name;
    bool is_virtual;
    enum replication_class class;
    uint32_t factor;
    int32_t gc_grace_seconds;
    int32_t flush_ms;
} keyspaces[SYSTEM_KEYSPACES] = {
    [SYSTEM] = {"system", false, REPLICATION_LOCAL, 0, 0, 3600000},
    [SYSTEM_SCHEMA] = {"system_schema", false, REPLICATION_LOCAL, 0, 604800, 3600000},
    [SYSTEM_TRACES] = {"system_traces", false, REPLICATION_SIMPLE, 2, 0, 0},
    [SYSTEM_VIRTUAL_SCHEMA] = {"system_virtual_schema", true, REPLICATION_LOCAL, 0, 0, 0},
    [SYSTEM_VIEWS] = {"system_views", true, REPLICATION_LOCAL, 0, 0, 0},
};

/* Columns as "name type; name type": one of the partition key, then the clustering key, then the
 * rest. */
static const struct {
    int keyspace;
    const char *name;
    const char *comment;
    uint32_t clustering;
    const char *columns;
} tables[] = {
    {SYSTEM, "local", "this node", 0,
     "key text; bootstrapped text; broadcast_address inet; broadcast_port int; "
     "cluster_name text; cql_version text; data_center text; gossip_generation int; "
     "host_id uuid; listen_address inet; listen_port int; native_protocol_version text; "
     "partitioner text; rack text; release_version text; rpc_address inet; rpc_port int; "
     "schema_version uuid; tokens set<text>; truncated_at map<uuid, blob>"},
    {SYSTEM, "peers", "the other nodes", 0,
     "peer inet; data_center text; host_id uuid; preferred_ip inet; rack text; "
     "release_version text; rpc_address inet; schema_version uuid; tokens set<text>"},
    {SYSTEM, "peers_v2", "the other nodes, with ports", 1,
     "peer inet; peer_port int; data_center text; host_id uuid; native_address inet; "
     "native_port int; preferred_ip inet; preferred_port int; rack text; "
     "release_version text; schema_version uuid; tokens set<text>"},
    {SYSTEM_SCHEMA, "aggregates", "none in this release", 2,
     "keyspace_name text; aggregate_name text; argument_types frozen<list<text>>; "
     "final_func text; initcond text; return_type text; state_func text; state_type text"},
    {SYSTEM_SCHEMA, "column_masks", "none in this release", 2,
     "keyspace_name text; table_name text; column_name text; "
     "function_argument_nulls frozen<list<boolean>>; "
     "function_argument_types frozen<list<text>>; "
     "function_argument_values frozen<list<text>>; function_keyspace text; "
     "function_name text"},
    {SYSTEM_SCHEMA, "columns", "columns of tables", 2,
     "keyspace_name text; table_name text; column_name text; clustering_order text; "
     "column_name_bytes blob; kind text; position int; type text"},
    {SYSTEM_SCHEMA, "dropped_columns", "columns that were dropped", 2,
     "keyspace_name text; table_name text; column_name text; dropped_time timestamp; "
     "kind text; type text"},
    {SYSTEM_SCHEMA, "functions", "none in this release", 2,
     "keyspace_name text; function_name text; argument_types frozen<list<text>>; "
     "argument_names frozen<list<text>>; body text; called_on_null_input boolean; "
     "language text; return_type text"},
    {SYSTEM_SCHEMA, "indexes", "none in this release", 2,
     "keyspace_name text; table_name text; index_name text; kind text; "
     "options frozen<map<text, text>>"},
    {SYSTEM_SCHEMA, "keyspaces", "keyspaces and their replication", 0,
     "keyspace_name text; durable_writes boolean; replication frozen<map<text, text>>"},
    {SYSTEM_SCHEMA, "tables", "tables and their options", 1,
     "keyspace_name text; table_name text; additional_write_policy text; "
     "allow_auto_snapshot boolean; bloom_filter_fp_chance double; "
     "caching frozen<map<text, text>>; cdc boolean; comment text; "
     "compaction frozen<map<text, text>>; compression frozen<map<text, text>>; "
     "crc_check_chance double; dclocal_read_repair_chance double; "
     "default_time_to_live int; extensions frozen<map<text, blob>>; "
     "flags frozen<set<text>>; gc_grace_seconds int; id uuid; "
     "incremental_backups boolean; max_index_interval int; memtable text; "
     "memtable_flush_period_in_ms int; min_index_interval int; read_repair text; "
     "read_repair_chance double; speculative_retry text"},
    {SYSTEM_SCHEMA, "triggers", "none in this release", 2,
     "keyspace_name text; table_name text; trigger_name text; "
     "options frozen<map<text, text>>"},
    {SYSTEM_SCHEMA, "types", "none in this release", 1,
     "keyspace_name text; type_name text; field_names frozen<list<text>>; "
     "field_types frozen<list<text>>"},
    {SYSTEM_SCHEMA, "views", "none in this release", 1,
     "keyspace_name text; view_name text; additional_write_policy text; "
     "allow_auto_snapshot boolean; base_table_id uuid; base_table_name text; "
     "bloom_filter_fp_chance double; caching frozen<map<text, text>>; cdc boolean; "
     "comment text; compaction frozen<map<text, text>>; "
     "compression frozen<map<text, text>>; crc_check_chance double; "
     "dclocal_read_repair_chance double; default_time_to_live int; "
     "extensions frozen<map<text, blob>>; gc_grace_seconds int; id uuid; "
     "include_all_columns boolean; incremental_backups boolean; max_index_interval int; "
     "memtable text; memtable_flush_period_in_ms int; min_index_interval int; "
     "read_repair text; read_repair_chance double; speculative_retry text; "
     "where_clause text"},
    {SYSTEM_TRACES, "events", "what happened in traced requests", 1,
     "session_id uuid; event_id timeuuid; activity text; source inet; source_elapsed int; "
     "source_port int; thread text"},
    {SYSTEM_TRACES, "sessions", "traced requests", 0,
     "session_id uuid; client inet; command text; coordinator inet; coordinator_port int; "
     "duration int; request text; started_at timestamp; parameters map<text, text>"},
    {SYSTEM_VIRTUAL_SCHEMA, "columns", "columns of tables", 2,
     "keyspace_name text; table_name text; column_name text; clustering_order text; "
     "column_name_bytes blob; kind text; position int; type text"},
    {SYSTEM_VIRTUAL_SCHEMA, "keyspaces", "keyspaces and their replication", 0,
     "keyspace_name text"},
    {SYSTEM_VIRTUAL_SCHEMA, "tables", "tables and their options", 1,
     "keyspace_name text; table_name text; comment text"},
    {SYSTEM_VIEWS, "settings", "configuration of this node", 0, "name text; value text"},
};

#define COLUMNS_MAX 64

/* The next "name type" of the list, as texts of the arena; false at its end. */
static bool next_column(const char **at, struct arena *a, const char **name,
                        const struct cql_type **type)
{
    if (**at == 0)
        return false;
    const char *space = strchr(*at, ' ');
    ASSERT(space != NULL);
    size_t len = strcspn(space + 1, ";");
    enum err err = cql_type_parse(a, bytes_make(space + 1, len), type, NULL);
    ASSERT(err == ERR_OK);
    *name = arena_text(a, bytes_make(*at, (size_t)(space - *at)));
    *at = space + 1 + len;
    *at += strspn(*at, "; ");
    return true;
}

static const struct table *make(size_t i, struct arena *a)
{
    struct column columns[COLUMNS_MAX] = {0};
    struct table draft = {.columns = columns};
    int ks = tables[i].keyspace;
    const char *at = tables[i].columns;
    uint32_t n = 0;
    while (n < COLUMNS_MAX && next_column(&at, a, &columns[n].name, &columns[n].type)) {
        columns[n].kind = n == 0                      ? COLUMN_PARTITION_KEY
                          : n <= tables[i].clustering ? COLUMN_CLUSTERING
                                                      : COLUMN_REGULAR;
        columns[n].id = n + 1;
        n++;
    }
    draft.no = SCHEMA_SYSTEM_NO + (table_no)i;
    draft.keyspace_no = SCHEMA_SYSTEM_NO + (keyspace_no)ks;
    memcpy(draft.id.b, "torc-built-in", 13); /* the same on every node and in every cluster */
    store_u16(draft.id.b + 14, (uint16_t)(i + 1));
    draft.keyspace = keyspaces[ks].name;
    draft.name = tables[i].name;
    draft.column_count = n;
    draft.next_column_id = n + 1;
    draft.is_virtual = keyspaces[ks].is_virtual;
    draft.options = table_options_default();
    draft.options.comment = tables[i].comment;
    draft.options.gc_grace_seconds = keyspaces[ks].gc_grace_seconds;
    draft.options.memtable_flush_period_in_ms = keyspaces[ks].flush_ms;
    return table_make(&draft);
}

void system_keyspaces_make(const struct keyspace *ret_keyspaces[SYSTEM_KEYSPACES])
{
    struct arena scratch = {0};
    for (int ks = 0; ks < SYSTEM_KEYSPACES; ks++) {
        const struct table *made[ARRAY_LEN(tables)];
        struct keyspace draft = {
            .no = SCHEMA_SYSTEM_NO + (keyspace_no)ks,
            .name = keyspaces[ks].name,
            .durable_writes = true,
            .is_virtual = keyspaces[ks].is_virtual,
            .replication = {.class = keyspaces[ks].class, .factor = keyspaces[ks].factor},
            .tables = made};
        for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
            if (tables[i].keyspace == ks)
                made[draft.table_count++] = make(i, &scratch);
        }
        ret_keyspaces[ks] = keyspace_make(&draft);
        for (uint32_t i = 0; i < draft.table_count; i++)
            table_unref(made[i]);
    }
    arena_close(&scratch);
}

bool keyspace_is_system(const char *name)
{
    for (int ks = 0; ks < SYSTEM_KEYSPACES; ks++) {
        if (strcmp(name, keyspaces[ks].name) == 0)
            return true;
    }
    return false;
}
