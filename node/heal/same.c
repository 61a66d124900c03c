/* same.c - who was found equal to us as of the same clock is equal to the others that were.
 *
 * A hash of compare_many.h has tag, as-of clock and sums in it. If B and C have both told that it
 * is theirs, and that the clock is durable there, then B had, durably, the rows that C had, as of
 * that clock: what they would find out if they compared with each other, now or at any time
 * between. So a leader that compares a range with both of them tells each of the other one.
 *
 *   ranges = varint* (step from the range before, at first: the range)
 *
 * It counts with who is in the same ring, knows of the sender that they were equal (so the range
 * was not forgotten since), and as of when the earlier one of the two was heard. */
#include "node/heal/compare_many.h"

#include "base/mutant.h"

void same_found(struct heal *h, struct now now, const struct comparing_many *m,
                const struct many_asked *a)
{
    struct proved_pair *p = proved_find(h, m->keyspace, a->range->range, m->peer);
    if (p == NULL)
        return;
    p->same = a->hash;
    p->same_at = now.mono;
}

/* That `other` was found to be the same. */
static const struct proved_pair *same_as(const struct heal *h, const struct comparing_many *m,
                                         const struct many_asked *a, node_no other)
{
    const struct proved_pair *p = proved_find(h, m->keyspace, a->range->range, other);
    bool same = p != NULL && p->same_at > 0 && (p->same == a->hash || MUTANT(same_unasked));
    return a->proved && same ? p : NULL;
}

/* The least one above; 0: there is none. */
static node_no next_other(const struct heal *h, const struct comparing_many *m, size_t count,
                          node_no above)
{
    const struct placement *placement = cluster_placement(h->cluster, m->keyspace);
    node_no self = cluster_self(h->cluster), least = 0;
    for (size_t i = 0; i < count && placement != NULL; i++) {
        struct replicas replicas = placement_replicas(placement, m->asked[i].range->range);
        for (uint32_t k = 0; k < replicas.count; k++) {
            node_no node = replicas.node[k];
            if (node > above && node != self && node != m->peer && (least == 0 || node < least) &&
                same_as(h, m, &m->asked[i], node) != NULL)
                least = node;
        }
    }
    return least;
}

static void tell(struct heal *h, struct comparing_many *m, node_no to, node_no other, usec age,
                 const struct buf *ranges)
{
    struct wire_message message = {.type = WIRE_COMPARE_SAME};
    message.compare_same = (struct wire_compare_same){.keyspace = m->keyspace,
                                                      .other = other,
                                                      .epoch = cluster_ring_epoch(h->cluster),
                                                      .age = (uint64_t)age,
                                                      .ranges = heal_keep(h, ranges)};
    m->figures.messages++;
    m->figures.bytes_search += COMPARE_FIXED + ranges->len;
    heal_send(h, to, &message);
}

void same_tell(struct heal *h, struct now now, struct comparing_many *m, size_t count)
{
    node_no other = 0;
    while ((other = next_other(h, m, count, other)) != 0) {
        struct buf ranges;
        range_no before = 0;
        usec age = 0;
        buf_init(&ranges, WIRE_MESSAGE_MAX / 4);
        for (size_t i = 0; i < count; i++) {
            const struct proved_pair *p = same_as(h, m, &m->asked[i], other);
            if (p == NULL)
                continue;
            buf_put_varint(&ranges, m->asked[i].range->range - before);
            before = m->asked[i].range->range;
            age = now.mono - p->same_at > age ? now.mono - p->same_at : age;
        }
        tell(h, m, m->peer, other, age, &ranges);
        tell(h, m, other, m->peer, age, &ranges);
        buf_close(&ranges);
    }
}

static void take_one(struct heal *h, struct now then, node_no from,
                     const struct wire_compare_same *m, range_no range)
{
    const struct proved_pair *leader = proved_find(h, m->keyspace, range, from);
    const struct proved_pair *p = proved_find(h, m->keyspace, range, m->other);
    if (leader == NULL || leader->trees_s == HEAL_NEVER || p == NULL ||
        p->trees_s >= then.wall / USEC_PER_SEC ||
        engine_range_error(h->engine, m->keyspace, range) != ERR_OK)
        return;
    proved_by_trees(h, then, m->keyspace, range, m->other);
}

void same_told(struct heal *h, struct now now, node_no from, const struct wire_compare_same *m)
{
    struct reader r = reader_make(m->ranges);
    node_no self = cluster_self(h->cluster);
    uint64_t range = 0;
    if (m->epoch != cluster_ring_epoch(h->cluster) || m->other == self || m->other == from ||
        from == self || m->age > SAME_AGE_MAX)
        return;
    struct now then = now;
    then.wall -= (usec)m->age;
    for (size_t i = 0; i < MANY_ROOTS && reader_left(&r) > 0; i++) {
        uint64_t step = read_varint(&r);
        if (r.failed || step > UINT32_MAX - range)
            return;
        range += step;
        take_one(h, then, from, m, (range_no)range);
    }
}
