/* logged - batches across partitions and tables: all of one in the end, or nothing.
 *
 * Each logged batch puts its number as a row into two to five places, which are partitions of two
 * tables. A client that has heard nothing may send it again. When places have got many rows, new
 * ones are begun.
 */
#include "base/mem.h"
#include "node/sim/oracle/whole.h"
#include "node/sim/run/work.h"

#include <inttypes.h>

#define PLACES     12  /* even ones are of the first table, odd ones of the second */
#define GENERATION 256 /* batches, before new places are begun */

struct logged {
    struct workload_env *env;
    struct whole *whole;
    uint64_t final;
};

static void *begin(struct workload_env *env)
{
    struct logged *w = mem_new(struct logged);
    w->env = env;
    w->whole = whole_new(env->rf * env->dcs);
    return w;
}

static void end(void *work)
{
    struct logged *w = work;
    whole_free(w->whole);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i < 2)
        buf_printf(cql, "CREATE TABLE r.logged%u (k bigint, id bigint, PRIMARY KEY (k, id))",
                   (unsigned)i);
    return i < 2;
}

static uint64_t key_of(uint64_t generation, uint32_t place)
{
    return generation * PLACES + place / 2;
}

/* n[0]: the batch. */
static void ask_write(struct logged *w, struct op *op)
{
    struct rng *rng = &w->env->rng;
    uint32_t majority = w->env->rf * w->env->dcs / 2 + 1;
    uint32_t places = 0;
    uint64_t left = 2 + rng_below(rng, 4);
    if (op->level == CQL_CL_ANY)
        op->level = CQL_CL_ONE;
    while (left > 0) {
        uint32_t bit = 1u << rng_below(rng, PLACES);
        left -= (places & bit) == 0;
        places |= bit;
    }
    /* Keepers forget it when all of it has its level, or a majority by their own doing. */
    uint32_t copies = workload_replicas(w->env, op->level);
    op->n[0] =
        whole_begin(w->whole, places, copies < majority ? copies : majority, sim_now(w->env->sim));
    op->is_write = true;
    op->repeatable = true;
    buf_put_text(&op->cql, "BEGIN BATCH ");
    for (uint32_t place = 0; place < PLACES; place++) {
        if (places >> place & 1)
            buf_printf(&op->cql,
                       "INSERT INTO r.logged%u (k, id) VALUES (%" PRIu64 ", %" PRIu64 "); ",
                       (unsigned)place % 2, key_of(op->n[0] / GENERATION, place), op->n[0]);
    }
    buf_put_text(&op->cql, "APPLY BATCH");
}

/* n[0]: the generation; n[1]: the place. */
static void ask_read(struct op *op)
{
    buf_printf(&op->cql, "SELECT id FROM r.logged%u WHERE k = %" PRIu64, (unsigned)op->n[1] % 2,
               key_of(op->n[0], (uint32_t)op->n[1]));
}

static void ask(void *work, struct op *op)
{
    struct logged *w = work;
    if (whole_count(w->whole) == 0 || rng_chance(&w->env->rng, 600000)) {
        ask_write(w, op);
        return;
    }
    op->n[0] = (whole_count(w->whole) - 1) / GENERATION;
    op->n[1] = rng_below(&w->env->rng, PLACES);
    ask_read(op);
}

static uint64_t reads_in_the_end(const struct logged *w)
{
    return (whole_count(w->whole) + GENERATION - 1) / GENERATION * PLACES;
}

static bool judge(struct logged *w, const struct op *op, const struct answer *a, struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    struct whole_read read = {.place = (uint32_t)op->n[1],
                              .first = op->n[0] * GENERATION,
                              .count = GENERATION,
                              .replicas = op->replicas,
                              .start = r->asked,
                              .end = r->answered};
    int64_t *ids = mem_alloc((r->rows + 1) * sizeof *ids);
    for (uint32_t i = 0; i < r->rows; i++)
        ids[i] = work_cell(r, i, 0);
    bool good = whole_judge(w->whole, &read, ids, r->rows, op->final, why);
    mem_free(ids);
    if (good && op->final && w->final == reads_in_the_end(w))
        good = whole_end(w->whole, why);
    return good;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct logged *w = work;
    if (op->is_write && a->acked)
        whole_acked(w->whole, op->n[0], a->end, op->replicas);
    if (!work_answered(a, why))
        return false;
    return op->is_write || !a->acked || judge(w, op, a, why);
}

static void disk_lost(void *work, usec at)
{
    whole_disk_lost(((struct logged *)work)->whole, at);
}

static uint64_t held(const void *work)
{
    return whole_held(((const struct logged *)work)->whole);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct logged *w = work;
    if (i == reads_in_the_end(w))
        return false;
    w->final = i + 1;
    op->n[0] = i / PLACES;
    op->n[1] = i % PLACES;
    ask_read(op);
    return true;
}

const struct workload_ops work_logged = {"logged", begin,     end,  schema, ask,
                                         take,     disk_lost, held, final};
