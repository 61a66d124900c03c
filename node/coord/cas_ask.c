/* Whom a session asks, and counting what they say. */
#include "node/coord/cas_core.h"

#include "base/mutant.h"

#include <string.h>

/* FNV-1a over numbers. */
static uint64_t mix(uint64_t hash, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        hash ^= v >> (8 * i) & 0xff;
        hash *= UINT64_C(1099511628211);
    }
    return hash;
}

static uint64_t mix_set(uint64_t hash, struct replicas r)
{
    hash = mix(hash, r.count);
    for (uint32_t i = 0; i < r.count; i++)
        hash = mix(hash, r.node[i]);
    return hash;
}

/* Who counts, as one number: two nodes that differ in it could find quorums that do not meet. */
uint64_t cas_electorate(struct coord *c, keyspace_no keyspace, token place)
{
    const struct placement *p = cluster_placement(c->cluster, keyspace);
    uint64_t hash = UINT64_C(14695981039346656037);
    if (p == NULL)
        return 0;
    range_no range = ring_range_of(place, p->ranges);
    bool joint = placement_needs_later(p, range);
    hash = mix(mix_set(hash, placement_replicas(p, range)), joint);
    return joint ? mix_set(hash, placement_later(p, range)) : hash;
}

static void add_targets(struct coord *c, struct cas *s, struct replicas replicas, bool later)
{
    for (uint32_t i = 0; i < replicas.count; i++) {
        size_t at = 0;
        while (at < s->targets && s->target[at].node != replicas.node[i])
            at++;
        if (at == REPLICAS_MAX)
            return;
        if (at == s->targets) {
            const struct cluster_node *n = cluster_find(c->cluster, replicas.node[i]);
            s->target[s->targets++] = (struct cas_target){
                .node = replicas.node[i], .standing.dc = n != NULL ? n->dc_index : 0};
        }
        s->target[at].standing.in_now |= !later;
        s->target[at].standing.in_later |= later;
    }
}

enum err cas_plan(struct coord *c, struct cas *s)
{
    struct quorum_plan needed;
    const struct placement *p = cluster_placement(c->cluster, s->request.keyspace);
    if (p == NULL || c->self.node == 0)
        return ERR_UNAVAILABLE;
    range_no range = ring_range_of(s->request.scan.token, p->ranges);
    if (!cluster_quorum_plan(c->cluster, s->request.keyspace, range, s->request.serial, &needed))
        return ERR_UNAVAILABLE;
    if (cluster_table_is_gone(c->cluster, s->request.scan.table))
        return ERR_FAILED;
    needed.joint = needed.joint && !MUTANT(cas_old_set_only);
    s->planned = needed.planned;
    s->electorate = cas_electorate(c, s->request.keyspace, s->request.scan.token);
    s->targets = 0;
    quorums_init(&s->quorums, &needed);
    add_targets(c, s, placement_replicas(p, range), false);
    if (needed.joint)
        add_targets(c, s, placement_later(p, range), true);
    for (size_t i = 0; i < s->targets; i++) {
        struct cas_target *t = &s->target[i];
        t->state = REPLICA_LOST;
        if (!cluster_is_alive(c->cluster, t->node) || !quorums_count(&s->quorums, t->standing))
            continue;
        t->state = REPLICA_IDLE;
        quorums_member(&s->quorums, t->standing);
    }
    return quorums_state(&s->quorums) != QUORUM_IMPOSSIBLE ? ERR_OK : ERR_UNAVAILABLE;
}

static uint64_t left_us(const struct cas *s, struct now now)
{
    usec left = s->deadline.timer.at - now.mono;
    return left > 0 ? (uint64_t)left : 0;
}

void cas_keep(struct coord *c, struct cas *s, size_t bytes)
{
    s->bytes += bytes;
    c->in_flight += bytes;
}

/* Rows come from one, ourselves when we are a replica; digests from the others. */
void cas_ask_promises(struct coord *c, struct now now, struct cas *s)
{
    struct buf scan;
    size_t rows_from = s->targets;
    for (size_t i = s->targets; i-- > 0;) {
        if (s->target[i].state == REPLICA_IDLE &&
            (rows_from == s->targets || s->target[rows_from].node != cluster_self(c->cluster)))
            rows_from = i;
    }
    buf_init(&scan, WIRE_MESSAGE_MAX);
    scan_encode(&s->request.scan, &scan);
    struct bytes encoded = arena_copy(&s->attempt->arena, buf_bytes(&scan));
    buf_close(&scan);
    for (size_t i = 0; i < s->targets; i++) {
        if (s->target[i].state != REPLICA_IDLE)
            continue;
        struct wire_message m = {.type = WIRE_CAS_PREPARE};
        m.cas_prepare =
            (struct wire_cas_prepare){s->pending.request, left_us(s, now), s->request.keyspace,
                                      s->electorate,      s->ballot,       s->request.read_only,
                                      i != rows_from,     encoded,         s->planned};
        s->target[i].state = REPLICA_WAITING;
        s->target[i].full = i == rows_from;
        coord_send(c, s->target[i].node, &m);
    }
}

