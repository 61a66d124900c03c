/* What a history says of deletes that are forgotten once all replicas have them, and of writes that
 * are acked without a warning. */
#include "node/sim/oracle/history.h"

#include <CUnit/CUnit.h>

#define MS(n)    ((n)*USEC_PER_MS)
#define REPLICAS 3

void forgotten_setup(void);
void forgotten_teardown(void);

static struct history *h;

void forgotten_setup(void)
{
    const struct history_config config = {"cell", REPLICAS, MS(5), true};
    h = history_new(&config);
}

void forgotten_teardown(void)
{
    history_free(h);
}

/* --- short words. Times are in ms; all is about cell 0 of partition 1. */

static size_t put_at(int64_t stamp, int64_t start, int64_t value)
{
    size_t w = history_write(h, 0, stamp, MS(start));
    history_put(h, w, 1, 0, value);
    return w;
}

static size_t delete_at(int64_t stamp, int64_t start, int64_t first, int64_t last)
{
    size_t w = history_write(h, 0, stamp, MS(start));
    history_delete(h, w, 1, first, last);
    return w;
}

static void acked(size_t w, int64_t end, uint32_t replicas)
{
    struct history_end e = {.end = MS(end), .replicas = replicas};
    history_wrote(h, w, &e);
}

static bool reads(int64_t start, int64_t end, int64_t value, uint32_t replicas)
{
    struct history_read r = {
        .client = 9, .replicas = replicas, .start = MS(start), .end = MS(end), .key = 1};
    struct history_row row = {0, value};
    struct errmsg why;
    return history_judge(h, &r, &row, value != HISTORY_NOTHING, &why);
}

/* What comes after a delete, with an older timestamp, may find it forgotten, and what it had
 * deleted too; what was over before it stays deleted. */
static void forgotten_deletes(void)
{
    acked(put_at(100, 0, 2), 10, 3);
    acked(put_at(90, 10, 1), 20, 3);
    acked(delete_at(110, 30, 0, 0), 40, 3);
    CU_ASSERT(!reads(50, 60, 2, 1));
    acked(put_at(80, 50, 3), 60, 3);
    CU_ASSERT(reads(70, 80, HISTORY_NOTHING, 3));
    CU_ASSERT(reads(70, 80, 3, 3));
    CU_ASSERT(!reads(80, 90, 1, 1));
    CU_ASSERT(!reads(80, 90, 2, 1));
    acked(put_at(120, 90, 4), 100, 3);
    CU_ASSERT(!reads(110, 120, 3, 1));
}

static void forgotten_ranges(void)
{
    acked(put_at(100, 0, 1), 10, 3);
    acked(delete_at(110, 20, -5, 5), 30, 3);
    acked(put_at(105, 40, 2), 50, 3);
    CU_ASSERT(reads(60, 70, 2, 3));
    CU_ASSERT(!reads(60, 70, 1, 3));
}

static void forgotten_expiries(void)
{
    size_t w = put_at(100, 0, 1);
    history_expires(h, w, MS(5000));
    acked(w, 10, 3);
    acked(put_at(90, 1000, 2), 1010, 3);
    CU_ASSERT(!reads(1020, 1030, 2, 1));
    acked(put_at(80, 9000, 3), 9010, 3);
    CU_ASSERT(!reads(9020, 9030, 2, 1));
    CU_ASSERT(reads(9020, 9030, 3, 1));
}

/* One of its attempts may come after the delete. */
static void forgotten_before_an_attempt(void)
{
    size_t w = put_at(100, 0, 1);
    struct history_end e = {.end = MS(10), .replicas = 3, .again = true};
    history_wrote(h, w, &e);
    acked(delete_at(110, 20, 0, 0), 30, 3);
    CU_ASSERT(reads(40, 50, HISTORY_NOTHING, 3));
    CU_ASSERT(reads(60, 70, 1, 3));
}

/* --- who was told that a write is done, and not that it is overruled */

static void told(size_t w, int64_t end, uint32_t replicas)
{
    struct history_end e = {.end = MS(end), .replicas = replicas, .told = true};
    history_wrote(h, w, &e);
}

static void told_what_cannot_be(void)
{
    acked(put_at(100, 0, 1), 10, 2);
    told(put_at(90, 20, 2), 30, 2);
    CU_ASSERT(!reads(40, 50, 1, 2));
    CU_ASSERT(reads(40, 50, 1, 1)); /* it need not have seen the second */
}

/* A delete that was known has been forgotten, then, by those that acked. The third may have it
 * still, and joined with what the others have it hides that; once it has the write it does not. */
static void told_after_a_delete(void)
{
    acked(put_at(90, 0, 1), 10, 2);
    acked(delete_at(100, 20, 0, 0), 30, 2);
    told(put_at(95, 40, 2), 50, 2);
    CU_ASSERT(!reads(60, 70, 1, 2));
    CU_ASSERT(reads(60, 70, HISTORY_NOTHING, 2));
    CU_ASSERT(reads(80, 90, 2, 2));
    history_all_equal(h, MS(100));
    CU_ASSERT(!reads(110, 120, HISTORY_NOTHING, 2));
    CU_ASSERT(!reads(110, 120, 1, 2));
    CU_ASSERT(reads(110, 120, 2, 2));
}

/* So with a delete of a range, and with what had expired. */
static void told_after_a_range(void)
{
    acked(delete_at(100, 0, -5, 5), 10, 3);
    told(put_at(95, 20, 1), 30, 2);
    CU_ASSERT(reads(40, 50, HISTORY_NOTHING, 2));
    history_all_equal(h, MS(60));
    CU_ASSERT(!reads(70, 80, HISTORY_NOTHING, 2));
}

static void told_after_an_expiry(void)
{
    size_t w = put_at(100, 0, 1);
    history_expires(h, w, MS(1000));
    acked(w, 10, 3);
    told(put_at(95, 5000, 2), 5010, 2);
    CU_ASSERT(reads(5020, 5030, HISTORY_NOTHING, 2));
    history_all_equal(h, MS(5040));
    CU_ASSERT(!reads(5050, 5060, HISTORY_NOTHING, 2));
}

/* What was not known by all that acked it, or came while it was written, may have come later. */
static void told_before_something_else(void)
{
    acked(delete_at(100, 0, 0, 0), 10, 1);
    told(put_at(90, 20, 1), 30, 2);
    CU_ASSERT(reads(40, 50, HISTORY_NOTHING, 2));
    acked(put_at(110, 60, 3), 75, 2);
    told(put_at(105, 70, 2), 80, 2);
    CU_ASSERT(reads(90, 100, 3, 2));
}

static void told_and_expired(void)
{
    acked(delete_at(100, 0, 0, 0), 10, 2);
    size_t w = put_at(90, 20, 1);
    history_expires(h, w, MS(5000));
    told(w, 30, 3);
    CU_ASSERT(!reads(40, 50, HISTORY_NOTHING, 2));
    CU_ASSERT(reads(9000, 9010, HISTORY_NOTHING, 2));
}

CU_TestInfo forgotten_tests[] = {
    {"deletes", forgotten_deletes},
    {"deletes of ranges", forgotten_ranges},
    {"expiries", forgotten_expiries},
    {"before an attempt", forgotten_before_an_attempt},
    {"who is told what cannot be", told_what_cannot_be},
    {"who is told after a delete", told_after_a_delete},
    {"who is told after a delete of a range", told_after_a_range},
    {"who is told after an expiry", told_after_an_expiry},
    {"who is told before something else", told_before_something_else},
    {"who is told, and it expired", told_and_expired},
    CU_TEST_INFO_NULL,
};
