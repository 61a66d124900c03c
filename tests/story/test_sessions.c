/* Stories of sessions (docs/sessions.md): what a client is promised that carries its token from
 * one coordinator to another, at level ONE, while the ring is cut. Each is told without a token
 * first, where the promise is broken: so the story would see it. */
#include "story/fixture.h"

#include "storage/seen.h"

#include <stdio.h>
#include <string.h>

void sessions_setup(void);
void sessions_teardown(void);

static struct buf token_of_session;

void sessions_setup(void)
{
    static const struct sim_limits limits = {.write_timeout_us = SECONDS(8)};
    story_setup_with(&limits);
    buf_init(&token_of_session, SEEN_BYTES_MAX);
}

void sessions_teardown(void)
{
    buf_close(&token_of_session);
    story_teardown();
}

static void begin(void)
{
    story_begin(3);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok",
                   "CREATE TABLE ks.r (k int, c int, v int, s int static, PRIMARY KEY (k, c))"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE INDEX ON ks.r (v)"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.n (k int PRIMARY KEY, n counter)"));
}

static void session(bool with)
{
    buf_clear(&token_of_session);
    sim_set_session(sim, with ? &token_of_session : NULL);
}

static const struct sim_reply *ask(unsigned via, const char *cql)
{
    return sim_cql(sim, via, CQL_CL_ONE, "%s", cql);
}

/* Asked while node 3 is cut off; mended a moment later, long before the time is up. */
static bool says_once_mended(const char *expected, const char *cql)
{
    uint64_t asked = sim_ask(sim, 3, CQL_CL_ONE, cql);
    sim_elapse(sim, MILLISECONDS(100));
    bool waited = sim_reply_of(sim, asked)->outcome == SIM_PENDING;
    usec mended = sim_now(sim);
    sim_heal_all(sim);
    while (sim_reply_of(sim, asked)->outcome == SIM_PENDING && sim_now(sim) < mended + SECONDS(8))
        sim_elapse(sim, MILLISECONDS(1));
    const struct sim_reply *r = sim_reply_of(sim, asked);
    const char *said = sim_say(sim, r);
    bool good = waited && strcmp(said, expected) == 0;
    if (!good)
        printf("\n    %s\n    expected: %s\n    answered: %s%s\n", cql, expected,
               waited ? "" : "(at once) ", said);
    sim_forget(sim, asked);
    return good && see_each_other();
}

/* What is written, and how it looks from where it has not come to yet: then, and once it is
 * known. Read after the write, by whoever wrote it. */
static const struct {
    const char *write, *read, *before, *after;
} deeds[] = {
    {"INSERT INTO ks.t (k, v) VALUES (1, 'new')", "SELECT v FROM ks.t WHERE k = 1", "no rows",
     "new"},
    {"UPDATE ks.t SET v = 'newer' WHERE k = 1", "SELECT v FROM ks.t WHERE k = 1", "new", "newer"},
    {"DELETE v FROM ks.t WHERE k = 1", "SELECT v FROM ks.t WHERE k = 1", "newer", "null"},
    {"DELETE FROM ks.t WHERE k = 1", "SELECT v FROM ks.t WHERE k = 1", "null", "no rows"},
    {"BEGIN BATCH INSERT INTO ks.r (k, c, v) VALUES (1, 1, 7); INSERT INTO ks.r (k, c, v) VALUES "
     "(2, 1, 7); INSERT INTO ks.r (k, c, v) VALUES (3, 1, 7); APPLY BATCH",
     "SELECT count(*) FROM ks.r", "0", "3"},
    {"INSERT INTO ks.r (k, c, v) VALUES (1, 2, 9)", "SELECT c FROM ks.r WHERE v = 9", "no rows",
     "2"},
    {"UPDATE ks.r SET v = 8 WHERE k = 1 AND c = 2", "SELECT c FROM ks.r WHERE v = 9", "2",
     "no rows"},
    {"DELETE FROM ks.r WHERE k = 1 AND c > 1", "SELECT c FROM ks.r WHERE k = 1", "1; 2", "1"},
    {"DELETE FROM ks.r WHERE k = 1", "SELECT c FROM ks.r WHERE k IN (1, 2)", "1; 1", "1"},
    {"UPDATE ks.r SET s = 4 WHERE k = 5", "SELECT s FROM ks.r WHERE k = 5", "no rows", "4"},
    {"UPDATE ks.n SET n = n + 5 WHERE k = 1", "SELECT n FROM ks.n WHERE k = 1", "no rows",
     "0000000000000005"},
    {"INSERT INTO ks.t (k, v) VALUES (9, 'if') IF NOT EXISTS", "SELECT v FROM ks.t WHERE k = 9",
     "no rows", "if"},
};

