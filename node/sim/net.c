/* The network: datagrams, and links that behave as TCP does.
 *
 * A link is reliable and ordered while both ways are open. When one is cut, what is sent waits (or
 * arrives without an acknowledgement); if that is still so STALL_MAX later the link is lost with
 * everything that waited, and the sender hears of it. A process that is gone refuses, a machine
 * without power is silent. After a failure the sender does not connect again before a growing pause
 * has passed: as node/net does.
 *
 *   sent --(held: cut, thin wire, full kernel)--> wire --> peer's kernel (unheard) --> its process
 *
 * What waits at the sender is bounded, and beyond it the link breaks; what has left when a link
 * breaks arrives: so an arbitrary prefix of what was sent has arrived then. */
#include "node/sim/core.h"

#include <string.h>

#define KERNEL_MAX  ((size_t)4 << 20)  /* that a process which does not read has waiting for it */
#define QUEUE_MAX   ((size_t)64 << 10) /* of a thin wire */
#define STALL_MAX   USEC_PER_SEC
#define RETRY_FIRST (50 * USEC_PER_MS)
#define RETRY_MOST  USEC_PER_SEC

static struct link *link_of(struct sim *s, unsigned from, unsigned to)
{
    return &machine_of(s, from)->links[to];
}

static struct wire *wire_of(struct sim *s, unsigned from, unsigned to)
{
    return &machine_of(s, from)->wires[to];
}

static bool open_both_ways(struct sim *s, unsigned a, unsigned b)
{
    return !wire_of(s, a, b)->cut && !wire_of(s, b, a)->cut;
}

static usec travel(struct sim *s, unsigned from, unsigned to)
{
    return delay(s, s->config.latency_us, s->config.jitter_us) + wire_of(s, from, to)->extra;
}

static usec round_trip(struct sim *s, unsigned a, unsigned b)
{
    return travel(s, a, b) + travel(s, b, a);
}

/* How long the wire is busy with so many bytes. */
static usec passing(const struct wire *w, uint64_t bytes)
{
    return w->bytes_per_s > 0 ? (usec)(bytes * USEC_PER_SEC / w->bytes_per_s) : 0;
}

static void drop_held(struct link *l)
{
    for (size_t i = l->held_at; i < l->held_count; i++)
        mem_free(l->held[i].data);
    l->held_at = 0;
    l->held_count = 0;
    l->held_bytes = 0;
    l->sending = 0;
}

static void link_open(struct sim *s, unsigned from, unsigned to)
{
    struct link *l = link_of(s, from, to);
    const struct machine *peer = machine_of(s, to);
    usec handshake = round_trip(s, from, to);
    l->state = LINK_OPEN;
    l->life = ++s->lives;
    l->peer_life = peer->node != NULL && handshake <= STALL_MAX ? peer->life : 0;
    l->doubtful = false;
    l->unheard = 0;
    l->last = s->time + handshake;
}

/* Not before a growing pause has passed does the sender connect again. */
static void link_close(struct sim *s, struct link *l)
{
    drop_held(l);
    l->state = LINK_NONE;
    if (l->backoff == 0)
        l->backoff = RETRY_FIRST;
    l->retry = s->time + l->backoff;
    l->backoff = 2 * l->backoff < RETRY_MOST ? 2 * l->backoff : RETRY_MOST;
}

static void turn_away(struct sim *s, unsigned from, unsigned to)
{
    queue_push(s, (struct event){.at = s->time,
                                 .type = EVENT_TURNED_AWAY,
                                 .node = from,
                                 .from = to,
                                 .life = machine_of(s, from)->life});
}

/* Something is on its way that will not be acknowledged as things are. */
static void doubt(struct sim *s, unsigned from, unsigned to, usec after)
{
    struct link *l = link_of(s, from, to);
    if (l->doubtful)
        return;
    l->doubtful = true;
    queue_push(s, (struct event){.at = s->time + after,
                                 .type = EVENT_LINK_LOST,
                                 .node = from,
                                 .from = to,
                                 .life = l->life});
}

/* How long it takes to learn that nobody is there. */
static usec silence(struct sim *s, unsigned from, unsigned to)
{
    usec answer = round_trip(s, from, to);
    if (answer > STALL_MAX || !open_both_ways(s, from, to) || !machine_of(s, to)->powered)
        return STALL_MAX;
    return answer;
}

static void pass_on(struct sim *s, struct link *l, struct event e)
{
    e.at = s->time + travel(s, e.from, e.node);
    if (e.at <= l->last)
        e.at = l->last + 1;
    l->last = e.at;
    l->unheard += e.len;
    queue_push(s, e);
}

static bool can_pass(struct sim *s, unsigned from, unsigned to)
{
    const struct link *l = link_of(s, from, to);
    return !wire_of(s, from, to)->cut && l->unheard < KERNEL_MAX;
}

