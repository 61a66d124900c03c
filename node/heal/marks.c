/* Ranges that need a session by trees: see marks.h.
 *
 *   mark (a fact) = u8 why, i64 since, clock of what is lacking       under "a/mark", u32 keyspace,
 *           u32 range, u32 peer
 */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

#define FACT_MARK "a/mark"

struct mark_name {
    uint8_t room[18];
};

static struct bytes mark_name(keyspace_no keyspace, range_no range, node_no peer,
                              struct mark_name *name)
{
    memcpy(name->room, FACT_MARK, 6);
    store_u32(name->room + 6, keyspace);
    store_u32(name->room + 10, range);
    store_u32(name->room + 14, peer);
    return bytes_make(name->room, sizeof name->room);
}

static struct bytes key_of(struct bytes name)
{
    return bytes_make(name.data + 6, name.len - 6);
}

static struct mark *value_of(const struct omap_node *n)
{
    struct mark *m = NULL;
    if (n != NULL)
        memcpy(&m, omap_value(n).data, sizeof m);
    return m;
}

static void mark_free(struct mark *m)
{
    clock_close(&m->lacks);
    mem_free(m);
}

void marks_free(struct heal *h)
{
    for (struct omap_node *n = omap_first(&h->marks.all); n != NULL; n = omap_next(n))
        mark_free(value_of(n));
    omap_close(&h->marks.all);
}

static struct mark *find(const struct heal *h, keyspace_no keyspace, range_no range, node_no peer)
{
    struct mark_name name;
    return value_of(omap_find(&h->marks.all, key_of(mark_name(keyspace, range, peer, &name))));
}

static struct mark *make(struct heal *h, keyspace_no keyspace, range_no range, node_no peer)
{
    struct mark_name name;
    struct mark *m = mem_new(struct mark);
    m->keyspace = keyspace;
    m->range = range;
    m->peer = peer;
    clock_init(&m->lacks);
    omap_put(&h->marks.all, key_of(mark_name(keyspace, range, peer, &name)),
             bytes_make(&m, sizeof m));
    return m;
}

static void drop(struct heal *h, struct mark *m)
{
    struct mark_name name;
    struct bytes named = mark_name(m->keyspace, m->range, m->peer, &name);
    engine_fact_delete(h->engine, named, 0);
    omap_remove(&h->marks.all, key_of(named));
    mark_free(m);
}

static void store(struct heal *h, const struct mark *m)
{
    struct mark_name name;
    struct buf value;
    buf_init(&value, WIRE_MESSAGE_MAX);
    buf_put_u8(&value, (uint8_t)m->why);
    buf_put_i64(&value, m->since_s);
    clock_encode(&m->lacks, &value);
    if (buf_finish(&value) == ERR_OK && !MUTANT(mark_not_kept))
        engine_fact_put(h->engine, mark_name(m->keyspace, m->range, m->peer, &name),
                        buf_bytes(&value), 0);
    buf_close(&value);
}

/* What is no mark is left lying: it is not ours to judge, and costs nothing. */
static void load_one(struct heal *h, struct bytes name, struct bytes value)
{
    struct reader r = reader_make(value);
    unsigned why = read_u8(&r);
    int64_t since = read_i64(&r);
    struct clock lacks;
    if (name.len != sizeof(struct mark_name) || r.failed || why == 0 || why > MARK_WHY_ALL ||
        marks_count(h) >= MARKS_MAX)
        return;
    clock_init(&lacks);
    if (clock_decode(bytes_make(value.data + 9, value.len - 9), &lacks) == ERR_OK) {
        keyspace_no keyspace = load_u32(name.data + 6);
        range_no range = load_u32(name.data + 10);
        node_no peer = load_u32(name.data + 14);
        struct mark *m = find(h, keyspace, range, peer);
        if (m == NULL)
            m = make(h, keyspace, range, peer);
        m->since_s = m->why == 0 || since < m->since_s ? since : m->since_s;
        m->why |= why;
        m->number = ++h->marks.numbers;
        clock_merge(&m->lacks, &lacks);
    }
    clock_close(&lacks);
}

void marks_load(struct heal *h)
{
    struct buf name, value, after;
    enum err err;
    if (h->marks.loaded)
        return;
    buf_init(&name, 64);
    buf_init(&value, WIRE_MESSAGE_MAX);
    buf_init(&after, 64);
    buf_put_bytes(&after, BYTES_LIT(FACT_MARK));
    while ((err = engine_fact_next(h->engine, BYTES_LIT(FACT_MARK), buf_bytes(&after), &name,
                                   &value)) == ERR_OK) {
        load_one(h, buf_bytes(&name), buf_bytes(&value));
        buf_clear(&after);
        buf_put_bytes(&after, buf_bytes(&name));
    }
    h->marks.loaded = err == ERR_NOT_FOUND;
    buf_close(&after);
    buf_close(&name);
    buf_close(&value);
}

