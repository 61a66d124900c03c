/* Three replicas of everything that lose writes on purpose, and what handoff makes of it. Messages
 * are encoded, delivered in order, decoded; disks sync when the fixture says so. */
#include "base/mem.h"
#include "node/heal/heal.h"
#include "ring/murmur3.h"
#include "ring/plan.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define NODES    3
#define RANGES   16
#define KEYSPACE 7
#define TABLE    9

struct one {
    struct store *store;
    struct engine *engine;
    struct cluster *cluster;
    struct heal *heal;
    bool down;
    uint64_t moved;      /* the ring epoch of HEAL_MOVED */
    uint64_t moved_dots; /* pulled by then */
};

struct sent {
    struct buf bytes;
    node_no to;
};

static struct fixture {
    struct one node[NODES];
    struct now now;
    struct sent queue[256];
    size_t queued, taken;
    size_t sent[64]; /* by message number */
    struct arena arena;
} f;

void heal_setup(void);
void heal_teardown(void);

void heal_setup(void)
{
    struct cluster_node nodes[NODES] = {{0}};
    struct ring_node members[NODES] = {{0}};
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = 3};
    struct engine_config engine = {.ring_ranges = RANGES};
    struct ring *ring;
    struct errmsg why;
    memset(&f, 0, sizeof f);
    f.now = (struct now){USEC_PER_SEC, 1700000000 * USEC_PER_SEC};
    for (node_no i = 0; i < NODES; i++) {
        nodes[i].node = members[i].node = i + 1;
        members[i].weight = 1;
        nodes[i].alive = true;
        strcpy(nodes[i].dc, "dc1");
        strcpy(members[i].dc, "dc1");
        strcpy(members[i].rack, "r1");
    }
    CU_ASSERT_EQUAL_FATAL(ring_plan_fresh(RANGES, members, NODES, &ring), ERR_OK);
    for (node_no i = 0; i < NODES; i++) {
        struct one *n = &f.node[i];
        struct heal_config config = HEAL_CONFIG_DEFAULT;
        config.pull_bytes_max = 512; /* many small pulls */
        n->store = store_mem_new();
        CU_ASSERT_EQUAL_FATAL(engine_new(n->store, &engine, &n->engine, &why), ERR_OK);
        n->cluster = cluster_new();
        cluster_set_nodes(n->cluster, i + 1, nodes, NODES, ring, 1);
        cluster_set_keyspace(n->cluster, KEYSPACE, &strategy);
        n->heal = heal_new(&config, n->engine, n->cluster);
    }
    ring_free(ring);
}

void heal_teardown(void)
{
    for (size_t i = 0; i < NODES; i++) {
        heal_free(f.node[i].heal);
        cluster_free(f.node[i].cluster);
        engine_free(f.node[i].engine);
        store_close(f.node[i].store);
    }
    for (size_t i = 0; i < ARRAY_LEN(f.queue); i++)
        buf_close(&f.queue[i].bytes);
    arena_close(&f.arena);
}

static bool perform(node_no no)
{
    struct one *n = &f.node[no - 1];
    const struct heal_effect *effects;
    size_t count = heal_effects(n->heal, &effects);
    for (size_t i = 0; i < count; i++) {
        if (effects[i].type == HEAL_MOVED) {
            n->moved = effects[i].ring_epoch;
            n->moved_dots = heal_stats(n->heal).dots_pulled;
            continue;
        }
        struct wire_message m = effects[i].send.message;
        struct sent *s = &f.queue[f.queued++ % ARRAY_LEN(f.queue)];
        m.from = no;
        f.sent[m.type]++;
        buf_close(&s->bytes);
        buf_init(&s->bytes, WIRE_MESSAGE_MAX);
        wire_encode(&m, &s->bytes);
        s->to = effects[i].send.to;
    }
    heal_clear(n->heal);
    return count > 0;
}

static bool deliver(void)
{
    struct wire_message m;
    if (f.taken == f.queued)
        return false;
    struct sent *s = &f.queue[f.taken++ % ARRAY_LEN(f.queue)];
    struct one *to = &f.node[s->to - 1];
    CU_ASSERT_EQUAL_FATAL(wire_decode(buf_bytes(&s->bytes), &m), ERR_OK);
    if (!to->down && !f.node[m.from - 1].down)
        CU_ASSERT(heal_receive(to->heal, f.now, m.from, &m));
    return true;
}

