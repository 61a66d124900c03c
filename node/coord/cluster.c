#include "node/coord/cluster.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "ring/token.h"
#include "storage/engine.h"

#include <stdlib.h>
#include <string.h>

struct keyspace {
    struct strategy strategy;
    struct moves_keyspace moves; /* no runs: not told */
    bool sloppy;
    struct placement *placement; /* built when first asked for */
    uint64_t *since;             /* by range; NULL: all the time */
    uint32_t since_count;
};

struct cluster {
    node_no self;
    uint64_t epoch, ring_epoch;
    struct cluster_node *nodes; /* ascending by number */
    size_t nodes_count;
    char (*dcs)[RING_NAME_SIZE]; /* sorted */
    uint32_t dcs_count;
    struct ring *ring;
    struct map keyspaces;
    struct map lives;             /* node -> boot, as a pointer */
    struct cluster_table *tables; /* ascending */
    size_t tables_count;
    uint64_t tables_epoch;
    struct table_policy *policies; /* ascending */
    size_t policies_count;
};

static void keyspace_free(void *p)
{
    struct keyspace *k = p;
    placement_free(k->placement);
    moves_keyspace_close(&k->moves);
    mem_free(k->since);
    mem_free(k);
}

struct cluster *cluster_new(void)
{
    struct cluster *c = mem_new(struct cluster);
    map_init(&c->keyspaces);
    map_init(&c->lives);
    return c;
}

void cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    map_clear(&c->keyspaces, keyspace_free);
    map_close(&c->keyspaces);
    map_close(&c->lives);
    ring_free(c->ring);
    mem_free(c->nodes);
    mem_free(c->dcs);
    mem_free(c->tables);
    mem_free(c->policies);
    mem_free(c);
}

static void forget_placements(struct cluster *c)
{
    uint64_t *keys = map_keys(&c->keyspaces);
    for (size_t i = 0; i < map_count(&c->keyspaces); i++) {
        struct keyspace *k = map_get(&c->keyspaces, keys[i]);
        placement_free(k->placement);
        k->placement = NULL;
        moves_keyspace_close(&k->moves); /* they name tables of the ring before */
    }
    mem_free(keys);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int compare_nodes(const void *a, const void *b)
{
    const struct cluster_node *x = a;
    const struct cluster_node *y = b;
    return x->node < y->node ? -1 : x->node > y->node;
}

static uint32_t find_dc(const struct cluster *c, const char *name)
{
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        if (strcmp(c->dcs[i], name) == 0)
            return i;
    }
    return UINT32_MAX;
}

/* Number the data centres in order of name. */
static void index_dcs(struct cluster *c)
{
    mem_free(c->dcs);
    c->dcs = mem_alloc(c->nodes_count * RING_NAME_SIZE);
    for (size_t i = 0; i < c->nodes_count; i++)
        memcpy(c->dcs[i], c->nodes[i].dc, RING_NAME_SIZE);
    qsort(c->dcs, c->nodes_count, RING_NAME_SIZE, compare_names);
    c->dcs_count = 0;
    for (size_t i = 0; i < c->nodes_count; i++) {
        if (i == 0 || strcmp(c->dcs[i], c->dcs[c->dcs_count - 1]) != 0)
            memmove(c->dcs[c->dcs_count++], c->dcs[i], RING_NAME_SIZE);
    }
    for (size_t i = 0; i < c->nodes_count; i++)
        c->nodes[i].dc_index = find_dc(c, c->nodes[i].dc);
}

void cluster_set_nodes(struct cluster *c, node_no self, const struct cluster_node *nodes,
                       size_t count, const struct ring *ring, uint64_t epoch)
{
    struct cluster_node *copy = mem_copy(nodes, count * sizeof *nodes);
    qsort(copy, count, sizeof *copy, compare_nodes);
    for (size_t i = 0; i < count; i++) {
        const struct cluster_node *known = cluster_find(c, copy[i].node);
        if (known != NULL)
            copy[i].alive = known->alive;
    }
    mem_free(c->nodes);
    c->nodes = copy;
    c->nodes_count = count;
    c->self = self;
    c->epoch = epoch;
    index_dcs(c);
    if (c->ring == NULL || ring == NULL || !ring_equal(c->ring, ring)) {
        ring_free(c->ring);
        c->ring = ring != NULL ? ring_copy(ring) : NULL;
        if (!MUTANT(ring_change_unseen))
            forget_placements(c);
    }
}

void cluster_set_keyspace(struct cluster *c, keyspace_no keyspace, const struct strategy *strategy)
{
    struct keyspace *k = map_get(&c->keyspaces, keyspace);
    if (strategy == NULL) {
        if (map_remove(&c->keyspaces, keyspace) != NULL)
            keyspace_free(k);
        return;
    }
    if (k == NULL) {
        k = mem_new(struct keyspace);
        map_put(&c->keyspaces, keyspace, k);
    } else if (strategy_equal(&k->strategy, strategy)) {
        return;
    }
    placement_free(k->placement);
    k->placement = NULL;
    moves_keyspace_close(&k->moves);
    k->strategy = *strategy;
}

