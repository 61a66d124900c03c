#include "node/sim/run/scenario.h"

#include "base/mem.h"
#include "base/rng.h"
#include "node/sim/run/workload.h"

#include <string.h>

#define MS(n)      ((n)*USEC_PER_MS)
#define SECONDS(n) ((n)*USEC_PER_SEC)
#define HALF       500000
#define JUMP_MAX   SECONDS(3600)

const char *fault_name(enum fault_kind kind)
{
    static const char *const names[FAULT_COUNT] = {
#define X(name, operands, unit, text) #name,
        FAULT_LIST(X)
#undef X
    };
    return names[kind];
}

unsigned fault_operands(enum fault_kind kind)
{
    static const unsigned operands_of[FAULT_COUNT] = {
#define X(name, operands, unit, text) operands,
        FAULT_LIST(X)
#undef X
    };
    return operands_of[kind];
}

void scenario_close(struct scenario *s)
{
    mem_free(s->faults);
    s->faults = NULL;
    s->faults_count = 0;
}

void scenario_copy(const struct scenario *s, struct scenario *ret)
{
    *ret = *s;
    ret->faults = mem_copy(s->faults, s->faults_count * sizeof *s->faults);
}

/* From low to high, each order of magnitude as likely as the next. */
static int64_t spread(struct rng *r, int64_t low, int64_t high)
{
    int64_t top = low;
    unsigned doublings = 0;
    while (top < high) {
        top *= 2;
        doublings++;
    }
    int64_t from = low << rng_below(r, doublings + 1);
    int64_t v = rng_between(r, from, 2 * from);
    return v < high ? v : high;
}

/* --- faults: how often which kind, drawn anew for each seed */

struct mixture {
    uint32_t weights[FAULT_COUNT];
    usec every_us, lasts_us;
    usec jump_us; /* of clocks, at most: an hour in each run would leave few runs in which the
                     order of server timestamps can be judged */
};

/* A join moves ranges, a lost disk is copied: while that goes on little else can be seen. */
static uint32_t frequency(enum fault_kind kind)
{
    switch (kind) {
    case FAULT_join:
    case FAULT_lose_disk:
    case FAULT_flip_bits: return 5;
    case FAULT_crash_all:
    case FAULT_full_disk:
    case FAULT_clock_jump:
    case FAULT_stop: return 4;
    default: return 10;
    }
}

static void draw_mixture(struct rng *r, struct mixture *m)
{
    uint32_t in_million = (uint32_t)rng_between(r, 150000, 850000);
    for (int i = 0; i <= FAULT_join; i++) {
        bool on = rng_chance(r, in_million);
        m->weights[i] = on ? frequency((enum fault_kind)i) * (uint32_t)rng_between(r, 1, 10) : 0;
    }
    m->weights[FAULT_cut]++;
    m->every_us = spread(r, MS(200), SECONDS(20));
    m->lasts_us = spread(r, MS(50), SECONDS(15));
    m->jump_us = spread(r, MS(1), JUMP_MAX);
}

/* Sessions by trees in some runs; by a generator of its own, so that the others are what they would
 * be without. Rows are lost in runs of --healing alone. */
static void draw_sessions(const struct scenario *s, struct mixture *m)
{
    struct rng r;
    rng_init(&r, s->seed ^ 0x4ea1);
    if (!rng_chance(&r, HALF / 3))
        return;
    m->weights[FAULT_compare] = (uint32_t)rng_between(&r, 1, 40);
}

/* In some runs the copies of rows change all the time: two QUORUMs meet for all that, and other
 * levels may not. One copy is enough for that, but not where disks are lost. */
static void draw_alters(struct scenario *s, struct mixture *m)
{
    struct rng r;
    rng_init(&r, s->seed ^ 0xa17e4);
    if (!rng_chance(&r, HALF / 3))
        return;
    m->weights[FAULT_alter] = (uint32_t)rng_between(&r, 10, 60);
    m->weights[FAULT_lose_disk] = m->weights[FAULT_flip_bits] = 0;
    memset(s->levels, 0, sizeof s->levels);
    s->levels[SCENARIO_QUORUM] = 1;
}

static enum fault_kind draw_kind(struct rng *r, const struct mixture *m)
{
    uint64_t total = 0;
    int kind = 0;
    for (int i = 0; i < FAULT_COUNT; i++)
        total += m->weights[i];
    uint64_t at = rng_below(r, total);
    while (at >= m->weights[kind])
        at -= m->weights[kind++];
    return (enum fault_kind)kind;
}

