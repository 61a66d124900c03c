/* members.c - a metadata member that is dead for long makes way for another node.
 *
 * Each member looks at what gossip says of the others. One that has been dead for a minute
 * (metadata_away_after) is AWAY, one that is AWAY and has lived for as long is HERE: entries of the
 * log, one node each, so that all agree on who votes in the next slot. The members say it in turn,
 * by their numbers: the first one that lives, and each further one only when the entry has not come
 * a little later.
 *
 * An entry is judged against the one before it (away_epoch): what a member thinks of two others it
 * says of one, and looks again. Nothing is said while most members are dead, for nothing could be
 * decided.
 */
#include "node/meta/internal.h"

#include <stdio.h>

void members_say_down(const struct meta *m, char *text, size_t size)
{
    const struct topology *t = &m->state.topology;
    char at[ENDPOINT_TEXT_SIZE];
    size_t used = (size_t)snprintf(text, size, "only %u of %u metadata members are up:",
                                   (unsigned)wanted_members_alive(m), (unsigned)t->members_count);
    for (uint32_t i = 0; i < t->members_count && used < size; i++) {
        const struct topology_node *n = topology_find(t, t->members[i]);
        const struct peer *p = map_get(&m->peers, n->node);
        if (p != NULL && p->dead)
            used += (size_t)snprintf(text + used, size - used, " start node %u (%s) again,",
                                     (unsigned)n->node, endpoint_text(&n->info.endpoint, at));
    }
    if (used < size)
        snprintf(text + used, size - used,
                 " or see torc help metadata when they are lost for ever");
}

/* How many members come before us: those that we believe alive. */
static uint32_t rank_of(const struct meta *m)
{
    const struct topology *t = &m->state.topology;
    uint32_t rank = 0;
    for (uint32_t i = 0; i < t->members_count && t->members[i] < m->self; i++) {
        const struct peer *p = map_get(&m->peers, t->members[i]);
        rank += p == NULL || !p->dead;
    }
    return rank;
}

static bool may_judge(const struct meta *m)
{
    const struct topology *t = &m->state.topology;
    return m->phase == META_READY && !m->is_judging && topology_is_member(t, m->self) &&
           wanted_members_alive(m) * 2 > t->members_count && wanted_has_room(m);
}

/* When it is our turn to say of the node what it is: USEC_NEVER while the log is right. */
static usec due(const struct meta *m, const struct topology_node *n)
{
    const struct peer *p = map_get(&m->peers, n->node);
    bool dead = p != NULL && p->dead;
    if (n->state == NODE_LEFT || n->lost || n->node == m->self || dead == n->away ||
        (dead && !topology_is_member(&m->state.topology, n->node)))
        return USEC_NEVER;
    usec since = p != NULL && p->since > m->started_at ? p->since : m->started_at;
    usec at = since + m->away_us + rank_of(m) * AWAY_RANK_US;
    return at > m->judge_at ? at : m->judge_at;
}

static const struct topology_node *first_due(const struct meta *m, usec *ret_at)
{
    const struct topology *t = &m->state.topology;
    const struct topology_node *first = NULL;
    *ret_at = USEC_NEVER;
    for (size_t i = 0; i < t->count && may_judge(m); i++) {
        usec at = due(m, &t->nodes[i]);
        if (at >= *ret_at)
            continue;
        *ret_at = at;
        first = &t->nodes[i];
    }
    return first;
}

usec members_next(const struct meta *m)
{
    usec at;
    (void)first_due(m, &at);
    return at;
}

void members_deadline(struct meta *m)
{
    usec at;
    struct buf command;
    const struct topology_node *n = first_due(m, &at);
    if (n == NULL || m->now.mono < at)
        return;
    buf_init(&command, COMMAND_MAX);
    command_away(n->node, !n->away, m->state.topology.away_epoch, &command);
    m->is_judging = true;
    wanted_away(m, buf_bytes(&command));
    buf_close(&command);
}

void members_answered(struct meta *m, enum err err)
{
    m->is_judging = false;
    m->judge_at = m->now.mono + (err == ERR_OK ? 0 : AWAY_AGAIN_US);
}
