/* Stories of too much to do; numbers as in docs/bug-stories.md. */
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

void overload_setup(void);
void overload_teardown(void);

void overload_setup(void)
{
    story_setup();
}

void overload_teardown(void)
{
    story_teardown();
}

#define MIB ((size_t)1 << 20)

/* Clients ask for much more than a node may hold while the disks are slow: it holds no more than
 * its bound, refuses the rest in so many words, and what it acked is there. */
static void bytes_in_flight_are_bounded(void)
{
    enum { ASKED = 200, SIZE = 50000 };
    static char cql[SIZE + 100];
    uint64_t asked[ASKED];
    unsigned acked = 0, refused = 0;
    story_teardown();
    story_setup_with(&(struct sim_limits){.in_flight_max = MIB});
    story_begin(3);
    sim_set_disk(sim, SECONDS(1));
    for (int i = 0; i < ASKED; i++) {
        int len = snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v", i);
        memset(cql + len, 'x', SIZE);
        memcpy(cql + len + SIZE, "')", 3);
        asked[i] = sim_ask(sim, 1, CQL_CL_QUORUM, cql);
        sim_elapse(sim, MILLISECONDS(1));
        for (unsigned n = 1; n <= 3; n++)
            CU_ASSERT(counted_by(n, "torc_in_flight_bytes") <= MIB + 4 * (size_t)SIZE);
    }
    sim_set_disk(sim, 300);
    sim_elapse(sim, SECONDS(30)); /* also what the disks have begun is done */
    for (int i = 0; i < ASKED; i++) {
        const struct sim_reply *r = sim_reply_of(sim, asked[i]);
        CU_ASSERT(r->outcome == SIM_OK || r->outcome == SIM_ERROR);
        acked += r->outcome == SIM_OK;
        refused += r->code == CQL_ERROR_OVERLOADED;
        snprintf(cql, sizeof cql, "SELECT k FROM ks.t WHERE k = %d", i);
        if (r->outcome == SIM_OK)
            CU_ASSERT_EQUAL(sim_cql(sim, 2, CQL_CL_QUORUM, "%s", cql)->rows, 1);
    }
    CU_ASSERT(acked > 0);
    CU_ASSERT(refused > ASKED / 2);
    CU_ASSERT_EQUAL(counted("torc_in_flight_bytes"), 0);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 5));
}

/* The power is back in the whole house: every node has all metadata on its own disk, nobody is
 * asked by all the others at once, and clients are served within seconds. */
static void everybody_starts_at_once(void)
{
    enum { NODES = 9 };
    char cql[96];
    story_begin(NODES);
    for (int i = 0; i < 30; i++) {
        snprintf(cql, sizeof cql, "CREATE TABLE ks.t%d (k int PRIMARY KEY)", i);
        CU_ASSERT(says(1 + (unsigned)i % NODES, CQL_CL_ONE, "ok", cql));
    }
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    uint64_t before = sim_events(sim);
    sim_elapse(sim, SECONDS(5));
    uint64_t calm = sim_events(sim) - before;
    for (unsigned i = 1; i <= NODES; i++)
        sim_crash(sim, i);
    before = sim_events(sim);
    for (unsigned i = 1; i <= NODES; i++)
        sim_start(sim, i);
    CU_ASSERT(sim_until_ready(sim, SECONDS(2)));
    sim_elapse(sim, SECONDS(2)); /* links that were refused at first are tried again */
    for (unsigned via = 1; via <= NODES; via++)
        CU_ASSERT(read_rows(via, CQL_CL_QUORUM, 1, 20));
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT(sim_events(sim) - before < 4 * calm + 10 * 20 * NODES);
}

/* So many clients, each with one request at a time. */
struct crowd {
    uint64_t asked[256];
    unsigned count;
    int next_row;
    unsigned answered;
    usec longest;
};

