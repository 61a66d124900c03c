#include "node/schema/arithmetic.h"
#include "node/schema/number.h"
#include "node/schema/value.h"
#include "node/schema/value_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUOTIENT_DIGITS 32   /* significant digits of a quotient, and behind its point, at least */
#define QUOTIENT_SCALE  1000 /* digits behind its point, at most */
#define MS_PER_DAY      INT64_C(86400000)
#define NANOS_PER_MS    1000000
#define DATE_AT_EPOCH   INT64_C(0x80000000)

/* --- types */

static unsigned whole_size(const struct cql_type *t)
{
    switch (t->kind) {
    case CQL_TINYINT: return 1;
    case CQL_SMALLINT: return 2;
    case CQL_INT: return 4;
    case CQL_BIGINT:
    case CQL_COUNTER: return 8;
    case CQL_VARINT: return 16;
    default: return 0;
    }
}

static unsigned real_size(const struct cql_type *t)
{
    switch (t->kind) {
    case CQL_FLOAT: return 4;
    case CQL_DOUBLE: return 8;
    case CQL_DECIMAL: return 16;
    default: return 0;
    }
}

bool arithmetic_is_number(const struct cql_type *t)
{
    return whole_size(t) > 0 || real_size(t) > 0;
}

static bool is_string(const struct cql_type *t)
{
    return t->kind == CQL_TEXT || t->kind == CQL_ASCII;
}

static enum cql_kind wider(unsigned size, bool real)
{
    switch (size) {
    case 1: return CQL_TINYINT;
    case 2: return CQL_SMALLINT;
    case 4: return real ? CQL_FLOAT : CQL_INT;
    case 8: return real ? CQL_DOUBLE : CQL_BIGINT;
    default: return real ? CQL_DECIMAL : CQL_VARINT;
    }
}

const struct cql_type *arithmetic_type(char op, const struct cql_type *left,
                                       const struct cql_type *right)
{
    if (arithmetic_is_number(left) && arithmetic_is_number(right)) {
        unsigned a = whole_size(left) + real_size(left), b = whole_size(right) + real_size(right);
        bool real = real_size(left) > 0 || real_size(right) > 0;
        return cql_type_native(wider(a > b ? a : b, real));
    }
    if ((op == '+' || op == '-') && right->kind == CQL_DURATION &&
        (left->kind == CQL_TIMESTAMP || left->kind == CQL_DATE))
        return left;
    if (op == '+' && is_string(left) && is_string(right))
        return left->kind == right->kind ? left : cql_type_native(CQL_TEXT);
    return NULL;
}

/* --- whole numbers and floating point */

static int64_t read_whole(struct bytes b)
{
    uint64_t v = b.len > 0 && b.data[0] >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < b.len; i++)
        v = v << 8 | b.data[i];
    return (int64_t)v;
}

static void put_whole(int64_t v, unsigned size, struct buf *out)
{
    for (unsigned i = size; i-- > 0;)
        buf_put_u8(out, (uint8_t)((uint64_t)v >> (8 * i)));
}

static double read_real(const struct cql_type *t, struct bytes b)
{
    float f;
    double d;
    if (t->kind == CQL_FLOAT) {
        uint32_t bits = load_u32(b.data);
        memcpy(&f, &bits, sizeof f);
        return (double)f;
    }
    if (t->kind != CQL_DOUBLE)
        return (double)read_whole(b);
    uint64_t bits = load_u64(b.data);
    memcpy(&d, &bits, sizeof d);
    return d;
}

static void put_real(enum cql_kind kind, double d, struct buf *out)
{
    float f = (float)d;
    uint32_t small;
    uint64_t large;
    memcpy(&small, &f, sizeof small);
    memcpy(&large, &d, sizeof large);
    if (kind == CQL_FLOAT)
        buf_put_u32(out, small);
    else
        buf_put_u64(out, large);
}

