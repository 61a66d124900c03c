/* When may a tombstone go? Three replicas, of which some lack what others have, cannot be heard,
 * are slow to sync, or know another ring. */
#include "three.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

void agree_setup(void);
void agree_teardown(void);

void agree_setup(void)
{
    three_setup(3);
}

void agree_teardown(void)
{
    three_teardown();
}

static bool agreed_at(node_no no, unsigned key, struct dot dot)
{
    const struct clock *c = heal_agreed(f.node[no - 1].heal, KEYSPACE, range_of(key));
    return c != NULL && clock_has(c, dot);
}

static bool has(node_no no, unsigned key, struct dot dot)
{
    return clock_has(engine_clock(f.node[no - 1].engine, KEYSPACE, range_of(key)), dot);
}

/* Whether there is a fragment of it left: reads do not show tombstones that are alone. */
static bool is_left(node_no no, unsigned key)
{
    range_no range = 0;
    while (engine_next_garbage(f.node[no - 1].engine, KEYSPACE, range, f.now.wall / USEC_PER_SEC,
                               &range)) {
        if (range++ == range_of(key))
            return true;
    }
    return false;
}

static bool left_somewhere(unsigned key)
{
    return is_left(1, key) || is_left(2, key) || is_left(3, key);
}

static size_t talk(void)
{
    return f.sent[WIRE_AGREE_ASK] + f.sent[WIRE_AGREE_TELL];
}

static void what_all_have_goes_soon(void)
{
    begin();
    for (unsigned i = 0; i < 40; i++) {
        write_quietly(7, 1 + i % 3, i, 10);
        delete_quietly(7, 1 + i % 2, i, 20);
    }
    settle();
    CU_ASSERT(left_somewhere(5));
    elapse(6 * USEC_PER_SEC);
    for (unsigned i = 0; i < 40; i++)
        CU_ASSERT_FALSE(left_somewhere(i));
    CU_ASSERT(all_equal());
}

