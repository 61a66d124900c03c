/* sessions - clients that carry a token from one coordinator to another, at level ONE.
 *
 * Table ses: a few rows in a partition, put and deleted, by row, by partition and in batches. Half
 * of the partitions have timestamps of clients, some back-dated. Every request goes to some node,
 * mostly at ONE, with the token of the answer before; now and then a client begins anew. Each read
 * asks for the timestamps, too: so it is known what is older than what the session has seen
 * (oracle/sessions.h).
 */
#include "base/mem.h"
#include "node/sim/oracle/sessions.h"
#include "node/sim/run/scenario.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX     16
#define ROWS         5
#define TOKEN_MAX    ((size_t)64 << 10)
#define WITHHELD_MAX (3 * USEC_PER_SEC) /* a warning may be held back after another one */

struct sessions_work {
    struct workload_env *env;
    struct sessions *sessions;
    struct buf tokens[SCENARIO_CLIENTS_MAX];
    uint32_t keys;
};

struct request {
    uint64_t key;
    int64_t first, last;
    size_t writes[2];
    uint32_t count;
};

static void *begin(struct workload_env *env)
{
    struct sessions_work *w = mem_new(struct sessions_work);
    const struct sessions_config config = {
        .clients = SCENARIO_CLIENTS_MAX, .once = env->direct, .calm = env->calm};
    w->env = env;
    w->sessions = sessions_new(&config);
    w->keys = 2 * work_scaled(env, KEYS_MAX / 2);
    for (size_t i = 0; i < SCENARIO_CLIENTS_MAX; i++)
        buf_init(&w->tokens[i], TOKEN_MAX);
    return w;
}

static void end(void *work)
{
    struct sessions_work *w = work;
    sessions_free(w->sessions);
    for (size_t i = 0; i < SCENARIO_CLIENTS_MAX; i++)
        buf_close(&w->tokens[i]);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.ses (k int, c int, v bigint, PRIMARY KEY (k, c))");
    return i == 0;
}

static struct rng *rng_of(struct sessions_work *w)
{
    return &w->env->rng;
}

static bool is_stamped(uint64_t key)
{
    return key % 2 == 1;
}

/* --- asking */

static size_t note_write(struct sessions_work *w, const struct op *op, uint64_t key, int64_t first,
                         int64_t last, int64_t value, int64_t stamp)
{
    const struct sessions_write n = {.client = op->client,
                                     .key = key,
                                     .first = first,
                                     .last = last,
                                     .is_delete = value == 0,
                                     .value = value,
                                     .stamp = stamp,
                                     .start = op->start};
    return sessions_write(w->sessions, &n);
}

static void ask_put(struct sessions_work *w, struct op *op, struct request *q, uint64_t key)
{
    char using[48];
    int64_t stamp = work_stamp(w->env, is_stamped(key), using);
    int64_t c = rng_between(rng_of(w), 0, ROWS - 1);
    int64_t value = ++w->env->values;
    q->writes[q->count++] = note_write(w, op, key, c, c, value, stamp);
    buf_printf(&op->cql,
               "UPDATE r.ses%s SET v = %" PRId64 " WHERE k = %" PRIu64 " AND c = %" PRId64, using,
               value, key, c);
}

static void ask_delete(struct sessions_work *w, struct op *op, struct request *q)
{
    char using[48];
    int64_t stamp = work_stamp(w->env, is_stamped(q->key), using);
    int64_t c = rng_between(rng_of(w), 0, ROWS - 1);
    bool whole = rng_chance(rng_of(w), 200000);
    q->writes[q->count++] =
        note_write(w, op, q->key, whole ? 0 : c, whole ? ROWS - 1 : c, 0, stamp);
    buf_printf(&op->cql, "DELETE FROM r.ses%s WHERE k = %" PRIu64, using, q->key);
    if (!whole)
        buf_printf(&op->cql, " AND c = %" PRId64, c);
}

static void ask_batch(struct sessions_work *w, struct op *op, struct request *q)
{
    buf_printf(&op->cql, "BEGIN %sBATCH ", rng_chance(rng_of(w), 500000) ? "" : "UNLOGGED ");
    ask_put(w, op, q, q->key);
    buf_put_text(&op->cql, "; ");
    ask_put(w, op, q, (q->key + 1) % w->keys);
    buf_put_text(&op->cql, "; APPLY BATCH");
}

