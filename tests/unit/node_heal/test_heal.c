/* Three replicas of everything that lose writes on purpose, and what handoff makes of it. */
#include "three.h"

#include "ring/plan.h"
#include "ring/token.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void heal_setup(void);
void heal_teardown(void);

void heal_setup(void)
{
    three_setup(3);
}

void heal_teardown(void)
{
    three_teardown();
}

static void equal_replicas_send_no_clocks(void)
{
    for (unsigned i = 0; i < 50; i++)
        write_to(7, 1 + i % 3, i, i + 1);
    begin();
    elapse(3 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
    CU_ASSERT_EQUAL(f.sent[WIRE_PULL], 0);
    CU_ASSERT(f.sent[WIRE_CLOCK_DIGESTS] >= 9);
    CU_ASSERT_EQUAL(heal_stats(f.node[0].heal).equal, heal_stats(f.node[0].heal).rounds);
}

static void what_one_missed_is_pulled(void)
{
    for (unsigned i = 0; i < 200; i++)
        write_to(i % 4 == 0 ? 7 : 3, 1 + i % 2, i, i + 1);
    CU_ASSERT_FALSE(all_equal());
    begin();
    elapse(8 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
    CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).dots_pulled, 150); /* each once, of two peers */
    CU_ASSERT_EQUAL(heal_stats(f.node[0].heal).dots_pulled, 0);
}

/* Node 3 heard of it from node 1, which then dies: node 2 gets it from node 3. */
static void who_has_caught_up_hands_on(void)
{
    for (unsigned i = 0; i < 40; i++)
        write_to(1, 1, i, i + 1);
    f.node[1].down = true;
    cluster_set_alive(f.node[0].cluster, 2, false);
    cluster_set_alive(f.node[2].cluster, 2, false);
    begin();
    elapse(5 * USEC_PER_SEC);
    f.node[1].down = false;
    f.node[0].down = true;
    cluster_set_alive(f.node[1].cluster, 1, false);
    cluster_set_alive(f.node[2].cluster, 1, false);
    cluster_set_alive(f.node[2].cluster, 2, true);
    heal_peer_up(f.node[1].heal, f.now, 3);
    elapse(8 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
}

static void writes_on_their_way_are_not_pulled(void)
{
    begin();
    write_to(3, 1, 1, 1); /* the message to node 3 takes its time */
    elapse(USEC_PER_SEC / 2);
    heal_peer_up(f.node[2].heal, f.now, 1);
    settle();
    /* The same write arrives, with the dot node 1 gave it. */
    struct part p = {0};
    struct scan one = {.table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result rows;
    CU_ASSERT_EQUAL_FATAL(engine_scan(f.node[0].engine, &one, &f.arena, &rows), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(rows.parts_count, 1);
    p = rows.parts[0];
    CU_ASSERT_EQUAL(engine_apply(f.node[2].engine, KEYSPACE, ring_range_of(p.token, RANGES), &p,
                                 p.rows[0].cells[0].dot, NULL, 0),
                    ERR_OK);
    elapse(USEC_PER_SEC);
    CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).dots_pulled, 0);
}

static void a_lost_peer_does_not_stop_the_others(void)
{
    for (unsigned i = 0; i < 100; i++)
        write_to(3, 1 + i % 2, i, i + 1);
    begin();
    elapse(USEC_PER_SEC + USEC_PER_SEC / 10);
    f.node[0].down = true; /* in the middle of pulling; nobody says so */
    elapse(20 * USEC_PER_SEC);
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT(clock_equal(engine_clock(f.node[1].engine, KEYSPACE, r),
                              engine_clock(f.node[2].engine, KEYSPACE, r)));
}

static void a_mover_is_done_when_it_has_all_of_everybody(void)
{
    for (unsigned i = 0; i < 60; i++)
        write_to(i % 2 == 0 ? 1 : 2, 1 + i % 2, i, i + 1); /* each knows half */
    begin();
    heal_move(f.node[2].heal, f.now, 5);
    settle();
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT(clock_covers(engine_clock(f.node[2].engine, KEYSPACE, 0),
                           engine_clock(f.node[0].engine, KEYSPACE, 0)));
    CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).dots_pulled, 60);
}