/* Nothing is said about what holds no garbage, and nothing more once it is gone. */
static void nothing_to_agree_on_costs_nothing(void)
{
    begin();
    for (unsigned i = 0; i < 40; i++)
        write_to(7, 1 + i % 3, i, 10);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(talk(), 0);
    delete_quietly(7, 1, 1, 20);
    settle();
    elapse(5 * USEC_PER_SEC);
    size_t before = talk();
    CU_ASSERT(before > 0);
    CU_ASSERT(before < 60);
    CU_ASSERT_FALSE(left_somewhere(1));
    elapse(60 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(talk(), before);
}

/* W is at its minter alone, and on its way to the others; all have the deletion. */
static void an_ack_of_all_is_no_proof(void)
{
    begin();
    f.lost[WIRE_CLOCK_DIGESTS] = true; /* nobody pulls for a while */
    struct dot w = write_quietly(1, 1, 1, 10);
    struct dot t = delete_quietly(7, 2, 1, 20);
    settle();
    for (unsigned step = 0; step < 200; step++) {
        f.lost[WIRE_CLOCK_DIGESTS] = step < 60;
        elapse(USEC_PER_SEC / 10);
        for (node_no no = 1; no <= NODES; no++)
            CU_ASSERT(!agreed_at(no, 1, t) || (has(1, 1, w) && has(2, 1, w) && has(3, 1, w)));
    }
    CU_ASSERT_FALSE(left_somewhere(1));
    CU_ASSERT(all_equal());
}

/* Node 1 has dropped the deletion, and takes a write that is older. The others, who have it still,
 * see that it was dropped there, and do so, too. */
static void who_pulls_sees_what_was_dropped(void)
{
    bool done;
    struct clock agreed;
    begin();
    for (node_no no = 1; no <= NODES; no++)
        cluster_set_ring_epoch(f.node[no - 1].cluster, no); /* by themselves they do not agree */
    clock_init(&agreed);
    clock_add(&agreed, delete_quietly(7, 2, 1, 20));
    settle();
    CU_ASSERT_EQUAL(
        engine_purge(f.node[0].engine, KEYSPACE, range_of(1), &agreed, 0, SIZE_MAX, &done), ERR_OK);
    CU_ASSERT_FALSE(is_left(1, 1));
    write_to(1, 1, 1, 10);
    elapse(8 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
    clock_close(&agreed);
}

/* What is dropped while an answer is on its way may be what deleted something in it. */
static void an_answer_of_before_a_drop_is_asked_for_again(void)
{
    unsigned other = 2;
    bool done;
    struct clock agreed;
    while (range_of(other) != range_of(1))
        other++;
    begin();
    clock_init(&agreed);
    clock_add(&agreed, delete_quietly(7, 2, other, 20));
    write_to(1, 1, 1, 10);
    heal_move(f.node[1].heal, f.now, 5);
    perform(2);
    for (unsigned i = 0; i < 100 && f.sent[WIRE_PULL_REPLY] == 0; i++) {
        deliver();
        for (node_no no = 1; no <= NODES; no++)
            perform(no);
    }
    CU_ASSERT_EQUAL(f.sent[WIRE_PULL], 1);
    CU_ASSERT_EQUAL(
        engine_purge(f.node[1].engine, KEYSPACE, range_of(1), &agreed, 0, SIZE_MAX, &done), ERR_OK);
    settle();
    CU_ASSERT_EQUAL(f.sent[WIRE_PULL], 2);
    CU_ASSERT_EQUAL(f.node[1].moved, 5);
    clock_close(&agreed);
}

/* Node 1 has pulled all; node 3, which does not hear node 1, has not. */
static void what_one_has_proved_is_not_agreed(void)
{
    begin();
    struct dot w = write_quietly(3, 1, 1, 10);
    struct dot t = delete_quietly(7, 2, 1, 20);
    f.node[2].stuck = true; /* it pulls, and what it pulls is not durable */
    settle();
    elapse(8 * USEC_PER_SEC);
    for (node_no no = 1; no <= NODES; no++)
        CU_ASSERT_FALSE(agreed_at(no, 1, t));
    f.node[2].stuck = false;
    settle();
    elapse(25 * USEC_PER_SEC);
    CU_ASSERT(has(3, 1, w));
    CU_ASSERT_FALSE(left_somewhere(1));
    CU_ASSERT(all_equal());
}

static void a_clock_counts_when_it_is_durable(void)
{
    begin();
    f.node[1].stuck = true;
    struct dot t = delete_quietly(7, 1, 1, 20);
    settle();
    for (unsigned step = 0; step < 50; step++) {
        elapse(USEC_PER_SEC / 10);
        for (node_no no = 1; no <= NODES; no++)
            CU_ASSERT_FALSE(agreed_at(no, 1, t));
    }
    f.node[1].stuck = false;
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_FALSE(left_somewhere(1));
}

/* Nothing goes, and nothing is said, while a replica is dead; all can see which one it is. */
static void a_dead_replica_pins(void)
{
    usec since = 0;
    begin();
    set_down(3, true);
    elapse(USEC_PER_SEC);
    delete_quietly(3, 1, 1, 20);
    delete_quietly(3, 2, 2, 20);
    settle();
    elapse(60 * USEC_PER_SEC);
    CU_ASSERT(is_left(1, 1));
    CU_ASSERT(is_left(2, 2));
    CU_ASSERT_EQUAL(talk(), 0);
    CU_ASSERT_EQUAL(heal_pinned_by(f.node[0].heal, 3, &since), range_of(1) == range_of(2) ? 1 : 2);
    CU_ASSERT(since > 0);
    CU_ASSERT(f.now.mono - since > 55 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(heal_pinned_by(f.node[0].heal, 2, &since), 0);
    set_down(3, false);
    settle();
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_FALSE(left_somewhere(1));
    CU_ASSERT_FALSE(left_somewhere(2));
    CU_ASSERT_EQUAL(heal_pinned_by(f.node[0].heal, 3, &since), 0);
}

/* What the view of node 1 says of the range of the key: who, why, how many. */
static size_t pins_of(unsigned key, struct heal_pin ret[NODES])
{
    const struct heal_pin *pins;
    size_t count = heal_pins(f.node[0].heal, f.now, &f.arena, &pins);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (pins[i].range == range_of(key) && n < NODES)
            ret[n++] = pins[i];
    }
    return n;
}

static void who_keeps_a_deletion_is_told(void)
{
    struct heal_pin pin[NODES];
    begin();
    CU_ASSERT_EQUAL(pins_of(1, pin), 0);
    set_down(3, true);
    elapse(USEC_PER_SEC);
    delete_quietly(3, 1, 1, 20);
    settle();
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL_FATAL(pins_of(1, pin), 1);
    CU_ASSERT_EQUAL(pin[0].keyspace, KEYSPACE);
    CU_ASSERT_EQUAL(pin[0].peer, 3);
    CU_ASSERT_EQUAL(pin[0].reason, HEAL_PIN_DOWN);
    CU_ASSERT_EQUAL(pin[0].entries, 1);
    CU_ASSERT_FALSE(pin[0].more);
    CU_ASSERT_EQUAL(pin[0].since, 0); /* when these cells were deleted */
    f.lost[WIRE_AGREE_TELL] = f.lost[WIRE_CLOCK_DIGESTS] = true;
    set_down(3, false);
    settle();
    elapse(2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL_FATAL(pins_of(1, pin), 2);
    CU_ASSERT_EQUAL(pin[0].peer, 2);
    CU_ASSERT_EQUAL(pin[0].reason, HEAL_PIN_SILENT);
    CU_ASSERT_EQUAL(pin[1].peer, 3);
    CU_ASSERT_EQUAL(pin[1].reason, HEAL_PIN_SILENT);
    f.lost[WIRE_AGREE_TELL] = false; /* node 3 has yet to pull the deletion */
    elapse(12 * USEC_PER_SEC);
    CU_ASSERT_EQUAL_FATAL(pins_of(1, pin), 2);
    CU_ASSERT_EQUAL(pin[1].peer, 3);
    CU_ASSERT_EQUAL(pin[1].reason, HEAL_PIN_NOT_PULLED);
    f.lost[WIRE_CLOCK_DIGESTS] = false;
    elapse(15 * USEC_PER_SEC);
    CU_ASSERT_FALSE(left_somewhere(1));
    CU_ASSERT_EQUAL(pins_of(1, pin), 0);
}

/* We have all of what node 2 has, which has yet to get something of node 3's. */
static void who_has_not_proved_is_told(void)
{
    struct heal_pin pin[NODES];
    begin();
    f.lost[WIRE_CLOCK_DIGESTS] = f.lost[WIRE_CLOCKS] = true; /* nobody pulls */
    write_quietly(5, 3, 1, 10);
    delete_quietly(7, 1, 1, 20);
    settle();
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL_FATAL(pins_of(1, pin), 1);
    CU_ASSERT_EQUAL(pin[0].peer, 2);
    CU_ASSERT_EQUAL(pin[0].reason, HEAL_PIN_NOT_PROVED);
    CU_ASSERT_EQUAL(pin[0].entries, 1);
}

/* A look at the view costs no more than so much, whatever waits. */
static void not_all_that_waits_is_counted(void)
{
    struct heal_pin pin[NODES];
    begin();
    set_down(3, true);
    elapse(USEC_PER_SEC);
    for (int64_t i = 0; i <= HEAL_PIN_ENTRIES_MAX; i++)
        delete_quietly(1, 1, 1, 20 + i);
    CU_ASSERT_EQUAL_FATAL(pins_of(1, pin), 1);
    CU_ASSERT_EQUAL(pin[0].entries, HEAL_PIN_ENTRIES_MAX);
    CU_ASSERT(pin[0].more);
}

static void only_one_ring_agrees(void)
{
    begin();
    cluster_set_ring_epoch(f.node[1].cluster, 5); /* the others have yet to hear of it */
    struct dot t = delete_quietly(7, 1, 1, 20);
    settle();
    for (unsigned step = 0; step < 50; step++) {
        elapse(USEC_PER_SEC / 10);
        for (node_no no = 1; no <= NODES; no++)
            CU_ASSERT_FALSE(agreed_at(no, 1, t));
    }
    cluster_set_ring_epoch(f.node[0].cluster, 5);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_FALSE(agreed_at(1, 1, t));
    cluster_set_ring_epoch(f.node[2].cluster, 5);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_FALSE(left_somewhere(1));
}

/* What was told before the ring changed counts for nothing after. */
static void a_new_ring_begins_anew(void)
{
    begin();
    f.node[2].stuck = true;
    struct dot t = delete_quietly(7, 1, 1, 20);
    settle();
    elapse(3 * USEC_PER_SEC); /* nodes 1 and 2 have told each other */
    for (node_no no = 1; no <= NODES; no++)
        cluster_set_ring_epoch(f.node[no - 1].cluster, no == 1 ? 9 : 8);
    f.node[2].stuck = false;
    settle();
    for (unsigned step = 0; step < 100; step++) {
        elapse(USEC_PER_SEC / 10);
        CU_ASSERT_FALSE(agreed_at(1, 1, t));
        CU_ASSERT_FALSE(agreed_at(2, 1, t));
    }
    CU_ASSERT(is_left(1, 1));
}

/* While writes go on, too: what is agreed follows them. */
static void writes_do_not_hold_it_up(void)
{
    begin();
    for (unsigned i = 0; i < 100; i++) {
        delete_quietly(7, 1 + i % 3, 1, 1000 + i);
        elapse(USEC_PER_SEC / 10);
    }
    struct dot early = {{1, 1}, 1};
    CU_ASSERT(agreed_at(1, 1, early));
    CU_ASSERT(agreed_at(2, 1, early));
    CU_ASSERT(agreed_at(3, 1, early));
}

static void alone_it_agrees_at_once(void)
{
    three_teardown();
    three_setup(1);
    begin();
    for (unsigned i = 0; i < 30; i++) {
        for (node_no no = 1; no <= NODES; no++) {
            if (cluster_is_replica(f.node[0].cluster, KEYSPACE, range_of(i), no))
                delete_quietly(1u << (no - 1), no, i, 20);
        }
    }
    settle();
    elapse(2 * USEC_PER_SEC);
    for (unsigned i = 0; i < 30; i++)
        CU_ASSERT_FALSE(left_somewhere(i));
    CU_ASSERT_EQUAL(talk(), 0);
}

/* Its dot is in no clock, and nobody is left who could tell of it. */
static void what_a_node_left_behind_goes(void)
{
    begin();
    write_quietly(7, 1, 1, 10);
    repair_of_a_leaver(6, 1, 20);
    settle();
    elapse(30 * USEC_PER_SEC);
    CU_ASSERT_FALSE(left_somewhere(1));
    CU_ASSERT(all_equal());
}

/* Who sends an old request again soon finds what deleted it. */
static void what_is_agreed_is_held(void)
{
    three_teardown();
    three_hold_us = 30 * USEC_PER_SEC;
    three_setup(3);
    three_hold_us = 0;
    begin();
    write_quietly(7, 1, 1, 10);
    delete_quietly(7, 2, 1, 20);
    settle();
    elapse(25 * USEC_PER_SEC);
    CU_ASSERT(is_left(1, 1) && is_left(2, 1) && is_left(3, 1));
    elapse(45 * USEC_PER_SEC);
    CU_ASSERT_FALSE(left_somewhere(1));
}

CU_TestInfo agree_tests[] = {
    {"what all have goes soon", what_all_have_goes_soon},
    {"nothing to agree on costs nothing", nothing_to_agree_on_costs_nothing},
    {"an ack of all is no proof", an_ack_of_all_is_no_proof},
    {"who pulls sees what was dropped", who_pulls_sees_what_was_dropped},
    {"an answer of before a drop is asked for again",
     an_answer_of_before_a_drop_is_asked_for_again},
    {"what one has proved is not agreed", what_one_has_proved_is_not_agreed},
    {"a clock counts when it is durable", a_clock_counts_when_it_is_durable},
    {"a dead replica pins", a_dead_replica_pins},
    {"who keeps a deletion is told", who_keeps_a_deletion_is_told},
    {"who has not proved is told", who_has_not_proved_is_told},
    {"not all that waits is counted", not_all_that_waits_is_counted},
    {"only who knows the same ring counts", only_one_ring_agrees},
    {"a new ring begins anew", a_new_ring_begins_anew},
    {"writes do not hold it up", writes_do_not_hold_it_up},
    {"alone it agrees at once", alone_it_agrees_at_once},
    {"what a node left behind goes", what_a_node_left_behind_goes},
    {"what is agreed is held", what_is_agreed_is_held},
    CU_TEST_INFO_NULL,
};
