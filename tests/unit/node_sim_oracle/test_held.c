/* How many reads a history could have refused. */
#include "node/sim/oracle/history.h"

#include <CUnit/CUnit.h>

#define MS(n) ((n)*USEC_PER_MS)

/* Acked by two of three replicas, a millisecond later. */
static void write_at(struct history *h, int64_t start, int64_t value)
{
    size_t w = history_write(h, 0, 0, MS(start));
    if (value == HISTORY_NOTHING)
        history_delete(h, w, 1, 0, 0);
    else
        history_put(h, w, 1, 0, value);
    const struct history_end end = {.end = MS(start + 1), .replicas = 2};
    history_wrote(h, w, &end);
}

static bool read_at(struct history *h, int64_t start, int64_t value, uint32_t replicas)
{
    const struct history_read r = {
        .client = 1, .replicas = replicas, .start = MS(start), .end = MS(start + 1), .key = 1};
    const struct history_row row = {0, value};
    struct errmsg why;
    return history_judge(h, &r, &row, value != HISTORY_NOTHING, &why);
}

static void what_could_have_been_refused_is_held(void)
{
    const struct history_config config = {.name = "cell", .replicas = 3, .skew_us = MS(5)};
    struct history *h = history_new(&config);
    write_at(h, 0, 10);
    CU_ASSERT(read_at(h, 2, 10, 1) && history_held(h) == 0); /* it promises nothing */
    CU_ASSERT(read_at(h, 4, 10, 2) && history_held(h) == 1); /* nothing would be refused */
    write_at(h, 6, HISTORY_NOTHING);
    CU_ASSERT(read_at(h, 8, 10, 2) && history_held(h) == 1); /* too close to tell who is later */
    write_at(h, 20, HISTORY_NOTHING);
    CU_ASSERT(read_at(h, 22, HISTORY_NOTHING, 2) && history_held(h) == 2);
    CU_ASSERT(!read_at(h, 24, 10, 2) && history_held(h) == 2);
    history_free(h);
}

CU_TestInfo held_tests[] = {
    {"what could have been refused is held", what_could_have_been_refused_is_held},
    CU_TEST_INFO_NULL,
};
