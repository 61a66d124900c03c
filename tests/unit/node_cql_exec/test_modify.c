/* INSERT, UPDATE, DELETE and BATCH. */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct one_node n;
void exec_modify_setup(void);
void exec_modify_teardown(void);

void exec_modify_setup(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1}",
         "CREATED KEYSPACE ks"},
        {"USE ks", "keyspace ks"},
        {"CREATE TABLE kv (k int PRIMARY KEY, v text, w text)", "CREATED TABLE ks.kv"},
        {"CREATE TABLE t (k int, c int, s int STATIC, v int, PRIMARY KEY (k, c))",
         "CREATED TABLE ks.t"},
        {"CREATE TABLE col (k int PRIMARY KEY, l list<int>, s set<int>, m map<text, int>, "
         "f frozen<list<int>>)",
         "CREATED TABLE ks.col"},
        {NULL, NULL},
    };
    one_node_open(&n);
    one_node_story(&n, story);
}

void exec_modify_teardown(void)
{
    one_node_close(&n);
}

static void rows_and_markers(void)
{
    static const struct story story[] = {
        {"INSERT INTO kv (k) VALUES (1)", "void"},
        {"SELECT * FROM kv", "1, null, null"},
        {"UPDATE kv SET v = 'x' WHERE k = 2", "void"},
        {"SELECT v FROM kv WHERE k = 2", "'x'"},
        {"UPDATE kv SET v = null WHERE k = 2", "void"}, /* no marker: the row goes */
        {"SELECT v FROM kv WHERE k = 2", "(no rows)"},
        {"UPDATE kv SET v = 'y' WHERE k = 1", "void"},
        {"DELETE v FROM kv WHERE k = 1", "void"},
        {"SELECT * FROM kv WHERE k = 1", "1, null, null"},
        {"DELETE FROM kv WHERE k = 1", "void"},
        {"SELECT * FROM kv", "(no rows)"},
        {"UPDATE kv SET v = 'in' WHERE k IN (5, 6, 5)", "void"},
        {"SELECT v FROM kv WHERE k IN (5, 6)", "'in' | 'in'"},
        {"DELETE FROM kv WHERE k IN (5, 6)", "void"},
        {"SELECT * FROM kv", "(no rows)"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void times(void)
{
    static const struct story story[] = {
        {"INSERT INTO kv (k, v) VALUES (1, 'a') USING TIMESTAMP 100", "void"},
        {"INSERT INTO kv (k, v) VALUES (1, 'b') USING TIMESTAMP 99", "void"},
        {"SELECT v, writetime(v), ttl(v) FROM kv", "'a', 100, null"},
        {"UPDATE kv USING TIMESTAMP 101 AND TTL 60 SET v = 'c' WHERE k = 1", "void"},
        {"SELECT v, writetime(v), ttl(v) FROM kv", "'c', 101, 60"},
        {"DELETE FROM kv USING TIMESTAMP 100 WHERE k = 1", "void"},
        {"SELECT k, v FROM kv", "1, 'c'"},
        {"INSERT INTO kv (k, v) VALUES (1, 'x') USING TTL -1",
         "INVALID: A TTL must be greater or equal to 0, but was -1"},
        {"INSERT INTO kv (k, v) VALUES (1, 'x') USING TTL 630720001",
         "INVALID: ttl is too large. requested (630720001) maximum (630720000)"},
        {"ALTER TABLE kv WITH default_time_to_live = 30", "UPDATED TABLE ks.kv"},
        {"INSERT INTO kv (k, v) VALUES (2, 'd')", "void"},
        {"SELECT ttl(v) FROM kv WHERE k = 2", "30"},
        {"INSERT INTO kv (k, v) VALUES (3, 'e') USING TTL 0", "void"},
        {"SELECT ttl(v) FROM kv WHERE k = 3", "null"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
    n.now.wall += 29 * USEC_PER_SEC;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v, ttl(v) FROM kv WHERE k = 2"), "'d', 1");
    n.now.wall += 1 * USEC_PER_SEC;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM kv WHERE k = 2"), "(no rows)");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM kv WHERE k = 3"), "'e'");
}

static void clustering_and_statics(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, c, v) VALUES (1, 1, 1)", "void"},
        {"INSERT INTO t (k, c, v) VALUES (1, 2, 2)", "void"},
        {"INSERT INTO t (k, c, v) VALUES (1, 3, 3)", "void"},
        {"INSERT INTO t (k, c, v) VALUES (1, 4, 4)", "void"},
        {"UPDATE t SET s = 9 WHERE k = 1", "void"},
        {"SELECT c, s, v FROM t", "1, 9, 1 | 2, 9, 2 | 3, 9, 3 | 4, 9, 4"},
        {"UPDATE t SET v = 20 WHERE k = 1 AND c IN (1, 2)", "void"},
        {"SELECT v FROM t", "20 | 20 | 3 | 4"},
        {"DELETE FROM t WHERE k = 1 AND c > 1 AND c <= 3", "void"},
        {"SELECT c FROM t", "1 | 4"},
        {"DELETE FROM t WHERE k = 1 AND c >= 4", "void"},
        {"SELECT c FROM t", "1"},
        {"DELETE s FROM t WHERE k = 1", "void"},
        {"SELECT c, s FROM t", "1, null"},
        {"INSERT INTO t (k, s) VALUES (1, 5)", "void"},
        {"DELETE FROM t WHERE k = 1 AND c = 1", "void"},
        {"SELECT k, c, s FROM t", "1, null, 5"},
        {"DELETE FROM t WHERE k = 1", "void"},
        {"SELECT k FROM t", "(no rows)"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void collections(void)
{
    static const struct story story[] = {
        {"INSERT INTO col (k, l, s, m, f) VALUES (1, [1, 2], {2, 1}, {'a': 1}, [9])", "void"},
        {"SELECT l, s, m, f FROM col", "[1, 2], {1, 2}, {'a': 1}, [9]"},
        {"UPDATE col SET l = l + [3, 4], s = s + {0, 2}, m = m + {'b': 2} WHERE k = 1", "void"},
        {"SELECT l, s, m FROM col", "[1, 2, 3, 4], {0, 1, 2}, {'a': 1, 'b': 2}"},
        {"UPDATE col SET l = [7, 8] + l WHERE k = 1", "void"},
        {"UPDATE col SET l = [6] + l WHERE k = 1", "void"},
        {"SELECT l FROM col", "[6, 7, 8, 1, 2, 3, 4]"},
        {"UPDATE col SET l[1] = 70, m['a'] = 10, m['c'] = 3 WHERE k = 1", "void"},
        {"SELECT l, m FROM col", "[6, 70, 8, 1, 2, 3, 4], {'a': 10, 'b': 2, 'c': 3}"},
        {"UPDATE col SET l[7] = 0 WHERE k = 1",
         "INVALID: List index 7 out of bound, list has size 7"},
        {"UPDATE col SET l[0] = 0 WHERE k = 2",
         "INVALID: Attempted to set an element on a list which is null"},
        {"UPDATE col SET l = l - [8, 4], s = s - {1}, m = m - {'b'} WHERE k = 1", "void"},
        {"SELECT l, s, m FROM col", "[6, 70, 1, 2, 3], {0, 2}, {'a': 10, 'c': 3}"},
        {"DELETE l[0], m['a'], s[0] FROM col WHERE k = 1", "void"},
        {"SELECT l, s, m FROM col", "[70, 1, 2, 3], {2}, {'c': 3}"},
        {"UPDATE col SET l[0] = null, m['c'] = null WHERE k = 1", "void"},
        {"SELECT l, m FROM col", "[1, 2, 3], null"},
        {"UPDATE col SET l = [5], s = {}, m = {} WHERE k = 1", "void"},
        {"SELECT l, s, m FROM col", "[5], null, null"},
        {"DELETE l FROM col WHERE k = 1", "void"},
        {"UPDATE col SET l += [1], s += {4}, m += {'z': 26} WHERE k = 1", "void"},
        {"UPDATE col SET s -= {4} WHERE k = 1", "void"},
        {"SELECT l, s, m FROM col", "[1], null, {'z': 26}"},
        {"INSERT INTO col (k, l) VALUES (1, [4]) USING TIMESTAMP 5", "void"}, /* long ago */
        {"SELECT l FROM col", "[1]"},
        {"UPDATE col SET f = f + [1] WHERE k = 1", "INVALID: Invalid operation*"},
        {"UPDATE col SET f[0] = 1 WHERE k = 1", "INVALID: Invalid operation*"},
        {"UPDATE col SET s[0] = 1 WHERE k = 1", "INVALID: Invalid operation*"},
        {"UPDATE col SET s = [1] + s WHERE k = 1", "INVALID: Invalid operation*"},
        {"UPDATE col SET l = s + [1] WHERE k = 1", "SYNTAX: Only expressions of the form*"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void refusals(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, v) VALUES (1, 1)", "INVALID: Some clustering keys are missing: c"},
        {"INSERT INTO t (c, v) VALUES (1, 1)", "INVALID: Some partition key parts are missing: k"},
        {"INSERT INTO t (k, c) VALUES (1)", "INVALID: Unmatched column names/values"},
        {"INSERT INTO t (k, c, k) VALUES (1, 1, 1)",
         "INVALID: The column names contains duplicates"},
        {"INSERT INTO t (k, c) VALUES (null, 1)",
         "INVALID: Invalid null value in condition for column k"},
        {"UPDATE t SET v = 1 WHERE k = 1", "INVALID: Some clustering keys are missing: c"},
        {"UPDATE t SET v = 1 WHERE c = 1", "INVALID: Some partition key parts are missing: k"},
        {"UPDATE t SET c = 1 WHERE k = 1", "INVALID: PRIMARY KEY part c found in SET part"},
        {"UPDATE t SET v = 1 WHERE k = 1 AND c > 1",
         "INVALID: Slice restrictions are not supported on the clustering columns in UPDATE "
         "statements"},
        {"UPDATE t SET v = 1 WHERE k = 1 AND c = 1 AND v = 2",
         "INVALID: Non PRIMARY KEY columns found in where clause: v "},
        {"DELETE v FROM t WHERE k = 1 AND c > 1",
         "INVALID: Range deletions are not supported for specific columns"},
        {"DELETE k FROM t WHERE k = 1", "INVALID: Invalid identifier k for deletion*"},
        {"UPDATE t SET v = v + 1 WHERE k = 1 AND c = 1",
         "INVALID: Invalid operation (v = v + 1) for non counter column v"},
        {"INSERT INTO t JSON '{}'", "INVALID: Invalid null value in condition for column k"},
        {"INSERT INTO system.local (key) VALUES ('x')",
         "UNAUTHORIZED: system keyspace is not user-modifiable."},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void batches(void)
{
    static const struct story story[] = {
        {"BEGIN BATCH INSERT INTO kv (k, v) VALUES (1, 'a'); UPDATE kv SET w = 'b' WHERE k = 1; "
         "INSERT INTO kv (k, v) VALUES (2, 'c') APPLY BATCH",
         "void"},
        {"SELECT v, w FROM kv WHERE k = 1", "'a', 'b'"},
        {"BEGIN UNLOGGED BATCH USING TIMESTAMP 5 DELETE FROM t WHERE k = 1; INSERT INTO t (k, c, "
         "v) "
         "VALUES (1, 1, 1) APPLY BATCH",
         "void"},
        {"SELECT v FROM t", "(no rows)"}, /* the deletion wins a tie */
        {"BEGIN BATCH APPLY BATCH", "void"},
        {"BEGIN BATCH USING TIMESTAMP 5 INSERT INTO kv (k) VALUES (1) USING TIMESTAMP 6 APPLY "
         "BATCH",
         "INVALID: Timestamp must be set either on BATCH or individual statements"},
        {"BEGIN COUNTER BATCH UPDATE t SET v = 1 WHERE k = 1 APPLY BATCH",
         "INVALID: Cannot include non-counter statement in a counter batch"},
        {NULL, NULL},
    };
    one_node_query(&n, story[0].cql);
    CU_ASSERT_EQUAL(n.mutations, 2); /* one a partition */
    CU_ASSERT_EQUAL(n.kind, CQL_WRITE_BATCH);
    one_node_story(&n, story);
    CU_ASSERT_EQUAL(n.kind, CQL_WRITE_SIMPLE); /* of one partition */
    one_node_query(&n, "BEGIN UNLOGGED BATCH INSERT INTO kv (k) VALUES (1); INSERT INTO kv (k) "
                       "VALUES (2) APPLY BATCH");
    CU_ASSERT_EQUAL(n.kind, CQL_WRITE_UNLOGGED_BATCH);
}

/* Which timestamps are the server's is said, for it may stamp those again. */
static void whose_a_timestamp_is(void)
{
    one_node_query(&n, "INSERT INTO kv (k, v) VALUES (1, 'x')");
    CU_ASSERT(n.stamp_us != 0);
    CU_ASSERT_EQUAL(n.stamp_us, n.timestamp_us);
    one_node_query(&n, "BEGIN BATCH INSERT INTO kv (k, v) VALUES (1, 'x') USING TIMESTAMP 5; "
                       "INSERT INTO kv (k, v) VALUES (1, 'y'); APPLY BATCH");
    CU_ASSERT_EQUAL(n.stamp_us, n.timestamp_us);
}

/* A node whose clock is wrong: what needs a timestamp of its is refused before anything is done, as
 * what drivers try at the next node. */
static void a_node_without_timestamps(void)
{
    static const char why[] = "BOOTSTRAPPING: our clock is wrong";
    n.no_timestamp = "our clock is wrong";
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "INSERT INTO kv (k, v) VALUES (1, 'x')"), why);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "DELETE FROM kv WHERE k = 1"), why);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "UPDATE kv SET v = 'x' WHERE k = 1 IF EXISTS"), why);
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&n, "BEGIN BATCH INSERT INTO kv (k, v) VALUES (1, 'x') USING TIMESTAMP 5; "
                           "INSERT INTO kv (k, v) VALUES (1, 'y'); APPLY BATCH"),
        why);
    CU_ASSERT_EQUAL(n.writes, 0);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM kv"), "(no rows)");
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&n, "INSERT INTO kv (k, v) VALUES (1, 'x') USING TIMESTAMP 5"), "void");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, "SELECT v FROM kv"), "'x'");
}

