/* Ranges leave a node and come back: what it has of the time before goes first. */
#include "three.h"

#include "base/mem.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>

void held_setup(void);
void held_teardown(void);

static uint64_t epoch;

void held_setup(void)
{
    three_setup(3);
    epoch = 0;
}

void held_teardown(void)
{
    three_teardown();
}

/* The keyspace has so many replicas from now on, and the node sees it. */
static void change(node_no no, uint32_t rf, bool seen)
{
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = rf};
    struct cluster_table table = {TABLE, KEYSPACE};
    struct one *n = &f.node[no - 1];
    cluster_set_keyspace(n->cluster, KEYSPACE, &strategy);
    cluster_set_tables(n->cluster, &table, 1, epoch);
    if (seen)
        heal_placed(n->heal, f.now, epoch);
}

static void change_all(uint32_t rf)
{
    epoch++;
    for (node_no no = 1; no <= NODES; no++)
        change(no, rf, true);
}

/* A key whose range the node holds only when all nodes hold all. */
static unsigned key_left_by(node_no no, unsigned from)
{
    for (unsigned key = from;; key++) {
        if (!cluster_is_replica(f.node[no - 1].cluster, KEYSPACE, range_of(key), no))
            return key;
    }
}

static uint64_t forgotten(node_no no)
{
    return heal_stats(f.node[no - 1].heal).forgotten;
}

static void old_data_does_not_come_back(void)
{
    begin();
    change_all(3);
    for (unsigned i = 0; i < 60; i++)
        write_quietly(7, 1 + i % 3, i, 10);
    settle();
    change_all(2);
    elapse(USEC_PER_SEC);
    unsigned left = key_left_by(3, 0);
    range_no range = range_of(left);
    CU_ASSERT_FALSE(clock_empty(engine_clock(f.node[2].engine, KEYSPACE, range)));
    CU_ASSERT_EQUAL(forgotten(3), 0);
    change_all(3);
    /* Also before the new life, without which nothing is removed, nobody gets anything from here.
     */
    CU_ASSERT_EQUAL(engine_range_error(f.node[2].engine, KEYSPACE, range), ERR_UNAVAILABLE);
    CU_ASSERT(clock_empty(engine_clock(f.node[2].engine, KEYSPACE, range)));
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(forgotten(3) > 0);
    CU_ASSERT_EQUAL(f.node[2].life, 1); /* a new one, for all ranges at once */
    uint64_t used = 0;
    for (range_no r = 0; r < RANGES; r++)
        used += !clock_empty(engine_clock(f.node[0].engine, KEYSPACE, r));
    CU_ASSERT_EQUAL(forgotten(1) + forgotten(2) + forgotten(3), used); /* each left by one */
    CU_ASSERT(all_equal());
    CU_ASSERT(engine_next_dot(f.node[2].engine, KEYSPACE, range, (struct actor){3, 1}).n ==
              1 + clock_top(engine_clock(f.node[0].engine, KEYSPACE, range), (struct actor){3, 1}));
}

/* It had not been in what was acked meanwhile, so it need not hear all others before it serves. */
static void what_came_back_waits_for_no_dead_node(void)
{
    begin();
    change_all(3);
    for (unsigned i = 0; i < 60; i++)
        write_quietly(7, 1 + i % 3, i, 10);
    settle();
    change_all(2);
    elapse(USEC_PER_SEC);
    range_no range = range_of(key_left_by(3, 0));
    set_down(2, true);
    change_all(3);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(forgotten(3) > 0);
    CU_ASSERT_EQUAL(engine_serving_error(f.node[2].engine, KEYSPACE, range), ERR_OK);
    CU_ASSERT(clock_equal(engine_clock(f.node[2].engine, KEYSPACE, range),
                          engine_clock(f.node[0].engine, KEYSPACE, range)));
}

/* What is held all the time stays, also when the node starts again. */
static void what_is_held_stays(void)
{
    begin();
    change_all(3);
    for (unsigned i = 0; i < 60; i++)
        write_quietly(7, 1 + i % 3, i, 10);
    settle();
    for (unsigned i = 0; i < 5; i++) {
        struct one *n = &f.node[2];
        struct heal_config config = HEAL_CONFIG_DEFAULT;
        heal_free(n->heal);
        n->heal = heal_new(&config, n->engine, n->cluster);
        epoch += 3;
        heal_placed(n->heal, f.now, epoch);
        heal_begin(n->heal, f.now);
        elapse(USEC_PER_SEC);
    }
    CU_ASSERT_EQUAL(forgotten(3), 0);
    CU_ASSERT(all_equal());
}

/* Also when the disk did not say for a while what was held. */
static void what_cannot_be_read_is_not_forgotten(void)
{
    struct one *n = &f.node[2];
    struct heal_config config = HEAL_CONFIG_DEFAULT;
    begin();
    change_all(3);
    for (unsigned i = 0; i < 60; i++)
        write_quietly(7, 1 + i % 3, i, 10);
    settle();
    heal_free(n->heal);
    n->heal = heal_new(&config, n->engine, n->cluster);
    store_mem_fail_reads(n->store, BYTES_LIT("Fh/"), BYTES_LIT("Fh0"), ERR_IO);
    heal_placed(n->heal, f.now, ++epoch);
    heal_begin(n->heal, f.now);
    elapse(USEC_PER_SEC);
    store_mem_fail_reads(n->store, BYTES_LIT("Fh/"), BYTES_LIT("Fh0"), ERR_OK);
    heal_placed(n->heal, f.now, epoch);
    elapse(USEC_PER_SEC);
    CU_ASSERT_EQUAL(forgotten(3), 0);
    CU_ASSERT(all_equal());
}

/* Of two entries the first takes a range away and the second gives it back; the node is told of
 * both at once when it starts. As owner of another place it had what it has for good; what it had
 * only begun to take over under another ring it cannot rely on. */
static void what_was_begun_under_another_ring_goes(void)
{
    struct one *n = &f.node[2];
    begin();
    change_all(3);
    for (unsigned i = 0; i < 60; i++)
        write_quietly(7, 1 + i % 3, i, 10);
    settle();
    change_all(2);
    elapse(USEC_PER_SEC / 5);
    unsigned left = key_left_by(3, 0);
    epoch++;
    change(3, 3, true); /* forgetting begins, and is interrupted by a restart */
    struct heal_config config = HEAL_CONFIG_DEFAULT;
    heal_free(n->heal);
    n->heal = heal_new(&config, n->engine, n->cluster);
    heal_placed(n->heal, f.now, epoch);
    heal_begin(n->heal, f.now);
    elapse(USEC_PER_SEC / 2);
    CU_ASSERT(forgotten(3) > 0);
    change_all(3);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
    CU_ASSERT_FALSE(clock_empty(engine_clock(n->engine, KEYSPACE, range_of(left))));
}

CU_TestInfo held_tests[] = {
    {"what came back waits for no dead node", what_came_back_waits_for_no_dead_node},
    {"old data does not come back", old_data_does_not_come_back},
    {"what is held stays", what_is_held_stays},
    {"what cannot be read is not forgotten", what_cannot_be_read_is_not_forgotten},
    {"a restart in between goes on forgetting", what_was_begun_under_another_ring_goes},
    CU_TEST_INFO_NULL,
};