/* Through node 1, and read through node 3, which is cut off; the writes are acked by others. */
static void who_wrote_reads_it(void)
{
    begin();
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        CU_ASSERT_FATAL(become_equal(SECONDS(10)));
        cut_off(3);
        session(true);
        CU_ASSERT_EQUAL(ask(1, deeds[i].write)->outcome, SIM_OK);
        sim_set_session(sim, NULL);
        CU_ASSERT(says(3, CQL_CL_ONE, deeds[i].before, deeds[i].read));
        sim_set_session(sim, &token_of_session);
        CU_ASSERT(says_once_mended(deeds[i].after, deeds[i].read));
        sim_set_session(sim, NULL);
    }
}

/* The same, written by somebody else: who has seen it goes on seeing it. */
static void who_has_read_it_reads_it(void)
{
    begin();
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        CU_ASSERT_FATAL(become_equal(SECONDS(10)));
        cut_off(3);
        CU_ASSERT_EQUAL(ask(1, deeds[i].write)->outcome, SIM_OK);
        sim_elapse(sim, MILLISECONDS(20));
        session(true);
        CU_ASSERT(says(1, CQL_CL_ONE, deeds[i].after, deeds[i].read));
        sim_set_session(sim, NULL);
        CU_ASSERT(says(3, CQL_CL_ONE, deeds[i].before, deeds[i].read));
        sim_set_session(sim, &token_of_session);
        CU_ASSERT(says_once_mended(deeds[i].after, deeds[i].read));
        sim_set_session(sim, NULL);
    }
}

/* Node 3 hears from 2, not from 1. Does it ever show the second row of the partition without the
 * first one? */
static bool shows_only_second(int k)
{
    char cql[96];
    bool only = false, both = false;
    struct buf *of = NULL;
    sim_set_session(sim, of);
    snprintf(cql, sizeof cql, "SELECT c FROM ks.r WHERE k = %d", k);
    for (int i = 0; i < 400 && !both; i++) {
        const char *said = sim_say(sim, ask(3, cql));
        only |= strcmp(said, "2") == 0;
        both = strcmp(said, "1; 2") == 0;
        sim_elapse(sim, MILLISECONDS(5));
    }
    CU_ASSERT(both);
    return only;
}

static void write_row(unsigned via, int k, int c)
{
    char cql[96];
    snprintf(cql, sizeof cql, "INSERT INTO ks.r (k, c, v) VALUES (%d, %d, 1)", k, c);
    CU_ASSERT(says(via, CQL_CL_ONE, "ok", cql));
}

static void writes_of_a_session_are_seen_in_order(void)
{
    bool broken = false;
    begin();
    sim_cut(sim, 1, 3);
    sim_elapse(sim, SECONDS(3));
    for (int k = 1; k <= 12; k++) {
        session(k > 6);
        write_row(1, k, 1);
        write_row(2, k, 2);
        bool only = shows_only_second(k);
        broken |= only && k <= 6;
        CU_ASSERT(!only || k <= 6);
    }
    CU_ASSERT_TRUE(broken);
}

static void a_write_comes_after_what_its_writer_has_read(void)
{
    bool broken = false;
    char cql[96];
    begin();
    sim_cut(sim, 1, 3);
    sim_elapse(sim, SECONDS(3));
    for (int k = 1; k <= 12; k++) {
        session(false);
        write_row(1, k, 1); /* somebody else's */
        session(k > 6);
        snprintf(cql, sizeof cql, "SELECT c FROM ks.r WHERE k = %d", k);
        CU_ASSERT(says(1, CQL_CL_ONE, "1", cql));
        write_row(2, k, 2);
        bool only = shows_only_second(k);
        broken |= only && k <= 6;
        CU_ASSERT(!only || k <= 6);
    }
    CU_ASSERT_TRUE(broken);
}

