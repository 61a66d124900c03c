/* Runs while nodes die and come back, are silent, and the ring and the tables change. */
#include "world.h"

#include "base/rng.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

void trouble_setup(void);
void trouble_teardown(void);

void trouble_setup(void)
{
}

void trouble_teardown(void)
{
    world_teardown();
}

static const struct repair_wish everything = {0};

/* A dead replica: its ranges are told of, with its name, and the others are compared all the same.
 */
static void a_dead_replica_is_named(void)
{
    uint32_t counts[4];
    world_setup(3, 64, 3);
    world_plant(1, 0, 5, 1);
    world_down(3);
    uint64_t id = world_start(1, &everything);
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    const struct repair_run *run = world_find(1, id);
    struct repair_sums sums = world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[1], 128);
    CU_ASSERT_EQUAL(counts[2], 0);
    CU_ASSERT_EQUAL(counts[3], 128);
    CU_ASSERT_EQUAL(run->problems_all, 128);
    CU_ASSERT_EQUAL(run->problems[0].peer, 3);
    CU_ASSERT_EQUAL(run->problems[0].err, ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(sums.rows_different, 1);
    CU_ASSERT_EQUAL(sums.ranges_different, 1);
    CU_ASSERT_EQUAL(sums.ranges_damaged, 0);
    CU_ASSERT(world_equal());
}

/* What could not be read is no range that is equal, and is told apart from who is down. */
static void damaged_ranges_are_told_apart(void)
{
    uint32_t counts[4];
    world_setup(3, 64, 3);
    w.session_err = ERR_CORRUPT;
    w.session_errs = 3;
    const struct repair_run *run = world_find(1, world_start(1, &everything));
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    struct repair_sums sums = world_sums(run, counts);
    CU_ASSERT_EQUAL(sums.ranges_damaged, 3);
    CU_ASSERT_EQUAL(counts[2], 125);
    CU_ASSERT_EQUAL(counts[3], 3);
    CU_ASSERT_EQUAL(run->problems[0].err, ERR_CORRUPT);
}

/* A leader that cannot read its own says so, once, and of itself. */
static void who_is_damaged_is_named(void)
{
    uint32_t counts[4];
    struct repair_wish own = {.only = 2};
    world_setup(3, 64, 3);
    w.session_err = ERR_CORRUPT;
    w.session_errs = 256; /* with both of the others */
    w.session_ours = true;
    const struct repair_run *run = world_find(1, world_start(1, &own));
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    struct repair_sums sums = world_sums(run, counts);
    CU_ASSERT_EQUAL(sums.ranges_damaged, 128);
    CU_ASSERT_EQUAL(counts[3], 128);
    CU_ASSERT_EQUAL(run->problems_all, 128);
    for (size_t i = 0; i < run->problems_count; i++)
        CU_ASSERT_EQUAL(run->problems[i].peer, 2);
}

/* Its disk is full: what it begins would fail, and the others could do nothing about it. So a run
 * stands still until the node is started again. */