/* What a dead owner alone has acked must come along, before nobody asks it any more. */
static void a_mover_waits_for_a_dead_owner(void)
{
    for (unsigned i = 0; i < 10; i++)
        write_to(2, 1, i, i + 1);
    cluster_set_alive(f.node[2].cluster, 2, false);
    f.node[1].down = true;
    begin();
    heal_move(f.node[2].heal, f.now, 5);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 0);
    f.node[1].down = false;
    cluster_set_alive(f.node[2].cluster, 2, true);
    heal_peer_up(f.node[2].heal, f.now, 2);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT(clock_covers(engine_clock(f.node[2].engine, KEYSPACE, 0),
                           engine_clock(f.node[1].engine, KEYSPACE, 0)));
}

/* The clocks on their way were told before the move was known; what was written since, by somebody
 * who did not know of us, is not in them. */
static void a_comparison_from_before_the_move_does_not_count(void)
{
    heal_begin(f.node[2].heal, f.now);
    perform(3);
    while (deliver()) /* the questions arrive */
        continue;
    perform(1); /* and are answered */
    perform(2);
    write_quietly(1, 1, 1, 1);
    heal_move(f.node[2].heal, f.now, 5);
    settle();
    elapse(3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT_EQUAL(f.node[2].moved_dots, 1);
}

/* Node 1 starts again and has the only copy. As long as it does not know which node it is, it knows
 * of nothing that it shares with anybody: that is no answer. */
static void a_mover_waits_for_who_is_not_in_the_ring_yet(void)
{
    write_to(1, 1, 1, 1);
    set_in_ring(1, false);
    begin();
    heal_move(f.node[2].heal, f.now, 5);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 0);
    set_in_ring(1, true);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT_EQUAL(f.node[2].moved_dots, 1);
}

/* Its disk gives read errors when it starts: it claims nothing, for now. */
static void a_mover_waits_for_what_cannot_be_read(void)
{
    write_to(1, 1, 1, 1);
    restart(1, BYTES_LIT("j"), BYTES_LIT("m")); /* the logs */
    CU_ASSERT_EQUAL(engine_range_error(f.node[0].engine, KEYSPACE, range_of(1)), ERR_IO);
    begin();
    heal_move(f.node[2].heal, f.now, 5);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 0);
    store_mem_fail_reads(f.node[0].store, BYTES_LIT("j"), BYTES_LIT("m"), ERR_OK);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT_EQUAL(f.node[2].moved_dots, 1);
}

/* It was dead when the others were told of the move, and may plan writes without the mover yet. */
static void a_mover_waits_for_who_has_not_heard_of_the_move(void)
{
    f.node[0].epoch = 4;
    begin();
    heal_move(f.node[2].heal, f.now, 5);
    elapse(5 * USEC_PER_SEC);
    write_quietly(1, 1, 1, 1);
    CU_ASSERT_EQUAL(f.node[2].moved, 0);
    f.node[0].epoch = 5;
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT_EQUAL(f.node[2].moved_dots, 1);
}

/* Who did not know us yet has dropped our question. With the move it knows us, and is asked anew at
 * once: the first question is not waited for. */
static void a_question_lost_before_the_move_delays_nothing(void)
{
    for (unsigned i = 0; i < 20; i++)
        write_to(3, 1, i, i + 1);
    f.node[0].down = f.node[1].down = true;
    heal_begin(f.node[2].heal, f.now);
    settle();
    f.node[0].down = f.node[1].down = false;
    heal_move(f.node[2].heal, f.now, 5);
    settle();
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT_EQUAL(f.node[2].moved_dots, 20);
}

/* The next ring, while rows of the last one are on their way: they count, the comparison does not.
 */
static void a_move_that_is_overtaken_goes_on_with_the_next(void)
{
    for (unsigned i = 0; i < 60; i++)
        write_to(i % 2 == 0 ? 1 : 2, 1 + i % 2, i, i + 1);
    begin();
    heal_move(f.node[2].heal, f.now, 5);
    perform(3);
    for (unsigned i = 0; i < 40; i++) { /* in the middle of pulling */
        deliver();
        for (node_no n = 1; n <= NODES; n++)
            perform(n);
    }
    CU_ASSERT_EQUAL(f.node[2].moved, 0);
    heal_move(f.node[2].heal, f.now, 6);
    settle();
    CU_ASSERT_EQUAL(f.node[2].moved, 6);
    CU_ASSERT_EQUAL(f.node[2].moved_dots, 60);
    CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).dots_pulled, 60); /* each once */
}

