/* Random faults from a seed, then everything heals and all nodes must come to one state. */
#include "sim.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define RUNS  12
#define NODES 5
#define TURNS 60

void faults_setup(void);
void faults_teardown(void);

static struct sim *f;

void faults_setup(void)
{
    f = NULL;
}

void faults_teardown(void)
{
    sim_free(f);
    f = NULL;
}

struct wish {
    uint32_t node;
    uint64_t request;
};

static void one_fault(void)
{
    uint32_t i = 1 + (uint32_t)rng_below(&f->rng, NODES);
    uint32_t j = 1 + (uint32_t)rng_below(&f->rng, NODES);
    if (f->nodes[i].meta == NULL || f->nodes[j].meta == NULL)
        return;
    switch (rng_below(&f->rng, 6)) {
    case 0: sim_crash(f, i); break;
    case 1: sim_cut(f, i, j, i != j); break;
    case 2: f->cut[i][j] = i != j; break; /* one way */
    case 3: memset(f->cut, 0, sizeof f->cut); break;
    case 4: sim_tell(f, i, meta_self(f->nodes[j].meta), rng_chance(&f->rng, 500000)); break;
    default: break;
    }
}

static void start_all(void)
{
    for (uint32_t i = 1; i <= NODES; i++) {
        if (f->nodes[i].meta == NULL)
            sim_start(f, i);
    }
}

static void heal(void)
{
    memset(f->cut, 0, sizeof f->cut);
    f->lose = 0;
    f->duplicate = 0;
    f->delay_max = 1000;
    start_all();
    for (uint32_t i = 1; i <= NODES; i++) {
        for (uint32_t j = 1; j <= NODES; j++)
            sim_tell(f, i, meta_self(f->nodes[j].meta), true);
    }
}

static void run(uint64_t seed)
{
    char name[24];
    uint64_t acked = 0, wished = 0;
    sim_free(f);
    f = sim_new(seed, NODES);
    sim_seeds_all(f);
    f->lose = (uint32_t)rng_below(&f->rng, 300000);
    f->duplicate = (uint32_t)rng_below(&f->rng, 300000);
    f->delay_max = (usec)1000 << rng_below(&f->rng, 8);
    f->disk_max = (usec)500 << rng_below(&f->rng, 6);
    start_all();
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        sim_run(f, (usec)rng_below(&f->rng, 400 * USEC_PER_MS));
        uint32_t i = 1 + (uint32_t)rng_below(&f->rng, NODES);
        if (f->nodes[i].meta == NULL) {
            sim_start(f, i);
            continue;
        }
        one_fault();
        if (f->nodes[i].meta != NULL && meta_phase(f->nodes[i].meta) == META_READY) {
            snprintf(name, sizeof name, "t%u", (unsigned)turn);
            (void)(turn % 7 == 0 ? sim_create_keyspace(f, i) : sim_create(f, i, name));
            wished++;
        }
    }
    heal();
    bool converged = sim_run_until(f, sim_all_ready, 60 * USEC_PER_SEC);
    for (uint32_t i = 1; i <= NODES; i++) {
        for (size_t k = 0; k < f->nodes[i].done_count; k++)
            acked += f->nodes[i].done[k].err == ERR_OK;
    }
    bool moved_on = false;
    if (converged) {
        const struct sim_done *d = sim_wait(f, 1, sim_create(f, 1, "last"));
        moved_on = d != NULL && d->err != ERR_TIMEOUT && d->err != ERR_UNAVAILABLE;
    }
    CU_ASSERT_TRUE(converged);
    CU_ASSERT_TRUE(moved_on);
    CU_ASSERT_TRUE(sim_agree(f));
    CU_ASSERT_EQUAL(f->clusters_count, 1);
    if (!converged || !moved_on || !sim_agree(f) || f->clusters_count != 1)
        printf("seed %llu: converged %d, moved on %d, wrong %u, clusters %zu, acked %llu of %llu\n",
               (unsigned long long)seed, converged, moved_on, (unsigned)f->wrong, f->clusters_count,
               (unsigned long long)acked, (unsigned long long)wished);
}

