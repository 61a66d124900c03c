#include "node/schema/arithmetic.h"

#include "base/mem.h"
#include "node/schema/number.h"
#include "node/schema/number_math.h"
#include "node/schema/value.h"
#include "node/schema/value_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_DAY    INT64_C(86400000)
#define NANOS_PER_MS  1000000
#define DATE_AT_EPOCH INT64_C(0x80000000)

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

/* --- numbers of any size */

/* A number as a decimal: through a double, as Cassandra goes, unless it is a varint. */
static enum err to_decimal(const struct cql_type *t, struct bytes v, struct buf *out,
                           struct errmsg *e)
{
    if (t->kind == CQL_DECIMAL) {
        buf_put_bytes(out, v);
        return ERR_OK;
    }
    if (t->kind == CQL_VARINT) {
        decimal_from_varint(v, out);
        return ERR_OK;
    }
    double d = read_real(t, v);
    if (isnan(d))
        return errmsg_set(e, ERR_INVALID, "A NaN cannot be converted into a decimal");
    if (isinf(d))
        return errmsg_set(e, ERR_INVALID, "An infinite number cannot be converted into a decimal");
    decimal_from_double(d, out);
    return ERR_OK;
}

static enum err large_apply(char op, const struct cql_type *left, struct bytes a,
                            const struct cql_type *right, struct bytes b, bool decimal,
                            struct buf *out, struct errmsg *e)
{
    struct buf x, y;
    if (!decimal)
        return varint_apply(op, a, b, out, e);
    buf_init(&x, BUF_MAX_DEFAULT);
    buf_init(&y, BUF_MAX_DEFAULT);
    enum err err = to_decimal(left, a, &x, e);
    if (err == ERR_OK)
        err = to_decimal(right, b, &y, e);
    if (err == ERR_OK)
        err = decimal_apply(op, buf_bytes(&x), buf_bytes(&y), out, e);
    buf_close(&x);
    buf_close(&y);
    return err;
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

static enum err too_precise(const struct cql_duration *d, const char *precision, struct errmsg *e)
{
    struct buf text;
    buf_init(&text, 256);
    time_print_duration(d, &text);
    errmsg_set(e, ERR_INVALID, "The duration must have a %s precision. Was: %.*s", precision,
               (int)text.len, (const char *)text.data);
    buf_close(&text);
    return ERR_INVALID;
}

/* A timestamp or date moved by a duration. Beyond what a client can write (some 300 million years)
 * it wraps around. */
static enum err time_apply(char op, enum cql_kind kind, struct bytes a, struct bytes b,
                           struct buf *out, struct errmsg *e)
{
    struct cql_duration d;
    if (value_duration_read(b, &d) != ERR_OK)
        return errmsg_set(e, ERR_INVALID, "The duration is malformed");
    if (kind == CQL_DATE && d.nanos != 0)
        return too_precise(&d, "day", e);
    if (d.nanos % NANOS_PER_MS != 0)
        return too_precise(&d, "millisecond", e);
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
    default: return large_apply(op, left, a, right, b, kind == CQL_DECIMAL, out, e);
    }
}

void arithmetic_negate(const struct cql_type *t, struct bytes a, struct buf *out)
{
    enum err err = ERR_OK;
    if (t->kind == CQL_FLOAT || t->kind == CQL_DOUBLE)
        put_real(t->kind, -read_real(t, a), out);
    else if (t->kind == CQL_VARINT)
        err = varint_function(NUMBER_NEGATE, a, out, NULL);
    else if (t->kind == CQL_DECIMAL)
        err = decimal_function(NUMBER_NEGATE, a, out, NULL);
    else
        put_whole((int64_t)(0 - (uint64_t)read_whole(a)), whole_size(t), out);
    ASSERT(err == ERR_OK); /* the same digits, the same scale */
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
