#include "ring/token.h"

#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

static void which_q_are_valid(void)
{
    static const struct {
        uint64_t ranges;
        bool valid;
    } rows[] = {{0, false},
                {1, true},
                {2, true},
                {3, false},
                {1024, true},
                {1000, false},
                {RING_RANGES_MAX, true},
                {2 * RING_RANGES_MAX, false},
                {UINT64_MAX, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(ring_ranges_valid(rows[i].ranges), rows[i].valid);
}

static void ranges_of_known_tokens(void)
{
    static const struct {
        token t;
        uint32_t ranges;
        range_no range;
    } rows[] = {
        {INT64_MIN, 1, 0},
        {INT64_MAX, 1, 0},
        {INT64_MIN, 4, 0},
        {INT64_MIN + 1, 4, 0},
        {-1, 2, 0},
        {0, 2, 1},
        {-1, 4, 1},
        {0, 4, 2},
        {INT64_MAX, 4, 3},
        {INT64_MAX, 1024, 1023},
        {-4611686018427387905, 4, 0},
        {-4611686018427387904, 4, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(ring_range_of(rows[i].t, rows[i].ranges), rows[i].range);
}

/* Every Q: the ranges follow each other without gap, cover everything, are of one size. */
static void ranges_cover_the_ring(void)
{
    for (uint32_t q = 1; q <= RING_RANGES_MAX; q *= 2) {
        token next = INT64_MIN;
        for (range_no r = 0; r < q; r++) {
            struct token_span s = ring_range_span(r, q);
            CU_ASSERT_EQUAL_FATAL(s.first, next);
            CU_ASSERT_EQUAL((uint64_t)s.last - (uint64_t)s.first,
                            q == 1 ? UINT64_MAX : UINT64_MAX / q);
            CU_ASSERT_EQUAL(ring_range_of(s.first, q), r);
            CU_ASSERT_EQUAL(ring_range_of(s.last, q), r);
            CU_ASSERT_EQUAL(ring_range_right(r, q), s.last);
            CU_ASSERT_EQUAL(ring_range_left((r + 1) % q, q), s.last);
            if (r + 1 < q)
                next = s.last + 1;
            else
                CU_ASSERT_EQUAL(s.last, INT64_MAX);
        }
    }
}

/* Nobody publishes INT64_MIN; the range that wraps gains by it only the token of the empty key. */
static void smallest_token_is_never_a_border(void)
{
    for (uint32_t q = 1; q <= RING_RANGES_MAX; q *= 2) {
        for (range_no r = 0; r < q; r++)
            CU_ASSERT_FATAL(ring_range_right(r, q) != INT64_MIN);
        CU_ASSERT_EQUAL(ring_range_left(0, q), INT64_MAX);
        CU_ASSERT_EQUAL(ring_range_of(INT64_MIN, q), 0);
    }
}

/* (left, right] as Cassandra means it. */
static bool in_interval(token left, token right, token t)
{
    if (left == right)
        return true;
    return left < right ? t > left && t <= right : t > left || t <= right;
}

static bool in_spans(const struct token_span *spans, size_t count, token t)
{
    unsigned hits = 0;
    for (size_t i = 0; i < count; i++)
        hits += t >= spans[i].first && t <= spans[i].last;
    CU_ASSERT(hits <= 1);
    return hits == 1;
}

static token random_token(struct rng *rng)
{
    static const token edges[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    uint64_t n = rng_below(rng, 2 * ARRAY_LEN(edges));
    return n < ARRAY_LEN(edges) ? edges[n] : (token)rng_next(rng);
}

static void intervals_as_spans(void)
{
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        struct token_span spans[2];
        token left = random_token(&rng);
        token right = random_token(&rng);
        token t = random_token(&rng);
        size_t n = token_spans_of(left, right, spans);
        CU_ASSERT_EQUAL(in_spans(spans, n, t), in_interval(left, right, t));
        CU_ASSERT_EQUAL(in_spans(spans, n, right), true);
        CU_ASSERT_EQUAL(in_spans(spans, n, left), left == right);
        CU_ASSERT(n == 1 || spans[0].last < spans[1].first);
    }
}

/* A scan range by range sees every token of its span once, in order. */
static void scans_meet_every_range(void)
{
    struct rng rng;
    rng_init(&rng, 4);
    for (int i = 0; i < 5000; i++) {
        uint32_t q = (uint32_t)1 << rng_below(&rng, 8);
        token a = random_token(&rng);
        token b = random_token(&rng);
        struct token_span s = {a < b ? a : b, a < b ? b : a};
        range_no first;
        uint32_t count = ring_ranges_touched(s, q, &first);
        token next = s.first;
        for (uint32_t k = 0; k < count; k++) {
            struct token_span part;
            CU_ASSERT_FATAL(token_span_meet(ring_range_span(first + k, q), s, &part));
            CU_ASSERT_EQUAL(part.first, next);
            CU_ASSERT(k + 1 < count ? part.last < s.last : part.last == s.last);
            next = part.last == INT64_MAX ? INT64_MAX : part.last + 1;
        }
    }
}

static void spans_apart_do_not_meet(void)
{
    struct token_span both = {7, 7};
    CU_ASSERT_FALSE(token_span_meet((struct token_span){0, 4}, (struct token_span){5, 9}, &both));
    CU_ASSERT_EQUAL(both.first, 7);
    CU_ASSERT_TRUE(token_span_meet((struct token_span){0, 5}, (struct token_span){5, 9}, &both));
    CU_ASSERT(both.first == 5 && both.last == 5);
}

static void tokens_from_text(void)
{
    static const struct {
        const char *text;
        bool fine;
        token t;
    } rows[] = {{"0", true, 0},
                {"-0", true, 0},
                {"-100", true, -100},
                {"007", true, 7},
                {"9223372036854775807", true, INT64_MAX},
                {"-9223372036854775808", true, INT64_MIN},
                {"9223372036854775808", false, 0},
                {"-9223372036854775809", false, 0},
                {"99999999999999999999", false, 0},
                {"18446744073709551617", false, 0},
                {"", false, 0},
                {"-", false, 0},
                {"--1", false, 0},
                {"+1", false, 0},
                {" 1", false, 0},
                {"1 ", false, 0},
                {"0x10", false, 0},
                {"1e3", false, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        token t = 0;
        CU_ASSERT_EQUAL(token_parse(bytes_text(rows[i].text), &t), rows[i].fine);
        CU_ASSERT(!rows[i].fine || t == rows[i].t);
    }
}

CU_TestInfo token_tests[] = {
    {"tokens from text", tokens_from_text},
    {"which Q are valid", which_q_are_valid},
    {"ranges of known tokens", ranges_of_known_tokens},
    {"ranges cover the ring", ranges_cover_the_ring},
    {"the smallest token is never a border", smallest_token_is_never_a_border},
    {"intervals as spans", intervals_as_spans},
    {"scans meet every range", scans_meet_every_range},
    {"spans apart do not meet", spans_apart_do_not_meet},
    CU_TEST_INFO_NULL,
};
