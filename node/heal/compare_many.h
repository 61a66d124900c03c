/* compare_many.h - many ranges are compared with one peer; inside of healing.
 *
 * A range has a hash of 8 bytes, of the tag, the clock and the sums. Of so many ranges as go into a
 * question one hash of all their hashes is asked about, when all trees are up to date: where it is
 * the peer's, too, they are equal. Where it is not they are asked about once more, with a hash
 * each. Those that differ get sessions of their own (compare.h), some at a time: also those where
 * something was written in between.
 *
 *   range:  WAITING --asked--> ASKED --equal------------------------> DONE
 *           ^ ^  |               | |                                  ^
 *           | |  |   not all     | +--differs----> DIFFERS            |
 *           | +--|--- are -------+  (by its own)     ^  |             |
 *           |    +--cannot be read-------------------+  +-> RUNNING --+
 *           +--read here-- UNREAD (full)
 *
 * The responder brings its trees up to date in turns and answers when it is through with all, or
 * when the patience of the asker is at an end, with how far it is; then it is asked again. Who had
 * to ask again is more patient with the next question, so that a slow machine costs a few messages
 * more, and not some for each second.
 *
 * With `full` ranges are read again first, clean leaves too, as many at a time as fit into a
 * question: the peer is told to, and reads while we do (READ; nothing comes back). When we are
 * through we ask, and it answers when it is through, too. What is found wrong is in the sums from
 * then on, so only ranges where rows differ get sessions, and these need not read again. What was
 * read here since `since` is not once more: a leader compares its ranges with one peer after
 * the other. The peer remembers what it has read as long as the session goes on; if it does not, it
 * reads again.
 *
 *   ranges = varint* (step from the range before, at first: the range)
 *   roots  = [u64 hash of all, unless MANY_EACH], (varint twice the step, and 1 if not all of it is
 *            durable here; with MANY_EACH u64 hash)*
 *   told   = varint*, eight times a number and MANY_TELLS_...: so many ranges are that, one after
 *            the other; or so many of the first ones are looked at so far, and that is all; or so
 *            many leaves of the next range were wrong. All ranges of the question, or APART: they
 *            are not all equal. Nothing: later.
 *
 * What all of it costs is counted, and of that what was asked about by one hash for all apart: that
 * is what it costs when nothing differs.
 *
 * Invariants: each range is settled once, with one HEAL_COMPARED; the end comes after the last one,
 * and from the deadline alone, so nothing that is told in between can free what tells it. One
 * question is under way.
 */
#ifndef TORC_NODE_HEAL_COMPARE_MANY_H
#define TORC_NODE_HEAL_COMPARE_MANY_H

#include "node/heal/compare.h"

#define MANY_SESSIONS     4u   /* that one of them has at a time */
#define MANY_ROOTS        128u /* ranges in a question */
#define MANY_TRIES_MAX    1000u
#define MANY_SILENT_MAX   3u                  /* questions without an answer, then it is over */
#define MANY_PATIENCE     (2 * USEC_PER_SEC)  /* an answer comes by then, at first; */
#define MANY_PATIENCE_MAX (32 * USEC_PER_SEC) /* ... at last */
#define MANY_AHEAD        (60 * USEC_PER_SEC) /* without a question nothing is read any more */
#define SERVED_MANY_MAX   32u
#define SAMES_MAX         16u

enum many_state { MANY_UNREAD, MANY_WAITING, MANY_ASKED, MANY_DIFFERS, MANY_RUNNING, MANY_DONE };

