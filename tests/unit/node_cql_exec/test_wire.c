/* What travels beside rows: prepared statements, bound values, typed errors, events. */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct one_node n;
void exec_wire_setup(void);
void exec_wire_teardown(void);

void exec_wire_setup(void)
{
    one_node_open(&n);
    one_node_query(&n, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}");
    one_node_query(&n, "USE ks");
    one_node_query(&n, "CREATE TABLE t (a int, b int, c int, v text, l list<int>, s set<int>, "
                       "PRIMARY KEY ((a, b), c))");
}

void exec_wire_teardown(void)
{
    one_node_close(&n);
}

static const uint8_t one[] = {0, 0, 0, 1}, two[] = {0, 0, 0, 2};
#define ONE  cql_value_make(bytes_make(one, 4))
#define TWO  cql_value_make(bytes_make(two, 4))
#define TEXT cql_value_make(BYTES_LIT("x"))

static void prepare(const char *cql)
{
    struct cql_request r = {.opcode = CQL_PREPARE};
    r.prepare.text = bytes_text(cql);
    one_node_request(&n, &r);
}

static const struct {
    const char *cql;
    const char *markers; /* names */
    const char *keys;    /* indexes of the partition key; empty: none */
    const char *result;
} prepared[] = {
    {"SELECT v, c FROM t WHERE b = ? AND c > ? AND a = ? LIMIT ?", "b c a [limit]", "2 0", "v c"},
    {"SELECT * FROM t WHERE a = ? AND b IN ?", "a in(b)", "", "a b c l s v"},
    {"SELECT * FROM t WHERE a = :x AND b = 1", "x", "", "a b c l s v"},
    {"SELECT count(*), max(c) FROM t", "", "", "count system.max(c)"},
    {"SELECT token(a, b) FROM t WHERE token(a, b) > ?", "partition key token", "",
     "system.token(a, b)"},
    {"INSERT INTO t (c, b, a, v) VALUES (?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
     "c b a v [timestamp] [ttl]", "2 1", ""},
    {"INSERT INTO t (a, b, c, l) VALUES (?, ?, ?, [?, 2])", "a b c value(l)", "0 1", ""},
    {"UPDATE t SET l[?] = ?, s = s + ? WHERE a = ? AND b = ? AND c IN (?, ?)",
     "idx(l) value(l) s a b c c", "3 4", ""},
    {"DELETE s[?] FROM t WHERE a = ? AND b = ? AND c = ?", "value(s) a b c", "1 2", ""},
    {"BEGIN BATCH INSERT INTO t (a, b, c) VALUES (?, ?, ?); DELETE FROM t WHERE a = ? AND b = 1 "
     "APPLY BATCH",
     "a b c a", "3 1", ""},
    {"SELECT a FROM t WHERE l CONTAINS ? ALLOW FILTERING", "value(l)", "", "a"},
    {"SELECT a FROM t WHERE token(a, b) = token(blobAsInt(?), 1)", "arg0(system.blobasint)", "",
     "a"},
    {"SELECT blobAsInt(?), (int)5, (text) 'x', cast(c AS text) FROM t", "[selection]", "",
     "system.blobasint(?) (int)5 (text)'x' cast(c as text)"},
    {"USE ks", "", "", ""},
};

static void names(const struct cql_metadata *m, char *out, size_t size)
{
    out[0] = '\0';
    for (uint32_t i = 0; i < m->column_count; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s%.*s", i > 0 ? " " : "",
                 (int)m->columns[i].name.len, (const char *)m->columns[i].name.data);
}

static void metadata_of_prepared_statements(void)
{
    for (size_t i = 0; i < ARRAY_LEN(prepared); i++) {
        char text[512], keys[64] = "";
        prepare(prepared[i].cql);
        CU_ASSERT_EQUAL(n.response.opcode, CQL_RESULT);
        if (n.response.opcode != CQL_RESULT) {
            printf("\n  %s -> %s\n", prepared[i].cql, one_node_text(&n));
            continue;
        }
        names(&n.response.prepared.bind, text, sizeof text);
        CU_ASSERT_STRING_EQUAL(text, prepared[i].markers);
        names(&n.response.prepared.result, text, sizeof text);
        CU_ASSERT_STRING_EQUAL(text, prepared[i].result);
        for (size_t k = 0; k < n.response.prepared.bind.pk_count; k++)
            snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s%u", k > 0 ? " " : "",
                     n.response.prepared.bind.pk_indexes[k]);
        CU_ASSERT_STRING_EQUAL(keys, prepared[i].keys);
    }
    prepare("SELECT x FROM t");
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
    prepare("SELECT v FROM t WHERE v = ?");
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
    prepare("SELECT v FRM t");
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_SYNTAX);
    prepare("SELECT * FROM system_schema.scylla_tables");
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
}

