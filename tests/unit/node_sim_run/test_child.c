/* Runs in a process of their own. */
#include "node/sim/run/child.h"

#include <CUnit/CUnit.h>
#include <string.h>

static void a_child_runs_as_we_would(void)
{
    struct scenario s;
    struct run_result here, there;
    scenario_draw(5, 3, 5 * USEC_PER_SEC, &s);
    const struct run_config config = {.scenario = &s};
    run_scenario(&config, &here);
    run_in_child(&config, &there);
    CU_ASSERT(here.good && there.good);
    CU_ASSERT(here.hash == there.hash && here.events == there.events);
    CU_ASSERT(memcmp(&here.counts, &there.counts, sizeof here.counts) == 0);
    CU_ASSERT(memcmp(here.faults, there.faults, sizeof here.faults) == 0);
    scenario_close(&s);
}

struct seen {
    unsigned lines;
    char last[512];
};

static void see_line(void *arg, const char *line)
{
    struct seen *seen = arg;
    seen->lines++;
    strncpy(seen->last, line, sizeof seen->last - 1);
}

/* No level has a weight, so that the first client cannot choose: an assertion. */
static void an_assertion_is_a_reason(void)
{
    struct scenario s;
    struct run_result r;
    struct seen seen = {.lines = 0};
    scenario_draw(5, 3, 5 * USEC_PER_SEC, &s);
    memset(s.levels, 0, sizeof s.levels);
    run_in_child(&(struct run_config){.scenario = &s}, &r);
    CU_ASSERT(!r.good);
    CU_ASSERT(strstr(r.why.text, "assertion failed") != NULL);
    CU_ASSERT(r.end_us > 0 && r.end_us <= s.time_us);

    run_in_child(&(struct run_config){.scenario = &s, .print = see_line, .print_arg = &seen}, &r);
    CU_ASSERT(!r.good);
    CU_ASSERT(seen.lines > 100 && seen.last[0] == '[');
    scenario_close(&s);
}

CU_TestInfo child_tests[] = {
    {"a child runs as we would", a_child_runs_as_we_would},
    {"an assertion is a reason", an_assertion_is_a_reason},
    CU_TEST_INFO_NULL,
};
