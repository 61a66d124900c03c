/* sets - ids as rows of a partition: inserted, deleted, inserted again; by row, by range, all.
 *
 * Tables items and items_desc (the other clustering order), by the lowest bit of the key; the next
 * bit says whether timestamps are the clients'. Reads ask for all, for slices, from either end,
 * with limits, by pages, for some rows.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>

#define KEYS_MAX 16
#define SOME_MAX 5
#define PAGE_MAX 12

enum shape { SLICE, SOME };

struct request {
    uint64_t key;
    size_t write;
    enum shape shape;
    int64_t first, last; /* SLICE */
    uint32_t limit;
    bool descending;
    int64_t ids[SOME_MAX]; /* SOME, ascending */
    uint32_t count;
};

struct sets {
    struct work base;
    uint32_t keys;
    int64_t ids; /* 0 .. ids-1 */
};

static void *begin(struct workload_env *env)
{
    struct sets *w = mem_new(struct sets);
    work_open(&w->base, env, "set", "stamped set");
    w->keys = work_scaled(env, KEYS_MAX / 4) * 4;
    w->ids = 4 + 2 * (int64_t)env->size;
    return w;
}

static void end(void *work)
{
    struct sets *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i > 1)
        return false;
    buf_put_text(cql, i == 0 ? "CREATE TABLE r.items (k int, id bigint, v bigint, PRIMARY KEY (k, "
                               "id))"
                             : "CREATE TABLE r.items_desc (k int, id bigint, v bigint, PRIMARY KEY "
                               "(k, id)) WITH CLUSTERING ORDER BY (id DESC)");
    return true;
}

static bool is_stamped(uint64_t key)
{
    return (key & 2) != 0;
}

static bool is_reversed(uint64_t key)
{
    return (key & 1) != 0;
}

static const char *table_of(uint64_t key)
{
    return is_reversed(key) ? "r.items_desc" : "r.items";
}

static int64_t some_id(struct sets *w)
{
    return rng_between(&w->base.env->rng, 0, w->ids - 1);
}

/* " AND id >= 3 AND id < 7": some bounds, or none. */
static void put_bounds(struct sets *w, struct request *q, struct buf *cql)
{
    struct rng *rng = &w->base.env->rng;
    q->first = INT64_MIN;
    q->last = INT64_MAX;
    int64_t a = some_id(w);
    int64_t b = a + rng_between(rng, 0, w->ids / 4);
    uint64_t choice = rng_below(rng, 8);
    if (choice < 6) {
        q->first = rng_chance(rng, 500000) ? a : a - 1;
        buf_printf(cql, q->first == a ? " AND id >= %" PRId64 : " AND id > %" PRId64, q->first);
        q->first = a;
    }
    if (choice != 5 && choice < 7) {
        q->last = rng_chance(rng, 500000) ? b : b + 1;
        buf_printf(cql, q->last == b ? " AND id <= %" PRId64 : " AND id < %" PRId64, q->last);
        q->last = b;
    }
}

static void ask_write(struct sets *w, struct op *op, struct request *q)
{
    struct rng *rng = &w->base.env->rng;
    struct history *h = w->base.histories[is_stamped(q->key)];
    const char *table = table_of(q->key);
    char using[48];
    int64_t stamp = work_stamp(w->base.env, is_stamped(q->key), using);
    int64_t id = some_id(w);
    int64_t value = ++w->base.env->values;
    uint64_t choice = rng_below(rng, 100);
    q->write = work_write(&w->base, op, is_stamped(q->key), stamp);
    if (choice < 2) {
        history_delete(h, q->write, q->key, INT64_MIN, INT64_MAX);
        buf_printf(&op->cql, "DELETE FROM %s%s WHERE k = %" PRIu64, table, using, q->key);
    } else if (choice < 9) {
        buf_printf(&op->cql, "DELETE FROM %s%s WHERE k = %" PRIu64, table, using, q->key);
        put_bounds(w, q, &op->cql);
        history_delete(h, q->write, q->key, q->first, q->last);
    } else if (choice < 27) {
        history_delete(h, q->write, q->key, id, id);
        buf_printf(&op->cql, "DELETE FROM %s%s WHERE k = %" PRIu64 " AND id = %" PRId64, table,
                   using, q->key, id);
    } else if (choice < 45) {
        history_put(h, q->write, q->key, id, value);
        buf_printf(&op->cql,
                   "UPDATE %s%s SET v = %" PRId64 " WHERE k = %" PRIu64 " AND id = %" PRId64, table,
                   using, value, q->key, id);
    } else {
        history_put(h, q->write, q->key, id, value);
        buf_printf(&op->cql,
                   "INSERT INTO %s (k, id, v) VALUES (%" PRIu64 ", %" PRId64 ", %" PRId64 ")%s",
                   table, q->key, id, value, using);
    }
}

