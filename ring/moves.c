#include "ring/moves.h"

#include "base/mem.h"
#include "base/mutant.h"

#include <string.h>

void moves_init(struct moves *m)
{
    memset(m, 0, sizeof *m);
}

void moves_keyspace_close(struct moves_keyspace *k)
{
    mem_free(k->place);
    mem_free(k->run);
    memset(k, 0, sizeof *k);
}

void moves_close(struct moves *m)
{
    for (size_t i = 0; i < m->count; i++)
        moves_keyspace_close(&m->keyspace[i]);
    mem_free(m->keyspace);
    mem_free(m->stepped);
    mem_free(m->provers);
    moves_init(m);
}

static bool is_alike(const struct move_run *a, const struct move_run *b)
{
    return a->place == b->place && a->goal == b->goal && a->stage == b->stage &&
           a->since == b->since;
}

bool moves_keyspace_equal(const struct moves_keyspace *a, const struct moves_keyspace *b)
{
    bool same = a->keyspace == b->keyspace && a->places == b->places && a->runs == b->runs;
    for (uint32_t i = 0; same && i < a->places; i++)
        same = a->place[i].table == b->place[i].table &&
               strategy_equal(&a->place[i].strategy, &b->place[i].strategy);
    for (uint32_t i = 0; same && i < a->runs; i++)
        same = a->run[i].first == b->run[i].first && is_alike(&a->run[i], &b->run[i]);
    return same;
}

void moves_keyspace_copy(const struct moves_keyspace *from, struct moves_keyspace *ret)
{
    *ret = *from;
    ret->place = mem_copy(from->place, from->places * sizeof *from->place);
    ret->run = mem_copy(from->run, from->runs * sizeof *from->run);
}

/* Where it is, or would be. */
static size_t find_at(const struct moves *m, keyspace_no keyspace)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->keyspace[mid].keyspace < keyspace)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct moves_keyspace *find(struct moves *m, keyspace_no keyspace)
{
    size_t at = find_at(m, keyspace);
    return at < m->count && m->keyspace[at].keyspace == keyspace ? &m->keyspace[at] : NULL;
}

const struct moves_keyspace *moves_find(const struct moves *m, keyspace_no keyspace)
{
    size_t at = find_at(m, keyspace);
    return at < m->count && m->keyspace[at].keyspace == keyspace ? &m->keyspace[at] : NULL;
}

struct moves_keyspace *moves_append(struct moves *m, keyspace_no keyspace)
{
    m->keyspace = mem_grow(m->keyspace, m->count, &m->cap, sizeof m->keyspace[0]);
    struct moves_keyspace *k = &m->keyspace[m->count++];
    memset(k, 0, sizeof *k);
    k->keyspace = keyspace;
    return k;
}

static struct moves_keyspace *insert(struct moves *m, keyspace_no keyspace)
{
    size_t at = find_at(m, keyspace);
    (void)moves_append(m, keyspace);
    memmove(&m->keyspace[at + 1], &m->keyspace[at], (m->count - 1 - at) * sizeof m->keyspace[0]);
    memset(&m->keyspace[at], 0, sizeof m->keyspace[at]);
    m->keyspace[at].keyspace = keyspace;
    return &m->keyspace[at];
}

const struct move_run *moves_at(const struct moves_keyspace *k, range_no range)
{
    uint32_t low = 0, high = k->runs;
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (k->run[mid].first <= range)
            low = mid;
        else
            high = mid;
    }
    return &k->run[low];
}

/* --- who holds what, at each place of a keyspace */

struct sets_of {
    struct replica_sets at[MOVES_PLACES_MAX + 1];
};

static void build_sets(struct sets_of *s, const struct moves_keyspace *k, const struct ring *ring)
{
    for (uint32_t i = 0; i < k->places; i++)
        s->at[i] =
            sets_build(ring, ring_find_table(ring, k->place[i].table), &k->place[i].strategy);
}