static int64_t draw_amount(struct rng *r, const struct mixture *m, enum fault_kind kind)
{
    int64_t sign = rng_chance(r, HALF) ? 1 : -1;
    switch (kind) {
    case FAULT_flap: return spread(r, MS(2), SECONDS(2));
    case FAULT_slow_link: return spread(r, MS(1), SECONDS(1));
    case FAULT_thin_link: return spread(r, 2000, 1000000);
    case FAULT_loss: return spread(r, 1000, 600000);
    case FAULT_duplicates: return spread(r, 1000, 500000);
    case FAULT_crash_in_turn: return rng_between(r, 0, 5);
    case FAULT_slow_node: return spread(r, 50, MS(20));
    case FAULT_slow_disk: return spread(r, MS(5), SECONDS(1));
    case FAULT_read_error: return spread(r, 2, 1000);
    case FAULT_flip_bits: return rng_between(r, 1, 20);
    case FAULT_lose_rows: return spread(r, 1, 50);
    case FAULT_compare: return rng_between(r, 0, 3);
    case FAULT_repair: return rng_between(r, 0, 7);
    case FAULT_alter: return rng_between(r, 1, 5);
    case FAULT_clock_jump: return sign * spread(r, MS(1), m->jump_us);
    case FAULT_clock_drift: return sign * spread(r, 10, 20000);
    default: return 0;
    }
}

static void draw_faults(struct rng *r, const struct mixture *mixture, struct scenario *s)
{
    struct mixture m = *mixture;
    size_t cap = 0;
    usec at = rng_between(r, 0, 2 * m.every_us);
    while (at < s->time_us && s->faults_count < SCENARIO_FAULTS_MAX) {
        s->faults = mem_grow(s->faults, s->faults_count, &cap, sizeof *s->faults);
        struct fault *f = &s->faults[s->faults_count++];
        memset(f, 0, sizeof *f);
        f->at = at;
        f->kind = draw_kind(r, &m);
        f->lasts_us = rng_between(r, MS(1), m.lasts_us);
        f->a = (unsigned)rng_between(r, 1, SIM_NODES_MAX);
        f->b = (unsigned)rng_between(r, 1, SIM_NODES_MAX);
        f->amount = draw_amount(r, &m, f->kind);
        at += rng_between(r, MS(1), 2 * m.every_us);
    }
}

/* --- the rest */

/* Time for a few messages: who waits less hears nothing, ever. */
static usec patience(const struct scenario *s)
{
    return 10 * (s->network.latency_us + s->network.jitter_us + s->disk_us);
}

static void draw_clients(struct rng *r, struct scenario *s)
{
    s->clients.count = (uint32_t)rng_between(r, 2, 12);
    /* Requests a second, all clients together. */
    s->clients.think_us = 2 * SECONDS(s->clients.count) / spread(r, 10, 200);
    s->clients.timeout_us =
        rng_chance(r, HALF) ? SECONDS(12) : patience(s) + spread(r, MS(1), SECONDS(10));
    s->clients.retry_ppm = rng_chance(r, HALF) ? (uint32_t)rng_between(r, 10000, 1000000) : 0;
    s->clients.leave_ppm = rng_chance(r, HALF) ? (uint32_t)rng_between(r, 100, 20000) : 0;
    s->clients.size = (uint32_t)rng_between(r, 1, 100);
    uint32_t workloads = 0;
    while (workloads_all[workloads] != NULL && workload_is_drawn(workloads_all[workloads]))
        workloads++;
    for (uint32_t i = 0; i < workloads; i++)
        s->workloads[i] = rng_chance(r, HALF) ? (uint32_t)rng_between(r, 1, 10) : 0;
    s->workloads[rng_below(r, workloads)]++;
    for (size_t i = 0; i < ARRAY_LEN(s->levels); i++)
        s->levels[i] = rng_chance(r, HALF) ? (uint32_t)rng_between(r, 1, 5) : 0;
    s->levels[SCENARIO_QUORUM] += 2;
}

