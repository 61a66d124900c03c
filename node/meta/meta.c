#include "node/meta/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct meta_effect *effect_add(struct meta *m, int type)
{
    if (m->effects_count == m->effects_cap)
        m->effects = arena_grow(&m->arena, m->effects, m->effects_count, &m->effects_cap,
                                sizeof m->effects[0]);
    struct meta_effect *e = &m->effects[m->effects_count++];
    memset(e, 0, sizeof *e);
    e->type = (unsigned)type;
    return e;
}

void effect_send(struct meta *m, const struct endpoint *to, const struct wire_message *message)
{
    if (endpoint_is_none(to))
        return;
    struct meta_effect *e = effect_add(m, META_EFFECT_SEND);
    e->send.to = *to;
    e->send.message = *message;
    e->send.message.from = m->self;
    e->send.message.epoch = metalog_applied(m);
    e->send.message.generation = m->state.topology.generation;
}

uint64_t effect_store(struct meta *m, const char *name, struct bytes value)
{
    struct meta_effect *e = effect_add(m, META_EFFECT_STORE);
    e->store.name = arena_copy(&m->arena, bytes_text(name));
    e->store.value = value.len > 0 ? arena_copy(&m->arena, value) : BYTES_NONE;
    e->store.ticket = ++m->tickets;
    return m->tickets;
}

void effect_phase(struct meta *m, enum meta_phase phase)
{
    if (m->phase == phase)
        return;
    m->phase = phase;
    effect_add(m, META_EFFECT_PHASE)->phase = phase;
}

void effect_problem(struct meta *m, const char *format, ...)
{
    char text[ERRMSG_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strcmp(text, m->problem) == 0)
        return;
    memcpy(m->problem, text, sizeof text);
    effect_add(m, META_EFFECT_PROBLEM)->problem = m->problem;
}

void effect_no_problem(struct meta *m)
{
    if (m->problem[0] == 0 || m->is_stuck)
        return;
    m->problem[0] = 0;
    effect_add(m, META_EFFECT_PROBLEM)->problem = m->problem;
}

void effect_applied(struct meta *m, const struct state_change *change)
{
    struct meta_effect *e = effect_add(m, META_EFFECT_APPLIED);
    e->applied.slot = metalog_applied(m);
    e->applied.changes = change->changes;
    e->applied.err = change->err;
    e->applied.keyspace = change->keyspace;
    e->applied.table = change->table;
}

void effect_done(struct meta *m, uint64_t request, enum err err, uint64_t slot, const char *message)
{
    struct meta_effect *e = effect_add(m, META_EFFECT_DONE);
    e->done.request = request;
    e->done.err = err;
    e->done.slot = slot;
    e->done.message = arena_text(&m->arena, bytes_text(message));
}

bool meta_talks_to(const struct meta *m, const struct topology_node *n)
{
    return n->state != NODE_LEFT && n->node != m->self && !endpoint_is_none(&n->info.endpoint) &&
           !endpoint_equal(&n->info.endpoint, &m->info.endpoint);
}

static enum err check_config(const struct meta_config *c, struct errmsg *reterr)
{
    if (strlen(c->cluster_name) >= CLUSTER_NAME_SIZE || c->cluster_name[0] == 0)
        return errmsg_set(reterr, ERR_CONFIG, "cluster_name must have 1 to %d bytes",
                          CLUSTER_NAME_SIZE - 1);
    if (c->seeds_count > META_SEEDS_MAX)
        return errmsg_set(reterr, ERR_CONFIG, "more than %d seeds", META_SEEDS_MAX);
    if (!ring_ranges_valid(c->ranges))
        return errmsg_set(reterr, ERR_CONFIG, "ring_ranges must be a power of two up to %d",
                          RING_RANGES_MAX);
    if (uuid_is_zero(&c->self.host_id) || endpoint_is_none(&c->self.endpoint))
        return errmsg_set(reterr, ERR_CONFIG, "a node needs a host id and an address");
    if (c->self.weight == 0 || c->self.weight > RING_WEIGHT_MAX || c->self.dc[0] == 0 ||
        c->self.rack[0] == 0)
        return errmsg_set(reterr, ERR_CONFIG, "a node needs a weight, a data centre and a rack");
    return ERR_OK;
}

static enum err check_loaded(const struct meta *m, struct errmsg *reterr)
{
    const struct topology *t = &m->state.topology;
    const struct topology_node *self = topology_find_host(t, &m->info.host_id);
    if (t->epoch == 0)
        return ERR_OK;
    if (strcmp(t->name, m->cluster_name) != 0)
        return errmsg_set(reterr, ERR_CONFIG,
                          "the data is of cluster '%s', the configuration says '%s'", t->name,
                          m->cluster_name);
    if (self != NULL &&
        (strcmp(self->info.dc, m->info.dc) != 0 || strcmp(self->info.rack, m->info.rack) != 0))
        return errmsg_set(reterr, ERR_CONFIG,
                          "this node joined as %s/%s and cannot become %s/%s; remove it first",
                          self->info.dc, self->info.rack, m->info.dc, m->info.rack);
    return ERR_OK;
}

