/* Reads through an index among four nodes, RF 3: the ring is many spans, replicas miss writes. */
#include "unit/node_coord/cluster_fixture.h"

#include "base/mem.h"
#include "storage/index.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define INDEX 77
#define KEYS  60

static struct fixture f;
void index_setup(void);
void index_teardown(void);

static bool term(const void *arg, struct bytes path, struct bytes value, struct buf *out)
{
    (void)arg;
    (void)path;
    buf_put_bytes(out, value);
    return true;
}

void index_setup(void)
{
    static const struct index_spec spec = {TABLE, INDEX, INDEX_OF_CELLS, 1, term, NULL};
    fixture_open(&f);
    for (node_no i = 1; i <= FIXTURE_NODES; i++) {
        struct engine *e = fixture_at(&f, i)->engine;
        engine_set_indexes(e, &spec, 1);
        while (engine_build_some(e, 100))
            ;
    }
    fixture_settle(&f);
}

void index_teardown(void)
{
    fixture_close(&f);
}

static struct scan find(const char *value, uint32_t rows_max)
{
    struct scan s = {.table = TABLE, .upto_token = INT64_MAX, .rows_max = rows_max};
    s.after_token = INT64_MIN;
    s.index.no = INDEX;
    s.index.from = bytes_text(value);
    s.index.upto = bytes_make(value, strlen(value) + 1); /* with its NUL: that term alone */
    return s;
}

static void go_on(struct scan *s, const struct scan_result *r)
{
    s->has_from = true;
    s->from_token = r->upto_token;
    s->from_key = r->upto_key;
    s->from_in_part = r->upto_in_part;
    s->from_row = r->upto_row;
    s->from_rows = r->upto_rows;
}

static bool has_value(const struct part *p, const char *value)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        for (size_t j = 0; j < p->rows[i].cells_count; j++) {
            const struct cell *c = &p->rows[i].cells[j];
            if (c->column == 1 && bytes_equal_text(c->value, value))
                return true;
        }
    }
    return false;
}

/* How many partitions show the value, over all pages. */
static size_t count(node_no via, const char *value, uint32_t rows_max, enum level level)
{
    struct scan s = find(value, rows_max);
    size_t n = 0;
    token last = INT64_MIN;
    for (int pages = 0; pages < 10 * KEYS; pages++) {
        CU_ASSERT_EQUAL_FATAL(fixture_scan(&f, via, &s, level), ERR_OK);
        const struct scan_result *r = &f.result.rows;
        for (size_t i = 0; i < r->parts_count; i++) {
            CU_ASSERT(r->parts[i].token > last);
            last = r->parts[i].token;
            n += has_value(&r->parts[i], value);
        }
        if (!r->more)
            return n;
        go_on(&s, r);
    }
    CU_FAIL("no end");
    return n;
}

static void every_row_over_all_spans(void)
{
    static const enum level levels[] = {LEVEL_ONE, LEVEL_QUORUM, LEVEL_ALL};
    char key[16];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        CU_ASSERT_EQUAL(fixture_write(&f, 1, key, "r", i % 3 == 0 ? "x" : "y", 5, LEVEL_ALL),
                        ERR_OK);
    }
    for (node_no via = 1; via <= FIXTURE_NODES; via++) {
        for (uint32_t rows_max = 0; rows_max <= 7; rows_max++) {
            enum level level = levels[rows_max % ARRAY_LEN(levels)];
            CU_ASSERT_EQUAL(count(via, "x", rows_max, level), KEYS / 3);
            CU_ASSERT_EQUAL(count(via, "y", rows_max, level), KEYS - KEYS / 3);
            CU_ASSERT_EQUAL(count(via, "z", rows_max, level), 0);
        }
    }
}

#define R(place) fixture_replica(&f, "k", place)

/* The first replica has not heard of the change. Asked with another one it hides nothing, shows
 * nothing. */
static void a_stale_replica(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", "r", "old", 5, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->down = true;
    fixture_set_alive(&f, R(0), false);
    CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", "r", "new", 6, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(0))->down = false;
    fixture_set_alive(&f, R(0), true);
    fixture_set_alive(&f, R(1), false);
    fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(count(R(0), "old", 0, LEVEL_ONE), 1); /* as it knows no better */
    CU_ASSERT_EQUAL(count(R(0), "new", 0, LEVEL_QUORUM), 1);
    CU_ASSERT_EQUAL(count(R(0), "old", 0, LEVEL_QUORUM), 0);
    CU_ASSERT_EQUAL(count(R(0), "old", 0, LEVEL_ONE), 0); /* it was repaired */
}

CU_TestInfo index_tests[] = {
    {"every row, over all spans, page by page", every_row_over_all_spans},
    {"a stale replica hides nothing and shows nothing", a_stale_replica},
    CU_TEST_INFO_NULL,
};
