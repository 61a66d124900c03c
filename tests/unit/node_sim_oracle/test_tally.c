/* The judge of counters against replicas that are sets: it takes what they answer, and nothing
 * else once requests are known. */
#include "base/mem.h"
#include "node/sim/oracle/tally.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define REPLICAS 3
#define REQUESTS 12

struct model {
    bool has[REPLICAS][REQUESTS];
    int64_t delta[REQUESTS];
    uint32_t acks[REQUESTS];
    size_t count;
};

/* The first `of` replicas of a random order. */
static void some_replicas(struct rng *r, uint32_t of, uint32_t ret[REPLICAS])
{
    for (uint32_t i = 0; i < REPLICAS; i++)
        ret[i] = i;
    for (uint32_t i = 0; i < of; i++) {
        uint32_t k = i + (uint32_t)rng_below(r, REPLICAS - i);
        uint32_t kept = ret[i];
        ret[i] = ret[k];
        ret[k] = kept;
    }
}

static void add(struct model *m, struct tally *t, struct rng *r, usec now)
{
    uint32_t at[REPLICAS];
    size_t i = m->count++;
    size_t request = tally_add(t, 5, r, now, &m->delta[i]);
    uint32_t acks = (uint32_t)rng_below(r, REPLICAS + 1);
    some_replicas(r, REPLICAS, at);
    for (uint32_t k = 0; k < acks; k++)
        m->has[at[k]][i] = true;
    m->acks[i] = rng_chance(r, 700000) ? acks : 0; /* or nobody heard of it */
    if (m->acks[i] > 0)
        tally_added(t, request, now + 1, acks);
}

/* What so many replicas answer together; then they have it. */
static int64_t ask(struct model *m, struct rng *r, uint32_t of)
{
    uint32_t at[REPLICAS];
    int64_t sum = 0;
    some_replicas(r, of, at);
    for (size_t i = 0; i < m->count; i++) {
        bool seen = false;
        for (uint32_t k = 0; k < of; k++)
            seen |= m->has[at[k]][i];
        for (uint32_t k = 0; k < of; k++)
            m->has[at[k]][i] |= seen;
        sum += seen ? m->delta[i] : 0;
    }
    return sum;
}

/* The largest number of replicas that acked a request; its number in *ret. */
static uint32_t most_acked(const struct model *m, size_t *ret)
{
    uint32_t most = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->acks[i] > most) {
            most = m->acks[i];
            *ret = i;
        }
    }
    return most;
}

static bool run(uint64_t seed)
{
    struct rng r;
    struct model m = {.count = 0};
    struct errmsg why;
    struct tally *t = tally_new(REPLICAS);
    bool good = true;
    rng_init(&r, seed);
    for (usec now = 10; m.count < REQUESTS && good; now += 10) {
        uint32_t of = 1 + (uint32_t)rng_below(&r, REPLICAS);
        struct tally_read read = {5, of, now, now + 1};
        size_t sure = 0;
        if (rng_chance(&r, 500000)) {
            add(&m, t, &r, now);
            continue;
        }
        int64_t value = ask(&m, &r, of);
        good = tally_judge(t, &read, value, &why);
        if (most_acked(&m, &sure) + of > REPLICAS) {
            good &= !tally_judge(t, &read, value - m.delta[sure], &why); /* lost */
            good &= !tally_judge(t, &read, value + m.delta[sure], &why); /* counted twice */
        }
    }
    tally_free(t);
    return good;
}

static void takes_what_is_right(void)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        bool good = run(seed);
        if (!good)
            fprintf(stderr, "tally: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

/* A quorum that showed more is not followed by one that shows less. */
static void does_not_go_back(void)
{
    struct rng r;
    struct errmsg why;
    int64_t delta;
    rng_init(&r, 1);
    struct tally *t = tally_new(3);
    tally_add(t, 1, &r, 10, &delta); /* never acked */
    struct tally_read first = {1, 2, 20, 21};
    struct tally_read then = {1, 2, 30, 31};
    struct tally_read weak = {1, 1, 30, 31};
    CU_ASSERT_TRUE(tally_judge(t, &first, delta, &why));
    CU_ASSERT_TRUE(tally_judge(t, &weak, TALLY_NOTHING, &why));
    CU_ASSERT_FALSE(tally_judge(t, &then, TALLY_NOTHING, &why));
    tally_disk_lost(t, 25);
    CU_ASSERT_TRUE(tally_judge(t, &then, TALLY_NOTHING, &why));
    tally_free(t);
}

/* What one replica acked is known by all in the end, unless its disk was lost. */
static void all_counts_in_the_end(void)
{
    struct rng r;
    struct errmsg why;
    int64_t lost, kept;
    rng_init(&r, 1);
    struct tally *t = tally_new(3);
    size_t a = tally_add(t, 1, &r, 10, &lost);
    tally_added(t, a, 11, 1);
    tally_disk_lost(t, 15);
    size_t b = tally_add(t, 1, &r, 20, &kept);
    tally_added(t, b, 21, 1);
    tally_all_equal(t, 30);
    struct tally_read read = {1, 3, 40, 41};
    CU_ASSERT_FALSE(tally_judge(t, &read, lost, &why));
    CU_ASSERT_TRUE(tally_judge(t, &read, kept, &why));
    CU_ASSERT_TRUE(tally_judge(t, &read, kept + lost, &why));
    CU_ASSERT_FALSE(tally_judge(t, &read, kept + 2 * lost, &why));
    CU_ASSERT_EQUAL(tally_held(t), 4);
    tally_free(t);
}

CU_TestInfo tally_tests[] = {
    {"takes what is right, refuses what is not", takes_what_is_right},
    {"a counter does not go back", does_not_go_back},
    {"all that was acked counts in the end", all_counts_in_the_end},
    CU_TEST_INFO_NULL,
};
