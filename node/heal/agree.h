/* agree.h - what the replicas of a range agree may be forgotten of deletions; inside of healing.
 *
 * docs/versions.md, "Tombstones go by proof", has the argument. Of each range with garbage, here or
 * at a replica that asks, an agreement is kept while there is any:
 *
 *   durable  D: the part of our clock that a power cut would leave. We tell it. For every other
 *            replica q of now and of later:
 *   heard    D(q), as told, until all of it is in our D; then it is
 *   seen     and we have completed a pull from q
 *   proved   P = D and all `seen`: we tell that too
 *   theirs   P(q), as told
 *   agreed   G = P and all `theirs`
 *   ripe     what was agreed hold_us ago: what engine_purge goes by. Safety does not ask for it;
 * but a client may send a request again that was not answered, with the timestamp that it had, and
 * it should find the deletion that came meanwhile
 *
 * Who has garbage asks the other replicas, each interval, and is told what is new; who is asked
 * asks the others in turn, or its P would never grow. As long as one of the replicas is dead
 * nothing can be agreed: then nothing is kept, asked or answered. Without garbage there is no
 * agreement and no message. One is kept, too, where the range log is long: then only D is asked,
 * and what is in it and in that of all others may go from the log. What is told counts only between
 * nodes that have the same `tag`: a number for the ring's epoch and the replicas of the range.
 *
 * Invariants: heard and seen only grow, as long as the tag is the same; agreed is part of proved,
 * proved of durable, durable of our clock. At most AGREED_RANGES_MAX agreements; the others wait.
 */
#ifndef TORC_NODE_HEAL_AGREE_H
#define TORC_NODE_HEAL_AGREE_H

#include "base/omap.h"
#include "base/types.h"
#include "storage/clock.h"

#define AGREED_RANGES_MAX 16384
#define AGREE_ASK_MAX     4096 /* ranges in one question */
#define AGREE_SET_MAX     256  /* replicas of a range, now and later; with more nothing is agreed */
#define AGREE_BACKOFF_MAX 3    /* nothing new so often: asked again after 2 to the power of this */
#define AGREE_BACKOFF_LOG 2    /* ... and when it is for the range log alone */
#define AGREE_INTEREST    (15 * USEC_PER_SEC) /* how long a question keeps an agreement */
#define PURGE_WORK        256u                /* fragments looked at in one turn */
#define PURGE_PAUSE       (10 * USEC_PER_MS)  /* between two */
#define PURGE_PAUSE_BUSY  (50 * USEC_PER_MS)  /* when clients wait */

/* What another replica has told. */
struct agree_told {
    node_no peer;
    struct clock heard; /* not all of it is ours yet; empty: there is none such */
    uint32_t life;      /* of who told that */
    struct clock seen;
    struct clock theirs;
    uint64_t durable_hash, proved_hash; /* of what it told last; 0: nothing yet */
};

struct agreement {
    keyspace_no keyspace;
    range_no range;
    uint64_t tag;
    struct agree_told *told; /* ascending by peer */
    size_t told_count;
    struct clock durable, proved, agreed;
    uint64_t durable_hash, proved_hash; /* 0: none */
    uint64_t clock_hash;                /* of our clock, when all of it is in `durable`; else 0 */
    bool garbage;                       /* there is some here that is due */
    bool long_log;                      /* what all have durably may go from the range log */
    struct clock ripening, ripe;        /* agreed when the last hold began; and the one before */
    usec ripe_at;                       /* the hold ends; 0: none has begun */
    bool purging;                       /* engine_purge may find something for `ripe` */
    usec wanted_until;                  /* somebody with garbage waits for our P */
    usec kept_until;                    /* somebody asked at all */
    usec next_ask;
    unsigned quiet; /* questions since there was something new */
};

struct heal;
struct session;
struct wire_agree_ask;
struct wire_agree_tell;

/* --- agree.c: the agreements */
void agree_free(struct heal *h);

/* That of the range, made when there is none. NULL: we are no replica of it, another one is dead,
 * or there are too many. */
struct agreement *agree_open(struct heal *h, keyspace_no keyspace, range_no range);
/* We are one of its replicas, now or soon. What lies here of others is nobody's business. */
bool agree_is_ours(struct heal *h, keyspace_no keyspace, range_no range);
/* These, ascending, ourselves among them, and their tag; 0: we are none of them or they are too
 * many. */
size_t agree_replicas(struct heal *h, keyspace_no keyspace, range_no range,
                      node_no ret[AGREE_SET_MAX], uint64_t *ret_tag);
struct agreement *agree_find(const struct heal *h, keyspace_no keyspace, range_no range);
/* The first of (keyspace, range) or behind. */
struct agreement *agree_seek(struct heal *h, uint64_t key);
uint64_t agree_key(const struct agreement *a);
struct agree_told *agree_told_by(struct agreement *a, node_no peer);
void agree_refresh(struct heal *h, struct now now); /* drops what nobody wants, or can be had */

/* ret (initialised): what each replica has durably, now and later ones. */
void agree_known(const struct agreement *a, struct clock *ret);

/* Look at our clock and at what was told anew, and draw the conclusions. */
void agree_conclude(struct heal *h, struct agreement *a);

/* --- agree_talk.c: questions and answers */
void agree_load(struct heal *h); /* none; and lives of others, as they have told */
void agree_ask_all(struct heal *h, struct now now); /* what is to be asked */
void agree_receive_ask(struct heal *h, struct now now, node_no from,
                       const struct wire_agree_ask *m);
void agree_receive_tell(struct heal *h, struct now now, struct session *s,
                        const struct wire_agree_tell *m);
void agree_forget_talk(struct session *s); /* what was asked either way */

/* --- tidy.c: garbage */
int64_t tidy_expired_before(const struct heal *h, struct now now); /* on every clock by now */

/* Seconds: what expires later is nowhere dropped, for we have told no later time (tidy.c asks for
 * everybody's). Our wall clock alone would not do: it may have been put back since we told it. */
int64_t heal_expired_by(const struct heal *h, struct now now);
void tidy_tick(struct heal *h, struct now now); /* each interval */
void tidy_soon(struct heal *h, struct now now); /* perhaps more is agreed */
void tidy_some(struct heal *h, struct now now); /* a turn of purging */

#endif
