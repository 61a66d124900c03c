#include "gossip/internal.h"

#include <string.h>

void probe_health(struct gossip *g, int delta)
{
    if (!gossip_runs(g, GOSSIP_LOCAL_HEALTH))
        return;
    int score = (int)g->health + delta;
    g->health = (unsigned)(score < 0 ? 0 : score > GOSSIP_HEALTH_MAX ? GOSSIP_HEALTH_MAX : score);
}

static usec scaled_interval(const struct gossip *g)
{
    return g->config.probe_interval_us * (usec)(g->health + 1);
}

static struct gossip_message plain(enum gossip_message_type type, uint32_t seq)
{
    struct gossip_message m;
    memset(&m, 0, sizeof m);
    m.type = type;
    m.seq = seq;
    return m;
}

static struct gossip_message ping(uint32_t seq, const struct uuid *target)
{
    struct gossip_message m = plain(GOSSIP_PING, seq);
    m.host_id = *target;
    return m;
}

static void remove_probe(struct gossip *g, size_t i)
{
    g->probe_count--;
    memmove(g->probes + i, g->probes + i + 1, (g->probe_count - i) * sizeof *g->probes);
}

static void remove_relay(struct gossip *g, size_t i)
{
    g->relay_count--;
    memmove(g->relays + i, g->relays + i + 1, (g->relay_count - i) * sizeof *g->relays);
}

void probe_start(struct gossip *g, struct node *target)
{
    for (size_t i = 0; i < g->probe_count; i++) {
        if (uuid_equal(&g->probes[i].target, &target->m.host_id))
            return;
    }
    if (g->probe_count == GOSSIP_PROBES_MAX)
        return;
    struct probe *p = &g->probes[g->probe_count++];
    memset(p, 0, sizeof *p);
    p->seq = ++g->seq;
    p->target = target->m.host_id;
    p->helpers_at = g->now.mono + g->config.probe_timeout_us;
    p->verdict_at = g->now.mono + scaled_interval(g);
    g->counters.probes++;
    struct gossip_message m = ping(p->seq, &p->target);
    /* Lifeguard's buddy system: who is suspected hears it with the ping, and refutes at once. */
    struct gossip_message buddy = members_accusation(target, &g->self->m.host_id);
    bool tell = target->m.state == GOSSIP_SUSPECT && gossip_runs(g, GOSSIP_BUDDY);
    spread_send(g, &target->m.addr, &m, tell ? &buddy : NULL);
}

static void shuffle_order(struct gossip *g)
{
    for (size_t i = g->order_count; i > 1; i--) {
        size_t j = (size_t)rng_below(&g->rng, i);
        struct node *n = g->order[i - 1];
        g->order[i - 1] = g->order[j];
        g->order[j] = n;
    }
}

/* Round-robin over a shuffled list: nobody waits longer than two rounds to be probed. */
void probe_tick(struct gossip *g)
{
    g->probe_at = g->now.mono + scaled_interval(g);
    for (size_t tried = 0; tried < g->order_count; tried++) {
        if (g->order_next >= g->order_count) {
            shuffle_order(g);
            g->order_next = 0;
        }
        struct node *n = g->order[g->order_next++];
        if (members_reachable(n)) {
            probe_start(g, n);
            return;
        }
    }
}

static void ask_helpers(struct gossip *g, struct probe *p)
{
    p->helpers_at = USEC_NEVER;
    struct node *target = members_find(g, &p->target);
    if (target == NULL)
        return;
    struct gossip_message m = ping(p->seq, &p->target);
    m.type = GOSSIP_PING_REQ;
    m.addr = target->m.addr;
    struct node *helpers[GOSSIP_HELPERS_MAX];
    p->helper_count =
        members_sample(g, members_is_alive, target, g->config.indirect_checks, helpers);
    for (size_t i = 0; i < p->helper_count; i++) {
        p->helpers[i] = helpers[i]->m.host_id;
        spread_send(g, &helpers[i]->m.addr, &m, NULL);
    }
    m.type = GOSSIP_PING;
    if (gossip_runs(g, GOSSIP_STREAM_PROBE))
        spread_send_stream(g, &target->m.addr, &m, NULL);
}

void probe_last_word(struct gossip *g, const struct node *n)
{
    struct gossip_message accusation = members_accusation(n, &g->self->m.host_id);
    struct gossip_message m = ping(++g->seq, &n->m.host_id);
    spread_send_stream(g, &n->m.addr, &accusation, &m);
}

static void conclude(struct gossip *g, size_t i)
{
    struct probe p = g->probes[i];
    remove_probe(g, i);
    size_t missed = 0;
    for (size_t h = 0; h < p.helper_count; h++)
        missed += p.nacked[h] ? 0 : 1;
    g->counters.probes_failed++;
    g->counters.nacks_missed += missed;
    /* Helpers that could not even say "no answer" tell more about our own link than about his. */
    probe_health(g, p.helper_count > 0 ? (int)missed : 1);
    const struct node *target = members_find(g, &p.target);
    if (target != NULL)
        members_claim_suspect(g, &p.target, target->m.incarnation, &g->self->m.host_id);
}

void probe_deadlines(struct gossip *g)
{
    for (size_t i = 0; i < g->probe_count;) {
        if (g->probes[i].helpers_at <= g->now.mono)
            ask_helpers(g, &g->probes[i]);
        if (g->probes[i].verdict_at <= g->now.mono)
            conclude(g, i);
        else
            i++;
    }
    for (size_t i = 0; i < g->relay_count;) {
        if (g->relays[i].nack_at > g->now.mono) {
            i++;
            continue;
        }
        struct relay r = g->relays[i];
        remove_relay(g, i);
        struct gossip_message m = plain(GOSSIP_NACK, r.origin_seq);
        if (gossip_runs(g, GOSSIP_LOCAL_HEALTH))
            spread_send(g, &r.origin, &m, NULL);
    }
}