static enum err whole_apply(char op, int64_t a, int64_t b, unsigned size, struct buf *out,
                            struct errmsg *e)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    if ((op == '/' || op == '%') && b == 0)
        return errmsg_set(e, ERR_INVALID, "/ by zero");
    switch (op) {
    case '+': x += y; break;
    case '-': x -= y; break;
    case '*': x *= y; break;
    case '/': x = b == -1 ? 0 - x : (uint64_t)(a / b); break;
    default: x = b == -1 ? 0 : (uint64_t)(a % b); break;
    }
    put_whole((int64_t)x, size, out);
    return ERR_OK;
}

/* In the type of the result: of two floats the float that is nearest at once. */
static void real_apply(char op, enum cql_kind kind, double a, double b, struct buf *out)
{
    if (kind == CQL_FLOAT) {
        a = (double)(float)a;
        b = (double)(float)b;
    }
    switch (op) {
    case '+': put_real(kind, a + b, out); break;
    case '-': put_real(kind, a - b, out); break;
    case '*': put_real(kind, a * b, out); break;
    case '/': put_real(kind, a / b, out); break;
    default: put_real(kind, fmod(a, b), out); break;
    }
}

/* --- numbers of any size: n * 10^-scale; a varint has scale 0 */
struct number {
    mpz_t n;
    int64_t scale;
};

static void number_close(struct number *x)
{
    mpz_clear(x->n);
}

static void read_decimal(struct bytes b, struct number *ret)
{
    ret->scale = b.len >= 4 ? (int32_t)load_u32(b.data) : 0;
    mpz_from_bytes(ret->n, b.len >= 4 ? bytes_make(b.data + 4, b.len - 4) : BYTES_NONE);
}

/* Any number, with ret->n initialised; fails for what is not finite. */
static enum err number_read(const struct cql_type *t, struct bytes b, struct number *ret,
                            struct errmsg *e)
{
    ret->scale = 0;
    if (t->kind == CQL_DECIMAL) {
        read_decimal(b, ret);
    } else if (t->kind == CQL_FLOAT || t->kind == CQL_DOUBLE) {
        double v = read_real(t, b);
        struct buf text;
        if (isnan(v))
            return errmsg_set(e, ERR_INVALID, "A NaN cannot be converted into a decimal");
        if (isinf(v))
            return errmsg_set(e, ERR_INVALID,
                              "An infinite number cannot be converted into a decimal");
        buf_init(&text, 64);
        decimal_from_double(v, &text);
        read_decimal(buf_bytes(&text), ret);
        buf_close(&text);
    } else {
        mpz_from_bytes(ret->n, b);
    }
    return ERR_OK;
}

static void times_power(mpz_t n, uint64_t power)
{
    mpz_t ten;
    mpz_init(ten);
    mpz_ui_pow_ui(ten, 10, (unsigned long)power);
    mpz_mul(n, n, ten);
    mpz_clear(ten);
}

static enum err too_long(struct errmsg *e)
{
    return errmsg_set(e, ERR_INVALID, "The result would have too many digits");
}

/* More digits, so that x has at least this scale. */
static enum err rescale(struct number *x, int64_t scale, struct errmsg *e)
{
    if (x->scale >= scale)
        return ERR_OK;
    if (mpz_sgn(x->n) != 0 && scale - x->scale > ARITHMETIC_SHIFT_MAX)
        return too_long(e);
    if (mpz_sgn(x->n) != 0)
        times_power(x->n, (uint64_t)(scale - x->scale));
    x->scale = scale;
    return ERR_OK;
}

static int64_t precision(const mpz_t n)
{
    size_t digits = mpz_sgn(n) == 0 ? 1 : mpz_sizeinbase(n, 10); /* that, or one too many */
    if (digits > 1) {
        mpz_t power;
        mpz_init(power);
        mpz_ui_pow_ui(power, 10, (unsigned long)digits - 1);
        digits -= mpz_cmpabs(n, power) < 0;
        mpz_clear(power);
    }
    return (int64_t)digits;
}

