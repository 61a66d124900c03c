/* Tuples, vectors and user-defined types in statements and answers. */
#include "one_node.h"

#include <CUnit/CUnit.h>

static struct one_node n;
void exec_user_types_setup(void);
void exec_user_types_teardown(void);

void exec_user_types_setup(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1}",
         "CREATED KEYSPACE ks"},
        {"USE ks", "keyspace ks"},
        {"CREATE TYPE point (x int, y int)", "CREATED TYPE ks.point"},
        {"CREATE TYPE line (a frozen<point>, b frozen<point>, tags frozen<set<text>>)",
         "CREATED TYPE ks.line"},
        {"CREATE TABLE t (k int PRIMARY KEY, p point, f frozen<line>, l list<frozen<point>>, "
         "u tuple<int, text>, v vector<float, 2>)",
         "CREATED TABLE ks.t"},
        {"CREATE TABLE c (k int, p frozen<point>, u tuple<int, text>, w int, PRIMARY KEY (k, p, "
         "u)) WITH CLUSTERING ORDER BY (p DESC, u ASC)",
         "CREATED TABLE ks.c"},
        {NULL, NULL},
    };
    one_node_open(&n);
    one_node_story(&n, story);
}

void exec_user_types_teardown(void)
{
    one_node_close(&n);
}