static void bound_values(void)
{
    struct cql_value row[] = {ONE, ONE, ONE, TEXT};
    struct cql_value unset[] = {ONE, ONE, ONE, CQL_UNSET};
    struct cql_value null[] = {ONE, ONE, ONE, CQL_NULL};
    struct cql_value bad[] = {ONE, ONE, TEXT, TEXT};
    struct cql_value no_key[] = {CQL_UNSET, ONE, ONE, TEXT};
    const char *insert = "INSERT INTO t (a, b, c, v) VALUES (?, ?, ?, ?)";
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, insert, row, 4), "void");
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, insert, unset, 4), "void");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM t"), "'x'");
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, insert, null, 4), "void");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM t"), "null");
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, insert, row, 3),
                           "INVALID: Invalid amount of bind variables");
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, insert, no_key, 4),
                           "INVALID: Invalid unset value for column a");
    one_node_execute(&n, insert, bad, 4);
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
}

/* What has no value is no end of a range: nothing is deleted by mistake. */
static void ranges_without_end(void)
{
    static const struct {
        const char *range;
        bool null;
        const char *reply;
    } cases[] = {
        {"c > ?", false, "INVALID: Invalid unset value for column c"},
        {"c <= ?", false, "INVALID: Invalid unset value for column c"},
        {"c > 0 AND c < ?", false, "INVALID: Invalid unset value for column c"},
        {"(c) > (?)", false, "INVALID: Invalid unset value for tuple field number 0"},
        {"(c) > ?", false, "INVALID: Invalid unset value for tuple (c)"},
        {"(c) IN ?", false, "INVALID: Invalid unset value for in(c)"},
        {"c > ?", true, "INVALID: Invalid null value in condition for column c"},
        {"c <= ?", true, "INVALID: Invalid null value in condition for column c"},
        {"(c) > (?)", true, "INVALID: Invalid null value in condition for column c"},
        {"(c) = (?)", true, "INVALID: Invalid null value for column c"},
    };
    one_node_query(&n, "INSERT INTO t (a, b, c, v) VALUES (1, 1, 1, 'x')");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char cql[128];
        struct cql_value value = cases[i].null ? CQL_NULL : CQL_UNSET;
        snprintf(cql, sizeof cql, "DELETE FROM t WHERE a = 1 AND b = 1 AND %s", cases[i].range);
        CU_ASSERT_STRING_EQUAL(one_node_execute(&n, cql, &value, 1), cases[i].reply);
    }
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM t"), "'x'");
}

static void named_values(void)
{
    struct cql_request r = {.opcode = CQL_QUERY};
    struct cql_value values[] = {TEXT, ONE, TWO, ONE};
    struct bytes labels[] = {BYTES_LIT("w"), BYTES_LIT("c"), BYTES_LIT("b"), BYTES_LIT("a")};
    r.query.text = BYTES_LIT("INSERT INTO t (a, b, c, v) VALUES (:a, :b, ?, :w)");
    r.query.params.consistency = CQL_CL_ONE;
    r.query.params.flags = CQL_QUERY_VALUES | CQL_QUERY_NAMES | CQL_QUERY_TIMESTAMP;
    r.query.params.timestamp = 77;
    r.query.params.values = (struct cql_values){values, labels, 4};
    one_node_request(&n, &r);
    CU_ASSERT_STRING_EQUAL(one_node_text(&n), "void");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT a, b, c, v, writetime(v) FROM t"),
                           "1, 2, 1, 'x', 77");
}

static void unprepared(void)
{
    struct cql_request r = {.opcode = CQL_EXECUTE};
    r.execute.id = BYTES_LIT("0123456789abcdef");
    one_node_request(&n, &r);
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_UNPREPARED);
    CU_ASSERT(bytes_equal(n.response.error.id, r.execute.id));
}

static void old_statements_go(void)
{
    struct exec_config config = {.seed = 1, .prepared_max = 4};
    exec_free(n.exec);
    n.exec = exec_new(&config);
    exec_set_view(n.exec, &n.view);
    for (int i = 0; i < 10; i++) {
        char text[64];
        snprintf(text, sizeof text, "SELECT v FROM t LIMIT %d", i + 1);
        prepare(text);
        CU_ASSERT_EQUAL(n.response.opcode, CQL_RESULT);
    }
    CU_ASSERT_EQUAL(exec_stats(n.exec).prepared, 4);
    CU_ASSERT_EQUAL(exec_stats(n.exec).evictions, 6);
}

