/* omap: random operations against a sorted array, and the promises about nodes. */
#include "base/mem.h"
#include "base/omap.h"
#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define MODEL_MAX 256

/* The naive model: pairs in key order. */
struct pair {
    uint8_t key[16];
    size_t key_len;
    uint8_t value[16];
    size_t value_len;
};
struct model {
    struct pair pairs[MODEL_MAX];
    size_t count;
};

static struct bytes pair_key(const struct pair *p)
{
    return bytes_make(p->key, p->key_len);
}

static size_t model_seek(const struct model *m, struct bytes key)
{
    size_t i = 0;
    while (i < m->count && bytes_compare(pair_key(&m->pairs[i]), key) < 0)
        i++;
    return i;
}

static bool model_has(const struct model *m, size_t i, struct bytes key)
{
    return i < m->count && bytes_equal(pair_key(&m->pairs[i]), key);
}

static void model_put(struct model *m, struct bytes key, struct bytes value)
{
    size_t i = model_seek(m, key);
    if (!model_has(m, i, key)) {
        memmove(&m->pairs[i + 1], &m->pairs[i], (m->count - i) * sizeof m->pairs[0]);
        m->count++;
    }
    struct pair *p = &m->pairs[i];
    memcpy(p->key, key.data, key.len);
    p->key_len = key.len;
    memcpy(p->value, value.data, value.len);
    p->value_len = value.len;
}

static bool model_remove(struct model *m, struct bytes key)
{
    size_t i = model_seek(m, key);
    if (!model_has(m, i, key))
        return false;
    m->count--;
    memmove(&m->pairs[i], &m->pairs[i + 1], (m->count - i) * sizeof m->pairs[0]);
    return true;
}

static bool same_node(const struct omap_node *n, const struct model *m, size_t i)
{
    if (i >= m->count)
        return n == NULL;
    return n != NULL && bytes_equal(omap_key(n), pair_key(&m->pairs[i])) &&
           bytes_equal(omap_value(n), bytes_make(m->pairs[i].value, m->pairs[i].value_len));
}

static bool same(const struct omap *o, const struct model *m)
{
    const struct omap_node *n = omap_first(o);
    for (size_t i = 0; i <= m->count; i++, n = n != NULL ? omap_next(n) : NULL) {
        if (!same_node(n, m, i))
            return false;
    }
    n = omap_last(o);
    for (size_t i = m->count; i-- > 0; n = omap_prev(n)) {
        if (!same_node(n, m, i))
            return false;
    }
    return n == NULL && omap_count(o) == m->count;
}

/* Few distinct bytes and short keys: many hits, many prefixes of each other. */
static struct bytes random_bytes(struct rng *r, uint8_t *room, size_t max, unsigned distinct)
{
    size_t len = (size_t)rng_below(r, max + 1);
    for (size_t i = 0; i < len; i++)
        room[i] = (uint8_t)(rng_below(r, distinct) * 85);
    return bytes_make(room, len);
}

/* Now and then behind seven common bytes, so that keys differ around the eighth. */
static struct bytes random_key(struct rng *r, uint8_t room[16], size_t max)
{
    size_t common = rng_chance(r, 500000) ? 7 : 0;
    memset(room, 0, common);
    return bytes_make(room, common + random_bytes(r, room + common, max, 4).len);
}

static bool run(uint64_t seed, int steps)
{
    struct rng r;
    struct omap o;
    struct model m = {.count = 0};
    bool good = true;
    rng_init(&r, seed);
    omap_init(&o);
    for (int i = 0; i < steps && good; i++) {
        uint8_t key_room[16], value_room[16];
        struct bytes key = random_key(&r, key_room, 3);
        struct bytes value = random_bytes(&r, value_room, 16, 256);
        struct bytes got = BYTES_NONE;
        size_t at = model_seek(&m, key);
        if (rng_chance(&r, 550000)) {
            model_put(&m, key, value);
            good = bytes_equal(omap_key(omap_put(&o, key, value)), key);
        } else {
            good = omap_get(&o, key, &got) == model_has(&m, at, key) &&
                   omap_remove(&o, key) == model_remove(&m, key);
        }
        key = random_key(&r, key_room, 4);
        at = model_seek(&m, key);
        good = good && same_node(omap_seek(&o, key), &m, at) &&
               same_node(omap_seek_before(&o, key), &m, at > 0 ? at - 1 : SIZE_MAX) &&
               (i % 16 != 0 || same(&o, &m));
        omap_check(&o);
    }
    omap_clear(&o);
    good = good && omap_count(&o) == 0 && omap_memory(&o) == 0 && omap_first(&o) == NULL;
    omap_close(&o);
    return good;
}

