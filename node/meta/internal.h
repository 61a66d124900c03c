/* internal.h - the core of meta.h from inside, shared by the files of this folder.
 *
 *   meta.c      events to handlers, deadlines, effects
 *   metalog.c   the log: stores, durability, applying, snapshots, loading
 *   forming.c   SEEKING and ENTERING: hello, founding, asking to be let in
 *   catchup.c   who is ahead, fetching, RECOVERING, acknowledgements
 *   proposing.c a metadata member at work: acceptor, proposer and its queue
 *   wanted.c   a change this node wants: finding a member, retrying, waiting for all live nodes
 *   recover.c  a majority that is lost is given up, as a person wants it
 *   generation.c  whose log a message speaks of; who is OUTDATED
 *   members.c  members that are dead for long make way for others
 */
#ifndef TORC_NODE_META_INTERNAL_H
#define TORC_NODE_META_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "node/meta/meta.h"
#include "node/meta/state.h"

#define LOG_KEEP        256 /* applied entries kept for others that are behind */
#define SNAPSHOT_EVERY  128
#define LOG_AHEAD_MAX   256 /* decided entries that wait to be durable */
#define FETCH_BYTES_MAX ((size_t)1 << 20)
#define REPLIES_MAX     256
#define PROPOSALS_MAX   256
#define AHEAD_MAX       16
#define ASKERS_MAX      64
#define WAITING_MAX     64

#define HELLO_MIN_US     (50 * USEC_PER_MS)
#define HELLO_MAX_US     (400 * USEC_PER_MS)
#define ENTER_US         (5 * USEC_PER_SEC)
#define FETCH_RETRY_US   (300 * USEC_PER_MS)
#define RECOVER_US       USEC_PER_SEC
#define RECOVER_RETRY_US (200 * USEC_PER_MS)
#define HALF_US          (100 * USEC_PER_MS) /* that half a ballot takes, before one was seen */
#define HALF_MAX_US      (2 * USEC_PER_SEC)
#define ATTEMPT_MIN_US   (300 * USEC_PER_MS) /* for one half of a ballot; doubles with each lost */
#define ATTEMPT_MAX_US   (4 * USEC_PER_SEC)
#define ATTEMPT_STEPS    3
#define BACKOFF_US       (4 * USEC_PER_MS) /* after a lost ballot; doubles, random */
#define BACKOFF_STEPS    9
#define REQUEST_US       (10 * USEC_PER_SEC)
#define REQUEST_RETRY_US (400 * USEC_PER_MS) /* doubles with each member that was asked */
#define REQUEST_STEPS    2
#define SPREAD_US        (10 * USEC_PER_SEC) /* waiting for all live nodes to apply */
#define SPREAD_RETRY_US  (100 * USEC_PER_MS)
#define IDLE_ASK_US      USEC_PER_SEC
#define MOVE_ASK_US      (10 * USEC_PER_MS) /* several nodes that join at once are asked about once */
#define MOVE_RETRY_US    (200 * USEC_PER_MS)
#define AWAY_US          (60 * USEC_PER_SEC)
#define AWAY_RANK_US     (2 * USEC_PER_SEC) /* later than the member before us, who says the same */
#define AWAY_AGAIN_US    USEC_PER_SEC

struct log_entry {
    struct bytes bytes; /* owned */
    uint64_t ticket;    /* durable when m->durable has reached it */
};

/* An answer that must not leave before what it says is durable. */
struct reply {
    uint64_t ticket;
    bool to_self;
    struct endpoint to;
    struct wire_message message; /* its bytes field, if any, is `owned` */
    uint8_t *owned;
};

/* What is known of another node. */
struct peer {
    uint64_t applied;
    bool dead;         /* says gossip */
    usec since;        /* mono; it lives, or is dead */
    bool answered;     /* while RECOVERING: it has, or it cannot */
    usec heard_at;     /* the last message of the metadata log; mono */
    uint64_t recovery; /* the last question of ours about lost nodes that it has answered, */
    node_no reaches;   /* and one of them that answers it */
};

/* A place that says it has applied more than we have. */
struct ahead {
    struct endpoint at;
    uint64_t epoch;
    uint32_t strikes; /* fetches it did not answer */
};

struct asker {
    struct endpoint at;
    uint64_t slot;
};

/* What a metadata member has been asked to propose. */
struct proposal {
    struct uuid id;
    struct bytes command; /* owned */
    bool to_self;
    struct endpoint origin;
    uint64_t request;  /* the origin's */
    uint64_t asked_at; /* the last slot applied then */
    usec until;
};

/* A change wanted by, or through, this node. */
struct request {
    enum { REQUEST_LOCAL, REQUEST_RELAYED, REQUEST_INTERNAL, REQUEST_AWAY } kind;
    uint64_t number;        /* on the wire, between us and the member */
    uint64_t caller;        /* LOCAL: the event's; RELAYED: that of `origin` */
    struct endpoint origin; /* RELAYED */
    struct uuid id;
    struct bytes command; /* owned */
    uint32_t attempt;
    usec until;
    usec retry;
    bool is_told; /* a member has answered: err, slot and message are what it said */
    bool decided; /* they are what it came to: waiting for the live nodes */
    enum err err;
    uint64_t slot;
    char message[META_MESSAGE_SIZE];
};

