#include "ring/walk.h"

uint32_t walk_replicas(struct walk *w, range_no range, uint32_t rf, uint16_t *ret_nodes,
                       range_no *ret_met)
{
    uint32_t want = rf < w->nodes ? rf : w->nodes;
    uint32_t repeats = rf > w->racks ? rf - w->racks : 0;
    uint32_t count = 0;
    uint32_t stamp = ++w->stamp;
    range_no at = range;
    for (uint32_t step = 0; step < w->ranges && count < want; step++) {
        uint16_t n = w->row[at];
        uint16_t rack = w->rack[n];
        if (w->node_seen[n] != stamp && (w->rack_seen[rack] != stamp || repeats > 0)) {
            repeats -= w->rack_seen[rack] == stamp;
            w->rack_seen[rack] = stamp;
            w->node_seen[n] = stamp;
            if (ret_met != NULL)
                ret_met[count] = at;
            ret_nodes[count++] = n;
        }
        at = at + 1 < w->ranges ? at + 1 : 0;
    }
    return count;
}
