/* cas - statements with IF on partitions of three kinds, each a sequential object of its own:
 *
 *   register  one value: inserted IF NOT EXISTS, changed and deleted by all operators
 *   pair      two rows that get one value together, by batches with IF
 *   list      values appended IF so many are there
 *
 * They are read at SERIAL (LOCAL_SERIAL too, where there is one data centre). Plain writes go to
 * another row of the same partition: a replica then holds more than the others do, and the reads
 * that sessions make find replicas that differ. What was told is judged by linear.h in the end.
 */
#include "base/mem.h"
#include "node/sim/oracle/conditional.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define PLACES_MAX 9   /* partitions written at a time */
#define OPS_MAX    160 /* of one partition: then another one takes its place */
#define OPEN_MAX   24  /* so many of them without an end */
#define DISTURB    9   /* the row of plain writes */

enum kind { REGISTER, PAIR, LIST, KINDS };
enum { CHANGE, APPEND, READ, PLAIN }; /* op->n[0] */

struct place {
    uint32_t key; /* 0: none yet */
    uint32_t ops, open;
    int64_t seen; /* what was last heard of it: a value, of a list the count */
};

struct cas_work {
    struct workload_env *env;
    struct linear *history;
    struct place places[PLACES_MAX];
    uint32_t count;
    uint32_t keys; /* given out; key % KINDS is its kind */
    uint64_t held;
    bool lost; /* all copies of something may be gone */
};

static void *begin(struct workload_env *env)
{
    struct cas_work *w = mem_new(struct cas_work);
    w->env = env;
    w->history = linear_new(&linear_conditional);
    w->count = work_scaled(env, PLACES_MAX);
    return w;
}

static void end(void *work)
{
    struct cas_work *w = work;
    linear_free(w->history);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0) /* `v` is the last of all columns: in refusals it is found there */
        buf_put_text(cql, "CREATE TABLE r.cas (k int, c int, l list<bigint>, p bigint, v bigint, "
                          "PRIMARY KEY (k, c))");
    return i == 0;
}

static enum kind kind_of(uint32_t key)
{
    return (enum kind)(key % KINDS);
}

/* The partition that stands in a place now. */
static struct place *some_place(struct cas_work *w)
{
    struct place *p = &w->places[rng_below(&w->env->rng, w->count)];
    if (p->key == 0 || p->ops >= OPS_MAX || p->open >= OPEN_MAX)
        *p = (struct place){.key = ++w->keys};
    return p;
}

static struct place *place_of(struct cas_work *w, uint64_t key)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->places[i].key == key)
            return &w->places[i];
    }
    return NULL; /* another one stands there by now */
}

/* --- asking */

static void put_change(const char *set, const char *where, const char *condition, struct buf *cql)
{
    buf_printf(cql, "%s%s%s", set, where, condition);
}

/* One statement on row `c` of the partition; next 0: a deletion. */
static void put_statement(struct buf *cql, uint32_t key, int c, enum conditional_test test,
                          int64_t operand, int64_t next, bool conditional)
{
    static const char *const signs[] = {"=", "!=", "<", ">"};
    char set[96], where[64], condition[64] = "";
    bool insert = test == CONDITIONAL_EQ && operand == 0 && next != 0;
    if (insert) {
        buf_printf(cql, "INSERT INTO r.cas (k, c, v) VALUES (%" PRIu32 ", %d, %" PRId64 ")%s", key,
                   c, next, conditional ? " IF NOT EXISTS" : "");
        return;
    }
    if (next == 0)
        (void)snprintf(set, sizeof set, "DELETE FROM r.cas");
    else
        (void)snprintf(set, sizeof set, "UPDATE r.cas SET v = %" PRId64, next);
    (void)snprintf(where, sizeof where, " WHERE k = %" PRIu32 " AND c = %d", key, c);
    if (conditional && test == CONDITIONAL_EXISTS)
        (void)snprintf(condition, sizeof condition, " IF EXISTS");
    else if (conditional)
        (void)snprintf(condition, sizeof condition, " IF v %s %" PRId64, signs[test], operand);
    put_change(set, where, condition, cql);
}