static void close_sets(struct sets_of *s, const struct moves_keyspace *k)
{
    for (uint32_t i = 0; i < k->places; i++)
        sets_close(&s->at[i]);
}

/* --- changing the runs of a keyspace */

/* Append a range to what will be the runs; *count of them have room for all ranges. */
static void put_range(struct move_run *runs, uint32_t *count, const struct move_run *r)
{
    if (*count == 0 || !is_alike(&runs[*count - 1], r))
        runs[(*count)++] = *r;
}

static void take_runs(struct moves_keyspace *k, struct move_run *runs, uint32_t count)
{
    mem_free(k->run);
    k->run = mem_copy(runs, count * sizeof *runs);
    k->runs = count;
    mem_free(runs);
}

/* Forget the places where no range is; not the last one, where new goals come from. */
static void drop_places(struct moves_keyspace *k)
{
    uint8_t number[MOVES_PLACES_MAX + 1] = {0};
    uint32_t kept = 0;
    bool used[MOVES_PLACES_MAX + 1] = {false};
    used[k->places - 1] = true;
    for (uint32_t i = 0; i < k->runs; i++)
        used[k->run[i].place] = used[k->run[i].goal] = true;
    for (uint32_t i = 0; i < k->places; i++) {
        number[i] = (uint8_t)kept;
        if (used[i])
            k->place[kept++] = k->place[i];
    }
    k->places = kept;
    for (uint32_t i = 0; i < k->runs; i++) {
        k->run[i].place = number[k->run[i].place];
        k->run[i].goal = number[k->run[i].goal];
    }
}

static void add_place(struct moves_keyspace *k, uint32_t table, const struct strategy *strategy)
{
    struct move_place place = {table, *strategy};
    k->place = mem_resize(k->place, (k->places + 1) * sizeof *k->place);
    k->place[k->places++] = place;
}

/* Everything sets out for the last place. */
static void go(struct moves_keyspace *k, const struct ring *ring, uint64_t slot)
{
    struct move_run *runs = mem_alloc(ring->ranges * sizeof *runs);
    struct sets_of sets;
    uint32_t count = 0;
    uint8_t goal = (uint8_t)(k->places - 1);
    build_sets(&sets, k, ring);
    for (range_no range = 0; range < ring->ranges; range++) {
        const struct move_run *was = moves_at(k, range);
        struct replicas later = sets_at(&sets.at[goal], range);
        struct replicas now = sets_at(&sets.at[was->place], range);
        bool stays = later.count == 0 || replicas_equal(now, later) ||
                     (MUTANT(alike_by_count) && now.count == later.count);
        struct move_run is = {range, was->place, goal, STAGE_JOINT, slot};
        if (stays)
            is = (struct move_run){range, was->place, was->place, STAGE_SETTLED,
                                   was->stage == STAGE_SETTLED ? was->since : slot};
        put_range(runs, &count, &is);
    }
    close_sets(&sets, k);
    take_runs(k, runs, count);
    drop_places(k);
}

/* --- provers */

static bool is_in(const node_no *nodes, size_t count, node_no node)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] == node)
            return true;
    }
    return false;
}

static uint32_t add_members(const struct ring *ring, struct replicas r, bool later,
                            struct stage_member *members, uint32_t count)
{
    for (uint32_t i = 0; i < r.count; i++) {
        uint32_t at = 0;
        while (at < count && members[at].node != r.node[i])
            at++;
        if (at == count) {
            const struct ring_node *n = ring_find(ring, r.node[i]);
            members[count++] =
                (struct stage_member){.node = r.node[i], .dc = (uint32_t)ring_find_dc(ring, n->dc)};
        }
        members[at].now |= !later;
        members[at].later |= later;
    }
    return count;
}

