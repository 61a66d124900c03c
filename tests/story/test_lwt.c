/* Stories of statements with IF: who dies half-way, who comes at the same time, who is cut off. */
#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

void lwt_setup(void);
void lwt_teardown(void);

void lwt_setup(void)
{
    story_setup();
}

void lwt_teardown(void)
{
    story_teardown();
}

static void run(const char *cql)
{
    CU_ASSERT_EQUAL(sim_cql(sim, 1, CQL_CL_QUORUM, "%s", cql)->outcome, SIM_OK);
}

static void read_serial(unsigned via, int key, char said[64])
{
    const struct sim_reply *r =
        sim_cql(sim, via, CQL_CL_SERIAL, "SELECT v FROM ks.t WHERE k = %d", key);
    CU_ASSERT_EQUAL(r->outcome, SIM_OK);
    (void)snprintf(said, 64, "%s", sim_say(sim, r));
}

/* Its coordinator dies at any moment of it, by a power cut too: the first serial read decides
 * whether it was, and nothing that comes later says otherwise. */
static void what_was_read_stays(void)
{
    unsigned found = 0;
    story_begin(3);
    for (int i = 0; i < 24; i++) {
        char first[64], later[64], cql[128];
        (void)snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v%d') IF NOT EXISTS",
                       i, i);
        sim_ask(sim, 1, CQL_CL_QUORUM, cql);
        sim_elapse(sim, MILLISECONDS(1) * i / 2);
        if (i % 2 == 0)
            sim_kill(sim, 1);
        else
            sim_crash(sim, 1);
        sim_elapse(sim, SECONDS(1));
        read_serial(2, i, first);
        found += strcmp(first, "no rows") != 0;
        sim_start(sim, 1);
        CU_ASSERT(see_each_other());
        for (unsigned via = 1; via <= 3; via++) {
            read_serial(via, i, later);
            CU_ASSERT_STRING_EQUAL(later, first);
        }
        CU_ASSERT(become_equal(SECONDS(10)));
    }
    CU_ASSERT(found > 0 && found < 24); /* some were in time, some were not */
}

/* Nine insert the same row at once, at all nodes: one of them is the first. */
static void one_of_many_is_the_first(void)
{
    story_begin(3);
    for (int round = 0; round < 5; round++) {
        uint64_t asked[9];
        int applied = 0;
        for (unsigned i = 0; i < 9; i++) {
            char cql[128];
            (void)snprintf(cql, sizeof cql,
                           "INSERT INTO ks.t (k, v) VALUES (%d, 'v%u') IF NOT EXISTS", round, i);
            asked[i] = sim_ask(sim, 1 + i % 3, CQL_CL_QUORUM, cql);
        }
        sim_elapse(sim, SECONDS(3));
        for (unsigned i = 0; i < 9; i++) {
            const struct sim_reply *r = sim_reply_of(sim, asked[i]);
            CU_ASSERT_NOT_EQUAL(r->outcome, SIM_PENDING); /* within the write timeout */
            applied += r->outcome == SIM_OK && strcmp(sim_say(sim, r), "01") == 0;
            sim_forget(sim, asked[i]);
        }
        CU_ASSERT(applied <= 1);
        char said[64];
        read_serial(1, round, said);
        CU_ASSERT_STRING_NOT_EQUAL(said, "no rows");
    }
}

/* The minority refuses at once; the majority goes on; healed, both know. */
static void without_a_majority(void)
{
    story_begin(3);
    run("INSERT INTO ks.t (k, v) VALUES (1, 'a') IF NOT EXISTS");
    cut_off(3);
    CU_ASSERT(says(3, CQL_CL_QUORUM, "error: UNAVAILABLE",
                   "UPDATE ks.t SET v = 'b' WHERE k = 1 IF v = 'a'"));
    CU_ASSERT(says(3, CQL_CL_SERIAL, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "01", "UPDATE ks.t SET v = 'c' WHERE k = 1 IF v = 'a'"));
    CU_ASSERT(heal());
    CU_ASSERT(says(3, CQL_CL_QUORUM, "00 c", "UPDATE ks.t SET v = 'd' WHERE k = 1 IF v = 'a'"));
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(all_say(CQL_CL_ONE, "c", "SELECT v FROM ks.t WHERE k = 1"));
}

/* A replica that joins knows what was decided before it came. */
static void who_joins_takes_part(void)
{
    story_begin(3);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(sim_cql(sim, 1, CQL_CL_QUORUM,
                                "INSERT INTO ks.t (k, v) VALUES (%d, 'a') IF NOT EXISTS", i)
                            ->outcome,
                        SIM_OK);
    sim_start(sim, sim_add(sim));
    CU_ASSERT(see_each_other());
    sim_elapse(sim, SECONDS(20));
    sim_kill(sim, 1); /* so that the new one is needed */
    sim_elapse(sim, SECONDS(2));
    for (int i = 0; i < 20; i++) {
        const struct sim_reply *r =
            sim_cql(sim, 4, CQL_CL_QUORUM, "UPDATE ks.t SET v = 'b' WHERE k = %d IF v = 'a'", i);
        CU_ASSERT_STRING_EQUAL(sim_say(sim, r), "01");
    }
}

