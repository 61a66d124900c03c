/* Trees of replicas that delete, purge, crash, move and are restored: whatever changes what a
 * replica has is seen by its tree, and replicas that are equal have equal roots.
 *
 * VERSIONS_RUNS=n in the environment: so many runs; VERSIONS_SEED: from this seed on. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "storage/tree.h"
#include "versions_world.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>

static const table_no tables[] = {TABLE};
static const struct range_place place = {0, WORLD_PARTS, tables, ARRAY_LEN(tables)};

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* Whatever the tree of a replica calls clean is as it says. */
static void check_clean(struct world *w, struct engine *e)
{
    struct tree_scrub scrub = {.table = 0};
    struct tree_wrong *wrong;
    size_t count;
    bool done = false;
    while (!done && w->wrong == NULL) {
        enum err err = engine_tree_scrub(e, KEYSPACE, RANGE, &place, &scrub, 5, &w->arena, &wrong,
                                         &count, &done);
        if (err == ERR_BEHIND || err == ERR_UNAVAILABLE)
            break;
        if (err != ERR_OK || count > 0)
            world_wrong(w, "what is clean is wrong");
    }
    buf_close(&scrub.from);
}

static void update(struct world *w, struct engine *e, bool all)
{
    bool done = false;
    do {
        enum err err = engine_tree_update(e, KEYSPACE, RANGE, &place, 5, &done);
        if (err == ERR_UNAVAILABLE)
            return;
        if (err != ERR_OK)
            world_wrong(w, "a tree is not brought up to date");
    } while (all && !done && w->wrong == NULL);
}

static struct tree_sum root(struct world *w, struct engine *e)
{
    struct clock asof;
    struct tree_sum sum = {0, 0};
    bool current = false;
    clock_init(&asof);
    if (engine_tree_root(e, KEYSPACE, RANGE, &place, &sum, &asof, &current) != ERR_OK || !current)
        world_wrong(w, "a root is not current");
    clock_close(&asof);
    return sum;
}

static void check_roots(struct world *w)
{
    struct tree_sum first = {0, 0};
    for (size_t i = 0; i < w->rules.replicas && w->wrong == NULL; i++) {
        struct engine *e = w->replicas[i].engine;
        check_clean(w, e);
        update(w, e, true);
        check_clean(w, e);
        struct tree_sum sum = root(w, e);
        if (i > 0 && (sum.sum != first.sum || sum.rows != first.rows))
            world_wrong(w, "replicas are equal, and their roots are not");
        first = sum;
    }
}

static bool run(uint64_t seed, struct world_rules rules)
{
    struct world *w = mem_new(struct world);
    struct rng rng;
    rng_init(&rng, seed);
    rules.replicas = 2 + (size_t)(seed % 3);
    rules.steps = (uint32_t)(60 + seed % 5 * 40);
    world_open(w, seed, &rules);
    for (uint32_t i = 0; i < rules.steps && w->wrong == NULL; i++) {
        world_step(w);
        struct engine *e = w->replicas[rng_below(&rng, rules.replicas)].engine;
        if (rng_chance(&rng, 300000))
            update(w, e, rng_chance(&rng, 500000));
        if (rng_chance(&rng, 300000))
            check_clean(w, e);
    }
    for (int late = 0; late < 2 && w->wrong == NULL; late++) {
        world_quiet(w);
        world_check_equal(w);
        check_roots(w);
        if (late == 0 && w->wrong == NULL)
            world_late(w);
    }
    bool good = w->wrong == NULL;
    if (!good)
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, w->wrong);
    world_close(w);
    mem_free(w);
    return good;
}

static void trees_see_all_that_changes(void)
{
    uint64_t from = number_of("VERSIONS_SEED", 1);
    uint64_t runs = number_of("VERSIONS_RUNS", 100);
    uint64_t failed = 0;
    for (uint64_t seed = from; seed < from + runs; seed++) {
        struct world_rules rules = {.purges = seed % 5 > 0,
                                    .back_dated = seed % 3 > 0,
                                    .crashes = seed % 2 > 0,
                                    .moves = seed % 4 > 1,
                                    .restores = seed % 7 > 2};
        failed += !run(seed, rules);
    }
    CU_ASSERT_EQUAL(failed, 0);
}

CU_TestInfo tree_versions_tests[] = {
    {"trees see all that changes", trees_see_all_that_changes},
    CU_TEST_INFO_NULL,
};
