/* watch_ring.c - metadata, owners and replicas at each epoch; members as the nodes see them. */
#include "gossip/gossip.h"
#include "node/schema/schema.h"
#include "node/sim/watch_core.h"

#include <inttypes.h>
#include <string.h>

/* Who can be reached is held to be alive within this: a push/pull, and some probes. */
#define BLIND_MAX (60 * USEC_PER_SEC)

enum { OF_EPOCH = 101, OF_PLACEMENT, OF_NUMBER };

/* The same under the key as whoever looked first had. */
static bool agrees(struct watch *w, uint64_t key, uint64_t content, bool *ret_new)
{
    uint64_t *had = ledger_place(&w->ledger, key, ret_new);
    if (*ret_new)
        *had = content;
    return *had == content;
}

static bool snapshot_agrees(struct watch *w, unsigned node, uint64_t epoch)
{
    struct buf snapshot;
    bool fresh;
    buf_init(&snapshot, SIZE_MAX);
    meta_snapshot(node_meta(w->sim->machines[node].node), &snapshot);
    uint64_t content = watch_mix_bytes(0, buf_bytes(&snapshot));
    buf_close(&snapshot);
    bool good = agrees(w, watch_mix(watch_mix(0, OF_EPOCH), epoch), content, &fresh);
    w->count.epochs += fresh;
    return good || watch_fail(w, "node %u has other metadata at epoch %" PRIu64 " than another had",
                              node, epoch);
}

static bool numbers_agree(struct watch *w, unsigned node, const struct topology *t)
{
    bool fresh;
    for (size_t i = 0; i < t->count; i++) {
        uint64_t host = watch_mix_bytes(0, bytes_make(t->nodes[i].info.host_id.b, 16));
        if (!agrees(w, watch_mix(watch_mix(0, OF_NUMBER), t->nodes[i].node), host, &fresh))
            return watch_fail(w, "node number %" PRIu32 " has two hosts, as node %u sees it",
                              t->nodes[i].node, node);
    }
    return true;
}

/* --- placement */

/* How many owners, or racks of owners, there are in a data centre ("": in all). */
static uint32_t count_owners(const struct topology *t, const struct ring_table *table,
                             const char *dc, bool racks)
{
    uint32_t count = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *n = &t->nodes[i];
        bool seen = ring_table_count(t->ring, table, n->node) == 0 ||
                    (dc[0] != '\0' && strcmp(n->info.dc, dc) != 0);
        for (size_t k = 0; k < i && racks && !seen; k++) {
            const struct topology_node *b = &t->nodes[k];
            seen = ring_table_count(t->ring, table, b->node) > 0 &&
                   strcmp(b->info.dc, n->info.dc) == 0 && strcmp(b->info.rack, n->info.rack) == 0;
        }
        count += !seen;
    }
    return count;
}

static uint32_t count_replicas(const struct topology *t, struct replicas r, const char *dc,
                               bool racks)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r.count; i++) {
        const struct topology_node *n = topology_find(t, r.node[i]);
        bool seen = dc[0] != '\0' && strcmp(n->info.dc, dc) != 0;
        for (uint32_t k = 0; k < i && racks && !seen; k++) {
            const struct topology_node *b = topology_find(t, r.node[k]);
            seen = strcmp(b->info.dc, n->info.dc) == 0 && strcmp(b->info.rack, n->info.rack) == 0;
        }
        count += !seen;
    }
    return count;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool are_distinct(const struct topology *t, const struct ring_table *table,
                         struct replicas r)
{
    for (uint32_t i = 0; i < r.count; i++) {
        const struct topology_node *n = topology_find(t, r.node[i]);
        if (n == NULL || n->state == NODE_LEFT || ring_table_count(t->ring, table, r.node[i]) == 0)
            return false;
        for (uint32_t k = 0; k < i; k++) {
            if (r.node[k] == r.node[i])
                return false;
        }
    }
    return true;
}

/* As many as asked for, or as there are; in a data centre on as many racks as can be. */
static bool are_enough(const struct topology *t, const struct ring_table *table,
                       const struct strategy *wanted, struct replicas r)
{
    if (wanted->type == STRATEGY_SIMPLE)
        return r.count == least(wanted->rf, count_owners(t, table, "", false));
    uint32_t total = 0;
    for (uint32_t i = 0; i < wanted->dcs; i++) {
        const char *dc = wanted->dc[i].name;
        uint32_t factor = wanted->dc[i].rf;
        uint32_t here = count_replicas(t, r, dc, false);
        if (here != least(factor, count_owners(t, table, dc, false)) ||
            count_replicas(t, r, dc, true) != least(factor, count_owners(t, table, dc, true)))
            return false;
        total += here;
    }
    return total == r.count;
}

static uint64_t mix_replicas(uint64_t hash, struct replicas r)
{
    hash = watch_mix(hash, r.count);
    for (uint32_t i = 0; i < r.count; i++)
        hash = watch_mix(hash, r.node[i]);
    return hash;
}

