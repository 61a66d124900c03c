/* A register at QUORUM is linearizable also when clocks are off, because what would lose to an
 * older write is stamped again before it is acked. */
#include "base/bytes.h"
#include "base/rng.h"
#include "node/sim/oracle/linear.h"
#include "story/fixture.h"

#include <stdio.h>

#define ASKERS    8
#define ASKED     400
#define SEEDS     10
#define NODES     5
#define THINK_MAX MILLISECONDS(100) /* in which a node may hear nothing of the others' clocks */

void linear_setup(void);
void linear_teardown(void);

void linear_setup(void)
{
    story_setup();
}

void linear_teardown(void)
{
    story_teardown();
}

struct asker {
    uint64_t request; /* 0: idle, until */
    usec next;
    size_t op;
    unsigned node;
    bool writes;
};

static void ask(struct linear *l, struct asker *a, uint32_t number, int64_t value)
{
    char cql[96];
    struct linear_op op = a->writes ? linear_writing(0, number, sim_now(sim), value)
                                    : linear_reading(0, number, sim_now(sim));
    if (a->writes)
        snprintf(cql, sizeof cql, "INSERT INTO ks.r (k, v) VALUES (1, %lld)", (long long)value);
    else
        snprintf(cql, sizeof cql, "SELECT v FROM ks.r WHERE k = 1");
    a->op = linear_call(l, &op);
    a->request = sim_ask(sim, a->node, CQL_CL_QUORUM, cql);
}

static void take(struct linear *l, struct asker *a)
{
    const struct sim_reply *r = sim_reply_of(sim, a->request);
    int64_t value = 0;
    if (r->outcome == SIM_PENDING)
        return;
    if (r->outcome == SIM_OK && !a->writes && r->rows == 1)
        value = (int64_t)load_u64(r->cells[0].bytes.data);
    if (r->outcome == SIM_OK)
        linear_answer(l, a->op, r->answered, value);
    sim_forget(sim, a->request);
    a->request = 0;
    a->next = sim_now(sim) + rng_between(sim_rng(sim), 0, THINK_MAX);
}

/* Clients of all nodes, so many of them writing, on a network that is now and then slow. */
static enum linear_verdict judge(uint64_t seed, usec clock_offset_us, unsigned writers,
                                 struct errmsg *why)
{
    struct sim_config config = {.seed = seed,
                                .latency_us = 500,
                                .jitter_us = MILLISECONDS(1),
                                .clock_offset_us = clock_offset_us};
    struct asker askers[ASKERS] = {0};
    struct linear *l = linear_new(&linear_register);
    size_t asked = 0;
    sim_free(sim);
    sim = sim_new(&config);
    story_begin(NODES);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.r (k int PRIMARY KEY, v bigint)"));
    while (asked < ASKED) {
        for (uint32_t i = 0; i < ASKERS; i++) {
            struct asker *a = &askers[i];
            if (a->request != 0)
                take(l, a);
            if (a->request != 0 || a->next > sim_now(sim))
                continue;
            a->writes = i < writers;
            a->node = 1 + i % NODES;
            ask(l, a, i, (int64_t)++asked);
        }
        sim_elapse(sim, MILLISECONDS(1));
    }
    sim_elapse(sim, SECONDS(10));
    for (uint32_t i = 0; i < ASKERS; i++) {
        if (askers[i].request != 0)
            take(l, &askers[i]);
    }
    enum linear_verdict verdict = linear_check(l, NULL, why);
    linear_free(l);
    return verdict;
}

/* Who writes later, at a node whose clock is behind and that has not heard of the other write yet,
 * would lose, though it was acked, if it were not stamped above that. */
static void clocks_apart_lose_no_write(void)
{
    uint64_t raised = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct errmsg why = {""};
        enum linear_verdict verdict = judge(seed, MILLISECONDS(200), 5, &why);
        raised += counted("torc_stamps_raised_total");
        CU_ASSERT_EQUAL(verdict, LINEAR_GOOD);
        if (verdict != LINEAR_GOOD)
            printf("\n    seed %llu: %s\n", (unsigned long long)seed, why.text);
    }
    CU_ASSERT(raised > 0);
}

static void one_writer_and_good_clocks_are(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct errmsg why = {""};
        enum linear_verdict verdict = judge(seed, 0, 1, &why);
        CU_ASSERT_EQUAL(verdict, LINEAR_GOOD);
        if (verdict != LINEAR_GOOD)
            printf("\n    seed %llu: %s\n", (unsigned long long)seed, why.text);
    }
}

CU_TestInfo linear_tests[] = {
    {"clocks that are apart lose no write", clocks_apart_lose_no_write},
    {"one writer and good clocks are", one_writer_and_good_clocks_are},
    CU_TEST_INFO_NULL,
};
