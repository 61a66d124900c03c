/* What may be told of statements with IF. */
#include "node/sim/oracle/conditional.h"

#include <CUnit/CUnit.h>

static struct linear *l;

static void say(struct linear_op op, usec end, int64_t output)
{
    linear_answer(l, linear_call(l, &op), end, output);
}

static enum linear_verdict judged(void)
{
    struct errmsg why;
    enum linear_verdict verdict = linear_check(l, NULL, &why);
    linear_free(l);
    return verdict;
}

static void good(void)
{
    l = linear_new(&linear_conditional);
    say(conditional_change(1, 1, 0, CONDITIONAL_EQ, 0, 5), 10, CONDITIONAL_APPLIED);
    say(conditional_change(1, 2, 5, CONDITIONAL_EQ, 0, 6), 20, 5);
    say(conditional_change(1, 2, 21, CONDITIONAL_NE, 9, 7), 30, CONDITIONAL_APPLIED);
    say(conditional_change(1, 2, 31, CONDITIONAL_LT, 3, 8), 40, 7);
    say(conditional_change(1, 2, 41, CONDITIONAL_GT, 3, 0), 50, CONDITIONAL_APPLIED);
    say(conditional_change(1, 2, 51, CONDITIONAL_EXISTS, 0, 1), 60, 0);
    say(conditional_read(1, 3, 61), 70, 0);
    say(conditional_append(2, 1, 0, 0, 4), 10, CONDITIONAL_APPLIED);
    say(conditional_append(2, 1, 11, 0, 5), 20, 1);
    say(conditional_read(2, 1, 21), 30, conditional_fold(0, 4));
    CU_ASSERT_EQUAL(judged(), LINEAR_GOOD);
}

/* What nobody was answered to may have been done, later too, but once only. */
static void open_ends(void)
{
    struct linear_op lost = conditional_change(1, 1, 0, CONDITIONAL_EQ, 0, 5);
    l = linear_new(&linear_conditional);
    (void)linear_call(l, &lost);
    say(conditional_read(1, 2, 10), 20, 0);
    say(conditional_read(1, 2, 30), 40, 5);
    say(conditional_change(1, 2, 50, CONDITIONAL_EQ, 5, 0), 60, CONDITIONAL_APPLIED);
    say(conditional_read(1, 2, 70), 80, 0);
    CU_ASSERT_EQUAL(judged(), LINEAR_GOOD);
    l = linear_new(&linear_conditional);
    (void)linear_call(l, &lost);
    say(conditional_read(1, 2, 30), 40, 5);
    say(conditional_change(1, 2, 50, CONDITIONAL_EQ, 5, 0), 60, CONDITIONAL_APPLIED);
    say(conditional_read(1, 2, 70), 80, 5);
    CU_ASSERT_EQUAL(judged(), LINEAR_BAD);
}

static void bad(void)
{
    l = linear_new(&linear_conditional); /* two that cannot both be */
    say(conditional_change(1, 1, 0, CONDITIONAL_EQ, 0, 5), 10, CONDITIONAL_APPLIED);
    say(conditional_change(1, 2, 0, CONDITIONAL_EQ, 0, 6), 10, CONDITIONAL_APPLIED);
    CU_ASSERT_EQUAL(judged(), LINEAR_BAD);
    l = linear_new(&linear_conditional); /* a refusal that tells what was not */
    say(conditional_change(1, 1, 0, CONDITIONAL_EQ, 0, 5), 10, CONDITIONAL_APPLIED);
    say(conditional_change(1, 2, 20, CONDITIONAL_EQ, 6, 7), 30, 4);
    CU_ASSERT_EQUAL(judged(), LINEAR_BAD);
    l = linear_new(&linear_conditional); /* back in time */
    say(conditional_append(1, 1, 0, 0, 4), 10, CONDITIONAL_APPLIED);
    say(conditional_append(1, 1, 11, 1, 5), 20, CONDITIONAL_APPLIED);
    say(conditional_read(1, 2, 21), 30, conditional_fold(0, 4));
    CU_ASSERT_EQUAL(judged(), LINEAR_BAD);
    l = linear_new(&linear_conditional); /* in the wrong order */
    say(conditional_append(1, 1, 0, 0, 4), 10, CONDITIONAL_APPLIED);
    say(conditional_append(1, 1, 11, 1, 5), 20, CONDITIONAL_APPLIED);
    say(conditional_read(1, 2, 21), 30, conditional_fold(conditional_fold(0, 5), 4));
    CU_ASSERT_EQUAL(judged(), LINEAR_BAD);
}

CU_TestInfo conditional_tests[] = {
    {"what can be", good},
    {"what nobody was answered to", open_ends},
    {"what cannot be", bad},
    CU_TEST_INFO_NULL,
};
