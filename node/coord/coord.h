/* coord.h - coordination: a client's write or read, carried out by the replicas of its range.
 *
 * Pure. Both sides are here: the coordinator, which asks, and the replica, which answers.
 *
 *   write   this node is a replica: mint a dot, apply, send to all other replicas at once
 *           this node is none: forward the write to a replica, which coordinates it (one hop)
 *   read    data from the nearest replica, digests from as many others as the level needs; when
 * they differ: full answers, merge, repair what is stale, wait for those acks, then answer (so
 *           quorum reads are monotonic). No answer in time: one replica more (speculative retry).
 *
 *   WAITING --- enough acks ------------------------> DONE ok
 *      |------- too many said no -------------------> DONE failed
 *      |------- too many can no longer answer, or the deadline -> DONE timed out
 *
 * Before anything is sent: fewer replicas alive than needed -> DONE unavailable.
 *
 *   IF …    a session of Paxos among the replicas of one partition (docs/lwt.md): DONE with the
 *           rows, perhaps more than once; the caller evaluates its conditions and proposes what
 *           they come to; DONE with how it ended.
 *
 * A write of kind BATCH that touches several partitions is *logged*: before anything is written,
 * two other nodes keep it (coord_batch.c), and write it themselves if they do not hear that it is
 * done (coord_keeper.c, docs/batches.md).
 *
 * Every input appends to one ordered list of effects; the node performs them and clears the list.
 * What an effect points to is valid until the next coord_clear.
 *
 * Invariants: one DONE per started operation, at or before its deadline plus one step; bytes held
 * for running operations never pass in_flight_max; an ack to a peer leaves only after the store
 * said that the write is durable.
 */
#ifndef TORC_NODE_COORD_COORD_H
#define TORC_NODE_COORD_COORD_H

#include "node/coord/cluster.h"
#include "node/coord/level.h"
#include "node/coord/tracing.h"
#include "node/coord/usage.h"
#include "node/wire/wire.h"
#include "storage/engine.h"
#include "storage/seen.h"

struct coord;

struct coord_config {
    uint64_t seed;
    size_t in_flight_max;   /* bytes of running requests, own and for peers */
    usec counter_window_us; /* so long a request of a counter may be sent again and counts once */
    usec write_timeout_us; /* of replays; a batch is replayed when its coordinator had twice as long
                              (0: 2 s) */
    usec clock_offset_max_us; /* so far clocks may differ: no stamp is raised further */
    bool no_hints;            /* none is made or kept; those that are there are brought */
    size_t hints_size_max;    /* bytes of hints for one target; 0: no bound */
    usec hints_window_us; /* nothing more for a target whose oldest hint is older; 0: no bound */
    size_t hints_rate;    /* bytes a second brought to a target; 0: 1 MiB */
    usec sync_us;         /* with `unsynced`: at the latest so often all is fsynced */
    bool unsynced; /* what the store calls durable is the kernel's, and the disk's a moment later */
    usec (*stopwatch)(void); /* mono, as it goes on within a turn; for statistics. NULL: none */
};

/* Borrows engine and cluster. */
struct coord *coord_new(const struct coord_config *config, struct engine *engine,
                        struct cluster *cluster);
void coord_free(struct coord *c);

/* The node is about to serve: batches that it keeps from before are looked for. Once. */
void coord_begin(struct coord *c, struct now now);

/* Who mints dots here. Until it is set (the node has not joined) every operation is unavailable. */
void coord_set_actor(struct coord *c, struct actor self);

/* Our clock may be wrong: no timestamp is raised by it. */
void coord_set_clock_doubtful(struct coord *c, bool doubtful);

/* What is done while a session is entered there is traced; messages carry it to others and back. */
struct tracing *coord_tracing(struct coord *c);

/* --- operations of this node's clients */

struct mutation {
    keyspace_no keyspace;
    struct part part;           /* no dots yet; timestamps set */
    struct supersede supersede; /* of a siblings table: what it takes away, or all zero */
    bool unasked;               /* though coord_write.asked */
};

struct coord_write {
    const struct mutation *mutations; /* copied */
    size_t count;
    enum level level;
    enum write_kind kind;
    usec timeout_us;
    int64_t stamp; /* what of it has this timestamp the server has stamped, and may stamp with a
                      later one; 0: the timestamps are the client's */
    bool asked;    /* .. or not: this is as in struct asked (coord_core.h) */
    int64_t limit;
    bool beyond;
    bool replay;             /* from a log of batches: what it wrote may be forgotten as deleted */
    const struct seen *seen; /* by the session; copied; NULL: of no session */
    bool receipt;            /* who has answered is to be told */
    bool hint;  /* it was kept for a replica: a replay, of which what is too old is left
                   out and the rest is written */
    node_no to; /* 0: none; hints at ONE: this replica alone, and its ack counts */
};

