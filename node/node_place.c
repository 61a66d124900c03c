/* node_place.c - what a node must know of itself when its disk cannot say it any more.
 *
 * Should the store be lost, two things decide what becomes of the node: whether it was the only
 * replica of anything (then what is left of the disk is all there is, and it is for a person to
 * decide), and who else is in the cluster. The shell keeps them beside the store (net/kept.h), a
 * line each:
 *
 *   only KEYSPACE     there are ranges with data here that have no other replica
 *   member ADDRESS    another node
 *
 * Looked at when the metadata changes and each PLACE_EVERY: rows may come to a range of which this
 * is the only replica, so for so long the first of them are not known of. */
#include "node/node_core.h"

#define PLACE_EVERY (5 * USEC_PER_SEC)

/* Of a range with data there is no other replica; nor will there be one, as far as it is here. */
static bool is_only(struct node *n, keyspace_no keyspace)
{
    const struct placement *p = cluster_placement(n->cluster, keyspace);
    range_no range = 0;
    bool only = false;
    while (!only && p != NULL && engine_next_range(n->engine, keyspace, range, &range) &&
           range < p->ranges) {
        struct replicas r = placement_replicas(p, range++);
        only = r.count == 1 && r.node[0] == cluster_self(n->cluster);
    }
    return only;
}

static void put_line(struct buf *out, const char *what, const char *text)
{
    buf_put_text(out, what);
    buf_put_text(out, text);
    buf_put_u8(out, '\n');
}

void node_place_look(struct node *n)
{
    const struct topology *t = meta_topology(n->meta);
    struct buf out;
    if (n->now.mono < n->place_next || cluster_self(n->cluster) == 0 || n->schema == NULL)
        return;
    n->place_next = n->now.mono + PLACE_EVERY;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (uint32_t i = 0; i < n->schema->keyspace_count; i++) {
        const struct keyspace *k = n->schema->keyspaces[i];
        if (k->no < SCHEMA_SYSTEM_NO && is_only(n, k->no))
            put_line(&out, "only ", k->name);
    }
    for (size_t i = 0; i < t->count; i++) {
        char text[ENDPOINT_TEXT_SIZE];
        if (t->nodes[i].node != meta_self(n->meta) && t->nodes[i].state != NODE_LEFT)
            put_line(&out, "member ", endpoint_text(&t->nodes[i].info.endpoint, text));
    }
    if (buf_finish(&out) == ERR_OK && !bytes_equal(buf_bytes(&out), buf_bytes(&n->place))) {
        buf_clear(&n->place);
        buf_put_bytes(&n->place, buf_bytes(&out));
        node_append(n, NODE_PLACE)->bytes = arena_copy(&n->arena, buf_bytes(&out));
    }
    buf_close(&out);
}
