/* map and bmap: random operations against plain arrays. */
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define KEYS 300

static int cells[KEYS * 2]; /* something for the values to point at */

static bool run_map(uint64_t seed)
{
    struct rng r;
    struct map m;
    void *model[KEYS] = {0};
    size_t count = 0;
    bool good = true;
    rng_init(&r, seed);
    map_init(&m);
    for (int i = 0; i < 4000 && good; i++) {
        size_t k = (size_t)rng_below(&r, KEYS);
        uint64_t key = k << (seed % 40); /* also keys that differ in high bits only */
        if (rng_chance(&r, 500000)) {
            void *value = &cells[rng_below(&r, ARRAY_LEN(cells))];
            good = map_put(&m, key, value) == model[k];
            count += model[k] == NULL;
            model[k] = value;
        } else {
            good = map_get(&m, key) == model[k] && map_remove(&m, key) == model[k];
            count -= model[k] != NULL;
            model[k] = NULL;
        }
        good = good && map_count(&m) == count;
    }
    uint64_t *keys = map_keys(&m);
    for (size_t k = 0, at = 0; k < KEYS; k++) {
        good = good && map_get(&m, k << (seed % 40)) == model[k];
        good = good && (model[k] == NULL || keys[at++] == k << (seed % 40));
    }
    mem_free(keys);
    map_close(&m);
    return good;
}

static struct bytes name(char room[16], size_t k)
{
    return bytes_make(room, (size_t)snprintf(room, 16, "k%03zu", k));
}

static bool run_bmap(uint64_t seed)
{
    struct rng r;
    struct bmap m;
    void *model[KEYS] = {0};
    size_t count = 0;
    bool good = true;
    char room[16];
    rng_init(&r, seed);
    bmap_init(&m);
    for (int i = 0; i < 4000 && good; i++) {
        size_t k = (size_t)rng_below(&r, KEYS);
        if (rng_chance(&r, 500000)) {
            void *value = &cells[rng_below(&r, ARRAY_LEN(cells))];
            good = bmap_put(&m, name(room, k), value) == model[k];
            count += model[k] == NULL;
            model[k] = value;
        } else {
            good = bmap_get(&m, name(room, k)) == model[k];
            good = good && bmap_remove(&m, name(room, k)) == model[k];
            count -= model[k] != NULL;
            model[k] = NULL;
        }
        good = good && bmap_count(&m) == count;
    }
    struct bytes *keys = bmap_keys(&m);
    for (size_t k = 0, at = 0; k < KEYS; k++) {
        good = good && bmap_get(&m, name(room, k)) == model[k];
        good = good && (model[k] == NULL || bytes_equal(keys[at++], name(room, k)));
    }
    mem_free(keys);
    bmap_close(&m);
    return good;
}

static void map_random(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        bool good = run_map(seed);
        if (!good)
            fprintf(stderr, "map: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

static void bmap_random(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        bool good = run_bmap(seed);
        if (!good)
            fprintf(stderr, "bmap: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

static void empty_and_zeroed(void)
{
    struct map m = {0};
    struct bmap b = {0};
    CU_ASSERT_PTR_NULL(map_get(&m, 0));
    CU_ASSERT_PTR_NULL(map_remove(&m, 0));
    CU_ASSERT_PTR_NULL(bmap_get(&b, BYTES_NONE));
    CU_ASSERT_PTR_NULL(bmap_remove(&b, BYTES_NONE));
    bmap_put(&b, BYTES_NONE, cells); /* the empty key is a key */
    CU_ASSERT_PTR_EQUAL(bmap_get(&b, BYTES_NONE), cells);
    map_put(&m, 0, cells);
    CU_ASSERT_PTR_EQUAL(map_get(&m, 0), cells);
    map_close(&m);
    bmap_close(&b);
    map_close(NULL);
    bmap_close(NULL);
}

static void *dropped[4];
static size_t dropped_count;

static void drop(void *value)
{
    dropped[dropped_count++] = value;
}

/* Values are dropped in key order whatever the order they came in. */
static void clear_drops_in_key_order(void)
{
    struct map m = {0};
    struct bmap b = {0};
    dropped_count = 0;
    map_put(&m, 900, &cells[1]);
    map_put(&m, 5, &cells[0]);
    map_clear(&m, drop);
    bmap_put(&b, BYTES_LIT("b"), &cells[3]);
    bmap_put(&b, BYTES_LIT("a"), &cells[2]);
    bmap_clear(&b, drop);
    CU_ASSERT_EQUAL(dropped_count, 4);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_PTR_EQUAL(dropped[i], &cells[i]);
    CU_ASSERT_EQUAL(map_count(&m) + bmap_count(&b), 0);
}

CU_TestInfo map_tests[] = {
    {"map: random operations", map_random},
    {"bmap: random operations", bmap_random},
    {"empty and zeroed", empty_and_zeroed},
    {"clear drops in key order", clear_drops_in_key_order},
    CU_TEST_INFO_NULL,
};
