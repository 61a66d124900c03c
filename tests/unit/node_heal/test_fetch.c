/* What a session waits for is pulled at once: found with whoever has it, or known to be nowhere. */
#include "three.h"

#include <CUnit/CUnit.h>

#define KEY 5

void fetch_setup(void);
void fetch_teardown(void);

static uint64_t asked;

/* Nobody compares: what comes was fetched. */
void fetch_setup(void)
{
    three_setup(3);
    asked = 0;
}

void fetch_teardown(void)
{
    three_teardown();
}

static void want(node_no by, struct dot dot)
{
    struct clock clock;
    struct buf encoded;
    clock_init(&clock);
    clock_add_run(&clock, dot.actor, 1, dot.n);
    buf_init(&encoded, WIRE_MESSAGE_MAX);
    clock_encode(&clock, &encoded);
    heal_fetch(f.node[by - 1].heal, f.now, ++asked, KEYSPACE, range_of(KEY), buf_bytes(&encoded));
    buf_close(&encoded);
    clock_close(&clock);
}

static bool has(node_no no, struct dot dot)
{
    return clock_has(engine_clock(f.node[no - 1].engine, KEYSPACE, range_of(KEY)), dot);
}

static bool ended(node_no no, bool complete)
{
    const struct one *n = &f.node[no - 1];
    return n->fetched == asked && n->fetched_all == complete;
}

static void what_one_has_is_fetched(void)
{
    for (node_no maker = 1; maker <= 2; maker++) {
        struct dot dot = write_quietly(1u << (maker - 1), maker, KEY, 10);
        settle();
        CU_ASSERT_FALSE(has(3, dot));
        want(3, dot);
        settle();
        CU_ASSERT_TRUE(ended(3, false)); /* there may be more; nobody had to ask */
        CU_ASSERT_TRUE(has(3, dot));
    }
}

/* Node 2 has what node 1 made, and node 1 is dead. */
static void it_need_not_be_its_maker(void)
{
    struct dot dot = write_quietly(3, 1, KEY, 10);
    settle();
    set_down(1, true);
    want(3, dot);
    settle();
    CU_ASSERT_TRUE(ended(3, false));
    CU_ASSERT_TRUE(has(3, dot));
}

/* It has just started, and may have to forget what it has; so it gives nothing, and nobody takes
 * that for nothing. */
static void who_is_not_in_the_ring_yet_gives_nothing(void)
{
    struct dot dot = write_quietly(1, 1, KEY, 10);
    settle();
    set_in_ring(1, false);
    want(3, dot);
    settle();
    CU_ASSERT_TRUE(ended(3, false));
    CU_ASSERT_FALSE(has(3, dot));
    set_in_ring(1, true);
    want(3, dot);
    settle();
    CU_ASSERT_TRUE(has(3, dot));
}

static void what_nobody_has_is_known_not_to_come(void)
{
    struct dot here = write_quietly(2, 2, KEY, 10), nowhere = {{1, 1}, 1000};
    settle();
    want(3, nowhere);
    settle();
    CU_ASSERT_TRUE(ended(3, true));
    CU_ASSERT_TRUE(has(3, here)); /* for all of them gave all that they have */
}

static void the_dead_may_have_it(void)
{
    set_down(1, true);
    want(3, (struct dot){{1, 1}, 1000});
    settle();
    CU_ASSERT_TRUE(ended(3, false));
}

/* Node 1 is not known to be dead, and does not answer. */
static void who_does_not_answer_may_have_it(void)
{
    f.node[0].down = true;
    want(3, (struct dot){{1, 1}, 1000});
    settle();
    CU_ASSERT_NOT_EQUAL(f.node[2].fetched, asked);
    elapse(60 * USEC_PER_SEC);
    CU_ASSERT_TRUE(ended(3, false));
}

/* What is durable with the giver is told of only then; it is over when it is durable here. */
static void it_is_over_when_it_is_durable(void)
{
    struct dot dot = write_quietly(1, 1, KEY, 10);
    settle();
    f.node[2].stuck = true;
    want(3, dot);
    settle();
    CU_ASSERT_NOT_EQUAL(f.node[2].fetched, asked);
    f.node[2].stuck = false;
    settle();
    CU_ASSERT_TRUE(ended(3, false));
    CU_ASSERT_TRUE(has(3, dot));
}

static void what_is_here_is_not_asked_for(void)
{
    struct dot dot = write_quietly(4, 3, KEY, 10);
    settle();
    size_t before = f.sent[WIRE_PULL];
    want(3, dot);
    settle();
    CU_ASSERT_TRUE(ended(3, false));
    CU_ASSERT_EQUAL(f.sent[WIRE_PULL], before);
}

/* Node 3 drops a deletion while the answer is on its way: it may bring back what that deleted. */
static void an_answer_of_before_a_drop_does_not_count(void)
{
    struct dot deletion = delete_quietly(7, 2, KEY, 5);
    struct dot dot = write_quietly(1, 1, KEY, 10);
    struct clock agreed;
    bool done;
    settle();
    want(3, dot);
    perform(3);
    CU_ASSERT_TRUE(deliver()); /* the question */
    perform(1);                /* and is answered */
    clock_init(&agreed);
    clock_add(&agreed, deletion);
    uint64_t drops = engine_drops(f.node[2].engine, KEYSPACE, range_of(KEY));
    CU_ASSERT_EQUAL(
        engine_purge(f.node[2].engine, KEYSPACE, range_of(KEY), &agreed, 0, SIZE_MAX, &done),
        ERR_OK);
    clock_close(&agreed);
    CU_ASSERT_TRUE(engine_drops(f.node[2].engine, KEYSPACE, range_of(KEY)) > drops);
    CU_ASSERT_TRUE(deliver());
    CU_ASSERT_FALSE(has(3, dot));
    settle();
    CU_ASSERT_TRUE(ended(3, false));
    CU_ASSERT_TRUE(has(3, dot));
    CU_ASSERT_EQUAL(f.sent[WIRE_PULL], 2);
}

CU_TestInfo fetch_tests[] = {
    {"what one has is fetched", what_one_has_is_fetched},
    {"it need not be its maker", it_need_not_be_its_maker},
    {"who is not in the ring yet gives nothing", who_is_not_in_the_ring_yet_gives_nothing},
    {"what nobody has is known not to come", what_nobody_has_is_known_not_to_come},
    {"the dead may have it", the_dead_may_have_it},
    {"who does not answer may have it", who_does_not_answer_may_have_it},
    {"it is over when it is durable", it_is_over_when_it_is_durable},
    {"what is here is not asked for", what_is_here_is_not_asked_for},
    {"an answer of before a drop does not count", an_answer_of_before_a_drop_does_not_count},
    CU_TEST_INFO_NULL,
};
