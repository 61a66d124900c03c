/* compare_tree.c - what both sides of a session do with their own tree. */
#include "node/heal/compare.h"

bool compare_takes_part(struct heal *h, keyspace_no keyspace, range_no range, node_no node)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    return node != 0 && p != NULL && range < p->ranges &&
           (replicas_have(placement_replicas(p, range), node) ||
            replicas_have(placement_pending(p, range), node));
}

bool compare_is_new(struct heal *h, const struct compare_range *r, node_no node)
{
    const struct placement *p = cluster_placement(h->cluster, r->keyspace);
    return p != NULL && !replicas_have(placement_replicas(p, r->range), node);
}

enum err compare_own_range(struct heal *h, keyspace_no keyspace, range_no range,
                           struct arena *arena, struct compare_range *ret)
{
    node_no self = cluster_self(h->cluster), nodes[AGREE_SET_MAX];
    ret->keyspace = keyspace;
    ret->range = range;
    if (!compare_takes_part(h, keyspace, range, self) ||
        agree_replicas(h, keyspace, range, nodes, &ret->tag) == 0)
        return ERR_UNAVAILABLE;
    ret->tag ^= engine_tree_check(h->engine);
    cluster_place(h->cluster, keyspace, range, arena, &ret->place);
    return engine_range_error(h->engine, keyspace, range);
}

enum err compare_range(struct heal *h, keyspace_no keyspace, range_no range, node_no peer,
                       struct arena *arena, struct compare_range *ret)
{
    enum err err = compare_own_range(h, keyspace, range, arena, ret);
    bool other = peer != cluster_self(h->cluster) && compare_takes_part(h, keyspace, range, peer);
    return err != ERR_OK || other ? err : ERR_UNAVAILABLE;
}

uint64_t compare_mark(const struct heal *h, keyspace_no keyspace, range_no range, node_no peer)
{
    const struct mark *m = marks_find(h, keyspace, range, peer);
    return m != NULL ? m->number : 0;
}

usec compare_pause(const struct heal *h)
{
    return h->busy ? COMPARE_PAUSE_BUSY : COMPARE_PAUSE;
}

usec compare_pause_after(const struct heal *h, bool gentle, uint64_t read)
{
    usec pause = compare_pause(h);
    uint32_t rate = h->config.scrub_rows > 0 ? h->config.scrub_rows : 1;
    usec slow = (usec)(read * USEC_PER_SEC / rate) * (h->busy ? ROUNDS_BUSY : 1);
    return gentle && slow > pause ? slow : pause;
}

struct bytes compare_keep_clock(struct heal *h, const struct clock *c)
{
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX / 4);
    clock_encode(c, &out);
    struct bytes kept = heal_keep(h, &out);
    buf_close(&out);
    return kept;
}

enum err compare_prepare(struct heal *h, struct now now, const struct compare_range *r,
                         uint64_t work, struct tree_scrub *scrub, bool preview, uint64_t *wrong,
                         bool *ret_done)
{
    struct arena arena = {0};
    struct tree_wrong *list;
    size_t count = 0;
    *ret_done = false;
    enum err err = engine_tree_update(h->engine, r->keyspace, r->range, &r->place, work, ret_done);
    if (err == ERR_OK && *ret_done && scrub != NULL) {
        err = engine_tree_scrub(h->engine, r->keyspace, r->range, &r->place, scrub, work, &arena,
                                &list, &count, ret_done);
        *wrong += err == ERR_OK ? count : 0;
        if (err == ERR_OK)
            rounds_wrong(h, now, r, preview, list, count);
        if (err == ERR_OK && *ret_done && scrub->unread)
            err = ERR_CORRUPT;
        if (err == ERR_BEHIND) { /* it is brought up to date first */
            *ret_done = false;
            err = ERR_OK;
        }
    }
    arena_close(&arena);
    return err;
}

enum err compare_touched(struct heal *h, const struct compare_range *r, const struct clock *cut,
                         struct arena *arena, struct touched *ret)
{
    struct clock dots;
    *ret = (struct touched){0};
    clock_init(&dots);
    clock_missing(engine_clock(h->engine, r->keyspace, r->range), cut, &dots);
    enum err err = engine_tree_touched(h->engine, r->keyspace, r->range, &dots, COMPARE_TOUCHED_MAX,
                                       COMPARE_KEYS_MAX, arena, &ret->items, &ret->count);
    clock_close(&dots);
    return err;
}

uint64_t compare_root(const struct compare_range *r, const table_no *tables, size_t count,
                      const struct tree_sum *sums)
{
    struct buf all;
    buf_init(&all, SIZE_MAX);
    for (size_t i = 0; i < r->place.tables_count; i++) {
        bool wanted = false;
        for (size_t k = 0; k < count; k++)
            wanted = wanted || tables[k] == r->place.tables[i];
        if (!wanted)
            continue;
        buf_put_u32(&all, r->place.tables[i]);
        buf_put_u64(&all, sums[i].sum);
        buf_put_u64(&all, sums[i].rows);
    }
    uint64_t hash = bytes_hash(buf_bytes(&all));
    buf_close(&all);
    return hash;
}

void compare_told_doubtful(struct heal *h, const struct compare_range *r, node_no peer,
                           const struct tree_taken *taken, bool replaced)
{
    if (taken->doubtful == 0)
        return;
    h->stats.doubtful += taken->doubtful;
    struct heal_effect *e = heal_append(h, HEAL_DOUBTFUL);
    e->doubtful.peer = peer;
    e->doubtful.keyspace = r->keyspace;
    e->doubtful.range = r->range;
    e->doubtful.rows = taken->doubtful;
    e->doubtful.replaced = replaced;
    e->doubtful.table = taken->table;
    e->doubtful.key = arena_copy(&h->arena, taken->key);
}

size_t heal_rows(struct heal *h, keyspace_no keyspace, range_no range, struct arena *arena,
                 const struct heal_rows **ret_rows)
{
    struct range_place place;
    struct clock asof;
    bool current = false;
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    if (p == NULL || range >= p->ranges)
        return 0;
    cluster_place(h->cluster, keyspace, range, arena, &place);
    struct tree_sum *sums = arena_array(arena, struct tree_sum, place.tables_count);
    struct heal_rows *rows = arena_array(arena, struct heal_rows, place.tables_count);
    clock_init(&asof);
    enum err err = engine_tree_root(h->engine, keyspace, range, &place, sums, &asof, &current);
    clock_close(&asof);
    for (size_t i = 0; i < place.tables_count && err == ERR_OK; i++)
        rows[i] = (struct heal_rows){place.tables[i], sums[i].rows};
    *ret_rows = rows;
    return err == ERR_OK ? place.tables_count : 0;
}

bool compare_is_under_way(const struct heal *h, keyspace_no keyspace, range_no range)
{
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        const struct comparing *s = h->compares[i];
        if (s != NULL && s->range.keyspace == keyspace && s->range.range == range)
            return true;
    }
    for (size_t i = 0; h->serving != NULL && i < SERVED_MAX; i++) {
        const struct served *v = &h->serving->list[i];
        if (v->peer != 0 && v->keyspace == keyspace && v->range == range)
            return true;
    }
    return false;
}
