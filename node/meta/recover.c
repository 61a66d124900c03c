/* recover.c - going on without a majority that is lost for ever, because a person says so.
 *
 *             every node that is left has answered, no lost one has to any of them
 *   ASKING ------------------------------------------------------------------> DECIDING
 *      |                                                                           |
 *      +--> REFUSED: a majority is there, or one that was named, or one is         +--> DONE
 *           neither named nor there                                   20 s, or another: REFUSED
 *
 * What is left to agree is a ballot like any other, for the slot after the last one that any of
 * them has applied, but its acceptors are all nodes that are left, members or not, and all of them
 * must promise, and accept. So what any of them has accepted for that slot, by a ballot of the lost
 * members, is seen and is decided first, as Paxos has it: it may have been decided, and be known to
 * a client. RECOVER is the entry after it. And so two people who recover at once, at two nodes,
 * come to one entry: the acceptors of the one and of the other have at least one in common.
 *
 * All of them and not only the members: a node that is no member may have applied an entry that no
 * other one knows of. One that is merely down would come back with it, to a log that has another
 * entry there. It has to be started, or named.
 *
 * What the lost members have decided and none of these knows of is gone: that is what is given up.
 * They are not heard again (generation.c).
 */
#include "node/meta/internal.h"

#include "base/mutant.h"

#include <stdio.h>
#include <string.h>

#define RECOVER_ASK_US    (2 * USEC_PER_SEC)
#define RECOVER_ASK_AGAIN (200 * USEC_PER_MS)
#define RECOVER_MOST_US   (20 * USEC_PER_SEC)

static bool is_named(const struct recovery *r, node_no node)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->lost[i] == node)
            return true;
    }
    return false;
}

/* It is to take part: it has not left, now or before, and is not named. */
static bool is_left(const struct meta *m, const struct topology_node *n)
{
    return n->state != NODE_LEFT && !n->lost && !is_named(&m->recovery, n->node);
}

static const struct peer *peer_of(const struct meta *m, node_no node)
{
    return map_get(&m->peers, node);
}

static bool has_answered(const struct meta *m, node_no node, usec since)
{
    const struct peer *p = peer_of(m, node);
    return node == m->self || (p != NULL && p->heard_at >= since);
}

static void finish(struct meta *m, enum meta_recovery_state state)
{
    bool is_ours = m->recovery.state == META_RECOVERY_DECIDING;
    m->recovery.state = state;
    if (is_ours && m->proposer.phase != PAXOS_IDLE)
        paxos_stop(&m->proposer);
    proposing_pump(m);
}

static void refuse(struct meta *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct meta *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(m->recovery.text, sizeof m->recovery.text, format, args);
    va_end(args);
    finish(m, META_RECOVERY_REFUSED);
}

/* --- being asked for it */

static enum err name_lost(struct meta *m, struct recovery *r, const struct uuid *host,
                          struct errmsg *reterr)
{
    char text[UUID_TEXT_SIZE];
    const struct topology_node *n = topology_find_host(&m->state.topology, host);
    if (n == NULL || n->state == NODE_LEFT)
        return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node of the host id %s",
                          uuid_text(host, text));
    if (n->node == m->self)
        return errmsg_set(reterr, ERR_INVALID, "node %u is the one that you ask",
                          (unsigned)n->node);
    if (n->lost)
        return errmsg_set(reterr, ERR_INVALID, "node %u was given up before", (unsigned)n->node);
    size_t at = 0;
    while (at < r->count && r->lost[at] < n->node)
        at++;
    if (at < r->count && r->lost[at] == n->node)
        return ERR_OK; /* named twice */
    memmove(&r->lost[at + 1], &r->lost[at], (r->count - at) * sizeof r->lost[0]);
    r->lost[at] = n->node;
    r->count++;
    return ERR_OK;
}

