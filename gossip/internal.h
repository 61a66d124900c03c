/* internal.h - what the files of gossip share. Not included from outside the folder.
 *
 *   gossip.c   making, stepping, deadlines, queries
 *   table.c    the table of members: by host id, by address, in the order of probing
 *   members.c  the rules of who is believed about whom
 *   suspect.c  suspicions: their timers, confirmations, the last word
 *   spread.c   the queue of updates, packets, the gossip tick
 *   probe.c    pings, helpers, relays, local health
 *   sync.c     push/pull, joining, rejoining, leaving, reaping
 *   check.c    the invariants
 */
#ifndef TORC_GOSSIP_INTERNAL_H
#define TORC_GOSSIP_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "gossip/formula.h"
#include "gossip/gossip.h"
#include "gossip/message.h"

#define GOSSIP_PROBES_MAX  16  /* at once: the periodic ones and those asked for */
#define GOSSIP_RELAYS_MAX  256 /* pings on behalf of others, at once */
#define GOSSIP_HELPERS_MAX 8
#define GOSSIP_FANOUT_MAX  16

/* An incarnation is at most so far before our wall clock. Further than any clock is off, be it that
 * of a machine which thinks it is 1970: whoever starts with a wrong clock is a member all the same.
 * But it goes on with our clock, so that there is always a higher one for who has been accused. */
#define GOSSIP_AHEAD_MAX ((usec)100 * 365 * 24 * 3600 * USEC_PER_SEC)

/* Where a member runs and what. Most members share theirs with others: one copy, counted. */
struct label {
    size_t uses;
    struct bytes dc, rack, release; /* views of `text` */
    uint8_t text[];
};

/* A member is held by every node, so what only few need at a time is apart. */
struct node {
    struct gossip_member m; /* its texts are the label's, its blob is owned */
    struct label *label;
    struct suspicion *suspicion; /* exactly while SUSPECT */
    struct update *update;       /* while something about this member waits to be spread */
};

struct suspicion {
    struct node *node;
    usec since;
    usec until;
    bool asked; /* heard the accusation from us over the stream: the last word before a verdict */
    unsigned want; /* confirmations */
    unsigned have;
    struct uuid accusers[GOSSIP_CONFIRM_MAX + 1]; /* the first accuser, then `have` others */
};

struct update {
    struct node *node;
    uint64_t no; /* newer is higher */
    unsigned sent;
    size_t len;
    uint8_t bytes[];
};

struct probe {
    uint32_t seq;
    struct uuid target;
    usec helpers_at; /* USEC_NEVER once they were asked */
    usec verdict_at;
    size_t helper_count;
    struct uuid helpers[GOSSIP_HELPERS_MAX];
    bool nacked[GOSSIP_HELPERS_MAX];
};

struct relay {
    uint32_t seq; /* ours */
    uint32_t origin_seq;
    struct endpoint origin;
    struct uuid target;
    usec nack_at;
};

struct gossip {
    struct gossip_config config;
    struct bytes cluster; /* owned */
    struct rng rng;
    const struct tracer *tracer;
    struct now now;
    usec due; /* the deadline we asked for after the last step */

    struct node *self;
    struct node **nodes; /* by host id; self among them */
    size_t count, cap;
    size_t live;           /* of them ALIVE or SUSPECT */
    struct node **by_addr; /* the same ones by address, then host id */
    size_t by_addr_cap;
    struct node **order; /* the others, in the order of probing */
    size_t order_count, order_cap, order_next;
    struct node **gone; /* reaped, freed at the next step */
    size_t gone_count, gone_cap;
    struct label **labels; /* by text */
    size_t label_count, label_cap;
    struct suspicion **suspicions; /* the older first */
    size_t suspicion_count, suspicion_cap;

    struct probe probes[GOSSIP_PROBES_MAX];
    size_t probe_count;
    struct relay relays[GOSSIP_RELAYS_MAX];
    size_t relay_count;
    uint32_t seq;
    unsigned health;

    struct update **queue; /* what waits to be spread, in the order in which it goes out */
    size_t queue_count, queue_cap;
    uint64_t update_no;

    struct endpoint seeds[GOSSIP_SEEDS_MAX];
    size_t seed_count;
    bool joining; /* a GOSSIP_JOIN came */
    bool joined;
    bool leaving;
    bool catching_up; /* reading the first answer to our join */
    bool old_news;    /* in it something known for long: we need not tell the others */

    usec probe_at, gossip_at, push_pull_at, join_at, rejoin_at;
    usec reap_at; /* nobody is to be forgotten before */

    bool touched; /* a member changed in this step */
    struct gossip_effect *effects;
    size_t effect_count, effect_cap;
    struct arena scratch; /* the bytes of effects; reset at the next step */
    struct gossip_counters counters;
};

static inline bool gossip_runs(const struct gossip *g, enum gossip_part part)
{
    return (g->config.without & (uint32_t)part) == 0;
}

