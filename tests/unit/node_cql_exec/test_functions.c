/* Functions, casts and JSON in statements. Most of what they answer is in tests/compat; here is
 * what no other server can be asked for, and one of each kind. */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct one_node n;
void exec_functions_setup(void);
void exec_functions_teardown(void);

void exec_functions_setup(void)
{
    one_node_open(&n);
    one_node_query(&n, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}");
    one_node_query(&n, "USE ks");
}

void exec_functions_teardown(void)
{
    one_node_close(&n);
}

static const struct story calls[] = {
    {"CREATE TABLE t (k int PRIMARY KEY, b bigint, d decimal, g double, v varint, m text, o "
     "timestamp, l frozen<list<int>>, x map<text, int>)",
     "CREATED TABLE ks.t"},
    {"INSERT INTO t (k, b, d, g, v, m, o, l, x) VALUES (1, abs(-5), 1.50, 2.5, exp(3), 'hello', "
     "floor('2024-02-29 12:34Z', 1h), [3, 1, 2], {'a': 1, 'b': 2})",
     "void"},
    {"SELECT b, v, o FROM t", "5, 20, '2024-02-29T12:00:00.000Z'"},
    {"SELECT abs(d), round(g), log10(v), collection_max(l), collection_avg(l), map_keys(x), "
     "map_values(x) FROM t",
     "1.50, 3.0, 1, 3, 2, {'a', 'b'}, [1, 2]"},
    {"SELECT mask_inner(m, 1, 1), mask_outer(m, 1, 1, '#'), mask_default(k), mask_null(k), "
     "mask_replace(k, 7) FROM t",
     "'h***o', '#ell#', 0, null, 7"},
    {"SELECT cast(d as varint), cast(g as decimal), cast(v as tinyint), cast(k as text) FROM t",
     "1, 2.5, 20, '1'"},
    {"SELECT to_json(l), to_json(x), to_json(d), to_json(m) FROM t",
     "'[3, 1, 2]', '{\"a\": 1, \"b\": 2}', '1.50', '\"hello\"'"},
    {"SELECT JSON k, m AS \"M\", l FROM t",
     "'{\"k\": 1, \"\\\"M\\\"\": \"hello\", \"l\": [3, 1, 2]}'"},
    {"INSERT INTO t JSON '{\"k\": 2, \"M\": \"x\", \"l\": [\"5\"], \"x\": {\"z\": 26}}'", "void"},
    {"SELECT m, l, x, b FROM t WHERE k = 2", "'x', [5], {'z': 26}, null"},
    {"INSERT INTO t JSON '{\"k\": 2, \"b\": 9}' DEFAULT UNSET", "void"},
    {"SELECT m, b FROM t WHERE k = 2", "'x', 9"},
    {"INSERT INTO t (k, b) VALUES (from_json('3'), from_json('\"77\"') + 1)", "void"},
    {"SELECT b FROM t WHERE k = 3", "78"},
    {"INSERT INTO t (k, b) VALUES (3, from_json('[1]'))", "FUNCTION_FAILURE: *"},
    {"INSERT INTO t (k, b) VALUES (3, to_unix_timestamp(1))", "INVALID: Ambiguous call*"},
    {"SELECT log((decimal) 0) FROM t", "INVALID: Natural log of number zero or less"},
    {NULL, NULL},
};

static void functions_of_each_family(void)
{
    one_node_story(&n, calls);
}

/* What a client nests is looked at once for each type, not once for each overload around it: with
 * nine overloads a level this would not end. */
static void nesting_takes_no_exponential_time(void)
{
    char text[1024] = "INSERT INTO t (k, b) VALUES (1, ";
    one_node_query(&n, "CREATE TABLE t (k int PRIMARY KEY, b bigint)");
    for (int i = 0; i < 30; i++)
        strcat(text, i % 2 == 0 ? "abs(" : "-(");
    strcat(text, "5");
    for (int i = 0; i < 30; i++)
        strcat(text, ")");
    strcat(text, ")");
    const struct story story[] = {
        {text, "void"},
        {"SELECT b FROM t", "5"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

CU_TestInfo exec_functions_tests[] = {
    {"functions of each family", functions_of_each_family},
    {"nesting takes no exponential time", nesting_takes_no_exponential_time},
    CU_TEST_INFO_NULL,
};
