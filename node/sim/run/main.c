/* torc-sim: random runs of a simulated cluster, each named by its seed. */
#include "base/mem.h"
#include "base/mutant.h"
#include "node/sim/run/child.h"
#include "node/sim/run/shrink.h"
#include "node/sim/run/workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define SCENARIO_FILE_MAX ((size_t)8 << 20)
#define TAIL_MAX          300 /* lines shown of a run that failed */

struct options {
    uint64_t first, last;
    uint32_t nodes;
    usec time_us;
    const char *scenario; /* a file instead of seeds */
    const char *workload; /* this one alone */
    bool seeded, twice, verbose, write, shrink, no_shrink, quiet, deletes, healing;
    uint64_t shrink_runs;
};

struct totals { /* over all runs */
    uint64_t runs, failed;
    uint64_t with_fault[FAULT_COUNT]; /* runs in which it happened */
    uint64_t faults[FAULT_COUNT];
    usec simulated_us;
    uint64_t answered, held, nothing_held; /* reads, reads, runs */
    uint64_t deletes;
    uint64_t lost, mended, crossed, alike; /* as in run_result */
    struct sim_repairs repairs;
};

static const char help[] =
    "torc-sim: a Torc cluster in one process, on virtual time, under random faults\n"
    "\n"
    "  --seed N          the run with this seed (default 1). If it fails it is made smaller\n"
    "  --seeds A..B      all runs from A to B\n"
    "  --scenario FILE   the run that a file describes (YAML, docs/simulation.md); with --seed or\n"
    "                    --seeds its own seed is not used\n"
    "  --nodes N         3 to 16 nodes (default: 3 to 5, from the seed)\n"
    "  --seconds S       of load and faults, in virtual time (default 30)\n"
    "  --deletes         deletes mixed with writes and little else, under partitions, crashes, "
    "lost\n"
    "                    disks, and clocks that jump by up to ten seconds\n"
    "  --healing         rows lost from one replica, and sessions by trees and repair runs that "
    "look\n"
    "                    for them, begun and broken off at random, beside all else\n"
    "  --workload NAME   this workload alone; all else is drawn from the seed as usual\n"
    "  --twice           run everything twice and compare the hashes\n"
    "  --verbose         every decision of every node\n"
    "  --quiet           with --seeds: only what failed, and the sum\n"
    "  --write           write the scenario of the seed, and run nothing\n"
    "  --shrink          with --seeds: make each run that fails smaller\n"
    "  --no-shrink       with --seed or --scenario: do not\n"
    "  --shrink-runs N   at most so many runs for that (default 400)\n"
    "  --mutant NAME     with this planted bug (only in the build of the preset `mutants`)\n"
    "  --mutants         the planted bugs there are\n"
    "\n"
    "Exit status 0: all is well. 1: something cannot be; the line with FAILED says how to repeat\n"
    "it. 2: the command was not understood.\n";

/* --- options */

static bool number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == 0 && *ret <= most;
}

static bool seeds(const char *text, struct options *o)
{
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    o->first = strtoull(text, &end, 10);
    return strncmp(end, "..", 2) == 0 && number(end + 2, UINT64_MAX, &o->last) &&
           o->last >= o->first;
}

/* An option that stands alone. */
static bool flag(const char *name, struct options *o)
{
    const struct {
        const char *name;
        bool *value;
    } flags[] = {{"--twice", &o->twice},     {"--verbose", &o->verbose},
                 {"--write", &o->write},     {"--shrink", &o->shrink},
                 {"--quiet", &o->quiet},     {"--no-shrink", &o->no_shrink},
                 {"--deletes", &o->deletes}, {"--healing", &o->healing}};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (strcmp(name, flags[i].name) == 0)
            return *flags[i].value = true;
    }
    return false;
}

static uint32_t workload_number(const char *name)
{
    for (uint32_t i = 0; workloads_all[i] != NULL; i++) {
        if (strcmp(workloads_all[i]->name, name) == 0)
            return i;
    }
    return SCENARIO_WORKLOADS_MAX;
}

