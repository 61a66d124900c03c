/* Hints that were refused: their ranges are compared by trees.
 *
 *   nothing --heal_hint_refused--> noted --an owner lives: it is told--> told --target lives-->
 * nothing
 *
 * A hint that was taken is never given up, and one that was refused was acked to nobody, so nothing
 * that was promised is lost. But the write may have come to some owners all the same, and range
 * logs have bounds, too. So each living owner marks the range (MARK_REFUSED, marks.h), durably; a
 * session follows as soon as the target lives. In memory here: what is forgotten by a restart was
 * acked to nobody. While the target is away an owner is told once. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

#define REFUSED_RANGES_MAX 65536u /* more are not noted */

struct refused_name {
    uint8_t room[12];
};

void heal_hint_refused(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                       node_no target)
{
    struct refused_name name;
    bool told = false;
    store_u32(name.room, target);
    store_u32(name.room + 4, keyspace);
    store_u32(name.room + 8, range);
    struct bytes key = bytes_make(name.room, sizeof name.room);
    if (omap_find(&h->refused, key) != NULL || omap_count(&h->refused) >= REFUSED_RANGES_MAX)
        return;
    omap_put(&h->refused, key, bytes_make(&told, sizeof told));
    h->stats.refused++;
    (void)now;
}

static bool is_owner(struct heal *h, keyspace_no keyspace, range_no range, node_no node)
{
    return cluster_is_replica(h->cluster, keyspace, range, node);
}

/* Whether any owner that lives knows of it. */
static bool tell(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                 node_no target)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    bool told = false;
    for (size_t i = 0; i < count; i++) {
        struct wire_message m = {.type = WIRE_HINT_REFUSED};
        if (nodes[i].node == target || !is_owner(h, keyspace, range, nodes[i].node))
            continue;
        if (nodes[i].node == cluster_self(h->cluster)) {
            told |= marks_set(h, now, keyspace, range, target, MARK_REFUSED, NULL);
        } else if (nodes[i].alive) {
            m.hint_refused = (struct wire_hint_refused){keyspace, range, target};
            heal_send(h, nodes[i].node, &m);
            told = true;
        }
    }
    return told;
}

void refused_tick(struct heal *h, struct now now)
{
    struct omap_node *n = MUTANT(refusal_unmarked) ? NULL : omap_first(&h->refused);
    while (n != NULL) {
        struct omap_node *next = omap_next(n);
        struct bytes key = omap_key(n);
        node_no target = load_u32(key.data);
        keyspace_no keyspace = load_u32(key.data + 4);
        range_no range = load_u32(key.data + 8);
        bool told = omap_value(n).data[0] != 0;
        if (!is_owner(h, keyspace, range, target) ||
            (told && cluster_is_alive(h->cluster, target))) {
            omap_remove_node(&h->refused, n);
        } else if (!told && tell(h, now, keyspace, range, target)) {
            uint8_t room[12];
            memcpy(room, key.data, sizeof room);
            told = true;
            omap_put(&h->refused, bytes_make(room, sizeof room), bytes_make(&told, sizeof told));
        }
        n = next;
    }
}

void refused_receive(struct heal *h, struct now now, const struct wire_hint_refused *m)
{
    (void)marks_set(h, now, m->keyspace, m->range, m->target, MARK_REFUSED, NULL);
}