enum err meta_new(const struct meta_config *config, const struct meta_fact *facts, size_t count,
                  struct errmsg *reterr, struct meta **ret_meta)
{
    enum err err = check_config(config, reterr);
    if (err != ERR_OK)
        return err;
    struct meta *m = mem_new(struct meta);
    m->info = config->self;
    memcpy(m->cluster_name, config->cluster_name, strlen(config->cluster_name));
    m->replaces = config->replaces;
    m->ranges = config->ranges;
    m->away_us = config->away_us > 0 ? config->away_us : AWAY_US;
    for (size_t i = 0; i < config->seeds_count; i++) {
        m->seeds[i].at = config->seeds[i];
        m->seeds[i].is_self = endpoint_equal(&config->seeds[i], &config->self.endpoint);
    }
    m->seeds_count = config->seeds_count;
    rng_init(&m->rng, config->seed);
    /* Answers to an earlier life of this node must not match a request of this one. */
    m->requests_made = rng_next(&m->rng) & ~UINT64_C(0xffffffff);
    arena_init(&m->arena);
    map_init(&m->peers);
    paxos_acceptor_init(&m->acceptor);
    paxos_proposer_init(&m->proposer);
    err = metalog_load(m, facts, count, reterr);
    if (err == ERR_OK)
        err = check_loaded(m, reterr);
    if (err != ERR_OK) {
        meta_free(m);
        return err;
    }
    *ret_meta = m;
    return ERR_OK;
}

void meta_free(struct meta *m)
{
    if (m == NULL)
        return;
    wanted_close(m);
    proposing_close(m);
    metalog_close(m);
    map_clear(&m->peers, mem_free);
    map_close(&m->peers);
    paxos_acceptor_close(&m->acceptor);
    paxos_proposer_close(&m->proposer);
    arena_close(&m->arena);
    mem_free(m);
}

static void start(struct meta *m)
{
    if (m->started)
        return;
    m->started = true;
    m->started_at = m->now.mono;
    if (generation_start(m))
        return;
    metalog_start(m);
    forming_start(m);
    if (m->phase == META_RECOVERING)
        catchup_start(m);
}

size_t meta_pending(const struct meta *m)
{
    size_t attempts = m->proposer.phase != PAXOS_IDLE;
    return m->requests_count + m->proposals_count + m->replies_count + attempts;
}

/* The cluster a message speaks for; NULL for those that have none to speak for. */
static const struct uuid *cluster_of(const struct wire_message *w)
{
    switch (w->type) {
    case WIRE_META_PREPARE: return &w->meta_prepare.cluster;
    case WIRE_META_PROMISE: return &w->meta_promise.cluster;
    case WIRE_META_ACCEPT: return &w->meta_accept.cluster;
    case WIRE_META_ACCEPTED: return &w->meta_accepted.cluster;
    case WIRE_META_FETCH: return &w->meta_fetch.cluster;
    case WIRE_META_ENTRIES: return &w->meta_entries.cluster;
    case WIRE_META_APPLIED: return &w->meta_applied.cluster;
    case WIRE_META_PROPOSE: return &w->meta_propose.cluster;
    case WIRE_META_RESULT: return &w->meta_result.cluster;
    case WIRE_META_LOST: return &w->meta_lost.cluster;
    case WIRE_META_LOST_TOLD: return &w->meta_lost_told.cluster;
    default: return NULL;
    }
}

static void message(struct meta *m, const struct endpoint *from, const struct wire_message *w)
{
    const struct uuid *cluster = cluster_of(w);
    if (w->type == WIRE_META_HELLO) {
        forming_hello(m, from, w);
        return;
    }
    if (w->type == WIRE_META_WELCOME &&
        generation_hears(m, w->from, w->generation, w->meta_welcome.known)) {
        forming_welcome(m, from, w);
        return;
    }
    if (cluster == NULL || uuid_is_zero(&m->cluster))
        return;
    if (!uuid_equal(cluster, &m->cluster)) {
        forming_refuse(m, from, w);
        return;
    }
    if (!generation_hears(m, w->from, w->generation, w->epoch)) {
        generation_refuse(m, from, w);
        return;
    }
    catchup_heard(m, from, w->from, w->epoch);
    switch (w->type) {
    case WIRE_META_PREPARE:
    case WIRE_META_PROMISE:
    case WIRE_META_ACCEPT:
    case WIRE_META_ACCEPTED: proposing_message(m, from, w); break;
    case WIRE_META_FETCH: metalog_send_from(m, w->meta_fetch.slot, from); break;
    case WIRE_META_ENTRIES: catchup_entries(m, from, &w->meta_entries); break;
    case WIRE_META_APPLIED:
        if (w->meta_applied.lost)
            generation_told_lost(m, w->generation);
        else
            catchup_ask(m, from, &w->meta_applied);
        break;
    case WIRE_META_LOST: recover_asked(m, from, &w->meta_lost); break;
    case WIRE_META_LOST_TOLD: recover_told(m, w->from, &w->meta_lost_told); break;
    case WIRE_META_PROPOSE: wanted_relay(m, from, &w->meta_propose); break;
    case WIRE_META_RESULT:
        forming_result(m, from, &w->meta_result);
        wanted_result(m, &w->meta_result);
        break;
    default: break;
    }
}

