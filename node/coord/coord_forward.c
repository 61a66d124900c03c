/* A run whose coordinator is no replica hands it to one that is, and to the next one if that one is
 * lost; timestamps are fixed by then, so doing it twice changes nothing. The other side is a run
 * without an owner, whose end is told to the peer. */
#include "node/coord/coord_core.h"

usec run_left_us(const struct run *run, struct now now)
{
    return run->end_mono > now.mono ? run->end_mono - now.mono : 0;
}

bool run_forward(struct coord *c, struct now now, struct run *run)
{
    const struct cluster_node *self = cluster_find(c->cluster, cluster_self(c->cluster));
    size_t best = REPLICAS_MAX;
    for (size_t i = 0; i < run->targets; i++) {
        bool near = self != NULL && run->target[i].standing.dc == self->dc_index;
        if (run->target[i].state == REPLICA_LOST || run->target[i].tried ||
            (run->to != 0 && run->target[i].node != run->to) || !run->target[i].standing.in_now ||
            (level_is_local(run->level) && !near))
            continue;
        if (best == REPLICAS_MAX || (near && run->target[best].standing.dc != self->dc_index))
            best = i;
    }
    if (best == REPLICAS_MAX)
        return false;
    run->target[best].tried = true;
    run->forwarded = run->forward_waits = true;
    run->forward_to = run->target[best].node;
    struct wire_message m = {.type = WIRE_FORWARD};
    m.forward = (struct wire_forward){.request = run->pending.request,
                                      .timeout_us = (uint64_t)run_left_us(run, now),
                                      .keyspace = run->keyspace,
                                      .level = (uint32_t)run->level,
                                      .kind = (uint32_t)run->kind,
                                      .part = run->encoded,
                                      .supersede = run->supersede_encoded,
                                      .stamp = run->came,
                                      .limit = run->limit,
                                      .beyond = run->beyond,
                                      .until = run->until,
                                      .replay = run->replay,
                                      .after = run->after,
                                      .want_receipt = run->want_receipt,
                                      .hint = run->hint,
                                      .planned = run->planned};
    coord_send(c, run->forward_to, &m);
    c->stats.forwards++;
    return true;
}

void run_elsewhere(struct coord *c, struct now now, struct run *run)
{
    for (size_t i = 0; i < run->targets; i++)
        run->target[i].tried |= run->target[i].node == cluster_self(c->cluster);
    if ((run->owner == NULL || !run_forward(c, now, run)) && !hint_alone(c, run))
        run_result(c, run, ERR_UNAVAILABLE);
}

void write_forwarded(struct coord *c, struct now now, node_no from, const struct wire_forward *m)
{
    struct run *run = run_new();
    run->encoded = arena_copy(&run->memory->arena, m->part);
    run->supersede_encoded = arena_copy(&run->memory->arena, m->supersede);
    run->after = arena_copy(&run->memory->arena, m->after);
    run->want_receipt = m->want_receipt;
    run->peer = from;
    run->peer_request = m->request;
    run->peer_planned = m->planned;
    run->keyspace = m->keyspace;
    run->level = (enum level)m->level;
    run->kind = (enum write_kind)m->kind;
    run->came = m->stamp;
    run->until = m->until;
    run->limit = m->limit;
    run->beyond = m->beyond;
    run->replay = m->replay;
    run->hint = m->hint;
    run->to = m->hint && m->level == LEVEL_ONE ? cluster_self(c->cluster) : 0;
    if (!level_valid(m->level) || m->timeout_us > (uint64_t)(3600 * USEC_PER_SEC) ||
        part_decode(run->encoded, &run->memory->arena, &run->part) != ERR_OK ||
        !part_is_placed(&run->part) ||
        supersede_decode(run->supersede_encoded, &run->memory->arena, &run->supersede) != ERR_OK) {
        memory_retire(c, run->memory); /* a peer that speaks nonsense gets no answer */
        return;
    }
    run_start(c, now, run, (usec)m->timeout_us);
}

/* Where it was forwarded to last nothing was done: that tells nothing about who was lost before. */
static enum err forward_err(const struct run *run, enum err err)
{
    bool undone = err == ERR_UNAVAILABLE || err == ERR_OVERLOADED;
    return undone && run->forward_lost ? ERR_TIMEOUT : err;
}

void write_forward_done(struct coord *c, struct now now, uint64_t epoch,
                        const struct wire_forward_done *m)
{
    struct pending *p = map_get(&c->pending_by_request, m->request);
    if (p == NULL || p->type != PENDING_RUN)
        return;
    struct run *run = container_of(p, struct run, pending);
    if (!run->forwarded || run->held)
        return;
    enum err err = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    run->forward_waits = false;
    if (err == ERR_STALE) { /* it is none of its replicas */
        run->forward_lost |= m->dot.n > 0;
        if (fence_refused(c, &run->pending, run->planned, epoch))
            return;
        err = ERR_UNAVAILABLE;
    }
    bool undone = err == ERR_UNAVAILABLE || err == ERR_OVERLOADED;
    run->hints_full |= m->hints_full;
    if (undone && run_forward(c, now, run))
        return; /* nothing was sent there: another replica may see more of the others */
    if (undone && (run->alone || hint_alone(c, run)))
        return;
    struct coord_result result = {.err = forward_err(run, err),
                                  .level = run->level,
                                  .kind = run->kind,
                                  .required = m->required,
                                  .received = m->received,
                                  .failures = m->failures,
                                  .hinted = m->hinted,
                                  .synced = m->synced,
                                  .left_out = m->left_out,
                                  .hints_full = m->hints_full,
                                  .waits_for = m->waits_for,
                                  .merged = m->merged,
                                  .merged_in = run->part.table,
                                  .lost = m->lost <= LOST_STAMPED ? (enum lost)m->lost : LOST_NONE,
                                  .lost_in = run->part.table,
                                  .behind = m->behind};
    run->range = ring_range_of(run->part.token, cluster_ranges(c->cluster));
    run->dot = m->dot;
    run->receipt = arena_copy(&run->memory->arena, m->receipt);
    run_finish(c, run, &result);
}
