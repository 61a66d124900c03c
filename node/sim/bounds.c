/* What nodes and links may hold of things that are under way: the bounds, written down once more,
 * so that whoever raises one must say so twice. */
#include "node/sim/core.h"

#define OPERATION_MAX  ((size_t)16 << 20) /* a read: some pages of some replicas */
#define REQUESTS_MAX   1024               /* of one connection */
#define SESSIONS_MAX   1024               /* requests that wait for what was seen elsewhere */
#define CLOCKS_MAX     ((size_t)33 << 20) /* of one peer */
#define FRAMES_HELD    8                  /* of the largest size, of one connection */
#define BACKLOG_FACTOR 8                  /* what a write takes in the store, log and all */

static bool within(struct errmsg *why, unsigned node, const char *what, size_t is, size_t most)
{
    if (is <= most)
        return true;
    (void)errmsg_set(why, ERR_FAILED, "node %u: %s: %zu, more than %zu", node, what, is, most);
    return false;
}

static bool links_within(struct sim *s, unsigned node, size_t most, struct errmsg *why)
{
    bool good = true;
    for (unsigned i = 1; i <= s->count && good; i++)
        good = within(why, node, "bytes waiting on a link",
                      machine_of(s, node)->links[i].held_bytes, most);
    return good;
}

/* It has yet to come to what is due. */
static bool is_late(const struct sim *s, const struct machine *m)
{
    return m->paused || m->deadline <= s->time;
}

bool sim_check_bounds(struct sim *s, struct errmsg *ret_why)
{
    const struct sim_limits *l = &s->config.limits;
    bool good = true;
    for (unsigned i = 1; i <= s->count && good; i++) {
        const struct machine *m = machine_of(s, i);
        if (m->node == NULL)
            continue;
        struct node_pending p = node_pending(m->node);
        good = within(ret_why, i, "bytes in flight", p.in_flight,
                      l->in_flight_max + (p.operations + 1) * OPERATION_MAX) &&
               within(ret_why, i, "operations past their deadline", is_late(s, m) ? 0 : p.overdue,
                      0) &&
               within(ret_why, i, "waits of sessions", p.waits, SESSIONS_MAX) &&
               within(ret_why, i, "requests", p.requests, REQUESTS_MAX) &&
               within(ret_why, i, "bytes of clients", p.client_bytes,
                      CQL_CONN_FEED_MAX + FRAMES_HELD * l->frame_max) &&
               within(ret_why, i, "changes", p.changes, META_PENDING_MAX + REQUESTS_MAX) &&
               within(ret_why, i, "bytes of clocks", p.handoff_bytes, s->count * CLOCKS_MAX) &&
               within(ret_why, i, "bytes of the store", store_backlog(m->store),
                      BACKLOG_FACTOR * (l->in_flight_max + OPERATION_MAX)) &&
               links_within(s, i, l->link_out_max, ret_why);
    }
    return good;
}

bool sim_is_quiet(struct sim *s, struct errmsg *ret_why)
{
    bool good = true;
    for (unsigned i = 1; i <= s->count && good; i++) {
        const struct machine *m = machine_of(s, i);
        if (m->node == NULL)
            continue;
        struct node_pending p = node_pending(m->node);
        good = within(ret_why, i, "bytes in flight", p.in_flight, 0) &&
               within(ret_why, i, "operations", p.operations, 0) &&
               within(ret_why, i, "waits of sessions", p.waits, 0) &&
               within(ret_why, i, "writes not durable", p.applying, 0) &&
               within(ret_why, i, "batches kept", p.batches, 0) &&
               within(ret_why, i, "hints kept", p.hints, 0) &&
               within(ret_why, i, "requests", p.requests, 0) &&
               within(ret_why, i, "bytes of clients", p.client_bytes, 0) &&
               within(ret_why, i, "questions", m->client.open_count, 0) &&
               within(ret_why, i, "pieces not read", m->client.unread_count, 0) &&
               within(ret_why, i, "changes", p.changes, 0) &&
               within(ret_why, i, "ranges to pull", p.handoff, 0) &&
               within(ret_why, i, "bytes of the store", store_backlog(m->store), 0) &&
               links_within(s, i, 0, ret_why);
    }
    return good;
}