/* One option and its value; false when it is none. */
static bool option(const char *name, const char *value, struct options *o)
{
    uint64_t n;
    if (strcmp(name, "--scenario") == 0) {
        o->scenario = value;
        return true;
    }
    if (strcmp(name, "--workload") == 0) {
        o->workload = value;
        return workload_number(value) < SCENARIO_WORKLOADS_MAX;
    }
    o->seeded |= strcmp(name, "--seed") == 0 || strcmp(name, "--seeds") == 0;
    if (strcmp(name, "--seeds") == 0)
        return seeds(value, o);
    if (strcmp(name, "--mutant") == 0)
        return mutant_choose(value);
    if (!number(value, UINT64_MAX, &n))
        return false;
    if (strcmp(name, "--seed") == 0)
        o->first = o->last = n;
    else if (strcmp(name, "--nodes") == 0 && n >= 3 && n <= SIM_NODES_MAX)
        o->nodes = (uint32_t)n;
    else if (strcmp(name, "--seconds") == 0 && n >= 1 && n <= 100000)
        o->time_us = (usec)n * USEC_PER_SEC;
    else if (strcmp(name, "--shrink-runs") == 0)
        o->shrink_runs = n;
    else
        return false;
    return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        if (flag(argv[i], o))
            continue;
        if (i + 1 < argc && option(argv[i], argv[i + 1], o)) {
            i++;
            continue;
        }
        fprintf(stderr, "torc-sim: %s: not understood\n\n%s", argv[i], help);
        return false;
    }
    return true;
}

/* --- what is printed */

static void print_line(void *arg, const char *line)
{
    (void)arg;
    printf("%s\n", line);
}

struct tail { /* the last lines */
    char *lines[TAIL_MAX];
    uint64_t count;
};

/* What goes on all the time, whatever happens: two thirds of a trace. */
static bool is_routine(const char *line)
{
    static const char *const ends[] = {"fsync done", "datagram", "META_APPLIED", "CLOCK_DIGESTS",
                                       "CLOCKS"};
    size_t len = strlen(line);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t n = strlen(ends[i]);
        if (len >= n && strcmp(line + len - n, ends[i]) == 0)
            return true;
    }
    return false;
}

static void keep_line(void *arg, const char *line)
{
    struct tail *t = arg;
    if (is_routine(line))
        return;
    char **at = &t->lines[t->count++ % TAIL_MAX];
    mem_free(*at);
    *at = mem_text(line);
}

static void print_tail(struct tail *t)
{
    uint64_t first = t->count > TAIL_MAX ? t->count - TAIL_MAX : 0;
    printf("    the last %" PRIu64 " lines of %" PRIu64 ", but for routine (--verbose has all):\n",
           t->count - first, t->count);
    for (uint64_t i = first; i < t->count; i++)
        printf("    %s\n", t->lines[i % TAIL_MAX]);
    for (size_t i = 0; i < TAIL_MAX; i++)
        mem_free(t->lines[i]);
}

static void print_scenario(const struct scenario *s)
{
    struct buf text;
    buf_init(&text, SCENARIO_FILE_MAX);
    scenario_write(s, &text);
    printf("%.*s", (int)text.len, (const char *)text.data);
    buf_close(&text);
}

static void print_result(const char *name, const struct scenario *s, const struct run_result *r)
{
    const struct load_counts *c = &r->counts;
    printf("%s: %s hash %016" PRIx64 " nodes %u events %" PRIu64 " writes %" PRIu64
           " acked %" PRIu64 " reads %" PRIu64 " answered %" PRIu64 " held %" PRIu64
           " repeated %" PRIu64 " given up %" PRIu64 " faults %" PRIu64
           " converged in %.1f s, forgotten in %.1f s\n",
           name, r->good ? "ok" : "FAILED", r->hash, (unsigned)s->nodes, r->events, c->writes,
           c->acked, c->reads, c->answered, c->held, c->again, c->given_up, r->faults_count,
           (double)r->converged_us / 1e6, (double)r->forgotten_us / 1e6);
    if (!r->good)
        printf("    at %.3f s: %s\n", (double)r->end_us / 1e6, r->why.text);
}

