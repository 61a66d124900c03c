/* value_time.c - dates, times and timestamps. The calendar is the proleptic Gregorian one, the zone
 * UTC unless the text names another: a server must not answer by where it stands. */
#include "node/schema/value_time.h"

#include <string.h>

#define NANOS_PER_DAY INT64_C(86400000000000)
#define MS_PER_DAY    INT64_C(86400000)
#define DATE_EPOCH    INT64_C(2147483648) /* what day 1970-01-01 is stored as */

/* By the 400 year cycle that begins with 1 March of year 0. */
int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2 ? 1 : 0;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year = y - era * 400;
    int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

void civil_from_days(int64_t days, int64_t *y, int64_t *m, int64_t *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t rest = days - era * 146097;
    int64_t year = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
    int64_t day = rest - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day + 2) / 153;
    *d = day - (153 * month + 2) / 5 + 1;
    *m = month < 10 ? month + 3 : month - 9;
    *y = year + era * 400 + (*m <= 2 ? 1 : 0);
}

static int64_t days_in_month(int64_t y, int64_t m)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

bool integer_from_text(struct bytes text, int64_t *ret)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    uint64_t limit = negative ? (uint64_t)1 << 63 : INT64_MAX;
    uint64_t v = 0;
    if (text.len == (negative ? 1u : 0u))
        return false;
    for (size_t i = negative ? 1 : 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)text.data[i] - '0';
        if (text.data[i] < '0' || digit > 9 || v > (limit - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *ret = negative ? (int64_t)(~v + 1) : (int64_t)v;
    return true;
}

/* Reading from the front of a text. */
struct scan {
    const uint8_t *at;
    const uint8_t *end;
};

static bool scan_char(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != (uint8_t)c)
        return false;
    s->at++;
    return true;
}

/* Between low and high digits. */
static bool scan_digits(struct scan *s, size_t low, size_t high, int64_t *ret)
{
    size_t n = 0;
    int64_t v = 0;
    while (s->at + n < s->end && n < high && s->at[n] >= '0' && s->at[n] <= '9')
        v = v * 10 + (s->at[n++] - '0');
    if (n < low)
        return false;
    s->at += n;
    *ret = v;
    return true;
}

/* ISO 8601: four digits, or a sign and up to ten; `-` also before four. */
static bool scan_date(struct scan *s, bool strict_day, int64_t *ret_days)
{
    int64_t y;
    int64_t m;
    int64_t d;
    bool negative = scan_char(s, '-');
    bool plus = !negative && scan_char(s, '+');
    if (!scan_digits(s, plus ? 5 : 4, plus || negative ? 10 : 4, &y) || !scan_char(s, '-') ||
        !scan_digits(s, 2, 2, &m) || !scan_char(s, '-') || !scan_digits(s, 2, 2, &d))
        return false;
    if (negative)
        y = -y;
    if (m < 1 || m > 12 || d < 1 || d > 31 || y > 999999999 || y < -999999999)
        return false;
    int64_t last = days_in_month(y, m);
    if (d > last) { /* Cassandra's timestamps take 30 February for the 28th, its dates do not */
        if (strict_day)
            return false;
        d = last;
    }
    *ret_days = days_from_civil(y, m, d);
    return true;
}

/* A fraction after its point: up to nine digits, as nanoseconds. */
static bool scan_fraction(struct scan *s, int64_t *ret_nanos)
{
    const uint8_t *start = s->at;
    int64_t v;
    if (!scan_digits(s, 1, 9, &v))
        return false;
    for (ptrdiff_t n = s->at - start; n < 9; n++)
        v *= 10;
    *ret_nanos = v;
    return true;
}

enum err value_date_from_text(struct bytes text, struct buf *out, struct errmsg *e)
{
    int64_t v;
    int shown = (int)(text.len < 100 ? text.len : 100);
    if (integer_from_text(text, &v)) {
        if (v < 0 || v > UINT32_MAX)
            return errmsg_set(e, ERR_INVALID, "Unable to make unsigned int (for date) from: '%.*s'",
                              shown, (const char *)text.data);
        buf_put_u32(out, (uint32_t)v);
        return ERR_OK;
    }
    struct scan s = {text.data, text.data + text.len};
    if (text.len == 0 || !scan_date(&s, true, &v) || s.at != s.end || v < -DATE_EPOCH ||
        v >= DATE_EPOCH)
        return errmsg_set(e, ERR_INVALID, "Unable to coerce '%.*s' to a formatted date (long)",
                          shown, text.len > 0 ? (const char *)text.data : "");
    buf_put_u32(out, (uint32_t)(v + DATE_EPOCH));
    return ERR_OK;
}

static bool scan_time(struct scan *s, int64_t *ret_nanos)
{
    int64_t h;
    int64_t m;
    int64_t sec;
    int64_t nanos = 0;
    if (!scan_digits(s, 1, 2, &h) || !scan_char(s, ':') || !scan_digits(s, 1, 2, &m) ||
        !scan_char(s, ':') || !scan_digits(s, 1, 2, &sec))
        return false;
    if (scan_char(s, '.') && !scan_fraction(s, &nanos))
        return false;
    if (h > 23 || m > 59 || sec > 59)
        return false;
    *ret_nanos = ((h * 60 + m) * 60 + sec) * 1000000000 + nanos;
    return true;
}