struct coord_read {
    keyspace_no keyspace;
    struct scan scan; /* copied */
    enum level level; /* at least that of seen->floor is met */
    usec timeout_us;
    const struct seen *seen; /* by the session; copied; NULL: of no session */
    bool receipt;            /* who has answered is to be told */
};

/* One partition, read and perhaps written with nobody in between. */
struct coord_cas {
    keyspace_no keyspace;
    struct scan scan;  /* single; copied */
    bool read_only;    /* a SELECT at a serial level */
    enum level serial; /* SERIAL, LOCAL_SERIAL: who is asked */
    enum level level;  /* of the commit; at least a quorum of who is asked gets it */
    usec timeout_us;
    const struct seen *seen; /* by the session; copied; NULL: of no session */
    bool receipt;            /* who has answered is to be told */
};

enum coord_cas_end {
    CAS_NONE, /* not of a session, or an error */
    CAS_ROWS, /* `rows` are what there is: to be answered with coord_cas_propose, unless read_only
               */
    CAS_APPLIED,
    CAS_NOT_APPLIED,
};

/* Something of a write is not visible though it is acked: */
enum lost {
    LOST_NONE,
    LOST_GIVEN,   /* its timestamp was the client's */
    LOST_STAMPED, /* ours, but what it loses to is further ahead than clocks may differ */
};

/* What an error says is what the protocol's error body needs. */
struct coord_result {
    enum err err; /* OK UNAVAILABLE TIMEOUT FAILED OVERLOADED INVALID */
    enum level level;
    enum write_kind kind;
    uint32_t required;
    uint32_t received; /* or alive, with UNAVAILABLE */
    uint32_t failures;
    uint32_t merged;    /* writes: values that went because there were too many siblings .. */
    table_no merged_in; /* .. in this table; 0: in several */
    enum lost lost;     /* writes that are OK: .. */
    table_no lost_in;   /* .. in this table, among others .. */
    int64_t behind;     /* .. by so many us */
    uint32_t hinted;    /* writes: so many acks are of nodes that keep it for a replica */
    bool synced;        /* writes: all that was acked is on disks, not only in kernels */
    bool left_out;      /* hints: some of it may have been deleted, and was not written */
    bool hints_full;    /* no more is kept for replicas that are away; OVERLOADED: nothing was
                           done, TIMEOUT: something was */
    node_no damaged;    /* FAILED, of reads: a replica whose data of the range is damaged; or 0 */
    token damaged_at;   /* .. of this place, or of one behind */
    node_no waits_for;  /* OVERLOADED: counters are full until this dead node is back; or 0 */
    bool data_present;  /* reads: the replica asked for data answered */
    struct scan_result rows;
    enum coord_cas_end cas;
    bool unknown;            /* TIMEOUT of a session: what it proposed may yet be applied, or was */
    uint32_t contentions;    /* rounds of a session that were lost to others */
    const struct seen *seen; /* what the session has seen by this, too; NULL: nothing */
    struct bytes receipt;    /* receipt.h: JSON objects with commas between them */
};

/* `op` is the caller's name for it, unique among those running. DONE may come in the same step. */
void coord_write_start(struct coord *c, struct now now, uint64_t op, const struct coord_write *w);
void coord_read_start(struct coord *c, struct now now, uint64_t op, const struct coord_read *r);

/* Begin a session. After CAS_ROWS, and before anything else happens: what its conditions came to,
 * for the next DONE, which may be CAS_ROWS again. NULL: nothing is to change. The timestamps of
 * the part must be above all that was read. A session that is gone (its time was up) is ignored. */
void coord_cas_start(struct coord *c, struct now now, uint64_t op, const struct coord_cas *cas);
void coord_cas_propose(struct coord *c, struct now now, uint64_t session, uint64_t op,
                       const struct mutation *change);

/* This node is a mover for ring_epoch (0: no more), and all whom heal_move speaks of know it: fetch
 * the registers of the ranges it takes over. */
void coord_cas_move(struct coord *c, struct now now, uint64_t ring_epoch);

/* Remove the registers of a table (DROP), in slices: call until it returns true. */
bool coord_cas_drop_table(struct coord *c, table_no table, size_t max);

/* --- inputs */

/* False when the message is none of coordination's. `from` is the node number of the envelope. */
bool coord_receive(struct coord *c, struct now now, node_no from, const struct wire_message *m);
void coord_durable(struct coord *c, struct now now, uint64_t ticket, enum err err);
void coord_deadline(struct coord *c, struct now now);

/* Rows of others were applied, or are durable: perhaps somebody waits for them. */
void coord_caught_up(struct coord *c, struct now now);

/* The cluster has changed: what waits for an epoch of it may go on. */
void coord_placed(struct coord *c, struct now now);

