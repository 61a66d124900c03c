/* Links and datagrams between nodes, without nodes' own messages in the way: what the network does
 * with bytes. */
#include "unit/node_sim/world.h"

#include <stdio.h>
#include <string.h>

#define BIG 100000

static uint8_t noise[BIG]; /* no message: the node counts it and drops it */

void links_setup(void);
void links_teardown(void);

void links_setup(void)
{
    world_setup();
    memset(noise, 0xff, sizeof noise);
}

void links_teardown(void)
{
    world_teardown();
}

static struct link *link12(void)
{
    return &machine_of(w, 1)->links[2];
}

static void send(size_t len)
{
    net_send(w, 1, 2, bytes_make(noise, len));
}

static void a_far_node_is_slow_to_answer(void)
{
    world_form(2);
    sim_set_link(w, 1, 2, MS(100), 0);
    usec start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_ALL, 1));
    CU_ASSERT(sim_now(w) - start >= MS(200));
    sim_set_link(w, 1, 2, 0, 0);
    sim_elapse(w, SECONDS(1));
    start = sim_now(w);
    CU_ASSERT(write_row(1, CQL_CL_ALL, 2));
    CU_ASSERT(sim_now(w) - start < MS(100));
    CU_ASSERT(sim_see_each_other(w, NULL));
}

/* Too far to be connected to. */
static void a_node_out_of_reach(void)
{
    world_form(3);
    sim_set_link(w, 1, 3, SECONDS(2), 0);
    sim_kill(w, 3);
    sim_elapse(w, SECONDS(1));
    CU_ASSERT(sim_start(w, 3));
    sim_elapse(w, SECONDS(20));
    CU_ASSERT(write_row(1, CQL_CL_QUORUM, 1));
    CU_ASSERT(write_row(2, CQL_CL_QUORUM, 2));
    sim_set_link(w, 1, 3, 0, 0);
    sim_elapse(w, SECONDS(5));
    CU_ASSERT(sim_see_each_other(w, NULL));
    CU_ASSERT(equal_within(SECONDS(10)));
}

/* 100 kB/s: ten messages of 100 kB are through after ten seconds, in order, not before. */
static void a_thin_wire_takes_its_time(void)
{
    world_form(2);
    send(1); /* the link is open */
    sim_elapse(w, SECONDS(1));
    sim_set_link(w, 1, 2, 0, 100000);
    for (int i = 0; i < 10; i++)
        send(BIG);
    CU_ASSERT_EQUAL(link12()->held_bytes, 10 * BIG);
    sim_elapse(w, MS(4900));
    CU_ASSERT(link12()->held_bytes >= 6 * BIG);
    sim_elapse(w, MS(6000));
    CU_ASSERT(link12()->held_bytes < BIG);
    CU_ASSERT_EQUAL(link12()->state, LINK_OPEN);
}

static void a_wire_that_widens_lets_all_pass(void)
{
    world_form(2);
    sim_set_link(w, 1, 2, 0, 1000);
    for (int i = 0; i < 10; i++)
        send(BIG);
    sim_elapse(w, MS(100));
    CU_ASSERT(link12()->held_bytes >= 9 * BIG);
    sim_set_link(w, 1, 2, 0, 0);
    CU_ASSERT_EQUAL(link12()->held_bytes, 0);
    sim_elapse(w, MS(100));
    CU_ASSERT_EQUAL(link12()->unheard, 0);
}

/* More than the bound waits: the link breaks, the sender hears of it, and connects again. */
static void a_link_with_too_much_waiting_breaks(void)
{
    struct sim_config config = {.seed = 3, .limits = {.link_out_max = 5 * BIG}};
    world_again(&config);
    world_form(2);
    sim_set_link(w, 1, 2, 0, 1000);
    for (int i = 0; i < 6; i++)
        send(BIG);
    CU_ASSERT_EQUAL(link12()->state, LINK_NONE);
    CU_ASSERT_EQUAL(link12()->held_bytes, 0);
    sim_set_link(w, 1, 2, 0, 0);
    sim_elapse(w, SECONDS(3));
    CU_ASSERT(sim_see_each_other(w, NULL));
    CU_ASSERT_EQUAL(link12()->state, LINK_OPEN);
}

/* The kernel of a process that stands still takes so much, and the rest waits at the sender. */
static void a_paused_peer_takes_only_so_much(void)
{
    world_form(2);
    sim_pause(w, 2);
    for (int i = 0; i < 100; i++)
        send(BIG);
    CU_ASSERT(link12()->unheard >= (size_t)4 << 20);
    CU_ASSERT(link12()->unheard < 5 << 20);
    CU_ASSERT(link12()->held_bytes + link12()->unheard >= 100 * BIG);
    sim_elapse(w, SECONDS(1));
    sim_resume(w, 2);
    sim_elapse(w, SECONDS(1));
    CU_ASSERT_EQUAL(link12()->held_bytes, 0);
    CU_ASSERT_EQUAL(link12()->unheard, 0);
    CU_ASSERT_EQUAL(link12()->state, LINK_OPEN);
}

