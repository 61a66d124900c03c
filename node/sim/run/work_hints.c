/* hints - rows in a keyspace with sloppy_quorum, many of them written at ANY.
 *
 * Two columns of each row are written apart, by requests that may be asked again. What was acked
 * may be kept for replicas that are away, so a read may miss it, at whatever level; but it shows
 * nothing that was not written, and in the end all that was acked is there. A lost disk takes one
 * copy. The table has no deletions, so no hint can be too old (docs/healing.md). */
#include "base/mem.h"
#include "node/sim/run/work.h"

#include <inttypes.h>

#define ROWS_EACH 16 /* of a partition */
#define COLUMNS   2

struct hinted_row {
    uint32_t copies[COLUMNS]; /* acked by so many, less the disks that were lost since; 0: not */
    bool asked[COLUMNS];
};

struct hinted {
    struct workload_env *env;
    struct hinted_row *rows;
    size_t count, cap;
    uint64_t held;
};

static void *begin(struct workload_env *env)
{
    struct hinted *w = mem_new(struct hinted);
    w->env = env;
    return w;
}

static void end(void *work)
{
    struct hinted *w = work;
    mem_free(w->rows);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    const struct hinted *w = work;
    unsigned rf = (unsigned)w->env->rf;
    if (i == 0 && w->env->dcs == 1)
        buf_printf(cql,
                   "CREATE KEYSPACE sloppy WITH replication = {'class': 'SimpleStrategy', "
                   "'replication_factor': %u} AND sloppy_quorum = true",
                   rf);
    else if (i == 0)
        buf_printf(cql,
                   "CREATE KEYSPACE sloppy WITH replication = {'class': "
                   "'NetworkTopologyStrategy', 'dc1': %u, 'dc2': %u} AND sloppy_quorum = true",
                   rf, rf);
    else if (i == 1)
        buf_put_text(cql, "CREATE TABLE sloppy.t (k bigint, id bigint, c0 bigint, c1 bigint, "
                          "PRIMARY KEY (k, id))");
    return i < 2;
}

/* n[0]: the partition. */
static void ask_read(struct op *op)
{
    buf_printf(&op->cql, "SELECT id, c0, c1 FROM sloppy.t WHERE k = %" PRIu64, op->n[0]);
}

/* n[0]: the row, n[1]: the column. */
static void ask_write(struct hinted *w, struct op *op)
{
    uint64_t first = w->count > 2 * ROWS_EACH ? w->count - 2 * ROWS_EACH : 0;
    op->n[0] = rng_chance(&w->env->rng, 500000)
                   ? w->count
                   : first + rng_below(&w->env->rng, w->count - first + 1);
    op->n[1] = rng_below(&w->env->rng, COLUMNS);
    if (op->n[0] == w->count) {
        w->rows = mem_grow(w->rows, w->count, &w->cap, sizeof *w->rows);
        w->rows[w->count++] = (struct hinted_row){{0}, {false}};
    }
    w->rows[op->n[0]].asked[op->n[1]] = true;
    if (rng_chance(&w->env->rng, 500000))
        op->level = CQL_CL_ANY;
    op->is_write = true;
    op->repeatable = true;
    buf_printf(&op->cql,
               "UPDATE sloppy.t SET c%u = %" PRIu64 " WHERE k = %" PRIu64 " AND id = %" PRIu64,
               (unsigned)op->n[1], op->n[0], op->n[0] / ROWS_EACH, op->n[0]);
}

static void ask(void *work, struct op *op)
{
    struct hinted *w = work;
    if (w->count == 0 || rng_chance(&w->env->rng, 700000)) {
        ask_write(w, op);
        return;
    }
    op->n[0] = rng_below(&w->env->rng, w->count) / ROWS_EACH;
    ask_read(op);
}

/* Which cells of the partition are there; false for one that nobody has written. */
static bool take_rows(const struct hinted *w, uint64_t key, const struct sim_reply *r,
                      bool there[ROWS_EACH][COLUMNS], struct errmsg *why)
{
    for (uint32_t i = 0; i < r->rows; i++) {
        int64_t id = work_cell(r, i, 0);
        for (uint32_t c = 0; c < COLUMNS; c++) {
            int64_t v = work_cell(r, i, 1 + c);
            if (v == HISTORY_NOTHING)
                continue;
            if (id < 0 || (uint64_t)id >= w->count || (uint64_t)id / ROWS_EACH != key || v != id ||
                !w->rows[id].asked[c])
                return errmsg_set(why, ERR_FAILED,
                                  "row %" PRId64 " shows %" PRId64 ", that nobody wrote", id,
                                  v) == ERR_OK;
            there[(uint64_t)id % ROWS_EACH][c] = true;
        }
    }
    return true;
}

static bool judge_final(struct hinted *w, uint64_t key, bool there[ROWS_EACH][COLUMNS],
                        struct errmsg *why)
{
    for (uint64_t i = key * ROWS_EACH; i < w->count && i < (key + 1) * ROWS_EACH; i++) {
        for (uint32_t c = 0; c < COLUMNS; c++) {
            w->held += w->rows[i].copies[c] > 0;
            if (w->rows[i].copies[c] > 0 && !there[i % ROWS_EACH][c])
                return errmsg_set(why, ERR_FAILED,
                                  "column %u of row %" PRIu64 " was acked, and is lost",
                                  (unsigned)c, i) == ERR_OK;
        }
    }
    return true;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct hinted *w = work;
    bool there[ROWS_EACH][COLUMNS] = {{false}};
    if (op->is_write && a->acked) {
        uint32_t *copies = &w->rows[op->n[0]].copies[op->n[1]];
        *copies = op->replicas > *copies ? op->replicas : *copies;
    }
    if (!work_answered(a, why))
        return false;
    if (op->is_write || !a->acked)
        return true;
    return take_rows(w, op->n[0], a->reply, there, why) &&
           (!op->final || judge_final(w, op->n[0], there, why));
}

static void disk_lost(void *work, usec at)
{
    struct hinted *w = work;
    (void)at;
    for (size_t i = 0; i < w->count; i++) {
        for (uint32_t c = 0; c < COLUMNS; c++)
            w->rows[i].copies[c] -= w->rows[i].copies[c] > 0;
    }
}

static uint64_t held(const void *work)
{
    return ((const struct hinted *)work)->held;
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct hinted *w = work;
    op->n[0] = i;
    if ((uint64_t)i * ROWS_EACH >= w->count)
        return false;
    ask_read(op);
    return true;
}

const struct workload_ops work_hints = {"hints", begin,     end,  schema, ask,
                                        take,    disk_lost, held, final};
