/* Hints: a write that too few replicas can take is kept by others, until those can.
 *
 * At CL ANY the coordinator keeps it itself, for any of the owners, when none of them has taken it:
 * all are dead, or handed on in vain, or silent for half of the time. In a keyspace with
 * sloppy_quorum the next living nodes of the ring *stand in*: each keeps it for one owner that is
 * not there, durably, and its ack counts for that owner. They are asked when the level is out of
 * reach without them, and for whoever is silent for half of the time. Where not even a replica is
 * there to mint the dot, the coordinator has all of them asked, and no dot is minted.
 *
 * Of a target its own ack or that of who stands in counts, and once. IF never gets here, nor do
 * increments: what they promise nobody could keep who is not a replica; nor replays, or hints would
 * make hints. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"
#include "node/coord/receipt.h"

#define RANGES_LOOKED_AT 1024u /* for a stand-in */

static bool may_hint(const struct coord *c, const struct run *run)
{
    return !c->config.no_hints && c->self.node != 0 && !run->replay && run->to == 0 &&
           run->kind != WRITE_COUNTER && run->kind != WRITE_CAS;
}

static bool is_sloppy(const struct coord *c, const struct run *run)
{
    return run->level != LEVEL_ANY && may_hint(c, run) &&
           cluster_is_sloppy(c->cluster, run->keyspace);
}

static bool is_any(const struct coord *c, const struct run *run)
{
    return run->level == LEVEL_ANY && run->peer == 0 && may_hint(c, run);
}

/* Who has the range compares it by trees, then: the write may be at some of them all the same. */
static void refused(struct coord *c, keyspace_no keyspace, range_no range, node_no target)
{
    if (c->heal_host.refused != NULL)
        c->heal_host.refused(c->heal_host.arg, c->now, keyspace, range, target);
}

bool hint_any_is_possible(struct coord *c, struct run *run)
{
    if (!is_any(c, run) || run->targets == 0)
        return false;
    struct hint h = {.part = run->part, .supersede = run->supersede};
    size_t size = hints_size(&h, run->encoded.len + run->supersede_encoded.len);
    run->hints_full =
        hints_check(&c->hints, run->target[0].node, size, c->now.wall) == ERR_OVERLOADED;
    if (run->hints_full)
        refused(c, run->keyspace, run->range, run->target[0].node);
    return !run->hints_full;
}

void hint_watch(struct coord *c, struct run *run, usec timeout_us)
{
    if (!is_any(c, run) && !is_sloppy(c, run))
        return;
    run->half.kind = DUE_HALF;
    timers_set(&c->timers, &run->half.timer, c->now.mono + timeout_us / 2);
}

/* --- who stands in */

static bool is_taken(const struct run *run, node_no node)
{
    for (size_t i = 0; i < run->targets; i++) {
        if (run->target[i].node == node || run->target[i].keeper == node)
            return true;
    }
    for (size_t i = 0; i < run->refused_count; i++) {
        if (run->refused[i] == node)
            return true;
    }
    return false;
}

/* The next on the ring behind the owners that lives, in the data centre of whom it stands in for.
 * 0: there is none. */
static node_no find_keeper(struct coord *c, const struct run *run, size_t i)
{
    const struct placement *p = cluster_placement(c->cluster, run->keyspace);
    uint32_t looked = p->ranges < RANGES_LOOKED_AT ? p->ranges : RANGES_LOOKED_AT;
    for (uint32_t k = 1; k < looked; k++) {
        struct replicas there = placement_replicas(p, (run->range + k) % p->ranges);
        for (uint32_t n = 0; n < there.count; n++) {
            const struct cluster_node *node = cluster_find(c->cluster, there.node[n]);
            if (node != NULL && node->dc_index == run->target[i].standing.dc &&
                cluster_is_alive(c->cluster, node->node) && !is_taken(run, node->node))
                return node->node;
        }
    }
    return 0;
}

/* It and its stand-in are not there: an owner of now that counts. */
static bool is_open(const struct run *run, size_t i)
{
    enum replica_state owner = run->target[i].state, hint = run->target[i].hint;
    return run->target[i].standing.in_now && (owner == REPLICA_LOST || run->alone) &&
           (run->target[i].keeper == 0 || hint == REPLICA_LOST) &&
           quorums_want(&run->quorums, run->target[i].standing);
}

