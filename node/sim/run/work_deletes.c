/* deletes - rows that are deleted in every way, and written again: what is gone stays gone, and
 * what was acked is there.
 *
 * Partitions of a few tables with a static column, two plain ones and a map. Half of the partitions
 * have timestamps of the server: there who writes after another one is later, whatever the clocks
 * say. The others have those of clients: most of the present, some seconds old, some as old as the
 * run, so that they come long after what had deleted them was forgotten. Such a write that is not
 * to be seen must have had a warning; one a second of a connection and table is all that is
 * promised.
 *
 * To the history a partition is a row of ids: eight for each row (two cells and the elements of the
 * map), and -1 for the static column; so deletions of rows and ranges are ranges of ids.
 */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TABLES       3
#define KEYS_MAX     24
#define ROWS_MAX     24
#define WIDTH        8 /* ids of a row */
#define ELEMENTS     6
#define STATIC_ID    (-1)
#define TTL_MAX_S    8
#define BATCH_MAX    4
#define OLD_PPM      80000 /* usually */
#define STAMPS_A_US  1024  /* as workload_stamp */
#define PAGE_MAX     9
#define WITHHELD_MAX (3 * USEC_PER_SEC) /* a warning may be held back after another one */

struct request {
    uint64_t keys[BATCH_MAX]; /* of a batch several, else one */
    size_t writes[BATCH_MAX];
    uint32_t count;
    bool batched;
    int64_t first, last; /* of a read: rows */
    bool sliced;
};

struct deletes {
    struct work base;
    uint32_t keys;
    int64_t rows;
};

static void *begin(struct workload_env *env)
{
    struct deletes *w = mem_new(struct deletes);
    work_open(&w->base, env, "partition", "stamped partition");
    w->keys = 2 * TABLES * work_scaled(env, KEYS_MAX / (2 * TABLES));
    w->rows = work_scaled(env, ROWS_MAX);
    return w;
}

static void end(void *work)
{
    struct deletes *w = work;
    work_close(&w->base);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i < TABLES)
        buf_printf(cql,
                   "CREATE TABLE r.del%u (k int, c int, s bigint static, v bigint, w bigint, "
                   "m map<bigint, bigint>, PRIMARY KEY (k, c))",
                   (unsigned)i);
    return i < TABLES;
}

static unsigned table_of(uint64_t key)
{
    return (unsigned)(key % TABLES);
}

static bool is_stamped(uint64_t key)
{
    return key / TABLES % 2 == 1;
}

/* --- writing */

/* One statement that is being made. */
struct statement {
    struct deletes *w;
    struct buf *cql;
    uint64_t key;
    size_t write;
    int64_t row;
    char using[64];
};

static struct rng *rng_of(struct deletes *w)
{
    return &w->base.env->rng;
}

/* Most are new, some as old as the run. */
static int64_t some_stamp(struct deletes *w)
{
    int64_t stamp = workload_stamp(w->base.env);
    uint32_t old_ppm = w->base.env->old_ppm > 0 ? w->base.env->old_ppm : OLD_PPM;
    if (rng_chance(rng_of(w), old_ppm))
        stamp -= rng_between(rng_of(w), 0, sim_now(w->base.env->sim)) * STAMPS_A_US;
    return stamp;
}

static void remove_ids(struct statement *s, int64_t first, int64_t last)
{
    struct history *h = s->w->base.histories[is_stamped(s->key)];
    history_delete(h, s->write, s->key, first, last);
}

static int64_t put_id(struct statement *s, int64_t id)
{
    int64_t value = ++s->w->base.env->values;
    history_put(s->w->base.histories[is_stamped(s->key)], s->write, s->key, id, value);
    return value;
}

static void put_where(struct statement *s)
{
    buf_printf(s->cql, " WHERE k = %" PRIu64 " AND c = %" PRId64, s->key, s->row);
}

static void delete_from(struct statement *s, const char *what)
{
    buf_printf(s->cql, "DELETE %sFROM r.del%u%s", what, table_of(s->key), s->using);
}

