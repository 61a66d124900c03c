#include "base/mem.h"
#include "base/rng.h"
#include "unit/node_schema/statements.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void schema_setup(void);
void schema_teardown(void);

static struct world f;

void schema_setup(void)
{
    world_init(&f);
}

void schema_teardown(void)
{
    world_close(&f);
}

static void drivers_find_what_they_ask_for(void)
{
    static const char *const tables[] = {"aggregates", "columns",   "functions",
                                         "indexes",    "keyspaces", "tables",
                                         "triggers",   "types",     "views"};
    uint32_t n;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        CU_ASSERT_PTR_NOT_NULL(schema_table(f.now, "system_schema", tables[i]));
    const struct table *peers = schema_table(f.now, "system", "peers_v2");
    CU_ASSERT_EQUAL(peers->clustering_count, 1);
    CU_ASSERT_STRING_EQUAL(table_columns_of(peers, COLUMN_CLUSTERING, &n)->name, "peer_port");
    CU_ASSERT_EQUAL(table_column(peers, "tokens")->type->kind, CQL_SET);
    CU_ASSERT(schema_table(f.now, "system_virtual_schema", "columns")->is_virtual);
    CU_ASSERT_PTR_NULL(schema_table(f.now, "system", "nope"));
    CU_ASSERT(keyspace_is_system("system_traces") && keyspace_is_system("system_views"));
    CU_ASSERT(keyspace_is_local("system_views") && !keyspace_is_local("system_traces"));
    schema_check(f.now);
}

/* They come with the first schema and go the way of all others from then on. */
static void replicated_system_keyspaces_are_of_the_ring(void)
{
    struct buf b;
    const struct schema *again;
    const struct keyspace *auth = schema_keyspace(f.now, "system_auth");
    CU_ASSERT_PTR_NOT_NULL_FATAL(auth);
    CU_ASSERT(auth->no >= SCHEMA_REPLICATED_NO && auth->no < SCHEMA_SYSTEM_NO);
    CU_ASSERT_EQUAL(auth->replication.factor, 1);
    CU_ASSERT_EQUAL(world_keyspace(&f, "k", 3), ERR_OK);
    buf_init(&b, BUF_MAX_DEFAULT);
    schema_encode(f.now, &b);
    CU_ASSERT_EQUAL_FATAL(schema_decode(buf_bytes(&b), &again), ERR_OK);
    buf_close(&b);
    schema_check(again);
    CU_ASSERT(uuid_equal(&again->version, &f.now->version));
    auth = schema_keyspace(again, "system_auth");
    CU_ASSERT_PTR_NOT_NULL_FATAL(auth);
    CU_ASSERT_PTR_NOT_NULL(keyspace_table(auth, "role_permissions"));
    schema_unref(again);
    CU_ASSERT_EQUAL(world_drop(&f, "system_auth", "roles", "salted_hash"), ERR_REFUSED);
    CU_ASSERT_EQUAL(world_keyspace(&f, "system_views", 1), ERR_INVALID);
    CU_ASSERT_EQUAL(world_keyspace(&f, "system_auth", 1), ERR_EXISTS);
}

