/* What SELECT finds and shows, and what it refuses. */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct one_node n;
void exec_select_setup(void);
void exec_select_teardown(void);

void exec_select_setup(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1}",
         "CREATED KEYSPACE ks"},
        {"USE ks", "keyspace ks"},
        {"CREATE TABLE t (k int, a int, b int, s text STATIC, v int, l list<int>, m map<text, "
         "int>, "
         "PRIMARY KEY (k, a, b)) WITH CLUSTERING ORDER BY (a ASC, b DESC)",
         "CREATED TABLE ks.t"},
        {"INSERT INTO t (k, a, b, v) VALUES (1, 1, 1, 111)", "void"},
        {"INSERT INTO t (k, a, b, v) VALUES (1, 1, 2, 112)", "void"},
        {"INSERT INTO t (k, a, b, v, l) VALUES (1, 2, 1, 121, [7, 8])", "void"},
        {"INSERT INTO t (k, a, b, v, m) VALUES (1, 2, 2, 122, {'x': 1})", "void"},
        {"INSERT INTO t (k, a, b, v, s) VALUES (1, 3, 1, 131, 'st')", "void"},
        {"INSERT INTO t (k, a, b) VALUES (2, 1, 1)", "void"},
        {"INSERT INTO t (k, s) VALUES (3, 'only')", "void"},
        {NULL, NULL},
    };
    one_node_open(&n);
    one_node_story(&n, story);
}

void exec_select_teardown(void)
{
    one_node_close(&n);
}

