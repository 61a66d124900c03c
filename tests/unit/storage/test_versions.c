/* Replicas against a list that forgets nothing: docs/versions.md, "Tombstones go by proof".
 *
 * VERSIONS_RUNS=n in the environment: so many runs of each kind; VERSIONS_SEED: from this seed on.
 */
#include "versions_world.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static bool run(uint64_t seed, const char *name, struct world_rules rules)
{
    struct world *w = malloc(sizeof *w);
    if (w == NULL)
        return false;
    rules.replicas = 2 + (size_t)(seed % 3);
    rules.steps = (uint32_t)(60 + seed % 5 * 40);
    world_open(w, seed, &rules);
    for (uint32_t i = 0; i < rules.steps && w->wrong == NULL; i++)
        world_step(w);
    for (int late = 0; late < 2 && w->wrong == NULL; late++) {
        world_quiet(w);
        world_check_equal(w);
        if (rules.purges) {
            world_check_empty(w);
            world_check_history(w);
        } else if (!rules.crashes && !rules.moves && !rules.restores) {
            world_check_all_there(w);
        }
        if (late == 0 && w->wrong == NULL)
            world_late(w);
    }
    bool good = w->wrong == NULL;
    if (!good)
        fprintf(stderr, "%s: seed %llu: %s\n", name, (unsigned long long)seed, w->wrong);
    world_close(w);
    free(w);
    return good;
}

static void run_many(const char *name, uint64_t count, struct world_rules rules)
{
    uint64_t from = number_of("VERSIONS_SEED", 1);
    uint64_t runs = number_of("VERSIONS_RUNS", count);
    uint64_t failed = 0;
    for (uint64_t seed = from; seed < from + runs; seed++)
        failed += !run(seed, name, rules);
    CU_ASSERT_EQUAL(failed, 0);
}

static void what_is_written_is_there(void)
{
    run_many("written", 30, (struct world_rules){.back_dated = true});
}

static void crashes_keep_nobody_apart(void)
{
    run_many("crashes", 30, (struct world_rules){.back_dated = true, .crashes = true});
}

static void what_is_dropped_stays_away(void)
{
    run_many("dropped", 30, (struct world_rules){.purges = true});
}

static void older_writes_after_it_are_the_same_for_all(void)
{
    run_many("older", 30, (struct world_rules){.purges = true, .back_dated = true});
}

static void also_when_replicas_crash(void)
{
    run_many("all", 30, (struct world_rules){.purges = true, .back_dated = true, .crashes = true});
}

static void also_when_replicas_leave_and_come_back(void)
{
    run_many("moves", 30, (struct world_rules){.purges = true, .back_dated = true, .moves = true});
}

static void also_when_a_disk_is_an_old_one(void)
{
    run_many("restored", 100,
             (struct world_rules){.purges = true, .back_dated = true, .restores = true});
}

static void also_when_all_of_it_happens(void)
{
    run_many(
        "everything", 30,
        (struct world_rules){
            .purges = true, .back_dated = true, .crashes = true, .moves = true, .restores = true});
}

CU_TestInfo versions_tests[] = {
    {"what is written is there", what_is_written_is_there},
    {"crashes keep nobody apart", crashes_keep_nobody_apart},
    {"what is dropped stays away", what_is_dropped_stays_away},
    {"older writes after it are the same for all", older_writes_after_it_are_the_same_for_all},
    {"also when replicas crash", also_when_replicas_crash},
    {"also when replicas leave and come back", also_when_replicas_leave_and_come_back},
    {"also when a disk is an old one", also_when_a_disk_is_an_old_one},
    {"also when all of it happens", also_when_all_of_it_happens},
    CU_TEST_INFO_NULL,
};
