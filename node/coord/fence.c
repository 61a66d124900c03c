#include "node/coord/fence.h"

#include "base/mutant.h"
#include "node/coord/coord_core.h"

enum err fence_check(struct coord *c, keyspace_no keyspace, range_no first, range_no last,
                     uint64_t planned)
{
    const struct placement *p = cluster_placement(c->cluster, keyspace);
    node_no self = cluster_self(c->cluster);
    bool early = planned > cluster_epoch(c->cluster) && !MUTANT(early_is_refused);
    if (p == NULL || last >= p->ranges)
        return p == NULL && early ? ERR_BEHIND : ERR_OK;
    for (range_no r = first; r <= last; r++) {
        if (stage_is_fenced(planned, placement_since(p, r)))
            return ERR_STALE;
        if (!replicas_have(placement_replicas(p, r), self) &&
            !replicas_have(placement_pending(p, r), self))
            return early ? ERR_BEHIND : ERR_STALE;
    }
    return ERR_OK;
}

void fence_wait(struct coord *c, struct pending *p, uint64_t epoch)
{
    if (p->stale == 0) {
        list_init(&p->stale_link);
        list_push_back(&c->stale, &p->stale_link);
        p->trace = tracing_session(&c->trace);
    }
    p->stale = epoch > p->stale ? epoch : p->stale;
}

bool fence_refused(struct coord *c, struct pending *p, uint64_t planned, uint64_t epoch)
{
    if (epoch <= planned || MUTANT(old_plan_fails))
        return false;
    fence_wait(c, p, epoch);
    return true;
}

bool fence_is_stale(const struct pending *p)
{
    return p->stale != 0;
}

void fence_forget(struct pending *p)
{
    if (p->stale != 0)
        list_remove(&p->stale_link);
    p->stale = 0;
}

static void plan_anew(struct coord *c, struct now now, struct pending *p)
{
    struct uuid before = tracing_enter(&c->trace, now, &p->trace);
    c->stats.planned_anew++;
    tracing_say(&c->trace, "The ring has changed: asking its replicas of now");
    switch (p->type) {
    case PENDING_RUN: write_plan_anew(c, now, container_of(p, struct run, pending)); break;
    case PENDING_ROUND: round_plan_anew(c, now, container_of(p, struct round, pending)); break;
    case PENDING_ASK: ask_plan_anew(c, now, ask_of_pending(p)); break;
    case PENDING_CAS:
    case PENDING_BATCH:
    case PENDING_HINT: break; /* sessions rest and begin again; the others have no plan */
    }
    tracing_leave(&c->trace, &before);
}

bool fence_go(struct coord *c, struct now now)
{
    uint64_t epoch = cluster_epoch(c->cluster);
    bool any = false;
    struct list *at = c->stale.next;
    while (at != &c->stale) {
        struct pending *p = container_of(at, struct pending, stale_link);
        at = at->next;
        if (p->stale > epoch)
            continue;
        fence_forget(p);
        plan_anew(c, now, p);
        any = true;
        at = c->stale.next; /* others may have ended with it */
    }
    return any;
}
