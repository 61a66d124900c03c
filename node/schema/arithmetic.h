/* arithmetic.h - + - * / % of values, as Cassandra calculates.
 *
 * Whole numbers wrap around in the type of the result; division cuts off. Numbers of any size are
 * number_math.h's. A timestamp or date may be
 * moved by a duration, texts may be joined. What type a result has is the caller's to say:
 * the wider of the two, a decimal where neither holds the other.
 */
#ifndef TORC_NODE_SCHEMA_ARITHMETIC_H
#define TORC_NODE_SCHEMA_ARITHMETIC_H

#include "node/schema/type.h"

/* The type of `left op right`; NULL when there is no such operation. */
const struct cql_type *arithmetic_type(char op, const struct cql_type *left,
                                       const struct cql_type *right);

/* Append the value. Both are valid and not empty. ERR_INVALID: why it cannot be had, "/ by zero".
 */
enum err arithmetic_apply(char op, const struct cql_type *left, struct bytes a,
                          const struct cql_type *right, struct bytes b, struct buf *out,
                          struct errmsg *ret_err) MUST_CHECK;

/* Append -a, of the same numeric type. */
void arithmetic_negate(const struct cql_type *type, struct bytes a, struct buf *out);

bool arithmetic_is_number(const struct cql_type *type); /* also counter */

/* Append a decimal divided by a count: of the same scale, halves to the even side. */
void decimal_share(struct bytes a, uint64_t count, struct buf *out);

/* Append a finite double as the decimal that it prints as. */
void decimal_from_double(double v, struct buf *out);
double decimal_to_double(struct bytes value);

#endif
