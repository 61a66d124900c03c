/* plan.c - state_plan: the ring that a join or a leave leads to, and who must pull for it. */
#include "ring/plan.h"
#include "base/mem.h"
#include "node/meta/state.h"
#include "ring/placement.h"

#include <string.h>

/* False when the keyspace has no copies on other nodes. */
static bool strategy_of(const struct replication *r, const struct ring *ring, struct strategy *ret)
{
    memset(ret, 0, sizeof *ret);
    if (r->class == REPLICATION_LOCAL)
        return false;
    if (r->class == REPLICATION_SIMPLE) {
        ret->type = STRATEGY_SIMPLE;
        ret->rf = r->factor < STRATEGY_RF_MAX ? r->factor : STRATEGY_RF_MAX;
        return ret->rf > 0;
    }
    ret->type = STRATEGY_NETWORK;
    for (uint32_t d = 0; d < ring->dcs; d++) {
        uint32_t factor = r->factor;
        for (uint32_t i = 0; i < r->dc_count; i++) {
            if (strcmp(r->dcs[i].dc, ring->dc[d]) == 0)
                factor = r->dcs[i].factor;
        }
        if (factor == 0)
            continue;
        memcpy(ret->dc[ret->dcs].name, ring->dc[d], RING_NAME_SIZE);
        ret->dc[ret->dcs++].rf = factor < STRATEGY_RF_MAX ? factor : STRATEGY_RF_MAX;
    }
    return ret->dcs > 0;
}

/* Mark in is_mover, which goes with ring->node, who is pending for a range of the keyspace. */
static void mark_pending(const struct ring *ring, const struct strategy *strategy, bool *is_mover)
{
    struct placement *p = placement_build(ring, strategy);
    for (range_no range = 0; range < ring->ranges; range++) {
        struct replicas pending = placement_pending(p, range);
        for (uint32_t i = 0; i < pending.count; i++) {
            for (uint32_t n = 0; n < ring->nodes; n++)
                is_mover[n] |= ring->node[n].node == pending.node[i];
        }
    }
    placement_free(p);
}

/* Keyspaces with the same replication have the same placement: it is worked out once for each. */
static void find_movers(const struct schema *schema, const struct ring *ring, bool *is_mover)
{
    struct strategy *seen = NULL;
    size_t count = 0, cap = 0;
    for (uint32_t k = 0; k < schema->keyspace_count; k++) {
        const struct keyspace *keyspace = schema->keyspaces[k];
        struct strategy strategy;
        bool known = false;
        if (keyspace_is_local(keyspace->name) ||
            !strategy_of(&keyspace->replication, ring, &strategy))
            continue;
        for (size_t i = 0; i < count && !known; i++)
            known = strategy_equal(&seen[i], &strategy);
        if (known)
            continue;
        seen = mem_grow(seen, count, &cap, sizeof seen[0]);
        seen[count++] = strategy;
        mark_pending(ring, &strategy, is_mover);
    }
    mem_free(seen);
}

/* plan := varint n, n varint movers ascending, ring difference */
static void write_plan(const struct state *s, const struct ring *ring, struct buf *out)
{
    bool *is_mover = mem_alloc(ring->nodes * sizeof is_mover[0]);
    uint32_t count = 0;
    if (ring->target != NULL)
        find_movers(s->schema, ring, is_mover);
    for (uint32_t i = 0; i < ring->nodes; i++)
        count += is_mover[i];
    buf_put_varint(out, count);
    for (uint32_t i = 0; i < ring->nodes; i++) {
        if (is_mover[i])
            buf_put_varint(out, ring->node[i].node);
    }
    ring_encode_diff(s->topology.ring, ring, out);
    mem_free(is_mover);
}

static void fill_ring_node(struct ring_node *node, uint64_t slot, const struct node_info *info)
{
    memset(node, 0, sizeof *node);
    node->node = (node_no)slot;
    node->weight = info->weight;
    memcpy(node->dc, info->dc, sizeof node->dc);
    memcpy(node->rack, info->rack, sizeof node->rack);
}

static enum err plan_join(const struct state *s, const struct command *c, struct ring **ret_ring)
{
    const struct topology_node *gone = topology_find_endpoint(&s->topology, &c->replaces);
    struct ring_node node;
    fill_ring_node(&node, s->topology.epoch + 1, &c->info);
    if (gone != NULL)
        return ring_plan_replace(s->topology.ring, gone->node, &node, ret_ring);
    return ring_plan_join(s->topology.ring, &node, 1, ret_ring);
}

enum err state_plan_found(uint32_t ranges, const struct node_info *info, struct buf *out)
{
    struct ring_node node;
    struct ring *ring;
    fill_ring_node(&node, 1, info);
    enum err err = ring_plan_fresh(ranges, &node, 1, &ring);
    if (err != ERR_OK)
        return err;
    ring_encode(ring, out);
    ring_free(ring);
    return buf_finish(out);
}

enum err state_plan(const struct state *s, struct command *c, struct buf *out,
                    struct errmsg *reterr)
{
    struct ring *ring = NULL;
    enum err err;
    if (state_judge(s, c, NULL) != ERR_OK)
        return ERR_OK; /* applying it says why it fails, on every node alike */
    if (c->kind == COMMAND_JOIN_START && topology_find_host(&s->topology, &c->info.host_id) == NULL)
        err = plan_join(s, c, &ring);
    else if (c->kind == COMMAND_LEAVE_START &&
             topology_find(&s->topology, c->node)->state == NODE_NORMAL)
        err = ring_plan_leave(s->topology.ring, &c->node, 1, &ring);
    else
        return ERR_OK;
    if (err != ERR_OK)
        return errmsg_set(reterr, ERR_INVALID, "%s: no ring can be planned: %s",
                          command_name(c->kind), err_text(err));
    write_plan(s, ring, out);
    ring_free(ring);
    c->plan = buf_bytes(out);
    return buf_finish(out);
}
