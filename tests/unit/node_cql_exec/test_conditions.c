/* IF: what is looked at, what is told, what is refused. */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

void exec_conditions_setup(void);
void exec_conditions_teardown(void);

static struct one_node n;

void exec_conditions_setup(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
         "'replication_factor': 1}",
         "CREATED KEYSPACE ks"},
        {"USE ks", "keyspace ks"},
        {"CREATE TABLE t (k int, c int, s int static, v int, w text, PRIMARY KEY (k, c))",
         "CREATED TABLE ks.t"},
        {"CREATE TABLE l (k int PRIMARY KEY, l list<int>, m map<text, int>, z frozen<set<int>>)",
         "CREATED TABLE ks.l"},
        {NULL, NULL},
    };
    one_node_open(&n);
    one_node_story(&n, story);
}

void exec_conditions_teardown(void)
{
    one_node_close(&n);
}

static void existing(void)
{
    static const struct story story[] = {
        {"UPDATE t SET v = 1 WHERE k = 1 AND c = 1 IF EXISTS", "false"},
        {"INSERT INTO t (k, c, v, w) VALUES (1, 1, 10, 'a') IF NOT EXISTS", "true"},
        {"INSERT INTO t (k, c, v) VALUES (1, 1, 11) IF NOT EXISTS", "false, 1, 1, null, 10, 'a'"},
        {"UPDATE t SET v = 12 WHERE k = 1 AND c = 1 IF EXISTS", "true"},
        {"INSERT INTO t (k, s) VALUES (1, 8) IF NOT EXISTS", "true"},
        {"INSERT INTO t (k, s) VALUES (1, 9) IF NOT EXISTS", "false, 1, 1, 8, null, null"},
        {"UPDATE t SET s = 1, v = 3 WHERE k = 1 AND c = 5 IF EXISTS",
         "false, 1, null, 8, null, null"},
        {"DELETE FROM t WHERE k = 1 AND c = 1 IF EXISTS", "true"},
        {"DELETE FROM t WHERE k = 1 AND c = 1 IF EXISTS", "false"},
        {"SELECT * FROM t", "1, null, 8, null, null"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

/* What is not met is told: regular columns first, then static ones, each once. */
static void columns(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, c, s, v, w) VALUES (1, 1, 5, 2, 'a')", "void"},
        {"UPDATE t SET v = 3 WHERE k = 1 AND c = 1 IF v = 2 AND w > 'A' AND s != 6", "true"},
        {"UPDATE t SET v = 4 WHERE k = 1 AND c = 1 IF s = 6 AND w = 'x' AND v = 3 AND v < 9",
         "false, 'a', 3, 5"},
        {"UPDATE t SET v = 4 WHERE k = 1 AND c = 1 IF v IN (1, null)", "false, 3"},
        {"UPDATE t SET v = null WHERE k = 1 AND c = 1 IF v IN (3, null)", "true"},
        {"UPDATE t SET v = 4 WHERE k = 1 AND c = 1 IF v > 0", "false, null"},
        {"UPDATE t SET v = 4 WHERE k = 1 AND c = 1 IF v = null AND v != 7", "true"},
        {"UPDATE t SET v = 4 WHERE k = 1 AND c = 9 IF v = 7", "false"},
        {"UPDATE t SET v = 4 WHERE k = 1 AND c = 9 IF s = 7", "false, 5"},
        {"UPDATE t SET s = 6 WHERE k = 1 AND c = 1 IF v = 4", "true"},
        {"UPDATE t SET s = 7 WHERE k = 1 IF s = 6", "true"},
        {"UPDATE t SET v = 5 WHERE k = 1 AND c = 1 IF v > null",
         "INVALID: Invalid comparison with null for operator \">\""},
        {"SELECT s, v FROM t", "7, 4"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void collections(void)
{
    static const struct story story[] = {
        {"INSERT INTO l (k, l, m, z) VALUES (1, [1, 2], {'a': 1}, {1, 2}) IF NOT EXISTS", "true"},
        {"UPDATE l SET l = l + [3] WHERE k = 1 IF l = [1, 2]", "true"},
        {"UPDATE l SET l = l + [4] WHERE k = 1 IF l < [1, 2]", "false, [1, 2, 3]"},
        {"UPDATE l SET l[0] = 9 WHERE k = 1 IF l[0] = 1 AND l[7] = null", "true"},
        {"UPDATE l SET l = l - [2] WHERE k = 1 IF l CONTAINS 9", "true"},
        {"UPDATE l SET l = [] WHERE k = 1 IF l[-1] = 1", "INVALID: Invalid negative list index -1"},
        {"UPDATE l SET m['b'] = 2 WHERE k = 1 IF m['a'] = 1 AND m CONTAINS KEY 'a'", "true"},
        {"UPDATE l SET m['b'] = 3 WHERE k = 1 IF m['b'] IN (7, 8)", "false, {'a': 1, 'b': 2}"},
        {"UPDATE l SET m = {} WHERE k = 1 IF z > {1} AND z CONTAINS 2", "true"},
        {"UPDATE l SET m['x'] = 1 WHERE k = 1 IF m = {} AND m = null", "true"},
        {"SELECT l, m FROM l", "[9, 3], {'x': 1}"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void batches(void)
{
    static const struct story story[] = {
        {"BEGIN BATCH INSERT INTO t (k, c, v) VALUES (1, 1, 1) IF NOT EXISTS; INSERT INTO t (k, c, "
         "v) VALUES (1, 2, 2) IF NOT EXISTS; UPDATE t SET s = 3 WHERE k = 1; APPLY BATCH",
         "true"},
        {"BEGIN BATCH UPDATE t SET v = 5 WHERE k = 1 AND c = 1 IF v = 3; UPDATE t SET v = 5 WHERE "
         "k = 1 AND c = 2 IF w = 'a'; APPLY BATCH",
         "false, 1, 1, 1, null | false, 1, 2, 2, null"},
        {"BEGIN BATCH UPDATE t SET v = 5 WHERE k = 1 AND c = 1; UPDATE t SET v = 5 WHERE k = 1 AND "
         "c = 9 IF v = 1; APPLY BATCH",
         "false"},
        {"BEGIN BATCH UPDATE t SET s = 5 WHERE k = 1 IF s = 77; UPDATE t SET v = 5 WHERE k = 1 AND "
         "c = 2; APPLY BATCH",
         "false, 1, 1, 3"},
        {"BEGIN BATCH INSERT INTO t (k, c, v) VALUES (1, 7, 7) IF NOT EXISTS; DELETE FROM t WHERE "
         "k = 1; APPLY BATCH",
         "true"},
        {"SELECT * FROM t", "1, 7, null, 7, null"},
        {"BEGIN BATCH INSERT INTO t (k, c) VALUES (1, 8) IF NOT EXISTS; UPDATE t SET v = 1 WHERE k "
         "= 1 AND c = 8 IF EXISTS; APPLY BATCH",
         "INVALID: Cannot mix IF EXISTS and IF NOT EXISTS conditions for the same row"},
        {"BEGIN BATCH INSERT INTO t (k, c) VALUES (1, 8) IF NOT EXISTS; UPDATE t SET v = 1 WHERE k "
         "= 2 AND c = 8; APPLY BATCH",
         "INVALID: Batch with conditions cannot span multiple partitions"},
        {"BEGIN BATCH INSERT INTO t (k, c) VALUES (1, 8) IF NOT EXISTS; DELETE FROM l WHERE k = 1; "
         "APPLY BATCH",
         "INVALID: Batch with conditions cannot span multiple tables"},
        {"BEGIN BATCH USING TIMESTAMP 5 INSERT INTO t (k, c) VALUES (1, 8) IF NOT EXISTS; APPLY "
         "BATCH",
         "INVALID: Cannot provide custom timestamp for conditional BATCH"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

/* A write from a clock that is far ahead is overwritten all the same: it was read. */
static void above_what_was_read(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, c, v) VALUES (1, 1, 1) USING TIMESTAMP 4611686018427387904", "void"},
        {"UPDATE t SET v = 2 WHERE k = 1 AND c = 1 IF v = 1", "true"},
        {"SELECT v FROM t", "2"},
        {"DELETE FROM t WHERE k = 1 AND c = 1 IF v = 2", "true"},
        {"SELECT v FROM t", "(no rows)"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void refused(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, c) VALUES (1, 1) IF NOT EXISTS USING TIMESTAMP 5",
         "INVALID: Cannot provide custom timestamp for conditional updates"},
        {"UPDATE t SET v = 2 WHERE k = 1 AND c IN (1, 2) IF v = 99",
         "INVALID: IN on the clustering key columns is not supported with conditional updates"},
        {"UPDATE t SET v = 2 WHERE k IN (1, 2) AND c = 2 IF v = 99",
         "INVALID: IN on the partition key is not supported with conditional updates"},
        {"UPDATE t SET v = 2 WHERE k = 1 AND c = 1 IF k = 1",
         "INVALID: PRIMARY KEY column 'k' cannot have IF conditions"},
        {"DELETE FROM t WHERE k = 1 IF s = 99",
         "INVALID: DELETE statements must restrict all PRIMARY KEY columns with equality "
         "relations in order to delete non static columns"},
        {"DELETE s FROM t WHERE k = 1 IF v = 99",
         "INVALID: DELETE statements must restrict all PRIMARY KEY columns with equality "
         "relations in order to use IF condition on non static columns"},
        {"UPDATE t SET v = 2 WHERE k = 1 AND c = 1 IF v[1] = 1",
         "INVALID: Invalid element access syntax for non-collection column v"},
        {"UPDATE t SET v = 2 WHERE k = 1 AND c = 1 IF v CONTAINS 1",
         "INVALID: Cannot use CONTAINS on non-collection column v"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

const CU_TestInfo exec_conditions_tests[] = {
    {"rows that exist and do not", existing},
    {"conditions on columns", columns},
    {"conditions on collections", collections},
    {"batches of one partition", batches},
    {"a change is above what was read", above_what_was_read},
    {"what is refused", refused},
    CU_TEST_INFO_NULL,
};
