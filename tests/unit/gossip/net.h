/* net.h - many gossip cores on virtual time: delay, loss, one-way cuts, pauses, throttling,
 * restarts. The same seed gives the same run, and so the same hash. */
#ifndef TORC_TESTS_GOSSIP_NET_H
#define TORC_TESTS_GOSSIP_NET_H

#include "base/rng.h"
#include "gossip/gossip.h"

#define NET_MAX 100

struct net_node {
    struct gossip *g; /* NULL: not running */
    struct gossip_self self;
    usec due;
    usec asleep_until;         /* stopped: messages wait for it */
    bool throttled;            /* runs 50 ms of every second */
    bool frozen_wall;          /* boots with the wall clock of its first start */
    uint64_t highest[NET_MAX]; /* incarnation seen per member, while this process lives */
    unsigned deaths;           /* of members declared dead here */
    unsigned false_deaths;     /* of those that were running */
};

struct net_packet {
    usec at;
    uint64_t order;
    size_t from;
    size_t to;
    bool stream;
    struct endpoint source;
    uint8_t *data;
    size_t len;
};

struct net {
    struct net_node nodes[NET_MAX];
    size_t count;
    usec time;
    struct rng rng;
    struct gossip_config config;
    uint32_t loss; /* datagrams, in a million */
    usec delay_min, delay_max;
    bool cut[NET_MAX][NET_MAX];     /* from, to: nothing passes */
    bool cut_udp[NET_MAX][NET_MAX]; /* from, to: no datagrams */
    struct net_packet *heap;
    size_t heap_count, heap_cap;
    uint64_t order;
    uint64_t hash;
    size_t largest_datagram;
    uint64_t went_down; /* times an incarnation was seen to decrease: must stay 0 */
};

void net_open(struct net *n, size_t count, uint64_t seed);
void net_close(struct net *n);
void net_start(struct net *n, size_t i); /* a new life: next generation */
void net_kill(struct net *n, size_t i);
void net_join(struct net *n, size_t i, size_t seed); /* i asks seed */
void net_start_all(struct net *n);                   /* everybody joins through node 0 */
void net_event(struct net *n, size_t i, const struct gossip_event *e);
void net_pause(struct net *n, size_t i, usec duration);
void net_isolate(struct net *n, size_t i, bool cut);
void net_run(struct net *n, usec duration);

/* Run until true or `limit` passed. Returns how long it took, or -1. */
usec net_run_until(struct net *n, bool (*done)(const struct net *n), usec limit);

struct now net_now(const struct net *n);
const struct gossip_member *net_view(const struct net *n, size_t at, size_t of);
enum gossip_state net_state(const struct net *n, size_t at, size_t of);
bool net_converged(const struct net *n); /* every running node holds exactly the running alive */
unsigned net_false_deaths(const struct net *n);

#endif
