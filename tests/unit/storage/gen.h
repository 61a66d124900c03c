/* gen.h - random events and parts from a small world, so that they meet often. */
#ifndef TORC_TESTS_STORAGE_GEN_H
#define TORC_TESTS_STORAGE_GEN_H

#include "base/rng.h"
#include "storage/part.h"

enum event_kind { EVENT_PART, EVENT_RANGE, EVENT_ROW, EVENT_CELL, EVENT_STATIC };

/* The smallest thing that can be written. */
struct event {
    enum event_kind kind;
    struct bytes row;        /* EVENT_ROW, EVENT_CELL */
    struct bytes start, end; /* EVENT_RANGE */
    struct tomb tomb;        /* deletions */
    struct cell cell;        /* EVENT_CELL, EVENT_STATIC */
};

/* A deletion at 5 s, without a dot yet: of a row, of start <= row < end, or of the partition. */
struct event event_deletion(enum event_kind kind, const char *start, const char *end,
                            int64_t timestamp);

struct event gen_event(struct rng *r, struct dot dot);
struct bytes gen_row_key(struct rng *r);

/* A part of one event, or of several by naive concatenation and part_normalise. */
struct part gen_part(const struct event *events, size_t count, struct arena *arena);

/* The part these events mean, computed by trying everything: shares nothing with part.c. */
struct part model_part(const struct event *events, size_t count, struct arena *arena);

/* Every row key that gen_row_key gives, ascending. */
extern const char *const gen_keys[];
extern const size_t gen_keys_count;

bool parts_equal(const struct part *a, const struct part *b);

/* The join of the pile's n > 0 parts, in random order and with repetitions; the pile is used up. */
struct part gen_join(struct rng *r, struct part *pile, size_t n, struct arena *arena);

#endif
