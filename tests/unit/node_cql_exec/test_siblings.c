/* Tables that keep siblings: what is shown, what a write takes away, what is refused. Two clients,
 * `as("a")` and `as("b")`, do not see each other unless they bring what causality() gave. */
#include "one_node.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void exec_siblings_setup(void);
void exec_siblings_teardown(void);

static struct one_node n;

void exec_siblings_setup(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
         "'replication_factor': 1}",
         "CREATED KEYSPACE ks"},
        {"USE ks", "keyspace ks"},
        {"CREATE TYPE pair (x int, y int)", "CREATED TYPE ks.pair"},
        {"CREATE TABLE t (k int PRIMARY KEY, a int, b text) WITH conflicts = 'siblings'",
         "CREATED TABLE ks.t"},
        {"CREATE TABLE r (k int, c int, st int static, v int, m map<text, int>, s set<int>, l "
         "list<int>, u pair, f frozen<list<int>>, PRIMARY KEY (k, c)) WITH conflicts = 'siblings'",
         "CREATED TABLE ks.r"},
        {"CREATE TABLE plain (k int PRIMARY KEY, a int)", "CREATED TABLE ks.plain"},
        {NULL, NULL},
    };
    one_node_open(&n);
    one_node_story(&n, story);
}

void exec_siblings_teardown(void)
{
    one_node_close(&n);
}

/* Two clients that do not know of each other, in turn. */
static void both(const char *a, const char *b)
{
    const struct story story[] = {{a, "void"}, {NULL, NULL}}, other[] = {{b, "void"}, {NULL, NULL}};
    n.client = "a";
    one_node_story(&n, story);
    n.client = "b";
    one_node_story(&n, other);
}

