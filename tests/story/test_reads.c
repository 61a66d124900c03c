/* Stories of reads whose replicas differ; numbers as in docs/bug-stories.md. */
#include "story/fixture.h"

#include "base/rng.h"

#include <stdio.h>
#include <string.h>

void reads_setup(void);
void reads_teardown(void);

void reads_setup(void)
{
    story_setup();
}

void reads_teardown(void)
{
    story_teardown();
}

static void begin(unsigned nodes)
{
    story_begin(nodes);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok",
                   "CREATE TABLE ks.r (k int, c int, v int, w int, PRIMARY KEY (k, c))"));
}

static void put(unsigned via, enum cql_consistency level, int k, int c)
{
    char cql[128];
    snprintf(cql, sizeof cql, "INSERT INTO ks.r (k, c, v) VALUES (%d, %d, %d)", k, c, 100 * k + c);
    CU_ASSERT(says(via, level, "ok", cql));
}

/* Each replica has deleted other rows, and alone gives a full page of rows that are dead: a LIMIT
 * is still met by those that live, and ends when there are none. */
static void a_limit_over_deletes_that_few_know(void)
{
    char cql[128];
    begin(3);
    for (int c = 1; c <= 30; c++)
        put(1, CQL_CL_ALL, 1, c);
    put(1, CQL_CL_ALL, 2, 1);
    cut_all();
    for (int c = 1; c <= 24; c++) {
        snprintf(cql, sizeof cql, "DELETE FROM ks.r WHERE k = 1 AND c = %d", c);
        CU_ASSERT(says(1 + (unsigned)c % 3, CQL_CL_ONE, "ok", cql));
    }
    CU_ASSERT(says(3, CQL_CL_ONE, "ok", "DELETE FROM ks.r WHERE k = 1 AND c > 28"));
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(says(1, CQL_CL_ALL, "25", "SELECT c FROM ks.r WHERE k = 1 LIMIT 1"));
    CU_ASSERT(says(2, CQL_CL_ALL, "25; 26; 27", "SELECT c FROM ks.r WHERE k = 1 LIMIT 3"));
    CU_ASSERT(says(3, CQL_CL_ALL, "25; 26; 27; 28", "SELECT c FROM ks.r WHERE k = 1 LIMIT 9"));
    CU_ASSERT(
        says(1, CQL_CL_ALL, "28; 27", "SELECT c FROM ks.r WHERE k = 1 ORDER BY c DESC LIMIT 2"));
    CU_ASSERT(
        says(2, CQL_CL_ALL, "1 25; 1 26; 2 1", "SELECT k, c FROM ks.r PER PARTITION LIMIT 2"));
    CU_ASSERT(says(3, CQL_CL_ALL, "5", "SELECT COUNT(*) FROM ks.r"));
}

/* The same without anything that lives. */
static void a_limit_over_nothing_ends(void)
{
    char cql[128];
    begin(3);
    for (int c = 1; c <= 20; c++)
        put(1, CQL_CL_ALL, 1, c);
    cut_all();
    for (int c = 1; c <= 20; c++) {
        snprintf(cql, sizeof cql, "DELETE FROM ks.r WHERE k = 1 AND c = %d", c);
        CU_ASSERT(says(1 + (unsigned)c % 3, CQL_CL_ONE, "ok", cql));
    }
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(says(1, CQL_CL_ALL, "no rows", "SELECT c FROM ks.r WHERE k = 1 LIMIT 1"));
    CU_ASSERT(says(2, CQL_CL_ALL, "no rows", "SELECT c FROM ks.r LIMIT 5"));
}

/* Rows between, before and behind the deleted ranges, some written after them: in both directions
 * and from replicas of which each knows one of the ranges. */
static void backwards_over_deleted_ranges(void)
{
    begin(3);
    for (int c = 1; c <= 12; c++)
        put(1, CQL_CL_ALL, 1, c);
    cut_all();
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "DELETE FROM ks.r WHERE k = 1 AND c >= 3 AND c <= 5"));
    CU_ASSERT(says(2, CQL_CL_ONE, "ok", "DELETE FROM ks.r WHERE k = 1 AND c > 4 AND c < 8"));
    CU_ASSERT(says(3, CQL_CL_ONE, "ok", "DELETE FROM ks.r WHERE k = 1 AND c > 10"));
    put(2, CQL_CL_ONE, 1, 6);
    put(3, CQL_CL_ONE, 1, 12);
    CU_ASSERT_FATAL(heal());
    static const char *const up = "1; 2; 6; 8; 9; 10; 12", *const down = "12; 10; 9; 8; 6; 2; 1";
    CU_ASSERT(says(1, CQL_CL_ALL, down, "SELECT c FROM ks.r WHERE k = 1 ORDER BY c DESC"));
    CU_ASSERT(all_say(CQL_CL_ALL, up, "SELECT c FROM ks.r WHERE k = 1"));
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(all_say(CQL_CL_ONE, down, "SELECT c FROM ks.r WHERE k = 1 ORDER BY c DESC"));
    CU_ASSERT(all_say(CQL_CL_ONE, "8; 6; 2",
                      "SELECT c FROM ks.r WHERE k = 1 AND c <= 8 ORDER BY c DESC LIMIT 3"));
    CU_ASSERT(all_say(CQL_CL_ONE, "6; 2",
                      "SELECT c FROM ks.r WHERE k = 1 AND c > 1 AND c < 7 ORDER BY c DESC"));
}

