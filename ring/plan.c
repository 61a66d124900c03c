#include "ring/plan.h"

#include "base/mem.h"
#include "ring/plan_dc.h"

#include <string.h>

/* Fill in the nodes and racks of a data centre, and who of them owns what in the row `now`. */
static void load_dc(struct plan_dc *p, const struct ring *ring, const char *dc, const node_no *now,
                    node_no *ret_number)
{
    uint16_t *rack = arena_array(p->arena, uint16_t, ring->nodes);
    uint32_t *weight = arena_array(p->arena, uint32_t, ring->nodes);
    uint16_t *index = arena_array(p->arena, uint16_t, ring->nodes);
    uint16_t *base = arena_array(p->arena, uint16_t, ring->ranges);
    const char **racks = arena_array(p->arena, const char *, ring->nodes);
    for (uint32_t i = 0; i < ring->nodes; i++) {
        const struct ring_node *n = &ring->node[i];
        if (strcmp(n->dc, dc) != 0)
            continue;
        uint16_t r = 0;
        while (r < p->racks && strcmp(racks[r], n->rack) != 0)
            r++;
        racks[r] = n->rack;
        p->racks += r == p->racks;
        rack[p->nodes] = r;
        weight[p->nodes] = n->weight;
        ret_number[p->nodes] = n->node;
        index[i] = (uint16_t)p->nodes++;
    }
    for (range_no r = 0; r < ring->ranges; r++) {
        const struct ring_node *n = now == NULL ? NULL : ring_find(ring, now[r]);
        base[r] = n == NULL ? PLAN_NOBODY : index[n - ring->node];
    }
    p->ranges = ring->ranges;
    p->rack = rack;
    p->weight = weight;
    p->base = base;
}

/* The row of a data centre for its nodes in `future`, starting from the row `now` (NULL: from
 * nothing), in which nodes that are not in `future` may stand. */
static enum err plan_row(const struct ring *future, const char *dc, const node_no *now,
                         node_no *ret_row)
{
    struct arena arena;
    arena_init(&arena);
    enum err err = ERR_OK;
    node_no *number = arena_array(&arena, node_no, future->nodes);
    struct plan_dc p = {.arena = &arena};
    load_dc(&p, future, dc, now, number);
    if (p.nodes > p.ranges) {
        err = ERR_INVALID;
        goto out;
    }
    p.quota = arena_array(&arena, uint32_t, p.nodes);
    p.row = arena_array(&arena, uint16_t, p.ranges);
    plan_dc_quotas(&p);
    plan_dc_seed(&p);
    plan_dc_search(&p);
    for (range_no r = 0; r < p.ranges; r++)
        ret_row[r] = number[p.row[r]];
out:
    arena_close(&arena);
    return err;
}

static bool has_dc(const struct ring_node *nodes, size_t count, const char *dc)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(nodes[i].dc, dc) == 0)
            return true;
    }
    return false;
}

/* `ring` with the table for when `future` are its members: data centres of `changed` are planned,
 * the others keep their row. `both` has the nodes of both. */
static enum err plan_change(const struct ring *ring, const struct ring *future,
                            const struct ring *both, const struct ring_node *changed, size_t count,
                            struct ring **ret_ring)
{
    enum err err = ERR_OK;
    size_t row = both->ranges;
    node_no *owner = mem_alloc(sizeof *owner * row * both->dcs);
    for (uint32_t dc = 0; dc < both->dcs && err == ERR_OK; dc++) {
        int was = ring_find_dc(ring, both->dc[dc]);
        const node_no *now = NULL;
        if (was >= 0)
            now = ring_table(ring, RING_NEWEST)->owner + (size_t)was * row;
        if (now != NULL && now[0] == 0)
            now = NULL;
        if (ring_find_dc(future, both->dc[dc]) < 0)
            continue;
        if (has_dc(changed, count, both->dc[dc]))
            err = plan_row(future, both->dc[dc], now, owner + dc * row);
        else if (now != NULL)
            memcpy(owner + dc * row, now, sizeof *owner * row);
    }
    if (err == ERR_OK)
        err = ring_extend(ring, both->node, both->nodes, owner, ret_ring);
    mem_free(owner);
    return err;
}

