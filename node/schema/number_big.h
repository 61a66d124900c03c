/* number_big.h - a decimal as unscaled digits and a scale. Private to number_*.c. */
#ifndef TORC_NODE_SCHEMA_NUMBER_BIG_H
#define TORC_NODE_SCHEMA_NUMBER_BIG_H

#include "node/schema/number.h"
#include "node/schema/number_math.h"

/* unscaled * 10^-scale */
struct big {
    mpz_t unscaled;
    int64_t scale;
};

void big_init(struct big *b);
void big_close(struct big *b);
void big_read(struct bytes value, struct big *ret); /* initializes it */
/* "Overflow" when the scale does not fit 32 bits. */
enum err big_put(const struct big *b, struct buf *out, struct errmsg *e) MUST_CHECK;

size_t big_precision(const mpz_t v);   /* decimal digits; 1 for zero */
void big_power(mpz_t ret, uint64_t n); /* 10^n */
enum err big_overflow(struct errmsg *e);

/* v / by, rounded; neither is changed. */
enum big_rounding { BIG_DOWN, BIG_HALF_UP, BIG_HALF_EVEN };
void big_divide(mpz_t ret, const mpz_t v, const mpz_t by, enum big_rounding rounding);

/* Cut to so many digits. */
void big_round(struct big *b, size_t digits, enum big_rounding rounding);
/* Drop zeros at the end while the scale is above `scale`. */
void big_strip(struct big *b, int64_t scale);
/* The scale may rise (zeros are added) or fall (half up). */
enum err big_set_scale(struct big *b, int64_t scale, struct errmsg *e) MUST_CHECK;

/* number_exp.c: of b, to so many digits, half even, in place. */
enum err big_exp(struct big *b, size_t digits, struct errmsg *e) MUST_CHECK;
enum err big_log(struct big *b, size_t digits, struct errmsg *e) MUST_CHECK;   /* b > 0 */
enum err big_log10(struct big *b, size_t digits, struct errmsg *e) MUST_CHECK; /* b > 0 */

#endif
