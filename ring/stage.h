/* stage.h - a range on its way from the replicas that it has to those that it will have: who is
 * asked, who may answer, and when the next stage may begin. docs/movement.md has the argument.
 *
 *              a move is planned         provers have all         and once more
 *   SETTLED ------------------> COPY ----------------> JOINT ---------------------> SETTLED
 *   (now)      ^                  |  ^                   |                          (later is now)
 *              +-- given up ------+  +-- a prover dies --+
 *              +-- given up -----------------------------+
 *
 *              the level is needed among       writes go to      who gives dots, and leads counters
 *   SETTLED    now                             now               now
 *   COPY       now                             now and later     now
 *   JOINT      now, and among later            now and later     now
 *
 * The electorate (the first column) is the same for writes, for reads and for IF. Neighbours in
 * this picture meet: each quorum of the one has a replica in common with each of the other. SETTLED
 * before and SETTLED after do not; what keeps them apart is
 *   (1) the fence: a replica takes nothing, acks nothing and answers nothing that was planned under
 *       an earlier electorate of the range than its own (stage_is_fenced), and
 *   (2) what JOINT ends with: each prover has, durably, all that each replica it has heard had when
 *       that one began to refuse the electorate before; and those heard are enough
 *       (stage_heard_enough).
 *
 * Pure. A member is a replica of now or of later; members are listed once, in any order.
 */
#ifndef TORC_RING_STAGE_H
#define TORC_RING_STAGE_H

#include "base/types.h"

/* Stored: do not renumber. */
enum stage { STAGE_SETTLED = 0, STAGE_COPY = 1, STAGE_JOINT = 2 };

struct stage_member {
    node_no node;
    uint32_t dc;     /* any number that is equal for those of one data centre */
    bool now, later; /* one of them at least */
    bool gone;       /* lost for ever, as an operator has said; so it is not in later */
};

/* In which sets a request needs its level. */
struct stage_need {
    bool now, later;
};
struct stage_need stage_electorate(enum stage stage);

/* A write is sent to this member, and it takes it, whether its ack is needed or not. */
bool stage_takes(enum stage stage, const struct stage_member *m);

/* It may be asked to read, and its answer counts. */
bool stage_answers(enum stage stage, const struct stage_member *m);

/* It may give a write its name, and lead an increment. */
bool stage_mints(enum stage stage, const struct stage_member *m);

/* Planned: the epoch that a request was planned with. Since: the epoch of the entry that last
 * changed the electorate of the range, as far as this replica has applied. Asked when it gets a
 * request, and again when its ack leaves. True: its coordinator is to plan it anew. */
bool stage_is_fenced(uint64_t planned, uint64_t since);

/* Does the next stage wait for its proof: all newcomers, and where there will be fewer replicas
 * than there are, all of later. */
bool stage_is_prover(const struct stage_member *m, size_t count, size_t which);

/* Has a prover that has heard these heard enough? heard[i] goes with m[i]: it has completed a pull
 * from that one after that one had applied the entry of this stage; the prover itself counts as
 * heard, who is gone never does. All who leave must be, unless gone; all who stay when one is gone;
 * and else so many that no write which a quorum took could be with none of them. `consent`: a
 * person knows that writes may be lost, as more are gone, or one is gone and others are away. */
bool stage_heard_enough(const struct stage_member *m, size_t count, const bool *heard,
                        bool consent);

/* Are so many of now gone that a quorum may have been lost? Then nothing moves without consent. */
bool stage_needs_consent(const struct stage_member *m, size_t count);

#endif
