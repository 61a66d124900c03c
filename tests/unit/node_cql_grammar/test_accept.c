/* Which texts are CQL, and what is said about those that are not. */
#include "base/buf.h"
#include "node/cql/grammar/parse.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static bool parses(const char *text, struct ast *ret_ast, struct arena *arena, struct errmsg *m)
{
    return cql_parse(bytes_text(text), arena, ret_ast, m) == ERR_OK;
}

static const struct {
    enum ast_kind kind;
    const char *text;
} accepted[] = {
    {AST_SELECT, "SELECT * FROM t"},
    {AST_SELECT, "select a, b AS c from ks.t where k = 1;"},
    {AST_SELECT, "SELECT * FROM system.local WHERE key='local'"},
    {AST_SELECT, "SELECT key FROM t WHERE key = 'local' ;;"},
    {AST_SELECT, "SELECT DISTINCT k FROM t"},
    {AST_SELECT, "SELECT distinct FROM t"},
    {AST_SELECT, "SELECT json, distinct FROM t"},
    {AST_SELECT, "SELECT json FROM t"},
    {AST_SELECT, "SELECT JSON * FROM t"},
    {AST_SELECT, "SELECT JSON a, b FROM t"},
    {AST_SELECT, "SELECT JSON DISTINCT a FROM t"},
    {AST_SELECT, "SELECT count(*) FROM t"},
    {AST_SELECT, "SELECT count(1), COUNT(a) AS n FROM t"},
    {AST_SELECT, "SELECT count FROM t"},
    {AST_SELECT, "SELECT writetime(a), ttl(a), token(k, l), ks.f(a, 1) FROM t"},
    {AST_SELECT, "SELECT CAST(a AS double), cast(b as text) FROM t"},
    {AST_SELECT, "SELECT a + b * 2 - -c % 3, -a FROM t"},
    {AST_SELECT, "SELECT (a, b), [a, b], {a, b}, {a : b} FROM t"},
    {AST_SELECT, "SELECT m['k'], l[0], s[1..3], s[..3], s[1..], u.f, m['k'].x FROM t"},
    {AST_SELECT, "SELECT (int) 3, (text) ?, ? FROM t"},
    {AST_SELECT, "SELECT a FROM t WHERE k IN (1, 2, ?) AND c > 3 AND c <= :x"},
    {AST_SELECT, "SELECT a FROM t WHERE k IN () AND c IN ? AND d IN :d"},
    {AST_SELECT, "SELECT a FROM t WHERE (c, d) > (1, 2) AND (c, d) <= ?"},
    {AST_SELECT, "SELECT a FROM t WHERE (c, d) IN ((1, 2), (3, 4)) AND (c) = (1)"},
    {AST_SELECT, "SELECT a FROM t WHERE (c, d) IN (?, :b) AND (c, d) IN ?"},
    {AST_SELECT, "SELECT a FROM t WHERE (k = 1) AND ((c = 2))"},
    {AST_SELECT, "SELECT a FROM t WHERE token(k) > -9223372036854775808 AND token(k) <= token(1)"},
    {AST_SELECT, "SELECT a FROM t WHERE TOKEN(a, b) > ?"},
    {AST_SELECT, "SELECT a FROM t WHERE l CONTAINS 1 AND m CONTAINS KEY 'a' AND m['a'] = 2"},
    {AST_SELECT, "SELECT a FROM t WHERE a LIKE 'x%' AND b IS NOT NULL AND c != 1 ALLOW FILTERING"},
    {AST_SELECT, "SELECT a FROM t GROUP BY k, c ORDER BY c DESC, d ASC, e PER PARTITION LIMIT 2 "
                 "LIMIT 10 ALLOW FILTERING"},
    {AST_SELECT, "SELECT a FROM t PER PARTITION LIMIT ? LIMIT :n"},
    {AST_SELECT, "SELECT a FROM t ORDER BY v ANN OF [1.0, 2.0] LIMIT 3"},
    {AST_SELECT, "SELECT \"A\", \"with \"\"quotes\"\"\" FROM \"Ks\".\"T\""},
    {AST_SELECT, "-- first\nSELECT /* in\nside */ a // rest\nFROM t -- end"},
    {AST_SELECT, "SELECT ttl, timestamp, type, values, user, role, list, map, key FROM static"},
    {AST_SELECT, "SELECT a FROM t WHERE k = now() AND c = ks.f(1, g(2)) AND d = 1 + 2 * (3 - 4)"},
    {AST_SELECT, "SELECT a FROM t WHERE d = 1y2mo3w4d5h6m7s8ms9us10ns AND e = P1Y2M3DT4H5M6S"},
    {AST_SELECT, "SELECT a FROM t WHERE d = -1d AND e = P2W AND f = P0001-02-03T04:05:06"},
    {AST_SELECT, "SELECT a FROM t WHERE d = NaN AND e = -Infinity AND f = INFINITY AND g = 1e10"},
    {AST_SELECT, "SELECT a FROM t WHERE u = 123e4567-e89b-12d3-a456-426614174000 AND b = 0xCAFE"},
    {AST_SELECT, "SELECT a FROM t WHERE u = abcdef01-e89b-12d3-a456-426614174000 AND b = 0x"},
    {AST_SELECT, "SELECT a FROM t WHERE x = $$it's$$ AND y = 'it''s' AND z = ''"},
    {AST_INSERT, "INSERT INTO t (a, b) VALUES (1, 'x')"},
    {AST_INSERT, "INSERT INTO ks.t (a, \"B\") VALUES (?, :b) IF NOT EXISTS USING TTL 5"},
    {AST_INSERT, "INSERT INTO t (a) VALUES (1) USING TIMESTAMP 1 AND TTL ?"},
    {AST_INSERT, "INSERT INTO t (a) VALUES (1) USING TTL :ttl AND TIMESTAMP -1"},
    {AST_INSERT, "INSERT INTO t (a) VALUES (1) USING CAUSALITY 0x00ff AND TTL 1"},
    {AST_UPDATE, "UPDATE t USING CAUSALITY ? SET causality = 1 WHERE k = 1"},
    {AST_UPDATE, "UPDATE t USING TTL 1 AND CAUSALITY :c AND TIMESTAMP 2 SET a = 1 WHERE k = 1"},
    {AST_DELETE, "DELETE FROM t USING CAUSALITY null WHERE k = 1"},
    {AST_DELETE, "DELETE a FROM t USING TIMESTAMP 1 AND CAUSALITY ? WHERE k = 1 IF a = 2"},
    {AST_SELECT, "SELECT causality(), siblings(a), siblings(m[1]), causality FROM t"},
    {AST_INSERT, "INSERT INTO t (a, b, c, d, e) VALUES ([1, 2], {1, 2}, {1: 'a', 2: 'b'}, {}, [])"},
    {AST_INSERT, "INSERT INTO t (a, b) VALUES ({f: 1, \"G\": {h: 2}}, (1, 'a', [1]))"},
    {AST_INSERT, "INSERT INTO t (a, b) VALUES ((int) 1, (map<text, int>) {'a': 1})"},
    {AST_INSERT, "INSERT INTO t (a, b) VALUES ({?: :v, :k: 1}, {{1}: [2]})"},
    {AST_INSERT, "INSERT INTO t JSON '{}'"},
    {AST_INSERT, "INSERT INTO t JSON ? DEFAULT UNSET IF NOT EXISTS USING TTL 3"},
    {AST_INSERT, "INSERT INTO t JSON :j DEFAULT NULL"},
    {AST_INSERT, "INSERT INTO t (a, b, c) VALUES (null, true, FALSE)"},
    {AST_UPDATE, "UPDATE t SET a = 1 WHERE k = 1"},
    {AST_UPDATE, "UPDATE t USING TTL 3 AND TIMESTAMP ? SET a = ?, b = :b WHERE k IN (1, 2)"},
    {AST_UPDATE, "UPDATE t SET l = l + [1], l2 = [1] + l2, s = s - {1}, m['a'] = 1, l[0] = ? "
                 "WHERE k = 1"},
    {AST_UPDATE, "UPDATE t SET c = c + 1, d += 2, e -= {1}, u.f = 3, f = f -1 WHERE k = 1"},
    {AST_UPDATE, "UPDATE t SET a = ? + a, b = :x + b WHERE k = 1"},
    {AST_UPDATE, "UPDATE t SET a = 1 WHERE k = 1 IF EXISTS"},
    {AST_UPDATE, "UPDATE t SET a = 1 WHERE k = 1 IF a = 2 AND b IN (1, 2) AND m['x'] != null "
                 "AND u.f > 1 AND l[0] IN ? AND s CONTAINS 1"},
    {AST_DELETE, "DELETE FROM t WHERE k = 1"},
    {AST_DELETE, "DELETE a, b['x'], l[0], u.f FROM t USING TIMESTAMP 5 WHERE k = 1 AND c > 3"},
    {AST_DELETE, "DELETE FROM t WHERE k = 1 IF EXISTS"},
    {AST_DELETE, "DELETE a FROM t WHERE k = 1 IF a = 3"},
    {AST_BATCH, "BEGIN BATCH INSERT INTO t (a) VALUES (1); UPDATE t SET a = 1 WHERE k = 1; "
                "DELETE FROM t WHERE k = 1 APPLY BATCH;"},
    {AST_BATCH, "BEGIN UNLOGGED BATCH USING TIMESTAMP 1 INSERT INTO t (a) VALUES (1) APPLY BATCH"},
    {AST_BATCH, "BEGIN COUNTER BATCH UPDATE t SET c = c + 1 WHERE k = 1; APPLY BATCH"},
    {AST_BATCH, "BEGIN BATCH APPLY BATCH"},
    {AST_USE, "USE ks"},
    {AST_USE, "USE \"Ks\";"},
    {AST_TRUNCATE, "TRUNCATE t"},
    {AST_TRUNCATE, "TRUNCATE TABLE ks.t"},
    {AST_TRUNCATE, "TRUNCATE COLUMNFAMILY ks.t"},
    {AST_CREATE_KEYSPACE, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                          "'replication_factor': 3} AND durable_writes = true"},
    {AST_CREATE_KEYSPACE, "CREATE SCHEMA IF NOT EXISTS \"Ks\" WITH REPLICATION = {'class':'x'}"},
    {AST_ALTER_KEYSPACE, "ALTER KEYSPACE IF EXISTS ks WITH durable_writes = false"},
    {AST_DROP_KEYSPACE, "DROP KEYSPACE IF EXISTS ks"},
    {AST_CREATE_TABLE, "CREATE TABLE t (k int PRIMARY KEY, v text)"},
    {AST_CREATE_TABLE, "CREATE TABLE IF NOT EXISTS ks.t (a int, b text, c uuid, s int STATIC, "
                       "m map<text, frozen<list<int>>>, PRIMARY KEY ((a, b), c)) WITH CLUSTERING "
                       "ORDER BY (c DESC) AND comment = 'x' AND compaction = {'class': 'y'} AND "
                       "gc_grace_seconds = 10 AND bloom_filter_fp_chance = 0.1 AND "
                       "id = 123e4567-e89b-12d3-a456-426614174000"},
    {AST_CREATE_TABLE, "CREATE COLUMNFAMILY t (k int, PRIMARY KEY (k)) WITH COMPACT STORAGE"},
    {AST_CREATE_TABLE, "CREATE TABLE t (k int PRIMARY KEY, s set<int>, l list<frozen<set<text>>>, "
                       "u ks.udt, t tuple<int, text>, v vector<float, 3>, c 'org.x.Y', "
                       "d duration, key blob, type ascii)"},
    {AST_CREATE_TABLE, "CREATE TABLE t (k int PRIMARY KEY, v text MASKED WITH DEFAULT)"},
    {AST_CREATE_TABLE,
     "CREATE TABLE t (k int PRIMARY KEY, v text MASKED WITH mask_inner(1, null))"},
    {AST_CREATE_TABLE, "CREATE TABLE t (k int PRIMARY KEY) WITH speculative_retry = '99p' AND "
                       "caching = {'keys': 'ALL'} AND max_index_interval = -1 AND cdc = false"},
    {AST_ALTER_TABLE, "ALTER TABLE t ADD a int"},
    {AST_ALTER_TABLE, "ALTER TABLE IF EXISTS ks.t ADD IF NOT EXISTS (a int, b text static)"},
    {AST_ALTER_TABLE, "ALTER TABLE t ADD (a int, b text)"},
    {AST_ALTER_TABLE, "ALTER TABLE t DROP a"},
    {AST_ALTER_TABLE, "ALTER TABLE t DROP IF EXISTS (a, b)"},
    {AST_ALTER_TABLE, "ALTER TABLE t DROP (a, b) USING TIMESTAMP 12"},
    {AST_ALTER_TABLE, "ALTER TABLE t DROP COMPACT STORAGE"},
    {AST_ALTER_TABLE, "ALTER TABLE t RENAME a TO b AND c TO d"},
    {AST_ALTER_TABLE, "ALTER TABLE t RENAME IF EXISTS a TO b"},
    {AST_ALTER_TABLE, "ALTER TABLE t ALTER a TYPE text"},
    {AST_ALTER_TABLE, "ALTER TABLE t WITH comment = 'x' AND gc_grace_seconds = 1"},
    {AST_DROP_TABLE, "DROP TABLE t"},
    {AST_DROP_TABLE, "DROP COLUMNFAMILY IF EXISTS ks.t"},
    {AST_DESCRIBE, "DESCRIBE CLUSTER"},
    {AST_DESCRIBE, "DESC CLUSTER;"},
    {AST_DESCRIBE, "DESCRIBE KEYSPACES"},
    {AST_DESCRIBE, "DESCRIBE KEYSPACE"},
    {AST_DESCRIBE, "DESCRIBE KEYSPACE ks WITH INTERNALS"},
    {AST_DESCRIBE, "DESCRIBE ONLY KEYSPACE ks"},
    {AST_DESCRIBE, "DESCRIBE TABLES"},
    {AST_DESCRIBE, "DESC COLUMNFAMILIES"},
    {AST_DESCRIBE, "DESCRIBE TABLE ks.t WITH INTERNALS"},
    {AST_DESCRIBE, "DESCRIBE SCHEMA"},
    {AST_DESCRIBE, "DESCRIBE FULL SCHEMA WITH INTERNALS"},
    {AST_DESCRIBE, "DESCRIBE TYPES"},
    {AST_DESCRIBE, "DESCRIBE TYPE ks.u"},
    {AST_DESCRIBE, "DESCRIBE FUNCTIONS"},
    {AST_DESCRIBE, "DESCRIBE FUNCTION f"},
    {AST_DESCRIBE, "DESCRIBE AGGREGATES"},
    {AST_DESCRIBE, "DESCRIBE AGGREGATE a"},
    {AST_DESCRIBE, "DESCRIBE INDEX ks.i"},
    {AST_DESCRIBE, "DESCRIBE MATERIALIZED VIEW v"},
    {AST_DESCRIBE, "DESCRIBE ks.t"},
    {AST_DESCRIBE, "DESCRIBE \"Ks\""},
    {AST_CREATE_INDEX, "CREATE INDEX ON t (a)"},
    {AST_CREATE_INDEX, "CREATE INDEX IF NOT EXISTS i ON ks.t (keys(m))"},
    {AST_CREATE_INDEX, "CREATE INDEX i ON t (full(l)) USING 'sai' WITH OPTIONS = {'a': 'b'}"},
    {AST_CREATE_INDEX, "CREATE CUSTOM INDEX i ON t (a) USING 'x.Y'"},
    {AST_DROP_INDEX, "DROP INDEX IF EXISTS ks.i"},
    {AST_OTHER, "CREATE MATERIALIZED VIEW v AS SELECT * FROM t WHERE a IS NOT NULL PRIMARY KEY "
                "((a), b) WITH CLUSTERING ORDER BY (b DESC)"},
    {AST_OTHER, "ALTER MATERIALIZED VIEW v WITH comment = 'x'"},
    {AST_OTHER, "DROP MATERIALIZED VIEW IF EXISTS v"},
    {AST_CREATE_TYPE, "CREATE TYPE IF NOT EXISTS ks.u (a int, b frozen<list<text>>)"},
    {AST_ALTER_TYPE_STMT, "ALTER TYPE u ADD c int"},
    {AST_ALTER_TYPE_STMT, "ALTER TYPE u RENAME a TO b AND c TO d"},
    {AST_DROP_TYPE, "DROP TYPE u"},
    {AST_OTHER,
     "CREATE OR REPLACE FUNCTION ks.f (a int, b text) RETURNS NULL ON NULL INPUT RETURNS "
     "int LANGUAGE java AS $$ return a; $$"},
    {AST_OTHER, "CREATE FUNCTION IF NOT EXISTS f () CALLED ON NULL INPUT RETURNS text LANGUAGE "
                "java AS 'x'"},
    {AST_OTHER, "DROP FUNCTION f (int, text)"},
    {AST_OTHER, "CREATE AGGREGATE a (int) SFUNC f STYPE int FINALFUNC g INITCOND 0"},
    {AST_OTHER, "DROP AGGREGATE IF EXISTS a"},
    {AST_OTHER, "CREATE TRIGGER x ON t USING 'c'"},
    {AST_OTHER, "DROP TRIGGER x ON t"},
    {AST_CREATE_ROLE, "CREATE ROLE r WITH PASSWORD = 'x' AND LOGIN = true AND SUPERUSER = false "
                      "AND ACCESS TO DATACENTERS {'a', 'b'}"},
    {AST_CREATE_ROLE, "CREATE ROLE IF NOT EXISTS 'a b' WITH HASHED PASSWORD = 'x' AND ACCESS FROM "
                      "ALL CIDRS AND ACCESS TO ALL DATACENTERS"},
    {AST_ALTER_ROLE, "ALTER ROLE r WITH OPTIONS = {'a': 'b'}"},
    {AST_DROP_ROLE, "DROP ROLE IF EXISTS r"},
    {AST_CREATE_ROLE, "CREATE USER u WITH PASSWORD 'x' SUPERUSER"},
    {AST_ALTER_ROLE, "ALTER USER u WITH PASSWORD 'y' NOSUPERUSER"},
    {AST_ALTER_ROLE, "ALTER USER IF EXISTS u SUPERUSER"},
    {AST_DROP_ROLE, "DROP USER u"},
    {AST_ADD_IDENTITY, "ADD IDENTITY IF NOT EXISTS 'x' TO ROLE 'r'"},
    {AST_DROP_IDENTITY, "DROP IDENTITY 'x'"},
    {AST_GRANT, "GRANT SELECT ON ALL KEYSPACES TO r"},
    {AST_GRANT, "GRANT ALL PERMISSIONS ON KEYSPACE ks TO r"},
    {AST_GRANT, "GRANT SELECT, MODIFY ON ALL TABLES IN KEYSPACE ks TO r"},
    {AST_GRANT, "GRANT EXECUTE ON FUNCTION ks.f(int, text) TO r"},
    {AST_GRANT, "GRANT EXECUTE ON MBEANS 'a.*:*' TO r"},
    {AST_GRANT_ROLE, "GRANT r TO 's'"},
    {AST_REVOKE, "REVOKE MODIFY ON TABLE ks.t FROM r"},
    {AST_REVOKE, "REVOKE AUTHORIZE ON ROLE \"R\" FROM r"},
    {AST_REVOKE_ROLE, "REVOKE r FROM s"},
    {AST_LIST_PERMISSIONS, "LIST ALL PERMISSIONS OF r"},
    {AST_LIST_PERMISSIONS, "LIST SELECT ON t NORECURSIVE"},
    {AST_LIST_ROLES, "LIST ROLES OF r"},
    {AST_LIST_USERS, "LIST USERS"},
    {AST_ALTER_TABLE, "ALTER TABLE t ALTER a DROP MASKED"},
    {AST_ALTER_TABLE, "ALTER TABLE t ALTER a MASKED WITH DEFAULT"},
};

