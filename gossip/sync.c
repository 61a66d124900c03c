#include "gossip/internal.h"

#include "base/mutant.h"

#include <string.h>

#define REJOIN_STRETCH 32 /* members; among more, as many share one table sent to the lost */

/* All we know, ourselves first: when push_state_max cuts the rest off, the peer at least has us. */
void sync_send(struct gossip *g, const struct endpoint *to, bool reply)
{
    struct buf b;
    buf_init(&b, g->config.push_state_max);
    struct gossip_header h = spread_header(g);
    gossip_encode_header(&h, &b);
    struct gossip_message m;
    memset(&m, 0, sizeof m);
    m.type = GOSSIP_PUSH_PULL;
    m.flag = reply;
    gossip_encode(&m, &b);
    m.type = GOSSIP_STATE;
    for (size_t i = 0; i <= g->count; i++) {
        const struct node *n = i == 0 ? g->self : g->nodes[i - 1];
        if ((i > 0 && n == g->self) || b.len + GOSSIP_UPDATE_MAX > g->config.push_state_max)
            continue;
        usec age = (g->now.mono - n->m.since_mono) / USEC_PER_SEC;
        m.age_s = age < 0 ? 0 : age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
        m.member = n->m;
        gossip_encode(&m, &b);
    }
    enum err err = buf_finish(&b);
    ASSERT(err == ERR_OK);
    g->counters.push_pulls += reply ? 0 : 1;
    gossip_emit_send(g, GOSSIP_SEND_STREAM, to, buf_bytes(&b));
    buf_close(&b);
}

void sync_join(struct gossip *g, const struct endpoint *seeds, size_t count)
{
    for (size_t i = 0; i < count && g->seed_count < GOSSIP_SEEDS_MAX; i++) {
        bool known = endpoint_equal(&seeds[i], &g->self->m.addr);
        for (size_t j = 0; j < g->seed_count; j++)
            known |= endpoint_equal(&seeds[i], &g->seeds[j]);
        if (!known)
            g->seeds[g->seed_count++] = seeds[i];
    }
    g->joining = true;
    if (g->seed_count == 0)
        g->joined = true; /* we are the first */
    sync_join_tick(g);
}

void sync_join_tick(struct gossip *g)
{
    g->join_at = g->now.mono + g->config.join_retry_us;
    if (!g->joining || g->leaving || (g->joined && g->live > 1))
        return;
    for (size_t i = 0; i < g->seed_count; i++)
        sync_send(g, &g->seeds[i], false);
}

/* Two halves that hold each other for dead do not talk by themselves: so one lost member, or a seed
 * that nobody alive holds, is asked now and then. Any address ever known serves.
 *
 * Among many, one that comes back would be sent everybody's table. Most times it is only told that
 * it is held for dead: enough for it to refute, when it is us who are mistaken. */
void sync_rejoin_tick(struct gossip *g)
{
    bool alone = g->live <= 1;
    g->rejoin_at = g->now.mono + (alone ? g->config.join_retry_us : g->config.rejoin_interval_us);
    if (g->leaving)
        return;
    struct node **lost = arena_array(&g->scratch, struct node *, g->count - g->live);
    const struct endpoint *seeds[GOSSIP_SEEDS_MAX];
    size_t count = 0, seed_count = 0;
    for (size_t i = 0; g->live < g->count && i < g->count; i++) {
        if (g->nodes[i]->m.state == GOSSIP_DEAD && !g->nodes[i]->m.displaced)
            lost[count++] = g->nodes[i];
    }
    for (size_t i = 0; i < g->seed_count; i++) {
        if (!members_address_lives(g, &g->seeds[i]))
            seeds[seed_count++] = &g->seeds[i];
    }
    if (count + seed_count == 0 || MUTANT(halves_never_rejoin))
        return;
    size_t pick = (size_t)rng_below(&g->rng, count + seed_count);
    if (alone || rng_below(&g->rng, 1 + g->live / REJOIN_STRETCH) == 0)
        sync_send(g, pick < count ? &lost[pick]->m.addr : seeds[pick - count], false);
    else if (pick < count)
        probe_last_word(g, lost[pick]);
}

/* Who started together must not exchange tables together, now or later. */
void sync_plan_push_pull(struct gossip *g, bool first)
{
    usec whole = g->config.push_pull_interval_us * (usec)gossip_push_pull_scale(g->live);
    g->push_pull_at =
        g->now.mono + (first ? 0 : whole / 2) + (usec)rng_below(&g->rng, (uint64_t)whole);
}

void sync_push_pull_tick(struct gossip *g)
{
    struct node *peer;
    sync_plan_push_pull(g, false);
    if (!g->leaving && members_sample(g, members_is_alive, NULL, 1, &peer) == 1)
        sync_send(g, &peer->m.addr, false);
}

/* A goodbye is a death we announce ourselves; nobody probes or refutes it. */
void sync_leave(struct gossip *g)
{
    if (g->leaving)
        return;
    g->leaving = true;
    g->probe_count = 0;
    members_set_state(g, g->self, GOSSIP_LEFT);
    struct gossip_message goodbye = members_accusation(g->self, &g->self->m.host_id);
    spread_update(g, g->self, &goodbye);
    spread_tick(g);
}

void sync_reap(struct gossip *g)
{
    if (g->now.mono < g->reap_at)
        return;
    g->reap_at = USEC_NEVER;
    for (size_t i = 0; i < g->count;) {
        struct node *n = g->nodes[i];
        usec until = n->m.since_mono + members_keep(g, n->m.state);
        bool kept = members_reachable(n) || n == g->self;
        if (kept || g->now.mono < until) {
            if (!kept && until < g->reap_at)
                g->reap_at = until;
            i++;
            continue;
        }
        members_remove(g, n);
        gossip_emit_member(g, n, GOSSIP_REAPED, n->m.state);
    }
}
