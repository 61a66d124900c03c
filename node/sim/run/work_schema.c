/* schema - tables that come and go, and change, while rows are written and read.
 *
 * A few names in a keyspace of their own. Every change of any client, at whatever node, is held
 * against the order that the metadata log promises; rows against the table that they were written
 * to (oracle/catalog.h). A request may meet a node that has not applied a change yet, so "no such
 * table" is never wrong for a row; for a change it is an answer like any other.
 */
#include "base/mem.h"
#include "node/sim/oracle/catalog.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX  4
#define COLUMNS    3
#define PARTITIONS 3
#define QUIET_MAX  (60 * USEC_PER_SEC)
#define QUIET_STEP (200 * USEC_PER_MS)

struct schema_work {
    struct workload_env *env;
    struct catalog *catalog;
    uint32_t names;
    bool there[NAMES_MAX]; /* in the end */
    bool failed;           /* in the end; told with the next answer */
    struct errmsg why;
};

/* op->n: what is asked, the name, the number in the catalog (READ: the epoch), the partition */
enum { CHANGE, INSERT, READ, NONE };

static void *begin(struct workload_env *env)
{
    struct schema_work *w = mem_new(struct schema_work);
    w->env = env;
    w->names = work_scaled(env, NAMES_MAX);
    w->catalog = catalog_new(env->rf * env->dcs);
    return w;
}

static void end(void *work)
{
    struct schema_work *w = work;
    catalog_free(w->catalog);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    const struct schema_work *w = work;
    if (i > 0)
        return false;
    buf_put_text(cql, "CREATE KEYSPACE changing WITH replication = ");
    if (w->env->dcs == 1)
        buf_printf(cql, "{'class': 'SimpleStrategy', 'replication_factor': %" PRIu32 "}",
                   w->env->rf);
    else
        buf_printf(cql, "{'class': 'NetworkTopologyStrategy', 'replication_factor': %" PRIu32 "}",
                   w->env->rf);
    return true;
}

/* How far the node has applied the log; in the end all have applied all. */
static uint64_t epoch_of(const struct schema_work *w, unsigned node, uint64_t when_down)
{
    if (node == 0)
        return UINT64_MAX - 1;
    const struct node *n = sim_node(w->env->sim, node);
    return n != NULL ? meta_epoch(node_meta(n)) : when_down;
}

/* --- asking */

static void ask_change(struct schema_work *w, struct op *op, uint32_t name)
{
    struct rng *rng = &w->env->rng;
    uint64_t choice = rng_below(rng, 100);
    struct catalog_change c = {.name = name, .client = op->client, .call = sim_now(w->env->sim)};
    struct buf *cql = &op->cql;
    c.lenient = rng_chance(rng, 300000);
    c.column = (uint32_t)rng_below(rng, COLUMNS);
    const char *exists = c.lenient ? " IF EXISTS" : "";
    if (choice < 35) {
        c.kind = CATALOG_CREATE;
        buf_printf(cql,
                   "CREATE TABLE%s changing.t%" PRIu32 " (k int, id bigint, v bigint, "
                   "PRIMARY KEY (k, id))",
                   c.lenient ? " IF NOT EXISTS" : "", name);
    } else if (choice < 60) {
        c.kind = CATALOG_DROP;
        buf_printf(cql, "DROP TABLE%s changing.t%" PRIu32, exists, name);
    } else if (choice < 70) {
        c.kind = CATALOG_TRUNCATE;
        c.lenient = false;
        buf_printf(cql, "TRUNCATE changing.t%" PRIu32, name);
    } else {
        c.kind = choice < 90 ? CATALOG_ADD_COLUMN : CATALOG_DROP_COLUMN;
        buf_printf(cql, "ALTER TABLE%s changing.t%" PRIu32 " %s c%" PRIu32 "%s", exists, name,
                   choice < 90 ? "ADD" : "DROP", c.column, choice < 90 ? " bigint" : "");
    }
    op->is_write = true;
    op->serial = true;
    op->n[0] = CHANGE;
    op->n[2] = catalog_change(w->catalog, &c);
}

