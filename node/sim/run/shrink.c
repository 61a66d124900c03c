#include "node/sim/run/shrink.h"

#include "base/mem.h"

#include <string.h>

#define SHORTER_BY (2 * USEC_PER_SEC)

struct shrinker {
    struct scenario *best;
    struct run_result *result; /* of the best */
    const struct shrink_config *config;
    uint64_t runs;
};

static bool is_over(const struct shrinker *k)
{
    return k->runs >= k->config->runs_max;
}

/* Run the candidate; when it fails it is the best from now on. Takes the candidate. */
static bool attempt(struct shrinker *k, struct scenario *candidate)
{
    struct run_result r;
    struct run_config config = {.scenario = candidate};
    if (is_over(k)) {
        scenario_close(candidate);
        return false;
    }
    k->config->run(&config, &r);
    k->runs++;
    if (r.good) {
        scenario_close(candidate);
        return false;
    }
    scenario_close(k->best);
    *k->best = *candidate;
    *k->result = r;
    if (k->config->progress != NULL)
        k->config->progress(k->config->progress_arg, k->runs, k->best);
    return true;
}

/* --- faults */

static bool without_faults(struct shrinker *k, size_t first, size_t count)
{
    struct scenario c;
    scenario_copy(k->best, &c);
    memmove(&c.faults[first], &c.faults[first + count],
            (c.faults_count - first - count) * sizeof *c.faults);
    c.faults_count -= count;
    return attempt(k, &c);
}

/* Leave out halves, quarters, … single faults. From the end: the first ones tend to matter less to
 * what follows than the other way round, but what went wrong is near the end. */
static bool fewer_faults(struct shrinker *k)
{
    bool better = false;
    size_t size = k->best->faults_count;
    while (size > 0 && !is_over(k)) {
        for (size_t at = 0; at < k->best->faults_count && !is_over(k);) {
            size_t left = k->best->faults_count - at;
            if (without_faults(k, at, size < left ? size : left))
                better = true;
            else
                at += size;
        }
        size /= 2;
    }
    return better;
}

/* --- everything else */

static bool shorter(struct shrinker *k)
{
    struct scenario c;
    usec end = k->result->end_us;
    if (end <= 0 || end >= k->best->time_us)
        end = k->best->time_us - SHORTER_BY;
    if (end <= 0)
        return false;
    scenario_copy(k->best, &c);
    c.time_us = end;
    while (c.faults_count > 0 && c.faults[c.faults_count - 1].at > end)
        c.faults_count--;
    return attempt(k, &c);
}

/* All that happens, so much earlier. */
static bool earlier(struct shrinker *k, usec by)
{
    struct scenario c;
    if (by <= 0 || k->best->time_us <= by)
        return false;
    scenario_copy(k->best, &c);
    c.time_us -= by;
    for (size_t i = 0; i < c.faults_count; i++)
        c.faults[i].at = c.faults[i].at > by ? c.faults[i].at - by : 0;
    return attempt(k, &c);
}

static bool shorter_faults(struct shrinker *k)
{
    bool better = false;
    for (size_t i = 0; i < k->best->faults_count && !is_over(k); i++) {
        struct scenario c;
        if (k->best->faults[i].lasts_us < SHORTER_BY / 1000)
            continue;
        scenario_copy(k->best, &c);
        c.faults[i].lasts_us /= 2;
        better |= attempt(k, &c);
    }
    return better;
}

static bool fewer_workloads(struct shrinker *k)
{
    bool better = false;
    for (size_t i = 0; i < SCENARIO_WORKLOADS_MAX; i++) {
        struct scenario c;
        uint32_t others = 0;
        for (size_t other = 0; other < SCENARIO_WORKLOADS_MAX; other++)
            others += other != i ? k->best->workloads[other] : 0;
        if (k->best->workloads[i] == 0 || others == 0)
            continue;
        scenario_copy(k->best, &c);
        c.workloads[i] = 0;
        better |= attempt(k, &c);
    }
    return better;
}

static bool fewer_requests(struct shrinker *k)
{
    struct scenario c;
    const struct load_counts *n = &k->result->counts;
    uint64_t asked = n->writes + n->reads;
    if (asked < 4)
        return false;
    scenario_copy(k->best, &c);
    c.clients.requests_max = asked / 2;
    if (attempt(k, &c))
        return true;
    scenario_copy(k->best, &c);
    c.clients.requests_max = asked - asked / 8 - 1;
    return attempt(k, &c);
}

/* X(what is simpler) */
#define SIMPLER(X)                                                                                 \
    X(c.nodes = c.nodes > 3 && c.dcs == 1 && c.nodes > c.rf ? c.nodes - 1 : c.nodes)               \
    X(c.clients.count = c.clients.count > 1 ? c.clients.count / 2 : 1)                             \
    X(c.clients.count = c.clients.count > 1 ? c.clients.count - 1 : 1)                             \
    X(c.forming_us = 0)                                                                            \
    X(c.clients.retry_ppm = 0)                                                                     \
    X(c.clients.leave_ppm = 0)                                                                     \
    X(c.clients.old_ppm = 0)                                                                       \
    X(c.clients.size = 1)                                                                          \
    X(c.network.jitter_us = 0)                                                                     \
    X(c.network.latency_us = 500)                                                                  \
    X(c.disk_us = 300)                                                                             \
    X(c.clocks.offset_us = 0)                                                                      \
    X(c.clocks.drift_ppm = 0)                                                                      \
    X(c.limits = (struct sim_limits){0})                                                           \
    X(c.racks = 1)                                                                                 \
    X(c.ring_ranges = 16)                                                                          \
    X(c.away_max = 1)

static bool simpler(struct shrinker *k)
{
    bool better = false;
#define X(change)                                                                                  \
    {                                                                                              \
        struct scenario c;                                                                         \
        scenario_copy(k->best, &c);                                                                \
        change;                                                                                    \
        struct fault *faults = c.faults;                                                           \
        c.faults = k->best->faults;                                                                \
        bool same = memcmp(&c, k->best, sizeof c) == 0;                                            \
        c.faults = faults;                                                                         \
        if (same)                                                                                  \
            scenario_close(&c);                                                                    \
        else                                                                                       \
            better |= attempt(k, &c);                                                              \
    }
    SIMPLER(X)
#undef X
    return better;
}

uint64_t shrink(struct scenario *s, const struct shrink_config *config,
                struct run_result *ret_result)
{
    struct shrinker k = {.best = s, .result = ret_result, .config = config};
    struct run_config first = {.scenario = s};
    config->run(&first, ret_result);
    bool better = !ret_result->good;
    while (better && !is_over(&k)) {
        better = shorter(&k);
        better |= fewer_workloads(&k);
        better |= fewer_faults(&k);
        better |= earlier(&k, s->time_us / 2) || earlier(&k, s->time_us / 10);
        better |= shorter_faults(&k);
        better |= fewer_requests(&k);
        better |= simpler(&k);
    }
    return k.runs;
}
