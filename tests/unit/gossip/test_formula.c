/* The table of Lifeguard's numbers by cluster size. */
#include "gossip/formula.h"

#include <CUnit/CUnit.h>

static void suspicion_timeouts(void)
{
    static const struct {
        size_t n;
        usec ms[3]; /* after 0, 1, 2 confirmations */
    } rows[] = {
        {4, {24000, 11381, 4000}},     {10, {24000, 11381, 4000}},     {100, {48000, 22763, 8000}},
        {1000, {72000, 34144, 12000}}, {10000, {96000, 45526, 16000}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        usec min = gossip_suspicion_min(4, rows[i].n, USEC_PER_SEC);
        unsigned want = gossip_suspicion_confirmations(4, rows[i].n);
        CU_ASSERT_EQUAL(want, 2);
        for (unsigned have = 0; have < 3; have++)
            CU_ASSERT_EQUAL(gossip_suspicion_timeout(min, have, want) / USEC_PER_MS,
                            rows[i].ms[have]);
    }
}

/* Nobody else could confirm: the shortest time from the start. */
static void small_clusters_do_not_wait_for_confirmations(void)
{
    for (size_t n = 1; n <= 3; n++) {
        CU_ASSERT_EQUAL(gossip_suspicion_confirmations(4, n), 0);
        CU_ASSERT_EQUAL(gossip_suspicion_timeout(gossip_suspicion_min(4, n, USEC_PER_SEC), 0, 0),
                        4 * USEC_PER_SEC);
    }
    CU_ASSERT_EQUAL(gossip_suspicion_confirmations(1, 100), 0);
}

static void retransmit_limits(void)
{
    static const struct {
        size_t n;
        unsigned limit;
    } rows[] = {{1, 4}, {9, 4}, {10, 8}, {99, 8}, {100, 12}, {1000, 16}, {10000, 20}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(gossip_retransmit_limit(4, rows[i].n), rows[i].limit);
}

static void push_pull_scales(void)
{
    static const struct {
        size_t n;
        unsigned scale;
    } rows[] = {{1, 1}, {32, 1}, {33, 2}, {64, 2}, {65, 3}, {128, 3}, {1024, 6}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(gossip_push_pull_scale(rows[i].n), rows[i].scale);
}

CU_TestInfo formula_tests[] = {
    {"suspicion timeouts", suspicion_timeouts},
    {"small clusters do not wait for confirmations", small_clusters_do_not_wait_for_confirmations},
    {"retransmit limits", retransmit_limits},
    {"push/pull scales", push_pull_scales},
    CU_TEST_INFO_NULL,
};