/* recover.c */
struct recovery {
    enum meta_recovery_state state;
    uint64_t request;
    struct uuid id;              /* of the entry */
    node_no lost[META_LOST_MAX]; /* ascending */
    size_t count;
    uint32_t recoveries; /* when it was asked for */
    usec begun, until, retry;
    char text[ERRMSG_SIZE]; /* REFUSED: why */
};

struct seed {
    struct endpoint at;
    bool is_self;
    bool is_fresh; /* it has told us so */
};

struct meta {
    struct node_info info;
    char cluster_name[CLUSTER_NAME_SIZE];
    struct endpoint replaces;
    uint32_t ranges;
    struct seed seeds[META_SEEDS_MAX];
    size_t seeds_count;
    struct rng rng;

    /* of the current step */
    struct now now;
    struct arena arena;
    struct meta_effect *effects;
    size_t effects_count;
    size_t effects_cap;

    enum meta_phase phase;
    bool started;
    usec started_at; /* mono */
    node_no self;
    char problem[ERRMSG_SIZE];

    /* metalog.c: entries of the slots first .. first + count - 1; all are decided */
    struct state state;
    struct log_entry *log;
    uint64_t first;
    size_t count;
    size_t cap;
    uint64_t tickets; /* given out */
    uint64_t durable; /* all up to this one are */
    uint64_t snapshot_slot;
    uint64_t snapshot_ticket; /* of the snapshot being stored, 0: none */
    uint64_t snapshot_next;   /* its slot */
    uint64_t removed;         /* log facts up to this slot are gone */
    struct bytes incoming;    /* owned: a snapshot from elsewhere, being stored */
    uint64_t incoming_slot;
    uint64_t incoming_ticket;
    uint64_t *orphans; /* log facts found at load that do not fit */
    size_t orphans_count;
    bool is_stuck; /* an entry from a later version */

    /* forming.c */
    struct uuid cluster; /* known from ENTERING on */
    usec hello_at;
    usec hello_wait;
    struct endpoint contact; /* a node of the cluster */
    struct uuid enter_id;
    size_t enter_turn;
    usec enter_until;                     /* back to SEEKING when the cluster has not answered */
    struct endpoint waiting[WAITING_MAX]; /* who asked while we knew no cluster */
    size_t waiting_count;

    /* catchup.c */
    struct map peers; /* node_no to struct peer */
    struct ahead ahead[AHEAD_MAX];
    size_t ahead_count;
    bool is_fetching;
    struct endpoint fetch_from;
    usec fetch_until;
    struct asker askers[ASKERS_MAX];
    size_t askers_count;
    usec recover_until;
    usec recover_retry;
    usec idle_at;
    usec move_ask_at; /* while a mover: who has yet to apply the ring? */

    /* proposing.c */
    uint32_t life;
    uint64_t life_ticket;
    struct paxos_acceptor acceptor; /* of slot applied + 1 */
    struct paxos_proposer proposer; /* the same */
    uint32_t round;                 /* the highest heard of in this slot */
    usec attempt_until;
    usec backoff_until;
    usec half;          /* that half a ballot takes here, ours or another's; 0: none seen */
    usec asked_at;      /* this half of our ballot */
    struct ballot seen; /* the last one promised to another member */
    usec seen_at;
    uint32_t lost;                     /* ballots in this slot */
    bool is_leading;                   /* we have just decided a slot */
    struct endpoint early_from;        /* who has sent `early`, a PREPARE for a later slot */
    struct wire_meta_prepare early;    /* slot 0: none */
    struct reply replies[REPLIES_MAX]; /* by ticket */
    size_t replies_count;
    struct proposal proposals[PROPOSALS_MAX];
    size_t proposals_count;

    /* wanted.c */
    struct request *requests[META_REQUESTS_MAX];
    size_t requests_count;
    uint64_t requests_made;
    bool is_updating; /* a NODE_UPDATE of ourselves is under way */
    usec update_at;

    /* recover.c */
    struct recovery recovery;
    uint64_t probed; /* the last question of another's recovery */
    usec probed_at;

    bool is_outdated; /* generation.c: as it was stored */

    /* members.c */
    usec away_us;
    bool is_judging; /* an AWAY or HERE of ours is under way */
    usec judge_at;   /* not before */
};

