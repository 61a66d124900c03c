/* The number of answers each consistency level needs, and what becomes of it. */
#include "node/coord/quorum.h"

#include <CUnit/CUnit.h>

/* Two data centres with factors 3 and 2, the coordinator in the first. */
static struct quorum_config two_dcs(enum level level)
{
    return (struct quorum_config){
        .level = level, .per_dc = true, .dcs = 2, .local_dc = 0, .rf = {3, 2}};
}

static struct quorum_config simple(enum level level, uint32_t rf)
{
    return (struct quorum_config){.level = level, .rf_total = rf};
}

static void every_level_needs_its_number(void)
{
    static const struct {
        enum level level;
        uint32_t simple1, simple3, simple5, two_dcs;
    } rows[] = {
        {LEVEL_ANY, 1, 1, 1, 1},         {LEVEL_ONE, 1, 1, 1, 1},
        {LEVEL_TWO, 2, 2, 2, 2},         {LEVEL_THREE, 3, 3, 3, 3},
        {LEVEL_QUORUM, 1, 2, 3, 3},      {LEVEL_ALL, 1, 3, 5, 5},
        {LEVEL_LOCAL_ONE, 1, 1, 1, 1},   {LEVEL_LOCAL_QUORUM, 1, 2, 3, 2},
        {LEVEL_EACH_QUORUM, 1, 2, 3, 4}, /* 2 of 3 and 2 of 2 */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct quorum q;
        struct quorum_config configs[] = {simple(rows[i].level, 1), simple(rows[i].level, 3),
                                          simple(rows[i].level, 5), two_dcs(rows[i].level)};
        uint32_t needs[] = {rows[i].simple1, rows[i].simple3, rows[i].simple5, rows[i].two_dcs};
        for (size_t j = 0; j < ARRAY_LEN(configs); j++) {
            quorum_init(&q, &configs[j]);
            CU_ASSERT_EQUAL(quorum_need(&q), needs[j]);
        }
    }
}

static void local_levels_count_only_their_own(void)
{
    struct quorum q;
    struct quorum_config config = two_dcs(LEVEL_LOCAL_QUORUM);
    quorum_init(&q, &config);
    for (uint32_t i = 0; i < 3; i++)
        quorum_member(&q, 0);
    quorum_member(&q, 1);
    quorum_member(&q, 1);
    CU_ASSERT_EQUAL(quorum_members(&q), 3);
    quorum_ack(&q, 1);
    quorum_ack(&q, 1);
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_WAITING);
    quorum_ack(&q, 0);
    quorum_ack(&q, 0);
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_ENOUGH);
}

static void each_quorum_needs_every_data_centre(void)
{
    struct quorum q;
    struct quorum_config config = two_dcs(LEVEL_EACH_QUORUM);
    quorum_init(&q, &config);
    for (uint32_t i = 0; i < 3; i++)
        quorum_member(&q, 0);
    quorum_member(&q, 1);
    /* one of two living is no quorum of two */
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_IMPOSSIBLE);
    quorum_member(&q, 1);
    for (uint32_t i = 0; i < 3; i++)
        quorum_ack(&q, 0);
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_WAITING);
    quorum_ack(&q, 1);
    quorum_ack(&q, 1);
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_ENOUGH);
}

static void enough_failures_that_it_cannot_be_met(void)
{
    struct quorum q;
    struct quorum_config config = simple(LEVEL_QUORUM, 3);
    quorum_init(&q, &config);
    for (uint32_t i = 0; i < 3; i++)
        quorum_member(&q, 0);
    quorum_fail(&q, 0);
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_WAITING);
    quorum_lose(&q, 0);
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_IMPOSSIBLE);
    CU_ASSERT_EQUAL(q.failures, 1);
}

static void the_factor_counts_not_the_nodes(void)
{
    struct quorum q;
    struct quorum_config config = simple(LEVEL_QUORUM, 3);
    quorum_init(&q, &config);
    quorum_member(&q, 0); /* a ring of one */
    CU_ASSERT_EQUAL(quorum_state(&q), QUORUM_IMPOSSIBLE);
    CU_ASSERT_EQUAL(quorum_need(&q), 2);
    CU_ASSERT_EQUAL(quorum_members(&q), 1);
}

