/* Tables of system_views: those of the executor, those of the node, and those with nothing in them.
 */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void exec_views_setup(void);
void exec_views_teardown(void);

static struct one_node f;

void exec_views_setup(void)
{
    one_node_open(&f);
    one_node_query(&f, "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}");
    one_node_query(&f, "CREATE TABLE k.t (a int PRIMARY KEY, b int)");
}

void exec_views_teardown(void)
{
    one_node_close(&f);
}

static void statements_are_counted_and_timed(void)
{
    struct cql_value one = cql_value_make(bytes_make("\0\0\0\1", 4));
    static const struct story stories[] = {
        {"SELECT count FROM system_views.coordinator_write_latency WHERE keyspace_name = 'k' AND "
         "table_name = 't'",
         "3"},
        {"SELECT count FROM system_views.coordinator_read_latency WHERE keyspace_name = 'k' AND "
         "table_name = 't'",
         "1"},
        {"SELECT count FROM system_views.coordinator_scan_latency WHERE keyspace_name = 'k' AND "
         "table_name = 't'",
         "1"},
        {"SELECT max FROM system_views.batch_metrics WHERE name = 'partitions_per_unlogged_batch'",
         "2"},
        {"SELECT value FROM system_views.cql_metrics WHERE name = 'prepared_statements_executed'",
         "1.0"},
        {"SELECT entry_count FROM system_views.caches WHERE name = 'prepared_statements'", "1"},
        {"SELECT query_string FROM system.prepared_statements", "'INSERT INTO k.t (a) VALUES (?)'"},
        {"SELECT task FROM system_views.queries", "'SELECT task FROM system_views.queries'"},
        {NULL, NULL},
    };
    one_node_execute(&f, "INSERT INTO k.t (a) VALUES (?)", &one, 1);
    one_node_query(&f, "UPDATE k.t SET b = 2 WHERE a = 1");
    one_node_query(&f, "BEGIN UNLOGGED BATCH INSERT INTO k.t (a) VALUES (1) INSERT INTO k.t (a) "
                       "VALUES (2) APPLY BATCH");
    one_node_query(&f, "SELECT * FROM k.t WHERE a = 1");
    one_node_query(&f, "SELECT * FROM k.t");
    one_node_story(&f, stories);
}

/* Statements about roles may hold passwords. */
static void passwords_are_not_shown(void)
{
    one_node_execute(&f, "CREATE ROLE r WITH PASSWORD = 'secret'", NULL, 0);
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&f, "SELECT query_string FROM system.prepared_statements"), "(no rows)");
}

static void fill(void *arg, const char *table, struct exec_rows *out)
{
    (void)arg;
    if (strcmp(table, "settings") != 0)
        return;
    exec_row(out);
    exec_put_text(out, "name", "b");
    exec_put_text(out, "value", "2");
    exec_row(out);
    exec_put_text(out, "name", "a");
    exec_put_text(out, "nothing", "no column of that name");
}

static void rows_from_the_node(void)
{
    exec_set_source(f.exec, &(struct exec_source){fill, NULL});
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&f, "SELECT * FROM system_views.settings WHERE name = 'b'"), "'b', '2'");
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&f, "SELECT value FROM system_views.settings WHERE name = 'a'"), "null");
}

/* The ring of one_node has two tokens, and all three nodes the same: what matters is that tools
 * get ranges that cover it. */
static void ranges_of_tables(void)
{
    CU_ASSERT_STRING_NOT_EQUAL(
        one_node_query(&f, "SELECT range_start, range_end FROM system.size_estimates WHERE "
                           "keyspace_name = 'k' AND table_name = 't'"),
        "(no rows)");
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&f, "SELECT * FROM system.size_estimates WHERE keyspace_name = "
                           "'system_auth'"),
        "(no rows)");
}

static void every_view_can_be_read(void)
{
    static const char *const keyspaces[] = {"system", "system_views"};
    for (size_t i = 0; i < ARRAY_LEN(keyspaces); i++) {
        const struct keyspace *k = schema_keyspace(f.schema, keyspaces[i]);
        for (uint32_t j = 0; j < k->table_count; j++) {
            char cql[256];
            snprintf(cql, sizeof cql, "SELECT * FROM %s.\"%s\"", k->name, k->tables[j]->name);
            one_node_query(&f, cql);
            CU_ASSERT_EQUAL(f.response.opcode, CQL_RESULT);
        }
    }
}

CU_TestInfo exec_views_tests[] = {
    {"statements are counted and timed", statements_are_counted_and_timed},
    {"passwords are not shown", passwords_are_not_shown},
    {"rows from the node", rows_from_the_node},
    {"ranges of tables", ranges_of_tables},
    {"every view can be read", every_view_can_be_read},
    CU_TEST_INFO_NULL,
};
