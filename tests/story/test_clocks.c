/* Stories of clocks that are wrong; numbers as in docs/bug-stories.md. */
#include "story/fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void clocks_setup(void);
void clocks_teardown(void);

void clocks_setup(void)
{
    story_setup();
}

void clocks_teardown(void)
{
    story_teardown();
}

#define MINUTES(n) ((usec)(n)*60 * USEC_PER_SEC)
#define DAYS(n)    ((usec)(n)*86400 * USEC_PER_SEC)
#define YEARS(n)   (DAYS(n) * 365)

/* Four nodes, one of them no replica; their clocks differ as much as they may. */
static void clocks_apart(usec by)
{
    story_begin(4);
    for (unsigned i = 1; i <= 4; i++)
        sim_set_clock(sim, i, by / 3 * (usec)i - by / 3 * 4);
}

/* Who has read a row and then writes it overwrites what was read, wherever that is done: also
 * through the node whose clock is the slowest. */
static void an_update_after_a_read_wins(void)
{
    char cql[96], value[16];
    int count = 0;
    clocks_apart(MILLISECONDS(480));
    for (unsigned a = 1; a <= 4; a++) {
        for (unsigned b = 1; b <= 4; b++) {
            for (int level = 0; level < 2; level++) {
                enum cql_consistency l = level == 0 ? CQL_CL_QUORUM : CQL_CL_ALL;
                snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'v%d' WHERE k = 1", ++count);
                CU_ASSERT(says(a, l, "ok", cql));
                snprintf(value, sizeof value, "v%d", count);
                CU_ASSERT(says(b, CQL_CL_QUORUM, value, "SELECT v FROM ks.t WHERE k = 1"));
                CU_ASSERT(says(b, l, "ok", "DELETE FROM ks.t WHERE k = 1"));
                CU_ASSERT(says(a, CQL_CL_QUORUM, "no rows", "SELECT v FROM ks.t WHERE k = 1"));
            }
        }
    }
}

/* With the error after which drivers ask the next node, and a text that says which clock, by how
 * much, and what is allowed. */
static bool refused(unsigned via, const char *by, const char *cql)
{
    char at[24];
    const struct sim_reply *r = sim_cql(sim, via, CQL_CL_QUORUM, "%s", cql);
    snprintf(at, sizeof at, "(10.0.0.%u) is ", via);
    bool good = r->outcome == SIM_ERROR && r->code == CQL_ERROR_BOOTSTRAPPING &&
                strncmp(r->message, "The clock of node ", 18) == 0 &&
                strstr(r->message, at) != NULL && strstr(r->message, by) != NULL &&
                strstr(r->message, "of 2 of the 2 nodes that it hears") != NULL &&
                strstr(r->message, "max_clock_offset is 500 ms") != NULL;
    if (!good)
        printf("\n    %s: %s %s\n", cql, sim_say(sim, r), r->message);
    return good;
}

/* Beyond the bound an update through the node with the wrong clock is refused, not acked and lost,
 * whether its clock is slow or fast; a timestamp of the client's own is as good as any. With the
 * clock put right the node stamps again, by the right time. */
