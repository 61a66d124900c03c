/* heal.h - replicas that lack something get it: handoff from the range logs.
 *
 * Pure. Once a second a node compares clocks with the next living peer, at once with one that has
 * come back. One hash a keyspace when nothing differs. Otherwise the peer sends its clocks; what is
 * still missing a moment later (writes on their way are no difference) is pulled: for each dot the
 * current state of the rows it touched, merged here, log entries kept, so that whoever has caught
 * up can hand on.
 *
 *   IDLE --digests--> ASKED --clocks--> SETTLING --a moment--> PULLING --all applied--> IDLE
 *     ^                 |  equal           |  nothing missing      |
 *     +-----------------+------------------+-----------------------+   peer lost: IDLE
 *
 * A node that takes over ranges (a mover) does the same with every peer and is done when after the
 * move became known to all of them it had once everything each of them had. It waits for dead ones
 * too, unless they leave the ring: what they acked alone would be lost with their ranges.
 *
 * Invariants: one session a peer; one pull in flight, of bounded bytes; a dot enters the
 * clock with its rows, never before.
 */
#ifndef TORC_NODE_HEAL_HEAL_H
#define TORC_NODE_HEAL_HEAL_H

#include "base/arena.h"
#include "node/coord/cluster.h"
#include "node/wire/wire.h"
#include "storage/engine.h"

struct heal;

/* Of range logs (logs.h). */
struct log_bounds {
    uint64_t keep; /* bytes of a range: a longer log is asked about, and what all have of it goes */
    uint64_t max;  /* bytes of a range, */
    uint64_t total; /* ... of all ranges, */
    usec window_us; /* and age: what goes beyond that goes whoever lacks it */
};

#define LOG_BOUNDS_DEFAULT                                                                         \
    {                                                                                              \
        1u << 20, 64u << 20, (uint64_t)4 << 30, (usec)3 * 3600 * USEC_PER_SEC                      \
    }

struct heal_config {
    usec interval_us; /* between two comparisons */
    usec settle_us;   /* how long a missing dot may still be on its way */
    usec timeout_us;  /* give up on a silent peer */
    uint32_t pull_bytes_max;
    uint64_t rate_min, rate_max; /* bytes a second that pulls bring here, or that a session by trees
                                    counts for that nobody has asked for (pace.h) */
    uint64_t hints_rate;         /* ... of hints that this node brings to a target, at most */
    uint64_t first_question; /* their numbers begin there: answers to an earlier life of this node
                                must not match a question of this one */
    usec clock_offset_us;    /* clocks of the cluster differ by no more */
    usec hold_us;            /* so long what is agreed is not removed yet */
    uint32_t compare_bytes_max; /* of one message of a session by trees, about */
    usec scrub_us;              /* each range is compared, and read again, once in this; 0: never */
    uint32_t scrub_rows;        /* a second are read, at most about, where nobody waits for it */
    struct log_bounds logs;
};

#define HEAL_CONFIG_DEFAULT                                                                        \
    ((struct heal_config){USEC_PER_SEC, USEC_PER_SEC, 5 * USEC_PER_SEC, 256u << 10, 1u << 20,      \
                          64u << 20, 1u << 20, 0, USEC_PER_SEC, 30 * USEC_PER_SEC, 64u << 10, 0,   \
                          20000, LOG_BOUNDS_DEFAULT})

/* Borrows engine and cluster. */
struct heal *heal_new(const struct heal_config *config, struct engine *engine,
                      struct cluster *cluster);
void heal_free(struct heal *h);

/* This node has joined; comparisons begin, with every living peer at once. */
void heal_begin(struct heal *h, struct now now);

/* A peer answers again: compare with it now. */
void heal_peer_up(struct heal *h, struct now now, node_no peer);
void heal_peer_lost(struct heal *h, struct now now, node_no peer);

/* Ring or keyspaces of the cluster may be others than before, as of this entry of the metadata.
 * Called after each, and once when starting, before anything is taken over or served: what lies
 * here of ranges that were not held meanwhile is forgotten. */
void heal_placed(struct heal *h, struct now now, uint64_t epoch);

/* Dots are minted under this boot number from now on: when ready, and after HEAL_NEW_LIFE, when
 * that number is durable. */
void heal_set_life(struct heal *h, uint32_t boot);

/* The disk is an older copy of what it was: what others have deleted and forgotten since may be
 * here still, and goes as pulls do not show it, until each of them was pulled from. Kept over
 * restarts. */
