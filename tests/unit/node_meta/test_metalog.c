/* Changes by the log: who wants one gets its answer, everybody comes to the same state. */
#include "sim.h"

#include "base/mem.h"
#include "node/schema/schema.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void metalog_setup(void);
void metalog_teardown(void);

static struct sim *f;

void metalog_setup(void)
{
    f = NULL;
}

void metalog_teardown(void)
{
    sim_free(f);
    f = NULL;
}

/* A ring of so many nodes with the keyspace ks. */
static void ring_of(uint64_t seed, uint32_t nodes)
{
    sim_free(f);
    f = sim_new(seed, nodes);
    for (uint32_t i = 1; i <= nodes; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
    const struct sim_done *d = sim_wait(f, 1, sim_create_keyspace(f, 1));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, ERR_OK);
}

static bool has_table(uint32_t i, const char *name)
{
    return schema_table(meta_schema(f->nodes[i].meta), "ks", name) != NULL;
}

static void expect(uint32_t i, uint64_t request, enum err err)
{
    const struct sim_done *d = sim_wait(f, i, request);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, err);
    if (d->err != err)
        printf("request %llu: %s: %s\n", (unsigned long long)request, err_text(d->err), d->message);
}

/* The answer leaves after every live node has applied the change: any of them serves it at once. */
static void a_change_is_everywhere_before_its_answer(void)
{
    char name[16];
    ring_of(1, 5);
    f->delay_max = 30000;
    for (uint32_t i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "t%u", (unsigned)i);
        expect(i, sim_create(f, i, name), ERR_OK);
        for (uint32_t j = 1; j <= 5; j++)
            CU_ASSERT_TRUE(has_table(j, name));
    }
    CU_ASSERT_TRUE(sim_agree(f));
}

/* Anchors 45. */
static void one_name_twice_at_once_is_one_table(void)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        ring_of(seed, 3);
        uint64_t a = sim_create(f, 2, "t"), b = sim_create(f, 3, "t");
        const struct sim_done *da = sim_wait(f, 2, a), *db = sim_wait(f, 3, b);
        CU_ASSERT_PTR_NOT_NULL_FATAL(da);
        CU_ASSERT_PTR_NOT_NULL_FATAL(db);
        CU_ASSERT_TRUE((da->err == ERR_OK) != (db->err == ERR_OK));
        CU_ASSERT_TRUE(da->err == ERR_EXISTS || db->err == ERR_EXISTS);
        CU_ASSERT_TRUE(sim_agree(f));
    }
}

static void many_changes_at_once_all_happen(void)
{
    uint64_t requests[40];
    char name[16];
    ring_of(3, 5);
    for (uint32_t i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "t%u", (unsigned)i);
        requests[i] = sim_create(f, i % 5 + 1, name);
    }
    for (uint32_t i = 0; i < 40; i++)
        expect(i % 5 + 1, requests[i], ERR_OK);
    CU_ASSERT_TRUE(sim_agree(f));
}

static void a_lossy_network_loses_no_change(void)
{
    char name[16];
    ring_of(4, 4);
    f->lose = 250000;
    f->duplicate = 250000;
    for (uint32_t i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "t%u", (unsigned)i);
        expect(i % 4 + 1, sim_create(f, i % 4 + 1, name), ERR_OK);
    }
    f->lose = 0;
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
    CU_ASSERT_TRUE(sim_agree(f));
}

static void a_minority_down_changes_go_on(void)
{
    ring_of(5, 5);
    sim_crash(f, 1);
    sim_crash(f, 4);
    for (uint32_t i = 1; i <= 5; i++) {
        sim_tell(f, i, 1, false);
        sim_tell(f, i, meta_topology(f->nodes[2].meta)->nodes[3].node, false);
    }
    usec begin = f->now.mono;
    expect(2, sim_create(f, 2, "t"), ERR_OK);
    CU_ASSERT_TRUE(f->now.mono - begin < 15 * USEC_PER_SEC);
    CU_ASSERT_TRUE(has_table(3, "t"));
    CU_ASSERT_TRUE(has_table(5, "t"));
}

/* Nobody has told that the member is dead: it is tried, and then the next one. */
static void a_silent_member_is_passed_over(void)
{
    ring_of(6, 3);
    sim_crash(f, 1);
    uint64_t request = sim_create(f, 2, "t");
    sim_run(f, USEC_PER_SEC);
    CU_ASSERT_TRUE(has_table(2, "t"));
    CU_ASSERT_TRUE(has_table(3, "t"));
    CU_ASSERT_PTR_NULL(
        sim_answer(f, 2, request)); /* node 1 is believed alive and has not applied */
    sim_tell(f, 2, 1, false);
    CU_ASSERT_PTR_NOT_NULL(sim_answer(f, 2, request));
}

