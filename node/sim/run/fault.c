#include "node/sim/run/fault.h"

#include "base/mem.h"
#include "node/sim/run/workload.h"

#include <stdio.h>
#include <string.h>

#define UNDO_MAX (4 * SIM_NODES_MAX)

struct undo {
    usec at;
    const struct fault *fault;
    unsigned a, b; /* nodes */
    bool open;     /* flap: the cut is */
    usec until;    /* flap: then it ends */
};

struct fault_plan {
    struct sim *sim;
    const struct scenario *scenario;
    struct load *load;
    usec begin;
    size_t next; /* fault of the scenario */
    struct undo undos[UNDO_MAX];
    size_t undos_count;
    uint32_t loss_ppm, duplicate_ppm;
    uint64_t altered;  /* the last question to change the replication; 0: none */
    unsigned replaced; /* 0, or the node whose disk is lost, or was, and not yet copied again */
    uint64_t counts[FAULT_COUNT];
};

struct fault_plan *fault_new(struct sim *sim, const struct scenario *scenario, struct load *load)
{
    struct fault_plan *f = mem_new(struct fault_plan);
    f->sim = sim;
    f->scenario = scenario;
    f->load = load;
    f->begin = sim_now(sim);
    return f;
}

void fault_free(struct fault_plan *f)
{
    mem_free(f);
}

const uint64_t *fault_counts(const struct fault_plan *f)
{
    return f->counts;
}

usec fault_next(const struct fault_plan *f)
{
    usec next = USEC_NEVER;
    if (f->next < f->scenario->faults_count)
        next = f->begin + f->scenario->faults[f->next].at;
    for (size_t i = 0; i < f->undos_count; i++) {
        if (f->undos[i].at < next)
            next = f->undos[i].at;
    }
    return next;
}

/* --- may it be? */

/* A fault of this kind is on (with this node, or these two, if it has any). */
static bool is_on(const struct fault_plan *f, enum fault_kind kind, unsigned a, unsigned b)
{
    for (size_t i = 0; i < f->undos_count; i++) {
        const struct undo *u = &f->undos[i];
        if (u->fault->kind == kind && (fault_operands(kind) == 0 || u->a == a) &&
            (fault_operands(kind) < 2 || u->b == b))
            return true;
    }
    return false;
}

static bool is_there(const struct fault_plan *f, unsigned node)
{
    return sim_is_up(f->sim, node) && !sim_is_paused(f->sim, node);
}

static bool may_take_away(const struct fault_plan *f, unsigned node)
{
    unsigned away = 0;
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++)
        away += !is_there(f, i);
    return is_there(f, node) && away < f->scenario->away_max;
}

/* Nothing is being copied, as far as the node that was replaced knows. */
static bool is_whole(struct fault_plan *f)
{
    if (f->replaced == 0)
        return true;
    if (is_on(f, FAULT_flip_bits, f->replaced, 0) || is_on(f, FAULT_lose_disk, f->replaced, 0) ||
        !sim_is_ready(f->sim, f->replaced) ||
        topology_is_moving(meta_topology(node_meta(sim_node(f->sim, f->replaced)))))
        return false;
    f->replaced = 0;
    return true;
}

/* A node that joins takes over ranges from the others: no moment to lose one of them for good. */
static bool is_moving(struct fault_plan *f)
{
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++) {
        if (!sim_is_ready(f->sim, i) ||
            topology_is_moving(meta_topology(node_meta(sim_node(f->sim, i)))))
            return true;
    }
    return false;
}

static bool may_lose_disk(struct fault_plan *f, unsigned node)
{
    return f->scenario->rf >= 2 && !is_on(f, FAULT_full_disk, node, 0) && is_whole(f) &&
           !is_moving(f) && may_take_away(f, node);
}

/* --- doing */

static void cut_groups(struct fault_plan *f, unsigned last)
{
    for (unsigned a = 1; a <= last; a++) {
        for (unsigned b = last + 1; b <= sim_nodes(f->sim); b++)
            sim_cut(f->sim, a, b);
    }
}

static void spoil(struct fault_plan *f, enum fault_kind kind, uint32_t ppm)
{
    if (kind == FAULT_loss)
        f->loss_ppm = ppm;
    else
        f->duplicate_ppm = ppm;
    sim_set_loss(f->sim, f->loss_ppm, f->duplicate_ppm);
}

static void crash_all(struct fault_plan *f)
{
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++) {
        if (sim_is_up(f->sim, i))
            sim_crash(f->sim, i);
    }
}

