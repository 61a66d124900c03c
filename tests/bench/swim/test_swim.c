/* What docs/swim.md says, small enough for every build. A seed gives one run on every machine, so
 * the bounds hold or do not; they cannot be a matter of luck. */
#include "tables.h"

#include "gossip/formula.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct outcome o;

static void begin(void)
{
    memset(&o, 0, sizeof o);
}

static void end(void)
{
    CU_ASSERT(o.agreed_s >= 0);
    outcome_close(&o);
}

static struct trial plan(size_t members, uint32_t loss_percent, usec calm_s)
{
    return (struct trial){.world = {.members = members,
                                    .seed = 7,
                                    .loss = loss_percent * 10000,
                                    .hold_us = 16384 * USEC_PER_MS,
                                    .free_us = 256 * USEC_PER_MS},
                          .warm_us = 5 * USEC_PER_SEC,
                          .calm_us = calm_s * USEC_PER_SEC,
                          .gap_us = 3 * USEC_PER_SEC,
                          .limit_us = 120 * USEC_PER_SEC};
}

/* e/(e-1) periods until somebody probes it and one for the verdict; two confirmations come before
 * the shortest suspicion is over; then gossip needs a few ticks. */
static void a_crash_is_known_to_all_within_the_bound(void)
{
    struct trial t = plan(200, 0, 1);
    t.crashes = 10;
    double shortest = (double)gossip_suspicion_min(4, 200, USEC_PER_SEC) / USEC_PER_SEC;
    begin();
    trial_run(&t, &o);
    CU_ASSERT_EQUAL(o.known.count, 10);
    CU_ASSERT(samples_at(&o.suspected, 50) > 1 && samples_at(&o.suspected, 50) < 3);
    CU_ASSERT(samples_at(&o.suspected, 100) < 8);
    CU_ASSERT(samples_at(&o.known, 0) > shortest);
    CU_ASSERT(samples_at(&o.known, 100) < samples_at(&o.suspected, 100) + shortest + 3);
    CU_ASSERT_EQUAL(o.mistakes.deaths, 0);
    end();
}

static void ten_percent_loss_kills_nobody(void)
{
    struct trial t = plan(60, 10, 600);
    begin();
    trial_run(&t, &o);
    CU_ASSERT(o.mistakes.suspicions > 0);
    CU_ASSERT_EQUAL(o.mistakes.deaths, 0);
    end();
}

static double load_of_one(size_t members)
{
    struct trial t = plan(members, 1, 30);
    begin();
    trial_run(&t, &o);
    double load = (double)o.calm.datagrams / o.calm_s;
    end();
    return load;
}

static void the_load_of_a_member_does_not_grow(void)
{
    double small = load_of_one(30), large = load_of_one(150);
    CU_ASSERT(small >= 2 && large < 2 * small);
}

static uint64_t wrong_deaths(uint32_t without)
{
    struct trial t = plan(64, 0, 100);
    t.world.slow = 8;
    t.world.gossip.without = without;
    begin();
    trial_run(&t, &o);
    uint64_t deaths = o.mistakes.deaths;
    end();
    return deaths;
}

/* Slow members bury healthy ones in plain SWIM; Lifeguard and what we add to it prevent it. */
static void slow_members_do_harm_without_lifeguard(void)
{
    uint64_t swim = wrong_deaths(PARTS_SWIM), lifeguard = wrong_deaths(PARTS_PAPER),
             torc = wrong_deaths(0);
    CU_ASSERT(swim > 100);
    CU_ASSERT(10 * lifeguard < swim);
    CU_ASSERT(torc <= lifeguard);
}

static uint64_t hash_of(uint64_t seed)
{
    struct trial t = plan(40, 5, 20);
    t.world.seed = seed;
    t.crashes = 2;
    begin();
    trial_run(&t, &o);
    uint64_t hash = o.hash;
    end();
    return hash;
}

static void the_same_seed_gives_the_same_run(void)
{
    uint64_t first = hash_of(3);
    CU_ASSERT_EQUAL(hash_of(3), first);
    CU_ASSERT_NOT_EQUAL(hash_of(4), first);
}

CU_TestInfo swim_tests[] = {
    {"a crash is known to all within the bound", a_crash_is_known_to_all_within_the_bound},
    {"ten percent loss kills nobody", ten_percent_loss_kills_nobody},
    {"the load of a member does not grow", the_load_of_a_member_does_not_grow},
    {"slow members do harm without Lifeguard", slow_members_do_harm_without_lifeguard},
    {"the same seed gives the same run", the_same_seed_gives_the_same_run},
    CU_TEST_INFO_NULL,
};
