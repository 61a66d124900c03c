/* coord_core.h - what the files of the coordinator share; nobody else includes it.
 *
 *   coord.c        requests, effects, deadlines, dispatch
 *   coord_op.c     writes of clients: all runs of one request
 *   coord_write.c  runs: one mutation on its way to W replicas
 *   coord_forward.c  runs handed to a replica, and taken from others
 *   coord_ask.c    what a server stamps is stamped above what a quorum has
 *   coord_stamp.c  what a run becomes where it is minted, and what its client is told
 *   coord_hint.c   what too few replicas can take is kept for them
 *   coord_deliver.c  and brought to them; hints.c has the disk
 *   coord_batch.c  logged batches: first their keepers, then their runs
 *   coord_keeper.c  batches kept for others, and what becomes of them
 *   coord_counter.c  increments: what of them is known already
 *   coord_fold.c   when increments may be replaced by their sum
 *   coord_read.c   operations and rounds: one span of one read on its way to R replicas
 *   coord_session.c  reads that must show what a session has seen
 *   coord_index.c  rounds that ask an index, before those that read what it found
 *   coord_repair.c what a round does when its replicas disagree
 *   coord_speculate.c  who is slow is not waited for
 *   waits.c        requests of sessions that wait for what the session has seen
 *   fence.c        what was planned before a range was in its stage has no effect
 *   replica.c      the other side: peers' writes and reads
 *   cas.c          sessions of IF … and of reads at serial levels; cas_core.h
 */
#ifndef TORC_NODE_COORD_COORD_CORE_H
#define TORC_NODE_COORD_COORD_CORE_H

#include "base/histogram.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/timers.h"
#include "node/coord/coord.h"
#include "node/coord/coord_ask.h"
#include "node/coord/coord_stamp.h"
#include "node/coord/fence.h"
#include "node/coord/heal_host.h"
#include "node/coord/hints.h"
#include "node/coord/patience.h"
#include "node/coord/replica.h"
#include "storage/index.h"

#define COUNTER_FOLD_AT 4u /* increments of a counter, before they are summed */
/* Unsummed increments. What came since the last cut is two windows at most, so of 30 s this is
 * 2,600 a second; about 8 MB, when a replica sends all of them, of the 32 MiB that a message may
 * have. */
#define COUNTER_INCREMENTS_MAX 163840u

#define REFUSED_MAX  8  /* nodes that keep no hint, before nobody else is asked */
#define REPLICAS_MAX 64 /* of one range, all data centres and pending ones together */

/* What a request number stands for; a member of run, round, cas, batch, ask and giving. */
struct pending {
    enum pending_type {
        PENDING_RUN,
        PENDING_ROUND,
        PENDING_CAS,
        PENDING_BATCH,
        PENDING_ASK,
        PENDING_HINT
    } type;
    uint64_t request;
    struct list link; /* in coord.pending, in order of start */
    uint64_t stale;   /* its plan is over: it plans anew with this epoch (fence.h); 0: no */
    struct list stale_link;
    struct uuid trace; /* then */
};

/* What a replica found when it applied a write (engine_weigh). */
struct verdict {
    struct loss given, stamped;
    bool synced; /* and not only for the kernel's copy */
};

/* A write to our own store, until it is durable. */
struct applying {
    bool for_peer;
    struct uuid trace;
    table_no table;
    usec began;        /* mono */
    struct kept *kept; /* a batch that we keep for the peer, or NULL */
    bool hint;         /* a hint that we keep for the peer */
    node_no peer;      /* who gets the ack */
    uint64_t request;  /* theirs, or our own pending one */
    size_t bytes;
    struct verdict verdict;
    keyspace_no keyspace; /* of a replica's write: judged again when it is durable (fence.h) */
    range_no range;
    uint64_t planned;
};

/* A timer that knows what it is for. */
struct due {
    struct timer timer;
    enum {
        DUE_RUN,
        DUE_READ,
        DUE_SPECULATION,
        DUE_CAS,
        DUE_CAS_AGAIN,
        DUE_CAS_MOVE,
        DUE_FOLD,
        DUE_BATCH,
        DUE_ASK,
        DUE_WAIT,
        DUE_KEEPER,
        DUE_HALF,
        DUE_HINTS,
        DUE_DROPS
    } kind;
};