static void a_wrong_clock_gives_no_timestamps(void)
{
    static const char *const by[] = {" 10.0 s behind ", " 10.0 s ahead of ", " 3600.0 s behind ",
                                     " 3600.0 s ahead of "};
    char cql[96], value[16];
    int count = 0;
    story_begin(3);
    for (int way = 0; way < 4; way++) {
        sim_set_clock(sim, 2, SECONDS(way % 2 == 0 ? -10 : 10) * (way < 2 ? 1 : 360));
        sim_elapse(sim, SECONDS(15));
        CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'seen' WHERE k = 1"));
        CU_ASSERT(says(2, CQL_CL_QUORUM, "seen", "SELECT v FROM ks.t WHERE k = 1"));
        CU_ASSERT(refused(2, by[way], "DELETE FROM ks.t WHERE k = 1"));
        CU_ASSERT(says(2, CQL_CL_QUORUM, "ok",
                       "INSERT INTO ks.t (k, v) VALUES (2, 'v') USING TIMESTAMP 5"));
        CU_ASSERT(says(3, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'later' WHERE k = 1"));
        CU_ASSERT(all_say(CQL_CL_QUORUM, "later", "SELECT v FROM ks.t WHERE k = 1"));
        sim_set_clock(sim, 2, 0);
        sim_elapse(sim, SECONDS(15));
        for (unsigned via = 1; via <= 6; via++) {
            snprintf(value, sizeof value, "v%d", ++count);
            snprintf(cql, sizeof cql, "UPDATE ks.t SET v = '%s' WHERE k = 1", value);
            CU_ASSERT(says(1 + via % 3, CQL_CL_QUORUM, "ok", cql));
            CU_ASSERT(all_say(CQL_CL_QUORUM, value, "SELECT v FROM ks.t WHERE k = 1"));
        }
    }
}

/* The node stamped while its clock was an hour ahead and nobody had said so yet. That does not keep
 * it an hour ahead. */
static void a_clock_that_is_right_again(void)
{
    story_begin(3);
    sim_jump_clock(sim, 2, MINUTES(60));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'from later' WHERE k = 1"));
    sim_elapse(sim, SECONDS(15));
    CU_ASSERT(refused(2, " 3600.0 s ahead of ", "UPDATE ks.t SET v = 'x' WHERE k = 2"));
    sim_jump_clock(sim, 2, -MINUTES(60));
    sim_elapse(sim, SECONDS(15));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'now' WHERE k = 2"));
    CU_ASSERT(says(3, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'after' WHERE k = 2"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "after", "SELECT v FROM ks.t WHERE k = 2"));
}

/* A node comes up with a clock that is days off, or that of a machine which has forgotten the time.
 * It is a member all the same, and serves reads; it stamps nothing until its clock is right. */
static void a_node_that_starts_with_a_clock_of_another_day(void)
{
    static const usec off[] = {DAYS(3), -DAYS(3), YEARS(20), -YEARS(50)};
    static const char *const by[] = {" 259200.0 s ahead of ", " 259200.0 s behind ",
                                     " 630720000.0 s ahead of ", " 1576800000.0 s behind "};
    char cql[96], value[16];
    story_begin(3);
    for (size_t i = 0; i < ARRAY_LEN(off); i++) {
        snprintf(value, sizeof value, "v%zu", i);
        snprintf(cql, sizeof cql, "UPDATE ks.t SET v = '%s' WHERE k = 1", value);
        sim_stop(sim, 2);
        sim_set_clock(sim, 2, off[i]);
        sim_start(sim, 2);
        CU_ASSERT_FATAL(see_each_other());
        CU_ASSERT(refused(2, by[i], cql));
        CU_ASSERT(says(1, CQL_CL_ALL, "ok", cql));
        CU_ASSERT(all_say(CQL_CL_ALL, value, "SELECT v FROM ks.t WHERE k = 1"));
        /* Time by which things expire is that of the others. */
        CU_ASSERT(says(1, CQL_CL_ALL, "ok",
                       "INSERT INTO ks.t (k, v) VALUES (2, 'for an hour') USING TTL 3600"));
        CU_ASSERT(says(2, CQL_CL_ALL, "ok",
                       "INSERT INTO ks.t (k, v) VALUES (3, 'too') USING TTL 3600 AND TIMESTAMP 9"));
        CU_ASSERT(all_say(CQL_CL_ALL, "for an hour", "SELECT v FROM ks.t WHERE k = 2"));
        CU_ASSERT(all_say(CQL_CL_ALL, "too", "SELECT v FROM ks.t WHERE k = 3"));
        CU_ASSERT(says(1, CQL_CL_ALL, "ok", "DELETE FROM ks.t USING TIMESTAMP 9 WHERE k = 3"));
        if (i % 2 == 0)
            sim_kill(sim, 2); /* else it is put right while the node runs */
        sim_set_clock(sim, 2, 0);
        if (i % 2 == 0)
            sim_start(sim, 2);
        sim_elapse(sim, SECONDS(15));
        CU_ASSERT_FATAL(see_each_other());
        CU_ASSERT(says(2, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'right' WHERE k = 1"));
        CU_ASSERT(says(3, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = 'again' WHERE k = 1"));
        CU_ASSERT(all_say(CQL_CL_ALL, "again", "SELECT v FROM ks.t WHERE k = 1"));
    }
}

/* The clock that stood still while the node was away, or was put back, is not believed: what the
 * node stamps comes after what it has heard. */
static void a_clock_that_was_put_back(void)
{
    story_begin(3);
    CU_ASSERT(says(2, CQL_CL_ONE, "ok", "UPDATE ks.t SET v = 'first' WHERE k = 1"));
    sim_jump_clock(sim, 2, -MILLISECONDS(450));
    CU_ASSERT(says(2, CQL_CL_ONE, "ok", "UPDATE ks.t SET v = 'second' WHERE k = 1"));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "second", "SELECT v FROM ks.t WHERE k = 1"));
    sim_kill(sim, 2);
    sim_start(sim, 2);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(says(2, CQL_CL_QUORUM, "second", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(2, CQL_CL_ONE, "ok", "UPDATE ks.t SET v = 'third' WHERE k = 1"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "third", "SELECT v FROM ks.t WHERE k = 1"));
}

/* The same on a ring of one, that nobody can tell the time: killed, without power, or stopped. */
static void a_clock_put_back_over_a_restart(void)
{
    char cql[96], value[16];
    int count = 0;
    CU_ASSERT_FATAL(sim_form(sim, 1));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok",
                   "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                   "'replication_factor': 1}"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.t (k int PRIMARY KEY, v text)"));
    for (int way = 0; way < 3; way++) {
        for (int i = 0; i < 20; i++) {
            snprintf(value, sizeof value, "v%d", ++count);
            snprintf(cql, sizeof cql, "UPDATE ks.t SET v = '%s' WHERE k = 1", value);
            CU_ASSERT(says(1, CQL_CL_ONE, "ok", cql));
            CU_ASSERT(says(1, CQL_CL_ONE, value, "SELECT v FROM ks.t WHERE k = 1"));
            sim_elapse(sim, MILLISECONDS(30));
        }
        if (way == 0)
            sim_kill(sim, 1);
        else if (way == 1)
            sim_crash(sim, 1);
        else
            sim_stop(sim, 1);
        sim_jump_clock(sim, 1, -MINUTES(10));
        sim_start(sim, 1);
        CU_ASSERT_FATAL(see_each_other());
    }
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "UPDATE ks.t SET v = 'last' WHERE k = 1"));
    CU_ASSERT(says(1, CQL_CL_ONE, "last", "SELECT v FROM ks.t WHERE k = 1"));
}

static bool warned(const struct sim_reply *r)
{
    for (uint32_t i = 0; i < r->warnings_count; i++) {
        if (strstr(r->warnings[i], "a newer value exists") != NULL)
            return true;
    }
    return false;
}

/* Nobody reads in between, so no clock is told of another. What was acked before is overwritten,
 * through whichever node. */
static void writes_one_after_the_other_are_never_lost(void)
{
    char cql[96], value[16];
    clocks_apart(MILLISECONDS(480));
    for (int i = 0; i < 120; i++) {
        unsigned via = 1 + (unsigned)i * 7 % 4;
        int k = i % 3;
        snprintf(value, sizeof value, "%d", i);
        if (i % 5 == 4)
            snprintf(cql, sizeof cql, "DELETE FROM ks.t WHERE k = %d", k);
        else
            snprintf(cql, sizeof cql, "UPDATE ks.t SET v = '%d' WHERE k = %d", i, k);
        const struct sim_reply *r = sim_cql(sim, via, CQL_CL_QUORUM, "%s", cql);
        CU_ASSERT_EQUAL(r->outcome, SIM_OK);
        CU_ASSERT_FALSE(warned(r));
        if (i % 2 == 0)
            continue;
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
        CU_ASSERT(says(1 + via % 4, CQL_CL_QUORUM, i % 5 == 4 ? "no rows" : value, cql));
    }
    CU_ASSERT_EQUAL(counted("torc_writes_not_visible_total{stamp=\"server\"}"), 0);
}

/* A clock ten seconds off that nobody has noticed yet: what it stamps is seen, or the client hears
 * that it is not. */
static void a_clock_that_has_just_jumped(void)
{
    char cql[96], value[16];
    int count = 0;
    unsigned lost = 0;
    for (int way = -1; way <= 1; way += 2) {
        story_teardown();
        story_setup();
        story_begin(3);
        sim_jump_clock(sim, 2, SECONDS(10) * way);
        for (int i = 0; i < 20; i++) {
            unsigned via = 1 + (unsigned)i % 3;
            snprintf(value, sizeof value, "v%d", ++count);
            snprintf(cql, sizeof cql, "UPDATE ks.t SET v = '%s' WHERE k = 1", value);
            const struct sim_reply *r = sim_cql(sim, via, CQL_CL_QUORUM, "%s", cql);
            bool told = warned(r);
            if (r->outcome != SIM_OK) /* by now it is noticed */
                continue;
            lost += told;
            if (!told)
                CU_ASSERT(all_say(CQL_CL_QUORUM, value, "SELECT v FROM ks.t WHERE k = 1"));
            sim_elapse(sim, SECONDS(1)); /* a warning each second */
        }
        CU_ASSERT_EQUAL(counted("torc_writes_not_visible_total{stamp=\"server\"}"), lost);
    }
    CU_ASSERT(lost > 0);
}

/* What a client stamps is honoured; but it hears when that is not what is seen, and not too often.
 */
static void a_client_hears_of_its_old_timestamps(void)
{
    static const char old[] = "UPDATE ks.t USING TIMESTAMP 5 SET v = 'old' WHERE k = 1";
    unsigned count = 0;
    story_begin(4);
    CU_ASSERT(says(1, CQL_CL_ALL, "ok", "UPDATE ks.t USING TIMESTAMP 9 SET v = 'new' WHERE k = 1"));
    for (int i = 0; i < 10; i++) { /* a tenth of a second each */
        count += warned(sim_cql(sim, 1 + (unsigned)i % 4, CQL_CL_QUORUM, "%s", old));
        sim_elapse(sim, MILLISECONDS(100));
    }
    CU_ASSERT_EQUAL(count, 4); /* one for each connection */
    CU_ASSERT_EQUAL(counted("torc_writes_not_visible_total{stamp=\"client\"}"), 10);
    sim_elapse(sim, SECONDS(1));
    CU_ASSERT(warned(sim_cql(sim, 1, CQL_CL_QUORUM, "%s", old)));
    CU_ASSERT(
        warned(sim_cql(sim, 2, CQL_CL_ONE, "DELETE FROM ks.t USING TIMESTAMP 6 WHERE k = 1")));
    CU_ASSERT_FALSE(
        warned(sim_cql(sim, 3, CQL_CL_ONE, "DELETE FROM ks.t USING TIMESTAMP 6 WHERE k = 2")));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "new", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(become_equal(SECONDS(10)));
}

/* After a start the largest timestamps are known by bounds that run ahead. They are no timestamps:
 * a write above them would be above what is written after it at ONE, where nobody is asked. */
static void a_bound_of_before_a_restart_is_no_timestamp(void)
{
    char cql[96];
    int ahead = 0;
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    for (unsigned i = 1; i <= 3; i++) {
        sim_kill(sim, i);
        sim_start(sim, i);
    }
    sim_elapse(sim, SECONDS(2));
    for (int round = 0; round < 100; round++) {
        int key = 1 + round % 20;
        unsigned via = 1 + (unsigned)round % 3;
        enum cql_consistency level = round % 2 == 0 ? CQL_CL_QUORUM : CQL_CL_ONE;
        sim_elapse(sim, MILLISECONDS(90));
        snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'n%d' WHERE k = %d", round, key);
        CU_ASSERT(says(via, level, "ok", cql));
        int64_t now = INT64_C(1767225600) * USEC_PER_SEC + sim_now(sim);
        const struct sim_reply *r =
            sim_cql(sim, via, CQL_CL_ALL, "SELECT WRITETIME(v) FROM ks.t WHERE k = %d", key);
        CU_ASSERT_EQUAL_FATAL(r->rows, 1);
        ahead += (int64_t)load_u64(r->cells[0].bytes.data) > now;
    }
    CU_ASSERT_EQUAL(ahead, 0);
}

/* What a client stamps concerns the cells it stamps and nothing else: no clock follows it, and the
 * row can be deleted by the very same stamp. */
static void a_timestamp_from_the_far_future_stays_with_its_row(void)
{
    char cql[160];
    story_begin(3);
    CU_ASSERT(
        says(1, CQL_CL_ALL, "ok",
             "INSERT INTO ks.t (k, v) VALUES (1, 'far') USING TIMESTAMP 9223372036854775807"));
    CU_ASSERT(says(2, CQL_CL_ALL, "ok",
                   "INSERT INTO ks.t (k, v) VALUES (2, 'far') USING TIMESTAMP 4102444800000000"));
    sim_elapse(sim, SECONDS(3));
    int64_t sane = INT64_C(1767225600) * USEC_PER_SEC + MINUTES(60);
    for (unsigned via = 1; via <= 3; via++) {
        snprintf(cql, sizeof cql, "UPDATE ks.t SET v = 'now' WHERE k = %u", 10 + via);
        CU_ASSERT(says(via, CQL_CL_ALL, "ok", cql));
        const struct sim_reply *r =
            sim_cql(sim, via, CQL_CL_ALL, "SELECT WRITETIME(v) FROM ks.t WHERE k = %u", 10 + via);
        CU_ASSERT_EQUAL_FATAL(r->rows, 1);
        CU_ASSERT((int64_t)load_u64(r->cells[0].bytes.data) < sane);
    }
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok",
                   "DELETE FROM ks.t USING TIMESTAMP 9223372036854775807 WHERE k = 1"));
    CU_ASSERT(says(2, CQL_CL_QUORUM, "ok",
                   "UPDATE ks.t USING TIMESTAMP 4102444800000001 SET v = 'mended' WHERE k = 2"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "no rows", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "mended", "SELECT v FROM ks.t WHERE k = 2"));
}

