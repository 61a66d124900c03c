/* Scenarios: drawn, written, read. */
#include "node/sim/run/scenario.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <string.h>

static bool reads(const char *yaml, struct scenario *s, struct errmsg *m)
{
    memset(m, 0, sizeof *m);
    return scenario_read(bytes_make(yaml, strlen(yaml)), s, m) == ERR_OK;
}

/* What was drawn, written and read again is the same, to the byte. */
static void a_written_scenario_reads_as_the_same(void)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct scenario drawn, again;
        struct errmsg m;
        struct buf text, twice;
        buf_init(&text, (size_t)1 << 24);
        buf_init(&twice, (size_t)1 << 24);
        scenario_draw(seed, 0, 60 * USEC_PER_SEC, &drawn);
        scenario_write(&drawn, &text);
        CU_ASSERT_FATAL(scenario_read(buf_bytes(&text), &again, &m) == ERR_OK);
        scenario_write(&again, &twice);
        CU_ASSERT(bytes_equal(buf_bytes(&text), buf_bytes(&twice)));
        CU_ASSERT_EQUAL(drawn.faults_count, again.faults_count);
        CU_ASSERT(memcmp(drawn.workloads, again.workloads, sizeof drawn.workloads) == 0);
        scenario_close(&drawn);
        scenario_close(&again);
        buf_close(&text);
        buf_close(&twice);
    }
}

/* Every kind of fault, and a run without any, comes up among the seeds. */
static void seeds_draw_every_fault_and_none(void)
{
    uint64_t with[FAULT_COUNT] = {0};
    unsigned without = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct scenario s;
        bool seen[FAULT_COUNT] = {false};
        if (seed % 10 == 0) /* rows are lost in these alone */
            scenario_draw_healing(seed, 0, 60 * USEC_PER_SEC, &s);
        else
            scenario_draw(seed, 0, 60 * USEC_PER_SEC, &s);
        for (size_t i = 0; i < s.faults_count; i++) {
            seen[s.faults[i].kind] = true;
            CU_ASSERT(i == 0 || s.faults[i - 1].at <= s.faults[i].at);
        }
        for (int i = 0; i < FAULT_COUNT; i++)
            with[i] += seen[i];
        without += s.faults_count == 0;
        scenario_close(&s);
    }
    for (int i = 0; i < FAULT_COUNT; i++)
        CU_ASSERT(with[i] >= 10);
    CU_ASSERT(without >= 3);
}

/* The same seed is the same scenario; another length of run changes only when it ends. */
static void a_seed_names_its_scenario(void)
{
    struct scenario a, b;
    scenario_draw(7, 0, 30 * USEC_PER_SEC, &a);
    scenario_draw(7, 0, 60 * USEC_PER_SEC, &b);
    CU_ASSERT_EQUAL(a.seed, b.seed);
    CU_ASSERT_EQUAL(a.nodes, b.nodes);
    CU_ASSERT(a.faults_count <= b.faults_count);
    for (size_t i = 0; i < a.faults_count; i++)
        CU_ASSERT(a.faults[i].at == b.faults[i].at && a.faults[i].kind == b.faults[i].kind);
    scenario_close(&a);
    scenario_close(&b);
}

