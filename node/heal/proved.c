/* When replicas were last known to be equal: see proved.h. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

#define FACT_MAX ((size_t)16 * PROVED_MAX)

static struct bytes fact_name(uint8_t room[12], keyspace_no keyspace)
{
    memcpy(room, "a/proved", 8);
    store_u32(room + 8, keyspace);
    return bytes_make(room, 12);
}

static void keyspace_free(void *p)
{
    struct proved_keyspace *k = p;
    mem_free(k->pairs);
    mem_free(k);
}

void proved_init(struct heal *h)
{
    map_init(&h->proved.keyspaces);
    h->proved.store_at = USEC_NEVER;
}

void proved_free(struct heal *h)
{
    map_clear(&h->proved.keyspaces, keyspace_free);
    map_close(&h->proved.keyspaces);
}

const struct proved_keyspace *proved_of(const struct heal *h, keyspace_no keyspace)
{
    return map_get(&h->proved.keyspaces, keyspace);
}

/* The first of (range, peer) or behind. */
static size_t seek(const struct proved_keyspace *k, range_no range, node_no peer)
{
    size_t low = 0, high = k->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct proved_pair *p = &k->pairs[mid];
        bool before = p->range < range || (p->range == range && p->peer < peer);
        low = before ? mid + 1 : low;
        high = before ? high : mid;
    }
    return low;
}

static struct proved_pair *find(const struct proved_keyspace *k, range_no range, node_no peer)
{
    size_t at = k != NULL ? seek(k, range, peer) : 0;
    bool there =
        k != NULL && at < k->count && k->pairs[at].range == range && k->pairs[at].peer == peer;
    return there ? &k->pairs[at] : NULL;
}

struct proved_pair *proved_find(const struct heal *h, keyspace_no keyspace, range_no range,
                                node_no peer)
{
    return find(proved_of(h, keyspace), range, peer);
}

bool heal_is_behind(const struct heal *h, keyspace_no keyspace, range_no range, node_no node)
{
    const struct proved_keyspace *k = proved_of(h, keyspace);
    bool self = node == cluster_self(h->cluster), behind = false;
    for (size_t i = k != NULL ? seek(k, range, self ? 0 : node) : 0;
         k != NULL && i < k->count && k->pairs[i].range == range; i++) {
        const struct proved_pair *p = &k->pairs[i];
        if (self)
            behind |= p->lacks > HEAL_BEHIND;
        else
            return p->peer == node && p->peer_lacks > HEAL_BEHIND;
    }
    return behind;
}

/* --- on the disk */

static void store(struct heal *h, struct proved_keyspace *k)
{
    uint8_t room[12];
    struct buf value;
    size_t last = 0;
    buf_init(&value, FACT_MAX);
    buf_put_u64(&value, k->ring_epoch);
    buf_put_u64(&value, k->hash);
    for (size_t i = 0; i < k->count; i++) {
        if (k->pairs[i].trees_s < 0)
            continue;
        buf_put_varint(&value, i - last);
        buf_put_varint(&value, (uint64_t)k->pairs[i].trees_s);
        last = i;
    }
    if (buf_finish(&value) == ERR_OK)
        engine_fact_put(h->engine, fact_name(room, k->keyspace), buf_bytes(&value), 0);
    k->changed = false;
    buf_close(&value);
}

/* What was written under another ring, or for other pairs, says nothing. */
static void load(struct heal *h, struct proved_keyspace *k)
{
    uint8_t room[12];
    struct buf value;
    buf_init(&value, FACT_MAX);
    enum err err = engine_fact_get(h->engine, fact_name(room, k->keyspace), &value);
    struct reader r = reader_make(err == ERR_OK ? buf_bytes(&value) : BYTES_NONE);
    uint64_t ring_epoch = read_u64(&r), hash = read_u64(&r), at = 0;
    bool same = (ring_epoch == k->ring_epoch && hash == k->hash) || MUTANT(proved_for_ever);
    while (!r.failed && same && reader_left(&r) > 0) {
        uint64_t step = read_varint(&r), time = read_varint(&r);
        if (r.failed || step >= k->count - at || time > INT64_MAX)
            break;
        at += step;
        k->pairs[at].trees_s = (int64_t)time;
    }
    buf_close(&value);
}

