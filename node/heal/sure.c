/* Compared with all others before it counts as whole: see sure.h. */
#include "node/heal/sure.h"

#include "node/heal/compare.h"

#include "base/mutant.h"

static bool is_rebuilding(struct heal *h, keyspace_no keyspace, range_no range)
{
    return engine_range_error(h->engine, keyspace, range) == ERR_OK &&
           engine_serving_error(h->engine, keyspace, range) != ERR_OK;
}

static bool is_taking(struct heal *h, keyspace_no keyspace, range_no range)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    node_no self = cluster_self(h->cluster);
    return p != NULL && range < p->ranges && replicas_have(placement_pending(p, range), self) &&
           !replicas_have(placement_replicas(p, range), self);
}

bool sure_is_not(struct heal *h, keyspace_no keyspace, range_no range)
{
    return is_rebuilding(h, keyspace, range) || is_taking(h, keyspace, range);
}

/* A dead owner that stays in the ring may have acked what nobody else has: once the range is ours
 * and no longer its own, nobody would ask it any more. */
bool sure_is_heard(const struct heal *h, node_no node)
{
    const struct ring *ring = cluster_ring(h->cluster);
    if (node == cluster_self(h->cluster))
        return false;
    return cluster_is_alive(h->cluster, node) ||
           (ring != NULL && ring_count(ring, RING_PUBLISHED, node) > 0 &&
            ring_count(ring, RING_NEWEST, node) > 0);
}

/* Who rebuilds waits for the dead, too (damage.h). */
static bool is_waited_for(struct heal *h, node_no node, bool moving)
{
    return moving ? sure_is_heard(h, node) : node != cluster_self(h->cluster);
}

static bool is_wanted(struct heal *h, keyspace_no keyspace, range_no range, bool moving)
{
    return moving ? is_taking(h, keyspace, range) : is_rebuilding(h, keyspace, range);
}

static bool waits(struct heal *h, bool moving)
{
    for (const struct mark *m = marks_seek(h, 0, 0, 0); m != NULL; m = marks_after(h, m)) {
        if ((m->why & MARK_SURE) != 0 && is_wanted(h, m->keyspace, m->range, moving) &&
            is_waited_for(h, m->peer, moving))
            return true;
    }
    return false;
}

/* False: there is no room for all marks now. *count grows when there are any. */
static bool mark_range(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                       bool moving, unsigned *count)
{
    struct replicas all = placement_replicas(cluster_placement(h->cluster, keyspace), range);
    bool marked = true;
    uint32_t others = 0;
    for (uint32_t i = 0; i < all.count; i++)
        others += is_waited_for(h, all.node[i], moving);
    if (others < 2 || clock_empty(engine_clock(h->engine, keyspace, range)))
        return true;
    for (uint32_t i = 0; i < all.count; i++) {
        if (is_waited_for(h, all.node[i], moving))
            marked &= marks_set(h, now, keyspace, range, all.node[i], MARK_SURE, NULL);
    }
    ++*count;
    return marked;
}

/* The next ones. True: there are no more. */
static bool mark_some(struct heal *h, struct now now, struct sure *s, bool moving)
{
    unsigned count = 0;
    for (; cluster_next_keyspace(h->cluster, s->keyspace, &s->keyspace); s->keyspace++) {
        const struct placement *p = cluster_placement(h->cluster, s->keyspace);
        for (; p != NULL && s->range < p->ranges; s->range++) {
            if (count == SURE_RANGES)
                return false;
            if (is_wanted(h, s->keyspace, s->range, moving) &&
                !mark_range(h, now, s->keyspace, s->range, moving, &count))
                return false;
        }
        s->range = 0;
    }
    return count == 0;
}

static bool look(struct heal *h, struct now now, struct sure *s, uint64_t of, bool moving)
{
    if (s->of != of)
        *s = (struct sure){.of = of};
    if (moving ? MUTANT(moved_by_clocks) : MUTANT(whole_by_clocks))
        return true;
    if (waits(h, moving))
        return false;
    bool done = mark_some(h, now, s, moving);
    if (!done)
        h->turns.due = now.mono;
    return done;
}

bool sure_rebuilt(struct heal *h, struct now now, uint64_t of)
{
    return look(h, now, &h->sure_rebuilt, of, false);
}

bool sure_moved(struct heal *h, struct now now, uint64_t of)
{
    return look(h, now, &h->sure_moved, of, true);
}
