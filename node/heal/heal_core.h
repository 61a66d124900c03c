/* heal_core.h - shared by the files of healing; nobody else includes it.
 *
 *   heal.c     sessions: comparing, settling, pulling, moving
 *   effects.c  what is to be done
 *   pace.c     how fast what is missing is pulled (pace.h)
 *   paced.c    sessions by trees and hints go by what clients feel, too
 *   serve.c    the other side: digests, clocks and rows for peers
 *   agree.c    what may be forgotten of deletions (agree.h)
 *   agree_talk.c  questions and answers about that
 *   held.c     what is held; what was, and goes before it is again
 *   damage.c   ranges whose data is damaged here (damage.h)
 *   fetch.c    dots that somebody waits for
 *   compare*.c  sessions by trees (compare.h), of many ranges (compare_many*.c)
 *   vote*.c    what most replicas have wins over damage (vote.h)
 *   sure.c     compared with all others before it counts as whole (sure.h)
 *   marks.c    ranges that need such a session (marks.h)
 *   proved.c   when replicas were last known to be equal (proved.h)
 *   same.c     who was found equal to us is equal to the others that were
 *   take.c     what pulls bring
 *   logs.c     range logs are kept short
 *   away.c     what waits in them for whom
 *   refused.c  hints that were refused: their ranges are marked
 *   lost_hints.c  those that were lost, likewise, and that is known for certain
 *   rounds.c   who begins sessions (rounds.h)
 *   tidy.c     garbage is found and, where agreed, removed
 *   pins.c     why garbage stays where it is not removed
 *   report.c   what others want to know of sessions
 */
#ifndef TORC_NODE_HEAL_HEAL_CORE_H
#define TORC_NODE_HEAL_HEAL_CORE_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "node/heal/agree.h"
#include "node/heal/damage.h"
#include "node/heal/heal.h"
#include "node/heal/marks.h"
#include "node/heal/pace.h"
#include "node/heal/proved.h"
#include "node/heal/rounds.h"
#include "node/heal/sure.h"
#include "ring/token.h"

#define CLOCKS_MESSAGE_MAX ((size_t)256 << 10) /* clocks go out in messages of about this size */
#define PULL_NEWEST        2048u               /* dots of an actor in one question, the last ones */
#define WANTED_MAX         65536               /* ranges a session may have to pull */
#define WANTED_BYTES_MAX   ((size_t)32 << 20)  /* of encoded clocks that a peer may send for them */

enum session_state {
    SESSION_IDLE,
    SESSION_ASKED,
    SESSION_SETTLING,
    SESSION_WAITING, /* another session is pulling, perhaps the very same */
    SESSION_PACED,   /* it is pulling, and the next question is not yet due */
    SESSION_PULLING
};

/* What a peer has and we may lack, of one range. */
struct want {
    keyspace_no keyspace;
    range_no range;
    struct clock clock; /* the peer's; while pulling: what is missing still */
};

/* fetch.c: one question of coordination's. */
#define FETCH_PEERS_MAX 128
struct fetching {
    uint64_t id;
    keyspace_no keyspace;
    range_no range;
    struct clock wanted;
    bool all;        /* no longer for `wanted` alone */
    bool incomplete; /* somebody could not be asked, or could not give */
    node_no asked[FETCH_PEERS_MAX];
    size_t asked_count;
    node_no peer;        /* being asked; 0: none */
    bool heard;          /* it has told its clock, */
    struct clock theirs; /* this one, */
    bool gave;           /* and given something */
    uint64_t request, left;
    uint64_t drops;  /* in the range, when that was asked for */
    uint64_t ticket; /* what it gave is being stored */
    usec due;
};

struct session {
    node_no peer;
    enum session_state state;
    uint64_t round;
    usec due; /* when to act: time out, settle, compare */
    struct want *wants;
    size_t wants_count, wants_cap, wants_at, wants_bytes;
    uint64_t pull;        /* request number of the pull in flight */
    usec asked_at;        /* mono: that pull */
    uint64_t drops;       /* in the range, when it was */
    struct clock asked;   /* its dots */
    struct clock done;    /* the dots that its answer has served */
    uint64_t ticket;      /* its rows are being stored */
    bool progressed;      /* rows came in this session */
    bool refused;         /* the peer could not give some that it has */
    bool partial;         /* the peer has not told, or does not know, all that is to be had of it */
    bool behind;          /* what is missing is not to be had from its log: the range is marked */
    bool unable;          /* the peer has what we cannot take: our clock of the range is damaged */
    bool soon;            /* compare as soon as idle, without waiting for the peer's turn */
    uint64_t asked_epoch; /* the ring_epoch when this comparison began */
    uint64_t seal;        /* ticket after which all that was covered is durable */
    uint64_t seal_epoch;
    uint64_t asked_rebuild, rebuild_seal, sealed_rebuild, covered_rebuild; /* damage.c */
    uint64_t covered_epoch; /* the ring_epoch for which we once had all it had */
    /* agree_talk.c */
    uint64_t agree_round; /* our question that it has yet to answer; 0: none */
    usec agree_due;
    int64_t wall;      /* its clock, when it told something last; INT64_MIN: it has not */
    struct buf asking; /* while a question is made */
    /* paced.c: what clients here feel, and it was not told of */
    enum pace_verdict untold;
    usec untold_at; /* mono */
    /* tidy.c */
    size_t pins, pins_now; /* ranges with garbage that it, being dead, has not agreed about */
    usec pins_since;       /* mono */
};