/* The clock of node 1 is ahead. Who writes there, and then elsewhere, means the second. */
static void the_second_write_wins(void)
{
    begin();
    sim_set_clock(sim, 1, MILLISECONDS(300));
    for (int with = 0; with <= 1; with++) {
        cut_all();
        session(with);
        CU_ASSERT(says(1, CQL_CL_ONE, "ok", "INSERT INTO ks.t (k, v) VALUES (4, 'first')"));
        uint64_t second = sim_ask(sim, 2, CQL_CL_ONE, "UPDATE ks.t SET v = 'second' WHERE k = 4");
        sim_elapse(sim, MILLISECONDS(50));
        CU_ASSERT_EQUAL(sim_reply_of(sim, second)->outcome, with ? SIM_PENDING : SIM_OK);
        CU_ASSERT_FATAL(heal());
        sim_elapse(sim, MILLISECONDS(300));
        CU_ASSERT_EQUAL(sim_reply_of(sim, second)->outcome, SIM_OK);
        sim_forget(sim, second);
        session(false);
        CU_ASSERT(become_equal(SECONDS(10)));
        CU_ASSERT(all_say(CQL_CL_ONE, with ? "second" : "first", "SELECT v FROM ks.t WHERE k = 4"));
        CU_ASSERT(says(1, CQL_CL_ALL, "ok", "DELETE FROM ks.t WHERE k = 4"));
        sim_elapse(sim, SECONDS(1));
    }
}

/* One cut link is no reason to wait: what the replica lacks it gets from the third one. */
static void what_is_missing_is_fetched(void)
{
    begin();
    sim_cut(sim, 1, 3);
    sim_elapse(sim, SECONDS(3));
    for (int k = 1; k <= 20; k++) {
        char cql[96];
        session(true);
        write_row(1, k, 1);
        snprintf(cql, sizeof cql, "SELECT c FROM ks.r WHERE k = %d", k);
        usec asked = sim_now(sim);
        CU_ASSERT(says(3, CQL_CL_ONE, "1", cql));
        CU_ASSERT(sim_now(sim) < asked + MILLISECONDS(200));
    }
}

static void put_token(const struct seen *seen)
{
    buf_clear(&token_of_session);
    seen_encode(seen, &token_of_session);
    sim_set_session(sim, &token_of_session);
}

static struct seen token_now(struct arena *arena)
{
    struct seen seen = {0};
    CU_ASSERT_EQUAL(seen_decode(arena_copy(arena, buf_bytes(&token_of_session)), arena, &seen),
                    ERR_OK);
    return seen;
}

/* A token that says what nobody has ever seen: whoever sends it is answered, for no replica has it
 * and so it cannot come; and no clock goes where it says. */
static void forged_tokens(void)
{
    struct arena arena = {0};
    begin();
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 1));
    for (int i = 0; i < 4; i++) {
        struct seen forged = {.time_us = i == 3 ? INT64_MAX : 0};
        usec asked = sim_now(sim);
        for (uint32_t range = 0; range < 16 && i < 3; range++)
            for (uint32_t keyspace = 1; keyspace < 12; keyspace++)
                seen_note(&forged, &arena,
                          (struct seen_entry){keyspace,
                                              range,
                                              {i == 0   ? 1
                                               : i == 1 ? UINT32_MAX
                                                        : 2,
                                               i == 2 ? 77 : 1},
                                              i == 0 ? 1000000 : DOT_N_MAX,
                                              true});
        put_token(&forged);
        for (unsigned via = 1; via <= 3; via++) {
            CU_ASSERT(says(via, CQL_CL_ONE, "v1", "SELECT v FROM ks.t WHERE k = 1"));
            CU_ASSERT(says(via, CQL_CL_ONE, "ok", "INSERT INTO ks.t (k, v) VALUES (2, 'x')"));
        }
        CU_ASSERT(sim_now(sim) < asked + SECONDS(4));
        for (unsigned via = 1; via <= 3; via++) {
            struct seen told;
            put_token(&(struct seen){0});
            CU_ASSERT(says(via, CQL_CL_ONE, "x", "SELECT v FROM ks.t WHERE k = 2"));
            told = token_now(&arena);
            CU_ASSERT(told.time_us - sim_clock(sim, via).wall < SECONDS(1));
        }
    }
    buf_clear(&token_of_session);
    buf_put_text(&token_of_session, "no token");
    CU_ASSERT(says(1, CQL_CL_ONE, "error: INVALID", "SELECT v FROM ks.t WHERE k = 1"));
    arena_close(&arena);
}