/* Mark in is_prover, which goes with ring->node. */
static void mark_provers(const struct moves_keyspace *k, const struct ring *ring, bool *is_prover)
{
    struct sets_of sets;
    uint32_t most = 0;
    build_sets(&sets, k, ring);
    for (uint32_t i = 0; i < k->places; i++)
        most += sets.at[i].each;
    struct stage_member *members = mem_alloc(most * sizeof *members);
    for (range_no range = 0; range < ring->ranges; range++) {
        const struct move_run *run = moves_at(k, range);
        if (run->stage == STAGE_SETTLED)
            continue;
        memset(members, 0, most * sizeof *members);
        uint32_t count = add_members(ring, sets_at(&sets.at[run->place], range), false, members, 0);
        count = add_members(ring, sets_at(&sets.at[run->goal], range), true, members, count);
        for (uint32_t i = 0; i < count; i++) {
            if (stage_is_prover(members, count, i) &&
                !(members[i].now && MUTANT(newcomers_alone_prove)))
                is_prover[ring_find(ring, members[i].node) - ring->node] = true;
        }
    }
    mem_free(members);
    close_sets(&sets, k);
}

void moves_find_provers(struct moves *m, const struct ring *ring)
{
    bool *is_prover = mem_alloc(ring->nodes * sizeof *is_prover);
    for (size_t i = 0; i < m->count; i++) {
        const struct moves_keyspace *k = &m->keyspace[i];
        if (k->places > 1)
            mark_provers(k, ring, is_prover);
    }
    mem_free(m->provers);
    m->provers = mem_alloc(ring->nodes * sizeof *m->provers);
    m->provers_count = 0;
    for (uint32_t i = 0; i < ring->nodes; i++) {
        if (is_prover[i])
            m->provers[m->provers_count++] = ring->node[i].node;
    }
    mem_free(is_prover);
}

static void prove_anew(struct moves *m)
{
    mem_free(m->stepped);
    m->stepped = NULL;
    m->stepped_count = 0;
}

/* --- what happens */

bool moves_replicate(struct moves *m, const struct ring *ring, keyspace_no keyspace,
                     const struct strategy *strategy, uint64_t slot)
{
    struct moves_keyspace *k = find(m, keyspace);
    const struct ring_table *newest = ring_table(ring, RING_NEWEST);
    bool was_there = k != NULL;
    if (was_there && strategy_equal(&k->place[k->places - 1].strategy, strategy))
        return false;
    if (!was_there)
        k = insert(m, keyspace);
    add_place(k, newest->number, strategy);
    if (was_there) {
        go(k, ring, slot);
        prove_anew(m);
    } else { /* nobody has anything of it, so it need not come from where others are */
        k->run = mem_new(struct move_run);
        k->run[0].since = slot;
        k->runs = 1;
    }
    moves_find_provers(m, ring);
    return true;
}

bool moves_drop(struct moves *m, const struct ring *ring, keyspace_no keyspace)
{
    struct moves_keyspace *k = find(m, keyspace);
    if (k == NULL)
        return false;
    moves_keyspace_close(k);
    m->count--;
    memmove(k, k + 1, (m->count - (size_t)(k - m->keyspace)) * sizeof *k);
    moves_find_provers(m, ring);
    return true;
}

void moves_begin(struct moves *m, const struct ring *ring, uint64_t slot)
{
    for (size_t i = 0; i < m->count; i++) {
        struct moves_keyspace *k = &m->keyspace[i];
        struct strategy strategy = k->place[k->places - 1].strategy;
        add_place(k, ring_table(ring, RING_NEWEST)->number, &strategy);
        go(k, ring, slot);
    }
    if (!MUTANT(goal_keeps_proofs))
        prove_anew(m);
    moves_find_provers(m, ring);
}

bool moves_wait_for(const struct moves *m, node_no node)
{
    return is_in(m->provers, m->provers_count, node) && !is_in(m->stepped, m->stepped_count, node);
}

bool moves_wait(const struct moves *m)
{
    for (size_t i = 0; i < m->provers_count; i++) {
        if (!is_in(m->stepped, m->stepped_count, m->provers[i]))
            return true;
    }
    return false;
}

