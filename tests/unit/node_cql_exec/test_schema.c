/* DDL, USE, DESCRIBE and the system tables as drivers ask for them. */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct one_node n;
void exec_schema_setup(void);
void exec_schema_teardown(void);

void exec_schema_setup(void)
{
    one_node_open(&n);
}

void exec_schema_teardown(void)
{
    one_node_close(&n);
}

static void ddl(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1} AND durable_writes = true",
         "CREATED KEYSPACE ks"},
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1}",
         "ALREADY_EXISTS: *"},
        {"CREATE KEYSPACE IF NOT EXISTS ks WITH replication = {'class': 'SimpleStrategy', "
         "'replication_factor': 1}",
         "void"},
        {"CREATE KEYSPACE nts WITH replication = {'class': 'NetworkTopologyStrategy', "
         "'replication_factor': 2}",
         "CREATED KEYSPACE nts"},
        {"SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'nts'",
         "{'class': 'org.apache.cassandra.locator.NetworkTopologyStrategy', 'dc1': '2'}"},
        {"CREATE KEYSPACE many WITH replication = {'class': 'NetworkTopologyStrategy', "
         "'replication_factor': 5}",
         "CREATED KEYSPACE many [warning: Your replication factor 5 for keyspace many is higher "
         "than the number of nodes 3 for datacenter dc1]"},
        {"ALTER KEYSPACE many WITH replication = {'class': 'SimpleStrategy', "
         "'replication_factor': 4}",
         "UPDATED KEYSPACE many [warning: Your replication factor 4 for keyspace many is higher "
         "than the number of nodes 3]"},
        {"DROP KEYSPACE many", "DROPPED KEYSPACE many"},
        {"USE nope", "INVALID: Keyspace 'nope' does not exist"},
        {"CREATE TABLE t (k int PRIMARY KEY)",
         "INVALID: No keyspace has been specified. USE a keyspace, or explicitly specify "
         "keyspace.tablename"},
        {"USE ks", "keyspace ks"},
        {"CREATE TABLE t (k int PRIMARY KEY, v text) WITH comment = 'x' AND gc_grace_seconds = 5",
         "CREATED TABLE ks.t [warning: gc_grace_seconds is kept, and nothing depends on it: *"},
        {"ALTER TABLE t WITH gc_grace_seconds = 0 AND nope = 1 AND caching = {'keys': 'ALL'}",
         "SYNTAX: Unknown property 'nope' [warning: *"},
        {"CREATE TABLE t (k int PRIMARY KEY)", "ALREADY_EXISTS: *"},
        {"CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY)", "void"},
        {"INSERT INTO t (k, v) VALUES (1, 'a')", "void"},
        {"ALTER TABLE t ADD (w int, x text)", "UPDATED TABLE ks.t"},
        {"SELECT * FROM t", "1, 'a', null, null"},
        {"ALTER TABLE t DROP v", "UPDATED TABLE ks.t"},
        {"ALTER TABLE t ADD v text", "UPDATED TABLE ks.t"},
        {"SELECT v FROM t", "null"},
        {"ALTER TABLE t RENAME k TO key", "UPDATED TABLE ks.t"},
        {"SELECT key FROM t", "1"},
        {"ALTER TABLE t ALTER w TYPE text",
         "INVALID: Altering column types is no longer supported"},
        {"ALTER TABLE t ALTER w MASKED WITH DEFAULT",
         "INVALID: Cannot mask columns because dynamic data masking is not enabled. *"},
        {"ALTER TABLE t ALTER w DROP MASKED", "void"},
        {"ALTER TABLE t ALTER nope DROP MASKED",
         "INVALID: Column with name 'nope' doesn't exist on table 't'"},
        {"ALTER TABLE IF EXISTS nope ALTER w TYPE int", "void"},
        {"ALTER TABLE nope ALTER w TYPE int", "INVALID: Table 'ks.nope' doesn't exist"},
        {"ALTER TABLE t DROP COMPACT STORAGE",
         "INVALID: Cannot DROP COMPACT STORAGE on table without COMPACT STORAGE"},
        {"ALTER TABLE t ADD m int MASKED WITH DEFAULT",
         "UPDATED TABLE ks.t [warning: The mask of column m is not kept: dynamic data masking is "
         "not enabled]"},
        {"ALTER KEYSPACE ks WITH durable_writes = false", "UPDATED KEYSPACE ks"},
        {"ALTER KEYSPACE ks WITH sloppy_quorum = true", "UPDATED KEYSPACE ks"},
        {"TRUNCATE t", "void"},
        {"SELECT * FROM t", "(no rows)"},
        {"TRUNCATE system.local", "UNAUTHORIZED: *"},
        {"CREATE TABLE c (k int PRIMARY KEY) WITH COMPACT STORAGE", "INVALID: Not supported*"},
        {"CREATE TABLE u (k int)", "INVALID: *"},
        {"CREATE TABLE u (k int PRIMARY KEY, n counter)", "CREATED TABLE ks.u"},
        {"DROP TABLE t", "DROPPED TABLE ks.t"},
        {"DROP TABLE IF EXISTS t", "void"},
        {"DROP TABLE t", "INVALID: *"},
        {"DROP KEYSPACE ks", "DROPPED KEYSPACE ks"},
        {"DROP KEYSPACE system", "UNAUTHORIZED: *"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

/* Every query of drivers' control connections, and what of the answer they need. */
static void what_drivers_ask(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1}",
         "CREATED KEYSPACE ks"},
        {"CREATE TABLE ks.t (k int, c text, s int STATIC, v frozen<list<int>>, PRIMARY KEY (k, c)) "
         "WITH CLUSTERING ORDER BY (c DESC)",
         "CREATED TABLE ks.t"},
        {"SELECT * FROM system.local WHERE key='local'", "'local', *"},
        {"SELECT * FROM system.local WHERE key = 'nonlocal'", "(no rows)"},
        {"SELECT cluster_name FROM system.local", "'test cluster'"},
        {"SELECT rpc_address, data_center, rack, release_version, cql_version, partitioner, tokens "
         "FROM system.local WHERE key='local'",
         "'127.0.0.1', 'dc1', 'rack1', '5.0.0', '3.4.7', "
         "'org.apache.cassandra.dht.Murmur3Partitioner', {'0', '9223372036854775807'}"},
        {"SELECT peer, rpc_address, data_center, rack, tokens FROM system.peers",
         "'127.0.0.3', '127.0.0.3', 'dc1', 'rack1', {'0', '9223372036854775807'} | '127.0.0.2', *"},
        {"SELECT peer, peer_port, native_address, native_port FROM system.peers_v2",
         "'127.0.0.3', 7000, '127.0.0.3', 9042 | '127.0.0.2', 7000, '127.0.0.2', 9042"},
        {"SELECT keyspace_name, durable_writes, replication FROM system_schema.keyspaces WHERE "
         "keyspace_name = 'ks'",
         "'ks', true, {'class': 'org.apache.cassandra.locator.SimpleStrategy', "
         "'replication_factor': '1'}"},
        {"SELECT table_name, flags, gc_grace_seconds FROM system_schema.tables WHERE keyspace_name "
         "= "
         "'ks' AND table_name = 't'",
         "'t', {'compound'}, 864000"},
        {"SELECT column_name, clustering_order, kind, position, type FROM system_schema.columns "
         "WHERE keyspace_name = 'ks' AND table_name = 't'",
         "'c', 'desc', 'clustering', 0, 'text' | 'k', 'none', 'partition_key', 0, 'int' | 's', "
         "'none', 'static', -1, 'int' | 'v', 'none', 'regular', -1, 'frozen<list<int>>'"},
        {"SELECT * FROM system_schema.types", "(no rows)"},
        {"SELECT * FROM system_schema.functions", "(no rows)"},
        {"SELECT * FROM system_schema.aggregates", "(no rows)"},
        {"SELECT * FROM system_schema.triggers", "(no rows)"},
        {"SELECT * FROM system_schema.indexes", "(no rows)"},
        {"SELECT * FROM system_schema.views", "(no rows)"},
        {"SELECT keyspace_name, view_name, base_table_name FROM system_schema.views", "(no rows)"},
        {"SELECT * from system_virtual_schema.keyspaces", "*"},
        {"SELECT * from system_virtual_schema.tables", "*"},
        {"SELECT * from system_virtual_schema.columns", "*"},
        {"SELECT * FROM system_traces.sessions WHERE session_id = "
         "123e4567-e89b-12d3-a456-426614174000",
         "(no rows)"},
        {"SELECT * FROM system_schema.scylla_keyspaces",
         "INVALID: table scylla_keyspaces does not exist"},
        {"SELECT count(*) FROM system_schema.columns WHERE keyspace_name = 'ks'", "4"},
        {"SELECT DISTINCT keyspace_name FROM system_schema.tables WHERE keyspace_name IN ('ks', "
         "'system')",
         "'ks' | 'system'"},
        {"SELECT name FROM system_views.settings WHERE name = 'cluster_name'", "'cluster_name'"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
    char local[64];
    strncpy(local, one_node_query(&n, "SELECT schema_version FROM system.local"), sizeof local - 1);
    local[sizeof local - 1] = '\0';
    CU_ASSERT_NSTRING_EQUAL(one_node_query(&n, "SELECT schema_version FROM system.peers"), local,
                            36);
}

