/* scans - reads of the whole table, or of a part of the ring, while rows come and go.
 *
 * Partitions are in the order of their tokens, rows in the order of their ids. A limit ends a scan,
 * a page does not. Each partition that the scan covers is judged on
 * its own: a row that is there all the time appears once, in its place. Keys with bit 0 set have
 * timestamps of clients.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX 40
#define IDS      6
#define PAGE_MAX 20

struct request {
    uint64_t key;
    size_t write;
    token after, upto; /* of the scan: beyond the first, up to the last */
    uint32_t limit;
};

struct scans {
    struct work base;
    uint32_t keys;
    struct work_place places[KEYS_MAX]; /* by token */
};

static void *begin(struct workload_env *env)
{
    struct scans *w = mem_new(struct scans);
    work_open(&w->base, env, "scanned partition", "stamped scanned partition");
    w->keys = work_scaled(env, KEYS_MAX);
    work_places(w->places, w->keys);
    return w;
}

static void end(void *work)
{
    struct scans *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.scans (k int, id bigint, v bigint, PRIMARY KEY (k, id))");
    return i == 0;
}

static bool is_stamped(uint64_t key)
{
    return key % 2 == 1;
}

static void ask_write(struct scans *w, struct op *op, struct request *q)
{
    struct rng *rng = &w->base.env->rng;
    struct history *h = w->base.histories[is_stamped(q->key)];
    char using[48];
    int64_t stamp = work_stamp(w->base.env, is_stamped(q->key), using);
    int64_t id = rng_between(rng, 0, IDS - 1);
    int64_t value = ++w->base.env->values;
    uint64_t choice = rng_below(rng, 10);
    q->write = work_write(&w->base, op, is_stamped(q->key), stamp);
    if (choice < 1) {
        history_delete(h, q->write, q->key, INT64_MIN, INT64_MAX);
        buf_printf(&op->cql, "DELETE FROM r.scans%s WHERE k = %" PRIu64, using, q->key);
    } else if (choice < 4) {
        history_delete(h, q->write, q->key, id, id);
        buf_printf(&op->cql, "DELETE FROM r.scans%s WHERE k = %" PRIu64 " AND id = %" PRId64, using,
                   q->key, id);
    } else {
        history_put(h, q->write, q->key, id, value);
        buf_printf(&op->cql,
                   "INSERT INTO r.scans (k, id, v) VALUES (%" PRIu64 ", %" PRId64 ", %" PRId64
                   ")%s",
                   q->key, id, value, using);
    }
}

/* `only`: that partition; NULL: some part of the ring. */
static void ask_read(struct scans *w, struct op *op, struct request *q,
                     const struct work_place *only)
{
    struct rng *rng = &w->base.env->rng;
    q->after = INT64_MIN; /* no key has this token */
    q->upto = INT64_MAX;
    buf_put_text(&op->cql, "SELECT k, id, v FROM r.scans");
    if (only != NULL) {
        q->after = only->token - 1;
        q->upto = only->token;
        buf_printf(&op->cql, " WHERE token(k) > %" PRId64 " AND token(k) <= %" PRId64, q->after,
                   q->upto);
        return;
    }
    if (rng_chance(rng, 700000)) {
        q->after = w->places[rng_below(rng, w->keys)].token - rng_between(rng, 0, 1);
        buf_printf(&op->cql, " WHERE token(k) > %" PRId64, q->after);
        if (rng_chance(rng, 700000)) {
            q->upto = w->places[rng_below(rng, w->keys)].token;
            buf_printf(&op->cql, " AND token(k) <= %" PRId64, q->upto);
        }
    }
    if (rng_chance(rng, 500000)) {
        q->limit = (uint32_t)rng_between(rng, 1, 2 * w->keys);
        buf_printf(&op->cql, " LIMIT %" PRIu32, q->limit);
    }
    if (rng_chance(rng, 500000))
        op->page_size = (int32_t)rng_between(rng, 1, PAGE_MAX);
}

static void ask(void *work, struct op *op)
{
    struct scans *w = work;
    struct request *q = mem_new(struct request);
    op->own = q;
    q->key = rng_below(&w->base.env->rng, w->keys);
    if (rng_chance(&w->base.env->rng, 800000))
        ask_write(w, op, q);
    else
        ask_read(w, op, q, NULL);
}

/* The rows of one partition, which begin with row `at`; the limit may end it. */
static bool judge_one(struct scans *w, const struct op *op, const struct answer *a, uint64_t key,
                      uint32_t *at, bool *ended, struct errmsg *why)
{
    const struct request *q = op->own;
    const struct sim_reply *r = a->reply;
    struct history_read read = work_read(op, a, key);
    struct history_row rows[IDS];
    uint32_t count = 0;
    while (*at < r->rows && load_u32(r->cells[(size_t)*at * 3].bytes.data) == key) {
        if (count == IDS)
            return errmsg_set(why, ERR_FAILED, "partition %" PRIu64 " has too many rows", key) ==
                   ERR_OK;
        rows[count].id = work_cell(r, *at, 1);
        rows[count++].value = work_cell(r, (*at)++, 2);
    }
    *ended = q->limit > 0 && *at == q->limit;
    if (*ended)
        read.last = count > 0 ? rows[count - 1].id : INT64_MIN;
    return history_judge(w->base.histories[is_stamped(key)], &read, rows, count, why);
}

static bool judge(struct scans *w, const struct op *op, const struct answer *a, struct errmsg *why)
{
    const struct request *q = op->own;
    const struct sim_reply *r = a->reply;
    uint32_t at = 0;
    bool ended = false;
    for (uint32_t i = 0; i < r->rows; i++) {
        if (r->cells[(size_t)i * 3].bytes.len != 4)
            return errmsg_set(why, ERR_FAILED, "a row without a key") == ERR_OK;
    }
    for (uint32_t i = 0; i < w->keys && !ended; i++) {
        const struct work_place *p = &w->places[i];
        if (p->token > q->after && p->token <= q->upto &&
            !judge_one(w, op, a, p->key, &at, &ended, why))
            return false;
    }
    return at == r->rows ||
           errmsg_set(why, ERR_FAILED,
                      "row %u of the scan, of partition %u, was not asked for, or is not in order",
                      (unsigned)at,
                      (unsigned)load_u32(r->cells[(size_t)at * 3].bytes.data)) == ERR_OK;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct scans *w = work;
    struct request *q = op->own;
    bool good = work_answered(a, why);
    if (op->is_write)
        work_wrote(&w->base, is_stamped(q->key), q->write, op, a);
    else if (good && a->acked)
        good = judge(w, op, a, why);
    mem_free(q);
    op->own = NULL;
    return good;
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct scans *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys)
        return false;
    struct request *q = mem_new(struct request);
    op->own = q;
    ask_read(w, op, q, &w->places[i]);
    return true;
}

const struct workload_ops work_scans = {"scans", begin,          end,       schema, ask,
                                        take,    work_disk_lost, work_held, final};