void heal_set_old(struct heal *h);

/* This node is a mover for ring_epoch (0: no more); every owner that stays, and every living node,
 * has applied that epoch. */
void heal_move(struct heal *h, struct now now, uint64_t ring_epoch);

/* False when the message is none of healing's. */
bool heal_receive(struct heal *h, struct now now, node_no from, const struct wire_message *m);
void heal_durable(struct heal *h, struct now now, uint64_t ticket, enum err err);
void heal_deadline(struct heal *h, struct now now);
usec heal_next_deadline(const struct heal *h);

/* Get these dots (a clock, encoded) at once from the other replicas, for somebody waits for them:
 * HEAL_FETCHED comes once, perhaps in the same step. At most HEAL_FETCHES_MAX at a time. */
#define HEAL_FETCHES_MAX 32u
void heal_fetch(struct heal *h, struct now now, uint64_t id, keyspace_no keyspace, range_no range,
                struct bytes wanted);

/* Bring the rows of a range, here and at the peer, to equality by their trees (compare.h). Ids of
 * callers are below 2^63. */
#define HEAL_COMPARES_MAX 8u
struct heal_comparison {
    node_no peer;
    keyspace_no keyspace;
    range_no range;
    const table_no *tables; /* ascending; none: all of the keyspace */
    size_t tables_count;
    bool full;    /* read clean leaves again, too, on both sides */
    bool preview; /* count, and send no rows */
};

/* HEAL_COMPARED comes once, perhaps in the same step. False: too many are under way. */
bool heal_compare(struct heal *h, struct now now, uint64_t id, const struct heal_comparison *what);

/* Bring many ranges of a keyspace to equality with one peer. Few messages say which of them are
 * equal; each other one gets a session of its own, some at a time. HEAL_COMPARED comes for each
 * that is settled, HEAL_COMPARED_ALL once, after them, and with an error for those that are not
 * (the peer is gone): these can be asked about again. False: too many are under way. */
#define HEAL_COMPARE_MANY_MAX 8u
struct heal_comparisons {
    node_no peer; /* ourselves, with `full`: there is no other replica, the ranges are read alone */
    keyspace_no keyspace;
    const range_no *ranges; /* ascending; none: all that both are replicas of */
    size_t ranges_count;
    const table_no *tables; /* ascending; none: all of the keyspace */
    size_t tables_count;
    bool full, preview; /* as above */
    usec since;  /* the run began then (mono); 0: nobody knows. What was read again here since
                    then is not once more, and who was found equal before is not told of */
    bool gentle; /* nobody waits: it reads no more than `scrub_rows` a second, here */
    bool more;   /* there are more to come: who is equal to us is told of each other later */
};
bool heal_compare_ranges(struct heal *h, struct now now, uint64_t id,
                         const struct heal_comparisons *what);

/* End all that was begun under this id; HEAL_COMPARED, HEAL_COMPARED_ALL come with ERR_CLOSED. */
void heal_compare_stop(struct heal *h, struct now now, uint64_t id);

struct heal_figures {
    bool equal;                        /* the sums of all tables were */
    bool proved;                       /* equal, or mended, as of what is durable on both sides */
    bool joined;                       /* the clocks took in each other */
    uint64_t rows;                     /* that our tree has */
    uint64_t stretches;                /* sums compared */
    uint64_t rows_listed;              /* hashes compared */
    uint64_t rows_different;           /* heads of partitions are rows, too */
    uint64_t rows_received, rows_sent; /* also what was refused, and sent again */
    uint64_t doubtful;     /* of them, those that clocks said could not differ, here and there */
    uint64_t leaves_wrong; /* full: that were not as they had been; of many ranges, there, too */
    uint64_t rows_read;    /* again, here; of many ranges alone */
    uint64_t messages;
    uint64_t bytes_search;               /* of all messages, without rows; */
    uint64_t bytes_hashes;               /* ... of them, what asks about many ranges at once, and
                                            answers: it is the same when nothing differs */
    uint64_t bytes_received, bytes_sent; /* of rows */
    usec us;
};

/* What is known of a range of ours and another replica of it (proved.h). */
#define HEAL_NEVER INT64_MIN
struct heal_proved {
    keyspace_no keyspace;
    range_no range;
    node_no peer;
    int64_t clocks_s; /* wall time when their durable clocks were last seen equal; HEAL_NEVER */
    int64_t trees_s;  /* ... when their rows were, or were made so */
    usec trees_at;    /* ... mono; 0: not since this node has started */
    int64_t read_s;   /* ... when all of the range was read again here, and as it should be */
    bool compared;    /* clocks were compared since this node has started; then so many dots */
    uint32_t lacks, peer_lacks; /* of the peer we had not, of ours the peer had not */
};

