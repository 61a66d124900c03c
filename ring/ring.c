#include "ring/ring.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int compare_nodes(const void *a, const void *b)
{
    const struct ring_node *x = a;
    const struct ring_node *y = b;
    return x->node < y->node ? -1 : x->node > y->node;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool name_valid(const char name[RING_NAME_SIZE])
{
    return name[0] != 0 && memchr(name, 0, RING_NAME_SIZE) != NULL;
}

static bool nodes_valid(const struct ring *ring)
{
    for (uint32_t i = 0; i < ring->nodes; i++) {
        const struct ring_node *n = &ring->node[i];
        if (n->node == 0 || (i > 0 && n->node == ring->node[i - 1].node))
            return false;
        if (n->weight == 0 || n->weight > RING_WEIGHT_MAX)
            return false;
        if (!name_valid(n->dc) || !name_valid(n->rack))
            return false;
    }
    return true;
}

/* The distinct data centres of the nodes, in order of name. False when there are too many. */
static bool collect_dcs(struct ring *ring)
{
    ring->dc = mem_alloc(sizeof *ring->dc * RING_DCS_MAX);
    for (uint32_t i = 0; i < ring->nodes; i++) {
        if (ring_find_dc(ring, ring->node[i].dc) >= 0)
            continue;
        if (ring->dcs == RING_DCS_MAX)
            return false;
        memcpy(ring->dc[ring->dcs++], ring->node[i].dc, RING_NAME_SIZE);
    }
    qsort(ring->dc, ring->dcs, sizeof *ring->dc, compare_names);
    return true;
}

static bool table_valid(const struct ring *ring, const node_no *table)
{
    for (uint32_t dc = 0; dc < ring->dcs; dc++) {
        const node_no *row = table + (size_t)dc * ring->ranges;
        for (range_no r = 0; r < ring->ranges; r++) {
            if ((row[r] == 0) != (row[0] == 0))
                return false;
            if (r > 0 && row[r] == row[r - 1])
                continue;
            const struct ring_node *n = row[r] == 0 ? NULL : ring_find(ring, row[r]);
            if (row[r] != 0 && (n == NULL || strcmp(n->dc, ring->dc[dc]) != 0))
                return false;
        }
    }
    return true;
}

static size_t table_size(const struct ring *ring)
{
    return sizeof(node_no) * ring->dcs * ring->ranges;
}

enum err ring_new(uint32_t ranges, const struct ring_node *nodes, size_t count,
                  const node_no *owner, const node_no *target, struct ring **ret_ring)
{
    if (!ring_ranges_valid(ranges) || count > RING_NODES_MAX)
        return ERR_INVALID;
    struct ring *ring = mem_new(struct ring);
    ring->ranges = ranges;
    ring->nodes = (uint32_t)count;
    ring->node = mem_alloc(sizeof *ring->node * count);
    if (count > 0)
        memcpy(ring->node, nodes, sizeof *ring->node * count);
    qsort(ring->node, count, sizeof *ring->node, compare_nodes);
    if (!nodes_valid(ring) || !collect_dcs(ring))
        goto invalid;
    ring->owner = mem_alloc(table_size(ring));
    if (owner != NULL && ring->dcs > 0)
        memcpy(ring->owner, owner, table_size(ring));
    if (target != NULL)
        ring->target = mem_copy(target, table_size(ring));
    if (!table_valid(ring, ring->owner) || (target != NULL && !table_valid(ring, ring->target)))
        goto invalid;
    *ret_ring = ring;
    return ERR_OK;
invalid:
    ring_free(ring);
    return ERR_INVALID;
}

struct ring *ring_copy(const struct ring *ring)
{
    struct ring *copy;
    enum err err =
        ring_new(ring->ranges, ring->node, ring->nodes, ring->owner, ring->target, &copy);
    ASSERT(err == ERR_OK);
    return copy;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    mem_free(ring->node);
    mem_free(ring->dc);
    mem_free(ring->owner);
    mem_free(ring->target);
    mem_free(ring);
}

bool ring_equal(const struct ring *a, const struct ring *b)
{
    if (a->ranges != b->ranges || a->nodes != b->nodes || a->dcs != b->dcs)
        return false;
    if ((a->target == NULL) != (b->target == NULL))
        return false;
    for (uint32_t i = 0; i < a->nodes; i++) {
        const struct ring_node *x = &a->node[i];
        const struct ring_node *y = &b->node[i];
        if (x->node != y->node || x->weight != y->weight || strcmp(x->dc, y->dc) != 0 ||
            strcmp(x->rack, y->rack) != 0)
            return false;
    }
    return a->dcs == 0 || (memcmp(a->owner, b->owner, table_size(a)) == 0 &&
                           (a->target == NULL || memcmp(a->target, b->target, table_size(a)) == 0));
}

/* A settled ring of one table, without the nodes that own nothing in it. */
static struct ring *keep_table(const struct ring *ring, enum ring_when when)
{
    const node_no *table = ring_table(ring, when);
    struct ring_node *nodes = mem_alloc(sizeof *nodes * ring->nodes);
    node_no *owner = mem_alloc(table_size(ring));
    size_t count = 0;
    size_t rows = 0;
    for (uint32_t i = 0; i < ring->nodes; i++) {
        if (ring_count(ring, when, ring->node[i].node) > 0)
            nodes[count++] = ring->node[i];
    }
    for (uint32_t dc = 0; dc < ring->dcs; dc++) {
        const node_no *row = table + (size_t)dc * ring->ranges;
        if (row[0] == 0)
            continue;
        memcpy(owner + rows++ * ring->ranges, row, sizeof *row * ring->ranges);
    }
    struct ring *kept;
    enum err err = ring_new(ring->ranges, nodes, count, owner, NULL, &kept);
    ASSERT(err == ERR_OK);
    mem_free(nodes);
    mem_free(owner);
    return kept;
}

struct ring *ring_settle(const struct ring *ring)
{
    return ring->target == NULL ? ring_copy(ring) : keep_table(ring, RING_LATER);
}

struct ring *ring_abandon(const struct ring *ring)
{
    return ring->target == NULL ? ring_copy(ring) : keep_table(ring, RING_NOW);
}

const struct ring_node *ring_find(const struct ring *ring, node_no node)
{
    uint32_t low = 0;
    uint32_t high = ring->nodes;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (ring->node[mid].node < node)
            low = mid + 1;
        else
            high = mid;
    }
    return low < ring->nodes && ring->node[low].node == node ? &ring->node[low] : NULL;
}

