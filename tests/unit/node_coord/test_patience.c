#include "node/coord/patience.h"

#include <CUnit/CUnit.h>

static struct answer_times l;
void patience_setup(void);
void patience_teardown(void);

void patience_setup(void)
{
    answer_times_init(&l);
}

void patience_teardown(void)
{
    answer_times_close(&l);
}

static usec p99(table_no table, enum answer_kind kind)
{
    return patience_us(&l, table, kind, &(struct patience){.per_million = PATIENCE_USUAL});
}

static void note(table_no table, usec took, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        answer_time_note(&l, table, ANSWER_READ, took);
}

static bool near(usec got, usec want)
{
    return got > want - want / 32 && got < want + want / 32;
}

static void each_table_has_its_own(void)
{
    CU_ASSERT_EQUAL(p99(1, ANSWER_READ), PATIENCE_FIRST_US);
    note(1, 10 * USEC_PER_MS, ANSWER_KNOWN);
    note(2, 200 * USEC_PER_MS, ANSWER_KNOWN);
    CU_ASSERT(near(p99(1, ANSWER_READ), 10 * USEC_PER_MS));
    CU_ASSERT(near(p99(2, ANSWER_READ), 200 * USEC_PER_MS));
    CU_ASSERT_EQUAL(p99(1, ANSWER_WRITE), PATIENCE_FIRST_US);
    CU_ASSERT(near(p99(3, ANSWER_READ), 200 * USEC_PER_MS)); /* of all of them */
    note(4, 50, ANSWER_KNOWN);
    CU_ASSERT_EQUAL(p99(4, ANSWER_READ), PATIENCE_MIN_US);
}

/* A slow hour is forgotten. */
static void what_was_long_ago_fades(void)
{
    note(1, 500 * USEC_PER_MS, 4000);
    CU_ASSERT(near(p99(1, ANSWER_READ), 500 * USEC_PER_MS));
    note(1, 10 * USEC_PER_MS, 8 * ANSWER_FADES);
    CU_ASSERT(near(p99(1, ANSWER_READ), 10 * USEC_PER_MS));
}

/* More tables than there is room for: those in use stay, and one that is dropped makes room. */
static void the_idle_make_room(void)
{
    for (table_no t = 1; t <= ANSWER_TABLES_MAX; t++)
        note(t, 10 * USEC_PER_MS, ANSWER_KNOWN);
    note(500, 300 * USEC_PER_MS, ANSWER_KNOWN / 4);
    CU_ASSERT_EQUAL(map_count(&l.by_table), ANSWER_TABLES_MAX);
    CU_ASSERT(p99(500, ANSWER_READ) < 50 * USEC_PER_MS); /* of all */
    for (unsigned i = 0; i < 2 * ANSWER_IDLE; i++) {
        if (i % 8 == 0)
            note(500, 300 * USEC_PER_MS, 1);
        note(2 + i % (ANSWER_TABLES_MAX - 1), 10 * USEC_PER_MS, 1); /* 1 is not used any more */
    }
    CU_ASSERT_EQUAL(map_count(&l.by_table), ANSWER_TABLES_MAX);
    CU_ASSERT_PTR_NULL(map_get(&l.by_table, 1));
    CU_ASSERT(near(p99(500, ANSWER_READ), 300 * USEC_PER_MS));
    CU_ASSERT(near(p99(2, ANSWER_READ), 10 * USEC_PER_MS));
}

static void patience_as_it_is_written(void)
{
    static const struct {
        struct patience patience;
        usec want;
    } cases[] = {
        {{PATIENCE_FIXED, 0, 0}, 0},
        {{PATIENCE_FIXED, 0, 1500}, 1500},
        {{PATIENCE_MIN, PATIENCE_USUAL, 1500}, 1500},
        {{PATIENCE_MAX, PATIENCE_USUAL, USEC_PER_SEC}, USEC_PER_SEC},
        {{PATIENCE_NONE, PATIENCE_USUAL, 1500}, 0},
        {{PATIENCE_ENDLESS, PATIENCE_USUAL, 1500}, USEC_NEVER},
    };
    note(1, 10 * USEC_PER_MS, ANSWER_KNOWN);
    note(1, 100 * USEC_PER_MS, ANSWER_KNOWN);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CU_ASSERT_EQUAL(patience_us(&l, 1, ANSWER_READ, &cases[i].patience), cases[i].want);
    struct patience median = {PATIENCE_PERCENTILE, 400000, 0};
    CU_ASSERT(near(patience_us(&l, 1, ANSWER_READ, &median), 10 * USEC_PER_MS));
    median = (struct patience){PATIENCE_MIN, 400000, USEC_PER_SEC};
    CU_ASSERT(near(patience_us(&l, 1, ANSWER_READ, &median), 10 * USEC_PER_MS));
    median = (struct patience){PATIENCE_MAX, PATIENCE_USUAL, 1500};
    CU_ASSERT(near(patience_us(&l, 1, ANSWER_READ, &median), 100 * USEC_PER_MS));
}

CU_TestInfo patience_tests[] = {
    {"each table has its own", each_table_has_its_own},
    {"what was long ago fades", what_was_long_ago_fades},
    {"the idle make room", the_idle_make_room},
    {"patience as it is written", patience_as_it_is_written},
    CU_TEST_INFO_NULL,
};
