#include "gossip/internal.h"

/* (6), and that the index holds everybody once. */
static void check_addresses(const struct gossip *g)
{
    bool held = false; /* the address of the one before, by somebody reachable */
    for (size_t i = 0; i < g->count; i++) {
        const struct node *n = g->by_addr[i], *last = i > 0 ? g->by_addr[i - 1] : NULL;
        int order = last == NULL ? -1 : endpoint_compare(&last->m.addr, &n->m.addr);
        ASSERT(order < 0 || (order == 0 && uuid_compare(&last->m.host_id, &n->m.host_id) < 0));
        held &= order == 0;
        ASSERT(!(held && members_reachable(n)));
        held |= members_reachable(n);
    }
}

void gossip_check(const struct gossip *g)
{
    size_t waiting = 0, suspects = 0, live = 0, uses = 0;
    bool self_seen = false;
    for (size_t i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        self_seen |= n == g->self;
        waiting += n->update != NULL ? 1 : 0;
        suspects += n->suspicion != NULL ? 1 : 0;
        live += members_reachable(n) ? 1 : 0;
        ASSERT(i == 0 || uuid_compare(&g->nodes[i - 1]->m.host_id, &n->m.host_id) < 0);
        ASSERT(n->update == NULL || n->update->node == n);
        ASSERT(n->m.app.blob.len <= GOSSIP_APP_MAX);
        ASSERT(!(members_reachable(n) && n->m.displaced));
        ASSERT((n->m.state == GOSSIP_SUSPECT) == (n->suspicion != NULL));
        ASSERT(n->suspicion == NULL || n->suspicion->until >= n->suspicion->since);
    }
    check_addresses(g);
    for (size_t i = 0; i < g->queue_count; i++) {
        ASSERT(g->queue[i]->node->update == g->queue[i]);
        ASSERT(g->queue[i]->len <= GOSSIP_UPDATE_MAX);
        ASSERT(i == 0 || spread_before(g->queue[i - 1], g->queue[i]));
    }
    for (size_t i = 0; i < g->label_count; i++)
        uses += g->labels[i]->uses;
    ASSERT(uses == g->count + g->gone_count);
    ASSERT(live == g->live);
    ASSERT(suspects == g->suspicion_count);
    ASSERT(self_seen);
    ASSERT(g->self->m.state == (g->leaving ? GOSSIP_LEFT : GOSSIP_ALIVE));
    ASSERT(waiting == g->queue_count);
    ASSERT(g->order_count == g->count - 1 && g->order_next <= g->order_count);
    ASSERT(g->count <= g->config.members_max);
    ASSERT(g->health <= GOSSIP_HEALTH_MAX);
    ASSERT(g->probe_count <= GOSSIP_PROBES_MAX && g->relay_count <= GOSSIP_RELAYS_MAX);
}
