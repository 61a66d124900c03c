/* Where ranges are and where they go: against the sets themselves, and through the bytes. */
#include "helpers.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>

#define KEYSPACE 7

static struct ring *ring;
static struct moves m;
static uint64_t slot;

void moves_setup(void);
void moves_teardown(void);

void moves_setup(void)
{
    ring = NULL;
    moves_init(&m);
    slot = 100;
}

void moves_teardown(void)
{
    moves_close(&m);
    ring_free(ring);
    ring = NULL;
}

/* `count` nodes of "dc1", one rack, that hold KEYSPACE `rf` times. */
static void begin(uint32_t count, uint32_t rf)
{
    struct ring_node nodes[16];
    struct strategy s = simple(rf);
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = make_racked(i + 1, 1);
    ring = must_fresh(32, nodes, count);
    CU_ASSERT_TRUE(moves_replicate(&m, ring, KEYSPACE, &s, slot));
    CU_ASSERT_TRUE(moves_fit(&m, ring, slot));
}

/* What the topology does with a plan. */
static void take(struct ring *plan)
{
    bool keep[RING_TABLES_MAX] = {true};
    moves_begin(&m, plan, ++slot);
    keep[plan->tables - 1] = true;
    for (uint32_t i = 0; i < plan->tables; i++)
        keep[i] |= moves_name(&m, plan->table[i].number);
    ring_free(ring);
    ring = ring_keep(plan, keep);
    ring_free(plan);
    CU_ASSERT_EQUAL(moves_fit(&m, ring, slot), moves_wait(&m));
}

static void join(node_no node)
{
    struct ring_node n = make_racked(node, 1);
    take(must_join(ring, &n, 1));
}

static void settle(void)
{
    moves_settle(&m, ring, ++slot);
    struct ring *settled_ring = ring_settle(ring);
    ring_free(ring);
    ring = settled_ring;
    CU_ASSERT_TRUE(moves_fit(&m, ring, slot));
}

static void step_all(void)
{
    for (uint32_t i = 0; i < ring->nodes; i++)
        CU_ASSERT_EQUAL(moves_wait_for(&m, ring->node[i].node), moves_step(&m, ring->node[i].node));
    CU_ASSERT_FALSE(moves_wait(&m));
}

/* Through the bytes and back; cut short it is refused. */
static void check_bytes(void)
{
    struct buf out, again;
    struct moves back;
    buf_init(&out, BUF_MAX_DEFAULT);
    buf_init(&again, BUF_MAX_DEFAULT);
    moves_encode(&m, ring, &out);
    struct reader in = reader_make(buf_bytes(&out));
    CU_ASSERT_EQUAL_FATAL(moves_decode(&in, ring, slot, &back), ERR_OK);
    CU_ASSERT_TRUE(reader_done(&in));
    CU_ASSERT_EQUAL(back.count, m.count);
    for (size_t i = 0; i < m.count; i++)
        CU_ASSERT_TRUE(moves_keyspace_equal(&back.keyspace[i], &m.keyspace[i]));
    for (uint32_t i = 0; i < ring->nodes; i++)
        CU_ASSERT_EQUAL(moves_wait_for(&back, ring->node[i].node),
                        moves_wait_for(&m, ring->node[i].node));
    moves_encode(&back, ring, &again);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
    moves_close(&back);
    for (size_t len = 0; len < out.len; len++) {
        in = reader_make(bytes_make(out.data, len));
        CU_ASSERT_NOT_EQUAL(moves_decode(&in, ring, slot, &back), ERR_OK);
    }
    buf_close(&out);
    buf_close(&again);
}

/* A range moves exactly when others hold it by the new table; who takes something over is waited
 * for, and nobody else. */