/* Deletions of one instant: of a range, of the partition, of a row. What was written then is
 * deleted, what was written a microsecond later is not; in whatever order they come. */
static void deletions_of_one_instant(void)
{
    static const char *const deletes[] = {
        "DELETE FROM ks.r USING TIMESTAMP 50 WHERE k = %d AND c >= 2 AND c <= 6",
        "DELETE FROM ks.r USING TIMESTAMP 50 WHERE k = %d",
        "DELETE FROM ks.r USING TIMESTAMP 50 WHERE k = %d AND c = 4",
    };
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    char cql[160];
    begin(3);
    cut_all();
    for (int k = 0; k < 6; k++) {
        for (unsigned i = 0; i < 3; i++) {
            for (int c = 1; c <= 7; c++) {
                snprintf(cql, sizeof cql,
                         "INSERT INTO ks.r (k, c, v) VALUES (%d, %d, 1) USING TIMESTAMP %d", k, c,
                         c % 3 == 0 ? 51 : 50);
                if (i == 0)
                    CU_ASSERT(says(1 + (unsigned)(k + c) % 3, CQL_CL_ONE, "ok", cql));
            }
            snprintf(cql, sizeof cql, deletes[orders[k][i]], k);
            CU_ASSERT(says(1 + i, CQL_CL_ONE, "ok", cql));
        }
    }
    CU_ASSERT_FATAL(heal());
    for (int k = 0; k < 6; k++) {
        snprintf(cql, sizeof cql, "SELECT c FROM ks.r WHERE k = %d", k);
        CU_ASSERT(says(1 + (unsigned)k % 3, CQL_CL_ALL, "3; 6", cql));
        snprintf(cql, sizeof cql, "SELECT c FROM ks.r WHERE k = %d ORDER BY c DESC", k);
        CU_ASSERT(all_say(CQL_CL_QUORUM, "6; 3", cql));
    }
    CU_ASSERT(become_equal(SECONDS(10)));
    for (int k = 0; k < 6; k++) {
        snprintf(cql, sizeof cql, "SELECT c FROM ks.r WHERE k = %d", k);
        CU_ASSERT(all_say(CQL_CL_ONE, "3; 6", cql));
    }
}

/* The same cells, that came in another order and in other pieces, some of them joined since: they
 * are equal, whoever looks, and nobody repairs anything. Also where a TTL ties with a value. */
static void equal_data_has_equal_digests(void)
{
    static const char *const writes[] = {
        "INSERT INTO ks.r (k, c, v, w) VALUES (1, 1, 1, 1) USING TIMESTAMP 10",
        "UPDATE ks.r USING TIMESTAMP 12 SET v = 2 WHERE k = 1 AND c = 1",
        "UPDATE ks.r USING TIMESTAMP 12 AND TTL 1000 SET v = 3 WHERE k = 1 AND c = 1",
        "UPDATE ks.r USING TIMESTAMP 12 AND TTL 2000 SET v = 2 WHERE k = 1 AND c = 1",
        "DELETE w FROM ks.r USING TIMESTAMP 12 WHERE k = 1 AND c = 1",
        "UPDATE ks.r USING TIMESTAMP 11 SET w = 7 WHERE k = 1 AND c = 1",
        "DELETE FROM ks.r USING TIMESTAMP 9 WHERE k = 1 AND c = 1",
        "DELETE FROM ks.r USING TIMESTAMP 5 WHERE k = 1 AND c > 0",
    };
    begin(3);
    cut_all();
    for (unsigned via = 3; via >= 1; via--) { /* the larger value wins, not the later one */
        char cql[128];
        snprintf(cql, sizeof cql,
                 "INSERT INTO ks.r (k, c, v, w) VALUES (1, 2, %u, %u) USING TIMESTAMP 12", via,
                 4 - via);
        CU_ASSERT(says(via, CQL_CL_ONE, "ok", cql));
    }
    for (unsigned i = 0; i < 8; i++) { /* each replica begins elsewhere */
        for (unsigned via = 1; via <= 3; via++)
            CU_ASSERT(says(via, CQL_CL_ONE, "ok", writes[(i * (2 * via - 1) + via) % 8]));
        if (i % 3 == 2)
            CU_ASSERT_EQUAL(sim_cql(sim, 1, CQL_CL_ONE, "SELECT * FROM ks.r")->outcome, SIM_OK);
    }
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(become_equal(SECONDS(10)));
    uint64_t before = counted("torc_digest_mismatches_total");
    for (int i = 0; i < 20; i++) {
        CU_ASSERT(all_say(CQL_CL_ALL, "1 1 2 null; 1 2 3 3", "SELECT * FROM ks.r"));
        CU_ASSERT(all_say(CQL_CL_QUORUM, "2", "SELECT v FROM ks.r WHERE k = 1 AND c = 1"));
    }
    CU_ASSERT_EQUAL(counted("torc_digest_mismatches_total"), before);
    CU_ASSERT_EQUAL(counted("torc_read_repairs_total"), 0);
}

