/* What is held, as far as this node has seen; so that what lies here of an earlier time goes before
 * a range is taken over again (docs/versions.md: deletions of it may have been forgotten by now).
 *
 *            taken over             it moved here
 *   NONE -----------------> TAKING ---------------> FULL
 *    ^  \                     |                       |
 *    |   there is old data    |  the ring that was    |  taken over again: it had left us,
 *    |        v               v  seen last was left   v  unseen
 *    +---- FORGETTING <-------+-----------------------+
 *                    done: as the ring has it then
 *
 * And of what is FULL, when its data is damaged (damage.h):
 *
 *   FULL --found--> DAMAGED --another replica is whole--> GIVEN_UP --> REBUILDING --> FULL
 *                           --there is none: a person -->          ----------------> FULL
 *
 * From FORGETTING or GIVEN_UP on nothing of what lies here is read, told of or handed on. GIVEN_UP
 * is forgotten likewise; but who was FULL has acked writes that this node had, so it answers
 * nothing until it has heard all others.
 * LEFT is NONE where it was held once: writes of that time may still be on their way to us.
 *
 *   held (a fact for each keyspace) = u64 ring epoch, (u8 hold, u64 since)* for each range
 *
 * A change of the ring is seen when each entry of the metadata is looked at: who was away may have
 * missed that a range left it and came back; so what it had begun to take over counts no more when
 * the ring is another one. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

#define FORGET_KEYS   512u /* removed in one turn, of each of so many ranges */
#define FORGET_RANGES 8u
#define FORGET_PAUSE  (2 * USEC_PER_MS)

enum hold {
    HOLD_NONE,
    HOLD_TAKING,
    HOLD_FULL,
    HOLD_FORGETTING,
    HOLD_LEFT,
    HOLD_DAMAGED,
    HOLD_REBUILDING,
    HOLD_GIVEN_UP
};

struct holds {
    uint64_t ring_epoch;
    uint32_t ranges;
    uint8_t *of;
    uint64_t *since; /* the entry of the metadata that made it ours */
};

static struct bytes fact_name(uint8_t room[10], keyspace_no keyspace)
{
    memcpy(room, "h/held", 6);
    store_u32(room + 6, keyspace);
    return bytes_make(room, 10);
}

static void holds_free(void *p)
{
    struct holds *k = p;
    mem_free(k->of);
    mem_free(k->since);
    mem_free(k);
}

void held_free(struct heal *h)
{
    map_clear(&h->holds, holds_free);
    map_close(&h->holds);
    mem_free(h->forgets);
}

/* As it was written last; all NONE when it never was. NULL when it cannot be read now: who took
 * that for never would forget what it holds. */
static struct holds *load(struct heal *h, keyspace_no keyspace, uint32_t ranges)
{
    uint8_t room[10];
    struct buf value;
    struct holds *k = map_get(&h->holds, keyspace);
    if (k != NULL)
        return k;
    buf_init(&value, 8 + 9 * RING_RANGES_MAX);
    enum err err = engine_fact_get(h->engine, fact_name(room, keyspace), &value);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        buf_close(&value);
        return NULL;
    }
    k = mem_new(struct holds);
    k->ranges = ranges;
    k->of = mem_alloc(ranges);
    k->since = mem_alloc(ranges * sizeof *k->since);
    map_put(&h->holds, keyspace, k);
    if (err == ERR_OK && value.len == 8 + 9 * (size_t)ranges) {
        k->ring_epoch = load_u64(value.data);
        for (uint32_t i = 0; i < ranges; i++) {
            k->of[i] = value.data[8 + 9 * (size_t)i];
            k->since[i] = load_u64(value.data + 9 + 9 * (size_t)i);
            cluster_set_since(h->cluster, keyspace, i, k->since[i]);
        }
    }
    buf_close(&value);
    return k;
}

static void store(struct heal *h, keyspace_no keyspace, const struct holds *k)
{
    uint8_t room[10];
    struct buf value;
    buf_init(&value, 8 + 9 * RING_RANGES_MAX);
    buf_put_u64(&value, k->ring_epoch);
    for (uint32_t i = 0; i < k->ranges; i++) {
        buf_put_u8(&value, k->of[i]);
        buf_put_u64(&value, k->since[i]);
    }
    engine_fact_put(h->engine, fact_name(room, keyspace), buf_bytes(&value), 0);
    buf_close(&value);
}