/* Drop zeros at the end, but keep this scale. */
static void strip_zeros(struct number *x, int64_t keep)
{
    if (mpz_sgn(x->n) == 0) {
        x->scale = keep > 0 ? keep : 0;
        return;
    }
    while (x->scale > keep && mpz_divisible_ui_p(x->n, 10)) {
        mpz_divexact_ui(x->n, x->n, 10);
        x->scale--;
    }
}

/* a := a / b with halves away from zero; a has the scale of the quotient plus that of b. */
static void divide_half_up(mpz_t a, const mpz_t b)
{
    mpz_t rest;
    int sign = mpz_sgn(a) * mpz_sgn(b);
    mpz_init(rest);
    mpz_tdiv_qr(a, rest, a, b);
    mpz_mul_2exp(rest, rest, 1);
    if (mpz_cmpabs(rest, b) >= 0) {
        if (sign < 0)
            mpz_sub_ui(a, a, 1);
        else
            mpz_add_ui(a, a, 1);
    }
    mpz_clear(rest);
}

static enum err decimal_divide(struct number *a, struct number *b, struct errmsg *e)
{
    if (mpz_sgn(b->n) == 0)
        return errmsg_set(e, ERR_INVALID, "BigInteger divide by zero");
    int64_t first = (precision(a->n) - a->scale) - (precision(b->n) - b->scale);
    int64_t scale = QUOTIENT_DIGITS - first;
    scale = scale > a->scale ? scale : a->scale;
    scale = scale > b->scale ? scale : b->scale;
    scale = scale > QUOTIENT_DIGITS ? scale : QUOTIENT_DIGITS;
    scale = scale < QUOTIENT_SCALE ? scale : QUOTIENT_SCALE;
    int64_t shift = scale + b->scale - a->scale; /* digits that a lacks */
    if (shift > ARITHMETIC_SHIFT_MAX || shift < -ARITHMETIC_SHIFT_MAX)
        return too_long(e);
    if (shift >= 0)
        times_power(a->n, (uint64_t)shift);
    else
        times_power(b->n, (uint64_t)-shift);
    divide_half_up(a->n, b->n);
    a->scale = scale;
    strip_zeros(a, -ARITHMETIC_SHIFT_MAX);
    return ERR_OK;
}

/* a - b * (a / b cut off); the scale is as BigDecimal's remainder has it. */
static enum err decimal_modulo(struct number *a, struct number *b, struct errmsg *e)
{
    struct number q;
    int64_t preferred = a->scale - b->scale;
    int64_t wanted = a->scale;
    if (mpz_sgn(b->n) == 0)
        return errmsg_set(e, ERR_INVALID, "Division by zero");
    int64_t b_scale = b->scale;
    enum err err = rescale(a, b_scale, e);
    if (err == ERR_OK)
        err = rescale(b, a->scale, e);
    if (err != ERR_OK)
        return err;
    mpz_init(q.n);
    q.scale = 0;
    mpz_tdiv_qr(q.n, a->n, a->n, b->n);
    if (mpz_sgn(q.n) == 0)
        q.scale = preferred;
    else
        strip_zeros(&q, preferred < 0 ? preferred : 0);
    int64_t product = q.scale + b_scale;
    wanted = product > wanted ? product : wanted;
    while (a->scale > wanted && mpz_divisible_ui_p(a->n, 10)) {
        mpz_divexact_ui(a->n, a->n, 10);
        a->scale--;
    }
    mpz_clear(q.n);
    return ERR_OK;
}

static enum err decimal_apply(char op, struct number *a, struct number *b, struct errmsg *e)
{
    if (op == '/')
        return decimal_divide(a, b, e);
    if (op == '%')
        return decimal_modulo(a, b, e);
    if (op == '*') {
        mpz_mul(a->n, a->n, b->n);
        a->scale += b->scale;
        return ERR_OK;
    }
    enum err err = rescale(a, b->scale, e);
    if (err == ERR_OK)
        err = rescale(b, a->scale, e);
    if (err != ERR_OK)
        return err;
    if (op == '+')
        mpz_add(a->n, a->n, b->n);
    else
        mpz_sub(a->n, a->n, b->n);
    return ERR_OK;
}

