/* Made-up tables and statements against simulated rings that nothing happens to: every statement is
 * understood, and every answer is the one that the oracle allows. */
#include "base/mem.h"
#include "node/sim/run/gen.h"

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct {
    struct sim *sim;
    struct workload_env env;
    struct gen gen;
    uint64_t features[GEN_FEATURE_COUNT]; /* of all runs of a test */
    uint32_t statements;
} f;

/* Ask a node chosen at random, and wait. */
static bool asks(enum cql_consistency level, struct buf *cql, int32_t page_size,
                 uint64_t *ret_request)
{
    unsigned via = (unsigned)rng_between(&f.env.rng, 1, sim_nodes(f.sim));
    usec end = sim_now(f.sim) + SIM_ASK_TIMEOUT;
    f.statements++;
    buf_put_u8(cql, 0);
    *ret_request = sim_ask_paged(f.sim, via, level, (const char *)cql->data, page_size);
    while (sim_reply_of(f.sim, *ret_request)->outcome == SIM_PENDING && sim_now(f.sim) < end)
        sim_step(f.sim, end);
    return sim_reply_of(f.sim, *ret_request)->outcome == SIM_OK;
}

static bool fails(const struct buf *cql, const char *why)
{
    printf("\n    statement %" PRIu32 ": %s\n    %s\n", f.statements, (const char *)cql->data, why);
    return false;
}

static bool write_one(enum cql_consistency level)
{
    struct buf cql;
    uint64_t request;
    buf_init(&cql, WORKLOAD_CQL_MAX);
    uint32_t write = gen_write(&f.gen, &cql);
    bool good = asks(level, &cql, 0, &request);
    if (good)
        cells_acked(f.gen.cells, write, workload_replicas(&f.env, level));
    else
        fails(&cql, sim_reply_of(f.sim, request)->message);
    sim_forget(f.sim, request);
    buf_close(&cql);
    return good;
}

/* Any, or for `ret_more` number i of those in the end. */
static bool read_one(enum cql_consistency level, uint32_t i, bool *ret_more)
{
    struct arena a = {0};
    struct buf cql;
    struct cells_read read;
    struct errmsg why;
    uint64_t request;
    int32_t page_size = 0;
    bool good = true;
    buf_init(&cql, WORKLOAD_CQL_MAX);
    if (ret_more == NULL)
        page_size = gen_read(&f.gen, &a, &cql, &read);
    else
        *ret_more = gen_final(&f.gen, i, &a, &cql, &read);
    if (cql.len > 0) {
        good = asks(level, &cql, page_size, &request);
        const struct sim_reply *r = sim_reply_of(f.sim, request);
        if (!good)
            fails(&cql, r->message);
        else if (!gen_judge(&f.gen, &read, r, workload_replicas(&f.env, level), &why))
            good = fails(&cql, why.text);
        sim_forget(f.sim, request);
    }
    buf_close(&cql);
    arena_close(&a);
    return good;
}

static bool make_tables(uint32_t rf)
{
    uint64_t request;
    struct buf cql;
    bool good = true;
    buf_init(&cql, WORKLOAD_CQL_MAX);
    buf_printf(&cql,
               "CREATE KEYSPACE r WITH replication = {'class': 'SimpleStrategy', "
               "'replication_factor': %" PRIu32 "}",
               rf);
    for (uint32_t i = 0; i <= f.gen.tables_count && good; i++) {
        if (i > 0)
            gen_table_schema(&f.gen.tables[i - 1], &cql);
        good = asks(CQL_CL_QUORUM, &cql, 0, &request);
        if (!good)
            fails(&cql, sim_reply_of(f.sim, request)->message);
        sim_forget(f.sim, request);
        buf_clear(&cql);
    }
    buf_close(&cql);
    return good;
}

/* Statements at a level, then everything is read at ALL. */
static void run(uint64_t seed, unsigned nodes, uint32_t rf, enum cql_consistency level,
                uint32_t statements)
{
    struct sim_config config = {.seed = seed};
    f.sim = sim_new(&config);
    f.statements = 0;
    f.env = (struct workload_env){.sim = f.sim, .rf = rf, .dcs = 1, .size = (uint32_t)seed % 20};
    rng_init(&f.env.rng, seed);
    gen_init(&f.gen, &f.env, rf);
    CU_ASSERT_FATAL(sim_form(f.sim, nodes));
    bool good = make_tables(rf), more = true;
    for (uint32_t i = 0; i < statements && good; i++)
        good = rng_chance(&f.env.rng, 550000) ? write_one(level) : read_one(level, 0, NULL);
    for (uint32_t i = 0; more && good; i++)
        good = read_one(CQL_CL_ALL, i, &more);
    if (!good)
        printf("    seed %" PRIu64 ", %u nodes\n", seed, nodes);
    CU_ASSERT(good);
    for (uint32_t i = 0; i < GEN_FEATURE_COUNT; i++)
        f.features[i] += f.gen.features[i];
    gen_close(&f.gen);
    sim_free(f.sim);
}

static void one_node_answers_exactly(void)
{
    static const char *const names[] = {
#define X(name) #name,
        GEN_FEATURES(X)
#undef X
    };
    memset(&f, 0, sizeof f);
    for (uint64_t seed = 1; seed <= 20; seed++)
        run(seed, 1, 1, CQL_CL_ONE, 300);
    for (uint32_t i = 0; i < GEN_FEATURE_COUNT; i++) {
        if (f.features[i] == 0)
            printf("\n    %s never occurred\n", names[i]);
        CU_ASSERT(f.features[i] > 0);
    }
}

static void three_nodes_answer_exactly(void)
{
    memset(&f, 0, sizeof f);
    for (uint64_t seed = 101; seed <= 106; seed++)
        run(seed, 3, 3, CQL_CL_QUORUM, 200);
    for (uint64_t seed = 201; seed <= 203; seed++)
        run(seed, 4, 3, CQL_CL_ONE, 200);
}

CU_TestInfo gen_tests[] = {
    {"one node answers exactly", one_node_answers_exactly},
    {"three nodes answer exactly", three_nodes_answer_exactly},
    CU_TEST_INFO_NULL,
};
