/* Reads whose replicas disagree, and of which one falls silent in the middle; what tables say about
 * that. */
#include "node/coord/heal_host.h"
#include "unit/node_coord/cluster_fixture.h"

#include "ring/murmur3.h"
#include "ring/token.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct fixture f;
void repair_setup(void);
void repair_teardown(void);

void repair_setup(void)
{
    fixture_open(&f);
}

void repair_teardown(void)
{
    fixture_close(&f);
}

#define R(place) fixture_replica(&f, "k", place)

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool says(const char *value)
{
    const struct scan_result *rows = &f.result.rows;
    return f.result.err == ERR_OK && rows->parts_count == 1 && rows->parts[0].rows_count == 1 &&
           bytes_equal_text(rows->parts[0].rows[0].cells[0].value, value);
}

static struct coord_stats stats(uint32_t place)
{
    return coord_stats(fixture_at(&f, R(place))->coord);
}

/* Old everywhere, new at those whose bit is set. */
static void lay(unsigned places)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        fixture_at(&f, R(i))->down = (places >> i & 1) == 0;
    for (uint32_t i = 0; i < 3; i++) {
        if (places >> i & 1) {
            CU_ASSERT_EQUAL(fixture_write(&f, R(i), "k", "r", "new", 20, LEVEL_ONE), ERR_OK);
            break;
        }
    }
    for (uint32_t i = 0; i < 3; i++)
        fixture_at(&f, R(i))->down = false;
    f.done = 0;
}

static void set_policy(struct table_policy policy)
{
    policy.table = TABLE;
    for (node_no no = 1; no <= FIXTURE_NODES; no++)
        cluster_set_policies(fixture_at(&f, no)->cluster, &policy, 1);
}

static struct table_policy usual(void)
{
    return *cluster_policy(fixture_at(&f, 1)->cluster, 0);
}

/* R(1) is stale; what it lacks it cannot write down. R(2) is stale, too: it is asked for its rows,
 * gets what it lacks, and only then the read is answered. */