/* While a clock is a year ahead, rows with a TTL look expired to who asks there. They are not
 * touched: with the clock put right everything is there, on that node too. */
static void a_clock_that_jumped_ahead_destroys_nothing(void)
{
    char cql[128];
    story_begin(3);
    for (int i = 1; i <= 10; i++) {
        for (int part = 0; part < 6; part++) { /* so many fragments of a row are joined by reads */
            snprintf(cql, sizeof cql, "UPDATE ks.t USING TTL 86400 SET v = 'v%d' WHERE k = %d", i,
                     i);
            CU_ASSERT(says(1, CQL_CL_ALL, "ok", cql));
        }
    }
    sim_jump_clock(sim, 3, YEARS(1));
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(says(3, CQL_CL_ALL, "no rows", "SELECT * FROM ks.t"));
        CU_ASSERT(says(3, CQL_CL_ONE, "no rows", "SELECT * FROM ks.t"));
        CU_ASSERT(read_rows(1, CQL_CL_ALL, 1, 10));
        sim_elapse(sim, SECONDS(2));
    }
    sim_jump_clock(sim, 3, -YEARS(1));
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(read_rows(3, CQL_CL_ONE, 1, 10));
    CU_ASSERT(read_rows(2, CQL_CL_ALL, 1, 10));
    CU_ASSERT(become_equal(SECONDS(10)));
}