int ring_find_dc(const struct ring *ring, const char *dc)
{
    for (uint32_t i = 0; i < ring->dcs; i++) {
        if (strcmp(ring->dc[i], dc) == 0)
            return (int)i;
    }
    return -1;
}

const node_no *ring_table(const struct ring *ring, enum ring_when when)
{
    return when == RING_LATER && ring->target != NULL ? ring->target : ring->owner;
}

node_no ring_owner(const struct ring *ring, enum ring_when when, uint32_t dc, range_no range)
{
    ASSERT(dc < ring->dcs);
    ASSERT(range < ring->ranges);
    return ring_table(ring, when)[(size_t)dc * ring->ranges + range];
}

uint32_t ring_count(const struct ring *ring, enum ring_when when, node_no node)
{
    const struct ring_node *n = ring_find(ring, node);
    if (n == NULL)
        return 0;
    uint32_t count = 0;
    int dc = ring_find_dc(ring, n->dc);
    const node_no *row = ring_table(ring, when) + (size_t)dc * ring->ranges;
    for (range_no r = 0; r < ring->ranges; r++)
        count += row[r] == node;
    return count;
}

token ring_token(const struct ring *ring, enum ring_when when, uint32_t dc, range_no range)
{
    uint32_t active = 0;
    uint32_t slot = 0;
    ASSERT(ring_owner(ring, when, dc, range) != 0);
    for (uint32_t i = 0; i < ring->dcs; i++) {
        if (ring_owner(ring, when, i, 0) == 0)
            continue;
        slot = i < dc ? slot + 1 : slot;
        active++;
    }
    uint32_t arc = (uint32_t)((uint64_t)range * active / ring->ranges);
    return ring_range_right(range, ring->ranges) - (token)((slot + arc) % active);
}

uint32_t ring_tokens(const struct ring *ring, enum ring_when when, node_no node, token *ret_tokens)
{
    const struct ring_node *n = ring_find(ring, node);
    if (n == NULL)
        return 0;
    uint32_t count = 0;
    uint32_t dc = (uint32_t)ring_find_dc(ring, n->dc);
    for (range_no r = 0; r < ring->ranges; r++) {
        if (ring_owner(ring, when, dc, r) == node)
            ret_tokens[count++] = ring_token(ring, when, dc, r);
    }
    return count;
}
