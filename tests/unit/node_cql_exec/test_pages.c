/* Pages: the same rows as without them, also when the table changes between two of them. */
#include "base/rng.h"
#include "one_node.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct one_node n;
void exec_pages_setup(void);
void exec_pages_teardown(void);

void exec_pages_setup(void)
{
    static const struct story story[] = {
        {"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': "
         "1}",
         "CREATED KEYSPACE ks"},
        {"USE ks", "keyspace ks"},
        {"CREATE TABLE t (k int, a int, b int, v int, s int STATIC, PRIMARY KEY (k, a, b)) WITH "
         "CLUSTERING ORDER BY (a DESC, b ASC)",
         "CREATED TABLE ks.t"},
        {NULL, NULL},
    };
    one_node_open(&n);
    one_node_story(&n, story);
    for (int i = 0; i < 40; i++) {
        char cql[128];
        snprintf(cql, sizeof cql, "INSERT INTO t (k, a, b, v) VALUES (%d, %d, %d, %d)", i % 5,
                 i % 3, i / 3, i);
        one_node_query(&n, cql);
    }
    one_node_query(&n, "INSERT INTO t (k, s) VALUES (7, 70)");
    one_node_query(&n, "INSERT INTO t (k, s) VALUES (8, 80)");
    one_node_query(&n, "UPDATE t SET s = 1 WHERE k = 1");
}

void exec_pages_teardown(void)
{
    one_node_close(&n);
}

/* The rows of a reply only: neither warnings nor the sign that there are more. */
static bool cut_rows(char *text)
{
    char *more = strstr(text, " …"), *warning = strstr(text, " [warning");
    if (warning != NULL)
        *warning = '\0';
    if (more != NULL)
        *more = '\0';
    return more != NULL;
}

/* Walk through all pages; the rows must be the same as without paging, in any page size. */
static void pages_of(const char *cql, int32_t size)
{
    static char all[16384], page[16384];
    struct buf paged;
    snprintf(all, sizeof all, "%s", one_node_query(&n, cql));
    cut_rows(all);
    buf_init(&paged, sizeof all);
    struct bytes state = BYTES_NONE;
    for (int i = 0; i < 200; i++) {
        snprintf(page, sizeof page, "%s", one_node_page(&n, cql, size, state));
        bool more = cut_rows(page);
        CU_ASSERT(n.response.rows.count <= (uint32_t)size);
        CU_ASSERT(!more || n.response.rows.count == (uint32_t)size);
        if (n.response.rows.count > 0)
            buf_printf(&paged, "%s%s", paged.len > 0 ? " | " : "", page);
        if (!more)
            break;
        state = n.response.rows.metadata.paging_state;
    }
    bool same = bytes_equal_text(buf_bytes(&paged), all);
    CU_ASSERT(same);
    if (!same)
        printf("\n  %s in pages of %d\n    all   %s\n    pages %.*s\n", cql, (int)size, all,
               (int)paged.len, (const char *)paged.data);
    buf_close(&paged);
}

