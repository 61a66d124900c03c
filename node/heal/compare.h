/* compare.h - two replicas of a range bring their rows to equality; inside of healing.
 *
 * docs/healing.md, "A session", has the argument. The initiator has the walk, the responder answers
 * each message from what it says and from the disk; what it keeps is a list of trees that it is
 * bringing up to date, and acks that wait for the disk.
 *
 *   PREPARING --tree up to date--> OPENING --ready--> ASKING <--> STORING --nothing left--> over
 *       ^                            |  not yet: once more         |
 *       +---- a sum is not known ----+----------- ASKING ----------+--log truncated--> JOINING
 *
 * A walk is a stack of stretches in key order, the first on top. CHECK: compare its sum. SPLIT: it
 * differs; cut it, and where it is one leaf list its rows. So much of the top goes into a message
 * as fits; the first ones go down first. What is below the top is settled later. A session
 * that breaks off leaves nothing: what it has mended is equal to whoever begins anew, and costs a
 * hash.
 *
 * The cut C: the dots that both trees are true of. What other dots touched is left out of sums and
 * lists on both sides (`all`: of nothing; the log of one of them lacks them). Each message names
 * what it leaves out; what the other one has besides comes with its answer, and is left out of the
 * lists there, and of the next message.
 *
 *   key     = varint shared with the key before, vbytes rest
 *   touched, skip = (varint table, key from, key upto)*
 *   units   = (u8 flags, [varint table], [key from], key upto, u64 sum |
 *              varint count, u64 content hash*)*
 *             flags: 1 a list, 2 goes on where the one before ends, in its table
 *   places  = (varint table, key place, [u64 what is shown there])*   of votes, and what is
 * replaced answers = varint count, (u8 differs | vbytes upto (empty: all of it), varint count,
 * varint step* (wanted, from the one before), varint count, u64 key hash* (of rows that you lack or
 * have otherwise))*
 *
 * Invariants: one message in flight each way; rows are durable before the walk goes on; nothing
 * counts that was asked under another tag, of an earlier life, or before something was dropped.
 */
#ifndef TORC_NODE_HEAL_COMPARE_H
#define TORC_NODE_HEAL_COMPARE_H

#include "node/heal/heal_core.h"
#include "storage/tree.h"

#define COMPARE_WORK          1024u /* fragments read in one turn */
#define COMPARE_WORK_GENTLE   512u  /* ... where nobody waits and no rate is to be reached */
#define COMPARE_FRAGMENT      64u   /* bytes that one counts for, in the pace (pace.h) */
#define COMPARE_TURN          2048u /* ... and a turn besides */
#define COMPARE_PAUSE         (10 * USEC_PER_MS)
#define COMPARE_PAUSE_BUSY    (50 * USEC_PER_MS)
#define COMPARE_TOUCHED_MAX   4096u       /* stretches that are left out */
#define COMPARE_UNITS_MAX     4096u       /* in a message */
#define COMPARE_KEYS_MAX      (12u << 20) /* bytes of what is touched; of what is asked about */
#define COMPARE_KEYS_READ_MAX (4 * COMPARE_KEYS_MAX) /* ... that are read of a peer's message */
#define COMPARE_SLICES        16u
#define COMPARE_LIST_MAX      1024u               /* rows of one list */
#define COMPARE_STACK_MAX     16384u              /* then one stretch at a time goes down */
#define COMPARE_TRIES_MAX     1000u               /* without getting on */
#define COMPARE_REPLY_MAX     ((uint32_t)1 << 20) /* of rows, whatever is asked for */
#define COMPARE_FIXED         40u /* bytes of a message but for its fields of bytes, about */
#define COMPARE_ENVELOPE      10u /* ... that who and when take besides, as it leaves the node */
#define SERVED_MAX            16u
#define SERVED_KEPT           (5 * USEC_PER_SEC)
#define SERVED_ACKS_MAX       64u

/* --- compare_codec.c */

struct touched {
    struct tree_touched *items;
    size_t count;
};

struct compare_unit {
    table_no table;
    struct tree_stretch stretch;
    bool list;
    uint64_t sum;
    uint64_t *hashes; /* of a list; content */
    size_t count;
    struct tree_item *items; /* the initiator's */
};

struct compare_answer {
    bool differs;
    struct bytes upto; /* of a list: it speaks of what is before; empty: of all */
    size_t *wanted;
    size_t wanted_count;
    uint64_t *theirs;
    size_t theirs_count;
};

struct key_coder {
    struct buf last;
};
void compare_put_touched(struct buf *out, const struct tree_touched *items, size_t count);
enum err compare_read_touched(struct bytes in, struct arena *arena, struct touched *ret) MUST_CHECK;
void compare_put_unit(struct buf *out, struct key_coder *keys, const struct compare_unit *before,
                      const struct compare_unit *unit);
enum err compare_read_units(struct bytes in, struct arena *arena, struct compare_unit **ret,
                            size_t *ret_count) MUST_CHECK;
void compare_put_answer(struct buf *out, bool list, const struct compare_answer *a);
enum err compare_read_answers(struct bytes in, const struct compare_unit *units, size_t units_count,
                              struct arena *arena, struct compare_answer **ret,
                              size_t *ret_count) MUST_CHECK;