static void describe(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1}",
         "CREATED KEYSPACE ks"},
        {"CREATE TABLE ks.t (k int PRIMARY KEY)", "CREATED TABLE ks.t"},
        {"DESCRIBE CLUSTER", "'test cluster', 'Murmur3Partitioner', *"},
        {"DESCRIBE KEYSPACES", "'ks', 'keyspace', 'ks' | 'system', 'keyspace', 'system' | *"},
        {"DESCRIBE KEYSPACE", "INVALID: No keyspace specified and no current keyspace"},
        {"DESCRIBE KEYSPACE ks", "'ks', 'keyspace', 'ks', 'CREATE KEYSPACE ks WITH *"},
        {"DESC ONLY KEYSPACE ks", "'ks', 'keyspace', 'ks', 'CREATE KEYSPACE ks WITH *"},
        {"DESCRIBE TABLE ks.t", "'ks', 'table', 't', 'CREATE TABLE ks.t *"},
        {"DESCRIBE ks.t WITH INTERNALS", "'ks', 'table', 't', 'CREATE TABLE ks.t *"},
        {"DESCRIBE ks", "'ks', 'keyspace', 'ks', *"},
        {"DESCRIBE SCHEMA", "'ks', 'keyspace', 'ks', *"},
        {"DESCRIBE FULL SCHEMA", "'ks', 'keyspace', 'ks', *"},
        {"DESCRIBE nope", "INVALID: 'nope' not found in keyspaces"},
        {"DESCRIBE TABLE ks.nope", "INVALID: Table 'nope' not found in keyspace 'ks'"},
        {"USE ks", "keyspace ks"},
        {"DESCRIBE t", "'ks', 'table', 't', *"},
        {"DESCRIBE TABLES", "'ks', 'table', 't'"},
        {"DESCRIBE TYPES", "(no rows)"},
        {"DESCRIBE FUNCTIONS", "(no rows)"},
        {"DESCRIBE AGGREGATES", "(no rows)"},
        {"DESCRIBE TYPE u", "INVALID: User defined type 'u' not found in 'ks'"},
        {"DESCRIBE CLUSTER", "'test cluster', *"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
    CU_ASSERT_EQUAL(n.response.rows.metadata.column_count, 4); /* with range_ownership */
}

CU_TestInfo exec_schema_tests[] = {
    {"changes of the schema", ddl},
    {"what drivers ask", what_drivers_ask},
    {"DESCRIBE", describe},
    CU_TEST_INFO_NULL,
};
