/* Writes that are shown before they are over: what is written over them is later. */
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
    const struct history_end e = {.end = MS(end), .replicas = replicas, .told = true};
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

/* 10 is shown while it is on its way, 20 is written over it, and then 10 is acked by so many. */
static void seen_and_written_over(uint32_t acks)
{
    size_t w = put(0, 10);
    CU_ASSERT(reads(5, 8, 10));
    acked(put(10, 20), 12, 2);
    acked(w, 40, acks);
}

static void who_was_seen_does_not_win_over_who_saw_it(void)
{
    seen_and_written_over(2);
    CU_ASSERT(reads(41, 43, 20));
    CU_ASSERT(!reads(44, 46, 10));
}

static void nor_when_nobody_has_seen_the_other(void)
{
    seen_and_written_over(2);
    CU_ASSERT(!reads(41, 43, 10));
}

/* Who writes without having seen it may be the older one. */
static void what_was_not_seen_may_win(void)
{
    size_t w = put(0, 10);
    acked(put(10, 20), 12, 2);
    acked(w, 40, 2);
    CU_ASSERT(reads(41, 43, 10));
}

/* At ONE it may be stamped again whatever was seen of it. */
static void what_few_acked_may_win(void)
{
    seen_and_written_over(1);
    CU_ASSERT(reads(41, 43, 10));
}

CU_TestInfo pending_tests[] = {
    {"who was seen does not win over who saw it", who_was_seen_does_not_win_over_who_saw_it},
    {"nor when nobody has seen the other", nor_when_nobody_has_seen_the_other},
    {"what was not seen may win", what_was_not_seen_may_win},
    {"what few acked may win", what_few_acked_may_win},
    CU_TEST_INFO_NULL,
};
