#include "node/coord/quorum.h"

#include "base/mem.h"
#include "base/mutant.h"

static uint32_t majority(uint32_t n)
{
    return n / 2 + 1;
}

static uint32_t local_rf(const struct quorum_config *c)
{
    return c->per_dc ? c->rf[c->local_dc] : c->rf_total;
}

static uint32_t total_rf(const struct quorum_config *c)
{
    uint32_t total = 0;
    if (!c->per_dc)
        return c->rf_total;
    for (uint32_t i = 0; i < c->dcs; i++)
        total += c->rf[i];
    return total;
}

static uint32_t single_need(const struct quorum_config *c)
{
    switch (c->level) {
    case LEVEL_ANY:
    case LEVEL_ONE:
    case LEVEL_LOCAL_ONE: return 1;
    case LEVEL_TWO: return 2;
    case LEVEL_THREE: return 3;
    case LEVEL_ALL: return total_rf(c);
    case LEVEL_LOCAL_QUORUM:
    case LEVEL_LOCAL_SERIAL: return majority(local_rf(c));
    case LEVEL_QUORUM:
    case LEVEL_EACH_QUORUM: /* without a factor per data centre it is QUORUM */
    case LEVEL_SERIAL: return majority(total_rf(c));
    }
    return 1;
}

void quorum_init(struct quorum *q, const struct quorum_config *config)
{
    ASSERT(config->dcs <= QUORUM_DCS_MAX);
    *q = (struct quorum){.groups = 1, .local_dc = config->local_dc};
    if (config->level == LEVEL_EACH_QUORUM && config->per_dc) {
        q->by_dc = true;
        q->groups = config->dcs;
        for (uint32_t i = 0; i < config->dcs; i++)
            q->group[i].need = config->rf[i] > 0 ? majority(config->rf[i]) : 0;
        return;
    }
    q->local = level_is_local(config->level);
    q->group[0].need = single_need(config);
}

bool quorum_proves(const struct quorum_config *config)
{
    switch (config->level) {
    case LEVEL_QUORUM:
    case LEVEL_LOCAL_QUORUM:
    case LEVEL_EACH_QUORUM: return true;
    case LEVEL_TWO:
    case LEVEL_THREE:
    case LEVEL_ALL: return single_need(config) >= majority(total_rf(config));
    case LEVEL_ANY:
    case LEVEL_ONE:
    case LEVEL_LOCAL_ONE:
    case LEVEL_SERIAL:
    case LEVEL_LOCAL_SERIAL: return false;
    }
    return false;
}

bool quorum_counts(const struct quorum *q, uint32_t dc)
{
    if (q->by_dc)
        return dc < q->groups && q->group[dc].need > 0;
    return !q->local || dc == q->local_dc;
}

static struct quorum_group *group_of(struct quorum *q, uint32_t dc)
{
    if (!quorum_counts(q, dc))
        return NULL;
    return &q->group[q->by_dc ? dc : 0];
}

void quorum_member(struct quorum *q, uint32_t dc)
{
    struct quorum_group *g = group_of(q, dc);
    if (g != NULL)
        g->members++;
}

void quorum_ack(struct quorum *q, uint32_t dc)
{
    struct quorum_group *g = group_of(q, dc);
    if (g == NULL)
        return;
    g->acked++;
    ASSERT(g->acked + g->lost <= g->members);
}

void quorum_lose(struct quorum *q, uint32_t dc)
{
    struct quorum_group *g = group_of(q, dc);
    if (g == NULL)
        return;
    g->lost++;
    ASSERT(g->acked + g->lost <= g->members);
}

void quorum_fail(struct quorum *q, uint32_t dc)
{
    if (quorum_counts(q, dc))
        q->failures++;
    quorum_lose(q, dc);
}

enum quorum_state quorum_state(const struct quorum *q)
{
    bool enough = true;
    for (uint32_t i = 0; i < q->groups; i++) {
        const struct quorum_group *g = &q->group[i];
        if (g->members < g->need + g->lost)
            return QUORUM_IMPOSSIBLE;
        enough &= g->acked >= g->need;
    }
    return enough ? QUORUM_ENOUGH : QUORUM_WAITING;
}