bool hint_fill(struct coord *c, struct run *run)
{
    bool any = false;
    if (!is_sloppy(c, run) || run->refused_count == REFUSED_MAX)
        return false;
    for (size_t i = 0; i < run->targets; i++) {
        node_no keeper;
        if (quorums_state(&run->quorums) != QUORUM_IMPOSSIBLE)
            break;
        if (!is_open(run, i) || (keeper = find_keeper(c, run, i)) == 0)
            continue;
        run->target[i].keeper = keeper;
        run->target[i].hint = REPLICA_IDLE;
        quorums_member(&run->quorums, run->target[i].standing);
        any = true;
    }
    return any;
}

/* --- asking them */

/* What is to be kept: as it is now, without the dot that it may have got here. */
static struct bytes hint_bytes(struct run *run)
{
    struct arena *arena = &run->memory->arena;
    struct part copy;
    struct buf out;
    buf_init(&out, STORE_BATCH_MAX);
    part_encode(&run->part, &out);
    struct bytes bytes = arena_copy(arena, buf_bytes(&out));
    if (!run->part.siblings && part_decode(bytes, arena, &copy) == ERR_OK) {
        part_set_dot(&copy, (struct dot){{0, 0}, 0});
        buf_clear(&out);
        part_encode(&copy, &out);
        bytes = arena_copy(arena, buf_bytes(&out));
    }
    buf_close(&out);
    return bytes;
}

void hint_send(struct coord *c, struct run *run)
{
    struct bytes part = BYTES_NONE;
    for (size_t i = 0; i < run->targets; i++) {
        if (run->target[i].keeper == 0 || run->target[i].hint != REPLICA_IDLE)
            continue;
        if (part.len == 0)
            part = hint_bytes(run);
        struct wire_message m = {.type = WIRE_HINT_KEEP};
        m.hint_keep = (struct wire_hint_keep){.request = run->pending.request,
                                              .target = run->target[i].node,
                                              .any = run->level == LEVEL_ANY,
                                              .keyspace = run->keyspace,
                                              .part = part,
                                              .supersede = run->supersede_encoded};
        run->target[i].hint = REPLICA_WAITING;
        coord_send(c, run->target[i].keeper, &m);
    }
}

bool hint_alone(struct coord *c, struct run *run)
{
    if (run->owner == NULL || run->held || (!is_any(c, run) && !is_sloppy(c, run)) ||
        run->targets == 0)
        return false;
    quorums_restart(&run->quorums);
    run->alone = true;
    for (size_t i = 0; i < run->targets; i++)
        run->target[i].keeper = 0;
    if (is_any(c, run)) {
        run->target[0].keeper = cluster_self(c->cluster);
        run->target[0].hint = REPLICA_IDLE;
        quorums_member(&run->quorums, run->target[0].standing);
    } else {
        hint_fill(c, run);
    }
    run->alone = quorums_state(&run->quorums) != QUORUM_IMPOSSIBLE;
    if (run->alone)
        hint_send(c, run);
    return run->alone;
}

void hint_half(struct coord *c, struct run *run)
{
    if (run->held || run->alone)
        return;
    if (run->forwarded) {
        (void)hint_alone(c, run);
        return;
    }
    for (size_t i = 0; i < run->targets && is_sloppy(c, run); i++) {
        if (run->target[i].state != REPLICA_WAITING || run->target[i].keeper != 0 ||
            !run->target[i].standing.in_now ||
            !quorums_count(&run->quorums, run->target[i].standing))
            continue;
        run->target[i].keeper = find_keeper(c, run, i);
        run->target[i].hint = REPLICA_IDLE;
    }
    hint_send(c, run);
}

bool hint_stands_in(const struct run *run, size_t i)
{
    return run->target[i].keeper != 0 && run->target[i].hint != REPLICA_LOST;
}

/* It keeps nothing: another one, or the target is lost. */
static void lose_keeper(struct coord *c, struct run *run, size_t i)
{
    bool member = run->alone || run->target[i].state == REPLICA_LOST;
    if (run->refused_count < REFUSED_MAX)
        run->refused[run->refused_count++] = run->target[i].keeper;
    run->target[i].hint = REPLICA_LOST;
    node_no next =
        run->level == LEVEL_ANY || run->refused_count == REFUSED_MAX ? 0 : find_keeper(c, run, i);
    if (next != 0) {
        run->target[i].keeper = next;
        run->target[i].hint = REPLICA_IDLE;
        hint_send(c, run);
    } else if (member) {
        quorums_lose(&run->quorums, run->target[i].standing);
    }
    run_decide(c, run);
}

