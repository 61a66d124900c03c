/* What entries of the log do, applied one by one. */
#include "base/mem.h"
#include "node/meta/state.h"
#include "node/schema/ddl.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct state s;

void state_setup(void);
void state_teardown(void);

void state_setup(void)
{
    state_init(&s);
}

void state_teardown(void)
{
    state_close(&s);
}

static struct command join_command(uint8_t host, uint8_t at)
{
    struct command c = {.kind = COMMAND_JOIN_START};
    c.info = (struct node_info){.host_id = {{host}}, .weight = 1, .dc = "d", .rack = "r"};
    c.info.endpoint = endpoint_v4(10, 0, 0, at, 7000);
    return c;
}

/* Plan it as a proposer does, and apply it. */
static enum err apply(struct command *c, uint8_t id)
{
    struct uuid entry_id = {{id}};
    struct state_change change;
    struct buf plan, entry;
    buf_init(&plan, BUF_MAX_DEFAULT);
    buf_init(&entry, BUF_MAX_DEFAULT);
    enum err err = state_plan(&s, c, &plan, NULL);
    if (err == ERR_OK) {
        entry_encode(&entry_id, c, &entry);
        CU_ASSERT_EQUAL(state_apply(&s, buf_bytes(&entry), &change), ERR_OK);
        err = change.err;
    }
    buf_close(&plan);
    buf_close(&entry);
    return err;
}

static void found(void)
{
    struct command c = {.kind = COMMAND_FOUND, .name = BYTES_LIT("state")};
    struct uuid id = {{1}};
    struct state_change change;
    struct buf ring, entry;
    c.info = join_command(1, 1).info;
    buf_init(&ring, BUF_MAX_DEFAULT);
    buf_init(&entry, BUF_MAX_DEFAULT);
    CU_ASSERT_EQUAL_FATAL(state_plan_found(16, &c.info, &ring), ERR_OK);
    c.plan = buf_bytes(&ring);
    entry_encode(&id, &c, &entry);
    CU_ASSERT_EQUAL_FATAL(state_apply(&s, buf_bytes(&entry), &change), ERR_OK);
    buf_close(&ring);
    buf_close(&entry);
}

/* Everybody who is to pull has pulled. */
static void settle(void)
{
    static uint8_t id = 100;
    for (size_t i = 0; topology_is_moving(&s.topology); i++) {
        struct command c = {
            .kind = COMMAND_STEP, .node = s.topology.nodes[i].node, .epoch = s.topology.ring_epoch};
        CU_ASSERT_EQUAL_FATAL(apply(&c, id++), ERR_OK);
    }
}

/* A node asks to replace the dead one at its address and loses its disk again; its successor is in
 * when the first question is decided. It must not take the place of who has come after it. */