static void ask_change(struct cas_work *w, struct op *op, struct place *p)
{
    struct rng *rng = &w->env->rng;
    uint64_t choice = rng_below(rng, 100);
    bool pair = kind_of(p->key) == PAIR;
    enum conditional_test test = CONDITIONAL_EQ;
    int64_t operand = rng_chance(rng, 850000) ? p->seen : w->env->values - rng_between(rng, 0, 30);
    int64_t next = rng_chance(rng, 900000) ? ++w->env->values : 0;
    if (operand < 0)
        operand = 0;
    if (choice < 6)
        test = CONDITIONAL_EXISTS;
    else if (choice < 22 && operand != 0)
        test = choice < 12 ? CONDITIONAL_NE : choice < 17 ? CONDITIONAL_LT : CONDITIONAL_GT;
    if (operand == 0 && test == CONDITIONAL_EQ && next == 0)
        next = ++w->env->values; /* what is not there cannot be deleted */
    op->n[0] = CHANGE;
    op->n[3] = (uint64_t)next;
    const struct linear_op call =
        conditional_change(p->key, op->client, sim_now(w->env->sim), test, operand, next);
    op->n[2] = linear_call(w->history, &call);
    if (!pair) {
        put_statement(&op->cql, p->key, 0, test, operand, next, true);
        return;
    }
    buf_put_text(&op->cql, rng_chance(rng, 300000) ? "BEGIN UNLOGGED BATCH " : "BEGIN BATCH ");
    put_statement(&op->cql, p->key, 0, test, operand, next, true);
    buf_put_text(&op->cql, "; ");
    put_statement(&op->cql, p->key, 1, test, operand, next, rng_chance(rng, 500000));
    buf_put_text(&op->cql, "; APPLY BATCH");
}

static void ask_append(struct cas_work *w, struct op *op, struct place *p)
{
    int64_t count = p->seen;
    int64_t value = ++w->env->values;
    if (rng_chance(&w->env->rng, 100000))
        count += rng_between(&w->env->rng, -2, 2);
    if (count < 0)
        count = 0;
    op->n[0] = APPEND;
    op->n[3] = (uint64_t)count + 1;
    const struct linear_op call =
        conditional_append(p->key, op->client, sim_now(w->env->sim), count, value);
    op->n[2] = linear_call(w->history, &call);
    if (count == 0)
        buf_printf(&op->cql,
                   "INSERT INTO r.cas (k, c, l, v) VALUES (%" PRIu32 ", 0, [%" PRId64
                   "], 1) IF NOT EXISTS",
                   p->key, value);
    else
        buf_printf(&op->cql,
                   "UPDATE r.cas SET l = l + [%" PRId64 "], v = %" PRId64 " WHERE k = %" PRIu32
                   " AND c = 0 IF v = %" PRId64,
                   value, count + 1, p->key, count);
}

static void ask_read(struct cas_work *w, struct op *op, uint32_t key)
{
    bool local = w->env->dcs == 1 && rng_chance(&w->env->rng, 300000);
    op->n[0] = READ;
    op->n[1] = key;
    op->level = local ? CQL_CL_LOCAL_SERIAL : CQL_CL_SERIAL;
    buf_printf(&op->cql, "SELECT %s FROM r.cas WHERE k = %" PRIu32 " AND c %s",
               kind_of(key) == LIST ? "v, l" : "v", key,
               kind_of(key) == PAIR ? "IN (0, 1)" : "= 0");
}

static void ask(void *work, struct op *op)
{
    struct cas_work *w = work;
    struct place *p = some_place(w);
    uint64_t choice = rng_below(&w->env->rng, 100);
    if (choice < 40) {
        ask_read(w, op, p->key);
        return;
    }
    op->is_write = true;
    op->n[1] = p->key;
    if (choice < 50) { /* with a timestamp of its own, so that it may be asked again */
        op->n[0] = PLAIN;
        op->repeatable = true;
        buf_printf(&op->cql,
                   "UPDATE r.cas USING TIMESTAMP %" PRId64 " SET p = 1 WHERE k = %" PRIu32
                   " AND c = %d",
                   workload_stamp(w->env), p->key, DISTURB);
        return;
    }
    p->ops++;
    if (kind_of(p->key) == LIST)
        ask_append(w, op, p);
    else
        ask_change(w, op, p);
}

/* --- answers */

static bool contradiction(struct errmsg *why, const struct op *op, const char *text)
{
    return errmsg_set(why, ERR_FAILED, "key %" PRIu64 ": %s", op->n[1], text) == ERR_OK;
}

/* The values of `v`, in the last column, of all rows: one; 0 for none. */
static bool one_value(const struct op *op, const struct sim_reply *r, uint32_t column, int64_t *ret,
                      struct errmsg *why)
{
    *ret = 0;
    for (uint32_t i = 0; i < r->rows; i++) {
        int64_t v = work_cell(r, i, column);
        if (v == HISTORY_NOTHING)
            v = 0;
        if (i > 0 && v != *ret)
            return contradiction(why, op, "its rows differ");
        *ret = v;
    }
    return true;
}

