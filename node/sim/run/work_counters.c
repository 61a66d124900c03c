/* counters - numbers that requests add to, each once, however often it is sent.
 *
 * Table cnt: the even keys count in a row, the odd ones in the static row. A request has a name of
 * its own (`torc_request_id`), and a client that has heard nothing, or nothing good, sends it
 * again, mostly to another node. Some are batches, of two counters or twice of one.
 */
#include "base/mem.h"
#include "node/sim/oracle/tally.h"
#include "node/sim/run/work.h"

#include <inttypes.h>

#define KEYS_MAX 12
#define SLOTS    64 /* keys are slot + SLOTS * n: a counter that has got enough is left alone */

struct counters {
    struct workload_env *env;
    struct tally *tally;
    uint32_t keys;
    uint64_t key[KEYS_MAX]; /* at each slot at present */
    uint64_t final_slot, final_key;
};

static void *begin(struct workload_env *env)
{
    struct counters *w = mem_new(struct counters);
    w->env = env;
    w->tally = tally_new(env->rf * env->dcs);
    w->keys = work_scaled(env, KEYS_MAX / 2) * 2;
    for (uint32_t i = 0; i < w->keys; i++)
        w->key[i] = i;
    return w;
}

static void end(void *work)
{
    struct counters *w = work;
    tally_free(w->tally);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.cnt (k int, c int, s counter static, n counter, PRIMARY "
                          "KEY (k, c))");
    return i == 0;
}

static uint64_t some_key(struct counters *w)
{
    uint64_t slot = rng_below(&w->env->rng, w->keys);
    if (tally_count(w->tally, w->key[slot]) + 2 > TALLY_ADDED_MAX)
        w->key[slot] += SLOTS;
    return w->key[slot];
}

/* Numbers of requests: n[1] and, of a batch, n[2]; + 1. */
static void put_update(struct counters *w, struct op *op, uint64_t key, uint64_t *ret_request)
{
    int64_t delta;
    const char *column = key % 2 == 0 ? "n" : "s";
    *ret_request = 1 + tally_add(w->tally, key, &w->env->rng, op->start, &delta);
    if (rng_chance(&w->env->rng, 500000))
        buf_printf(&op->cql, "UPDATE r.cnt SET %s = %s + %" PRId64, column, column, delta);
    else
        buf_printf(&op->cql, "UPDATE r.cnt SET %s -= -%" PRId64, column, delta);
    buf_printf(&op->cql, " WHERE k = %" PRIu64 "%s", key, key % 2 == 0 ? " AND c = 0" : "");
}

static void ask_write(struct counters *w, struct op *op)
{
    uint64_t choice = rng_below(&w->env->rng, 10);
    if (op->level == CQL_CL_ANY)
        op->level = CQL_CL_ONE;
    op->is_write = true;
    op->repeatable = true;
    op->name = (uint64_t)++w->env->values;
    if (choice > 1) {
        put_update(w, op, op->n[0], &op->n[1]);
        return;
    }
    buf_printf(&op->cql, "BEGIN %s BATCH ",
               rng_chance(&w->env->rng, 500000) ? "COUNTER" : "UNLOGGED");
    put_update(w, op, op->n[0], &op->n[1]);
    buf_put_text(&op->cql, "; ");
    put_update(w, op, choice == 0 ? op->n[0] : some_key(w), &op->n[2]);
    buf_put_text(&op->cql, "; APPLY BATCH");
}

static void ask_read(struct op *op)
{
    if (op->n[0] % 2 == 0)
        buf_printf(&op->cql, "SELECT n FROM r.cnt WHERE k = %" PRIu64 " AND c = 0", op->n[0]);
    else
        buf_printf(&op->cql, "SELECT s FROM r.cnt WHERE k = %" PRIu64, op->n[0]);
}

static void ask(void *work, struct op *op)
{
    struct counters *w = work;
    op->n[0] = some_key(w);
    if (rng_chance(&w->env->rng, 550000))
        ask_write(w, op);
    else
        ask_read(op);
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct counters *w = work;
    for (int i = 1; i <= 2 && op->is_write && a->acked; i++) {
        if (op->n[i] > 0)
            tally_added(w->tally, op->n[i] - 1, a->end, op->replicas);
    }
    if (!work_answered(a, why))
        return false;
    if (op->is_write || !a->acked)
        return true;
    const struct sim_reply *r = a->reply;
    struct tally_read read = {op->n[0], op->replicas, r->asked, r->answered};
    int64_t value = r->rows == 0 ? TALLY_NOTHING : work_cell(r, 0, 0);
    return tally_judge(w->tally, &read, value, why);
}

static void disk_lost(void *work, usec at)
{
    tally_disk_lost(((struct counters *)work)->tally, at);
}

static uint64_t held(const void *work)
{
    return tally_held(((const struct counters *)work)->tally);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct counters *w = work;
    if (i == 0)
        tally_all_equal(w->tally, sim_now(w->env->sim));
    if (w->final_slot == w->keys)
        return false;
    op->n[0] = w->final_slot + w->final_key * SLOTS;
    w->final_key++;
    if (op->n[0] == w->key[w->final_slot]) {
        w->final_slot++;
        w->final_key = 0;
    }
    ask_read(op);
    return true;
}

const struct workload_ops work_counters = {"counters", begin,     end,  schema, ask,
                                           take,       disk_lost, held, final};
