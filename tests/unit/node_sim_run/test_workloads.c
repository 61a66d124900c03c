/* Each workload believes a cluster that is well, and not one that lies. */
#include "base/mem.h"
#include "node/sim/run/workload.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define TRUE_ASKED  150 /* requests that are answered truly */
#define FALSE_READS 60  /* and then reads that are not, until one is refused */

void workloads_setup(void);
void workloads_teardown(void);

static struct fixture {
    struct workload_env env;
    const struct workload_ops *ops;
    void *workload;
    struct op op;
    struct errmsg why;
    uint64_t asked;
} f;

enum lie { EMPTY, OTHER_VALUE, LIES };

void workloads_setup(void)
{
    struct sim_config config = {.seed = 7};
    memset(&f, 0, sizeof f);
    f.env = (struct workload_env){
        .sim = sim_new(&config), .rf = 3, .dcs = 1, .skew_us = USEC_PER_MS, .size = 10};
    rng_init(&f.env.rng, 11);
    buf_init(&f.op.cql, WORKLOAD_CQL_MAX);
}

static void end_workload(void)
{
    if (f.workload != NULL)
        f.ops->end(f.workload);
    f.workload = NULL;
}

void workloads_teardown(void)
{
    end_workload();
    mem_free(f.op.own);
    buf_close(&f.op.cql);
    sim_free(f.env.sim);
}

static void begin_workload(const struct workload_ops *ops)
{
    struct buf cql;
    f.ops = ops;
    f.workload = ops->begin(&f.env);
    buf_init(&cql, WORKLOAD_CQL_MAX);
    for (uint32_t i = 0; ops->schema(f.workload, i, &cql); i++) {
        buf_put_u8(&cql, 0);
        const struct sim_reply *r =
            sim_cql(f.env.sim, 1, CQL_CL_QUORUM, "%s", (const char *)cql.data);
        CU_ASSERT_FATAL(r->outcome == SIM_OK || r->code == CQL_ERROR_ALREADY_EXISTS);
        buf_clear(&cql);
    }
    buf_close(&cql);
}

static void new_op(enum cql_consistency level)
{
    struct buf cql = f.op.cql;
    buf_clear(&cql);
    f.op = (struct op){.level = level,
                       .replicas = workload_replicas(&f.env, level),
                       .start = sim_now(f.env.sim),
                       .cql = cql};
}

static bool answered(struct sim *s, void *request)
{
    return sim_reply_of(s, *(uint64_t *)request)->outcome != SIM_PENDING;
}

static const struct sim_reply *ask(void)
{
    buf_put_u8(&f.op.cql, 0);
    f.asked = sim_ask_paged(f.env.sim, 1 + (unsigned)(f.env.values % 3), f.op.level,
                            (const char *)f.op.cql.data, f.op.page_size);
    CU_ASSERT_FATAL(sim_until(f.env.sim, answered, &f.asked, SIM_ASK_TIMEOUT));
    return sim_reply_of(f.env.sim, f.asked);
}

static bool take(const struct sim_reply *r)
{
    struct answer a = {.reply = r, .acked = r->outcome == SIM_OK, .end = sim_now(f.env.sim)};
    bool good = f.ops->take(f.workload, &f.op, &a, &f.why);
    sim_forget(f.env.sim, f.asked);
    return good;
}

static bool ask_and_take(void)
{
    const struct sim_reply *r = ask();
    bool good = r->outcome == SIM_OK && take(r);
    if (!good)
        printf("\n    %s: %s: %s %s\n", f.ops->name, (const char *)f.op.cql.data, f.why.text,
               r->message);
    sim_elapse(f.env.sim, 5 * USEC_PER_MS);
    return good;
}

static bool go_on_truly(void)
{
    bool good = true;
    for (int i = 0; i < TRUE_ASKED && good; i++) {
        new_op(i % 3 == 0 ? CQL_CL_ALL : CQL_CL_QUORUM);
        f.ops->ask(f.workload, &f.op);
        good = ask_and_take();
    }
    return good;
}