/* gossip.c */
void gossip_emit_member(struct gossip *g, struct node *n, enum gossip_change change,
                        enum gossip_state old_state);
void gossip_emit_send(struct gossip *g, enum gossip_effect_type type, const struct endpoint *to,
                      struct bytes bytes);

/* table.c */
struct node *members_find(const struct gossip *g, const struct uuid *host_id);
bool members_reachable(const struct node *n);
/* The reachable member other than `except` at this address. */
struct node *members_holder(const struct gossip *g, const struct endpoint *addr,
                            const struct node *except);
bool members_address_lives(const struct gossip *g, const struct endpoint *addr);
/* Whoever is not reachable at this address has lost it: it is not asked there any more. */
void members_displace(struct gossip *g, const struct endpoint *addr, const struct node *by);
struct node *members_insert(struct gossip *g, const struct gossip_member *claim,
                            enum gossip_state state, usec since);
void members_remove(struct gossip *g, struct node *n); /* freed at the next step */
void members_release(struct gossip *g, struct node *n);
void members_set_blob(struct node *n, struct bytes blob);
/* Take over all that `claim` tells of itself; state, its time and host id stay. */
void members_copy_claim(struct gossip *g, struct node *n, const struct gossip_member *claim);
void members_set_state(struct gossip *g, struct node *n, enum gossip_state state);
usec members_keep(const struct gossip *g, enum gossip_state state); /* how long the lost are */
/* Up to `want` others that are `fit`, each set of them as likely. Returns how many. */
typedef bool members_fit(const struct gossip *g, const struct node *n);
bool members_is_alive(const struct gossip *g, const struct node *n);
size_t members_sample(struct gossip *g, members_fit *fit, const struct node *except, size_t want,
                      struct node **ret_nodes);

/* members.c */
void members_refute(struct gossip *g, uint64_t accused);
void members_claim_alive(struct gossip *g, const struct gossip_member *claim);
void members_claim_suspect(struct gossip *g, const struct uuid *host_id, uint64_t incarnation,
                           const struct uuid *accuser);
void members_bury(struct gossip *g, struct node *n, const struct uuid *accuser); /* itself: left */
void members_claim_dead(struct gossip *g, const struct uuid *host_id, uint64_t incarnation,
                        const struct uuid *accuser);
void members_merge(struct gossip *g, const struct gossip_member *theirs, uint32_t age_s,
                   const struct uuid *from);
struct gossip_message members_accusation(const struct node *n, const struct uuid *accuser);
void members_spread_accusation(struct gossip *g, struct node *n, const struct uuid *accuser);

/* suspect.c */
void suspect_begin(struct gossip *g, struct node *n, const struct uuid *accuser);
void suspect_confirm(struct gossip *g, struct node *n, const struct uuid *accuser);
void suspect_end(struct gossip *g, struct node *n); /* does nothing when there is none */
void suspect_postpone(struct gossip *g, usec late);
void suspect_expire(struct gossip *g);
usec suspect_next(const struct gossip *g);

/* spread.c */
void spread_update(struct gossip *g, struct node *n, const struct gossip_message *m);
void spread_alive(struct gossip *g, struct node *n);
bool spread_before(const struct update *a, const struct update *b);
void spread_drop(struct gossip *g, struct node *n);
void spread_send(struct gossip *g, const struct endpoint *to, const struct gossip_message *first,
                 const struct gossip_message *second);
void spread_send_stream(struct gossip *g, const struct endpoint *to, const struct gossip_message *m,
                        const struct gossip_message *second);
void spread_tick(struct gossip *g);
struct gossip_header spread_header(const struct gossip *g);

/* probe.c */
void probe_start(struct gossip *g, struct node *target);
void probe_tick(struct gossip *g);
void probe_deadlines(struct gossip *g);
void probe_postpone(struct gossip *g, usec late);
usec probe_postponed(const struct gossip *g, usec at, usec late);
void probe_last_word(struct gossip *g, const struct node *n);
usec probe_next(const struct gossip *g);
void probe_receive_ping(struct gossip *g, const struct gossip_header *h,
                        const struct endpoint *from, const struct gossip_message *m, bool stream);
void probe_receive_ping_req(struct gossip *g, const struct endpoint *from,
                            const struct gossip_message *m);
void probe_receive_ack(struct gossip *g, const struct gossip_header *h, const struct endpoint *from,
                       const struct gossip_message *m, bool stream);
void probe_receive_nack(struct gossip *g, const struct gossip_header *h,
                        const struct gossip_message *m);
void probe_health(struct gossip *g, int delta);

/* sync.c */
void sync_send(struct gossip *g, const struct endpoint *to, bool reply);
void sync_join(struct gossip *g, const struct endpoint *seeds, size_t count);
void sync_join_tick(struct gossip *g);
void sync_rejoin_tick(struct gossip *g);
void sync_plan_push_pull(struct gossip *g, bool first);
void sync_push_pull_tick(struct gossip *g);
void sync_leave(struct gossip *g);
void sync_reap(struct gossip *g);

#endif