static void delete_cell(struct statement *s)
{
    char what[32];
    int64_t slot = rng_between(rng_of(s->w), 0, WIDTH - 1);
    remove_ids(s, s->row * WIDTH + slot, s->row * WIDTH + slot);
    if (slot < 2 && rng_chance(rng_of(s->w), 300000)) {
        buf_printf(s->cql, "UPDATE r.del%u%s SET %s = null", table_of(s->key), s->using,
                   slot == 0 ? "v" : "w");
    } else {
        (void)snprintf(what, sizeof what, "m[%" PRId64 "] ", slot - 2);
        delete_from(s, slot == 0 ? "v " : slot == 1 ? "w " : what);
    }
    put_where(s);
}

static void delete_map(struct statement *s)
{
    remove_ids(s, s->row * WIDTH + 2, s->row * WIDTH + WIDTH - 1);
    delete_from(s, "m ");
    put_where(s);
}

static void delete_row(struct statement *s)
{
    remove_ids(s, s->row * WIDTH, s->row * WIDTH + WIDTH - 1);
    delete_from(s, "");
    put_where(s);
}

static void delete_rows(struct statement *s)
{
    int64_t last = s->row + rng_between(rng_of(s->w), 0, 1 + s->w->rows / 4);
    remove_ids(s, s->row * WIDTH, last * WIDTH + WIDTH - 1);
    delete_from(s, "");
    buf_printf(s->cql, " WHERE k = %" PRIu64 " AND c >= %" PRId64 " AND c <= %" PRId64, s->key,
               s->row, last);
}

static void delete_all(struct statement *s)
{
    remove_ids(s, INT64_MIN, INT64_MAX);
    delete_from(s, "");
    buf_printf(s->cql, " WHERE k = %" PRIu64, s->key);
}

static void delete_static(struct statement *s)
{
    remove_ids(s, STATIC_ID, STATIC_ID);
    delete_from(s, "s ");
    buf_printf(s->cql, " WHERE k = %" PRIu64, s->key);
}

static void delete_some(struct statement *s)
{
    uint64_t choice = rng_below(rng_of(s->w), 100);
    if (choice < 40)
        delete_cell(s);
    else if (choice < 50)
        delete_map(s);
    else if (choice < 75)
        delete_row(s);
    else if (choice < 88)
        delete_rows(s);
    else if (choice < 94)
        delete_all(s);
    else
        delete_static(s);
}

static void insert(struct statement *s)
{
    int64_t v = put_id(s, s->row * WIDTH);
    int64_t w = put_id(s, s->row * WIDTH + 1);
    buf_printf(s->cql,
               "INSERT INTO r.del%u (k, c, v, w) VALUES (%" PRIu64 ", %" PRId64 ", %" PRId64
               ", %" PRId64 ")%s",
               table_of(s->key), s->key, s->row, v, w, s->using);
}

static void update(struct statement *s)
{
    int64_t slot = rng_between(rng_of(s->w), 0, WIDTH - 1);
    int64_t value = put_id(s, s->row * WIDTH + slot);
    buf_printf(s->cql, "UPDATE r.del%u%s SET ", table_of(s->key), s->using);
    if (slot < 2)
        buf_printf(s->cql, "%s = %" PRId64, slot == 0 ? "v" : "w", value);
    else
        buf_printf(s->cql, "m[%" PRId64 "] = %" PRId64, slot - 2, value);
    put_where(s);
}

static void put_static(struct statement *s)
{
    int64_t value = put_id(s, STATIC_ID);
    buf_printf(s->cql, "UPDATE r.del%u%s SET s = %" PRId64 " WHERE k = %" PRIu64, table_of(s->key),
               s->using, value, s->key);
}

static void put_some(struct statement *s)
{
    uint64_t choice = rng_below(rng_of(s->w), 100);
    if (choice < 50)
        insert(s);
    else if (choice < 92)
        update(s);
    else
        put_static(s);
}