static void lose_disk(struct fault_plan *f, unsigned node)
{
    if (sim_is_up(f->sim, node))
        sim_crash(f->sim, node);
    sim_lose_disk(f->sim, node);
    load_disk_lost(f->load);
}

/* The faults after which a node is gone. */
static bool take_away(struct fault_plan *f, const struct fault *fault, unsigned node)
{
    if (!may_take_away(f, node))
        return false;
    switch (fault->kind) {
    case FAULT_kill: sim_kill(f->sim, node); break;
    case FAULT_crash: sim_crash(f->sim, node); break;
    case FAULT_crash_in_turn: sim_crash_in_turn(f->sim, node, (unsigned)fault->amount); break;
    case FAULT_pause: sim_pause(f->sim, node); break;
    default: sim_stop(f->sim, node); break;
    }
    return true;
}

static bool damage_disk(struct fault_plan *f, const struct fault *fault, unsigned node)
{
    if (!may_lose_disk(f, node))
        return false;
    f->replaced = node;
    if (fault->kind == FAULT_flip_bits)
        sim_flip_bits(f->sim, node, (uint32_t)fault->amount);
    else
        lose_disk(f, node);
    return true;
}

/* A session is promised what clocks say, and so is a read of one replica: they are not where rows
 * are lost. While a range moves who takes it over may ask the one replica that has not what it
 * says. */
static bool lose_rows(struct fault_plan *f, unsigned node, uint32_t partitions)
{
    for (size_t i = 0; workloads_all[i] != NULL; i++) {
        if (f->scenario->workloads[i] > 0 && strcmp(workloads_all[i]->name, "sessions") == 0)
            return false;
    }
    if (!is_whole(f) || sim_lose_rows(f->sim, node, partitions) == 0)
        return false;
    load_rows_lost(f->load);
    return true;
}

static bool join(struct fault_plan *f)
{
    if (sim_nodes(f->sim) >= SIM_NODES_MAX || sim_nodes(f->sim) >= 2 * f->scenario->nodes)
        return false;
    sim_start(f->sim, sim_add(f->sim));
    return true;
}

/* Its answer is nobody's business: it may be that there is none. */
static bool alter(struct fault_plan *f, unsigned node, unsigned copies)
{
    char cql[160], strategy[64] = "'SimpleStrategy', 'replication_factor': ";
    if (!is_there(f, node))
        return false;
    if (f->scenario->dcs > 1)
        snprintf(strategy, sizeof strategy,
                 "'NetworkTopologyStrategy', 'dc1': %u, 'dc2': ", copies);
    snprintf(cql, sizeof cql, "ALTER KEYSPACE r WITH replication = {'class': %s%u}", strategy,
             copies);
    if (f->altered != 0)
        sim_forget(f->sim, f->altered);
    f->altered = sim_ask(f->sim, node, CQL_CL_QUORUM, cql);
    return true;
}

static void alter_back(struct fault_plan *f)
{
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++) {
        if (sim_is_ready(f->sim, i) && alter(f, i, f->scenario->rf))
            return;
    }
}

/* False: it is skipped. */
static bool act(struct fault_plan *f, const struct fault *fault, unsigned a, unsigned b)
{
    struct sim *s = f->sim;
    uint64_t run;
    if (fault_operands(fault->kind) == 2 && a == b)
        return false;
    switch (fault->kind) {
    case FAULT_cut:
    case FAULT_flap: sim_cut(s, a, b); return true;
    case FAULT_cut_one_way: sim_cut_one_way(s, a, b); return true;
    case FAULT_isolate: sim_isolate(s, a); return true;
    case FAULT_split: cut_groups(f, a); return true;
    case FAULT_slow_link: sim_set_link(s, a, b, fault->amount, 0); return true;
    case FAULT_thin_link: sim_set_link(s, a, b, 0, (uint64_t)fault->amount); return true;
    case FAULT_loss:
    case FAULT_duplicates: spoil(f, fault->kind, (uint32_t)fault->amount); return true;
    case FAULT_crash_all: crash_all(f); return true;
    case FAULT_kill:
    case FAULT_crash:
    case FAULT_crash_in_turn:
    case FAULT_stop:
    case FAULT_pause: return take_away(f, fault, a);
    case FAULT_slow_node: sim_slow_node(s, a, fault->amount); return true;
    case FAULT_slow_disk: sim_slow_disk(s, a, fault->amount); return true;
    case FAULT_full_disk:
        if (!may_take_away(f, a)) /* it will answer nobody */
            return false;
        sim_fill_disk(s, a);
        return true;
    case FAULT_read_error: sim_fail_reads(s, a, (uint32_t)fault->amount); return true;
    case FAULT_flip_bits:
    case FAULT_lose_disk: return damage_disk(f, fault, a);
    case FAULT_clock_jump: sim_jump_clock(s, a, fault->amount); return true;
    case FAULT_clock_drift: sim_drift_clock(s, a, (int32_t)fault->amount); return true;
    case FAULT_join: return join(f);
    case FAULT_lose_rows: return lose_rows(f, a, (uint32_t)fault->amount);
    case FAULT_compare:
        return sim_compare(s, &(struct sim_compare){.a = a,
                                                    .b = b,
                                                    .full = (fault->amount & 1) != 0,
                                                    .preview = (fault->amount & 2) != 0});
    case FAULT_repair:
        return is_there(f, a) &&
               sim_repair(s, a, (fault->amount & 1) != 0, (fault->amount & 2) != 0, &run);
    case FAULT_alter: return alter(f, a, (unsigned)fault->amount);
    case FAULT_COUNT: break;
    }
    return false;
}

