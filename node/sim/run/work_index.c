/* index - rows found by a value that changes, through an index that comes and goes.
 *
 * Table idx: each row has one tag at a time. To the oracle a row is a partition with a cell for
 * each tag, and a write takes the row out of all of them but its own: so whoever asks for a tag
 * must be shown every row that has it and none that has another. All timestamps are of clients: tag
 * and value of a row are two cells, and stay together.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX 12
#define ROWS     3 /* of a partition */
#define TAGS     4
#define PAGE_MAX 8
#define COLUMNS  4 /* of an answer: p, c, tag, v */

#define INDEX_MADE    "CREATE INDEX IF NOT EXISTS idx_tag ON r.idx (tag) USING 'sai'"
#define INDEX_DROPPED "DROP INDEX IF EXISTS r.idx_tag"

enum kind { ASK_WRITE, ASK_READ, ASK_INDEX };

struct request {
    enum kind kind;
    size_t write;
    int64_t first, last; /* tags */
    bool single;         /* partition `key` alone */
    uint64_t key;
    uint32_t limit;
};

struct index {
    struct work base;
    uint32_t keys;
    struct work_place places[KEYS_MAX]; /* by token */
};

static void *begin(struct workload_env *env)
{
    struct index *w = mem_new(struct index);
    work_open(&w->base, env, "indexed row", "indexed row");
    w->keys = work_scaled(env, KEYS_MAX);
    work_places(w->places, w->keys);
    return w;
}

static void end(void *work)
{
    struct index *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    static const char *const statements[] = {
        "CREATE TABLE r.idx (p int, c bigint, tag bigint, v bigint, PRIMARY KEY (p, c))",
        INDEX_MADE};
    (void)work;
    if (i < ARRAY_LEN(statements))
        buf_put_text(cql, statements[i]);
    return i < ARRAY_LEN(statements);
}

static void ask_write(struct index *w, struct op *op, struct request *q)
{
    struct rng *rng = &w->base.env->rng;
    struct history *h = w->base.histories[true];
    char using[48];
    int64_t stamp = work_stamp(w->base.env, true, using);
    uint64_t row = rng_below(rng, ROWS);
    int64_t tag = rng_between(rng, 0, TAGS - 1);
    int64_t value = ++w->base.env->values;
    uint64_t choice = rng_below(rng, 20);
    uint64_t cell = q->key * ROWS + row;
    q->write = work_write(&w->base, op, true, stamp);
    if (choice < 1) {
        for (uint64_t i = 0; i < ROWS; i++)
            history_delete(h, q->write, q->key * ROWS + i, 0, TAGS - 1);
        buf_printf(&op->cql, "DELETE FROM r.idx%s WHERE p = %" PRIu64, using, q->key);
    } else if (choice < 4) {
        history_delete(h, q->write, cell, 0, TAGS - 1);
        buf_printf(&op->cql, "DELETE FROM r.idx%s WHERE p = %" PRIu64 " AND c = %" PRIu64, using,
                   q->key, row);
    } else {
        history_overwrite(h, q->write, cell);
        history_put(h, q->write, cell, tag, value);
        if (choice < 12)
            buf_printf(&op->cql,
                       "INSERT INTO r.idx (p, c, tag, v) VALUES (%" PRIu64 ", %" PRIu64 ", %" PRId64
                       ", %" PRId64 ")%s",
                       q->key, row, tag, value, using);
        else
            buf_printf(&op->cql,
                       "UPDATE r.idx%s SET tag = %" PRId64 ", v = %" PRId64 " WHERE p = %" PRIu64
                       " AND c = %" PRIu64,
                       using, tag, value, q->key, row);
    }
}

/* With ALLOW FILTERING, so that it is right whether there is an index or not. */
static void put_read(struct op *op, const struct request *q)
{
    buf_put_text(&op->cql, "SELECT p, c, tag, v FROM r.idx WHERE ");
    if (q->single)
        buf_printf(&op->cql, "p = %" PRIu64 " AND ", q->key);
    if (q->first == q->last)
        buf_printf(&op->cql, "tag = %" PRId64, q->first);
    else
        buf_printf(&op->cql, "tag >= %" PRId64 " AND tag <= %" PRId64, q->first, q->last);
    if (q->limit > 0)
        buf_printf(&op->cql, " LIMIT %" PRIu32, q->limit);
    buf_put_text(&op->cql, " ALLOW FILTERING");
}

