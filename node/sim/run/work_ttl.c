/* ttl - registers whose values expire: neither they nor what they had overwritten come back.
 *
 * TTLs are short, so that much expires while the run goes on. The odd keys have timestamps of
 * clients; a value expires by the clock of who coordinated it all the same.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX  20
#define TTL_MAX_S 12

struct ttl {
    struct work base;
    uint32_t keys;
};

static void *begin(struct workload_env *env)
{
    struct ttl *w = mem_new(struct ttl);
    work_open(&w->base, env, "expiring register", "stamped expiring register");
    w->keys = work_scaled(env, KEYS_MAX / 2) * 2;
    return w;
}

static void end(void *work)
{
    struct ttl *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.ttl (k int PRIMARY KEY, v bigint)");
    return i == 0;
}

static bool is_stamped(uint64_t key)
{
    return key % 2 == 1;
}

/* " USING TTL 3 AND TIMESTAMP 17" */
static void put_using(struct buf *cql, int64_t ttl_s, bool stamped, int64_t stamp)
{
    if (ttl_s > 0)
        buf_printf(cql, " USING TTL %" PRId64, ttl_s);
    if (stamped)
        buf_printf(cql, ttl_s > 0 ? " AND TIMESTAMP %" PRId64 : " USING TIMESTAMP %" PRId64, stamp);
}

static void ask_write(struct ttl *w, struct op *op)
{
    struct rng *rng = &w->base.env->rng;
    uint64_t key = op->n[0];
    bool stamped = is_stamped(key);
    struct history *h = w->base.histories[stamped];
    int64_t stamp = stamped ? workload_stamp(w->base.env) : 0;
    int64_t value = ++w->base.env->values;
    int64_t ttl_s = rng_chance(rng, 700000) ? rng_between(rng, 1, TTL_MAX_S) : 0;
    uint64_t choice = rng_below(rng, 10);
    op->n[1] = work_write(&w->base, op, stamped, stamp);
    if (choice < 1) {
        history_delete(h, op->n[1], key, 0, 0);
        buf_put_text(&op->cql, "DELETE FROM r.ttl");
        put_using(&op->cql, 0, stamped, stamp);
        buf_printf(&op->cql, " WHERE k = %" PRIu64, key);
        return;
    }
    history_put(h, op->n[1], key, 0, value);
    history_expires(h, op->n[1], ttl_s * USEC_PER_SEC);
    if (choice < 5) {
        buf_put_text(&op->cql, "UPDATE r.ttl");
        put_using(&op->cql, ttl_s, stamped, stamp);
        buf_printf(&op->cql, " SET v = %" PRId64 " WHERE k = %" PRIu64, value, key);
    } else {
        buf_printf(&op->cql, "INSERT INTO r.ttl (k, v) VALUES (%" PRIu64 ", %" PRId64 ")", key,
                   value);
        put_using(&op->cql, ttl_s, stamped, stamp);
    }
}

static void ask_read(struct op *op)
{
    buf_printf(&op->cql, "SELECT v FROM r.ttl WHERE k = %" PRIu64, op->n[0]);
}

static void ask(void *work, struct op *op)
{
    struct ttl *w = work;
    op->n[0] = rng_below(&w->base.env->rng, w->keys);
    if (rng_chance(&w->base.env->rng, 400000))
        ask_write(w, op);
    else
        ask_read(op);
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct ttl *w = work;
    return work_take_value(&w->base, is_stamped(op->n[0]), op, a, why);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct ttl *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys)
        return false;
    op->n[0] = i;
    ask_read(op);
    return true;
}

const struct workload_ops work_ttl = {"ttl", begin,          end,       schema, ask,
                                      take,  work_disk_lost, work_held, final};
