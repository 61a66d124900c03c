/* compare_many.h - many ranges are compared with one peer; inside of healing.
 *
 * Ranges whose sums are the same as of the same clocks are settled by one hash of 8 bytes each, of
 * the tag, the clock and the sums: so many in a message, when both trees are up to date. The others
 * get sessions of their own (compare.h), some at a time: also those where something was written in
 * between.
 *
 *   range:  WAITING --asked--> ASKED --equal---------------------> DONE
 *           ^ ^  |               | |                                ^
 *           | |  |  not ready    | +--differs--> DIFFERS            |
 *           | +--|---------------+                  ^  |            |
 *           |    +--cannot be read------------------+  +-> RUNNING -+
 *           +--read on both sides-- UNREAD (full)
 *
 * The responder brings its trees up to date in turns and answers when it is through, or after a
 * while for so many as it has looked at.
 *
 * With `full` ranges are read again first, clean leaves too, as many at a time as fit into a
 * question about roots: the peer is asked to, and reads while we do. What is found wrong there is
 * in the sums from then on, so only ranges where rows differ get sessions, and these need not read
 * again. What was read here since `read_since` is not once more: a leader compares its ranges with
 * one peer after the other.
 *
 *   ranges = varint* (step from the range before, at first: the range)
 *   told   = (u8 MANY_TELLS_UNREAD, or MANY_TELLS_READ and how many leaves were wrong)* of the
 *           first of them; the rest is to be asked for again, and goes on where it was
 *
 *   roots = (varint twice the step from the range before (at first: the range), and 1 if not all
 *           of it is durable here; u64 hash)*
 *   told  = (u8 MANY_TELLS_...)* of the first of them; the rest is to be asked about again
 *
 * Invariants: each range is settled once, with one HEAL_COMPARED; the end comes after the last one,
 * and from the deadline alone, so nothing that is told in between can free what tells it. One
 * question is under way.
 */
#ifndef TORC_NODE_HEAL_COMPARE_MANY_H
#define TORC_NODE_HEAL_COMPARE_MANY_H

#include "node/heal/compare.h"

#define MANY_SESSIONS   4u   /* that one of them has at a time */
#define MANY_ROOTS      128u /* ranges in a question */
#define MANY_TRIES_MAX  1000u
#define MANY_SILENT_MAX 3u                 /* questions without an answer, then it is over */
#define MANY_ANSWER     (2 * USEC_PER_SEC) /* an answer comes by then */
#define SERVED_MANY_MAX 8u

enum many_state { MANY_UNREAD, MANY_WAITING, MANY_ASKED, MANY_DIFFERS, MANY_RUNNING, MANY_DONE };

struct many_range {
    range_no range;
    enum many_state state;
    bool read_here, read_there;
    uint64_t wrong; /* leaves, here and there */
};

/* A range that is being read again, in turns. */
struct many_reading {
    bool begun;
    keyspace_no keyspace;
    range_no range;
    struct tree_scrub scrub;
    uint64_t wrong;
    usec began;
    unsigned tries;
};

struct many_asked {
    struct many_range *range;
    uint64_t tag, hash, rows, mark;
    struct bytes clock; /* encoded, in `asking`; of those that somebody has asked for */
    bool young;         /* the clock was not durable here */
    bool proved;
};

struct comparing_many {
    uint64_t id, no; /* the caller's; ours */
    node_no peer;
    keyspace_no keyspace;
    bool full, preview, gentle;
    struct arena own; /* of the two lists */
    const table_no *tables;
    size_t tables_count;
    struct many_range *ranges; /* ascending */
    size_t ranges_count;
    size_t first; /* none before it is WAITING */
    size_t settled, running, equal, failed;
    usec due, began;
    struct heal_figures figures;
    /* the question under way */
    uint64_t request; /* 0: none */
    bool asks_to_read;
    usec answer_due, ask_due;
    unsigned tries, silent; /* without getting on; without an answer */
    struct arena asking;    /* of the question */
    struct many_asked asked[MANY_ROOTS];
    size_t asked_count;
    /* full: of the ranges from .. upto those before `at` are read here */
    usec read_since, read_due;
    size_t read_from, read_at, read_upto;
    uint64_t rows_read; /* here */
    struct many_reading reading;
};

