/* A ring forms by itself from any order of starts, and never two of them. */
#include "sim.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct sim *f;

void forming_setup(void);
void forming_teardown(void);

void forming_setup(void)
{
    f = NULL;
}

void forming_teardown(void)
{
    sim_free(f);
    f = NULL;
}

static void restart_with(uint64_t seed, uint32_t nodes)
{
    sim_free(f);
    f = sim_new(seed, nodes);
}

static bool all_in_one(void)
{
    for (uint32_t i = 1; i <= f->count; i++) {
        const struct topology_node *n;
        if (f->nodes[i].meta == NULL || meta_phase(f->nodes[i].meta) != META_READY)
            return false;
        n = topology_find(meta_topology(f->nodes[i].meta), meta_self(f->nodes[i].meta));
        if (n == NULL || n->state != NODE_NORMAL)
            return false;
    }
    return f->clusters_count == 1 && sim_agree(f);
}

static void one_node_founds_at_once(void)
{
    f = sim_new(1, 1);
    usec begin = f->now.mono;
    sim_start(f, 1);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 200 * USEC_PER_MS));
    CU_ASSERT_TRUE(f->now.mono - begin < 50 * USEC_PER_MS);
    const struct topology *t = meta_topology(f->nodes[1].meta);
    CU_ASSERT_EQUAL(t->epoch, 1);
    CU_ASSERT_EQUAL(meta_self(f->nodes[1].meta), 1);
    CU_ASSERT_EQUAL(ring_count(t->ring, RING_PUBLISHED, 1), 64);
    CU_ASSERT_EQUAL(t->members_count, 1);
}

static void no_seeds_is_the_same_as_only_ourselves(void)
{
    f = sim_new(2, 1);
    f->nodes[1].config.seeds_count = 0;
    sim_start(f, 1);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 50 * USEC_PER_MS));
}

/* Three nodes in one of six orders, `gap` apart. */
static void start_three(uint32_t order, usec gap)
{
    static const uint32_t orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                          {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    for (uint32_t i = 0; i < 3; i++) {
        sim_start(f, orders[order][i]);
        sim_run(f, gap);
    }
}

static void three_nodes_in_any_order(void)
{
    for (uint32_t order = 0; order < 6; order++) {
        for (usec gap = 0; gap <= 700 * USEC_PER_MS; gap += 350 * USEC_PER_MS) {
            for (int all = 0; all < 2; all++) {
                restart_with(order * 8 + (uint64_t)all, 3);
                if (all)
                    sim_seeds_all(f);
                start_three(order, gap);
                CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 900 * USEC_PER_MS));
                sim_run(f, USEC_PER_SEC);
                CU_ASSERT_TRUE(all_in_one());
                const struct topology *t = meta_topology(f->nodes[2].meta);
                CU_ASSERT_EQUAL(t->count, 3);
                CU_ASSERT_EQUAL(t->members_count, 3);
                CU_ASSERT_EQUAL(t->ring->tables, 1);
            }
        }
    }
}

static void five_nodes_at_once(void)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        restart_with(seed, 5);
        if (seed % 2 == 0)
            sim_seeds_all(f);
        for (uint32_t i = 1; i <= 5; i++)
            sim_start(f, i);
        CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, USEC_PER_SEC));
        CU_ASSERT_TRUE(all_in_one());
        CU_ASSERT_EQUAL(meta_topology(f->nodes[5].meta)->members_count, 5);
    }
}

/* Ordered by the log: each join has a slot of its own and plans on from the one before. */
static void parallel_joins_are_ordered(void)
{
    f = sim_new(7, 9);
    for (uint32_t i = 1; i <= 9; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 3 * USEC_PER_SEC));
    const struct topology *t = meta_topology(f->nodes[9].meta);
    CU_ASSERT_EQUAL(t->count, 9);
    for (size_t i = 0; i < t->count; i++) {
        uint32_t owned = ring_count(t->ring, RING_PUBLISHED, t->nodes[i].node);
        CU_ASSERT_TRUE(owned == 7 || owned == 8);
        CU_ASSERT_EQUAL(t->nodes[i].state, NODE_NORMAL);
    }
}

static void lost_messages_only_delay(void)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        restart_with(seed, 4);
        sim_seeds_all(f);
        f->lose = 300000;
        f->duplicate = 200000;
        for (uint32_t i = 1; i <= 4; i++)
            sim_start(f, i);
        CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 30 * USEC_PER_SEC));
        CU_ASSERT_TRUE(all_in_one());
    }
}

static void the_lowest_waits_for_the_other_seeds(void)
{
    f = sim_new(3, 3);
    sim_seeds_all(f);
    sim_start(f, 1);
    sim_run(f, 5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[1].meta), META_SEEKING);
    sim_start(f, 2);
    sim_run(f, 5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[1].meta), META_SEEKING);
    sim_start(f, 3);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, USEC_PER_SEC));
    CU_ASSERT_TRUE(all_in_one());
}

/* Any partition while they form: there is never a second cluster, and once it heals there is one.
 */