static void ask_read(struct index *w, struct op *op, struct request *q)
{
    struct rng *rng = &w->base.env->rng;
    q->first = q->last = rng_between(rng, 0, TAGS - 1);
    if (rng_chance(rng, 300000))
        q->last = rng_between(rng, q->first, TAGS - 1);
    q->single = rng_chance(rng, 200000);
    if (rng_chance(rng, 300000))
        q->limit = (uint32_t)rng_between(rng, 1, w->keys);
    if (rng_chance(rng, 500000))
        op->page_size = (int32_t)rng_between(rng, 1, PAGE_MAX);
    put_read(op, q);
}

static void ask_index(struct index *w, struct op *op)
{
    op->is_write = op->repeatable = op->serial = true;
    buf_put_text(&op->cql, rng_chance(&w->base.env->rng, 600000) ? INDEX_MADE : INDEX_DROPPED);
}

static void ask(void *work, struct op *op)
{
    struct index *w = work;
    struct request *q = mem_new(struct request);
    uint64_t choice = rng_below(&w->base.env->rng, 1000);
    op->own = q;
    q->key = rng_below(&w->base.env->rng, w->keys);
    q->kind = choice < 5 ? ASK_INDEX : choice < 700 ? ASK_WRITE : ASK_READ;
    if (q->kind == ASK_INDEX)
        ask_index(w, op);
    else if (q->kind == ASK_WRITE)
        ask_write(w, op, q);
    else
        ask_read(w, op, q);
}

static bool is_row(const struct sim_reply *r, uint32_t at, uint64_t key, uint64_t row)
{
    return at < r->rows && load_u32(r->cells[(size_t)at * COLUMNS].bytes.data) == key &&
           work_cell(r, at, 1) == (int64_t)row;
}

static bool judge(struct index *w, const struct op *op, const struct answer *a, struct errmsg *why)
{
    const struct request *q = op->own;
    const struct sim_reply *r = a->reply;
    uint32_t at = 0;
    for (uint32_t i = 0; i < r->rows; i++) {
        if (r->cells[(size_t)i * COLUMNS].bytes.len != 4)
            return errmsg_set(why, ERR_FAILED, "a row without a key") == ERR_OK;
    }
    for (uint64_t i = 0; i < (uint64_t)w->keys * ROWS && (q->limit == 0 || at < q->limit); i++) {
        uint64_t key = w->places[i / ROWS].key;
        struct history_read read = work_read(op, a, key * ROWS + i % ROWS);
        struct history_row row = {0};
        bool found = is_row(r, at, key, i % ROWS);
        if (q->single && key != q->key)
            continue;
        read.first = q->first;
        read.last = q->last;
        if (found) {
            row.id = work_cell(r, at, 2);
            row.value = work_cell(r, at++, 3);
        }
        if (!history_judge(w->base.histories[true], &read, &row, found, why))
            return false;
    }
    return at == r->rows ||
           errmsg_set(why, ERR_FAILED,
                      "row %u, of partition %u, was not asked for, or is not in order",
                      (unsigned)at,
                      (unsigned)load_u32(r->cells[(size_t)at * COLUMNS].bytes.data)) == ERR_OK;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct index *w = work;
    struct request *q = op->own;
    bool good = work_answered(a, why);
    if (q->kind == ASK_WRITE)
        work_wrote(&w->base, true, q->write, op, a);
    else if (q->kind == ASK_READ && good && a->acked)
        good = judge(w, op, a, why);
    mem_free(q);
    op->own = NULL;
    return good;
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct index *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys * TAGS)
        return false;
    struct request *q = mem_new(struct request);
    op->own = q;
    q->kind = ASK_READ;
    q->single = true; /* the whole ring may take longer than a request does */
    q->key = i / TAGS;
    q->first = q->last = i % TAGS;
    put_read(op, q);
    return true;
}

const struct workload_ops work_index = {"index", begin,          end,       schema, ask,
                                        take,    work_disk_lost, work_held, final};
