/* gossip.h - who is in the cluster and who answers: SWIM with Lifeguard.
 *
 * Pure. The caller feeds events in and performs the effects that come out; the core has no socket,
 * no clock and no randomness but the seed it was given. What it says is an opinion on liveness: it
 * routes around a member, it never changes what a member owns.
 *
 *          no ack, direct or relayed          suspicion runs out
 *   ALIVE ---------------------------> SUSPECT -----------------> DEAD --+
 *     ^ |                                  |                       |     | dead_reclaim
 *     | +------------- the member says it leaves ----------> LEFT -|-----+--> forgotten
 *     |                                                       |    |
 *     +----- ALIVE with a higher incarnation, from the member-+----+
 *
 * Invariants, asserted by gossip_check() after every step of an unoptimised build:
 *   (1) The incarnation we hold for a member never goes down.
 *   (2) At one incarnation LEFT beats DEAD beats SUSPECT beats ALIVE.
 *   (3) We are never SUSPECT or DEAD to ourselves: hearing it, we raise our incarnation.
 *   (4) Exactly the SUSPECT members have a suspicion timer.
 *   (5) A subject has at most one update waiting to be spread; an update leaves at most
 *       gossip_retransmit_limit() times; no datagram is longer than datagram_max.
 *   (6) No two members that are ALIVE or SUSPECT hold one address.
 *
 * Members are known by host id. Their address may change with a higher generation. A claim to an
 * address or a host id by somebody new is refused while the old claimant is ALIVE or SUSPECT, and
 * replaces the claim of one that is DEAD or LEFT (gossip/README.md says why).
 *
 * Ownership: events borrow for the call. Effects, and the member pointers in them, are owned by the
 * core and valid until its next step. Members from queries are valid until the next step too.
 */
#ifndef TORC_GOSSIP_GOSSIP_H
#define TORC_GOSSIP_GOSSIP_H

#include "base/bytes.h"
#include "base/trace.h"
#include "base/types.h"

#define GOSSIP_APP_MAX     512  /* bytes of opaque application state */
#define GOSSIP_TEXT_SIZE   48   /* dc, rack, release with the closing NUL; longer ones are cut */
#define GOSSIP_SEEDS_MAX   64   /* further seeds of a join are ignored */
#define GOSSIP_UPDATE_MAX  1000 /* no encoded update is longer */
#define GOSSIP_HEALTH_MAX  7    /* the local health score is 0 (well) to 7 */
#define GOSSIP_CONFIRM_MAX 8    /* largest number of confirmations a suspicion waits for */

/* What this core does beyond SWIM. All of it is on; an experiment that asks what a part is worth
 * runs without it (docs/swim.md). */
enum gossip_part {
    GOSSIP_LOCAL_HEALTH = 1,  /* LHA-Probe: the health score, its longer intervals, nacks */
    GOSSIP_CONFIRMATION = 2,  /* LHA-Suspicion: without, each lasts its shortest time */
    GOSSIP_BUDDY = 4,         /* a suspect hears the accusation with every ping and ack */
    GOSSIP_LAST_WORD = 8,     /* the suspect is asked over the stream before the verdict */
    GOSSIP_STALL_GUARD = 16,  /* our own stalls postpone our verdicts */
    GOSSIP_STREAM_PROBE = 32, /* beside the helpers, the target is pinged over the stream */
    GOSSIP_LIFEGUARD = GOSSIP_LOCAL_HEALTH | GOSSIP_CONFIRMATION | GOSSIP_BUDDY
};

