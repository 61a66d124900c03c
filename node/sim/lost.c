/* Rows that are gone from the disk of one node though its clock has them, and nobody was told: what
 * only a comparison of the rows themselves can find. */
#include "node/schema/schema.h"
#include "node/sim/core.h"
#include "ring/token.h"
#include "storage/keys.h"

#define TRIES_MAX 64 /* partitions looked at for each that goes */

static struct bytes key_of(const struct lost_part *p)
{
    return bytes_make(p->key, p->len);
}

static unsigned machine_with(const struct sim *s, node_no node)
{
    for (unsigned i = 1; i <= s->count; i++) {
        if (s->machines[i].node != NULL && meta_self(node_meta(s->machines[i].node)) == node)
            return i;
    }
    return 0;
}

/* All of the partition there, garbage and dots included; false: it cannot be read, or is not
 * durable. */
static bool read_part(struct sim *s, unsigned node, const struct lost_part *p, struct buf *out)
{
    struct machine *m = machine_of(s, node);
    struct scan scan = {.table = p->table,
                        .single = true,
                        .token = p->token,
                        .key = key_of(p),
                        .want_static = true,
                        .bytes_max = 1u << 30};
    struct scan_result result;
    struct buf prefix;
    buf_clear(out);
    arena_reset(&s->scratch);
    if (engine_scan(node_engine(m->node), &scan, &s->scratch, &result) != ERR_OK)
        return false;
    for (size_t i = 0; i < result.parts_count; i++)
        part_encode(&result.parts[i], out);
    buf_init(&prefix, SIZE_MAX);
    key_part(&prefix, p->table, p->token, key_of(p));
    bool rests = store_mem_at_rest(m->store, buf_bytes(&prefix));
    buf_close(&prefix);
    return rests && !result.more;
}

/* All replicas have the same of it, durably. *ret_empty: nothing. */
static bool is_alike(struct sim *s, unsigned node, const struct lost_part *p, bool *ret_empty)
{
    const struct placement *place =
        cluster_placement(node_cluster(s->machines[node].node), p->keyspace);
    struct buf first, other;
    if (place == NULL || p->range >= place->ranges)
        return false;
    struct replicas replicas = placement_replicas(place, p->range);
    buf_init(&first, BUF_MAX_DEFAULT);
    buf_init(&other, BUF_MAX_DEFAULT);
    bool alike = read_part(s, node, p, &first);
    for (uint32_t i = 0; i < replicas.count && alike; i++) {
        unsigned b = machine_with(s, replicas.node[i]);
        alike = b != 0 && (b == node || (read_part(s, b, p, &other) &&
                                         bytes_equal(buf_bytes(&first), buf_bytes(&other))));
    }
    *ret_empty = first.len == 0;
    buf_close(&first);
    buf_close(&other);
    return alike;
}

/* It is one of three replicas at least. */
static bool is_copied(struct sim *s, unsigned node, const struct lost_part *p)
{
    struct node *n = s->machines[node].node;
    const struct placement *place = cluster_placement(node_cluster(n), p->keyspace);
    if (place == NULL || p->range >= place->ranges)
        return false;
    struct replicas replicas = placement_replicas(place, p->range);
    return replicas.count >= 3 && replicas_have(replicas, meta_self(node_meta(n)));
}

static bool is_settled(const struct sim *s)
{
    for (unsigned i = 1; i <= s->count; i++) {
        const struct machine *m = &s->machines[i];
        if (m->node == NULL || !node_is_ready(m->node) ||
            topology_is_moving(meta_topology(node_meta(m->node))))
            return false;
    }
    return true;
}

/* Of tables that keep siblings one replica decides what a write replaces, by what it has; and who
 * sums up increments of a counter takes what it has for what all have. */
static bool is_of_clocks(const struct table *t)
{
    return t->options.conflicts != CONFLICTS_LWW || t->is_counter;
}

/* What partition the key is of; false: of none that may go. */
static bool find_part(struct sim *s, unsigned node, struct bytes key, struct lost_part *ret)
{
    const struct schema *schema = meta_schema(node_meta(s->machines[node].node));
    struct bytes partition;
    size_t len;
    arena_reset(&s->scratch);
    if (!key_parse_part(key, &s->scratch, &ret->table, &ret->token, &partition, &len))
        return false;
    const struct table *t = schema_table_by_no(schema, ret->table);
    const struct keyspace *k = t != NULL ? schema_keyspace(schema, t->keyspace) : NULL;
    if (k == NULL || keyspace_is_system(k->name) || is_of_clocks(t))
        return false;
    ret->keyspace = k->no;
    ret->range = ring_range_of(ret->token, s->config.ring_ranges);
    ret->key = mem_copy(partition.data, partition.len);
    ret->len = partition.len;
    return true;
}

static void lose(struct sim *s, unsigned node, struct lost_part *p)
{
    struct lost *l = &s->lost;
    struct buf prefix;
    buf_init(&prefix, SIZE_MAX);
    key_part(&prefix, p->table, p->token, key_of(p));
    uint32_t entries = store_mem_lose(machine_of(s, node)->store, buf_bytes(&prefix));
    buf_close(&prefix);
    mix(s, entries);
    l->parts = mem_grow(l->parts, l->count, &l->cap, sizeof *l->parts);
    l->parts[l->count++] = *p;
    l->node = node;
    l->any = true;
    s->crossed.lost++;
}