static void random_against_sorted_array(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        bool good = run(seed, 500);
        if (!good)
            fprintf(stderr, "omap: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

static void nodes_stay_while_others_come_and_go(void)
{
    struct omap o;
    struct omap_node *kept[100];
    char key[16];
    omap_init(&o);
    for (int i = 0; i < 1000; i++) {
        int len = snprintf(key, sizeof key, "%04d", i * 7919 % 1000);
        struct bytes k = bytes_make(key, (size_t)len);
        struct omap_node *n = omap_put(&o, k, k);
        if (i % 10 == 0)
            kept[i / 10] = n;
    }
    for (int i = 0; i < 1000; i++) {
        if (i % 10 != 0) {
            int len = snprintf(key, sizeof key, "%04d", i * 7919 % 1000);
            CU_ASSERT_TRUE(omap_remove(&o, bytes_make(key, (size_t)len)));
        }
    }
    for (int i = 0; i < 1000; i += 10) {
        int len = snprintf(key, sizeof key, "%04d", i * 7919 % 1000);
        CU_ASSERT_TRUE(bytes_equal(omap_key(kept[i / 10]), bytes_make(key, (size_t)len)));
        CU_ASSERT_PTR_EQUAL(omap_find(&o, bytes_make(key, (size_t)len)), kept[i / 10]);
    }
    CU_ASSERT_EQUAL(omap_count(&o), 100);
    omap_close(&o);
}

static void put_again_keeps_the_node(void)
{
    struct omap o;
    struct bytes value;
    omap_init(&o);
    struct omap_node *n = omap_put(&o, BYTES_LIT("k"), BYTES_LIT("a long value, to begin with"));
    size_t long_memory = omap_memory(&o);
    CU_ASSERT_PTR_EQUAL(omap_put(&o, BYTES_LIT("k"), BYTES_LIT("v")), n);
    CU_ASSERT_TRUE(omap_get(&o, BYTES_LIT("k"), &value) && bytes_equal_text(value, "v"));
    CU_ASSERT_TRUE(omap_memory(&o) < long_memory);
    CU_ASSERT_PTR_EQUAL(omap_put(&o, BYTES_LIT("k"), BYTES_NONE), n);
    CU_ASSERT_TRUE(omap_get(&o, BYTES_LIT("k"), &value) && value.len == 0);
    omap_put(&o, BYTES_LIT("k"), BYTES_LIT("abcdef"));
    omap_put(&o, BYTES_LIT("k"), (struct bytes){omap_value(n).data + 2, 4}); /* its own value */
    CU_ASSERT_TRUE(bytes_equal_text(omap_value(n), "cdef"));
    CU_ASSERT_TRUE(omap_remove(&o, omap_key(n))); /* its own key */
    CU_ASSERT_FALSE(omap_remove(&o, BYTES_LIT("k")));
    omap_close(&o);
}

static void empty_and_zeroed(void)
{
    struct omap o = {0};
    CU_ASSERT_PTR_NULL(omap_first(&o));
    CU_ASSERT_PTR_NULL(omap_last(&o));
    CU_ASSERT_PTR_NULL(omap_seek(&o, BYTES_NONE));
    CU_ASSERT_PTR_NULL(omap_seek_before(&o, BYTES_LIT("z")));
    omap_put(&o, BYTES_NONE, BYTES_NONE); /* the empty key is a key, the smallest */
    CU_ASSERT_EQUAL(omap_count(&o), 1);
    CU_ASSERT_PTR_NOT_NULL(omap_seek(&o, BYTES_NONE));
    omap_close(&o);
    omap_close(&o);
    omap_close(NULL);
}

CU_TestInfo omap_tests[] = {
    {"random operations against a sorted array", random_against_sorted_array},
    {"nodes stay while others come and go", nodes_stay_while_others_come_and_go},
    {"put again keeps the node", put_again_keeps_the_node},
    {"empty and zeroed", empty_and_zeroed},
    CU_TEST_INFO_NULL,
};