static void expect(const char *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void expect(const char *reply, const char *format, ...)
{
    char cql[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(cql, sizeof cql, format, args);
    va_end(args);
    one_node_story(&n, (const struct story[]){{cql, reply}, {NULL, NULL}});
}

/* causality() of the row, as a literal. */
struct context {
    char text[2048];
};
static struct context context_of(const char *table, const char *where)
{
    struct context c = {""};
    char cql[256];
    snprintf(cql, sizeof cql, "SELECT causality() FROM %s WHERE %s", table, where);
    snprintf(c.text, sizeof c.text, "%s", one_node_query(&n, cql));
    CU_ASSERT_EQUAL(strncmp(c.text, "0x01", 4), 0);
    return c;
}

#define WARN(table, rows, columns)                                                                 \
    " [warning: ks." table ": in " rows " of these rows there are concurrent values of " columns   \
    "; shown are the winners, siblings(column) has all of them]"

static void the_winner_is_shown_and_said(void)
{
    both("INSERT INTO t (k, a, b) VALUES (1, 1, 'x')",
         "INSERT INTO t (k, a, b) VALUES (1, 2, 'x')");
    static const struct story story[] = {
        {"SELECT k, a FROM t", "1, 2" WARN("t", "1", "a")},
        {"SELECT * FROM t WHERE k = 1", "1, 2, 'x'" WARN("t", "1", "a")},
        {"SELECT k, b FROM t", "1, 'x'"},
        {"SELECT siblings(a), siblings(b) FROM t", "[2, 1], ['x']"},
        {"SELECT a, siblings(a) AS all FROM t", "2, [2, 1]"},
        {"SELECT JSON k, siblings(a) FROM t", "'{\"k\": 1, \"siblings(a)\": [2, 1]}'"},
        {"SELECT writetime(a), ttl(a) FROM t", "*"},
        {"SELECT max(a), count(*) FROM t WHERE k = 1", "2, 1" WARN("t", "1", "a")},
        {"SELECT k FROM t WHERE a = 2 ALLOW FILTERING", "1"},
        {"SELECT k FROM t WHERE a = 1 ALLOW FILTERING", "(no rows)"},
        {"SELECT DISTINCT k FROM t", "1"},
        {"SELECT a + 1 FROM t", "3" WARN("t", "1", "a")},
        {NULL, NULL},
    };
    one_node_story(&n, story);
}

/* One warning for an answer, however many rows, and one for each page. */
static void one_warning_for_an_answer(void)
{
    for (int k = 0; k < 5; k++) {
        n.client = "a";
        expect("void", "INSERT INTO t (k, a, b) VALUES (%d, 1, 'x')", k);
        n.client = "b";
        expect("void", "INSERT INTO t (k, a, b) VALUES (%d, 1, 'y')", k);
    }
    expect("'y' | 'y' | 'y' | 'y' | 'y'" WARN("t", "5", "b"), "SELECT b FROM t");
    const char *page = one_node_page(&n, "SELECT b FROM t", 2, BYTES_NONE);
    CU_ASSERT_STRING_EQUAL(page, "'y' | 'y' …" WARN("t", "2", "b"));
}

static void a_writer_replaces_what_it_wrote(void)
{
    both("INSERT INTO t (k, a) VALUES (1, 1)", "UPDATE t SET a = 2 WHERE k = 1");
    for (int i = 3; i < 40; i++) {
        n.client = i % 2 == 0 ? "a" : "b";
        expect("void", "UPDATE t SET a = %d WHERE k = 1", i);
    }
    expect("[39, 38]", "SELECT siblings(a) FROM t");
    n.client = "c";
    expect("void", "UPDATE t USING TIMESTAMP 1 SET a = 0 WHERE k = 1");
    expect("[39, 38, 0]", "SELECT siblings(a) FROM t");
}

static void a_context_takes_what_was_seen(void)
{
    both("INSERT INTO t (k, a) VALUES (1, 1)", "INSERT INTO t (k, a) VALUES (1, 2)");
    struct context c = context_of("t", "k = 1");
    n.client = "c";
    expect("void", "INSERT INTO t (k, a) VALUES (1, 3)");
    expect("void", "UPDATE t USING CAUSALITY %s AND TTL 1000 SET a = 4 WHERE k = 1", c.text);
    expect("[4, 3]", "SELECT siblings(a) FROM t");
    expect("1000", "SELECT ttl(a) FROM t");
    expect("void", "UPDATE t USING CAUSALITY null SET a = 5 WHERE k = 1");
    expect("void", "UPDATE t USING CAUSALITY 0x SET a = 6 WHERE k = 1");
    expect("[6, 5, 4, 3]", "SELECT siblings(a) FROM t");
    c = context_of("t", "k = 1");
    expect("void", "INSERT INTO t (k, a) VALUES (1, 7) USING CAUSALITY %s", c.text);
    expect("1, 7, null", "SELECT * FROM t");
    c = context_of("t", "k = 1");
    expect("void", "DELETE FROM t USING CAUSALITY %s WHERE k = 1", c.text);
    expect("(no rows)", "SELECT * FROM t");
}

static void a_removal_takes_what_is_there(void)
{
    both("INSERT INTO t (k, a, b) VALUES (1, 1, 'x')",
         "INSERT INTO t (k, a, b) VALUES (1, 2, 'y')");
    n.client = "c";
    size_t reads = n.reads;
    expect("void", "DELETE a FROM t WHERE k = 1");
    CU_ASSERT_EQUAL(n.reads, reads + 1);
    expect("null, ['y', 'x']", "SELECT siblings(a), siblings(b) FROM t");
    expect("void", "UPDATE t SET b = null, a = 5 WHERE k = 1");
    expect("5, null", "SELECT a, siblings(b) FROM t");
    expect("void", "DELETE FROM t WHERE k = 1");
    expect("(no rows)", "SELECT * FROM t");
    expect("void", "DELETE FROM t WHERE k = 1");
}

/* A deletion takes away only what it saw. */
static void a_removal_leaves_what_it_did_not_see(void)
{
    n.client = "a";
    expect("void", "INSERT INTO t (k, a) VALUES (1, 1)");
    struct context c = context_of("t", "k = 1");
    n.client = "b";
    expect("void", "UPDATE t SET a = 2 WHERE k = 1");
    expect("void", "DELETE FROM t USING CAUSALITY %s WHERE k = 1", c.text);
    expect("1, 2, null", "SELECT * FROM t");
}

static void ranges_and_partitions(void)
{
    for (int c = 0; c < 10; c++) {
        n.client = c % 2 == 0 ? "a" : "b";
        expect("void", "INSERT INTO r (k, c, v, st) VALUES (1, %d, %d, %d)", c, c, c % 2);
    }
    n.client = "c";
    expect("void", "DELETE FROM r WHERE k = 1 AND c < 3");
    expect("void", "DELETE FROM r WHERE k = 1 AND c IN (7, 8)");
    expect("3 | 4 | 5 | 6 | 9", "SELECT c FROM r WHERE k = 1");
    expect("void", "DELETE FROM r WHERE k = 1 AND c > 20");
    expect("[1, 0]", "SELECT DISTINCT siblings(st) FROM r WHERE k = 1");
    expect("void", "DELETE st FROM r WHERE k = 1");
    expect("null", "SELECT DISTINCT siblings(st) FROM r WHERE k = 1");
    expect("void", "UPDATE r SET st = 8 WHERE k = 1");
    struct context c = context_of("r", "k = 1 AND c = 4");
    expect("void", "DELETE FROM r USING CAUSALITY %s WHERE k = 1", c.text);
    expect("3, null | 5, null | 6, null | 9, null", "SELECT c, st FROM r WHERE k = 1");
    expect("void", "DELETE FROM r WHERE k = 1");
    expect("(no rows)", "SELECT * FROM r");
}

/* Groups, functions, aliases, JSON, DISTINCT: both are selectors as others are. */
static void beside_everything_else(void)
{
    both("INSERT INTO r (k, c, v, st) VALUES (1, 1, 1, 1)",
         "INSERT INTO r (k, c, v, st) VALUES (1, 1, 2, 2)");
    expect("void", "INSERT INTO r (k, c, v) VALUES (1, 2, 3)");
    static const struct story story[] = {
        {"SELECT c, siblings(v), count(*) FROM r WHERE k = 1 GROUP BY c",
         "1, [2, 1], 1 | 2, [3], 1"},
        {"SELECT collection_count(siblings(v)) AS n FROM r WHERE k = 1", "2 | 1"},
        {"SELECT count(siblings(v)), count(causality()) FROM r WHERE k = 1", "2, 2"},
        {"SELECT max(collection_count(siblings(v))) FROM r WHERE k = 1", "2"},
        {"SELECT DISTINCT k, siblings(st) FROM r WHERE k = 1", "1, [2, 1]"},
        {"SELECT c, siblings(v) FROM r WHERE k = 1 ORDER BY c DESC LIMIT 1", "2, [3]"},
        {"SELECT v, c FROM r WHERE k IN (1, 2) ORDER BY c DESC", "3, 2 | 2, 1" WARN("r", "1", "v")},
        {"SELECT siblings(m), siblings(s), siblings(l), siblings(u.x), siblings(m['x']) FROM r "
         "WHERE "
         "k = 1 AND c = 2",
         "null, null, null, null, null"},
        {"SELECT JSON c, siblings(st) AS st FROM r WHERE k = 1 AND c = 2",
         "'{\"c\": 2, \"st\": [2, 1]}'"},
        {"SELECT writetime(v) FROM r WHERE k = 1 AND c = 2", "*"},
        {"SELECT c, st FROM r WHERE k = 1 AND c = 2", "2, 2" WARN("r", "1", "st")},
        {NULL, NULL},
    };
    one_node_story(&n, story);
    struct context c = context_of("r", "k = 1 AND c = 2");
    expect("void", "UPDATE r USING CAUSALITY %s SET st = 3 WHERE k = 1", c.text);
    expect("[3]", "SELECT DISTINCT siblings(st) FROM r WHERE k = 1");
    CU_ASSERT_EQUAL(
        strncmp(one_node_query(&n, "SELECT DISTINCT causality() FROM r WHERE k = 1"), "0x01", 4),
        0);
}

/* Rows that come in many pages, and more than may go at once. */
static void long_ranges(void)
{
    char *wide = mem_alloc(300001);
    memset(wide, 'x', 300000);
    wide[300000] = '\0';
    expect("CREATED TABLE ks.wide",
           "CREATE TABLE wide (k int, c int, v text, PRIMARY KEY (k, c)) WITH conflicts = "
           "'siblings'");
    struct cql_value values[2];
    uint8_t number[4];
    for (int c = 0; c < 20; c++) {
        store_u32(number, (uint32_t)c);
        values[0] = cql_value_make(bytes_make(number, sizeof number));
        values[1] = cql_value_make(bytes_text(wide));
        CU_ASSERT_STRING_EQUAL(
            one_node_execute(&n, "INSERT INTO wide (k, c, v) VALUES (1, ?, ?)", values, 2), "void");
    }
    size_t reads = n.reads;
    expect("void", "DELETE FROM wide WHERE k = 1 AND c >= 2");
    CU_ASSERT(n.reads > reads + 4);
    expect("0 | 1", "SELECT c FROM wide");
    mem_free(wide);
    for (uint32_t c = 0; c <= EXEC_REMOVE_MAX; c++)
        expect("void", "UPDATE r SET v = 1 WHERE k = 1 AND c = %u", c);
    expect("INVALID: More than 10000 rows of a table WITH conflicts = 'siblings' cannot be deleted "
           "at once: delete smaller ranges",
           "DELETE FROM r WHERE k = 1");
    expect("void", "DELETE FROM r WHERE k = 1 AND c < 5000");
    expect("void", "DELETE FROM r WHERE k = 1");
    expect("0", "SELECT count(*) FROM r WHERE k = 1");
}

/* What has expired is gone, as if removed: who is next wins. */
static void expiring(void)
{
    both("INSERT INTO t (k, a) VALUES (1, 1)", "UPDATE t USING TTL 10 SET a = 2 WHERE k = 1");
    expect("2, [2, 1]", "SELECT a, siblings(a) FROM t");
    n.now.wall += 11 * USEC_PER_SEC;
    expect("1, [1]", "SELECT a, siblings(a) FROM t");
    expect("1", "SELECT a FROM t");
    struct context c = context_of("t", "k = 1");
    expect("void", "UPDATE t USING CAUSALITY %s SET a = 3 WHERE k = 1", c.text);
    expect("[3]", "SELECT siblings(a) FROM t");
}

/* A read that fails before a removal is told as one, and nothing is written. */
static void a_removal_that_cannot_read(void)
{
    expect("void", "INSERT INTO t (k, a) VALUES (1, 1)");
    size_t writes = n.writes;
    n.fail_reads = ERR_UNAVAILABLE;
    expect("UNAVAILABLE: *", "DELETE FROM t WHERE k = 1");
    n.fail_reads = ERR_OK;
    CU_ASSERT_EQUAL(n.writes, writes);
    expect("1", "SELECT a FROM t");
}

/* What is written on many rows at once needs the whole row of none of them. */
static void values_read_nothing(void)
{
    size_t reads = n.reads;
    expect("void", "INSERT INTO r (k, c, v, f) VALUES (1, 1, 1, [1])");
    expect("void",
           "UPDATE r SET v = 2, s = s + {1}, m['x'] = 1, u.x = 1, l = l + [1], st = 1 WHERE "
           "k = 1 AND c IN (1, 2)");
    CU_ASSERT_EQUAL(n.reads, reads);
    struct context c = context_of("r", "k = 1 AND c = 1");
    reads = n.reads;
    expect("void",
           "UPDATE r USING CAUSALITY %s SET v = null, s = {}, m = m - {'x'} WHERE k = 1 AND "
           "c = 1",
           c.text);
    expect("void", "DELETE FROM r USING CAUSALITY %s WHERE k = 1 AND c = 1", c.text);
    CU_ASSERT_EQUAL(n.reads, reads);
    expect("2", "SELECT c FROM r");
}

static void collections(void)
{
    both("UPDATE r SET m = m + {'x': 1, 'y': 1}, s = s + {1, 2}, l = [1] WHERE k = 1 AND c = 1",
         "UPDATE r SET m['x'] = 2, s = s + {2, 3}, l = [2] WHERE k = 1 AND c = 1");
    expect("{'x': 2, 'y': 1}, {1, 2, 3}" WARN("r", "1", "m"), "SELECT m, s FROM r");
    expect("{'x': [2, 1], 'y': [1]}, [2, 1], [1], null",
           "SELECT siblings(m), siblings(m['x']), siblings(m['y']), siblings(m['z']) FROM r");
    expect("[{1, 2, 3}]", "SELECT siblings(s) FROM r");
    /* a new list takes away what it saw */
    expect("[2]", "SELECT l FROM r");
    expect("void", "UPDATE r SET s = s - {2}, m = m - {'y'} WHERE k = 1 AND c = 1");
    expect("{1, 3}, {'x': [2, 1]}", "SELECT s, siblings(m) FROM r");
    struct context c = context_of("r", "k = 1 AND c = 1");
    n.client = "a";
    expect("void", "UPDATE r SET s = s + {1}, m['z'] = 5 WHERE k = 1 AND c = 1");
    /* add-wins: the one that was seen goes, the one that was added stays */
    expect("void", "UPDATE r USING CAUSALITY %s SET s = {9}, m = {} WHERE k = 1 AND c = 1", c.text);
    expect("{1, 9}, {'z': 5}", "SELECT s, m FROM r");
    expect("void", "DELETE m['z'], s FROM r WHERE k = 1 AND c = 1");
    expect("null, null, [2]", "SELECT s, m, l FROM r");
}

static void lists(void)
{
    both("UPDATE r SET f = [1], l = l + [1, 2] WHERE k = 1 AND c = 1",
         "UPDATE r SET f = [2], l = l + [3] WHERE k = 1 AND c = 1");
    expect("[[2], [1]], [1, 2, 3]", "SELECT siblings(f), l FROM r");
    both("UPDATE r SET l[1] = 20, u.x = 1, u.y = 1 WHERE k = 1 AND c = 1",
         "UPDATE r SET l[1] = 30, u.x = 2 WHERE k = 1 AND c = 1");
    expect("[1, 30, 3], {x: 2, y: 1}" WARN("r", "1", "l, u"), "SELECT l, u FROM r");
    expect("[[1], [30, 20], [3]], [2, 1], [1]",
           "SELECT siblings(l), siblings(u.x), siblings(u.y) FROM r");
    expect("void", "UPDATE r SET l = l - [3] WHERE k = 1 AND c = 1");
    expect("void", "DELETE l[0] FROM r WHERE k = 1 AND c = 1");
    expect("[[30, 20]]", "SELECT siblings(l) FROM r");
}

static void conditions_see_the_winner_and_replace_all(void)
{
    both("INSERT INTO t (k, a) VALUES (1, 1)", "INSERT INTO t (k, a) VALUES (1, 2)");
    n.client = "c";
    expect("false, 2", "UPDATE t SET a = 3 WHERE k = 1 IF a = 1");
    expect("false, 1, 2, null", "INSERT INTO t (k, a) VALUES (1, 3) IF NOT EXISTS");
    expect("true", "UPDATE t SET a = 3 WHERE k = 1 IF a = 2");
    expect("[3]", "SELECT siblings(a) FROM t");
    both("UPDATE t SET a = 1 WHERE k = 1", "UPDATE t SET a = 2 WHERE k = 1");
    expect("[2, 1, 3]", "SELECT siblings(a) FROM t");
    expect("true", "DELETE FROM t WHERE k = 1 IF EXISTS");
    expect("(no rows)", "SELECT * FROM t");
    expect("true", "INSERT INTO r (k, c, l, s) VALUES (1, 1, [1, 2], {1}) IF NOT EXISTS");
    expect("true", "UPDATE r SET l[0] = 5, s = s - {1} WHERE k = 1 AND c = 1 IF l[1] = 2");
    expect("[5, 2], null", "SELECT l, s FROM r");
}

static void batches_take_statement_by_statement(void)
{
    both("INSERT INTO r (k, c, v) VALUES (1, 1, 1)", "INSERT INTO r (k, c, v) VALUES (1, 1, 2)");
    both("INSERT INTO r (k, c, v) VALUES (1, 2, 1)", "INSERT INTO r (k, c, v) VALUES (1, 2, 2)");
    struct context c = context_of("r", "k = 1 AND c = 1");
    n.client = "c";
    expect("void",
           "BEGIN BATCH UPDATE r USING CAUSALITY %s SET v = 3 WHERE k = 1 AND c = 1; "
           "UPDATE r SET v = 3 WHERE k = 1 AND c = 2; DELETE FROM r WHERE k = 1 AND c = 7; "
           "APPLY BATCH",
           c.text);
    expect("1, [3] | 2, [3, 2, 1]", "SELECT c, siblings(v) FROM r");
    expect("INVALID: Causality must be set on individual statements, not on BATCH",
           "BEGIN BATCH USING CAUSALITY 0x UPDATE r SET v = 3 WHERE k = 1 AND c = 2; APPLY BATCH");
}

static void refusals(void)
{
    static const struct story story[] = {
        {"CREATE TABLE x (k int PRIMARY KEY, c counter) WITH conflicts = 'siblings'",
         "CONFIG: conflicts = 'siblings' is not for counters: their increments never conflict"},
        {"CREATE TABLE x (k int PRIMARY KEY) WITH conflicts = 'both'",
         "CONFIG: Invalid value both for option 'conflicts': only 'lww' and 'siblings' are known"},
        {"ALTER TABLE plain WITH conflicts = 'siblings'",
         "CONFIG: Cannot alter conflicts: it is chosen when a table is created"},
        {"ALTER TABLE t WITH conflicts = 'siblings' AND comment = 'c'", "UPDATED TABLE ks.t"},
        {"SELECT siblings(a) FROM plain",
         "INVALID: Cannot use selection function siblings on ks.plain: it is not a table WITH "
         "conflicts = 'siblings'"},
        {"SELECT causality() FROM plain",
         "INVALID: Cannot use selection function causality on ks.plain: it is not a table WITH "
         "conflicts = 'siblings'"},
        {"SELECT siblings() FROM t",
         "INVALID: Invalid number of arguments in call to function siblings: 1 required but 0 "
         "provided"},
        {"SELECT causality(a) FROM t",
         "INVALID: Invalid number of arguments in call to function causality: 0 required but 1 "
         "provided"},
        {"SELECT siblings(k) FROM t",
         "INVALID: Cannot use selection function siblings on PRIMARY KEY part k"},
        {"SELECT siblings(a + 1) FROM t",
         "INVALID: siblings takes a column, an entry of a map or a field of a user-defined type "
         "that is not frozen, not a + 1"},
        {"SELECT siblings(u) FROM r",
         "INVALID: siblings takes a column, an entry of a map or a field of a user-defined type "
         "that is not frozen, not u"},
        {"SELECT siblings(s[1]) FROM r", "INVALID: siblings takes a column, an entry*"},
        {"SELECT siblings(nope) FROM t", "INVALID: Undefined column name nope in table ks.t"},
        {"SELECT k FROM t WHERE causality() = 0x", "SYNTAX: *"},
        {"SELECT k FROM t WHERE b = causality()", "INVALID: Unknown function causality called"},
        {"INSERT INTO plain (k) VALUES (1) USING CAUSALITY 0x",
         "INVALID: USING CAUSALITY is for tables WITH conflicts = 'siblings', which ks.plain is "
         "not"},
        {"UPDATE plain USING CAUSALITY null SET a = 1 WHERE k = 1", "INVALID: USING CAUSALITY is*"},
        {"DELETE FROM plain USING CAUSALITY 0x WHERE k = 1", "INVALID: USING CAUSALITY is*"},
        {"INSERT INTO t (k) VALUES (1) USING CAUSALITY 0x01",
         "INVALID: Malformed causality: it is not what causality() gave"},
        {"INSERT INTO t (k) VALUES (1) USING CAUSALITY 0xff00000000000000", "INVALID: Malformed*"},
        {"INSERT INTO t (k) VALUES (1) USING CAUSALITY 'x'", "SYNTAX: *"},
        {"INSERT INTO t (k) VALUES (1) USING CAUSALITY 1", "SYNTAX: *"},
        {"UPDATE t USING CAUSALITY 0x SET a = 1 WHERE k = 1 IF a = 2",
         "INVALID: Cannot provide causality for conditional updates: they supersede what they see"},
        {"DELETE FROM r WHERE k = 1 IF st = 1",
         "INVALID: Conditional deletions of several rows are not supported on tables WITH "
         "conflicts = 'siblings'"},
        {NULL, NULL},
    };
    one_node_story(&n, story);
    n.client = "a";
    expect("void", "INSERT INTO t (k, a) VALUES (1, 1)");
    struct context c = context_of("t", "k = 1");
    expect("INVALID: The causality is of another partition than the one written",
           "UPDATE t USING CAUSALITY %s SET a = 1 WHERE k = 2", c.text);
}

static void described(void)
{
    expect(
        "{'conflicts': 0x7369626c696e6773}",
        "SELECT extensions FROM system_schema.tables WHERE keyspace_name = 'ks' AND table_name = "
        "'t'");
    const char *text = one_node_query(&n, "DESCRIBE TABLE t");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "AND conflicts = ''siblings''"));
    expect("{}", "SELECT extensions FROM system_schema.tables WHERE keyspace_name = 'ks' AND "
                 "table_name = 'plain'");
}

