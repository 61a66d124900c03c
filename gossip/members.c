#include "gossip/internal.h"

#include "base/mutant.h"

#include <string.h>

static size_t position(const struct gossip *g, const struct uuid *host_id)
{
    size_t low = 0, high = g->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (uuid_compare(&g->nodes[mid]->m.host_id, host_id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct node *members_find(const struct gossip *g, const struct uuid *host_id)
{
    size_t i = position(g, host_id);
    return i < g->count && uuid_equal(&g->nodes[i]->m.host_id, host_id) ? g->nodes[i] : NULL;
}

bool members_reachable(const struct node *n)
{
    return n->m.state == GOSSIP_ALIVE || n->m.state == GOSSIP_SUSPECT;
}

size_t members_live(const struct gossip *g)
{
    size_t live = 0;
    for (size_t i = 0; i < g->count; i++)
        live += members_reachable(g->nodes[i]) ? 1 : 0;
    return live;
}

/* The reachable member other than `except` at this address. */
static struct node *holder(const struct gossip *g, const struct endpoint *addr,
                           const struct node *except)
{
    for (size_t i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        if (n != except && members_reachable(n) && endpoint_equal(&n->m.addr, addr))
            return n;
    }
    return NULL;
}

bool members_address_lives(const struct gossip *g, const struct endpoint *addr)
{
    return holder(g, addr, NULL) != NULL;
}

/* Whoever is not reachable at this address has lost it: it is not asked there any more. */
static void displace(struct gossip *g, const struct endpoint *addr, const struct node *by)
{
    for (size_t i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        if (n != by && !members_reachable(n) && endpoint_equal(&n->m.addr, addr))
            n->m.displaced = true;
    }
}

void members_copy_claim(struct node *n, const struct gossip_member *claim)
{
    enum gossip_state state = n->m.state;
    usec since = n->m.since_mono;
    size_t len = claim->app.blob.len;
    if (len > 0)
        memmove(n->blob, claim->app.blob.data, len);
    n->m = *claim;
    n->m.app.blob = bytes_make(n->blob, len);
    n->m.state = state;
    n->m.since_mono = since;
    n->m.displaced = false;
}

struct node *members_insert(struct gossip *g, const struct gossip_member *claim,
                            enum gossip_state state, usec since)
{
    struct node *n = mem_new(struct node);
    members_copy_claim(n, claim);
    n->m.state = state;
    n->m.since_mono = since;
    size_t at = position(g, &claim->host_id);
    g->nodes = mem_grow(g->nodes, g->count, &g->cap, sizeof(struct node *));
    memmove(g->nodes + at + 1, g->nodes + at, (g->count - at) * sizeof *g->nodes);
    g->nodes[at] = n;
    g->count++;
    g->touched = true;
    if (g->self == NULL)
        return n; /* it is us: not probed */
    g->order = mem_grow(g->order, g->order_count, &g->order_cap, sizeof(struct node *));
    size_t turn = (size_t)rng_below(&g->rng, g->order_count + 1);
    memmove(g->order + turn + 1, g->order + turn, (g->order_count - turn) * sizeof *g->order);
    g->order[turn] = n;
    g->order_count++;
    if (turn < g->order_next)
        g->order_next++;
    return n;
}

void members_remove(struct gossip *g, struct node *n)
{
    ASSERT(n != g->self);
    spread_drop(g, n);
    size_t at = position(g, &n->m.host_id);
    memmove(g->nodes + at, g->nodes + at + 1, (g->count - at - 1) * sizeof *g->nodes);
    g->count--;
    size_t turn = 0;
    while (g->order[turn] != n)
        turn++;
    memmove(g->order + turn, g->order + turn + 1, (g->order_count - turn - 1) * sizeof *g->order);
    g->order_count--;
    if (turn < g->order_next)
        g->order_next--;
    g->gone = mem_grow(g->gone, g->gone_count, &g->gone_cap, sizeof(struct node *));
    g->gone[g->gone_count++] = n;
    g->touched = true;
}

static void set_state(struct gossip *g, struct node *n, enum gossip_state state)
{
    enum gossip_state old = n->m.state;
    char who[UUID_TEXT_SIZE];
    trace(g->tracer, g->now, "%s was %s -> %s at incarnation %llu", uuid_text(&n->m.host_id, who),
          gossip_state_text(old), gossip_state_text(state), (unsigned long long)n->m.incarnation);
    n->m.state = state;
    n->m.since_mono = g->now.mono;
    gossip_emit_member(g, n, GOSSIP_CHANGED, old);
}

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
           a->http_port == b->http_port && strcmp(a->dc, b->dc) == 0 &&
           strcmp(a->rack, b->rack) == 0 && strcmp(a->release, b->release) == 0 &&
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
    bool bad = holder(g, &claim->addr, n) != NULL;
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
        members_copy_claim(n, claim);
        g->touched = true;
        if (n->m.state != GOSSIP_ALIVE)
            set_state(g, n, GOSSIP_ALIVE);
        else if (!same)
            gossip_emit_member(g, n, GOSSIP_UPDATED, GOSSIP_ALIVE);
    }
    displace(g, &n->m.addr, n);
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

static void spread_accusation(struct gossip *g, struct node *n, const struct uuid *accuser)
{
    struct gossip_message m = members_accusation(n, accuser);
    spread_update(g, n, &m);
}

static void arm_suspicion(struct gossip *g, struct node *n)
{
    usec min = gossip_suspicion_min(g->config.suspicion_mult, members_live(g),
                                    g->config.probe_interval_us);
    n->suspect_until = n->suspect_since + gossip_suspicion_timeout(min, n->have, n->want);
}

static void confirm(struct gossip *g, struct node *n, const struct uuid *accuser)
{
    for (unsigned i = 0; i <= n->have; i++) {
        if (uuid_equal(&n->accusers[i], accuser))
            return;
    }
    if (n->have >= n->want)
        return;
    n->accusers[++n->have] = *accuser;
    usec before = n->suspect_until;
    arm_suspicion(g, n);
    if (n->asked || n->suspect_until > before) /* the last word is due, or the cluster grew */
        n->suspect_until = before;
    spread_accusation(g, n, accuser);
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
        confirm(g, n, accuser);
        return;
    }
    unsigned want = gossip_suspicion_confirmations(g->config.suspicion_mult, members_live(g));
    n->want = want > GOSSIP_CONFIRM_MAX ? GOSSIP_CONFIRM_MAX : want;
    n->have = 0;
    n->asked = false;
    n->accusers[0] = *accuser;
    n->suspect_since = g->now.mono;
    arm_suspicion(g, n);
    g->counters.suspicions++;
    set_state(g, n, GOSSIP_SUSPECT);
    spread_accusation(g, n, accuser);
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
    bool left = uuid_equal(accuser, host_id);
    if (n->m.state == GOSSIP_LEFT || (n->m.state == GOSSIP_DEAD && !left))
        return;
    n->m.incarnation = incarnation;
    if (!left)
        g->counters.deaths++;
    set_state(g, n, left ? GOSSIP_LEFT : GOSSIP_DEAD);
    if (members_address_lives(g, &n->m.addr))
        n->m.displaced = true;
    spread_accusation(g, n, accuser);
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
        usec keep =
            theirs->state == GOSSIP_DEAD ? g->config.dead_reclaim_us : g->config.left_reclaim_us;
        if (!plausible(g, theirs->incarnation))
            return;
        if (n == NULL && age < keep)
            n = admit(g, theirs, theirs->state, g->now.mono - age);
        else if (n != NULL && theirs->incarnation > n->m.incarnation)
            members_copy_claim(n, theirs);
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

/* Gossip may have passed us by: before the verdict the suspect itself is asked over TCP, with the
 * accusation, and has a probe timeout to refute. So a lost refutation does not kill. */
static usec ask_at(const struct gossip *g, const struct node *n)
{
    return n->asked ? n->suspect_until : n->suspect_until - g->config.probe_interval_us;
}

void members_expire_suspicions(struct gossip *g)
{
    for (size_t i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        if (n->m.state != GOSSIP_SUSPECT || ask_at(g, n) > g->now.mono)
            continue;
        if (n->asked) {
            members_claim_dead(g, &n->m.host_id, n->m.incarnation, &g->self->m.host_id);
            continue;
        }
        n->asked = true;
        usec least = g->now.mono + g->config.probe_timeout_us;
        n->suspect_until = n->suspect_until > least ? n->suspect_until : least;
        probe_last_word(g, n);
    }
}

usec members_next_suspicion(const struct gossip *g)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        if (n->m.state == GOSSIP_SUSPECT && ask_at(g, n) < next)
            next = ask_at(g, n);
    }
    return next;
}
