#include "ring/placement.h"

#include "base/mem.h"

static void find_pending(struct placement *p)
{
    uint32_t count = 0, most = 0;
    for (uint32_t i = 0; i < p->places; i++)
        most = p->set[i].each > most ? p->set[i].each : most;
    p->pending = mem_alloc(sizeof *p->pending * p->ranges * most);
    for (range_no r = 0; r < p->ranges; r++) {
        struct replicas now = placement_replicas(p, r);
        struct replicas later = placement_later(p, r);
        p->range[r].pending = count;
        for (uint32_t i = 0; i < later.count; i++) {
            if (!replicas_have(now, later.node[i]))
                p->pending[count++] = later.node[i];
        }
    }
    p->range[p->ranges].pending = count;
}

struct placement *placement_of(const struct ring *ring, const struct moves_keyspace *moves)
{
    struct placement *p = mem_new(struct placement);
    p->ranges = ring->ranges;
    p->places = moves->places;
    for (uint32_t i = 0; i < moves->places; i++)
        p->set[i] = sets_build(ring, ring_find_table(ring, moves->place[i].table),
                               &moves->place[i].strategy);
    p->range = mem_alloc(sizeof *p->range * (ring->ranges + 1));
    for (uint32_t i = 0; i < moves->runs; i++) {
        const struct move_run *run = &moves->run[i];
        range_no end = i + 1 < moves->runs ? run[1].first : ring->ranges;
        for (range_no r = run->first; r < end; r++)
            p->range[r] =
                (struct placed){run->place, run->goal, (uint8_t)run->stage, 0, run->since};
        p->moving |= run->stage != STAGE_SETTLED;
    }
    if (p->moving)
        find_pending(p);
    return p;
}

struct placement *placement_build(const struct ring *ring, const struct strategy *strategy)
{
    struct ring published = *ring;
    struct moves m;
    published.tables = 1;
    moves_init(&m);
    (void)moves_replicate(&m, &published, 0, strategy, 0);
    if (ring->tables > 1)
        moves_begin(&m, ring, 0);
    struct placement *p = placement_of(ring, &m.keyspace[0]);
    moves_close(&m);
    return p;
}

void placement_free(struct placement *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->places; i++)
        sets_close(&p->set[i]);
    mem_free(p->range);
    mem_free(p->pending);
    mem_free(p);
}

struct replicas placement_replicas(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    return sets_at(&p->set[p->range[range].now], range);
}

struct replicas placement_later(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    return sets_at(&p->set[p->range[range].later], range);
}

struct replicas placement_pending(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    if (!p->moving)
        return (struct replicas){NULL, 0};
    uint32_t from = p->range[range].pending;
    return (struct replicas){p->pending + from, p->range[range + 1].pending - from};
}

enum stage placement_stage(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    return (enum stage)p->range[range].stage;
}

uint64_t placement_since(const struct placement *p, range_no range)
{
    ASSERT(range < p->ranges);
    return p->range[range].since;
}

bool placement_needs_later(const struct placement *p, range_no range)
{
    return stage_electorate(placement_stage(p, range)).later;
}

uint64_t placement_moves(const struct placement *p)
{
    return p->moving ? p->range[p->ranges].pending : 0;
}
