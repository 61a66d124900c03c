/* Counters: what is counted, what is refused, and that a request that is sent again counts once. */
#include "one_node.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

void exec_counters_setup(void);
void exec_counters_teardown(void);

static struct one_node n;

void exec_counters_setup(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
         "'replication_factor': 1}",
         "CREATED KEYSPACE ks"},
        {"USE ks", "keyspace ks"},
        {"CREATE TABLE t (k int, c int, s counter static, a counter, b counter, PRIMARY KEY (k, "
         "c))",
         "CREATED TABLE ks.t"},
        {"CREATE TABLE p (k int PRIMARY KEY, v int)", "CREATED TABLE ks.p"},
        {NULL, NULL},
    };
    one_node_open(&n);
    one_node_story(&n, story);
}

void exec_counters_teardown(void)
{
    one_node_close(&n);
}

static void counting(void)
{
    static const struct story story[] = {
        {"UPDATE t SET a = a + 5 WHERE k = 1 AND c = 1", "void"},
        {"UPDATE t SET a = a - 2, b += 7 WHERE k = 1 AND c = 1", "void"},
        {"UPDATE t SET s -= 3 WHERE k = 1", "void"},
        {"SELECT * FROM t", "1, 1, -3, 3, 7"},
        {"UPDATE t SET a = a + 1, a = a + 1 WHERE k = 1 AND c IN (1, 2)", "void"},
        {"SELECT c, a, b FROM t", "1, 5, 7 | 2, 2, null"},
        {"SELECT sum(a), max(a), CAST(s AS text) FROM t WHERE k = 1", "7, 5, '-3'"},
        {"SELECT c FROM t WHERE a > 3 ALLOW FILTERING", "1"},
        {"UPDATE t SET a = a + 9223372036854775807 WHERE k = 1 AND c = 2", "void"},
        {"SELECT a FROM t WHERE k = 1 AND c = 2", "-9223372036854775807"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
    CU_ASSERT_EQUAL(n.kind, CQL_WRITE_COUNTER);
}

/* A deletion takes what was counted before it, and nothing else. */
static void deleting(void)
{
    static const struct story story[] = {
        {"UPDATE t SET a = a + 5, b = b + 6, s = s + 1 WHERE k = 1 AND c = 1", "void"},
        {"DELETE a FROM t WHERE k = 1 AND c = 1", "void"},
        {"SELECT * FROM t", "1, 1, 1, null, 6"},
        {"UPDATE t SET a = a + 2 WHERE k = 1 AND c = 1", "void"},
        {"SELECT * FROM t", "1, 1, 1, 2, 6"},
        {"DELETE FROM t WHERE k = 1 AND c = 1", "void"},
        {"SELECT * FROM t", "1, null, 1, null, null"},
        {"UPDATE t SET a = a + 4 WHERE k = 1 AND c = 1", "void"},
        {"SELECT * FROM t", "1, 1, 1, 4, null"},
        {"DELETE FROM t WHERE k = 1", "void"},
        {"SELECT * FROM t", "(no rows)"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void batches(void)
{
    static const struct story story[] = {
        {"BEGIN COUNTER BATCH UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1; UPDATE t SET a = a + 1 "
         "WHERE k = 1 AND c = 1; UPDATE t SET s = s + 5 WHERE k = 2; APPLY BATCH",
         "void"},
        {"SELECT k, s, a FROM t", "1, null, 2 | 2, 5, null"},
        {"BEGIN UNLOGGED BATCH UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1; APPLY BATCH", "void"},
        {"SELECT a FROM t WHERE k = 1", "3"},
        {"BEGIN BATCH UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1; APPLY BATCH",
         "INVALID: Cannot include a counter statement in a logged batch"},
        {"BEGIN COUNTER BATCH UPDATE p SET v = 1 WHERE k = 1; APPLY BATCH",
         "INVALID: Cannot include non-counter statement in a counter batch"},
        {"BEGIN UNLOGGED BATCH UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1; UPDATE p SET v = 1 "
         "WHERE k = 1; APPLY BATCH",
         "INVALID: Counter and non-counter mutations cannot exist in the same batch"},
        {"BEGIN UNLOGGED BATCH USING TIMESTAMP 4 UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1; "
         "APPLY BATCH",
         "INVALID: Cannot provide custom timestamp for a BATCH containing counters"},
        {"BEGIN COUNTER BATCH APPLY BATCH", "void"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void refused(void)
{
    static const struct story story[] = {
        {"UPDATE t SET a = 5 WHERE k = 1 AND c = 1", "INVALID: Cannot set the value of counter *"},
        {"UPDATE t SET a = b + 5 WHERE k = 1 AND c = 1", "SYNTAX: Only expressions of the form*"},
        {"UPDATE t SET a = 5 + a WHERE k = 1 AND c = 1",
         "INVALID: Invalid operation (a = 5 - a) for non list column a"},
        {"UPDATE t SET a = a + null WHERE k = 1 AND c = 1", "INVALID: Invalid null value for co*"},
        {"UPDATE t SET a = a - -9223372036854775808 WHERE k = 1 AND c = 1",
         "INVALID: The negation of -9223372036854775808 overflows*"},
        {"UPDATE t USING TTL 4 SET a = a + 1 WHERE k = 1 AND c = 1",
         "INVALID: Cannot provide custom TTL for counter updates"},
        {"UPDATE t USING TIMESTAMP 4 SET a = a + 1 WHERE k = 1 AND c = 1",
         "INVALID: Cannot provide custom timestamp for counter updates"},
        {"DELETE FROM t USING TIMESTAMP 4 WHERE k = 1",
         "INVALID: Cannot provide custom timestamp for counter updates"},
        {"INSERT INTO t (k, c, a) VALUES (1, 1, 1)", "INVALID: INSERT statements are not allowed*"},
        {"UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1 IF EXISTS",
         "INVALID: Conditional updates are not supported on counter tables"},
        {"SELECT * FROM t", "(no rows)"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
    n.level = CQL_CL_ANY;
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&n, "UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1"),
        "INVALID: Consistency level ANY is not yet supported for counter table t");
    n.level = CQL_CL_SERIAL;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1"),
                           "INVALID: Counter operations are inherently non-serializable");
}

/* Counts one, as a request with this name or this timestamp. */
static const char *count_one(const char *id, bool has_timestamp, int64_t timestamp)
{
    struct cql_pair pair = {BYTES_LIT("torc_request_id"), bytes_text(id != NULL ? id : "")};
    struct cql_request r = {.opcode = CQL_QUERY};
    r.query.text = BYTES_LIT("UPDATE t SET a = a + 1 WHERE k = 1 AND c = 1");
    r.query.params.consistency = CQL_CL_ONE;
    if (has_timestamp) {
        r.query.params.flags |= CQL_QUERY_TIMESTAMP;
        r.query.params.timestamp = timestamp;
    }
    if (id != NULL)
        r.payload = (struct cql_map){&pair, 1};
    one_node_request(&n, &r);
    return one_node_text(&n);
}

static void once(void)
{
    const char *sum = "SELECT a FROM t";
    CU_ASSERT_STRING_EQUAL(count_one("x", false, 0), "void");
    CU_ASSERT_STRING_EQUAL(count_one("x", false, 0), "void");
    CU_ASSERT_STRING_EQUAL(count_one("x", true, 17), "void"); /* the name goes first */
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, sum), "1");
    (void)count_one("y", false, 0);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, sum), "2");
    (void)count_one(NULL, true, 17);
    (void)count_one(NULL, true, 17); /* the same timestamp of the same client */
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, sum), "3");
    (void)count_one(NULL, true, 18);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, sum), "4");
    (void)count_one(NULL, false, 0);
    (void)count_one(NULL, false, 0); /* nothing names these */
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, sum), "6");
    CU_ASSERT_STRING_EQUAL(count_one("", false, 0),
                           "INVALID: torc_request_id must have 1 to 64 bytes");
}

CU_TestInfo exec_counters_tests[] = {
    {"counting", counting},
    {"deleting", deleting},
    {"batches of counters", batches},
    {"what is refused", refused},
    {"a request that is sent again counts once", once},
    CU_TEST_INFO_NULL,
};