static void crowd_ask(struct crowd *c, unsigned i)
{
    char cql[96];
    snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v%d')", c->next_row,
             c->next_row);
    c->asked[i] = sim_ask(sim, 1 + i % 2, CQL_CL_QUORUM, cql);
    c->next_row++;
}

static void crowd_works(struct crowd *c, unsigned count, usec for_us)
{
    usec end = sim_now(sim) + for_us;
    c->answered = 0;
    c->longest = 0;
    for (c->count = 0; c->count < count; c->count++)
        crowd_ask(c, c->count);
    while (sim_now(sim) < end) {
        sim_elapse(sim, MILLISECONDS(5));
        for (unsigned i = 0; i < count; i++) {
            const struct sim_reply *r = sim_reply_of(sim, c->asked[i]);
            if (r->outcome == SIM_PENDING)
                continue;
            if (r->answered - r->asked > c->longest)
                c->longest = r->answered - r->asked;
            c->answered += r->outcome == SIM_OK;
            sim_forget(sim, c->asked[i]);
            crowd_ask(c, i);
        }
    }
    sim_elapse(sim, SECONDS(20));
    for (unsigned i = 0; i < count; i++)
        sim_forget(sim, c->asked[i]);
}

/* A replica that was away catches up while the others go on writing as fast as they can. */
static void a_replica_catches_up_under_load(void)
{
    static struct crowd crowd;
    crowd = (struct crowd){.next_row = 1};
    story_begin(3);
    sim_set_latency(sim, MILLISECONDS(3), MILLISECONDS(3));
    cut_off(3);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 10001, 10100));
    sim_heal_all(sim);
    usec end = sim_now(sim) + SECONDS(4);
    for (unsigned i = 0; i < 16; i++)
        crowd_ask(&crowd, i);
    while (sim_now(sim) < end) {
        sim_elapse(sim, MILLISECONDS(1));
        for (unsigned i = 0; i < 16; i++) {
            if (sim_reply_of(sim, crowd.asked[i])->outcome == SIM_PENDING)
                continue;
            sim_forget(sim, crowd.asked[i]);
            crowd_ask(&crowd, i);
        }
    }
    sim_isolate(sim, 3); /* before the load ends */
    CU_ASSERT(read_rows(3, CQL_CL_ONE, 10001, 10100));
    CU_ASSERT(crowd.next_row > 1000);
    for (int i = 1; i < crowd.next_row - 200; i += 50)
        CU_ASSERT(read_rows(3, CQL_CL_ONE, i, i));
}

/* Much more is asked for than the links between the nodes can carry. When that ends everything is
 * as fast as before, at once. */
static void overload_leaves_nothing_behind(void)
{
    static struct crowd crowd;
    crowd = (struct crowd){.next_row = 1};
    story_begin(3);
    for (unsigned i = 1; i <= 3; i++)
        sim_set_link(sim, i, i % 3 + 1, 0, 20000);
    crowd_works(&crowd, 2, SECONDS(10));
    usec before = crowd.longest;
    unsigned done = crowd.answered;
    CU_ASSERT(done > 100);
    crowd_works(&crowd, 200, SECONDS(20));
    CU_ASSERT(crowd.longest > 4 * before);
    crowd_works(&crowd, 2, SECONDS(10));
    CU_ASSERT(crowd.longest < 2 * before);
    CU_ASSERT(crowd.answered > done - done / 5);
    for (unsigned i = 1; i <= 3; i++)
        sim_set_link(sim, i, i % 3 + 1, 0, 0);
    CU_ASSERT(see_each_other());
    CU_ASSERT(become_equal(SECONDS(30)));
}

CU_TestInfo overload_tests[] = {
    {"bytes in flight are bounded (50)", bytes_in_flight_are_bounded},
    {"everybody starts at once, and nobody is stormed (51)", everybody_starts_at_once},
    {"a replica catches up under load (52)", a_replica_catches_up_under_load},
    {"overload leaves nothing behind (52)", overload_leaves_nothing_behind},
    CU_TEST_INFO_NULL,
};
