/* What drivers that registered for events are told: what changed between two schemas, and which
 * nodes came and went. */
#include "node/cql/exec/exec.h"
#include "node/node_core.h"

#include <string.h>

static void tell_change(struct node *n, enum cql_change change, enum cql_target target,
                        const char *keyspace, const char *name)
{
    struct cql_event event = {.type = CQL_EVENT_SCHEMA_CHANGE};
    event.schema.change = change;
    event.schema.target = target;
    event.schema.keyspace = bytes_text(keyspace);
    if (name != NULL)
        event.schema.name = bytes_text(name);
    client_broadcast(n, &event);
}

static bool same_keyspace(const struct keyspace *a, const struct keyspace *b)
{
    const struct replication *x = &a->replication;
    const struct replication *y = &b->replication;
    bool same = a->durable_writes == b->durable_writes && a->sloppy_quorum == b->sloppy_quorum &&
                x->class == y->class && x->factor == y->factor && x->dc_count == y->dc_count;
    for (uint32_t i = 0; same && i < x->dc_count; i++)
        same = strcmp(x->dcs[i].dc, y->dcs[i].dc) == 0 && x->dcs[i].factor == y->dcs[i].factor;
    return same;
}

static void tell_types(struct node *n, const struct keyspace *before, const struct keyspace *after)
{
    static const struct cql_types none;
    const struct cql_types *old = before != NULL ? &before->types : &none;
    for (uint32_t i = 0; i < after->types.count; i++) {
        const struct cql_type *t = after->types.items[i];
        const struct cql_type *was = cql_types_find(old, t->name);
        if (was == NULL || !cql_type_equal(was, t))
            tell_change(n, was == NULL ? CQL_CHANGE_CREATED : CQL_CHANGE_UPDATED, CQL_TARGET_TYPE,
                        after->name, t->name);
    }
    for (uint32_t i = 0; i < old->count; i++) {
        if (cql_types_find(&after->types, old->items[i]->name) == NULL)
            tell_change(n, CQL_CHANGE_DROPPED, CQL_TARGET_TYPE, after->name, old->items[i]->name);
    }
}

static void tell_tables(struct node *n, const struct keyspace *before, const struct keyspace *after)
{
    for (uint32_t i = 0; i < after->table_count; i++) {
        const struct table *t = after->tables[i];
        const struct table *old = before != NULL ? keyspace_table(before, t->name) : NULL;
        if (old == NULL)
            tell_change(n, CQL_CHANGE_CREATED, CQL_TARGET_TABLE, t->keyspace, t->name);
        else if (old != t && !(uuid_equal(&old->id, &t->id) && old->no != t->no)) /* truncated */
            tell_change(n, CQL_CHANGE_UPDATED, CQL_TARGET_TABLE, t->keyspace, t->name);
    }
    for (uint32_t i = 0; before != NULL && i < before->table_count; i++) {
        const struct table *t = before->tables[i];
        if (keyspace_table(after, t->name) == NULL)
            tell_change(n, CQL_CHANGE_DROPPED, CQL_TARGET_TABLE, t->keyspace, t->name);
    }
}

void client_schema_changed(struct node *n, const struct schema *before, const struct schema *after)
{
    client_view_now(n);
    for (uint32_t i = 0; i < after->keyspace_count; i++) {
        const struct keyspace *k = after->keyspaces[i];
        const struct keyspace *old = schema_keyspace(before, k->name);
        if (old == k)
            continue;
        if (old == NULL)
            tell_change(n, CQL_CHANGE_CREATED, CQL_TARGET_KEYSPACE, k->name, NULL);
        else if (!same_keyspace(old, k))
            tell_change(n, CQL_CHANGE_UPDATED, CQL_TARGET_KEYSPACE, k->name, NULL);
        tell_types(n, old, k);
        tell_tables(n, old, k);
    }
    for (uint32_t i = 0; i < before->keyspace_count; i++) {
        if (schema_keyspace(after, before->keyspaces[i]->name) == NULL)
            tell_change(n, CQL_CHANGE_DROPPED, CQL_TARGET_KEYSPACE, before->keyspaces[i]->name,
                        NULL);
    }
}

static void tell_node(struct node *n, enum cql_event_type type, enum cql_node_change change,
                      const struct endpoint *cql)
{
    struct cql_event event = {.type = type};
    event.node.change = change;
    event.node.node = *cql;
    client_broadcast(n, &event);
}

void client_status_changed(struct node *n, node_no node, bool up)
{
    const struct topology_node *t = topology_find(meta_topology(n->meta), node);
    if (t != NULL)
        tell_node(n, CQL_EVENT_STATUS_CHANGE, up ? CQL_NODE_UP : CQL_NODE_DOWN, &t->info.cql);
}

void client_topology_changed(struct node *n, const struct endpoint *cql, bool added)
{
    tell_node(n, CQL_EVENT_TOPOLOGY_CHANGE, added ? CQL_NODE_NEW_NODE : CQL_NODE_REMOVED_NODE, cql);
}
