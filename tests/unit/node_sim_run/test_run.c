/* Runs of small scenarios: what is in them happens. */
#include "node/sim/run/run.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

/* All of it with three nodes, and each request matters. */
static void read_scenario(const char *yaml, struct scenario *s)
{
    struct errmsg why;
    enum err err = scenario_read(bytes_make(yaml, strlen(yaml)), s, &why);
    if (err != ERR_OK)
        printf("\n    %s\n    %s\n", yaml, why.text);
    CU_ASSERT_FATAL(err == ERR_OK);
}

static void run(const struct scenario *s, struct run_result *r)
{
    struct run_config config = {.scenario = s};
    run_scenario(&config, r);
    if (!r->good)
        printf("\n    %s\n", r->why.text);
    CU_ASSERT(r->good);
}

/* Each fault alone: it happens once, is undone, and the ring becomes equal again. */
static void every_fault_happens_and_passes(void)
{
    static const struct {
        const char *nodes, *by;
    } how[FAULT_COUNT] = {
        [FAULT_cut] = {"[1, 2]", NULL},          [FAULT_cut_one_way] = {"[1, 2]", NULL},
        [FAULT_isolate] = {"[3]", NULL},         [FAULT_split] = {"[1]", NULL},
        [FAULT_flap] = {"[1, 3]", "100ms"},      [FAULT_slow_link] = {"[1, 3]", "100ms"},
        [FAULT_thin_link] = {"[1, 3]", "20000"}, [FAULT_loss] = {NULL, "300000"},
        [FAULT_duplicates] = {NULL, "300000"},   [FAULT_kill] = {"[2]", NULL},
        [FAULT_crash] = {"[2]", NULL},           [FAULT_crash_in_turn] = {"[2]", "1"},
        [FAULT_crash_all] = {NULL, NULL},        [FAULT_stop] = {"[2]", NULL},
        [FAULT_pause] = {"[2]", NULL},           [FAULT_slow_node] = {"[2]", "5ms"},
        [FAULT_slow_disk] = {"[2]", "200ms"},    [FAULT_full_disk] = {"[2]", NULL},
        [FAULT_read_error] = {"[2]", "3"},       [FAULT_flip_bits] = {"[2]", "10"},
        [FAULT_lose_disk] = {"[2]", NULL},       [FAULT_clock_jump] = {"[2]", "-1h"},
        [FAULT_clock_drift] = {"[2]", "10000"},  [FAULT_join] = {NULL, NULL},
        [FAULT_lose_rows] = {"[2]", "5"},        [FAULT_compare] = {"[1, 2]", "1"},
        [FAULT_repair] = {"[2]", "5"},           [FAULT_alter] = {"[2]", "2"},
    };
    for (int i = 0; i < FAULT_COUNT; i++) {
        char yaml[512];
        struct scenario s;
        struct run_result r;
        const char *nodes = how[i].nodes;
        const char *by = how[i].by;
        snprintf(yaml, sizeof yaml,
                 "time: 4s\n"
                 "clients: {count: 4, think: 20ms}\n"
                 "levels: {QUORUM: 2, ONE: 1}\n"
                 "%s"
                 "faults:\n"
                 "  - {at: 1s, fault: %s%s%s%s%s, for: 1s}\n",
                 i == FAULT_lose_rows ? "workloads: {sets: 1, registers: 1}\n" : "",
                 fault_name((enum fault_kind)i), nodes != NULL ? ", nodes: " : "",
                 nodes != NULL ? nodes : "", by != NULL ? ", by: " : "", by != NULL ? by : "");
        read_scenario(yaml, &s);
        run(&s, &r);
        CU_ASSERT_EQUAL(r.faults[i], 1);
        CU_ASSERT_EQUAL(r.faults_count, 1);
        CU_ASSERT(r.counts.acked > 20);
        scenario_close(&s);
    }
}

/* Clients that wait no longer than an answer takes (a write at QUORUM two round trips), ask again
 * and hang up. */
static void clients_lose_patience(void)
{
    struct scenario s;
    struct run_result r;
    read_scenario("time: 4s\n"
                  "network: {latency: 5ms, jitter: 10ms}\n"
                  "clients: {count: 6, think: 10ms, timeout: 70ms, retry_ppm: 500000, "
                  "leave_ppm: 100000}\n"
                  "levels: {QUORUM: 1}\n",
                  &s);
    run(&s, &r);
    CU_ASSERT(r.counts.again > 20);
    CU_ASSERT(r.counts.given_up > 20);
    CU_ASSERT(r.counts.acked > 20);
    scenario_close(&s);
}

static void requests_are_counted(void)
{
    struct scenario s;
    struct run_result r;
    read_scenario("time: 4s\n"
                  "clients: {count: 3, think: 1ms, requests_max: 57}\n",
                  &s);
    run(&s, &r);
    CU_ASSERT_EQUAL(r.counts.writes + r.counts.reads, 57);
    scenario_close(&s);
}

/* Nodes that are started one by one while the power goes form a ring all the same. */
static void a_ring_forms_under_faults(void)
{
    struct scenario s;
    struct run_result r;
    read_scenario("forming: 5s\n"
                  "nodes: 5\n"
                  "time: 2s\n"
                  "faults:\n"
                  "  - {at: 1s, fault: crash_all, for: 500ms}\n"
                  "  - {at: 2s, fault: split, nodes: [2], for: 1s}\n"
                  "  - {at: 3s, fault: crash, nodes: [1], for: 10s}\n"
                  "  - {at: 6s, fault: kill, nodes: [5], for: 10ms}\n",
                  &s);
    run(&s, &r);
    CU_ASSERT(r.faults[FAULT_crash_all] == 1 && r.faults[FAULT_split] == 1);
    CU_ASSERT_EQUAL(r.faults[FAULT_kill], 1);
    scenario_close(&s);
}

/* Looking at every line changes nothing. */
static void count_line(void *arg, const char *line)
{
    (void)line;
    ++*(uint64_t *)arg;
}

static void who_watches_changes_nothing(void)
{
    struct scenario s;
    struct run_result quiet, loud;
    uint64_t lines = 0;
    scenario_draw(3, 0, 5 * USEC_PER_SEC, &s);
    struct run_config config = {.scenario = &s};
    run_scenario(&config, &quiet);
    config.print = count_line;
    config.print_arg = &lines;
    run_scenario(&config, &loud);
    CU_ASSERT_EQUAL(quiet.hash, loud.hash);
    CU_ASSERT_EQUAL(quiet.events, loud.events);
    CU_ASSERT(lines > 100);
    scenario_close(&s);
}

CU_TestInfo run_tests[] = {
    {"every fault happens and passes", every_fault_happens_and_passes},
    {"clients lose patience", clients_lose_patience},
    {"requests are counted", requests_are_counted},
    {"a ring forms under faults", a_ring_forms_under_faults},
    {"who watches changes nothing", who_watches_changes_nothing},
    CU_TEST_INFO_NULL,
};