/* Zero means the default, in brackets. */
struct gossip_config {
    const char *cluster;        /* the label: what carries another one is dropped; copied */
    usec probe_interval_us;     /* [1 s] */
    usec probe_timeout_us;      /* [500 ms] then helpers and TCP are asked; not scaled by health */
    usec gossip_interval_us;    /* [200 ms] */
    usec push_pull_interval_us; /* [30 s] scaled above 32 members */
    usec join_retry_us;         /* [1 s] seeds are asked again while we know nobody alive */
    usec rejoin_interval_us;  /* [10 s] one dead member or lost seed is asked whether it is back */
    usec gossip_to_dead_us;   /* [30 s] how long the dead still hear gossip */
    usec dead_reclaim_us;     /* [24 h] then a dead member is forgotten */
    usec left_reclaim_us;     /* [1 h] then a member that left is forgotten */
    uint32_t suspicion_mult;  /* [4] */
    uint32_t retransmit_mult; /* [4] */
    uint32_t indirect_checks; /* [3] helpers of a probe */
    uint32_t gossip_fanout;   /* [3] members hearing from us each gossip interval */
    uint32_t datagram_max;    /* [1400] bytes; at least 1200 */
    uint32_t members_max;     /* [1024] further hosts are refused and counted */
    uint32_t push_state_max;  /* [4 MiB] bytes of one push/pull message */
    uint32_t without;         /* [none] set of enum gossip_part, for experiments */
};

/* Who we are. Copied. */
struct gossip_self {
    struct uuid host_id;
    struct endpoint addr; /* internode; what others send to */
    struct endpoint cql;
    uint16_t http_port;
    char dc[GOSSIP_TEXT_SIZE];
    char rack[GOSSIP_TEXT_SIZE];
    char release[GOSSIP_TEXT_SIZE];
    uint32_t generation;        /* boot epoch: higher at every start */
    uint64_t incarnation_floor; /* the highest one remembered from former lives, or 0 */
};

enum gossip_state { GOSSIP_ALIVE, GOSSIP_SUSPECT, GOSSIP_DEAD, GOSSIP_LEFT };
enum gossip_phase { GOSSIP_STARTING, GOSSIP_JOINING, GOSSIP_NORMAL, GOSSIP_LEAVING };

/* What a node tells about its own doings. Not looked into by gossip. */
struct gossip_app {
    uint64_t epoch; /* of the metadata log */
    uint64_t load;  /* bytes of data */
    node_no node_no;
    enum gossip_phase phase;
    struct bytes blob; /* at most GOSSIP_APP_MAX */
};

/* Kept small: every node holds one for each member. */
struct gossip_member {
    struct uuid host_id;
    struct endpoint addr;
    struct endpoint cql;
    uint16_t http_port;
    bool displaced; /* DEAD or LEFT, and its address now belongs to another host */
    enum gossip_state state;
    uint32_t generation;
    uint64_t incarnation;
    usec since_mono; /* when we took this state down; may be before our start for the DEAD */
    struct bytes dc; /* these three shorter than GOSSIP_TEXT_SIZE and without a NUL */
    struct bytes rack;
    struct bytes release;
    struct gossip_app app;
};

enum gossip_event_type {
    GOSSIP_DATAGRAM,   /* received; `from` is where an answer goes */
    GOSSIP_STREAM,     /* received over the reliable channel; answers go to the address inside */
    GOSSIP_DEADLINE,   /* the time of gossip_deadline() has come */
    GOSSIP_JOIN,       /* remember the seeds and ask them until somebody answers */
    GOSSIP_LEAVE,      /* say goodbye; gossip_has_left() tells when it was spread */
    GOSSIP_UNREACHABLE /* a connection to `from` was refused or broke: probe it now, no verdict */
};

/* One input. `now` is the only clock the core sees; what it points to is borrowed for the call. */
struct gossip_event {
    struct now now;
    enum gossip_event_type type;
    struct endpoint from;         /* DATAGRAM, STREAM, UNREACHABLE */
    struct bytes bytes;           /* DATAGRAM, STREAM */
    const struct endpoint *seeds; /* JOIN */
    size_t seed_count;            /* JOIN */
};

enum gossip_effect_type { GOSSIP_SEND_DATAGRAM, GOSSIP_SEND_STREAM, GOSSIP_MEMBER };

enum gossip_change {
    GOSSIP_JOINED,  /* new to us; new_state may be any */
    GOSSIP_CHANGED, /* another state */
    GOSSIP_UPDATED, /* same state, other address, generation or application state */
    GOSSIP_REAPED   /* forgotten; the pointer is valid until the next step */
};

