/* Sessions by trees while clients write, peers go away, rings change, and garbage is dropped. */
#include "compare_world.h"

#include "base/mem.h"
#include "base/rng.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define PLANTED(i) (100 * (unsigned)(i) + 50)

/* One message, or what one says; or a millisecond. */
static void small_step(void)
{
    if (deliver() || perform(1) || perform(2))
        return;
    f.now.mono += USEC_PER_MS;
    for (size_t i = 0; i < 2; i++) {
        if (heal_next_deadline(f.node[i].heal) <= f.now.mono)
            heal_deadline(f.node[i].heal, f.now);
    }
}

static void sync_disks(void)
{
    struct store_done done;
    for (size_t i = 0; i < NODES; i++) {
        store_flush(f.node[i].store);
        store_mem_sync(f.node[i].store, SIZE_MAX);
        while (store_completed(f.node[i].store, &done))
            heal_durable(f.node[i].heal, f.now, done.ticket, done.err);
    }
}

void compare_load_setup(void);
void compare_load_teardown(void);

void compare_load_setup(void)
{
    compare_setup();
}

void compare_load_teardown(void)
{
    compare_teardown();
}

struct late { /* a write that is on its way to the other one */
    struct part part;
    struct dot dot;
    node_no to;
};

static struct late late[64];
static size_t late_count;

/* Beside what is planted, for that is what is listed; never the very rows. */
static void random_write(struct rng *rng, int64_t timestamp)
{
    node_no by = 1 + (node_no)rng_below(rng, 2);
    unsigned row = PLANTED(rng_below(rng, 13)) + 1 + (unsigned)rng_below(rng, 7);
    struct dot dot = next_dot(by);
    struct part p = part_of(row, timestamp, rng_chance(rng, 200000) ? CELL_TOMBSTONE : CELL_LIVE,
                            "under load", dot);
    apply(by, &p, dot);
    late[late_count++] = (struct late){p, dot, 3 - by};
}

static void arrive(size_t at)
{
    apply(late[at].to, &late[at].part, late[at].dot);
    late[at] = late[--late_count];
}

/* Writes come to one and later to the other at each message; only what was planted is different. */
static void writes_meanwhile_are_no_differences(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rng rng;
        unsigned k = (unsigned)seed;
        rng_init(&rng, seed);
        begin_anew();
        set_down(3, true); /* what two have is joined */
        late_count = 0;
        fill(1500);
        int64_t timestamp = 100;
        for (unsigned i = 0; i < k; i++) /* rows that nobody writes else */
            plant(1 + i % 2, PLANTED(i), 20);
        for (unsigned i = 0; i < 20; i++)
            random_write(&rng, timestamp++);
        CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &between));
        for (int step = 0; step < 100000 && f.node[0].compared == 0; step++) {
            if (rng_chance(&rng, 300000) && late_count < ARRAY_LEN(late))
                random_write(&rng, timestamp++);
            if (late_count > 0 && rng_chance(&rng, 300000))
                arrive((size_t)rng_below(&rng, late_count));
            small_step();
            if (rng_chance(&rng, 500000))
                sync_disks();
        }
        const struct heal_figures *g = &f.node[0].figures;
        CU_ASSERT_EQUAL(f.node[0].compared, 1);
        CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
        CU_ASSERT_EQUAL(g->rows_different, k);
        CU_ASSERT_EQUAL(f.node[0].doubtful + f.node[1].doubtful, k);
        if (g->rows_different != k || f.node[0].doubtful + f.node[1].doubtful != k)
            printf("seed %u: %u different\n", (unsigned)seed, (unsigned)g->rows_different);
        while (late_count > 0)
            arrive(0);
        settle();
        CU_ASSERT(clocks_are_equal());
        CU_ASSERT(rows_are_equal());
    }
}

/* --- what goes wrong */

/* 600 rows that differ, by sessions that break off each 60 steps, or by one that does not. What
 * went over the wire. */
static uint64_t rows_sent_by(bool breaking, unsigned *ret_broken)
{
    uint64_t sent = 0;
    unsigned broken = 0;
    begin_anew();
    set_down(3, true);
    fill(1200);
    for (unsigned i = 0; i < 600; i++)
        plant(1 + i % 2, 2 * i, 20);
    sync_all();
    CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &between));
    for (int step = 0; step < 10000; step++) {
        small_step();
        sync_disks();
        if (breaking && step % 60 == 59 && f.node[0].compared == broken) {
            heal_peer_lost(f.node[0].heal, f.now, 2);
            heal_peer_lost(f.node[1].heal, f.now, 1);
            perform(1);
        }
        if (f.node[0].compared == broken)
            continue;
        sent += f.node[0].figures.rows_received + f.node[0].figures.rows_sent;
        if (f.node[0].compared_err == ERR_OK)
            break;
        CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_UNAVAILABLE);
        broken++;
        CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &between));
    }
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(rows_are_equal());
    *ret_broken = broken;
    return sent;
}