/* Small limits get the run into code that is rarely needed. */
static void draw_limits(struct rng *r, struct scenario *s)
{
    struct sim_limits *l = &s->limits;
    if (rng_chance(r, HALF))
        return;
    if (rng_chance(r, HALF / 2))
        l->write_timeout_us = patience(s) + spread(r, MS(10), SECONDS(2));
    if (rng_chance(r, HALF / 2))
        l->read_timeout_us = l->range_timeout_us = patience(s) + spread(r, MS(10), SECONDS(5));
    if (rng_chance(r, HALF / 2))
        l->probe_interval_us = spread(r, MS(100), SECONDS(5));
    if (rng_chance(r, HALF / 2))
        l->in_flight_max = (size_t)spread(r, 4096, 1 << 20);
    if (rng_chance(r, HALF / 2))
        l->pull_bytes_max = (uint32_t)spread(r, 256, 1 << 20);
    if (rng_chance(r, HALF / 2))
        l->frame_max = (size_t)spread(r, 64 << 10, 1 << 20);
    if (rng_chance(r, HALF / 2))
        l->link_out_max = (size_t)spread(r, 32 << 10, 4 << 20);
}

/* In a third of the runs range logs are so short that who was away needs the trees. */
static void draw_log_bounds(struct rng *r, struct scenario *s)
{
    struct sim_limits *l = &s->limits;
    if (!rng_chance(r, 333333))
        return;
    l->log_tails_max = (size_t)spread(r, 64, 4096);
    l->log_min = (uint64_t)spread(r, 64, 4096);
    l->log_max = l->log_min + (uint64_t)spread(r, 256, 16384);
    l->log_window_us = spread(r, SECONDS(2), SECONDS(120));
}

/* Mostly three. */
static uint32_t draw_copies(struct rng *r, const struct scenario *s)
{
    if (s->dcs == 2)
        return 2;
    if (rng_chance(r, HALF / 5))
        return (uint32_t)rng_between(r, 1, 2);
    return s->nodes >= 5 && rng_chance(r, HALF / 5) ? 5 : 3;
}

/* Counters are exact for who sends again within the window; so it is longer than a request can be
 * held up by a node that stands still, and clients send again in its first quarter only. */
static void draw_counter_window(struct rng *r, struct scenario *s)
{
    usec held_up = 0;
    for (size_t i = 0; i < s->faults_count; i++) {
        const struct fault *f = &s->faults[i];
        bool holds =
            f->kind == FAULT_pause || f->kind == FAULT_slow_node || f->kind == FAULT_slow_disk;
        if (holds && f->lasts_us > held_up)
            held_up = f->lasts_us;
    }
    s->limits.counter_window_us = held_up * 3 / 2 + SECONDS(1) + spread(r, SECONDS(1), SECONDS(20));
}

void scenario_draw(uint64_t seed, uint32_t nodes, usec time_us, struct scenario *ret)
{
    struct rng r;
    struct scenario *s = ret;
    memset(s, 0, sizeof *s);
    rng_init(&r, seed);
    struct rng fault_rng = rng_fork(&r);
    s->seed = rng_next(&r);
    s->time_us = time_us;
    s->nodes = nodes != 0 ? nodes : (uint32_t)rng_between(&r, 3, 5);
    s->dcs = s->nodes >= 4 && rng_chance(&r, 150000) ? 2 : 1;
    s->racks = rng_chance(&r, HALF / 2) ? (uint32_t)rng_between(&r, 2, 3) : 1;
    s->rf = draw_copies(&r, s);
    s->ring_ranges = 16u << rng_below(&r, 3);
    s->network.latency_us = spread(&r, 100, MS(20));
    s->network.jitter_us = rng_chance(&r, HALF / 5) ? 0 : spread(&r, 50, MS(20));
    s->disk_us = spread(&r, 50, MS(20));
    if (rng_chance(&r, HALF))
        s->clocks.offset_us = spread(&r, 10, MS(200));
    if (rng_chance(&r, HALF))
        s->clocks.drift_ppm = (int32_t)spread(&r, 1, 500);
    if (rng_chance(&r, HALF / 4))
        s->forming_us = spread(&r, MS(100), SECONDS(10));
    draw_clients(&r, s);
    draw_limits(&r, s);
    s->away_max = (uint32_t)rng_between(&r, 1, rng_chance(&r, HALF) ? 1 : s->nodes);
    if (rng_chance(&r, 950000)) { /* else a run without any fault */
        struct mixture m = {.every_us = 0};
        draw_mixture(&fault_rng, &m);
        draw_sessions(s, &m);
        draw_alters(s, &m);
        draw_faults(&fault_rng, &m, s);
    }
    draw_counter_window(&fault_rng, s);
    s->limits.purge_hold_us = rng_chance(&r, HALF) ? SECONDS(2) : SECONDS(30);
    draw_log_bounds(&r, s);
    if (rng_chance(&r, HALF)) /* members that are killed make way for others, and come back */
        s->limits.away_us = spread(&r, MS(500), SECONDS(10));
}

/* --- deletes */

