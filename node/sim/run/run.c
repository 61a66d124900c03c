#include "node/sim/run/run.h"

#include "base/rng.h"
#include "node/sim/run/fault.h"
#include "node/sim/watch.h"

#include <stdio.h>
#include <string.h>

#define TRACE_EVERY  97 /* requests: some are followed, and nothing comes of it but rows */
#define CONVERGE_MAX (120 * USEC_PER_SEC)
#define FORGET_MAX   (120 * USEC_PER_SEC)
#define LOOK_EVERY   (200 * USEC_PER_MS)
#define WATCH_EVERY  USEC_PER_SEC

struct run {
    struct sim *sim;
    struct load *load;
    struct fault_plan *faults;
    struct watch *watch;
    usec watch_at;
    struct run_result *result;
};

static bool fail(struct run *r, const char *text)
{
    return errmsg_set(&r->result->why, ERR_FAILED, "%s", text) == ERR_OK;
}

/* How far it is: all that is known of a run that ends the process (child.h). */
static void take_stock(struct run *r, usec begin)
{
    r->result->end_us = sim_now(r->sim) - begin;
    r->result->counts = *load_counts(r->load);
}

static bool look(struct run *r, usec begin)
{
    take_stock(r, begin);
    r->watch_at = sim_now(r->sim) + WATCH_EVERY;
    return watch_look(r->watch, &r->result->why);
}

/* Load under faults, until the time is over or something cannot be. */
static bool chaos(struct run *r, usec time_us)
{
    usec begin = sim_now(r->sim);
    usec end = begin + time_us;
    while (sim_now(r->sim) < end && load_problem(r->load) == NULL) {
        usec next = load_next(r->load) < end ? load_next(r->load) : end;
        next = fault_next(r->faults) < next ? fault_next(r->faults) : next;
        next = r->watch_at < next ? r->watch_at : next;
        sim_step(r->sim, next);
        if (fault_next(r->faults) <= sim_now(r->sim))
            fault_act(r->faults);
        load_act(r->load);
        if (r->watch_at <= sim_now(r->sim) && !look(r, begin))
            return false;
    }
    take_stock(r, begin);
    return load_problem(r->load) == NULL || fail(r, load_problem(r->load));
}

static bool converge(struct run *r)
{
    usec healed = sim_now(r->sim);
    struct errmsg *why = &r->result->why;
    while (!sim_see_each_other(r->sim, why) || !sim_replicas_equal(r->sim, why) ||
           !sim_is_quiet(r->sim, why)) {
        if (sim_now(r->sim) - healed > CONVERGE_MAX) {
            errmsg_wrap(why, "not converged after %d s", (int)(CONVERGE_MAX / USEC_PER_SEC));
            return false;
        }
        sim_elapse(r->sim, LOOK_EVERY);
    }
    r->result->converged_us = sim_now(r->sim) - healed;
    return true;
}

/* Tombstones and what has expired are there only until all agree that they have them. */
static bool forget(struct run *r)
{
    usec equal = sim_now(r->sim);
    struct errmsg *why = &r->result->why;
    while (!watch_nothing_left(r->watch, why)) {
        if (sim_now(r->sim) - equal > FORGET_MAX) {
            errmsg_wrap(why, "not forgotten after %d s", (int)(FORGET_MAX / USEC_PER_SEC));
            return false;
        }
        sim_elapse(r->sim, WATCH_EVERY);
    }
    r->result->forgotten_us = sim_now(r->sim) - equal;
    return true;
}

static bool who_is_not_ready(struct run *r)
{
    for (unsigned i = 1; i <= sim_nodes(r->sim); i++) {
        if (!sim_is_ready(r->sim, i))
            return errmsg_set(&r->result->why, ERR_FAILED,
                              "%d s after healing node %u is not ready: %s",
                              (int)(CONVERGE_MAX / USEC_PER_SEC), i,
                              sim_is_up(r->sim, i) ? node_phase(sim_node(r->sim, i))
                                                   : sim_why_down(r->sim, i)) == ERR_OK;
    }
    return fail(r, "healed, a node got ready too late");
}

/* Nodes are started one after the other, at random, while faults happen already. */
static void form_under_faults(struct run *r, const struct scenario *s)
{
    struct rng rng;
    usec end = sim_now(r->sim) + s->forming_us;
    usec start_at[SIM_NODES_MAX + 1];
    rng_init(&rng, s->seed ^ 0xf04);
    while (sim_nodes(r->sim) < s->nodes)
        start_at[sim_add(r->sim)] = rng_between(&rng, 0, s->forming_us);
    while (sim_now(r->sim) < end) {
        usec next = fault_next(r->faults) < end ? fault_next(r->faults) : end;
        for (unsigned i = 1; i <= s->nodes; i++) {
            if (start_at[i] <= sim_now(r->sim)) {
                if (!sim_is_up(r->sim, i))
                    sim_start(r->sim, i);
                start_at[i] = USEC_NEVER;
            }
            next = start_at[i] < next ? start_at[i] : next;
        }
        sim_step(r->sim, next);
        if (fault_next(r->faults) <= sim_now(r->sim))
            fault_act(r->faults);
    }
    fault_end(r->faults);
}

static bool go(struct run *r, const struct scenario *s)
{
    r->faults = fault_new(r->sim, s, r->load);
    if (s->forming_us > 0)
        form_under_faults(r, s);
    if (!sim_form(r->sim, s->nodes))
        return fail(r, "the ring did not form");
    if (!load_prepare(r->load, &r->result->why))
        return false;
    fault_resume(r->faults, s->forming_us);
    if (!chaos(r, s->time_us))
        return false;
    sim_note(r->sim, "EVERYTHING HEALS");
    fault_end(r->faults);
    load_stop(r->load);
    sim_until(r->sim, load_settled, r->load, CONVERGE_MAX);
    if (load_problem(r->load) != NULL)
        return fail(r, load_problem(r->load));
    if (!sim_until_ready(r->sim, CONVERGE_MAX))
        return who_is_not_ready(r);
    if (!converge(r) || !watch_end(r->watch, &r->result->why) || !forget(r) || !converge(r) ||
        !watch_end(r->watch, &r->result->why))
        return false;
    return load_read_all(r->load) || fail(r, load_problem(r->load));
}

void run_scenario(const struct run_config *config, struct run_result *ret)
{
    const struct scenario *s = config->scenario;
    struct sim_config sc = {.seed = s->seed,
                            .trace_every = TRACE_EVERY,
                            .ring_ranges = s->ring_ranges,
                            .latency_us = s->network.latency_us,
                            .jitter_us = s->network.jitter_us,
                            .disk_us = s->disk_us,
                            .clock_offset_us = s->clocks.offset_us,
                            .clock_drift_ppm = s->clocks.drift_ppm,
                            .dcs = s->dcs,
                            .racks = s->racks,
                            .limits = s->limits,
                            .print = config->print,
                            .print_arg = config->print_arg};
    memset(ret, 0, sizeof *ret);
    struct run r = {.sim = sim_new(&sc), .result = ret};
    r.load = load_new(r.sim, s);
    r.watch = watch_new(r.sim);
    ret->good = go(&r, s);
    ret->counts = *load_counts(r.load);
    for (int i = 0; i < FAULT_COUNT; i++) {
        ret->faults[i] = fault_counts(r.faults)[i];
        ret->faults_count += ret->faults[i];
    }
    ret->hash = sim_hash(r.sim);
    ret->events = sim_events(r.sim);
    fault_free(r.faults);
    load_free(r.load);
    watch_free(r.watch);
    sim_free(r.sim);
}