static void ask_some(struct sets *w, struct op *op, struct request *q)
{
    uint32_t wanted = (uint32_t)rng_between(&w->base.env->rng, 1, SOME_MAX);
    q->shape = SOME;
    for (int64_t id = some_id(w); id < w->ids && q->count < wanted;
         id += rng_between(&w->base.env->rng, 1, 1 + w->ids / SOME_MAX))
        q->ids[q->count++] = id;
    buf_printf(&op->cql, " AND id IN (");
    for (uint32_t i = 0; i < q->count; i++)
        buf_printf(&op->cql, i == 0 ? "%" PRId64 : ", %" PRId64, q->ids[i]);
    buf_printf(&op->cql, ")");
}

static void ask_read(struct sets *w, struct op *op, struct request *q)
{
    struct rng *rng = &w->base.env->rng;
    uint64_t choice = rng_below(rng, 10);
    q->first = INT64_MIN;
    q->last = INT64_MAX;
    q->descending = is_reversed(q->key);
    buf_printf(&op->cql, "SELECT id, v FROM %s WHERE k = %" PRIu64, table_of(q->key), q->key);
    if (op->final)
        return;
    if (choice < 2) {
        ask_some(w, op, q);
        return;
    }
    if (choice < 7)
        put_bounds(w, q, &op->cql);
    if (rng_chance(rng, 300000)) {
        q->descending = rng_chance(rng, 500000);
        buf_printf(&op->cql, " ORDER BY id %s", q->descending ? "DESC" : "ASC");
    }
    if (rng_chance(rng, 400000)) {
        q->limit = (uint32_t)rng_between(rng, 1, rng_chance(rng, 500000) ? 3 : 1 + w->ids / 4);
        buf_printf(&op->cql, " LIMIT %" PRIu32, q->limit);
    }
    if (rng_chance(rng, 300000))
        op->page_size = (int32_t)rng_between(rng, 1, PAGE_MAX);
}

static void ask(void *work, struct op *op)
{
    struct sets *w = work;
    struct request *q = mem_new(struct request);
    op->own = q;
    q->key = rng_below(&w->base.env->rng, w->keys);
    if (rng_chance(&w->base.env->rng, 600000))
        ask_write(w, op, q);
    else
        ask_read(w, op, q);
}

/* Each of them on its own; and no others. */
static bool judge_some(struct history *h, const struct request *q, struct history_read read,
                       const struct history_row *rows, uint32_t count, struct errmsg *why)
{
    uint32_t at = 0;
    for (uint32_t k = 0; k < q->count; k++) {
        int64_t id = q->ids[q->descending ? q->count - 1 - k : k];
        bool shown = at < count && rows[at].id == id;
        read.first = read.last = id;
        if (!history_judge(h, &read, &rows[at], shown, why))
            return false;
        at += shown;
    }
    return at == count ||
           errmsg_set(why, ERR_FAILED,
                      "set %" PRIu64 ": row %" PRId64 " was not asked for, or is not in order",
                      q->key, rows[at].id) == ERR_OK;
}

static bool judge(struct sets *w, const struct op *op, const struct request *q,
                  const struct answer *a, struct errmsg *why)
{
    struct history *h = w->base.histories[is_stamped(q->key)];
    struct history_row *rows = work_rows(a->reply, 0, 1);
    struct history_read read = work_read(op, a, q->key);
    bool good;
    if (q->shape == SOME) {
        good = judge_some(h, q, read, rows, a->reply->rows, why);
    } else {
        read.first = q->first;
        read.last = q->last;
        read.limit = q->limit;
        read.descending = q->descending;
        good = history_judge(h, &read, rows, a->reply->rows, why);
    }
    mem_free(rows);
    return good;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct sets *w = work;
    struct request *q = op->own;
    bool good = work_answered(a, why);
    if (op->is_write)
        work_wrote(&w->base, is_stamped(q->key), q->write, op, a);
    else if (good && a->acked)
        good = judge(w, op, q, a, why);
    mem_free(q);
    op->own = NULL;
    return good;
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct sets *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys)
        return false;
    struct request *q = mem_new(struct request);
    op->own = q;
    q->key = i;
    ask_read(w, op, q);
    return true;
}

const struct workload_ops work_sets = {"sets", begin,          end,       schema, ask,
                                       take,   work_disk_lost, work_held, final};