/* What takes a replica away or holds its messages up, while clocks are far apart. */
static void mix_for_deletes(struct rng *r, struct mixture *m)
{
    static const enum fault_kind kinds[] = {
        FAULT_cut,           FAULT_cut_one_way, FAULT_isolate,   FAULT_split,     FAULT_flap,
        FAULT_slow_link,     FAULT_loss,        FAULT_kill,      FAULT_crash,     FAULT_crash_all,
        FAULT_crash_in_turn, FAULT_pause,       FAULT_slow_disk, FAULT_lose_disk, FAULT_clock_jump,
        FAULT_clock_jump,    FAULT_clock_drift};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        m->weights[kinds[i]] += (uint32_t)rng_between(r, 1, 10);
    m->weights[FAULT_join] = (uint32_t)rng_below(r, 3);
    m->every_us = spread(r, MS(200), SECONDS(5));
    m->lasts_us = spread(r, MS(50), SECONDS(15));
    m->jump_us = SECONDS(10);
}

/* Other faults than those that it was drawn with. */
static void draw_anew(struct rng *r, const struct mixture *m, struct scenario *s)
{
    scenario_close(s);
    s->faults_count = 0;
    draw_faults(r, m, s);
    draw_counter_window(r, s);
}

void scenario_draw_deletes(uint64_t seed, uint32_t nodes, usec time_us, struct scenario *ret)
{
    struct rng r;
    struct scenario *s = ret;
    struct mixture m = {.every_us = 0};
    scenario_draw(seed, nodes, time_us, s);
    rng_init(&r, s->seed ^ 0xde1);
    for (int i = 0; workloads_all[i] != NULL; i++) {
        bool here = strcmp(workloads_all[i]->name, "deletes") == 0;
        s->workloads[i] = here ? 40 : (s->workloads[i] > 0 && rng_chance(&r, HALF / 2));
    }
    for (size_t i = 0; i < ARRAY_LEN(s->levels); i++)
        s->levels[i] = rng_chance(&r, HALF / 2) ? 1 : 0;
    s->levels[SCENARIO_QUORUM] = 10;
    s->clients.count = (uint32_t)rng_between(&r, 4, 16);
    s->clients.think_us = 2 * SECONDS(s->clients.count) / spread(&r, 50, 400);
    s->limits.purge_hold_us = SECONDS(2);
    mix_for_deletes(&r, &m);
    draw_anew(&r, &m, s);
}

/* --- healing */

/* Rows of one replica are lost again and again, and looked for, while all else goes on that breaks
 * sessions off: disks are lost and damaged, and nodes join in half of the runs. A session promises
 * what the clocks of replicas say, so it is not judged where they say what is not there. */
static void mix_for_healing(struct rng *r, struct mixture *m)
{
    draw_mixture(r, m);
    for (int i = 0; i <= FAULT_join; i++)
        m->weights[i] = rng_chance(r, HALF) ? m->weights[i] : 0;
    m->weights[FAULT_kill]++;
    m->weights[FAULT_cut]++;
    m->weights[FAULT_lose_rows] = 40;
    if (rng_chance(r, HALF)) {
        m->weights[FAULT_lose_disk] += 10;
        m->weights[FAULT_flip_bits] += 10;
        m->weights[FAULT_join] += 3;
    }
    m->weights[FAULT_compare] = 80;
    m->weights[FAULT_repair] = 20;
    m->every_us = spread(r, MS(200), SECONDS(3));
    m->lasts_us = spread(r, MS(50), SECONDS(5));
}

void scenario_draw_healing(uint64_t seed, uint32_t nodes, usec time_us, struct scenario *ret)
{
    struct rng r;
    struct scenario *s = ret;
    struct mixture m = {.every_us = 0};
    scenario_draw(seed, nodes, time_us, s);
    rng_init(&r, s->seed ^ 0x4ea1);
    uint64_t all = 0;
    for (int i = 0; workloads_all[i] != NULL; i++) {
        if (strcmp(workloads_all[i]->name, "sessions") == 0)
            s->workloads[i] = 0;
        all += s->workloads[i];
    }
    s->workloads[0] += all == 0;
    s->rf = s->dcs == 2 ? 2 : s->rf < 3 ? 3 : s->rf;
    s->limits.purge_hold_us = SECONDS(2);
    if (rng_chance(&r, HALF)) /* nobody begins sessions but who is asked: all figures are exact */
        s->limits.scrub_us = SECONDS(36000);
    mix_for_healing(&r, &m);
    draw_anew(&r, &m, s);
}
