/* node.h - one node of Torc as a single pure core.
 *
 * Everything a node does between its sockets and its disk: membership, the metadata log, the
 * coordinator, healing and the CQL executor, wired together. A shell owns sockets, clocks and
 * threads; there are two, torcd (node/net) and the simulator (node/sim), around this same core.
 *
 *   bytes in -> node_step -> effects out (in order) -> store_flush once a turn
 *
 * States: STARTING (metadata log seeking, entering or recovering) -> READY (serves clients) ->
 * DRAINING (SIGTERM: no new requests, running ones end) -> STOPPED; FAILED when the store has
 * failed: it goes on answering peers with errors and says why, but acks nothing.
 *
 * Invariants: no client is served before READY; no dot is minted before this boot's number is
 * durable; the hybrid clock never goes back and never follows a peer that is further ahead than
 * clock_offset_max.
 */
#ifndef TORC_NODE_NODE_H
#define TORC_NODE_NODE_H

#include "base/metrics.h"
#include "base/trace.h"
#include "node/coord/cluster.h"
#include "node/meta/meta.h"
#include "storage/engine.h"

#define NODE_SEEDS_MAX META_SEEDS_MAX

struct gossip;
struct node; /* Opaque. */

struct node_setting {
    const char *name;
    const char *value;
};

struct node_config {
    uint64_t seed; /* of all randomness of this start; differs between nodes and starts */
    const char *cluster_name;
    const char *dc;
    const char *rack;
    struct endpoint endpoint; /* internode, as others reach it */
    struct endpoint cql;      /* as clients reach it */
    uint16_t http_port;
    struct endpoint seeds[NODE_SEEDS_MAX];
    size_t seeds_count;
    struct endpoint replaces; /* a fresh node enters in place of the dead one there; none: as new */
    uint32_t ring_ranges;
    uint32_t weight;
    usec write_timeout_us, read_timeout_us, range_timeout_us;
    size_t batch_warn_bytes, batch_fail_bytes; /* 0, and below: as node/cql/exec has it */
    size_t batch_warn_partitions;
    bool unsynced;          /* commitlog_sync: periodic */
    usec counter_window_us; /* so long a request of a counter may be sent again and counts once */
    usec probe_interval_us, probe_timeout_us, gossip_interval_us, push_pull_interval_us;
    uint32_t suspicion_mult;
    usec clock_offset_max_us;
    usec away_us; /* a metadata member that is down this long gives way; 0: a minute */
    size_t in_flight_max;
    size_t frame_max;
    uint32_t pull_bytes_max;   /* 0: as node/heal has it */
    size_t log_tails_max;      /* 0: as storage has it */
    usec purge_hold_us;        /* 0: as node/heal has it */
    uint64_t log_min, log_max; /* of a range; 0, and below: as node/heal has it */
    uint64_t logs_total;
    usec log_window_us;
    bool no_hints;                     /* hinted_handoff_enabled: false */
    size_t hints_size_max;             /* bytes for a target; 0: no bound */
    usec hints_window_us;              /* no more for a target with older ones; 0: no bound */
    size_t hints_rate;                 /* bytes a second brought to a target; 0: 1 MiB */
    usec sync_us;                      /* with `unsynced`: commitlog_sync_period */
    bool mends;                        /* NODE_MEND is heard */
    usec scrub_us;                     /* 0: no rounds */
    uint32_t scrub_rows;               /* 0: as node/heal has it */
    uint64_t handoff_min, handoff_max; /* bytes a second; 0: as node/heal has it */
    uint32_t tree_width;               /* 0, and below: as storage has it */
    size_t tree_bytes_max;
    const char
        *given_up; /* a sentence about the store that was here before; NULL: there was none */
    const char *tree_key; /* of digests, the same on all nodes; empty or NULL: cluster_name */
    bool authenticate;    /* PasswordAuthenticator; else AllowAllAuthenticator */
    bool authorize;       /* CassandraAuthorizer; else AllowAllAuthorizer */
    bool default_role;    /* make the role `cassandra` when there is none at all */
    const struct node_setting *settings; /* to be shown in system_views.settings; they stay */
    size_t settings_count;
    usec roles_validity_us, permissions_validity_us, credentials_validity_us;
    usec (*stopwatch)(
        void);             /* the time of now.mono, as it goes on within a turn: how long something
                              took. Only shown, so that it decides nothing. NULL: none */
    struct tracer *tracer; /* may be NULL */
};

struct node_event {
    struct now now;
    enum node_event_type {
        NODE_START, /* the first one */
        NODE_DEADLINE,
        NODE_STORE,   /* the store has completions */
        NODE_MESSAGE, /* a whole message came over a link */
        NODE_DATAGRAM,
        NODE_LINK_DOWN, /* connecting to or talking with that address failed */
        NODE_CLIENT_OPEN,
        NODE_CLIENT_BYTES,
        NODE_CLIENT_CLOSED, /* by the client; nothing more is sent to it */
        NODE_DRAIN,
        NODE_PASSWORD_DONE,
    } type;
    struct endpoint from; /* MESSAGE (the address the peer listens on), DATAGRAM, LINK_DOWN, OPEN */
    uint64_t client;      /* CLIENT_*: the shell's number of the connection, never reused */
    struct bytes bytes;   /* borrowed for the call */
    struct {
        uint64_t job;     /* of the NODE_PASSWORD */
        bool refused;     /* too many wait */
        bool matches;     /* it is that of the hash */
        const char *hash; /* made of it, when there was none; borrowed for the call */
    } password;
};