static void two_founders_are_impossible(void)
{
    for (uint64_t seed = 0; seed < 15; seed++) {
        restart_with(seed, 5);
        sim_seeds_all(f);
        for (uint32_t a = 1; a <= 5; a++) {
            for (uint32_t b = a + 1; b <= 5; b++)
                sim_cut(f, a, b, rng_chance(&f->rng, 500000));
        }
        for (uint32_t i = 1; i <= 5; i++)
            sim_start(f, i);
        sim_run(f, (usec)rng_below(&f->rng, 3 * USEC_PER_SEC));
        memset(f->cut, 0, sizeof f->cut);
        CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 10 * USEC_PER_SEC));
        CU_ASSERT_TRUE(all_in_one());
    }
}

/* Anchors 25: the founder comes back without its disk. It does not found again; it is refused for
 * its address belongs to the node it was, until it says that it replaces that one. */
static void wiped_founder_does_not_found_again(void)
{
    f = sim_new(4, 3);
    sim_seeds_all(f);
    for (uint32_t i = 1; i <= 3; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, USEC_PER_SEC));
    sim_crash(f, 1);
    sim_wipe(f, 1);
    sim_cut(f, 1, 3, true); /* one other seed is enough to be told */
    sim_start(f, 1);
    sim_run(f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[1].meta), META_ENTERING);
    CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(f->nodes[1].meta), "node 1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(f->nodes[1].meta), "10.0.0.1:7000"));
    sim_crash(f, 1);
    sim_wipe(f, 1);
    f->nodes[1].config.replaces = sim_endpoint(1);
    sim_start(f, 1);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 3 * USEC_PER_SEC));
    CU_ASSERT_TRUE(all_in_one());
    const struct topology *t = meta_topology(f->nodes[1].meta);
    CU_ASSERT_EQUAL(topology_find(t, 1)->state, NODE_LEFT);
    CU_ASSERT_EQUAL(ring_count(t->ring, RING_PUBLISHED, 1), 0);
}

static void another_cluster_name_is_refused(void)
{
    f = sim_new(5, 2);
    f->nodes[2].config.cluster_name = "Other";
    sim_start(f, 1);
    sim_start(f, 2);
    sim_run(f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[2].meta), META_SEEKING);
    CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(f->nodes[2].meta), "Test Cluster"));
    CU_ASSERT_EQUAL(meta_topology(f->nodes[1].meta)->count, 1);
}

/* Two clusters of one name meet: both go on as they were, and the one that asks is told. */
static void two_clusters_never_merge(void)
{
    f = sim_new(6, 2);
    f->nodes[2].config.seeds_count = 0;
    sim_start(f, 1);
    sim_start(f, 2);
    sim_run(f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(f->clusters_count, 2);
    sim_crash(f, 2);
    f->nodes[2].config.seeds_count = 1;
    sim_start(f, 2);
    sim_run(f, 3 * USEC_PER_SEC);
    CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(f->nodes[2].meta), "do not merge"));
    CU_ASSERT_EQUAL(meta_topology(f->nodes[1].meta)->count, 1);
    CU_ASSERT_EQUAL(meta_topology(f->nodes[2].meta)->count, 1);
}

/* The founder dies before its first entry is durable: what others may have heard of it is no
 * cluster. */
static void an_unborn_cluster_is_forgotten(void)
{
    for (uint64_t seed = 0; seed < 8; seed++) {
        restart_with(seed, 3);
        sim_seeds_all(f);
        f->disk_max = 20000;
        for (uint32_t i = 1; i <= 3; i++)
            sim_start(f, i);
        sim_run(f, (usec)rng_below(&f->rng, 30000));
        sim_crash(f, 1);
        sim_run(f, (usec)rng_below(&f->rng, 3 * USEC_PER_SEC));
        sim_start(f, 1);
        CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 20 * USEC_PER_SEC));
        sim_run(f, 100000);
        CU_ASSERT_TRUE(sim_agree(f));
        CU_ASSERT_EQUAL(meta_topology(f->nodes[3].meta)->count, 3);
    }
}

/* A node that dies while it joins is in or not, and the next start finds out. */
static void a_join_is_asked_for_once_however_often(void)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        restart_with(seed, 3);
        for (uint32_t i = 1; i <= 3; i++)
            sim_start(f, i);
        for (int k = 0; k < 4; k++) {
            sim_run(f, (usec)rng_below(&f->rng, 20000));
            sim_crash(f, 3);
            sim_start(f, 3);
        }
        CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
        CU_ASSERT_TRUE(all_in_one());
        CU_ASSERT_EQUAL(meta_topology(f->nodes[1].meta)->count, 3);
    }
}

CU_TestInfo forming_tests[] = {
    {"one node founds at once", one_node_founds_at_once},
    {"no seeds is the same as only ourselves", no_seeds_is_the_same_as_only_ourselves},
    {"three nodes in any order", three_nodes_in_any_order},
    {"five nodes at once", five_nodes_at_once},
    {"parallel joins are ordered", parallel_joins_are_ordered},
    {"lost messages only delay", lost_messages_only_delay},
    {"the lowest waits for the other seeds", the_lowest_waits_for_the_other_seeds},
    {"two founders are impossible", two_founders_are_impossible},
    {"a wiped founder does not found again", wiped_founder_does_not_found_again},
    {"another cluster name is refused", another_cluster_name_is_refused},
    {"two clusters never merge", two_clusters_never_merge},
    {"an unborn cluster is forgotten", an_unborn_cluster_is_forgotten},
    {"a join is asked for once, however often", a_join_is_asked_for_once_however_often},
    CU_TEST_INFO_NULL,
};
