#include "gossip/internal.h"

#include "base/mutant.h"

#include <string.h>

/* One forged message must not push an incarnation so high that its owner is shut out for ever. */
static bool plausible(struct gossip *g, uint64_t incarnation)
{
    usec wall = g->now.wall > 0 ? g->now.wall : 0;
    if (incarnation <= (uint64_t)wall + (uint64_t)GOSSIP_AHEAD_MAX)
        return true;
    g->counters.implausible++;
    return false;
}

void members_refute(struct gossip *g, uint64_t accused)
{
    struct gossip_member *m = &g->self->m;
    if (MUTANT(no_refutation))
        return;
    m->incarnation = (accused > m->incarnation ? accused : m->incarnation) + 1;
    g->touched = true;
    g->counters.refutations++;
    probe_health(g, 1);
    trace(g->tracer, g->now, "accused at incarnation %llu -> alive at %llu",
          (unsigned long long)accused, (unsigned long long)m->incarnation);
    spread_alive(g, g->self);
}

static bool same_content(const struct gossip_member *a, const struct gossip_member *b)
{
    return endpoint_equal(&a->addr, &b->addr) && endpoint_equal(&a->cql, &b->cql) &&
           a->http_port == b->http_port && bytes_equal(a->dc, b->dc) &&
           bytes_equal(a->rack, b->rack) && bytes_equal(a->release, b->release) &&
           a->generation == b->generation && a->app.epoch == b->app.epoch &&
           a->app.node_no == b->app.node_no && a->app.phase == b->app.phase &&
           a->app.load == b->app.load && bytes_equal(a->app.blob, b->app.blob);
}

/* A former life of ours, a forgery, or a second process with our host id. */
static void claim_about_us(struct gossip *g, const struct gossip_member *claim)
{
    const struct gossip_member *m = &g->self->m;
    if (g->leaving || claim->incarnation < m->incarnation)
        return;
    if (claim->incarnation == m->incarnation && same_content(claim, m))
        return;
    members_refute(g, claim->incarnation);
}

/* May `claim` be believed beside what others hold? The old claimant wins while it is reachable. */
static bool contested(struct gossip *g, const struct node *n, const struct gossip_member *claim)
{
    bool bad = members_holder(g, &claim->addr, n) != NULL;
    if (n != NULL && members_reachable(n)) {
        bad |= claim->generation < n->m.generation;
        bad |= claim->generation == n->m.generation && !endpoint_equal(&claim->addr, &n->m.addr);
    }
    if (bad) {
        char who[UUID_TEXT_SIZE], where[ENDPOINT_TEXT_SIZE];
        g->counters.conflicts++;
        trace(g->tracer, g->now, "%s claims %s, held by a living member -> refused",
              uuid_text(&claim->host_id, who), endpoint_text(&claim->addr, where));
    }
    return bad;
}

static struct node *admit(struct gossip *g, const struct gossip_member *claim,
                          enum gossip_state state, usec since)
{
    if (g->count >= g->config.members_max) {
        g->counters.overfull++;
        return NULL;
    }
    struct node *n = members_insert(g, claim, state, since);
    char who[UUID_TEXT_SIZE], where[ENDPOINT_TEXT_SIZE];
    trace(g->tracer, g->now, "heard of %s at %s -> %s", uuid_text(&n->m.host_id, who),
          endpoint_text(&n->m.addr, where), gossip_state_text(state));
    gossip_emit_member(g, n, GOSSIP_JOINED, state);
    return n;
}

void members_claim_alive(struct gossip *g, const struct gossip_member *claim)
{
    if (!plausible(g, claim->incarnation))
        return;
    if (uuid_equal(&claim->host_id, &g->self->m.host_id)) {
        claim_about_us(g, claim);
        return;
    }
    struct node *n = members_find(g, &claim->host_id);
    bool is_old = n != NULL && claim->incarnation <= n->m.incarnation;
    if ((is_old && !MUTANT(stale_incarnation)) || contested(g, n, claim))
        return;
    if (MUTANT(dead_for_ever) && n != NULL && n->m.state == GOSSIP_DEAD)
        return;
    if (n == NULL) {
        n = admit(g, claim, GOSSIP_ALIVE, g->now.mono);
        if (n == NULL)
            return;
    } else {
        bool same = same_content(&n->m, claim);
        members_copy_claim(g, n, claim);
        g->touched = true;
        if (n->m.state != GOSSIP_ALIVE)
            members_set_state(g, n, GOSSIP_ALIVE);
        else if (!same)
            gossip_emit_member(g, n, GOSSIP_UPDATED, GOSSIP_ALIVE);
    }
    members_displace(g, &n->m.addr, n);
    if (!g->old_news)
        spread_alive(g, n);
}