/* What only node 3 had acked is gone with its disk. As long as it is only dead it may come back
 * with that, so the session waits; when it is replaced nobody waits for it any more. What a quorum
 * had acked is there. */
static void a_token_outlives_a_node(void)
{
    begin();
    session(true);
    CU_ASSERT(says(3, CQL_CL_QUORUM, "ok", "INSERT INTO ks.t (k, v) VALUES (1, 'quorum')"));
    CU_ASSERT(become_equal(SECONDS(5)));
    cut_off(3);
    CU_ASSERT(says(3, CQL_CL_ONE, "ok", "INSERT INTO ks.t (k, v) VALUES (1, 'one')"));
    sim_crash(sim, 3);
    sim_heal_all(sim);
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT(says(1, CQL_CL_ONE, "error: READ_TIMEOUT", "SELECT v FROM ks.t WHERE k = 1"));
    sim_lose_disk(sim, 3);
    CU_ASSERT_FATAL(sim_start_replacing(sim, 3));
    CU_ASSERT_FATAL(sim_until_ready(sim, SECONDS(60)));
    CU_ASSERT_FATAL(see_each_other());
    sim_elapse(sim, SECONDS(2)); /* the ring has changed, for everybody */
    for (unsigned via = 1; via <= 3; via++) {
        usec asked = sim_now(sim);
        CU_ASSERT(says(via, CQL_CL_ONE, "quorum", "SELECT v FROM ks.t WHERE k = 1"));
        CU_ASSERT(sim_now(sim) < asked + SECONDS(1));
    }
    uint64_t fetches = counted("torc_session_fetches_total");
    for (unsigned via = 1; via <= 3; via++) /* it is known now */
        CU_ASSERT(says(via, CQL_CL_ONE, "quorum", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT_EQUAL(counted("torc_session_fetches_total"), fetches);
}

/* What fell out of a token is found by asking more replicas, or not at all. */
static void a_token_that_was_too_long(void)
{
    begin();
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 1));
    sim_kill(sim, 3);
    sim_elapse(sim, SECONDS(10));
    put_token(&(struct seen){.floor = SEEN_QUORUM});
    CU_ASSERT(says(1, CQL_CL_ONE, "v1", "SELECT v FROM ks.t WHERE k = 1"));
    put_token(&(struct seen){.floor = SEEN_ALL});
    CU_ASSERT(says(1, CQL_CL_ONE, "error: UNAVAILABLE", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "INSERT INTO ks.t (k, v) VALUES (1, 'w')"));
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(says(3, CQL_CL_ONE, "w", "SELECT v FROM ks.t WHERE k = 1"));
}

CU_TestInfo sessions_tests[] = {
    {"who wrote it reads it", who_wrote_reads_it},
    {"who has read it goes on reading it", who_has_read_it_reads_it},
    {"writes of a session are seen in order", writes_of_a_session_are_seen_in_order},
    {"a write comes after what its writer has read", a_write_comes_after_what_its_writer_has_read},
    {"the second write wins, whatever the clocks say", the_second_write_wins},
    {"what is missing is fetched", what_is_missing_is_fetched},
    {"forged tokens", forged_tokens},
    {"a token outlives a node", a_token_outlives_a_node},
    {"a token that was too long", a_token_that_was_too_long},
    CU_TEST_INFO_NULL,
};