usec probe_postponed(const struct gossip *g, usec at, usec late)
{
    usec least = g->now.mono + g->config.probe_timeout_us;
    return at + late > least ? at + late : least;
}

/* We were not running: answers may wait unread. No verdict may fall from that time, nor before what
 * waits could be read. */
void probe_postpone(struct gossip *g, usec late)
{
    for (size_t i = 0; i < g->probe_count; i++) {
        struct probe *p = &g->probes[i];
        p->verdict_at = probe_postponed(g, p->verdict_at, late);
        if (p->helpers_at != USEC_NEVER)
            p->helpers_at += late;
    }
    suspect_postpone(g, late);
    probe_health(g, 1);
}

usec probe_next(const struct gossip *g)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; i < g->probe_count; i++) {
        const struct probe *p = &g->probes[i];
        usec at = p->helpers_at < p->verdict_at ? p->helpers_at : p->verdict_at;
        next = at < next ? at : next;
    }
    for (size_t i = 0; i < g->relay_count; i++)
        next = g->relays[i].nack_at < next ? g->relays[i].nack_at : next;
    return next;
}

/* The ack tells the pinger what is wrong between us: we do not know it, or hold it for lost. So a
 * member that came back with an old incarnation learns of it from the first one it pings. */
void probe_receive_ping(struct gossip *g, const struct gossip_header *h,
                        const struct endpoint *from, const struct gossip_message *m, bool stream)
{
    if (!uuid_equal(&m->host_id, &g->self->m.host_id)) {
        g->counters.misdirected++;
        return;
    }
    struct node *n = members_find(g, &h->host_id);
    struct gossip_message ack = plain(GOSSIP_ACK, m->seq);
    ack.flag = n == NULL;
    if (stream) { /* who asks over TCP may be about to give us up: show our incarnation */
        struct gossip_message me = plain(GOSSIP_TELL_ALIVE, 0);
        me.member = g->self->m;
        spread_send_stream(g, &h->addr, &ack, g->leaving ? NULL : &me);
        return;
    }
    bool doubted = n != NULL && n != g->self && n->m.state != GOSSIP_ALIVE;
    doubted &= n == NULL || n->m.state != GOSSIP_SUSPECT || gossip_runs(g, GOSSIP_BUDDY);
    struct gossip_message accusation;
    if (doubted)
        accusation = members_accusation(n, &g->self->m.host_id);
    spread_send(g, from, &ack, doubted ? &accusation : NULL);
}

/* Sooner than the asker's verdict, which falls a probe timeout after he asked when that is half the
 * interval: a nack that comes later makes him doubt himself. */
static usec nack_after(const struct gossip *g)
{
    return g->config.probe_timeout_us * 4 / 5;
}

void probe_receive_ping_req(struct gossip *g, const struct endpoint *from,
                            const struct gossip_message *m)
{
    if (g->relay_count == GOSSIP_RELAYS_MAX)
        return;
    struct relay *r = &g->relays[g->relay_count++];
    *r = (struct relay){++g->seq, m->seq, *from, m->host_id, g->now.mono + nack_after(g)};
    struct gossip_message p = ping(r->seq, &r->target);
    spread_send(g, &m->addr, &p, NULL);
}

static bool is_helper(const struct probe *p, const struct uuid *host_id, size_t *ret_index)
{
    for (size_t i = 0; i < p->helper_count; i++) {
        if (uuid_equal(&p->helpers[i], host_id)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

/* Only the target itself, or a helper we asked, can answer a probe. */
void probe_receive_ack(struct gossip *g, const struct gossip_header *h, const struct endpoint *from,
                       const struct gossip_message *m, bool stream)
{
    size_t helper;
    for (size_t i = 0; i < g->probe_count; i++) {
        struct probe *p = &g->probes[i];
        bool direct = uuid_equal(&p->target, &h->host_id);
        if (p->seq != m->seq || (!direct && !is_helper(p, &h->host_id, &helper)))
            continue;
        if (stream) {
            g->counters.probes_by_stream++;
            trace(g->tracer, g->now, "ack over TCP only -> alive, but UDP does not pass");
        }
        remove_probe(g, i);
        probe_health(g, -1);
        if (direct && m->flag && !stream && !g->leaving) {
            struct gossip_message hello = plain(GOSSIP_TELL_ALIVE, 0);
            hello.member = g->self->m;
            spread_send(g, from, &hello, NULL);
        }
        return;
    }
    for (size_t i = 0; i < g->relay_count; i++) {
        struct relay r = g->relays[i];
        if (r.seq != m->seq || !uuid_equal(&r.target, &h->host_id))
            continue;
        remove_relay(g, i);
        struct gossip_message ack = plain(GOSSIP_ACK, r.origin_seq);
        spread_send(g, &r.origin, &ack, NULL);
        return;
    }
}

void probe_receive_nack(struct gossip *g, const struct gossip_header *h,
                        const struct gossip_message *m)
{
    size_t helper;
    for (size_t i = 0; i < g->probe_count; i++) {
        if (g->probes[i].seq == m->seq && is_helper(&g->probes[i], &h->host_id, &helper))
            g->probes[i].nacked[helper] = true;
    }
}
