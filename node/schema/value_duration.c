/* value_duration.c - durations: months, days and nanoseconds, each a zigzag vint. */
#include "node/schema/value_time.h"
#include "node/schema/vint.h"

#include <string.h>

#define NANOS_MINUTE INT64_C(60000000000)
#define NANOS_HOUR   (60 * NANOS_MINUTE)

static int64_t read_vint(struct reader *r)
{
    uint64_t v = vint_read(r);
    return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}

static void put_vint(int64_t value, struct buf *out)
{
    vint_put((uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0), out);
}

enum err value_duration_read(struct bytes value, struct cql_duration *ret)
{
    struct reader r = reader_make(value);
    int64_t months = read_vint(&r);
    int64_t days = read_vint(&r);
    int64_t nanos = read_vint(&r);
    bool negative = months < 0 || days < 0 || nanos < 0;
    bool positive = months > 0 || days > 0 || nanos > 0;
    if (!reader_done(&r) || (negative && positive) || months != (int32_t)months ||
        days != (int32_t)days)
        return ERR_MALFORMED;
    *ret = (struct cql_duration){(int32_t)months, (int32_t)days, nanos};
    return ERR_OK;
}

void value_duration_put(const struct cql_duration *d, struct buf *out)
{
    put_vint(d->months, out);
    put_vint(d->days, out);
    put_vint(d->nanos, out);
}

struct unit {
    const char *text;
    const char *name;
    int rank; /* units come in falling rank, each once */
    int64_t months;
    int64_t days;
    int64_t nanos;
};

static const struct unit units[] = {
    {"y", "years", 10, 12, 0, 0},
    {"mo", "months", 9, 1, 0, 0},
    {"w", "weeks", 8, 0, 7, 0},
    {"d", "days", 7, 0, 1, 0},
    {"h", "hours", 6, 0, 0, NANOS_HOUR},
    {"m", "minutes", 5, 0, 0, NANOS_MINUTE},
    {"s", "seconds", 4, 0, 0, 1000000000},
    {"ms", "milliseconds", 3, 0, 0, 1000000},
    {"us", "microseconds", 2, 0, 0, 1000},
    {"\xc2\xb5s", "microseconds", 2, 0, 0, 1000},
    {"ns", "nanoseconds", 1, 0, 0, 1},
};

/* Sums while reading; magnitudes only, the sign comes at the end. */
struct builder {
    int64_t months;
    int64_t days;
    int64_t nanos;
    const struct unit *last;
    struct errmsg *err;
};

static enum err add_part(int64_t *sum, int64_t n, int64_t each, int64_t max, const char *what,
                         struct errmsg *e)
{
    if (each == 0)
        return ERR_OK;
    if (n > (max - *sum) / each)
        return errmsg_set(e, ERR_INVALID,
                          "Invalid duration. The total number of %s must be less or equal to %lld",
                          what, (long long)max);
    *sum += n * each;
    return ERR_OK;
}

static enum err add(struct builder *b, int64_t n, const struct unit *u)
{
    if (b->last != NULL && b->last->rank == u->rank)
        return errmsg_set(b->err, ERR_INVALID,
                          "Invalid duration. The %s are specified multiple times", u->name);
    if (b->last != NULL && b->last->rank < u->rank)
        return errmsg_set(b->err, ERR_INVALID, "Invalid duration. The %s should be after %s",
                          b->last->name, u->name);
    b->last = u;
    enum err err = add_part(&b->months, n, u->months, INT32_MAX, "months", b->err);
    if (err == ERR_OK)
        err = add_part(&b->days, n, u->days, INT32_MAX, "days", b->err);
    if (err == ERR_OK)
        err = add_part(&b->nanos, n, u->nanos, INT64_MAX, "nanoseconds", b->err);
    return err;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* The unit with the longest text that `at` begins with, and whose text ends there or before a
 * digit: "m" is not what "mo" begins with. */
static const struct unit *match_unit(const uint8_t *at, const uint8_t *end)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t n = strlen(units[i].text);
        if ((size_t)(end - at) < n)
            continue;
        size_t k = 0;
        while (k < n && lower(at[k]) == (uint8_t)units[i].text[k])
            k++;
        if (k == n && (at + n == end || (at[n] >= '0' && at[n] <= '9') || at[n] == 'T'))
            return &units[i];
    }
    return NULL;
}

static bool scan_number(const uint8_t **at, const uint8_t *end, int64_t *ret)
{
    const uint8_t *start = *at;
    while (*at < end && **at >= '0' && **at <= '9')
        (*at)++;
    return *at > start && integer_from_text(bytes_make(start, (size_t)(*at - start)), ret);
}

static enum err bad(struct bytes text, struct errmsg *e)
{
    return errmsg_set(e, ERR_INVALID, "Unable to convert '%.*s' to a duration",
                      (int)(text.len < 100 ? text.len : 100),
                      text.len > 0 ? (const char *)text.data : "");
}