static bool placement_is_good(struct watch *w, unsigned node, const struct topology *t,
                              const struct keyspace *k, const struct placement *p)
{
    const struct moves_keyspace *moves = moves_find(&t->moves, k->no);
    uint64_t content = 0;
    bool fresh;
    struct strategy wanted;
    replication_strategy(&k->replication, &wanted);
    for (range_no range = 0; range < p->ranges; range++) {
        const struct move_run *run = moves_at(moves, range);
        const struct strategy *had =
            topology_is_moving(t) ? &moves->place[run->place].strategy : &wanted;
        const struct ring_table *at = ring_find_table(t->ring, moves->place[run->place].table);
        const struct ring_table *to = ring_find_table(t->ring, moves->place[run->goal].table);
        struct replicas now = placement_replicas(p, range);
        struct replicas later = placement_later(p, range);
        bool stays = run->stage == STAGE_SETTLED;
        if (!are_distinct(t, at, now) || !are_enough(t, at, had, now) ||
            !are_distinct(t, to, later) ||
            !(stays ? replicas_equal(now, later) : are_enough(t, to, &wanted, later)))
            return watch_fail(w,
                              "node %u at epoch %" PRIu64 ": range %" PRIu32
                              " of %s has not the replicas that it should have (%u now, %u later)",
                              node, t->epoch, range, k->name, (unsigned)now.count,
                              (unsigned)later.count);
        content = mix_replicas(mix_replicas(content, now), later);
    }
    uint64_t key = watch_mix(
        watch_mix(OF_PLACEMENT, meta_epoch(node_meta(w->sim->machines[node].node))), k->no);
    return agrees(w, key, content, &fresh) ||
           watch_fail(w, "node %u at epoch %" PRIu64 " places %s elsewhere than another did", node,
                      t->epoch, k->name);
}

bool watch_ring(struct watch *w, unsigned node)
{
    const struct machine *m = &w->sim->machines[node];
    struct watch_machine *own = &w->machines[node];
    if (m->node == NULL)
        return true;
    if (own->life != m->life) { /* a new process */
        own->life = m->life;
        own->epoch = own->looked_epoch = 0;
        own->peers_count = 0;
    }
    const struct meta *meta = node_meta(m->node);
    uint64_t epoch = meta_epoch(meta);
    if (epoch < own->epoch)
        return watch_fail(w, "node %u went back from epoch %" PRIu64 " to %" PRIu64, node,
                          own->epoch, epoch);
    own->epoch = epoch;
    if (epoch == own->looked_epoch || !node_is_ready(m->node))
        return true;
    own->looked_epoch = epoch;
    const struct topology *t = meta_topology(meta);
    if (!numbers_agree(w, node, t) || !snapshot_agrees(w, node, epoch))
        return false;
    const struct schema *schema = meta_schema(meta);
    for (uint32_t i = 0; i < schema->keyspace_count; i++) {
        const struct keyspace *k = schema->keyspaces[i];
        const struct placement *p = cluster_placement(node_cluster(m->node), k->no);
        if (k->no < SCHEMA_SYSTEM_NO && p != NULL && !placement_is_good(w, node, t, k, p))
            return false;
    }
    return true;
}

/* --- members */

static bool incarnations_grow(struct watch *w, unsigned node, const struct gossip *g)
{
    struct watch_machine *own = &w->machines[node];
    struct watch_peer now[ARRAY_LEN(own->peers)];
    size_t count = 0;
    for (size_t i = 0; gossip_at(g, i) != NULL && count < ARRAY_LEN(now); i++) {
        const struct gossip_member *m = gossip_at(g, i);
        now[count++] = (struct watch_peer){m->host_id, m->incarnation};
        for (size_t k = 0; k < own->peers_count; k++) {
            const struct watch_peer *was = &own->peers[k];
            if (uuid_equal(&was->host_id, &m->host_id) && m->incarnation < was->incarnation)
                return watch_fail(w, "node %u took an incarnation back: %" PRIu64 " to %" PRIu64,
                                  node, was->incarnation, m->incarnation);
        }
    }
    memcpy(own->peers, now, count * sizeof *now);
    own->peers_count = count;
    return true;
}

/* Nothing hinders the node from hearing and being heard. */
static bool is_calm(const struct sim *s, unsigned node)
{
    const struct machine *m = &s->machines[node];
    bool calm = m->node != NULL && node_is_ready(m->node) && !m->paused && m->turn_us == 0 &&
                !m->drained && s->config.loss_ppm == 0 && store_failure(m->store) == NULL;
    for (unsigned i = 1; i <= s->count; i++) {
        const struct wire *out = &m->wires[i];
        const struct wire *in = &s->machines[i].wires[node];
        calm = calm && !out->cut && !in->cut && out->extra == 0 && in->extra == 0 &&
               out->bytes_per_s == 0 && in->bytes_per_s == 0;
    }
    return calm;
}

bool watch_members(struct watch *w)
{
    struct sim *s = w->sim;
    bool calm[SIM_NODES_MAX + 1];
    for (unsigned i = 1; i <= s->count; i++) {
        const struct machine *m = &s->machines[i];
        const struct gossip *g = m->node != NULL ? node_gossip(m->node) : NULL;
        calm[i] = is_calm(s, i);
        if (g != NULL && !incarnations_grow(w, i, g))
            return false;
    }
    for (unsigned a = 1; a <= s->count; a++) {
        for (unsigned b = 1; b <= s->count; b++) {
            usec *since = &w->machines[a].blind_since[b];
            bool sees = !calm[a] || !calm[b] || a == b ||
                        cluster_is_alive(node_cluster(s->machines[a].node),
                                         meta_self(node_meta(s->machines[b].node)));
            *since = sees ? USEC_NEVER : *since == USEC_NEVER ? s->time : *since;
            if (*since != USEC_NEVER && s->time - *since > BLIND_MAX)
                return watch_fail(w,
                                  "node %u has held node %u for dead for %d s, though nothing "
                                  "is between them",
                                  a, b, (int)((s->time - *since) / USEC_PER_SEC));
        }
    }
    return true;
}