static const struct story found[] = {
    {"SELECT a, b, v FROM t WHERE k = 1",
     "1, 2, 112 | 1, 1, 111 | 2, 2, 122 | 2, 1, 121 | 3, 1, 131"},
    {"SELECT v FROM t WHERE k = 1 ORDER BY a DESC", "131 | 121 | 122 | 111 | 112"},
    {"SELECT v FROM t WHERE k = 1 ORDER BY a DESC, b ASC LIMIT 2", "131 | 121"},
    {"SELECT v FROM t WHERE k = 1 AND a = 2 ORDER BY b ASC", "121 | 122"},
    {"SELECT v FROM t WHERE k = 1 AND a = 2", "122 | 121"},
    {"SELECT v FROM t WHERE k = 1 AND a = 2 AND b = 1", "121"},
    {"SELECT v FROM t WHERE k = 1 AND a = 1 AND b > 1", "112"},
    {"SELECT v FROM t WHERE k = 1 AND a = 1 AND b >= 1", "112 | 111"},
    {"SELECT v FROM t WHERE k = 1 AND a = 1 AND b < 2", "111"},
    {"SELECT v FROM t WHERE k = 1 AND a = 1 AND b <= 2 AND b > 1", "112"},
    {"SELECT v FROM t WHERE k = 1 AND a > 1", "122 | 121 | 131"},
    {"SELECT v FROM t WHERE k = 1 AND a >= 2 AND a < 3", "122 | 121"},
    {"SELECT v FROM t WHERE k = 1 AND a > 3", "(no rows)"},
    {"SELECT v FROM t WHERE k = 1 AND a > 2 AND a < 2", "(no rows)"},
    {"SELECT v FROM t WHERE k = 1 AND a IN (3, 1)", "112 | 111 | 131"},
    {"SELECT v FROM t WHERE k = 1 AND a IN (1, 2) AND b IN (1)", "111 | 121"},
    {"SELECT v FROM t WHERE k = 1 AND a IN ()", "(no rows)"},
    {"SELECT v FROM t WHERE k IN ()", "(no rows)"},
    {"SELECT v FROM t WHERE k = 1 AND (a, b) > (1, 1)", "112 | 122 | 121 | 131"},
    {"SELECT v FROM t WHERE k = 1 AND (a, b) >= (1, 2) AND (a, b) < (2, 2)", "112 | 121"},
    {"SELECT v FROM t WHERE k = 1 AND (a, b) <= (2, 1)", "112 | 111 | 121"},
    {"SELECT v FROM t WHERE k = 1 AND (a, b) = (2, 1)", "121"},
    {"SELECT v FROM t WHERE k = 1 AND (a, b) IN ((2, 1), (1, 1), (9, 9))", "111 | 121"},
    {"SELECT v FROM t WHERE k = 1 AND (a) > (2)", "131"},
    {"SELECT v FROM t WHERE k = 1 LIMIT 2", "112 | 111"},
    {"SELECT k, s FROM t WHERE k = 3", "3, 'only'"},
    {"SELECT a, s FROM t WHERE k = 3", "null, 'only'"},
    {"SELECT s, v FROM t WHERE k = 3 AND a = 1", "(no rows)"},
    {"SELECT s, v FROM t WHERE k = 1 AND a = 1 AND b = 1", "'st', 111"},
    {"SELECT DISTINCT k, s FROM t WHERE k IN (1, 2, 3)", "*"},
    {"SELECT v FROM t WHERE k = 2", "null"},
    {"SELECT v FROM t WHERE k = 9", "(no rows)"},
    {"SELECT count(*) FROM t", "7 [*"},
    {"SELECT count(1) AS n, count(v), min(v), max(v), sum(v), avg(v) FROM t WHERE k = 1",
     "5, 5, 111, 131, 597, 119"},
    {"SELECT count(*), max(v) FROM t WHERE k = 9", "0, null"},
    {"SELECT max(v), a FROM t WHERE k = 1", "131, 1"},
    {"SELECT cast(avg(v) AS double), cast(count(*) AS text) FROM t WHERE k = 1", "119*"},
    {"SELECT intAsBlob(max(v)), max(intAsBlob(v)) FROM t WHERE k = 1", "0x00000083, 0x00000083"},
    {"SELECT l, m, m['x'], m['y'] FROM t WHERE k = 1 AND a = 2",
     "null, {'x': 1}, 1, null | [7, 8], null, null, null"},
    {"SELECT v AS x, token(k), cast(v AS text), cast(v AS double) FROM t WHERE k = 1 LIMIT 1",
     "112, -4069959284402364209, '112', 112*"},
    {"SELECT v FROM t WHERE token(k) = token(2)", "null"},
    {"SELECT v FROM t WHERE token(k) > token(1) AND token(k) < token(1)", "(no rows)"},
    {"SELECT count(*) FROM t WHERE token(k) > -9223372036854775808 AND token(k) <= "
     "9223372036854775807",
     "7"},
    {"SELECT v FROM t WHERE k = 1 PER PARTITION LIMIT 1", "112"},
    {"SELECT count(*) FROM t PER PARTITION LIMIT 1",
     "INVALID: PER PARTITION LIMIT is not allowed with aggregate queries."},
    {"SELECT count(*), max(v) FROM t LIMIT 1", "7, 131 [*"},
    {"SELECT count(*) FROM system.local LIMIT 1", "1 [*"},
    {"SELECT v FROM t WHERE k = 2 AND token(k) = token(2)", "null"},
    {"SELECT v FROM t WHERE k = 2 AND token(k) > token(2)", "(no rows)"},
    {"SELECT DISTINCT s FROM t WHERE k = 3", "'only'"},
    {"SELECT token(2) FROM t WHERE k = 2 AND token(k) = token(2)", "*"},
    {"SELECT toDate(minTimeuuid('2024-01-01 00:00+0000')) FROM t WHERE k = 2", "'2024-01-01'"},
    {"SELECT cast(minTimeuuid('2024-01-01 00:00+0000') AS date) FROM t WHERE k = 2",
     "'2024-01-01'"},
    {"SELECT v FROM t WHERE v > 120 AND v <= 122 ALLOW FILTERING", "122 | 121"},
    {"SELECT v FROM t WHERE v = 131 ALLOW FILTERING", "131"},
    {"SELECT v FROM t WHERE v IN (111, 131) ALLOW FILTERING", "111 | 131"},
    {"SELECT v FROM t WHERE b = 2 ALLOW FILTERING", "112 | 122"},
    {"SELECT v FROM t WHERE k = 1 AND b = 2 ALLOW FILTERING", "112 | 122"},
    {"SELECT v FROM t WHERE k = 1 AND a > 1 AND b = 2 ALLOW FILTERING", "122"},
    {"SELECT v FROM t WHERE k > 0 AND v = 111 ALLOW FILTERING", "111"},
    {"SELECT v FROM t WHERE s = 'st' AND a = 3 ALLOW FILTERING", "131"},
    {"SELECT v FROM t WHERE l CONTAINS 8 ALLOW FILTERING", "121"},
    {"SELECT v FROM t WHERE m CONTAINS KEY 'x' ALLOW FILTERING", "122"},
    {"SELECT v FROM t WHERE m CONTAINS 1 ALLOW FILTERING", "122"},
    {"SELECT v FROM t WHERE m['x'] = 1 ALLOW FILTERING", "122"},
    {"SELECT v FROM t WHERE v > 0 LIMIT 2 ALLOW FILTERING", "112 | 111"},
    {"SELECT v + 1, -v, v * 2.5, (v - 1) / 2 % 3 FROM t WHERE k = 1 LIMIT 1", "113, -112, 280*"},
    {"SELECT v FROM t WHERE k = 1 + 1", "null"},
    {"SELECT v / 0 FROM t WHERE k = 1",
     "FUNCTION_FAILURE: the operation 'int / int' failed: / by zero"},
    {"SELECT m['x'..'z'], [a, 9], {b, a}, (bigint)7 FROM t WHERE k = 1 AND a = 2 AND b = 2",
     "{'x': 1}, [2, 9], {2}, 7"},
    {"SELECT v FROM t WHERE k IN (2, 1) AND a = 1 AND b = 1", "111 | null"},
    {"SELECT v FROM t WHERE k = 1 AND a > null AND b = 2 ALLOW FILTERING", "112 | 122"},
    {"SELECT v FROM t WHERE k = 1 AND a < null", "(no rows)"},
    {"SELECT v FROM t WHERE k = 1 AND a = 1 AND b < null", "112 | 111"},
    {"SELECT v FROM t WHERE k = 1 AND a = 1 AND b > null", "(no rows)"},
    {"SELECT k, k[1] FROM t WHERE v = 1",
     "INVALID: Cannot execute this query as it might involve data filtering*"},
    {"SELECT k, k[1] FROM t",
     "INVALID: Invalid element selection: k is of type int is not a collection"},
    {"SELECT k FROM t WHERE k = 1 GROUP BY a", "1 | 1 | 1"},
    {"SELECT k FROM t WHERE k IN (1) GROUP BY a", "1 | 1 | 1"},
    {"SELECT DISTINCT k FROM t GROUP BY k, a",
     "INVALID: Grouping on clustering columns is not allowed for SELECT DISTINCT queries"},
    {"SELECT v FROM t WHERE v IN (111, null) ALLOW FILTERING", "111"},
    {"SELECT v FROM t WHERE v = null ALLOW FILTERING",
     "INVALID: Unsupported null value for column v"},
    {"SELECT v FROM t WHERE k = 1 AND a > 1 AND a = 2",
     "INVALID: Column \"a\" cannot be restricted by both an equality and an inequality relation"},
    {"SELECT v FROM t WHERE k = 1 AND (a, b) > (1, 1) AND (b) < (2)",
     "INVALID: Column \"b\" cannot be restricted by two inequalities not starting with the same "
     "column"},
    {"SELECT v FROM t WHERE k = 1 AND b = 1 AND a > 1",
     "INVALID: PRIMARY KEY column \"b\" cannot be restricted (preceding column \"a\" is "
     "restricted by a non-EQ relation)"},
    {"SELECT v FROM t WHERE k = cast(2.0 AS int)", "null"},
    {"SELECT v FROM t WHERE k = cast('2' AS int)",
     "INVALID: Invalid call to function system.cast*"},
    {"SELECT v FROM t WHERE k = cast(2 AS int)",
     "INVALID: Ambiguous call to function system.cast*"},
    {"SELECT count('x'), count(v) FROM t WHERE k = 1", "5, 5"},
    {"SELECT count(k[1]) FROM t",
     "INVALID: Type error: k[1] cannot be passed as argument 0 of function system.count of type "
     "blob"},
    {"SELECT sum(v) + 1, max(v) - min(v) FROM t WHERE k = 9", "1, null"},
    {"SELECT count(*) FROM t WHERE v > 111 ALLOW FILTERING", "4 [*"},
    {NULL, NULL},
};

