/* What entries of the log do, applied one by one. */
#include "base/mem.h"
#include "node/meta/state.h"

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
    while (s.topology.movers_count > 0) {
        struct command c = {.kind = COMMAND_JOIN_FINISH,
                            .node = s.topology.movers[0],
                            .ring_epoch = s.topology.ring_epoch};
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

CU_TestInfo state_tests[] = {
    {"a late question replaces nobody who came after it",
     a_late_question_replaces_nobody_who_came_after_it},
    CU_TEST_INFO_NULL,
};
