#include "node/sim/run/fault.h"

#include "base/mem.h"

#include <string.h>

static const char *const names[FAULT_COUNT] = {
    "cut", "cut one way", "isolate", "crash", "kill", "pause", "stop", "crash all", "join",
};

void fault_init(struct fault_plan *f, struct sim *sim)
{
    memset(f, 0, sizeof *f);
    f->sim = sim;
    f->rng = rng_fork(sim_rng(sim));
    /* A swarm: about half of the kinds, so that rare combinations are not drowned by the rest. */
    for (int i = 0; i < FAULT_COUNT; i++)
        f->weights[i] = rng_chance(&f->rng, 500000) ? (uint32_t)rng_between(&f->rng, 1, 10) : 0;
    f->weights[FAULT_CUT]++;
    f->weights[FAULT_STOP] /= 3;
    f->weights[FAULT_CRASH_ALL] /= 4;
    f->weights[FAULT_JOIN] /= 2;
    f->every_us = rng_between(&f->rng, 200, 3000) * USEC_PER_MS;
    f->lasts_us = rng_between(&f->rng, 100, 8000) * USEC_PER_MS;
    f->down_max = (unsigned)rng_between(&f->rng, 1, sim_nodes(sim));
    f->next = sim_now(sim) + rng_between(&f->rng, 0, 2 * f->every_us);
}

usec fault_next(const struct fault_plan *f)
{
    usec next = f->next;
    for (size_t i = 0; i < f->recoveries_count; i++) {
        if (f->recoveries[i].at < next)
            next = f->recoveries[i].at;
    }
    return next;
}

static unsigned any_node(struct fault_plan *f)
{
    return (unsigned)rng_between(&f->rng, 1, sim_nodes(f->sim));
}

static void recover_later(struct fault_plan *f, enum fault_kind kind, unsigned a, unsigned b)
{
    ASSERT(f->recoveries_count < FAULT_RECOVERIES_MAX);
    f->recoveries[f->recoveries_count].at =
        sim_now(f->sim) + rng_between(&f->rng, USEC_PER_MS, f->lasts_us);
    f->recoveries[f->recoveries_count].kind = kind;
    f->recoveries[f->recoveries_count].a = a;
    f->recoveries[f->recoveries_count++].b = b;
}

static unsigned count_away(const struct fault_plan *f)
{
    unsigned away = 0;
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++)
        away += !sim_is_up(f->sim, i) || sim_is_paused(f->sim, i);
    return away;
}

static void crash_all(struct fault_plan *f)
{
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++) {
        if (!sim_is_up(f->sim, i) || sim_is_paused(f->sim, i))
            continue; /* a paused node has not heard of its fsyncs: too long ago for the history */
        sim_crash(f->sim, i);
        recover_later(f, FAULT_CRASH, i, 0);
    }
}

/* The faults that take a node away. */
static void take_away(struct fault_plan *f, enum fault_kind kind, unsigned node)
{
    if (!sim_is_up(f->sim, node) || sim_is_paused(f->sim, node) || count_away(f) >= f->down_max)
        return;
    switch (kind) {
    case FAULT_CRASH: sim_crash(f->sim, node); break;
    case FAULT_KILL: sim_kill(f->sim, node); break;
    case FAULT_PAUSE: sim_pause(f->sim, node); break;
    default: sim_stop(f->sim, node); break;
    }
    recover_later(f, kind, node, 0);
}

static void strike(struct fault_plan *f)
{
    uint64_t total = 0;
    int kind = 0;
    unsigned a = any_node(f);
    unsigned b = any_node(f);
    for (int i = 0; i < FAULT_COUNT; i++)
        total += f->weights[i];
    uint64_t at = rng_below(&f->rng, total);
    while (at >= f->weights[kind])
        at -= f->weights[kind++];
    if (f->recoveries_count + SIM_NODES_MAX > FAULT_RECOVERIES_MAX)
        return;
    f->done++;
    sim_note(f->sim, "%s: %u, %u", names[kind], a, b);
    switch ((enum fault_kind)kind) {
    case FAULT_CUT:
        sim_cut(f->sim, a, b);
        recover_later(f, FAULT_CUT, a, b);
        break;
    case FAULT_CUT_ONE_WAY:
        sim_cut_one_way(f->sim, a, b);
        recover_later(f, FAULT_CUT, a, b);
        break;
    case FAULT_ISOLATE:
        sim_isolate(f->sim, a);
        recover_later(f, FAULT_ISOLATE, a, 0);
        break;
    case FAULT_CRASH_ALL: crash_all(f); break;
    case FAULT_JOIN:
        f->weights[FAULT_JOIN] = 0;
        if (sim_nodes(f->sim) < SIM_NODES_MAX)
            sim_start(f->sim, sim_add(f->sim));
        break;
    default: take_away(f, (enum fault_kind)kind, a); break;
    }
}

static void recover_one(struct fault_plan *f, size_t i)
{
    enum fault_kind kind = f->recoveries[i].kind;
    unsigned a = f->recoveries[i].a;
    unsigned b = f->recoveries[i].b;
    f->recoveries[i] = f->recoveries[--f->recoveries_count];
    sim_note(f->sim, "recover from %s: %u, %u", names[kind], a, b);
    switch (kind) {
    case FAULT_CUT:
    case FAULT_CUT_ONE_WAY: sim_heal(f->sim, a, b); break;
    case FAULT_ISOLATE:
        for (unsigned other = 1; other <= sim_nodes(f->sim); other++)
            sim_heal(f->sim, a, other);
        break;
    case FAULT_PAUSE:
        if (sim_is_paused(f->sim, a))
            sim_resume(f->sim, a);
        break;
    default:
        if (!sim_is_up(f->sim, a))
            sim_start(f->sim, a);
        break;
    }
}

void fault_act(struct fault_plan *f)
{
    for (size_t i = 0; i < f->recoveries_count;) {
        if (f->recoveries[i].at <= sim_now(f->sim))
            recover_one(f, i);
        else
            i++;
    }
    if (f->next > sim_now(f->sim))
        return;
    strike(f);
    f->next = sim_now(f->sim) + rng_between(&f->rng, USEC_PER_MS, 2 * f->every_us);
}

void fault_end(struct fault_plan *f)
{
    f->recoveries_count = 0;
    sim_heal_all(f->sim);
    sim_set_loss(f->sim, 0, 0);
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++) {
        if (!sim_is_up(f->sim, i))
            sim_start(f->sim, i);
        else if (sim_is_paused(f->sim, i))
            sim_resume(f->sim, i);
    }
}
