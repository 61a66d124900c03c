#include "node/schema/number_math.h"

#include "base/mem.h"
#include "node/schema/arithmetic.h"
#include "node/schema/number_big.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUOTIENT_DIGITS    32 /* of a quotient of decimals, at least */
#define QUOTIENT_SCALE_MAX 1000
#define FUNCTION_DIGITS    32 /* of exp, log, log10, at least */

/* --- varint */

enum err varint_apply(char op, struct bytes a, struct bytes b, struct buf *out, struct errmsg *e)
{
    mpz_t x;
    mpz_t y;
    if (a.len + b.len > NUMBER_DIGITS_MAX)
        return big_overflow(e);
    mpz_init(x);
    mpz_init(y);
    mpz_from_bytes(x, a);
    mpz_from_bytes(y, b);
    enum err err = ERR_OK;
    if ((op == '/' || op == '%') && mpz_sgn(y) == 0)
        err = errmsg_set(e, ERR_INVALID, "BigInteger divide by zero");
    else if (op == '+')
        mpz_add(x, x, y);
    else if (op == '-')
        mpz_sub(x, x, y);
    else if (op == '*')
        mpz_mul(x, x, y);
    else if (op == '/')
        mpz_tdiv_q(x, x, y);
    else
        mpz_tdiv_r(x, x, y);
    if (err == ERR_OK)
        mpz_put(x, out);
    mpz_clear(x);
    mpz_clear(y);
    return err;
}

/* --- decimal */

/* Of a sum the smaller number is only its sign when it is too far below the last digit. */
static void limit_small(const struct big *large, struct big *small)
{
    int64_t last = large->scale - (int64_t)big_precision(large->unscaled) + DECIMAL_PRECISION_MAX;
    int64_t high = small->scale - (int64_t)big_precision(small->unscaled) + 1;
    if (high > large->scale + 2 && high > last + 2) {
        small->scale = (large->scale > last ? large->scale : last) + 3;
        mpz_set_si(small->unscaled, mpz_sgn(small->unscaled));
    }
}

/* To one of the two zero: the other, in the scale of both as far as its digits reach. */
static enum err sum_with_zero(struct big *b, int64_t scale, struct errmsg *e)
{
    if (mpz_sgn(b->unscaled) == 0) {
        b->scale = scale;
        return ERR_OK;
    }
    big_round(b, DECIMAL_PRECISION_MAX, BIG_HALF_UP);
    if (b->scale > scale) {
        big_strip(b, scale);
        return ERR_OK;
    }
    int64_t room = DECIMAL_PRECISION_MAX - (int64_t)big_precision(b->unscaled);
    return big_set_scale(b, scale - b->scale <= room ? scale : b->scale + room, e);
}

/* a += b, rounded to `digits` when that is not 0. */
static enum err add(struct big *a, struct big *b, size_t digits, struct errmsg *e)
{
    int64_t scale = a->scale > b->scale ? a->scale : b->scale;
    if (digits > 0 && (mpz_sgn(a->unscaled) == 0 || mpz_sgn(b->unscaled) == 0)) {
        if (mpz_sgn(a->unscaled) == 0) {
            mpz_swap(a->unscaled, b->unscaled);
            a->scale = b->scale;
        }
        return sum_with_zero(a, scale, e);
    }
    if (digits > 0 && a->scale != b->scale) {
        limit_small(a->scale < b->scale ? a : b, a->scale < b->scale ? b : a);
        scale = a->scale > b->scale ? a->scale : b->scale;
    }
    enum err err = big_set_scale(a, scale, e);
    if (err == ERR_OK)
        err = big_set_scale(b, scale, e);
    if (err != ERR_OK)
        return err;
    mpz_add(a->unscaled, a->unscaled, b->unscaled);
    if (digits > 0)
        big_round(a, digits, BIG_HALF_UP);
    return ERR_OK;
}