static void strike(struct fault_plan *f, const struct fault *fault)
{
    unsigned nodes = sim_nodes(f->sim);
    unsigned a = 1 + (fault->a + nodes - 1) % nodes;
    unsigned b = 1 + (fault->b + nodes - 1) % nodes;
    if (f->undos_count == UNDO_MAX || is_on(f, fault->kind, a, b) || !act(f, fault, a, b))
        return;
    f->counts[fault->kind]++;
    sim_note(f->sim, "FAULT %s %u %u, %lld, for %.3f s", fault_name(fault->kind), a, b,
             (long long)fault->amount, (double)fault->lasts_us / 1e6);
    usec end = sim_now(f->sim) + fault->lasts_us;
    usec at = fault->kind == FAULT_flap && fault->amount < fault->lasts_us
                  ? sim_now(f->sim) + fault->amount
                  : end;
    f->undos[f->undos_count++] =
        (struct undo){.at = at, .fault = fault, .a = a, .b = b, .until = end};
}

/* --- undoing */

/* With the same command line as before: until it is in, a node that replaces goes on saying so. */
static void start_again(struct fault_plan *f, unsigned node)
{
    if (sim_is_up(f->sim, node) || is_on(f, FAULT_lose_disk, node, 0))
        return;
    if (node == f->replaced)
        sim_start_replacing(f->sim, node);
    else
        sim_start(f->sim, node);
}

static void heal_groups(struct fault_plan *f)
{
    for (unsigned a = 1; a <= sim_nodes(f->sim); a++) {
        for (unsigned b = 1; b < a; b++)
            sim_heal(f->sim, a, b);
    }
}

static void heal_node(struct fault_plan *f, unsigned node)
{
    for (unsigned other = 1; other <= sim_nodes(f->sim); other++)
        sim_heal(f->sim, node, other);
}

static void space_again(struct fault_plan *f, unsigned node)
{
    sim_empty_disk(f->sim, node);
    if (sim_is_up(f->sim, node))
        sim_kill(f->sim, node);
    start_again(f, node);
}

/* What a process could not read it may have given up on: it is started again. */
static void readable_again(struct fault_plan *f, unsigned node)
{
    sim_fail_reads(f->sim, node, 0);
    if (is_there(f, node)) {
        sim_kill(f->sim, node);
        start_again(f, node);
    }
}

/* A disk is lost once: what only one replica has may be gone, but what two have may not. A damaged
 * one is lost when it is replaced; until then what cannot be read is an error, not absent. */
static void replace(struct fault_plan *f, enum fault_kind kind, unsigned node)
{
    if (kind == FAULT_flip_bits)
        lose_disk(f, node);
    sim_start_replacing(f->sim, node);
}

/* The manager of a repair run is gone in the middle of it, and back. */
static void cut_repair(struct fault_plan *f, unsigned node)
{
    if (is_there(f, node) && node != f->replaced && sim_is_repairing(f->sim, node)) {
        sim_kill(f->sim, node);
        start_again(f, node);
    }
}

static bool is_cut(const struct undo *u)
{
    switch (u->fault->kind) {
    case FAULT_cut:
    case FAULT_cut_one_way:
    case FAULT_isolate:
    case FAULT_split: return true;
    case FAULT_flap: return !u->open;
    default: return false;
    }
}