struct forget { /* a range that is to be */
    keyspace_no keyspace;
    range_no range;
};

struct lost_ack { /* that ranges of lost hints are marked, durably */
    uint64_t ticket;
    node_no to;
    struct wire_hint_lost what;
};

struct comparing;
struct comparing_many;
struct serving;
struct serving_many;
struct same;

struct heal {
    struct heal_config config;
    struct engine *engine;
    struct cluster *cluster;
    bool begun;
    struct session *sessions; /* by peer, ascending */
    size_t sessions_count, sessions_cap;
    usec next_round;
    node_no puller;           /* the peer of the session that is PULLING or PACED; 0: none */
    struct pace pace;         /* of pulls; */
    struct pace trees, hints; /* paced.c */
    struct foreground foreground;
    node_no last_peer;
    uint64_t rounds, requests, tickets;
    uint64_t ring_epoch;
    bool moved;       /* HEAL_MOVED for ring_epoch is out */
    struct map holds; /* u32 keyspace -> what we hold of it (held.c) */
    uint64_t placed_epoch;
    uint32_t life; /* our boot number, which we tell */
    bool renewing; /* a new one was asked for */
    struct forget *forgets;
    size_t forgets_count, forgets_cap;
    usec forget_due;
    struct damage damage;
    bool old; /* our disk is an older copy of itself, and not all others were pulled from since */
    struct omap agreements; /* u32 keyspace, u32 range -> struct agreement * */
    uint64_t ask_from;      /* agreements before this one were asked about */
    uint64_t tidy_from;     /* purging goes on here */
    usec tidy_due;
    uint64_t logs_from; /* pruning goes on here */
    usec logs_due;
    uint64_t logs_ranges; /* that have a log, when looked at last */
    bool busy;            /* clients wait */
    usec clock_hybrid;    /* 0: not told yet */
    bool clock_doubtful;  /* ours may be wrong */
    size_t pinned_now, garbage_now;
    struct proved proved;
    struct rounds turns;
    struct fetching fetches[HEAL_FETCHES_MAX];
    size_t fetches_count;
    struct comparing *compares[HEAL_COMPARES_MAX];
    struct comparing_many *many[HEAL_COMPARE_MANY_MAX];
    struct marks marks;
    struct sure sure_rebuilt, sure_moved;
    struct { /* numbers of what lost votes (vote_keep.c) */
        bool loaded;
        uint64_t first, next;
    } lost;
    struct omap away;       /* away.c */
    struct omap refused;    /* refused.c */
    struct omap lost_hints; /* lost_hints.c */
    struct lost_ack *lost_acks;
    size_t lost_acks_count, lost_acks_cap;
    bool lost_marked; /* all of ours are, and somebody has yet to say so of his */
    struct heal_compared compared[HEAL_COMPARES_MAX]; /* the last that ended; in a ring */
    size_t compared_next;
    struct serving *serving;           /* sessions of others; NULL as long as there were none */
    struct serving_many *serving_many; /* ... that ask about many ranges */
    struct same *sames;                /* same.c; NULL as long as there were none */
    usec many_patience, many_slow_at;  /* with who is asked about many; somebody was slow then */
    struct heal_effect *effects;
    size_t effects_count, effects_cap;
    struct arena arena; /* bytes of effects */
    struct heal_stats stats;
};

struct session *heal_session(struct heal *h, node_no peer); /* valid until another one is made */

struct heal_effect *heal_append(struct heal *h, enum heal_effect_type type);
void heal_send(struct heal *h, node_no to, const struct wire_message *m);
struct bytes heal_keep(struct heal *h, const struct buf *b); /* a copy that lives as the effects */

/* Hash of the clocks of all ranges of the keyspace that both nodes hold; 0 when all are empty. */
uint64_t heal_keyspace_hash(struct heal *h, keyspace_no keyspace, node_no peer);

