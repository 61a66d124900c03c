/* Processes: how they start, end and stand still, and what of their store each end leaves. */
#include "node/sim/core.h"

#include <stdio.h>

#define DRAIN_MAX (10 * USEC_PER_SEC)

unsigned sim_add(struct sim *s)
{
    ASSERT(s->count < SIM_NODES_MAX);
    unsigned node = ++s->count;
    struct machine *m = &s->machines[node];
    m->store = store_mem_new();
    watch_store(s, node);
    m->sim = s;
    m->tracer = (struct tracer){trace_line, m};
    snprintf(m->dc, sizeof m->dc, "dc%u", (node - 1) % s->config.dcs + 1);
    snprintf(m->rack, sizeof m->rack, "rack%u", (node - 1) / s->config.dcs % s->config.racks + 1);
    clocks_init(&m->clocks, node);
    usec offset = s->config.clock_offset_us;
    if (offset > 0)
        sim_set_clock(s, node, rng_between(&s->rng, -offset, offset));
    int32_t drift = s->config.clock_drift_ppm;
    if (drift > 0)
        sim_drift_clock(s, node, (int32_t)rng_between(&s->rng, -drift, drift));
    return node;
}

static usec or_default(usec value, usec by_default)
{
    return value > 0 ? value : by_default;
}

static void fill_config(struct sim *s, unsigned node, bool replacing, struct node_config *c)
{
    const struct sim_limits *l = &s->config.limits;
    struct machine *m = machine_of(s, node);
    *c = (struct node_config){
        .seed = rng_next(&s->rng),
        .cluster_name = "simulated",
        .dc = m->dc,
        .rack = m->rack,
        .endpoint = endpoint_of(node, INTERNODE_PORT),
        .cql = endpoint_of(node, CQL_PORT),
        .ring_ranges = s->config.ring_ranges,
        .weight = 1,
        .write_timeout_us = or_default(l->write_timeout_us, 2 * USEC_PER_SEC),
        .read_timeout_us = or_default(l->read_timeout_us, 5 * USEC_PER_SEC),
        .range_timeout_us = or_default(l->range_timeout_us, 10 * USEC_PER_SEC),
        .counter_window_us = or_default(l->counter_window_us, 30 * USEC_PER_SEC),
        .probe_interval_us = or_default(l->probe_interval_us, USEC_PER_SEC),
        .gossip_interval_us = 200 * USEC_PER_MS,
        .clock_offset_max_us = 500 * USEC_PER_MS,
        .in_flight_max = l->in_flight_max,
        .frame_max = l->frame_max,
        .pull_bytes_max = l->pull_bytes_max,
        .handoff_min = l->handoff_rate,
        .handoff_max = l->handoff_rate,
        .purge_hold_us = or_default(l->purge_hold_us, 2 * USEC_PER_SEC),
        .scrub_us = or_default(l->scrub_us, 30 * USEC_PER_SEC),
        .log_tails_max = l->log_tails_max > 0 ? l->log_tails_max : 16 << 10, /* so that short runs
                                                                                settle logs, too */
        .log_min = l->log_min,
        .log_max = l->log_max,
        .log_window_us = l->log_window_us,
        .away_us = l->away_us,
        .tracer = &m->tracer,
    };
    c->probe_timeout_us = c->probe_interval_us / 2;
    if (replacing)
        c->replaces = c->endpoint;
    for (unsigned i = 1; i <= SIM_SEEDS && i <= s->count; i++)
        c->seeds[c->seeds_count++] = endpoint_of(i, INTERNODE_PORT);
}

static enum err make_node(struct sim *s, unsigned node, bool replacing)
{
    struct machine *m = machine_of(s, node);
    struct node_config config;
    fill_config(s, node, replacing, &config);
    if (m->disk.full) /* the store would have to write its log anew */
        return errmsg_set(&m->why_down, ERR_FULL, "open the store: no space left");
    enum err err = node_new(&config, m->store, &m->node, &m->why_down);
    if (err != ERR_OK)
        store_mem_crash(m->store, SIZE_MAX);
    return err;
}