/* One warning a second for a connection and table. */
static void what_is_not_seen_is_told(void)
{
    static const char old[] = "INSERT INTO kv (k, v) VALUES (1, 'x') USING TIMESTAMP 5";
    static const char other[] = "INSERT INTO t (k, c, v) VALUES (1, 1, 1) USING TIMESTAMP 5";
    static const char told[] =
        "void [warning: A write to ks.kv was not applied: a newer value exists (the timestamp that "
        "the client gave is 3.000007 s too old)]";
    n.lost = EXEC_LOST_GIVEN;
    n.behind_us = 3000007;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, old), told);
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, old), "void");
    CU_ASSERT_PTR_NOT_NULL(strstr(one_node_query(&n, other), "A write to ks.t was not applied"));
    n.now.mono += USEC_PER_SEC - 1;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, old), "void");
    n.now.mono++;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, old), told);
    for (n.other_conn = 1000; n.other_conn > 0; n.other_conn--) /* more than are remembered */
        CU_ASSERT_STRING_EQUAL(one_node_query(&n, old), told);
    n.now.mono += USEC_PER_SEC;
    n.lost = EXEC_LOST_STAMPED;
    CU_ASSERT_PTR_NOT_NULL(strstr(one_node_query(&n, "INSERT INTO kv (k, v) VALUES (1, 'x')"),
                                  "with a timestamp 3.000007 s in the future. Write again when "
                                  "that is over, or USING TIMESTAMP above it"));
    n.lost = EXEC_LOST_NONE;
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, old), "void");
}

CU_TestInfo exec_modify_tests[] = {
    {"rows and their markers", rows_and_markers},
    {"timestamps and TTL", times},
    {"clustering and statics", clustering_and_statics},
    {"collections", collections},
    {"refusals", refusals},
    {"batches", batches},
    {"whose a timestamp is", whose_a_timestamp_is},
    {"a node without timestamps", a_node_without_timestamps},
    {"what is not seen is told, once a second", what_is_not_seen_is_told},
    CU_TEST_INFO_NULL,
};
