/* Making a scenario smaller, with runs whose failure is known. */
#include "node/sim/run/shrink.h"

#include <CUnit/CUnit.h>

#include <string.h>

/* Fails when a crash of a node comes before a cut that lasts at least 10 ms, and there are requests
 * and two clients. */
static void pretend(const struct run_config *config, struct run_result *ret)
{
    const struct scenario *s = config->scenario;
    bool crashed = false;
    memset(ret, 0, sizeof *ret);
    ret->good = true;
    ret->end_us = s->time_us;
    uint64_t asked = s->clients.requests_max != 0 ? s->clients.requests_max : 1000;
    ret->counts.writes = asked;
    for (size_t i = 0; i < s->faults_count; i++) {
        crashed |= s->faults[i].kind == FAULT_crash;
        if (crashed && s->faults[i].kind == FAULT_cut && s->faults[i].lasts_us >= 10000 &&
            asked >= 20 && s->clients.count >= 2) {
            ret->good = false;
            ret->end_us = s->faults[i].at;
            return;
        }
    }
}

static void only_what_is_needed_is_left(void)
{
    unsigned tried = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct scenario s;
        struct run_result r;
        struct shrink_config config = {.runs_max = 5000, .run = pretend};
        scenario_draw(seed, 0, 60 * USEC_PER_SEC, &s);
        pretend(&(struct run_config){.scenario = &s}, &r);
        if (!r.good) {
            tried++;
            shrink(&s, &config, &r);
            CU_ASSERT(!r.good);
            CU_ASSERT_EQUAL_FATAL(s.faults_count, 2);
            CU_ASSERT_EQUAL(s.faults[0].kind, FAULT_crash);
            CU_ASSERT_EQUAL(s.faults[1].kind, FAULT_cut);
            CU_ASSERT(s.faults[1].lasts_us < 20000);
            CU_ASSERT_EQUAL(s.clients.count, 2);
            CU_ASSERT(s.clients.requests_max >= 20 && s.clients.requests_max < 24);
            CU_ASSERT_EQUAL(s.clocks.offset_us, 0);
        }
        scenario_close(&s);
    }
    CU_ASSERT(tried > 10);
}

static void the_number_of_runs_is_bounded(void)
{
    struct scenario s;
    struct run_result r;
    struct shrink_config config = {.runs_max = 7, .run = pretend};
    uint64_t seed = 1;
    do {
        scenario_draw(seed++, 0, 60 * USEC_PER_SEC, &s);
        pretend(&(struct run_config){.scenario = &s}, &r);
        if (r.good)
            scenario_close(&s);
    } while (r.good);
    CU_ASSERT_EQUAL(shrink(&s, &config, &r), 7);
    CU_ASSERT(!r.good);
    scenario_close(&s);
}

/* A run that does not fail is left alone. */
static void what_is_good_stays(void)
{
    struct scenario s;
    struct run_result r;
    struct shrink_config config = {.runs_max = 100, .run = pretend};
    scenario_draw(1, 0, 60 * USEC_PER_SEC, &s);
    s.faults_count = 0;
    CU_ASSERT_EQUAL(shrink(&s, &config, &r), 0);
    CU_ASSERT(r.good);
    scenario_close(&s);
}

CU_TestInfo shrink_tests[] = {
    {"only what is needed is left", only_what_is_needed_is_left},
    {"the number of runs is bounded", the_number_of_runs_is_bounded},
    {"what is good stays", what_is_good_stays},
    CU_TEST_INFO_NULL,
};
