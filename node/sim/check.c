/* Replicas side by side: what each of a range's replicas has, clock and bytes. */
#include "node/schema/schema.h"
#include "node/sim/core.h"
#include "ring/token.h"

static bool differ(struct errmsg *why, const char *what, const char *where, unsigned a, unsigned b)
{
    (void)errmsg_set(why, ERR_FAILED, "%s of %s differ between nodes %u and %u", what, where, a, b);
    return false;
}

static unsigned machine_with(const struct sim *s, node_no node)
{
    for (unsigned i = 1; i <= s->count; i++) {
        if (meta_self(node_meta(s->machines[i].node)) == node)
            return i;
    }
    return 0;
}

/* All rows of the table in the range, tombstones and dots included, as bytes. */
static bool read_range(struct sim *s, unsigned node, table_no table, range_no range,
                       struct buf *out)
{
    uint32_t ranges = s->config.ring_ranges;
    struct scan scan = {.table = table,
                        .after_token = range == 0 ? INT64_MIN : ring_range_left(range, ranges),
                        .upto_token = ring_range_right(range, ranges),
                        .want_static = true,
                        .bytes_max = 1u << 30,
                        .now_s = 0};
    struct scan_result result;
    arena_reset(&s->scratch);
    if (engine_scan(node_engine(s->machines[node].node), &scan, &s->scratch, &result) != ERR_OK)
        return false;
    for (size_t i = 0; i < result.parts_count; i++)
        part_encode(&result.parts[i], out);
    return !result.more && !out->failed;
}

static bool clocks_equal(struct sim *s, const struct keyspace *k, range_no range, unsigned a,
                         unsigned b, struct errmsg *why)
{
    struct engine *ea = node_engine(s->machines[a].node);
    struct engine *eb = node_engine(s->machines[b].node);
    return clock_equal(engine_clock(ea, k->no, range), engine_clock(eb, k->no, range)) ||
           differ(why, "clocks", k->name, a, b);
}

static bool ranges_equal(struct sim *s, const struct keyspace *k, range_no range, unsigned a,
                         unsigned b, struct errmsg *why)
{
    bool same = clocks_equal(s, k, range, a, b, why);
    if (!same)
        return false;
    for (uint32_t i = 0; i < k->table_count && same; i++) {
        struct buf bytes[2];
        buf_init(&bytes[0], BUF_MAX_DEFAULT);
        buf_init(&bytes[1], BUF_MAX_DEFAULT);
        same = read_range(s, a, k->tables[i]->no, range, &bytes[0]) &&
               read_range(s, b, k->tables[i]->no, range, &bytes[1]) &&
               bytes_equal(buf_bytes(&bytes[0]), buf_bytes(&bytes[1]));
        buf_close(&bytes[0]);
        buf_close(&bytes[1]);
        if (!same)
            return differ(why, "rows", k->tables[i]->name, a, b);
    }
    return true;
}

typedef bool equal_ranges(struct sim *s, const struct keyspace *k, range_no range, unsigned a,
                          unsigned b, struct errmsg *why);

static bool keyspace_equal(struct sim *s, const struct keyspace *k, equal_ranges *equal,
                           struct errmsg *why)
{
    const struct placement *p = cluster_placement(node_cluster(s->machines[1].node), k->no);
    for (range_no range = 0; p != NULL && range < p->ranges; range++) {
        struct replicas replicas = placement_replicas(p, range);
        for (uint32_t i = 1; i < replicas.count; i++) {
            unsigned a = machine_with(s, replicas.node[0]);
            unsigned b = machine_with(s, replicas.node[i]);
            if (a == 0 || b == 0 || !equal(s, k, range, a, b, why))
                return false;
        }
    }
    return true;
}

static bool metadata_equal(struct sim *s, struct errmsg *why)
{
    struct buf first, other;
    bool same = true;
    buf_init(&first, BUF_MAX_DEFAULT);
    buf_init(&other, BUF_MAX_DEFAULT);
    meta_snapshot(node_meta(s->machines[1].node), &first);
    for (unsigned i = 2; i <= s->count && same; i++) {
        buf_clear(&other);
        meta_snapshot(node_meta(s->machines[i].node), &other);
        if (!bytes_equal(buf_bytes(&first), buf_bytes(&other)))
            same = differ(why, "states", "the metadata log", 1, i);
    }
    buf_close(&first);
    buf_close(&other);
    return same;
}

static bool all_equal(struct sim *s, equal_ranges *equal, struct errmsg *ret_why)
{
    for (unsigned i = 1; i <= s->count; i++) {
        if (sim_is_ready(s, i))
            continue;
        (void)errmsg_set(ret_why, ERR_UNAVAILABLE, "node %u is not ready", i);
        return false;
    }
    if (!metadata_equal(s, ret_why))
        return false;
    const struct topology *t = meta_topology(node_meta(s->machines[1].node));
    if (topology_is_moving(t)) {
        (void)errmsg_set(ret_why, ERR_UNAVAILABLE, "ranges are still moving");
        return false;
    }
    const struct schema *schema = meta_schema(node_meta(s->machines[1].node));
    for (uint32_t i = 0; i < schema->keyspace_count; i++) {
        const struct keyspace *k = schema->keyspaces[i];
        if (!keyspace_is_local(k->name) && !keyspace_equal(s, k, equal, ret_why))
            return false;
    }
    return true;
}

bool sim_replicas_equal(struct sim *s, struct errmsg *ret_why)
{
    return all_equal(s, ranges_equal, ret_why);
}

bool sim_clocks_equal(struct sim *s, struct errmsg *ret_why)
{
    return all_equal(s, clocks_equal, ret_why);
}

static bool sees(struct sim *s, unsigned a, unsigned b)
{
    node_no number = meta_self(node_meta(s->machines[b].node));
    struct cluster *c = node_cluster(s->machines[a].node);
    return a == b || cluster_is_alive(c, number);
}

bool sim_see_each_other(struct sim *s, struct errmsg *ret_why)
{
    for (unsigned a = 1; a <= s->count; a++) {
        for (unsigned b = 1; b <= s->count; b++) {
            if (s->machines[a].node == NULL || s->machines[b].node == NULL)
                continue;
            if (sim_is_ready(s, a) && sees(s, a, b))
                continue;
            (void)errmsg_set(ret_why, ERR_UNAVAILABLE, "node %u is not ready, or holds %u for dead",
                             a, b);
            return false;
        }
    }
    return true;
}