static void ask_insert(struct schema_work *w, struct op *op)
{
    int64_t id = ++w->env->values;
    op->is_write = true;
    op->n[0] = INSERT;
    const struct catalog_insert insert = {.name = (uint32_t)op->n[1],
                                          .partition = (uint32_t)op->n[3],
                                          .id = id,
                                          .call = sim_now(w->env->sim),
                                          .epoch = epoch_of(w, op->node, 0)};
    op->n[2] = catalog_insert(w->catalog, &insert);
    if (rng_chance(&w->env->rng, 200000)) { /* a column that may be there */
        buf_printf(&op->cql,
                   "INSERT INTO changing.t%" PRIu64 " (k, id, v, c%" PRIu64 ") VALUES (%" PRIu64
                   ", %" PRId64 ", %" PRId64 ", 1)",
                   op->n[1], rng_below(&w->env->rng, COLUMNS), op->n[3], id, id);
        return;
    }
    buf_printf(&op->cql,
               "INSERT INTO changing.t%" PRIu64 " (k, id, v) VALUES (%" PRIu64 ", %" PRId64
               ", %" PRId64 ")",
               op->n[1], op->n[3], id, id);
}

static void ask_read(const struct schema_work *w, struct op *op)
{
    op->n[0] = READ;
    op->n[2] = epoch_of(w, op->node, 0);
    buf_printf(&op->cql, "SELECT id, v FROM changing.t%" PRIu64 " WHERE k = %" PRIu64, op->n[1],
               op->n[3]);
}

static void ask(void *work, struct op *op)
{
    struct schema_work *w = work;
    uint64_t choice = rng_below(&w->env->rng, 100);
    op->n[1] = rng_below(&w->env->rng, w->names);
    op->n[3] = rng_below(&w->env->rng, PARTITIONS);
    if (choice < 25)
        ask_change(w, op, (uint32_t)op->n[1]);
    else if (choice < 65)
        ask_insert(w, op);
    else
        ask_read(w, op);
}

/* --- answers */

/* Errors after which nothing can have happened. Any other one that is expected leaves it open. */
static bool is_certain(enum cql_error_code code)
{
    return code == CQL_ERROR_BOOTSTRAPPING || code == CQL_ERROR_OVERLOADED;
}

static bool unexpected(const struct sim_reply *r, struct errmsg *why)
{
    return errmsg_set(why, ERR_FAILED, "unexpected error 0x%04x: %s", (unsigned)r->code,
                      r->message) == ERR_OK;
}

static bool take_change(struct schema_work *w, const struct op *op, const struct answer *a,
                        struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    uint64_t epoch = epoch_of(w, op->node, UINT64_MAX);
    if (a->acked) {
        catalog_changed(w->catalog, op->n[2], a->end, epoch, CATALOG_DONE);
        return true;
    }
    if (r->outcome != SIM_ERROR)
        return true; /* open */
    switch (r->code) {
    case CQL_ERROR_ALREADY_EXISTS:
        catalog_changed(w->catalog, op->n[2], a->end, epoch, CATALOG_EXISTS);
        return true;
    case CQL_ERROR_INVALID:
    case CQL_ERROR_CONFIG:
        catalog_changed(w->catalog, op->n[2], a->end, epoch, CATALOG_REFUSED);
        return true;
    case CQL_ERROR_TRUNCATE: return true; /* whatever it was, it may have happened */
    default: break;
    }
    if (is_certain(r->code))
        catalog_never(w->catalog, op->n[2]);
    return workload_error_is_expected(r->code) || unexpected(r, why);
}

static bool take_insert(struct schema_work *w, const struct op *op, const struct answer *a,
                        struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    if (!a->open && r->outcome != SIM_LOST)
        catalog_inserted(w->catalog, op->n[2], a->end, a->acked ? op->replicas : 0);
    return r->outcome != SIM_ERROR || r->code == CQL_ERROR_INVALID ||
           workload_error_is_expected(r->code) || unexpected(r, why);
}

static bool take_read(struct schema_work *w, const struct op *op, const struct answer *a,
                      struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    if (!a->acked)
        return r->outcome != SIM_ERROR || r->code == CQL_ERROR_INVALID ||
               workload_error_is_expected(r->code) || unexpected(r, why);
    int64_t *ids = mem_alloc((r->rows + 1) * sizeof *ids);
    bool good = true;
    for (uint32_t i = 0; i < r->rows && good; i++) {
        ids[i] = work_cell(r, i, 0);
        if (work_cell(r, i, 1) != ids[i])
            good = errmsg_set(why, ERR_FAILED, "row %" PRId64 " has the value %" PRId64, ids[i],
                              work_cell(r, i, 1)) == ERR_OK;
    }
    const struct catalog_read read = {.name = (uint32_t)op->n[1],
                                      .partition = (uint32_t)op->n[3],
                                      .start = r->asked,
                                      .end = r->answered,
                                      .epoch = a->again ? 0 : op->n[2], /* of another node */
                                      .replicas = op->replicas,
                                      .ids = ids,
                                      .count = r->rows};
    good = good && catalog_read(w->catalog, &read, why);
    mem_free(ids);
    return good;
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct schema_work *w = work;
    if (w->failed) {
        *why = w->why;
        return false;
    }
    switch (op->n[0]) {
    case CHANGE: return take_change(w, op, a, why);
    case INSERT: return take_insert(w, op, a, why);
    case READ: return take_read(w, op, a, why);
    default: return true;
    }
}

