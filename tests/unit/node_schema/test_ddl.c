#include "unit/node_schema/statements.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void ddl_setup(void);
void ddl_teardown(void);

static struct world f;

void ddl_setup(void)
{
    world_init(&f);
    CU_ASSERT_EQUAL(world_keyspace(&f, "k", 1), ERR_OK);
    CU_ASSERT_EQUAL(world_table(&f, "k", "t", "a int, v int", "a", "", NULL), ERR_OK);
    CU_ASSERT_EQUAL(world_table(&f, "k", "s", "a int, b int, s text static, v int", "a", "b", NULL),
                    ERR_OK);
    CU_ASSERT_EQUAL(world_table(&f, "k", "c", "a int, n counter", "a", "", NULL), ERR_OK);
}

void ddl_teardown(void)
{
    world_close(&f);
}

static void expect(enum err got, enum err want, const char *message)
{
    if (got != want || (message != NULL && strcmp(f.error.text, message) != 0)) {
        printf("wanted %s: %s\n   got %s: %s\n", err_text(want), message != NULL ? message : "",
               err_text(got), f.error.text);
        CU_FAIL("another answer");
    }
    CU_ASSERT_EQUAL(got, want);
}

/* Messages and classes as a real Cassandra 5.0.9 gave them. */
static void tables_that_cannot_be(void)
{
    static const struct {
        const char *keyspace, *name, *columns, *partition, *clustering;
        enum err err;
        const char *message;
    } rows[] = {
        {"nope", "x", "a int", "a", "", ERR_INVALID, "Keyspace 'nope' doesn't exist"},
        {"k", "t", "a int", "a", "", ERR_EXISTS, "Table 'k.t' already exists"},
        {"system", "x", "a int", "a", "", ERR_REFUSED, "system keyspace is not user-modifiable."},
        {"k", "x", "a int", "", "", ERR_INVALID,
         "No PRIMARY KEY specifed for table 'k.x' (exactly one required)"},
        {"k", "x", "a int, a int", "a", "", ERR_INVALID,
         "Duplicate column 'a' declaration for table 'k.x'"},
        {"k", "x", "a int, b int", "a", "c", ERR_INVALID,
         "Unknown column 'c' referenced in PRIMARY KEY for table 'x'"},
        {"k", "x", "a int, b int", "a a", "", ERR_INVALID,
         "Duplicate column 'a' in PRIMARY KEY clause for table 'x'"},
        {"k", "x", "a list<int>", "a", "", ERR_INVALID,
         "Invalid non-frozen collection type list<int> for PRIMARY KEY column 'a'"},
        {"k", "x", "a counter", "a", "", ERR_INVALID,
         "counter type is not supported for PRIMARY KEY column 'a'"},
        {"k", "x", "a int, b frozen<list<duration>>", "a", "b", ERR_INVALID,
         "duration type is not supported for PRIMARY KEY column 'b'"},
        {"k", "x", "a int, b int static", "a", "b", ERR_INVALID,
         "Static column 'b' cannot be part of the PRIMARY KEY"},
        {"k", "x", "a int, b int static", "a", "", ERR_INVALID,
         "Static columns are only useful (and thus allowed) if the table has at least one "
         "clustering column"},
        {"k", "x", "a int, b counter, c int", "a", "", ERR_INVALID,
         "Cannot mix counter and non counter columns in the same table"},
        {"k", "Bad-Name", "a int", "a", "", ERR_CONFIG,
         "k.Bad-Name: Table name must not be empty or not contain non-alphanumeric-underscore "
         "characters (got \"Bad-Name\")"},
        {"k", "x", "a int, b tuple<int, duration>", "a", "b", ERR_INVALID,
         "duration type is not supported for PRIMARY KEY column 'b'"},
        {"k", "x", "a int, b nope", "a", "", ERR_INVALID, "Unknown type k.nope"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(world_table(&f, rows[i].keyspace, rows[i].name, rows[i].columns, rows[i].partition,
                           rows[i].clustering, NULL),
               rows[i].err, rows[i].message);
}

static void options_that_cannot_be(void)
{
    static const struct {
        const char *name, *value;
        enum err err;
        const char *message;
    } rows[] = {
        {"foo", "1", ERR_SYNTAX, "Unknown property 'foo'"},
        {"gc_grace_seconds", "-1", ERR_CONFIG,
         "gc_grace_seconds must be greater than or equal to 0 (got -1)"},
        {"gc_grace_seconds", "x", ERR_SYNTAX, "Invalid integer value x for 'gc_grace_seconds'"},
        {"default_time_to_live", "630720001", ERR_CONFIG,
         "default_time_to_live must be less than or equal to 630720000 (got 630720001)"},
        {"bloom_filter_fp_chance", "1.1", ERR_CONFIG,
         "bloom_filter_fp_chance must be larger than 6.71E-5 and less than or equal to 1.0 (got "
         "1.1)"},
        {"crc_check_chance", "2.0", ERR_CONFIG,
         "crc_check_chance must be larger than or equal to 0 and smaller than or equal to 1.0 "
         "(got 2.0)"},
        {"speculative_retry", "foo", ERR_CONFIG,
         "Invalid value foo for option 'speculative_retry'"},
        {"min_index_interval", "0", ERR_CONFIG,
         "min_index_interval must be greater than or equal to 1 (got 0)"},
        {"max_index_interval", "64", ERR_CONFIG,
         "max_index_interval must be greater than or equal to min_index_interval (128) (got 64)"},
        {"memtable", "foo", ERR_CONFIG, "Memtable configuration \"foo\" not found."},
        {"cdc", "foo", ERR_SYNTAX,
         "Invalid boolean value foo for 'cdc'. Positive values can be '1', 'true' or 'yes'. "
         "Negative values can be '0', 'false' or 'no'."},
        {"compaction", "x", ERR_SYNTAX,
         "Invalid value for property 'compaction'. It should be a map."},
        {"id", "123e4567-e89b-12d3-a456-426614174000", ERR_CONFIG, "Cannot alter table id."},
        {"conflicts", "siblings", ERR_CONFIG,
         "Cannot alter conflicts: it is chosen when a table is created"},
        {"conflicts", "both", ERR_CONFIG,
         "Invalid value both for option 'conflicts': only 'lww' and 'siblings' are known"},
        {"conflicts", "lww", ERR_OK, NULL},
        {"read_repair", "none", ERR_OK, NULL},
        {"comment", "it's", ERR_OK, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(world_with(&f, "k", "t", rows[i].name, rows[i].value), rows[i].err, rows[i].message);
    const struct table *t = schema_table(f.now, "k", "t");
    CU_ASSERT_STRING_EQUAL(t->options.read_repair, "NONE");
    CU_ASSERT_STRING_EQUAL(t->options.comment, "it's");
    expect(world_with(&f, "k", "c", "default_time_to_live", "10"), ERR_INVALID,
           "Cannot set default_time_to_live on a table with counters");
}

static enum err map_option(const char *name, const char *k1, const char *v1, const char *k2,
                           const char *v2)
{
    struct option_pair pairs[] = {{k1, v1}, {k2, v2}};
    struct ddl_option o = {.name = name, .pairs = pairs, .pair_count = k2 != NULL ? 2 : 1};
    struct ddl ddl = {.kind = DDL_ALTER_TABLE_WITH,
                      .keyspace = "k",
                      .table = "t",
                      .options = &o,
                      .option_count = 1};
    return world_apply(&f, &ddl);
}

static void maps_of_options(void)
{
    expect(map_option("compaction", "class", "Foo", NULL, NULL), ERR_CONFIG,
           "Unable to find compaction strategy class 'org.apache.cassandra.db.compaction.Foo'");
    expect(map_option("compaction", "enabled", "true", NULL, NULL), ERR_CONFIG,
           "Missing sub-option 'class' for the 'compaction' option");
    expect(map_option("compaction", "class", "LeveledCompactionStrategy", "foo", "1"), ERR_CONFIG,
           "Properties specified [foo] are not understood by LeveledCompactionStrategy");
    expect(map_option("compression", "class", "Foo", NULL, NULL), ERR_CONFIG,
           "Could not create Compression for type org.apache.cassandra.io.compress.Foo");
    expect(map_option("compression", "chunk_length_in_kb", "32", NULL, NULL), ERR_CONFIG,
           "Missing sub-option 'class' for the 'compression' option.");
    expect(map_option("compression", "class", "SnappyCompressor", "chunk_length_in_kb", "33"),
           ERR_CONFIG, "chunk_length_in_kb must be a power of 2");
    expect(map_option("caching", "keys", "x", NULL, NULL), ERR_CONFIG,
           "Invalid value 'x' for caching sub-option 'keys': only 'ALL' and 'NONE' are allowed");
    expect(map_option("caching", "foo", "x", NULL, NULL), ERR_CONFIG,
           "Invalid caching sub-options [foo]: only 'keys' and 'rows_per_partition' are allowed");
    expect(map_option("comment", "foo", "x", NULL, NULL), ERR_SYNTAX,
           "Invalid value for property 'comment'. It should be a string");
    expect(map_option("caching", "keys", "none", NULL, NULL), ERR_OK, NULL);
    const struct table *t = schema_table(f.now, "k", "t");
    CU_ASSERT_STRING_EQUAL(option_map_get(&t->options.caching, "keys"), "NONE");
    CU_ASSERT_STRING_EQUAL(option_map_get(&t->options.caching, "rows_per_partition"), "NONE");
}

static void columns_that_cannot_be_altered(void)
{
    expect(world_add(&f, "k", "nope", "x", "int"), ERR_INVALID, "Table 'k.nope' doesn't exist");
    expect(world_add(&f, "k", "s", "b", "int"), ERR_INVALID, "Column with name 'b' already exists");
    expect(world_add(&f, "k", "t", "y", "counter"), ERR_CONFIG,
           "k.t: Cannot have a counter column (\"y\") in a non counter table");
    expect(world_add(&f, "k", "c", "y", "int"), ERR_CONFIG,
           "k.c: Cannot have a non counter column (\"y\") in a counter table");
    expect(world_add(&f, "k", "c", "y", "counter"), ERR_OK, NULL);
    expect(world_drop(&f, "k", "s", "a"), ERR_INVALID, "Cannot drop PRIMARY KEY column a");
    expect(world_drop(&f, "k", "s", "nope"), ERR_INVALID,
           "Column nope was not found in table 'k.s'");
    expect(world_rename(&f, "k", "s", "a", "b"), ERR_INVALID,
           "Cannot rename column a to b in table 'k.s'; another column with that name already "
           "exists");
    expect(world_rename(&f, "k", "s", "s", "x"), ERR_INVALID,
           "Cannot rename non PRIMARY KEY column s");
    expect(world_rename(&f, "k", "s", "nope", "x"), ERR_INVALID,
           "Undefined column name nope in table k.s");
    expect(world_add(&f, "system", "local", "x", "int"), ERR_REFUSED,
           "system keyspace is not user-modifiable.");
}

static void if_exists_makes_nothing_of_it(void)
{
    static const char *const key[] = {"a"};
    struct ddl rows[] = {
        {.kind = DDL_CREATE_KEYSPACE, .keyspace = "k", .if_not_exists = true},
        {.kind = DDL_CREATE_TABLE,
         .keyspace = "k",
         .table = "t",
         .if_not_exists = true,
         .primary_key_clauses = 1,
         .partition_key = key,
         .partition_key_count = 1},
        {.kind = DDL_DROP_TABLE, .keyspace = "k", .table = "nope", .if_exists = true},
        {.kind = DDL_DROP_TABLE, .keyspace = "nope", .table = "nope", .if_exists = true},
        {.kind = DDL_DROP_KEYSPACE, .keyspace = "nope", .if_exists = true},
        {.kind = DDL_ALTER_KEYSPACE, .keyspace = "nope", .if_exists = true},
    };
    const struct schema *before = f.now;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(world_apply(&f, &rows[i]), ERR_OK, NULL);
        CU_ASSERT_EQUAL(f.change.type, CHANGE_NONE);
        CU_ASSERT_PTR_EQUAL(f.now, before);
    }
    struct ddl drop = {.kind = DDL_DROP_KEYSPACE, .keyspace = "k"};
    expect(world_apply(&f, &drop), ERR_OK, NULL);
    CU_ASSERT(f.change.type == CHANGE_DROPPED && f.change.target == SCHEMA_KEYSPACE);
    CU_ASSERT_PTR_NULL(schema_keyspace(f.now, "k"));
}

static void keyspaces_that_cannot_be(void)
{
    static const struct {
        const char *name, *key, *value, *key2, *value2;
        enum err err;
        const char *message;
    } rows[] = {
        {"k", "class", "SimpleStrategy", NULL, NULL, ERR_EXISTS, "Keyspace 'k' already exists"},
        {"system", "class", "SimpleStrategy", NULL, NULL, ERR_INVALID,
         "System keyspace 'system' is not user-modifiable"},
        {"a-b", "class", "SimpleStrategy", NULL, NULL, ERR_INVALID,
         "Keyspace name must not be empty and must contain alphanumeric or underscore characters "
         "only (got \"a-b\")"},
        {"x", "class", "FooStrategy", NULL, NULL, ERR_CONFIG,
         "Unable to find replication strategy class 'org.apache.cassandra.locator.FooStrategy'"},
        {"x", "replication_factor", "1", NULL, NULL, ERR_CONFIG,
         "Missing replication strategy class"},
        {"x", "class", "LocalStrategy", NULL, NULL, ERR_INVALID,
         "Unable to use given strategy class: LocalStrategy is reserved for internal use."},
        {"x", "class", "SimpleStrategy", "foo", "2", ERR_CONFIG,
         "Unrecognized strategy option {foo} passed to SimpleStrategy for keyspace x"},
        {"x", "class", "NetworkTopologyStrategy", "dc1", "x", ERR_CONFIG,
         "For input string: \"x\""},
        {"x", "class", "NetworkTopologyStrategy", "dc1", "-1", ERR_CONFIG,
         "Replication factor must be non-negative, found -1"},
        {"x", "class", "NetworkTopologyStrategy", "dc1", "0", ERR_CONFIG,
         "Configuration for at least one datacenter must be present"},
        {"x", "class", "SimpleStrategy", NULL, NULL, ERR_OK, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct option_pair pairs[] = {{rows[i].key, rows[i].value}, {rows[i].key2, rows[i].value2}};
        struct ddl_option o = {
            .name = "replication", .pairs = pairs, .pair_count = rows[i].key2 != NULL ? 2 : 1};
        struct ddl ddl = {.kind = DDL_CREATE_KEYSPACE,
                          .keyspace = rows[i].name,
                          .options = &o,
                          .option_count = 1};
        expect(world_apply(&f, &ddl), rows[i].err, rows[i].message);
    }
    struct ddl bare = {.kind = DDL_CREATE_KEYSPACE, .keyspace = "y"};
    expect(world_apply(&f, &bare), ERR_INVALID, "Missing mandatory option 'replication'");
}

/* replication_factor means every data centre that is not named. */
static void datacenters_are_spelled_out(void)
{
    const char *const dcs[] = {"dc1", "dc2"};
    struct option_pair pairs[] = {
        {"class", "NetworkTopologyStrategy"}, {"replication_factor", "3"}, {"dc2", "1"}};
    struct ddl_option o = {.name = "replication", .pairs = pairs, .pair_count = 3};
    struct ddl ddl = {
        .kind = DDL_CREATE_KEYSPACE, .keyspace = "n", .options = &o, .option_count = 1};
    expect(ddl_resolve_datacenters(&ddl, dcs, 2, &f.arena, &f.error), ERR_OK, NULL);
    expect(world_apply(&f, &ddl), ERR_OK, NULL);
    struct strategy s;
    replication_strategy(&schema_keyspace(f.now, "n")->replication, &s);
    CU_ASSERT(s.type == STRATEGY_NETWORK && s.dcs == 2 && s.dc[0].rf == 3 && s.dc[1].rf == 1);
    CU_ASSERT_STRING_EQUAL(s.dc[0].name, "dc1");
    pairs[2].key = "dcx";
    ddl.options = &o;
    expect(ddl_resolve_datacenters(&ddl, dcs, 2, &f.arena, &f.error), ERR_CONFIG,
           "Unrecognized strategy option {dcx} passed to NetworkTopologyStrategy for keyspace n");
}

CU_TestInfo ddl_tests[] = {{"tables that cannot be", tables_that_cannot_be},
                           {"options that cannot be", options_that_cannot_be},
                           {"maps of options", maps_of_options},
                           {"columns that cannot be altered", columns_that_cannot_be_altered},
                           {"if exists makes nothing of it", if_exists_makes_nothing_of_it},
                           {"keyspaces that cannot be", keyspaces_that_cannot_be},
                           {"datacenters are spelled out", datacenters_are_spelled_out},
                           CU_TEST_INFO_NULL};