enum err value_time_from_text(struct bytes text, struct buf *out, struct errmsg *e)
{
    int64_t v;
    int shown = (int)(text.len < 100 ? text.len : 100);
    if (integer_from_text(text, &v)) {
        if (v < 0 || v >= NANOS_PER_DAY)
            return errmsg_set(e, ERR_INVALID, "Unable to make long (for time) from: '%.*s'", shown,
                              (const char *)text.data);
        buf_put_i64(out, v);
        return ERR_OK;
    }
    struct scan s = {text.data, text.data + text.len};
    if (text.len == 0 || !scan_time(&s, &v) || s.at != s.end)
        return errmsg_set(e, ERR_INVALID,
                          "(TimeType) Unable to coerce '%.*s' to a formatted time (long)", shown,
                          text.len > 0 ? (const char *)text.data : "");
    buf_put_i64(out, v);
    return ERR_OK;
}

/* h:mm[:ss[.fraction]] as milliseconds; 24:00 is the next midnight. */
static bool scan_clock_ms(struct scan *s, int64_t *ret_ms)
{
    int64_t h;
    int64_t m;
    int64_t sec = 0;
    int64_t nanos = 0;
    if (!scan_digits(s, 1, 2, &h) || !scan_char(s, ':') || !scan_digits(s, 1, 2, &m))
        return false;
    if (scan_char(s, ':') && !scan_digits(s, 1, 2, &sec))
        return false;
    if (scan_char(s, '.') && !scan_fraction(s, &nanos))
        return false;
    if (h > 24 || m > 59 || sec > 59 || (h == 24 && (m > 0 || sec > 0 || nanos > 0)))
        return false;
    *ret_ms = ((h * 60 + m) * 60 + sec) * 1000 + nanos / 1000000;
    return true;
}

/* The rest of a timestamp: nothing, Z, UTC, GMT or +hh[[:]mm], perhaps after a space; the words
 * only so. */
static bool scan_zone(struct scan *s, int64_t *ret_ms)
{
    *ret_ms = 0;
    if (s->at == s->end)
        return true;
    bool space = scan_char(s, ' ');
    size_t left = (size_t)(s->end - s->at);
    if (space && left == 3 && (memcmp(s->at, "UTC", 3) == 0 || memcmp(s->at, "GMT", 3) == 0))
        return true;
    if (left == 1 && *s->at == 'Z')
        return true;
    bool minus = scan_char(s, '-');
    int64_t h;
    int64_t m = 0;
    if ((!minus && !scan_char(s, '+')) || !scan_digits(s, 2, 2, &h))
        return false;
    if (s->at != s->end) {
        scan_char(s, ':');
        if (!scan_digits(s, 2, 2, &m))
            return false;
    }
    if (s->at != s->end || h > 18 || m > 59)
        return false;
    *ret_ms = (h * 60 + m) * 60000 * (minus ? -1 : 1);
    return true;
}

enum err value_timestamp_from_text(struct bytes text, struct buf *out, struct errmsg *e)
{
    int64_t ms = 0;
    int64_t days;
    int64_t zone;
    if (text.len == 0) /* the empty value, as in Cassandra */
        return ERR_OK;
    if (integer_from_text(text, &ms)) {
        buf_put_i64(out, ms);
        return ERR_OK;
    }
    struct scan s = {text.data, text.data + text.len};
    bool ok = scan_date(&s, false, &days);
    if (ok && s.at != s.end &&
        (*s.at == 'T' || (*s.at == ' ' && s.end - s.at > 1 && s.at[1] >= '0' && s.at[1] <= '9'))) {
        s.at++;
        ok = scan_clock_ms(&s, &ms);
    }
    ok = ok && scan_zone(&s, &zone);
    if (!ok || days > INT64_MAX / MS_PER_DAY - 2 || days < INT64_MIN / MS_PER_DAY + 2)
        return errmsg_set(e, ERR_INVALID, "Unable to parse a date/time from '%.*s'",
                          (int)(text.len < 100 ? text.len : 100), (const char *)text.data);
    buf_put_i64(out, days * MS_PER_DAY + ms - zone);
    return ERR_OK;
}

void time_print_date(int64_t days, struct buf *out)
{
    int64_t y;
    int64_t m;
    int64_t d;
    civil_from_days(days, &y, &m, &d);
    buf_printf(out, "%s%04lld-%02d-%02d",
               y > 9999 ? "+"
               : y < 0  ? "-"
                        : "",
               (long long)(y < 0 ? -y : y), (int)m, (int)d);
}

void time_print_timestamp(int64_t ms, struct buf *out)
{
    int64_t days = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0 ? 1 : 0);
    int rest = (int)((ms % MS_PER_DAY + MS_PER_DAY) % MS_PER_DAY);
    time_print_date(days, out);
    buf_printf(out, "T%02d:%02d:%02d.%03dZ", rest / 3600000, rest / 60000 % 60, rest / 1000 % 60,
               rest % 1000);
}

void time_print_time(int64_t nanos, struct buf *out)
{
    if (nanos < 0 || nanos >= NANOS_PER_DAY) /* never from a literal; a client may have bound it */
        nanos = (nanos % NANOS_PER_DAY + NANOS_PER_DAY) % NANOS_PER_DAY;
    int64_t sec = nanos / 1000000000;
    buf_printf(out, "%02d:%02d:%02d.%09d", (int)(sec / 3600), (int)(sec / 60 % 60), (int)(sec % 60),
               (int)(nanos % 1000000000));
}
