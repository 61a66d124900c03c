#include "node/schema/number_big.h"

#include "base/mem.h"

#include <string.h>

void big_init(struct big *b)
{
    mpz_init(b->unscaled);
    b->scale = 0;
}

void big_close(struct big *b)
{
    mpz_clear(b->unscaled);
}

void big_read(struct bytes value, struct big *ret)
{
    struct reader r = reader_make(value);
    big_init(ret);
    ret->scale = read_i32(&r);
    mpz_from_bytes(ret->unscaled, read_rest(&r));
}

enum err big_overflow(struct errmsg *e)
{
    return errmsg_set(e, ERR_INVALID, "Overflow");
}

enum err big_put(const struct big *b, struct buf *out, struct errmsg *e)
{
    if (b->scale > INT32_MAX)
        return errmsg_set(e, ERR_INVALID, "Underflow");
    if (b->scale < INT32_MIN)
        return big_overflow(e);
    buf_put_i32(out, (int32_t)b->scale);
    mpz_put(b->unscaled, out);
    return ERR_OK;
}

size_t big_precision(const mpz_t v)
{
    size_t digits = mpz_sizeinbase(v, 10); /* exact, or one too many */
    if (digits < 2)
        return 1;
    mpz_t power;
    mpz_init(power);
    big_power(power, digits - 1);
    if (mpz_cmpabs(v, power) < 0)
        digits--;
    mpz_clear(power);
    return digits;
}

void big_power(mpz_t ret, uint64_t n)
{
    mpz_ui_pow_ui(ret, 10, (unsigned long)n);
}

void big_divide(mpz_t ret, const mpz_t v, const mpz_t by, enum big_rounding rounding)
{
    mpz_t q;
    mpz_t rest;
    mpz_init(q);
    mpz_init(rest);
    int sign = mpz_sgn(v) * mpz_sgn(by);
    mpz_tdiv_qr(q, rest, v, by);
    mpz_mul_2exp(rest, rest, 1);
    int half = mpz_cmpabs(rest, by); /* what is left against a half */
    bool up = rounding == BIG_HALF_UP     ? half >= 0
              : rounding == BIG_HALF_EVEN ? half > 0 || (half == 0 && mpz_odd_p(q))
                                          : false;
    if (up && sign > 0)
        mpz_add_ui(q, q, 1);
    else if (up)
        mpz_sub_ui(q, q, 1);
    mpz_swap(ret, q);
    mpz_clear(q);
    mpz_clear(rest);
}

static void drop_digits(struct big *b, uint64_t n, enum big_rounding rounding)
{
    mpz_t power;
    mpz_init(power);
    big_power(power, n);
    big_divide(b->unscaled, b->unscaled, power, rounding);
    b->scale -= (int64_t)n;
    mpz_clear(power);
}

void big_round(struct big *b, size_t digits, enum big_rounding rounding)
{
    size_t have = big_precision(b->unscaled);
    while (have > digits) { /* twice when 9.99 became 10.0 */
        drop_digits(b, have - digits, rounding);
        have = big_precision(b->unscaled);
    }
}

void big_strip(struct big *b, int64_t scale)
{
    if (mpz_sgn(b->unscaled) == 0)
        return;
    while (b->scale > scale && mpz_divisible_ui_p(b->unscaled, 10)) {
        mpz_divexact_ui(b->unscaled, b->unscaled, 10);
        b->scale--;
    }
}

enum err big_set_scale(struct big *b, int64_t scale, struct errmsg *e)
{
    int64_t more = scale - b->scale;
    if (more > NUMBER_DIGITS_MAX && mpz_sgn(b->unscaled) != 0)
        return big_overflow(e);
    if (more > 0 && mpz_sgn(b->unscaled) != 0) {
        mpz_t power;
        mpz_init(power);
        big_power(power, (uint64_t)more);
        mpz_mul(b->unscaled, b->unscaled, power);
        mpz_clear(power);
    } else if (-more > (int64_t)big_precision(b->unscaled)) {
        mpz_set_ui(b->unscaled, 0); /* less than a tenth of the last place */
    } else if (more < 0) {
        drop_digits(b, (uint64_t)-more, BIG_HALF_UP);
    }
    b->scale = scale;
    return ERR_OK;
}