static void who_cannot_write_leads_nothing(void)
{
    uint32_t counts[4];
    world_setup(3, 64, 3);
    const struct repair_run *run = world_find(1, world_start(1, &everything));
    world_elapse(2 * USEC_PER_SEC / 100);
    store_mem_fail(w.node[0].store, 0, ERR_FULL, "no space left");
    world_elapse(10 * USEC_PER_MS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(repair_stopped(w.node[0].repair));
    CU_ASSERT_STRING_EQUAL(repair_stopped(w.node[0].repair), "no space left");
    w.session_err = ERR_IO;
    w.session_errs = 100000;
    w.session_at = 1;
    CU_ASSERT_FALSE(world_run(60 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(run->problems_all, 0);
    CU_ASSERT_EQUAL(world_start(1, &everything), 0);
    w.session_errs = 0;
    CU_ASSERT_NOT_EQUAL(world_start(2, &everything), 0);
    world_down(1);
    store_mem_crash(w.node[0].store, SIZE_MAX);
    world_up(1);
    CU_ASSERT(world_run(20 * USEC_PER_SEC));
    struct repair_sums sums = world_sums(world_find(2, (uint64_t)2 << 32 | 1), counts);
    CU_ASSERT_EQUAL(sums.ranges_damaged, 0);
    CU_ASSERT_EQUAL(counts[0], 128);
}

/* All that is not compared would pass for equal. */
static void more_than_a_run_takes_is_refused(void)
{
    static struct repair_scope scopes[REPAIR_PARTS_MAX + 1];
    struct repair_wish wish = {.scopes = scopes, .scopes_count = ARRAY_LEN(scopes)};
    const struct repair_run *const *runs;
    uint64_t id;
    bool joined;
    world_setup(3, 16, 3);
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        scopes[i].keyspace = KEYSPACE + i % KEYSPACES;
    CU_ASSERT_EQUAL(repair_run_start(w.node[0].repair, w.now, &wish, &id, &joined), ERR_TOO_BIG);
    CU_ASSERT_EQUAL(repair_runs(w.node[0].repair, &runs), 0);
    wish.scopes_count--;
    CU_ASSERT_EQUAL(repair_run_start(w.node[0].repair, w.now, &wish, &id, &joined), ERR_OK);
}

static void set_dots(unsigned nodes, range_no range, uint64_t dots)
{
    for (unsigned i = 0; i < w.nodes; i++) {
        if ((nodes >> i & 1) != 0)
            w.node[i].dots[0][range] = dots;
    }
}

/* Node 3 has one dot of four that the others have, in two ranges. */
static const struct repair_run *begin_lacking(const struct repair_wish *wish)
{
    world_setup(3, 16, 3);
    for (range_no range = 5; range <= 6; range++) {
        set_dots(3, range, 15);
        set_dots(4, range, 1);
    }
    return world_find(1, world_start(1, wish));
}

/* What sessions leave out, as handoff brings it, is waited for as long as something comes; what is
 * minted meanwhile is not. */
static void what_is_left_out_is_waited_for(void)
{
    uint32_t counts[4];
    const struct repair_run *run = begin_lacking(&everything);
    for (uint64_t dots = 1; dots < 15; dots = 2 * dots + 1) {
        world_elapse(20 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(run->state, REPAIR_RUNNING);
        CU_ASSERT_EQUAL(run->waits_for, 3);
        CU_ASSERT_EQUAL(run->waits, 2 * (4 - (dots == 1 ? 1u : dots == 3 ? 2u : 3u)));
        set_dots(4, 5, 2 * dots + 1);
        set_dots(4, 6, 2 * dots + 1);
        set_dots(3, 5, 31);
    }
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    struct repair_sums sums = world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[2], 32);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT_EQUAL(sums.lacking, 0);
}

/* ... and when nothing comes the range is not equal, and who lacks how much is told. A preview does
 * not wait. */
static void what_does_not_come_is_named(void)
{
    static const bool previews[] = {false, true};
    for (size_t i = 0; i < ARRAY_LEN(previews); i++) {
        uint32_t counts[4];
        struct repair_wish wish = {.preview = previews[i]};
        const struct repair_run *run = begin_lacking(&wish);
        CU_ASSERT(world_run((previews[i] ? 1 : 60) * USEC_PER_SEC));
        struct repair_sums sums = world_sums(run, counts);
        CU_ASSERT_EQUAL(counts[2], 30);
        CU_ASSERT_EQUAL(counts[3], 2);
        CU_ASSERT_EQUAL(sums.lacking, 6);
        CU_ASSERT_EQUAL(sums.ranges_lacking, 2);
        CU_ASSERT_EQUAL(run->problems_count, 2);
        CU_ASSERT_EQUAL(run->problems[0].peer, 3);
        CU_ASSERT_EQUAL(run->problems[0].err, ERR_BEHIND);
        CU_ASSERT_EQUAL(run->problems[0].lacking, 3);
        world_teardown();
    }
    world_setup(3, 16, 3);
}

/* Who joins what is under way is told of what there is by then. */
static void who_joins_knows_of_now(void)
{
    uint32_t counts[4];
    const struct repair_run *run = begin_lacking(&everything);
    world_elapse(USEC_PER_SEC);
    set_dots(3, 5, 31);
    const struct repair_run *second = world_find(2, world_start(2, &everything));
    set_dots(4, 5, 15);
    set_dots(4, 6, 15);
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    world_sums(second, counts);
    CU_ASSERT_EQUAL(counts[3], 1);
    CU_ASSERT_EQUAL(second->problems[0].lacking, 1);
    CU_ASSERT_EQUAL(run->state, REPAIR_OVER);
}

/* A full run reads what nobody else has, and a range that cannot be read is not equal. */
static void what_has_one_replica_is_read(void)
{
    uint32_t counts[4];
    struct repair_wish wish = {.full = true};
    world_setup(3, 16, 1);
    w.session_err = ERR_CORRUPT;
    w.session_errs = 3;
    const struct repair_run *run = world_find(1, world_start(1, &wish));
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    struct repair_sums sums = world_sums(run, counts);
    CU_ASSERT_EQUAL(w.compared, 29);
    CU_ASSERT_EQUAL(counts[2], 29);
    CU_ASSERT_EQUAL(counts[3], 3);
    CU_ASSERT_EQUAL(sums.ranges_alone, 29);
    CU_ASSERT_EQUAL(sums.ranges_damaged, 3);
    CU_ASSERT_EQUAL(run->problems[0].err, ERR_CORRUPT);
    CU_ASSERT_NOT_EQUAL(run->problems[0].peer, 0);
}

/* What a leader had counted in ranges that it was not through with, the next one counts. */
static void rows_count_once_when_a_leader_dies(void)
{
    static const bool previews[] = {false, true};
    for (size_t i = 0; i < ARRAY_LEN(previews); i++) {
        uint32_t counts[4];
        struct repair_wish wish = {.preview = previews[i]};
        world_setup(3, 16, 3);
        for (range_no range = 0; range < 16; range++)
            world_plant(7, 0, range, 1);
        world_plant(2, 0, 4, 2);
        w.session_us = USEC_PER_SEC;
        const struct repair_run *run = world_find(1, world_start(1, &wish));
        world_elapse(3 * USEC_PER_SEC); /* node 2 is between its two peers */
        world_down(2);
        CU_ASSERT(world_run(60 * USEC_PER_SEC));
        struct repair_sums sums = world_sums(run, counts);
        CU_ASSERT_EQUAL(counts[1], 32);
        CU_ASSERT(sums.rows >= 16 && sums.rows <= 17);
        CU_ASSERT(sums.rows_different <= 1);
        world_teardown();
    }
    world_setup(3, 16, 3);
}

/* Who is there again after a moment is compared with, last: the others get what he brings, too. */
static void a_restarted_replica_is_waited_for(void)
{
    uint32_t counts[4];
    world_setup(3, 64, 3);
    for (range_no range = 0; range < 64; range++)
        world_plant(4, 0, range, 1);
    world_down(3);
    uint64_t id = world_start(1, &everything);
    world_elapse(2 * USEC_PER_SEC);
    world_up(3);
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    struct repair_sums sums = world_sums(world_find(1, id), counts);
    CU_ASSERT_EQUAL(counts[2], 64);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT_EQUAL(sums.rows_different, 64);
    CU_ASSERT(world_equal());
}

/* ... after who has asked last, too, though what he asks for is being waited for already: as after
 * a manager that was the one who is down, and comes back with its run. */
static void who_joins_has_all_of_the_patience(void)
{
    uint32_t counts[4];
    world_setup(3, 64, 3);
    for (range_no range = 0; range < 64; range++)
        world_plant(4, 0, range, 1);
    world_down(3);
    CU_ASSERT_NOT_EQUAL(world_start(1, &everything), 0);
    world_elapse(5 * USEC_PER_SEC / 2);
    uint64_t second = world_start(2, &everything);
    world_elapse(3 * USEC_PER_SEC / 2); /* four in all */
    world_up(3);
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    world_sums(world_find(2, second), counts);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT(world_equal());
}

/* Whoever leads them: as many as may be are named. */
static void problems_are_named(void)
{
    uint32_t counts[4];
    world_setup(3, 1024, 3);
    world_down(3);
    const struct repair_run *run = world_find(1, world_start(1, &everything));
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[3], 2048);
    CU_ASSERT_EQUAL(run->problems_all, 2048);
    CU_ASSERT_EQUAL(run->problems_count, REPAIR_PROBLEMS_MAX);
}

static void nobody_is_there(void)
{
    uint32_t counts[4];
    world_setup(3, 16, 1);
    world_down(3);
    struct repair_wish wish = {.only = 3};
    const struct repair_run *run = world_find(1, world_start(1, &everything));
    CU_ASSERT(world_run(USEC_PER_SEC));
    CU_ASSERT(world_sums(run, counts).ranges_alone == 32 - counts[3]);
    CU_ASSERT(counts[3] > 0 && counts[3] == run->problems_all);
    CU_ASSERT_EQUAL(run->problems[0].peer, 0);
    run = world_find(1, world_start(1, &wish));
    CU_ASSERT(world_run(USEC_PER_SEC));
    CU_ASSERT_EQUAL(run->problems[0].peer, 3);
}

/* A leader dies: another replica leads what it had not told of; it alone is not compared. */
static void a_leader_dies(void)
{
    uint32_t counts[4];
    world_setup(5, 64, 3);
    world_plant(31, 0, 7, 1);
    world_plant(world_replicas(0, 9).node[1] == 2 ? 1 : 2, 0, 9, 3);
    w.session_us = USEC_PER_SEC;
    uint64_t id = world_start(1, &everything);
    world_elapse(500 * USEC_PER_MS);
    world_down(3);
    CU_ASSERT(world_run(20 * USEC_PER_SEC));
    const struct repair_run *run = world_find(1, id);
    world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[1], 128);
    uint32_t of_node = 0;
    for (range_no i = 0; i < 64; i++)
        of_node += 2 * replicas_have(world_replicas(0, i), 3);
    CU_ASSERT_EQUAL(counts[3], of_node);
    for (size_t i = 0; i < run->problems_count; i++)
        CU_ASSERT_EQUAL(run->problems[i].peer, 3);
}

/* The manager dies in the middle: its leaders stop; when it is back, it goes on with what is left.
 */
static void the_manager_comes_back(void)
{
    uint32_t counts[4];
    world_setup(3, 1024, 3);
    world_plant(2, 0, 77, 1);
    struct repair_scope scope = {.keyspace = KEYSPACE + 1};
    struct repair_wish later = {.scopes = &scope, .scopes_count = 1, .preview = true};
    w.session_us = USEC_PER_SEC;
    uint64_t id = world_start(1, &everything);
    CU_ASSERT_FALSE(world_find(1, id)->durable);
    world_elapse(3500 * USEC_PER_MS);
    CU_ASSERT(world_find(1, id)->durable);
    world_sums(world_find(1, id), counts);
    CU_ASSERT(counts[1] > 0 && counts[1] < 2048);
    uint32_t done = counts[1];
    uint64_t kept = world_find(1, id)->kept;
    CU_ASSERT(kept > 0 && kept <= done);
    world_down(1);
    world_elapse(100 * USEC_PER_MS);
    CU_ASSERT_EQUAL(w.sessions_count, 0);
    CU_ASSERT_EQUAL(repair_stats(w.node[1].repair).lots, 0);
    uint64_t compared = w.compared;
    world_up(1);
    CU_ASSERT(world_find(1, id)->durable);
    CU_ASSERT_EQUAL(world_find(1, id)->progress, 1000 * kept / 2048); /* not from the start */
    world_elapse(10 * USEC_PER_MS);
    world_sums(world_find(1, id), counts);
    CU_ASSERT_EQUAL(counts[1], kept);
    done = counts[1];
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    const struct repair_run *run = world_find(1, id);
    world_sums(run, counts);
    CU_ASSERT_EQUAL(run->state, REPAIR_OVER);
    CU_ASSERT_EQUAL(counts[1], 2048);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT(w.compared - compared <= 2 * (2048 - done));
    CU_ASSERT(world_equal());
    CU_ASSERT(world_start(1, &later) > id);
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
}

/* A leader that says nothing is given up; what it tells later is no longer asked for. */
static void a_silent_leader_is_given_up(void)
{
    uint32_t counts[4];
    world_setup(3, 16, 3);
    w.deaf[2] = true;
    uint64_t id = world_start(1, &everything);
    world_elapse(14 * USEC_PER_SEC);
    world_sums(world_find(1, id), counts);
    CU_ASSERT(counts[1] < 32);
    w.deaf[2] = false;
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    world_sums(world_find(1, id), counts);
    CU_ASSERT_EQUAL(counts[2], 32);
    w.deaf[1] = true; /* and a manager that hears nothing */
    w.session_us = USEC_PER_SEC;
    id = world_start(1, &everything);
    world_elapse(5 * USEC_PER_SEC);
    w.deaf[1] = false;
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    world_sums(world_find(1, id), counts);
    CU_ASSERT_EQUAL(counts[2], 32);
}

/* Other leaders, others to compare with: the run follows the ring. */
static void the_ring_changes(void)
{
    uint32_t counts[4];
    world_setup(5, 64, 3);
    world_own(7);
    w.session_us = USEC_PER_SEC;
    uint64_t id = world_start(1, &everything);
    world_elapse(500 * USEC_PER_MS);
    world_own(28);
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    const struct repair_run *run = world_find(1, id);
    world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[1], 128);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT(repair_stats(w.node[3].repair).led > 0);
}