enum err meta_recover(struct meta *m, const struct uuid *lost, size_t count, struct errmsg *reterr)
{
    struct recovery r = {.state = META_RECOVERY_ASKING};
    size_t left = 0;
    if (m->phase != META_READY)
        return errmsg_set(reterr, ERR_UNAVAILABLE, "this node is not in the cluster yet");
    if (m->recovery.state == META_RECOVERY_ASKING || m->recovery.state == META_RECOVERY_DECIDING)
        return errmsg_set(reterr, ERR_CLOSED, "a recovery is under way at this node");
    if (count == 0 || count > META_LOST_MAX)
        return errmsg_set(reterr, ERR_INVALID, "name 1 to %d lost nodes by their host ids",
                          META_LOST_MAX);
    for (size_t i = 0; i < count; i++) {
        enum err err = name_lost(m, &r, &lost[i], reterr);
        if (err != ERR_OK)
            return err;
    }
    for (size_t i = 0; i < m->state.topology.count; i++)
        left += m->state.topology.nodes[i].state != NODE_LEFT;
    if (left > PAXOS_ACCEPTORS_MAX)
        return errmsg_set(reterr, ERR_TOO_BIG, "more than %d nodes", PAXOS_ACCEPTORS_MAX);
    r.id = rng_uuid(&m->rng);
    r.request = rng_next(&m->rng);
    r.recoveries = m->state.topology.recoveries;
    m->recovery = r;
    return ERR_OK;
}

struct meta_recovery meta_recovery(const struct meta *m)
{
    return (struct meta_recovery){m->recovery.state, m->recovery.text};
}

/* --- asking */

static struct bytes lost_bytes(struct meta *m)
{
    uint8_t *out = arena_alloc(&m->arena, 4 * META_LOST_MAX);
    for (size_t i = 0; i < m->recovery.count; i++)
        store_u32(out + 4 * i, m->recovery.lost[i]);
    return bytes_make(out, 4 * m->recovery.count);
}

static void ask_all(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    struct wire_message w = {.type = WIRE_META_LOST};
    w.meta_lost.cluster = m->cluster;
    w.meta_lost.request = m->recovery.request;
    w.meta_lost.lost = lost_bytes(m);
    m->recovery.retry = m->now.mono + RECOVER_ASK_AGAIN;
    for (size_t i = 0; i < t->count; i++) {
        if (!meta_talks_to(m, &t->nodes[i]) || t->nodes[i].lost)
            continue;
        if (is_left(m, &t->nodes[i]))
            effect_send(m, &t->nodes[i].info.endpoint, &w);
        else
            catchup_say(m, &t->nodes[i].info.endpoint, true);
    }
}

/* Somebody wants to know whether these are lost for us, too: we ask them. What we have heard since
 * the first question is told with the answer to a later one. */
void recover_asked(struct meta *m, const struct endpoint *from, const struct wire_meta_lost *w)
{
    const struct topology *t = &m->state.topology;
    struct wire_message answer = {.type = WIRE_META_LOST_TOLD};
    if (m->self == 0 || w->lost.len % 4 != 0 || w->lost.len > 4 * META_LOST_MAX)
        return;
    bool is_new = m->probed != w->request;
    m->probed = w->request;
    m->probed_at = is_new ? m->now.mono : m->probed_at;
    for (size_t i = 0; i < w->lost.len; i += 4) {
        const struct topology_node *n = topology_find(t, load_u32(w->lost.data + i));
        if (n == NULL || !meta_talks_to(m, n))
            continue;
        if (has_answered(m, n->node, m->probed_at))
            answer.meta_lost_told.reaches = n->node;
        else
            catchup_say(m, &n->info.endpoint, true);
    }
    answer.meta_lost_told.cluster = m->cluster;
    answer.meta_lost_told.request = w->request;
    effect_send(m, from, &answer);
}

void recover_told(struct meta *m, node_no from, const struct wire_meta_lost_told *w)
{
    struct peer *p = catchup_peer(m, from);
    if (m->recovery.state != META_RECOVERY_ASKING || w->request != m->recovery.request || p == NULL)
        return;
    p->recovery = w->request;
    p->reaches = w->reaches;
}

/* Most members are there: nothing needs to be recovered. */
static bool is_majority_there(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    uint32_t there = 0;
    for (uint32_t i = 0; i < t->members_count; i++)
        there += has_answered(m, t->members[i], m->recovery.begun);
    if (there * 2 <= t->members_count || MUTANT(recover_over_majority))
        return false;
    refuse(m, "%u of %u metadata members answer: they can decide, nothing is to be recovered",
           (unsigned)there, (unsigned)t->members_count);
    return true;
}

static bool is_named_one_there(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    for (size_t i = 0; i < t->count; i++) {
        const struct peer *p = peer_of(m, t->nodes[i].node);
        if (is_named(&m->recovery, t->nodes[i].node) &&
            has_answered(m, t->nodes[i].node, m->recovery.begun)) {
            refuse(m, "node %u answers, it is not lost", (unsigned)t->nodes[i].node);
            return true;
        }
        if (p != NULL && p->recovery == m->recovery.request && p->reaches != 0) {
            refuse(m, "node %u answers node %u, it is not lost", (unsigned)p->reaches,
                   (unsigned)t->nodes[i].node);
            return true;
        }
    }
    return false;
}

