#include "gossip/internal.h"

static void arm(struct gossip *g, struct suspicion *s)
{
    usec min = gossip_suspicion_min(g->config.suspicion_mult, g->live, g->config.probe_interval_us);
    s->until = s->since + gossip_suspicion_timeout(min, s->have, s->want);
}

void suspect_begin(struct gossip *g, struct node *n, const struct uuid *accuser)
{
    ASSERT(n->suspicion == NULL);
    struct suspicion *s = mem_new(struct suspicion);
    unsigned want = gossip_runs(g, GOSSIP_CONFIRMATION)
                        ? gossip_suspicion_confirmations(g->config.suspicion_mult, g->live)
                        : 0;
    s->node = n;
    s->want = want > GOSSIP_CONFIRM_MAX ? GOSSIP_CONFIRM_MAX : want;
    s->accusers[0] = *accuser;
    s->since = g->now.mono;
    arm(g, s);
    n->suspicion = s;
    g->suspicions =
        mem_grow(g->suspicions, g->suspicion_count, &g->suspicion_cap, sizeof(struct suspicion *));
    g->suspicions[g->suspicion_count++] = s;
    g->counters.suspicions++;
}

void suspect_end(struct gossip *g, struct node *n)
{
    struct suspicion *s = n->suspicion;
    if (s == NULL)
        return;
    size_t at = 0;
    while (g->suspicions[at] != s)
        at++;
    g->suspicion_count--;
    for (; at < g->suspicion_count; at++)
        g->suspicions[at] = g->suspicions[at + 1];
    n->suspicion = NULL;
    mem_free(s);
}

void suspect_confirm(struct gossip *g, struct node *n, const struct uuid *accuser)
{
    struct suspicion *s = n->suspicion;
    for (unsigned i = 0; i <= s->have; i++) {
        if (uuid_equal(&s->accusers[i], accuser))
            return;
    }
    if (s->have >= s->want)
        return;
    s->accusers[++s->have] = *accuser;
    usec before = s->until;
    arm(g, s);
    if (s->asked || s->until > before) /* the last word is due, or the cluster grew */
        s->until = before;
    members_spread_accusation(g, n, accuser);
}

static bool last_word_over(const struct gossip *g, const struct suspicion *s)
{
    return s->asked || !gossip_runs(g, GOSSIP_LAST_WORD);
}

/* Gossip may have passed us by: before the verdict the suspect itself is asked over TCP, with the
 * accusation, and has a probe timeout to refute. So a lost refutation does not kill. */
static usec ask_at(const struct gossip *g, const struct suspicion *s)
{
    return last_word_over(g, s) ? s->until : s->until - g->config.probe_interval_us;
}

void suspect_expire(struct gossip *g)
{
    for (size_t i = 0; i < g->suspicion_count;) {
        struct suspicion *s = g->suspicions[i];
        if (ask_at(g, s) > g->now.mono) {
            i++;
        } else if (last_word_over(g, s)) {
            /* the verdict ends the suspicion: the next one has its place */
            members_bury(g, s->node, &g->self->m.host_id);
        } else {
            s->asked = true;
            usec least = g->now.mono + g->config.probe_timeout_us;
            s->until = s->until > least ? s->until : least;
            probe_last_word(g, s->node);
            i++;
        }
    }
}

void suspect_postpone(struct gossip *g, usec late)
{
    for (size_t i = 0; i < g->suspicion_count; i++) {
        struct suspicion *s = g->suspicions[i];
        s->since += late;
        s->until = probe_postponed(g, s->until, late);
    }
}

usec suspect_next(const struct gossip *g)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; i < g->suspicion_count; i++) {
        usec at = ask_at(g, g->suspicions[i]);
        next = at < next ? at : next;
    }
    return next;
}
