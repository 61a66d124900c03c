/* number_exp.c - exp, log and log10 of decimals in fixed point: a number x is the integer x *
 * 2^bits.
 *
 * exp(x) = 10^n * exp(x - n*ln 10); the rest is halved until its series is short, and squared back.
 * log(x) with x = m * 2^k: k*ln 2 + 2*artanh((m-1)/(m+1)) after roots that bring m near 1.
 * Some bits more are carried than the digits need; the last place is right unless the true digits
 * behind it are a five or nothing for longer than these bits.
 */
#include "node/schema/number_big.h"

#define GUARD_BITS 96

/* How often a number is halved, or square roots are taken of it, so that its series is short: each
 * costs about as much as a term, and one bit. */
static unsigned steps_for(mp_bitcnt_t bits)
{
    unsigned steps = 16;
    while ((mp_bitcnt_t)steps * steps < bits)
        steps++;
    return steps;
}

static mp_bitcnt_t bits_for(size_t digits)
{
    return (mp_bitcnt_t)((double)digits * 3.3219280948873624) + GUARD_BITS;
}

static void fixed_mul(mpz_t ret, const mpz_t a, const mpz_t b, mp_bitcnt_t bits)
{
    mpz_mul(ret, a, b);
    mpz_tdiv_q_2exp(ret, ret, bits);
}

/* 2*artanh(n/d) = 2 * sum (n/d)^(2i+1) / (2i+1), of a fixed point number y = n/d. */
static void twice_artanh(mpz_t ret, const mpz_t y, mp_bitcnt_t bits)
{
    mpz_t power;
    mpz_t square;
    mpz_t part;
    mpz_init_set(power, y);
    mpz_init(square);
    mpz_init(part);
    fixed_mul(square, y, y, bits);
    mpz_set_ui(ret, 0);
    for (unsigned long i = 1; mpz_sgn(power) != 0; i += 2) {
        mpz_tdiv_q_ui(part, power, i);
        mpz_add(ret, ret, part);
        fixed_mul(power, power, square, bits);
    }
    mpz_mul_2exp(ret, ret, 1);
    mpz_clear(power);
    mpz_clear(square);
    mpz_clear(part);
}

/* ret += times * artanh(1/n): its terms need no more than divisions by small numbers. */
static void add_artanh(mpz_t ret, unsigned long times, unsigned long n, mp_bitcnt_t bits)
{
    mpz_t power;
    mpz_t part;
    mpz_init_set_ui(power, times);
    mpz_init(part);
    mpz_mul_2exp(power, power, bits);
    mpz_tdiv_q_ui(power, power, n);
    for (unsigned long i = 1; mpz_sgn(power) != 0; i += 2) {
        mpz_tdiv_q_ui(part, power, i);
        mpz_add(ret, ret, part);
        mpz_tdiv_q_ui(power, power, n * n);
    }
    mpz_clear(power);
    mpz_clear(part);
}

static void log_10(mpz_t ret, mp_bitcnt_t bits) /* 10 = (32/30)^23 * (50/48)^17 * (162/160)^10 */
{
    mpz_set_ui(ret, 0);
    add_artanh(ret, 46, 31, bits);
    add_artanh(ret, 34, 49, bits);
    add_artanh(ret, 20, 161, bits);
}

/* |b| as fixed point; b is no larger than the bits allow. */
static void to_fixed(mpz_t ret, const struct big *b, mp_bitcnt_t bits)
{
    mpz_t power;
    mpz_init(power);
    big_power(power, (uint64_t)(b->scale < 0 ? -b->scale : b->scale));
    mpz_mul_2exp(ret, b->unscaled, bits);
    if (b->scale < 0)
        mpz_mul(ret, ret, power);
    else
        mpz_tdiv_q(ret, ret, power);
    mpz_clear(power);
}

/* From fixed point to `digits` decimal digits. It is rounded twice: SPARE_DIGITS make it unlikely
 * that the first time makes a half out of what was none. */
#define SPARE_DIGITS 20
static void from_fixed(struct big *ret, const mpz_t v, mp_bitcnt_t bits, size_t digits)
{
    mpz_t power;
    int64_t whole =
        mpz_sgn(v) == 0
            ? 0
            : (int64_t)(((double)mpz_sizeinbase(v, 2) - (double)bits) * 0.30102999566398120);
    int64_t scale = (int64_t)digits + SPARE_DIGITS - whole;
    mpz_init(power);
    if (scale < 0)
        scale = 0;
    big_power(power, (uint64_t)scale);
    mpz_mul(power, power, v);
    mpz_set_ui(ret->unscaled, 1);
    mpz_mul_2exp(ret->unscaled, ret->unscaled, bits);
    big_divide(ret->unscaled, power, ret->unscaled, BIG_HALF_EVEN);
    ret->scale = scale;
    mpz_clear(power);
    big_round(ret, digits, BIG_HALF_EVEN);
}

/* exp of 0 <= x < ln 10, in place */
static void fixed_exp(mpz_t x, mp_bitcnt_t bits, unsigned halvings)
{
    mpz_t part;
    mpz_t sum;
    mpz_init(part);
    mpz_init(sum);
    mpz_tdiv_q_2exp(x, x, halvings);
    mpz_set_ui(part, 1);
    mpz_mul_2exp(part, part, bits);
    for (unsigned long i = 1; mpz_sgn(part) != 0; i++) {
        mpz_add(sum, sum, part);
        fixed_mul(part, part, x, bits);
        mpz_tdiv_q_ui(part, part, i);
    }
    for (unsigned i = 0; i < halvings; i++)
        fixed_mul(sum, sum, sum, bits);
    mpz_swap(x, sum);
    mpz_clear(part);
    mpz_clear(sum);
}