static enum hold hold_now(struct heal *h, const struct placement *p, range_no range)
{
    node_no self = cluster_self(h->cluster);
    if (replicas_have(placement_replicas(p, range), self))
        return HOLD_FULL;
    return replicas_have(placement_pending(p, range), self) ? HOLD_TAKING : HOLD_NONE;
}

/* What we have of the range is of this time. */
static bool is_current(enum hold was, enum hold is, bool same_ring)
{
    if (is == HOLD_TAKING)
        return was == HOLD_TAKING && same_ring;
    /* Who does not hold it keeps what it has. */
    return is == HOLD_LEFT || is == HOLD_NONE || (was != HOLD_NONE && was != HOLD_LEFT);
}

static bool is_forgetting(enum hold hold)
{
    return hold == HOLD_FORGETTING || hold == HOLD_GIVEN_UP;
}

static bool has_others(const struct placement *p, range_no range)
{
    return p != NULL && placement_replicas(p, range).count > 1;
}

/* What of the range is lost here is a matter for us alone as long as we hold it. */
static enum hold with_damage(struct heal *h, keyspace_no keyspace, range_no range, enum hold was,
                             enum hold is)
{
    bool lost = damage_hits(h, keyspace, range);
    if (is == HOLD_FULL && (was == HOLD_DAMAGED || lost))
        return HOLD_DAMAGED;
    if (is == HOLD_TAKING && (was == HOLD_DAMAGED || lost))
        return HOLD_FORGETTING;
    return is == HOLD_FULL && was == HOLD_REBUILDING ? HOLD_REBUILDING : is;
}

/* The engine and the log hear of it. */
static void tell(struct heal *h, keyspace_no keyspace, range_no range, enum hold was, enum hold is)
{
    if (is == HOLD_DAMAGED)
        engine_set_lost(h->engine, keyspace, range);
    engine_set_rebuilding(h->engine, keyspace, range, is == HOLD_REBUILDING);
    if (is == HOLD_REBUILDING && (is != was || h->damage.rebuild == 0))
        h->damage.rebuild++;
    if (is == was)
        return;
    if (is == HOLD_DAMAGED)
        damage_tell(h, keyspace, range, DAMAGE_FOUND);
    else if (was == HOLD_DAMAGED && is_forgetting(is))
        damage_tell(h, keyspace, range,
                    has_others(cluster_placement(h->cluster, keyspace), range) ? DAMAGE_FORGOTTEN
                                                                               : DAMAGE_GIVEN_UP);
    else if (was == HOLD_REBUILDING)
        damage_tell(h, keyspace, range, DAMAGE_MENDED);
}

/* Our dots of before are told of by nobody from now on, so this is a new life (docs/versions.md).
 */
static void forget_later(struct heal *h, keyspace_no keyspace, range_no range, bool first)
{
    proved_forget(h, keyspace, range);
    if (first && !h->renewing) {
        h->renewing = true;
        heal_append(h, HEAL_NEW_LIFE);
    }
    for (size_t i = 0; i < h->forgets_count; i++) {
        if (h->forgets[i].keyspace == keyspace && h->forgets[i].range == range)
            return;
    }
    h->forgets = mem_grow(h->forgets, h->forgets_count, &h->forgets_cap, sizeof *h->forgets);
    h->forgets[h->forgets_count++] = (struct forget){keyspace, range};
}

/* At once, though the removal waits for the new life: who takes the range over with us would else
 * get from us what those who held it meanwhile have deleted and forgotten. After the fact, so that
 * a restart in between goes on. */
static void begin_forgetting(struct heal *h, keyspace_no keyspace, const struct holds *k)
{
    for (range_no r = 0; r < k->ranges; r++) {
        if (is_forgetting(k->of[r]))
            engine_begin_forgetting(h->engine, keyspace, r);
    }
}

/* Who knows of this entry knows us as a replica. */
static void set_since(struct heal *h, keyspace_no keyspace, struct holds *k, range_no range,
                      uint64_t epoch)
{
    k->since[range] = epoch;
    cluster_set_since(h->cluster, keyspace, range, epoch);
}

/* Ranges that have anything are those with a clock. */
static void mark_used(struct heal *h, keyspace_no keyspace, uint32_t ranges, uint8_t *used)
{
    range_no range = 0;
    while (engine_next_range(h->engine, keyspace, range, &range) && range < ranges)
        used[range++] = 1;
}

