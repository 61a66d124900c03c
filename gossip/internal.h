/* internal.h - what the files of gossip share. Not included from outside the folder.
 *
 *   gossip.c   making, stepping, deadlines, queries
 *   members.c  the table of members and the rules of who is believed about whom
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
#define GOSSIP_AHEAD_MAX   ((usec)24 * 3600 * USEC_PER_SEC) /* incarnation before our wall clock */

struct node {
    struct gossip_member m;
    uint8_t blob[GOSSIP_APP_MAX];

    usec suspect_since; /* SUSPECT only */
    usec suspect_until;
    bool asked; /* heard the accusation from us over the stream: the last word before a verdict */
    unsigned want; /* confirmations */
    unsigned have;
    struct uuid accusers[GOSSIP_CONFIRM_MAX + 1]; /* the first accuser, then `have` others */

    bool waiting; /* an update about this member waits to be spread */
    unsigned sent;
    uint64_t update_no; /* newer is higher */
    size_t update_len;
    uint8_t update[GOSSIP_UPDATE_MAX];
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
    struct node **order; /* the others, in the order of probing */
    size_t order_count, order_cap, order_next;
    struct node **gone; /* reaped, freed at the next step */
    size_t gone_count, gone_cap;

    struct probe probes[GOSSIP_PROBES_MAX];
    size_t probe_count;
    struct relay relays[GOSSIP_RELAYS_MAX];
    size_t relay_count;
    uint32_t seq;
    unsigned health;

    size_t waiting; /* nodes with an update to spread */
    uint64_t update_no;

    struct endpoint seeds[GOSSIP_SEEDS_MAX];
    size_t seed_count;
    bool joining; /* a GOSSIP_JOIN came */
    bool joined;
    bool leaving;

    usec probe_at, gossip_at, push_pull_at, join_at, rejoin_at;

    bool touched; /* a member changed in this step */
    struct gossip_effect *effects;
    size_t effect_count, effect_cap;
    struct arena scratch; /* the bytes of effects; reset at the next step */
    struct gossip_counters counters;
};

/* gossip.c */
void gossip_emit_member(struct gossip *g, struct node *n, enum gossip_change change,
                        enum gossip_state old_state);
void gossip_emit_send(struct gossip *g, enum gossip_effect_type type, const struct endpoint *to,
                      struct bytes bytes);

/* members.c */
struct node *members_find(const struct gossip *g, const struct uuid *host_id);
bool members_reachable(const struct node *n);
size_t members_live(const struct gossip *g); /* reachable ones and ourselves */
bool members_address_lives(const struct gossip *g, const struct endpoint *addr);
struct node *members_insert(struct gossip *g, const struct gossip_member *claim,
                            enum gossip_state state, usec since);
void members_remove(struct gossip *g, struct node *n);
void members_refute(struct gossip *g, uint64_t accused);
void members_claim_alive(struct gossip *g, const struct gossip_member *claim);
void members_claim_suspect(struct gossip *g, const struct uuid *host_id, uint64_t incarnation,
                           const struct uuid *accuser);
void members_claim_dead(struct gossip *g, const struct uuid *host_id, uint64_t incarnation,
                        const struct uuid *accuser);
void members_merge(struct gossip *g, const struct gossip_member *theirs, uint32_t age_s,
                   const struct uuid *from);
void members_expire_suspicions(struct gossip *g);
usec members_next_suspicion(const struct gossip *g);
void members_copy_claim(struct node *n, const struct gossip_member *claim);
struct gossip_message members_accusation(const struct node *n, const struct uuid *accuser);

/* spread.c */
void spread_update(struct gossip *g, struct node *n, const struct gossip_message *m);
void spread_alive(struct gossip *g, struct node *n);
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
void sync_push_pull_tick(struct gossip *g);
void sync_leave(struct gossip *g);
void sync_reap(struct gossip *g);

#endif
