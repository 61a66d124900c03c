/* damage.c - see damage.h. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#define LOOK_EVERY USEC_PER_SEC
#define FACT_OLD   "h/old"

bool damage_hits(struct heal *h, keyspace_no keyspace, range_no range)
{
    struct range_place place;
    struct arena arena = {0};
    uint32_t ranges = cluster_ranges(h->cluster);
    if (!engine_has_lost(h->engine) || range >= ranges || MUTANT(damage_served))
        return false;
    cluster_place(h->cluster, keyspace, range, &arena, &place);
    bool hit = engine_range_is_lost(h->engine, keyspace, range, &place);
    arena_close(&arena);
    return hit;
}

/* Nothing that was written to the range lies here. */
static bool is_bare(struct heal *h, const struct heal_damaged *at)
{
    struct range_place place;
    struct arena arena = {0};
    cluster_place(h->cluster, at->keyspace, at->range, &arena, &place);
    bool bare = engine_range_is_bare(h->engine, at->keyspace, at->range, &place);
    arena_close(&arena);
    return bare;
}

void damage_tell(struct heal *h, keyspace_no keyspace, range_no range, int what)
{
    struct heal_effect *e = heal_append(h, HEAL_DAMAGED);
    e->damaged.keyspace = keyspace;
    e->damaged.range = range;
    e->damaged.what = (unsigned)what;
}

void damage_has_peer(struct heal *h, keyspace_no keyspace, range_no range)
{
    if (held_forget_damaged(h, keyspace, range))
        h->forget_due = 0;
}

static bool has_told(const struct session *s, const struct heal_damaged *at)
{
    for (size_t i = 0; i < s->wants_count; i++) {
        if (s->wants[i].keyspace == at->keyspace && s->wants[i].range == at->range)
            return true;
    }
    return false;
}

/* Of a range that nobody ever wrote to no clock is told; and here nothing of it is to be lost. */
void damage_hear(struct heal *h, const struct session *s)
{
    struct heal_damaged at = {0};
    for (; !s->partial && held_next_damaged(h, &at); at.range++) {
        const struct placement *p = cluster_placement(h->cluster, at.keyspace);
        if (!at.rebuilding && p != NULL && at.range < p->ranges &&
            replicas_have(placement_replicas(p, at.range), s->peer) && !has_told(s, &at) &&
            is_bare(h, &at))
            damage_has_peer(h, at.keyspace, at.range);
    }
}

void damage_seal(struct heal *h, struct session *s)
{
    if (h->damage.rebuilt == h->damage.rebuild || s->asked_rebuild != h->damage.rebuild ||
        s->unable || s->partial || s->behind)
        return;
    s->rebuild_seal = HEAL_TICKET | ++h->tickets;
    s->sealed_rebuild = s->asked_rebuild;
    engine_barrier(h->engine, s->rebuild_seal);
}

void damage_load(struct heal *h)
{
    struct buf value;
    buf_init(&value, 16);
    h->old = engine_fact_get(h->engine, BYTES_LIT(FACT_OLD), &value) != ERR_NOT_FOUND;
    h->damage.rebuild += h->old;
    buf_close(&value);
}

void heal_set_old(struct heal *h)
{
    h->old = true;
    h->damage.rebuild++;
    engine_fact_put(h->engine, BYTES_LIT(FACT_OLD), BYTES_LIT("1"), 0);
}

/* It is a replica of any range that is rebuilt, be it dead for now: what only it and this one had
 * acked it still has. Of an old disk all are. */
static bool is_waited_for(const struct heal *h, const struct cluster_node *n)
{
    struct heal_damaged at = {0};
    bool waited = h->old && n->node != cluster_self(h->cluster);
    for (; n->node != cluster_self(h->cluster) && !waited && held_next_damaged(h, &at);
         at.range++) {
        const struct placement *p = cluster_placement(h->cluster, at.keyspace);
        waited = at.rebuilding && p != NULL && at.range < p->ranges &&
                 replicas_have(placement_replicas(p, at.range), n->node);
    }
    return waited;
}

node_no heal_rebuild_waits_for(const struct heal *h)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    for (size_t i = 0; i < count; i++) {
        if (is_waited_for(h, &nodes[i]) && !cluster_is_alive(h->cluster, nodes[i].node))
            return nodes[i].node;
    }
    return 0;
}

static void check_rebuilt(struct heal *h, struct now now)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    for (size_t i = 0; i < count; i++) {
        if (is_waited_for(h, &nodes[i]) &&
            heal_session(h, nodes[i].node)->covered_rebuild != h->damage.rebuild)
            return;
    }
    if (!sure_rebuilt(h, now, h->damage.rebuild))
        return;
    h->damage.rebuilt = h->damage.rebuild;
    if (h->old)
        engine_fact_delete(h->engine, BYTES_LIT(FACT_OLD), 0);
    h->old = false;
    held_rebuilt(h);
}

bool damage_durable(struct heal *h, struct now now, struct session *s, uint64_t ticket,
                    enum err err)
{
    if (s->rebuild_seal == 0 || s->rebuild_seal != ticket)
        return false;
    s->rebuild_seal = 0;
    if (err == ERR_OK)
        s->covered_rebuild = s->sealed_rebuild;
    if (h->damage.rebuilt != h->damage.rebuild)
        check_rebuilt(h, now);
    return true;
}

bool heal_met_damage(const struct heal *h)
{
    return engine_losses(h->engine) != h->damage.losses;
}

bool heal_next_damaged(const struct heal *h, struct heal_damaged *at)
{
    return held_next_damaged(h, at);
}

/* What readers have met is written down before it is dealt with: the process may end. */
void damage_tick(struct heal *h, struct now now)
{
    struct heal_damaged at = {0};
    h->damage.due = now.mono + LOOK_EVERY;
    if (engine_losses(h->engine) != h->damage.losses) {
        h->damage.losses = engine_losses(h->engine);
        engine_lost_save(h->engine);
        held_look_again(h, now);
    }
    if (h->damage.rebuilt != h->damage.rebuild && h->sure_rebuilt.of == h->damage.rebuild)
        check_rebuilt(h, now);
    if (h->sure_moved.of == h->ring_epoch)
        heal_check_moved(h, now);
    h->stats.damaged_ranges = 0;
    for (; held_next_damaged(h, &at); at.range++)
        h->stats.damaged_ranges++;
}
