/* lists - unique values appended to lists, which are now and then assigned or deleted.
 *
 * An appended value is there once; twice only when the append may have been done twice, which a
 * client timestamp does not prevent: each attempt makes an element of its own. Removing by value
 * reads first, as much as one replica knows: it may remove, but need not.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEYS_MAX   12
#define WRITES_MAX 250 /* of one list: then another one takes its place, and it is only read */

struct lists {
    struct work base;
    uint32_t keys; /* written at a time */
    uint32_t writes[KEYS_MAX];
};

static void *begin(struct workload_env *env)
{
    struct lists *w = mem_new(struct lists);
    work_open(&w->base, env, "list", "stamped list");
    w->keys = work_scaled(env, KEYS_MAX);
    return w;
}

static void end(void *work)
{
    struct lists *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.lists (k int PRIMARY KEY, l list<bigint>)");
    return i == 0;
}

/* [7, 8] */
static void put_literal(struct lists *w, struct op *op)
{
    uint64_t count = 1 + rng_below(&w->base.env->rng, 2);
    buf_put_text(&op->cql, "[");
    for (uint64_t i = 0; i < count; i++) {
        int64_t value = ++w->base.env->values;

        history_put(w->base.histories[false], op->n[1], op->n[0], value, 0);
        buf_printf(&op->cql, i == 0 ? "%" PRId64 : ", %" PRId64, value);
    }
    buf_put_text(&op->cql, "]");
}

enum { APPEND, REMOVE, ASSIGN, DELETE_LIST, DELETE_ROW };

static void ask_write(struct lists *w, struct op *op)
{
    static const uint8_t kinds[] = {ASSIGN, DELETE_LIST, DELETE_ROW, REMOVE};
    struct rng *rng = &w->base.env->rng;
    struct history *h = w->base.histories[false];
    uint64_t key = op->n[0];
    op->n[1] = work_write(&w->base, op, false, 0);
    op->n[2] = rng_chance(rng, 150000) ? kinds[rng_below(rng, ARRAY_LEN(kinds))] : APPEND;
    switch (op->n[2]) {
    case REMOVE: {
        int64_t value = w->base.env->values - rng_between(rng, 0, 200);
        history_delete(h, op->n[1], key, value, value);
        buf_printf(&op->cql, "UPDATE r.lists SET l = l - [%" PRId64 "]", value);
        break;
    }
    case ASSIGN:
        history_overwrite(h, op->n[1], key);
        buf_put_text(&op->cql, "UPDATE r.lists SET l = ");
        put_literal(w, op);
        break;
    case DELETE_LIST:
        history_overwrite(h, op->n[1], key);
        buf_put_text(&op->cql, "DELETE l FROM r.lists");
        break;
    case DELETE_ROW:
        history_delete(h, op->n[1], key, INT64_MIN, INT64_MAX);
        buf_put_text(&op->cql, "DELETE FROM r.lists");
        break;
    default:
        buf_put_text(&op->cql, "UPDATE r.lists SET l = l + ");
        put_literal(w, op);
        break;
    }
    buf_printf(&op->cql, " WHERE k = %" PRIu64, key);
}

static void ask_read(struct op *op)
{
    buf_printf(&op->cql, "SELECT l FROM r.lists WHERE k = %" PRIu64, op->n[0]);
}

/* The lists that have stood in this place. */
static uint32_t generations(const struct lists *w, uint32_t place)
{
    return w->writes[place] / WRITES_MAX + 1;
}

static void ask(void *work, struct op *op)
{
    struct lists *w = work;
    struct rng *rng = &w->base.env->rng;
    uint32_t place = (uint32_t)rng_below(rng, w->keys);
    uint64_t last = generations(w, place) - 1;
    if (rng_chance(rng, 600000)) {
        op->n[0] = place + last * w->keys;
        w->writes[place]++;
        ask_write(w, op);
    } else {
        op->n[0] = place + (rng_chance(rng, 100000) ? rng_below(rng, last + 1) : last) * w->keys;
        ask_read(op);
    }
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct history_row *)a)->id;
    int64_t y = ((const struct history_row *)b)->id;
    return x < y ? -1 : x > y;
}

/* First the order, and what is there twice; then what is there at all. */
static bool judge(struct lists *w, const struct op *op, const struct answer *a, struct errmsg *why)
{
    struct history *h = w->base.histories[false];
    struct history_row *rows = NULL;
    size_t count = 0, unique = 0;
    struct history_read read = work_read(op, a, op->n[0]);
    if (a->reply->rows > 0 && !work_items(a->reply, 0, 0, 1, &rows, &count, why))
        return false;
    int64_t *ids = mem_alloc((count + 1) * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = rows[i].id;
    bool good = history_judge_order(h, op->n[0], ids, count, why);
    if (count > 0)
        qsort(rows, count, sizeof *rows, by_id);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || rows[i].id != rows[i - 1].id)
            rows[unique++] = rows[i];
    }
    good = good && history_judge(h, &read, rows, unique, why);
    mem_free(ids);
    mem_free(rows);
    return good;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct lists *w = work;
    struct op done = *op;
    if (op->is_write && op->n[2] == REMOVE)
        done.replicas = 0; /* it may not have seen what it should remove */
    if (op->is_write)
        work_wrote(&w->base, false, op->n[1], &done, a);
    if (!work_answered(a, why))
        return false;
    return op->is_write || !a->acked || judge(w, op, a, why);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct lists *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    for (uint32_t place = 0; place < w->keys; place++) {
        if (i < generations(w, place)) {
            op->n[0] = place + (uint64_t)i * w->keys;
            ask_read(op);
            return true;
        }
        i -= generations(w, place);
    }
    return false;
}

const struct workload_ops work_lists = {"lists", begin,          end,       schema, ask,
                                        take,    work_disk_lost, work_held, final};
