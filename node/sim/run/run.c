#include "node/sim/run/run.h"

#include "base/rng.h"
#include "node/repair/repair.h"
#include "node/sim/run/fault.h"
#include "node/sim/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TRACE_EVERY   97 /* requests: some are followed, and nothing comes of it but rows */
#define CONVERGE_MAX  (120 * USEC_PER_SEC)
#define FORGET_MAX    (120 * USEC_PER_SEC)
#define COMPARE_MAX   (300 * USEC_PER_SEC)
#define SCRUB_NEVER   (3600 * USEC_PER_SEC)
#define CUT_AFTER_MAX (2 * USEC_PER_SEC)
#define AWAY_MAX      (5 * USEC_PER_SEC)
#define SESSION_MAX   (2 * USEC_PER_SEC)
#define LOOK_EVERY    (200 * USEC_PER_MS)
#define WATCH_EVERY   USEC_PER_SEC

struct run {
    struct sim *sim;
    struct load *load;
    struct fault_plan *faults;
    struct watch *watch;
    usec watch_at;
    bool exact; /* nobody begins sessions but who is asked to */
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
    if (sim_session_problem(r->sim) != NULL)
        return fail(r, sim_session_problem(r->sim));
    if (!sim_repairs_look(r->sim, &r->result->why))
        return false;
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

static bool is_still(struct run *r)
{
    struct errmsg why;
    usec begin = sim_now(r->sim);
    while (!sim_see_each_other(r->sim, &why) || !sim_clocks_equal(r->sim, &why) ||
           !sim_is_quiet(r->sim, &why)) {
        if (sim_now(r->sim) - begin > CONVERGE_MAX) {
            errmsg_wrap(&why, "clocks not equal after %d s", (int)(CONVERGE_MAX / USEC_PER_SEC));
            return fail(r, why.text);
        }
        sim_elapse(r->sim, LOOK_EVERY);
    }
    return true;
}

/* Bytes of rows in sessions that nobody has asked for, as nodes count them: they begin some
 * whatever the period of their rounds, where something was found wrong and with who has just come.
 * What has begun by now is over, and counted, when this returns. */
static uint64_t of_own_accord(struct run *r)
{
    uint64_t bytes = 0;
    sim_elapse(r->sim, SESSION_MAX);
    for (unsigned i = 1; i <= sim_nodes(r->sim); i++) {
        struct heal_stats stats = heal_stats(node_heal(sim_node(r->sim, i)));
        bytes += stats.bytes_rounds.received + stats.bytes_rounds.sent;
    }
    return bytes;
}

static bool nobody_compares(struct sim *s, void *arg)
{
    bool any = false;
    (void)arg;
    for (unsigned i = 1; i <= sim_nodes(s); i++)
        any = any || sim_is_comparing(s, i);
    return !any;
}

/* What a compares with b; false: not in time. */
static bool compare(struct run *r, unsigned a, unsigned b, bool preview, struct sim_compared *ret)
{
    struct sim_compare what = {a, b, true, preview};
    if (!sim_compare(r->sim, &what) || !sim_until(r->sim, nobody_compares, NULL, COMPARE_MAX))
        return fail(r, "a comparison of two nodes does not come to an end");
    *ret = *sim_compared(r->sim, a);
    return true;
}

/* A preview finds what the repair behind it finds and brings (but for what expires between the
 * two), and no row goes to who has it, unless sessions that nodes begin themselves come between;
 * and then there is nothing to find. */
static bool mend_pair(struct run *r, unsigned a, unsigned b)
{
    struct sim_compared preview, mended, after;
    char text[256];
    uint64_t own = of_own_accord(r);
    usec begin = sim_now(r->sim);
    if (!compare(r, a, b, true, &preview))
        return false;
    uint64_t expiring = watch_expiring(r->watch, begin, sim_now(r->sim) + 10 * USEC_PER_SEC);
    struct sim_crossed before = sim_crossed(r->sim);
    if (!compare(r, a, b, false, &mended) || !compare(r, a, b, false, &after))
        return false;
    bool exact = r->exact && of_own_accord(r) == own;
    struct sim_crossed crossed = sim_crossed(r->sim);
    const struct heal_figures *f = &mended.figures;
    uint64_t rows = crossed.rows - before.rows;
    uint64_t alike = crossed.alike - before.alike;
    unsigned failed = preview.failed + mended.failed + after.failed;
    snprintf(text, sizeof text,
             "nodes %u and %u: a preview finds %" PRIu64 " rows that differ, a repair %" PRIu64
             " (%" PRIu64 " and %" PRIu64 " given), another one %" PRIu64 "; %" PRIu64
             " crossed the wire, of which %" PRIu64 " for nothing; %u sessions failed",
             a, b, preview.figures.rows_different, f->rows_different, f->rows_received,
             f->rows_sent, after.figures.rows_different, rows, alike, failed);
    sim_note(r->sim, "MENDED: %s", text);
    r->result->mended += f->rows_different;
    uint64_t given = f->rows_received + f->rows_sent, found = preview.figures.rows_different;
    bool good = failed == 0 && found >= f->rows_different && given <= rows &&
                after.figures.rows_different == 0;
    if (exact)
        good = good && found - f->rows_different <= expiring && given == rows && alike == 0;
    return good || fail(r, text);
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

/* --- by repair runs */

static bool nobody_repairs(struct sim *s, void *arg)
{
    bool any = false;
    (void)arg;
    for (unsigned i = 1; i <= sim_nodes(s); i++)
        any = any || sim_is_repairing(s, i);
    return !any;
}

/* A run is begun, and over; what it came to. */
static bool repair(struct run *r, unsigned manager, bool preview, struct repair_sums *ret_sums,
                   uint64_t *ret_failed)
{
    uint64_t id;
    if (!sim_repair(r->sim, manager, true, preview, &id))
        return fail(r, "all is well, and a repair run does not begin");
    if (!sim_until(r->sim, nobody_repairs, NULL, COMPARE_MAX))
        return fail(r, "a repair run does not come to its end");
    if (!sim_repairs_look(r->sim, &r->result->why))
        return false;
    const struct repair_run *run = sim_repair_run(r->sim, manager, id);
    if (run == NULL)
        return fail(r, "a repair run that is over is not known any more");
    *ret_sums = (struct repair_sums){0};
    *ret_failed = 0;
    for (size_t i = 0; i < run->parts_count; i++) {
        repair_sums_add(ret_sums, &run->parts[i].sums);
        *ret_failed += run->parts[i].failed;
    }
    return true;
}

/* A run begins, and a node, its manager or another one, is gone in the middle and comes back. */
static bool repair_is_cut(struct run *r, struct rng *rng, unsigned manager)
{
    uint64_t id;
    unsigned node =
        rng_chance(rng, 500000) ? manager : (unsigned)rng_between(rng, 1, sim_nodes(r->sim));
    if (!sim_repair(r->sim, manager, true, false, &id))
        return fail(r, "all is well, and a repair run does not begin");
    usec after = rng_between(rng, 0, CUT_AFTER_MAX);
    uint64_t how = rng_below(rng, 3);
    sim_elapse(r->sim, after);
    switch (how) {
    case 0: sim_kill(r->sim, node); break;
    case 1: sim_crash(r->sim, node); break;
    default: sim_stop(r->sim, node); break;
    }
    sim_elapse(r->sim, rng_between(rng, 0, AWAY_MAX));
    if (!sim_start(r->sim, node) || !sim_until_ready(r->sim, CONVERGE_MAX))
        return who_is_not_ready(r);
    bool durable = how == 2 || after > USEC_PER_SEC; /* no fsync takes so long here */
    if (durable && sim_repair_run(r->sim, manager, id) == NULL)
        return fail(r, "a manager that is back has forgotten its repair run");
    return sim_until(r->sim, nobody_repairs, NULL, COMPARE_MAX) ||
           fail(r, "a repair run that was interrupted does not come to its end");
}

/* A run that is interrupted, and one that is not: nothing is left to be found, and no row has
 * crossed the wire that was there, nor one that is not told of. */
static bool mend_by_runs(struct run *r, struct rng *rng)
{
    struct repair_sums mended, after;
    uint64_t failed, failed_after;
    unsigned manager = (unsigned)rng_between(rng, 1, sim_nodes(r->sim));
    uint64_t own = of_own_accord(r);
    struct sim_crossed before = sim_crossed(r->sim);
    if (!repair_is_cut(r, rng, manager) || !is_still(r))
        return false;
    struct sim_crossed cut = sim_crossed(r->sim);
    if (!repair(r, manager, false, &mended, &failed) ||
        !repair(r, manager, true, &after, &failed_after))
        return false;
    bool exact = r->exact && of_own_accord(r) == own;
    struct sim_crossed crossed = sim_crossed(r->sim);
    uint64_t given = mended.rows_received + mended.rows_sent;
    uint64_t rows = crossed.rows - cut.rows, alike = crossed.alike - before.alike;
    char text[300];
    snprintf(text, sizeof text,
             "a repair run that is interrupted brings %" PRIu64 " rows, the next one finds %" PRIu64
             " and gives %" PRIu64 ", a preview finds %" PRIu64 "; %" PRIu64
             " crossed the wire for the second, %" PRIu64 " in all for nothing; %" PRIu64
             " ranges failed",
             cut.rows - before.rows, mended.rows_different, given, after.rows_different, rows,
             alike, failed + failed_after);
    sim_note(r->sim, "MENDED: %s", text);
    bool good = failed + failed_after == 0 && given <= rows && after.rows_different == 0;
    if (exact)
        good = good && given == rows && alike == 0;
    r->result->mended += cut.rows - before.rows + rows;
    return good || fail(r, text);
}

/* Rows were lost that no clock tells of: sessions by trees find them, in half of the runs those of
 * repair runs. */
static bool mend(struct run *r, const struct scenario *s)
{
    struct rng rng;
    rng_init(&rng, s->seed ^ 0x4e9);
    if (!sim_until(r->sim, nobody_compares, NULL, COMPARE_MAX) ||
        !sim_until(r->sim, nobody_repairs, NULL, COMPARE_MAX))
        return fail(r, "comparisons do not come to an end");
    if (sim_rows_lost(r->sim) == 0)
        return true;
    if (!is_still(r) || !forget(r)) /* what goes meanwhile would be found by a preview alone */
        return false;
    bool by_runs = rng_chance(&rng, 500000);
    if (by_runs && !mend_by_runs(r, &rng))
        return false;
    uint64_t mended = r->result->mended;
    for (unsigned a = 1; a <= sim_nodes(r->sim); a++) {
        for (unsigned b = 1; b < a; b++) {
            if (!mend_pair(r, a, b))
                return false;
        }
    }
    return !by_runs || r->result->mended == mended ||
           fail(r, "two nodes differ that a repair run has found to be equal");
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
    if (!mend(r, s))
        return false;
    if (!converge(r) || !watch_end(r->watch, &r->result->why) || !forget(r) || !converge(r) ||
        !watch_end(r->watch, &r->result->why))
        return false;
    if (!load_read_all(r->load))
        return fail(r, load_problem(r->load));
    return sim_trees_true(r->sim, &r->result->why);
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
    struct run r = {.sim = sim_new(&sc), .exact = s->limits.scrub_us >= SCRUB_NEVER, .result = ret};
    r.load = load_new(r.sim, s);
    r.watch = watch_new(r.sim);
    ret->good = go(&r, s);
    ret->counts = *load_counts(r.load);
    for (int i = 0; i < FAULT_COUNT; i++) {
        ret->faults[i] = fault_counts(r.faults)[i];
        ret->faults_count += ret->faults[i];
    }
    struct sim_crossed crossed = sim_crossed(r.sim);
    ret->lost = crossed.lost;
    ret->crossed = crossed.rows;
    ret->alike = crossed.alike;
    ret->repairs = sim_repairs(r.sim);
    ret->hash = sim_hash(r.sim);
    ret->events = sim_events(r.sim);
    fault_free(r.faults);
    load_free(r.load);
    watch_free(r.watch);
    sim_free(r.sim);
}