static void all_clocks_to(int64_t unix_s)
{
    int64_t start = INT64_C(1767225600) + sim_now(sim) / USEC_PER_SEC;
    for (unsigned i = 1; i <= sim_nodes(sim); i++)
        sim_set_clock(sim, i, (unix_s - start) * USEC_PER_SEC);
    sim_elapse(sim, SECONDS(3));
}

/* The seconds do not fit 32 bits for ever: 2038 with a sign, 2106 without. Nor does a TTL of twenty
 * years from today. */
static void no_field_of_time_overflows(void)
{
    static const int64_t ends[] = {INT64_C(1) << 31, INT64_C(1) << 32};
    char cql[128];
    story_begin(3);
    CU_ASSERT(says(1, CQL_CL_ALL, "ok",
                   "INSERT INTO ks.t (k, v) VALUES (1, 'long') USING TTL 630720000"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "long 630720000", "SELECT v, TTL(v) FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(1, CQL_CL_ALL, "error: INVALID",
                   "INSERT INTO ks.t (k, v) VALUES (2, 'x') USING TTL 630720001"));
    CU_ASSERT(says(1, CQL_CL_ALL, "error: INVALID",
                   "INSERT INTO ks.t (k, v) VALUES (2, 'x') USING TIMESTAMP -9223372036854775808"));
    for (int i = 0; i < 2; i++) {
        int k = 10 * (i + 1);
        all_clocks_to(ends[i] - 10);
        CU_ASSERT(says(1, CQL_CL_ALL, "ok", "DELETE FROM ks.t WHERE k = 1"));
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'y') USING TTL 630720000",
                 k);
        CU_ASSERT(says(2, CQL_CL_ALL, "ok", cql));
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'z') USING TTL 15", k + 1);
        CU_ASSERT(says(3, CQL_CL_ALL, "ok", cql));
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
        CU_ASSERT(all_say(CQL_CL_QUORUM, "y", cql));
        all_clocks_to(ends[i] + 1);
        CU_ASSERT(all_say(CQL_CL_QUORUM, "y", cql));
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k + 1);
        CU_ASSERT(all_say(CQL_CL_QUORUM, "z", cql));
        sim_elapse(sim, SECONDS(10));
        CU_ASSERT(all_say(CQL_CL_QUORUM, "no rows", cql));
        sim_kill(sim, 3);
        sim_start(sim, 3);
        CU_ASSERT_FATAL(see_each_other());
        CU_ASSERT(become_equal(SECONDS(10)));
    }
    CU_ASSERT(all_say(CQL_CL_QUORUM, "no rows", "SELECT v FROM ks.t WHERE k = 1"));
}