static bool sync_disk(struct one *n)
{
    struct store_done done;
    bool any = false;
    store_flush(n->store);
    store_mem_sync(n->store, SIZE_MAX);
    while (store_completed(n->store, &done)) {
        heal_durable(n->heal, f.now, done.ticket, done.err);
        any = true;
    }
    return any;
}

static void settle(void)
{
    bool more = true;
    while (more) {
        more = deliver();
        for (node_no i = 1; i <= NODES; i++) {
            more |= sync_disk(&f.node[i - 1]);
            more |= perform(i);
        }
    }
}

/* In steps of a tenth of a second, so that deadlines come in their order. */
static void elapse(usec us)
{
    usec end = f.now.mono + us;
    while (f.now.mono < end) {
        f.now.mono += USEC_PER_SEC / 10;
        f.now.wall += USEC_PER_SEC / 10;
        for (size_t i = 0; i < NODES; i++) {
            if (heal_next_deadline(f.node[i].heal) <= f.now.mono)
                heal_deadline(f.node[i].heal, f.now);
        }
        settle();
    }
}

/* Node `by` coordinates a write that reaches only the nodes of the mask (bit 0: node 1). */
static void write_quietly(unsigned mask, node_no by, unsigned key, int64_t timestamp)
{
    char *name = arena_printf(&f.arena, "key%u", key);
    struct cell cell = {.column = 1, .timestamp = timestamp, .value = BYTES_LIT("value")};
    struct row row = {.deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    struct part p = {.table = TABLE,
                     .token = murmur3_token(bytes_text(name)),
                     .key = bytes_text(name),
                     .deletion = TOMB_NONE,
                     .rows = &row,
                     .rows_count = 1};
    range_no range = ring_range_of(p.token, RANGES);
    p.static_row.deletion = TOMB_NONE;
    struct dot dot = engine_next_dot(f.node[by - 1].engine, KEYSPACE, range, (struct actor){by, 1});
    part_set_dot(&p, dot);
    for (size_t i = 0; i < NODES; i++) {
        if (mask & 1u << i)
            CU_ASSERT_EQUAL(engine_apply(f.node[i].engine, KEYSPACE, range, &p, dot, NULL, 0),
                            ERR_OK);
    }
}

static void write_to(unsigned mask, node_no by, unsigned key, int64_t timestamp)
{
    write_quietly(mask, by, key, timestamp);
    settle();
}

static bool all_equal(void)
{
    for (range_no r = 0; r < RANGES; r++) {
        for (size_t i = 1; i < NODES; i++) {
            if (!clock_equal(engine_clock(f.node[0].engine, KEYSPACE, r),
                             engine_clock(f.node[i].engine, KEYSPACE, r)))
                return false;
        }
    }
    struct digest first, other;
    struct scan all = {.table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result rows;
    all.now_s = f.now.wall / USEC_PER_SEC;
    for (size_t i = 0; i < NODES; i++) {
        if (engine_scan(f.node[i].engine, &all, &f.arena, &rows) != ERR_OK || rows.more)
            return false;
        scan_result_digest(&rows, all.now_s, i == 0 ? &first : &other);
        if (i > 0 && memcmp(&first, &other, sizeof first) != 0)
            return false;
    }
    return true;
}

static void begin(void)
{
    for (size_t i = 0; i < NODES; i++)
        heal_begin(f.node[i].heal, f.now);
    settle();
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
        buf_put_vbytes(&all, buf_bytes(&one));
    }
    for (unsigned i = 0; i < (64u << 20) / all.len; i++) {
        struct wire_message m = {.type = WIRE_CLOCKS, .from = 2};
        m.clocks = (struct wire_clocks){round, false, buf_bytes(&all)};
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
    {"a mover is done when it has all of everybody", a_mover_is_done_when_it_has_all_of_everybody},
    {"a mover waits for a dead owner", a_mover_waits_for_a_dead_owner},
    {"a greedy question gets one answer", a_greedy_question_gets_one_answer},
    {"endless clocks are not believed", endless_clocks_are_not_believed},
    {"a pull of no range is refused", a_pull_of_no_range_is_refused},
    CU_TEST_INFO_NULL,
};