/* Nothing says where the one before was: what that has mended is equal, and costs sums alone. */
static void what_a_broken_session_has_mended_is_not_sent_again(void)
{
    unsigned never, often;
    three_compare_bytes = 1500;
    uint64_t once = rows_sent_by(false, &never), again = rows_sent_by(true, &often);
    three_compare_bytes = 0;
    CU_ASSERT_EQUAL(never, 0);
    CU_ASSERT(often > 1);
    CU_ASSERT(once >= 600);
    CU_ASSERT(again >= once);
    CU_ASSERT(again - once <= often * 1500 / 8); /* of the last list of each: a hash for a row */
}

static void a_silent_peer_ends_it(void)
{
    set_down(3, true);
    fill(100);
    f.lost[WIRE_COMPARE_OPENED] = true;
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_TIMEOUT);
    f.lost[WIRE_COMPARE_OPENED] = false;
    f.lost[WIRE_COMPARE_GAVE] = true;
    plant(1, 1, 20);
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_TIMEOUT);
    f.lost[WIRE_COMPARE_GAVE] = false;
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(rows_are_equal());
}

static void another_ring_ends_it(void)
{
    set_down(3, true); /* it does not hear of the ring */
    fill(100);
    plant(1, 1, 20);
    plant(2, 2, 20);
    CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &between));
    heal_deadline(f.node[0].heal, f.now);
    perform(1);
    cluster_set_ring_epoch(f.node[1].cluster, 9);
    settle();
    CU_ASSERT_EQUAL(f.node[0].compared, 1);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_STALE);
    cluster_set_ring_epoch(f.node[0].cluster, 9);
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(rows_are_equal());
}

static void who_is_no_replica_compares_nothing(void)
{
    struct heal_comparison what = between;
    table_no table = 77;
    what.peer = 9;
    compare(&what);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_UNAVAILABLE);
    what.peer = 2;
    what.tables = &table;
    what.tables_count = 1;
    compare(&what);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_NOT_FOUND);
    for (unsigned i = 0; i < HEAL_COMPARES_MAX; i++)
        CU_ASSERT(heal_compare(f.node[0].heal, f.now, i, &between));
    CU_ASSERT(!heal_compare(f.node[0].heal, f.now, 99, &between));
    elapse(USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[0].compared, 2 + HEAL_COMPARES_MAX);
}

/* All have proved a tombstone; one has dropped it. */
static void agreed_garbage_is_no_difference(void)
{
    bool done = false;
    three_hold_us = 3600 * USEC_PER_SEC;
    begin_anew();
    three_hold_us = 0;
    fill(200);
    for (unsigned i = 0; i < 20; i++) {
        struct dot dot = next_dot(1);
        struct part p = part_of(7 * i, 30, CELL_TOMBSTONE, NULL, dot);
        for (node_no k = 1; k <= 3; k++)
            apply(k, &p, dot);
    }
    begin();
    elapse(20 * USEC_PER_SEC);
    const struct clock *agreed = heal_agreed(f.node[0].heal, KEYSPACE, RANGE);
    CU_ASSERT_FATAL(agreed != NULL);
    CU_ASSERT(clock_equal(agreed, engine_clock(f.node[0].engine, KEYSPACE, RANGE)));
    while (!done)
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(f.node[0].engine, KEYSPACE, RANGE, agreed, INT64_MIN, 1000, &done),
            ERR_OK);
    CU_ASSERT_EQUAL(engine_stats(f.node[0].engine).purged, 20);
    const struct heal_figures *g = compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(!g->equal);
    CU_ASSERT_EQUAL(g->rows_different, 0);
    CU_ASSERT_EQUAL(g->rows_received + g->rows_sent, 0);
}

CU_TestInfo compare_load_tests[] = {
    {"writes meanwhile are no differences", writes_meanwhile_are_no_differences},
    {"what a broken session has mended is not sent again",
     what_a_broken_session_has_mended_is_not_sent_again},
    {"a silent peer ends it", a_silent_peer_ends_it},
    {"another ring ends it", another_ring_ends_it},
    {"who is no replica compares nothing", who_is_no_replica_compares_nothing},
    {"agreed garbage is no difference", agreed_garbage_is_no_difference},
    CU_TEST_INFO_NULL,
};
