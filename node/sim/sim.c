#include "node/sim/core.h"

#include <stdio.h>
#include <string.h>

#define CQL_PORT       9042
#define INTERNODE_PORT 7000
#define MONO_APART     (1000 * USEC_PER_SEC) /* monotonic clocks of machines have nothing in common */
#define DRAIN_MAX      (10 * USEC_PER_SEC)
#define FORM_MAX       (60 * USEC_PER_SEC)
#define IDLE_TURNS_MAX                                                                             \
    100000 /* a node that asks to be woken at once, again and again, is broken                     \
            */

/* --- small things */

void mix(struct sim *s, uint64_t value)
{
    s->hash = (s->hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    s->hash ^= s->hash >> 29;
}

usec delay(struct sim *s, usec least, usec jitter)
{
    if (jitter == 0)
        return least;
    usec more = rng_between(&s->rng, 0, jitter);
    return least + (rng_chance(&s->rng, 50000) ? 10 * more : more);
}

struct machine *machine_of(const struct sim *s, unsigned node)
{
    ASSERT(node >= 1);
    ASSERT(node <= s->count);
    return (struct machine *)&s->machines[node];
}

struct endpoint endpoint_of(unsigned node, uint16_t port)
{
    return endpoint_v4(10, 0, 0, (uint8_t)node, port);
}

unsigned node_at(const struct sim *s, const struct endpoint *e)
{
    struct endpoint expected = endpoint_of(e->ip[15], e->port);
    return endpoint_equal(e, &expected) && e->ip[15] <= s->count ? e->ip[15] : 0;
}

/* --- the queue: a binary heap by (time, order) */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void queue_push(struct sim *s, struct event e)
{
    e.order = ++s->orders;
    s->heap = mem_grow(s->heap, s->heap_count, &s->heap_cap, sizeof *s->heap);
    size_t i = s->heap_count++;
    while (i > 0 && before(&e, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = e;
}

static struct event queue_pop(struct sim *s)
{
    struct event first = s->heap[0];
    struct event last = s->heap[--s->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->heap_count)
            break;
        if (child + 1 < s->heap_count && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    if (s->heap_count > 0)
        s->heap[i] = last;
    return first;
}

/* --- the turn of a node: one event, its effects, then what ends every turn of a shell */

/* The disk does one fsync at a time; what is flushed meanwhile shares the next one. */
static void start_sync(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    size_t groups = store_mem_pending(m->store);
    if (m->syncing || groups == 0)
        return;
    m->syncing = true;
    m->syncing_groups = groups;
    queue_push(s, (struct event){.at = s->time + delay(s, s->config.disk_us, s->config.disk_us),
                                 .type = EVENT_SYNC,
                                 .node = node,
                                 .life = m->life});
}

static void perform(struct sim *s, unsigned node, const struct node_effect *e)
{
    switch (e->type) {
    case NODE_SEND: net_send(s, node, node_at(s, &e->to), e->bytes); break;
    case NODE_SEND_DATAGRAM: net_datagram(s, node, node_at(s, &e->to), e->bytes); break;
    case NODE_CLIENT_OUT: client_out(s, node); break;
    case NODE_CLIENT_CLOSE: client_hang_up(s, node, e->client); break;
    case NODE_LOG: break; /* the tracer has heard it */
    case NODE_READY_NOW: break;
    case NODE_DRAINED: machine_of(s, node)->drained = true; break;
    }
}

static void set_deadline(struct sim *s, struct machine *m, bool was_deadline)
{
    usec mono = node_deadline(m->node);
    usec shift = MONO_APART * (usec)(m - s->machines);
    m->deadline = mono == USEC_NEVER ? USEC_NEVER : mono - shift;
    if (m->deadline > s->time || !was_deadline) {
        m->idle_turns = 0;
        return;
    }
    m->idle_turns++;
    ASSERT(m->idle_turns < IDLE_TURNS_MAX);
    m->deadline = s->time + 1;
}

void turn(struct sim *s, unsigned node, struct node_event *event)
{
    struct machine *m = machine_of(s, node);
    event->now.mono = s->time + MONO_APART * (usec)node;
    event->now.wall = SIM_WALL + s->time + m->clock_offset;
    s->events++;
    mix(s, (uint64_t)s->time);
    mix(s, (uint64_t)event->type << 8 | node);
    mix(s, bytes_hash(event->bytes));
    struct node_effects effects = node_step(m->node, event);
    for (size_t i = 0; i < effects.count; i++)
        perform(s, node, &effects.items[i]);
    store_flush(m->store);
    start_sync(s, node);
    set_deadline(s, m, event->type == NODE_DEADLINE);
}

/* --- time */

static void hold(struct machine *m, struct event e)
{
    m->held = mem_grow(m->held, m->held_count, &m->held_cap, sizeof *m->held);
    m->held[m->held_count++] = e;
}

static void deliver(struct sim *s, struct event e)
{
    struct machine *m = machine_of(s, e.node);
    if (m->paused && e.type != EVENT_TO_CLIENT) {
        hold(m, e);
        return;
    }
    struct node_event store = {.type = NODE_STORE};
    switch (e.type) {
    case EVENT_MESSAGE:
    case EVENT_DATAGRAM:
    case EVENT_LINK_LOST:
    case EVENT_TURNED_AWAY: net_arrive(s, &e); break;
    case EVENT_SYNC:
        if (m->node == NULL || m->life != e.life)
            break;
        store_mem_sync(m->store, m->syncing_groups);
        m->syncing = false;
        turn(s, e.node, &store);
        break;
    case EVENT_TO_NODE:
    case EVENT_TO_CLIENT: client_arrive(s, &e); break;
    }
    mem_free(e.data);
}

bool sim_step(struct sim *s, usec until)
{
    usec next = s->heap_count > 0 ? s->heap[0].at : USEC_NEVER;
    unsigned who = 0;
    for (unsigned i = 1; i <= s->count; i++) {
        const struct machine *m = &s->machines[i];
        if (m->node != NULL && !m->paused && m->deadline < next) {
            next = m->deadline;
            who = i;
        }
    }
    if (next > until) {
        s->time = until > s->time ? until : s->time;
        return false;
    }
    s->time = next > s->time ? next : s->time;
    if (who != 0) {
        struct node_event event = {.type = NODE_DEADLINE};
        turn(s, who, &event);
    } else {
        deliver(s, queue_pop(s));
    }
    return true;
}

void sim_elapse(struct sim *s, usec us)
{
    usec until = s->time + us;
    while (sim_step(s, until)) {
    }
}

bool sim_until(struct sim *s, sim_condition *condition, void *arg, usec limit_us)
{
    usec until = s->time + limit_us;
    while (!condition(s, arg)) {
        if (!sim_step(s, until))
            return condition(s, arg);
    }
    return true;
}

static bool all_ready(struct sim *s, void *arg)
{
    (void)arg;
    for (unsigned i = 1; i <= s->count; i++) {
        if (s->machines[i].node != NULL && !node_is_ready(s->machines[i].node))
            return false;
    }
    return true;
}

bool sim_until_ready(struct sim *s, usec limit_us)
{
    return sim_until(s, all_ready, NULL, limit_us);
}

/* All are ready, know each other and nothing moves. */
static bool all_formed(struct sim *s, void *arg)
{
    (void)arg;
    if (!sim_see_each_other(s, NULL))
        return false;
    uint64_t epoch = 0;
    for (unsigned i = 1; i <= s->count; i++) {
        if (s->machines[i].node == NULL)
            continue;
        epoch = epoch != 0 ? epoch : meta_epoch(node_meta(s->machines[i].node));
        const struct topology *t = meta_topology(node_meta(s->machines[i].node));
        if (t->epoch != epoch || t->count != s->count || t->movers_count > 0)
            return false;
    }
    return true;
}

bool sim_form(struct sim *s, unsigned nodes)
{
    while (s->count < nodes)
        sim_add(s);
    for (unsigned i = 1; i <= nodes; i++) {
        if (!sim_is_up(s, i))
            sim_start(s, i);
    }
    return sim_until(s, all_formed, NULL, FORM_MAX);
}

/* --- processes */

unsigned sim_add(struct sim *s)
{
    ASSERT(s->count < SIM_NODES_MAX);
    struct machine *m = &s->machines[++s->count];
    m->store = store_mem_new();
    m->sim = s;
    m->tracer = (struct tracer){trace_line, m};
    if (s->config.clock_offset_us > 0)
        m->clock_offset =
            rng_between(&s->rng, -s->config.clock_offset_us, s->config.clock_offset_us);
    return s->count;
}

void sim_start(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    struct errmsg why;
    ASSERT(m->node == NULL);
    struct node_config config = {
        .seed = rng_next(&s->rng),
        .cluster_name = "simulated",
        .dc = "dc1",
        .rack = "rack1",
        .endpoint = endpoint_of(node, INTERNODE_PORT),
        .cql = endpoint_of(node, CQL_PORT),
        .ring_ranges = s->config.ring_ranges,
        .weight = 1,
        .write_timeout_us = 2 * USEC_PER_SEC,
        .read_timeout_us = 5 * USEC_PER_SEC,
        .range_timeout_us = 10 * USEC_PER_SEC,
        .probe_interval_us = USEC_PER_SEC,
        .probe_timeout_us = 500 * USEC_PER_MS,
        .gossip_interval_us = 200 * USEC_PER_MS,
        .clock_offset_max_us = 500 * USEC_PER_MS,
        .in_flight_max = (size_t)64 << 20,
        .frame_max = (size_t)16 << 20,
        .tracer = &m->tracer,
    };
    for (unsigned i = 1; i <= SIM_SEEDS && i <= s->count; i++)
        config.seeds[config.seeds_count++] = endpoint_of(i, INTERNODE_PORT);
    m->life = ++s->lives;
    m->paused = false;
    m->powered = true;
    m->drained = false;
    m->syncing = false;
    enum err err = node_new(&config, m->store, &m->node, &why);
    if (err != ERR_OK && s->config.print != NULL)
        s->config.print(s->config.print_arg, why.text);
    ASSERT(err == ERR_OK);
    m->host_id = *node_host_id(m->node);
    m->knows_host_id = true;
    struct node_event event = {.type = NODE_START};
    turn(s, node, &event);
}

static void free_held(struct machine *m)
{
    for (size_t i = 0; i < m->held_count; i++)
        mem_free(m->held[i].data);
    m->held_count = 0;
}

static void process_gone(struct sim *s, unsigned node, bool keep_flushed)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node != NULL);
    node_free(m->node);
    m->node = NULL;
    m->paused = false;
    free_held(m);
    store_mem_crash(m->store, keep_flushed);
    client_node_gone(s, node);
    net_process_gone(s, node, !keep_flushed);
    mix(s, (uint64_t)node << 1 | keep_flushed);
}

void sim_crash(struct sim *s, unsigned node)
{
    machine_of(s, node)->powered = false;
    process_gone(s, node, false);
}

void sim_kill(struct sim *s, unsigned node)
{
    process_gone(s, node, true);
}

static bool has_drained(struct sim *s, void *arg)
{
    return machine_of(s, *(unsigned *)arg)->drained;
}

void sim_stop(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node != NULL);
    struct node_event event = {.type = NODE_DRAIN};
    turn(s, node, &event);
    sim_until(s, has_drained, &node, DRAIN_MAX);
    engine_save_clocks(node_engine(m->node));
    store_flush(m->store);
    store_mem_sync(m->store, SIZE_MAX);
    process_gone(s, node, true);
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
    for (size_t i = 0; i < m->held_count; i++) {
        m->held[i].at = s->time;
        queue_push(s, m->held[i]);
    }
    m->held_count = 0;
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

usec sim_now(const struct sim *s)
{
    return s->time;
}

uint64_t sim_hash(const struct sim *s)
{
    return s->hash;
}

uint64_t sim_events(const struct sim *s)
{
    return s->events;
}

struct rng *sim_rng(struct sim *s)
{
    return &s->user_rng;
}

void sim_fill_disk(struct sim *s, unsigned node)
{
    store_mem_fail(s->machines[node].store, ERR_FULL, "no space left");
}

void sim_set_disk(struct sim *s, usec disk_us)
{
    s->config.disk_us = disk_us;
}

/* --- making */

struct sim *sim_new(const struct sim_config *config)
{
    struct sim *s = mem_new(struct sim);
    s->config = *config;
    if (s->config.ring_ranges == 0)
        s->config.ring_ranges = 16;
    if (s->config.latency_us == 0) {
        s->config.latency_us = 500;
        s->config.jitter_us = 500;
    }
    if (s->config.disk_us == 0)
        s->config.disk_us = 300;
    rng_init(&s->rng, config->seed);
    s->user_rng = rng_fork(&s->rng);
    map_init(&s->questions);
    buf_init(&s->lines, (size_t)SIM_LINES_MAX * SIM_LINE_MAX);
    buf_init(&s->said, BUF_MAX_DEFAULT);
    return s;
}

void sim_free(struct sim *s)
{
    if (s == NULL)
        return;
    client_close(s);
    net_close(s);
    for (unsigned i = 1; i <= s->count; i++) {
        struct machine *m = &s->machines[i];
        node_free(m->node);
        free_held(m);
        mem_free(m->held);
        store_close(m->store);
    }
    for (size_t i = 0; i < s->heap_count; i++)
        mem_free(s->heap[i].data);
    mem_free(s->heap);
    mem_free(s->words);
    buf_close(&s->lines);
    buf_close(&s->said);
    arena_close(&s->scratch);
    mem_free(s);
}
