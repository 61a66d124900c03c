/* Stories of reads whose replicas differ: one falls silent while it is repaired, tables that say
 * how long to wait and whether to repair at all; pages, limits and indexes over rows of which each
 * replica knows other deletions. */
#include "story/fixture.h"

#include "base/rng.h"
#include "ring/murmur3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void read_repair_setup(void);
void read_repair_teardown(void);

void read_repair_setup(void)
{
    story_setup();
}

void read_repair_teardown(void)
{
    story_teardown();
}

/* Row 1 of ks.t is new at node 1 alone, and nobody has brought it to the others yet. */
static void lay_stale(void)
{
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 1));
    cut_all();
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "UPDATE ks.t SET v = 'new' WHERE k = 1"));
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(says(2, CQL_CL_ONE, "v1", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(3, CQL_CL_ONE, "v1", "SELECT v FROM ks.t WHERE k = 1"));
}

static const struct sim_reply *wait_for(uint64_t question)
{
    usec end = sim_now(sim) + SECONDS(20);
    while (sim_reply_of(sim, question)->outcome == SIM_PENDING && sim_now(sim) < end)
        sim_elapse(sim, MILLISECONDS(1));
    return sim_reply_of(sim, question);
}

/* Whichever of the two is asked first, and then falls silent with what it lacks in its hands: the
 * read goes on with the other one, and tells nothing before that has it. */
static void who_falls_silent_in_its_repair_is_not_waited_for(void)
{
    unsigned widened = 0;
    for (unsigned silent = 2; silent <= 3; silent++) {
        story_teardown();
        story_setup();
        story_begin(3);
        lay_stale();
        uint64_t before = counted_by(1, "torc_read_repairs_total");
        uint64_t q = sim_ask(sim, 1, CQL_CL_QUORUM, "SELECT v FROM ks.t WHERE k = 1");
        while (counted_by(1, "torc_read_repairs_total") == before &&
               sim_reply_of(sim, q)->outcome == SIM_PENDING)
            sim_elapse(sim, 20);
        sim_pause(sim, silent);
        const struct sim_reply *r = wait_for(q);
        CU_ASSERT_STRING_EQUAL(sim_say(sim, r), "new");
        CU_ASSERT(r->answered - r->asked < MILLISECONDS(70)); /* 50 until latencies are known */
        widened += counted_by(1, "torc_read_repairs_widened_total") > 0;
        /* It has been told: any two say it, also those that did not have it. */
        sim_isolate(sim, 1);
        sim_resume(sim, silent);
        sim_elapse(sim, SECONDS(10));
        CU_ASSERT(says(5 - silent, CQL_CL_QUORUM, "new", "SELECT v FROM ks.t WHERE k = 1"));
        CU_ASSERT(says(silent, CQL_CL_QUORUM, "new", "SELECT v FROM ks.t WHERE k = 1"));
    }
    CU_ASSERT_EQUAL(widened, 1); /* one of them was asked first */
}

