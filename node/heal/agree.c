/* The agreements: see agree.h. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

uint64_t agree_key(const struct agreement *a)
{
    return (uint64_t)a->keyspace << 32 | a->range;
}

static struct agreement *value_of(const struct omap_node *n)
{
    struct agreement *a = NULL;
    if (n != NULL)
        memcpy(&a, omap_value(n).data, sizeof a);
    return a;
}

struct agreement *agree_seek(struct heal *h, uint64_t key)
{
    uint8_t room[8];
    store_u64(room, key);
    return value_of(omap_seek(&h->agreements, bytes_make(room, sizeof room)));
}

struct agreement *agree_find(const struct heal *h, keyspace_no keyspace, range_no range)
{
    uint8_t room[8];
    store_u64(room, (uint64_t)keyspace << 32 | range);
    return value_of(omap_find(&h->agreements, bytes_make(room, sizeof room)));
}

static void close_told(struct agree_told *t)
{
    clock_close(&t->heard);
    clock_close(&t->seen);
    clock_close(&t->theirs);
}

static void forget(struct agreement *a)
{
    for (size_t i = 0; i < a->told_count; i++)
        close_told(&a->told[i]);
    mem_free(a->told);
    clock_close(&a->durable);
    clock_close(&a->proved);
    clock_close(&a->agreed);
    clock_close(&a->ripening);
    clock_close(&a->ripe);
}

static void drop(struct heal *h, struct agreement *a)
{
    uint8_t room[8];
    store_u64(room, agree_key(a));
    omap_remove(&h->agreements, bytes_make(room, sizeof room));
    forget(a);
    mem_free(a);
}

void agree_free(struct heal *h)
{
    for (struct agreement *a = agree_seek(h, 0); a != NULL; a = agree_seek(h, 0))
        drop(h, a);
    omap_close(&h->agreements);
}

/* --- who must agree */

static int compare_nodes(const void *a, const void *b)
{
    node_no x = *(const node_no *)a;
    node_no y = *(const node_no *)b;
    return x < y ? -1 : x > y;
}

struct set {
    node_no node[AGREE_SET_MAX];
    size_t count;
    uint64_t tag;
};

static bool add_nodes(struct set *s, struct replicas replicas)
{
    if (s->count + replicas.count > AGREE_SET_MAX)
        return false;
    for (uint32_t i = 0; i < replicas.count; i++)
        s->node[s->count++] = replicas.node[i];
    return true;
}

/* The replicas of the range, now and later, ascending; pending ones are not among those of now.
 * False when we are none of them or they are too many. */
static bool find_set(struct heal *h, keyspace_no keyspace, range_no range, struct set *ret)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    uint64_t epoch = cluster_ring_epoch(h->cluster);
    ret->count = 0;
    if (p == NULL || range >= p->ranges || !add_nodes(ret, placement_replicas(p, range)) ||
        !add_nodes(ret, placement_pending(p, range)))
        return false;
    qsort(ret->node, ret->count, sizeof ret->node[0], compare_nodes);
    ret->tag = bytes_hash(bytes_make(ret->node, ret->count * sizeof ret->node[0]));
    ret->tag = (ret->tag ^ epoch) * UINT64_C(0x9e3779b97f4a7c15) ^ epoch;
    node_no self = cluster_self(h->cluster);
    return bsearch(&self, ret->node, ret->count, sizeof self, compare_nodes) != NULL;
}

bool agree_is_ours(struct heal *h, keyspace_no keyspace, range_no range)
{
    struct set set;
    return find_set(h, keyspace, range, &set);
}

size_t agree_replicas(struct heal *h, keyspace_no keyspace, range_no range,
                      node_no ret[AGREE_SET_MAX], uint64_t *ret_tag)
{
    struct set set;
    if (!find_set(h, keyspace, range, &set))
        return 0;
    memcpy(ret, set.node, set.count * sizeof *ret);
    *ret_tag = set.tag;
    return set.count;
}

static bool all_alive(const struct heal *h, const struct set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!cluster_is_alive(h->cluster, s->node[i]))
            return false;
    }
    return true;
}

/* Nothing of what was told under another tag counts; but our own clock is what it is. */
static void begin_anew(struct agreement *a, const struct set *s, node_no self)
{
    for (size_t i = 0; i < a->told_count; i++)
        close_told(&a->told[i]);
    mem_free(a->told);
    a->told = mem_alloc(s->count * sizeof *a->told);
    a->told_count = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->node[i] != self)
            a->told[a->told_count++] = (struct agree_told){.peer = s->node[i]};
    }
    clock_close(&a->proved);
    clock_close(&a->agreed);
    clock_close(&a->ripening);
    clock_close(&a->ripe);
    a->ripe_at = 0;
    a->proved_hash = 0;
    a->purging = false;
    a->quiet = 0;
    a->next_ask = 0;
    a->tag = s->tag;
}