static void batch_frames(void)
{
    struct cql_value values[] = {ONE, ONE, TWO, TEXT};
    uint8_t id[16];
    prepare("INSERT INTO ks.t (a, b, c, v) VALUES (?, ?, ?, ?)");
    memcpy(id, n.response.prepared.id.data, sizeof id);
    struct cql_batch_item items[] = {
        {true, bytes_make(id, sizeof id), {values, NULL, 4}},
        {false, BYTES_LIT("UPDATE t SET s = {1} WHERE a = 1 AND b = 1 AND c = 2"), {0}},
        {false, BYTES_LIT("INSERT INTO t (a, b, c) VALUES (5, 5, 5)"), {0}},
    };
    struct cql_request r = {.opcode = CQL_BATCH};
    r.batch.type = CQL_BATCH_UNLOGGED;
    r.batch.items = items;
    r.batch.count = 3;
    r.batch.params.consistency = CQL_CL_QUORUM;
    one_node_request(&n, &r);
    CU_ASSERT_STRING_EQUAL(one_node_text(&n), "void");
    CU_ASSERT_EQUAL(n.kind, CQL_WRITE_UNLOGGED_BATCH);
    CU_ASSERT_EQUAL(n.mutations, 2);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v, s FROM t WHERE a = 1 AND b = 1"),
                           "'x', {1}");
    items[1].statement = BYTES_LIT("SELECT * FROM t");
    one_node_request(&n, &r);
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
    items[0].statement = BYTES_LIT("0123456789abcdef");
    one_node_request(&n, &r);
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_UNPREPARED);
}

static void errors_of_the_coordinator(void)
{
    static const struct {
        enum err err;
        enum cql_error_code read, write;
    } rows[] = {
        {ERR_UNAVAILABLE, CQL_ERROR_UNAVAILABLE, CQL_ERROR_UNAVAILABLE},
        {ERR_TIMEOUT, CQL_ERROR_READ_TIMEOUT, CQL_ERROR_WRITE_TIMEOUT},
        {ERR_FAILED, CQL_ERROR_READ_FAILURE, CQL_ERROR_WRITE_FAILURE},
        {ERR_OVERLOADED, CQL_ERROR_OVERLOADED, CQL_ERROR_OVERLOADED},
        {ERR_IO, CQL_ERROR_SERVER, CQL_ERROR_SERVER},
    };
    n.level = CQL_CL_QUORUM;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        n.fail_reads = n.fail_writes = rows[i].err;
        one_node_query(&n, "SELECT * FROM t");
        CU_ASSERT_EQUAL(n.response.error.code, rows[i].read);
        one_node_query(&n, "INSERT INTO t (a, b, c) VALUES (1, 1, 1)");
        CU_ASSERT_EQUAL(n.response.error.code, rows[i].write);
        if (rows[i].err == ERR_TIMEOUT) {
            CU_ASSERT_EQUAL(n.response.error.consistency, CQL_CL_QUORUM);
            CU_ASSERT_EQUAL(n.response.error.required, 2);
            CU_ASSERT_EQUAL(n.response.error.write_type, CQL_WRITE_SIMPLE);
        }
    }
}

static void levels(void)
{
    n.level = CQL_CL_ANY;
    one_node_query(&n, "SELECT * FROM t");
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "INSERT INTO t (a, b, c) VALUES (1, 1, 1)"), "void");
    n.level = CQL_CL_EACH_QUORUM;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT a FROM t"), "1");
    n.level = CQL_CL_SERIAL;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "INSERT INTO t (a, b, c) VALUES (1, 1, 1)"),
                           "INVALID: You must use conditional updates for serializable writes");
}

static void other_messages(void)
{
    struct bytes events[] = {BYTES_LIT("SCHEMA_CHANGE"), BYTES_LIT("STATUS_CHANGE")};
    struct cql_request r = {.opcode = CQL_OPTIONS};
    one_node_request(&n, &r);
    CU_ASSERT_STRING_EQUAL(one_node_text(&n), "SUPPORTED");
    r.opcode = CQL_STARTUP;
    r.startup = (struct cql_map){0};
    one_node_request(&n, &r);
    CU_ASSERT_STRING_EQUAL(one_node_text(&n), "READY");
    r.opcode = CQL_REGISTER;
    r.events = (struct cql_string_list){events, 2};
    one_node_request(&n, &r);
    CU_ASSERT_EQUAL(n.events, 1u << CQL_EVENT_SCHEMA_CHANGE | 1u << CQL_EVENT_STATUS_CHANGE);
    events[0] = BYTES_LIT("NOPE");
    one_node_request(&n, &r);
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_PROTOCOL);
}