/* False: it has to be looked at again. */
static bool look_at(struct heal *h, keyspace_no keyspace, uint64_t epoch, bool seen)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    uint64_t ring_epoch = cluster_ring_epoch(h->cluster);
    if (p == NULL)
        return true;
    struct holds *k = load(h, keyspace, p->ranges);
    if (k == NULL)
        return false;
    bool same_ring = seen || k->ring_epoch == ring_epoch;
    bool changed = k->ring_epoch != ring_epoch;
    uint8_t *used = mem_alloc(p->ranges);
    mark_used(h, keyspace, p->ranges, used);
    for (range_no r = 0; r < p->ranges; r++) {
        enum hold was = k->of[r];
        enum hold is = hold_now(h, p, r);
        if (is == HOLD_NONE && was != HOLD_NONE)
            is = HOLD_LEFT;
        is = with_damage(h, keyspace, r, was, is);
        if (is_forgetting(was) || is == HOLD_FORGETTING ||
            (used[r] && !is_current(was, is, same_ring) && !MUTANT(old_data_kept))) {
            is = was == HOLD_GIVEN_UP && is != HOLD_LEFT && is != HOLD_TAKING ? was
                                                                              : HOLD_FORGETTING;
            forget_later(h, keyspace, r, !is_forgetting(was));
        }
        tell(h, keyspace, r, was, is);
        if (is != was && (was == HOLD_LEFT || is_forgetting(is)))
            set_since(h, keyspace, k, r,
                      placement_stage(p, r) != STAGE_SETTLED ? ring_epoch : epoch);
        changed |= is != was;
        k->of[r] = (uint8_t)is;
    }
    mem_free(used);
    k->ring_epoch = ring_epoch;
    if (changed)
        store(h, keyspace, k);
    begin_forgetting(h, keyspace, k);
    return true;
}

static void drop_gone(struct heal *h)
{
    uint64_t *keyspaces = map_keys(&h->holds);
    size_t count = map_count(&h->holds);
    for (size_t i = 0; i < count; i++) {
        uint8_t room[10];
        keyspace_no keyspace = (keyspace_no)keyspaces[i];
        if (cluster_has_keyspace(h->cluster, keyspace))
            continue;
        engine_fact_delete(h->engine, fact_name(room, keyspace), 0);
        holds_free(map_remove(&h->holds, keyspace));
    }
    mem_free(keyspaces);
}

void heal_placed(struct heal *h, struct now now, uint64_t epoch)
{
    keyspace_no keyspace = 0;
    bool all = true;
    bool seen = h->placed_epoch != 0 && epoch <= h->placed_epoch + 1;
    if (cluster_self(h->cluster) == 0 || epoch == h->placed_epoch)
        return;
    proved_placed(h, seen);
    while (cluster_next_keyspace(h->cluster, keyspace, &keyspace))
        all &= look_at(h, keyspace++, epoch, seen);
    drop_gone(h);
    if (all && engine_has_lost(h->engine)) {
        marks_lost(h, now);
        engine_lost_done(h->engine); /* behind what is written about it above */
    }
    h->placed_epoch = all ? epoch : 0;
    if (h->forgets_count > 0)
        h->forget_due = now.mono;
}

/* Nothing is left of it: it is what the ring says. */
static void forgotten(struct heal *h, const struct forget *f)
{
    const struct placement *p = cluster_placement(h->cluster, f->keyspace);
    struct holds *k = map_get(&h->holds, f->keyspace);
    if (k == NULL || p == NULL || f->range >= k->ranges)
        return;
    enum hold was = k->of[f->range], is = hold_now(h, p, f->range);
    if (was == HOLD_GIVEN_UP && is == HOLD_FULL && has_others(p, f->range))
        is = HOLD_REBUILDING;
    tell(h, f->keyspace, f->range, was, is);
    k->of[f->range] = (uint8_t)is;
    store(h, f->keyspace, k);
    h->stats.forgotten++;
}