static enum err varint_apply(char op, struct number *a, const struct number *b, struct errmsg *e)
{
    if ((op == '/' || op == '%') && mpz_sgn(b->n) == 0)
        return errmsg_set(e, ERR_INVALID, "BigInteger divide by zero");
    switch (op) {
    case '+': mpz_add(a->n, a->n, b->n); break;
    case '-': mpz_sub(a->n, a->n, b->n); break;
    case '*': mpz_mul(a->n, a->n, b->n); break;
    case '/': mpz_tdiv_q(a->n, a->n, b->n); break;
    default: mpz_tdiv_r(a->n, a->n, b->n); break;
    }
    return ERR_OK;
}

static enum err number_apply(char op, bool decimal, struct number *a, struct number *b,
                             struct buf *out, struct errmsg *e)
{
    if (mpz_size(a->n) + mpz_size(b->n) > ARITHMETIC_BYTES_MAX / sizeof(mp_limb_t))
        return too_long(e);
    enum err err = decimal ? decimal_apply(op, a, b, e) : varint_apply(op, a, b, e);
    if (err != ERR_OK)
        return err;
    if (a->scale < INT32_MIN || a->scale > INT32_MAX)
        return errmsg_set(e, ERR_INVALID, a->scale < 0 ? "Overflow" : "Underflow");
    if (decimal)
        buf_put_i32(out, (int32_t)a->scale);
    mpz_put(a->n, out);
    return ERR_OK;
}

/* --- times */

static int64_t add_months(int64_t days, int64_t months)
{
    int64_t y, m, d;
    civil_from_days(days, &y, &m, &d);
    int64_t total = y * 12 + (m - 1) + months;
    y = total >= 0 ? total / 12 : -((11 - total) / 12);
    m = total - y * 12 + 1;
    int64_t next = m == 12 ? days_from_civil(y + 1, 1, 1) : days_from_civil(y, m + 1, 1);
    int64_t last = next - days_from_civil(y, m, 1);
    return days_from_civil(y, m, d < last ? d : last);
}

static int64_t floor_day(int64_t ms)
{
    return ms >= 0 ? ms / MS_PER_DAY : -((MS_PER_DAY - 1 - ms) / MS_PER_DAY);
}

/* A timestamp or date moved by a duration. Beyond what a client can write (some 300 million years)
 * it wraps around. */
static enum err time_apply(char op, enum cql_kind kind, struct bytes a, struct bytes b,
                           struct buf *out, struct errmsg *e)
{
    struct cql_duration d;
    if (value_duration_read(b, &d) != ERR_OK)
        return errmsg_set(e, ERR_INVALID, "The duration is malformed");
    if (kind == CQL_DATE && d.nanos != 0) {
        struct buf text;
        buf_init(&text, 256);
        time_print_duration(&d, &text);
        enum err err =
            errmsg_set(e, ERR_INVALID, "The duration must have a day precision. Was: %.*s",
                       (int)text.len, (const char *)text.data);
        buf_close(&text);
        return err;
    }
    int64_t sign = op == '-' ? -1 : 1;
    int64_t ms = kind == CQL_DATE ? 0 : (int64_t)load_u64(a.data);
    int64_t day = kind == CQL_DATE ? (int64_t)load_u32(a.data) - DATE_AT_EPOCH : floor_day(ms);
    int64_t rest = kind == CQL_DATE ? 0 : ms - day * MS_PER_DAY;
    if (d.months != 0)
        day = add_months(day, sign * d.months);
    day += sign * d.days;
    if (kind == CQL_DATE)
        buf_put_u32(out, (uint32_t)(day + DATE_AT_EPOCH));
    else
        buf_put_u64(out, (uint64_t)day * (uint64_t)MS_PER_DAY +
                             (uint64_t)(rest + sign * (d.nanos / NANOS_PER_MS)));
    return ERR_OK;
}