static void same_rows(void)
{
    static const char *const queries[] = {
        "SELECT k, a, b, v, s FROM t",
        "SELECT v FROM t WHERE k = 1",
        "SELECT v FROM t WHERE k = 1 ORDER BY a ASC",
        "SELECT v FROM t WHERE k = 1 LIMIT 3",
        "SELECT k, a, b FROM t LIMIT 6",
        "SELECT k, v FROM t WHERE k IN (7, 3, 1, 2, 9)",
        "SELECT k, a FROM t WHERE k IN (3, 1, 2) PER PARTITION LIMIT 2",
        "SELECT k, a, v FROM t PER PARTITION LIMIT 3",
        "SELECT k, a, v FROM t PER PARTITION LIMIT 3 LIMIT 7",
        "SELECT DISTINCT k, s FROM t",
        "SELECT DISTINCT k, s FROM t LIMIT 4",
        "SELECT v FROM t WHERE v > 11 ALLOW FILTERING",
        "SELECT v FROM t WHERE v > 11 PER PARTITION LIMIT 2 ALLOW FILTERING",
        "SELECT v FROM t WHERE k = 1 AND (a, b) > (1, 1)",
        "SELECT v FROM t WHERE k = 1 AND a IN (0, 2) AND b > 3",
        "SELECT k FROM t WHERE token(k) > token(1)",
        "SELECT k, count(*), sum(v) FROM t GROUP BY k",
        "SELECT k, a, count(*), s FROM t GROUP BY k, a",
        "SELECT k, a, b, v FROM t GROUP BY k, a, b",
        "SELECT k, a, max(v) FROM t GROUP BY k, a LIMIT 5",
        "SELECT k, a, max(v) FROM t GROUP BY k, a PER PARTITION LIMIT 2",
        "SELECT k, a, max(v) FROM t GROUP BY k, a PER PARTITION LIMIT 2 LIMIT 5",
        "SELECT k, a, max(v) FROM t WHERE k IN (7, 3, 1) GROUP BY k, a",
        "SELECT k, a, max(v) FROM t WHERE k IN (3, 1) GROUP BY k, a PER PARTITION LIMIT 1",
        "SELECT a, min(v) FROM t WHERE k = 2 GROUP BY a ORDER BY a ASC",
        "SELECT k, count(*) FROM t WHERE v > 20 GROUP BY k ALLOW FILTERING",
        "SELECT DISTINCT k, count(*) FROM t GROUP BY k",
        "SELECT table_name FROM system_schema.tables",
        "SELECT table_name FROM system_schema.tables LIMIT 5",
        "SELECT keyspace_name, table_name FROM system_schema.tables PER PARTITION LIMIT 2",
        "SELECT keyspace_name, count(*) FROM system_schema.tables GROUP BY keyspace_name",
        "SELECT column_name FROM system_schema.columns WHERE keyspace_name IN ('ks', 'system') "
        "AND table_name IN ('local', 't') LIMIT 12",
        "SELECT column_name FROM system_schema.columns WHERE keyspace_name = 'ks' ORDER BY "
        "table_name DESC, column_name DESC",
        "SELECT name FROM system_views.settings WHERE value > '' ALLOW FILTERING",
    };
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        for (int32_t size = 1; size < 9; size++)
            pages_of(queries[i], size);
    }
}

static void no_pages_of_what_is_sorted(void)
{
    one_node_page(&n, "SELECT v FROM t WHERE k IN (1, 2) ORDER BY a", 5, BYTES_NONE);
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_INVALID);
    one_node_page(&n, "SELECT v FROM t", 2, BYTES_LIT("garbage"));
    CU_ASSERT_EQUAL(n.response.error.code, CQL_ERROR_PROTOCOL);
}

static void query(const char *format, int k, int a, int b)
{
    char cql[160];
    snprintf(cql, sizeof cql, format, k, a, b);
    one_node_query(&n, cql);
}

/* Rows with an even v stay; others come and go between pages, with whole partitions of theirs. Each
 * row that stays is seen once, in order. */