static void disk_lost(void *work, usec at)
{
    struct schema_work *w = work;
    (void)at;
    catalog_disk_lost(w->catalog);
}

/* --- in the end */

/* A column "tN" or "cN" of the reply; -1: it is neither. */
static int number_of(const struct sim_cell *cell, char letter)
{
    if (cell->is_null || cell->bytes.len != 2 || cell->bytes.data[0] != (uint8_t)letter)
        return -1;
    return cell->bytes.data[1] - '0';
}

/* What the node says of all tables, as bits of columns; -1: no such table. */
static bool read_schema(struct schema_work *w, unsigned node, int64_t found[NAMES_MAX])
{
    const struct sim_reply *r =
        sim_cql(w->env->sim, node, CQL_CL_ONE,
                "SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = "
                "'changing'");
    for (uint32_t i = 0; i < NAMES_MAX; i++)
        found[i] = -1;
    if (r->outcome != SIM_OK)
        return errmsg_set(&w->why, ERR_FAILED, "node %u does not tell its schema: %s", node,
                          r->message) == ERR_OK;
    for (uint32_t i = 0; i < r->rows; i++) {
        int name = number_of(&r->cells[2 * i], 't');
        int column = number_of(&r->cells[2 * i + 1], 'c');
        if (name < 0 || name >= NAMES_MAX)
            continue;
        found[name] = found[name] < 0 ? 0 : found[name];
        if (column >= 0)
            found[name] |= (int64_t)1 << column;
    }
    return true;
}

/* A change that nobody waits for any more may still be under way. */
static bool settle(struct schema_work *w)
{
    struct sim *s = w->env->sim;
    usec end = sim_now(s) + QUIET_MAX;
    while (!sim_is_quiet(s, &w->why) || !sim_replicas_equal(s, &w->why)) {
        if (sim_now(s) > end) {
            errmsg_wrap(&w->why, "something is still under way: ");
            return false;
        }
        sim_elapse(s, QUIET_STEP);
    }
    return true;
}

static bool judge_schema(struct schema_work *w)
{
    int64_t first[NAMES_MAX];
    int64_t found[NAMES_MAX];
    if (!settle(w) || !read_schema(w, 1, first))
        return false;
    for (unsigned i = 2; i <= sim_nodes(w->env->sim); i++) {
        if (!read_schema(w, i, found))
            return false;
        if (memcmp(first, found, sizeof first) != 0)
            return errmsg_set(&w->why, ERR_FAILED, "nodes 1 and %u tell different schemas", i) ==
                   ERR_OK;
    }
    for (uint32_t i = 0; i < w->names; i++) {
        w->there[i] = first[i] >= 0;
        catalog_found(w->catalog, i, first[i] >= 0, first[i] > 0 ? (uint32_t)first[i] : 0,
                      sim_now(w->env->sim));
    }
    enum linear_verdict verdict = catalog_check(w->catalog, &w->why);
    if (verdict == LINEAR_UNKNOWN)
        sim_note(w->env->sim, "schema: too many changes are open to judge their order");
    return verdict != LINEAR_BAD;
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct schema_work *w = work;
    if (i == 0)
        w->failed = !judge_schema(w);
    op->n[0] = NONE;
    if (i >= w->names * PARTITIONS)
        return false;
    op->n[1] = i / PARTITIONS;
    op->n[3] = i % PARTITIONS;
    if (w->there[op->n[1]] && !w->failed)
        ask_read(w, op);
    else
        buf_put_text(&op->cql, "SELECT cluster_name FROM system.local");
    return true;
}

const struct workload_ops work_schema = {"schema", begin,     end,  schema, ask,
                                         take,     disk_lost, NULL, final};
