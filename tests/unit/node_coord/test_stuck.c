/* Whose turn it is of hints that could not go, as steps. */
#include "node/coord/stuck.h"

#include <CUnit/CUnit.h>

#define S USEC_PER_SEC

static struct stuck stuck;
void stuck_setup(void);
void stuck_teardown(void);

void stuck_setup(void)
{
    stuck_init(&stuck);
}

void stuck_teardown(void)
{
    stuck_close(&stuck);
}

static bool passes(range_no range, uint64_t number, usec now)
{
    return stuck_passes(&stuck, 1, range, number, now);
}

static void a_range_has_a_pause_of_its_own(void)
{
    usec least;
    CU_ASSERT(!passes(7, 1, S));
    CU_ASSERT(stuck_note(&stuck, 1, 7, 1, S));
    CU_ASSERT(passes(7, 1, 2 * S - 1));
    CU_ASSERT(!passes(7, 1, 2 * S));
    CU_ASSERT(!passes(8, 1, S));
    CU_ASSERT(!stuck_passes(&stuck, 2, 7, 1, S));
    CU_ASSERT_EQUAL(stuck_count(&stuck, S, &least), 1);
    CU_ASSERT_EQUAL(least, S);
    CU_ASSERT(!stuck_is_due(&stuck, S) && stuck_is_due(&stuck, 2 * S));
}

/* All of a page are one failure. */
static void pauses_grow_to_a_bound(void)
{
    usec now = S;
    for (int i = 0; i < 8; i++) {
        usec pause = i < 5 ? S << i : STUCK_PAUSE_MAX;
        for (uint64_t number = 1; number < 5; number++)
            CU_ASSERT(stuck_note(&stuck, 1, 7, number, now));
        CU_ASSERT_EQUAL(stuck_failures(&stuck, 1, 7), (unsigned)i + 1);
        CU_ASSERT(passes(7, 1, now + pause - 1));
        now += pause;
        CU_ASSERT(!passes(7, 1, now));
    }
}

static void what_is_behind_has_its_turn(void)
{
    CU_ASSERT(stuck_note(&stuck, 1, 7, 1, S));
    CU_ASSERT(stuck_note(&stuck, 1, 7, 2, S));
    CU_ASSERT(passes(7, 3, S + 1)); /* it is met: there is more */
    CU_ASSERT(passes(7, 1, 2 * S));
    CU_ASSERT(passes(7, 2, 2 * S));
    CU_ASSERT(!passes(7, 3, 2 * S));
    CU_ASSERT(stuck_note(&stuck, 1, 7, 3, 2 * S)); /* that does not go, either; nor is there more */
    stuck_pass_end(&stuck, 3 * S);
    CU_ASSERT(passes(7, 1, 4 * S - 1));
    CU_ASSERT(!passes(7, 1, 4 * S));
}

static void the_first_have_theirs_when_a_pass_is_over(void)
{
    CU_ASSERT(stuck_note(&stuck, 1, 7, 1, S));
    CU_ASSERT(passes(7, 2, S + 1));
    stuck_pass_end(&stuck, 2 * S - 1);
    CU_ASSERT(passes(7, 1, 2 * S));
    CU_ASSERT(!passes(7, 2, 2 * S));
    stuck_pass_end(&stuck, 2 * S);
    CU_ASSERT(!passes(7, 1, 2 * S));
}

static void it_is_forgotten(void)
{
    CU_ASSERT(stuck_note(&stuck, 1, 7, 1, S));
    stuck_pass_end(&stuck, 2 * S + STUCK_FORGET - 1);
    CU_ASSERT_EQUAL(stuck_failures(&stuck, 1, 7), 1);
    stuck_pass_end(&stuck, 2 * S + STUCK_FORGET);
    CU_ASSERT_EQUAL(stuck_failures(&stuck, 1, 7), 0);
}

static void there_is_a_bound(void)
{
    for (range_no r = 0; r < STUCK_MAX; r++)
        CU_ASSERT(stuck_note(&stuck, 1, r, 1, S));
    CU_ASSERT(!stuck_note(&stuck, 1, STUCK_MAX, 1, S));
    CU_ASSERT(stuck_note(&stuck, 1, 0, 2, S));
}

CU_TestInfo stuck_tests[] = {
    {"a range has a pause of its own", a_range_has_a_pause_of_its_own},
    {"pauses grow to a bound", pauses_grow_to_a_bound},
    {"what is behind has its turn", what_is_behind_has_its_turn},
    {"the first have theirs when a pass is over", the_first_have_theirs_when_a_pass_is_over},
    {"it is forgotten", it_is_forgotten},
    {"there is a bound", there_is_a_bound},
    CU_TEST_INFO_NULL,
};
