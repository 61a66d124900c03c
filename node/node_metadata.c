/* What people ask of the metadata log: who votes, and how far it is. */
#include "node/node_core.h"

#include <jansson.h>
#include <stdlib.h>

static void put_text(json_t *to, const char *name, const char *text)
{
    json_object_set_new(to, name, json_string(text));
}

static json_t *voter_json(struct node *n, const struct topology_node *t)
{
    char text[UUID_TEXT_SIZE + ENDPOINT_TEXT_SIZE];
    bool self = t->node == meta_self(n->meta);
    uint64_t epoch = self ? meta_epoch(n->meta) : meta_applied_by(n->meta, t->node);
    json_t *j = json_object();
    json_object_set_new(j, "node", json_integer(t->node));
    put_text(j, "host_id", uuid_text(&t->info.host_id, text));
    put_text(j, "address", endpoint_text(&t->info.endpoint, text));
    put_text(j, "dc", t->info.dc);
    put_text(j, "rack", t->info.rack);
    put_text(j, "state", node_state_text(t->state));
    json_object_set_new(j, "up", json_boolean(self || cluster_is_alive(n->cluster, t->node)));
    json_object_set_new(j, "member",
                        json_boolean(topology_is_member(meta_topology(n->meta), t->node)));
    json_object_set_new(j, "away", json_boolean(t->away));
    json_object_set_new(j, "epoch", json_integer((json_int_t)epoch));
    return j;
}

void node_metadata_json(struct node *n, struct buf *out)
{
    const struct topology *t = meta_topology(n->meta);
    json_t *j = json_object();
    json_t *nodes = json_array();
    uint32_t up = 0;
    for (uint32_t i = 0; i < t->members_count; i++)
        up += t->members[i] == meta_self(n->meta) || cluster_is_alive(n->cluster, t->members[i]);
    for (size_t i = 0; i < t->count; i++) {
        if (t->nodes[i].state != NODE_LEFT)
            json_array_append_new(nodes, voter_json(n, &t->nodes[i]));
    }
    put_text(j, "cluster", n->config.cluster_name);
    json_object_set_new(j, "node", json_integer(meta_self(n->meta)));
    json_object_set_new(j, "epoch", json_integer((json_int_t)t->epoch));
    json_object_set_new(j, "generation", json_integer(0));
    json_object_set_new(j, "majority", json_boolean(up * 2 > t->members_count));
    json_object_set_new(j, "nodes", nodes);
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL)
        buf_put_text(out, text);
    buf_put_text(out, "\n");
    free(text);
    json_decref(j);
}