static void a_late_ack_brings_others_in(void)
{
    lay(1);
    fixture_at(&f, R(1))->frozen = fixture_at(&f, R(2))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    CU_ASSERT_EQUAL(stats(0).repairs, 1);
    fixture_elapse(&f, PATIENCE_FIRST_US - 1);
    CU_ASSERT_EQUAL(stats(0).repairs_widened, 0);
    fixture_elapse(&f, 1);
    CU_ASSERT_EQUAL(stats(0).repairs_widened, 1);
    CU_ASSERT_EQUAL(stats(0).repairs, 2);
    CU_ASSERT_EQUAL(f.done, 0); /* it has answered, and does not have it yet */
    fixture_at(&f, R(2))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT(says("new"));
    CU_ASSERT(same(fixture_stored(&f, R(2), "k", "r"), "new"));
    /* Monotonic: any two of the three have it. */
    fixture_at(&f, R(1))->frozen = false;
    fixture_die(&f, R(0));
    CU_ASSERT_EQUAL(fixture_read(&f, R(1), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT(says("new"));
}

/* Who has it all already counts with its answer, and is sent nothing. */
static void who_is_brought_in_may_lack_nothing(void)
{
    lay(1 | 4);
    fixture_at(&f, R(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, PATIENCE_FIRST_US);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT(says("new"));
    CU_ASSERT_EQUAL(stats(0).repairs, 1);
    /* The ack comes after all. */
    fixture_at(&f, R(1))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT(same(fixture_stored(&f, R(1), "k", "r"), "new"));
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
}

/* It has something newer, that no quorum knows: that is not told, since it could be unsaid. */
static void what_who_is_brought_in_knows_is_not_told(void)
{
    lay(1);
    fixture_at(&f, R(0))->down = fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(2), "k", "r", "newest", 30, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(0))->down = fixture_at(&f, R(1))->down = false;
    fixture_at(&f, R(1))->frozen = true;
    f.done = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, PATIENCE_FIRST_US);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT(says("new"));
    CU_ASSERT(same(fixture_stored(&f, R(2), "k", "r"), "newest"));
}

/* Two of three fall silent: nobody makes up for that. */
static void too_few_are_left_to_be_repaired(void)
{
    lay(1);
    fixture_at(&f, R(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_at(&f, R(2))->down = true;
    fixture_elapse(&f, PATIENCE_FIRST_US);
    fixture_elapse(&f, 10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(f.result.required, 2);
    CU_ASSERT_EQUAL(f.result.received, 1);
}

/* While it is asked its link breaks, then the other's: the read ends, and counts nobody twice. */
static void links_break_while_others_are_brought_in(void)
{
    lay(1);
    fixture_at(&f, R(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_at(&f, R(2))->down = true;
    fixture_elapse(&f, PATIENCE_FIRST_US);
    coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, R(2));
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 0);
    coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, R(1));
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
}

/* Who is brought in cannot take it, nor can the other: its disk is full. */
static void who_is_brought_in_refuses(void)
{
    lay(1);
    fixture_at(&f, R(1))->frozen = true;
    store_mem_fail(fixture_at(&f, R(2))->store, 0, ERR_FULL, "disk full");
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, PATIENCE_FIRST_US);
    CU_ASSERT_EQUAL(f.done, 0);
    fixture_at(&f, R(1))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT(says("new"));
}

/* Another partition of the same range. */
static const char *neighbour(void)
{
    static char key[16];
    uint32_t ranges = cluster_ranges(fixture_at(&f, 1)->cluster);
    range_no range = ring_range_of(murmur3_token(bytes_text("k")), ranges);
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        if (ring_range_of(murmur3_token(bytes_text(key)), ranges) == range)
            break;
    }
    return key;
}

/* We are stale in two partitions, and the range is found damaged between what we read and the
 * repair: that is one replica that failed, not one for each partition. */
static void who_fails_in_several_partitions_fails_once(void)
{
    const char *other = neighbour();
    range_no range =
        ring_range_of(murmur3_token(bytes_text("k")), cluster_ranges(fixture_at(&f, 1)->cluster));
    token a = murmur3_token(bytes_text("k")), b = murmur3_token(bytes_text(other));
    struct scan scan = {.table = TABLE,
                        .after_token = (a < b ? a : b) - 1,
                        .upto_token = a < b ? b : a,
                        .now_s = 1700000000};
    lay(2 | 4);
    fixture_at(&f, R(0))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(1), other, "r", "new", 20, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(0))->down = false;
    fixture_at(&f, R(1))->down = fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(fixture_scan(&f, R(0), &scan, LEVEL_QUORUM), ERR_COUNT); /* read our own */
    engine_set_rebuilding(fixture_at(&f, R(0))->engine, KEYSPACE, range, true);
    fixture_at(&f, R(1))->down = fixture_at(&f, R(2))->down = false;
    fixture_elapse(&f, PATIENCE_FIRST_US); /* R(2) is asked, then both of them */
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.parts_count, 2);
}

static void a_table_may_wait_for_its_acks(void)
{
    struct table_policy policy = usual();
    policy.extra = (struct patience){.kind = PATIENCE_ENDLESS};
    set_policy(policy);
    lay(1);
    fixture_at(&f, R(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.done, 0);
    CU_ASSERT_EQUAL(stats(0).repairs_widened, 0);
    fixture_elapse(&f, 10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
}

static void a_table_says_when_one_more_is_asked(void)
{
    static const struct {
        struct patience patience;
        usec first; /* at this moment, and not before */
    } cases[] = {
        {{.kind = PATIENCE_FIXED, .fixed = 7 * USEC_PER_MS}, 7 * USEC_PER_MS},
        {{PATIENCE_MIN, PATIENCE_USUAL, 20 * USEC_PER_MS}, 20 * USEC_PER_MS},
        {{PATIENCE_MAX, PATIENCE_USUAL, 20 * USEC_PER_MS}, PATIENCE_FIRST_US},
        {{PATIENCE_MAX, PATIENCE_USUAL, 70 * USEC_PER_MS}, 70 * USEC_PER_MS},
        {{PATIENCE_PERCENTILE, PATIENCE_USUAL, 0}, PATIENCE_FIRST_US},
    };
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(1))->down = true;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct table_policy policy = usual();
        policy.retry = cases[i].patience;
        set_policy(policy);
        f.done = 0;
        CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
        fixture_elapse(&f, cases[i].first - 1);
        CU_ASSERT_EQUAL(f.done, 0);
        fixture_elapse(&f, 1);
        CU_ASSERT_EQUAL(f.done, 2);
        CU_ASSERT(says("v"));
    }
}