/* A chain of conditions, each on what the one before has made, while the keyspace gets fewer
 * replicas and more: none is broken, whoever decides. */
static void the_replication_changes_under_a_chain(void)
{
    static const char factor_at[120] = {[20] = 1, [50] = 3, [60] = 1, [70] = 2, [90] = 3};
    char cql[160];
    story_begin(3);
    CU_ASSERT(
        says(1, CQL_CL_QUORUM, "01", "INSERT INTO ks.t (k, v) VALUES (1, '0') IF NOT EXISTS"));
    sim_set_latency(sim, MILLISECONDS(5), MILLISECONDS(5));
    for (int i = 0; i < (int)sizeof factor_at; i++) {
        (void)snprintf(cql, sizeof cql,
                       "ALTER KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': %d}",
                       factor_at[i]);
        if (factor_at[i] != 0)
            CU_ASSERT(says(1, CQL_CL_ONE, "ok", cql));
        (void)snprintf(cql, sizeof cql, "UPDATE ks.t SET v = '%d' WHERE k = 1 IF v = '%d'", i + 1,
                       i);
        CU_ASSERT(says(1 + (unsigned)i % 3, CQL_CL_QUORUM, "01", cql));
    }
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT(all_say(CQL_CL_ONE, "120", "SELECT v FROM ks.t WHERE k = 1"));
}

static int64_t written_at(int key)
{
    const struct sim_reply *r =
        sim_cql(sim, 1, CQL_CL_QUORUM, "SELECT writetime(v) FROM ks.c WHERE k = %d AND c = 0", key);
    CU_ASSERT_FATAL(r->outcome == SIM_OK && r->rows == 1 && r->cells[0].bytes.len == 8);
    return (int64_t)load_u64(r->cells[0].bytes.data);
}

/* A batch with a condition deletes a range that it does not read, with a row that a client has
 * stamped ahead of the clock, as far as a server may, and further. What it writes or deletes row by
 * row it reads, and is above that. */
static void what_it_does_not_read_is_overruled_too(void)
{
    static const char *const changes[][2] = {
        {"DELETE FROM ks.c WHERE k =", "AND c > 1"},
        {"UPDATE ks.c SET v = 'b' WHERE k =", "AND c IN (5, 6)"},
        {"DELETE FROM ks.c WHERE k =", "AND c IN (5, 6)"},
    };
    char cql[256];
    story_begin(3);
    run("CREATE TABLE ks.c (k int, c int, v text, PRIMARY KEY (k, c))");
    for (int k = 0; k < 2 * (int)ARRAY_LEN(changes); k++) {
        bool far = k % 2 == 1, stays = far && k / 2 == 0;
        snprintf(cql, sizeof cql, "INSERT INTO ks.c (k, c, v) VALUES (%d, 0, 'a')", k);
        run(cql);
        snprintf(cql, sizeof cql,
                 "INSERT INTO ks.c (k, c, v) VALUES (%d, 5, 'fast') USING TIMESTAMP %lld", k,
                 (long long)(written_at(k) + (far ? SECONDS(30) : MILLISECONDS(400))));
        run(cql);
        snprintf(cql, sizeof cql,
                 "BEGIN BATCH UPDATE ks.c SET v = 'b' WHERE k = %d AND c = 0 IF EXISTS; "
                 "%s %d %s; APPLY BATCH",
                 k, changes[k / 2][0], k, changes[k / 2][1]);
        const struct sim_reply *r = sim_cql(sim, 3, CQL_CL_QUORUM, "%s", cql);
        CU_ASSERT_EQUAL(r->outcome, SIM_OK);
        CU_ASSERT_EQUAL(r->warnings_count, stays);
        r = sim_cql(sim, 1, CQL_CL_QUORUM, "SELECT v FROM ks.c WHERE k = %d AND c = 5", k);
        CU_ASSERT_STRING_EQUAL(sim_say(sim, r), stays ? "fast" : k / 2 == 1 ? "b" : "no rows");
    }
}

CU_TestInfo lwt_tests[] = {
    {"what it does not read is overruled, too", what_it_does_not_read_is_overruled_too},
    {"what was read at SERIAL stays, whenever a coordinator dies", what_was_read_stays},
    {"one of many is the first", one_of_many_is_the_first},
    {"without a majority", without_a_majority},
    {"who joins takes part", who_joins_takes_part},
    {"the replication changes under a chain", the_replication_changes_under_a_chain},
    CU_TEST_INFO_NULL,
};