/* What healed may be cut by another fault that is still on. */
static void cut_again(struct fault_plan *f)
{
    for (size_t i = 0; i < f->undos_count; i++) {
        const struct undo *u = &f->undos[i];
        if (is_cut(u))
            act(f, u->fault, u->a, u->b);
    }
}

static void undo(struct fault_plan *f, const struct undo *u)
{
    struct sim *s = f->sim;
    sim_note(s, "FAULT %s %u %u ends", fault_name(u->fault->kind), u->a, u->b);
    switch (u->fault->kind) {
    case FAULT_cut:
    case FAULT_flap:
    case FAULT_cut_one_way:
        sim_heal(s, u->a, u->b);
        cut_again(f);
        break;
    case FAULT_isolate:
        heal_node(f, u->a);
        cut_again(f);
        break;
    case FAULT_split:
        heal_groups(f);
        cut_again(f);
        break;
    case FAULT_slow_link:
    case FAULT_thin_link: sim_set_link(s, u->a, u->b, 0, 0); break;
    case FAULT_loss:
    case FAULT_duplicates: spoil(f, u->fault->kind, 0); break;
    case FAULT_crash_all:
        for (unsigned i = 1; i <= sim_nodes(s); i++) {
            start_again(f, i);
        }
        break;
    case FAULT_kill:
    case FAULT_crash:
    case FAULT_stop: start_again(f, u->a); break;
    case FAULT_crash_in_turn:
        if (sim_is_up(s, u->a))
            sim_crash_in_turn(s, u->a, SIM_NO_CRASH);
        start_again(f, u->a);
        break;
    case FAULT_pause:
        if (sim_is_paused(s, u->a))
            sim_resume(s, u->a);
        break;
    case FAULT_slow_node: sim_slow_node(s, u->a, 0); break;
    case FAULT_slow_disk: sim_slow_disk(s, u->a, 0); break;
    case FAULT_full_disk: space_again(f, u->a); break;
    case FAULT_read_error: readable_again(f, u->a); break;
    case FAULT_flip_bits:
    case FAULT_lose_disk: replace(f, u->fault->kind, u->a); break;
    case FAULT_clock_jump: sim_jump_clock(s, u->a, -u->fault->amount); break;
    case FAULT_clock_drift: sim_drift_clock(s, u->a, 0); break;
    case FAULT_repair:
        if ((u->fault->amount & 4) != 0)
            cut_repair(f, u->a);
        break;
    case FAULT_alter: alter_back(f); break;
    case FAULT_lose_rows:
    case FAULT_compare:
    case FAULT_join:
    case FAULT_COUNT: break;
    }
}

static void end_undo(struct fault_plan *f, size_t i)
{
    struct undo u = f->undos[i];
    f->undos[i] = f->undos[--f->undos_count];
    undo(f, &u);
}

/* Close what is open, and the other way round. */
static void flap(struct fault_plan *f, struct undo *u)
{
    u->open = !u->open;
    if (u->open) {
        sim_heal(f->sim, u->a, u->b);
        cut_again(f);
    } else {
        sim_cut(f->sim, u->a, u->b);
    }
    u->at = sim_now(f->sim) + u->fault->amount;
    if (u->at > u->until)
        u->at = u->until;
}

void fault_act(struct fault_plan *f)
{
    for (size_t i = 0; i < f->undos_count;) {
        struct undo *u = &f->undos[i];
        if (u->at > sim_now(f->sim)) {
            i++;
        } else if (u->fault->kind == FAULT_flap && sim_now(f->sim) < u->until) {
            flap(f, u);
            i++;
        } else {
            end_undo(f, i);
        }
    }
    const struct scenario *s = f->scenario;
    while (f->next < s->faults_count && f->begin + s->faults[f->next].at <= sim_now(f->sim))
        strike(f, &s->faults[f->next++]);
}

void fault_resume(struct fault_plan *f, usec at)
{
    f->begin = sim_now(f->sim) - at;
    f->next = 0;
    while (f->next < f->scenario->faults_count && f->scenario->faults[f->next].at < at)
        f->next++;
}

void fault_end(struct fault_plan *f)
{
    f->next = f->scenario->faults_count;
    while (f->undos_count > 0)
        end_undo(f, 0);
    sim_heal_all(f->sim);
    for (unsigned i = 1; i <= sim_nodes(f->sim); i++) {
        start_again(f, i);
        if (sim_is_paused(f->sim, i))
            sim_resume(f->sim, i);
    }
}
