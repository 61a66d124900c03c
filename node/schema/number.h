/* number.h - varint and decimal as numbers of any size (GMP). Private to this folder.
 *
 * Decimals are compared and ordered by their digits, never by bringing them to one scale: a scale
 * is a 32 bit number that a client chooses, and 10^scale would not fit in any memory.
 */
#ifndef TORC_NODE_SCHEMA_NUMBER_H
#define TORC_NODE_SCHEMA_NUMBER_H

#include "base/buf.h"

#include <gmp.h>

/* sign * 0.DIGITS * 10^point; DIGITS begins and ends with one of 1..9. Zero has sign 0 and no
 * digits. */
struct decimal {
    int sign;
    int64_t point;
    char *digits; /* '0' .. '9', owned */
    size_t count;
};

/* The number in serialized bytes (scale:i32, then a varint); short ones are zero. */
void decimal_read(struct bytes value, struct decimal *ret);
void decimal_close(struct decimal *d);
int decimal_compare(const struct decimal *a, const struct decimal *b);

/* Serialize in the one form that equal decimals share: no trailing zeros behind the point, scale 0
 * for whole numbers of at most DECIMAL_WHOLE_MAX digits, else no trailing zeros at all. */
#define DECIMAL_WHOLE_MAX 40
void decimal_put(const struct decimal *d, struct buf *out);

/* Read "-1.50e3" as BigDecimal does, keeping its scale. False when it is no number. */
bool decimal_from_text(struct bytes text, struct buf *out);
void decimal_print(struct bytes value, struct buf *out); /* as BigDecimal.toString */

/* A varint's bytes as a number, and back in the shortest form: one byte at least. */
void mpz_from_bytes(mpz_t z, struct bytes b);
void mpz_put(const mpz_t z, struct buf *out);

/* Two's complement, big endian: without superfluous leading bytes; a view. */
struct bytes varint_trim(struct bytes value);
int varint_compare(struct bytes a, struct bytes b);
bool varint_from_text(struct bytes text, struct buf *out);
void varint_print(struct bytes value, struct buf *out);

/* Java's Double.toString and Float.toString: shortest digits that read back, at least two. */
void double_print(double v, struct buf *out);
void float_print(float v, struct buf *out);

#endif
