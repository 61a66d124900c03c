/* What others want to know of sessions. */
#include "node/heal/heal_core.h"

/* Sessions that wait for their turn miss about the same, so the largest counts. */
static uint64_t missing(const struct heal *h)
{
    uint64_t most = 0;
    for (size_t i = 0; i < h->sessions_count; i++) {
        const struct session *s = &h->sessions[i];
        uint64_t sum = 0;
        for (size_t k = s->wants_at; k < s->wants_count; k++)
            sum += clock_count(&s->wants[k].clock);
        if ((s->state == SESSION_PULLING || s->state == SESSION_PACED) && sum > most)
            most = sum;
    }
    return most;
}

struct heal_stats heal_stats(const struct heal *h)
{
    struct heal_stats stats = h->stats;
    stats.missing = missing(h);
    stats.rate = h->pace.rate;
    stats.slowed[0] = h->pace.slowed[0];
    stats.slowed[1] = h->pace.slowed[1];
    stats.trees = (struct heal_pace){h->trees.rate, h->trees.slowed[0] + h->trees.slowed[1]};
    stats.hints = (struct heal_pace){h->hints.rate, h->hints.slowed[0] + h->hints.slowed[1]};
    return stats;
}

void heal_foreground(struct heal *h, struct now now, usec took)
{
    foreground_note(&h->foreground, now.mono, took);
}

size_t heal_pending(const struct heal *h, size_t *ret_bytes)
{
    size_t ranges = 0;
    *ret_bytes = 0;
    for (size_t i = 0; i < h->sessions_count; i++) {
        ranges += h->sessions[i].wants_count - h->sessions[i].wants_at;
        *ret_bytes += h->sessions[i].wants_bytes;
    }
    return ranges;
}

bool heal_is_pulling(const struct heal *h, keyspace_no keyspace, range_no range)
{
    for (size_t i = 0; i < h->sessions_count; i++) {
        const struct session *s = &h->sessions[i];
        if (s->state == SESSION_PULLING && s->wants[s->wants_at].keyspace == keyspace &&
            s->wants[s->wants_at].range == range)
            return true;
    }
    return false;
}

const struct heal_compared *heal_compared(const struct heal *h, uint64_t id)
{
    const struct heal_compared *found = NULL;
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compared[i].id == id && h->compared[i].session != 0)
            found = &h->compared[i];
    }
    return found;
}