struct own_result {
    uint64_t op;
    const struct coord_result *result; /* until coord_clear */
};

/* Batches that this node keeps, and what its own keepers have yet to be told (coord_keeper.c,
 * coord_batch.c). */
struct keeper {
    struct bmap by_id;   /* struct kept */
    struct list waiting; /* for their due time, ascending */
    struct due due;
    size_t bytes, replaying;
    usec load_due; /* those on the disk are looked for, as some could not be read; or NEVER */
};

struct drops {
    struct drop *items;
    size_t count, cap;
    struct due due;
};

struct coord {
    struct coord_config config;
    struct engine *engine;
    struct cluster *cluster;
    struct actor self;
    struct now now; /* of the last input */
    bool clock_doubtful;
    struct tracing trace;
    struct usages usages;
    uint64_t requests, tickets;
    int64_t last_batch; /* ticks of the last batch's id */
    struct keeper keeper;
    struct waits *waits; /* waits.h */
    struct hints hints;
    struct map deliveries; /* by target, coord_deliver.c */
    struct heal_host heal_host;
    struct due deliver_due;
    bool hands_on; /* we are about to leave */
    uint64_t batch_ops;
    struct map batches_by_op; /* struct batch_op: writes of logged batches, and of replays */
    struct drops drops;
    struct map pending_by_request;
    struct map applying_by_ticket;
    struct map votes_by_ticket; /* registers that are not durable yet */
    struct map cas_by_op;       /* sessions */
    struct own_result *own;     /* of operations that sessions have started, to be heard */
    size_t own_count, own_cap, own_at;
    struct rng rng;
    uint64_t ballot;       /* the last one made; 0: none */
    struct cas_move *move; /* NULL: this node takes over nothing */
    struct list pending;
    struct list stale; /* of these */
    struct timers timers;
    struct coord_effect *effects;
    size_t effects_count, effects_cap;
    struct map folds;    /* of ranges, coord_fold.c */
    struct map tells;    /* by ticket: what is said when it is durable */
    struct map lives;    /* node -> its present boot, as far as folds have told */
    int64_t raised_last; /* the stamp that was raised last */
    int64_t promised;    /* no increment is taken with a timestamp up to this */
    struct list retired; /* arenas whose bytes effects may still name */
    size_t in_flight;
    struct answer_times times;
    struct coord_stats stats;
};

/* An arena with a place in the retired list. */
struct memory {
    struct list link;
    struct arena arena;
};

struct memory *memory_new(void);
void memory_retire(struct coord *c, struct memory *m); /* freed by coord_clear */

uint64_t coord_track(struct coord *c, struct pending *p, enum pending_type type);
void coord_untrack(struct coord *c, struct pending *p);
void coord_send(struct coord *c, node_no to, const struct wire_message *m);
void coord_done(struct coord *c, uint64_t op, const struct coord_result *result);

void coord_moved(struct coord *c, uint64_t ring_epoch);
struct fetch;
void coord_fetch(struct coord *c, const struct fetch *f, struct bytes wanted);

/* A copy, deep in the arena. */
const struct seen *copy_seen(struct arena *arena, const struct seen *seen);

/* As coord_write_start and coord_read_start, from within. */
void write_begin(struct coord *c, struct now now, uint64_t op, const struct coord_write *w);
void read_begin(struct coord *c, struct now now, uint64_t op, const struct coord_read *r);

/* The ticket that coord_apply will have next. */
uint64_t coord_next_ticket(const struct coord *c);

/* Apply to our own store; the outcome comes to coord_durable, also when it fails at once. */
void coord_apply(struct coord *c, struct now now, keyspace_no keyspace, range_no range,
                 const struct part *part, struct dot dot, const struct clock *context,
                 struct applying applying);

enum replica_state { REPLICA_IDLE, REPLICA_WAITING, REPLICA_ACKED, REPLICA_LOST };