/* Node 3 is about to take over what nodes 1 and 2 hold. */
static void let_node_3_join(void)
{
    struct cluster_node nodes[NODES] = {{0}};
    struct ring_node members[NODES] = {{0}};
    struct ring *before, *ring;
    for (node_no i = 0; i < NODES; i++) {
        nodes[i].node = members[i].node = i + 1;
        nodes[i].alive = true;
        members[i].weight = 1;
        strcpy(nodes[i].dc, "dc1");
        strcpy(members[i].dc, "dc1");
        strcpy(members[i].rack, "r1");
    }
    CU_ASSERT_EQUAL_FATAL(ring_plan_fresh(RANGES, members, 2, &before), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(ring_plan_join(before, &members[2], 1, &ring), ERR_OK);
    for (node_no i = 0; i < NODES; i++)
        cluster_set_nodes(f.node[i].cluster, i + 1, nodes, NODES, ring, 2);
    ring_free(ring);
    ring_free(before);
}

/* A mover lacks more than an answer can name, and has deletions that others have dropped: what came
 * after them it cannot take yet. It asks for the rest, and then for that. */
static void what_cannot_be_taken_yet_keeps_nothing_up(void)
{
    range_no range = range_of(0);
    unsigned keys[30];
    struct clock agreed;
    bool done;
    clock_init(&agreed);
    for (unsigned i = 0, key = 1; i < ARRAY_LEN(keys); key++) {
        if (range_of(key) == range)
            keys[i++] = key;
    }
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
        clock_add(&agreed, delete_quietly(7, 1, keys[i], 20));
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(
            engine_purge(f.node[i].engine, KEYSPACE, range, &agreed, 0, SIZE_MAX, &done), ERR_OK);
    clock_close(&agreed);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
        write_quietly(3, 1, keys[i], 10);
    for (unsigned i = 0; i < 4200; i++)
        write_quietly(3, 1, 0, i + 1);
    let_node_3_join();
    settle();
    begin();
    heal_move(f.node[2].heal, f.now, 5);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT(all_equal());
}

/* Node 1 or 2 has lost rows that its clock names still. Whichever the mover asks first: it has them
 * when it says that it is done. */
static void a_mover_has_what_one_of_the_others_has_lost(void)
{
    for (node_no loser = 1; loser <= 2; loser++) {
        heal_teardown();
        heal_setup();
        for (unsigned key = 0; key < 40; key++)
            write_quietly(3, 1 + key % 2, key, 10);
        settle();
        for (unsigned key = 0; key < 40; key += 2)
            CU_ASSERT_EQUAL(fragments_of(loser, key, 1), 1);
        let_node_3_join();
        begin();
        heal_move(f.node[2].heal, f.now, 5);
        for (int i = 0; i < 300 && f.node[2].moved == 0; i++)
            elapse(USEC_PER_SEC / 10);
        CU_ASSERT_EQUAL(f.node[2].moved, 5);
        for (unsigned key = 0; key < 40; key++)
            CU_ASSERT(fragments_of(3, key, 0) > 0);
    }
}

/* Clocks of a keyspace are sent once a question, whatever the question says. */
static void a_greedy_question_gets_one_answer(void)
{
    struct buf many;
    for (unsigned i = 0; i < 100; i++)
        write_to(1, 1, i, i + 1);
    begin();
    f.queued = f.taken = 0;
    buf_init(&many, WIRE_MESSAGE_MAX);
    for (unsigned i = 0; i < 50000; i++) {
        buf_put_u32(&many, KEYSPACE);
        buf_put_u64(&many, i);
    }
    struct wire_message m = {.type = WIRE_CLOCK_DIGESTS, .from = 2};
    m.clock_digests = (struct wire_clock_digests){1, buf_bytes(&many)};
    CU_ASSERT(heal_receive(f.node[0].heal, f.now, 2, &m));
    const struct heal_effect *effects;
    size_t count = heal_effects(f.node[0].heal, &effects);
    CU_ASSERT(count >= 1 && count < 10);
    heal_clear(f.node[0].heal);
    buf_close(&many);
}

/* A peer that never ends its answer is not listened to for ever. */
static void endless_clocks_are_not_believed(void)
{
    struct buf one, all;
    struct clock clock;
    begin();
    f.queued = f.taken = 0;
    elapse(3 * USEC_PER_SEC);
    heal_peer_up(f.node[0].heal, f.now, 2);
    f.node[1].down = true; /* the test speaks for it */
    const struct heal_effect *effects;
    CU_ASSERT_EQUAL_FATAL(heal_effects(f.node[0].heal, &effects), 1);
    uint64_t round = effects[0].send.message.clock_digests.round;
    heal_clear(f.node[0].heal);
    clock_init(&clock);
    clock_add_run(&clock, (struct actor){2, 1}, 1, 9);
    buf_init(&one, 64);
    buf_init(&all, WIRE_MESSAGE_MAX);
    clock_encode(&clock, &one);
    for (unsigned i = 0; i < 1000; i++) {
        buf_put_u32(&all, KEYSPACE);
        buf_put_u32(&all, RANGES); /* not even one of ours */
        buf_put_u8(&all, 0);
        buf_put_vbytes(&all, buf_bytes(&one));
    }
    for (unsigned i = 0; i < (64u << 20) / all.len; i++) {
        struct wire_message m = {.type = WIRE_CLOCKS, .from = 2};
        m.clocks = (struct wire_clocks){round, false, false, buf_bytes(&all), BYTES_NONE};
        CU_ASSERT(heal_receive(f.node[0].heal, f.now, 2, &m));
    }
    /* It asks anew at the peer's next turn, not when the other one pleases. */
    heal_peer_up(f.node[0].heal, f.now, 2);
    CU_ASSERT_EQUAL(heal_effects(f.node[0].heal, &effects), 1);
    heal_clear(f.node[0].heal);
    buf_close(&one);
    buf_close(&all);
    clock_close(&clock);
}

/* Nothing is kept of ranges that are none. */
static void a_pull_of_no_range_is_refused(void)
{
    struct buf wanted;
    struct clock none;
    clock_init(&none);
    buf_init(&wanted, 64);
    clock_encode(&none, &wanted);
    keyspace_no keyspaces[] = {KEYSPACE, KEYSPACE + 1};
    range_no ranges[] = {RANGES, 0};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        struct wire_message m = {.type = WIRE_PULL, .from = 2};
        m.pull = (struct wire_pull){1,   keyspaces[i],       ranges[i],
                                    512, buf_bytes(&wanted), buf_bytes(&wanted)};
        CU_ASSERT(heal_receive(f.node[0].heal, f.now, 2, &m));
        const struct heal_effect *effects;
        CU_ASSERT_EQUAL_FATAL(heal_effects(f.node[0].heal, &effects), 1);
        CU_ASSERT_EQUAL(effects[0].send.message.pull_reply.err, ERR_MALFORMED);
        heal_clear(f.node[0].heal);
    }
    buf_close(&wanted);
}