/* With five minutes between the clocks nothing times out early, and what must time out does so
 * after its time. */
static void deadlines_are_durations(void)
{
    story_begin(4);
    for (unsigned i = 1; i <= 4; i++)
        sim_set_clock(sim, i, MINUTES(5) * ((int)i - 2));
    for (unsigned via = 1; via <= 4; via++) {
        CU_ASSERT(says(via, CQL_CL_ALL, "ok",
                       "INSERT INTO ks.t (k, v) VALUES (1, 'v1') USING TIMESTAMP 1"));
        CU_ASSERT(read_rows(via, CQL_CL_ALL, 1, 1));
        CU_ASSERT(says(via, CQL_CL_ALL, "1", "SELECT k FROM ks.t"));
    }
    CU_ASSERT_EQUAL(counted("torc_failed_total{why=\"timeout\"}"), 0);
    sim_set_disk(sim, SECONDS(60));
    for (unsigned via = 1; via <= 4; via++) {
        const struct sim_reply *r = sim_cql(
            sim, via, CQL_CL_ALL, "INSERT INTO ks.t (k, v) VALUES (1, 'v2') USING TIMESTAMP 2");
        CU_ASSERT_EQUAL(r->code, CQL_ERROR_WRITE_TIMEOUT);
        CU_ASSERT(r->answered - r->asked >= SECONDS(2));
        CU_ASSERT(r->answered - r->asked < SECONDS(2) + MILLISECONDS(100));
    }
    story_teardown();
    story_setup_with(&(struct sim_limits){.read_timeout_us = SECONDS(1)});
    story_begin(3);
    for (unsigned i = 1; i <= 3; i++)
        sim_set_clock(sim, i, MINUTES(5) * ((int)i - 2));
    CU_ASSERT(
        says(1, CQL_CL_ALL, "ok", "INSERT INTO ks.t (k, v) VALUES (1, 'v1') USING TIMESTAMP 1"));
    sim_pause(sim, 2);
    for (unsigned via = 1; via <= 3; via += 2) {
        const struct sim_reply *r = sim_cql(sim, via, CQL_CL_ALL, "SELECT v FROM ks.t WHERE k = 1");
        CU_ASSERT_EQUAL(r->code, CQL_ERROR_READ_TIMEOUT);
        CU_ASSERT(r->answered - r->asked >= SECONDS(1));
        CU_ASSERT(r->answered - r->asked < SECONDS(1) + MILLISECONDS(100));
    }
}