bool moves_step(struct moves *m, node_no node)
{
    size_t at = 0;
    if (!moves_wait_for(m, node))
        return false;
    m->stepped = mem_resize(m->stepped, (m->stepped_count + 1) * sizeof *m->stepped);
    while (at < m->stepped_count && m->stepped[at] < node)
        at++;
    memmove(&m->stepped[at + 1], &m->stepped[at], (m->stepped_count - at) * sizeof *m->stepped);
    m->stepped[at] = node;
    m->stepped_count++;
    return true;
}

static void arrive(struct moves_keyspace *k, const struct ring *ring, uint64_t slot)
{
    struct move_run *runs = mem_alloc(k->runs * sizeof *runs);
    uint32_t count = 0;
    for (uint32_t i = 0; i < k->runs; i++) {
        struct move_run is = {.first = k->run[i].first,
                              .stage = STAGE_SETTLED,
                              .since = k->run[i].stage == STAGE_SETTLED ? k->run[i].since : slot};
        put_range(runs, &count, &is);
    }
    take_runs(k, runs, count);
    k->place[0] = k->place[k->places - 1];
    k->places = 1;
    ASSERT(k->place[0].table == ring_table(ring, RING_NEWEST)->number);
}

void moves_settle(struct moves *m, const struct ring *ring, uint64_t slot)
{
    ASSERT(!moves_wait(m));
    for (size_t i = 0; i < m->count; i++)
        arrive(&m->keyspace[i], ring, slot);
    prove_anew(m);
    moves_find_provers(m, ring);
}

bool moves_are_full(const struct moves *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->keyspace[i].places == MOVES_PLACES_MAX)
            return true;
    }
    return false;
}

bool moves_name(const struct moves *m, uint32_t table)
{
    for (size_t i = 0; i < m->count; i++) {
        for (uint32_t p = 0; p < m->keyspace[i].places; p++) {
            if (m->keyspace[i].place[p].table == table)
                return true;
        }
    }
    return false;
}

static bool run_fits(const struct moves_keyspace *k, uint32_t i, const struct ring *ring,
                     uint64_t slot)
{
    const struct move_run *r = &k->run[i];
    if (r->first >= ring->ranges || r->place >= k->places || r->goal >= k->places ||
        r->since > slot)
        return false;
    if (i == 0 ? r->first != 0 : r->first <= k->run[i - 1].first || is_alike(r, r - 1))
        return false;
    if (r->stage == STAGE_SETTLED)
        return r->goal == r->place;
    return r->stage == STAGE_JOINT && r->goal == k->places - 1 && r->place != r->goal;
}

bool moves_keyspace_fits(const struct moves_keyspace *k, const struct ring *ring, uint64_t slot)
{
    if (k->places == 0 || k->places > MOVES_PLACES_MAX || k->runs == 0)
        return false;
    for (uint32_t i = 0; i < k->places; i++) {
        if (ring_find_table(ring, k->place[i].table) == NULL)
            return false;
    }
    for (uint32_t i = 0; i < k->runs; i++) {
        if (!run_fits(k, i, ring, slot))
            return false;
    }
    return k->place[k->places - 1].table == ring_table(ring, RING_NEWEST)->number;
}

bool moves_fit(const struct moves *m, const struct ring *ring, uint64_t slot)
{
    bool moving = ring->tables > 1;
    for (size_t i = 0; i < m->count; i++) {
        const struct moves_keyspace *k = &m->keyspace[i];
        if ((i > 0 && k->keyspace <= m->keyspace[i - 1].keyspace) ||
            !moves_keyspace_fits(k, ring, slot))
            return false;
        moving = moving || k->places > 1;
    }
    for (size_t i = 0; i < m->stepped_count; i++) {
        if (i > 0 && m->stepped[i] <= m->stepped[i - 1])
            return false;
    }
    return moving ? moves_wait(m) : m->stepped_count == 0;
}
