/* Writes that are shown before they are over: the server may stamp them again. */
#include "node/sim/oracle/history.h"

#include <CUnit/CUnit.h>

#define MS(n) ((n)*USEC_PER_MS)

void pending_setup(void);
void pending_teardown(void);

static struct history *h;

void pending_setup(void)
{
    const struct history_config config = {.name = "cell", .replicas = 3, .skew_us = MS(5)};
    h = history_new(&config);
}

void pending_teardown(void)
{
    history_free(h);
}

static size_t put(int64_t start, int64_t value)
{
    size_t w = history_write(h, 0, 0, MS(start));
    history_put(h, w, 1, 0, value);
    return w;
}

static void acked(size_t w, int64_t end, uint32_t replicas)
{
    const struct history_end e = {.end = MS(end), .replicas = replicas};
    history_wrote(h, w, &e);
}

/* At QUORUM. */
static bool reads(int64_t start, int64_t end, int64_t value)
{
    const struct history_read r = {
        .client = 1, .replicas = 2, .start = MS(start), .end = MS(end), .key = 1};
    const struct history_row row = {0, value};
    struct errmsg why;
    return history_judge(h, &r, &row, 1, &why);
}

/* 10 is shown, loses to 20, which is acked, and is then stamped again. */
static size_t shown_and_overruled(void)
{
    size_t w = put(0, 10);
    CU_ASSERT(reads(5, 8, 10));
    acked(put(10, 20), 12, 2);
    return w;
}

static void who_began_before_it_won_may_show_the_other(void)
{
    acked(shown_and_overruled(), 40, 2);
    CU_ASSERT(reads(30, 45, 10));
    CU_ASSERT(reads(30, 50, 20)); /* it read before */
}

static void who_began_after_that_may_not(void)
{
    size_t w = shown_and_overruled();
    CU_ASSERT(reads(30, 35, 10)); /* it is not over */
    CU_ASSERT(reads(30, 36, 20));
    CU_ASSERT(!reads(37, 39, 20));
    acked(w, 40, 2);
    CU_ASSERT(!reads(41, 43, 20));
    CU_ASSERT(reads(41, 43, 10));
}

static void nor_who_began_after_it_was_over(void)
{
    acked(shown_and_overruled(), 40, 2);
    CU_ASSERT(reads(30, 50, 10));
    CU_ASSERT(!reads(41, 51, 20)); /* also if that is known only later */
    CU_ASSERT(reads(39, 52, 20));
}

/* What too few have acked, the quorum that began before it won need not have met. */
static void an_ack_of_one_settles_nothing(void)
{
    acked(shown_and_overruled(), 40, 1);
    CU_ASSERT(reads(39, 50, 10));
    CU_ASSERT(reads(41, 51, 20));
    CU_ASSERT(!reads(51, 53, 20));
}

/* The other one wins while it is not over: that may change. */
static void who_lost_while_it_was_not_over_may_win(void)
{
    size_t w = shown_and_overruled();
    CU_ASSERT(reads(38, 39, 20));
    acked(w, 40, 2);
    CU_ASSERT(reads(38, 42, 20)); /* it read before that */
    CU_ASSERT(reads(43, 44, 10));
    CU_ASSERT(!reads(45, 46, 20));
}

static void who_lost_when_it_was_over_has_lost(void)
{
    acked(shown_and_overruled(), 40, 2);
    CU_ASSERT(reads(41, 42, 20));
    CU_ASSERT(!reads(43, 44, 10));
}

CU_TestInfo pending_tests[] = {
    {"who began before it won may show the other", who_began_before_it_won_may_show_the_other},
    {"who began after that may not", who_began_after_that_may_not},
    {"nor who began after it was over", nor_who_began_after_it_was_over},
    {"an ack of one settles nothing", an_ack_of_one_settles_nothing},
    {"who lost while it was not over may win", who_lost_while_it_was_not_over_may_win},
    {"who lost when it was over has lost", who_lost_when_it_was_over_has_lost},
    CU_TEST_INFO_NULL,
};