/* A read of one column brings the replica up to date so that the others are right, too, and the
 * deletion of the row before it is not forgotten. */
static void a_repair_of_a_column_is_one_of_the_row(void)
{
    begin(3);
    CU_ASSERT(says(1, CQL_CL_ALL, "ok", "INSERT INTO ks.r (k, c, v, w) VALUES (1, 1, 1, 1)"));
    CU_ASSERT(says(1, CQL_CL_ALL, "ok", "INSERT INTO ks.r (k, c, v, w) VALUES (1, 2, 1, 1)"));
    cut_off(3);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "DELETE FROM ks.r WHERE k = 1 AND c = 1"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "UPDATE ks.r SET v = 5 WHERE k = 1 AND c = 1"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "UPDATE ks.r SET v = 5, w = 6 WHERE k = 1 AND c = 2"));
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(says(3, CQL_CL_ALL, "5; 5", "SELECT v FROM ks.r WHERE k = 1"));
    sim_isolate(sim, 3);
    CU_ASSERT(says(3, CQL_CL_ONE, "1 1 5 null; 1 2 5 6", "SELECT * FROM ks.r WHERE k = 1"));
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(become_equal(SECONDS(10)));
    CU_ASSERT(all_say(CQL_CL_ONE, "1 1 5 null; 1 2 5 6", "SELECT * FROM ks.r WHERE k = 1"));
}

/* Only one replica has a value. A quorum read shows it, and in the moment of its answer the power
 * goes, where the value was and in one place more: the next quorum read shows it, too. */
static void what_a_quorum_read_has_shown_stays(void)
{
    for (unsigned also = 2; also <= 3; also++) {
        story_teardown();
        story_setup();
        story_begin(3);
        CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 1));
        cut_all();
        CU_ASSERT(says(1, CQL_CL_ONE, "ok", "UPDATE ks.t SET v = 'new' WHERE k = 1"));
        sim_set_disk(sim, MILLISECONDS(200));
        sim_heal_all(sim);
        const struct sim_reply *r = NULL;
        while (r == NULL || r->outcome != SIM_OK)
            r = sim_cql(sim, 1, CQL_CL_QUORUM, "SELECT v FROM ks.t WHERE k = 1");
        CU_ASSERT_STRING_EQUAL(sim_say(sim, r), "new");
        sim_crash(sim, 1);
        sim_crash(sim, also);
        sim_set_disk(sim, 300);
        sim_start(sim, also);
        CU_ASSERT_FATAL(see_each_other());
        CU_ASSERT(says(2, CQL_CL_QUORUM, "new", "SELECT v FROM ks.t WHERE k = 1"));
        CU_ASSERT(says(3, CQL_CL_QUORUM, "new", "SELECT v FROM ks.t WHERE k = 1"));
    }
}

/* In a ring that is well hardly any read asks one replica more than it must. */
static void a_healthy_ring_hardly_speculates(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    for (int i = 0; i < 50; i++)
        CU_ASSERT(read_rows(1 + (unsigned)i % 3, CQL_CL_QUORUM, 1, 20));
    CU_ASSERT(counted("torc_coordinated_total{op=\"read\"}") >= 1000);
    CU_ASSERT(counted("torc_speculations_total") < 20);
    /* But when one is slow it is not waited for. */
    sim_pause(sim, 3);
    const struct sim_reply *r = sim_cql(sim, 1, CQL_CL_QUORUM, "SELECT v FROM ks.t WHERE k = 1");
    CU_ASSERT_EQUAL(r->outcome, SIM_OK);
    CU_ASSERT(r->answered - r->asked < MILLISECONDS(200));
}

