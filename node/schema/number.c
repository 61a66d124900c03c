#include "node/schema/number.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mpz_from_bytes(mpz_t z, struct bytes b)
{
    mpz_import(z, b.len, 1, 1, 1, 0, b.data);
    if (b.len > 0 && b.data[0] >= 0x80) { /* z is what it would be unsigned: 2^bits too much */
        mpz_t over;
        mpz_init(over);
        mpz_setbit(over, b.len * 8);
        mpz_sub(z, z, over);
        mpz_clear(over);
    }
}

void mpz_put(const mpz_t z, struct buf *out)
{
    mpz_t u;
    mpz_init(u);
    bool negative = mpz_sgn(z) < 0;
    if (negative)
        mpz_com(u, z); /* -z - 1: as many bits as z needs beside its sign */
    else
        mpz_set(u, z);
    size_t bits = mpz_sgn(u) == 0 ? 0 : mpz_sizeinbase(u, 2);
    size_t len = bits / 8 + 1;
    uint8_t *p = buf_extend(out, len);
    if (p != NULL) {
        memset(p, 0, len);
        size_t have = (bits + 7) / 8;
        mpz_export(p + (len - have), NULL, 1, 1, 1, 0, u);
        for (size_t i = 0; i < len && negative; i++)
            p[i] = (uint8_t)~p[i];
    }
    mpz_clear(u);
}

struct bytes varint_trim(struct bytes v)
{
    while (v.len > 1 &&
           ((v.data[0] == 0 && v.data[1] < 0x80) || (v.data[0] == 0xff && v.data[1] >= 0x80))) {
        v.data++;
        v.len--;
    }
    return v;
}

int varint_compare(struct bytes a, struct bytes b)
{
    if (a.len == 0 || b.len == 0)
        return (a.len > 0) - (b.len > 0);
    a = varint_trim(a);
    b = varint_trim(b);
    bool a_negative = a.data[0] >= 0x80;
    if (a_negative != (b.data[0] >= 0x80))
        return a_negative ? -1 : 1;
    if (a.len != b.len)
        return (a.len < b.len) != a_negative ? -1 : 1;
    return bytes_compare(a, b);
}

/* mpz_set_str also takes spaces and needs a NUL: give it only a sign and digits. */
static bool mpz_from_digits(mpz_t z, bool negative, const char *digits, size_t count)
{
    char *text = mem_alloc(count + 1);
    memcpy(text, digits, count);
    bool ok = mpz_set_str(z, text, 10) == 0;
    if (negative)
        mpz_neg(z, z);
    mem_free(text);
    return ok;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool varint_from_text(struct bytes text, struct buf *out)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t start = negative ? 1 : 0;
    if (text.len == start)
        return false;
    for (size_t i = start; i < text.len; i++) {
        if (!is_digit(text.data[i]))
            return false;
    }
    mpz_t z;
    mpz_init(z);
    bool ok = mpz_from_digits(z, negative, (const char *)text.data + start, text.len - start);
    if (ok)
        mpz_put(z, out);
    mpz_clear(z);
    return ok;
}

/* The digits of |v| in memory of ours; a NUL after them. */
static char *mpz_digits(const mpz_t v)
{
    char *text = mem_alloc(mpz_sizeinbase(v, 10) + 2);
    mpz_get_str(text, 10, v);
    if (text[0] == '-')
        memmove(text, text + 1, strlen(text));
    return text;
}

void varint_print(struct bytes value, struct buf *out)
{
    if (value.len == 0)
        return;
    mpz_t z;
    mpz_init(z);
    mpz_from_bytes(z, value);
    char *digits = mpz_digits(z);
    if (mpz_sgn(z) < 0)
        buf_put_u8(out, '-');
    buf_put_text(out, digits);
    mem_free(digits);
    mpz_clear(z);
}

void decimal_read(struct bytes value, struct decimal *ret)
{
    struct reader r = reader_make(value);
    int64_t scale = read_i32(&r);
    struct bytes unscaled = read_rest(&r);
    mpz_t z;
    mpz_init(z);
    mpz_from_bytes(z, unscaled);
    *ret = (struct decimal){.sign = mpz_sgn(z)};
    if (ret->sign != 0) {
        ret->digits = mpz_digits(z);
        ret->count = strlen(ret->digits);
        ret->point = (int64_t)ret->count - scale;
        while (ret->digits[ret->count - 1] == '0')
            ret->count--;
    }
    mpz_clear(z);
}

void decimal_close(struct decimal *d)
{
    mem_free(d->digits);
    *d = (struct decimal){0};
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (a->sign != b->sign)
        return a->sign < b->sign ? -1 : 1;
    if (a->sign == 0)
        return 0;
    int c = a->point < b->point ? -1 : a->point > b->point;
    if (c == 0)
        c = bytes_compare(bytes_make(a->digits, a->count), bytes_make(b->digits, b->count));
    return a->sign * c;
}

void decimal_put(const struct decimal *d, struct buf *out)
{
    int64_t scale = d->sign == 0 ? 0 : (int64_t)d->count - d->point;
    size_t zeros = 0; /* to append, so that the scale is zero or, at the edge, fits 32 bits */
    if (scale < 0 && d->point <= DECIMAL_WHOLE_MAX)
        zeros = (size_t)-scale;
    else if (scale < INT32_MIN)
        zeros = (size_t)(INT32_MIN - scale);
    buf_put_i32(out, (int32_t)(scale + (int64_t)zeros));
    mpz_t z;
    mpz_t power;
    mpz_init(z);
    mpz_init(power);
    if (d->sign != 0)
        mpz_from_digits(z, d->sign < 0, d->digits, d->count);
    mpz_ui_pow_ui(power, 10, zeros);
    mpz_mul(z, z, power);
    mpz_put(z, out);
    mpz_clear(z);
    mpz_clear(power);
}