/* The first of these, or behind, in this order; for the next one ask for peer + 1. False: there is
 * none. */
bool heal_proved_next(const struct heal *h, keyspace_no keyspace, range_no range, node_no peer,
                      struct heal_proved *ret);

/* What was found in one table. */
struct heal_table {
    table_no table;
    uint64_t rows_different, rows_received, rows_sent;
};

/* A row that was different: by the hash of its key, which is the same on all replicas. */
struct heal_different {
    table_no table;
    uint64_t key_hash;
};
#define HEAL_DIFFERENT_MAX 4096u /* of a session are named */

/* How many rows the tree of a range here has of each table; in the arena. None when it is not up to
 * date. */
struct heal_rows {
    table_no table;
    uint64_t rows;
};
size_t heal_rows(struct heal *h, keyspace_no keyspace, range_no range, struct arena *arena,
                 const struct heal_rows **ret_rows);

/* What was here and most replicas had otherwise: it was replaced (vote.h). The oldest first; kept
 * over restarts, at most HEAL_DIFFERENCES_MAX. In the arena. */
#define HEAL_DIFFERENCES_MAX 1000u
struct heal_difference {
    uint64_t number;
    int64_t at_s; /* wall */
    keyspace_no keyspace;
    range_no range;
    table_no table;
    node_no peer; /* of the session in which it was found */
    struct bytes key;
    bool is_row; /* else the head of the partition: deletions, static row */
    struct bytes row;
    const char *had, *won; /* columns, values, timestamps and dots; cut off where they are long */
};
size_t heal_differences(struct heal *h, struct arena *arena, const struct heal_difference **ret);

/* Of all of these together. */
struct heal_entropy {
    size_t pairs, never; /* ranges and peers; of them never found equal by trees */
    size_t marked;       /* that need a session */
    int64_t oldest_s;    /* trees_s of the others, the least; HEAL_NEVER: there are none */
};
struct heal_entropy heal_entropy(const struct heal *h);

/* *all += *one, but for what is no number. */
void heal_add_figures(struct heal_figures *all, const struct heal_figures *one);

/* What one of the last sessions to end came to; for who looks at replicas from outside. NULL: it is
 * under way, or too long ago. */
struct heal_compared {
    uint64_t id, session; /* of the caller; in messages */
    enum err err;
    struct heal_figures figures;
};
const struct heal_compared *heal_compared(const struct heal *h, uint64_t id);

enum heal_effect_type {
    HEAL_SEND,
    HEAL_FETCHED,
    HEAL_COMPARED,
    HEAL_COMPARED_ALL,
    HEAL_LEAF_WRONG, /* something on our disk has changed that nobody wrote */
    HEAL_DOUBTFUL,   /* rows of the peer were other than clocks say: damage, or a defect of ours */
    HEAL_DAMAGED,    /* a range is found damaged, forgotten, or is whole again: for the log */
    HEAL_NEW_LIFE,   /* dots are to be minted under a new boot number: heal_set_life */
    HEAL_MOVED       /* all that there is to pull for ring_epoch has been pulled and is durable */
};

struct heal_effect {
    enum heal_effect_type type;
    union {
        struct {
            node_no to;
            struct wire_message message;
        } send;
        struct {
            uint64_t id;
            bool complete; /* what is missing still, no replica has; all else that they have is here
                            */
        } fetched;
        struct {
            uint64_t id;
            enum err err;
            bool ours; /* ERR_CORRUPT, ERR_IO: of what is here, not of what the peer has */
            node_no peer;
            keyspace_no keyspace;
            range_no range;
            struct heal_figures figures;
            const struct heal_table *tables; /* that a session looked into; by number */
            size_t tables_count;
            const struct heal_different *different; /* as they were found, perhaps twice; not all */
            size_t different_count;                 /* when there are HEAL_DIFFERENT_MAX */
            /* The clocks of both when they were first compared, encoded; empty: they were not, or
             * nobody has asked for it. What one of them lacked was left out, for handoff brings it,
             * unless `all` was compared. */
            struct bytes here, there;
            bool all;
        } compared;
        struct {
            uint64_t id;
            enum err err;
            size_t ranges, equal, failed; /* HEAL_COMPARED came for; were equal; with an error */
            struct heal_figures figures;  /* of all together */
        } compared_all;
        struct {
            node_no peer;
            keyspace_no keyspace;
            range_no range;
            bool replaced; /* most have them otherwise, and so do we now; else joined */
            uint64_t rows;
            table_no table;   /* of the first one, */
            struct bytes key; /* its partition */
        } doubtful;
        struct {
            keyspace_no keyspace;
            range_no range;
            enum { DAMAGE_FOUND, DAMAGE_FORGOTTEN, DAMAGE_MENDED, DAMAGE_GIVEN_UP } what;
        } damaged;
        struct {
            keyspace_no keyspace;
            range_no range;
            table_no table;
            uint64_t rows;    /* that the leaf has; */
            struct bytes key; /* it begins here: a place (storage/tree.h), empty: at the start */
        } leaf_wrong;
        uint64_t ring_epoch;
    };
};