/* SELECT * order: keys as declared, then static and regular by name; ids never come twice. */
static void columns_have_their_order_and_ids(void)
{
    static const char *const want[] = {"p2", "p1", "c", "sa", "sb", "a", "m", "z"};
    CU_ASSERT_EQUAL(world_keyspace(&f, "k", 3), ERR_OK);
    CU_ASSERT_EQUAL(world_table(&f, "k", "t",
                                "z int, p1 int, m map<int, int>, sb int static, p2 text, c int, "
                                "sa int static, a int",
                                "p2 p1", "c-", NULL),
                    ERR_OK);
    const struct table *t = schema_table(f.now, "k", "t");
    CU_ASSERT_EQUAL_FATAL(t->column_count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        CU_ASSERT_STRING_EQUAL(t->columns[i].name, want[i]);
    CU_ASSERT(table_column(t, "c")->reversed);
    CU_ASSERT_EQUAL(table_column(t, "p1")->position, 1);
    uint32_t id = table_column(t, "a")->id;
    CU_ASSERT_EQUAL(world_drop(&f, "k", "t", "a"), ERR_OK);
    CU_ASSERT_EQUAL(world_add(&f, "k", "t", "a", "text"), ERR_OK);
    t = schema_table(f.now, "k", "t");
    CU_ASSERT(table_column(t, "a")->id > id);
    CU_ASSERT_STRING_EQUAL(table_dropped_by_id(t, id)->name, "a");
    CU_ASSERT_EQUAL(world_rename(&f, "k", "t", "c", "d"), ERR_OK);
    t = schema_table(f.now, "k", "t");
    CU_ASSERT(table_column(t, "c") == NULL && table_column(t, "d")->reversed);
}

static void a_snapshot_never_changes(void)
{
    CU_ASSERT_EQUAL(world_keyspace(&f, "k", 3), ERR_OK);
    CU_ASSERT_EQUAL(world_table(&f, "k", "t", "a int, b int", "a", "", NULL), ERR_OK);
    const struct schema *before = schema_ref(f.now);
    const struct table *t = table_ref(schema_table(before, "k", "t"));
    CU_ASSERT_EQUAL(world_add(&f, "k", "t", "c", "int"), ERR_OK);
    CU_ASSERT_EQUAL(t->column_count, 2);
    CU_ASSERT_EQUAL(schema_table(f.now, "k", "t")->column_count, 3);
    CU_ASSERT(!uuid_equal(&before->version, &f.now->version));
    schema_unref(before);
    CU_ASSERT_STRING_EQUAL(t->name, "t"); /* a reference outlives its schema */
    table_unref(t);
}

/* Random statements: two nodes that apply the same come to the same version, and a third that gets
 * the bytes of the snapshot too; unknown names and duplicates are simply refused. */
static void nodes_agree(void)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    static const char *const types[] = {"int", "text", "list<int>", "counter", "tuple<int>"};
    struct world other;
    struct rng r;
    uint32_t accepted = 0;
    world_init(&other);
    rng_init(&r, 21);
    for (int i = 0; i < 600; i++) {
        const char *ks = names[rng_below(&r, 2)];
        const char *t = names[rng_below(&r, 3)];
        const char *c = names[rng_below(&r, 4)];
        const char *type = types[rng_below(&r, ARRAY_LEN(types))];
        uint64_t kind = rng_below(&r, 9);
        enum err got[2];
        for (int n = 0; n < 2; n++) {
            struct world *w = n == 0 ? &f : &other;
            struct ddl drop = {.kind = DDL_DROP_TABLE, .keyspace = ks, .table = t};
            switch (kind) {
            case 0: got[n] = world_keyspace(w, ks, 1); break;
            case 1: got[n] = world_apply(w, &drop); break;
            case 2:
            case 3: got[n] = world_table(w, ks, t, "a int, b int, c int", "a", "b", NULL); break;
            case 4:
            case 5: got[n] = world_add(w, ks, t, c, type); break;
            case 6: got[n] = world_drop(w, ks, t, c); break;
            case 7: got[n] = world_rename(w, ks, t, c, type); break;
            default: got[n] = world_with(w, ks, t, "comment", c); break;
            }
        }
        CU_ASSERT_EQUAL(got[0], got[1]);
        CU_ASSERT(uuid_equal(&f.now->version, &other.now->version));
        accepted += got[0] == ERR_OK;
        struct buf bytes;
        struct buf again;
        const struct schema *copy = NULL;
        buf_init(&bytes, BUF_MAX_DEFAULT);
        buf_init(&again, BUF_MAX_DEFAULT);
        schema_encode(f.now, &bytes);
        CU_ASSERT_EQUAL_FATAL(schema_decode(buf_bytes(&bytes), &copy), ERR_OK);
        schema_check(copy);
        schema_encode(copy, &again);
        CU_ASSERT(bytes_equal(buf_bytes(&bytes), buf_bytes(&again)));
        CU_ASSERT(uuid_equal(&f.now->version, &copy->version) && copy->epoch == f.now->epoch);
        schema_unref(copy);
        buf_close(&bytes);
        buf_close(&again);
    }
    CU_ASSERT(accepted > 50);
    world_close(&other);
}

/* A snapshot with any byte changed or cut off is refused or is a sound schema; never a crash. */
static void broken_snapshots_are_survived(void)
{
    struct buf bytes;
    struct rng r;
    rng_init(&r, 4);
    buf_init(&bytes, BUF_MAX_DEFAULT);
    CU_ASSERT_EQUAL(world_keyspace(&f, "k", 3), ERR_OK);
    CU_ASSERT_EQUAL(world_table(&f, "k", "t", "a int, b int, c map<int, text>", "a", "b-", NULL),
                    ERR_OK);
    CU_ASSERT_EQUAL(world_drop(&f, "k", "t", "c"), ERR_OK);
    schema_encode(f.now, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        const struct schema *s = NULL;
        uint8_t old = bytes.data[i];
        CU_ASSERT_NOT_EQUAL(schema_decode(bytes_make(bytes.data, i), &s), ERR_OK);
        bytes.data[i] = (uint8_t)rng_next(&r);
        if (schema_decode(buf_bytes(&bytes), &s) == ERR_OK) {
            schema_check(s);
            schema_unref(s);
        }
        bytes.data[i] = old;
    }
    buf_close(&bytes);
}

static void speculation_texts(void)
{
    static const struct {
        const char *text;
        int kind; /* -1: refused */
        double percentile;
        double ms;
    } rows[] = {{"99p", SPECULATE_PERCENTILE, 99, 0},
                {"99.9PERCENTILE", SPECULATE_PERCENTILE, 99.9, 0},
                {"10ms", SPECULATE_FIXED, 0, 10},
                {"always", SPECULATE_ALWAYS, 0, 0},
                {"NONE", SPECULATE_NEVER, 0, 0},
                {"MIN(99p,50ms)", SPECULATE_MIN, 99, 50},
                {"max(50ms, 99p)", SPECULATE_MAX, 99, 50},
                {"foo", -1, 0, 0},
                {"100p", -1, 0, 0},
                {"MIN(1ms,2ms)", -1, 0, 0},
                {"", -1, 0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct speculation s = {0};
        bool ok = speculation_parse(rows[i].text, &s);
        CU_ASSERT_EQUAL(ok, rows[i].kind >= 0);
        CU_ASSERT(!ok || ((int)s.kind == rows[i].kind && s.percentile == rows[i].percentile &&
                          s.ms == rows[i].ms));
    }
}

CU_TestInfo schema_tests[] = {
    {"drivers find what they ask for", drivers_find_what_they_ask_for},
    {"replicated system keyspaces are of the ring", replicated_system_keyspaces_are_of_the_ring},
    {"columns have their order and ids", columns_have_their_order_and_ids},
    {"a snapshot never changes", a_snapshot_never_changes},
    {"nodes agree", nodes_agree},
    {"broken snapshots are survived", broken_snapshots_are_survived},
    {"speculation texts", speculation_texts},
    CU_TEST_INFO_NULL};
