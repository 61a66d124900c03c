/* What people ask of the metadata log: who votes, and to go on without a majority that is lost;
 * and what a node does that was given up. */
#include "node/node_core.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    json_object_set_new(j, "lost", json_boolean(t->lost));
    json_object_set_new(j, "epoch", json_integer((json_int_t)epoch));
    return j;
}

static json_t *recovery_json(struct node *n)
{
    static const char *const states[] = {"none", "asking", "deciding", "done", "refused"};
    struct meta_recovery r = meta_recovery(n->meta);
    json_t *j = json_object();
    put_text(j, "state", states[r.state]);
    put_text(j, "why", r.text);
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
    json_object_set_new(j, "generation", json_integer(t->recoveries));
    json_object_set_new(j, "majority", json_boolean(up * 2 > t->members_count));
    json_object_set_new(j, "nodes", nodes);
    put_text(j, "problem", meta_problem(n->meta));
    json_object_set_new(j, "recovery", recovery_json(n));
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL)
        buf_put_text(out, text);
    buf_put_text(out, "\n");
    free(text);
    json_decref(j);
}

static enum err read_lost(const json_t *list, struct uuid *ret, size_t *ret_count,
                          struct errmsg *reterr)
{
    size_t i;
    const json_t *item;
    if (!json_is_array(list) || json_array_size(list) > META_LOST_MAX)
        return errmsg_set(reterr, ERR_INVALID, "\"lost\" is a list of up to %d host ids",
                          META_LOST_MAX);
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text == NULL || !uuid_parse(text, strlen(text), &ret[i]))
            return errmsg_set(reterr, ERR_INVALID, "%.64s is no host id; torc metadata shows them",
                              text != NULL ? text : "that");
    }
    *ret_count = i;
    return ERR_OK;
}

/* The name is asked for so that nobody gives up nodes of a cluster that he did not mean. */
static enum err recover(struct node *n, const json_t *request, struct errmsg *reterr)
{
    struct uuid lost[META_LOST_MAX];
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)request, key, value)
    {
        if (strcmp(key, "lost") != 0 && strcmp(key, "cluster") != 0)
            return errmsg_set(reterr, ERR_INVALID,
                              "\"%.64s\" is not known here: lost and cluster are", key);
    }
    const char *name = json_string_value(json_object_get(request, "cluster"));
    if (name == NULL || strcmp(name, n->config.cluster_name) != 0)
        return errmsg_set(reterr, ERR_INVALID, "\"cluster\" is not the name of this cluster");
    enum err err = read_lost(json_object_get(request, "lost"), lost, &count, reterr);
    return err == ERR_OK ? meta_recover(n->meta, lost, count, reterr) : err;
}

enum err node_metadata_recover(struct node *n, struct bytes request, struct errmsg *reterr)
{
    json_error_t error;
    json_t *j = json_loadb((const char *)request.data, request.len, JSON_REJECT_DUPLICATES, &error);
    enum err err = json_is_object(j) ? recover(n, j, reterr)
                                     : errmsg_set(reterr, ERR_MALFORMED, "that is no JSON object");
    json_decref(j);
    return err;
}

/* The cluster has gone on without us. What we have may be old, or nobody else's: no client gets any
 * of it, and no replica either. */
void metadata_retire(struct node *n)
{
    if (n->run == RUN_OUT)
        return;
    n->run = RUN_OUT;
    node_log(n, true, "%s -> serving nobody",
             meta_phase(n->meta) == META_REMOVED ? "this node was removed from the cluster"
                                                 : "the cluster has gone on without this node");
    client_close_all(n);
    struct gossip_event leave = {.type = GOSSIP_LEAVE};
    node_gossip_event(n, &leave);
}

/* An operator who reads that somebody is down wants to know that it no longer matters here. */
void metadata_applied(struct node *n)
{
    const struct topology *t = meta_topology(n->meta);
    char names[128] = "";
    size_t used = 0, size = t->members_count * sizeof t->members[0];
    if (n->voters_count == t->members_count && memcmp(n->voters, t->members, size) == 0)
        return;
    for (uint32_t i = 0; i < t->members_count; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, " %u", (unsigned)t->members[i]);
    node_log(n, false, "metadata members are now:%s", names);
    n->voters_count = t->members_count;
    memcpy(n->voters, t->members, size);
}
