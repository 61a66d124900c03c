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
    write_at(h, 20, HISTORY_NOTHING);
    CU_ASSERT(read_at(h, 22, HISTORY_NOTHING, 2) && history_held(h) == 2);
    CU_ASSERT(!read_at(h, 24, 10, 2) && history_held(h) == 2);
    history_free(h);
}

static void write_told(struct history *h, int64_t start, int64_t value, uint32_t replicas)
{
    size_t w = history_write(h, 0, 0, MS(start));
    history_put(h, w, 1, 0, value);
    const struct history_end end = {.end = MS(start + 1), .replicas = replicas, .told = true};
    history_wrote(h, w, &end);
}

/* Who acked the second had the first, and would have said so: whatever the clocks say. */
static void who_knew_of_the_other_is_later(void)
{
    const struct history_config config = {.name = "cell", .replicas = 3, .skew_us = MS(5)};
    struct history *h = history_new(&config);
    write_told(h, 0, 10, 2);
    write_told(h, 2, 20, 2);
    CU_ASSERT(!read_at(h, 4, 10, 2));
    CU_ASSERT(read_at(h, 4, 20, 2));
    write_told(h, 6, 30, 2);
    write_told(h, 8, 40, 1); /* perhaps by the third */
    CU_ASSERT(read_at(h, 10, 30, 2));
    write_at(h, 12, 50); /* a warning was possible */
    CU_ASSERT(read_at(h, 14, 30, 2));
    history_free(h);
    h = history_new(&config);
    write_told(h, 0, 10, 1);
    CU_ASSERT(read_at(h, 2, 10, 2)); /* repaired */
    write_told(h, 4, 20, 2);
    CU_ASSERT(!read_at(h, 6, 10, 2));
    history_free(h);
}

CU_TestInfo held_tests[] = {
    {"what could have been refused is held", what_could_have_been_refused_is_held},
    {"who knew of the other is later", who_knew_of_the_other_is_later},
    CU_TEST_INFO_NULL,
};