static void multiply(struct big *a, const struct big *b)
{
    mpz_mul(a->unscaled, a->unscaled, b->unscaled);
    a->scale += b->scale;
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static enum err divide(struct big *a, struct big *b, struct errmsg *e)
{
    if (mpz_sgn(b->unscaled) == 0)
        return errmsg_set(e, ERR_INVALID, "BigInteger divide by zero");
    int64_t a_point = (int64_t)big_precision(a->unscaled) - a->scale;
    int64_t b_point = (int64_t)big_precision(b->unscaled) - b->scale;
    int64_t scale = at_least(QUOTIENT_DIGITS - (a_point - b_point), a->scale);
    scale = at_least(at_least(scale, b->scale), QUOTIENT_DIGITS);
    if (scale > QUOTIENT_SCALE_MAX)
        scale = QUOTIENT_SCALE_MAX;
    enum err err = scale + b->scale > a->scale ? big_set_scale(a, scale + b->scale, e)
                                               : big_set_scale(b, a->scale - scale, e);
    if (err != ERR_OK)
        return err;
    big_divide(a->unscaled, a->unscaled, b->unscaled, BIG_HALF_UP);
    a->scale = mpz_sgn(a->unscaled) == 0 ? 0 : scale;
    big_strip(a, INT64_MIN);
    return ERR_OK;
}

/* Both at one scale: the rest has it, unless zeros at the end of the whole quotient take it away.
 */
static enum err modulo(struct big *a, struct big *b, struct errmsg *e)
{
    if (mpz_sgn(b->unscaled) == 0)
        return errmsg_set(e, ERR_INVALID,
                          mpz_sgn(a->unscaled) == 0 ? "Division undefined" : "Division by zero");
    struct big q;
    big_init(&q);
    int64_t wanted = a->scale - b->scale; /* of the quotient */
    int64_t a_scale = a->scale;
    int64_t b_scale = b->scale;
    int64_t scale = at_least(a->scale, b->scale);
    enum err err = big_set_scale(a, scale, e);
    if (err == ERR_OK)
        err = big_set_scale(b, scale, e);
    if (err == ERR_OK) {
        mpz_tdiv_qr(q.unscaled, a->unscaled, a->unscaled, b->unscaled);
        bool none = mpz_sgn(q.unscaled) == 0;
        big_strip(&q, wanted);
        if (none || q.scale < wanted)
            q.scale = wanted;
        int64_t rest_scale = at_least(a_scale, q.scale + b_scale);
        a->scale = scale;
        err = big_set_scale(a, rest_scale, e); /* exact: what is dropped are zeros */
    }
    big_close(&q);
    return err;
}

enum err decimal_apply(char op, struct bytes a, struct bytes b, struct buf *out, struct errmsg *e)
{
    struct big x;
    struct big y;
    if (a.len + b.len > NUMBER_DIGITS_MAX)
        return big_overflow(e);
    big_read(a, &x);
    big_read(b, &y);
    enum err err = ERR_OK;
    if (op == '-')
        mpz_neg(y.unscaled, y.unscaled);
    if (op == '+' || op == '-') {
        err = add(&x, &y, DECIMAL_PRECISION_MAX, e);
    } else if (op == '*') {
        multiply(&x, &y);
        big_round(&x, DECIMAL_PRECISION_MAX, BIG_HALF_UP);
    } else {
        err = op == '/' ? divide(&x, &y, e) : modulo(&x, &y, e);
    }
    if (err == ERR_OK)
        err = big_put(&x, out, e);
    big_close(&x);
    big_close(&y);
    return err;
}

void decimal_share(struct bytes a, uint64_t count, struct buf *out)
{
    struct big b;
    mpz_t n;
    big_read(a, &b);
    mpz_init_set_ui(n, (unsigned long)count);
    big_divide(b.unscaled, b.unscaled, n, BIG_HALF_EVEN);
    enum err err = big_put(&b, out, NULL);
    ASSERT(err == ERR_OK); /* the scale is what it was */
    mpz_clear(n);
    big_close(&b);
}

/* --- functions of one number */

static enum err elementary(enum number_function f, struct big *b, struct errmsg *e)
{
    size_t digits = big_precision(b->unscaled);
    if (digits < FUNCTION_DIGITS)
        digits = FUNCTION_DIGITS;
    if (digits > DECIMAL_PRECISION_MAX)
        digits = DECIMAL_PRECISION_MAX;
    if (f == NUMBER_EXP)
        return big_exp(b, digits, e);
    if (big_precision(b->unscaled) > DECIMAL_PRECISION_MAX)
        return big_overflow(e); /* near 1 all its digits count: this would take long */
    if (mpz_sgn(b->unscaled) <= 0)
        return errmsg_set(e, ERR_INVALID, "%s of number zero or less",
                          f == NUMBER_LOG ? "Natural log" : "Log10");
    return f == NUMBER_LOG ? big_log(b, digits, e) : big_log10(b, digits, e);
}

static enum err apply(enum number_function f, struct big *b, struct errmsg *e)
{
    switch (f) {
    case NUMBER_NEGATE: mpz_neg(b->unscaled, b->unscaled); return ERR_OK;
    case NUMBER_ABS: mpz_abs(b->unscaled, b->unscaled); return ERR_OK;
    case NUMBER_ROUND: return big_set_scale(b, 0, e);
    default: return elementary(f, b, e);
    }
}

enum err decimal_function(enum number_function f, struct bytes a, struct buf *out, struct errmsg *e)
{
    struct big b;
    big_read(a, &b);
    enum err err = apply(f, &b, e);
    if (err == ERR_OK)
        err = big_put(&b, out, e);
    big_close(&b);
    return err;
}

/* To a whole number, towards zero. */
static enum err truncate_to_whole(struct big *b, struct errmsg *e)
{
    if (b->scale <= 0)
        return big_set_scale(b, 0, e);
    if (b->scale > (int64_t)big_precision(b->unscaled)) {
        mpz_set_ui(b->unscaled, 0);
    } else {
        mpz_t power;
        mpz_init(power);
        big_power(power, (uint64_t)b->scale);
        mpz_tdiv_q(b->unscaled, b->unscaled, power);
        mpz_clear(power);
    }
    b->scale = 0;
    return ERR_OK;
}

enum err varint_function(enum number_function f, struct bytes a, struct buf *out, struct errmsg *e)
{
    struct big b;
    big_init(&b);
    mpz_from_bytes(b.unscaled, a);
    enum err err = apply(f, &b, e);
    if (err == ERR_OK)
        err = truncate_to_whole(&b, e);
    if (err == ERR_OK)
        mpz_put(b.unscaled, out);
    big_close(&b);
    return err;
}

/* --- from and to machine numbers */

void varint_from_int(int64_t v, struct buf *out)
{
    uint8_t b[8];
    store_u64(b, (uint64_t)v);
    buf_put_bytes(out, varint_trim(bytes_make(b, sizeof b)));
}

int64_t varint_to_int(struct bytes v)
{
    uint64_t low = v.len > 0 && v.data[0] >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = v.len > 8 ? v.len - 8 : 0; i < v.len; i++)
        low = low << 8 | v.data[i];
    return (int64_t)low;
}

/* Printed and read again: strtod rounds to the nearest, as Java does. */
double varint_to_double(struct bytes v)
{
    struct buf b;
    v = varint_trim(v);
    if (v.len > 129) /* beyond 2^1024 */
        return v.data[0] < 0x80 ? INFINITY : -INFINITY;
    buf_init(&b, BUF_MAX_DEFAULT);
    varint_print(v, &b);
    buf_put_u8(&b, 0);
    double d = b.failed ? 0 : strtod((const char *)b.data, NULL);
    buf_close(&b);
    return d;
}

void decimal_from_varint(struct bytes v, struct buf *out)
{
    buf_put_i32(out, 0);
    buf_put_bytes(out, v);
}

enum err decimal_to_varint(struct bytes v, struct buf *out, struct errmsg *e)
{
    struct big b;
    big_read(v, &b);
    enum err err = truncate_to_whole(&b, e);
    if (err == ERR_OK)
        mpz_put(b.unscaled, out);
    big_close(&b);
    return err;
}