/* The order of schema changes is that of the metadata log. */
static void schema_changes_know_no_clock(void)
{
    story_begin(3);
    for (unsigned i = 1; i <= 3; i++)
        sim_set_clock(sim, i, MINUTES(10) * (2 - (int)i));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.u (k int PRIMARY KEY, v int)"));
    CU_ASSERT(says(3, CQL_CL_ONE, "ok", "ALTER TABLE ks.u ADD w int"));
    CU_ASSERT(
        says(2, CQL_CL_ALL, "ok", "INSERT INTO ks.u (k, v, w) VALUES (1, 1, 1) USING TIMESTAMP 1"));
    CU_ASSERT(says(3, CQL_CL_ONE, "ok", "DROP TABLE ks.u"));
    CU_ASSERT(says(1, CQL_CL_ONE, "error: INVALID", "SELECT * FROM ks.u"));
    CU_ASSERT(says(3, CQL_CL_ONE, "ok", "CREATE TABLE ks.u (k int PRIMARY KEY, v int)"));
    CU_ASSERT(all_say(CQL_CL_ALL, "no rows", "SELECT * FROM ks.u"));
    CU_ASSERT(says(2, CQL_CL_ALL, "ok", "INSERT INTO ks.u (k, v) VALUES (1, 7) USING TIMESTAMP 1"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "1 7", "SELECT * FROM ks.u"));
    /* A column that comes back is a new one, whoever's clock was used to drop it. */
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "ALTER TABLE ks.u DROP v"));
    CU_ASSERT(says(3, CQL_CL_ONE, "ok", "ALTER TABLE ks.u ADD v int"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "1 null", "SELECT k, v FROM ks.u"));
    CU_ASSERT(says(3, CQL_CL_ALL, "ok", "UPDATE ks.u USING TIMESTAMP 2 SET v = 8 WHERE k = 1"));
    CU_ASSERT(all_say(CQL_CL_QUORUM, "1 8", "SELECT k, v FROM ks.u"));
    CU_ASSERT(become_equal(SECONDS(10)));
}

