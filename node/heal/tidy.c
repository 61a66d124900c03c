/* Garbage: where there is some, whether it may go, and its removal, a little at a time. */
#include "node/heal/heal_core.h"

int64_t tidy_expired_before(const struct heal *h, struct now now)
{
    return (now.wall - h->config.clock_offset_us) / USEC_PER_SEC;
}

/* ... on the clocks of all its replicas: one that is wrong, ahead or behind, takes nothing away
 * that the others still show. What they said last is what counts, so a clock that jumps has no say.
 */
static int64_t expired_for_all(struct heal *h, struct now now, const struct agreement *a)
{
    int64_t least = now.wall;
    for (size_t i = 0; i < a->told_count; i++) {
        int64_t wall = heal_session(h, a->told[i].peer)->wall;
        least = wall < least ? wall : least;
    }
    if (h->clock_doubtful || least < INT64_MIN + h->config.clock_offset_us)
        return INT64_MIN;
    return (least - h->config.clock_offset_us) / USEC_PER_SEC;
}

/* Nobody can agree in the place of the dead: that is to be seen by who can replace them. */
static void note_pinned(struct heal *h, struct now now, keyspace_no keyspace, range_no range)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    if (p == NULL || range >= p->ranges)
        return;
    struct replicas sets[] = {placement_replicas(p, range), placement_pending(p, range)};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        for (uint32_t j = 0; j < sets[i].count; j++) {
            if (cluster_is_alive(h->cluster, sets[i].node[j]))
                continue;
            struct session *s = heal_session(h, sets[i].node[j]);
            s->pins_now++;
            s->pins_since = s->pins_since == 0 ? now.mono : s->pins_since;
        }
    }
    h->pinned_now++;
}

/* What was agreed at the end of the last hold may go; the next one begins. */
static void ripen(struct heal *h, struct now now, struct agreement *a)
{
    if (a->ripe_at != 0 && now.mono < a->ripe_at)
        return;
    if (h->config.hold_us == 0) {
        clock_close(&a->ripening);
        clock_copy(&a->ripening, &a->agreed);
    }
    a->purging |= !clock_covers(&a->ripe, &a->ripening);
    clock_close(&a->ripe);
    a->ripe = a->ripening;
    clock_init(&a->ripening);
    clock_copy(&a->ripening, &a->agreed);
    a->ripe_at = now.mono + h->config.hold_us;
}

static void find_garbage(struct heal *h, struct now now)
{
    keyspace_no keyspace = 0;
    while (cluster_next_keyspace(h->cluster, keyspace, &keyspace)) {
        range_no range = 0;
        while (
            engine_next_garbage(h->engine, keyspace, range, tidy_expired_before(h, now), &range)) {
            struct agreement *a = agree_open(h, keyspace, range);
            /* What a move has left behind is no garbage of ours. */
            bool ours = a != NULL || agree_is_ours(h, keyspace, range);
            h->garbage_now += ours;
            if (a == NULL && ours) {
                note_pinned(h, now, keyspace, range);
            } else if (a != NULL) {
                a->garbage = true;
                /* What comes to be due when all is agreed already. */
                a->purging |= clock_equal(&a->ripe, &a->durable) && !clock_empty(&a->ripe);
            }
            range++;
        }
        keyspace++;
    }
}

void tidy_tick(struct heal *h, struct now now)
{
    for (struct agreement *a = agree_seek(h, 0); a != NULL; a = agree_seek(h, agree_key(a) + 1))
        a->garbage = a->long_log = false;
    for (size_t i = 0; i < h->sessions_count; i++)
        h->sessions[i].pins_now = 0;
    h->pinned_now = h->garbage_now = 0;
    find_garbage(h, now);
    logs_tick(h, now);
    for (size_t i = 0; i < h->sessions_count; i++) {
        struct session *s = &h->sessions[i];
        s->pins = s->pins_now;
        s->pins_since = s->pins > 0 ? s->pins_since : 0;
    }
    h->stats.pinned_ranges = h->pinned_now;
    h->stats.garbage_ranges = h->garbage_now;
    agree_refresh(h, now);
    marks_refresh(h);
    for (struct agreement *a = agree_seek(h, 0); a != NULL; a = agree_seek(h, agree_key(a) + 1))
        ripen(h, now, a);
    agree_ask_all(h, now);
    tidy_soon(h, now);
}

void tidy_soon(struct heal *h, struct now now)
{
    if (h->tidy_due == USEC_NEVER)
        h->tidy_due = now.mono;
}

/* Rows of it are on their way. */
static bool is_to_wait(const struct heal *h, const struct agreement *a)
{
    return heal_is_pulling(h, a->keyspace, a->range) ||
           compare_is_under_way(h, a->keyspace, a->range);
}

/* The next one in turn that engine_purge may find something in. */
static struct agreement *next_purge(struct heal *h)
{
    struct agreement *a = agree_seek(h, h->tidy_from);
    while (a != NULL && (!a->garbage || !a->purging || is_to_wait(h, a)))
        a = agree_seek(h, agree_key(a) + 1);
    if (a == NULL && h->tidy_from > 0) {
        h->tidy_from = 0;
        return next_purge(h);
    }
    return a;
}

/* Whose dots may still be heard of: of all that agree. */
static void note_minters(struct heal *h, const struct agreement *a)
{
    node_no nodes[AGREE_SET_MAX];
    for (size_t i = 0; i < a->told_count; i++)
        nodes[i] = a->told[i].peer;
    engine_note_minters(h->engine, a->keyspace, a->range, nodes, a->told_count);
}

void tidy_some(struct heal *h, struct now now)
{
    bool done = false;
    struct agreement *a = next_purge(h);
    h->tidy_due = USEC_NEVER;
    if (a == NULL)
        return;
    note_minters(h, a);
    enum err err = engine_purge(h->engine, a->keyspace, a->range, &a->ripe,
                                expired_for_all(h, now, a), PURGE_WORK, &done);
    if (done || err != ERR_OK)
        a->purging = false;
    h->tidy_from = agree_key(a) + (a->purging ? 0 : 1);
    h->stats.purges++;
    h->tidy_due = now.mono + (h->busy ? PURGE_PAUSE_BUSY : PURGE_PAUSE);
}

void heal_set_busy(struct heal *h, bool busy)
{
    h->busy = busy;
}

void heal_set_clock(struct heal *h, usec hybrid, bool doubtful)
{
    h->clock_hybrid = hybrid;
    h->clock_doubtful = doubtful;
}

int64_t heal_expired_by(const struct heal *h, struct now now)
{
    return (now.wall > h->clock_hybrid ? now.wall : h->clock_hybrid) / USEC_PER_SEC;
}

size_t heal_pinned_by(const struct heal *h, node_no peer, usec *ret_since)
{
    for (size_t i = 0; i < h->sessions_count; i++) {
        if (h->sessions[i].peer != peer)
            continue;
        *ret_since = h->sessions[i].pins_since;
        return h->sessions[i].pins;
    }
    return 0;
}
