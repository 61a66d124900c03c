/* Who begins sessions, and when: see rounds.h. */
#include "node/heal/rounds.h"

#include "node/heal/compare_many.h"

#include "base/mutant.h"

#define ROUND 0u /* of `runs` */

void rounds_begin(struct heal *h, struct now now)
{
    h->turns.began_s = now.wall / USEC_PER_SEC;
    h->turns.due = now.mono + h->config.interval_us;
}

void rounds_free(struct heal *h)
{
    buf_close(&h->turns.scrub.from);
}

/* --- when something is due */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* A phase of its own has passed since. */
static bool has_come(const struct heal *h, struct now now, int64_t last_s, uint64_t name)
{
    int64_t period = h->config.scrub_us / USEC_PER_SEC > 0 ? h->config.scrub_us / USEC_PER_SEC : 1;
    int64_t now_s = now.wall / USEC_PER_SEC;
    int64_t phase = (int64_t)(name % (uint64_t)period);
    if (last_s > now_s + period) /* our clock was far ahead then */
        return true;
    return floor_div(now_s - phase, period) > floor_div(last_s - phase, period);
}

static uint64_t name_of(keyspace_no keyspace, range_no range, node_no a, node_no b)
{
    uint8_t all[16];
    store_u32(all, keyspace);
    store_u32(all + 4, range);
    store_u32(all + 8, a < b ? a : b);
    store_u32(all + 12, a < b ? b : a);
    return bytes_hash(bytes_make(all, sizeof all));
}

static bool can_be_compared(struct heal *h, keyspace_no keyspace, range_no range, node_no peer)
{
    return compare_takes_part(h, keyspace, range, cluster_self(h->cluster)) &&
           compare_takes_part(h, keyspace, range, peer) && cluster_is_alive(h->cluster, peer) &&
           engine_range_error(h->engine, keyspace, range) == ERR_OK;
}

/* --- runs */

/* With this peer in this keyspace; or in none: all there may be are running. */
static size_t place_for(const struct heal *h, keyspace_no keyspace, node_no peer)
{
    size_t free = 0;
    for (size_t i = 1; i <= ROUNDS_MARKED; i++) {
        const struct rounds_run *run = &h->turns.runs[i];
        if (run->running && run->keyspace == keyspace && run->peer == peer)
            return 0;
        if (!run->running && free == 0)
            free = i;
    }
    return free;
}

static bool begin_run(struct heal *h, struct now now, size_t at, keyspace_no keyspace, node_no peer,
                      const range_no *ranges, size_t count)
{
    struct heal_comparisons what = {.peer = peer,
                                    .keyspace = keyspace,
                                    .ranges = ranges,
                                    .ranges_count = count,
                                    .gentle = at == ROUND};
    if (!heal_compare_ranges(h, now, ROUNDS_ID | at, &what))
        return false;
    h->turns.runs[at] = (struct rounds_run){true, peer, keyspace, now.mono};
    return true;
}

void rounds_ended(struct heal *h, struct now now, uint64_t id)
{
    size_t at = (size_t)(id & ~ROUNDS_ID);
    bool at_once =
        at < ARRAY_LEN(h->turns.runs) && now.mono - h->turns.runs[at].began < ROUNDS_AT_ONCE;
    if (at < ARRAY_LEN(h->turns.runs))
        h->turns.runs[at].running = false;
    /* Perhaps there is more. What ended without an answer would be begun again at once. */
    h->turns.due = at_once ? now.mono + ROUNDS_AGAIN : now.mono;
}

void rounds_compared(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                     node_no peer, enum err err, bool proved)
{
    struct proved_pair *p = proved_find(h, keyspace, range, peer);
    if (p == NULL)
        return;
    bool marked = marks_find(h, keyspace, range, peer) != NULL;
    unsigned shift = p->tries < ROUNDS_TRIES_SHIFT ? p->tries : ROUNDS_TRIES_SHIFT;
    if (err == ERR_OK && !marked) {
        p->tries = 0;
        p->try_at = proved ? 0 : now.mono + ROUNDS_YOUNG;
    } else {
        p->tries++;
        p->try_at = now.mono + (ROUNDS_TRY_LEAST << shift);
    }
}

void rounds_leave(struct heal *h, struct now now, keyspace_no keyspace, range_no range)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    usec until = now.mono + ROUNDS_HELD;
    if (p == NULL || range >= p->ranges || sure_is_not(h, keyspace, range) ||
        engine_serving_error(h->engine, keyspace, range) != ERR_OK)
        return; /* its marks cannot wait, nor those that it will have when it is taken over again */
    struct replicas replicas = placement_replicas(p, range);
    for (uint32_t i = 0; i < replicas.count; i++) {
        struct proved_pair *pair = proved_find(h, keyspace, range, replicas.node[i]);
        if (pair != NULL && pair->try_at < until && pair->peer != cluster_self(h->cluster))
            pair->try_at = until;
    }
}