size_t heal_effects(const struct heal *h, const struct heal_effect **ret_effects);
void heal_clear(struct heal *h); /* effects performed: their bytes are freed */

#define HEAL_TICKET (UINT64_C(2) << 60)

struct heal_stats {
    uint64_t rounds, equal, pulls, dots_pulled, bytes_pulled, bytes_served, unserved;
    uint64_t rate;      /* now: bytes a second; 0: nothing was pulled lately */
    uint64_t slowed[2]; /* times that it was lowered: for clients here, for those of givers */
    struct heal_pace {
        uint64_t rate;        /* now: bytes a second; 0: there was nothing to do lately */
        uint64_t slowed;      /* times */
    } trees, hints;           /* sessions that nobody has asked for; hints that are brought */
    uint64_t missing;         /* now: writes that a peer has told of and that have yet to come; of
                                 the one that has the most */
    uint64_t forgotten;       /* ranges, before they were taken over again */
    uint64_t damaged_ranges;  /* now: damaged, or being rebuilt */
    uint64_t rebuilt;         /* ranges */
    uint64_t fetches;         /* questions for dots that somebody waits for */
    uint64_t purges;          /* turns of removing garbage */
    uint64_t garbage_ranges;  /* that had some when looked at last, */
    uint64_t logs_bytes;      /* of range logs, when looked at last */
    uint64_t log_pruned;      /* dots that went from them, as all have them, */
    uint64_t log_cut;         /* and for the sake of a bound */
    uint64_t truncated;       /* dots that a peer's log had no more when we asked */
    uint64_t doubtful;        /* rows that came in sessions though clocks said they were here */
    uint64_t replaced;        /* rows here that were not what most replicas had */
    uint64_t compared;        /* sessions by trees that went through, */
    uint64_t compared_failed; /* ... and that did not */
    struct heal_bytes {
        uint64_t search, received, sent;
    } bytes_asked, bytes_rounds; /* of sessions by trees that this node began and that are over: as
                                    somebody asked for it; as marks and rounds wanted it */
    uint64_t round_ranges;       /* compared by trees though nobody had asked for it */
    uint64_t refused;            /* ranges of which hints were refused here */
    uint64_t scrubbed;           /* ranges that were read again, clean leaves too */
    uint64_t pinned_ranges; /* and of these, ones where a replica is dead, so that none may go */
};
struct heal_stats heal_stats(const struct heal *h);

/* How far a comparison of many ranges is that goes on: */
struct heal_progress {
    unsigned thousandths; /* of those of its ranges that are not settled; reading again is most */
    uint64_t rows_read;   /* again, here, by now */
};
struct heal_progress heal_compare_progress(const struct heal *h, uint64_t id);

/* A read or a write of a partition, by a client of this node, has been answered after so long. */
void heal_foreground(struct heal *h, struct now now, usec took);

/* Hints are brought from here: how fast now, in bytes a second to a target; and a page of them goes
 * to this node. */
uint64_t heal_hints_rate(struct heal *h, struct now now);
void heal_hints_go(struct heal *h, struct now now, node_no to);

/* Of this range the node lacks many writes, by what clocks said last: of ours, or we of those of
 * another one. What is on its way in a ring at work does not count. */
#define HEAL_BEHIND 8u /* dots */
bool heal_is_behind(const struct heal *h, keyspace_no keyspace, range_no range, node_no node);

/* A hint for the target was refused here, as a bound of its keeper was reached: owners of the range
 * are to compare it with the target by trees. */
void heal_hint_refused(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                       node_no target);

/* A hint for the target that somebody has acked is lost here; target 0: there may have been some of
 * any target and range. True: owners of the range know it, durably, or need not. Ask again each
 * second until it is. */