/* The answer to COORD_FETCH. complete: every replica there is was asked, since, for all that it
 * has, and all of it is here, durably. */
void coord_fetched(struct coord *c, struct now now, uint64_t id, bool complete);

/* The link to a node broke or gossip calls it dead: no answer to what was sent so far will come. */
void coord_peer_lost(struct coord *c, struct now now, node_no node);

usec coord_next_deadline(const struct coord *c);

/* --- effects */

enum coord_effect_type {
    COORD_SEND,
    COORD_DONE,
    COORD_FETCH, /* get these dots from the other replicas of the range */
    COORD_MOVED  /* the registers of what this node takes over at ring_epoch are here, durably */
};

struct coord_effect {
    enum coord_effect_type type;
    union {
        struct {
            node_no to;
            struct wire_message message; /* the node fills the envelope */
        } send;
        struct {
            uint64_t op;
            const struct coord_result *result;
        } done;
        struct {
            uint64_t id;
            keyspace_no keyspace;
            range_no range;
            struct bytes wanted; /* a clock, encoded */
        } fetch;
        uint64_t ring_epoch;
    };
};

size_t coord_effects(const struct coord *c, const struct coord_effect **ret_effects);
void coord_clear(struct coord *c);

/* Tickets of coordination have this bit pattern on top, so that the node can tell whose they are.
 */
#define COORD_TICKET (UINT64_C(1) << 60)

/* Operations whose number has this bit are the coordinator's own. */
#define COORD_OWN_OP (UINT64_C(1) << 63)

struct coord_stats {
    uint64_t asks, raised, lost_given, lost_stamped, replays_left_out, writes, reads, forwards,
        digest_mismatches, repairs, speculations, repairs_widened, timeouts, unavailable,
        overloaded, late, cas, cas_contended, cas_finished, cas_unknown, repeats, folds, merged,
        counters_read, batches, replays, waits, waits_in_vain, hints_acked, hints_kept,
        planned_anew, hints_refused, hints_delivered, hints_handed_on, hints_dropped,
        hints_left_out, hints_lost;
    uint64_t batches_damaged;  /* kept ones that cannot be read any more, or stretches of them: */
    struct uuid batch_damaged; /* the last one, or where its id is lost too the one before it */
    bool damaged_behind;       /* then */
};
struct coord_stats coord_stats(const struct coord *c);
const struct usages *coord_usages(const struct coord *c);
size_t coord_in_flight(const struct coord *c);

/* Batches of others that this node keeps until they are known to be written. */
size_t coord_kept(const struct coord *c);

/* Hints (coord_hint.c): writes that this node keeps for replicas which could not take them. */
size_t coord_hints(const struct coord *c);
size_t coord_hints_bytes(const struct coord *c);
uint64_t coord_hints_merged(const struct coord *c);  /* with one that was there */
uint64_t coord_hints_damaged(const struct coord *c); /* that cannot be read any more */

struct coord_hint_queue {
    node_no target;
    size_t hints, any, bytes;            /* `any` of them any owner may take */
    int64_t oldest, newest;              /* wall, us; newest 0: of before the start */
    bool full;                           /* a bound is reached: it gets no more */
    size_t sending;                      /* writes under way */
    usec pause;                          /* until the next ones go */
    size_t stuck;                        /* ranges of tables whose hints did not go .. */
    usec stuck_pause;                    /* .. and when the first of them are tried again */
    uint64_t delivered, delivered_bytes; /* since the start */
    uint64_t rate;                       /* bytes a second, lately */
};

/* By target, ascending; in the arena. */
size_t coord_hint_queues(struct coord *c, struct now now, struct arena *arena,
                         struct coord_hint_queue **ret);

/* Hints that were lost with a part of the disk, ever; by target, 0: of which nothing is known. */
struct coord_hints_lost {
    node_no target;
    uint64_t count;
    int64_t at;    /* wall, us: the last ones; 0: just now */
    size_t untold; /* of whose ranges nobody who has them knows yet */
};
size_t coord_hints_lost(struct coord *c, struct arena *arena, struct coord_hints_lost **ret);

bool coord_hints_untold(const struct coord *c); /* any of them */

/* This node is about to leave: what cannot be brought to its target is handed to another node. It
 * is through when coord_hints is 0. */
void coord_hints_hand_on(struct coord *c, struct now now);

/* Runs, rounds and batches that wait for others, and writes to our own store that are not durable
 * yet. */
size_t coord_pending(const struct coord *c);
size_t coord_applying(const struct coord *c);

/* Requests that wait for what their sessions have seen elsewhere. */
size_t coord_waiting(const struct coord *c);

/* Runs and rounds whose deadline was before `now`: none, once coord_deadline has been called. */
size_t coord_overdue(const struct coord *c, struct now now);

#endif
