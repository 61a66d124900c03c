/* Messages between nodes, and who is alive. A node is worth asking unless gossip calls it dead or
 * its link is broken; hearing anything from it mends the link in our eyes. */
#include "node/node_core.h"

static struct peer *peer_find(const struct node *n, node_no node)
{
    for (size_t i = 0; i < n->peers_count; i++) {
        if (n->peers[i].node == node)
            return &n->peers[i];
    }
    return NULL;
}

static struct peer *peer_get(struct node *n, node_no node)
{
    struct peer *p = peer_find(n, node);
    if (p != NULL)
        return p;
    n->peers = mem_grow(n->peers, n->peers_count, &n->peers_cap, sizeof *n->peers);
    p = &n->peers[n->peers_count++];
    *p = (struct peer){.node = node, .gossip_alive = true};
    return p;
}

bool peer_is_alive(const struct node *n, node_no node)
{
    const struct peer *p = peer_find(n, node);
    return p == NULL || (p->gossip_alive && !p->link_down);
}

/* What everybody must hear when a node comes or goes. */
static void set_alive(struct node *n, struct peer *p, bool gossip_alive, bool link_down)
{
    bool before = p->gossip_alive && !p->link_down;
    gossip_alive &= !p->replaced;
    bool after = gossip_alive && !link_down;
    node_no node = p->node;
    p->gossip_alive = gossip_alive;
    p->link_down = link_down;
    if (before == after)
        return;
    cluster_set_alive(n->cluster, node, after);
    struct meta_event event = {.type = META_EVENT_LIVENESS};
    event.liveness.node = node;
    event.liveness.alive = after;
    node_meta_event(n, &event);
    if (after) {
        heal_peer_up(n->heal, n->now, node);
    } else {
        coord_peer_lost(n->coord, n->now, node);
        heal_peer_lost(n->heal, n->now, node);
        repair_peer_lost(n->repair, n->now, node);
    }
    node_log(n, !after, "node %u is %s -> %s", (unsigned)node, after ? "up" : "down",
             after ? "asking it again" : "asking the others");
    client_status_changed(n, node, after);
}

/* Gossip forgets the dead, so who starts later never hears that they are; and what answers at the
 * address of one that is replaced is perhaps its successor. One that was given up may well be up,
 * and is not asked. The log knows. */
static void never_alive(struct node *n, node_no node)
{
    struct peer *p = peer_get(n, node);
    p->replaced = true;
    set_alive(n, p, false, p->link_down);
}

void peer_find_replaced(struct node *n)
{
    const struct topology *t = meta_topology(n->meta);
    for (size_t i = 0; i < t->count; i++) {
        if (t->nodes[i].replaces != 0)
            never_alive(n, t->nodes[i].replaces);
        if (t->nodes[i].lost && t->nodes[i].node != meta_self(n->meta))
            never_alive(n, t->nodes[i].node);
    }
}

void peer_link(struct node *n, const struct endpoint *from, bool up)
{
    const struct topology_node *t = topology_find_endpoint(meta_topology(n->meta), from);
    if (!up) {
        struct meta_event event = {.type = META_EVENT_UNREACHABLE, .unreachable = *from};
        node_meta_event(n, &event);
        struct gossip_event unreachable = {.type = GOSSIP_UNREACHABLE, .from = *from};
        node_gossip_event(n, &unreachable);
    }
    if (t == NULL || t->node == meta_self(n->meta))
        return;
    node_no node = t->node;
    struct peer *p = peer_get(n, node);
    if (!up && p->link_down)
        coord_peer_lost(n->coord, n->now, node);
    if (!up)
        p->down_since = n->now.mono;
    else if (p->link_down && n->now.mono - p->down_since < LINK_DOWN_LEAST)
        return;
    set_alive(n, p, p->gossip_alive, !up);
}