static void a_late_question_replaces_nobody_who_came_after_it(void)
{
    found();
    for (uint8_t i = 2; i <= 3; i++) {
        struct command c = join_command(i, i);
        CU_ASSERT_EQUAL_FATAL(apply(&c, i), ERR_OK);
        settle();
    }
    struct command late = join_command(10, 3);
    struct command successor = join_command(11, 3);
    late.replaces = successor.replaces = late.info.endpoint;
    late.asked_at = successor.asked_at = s.topology.epoch;
    CU_ASSERT_EQUAL(apply(&successor, 11), ERR_OK);
    settle();
    const struct topology_node *n = topology_find_host(&s.topology, &successor.info.host_id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(n);
    CU_ASSERT_EQUAL(apply(&late, 10), ERR_REFUSED);
    CU_ASSERT_PTR_NULL(topology_find_host(&s.topology, &late.info.host_id));
    n = topology_find_host(&s.topology, &successor.info.host_id);
    CU_ASSERT_EQUAL(n->state, NODE_NORMAL);

    /* Asked now, it is the next one that replaces. */
    late.asked_at = s.topology.epoch;
    CU_ASSERT_EQUAL(apply(&late, 12), ERR_OK);
    settle();
    n = topology_find_host(&s.topology, &successor.info.host_id);
    CU_ASSERT_EQUAL(n->state, NODE_LEFT);
}

static enum err keyspace(enum ddl_kind kind, const char *name, const char *factor, uint8_t id)
{
    const struct option_pair pairs[] = {{"class", "SimpleStrategy"},
                                        {"replication_factor", factor}};
    const struct ddl_option options[] = {{.name = "replication", .pairs = pairs, .pair_count = 2}};
    struct ddl ddl = {.kind = kind, .keyspace = name};
    struct buf bytes;
    if (factor != NULL) {
        ddl.options = options;
        ddl.option_count = 1;
    }
    buf_init(&bytes, BUF_MAX_DEFAULT);
    ddl_encode(&ddl, &bytes);
    struct command c = {.kind = COMMAND_DDL, .ddl = buf_bytes(&bytes)};
    enum err err = apply(&c, id);
    buf_close(&bytes);
    topology_check(&s.topology);
    return err;
}

static const struct moves_keyspace *moves_of(const char *name)
{
    const struct keyspace *k = schema_keyspace(s.schema, name);
    return k != NULL ? moves_find(&s.topology.moves, k->no) : NULL;
}

static void join(uint8_t host)
{
    struct command c = join_command(host, host);
    CU_ASSERT_EQUAL_FATAL(apply(&c, host), ERR_OK);
    topology_check(&s.topology);
}

/* The state of a ring on its way is read back from its bytes. */
static void check_bytes(void)
{
    struct state back;
    struct buf out, again;
    buf_init(&out, BUF_MAX_DEFAULT);
    buf_init(&again, BUF_MAX_DEFAULT);
    state_encode(&s, &out);
    CU_ASSERT_EQUAL_FATAL(state_decode(buf_bytes(&out), &back), ERR_OK);
    topology_check(&back.topology);
    state_encode(&back, &again);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
    for (size_t i = 0; i < s.topology.count; i++)
        CU_ASSERT_EQUAL(topology_waits_for(&s.topology, s.topology.nodes[i].node),
                        topology_waits_for(&back.topology, s.topology.nodes[i].node));
    state_close(&back);
    buf_close(&out);
    buf_close(&again);
}

/* A keyspace has its ranges in the published table, or on their way like those of all others. */
static void keyspaces_have_places(void)
{
    found();
    join(2);
    settle();
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_CREATE_KEYSPACE, "a", "1", 50), ERR_OK);
    uint64_t made = s.topology.epoch;
    CU_ASSERT_PTR_NOT_NULL_FATAL(moves_of("a"));
    CU_ASSERT_EQUAL(moves_of("a")->runs, 1);
    CU_ASSERT_EQUAL(moves_of("a")->run[0].since, made);
    join(3);
    uint64_t ring_epoch = s.topology.ring_epoch;
    CU_ASSERT_EQUAL(ring_epoch, s.topology.epoch);
    CU_ASSERT(moves_of("a")->runs > 1);
    check_bytes();
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_CREATE_KEYSPACE, "b", "2", 51), ERR_OK);
    CU_ASSERT_EQUAL(moves_of("b")->runs, 1);            /* it begins where all go */
    CU_ASSERT_EQUAL(s.topology.ring_epoch, ring_epoch); /* it has nothing that was to be pulled */
    check_bytes();
    settle();
    CU_ASSERT_EQUAL(moves_of("b")->places, 1);
    check_bytes();
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_DROP_KEYSPACE, "b", NULL, 52), ERR_OK);
    CU_ASSERT_PTR_NULL(moves_of("b"));
}

