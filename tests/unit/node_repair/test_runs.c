/* What a run does while nothing is in its way: who leads, what is told, who shares. */
#include "world.h"

#include <CUnit/CUnit.h>
#include <string.h>

void runs_setup(void);
void runs_teardown(void);

void runs_setup(void)
{
}

void runs_teardown(void)
{
    world_teardown();
}

static const struct repair_wish everything = {0};

/* 1,024 ranges of three nodes, all equal: done in far less than a second, with some hundred bytes
 * of messages between manager and leaders. */
static void all_equal_is_cheap(void)
{
    uint32_t counts[4];
    world_setup(3, 1024, 3);
    world_drop_keyspace(KEYSPACE + 1);
    usec began = w.now.mono;
    uint64_t id = world_start(1, &everything);
    CU_ASSERT_FATAL(id != 0);
    CU_ASSERT(world_run(USEC_PER_SEC));
    CU_ASSERT(w.now.mono - began < 200 * USEC_PER_MS);
    const struct repair_run *run = world_find(1, id);
    world_sums(run, counts);
    CU_ASSERT_EQUAL(run->state, REPAIR_OVER);
    CU_ASSERT_EQUAL(counts[0], 1024);
    CU_ASSERT_EQUAL(counts[1], 1024);
    CU_ASSERT_EQUAL(counts[2], 1024);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT_EQUAL(w.compared, 2048); /* each leader with both others */
    CU_ASSERT(w.bytes < 8192);
    for (size_t i = 0; i < 3; i++) { /* led by all, about alike */
        uint64_t led = repair_stats(w.node[i].repair).led;
        CU_ASSERT(led > 250 && led < 450);
    }
}