/* The hash for a range, as of our tree, which is up to date. ERR_BEHIND: it is not. asof is
 * initialised. */
enum err many_hash(struct heal *h, const struct compare_range *r, const table_no *tables,
                   size_t tables_count, struct clock *ret_asof, uint64_t *ret_rows,
                   uint64_t *ret_hash) MUST_CHECK;

/* What a comparison that is over has cost, with those that were begun for it. */
void many_count_bytes(struct heal *h, uint64_t id, const struct heal_figures *f);

/* A session that was begun for it is over, and was told of. */
void many_session_ended(struct heal *h, struct now now, const struct comparing *s, enum err err,
                        const struct heal_figures *figures);
void many_told(struct heal *h, struct now now, node_no from,
               const struct wire_compare_roots_told *m);
void many_deadline(struct heal *h, struct now now);
usec many_next_deadline(const struct heal *h);
void many_peer_lost(struct heal *h, struct now now, node_no peer);
void many_free(struct heal *h);

/* A question about `asked` is under way. */
void many_asks(struct heal *h, struct now now, struct comparing_many *m);

/* Without a peer a range is settled when it has been read, or could not be. */
void many_alone_read(struct heal *h, struct comparing_many *m, struct many_range *range,
                     enum err err);

/* --- compare_many_read.c */

/* A turn of reading r again. */
enum err many_read(struct heal *h, struct now now, const struct compare_range *r, bool preview,
                   struct many_reading *at, bool *ret_done) MUST_CHECK;
void many_reading_free(struct many_reading *at);
void many_read_some(struct heal *h, struct now now, struct comparing_many *m); /* a turn of ours */
/* Ask the peer to read what is left of those that are being read. False: all are read. */
bool many_ask_to_read(struct heal *h, struct now now, struct comparing_many *m);
bool many_reads_next(struct heal *h, struct now now, struct comparing_many *m); /* the next ones */
void many_told_read(struct comparing_many *m, struct bytes told);
struct served_many;
/* False: not all of it is read, and the turn is over. */
bool serve_many_reads(struct heal *h, struct now now, struct served_many *v, size_t at);

/* --- same.c */
#define SAME_AGE_MAX (24 * 3600 * (uint64_t)USEC_PER_SEC)
/* The peer had what was asked, durably. */
void same_found(struct heal *h, struct now now, const struct comparing_many *m,
                const struct many_asked *a);
/* Of the first `count` that were asked about: tell those that are equal of each other. */
void same_tell(struct heal *h, struct now now, struct comparing_many *m, size_t count);
void same_told(struct heal *h, struct now now, node_no from, const struct wire_compare_same *m);

/* --- compare_many_serve.c */

enum { MANY_TELLS_UNREAD, MANY_TELLS_READ };
enum { MANY_TELLS_DIFFERS, MANY_TELLS_EQUAL, MANY_TELLS_PROVED, MANY_TELLS_END };

struct served_many {
    node_no peer; /* 0: free */
    uint64_t session, request;
    keyspace_no keyspace;
    bool gentle, paced, reads, preview;
    struct many_reading reading;
    struct arena own; /* of what follows */
    const table_no *tables;
    size_t tables_count;
    range_no *ranges;
    bool *young; /* there */
    uint64_t *hashes;
    uint8_t *told;
    size_t count, at;
    usec due, answer_due; /* due: USEC_NEVER when it is answered, and its reading may go on */
};

struct serving_many {
    struct served_many list[SERVED_MANY_MAX];
};

void serve_many(struct heal *h, struct now now, node_no from, const struct wire_compare_roots *m);
void serve_many_read(struct heal *h, struct now now, node_no from,
                     const struct wire_compare_read *m);
void serve_many_deadline(struct heal *h, struct now now);
usec serve_many_next_deadline(const struct heal *h);
void serve_many_lost(struct heal *h, node_no peer);
void serve_many_free(struct heal *h);

#endif
