/* same.c - who was found equal to us as of the same clock is equal to the others that were.
 *
 * A hash of compare_many.h has tag, as-of clock and sums in it. If B and C have both told that it
 * is theirs, and that the clock is durable there, then B had, durably, the rows that C had, as of
 * that clock: what they would find out if they compared with each other, now or at any time
 * between. So a leader that compares a range with both of them tells each of the other one.
 *
 *   ranges = varint* (step from the range before, at first: the range)
 *
 * They are told of many ranges at once: when there are so many as go into a message, or when no
 * more are to come. So it may be minutes later; the message says how long ago.
 *
 * It counts with who is in the same ring, knows of the sender that they were equal, has not
 * forgotten the range since, and as of when the earlier one of the two was asked. */
#include "node/heal/compare_many.h"

#include "base/mutant.h"

#include <stdlib.h>

struct same {
    keyspace_no keyspace; /* 0: free */
    node_no one, other;
    uint64_t epoch; /* of the ring */
    usec since;     /* mono: the earliest was asked */
    range_no ranges[MANY_ROOTS];
    size_t count;
};

void same_free(struct heal *h)
{
    mem_free(h->sames);
}

void same_found(struct heal *h, const struct comparing_many *m, const struct many_asked *a)
{
    struct proved_pair *p = proved_find(h, m->keyspace, a->range->range, m->peer);
    if (p == NULL)
        return;
    p->same = a->hash;
    p->same_at = m->asked_at;
}

/* That `other` was found to be the same. */
static const struct proved_pair *same_as(const struct heal *h, const struct comparing_many *m,
                                         const struct many_asked *a, node_no other)
{
    const struct proved_pair *p = proved_find(h, m->keyspace, a->range->range, other);
    bool found = p != NULL && p->same_at > 0 && p->same_at >= m->since;
    return a->proved && found && (p->same == a->hash || MUTANT(same_unasked)) ? p : NULL;
}

/* --- telling */

static void tell(struct heal *h, struct now now, struct comparing_many *m, const struct same *s,
                 node_no to, node_no other)
{
    struct wire_message message = {.type = WIRE_COMPARE_SAME};
    struct buf ranges;
    range_no before = 0;
    buf_init(&ranges, WIRE_MESSAGE_MAX / 4);
    for (size_t i = 0; i < s->count; i++) {
        if (i == 0 || s->ranges[i] != before)
            buf_put_varint(&ranges, s->ranges[i] - before);
        before = s->ranges[i];
    }
    message.compare_same = (struct wire_compare_same){.keyspace = s->keyspace,
                                                      .other = other,
                                                      .epoch = s->epoch,
                                                      .age = (uint64_t)(now.mono - s->since),
                                                      .ranges = heal_keep(h, &ranges)};
    many_count(m, &message);
    heal_send(h, to, &message);
    buf_close(&ranges);
}

static int compare_ranges(const void *a, const void *b)
{
    range_no x = *(const range_no *)a, y = *(const range_no *)b;
    return x < y ? -1 : x > y;
}

static void tell_both(struct heal *h, struct now now, struct comparing_many *m, struct same *s)
{
    qsort(s->ranges, s->count, sizeof *s->ranges, compare_ranges);
    if (s->epoch == cluster_ring_epoch(h->cluster)) {
        tell(h, now, m, s, s->one, s->other);
        tell(h, now, m, s, s->other, s->one);
    }
    s->keyspace = 0;
}

/* Those of the pair, in this ring; one that was free; or that with most, which is told. */
static struct same *same_for(struct heal *h, struct now now, struct comparing_many *m,
                             node_no other)
{
    struct same *free = NULL;
    uint64_t epoch = cluster_ring_epoch(h->cluster);
    node_no one = m->peer < other ? m->peer : other;
    other = m->peer < other ? other : m->peer;
    if (h->sames == NULL)
        h->sames = mem_alloc(SAMES_MAX * sizeof *h->sames);
    for (size_t i = 0; i < SAMES_MAX; i++) {
        struct same *s = &h->sames[i];
        if (s->keyspace == m->keyspace && s->one == one && s->other == other && s->epoch == epoch)
            return s;
        if (free == NULL || (free->keyspace != 0 && (s->keyspace == 0 || s->count > free->count)))
            free = s;
    }
    if (free->keyspace != 0)
        tell_both(h, now, m, free);
    *free = (struct same){.keyspace = m->keyspace, .one = one, .other = other, .epoch = epoch};
    return free;
}

static void note(struct heal *h, struct now now, struct comparing_many *m, node_no other,
                 range_no range, usec since)
{
    struct same *s = same_for(h, now, m, other);
    s->since = s->count == 0 || since < s->since ? since : s->since;
    s->ranges[s->count++] = range;
    if (s->count == MANY_ROOTS)
        tell_both(h, now, m, s);
}

void same_note(struct heal *h, struct now now, struct comparing_many *m, size_t count)
{
    const struct placement *placement = cluster_placement(h->cluster, m->keyspace);
    node_no self = cluster_self(h->cluster);
    for (size_t i = 0; i < count && placement != NULL; i++) {
        range_no range = m->asked[i].range->range;
        struct replicas replicas = placement_replicas(placement, range);
        for (uint32_t k = 0; k < replicas.count; k++) {
            node_no node = replicas.node[k];
            const struct proved_pair *p = NULL;
            if (node != self && node != m->peer)
                p = same_as(h, m, &m->asked[i], node);
            if (p != NULL)
                note(h, now, m, node, range, p->same_at);
        }
    }
}

void same_over(struct heal *h, struct now now, struct comparing_many *m)
{
    if (m->more || (m->id & ROUNDS_ID) != 0)
        return;
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        const struct comparing_many *other = h->many[i];
        if (other != NULL && other != m && (other->id & ROUNDS_ID) == 0 &&
            other->keyspace == m->keyspace)
            return;
    }
    for (size_t i = 0; i < SAMES_MAX && h->sames != NULL; i++) {
        if (h->sames[i].keyspace == m->keyspace)
            tell_both(h, now, m, &h->sames[i]);
    }
}

/* --- being told */

static void take_one(struct heal *h, struct now then, usec at, node_no from,
                     const struct wire_compare_same *m, range_no range)
{
    const struct proved_pair *leader = proved_find(h, m->keyspace, range, from);
    const struct proved_pair *p = proved_find(h, m->keyspace, range, m->other);
    if (leader == NULL || leader->trees_s == HEAL_NEVER || p == NULL ||
        p->trees_s >= then.wall / USEC_PER_SEC ||
        (p->forgot_at > 0 && p->forgot_at >= at && !MUTANT(same_for_ever)) ||
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
        take_one(h, then, now.mono - (usec)m->age, from, m, (range_no)range);
    }
}