/* 1y2mo3w4d5h6m7s8ms9us10ns, any case. */
static enum err read_plain(struct builder *b, struct bytes text, const uint8_t *at)
{
    const uint8_t *end = text.data + text.len;
    if (at == end)
        return bad(text, b->err);
    while (at < end) {
        int64_t n;
        const struct unit *u = scan_number(&at, end, &n) ? match_unit(at, end) : NULL;
        if (u == NULL)
            return bad(text, b->err);
        enum err err = add(b, n, u);
        if (err != ERR_OK)
            return err;
        at += strlen(u->text);
    }
    return ERR_OK;
}

static const struct unit *iso_unit(uint8_t c, bool in_time)
{
    static const struct {
        char letter;
        bool time;
        uint8_t unit;
    } letters[] = {{'Y', false, 0}, {'M', false, 1}, {'W', false, 2}, {'D', false, 3},
                   {'H', true, 4},  {'M', true, 5},  {'S', true, 6}};
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        if ((uint8_t)letters[i].letter == c && letters[i].time == in_time)
            return &units[letters[i].unit];
    }
    return NULL;
}

/* P1Y2M3DT4H5M6S or P1W, `at` behind the P. */
static enum err read_iso(struct builder *b, struct bytes text, const uint8_t *at)
{
    const uint8_t *end = text.data + text.len;
    bool in_time = false;
    if (at == end)
        return bad(text, b->err);
    while (at < end) {
        int64_t n;
        if (*at == 'T' && !in_time) {
            in_time = true;
            at++;
            if (at == end)
                return bad(text, b->err);
        }
        const struct unit *u =
            scan_number(&at, end, &n) && at < end ? iso_unit(*at, in_time) : NULL;
        if (u == NULL)
            return bad(text, b->err);
        enum err err = add(b, n, u);
        if (err != ERR_OK)
            return err;
        at++;
    }
    return ERR_OK;
}

/* P0001-02-03T04:05:06, `at` behind the P. */
static enum err read_alternative(struct builder *b, struct bytes text, const uint8_t *at)
{
    static const char layout[] = "dddd-dd-ddTdd:dd:dd";
    static const struct {
        uint8_t at;
        uint8_t len;
        uint8_t unit;
    } fields[] = {{0, 4, 0}, {5, 2, 1}, {8, 2, 3}, {11, 2, 4}, {14, 2, 5}, {17, 2, 6}};
    for (size_t i = 0; i < sizeof layout - 1; i++) {
        bool digit = at[i] >= '0' && at[i] <= '9';
        if (layout[i] == 'd' ? !digit : at[i] != (uint8_t)layout[i])
            return bad(text, b->err);
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        int64_t n = 0;
        if (!integer_from_text(bytes_make(at + fields[i].at, fields[i].len), &n))
            return bad(text, b->err);
        enum err err = add(b, n, &units[fields[i].unit]);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err value_duration_from_text(struct bytes text, struct buf *out, struct errmsg *e)
{
    struct builder b = {.err = e};
    if (text.len == 0)
        return bad(text, e);
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.len;
    bool negative = *at == '-';
    at += negative ? 1 : 0;
    enum err err;
    if (at < end && *at == 'P' && end - at == 20 && at[5] == '-')
        err = read_alternative(&b, text, at + 1);
    else if (at < end && *at == 'P')
        err = read_iso(&b, text, at + 1);
    else
        err = read_plain(&b, text, at);
    if (err != ERR_OK)
        return err;
    int sign = negative ? -1 : 1;
    struct cql_duration d = {(int32_t)(sign * b.months), (int32_t)(sign * b.days), sign * b.nanos};
    value_duration_put(&d, out);
    return ERR_OK;
}

void time_print_duration(const struct cql_duration *d, struct buf *out)
{
    static const uint8_t nano_units[] = {4, 5, 6, 7, 8, 10};
    bool negative = d->months < 0 || d->days < 0 || d->nanos < 0;
    uint64_t months = (uint64_t)(d->months < 0 ? -(int64_t)d->months : d->months);
    uint64_t days = (uint64_t)(d->days < 0 ? -(int64_t)d->days : d->days);
    uint64_t nanos = d->nanos < 0 ? ~(uint64_t)d->nanos + 1 : (uint64_t)d->nanos;
    if (negative)
        buf_put_u8(out, '-');
    if (months >= 12)
        buf_printf(out, "%lluy", (unsigned long long)(months / 12));
    if (months % 12 > 0)
        buf_printf(out, "%llumo", (unsigned long long)(months % 12));
    if (days > 0)
        buf_printf(out, "%llud", (unsigned long long)days);
    for (size_t i = 0; i < ARRAY_LEN(nano_units); i++) {
        const struct unit *u = &units[nano_units[i]];
        uint64_t n = nanos / (uint64_t)u->nanos;
        nanos %= (uint64_t)u->nanos;
        if (n > 0)
            buf_printf(out, "%llu%s", (unsigned long long)n, u->text);
    }
}