/* The table's replicas are left as they are, whatever is read. */
static void a_table_without_read_repair(void)
{
    story_begin(3);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "ALTER TABLE ks.t WITH read_repair = 'NONE'"));
    lay_stale();
    uint64_t before = counted("torc_read_repairs_total");
    for (unsigned via = 1; via <= 3; via++)
        CU_ASSERT(says(via, CQL_CL_ALL, "new", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT_EQUAL(counted("torc_read_repairs_total"), before);
    CU_ASSERT(says(2, CQL_CL_ONE, "v1", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(3, CQL_CL_ONE, "v1", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", "ALTER TABLE ks.t WITH read_repair = 'BLOCKING'"));
    CU_ASSERT(says(3, CQL_CL_ALL, "new", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(says(3, CQL_CL_ONE, "new", "SELECT v FROM ks.t WHERE k = 1"));
    CU_ASSERT(become_equal(SECONDS(10)));
}

enum { READS = 20 };

/* The slowest of some quorum reads with one of three paused. */
static usec slowest_with_one_paused(const char *retry)
{
    char cql[128];
    uint64_t q[READS];
    usec worst = 0;
    story_teardown();
    story_setup();
    story_begin(3);
    snprintf(cql, sizeof cql, "ALTER TABLE ks.t WITH speculative_retry = '%s'", retry);
    CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", cql));
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, READS));
    sim_pause(sim, 3);
    for (int i = 0; i < READS; i++) {
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", i + 1);
        q[i] = sim_ask(sim, 1, CQL_CL_QUORUM, cql);
    }
    for (int i = 0; i < READS; i++) {
        const struct sim_reply *r = wait_for(q[i]);
        CU_ASSERT(r->outcome == SIM_OK || strcmp(retry, "NEVER") == 0); /* it may time out */
        worst = r->answered - r->asked > worst ? r->answered - r->asked : worst;
    }
    return worst;
}

/* Each table says how long a replica is waited for. (Who is paused is found dead after a while, and
 * replaced.) */
static void tables_say_how_long_they_wait(void)
{
    usec always = slowest_with_one_paused("ALWAYS");
    usec soon = slowest_with_one_paused("15ms");
    usec lesser = slowest_with_one_paused("MIN(99p,25ms)");
    usec greater = slowest_with_one_paused("MAX(99p,200ms)");
    usec never = slowest_with_one_paused("NEVER");
    CU_ASSERT(always < MILLISECONDS(15)); /* a round trip */
    CU_ASSERT(soon >= MILLISECONDS(15) && soon < MILLISECONDS(25));
    CU_ASSERT(lesser >= MILLISECONDS(25) && lesser < MILLISECONDS(35));
    CU_ASSERT(greater >= MILLISECONDS(200) && greater < MILLISECONDS(210));
    CU_ASSERT(never > MILLISECONDS(500));
}

/* --- pages, limits and indexes against a model */

enum { KEYS = 12, ROWS = 6, TAGS = 3 };

struct model {
    int order[KEYS]; /* the keys as they lie in the ring */
    bool live[KEYS][ROWS];
    int v[KEYS][ROWS];
    int tag[KEYS][ROWS];
    int fixed[KEYS]; /* the static column; -1: null */
    bool one[KEYS];  /* ks.one, a table of single rows */
};

static token token_of(int k)
{
    uint8_t key[4] = {0, 0, 0, (uint8_t)k};
    return murmur3_token(bytes_make(key, sizeof key));
}

static int by_token(const void *a, const void *b)
{
    token x = token_of(*(const int *)a), y = token_of(*(const int *)b);
    return x < y ? -1 : x > y;
}

static void model_init(struct model *m)
{
    *m = (struct model){0};
    for (int k = 0; k < KEYS; k++) {
        m->order[k] = k;
        m->fixed[k] = -1;
    }
    qsort(m->order, KEYS, sizeof *m->order, by_token);
}

/* Its timestamp is its number: what comes later wins, wherever it is written. */
static void random_write(struct rng *rng, struct model *m, int number)
{
    char cql[200];
    int k = (int)rng_below(rng, KEYS), c = (int)rng_below(rng, ROWS);
    int tag = (int)rng_below(rng, TAGS);
    switch (rng_below(rng, 9)) {
    case 0:
        snprintf(cql, sizeof cql, "DELETE FROM ks.r USING TIMESTAMP %d WHERE k = %d AND c = %d",
                 number, k, c);
        m->live[k][c] = false;
        break;
    case 1:
        snprintf(cql, sizeof cql, "DELETE FROM ks.r USING TIMESTAMP %d WHERE k = %d AND c >= %d",
                 number, k, c);
        memset(&m->live[k][c], 0, (size_t)(ROWS - c) * sizeof m->live[k][c]);
        break;
    case 2:
        snprintf(cql, sizeof cql, "DELETE FROM ks.r USING TIMESTAMP %d WHERE k = %d", number, k);
        memset(m->live[k], 0, sizeof m->live[k]);
        m->fixed[k] = -1;
        break;
    case 3:
        snprintf(cql, sizeof cql, "INSERT INTO ks.r (k, s) VALUES (%d, %d) USING TIMESTAMP %d", k,
                 number, number);
        m->fixed[k] = number;
        break;
    case 4:
        snprintf(cql, sizeof cql, "DELETE FROM ks.one USING TIMESTAMP %d WHERE k = %d", number, k);
        m->one[k] = false;
        break;
    case 5:
        snprintf(cql, sizeof cql, "INSERT INTO ks.one (k, v) VALUES (%d, 1) USING TIMESTAMP %d", k,
                 number);
        m->one[k] = true;
        break;
    default:
        snprintf(cql, sizeof cql,
                 "INSERT INTO ks.r (k, c, v, tag) VALUES (%d, %d, %d, %d) USING TIMESTAMP %d", k, c,
                 number, tag, number);
        m->live[k][c] = true;
        m->v[k][c] = number;
        m->tag[k][c] = tag;
    }
    CU_ASSERT(says(1 + (unsigned)rng_below(rng, 3), CQL_CL_ONE, "ok", cql));
}

struct text {
    size_t len;
    char at[4096];
};

static void add(struct text *t, const char *row)
{
    t->len += (size_t)snprintf(t->at + t->len, sizeof t->at - t->len, "%s%s",
                               t->len > 0 ? "; " : "", row);
}

/* SELECT k, c, v, s FROM ks.r, as the model has it. A partition of which only the static row is
 * left is a row, where no row is asked for by its place or index. */
static void expect(const struct model *m, int only, bool down, int tag, int per_partition,
                   int limit, bool fixed_too, struct text *t)
{
    char row[64], s[16];
    for (int i = 0; i < KEYS; i++) {
        int k = m->order[i], found = 0;
        if (only >= 0 && only != k)
            continue;
        snprintf(s, sizeof s, "%d", m->fixed[k]);
        for (int at = 0; at < ROWS && found < per_partition && limit > 0; at++) {
            int c = down ? ROWS - 1 - at : at;
            if (!m->live[k][c] || (tag >= 0 && m->tag[k][c] != tag))
                continue;
            snprintf(row, sizeof row, "%d %d %d %s", k, c, m->v[k][c],
                     m->fixed[k] < 0 ? "null" : s);
            add(t, row);
            found++;
            limit--;
        }
        if (found > 0 || !fixed_too || m->fixed[k] < 0 || limit == 0)
            continue;
        snprintf(row, sizeof row, "%d null null %s", k, s);
        add(t, row);
        limit--;
    }
    if (t->len == 0)
        snprintf(t->at, sizeof t->at, "no rows");
}

static void random_query(struct rng *rng, const struct model *m)
{
    char cql[256], per[48] = "", last[32] = "";
    struct text t = {0};
    int k = rng_chance(rng, 400000) ? (int)rng_below(rng, KEYS) : -1;
    int tag = k < 0 && rng_chance(rng, 400000) ? (int)rng_below(rng, TAGS) : -1;
    int limit = rng_chance(rng, 600000) ? (int)rng_between(rng, 1, 6) : 1000;
    int each = tag < 0 && rng_chance(rng, 300000) ? (int)rng_between(rng, 1, 3) : 1000;
    bool down = k >= 0 && rng_chance(rng, 500000);
    int pages = rng_chance(rng, 600000) ? (int)rng_between(rng, 1, 5) : 0;
    if (each < 1000)
        snprintf(per, sizeof per, " PER PARTITION LIMIT %d", each);
    if (limit < 1000)
        snprintf(last, sizeof last, " LIMIT %d", limit);
    if (rng_below(rng, 6) == 0) { /* a table whose partitions are single rows */
        snprintf(cql, sizeof cql, "SELECT DISTINCT k FROM ks.one%s", last);
        for (int i = 0, left = limit; i < KEYS && left > 0; i++) {
            char row[16];
            snprintf(row, sizeof row, "%d", m->order[i]);
            if (m->one[m->order[i]])
                add(&t, row), left--;
        }
        if (t.len == 0)
            snprintf(t.at, sizeof t.at, "no rows");
    } else {
        expect(m, k, down, tag, each, limit, tag < 0, &t);
        if (k >= 0)
            snprintf(cql, sizeof cql, "SELECT k, c, v, s FROM ks.r WHERE k = %d%s%s%s", k,
                     down ? " ORDER BY c DESC" : "", per, last);
        else if (tag >= 0)
            snprintf(cql, sizeof cql, "SELECT k, c, v, s FROM ks.r WHERE tag = %d%s", tag, last);
        else
            snprintf(cql, sizeof cql, "SELECT k, c, v, s FROM ks.r%s%s", per, last);
    }
    const struct sim_reply *r =
        wait_for(sim_ask_paged(sim, 1 + (unsigned)rng_below(rng, 3), CQL_CL_ALL, cql, pages));
    if (strcmp(sim_say(sim, r), t.at) != 0)
        printf("\n    %s by pages of %d\n    expected: %s\n    answered: %s\n", cql, pages, t.at,
               sim_say(sim, r));
    CU_ASSERT_STRING_EQUAL(sim_say(sim, r), t.at);
}

/* Each replica knows other writes and other deletions: of rows, of slices, of partitions, of rows
 * that are partitions. Whatever is asked, by pages, with limits, backwards, through an index: what
 * the joined rows are is said, not fewer and none twice. */
static void any_page_and_limit_over_replicas_that_differ(void)
{
    struct model m;
    struct rng rng;
    story_begin(3);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok",
                   "CREATE TABLE ks.r (k int, c int, v int, tag int, s int static, "
                   "PRIMARY KEY (k, c))"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.one (k int PRIMARY KEY, v int)"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE INDEX ON ks.r (tag)"));
    sim_elapse(sim, SECONDS(3));
    model_init(&m);
    rng_init(&rng, 7);
    for (int round = 0; round < 4; round++) {
        cut_all();
        for (int i = 0; i < 60; i++)
            random_write(&rng, &m, 1000 * round + i + 1);
        CU_ASSERT_FATAL(heal());
        for (int i = 0; i < 40; i++)
            random_query(&rng, &m);
    }
}

/* An index of a replica that lacks the change still finds the row as it was; it is not shown, and
 * takes no place under a LIMIT (CASSANDRA-8272 and what came after it). */
static void an_index_that_is_behind_shows_nothing_old(void)
{
    char cql[128];
    story_begin(3);
    CU_ASSERT(
        says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.r (k int, c int, v text, PRIMARY KEY (k, c))"));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE INDEX ON ks.r (v)"));
    sim_elapse(sim, SECONDS(3));
    for (int c = 1; c <= 8; c++) {
        snprintf(cql, sizeof cql, "INSERT INTO ks.r (k, c, v) VALUES (1, %d, 'old')", c);
        CU_ASSERT(says(1, CQL_CL_ALL, "ok", cql));
    }
    cut_off(3);
    for (int c = 1; c <= 6; c++) {
        snprintf(cql, sizeof cql,
                 c == 6 ? "DELETE FROM ks.r WHERE k = 1 AND c = %d"
                        : "UPDATE ks.r SET v = 'new' WHERE k = 1 AND c = %d",
                 c);
        CU_ASSERT(says(1, CQL_CL_QUORUM, "ok", cql));
    }
    CU_ASSERT_FATAL(heal());
    CU_ASSERT(says(3, CQL_CL_QUORUM, "7; 8", "SELECT c FROM ks.r WHERE v = 'old'"));
    CU_ASSERT(says(3, CQL_CL_QUORUM, "7", "SELECT c FROM ks.r WHERE v = 'old' LIMIT 1"));
    CU_ASSERT(says(3, CQL_CL_QUORUM, "1; 2", "SELECT c FROM ks.r WHERE v = 'new' LIMIT 2"));
    CU_ASSERT(says(1, CQL_CL_ALL, "1; 2; 3; 4; 5", "SELECT c FROM ks.r WHERE v = 'new'"));
    const struct sim_reply *r =
        wait_for(sim_ask_paged(sim, 3, CQL_CL_QUORUM, "SELECT c FROM ks.r WHERE v = 'old'", 1));
    CU_ASSERT_STRING_EQUAL(sim_say(sim, r), "7; 8");
}

CU_TestInfo read_repair_tests[] = {
    {"who falls silent in its repair is not waited for",
     who_falls_silent_in_its_repair_is_not_waited_for},
    {"a table without read repair", a_table_without_read_repair},
    {"tables say how long they wait", tables_say_how_long_they_wait},
    {"any page and limit over replicas that differ (35, 36)",
     any_page_and_limit_over_replicas_that_differ},
    {"an index that is behind shows nothing old", an_index_that_is_behind_shows_nothing_old},
    CU_TEST_INFO_NULL,
};