static void accepts(void)
{
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        struct ast ast = {0};
        struct errmsg m = {""};
        bool good = parses(accepted[i].text, &ast, &arena, &m) && ast.stmt != NULL &&
                    ast.stmt->kind == accepted[i].kind;
        CU_ASSERT(good);
        if (!good)
            printf("\n  %s\n  -> %s\n", accepted[i].text, m.text);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

static const struct {
    const char *text;
    const char *message;
} refused[] = {
    {"", "line 1:0 no viable alternative at input '<EOF>'"},
    {"SELEC * FROM t", "line 1:0 no viable alternative at input 'SELEC' ([SELEC]...)"},
    {"SELECT * FORM t", "line 1:9 mismatched input 'FORM' expecting K_FROM (SELECT * [FORM]...)"},
    {"SELECT *\n  FROM t x", "line 2:9 "},
    {"SELECT * FROM t WHERE", "line 1:21 no viable alternative at input '<EOF>'"},
    {"SELECT FROM t", "line 1:7 no viable alternative at input 'FROM' (SELECT [FROM]...)"},
    {"SELECT a b FROM t", "line 1:9 "},
    {"SELECT a FROM t WHERE k = b", "line 1:27 mismatched input '<EOF>' expecting '('"},
    {"SELECT a FROM select", "line 1:14 "},
    {"SELECT * FROM t; SELECT * FROM u", "line 1:17 "},
    {"INSERT INTO t (a) VALUES (1", "line 1:27 "},
    {"INSERT INTO t (a) VALUES ()", "line 1:26 "},
    {"INSERT INTO t VALUES (1)", "line 1:14 "},
    {"UPDATE t SET WHERE k = 1", "line 1:13 "},
    {"UPDATE t SET a = 1", "line 1:18 "},
    {"DELETE FROM t", "line 1:13 "},
    {"CREATE TABLE t", "line 1:14 mismatched input '<EOF>' expecting '('"},
    {"CREATE KEYSPACE ks", "line 1:18 mismatched input '<EOF>' expecting K_WITH"},
    {"USE", "line 1:3 no viable alternative at input '<EOF>'"},
    {"SELECT 'abc FROM t", "line 1:7 "},
    {"SELECT \"\" FROM t", "line 1:7 an empty name"},
    {"SELECT $$a FROM t", "line 1:7 "},
    {"SELECT a /* FROM t", "line 1:9 "},
    {"SELECT a FROM t WHERE a @ 1", "line 1:24 no viable alternative at input '@'"},
    {"BEGIN BATCH SELECT * FROM t APPLY BATCH", "line 1:12 "},
    {"SELECT foo(a AS int) FROM t", "line 1:"},
};

static void refuses(void)
{
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct ast ast;
        struct errmsg m = {""};
        bool good = !parses(refused[i].text, &ast, &arena, &m) &&
                    strncmp(m.text, refused[i].message, strlen(refused[i].message)) == 0;
        CU_ASSERT(good);
        if (!good)
            printf("\n  %s\n  -> %s\n", refused[i].text, m.text);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

/* The same opening n times and the same closing n times around a middle. */
static bool nested(const char *head, const char *open, const char *middle, const char *close,
                   size_t n, struct errmsg *m)
{
    struct buf b;
    struct arena arena;
    struct ast ast;
    buf_init(&b, CQL_TEXT_MAX);
    arena_init(&arena);
    buf_put_text(&b, head);
    for (size_t i = 0; i < n; i++)
        buf_put_text(&b, open);
    buf_put_text(&b, middle);
    for (size_t i = 0; i < n; i++)
        buf_put_text(&b, close);
    bool good = cql_parse(buf_bytes(&b), &arena, &ast, m) == ERR_OK;
    arena_close(&arena);
    buf_close(&b);
    return good;
}

static void depth_is_bounded(void)
{
    static const struct {
        const char *head, *open, *middle, *close;
    } rows[] = {
        {"SELECT a FROM t WHERE k = ", "[", "1", "]"},
        {"SELECT a FROM t WHERE k = ", "(", "1", ")"},
        {"SELECT a FROM t WHERE k = ", "f(", "1", ")"},
        {"SELECT a FROM t WHERE k = ", "- ", "g(1)", ""},
        {"SELECT a FROM t WHERE k = 1", " + 1", "", ""},
        {"SELECT a FROM t WHERE k = ", "(int) ", "1", ""},
        {"SELECT ", "[", "a] FROM t", ""},
        {"SELECT a", ".b", " FROM t", ""},
        {"SELECT a FROM t WHERE ", "(", "k = 1", ")"},
        {"CREATE TABLE t (k ", "frozen<", "int", ">"},
    };
    struct errmsg m;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT(!nested(rows[i].head, rows[i].open, rows[i].middle, rows[i].close, 20000, &m));
        if (strstr(m.text, "nested too deeply") == NULL)
            printf("\n  %s%s -> %s\n", rows[i].head, rows[i].open, m.text);
        CU_ASSERT(strstr(m.text, "nested too deeply") != NULL);
    }
    CU_ASSERT(nested("SELECT a FROM t WHERE k = ", "[", "1", "]", 30, &m));
    CU_ASSERT(nested("SELECT a FROM t WHERE k = 1", " AND l = 2", "", "", 5000, &m));
}

static void size_is_bounded(void)
{
    struct errmsg m;
    CU_ASSERT(!nested("SELECT a", ",a", " FROM t", "", CQL_TOKENS_MAX / 2, &m));
    CU_ASSERT(strstr(m.text, "too many words") != NULL);
    CU_ASSERT(!nested("INSERT INTO t (a) VALUES (?", ",?", ")", "", CQL_MARKERS_MAX, &m));
    CU_ASSERT(strstr(m.text, "too many bind markers") != NULL);
}

CU_TestInfo cql_accept_tests[] = {
    {"every form of the language parses as what it is", accepts},
    {"syntax errors name the place and the input", refuses},
    {"depth is bounded", depth_is_bounded},
    {"size is bounded", size_is_bounded},
    CU_TEST_INFO_NULL,
};