enum err big_exp(struct big *b, size_t digits, struct errmsg *e)
{
    int64_t point = (int64_t)big_precision(b->unscaled) - b->scale; /* |b| < 10^point */
    if (mpz_sgn(b->unscaled) == 0) {
        mpz_set_ui(b->unscaled, 1);
        b->scale = 0;
        return ERR_OK;
    }
    if (point > 10)
        return big_overflow(e);
    if (point < -(int64_t)digits - 1) { /* so near 1 that no digit shows it */
        mpz_set_ui(b->unscaled, 1);
        b->scale = 0;
        return big_set_scale(b, (int64_t)digits - 1, e);
    }
    unsigned halvings = steps_for(bits_for(digits));
    mp_bitcnt_t bits = bits_for(digits) + 64 + halvings;
    mpz_t x;
    mpz_t ln10;
    mpz_t n;
    mpz_init(x);
    mpz_init(ln10);
    mpz_init(n);
    to_fixed(x, b, bits);
    log_10(ln10, bits);
    mpz_fdiv_qr(n, x, x, ln10); /* 0 <= x < ln 10 */
    int64_t power = mpz_get_si(n);
    fixed_exp(x, bits, halvings);
    from_fixed(b, x, bits, digits);
    b->scale -= power;
    mpz_clear(x);
    mpz_clear(ln10);
    mpz_clear(n);
    return b->scale > INT32_MIN && b->scale < INT32_MAX ? ERR_OK : big_overflow(e);
}

/* ln b in fixed point; b > 0. */
static void fixed_log(mpz_t ret, const struct big *b, mp_bitcnt_t bits, unsigned roots)
{
    mpz_t m;
    mpz_t one;
    mpz_t part;
    struct big digits; /* b without its power of ten: 1 <= digits < 10 */
    int64_t power = (int64_t)big_precision(b->unscaled) - 1 - b->scale;
    mpz_init(m);
    mpz_init_set_ui(one, 1);
    mpz_init(part);
    mpz_mul_2exp(one, one, bits);
    big_init(&digits);
    mpz_set(digits.unscaled, b->unscaled);
    digits.scale = b->scale + power;
    to_fixed(m, &digits, bits);
    for (unsigned i = 0; i < roots; i++) {
        mpz_mul_2exp(m, m, bits);
        mpz_sqrt(m, m);
    }
    mpz_sub(part, m, one);
    mpz_add(m, m, one);
    mpz_mul_2exp(part, part, bits);
    mpz_tdiv_q(part, part, m);
    twice_artanh(ret, part, bits);
    mpz_mul_2exp(ret, ret, roots);
    log_10(part, bits);
    mpz_mul_si(part, part, (long)power);
    mpz_add(ret, ret, part);
    big_close(&digits);
    mpz_clear(m);
    mpz_clear(one);
    mpz_clear(part);
}

static bool is_one(const struct big *b)
{
    struct big one;
    big_init(&one);
    mpz_set(one.unscaled, b->unscaled);
    one.scale = b->scale;
    big_strip(&one, INT64_MIN);
    bool yes = one.scale == 0 && mpz_cmp_ui(one.unscaled, 1) == 0;
    big_close(&one);
    return yes;
}

static void set_zero(struct big *b, int64_t scale)
{
    mpz_set_ui(b->unscaled, 0);
    b->scale = scale;
}

/* Near 1 the logarithm is small: as many bits more as the digits of b let it be small. */
static mp_bitcnt_t log_bits(const struct big *b, size_t digits)
{
    return bits_for(digits + big_precision(b->unscaled)) + 64;
}

enum err big_log(struct big *b, size_t digits, struct errmsg *e)
{
    mpz_t x;
    (void)e;
    if (is_one(b)) {
        set_zero(b, 0);
        return ERR_OK;
    }
    unsigned roots = steps_for(bits_for(digits));
    mp_bitcnt_t bits = log_bits(b, digits) + roots;
    mpz_init(x);
    fixed_log(x, b, bits, roots);
    from_fixed(b, x, bits, digits);
    mpz_clear(x);
    return ERR_OK;
}

/* As Cassandra's library has it: both logarithms cut to two digits more than are wanted, then their
 * quotient. What divides without a rest so loses its zeros. */
enum err big_log10(struct big *b, size_t digits, struct errmsg *e)
{
    struct big ln10;
    mpz_t rest;
    big_init(&ln10);
    mpz_set_ui(ln10.unscaled, 10);
    enum err err = big_log(b, digits + 2, e);
    if (err == ERR_OK)
        err = big_log(&ln10, digits + 2, e);
    if (err != ERR_OK) {
        big_close(&ln10);
        return err;
    }
    int64_t wanted = b->scale - ln10.scale;
    int64_t more =
        (int64_t)(digits + 3 + big_precision(ln10.unscaled)) - (int64_t)big_precision(b->unscaled);
    mpz_init(rest);
    if (mpz_sgn(b->unscaled) == 0)
        more = 0;
    big_power(rest, (uint64_t)more);
    mpz_mul(b->unscaled, b->unscaled, rest);
    mpz_tdiv_qr(b->unscaled, rest, b->unscaled, ln10.unscaled);
    b->scale = wanted + more;
    if (mpz_sgn(rest) == 0) {
        big_strip(b, wanted);
    } else { /* a digit that says: not exactly a half */
        mpz_mul_ui(b->unscaled, b->unscaled, 10);
        mpz_set_si(rest, mpz_sgn(b->unscaled));
        mpz_add(b->unscaled, b->unscaled, rest);
        b->scale++;
    }
    big_round(b, digits + 2, BIG_HALF_EVEN);
    big_round(b, digits, BIG_HALF_EVEN);
    mpz_clear(rest);
    big_close(&ln10);
    return ERR_OK;
}
