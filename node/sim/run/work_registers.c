/* registers - one value under a key, the last write wins.
 *
 * Table reg: the even keys get their timestamps from the server, the odd ones from the client: some
 * of the past, and now and then the same again, so that deletes and values meet at one timestamp.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX 52

struct registers {
    struct work base;
    uint32_t keys;
    int64_t last_stamp[KEYS_MAX];
};

static void *begin(struct workload_env *env)
{
    struct registers *w = mem_new(struct registers);
    work_open(&w->base, env, "register", "stamped register");
    w->keys = work_scaled(env, KEYS_MAX / 2) * 2;
    return w;
}

static void end(void *work)
{
    struct registers *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.reg (k int PRIMARY KEY, v bigint)");
    return i == 0;
}

static bool is_stamped(uint64_t key)
{
    return key % 2 == 1;
}

static int64_t some_stamp(struct registers *w, uint64_t key)
{
    if (w->last_stamp[key] == 0 || rng_chance(&w->base.env->rng, 850000))
        w->last_stamp[key] = workload_stamp(w->base.env);
    return w->last_stamp[key];
}

static void ask_write(struct registers *w, struct op *op)
{
    uint64_t key = op->n[0];
    struct history *h = w->base.histories[is_stamped(key)];
    int64_t value = ++w->base.env->values;
    int64_t stamp = is_stamped(key) ? some_stamp(w, key) : 0;
    uint64_t choice = rng_below(&w->base.env->rng, 20);
    struct buf *cql = &op->cql;
    char using[48] = "";
    op->n[1] = work_write(&w->base, op, is_stamped(key), stamp);
    if (is_stamped(key))
        (void)snprintf(using, sizeof using, " USING TIMESTAMP %" PRId64, stamp);
    if (choice < 4)
        history_delete(h, op->n[1], key, 0, 0);
    else
        history_put(h, op->n[1], key, 0, value);
    if (choice < 2)
        buf_printf(cql, "DELETE FROM r.reg%s WHERE k = %" PRIu64, using, key);
    else if (choice < 3)
        buf_printf(cql, "DELETE v FROM r.reg%s WHERE k = %" PRIu64, using, key);
    else if (choice < 4)
        buf_printf(cql, "UPDATE r.reg%s SET v = null WHERE k = %" PRIu64, using, key);
    else if (choice < 10)
        buf_printf(cql, "UPDATE r.reg%s SET v = %" PRId64 " WHERE k = %" PRIu64, using, value, key);
    else
        buf_printf(cql, "INSERT INTO r.reg (k, v) VALUES (%" PRIu64 ", %" PRId64 ")%s", key, value,
                   using);
}

static void ask_read(struct op *op)
{
    buf_printf(&op->cql, "SELECT v FROM r.reg WHERE k = %" PRIu64, op->n[0]);
}

static void ask(void *work, struct op *op)
{
    struct registers *w = work;
    op->n[0] = rng_below(&w->base.env->rng, w->keys);
    if (rng_chance(&w->base.env->rng, 550000))
        ask_write(w, op);
    else
        ask_read(op);
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct registers *w = work;
    return work_take_value(&w->base, is_stamped(op->n[0]), op, a, why);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct registers *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys)
        return false;
    op->n[0] = i;
    ask_read(op);
    return true;
}

const struct workload_ops work_registers = {"registers", begin,          end,       schema, ask,
                                            take,        work_disk_lost, work_held, final};
