/* cas_register.h - what a replica holds for one partition that is written with IF: the acceptor of
 * a Paxos in the manner of Cassandra's second version, without end: one instance follows the other
 * in the same register. Pure, no messages.
 *
 *   promised       no write attempt below it may be promised or accepted any more
 *   read_promised  a serial read of that ballot has looked: nothing below it may be accepted
 *   accepted       the last value accepted, and of which operation it is; a value without bytes
 *                  changes nothing (it only ends what might still be in flight)
 *   done           all that was decided up to this ballot is in the data of a quorum, durably
 *
 *   in flight  <=>  accepted > done, and not of the same operation: perhaps decided, and not known
 *                   to be in the data of a quorum
 *
 * Invariants:
 *   (1) none of the four ever goes down; accepted <= promised, done <= promised.
 *   (2) nothing is accepted below promised or read_promised.
 *   (3) a ballot is promised once (to a write): a duplicated message gets no second promise.
 *
 * The caller makes the register durable before it says anything of it to anybody. That two values
 * do not both follow the same state is argued in docs/lwt.md.
 *
 * Why not node/meta/paxos.h: that is one decree a slot, chosen once and then in the log. Here there
 * is no log (the data is), reads have promises of their own, and `done` ends an instance.
 */
#ifndef TORC_NODE_COORD_CAS_REGISTER_H
#define TORC_NODE_COORD_CAS_REGISTER_H

#include "base/arena.h"
#include "base/buf.h"

/* A ballot is a dot: n is microseconds of a hybrid clock, then who made it. An actor is one life of
 * a node, so a node that forgot which ballots it made repeats none. n == 0: none. */
int ballot_order(struct dot a, struct dot b);
bool ballot_none(struct dot b);

struct cas_register {
    struct dot promised;
    struct dot read_promised;
    struct dot accepted;
    struct dot origin;  /* of `accepted`: the first ballot of the operation that wants it */
    struct bytes value; /* of `accepted`, an encoded mutation (batch_codec.h); borrowed */
    struct dot done;
    struct dot done_origin; /* the operation that `done` was for */
    keyspace_no keyspace;   /* of the partition: whose replicas hold it */
};

/* True: promised, the register has changed. */
bool cas_register_prepare(struct cas_register *r, struct dot ballot, bool read);
bool cas_register_accept(struct cas_register *r, struct dot ballot, struct dot origin,
                         struct bytes value);

/* True when that was news. */
bool cas_register_done(struct cas_register *r, struct dot ballot, struct dot origin);
bool cas_register_in_flight(const struct cas_register *r);

/* What has to be beaten. */
struct dot cas_register_highest(const struct cas_register *r);

/* r := what is true of either: a replica takes over what another one knows. */
void cas_register_merge(struct cas_register *r, const struct cas_register *other);

/* Bytes: format 1, u32 keyspace, the six ballots (as buf_put_dot), vbytes value. Decoded values are
 * views. */
void cas_register_encode(const struct cas_register *r, struct buf *out);
enum err cas_register_decode(struct bytes in, struct cas_register *ret) MUST_CHECK;

/* --- what a proposer has heard in one round of promises */
struct cas_tally {
    struct dot done, done_origin; /* the highest */
    struct dot accepted, origin;  /* the highest in flight; none: nothing is */
    struct bytes value;           /* borrowed from the registers added */
};

/* Reports in any order: what is in flight is known when all of a quorum are in. */
void cas_tally_add(struct cas_tally *t, const struct cas_register *r);
bool cas_tally_in_flight(const struct cas_tally *t);

#endif