static void print_progress(void *arg, uint64_t runs, const struct scenario *s)
{
    (void)arg;
    fprintf(stderr,
            "\r    made smaller: %zu faults, %.1f s, %u nodes, %u clients (%" PRIu64 " runs) ",
            s->faults_count, (double)s->time_us / 1e6, (unsigned)s->nodes,
            (unsigned)s->clients.count, runs);
}

/* --- running */

static void make_smaller(const struct options *o, struct scenario *s)
{
    struct run_result r;
    struct shrink_config config = {
        .runs_max = o->shrink_runs, .run = run_in_child, .progress = print_progress};
    uint64_t runs = shrink(s, &config, &r);
    fprintf(stderr, "\n");
    if (r.good)
        return;
    struct tail tail = {.count = 0};
    struct run_config again = {.scenario = s, .print = keep_line, .print_arg = &tail};
    run_in_child(&again, &r);
    printf("    the smallest found that fails, after %" PRIu64 " runs (torc-sim --scenario):\n",
           runs);
    print_scenario(s);
    print_tail(&tail);
    printf("    at %.3f s: %s\n", (double)r.end_us / 1e6, r.why.text);
}

static bool run_one(const struct options *o, const char *name, const char *repeat,
                    struct scenario *s, struct totals *t)
{
    struct run_result r, again;
    struct run_config config = {.scenario = s, .print = o->verbose ? print_line : NULL};
    run_in_child(&config, &r);
    if (r.good && o->twice) {
        run_in_child(&config, &again);
        if (!again.good || again.hash != r.hash)
            r.good = errmsg_set(&r.why, ERR_FAILED, "the second run had the hash %016" PRIx64,
                                again.hash) == ERR_OK;
    }
    t->runs++;
    t->failed += !r.good;
    t->simulated_us += s->time_us;
    t->answered += r.counts.answered;
    t->held += r.counts.held;
    t->deletes += r.counts.deletes;
    t->nothing_held += r.counts.held == 0;
    t->lost += r.lost;
    t->mended += r.mended;
    t->crossed += r.crossed;
    t->alike += r.alike;
    t->repairs.begun += r.repairs.begun;
    t->repairs.cut += r.repairs.cut;
    for (int i = 0; i < FAULT_COUNT; i++) {
        t->with_fault[i] += r.faults[i] > 0;
        t->faults[i] += r.faults[i];
    }
    if (!r.good || !o->quiet)
        print_result(name, s, &r);
    if (!r.good)
        printf("    repeat: torc-sim %s --seconds %" PRId64 "\n", repeat,
               o->time_us / USEC_PER_SEC);
    fflush(stdout);
    bool one = o->first == o->last;
    if (!r.good && (o->shrink || (one && !o->no_shrink && !o->verbose)))
        make_smaller(o, s);
    fflush(stdout);
    return r.good;
}

static void run_seed(const struct options *o, uint64_t seed, struct totals *t)
{
    struct scenario s;
    char name[64], repeat[128], of_nodes[32] = "", alone[48] = "";
    snprintf(name, sizeof name, "seed %" PRIu64, seed);
    if (o->nodes != 0)
        snprintf(of_nodes, sizeof of_nodes, " --nodes %u", (unsigned)o->nodes);
    if (o->workload != NULL)
        snprintf(alone, sizeof alone, " --workload %s", o->workload);
    snprintf(repeat, sizeof repeat, "--seed %" PRIu64 "%s%s%s", seed, of_nodes,
             o->deletes   ? " --deletes"
             : o->healing ? " --healing"
                          : "",
             alone);
    if (o->deletes)
        scenario_draw_deletes(seed, o->nodes, o->time_us, &s);
    else if (o->healing)
        scenario_draw_healing(seed, o->nodes, o->time_us, &s);
    else
        scenario_draw(seed, o->nodes, o->time_us, &s);
    if (o->workload != NULL) {
        memset(s.workloads, 0, sizeof s.workloads);
        s.workloads[workload_number(o->workload)] = 1;
    }
    if (o->write)
        print_scenario(&s);
    else
        run_one(o, name, repeat, &s, t);
    scenario_close(&s);
}