/* In a batch the batch has the timestamp. */
static void begin_statement(struct statement *s, bool deletes, int64_t stamp, bool batched)
{
    struct rng *rng = rng_of(s->w);
    int64_t ttl_s = !deletes && rng_chance(rng, 250000) ? rng_between(rng, 1, TTL_MAX_S) : 0;
    s->row = rng_between(rng, 0, s->w->rows - 1);
    bool stamped = is_stamped(s->key) && !batched;
    s->using[0] = 0;
    if (ttl_s > 0 && stamped)
        (void)snprintf(s->using, sizeof s->using, " USING TTL %" PRId64 " AND TIMESTAMP %" PRId64,
                       ttl_s, stamp);
    else if (ttl_s > 0)
        (void)snprintf(s->using, sizeof s->using, " USING TTL %" PRId64, ttl_s);
    else if (stamped)
        (void)snprintf(s->using, sizeof s->using, " USING TIMESTAMP %" PRId64, stamp);
    if (ttl_s > 0)
        history_expires(s->w->base.histories[is_stamped(s->key)], s->write, ttl_s * USEC_PER_SEC);
}

static void ask_statement(struct deletes *w, struct op *op, struct request *q, int64_t stamp)
{
    struct statement s = {.w = w, .cql = &op->cql, .key = q->keys[q->count]};
    bool deletes = rng_chance(rng_of(w), 550000);
    s.write = q->writes[q->count++] = work_write(&w->base, op, is_stamped(s.key), stamp);
    begin_statement(&s, deletes, stamp, q->batched);
    op->deletes += deletes;
    if (deletes)
        delete_some(&s);
    else
        put_some(&s);
}

/* Several partitions, all of the same kind. */
static void ask_batch(struct deletes *w, struct op *op, struct request *q)
{
    uint32_t wanted = (uint32_t)rng_between(rng_of(w), 2, BATCH_MAX);
    bool stamped = is_stamped(q->keys[0]);
    int64_t stamp = stamped ? some_stamp(w) : 0;
    q->batched = true;
    buf_put_text(&op->cql, "BEGIN BATCH ");
    if (stamped)
        buf_printf(&op->cql, "USING TIMESTAMP %" PRId64 " ", stamp);
    for (uint64_t key = q->keys[0]; key < w->keys && q->count < wanted; key++) {
        if (is_stamped(key) != stamped)
            continue;
        q->keys[q->count] = key;
        ask_statement(w, op, q, stamp);
        buf_put_text(&op->cql, "; ");
    }
    buf_put_text(&op->cql, "APPLY BATCH");
    op->repeatable = stamped;
}

/* --- reading */

static void ask_read(struct deletes *w, struct op *op, struct request *q)
{
    struct rng *rng = rng_of(w);
    q->count = 1;
    buf_printf(&op->cql, "SELECT c, s, v, w, m FROM r.del%u WHERE k = %" PRIu64,
               table_of(q->keys[0]), q->keys[0]);
    if (op->final)
        return;
    q->sliced = rng_chance(rng, 300000);
    if (q->sliced) {
        q->first = rng_between(rng, 0, w->rows - 1);
        q->last = q->first + rng_between(rng, 0, w->rows / 2);
        buf_printf(&op->cql, " AND c >= %" PRId64 " AND c <= %" PRId64, q->first, q->last);
    }
    if (rng_chance(rng, 150000))
        op->page_size = (int32_t)rng_between(rng, 1, PAGE_MAX);
}

static void ask(void *work, struct op *op)
{
    struct deletes *w = work;
    struct request *q = mem_new(struct request);
    uint64_t choice = rng_below(rng_of(w), 100);
    op->own = q;
    q->keys[0] = rng_below(rng_of(w), w->keys);
    if (choice < 20)
        ask_read(w, op, q);
    else if (choice < 28)
        ask_batch(w, op, q);
    else
        ask_statement(w, op, q, is_stamped(q->keys[0]) ? some_stamp(w) : 0);
}