struct gossip_message members_accusation(const struct node *n, const struct uuid *accuser)
{
    struct gossip_message m;
    memset(&m, 0, sizeof m);
    m.type = n->m.state == GOSSIP_SUSPECT ? GOSSIP_TELL_SUSPECT : GOSSIP_TELL_DEAD;
    m.host_id = n->m.host_id;
    m.incarnation = n->m.incarnation;
    m.accuser = n->m.state == GOSSIP_LEFT ? n->m.host_id : *accuser;
    return m;
}

void members_spread_accusation(struct gossip *g, struct node *n, const struct uuid *accuser)
{
    struct gossip_message m = members_accusation(n, accuser);
    spread_update(g, n, &m);
}

void members_claim_suspect(struct gossip *g, const struct uuid *host_id, uint64_t incarnation,
                           const struct uuid *accuser)
{
    struct node *n = members_find(g, host_id);
    if (n == NULL || incarnation < n->m.incarnation || !plausible(g, incarnation))
        return;
    if (n == g->self) {
        if (!g->leaving)
            members_refute(g, incarnation);
        return;
    }
    if (!members_reachable(n))
        return;
    n->m.incarnation = incarnation;
    g->touched = true;
    if (n->m.state == GOSSIP_SUSPECT) {
        suspect_confirm(g, n, accuser);
        return;
    }
    suspect_begin(g, n, accuser);
    members_set_state(g, n, GOSSIP_SUSPECT);
    members_spread_accusation(g, n, accuser);
}

void members_bury(struct gossip *g, struct node *n, const struct uuid *accuser)
{
    bool left = uuid_equal(accuser, &n->m.host_id);
    if (!left)
        g->counters.deaths++;
    members_set_state(g, n, left ? GOSSIP_LEFT : GOSSIP_DEAD);
    if (members_address_lives(g, &n->m.addr))
        n->m.displaced = true;
    members_spread_accusation(g, n, accuser);
}

void members_claim_dead(struct gossip *g, const struct uuid *host_id, uint64_t incarnation,
                        const struct uuid *accuser)
{
    struct node *n = members_find(g, host_id);
    if (n == NULL || incarnation < n->m.incarnation || !plausible(g, incarnation))
        return;
    if (n == g->self) {
        if (!g->leaving)
            members_refute(g, incarnation);
        return;
    }
    if (n->m.state == GOSSIP_LEFT || (n->m.state == GOSSIP_DEAD && !uuid_equal(accuser, host_id)))
        return;
    n->m.incarnation = incarnation;
    members_bury(g, n, accuser);
}

/* What they hold for dead may be alive here: we only suspect it, so that it can still refute. */
void members_merge(struct gossip *g, const struct gossip_member *theirs, uint32_t age_s,
                   const struct uuid *from)
{
    struct node *n = members_find(g, &theirs->host_id);
    bool dead = theirs->state == GOSSIP_DEAD || theirs->state == GOSSIP_LEFT;
    if (n == g->self && g->leaving)
        return;
    if (dead && (n == NULL || !members_reachable(n))) {
        /* The dead are taken over with their age, else two nodes would remind each other for ever
         * of members that both were about to forget. */
        usec age = (usec)age_s * USEC_PER_SEC;
        if (!plausible(g, theirs->incarnation))
            return;
        if (n == NULL && age < members_keep(g, theirs->state))
            n = admit(g, theirs, theirs->state, g->now.mono - age);
        else if (n != NULL && theirs->incarnation > n->m.incarnation)
            members_copy_claim(g, n, theirs);
        if (n != NULL && theirs->state == GOSSIP_LEFT)
            members_claim_dead(g, &theirs->host_id, theirs->incarnation, &theirs->host_id);
        if (n != NULL)
            n->m.displaced = members_address_lives(g, &n->m.addr);
        return;
    }
    members_claim_alive(g, theirs);
    if (theirs->state == GOSSIP_LEFT)
        members_claim_dead(g, &theirs->host_id, theirs->incarnation, &theirs->host_id);
    else if (theirs->state != GOSSIP_ALIVE)
        members_claim_suspect(g, &theirs->host_id, theirs->incarnation, from);
}
