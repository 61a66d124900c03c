/* world.h - thousands of gossip cores, and nothing else of Torc, on virtual time.
 *
 * One thread, one event after the other, every random choice from one seed: the same configuration
 * gives the same run on any machine. The network:
 *
 *   datagram   takes 0.25 ms plus an exponential of mean 0.25 ms; one in a hundred, that of 10 ms
 *              more; `loss` of them do not arrive
 *   stream     takes as long, and 200 ms, 400 ms, ... more for each time in a row that it is lost;
 *              arrives unless the member has crashed
 *   slow       a member is held for `hold`, runs for `free`, is held again, ... all slow members at
 *              once. A held one reads and sends at the end of the hold; its timers go off in time
 *              (what the Lifeguard paper does to an agent) or, with `stop`, at the end of the hold
 *              too (what SIGSTOP does)
 *
 * Members know each other from the beginning, as if they had met an hour ago.
 */
#ifndef TORC_TESTS_BENCH_SWIM_WORLD_H
#define TORC_TESTS_BENCH_SWIM_WORLD_H

#include "gossip/gossip.h"

struct world_config {
    size_t members;
    uint64_t seed;
    uint32_t loss; /* datagrams, in a million */
    size_t slow;   /* members 0 .. slow-1 */
    usec hold_us, free_us;
    bool stop;
    struct gossip_config gossip; /* bounds are raised to fit the members */
};

/* Of members that run: how often one was taken for lost, in how many eyes. */
struct world_mistakes {
    uint64_t suspicions;  /* times a running member became suspect somewhere */
    uint64_t deaths;      /* times a running, never slow member became dead somewhere: FP */
    uint64_t deaths_seen; /* of them, where a never slow member saw it so: FP- */
    uint64_t slow_deaths; /* times a slow member became dead somewhere */
    uint64_t buried;      /* running, never slow members that were dead somewhere */
};

struct world_traffic {
    uint64_t datagrams;
    uint64_t datagram_bytes; /* payload; UDP over IPv4 adds 28 each */
    uint64_t streams;
    uint64_t stream_bytes;
};

/* Of one member that crashed, since its crash. USEC_NEVER: has not happened. */
struct world_crash {
    size_t member;
    usec at;
    usec suspected; /* by somebody */
    usec dead;      /* to somebody */
    usec known;     /* dead to all who run */
};

struct world; /* Opaque. */

struct world *world_new(const struct world_config *config);
void world_free(struct world *w);

void world_run(struct world *w, usec duration);
void world_crash(struct world *w, size_t member);
void world_slow_from(struct world *w,
                     usec at);    /* the first hold begins; until then nobody is slow */
void world_heal(struct world *w); /* no more loss, no more holds */

usec world_time(const struct world *w); /* 0 at the beginning */
const struct world_mistakes *world_get_mistakes(const struct world *w);
const struct world_traffic *world_get_traffic(const struct world *w);
size_t world_crashes(const struct world *w, const struct world_crash **ret_crashes);
uint64_t world_events(const struct world *w);

/* Every running member holds exactly the running ones for alive. */
bool world_agrees(const struct world *w);

/* gossip_check of every running member. */
void world_check(const struct world *w);

/* The sum of one counter over the running members: world_sum(w, offsetof(struct gossip_counters,
 * stalls)). */
uint64_t world_sum(const struct world *w, size_t counter);
const struct gossip *world_core(const struct world *w, size_t member); /* NULL: crashed */

/* Depends on every event of the run. */
uint64_t world_hash(const struct world *w);

#endif
