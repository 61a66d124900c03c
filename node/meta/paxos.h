/* paxos.h - one decree: an acceptor's register and one attempt of a proposer. Pure, no messages.
 *
 * The metadata log runs one decree for each slot. The caller carries promises and acceptances
 * between nodes, makes the acceptor's register durable before it repeats it to anybody, and never
 * uses a ballot twice: a ballot has the proposer's node and the number of its life, which is
 * durable.
 *
 *   proposer:   PREPARING --quorum of promises--> ACCEPTING --quorum of acceptances--> CHOSEN
 *                   |                                |
 *                   +------ somebody has promised a higher ballot ------> LOST (try again, higher)
 *
 * Invariants:
 *   (1) An acceptor's promise never goes down, and it accepts nothing below its promise.
 *   (2) It promises one ballot once: a promise repeated by a duplicated message cannot make a
 * quorum. (3) The value of ACCEPTING is that of the highest accepted ballot any of the quorum
 * reported, and the proposer's own only when none reported one. From these: two values are never
 * both chosen (Lamport, "Paxos made simple").
 *
 * Ownership: an acceptor and a proposer own copies of their values.
 */
#ifndef TORC_NODE_META_PAXOS_H
#define TORC_NODE_META_PAXOS_H

#include "base/buf.h"

#define PAXOS_MEMBERS_MAX   5
#define PAXOS_ACCEPTORS_MAX 1024 /* when all nodes that are left are asked (recover.c) */
#define PAXOS_VALUE_MAX     ((size_t)4 << 20)

/* Ordered by round, life, node. All zero: none. */
struct ballot {
    uint32_t round;
    uint32_t life; /* which start of the node: so a node that forgot its rounds repeats no ballot */
    node_no node;
};

int ballot_compare(struct ballot a, struct ballot b);
bool ballot_is_none(struct ballot b);
uint64_t ballot_number(struct ballot b); /* round and life in one number, for the wire */
struct ballot ballot_make(uint64_t number, node_no node);

/* What an acceptor holds for one slot. */
struct paxos_acceptor {
    struct ballot promised;
    struct ballot accepted;
    struct buf value; /* of `accepted` */
};

/* An answer; `accepted` and `value` only in a promise. The value is borrowed from the acceptor. */
struct paxos_reply {
    bool ok;
    struct ballot promised; /* the highest promise, after this request */
    struct ballot accepted;
    struct bytes value;
};

void paxos_acceptor_init(struct paxos_acceptor *a);
void paxos_acceptor_close(struct paxos_acceptor *a);
void paxos_acceptor_reset(struct paxos_acceptor *a); /* a new slot: nothing promised */

/* Both change the register exactly when the reply is ok; it must then be durable before the reply
 * is said. A value over PAXOS_VALUE_MAX is refused. */
struct paxos_reply paxos_prepare(struct paxos_acceptor *a, struct ballot ballot);
struct paxos_reply paxos_accept(struct paxos_acceptor *a, struct ballot ballot, struct bytes value);

/* The register's bytes: ballots, then the value. Decoding replaces `a`; MALFORMED leaves it reset.
 */
void paxos_acceptor_encode(const struct paxos_acceptor *a, struct buf *out);
enum err paxos_acceptor_decode(struct reader *in, struct paxos_acceptor *a) MUST_CHECK;

enum paxos_phase { PAXOS_IDLE, PAXOS_PREPARING, PAXOS_ACCEPTING, PAXOS_CHOSEN, PAXOS_LOST };

struct paxos_proposer {
    enum paxos_phase phase;
    struct ballot ballot;
    node_no members[PAXOS_ACCEPTORS_MAX];
    bool said_yes[PAXOS_ACCEPTORS_MAX]; /* in this phase */
    uint32_t count;
    uint32_t needed; /* so many of them are a quorum, in either phase */
    uint32_t yes;
    struct ballot adopted;
    struct ballot highest; /* the highest promise heard of, to try above it */
    struct buf value;
};

void paxos_proposer_init(struct paxos_proposer *p);
void paxos_proposer_close(struct paxos_proposer *p);

/* Begin an attempt: PREPARING. 1 .. PAXOS_ACCEPTORS_MAX members, of whom more than half are needed,
 * a ballot never used before. */
void paxos_propose(struct paxos_proposer *p, const node_no *members, uint32_t count,
                   uint32_t needed, struct ballot ballot, struct bytes value);

/* Count an answer from `from` to a request of `ballot`. Answers to other attempts, from strangers
 * and repeated ones change nothing. Returns whether the phase has changed: now ACCEPTING (send
 * p->value), CHOSEN or LOST. */
bool paxos_on_promise(struct paxos_proposer *p, node_no from, struct ballot ballot,
                      const struct paxos_reply *reply);
bool paxos_on_accepted(struct paxos_proposer *p, node_no from, struct ballot ballot,
                       const struct paxos_reply *reply);
void paxos_stop(struct paxos_proposer *p); /* IDLE: the slot was decided elsewhere */

#endif