void proved_tick(struct heal *h, struct now now)
{
    keyspace_no keyspace = 0;
    if (now.mono < h->proved.store_at)
        return;
    h->proved.store_at = USEC_NEVER;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
        struct proved_keyspace *k = map_get(&h->proved.keyspaces, keyspace);
        if (k != NULL && k->changed)
            store(h, k);
    }
}

/* --- pairs */

static void add_pair(struct heal *h, struct proved_keyspace *k, size_t *cap, range_no range,
                     node_no peer)
{
    if (h->proved.pairs + k->count >= PROVED_MAX)
        return;
    k->pairs = mem_grow(k->pairs, k->count, cap, sizeof *k->pairs);
    size_t at = k->count++;
    for (; at > 0 && k->pairs[at - 1].range == range && k->pairs[at - 1].peer > peer; at--)
        k->pairs[at] = k->pairs[at - 1];
    k->pairs[at] = (struct proved_pair){
        .range = range, .peer = peer, .clocks_s = HEAL_NEVER, .trees_s = HEAL_NEVER};
}

static struct proved_keyspace *make(struct heal *h, keyspace_no keyspace)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    node_no self = cluster_self(h->cluster);
    struct proved_keyspace *k = mem_new(struct proved_keyspace);
    size_t cap = 0;
    k->keyspace = keyspace;
    k->ring_epoch = cluster_ring_epoch(h->cluster);
    k->hash = self;
    for (range_no range = 0; p != NULL && range < p->ranges; range++) {
        struct replicas replicas = placement_replicas(p, range);
        for (uint32_t i = 0; i < replicas.count && replicas_have(replicas, self); i++)
            add_pair(h, k, &cap, range, replicas.node[i]);
    }
    for (size_t i = 0; i < k->count; i++)
        k->hash = (k->hash ^ k->pairs[i].range ^ (uint64_t)k->pairs[i].peer << 32) *
                  UINT64_C(0x9e3779b97f4a7c15);
    return k;
}

/* What is known of those that stay. */
static void keep(struct proved_keyspace *k, const struct proved_keyspace *old)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct proved_pair *p = find(old, k->pairs[i].range, k->pairs[i].peer);
        if (p != NULL)
            k->pairs[i] = *p;
    }
}

static void look_at(struct heal *h, keyspace_no keyspace, bool seen)
{
    struct proved_keyspace *old = map_remove(&h->proved.keyspaces, keyspace);
    h->proved.pairs -= old != NULL ? old->count : 0;
    struct proved_keyspace *k = make(h, keyspace);
    bool same = old != NULL && old->ring_epoch == k->ring_epoch && old->hash == k->hash;
    if (old == NULL)
        load(h, k);
    else if (same || seen)
        keep(k, old);
    k->changed = old != NULL && (old->changed || !same);
    if (k->changed && h->proved.store_at == USEC_NEVER)
        h->proved.store_at = 0;
    h->proved.pairs += k->count;
    map_put(&h->proved.keyspaces, keyspace, k);
    if (old != NULL)
        keyspace_free(old);
}

static void drop_gone(struct heal *h)
{
    uint64_t *keyspaces = map_keys(&h->proved.keyspaces);
    size_t count = map_count(&h->proved.keyspaces);
    for (size_t i = 0; i < count; i++) {
        uint8_t room[12];
        if (cluster_has_keyspace(h->cluster, (keyspace_no)keyspaces[i]))
            continue;
        struct proved_keyspace *k = map_remove(&h->proved.keyspaces, keyspaces[i]);
        h->proved.pairs -= k->count;
        keyspace_free(k);
        engine_fact_delete(h->engine, fact_name(room, (keyspace_no)keyspaces[i]), 0);
    }
    mem_free(keyspaces);
}

void proved_placed(struct heal *h, bool seen)
{
    keyspace_no keyspace = 0;
    if (cluster_self(h->cluster) == 0)
        return;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++)
        look_at(h, keyspace, seen);
    drop_gone(h);
}

/* --- what is known */

static void note_changed(struct heal *h, struct now now, keyspace_no keyspace)
{
    struct proved_keyspace *k = map_get(&h->proved.keyspaces, keyspace);
    k->changed = true;
    if (h->proved.store_at == USEC_NEVER)
        h->proved.store_at = now.mono + PROVED_DELAY;
}

