/* types, rng and timers. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/timers.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static void uuids(void)
{
    static const char *const wrong[] = {
        "",
        "123e4567-e89b-12d3-a456-42661417400",   /* short */
        "123e4567-e89b-12d3-a456-4266141740000", /* long */
        "123e4567e89b-12d3-a456-4266141740000",  /* a dash astray */
        "123e4567-e89b-12d3-a456-42661417400g",
        "123e4567-e89b-12d3-a456_426614174000",
    };
    struct uuid u, again;
    char text[UUID_TEXT_SIZE];
    const char *good = "123e4567-E89B-12d3-a456-426614174000";
    CU_ASSERT_TRUE(uuid_parse(good, strlen(good), &u));
    CU_ASSERT_STRING_EQUAL(uuid_text(&u, text), "123e4567-e89b-12d3-a456-426614174000");
    CU_ASSERT_TRUE(uuid_parse(text, 36, &again) && uuid_equal(&u, &again));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        CU_ASSERT_FALSE(uuid_parse(wrong[i], strlen(wrong[i]), &again));
    CU_ASSERT_TRUE(uuid_equal(&u, &again)); /* untouched by failures */
    again.b[15]++;
    CU_ASSERT_TRUE(uuid_compare(&u, &again) < 0);
    CU_ASSERT_FALSE(uuid_is_zero(&u));
    CU_ASSERT_TRUE(uuid_is_zero(&(struct uuid){{0}}));
}