/* A, B, C hold it now; B, C, D will. */
static void a_moving_range_needs_its_level_in_both_sets(void)
{
    static const struct standing a = {0, true, false}, b = {0, true, true}, d = {0, false, true};
    struct quorums q;
    struct quorum_config config = simple(LEVEL_QUORUM, 3);
    struct quorum_plan plan = {config, config, true, 0};
    quorums_init(&q, &plan);
    CU_ASSERT_TRUE(quorums_want(&q, d));
    quorums_member(&q, a);
    quorums_member(&q, b);
    CU_ASSERT_FALSE(quorums_want(&q, a)); /* now has its two */
    CU_ASSERT_TRUE(quorums_want(&q, d));
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_IMPOSSIBLE); /* later has one */
    quorums_member(&q, d);
    quorums_ack(&q, a);
    quorums_ack(&q, b);
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_WAITING);
    CU_ASSERT_PTR_EQUAL(quorums_telling(&q), &q.later);
    quorums_ack(&q, d);
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_ENOUGH);
    plan.joint = false;
    quorums_init(&q, &plan);
    quorums_member(&q, a);
    quorums_member(&q, b);
    CU_ASSERT_FALSE(quorums_count(&q, d));
    quorums_ack(&q, a);
    quorums_ack(&q, b);
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_ENOUGH);
}

/* ALTER KEYSPACE from one replica, A, to five: A alone is a quorum of now, three of later are
 * needed. And data centre 1, which had none, counts for later alone. */
static void each_set_by_its_own_factor(void)
{
    static const struct standing a = {0, true, true}, b = {0, false, true}, far = {1, false, true};
    struct quorums q;
    struct quorum_plan plan = {simple(LEVEL_QUORUM, 1), simple(LEVEL_QUORUM, 5), true, 0};
    quorums_init(&q, &plan);
    quorums_member(&q, a);
    for (int i = 0; i < 4; i++)
        quorums_member(&q, b);
    quorums_ack(&q, a);
    quorums_ack(&q, b);
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_WAITING);
    quorums_ack(&q, b);
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_ENOUGH);
    CU_ASSERT_TRUE(quorum_plan_proves(&plan));
    quorum_plan_level(&plan, LEVEL_TWO);
    CU_ASSERT_FALSE(quorum_plan_proves(&plan)); /* two of five may be any */
    plan.joint = false;
    CU_ASSERT_TRUE(quorum_plan_proves(&plan));

    struct quorum_config one = {.level = LEVEL_EACH_QUORUM, .per_dc = true, .dcs = 2, .rf = {1, 0}};
    struct quorum_config two = {.level = LEVEL_EACH_QUORUM, .per_dc = true, .dcs = 2, .rf = {1, 1}};
    struct quorum_plan wider = {one, two, true, 0};
    quorums_init(&q, &wider);
    CU_ASSERT_TRUE(quorums_count(&q, far));
    quorums_member(&q, a);
    quorums_member(&q, far);
    quorums_ack(&q, a);
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_WAITING);
    quorums_ack(&q, far);
    CU_ASSERT_EQUAL(quorums_state(&q), QUORUM_ENOUGH);
}

CU_TestInfo quorum_tests[] = {
    {"every level needs its number", every_level_needs_its_number},
    {"local levels count only their own", local_levels_count_only_their_own},
    {"each quorum needs every data centre", each_quorum_needs_every_data_centre},
    {"enough failures that it cannot be met", enough_failures_that_it_cannot_be_met},
    {"the factor counts, not the nodes", the_factor_counts_not_the_nodes},
    {"a moving range needs its level in both sets", a_moving_range_needs_its_level_in_both_sets},
    {"each set by its own factor", each_set_by_its_own_factor},
    CU_TEST_INFO_NULL,
};