bool heal_hint_lost(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                    node_no target);

/* Clients wait for this node: what can wait does. */
void heal_set_busy(struct heal *h, bool busy);

/* The hybrid clock (us), which is not put back with ours: what has expired by then is no
 * difference. doubtful: ours may be wrong, and nothing goes because it has expired. */
void heal_set_clock(struct heal *h, usec hybrid, bool doubtful);

/* What all replicas of the range have proved, as far as is known here: garbage with these dots may
 * go. NULL: nothing is being agreed on, for nobody has garbage there, a replica is dead, or they
 * are others than when this was looked at last. */
const struct clock *heal_agreed(struct heal *h, keyspace_no keyspace, range_no range);

/* In so many ranges garbage stays because this node is dead; since when (mono). */
size_t heal_pinned_by(const struct heal *h, node_no peer, usec *ret_since);

/* Ranges whose data is damaged here (damage.h), by keyspace and range. */
struct heal_damaged {
    keyspace_no keyspace;
    range_no range;
    bool rebuilding; /* it was forgotten, and is taken over again; else no other replica that is
                        whole has told of it yet */
};

/* A reader met damage, and its ranges are not among these yet. */
bool heal_met_damage(const struct heal *h);

/* *at := the first from *at on. False: none. */
bool heal_next_damaged(const struct heal *h, struct heal_damaged *at);

/* A replica of ranges that are being rebuilt that is down: they are not whole before it is asked.
 * 0: none is. */
node_no heal_rebuild_waits_for(const struct heal *h);

struct heal_given_up {
    size_t ranges; /* damaged here, and no other node is to have them */
    size_t others; /* damaged here, and another replica may have them: these stay */
};

/* A person has decided about damaged ranges of which there is no other replica: what is left of
 * them is forgotten, and then they are served again, empty. `preview`: they are counted only. */
struct heal_given_up heal_give_up(struct heal *h, struct now now, keyspace_no keyspace,
                                  bool preview);

/* Why garbage of a range stays: one for each replica that has not agreed to all of it. */
enum heal_pin_reason {
    HEAL_PIN_DOWN,       /* the replica is dead */
    HEAL_PIN_SILENT,     /* it has told nothing yet, in this ring */
    HEAL_PIN_NOT_PULLED, /* we have not got all that it had when it had the deletions */
    HEAL_PIN_NOT_PROVED, /* it has not said that it has got that of all others */
    HEAL_PIN_HERE        /* we cannot agree: the range is damaged here, or there are too many */
};

struct heal_pin {
    keyspace_no keyspace;
    range_no range;
    node_no peer;
    enum heal_pin_reason reason;
    size_t entries; /* of the index of garbage, that are due and wait for it, */
    bool more;      /* at least: no more were looked at */
    int64_t since;  /* the oldest of them: wall, seconds */
};

#define HEAL_PIN_ENTRIES_MAX 10000u  /* looked at in a range, */
#define HEAL_PIN_WORK_MAX    100000u /* and in all; then one in each range */
#define HEAL_PINS_MAX        16384u

/* By keyspace, range and peer, at most HEAL_PINS_MAX; in the arena. What is agreed already and is
 * only held for a while, or waits for its turn, is not among them. */
size_t heal_pins(struct heal *h, struct now now, struct arena *arena,
                 const struct heal_pin **ret_pins);

/* What waits for another replica in our range log, and whether a session by trees with it is to
 * come: by the numbers of peers, then keyspace and range. Of ranges for which nothing waits there
 * is nothing. */
struct heal_waiting {
    node_no peer;
    keyspace_no keyspace;
    range_no range;
    bool alive;             /* it is, and has yet to get all */
    bool at_most;           /* we have started since it was lost: what it had is not known */
    uint64_t dots, bytes;   /* in the log; bytes are about that */
    uint64_t cut;           /* dots that the log has no more: only trees bring them */
    int64_t since_s;        /* wall: it lacks nothing from before; 0: not known */
    unsigned marked;        /* mark_why, or-ed (marks.h): we need a session with it; 0: no */
    int64_t marked_since_s; /* wall */
};
#define HEAL_WAITING_MAX 65536u
size_t heal_waiting(struct heal *h, struct arena *arena, const struct heal_waiting **ret);

/* Ranges that sessions have yet to pull, and the bytes of the clocks that say so. */
size_t heal_pending(const struct heal *h, size_t *ret_bytes);

#endif
