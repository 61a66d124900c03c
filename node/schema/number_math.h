/* number_math.h - sums, products, quotients and elementary functions of varint and decimal values,
 * as Java's BigInteger and BigDecimal have them and Cassandra uses them: which digits come out, and
 * with which scale.
 *
 * Values are their serialized bytes and must not be empty. A client chooses scales, and so
 * 10^scale: what would need more than NUMBER_DIGITS_MAX digits on the way fails with
 * "Overflow", which is ERR_INVALID like a division by zero; the words are Cassandra's.
 */
#ifndef TORC_NODE_SCHEMA_NUMBER_MATH_H
#define TORC_NODE_SCHEMA_NUMBER_MATH_H

#include "base/buf.h"

#define NUMBER_DIGITS_MAX     400000 /* what any number may have on the way */
#define DECIMAL_PRECISION_MAX 10000  /* digits of sums and products; Cassandra's */

/* op: one of + - * / %. Append the result. */
enum err varint_apply(char op, struct bytes a, struct bytes b, struct buf *out,
                      struct errmsg *e) MUST_CHECK;
/* Quotients have 32 digits behind the first or more, half up, and no zeros at their end. */
enum err decimal_apply(char op, struct bytes a, struct bytes b, struct buf *out,
                       struct errmsg *e) MUST_CHECK;

enum number_function {
    NUMBER_NEGATE,
    NUMBER_ABS,
    NUMBER_ROUND, /* half up */
    NUMBER_EXP,   /* these three: 32 digits, or as many as the argument has */
    NUMBER_LOG,
    NUMBER_LOG10,
};
enum err varint_function(enum number_function f, struct bytes a, struct buf *out,
                         struct errmsg *e) MUST_CHECK;
enum err decimal_function(enum number_function f, struct bytes a, struct buf *out,
                          struct errmsg *e) MUST_CHECK;

/* From and to machine numbers and each other; towards zero. (Doubles: arithmetic.h.) */
void varint_from_int(int64_t v, struct buf *out);
int64_t varint_to_int(struct bytes v); /* its low 64 bits */
double varint_to_double(struct bytes v);
void decimal_from_varint(struct bytes v, struct buf *out);
enum err decimal_to_varint(struct bytes v, struct buf *out, struct errmsg *e) MUST_CHECK;

#endif