void cluster_set_moves(struct cluster *c, const struct moves_keyspace *moves)
{
    struct keyspace *k = map_get(&c->keyspaces, moves->keyspace);
    if (k == NULL || moves_keyspace_equal(&k->moves, moves))
        return;
    moves_keyspace_close(&k->moves);
    moves_keyspace_copy(moves, &k->moves);
    if (!MUTANT(ring_change_unseen)) {
        placement_free(k->placement);
        k->placement = NULL;
    }
}

void cluster_set_sloppy(struct cluster *c, keyspace_no keyspace, bool sloppy)
{
    struct keyspace *k = map_get(&c->keyspaces, keyspace);
    if (k != NULL)
        k->sloppy = sloppy;
}

bool cluster_is_sloppy(const struct cluster *c, keyspace_no keyspace)
{
    const struct keyspace *k = map_get(&c->keyspaces, keyspace);
    return k != NULL && k->sloppy;
}

void cluster_set_alive(struct cluster *c, node_no node, bool alive)
{
    for (size_t i = 0; i < c->nodes_count; i++) {
        if (c->nodes[i].node == node)
            c->nodes[i].alive = alive;
    }
}

node_no cluster_self(const struct cluster *c)
{
    return c->self;
}

void cluster_set_epoch(struct cluster *c, uint64_t epoch)
{
    c->epoch = epoch;
}

uint64_t cluster_epoch(const struct cluster *c)
{
    return c->epoch;
}

void cluster_set_ring_epoch(struct cluster *c, uint64_t ring_epoch)
{
    c->ring_epoch = ring_epoch;
}

uint64_t cluster_ring_epoch(const struct cluster *c)
{
    return c->ring_epoch;
}

uint32_t cluster_ranges(const struct cluster *c)
{
    return c->ring != NULL ? c->ring->ranges : 0;
}

const struct ring *cluster_ring(const struct cluster *c)
{
    return c->ring;
}

const struct cluster_node *cluster_find(const struct cluster *c, node_no node)
{
    size_t low = 0;
    size_t high = c->nodes_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->nodes[mid].node < node)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->nodes_count && c->nodes[low].node == node ? &c->nodes[low] : NULL;
}

bool cluster_is_alive(const struct cluster *c, node_no node)
{
    const struct cluster_node *n = cluster_find(c, node);
    return node == c->self || (n != NULL && n->alive);
}

size_t cluster_nodes(const struct cluster *c, const struct cluster_node **ret_nodes)
{
    *ret_nodes = c->nodes;
    return c->nodes_count;
}

const struct placement *cluster_placement(struct cluster *c, keyspace_no keyspace)
{
    struct keyspace *k = map_get(&c->keyspaces, keyspace);
    if (k == NULL || c->ring == NULL)
        return NULL;
    if (k->placement == NULL)
        k->placement = k->moves.runs > 0 ? placement_of(c->ring, &k->moves)
                                         : placement_build(c->ring, &k->strategy);
    return k->placement;
}

static struct quorum_config quorum_config(const struct cluster *c, const struct strategy *strategy,
                                          enum level level)
{
    const struct cluster_node *self = cluster_find(c, c->self);
    struct quorum_config q = {.level = level, .local_dc = self != NULL ? self->dc_index : 0};
    if (strategy->type == STRATEGY_SIMPLE) {
        q.rf_total = strategy->rf;
        return q;
    }
    q.per_dc = true;
    q.dcs = c->dcs_count < QUORUM_DCS_MAX ? c->dcs_count : QUORUM_DCS_MAX;
    for (uint32_t i = 0; i < strategy->dcs; i++) {
        uint32_t dc = find_dc(c, strategy->dc[i].name);
        /* A data centre without nodes is asked for all the same: it makes ALL unavailable. */
        if (dc >= QUORUM_DCS_MAX)
            dc = q.dcs < QUORUM_DCS_MAX ? q.dcs++ : QUORUM_DCS_MAX - 1;
        q.rf[dc] += strategy->dc[i].rf;
    }
    return q;
}

bool cluster_quorum_plan(struct cluster *c, keyspace_no keyspace, range_no range, enum level level,
                         struct quorum_plan *ret_plan)
{
    const struct keyspace *k = map_get(&c->keyspaces, keyspace);
    const struct placement *p = cluster_placement(c, keyspace);
    const struct strategy *now, *later;
    if (p == NULL || range >= p->ranges)
        return false;
    now = later = &k->strategy;
    if (k->moves.runs > 0) {
        const struct move_run *run = moves_at(&k->moves, range);
        now = &k->moves.place[run->place].strategy;
        later = &k->moves.place[run->goal].strategy;
    }
    ret_plan->now = quorum_config(c, now, level);
    ret_plan->later = quorum_config(c, later, level);
    ret_plan->joint = placement_needs_later(p, range);
    ret_plan->planned = c->epoch;
    return true;
}