static void changes_between_pages(void)
{
    static const char *const queries[] = {
        "SELECT v FROM c WHERE v > 0 ALLOW FILTERING",
        "SELECT v FROM c",
        "SELECT v FROM c WHERE k IN (0, 1, 2, 3, 4, 5, 6, 7)",
        "SELECT max(v) FROM c GROUP BY k, a",
    };
    one_node_query(&n, "CREATE TABLE c (k int, a int, b int, v int, PRIMARY KEY (k, a, b))");
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        const char *cql = queries[seed % ARRAY_LEN(queries)];
        one_node_query(&n, "TRUNCATE c");
        int stay = 0;
        for (int k = 0; k < 8; k++) {
            bool with_rows = rng_next(&rng) % 3 > 0; /* else only rows that go */
            for (int a = 0; a < 6; a++) {
                if (with_rows && rng_next(&rng) % 2 == 0)
                    query("INSERT INTO c (k, a, b, v) VALUES (%d, %d, 0, %d)", k, a, 2 * ++stay);
                else
                    query("INSERT INTO c (k, a, b, v) VALUES (%d, %d, 0, %d)", k, a, 1);
            }
        }
        int seen[64] = {0};
        struct bytes state = BYTES_NONE;
        for (bool more = true; more;) {
            char page[2048];
            snprintf(page, sizeof page, "%s",
                     one_node_page(&n, cql, 1 + (int32_t)(rng_next(&rng) % 4), state));
            more = (n.response.rows.metadata.flags & CQL_META_MORE_PAGES) != 0;
            state = n.response.rows.metadata.paging_state;
            static uint8_t kept[512];
            CU_ASSERT_FATAL(state.len <= sizeof kept);
            if (state.len > 0)
                memcpy(kept, state.data, state.len);
            state = bytes_make(kept, state.len);
            cut_rows(page);
            for (char *at = page; n.response.rows.count > 0 && at != NULL;
                 at = strstr(at, " | ") != NULL ? strstr(at, " | ") + 3 : NULL) {
                int v = atoi(at);
                if (v > 0 && v % 2 == 0 && v < 128)
                    seen[v / 2]++;
            }
            for (int i = 0; i < 3; i++) { /* no row that stays has an odd v, or b = 1 */
                int k = (int)(rng_next(&rng) % 8), a = (int)(rng_next(&rng) % 6);
                if (rng_next(&rng) % 2 == 0)
                    query("INSERT INTO c (k, a, b, v) VALUES (%d, %d, %d, 1)", k, a, 1);
                else
                    query("DELETE FROM c WHERE k = %d AND a = %d AND b = %d", k, a, 1);
            }
        }
        for (int i = 1; i <= stay; i++) {
            CU_ASSERT_EQUAL(seen[i], 1);
            if (seen[i] != 1)
                printf("\n  seed %llu: %s: row %d seen %d times\n", (unsigned long long)seed, cql,
                       2 * i, seen[i]);
        }
    }
}

/* The row and the partition that a page ended at are deleted before the next one. */
static void what_a_page_ended_at_is_gone(void)
{
    static const char *const gone[] = {"DELETE FROM g WHERE k = %d AND a = %d",
                                       "DELETE FROM g WHERE k = %d"};
    one_node_query(&n, "CREATE TABLE g (k int, a int, v int, PRIMARY KEY (k, a))");
    for (size_t how = 0; how < ARRAY_LEN(gone); how++) {
        for (int k = 0; k < 4; k++) {
            for (int a = 0; a < 3; a++)
                query("INSERT INTO g (k, a, v) VALUES (%d, %d, %d)", k, a, a);
        }
        char first[256], rest[1024] = "", all[1024];
        snprintf(all, sizeof all, "%s", one_node_query(&n, "SELECT k, a FROM g"));
        snprintf(first, sizeof first, "%s", one_node_page(&n, "SELECT k, a FROM g", 4, BYTES_NONE));
        uint8_t kept[512];
        struct bytes state = n.response.rows.metadata.paging_state;
        CU_ASSERT_FATAL(state.len > 0 && state.len <= sizeof kept);
        memcpy(kept, state.data, state.len);
        state = bytes_make(kept, state.len);
        cut_rows(first);
        int k = atoi(strrchr(first, '|') + 2);
        query(gone[how], k, 0, 0);
        snprintf(rest, sizeof rest, "%s", one_node_page(&n, "SELECT k, a FROM g", 100, state));
        /* of 12 rows 4 were seen; the partition at the edge had two more */
        CU_ASSERT_EQUAL(n.response.rows.count, how == 0 ? 8u : 6u);
        CU_ASSERT(strstr(all, rest) != NULL); /* it is the end of them all */
    }
}

CU_TestInfo exec_pages_tests[] = {
    {"same rows", same_rows},
    {"no pages of what is sorted", no_pages_of_what_is_sorted},
    {"changes between pages", changes_between_pages},
    {"what a page ended at is gone", what_a_page_ended_at_is_gone},
    CU_TEST_INFO_NULL,
};