struct agreement *agree_open(struct heal *h, keyspace_no keyspace, range_no range)
{
    struct set set;
    struct agreement *a = agree_find(h, keyspace, range);
    if (!find_set(h, keyspace, range, &set) || !all_alive(h, &set) ||
        engine_serving_error(h->engine, keyspace, range) != ERR_OK) {
        if (a != NULL)
            drop(h, a);
        return NULL;
    }
    if (a == NULL) {
        uint8_t room[8];
        if (omap_count(&h->agreements) >= AGREED_RANGES_MAX)
            return NULL;
        a = mem_new(struct agreement);
        a->keyspace = keyspace;
        a->range = range;
        a->tag = ~set.tag;
        store_u64(room, agree_key(a));
        omap_put(&h->agreements, bytes_make(room, sizeof room), bytes_make(&a, sizeof a));
    }
    if (a->tag != set.tag)
        begin_anew(a, &set, cluster_self(h->cluster));
    return a;
}

void agree_refresh(struct heal *h, struct now now)
{
    struct agreement *next;
    for (struct agreement *a = agree_seek(h, 0); a != NULL; a = next) {
        uint64_t after = agree_key(a) + 1;
        if (!a->garbage && !a->long_log && a->kept_until <= now.mono)
            drop(h, a);
        else if (agree_open(h, a->keyspace, a->range) != NULL)
            agree_conclude(h, a);
        next = agree_seek(h, after);
    }
}

struct agree_told *agree_told_by(struct agreement *a, node_no peer)
{
    for (size_t i = 0; i < a->told_count; i++) {
        if (a->told[i].peer == peer)
            return &a->told[i];
    }
    return NULL;
}

/* --- conclusions */

static void look_at_clock(struct heal *h, struct agreement *a)
{
    uint64_t hash = engine_clock_hash(h->engine, a->keyspace, a->range) | 1;
    if (hash == a->clock_hash)
        return;
    if (MUTANT(told_undurable))
        clock_copy(&a->durable, engine_clock(h->engine, a->keyspace, a->range));
    else if (!engine_durable_clock(h->engine, a->keyspace, a->range, &a->durable))
        return;
    a->durable_hash = clock_hash(&a->durable) | 1;
    a->clock_hash = a->durable_hash == hash ? hash : 0;
}

static void intersect(struct clock *into, const struct clock *with)
{
    struct clock both;
    clock_init(&both);
    clock_common(into, with, &both);
    clock_close(into);
    *into = both;
}

/* We have all that it had: a completed pull. Later reports only add to what is to be had, so the
 * one that waits is kept until then. */
static void note_pulled(struct heal *h, const struct agreement *a, struct agree_told *t)
{
    if (clock_empty(&t->heard) ||
        (!clock_covers(&a->durable, &t->heard) && !MUTANT(acks_are_proof)))
        return;
    clock_close(&t->seen);
    t->seen = t->heard;
    clock_init(&t->heard);
    engine_note_life(h->engine, a->keyspace, a->range, (struct actor){t->peer, t->life});
}

void agree_conclude(struct heal *h, struct agreement *a)
{
    struct clock agreed;
    look_at_clock(h, a);
    clock_copy(&a->proved, &a->durable);
    for (size_t i = 0; i < a->told_count; i++) {
        note_pulled(h, a, &a->told[i]);
        intersect(&a->proved, &a->told[i].seen);
    }
    a->proved_hash = clock_hash(&a->proved) | 1;
    clock_init(&agreed);
    clock_copy(&agreed, &a->proved);
    for (size_t i = 0; i < a->told_count && !MUTANT(proof_is_agreement); i++)
        intersect(&agreed, &a->told[i].theirs);
    clock_close(&a->agreed);
    a->agreed = agreed;
}

/* `heard` was told, too; it is not proved, but who told it has it. */
void agree_known(const struct agreement *a, struct clock *ret)
{
    clock_copy(ret, &a->durable);
    for (size_t i = 0; i < a->told_count && !MUTANT(pruned_unproved); i++) {
        struct clock all;
        clock_init(&all);
        clock_copy(&all, &a->told[i].seen);
        clock_merge(&all, &a->told[i].heard);
        intersect(ret, &all);
        clock_close(&all);
    }
}

const struct clock *heal_agreed(struct heal *h, keyspace_no keyspace, range_no range)
{
    struct set set;
    const struct agreement *a = agree_find(h, keyspace, range);
    return a != NULL && find_set(h, keyspace, range, &set) && set.tag == a->tag ? &a->agreed : NULL;
}