/* The first key of data behind `after`; false: none. */
static bool next_key(struct store *store, struct bytes after, struct buf *ret)
{
    struct store_iter *it = store_iter_new_durable(store);
    store_iter_seek(it, after);
    bool any = store_iter_valid(it) && store_iter_key(it).data[0] == 'd';
    buf_clear(ret);
    if (any)
        buf_put_bytes(ret, store_iter_key(it));
    store_iter_free(it);
    return any;
}

/* Somewhere in what the node stores of data. */
static void seek_some(struct sim *s, unsigned node, struct buf *at)
{
    const struct schema *schema = meta_schema(node_meta(s->machines[node].node));
    uint64_t tables = 0;
    for (uint32_t i = 0; i < schema->keyspace_count; i++) {
        const struct keyspace *k = schema->keyspaces[i];
        for (uint32_t j = 0; j < k->table_count && !keyspace_is_system(k->name); j++) {
            if (rng_below(&s->rng, ++tables) == 0) {
                buf_clear(at);
                key_token(at, k->tables[j]->no, (token)rng_next(&s->rng));
            }
        }
    }
}

uint32_t sim_lose_rows(struct sim *s, unsigned node, uint32_t partitions)
{
    struct machine *m = machine_of(s, node);
    struct buf at;
    uint32_t lost = 0;
    if (sim_rows_lost(s) > 0 && s->lost.node != node)
        return 0;
    if (m->node == NULL || !is_settled(s))
        return 0;
    buf_init(&at, SIZE_MAX);
    for (uint32_t i = 0; i < TRIES_MAX * partitions && lost < partitions; i++) {
        struct lost_part p;
        bool empty;
        if (i % TRIES_MAX == 0 && lost == 0)
            seek_some(s, node, &at);
        if (!next_key(m->store, buf_bytes(&at), &at)) {
            if (lost > 0)
                break;
            seek_some(s, node, &at);
            continue;
        }
        if (find_part(s, node, buf_bytes(&at), &p)) {
            if (is_copied(s, node, &p) && is_alike(s, node, &p, &empty) && !empty) {
                lose(s, node, &p);
                s->damaged = true;
                lost++;
            } else {
                mem_free(p.key);
            }
        }
        buf_put_u8(&at, 0);
    }
    buf_close(&at);
    return lost;
}

/* The range has left the node: what it has is not read, and goes before it is taken over again. */
static bool has_left(struct sim *s, unsigned node, const struct lost_part *p)
{
    struct node *n = s->machines[node].node;
    const struct placement *place = cluster_placement(node_cluster(n), p->keyspace);
    node_no self = meta_self(node_meta(n));
    return place != NULL && p->range < place->ranges && self != 0 &&
           !replicas_have(placement_replicas(place, p->range), self) &&
           !replicas_have(placement_pending(place, p->range), self);
}

/* It is back, or there is nobody to have it. */
static bool is_over(struct sim *s, const struct lost_part *p)
{
    unsigned node = s->lost.node;
    bool empty;
    if (!sim_is_up(s, node))
        return false;
    const struct schema *schema = meta_schema(node_meta(s->machines[node].node));
    return schema_table_by_no(schema, p->table) == NULL || has_left(s, node, p) ||
           is_alike(s, node, p, &empty);
}

uint32_t sim_rows_lost(struct sim *s)
{
    struct lost *l = &s->lost;
    for (size_t i = 0; i < l->count;) {
        if (is_over(s, &l->parts[i])) {
            mem_free(l->parts[i].key);
            l->parts[i] = l->parts[--l->count];
        } else {
            i++;
        }
    }
    l->node = l->count > 0 ? l->node : 0;
    return (uint32_t)l->count;
}

bool rows_are_lost(const struct sim *s, unsigned node, table_no table, struct bytes key)
{
    const struct lost *l = &s->lost;
    bool has = false;
    for (size_t i = 0; i < l->count && l->node == node && !has; i++)
        has = l->parts[i].table == table && bytes_equal(key_of(&l->parts[i]), key);
    return has;
}

/* Who takes a range over, or rebuilds it, has asked the one that has lost rows, and not yet the
 * others. It answers nobody before it has. */
bool rows_may_lack(const struct sim *s, unsigned node, keyspace_no keyspace, range_no range)
{
    struct node *n = s->machines[node].node;
    if (!s->lost.any || n == NULL)
        return false;
    const struct placement *place = cluster_placement(node_cluster(n), keyspace);
    return place == NULL || range >= place->ranges ||
           !replicas_have(placement_replicas(place, range), meta_self(node_meta(n))) ||
           engine_serving_error(node_engine(n), keyspace, range) != ERR_OK;
}

void rows_lost_disk(struct sim *s, unsigned node)
{
    struct lost *l = &s->lost;
    if (l->node != node)
        return;
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->parts[i].key);
    l->count = 0;
    l->node = 0;
}

void rows_lost_close(struct sim *s)
{
    rows_lost_disk(s, s->lost.node);
    mem_free(s->lost.parts);
}
