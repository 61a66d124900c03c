/* repair_core.h - what the files of repair runs share; nobody else includes it.
 *
 *   repair.c   making, effects, dispatch        lead.c         lots of a leader, and their units
 *   start.c    a wish becomes a run             lead_batch.c   units in batches with one peer
 *   manage.c   runs and their lots              report.c       the bytes of DO and DID
 *   keep.c     runs as facts                     lead_lack.c    what handoff has yet to bring
 *
 *   ranges   = varint first, varint step* (to the next one)
 *   bits     = a bit for each range of the lot, in its order
 *   problems = (varint index in the lot, varint peer, varint err, varint lacking)*
 *   sums     = varint table (0: of all), then each of REPAIR_SUM_LIST as a varint; *
 */
#ifndef TORC_NODE_REPAIR_REPAIR_CORE_H
#define TORC_NODE_REPAIR_REPAIR_CORE_H

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "node/repair/repair.h"

#define LOT_RANGES_MAX      4096u
#define LOT_PROBLEMS_MAX    REPAIR_PROBLEMS_MAX /* so many are named, whoever found them */
#define LOT_TABLES_MAX      1024u
#define LOTS_LED_MAX        64u
#define BATCHES_OF_PEER_MAX 2u
#define BATCH_RANGES_MAX    1024u
#define FULL_RANGES_FIRST   8u  /* of a batch that reads all again; then as many as take */
#define FULL_BATCHES        40u /* ... of a leader with a peer, at most about */
#define FULL_BATCH_US       (500 * USEC_PER_MS) /* ... about so long */
#define UNIT_PEERS_MAX      64u
#define UNIT_TRIES_MAX      4u
#define RANGE_TRIES_MAX     6u /* of leaders that are none */

/* --- report.c */

struct lot_report {
    uint8_t *done, *equal, *failed;  /* bits */
    struct repair_problem *problems; /* `range` is the index in the lot */
    size_t problems_count;
    struct repair_table *sums; /* by table; 0: what is not told by table, and is in none of them */
    size_t sums_count;
};
#define BITS_BYTES(n) (((size_t)(n) + 7) / 8)
bool bits_have(const uint8_t *bits, size_t at);
void bits_set(uint8_t *bits, size_t at);

void repair_put_ranges(struct buf *out, const range_no *ranges, size_t count);
/* Ascending, below `limit`, at most LOT_RANGES_MAX and at least one; in the arena. */
enum err repair_read_ranges(struct bytes in, uint32_t limit, struct arena *arena, range_no **ret,
                            size_t *ret_count) MUST_CHECK;
void repair_put_tables(struct buf *out, const table_no *tables, size_t count);
enum err repair_read_tables(struct bytes in, struct arena *arena, table_no **ret,
                            size_t *ret_count) MUST_CHECK;
void repair_put_sums(struct buf *out, const struct repair_table *sums, size_t count);
enum err repair_read_sums(struct bytes in, struct arena *arena, struct repair_table **ret,
                          size_t *ret_count) MUST_CHECK;
void repair_put_report(struct wire_repair_did *m, const struct lot_report *report, size_t ranges,
                       struct arena *arena);
enum err repair_read_report(const struct wire_repair_did *m, size_t ranges, struct arena *arena,
                            struct lot_report *ret) MUST_CHECK;

/* The sums of this table among them, made if it is not there; ascending. */
struct repair_sums *repair_sums_of(struct repair_table **list, size_t *count, size_t *cap,
                                   table_no table);

/* --- manage.c */

enum range_state { RANGE_NONE, RANGE_WANTED, RANGE_OUT, RANGE_DONE }; /* kept: do not renumber */

struct lot {
    uint64_t no;
    node_no leader;
    size_t part;
    range_no *ranges;
    size_t count;
    uint8_t *done; /* as told */
    uint32_t progress;
    node_no waits_for;
    uint64_t waits;
    struct repair_table *sums;
    size_t sums_count;
    usec heard;
};

struct managed {
    struct repair_run run; /* first */
    struct lot **lots;
    size_t lots_count, lots_cap;
    uint8_t **tries; /* of each part: how often a range came back */
    usec due;        /* when to give lots again */
    usec keep_due;   /* when to write it; USEC_NEVER: nothing is new */
    uint64_t ticket; /* of what was written last, */
    uint64_t keeps;  /* with so many ranges done */
};

struct managed *manage_make(struct repair *r, size_t parts);
void manage_free(void *run);
void manage_begin(struct repair *r, struct now now);
void manage_receive_did(struct repair *r, struct now now, node_no from,
                        const struct wire_repair_did *m);
void manage_peer_lost(struct repair *r, struct now now, node_no peer);
void manage_deadline(struct repair *r, struct now now);
usec manage_next_deadline(const struct repair *r);

/* --- keep.c */
void keep_load(struct repair *r);
void keep_store(struct repair *r, struct managed *m);
void keep_durable(struct repair *r, uint64_t ticket);
void keep_remove(struct repair *r, uint64_t id);
void keep_encode(const struct repair_run *run, struct buf *out);
/* All but id and lots. ERR_MALFORMED. */
enum err keep_decode(struct repair *r, struct bytes in, struct managed **ret) MUST_CHECK;

/* --- lead.c */

