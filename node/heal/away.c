/* What waits in the range logs for replicas that are away.
 *
 *   nothing known --lost--> LOST --tells a clock--> BACK --has what we had then--> nothing
 *         |                   ^                       | ^
 *         |                   +---------lost----------+ |
 *         +---its first clock since then, or our start--+   what was new meanwhile, or we were away
 *
 * A replica that is lost had about what we had then: what came since waits for it. (It may lack a
 * little of before, or have a little more: what was on its way.) When it is back it tells what it
 * has by now, each second; what is written from then on goes to it as to all others, and is not
 * waited for: clocks are never equal where somebody writes all the time. In memory only: after a
 * restart all that the log has may be waiting, until it has told its clocks. Asked for by people,
 * so the sums are made when they ask. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

#define AWAY_MAX 65536u

struct away {
    struct clock clock; /* ours when the peer was lost, with what it told since */
    bool back;
    struct clock due; /* ours when it told its first clock; then it is to have that */
    int64_t since_s;
};

struct away_key {
    uint8_t room[12];
};

/* By peer, keyspace and range. */
static struct bytes away_key(node_no peer, keyspace_no keyspace, range_no range,
                             struct away_key *key)
{
    store_u32(key->room, peer);
    store_u32(key->room + 4, keyspace);
    store_u32(key->room + 8, range);
    return bytes_make(key->room, sizeof key->room);
}

static struct away *value_of(const struct omap_node *n)
{
    struct away *a = NULL;
    if (n != NULL)
        memcpy(&a, omap_value(n).data, sizeof a);
    return a;
}

static void drop(struct heal *h, struct omap_node *n)
{
    struct away *a = value_of(n);
    clock_close(&a->clock);
    clock_close(&a->due);
    mem_free(a);
    omap_remove_node(&h->away, n);
}

void away_free(struct heal *h)
{
    while (omap_first(&h->away) != NULL)
        drop(h, omap_first(&h->away));
    omap_close(&h->away);
}

static bool shared(struct heal *h, keyspace_no keyspace, range_no range, node_no peer)
{
    return cluster_is_replica(h->cluster, keyspace, range, peer) &&
           cluster_is_replica(h->cluster, keyspace, range, cluster_self(h->cluster));
}

/* NULL: there are too many. */
static struct away *add(struct heal *h, struct now now, struct bytes key, const struct clock *has)
{
    if (omap_count(&h->away) >= AWAY_MAX)
        return NULL;
    struct away *a = mem_new(struct away);
    clock_init(&a->clock);
    clock_init(&a->due);
    clock_copy(&a->clock, has);
    a->since_s = now.wall / USEC_PER_SEC;
    omap_put(&h->away, key, bytes_make(&a, sizeof a));
    return a;
}

/* What it lacked when it was lost before counts, if it has not got it since. */
void away_lost(struct heal *h, struct now now, node_no peer)
{
    struct away_key room;
    keyspace_no keyspace = 0;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
        range_no range = 0;
        for (; engine_next_range(h->engine, keyspace, range, &range); range++) {
            struct bytes key = away_key(peer, keyspace, range, &room);
            struct away *a = value_of(omap_find(&h->away, key));
            if (a != NULL)
                a->back = false;
            if (a == NULL && shared(h, keyspace, range, peer))
                (void)add(h, now, key, engine_clock(h->engine, keyspace, range));
        }
    }
}

void away_told(struct heal *h, struct now now, node_no peer, keyspace_no keyspace, range_no range,
               const struct clock *has, bool first)
{
    struct away_key room;
    struct bytes key = away_key(peer, keyspace, range, &room);
    struct away *a = value_of(omap_find(&h->away, key));
    const struct clock *ours = engine_clock(h->engine, keyspace, range);
    if (a == NULL && first && !clock_covers(has, ours))
        a = add(h, now, key, has);
    if (a == NULL || MUTANT(away_till_equal))
        return;
    if (!a->back)
        clock_copy(&a->due, ours);
    a->back = true;
    clock_merge(&a->clock, has);
    if (clock_covers(&a->clock, &a->due))
        drop(h, omap_find(&h->away, key));
}

void away_equal(struct heal *h, node_no peer, keyspace_no keyspace)
{
    struct away_key room;
    struct bytes from = away_key(peer, keyspace, 0, &room);
    struct omap_node *n = omap_seek(&h->away, from);
    while (n != NULL && memcmp(omap_key(n).data, room.room, 8) == 0) {
        struct omap_node *next = omap_next(n);
        drop(h, n);
        n = next;
    }
}

/* --- telling */

struct telling {
    struct heal *h;
    struct arena *arena;
    struct heal_waiting *items;
    size_t count, cap;
};

static void tell(struct telling *t, node_no peer, keyspace_no keyspace, range_no range)
{
    struct heal *h = t->h;
    struct away_key room;
    const struct away *a = value_of(omap_find(&h->away, away_key(peer, keyspace, range, &room)));
    const struct mark *m = marks_find(h, keyspace, range, peer);
    const struct clock *floor = engine_log_floor(h->engine, keyspace, range);
    bool alive = cluster_is_alive(h->cluster, peer);
    struct heal_waiting w = {.peer = peer, .keyspace = keyspace, .range = range, .alive = alive};
    struct log_figures f;
    struct clock since, gone;
    clock_init(&since);
    clock_init(&gone);
    engine_log_figures(h->engine, keyspace, range, &f);
    w.marked = m != NULL ? m->why : 0;
    w.marked_since_s = m != NULL ? m->since_s : 0;
    if (a != NULL) {
        clock_missing(a->back ? &a->due : engine_clock(h->engine, keyspace, range), &a->clock,
                      &since);
        clock_common(&since, floor, &gone);
        w.cut = clock_count(&gone);
        w.dots = clock_count(&since) - w.cut;
        w.since_s = a->since_s;
    } else if (!alive) { /* since before our start */
        w.dots = f.dots;
        w.since_s = f.since_s;
        w.at_most = true;
    }
    if (f.dots > 0)
        w.bytes = (uint64_t)((double)f.bytes * (double)w.dots / (double)f.dots);
    if ((w.dots > 0 || w.cut > 0 || w.marked != 0) && t->count < HEAL_WAITING_MAX) {
        t->items = arena_grow(t->arena, t->items, t->count, &t->cap, sizeof w);
        t->items[t->count++] = w;
    }
    clock_close(&since);
    clock_close(&gone);
}

size_t heal_waiting(struct heal *h, struct arena *arena, const struct heal_waiting **ret)
{
    struct telling t = {.h = h, .arena = arena};
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    for (size_t i = 0; i < count; i++) {
        keyspace_no keyspace = 0;
        if (nodes[i].node == cluster_self(h->cluster))
            continue;
        for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
            range_no range = 0;
            for (; engine_next_range(h->engine, keyspace, range, &range); range++) {
                if (shared(h, keyspace, range, nodes[i].node))
                    tell(&t, nodes[i].node, keyspace, range);
            }
        }
    }
    *ret = t.items;
    return t.count;
}