static void a_join_moves_what_others_will_hold(void)
{
    begin(4, 3);
    check_bytes();
    join(5);
    const struct moves_keyspace *k = moves_find(&m, KEYSPACE);
    struct strategy s = simple(3);
    struct replica_sets now = sets_build(ring, ring_table(ring, RING_PUBLISHED), &s);
    struct replica_sets later = sets_build(ring, ring_table(ring, RING_NEWEST), &s);
    uint32_t moving = 0;
    for (node_no n = 1; n <= 5; n++) {
        bool takes = false;
        for (range_no r = 0; r < 32; r++)
            takes |= replicas_have(sets_at(&later, r), n) && !replicas_have(sets_at(&now, r), n);
        CU_ASSERT_EQUAL(moves_wait_for(&m, n), takes);
    }
    for (range_no r = 0; r < 32; r++) {
        const struct move_run *run = moves_at(k, r);
        bool same = replicas_equal(sets_at(&now, r), sets_at(&later, r));
        CU_ASSERT_EQUAL(run->stage, same ? STAGE_SETTLED : STAGE_JOINT);
        CU_ASSERT_EQUAL(run->since, same ? slot - 1 : slot);
        CU_ASSERT_EQUAL(k->place[run->place].table, ring->table[0].number);
        CU_ASSERT_EQUAL(k->place[run->goal].table, ring->table[same ? 0 : 1].number);
        moving += !same;
    }
    CU_ASSERT(moving > 0 && moving < 32);
    check_bytes();
    sets_close(&now);
    sets_close(&later);
}

/* With the last STEP all are there; when a range came is remembered for those that came. */
static void all_arrive_together(void)
{
    begin(4, 3);
    uint64_t before = slot;
    join(5);
    CU_ASSERT_FALSE(moves_step(&m, 99));
    CU_ASSERT_TRUE(moves_step(&m, 5));
    CU_ASSERT_FALSE(moves_step(&m, 5));
    CU_ASSERT_TRUE(moves_wait(&m));
    check_bytes();
    step_all();
    struct moves_keyspace was;
    moves_keyspace_copy(moves_find(&m, KEYSPACE), &was);
    settle();
    const struct moves_keyspace *k = moves_find(&m, KEYSPACE);
    CU_ASSERT_EQUAL(k->places, 1);
    for (range_no r = 0; r < 32; r++) {
        CU_ASSERT_EQUAL(moves_at(k, r)->stage, STAGE_SETTLED);
        CU_ASSERT_EQUAL(moves_at(k, r)->since,
                        moves_at(&was, r)->stage == STAGE_SETTLED ? before : slot);
    }
    CU_ASSERT_EQUAL(m.stepped_count, 0);
    check_bytes();
    moves_keyspace_close(&was);
}

/* Another join while the first moves: all go to the newest table from where they are, the one
 * between is forgotten, and what was proved is proved anew. */
static void another_goal_on_the_way(void)
{
    begin(4, 3);
    join(5);
    uint32_t between = ring_table(ring, RING_NEWEST)->number;
    CU_ASSERT_TRUE(moves_step(&m, 5));
    join(6);
    CU_ASSERT_EQUAL(ring->tables, 2);
    CU_ASSERT_PTR_NULL(ring_find_table(ring, between));
    CU_ASSERT_TRUE(moves_wait_for(&m, 5));
    CU_ASSERT_TRUE(moves_wait_for(&m, 6));
    const struct moves_keyspace *k = moves_find(&m, KEYSPACE);
    for (range_no r = 0; r < 32; r++) {
        const struct move_run *run = moves_at(k, r);
        CU_ASSERT_EQUAL(k->place[run->place].table, ring->table[0].number);
        CU_ASSERT(run->stage == STAGE_SETTLED || run->since == slot);
    }
    check_bytes();
    step_all();
    settle();
}