static void random_faults(void)
{
    for (uint64_t seed = 1; seed <= RUNS; seed++)
        run(seed);
}

/* What a node asked for before it crashed is answered when it has started again: that is no answer
 * to what it asks for now. */
static void an_answer_to_an_earlier_life(void)
{
    f = sim_new(3, 3);
    sim_seeds_first(f);
    for (uint32_t i = 1; i <= 3; i++)
        sim_start(f, i);
    CU_ASSERT_FATAL(sim_run_until(f, sim_all_ready, 60 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(sim_wait(f, 1, sim_create_keyspace(f, 1))->err, ERR_OK);
    CU_ASSERT_EQUAL(sim_wait(f, 1, sim_create(f, 1, "there"))->err, ERR_OK);
    f->delay_min = f->delay_max = 100 * USEC_PER_MS;
    for (int i = 0; i < 4; i++)
        (void)sim_create(f, 2, "there");
    sim_run(f, 50 * USEC_PER_MS);
    sim_crash(f, 2);
    sim_start(f, 2);
    while (meta_phase(f->nodes[2].meta) != META_READY)
        sim_run(f, USEC_PER_MS);
    const struct sim_done *d = sim_wait(f, 2, sim_create(f, 2, "new"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, ERR_OK);
    CU_ASSERT_STRING_EQUAL(d->message, "");
}

/* A node that gives up data takes a new life, perhaps while that of its start is being decided. */
static void a_new_life_while_one_is_decided(void)
{
    f = sim_new(3, 3);
    sim_seeds_first(f);
    for (uint32_t i = 1; i <= 3; i++)
        sim_start(f, i);
    CU_ASSERT_FATAL(sim_run_until(f, sim_all_ready, 60 * USEC_PER_SEC));
    struct meta *m = f->nodes[2].meta;
    f->delay_min = f->delay_max = 20 * USEC_PER_MS;
    meta_set_boot(m, 5);
    sim_tell(f, 2, meta_self(m), true); /* so that it looks */
    sim_run(f, 30 * USEC_PER_MS);
    CU_ASSERT_NOT_EQUAL(topology_find(meta_topology(m), meta_self(m))->info.boot, 5);
    meta_set_boot(m, 6);
    sim_run(f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(topology_find(meta_topology(m), meta_self(m))->info.boot, 6);
}

static bool nothing_is_pending(struct sim *s)
{
    return meta_pending(s->nodes[1].meta) == 0;
}

/* A ballot outlives who waited for it, and may still decide. */
static void a_ballot_is_pending(void)
{
    f = sim_new(3, 3);
    sim_seeds_first(f);
    for (uint32_t i = 1; i <= 3; i++)
        sim_start(f, i);
    CU_ASSERT_FATAL(sim_run_until(f, sim_all_ready, 60 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(sim_wait(f, 1, sim_create_keyspace(f, 1))->err, ERR_OK);
    uint64_t epoch = meta_epoch(f->nodes[1].meta);
    f->delay_min = f->delay_max = 1400 * USEC_PER_MS;
    const struct sim_done *d = sim_wait(f, 1, sim_create(f, 1, "t"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(meta_epoch(f->nodes[1].meta), epoch);
    CU_ASSERT_EQUAL(meta_pending(f->nodes[1].meta), 1);
    CU_ASSERT(sim_run_until(f, nothing_is_pending, 10 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(meta_epoch(f->nodes[1].meta), epoch + 1);
}

CU_TestInfo faults_tests[] = {
    {"random faults, then one state", random_faults},
    {"an answer to an earlier life", an_answer_to_an_earlier_life},
    {"a new life while one is decided", a_new_life_while_one_is_decided},
    {"a ballot is pending", a_ballot_is_pending},
    CU_TEST_INFO_NULL,
};