/* meta.c */
/* Fills in the envelope; views in the message must live until the next step. */
void effect_send(struct meta *m, const struct endpoint *to, const struct wire_message *message);
uint64_t effect_store(struct meta *m, const char *name, struct bytes value); /* the ticket */
void effect_phase(struct meta *m, enum meta_phase phase);
void effect_problem(struct meta *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
void effect_no_problem(struct meta *m);
void effect_applied(struct meta *m, const struct state_change *change);
void effect_done(struct meta *m, uint64_t request, enum err err, uint64_t slot,
                 const char *message);
bool meta_talks_to(const struct meta *m, const struct topology_node *n); /* to be talked to */

/* metalog.c */
static inline uint64_t metalog_applied(const struct meta *m)
{
    return m->state.topology.epoch;
}
static inline uint64_t metalog_last(const struct meta *m)
{
    return m->first + m->count - 1; /* decided, if not yet durable */
}
enum err metalog_load(struct meta *m, const struct meta_fact *facts, size_t count,
                      struct errmsg *reterr);
void metalog_start(struct meta *m);
void metalog_close(struct meta *m);
void metalog_learn(struct meta *m, uint64_t slot, struct bytes entry); /* a decided one */
void metalog_learn_snapshot(struct meta *m, uint64_t slot, struct bytes snapshot);
void metalog_durable(struct meta *m); /* m->durable has grown */
void metalog_store_acceptor(struct meta *m);
void metalog_send_from(struct meta *m, uint64_t slot, const struct endpoint *to);

/* forming.c */
void forming_start(struct meta *m);
void forming_deadline(struct meta *m);
usec forming_next(const struct meta *m);
void forming_hello(struct meta *m, const struct endpoint *from, const struct wire_message *message);
void forming_welcome(struct meta *m, const struct endpoint *from,
                     const struct wire_message *message);
void forming_result(struct meta *m, const struct endpoint *from, const struct wire_meta_result *r);
/* A message of another cluster came. */
void forming_refuse(struct meta *m, const struct endpoint *from, const struct wire_message *w);
void forming_applied(struct meta *m); /* the log has grown */
void forming_send_hello(struct meta *m, const struct endpoint *to);

/* catchup.c */
struct peer *catchup_peer(struct meta *m, node_no node);
void catchup_start(struct meta *m);
void catchup_deadline(struct meta *m);
usec catchup_next(const struct meta *m);
void catchup_heard(struct meta *m, const struct endpoint *from, node_no node, uint64_t epoch);
void catchup_entries(struct meta *m, const struct endpoint *from,
                     const struct wire_meta_entries *e);
void catchup_ask(struct meta *m, const struct endpoint *from, const struct wire_meta_applied *a);
void catchup_say(struct meta *m, const struct endpoint *to, bool ask);
void catchup_unreachable(struct meta *m, const struct endpoint *at);
void catchup_liveness(struct meta *m, node_no node, bool alive);
void catchup_applied(struct meta *m);

/* proposing.c */
void proposing_message(struct meta *m, const struct endpoint *from,
                       const struct wire_message *message);
void proposing_add(struct meta *m, const struct uuid *id, struct bytes command, bool to_self,
                   const struct endpoint *origin, uint64_t request);
void proposing_durable(struct meta *m);
void proposing_applied(struct meta *m); /* a slot has been applied: all of this one's is over */
void proposing_pump(struct meta *m);    /* begin an attempt if one is wanted and possible */
void proposing_anew(struct meta *m);    /* leave what is under way, and do not wait */
void proposing_deadline(struct meta *m);
usec proposing_next(const struct meta *m);
void proposing_close(struct meta *m);

/* wanted.c */
void wanted_local(struct meta *m, uint64_t caller, struct bytes command);
void wanted_relay(struct meta *m, const struct endpoint *from, const struct wire_meta_propose *p);
void wanted_result(struct meta *m, const struct wire_meta_result *r);
void wanted_answer(struct meta *m, uint64_t number, enum err err, uint64_t slot,
                   struct bytes message);
void wanted_progress(struct meta *m); /* the log or what is known of peers has changed */
void wanted_deadline(struct meta *m);
usec wanted_next(const struct meta *m);
void wanted_close(struct meta *m);
void wanted_away(struct meta *m, struct bytes command); /* it ends in members_answered */
bool wanted_has_room(const struct meta *m);
uint32_t wanted_members_alive(const struct meta *m);

/* recover.c */
void recover_asked(struct meta *m, const struct endpoint *from, const struct wire_meta_lost *w);
void recover_told(struct meta *m, node_no from, const struct wire_meta_lost_told *w);
void recover_applied(struct meta *m);
void recover_deadline(struct meta *m);
usec recover_next(const struct meta *m);
bool recover_is_deciding(const struct meta *m);
/* The entry, and its acceptors: PAXOS_ACCEPTORS_MAX at most. Returns how many. */
size_t recover_entry(struct meta *m, struct buf *out, node_no *ret_acceptors);

/* generation.c */
/* Whether what such a node says is of our log, or of one that ours is a part of. */
bool generation_hears(const struct meta *m, node_no from, uint64_t generation, uint64_t epoch);
void generation_refuse(struct meta *m, const struct endpoint *from, const struct wire_message *w);
void generation_told_lost(struct meta *m, uint64_t generation);
void generation_applied(struct meta *m);
bool generation_load(struct meta *m, const struct meta_fact *fact); /* false: it is another's */
bool generation_start(struct meta *m); /* true: we are OUTDATED, nothing else begins */

/* members.c */
void members_deadline(struct meta *m);
usec members_next(const struct meta *m);
void members_answered(struct meta *m, enum err err);
/* Why nothing can be decided, and what a person does about it. */
void members_say_down(const struct meta *m, char *text, size_t size);

#endif