CU_TestInfo clocks_tests[] = {
    {"an update after a read wins, at any skew in the bound (13)", an_update_after_a_read_wins},
    {"a wrong clock gives no timestamps (13)", a_wrong_clock_gives_no_timestamps},
    {"a node that starts with a clock of another day",
     a_node_that_starts_with_a_clock_of_another_day},
    {"a clock that is right again gives right ones (13)", a_clock_that_is_right_again},
    {"a clock that was put back stamps after what it heard (13)", a_clock_that_was_put_back},
    {"a clock put back over a restart stamps after what it stamped (13)",
     a_clock_put_back_over_a_restart},
    {"writes one after the other are never lost (13)", writes_one_after_the_other_are_never_lost},
    {"a clock that has just jumped loses nothing in silence (13)", a_clock_that_has_just_jumped},
    {"a client hears of its old timestamps (14)", a_client_hears_of_its_old_timestamps},
    {"a bound of before a restart is no timestamp (13)",
     a_bound_of_before_a_restart_is_no_timestamp},
    {"a timestamp from the far future stays with its row (14)",
     a_timestamp_from_the_far_future_stays_with_its_row},
    {"a clock that jumped ahead destroys nothing (15)", a_clock_that_jumped_ahead_destroys_nothing},
    {"no field of time overflows (16)", no_field_of_time_overflows},
    {"deadlines travel as durations (17)", deadlines_are_durations},
    {"schema changes know no clock (18)", schema_changes_know_no_clock},
    CU_TEST_INFO_NULL,
};
