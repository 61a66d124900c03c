/* tally.h - what was written to a store, kept where a killed process cannot take it along, and the
 * question whether the store has it.
 *
 * A write is a part with one row of its own, by which it can be looked for, and one row that many
 * writes overwrite. The i-th write has timestamp i + 1; all it wrote follows from i and what is
 * noted. Noted as issued before the engine has it, as acked when its ticket completes.
 */
#ifndef TORC_TESTS_CRASH_TALLY_H
#define TORC_TESTS_CRASH_TALLY_H

#include "storage/engine.h"

#define TALLY_WRITES_MAX 30000u
#define TALLY_KEYSPACE   1u
#define TALLY_TABLE      7u
#define TALLY_RANGES     6u
#define TALLY_HOT_ROWS   5u
#define TALLY_NODE       9u

struct tally_write {
    struct dot dot;
    range_no range;
    uint32_t hot;
    uint32_t bytes; /* of its values */
    bool acked;     /* or read as durable: promised either way */
};

enum tally_phase { TALLY_OPENING, TALLY_CHECKED, TALLY_WRITING, TALLY_CLOSED };

struct tally {
    uint32_t count; /* issued */
    struct tally_write writes[TALLY_WRITES_MAX];
    uint64_t store_boots; /* the store's own number of starts, the highest that is promised */
    uint32_t boot;        /* the node's */
    enum tally_phase phase;
    bool promise_seen; /* what was read as durable counts as acked */
    char verdict[256]; /* why the store is wrong; empty: it is not */
};

/* The part that write i is. Lives in the arena. */
struct part tally_part(const struct tally *t, uint32_t i, struct arena *arena);

/* Read all the engine has and compare. False with a verdict. Marks what it has seen as acked. */
bool tally_check(struct tally *t, struct engine *e);

/* False, with this verdict if there is none yet. */
bool tally_fail(struct tally *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
