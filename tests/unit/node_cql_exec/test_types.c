/* Values of every type go in and come out. */
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct one_node n;
void exec_types_setup(void);
void exec_types_teardown(void);

void exec_types_setup(void)
{
    one_node_open(&n);
    one_node_query(&n, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}");
    one_node_query(&n, "USE ks");
}

void exec_types_teardown(void)
{
    one_node_close(&n);
}

static const struct {
    const char *type;
    const char *literal;
    const char *shown; /* NULL: as the literal */
} values[] = {
    {"ascii", "'abc'", NULL},
    {"bigint", "-9223372036854775808", NULL},
    {"blob", "0xcafe", NULL},
    {"boolean", "true", NULL},
    {"date", "'2024-02-29'", NULL},
    {"decimal", "1.50", NULL},
    {"double", "1.5", NULL},
    {"float", "-0.25", NULL},
    {"inet", "'127.0.0.1'", NULL},
    {"int", "-42", NULL},
    {"smallint", "-32768", NULL},
    {"text", "'it''s'", NULL},
    {"text", "$$it's$$", "'it''s'"},
    {"time", "'01:02:03.000000004'", NULL},
    {"timeuuid", "50554d6e-29bb-11e5-b345-feff819cdc9f", NULL},
    {"tinyint", "127", NULL},
    {"uuid", "123e4567-e89b-12d3-a456-426614174000", NULL},
    {"varint", "123456789012345678901234567890", NULL},
};

static void scalars_as_values_and_keys(void)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char text[512], want[256];
        const char *shown = values[i].shown != NULL ? values[i].shown : values[i].literal;
        snprintf(text, sizeof text,
                 "CREATE TABLE t%zu (k %s, c %s, v %s, s set<%s>, m map<%s, %s>, l list<%s>, "
                 "PRIMARY KEY (k, c))",
                 i, values[i].type, values[i].type, values[i].type, values[i].type, values[i].type,
                 values[i].type, values[i].type);
        snprintf(want, sizeof want, "CREATED TABLE ks.t%zu", i);
        CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), want);
        const char *v = values[i].literal;
        snprintf(
            text, sizeof text,
            "INSERT INTO t%zu (k, c, v, s, m, l) VALUES (%s, %s, %s, {%s}, {%s: %s}, [%s, %s])", i,
            v, v, v, v, v, v, v, v);
        CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), "void");
        snprintf(text, sizeof text, "SELECT v FROM t%zu WHERE k = %s AND c = %s", i, v, v);
        CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), shown);
        snprintf(text, sizeof text, "SELECT l FROM t%zu WHERE k = %s AND c >= %s", i, v, v);
        snprintf(want, sizeof want, "[%s, %s]", shown, shown);
        CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), want);
        if (strcmp(values[i].type, "decimal") == 0)
            continue; /* as part of a key 1.50 is 1.5 */
        snprintf(text, sizeof text, "SELECT k, c, s, m FROM t%zu", i);
        snprintf(want, sizeof want, "%s, %s, {%s}, {%s: %s}", shown, shown, shown, shown, shown);
        CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), want);
    }
}

static const struct story other_values[] = {
    {"CREATE TABLE t (k int PRIMARY KEY, d duration, fl frozen<list<int>>, fm frozen<map<text, "
     "frozen<set<int>>>>, ts timestamp, v text)",
     "CREATED TABLE ks.t"},
    {"INSERT INTO t (k, d, fl, fm) VALUES (1, 1y2mo3d, [3, 1], {'b': {2, 1}, 'a': {}})", "void"},
    {"SELECT d, fl, fm FROM t", "1y2mo3d, [3, 1], {'a': {}, 'b': {1, 2}}"},
    {"UPDATE t SET fl = null, v = '' WHERE k = 1", "void"},
    {"SELECT fl, v FROM t", "null, ''"},
    {"INSERT INTO t (k, v) VALUES (2, 5)",
     "INVALID: Invalid INTEGER constant (5) for \"v\" of type text"},
    {"INSERT INTO t (k) VALUES ('x')",
     "INVALID: Invalid STRING constant (x) for \"k\" of type int"},
    {"INSERT INTO t (k, fl) VALUES (2, 5)",
     "INVALID: Invalid INTEGER constant (5) for \"fl\" of type frozen<list<int>>"},
    {"INSERT INTO t (k, fl) VALUES (2, {5})",
     "INVALID: Invalid set literal for fl of type frozen<list<int>>"},
    {"INSERT INTO t (k, fl) VALUES (2, [null])",
     "INVALID: null is not supported inside collections"},
    {"INSERT INTO t (k, v) VALUES (3, (text) 'cast')", "void"},
    {"INSERT INTO t (k, v) VALUES (4, ('paren'))", "void"},
    {"SELECT v FROM t WHERE k IN (3, 4)", "*"},
    {"INSERT INTO t (k, v) VALUES (5, (int) 3)",
     "INVALID: Cannot assign value (int)3 to v of type text"},
    {"INSERT INTO t (k, v) VALUES (5, now())", "INVALID: Type error*"},
    {"INSERT INTO t (k, v) VALUES (5, nope())", "INVALID: Unknown function nope called"},
    {"INSERT INTO t (k, ts) VALUES (6, toTimestamp(now()))", "void"},
    {"SELECT ts FROM t WHERE k = 6", "'2023-11-14T22:13:20.000Z'"},
    {"SELECT toDate(ts), toUnixTimestamp(ts) FROM t WHERE k = 6", "'2023-11-14', 1700000000000"},
    {"SELECT intAsBlob(k), blobAsInt(0x00000007) FROM t WHERE k = 6", "0x00000006, 7"},
    {"INSERT INTO t (k, v) VALUES (7, blobAsText(0xff))", "INVALID: *"},
    {NULL, NULL},
};

static void other_values_and_functions(void)
{
    one_node_story(&n, other_values);
}

CU_TestInfo exec_types_tests[] = {
    {"scalars as values, keys and elements", scalars_as_values_and_keys},
    {"other values and functions", other_values_and_functions},
    CU_TEST_INFO_NULL,
};
