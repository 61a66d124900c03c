/* Requests of sessions wait at a replica that lacks what the session has seen; receipts say who has
 * answered. */
#include "cluster_fixture.h"

#include <CUnit/CUnit.h>
#include <string.h>

void session_setup(void);
void session_teardown(void);

static struct fixture f;
static struct seen seen;

void session_setup(void)
{
    fixture_open(&f);
    seen = (struct seen){0};
}

void session_teardown(void)
{
    fixture_close(&f);
}

static bool receipt_has(const char *text)
{
    const char *all = arena_text(&f.arena, f.result.receipt);
    bool has = strstr(all, text) != NULL;
    if (!has)
        printf("\n    %s\n", all);
    return has;
}

static size_t receipt_counts(const char *text)
{
    size_t n = 0;
    for (const char *p = arena_text(&f.arena, f.result.receipt); (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

static void receipts_of_writes(void)
{
    node_no via = fixture_replica(&f, "k", 0), dead = fixture_replica(&f, "k", 2);
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.receipt.len, 0); /* nobody has asked for it */
    f.receipt = true;
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 11, LEVEL_ALL), ERR_OK);
    CU_ASSERT_TRUE(
        receipt_has("{\"step\":\"write\",\"level\":\"ALL\",\"required\":3,\"received\":3"));
    CU_ASSERT_TRUE(receipt_has("\"fsynced\":3,\"missed\":0,\"replicas\":["));
    fixture_set_alive(&f, dead, false);
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 12, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_TRUE(receipt_has("\"fsynced\":2,\"missed\":1,\"kept\":\"log\""));
    CU_ASSERT_EQUAL(receipt_counts("\"state\":\"acked\",\"fsynced\":true"), 2);
    CU_ASSERT_EQUAL(receipt_counts("\"state\":\"dead\""), 1);
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 13, LEVEL_ALL), ERR_UNAVAILABLE);
    CU_ASSERT_TRUE(receipt_has("\"required\":3,\"received\":0,\"alive\":2,\"error\":"));
    CU_ASSERT_TRUE(receipt_has("\"kept\":null"));
    fixture_set_alive(&f, dead, true);
    fixture_at(&f, dead)->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 14, LEVEL_ALL), ERR_COUNT);
    fixture_elapse(&f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(receipt_counts("\"state\":\"timed out\""), 1);
}

static void version_is(char out[80], node_no minter, unsigned n, int timestamp)
{
    snprintf(out, 80, "\"version\":\"%u.1.%u\",\"timestamp\":%d", (unsigned)minter, n, timestamp);
}

static void receipts_of_reads(void)
{
    char version[80];
    node_no via = fixture_replica(&f, "k", 0), late = fixture_replica(&f, "k", 2);
    fixture_at(&f, late)->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, late)->down = false;
    f.receipt = true;
    CU_ASSERT_EQUAL(fixture_read(&f, via, "k", 0, LEVEL_ALL), ERR_OK);
    version_is(version, via, 1, 10);
    CU_ASSERT_EQUAL(receipt_counts(version), 2);
    CU_ASSERT_EQUAL(receipt_counts("\"compared\":\"newest\""), 2);
    CU_ASSERT_EQUAL(receipt_counts("\"version\":null,\"timestamp\":null,\"compared\":\"stale\","
                                   "\"repaired\":1"),
                    1);
    CU_ASSERT_EQUAL(fixture_read(&f, via, "k", 0, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(receipt_counts("\"compared\":\"same\""), 3);
    CU_ASSERT_EQUAL(receipt_counts("\"answer\":\"digest\""), 2);
    CU_ASSERT_EQUAL(receipt_counts(version), 3); /* of a digest: that of the rows it is equal to */
    CU_ASSERT_EQUAL(fixture_read(&f, via, "k", 0, LEVEL_ONE), ERR_OK);
    CU_ASSERT_EQUAL(receipt_counts("\"state\":\"not asked\""), 2);
}

/* What a stale replica had, and not only that it was stale; of a deletion as of a value. */
static void receipts_say_which_version_each_replica_had(void)
{
    char version[80];
    node_no via = fixture_replica(&f, "k", 0), late = fixture_replica(&f, "k", 2);
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, late)->down = true;
    CU_ASSERT_EQUAL(fixture_delete(&f, via, "k", "r", 20, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, late)->down = false;
    f.receipt = true;
    CU_ASSERT_EQUAL(fixture_read(&f, via, "k", 0, LEVEL_ALL), ERR_OK);
    version_is(version, via, 1, 10);
    CU_ASSERT_EQUAL(receipt_counts(version), 1);
    version_is(version, via, 2, 20);
    CU_ASSERT_EQUAL(receipt_counts(version), 2);
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 30, LEVEL_ALL), ERR_OK);
    version_is(version, via, 3, 30);
    CU_ASSERT_TRUE(receipt_has(version));
}