void proved_forget(struct heal *h, keyspace_no keyspace, range_no range)
{
    struct proved_keyspace *k = map_get(&h->proved.keyspaces, keyspace);
    for (size_t i = k != NULL ? seek(k, range, 0) : 0;
         k != NULL && i < k->count && k->pairs[i].range == range; i++) {
        k->pairs[i].clocks_s = k->pairs[i].trees_s = HEAL_NEVER;
        k->pairs[i].compared = false;
        k->pairs[i].read_at = k->pairs[i].same_at = 0;
        k->pairs[i].try_at = k->pairs[i].tries = 0; /* what comes now has waited for nothing */
        store(h, k);
    }
}

void proved_forgot(struct heal *h, struct now now, keyspace_no keyspace, range_no range)
{
    struct proved_keyspace *k = map_get(&h->proved.keyspaces, keyspace);
    for (size_t i = k != NULL ? seek(k, range, 0) : 0;
         k != NULL && i < k->count && k->pairs[i].range == range; i++)
        k->pairs[i].forgot_at = now.mono;
}

void proved_by_trees(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                     node_no peer)
{
    struct proved_pair *p = proved_find(h, keyspace, range, peer);
    if (p == NULL)
        return;
    p->trees_s = now.wall / USEC_PER_SEC;
    p->trees_at = now.mono;
    p->tries = 0;
    note_changed(h, now, keyspace);
}

void proved_read(struct heal *h, struct now now, keyspace_no keyspace, range_no range, usec began)
{
    node_no self = cluster_self(h->cluster);
    struct proved_pair *p = proved_find(h, keyspace, range, self);
    proved_by_trees(h, now, keyspace, range, self);
    if (p != NULL)
        p->read_at = began;
}

bool proved_was_read(const struct heal *h, keyspace_no keyspace, range_no range, usec since)
{
    const struct proved_pair *p = proved_find(h, keyspace, range, cluster_self(h->cluster));
    return since > 0 && p != NULL && p->read_at >= since;
}

static uint32_t lacking(const struct clock *all, const struct clock *of)
{
    struct clock missing;
    clock_init(&missing);
    clock_missing(all, of, &missing);
    uint64_t count = clock_count(&missing);
    clock_close(&missing);
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

static bool is_young(struct heal *h, keyspace_no keyspace, range_no range)
{
    return engine_has(h->engine, keyspace, range, engine_clock(h->engine, keyspace, range)) !=
           ENGINE_HAS;
}

void proved_lost(struct heal *h, node_no peer)
{
    uint64_t *keyspaces = map_keys(&h->proved.keyspaces);
    for (size_t i = 0, count = map_count(&h->proved.keyspaces); i < count; i++) {
        struct proved_keyspace *k = map_get(&h->proved.keyspaces, keyspaces[i]);
        for (size_t at = 0; at < k->count; at++)
            k->pairs[at].told = k->pairs[at].told && k->pairs[at].peer != peer;
    }
    mem_free(keyspaces);
}

/* Of one range of a keyspace where not all clocks are equal. */
static void hear_clock(struct heal *h, struct now now, struct proved_pair *p, keyspace_no keyspace,
                       bool young, const struct clock *theirs)
{
    const struct clock *ours = engine_clock(h->engine, keyspace, p->range);
    away_told(h, now, p->peer, keyspace, p->range, theirs, !p->told);
    p->compared = p->told = true;
    p->lacks = p->peer_lacks = 0;
    if (clock_equal(ours, theirs)) {
        if (!young && !is_young(h, keyspace, p->range))
            p->clocks_s = now.wall / USEC_PER_SEC;
        return;
    }
    p->lacks = lacking(theirs, ours);
    p->peer_lacks = lacking(ours, theirs);
}

/* All clocks were what ours were when we asked; those of `young` are not durable there. */
static void hear_equal(struct heal *h, struct now now, node_no from, uint64_t round,
                       keyspace_no keyspace, struct bytes young)
{
    struct proved_keyspace *k = map_get(&h->proved.keyspaces, keyspace);
    struct reader r = reader_make(young);
    uint64_t next = reader_left(&r) > 0 ? read_varint(&r) : UINT64_MAX;
    for (size_t i = 0; k != NULL && i < k->count && !r.failed; i++) {
        struct proved_pair *p = &k->pairs[i];
        if (p->peer != from)
            continue;
        while (next < p->range && !r.failed)
            next = reader_left(&r) > 0 ? next + read_varint(&r) : UINT64_MAX;
        p->heard = round;
        p->compared = p->told = true;
        p->lacks = p->peer_lacks = 0;
        if (next != p->range && !is_young(h, keyspace, p->range) && !r.failed)
            p->clocks_s = now.wall / USEC_PER_SEC;
    }
}

static void hear_clocks(struct heal *h, struct now now, node_no from, const struct wire_clocks *m)
{
    struct reader clocks = reader_make(m->clocks);
    while (!clocks.failed && reader_left(&clocks) > 0) {
        keyspace_no keyspace = read_u32(&clocks);
        range_no range = read_u32(&clocks);
        bool young = read_u8(&clocks) != 0;
        struct bytes encoded = read_vbytes(&clocks);
        struct proved_pair *p = clocks.failed ? NULL : proved_find(h, keyspace, range, from);
        struct clock theirs;
        clock_init(&theirs);
        bool fine = !clocks.failed && clock_decode(encoded, &theirs) == ERR_OK;
        if (fine && p == NULL)
            away_told(h, now, from, keyspace, range, &theirs, false);
        if (fine && p != NULL) {
            p->heard = m->round;
            hear_clock(h, now, p, keyspace, young, &theirs);
        }
        clock_close(&theirs);
    }
}

/* Clocks where nothing was ever written are not sent. */
static void hear_nothing(struct heal *h, struct now now, node_no from, uint64_t round)
{
    struct clock none;
    keyspace_no keyspace = 0;
    clock_init(&none);
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
        struct proved_keyspace *k = map_get(&h->proved.keyspaces, keyspace);
        for (size_t i = 0; k != NULL && i < k->count; i++) {
            if (k->pairs[i].peer == from && k->pairs[i].heard != round)
                hear_clock(h, now, &k->pairs[i], keyspace, false, &none);
        }
    }
}