/* --- coord_write.c */

/* Could it be started? If not, *ret says why; nothing happens. */
bool write_is_possible(struct coord *c, const struct mutation *m, const struct coord_write *w,
                       struct coord_result *ret);

struct run {
    struct pending pending;
    struct due deadline;
    struct due half; /* half of the time is over */
    struct memory *memory;
    struct write_op *owner; /* NULL: run for a peer that forwarded it */
    node_no peer;
    uint64_t peer_request, peer_planned;
    keyspace_no keyspace;
    range_no range;
    struct part part;
    struct bytes encoded;
    struct bytes original; /* what it was before we minted it */
    struct supersede supersede;
    struct bytes supersede_encoded;
    size_t merged; /* values that its minter had to merge, or rather drop */
    enum level level;
    enum write_kind kind;
    usec started, end_mono;
    bool repeated; /* an increment that was taken before: it counts once */
    bool replay;
    bool hint;       /* the write of one, being brought */
    node_no to;      /* then: who alone is to take it, and whose ack counts; 0: as always */
    bool left_out;   /* of that: something */
    bool alone;      /* nobody coordinates it: hints are made of it */
    bool hints_full; /* somebody refused to keep one */
    unsigned hinted; /* so many acks are of who keeps one */
    node_no refused[REFUSED_MAX];
    size_t refused_count;
    bool weighs;   /* replicas are asked whether it wins */
    int64_t stamp; /* the server's, in `part`; 0: none */
    int64_t came;  /* the same as it was in the request, and is in what is forwarded */
    int64_t until; /* by when it is answered, on the clock of who was asked: not raised above */
    int64_t limit; /* above all that a quorum had up to this, and fixed; INT64_MIN: nobody was
                    * asked, and who mints it raises it (coord_ask.c) */
    bool beyond;   /* something above the limit was there before it */
    bool held;     /* it is over, and nobody is told yet (stamp_holds): */
    struct coord_result outcome;
    struct part sent; /* what became of `part` where it was minted */
    struct verdict minted;
    struct bytes context;   /* a clock; empty: not needed */
    bool tells;             /* of a session: it wants to know the dot */
    bool waited;            /* for what is needed, and need no more */
    struct bytes after;     /* what is needed, of this range (waits.h) */
    struct dot dot;         /* it got */
    uint64_t ticket;        /* of our own store, when it was minted here, */
    enum replica_state own; /* and what came of that */
    uint64_t planned;
    bool want_receipt;
    struct seen told;     /* to the session, when it went well */
    struct bytes receipt; /* or of who coordinates it instead */
    bool forwarded;
    bool forward_lost; /* who it was forwarded to is gone, and may have written it */
    node_no forward_to;
    bool forward_waits; /* for the answer */
    struct quorums quorums;
    struct {
        node_no node;
        struct standing standing;
        bool tried;
        enum replica_state state;
        node_no keeper;          /* who stands in for it; 0: nobody */
        enum replica_state hint; /* of that one */
        bool told;               /* its verdict: */
        struct verdict verdict;
        bool synced;
        enum err err; /* of a lost one: what it said; OK: it was dead before */
    } target[REPLICAS_MAX];
    size_t targets;
};

/* A run of an operation is over, or is dropped at shutdown. */
void write_run_done(struct coord *c, struct run *run, const struct coord_result *result);
void write_run_dropped(struct coord *c, struct write_op *op);

/* epoch: of who answers, when it refuses. */
void write_answer(struct coord *c, struct run *run, node_no from, enum err err, uint64_t epoch,
                  const struct verdict *verdict);
void write_stored(struct coord *c, struct run *run, enum err err, const struct verdict *verdict);
void write_plan_anew(struct coord *c, struct now now, struct run *run);
void write_resume(struct coord *c, struct now now, struct run *run); /* it has waited */
void write_peer_lost(struct coord *c, struct now now, struct run *run, node_no node);
void write_expired(struct coord *c, struct run *run);
void write_free(struct coord *c, struct run *run); /* at shutdown */

/* run->encoded := what is to be sent. */
enum err run_encode(struct run *run);

