/* lost_hints.c - of hints that somebody has lost, who has their ranges knows, durably.
 *
 *   nothing --heal_hint_lost--> UNTOLD --an owner lives: HINT_LOST--> TOLD --HINT_MARKED--> MARKED
 *                                  ^      no answer for TELL_AGAIN      |                      |
 *                                  +------------------------------------+    heal_hint_lost: true
 *
 * A hint that was acked is lost with a part of a disk (node/coord/hints_gone.c). The write may be
 * at some owners all the same, and no log tells of it at the others. So a living owner marks the
 * range (MARK_LOST) with the target, and says so when the mark is durable; a session follows as
 * soon as the target lives. Who has lost it keeps that on its disk until then, so here all is in
 * memory.
 *
 * Of hints of which nothing is known, target 0, every node is told: it marks each of its ranges
 * with each other replica. */
#include "node/heal/heal_core.h"

#include <string.h>

#define TELL_AGAIN (10 * USEC_PER_SEC)
#define TELLS_MAX  256u /* messages in one tick */
#define LOST_MAX   65536u
#define ACKS_MAX   4096u

struct telling {
    usec told; /* mono; 0: to nobody */
    bool marked;
};

struct lost_name {
    uint8_t room[12];
};

static struct bytes name_of(keyspace_no keyspace, range_no range, node_no target,
                            struct lost_name *name)
{
    store_u32(name->room, target);
    store_u32(name->room + 4, keyspace);
    store_u32(name->room + 8, range);
    return bytes_make(name->room, sizeof name->room);
}

static struct telling value_of(const struct omap_node *n)
{
    struct telling t;
    memcpy(&t, omap_value(n).data, sizeof t);
    return t;
}

static void put(struct heal *h, struct bytes key, struct telling t)
{
    omap_put(&h->lost_hints, key, bytes_make(&t, sizeof t));
}

/* Somebody is to mark it; has he? */
static bool is_marked(struct heal *h, keyspace_no keyspace, range_no range, node_no target)
{
    struct lost_name name;
    struct bytes key = name_of(keyspace, range, target, &name);
    const struct omap_node *n = omap_find(&h->lost_hints, key);
    if (n == NULL && omap_count(&h->lost_hints) < LOST_MAX)
        put(h, key, (struct telling){0});
    return n != NULL && value_of(n).marked;
}

static void forget(struct heal *h, keyspace_no keyspace, range_no range, node_no target)
{
    struct lost_name name;
    omap_remove(&h->lost_hints, name_of(keyspace, range, target, &name));
}

static bool is_owner(struct heal *h, keyspace_no keyspace, range_no range, node_no node)
{
    return cluster_is_replica(h->cluster, keyspace, range, node);
}

static bool has_other_owner(struct heal *h, keyspace_no keyspace, range_no range, node_no target)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    bool found = false;
    for (size_t i = 0; i < count; i++)
        found = found || (nodes[i].node != target && is_owner(h, keyspace, range, nodes[i].node));
    return found;
}

/* All other nodes have marked all that they have. */
static bool all_are_marked(struct heal *h, struct now now)
{
    const struct cluster_node *nodes;
    node_no self = cluster_self(h->cluster);
    size_t count = cluster_nodes(h->cluster, &nodes);
    bool all = true;
    if (!h->lost_marked)
        marks_set_all(h, now, MARK_LOST);
    h->lost_marked = true;
    for (size_t i = 0; i < count; i++)
        all &= nodes[i].node == self || is_marked(h, 0, nodes[i].node, 0);
    for (size_t i = 0; i < count && all; i++)
        forget(h, 0, nodes[i].node, 0);
    h->lost_marked = !all;
    return all;
}