/* Who is about to hold a range is compared with like who does: what it has yet to get is no more
 * equal than what another one lacks. */
static void who_is_to_come_is_compared_with(void)
{
    uint32_t counts[4];
    world_setup(3, 16, 3);
    world_joins(3, 3);
    world_plant(3, 0, 5, 1);
    set_dots(3, 7, 3);
    const struct repair_run *run = world_find(1, world_start(1, &everything));
    world_elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(run->state, REPAIR_RUNNING);
    CU_ASSERT_EQUAL(run->waits_for, 3);
    CU_ASSERT_EQUAL(run->waits, 2);
    set_dots(4, 7, 3);
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(world_sums(run, counts).rows_different, 1);
    CU_ASSERT_EQUAL(counts[2], 31);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT_EQUAL(w.node[2].rows[0][5], 2);
}

static void a_keyspace_is_dropped(void)
{
    uint32_t counts[4];
    world_setup(3, 64, 3);
    w.session_us = USEC_PER_SEC;
    uint64_t id = world_start(1, &everything);
    world_elapse(500 * USEC_PER_MS);
    world_drop_keyspace(KEYSPACE);
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    const struct repair_run *run = world_find(1, id);
    world_sums(run, counts);
    CU_ASSERT(run->parts[0].gone);
    CU_ASSERT_FALSE(run->parts[1].gone);
    CU_ASSERT_EQUAL(run->parts[1].equal, 64);
    CU_ASSERT_EQUAL(counts[3], 0);
}