/* What has not left when the power goes never arrives. */
static void what_waits_goes_with_its_machine(void)
{
    world_form(2);
    sim_set_link(w, 1, 2, 0, 100000);
    for (int i = 0; i < 10; i++)
        send(BIG);
    sim_elapse(w, MS(2500));
    sim_crash(w, 1);
    CU_ASSERT_EQUAL(link12()->held_bytes, 0);
    sim_elapse(w, SECONDS(1));
    CU_ASSERT(sim_start(w, 1));
    sim_set_link(w, 1, 2, 0, 0);
    CU_ASSERT(sim_until_ready(w, SECONDS(20)));
    CU_ASSERT(write_row(1, CQL_CL_ALL, 1));
}

static void a_flood_of_datagrams_is_dropped(void)
{
    world_form(2);
    sim_set_link(w, 1, 2, 0, 10000);
    size_t before = w->heap_count;
    for (int i = 0; i < 1000; i++)
        net_datagram(w, 1, 2, bytes_make(noise, 1000));
    size_t queued = w->heap_count - before;
    CU_ASSERT(queued >= 60);
    CU_ASSERT(queued <= 70);
    sim_elapse(w, SECONDS(20));
    CU_ASSERT(sim_see_each_other(w, NULL));
}

static bool all_answered(struct sim *s, void *arg)
{
    (void)arg;
    for (uint64_t q = 2; q <= s->numbers; q++) {
        const struct sim_reply *r = sim_reply_of(s, q);
        if (r != NULL && r->outcome == SIM_PENDING)
            return false;
    }
    return true;
}

/* Everybody wants to change the schema at once, far apart and with slow disks: members of the log
 * are not in each other's way, and each change is decided in its time. */
static void changes_from_everywhere(void)
{
    struct sim_config config = {
        .seed = 2, .latency_us = MS(20), .jitter_us = MS(20), .disk_us = MS(20)};
    world_again(&config);
    world_form(7);
    uint64_t first = w->numbers + 1;
    for (int i = 0; i < 8; i++) {
        char cql[64];
        snprintf(cql, sizeof cql, "CREATE TABLE ks.t%d (k int PRIMARY KEY)", i);
        (void)sim_ask(w, 1 + (unsigned)i % 7, CQL_CL_ONE, cql);
    }
    CU_ASSERT(sim_until(w, all_answered, NULL, SECONDS(30)));
    for (uint64_t q = first; q <= w->numbers; q++)
        CU_ASSERT_EQUAL(sim_reply_of(w, q)->outcome, SIM_OK);
}

/* Disks so slow that half a ballot takes longer than any patience that is the same everywhere: the
 * members learn how long it takes, and two that have changes of their own do not outdo each other.
 */
static void changes_on_slow_disks(void)
{
    struct sim_config config = {.seed = 3, .latency_us = MS(40), .jitter_us = MS(1)};
    world_again(&config);
    world_form(5);
    sim_set_disk(w, MS(250));
    for (unsigned i = 0; i < 8; i++) {
        char cql[64];
        uint64_t first = w->numbers + 1;
        for (unsigned j = 0; j < 2; j++) {
            snprintf(cql, sizeof cql, "CREATE TABLE ks.t%u_%u (k int PRIMARY KEY)", i, j);
            (void)sim_ask(w, 1 + (i + 2 * j) % 5, CQL_CL_ONE, cql);
        }
        CU_ASSERT(sim_until(w, all_answered, NULL, SECONDS(30)));
        for (uint64_t q = first; q <= w->numbers; q++)
            CU_ASSERT_EQUAL(sim_reply_of(w, q)->outcome, SIM_OK);
    }
}

CU_TestInfo links_tests[] = {

    {"a far node is slow to answer", a_far_node_is_slow_to_answer},
    {"a node out of reach", a_node_out_of_reach},
    {"a thin wire takes its time", a_thin_wire_takes_its_time},
    {"a wire that widens lets all pass", a_wire_that_widens_lets_all_pass},
    {"a link with too much waiting breaks", a_link_with_too_much_waiting_breaks},
    {"a paused peer takes only so much", a_paused_peer_takes_only_so_much},
    {"what waits goes with its machine", what_waits_goes_with_its_machine},
    {"changes from everywhere", changes_from_everywhere},
    {"changes on slow disks", changes_on_slow_disks},
    {"a flood of datagrams is dropped", a_flood_of_datagrams_is_dropped},
    CU_TEST_INFO_NULL,
};
