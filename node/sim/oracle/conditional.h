/* conditional.h - what statements with IF may do and tell: an object for linear.h.
 *
 * The object is one number, 0 when it is not there, and how many appends it was made of. A change
 * has a condition on the number; it is told that it was applied, or what the number was instead.
 *
 *   change   if its condition holds the number becomes `next`
 *   append   if the object has seen so many appends, `value` is added to what the number stands for
 *   read     the number, or of a list what its values come to
 */
#ifndef TORC_NODE_SIM_ORACLE_CONDITIONAL_H
#define TORC_NODE_SIM_ORACLE_CONDITIONAL_H

#include "node/sim/oracle/linear.h"

enum conditional_test {
    CONDITIONAL_EQ, /* to 0: it is not there */
    CONDITIONAL_NE,
    CONDITIONAL_LT, /* it is there, and … */
    CONDITIONAL_GT,
    CONDITIONAL_EXISTS,
};

/* Outputs beside the number that was found. */
#define CONDITIONAL_APPLIED INT64_C(-1)
#define CONDITIONAL_REFUSED INT64_C(-2) /* not applied, and what was found is not told */

extern const struct linear_model linear_conditional;

struct linear_op conditional_change(uint32_t key, uint32_t client, usec call,
                                    enum conditional_test test, int64_t operand, int64_t next);

/* If there have been `count` appends. A refusal tells how many there were. */
struct linear_op conditional_append(uint32_t key, uint32_t client, usec call, int64_t count,
                                    int64_t value);
struct linear_op conditional_read(uint32_t key, uint32_t client, usec call);

/* What a list comes to, value by value from 0. Never negative. */
int64_t conditional_fold(int64_t list, int64_t value);

#endif
