/* hints.h - writes kept for replicas that could not take them, on the disk: per target, in order,
 * merged per row. Private to the folder; coord_hint.c keeps them, coord_deliver.c brings them.
 *
 * A hint is a row of a partition (or its head: deletions and the static row; of a siblings table
 * all of one request, which has a context of its own), without dots, with the timestamps that it
 * had when it was refused by nobody and taken by nobody. Two hints for one row and target become
 * one, in the place and with the age of the first: they are joined like any two states
 * (part_merge), so it does not matter in which order they came. What is joined while the older part
 * is under way is another *revision* and stays, whatever becomes of that.
 *
 * Local facts, in two orders:
 *
 *   "a/hq" target:u16 number:u64                = since:i64 any:u8 size:u32 place   in order
 *   "a/hr" place                                = HINT_VERSION:u8 number:u64 revision:u32 since:i64
 *                                                 keyspace:u32 vbytes(part) vbytes(supersede)
 *   "a/hf" target:u16               = nothing: one was refused that was too large for what is left
 *   place = target:u16 any:u8 table:u32 token:u64 length:u16 key what:u8 (row key | number:u64)
 *
 * The entry of the order is written first and removed last, so after a crash there may be one
 * without a hint: it is removed when it is met. Counts are made of the entries at the start, and
 * are of hints that are written, durable or not.
 *
 * Bounds: `size_max` bytes for a target, `window_us` for the oldest of it. When one is reached
 * nothing more is taken for it (ERR_OVERLOADED), and nothing that was taken goes: it was acked, and
 * nobody else may have it.
 */
#ifndef TORC_NODE_COORD_HINTS_H
#define TORC_NODE_COORD_HINTS_H

#include "base/list.h"
#include "base/map.h"
#include "node/coord/coord.h"

#define HINT_VERSION   1
#define HINT_ITEMS_MAX 1024u /* hints that are under way to a target at once */
#define HINT_ROW_MAX                                                                               \
    ((size_t)24 << 20)         /* bytes of one hint: below what the store takes at once            \
                                */
#define HINT_TARGET_MAX 65535u /* node numbers */

struct hints_limits {
    size_t size_max;  /* bytes for one target */
    usec window_us;   /* nothing more for a target whose oldest hint is of longer ago */
    size_t group_max; /* bytes of one partition that go together, and one hint more */
};

/* All of one target. */
struct hint_queue {
    node_no target;
    size_t count, any, bytes; /* `any` of them may go to any owner */
    bool refused;             /* one was that was too large for it, and nothing has gone since */
    uint64_t last;            /* the number given last */
    int64_t oldest;           /* wall; 0: look (hints_oldest) */
    int64_t newest;           /* wall; 0: not known since the start */
};

/* A hint that is lost, of whose range nobody was told yet (hints_gone.c). */
struct hint_gone {
    node_no target;
    table_no table;
    token token;
};

/* So many for this target (0: of which nothing is known, "some") are lost for good. */
struct hint_lost {
    node_no target;
    uint64_t count;
    int64_t at; /* wall: the last ones were found to be; 0: not told yet (hints_lost_at) */
};

struct hints {
    struct engine *engine;
    struct hints_limits limits;
    struct map queues;      /* struct hint_queue by target */
    uint64_t base;          /* numbers are given above it */
    bool unread;            /* the disk did not answer: nothing is kept or brought until it does */
    uint64_t merged;        /* with one that was there */
    uint64_t damaged;       /* that cannot be read any more, and are gone */
    struct hint_gone *gone; /* facts: there until somebody is told, over restarts */
    size_t gone_count, gone_cap;
    size_t gone_from;  /* the next one that is looked at */
    bool gone_unknown; /* and more, of any target and range */
    struct map lost;   /* struct hint_lost by target */
    bool mended;
};

static inline bool hints_has_gone(const struct hints *h)
{
    return h->gone_count > 0 || h->gone_unknown;
}

void hints_init(struct hints *h, struct engine *engine, const struct hints_limits *limits);
void hints_close(struct hints *h);

/* Count what there is. When that cannot be read, h->unread: to be called again. What is damaged is
 * left out. */
void hints_load(struct hints *h);

struct hint {
    node_no target;
    bool any; /* any owner will do */
    keyspace_no keyspace;
    int64_t since; /* wall, us: when it was first kept, here or elsewhere */
    struct part part;
    struct supersede supersede;
};

/* At most so many bytes are kept of it, which is `len` bytes as it is encoded: each row is a record
 * of its own, that has the key of the partition twice. */
size_t hints_size(const struct hint *hint, size_t len);

/* May one more be kept for the target? ERR_OVERLOADED: a bound is reached. ERR_IO: unread. */
enum err hints_check(struct hints *h, node_no target, size_t bytes, int64_t now_us) MUST_CHECK;

/* A bound of this queue is reached: what is new is refused, or the last that came was. */
bool hints_full(struct hints *h, const struct hint_queue *q, int64_t now_us);

/* Keep it, row by row. The ticket completes when it is durable. ERR_OVERLOADED: joined with what
 * waits of its row it is too much. An error: not all was written; the ticket does not complete. */
enum err hints_put(struct hints *h, const struct hint *hint, uint64_t ticket) MUST_CHECK;

/* One of those that are under way. */
struct hint_item {
    uint64_t number;
    uint32_t revision;
    struct bytes place;
};

/* What goes as one write: of one partition, as much as fits, the oldest first. */
struct hint_group {
    struct hint hint; /* joined */
    size_t bytes;     /* of the hints as they are stored */
    struct hint_item *items;
    size_t count;
};

typedef bool hint_skip(void *arg, uint64_t number);
typedef bool hint_pass(void *arg, uint64_t number, table_no table, token token);

/* Which hints are wanted, and where to go on. */
struct hint_walk {
    node_no target;
    uint64_t after;  /* the number looked at last */
    bool any_only;   /* those that may go to any owner */
    size_t look;     /* at most so many entries; counts down */
    hint_skip *skip; /* those that are under way */
    hint_pass *pass; /* those whose turn it is not; NULL: none. Not of what goes along with one */
    void *arg;
};

/* The first hint behind w->after, in order, with those of its partition; in the arena.
 * ERR_NOT_FOUND: there is none. ERR_BEHIND: enough has been looked at for once. */
enum err hints_next(struct hints *h, struct hint_walk *w, struct arena *arena,
                    struct hint_group *ret) MUST_CHECK;

/* They are where they belong, or belong nowhere. Those with a later revision stay. */
void hints_remove(struct hints *h, const struct hint_group *g);

/* Who has the range of gone[at] knows it and will not forget it; of all ranges. */
void hints_gone_told(struct hints *h, size_t at); /* the last one takes its place */
void hints_unknown_told(struct hints *h);
void hints_lost_at(struct hints *h, int64_t now_us);        /* found since the last time: now */
size_t hints_untold(const struct hints *h, node_no target); /* of these, not told of yet */

struct hint_queue *hints_queue(struct hints *h, node_no target); /* NULL: none waits */
int64_t hints_oldest(struct hints *h, struct hint_queue *q);     /* wall; 0: none */
size_t hints_count(const struct hints *h);
size_t hints_bytes(const struct hints *h);

/* The record of one row, for tests and fuzzing: encode, decode (views into `in`). */
struct hint_record {
    uint64_t number;
    uint32_t revision;
    struct hint hint; /* without target and any, which are in its place */
};
void hint_encode(const struct hint_record *r, struct buf *out);
enum err hint_decode(struct bytes in, struct arena *arena, struct hint_record *ret) MUST_CHECK;

#endif