struct run *run_new(void);

/* Its mutation is there, and who is to hear of its end. */
void run_start(struct coord *c, struct now now, struct run *run, usec timeout_us);

/* It ends like this; with `result` the replicas' answers counted. The run is gone, or held. */
void run_finish(struct coord *c, struct run *run, const struct coord_result *result);
void run_result(struct coord *c, struct run *run, enum err err);

/* True when the run is over (and gone), or has begun anew. */
bool run_decide(struct coord *c, struct run *run);

/* --- coord_forward.c */

usec run_left_us(const struct run *run, struct now now);

/* Hand it to the best living replica not tried yet; ours is not among them. False: there is none.
 */
bool run_forward(struct coord *c, struct now now, struct run *run);

/* Not here. A forward is never forwarded: one hop, and who sent it tries another replica. */
void run_elsewhere(struct coord *c, struct now now, struct run *run);

/* An encoded part that a peer asks us to coordinate. */
void write_forwarded(struct coord *c, struct now now, node_no from, const struct wire_forward *m);
void write_forward_done(struct coord *c, struct now now, uint64_t epoch,
                        const struct wire_forward_done *m);

/* --- coord_batch.c */

/* Whose write it is. */
struct batch_op {
    struct batch *batch; /* or */
    struct kept *kept;   /* or */
    struct giving *giving;
};
#define BATCH_OWN_OP (UINT64_C(1) << 62) /* beside COORD_OWN_OP */

/* Start a write of the coordinator's own; batch_heard gets the result when all else has returned.
 */
void batch_write(struct coord *c, struct batch_op *op, const struct coord_write *w);
void batch_heard(struct coord *c, uint64_t op, const struct coord_result *result);

#define BATCH_KEEPERS 2

struct batch;

void batch_start(struct coord *c, struct now now, uint64_t op, const struct coord_write *w);
void batch_kept(struct coord *c, struct now now, struct batch *b, node_no from, enum err err);
void batch_peer_lost(struct coord *c, struct now now, struct batch *b, node_no node);
void batch_expired(struct coord *c, struct batch *b);
void batch_free(struct coord *c, struct batch *b); /* at shutdown */
usec batch_end(const struct batch *b);
void batch_tell_drops(struct coord *c);
void batches_close(struct coord *c);

struct batch *batch_of(struct pending *p);
struct batch *batch_of_due(struct due *due);

/* --- coord_keeper.c */

void keeper_open(struct coord *c);
void keeper_close(struct coord *c);
void keeper_load(struct coord *c, struct now now);
void keeper_keep(struct coord *c, struct now now, node_no from, const struct wire_batch_keep *m);
void keeper_durable(struct coord *c, struct now now, const struct applying *a, enum err err);
void keeper_drop(struct coord *c, const struct wire_batch_drop *m);
void keeper_due(struct coord *c, struct now now);
void keeper_written(struct coord *c, struct kept *k, const struct coord_result *result);

/* QUORUM, or what there is of it where fewer nodes than that are replicas. */
enum level replay_level(struct coord *c, const struct mutation *m);

/* --- coord_hint.c */

/* Nobody is there to write it, but at CL ANY we may keep it. */
bool hint_any_is_possible(struct coord *c, struct run *run);
/* Others stand in for owners, until the level is within reach again. False: nobody more does. */
bool hint_fill(struct coord *c, struct run *run);
/* Ask those that stand in and have not been asked. */
void hint_send(struct coord *c, struct run *run);
/* Nobody coordinates it: hints are made of it, enough for the level. False: that is not possible.
 */
bool hint_alone(struct coord *c, struct run *run);
void hint_watch(struct coord *c, struct run *run, usec timeout_us);
void hint_half(struct coord *c, struct run *run); /* of its time is over */
/* Somebody is asked to keep it for the target, or does: whatever becomes of the target is no loss.
 */
bool hint_stands_in(const struct run *run, size_t i);
void hint_kept(struct coord *c, struct run *run, node_no from, enum err err);
/* True: one that stood in. The run may be gone. */
bool hint_peer_lost(struct coord *c, struct run *run, node_no node);