struct compare_place {
    table_no table;
    struct bytes place;
    uint64_t hash;
};
void compare_put_place(struct buf *out, struct key_coder *keys, table_no table, struct bytes place);
/* hashed: a hash behind each. They ascend. */
enum err compare_read_places(struct bytes in, bool hashed, struct arena *arena,
                             struct compare_place **ret, size_t *ret_count) MUST_CHECK;
bool compare_stretches_meet(const struct tree_stretch *a, const struct tree_stretch *b);

/* --- compare_tree.c: what both sides do */

struct compare_range {
    keyspace_no keyspace;
    range_no range;
    struct range_place place; /* of all its tables; in the arena that it was made with */
    uint64_t tag;
};

/* It is a replica, or about to be one. */
bool compare_takes_part(struct heal *h, keyspace_no keyspace, range_no range, node_no node);

/* ERR_UNAVAILABLE: not both of us are replicas, or it cannot be read. */
enum err compare_range(struct heal *h, keyspace_no keyspace, range_no range, node_no peer,
                       struct arena *arena, struct compare_range *ret) MUST_CHECK;
/* ... and with nobody. */
enum err compare_own_range(struct heal *h, keyspace_no keyspace, range_no range,
                           struct arena *arena, struct compare_range *ret) MUST_CHECK;

/* It is about to take the range over. */
bool compare_is_new(struct heal *h, const struct compare_range *r, node_no node);

/* --- paced.c: a session that nobody has asked for has turns that clients hardly notice: each is as
 * large as the pace bears, and the next one comes when the time of all that was done is over. */

struct compare_turn {
    bool paced;
    uint64_t work; /* fragments to be read, at most about */
    uint64_t before;
};

/* That was begun under this id: paced, unless ranges here are damaged, and not served until
 * sessions have gone through. */
bool compare_is_paced(const struct heal *h, uint64_t id);
struct compare_turn compare_turn_begin(struct heal *h, struct now now, bool paced);
uint64_t compare_turn_read(const struct heal *h, const struct compare_turn *t);

/* ... and moved so many bytes. here: no other node had anything to do with it. Returns when the
 * next one may begin. */
usec compare_turn_end(struct heal *h, struct now now, const struct compare_turn *t, bool here,
                      uint64_t bytes);
usec compare_turn_next(const struct heal *h, struct now now, bool paced);

/* A turn of bringing the tree up to date, and with `scrub` of reading all that is clean; preview:
 * nothing comes of what is wrong there. ERR_CORRUPT, and done: all was read but for what cannot be.
 * ERR_CORRUPT, and not done: rows, or the tree itself, which is gone then and is built anew. */
enum err compare_prepare(struct heal *h, struct now now, const struct compare_range *r,
                         uint64_t work, struct tree_scrub *scrub, bool preview, uint64_t *wrong,
                         bool *ret_done) MUST_CHECK;
uint64_t compare_mark(const struct heal *h, keyspace_no keyspace, range_no range,
                      node_no peer); /* its number (marks.h); 0: there is none */
usec compare_pause(const struct heal *h);
/* ... after a turn that read so many fragments; longer when nobody waits. */
usec compare_pause_after(const struct heal *h, bool gentle, uint64_t read);
struct bytes compare_keep_clock(struct heal *h, const struct clock *c); /* encoded; lives as the
                                                                           effects */

/* What the dots of our clock that are not in `cut` touched. */
enum err compare_touched(struct heal *h, const struct compare_range *r, const struct clock *cut,
                         struct arena *arena, struct touched *ret) MUST_CHECK;
uint64_t compare_root(const struct compare_range *r, const table_no *tables, size_t count,
                      const struct tree_sum *sums);
void compare_told_doubtful(struct heal *h, const struct compare_range *r, node_no peer,
                           const struct tree_taken *taken, bool replaced);

/* --- compare.c: the initiator */

enum compare_state {
    COMPARE_PREPARING,
    COMPARE_OPENING, /* the question is out, or put again when due */
    COMPARE_ASKING,  /* ... */
    COMPARE_VOTING,  /* other replicas are asked about what differs (vote.h) */
    COMPARE_STORING, /* rows both ways become durable */
    COMPARE_JOINING
};

struct walk_item {
    table_no table;
    struct tree_stretch stretch; /* its own copies */
    bool differs;                /* SPLIT; else CHECK */
};

struct given_place {
    table_no table;
    struct bytes place;
    uint64_t key_hash;
    bool replaces;    /* what the peer has; */
    bool nothing;     /* ... and there is nothing here */
    uint64_t instead; /* of what shows this */
};

