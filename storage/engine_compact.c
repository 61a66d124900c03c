/* engine_compact.c - what was removed, in one go and close together, is worth compacting.
 *
 * A store keeps a mark for each removed key until it is compacted, and who reads there steps over
 * all of them. So removals are counted, by table (or indexes, or logs of a keyspace) and range,
 * with the keys between which they lie; the store is asked once there are many in the table. What
 * it has to rewrite for that is bounded by what was removed: a stretch in which little went among
 * much is left to the store's own compactions. The counts are in memory only: a restart forgets
 * what was not asked for yet. */
#include "storage/engine_private.h"

#define REMOVED_MIN   10000u           /* keys */
#define REMOVED_MANY  250000u          /* ... that are reason to ask before the work is over */
#define BYTES_PER_KEY ((uint64_t)1024) /* so much may be compacted for each that was removed */
#define OWNER_BYTES   5u               /* letter, and table or keyspace: keys.h */

static struct bytes owner_of(struct bytes key)
{
    return bytes_make(key.data, key.len < OWNER_BYTES ? key.len : OWNER_BYTES);
}

static bool is_free(const struct removed *r)
{
    return r->count == 0 && !r->early;
}

static bool is_of(const struct removed *r, struct bytes key)
{
    return !is_free(r) && bytes_equal(owner_of(buf_bytes(&r->keys.from)), owner_of(key));
}

static range_no distance(range_no a, range_no b)
{
    return a > b ? a - b : b - a;
}

/* Where removals of that kind are counted. When all places are taken: with those of the nearest
 * range; if there are none, what had the fewest is not counted any more. */
static struct removed *counter_of(struct engine *e, struct bytes key, range_no range)
{
    struct removed *nearest = NULL, *least = &e->removed[0];
    for (size_t i = 0; i < REMOVED_KINDS_MAX; i++) {
        struct removed *at = &e->removed[i];
        if (is_of(at, key) &&
            (nearest == NULL || distance(at->range, range) < distance(nearest->range, range)))
            nearest = at;
        if (!is_free(least) && (is_free(at) || at->count < least->count))
            least = at;
    }
    if (nearest != NULL && (nearest->range == range || !is_free(least)))
        return nearest;
    *least = (struct removed){.keys = least->keys, .range = range};
    return least;
}

void engine_note_removed(struct engine *e, const struct store_batch *batch, range_no range)
{
    struct removed *last = NULL;
    struct store_op op;
    size_t at = 0;
    while (store_batch_next(batch, &at, &op)) {
        if (op.type != STORE_DELETE)
            continue;
        if (last == NULL || !is_of(last, op.key))
            last = counter_of(e, op.key, range);
        if (last->count++ == 0)
            span_set(&last->keys, op.key, op.key);
        else
            span_add_key(&last->keys, op.key);
    }
}

/* False: the store has no room, or it is too much for what was removed there. */
static bool ask(struct engine *e, const struct span *keys, uint64_t count)
{
    struct bytes from = buf_bytes(&keys->from), to = buf_bytes(&keys->to);
    if (store_size(e->store, from, to) > count * BYTES_PER_KEY ||
        !store_compact(e->store, from, to))
        return false;
    e->stats.compactions++;
    return true;
}

static void asked(struct removed *r, bool good, bool done)
{
    r->early = good && !done;
    r->ask_at = good ? 0 : 2 * r->count;
    r->count = good ? 0 : r->count;
}

/* Those of the owner of the key: all together, or each that is dense by itself. */
static void compact_owner(struct engine *e, struct bytes key, bool done)
{
    struct removed *of[REMOVED_KINDS_MAX];
    size_t of_count = 0;
    uint64_t count = 0;
    bool early = false;
    struct span all;
    for (size_t i = 0; i < REMOVED_KINDS_MAX; i++) {
        struct removed *at = &e->removed[i];
        if (!is_of(at, key))
            continue;
        early = early || at->early;
        at->early = at->early && !done;
        if (at->count > 0 && at->count >= at->ask_at) {
            of[of_count++] = at;
            count += at->count;
        }
    }
    if (of_count == 0 || count < (!done ? REMOVED_MANY : early ? 1 : REMOVED_MIN))
        return;
    span_init(&all);
    span_set(&all, buf_bytes(&of[0]->keys.from), buf_bytes(&of[0]->keys.to));
    for (size_t i = 1; i < of_count; i++) {
        span_add_key(&all, buf_bytes(&of[i]->keys.from));
        span_add_key(&all, buf_bytes(&of[i]->keys.to));
    }
    bool good = ask(e, &all, count);
    for (size_t i = 0; i < of_count; i++)
        asked(of[i], good || (of_count > 1 && ask(e, &of[i]->keys, of[i]->count)), done);
    span_close(&all);
}

void engine_compact_removed(struct engine *e, bool done)
{
    if (store_failure(e->store) != NULL)
        return;
    for (size_t i = 0; i < REMOVED_KINDS_MAX; i++) {
        if (!is_free(&e->removed[i]))
            compact_owner(e, buf_bytes(&e->removed[i].keys.from), done);
    }
}