static void version_five(void)
{
    struct cql_request r = {.opcode = CQL_PREPARE};
    uint8_t id[16], metadata[16];
    n.version = 5;
    r.prepare.text = BYTES_LIT("SELECT * FROM t WHERE a = 1 AND b = 1");
    one_node_request(&n, &r);
    memcpy(id, n.response.prepared.id.data, sizeof id);
    memcpy(metadata, n.response.prepared.result_metadata_id.data, sizeof metadata);
    r = (struct cql_request){.opcode = CQL_EXECUTE};
    r.execute.id = bytes_make(id, sizeof id);
    r.execute.result_metadata_id = bytes_make(metadata, sizeof metadata);
    r.execute.params.consistency = CQL_CL_ONE;
    r.execute.params.flags = CQL_QUERY_SKIP_METADATA;
    one_node_request(&n, &r);
    CU_ASSERT(n.response.rows.metadata.flags & CQL_META_NONE);
    one_node_query(&n, "ALTER TABLE t ADD w int");
    one_node_request(&n, &r);
    CU_ASSERT(n.response.rows.metadata.flags & CQL_META_CHANGED);
    CU_ASSERT_EQUAL(n.response.rows.metadata.column_count, 7);
}

/* A connection that goes away takes its requests with it; late results find nobody. */
static void closed_connections(void)
{
    struct exec_result r = {.err = ERR_OK};
    n.held = true;
    one_node_query(&n, "INSERT INTO t (a, b, c) VALUES (1, 1, 1)");
    CU_ASSERT_EQUAL(exec_stats(n.exec).running, 1);
    exec_conn_closed(n.exec, 1);
    CU_ASSERT_EQUAL(exec_stats(n.exec).running, 0);
    exec_done(n.exec, n.now, n.waiting, &r);
    const struct exec_effect *effects;
    CU_ASSERT_EQUAL(exec_effects(n.exec, &effects), 0);
    exec_clear(n.exec);
    n.held = false;
}

/* Whatever could be stored can be read back, page by page. */
static void large_values(void)
{
    static const size_t sizes[] = {(size_t)1 << 20, EXEC_VALUE_MAX, EXEC_VALUE_MAX, 100};
    const char *insert = "INSERT INTO t (a, b, c, v) VALUES (1, 2, ?, ?)";
    struct buf text;
    buf_init(&text, EXEC_VALUE_MAX + 1);
    for (size_t i = 0; i <= EXEC_VALUE_MAX; i++)
        buf_put_u8(&text, 'x');
    for (uint8_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t c[] = {0, 0, 0, i};
        struct cql_value row[] = {cql_value_make(bytes_make(c, 4)),
                                  cql_value_make(bytes_make(text.data, sizes[i]))};
        CU_ASSERT_STRING_EQUAL(one_node_execute(&n, insert, row, 2), "void");
    }
    struct cql_value too_large[] = {ONE, cql_value_make(buf_bytes(&text))};
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, insert, too_large, 2),
                           "INVALID: The value for v is too large: 12582913 bytes, at most "
                           "12582912 are stored");
    buf_close(&text);
    static const size_t pages[] = {2, 1, 1};
    struct buf state;
    buf_init(&state, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        one_node_page(&n, "SELECT v FROM t", 5000, buf_bytes(&state));
        CU_ASSERT_EQUAL_FATAL(n.response.opcode, CQL_RESULT);
        CU_ASSERT_EQUAL(n.response.rows.count, pages[i]);
        buf_clear(&state);
        buf_put_bytes(&state, n.response.rows.metadata.paging_state);
    }
    CU_ASSERT_EQUAL(state.len, 0);
    buf_close(&state);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM t"),
                           "INVALID: The result is larger than 14680064 bytes: use paging");
}

CU_TestInfo exec_wire_tests[] = {
    {"large values", large_values},
    {"metadata of prepared statements", metadata_of_prepared_statements},
    {"bound values: null, unset, wrong", bound_values},
    {"ranges whose end is null or unset", ranges_without_end},
    {"named values and the protocol's timestamp", named_values},
    {"unknown ids", unprepared},
    {"old statements go", old_statements_go},
    {"BATCH frames", batch_frames},
    {"errors of the coordinator", errors_of_the_coordinator},
    {"levels", levels},
    {"OPTIONS, STARTUP, REGISTER", other_messages},
    {"version 5: metadata that changed", version_five},
    {"closed connections", closed_connections},
    CU_TEST_INFO_NULL,
};