uint64_t cluster_stage_since(struct cluster *c, keyspace_no keyspace, range_no range)
{
    const struct placement *p = cluster_placement(c, keyspace);
    return p != NULL && range < p->ranges ? placement_since(p, range) : 0;
}

bool cluster_next_keyspace(const struct cluster *c, keyspace_no from, keyspace_no *ret_keyspace)
{
    uint64_t *keys = map_keys(&c->keyspaces);
    bool found = false;
    for (size_t i = 0; i < map_count(&c->keyspaces) && !found; i++) {
        if (keys[i] >= from) {
            *ret_keyspace = (keyspace_no)keys[i];
            found = true;
        }
    }
    mem_free(keys);
    return found;
}

bool cluster_has_keyspace(const struct cluster *c, keyspace_no keyspace)
{
    return map_get(&c->keyspaces, keyspace) != NULL;
}

bool cluster_is_replica(struct cluster *c, keyspace_no keyspace, range_no range, node_no node)
{
    const struct placement *p = cluster_placement(c, keyspace);
    if (p == NULL || range >= p->ranges)
        return false;
    return replicas_have(placement_replicas(p, range), node) ||
           replicas_have(placement_pending(p, range), node);
}

/* --- tables */

static int table_compare(const void *a, const void *b)
{
    const struct cluster_table *x = a;
    const struct cluster_table *y = b;
    return x->table < y->table ? -1 : x->table > y->table;
}

void cluster_set_tables(struct cluster *c, const struct cluster_table *tables, size_t count,
                        uint64_t epoch)
{
    mem_free(c->tables);
    c->tables = count > 0 ? mem_copy(tables, count * sizeof *tables) : NULL;
    c->tables_count = count;
    c->tables_epoch = epoch;
    if (count > 1)
        qsort(c->tables, count, sizeof *c->tables, table_compare);
}

bool cluster_table_is_gone(const struct cluster *c, table_no table)
{
    struct cluster_table key = {.table = table};
    return table <= c->tables_epoch &&
           (c->tables_count == 0 ||
            bsearch(&key, c->tables, c->tables_count, sizeof key, table_compare) == NULL);
}

static int policy_compare(const void *a, const void *b)
{
    const struct table_policy *x = a;
    const struct table_policy *y = b;
    return x->table < y->table ? -1 : x->table > y->table;
}

void cluster_set_policies(struct cluster *c, const struct table_policy *policies, size_t count)
{
    mem_free(c->policies);
    c->policies = count > 0 ? mem_copy(policies, count * sizeof *policies) : NULL;
    c->policies_count = count;
    if (count > 1)
        qsort(c->policies, count, sizeof *c->policies, policy_compare);
}

const struct table_policy *cluster_policy(const struct cluster *c, table_no table)
{
    static const struct table_policy usual = {.retry.per_million = PATIENCE_USUAL,
                                              .extra.per_million = PATIENCE_USUAL};
    struct table_policy key = {.table = table};
    const struct table_policy *p = NULL;
    if (c->policies_count > 0)
        p = bsearch(&key, c->policies, c->policies_count, sizeof key, policy_compare);
    return p != NULL ? p : &usual;
}

size_t cluster_tables_of(const struct cluster *c, keyspace_no keyspace, struct arena *arena,
                         const table_no **ret_tables)
{
    table_no *tables = arena_array(arena, table_no, c->tables_count);
    size_t count = 0;
    for (size_t i = 0; i < c->tables_count; i++) {
        if (c->tables[i].keyspace == keyspace)
            tables[count++] = c->tables[i].table;
    }
    *ret_tables = tables;
    return count;
}

void cluster_place(const struct cluster *c, keyspace_no keyspace, range_no range,
                   struct arena *arena, struct range_place *ret)
{
    struct token_span span = ring_range_span(range, cluster_ranges(c));
    ret->first = span.first;
    ret->last = span.last;
    ret->tables_count = cluster_tables_of(c, keyspace, arena, &ret->tables);
}

/* --- lives, and since when */

void cluster_note_life(struct cluster *c, node_no node, uint32_t boot)
{
    if (node != 0 && boot > cluster_life(c, node))
        map_put(&c->lives, node, (void *)(uintptr_t)boot);
}

uint32_t cluster_life(const struct cluster *c, node_no node)
{
    return (uint32_t)(uintptr_t)map_get(&c->lives, node);
}

void cluster_set_since(struct cluster *c, keyspace_no keyspace, range_no range, uint64_t epoch)
{
    struct keyspace *k = map_get(&c->keyspaces, keyspace);
    uint32_t ranges = cluster_ranges(c);
    if (k == NULL || range >= ranges)
        return;
    if (k->since_count != ranges) {
        mem_free(k->since);
        k->since = mem_alloc(ranges * sizeof *k->since);
        k->since_count = ranges;
    }
    k->since[range] = epoch;
}

uint64_t cluster_since(const struct cluster *c, keyspace_no keyspace, range_no range)
{
    const struct keyspace *k = map_get(&c->keyspaces, keyspace);
    return k != NULL && range < k->since_count ? k->since[range] : 0;
}
