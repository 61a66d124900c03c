/* map.h - hash maps: from a uint64 (`map`) and from bytes (`bmap`) to a pointer.
 *
 * Open addressing with linear probing; removal shifts back, so there are no tombstones and a table
 * that lives long does not get slower. There is no iteration in table order, on purpose: hash order
 * must never be observable. map_keys and bmap_keys give the keys sorted.
 *
 * Hashing is fixed (same seed, same run), so whoever can choose keys freely can make them collide:
 * keep what a client names in an omap, or bound the count.
 *
 * Ownership: keys are copied in, the values are the caller's. A value is never NULL.
 */
#ifndef TORC_BASE_MAP_H
#define TORC_BASE_MAP_H

#include "base/bytes.h"

struct map_slot {
    uint64_t key;
    void *value; /* NULL: the slot is free */
};

struct map {
    struct map_slot *slots;
    size_t cap; /* 0 or a power of two */
    size_t count;
};

void map_init(struct map *m);
void map_close(struct map *m); /* accepts NULL and a zeroed map; the values stay the caller's */
size_t map_count(const struct map *m);

/* Set the value; returns the one it replaced, or NULL. */
void *map_put(struct map *m, uint64_t key, void *value);
void *map_get(const struct map *m, uint64_t key);    /* NULL when not there */
void *map_remove(struct map *m, uint64_t key);       /* the value that was there, or NULL */
uint64_t *map_keys(const struct map *m);             /* map_count keys, ascending; mem_free it */
void map_clear(struct map *m, void (*drop)(void *)); /* drop each value in key order; NULL: keep */

struct bmap_slot {
    uint64_t hash;
    uint8_t *key;
    size_t key_len;
    void *value; /* NULL: the slot is free */
};

struct bmap {
    struct bmap_slot *slots;
    size_t cap;
    size_t count;
};

/* The same verbs. The views in bmap_keys, in byte order, live until their key is removed. */
void bmap_init(struct bmap *m);
void bmap_close(struct bmap *m);
size_t bmap_count(const struct bmap *m);
void *bmap_put(struct bmap *m, struct bytes key, void *value);
void *bmap_get(const struct bmap *m, struct bytes key);
void *bmap_remove(struct bmap *m, struct bytes key);
struct bytes *bmap_keys(const struct bmap *m); /* bmap_count keys; mem_free the array */
void bmap_clear(struct bmap *m, void (*drop)(void *));

#endif
