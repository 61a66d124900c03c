/* repair.h - repair runs: ranges are compared because somebody asked for it, now.
 *
 * Pure. The node that is asked is the manager of the run: it knows which ranges are to be compared
 * and which are, and keeps that as a fact, so a run goes on after a restart. It gives the ranges in
 * lots to leaders, each a living replica of them; a leader compares its ranges with each of the
 * other replicas (REPAIR_COMPARE: sessions of healing), and with those that came first once more if
 * a later one brought it something: so all end equal.
 *
 *   manager                              leader
 *     DO lot: keyspace, tables, ranges     ──►  units, in batches with one peer each
 *     ◄── DID: all of the lot so far, each 200 ms if there is news, each second if not, and at last
 *     STOP lot                             ──►  cancelled, or given up
 *
 *   range:  WANTED --lot--> OUT --told of--> DONE
 *            ^             |
 *            +-------------+   the leader is lost, silent, or no replica (any more)
 *
 * Two runs share work: the leader of a range is the same for all managers that see the same nodes
 * alive, and what it is comparing already is compared for both. Who asks for what a run of this
 * manager does already is told of that one.
 *
 * Invariants: a range is DONE once in a run; what a lot tells is all that it told before and more,
 * so a message that is lost costs nothing; a lot has its own number and is never given twice.
 */
#ifndef TORC_NODE_REPAIR_REPAIR_H
#define TORC_NODE_REPAIR_REPAIR_H

#include "base/arena.h"
#include "node/coord/cluster.h"
#include "node/wire/wire.h"
#include "storage/engine.h"

struct repair; /* Opaque. */

struct repair_config {
    usec tell_us;          /* between two reports of a lot with news; ten times that without */
    usec patience_us;      /* a leader that says nothing for so long has given up */
    usec retry_us;         /* what could not be done for a passing reason is tried again */
    usec keep_us;          /* between two writings of what is done */
    usec look_us;          /* before the first look at what handoff brings; then longer, */
    usec look_most_us;     /* at most; */
    usec brings_us;        /* it has brought nothing for so long: it is not waited for */
    uint64_t first_number; /* lots and batches begin there: not those of an earlier life */
};

#define REPAIR_CONFIG_DEFAULT                                                                      \
    ((struct repair_config){.tell_us = 200 * USEC_PER_MS,                                          \
                            .patience_us = 15 * USEC_PER_SEC,                                      \
                            .retry_us = USEC_PER_SEC,                                              \
                            .keep_us = USEC_PER_SEC,                                               \
                            .look_us = 200 * USEC_PER_MS,                                          \
                            .look_most_us = 5 * USEC_PER_SEC,                                      \
                            .brings_us = 30 * USEC_PER_SEC})

#define REPAIR_RUNS_MAX    64u /* kept; the oldest that are over go first */
#define REPAIR_RUNNING_MAX 16u
#define REPAIR_PARTS_MAX   1024u /* keyspaces of a run */
#define REPAIR_TABLES_MAX  1024u /* of one of them, by name */
#define REPAIR_SPANS_MAX   64u
#define REPAIR_DIFFERENT_MAX                                                                       \
    4096u                        /* rows of a range that are known again; beyond, a pair's most    \
                                  */
#define REPAIR_PROBLEMS_MAX 256u /* that are named; the others are counted */

/* What sessions found. X(name) */
#define REPAIR_SUM_LIST(X)                                                                         \
    X(rows)           /* of the ranges, once however many replicas */                              \
    X(rows_different) /* once however many replicas lack them, up to REPAIR_DIFFERENT_MAX a range  \
                       */                                                                          \
    X(rows_received)  /* by leaders */                                                             \
    X(rows_sent)      /* by them */                                                                \
    X(doubtful)       /* of these, ones that clocks said could not differ */                       \
    X(leaves_wrong)   /* of leaders, read again by a full run: that were not what they had been */ \
    X(ranges_different) /* in which a row did, between any two */                                  \
    X(ranges_alone)     /* that have one replica: nothing to compare it with */                    \
    X(ranges_damaged)   /* where something cannot be read at one of them: these failed */          \
    X(ranges_lacking)   /* where a replica has yet to get what another one had: these failed, */   \
    X(lacking)          /* for want of so many writes */                                           \
    X(rows_read)        /* by leaders, again, of a full run */                                     \
    X(messages)                                                                                    \
    X(bytes_search) /* of all messages of sessions, without rows; */                               \
    X(bytes_hashes) /* of these, what it took to ask by hashes which ranges are equal, once: it is \
                       the same when nothing differs */                                            \
    X(bytes_received)                                                                              \
    X(bytes_sent)