uint32_t quorum_need(const struct quorum *q)
{
    uint32_t need = 0;
    for (uint32_t i = 0; i < q->groups; i++)
        need += q->group[i].need;
    return need;
}

uint32_t quorum_acked(const struct quorum *q)
{
    uint32_t acked = 0;
    for (uint32_t i = 0; i < q->groups; i++)
        acked += q->group[i].acked;
    return acked;
}

uint32_t quorum_members(const struct quorum *q)
{
    uint32_t members = 0;
    for (uint32_t i = 0; i < q->groups; i++)
        members += q->group[i].members;
    return members;
}

/* --- both sets of a range that moves */

bool quorum_plan_proves(const struct quorum_plan *plan)
{
    return quorum_proves(&plan->now) && (!plan->joint || quorum_proves(&plan->later));
}

void quorum_plan_level(struct quorum_plan *plan, enum level level)
{
    plan->now.level = level;
    plan->later.level = level;
}

void quorums_init(struct quorums *q, const struct quorum_plan *plan)
{
    quorum_init(&q->now, &plan->now);
    quorum_init(&q->later, MUTANT(one_factor_for_both) ? &plan->now : &plan->later);
    q->moving = plan->joint;
}

bool quorums_count(const struct quorums *q, struct standing s)
{
    return (s.in_now && quorum_counts(&q->now, s.dc)) ||
           (s.in_later && q->moving && quorum_counts(&q->later, s.dc));
}

static void both(struct quorums *q, struct standing s, void (*count)(struct quorum *, uint32_t))
{
    if (s.in_now)
        count(&q->now, s.dc);
    if (s.in_later && q->moving)
        count(&q->later, s.dc);
}

void quorums_member(struct quorums *q, struct standing s)
{
    both(q, s, quorum_member);
}

void quorums_ack(struct quorums *q, struct standing s)
{
    both(q, s, quorum_ack);
}

static void unack(struct quorum *q, uint32_t dc)
{
    struct quorum_group *g = group_of(q, dc);
    if (g == NULL)
        return;
    ASSERT(g->acked > 0);
    g->acked--;
}

void quorums_unack(struct quorums *q, struct standing s)
{
    both(q, s, unack);
}

void quorums_fail(struct quorums *q, struct standing s)
{
    both(q, s, quorum_fail);
}

void quorums_lose(struct quorums *q, struct standing s)
{
    both(q, s, quorum_lose);
}

static bool wants(const struct quorum *q, uint32_t dc)
{
    if (!quorum_counts(q, dc))
        return false;
    const struct quorum_group *g = &q->group[q->by_dc ? dc : 0];
    return g->members < g->need + g->lost;
}

bool quorums_want(const struct quorums *q, struct standing s)
{
    return (s.in_now && wants(&q->now, s.dc)) ||
           (s.in_later && q->moving && wants(&q->later, s.dc));
}

static void restart(struct quorum *q)
{
    for (uint32_t i = 0; i < q->groups; i++)
        q->group[i] = (struct quorum_group){.need = q->group[i].need};
}

void quorums_restart(struct quorums *q)
{
    restart(&q->now);
    restart(&q->later);
}

enum quorum_state quorums_state(const struct quorums *q)
{
    enum quorum_state now = quorum_state(&q->now);
    enum quorum_state later = q->moving ? quorum_state(&q->later) : QUORUM_ENOUGH;
    if (now == QUORUM_IMPOSSIBLE || later == QUORUM_IMPOSSIBLE)
        return QUORUM_IMPOSSIBLE;
    return now == QUORUM_ENOUGH ? later : now;
}

bool quorums_failed(const struct quorums *q)
{
    return q->now.failures > 0 || (q->moving && q->later.failures > 0);
}

const struct quorum *quorums_telling(const struct quorums *q)
{
    return q->moving && quorum_state(&q->now) == QUORUM_ENOUGH ? &q->later : &q->now;
}