/* Who joined leaves again before it had anything: everything is where it was, at once. */
static void a_move_that_is_taken_back(void)
{
    begin(4, 3);
    struct replicas no = {NULL, 0};
    join(5);
    struct placement *p = placement_of(ring, moves_find(&m, KEYSPACE));
    CU_ASSERT(placement_moves(p) > 0);
    placement_free(p);
    /* The table of before, as a new one. */
    struct ring *plan = NULL;
    CU_ASSERT_EQUAL_FATAL(ring_extend(ring, ring->node, ring->nodes, ring->table[0].owner, &plan),
                          ERR_OK);
    uint64_t began = slot;
    moves_begin(&m, plan, ++slot);
    CU_ASSERT_FALSE(moves_wait(&m));
    const struct moves_keyspace *k = moves_find(&m, KEYSPACE);
    p = placement_of(plan, k);
    for (range_no r = 0; r < 32; r++) {
        CU_ASSERT_EQUAL(moves_at(k, r)->stage, STAGE_SETTLED);
        CU_ASSERT(moves_at(k, r)->since < began || moves_at(k, r)->since == slot);
        CU_ASSERT_TRUE(replicas_equal(placement_pending(p, r), no));
    }
    placement_free(p);
    ring_free(ring);
    ring = plan;
    settle();
}

/* Where later is smaller, those that stay prove as well: they may lack what a leaver alone has. */
static void a_smaller_set_is_proved_by_all_of_it(void)
{
    begin(3, 3);
    take(must_leave(ring, 2));
    CU_ASSERT_TRUE(moves_wait_for(&m, 1));
    CU_ASSERT_FALSE(moves_wait_for(&m, 2));
    CU_ASSERT_TRUE(moves_wait_for(&m, 3));
    step_all();
    settle();
    CU_ASSERT_EQUAL(ring->nodes, 2);
}

/* ALTER KEYSPACE: from one table to the same, by another strategy; and back, proved by who stays.
 */
static void another_replication_is_a_move(void)
{
    struct strategy one = simple(1), three = simple(3);
    begin(4, 1);
    CU_ASSERT_TRUE(moves_replicate(&m, ring, KEYSPACE, &three, ++slot));
    const struct moves_keyspace *k = moves_find(&m, KEYSPACE);
    CU_ASSERT_TRUE(moves_fit(&m, ring, slot));
    check_bytes();
    struct placement *p = placement_of(ring, k);
    for (range_no r = 0; r < 32; r++) {
        CU_ASSERT_EQUAL(placement_stage(p, r), STAGE_JOINT);
        CU_ASSERT_EQUAL(moves_at(k, r)->since, slot);
        CU_ASSERT_EQUAL(placement_replicas(p, r).count, 1);
        CU_ASSERT_EQUAL(placement_later(p, r).count, 3);
    }
    placement_free(p);
    step_all();
    settle();
    CU_ASSERT_TRUE(moves_replicate(&m, ring, KEYSPACE, &one, ++slot));
    for (node_no n = 1; n <= 4; n++) /* each is the first replica of some range */
        CU_ASSERT_TRUE(moves_wait_for(&m, n));
    CU_ASSERT_TRUE(moves_replicate(&m, ring, KEYSPACE, &three, ++slot)); /* after all */
    CU_ASSERT_FALSE(moves_wait(&m));
    settle();
    CU_ASSERT_TRUE(strategy_equal(&moves_find(&m, KEYSPACE)->place[0].strategy, &three));
}

/* Keyspaces come, change and go while ranges move. */
static void keyspaces_come_and_go(void)
{
    struct strategy two = simple(2), three = network("dc1", 3);
    begin(4, 3);
    join(5);
    CU_ASSERT_TRUE(moves_step(&m, 5));
    CU_ASSERT_TRUE(moves_replicate(&m, ring, 3, &two, ++slot)); /* a new one: no proof is undone */
    CU_ASSERT_FALSE(moves_replicate(&m, ring, 3, &two, ++slot));
    CU_ASSERT_FALSE(moves_wait_for(&m, 5));
    CU_ASSERT_EQUAL(m.keyspace[0].keyspace, 3);
    CU_ASSERT_EQUAL(m.keyspace[0].places, 1); /* it begins where all go */
    CU_ASSERT_EQUAL(m.keyspace[0].place[0].table, ring_table(ring, RING_NEWEST)->number);
    CU_ASSERT_EQUAL(m.keyspace[0].run[0].stage, STAGE_SETTLED);
    CU_ASSERT_EQUAL(m.keyspace[1].keyspace, KEYSPACE);
    CU_ASSERT_TRUE(moves_fit(&m, ring, slot));
    check_bytes();
    CU_ASSERT_TRUE(moves_replicate(&m, ring, 3, &three, ++slot)); /* others hold it: proved anew */
    CU_ASSERT_TRUE(moves_wait_for(&m, 5));
    CU_ASSERT_TRUE(moves_fit(&m, ring, slot));
    check_bytes();
    CU_ASSERT_TRUE(moves_drop(&m, ring, KEYSPACE));
    CU_ASSERT_FALSE(moves_drop(&m, ring, KEYSPACE));
    CU_ASSERT_TRUE(moves_wait(&m));
    CU_ASSERT_TRUE(moves_drop(&m, ring, 3));
    CU_ASSERT_FALSE(moves_wait(&m));
    settle();
    CU_ASSERT_PTR_NULL(moves_find(&m, 3));
}