/* Rows of the range are on their way: nothing is dropped there meanwhile. */
bool heal_is_pulling(const struct heal *h, keyspace_no keyspace, range_no range);
void heal_ask_everybody(struct heal *h, struct now now);
void heal_check_moved(struct heal *h, struct now now); /* is what is taken over whole? */

/* --- held.c */
void held_free(struct heal *h);
void held_look_again(struct heal *h, struct now now); /* something is found damaged */
/* A replica that is whole has told of a range that is damaged here: it is forgotten. */
bool held_forget_damaged(struct heal *h, keyspace_no keyspace, range_no range);
void held_rebuilt(struct heal *h); /* all ranges that were being rebuilt are whole */
/* Ranges that are damaged, or being rebuilt: the first behind. */
bool held_next_damaged(const struct heal *h, struct heal_damaged *at);
void held_forget_some(struct heal *h, struct now now);

/* --- serve.c */
void serve_digests(struct heal *h, node_no from, const struct wire_clock_digests *m);
void serve_pull(struct heal *h, struct now now, node_no from, const struct wire_pull *m);

/* --- paced.c */
void paced_init(struct heal *h);

/* Something heals here, or from here: what do clients of ours say of that? Everything that goes by
 * a pace here has heard it. */
enum pace_verdict heal_felt(struct heal *h, struct now now);

/* ... and what of it this peer, for which it is, has not been told yet. */
enum pace_verdict heal_felt_for(struct heal *h, struct now now, node_no peer);
void heal_felt_tell(struct heal *h, struct now now, node_no peer); /* tell it */
void felt_receive(struct heal *h, struct now now, node_no from, const struct wire_felt *m);

/* --- away.c */
void away_free(struct heal *h);
void away_lost(struct heal *h, struct now now, node_no peer);
void away_equal(struct heal *h, node_no peer, keyspace_no keyspace); /* their clocks are */
/* `first`: its first clock of the range since our start, or since it was lost. */
void away_told(struct heal *h, struct now now, node_no peer, keyspace_no keyspace, range_no range,
               const struct clock *has, bool first); /* it is back, and says what it has */

/* --- refused.c */
void refused_tick(struct heal *h, struct now now); /* each interval */
void refused_receive(struct heal *h, struct now now, const struct wire_hint_refused *m);

/* --- lost_hints.c */
void lost_hints_tick(struct heal *h, struct now now); /* each interval */
void lost_hints_receive(struct heal *h, struct now now, node_no from,
                        const struct wire_hint_lost *m);
void lost_hints_marked(struct heal *h, node_no from, const struct wire_hint_marked *m);
bool lost_hints_durable(struct heal *h, uint64_t ticket, enum err err); /* ours? */
void lost_hints_free(struct heal *h);

/* --- take.c */

/* Into the store, under a ticket of its own. */
enum err heal_take_rows(struct heal *h, const struct wire_pull_reply *m, uint64_t *ret_ticket);

/* What the peer's log has no more is taken from what is wanted of it, and the range is marked.
 * False: it is not what one of us sends. */
bool heal_take_truncated(struct heal *h, struct now now, node_no peer,
                         const struct wire_pull_reply *m, struct clock *wanted);

/* ret (initialised): the last dots of each actor, `most` of each. */
void heal_newest(const struct clock *c, uint64_t most, struct clock *ret);

/* The same for what the peer has told earlier. Whether there is any. */
bool heal_leave_marked(const struct heal *h, node_no peer, struct want *w);

/* --- logs.c: what all have of range logs goes, and what makes them too long */
void logs_tick(struct heal *h, struct now now); /* each interval, before agreements are asked */
void logs_some(struct heal *h, struct now now); /* a turn */

/* --- fetch.c */
bool fetch_receive(struct heal *h, struct now now, const struct wire_pull_reply *m); /* ours? */
bool fetch_durable(struct heal *h, struct now now, uint64_t ticket, enum err err);   /* ours? */
void fetch_peer_lost(struct heal *h, struct now now, node_no peer);
void fetch_deadline(struct heal *h, struct now now);
usec fetch_next_deadline(const struct heal *h);
void fetch_free(struct heal *h);

/* --- compare.c */
bool compare_receive(struct heal *h, struct now now, node_no from,
                     const struct wire_message *m);                                  /* ours? */
bool compare_durable(struct heal *h, struct now now, uint64_t ticket, enum err err); /* ours? */
void compare_peer_lost(struct heal *h, struct now now, node_no peer);
void compare_deadline(struct heal *h, struct now now);
usec compare_next_deadline(const struct heal *h);
bool compare_is_under_way(const struct heal *h, keyspace_no keyspace, range_no range);
void compare_free(struct heal *h);

#endif
