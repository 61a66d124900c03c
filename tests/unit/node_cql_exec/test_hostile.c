/* Clients that send anything: spliced statements, values of any bytes, forged paging states. Every
 * request must get one well-formed reply, and the node must go on. */
#include "one_node.h"

#include "base/rng.h"
#include "node/schema/value.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct one_node n;
void exec_hostile_setup(void);
void exec_hostile_teardown(void);

void exec_hostile_setup(void)
{
    one_node_open(&n);
    one_node_query(&n, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}");
    one_node_query(&n, "USE ks");
    one_node_query(&n, "CREATE TABLE t (k int, c text, a ascii, b bigint, d date, de decimal, du "
                       "duration, f float, i inet, ti time, ts timestamp, u timeuuid, v varint, "
                       "l list<int>, s set<text>, m map<text, int>, fl frozen<list<varint>>, "
                       "st int STATIC, PRIMARY KEY (k, c))");
}

void exec_hostile_teardown(void)
{
    one_node_close(&n);
}

static const char *const statements[] = {
    "SELECT k, c, count(*), writetime(a), m['x'], token(k) FROM t WHERE k = 1 AND c > 'a' LIMIT 3",
    "SELECT * FROM t WHERE k IN (1, 2) AND (c) >= ('b') ORDER BY c DESC PER PARTITION LIMIT 2",
    "SELECT max(v), cast(b AS text) FROM t WHERE token(k) > -5 AND a = 'x' ALLOW FILTERING",
    "SELECT * FROM system_schema.columns WHERE keyspace_name = 'ks' AND table_name = 't'",
    "INSERT INTO t (k, c, l, s, m, du) VALUES (1, 'x', [1, 2], {'a'}, {'b': 2}, 1d) USING TTL 5",
    "UPDATE t USING TTL 5 SET l = l + [1], m['q'] = 7, l[0] = 3 WHERE k = 1 AND c = 'x'",
    "DELETE l[0], m['b'], a FROM t WHERE k = 1 AND c IN ('x', 'y')",
    "DELETE FROM t WHERE k = 1 AND c >= 'b' AND c < 'd'",
    "BEGIN BATCH INSERT INTO t (k, c) VALUES (1, 'z'); DELETE FROM t WHERE k = 2 APPLY BATCH",
    "CREATE TABLE x (k int PRIMARY KEY, v map<text, frozen<set<int>>>) WITH comment = 'y'",
    "ALTER TABLE t ADD w int",
    "DESCRIBE TABLE t",
};

/* Words of one statement with words of another. */
static size_t splice(struct rng *r, char *out, size_t size)
{
    const char *a = statements[rng_below(r, ARRAY_LEN(statements))];
    const char *b = statements[rng_below(r, ARRAY_LEN(statements))];
    const char *cut = strchr(a + rng_below(r, strlen(a)), ' ');
    const char *on = strchr(b + rng_below(r, strlen(b)), ' ');
    int len = cut != NULL ? (int)(cut - a) : (int)strlen(a);
    int n_out =
        snprintf(out, size, "%.*s%s", len, a, on != NULL && rng_chance(r, 700000) ? on : "");
    if (n_out > 0 && rng_chance(r, 100000))
        out[rng_below(r, (uint64_t)n_out)] = (char)rng_below(r, 256);
    return (size_t)n_out;
}

static void spliced_statements(void)
{
    struct rng r;
    rng_init(&r, 11);
    for (int i = 0; i < 6000; i++) {
        char text[512];
        struct cql_request q = {.opcode = rng_chance(&r, 300000) ? CQL_PREPARE : CQL_QUERY};
        struct bytes cql = bytes_make(text, splice(&r, text, sizeof text));
        if (q.opcode == CQL_PREPARE) {
            q.prepare.text = cql;
        } else {
            q.query.text = cql;
            q.query.params.consistency = CQL_CL_ONE;
            q.query.params.flags = CQL_QUERY_PAGE_SIZE;
            q.query.params.page_size = (int32_t)rng_between(&r, -1, 3);
        }
        one_node_request(&n, &q);
        (void)one_node_text(&n);
    }
}