CU_TestInfo heal_tests[] = {
    {"equal replicas send no clocks", equal_replicas_send_no_clocks},
    {"what one missed is pulled", what_one_missed_is_pulled},
    {"who has caught up hands on", who_has_caught_up_hands_on},
    {"writes on their way are not pulled", writes_on_their_way_are_not_pulled},
    {"a lost peer does not stop the others", a_lost_peer_does_not_stop_the_others},
    {"a comparison from before the move does not count",
     a_comparison_from_before_the_move_does_not_count},
    {"a question lost before the move delays nothing",
     a_question_lost_before_the_move_delays_nothing},
    {"a move that is overtaken goes on with the next",
     a_move_that_is_overtaken_goes_on_with_the_next},
    {"what cannot be taken yet keeps nothing up", what_cannot_be_taken_yet_keeps_nothing_up},
    {"a mover is done when it has all of everybody", a_mover_is_done_when_it_has_all_of_everybody},
    {"a mover has what one of the others has lost", a_mover_has_what_one_of_the_others_has_lost},
    {"a mover waits for a dead owner", a_mover_waits_for_a_dead_owner},
    {"a mover waits for who is not in the ring yet", a_mover_waits_for_who_is_not_in_the_ring_yet},
    {"a mover waits for what cannot be read", a_mover_waits_for_what_cannot_be_read},
    {"a mover waits for who has not heard of the move",
     a_mover_waits_for_who_has_not_heard_of_the_move},
    {"a greedy question gets one answer", a_greedy_question_gets_one_answer},
    {"endless clocks are not believed", endless_clocks_are_not_believed},
    {"a pull of no range is refused", a_pull_of_no_range_is_refused},
    CU_TEST_INFO_NULL,
};