/* Two have answered and differ, and there is no time left: what each had is told as far as it is
 * known, and nothing of who is right. */
static void receipts_of_reads_that_fail(void)
{
    char version[80];
    node_no via = fixture_replica(&f, "k", 0), late = fixture_replica(&f, "k", 2);
    fixture_at(&f, late)->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    f.receipt = true;
    CU_ASSERT_EQUAL(fixture_read(&f, via, "k", 0, LEVEL_ALL), ERR_COUNT);
    fixture_elapse(&f, 6 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    version_is(version, via, 1, 10);
    CU_ASSERT_EQUAL(receipt_counts(version), 2);
    CU_ASSERT_EQUAL(receipt_counts("compared"), 0);
}

/* One replica alone has a write of the session; a read asks another one, at ONE. */
static node_no behind(void)
{
    node_no via = fixture_replica(&f, "k", 0), other = fixture_replica(&f, "k", 1);
    for (uint32_t i = 1; i < 3; i++)
        fixture_at(&f, fixture_replica(&f, "k", i))->down = true;
    f.seen = &seen;
    CU_ASSERT_EQUAL(fixture_write(&f, via, "k", "r", "v", 10, LEVEL_ONE), ERR_OK);
    CU_ASSERT_EQUAL(f.told.count, 1);
    seen_merge(&seen, &f.arena, &f.told);
    fixture_at(&f, via)->down = true;
    for (uint32_t i = 1; i < 3; i++)
        fixture_at(&f, fixture_replica(&f, "k", i))->down = false;
    fixture_set_alive(&f, via, false);
    return other;
}

static void a_read_waits_and_ends_with_its_time(void)
{
    node_no other = behind();
    CU_ASSERT_EQUAL(fixture_read(&f, other, "k", 0, LEVEL_ONE), ERR_COUNT);
    CU_ASSERT_EQUAL(f.fetch, 0); /* it may be on its way */
    fixture_elapse(&f, 10 * USEC_PER_MS);
    CU_ASSERT_TRUE(f.fetch > 0);
    coord_fetched(fixture_at(&f, f.fetch_by)->coord, f.now, f.fetch, false);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 0); /* somebody may have it */
    fixture_elapse(&f, 6 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    f.seen = NULL; /* who has seen nothing waits for nothing */
    CU_ASSERT_EQUAL(fixture_read(&f, other, "k", 0, LEVEL_ONE), ERR_OK);
}

static void nobody_waits_for_what_cannot_come(void)
{
    node_no other = behind();
    CU_ASSERT_EQUAL(fixture_read(&f, other, "k", 0, LEVEL_ONE), ERR_COUNT);
    fixture_elapse(&f, 10 * USEC_PER_MS);
    coord_fetched(fixture_at(&f, f.fetch_by)->coord, f.now, f.fetch, true);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.parts_count, 0);
}

CU_TestInfo session_tests[] = {
    {"receipts of writes", receipts_of_writes},
    {"receipts of reads", receipts_of_reads},
    {"receipts say which version each replica had", receipts_say_which_version_each_replica_had},
    {"receipts of reads that fail", receipts_of_reads_that_fail},
    {"a read waits, and ends with its time", a_read_waits_and_ends_with_its_time},
    {"nobody waits for what cannot come", nobody_waits_for_what_cannot_come},
    CU_TEST_INFO_NULL,
};
