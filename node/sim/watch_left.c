/* watch_left.c - whether anything is left of what was deleted: deletions, what has expired, what is
 * removed, and entries of the index of garbage. When all replicas are there and nothing is under
 * way they have agreed, and all of it is gone from every disk. */
#include "node/schema/schema.h"
#include "node/sim/watch_core.h"

#include <inttypes.h>

#define EXPIRED_FOR 5 /* seconds, and so long as clocks may be apart: then it is due */

struct look {
    struct watch *w;
    unsigned node;
    int64_t expired_s; /* what expired before is due */
    struct errmsg *why;
    table_no table; /* what follows is of one partition (or of several with one token) */
    int64_t token;
    struct raw_item *items;
    size_t items_count, items_cap;
};

static bool is_left(const struct look *l, const struct raw_item *item)
{
    return item->what != RAW_CELL || item->kind >= 2 ||
           (item->kind == 1 && item->time_s < l->expired_s);
}

/* Of tables that there are, in ranges that the node holds. */
static bool is_its_own(const struct look *l, table_no table, int64_t place)
{
    struct node *n = l->w->sim->machines[l->node].node;
    const struct meta *m = node_meta(n);
    const struct table *t = schema_table_by_no(meta_schema(m), table);
    const struct keyspace *k = t != NULL ? schema_keyspace(meta_schema(m), t->keyspace) : NULL;
    return k != NULL && !keyspace_is_local(k->name) &&
           cluster_is_replica(node_cluster(n), k->no, watch_range_of(l->w, place), meta_self(m));
}

static bool tell(const struct look *l, const char *what, table_no table, int64_t timestamp)
{
    const struct meta *m = node_meta(l->w->sim->machines[l->node].node);
    const struct table *t = schema_table_by_no(meta_schema(m), table);
    return errmsg_set(l->why, ERR_FAILED, "node %u: %s of %s.%s is left, of %" PRId64, l->node,
                      what, t->keyspace, t->name, timestamp) == ERR_OK;
}

/* Something younger lies over it, and it is only not yet written over. */
static bool is_void(const struct look *l, const struct raw_item *item)
{
    for (size_t i = 0; i < l->items_count; i++) {
        const struct raw_item *other = &l->items[i];
        bool same = other->what == item->what && dot_compare(other->dot, item->dot) == 0 &&
                    dot_compare(other->target, item->target) == 0;
        if (!same && watch_accounts_for(other, item))
            return true;
    }
    return false;
}

/* All of a partition is here. */
static bool judge_partition(struct look *l)
{
    static const char *const kinds[] = {"a cell", "an expired cell", "a tombstone",
                                        "a removed cell"};
    static const char *const whats[] = {"a deletion of a partition", "a deletion of rows",
                                        "a deletion of a row"};
    bool good = true;
    for (size_t i = 0; i < l->items_count && good; i++) {
        const struct raw_item *item = &l->items[i];
        if (is_left(l, item) && is_its_own(l, l->table, l->token) && !is_void(l, item))
            good = tell(l, item->what == RAW_CELL ? kinds[item->kind] : whats[item->what], l->table,
                        item->timestamp);
    }
    l->items_count = 0;
    return good;
}

static void gather(struct look *l, const struct raw_entry *e)
{
    for (size_t i = 0; i < e->items_count; i++) {
        l->items = mem_grow(l->items, l->items_count, &l->items_cap, sizeof *l->items);
        l->items[l->items_count++] = e->items[i];
    }
    l->table = e->table;
    l->token = e->token;
}

static bool read_here(const struct look *l, const struct store_iter *it, struct raw_entry *ret)
{
    struct arena *arena = &l->w->arena;
    struct bytes key = arena_copy(arena, store_iter_key(it));
    return raw_read(key, arena_copy(arena, store_iter_value(it)), arena, ret);
}

static bool take(struct look *l, const struct store_iter *it)
{
    struct raw_entry e;
    if (!read_here(l, it, &e))
        return true;
    if (e.type == RAW_GARBAGE)
        return (e.expires && e.due_s >= l->expired_s) || !is_its_own(l, e.table, e.token) ||
               tell(l, "an entry of the index of garbage", e.table, e.due_s);
    if (l->items_count > 0 && (l->table != e.table || l->token != e.token)) {
        if (!judge_partition(l))
            return false;
        arena_reset(&l->w->arena); /* it has what was gathered, and this entry */
        (void)read_here(l, it, &e);
    }
    gather(l, &e);
    return true;
}

static bool look_through(struct look *l, char first)
{
    struct store_iter *it = store_iter_new(l->w->sim->machines[l->node].store);
    bool good = true;
    arena_reset(&l->w->arena);
    store_iter_seek(it, bytes_make((const uint8_t *)&first, 1));
    for (; good && store_iter_valid(it) && store_iter_key(it).data[0] == (uint8_t)first;
         store_iter_next(it))
        good = take(l, it);
    store_iter_free(it);
    return good && judge_partition(l);
}

bool watch_nothing_left(struct watch *w, struct errmsg *ret_why)
{
    const struct sim *s = w->sim;
    struct look l = {.w = w, .why = ret_why};
    l.expired_s = (SIM_WALL + s->time) / USEC_PER_SEC - EXPIRED_FOR -
                  2 * s->config.clock_offset_us / USEC_PER_SEC;
    bool good = true;
    for (l.node = 1; l.node <= s->count && good; l.node++)
        good = s->machines[l.node].node == NULL || (look_through(&l, 'd') && look_through(&l, 'g'));
    mem_free(l.items);
    return good;
}

uint64_t watch_expiring(struct watch *w, usec from, usec upto)
{
    const struct sim *s = w->sim;
    int64_t slack = 1 + 2 * s->config.clock_offset_us / USEC_PER_SEC;
    int64_t first = (SIM_WALL + from) / USEC_PER_SEC - slack;
    int64_t last = (SIM_WALL + upto) / USEC_PER_SEC + slack;
    uint64_t count = 0;
    for (unsigned node = 1; node <= s->count; node++) {
        if (s->machines[node].node == NULL)
            continue;
        struct look l = {.w = w, .node = node};
        struct raw_entry e;
        struct store_iter *it = store_iter_new(s->machines[node].store);
        for (store_iter_seek(it, BYTES_LIT("d"));
             store_iter_valid(it) && store_iter_key(it).data[0] == 'd'; store_iter_next(it)) {
            arena_reset(&w->arena);
            size_t items = read_here(&l, it, &e) ? e.items_count : 0;
            for (size_t i = 0; i < items; i++)
                count +=
                    e.items[i].kind == 1 && e.items[i].time_s >= first && e.items[i].time_s <= last;
        }
        store_iter_free(it);
    }
    return count;
}
