/* marks.h - ranges that only a session by trees brings to equality with a peer; inside of healing.
 *
 *            marks_set                 a session went through: marks_done
 *   no mark ----------> marked (why) -----------------------------------> no mark
 *              again: one more reason,     the range or the peer is no longer ours,
 *              a new number                or all that it lacked has come otherwise
 *
 * A mark is a fact, so it is there after a restart: in the order of batches it is behind what was
 * stored before it was set, and its removal behind what made it needless. There is one for each
 * range and peer, with all reasons; `since` is that of the oldest. Who runs a session notes the
 * number when it begins and gives it to marks_done: a reason that came meanwhile stays.
 *
 * MARK_TRUNCATED names the dots that the peer has and its range log does not tell of any more. It
 * stays until these dots are in our clock, durably, whoever brought them; whatever marks_done says.
 *
 * Invariants: each is of a range of ours and another replica of it; at most MARKS_MAX. Who cannot
 * set one because there are too many keeps it in mind himself: truncated logs are found again.
 */
#ifndef TORC_NODE_HEAL_MARKS_H
#define TORC_NODE_HEAL_MARKS_H

#include "base/omap.h"
#include "base/types.h"
#include "storage/clock.h"

#define MARKS_MAX 65536u

/* Stored: do not renumber. One bit each. */
enum mark_why {
    MARK_TRUNCATED = 1, /* its log does not reach back to what is lacking here */
    MARK_DAMAGED = 2,   /* something that was here cannot be read, or is not what it was */
    MARK_DOUBTFUL = 4,  /* clocks are equal and rows are not */
    MARK_ASKED = 8,     /* somebody wants it */
    MARK_SURE = 16,     /* it is taken over or rebuilt, and counts as whole after that (sure.h) */
    MARK_REFUSED = 32,  /* hints for it were refused by who was to keep them (refused.c) */
    MARK_LOST = 64      /* hints for it that were acked are lost (lost_hints.c) */
};
#define MARK_WHY_ALL 127u

struct mark {
    keyspace_no keyspace;
    range_no range;
    node_no peer;
    unsigned why;       /* reasons, or-ed */
    int64_t since_s;    /* wall */
    uint64_t number;    /* another one whenever it is set; not the same after a restart */
    struct clock lacks; /* MARK_TRUNCATED: these dots */
};

struct marks {
    struct omap all; /* u32 keyspace, u32 range, u32 peer -> struct mark * */
    uint64_t numbers;
    bool loaded;
    uint64_t full; /* so often one could not be set */
};

struct heal;

void marks_free(struct heal *h);

/* Read those of earlier lives of this node, once: what cannot be read now is tried again. */
void marks_load(struct heal *h);

/* Some may be lost with a part of the disk, and nobody knows which: all that there may be are set
 * (MARK_DAMAGED), of each range that is ours with each other replica. Before engine_lost_done. */
void marks_lost(struct heal *h, struct now now);

/* Each range of ours with each other replica of it, as far as there is room. */
void marks_set_all(struct heal *h, struct now now, enum mark_why why);

/* The range needs a session with the peer, 0: with each other replica that it has now. lacks: of
 * MARK_TRUNCATED; else NULL. False: there are too many, or the peer is no replica of it. */
bool marks_set(struct heal *h, struct now now, keyspace_no keyspace, range_no range, node_no peer,
               enum mark_why why, const struct clock *lacks);

/* Those of (keyspace, range, peer), or the first behind them in this order. NULL: none. Valid until
 * one is set or goes. */
const struct mark *marks_find(const struct heal *h, keyspace_no keyspace, range_no range,
                              node_no peer);
const struct mark *marks_seek(const struct heal *h, keyspace_no keyspace, range_no range,
                              node_no peer);
const struct mark *marks_after(const struct heal *h, const struct mark *mark);
size_t marks_count(const struct heal *h);

/* A session by trees, of all tables, with this peer has gone through; `number` is that of the mark
 * when the session began. */
void marks_done(struct heal *h, keyspace_no keyspace, range_no range, node_no peer,
                uint64_t number);

/* Each interval, and when the ring is another one: what is needless goes. */
void marks_refresh(struct heal *h);

#endif