/* Pass on what waits, as far as the wire takes it. */
static void pump(struct sim *s, unsigned from, unsigned to)
{
    struct link *l = link_of(s, from, to);
    const struct wire *w = wire_of(s, from, to);
    while (l->held_at < l->held_count && l->sending == 0 && can_pass(s, from, to)) {
        struct event e = l->held[l->held_at];
        usec busy = passing(w, e.len);
        if (busy > 0) {
            l->sending = ++s->lives;
            queue_push(s, (struct event){.at = s->time + busy,
                                         .type = EVENT_SENT,
                                         .node = from,
                                         .from = to,
                                         .link = l->sending});
            return;
        }
        l->held_at++;
        l->held_bytes -= e.len;
        pass_on(s, l, e);
    }
    if (l->held_at == l->held_count)
        l->held_at = l->held_count = 0;
}

void net_sent(struct sim *s, const struct event *e)
{
    struct link *l = link_of(s, e->node, e->from);
    if (l->sending != e->link)
        return;
    l->sending = 0;
    if (can_pass(s, e->node, e->from)) {
        struct event sent = l->held[l->held_at++];
        l->held_bytes -= sent.len;
        pass_on(s, l, sent);
    }
    pump(s, e->node, e->from);
}

static void hold_message(struct sim *s, struct link *l, struct event e)
{
    if (l->held_bytes + e.len > s->config.limits.link_out_max) { /* as link_send of node/net */
        mem_free(e.data);
        link_close(s, l);
        turn_away(s, e.from, e.node);
        return;
    }
    if (l->held_at > 1024 && 2 * l->held_at > l->held_count) {
        l->held_count -= l->held_at;
        memmove(l->held, l->held + l->held_at, l->held_count * sizeof *l->held);
        l->held_at = 0;
    }
    l->held = mem_grow(l->held, l->held_count, &l->held_cap, sizeof *l->held);
    l->held[l->held_count++] = e;
    l->held_bytes += e.len;
    pump(s, e.from, e.node);
}

void net_send(struct sim *s, unsigned from, unsigned to, struct bytes bytes)
{
    if (to == 0 || to == from)
        return;
    compare_sends(s, from, bytes);
    const struct machine *peer = machine_of(s, to);
    struct link *l = link_of(s, from, to);
    if (l->state == LINK_NONE && s->time < l->retry) {
        turn_away(s, from, to);
        return;
    }
    if (l->state == LINK_NONE)
        link_open(s, from, to);
    if (peer->node == NULL || l->peer_life != peer->life) {
        doubt(s, from, to, silence(s, from, to)); /* and the message is lost */
        return;
    }
    struct event e = {.type = EVENT_MESSAGE, .node = to, .from = from, .life = peer->life};
    e.link = l->life;
    e.data = mem_copy(bytes.data, bytes.len);
    e.len = bytes.len;
    bool free = l->held_at == l->held_count && wire_of(s, from, to)->bytes_per_s == 0;
    if (free && can_pass(s, from, to))
        pass_on(s, l, e);
    else
        hold_message(s, l, e);
    if (l->state != LINK_OPEN)
        return;
    if (!open_both_ways(s, from, to))
        doubt(s, from, to, STALL_MAX);
    else
        l->backoff = RETRY_FIRST;
}

/* Datagrams share a thin wire with at most a queue of what the link has to send; when too many of
 * them wait the rest is dropped. */
static bool queue_datagram(struct sim *s, unsigned from, unsigned to, size_t len, usec *ret_wait)
{
    struct wire *w = wire_of(s, from, to);
    const struct link *l = link_of(s, from, to);
    *ret_wait = 0;
    if (w->bytes_per_s == 0)
        return true;
    usec since = w->datagrams_upto > s->time ? w->datagrams_upto : s->time;
    if (since - s->time > passing(w, QUEUE_MAX))
        return false;
    size_t before = l->held_bytes < QUEUE_MAX ? l->held_bytes : QUEUE_MAX;
    w->datagrams_upto = since + passing(w, len);
    *ret_wait = w->datagrams_upto - s->time + passing(w, before);
    return true;
}

void net_datagram(struct sim *s, unsigned from, unsigned to, struct bytes bytes)
{
    usec wait;
    if (to == 0 || wire_of(s, from, to)->cut)
        return;
    int copies = 1;
    if (s->config.loss_ppm > 0 && rng_chance(&s->rng, s->config.loss_ppm))
        copies = 0;
    else if (s->config.duplicate_ppm > 0 && rng_chance(&s->rng, s->config.duplicate_ppm))
        copies = 2;
    for (int i = 0; i < copies && queue_datagram(s, from, to, bytes.len, &wait); i++)
        queue_push(s, (struct event){.at = s->time + wait + travel(s, from, to),
                                     .type = EVENT_DATAGRAM,
                                     .node = to,
                                     .from = from,
                                     .data = mem_copy(bytes.data, bytes.len),
                                     .len = bytes.len});
}

