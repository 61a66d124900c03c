#include "node/sim/run/run.h"

#include "node/sim/run/fault.h"
#include "node/sim/run/load.h"

#include <stdio.h>
#include <string.h>

#define CONVERGE_MAX (60 * USEC_PER_SEC)
#define LOOK_EVERY   (200 * USEC_PER_MS)

static bool fail(struct run_result *r, const char *text)
{
    return errmsg_set(&r->why, ERR_FAILED, "%s", text) == ERR_OK;
}

/* Load under faults, until the time is over or something cannot be. */
static bool chaos(struct sim *s, struct load *l, struct fault_plan *f, usec time_us,
                  struct run_result *r)
{
    usec end = sim_now(s) + time_us;
    while (sim_now(s) < end && load_problem(l) == NULL) {
        usec next = load_next(l) < end ? load_next(l) : end;
        next = fault_next(f) < next ? fault_next(f) : next;
        sim_step(s, next);
        if (fault_next(f) <= sim_now(s))
            fault_act(f);
        load_act(l);
    }
    return load_problem(l) == NULL || fail(r, load_problem(l));
}

static bool converge(struct sim *s, struct run_result *r)
{
    usec healed = sim_now(s);
    while (!sim_see_each_other(s, &r->why) || !sim_replicas_equal(s, &r->why)) {
        if (sim_now(s) - healed > CONVERGE_MAX) {
            errmsg_wrap(&r->why, "not converged after %d s: ", (int)(CONVERGE_MAX / USEC_PER_SEC));
            return false;
        }
        sim_elapse(s, LOOK_EVERY);
    }
    r->converged_us = sim_now(s) - healed;
    return true;
}

static bool run(struct sim *s, const struct run_config *config, struct load *l,
                struct run_result *r)
{
    struct fault_plan faults;
    struct rng rng = rng_fork(sim_rng(s));
    if (!sim_form(s, r->nodes))
        return fail(r, "the ring did not form");
    if (!load_prepare(l, &r->why))
        return false;
    fault_init(&faults, s);
    if (rng_chance(&rng, 500000))
        sim_set_loss(s, (uint32_t)rng_below(&rng, 100000), (uint32_t)rng_below(&rng, 50000));
    bool good = chaos(s, l, &faults, config->time_us, r);
    r->faults = faults.done;
    if (!good)
        return false;
    fault_end(&faults);
    sim_until(s, load_settled, l, CONVERGE_MAX);
    if (load_problem(l) != NULL)
        return fail(r, load_problem(l));
    if (!sim_until_ready(s, CONVERGE_MAX))
        return fail(r, "after healing a node does not get ready");
    if (!converge(s, r))
        return false;
    return load_read_all(l) || fail(r, load_problem(l));
}

void run_random(const struct run_config *config, struct run_result *ret)
{
    struct rng rng;
    memset(ret, 0, sizeof *ret);
    rng_init(&rng, config->seed);
    struct sim_config sc = {
        .seed = rng_next(&rng), .print = config->print, .print_arg = config->print_arg};
    sc.latency_us = rng_between(&rng, 100, 5000);
    sc.jitter_us = rng_between(&rng, 0, 5000);
    sc.disk_us = rng_between(&rng, 50, 10000);
    if (rng_chance(&rng, 500000))
        sc.clock_offset_us = rng_between(&rng, 1, 50000);
    ret->nodes = config->nodes != 0 ? config->nodes : (unsigned)rng_between(&rng, 3, 5);
    struct sim *s = sim_new(&sc);
    struct load *l = load_new(s, config->clients, 2 * sc.clock_offset_us + USEC_PER_MS);
    ret->good = run(s, config, l, ret);
    load_count(l, ret);
    ret->hash = sim_hash(s);
    ret->events = sim_events(s);
    load_free(l);
    sim_free(s);
}
