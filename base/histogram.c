#include "base/histogram.h"

#include "base/mem.h"

_Static_assert(sizeof(struct histogram) < 8192, "a histogram stays under 8 KiB");

/* Values below 64 have a bucket each. Above, the highest bit chooses a group of 32 buckets and the
 * five bits after it the bucket in the group. */
static size_t bucket_of(int64_t value)
{
    uint64_t v = (uint64_t)value;
    if (value <= 0)
        return 0;
    if (value > HISTOGRAM_VALUE_MAX)
        return HISTOGRAM_BUCKETS - 1;
    if (v < 64)
        return (size_t)v;
    unsigned shift = (unsigned)(63 - __builtin_clzll(v)) - 5;
    return (size_t)(shift * 32 + (v >> shift));
}

/* The middle of the values that fall into a bucket. */
static int64_t middle_of(size_t bucket)
{
    if (bucket < 64)
        return (int64_t)bucket;
    unsigned shift = (unsigned)(bucket / 32 - 1);
    int64_t low = (int64_t)(bucket - shift * 32) << shift;
    return low + ((int64_t)1 << shift) / 2;
}

static int64_t add_capped(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b; /* neither is negative */
}

void histogram_init(struct histogram *h)
{
    *h = (struct histogram){0};
}

void histogram_record(struct histogram *h, int64_t value)
{
    if (value < 0)
        value = 0;
    if (h->count == 0 || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->count++;
    h->sum = add_capped(h->sum, value);
    h->buckets[bucket_of(value)]++;
}

void histogram_halve(struct histogram *h)
{
    h->count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->count += h->buckets[i] /= 2;
    h->sum /= 2;
    if (h->count == 0)
        histogram_init(h);
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
    if (other->count == 0)
        return;
    if (h->count == 0 || other->min < h->min)
        h->min = other->min;
    if (other->max > h->max)
        h->max = other->max;
    h->count += other->count;
    h->sum = add_capped(h->sum, other->sum);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += other->buckets[i];
}

int64_t histogram_percentile(const struct histogram *h, uint32_t per_million)
{
    ASSERT(per_million <= 1000000);
    if (h->count == 0 || per_million == 0)
        return h->min;
    if (per_million == 1000000)
        return h->max;
    /* The rank, rounded up, without overflow: the whole millions and the rest apart. */
    uint64_t rank = h->count / 1000000 * per_million;
    rank += (h->count % 1000000 * per_million + 999999) / 1000000;
    uint64_t seen = 0;
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS - 1 && (seen += h->buckets[i]) < rank)
        i++;
    /* The last bucket also holds all that is too large to tell apart. */
    int64_t value = i == HISTOGRAM_BUCKETS - 1 ? h->max : middle_of(i);
    return value < h->min ? h->min : value > h->max ? h->max : value;
}

int64_t histogram_mean(const struct histogram *h)
{
    return h->count > 0 ? (int64_t)((uint64_t)h->sum / h->count) : 0;
}

uint64_t histogram_below(const struct histogram *h, unsigned bits)
{
    ASSERT(bits <= HISTOGRAM_VALUE_BITS);
    uint64_t n = 0;
    size_t end =
        bits == HISTOGRAM_VALUE_BITS ? HISTOGRAM_BUCKETS - 1 : bucket_of((int64_t)1 << bits);
    for (size_t i = 0; i < end; i++)
        n += h->buckets[i];
    return n;
}
