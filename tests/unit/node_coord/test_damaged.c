/* Reads where a replica cannot answer, for its disk gives errors or the range is being rebuilt: who
 * can is asked instead, at each level that those who are left can meet. */
#include "unit/node_coord/cluster_fixture.h"

#include "ring/murmur3.h"
#include "ring/token.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define NOW_S      1700000000
#define PARTITIONS 40

static struct fixture f;
void damaged_setup(void);
void damaged_teardown(void);

void damaged_setup(void)
{
    fixture_open(&f);
}

void damaged_teardown(void)
{
    for (node_no no = 1; no <= FIXTURE_NODES; no++)
        store_mem_fail_reads(fixture_at(&f, no)->store, BYTES_LIT("\x00"), BYTES_LIT("\xff"),
                             ERR_OK);
    fixture_close(&f);
}

#define R(place) fixture_replica(&f, "k", place)

enum trouble { NO_READS, REBUILDING, TROUBLES };

static range_no range_of(const char *key)
{
    return ring_range_of(murmur3_token(bytes_text(key)),
                         cluster_ranges(fixture_at(&f, 1)->cluster));
}

/* All of its disk, or the range of "k" alone. */
static void trouble(node_no no, enum trouble which, bool begins)
{
    struct fixture_node *n = fixture_at(&f, no);
    if (which == NO_READS)
        store_mem_fail_reads(n->store, BYTES_LIT("\x00"), BYTES_LIT("\xff"),
                             begins ? ERR_CORRUPT : ERR_OK);
    else
        engine_set_rebuilding(n->engine, KEYSPACE, range_of("k"), begins);
}

/* "k" and others, all over the ring. */
static void fill(void)
{
    char key[16];
    CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    for (int i = 1; i < PARTITIONS; i++) {
        snprintf(key, sizeof key, "p%d", i);
        CU_ASSERT_EQUAL(fixture_write(&f, R(1), key, "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    }
}

static bool reads(node_no via, enum level level)
{
    return fixture_read(&f, via, "k", 0, level) == ERR_OK && f.result.rows.live_rows == 1;
}

static bool scans(node_no via, enum level level)
{
    const struct scan all = {
        .table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX, .now_s = NOW_S};
    const struct token_span span =
        ring_range_span(range_of("k"), cluster_ranges(fixture_at(&f, 1)->cluster));
    const struct scan range = {.table = TABLE,
                               .after_token = murmur3_token(bytes_text("k")) - 1,
                               .upto_token = span.last,
                               .now_s = NOW_S};
    return fixture_scan(&f, via, &all, level) == ERR_OK && f.result.rows.live_rows == PARTITIONS &&
           fixture_scan(&f, via, &range, level) == ERR_OK && f.result.rows.live_rows >= 1;
}

static void another_one_answers(void)
{
    static const enum level levels[] = {LEVEL_ONE, LEVEL_LOCAL_ONE, LEVEL_TWO, LEVEL_QUORUM};
    fill();
    for (enum trouble which = 0; which < TROUBLES; which++) {
        for (uint32_t place = 0; place < 3; place++) {
            trouble(R(place), which, true);
            for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
                for (node_no via = 1; via <= FIXTURE_NODES; via++) {
                    CU_ASSERT_TRUE(reads(via, levels[i]));
                    CU_ASSERT_TRUE(scans(via, levels[i]));
                }
            }
            trouble(R(place), which, false);
        }
    }
}

/* Of two, at ONE the third is asked; at QUORUM there is none, and who asks is told whose data it
 * is. */
static void the_last_one_answers_at_one(void)
{
    fill();
    for (enum trouble which = 0; which < TROUBLES; which++) {
        trouble(R(0), which, true);
        trouble(R(1), which, true);
        for (node_no via = 1; via <= FIXTURE_NODES; via++) {
            CU_ASSERT_TRUE(reads(via, LEVEL_ONE));
            CU_ASSERT_TRUE(scans(via, LEVEL_ONE));
            CU_ASSERT_EQUAL(fixture_read(&f, via, "k", 0, LEVEL_QUORUM), ERR_FAILED);
            CU_ASSERT(f.result.damaged == R(0) || f.result.damaged == R(1));
        }
        trouble(R(2), which, true);
        CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_ONE), ERR_FAILED);
        CU_ASSERT(f.result.damaged != 0);
        for (uint32_t place = 0; place < 3; place++)
            trouble(R(place), which, false);
    }
}

