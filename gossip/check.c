#include "gossip/internal.h"

void gossip_check(const struct gossip *g)
{
    size_t waiting = 0;
    bool self_seen = false;
    for (size_t i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        self_seen |= n == g->self;
        waiting += n->waiting ? 1 : 0;
        ASSERT(i == 0 || uuid_compare(&g->nodes[i - 1]->m.host_id, &n->m.host_id) < 0);
        ASSERT(n->update_len <= GOSSIP_UPDATE_MAX);
        ASSERT(n->m.app.blob.len <= GOSSIP_APP_MAX);
        ASSERT(!(members_reachable(n) && n->m.displaced));
        ASSERT(n->m.state != GOSSIP_SUSPECT || n->suspect_until >= n->suspect_since);
        for (size_t j = 0; j < i && members_reachable(n); j++) {
            ASSERT(!members_reachable(g->nodes[j]) ||
                   !endpoint_equal(&g->nodes[j]->m.addr, &n->m.addr));
        }
    }
    ASSERT(self_seen);
    ASSERT(g->self->m.state == (g->leaving ? GOSSIP_LEFT : GOSSIP_ALIVE));
    ASSERT(waiting == g->waiting);
    ASSERT(g->order_count == g->count - 1 && g->order_next <= g->order_count);
    ASSERT(g->count <= g->config.members_max);
    ASSERT(g->health <= GOSSIP_HEALTH_MAX);
    ASSERT(g->probe_count <= GOSSIP_PROBES_MAX && g->relay_count <= GOSSIP_RELAYS_MAX);
}