/* A turn for the last of what is to be forgotten. True: it is forgotten. */
static bool forget_one(struct heal *h, struct now now)
{
    struct range_place place;
    struct arena arena = {0};
    bool done = true;
    struct forget f = h->forgets[h->forgets_count - 1];
    uint32_t ranges = cluster_ranges(h->cluster);
    enum err err = ERR_OK;
    if (f.range < ranges && cluster_has_keyspace(h->cluster, f.keyspace)) {
        cluster_place(h->cluster, f.keyspace, f.range, &arena, &place);
        err = engine_forget(h->engine, f.keyspace, f.range, &place, FORGET_KEYS, &done);
    }
    arena_close(&arena);
    h->forget_due = now.mono + (err == ERR_OK ? FORGET_PAUSE : USEC_PER_SEC);
    if (err != ERR_OK || !done)
        return false;
    h->forgets_count--;
    proved_forgot(h, now, f.keyspace, f.range);
    forgotten(h, &f);
    return true;
}

void held_forget_some(struct heal *h, struct now now)
{
    h->forget_due = h->renewing ? now.mono + FORGET_PAUSE : USEC_NEVER;
    if (h->forgets_count == 0 || h->renewing)
        return;
    for (unsigned i = 0; i < FORGET_RANGES && h->forgets_count > 0; i++) {
        if (!forget_one(h, now))
            return;
    }
    if (h->forgets_count == 0 && (h->ring_epoch != 0 || h->damage.rebuild != h->damage.rebuilt))
        heal_ask_everybody(h, now); /* what could not be taken now can */
}

void heal_set_life(struct heal *h, uint32_t boot)
{
    h->life = boot;
    h->renewing = false;
}

void held_look_again(struct heal *h, struct now now)
{
    uint64_t epoch = h->placed_epoch;
    if (epoch == 0)
        return;
    h->placed_epoch = epoch - 1; /* no entry was missed */
    heal_placed(h, now, epoch);
}

bool held_forget_damaged(struct heal *h, keyspace_no keyspace, range_no range)
{
    struct holds *k = map_get(&h->holds, keyspace);
    if (k == NULL || range >= k->ranges || k->of[range] != HOLD_DAMAGED)
        return false;
    k->of[range] = HOLD_GIVEN_UP;
    tell(h, keyspace, range, HOLD_DAMAGED, HOLD_GIVEN_UP);
    forget_later(h, keyspace, range, true);
    store(h, keyspace, k);
    engine_begin_forgetting(h->engine, keyspace, range);
    return true;
}

struct heal_given_up heal_give_up(struct heal *h, struct now now, keyspace_no keyspace,
                                  bool preview)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    const struct holds *k = map_get(&h->holds, keyspace);
    struct heal_given_up all = {0};
    for (range_no r = 0; p != NULL && k != NULL && r < k->ranges; r++) {
        if (k->of[r] != HOLD_DAMAGED)
            continue;
        if (has_others(p, r) && !MUTANT(others_given_up)) {
            all.others++;
            continue;
        }
        all.ranges++;
        if (!preview && held_forget_damaged(h, keyspace, r))
            h->forget_due = now.mono;
    }
    return all;
}

void held_rebuilt(struct heal *h)
{
    uint64_t *keyspaces = map_keys(&h->holds);
    size_t count = map_count(&h->holds);
    for (size_t i = 0; i < count; i++) {
        struct holds *k = map_get(&h->holds, keyspaces[i]);
        bool any = false;
        for (range_no r = 0; r < k->ranges; r++) {
            if (k->of[r] != HOLD_REBUILDING)
                continue;
            k->of[r] = HOLD_FULL;
            tell(h, (keyspace_no)keyspaces[i], r, HOLD_REBUILDING, HOLD_FULL);
            h->stats.rebuilt++;
            any = true;
        }
        if (any)
            store(h, (keyspace_no)keyspaces[i], k);
    }
    mem_free(keyspaces);
}

bool held_next_damaged(const struct heal *h, struct heal_damaged *at)
{
    uint64_t *keyspaces = map_keys(&h->holds);
    size_t count = map_count(&h->holds);
    bool found = false;
    for (size_t i = 0; i < count && !found; i++) {
        const struct holds *k = map_get(&h->holds, keyspaces[i]);
        if (keyspaces[i] < at->keyspace)
            continue;
        range_no r = keyspaces[i] == at->keyspace ? at->range : 0;
        while (r < k->ranges && k->of[r] != HOLD_DAMAGED && k->of[r] != HOLD_REBUILDING &&
               k->of[r] != HOLD_GIVEN_UP)
            r++;
        found = r < k->ranges;
        if (found)
            *at = (struct heal_damaged){(keyspace_no)keyspaces[i], r, k->of[r] != HOLD_DAMAGED};
    }
    mem_free(keyspaces);
    return found;
}