/* "e+12" from `at` on to the end. */
static bool read_exponent(struct bytes text, size_t at, int64_t *ret)
{
    bool negative = at < text.len && text.data[at] == '-';
    if (at < text.len && (text.data[at] == '-' || text.data[at] == '+'))
        at++;
    if (at == text.len)
        return false;
    int64_t e = 0;
    for (; at < text.len; at++) {
        if (!is_digit(text.data[at]) || e > INT32_MAX)
            return false;
        e = e * 10 + (text.data[at] - '0');
    }
    *ret = negative ? -e : e;
    return true;
}

bool decimal_from_text(struct bytes text, struct buf *out)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    bool sign = text.len > 0 && (negative || text.data[0] == '+');
    char *digits = mem_alloc(text.len + 1);
    size_t count = 0;
    int64_t scale = 0;
    int64_t exponent = 0;
    bool point = false;
    bool ok = true;
    for (size_t i = sign ? 1 : 0; i < text.len && ok; i++) {
        uint8_t c = text.data[i];
        if (is_digit(c)) {
            digits[count++] = (char)c;
            scale += point ? 1 : 0;
        } else if (c == '.' && !point) {
            point = true;
        } else if (c == 'e' || c == 'E') {
            ok = read_exponent(text, i + 1, &exponent);
            break;
        } else {
            ok = false;
        }
    }
    scale -= exponent;
    ok = ok && count > 0 && scale >= INT32_MIN && scale <= INT32_MAX;
    if (ok) {
        mpz_t z;
        mpz_init(z);
        mpz_from_digits(z, negative, digits, count);
        buf_put_i32(out, (int32_t)scale);
        mpz_put(z, out);
        mpz_clear(z);
    }
    mem_free(digits);
    return ok;
}

void decimal_print(struct bytes value, struct buf *out)
{
    if (value.len < 4)
        return;
    int64_t scale = (int32_t)load_u32(value.data);
    mpz_t z;
    mpz_init(z);
    mpz_from_bytes(z, bytes_make(value.data + 4, value.len - 4));
    char *digits = mpz_digits(z);
    int64_t count = (int64_t)strlen(digits);
    int64_t adjusted = count - 1 - scale;
    if (mpz_sgn(z) < 0)
        buf_put_u8(out, '-');
    if (scale < 0 || adjusted < -6) { /* d.ddd E exponent */
        buf_put(out, digits, 1);
        if (count > 1)
            buf_printf(out, ".%s", digits + 1);
        if (adjusted != 0)
            buf_printf(out, "E%+lld", (long long)adjusted);
    } else if (count > scale) {
        buf_put(out, digits, (size_t)(count - scale));
        if (scale > 0)
            buf_printf(out, ".%s", digits + (count - scale));
    } else {
        buf_put_text(out, "0.");
        for (int64_t i = count; i < scale; i++)
            buf_put_u8(out, '0');
        buf_put_text(out, digits);
    }
    mem_free(digits);
    mpz_clear(z);
}

/* `text` is "d.ddde+XX"; write it as Java does: plain from 1e-3 up to 1e7, else with E. */
static void print_java(const char *text, struct buf *out)
{
    char digits[32];
    size_t count = 0;
    const char *e = strchr(text, 'e');
    for (const char *c = text; c < e; c++) {
        if (is_digit((uint8_t)*c))
            digits[count++] = *c;
    }
    while (count > 1 && digits[count - 1] == '0')
        count--;
    int exponent = atoi(e + 1);
    if (text[0] == '-')
        buf_put_u8(out, '-');
    if (exponent >= 7 || exponent < -3) {
        buf_printf(out, "%c.%.*sE%d", digits[0], count > 1 ? (int)count - 1 : 1,
                   count > 1 ? digits + 1 : "0", exponent);
        return;
    }
    if (exponent < 0) {
        buf_put_text(out, "0.");
        for (int i = -1; i > exponent; i--)
            buf_put_u8(out, '0');
        buf_put(out, digits, count);
        return;
    }
    size_t whole = (size_t)exponent + 1;
    for (size_t i = 0; i < whole; i++)
        buf_put_u8(out, i < count ? (uint8_t)digits[i] : '0');
    buf_put_u8(out, '.');
    buf_put(out, count > whole ? digits + whole : "0", count > whole ? count - whole : 1);
}

static bool print_special(double v, struct buf *out)
{
    if (isnan(v))
        buf_put_text(out, "NaN");
    else if (isinf(v))
        buf_put_text(out, v < 0 ? "-Infinity" : "Infinity");
    else if (v == 0)
        buf_put_text(out, signbit(v) ? "-0.0" : "0.0");
    else
        return false;
    return true;
}

/* From two digits on: where one would do, Java takes the nearest of two (4.9E-324). */
void double_print(double v, struct buf *out)
{
    char text[40];
    if (print_special(v, out))
        return;
    for (int precision = 1; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    print_java(text, out);
}

void float_print(float v, struct buf *out)
{
    char text[40];
    if (print_special((double)v, out))
        return;
    for (int precision = 1; precision <= 8; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    print_java(text, out);
}