void proved_hear(struct heal *h, struct now now, node_no from, const struct wire_clocks *m)
{
    struct reader equal = reader_make(m->equal);
    hear_clocks(h, now, from, m);
    if (!m->last || !m->all)
        return;
    while (!equal.failed && reader_left(&equal) > 0) {
        keyspace_no keyspace = read_u32(&equal);
        struct bytes young = read_vbytes(&equal);
        if (!equal.failed)
            hear_equal(h, now, from, m->round, keyspace, young);
    }
    hear_nothing(h, now, from, m->round);
}

/* --- for others */

bool heal_proved_next(const struct heal *h, keyspace_no keyspace, range_no range, node_no peer,
                      struct heal_proved *ret)
{
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace);
         keyspace++, range = 0, peer = 0) {
        const struct proved_keyspace *k = proved_of(h, keyspace);
        size_t at = k != NULL ? seek(k, range, peer) : 0;
        while (k != NULL && at < k->count && k->pairs[at].peer == cluster_self(h->cluster))
            at++;
        if (k == NULL || at == k->count)
            continue;
        const struct proved_pair *p = &k->pairs[at];
        const struct proved_pair *read = find(k, p->range, cluster_self(h->cluster));
        *ret = (struct heal_proved){.keyspace = keyspace,
                                    .range = p->range,
                                    .peer = p->peer,
                                    .clocks_s = p->clocks_s,
                                    .trees_s = p->trees_s,
                                    .trees_at = p->trees_at,
                                    .read_s = read != NULL ? read->trees_s : HEAL_NEVER,
                                    .compared = p->compared,
                                    .lacks = p->lacks,
                                    .peer_lacks = p->peer_lacks};
        return true;
    }
    return false;
}

struct heal_entropy heal_entropy(const struct heal *h)
{
    struct heal_entropy all = {.marked = marks_count(h), .oldest_s = HEAL_NEVER};
    keyspace_no keyspace = 0;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
        const struct proved_keyspace *k = proved_of(h, keyspace);
        for (size_t i = 0; k != NULL && i < k->count; i++) {
            const struct proved_pair *p = &k->pairs[i];
            if (p->peer == cluster_self(h->cluster))
                continue;
            all.pairs++;
            all.never += p->trees_s == HEAL_NEVER;
            if (p->trees_s != HEAL_NEVER &&
                (all.oldest_s == HEAL_NEVER || p->trees_s < all.oldest_s))
                all.oldest_s = p->trees_s;
        }
    }
    return all;
}