/* A run is as far as its leaders are, with what they have not settled. */
static void progress_is_told(void)
{
    struct repair_wish wish = {.full = true};
    uint64_t batches[REPAIR_BATCHES_MAX];
    uint32_t counts[4], before = 0;
    world_setup(3, 64, 3);
    world_drop_keyspace(KEYSPACE + 1);
    w.session_us = 5 * USEC_PER_SEC;
    const struct repair_run *run = world_find(1, world_start(1, &wish));
    world_elapse(USEC_PER_SEC);
    CU_ASSERT_EQUAL(run->progress, 0);
    for (unsigned at = 200; at <= 800; at += 200) {
        for (size_t i = 0; i < 3; i++) {
            struct repair *r = w.node[i].repair;
            size_t count = repair_batches(r, batches);
            for (size_t k = 0; k < count; k++)
                repair_progress(r, batches[k], at, at);
        }
        world_elapse(USEC_PER_SEC / 2);
        struct repair_sums sums = world_sums(run, counts);
        CU_ASSERT_EQUAL(counts[1], 0);
        CU_ASSERT(run->progress > before && run->progress <= at / 2);
        CU_ASSERT(sums.rows_read >= 3 * at && sums.rows_read <= 12 * at);
        before = run->progress;
    }
    w.session_read = 1000; /* 200 since that was told */
    CU_ASSERT(world_run(300 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(run->progress, 1000);
    uint64_t batches_begun = 0;
    for (size_t i = 0; i < 3; i++)
        batches_begun += w.node[i].batches;
    CU_ASSERT_EQUAL(world_sums(run, counts).rows_read, 1000 * batches_begun);
}

/* What is read again is compared with all before much else is begun, so little is lost with a
 * manager or a leader, however long all of it takes. Where ranges are small batches are not. */
static void full_runs_get_done_bit_by_bit(void)
{
    struct repair_wish wish = {.full = true};
    uint32_t counts[4], shown = 0;
    world_setup(3, 1024, 3);
    world_drop_keyspace(KEYSPACE + 1);
    w.session_us = 300 * USEC_PER_MS;
    const struct repair_run *run = world_find(1, world_start(1, &wish));
    for (unsigned i = 0; i < 3000 && run->state == REPAIR_RUNNING; i++) {
        world_elapse(10 * USEC_PER_MS);
        world_sums(run, counts);
        CU_ASSERT(w.compared <= 2 * counts[1] + 160);
        shown += run->progress > 250 && run->progress < 750;
    }
    CU_ASSERT_EQUAL(counts[1], 1024);
    CU_ASSERT(shown > 300);
    world_teardown();
    world_setup(3, 1024, 3);
    world_drop_keyspace(KEYSPACE + 1);
    uint64_t id = world_start(1, &wish);
    CU_ASSERT(world_run(2 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(world_find(1, id)->state, REPAIR_OVER);
    uint64_t batches = w.node[0].batches + w.node[1].batches + w.node[2].batches;
    CU_ASSERT(batches < 120);
}

/* However slow it is, there are no more batches than so many, and what they cost besides what they
 * find is told apart: also of what is looked at once more because a row differed. */
static void slow_full_runs_have_no_more_batches(void)
{
    struct repair_wish wish = {.full = true};
    uint32_t counts[4];
    for (unsigned planted = 0; planted <= 1; planted++) {
        world_setup(3, 1024, 3);
        world_drop_keyspace(KEYSPACE + 1);
        w.session_us = 3 * USEC_PER_SEC;
        if (planted > 0)
            world_plant(3, 0, 5, 1);
        const struct repair_run *run = world_find(1, world_start(1, &wish));
        CU_ASSERT(world_run(3600 * USEC_PER_SEC));
        uint64_t batches = w.node[0].batches + w.node[1].batches + w.node[2].batches;
        struct repair_sums sums = world_sums(run, counts);
        CU_ASSERT_EQUAL(counts[2], 1024 - planted);
        CU_ASSERT(batches >= 200 && batches <= 280 + 2 * planted);
        CU_ASSERT_EQUAL(sums.bytes_search, 50 * (batches + planted));
        CU_ASSERT_EQUAL(sums.bytes_hashes, 50 * (batches - 2 * planted));
        if (planted == 0)
            world_teardown();
    }
}

/* Whoever lacks what: afterwards all replicas have all, each row is told of once, and rows travel
 * no more than they must. */
static void all_replicas_end_equal(void)
{
    uint32_t counts[4];
    world_setup(5, 64, 3);
    unsigned planted = 0;
    for (range_no range = 0; range < 64; range++) {
        struct replicas replicas = world_replicas(0, range);
        unsigned all = 0;
        for (uint32_t i = 0; i < replicas.count; i++)
            all |= 1u << (replicas.node[i] - 1);
        world_plant(all, 0, range, 1);
        if (range % 3 == 0)
            continue;
        for (uint32_t i = 0; i < replicas.count; i++) { /* each has one alone, */
            world_plant(1u << (replicas.node[i] - 1), 0, range, 2 + i);
            planted++;
        }
        world_plant(all & ~(1u << (replicas.node[0] - 1)), 0, range, 9); /* one lacks one */
        planted++;
    }
    CU_ASSERT_FALSE(world_equal());
    uint64_t id = world_start(2, &everything);
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    CU_ASSERT(world_equal());
    const struct repair_run *run = world_find(2, id);
    struct repair_sums sums = world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[1], 128);
    CU_ASSERT_EQUAL(counts[2], 64 + 22);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT_EQUAL(sums.rows_different, planted);
    CU_ASSERT_EQUAL(sums.rows_received + sums.rows_sent, 42 * 6 + 42);
    CU_ASSERT_EQUAL(run->parts[0].by_table_count, 1);
    CU_ASSERT_EQUAL(run->parts[0].by_table[0].table, TABLE);
    CU_ASSERT_EQUAL(run->parts[0].by_table[0].sums.rows_different, planted);
    CU_ASSERT(sums.bytes_search > run->parts[0].by_table[0].sums.bytes_search);
    id = world_start(2, &everything); /* over: this is another one, and finds nothing */
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    sums = world_sums(world_find(2, id), counts);
    CU_ASSERT_EQUAL(counts[2], 128);
    CU_ASSERT_EQUAL(sums.rows_different, 0);
}

/* A preview counts, and mends nothing. */
static void preview_mends_nothing(void)
{
    uint32_t counts[4];
    struct repair_wish wish = {.preview = true};
    world_setup(3, 16, 3);
    for (range_no range = 0; range < 16; range++) {
        world_plant(7, 0, range, 0);
        world_plant(7 & ~(1u << range % 3), 0, range, 1);
    }
    uint64_t id = world_start(1, &wish);
    CU_ASSERT(world_run(10 * USEC_PER_SEC));
    struct repair_sums sums = world_sums(world_find(1, id), counts);
    CU_ASSERT_EQUAL(sums.rows_different, 16);
    CU_ASSERT_EQUAL(sums.rows_received + sums.rows_sent, 0);
    CU_ASSERT_EQUAL(counts[2], 16);
    CU_ASSERT_EQUAL(counts[3], 0);
    CU_ASSERT_FALSE(world_equal());
}

/* Only what is wanted: a keyspace, a part of the ring, the ranges of one node. */
static void only_what_is_wanted(void)
{
    uint32_t counts[4];
    struct repair_scope scope = {.keyspace = KEYSPACE + 1};
    struct token_span span = {0, ring_range_span(8, 16).last};
    struct repair_wish wish = {.scopes = &scope, .scopes_count = 1};
    world_setup(5, 16, 3);
    const struct repair_run *run = world_find(1, world_start(1, &wish));
    CU_ASSERT(world_run(USEC_PER_SEC));
    world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[2], 16);
    CU_ASSERT_EQUAL(run->parts_count, 1);
    wish.spans = &span;
    wish.spans_count = 1;
    run = world_find(1, world_start(1, &wish));
    CU_ASSERT(world_run(USEC_PER_SEC));
    world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[2], 1);
    wish = (struct repair_wish){.only = 4};
    uint64_t led = repair_stats(w.node[3].repair).led;
    run = world_find(1, world_start(1, &wish));
    CU_ASSERT(world_run(USEC_PER_SEC));
    world_sums(run, counts);
    uint32_t of_node = 0;
    for (range_no i = 0; i < 16; i++)
        of_node += 2 * replicas_have(world_replicas(0, i), 4);
    CU_ASSERT_EQUAL(counts[2], of_node);
    CU_ASSERT_EQUAL(repair_stats(w.node[3].repair).led - led, of_node);
    scope.keyspace = 99;
    wish = (struct repair_wish){.scopes = &scope, .scopes_count = 1};
    CU_ASSERT_EQUAL(world_start(1, &wish), 0);
}

/* Who asks for what is under way already is told of that run. */
static void the_same_is_joined(void)
{
    struct repair_scope scope = {.keyspace = KEYSPACE};
    struct repair_wish one = {.scopes = &scope, .scopes_count = 1}, preview = {.preview = true};
    world_setup(3, 16, 3);
    uint64_t id = world_start(1, &everything);
    CU_ASSERT_EQUAL(world_start(1, &everything), id);
    CU_ASSERT_EQUAL(world_start(1, &one), id);
    CU_ASSERT_NOT_EQUAL(world_start(1, &preview), id);
    CU_ASSERT_EQUAL(repair_stats(w.node[0].repair).joined, 2);
    CU_ASSERT(world_run(USEC_PER_SEC));
    CU_ASSERT_NOT_EQUAL(world_start(1, &everything), id);
    CU_ASSERT(world_run(USEC_PER_SEC));
}

/* Two managers, at the same time: each range is compared once, for both. */
static void managers_share(void)
{
    uint32_t counts[4];
    struct repair_scope scope = {.keyspace = KEYSPACE};
    struct repair_wish one = {.scopes = &scope, .scopes_count = 1};
    world_setup(3, 64, 3);
    world_plant(3, 0, 5, 1);
    uint64_t first = world_start(1, &everything), second = world_start(2, &one);
    CU_ASSERT(world_run(USEC_PER_SEC));
    CU_ASSERT_EQUAL(w.compared, 2 * 2 * 64 + 2); /* what differed once more, with both */
    for (node_no node = 1; node <= 2; node++) {
        struct repair_sums sums = world_sums(world_find(node, node == 1 ? first : second), counts);
        CU_ASSERT_EQUAL(counts[0] - counts[2], 1);
        CU_ASSERT_EQUAL(sums.rows_different, 1);
    }
}

static void cancelled_is_over(void)
{
    world_setup(3, 64, 3);
    w.session_us = 10 * USEC_PER_SEC;
    uint64_t id = world_start(1, &everything), other = world_start(2, &everything);
    world_elapse(100 * USEC_PER_MS);
    CU_ASSERT_EQUAL(repair_run_cancel(w.node[0].repair, w.now, id), ERR_OK);
    CU_ASSERT_EQUAL(repair_run_cancel(w.node[0].repair, w.now, id), ERR_CLOSED);
    CU_ASSERT_EQUAL(repair_run_cancel(w.node[0].repair, w.now, other), ERR_NOT_FOUND);
    world_settle();
    CU_ASSERT(w.sessions_count > 0); /* the other run wants them */
    CU_ASSERT_EQUAL(repair_run_cancel(w.node[1].repair, w.now, other), ERR_OK);
    world_settle();
    CU_ASSERT_EQUAL(w.sessions_count, 0);
    CU_ASSERT_EQUAL(world_find(1, id)->state, REPAIR_CANCELLED);
    CU_ASSERT_EQUAL(repair_stats(w.node[2].repair).lots, 0);
}

/* So many are kept, the latest; so many run. */
static void runs_are_bounded(void)
{
    const struct repair_run *const *runs;
    struct token_span spans[REPAIR_RUNNING_MAX + 1];
    struct repair_wish wish = {.spans_count = 1};
    world_setup(3, 32, 3);
    for (unsigned i = 0; i < REPAIR_RUNS_MAX + 5; i++) {
        CU_ASSERT_FATAL(world_start(1, &everything) != 0);
        CU_ASSERT_FATAL(world_run(USEC_PER_SEC));
    }
    CU_ASSERT_EQUAL(repair_runs(w.node[0].repair, &runs), REPAIR_RUNS_MAX);
    CU_ASSERT_EQUAL((uint32_t)runs[0]->id, REPAIR_RUNS_MAX + 5);
    for (unsigned i = 0; i <= REPAIR_RUNNING_MAX; i++) {
        spans[i] = ring_range_span(i, 32);
        wish.spans = &spans[i];
        CU_ASSERT_EQUAL(world_start(1, &wish) != 0, i < REPAIR_RUNNING_MAX);
    }
    CU_ASSERT(world_run(USEC_PER_SEC));
    world_down(1);
    world_up(1);
    CU_ASSERT_EQUAL(repair_runs(w.node[0].repair, &runs), REPAIR_RUNS_MAX);
    CU_ASSERT_EQUAL((uint32_t)runs[0]->id, REPAIR_RUNS_MAX + 5 + REPAIR_RUNNING_MAX);
    CU_ASSERT_EQUAL(runs[0]->state, REPAIR_OVER);
}

static void one_copy_is_equal(void)
{
    uint32_t counts[4];
    world_setup(3, 16, 1);
    const struct repair_run *run = world_find(1, world_start(1, &everything));
    CU_ASSERT(world_run(USEC_PER_SEC));
    world_sums(run, counts);
    CU_ASSERT_EQUAL(counts[2], 32);
    CU_ASSERT_EQUAL(w.compared, 0);
}

static void ids_are_read(void)
{
    char room[REPAIR_ID_SIZE];
    uint64_t id;
    world_setup(1, 16, 1);
    CU_ASSERT_STRING_EQUAL(repair_id_text(UINT64_C(3) << 32 | 17, room), "3-17");
    CU_ASSERT(repair_id_parse(BYTES_LIT("3-17"), &id) && id == (UINT64_C(3) << 32 | 17));
    static const char *const bad[] = {"",     "3",     "3-",           "-3", "3-4294967296",
                                      "3-4x", "3-4-5", "99999999999-1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_FALSE(repair_id_parse(bytes_text(bad[i]), &id));
}

CU_TestInfo runs_tests[] = {
    {"progress is told", progress_is_told},
    {"full runs get done bit by bit", full_runs_get_done_bit_by_bit},
    {"slow full runs have no more batches", slow_full_runs_have_no_more_batches},
    {"1,024 equal ranges are told of at once", all_equal_is_cheap},
    {"all replicas end equal", all_replicas_end_equal},
    {"a preview mends nothing", preview_mends_nothing},
    {"only what is wanted", only_what_is_wanted},
    {"the same is joined", the_same_is_joined},
    {"managers share work", managers_share},
    {"cancelled is over", cancelled_is_over},
    {"runs are bounded", runs_are_bounded},
    {"one copy is equal", one_copy_is_equal},
    {"ids are read", ids_are_read},
    CU_TEST_INFO_NULL};