/* --- any query against a model */

enum { KEYS = 3, ROWS = 12 };

struct model {
    bool live[KEYS][ROWS];
    int v[KEYS][ROWS];
};

/* Through one of the two nodes that are not away, so that the third lacks it. */
static void random_write(struct rng *rng, struct model *m, unsigned away, int value)
{
    char cql[160];
    int k = (int)rng_below(rng, KEYS), c = (int)rng_below(rng, ROWS);
    int upto = c + (int)rng_below(rng, 4);
    switch (rng_below(rng, 5)) {
    case 0:
        snprintf(cql, sizeof cql, "DELETE FROM ks.r WHERE k = %d AND c = %d", k, c);
        m->live[k][c] = false;
        break;
    case 1:
        snprintf(cql, sizeof cql, "DELETE FROM ks.r WHERE k = %d AND c >= %d AND c <= %d", k, c,
                 upto);
        for (int i = c; i <= upto && i < ROWS; i++)
            m->live[k][i] = false;
        break;
    default:
        snprintf(cql, sizeof cql, "INSERT INTO ks.r (k, c, v) VALUES (%d, %d, %d)", k, c, value);
        m->live[k][c] = true;
        m->v[k][c] = value;
    }
    CU_ASSERT(says(1 + (away + (unsigned)rng_below(rng, 2)) % 3, CQL_CL_QUORUM, "ok", cql));
}

static void expect_rows(const struct model *m, int k, int from, int to, bool down, int limit,
                        char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < ROWS && limit > 0; i++) {
        int c = down ? ROWS - 1 - i : i;
        if (c < from || c > to || !m->live[k][c])
            continue;
        int n = snprintf(out + len, size - len, "%s%d %d", len > 0 ? "; " : "", c, m->v[k][c]);
        len += (size_t)n;
        limit--;
    }
    if (len == 0)
        snprintf(out, size, "no rows");
}

static void random_query(struct rng *rng, const struct model *m)
{
    char cql[200], expected[512], limits[32] = "";
    int k = (int)rng_below(rng, KEYS), from = (int)rng_below(rng, ROWS);
    int to = from + (int)rng_below(rng, ROWS - (uint64_t)from);
    bool down = rng_chance(rng, 500000);
    int limit = rng_chance(rng, 500000) ? (int)rng_between(rng, 1, 5) : ROWS;
    if (limit < ROWS)
        snprintf(limits, sizeof limits, " LIMIT %d", limit);
    expect_rows(m, k, from, to, down, limit, expected, sizeof expected);
    snprintf(cql, sizeof cql, "SELECT c, v FROM ks.r WHERE k = %d AND c >= %d AND c <= %d%s%s", k,
             from, to, down ? " ORDER BY c DESC" : "", limits);
    CU_ASSERT(says(1 + (unsigned)rng_below(rng, 3), CQL_CL_QUORUM, expected, cql));
}

/* Not a list of queries thought of beforehand: any slice of any partition, in both directions, with
 * any limit, while each replica lacks other writes. */
static void any_query_with_two_predicates(void)
{
    struct model m = {0};
    struct rng rng;
    begin(3);
    rng_init(&rng, 41);
    for (int round = 0; round < 6; round++) {
        unsigned away = 1 + (unsigned)round % 3;
        sim_isolate(sim, away);
        sim_elapse(sim, SECONDS(3));
        for (int i = 0; i < 15; i++)
            random_write(&rng, &m, away, 100 * round + i);
        sim_heal_all(sim);
        CU_ASSERT_FATAL(see_each_other());
        for (int i = 0; i < 40; i++)
            random_query(&rng, &m);
    }
}

CU_TestInfo reads_tests[] = {
    {"a LIMIT over deletes that few replicas know (35)", a_limit_over_deletes_that_few_know},
    {"a LIMIT over nothing ends (35)", a_limit_over_nothing_ends},
    {"backwards over deleted ranges (36)", backwards_over_deleted_ranges},
    {"deletions of one instant (37)", deletions_of_one_instant},
    {"equal data has equal digests (38)", equal_data_has_equal_digests},
    {"a repair of a column is one of the row (39)", a_repair_of_a_column_is_one_of_the_row},
    {"what a quorum read has shown stays (31)", what_a_quorum_read_has_shown_stays},
    {"a healthy ring hardly speculates (40)", a_healthy_ring_hardly_speculates},
    {"any query with two predicates (41)", any_query_with_two_predicates},
    CU_TEST_INFO_NULL,
};