static bool start(struct sim *s, unsigned node, bool replacing)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node == NULL);
    m->life = ++s->lives;
    m->paused = false;
    m->powered = true;
    m->drained = false;
    m->disk.syncing = false;
    m->turn_comes = false;
    m->crash.armed = false;
    m->why_down = (struct errmsg){""};
    if (make_node(s, node, replacing) != ERR_OK) {
        sim_note(s, "%u does not start: %s", node, m->why_down.text);
        return false;
    }
    m->host_id = *node_host_id(m->node);
    m->knows_host_id = true;
    struct node_event event = {.type = NODE_START};
    turn(s, node, &event);
    return true;
}

bool sim_start(struct sim *s, unsigned node)
{
    return start(s, node, false);
}

bool sim_start_replacing(struct sim *s, unsigned node)
{
    return start(s, node, true);
}

const char *sim_why_down(const struct sim *s, unsigned node)
{
    return machine_of(s, node)->why_down.text;
}

void process_free_held(struct machine *m)
{
    for (size_t i = 0; i < m->held_count; i++)
        mem_free(m->held[i].data);
    m->held_count = 0;
}

static void process_gone(struct sim *s, unsigned node, bool silent, size_t groups_kept)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node != NULL);
    repairs_process_gone(s, node);
    node_free(m->node);
    m->node = NULL;
    m->paused = false;
    m->crash.armed = false;
    process_free_held(m);
    store_mem_crash(m->store, groups_kept);
    client_node_gone(s, node);
    net_process_gone(s, node, silent);
    mix(s, (uint64_t)node << 1 | silent);
}

/* So many of the oldest groups, at random. */
static size_t some(struct sim *s, size_t groups)
{
    return groups > 0 ? (size_t)rng_below(&s->rng, groups + 1) : 0;
}

/* The fsync that was under way may have got anywhere. */
void power_cut(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    m->powered = false;
    if (m->disk.syncing)
        store_mem_sync(m->store, some(s, m->disk.groups));
    process_gone(s, node, true, 0);
}

void sim_crash(struct sim *s, unsigned node)
{
    power_cut(s, node);
}

/* Of the groups that were handed to the store some had not got to the kernel yet. */
void sim_kill(struct sim *s, unsigned node)
{
    process_gone(s, node, false, some(s, store_mem_pending(machine_of(s, node)->store)));
}

void sim_crash_in_turn(struct sim *s, unsigned node, unsigned effects)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node != NULL);
    m->crash.armed = true;
    m->crash.effects = effects;
}

static bool has_drained(struct sim *s, void *arg)
{
    const struct machine *m = machine_of(s, *(unsigned *)arg);
    return m->drained || m->node == NULL;
}

void sim_stop(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node != NULL);
    struct node_event event = {.type = NODE_DRAIN};
    turn(s, node, &event);
    sim_until(s, has_drained, &node, DRAIN_MAX);
    if (m->node == NULL) /* crashed in a turn */
        return;
    engine_save_clocks(node_engine(m->node));
    store_flush(m->store);
    store_mem_sync(m->store, SIZE_MAX);
    process_gone(s, node, false, SIZE_MAX);
}

void sim_slow_node(struct sim *s, unsigned node, usec turn_us)
{
    struct machine *m = machine_of(s, node);
    m->turn_us = turn_us;
    if (!m->paused)
        release_held(s, m);
}

void sim_pause(struct sim *s, unsigned node)
{
    ASSERT(machine_of(s, node)->node != NULL);
    machine_of(s, node)->paused = true;
}

void sim_resume(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->paused);
    m->paused = false;
    release_held(s, m);
}

bool sim_is_up(const struct sim *s, unsigned node)
{
    return machine_of(s, node)->node != NULL;
}

bool sim_is_paused(const struct sim *s, unsigned node)
{
    return machine_of(s, node)->paused;
}

bool sim_is_ready(const struct sim *s, unsigned node)
{
    const struct machine *m = machine_of(s, node);
    return m->node != NULL && !m->paused && node_is_ready(m->node);
}

unsigned sim_nodes(const struct sim *s)
{
    return s->count;
}

struct node *sim_node(struct sim *s, unsigned node)
{
    return machine_of(s, node)->node;
}