static bool read_scenario(const struct options *o, struct scenario *ret)
{
    struct buf text;
    struct errmsg why;
    FILE *file = fopen(o->scenario, "r");
    if (file == NULL) {
        fprintf(stderr, "torc-sim: %s: cannot be read\n", o->scenario);
        return false;
    }
    buf_init(&text, SCENARIO_FILE_MAX);
    uint8_t chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_put(&text, chunk, n);
    fclose(file);
    enum err err = scenario_read(buf_bytes(&text), ret, &why);
    buf_close(&text);
    if (err != ERR_OK)
        fprintf(stderr, "torc-sim: %s:%s\n", o->scenario, why.text);
    return err == ERR_OK;
}

/* The scenario of the file, with each of the seeds if any were given. */
static bool run_file(struct options *o, struct totals *t)
{
    struct scenario file, s;
    char name[4096], repeat[4096];
    if (!read_scenario(o, &file))
        return false;
    o->time_us = file.time_us;
    for (uint64_t seed = o->first;; seed++) {
        scenario_copy(&file, &s);
        s.seed = o->seeded ? seed : file.seed;
        snprintf(name, sizeof name, "%s seed %" PRIu64, o->scenario, s.seed);
        snprintf(repeat, sizeof repeat, "--scenario %s --seed %" PRIu64, o->scenario, s.seed);
        run_one(o, name, repeat, &s, t);
        scenario_close(&s);
        if (seed == o->last)
            break;
    }
    scenario_close(&file);
    return true;
}

static void print_mutants(void)
{
    for (int i = 1; i < MUTANT_COUNT; i++)
        printf("%-25s %s\n", mutant_name((enum mutant)i), mutant_text((enum mutant)i));
}

static void print_totals(const struct totals *t, double real_s)
{
    double simulated_s = (double)t->simulated_us / 1e6;
    printf("in how many of the runs each fault happened, and how often:\n");
    for (int i = 0; i < FAULT_COUNT; i++)
        printf("    %-14s %5.1f %% %8" PRIu64 "\n", fault_name((enum fault_kind)i),
               100.0 * (double)t->with_fault[i] / (double)t->runs, t->faults[i]);
    printf("%" PRIu64 " reads answered; %" PRIu64
           " had to show what was written before; in %" PRIu64 " of the runs none\n",
           t->answered, t->held, t->nothing_held);
    printf("%" PRIu64 " deletes by the workload of that name\n", t->deletes);
    printf("%" PRIu64 " partitions lost by one replica; %" PRIu64
           " rows crossed the wire in sessions, %" PRIu64 " to who had them by then; %" PRIu64
           " rows differed when all else was healed\n",
           t->lost, t->crossed, t->alike, t->mended);
    printf("%" PRIu64 " repair runs; %" PRIu64
           " times the process of a manager ended in the middle\n",
           t->repairs.begun, t->repairs.cut);
    printf("%.0f simulated seconds in %.1f s of CPU: %.0f a second\n", simulated_s, real_s,
           simulated_s / real_s);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", t->runs - t->failed, t->failed);
}

/* Of all runs. */
static double cpu_seconds(void)
{
    struct rusage r;
    if (getrusage(RUSAGE_CHILDREN, &r) != 0)
        return 0;
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    struct options o = {.first = 1, .last = 1, .time_us = 30 * USEC_PER_SEC, .shrink_runs = 400};
    struct totals t = {.runs = 0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("%s", help);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--mutants") == 0) {
        print_mutants();
        return 0;
    }
    if (!parse(argc, argv, &o))
        return 2;
    if (o.scenario != NULL && !run_file(&o, &t))
        return 2;
    for (uint64_t seed = o.first; o.scenario == NULL; seed++) {
        run_seed(&o, seed, &t);
        if (seed == o.last)
            break;
    }
    if (o.last > o.first && !o.write)
        print_totals(&t, cpu_seconds());
    return t.failed > 0;
}
