/* counter_set.h - counters that are counted often: their increments in memory, so that nobody has
 * to read a row to know whether it has one.
 *
 * A set is what the row has of one counter: its base and all its increments by their ids. It is
 * made from a row that was read, and from then on hears of everything that is written to the store
 * (counter_sets_feed), whoever it came from: so it says at any time what reading the row would say.
 * What it cannot follow (a deletion, cells of a kind that nobody writes) drops it, and so does want
 * of room: then the row is read once more. Nothing of it is stored.
 *
 * Invariants:
 *   (1) A set has exactly the live increments and the base that the join of the row has.
 *   (2) All sets together take COUNTER_SETS_BYTES_MAX or less, or there is only one: the one used
 * last stays, and its row is bounded by who writes it.
 *
 * Ownership: the owner of the sets owns each; a set is valid until the next feed, load or drop.
 */
#ifndef TORC_STORAGE_COUNTER_SET_H
#define TORC_STORAGE_COUNTER_SET_H

#include "base/list.h"
#include "base/omap.h"
#include "storage/counter.h"

#define COUNTER_SETS_BYTES_MAX ((size_t)32 << 20)

struct counter_entry {
    uint8_t id[COUNTER_ID_SIZE];
    int64_t timestamp;
    int64_t value;
};

struct counter_set; /* Opaque. */

struct counter_sets {
    struct omap
        by_place;     /* the key of the row as in the store, u32 column -> struct counter_set * */
    struct list used; /* the one used last first */
    size_t bytes, bytes_max;
    uint64_t seed;
    struct buf key; /* scratch */
};

/* Where a counter is. */
struct counter_place {
    table_no table;
    token token;
    struct bytes key;
    bool is_static;
    struct bytes row; /* unless static */
    uint32_t column;
};

void counter_sets_init(struct counter_sets *s, uint64_t seed, size_t bytes_max);
void counter_sets_close(struct counter_sets *s);

/* NULL: it is not in memory. */
struct counter_set *counter_sets_find(struct counter_sets *s, const struct counter_place *place);

/* Makes the set from `have`: all that the store has now of the row, of its partition's deletion and
 * of the range tombstones over it. Maybe it has nothing. */
struct counter_set *counter_sets_load(struct counter_sets *s, const struct counter_place *place,
                                      const struct part *have);

/* `p`, canonical, is written. */
void counter_sets_feed(struct counter_sets *s, const struct part *p);

void counter_sets_drop_all(struct counter_sets *s);
void counter_sets_drop_table(struct counter_sets *s, table_no table);
void counter_sets_drop_part(struct counter_sets *s, table_no table, token place, struct bytes key);

/* NULL: it is not among the increments. Until the set changes. */
const struct counter_entry *counter_set_get(const struct counter_set *set,
                                            const uint8_t id[COUNTER_ID_SIZE]);
size_t counter_set_count(const struct counter_set *set);
int64_t counter_set_newest(const struct counter_set *set); /* timestamp of increments, or _NONE */
int64_t
counter_set_base(const struct counter_set *set); /* timestamp of what has no path, or _NONE */

/* How many increments are not newer than `cut`. Asking again about the same cut costs nothing. */
size_t counter_set_settled(struct counter_set *set, int64_t cut);

/* The cells that take the place of all: the sum of the base and of what is not newer than `cut`,
 * and each increment that is. In any order; in the arena. */
struct cell *counter_set_fold(const struct counter_set *set, uint32_t column, int64_t cut,
                              struct arena *arena, size_t *ret_count);

#endif