static void values_of_any_bytes(void)
{
    static const char *const prepared[] = {
        "INSERT INTO t (k, c, a, b, d, de, du, f, i, ti, ts, u, v, l, s, m, fl, st) VALUES (?, ?, "
        "?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "UPDATE t USING TTL ? AND TIMESTAMP ? SET l = l - ?, s = s + ?, m[?] = ?, l[?] = ? WHERE k "
        "IN "
        "? AND c IN ?",
        "SELECT * FROM t WHERE k IN ? AND c > ? AND fl = ? PER PARTITION LIMIT ? LIMIT ? ALLOW "
        "FILTERING",
        "SELECT * FROM t WHERE token(k) > ? AND v = ? AND m CONTAINS KEY ? AND s CONTAINS ? ALLOW "
        "FILTERING",
        "INSERT INTO t (k, c, a) VALUES (1, ?, ?)",
        "INSERT INTO t (k, c, de, v) VALUES (?, 'x', ?, ?)",
        "INSERT INTO t (k, c, du) VALUES (1, 'x', ?)",
        "INSERT INTO t (k, c, l) VALUES (1, 'x', ?)",
        "INSERT INTO t (k, c, s) VALUES (1, 'x', ?)",
        "INSERT INTO t (k, c, m) VALUES (1, 'x', ?)",
        "INSERT INTO t (k, c, fl) VALUES (1, 'x', ?)",
        "UPDATE t SET l = ? + l, st = ? WHERE k = 1 AND c = ?",
        "UPDATE t SET l[?] = 1 WHERE k = 1 AND c = 'x'",
        "UPDATE t SET l = l - ? WHERE k = 1 AND c = 'x'",
        "SELECT * FROM t WHERE k = 1 AND c IN ?",
        "SELECT * FROM t WHERE de > ? AND fl >= ? ALLOW FILTERING",
    };
    struct rng r;
    rng_init(&r, 12);
    for (int i = 0; i < 4000; i++) {
        struct cql_value values[18];
        uint8_t room[18][24];
        for (size_t k = 0; k < ARRAY_LEN(values); k++) {
            static const size_t lengths[] = {0, 1, 4, 4, 4, 8, 8, 12, 16, 20};
            size_t len = lengths[rng_below(&r, ARRAY_LEN(lengths))];
            for (size_t b = 0; b < sizeof room[k]; b++) /* small numbers make likely lengths */
                room[k][b] = rng_chance(&r, 700000) ? 0 : (uint8_t)rng_below(&r, 9);
            values[k] = cql_value_make(bytes_make(room[k], len));
            if (rng_chance(&r, 50000))
                values[k].kind = rng_chance(&r, 500000) ? CQL_VALUE_NULL : CQL_VALUE_UNSET;
        }
        size_t which = (size_t)rng_below(&r, ARRAY_LEN(prepared));
        const char *text = prepared[which];
        size_t count = 0;
        for (const char *p = text; *p != '\0'; p++)
            count += *p == '?';
        (void)one_node_execute(&n, text, values, count);
    }
    CU_ASSERT(n.writes > 100);
}

static void forged_paging_states(void)
{
    struct rng r;
    char text[64];
    rng_init(&r, 13);
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "INSERT INTO t (k, c, st) VALUES (%d, 'c%d', 1)", i % 4, i);
        CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), "void");
    }
    for (int i = 0; i < 2000; i++) {
        uint8_t room[256];
        const char *cql = rng_chance(&r, 500000) ? "SELECT k, c FROM t"
                                                 : "SELECT k, c FROM t WHERE k IN (0, 1, 2)";
        one_node_page(&n, cql, 1 + (int32_t)rng_below(&r, 5), BYTES_NONE);
        struct bytes state = n.response.rows.metadata.paging_state;
        CU_ASSERT_FATAL(state.len > 4 && state.len < sizeof room);
        memcpy(room, state.data, state.len);
        room[rng_below(&r, state.len)] ^= (uint8_t)(1 + rng_below(&r, 255));
        size_t len = rng_chance(&r, 800000) ? state.len : (size_t)rng_below(&r, state.len);
        one_node_page(&n, cql, 2, bytes_make(room, len));
        CU_ASSERT_EQUAL(n.response.opcode, len > 0 ? CQL_ERROR : CQL_RESULT);
        uint64_t check = bytes_hash(bytes_make(room, state.len - 4)); /* now with care */
        store_u32(room + state.len - 4, (uint32_t)(check ^ check >> 32));
        one_node_page(&n, cql, 2, bytes_make(room, state.len));
    }
}

static void text_that_is_no_text(void)
{
    static const struct story story[] = {
        {"SELECT \"\xff\" FROM t", "PROTOCOL: Cannot decode string as UTF8"},
        {"SELECT \"\xc3\xa9\" FROM t", "INVALID: Undefined column name \xc3\xa9 in table ks.t"},
        {NULL, NULL},
    };
    struct cql_request q = {.opcode = CQL_PREPARE};
    char text[2000];
    one_node_story(&n, story);
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < 999; i++) /* a name of two-byte characters, cut in the message */
        memcpy(text + 2 * i, "\xc3\xa9", 2);
    memcpy(text, "SELECT \"", 8);
    memcpy(text + 1980, "\" FROM t LIMIT 10   ", 20);
    for (int shift = 0; shift < 2; shift++) { /* one of them cuts within a character */
        if (shift == 1) {
            text[8] = 'y';
            memmove(text + 9, text + 10, sizeof text - 10);
        }
        q.prepare.text = bytes_make(text, sizeof text);
        one_node_request(&n, &q);
        CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
        CU_ASSERT_EQUAL(value_validate(cql_type_native(CQL_TEXT), n.response.error.message, NULL),
                        ERR_OK);
    }
    size_t before = exec_stats(n.exec).prepared;
    q.prepare.text = BYTES_LIT("SELECT \"a\0b\" FROM t");
    one_node_request(&n, &q);
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_SYNTAX);
    q.prepare.text = BYTES_LIT("SELECT nope FROM t");
    one_node_request(&n, &q);
    CU_ASSERT_EQUAL(exec_stats(n.exec).prepared, before); /* what failed is not kept */
}

