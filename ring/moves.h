/* moves.h - where each range of each keyspace is, and where it goes: docs/movement.md.
 *
 * A place is a table of the ring and a replication strategy; it says who the replicas of a range
 * are. A range is at one place, its replicas there are now; while it moves it has a goal, and its
 * replicas there are later (stage.h). A keyspace keeps its ranges as runs of those that are alike.
 *
 *               a table, or a replication, by which it is held by others
 *   SETTLED at its place ------------------------------------------> JOINT, with a goal
 *      ^   ^                                                            |  |  ^
 *      |   +-- another goal: the same nodes hold it where it is --------+  +--+ another goal
 *      +------ moves_settle: nobody is waited for any more -------------+
 *
 * A range that the same nodes hold at its goal has no way to go: it stays where it is until all are
 * there, and then is at the goal like the others.
 *
 * The provers are who a move waits for: those that take something over, and where a set becomes
 * smaller all of that set (stage_is_prover). Each STEPs once it has proved all that it is to prove;
 * a new goal for any range begins the proofs of all anew, so all ranges end together.
 *
 * Pure: a function of the calls, and so equal on all nodes. Slots are those of the log's entries.
 *
 * Invariants, checked by moves_fit:
 *   (1) Keyspaces ascend. The runs of each cover all ranges, and no two neighbours are alike.
 *   (2) Each place names a table of the ring, and the last one the newest.
 *   (3) SETTLED has its place for a goal; JOINT the last place, and is at another.
 *   (4) When nobody is waited for nothing moves, each keyspace has one place, and the ring one
 * table.
 *
 * Ownership: all of it belongs to the moves.
 */
#ifndef TORC_RING_MOVES_H
#define TORC_RING_MOVES_H

#include "ring/sets.h"
#include "ring/stage.h"

#define MOVES_PLACES_MAX RING_TABLES_MAX

struct move_place {
    uint32_t table; /* its number */
    struct strategy strategy;
};

/* Ranges from `first` up to the next run's. */
struct move_run {
    range_no first;
    uint8_t place, goal; /* of the keyspace's places */
    enum stage stage;
    uint64_t since; /* the slot that last changed who is asked for these ranges */
};

struct moves_keyspace {
    keyspace_no keyspace;
    uint32_t places;
    uint32_t runs;
    struct move_place *place; /* [places] the last one is where all go */
    struct move_run *run;
};

struct moves {
    struct moves_keyspace *keyspace; /* [count] */
    size_t count, cap;
    node_no *stepped; /* ascending: who has STEPped in this move */
    size_t stepped_count;
    node_no *provers; /* ascending: follows from the keyspaces */
    size_t provers_count;
};

void moves_init(struct moves *m);
void moves_close(struct moves *m);

/* A keyspace is to be replicated so. A new one is, from `slot` on, by the newest table, also in a
 * ring that moves. One that was replicated otherwise sets out for the newest table and the new
 * strategy, and whoever is waited for proves anew. False: it was so before. There must be room. */
bool moves_replicate(struct moves *m, const struct ring *ring, keyspace_no keyspace,
                     const struct strategy *strategy, uint64_t slot);

/* The keyspace is gone, and whoever was waited for because of it alone. False: there was none. */
bool moves_drop(struct moves *m, const struct ring *ring, keyspace_no keyspace);

/* The newest table of the ring is a new one: all ranges go there, from wherever they are. */
void moves_begin(struct moves *m, const struct ring *ring, uint64_t slot);

/* A prover has proved all. False: nobody waits for it. */
bool moves_step(struct moves *m, node_no node);

/* Somebody has yet to STEP: this one, or anyone. */
bool moves_wait_for(const struct moves *m, node_no node);
bool moves_wait(const struct moves *m);

/* There is no room for another goal before some range has arrived. */
bool moves_are_full(const struct moves *m);

/* All ranges are at the newest table. */
void moves_settle(struct moves *m, const struct ring *ring, uint64_t slot);

/* A range is at this table, or goes there. */
bool moves_name(const struct moves *m, uint32_t table);

const struct moves_keyspace *moves_find(const struct moves *m, keyspace_no keyspace); /* or NULL */
const struct move_run *moves_at(const struct moves_keyspace *k, range_no range);
bool moves_keyspace_equal(const struct moves_keyspace *a, const struct moves_keyspace *b);
void moves_keyspace_copy(const struct moves_keyspace *from, struct moves_keyspace *ret);
void moves_keyspace_close(struct moves_keyspace *k);

/* The invariants hold, and nothing is of a later slot. */
bool moves_fit(const struct moves *m, const struct ring *ring, uint64_t slot);

/* The grammar is in moves_codec.c. Decoding accepts any bytes: MALFORMED unless they fit the ring
 * at that slot. */
void moves_encode(const struct moves *m, const struct ring *ring, struct buf *out);
enum err moves_decode(struct reader *in, const struct ring *ring, uint64_t slot,
                      struct moves *ret) MUST_CHECK;

/* Private to moves_codec.c: the invariants of one keyspace; find out the provers of all; add one
 * after the others. */
bool moves_keyspace_fits(const struct moves_keyspace *k, const struct ring *ring, uint64_t slot);
void moves_find_provers(struct moves *m, const struct ring *ring);
struct moves_keyspace *moves_append(struct moves *m, keyspace_no keyspace);

#endif