/* --- answers */

/* All cells of the rows of the answer. */
static bool collect(const struct sim_reply *r, struct history_row *rows, size_t *ret_count,
                    struct errmsg *why)
{
    size_t count = 0;
    for (uint32_t i = 0; i < r->rows; i++) {
        const struct sim_cell *c = &r->cells[(size_t)i * r->columns];
        if (c->is_null || c->bytes.len != 4)
            continue; /* nothing but the static column */
        int64_t base = (int64_t)(int32_t)load_u32(c->bytes.data) * WIDTH;
        for (uint32_t slot = 0; slot < 2; slot++) {
            int64_t value = work_cell(r, i, 2 + slot);
            if (value != HISTORY_NOTHING)
                rows[count++] = (struct history_row){base + slot, value};
        }
        struct history_row *items = NULL;
        size_t items_count = 0;
        if (!work_items(r, i, 4, 2, &items, &items_count, why))
            return false;
        for (size_t k = 0; k < items_count && k < ELEMENTS; k++)
            rows[count++] = (struct history_row){base + 2 + items[k].id, items[k].value};
        mem_free(items);
    }
    *ret_count = count;
    return true;
}

static bool judge(struct deletes *w, const struct op *op, const struct request *q,
                  const struct answer *a, struct errmsg *why)
{
    struct history *h = w->base.histories[is_stamped(q->keys[0])];
    struct history_read read = work_read(op, a, q->keys[0]);
    struct history_row *rows = mem_alloc(((size_t)a->reply->rows * WIDTH + 1) * sizeof *rows);
    size_t count = 0;
    read.first = q->sliced ? q->first * WIDTH : 0;
    read.last = q->sliced ? q->last * WIDTH + WIDTH - 1 : INT64_MAX;
    bool good = collect(a->reply, rows, &count, why) && history_judge(h, &read, rows, count, why);
    mem_free(rows);
    if (!good || q->sliced)
        return good;
    int64_t value = a->reply->rows > 0 ? work_cell(a->reply, 0, 1) : HISTORY_NOTHING;
    struct history_row row = {STATIC_ID, value};
    read.first = read.last = STATIC_ID;
    return history_judge(h, &read, &row, value != HISTORY_NOTHING, why);
}

/* A warning came, or one of which this one would have been too soon. */
static bool may_be_warned(struct deletes *w, unsigned node, uint64_t key, usec asked)
{
    char table[16];
    (void)snprintf(table, sizeof table, "r.del%u", table_of(key));
    usec at = sim_warned(w->base.env->sim, node, table);
    return at >= 0 && at > asked - WITHHELD_MAX;
}

static void wrote(struct deletes *w, const struct op *op, const struct request *q,
                  const struct answer *a)
{
    for (uint32_t i = 0; i < q->count; i++) {
        struct history_end end = {.end = a->end,
                                  .replicas = a->acked ? op->replicas : 0,
                                  .open = a->open || a->reply->outcome == SIM_LOST ||
                                          (q->batched && !a->acked),
                                  .again = a->again};
        end.told = a->acked && !q->batched && !may_be_warned(w, op->node, q->keys[i], op->start);
        history_wrote(w->base.histories[is_stamped(q->keys[i])], q->writes[i], &end);
    }
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct deletes *w = work;
    struct request *q = op->own;
    bool good = work_answered(a, why);
    if (op->is_write) {
        wrote(w, op, q, a);
    } else if (good && a->acked) {
        good = judge(w, op, q, a, why);
    }
    mem_free(q);
    op->own = NULL;
    return good;
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct deletes *w = work;
    if (i == 0)
        work_all_equal(&w->base);
    if (i == w->keys)
        return false;
    struct request *q = mem_new(struct request);
    op->own = q;
    q->keys[0] = i;
    ask_read(w, op, q);
    return true;
}

const struct workload_ops work_deletes = {"deletes", begin,          end,       schema, ask,
                                          take,      work_disk_lost, work_held, final};