/* Others are to hold it than those who have pulled it: all begin again. */
static void a_keyspace_changes_while_its_ranges_move(void)
{
    found();
    join(2);
    settle();
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_CREATE_KEYSPACE, "a", "1", 50), ERR_OK);
    join(3);
    struct command step = {
        .kind = COMMAND_STEP, .node = s.topology.nodes[2].node, .epoch = s.topology.ring_epoch};
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_ALTER_KEYSPACE, "a", "2", 51), ERR_OK);
    CU_ASSERT_EQUAL(s.topology.ring_epoch, s.topology.epoch);
    CU_ASSERT_EQUAL(apply(&step, 60), ERR_STALE);
    CU_ASSERT_TRUE(topology_waits_for(&s.topology, step.node));
    step.epoch = s.topology.ring_epoch;
    CU_ASSERT_EQUAL(apply(&step, 61), ERR_OK);
    CU_ASSERT_FALSE(topology_waits_for(&s.topology, step.node));
    check_bytes();
    settle();
    CU_ASSERT_EQUAL(s.topology.nodes[2].state, NODE_NORMAL);
}

/* ALTER KEYSPACE in a ring at rest: who comes is waited for. Where the same nodes hold it, nobody.
 */
static void another_replication_moves_ranges(void)
{
    found();
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_CREATE_KEYSPACE, "a", "1", 50), ERR_OK);
    uint64_t ring_epoch = s.topology.ring_epoch;
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_ALTER_KEYSPACE, "a", "2", 51), ERR_OK);
    CU_ASSERT_FALSE(topology_is_moving(&s.topology));
    CU_ASSERT_EQUAL(s.topology.ring_epoch, ring_epoch);
    CU_ASSERT_EQUAL(moves_of("a")->place[0].strategy.rf, 2);
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_ALTER_KEYSPACE, "a", "1", 52), ERR_OK);
    join(2);
    settle();
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_ALTER_KEYSPACE, "a", "2", 53), ERR_OK);
    CU_ASSERT_TRUE(topology_is_moving(&s.topology));
    CU_ASSERT_EQUAL(s.topology.ring_epoch, s.topology.epoch);
    CU_ASSERT_EQUAL(moves_of("a")->place[0].strategy.rf, 1);
    check_bytes();
    settle();
    CU_ASSERT_EQUAL(moves_of("a")->place[0].strategy.rf, 2);
    CU_ASSERT_EQUAL(s.topology.nodes[1].state, NODE_NORMAL);
}

/* Dropped with the only keyspace whose ranges moved: nobody is waited for, and the ring settles. */
static void what_moved_is_dropped(void)
{
    found();
    join(2);
    settle();
    CU_ASSERT_EQUAL_FATAL(keyspace(DDL_CREATE_KEYSPACE, "a", "1", 50), ERR_OK);
    join(3);
    while (s.topology.moves.count > 1) { /* the built-in ones, which no statement drops */
        keyspace_no first = s.topology.moves.keyspace[s.topology.moves.count - 1].keyspace;
        topology_replicate(&s.topology, s.topology.epoch, first, NULL);
    }
    CU_ASSERT_TRUE(topology_is_moving(&s.topology));
    struct ring *ring = ring_copy(s.topology.ring);
    topology_replicate(&s.topology, s.topology.epoch, s.topology.moves.keyspace[0].keyspace, NULL);
    CU_ASSERT_FALSE(topology_is_moving(&s.topology));
    CU_ASSERT_EQUAL(s.topology.ring->tables, 1);
    CU_ASSERT_EQUAL(s.topology.ring->table[0].number, ring_table(ring, RING_NEWEST)->number);
    CU_ASSERT_EQUAL(s.topology.nodes[2].state, NODE_NORMAL);
    ring_free(ring);
}

CU_TestInfo state_tests[] = {
    {"a late question replaces nobody who came after it",
     a_late_question_replaces_nobody_who_came_after_it},
    {"keyspaces have places", keyspaces_have_places},
    {"a keyspace changes while its ranges move", a_keyspace_changes_while_its_ranges_move},
    {"another replication moves ranges", another_replication_moves_ranges},
    {"what moved is dropped", what_moved_is_dropped},
    CU_TEST_INFO_NULL,
};