/* --- 1: marks */

static bool mark_is_due(struct heal *h, struct now now, const struct mark *m)
{
    const struct proved_pair *p = proved_find(h, m->keyspace, m->range, m->peer);
    return (p == NULL || p->try_at <= now.mono) &&
           can_be_compared(h, m->keyspace, m->range, m->peer);
}

static void begin_marked(struct heal *h, struct now now)
{
    range_no ranges[ROUNDS_RANGES];
    for (const struct mark *m = marks_seek(h, 0, 0, 0); m != NULL; m = marks_after(h, m)) {
        size_t count = 0, at = place_for(h, m->keyspace, m->peer);
        if (at == 0 || !mark_is_due(h, now, m))
            continue;
        for (const struct mark *k = m;
             k != NULL && k->keyspace == m->keyspace && count < ROUNDS_RANGES;
             k = marks_after(h, k)) {
            if (k->peer == m->peer && mark_is_due(h, now, k))
                ranges[count++] = k->range;
        }
        if (!begin_run(h, now, at, m->keyspace, m->peer, ranges, count))
            return;
    }
}

/* --- 3: rounds */

/* Somebody waits for what he has asked for. */
static bool is_asked(const struct heal *h)
{
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compares[i] != NULL && (h->compares[i]->id & ROUNDS_ID) == 0)
            return true;
    }
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        if (h->many[i] != NULL && (h->many[i]->id & ROUNDS_ID) == 0)
            return true;
    }
    return false;
}

static bool pair_is_due(struct heal *h, struct now now, keyspace_no keyspace,
                        const struct proved_pair *p)
{
    node_no self = cluster_self(h->cluster);
    if (p->peer <= self || p->try_at > now.mono || !p->compared || p->lacks > ROUNDS_LACKS_MAX ||
        p->peer_lacks > ROUNDS_LACKS_MAX)
        return false;
    if (p->trees_s != HEAL_NEVER &&
        !has_come(h, now, p->trees_s, name_of(keyspace, p->range, self, p->peer)))
        return false;
    return can_be_compared(h, keyspace, p->range, p->peer);
}

/* The one that was proved longest ago, among those that are due. */
static const struct proved_pair *oldest_pair(struct heal *h, struct now now,
                                             keyspace_no *ret_keyspace)
{
    const struct proved_pair *oldest = NULL;
    keyspace_no keyspace = 0;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
        const struct proved_keyspace *k = proved_of(h, keyspace);
        for (size_t i = 0; k != NULL && i < k->count; i++) {
            const struct proved_pair *p = &k->pairs[i];
            if ((oldest != NULL && p->trees_s >= oldest->trees_s) ||
                !pair_is_due(h, now, keyspace, p))
                continue;
            oldest = p;
            *ret_keyspace = keyspace;
        }
    }
    return oldest;
}

static void begin_round(struct heal *h, struct now now)
{
    range_no ranges[ROUNDS_RANGES];
    size_t count = 0;
    keyspace_no keyspace = 0;
    const struct proved_pair *oldest = oldest_pair(h, now, &keyspace);
    const struct proved_keyspace *k = oldest != NULL ? proved_of(h, keyspace) : NULL;
    if (k == NULL)
        return;
    /* Others that are due with the same peer go along, whenever they were proved. */
    ranges[count++] = oldest->range;
    for (size_t i = 0; i < k->count && count < ROUNDS_RANGES; i++) {
        const struct proved_pair *p = &k->pairs[i];
        if (p->range > oldest->range && p->peer == oldest->peer && pair_is_due(h, now, keyspace, p))
            ranges[count++] = p->range;
    }
    if (begin_run(h, now, ROUND, keyspace, oldest->peer, ranges, count))
        h->stats.round_ranges += count;
}

/* --- 4: scrubs */

static bool scrub_is_due(struct heal *h, struct now now, keyspace_no keyspace,
                         const struct proved_pair *p)
{
    node_no self = cluster_self(h->cluster);
    int64_t last = p->trees_s != HEAL_NEVER ? p->trees_s : h->turns.began_s;
    return p->peer == self && p->try_at <= now.mono &&
           has_come(h, now, last, name_of(keyspace, p->range, self, self)) &&
           engine_range_error(h->engine, keyspace, p->range) == ERR_OK;
}

