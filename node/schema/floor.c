#include "node/schema/floor.h"

#include "node/schema/value_time.h"

#define MS_PER_DAY    INT64_C(86400000)
#define NANOS_PER_MS  1000000
#define NANOS_PER_DAY INT64_C(86400000000000)

static bool is_negative(const struct cql_duration *d)
{
    return d->months < 0 || d->days < 0 || d->nanos < 0;
}

static enum err negative(struct errmsg *e)
{
    return errmsg_set(e, ERR_INVALID, "Negative durations are not supported by the floor function");
}

static int64_t day_of(int64_t ms)
{
    return ms >= 0 ? ms / MS_PER_DAY : -((MS_PER_DAY - 1 - ms) / MS_PER_DAY);
}

static int64_t month_of(int64_t ms)
{
    int64_t y, m, d;
    civil_from_days(day_of(ms), &y, &m, &d);
    return y * 12 + m - 1;
}

/* The same day and time so many months later, or the last day of that month. */
static int64_t add_months(int64_t ms, int64_t months)
{
    int64_t y, m, d;
    int64_t day = day_of(ms);
    civil_from_days(day, &y, &m, &d);
    int64_t total = y * 12 + m - 1 + months;
    y = total >= 0 ? total / 12 : -((11 - total) / 12);
    m = total - y * 12 + 1;
    int64_t first = days_from_civil(y, m, 1);
    int64_t next = m == 12 ? days_from_civil(y + 1, 1, 1) : days_from_civil(y, m + 1, 1);
    d = d < next - first ? d : next - first;
    return (first + d - 1) * MS_PER_DAY + (ms - day * MS_PER_DAY);
}

/* Wraps around, as Java does, where a client asks for hundreds of millions of years. */
static int64_t times(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* start + n * (months, rest) with the largest n that is not beyond ms. The months alone are, with
 * `n` of them, not: so n is lowered until the rest has its place, month by month, as the calendar
 * goes back from where it is (31 January, 29 February, 29 January). After STEPS_MAX of them the way
 * is cut short. */
#define STEPS_MAX 4096
static int64_t floor_with_rest(int64_t ms, int64_t months, int64_t rest, int64_t start, int64_t n)
{
    int64_t at = add_months(start, n * months);
    for (int i = 0; i < STEPS_MAX && n > 0 && plus(at, times(n, rest)) > ms; i++) {
        n--;
        at = add_months(at, -months);
    }
    if (plus(at, times(n, rest)) <= ms)
        return plus(at, times(n, rest));
    int64_t low = 0;
    while (low < n) { /* the largest that is not beyond lies in low .. n */
        int64_t middle = low + (n - low + 1) / 2;
        if (plus(add_months(start, middle * months), times(middle, rest)) <= ms)
            low = middle;
        else
            n = middle - 1;
    }
    return plus(add_months(start, low * months), times(low, rest));
}

enum err floor_timestamp(int64_t ms, const struct cql_duration *d, int64_t start, int64_t *ret,
                         struct errmsg *e)
{
    int64_t rest = plus(times(d->days, MS_PER_DAY), d->nanos / NANOS_PER_MS);
    if (start > ms)
        return errmsg_set(e, ERR_INVALID,
                          "The floor function starting time is greater than the provided time");
    if (is_negative(d))
        return negative(e);
    if (d->months == 0) {
        uint64_t since = (uint64_t)ms - (uint64_t)start;
        *ret = rest == 0 ? ms : (int64_t)((uint64_t)ms - since % (uint64_t)rest);
        return ERR_OK;
    }
    int64_t n = (month_of(ms) - month_of(start)) / d->months;
    int64_t floor = add_months(start, n * d->months);
    if (rest != 0) {
        floor = floor_with_rest(ms, d->months, rest, start, n);
        floor = floor > start ? floor : start;
    }
    *ret = floor;
    return ERR_OK;
}

enum err floor_time(int64_t nanos, const struct cql_duration *d, int64_t *ret, struct errmsg *e)
{
    if (is_negative(d))
        return negative(e);
    if (d->months != 0 || d->days != 0 || d->nanos > NANOS_PER_DAY)
        return errmsg_set(e, ERR_INVALID,
                          "For time values, the floor can only be computed for durations smaller "
                          "that a day");
    *ret = d->nanos == 0 ? nanos : nanos - nanos % d->nanos;
    return ERR_OK;
}