static struct bytes asked_payload(const char *cql, bool *ret_has)
{
    struct bytes got = BYTES_NONE;
    one_node_query(&n, cql);
    *ret_has = cql_map_get(&n.response.prefix.payload, EXEC_CAUSALITY, &got);
    return got;
}

static void payloads(void)
{
    static uint8_t room[512];
    static struct cql_pair pair = {.key = {(const uint8_t *)EXEC_CAUSALITY, 14}};
    bool has;
    both("INSERT INTO r (k, c, v) VALUES (1, 1, 1)", "INSERT INTO r (k, c, v) VALUES (1, 1, 2)");
    (void)asked_payload("SELECT v FROM r WHERE k = 1 AND c = 1", &has);
    CU_ASSERT_FALSE(has);
    pair.value = BYTES_NONE;
    n.payload = (struct cql_map){&pair, 1};
    (void)asked_payload("SELECT v FROM r WHERE k = 1", &has);
    CU_ASSERT_FALSE(has);
    struct bytes none = asked_payload("SELECT v FROM r WHERE k = 1 AND c = 2", &has);
    CU_ASSERT(has && none.len == 0);
    struct bytes got = asked_payload("SELECT v FROM r WHERE k = 1 AND c = 1", &has);
    CU_ASSERT_FATAL(has && got.len > 5 && got.len <= sizeof room);
    memcpy(room, got.data, got.len);
    pair.value = bytes_make(room, got.len);
    n.client = "c";
    expect("void", "UPDATE r SET v = 3 WHERE k = 1 AND c = 1");
    n.payload = (struct cql_map){NULL, 0};
    expect("[3]", "SELECT siblings(v) FROM r");
    n.payload = (struct cql_map){&pair, 1};
    pair.value = bytes_make("\x01", 1);
    expect("INVALID: Malformed causality: it is not what causality() gave",
           "UPDATE r SET v = 3 WHERE k = 1 AND c = 1");
    expect("void", "INSERT INTO plain (k, a) VALUES (1, 1)");
    n.payload = (struct cql_map){NULL, 0};
}