void hint_kept(struct coord *c, struct run *run, node_no from, enum err err)
{
    for (size_t i = 0; i < run->targets && !run->held; i++) {
        if (run->target[i].keeper != from || run->target[i].hint != REPLICA_WAITING)
            continue;
        if (err != ERR_OK) {
            run->hints_full |= err == ERR_OVERLOADED;
            lose_keeper(c, run, i);
            return;
        }
        run->target[i].hint = REPLICA_ACKED;
        if (run->target[i].state == REPLICA_ACKED && !run->alone)
            return;
        run->hinted++;
        quorums_ack(&run->quorums, run->target[i].standing);
        run_decide(c, run);
        return;
    }
}

bool hint_peer_lost(struct coord *c, struct run *run, node_no node)
{
    for (size_t i = 0; i < run->targets && !run->held; i++) {
        if (run->target[i].keeper == node && run->target[i].hint == REPLICA_WAITING) {
            lose_keeper(c, run, i); /* a node keeps for one; the run may be gone */
            return true;
        }
    }
    return false;
}

/* --- keeping, for ourselves and for others */

static void answer(struct coord *c, node_no to, uint64_t request, enum err err)
{
    struct wire_message m = {.type = WIRE_HINT_KEPT};
    m.hint_kept = (struct wire_hint_kept){request, (uint32_t)err};
    coord_send(c, to, &m);
}

static enum err keep(struct coord *c, const struct wire_hint_keep *m, struct arena *arena,
                     uint64_t ticket)
{
    struct hint h = {.target = m->target,
                     .any = m->any,
                     .keyspace = m->keyspace,
                     .since = m->since != 0 ? m->since : c->now.wall};
    if (c->self.node == 0)
        return ERR_UNAVAILABLE;
    if (c->config.no_hints || (m->target == cluster_self(c->cluster) && !m->any) ||
        part_decode(m->part, arena, &h.part) != ERR_OK || !part_is_placed(&h.part) ||
        supersede_decode(m->supersede, arena, &h.supersede) != ERR_OK)
        return ERR_INVALID;
    size_t size = hints_size(&h, m->part.len + m->supersede.len);
    enum err err = hints_check(&c->hints, m->target, size, c->now.wall);
    const struct placement *p = cluster_placement(c->cluster, m->keyspace);
    if (err == ERR_OK)
        err = hints_put(&c->hints, &h, ticket);
    if (err == ERR_OVERLOADED && p != NULL)
        refused(c, m->keyspace, ring_range_of(h.part.token, p->ranges), m->target);
    return err;
}

void hint_keep(struct coord *c, struct now now, node_no from, const struct wire_hint_keep *m)
{
    struct arena arena = {0};
    uint64_t ticket = COORD_TICKET | ++c->tickets;
    struct applying a = {
        .hint = true, .peer = from, .request = m->request, .trace = tracing_session(&c->trace)};
    tracing_say(&c->trace, "Keeping a hint of %zu bytes", m->part.len);
    map_put(&c->applying_by_ticket, ticket, mem_copy(&a, sizeof a));
    enum err err = keep(c, m, &arena, ticket);
    arena_close(&arena);
    if (err != ERR_OK) {
        mem_free(map_remove(&c->applying_by_ticket, ticket));
        c->stats.hints_refused++;
        answer(c, from, m->request, err);
        return;
    }
    c->stats.hints_kept++;
    deliver_arm(c, now);
    if (MUTANT(hint_undurable))
        coord_durable(c, now, ticket, ERR_OK);
}

void hint_durable(struct coord *c, const struct applying *a, enum err err)
{
    answer(c, a->peer, a->request, err);
}

/* --- what others see */

size_t coord_hints(const struct coord *c)
{
    return hints_count(&c->hints);
}

size_t coord_hints_bytes(const struct coord *c)
{
    return hints_bytes(&c->hints);
}

uint64_t coord_hints_merged(const struct coord *c)
{
    return c->hints.merged;
}

uint64_t coord_hints_damaged(const struct coord *c)
{
    return c->hints.damaged;
}
