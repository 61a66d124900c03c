/* Who votes changes all the time: members are killed for long and come back, cuts come and go, and
 * people give up majorities that are down. In each generation each slot has one entry (the oracle
 * of sim.h), no two generations begin beside each other, and when all is healed all that were not
 * given up are of one log that can be changed. */
#include "sim.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define RUNS  20
#define NODES 7
#define TURNS 80

void votes_setup(void);
void votes_teardown(void);

static struct sim *f;
static uint32_t recoveries, moves; /* in all runs */

void votes_setup(void)
{
    f = NULL;
}

void votes_teardown(void)
{
    sim_free(f);
    f = NULL;
}

static bool is_up(uint32_t i)
{
    return f->nodes[i].meta != NULL;
}

static const struct topology *seen_by(uint32_t i)
{
    return meta_topology(f->nodes[i].meta);
}

static bool is_out(uint32_t i)
{
    return is_up(i) && meta_phase(f->nodes[i].meta) == META_OUTDATED;
}

/* What gossip would say, for it knows sooner or later. */
static void tell_truth(void)
{
    for (uint32_t i = 1; i <= NODES; i++) {
        if (!is_up(i))
            continue;
        for (uint32_t j = 1; j <= NODES; j++) {
            const struct topology_node *n =
                topology_find_host(seen_by(i), &f->nodes[j].config.self.host_id);
            if (n != NULL && i != j)
                sim_tell(f, i, n->node, is_up(j) && !f->cut[i][j] && !f->cut[j][i]);
        }
    }
}

static uint32_t any_node(void)
{
    return 1 + (uint32_t)rng_below(&f->rng, NODES);
}

/* Whose disks nobody starts again while the run goes on: who gives a node up sees to that, unless
 * he was refused. */
static uint32_t named[NODES + 1]; /* at which node */

static bool was_refused(uint32_t at)
{
    if (at == 0 || !is_up(at))
        return false;
    struct meta_recovery r = meta_recovery(f->nodes[at].meta);
    return r.state == META_RECOVERY_REFUSED && strstr(r.text, "answer") != NULL;
}

static bool may_start(uint32_t i)
{
    if (named[i] != 0 && was_refused(named[i]))
        named[i] = 0;
    return named[i] == 0;
}

/* Somebody at that node gives up those that are down; sometimes he forgets one. */
static void give_up(uint32_t at)
{
    enum err err = ERR_CLOSED;
    uint32_t lost[NODES];
    size_t count = 0;
    for (uint32_t i = 1; i <= NODES; i++) {
        if (!is_up(i) && topology_find_host(seen_by(at), &f->nodes[i].config.self.host_id) != NULL)
            lost[count++] = i;
    }
    if (count > 0 && rng_chance(&f->rng, 100000))
        count--;
    if (count > 0)
        err = sim_recover(f, at, lost, count);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        named[lost[i]] = at;
}

static void one_fault(void)
{
    uint32_t i = any_node(), j = any_node();
    switch (rng_below(&f->rng, 8)) {
    case 0:
    case 1:
    case 2:
        if (is_up(i))
            sim_crash(f, i);
        break;
    case 3:
        if (!is_up(i) && may_start(i))
            sim_start(f, i);
        break;
    case 4: sim_cut(f, i, j, i != j); break;
    case 5: memset(f->cut, 0, sizeof f->cut); break;
    default:
        if (is_up(i) && rng_chance(&f->rng, 400000))
            give_up(i);
        break;
    }
}

/* All that are not OUTDATED are READY, at one epoch of one generation. */
static bool all_left_agree(struct sim *s)
{
    const struct topology *first = NULL;
    for (uint32_t i = 1; i <= NODES; i++) {
        if (is_out(i))
            continue;
        const struct topology *t = seen_by(i);
        if (meta_phase(s->nodes[i].meta) != META_READY ||
            (first != NULL && (first->epoch != t->epoch || first->generation != t->generation)))
            return false;
        first = t;
    }
    return first != NULL;
}

static const char *end_well(void)
{
    uint64_t generation = 0;
    memset(f->cut, 0, sizeof f->cut);
    f->lose = f->duplicate = 0;
    f->delay_max = 1000;
    for (uint32_t i = 1; i <= NODES; i++) {
        if (!is_up(i))
            sim_start(f, i);
    }
    for (int k = 0; k < 6; k++) { /* so that those of an older generation are told */
        tell_truth();
        sim_run(f, 5 * USEC_PER_SEC);
    }
    if (!sim_run_until(f, all_left_agree, 60 * USEC_PER_SEC))
        return "those that are left do not agree";
    uint32_t at = 0;
    for (uint32_t i = 1; i <= NODES; i++) {
        if (!is_out(i))
            at = i;
    }
    generation = seen_by(at)->generation;
    for (uint32_t i = 1; i <= NODES; i++) {
        const struct topology_node *n =
            topology_find_host(seen_by(at), &f->nodes[i].config.self.host_id);
        if (is_out(i) != (n != NULL && n->lost))
            return "one is out that was not given up, or the other way round";
    }
    for (size_t g = 0; g < f->generations_count; g++) {
        if (f->generations[g] > generation)
            return "a generation was begun that nobody is of";
    }
    if (f->generations_count != seen_by(at)->recoveries + 1)
        return "two generations were begun beside each other";
    const struct sim_done *d = sim_wait(f, at, sim_create(f, at, "last"));
    if (d == NULL || d->err == ERR_TIMEOUT || d->err == ERR_UNAVAILABLE)
        return "nothing can be decided";
    recoveries += seen_by(at)->recoveries;
    moves += seen_by(at)->away_epoch > 0;
    return f->wrong > 0 ? "a slot has two entries" : NULL;
}

static void run(uint64_t seed)
{
    char name[24];
    sim_free(f);
    f = sim_new(seed, NODES);
    sim_seeds_all(f);
    memset(named, 0, sizeof named);
    for (uint32_t i = 1; i <= NODES; i++) {
        f->nodes[i].config.away_us = USEC_PER_SEC;
        sim_start(f, i);
    }
    CU_ASSERT_TRUE_FATAL(sim_run_until(f, sim_all_ready, 30 * USEC_PER_SEC));
    (void)sim_wait(f, 1, sim_create_keyspace(f, 1));
    f->lose = (uint32_t)rng_below(&f->rng, 50000);
    f->duplicate = (uint32_t)rng_below(&f->rng, 100000);
    f->delay_max = (usec)1000 << rng_below(&f->rng, 6);
    f->disk_max = (usec)500 << rng_below(&f->rng, 5);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        sim_run(f, (usec)rng_below(&f->rng, 2 * USEC_PER_SEC));
        one_fault();
        if (rng_chance(&f->rng, 700000))
            tell_truth();
        uint32_t i = any_node();
        if (is_up(i) && meta_phase(f->nodes[i].meta) == META_READY) {
            snprintf(name, sizeof name, "t%u", (unsigned)turn);
            (void)sim_create(f, i, name);
        }
    }
    const char *wrong = end_well();
    CU_ASSERT_PTR_NULL(wrong);
    if (wrong != NULL)
        printf("seed %llu: %s\n", (unsigned long long)seed, wrong);
}

static void random_votes(void)
{
    recoveries = moves = 0;
    for (uint64_t seed = 1; seed <= RUNS; seed++)
        run(seed);
    CU_ASSERT_TRUE(recoveries > RUNS / 4); /* the runs do get there */
    CU_ASSERT_TRUE(moves > RUNS / 2);
}

CU_TestInfo votes_tests[] = {
    {"members and generations at random, one log", random_votes},
    CU_TEST_INFO_NULL,
};