/* Values that are bound: a blob, null, unset. */
static void bound(void)
{
    static const char update[] = "UPDATE t USING CAUSALITY ? SET a = ? WHERE k = 1";
    static const uint8_t five[] = {0, 0, 0, 5};
    struct cql_value values[] = {CQL_NULL, cql_value_make(bytes_make(five, 4))};
    both("INSERT INTO t (k, a) VALUES (1, 1)", "INSERT INTO t (k, a) VALUES (1, 2)");
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, update, values, 2), "void");
    expect("[5, 2, 1]", "SELECT siblings(a) FROM t");
    values[0] = (struct cql_value){.kind = CQL_VALUE_UNSET};
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, update, values, 2), "void");
    expect("[5, 1]", "SELECT siblings(a) FROM t"); /* as if nothing were said: its own */
    values[0] = cql_value_make(bytes_make("\x02", 1));
    CU_ASSERT_STRING_EQUAL(one_node_execute(&n, update, values, 2),
                           "INVALID: Malformed causality: it is not what causality() gave");
    struct cql_request r = {.opcode = CQL_PREPARE};
    r.prepare.text = bytes_text(update);
    one_node_request(&n, &r);
    CU_ASSERT(bytes_equal_text(n.response.prepared.bind.columns[0].name, "[causality]"));
    r.prepare.text = bytes_text("SELECT causality(), siblings(a) AS s FROM t WHERE k = ?");
    one_node_request(&n, &r);
    CU_ASSERT(bytes_equal_text(n.response.prepared.result.columns[0].name, "causality()"));
    CU_ASSERT(bytes_equal_text(n.response.prepared.result.columns[1].name, "s"));
}

