/* The network: datagrams, and links that behave as TCP does.
 *
 * A link is reliable and ordered while both ways are open. When one is cut, what is sent waits (or
 * arrives without an acknowledgement); if that is still so STALL_MAX later the link is lost with
 * everything that waited, and the sender hears of it. A process that is gone refuses, a machine
 * without power is silent. After a failure the sender does not connect again before a growing pause
 * has passed: as node/net does. */
#include "node/sim/core.h"

#define STALL_MAX   USEC_PER_SEC
#define RETRY_FIRST (50 * USEC_PER_MS)
#define RETRY_MOST  USEC_PER_SEC

static struct link *link_of(struct sim *s, unsigned from, unsigned to)
{
    return &machine_of(s, from)->links[to];
}

static bool open_both_ways(struct sim *s, unsigned a, unsigned b)
{
    return !machine_of(s, a)->cut[b] && !machine_of(s, b)->cut[a];
}

static usec travel(struct sim *s)
{
    return delay(s, s->config.latency_us, s->config.jitter_us);
}

static void hold_message(struct link *l, struct event e)
{
    l->held = mem_grow(l->held, l->held_count, &l->held_cap, sizeof *l->held);
    l->held[l->held_count++] = e;
}

static void drop_held(struct link *l)
{
    for (size_t i = 0; i < l->held_count; i++)
        mem_free(l->held[i].data);
    l->held_count = 0;
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
    if (!open_both_ways(s, from, to) || !machine_of(s, to)->powered)
        return STALL_MAX;
    return 2 * travel(s);
}

static void pass_on(struct sim *s, struct link *l, struct event e)
{
    e.at = s->time + travel(s);
    if (e.at <= l->last)
        e.at = l->last + 1;
    l->last = e.at;
    queue_push(s, e);
}

void net_send(struct sim *s, unsigned from, unsigned to, struct bytes bytes)
{
    struct machine *sender = machine_of(s, from);
    if (to == 0 || to == from)
        return;
    struct machine *peer = machine_of(s, to);
    struct link *l = link_of(s, from, to);
    if (l->state == LINK_NONE && s->time < l->retry) {
        queue_push(s, (struct event){.at = s->time,
                                     .type = EVENT_TURNED_AWAY,
                                     .node = from,
                                     .from = to,
                                     .life = sender->life});
        return;
    }
    if (l->state == LINK_NONE) {
        l->state = LINK_OPEN;
        l->life = ++s->lives;
        l->peer_life = peer->node != NULL ? peer->life : 0;
        l->doubtful = false;
        l->last = s->time + 2 * travel(s); /* the handshake */
    }
    if (peer->node == NULL || l->peer_life != peer->life) {
        doubt(s, from, to, silence(s, from, to)); /* and the message is lost */
        return;
    }
    struct event e = {.type = EVENT_MESSAGE, .node = to, .from = from, .life = peer->life};
    e.data = mem_copy(bytes.data, bytes.len);
    e.len = bytes.len;
    if (sender->cut[to] || l->held_count > 0)
        hold_message(l, e);
    else
        pass_on(s, l, e);
    if (!open_both_ways(s, from, to))
        doubt(s, from, to, STALL_MAX);
    else
        l->backoff = RETRY_FIRST;
}

void net_datagram(struct sim *s, unsigned from, unsigned to, struct bytes bytes)
{
    if (to == 0 || machine_of(s, from)->cut[to])
        return;
    int copies = 1;
    if (s->config.loss_ppm > 0 && rng_chance(&s->rng, s->config.loss_ppm))
        copies = 0;
    else if (s->config.duplicate_ppm > 0 && rng_chance(&s->rng, s->config.duplicate_ppm))
        copies = 2;
    for (int i = 0; i < copies; i++)
        queue_push(s, (struct event){.at = s->time + travel(s),
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
    drop_held(l);
    l->state = LINK_NONE;
    if (l->backoff == 0)
        l->backoff = RETRY_FIRST;
    l->retry = s->time + l->backoff;
    l->backoff = 2 * l->backoff < RETRY_MOST ? 2 * l->backoff : RETRY_MOST;
    struct node_event down = {.type = NODE_LINK_DOWN, .from = endpoint_of(peer, 7000)};
    turn(s, node, &down);
}

void net_arrive(struct sim *s, const struct event *e)
{
    struct machine *m = machine_of(s, e->node);
    struct node_event event = {.from = endpoint_of(e->from, 7000),
                               .bytes = bytes_make(e->data, e->len)};
    if (m->node == NULL)
        return;
    switch (e->type) {
    case EVENT_MESSAGE:
        if (m->life != e->life)
            return;
        event.type = NODE_MESSAGE;
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
        if (silent || i == node || l->state != LINK_OPEN || machine_of(s, node)->cut[i])
            continue;
        queue_push(s, (struct event){.at = s->time + travel(s),
                                     .type = EVENT_LINK_LOST,
                                     .node = i,
                                     .from = node,
                                     .life = l->life});
    }
}

/* What waited passes again, in its order. */
void net_healed(struct sim *s)
{
    for (unsigned from = 1; from <= s->count; from++) {
        for (unsigned to = 1; to <= s->count; to++) {
            struct link *l = link_of(s, from, to);
            if (machine_of(s, from)->cut[to])
                continue;
            for (size_t i = 0; i < l->held_count; i++)
                pass_on(s, l, l->held[i]);
            l->held_count = 0;
        }
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
    machine_of(s, from)->cut[to] = true;
}

void sim_cut(struct sim *s, unsigned a, unsigned b)
{
    sim_cut_one_way(s, a, b);
    sim_cut_one_way(s, b, a);
}

void sim_heal(struct sim *s, unsigned a, unsigned b)
{
    machine_of(s, a)->cut[b] = false;
    machine_of(s, b)->cut[a] = false;
    net_healed(s);
}

void sim_heal_all(struct sim *s)
{
    for (unsigned a = 1; a <= s->count; a++) {
        for (unsigned b = 1; b <= s->count; b++)
            machine_of(s, a)->cut[b] = false;
    }
    net_healed(s);
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
