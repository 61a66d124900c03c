#include "node/sim/core.h"

#define FORM_MAX (60 * USEC_PER_SEC)
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

static bool before(const struct slot *a, const struct slot *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void queue_push(struct sim *s, struct event e)
{
    struct slot slot = {e.at, ++s->orders, NULL};
    slot.event = s->spare_count > 0 ? s->spare[--s->spare_count] : mem_new(struct event);
    *slot.event = e;
    s->heap = mem_grow(s->heap, s->heap_count, &s->heap_cap, sizeof *s->heap);
    size_t i = s->heap_count++;
    while (i > 0 && before(&slot, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = slot;
}

static struct event queue_pop(struct sim *s)
{
    struct event *first = s->heap[0].event;
    struct slot last = s->heap[--s->heap_count];
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
    s->spare = mem_grow(s->spare, s->spare_count, &s->spare_cap, sizeof(struct event *));
    s->spare[s->spare_count++] = first;
    return *first;
}

/* --- the turn of a node: one event, its effects, then what ends every turn of a shell */

/* The disk does one fsync at a time; what is flushed meanwhile shares the next one. */
static void start_sync(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    if (m->disk.syncing)
        return;
    size_t groups = store_mem_pending(m->store);
    if (groups == 0 && !store_mem_has_news(m->store)) /* news without a write: it failed */
        return;
    usec least = m->disk.sync_us > 0 ? m->disk.sync_us : s->config.disk_us;
    m->disk.syncing = true;
    m->disk.groups = groups;
    queue_push(s, (struct event){.at = s->time + delay(s, least, least),
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
    case NODE_MEND: break;  /* these stores are mended between two processes, when a test says so */
    case NODE_PLACE: break; /* a person starts a machine whose disk is lost */
    case NODE_PASSWORD: break; /* nobody logs in to these clusters */
    case NODE_DRAINED: machine_of(s, node)->drained = true; break;
    }
}

void set_deadline(struct sim *s, struct machine *m, bool was_deadline)
{
    m->deadline_mono = node_deadline(m->node);
    m->deadline = clocks_when(&m->clocks, m->deadline_mono);
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
    event->now = clocks_read(&m->clocks, s->time);
    s->events++;
    mix(s, (uint64_t)s->time);
    mix(s, (uint64_t)event->type << 8 | node);
    mix(s, bytes_hash(event->bytes));
    trace_event(s, node, event);
    struct node_effects effects = node_step(m->node, event);
    bool crash = m->crash.armed && effects.count > m->crash.effects;
    size_t count = crash ? m->crash.effects : effects.count;
    for (size_t i = 0; i < count; i++)
        perform(s, node, &effects.items[i]);
    if (crash) {
        power_cut(s, node);
        return;
    }
    store_flush(m->store);
    start_sync(s, node);
    set_deadline(s, m, event->type == NODE_DEADLINE);
    client_read_on(s, node);
}

/* --- time */

void hold(struct machine *m, struct event e)
{
    m->held = mem_grow(m->held, m->held_count, &m->held_cap, sizeof *m->held);
    m->held[m->held_count++] = e;
}

static void deadline_turn(struct sim *s, unsigned node)
{
    struct node_event event = {.type = NODE_DEADLINE};
    turn(s, node, &event);
}

/* What a node hears, and its deadlines, may have to wait for it. */
static bool must_wait(const struct machine *m)
{
    return m->paused || (m->node != NULL && m->turn_us > 0);
}

static void turn_comes(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    if (m->paused || m->turn_comes)
        return;
    m->turn_comes = true;
    queue_push(s,
               (struct event){
                   .at = s->time + m->turn_us, .type = EVENT_TURN, .node = node, .life = m->life});
}

static void hear(struct sim *s, const struct event *e)
{
    struct machine *m = machine_of(s, e->node);
    struct node_event store = {.type = NODE_STORE};
    switch (e->type) {
    case EVENT_SYNC:
        if (m->node != NULL && m->life == e->life)
            turn(s, e->node, &store);
        break;
    case EVENT_TO_NODE:
    case EVENT_TO_CLIENT: client_arrive(s, e); break;
    default: net_arrive(s, e); break;
    }
    mem_free(e->data);
}

/* All that has come to a slow node while it was busy, and its deadline. */
static void slow_turn(struct sim *s, const struct event *e)
{
    struct machine *m = machine_of(s, e->node);
    if (m->node == NULL || m->life != e->life)
        return;
    m->turn_comes = false;
    if (m->paused)
        return;
    struct event *held = m->held;
    size_t count = m->held_count;
    m->held = NULL;
    m->held_count = 0;
    m->held_cap = 0;
    for (size_t i = 0; i < count; i++)
        hear(s, &held[i]);
    mem_free(held);
    if (m->node != NULL && m->life == e->life && m->deadline <= s->time)
        deadline_turn(s, e->node);
}

/* The disk goes on while the node stands still: only hearing of it waits. */
static void synced(struct sim *s, const struct event *e)
{
    struct machine *m = machine_of(s, e->node);
    if (m->node == NULL || m->life != e->life)
        return;
    store_mem_sync(m->store, m->disk.groups);
    m->disk.syncing = false;
    if (store_mem_pending(m->store) > 0) /* the node hears of this one next, from the same event */
        start_sync(s, e->node);
}

static void deliver(struct sim *s, struct event e)
{
    struct machine *m = machine_of(s, e.node);
    if (e.type == EVENT_TURN) {
        slow_turn(s, &e);
        return;
    }
    if (e.type == EVENT_SENT) {
        net_sent(s, &e);
        return;
    }
    if (e.type == EVENT_SYNC)
        synced(s, &e);
    if (must_wait(m) && e.type != EVENT_TO_CLIENT) {
        hold(m, e);
        turn_comes(s, e.node);
        return;
    }
    hear(s, &e);
}

/* The node stands still no longer, or is no longer slow: it hears what has come meanwhile. */
void release_held(struct sim *s, struct machine *m)
{
    if (m->turn_us > 0) {
        turn_comes(s, (unsigned)(m - s->machines));
        return;
    }
    for (size_t i = 0; i < m->held_count; i++) {
        m->held[i].at = s->time;
        queue_push(s, m->held[i]);
    }
    m->held_count = 0;
}

bool sim_step(struct sim *s, usec until)
{
    usec next = s->heap_count > 0 ? s->heap[0].at : USEC_NEVER;
    unsigned who = 0;
    for (unsigned i = 1; i <= s->count; i++) {
        const struct machine *m = &s->machines[i];
        if (m->node != NULL && !m->paused && !m->turn_comes && m->deadline < next) {
            next = m->deadline;
            who = i;
        }
    }
    if (next > until) {
        s->time = until > s->time ? until : s->time;
        return false;
    }
    s->time = next > s->time ? next : s->time;
    if (who == 0)
        deliver(s, queue_pop(s));
    else if (must_wait(&s->machines[who]))
        turn_comes(s, who);
    else
        deadline_turn(s, who);
    compare_go_on(s);
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

static size_t members(const struct topology *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        count += t->nodes[i].state != NODE_LEFT;
    return count;
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
        if (t->epoch != epoch || members(t) != s->count || topology_is_moving(t))
            return false;
    }
    return true;
}

bool sim_form(struct sim *s, unsigned nodes)
{
    while (s->count < nodes)
        sim_add(s);
    for (unsigned i = 1; i <= nodes; i++) {
        if (!sim_is_up(s, i) && !sim_start(s, i))
            return false;
    }
    return sim_until(s, all_formed, NULL, FORM_MAX);
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
    if (s->config.dcs == 0)
        s->config.dcs = 1;
    if (s->config.racks == 0)
        s->config.racks = 1;
    struct sim_limits *l = &s->config.limits;
    l->link_out_max = l->link_out_max > 0 ? l->link_out_max : (size_t)64 << 20;
    l->in_flight_max = l->in_flight_max > 0 ? l->in_flight_max : (size_t)64 << 20;
    l->frame_max = l->frame_max > 0 ? l->frame_max : (size_t)16 << 20;
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
    rows_lost_close(s);
    compare_close(s);
    compare_wire_close(s);
    for (unsigned i = 1; i <= s->count; i++) {
        struct machine *m = &s->machines[i];
        node_free(m->node);
        process_free_held(m);
        mem_free(m->held);
        store_close(m->store);
        store_close(m->backup);
    }
    for (size_t i = 0; i < s->heap_count; i++) {
        mem_free(s->heap[i].event->data);
        mem_free(s->heap[i].event);
    }
    for (size_t i = 0; i < s->spare_count; i++)
        mem_free(s->spare[i]);
    mem_free(s->spare);
    mem_free(s->heap);
    mem_free(s->words);
    buf_close(&s->lines);
    buf_close(&s->said);
    arena_close(&s->scratch);
    mem_free(s);
}

uint64_t sim_connection(const struct sim *s, unsigned node)
{
    uint64_t number = s->machines[node].client.number;
    return number != 0 ? number : s->lives + 1;
}

void sim_set_session(struct sim *s, struct buf *session)
{
    s->session = session;
}

void sim_want_receipts(struct sim *s, bool want)
{
    s->receipts = want;
}