/* A table of the wish is gone: nothing of it is compared, and that is no problem. */
static void a_table_is_dropped(void)
{
    uint32_t counts[4];
    table_no table = TABLE;
    struct repair_scope scope = {KEYSPACE, &table, 1};
    struct repair_wish wish = {.scopes = &scope, .scopes_count = 1};
    world_setup(3, 64, 3);
    w.session_us = USEC_PER_SEC;
    uint64_t id = world_start(1, &wish);
    world_elapse(500 * USEC_PER_MS);
    for (size_t i = 0; i < 3; i++)
        cluster_set_tables(w.node[i].cluster, NULL, 0, 100);
    w.session_err = ERR_NOT_FOUND;
    w.session_errs = 1000000;
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    world_sums(world_find(1, id), counts);
    CU_ASSERT_EQUAL(counts[1], 64);
    CU_ASSERT_EQUAL(counts[3], 0);
}

/* What is in the way for a moment is tried again; what stays is named. */
static void passing_errors_are_tried_again(void)
{
    uint32_t counts[4];
    world_setup(3, 16, 3);
    w.session_err = ERR_TIMEOUT;
    w.session_errs = 20;
    uint64_t id = world_start(1, &everything);
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    world_sums(world_find(1, id), counts);
    CU_ASSERT_EQUAL(counts[2], 32);
    w.session_err = ERR_CORRUPT;
    w.session_errs = 1;
    id = world_start(1, &everything);
    CU_ASSERT(world_run(60 * USEC_PER_SEC));
    const struct repair_run *run = world_find(1, id);
    world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[2], 31);
    CU_ASSERT_EQUAL(run->problems_all, 1);
    CU_ASSERT_EQUAL(run->problems[0].err, ERR_CORRUPT);
}

