/* Members, and the bytes of the topology. */
#include "node/meta/topology.h"
#include "ring/plan.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct topology make(const char *const *racks, uint32_t count)
{
    struct topology t;
    struct ring_node first = {.node = 1, .weight = 1, .dc = "dc1", .rack = "r"};
    struct ring *ring;
    topology_init(&t);
    t.epoch = 100;
    snprintf(t.name, sizeof t.name, "name");
    for (uint32_t i = 0; i < count; i++) {
        struct node_info info;
        memset(&info, 0, sizeof info);
        info.host_id.b[0] = (uint8_t)(i + 1);
        info.endpoint = endpoint_v4(10, 0, 0, (uint8_t)(i + 1), 7000);
        info.weight = 1;
        /* "dc/rack" */
        const char *slash = strchr(racks[i], '/');
        memcpy(info.dc, racks[i], (size_t)(slash - racks[i]));
        snprintf(info.rack, sizeof info.rack, "%s", slash + 1);
        topology_add(&t, i + 1, &info)->state = NODE_NORMAL;
    }
    CU_ASSERT_EQUAL_FATAL(ring_plan_fresh(16, &first, 1, &ring), ERR_OK);
    t.ring = ring;
    topology_choose_members(&t);
    return t;
}

static void expect_members(const struct topology *t, const node_no *members, uint32_t count)
{
    CU_ASSERT_EQUAL_FATAL(t->members_count, count);
    for (uint32_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL(t->members[i], members[i]);
}

static void members_by_size_and_rack(void)
{
    static const struct {
        const char *racks[7];
        uint32_t nodes;
        node_no members[5];
        uint32_t count;
    } rows[] = {
        {{"a/1"}, 1, {1}, 1},
        {{"a/1", "a/2"}, 2, {1}, 1},
        {{"a/1", "a/1", "a/1"}, 3, {1, 2, 3}, 3},
        {{"a/1", "a/1", "a/2", "a/3"}, 4, {1, 3, 4}, 3},
        {{"a/1", "a/1", "a/1", "b/1"}, 4, {1, 2, 4}, 3},
        {{"a/1", "a/1", "a/1", "a/1", "a/2", "a/3"}, 6, {1, 2, 3, 5, 6}, 5},
        {{"a/1", "a/2", "a/3", "b/1", "b/2", "c/1"}, 6, {1, 2, 4, 5, 6}, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct topology t = make(rows[i].racks, rows[i].nodes);
        expect_members(&t, rows[i].members, rows[i].count);
        topology_check(&t);
        topology_close(&t);
    }
}

/* Who is a member stays one where nothing speaks against it; who is not NORMAL is none. */
static void members_stay(void)
{
    const char *racks[] = {"a/1", "a/1", "a/1", "a/1"};
    struct topology t = make(racks, 4);
    const node_no first[] = {1, 2, 3}, then[] = {1, 3, 4};
    expect_members(&t, first, 3);
    topology_edit(&t, 2)->state = NODE_LEAVING;
    topology_choose_members(&t);
    expect_members(&t, then, 3);
    topology_edit(&t, 2)->state = NODE_NORMAL;
    topology_choose_members(&t);
    expect_members(&t, then, 3);
    topology_edit(&t, 2)->state = NODE_LEFT;
    topology_edit(&t, 4)->state = NODE_JOINING;
    topology_choose_members(&t);
    expect_members(&t, (const node_no[]){1}, 1);
    topology_close(&t);
}

/* Who is away gives its place to another one, where there is one that is there. */
static void who_is_away_makes_way(void)
{
    const char *racks[] = {"a/1", "a/1", "a/1", "a/1", "a/1"};
    struct topology t = make(racks, 4);
    const node_no all[] = {1, 2, 3}, then[] = {1, 3, 4}, back[] = {1, 2, 3};
    expect_members(&t, all, 3);
    topology_set_away(&t, 7, 2, true);
    topology_choose_members(&t);
    expect_members(&t, then, 3);
    CU_ASSERT_EQUAL(t.away_epoch, 7);
    /* Nobody is left to take its place, nor does another one that is away. */
    topology_set_away(&t, 8, 3, true);
    topology_choose_members(&t);
    expect_members(&t, then, 3);
    topology_check(&t);
    /* Who is here again goes before who is not. */
    topology_set_away(&t, 9, 2, false);
    topology_choose_members(&t);
    expect_members(&t, (const node_no[]){1, 2, 4}, 3);
    topology_set_away(&t, 10, 3, false);
    topology_set_away(&t, 11, 4, true);
    topology_choose_members(&t);
    expect_members(&t, back, 3);
    topology_close(&t);
}

/* Another rack is better only while it is there. */
static void another_rack_that_is_away(void)
{
    const char *racks[] = {"a/1", "a/1", "a/1", "a/2"};
    struct topology t = make(racks, 4);
    expect_members(&t, (const node_no[]){1, 2, 4}, 3);
    topology_set_away(&t, 7, 4, true);
    topology_choose_members(&t);
    expect_members(&t, (const node_no[]){1, 2, 3}, 3);
    topology_set_away(&t, 8, 4, false);
    topology_choose_members(&t);
    expect_members(&t, (const node_no[]){1, 2, 4}, 3);
    topology_close(&t);
}

static void bytes_are_read_back(void)
{
    const char *racks[] = {"a/1", "a/2", "b/1", "b/2"};
    struct topology t = make(racks, 4), back;
    struct buf a, b;
    buf_init(&a, BUF_MAX_DEFAULT);
    buf_init(&b, BUF_MAX_DEFAULT);
    topology_edit(&t, 4)->state = NODE_LEFT;
    topology_set_away(&t, 9, 3, true);
    topology_choose_members(&t);
    topology_encode(&t, &a);
    struct reader in = reader_make(buf_bytes(&a));
    CU_ASSERT_EQUAL_FATAL(topology_decode(&in, &back), ERR_OK);
    CU_ASSERT_TRUE(reader_done(&in));
    topology_check(&back);
    topology_encode(&back, &b);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    CU_ASSERT_TRUE(topology_find(&back, 3)->away);
    CU_ASSERT_EQUAL(back.away_epoch, 9);
    topology_close(&back);
    for (size_t len = 0; len < a.len; len++) {
        in = reader_make(bytes_make(a.data, len));
        CU_ASSERT_NOT_EQUAL(topology_decode(&in, &back), ERR_OK);
    }
    buf_close(&a);
    buf_close(&b);
    topology_close(&t);
}

CU_TestInfo topology_tests[] = {
    {"members by size and rack", members_by_size_and_rack},
    {"members stay", members_stay},
    {"who is away makes way", who_is_away_makes_way},
    {"another rack that is away", another_rack_that_is_away},
    {"bytes are read back", bytes_are_read_back},
    CU_TEST_INFO_NULL,
};
