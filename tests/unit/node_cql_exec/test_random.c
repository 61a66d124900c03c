/* Random statements on a table of two clustering columns, against an array. */
#include "one_node.h"

#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define KEYS 3
#define SIDE 4

static struct one_node n;
static int model[KEYS][SIDE][SIDE]; /* 0: no row */
void exec_random_setup(void);
void exec_random_teardown(void);

void exec_random_setup(void)
{
    one_node_open(&n);
    memset(model, 0, sizeof model);
    one_node_query(&n, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}");
    one_node_query(&n, "USE ks");
}

void exec_random_teardown(void)
{
    one_node_close(&n);
}

static const char *const ops[] = {"<", "<=", ">", ">=", "="};

static bool holds(size_t op, int c)
{
    return op == 0 ? c < 0 : op == 1 ? c <= 0 : op == 2 ? c > 0 : op == 3 ? c >= 0 : c == 0;
}

struct condition { /* on a, on b, or on (a, b) */
    int kind;
    size_t op;
    int x, y;
};

static bool meets(struct condition w, int a, int b)
{
    int ab = a != w.x ? a - w.x : b - w.y;
    switch (w.kind) {
    case 0: return true;
    case 1: return holds(w.op, a - w.x);
    case 2: return a == w.x && holds(w.op, b - w.y);
    default: return holds(w.op, ab);
    }
}

static void write_where(struct condition w, char *out, size_t size)
{
    switch (w.kind) {
    case 0: out[0] = '\0'; break;
    case 1: snprintf(out, size, " AND a %s %d", ops[w.op], w.x); break;
    case 2: snprintf(out, size, " AND a = %d AND b %s %d", w.x, ops[w.op], w.y); break;
    default: snprintf(out, size, " AND (a, b) %s (%d, %d)", ops[w.op], w.x, w.y); break;
    }
}

static struct condition random_condition(struct rng *r)
{
    return (struct condition){(int)rng_below(r, 4), (size_t)rng_below(r, ARRAY_LEN(ops)),
                              (int)rng_below(r, SIDE), (int)rng_below(r, SIDE)};
}

static void change(struct rng *r)
{
    char text[256], where[128];
    int k = (int)rng_below(r, KEYS), a = (int)rng_below(r, SIDE), b = (int)rng_below(r, SIDE);
    int v = 1 + (int)rng_below(r, 1000);
    if (rng_chance(r, 800000)) {
        snprintf(text, sizeof text, "INSERT INTO t (k, a, b, v) VALUES (%d, %d, %d, %d)", k, a, b,
                 v);
        model[k][a][b] = v;
    } else {
        struct condition w = random_condition(r);
        write_where(w, where, sizeof where);
        snprintf(text, sizeof text, "DELETE FROM t WHERE k = %d%s", k, where);
        for (a = 0; a < SIDE; a++) {
            for (b = 0; b < SIDE; b++) {
                if (meets(w, a, b))
                    model[k][a][b] = 0;
            }
        }
    }
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), "void");
}

static void look(struct rng *r, bool desc_a, bool desc_b)
{
    char text[256], where[128], want[2048] = "", have[2048] = "";
    int k = (int)rng_below(r, KEYS);
    bool reversed = rng_chance(r, 500000);
    struct condition w = random_condition(r);
    write_where(w, where, sizeof where);
    snprintf(text, sizeof text, "SELECT v FROM t WHERE k = %d%s ORDER BY a %s, b %s", k, where,
             desc_a != reversed ? "DESC" : "ASC", desc_b != reversed ? "DESC" : "ASC");
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            int a = desc_a != reversed ? SIDE - 1 - i : i;
            int b = desc_b != reversed ? SIDE - 1 - j : j;
            if (model[k][a][b] != 0 && meets(w, a, b))
                snprintf(want + strlen(want), sizeof want - strlen(want), "%s%d",
                         want[0] != '\0' ? " | " : "", model[k][a][b]);
        }
    }
    int32_t size = (int32_t)rng_between(r, 1, 5);
    struct bytes state = BYTES_NONE;
    for (bool more = true; more;) {
        one_node_page(&n, text, size, state);
        more = n.response.rows.metadata.flags & CQL_META_MORE_PAGES;
        state = n.response.rows.metadata.paging_state;
        char *end = strstr((char *)n.text.data, " …");
        if (end != NULL)
            *end = '\0';
        if (n.response.opcode != CQL_RESULT || n.response.rows.count > 0)
            snprintf(have + strlen(have), sizeof have - strlen(have), "%s%s",
                     have[0] != '\0' ? " | " : "", (const char *)n.text.data);
    }
    CU_ASSERT_STRING_EQUAL(have, want);
    if (strcmp(have, want) != 0)
        printf("\n  %s\n    want %s\n    have %s\n", text, want, have);
}

static void run(uint64_t seed, bool desc_a, bool desc_b)
{
    struct rng r;
    char text[256];
    rng_init(&r, seed);
    memset(model, 0, sizeof model);
    snprintf(text, sizeof text,
             "CREATE TABLE t (k int, a int, b int, v int, PRIMARY KEY (k, a, b)) WITH CLUSTERING "
             "ORDER BY (a %s, b %s)",
             desc_a ? "DESC" : "ASC", desc_b ? "DESC" : "ASC");
    CU_ASSERT_STRING_EQUAL(one_node_query(&n, text), "CREATED TABLE ks.t");
    for (int i = 0; i < 400; i++) {
        change(&r);
        look(&r, desc_a, desc_b);
    }
    one_node_query(&n, "DROP TABLE t");
}

static void slices_in_every_order(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed, seed & 1, seed & 2);
}

CU_TestInfo exec_random_tests[] = {
    {"slices in every order of clustering", slices_in_every_order},
    CU_TEST_INFO_NULL,
};
