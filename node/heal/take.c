/* What pulls bring: rows, and word of what the log of who was asked has no more. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"
#include "storage/tree.h"

/* Into the store, with the giver's clock, by which can be told what was dropped there. Who only
 * takes the range over may rely on that only for what it has itself: engine_log_apply leaves out
 * the rest. What is not shown goes where the disk is an old one, and nowhere else (damage.h). */
enum err heal_take_rows(struct heal *h, const struct wire_pull_reply *m, uint64_t *ret_ticket)
{
    struct clock context;
    const struct placement *p = cluster_placement(h->cluster, m->keyspace);
    bool holds = p != NULL && m->range < p->ranges &&
                 replicas_have(placement_replicas(p, m->range), cluster_self(h->cluster)) &&
                 engine_serving_error(h->engine, m->keyspace, m->range) == ERR_OK;
    clock_init(&context);
    enum err err = clock_decode(m->context, &context);
    if (!cluster_is_replica(h->cluster, m->keyspace, m->range, cluster_self(h->cluster)))
        err = ERR_STALE; /* it left us while this was on its way */
    if (err == ERR_OK) {
        *ret_ticket = HEAL_TICKET | ++h->tickets;
        h->stats.bytes_pulled += m->rows.len;
        err = engine_log_apply(h->engine, m->keyspace, m->range, m->rows,
                               MUTANT(pull_without_context) ? NULL : &context, holds, h->old,
                               *ret_ticket);
    }
    clock_close(&context);
    return err;
}

bool heal_take_truncated(struct heal *h, struct now now, node_no peer,
                         const struct wire_pull_reply *m, struct clock *wanted)
{
    struct clock gone, lacks, rest;
    if (m->truncated.len == 0)
        return true;
    clock_init(&gone);
    clock_init(&lacks);
    clock_init(&rest);
    bool good = clock_decode(m->truncated, &gone) == ERR_OK;
    if (good)
        clock_common(wanted, &gone, &lacks);
    if (!clock_empty(&lacks)) {
        h->stats.truncated += clock_count(&lacks);
        if (!MUTANT(truncated_unmarked))
            marks_set(h, now, m->keyspace, m->range, peer, MARK_TRUNCATED, &lacks);
        if (MUTANT(clock_jumps))
            good = engine_tree_join(h->engine, m->keyspace, m->range, &lacks, 0) == ERR_OK;
        clock_missing(wanted, &lacks, &rest);
        clock_close(wanted);
        *wanted = rest;
        clock_init(&rest);
    }
    clock_close(&gone);
    clock_close(&lacks);
    return good;
}

/* The run first .. last, but for what is below the last `most`; these are counted down. */
static void take_last(struct clock *ret, struct actor actor, uint64_t first, uint64_t last,
                      uint64_t *most)
{
    uint64_t count = last - first + 1 < *most ? last - first + 1 : *most;
    if (count > 0)
        clock_add_run(ret, actor, last - count + 1, last);
    *most -= count;
}

void heal_newest(const struct clock *c, uint64_t most, struct clock *ret)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct clock_entry *e = &c->entries[i];
        uint64_t left = most;
        for (size_t k = e->runs_count; k-- > 0 && left > 0;)
            take_last(ret, e->actor, e->runs[k].first, e->runs[k].last, &left);
        if (e->base > 0)
            take_last(ret, e->actor, 1, e->base, &left);
    }
}

bool heal_leave_marked(const struct heal *h, node_no peer, struct want *w)
{
    const struct mark *m = marks_find(h, w->keyspace, w->range, peer);
    struct clock rest;
    if (m == NULL || clock_empty(&m->lacks))
        return false;
    clock_init(&rest);
    clock_missing(&w->clock, &m->lacks, &rest);
    bool less = clock_count(&rest) < clock_count(&w->clock);
    clock_close(&w->clock);
    w->clock = rest;
    return less;
}