struct gossip_effect {
    enum gossip_effect_type type;
    struct endpoint to;                 /* SEND_* */
    struct bytes bytes;                 /* SEND_* */
    const struct gossip_member *member; /* MEMBER; as it is at the end of the step */
    enum gossip_change change;
    enum gossip_state old_state; /* equal to new_state when JOINED or UPDATED */
    enum gossip_state new_state;
};

/* Perform in order. */
struct gossip_effects {
    const struct gossip_effect *items;
    size_t count;
};

/* What happened so far, for metrics. */
#define GOSSIP_COUNTERS(X)                                                                         \
    X(malformed, "messages dropped because they did not decode")                                   \
    X(foreign, "messages dropped because they carry another cluster's label")                      \
    X(implausible, "claims refused for an incarnation too far ahead of our clock")                 \
    X(conflicts, "claims refused because a living member holds the address or host id")            \
    X(overfull, "hosts refused because members_max was reached")                                   \
    X(misdirected, "pings dropped because they were meant for another host")                       \
    X(probes, "probes begun")                                                                      \
    X(probes_failed, "probes that ended without any ack")                                          \
    X(probes_by_stream, "probes acked over TCP only: UDP does not pass")                           \
    X(nacks_missed, "nacks that helpers owed us")                                                  \
    X(suspicions, "members that became suspect here")                                              \
    X(deaths, "members that became dead here")                                                     \
    X(refutations, "times we had to refute something said about us")                               \
    X(stalls, "times we ourselves were late by more than half a probe timeout")                    \
    X(push_pulls, "push/pull exchanges begun")                                                     \
    X(datagrams_sent, "datagrams sent")                                                            \
    X(datagram_bytes_sent, "bytes of datagrams sent")

struct gossip_counters {
#define X(name, help) uint64_t name;
    GOSSIP_COUNTERS(X)
#undef X
};

struct gossip; /* Opaque, one per node. */

/* `seed` drives every random choice. `tracer` may be NULL; it must outlive the core. The first
 * incarnation is the wall clock, or incarnation_floor + 1 when that is higher. */
struct gossip *gossip_new(const struct gossip_config *config, const struct gossip_self *self,
                          uint64_t seed, struct now now, const struct tracer *tracer);
void gossip_free(struct gossip *g); /* accepts NULL */

/* Advance by one event. Cannot fail: a message that breaks the protocol is counted and dropped. */
struct gossip_effects gossip_step(struct gossip *g, const struct gossip_event *event);

/* The monotonic time at which GOSSIP_DEADLINE must next be delivered. Changes with every step and
 * with gossip_set_app(). */
usec gossip_deadline(const struct gossip *g);

/* Replace what we tell about ourselves and spread it. ERR_TOO_BIG when the blob is too long. The
 * same state again costs nothing. */
enum err gossip_set_app(struct gossip *g, const struct gossip_app *app) MUST_CHECK;

/* All members, ourselves included, ascending by host id. NULL past the end. */
size_t gossip_count(const struct gossip *g);
const struct gossip_member *gossip_at(const struct gossip *g, size_t i);
const struct gossip_member *gossip_find(const struct gossip *g, const struct uuid *host_id);
const struct gossip_member *gossip_self_member(const struct gossip *g);

/* ALIVE: nobody doubts it. */
bool gossip_is_alive(const struct gossip *g, const struct uuid *host_id);
/* ALIVE or SUSPECT: worth sending to. */
bool gossip_is_reachable(const struct gossip *g, const struct uuid *host_id);

/* Somebody answered our join, or every seed is ourselves. Never false again. */
bool gossip_has_joined(const struct gossip *g);
/* After GOSSIP_LEAVE: the goodbye was sent as often as it will be; the process may end. */
bool gossip_has_left(const struct gossip *g);

unsigned gossip_health_score(const struct gossip *g); /* 0 .. GOSSIP_HEALTH_MAX; high is unwell */
const struct gossip_counters *gossip_get_counters(const struct gossip *g);
const char *gossip_state_text(enum gossip_state state);

/* Assert the invariants. O(members). */
void gossip_check(const struct gossip *g);

#endif
