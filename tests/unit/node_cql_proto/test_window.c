/* How many requests of a connection may be under way. */
#include "node/cql/proto/window.h"

#include <CUnit/CUnit.h>

#define BUDGET ((size_t)8 << 20)
#define MOST   ((size_t)1024)

static struct cql_window w;

static size_t size(void)
{
    return cql_window_size(&w, BUDGET, MOST);
}

static void small_replies_open_it(void)
{
    cql_window_init(&w);
    CU_ASSERT_EQUAL(size(), 64);
    for (int i = 0; i < 200; i++)
        cql_window_note(&w, 100);
    CU_ASSERT_EQUAL(size(), MOST);
}

static void large_replies_close_it_at_once(void)
{
    cql_window_init(&w);
    for (int i = 0; i < 200; i++)
        cql_window_note(&w, 100);
    cql_window_note(&w, (size_t)1 << 20);
    CU_ASSERT_EQUAL(size(), 8);
    cql_window_note(&w, 100);
    CU_ASSERT_EQUAL(size(), 8); /* one small one proves nothing */
    for (int i = 0; i < 400; i++)
        cql_window_note(&w, 100);
    CU_ASSERT_EQUAL(size(), MOST);
}

static void there_is_always_room_for_one(void)
{
    cql_window_init(&w);
    cql_window_note(&w, (size_t)256 << 20);
    CU_ASSERT_EQUAL(size(), 1);
    for (int i = 0; i < 2000; i++)
        cql_window_note(&w, 0);
    CU_ASSERT_EQUAL(size(), MOST);
}

CU_TestInfo window_tests[] = {
    {"small replies open it", small_replies_open_it},
    {"large replies close it at once", large_replies_close_it_at_once},
    {"there is always room for one", there_is_always_room_for_one},
    CU_TEST_INFO_NULL,
};