/* Rows anywhere, nodes that come and go, managers that die, runs of all: when all is there again, a
 * run ends, and then all is equal. */
static void random_troubles(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng;
        uint32_t counts[4];
        rng_init(&rng, seed);
        world_setup(5, 32, 3);
        for (unsigned i = 0; i < 100; i++)
            world_plant((unsigned)rng_below(&rng, 32), (unsigned)rng_below(&rng, KEYSPACES),
                        (range_no)rng_below(&rng, 32), (unsigned)rng_below(&rng, 64));
        w.session_us = (usec)rng_below(&rng, 500) * USEC_PER_MS;
        for (unsigned i = 0; i < 30; i++) {
            node_no node = (node_no)rng_below(&rng, 5) + 1;
            bool up = w.node[node - 1].repair != NULL;
            if (rng_below(&rng, 3) == 0 && up)
                (void)world_start(node, &everything);
            else if (up)
                world_down(node);
            else
                world_up(node);
            if (rng_below(&rng, 4) == 0)
                world_own((unsigned)rng_below(&rng, 2) == 0 ? 31 : 7);
            world_elapse((usec)rng_below(&rng, 1500) * USEC_PER_MS);
        }
        world_own(31);
        for (node_no node = 1; node <= 5; node++) {
            if (w.node[node - 1].repair == NULL)
                world_up(node);
        }
        bool over = world_run(300 * USEC_PER_SEC);
        uint64_t id = world_start(2, &everything);
        over = world_run(300 * USEC_PER_SEC) && over;
        const struct repair_run *run = world_find(2, id);
        world_sums(run, counts);
        bool fine = over && world_equal() && counts[1] == 64 && counts[3] == 0;
        if (!fine)
            printf("seed %llu\n", (unsigned long long)seed);
        CU_ASSERT(fine);
        CU_ASSERT_EQUAL(w.sessions_count, 0);
        for (size_t i = 0; i < 5; i++)
            CU_ASSERT_EQUAL(repair_stats(w.node[i].repair).lots, 0);
        if (seed < 60)
            world_teardown();
    }
}