/* Ranges of hints that a damaged disk took along are compared by trees (coord_gone.c). */
void hint_tell_gone(struct coord *c, struct now now);
void hint_keep(struct coord *c, struct now now, node_no from, const struct wire_hint_keep *m);
void hint_durable(struct coord *c, const struct applying *a, enum err err);

/* --- coord_deliver.c */

struct giving; /* a hint, or some of one partition, on the way */

void deliver_open(struct coord *c);
void deliver_close(struct coord *c);
void deliver_arm(struct coord *c, struct now now);
void deliver_tick(struct coord *c, struct now now);
void deliver_heard(struct coord *c, struct giving *g, const struct coord_result *r);
void deliver_handed_on(struct coord *c, struct giving *g, node_no from, enum err err);
void deliver_peer_lost(struct coord *c, node_no node);
struct giving *giving_of(struct pending *p);

/* --- coord_counter.c */

/* The increments of the run become what this replica writes. An error: it cannot tell. */
enum err counter_take(struct coord *c, struct now now, struct run *run);

/* --- coord_fold.c */

/* Increments of a range up to `ts` are to be summed. */
void fold_want(struct coord *c, struct now now, keyspace_no keyspace, range_no range, int64_t ts);
/* Those with a timestamp up to this may be; INT64_MIN: none. */
int64_t fold_cut(struct coord *c, keyspace_no keyspace, range_no range);
/* A dead replica without which there is no going on; 0: there is none. */
node_no fold_waits_for(struct coord *c, keyspace_no keyspace, range_no range);
/* A write of a life of which the next has been heard. */
bool fold_is_over(const struct coord *c, struct actor actor);
void fold_note_life(struct coord *c, node_no node, uint32_t boot);
void fold_asked(struct coord *c, struct now now, node_no from, const struct wire_fold_ask *m);
void fold_told(struct coord *c, struct now now, node_no from, const struct wire_fold_tell *m);
void fold_tick(struct coord *c, struct now now, struct due *due);
bool fold_durable(struct coord *c, struct now now, uint64_t ticket, enum err err);
void fold_load(struct coord *c); /* what was promised */
void fold_free_all(struct coord *c);
void fold_drop_tells(struct coord *c);

/* --- coord_read.c */

struct answer {
    node_no node;
    struct standing standing;
    enum replica_state state;
    bool full_asked;
    bool full; /* `result` is there */
    struct digest digest;
    struct scan_result result;
    struct index_result found; /* of a round that asks an index */
    struct bytes seen;         /* by who reads this; encoded */
    enum err err;              /* why it is lost; OK: it was dead before */
    bool lacks;                /* something of the joined rows: it is stale, */
    uint32_t repaired;         /* and was sent so many parts */
    bool covers;               /* it was asked to answer with all that the session has seen */
    bool repairing;            /* it was sent what it lacks, */
    uint32_t repairs;          /* in so many parts that are not acked yet */
    bool outside;              /* its rows, if they are here, came too late to be joined .. */
    bool joins;                /* .. and it is to be brought to the joined state all the same */
};

/* ROUND_INDEX: which rows match; the rounds after it read them. */
enum round_phase { ROUND_COMPARE, ROUND_FULL, ROUND_REPAIR, ROUND_INDEX };

struct read_op;

struct round {
    struct pending pending;
    struct due speculation;
    struct read_op *op;
    enum round_phase phase;
    struct scan scan; /* the span of this round */
    struct quorums quorums;
    uint64_t planned;
    usec started;
    struct bytes after;                 /* what the session has seen of the span (waits.h) */
    struct answer answer[REPLICAS_MAX]; /* alive replicas that count, nearest first */
    size_t answers;
    struct scan_result merged;
    struct table_policy policy;
    bool unrepaired; /* the replicas disagreed, and still do */
    bool sending;    /* repairs go out: nothing is decided before the last is */
    bool starting;   /* the first questions go out */
};

