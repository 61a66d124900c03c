#include "gossip/internal.h"

#include <string.h>

#define OLD_NEWS_S     30 /* what somebody has known for so long, all have heard */
#define SCRATCH_KEPT   ((size_t)64 << 10)
#define EFFECTS_KEPT   256
#define DATAGRAM_LEAST 1200 /* header, ping, accusation and the longest update fit */

static void default_us(usec *value, usec otherwise)
{
    if (*value == 0)
        *value = otherwise;
    ASSERT(*value > 0);
}

static void default_u32(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void fill_defaults(struct gossip_config *c)
{
    default_us(&c->probe_interval_us, USEC_PER_SEC);
    default_us(&c->probe_timeout_us, 500 * USEC_PER_MS);
    default_us(&c->gossip_interval_us, 200 * USEC_PER_MS);
    default_us(&c->push_pull_interval_us, 30 * USEC_PER_SEC);
    default_us(&c->join_retry_us, USEC_PER_SEC);
    default_us(&c->rejoin_interval_us, 10 * USEC_PER_SEC);
    default_us(&c->gossip_to_dead_us, 30 * USEC_PER_SEC);
    default_us(&c->dead_reclaim_us, 24 * 3600 * USEC_PER_SEC);
    default_us(&c->left_reclaim_us, 3600 * USEC_PER_SEC);
    default_u32(&c->suspicion_mult, 4);
    default_u32(&c->retransmit_mult, 4);
    default_u32(&c->indirect_checks, 3);
    default_u32(&c->gossip_fanout, 3);
    default_u32(&c->datagram_max, 1400);
    default_u32(&c->members_max, 1024);
    default_u32(&c->push_state_max, 4u << 20);
    ASSERT(c->datagram_max >= DATAGRAM_LEAST && c->push_state_max >= 2 * GOSSIP_UPDATE_MAX);
    ASSERT(c->probe_timeout_us < c->probe_interval_us);
    if (c->indirect_checks > GOSSIP_HELPERS_MAX)
        c->indirect_checks = GOSSIP_HELPERS_MAX;
    if (c->gossip_fanout > GOSSIP_FANOUT_MAX)
        c->gossip_fanout = GOSSIP_FANOUT_MAX;
}

static struct bytes text_of(const char text[GOSSIP_TEXT_SIZE])
{
    return bytes_make(text, strnlen(text, GOSSIP_TEXT_SIZE - 1));
}

/* A view of `self`. */
static struct gossip_member first_self(const struct gossip_self *self, struct now now)
{
    struct gossip_member m;
    memset(&m, 0, sizeof m);
    m.host_id = self->host_id;
    m.addr = self->addr;
    m.cql = self->cql;
    m.http_port = self->http_port;
    m.dc = text_of(self->dc);
    m.rack = text_of(self->rack);
    m.release = text_of(self->release);
    m.generation = self->generation;
    m.incarnation = now.wall > 0 ? (uint64_t)now.wall : 1;
    if (m.incarnation <= self->incarnation_floor)
        m.incarnation = self->incarnation_floor + 1;
    return m;
}

struct gossip *gossip_new(const struct gossip_config *config, const struct gossip_self *self,
                          uint64_t seed, struct now now, const struct tracer *tracer)
{
    ASSERT(!uuid_is_zero(&self->host_id) && !endpoint_is_none(&self->addr));
    struct gossip *g = mem_new(struct gossip);
    g->config = *config;
    fill_defaults(&g->config);
    struct bytes label = bytes_text(config->cluster == NULL ? "" : config->cluster);
    label.len = label.len > GOSSIP_CLUSTER_MAX ? GOSSIP_CLUSTER_MAX : label.len;
    g->cluster = bytes_make(mem_copy(label.data, label.len), label.len);
    g->config.cluster = NULL;
    rng_init(&g->rng, seed);
    g->tracer = tracer;
    g->now = now;
    arena_init(&g->scratch);
    struct gossip_member m = first_self(self, now);
    g->self = members_insert(g, &m, GOSSIP_ALIVE, now.mono);
    g->seq = (uint32_t)rng_next(&g->rng); /* hard to guess for a forger of acks */
    /* Nodes that start together must not probe together. */
    usec part = (usec)rng_below(&g->rng, (uint64_t)g->config.probe_interval_us);
    g->probe_at = now.mono + part;
    g->gossip_at = now.mono;
    sync_plan_push_pull(g, true);
    g->join_at = now.mono + g->config.join_retry_us;
    g->reap_at = USEC_NEVER;
    g->rejoin_at = now.mono + (usec)rng_below(&g->rng, (uint64_t)g->config.rejoin_interval_us);
    g->due = gossip_deadline(g);
    return g;
}

static void bury(struct gossip *g)
{
    for (size_t i = 0; i < g->gone_count; i++)
        members_release(g, g->gone[i]);
    g->gone_count = 0;
}

void gossip_free(struct gossip *g)
{
    if (g == NULL)
        return;
    bury(g);
    for (size_t i = 0; i < g->count; i++) {
        spread_drop(g, g->nodes[i]);
        suspect_end(g, g->nodes[i]);
        members_release(g, g->nodes[i]);
    }
    mem_free(g->nodes);
    mem_free(g->by_addr);
    mem_free(g->labels);
    mem_free(g->suspicions);
    mem_free(g->queue);
    mem_free(g->order);
    mem_free(g->gone);
    mem_free(g->effects);
    mem_free((void *)(uintptr_t)g->cluster.data);
    arena_close(&g->scratch);
    mem_free(g);
}

static struct gossip_effect *emit(struct gossip *g, enum gossip_effect_type type)
{
    g->effects =
        mem_grow(g->effects, g->effect_count, &g->effect_cap, sizeof(struct gossip_effect));
    struct gossip_effect *e = &g->effects[g->effect_count++];
    memset(e, 0, sizeof *e);
    e->type = type;
    return e;
}

void gossip_emit_member(struct gossip *g, struct node *n, enum gossip_change change,
                        enum gossip_state old_state)
{
    struct gossip_effect *e = emit(g, GOSSIP_MEMBER);
    e->member = &n->m;
    e->change = change;
    e->old_state = old_state;
    e->new_state = n->m.state;
    g->touched = true;
}

void gossip_emit_send(struct gossip *g, enum gossip_effect_type type, const struct endpoint *to,
                      struct bytes bytes)
{
    struct bytes copy = arena_copy(&g->scratch, bytes);
    struct gossip_effect *e = emit(g, type);
    e->to = *to;
    e->bytes = copy;
}

/* #311: who announces an incarnation we know to be over must hear what is held against it. */
static void receive_alive(struct gossip *g, const struct gossip_header *h,
                          const struct endpoint *from, const struct gossip_message *m)
{
    const struct node *n = members_find(g, &m->member.host_id);
    bool stale = n != NULL && n != g->self && m->member.incarnation <= n->m.incarnation;
    if (stale && n->m.state != GOSSIP_ALIVE && uuid_equal(&h->host_id, &n->m.host_id)) {
        struct gossip_message accusation = members_accusation(n, &g->self->m.host_id);
        spread_send(g, from, &accusation, NULL);
    }
    members_claim_alive(g, &m->member);
}

/* The mirror of it: who still spreads an accusation that we have refuted hears the refutation. */
static void receive_accusation(struct gossip *g, const struct gossip_event *e,
                               const struct gossip_message *m)
{
    const struct gossip_member *mine = &g->self->m;
    bool refuted = uuid_equal(&m->host_id, &mine->host_id) && m->incarnation < mine->incarnation;
    if (refuted && !g->leaving && e->type == GOSSIP_DATAGRAM) {
        struct gossip_message alive;
        memset(&alive, 0, sizeof alive);
        alive.type = GOSSIP_TELL_ALIVE;
        alive.member = *mine;
        spread_send(g, &e->from, &alive, NULL);
    }
    if (m->type == GOSSIP_TELL_SUSPECT)
        members_claim_suspect(g, &m->host_id, m->incarnation, &m->accuser);
    else
        members_claim_dead(g, &m->host_id, m->incarnation, &m->accuser);
}

static void receive_message(struct gossip *g, const struct gossip_header *h,
                            const struct gossip_event *e, const struct gossip_message *m)
{
    bool stream = e->type == GOSSIP_STREAM;
    switch (m->type) {
    case GOSSIP_PING: probe_receive_ping(g, h, &e->from, m, stream); break;
    case GOSSIP_PING_REQ: probe_receive_ping_req(g, &e->from, m); break;
    case GOSSIP_ACK: probe_receive_ack(g, h, &e->from, m, stream); break;
    case GOSSIP_NACK: probe_receive_nack(g, h, m); break;
    case GOSSIP_TELL_ALIVE: receive_alive(g, h, &e->from, m); break;
    case GOSSIP_TELL_SUSPECT:
    case GOSSIP_TELL_DEAD: receive_accusation(g, e, m); break;
    case GOSSIP_PUSH_PULL:
        g->catching_up = m->flag && !g->joined;
        g->joined |= m->flag;
        break;
    case GOSSIP_STATE:
        g->old_news = g->catching_up && m->age_s >= OLD_NEWS_S;
        members_merge(g, &m->member, m->age_s, &h->host_id);
        g->old_news = false;
        break;
    }
}

/* Pings and acks come first in a packet; helpers are asked in datagrams only; states come in
 * streams only, behind one PUSH_PULL; single updates stand anywhere. */
static bool in_place(const struct gossip_message *m, bool stream, size_t index, bool *state_open)
{
    switch (m->type) {
    case GOSSIP_PING: return index <= (stream ? 1 : 0); /* the last word: accusation, then ping */
    case GOSSIP_ACK: return index == 0;
    case GOSSIP_PING_REQ:
    case GOSSIP_NACK: return !stream && index == 0;
    case GOSSIP_PUSH_PULL: *state_open = stream && index == 0; return *state_open;
    case GOSSIP_STATE: return *state_open;
    default: return true;
    }
}

static enum err validate(struct reader r, bool stream, bool *ret_wants_reply)
{
    struct gossip_message m;
    bool state_open = false;
    *ret_wants_reply = false;
    for (size_t i = 0;; i++) {
        enum err err = gossip_decode(&r, &m);
        if (err == ERR_NOT_FOUND)
            return ERR_OK;
        if (err != ERR_OK || !in_place(&m, stream, i, &state_open))
            return ERR_MALFORMED;
        if (m.type == GOSSIP_PUSH_PULL)
            *ret_wants_reply = !m.flag;
    }
}

static void receive(struct gossip *g, const struct gossip_event *e)
{
    bool stream = e->type == GOSSIP_STREAM;
    size_t max = stream ? g->config.push_state_max : g->config.datagram_max;
    struct reader r = reader_make(e->bytes);
    struct gossip_header h;
    bool wants_reply;
    if (e->bytes.len > max || gossip_decode_header(&r, &h) != ERR_OK) {
        g->counters.malformed++;
        return;
    }
    if (!bytes_equal(h.cluster, g->cluster)) {
        g->counters.foreign++;
        return;
    }
    if (validate(r, stream, &wants_reply) != ERR_OK || endpoint_is_none(&h.addr)) {
        g->counters.malformed++;
        return;
    }
    struct gossip_message m;
    while (gossip_decode(&r, &m) == ERR_OK)
        receive_message(g, &h, e, &m);
    if (g->catching_up) /* now that we know how many they are */
        sync_plan_push_pull(g, true);
    g->catching_up = false;
    if (wants_reply)
        sync_send(g, &h.addr, true);
}

static void unreachable(struct gossip *g, const struct endpoint *addr)
{
    struct node *n = members_holder(g, addr, g->self);
    if (n != NULL && !g->leaving)
        probe_start(g, n);
}

static void run_timers(struct gossip *g)
{
    usec now = g->now.mono;
    if (!g->leaving) {
        probe_deadlines(g);
        suspect_expire(g);
        if (g->probe_at <= now) {
            sync_reap(g);
            probe_tick(g);
        }
        if (g->join_at <= now)
            sync_join_tick(g);
        if (g->rejoin_at <= now)
            sync_rejoin_tick(g);
        if (g->push_pull_at <= now)
            sync_push_pull_tick(g);
    }
    if (g->queue_count > 0 && g->gossip_at <= now)
        spread_tick(g);
}

static void no_earlier(usec *at, usec now)
{
    if (*at < now)
        *at = now;
}

/* A deadline long gone means that this very process did not run (throttled, stopped, swapping). */
static void notice_stall(struct gossip *g)
{
    if (!gossip_runs(g, GOSSIP_STALL_GUARD) || g->due == USEC_NEVER ||
        g->now.mono - g->due <= g->config.probe_timeout_us / 2)
        return;
    usec late = g->now.mono - g->due;
    g->counters.stalls++;
    trace(g->tracer, g->now, "%lld ms late -> verdicts postponed", (long long)(late / USEC_PER_MS));
    probe_postpone(g, late);
    no_earlier(&g->probe_at, g->now.mono);
    no_earlier(&g->gossip_at, g->now.mono);
    no_earlier(&g->push_pull_at, g->now.mono);
    no_earlier(&g->join_at, g->now.mono);
    no_earlier(&g->rejoin_at, g->now.mono);
}

/* What one large push/pull took is given back: it must not stay with every node for good. */
static void begin_step(struct gossip *g)
{
    bury(g);
    if (arena_used(&g->scratch) > SCRATCH_KEPT)
        arena_close(&g->scratch);
    arena_reset(&g->scratch);
    if (g->effect_cap > EFFECTS_KEPT) {
        mem_free(g->effects);
        g->effects = NULL;
        g->effect_cap = 0;
    }
    g->effect_count = 0;
}

struct gossip_effects gossip_step(struct gossip *g, const struct gossip_event *e)
{
    begin_step(g);
    g->touched = false;
    g->now = e->now;
    notice_stall(g);
    switch (e->type) {
    case GOSSIP_DATAGRAM:
    case GOSSIP_STREAM: receive(g, e); break;
    case GOSSIP_DEADLINE: run_timers(g); break;
    case GOSSIP_JOIN: sync_join(g, e->seeds, e->seed_count); break;
    case GOSSIP_LEAVE: sync_leave(g); break;
    case GOSSIP_UNREACHABLE: unreachable(g, &e->from); break;
    }
    /* A confirmation can shorten a suspicion into the past: that is due now, and no stall of ours.
     */
    usec next = gossip_deadline(g);
    g->due = next > g->now.mono ? next : g->now.mono;
#if !defined(__OPTIMIZE__) || defined(TORC_MUTANTS)
    if (g->touched)
        gossip_check(g);
#endif
    return (struct gossip_effects){g->effects, g->effect_count};
}

static usec earlier(usec a, usec b)
{
    return a < b ? a : b;
}

usec gossip_deadline(const struct gossip *g)
{
    usec next = g->queue_count > 0 ? g->gossip_at : USEC_NEVER;
    if (g->leaving)
        return next;
    next = earlier(next, earlier(g->probe_at, probe_next(g)));
    next = earlier(next, earlier(g->push_pull_at, g->rejoin_at));
    next = earlier(next, g->joining ? g->join_at : USEC_NEVER);
    return earlier(next, suspect_next(g));
}

enum err gossip_set_app(struct gossip *g, const struct gossip_app *app)
{
    struct gossip_app *mine = &g->self->m.app;
    if (app->blob.len > GOSSIP_APP_MAX)
        return ERR_TOO_BIG;
    if (app->epoch == mine->epoch && app->node_no == mine->node_no && app->phase == mine->phase &&
        app->load == mine->load && bytes_equal(app->blob, mine->blob))
        return ERR_OK;
    members_set_blob(g->self, app->blob);
    struct bytes blob = mine->blob;
    *mine = *app;
    mine->blob = blob;
    g->self->m.incarnation++;
    if (!g->leaving)
        spread_alive(g, g->self);
    return ERR_OK;
}

size_t gossip_count(const struct gossip *g)
{
    return g->count;
}

const struct gossip_member *gossip_at(const struct gossip *g, size_t i)
{
    return i < g->count ? &g->nodes[i]->m : NULL;
}

const struct gossip_member *gossip_find(const struct gossip *g, const struct uuid *host_id)
{
    const struct node *n = members_find(g, host_id);
    return n == NULL ? NULL : &n->m;
}

const struct gossip_member *gossip_self_member(const struct gossip *g)
{
    return &g->self->m;
}

bool gossip_is_alive(const struct gossip *g, const struct uuid *host_id)
{
    const struct node *n = members_find(g, host_id);
    return n != NULL && n->m.state == GOSSIP_ALIVE;
}

bool gossip_is_reachable(const struct gossip *g, const struct uuid *host_id)
{
    const struct node *n = members_find(g, host_id);
    return n != NULL && members_reachable(n);
}

bool gossip_has_joined(const struct gossip *g)
{
    return g->joined;
}

bool gossip_has_left(const struct gossip *g)
{
    return g->leaving && g->self->update == NULL;
}

unsigned gossip_health_score(const struct gossip *g)
{
    return g->health;
}

const struct gossip_counters *gossip_get_counters(const struct gossip *g)
{
    return &g->counters;
}

const char *gossip_state_text(enum gossip_state state)
{
    static const char *const texts[] = {"alive", "suspect", "dead", "left"};
    return (size_t)state < ARRAY_LEN(texts) ? texts[state] : "?";
}