static const struct story grouped[] = {
    {"SELECT k, count(*), max(v) FROM t WHERE k = 1 GROUP BY k", "1, 5, 131"},
    {"SELECT a, count(*), sum(v) FROM t WHERE k = 1 GROUP BY a",
     "1, 2, 223 | 2, 2, 243 | 3, 1, 131"},
    {"SELECT a, b, v FROM t WHERE k = 1 GROUP BY k, a", "1, 2, 112 | 2, 2, 122 | 3, 1, 131"},
    {"SELECT a, count(v) FROM t WHERE k = 1 GROUP BY k, a LIMIT 2", "1, 2 | 2, 2"},
    {"SELECT b, v FROM t WHERE k = 1 AND a = 1 GROUP BY b", "2, 112 | 1, 111"},
    {"SELECT count(*) FROM t GROUP BY k", "5 | 1 | 1 [*"},
    {"SELECT count(*) FROM t WHERE k = 9 GROUP BY k", "(no rows)"},
    {"SELECT max(v) FROM t WHERE v < 120 GROUP BY k ALLOW FILTERING", "112 [*"},
    {"SELECT a, v FROM t WHERE k = 1 GROUP BY k, a PER PARTITION LIMIT 2", "1, 112 | 2, 122"},
    {"SELECT k, a FROM t WHERE k IN (2, 1) GROUP BY k, a PER PARTITION LIMIT 2 LIMIT 3",
     "1, 1 | 1, 2 | 2, 1 [*"},
    {"SELECT DISTINCT k, count(*) FROM t WHERE k = 1 GROUP BY k", "1, 1"},
    {"SELECT a FROM t WHERE k = 1 GROUP BY a ORDER BY a DESC", "3 | 2 | 1"},
    {"SELECT a FROM t WHERE k = 1 GROUP BY min(a)",
     "INVALID: Aggregate functions are not supported within the GROUP BY clause, got: system.min"},
    {"SELECT a FROM t WHERE k = 1 GROUP BY k, a + 1",
     "INVALID: Only monotonic functions are supported in the GROUP BY clause*"},
    {"SELECT k, a, b FROM t WHERE k IN (1, 2) ORDER BY a DESC, b ASC LIMIT 4",
     "1, 3, 1 | 1, 2, 1 | 1, 2, 2 | 1, 1, 1"},
    {"SELECT k, a, b FROM t WHERE k IN (2, 1) AND a = 1 ORDER BY a, b DESC",
     "1, 1, 2 | 1, 1, 1 | 2, 1, 1"},
    {"SELECT keyspace_name, count(*) FROM system_schema.tables WHERE keyspace_name IN ('ks', "
     "'system') GROUP BY keyspace_name",
     "'ks', 1 | 'system', *"},
    {NULL, NULL},
};