struct node_effect {
    enum node_effect_type {
        NODE_SEND, /* a message to a peer: reliable, in order, or LINK_DOWN */
        NODE_SEND_DATAGRAM,
        NODE_CLIENT_OUT,   /* that connection has bytes to take: node_client_out */
        NODE_CLIENT_CLOSE, /* write what is left, then close */
        NODE_LOG,
        NODE_READY_NOW, /* open the door for clients */
        NODE_DRAINED,
        NODE_MEND,     /* stop, open the store anew and have it mended, begin anew */
        NODE_PLACE,    /* `bytes`: to be kept beside the store (node_place.c) */
        NODE_PASSWORD, /* slow (base/password.h): on another thread; then NODE_PASSWORD_DONE */
    } type;
    struct endpoint to;
    uint64_t client;
    struct bytes bytes;
    bool warning;     /* LOG */
    const char *text; /* LOG */
    struct {
        uint64_t job;
        const char *text;
        const char *hash; /* compare with this one; NULL: make one, with the salt */
        uint8_t salt[16];
    } password;
};

struct node_effects {
    const struct node_effect *items;
    size_t count;
};

/* Borrows the store, opens the engine in it. The config is copied. */
enum err node_new(const struct node_config *config, struct store *store, struct node **ret_node,
                  struct errmsg *reterr) MUST_CHECK;
void node_free(struct node *n); /* accepts NULL */

/* Advance by one event. Effects and their bytes are valid until the next step. */
struct node_effects node_step(struct node *n, const struct node_event *event);
usec node_deadline(const struct node *n);

/* What a connection has to send; then how much of it was written. */
struct bytes node_client_out(struct node *n, uint64_t client);
void node_client_sent(struct node *n, uint64_t client, size_t count);

/* True when the shell should not read more from this connection for now. */
bool node_client_is_busy(const struct node *n, uint64_t client);

/* --- what others may look at */

bool node_is_ready(const struct node *n);
const char *node_phase(const struct node *n); /* "ready", or what it waits for, for a person */
struct engine *node_engine(struct node *n);
struct cluster *node_cluster(struct node *n);
const struct meta *node_meta(const struct node *n);
struct heal *node_heal(struct node *n);                 /* NULL while there is none yet */
struct repair *node_repair(struct node *n);             /* the same */
const struct gossip *node_gossip(const struct node *n); /* NULL while it does not speak yet */
const struct uuid *node_host_id(const struct node *n);
struct actor node_actor(const struct node *n);

/* What is under way here or waits for something. All of it is bounded, and nothing is left a while
 * after nothing is asked any more. */
struct node_pending {
    size_t in_flight;     /* bytes of requests, own and of peers */
    size_t operations;    /* writes and reads that wait for replicas */
    size_t overdue;       /* of these, past their deadline as of the last step */
    size_t waits;         /* requests that wait for what their sessions have seen elsewhere */
    size_t applying;      /* writes that are not durable here yet */
    size_t batches;       /* kept until they are known to be written */
    size_t hints;         /* kept until their replicas have them */
    size_t requests;      /* of clients, not answered */
    size_t client_bytes;  /* read from clients and not acted on, or not taken by them */
    size_t changes;       /* of the metadata log */
    size_t handoff;       /* ranges to be pulled from peers */
    size_t handoff_bytes; /* of clocks, for that */
};
struct node_pending node_pending(const struct node *n);

/* How many bytes this node's data takes on its disk; told to the others. */
void node_set_load(struct node *n, uint64_t bytes);

/* Prometheus text of all metrics, and a JSON report for `torc status`, `ring` and `info`. */
void node_metrics_text(struct node *n, struct now now, struct buf *out);
void node_status_json(struct node *n, struct now now, struct buf *out);
void node_ring_json(struct node *n, struct buf *out);
void node_metadata_json(struct node *n, struct buf *out); /* cli/metadata.h has the fields */
/* Go on without nodes that are lost for ever: {"lost": [host ids], "cluster": its name}. Between
 * steps; node_metadata_json tells what comes of it. ERR_INVALID, ERR_MALFORMED, ERR_NOT_FOUND: of
 * the request; ERR_UNAVAILABLE, ERR_CLOSED: not now. All with words. */
enum err node_metadata_recover(struct node *n, struct bytes request,
                               struct errmsg *reterr) MUST_CHECK;
void node_hints_json(struct node *n, struct now now, struct buf *out);

/* When replicas were last proved equal, and what they lack; `ranges`: each pair, too. */
void node_entropy_json(struct node *n, struct now now, bool ranges, struct buf *out);

/* Repair runs (docs/repair.md has the JSON). Between steps; what is begun, the next step does.
 * id NULL: all runs of this node; else one, and all of it, or ERR_NOT_FOUND. */
enum err node_repair_json(struct node *n, struct now now, const char *id,
                          struct buf *out) MUST_CHECK;
/* ERR_INVALID, ERR_MALFORMED, ERR_NOT_FOUND, ERR_TOO_BIG: of the request; ERR_UNAVAILABLE,
 * ERR_OVERLOADED: not now. All with words. */
/* Damaged ranges of a keyspace that have no other replica are given up: {"keyspace": name,
 * "preview": true to count them}. ERR_MALFORMED, ERR_NOT_FOUND, ERR_UNAVAILABLE. */
enum err node_give_up(struct node *n, struct now now, struct bytes request, struct buf *out,
                      struct errmsg *reterr) MUST_CHECK;

enum err node_repair_start(struct node *n, struct now now, struct bytes request, struct buf *out,
                           struct errmsg *reterr) MUST_CHECK;
enum err node_repair_cancel(struct node *n, struct now now, const char *id,
                            struct errmsg *reterr) MUST_CHECK;

#endif