CU_TestInfo trouble_tests[] = {
    {"what is left out is waited for", what_is_left_out_is_waited_for},
    {"what does not come is named", what_does_not_come_is_named},
    {"what has one replica is read", what_has_one_replica_is_read},
    {"who joins knows of now", who_joins_knows_of_now},
    {"problems are named", problems_are_named},
    {"more than a run takes is refused", more_than_a_run_takes_is_refused},
    {"who is damaged is named", who_is_damaged_is_named},
    {"who cannot write leads nothing", who_cannot_write_leads_nothing},
    {"damaged ranges are told apart", damaged_ranges_are_told_apart},
    {"rows count once when a leader dies", rows_count_once_when_a_leader_dies},
    {"a dead replica is named", a_dead_replica_is_named},
    {"a restarted replica is waited for", a_restarted_replica_is_waited_for},
    {"who joins has all of the patience", who_joins_has_all_of_the_patience},
    {"nobody is there", nobody_is_there},
    {"a leader dies", a_leader_dies},
    {"the manager comes back", the_manager_comes_back},
    {"a silent leader is given up", a_silent_leader_is_given_up},
    {"the ring changes", the_ring_changes},
    {"who is to come is compared with", who_is_to_come_is_compared_with},
    {"a keyspace is dropped", a_keyspace_is_dropped},
    {"a table is dropped", a_table_is_dropped},
    {"passing errors are tried again", passing_errors_are_tried_again},
    {"random troubles", random_troubles},
    CU_TEST_INFO_NULL};