struct comparing {
    uint64_t id, session;
    uint64_t mark; /* number of that of the range and the peer (marks.h); 0: there was none */
    uint64_t many; /* begun for that one (compare_many.h); 0: for none */
    node_no peer;
    bool full, preview, all_tables;
    struct arena own; /* of the range and its tables */
    struct compare_range range;
    const table_no *tables;
    size_t tables_count;
    enum compare_state state;
    usec due, began;
    unsigned tries; /* since it got on */
    enum err said;  /* by the peer, last */
    bool opened;    /* once; and */
    bool ready;     /* the cut is as told last */
    struct tree_scrub scrub;
    bool scrubbed;
    /* as of OPEN */
    bool all; /* a log lacks what dots touched: all is compared */
    bool same_tables;
    bool unsure;              /* we take it over, or rebuild it: nothing is left out (sure.h) */
    bool sure;                /* durable there: the cut; or if all was equal, that */
    struct bytes here, there; /* the clocks of both; in `own` */
    bool all_at_once;         /* ... and nothing is left out */
    uint32_t life;
    int64_t now_s;
    struct clock asof, durable, theirs, cut, agreed; /* theirs: durable, as told */
    struct arena told_arena;
    struct touched told; /* what the peer leaves out, as it told last */
    struct buf dropped;  /* bounds of what was dropped there; when we are about to take over */
    struct walk_item *stack;
    size_t stack_count, stack_cap;
    /* the message in flight */
    uint64_t request; /* 0: none */
    struct arena arena;
    struct compare_unit *units;
    size_t units_count, units_cap;
    uint64_t drops;      /* ours when it was asked */
    struct voting *vote; /* in `arena`; while VOTING */
    /* rows */
    uint64_t ticket; /* what came is being stored; 0: it is */
    uint64_t their_drops;
    struct given_place *give; /* in `arena` */
    size_t give_count, give_at, give_cap, give_sent;
    struct heal_figures figures;
    struct heal_table *by_table; /* of `tables`; in `own` */
    struct heal_different *different;
    size_t different_count, different_cap;
};

/* heal_compare, for one of compare_many.h, where so many leaves were found wrong already. */
bool compare_begin(struct heal *h, struct now now, uint64_t id, const struct heal_comparison *what,
                   uint64_t many, uint64_t wrong);
void compare_begin_asking(struct heal *h, struct now now, struct comparing *s);
void compare_end(struct heal *h, struct now now, struct comparing *s, enum err err);
void compare_again(struct heal *h, struct now now, struct comparing *s, enum compare_state state);
void compare_join(struct heal *h, struct now now, struct comparing *s);
/* The range is still what it was; else the session is over. */
bool compare_is_valid(struct heal *h, struct now now, struct comparing *s);
void compare_sent(struct comparing *s, size_t bytes);

/* --- compare_lacks.c */
void lacks_note(struct comparing *s, struct bytes theirs); /* their clock, at first */
/* Too much is on its way between the two. It will have come later. */
void lacks_too_much(struct heal *h, struct now now, struct comparing *s);

/* --- compare_walk.c */
void walk_push(struct comparing *s, table_no table, const struct tree_stretch *stretch,
               bool differs);
void walk_free(struct comparing *s);
void walk_ask(struct heal *h, struct now now, struct comparing *s);
void walk_told(struct heal *h, struct now now, struct comparing *s,
               const struct wire_compare_tell *m);
void walk_push_units(struct comparing *s, size_t from, const struct compare_answer *answers,
                     size_t answered);
struct heal_table *walk_found_in(struct comparing *s, table_no table);
int compare_hashes(const void *a, const void *b);
/* Rows of the peer, joined with what is here. */
enum err walk_take_rows(struct heal *h, struct comparing *s, struct bytes rows);

/* --- compare_give.c */
void walk_stored(struct heal *h, struct now now, struct comparing *s);  /* perhaps go on */
void walk_refused(struct heal *h, struct now now, struct comparing *s); /* what was given */

/* --- compare_serve.c: the responder */
struct served {
    node_no peer; /* 0: free */
    uint64_t session;
    keyspace_no keyspace;
    range_no range;
    bool full, preview, paced, scrubbed, done;
    bool unread; /* all was read again, but for what cannot be */
    struct tree_scrub scrub;
    usec kept_until;
};
struct served_ack {
    uint64_t ticket; /* 0: free */
    node_no peer;
    uint64_t session, request;
    struct tree_taken taken;
};
struct serving {
    struct served list[SERVED_MAX];
    struct served_ack acks[SERVED_ACKS_MAX];
    usec due;
};
struct serving *serve_state(struct heal *h);
/* ERR_STALE: the tag is another one. */
enum err serve_range(struct heal *h, keyspace_no keyspace, range_no range, uint64_t tag,
                     node_no from, struct arena *arena, struct compare_range *ret) MUST_CHECK;
void serve_compare_open(struct heal *h, struct now now, node_no from,
                        const struct wire_compare_open *m);
void serve_compare_end(struct heal *h, struct now now, node_no from,
                       const struct wire_compare_end *m);
void serve_compare_ask(struct heal *h, struct now now, node_no from,
                       const struct wire_compare_ask *m);

/* --- compare_given.c */
void serve_compare_give(struct heal *h, struct now now, node_no from,
                        const struct wire_compare_give *m);
bool serve_compare_durable(struct heal *h, uint64_t ticket, enum err err);
void serve_compare_deadline(struct heal *h, struct now now);
void serve_compare_lost(struct heal *h, node_no peer);
void serve_compare_free(struct heal *h);

#endif