/* We and another one: now or soon. */
static bool is_ours(struct heal *h, keyspace_no keyspace, range_no range, node_no peer)
{
    return peer != cluster_self(h->cluster) &&
           cluster_is_replica(h->cluster, keyspace, range, cluster_self(h->cluster)) &&
           cluster_is_replica(h->cluster, keyspace, range, peer);
}

static bool set_one(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                    node_no peer, enum mark_why why, const struct clock *lacks)
{
    struct mark *m = find(h, keyspace, range, peer);
    if (!is_ours(h, keyspace, range, peer))
        return false;
    if (m == NULL && marks_count(h) >= MARKS_MAX) {
        h->marks.full++;
        return false;
    }
    m = m != NULL ? m : make(h, keyspace, range, peer);
    bool known = (m->why & why) != 0 && (lacks == NULL || clock_covers(&m->lacks, lacks));
    if (m->why == 0)
        m->since_s = now.wall / USEC_PER_SEC;
    m->why |= why;
    if (lacks != NULL)
        clock_merge(&m->lacks, lacks);
    m->number = known && why == MARK_TRUNCATED ? m->number : ++h->marks.numbers;
    if (!known)
        store(h, m);
    return true;
}

bool marks_set(struct heal *h, struct now now, keyspace_no keyspace, range_no range, node_no peer,
               enum mark_why why, const struct clock *lacks)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    bool all = true;
    marks_load(h);
    if (peer != 0)
        return set_one(h, now, keyspace, range, peer, why, lacks);
    if (p == NULL || range >= p->ranges)
        return false;
    struct replicas replicas = placement_replicas(p, range);
    for (uint32_t i = 0; i < replicas.count; i++) {
        if (replicas.node[i] != cluster_self(h->cluster))
            all &= set_one(h, now, keyspace, range, replicas.node[i], why, lacks);
    }
    return all;
}

void marks_set_all(struct heal *h, struct now now, enum mark_why why)
{
    keyspace_no keyspace = 0;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++) {
        const struct placement *p = cluster_placement(h->cluster, keyspace);
        for (range_no r = 0; p != NULL && r < p->ranges; r++)
            (void)marks_set(h, now, keyspace, r, 0, why, NULL);
    }
}

void marks_lost(struct heal *h, struct now now)
{
    if (engine_account_is_lost(h->engine, BYTES_LIT(FACT_MARK)) && !MUTANT(marks_lost_untold))
        marks_set_all(h, now, MARK_DAMAGED);
}

const struct mark *marks_find(const struct heal *h, keyspace_no keyspace, range_no range,
                              node_no peer)
{
    return find(h, keyspace, range, peer);
}

const struct mark *marks_seek(const struct heal *h, keyspace_no keyspace, range_no range,
                              node_no peer)
{
    struct mark_name name;
    return value_of(omap_seek(&h->marks.all, key_of(mark_name(keyspace, range, peer, &name))));
}

const struct mark *marks_after(const struct heal *h, const struct mark *mark)
{
    struct mark_name name;
    struct bytes key = key_of(mark_name(mark->keyspace, mark->range, mark->peer, &name));
    const struct omap_node *n = omap_find(&h->marks.all, key);
    return n != NULL ? value_of(omap_next(n)) : NULL;
}

size_t marks_count(const struct heal *h)
{
    return omap_count(&h->marks.all);
}

/* What came under its dots is here, and stays. */
static bool has_come(struct heal *h, const struct mark *m)
{
    return engine_has(h->engine, m->keyspace, m->range, &m->lacks) == ENGINE_HAS;
}

void marks_done(struct heal *h, keyspace_no keyspace, range_no range, node_no peer, uint64_t number)
{
    struct mark *m = find(h, keyspace, range, peer);
    if (m == NULL || m->number != number)
        return;
    if ((m->why & MARK_SURE) != 0)
        h->damage.due = 0; /* perhaps this was all */
    if ((m->why & MARK_TRUNCATED) == 0 || has_come(h, m)) {
        drop(h, m);
    } else if (m->why != MARK_TRUNCATED) {
        m->why = MARK_TRUNCATED;
        store(h, m);
    }
}

/* Of its reasons the one that what it lacked was not to be had. */
static void look_at(struct heal *h, struct mark *m)
{
    if (!is_ours(h, m->keyspace, m->range, m->peer)) {
        drop(h, m);
        return;
    }
    if ((m->why & MARK_TRUNCATED) == 0 || !has_come(h, m))
        return;
    m->why &= ~(unsigned)MARK_TRUNCATED;
    clock_close(&m->lacks);
    clock_init(&m->lacks);
    if (m->why == 0)
        drop(h, m);
    else
        store(h, m);
}

void marks_refresh(struct heal *h)
{
    marks_load(h);
    if (cluster_self(h->cluster) == 0) /* whose it is cannot be told yet */
        return;
    struct omap_node *next;
    for (struct omap_node *n = omap_first(&h->marks.all); n != NULL; n = next) {
        next = omap_next(n);
        look_at(h, value_of(n));
    }
}
