/* histogram and metrics. */
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void small_values_are_exact(void)
{
    struct histogram h;
    histogram_init(&h);
    for (int64_t v = 0; v < 64; v++)
        histogram_record(&h, v);
    CU_ASSERT_EQUAL(h.count, 64);
    CU_ASSERT_EQUAL(h.sum, 63 * 32);
    CU_ASSERT_EQUAL(histogram_percentile(&h, 0), 0);
    CU_ASSERT_EQUAL(histogram_percentile(&h, 500000), 31);
    CU_ASSERT_EQUAL(histogram_percentile(&h, 1000000), 63);
    CU_ASSERT_EQUAL(histogram_mean(&h), 31);
    for (unsigned bits = 0; bits <= 6; bits++)
        CU_ASSERT_EQUAL(histogram_below(&h, bits), (uint64_t)1 << bits);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

#define N 2000

/* Against the sorted values themselves: every percentile within 2 %. */
static bool percentiles_hold(uint64_t seed)
{
    struct rng r;
    struct histogram h = {0}, half = {0};
    int64_t values[N];
    bool good = true;
    rng_init(&r, seed);
    for (size_t i = 0; i < N; i++) {
        values[i] = rng_between(&r, 0, HISTOGRAM_VALUE_MAX) >> rng_below(&r, HISTOGRAM_VALUE_BITS);
        histogram_record(i % 2 == 0 ? &h : &half, values[i]);
    }
    histogram_merge(&h, &half);
    qsort(values, N, sizeof values[0], compare);
    for (uint32_t p = 1; p < 1000000; p += 9973) {
        size_t rank = ((size_t)p * N + 999999) / 1000000;
        int64_t real = values[rank - 1];
        int64_t got = histogram_percentile(&h, p);
        good = good && llabs(got - real) * 50 <= real;
    }
    return good && h.count == N && h.min == values[0] && h.max == values[N - 1];
}

static void percentiles_within_two_percent(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        bool good = percentiles_hold(seed);
        if (!good)
            fprintf(stderr, "histogram: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

static void extreme_values(void)
{
    struct histogram h = {0};
    CU_ASSERT_EQUAL(histogram_percentile(&h, 990000), 0);
    CU_ASSERT_EQUAL(histogram_mean(&h), 0);
    histogram_record(&h, -7); /* counted as 0 */
    CU_ASSERT_EQUAL(h.min, 0);
    histogram_record(&h, INT64_MAX);
    histogram_record(&h, INT64_MAX);
    CU_ASSERT_EQUAL(h.sum, INT64_MAX);
    CU_ASSERT_EQUAL(histogram_percentile(&h, 990000), INT64_MAX);
    CU_ASSERT_EQUAL(histogram_below(&h, HISTOGRAM_VALUE_BITS), 1);
    struct histogram copy = {0};
    histogram_merge(&h, &copy); /* nothing to add */
    histogram_merge(&copy, &h);
    CU_ASSERT_EQUAL(copy.min, 0);
    CU_ASSERT_EQUAL(copy.max, INT64_MAX);
}

#define LIST(X)                                                                                    \
    X(COUNTER, M_WRITES, "t_requests_total", "op=\"write\"", "Requests.")                          \
    X(COUNTER, M_READS, "t_requests_total", "op=\"read\"", "Requests.")                            \
    X(GAUGE, M_OPEN, "t_open", "", "Open connections.")                                            \
    X(LATENCY, M_TIME, "t_write_seconds", "", "Time of a write.")                                  \
    X(HISTOGRAM, M_ROWS, "t_rows", "table=\"a\"", "Rows read.")
enum { LIST(METRIC_ID) M_COUNT };
static const struct metric_def defs[] = {LIST(METRIC_DEF)};

static bool contains(const struct buf *b, const char *text)
{
    return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

static void half_of_it_is_forgotten(void)
{
    struct histogram h = {0};
    for (int i = 0; i < 100; i++)
        histogram_record(&h, i < 60 ? 10 : 1000);
    histogram_record(&h, 30);
    histogram_halve(&h);
    CU_ASSERT_EQUAL(h.count, 50);
    CU_ASSERT_EQUAL(histogram_percentile(&h, 600000), 10);
    CU_ASSERT(histogram_percentile(&h, 610000) > 900);
    for (int i = 0; i < 6; i++)
        histogram_halve(&h);
    CU_ASSERT_EQUAL(h.count, 0);
    CU_ASSERT_EQUAL(h.max, 0);
    CU_ASSERT_EQUAL(histogram_percentile(&h, 500000), 0);
}

static void rendered_as_prometheus_text(void)
{
    struct metrics m;
    struct buf out;
    metrics_init(&m, defs, ARRAY_LEN(defs));
    buf_init(&out, 1 << 16);
    metrics_add(&m, M_WRITES, 3);
    metrics_set(&m, M_OPEN, 5);
    metrics_add(&m, M_OPEN, -7);
    metrics_record(&m, M_TIME, 1500);
    metrics_record(&m, M_TIME, 1600000);
    metrics_render(&m, &out);
    CU_ASSERT_TRUE(bytes_starts_with(buf_bytes(&out),
                                     BYTES_LIT("# HELP t_requests_total Requests.\n"
                                               "# TYPE t_requests_total counter\n"
                                               "t_requests_total{op=\"write\"} 3\n"
                                               "t_requests_total{op=\"read\"} 0\n"
                                               "# HELP t_open Open connections.\n"
                                               "# TYPE t_open gauge\n"
                                               "t_open -2\n"
                                               "# HELP t_write_seconds Time of a write.\n"
                                               "# TYPE t_write_seconds histogram\n"
                                               "t_write_seconds_bucket{le=\"0.000063\"} 0\n")));
    CU_ASSERT_TRUE(contains(&out, "t_write_seconds_bucket{le=\"0.001023\"} 0\n"
                                  "t_write_seconds_bucket{le=\"0.002047\"} 1\n"));
    CU_ASSERT_TRUE(contains(&out, "t_write_seconds_bucket{le=\"+Inf\"} 2\n"
                                  "t_write_seconds_sum 1.601500\n"
                                  "t_write_seconds_count 2\n"));
    CU_ASSERT_TRUE(contains(&out, "t_rows_bucket{table=\"a\",le=\"+Inf\"} 0\n"
                                  "t_rows_sum{table=\"a\"} 0\n"));
    buf_close(&out);
    metrics_close(&m);
}

static void instances_add_up(void)
{
    struct metrics a, b;
    metrics_init(&a, defs, ARRAY_LEN(defs));
    metrics_init(&b, defs, ARRAY_LEN(defs));
    metrics_add(&a, M_READS, 1);
    metrics_add(&b, M_READS, 2);
    metrics_record(&b, M_ROWS, 9);
    metrics_merge(&a, &b);
    CU_ASSERT_EQUAL(metrics_value(&a, M_READS), 3);
    CU_ASSERT_EQUAL(metrics_histogram(&a, M_ROWS)->count, 1);
    CU_ASSERT_PTR_NULL(metrics_histogram(&a, M_TIME));
    metrics_close(&a);
    metrics_close(&b);
    metrics_close(NULL);
}

static void found_by_name(void)
{
    struct metrics m;
    size_t id = M_COUNT;
    metrics_init(&m, defs, ARRAY_LEN(defs));
    CU_ASSERT_TRUE(metrics_find(&m, BYTES_LIT("t_requests_total{op=\"read\"}"), &id));
    CU_ASSERT_EQUAL(id, M_READS);
    CU_ASSERT_TRUE(metrics_find(&m, BYTES_LIT("t_open"), &id));
    CU_ASSERT_EQUAL(id, M_OPEN);
    CU_ASSERT_FALSE(metrics_find(&m, BYTES_LIT("t_requests_total"), &id));
    CU_ASSERT_FALSE(metrics_find(&m, BYTES_LIT("t_open{}"), &id));
    CU_ASSERT_FALSE(metrics_find(&m, BYTES_LIT("t_rows{table=\"b\"}"), &id));
    metrics_close(&m);
}

CU_TestInfo metrics_tests[] = {
    {"histogram: small values are exact", small_values_are_exact},
    {"histogram: percentiles within two percent", percentiles_within_two_percent},
    {"histogram: extreme values", extreme_values},
    {"half of it is forgotten", half_of_it_is_forgotten},
    {"rendered as Prometheus text", rendered_as_prometheus_text},
    {"instances add up", instances_add_up},
    {"found by name", found_by_name},
    CU_TEST_INFO_NULL,
};
