/* Counters among four nodes, RF 3: what is sent again counts once, and increments become sums. */
#include "unit/node_coord/cluster_fixture.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;
void counters_setup(void);
void counters_teardown(void);

void counters_setup(void)
{
    fixture_open(&f);
}

void counters_teardown(void)
{
    fixture_close(&f);
}

#define R(place) fixture_replica(&f, "k", place)
#define NOTHING  INT64_MIN

static int64_t value_at(node_no node)
{
    struct cell sum;
    const struct part *p = fixture_part(&f, node, "k");
    if (p == NULL || p->rows_count == 0 ||
        !counter_read(p->rows[0].cells, p->rows[0].cells_count, 0, &f.arena, &sum))
        return NOTHING;
    return (int64_t)load_u64(sum.value.data);
}

static size_t cells_at(node_no node)
{
    const struct part *p = fixture_part(&f, node, "k");
    return p != NULL && p->rows_count > 0 ? p->rows[0].cells_count : 0;
}

static enum err count(node_no via, uint64_t request, int64_t delta, enum level level)
{
    return fixture_count(&f, via, "k", "r", request, delta, level);
}

static bool all_equal(void)
{
    struct digest first;
    for (uint32_t i = 0; i < 3; i++) {
        struct digest d;
        const struct part *p = fixture_part(&f, R(i), "k");
        part_digest(p, 0, &d);
        if (i == 0)
            first = d;
        else if (memcmp(&d, &first, sizeof d) != 0)
            return false;
    }
    return true;
}