/* `head`, then `count` times `each` with the number for "%d" and commas between, then `tail`. */
static const char *repeat(struct buf *b, const char *head, const char *each, int count,
                          const char *between, const char *tail)
{
    buf_clear(b);
    buf_printf(b, "%s", head);
    for (int i = 0; i < count; i++) {
        const char *number = strstr(each, "%d");
        buf_printf(b, "%s%.*s", i > 0 ? between : "",
                   number != NULL ? (int)(number - each) : (int)strlen(each), each);
        if (number != NULL)
            buf_printf(b, "%d%s", i, number + 2);
    }
    buf_printf(b, "%s", tail);
    buf_put_u8(b, 0);
    CU_ASSERT_FATAL(!b->failed);
    return one_node_query(&n, (const char *)b->data);
}

/* Each of these took as long, or as much memory, as the square of what was sent. */
static void long_statements(void)
{
    struct buf b;
    buf_init(&b, (size_t)16 << 20);
    CU_ASSERT_STRING_EQUAL(repeat(&b, "BEGIN UNLOGGED BATCH ",
                                  "INSERT INTO t (k, c, b) VALUES (900, 'c%d', 1)", 10000, "; ",
                                  " APPLY BATCH"),
                           "void");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT count(*) FROM t WHERE k = 900"), "10000");
    CU_ASSERT_STRING_EQUAL(
        repeat(&b, "INSERT INTO t (k, c, l) VALUES (901, 'x', [", "%d", 30000, ",", "])"), "void");
    CU_ASSERT_STRING_EQUAL(
        repeat(&b, "UPDATE t SET ", "l[%d] = 7", 10000, ",", " WHERE k = 901 AND c = 'x'"), "void");
    CU_ASSERT_STRING_EQUAL(
        repeat(&b, "UPDATE t SET l = l - [", "%d", 30000, ",", "] WHERE k = 901 AND c = 'x'"),
        "void");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT l FROM t WHERE k = 901"), "null");
    CU_ASSERT_STRING_EQUAL(
        repeat(&b, "UPDATE t SET l = l - [1] WHERE k IN (", "%d", 5000, ",", ") AND c = 'none'"),
        "void");
    CU_ASSERT_STRING_EQUAL(
        repeat(&b, "INSERT INTO t (k, c, s) VALUES (902, 'x', {", "'e%d'", 20000, ",", "})"),
        "void");
    CU_ASSERT_STRING_EQUAL(repeat(&b, "UPDATE t SET b = 2 WHERE k = 902 AND c = 'x' IF ",
                                  "s CONTAINS 'e0'", 3000, " AND ", ""),
                           "true");
    buf_close(&b);
}

static void schema_changes_that_are_too_long(void)
{
    struct buf b;
    buf_init(&b, (size_t)16 << 20);
    static const char *const refused =
        "INVALID: The statement lists 20000 things, at most 4096 are possible";
    CU_ASSERT_STRING_EQUAL(
        repeat(&b, "CREATE TABLE y (", "c%d int", 20000, ",", ", PRIMARY KEY (c0))"), refused);
    CU_ASSERT_STRING_EQUAL(repeat(&b, "CREATE TYPE y (", "c%d int", 20000, ",", ")"), refused);
    CU_ASSERT_STRING_EQUAL(
        repeat(&b, "CREATE TABLE y (k int PRIMARY KEY) WITH ", "p%d = 'x'", 20000, " AND ", ""),
        refused);
    const char *options = repeat(&b, "CREATE TABLE y (k int PRIMARY KEY) WITH compaction = {",
                                 "'p%d': 'x'", 20000, ",", "}");
    CU_ASSERT_EQUAL(strncmp(options, refused, strlen(refused)), 0);
    buf_close(&b);
}

CU_TestInfo exec_hostile_tests[] = {
    {"spliced statements", spliced_statements},
    {"values of any bytes", values_of_any_bytes},
    {"forged paging states", forged_paging_states},
    {"text that is no text", text_that_is_no_text},
    {"long statements", long_statements},
    {"schema changes that are too long", schema_changes_that_are_too_long},
    CU_TEST_INFO_NULL,
};