static void link_lost(struct sim *s, unsigned node, unsigned peer, uint64_t life)
{
    struct link *l = link_of(s, node, peer);
    const struct machine *other = machine_of(s, peer);
    if (l->state != LINK_OPEN || l->life != life)
        return;
    l->doubtful = false;
    if (other->node != NULL && l->peer_life == other->life && open_both_ways(s, node, peer))
        return; /* mended in time */
    link_close(s, l);
    struct node_event down = {.type = NODE_LINK_DOWN, .from = endpoint_of(peer, INTERNODE_PORT)};
    turn(s, node, &down);
}

/* The process takes bytes out of its kernel, which can take others for them. */
static void heard(struct sim *s, const struct event *e)
{
    struct link *l = link_of(s, e->from, e->node);
    if (l->life != e->link)
        return;
    l->unheard -= e->len;
    if (l->held_at < l->held_count)
        pump(s, e->from, e->node);
}

void net_arrive(struct sim *s, const struct event *e)
{
    struct machine *m = machine_of(s, e->node);
    struct node_event event = {.from = endpoint_of(e->from, INTERNODE_PORT),
                               .bytes = bytes_make(e->data, e->len)};
    if (m->node == NULL)
        return;
    switch (e->type) {
    case EVENT_MESSAGE:
        if (m->life != e->life)
            return;
        heard(s, e);
        event.type = NODE_MESSAGE;
        compare_crosses(s, e->from, e->node, event.bytes);
        link_of(s, e->node, e->from)->retry = 0; /* as link_heard of node/net */
        break;
    case EVENT_DATAGRAM:
        event.type = NODE_DATAGRAM;
        link_of(s, e->node, e->from)->retry = 0;
        break;
    case EVENT_TURNED_AWAY:
        if (m->life != e->life)
            return;
        event.type = NODE_LINK_DOWN;
        break;
    default: link_lost(s, e->node, e->from, e->life); return;
    }
    turn(s, e->node, &event);
}

/* The kernel closes the connections of a process that ends; a power cut closes nothing. */
void net_process_gone(struct sim *s, unsigned node, bool silent)
{
    for (unsigned i = 1; i <= s->count; i++) {
        struct link *own = link_of(s, node, i);
        drop_held(own);
        own->state = LINK_NONE;
        own->retry = 0;
        own->backoff = 0;
        struct link *l = link_of(s, i, node);
        if (silent || i == node || l->state != LINK_OPEN || wire_of(s, node, i)->cut)
            continue;
        queue_push(s, (struct event){.at = s->time + travel(s, node, i),
                                     .type = EVENT_LINK_LOST,
                                     .node = i,
                                     .from = node,
                                     .life = l->life});
    }
}

/* What waited passes again, in its order. */
static void pump_all(struct sim *s)
{
    for (unsigned from = 1; from <= s->count; from++) {
        for (unsigned to = 1; to <= s->count; to++)
            pump(s, from, to);
    }
}

void net_close(struct sim *s)
{
    for (unsigned from = 1; from <= s->count; from++) {
        for (unsigned to = 1; to <= s->count; to++) {
            drop_held(link_of(s, from, to));
            mem_free(link_of(s, from, to)->held);
        }
    }
}

/* --- what stories and fault plans say */

void sim_cut_one_way(struct sim *s, unsigned from, unsigned to)
{
    wire_of(s, from, to)->cut = true;
}

void sim_cut(struct sim *s, unsigned a, unsigned b)
{
    sim_cut_one_way(s, a, b);
    sim_cut_one_way(s, b, a);
}

void sim_heal(struct sim *s, unsigned a, unsigned b)
{
    wire_of(s, a, b)->cut = false;
    wire_of(s, b, a)->cut = false;
    pump_all(s);
}

void sim_heal_all(struct sim *s)
{
    for (unsigned a = 1; a <= s->count; a++) {
        for (unsigned b = 1; b <= s->count; b++)
            wire_of(s, a, b)->cut = false;
    }
    pump_all(s);
}

void sim_isolate(struct sim *s, unsigned node)
{
    for (unsigned i = 1; i <= s->count; i++) {
        if (i != node)
            sim_cut(s, node, i);
    }
}

void sim_set_latency(struct sim *s, usec latency_us, usec jitter_us)
{
    s->config.latency_us = latency_us;
    s->config.jitter_us = jitter_us;
}

void sim_set_loss(struct sim *s, uint32_t loss_ppm, uint32_t duplicate_ppm)
{
    s->config.loss_ppm = loss_ppm;
    s->config.duplicate_ppm = duplicate_ppm;
}

static void set_wire(struct sim *s, unsigned from, unsigned to, usec extra_us, uint64_t bytes_per_s)
{
    struct wire *w = wire_of(s, from, to);
    w->extra = extra_us;
    w->bytes_per_s = bytes_per_s;
    w->datagrams_upto = 0;
    link_of(s, from, to)->sending = 0; /* it goes at the new speed from now on */
    pump(s, from, to);
}

void sim_set_link(struct sim *s, unsigned a, unsigned b, usec extra_us, uint64_t bytes_per_s)
{
    set_wire(s, a, b, extra_us, bytes_per_s);
    set_wire(s, b, a, extra_us, bytes_per_s);
}
