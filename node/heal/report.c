/* What others want to know of sessions. */
#include "node/heal/heal_core.h"

struct heal_stats heal_stats(const struct heal *h)
{
    return h->stats;
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