static void a_laggard_delays_the_answer_and_is_named(void)
{
    ring_of(7, 3);
    sim_cut(f, 1, 3, true);
    sim_cut(f, 2, 3, true);
    node_no third = meta_self(f->nodes[3].meta);
    char number[24];
    usec begin = f->now.mono;
    const struct sim_done *d = sim_wait(f, 2, sim_create(f, 2, "t"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, ERR_OK);
    CU_ASSERT_TRUE(d->at - begin >= 10 * USEC_PER_SEC);
    snprintf(number, sizeof number, " %u", (unsigned)third);
    CU_ASSERT_PTR_NOT_NULL(strstr(d->message, number));
}

static void a_majority_down_changes_fail_and_reading_goes_on(void)
{
    ring_of(8, 3);
    expect(2, sim_create(f, 2, "before"), ERR_OK);
    sim_crash(f, 1);
    sim_crash(f, 3);
    const struct topology *t = meta_topology(f->nodes[2].meta);
    for (size_t i = 0; i < t->count; i++)
        sim_tell(f, 2, t->nodes[i].node, false);
    usec begin = f->now.mono;
    const struct sim_done *d = sim_wait(f, 2, sim_create(f, 2, "t"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->err, ERR_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(d->message, "1 of 3"));
    CU_ASSERT_TRUE(d->at - begin <= 5 * USEC_PER_SEC);
    CU_ASSERT_TRUE(has_table(2, "before"));
    CU_ASSERT_EQUAL(meta_phase(f->nodes[2].meta), META_READY);
    sim_start(f, 1);
    sim_start(f, 3);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 5 * USEC_PER_SEC));
    for (size_t i = 0; i < t->count; i++)
        sim_tell(f, 2, t->nodes[i].node, true);
    expect(2, sim_create(f, 2, "after"), ERR_OK);
    CU_ASSERT_TRUE(sim_agree(f));
}

/* A node that was away serves only after it has what it missed. */
static void a_restarted_node_catches_up_first(void)
{
    ring_of(9, 3);
    node_no third = meta_self(f->nodes[3].meta);
    sim_crash(f, 3);
    sim_tell(f, 1, third, false);
    sim_tell(f, 2, third, false);
    expect(1, sim_create(f, 1, "t"), ERR_OK);
    sim_start(f, 3);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[3].meta), META_RECOVERING);
    CU_ASSERT_FALSE(has_table(3, "t"));
    while (meta_phase(f->nodes[3].meta) == META_RECOVERING)
        sim_run(f, 100);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[3].meta), META_READY);
    CU_ASSERT_TRUE(has_table(3, "t"));
}

/* Alone it does not wait longer than a second for those that do not answer. */
static void a_restarted_node_does_not_wait_for_ever(void)
{
    ring_of(10, 3);
    sim_crash(f, 3);
    sim_cut(f, 3, 1, true);
    sim_cut(f, 3, 2, true);
    sim_start(f, 3);
    sim_run(f, 900 * USEC_PER_MS);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[3].meta), META_RECOVERING);
    sim_run(f, 200 * USEC_PER_MS);
    CU_ASSERT_EQUAL(meta_phase(f->nodes[3].meta), META_READY);
}

static void everybody_restarts_at_once(void)
{
    ring_of(11, 5);
    expect(1, sim_create(f, 1, "t"), ERR_OK);
    uint64_t epoch = meta_epoch(f->nodes[1].meta);
    for (uint32_t i = 1; i <= 5; i++)
        sim_crash(f, i);
    for (uint32_t i = 1; i <= 5; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 2 * USEC_PER_SEC));
    CU_ASSERT_TRUE(meta_epoch(f->nodes[3].meta) >= epoch);
    CU_ASSERT_TRUE(has_table(3, "t"));
    expect(2, sim_create(f, 2, "u"), ERR_OK);
}

/* Further behind than the log reaches: the state comes as a whole; and the disk does not grow. */
static void far_behind_gets_a_snapshot(void)
{
    struct buf b;
    ring_of(12, 3);
    node_no third = meta_self(f->nodes[3].meta);
    sim_crash(f, 3);
    sim_tell(f, 1, third, false);
    sim_tell(f, 2, third, false);
    buf_init(&b, 1024);
    command_step(1, 1, &b);
    for (uint32_t i = 0; i < 700; i++)
        expect(1, sim_propose(f, 1, buf_bytes(&b)), ERR_OK);
    buf_close(&b);
    CU_ASSERT_TRUE(omap_count(&f->nodes[1].disk) < 420);
    uint32_t before = f->nodes[3].applied_events;
    sim_start(f, 3);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 3 * USEC_PER_SEC));
    CU_ASSERT_TRUE(f->nodes[3].applied_events - before < 50);
    CU_ASSERT_TRUE(meta_epoch(f->nodes[3].meta) > 700);
    CU_ASSERT_TRUE(sim_agree(f));
    sim_crash(f, 3);
    sim_crash(f, 1);
    sim_start(f, 1);
    sim_start(f, 3);
    CU_ASSERT_TRUE(sim_run_until(f, sim_all_ready, 3 * USEC_PER_SEC));
    CU_ASSERT_TRUE(meta_epoch(f->nodes[3].meta) > 700);
}