enum err ring_plan_fresh(uint32_t ranges, const struct ring_node *nodes, size_t count,
                         struct ring **ret_ring)
{
    struct ring *nobody;
    struct ring *plan;
    enum err err = ring_new(ranges, NULL, 0, NULL, 0, &nobody);
    if (err != ERR_OK)
        return err;
    err = ring_plan_join(nobody, nodes, count, &plan);
    ring_free(nobody);
    if (err != ERR_OK)
        return err;
    *ret_ring = ring_settle(plan);
    ring_free(plan);
    return ERR_OK;
}

/* The nodes of a ring, one after the other with those of `more`. */
static struct ring_node *join_nodes(const struct ring *ring, const struct ring_node *more,
                                    size_t count)
{
    struct ring_node *all = mem_alloc(sizeof *all * (ring->nodes + count));
    if (ring->nodes > 0)
        memcpy(all, ring->node, sizeof *all * ring->nodes);
    if (count > 0)
        memcpy(all + ring->nodes, more, sizeof *all * count);
    return all;
}

enum err ring_plan_join(const struct ring *ring, const struct ring_node *joining, size_t count,
                        struct ring **ret_ring)
{
    struct ring *both = NULL;
    struct ring *members = ring_settle(ring);
    struct ring *future = NULL;
    struct ring_node *all = NULL;
    struct ring_node *next = NULL;
    enum err err = count > RING_NODES_MAX ? ERR_INVALID : ERR_OK;
    if (err != ERR_OK)
        goto out;
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = ring_find(ring, joining[i].node) != NULL ? ERR_EXISTS : ERR_OK;
    if (err != ERR_OK)
        goto out;
    if (count == 0) {
        *ret_ring = ring_copy(ring);
        goto out;
    }
    all = join_nodes(ring, joining, count);
    next = join_nodes(members, joining, count);
    err = ring_new(ring->ranges, all, ring->nodes + count, NULL, 0, &both);
    if (err == ERR_OK)
        err = ring_new(ring->ranges, next, members->nodes + count, NULL, 0, &future);
    if (err == ERR_OK)
        err = plan_change(ring, future, both, joining, count, ret_ring);
out:
    mem_free(all);
    mem_free(next);
    ring_free(future);
    ring_free(members);
    ring_free(both);
    return err;
}

enum err ring_plan_leave(const struct ring *ring, const node_no *leaving, size_t count,
                         struct ring **ret_ring)
{
    struct ring *members = ring_settle(ring);
    struct ring *future = NULL;
    struct ring_node *gone = mem_alloc(sizeof *gone * count);
    struct ring_node *stay = mem_alloc(sizeof *stay * members->nodes);
    size_t staying = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        const struct ring_node *n = ring_find(members, leaving[i]);
        if (n == NULL) {
            err = ERR_NOT_FOUND;
            goto out;
        }
        gone[i] = *n;
    }
    if (count == 0) {
        *ret_ring = ring_copy(ring);
        goto out;
    }
    for (uint32_t i = 0; i < members->nodes; i++) {
        bool leaves = false;
        for (size_t j = 0; j < count; j++)
            leaves = leaves || leaving[j] == members->node[i].node;
        if (!leaves)
            stay[staying++] = members->node[i];
    }
    err = ring_new(ring->ranges, stay, staying, NULL, 0, &future);
    ASSERT(err == ERR_OK);
    err = plan_change(ring, future, ring, gone, count, ret_ring);
out:
    mem_free(gone);
    mem_free(stay);
    ring_free(future);
    ring_free(members);
    return err;
}

enum err ring_plan_replace(const struct ring *ring, node_no gone, const struct ring_node *with,
                           struct ring **ret_ring)
{
    const struct ring_node *old = ring_find(ring, gone);
    if (old == NULL || ring_count(ring, RING_NEWEST, gone) == 0)
        return ERR_NOT_FOUND;
    if (ring_find(ring, with->node) != NULL)
        return ERR_EXISTS;
    if (strncmp(old->dc, with->dc, RING_NAME_SIZE) != 0)
        return ERR_INVALID;
    size_t entries = (size_t)ring->dcs * ring->ranges;
    struct ring_node *all = join_nodes(ring, with, 1);
    node_no *owner = mem_copy(ring_table(ring, RING_NEWEST)->owner, sizeof *owner * entries);
    all[ring->nodes].weight = old->weight;
    for (size_t i = 0; i < entries; i++)
        owner[i] = owner[i] == gone ? with->node : owner[i];
    enum err err = ring_extend(ring, all, (size_t)ring->nodes + 1, owner, ret_ring);
    mem_free(owner);
    mem_free(all);
    return err;
}