static bool is_unnamed_away(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    char host[UUID_TEXT_SIZE], at[ENDPOINT_TEXT_SIZE];
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *n = &t->nodes[i];
        const struct peer *p = peer_of(m, n->node);
        if (!is_left(m, n) || n->node == m->self ||
            (p != NULL && p->recovery == m->recovery.request) || MUTANT(recover_without_some))
            continue;
        refuse(m,
               "node %u (%s, host id %s) does not answer and is not named as lost: it may know of "
               "a change that nobody else does. Start it, or name it",
               (unsigned)n->node, endpoint_text(&n->info.endpoint, at),
               uuid_text(&n->info.host_id, host));
        return true;
    }
    return false;
}

/* Somebody has applied more: we fetch it, and so do the others. */
static bool is_behind(const struct meta *m)
{
    const struct topology *t = &m->state.topology;
    for (size_t i = 0; i < t->count; i++) {
        const struct peer *p = peer_of(m, t->nodes[i].node);
        if (p != NULL && is_left(m, &t->nodes[i]) && p->applied > metalog_applied(m))
            return true;
    }
    return false;
}

static void judge(struct meta *m)
{
    if (is_majority_there(m) || is_named_one_there(m) || is_unnamed_away(m))
        return;
    if (is_behind(m) && m->now.mono < m->recovery.begun + RECOVER_MOST_US / 2) {
        m->recovery.until = m->now.mono + RECOVER_ASK_AGAIN;
        return;
    }
    m->recovery.state = META_RECOVERY_DECIDING;
    m->recovery.until = m->now.mono + RECOVER_MOST_US;
    proposing_anew(m);
}

/* --- deciding */

bool recover_is_deciding(const struct meta *m)
{
    return m->recovery.state == META_RECOVERY_DECIDING;
}

size_t recover_entry(struct meta *m, struct buf *out, node_no *ret_acceptors)
{
    const struct topology *t = &m->state.topology;
    struct command c = {.kind = COMMAND_RECOVER, .epoch = (uint64_t)t->recoveries + 1};
    size_t count = 0;
    c.lost = lost_bytes(m);
    entry_encode(&m->recovery.id, &c, out);
    for (size_t i = 0; i < t->count && count < PAXOS_ACCEPTORS_MAX; i++) {
        if (is_left(m, &t->nodes[i]))
            ret_acceptors[count++] = t->nodes[i].node;
    }
    return count;
}

static bool all_named_are_lost(const struct meta *m)
{
    for (size_t i = 0; i < m->recovery.count; i++) {
        if (!topology_find(&m->state.topology, m->recovery.lost[i])->lost)
            return false;
    }
    return true;
}

void recover_applied(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    const struct result *r = state_result(&m->state, &m->recovery.id);
    if (m->recovery.state != META_RECOVERY_ASKING && m->recovery.state != META_RECOVERY_DECIDING)
        return;
    if (r != NULL && r->err != ERR_OK)
        refuse(m, "%s", r->message);
    else if (t->recoveries == m->recovery.recoveries)
        return; /* what was accepted before; ours is next */
    else if (all_named_are_lost(m))
        finish(m, META_RECOVERY_DONE);
    else
        refuse(m, "generation %u has begun meanwhile, without other nodes than these",
               (unsigned)t->recoveries);
}

static void give_up(struct meta *m)
{
    refuse(m,
           "not all of the nodes that are left have agreed in %d s; look at torc metadata, and "
           "ask again",
           (int)(RECOVER_MOST_US / USEC_PER_SEC));
}

void recover_deadline(struct meta *m)
{
    struct recovery *r = &m->recovery;
    if (m->now.mono < recover_next(m))
        return;
    if (r->state == META_RECOVERY_DECIDING) {
        give_up(m);
        return;
    }
    if (r->begun == 0) {
        r->begun = m->now.mono;
        r->until = m->now.mono + RECOVER_ASK_US;
    }
    if (m->now.mono >= r->until)
        judge(m);
    else
        ask_all(m);
}

usec recover_next(const struct meta *m)
{
    const struct recovery *r = &m->recovery;
    if (r->state == META_RECOVERY_DECIDING)
        return r->until;
    if (r->state != META_RECOVERY_ASKING)
        return USEC_NEVER;
    return r->retry < r->until ? r->retry : r->until;
}