static void a_table_may_never_ask_one_more(void)
{
    struct table_policy policy = usual();
    policy.retry = (struct patience){.kind = PATIENCE_ENDLESS};
    set_policy(policy);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(1))->down = true;
    f.done = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(stats(0).speculations, 0);
}

/* One more is asked from the start: no time passes though one is silent. */
static void a_table_may_always_ask_one_more(void)
{
    struct table_policy policy = usual();
    policy.retry = (struct patience){.kind = PATIENCE_NONE};
    set_policy(policy);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(1))->down = true;
    f.done = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT(says("v"));
    CU_ASSERT_EQUAL(stats(0).speculations, 1);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_ONE), ERR_OK);
    CU_ASSERT_EQUAL(stats(0).speculations, 1); /* we had answered already */
}

/* What replicas have is joined, and stays as it is. */
static void a_table_may_leave_its_replicas_as_they_are(void)
{
    struct table_policy policy = usual();
    policy.no_repair = true;
    set_policy(policy);
    lay(1);
    f.receipt = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT(says("new"));
    CU_ASSERT_EQUAL(stats(0).repairs, 0);
    CU_ASSERT_EQUAL(stats(0).digest_mismatches, 1);
    CU_ASSERT(same(fixture_stored(&f, R(1), "k", "r"), "old"));
    char text[2048] = "";
    CU_ASSERT_FATAL(f.result.receipt.len < sizeof text);
    memcpy(text, f.result.receipt.data, f.result.receipt.len);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"compared\":\"newest\",\"repaired\":0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"compared\":\"stale\",\"repaired\":0"));
    CU_ASSERT_EQUAL(fixture_read(&f, R(1), "k", 0, LEVEL_ALL), ERR_OK);
    CU_ASSERT(says("new"));
    CU_ASSERT(same(fixture_stored(&f, R(2), "k", "r"), "old"));
}

static node_no who_is_behind;

static bool is_behind(void *arg, keyspace_no keyspace, range_no range, node_no node)
{
    (void)arg;
    (void)range;
    return keyspace == KEYSPACE && node == who_is_behind;
}

/* Whoever it is, and whoever is asked: the two others have all, so nothing is repaired. */
static void who_is_behind_is_read_from_last(void)
{
    const struct heal_host host = {.is_behind = is_behind};
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    for (uint32_t late = 0; late < 3; late++) {
        fixture_at(&f, R(late))->down = true;
        CU_ASSERT_EQUAL(
            fixture_write(&f, R((late + 1) % 3), "k", "r", "new", 20 + late, LEVEL_QUORUM), ERR_OK);
        fixture_at(&f, R(late))->down = false;
        who_is_behind = R(late);
        for (uint32_t via = 0; via < 3; via++) {
            struct coord *c = fixture_at(&f, R(via))->coord;
            uint64_t before = coord_stats(c).digest_mismatches;
            coord_heal_host(c, &host);
            CU_ASSERT_EQUAL(fixture_read(&f, R(via), "k", 0, LEVEL_QUORUM), ERR_OK);
            CU_ASSERT_EQUAL(coord_stats(c).digest_mismatches, before);
        }
        CU_ASSERT_EQUAL(fixture_read(&f, R(late), "k", 0, LEVEL_ALL), ERR_OK); /* it counts */
        CU_ASSERT(same(fixture_stored(&f, R(late), "k", "r"), "new"));
    }
}

CU_TestInfo repair_tests[] = {
    {"a late ack brings others in", a_late_ack_brings_others_in},
    {"who is brought in may lack nothing", who_is_brought_in_may_lack_nothing},
    {"what who is brought in knows is not told", what_who_is_brought_in_knows_is_not_told},
    {"too few are left to be repaired", too_few_are_left_to_be_repaired},
    {"links break while others are brought in", links_break_while_others_are_brought_in},
    {"who is brought in refuses", who_is_brought_in_refuses},
    {"who fails in several partitions fails once", who_fails_in_several_partitions_fails_once},
    {"a table may wait for its acks", a_table_may_wait_for_its_acks},
    {"a table says when one more is asked", a_table_says_when_one_more_is_asked},
    {"a table may never ask one more", a_table_may_never_ask_one_more},
    {"a table may always ask one more", a_table_may_always_ask_one_more},
    {"a table may leave its replicas as they are", a_table_may_leave_its_replicas_as_they_are},
    {"who is behind is read from last", who_is_behind_is_read_from_last},
    CU_TEST_INFO_NULL,
};