struct many_range {
    range_no range;
    enum many_state state;
    bool read_here, read_there;
    bool was_read;  /* here, before this began */
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
    bool full, preview, gentle, more;
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
    uint32_t requests, request; /* how many there were; this one. 0: none */
    bool each;                  /* with a hash each, for all of them were not equal */
    usec asked_at, answer_due, ask_due;
    unsigned tries, silent; /* without getting on; without an answer */
    struct arena asking;    /* of the question */
    struct many_asked asked[MANY_ROOTS];
    size_t asked_count;
    /* full: of the ranges from .. upto those before `at` are read here */
    usec since, read_due;
    size_t read_from, read_at, read_upto;
    bool ahead;         /* the peer was told to read these */
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

/* Without a peer a range is settled when it has been read, or could not be. */
void many_alone_read(struct heal *h, struct comparing_many *m, struct many_range *range,
                     enum err err);

/* A message of it, either way. */
void many_count(struct comparing_many *m, const struct wire_message *message);

/* --- compare_many_codec.c */

enum { /* `how` */
       MANY_GENTLE = 1,
       MANY_PACED = 2,
       MANY_READ = 4, /* not before it was read again in this session */
       MANY_PREVIEW = 8,
       MANY_EACH = 16
};
enum many_tells {
    MANY_TELLS_DIFFERS,
    MANY_TELLS_EQUAL,
    MANY_TELLS_PROVED, /* equal, and durable there */
    MANY_TELLS_UNREAD, /* it cannot be read there */
    MANY_TELLS_APART,
    MANY_TELLS_SO_FAR,
    MANY_TELLS_WRONG,
    MANY_TELLS_COUNT
};

/* What is told of one range. */
struct many_answer {
    enum many_tells tells;
    uint64_t wrong;
};

void many_put_ranges(struct buf *out, const struct many_asked *asked, size_t count);
void many_put_roots(struct buf *out, const struct many_asked *asked, size_t count, bool each);
uint64_t many_hash_all(const uint64_t *hashes, size_t count);

/* Lists of MANY_ROOTS, in the arena. */
struct many_roots {
    range_no *ranges; /* ascending */
    bool *young;
    uint64_t *hashes; /* each; else */
    uint64_t hash;
    size_t count;
};
enum err many_read_ranges(struct bytes in, struct arena *arena, struct many_roots *ret) MUST_CHECK;
enum err many_read_roots(struct bytes in, bool each, struct arena *arena,
                         struct many_roots *ret) MUST_CHECK;

void many_put_told(struct buf *out, const struct many_answer *answers, size_t count);
void many_put_tells(struct buf *out, enum many_tells tells, size_t count);
/* Of `count` ranges. tells: APART, SO_FAR of the first *ret_so_far, or neither: answers are there.
 * ERR_MALFORMED; also where nothing is told. */
enum err many_read_told(struct bytes in, struct many_answer *answers, size_t count,
                        enum many_tells *ret_tells, size_t *ret_so_far) MUST_CHECK;

/* --- compare_many_read.c */

/* A turn of reading r again. */
enum err many_read(struct heal *h, struct now now, const struct compare_range *r, bool preview,
                   struct many_reading *at, bool *ret_done) MUST_CHECK;
void many_reading_free(struct many_reading *at);
void many_read_some(struct heal *h, struct now now, struct comparing_many *m); /* a turn of ours */
bool many_reads_next(struct now now, struct comparing_many *m); /* the next ones; false: none */
struct served_many;
/* False: not all of it is read, and the turn is over. */
bool serve_many_reads(struct heal *h, struct now now, struct served_many *v, size_t at);

/* --- same.c */
#define SAME_AGE_MAX (24 * 3600 * (uint64_t)USEC_PER_SEC)
/* The peer had what was asked, durably. */
void same_found(struct heal *h, const struct comparing_many *m, const struct many_asked *a);
/* Of the first `count` that were asked about: those that are equal are to be told of each other. */
void same_note(struct heal *h, struct now now, struct comparing_many *m, size_t count);
/* It is over; what was noted is told, unless there is more to come. */
void same_over(struct heal *h, struct now now, struct comparing_many *m);
void same_told(struct heal *h, struct now now, node_no from, const struct wire_compare_same *m);
void same_free(struct heal *h);

/* --- compare_many_serve.c */

struct served_range {
    bool read;
    enum many_tells tells; /* UNREAD, or DIFFERS: it could not be looked at; else EQUAL or PROVED,
                              if the hash is the asker's */
    uint64_t wrong, hash;
};

struct served_many {
    node_no peer; /* 0: free */
    uint64_t session;
    uint32_t request; /* 0: it reads ahead, or waits for a question */
    keyspace_no keyspace;
    uint32_t how;
    struct many_reading reading;
    struct arena own; /* of what follows */
    const table_no *tables;
    size_t tables_count;
    struct many_roots roots;
    struct served_range *told;
    size_t at;                      /* those before are done */
    usec asked_at, due, answer_due; /* due: USEC_NEVER when it is answered, or all is read */
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