static void a_person_writes_little(void)
{
    struct scenario s;
    struct errmsg m;
    CU_ASSERT_FATAL(reads("seed: 5\n"
                          "nodes: 5\n"
                          "time: 2m\n"
                          "clocks: {offset: 20ms}\n"
                          "faults:\n"
                          "  - {at: 3s, fault: clock_jump, nodes: [2], by: -1h, for: 10s}\n"
                          "  - {at: 1s, fault: cut, nodes: [1, 3], for: 500ms}\n"
                          "  - {at: 2s, fault: loss, by: 100000, for: 5s}\n",
                          &s, &m));
    CU_ASSERT_EQUAL(s.nodes, 5);
    CU_ASSERT_EQUAL(s.rf, 3);
    CU_ASSERT_EQUAL(s.time_us, 120 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(s.clocks.offset_us, 20 * USEC_PER_MS);
    CU_ASSERT_EQUAL_FATAL(s.faults_count, 3);
    CU_ASSERT_EQUAL(s.faults[0].kind, FAULT_cut);
    CU_ASSERT_EQUAL(s.faults[0].b, 3);
    CU_ASSERT_EQUAL(s.faults[1].amount, 100000);
    CU_ASSERT_EQUAL(s.faults[2].amount, -3600 * USEC_PER_SEC);
    scenario_close(&s);
}

/* What is wrong, and in which line. */
static void mistakes_are_named(void)
{
    static const struct {
        const char *yaml, *expected;
    } cases[] = {
        {"", "1: a scenario is a mapping"},
        {"- 1\n", "1: a scenario is a mapping"},
        {"seed: [\n", "2: not valid YAML"},
        {"seed: 1\nnodez: 3\n", "2: there is no such setting"},
        {"nodes: three\n", "1: a whole number is wanted"},
        {"nodes: 99\n", "1: the number is too large"},
        {"nodes: 2\n", "1: there must be"},
        {"time: 3\n", "1: a duration is wanted"},
        {"network: {latency: fast}\n", "1: a duration is wanted"},
        {"workloads: {gardening: 1}\n", "1: there is none of this name"},
        {"levels: {QUORUM: 0}\n", "1: one of the weights"},
        {"seed: 1\nnodes: 3\nseed: 2\n", "3: this was said before"},
        {"disk: {fsync: 1ms, fsync: 2ms}\n", "1: this was said before"},
        {"levels: {ONE: 1, ONE: 2}\n", "1: this was said before"},
        {"faults: 3\n", "1: faults are a list"},
        {"faults:\n  - {at: 1s, at: 2s, fault: crash_all}\n", "2: this was said before"},
        {"faults:\n  - {at: 1s, fault: earthquake}\n", "2: there is no such fault"},
        {"faults:\n  - {at: 1s}\n", "2: which fault?"},
        {"faults:\n  - {at: 1s, fault: cut, nodes: [1], for: 1s}\n", "2: this fault is done to"},
        {"faults:\n  - {at: 1s, fault: kill, nodes: [0], for: 1s}\n", "2: nodes have numbers"},
        {"faults:\n  - {at: 1s, fault: slow_disk, nodes: [1], for: 1s}\n", "2: `by` says how much"},
        {"faults:\n  - {at: 1s, fault: kill, nodes: [1], by: 3, for: 1s}\n", "2: `by` says"},
        {"faults:\n  - {at: 1s, fault: kill, nodes: [1], why: 3}\n", "2: a fault has"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scenario s;
        struct errmsg m;
        CU_ASSERT(!reads(cases[i].yaml, &s, &m));
        bool good = strncmp(m.text, cases[i].expected, strlen(cases[i].expected)) == 0;
        if (!good)
            printf("\n    %s: expected %s\n", m.text, cases[i].expected);
        CU_ASSERT(good);
    }
}

/* More of them than a first list of faults had room for. */
static void two_lists_of_faults_are_refused(void)
{
    struct scenario s;
    struct errmsg m;
    struct buf text;
    buf_init(&text, 10000);
    for (int list = 0; list < 2; list++) {
        buf_put_text(&text, "faults:\n");
        for (int i = 0; i < 12; i++)
            buf_put_text(&text, "  - {at: 1s, fault: crash_all, for: 1s}\n");
    }
    CU_ASSERT_EQUAL(scenario_read(buf_bytes(&text), &s, &m), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(m.text, "14: this was said before");
    buf_close(&text);
}

CU_TestInfo scenario_tests[] = {
    {"a written scenario reads as the same", a_written_scenario_reads_as_the_same},
    {"seeds draw every fault, and none", seeds_draw_every_fault_and_none},
    {"a seed names its scenario", a_seed_names_its_scenario},
    {"a person writes little", a_person_writes_little},
    {"mistakes are named", mistakes_are_named},
    {"two lists of faults are refused", two_lists_of_faults_are_refused},
    CU_TEST_INFO_NULL,
};
