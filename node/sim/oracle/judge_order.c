/* Whether a list is in the order in which it was appended to. */
#include "node/sim/oracle/inner.h"

#include <inttypes.h>

/* The put of an element: lists put each once. */
static const struct write *append_of(const struct history *h, struct partition *p, int64_t id)
{
    const struct cell *c = cell_of(p, id);
    for (size_t i = 0; c != NULL && i < c->count; i++) {
        const struct write *w = &h->writes[c->parts[i].write];
        if (!c->parts[i].is_delete && !w->seen)
            return w;
    }
    return NULL;
}

bool history_judge_order(struct history *h, uint64_t key, const int64_t *ids, size_t count,
                         struct errmsg *why)
{
    struct partition *p = partition_of(h, key);
    usec latest = INT64_MIN; /* start of those before */
    int64_t latest_id = 0;
    for (size_t i = 0; i < count; i++) {
        const struct write *w = append_of(h, p, ids[i]);
        if (w == NULL)
            return errmsg_set(why, ERR_FAILED, "%s %" PRIu64 ": %" PRId64 " was never appended",
                              h->config.name, key, ids[i]) == ERR_OK;
        if (w->end != USEC_NEVER && !w->more && latest > w->end + h->config.skew_us)
            return errmsg_set(why, ERR_FAILED,
                              "%s %" PRIu64 ": %" PRId64 ", appended by %.6f s, is behind %" PRId64
                              ", which was not before %.6f s",
                              h->config.name, key, ids[i], (double)w->end / 1e6, latest_id,
                              (double)latest / 1e6) == ERR_OK;
        for (size_t k = 0; k < i; k++) {
            if (ids[k] == ids[i] && !w->more && w->end != USEC_NEVER)
                return errmsg_set(why, ERR_FAILED, "%s %" PRIu64 ": %" PRId64 " is there twice",
                                  h->config.name, key, ids[i]) == ERR_OK;
        }
        if (w->start > latest) {
            latest = w->start;
            latest_id = ids[i];
        }
    }
    return true;
}