static bool read_list(const struct op *op, const struct sim_reply *r, int64_t *ret,
                      struct errmsg *why)
{
    struct history_row *items = NULL;
    size_t count = 0;
    *ret = 0;
    if (r->rows == 0)
        return true;
    if (!work_items(r, 0, 1, 1, &items, &count, why))
        return false;
    for (size_t i = 0; i < count; i++)
        *ret = conditional_fold(*ret, items[i].id);
    mem_free(items);
    return (int64_t)count == work_cell(r, 0, 0) ||
           contradiction(why, op, "the list is not as long as its count says");
}

static bool take_read(struct cas_work *w, const struct op *op, const struct answer *a,
                      struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    uint32_t key = (uint32_t)op->n[1];
    struct place *p = place_of(w, key);
    int64_t found;
    if (!a->acked)
        return true;
    if (kind_of(key) == PAIR && r->rows == 1)
        return contradiction(why, op, "one row of two");
    if (kind_of(key) == LIST ? !read_list(op, r, &found, why) : !one_value(op, r, 0, &found, why))
        return false;
    if (p != NULL)
        p->seen = kind_of(key) != LIST ? found : r->rows > 0 ? work_cell(r, 0, 0) : 0;
    const struct linear_op call = conditional_read(key, op->client, r->asked);
    linear_answer(w->history, linear_call(w->history, &call), r->answered, found);
    w->held++;
    return true;
}

static bool is_applied(const struct sim_reply *r)
{
    const struct sim_cell *c = &r->cells[0];
    return !c->is_null && c->bytes.len == 1 && c->bytes.data[0] != 0;
}

static bool take_write(struct cas_work *w, const struct op *op, const struct answer *a,
                       struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    struct place *p = place_of(w, op->n[1]);
    int64_t output = CONDITIONAL_APPLIED;
    if (!a->acked) {
        bool never = !a->open && r->outcome == SIM_ERROR &&
                     (r->code == CQL_ERROR_UNAVAILABLE || r->code == CQL_ERROR_OVERLOADED ||
                      r->code == CQL_ERROR_BOOTSTRAPPING);
        if (never)
            linear_forget(w->history, op->n[2]);
        else if (p != NULL)
            p->open++;
        return true;
    }
    if (r->rows == 0 || r->columns == 0)
        return contradiction(why, op, "no [applied]");
    if (!is_applied(r)) {
        output = 0; /* no row, which a refused EXISTS says by telling none */
        if (r->columns > 1 && !one_value(op, r, r->columns - 1, &output, why))
            return false;
        if (p != NULL)
            p->seen = output;
    } else if (p != NULL) {
        p->seen = (int64_t)op->n[3];
    }
    linear_answer(w->history, op->n[2], a->end, output);
    w->held++;
    return true;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct cas_work *w = work;
    if (!work_answered(a, why))
        return false;
    if (op->n[0] == PLAIN)
        return true;
    return op->n[0] == READ ? take_read(w, op, a, why) : take_write(w, op, a, why);
}

/* With one copy alone what is lost is lost: nothing can be said of it any more. */
static void disk_lost(void *work, usec at)
{
    struct cas_work *w = work;
    (void)at;
    w->lost |= w->env->rf * w->env->dcs < 2;
}

static uint64_t held(const void *work)
{
    return ((const struct cas_work *)work)->held;
}

/* --- in the end: each partition at SERIAL, which ends what is in flight, and then at ALL */

static bool judge(struct cas_work *w, struct errmsg *why)
{
    if (w->lost)
        return true;
    enum linear_verdict verdict = linear_check(w->history, NULL, why);
    if (verdict == LINEAR_UNKNOWN)
        sim_note(w->env->sim, "cas: too many ends are open to judge their order");
    return verdict != LINEAR_BAD;
}

static bool take_final(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct cas_work *w = work;
    if (!take(w, op, a, why))
        return false;
    return !op->final || op->n[3] == 0 || judge(w, why);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct cas_work *w = work;
    if (i >= 2 * w->keys)
        return false;
    ask_read(w, op, i / 2 + 1);
    op->level = i % 2 == 0 ? CQL_CL_SERIAL : CQL_CL_ALL;
    op->n[3] = i + 1 == 2 * w->keys; /* the last: all has been heard */
    return true;
}

const struct workload_ops work_cas = {"cas",      begin,     end,  schema, ask,
                                      take_final, disk_lost, held, final};