/* One is silent, the other one's data is damaged: who is left is asked when the silent one has been
 * waited for. */
static void who_is_silent_does_not_help(void)
{
    fill();
    trouble(R(0), REBUILDING, true);
    fixture_at(&f, R(1))->down = true;
    f.done = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_ONE), ERR_COUNT);
    fixture_elapse(&f, 60 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.live_rows, 1);
}

/* What is damaged or forgotten claims nothing, so it lacks what the session has seen: that is not
 * waited for where it cannot be answered either. */
static void a_session_does_not_wait_for_it(void)
{
    struct arena arena = {0};
    for (uint32_t place = 0; place < 6; place++) {
        struct seen seen = {0};
        f.seen = &seen;
        CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
        seen_merge(&seen, &arena, &f.told);
        CU_ASSERT(seen.count > 0);
        struct engine *e = fixture_at(&f, R(place % 3))->engine;
        if (place < 3)
            engine_begin_forgetting(e, KEYSPACE, range_of("k"));
        else
            engine_set_lost(e, KEYSPACE, range_of("k"));
        for (node_no via = 1; via <= FIXTURE_NODES; via++) {
            CU_ASSERT_TRUE(reads(via, LEVEL_ONE));
            CU_ASSERT_TRUE(reads(via, LEVEL_QUORUM));
            CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, via)->coord), 0);
        }
        fixture_close(&f);
        fixture_open(&f);
    }
    arena_close(&arena);
}

/* It is found while a request waits there. */
static void a_session_that_waits_is_sent_away(void)
{
    struct arena arena = {0};
    struct seen seen = {0};
    node_no via = fixture_stranger(&f, "k");
    f.seen = &seen;
    fixture_at(&f, R(0))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    seen_merge(&seen, &arena, &f.told);
    fixture_at(&f, R(0))->down = false;
    f.done = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, via, "k", 0, LEVEL_ONE), ERR_COUNT);
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, R(0))->coord).waits, 1);
    CU_ASSERT_EQUAL(f.done, 0);
    engine_set_lost(fixture_at(&f, R(0))->engine, KEYSPACE, range_of("k"));
    f.seen = NULL;
    (void)fixture_write(&f, R(1), "k", "r", "v", 11, LEVEL_QUORUM); /* it looks again then */
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, via)->coord), 0);
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, via)->coord).speculations, 0);
    arena_close(&arena);
}

/* Who cannot answer is not asked what there is, be it ourselves: with two of three like that
 * nothing is begun. */
static void a_write_that_is_stamped(void)
{
    f.stamp = f.now.wall;
    trouble(R(0), REBUILDING, true);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", f.stamp, LEVEL_QUORUM), ERR_OK);
    fixture_set_alive(&f, R(1), false);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", f.stamp, LEVEL_QUORUM), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, R(0))->coord).asks, 1);
    trouble(R(0), REBUILDING, false);
}

CU_TestInfo damaged_tests[] = {
    {"another one answers", another_one_answers},
    {"the last one answers at ONE", the_last_one_answers_at_one},
    {"who is silent does not help", who_is_silent_does_not_help},
    {"a session does not wait for it", a_session_does_not_wait_for_it},
    {"a session that waits is sent away", a_session_that_waits_is_sent_away},
    {"a write that is stamped", a_write_that_is_stamped},
    CU_TEST_INFO_NULL,
};