/* What never sends a context stays bounded, whoever reads meanwhile. */
static void many_writers_are_bounded(void)
{
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "client %d", i);
        n.client = name;
        const char *reply = i < 64 ? "void"
                                   : "void [warning: 1 concurrent value in ks.t was dropped: one "
                                     "place keeps 64 siblings at most. Read, and write USING "
                                     "CAUSALITY, to replace them]";
        expect(reply, "UPDATE t SET a = %d WHERE k = 1", i);
        one_node_query(&n, "UPDATE r SET v = 0 WHERE k = 1 AND c = 1");
    }
    n.client = "one more";
    expect("void [warning: 2 concurrent values in several tables were dropped: *",
           "BEGIN BATCH UPDATE t SET a = 7 WHERE k = 1; UPDATE r SET v = 7 WHERE k = 1 AND c = 1; "
           "APPLY BATCH");
    const char *text = one_node_query(&n, "SELECT siblings(a) FROM t");
    size_t count = 1;
    for (const char *p = text; *p != 0; p++)
        count += *p == ',';
    CU_ASSERT_EQUAL(count, SIBLINGS_MAX);
}

CU_TestInfo exec_siblings_tests[] = {
    {"the winner is shown, and that there are others", the_winner_is_shown_and_said},
    {"one warning for an answer", one_warning_for_an_answer},
    {"a writer replaces what it wrote", a_writer_replaces_what_it_wrote},
    {"a context takes what was seen", a_context_takes_what_was_seen},
    {"a removal takes what is there", a_removal_takes_what_is_there},
    {"a removal leaves what it did not see", a_removal_leaves_what_it_did_not_see},
    {"ranges and partitions", ranges_and_partitions},
    {"beside everything else", beside_everything_else},
    {"long ranges", long_ranges},
    {"expiring", expiring},
    {"a removal that cannot read", a_removal_that_cannot_read},
    {"values read nothing", values_read_nothing},
    {"collections", collections},
    {"lists and fields", lists},
    {"conditions see the winner and replace all", conditions_see_the_winner_and_replace_all},
    {"batches take statement by statement", batches_take_statement_by_statement},
    {"refusals", refusals},
    {"described", described},
    {"payloads", payloads},
    {"bound values", bound},
    {"many writers are bounded", many_writers_are_bounded},
    CU_TEST_INFO_NULL,
};
