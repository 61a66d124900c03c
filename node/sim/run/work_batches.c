/* batches - all rows of a partition are written together, so they are the same to everybody.
 *
 * Each batch gives all rows of one partition (or of two) one value, in two columns, or deletes them
 * all. What a read of a partition shows, at any level, is one of these states: a batch is one
 * mutation to each replica, and two replicas' states that are joined are again the younger one. Of
 * two partitions each is judged on its own. The odd keys have timestamps of clients.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX 16
#define ROWS     4

struct batches {
    struct work base;
    uint32_t keys;
};

static void *begin(struct workload_env *env)
{
    struct batches *w = mem_new(struct batches);
    work_open(&w->base, env, "batched partition", "stamped batched partition");
    w->keys = work_scaled(env, KEYS_MAX / 2) * 2;
    return w;
}

static void end(void *work)
{
    struct batches *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.batches (k int, id bigint, v bigint, u bigint, "
                          "PRIMARY KEY (k, id))");
    return i == 0;
}

static bool is_stamped(uint64_t key)
{
    return key % 2 == 1;
}

static void put_rows(struct batches *w, struct op *op, size_t write, uint64_t key, int64_t value)
{
    history_put(w->base.histories[is_stamped(key)], write, key, 0, value);
    for (int id = 0; id < ROWS; id++) {
        if (rng_chance(&w->base.env->rng, 500000))
            buf_printf(&op->cql,
                       "INSERT INTO r.batches (k, id, v, u) VALUES (%" PRIu64 ", %d, %" PRId64
                       ", %" PRId64 "); ",
                       key, id, value, value);
        else
            buf_printf(&op->cql,
                       "UPDATE r.batches SET u = %" PRId64 ", v = %" PRId64 " WHERE k = %" PRIu64
                       " AND id = %d; ",
                       value, value, key, id);
    }
}

static void delete_rows(struct batches *w, struct op *op, size_t write, uint64_t key)
{
    uint64_t choice = rng_below(&w->base.env->rng, 3);
    history_delete(w->base.histories[is_stamped(key)], write, key, 0, 0);
    if (choice == 0)
        buf_printf(&op->cql, "DELETE FROM r.batches WHERE k = %" PRIu64 "; ", key);
    if (choice == 1)
        buf_printf(&op->cql, "DELETE FROM r.batches WHERE k = %" PRIu64 " AND id >= 0; ", key);
    for (int id = 0; id < ROWS && choice == 2; id++)
        buf_printf(&op->cql, "DELETE FROM r.batches WHERE k = %" PRIu64 " AND id = %d; ", key, id);
}

static void ask_write(struct batches *w, struct op *op)
{
    struct rng *rng = &w->base.env->rng;
    uint64_t first = op->n[0];
    char using[48];
    int64_t stamp = work_stamp(w->base.env, is_stamped(first), using);
    uint64_t partitions = w->keys > 2 && rng_chance(rng, 300000) ? 2 : 1;
    op->n[1] = partitions;
    buf_printf(&op->cql, "BEGIN %sBATCH%s ", rng_chance(rng, 500000) ? "UNLOGGED " : "", using);
    for (uint64_t i = 0; i < partitions; i++) {
        uint64_t key = (first + 2 * i) % w->keys; /* both stamped, or neither */
        size_t write = work_write(&w->base, op, is_stamped(key), stamp);
        op->n[2 + i] = write; /* one for each: a partition shown tells nothing of the other */
        if (rng_chance(rng, 200000))
            delete_rows(w, op, write, key);
        else
            put_rows(w, op, write, key, ++w->base.env->values);
    }
    buf_put_text(&op->cql, "APPLY BATCH");
}

static void ask_read(struct op *op)
{
    buf_printf(&op->cql, "SELECT v, u FROM r.batches WHERE k = %" PRIu64, op->n[0]);
}

static void ask(void *work, struct op *op)
{
    struct batches *w = work;
    op->n[0] = rng_below(&w->base.env->rng, w->keys);
    if (rng_chance(&w->base.env->rng, 500000))
        ask_write(w, op);
    else
        ask_read(op);
}

static bool judge(struct batches *w, const struct op *op, const struct answer *a,
                  struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    struct history_read read = work_read(op, a, op->n[0]);
    struct history_row row = {.value = r->rows == 0 ? HISTORY_NOTHING : work_cell(r, 0, 0)};
    if (r->rows != 0 && r->rows != ROWS)
        return errmsg_set(why, ERR_FAILED, "batched partition %" PRIu64 " shows %u of %d rows",
                          op->n[0], (unsigned)r->rows, ROWS) == ERR_OK;
    for (uint32_t i = 0; i < 2 * r->rows; i++) {
        if (work_cell(r, i / 2, i % 2) != row.value)
            return errmsg_set(why, ERR_FAILED,
                              "batched partition %" PRIu64 " shows of one batch %" PRId64
                              " and of another %" PRId64,
                              op->n[0], row.value, work_cell(r, i / 2, i % 2)) == ERR_OK;
    }
    return history_judge(w->base.histories[is_stamped(op->n[0])], &read, &row, r->rows > 0, why);
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct batches *w = work;
    for (uint64_t i = 0; op->is_write && i < op->n[1]; i++)
        work_wrote(&w->base, is_stamped(op->n[0]), op->n[2 + i], op, a);
    if (!work_answered(a, why))
        return false;
    return op->is_write || !a->acked || judge(w, op, a, why);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct batches *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys)
        return false;
    op->n[0] = i;
    ask_read(op);
    return true;
}

const struct workload_ops work_batches = {"batches", begin,          end,       schema, ask,
                                          take,      work_disk_lost, work_held, final};
