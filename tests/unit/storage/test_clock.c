/* clock: random operations against a table of booleans. */
#include "base/rng.h"
#include "storage/clock.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define ACTORS 3
#define DOTS   40

struct model {
    bool has[ACTORS][DOTS + 1];
};

static struct actor actor_of(size_t a)
{
    return (struct actor){(uint32_t)(2 - a / 2), (uint32_t)(a % 2)};
}

static void random_adds(struct rng *r, struct clock *c, struct model *m, bool *good)
{
    uint64_t steps = rng_below(r, 60);
    for (uint64_t i = 0; i < steps; i++) {
        size_t a = (size_t)rng_below(r, ACTORS);
        uint64_t first = 1 + rng_below(r, DOTS);
        uint64_t last = first + rng_below(r, 6);
        last = last > DOTS ? DOTS : last;
        if (rng_chance(r, 500000)) {
            clock_add_run(c, actor_of(a), first, last);
        } else {
            last = first;
            bool fresh = clock_add(c, (struct dot){actor_of(a), first});
            *good = *good && fresh != m->has[a][first];
        }
        for (uint64_t n = first; n <= last; n++)
            m->has[a][n] = true;
        clock_check(c);
    }
}

static bool same(const struct clock *c, const struct model *m)
{
    uint64_t count = 0;
    for (size_t a = 0; a < ACTORS; a++) {
        uint64_t top = 0;
        for (uint64_t n = 1; n <= DOTS; n++) {
            if (clock_has(c, (struct dot){actor_of(a), n}) != m->has[a][n])
                return false;
            count += m->has[a][n];
            top = m->has[a][n] ? n : top;
        }
        if (clock_top(c, actor_of(a)) != top)
            return false;
    }
    clock_check(c);
    return clock_count(c) == count && clock_empty(c) == (count == 0);
}

static bool codec_works(struct rng *r, const struct clock *c)
{
    struct buf b;
    struct clock got;
    buf_init(&b, SIZE_MAX);
    clock_init(&got);
    clock_encode(c, &b);
    bool good = clock_decode(buf_bytes(&b), &got) == ERR_OK && clock_equal(&got, c) &&
                clock_hash(&got) == clock_hash(c);
    for (size_t cut = 0; cut < b.len; cut++)
        good = good && clock_decode(bytes_make(b.data, cut), &got) == ERR_MALFORMED;
    good = good && clock_equal(&got, c); /* untouched by failures */
    for (int i = 0; i < 20; i++) {
        b.data[rng_below(r, b.len)] = (uint8_t)rng_next(r);
        if (clock_decode(buf_bytes(&b), &got) == ERR_OK)
            clock_check(&got);
    }
    clock_close(&got);
    buf_close(&b);
    return good;
}

static bool run(uint64_t seed)
{
    struct rng r;
    struct clock a, b, missing, merged, common;
    struct model ma = {0}, mb = {0}, mm, mj, mc;
    bool good = true;
    bool covers = true;
    rng_init(&r, seed);
    clock_init(&a);
    clock_init(&b);
    clock_init(&missing);
    clock_init(&common);
    clock_init(&merged);
    random_adds(&r, &a, &ma, &good);
    if (rng_chance(&r, 500000)) {
        clock_copy(&b, &a);
        mb = ma;
    }
    random_adds(&r, &b, &mb, &good);
    for (size_t i = 0; i < ACTORS; i++) {
        for (size_t n = 0; n <= DOTS; n++) {
            mm.has[i][n] = mb.has[i][n] && !ma.has[i][n];
            mj.has[i][n] = ma.has[i][n] || mb.has[i][n];
            mc.has[i][n] = ma.has[i][n] && mb.has[i][n];
            covers = covers && !mm.has[i][n];
        }
    }
    clock_missing(&b, &a, &missing);
    clock_common(&a, &b, &common);
    clock_copy(&merged, &a);
    clock_merge(&merged, &b);
    good = good && same(&a, &ma) && same(&b, &mb) && same(&missing, &mm) && same(&merged, &mj) &&
           same(&common, &mc);
    good = good && clock_covers(&a, &b) == covers && clock_covers(&merged, &a);
    good = good && clock_equal(&a, &b) == (memcmp(&ma, &mb, sizeof ma) == 0);
    good = good && codec_works(&r, &merged);
    clock_close(&a);
    clock_close(&b);
    clock_close(&missing);
    clock_close(&common);
    clock_close(&merged);
    return good;
}

static void random_against_table(void)
{
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        bool good = run(seed);
        if (!good)
            fprintf(stderr, "clock: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

static void extremes(void)
{
    struct clock c;
    clock_init(&c);
    clock_add_run(&c, (struct actor){UINT32_MAX, UINT32_MAX}, 1, DOT_N_MAX);
    clock_check(&c);
    CU_ASSERT_TRUE(clock_has(&c, (struct dot){{UINT32_MAX, UINT32_MAX}, DOT_N_MAX}));
    CU_ASSERT_EQUAL(clock_count(&c), DOT_N_MAX);
    for (uint32_t i = 0; i < 8; i++)
        clock_add_run(&c, (struct actor){i, 0}, 1, DOT_N_MAX);
    CU_ASSERT_EQUAL(clock_count(&c), UINT64_MAX);
    clock_close(&c);
    clock_close(&c);
    clock_close(NULL);
}

CU_TestInfo clock_tests[] = {
    {"random operations against a table", random_against_table},
    {"extremes", extremes},
    CU_TEST_INFO_NULL,
};
