/* meta.h - the metadata log: schema and topology, agreed upon by all nodes.
 *
 * A small replicated log, one single-decree Paxos for each slot, no pipelining: slot k+1 is
 * proposed only by who has applied slots 1 .. k, so its acceptors, the members, are a function of
 * the log itself. The epoch is the number of the last applied slot. Pure: events in, effects out.
 *
 *             a seed says it has a cluster             the log has our host id
 *   SEEKING ------------------------------> ENTERING ---------------------------> READY
 *      |                                                                          ^  |
 *      +-- we are the founder (forming.c) ---------------------------------------+  | the log says
 *                                                                                 |  | we have left
 *   (restart) --> RECOVERING -- everybody asked, the highest epoch heard applied -+  v
 *                                                                                 REMOVED
 *   any, when most members were lost and the others have gone on without us: OUTDATED
 * (generation.c)
 *
 * Invariants:
 *   (1) No promise, acceptance or application is said before it is durable.
 *   (2) The logs of any two nodes are prefixes of each other; at one epoch the states are equal.
 *   (3) An entry id takes effect once, however often it is proposed.
 *   (4) Messages of another cluster change nothing.
 *
 * Stores: facts are small named values. The shell performs them in order (a later one of a name
 * replaces the earlier; an empty value removes it) and reports META_EVENT_DURABLE with the ticket
 * once that one and all before it would survive a power cut. A store that fails is never reported.
 *
 * Ownership: events borrow for the call; effects belong to the core and live until its next step,
 * and so do schema and topology.
 */
#ifndef TORC_NODE_META_META_H
#define TORC_NODE_META_META_H

#include "node/meta/command.h"
#include "node/meta/topology.h"
#include "node/wire/wire.h"

#define META_SEEDS_MAX    32
#define META_REQUESTS_MAX 256 /* proposals of this node that wait for their answer */
#define META_PENDING_MAX  (3 * META_REQUESTS_MAX + 1)
#define META_MESSAGE_SIZE 256 /* of a result, with the closing NUL */

struct schema;
struct meta; /* Opaque, one per node. */

struct meta_config {
    uint64_t seed;            /* of the random numbers; must differ between nodes and starts */
    const char *cluster_name; /* a node does not enter a cluster of another name */
    struct node_info self;
    struct endpoint replaces;     /* enter in place of the dead node there; none: as a new one */
    uint32_t ranges;              /* of the ring, should we be the one that founds it */
    const struct endpoint *seeds; /* resolved; our own among them makes us a possible founder */
    size_t seeds_count;           /* 0: as if we were the only one */
    usec away_us; /* a member that is dead this long is AWAY, one that lives as long is HERE; 0: a
                     minute */
};

/* What was stored, in any order. */
struct meta_fact {
    struct bytes name;
    struct bytes value;
};

enum meta_phase {
    META_SEEKING,
    META_ENTERING,
    META_RECOVERING,
    META_READY,
    META_REMOVED,
    META_OUTDATED, /* the others have gone on without us (recover.c) */
};

#define META_LOST_MAX 256 /* nodes that are given up at once */

enum meta_recovery_state {
    META_RECOVERY_NONE,
    META_RECOVERY_ASKING,
    META_RECOVERY_DECIDING,
    META_RECOVERY_DONE,
    META_RECOVERY_REFUSED
};

struct meta_recovery {
    enum meta_recovery_state state; /* of the last one that was asked for here */
    const char *text;               /* REFUSED: why */
};

struct meta_event {
    struct now now;
    enum {
        META_EVENT_START, /* the first one */
        META_EVENT_DEADLINE,
        META_EVENT_MESSAGE,  /* any META_ message */
        META_EVENT_EPOCH,    /* a message of another kind from a node of the cluster carried it */
        META_EVENT_DURABLE,  /* a store is durable */
        META_EVENT_PROPOSE,  /* this node wants a change */
        META_EVENT_LIVENESS, /* gossip's opinion has changed; nodes begin as alive */
        META_EVENT_UNREACHABLE, /* a send to that address failed at once */
    } type;
    union {
        struct {
            struct endpoint from;
            const struct wire_message *message;
        } message;
        struct {
            struct endpoint from;
            uint64_t epoch;
        } epoch;
        uint64_t ticket;
        struct {
            uint64_t request; /* comes back in META_EFFECT_DONE; not 0 */
            struct bytes command;
        } propose;
        struct {
            node_no node;
            bool alive;
        } liveness;
        struct endpoint unreachable;
    };
};