static void choose_scrub(struct heal *h, struct now now)
{
    struct rounds *t = &h->turns;
    const struct proved_pair *oldest = NULL;
    keyspace_no keyspace = 0;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
        const struct proved_keyspace *k = proved_of(h, keyspace);
        for (size_t i = 0; k != NULL && i < k->count; i++) {
            const struct proved_pair *p = &k->pairs[i];
            if ((oldest != NULL && p->trees_s >= oldest->trees_s) ||
                !scrub_is_due(h, now, keyspace, p))
                continue;
            oldest = p;
            t->keyspace = keyspace;
            t->range = p->range;
        }
    }
    t->scrubbing = oldest != NULL;
    t->scrub_due = t->scrub_began = now.mono;
    t->tries = 0;
}

static void end_scrub(struct heal *h, struct now now, enum err err)
{
    struct rounds *t = &h->turns;
    struct proved_pair *p = proved_find(h, t->keyspace, t->range, cluster_self(h->cluster));
    buf_close(&t->scrub.from);
    t->scrub = (struct tree_scrub){0};
    t->scrubbing = false;
    if (p == NULL)
        return;
    if (err == ERR_OK) {
        proved_read(h, now, t->keyspace, t->range, t->scrub_began);
        p->try_at = 0;
        h->stats.scrubbed++;
        return;
    }
    unsigned shift = p->tries < ROUNDS_TRIES_SHIFT ? p->tries : ROUNDS_TRIES_SHIFT;
    p->try_at = now.mono + (ROUNDS_TRY_LEAST << shift);
    p->tries++;
}

/* A turn: with no peer, for it is our own disk. */
static void scrub_some(struct heal *h, struct now now)
{
    struct rounds *t = &h->turns;
    struct compare_range r;
    struct arena arena = {0};
    uint64_t wrong = 0;
    bool done = false;
    struct compare_turn turn = compare_turn_begin(h, now, compare_is_paced(h, ROUNDS_ID));
    enum err err = compare_own_range(h, t->keyspace, t->range, &arena, &r);
    if (err == ERR_OK)
        err = compare_prepare(h, now, &r, COMPARE_WORK_GENTLE, &t->scrub, false, &wrong, &done);
    if (err == ERR_CORRUPT && !done && t->tries++ < 3)
        err = ERR_OK; /* of the tree: it is gone, and built anew */
    arena_close(&arena);
    usec next = compare_turn_end(h, now, &turn, true, 0);
    t->scrub_due = now.mono + compare_pause_after(h, true, compare_turn_read(h, &turn));
    t->scrub_due = next > t->scrub_due ? next : t->scrub_due;
    if (err != ERR_OK || done)
        end_scrub(h, now, err);
}

void rounds_wrong(struct heal *h, struct now now, const struct compare_range *r, bool preview,
                  const struct tree_wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct heal_effect *e = heal_append(h, HEAL_LEAF_WRONG);
        e->leaf_wrong.keyspace = r->keyspace;
        e->leaf_wrong.range = r->range;
        e->leaf_wrong.table = wrong[i].table;
        e->leaf_wrong.rows = wrong[i].has.rows;
        e->leaf_wrong.key = arena_copy(&h->arena, wrong[i].stretch.from);
    }
    if (count > 0 && (!preview || MUTANT(preview_mends)) && !MUTANT(wrong_leaf_kept_quiet) &&
        marks_set(h, now, r->keyspace, r->range, 0, MARK_DAMAGED, NULL))
        h->turns.due = now.mono;
}

/* --- */

static void tick(struct heal *h, struct now now)
{
    struct rounds *t = &h->turns;
    t->due = now.mono + h->config.interval_us;
    if (cluster_self(h->cluster) == 0)
        return;
    begin_marked(h, now);
    if (h->config.scrub_us == 0)
        return;
    if (!t->runs[ROUND].running && !h->busy && !is_asked(h))
        begin_round(h, now);
    if (!t->scrubbing)
        choose_scrub(h, now);
}

void rounds_deadline(struct heal *h, struct now now)
{
    if (!h->begun)
        return;
    if (now.mono >= h->turns.due)
        tick(h, now);
    if (h->turns.scrubbing && now.mono >= h->turns.scrub_due)
        scrub_some(h, now);
}

usec rounds_next_deadline(const struct heal *h)
{
    if (!h->begun)
        return USEC_NEVER;
    bool scrub = h->turns.scrubbing && h->turns.scrub_due < h->turns.due;
    return scrub ? h->turns.scrub_due : h->turns.due;
}
