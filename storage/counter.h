/* counter.h - counters: sets of increments, each kept under the name of the request that made it.
 *
 *   cells of a counter column = base?, increment*
 *   increment = a live cell at path `id`: value = i64, what it adds
 *   base      = a live cell without path: value = i64, the sum of all increments with a timestamp
 *               up to its own, which it shadows as a deletion would (part.h)
 *   value     = base + increments, wrapping around
 *
 * The id is the identity of an increment, not the dot: a request that is sent again, to whomever,
 * makes the same cell, and a cell is there once. So merging is the join of part.h as it is, and a
 * deletion takes what has a timestamp up to its own, as everywhere. docs/counters.md has the
 * argument why a sum may take the place of its increments, and when.
 */
#ifndef TORC_STORAGE_COUNTER_H
#define TORC_STORAGE_COUNTER_H

#include "storage/part.h"

#define COUNTER_ID_SIZE 16u

/* The 16 bytes that name what `name` says: hashed (XXH3), in ret_id. */
void counter_id(struct bytes name, uint8_t ret_id[COUNTER_ID_SIZE]);

/* An increment; id and value are copied into the arena. */
struct cell counter_increment(uint32_t column, const uint8_t id[COUNTER_ID_SIZE], int64_t delta,
                              int64_t timestamp, struct arena *arena);
bool cell_is_increment(const struct cell *c);

/* ret := one live cell with the value (8 bytes, big endian) and the newest timestamp of the cells,
 * which are all of one counter. False when there is no live one: the counter is null. */
bool counter_read(const struct cell *cells, size_t count, int64_t now_s, struct arena *arena,
                  struct cell *ret);

#endif