struct repair_sums {
#define X(name) uint64_t name;
    REPAIR_SUM_LIST(X)
#undef X
};
void repair_sums_add(struct repair_sums *to, const struct repair_sums *what);

/* Of one table: what is told by table. */
struct repair_table {
    table_no table;
    struct repair_sums sums;
};

enum repair_state { REPAIR_RUNNING, REPAIR_OVER, REPAIR_CANCELLED };

#define REPAIR_NAME_SIZE 49u /* of a keyspace, with the 0 */

struct repair_part {
    keyspace_no keyspace;
    char name[REPAIR_NAME_SIZE]; /* as it was called when the run began: it may be dropped since */
    const table_no *tables;      /* ascending; none: all */
    size_t tables_count;
    uint32_t ranges; /* of the ring */
    uint8_t *state;  /* of each: internal; see repair_run's counts */
    uint32_t wanted, done, equal, failed;
    bool gone; /* the keyspace, meanwhile: what was left of it is no longer wanted */
    struct repair_sums sums;
    struct repair_table *by_table; /* ascending */
    size_t by_table_count, by_table_cap;
};

/* What was not compared, and why. */
struct repair_problem {
    keyspace_no keyspace;
    range_no range;
    node_no peer; /* with whom; 0: no replica is alive */
    enum err err;
    uint64_t lacking; /* ERR_BEHIND: writes that this node has yet to get */
};

struct repair_run {
    uint64_t id; /* node << 32 | its how manieth */
    enum repair_state state;
    bool full, preview;
    node_no only;         /* 0: all ranges, else those of this node, which leads them */
    int64_t began, ended; /* wall, us; ended 0: not yet */
    uint32_t progress;    /* thousandths; with what leaders are through with of what is not done */
    bool durable;         /* the disk knows of it: it outlives the manager */
    uint64_t kept;        /* ranges: of those that are done, what the disk has */
    node_no waits_for;    /* 0: nobody. Handoff brings this node ... */
    uint64_t waits;       /* so many writes, as was told last */
    struct repair_part *parts;
    size_t parts_count;
    struct repair_problem problems[REPAIR_PROBLEMS_MAX];
    size_t problems_count;
    uint64_t problems_all;
};

/* What is wanted. */
struct repair_scope {
    keyspace_no keyspace;
    const table_no *tables; /* ascending; none: all */
    size_t tables_count;
};
struct repair_wish {
    const struct repair_scope *scopes; /* by keyspace; none: all keyspaces */
    size_t scopes_count;
    const struct token_span *spans; /* ranges that they touch; none: all */
    size_t spans_count;
    node_no only;
    bool full, preview;
    const char *(*name_of)(void *arg, keyspace_no keyspace); /* NULL: there are no names */
    void *arg;
};

/* Borrows engine and cluster. Reads what runs there were. */
struct repair *repair_new(const struct repair_config *config, struct engine *engine,
                          struct cluster *cluster);
void repair_free(struct repair *r); /* accepts NULL */

/* The node is ready: runs of before go on. */
void repair_begin(struct repair *r, struct now now);

/* Nothing can be written here any more, and why: runs stand still until the node is started again,
 * and none begins. For what fails here now the others could do nothing. NULL: they go on. */
const char *repair_stopped(const struct repair *r);

/* A run begins, or one of this node that does all of it already is joined. ERR_OVERLOADED: too many
 * run; ERR_UNAVAILABLE: this node is not ready, or stopped; ERR_NOT_FOUND: nothing of the kind is
 * there; ERR_TOO_BIG: more than REPAIR_PARTS_MAX keyspaces are wanted. */
enum err repair_run_start(struct repair *r, struct now now, const struct repair_wish *wish,
                          uint64_t *ret_id, bool *ret_joined) MUST_CHECK;

