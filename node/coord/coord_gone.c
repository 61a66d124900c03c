/* Hints that are lost (hints_gone.c): who has their ranges compares them by trees.
 *
 * What was acked, as a hint, may be on some replicas all the same, and on some not. So of each lost
 * hint somebody who has its range is told, and has that on his disk, before it is forgotten here.
 * Who heals does the telling (heal_host.h); he is asked each second until he says that it is done.
 */
#include "node/coord/coord_core.h"

#include "base/omap.h"

#define LOOKED_AT 4096u /* of them in a second */

/* The keyspace of a table. False: there is none, or none is known yet. */
static bool keyspace_of(struct coord *c, table_no table, keyspace_no *ret)
{
    struct arena arena = {0};
    bool found = false;
    for (keyspace_no at = 0; !found && cluster_next_keyspace(c->cluster, at, &at); at++) {
        const table_no *tables;
        size_t count = cluster_tables_of(c->cluster, at, &arena, &tables);
        for (size_t i = 0; i < count && !found; i++)
            found = tables[i] == table;
        *ret = at;
    }
    arena_close(&arena);
    return found;
}

/* Many are of one range: each is asked about once. */
static bool is_told(struct coord *c, keyspace_no keyspace, range_no range, node_no target,
                    struct omap *asked)
{
    uint8_t room[12];
    struct bytes known;
    store_u32(room, target);
    store_u32(room + 4, keyspace);
    store_u32(room + 8, range);
    if (omap_get(asked, bytes_make(room, sizeof room), &known))
        return known.data[0] != 0;
    uint8_t told = c->heal_host.lost == NULL ||
                   c->heal_host.lost(c->heal_host.arg, c->now, keyspace, range, target);
    omap_put(asked, bytes_make(room, sizeof room), bytes_make(&told, 1));
    return told != 0;
}

static bool look_at(struct coord *c, const struct hint_gone *g, struct omap *asked)
{
    keyspace_no keyspace = 0;
    const struct placement *p;
    if (cluster_table_is_gone(c->cluster, g->table))
        return true;
    if (!keyspace_of(c, g->table, &keyspace) ||
        (p = cluster_placement(c->cluster, keyspace)) == NULL)
        return false;
    return is_told(c, keyspace, ring_range_of(g->token, p->ranges), g->target, asked);
}

void hint_tell_gone(struct coord *c, struct now now)
{
    struct hints *h = &c->hints;
    keyspace_no keyspace = 0;
    struct omap asked;
    if (!hints_has_gone(h) || c->self.node == 0 ||
        !cluster_next_keyspace(c->cluster, keyspace, &keyspace))
        return;
    c->now = now;
    hints_lost_at(h, now.wall);
    omap_init(&asked);
    size_t at = h->gone_from, all = h->gone_count < LOOKED_AT ? h->gone_count : LOOKED_AT;
    for (size_t looked = 0; looked < all; looked++) {
        at = at < h->gone_count ? at : 0;
        if (look_at(c, &h->gone[at], &asked))
            hints_gone_told(h, at);
        else
            at++;
    }
    h->gone_from = at;
    omap_close(&asked);
    if (h->gone_unknown &&
        (c->heal_host.lost == NULL || c->heal_host.lost(c->heal_host.arg, now, 0, 0, 0)))
        hints_unknown_told(h);
}

bool coord_hints_untold(const struct coord *c)
{
    return hints_has_gone(&c->hints);
}

size_t coord_hints_lost(struct coord *c, struct arena *arena, struct coord_hints_lost **ret)
{
    const struct hints *h = &c->hints;
    size_t count = map_count(&h->lost);
    struct coord_hints_lost *out = arena_array(arena, struct coord_hints_lost, count + 1);
    uint64_t *targets = map_keys(&h->lost);
    for (size_t i = 0; i < count; i++) {
        const struct hint_lost *l = map_get(&h->lost, targets[i]);
        out[i] = (struct coord_hints_lost){l->target, l->count, l->at, hints_untold(h, l->target)};
    }
    mem_free(targets);
    *ret = out;
    return count;
}