/* What an applied entry may have changed. */
enum meta_change {
    META_CHANGED_SCHEMA = 1,
    META_CHANGED_NODES = 2, /* somebody came, went or changed address or state; members */
    META_CHANGED_RING = 4,  /* the ring, where its ranges are, or who has STEPped */
};

struct meta_effect {
    enum {
        META_EFFECT_SEND, /* the shell adds the hlc */
        META_EFFECT_STORE,
        META_EFFECT_APPLIED, /* schema and topology are those of this slot or a later one */
        META_EFFECT_DONE,    /* the answer to META_EVENT_PROPOSE */
        META_EFFECT_PHASE,
        META_EFFECT_PROBLEM, /* something a person should know; empty when it has gone away */
    } type;
    union {
        struct {
            struct endpoint to;
            struct wire_message message;
        } send;
        struct {
            struct bytes name;
            struct bytes value; /* empty: remove the fact */
            uint64_t ticket;
        } store;
        struct {
            uint64_t slot;
            uint32_t changes;     /* enum meta_change bits */
            enum err err;         /* what the entry came to; not OK: it changed nothing */
            keyspace_no keyspace; /* for a schema change of one thing, else 0 */
            table_no table;
        } applied;
        /* OK: applied by every node believed alive; or by this one at least, and the message says
         * who has not. TIMEOUT and UNAVAILABLE: the change may still happen. */
        struct {
            uint64_t request;
            enum err err;
            uint64_t slot; /* 0: it never got one */
            const char *message;
        } done;
        enum meta_phase phase;
        const char *problem;
    };
};

/* Perform in order. */
struct meta_effects {
    const struct meta_effect *items;
    size_t count;
};

/* A node as its facts left it; none: a fresh one. CORRUPT (with a text) for facts that cannot be
 * ours, CONFIG for a config that cannot be, or that names another cluster than the facts. */
enum err meta_new(const struct meta_config *config, const struct meta_fact *facts, size_t count,
                  struct errmsg *reterr, struct meta **ret_meta) MUST_CHECK;
void meta_free(struct meta *m); /* accepts NULL */

/* Advance by one event. Cannot fail: what makes no sense is dropped. */
struct meta_effects meta_step(struct meta *m, const struct meta_event *event);

/* When META_EVENT_DEADLINE is next due (now.mono), or USEC_NEVER. */
usec meta_deadline(const struct meta *m);

enum meta_phase meta_phase(const struct meta *m);
const char *meta_phase_text(enum meta_phase phase);
const struct topology *meta_topology(const struct meta *m);
const struct schema *meta_schema(const struct meta *m);
uint64_t meta_epoch(const struct meta *m);
node_no meta_self(const struct meta *m); /* 0: not in the cluster (yet) */
/* A new life begins: the others are told. */
void meta_set_boot(struct meta *m, uint32_t boot);
/* A person says that these nodes are lost for ever, and with them most members: go on without them,
 * from the next step on; meta_recovery tells what comes of it. NOT_FOUND, INVALID: of what is
 * named; UNAVAILABLE, CLOSED: not now. All with words. */
enum err meta_recover(struct meta *m, const struct uuid *lost, size_t count,
                      struct errmsg *reterr) MUST_CHECK;
struct meta_recovery meta_recovery(const struct meta *m);

/* Whether what this node says may be listened to: no when it was given up, or its log is another
 * one. Generation and epoch are of the message's envelope. */
bool meta_hears(const struct meta *m, node_no from, uint64_t generation, uint64_t epoch);
const char *meta_problem(const struct meta *m); /* "" when there is none */

/* Changes that this node, or another one through it, waits for, or is at without anybody who waits
 * any more; and messages that wait for its own disk. At most META_PENDING_MAX. */
size_t meta_pending(const struct meta *m);

/* The highest epoch a node is known to have applied. 0: never heard of. */
uint64_t meta_applied_by(const struct meta *m, node_no node);

/* The bytes of the whole state, for comparing nodes. */
void meta_snapshot(const struct meta *m, struct buf *out);

/* Assert the invariants. */
void meta_check(const struct meta *m);

#endif