static void ask_read(struct sessions_work *w, struct op *op, struct request *q)
{
    buf_printf(&op->cql, "SELECT c, v, WRITETIME(v) FROM r.ses WHERE k = %" PRIu64, q->key);
    q->last = ROWS - 1;
    if (!op->final && rng_chance(rng_of(w), 300000)) {
        q->first = q->last = rng_between(rng_of(w), 0, ROWS - 1);
        buf_printf(&op->cql, " AND c = %" PRId64, q->first);
    }
}

static void ask(void *work, struct op *op)
{
    struct sessions_work *w = work;
    struct request *q = mem_new(struct request);
    uint64_t choice = rng_below(rng_of(w), 100);
    struct buf *session = &w->tokens[op->client];
    op->own = q;
    op->session = session;
    op->anywhere = true;
    if (rng_chance(rng_of(w), 700000))
        op->level = CQL_CL_ONE;
    if (rng_chance(rng_of(w), 5000)) {
        buf_clear(session);
        sessions_anew(w->sessions, op->client);
    }
    q->key = rng_below(rng_of(w), w->keys);
    op->is_write = choice < 45;
    if (choice < 30)
        ask_put(w, op, q, q->key);
    else if (choice < 40)
        ask_delete(w, op, q);
    else if (choice < 45)
        ask_batch(w, op, q);
    else
        ask_read(w, op, q);
}

/* --- answers */

static bool may_be_warned(const struct sessions_work *w, const struct op *op)
{
    usec at = sim_warned(w->env->sim, op->node, "r.ses");
    return at >= 0 && at > op->start - WITHHELD_MAX;
}

static void wrote(struct sessions_work *w, const struct op *op, const struct request *q,
                  const struct answer *a)
{
    const struct sessions_end end = {
        .end = a->end, .acked = a->acked && !may_be_warned(w, op), .open = !a->acked};
    for (uint32_t i = 0; i < q->count; i++)
        sessions_wrote(w->sessions, q->writes[i], &end);
}

static bool judge(struct sessions_work *w, const struct op *op, const struct request *q,
                  const struct answer *a, struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    struct sessions_read read = {op->client, q->key, q->first, q->last, r->asked, r->answered};
    struct sessions_row *rows = mem_alloc((r->rows + 1) * sizeof *rows);
    for (uint32_t i = 0; i < r->rows; i++) {
        const struct bytes c = r->cells[(size_t)i * r->columns].bytes;
        rows[i] = (struct sessions_row){c.len == 4 ? (int32_t)load_u32(c.data) : -1,
                                        work_cell(r, i, 1), work_cell(r, i, 2)};
    }
    bool good = sessions_judge(w->sessions, &read, rows, r->rows, why);
    mem_free(rows);
    return good;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct sessions_work *w = work;
    struct request *q = op->own;
    bool good = work_answered(a, why);
    if (op->is_write)
        wrote(w, op, q, a);
    else if (good && a->acked)
        good = judge(w, op, q, a, why);
    if (!op->final && a->reply->session.len > 0) {
        buf_clear(&w->tokens[op->client]);
        buf_put_bytes(&w->tokens[op->client], a->reply->session);
    }
    mem_free(q);
    op->own = NULL;
    return good;
}

static void disk_lost(void *work, usec at)
{
    sessions_disk_lost(((struct sessions_work *)work)->sessions, at);
}

static uint64_t held(const void *work)
{
    return sessions_held(((const struct sessions_work *)work)->sessions);
}

/* In the end each session reads all. */
static bool final(void *work, uint32_t i, struct op *op)
{
    struct sessions_work *w = work;
    uint32_t clients = w->env->clients;
    if (i == w->keys * clients)
        return false;
    struct request *q = mem_new(struct request);
    op->own = q;
    op->client = i % clients;
    q->key = i / clients;
    ask_read(w, op, q);
    return true;
}

const struct workload_ops work_sessions = {"sessions", begin,     end,  schema, ask,
                                           take,       disk_lost, held, final};
