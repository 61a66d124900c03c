/* Trees after a power cut. */
#include "engine_fixture.h"
#include "tree_world.h"

#include <CUnit/CUnit.h>

#define ROWS 2000

/* What was touched since is known after a power cut, pruned or not: no other leaf is read. */
static void a_crash_costs_the_dirty_leaves(void)
{
    static const struct {
        token where;
        unsigned row;
    } touched[] = {{3, 3}, {7, 1007}, {7, 1987}, {12, 1012}};
    struct tree_world w;
    tree_world_filled(&w, ROWS);
    CU_ASSERT(tree_world_prune(&w));
    for (size_t i = 0; i < ARRAY_LEN(touched); i++) {
        if (i + 1 == ARRAY_LEN(touched))
            CU_ASSERT(tree_world_prune(&w)); /* but for the last one */
        tree_world_put(&w, touched[i].where, touched[i].row, 20);
    }
    sync_all(w.store);
    tree_world_crash(&w);
    uint64_t leaves = engine_stats(w.engine).leaves_read;
    tree_world_update(&w, SIZE_MAX);
    CU_ASSERT_EQUAL(engine_stats(w.engine).leaves_read - leaves, ARRAY_LEN(touched));
    CU_ASSERT_EQUAL(engine_stats(w.engine).trees_built, 0);
    tree_world_check(&w);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

CU_TestInfo tree_crash_tests[] = {
    {"a crash costs the dirty leaves", a_crash_costs_the_dirty_leaves},
    CU_TEST_INFO_NULL,
};