/* --- all */

enum err arithmetic_apply(char op, const struct cql_type *left, struct bytes a,
                          const struct cql_type *right, struct bytes b, struct buf *out,
                          struct errmsg *e)
{
    enum cql_kind kind = arithmetic_type(op, left, right)->kind;
    struct number x, y;
    switch (kind) {
    case CQL_TINYINT:
    case CQL_SMALLINT:
    case CQL_INT:
    case CQL_BIGINT:
        return whole_apply(op, read_whole(a), read_whole(b), whole_size(cql_type_native(kind)), out,
                           e);
    case CQL_FLOAT:
    case CQL_DOUBLE:
        real_apply(op, kind, read_real(left, a), read_real(right, b), out);
        return ERR_OK;
    case CQL_TIMESTAMP:
    case CQL_DATE: return time_apply(op, kind, a, b, out, e);
    case CQL_ASCII:
    case CQL_TEXT:
        buf_put_bytes(out, a);
        buf_put_bytes(out, b);
        return ERR_OK;
    default: break;
    }
    mpz_init(x.n);
    mpz_init(y.n);
    enum err err = number_read(left, a, &x, e);
    if (err == ERR_OK)
        err = number_read(right, b, &y, e);
    if (err == ERR_OK)
        err = number_apply(op, kind == CQL_DECIMAL, &x, &y, out, e);
    number_close(&x);
    number_close(&y);
    return err;
}

void arithmetic_negate(const struct cql_type *t, struct bytes a, struct buf *out)
{
    struct number x;
    if (t->kind == CQL_FLOAT || t->kind == CQL_DOUBLE) {
        put_real(t->kind, -read_real(t, a), out);
        return;
    }
    if (t->kind != CQL_VARINT && t->kind != CQL_DECIMAL) {
        put_whole((int64_t)(0 - (uint64_t)read_whole(a)), whole_size(t), out);
        return;
    }
    mpz_init(x.n);
    if (number_read(t, a, &x, NULL) == ERR_OK) {
        mpz_neg(x.n, x.n);
        if (t->kind == CQL_DECIMAL)
            buf_put_i32(out, (int32_t)x.scale);
        mpz_put(x.n, out);
    }
    number_close(&x);
}

void decimal_share(struct bytes a, uint64_t count, struct buf *out)
{
    struct number x;
    mpz_t n, rest;
    mpz_init(x.n);
    mpz_init(n);
    mpz_init(rest);
    read_decimal(a, &x);
    mpz_set_ui(n, (unsigned long)count);
    int sign = mpz_sgn(x.n);
    mpz_tdiv_qr(x.n, rest, x.n, n);
    mpz_mul_2exp(rest, rest, 1);
    int half = mpz_cmpabs(rest, n);
    if (half > 0 || (half == 0 && mpz_odd_p(x.n))) {
        if (sign < 0)
            mpz_sub_ui(x.n, x.n, 1);
        else
            mpz_add_ui(x.n, x.n, 1);
    }
    buf_put_i32(out, (int32_t)x.scale);
    mpz_put(x.n, out);
    number_close(&x);
    mpz_clear(n);
    mpz_clear(rest);
}

void decimal_from_double(double v, struct buf *out)
{
    struct buf text;
    buf_init(&text, 64);
    double_print(v, &text);
    (void)decimal_from_text(buf_bytes(&text), out);
    buf_close(&text);
}

double decimal_to_double(struct bytes value)
{
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    decimal_print(value, &text);
    buf_put_u8(&text, 0);
    double v = text.failed ? 0 : strtod((const char *)text.data, NULL);
    buf_close(&text);
    return v;
}