struct read_op {
    uint64_t op;
    struct due deadline;
    struct memory *memory;
    struct coord_read request;
    struct seen told; /* to the session, by this */
    struct bytes receipt;
    struct scan points;       /* what an index found, being read; has_points: it is */
    struct index_result next; /* where the index goes on after that, when `more` */
    struct round *round;
    struct coord_result result;
    size_t parts_cap;
    uint32_t bytes;
};

void read_reply(struct coord *c, struct now now, struct round *round, node_no from, uint64_t epoch,
                const struct wire_read_reply *m);
void read_peer_lost(struct coord *c, struct now now, struct round *round, node_no node);
void read_expired(struct coord *c, struct read_op *op);
void read_free(struct coord *c, struct round *round);
void round_finish(struct coord *c, struct now now, struct round *round,
                  const struct scan_result *result);
void round_resume(struct coord *c, struct now now, struct round *round); /* we have waited */
void round_fail(struct coord *c, struct round *round, enum err err);
void round_drop(struct coord *c, struct round *round);
void round_start(struct coord *c, struct now now, struct read_op *op);
void round_plan_anew(struct coord *c, struct now now, struct round *round);
void op_done(struct coord *c, struct read_op *op, enum err err);

void round_ask(struct coord *c, struct now now, struct round *round, size_t i, bool full);
bool round_ask_another(struct coord *c, struct now now, struct round *round, bool full);

/* --- coord_session.c */

/* Do as many replicas have what was acked at this level as a read at QUORUM asks? */
bool level_is_quorum(enum level level);
/* A session's write is made where all that the session has seen is known, so that nobody sees the
 * one without the other. ERR_BEHIND: it waits; else OK, or why it cannot be made. */
enum err run_wait(struct coord *c, struct now now, struct run *run);
struct wire_message run_forward_done(const struct run *run, const struct coord_result *result);
/* What the client gets to know of it beside its result. */
void run_tell(struct coord *c, struct run *run, const struct coord_result *result);
void run_take_session(struct coord *c, struct run *run, const struct seen *seen);

/* What the session cannot name any more is found by asking more replicas. */
enum level session_level(const struct coord_read *r);
/* What the session has seen of the span. We are the nearest; but when we would have to wait for
 * it, the others are nearer. */
void round_find_after(struct coord *c, struct round *round, range_no first, uint32_t ranges);
/* One answer with all of it is enough: the others are joined with it. Is there one in this state?
 */
bool round_has_covering(const struct round *round, enum replica_state state);
bool round_is_covered(const struct round *round);
/* True: our own answer comes later, or (it is lost then) not at all. */
bool round_wait_ourselves(struct coord *c, struct now now, struct round *round, struct answer *a);
/* Enough have answered, but nobody yet with all that the session has seen: true when that is
 * waited for, or the round is over. */
bool round_uncovered(struct coord *c, struct now now, struct round *round);
void round_receipt(struct coord *c, struct round *round, enum err err);
void round_tell(struct round *round); /* what the answers show is seen now */

/* --- coord_speculate.c */

void speculate_begin(struct coord *c, struct now now, struct round *round);   /* all are asked */
void speculate_again(struct coord *c, struct now now, struct round *round);   /* others are asked */
void speculate_on_acks(struct coord *c, struct now now, struct round *round); /* of repairs */
void read_speculate(struct coord *c, struct now now, struct round *round);    /* it is time */

/* --- coord_repair.c */
void repair_start(struct coord *c, struct now now, struct round *round);
void repair_full_answer(struct coord *c, struct now now, struct round *round);
void repair_answer(struct coord *c, struct now now, struct round *round, node_no from, enum err err,
                   uint64_t epoch);
/* Acks are late: all others are to be brought to the joined state, too. False: there is nobody. */
bool repair_widen(struct coord *c, struct now now, struct round *round);
/* One that was not among them has answered, or is lost. */
void repair_joins(struct coord *c, struct now now, struct round *round, struct answer *a);

/* --- coord_index.c */

/* Enough replicas have said what their indexes find. */
void index_answered(struct coord *c, struct now now, struct round *round);
/* All that was found last is read: on with the index. False: the operation is complete. */
bool index_next(struct read_op *op);

#endif