static void durable(struct meta *m, uint64_t ticket)
{
    if (ticket <= m->durable || ticket > m->tickets)
        return;
    m->durable = ticket;
    metalog_durable(m);
    proposing_durable(m);
    wanted_progress(m);
}

struct meta_effects meta_step(struct meta *m, const struct meta_event *event)
{
    arena_reset(&m->arena);
    m->effects = NULL;
    m->effects_count = m->effects_cap = 0;
    m->now = event->now;
    if (m->phase == META_OUTDATED) {
        if (event->type == META_EVENT_PROPOSE)
            effect_done(m, event->propose.request, ERR_UNAVAILABLE, 0, m->problem);
        return (struct meta_effects){m->effects, m->effects_count};
    }
    switch (event->type) {
    case META_EVENT_START: start(m); break;
    case META_EVENT_DEADLINE:
        forming_deadline(m);
        catchup_deadline(m);
        proposing_deadline(m);
        members_deadline(m);
        recover_deadline(m);
        wanted_deadline(m);
        break;
    case META_EVENT_MESSAGE: message(m, &event->message.from, event->message.message); break;
    case META_EVENT_EPOCH:
        if (!uuid_is_zero(&m->cluster))
            catchup_heard(m, &event->epoch.from, 0, event->epoch.epoch);
        break;
    case META_EVENT_DURABLE: durable(m, event->ticket); break;
    case META_EVENT_PROPOSE: wanted_local(m, event->propose.request, event->propose.command); break;
    case META_EVENT_LIVENESS:
        catchup_liveness(m, event->liveness.node, event->liveness.alive);
        break;
    case META_EVENT_UNREACHABLE: catchup_unreachable(m, &event->unreachable); break;
    }
    return (struct meta_effects){m->effects, m->effects_count};
}

static usec earlier(usec a, usec b)
{
    return a < b ? a : b;
}

usec meta_deadline(const struct meta *m)
{
    if (!m->started || m->phase == META_OUTDATED)
        return USEC_NEVER;
    return earlier(earlier(earlier(forming_next(m), catchup_next(m)),
                           earlier(members_next(m), recover_next(m))),
                   earlier(proposing_next(m), wanted_next(m)));
}

enum meta_phase meta_phase(const struct meta *m)
{
    return m->phase;
}

const char *meta_phase_text(enum meta_phase phase)
{
    switch (phase) {
    case META_SEEKING: return "SEEKING";
    case META_ENTERING: return "ENTERING";
    case META_RECOVERING: return "RECOVERING";
    case META_READY: return "READY";
    case META_REMOVED: return "REMOVED";
    case META_OUTDATED: return "OUTDATED";
    }
    return "?";
}

const struct topology *meta_topology(const struct meta *m)
{
    return &m->state.topology;
}

const struct schema *meta_schema(const struct meta *m)
{
    return m->state.schema;
}

uint64_t meta_epoch(const struct meta *m)
{
    return metalog_applied(m);
}

node_no meta_self(const struct meta *m)
{
    return m->self;
}

void meta_set_boot(struct meta *m, uint32_t boot)
{
    m->info.boot = boot;
    m->update_at = m->now.mono;
}

bool meta_hears(const struct meta *m, node_no from, uint64_t generation, uint64_t epoch)
{
    return generation_hears(m, from, generation, epoch);
}

const char *meta_problem(const struct meta *m)
{
    return m->problem;
}

uint64_t meta_applied_by(const struct meta *m, node_no node)
{
    const struct peer *p = map_get(&m->peers, node);
    if (node == m->self)
        return metalog_applied(m);
    return p == NULL ? 0 : p->applied;
}

void meta_snapshot(const struct meta *m, struct buf *out)
{
    state_encode(&m->state, out);
}

void meta_check(const struct meta *m)
{
    topology_check(&m->state.topology);
    ASSERT(metalog_last(m) >= metalog_applied(m));
    ASSERT(m->first <= metalog_applied(m) + 1);
    ASSERT(m->durable <= m->tickets);
    ASSERT(m->self == 0 || topology_find(&m->state.topology, m->self) != NULL);
    ASSERT(m->phase != META_READY || m->self != 0);
    for (uint64_t slot = m->first; slot <= metalog_applied(m); slot++)
        ASSERT(m->log[slot - m->first].ticket <= m->durable);
}
