#include "base/map.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN ((size_t)16)

/* Spread the entropy of all bits to the low ones, which choose the slot. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 33) * 0xff51afd7ed558ccdu;
    z = (z ^ z >> 33) * 0xc4ceb9fe1a85ec53u;
    return z ^ z >> 33;
}

/* Grow when three quarters are used. */
static bool crowded(size_t count, size_t cap)
{
    return count >= cap - cap / 4;
}

/* True when an entry whose home is `home` and that sits at `at` may move back to the hole: the hole
 * lies on its probe path. All modulo cap. */
static bool may_fill(size_t hole, size_t home, size_t at, size_t mask)
{
    return ((at - home) & mask) >= ((at - hole) & mask);
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_close(struct map *m)
{
    if (m == NULL)
        return;
    mem_free(m->slots);
    *m = (struct map){0};
}

size_t map_count(const struct map *m)
{
    return m->count;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct map_slot *map_slot(const struct map *m, uint64_t key)
{
    size_t mask = m->cap - 1;
    size_t i = (size_t)mix(key) & mask;
    while (m->slots[i].value != NULL && m->slots[i].key != key)
        i = (i + 1) & mask;
    return &m->slots[i];
}

static void map_grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.cap > 0 ? old.cap * 2 : CAP_MIN;
    m->slots = mem_alloc(m->cap * sizeof *m->slots);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].value != NULL)
            *map_slot(m, old.slots[i].key) = old.slots[i];
    }
    mem_free(old.slots);
}

void *map_put(struct map *m, uint64_t key, void *value)
{
    ASSERT(value != NULL);
    if (crowded(m->count, m->cap))
        map_grow(m);
    struct map_slot *slot = map_slot(m, key);
    void *old = slot->value;
    *slot = (struct map_slot){key, value};
    m->count += old == NULL;
    return old;
}

void *map_get(const struct map *m, uint64_t key)
{
    return m->count > 0 ? map_slot(m, key)->value : NULL;
}

void *map_remove(struct map *m, uint64_t key)
{
    struct map_slot *slot = m->count > 0 ? map_slot(m, key) : NULL;
    if (slot == NULL || slot->value == NULL)
        return NULL;
    void *old = slot->value;
    size_t mask = m->cap - 1;
    size_t hole = (size_t)(slot - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        if (may_fill(hole, (size_t)mix(m->slots[i].key) & mask, i, mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    m->count--;
    return old;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t *map_keys(const struct map *m)
{
    uint64_t *keys = mem_alloc(m->count * sizeof *keys);
    size_t n = 0;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value != NULL)
            keys[n++] = m->slots[i].key;
    }
    qsort(keys, n, sizeof *keys, compare_numbers);
    return keys;
}

void map_clear(struct map *m, void (*drop)(void *))
{
    if (drop != NULL) {
        uint64_t *keys = map_keys(m);
        for (size_t i = 0, n = m->count; i < n; i++)
            drop(map_get(m, keys[i]));
        mem_free(keys);
    }
    map_close(m);
}

void bmap_init(struct bmap *m)
{
    *m = (struct bmap){0};
}

void bmap_close(struct bmap *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->cap; i++)
        mem_free(m->slots[i].key);
    mem_free(m->slots);
    *m = (struct bmap){0};
}

size_t bmap_count(const struct bmap *m)
{
    return m->count;
}

static struct bmap_slot *bmap_slot(const struct bmap *m, uint64_t hash, struct bytes key)
{
    size_t mask = m->cap - 1;
    size_t i = (size_t)hash & mask;
    for (;; i = (i + 1) & mask) {
        struct bmap_slot *s = &m->slots[i];
        if (s->value == NULL)
            return s;
        if (s->hash == hash && bytes_equal(bytes_make(s->key, s->key_len), key))
            return s;
    }
}

static void bmap_grow(struct bmap *m)
{
    struct bmap old = *m;
    m->cap = old.cap > 0 ? old.cap * 2 : CAP_MIN;
    m->slots = mem_alloc(m->cap * sizeof *m->slots);
    for (size_t i = 0; i < old.cap; i++) {
        const struct bmap_slot *s = &old.slots[i];
        if (s->value != NULL)
            *bmap_slot(m, s->hash, bytes_make(s->key, s->key_len)) = *s;
    }
    mem_free(old.slots);
}

void *bmap_put(struct bmap *m, struct bytes key, void *value)
{
    ASSERT(value != NULL);
    if (crowded(m->count, m->cap))
        bmap_grow(m);
    uint64_t hash = mix(bytes_hash(key));
    struct bmap_slot *slot = bmap_slot(m, hash, key);
    void *old = slot->value;
    if (old != NULL)
        slot->value = value;
    else
        *slot = (struct bmap_slot){hash, mem_copy(key.data, key.len), key.len, value};
    m->count += old == NULL;
    return old;
}

void *bmap_get(const struct bmap *m, struct bytes key)
{
    return m->count > 0 ? bmap_slot(m, mix(bytes_hash(key)), key)->value : NULL;
}

void *bmap_remove(struct bmap *m, struct bytes key)
{
    struct bmap_slot *slot = m->count > 0 ? bmap_slot(m, mix(bytes_hash(key)), key) : NULL;
    if (slot == NULL || slot->value == NULL)
        return NULL;
    void *old = slot->value;
    size_t mask = m->cap - 1;
    size_t hole = (size_t)(slot - m->slots);
    mem_free(slot->key);
    for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        if (may_fill(hole, (size_t)m->slots[i].hash & mask, i, mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct bmap_slot){0};
    m->count--;
    return old;
}

static int compare_bytes(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

struct bytes *bmap_keys(const struct bmap *m)
{
    struct bytes *keys = mem_alloc(m->count * sizeof *keys);
    size_t n = 0;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value != NULL)
            keys[n++] = bytes_make(m->slots[i].key, m->slots[i].key_len);
    }
    qsort(keys, n, sizeof *keys, compare_bytes);
    return keys;
}

void bmap_clear(struct bmap *m, void (*drop)(void *))
{
    if (drop != NULL) {
        struct bytes *keys = bmap_keys(m);
        for (size_t i = 0, n = m->count; i < n; i++)
            drop(bmap_get(m, keys[i]));
        mem_free(keys);
    }
    bmap_close(m);
}