static void groups(void)
{
    one_node_story(&n, grouped);
}

static void what_it_finds(void)
{
    one_node_story(&n, found);
}

#define FILTERING "INVALID: Cannot execute this query as it might involve data filtering*"

static const struct story refused[] = {
    {"SELECT x FROM t", "INVALID: Undefined column name x in table ks.t"},
    {"SELECT v FROM nope", "INVALID: table nope does not exist"},
    {"SELECT v FROM nope.t", "INVALID: keyspace nope does not exist"},
    {"SELECT v FROM t WHERE x = 1", "INVALID: Undefined column name x in table ks.t"},
    {"SELECT v FROM t WHERE v = 1", FILTERING},
    {"SELECT v FROM t WHERE a = 1", FILTERING},
    {"SELECT v FROM t WHERE k = 1 AND v = 1", FILTERING},
    {"SELECT v FROM t WHERE k = 1 AND s = 'x'", FILTERING},
    {"SELECT v FROM t WHERE l CONTAINS 1", FILTERING},
    {"SELECT v FROM t WHERE k > 1",
     "INVALID: Cannot execute this query as it might involve data filtering*"},
    {"SELECT v FROM t WHERE k = 1 AND b = 1",
     "INVALID: PRIMARY KEY column \"b\" cannot be restricted as preceding column \"a\" is not "
     "restricted"},
    {"SELECT v FROM t WHERE k = 1 AND a > 1 AND b = 1",
     "INVALID: Clustering column \"b\" cannot be restricted (preceding column \"a\" is restricted "
     "by a non-EQ relation)"},
    {"SELECT v FROM t WHERE k = 1 AND k = 2",
     "INVALID: k cannot be restricted by more than one relation if it includes an Equal"},
    {"SELECT v FROM t WHERE k = null", "INVALID: Invalid null value in condition for column k"},
    {"SELECT v FROM t WHERE l = [1]", "INVALID: Collection column 'l' (list<int>) cannot be*"},
    {"SELECT v FROM t WHERE v CONTAINS 1",
     "INVALID: Cannot use CONTAINS on non-collection column v"},
    {"SELECT v FROM t WHERE k = 1 ORDER BY v",
     "INVALID: Order by is currently only supported on the clustered columns of the PRIMARY KEY, "
     "got v"},
    {"SELECT v FROM t ORDER BY a",
     "INVALID: ORDER BY is only supported when the partition key is restricted by an EQ or an "
     "IN."},
    {"SELECT v FROM t WHERE k = 1 ORDER BY b",
     "INVALID: Order by currently only supports the ordering of columns following their declared "
     "order in the PRIMARY KEY"},
    {"SELECT v FROM t WHERE k = 1 ORDER BY a DESC, b DESC",
     "INVALID: Unsupported order by relation"},
    {"SELECT v FROM t LIMIT 0", "INVALID: LIMIT must be strictly positive"},
    {"SELECT v FROM t LIMIT -1", "INVALID: LIMIT must be strictly positive"},
    {"SELECT DISTINCT v FROM t",
     "INVALID: SELECT DISTINCT queries must only request partition key columns and/or static "
     "columns (not v)"},
    {"SELECT DISTINCT s FROM t",
     "INVALID: SELECT DISTINCT queries must request all the partition key columns (missing k)"},
    {"SELECT abs(d) FROM t", "INVALID: Undefined column name d*"},
    {"SELECT abs('x') FROM t", "INVALID: Invalid call to function abs, none of its type*"},
    {"SELECT map_keys(v) FROM t", "INVALID: Function system.map_keys requires a map argument*"},
    {"SELECT nonsense(v) FROM t", "INVALID: Unknown function 'nonsense'"},
    {"SELECT writetime(k) FROM t",
     "INVALID: Cannot use selection function writetime on PRIMARY KEY part k"},
    {"SELECT v FROM t WHERE k = 1 AND (a, v) > (1, 2)",
     "INVALID: Multi-column relations can only be applied to clustering columns but was applied "
     "to: v"},
    {"SELECT v FROM t WHERE k = 1 AND (a, b) > (1)",
     "INVALID: Expected 2 elements in value tuple, but got 1: (1)"},
    {"SELECT v FROM t GROUP BY v",
     "INVALID: Group by is currently only supported on the columns of the PRIMARY KEY, got v"},
    {"SELECT v FROM t GROUP BY k, b",
     "INVALID: Group by currently only support groups of columns following their declared order in "
     "the PRIMARY KEY"},
    {"SELECT v FROM t GROUP BY a", "INVALID: Group by currently only support groups*"},
    {"SELECT max(min(v)) FROM t", "INVALID: aggregate functions cannot be used as arguments*"},
    {"SELECT v.x FROM t", "INVALID: Invalid field selection: v of type int is not a user type"},
    {"SELECT v FROM t WHERE s LIKE 'x'",
     "INVALID: LIKE restriction is only supported on properly indexed columns. s LIKE *"},
    {"SELECT v FORM t", "SYNTAX: line 1:9 *"},
    {NULL, NULL},
};

static void what_it_refuses(void)
{
    one_node_story(&n, refused);
}

CU_TestInfo exec_select_tests[] = {
    {"what it finds", what_it_finds},
    {"what it refuses", what_it_refuses},
    {"GROUP BY", groups},
    CU_TEST_INFO_NULL,
};
