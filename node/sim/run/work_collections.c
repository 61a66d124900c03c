/* collections - a set and a map in a row: elements added and removed, and all of it assigned.
 *
 * To the history each is a partition of its own: key * 2 the set, key * 2 + 1 the map. The odd keys
 * have timestamps of clients.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX 12

struct collections {
    struct work base;
    uint32_t keys;
    int64_t ids;
};

static void *begin(struct workload_env *env)
{
    struct collections *w = mem_new(struct collections);
    work_open(&w->base, env, "collection", "stamped collection");
    w->keys = work_scaled(env, KEYS_MAX / 2) * 2;
    w->ids = 4 + env->size / 2;
    return w;
}

static void end(void *work)
{
    struct collections *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(
            cql, "CREATE TABLE r.colls (k int PRIMARY KEY, s set<bigint>, m map<bigint, bigint>)");
    return i == 0;
}

static bool is_stamped(uint64_t key)
{
    return key % 2 == 1;
}

/* One or two ids, the second greater; 0 for none in second place is no id. */
struct ids {
    int64_t id[2];
    uint32_t count;
};

static struct ids some_ids(struct collections *w)
{
    struct rng *rng = &w->base.env->rng;
    struct ids ids = {.count = (uint32_t)rng_between(rng, 1, 2)};
    ids.id[0] = rng_between(rng, 0, w->ids - 1);
    ids.id[1] = ids.id[0] + rng_between(rng, 1, w->ids);
    return ids;
}

/* {1, 2} or {1: 10, 2: 11}; tell the history, too. */
static void put_literal(struct collections *w, struct op *op, uint64_t key, bool map, bool told)
{
    struct ids ids = some_ids(w);
    struct history *h = w->base.histories[is_stamped(key)];
    buf_put_text(&op->cql, "{");
    for (uint32_t i = 0; i < ids.count; i++) {
        int64_t value = ++w->base.env->values;
        buf_printf(&op->cql, i == 0 ? "%" PRId64 : ", %" PRId64, ids.id[i]);
        if (map && told)
            buf_printf(&op->cql, ": %" PRId64, value);
        if (told)
            history_put(h, op->n[1], key * 2 + map, ids.id[i], map ? value : 0);
        else
            history_delete(h, op->n[1], key * 2 + map, ids.id[i], ids.id[i]);
    }
    buf_put_text(&op->cql, "}");
}

/* What one UPDATE does to one of the two: ` s = s + {1, 2}`. */
static void put_assignment(struct collections *w, struct op *op, uint64_t key, bool map)
{
    struct rng *rng = &w->base.env->rng;
    struct history *h = w->base.histories[is_stamped(key)];
    const char *name = map ? "m" : "s";
    uint64_t choice = rng_below(rng, 20);
    if (choice < 7) {
        buf_printf(&op->cql, " %s = %s + ", name, name);
        put_literal(w, op, key, map, true);
    } else if (choice < 13) {
        buf_printf(&op->cql, " %s = %s - ", name, name);
        put_literal(w, op, key, map, false);
    } else if (choice < 17 && map) {
        int64_t id = rng_between(rng, 0, w->ids - 1);
        int64_t value = ++w->base.env->values;
        bool gone = rng_chance(rng, 200000);
        if (gone) {
            history_delete(h, op->n[1], key * 2 + 1, id, id);
            buf_printf(&op->cql, " m[%" PRId64 "] = null", id);
        } else {
            history_put(h, op->n[1], key * 2 + 1, id, value);
            buf_printf(&op->cql, " m[%" PRId64 "] = %" PRId64, id, value);
        }
    } else if (choice < 19) {
        history_overwrite(h, op->n[1], key * 2 + map);
        buf_printf(&op->cql, " %s = ", name);
        put_literal(w, op, key, map, true);
    } else {
        history_overwrite(h, op->n[1], key * 2 + map);
        buf_printf(&op->cql, " %s = null", name);
    }
}

static void ask_write(struct collections *w, struct op *op)
{
    struct rng *rng = &w->base.env->rng;
    uint64_t key = op->n[0];
    struct history *h = w->base.histories[is_stamped(key)];
    char using[48];
    int64_t stamp = work_stamp(w->base.env, is_stamped(key), using);
    uint64_t choice = rng_below(rng, 100);
    op->n[1] = work_write(&w->base, op, is_stamped(key), stamp);
    if (choice < 3) {
        history_delete(h, op->n[1], key * 2, INT64_MIN, INT64_MAX);
        history_delete(h, op->n[1], key * 2 + 1, INT64_MIN, INT64_MAX);
        buf_printf(&op->cql, "DELETE FROM r.colls%s WHERE k = %" PRIu64, using, key);
    } else if (choice < 10) {
        bool map = rng_chance(rng, 500000);
        buf_printf(&op->cql, "INSERT INTO r.colls (k, %s) VALUES (%" PRIu64 ", ", map ? "m" : "s",
                   key);
        history_overwrite(h, op->n[1], key * 2 + map);
        put_literal(w, op, key, map, true);
        buf_printf(&op->cql, ")%s", using);
    } else {
        bool both = rng_chance(rng, 200000);
        bool map = rng_chance(rng, 500000);
        buf_printf(&op->cql, "UPDATE r.colls%s SET", using);
        put_assignment(w, op, key, map);
        if (both) {
            buf_put_text(&op->cql, ",");
            put_assignment(w, op, key, !map);
        }
        buf_printf(&op->cql, " WHERE k = %" PRIu64, key);
    }
}

static void ask_read(struct op *op)
{
    buf_printf(&op->cql, "SELECT s, m FROM r.colls WHERE k = %" PRIu64, op->n[0]);
}

static void ask(void *work, struct op *op)
{
    struct collections *w = work;
    op->n[0] = rng_below(&w->base.env->rng, w->keys);
    if (rng_chance(&w->base.env->rng, 600000))
        ask_write(w, op);
    else
        ask_read(op);
}

static bool judge(struct collections *w, const struct op *op, const struct answer *a, bool map,
                  struct errmsg *why)
{
    uint64_t key = op->n[0];
    struct history_row *rows = NULL;
    size_t count = 0;
    struct history_read read = work_read(op, a, key * 2 + map);
    if (a->reply->rows > 0 && !work_items(a->reply, 0, map, 1 + map, &rows, &count, why))
        return false;
    bool good = history_judge(w->base.histories[is_stamped(key)], &read, rows, count, why);
    mem_free(rows);
    return good;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct collections *w = work;
    if (op->is_write)
        work_wrote(&w->base, is_stamped(op->n[0]), op->n[1], op, a);
    if (!work_answered(a, why))
        return false;
    return op->is_write || !a->acked || (judge(w, op, a, false, why) && judge(w, op, a, true, why));
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct collections *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys)
        return false;
    op->n[0] = i;
    ask_read(op);
    return true;
}

const struct workload_ops work_collections = {"collections", begin,          end,       schema, ask,
                                              take,          work_disk_lost, work_held, final};
