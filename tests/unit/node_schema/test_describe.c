#include "node/schema/describe.h"
#include "unit/node_schema/statements.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void describe_setup(void);
void describe_teardown(void);

static struct world f;

void describe_setup(void)
{
    world_init(&f);
    CU_ASSERT_EQUAL(world_keyspace(&f, "k", 1), ERR_OK);
}

void describe_teardown(void)
{
    world_close(&f);
}

#define DEFAULTS                                                                                   \
    "additional_write_policy = '99p'\n"                                                            \
    "    AND allow_auto_snapshot = true\n"                                                         \
    "    AND bloom_filter_fp_chance = 0.01\n"                                                      \
    "    AND caching = {'keys': 'ALL', 'rows_per_partition': 'NONE'}\n"                            \
    "    AND cdc = false\n"                                                                        \
    "    AND comment = ''\n"                                                                       \
    "    AND compaction = {'class': "                                                              \
    "'org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy', 'max_threshold': '32', "   \
    "'min_threshold': '4'}\n"                                                                      \
    "    AND compression = {'chunk_length_in_kb': '16', 'class': "                                 \
    "'org.apache.cassandra.io.compress.LZ4Compressor'}\n"                                          \
    "    AND memtable = 'default'\n"                                                               \
    "    AND crc_check_chance = 1.0\n"                                                             \
    "    AND default_time_to_live = 0\n"                                                           \
    "    AND extensions = {}\n"                                                                    \
    "    AND gc_grace_seconds = 864000\n"                                                          \
    "    AND incremental_backups = true\n"                                                         \
    "    AND max_index_interval = 2048\n"                                                          \
    "    AND memtable_flush_period_in_ms = 0\n"                                                    \
    "    AND min_index_interval = 128\n"                                                           \
    "    AND read_repair = 'BLOCKING'\n"                                                           \
    "    AND speculative_retry = '99p';"

static void expect(const char *keyspace, const char *table, const char *want)
{
    struct buf out;
    buf_init(&out, 10000);
    if (table != NULL)
        describe_table(schema_table(f.now, keyspace, table), &out);
    else
        describe_keyspace(schema_keyspace(f.now, keyspace), &out);
    if (!bytes_equal_text(buf_bytes(&out), want)) {
        printf("%.*s\n", (int)out.len, (char *)out.data);
        CU_FAIL("another statement");
    }
    buf_close(&out);
}

/* The wanted texts are what a real Cassandra 5.0.9 printed. */
static void statements_are_cassandras(void)
{
    CU_ASSERT_EQUAL(world_table(&f, "k", "t", "a int", "a", "", NULL), ERR_OK);
    expect("k", "t", "CREATE TABLE k.t (\n    a int PRIMARY KEY\n) WITH " DEFAULTS);
    CU_ASSERT_EQUAL(world_table(&f, "k", "t5", "a int, b int, c int", "a", "b- c", NULL), ERR_OK);
    expect("k", "t5",
           "CREATE TABLE k.t5 (\n    a int,\n    b int,\n    c int,\n    PRIMARY KEY (a, b, c)\n"
           ") WITH CLUSTERING ORDER BY (b DESC, c ASC)\n    AND " DEFAULTS);
    CU_ASSERT_EQUAL(world_table(&f, "k", "s1",
                                "a int, b int, s text static, m map<text,frozen<list<int>>>", "a",
                                "b", NULL),
                    ERR_OK);
    expect("k", "s1",
           "CREATE TABLE k.s1 (\n    a int,\n    b int,\n    s text static,\n"
           "    m map<text, frozen<list<int>>>,\n    PRIMARY KEY (a, b)\n"
           ") WITH CLUSTERING ORDER BY (b ASC)\n    AND " DEFAULTS);
    CU_ASSERT_EQUAL(world_table(&f, "k", "udt5", "a timeuuid, c varchar", "a c", "", NULL), ERR_OK);
    expect("k", "udt5",
           "CREATE TABLE k.udt5 (\n    a timeuuid,\n    c text,\n    PRIMARY KEY ((a, c))\n"
           ") WITH " DEFAULTS);
    CU_ASSERT_EQUAL(world_table(&f, "k", "Mixed", "Q\"x int, b text, select int, from int",
                                "b Q\"x", "select", NULL),
                    ERR_OK);
    expect("k", "Mixed",
           "CREATE TABLE k.\"Mixed\" (\n    b text,\n    \"Q\"\"x\" int,\n    \"select\" int,\n"
           "    \"from\" int,\n    PRIMARY KEY ((b, \"Q\"\"x\"), \"select\")\n"
           ") WITH CLUSTERING ORDER BY (\"select\" ASC)\n    AND " DEFAULTS);
    CU_ASSERT_EQUAL(
        world_table(&f, "k", "n", "a int, z list<int>, y int, x set<int>, w text", "a", "", NULL),
        ERR_OK);
    expect("k", "n",
           "CREATE TABLE k.n (\n    a int PRIMARY KEY,\n    w text,\n    y int,\n"
           "    x set<int>,\n    z list<int>\n) WITH " DEFAULTS);
}

static void keyspaces_and_what_is_virtual(void)
{
    expect("k", NULL,
           "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
           "'replication_factor': '1'}  AND durable_writes = true;");
    expect("system", NULL,
           "CREATE KEYSPACE system WITH replication = {'class': 'LocalStrategy'}  AND "
           "durable_writes = true;");
    expect("system_virtual_schema", NULL,
           "/*\nWarning: Keyspace system_virtual_schema is a virtual keyspace and cannot be "
           "recreated with CQL.\nStructure, for reference:\nVIRTUAL KEYSPACE "
           "system_virtual_schema;\n*/");
    expect("system_virtual_schema", "keyspaces",
           "/*\nWarning: Table system_virtual_schema.keyspaces is a virtual table and cannot be "
           "recreated with CQL.\nStructure, for reference:\nVIRTUAL TABLE "
           "system_virtual_schema.keyspaces (\n    keyspace_name text PRIMARY KEY\n) WITH comment "
           "= 'virtual keyspace definitions';\n*/");
}

static void options_are_shown(void)
{
    const char *const with[] = {"comment",
                                "it's",
                                "speculative_retry",
                                "99.9PERCENTILE",
                                "crc_check_chance",
                                "0.5",
                                "cdc",
                                "true",
                                "gc_grace_seconds",
                                "5",
                                NULL};
    struct buf out;
    buf_init(&out, 10000);
    CU_ASSERT_EQUAL(world_table(&f, "k", "o", "a int", "a", "", with), ERR_OK);
    describe_table(schema_table(f.now, "k", "o"), &out);
    buf_put_u8(&out, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "comment = 'it''s'\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "speculative_retry = '99.9p';"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "crc_check_chance = 0.5\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "cdc = true\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "gc_grace_seconds = 5\n"));
    buf_close(&out);
}

CU_TestInfo describe_tests[] = {{"statements are Cassandra's", statements_are_cassandras},
                                {"keyspaces and what is virtual", keyspaces_and_what_is_virtual},
                                {"options are shown", options_are_shown},
                                CU_TEST_INFO_NULL};
