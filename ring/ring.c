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

static bool tables_valid(const struct ring *ring)
{
    for (uint32_t i = 0; i < ring->tables; i++) {
        if ((i > 0 && ring->table[i].number <= ring->table[i - 1].number) ||
            !table_valid(ring, ring->table[i].owner))
            return false;
    }
    return true;
}

enum err ring_new(uint32_t ranges, const struct ring_node *nodes, size_t count,
                  const struct ring_table *tables, size_t tables_count, struct ring **ret_ring)
{
    if (!ring_ranges_valid(ranges) || count > RING_NODES_MAX || tables_count > RING_TABLES_MAX)
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
    ring->tables = tables_count > 0 ? (uint32_t)tables_count : 1;
    for (size_t i = 0; i < ring->tables; i++) {
        ring->table[i].owner = mem_alloc(table_size(ring));
        if (tables_count == 0)
            continue;
        ring->table[i].number = tables[i].number;
        if (ring->dcs > 0)
            memcpy(ring->table[i].owner, tables[i].owner, table_size(ring));
    }
    if (!tables_valid(ring))
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
        ring_new(ring->ranges, ring->node, ring->nodes, ring->table, ring->tables, &copy);
    ASSERT(err == ERR_OK);
    return copy;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    for (uint32_t i = 0; i < ring->tables; i++)
        mem_free(ring->table[i].owner);
    mem_free(ring->node);
    mem_free(ring->dc);
    mem_free(ring);
}

bool ring_equal(const struct ring *a, const struct ring *b)
{
    if (a->ranges != b->ranges || a->nodes != b->nodes || a->dcs != b->dcs ||
        a->tables != b->tables)
        return false;
    for (uint32_t i = 0; i < a->nodes; i++) {
        const struct ring_node *x = &a->node[i];
        const struct ring_node *y = &b->node[i];
        if (x->node != y->node || x->weight != y->weight || strcmp(x->dc, y->dc) != 0 ||
            strcmp(x->rack, y->rack) != 0)
            return false;
    }
    for (uint32_t i = 0; i < a->tables; i++) {
        if (a->table[i].number != b->table[i].number ||
            (a->dcs > 0 && memcmp(a->table[i].owner, b->table[i].owner, table_size(a)) != 0))
            return false;
    }
    return true;
}

/* A copy of a table for a ring with other data centres: those that are new there own nothing. */
static struct ring_table copy_table(const struct ring *ring, const struct ring_table *table,
                                    const struct ring *other)
{
    struct ring_table copy = {table->number, mem_alloc(table_size(other))};
    for (uint32_t dc = 0; dc < other->dcs; dc++) {
        int was = ring_find_dc(ring, other->dc[dc]);
        if (was >= 0)
            memcpy(copy.owner + (size_t)dc * ring->ranges,
                   table->owner + (size_t)was * ring->ranges, sizeof(node_no) * ring->ranges);
    }
    return copy;
}

enum err ring_extend(const struct ring *ring, const struct ring_node *nodes, size_t count,
                     const node_no *owner, struct ring **ret_ring)
{
    struct ring_table tables[RING_TABLES_MAX];
    struct ring *bare;
    if (ring->tables == RING_TABLES_MAX)
        return ERR_TOO_BIG;
    enum err err = ring_new(ring->ranges, nodes, count, NULL, 0, &bare);
    if (err != ERR_OK)
        return err;
    for (uint32_t i = 0; i < ring->tables; i++)
        tables[i] = copy_table(ring, &ring->table[i], bare);
    uint32_t number = ring->table[ring->tables - 1].number;
    tables[ring->tables] =
        (struct ring_table){number + 1, bare->dcs > 0 ? mem_copy(owner, table_size(bare)) : NULL};
    err = number < UINT32_MAX
              ? ring_new(ring->ranges, nodes, count, tables, ring->tables + 1, ret_ring)
              : ERR_TOO_BIG;
    for (uint32_t i = 0; i <= ring->tables; i++)
        mem_free(tables[i].owner);
    ring_free(bare);
    return err;
}

/* How many ranges a node owns in a table. */
static uint32_t count_in(const struct ring *ring, const struct ring_table *table,
                         const struct ring_node *node)
{
    uint32_t count = 0;
    int dc = ring_find_dc(ring, node->dc);
    const node_no *row = table->owner + (size_t)dc * ring->ranges;
    for (range_no r = 0; r < ring->ranges; r++)
        count += row[r] == node->node;
    return count;
}

struct ring *ring_keep(const struct ring *ring, const bool keep[RING_TABLES_MAX])
{
    struct ring_node *nodes = mem_alloc(sizeof *nodes * ring->nodes);
    struct ring_table tables[RING_TABLES_MAX];
    struct ring *bare, *kept;
    size_t count = 0, tables_count = 0;
    for (uint32_t i = 0; i < ring->nodes; i++) {
        bool owns = false;
        for (uint32_t t = 0; t < ring->tables && !owns; t++)
            owns = keep[t] && count_in(ring, &ring->table[t], &ring->node[i]) > 0;
        if (owns)
            nodes[count++] = ring->node[i];
    }
    enum err err = ring_new(ring->ranges, nodes, count, NULL, 0, &bare);
    ASSERT(err == ERR_OK);
    for (uint32_t t = 0; t < ring->tables; t++) {
        if (keep[t])
            tables[tables_count++] = copy_table(ring, &ring->table[t], bare);
    }
    ASSERT(tables_count > 0);
    err = ring_new(ring->ranges, nodes, count, tables, tables_count, &kept);
    ASSERT(err == ERR_OK);
    for (size_t i = 0; i < tables_count; i++)
        mem_free(tables[i].owner);
    ring_free(bare);
    mem_free(nodes);
    return kept;
}

struct ring *ring_settle(const struct ring *ring)
{
    bool keep[RING_TABLES_MAX] = {false};
    keep[ring->tables - 1] = true;
    return ring->tables == 1 ? ring_copy(ring) : ring_keep(ring, keep);
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

const struct ring_table *ring_table(const struct ring *ring, enum ring_when when)
{
    return &ring->table[when == RING_PUBLISHED ? 0 : ring->tables - 1];
}

const struct ring_table *ring_find_table(const struct ring *ring, uint32_t number)
{
    for (uint32_t i = 0; i < ring->tables; i++) {
        if (ring->table[i].number == number)
            return &ring->table[i];
    }
    return NULL;
}

node_no ring_owner(const struct ring *ring, enum ring_when when, uint32_t dc, range_no range)
{
    ASSERT(dc < ring->dcs);
    ASSERT(range < ring->ranges);
    return ring_table(ring, when)->owner[(size_t)dc * ring->ranges + range];
}

uint32_t ring_table_count(const struct ring *ring, const struct ring_table *table, node_no node)
{
    const struct ring_node *n = ring_find(ring, node);
    return n != NULL ? count_in(ring, table, n) : 0;
}

uint32_t ring_count(const struct ring *ring, enum ring_when when, node_no node)
{
    return ring_table_count(ring, ring_table(ring, when), node);
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
