/* quorum.h - how many answers are enough: arithmetic over replicas, data centres and a consistency
 * level. Knows no messages.
 *
 * The number needed follows from the replication factor that the keyspace asks for, not from the
 * nodes there are: RF 3 on one node cannot have a QUORUM, as in Cassandra. Levels whose name begins
 * with LOCAL count only the coordinator's data centre; EACH_QUORUM needs one quorum in every data
 * centre.
 */
#ifndef TORC_NODE_COORD_QUORUM_H
#define TORC_NODE_COORD_QUORUM_H

#include "base/types.h"
#include "node/coord/level.h"

#define QUORUM_DCS_MAX 32

/* What does not change while a request runs. */
struct quorum_config {
    enum level level;
    bool per_dc;       /* the strategy has a replication factor per data centre */
    uint32_t dcs;      /* entries of rf */
    uint32_t local_dc; /* index into rf */
    uint32_t rf_total;
    uint32_t rf[QUORUM_DCS_MAX]; /* when per_dc */
};

struct quorum_group {
    uint32_t need;
    uint32_t members;
    uint32_t acked;
    uint32_t lost; /* failed, or no answer can come any more */
};

struct quorum {
    struct quorum_group group[QUORUM_DCS_MAX];
    uint32_t groups;
    bool by_dc; /* group i is data centre i */
    bool local; /* only local_dc counts */
    uint32_t local_dc;
    uint32_t failures;
};

enum quorum_state { QUORUM_WAITING, QUORUM_ENOUGH, QUORUM_IMPOSSIBLE };

void quorum_init(struct quorum *q, const struct quorum_config *config);

/* Does an answer from this data centre count for the level at all? */
bool quorum_counts(const struct quorum *q, uint32_t dc);

/* One replica in `dc` that will be asked (or could be). Those that do not count are ignored. */
void quorum_member(struct quorum *q, uint32_t dc);

/* Its answer, at most one of the three for each member. */
void quorum_ack(struct quorum *q, uint32_t dc);
void quorum_fail(struct quorum *q, uint32_t dc); /* it said that it failed */
void quorum_lose(struct quorum *q, uint32_t dc); /* it will not answer */

/* Do any two sets of replicas that are enough for the level meet? Then whoever asks so many hears
 * of all that was acked at it (coord_ask.c). */
bool quorum_proves(const struct quorum_config *config);

enum quorum_state quorum_state(const struct quorum *q);
uint32_t quorum_need(const struct quorum *q);    /* what errors call "required" */
uint32_t quorum_acked(const struct quorum *q);   /* "received" */
uint32_t quorum_members(const struct quorum *q); /* "alive" when only the living were added */

/* --- both sets of a range that moves
 *
 * While a range moves, writes and reads need their level among its replicas now and among those of
 * later, so that whatever a quorum has been told of stays known when the set changes. */
struct quorums {
    struct quorum now, later;
    bool moving; /* else `later` does not count */
};

/* What a request needs of a range. */
struct quorum_plan {
    struct quorum_config now, later; /* by the replication factors of each set */
    bool joint;                      /* of both; else of `now` alone */
    uint64_t planned;                /* all entries up to this one are known to the plan */
};

bool quorum_plan_proves(const struct quorum_plan *plan); /* each set that counts (quorum_proves) */
void quorum_plan_level(struct quorum_plan *plan, enum level level); /* another one instead */

/* Where a replica stands. */
struct standing {
    uint32_t dc;
    bool in_now, in_later;
};

void quorums_init(struct quorums *q, const struct quorum_plan *plan);
bool quorums_count(const struct quorums *q, struct standing s);
void quorums_member(struct quorums *q, struct standing s);
void quorums_ack(struct quorums *q, struct standing s);
void quorums_unack(struct quorums *q, struct standing s); /* it is asked once more */
void quorums_fail(struct quorums *q, struct standing s);
void quorums_lose(struct quorums *q, struct standing s);

/* Would one more member of that standing help? */
bool quorums_want(const struct quorums *q, struct standing s);

/* Nobody is asked yet, as after init; failures are kept. */
void quorums_restart(struct quorums *q);
enum quorum_state quorums_state(const struct quorums *q);
bool quorums_failed(const struct quorums *q); /* somebody said so */

/* The one that errors tell of: the one that is not met. */
const struct quorum *quorums_telling(const struct quorums *q);

#endif