/* To all that were planned for, also those that did not promise: they may accept. */
void cas_ask_accepts(struct coord *c, struct now now, struct cas *s)
{
    s->asked = s->refused = 0;
    s->taken = s->own ? 0 : s->taken;
    quorums_restart(&s->quorums);
    for (size_t i = 0; i < s->targets; i++) {
        struct cas_target *t = &s->target[i];
        t->refused = false;
        if (!quorums_count(&s->quorums, t->standing) || !cluster_is_alive(c->cluster, t->node))
            continue;
        struct wire_message m = {.type = WIRE_CAS_ACCEPT};
        m.cas_accept =
            (struct wire_cas_accept){s->pending.request, left_us(s, now),       s->request.keyspace,
                                     s->electorate,      s->request.scan.table, s->request.scan.key,
                                     s->ballot,          s->value_origin,       s->value,
                                     s->planned};
        t->state = REPLICA_WAITING;
        s->asked++;
        quorums_member(&s->quorums, t->standing);
        coord_send(c, t->node, &m);
    }
}

void cas_tell_done(struct coord *c, struct cas *s)
{
    for (size_t i = 0; i < s->targets; i++) {
        struct wire_message m = {.type = WIRE_CAS_DONE};
        m.cas_done = (struct wire_cas_done){s->request.keyspace, s->request.scan.table,
                                            s->request.scan.key, s->ballot, s->value_origin};
        if (cluster_is_alive(c->cluster, s->target[i].node))
            coord_send(c, s->target[i].node, &m);
    }
}

static struct cas_target *waiting(struct cas *s, node_no from)
{
    for (size_t i = 0; i < s->targets; i++) {
        if (s->target[i].node == from && s->target[i].state == REPLICA_WAITING)
            return &s->target[i];
    }
    return NULL;
}

/* ok: it has done what was asked, but its vote counts for nothing (fence.h). */
static void count_no(struct cas *s, struct cas_target *t, enum err err, bool ok, struct dot highest)
{
    t->state = REPLICA_LOST;
    /* Who counts others will agree once the metadata has gone round: as if it had refused. */
    t->refused = err == ERR_OK || err == ERR_STALE;
    t->took = ok;
    if (!t->refused)
        quorums_fail(&s->quorums, t->standing);
    else
        quorums_lose(&s->quorums, t->standing);
    if (highest.n > s->highest && highest.n < DOT_N_MAX)
        s->highest = highest.n;
}

/* What a promise tells is copied: the message goes. */
static enum err take_promise(struct coord *c, struct cas *s, struct cas_target *t,
                             const struct wire_cas_promise *m)
{
    struct arena *arena = &s->attempt->arena;
    struct cas_register r;
    enum err err = cas_register_decode(arena_copy(arena, m->state), &r);
    if (err == ERR_OK && m->digest.len != sizeof t->digest.b)
        err = ERR_MALFORMED;
    if (err == ERR_OK && t->full)
        err = scan_result_decode(arena_copy(arena, m->result), arena, &t->result);
    if (err != ERR_OK)
        return err;
    cas_keep(c, s, m->state.len + m->result.len);
    memcpy(t->digest.b, m->digest.data, sizeof t->digest.b);
    cas_tally_add(&s->tally, &r);
    return ERR_OK;
}

void cas_on_promise(struct coord *c, struct now now, struct cas *s, node_no from,
                    const struct wire_cas_promise *m)
{
    struct cas_target *t = waiting(s, from);
    enum err err = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    if (t == NULL || s->state != CAS_STATE_PREPARING)
        return;
    if (err == ERR_OK && m->ok)
        err = take_promise(c, s, t, m);
    if (err == ERR_OK && m->ok) {
        t->state = REPLICA_ACKED;
        quorums_ack(&s->quorums, t->standing);
    } else {
        count_no(s, t, err, m->ok, m->highest);
    }
    if (quorums_state(&s->quorums) == QUORUM_ENOUGH)
        cas_promised(c, now, s);
    else if (quorums_state(&s->quorums) == QUORUM_IMPOSSIBLE)
        cas_outvoted(c, now, s);
}

void cas_on_accepted(struct coord *c, struct now now, struct cas *s, node_no from,
                     const struct wire_cas_accepted *m)
{
    struct cas_target *t = waiting(s, from);
    enum err err = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    bool resting = s->state == CAS_STATE_RESTING;
    if (t == NULL || (s->state != CAS_STATE_PROPOSING && !resting))
        return;
    if (err == ERR_OK && m->ok) {
        t->state = REPLICA_ACKED;
        s->taken += s->own;
        quorums_ack(&s->quorums, t->standing);
    } else {
        count_no(s, t, err, m->ok, m->highest);
        s->refused += t->refused && !t->took; /* it has not accepted, and never will */
        if (s->own && s->refused == s->asked)
            s->outstanding = s->outstanding_before;
    }
    if (resting)
        return;
    if (quorums_state(&s->quorums) == QUORUM_ENOUGH)
        cas_accepted(c, now, s);
    else if (quorums_state(&s->quorums) == QUORUM_IMPOSSIBLE)
        cas_outvoted(c, now, s);
}

void cas_peer_lost(struct coord *c, struct now now, struct cas *s, node_no node)
{
    struct cas_target *t = waiting(s, node);
    if (t == NULL || (s->state != CAS_STATE_PREPARING && s->state != CAS_STATE_PROPOSING))
        return;
    t->state = REPLICA_LOST;
    quorums_lose(&s->quorums, t->standing);
    if (quorums_state(&s->quorums) == QUORUM_IMPOSSIBLE)
        cas_outvoted(c, now, s);
}