/* ERR_NOT_FOUND: no such run here; ERR_CLOSED: it is over. */
enum err repair_run_cancel(struct repair *r, struct now now, uint64_t id) MUST_CHECK;

/* The runs of this manager, the latest first; valid until the next call that is not const. */
size_t repair_runs(const struct repair *r, const struct repair_run *const **ret_runs);
const struct repair_run *repair_find(const struct repair *r, uint64_t id); /* or NULL */

#define REPAIR_ID_SIZE 24
const char *repair_id_text(uint64_t id, char room[REPAIR_ID_SIZE]); /* "2-17" */
bool repair_id_parse(struct bytes text, uint64_t *ret_id);

void repair_peer_lost(struct repair *r, struct now now, node_no peer);
/* False when the message is none of these. */
bool repair_receive(struct repair *r, struct now now, node_no from, const struct wire_message *m);
#define REPAIR_TICKET (UINT64_C(5) << 60) /* of what is written for runs */
void repair_durable(struct repair *r, uint64_t ticket, enum err err);
void repair_deadline(struct repair *r, struct now now);
usec repair_next_deadline(const struct repair *r);

/* --- what the leader wants of healing */

struct repair_row { /* by the hash of its key, which is the same on all replicas */
    table_no table;
    uint64_t key_hash;
};

struct repair_found {
    bool equal; /* nothing differed */
    bool ours;  /* an error: of what the leader has */
    struct repair_sums sums;
    const struct repair_table *tables; /* what of it is told by table */
    size_t tables_count;
    const struct repair_row *different; /* rows, perhaps twice */
    size_t different_count;
    bool different_all; /* there are no more */
    /* The clocks of leader and peer when they were first compared, encoded; empty: they were not.
     * What one of them lacks of the other's was left out, unless `all` was compared. */
    struct bytes here, there;
    bool all;
};

/* A range of a batch is settled, and then all of the batch: `err` for those that are not. */
void repair_compared(struct repair *r, struct now now, uint64_t batch, range_no range, enum err err,
                     const struct repair_found *found);
void repair_compared_all(struct repair *r, struct now now, uint64_t batch, enum err err,
                         const struct repair_sums *sums);

/* Batches that go on, and how far each is, in thousandths of what of it is not settled; what was
 * read for it by now. To be told before each deadline. */
#define REPAIR_BATCHES_MAX 6u /* HEAL_COMPARE_MANY_MAX less what rounds want */
size_t repair_batches(const struct repair *r, uint64_t ret_batches[REPAIR_BATCHES_MAX]);
void repair_progress(struct repair *r, uint64_t batch, unsigned thousandths, uint64_t rows_read);

enum repair_effect_type {
    REPAIR_SEND,
    REPAIR_COMPARE, /* begin a batch of sessions */
    REPAIR_STOP,    /* nobody wants this batch any more */
    REPAIR_TOLD     /* for the log: a run began, went on, is over */
};

struct repair_effect {
    enum repair_effect_type type;
    union {
        struct {
            node_no to;
            struct wire_message message;
        } send;
        struct {
            uint64_t batch;
            node_no peer;
            keyspace_no keyspace;
            const table_no *tables;
            size_t tables_count;
            const range_no *ranges; /* ascending */
            size_t ranges_count;
            bool full, preview;
            usec since; /* the run came to the last of them (heal_comparisons) */
            bool more;  /* ranges wait that are to be compared, too */
        } compare;
        uint64_t stop; /* batch */
        struct {
            uint64_t run;
            const char *what; /* "begun", "goes on", "is over", "is cancelled" */
        } told;
    };
};

size_t repair_effects(const struct repair *r, const struct repair_effect **ret_effects);
void repair_clear(struct repair *r); /* effects performed: their bytes are freed */

struct repair_stats {
    uint64_t begun, joined, over, cancelled; /* runs of this manager */
    uint64_t running;
    uint64_t ranges, equal, failed; /* told of by leaders */
    uint64_t led, shared;           /* ranges compared here; of these, ones for several runs */
    uint64_t lots;                  /* here as a leader, now */
};
struct repair_stats repair_stats(const struct repair *r);

#endif
