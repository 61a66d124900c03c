/* Bounds of timestamps by bucket: never too low, over restarts too, and not spoiled by one. */
#include "storage/maxima.h"

#include "base/mem.h"
#include "base/rng.h"
#include "storage/part.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define NOW ((int64_t)1767225600 * 1000000)

/* What a store has of them. */
struct records {
    struct buf of[MAXIMA_GROUPS];
};

static void note(struct maxima *m, struct records *r, uint64_t hash, int64_t timestamp)
{
    uint32_t group;
    if (!maxima_note(m, hash, timestamp, &group))
        return;
    buf_clear(&r->of[group]);
    maxima_group_write(m, group, &r->of[group]);
}

static void restart(struct maxima *m, struct records *r)
{
    maxima_close(m);
    maxima_init(m);
    for (uint32_t i = 0; i < MAXIMA_GROUPS; i++) {
        if (r->of[i].len > 0)
            CU_ASSERT_EQUAL_FATAL(maxima_group_read(m, i, buf_bytes(&r->of[i])), ERR_OK);
    }
}

static struct records *records_new(void)
{
    struct records *r = mem_new(struct records);
    for (size_t i = 0; i < MAXIMA_GROUPS; i++)
        buf_init(&r->of[i], BUF_MAX_DEFAULT);
    return r;
}

static void records_free(struct records *r)
{
    for (size_t i = 0; i < MAXIMA_GROUPS; i++)
        buf_close(&r->of[i]);
    mem_free(r);
}

static int64_t some_time(struct rng *rng, int64_t now)
{
    switch (rng_below(rng, 20)) {
    case 0: return rng_between(rng, INT64_MIN + 2, INT64_MAX);
    case 1: return now + rng_between(rng, 0, (int64_t)1 << 50);
    case 2: return rng_below(rng, 3) == 0 ? INT64_MAX : INT64_MIN + 2;
    default: return now + rng_between(rng, -500000, 500000);
    }
}

#define KEYS 300

static void the_bound_is_never_too_low(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct records *r = records_new();
        struct maxima m;
        struct rng rng;
        int64_t newest[KEYS];
        uint64_t hash[KEYS];
        int64_t now = NOW;
        bool good = true;
        rng_init(&rng, seed);
        maxima_init(&m);
        for (size_t i = 0; i < KEYS; i++) {
            newest[i] = TIMESTAMP_NONE;
            hash[i] = maxima_hash((table_no)rng_below(&rng, 3), (token)rng_next(&rng));
            if (seed % 3 == 0) /* all in one group, or nearly */
                hash[i] >>= MAXIMA_GROUP_BITS;
        }
        for (int step = 0; step < 2000 && good; step++) {
            size_t i = (size_t)rng_below(&rng, KEYS);
            int64_t timestamp = some_time(&rng, now);
            now += rng_between(&rng, 0, 2000000) * (rng_below(&rng, 500) == 0 ? 1000000 : 1);
            newest[i] = timestamp > newest[i] ? timestamp : newest[i];
            note(&m, r, hash[i], timestamp);
            if (rng_below(&rng, 200) != 0)
                continue;
            restart(&m, r);
            int64_t largest = maxima_largest(&m);
            for (size_t k = 0; k < KEYS && good; k++)
                good = maxima_at(&m, hash[k]) >= newest[k] && largest >= newest[k];
        }
        if (!good)
            printf("    seed %llu\n", (unsigned long long)seed);
        CU_ASSERT(good);
        maxima_close(&m);
        records_free(r);
    }
}

/* How many of a thousand partitions a write of now would have to read. */
static size_t spoiled(const struct maxima *m, int64_t now)
{
    size_t count = 0;
    for (token i = 0; i < 1000; i++)
        count +=
            maxima_at(m, maxima_hash(9, (token)((uint64_t)i * UINT64_C(0x123456789abcdef)))) >= now;
    return count;
}

static void fill(struct maxima *m, struct records *r, int64_t now)
{
    for (token i = 0; i < 100000; i++)
        note(m, r, maxima_hash(1, (token)((uint64_t)i * UINT64_C(0x3456789abcdef1))), now + i);
}

static void a_timestamp_from_the_far_future_spoils_its_bucket_alone(void)
{
    struct records *r = records_new();
    struct maxima m;
    maxima_init(&m);
    fill(&m, r, NOW);
    note(&m, r, maxima_hash(1, 77), INT64_MAX);
    for (token i = 0; i < 2000; i++) /* two in each group */
        note(&m, r, maxima_hash(2, (token)((uint64_t)i << 53)), NOW * 1000);
    CU_ASSERT_EQUAL(maxima_at(&m, maxima_hash(1, 77)), INT64_MAX);
    CU_ASSERT(spoiled(&m, NOW + 1000000) < 20);
    for (int boots = 0; boots < 3; boots++) {
        restart(&m, r);
        CU_ASSERT(spoiled(&m, NOW + MAXIMA_AHEAD_US + 1000000) < 20);
        CU_ASSERT_EQUAL(maxima_at(&m, maxima_hash(1, 77)), INT64_MAX);
    }
    maxima_close(&m);
    records_free(r);
}

/* What is written long after all else looks far at first. */
static void a_group_that_was_left_alone_is_soon_as_before(void)
{
    struct records *r = records_new();
    struct maxima m;
    int64_t later = NOW + 100 * MAXIMA_FAR_US;
    size_t stored = 0;
    maxima_init(&m);
    fill(&m, r, NOW);
    restart(&m, r);
    fill(&m, r, later);
    restart(&m, r);
    CU_ASSERT_EQUAL(spoiled(&m, later + 3 * MAXIMA_AHEAD_US), 0);
    for (int i = 0; i < 10000; i++) { /* a hot partition after long */
        uint32_t group;
        stored += maxima_note(&m, maxima_hash(1, 5), later * 2 + i, &group);
    }
    CU_ASSERT(stored <= 2);
    maxima_close(&m);
    records_free(r);
}

static void a_damaged_record_is_refused(void)
{
    struct maxima m;
    struct buf b;
    uint32_t group = 0;
    buf_init(&b, BUF_MAX_DEFAULT);
    maxima_init(&m);
    CU_ASSERT(maxima_note(&m, 5, NOW, &group));
    CU_ASSERT(maxima_note(&m, 5, NOW * 2, &group));
    maxima_group_write(&m, group, &b);
    CU_ASSERT_EQUAL(maxima_group_read(&m, group, buf_bytes(&b)), ERR_OK);
    CU_ASSERT_EQUAL(maxima_group_read(&m, group + 1, buf_bytes(&b)), ERR_CORRUPT);
    CU_ASSERT_EQUAL(maxima_group_read(&m, MAXIMA_GROUPS, buf_bytes(&b)), ERR_CORRUPT);
    for (size_t len = 0; len < b.len; len++)
        CU_ASSERT_EQUAL(maxima_group_read(&m, group, bytes_make(b.data, len)), ERR_CORRUPT);
    buf_put_u8(&b, 0);
    CU_ASSERT_EQUAL(maxima_group_read(&m, group, buf_bytes(&b)), ERR_CORRUPT);
    maxima_close(&m);
    buf_close(&b);
}

CU_TestInfo maxima_tests[] = {
    {"the bound is never too low, over restarts", the_bound_is_never_too_low},
    {"a timestamp from the far future spoils its bucket alone",
     a_timestamp_from_the_far_future_spoils_its_bucket_alone},
    {"a group that was left alone is soon as before",
     a_group_that_was_left_alone_is_soon_as_before},
    {"a damaged record is refused", a_damaged_record_is_refused},
    CU_TEST_INFO_NULL,
};
