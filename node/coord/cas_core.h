/* cas_core.h - a session: one IF, or one read at a serial level, on its way. Private to the folder.
 *
 *   cas.c          the session's states
 *   cas_ask.c      whom it asks, and counting what they say
 *   cas_replica.c  the other side: registers, votes
 *   cas_move.c     a mover takes over registers
 *
 *              promises of a quorum                  rows told      value
 *  PREPARING ------------------------> (READING) ---> DECIDING ---> PROPOSING -> COMMITTING -> end
 *    ^  |        | something is in flight                              |            |
 *    |  |        +--------- PROPOSING, COMMITTING of that value        |            |
 *    |  |                               |                              |            |
 *    |  +---- no quorum ----> RESTING <-+------------------------------+    own: end |
 *    +------ after a while -----+   ^---- of another's: PREPARING at once ----------+
 *
 * ASKING: between DECIDING and PROPOSING, when the value may touch what was not read: its stamp is
 * asked for.
 * READING: the promises came with rows that differ, so that a read at QUORUM, which repairs, tells
 * what there is. While it rests a session still counts refusals of what it had proposed.
 *
 * Invariants (docs/lwt.md argues them):
 *   (1) every DONE of a session is at or before its deadline plus one step, and only one is final.
 *   (2) CAS_DONE is sent only after the write that it speaks of was acked by a quorum.
 *   (3) once a value of its own may have been accepted somewhere (`outstanding`), the session ends
 *       as applied only when it knows that, as not applied only when it has shut that value out,
 *       else as unknown.
 */
#ifndef TORC_NODE_COORD_CAS_CORE_H
#define TORC_NODE_COORD_CAS_CORE_H

#include "node/coord/cas_register.h"
#include "node/coord/coord_core.h"

#define REGISTER_PREFIX "p/"
#define CAS_NAME_MAX    ((size_t)128 << 10)
#define CAS_VALUE_MAX   ((size_t)16 << 20) /* of one IF */

enum cas_state {
    CAS_STATE_PREPARING,
    CAS_STATE_READING,
    CAS_STATE_DECIDING,
    CAS_STATE_ASKING, /* for the stamp of what was not read (coord_ask.h) */
    CAS_STATE_PROPOSING,
    CAS_STATE_COMMITTING,
    CAS_STATE_RESTING,
};

struct cas_target {
    node_no node;
    struct standing standing;
    enum replica_state state; /* of the question that is under way */
    bool refused;             /* it said no, for somebody came before */
    bool took;                /* .. or it counts others by now, and has taken it all the same */
    bool full;                /* its rows are here, not only their digest */
    struct digest digest;
    struct scan_result result;
};

struct cas {
    struct pending pending;
    uint64_t op; /* whom to tell */
    struct due deadline, again;
    struct memory *memory;  /* of the session and its request */
    struct memory *attempt; /* of what was heard and proposed since the last prepare */
    struct coord_cas request;
    bool needs;       /* of what the session has seen, something is of this range */
    struct seen told; /* to the session, by this */
    struct bytes receipt;
    enum cas_state state;
    uint64_t electorate, planned;
    struct quorums quorums;
    struct cas_target target[REPLICAS_MAX];
    size_t targets;
    struct dot ballot;
    uint64_t highest; /* of ballots that were in our way */
    uint32_t attempts;
    struct cas_tally tally;
    struct dot origin;             /* our operation's name: its first ballot */
    struct dot outstanding;        /* the last ballot of ours that a replica may have accepted, */
    struct dot outstanding_before; /* and the one before it */
    enum level commit;
    struct ask *ask; /* ASKING */
    struct mutation *change;
    bool own; /* what is being proposed is ours */
    struct dot value_origin;
    struct bytes value;
    uint32_t asked, refused; /* of the proposal under way */
    uint32_t taken;          /* so many have accepted the last one of our own */
    size_t bytes;            /* of the attempt, in the account of bytes in flight */
    struct coord_result result;
};

/* --- cas.c */
void cas_begin(struct coord *c, struct now now, uint64_t op, const struct coord_cas *request);
void cas_decide(struct coord *c, struct now now, uint64_t session, uint64_t op,
                const struct mutation *change);
void cas_heard(struct coord *c, struct now now, uint64_t number, const struct coord_result *r);
void cas_promised(struct coord *c, struct now now, struct cas *s); /* by a quorum */
void cas_accepted(struct coord *c, struct now now, struct cas *s); /* by a quorum */
void cas_outvoted(struct coord *c, struct now now, struct cas *s); /* no quorum any more */

void cas_expired(struct coord *c, struct cas *s);
void cas_again(struct coord *c, struct now now, struct cas *s);
void cas_free(struct coord *c, struct cas *s); /* at shutdown */

/* --- cas_ask.c */
uint64_t cas_electorate(struct coord *c, keyspace_no keyspace, token place);

/* Find the replicas anew. Not OK: fewer are alive than needed, or the table is gone. */
enum err cas_plan(struct coord *c, struct cas *s);
void cas_ask_promises(struct coord *c, struct now now, struct cas *s);
void cas_ask_accepts(struct coord *c, struct now now, struct cas *s);
void cas_tell_done(struct coord *c, struct cas *s);
void cas_peer_lost(struct coord *c, struct now now, struct cas *s, node_no node);
void cas_keep(struct coord *c, struct cas *s, size_t bytes); /* they are in flight now */

/* --- cas_replica.c, and the answers to cas_ask.c */
bool cas_receive(struct coord *c, struct now now, node_no from, const struct wire_message *m);
void cas_on_promise(struct coord *c, struct now now, struct cas *s, node_no from,
                    const struct wire_cas_promise *m);
void cas_on_accepted(struct coord *c, struct now now, struct cas *s, node_no from,
                     const struct wire_cas_accepted *m);
void vote_durable(struct coord *c, uint64_t ticket, enum err err);
void vote_free(void *vote);

/* "p/", u32 table, u64 token (sign bit flipped), partition key: registers lie in token order. */
void cas_register_name(table_no table, token place, struct bytes key, struct buf *out);
bool cas_register_parse_name(struct bytes name, table_no *ret_table, token *ret_place);

/* The register of a partition; an empty one when there is none. Its value lives in the arena. */
enum err cas_register_load(struct coord *c, struct bytes name, struct arena *arena,
                           struct cas_register *ret);
void cas_register_keep(struct coord *c, struct bytes name, const struct cas_register *r,
                       uint64_t ticket);

uint64_t cas_ticket(struct coord *c);

/* --- cas_move.c */
void cas_fetch(struct coord *c, node_no from, const struct wire_cas_fetch *m);
void cas_registers(struct coord *c, node_no from, const struct wire_cas_registers *m);
void cas_move_again(struct coord *c, struct now now);
void cas_move_durable(struct coord *c, uint64_t ticket, enum err err);
void cas_move_free(struct coord *c);

#endif