/* One cell a field: setting one leaves the others, setting all of it takes the rest away. */
static void fields_are_cells(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, p) VALUES (1, {x: 1})", "void"},
        {"UPDATE t SET p.y = 2 WHERE k = 1", "void"},
        {"SELECT p, p.x, p.y FROM t", "{x: 1, y: 2}, 1, 2"},
        {"UPDATE t SET p.x = null WHERE k = 1", "void"},
        {"SELECT p FROM t", "{x: null, y: 2}"},
        {"UPDATE t SET p = {x: 5} WHERE k = 1", "void"},
        {"SELECT p FROM t", "{x: 5, y: null}"},
        {"DELETE p.x FROM t WHERE k = 1", "void"},
        {"SELECT k, p FROM t", "1, null"},
        {"UPDATE t SET p = {x: 1, y: 2} WHERE k = 1", "void"},
        {"ALTER TYPE point ADD z int", "UPDATED TYPE ks.point"},
        {"SELECT p FROM t", "{x: 1, y: 2, z: null}"},
        {"UPDATE t SET p.z = 3 WHERE k = 1", "void"},
        {"ALTER TYPE point RENAME y TO why AND x TO y", "UPDATED TYPE ks.point"},
        {"SELECT p, p.z FROM t", "{y: 1, why: 2, z: 3}, 3"},
        {"DELETE p FROM t WHERE k = 1", "void"},
        {"SELECT p FROM t", "null"},
        {"UPDATE t SET p.nope = 1 WHERE k = 1",
         "INVALID: UDT column p does not have a field named nope"},
        {"UPDATE t SET f.a = {x: 1} WHERE k = 1",
         "INVALID: Invalid operation (f.a = {x: 1}) for frozen UDT column f"},
        {"DROP TYPE point", "INVALID: Cannot drop user type 'ks.point' as it is still used by "
                            "user types line"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void frozen_ones_grow_too(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, f, l) VALUES (1, {a: {x: 1, y: 2}, tags: {'b', 'a'}}, [{x: 7}])",
         "void"},
        {"SELECT f, f.a.y, f.b, l FROM t",
         "{a: {x: 1, y: 2}, b: null, tags: {'a', 'b'}}, 2, null, [{x: 7, y: null}]"},
        {"ALTER TYPE point ADD z int", "UPDATED TYPE ks.point"},
        {"SELECT f.a, l FROM t", "{x: 1, y: 2, z: null}, [{x: 7, y: null, z: null}]"},
        {"INSERT INTO c (k, p, u, w) VALUES (1, {x: 1}, (1, 'a'), 1)", "void"},
        {"ALTER TYPE point ADD zz int", "UPDATED TYPE ks.point"},
        {"UPDATE c SET w = 2 WHERE k = 1 AND p = {x: 1, zz: null} AND u = (1, 'a')", "void"},
        {"SELECT p, u, w FROM c", "{x: 1, y: null, z: null, zz: null}, (1, 'a'), 2"},
        {"INSERT INTO t (k, f) VALUES (2, {a: {x: 'no'}})",
         "INVALID: Invalid user type literal for f: field a is not of type frozen<point>"},
        {"INSERT INTO t (k, f) VALUES (2, {nope: 1})",
         "INVALID: Unknown field 'nope' in value of user defined type line"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void keys_of_several_parts(void)
{
    static const struct story story[] = {
        {"INSERT INTO c (k, p, u, w) VALUES (1, {x: 1, y: 1}, (2, 'a'), 1)", "void"},
        {"INSERT INTO c (k, p, u, w) VALUES (1, {x: 1}, (1, 'a'), 2)", "void"},
        {"INSERT INTO c (k, p, u, w) VALUES (1, {y: 1}, (1, 'a'), 3)", "void"},
        {"INSERT INTO c (k, p, u, w) VALUES (1, {x: 1}, (1), 4)", "void"},
        {"INSERT INTO c (k, p, u, w) VALUES (1, {x: 1}, (1, null), 5)", "void"},
        {"INSERT INTO c (k, p, u, w) VALUES (1, {x: 1}, (null, 'z'), 6)", "void"},
        {"SELECT w FROM c", "1 | 6 | 5 | 2 | 3"},
        {"SELECT w FROM c WHERE k = 1 AND p = {x: 1} AND u > (1, null)", "2"},
        {"SELECT w FROM c WHERE k = 1 AND p < {x: 1}", "3"},
        {"SELECT w FROM c WHERE k = 1 AND p >= {x: 1}", "1 | 6 | 5 | 2"},
        {"SELECT w FROM c WHERE k = 1 AND p IN ({x: 1, y: 1}, {y: 1})", "1 | 3"},
        {"DELETE FROM c WHERE k = 1 AND p = {x: 1}", "void"},
        {"SELECT p, w FROM c", "{x: 1, y: 1}, 1 | {x: null, y: 1}, 3"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

static void tuples_and_vectors(void)
{
    static const struct story story[] = {
        {"INSERT INTO t (k, u, v) VALUES (1, (1, 'a'), [1.5, -2])", "void"},
        {"INSERT INTO t (k, u) VALUES (2, '3:b\\:c')", "void"},
        {"INSERT INTO t (k, u) VALUES (3, (null, null))", "void"},
        {"SELECT k, u, v FROM t WHERE k IN (1, 2, 3)",
         "1, (1, 'a'), [1.5, -2.0] | 2, (3, 'b:c'), null | 3, (null, null), null"},
        {"SELECT (k, v) FROM t WHERE k = 1", "(1, [1.5, -2.0])"},
        {"SELECT (vector<int, 2>) [k, 7] FROM t WHERE k = 1", "[1, 7]"},
        {"SELECT (point) {x: k, y: 7} FROM t WHERE k = 1", "{x: 1, y: 7}"},
        {"INSERT INTO t (k, v) VALUES (1, [1])",
         "INVALID: Invalid vector literal for v of type vector<float, 2>; expected 2 elements, but "
         "given 1"},
        {"INSERT INTO t (k, v) VALUES (1, [1, null])",
         "INVALID: null is not supported inside vectors"},
        {"INSERT INTO t (k, u) VALUES (1, (1, 'a', 2))",
         "INVALID: Invalid tuple literal for u: too many elements. Type frozen<tuple<int, text>> "
         "expects 2 but got 3"},
        {"INSERT INTO t (k, u) VALUES (1, ('a'))",
         "INVALID: Invalid tuple literal for u: component 0 is not of type int"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

/* Equal decimals are one key, shown as the newest INSERT or element wrote them. */
static void decimals_keep_their_form(void)
{
    static const struct story story[] = {
        {"CREATE TABLE d (k int, f decimal, u frozen<tuple<decimal, int>>, v int, s set<decimal>, "
         "m "
         "map<decimal, int>, PRIMARY KEY (k, f, u)) WITH CLUSTERING ORDER BY (f DESC, u ASC)",
         "CREATED TABLE ks.d"},
        {"INSERT INTO d (k, f, u, v) VALUES (1, 1.0, (2.50, 1), 1)", "void"},
        {"INSERT INTO d (k, f, u, v) VALUES (1, 1.00, (2.5, 1), 2)", "void"},
        {"SELECT f, u, v FROM d", "1.00, (2.5, 1), 2"},
        {"UPDATE d SET v = 3 WHERE k = 1 AND f = 1 AND u = (2.500, 1)", "void"},
        {"SELECT f, u, v FROM d WHERE k = 1 AND f = 1.000", "1.00, (2.5, 1), 3"},
        {"UPDATE d SET v = 4 WHERE k = 2 AND f = 10.0 AND u = (0.10, 1)", "void"},
        {"SELECT f, u, v FROM d WHERE k = 2", "10, (0.1, 1), 4"},
        {"UPDATE d SET s = {1.0, 2.50}, m = {1.0: 1} WHERE k = 3 AND f = 0 AND u = (0, 0)", "void"},
        {"UPDATE d SET s = s + {2.500}, m[1.00] = 2, m[7.0] = 3 WHERE k = 3 AND f = 0 AND u = (0, "
         "0)",
         "void"},
        {"SELECT s, m FROM d WHERE k = 3", "{1.0, 2.500}, {1.00: 2, 7.0: 3}"},
        {"DELETE m[7] FROM d WHERE k = 3 AND f = 0 AND u = (0, 0)", "void"},
        {"UPDATE d SET s = s - {1} WHERE k = 3 AND f = 0 AND u = (0, 0)", "void"},
        {"SELECT s, m, m[1] FROM d WHERE k = 3", "{2.500}, {1.00: 2}, 2"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

CU_TestInfo exec_user_types_tests[] = {{"fields are cells", fields_are_cells},
                                       {"frozen ones grow too", frozen_ones_grow_too},
                                       {"keys of several parts", keys_of_several_parts},
                                       {"tuples and vectors", tuples_and_vectors},
                                       {"decimals keep their form", decimals_keep_their_form},
                                       CU_TEST_INFO_NULL};
