/* plan.c - state_plan: the ring that a join or a leave leads to. */
#include "ring/plan.h"
#include "node/meta/state.h"

#include <string.h>

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
    ring_encode_diff(s->topology.ring, ring, out);
    ring_free(ring);
    c->plan = buf_bytes(out);
    return buf_finish(out);
}