static void endpoints(void)
{
    static const struct {
        const char *text;
        const char *canonical; /* NULL: no endpoint */
    } rows[] = {
        {"127.0.0.1", "127.0.0.1:7000"},
        {"127.0.0.1:1", "127.0.0.1:1"},
        {"10.1.2.3:65535", "10.1.2.3:65535"},
        {"::1", "[::1]:7000"},
        {"[::1]", "[::1]:7000"},
        {"[fe80::2]:9", "[fe80::2]:9"},
        {"::ffff:1.2.3.4", "1.2.3.4:7000"},
        {"", NULL},
        {":", NULL},
        {":7000", NULL},
        {"localhost", NULL},
        {"127.0.0.1:", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:-1", NULL},
        {"127.0.0.1:+1", NULL},
        {"127.0.0.1: 1", NULL},
        {"127.0.0.1:1x", NULL},
        {"127.0.0.1:99999999999999999999", NULL},
        {"127.0.0", NULL},
        {"127.0.0.1 ", NULL},
        {"[::1", NULL},
        {"[::1]x", NULL},
        {"[::1]:", NULL},
        {"[]", NULL},
        {"[]:1", NULL},
        {"[[::1]]", NULL},
        {"1111111111111111111111111111111111111111111111111111111111111111111111", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct endpoint e = {.port = 1};
        char text[ENDPOINT_TEXT_SIZE];
        bool good = endpoint_parse(rows[i].text, 7000, &e);
        if (good != (rows[i].canonical != NULL))
            fprintf(stderr, "endpoint: '%s'\n", rows[i].text);
        CU_ASSERT_EQUAL(good, rows[i].canonical != NULL);
        if (good && rows[i].canonical != NULL)
            CU_ASSERT_STRING_EQUAL(endpoint_text(&e, text), rows[i].canonical);
    }
}

static void endpoints_compared(void)
{
    struct endpoint a = endpoint_v4(10, 0, 0, 1, 7000), b = endpoint_v4(10, 0, 0, 1, 7001);
    char text[ENDPOINT_TEXT_SIZE];
    CU_ASSERT_TRUE(endpoint_compare(&a, &b) < 0 && endpoint_compare(&b, &a) > 0);
    CU_ASSERT_TRUE(endpoint_equal(&a, &a) && !endpoint_equal(&a, &b));
    CU_ASSERT_TRUE(endpoint_is_v4(&a) && !endpoint_is_none(&a));
    CU_ASSERT_TRUE(endpoint_is_none(&(struct endpoint){.port = 0}));
    CU_ASSERT_STRING_EQUAL(endpoint_ip_text(&a, text), "10.0.0.1");
    CU_ASSERT_TRUE(endpoint_parse("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 65535, &a));
    CU_ASSERT_STRING_EQUAL(endpoint_text(&a, text),
                           "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"); /* the longest */
}

static void dots_in_order(void)
{
    static const struct dot rows[] = {{{0, 0}, 0}, {{1, 0}, 9}, {{1, 1}, 1},
                                      {{1, 1}, 2}, {{2, 0}, 0}, {{UINT32_MAX, 0}, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
            int c = dot_compare(rows[i], rows[j]);
            CU_ASSERT_EQUAL((c > 0) - (c < 0), (i > j) - (i < j));
        }
    }
}

/* The sequence is part of what a seed means: it must be the same on every machine, for ever. */
static void rng_is_the_published_generator(void)
{
    struct rng r = {{1, 2, 3, 4}};
    static const uint64_t first[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        CU_ASSERT_EQUAL(rng_next(&r), first[i]);
    rng_init(&r, 0);
    CU_ASSERT_EQUAL(r.s[0], 0xe220a8397b1dcdafu); /* splitmix64 of 0 */
}

static void rng_stays_in_bounds(void)
{
    struct rng r;
    size_t seen[5] = {0};
    rng_init(&r, 1);
    for (int i = 0; i < 5000; i++) {
        seen[rng_below(&r, 5)]++;
        int64_t n = rng_between(&r, -2, 2);
        CU_ASSERT_TRUE(n >= -2 && n <= 2);
        double unit = rng_unit(&r);
        CU_ASSERT_TRUE(unit >= 0 && unit < 1);
        CU_ASSERT_EQUAL(rng_below(&r, 1), 0);
        CU_ASSERT_FALSE(rng_chance(&r, 0));
        CU_ASSERT_TRUE(rng_chance(&r, 1000000));
    }
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT_TRUE(seen[i] > 850 && seen[i] < 1150);
    CU_ASSERT_EQUAL(rng_between(&r, INT64_MAX, INT64_MAX), INT64_MAX);
    (void)rng_between(&r, INT64_MIN, INT64_MAX);
    (void)rng_below(&r, UINT64_MAX);
    struct uuid u = rng_uuid(&r);
    CU_ASSERT_EQUAL(u.b[6] >> 4, 4);
    CU_ASSERT_EQUAL(u.b[8] >> 6, 2);
}

static void rng_forks_do_not_disturb(void)
{
    struct rng a, b;
    rng_init(&a, 5);
    rng_init(&b, 5);
    struct rng fork = rng_fork(&a);
    (void)rng_fork(&b);
    for (int i = 0; i < 10; i++)
        (void)rng_next(&fork); /* however much the fork is used */
    CU_ASSERT_EQUAL(rng_next(&a), rng_next(&b));
}

#define TIMERS 40

/* Against the naive way: look at all of them. Equal times come out in the order they were set. */
static bool timers_hold(uint64_t seed)
{
    struct rng r;
    struct timers t;
    struct timer timer[TIMERS] = {{0}};
    usec at[TIMERS]; /* the model; USEC_NEVER: not set */
    uint64_t order[TIMERS] = {0}, orders = 0;
    bool good = true;
    rng_init(&r, seed);
    timers_init(&t);
    for (size_t i = 0; i < TIMERS; i++)
        at[i] = USEC_NEVER;
    for (int step = 0; step < 2000 && good; step++) {
        size_t i = (size_t)rng_below(&r, TIMERS);
        uint64_t what = rng_below(&r, 10);
        if (what < 5) {
            at[i] = rng_between(&r, 0, 50);
            order[i] = ++orders;
            timers_set(&t, &timer[i], at[i]);
        } else if (what < 7) {
            at[i] = USEC_NEVER;
            timers_cancel(&t, &timer[i]);
        }
        size_t best = TIMERS;
        for (size_t k = 0; k < TIMERS; k++) {
            if (at[k] != USEC_NEVER && (best == TIMERS || at[k] < at[best] ||
                                        (at[k] == at[best] && order[k] < order[best])))
                best = k;
        }
        good = timers_next(&t) == (best == TIMERS ? USEC_NEVER : at[best]);
        if (what >= 7) {
            usec now = rng_between(&r, 0, 60);
            struct timer *due = best < TIMERS && at[best] <= now ? &timer[best] : NULL;
            good = good && timers_pop(&t, now) == due;
            if (due != NULL)
                at[best] = USEC_NEVER;
        }
    }
    timers_close(&t);
    return good;
}

static void timers_against_looking_at_all(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        bool good = timers_hold(seed);
        if (!good)
            fprintf(stderr, "timers: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

CU_TestInfo types_tests[] = {
    {"uuids", uuids},
    {"endpoints", endpoints},
    {"endpoints compared", endpoints_compared},
    {"dots in order", dots_in_order},
    {"rng is the published generator", rng_is_the_published_generator},
    {"rng stays in bounds", rng_stays_in_bounds},
    {"rng: forks do not disturb", rng_forks_do_not_disturb},
    {"timers against looking at all", timers_against_looking_at_all},
    CU_TEST_INFO_NULL,
};