static void a_request_counts_once(void)
{
    CU_ASSERT_EQUAL(count(R(0), 1, 5, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(count(R(0), 1, 5, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(count(R(1), 1, 5, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(count(fixture_stranger(&f, "k"), 1, 5, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(count(R(2), 2, 7, LEVEL_ALL), ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(value_at(R(i)), 12);
    CU_ASSERT_EQUAL(cells_at(R(0)), 2);
    CU_ASSERT(all_equal());
    CU_ASSERT(coord_stats(fixture_at(&f, R(0))->coord).repeats > 0);
}

/* Two replicas take it, and neither knows of the other. */
static void a_request_that_two_took_counts_once(void)
{
    fixture_at(&f, R(1))->down = fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(count(R(0), 1, 5, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(1))->down = false;
    fixture_at(&f, R(0))->down = true;
    CU_ASSERT_EQUAL(count(R(1), 1, 5, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(0))->down = fixture_at(&f, R(2))->down = false;
    CU_ASSERT_EQUAL(fixture_read(&f, R(2), "k", 0, LEVEL_ALL), ERR_OK);
    fixture_settle(&f);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(value_at(R(i)), 5);
    CU_ASSERT(all_equal());
}

/* The ack means that so many have it: who is asked again asks them again. */
static void what_is_known_is_not_acked_alone(void)
{
    fixture_at(&f, R(1))->down = fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(count(R(0), 1, 5, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(count(R(0), 1, 5, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 3 * USEC_PER_SEC);
    fixture_at(&f, R(1))->down = false;
    CU_ASSERT_EQUAL(count(R(0), 1, 5, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(value_at(R(1)), 5);
}

static void elapse(usec us)
{
    for (; us > 0; us -= USEC_PER_SEC / 4)
        fixture_elapse(&f, USEC_PER_SEC / 4);
}

/* Requests 100 to 107 at all replicas, one at a time. */
static void count_eight(void)
{
    for (uint64_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(count(R((uint32_t)(i % 3)), 100 + i, 1, LEVEL_ALL), ERR_OK);
        fixture_elapse(&f, USEC_PER_MS);
    }
}

static void increments_become_a_sum(void)
{
    count_eight();
    CU_ASSERT_EQUAL(cells_at(R(0)), 8);
    elapse(FIXTURE_WINDOW / 2);
    CU_ASSERT_EQUAL(count(R(1), 103, 1, LEVEL_ALL), ERR_OK); /* again, and in time */
    CU_ASSERT_EQUAL(value_at(R(0)), 8);
    elapse(FIXTURE_WINDOW);
    CU_ASSERT_EQUAL(count(R(0), 200, 10, LEVEL_ALL), ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(value_at(R(i)), 18);
    CU_ASSERT(cells_at(R(0)) <= 4);
    CU_ASSERT(all_equal());
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, R(0))->coord).folds, 1);
}

/* Nobody knows what a replica that is away has: nothing is summed until it is back. */
static void a_dead_replica_keeps_increments(void)
{
    fixture_at(&f, R(2))->down = true;
    fixture_set_alive(&f, R(2), false);
    for (uint64_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(count(R(0), 100 + i, 1, LEVEL_QUORUM), ERR_OK);
    elapse(2 * FIXTURE_WINDOW);
    CU_ASSERT_EQUAL(count(R(0), 200, 1, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(cells_at(R(0)), 9);
    fixture_at(&f, R(2))->down = false;
    fixture_set_alive(&f, R(2), true);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_ALL), ERR_OK); /* repairs it */
    elapse(2 * FIXTURE_WINDOW);
    CU_ASSERT_EQUAL(count(R(0), 201, 1, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(cells_at(R(0)), 9 + 1); /* it lacks their dots, which only healing brings */
    CU_ASSERT_EQUAL(value_at(R(2)), 10);
}

/* A forward that was held up, of a request that another replica took long ago. */
static void a_late_forward_does_not_count(void)
{
    struct buf part;
    int64_t then = f.now.wall;
    struct part p = fixture_increment(&f, "k", "r", 103, 1, then);
    struct wire_message m = {.type = WIRE_FORWARD};
    buf_init(&part, 1 << 16);
    part_encode(&p, &part);
    m.forward = (struct wire_forward){.request = 77,
                                      .timeout_us = 2 * USEC_PER_SEC,
                                      .keyspace = KEYSPACE,
                                      .level = LEVEL_ALL,
                                      .kind = WRITE_COUNTER,
                                      .limit = INT64_MAX,
                                      .until = INT64_MAX,
                                      .part = buf_bytes(&part)};
    count_eight();
    elapse(2 * FIXTURE_WINDOW);
    CU_ASSERT_EQUAL(count(R(0), 200, 10, LEVEL_ALL), ERR_OK);
    CU_ASSERT(cells_at(R(1)) < 8);
    CU_ASSERT_TRUE(
        coord_receive(fixture_at(&f, R(1))->coord, f.now, fixture_stranger(&f, "k"), &m));
    fixture_settle(&f);
    CU_ASSERT_EQUAL(value_at(R(1)), 18);
    buf_close(&part);
}

static void a_deletion_takes_what_was_before(void)
{
    count_eight();
    elapse(2 * FIXTURE_WINDOW);
    CU_ASSERT_EQUAL(count(R(0), 200, 10, LEVEL_ALL), ERR_OK); /* a sum and one more */
    CU_ASSERT_EQUAL(fixture_delete(&f, R(1), "k", "r", f.now.wall, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(value_at(R(0)), NOTHING);
    fixture_elapse(&f, USEC_PER_MS);
    CU_ASSERT_EQUAL(count(R(2), 201, 3, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(value_at(R(0)), 3);
    CU_ASSERT(all_equal());
}

CU_TestInfo counters_tests[] = {
    {"a request counts once", a_request_counts_once},
    {"a request that two replicas took counts once", a_request_that_two_took_counts_once},
    {"what is known is not acked alone", what_is_known_is_not_acked_alone},
    {"increments become a sum", increments_become_a_sum},
    {"a dead replica keeps increments", a_dead_replica_keeps_increments},
    {"a late forward does not count", a_late_forward_does_not_count},
    {"a deletion takes what was before", a_deletion_takes_what_was_before},
    CU_TEST_INFO_NULL,
};