struct unit_peer {
    node_no node;
    bool settled, again; /* in the first turn; once more */
    bool brought;        /* it had something for us */
    enum err err;
    bool ours; /* ... is ours, not its */
    unsigned tries;
    /* lead_lack.c */
    struct clock has; /* as told last */
    bool heard;       /* and what it had then is wanted of all */
    bool looked;      /* it is compared with again for what it lacks, */
    bool behind;      /* ... so much that it could not be compared */
    uint64_t lacks;   /* dots */
};

/* A range that is being compared with its other replicas, for one or more lots. */
struct unit {
    struct list link; /* in `waiting` */
    struct bytes key; /* in `units`; of what is wanted */
    keyspace_no keyspace;
    range_no range;
    const table_no *tables;
    size_t tables_count;
    bool full, preview;
    size_t lots; /* that wait for it */
    bool running, done, equal;
    bool alone;             /* there is no other replica; `peers` are we, when it is to be read */
    bool differed, checked; /* with any peer; then all of them are compared with once more */
    usec began;             /* full: what was read here since then need not be again */
    usec due, asked;        /* when it went into a batch last */
    struct unit_peer *peers;
    size_t peers_count;
    node_no peer;      /* that it waits for, or is compared with; */
    unsigned progress; /* how far that is, thousandths */
    enum err err;      /* of itself: we are no replica */
    struct repair_table *sums;
    size_t sums_count, sums_cap;
    struct repair_row *different; /* ascending, each once */
    size_t different_count;
    bool too_different; /* there are more */
    /* lead_lack.c */
    struct clock wanted; /* that all are to have; */
    struct clock has;    /* that we were found to have */
    bool opened;         /* what we had is in `wanted`; */
    bool anew;           /* ... as it is now: somebody joined */
    bool gave_up;
    uint64_t lacks;   /* dots, here */
    usec lacks_since; /* 0: nobody does */
    unsigned looks;
};

struct lot_led {
    node_no manager;
    uint64_t run, no;
    struct unit **units;
    size_t count, told; /* units that were done when we told last */
    usec tell_due, told_at;
    bool changed;
};

struct batch {
    uint64_t no;
    node_no peer;
    struct unit **units; /* by range; NULL: settled, but for the last one */
    size_t count;
    size_t settled;
    bool full;  /* it reads all again */
    bool again; /* all of it was compared with this peer in this run before */
    usec began;
    struct repair_sums sums; /* of those that are settled */
    uint64_t rows_read;      /* as told last */
    struct unit *last; /* the last one waits for the end, and gets what is not told by range */
};

/* When something came to a node that was waited for. */
struct came {
    node_no node;
    usec at;
};

struct leading {
    struct lot_led *lots[LOTS_LED_MAX];
    struct bmap units;   /* not done, by key */
    struct list waiting; /* for a batch, in order */
    struct batch batches[REPAIR_BATCHES_MAX];
    size_t batches_count;
    struct came came[UNIT_PEERS_MAX];
    size_t full_ranges; /* that the next batch may have that reads all again */
};
void lead_init(struct repair *r);
void lead_free(struct repair *r);
void lead_receive_do(struct repair *r, struct now now, node_no from,
                     const struct wire_repair_do *m);
void lead_receive_stop(struct repair *r, struct now now, node_no from,
                       const struct wire_repair_stop *m);
void lead_peer_lost(struct repair *r, node_no peer);
void lead_deadline(struct repair *r, struct now now);
usec lead_next_deadline(const struct repair *r);
void unit_free(struct repair *r, struct unit *u);
void unit_find_peers(struct repair *r, struct unit *u);
void unit_goes_on(struct repair *r, struct now now, struct unit *u); /* to the next peer */
void unit_changed(struct repair *r, struct now now, const struct unit *u);

/* --- lead_lack.c: what a replica lacks by its clock is left out of comparisons, for handoff brings
 * it. All that any of them had when it was first compared, all of them are to have. */

/* This was told of a peer. */
void lack_heard(struct unit *u, struct unit_peer *p, const struct repair_found *found);
/* All are compared: is somebody to be looked at again, when due? Else what is lacking is known. */
bool lack_looks_again(struct repair *r, struct now now, struct unit *u);
void lack_anew(struct unit *u, struct now now); /* what there is now is wanted, too */
void lack_forget(struct unit *u);
uint64_t lack_told(const struct unit *u); /* dots, of a unit that is done */
/* Which node is waited for in these units, and what it lacks. */
void lack_sum(const struct repair *r, const struct lot_led *lot, node_no *ret_node,
              uint64_t *ret_dots);

/* --- lead_batch.c */
void batch_fill(struct repair *r, struct now now);
void batch_remove(struct repair *r, size_t at);
void batch_stop_unwanted(struct repair *r); /* what nobody waits for any more */
size_t batches_with(const struct leading *l, node_no peer);

/* --- */

struct repair {
    struct repair_config config;
    struct engine *engine;
    struct cluster *cluster;
    bool begun;
    uint64_t numbers; /* of lots and batches */
    uint64_t run_numbers;
    uint64_t tickets;
    struct managed **runs; /* the latest first */
    size_t runs_count, runs_cap;
    struct leading leading;
    struct repair_effect *effects;
    size_t effects_count, effects_cap;
    struct arena arena; /* of the effects */
    struct repair_stats stats;
};

struct repair_effect *repair_append(struct repair *r, enum repair_effect_type type);
void repair_send(struct repair *r, node_no to, const struct wire_message *m);

#endif
