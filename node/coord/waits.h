/* waits.h - requests of sessions that wait until this replica has what the session has seen, and
 * those that wait until we hear why they came to us (fence.h). Private to the folder.
 *
 *                    all is here, or cannot come any more
 *   WAITING --------------------------------------------> goes on, as if it had come now
 *      | for FETCH_AFTER_US: asks the other replicas (COORD_FETCH), again when they had not all
 *      |--- its time is up ------------------------------> TIMEOUT to whoever asked
 *
 * What is awaited are dots of one range or several: (u32 range, vbytes clock)*, as seen_put_needs
 * writes it. A read goes on when they are durable here, for reads tell only what is; a write when
 * they are applied, for what is applied first is durable first.
 *
 * A dot that no replica has, after all of them were asked for all that they have, cannot come: it
 * was acked by none of them, or they have lost it. So a wait ends also when every present replica
 * was heard after it began (`complete`), and for a life that is over that is remembered: no write
 * of it is taken any more. As long as a replica is dead, it may have the dot alone: then the wait
 * ends with its time.
 *
 * Bounds: WAITS_MAX waits, and their bytes are in flight; FETCHES_MAX fetches, one of a range; more
 * of either is refused, or has to wait for healing. A forged token makes its own request wait.
 */
#ifndef TORC_NODE_COORD_WAITS_H
#define TORC_NODE_COORD_WAITS_H

#include "node/coord/coord_core.h"

#define WAITS_MAX      1024u
#define FETCHES_MAX    32u
#define LOST_MAX       1024u
#define FETCH_AFTER_US (3 * USEC_PER_MS) /* so long it may still be on its way by itself */
#define FETCH_AGAIN_US (250 * USEC_PER_MS)

struct waits {
    struct list list; /* in the order in which they came */
    size_t count;
    bool dirty; /* something has changed since they were looked at */
    uint64_t barrier;
    usec barrier_at;
    struct fetch {
        uint64_t id;
        keyspace_no keyspace;
        range_no range;
    } fetches[FETCHES_MAX];
    size_t fetches_count;
    uint64_t fetch_ids;
    struct lost_life { /* lives that are over, with all that there is of them */
        keyspace_no keyspace;
        range_no range;
        struct actor actor;
    } * lost;
    size_t lost_count, lost_cap;
};

enum wait_kind {
    WAIT_RUN,   /* a write of our own clients, or forwarded */
    WAIT_ROUND, /* we ourselves as a replica of a read */
    WAIT_PEER   /* a message: a write or a read for a peer */
};

struct need {
    range_no range;
    struct clock clock;
    uint64_t fetch; /* that asks for it */
    bool complete;
};

struct wait {
    struct list link;
    struct due due;
    enum wait_kind kind;
    struct uuid trace;
    uint64_t request; /* pending */
    node_no from;     /* of the message */
    struct wire_message message;
    struct memory *memory; /* of it, and of the needs */
    keyspace_no keyspace;
    uint64_t epoch; /* the cluster is to be as of this one */
    bool durable;
    struct need *needs;
    size_t count;
    usec end; /* mono */
    uint64_t barrier;
    size_t bytes;
};

/* Is there nothing to wait for? ERR_OK: no. ERR_BEHIND: there is. ERR_MALFORMED. Any other: a range
 * of them is not served here, and what is to come there may take long. */
enum err waits_look(struct coord *c, keyspace_no keyspace, struct bytes needs, bool durable);

/* After ERR_BEHIND. They fail with ERR_OVERLOADED alone. */
enum err waits_for_run(struct coord *c, struct now now, const struct run *run);
enum err waits_for_round(struct coord *c, struct now now, const struct round *round);
enum err waits_for_peer(struct coord *c, struct now now, node_no from, const struct wire_message *m,
                        uint64_t epoch);

/* Something was applied, or is durable: who can go on? True when somebody went. */
bool waits_check(struct coord *c, struct now now);
bool waits_durable(struct coord *c, uint64_t ticket); /* true: it was theirs */
void waits_due(struct coord *c, struct now now, struct wait *w);
void waits_fetched(struct coord *c, struct now now, uint64_t fetch, bool complete);
void waits_init(struct coord *c);
void waits_close(struct coord *c);

#endif