bool heal_hint_lost(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                    node_no target)
{
    node_no self = cluster_self(h->cluster);
    if (target == 0)
        return all_are_marked(h, now);
    bool told =
        !is_owner(h, keyspace, range, target) || !has_other_owner(h, keyspace, range, target);
    if (!told && is_owner(h, keyspace, range, self))
        told = marks_set(h, now, keyspace, range, target == self ? 0 : target, MARK_LOST, NULL);
    if (!told)
        told = is_marked(h, keyspace, range, target);
    if (told)
        forget(h, keyspace, range, target);
    return told;
}

/* --- telling */

static bool is_to_be_told(struct heal *h, const struct cluster_node *node, keyspace_no keyspace,
                          range_no range, node_no target)
{
    if (!node->alive || node->node == cluster_self(h->cluster))
        return false;
    return target == 0 ? node->node == range
                       : node->node != target && is_owner(h, keyspace, range, node->node);
}

/* How many were told. */
static size_t tell(struct heal *h, keyspace_no keyspace, range_no range, node_no target)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes), told = 0;
    for (size_t i = 0; i < count; i++) {
        struct wire_message m = {.type = WIRE_HINT_LOST};
        if (!is_to_be_told(h, &nodes[i], keyspace, range, target))
            continue;
        m.hint_lost = (struct wire_hint_lost){keyspace, range, target};
        heal_send(h, nodes[i].node, &m);
        told++;
    }
    return told;
}

void lost_hints_tick(struct heal *h, struct now now)
{
    size_t sent = 0;
    for (struct omap_node *n = omap_first(&h->lost_hints); n != NULL && sent < TELLS_MAX;) {
        struct omap_node *next = omap_next(n);
        struct telling t = value_of(n);
        struct lost_name name;
        memcpy(name.room, omap_key(n).data, sizeof name.room);
        if (!t.marked && (t.told == 0 || now.mono - t.told >= TELL_AGAIN)) {
            size_t told =
                tell(h, load_u32(name.room + 4), load_u32(name.room + 8), load_u32(name.room));
            sent += told;
            t.told = told > 0 ? now.mono : t.told;
            put(h, bytes_make(name.room, sizeof name.room), t);
        }
        n = next;
    }
}

void lost_hints_marked(struct heal *h, node_no from, const struct wire_hint_marked *m)
{
    struct lost_name name;
    struct bytes key = name_of(m->keyspace, m->target == 0 ? from : m->range, m->target, &name);
    if (omap_find(&h->lost_hints, key) != NULL)
        put(h, key, (struct telling){.marked = true});
}

/* --- being told */

void lost_hints_receive(struct heal *h, struct now now, node_no from,
                        const struct wire_hint_lost *m)
{
    bool marked = m->target == 0;
    if (m->target == 0)
        marks_set_all(h, now, MARK_LOST);
    else
        marked = marks_set(h, now, m->keyspace, m->range,
                           m->target == cluster_self(h->cluster) ? 0 : m->target, MARK_LOST, NULL);
    if (!marked || h->lost_acks_count == ACKS_MAX)
        return; /* it is told again */
    uint64_t ticket = HEAL_TICKET | ++h->tickets;
    h->lost_acks =
        mem_grow(h->lost_acks, h->lost_acks_count, &h->lost_acks_cap, sizeof *h->lost_acks);
    h->lost_acks[h->lost_acks_count++] = (struct lost_ack){ticket, from, *m};
    engine_barrier(h->engine, ticket);
}

bool lost_hints_durable(struct heal *h, uint64_t ticket, enum err err)
{
    for (size_t i = 0; i < h->lost_acks_count; i++) {
        struct lost_ack *a = &h->lost_acks[i];
        struct wire_message m = {.type = WIRE_HINT_MARKED};
        if (a->ticket != ticket)
            continue;
        m.hint_marked = (struct wire_hint_marked){a->what.keyspace, a->what.range, a->what.target};
        if (err == ERR_OK)
            heal_send(h, a->to, &m);
        *a = h->lost_acks[--h->lost_acks_count];
        return true;
    }
    return false;
}

void lost_hints_free(struct heal *h)
{
    omap_close(&h->lost_hints);
    mem_free(h->lost_acks);
}