/* The true answer with its last bigint, or the last of its last collection, changed; or no rows. */
static bool believes(const struct sim_reply *r, enum lie lie)
{
    struct sim_reply forged = *r;
    size_t count = (size_t)r->rows * r->columns;
    struct sim_cell *cells = mem_alloc((count + 1) * sizeof *cells);
    uint8_t *bytes = NULL;
    memcpy(cells, r->cells, count * sizeof *cells);
    if (lie == EMPTY)
        forged.rows = 0;
    if (lie == OTHER_VALUE && count > 0 && cells[count - 1].bytes.len >= 8) {
        struct bytes *last = &cells[count - 1].bytes;
        bytes = mem_copy(last->data, last->len);
        bytes[last->len - 6] ^= 0x40;
        last->data = bytes;
    }
    forged.cells = cells;
    bool good = take(&forged);
    mem_free(bytes);
    mem_free(cells);
    return good;
}

static bool finds_out(enum lie lie)
{
    for (int reads = 0; reads < FALSE_READS;) {
        new_op(CQL_CL_ALL);
        f.ops->ask(f.workload, &f.op);
        bool is_read = !f.op.is_write;
        const struct sim_reply *r = ask();
        reads += is_read;
        if (!(is_read ? believes(r, lie) : take(r)))
            return is_read;
    }
    return false;
}

static bool reads_all_in_the_end(void)
{
    uint32_t i = 0;
    for (;; i++) {
        new_op(CQL_CL_ALL);
        f.op.final = true;
        if (!f.ops->final(f.workload, i, &f.op))
            return i > 0;
        if (!ask_and_take())
            return false;
    }
}

static const struct workload_ops *named(const char *name)
{
    for (size_t i = 0; workloads_all[i] != NULL; i++) {
        if (strcmp(workloads_all[i]->name, name) == 0)
            return workloads_all[i];
    }
    return NULL;
}

static void knows_truth_from_lies(void)
{
    static const char *const names[] = {"registers", "sets",  "collections", "lists",
                                        "batches",   "scans", "ttl",         "counters"};
    CU_ASSERT_FATAL(sim_form(f.env.sim, 3));
    CU_ASSERT_FATAL(sim_cql(f.env.sim, 1, CQL_CL_QUORUM,
                            "CREATE KEYSPACE r WITH replication = {'class': 'SimpleStrategy', "
                            "'replication_factor': 3}")
                        ->outcome == SIM_OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (int lie = 0; lie <= LIES; lie++) {
            begin_workload(named(names[i]));
            CU_ASSERT(go_on_truly());
            CU_ASSERT(lie == LIES ? reads_all_in_the_end() : finds_out((enum lie)lie));
            end_workload();
            CU_ASSERT_EQUAL(sim_cql(f.env.sim, 1, CQL_CL_QUORUM, "DROP KEYSPACE r")->outcome,
                            SIM_OK);
            sim_cql(f.env.sim, 1, CQL_CL_QUORUM,
                    "CREATE KEYSPACE r WITH replication = {'class': 'SimpleStrategy', "
                    "'replication_factor': 3}");
        }
    }
}

/* What a fault explains is no contradiction, and anything else is. */
static void knows_errors(void)
{
    struct sim_reply r = {.outcome = SIM_ERROR, .message = "", .code = CQL_ERROR_UNAVAILABLE};
    CU_ASSERT_FATAL(sim_form(f.env.sim, 1));
    f.ops = named("registers");
    f.workload = f.ops->begin(&f.env);
    new_op(CQL_CL_QUORUM);
    f.ops->ask(f.workload, &f.op);
    CU_ASSERT(take(&r));
    r.code = CQL_ERROR_INVALID;
    new_op(CQL_CL_QUORUM);
    f.ops->ask(f.workload, &f.op);
    CU_ASSERT(!take(&r));
}

static void levels_are_counted(void)
{
    static const struct {
        enum cql_consistency level;
        uint32_t replicas; /* of 3 in each of 2 data centres */
    } rows[] = {{CQL_CL_ONE, 1},          {CQL_CL_TWO, 2},         {CQL_CL_THREE, 3},
                {CQL_CL_QUORUM, 4},       {CQL_CL_ALL, 6},         {CQL_CL_LOCAL_ONE, 1},
                {CQL_CL_LOCAL_QUORUM, 2}, {CQL_CL_EACH_QUORUM, 4}, {CQL_CL_ANY, 1}};
    f.env.dcs = 2;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(workload_replicas(&f.env, rows[i].level), rows[i].replicas);
}

CU_TestInfo workloads_tests[] = {
    {"know truth from lies", knows_truth_from_lies},
    {"know errors", knows_errors},
    {"levels are counted", levels_are_counted},
    CU_TEST_INFO_NULL,
};