/* All addresses change places between two starts: the host ids say who is where. */
static void addresses_that_change_are_told(void)
{
    ring_of(13, 3);
    node_no second = meta_self(f->nodes[2].meta), third = meta_self(f->nodes[3].meta);
    sim_crash(f, 2);
    sim_crash(f, 3);
    struct uuid host = f->nodes[2].config.self.host_id;
    struct omap disk = f->nodes[2].disk;
    f->nodes[2].config.self.host_id = f->nodes[3].config.self.host_id;
    f->nodes[2].disk = f->nodes[3].disk;
    f->nodes[3].config.self.host_id = host;
    f->nodes[3].disk = disk;
    snprintf(f->nodes[2].config.self.rack, RING_NAME_SIZE, "r0");
    snprintf(f->nodes[3].config.self.rack, RING_NAME_SIZE, "r2");
    sim_start(f, 2);
    sim_start(f, 3);
    sim_run(f, 10 * USEC_PER_SEC);
    CU_ASSERT_TRUE(sim_all_ready(f));
    CU_ASSERT_EQUAL(meta_self(f->nodes[2].meta), third);
    const struct topology *t = meta_topology(f->nodes[1].meta);
    struct endpoint at2 = sim_endpoint(2), at3 = sim_endpoint(3);
    CU_ASSERT_TRUE(endpoint_equal(&topology_find(t, third)->info.endpoint, &at2));
    CU_ASSERT_TRUE(endpoint_equal(&topology_find(t, second)->info.endpoint, &at3));
    CU_ASSERT_TRUE(sim_agree(f));
}

static void what_makes_no_sense_is_refused(void)
{
    f = sim_new(14, 1);
    uint8_t junk[] = {9, 9, 9};
    sim_start(f, 1);
    expect(1, sim_create(f, 1, "t"), ERR_UNAVAILABLE); /* not yet in a cluster */
    sim_run(f, 100000);
    expect(1, sim_propose(f, 1, bytes_make(junk, sizeof junk)), ERR_UNSUPPORTED);
    expect(1, sim_propose(f, 1, BYTES_NONE), ERR_MALFORMED);
    struct buf b;
    buf_init(&b, 1024);
    command_leave_start(1, &b);
    expect(1, sim_propose(f, 1, buf_bytes(&b)), ERR_REFUSED);
    buf_close(&b);
}

static uint64_t hash_of_a_run(uint64_t seed)
{
    ring_of(seed, 3);
    f->lose = 100000;
    (void)sim_wait(f, 2, sim_create(f, 2, "t"));
    return f->hash;
}

static void the_same_seed_gives_the_same_run(void)
{
    uint64_t a = hash_of_a_run(21), b = hash_of_a_run(21), c = hash_of_a_run(22);
    CU_ASSERT_EQUAL(a, b);
    CU_ASSERT_NOT_EQUAL(a, c);
}

CU_TestInfo metalog_tests[] = {
    {"a change is everywhere before its answer", a_change_is_everywhere_before_its_answer},
    {"one name twice at once is one table", one_name_twice_at_once_is_one_table},
    {"many changes at once all happen", many_changes_at_once_all_happen},
    {"a lossy network loses no change", a_lossy_network_loses_no_change},
    {"a minority down, changes go on", a_minority_down_changes_go_on},
    {"a silent member is passed over", a_silent_member_is_passed_over},
    {"a laggard delays the answer and is named", a_laggard_delays_the_answer_and_is_named},
    {"a majority down, changes fail and reading goes on",
     a_majority_down_changes_fail_and_reading_goes_on},
    {"a restarted node catches up first", a_restarted_node_catches_up_first},
    {"a restarted node does not wait for ever", a_restarted_node_does_not_wait_for_ever},
    {"everybody restarts at once", everybody_restarts_at_once},
    {"far behind gets a snapshot", far_behind_gets_a_snapshot},
    {"addresses that change are told", addresses_that_change_are_told},
    {"what makes no sense is refused", what_makes_no_sense_is_refused},
    {"the same seed gives the same run", the_same_seed_gives_the_same_run},
    CU_TEST_INFO_NULL,
};
