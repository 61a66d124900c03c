/* shell.h - the real world around a node core: one event loop, its sockets, its clock.
 *
 * The only folder with libevent in it. One turn of the loop: take what sockets and timers have,
 * step the node with each, perform its effects; then once: flush the store (group commit), write
 * the links and the clients (one write each), set one timer to the node's next deadline.
 *
 *   link.c   TCP to and from other nodes          cql.c    clients
 *   udp.c    datagrams of gossip                  http.c   /metrics /health /ready /status /ring
 *   password.c  the thread that hashes
 *   shell.c  the turn                             main.c   torcd: config, signals, store, log
 */
#ifndef TORC_NODE_NET_SHELL_H
#define TORC_NODE_NET_SHELL_H

#include "base/config.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "node/node.h"

#include <event2/event.h>

#define READ_CHUNK       ((size_t)256 << 10) /* one read from a socket */
#define LINK_OUT_MAX     ((size_t)64 << 20) /* waiting for a slow peer; beyond it the link breaks */
#define LINKS_IN_MAX     2048
#define LINK_HELLO_MAX   512
#define LINK_HELLO_SECS  5 /* who says nothing takes no place from peers for longer */
#define LINK_RETRY_FIRST (50 * USEC_PER_MS)
#define LINK_RETRY_MOST  USEC_PER_SEC
#define LOAD_EVERY       (10 * USEC_PER_SEC) /* look how large the data is */
#define REFUSAL_EVERY    (10 * USEC_PER_SEC) /* not more often is a refused link told of */
#define LINK_CONNECT_MAX USEC_PER_SEC        /* give up on connecting after this */

struct link_in;
struct passwords;
struct client;

/* A connection that we opened to send to a peer. */
struct link {
    struct list all;
    struct endpoint peer;
    enum { LINK_CLOSED, LINK_CONNECTING, LINK_UP } state;
    int fd;
    struct event *event;
    struct buf out;
    size_t out_at;
    usec give_up; /* CONNECTING: at this time */
    usec retry;   /* CLOSED: not before this time */
    usec backoff;
    bool down_told; /* the node will hear, or has heard, that it is down */
};

struct shell {
    const struct config *config;
    struct log *log;
    struct event_base *base;
    struct store *store;
    struct node *node;
    struct endpoint endpoint;                 /* internode, as others reach us */
    struct endpoint at_link, at_cql, at_http; /* where to listen; no http port: no HTTP */
    int udp_fd;
    int wake_fd; /* of the store */
    int listen_link, listen_cql;
    struct event *ev_udp, *ev_wake, *ev_link, *ev_cql, *ev_timer, *ev_term, *ev_int;
    struct evhttp *http;
    struct passwords *passwords;
    struct list links;    /* struct link */
    struct list links_in; /* struct link_in */
    size_t links_in_count;
    usec refusal_next;  /* when the log may tell of a refused link again */
    struct map clients; /* number -> struct client */
    struct list dirty;  /* clients with something to write */
    uint64_t client_numbers;
    struct endpoint *downs; /* links to report when no step is running */
    size_t downs_count, downs_cap;
    uint8_t *chunk; /* READ_CHUNK bytes */
    bool stepping;
    bool stop;
    bool mend; /* and begin anew, with the store mended */
    bool draining;
    usec drain_until;
    const char *data;           /* the directory of the store */
    usec load_next;             /* when to look how large it is */
    usec sync_every, sync_next; /* commitlog_sync: periodic; 0: every ack is synced anyway */
};

struct now shell_now(void);

/* Feed one event to the node and perform its effects. Never nested. */
void shell_step(struct shell *s, struct node_event *event);

/* Listen, start the node, run until it has drained. Everything it opened is closed on return. */
enum err shell_run(struct shell *s, struct errmsg *reterr) MUST_CHECK;

/* A non-blocking socket bound to an address. */
enum err shell_bind(const struct endpoint *at, int type, int *ret_fd,
                    struct errmsg *reterr) MUST_CHECK;

/* --- link.c */
enum err link_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr) MUST_CHECK;
void link_send(struct shell *s, const struct endpoint *to, struct bytes payload);
/* Something came from this peer: it need not be spared a new connection any longer. */
void link_heard(struct shell *s, const struct endpoint *peer);
void link_flush_all(struct shell *s);
usec link_deadline(const struct shell *s);
void link_expire(struct shell *s, usec mono);
void link_close_all(struct shell *s);

/* --- udp.c */
enum err udp_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr) MUST_CHECK;
void udp_send(struct shell *s, const struct endpoint *to, struct bytes bytes);

/* --- cql.c */
enum err cql_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr) MUST_CHECK;
void cql_dirty(struct shell *s, uint64_t number);
void cql_close_later(struct shell *s, uint64_t number);
void cql_flush_all(struct shell *s);
void cql_close_all(struct shell *s);

/* --- password.c */
enum err password_open(struct shell *s, struct errmsg *reterr) MUST_CHECK;
void password_start(struct shell *s, const struct node_effect *effect);
void password_close(struct shell *s);

/* --- http.c */
enum err http_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr) MUST_CHECK;
void http_close(struct shell *s);

#endif
