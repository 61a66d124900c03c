/* Healing in the node: its key, and what it tells people. */
#include "node/coord/heal_host.h"
#include "node/node_client.h"

#include <inttypes.h>
#include <stdio.h>

/* What storage keeps for healing. The key is the same on all nodes of a cluster. */
void healing_storage(const struct node_config *c, struct engine_config *ret)
{
    static const struct siphash_key first = {{1}}, second = {{2}};
    bool own = c->tree_key != NULL && c->tree_key[0] != 0;
    struct bytes text = bytes_text(own ? c->tree_key : c->cluster_name);
    store_u64(ret->tree_key.b, siphash(&first, text));
    store_u64(ret->tree_key.b + 8, siphash(&second, text));
    ret->log_tails_max = c->log_tails_max;
    ret->tree_width = c->tree_width;
    ret->tree_bytes_max = c->tree_bytes_max;
}

/* --- what coordination asks */

static uint64_t hints_rate(void *arg, struct now now)
{
    struct node *n = arg;
    return heal_hints_rate(n->heal, now);
}

static void hints_go(void *arg, struct now now, node_no to)
{
    struct node *n = arg;
    heal_hints_go(n->heal, now, to);
}

static void hints_refused(void *arg, struct now now, keyspace_no keyspace, range_no range,
                          node_no target)
{
    struct node *n = arg;
    heal_hint_refused(n->heal, now, keyspace, range, target);
}

static bool hints_lost(void *arg, struct now now, keyspace_no keyspace, range_no range,
                       node_no target)
{
    struct node *n = arg;
    return heal_hint_lost(n->heal, now, keyspace, range, target);
}

static bool is_behind(void *arg, keyspace_no keyspace, range_no range, node_no node)
{
    const struct node *n = arg;
    return heal_is_behind(n->heal, keyspace, range, node);
}

void healing_host(struct node *n)
{
    const struct heal_host host = {n, hints_rate, hints_go, hints_refused, hints_lost, is_behind};
    coord_heal_host(n->coord, &host);
}

void healing_free(struct node *n)
{
    repair_free(n->repair);
    omap_close(&n->found);
    heal_free(n->heal);
}

/* --- what is told */

/* Sessions by trees mend it; that there was anything to mend is for people. */
static void report_rows(struct node *n, const struct heal_effect *e)
{
    char key[2 * 32 + 1] = "";
    for (size_t i = 0; i < e->doubtful.key.len && i < 32; i++)
        snprintf(key + 2 * i, 3, "%02x", e->doubtful.key.data[i]);
    node_log(n, true,
             "%" PRIu64 " rows of range %u that clocks say are alike were other than those of node "
             "%u -> %s; damage, or a defect of ours (first: table %u, partition key 0x%s)",
             e->doubtful.rows, (unsigned)e->doubtful.range, (unsigned)e->doubtful.peer,
             e->doubtful.replaced ? "replaced by what most replicas have, and kept in "
                                    "system_views.repair_differences"
                                  : "joined",
             (unsigned)e->doubtful.table, key);
}

static void report_leaf(struct node *n, const struct heal_effect *e)
{
    char key[2 * 32 + 1] = "";
    for (size_t i = 0; i < e->leaf_wrong.key.len && i < 32; i++)
        snprintf(key + 2 * i, 3, "%02x", e->leaf_wrong.key.data[i]);
    node_log(n, true,
             "something among %" PRIu64 " rows of table %u, range %u, has changed on this disk and "
             "nobody wrote it -> comparing with the other replicas (from place 0x%s)",
             e->leaf_wrong.rows, (unsigned)e->leaf_wrong.table, (unsigned)e->leaf_wrong.range, key);
}

void report_different(struct node *n, const struct heal_effect *e)
{
    if (e->type == HEAL_DOUBTFUL)
        report_rows(n, e);
    else if (e->type == HEAL_LEAF_WRONG)
        report_leaf(n, e);
    else
        report_range_damage(n, e);
}

/* --- system_views.repair_differences */

/* As text where it is one, else in hexadecimal. */
static const char *key_text(struct arena *arena, struct bytes key)
{
    bool plain = key.len > 0;
    for (size_t i = 0; i < key.len; i++)
        plain = plain && key.data[i] >= ' ' && key.data[i] <= '~';
    if (plain)
        return arena_text(arena, key);
    char *out = arena_alloc(arena, 2 * key.len + 3);
    out[0] = '0';
    out[1] = 'x';
    out[2] = 0;
    for (size_t i = 0; i < key.len; i++)
        snprintf(out + 2 + 2 * i, 3, "%02x", key.data[i]);
    return out;
}

void differences_fill(struct node *n, struct exec_rows *out, struct arena *arena)
{
    const struct heal_difference *list;
    size_t count = heal_differences(n->heal, arena, &list);
    for (size_t i = 0; i < count && n->schema != NULL; i++) {
        const struct heal_difference *d = &list[i];
        const struct keyspace *k = schema_keyspace_by_no(n->schema, d->keyspace);
        const struct table *t = schema_table_by_no(n->schema, d->table);
        exec_row(out);
        exec_put_text(out, "keyspace_name", k != NULL ? k->name : "?");
        exec_put_bigint(out, "number", (int64_t)d->number);
        exec_put_text(out, "table_name", t != NULL ? t->name : "?");
        exec_put_text(out, "partition_key", key_text(arena, d->key));
        exec_put_text(out, "row_key", d->is_row ? key_text(arena, d->row) : NULL);
        exec_put_int(out, "range", (int32_t)d->range);
        exec_put_int(out, "node", (int32_t)meta_self(n->meta));
        exec_put_int(out, "found_with", (int32_t)d->peer);
        exec_put_bigint(out, "at", d->at_s * 1000);
        exec_put_text(out, "had", d->had);
        exec_put_text(out, "won", d->won);
    }
}