void peer_gossip_effects(struct node *n, const struct gossip_effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct gossip_effect *e = &effects->items[i];
        if (e->type == GOSSIP_SEND_DATAGRAM) {
            struct node_effect *out = node_append(n, NODE_SEND_DATAGRAM);
            out->to = e->to;
            out->bytes = arena_copy(&n->arena, e->bytes);
        } else if (e->type == GOSSIP_SEND_STREAM) {
            struct wire_message m = {.type = WIRE_GOSSIP, .gossip = {e->bytes}};
            peer_send(n, &e->to, &m);
        } else {
            const struct topology_node *t =
                topology_find_host(meta_topology(n->meta), &e->member->host_id);
            bool alive = e->new_state == GOSSIP_ALIVE || e->new_state == GOSSIP_SUSPECT;
            if (t == NULL || t->node == meta_self(n->meta))
                continue;
            struct peer *p = peer_get(n, t->node);
            set_alive(n, p, alive, alive ? p->link_down : false);
        }
    }
}

void peer_send(struct node *n, const struct endpoint *to, struct wire_message *m)
{
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX);
    m->from = meta_self(n->meta);
    m->hlc = clock_tell(n);
    m->epoch = meta_epoch(n->meta);
    m->generation = meta_topology(n->meta)->generation;
    wire_encode(m, &out);
    if (buf_finish(&out) != ERR_OK) {
        node_log(n, true, "a %s message is over %zu bytes -> dropped", wire_name(m->type),
                 (size_t)WIRE_MESSAGE_MAX);
    } else if (endpoint_equal(to, &n->config.endpoint)) {
        node_todo(n, TODO_MESSAGE)->bytes = arena_copy(&n->arena, buf_bytes(&out));
    } else {
        struct node_effect *e = node_append(n, NODE_SEND);
        e->to = *to;
        e->bytes = arena_copy(&n->arena, buf_bytes(&out));
        const struct topology_node *t = topology_find_endpoint(meta_topology(n->meta), to);
        struct peer *p = t != NULL ? peer_get(n, t->node) : NULL;
        if (p != NULL) {
            p->sent++;
            p->sent_bytes += out.len;
        }
    }
    buf_close(&out);
}

void peer_send_node(struct node *n, node_no to, const struct wire_message *m)
{
    const struct cluster_node *node = cluster_find(n->cluster, to);
    struct wire_message copy = *m;
    if (node != NULL)
        peer_send(n, &node->endpoint, &copy);
}

static bool is_meta(enum wire_type type)
{
    return type >= WIRE_META_HELLO && type < WIRE_CLOCK_DIGESTS;
}

void peer_receive(struct node *n, const struct endpoint *from, struct bytes bytes)
{
    struct wire_message m;
    if (wire_decode(bytes, &m) != ERR_OK) {
        node_metric_malformed(n);
        return;
    }
    bool is_other = m.from != meta_self(n->meta) && cluster_find(n->cluster, m.from) != NULL;
    struct peer *p = is_other ? peer_get(n, m.from) : NULL;
    if (p != NULL) {
        p->received++;
        p->received_bytes += bytes.len;
    }
    clock_heard(n, p, m.hlc);
    if (is_meta(m.type)) {
        struct meta_event event = {.type = META_EVENT_MESSAGE};
        event.message.from = *from;
        event.message.message = &m;
        node_meta_event(n, &event);
        meta_watch_move(n);
        client_view_changed(n); /* perhaps it told what it has applied */
        return;
    }
    if (m.type == WIRE_GOSSIP) {
        struct gossip_event event = {
            .type = GOSSIP_STREAM, .from = *from, .bytes = m.gossip.payload};
        node_gossip_event(n, &event);
        return;
    }
    if (m.from == 0 || meta_self(n->meta) == 0)
        return; /* data only between nodes that have joined */
    if (!meta_hears(n->meta, m.from, m.generation, m.epoch))
        return; /* it hears why from the metadata log */
    if (m.epoch > meta_epoch(n->meta)) {
        struct meta_event event = {.type = META_EVENT_EPOCH};
        event.epoch.from = *from;
        event.epoch.epoch = m.epoch;
        node_meta_event(n, &event);
    }
    if (cluster_find(n->cluster, m.from) == NULL)
        return; /* we have yet to hear of it; it will ask again */
    if (!coord_receive(n->coord, n->now, m.from, &m) && !heal_receive(n->heal, n->now, m.from, &m))
        (void)repair_receive(n->repair, n->now, m.from, &m);
}