static uint32_t members(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ring->nodes; i++)
        count += ring_count(ring, RING_NEWEST, ring->node[i].node) > 0;
    return count;
}

/* Any rings and changes: it fits, and is read back. */
static void anything_that_happens_fits(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        ring = random_ring(&rng, 32, 8);
        for (uint32_t i = 0; i < 12; i++) {
            struct strategy s = rng_below(&rng, 2) == 0
                                    ? simple(1 + (uint32_t)rng_below(&rng, 4))
                                    : network("dc0", 1 + (uint32_t)rng_below(&rng, 3));
            struct ring_node n = make_node(1000 + i, rng_below(&rng, 2) == 0 ? "dc0" : "dc1", "r");
            node_no leaver = ring_owner(ring, RING_NEWEST, 0, (range_no)rng_below(&rng, 32));
            switch (rng_below(&rng, 4)) {
            case 0: (void)moves_replicate(&m, ring, 1 + i % 3, &s, ++slot); break;
            case 1: (void)moves_drop(&m, ring, 1 + i % 3); break;
            case 2: take(must_join(ring, &n, 1)); break;
            default:
                if (leaver != 0 && members() > 1)
                    take(must_leave(ring, leaver));
            }
            if (!moves_wait(&m) || rng_below(&rng, 3) == 0) {
                step_all();
                settle();
            }
            CU_ASSERT_TRUE(moves_fit(&m, ring, slot));
            check_bytes();
        }
        moves_close(&m);
        ring_free(ring);
    }
    ring = NULL;
}

/* A bit turned anywhere: refused, or moves that fit. */
static void damaged(void)
{
    struct buf out;
    begin(4, 3);
    join(5);
    buf_init(&out, BUF_MAX_DEFAULT);
    moves_encode(&m, ring, &out);
    for (size_t at = 0; at < out.len * 8; at++) {
        struct moves got;
        out.data[at / 8] ^= (uint8_t)(1u << at % 8);
        struct reader in = reader_make(buf_bytes(&out));
        if (moves_decode(&in, ring, slot, &got) == ERR_OK) {
            CU_ASSERT_TRUE(moves_fit(&got, ring, slot));
            moves_close(&got);
        }
        out.data[at / 8] ^= (uint8_t)(1u << at % 8);
    }
    struct reader in = reader_make(buf_bytes(&out));
    struct moves got;
    CU_ASSERT_EQUAL(moves_decode(&in, ring, slot - 1, &got), ERR_MALFORMED); /* of a later slot */
    buf_close(&out);
}

CU_TestInfo moves_tests[] = {
    {"a join moves what others will hold", a_join_moves_what_others_will_hold},
    {"all arrive together", all_arrive_together},
    {"another goal on the way", another_goal_on_the_way},
    {"a move that is taken back", a_move_that_is_taken_back},
    {"a smaller set is proved by all of it", a_smaller_set_is_proved_by_all_of_it},
    {"another replication is a move", another_replication_is_a_move},
    {"keyspaces come and go", keyspaces_come_and_go},
    {"anything that happens fits", anything_that_happens_fits},
    {"damaged bytes", damaged},
    CU_TEST_INFO_NULL,
};
