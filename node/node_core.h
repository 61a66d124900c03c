/* node_core.h - what the files of the node core share; nobody else includes it.
 *
 *   node.c         making, stepping, the order in which cores are heard
 *   node_peer.c    messages to and from other nodes; who is alive
 *   node_meta.c    what an applied metadata entry changes here: cluster view, schema, moves, drops
 *   node_client.c  CQL connections and the executor
 *   node_events.c  what registered clients are told
 *   node_views.c   rows of system_views
 *   node_auth.c    passwords, and the first role
 *   node_report.c  metrics, status, ring
 *   node_metadata.c  who votes; going on without a majority that is lost
 *   node_heal.c    how healing is set up, and what it tells people
 *   node_repair.c  repair runs, and how people ask for them
 *   node_entropy.c when replicas were last proved equal, and what was found
 */
#ifndef TORC_NODE_NODE_CORE_H
#define TORC_NODE_NODE_CORE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/omap.h"
#include "base/rng.h"
#include "gossip/gossip.h"
#include "node/coord/coord.h"
#include "node/cql/proto/response.h"
#include "node/heal/heal.h"
#include "node/node.h"
#include "node/repair/repair.h"
#include "node/schema/schema.h"

#define NODE_TICKET      (UINT64_C(4) << 60)
#define META_TICKET      (UINT64_C(3) << 60)
#define TICKET_OWNER(t)  ((t) & (UINT64_C(15) << 60))
#define TICKET_NUMBER(t) ((t) & ~(UINT64_C(15) << 60))

#define FACT_BOOT "n/boot"

#define APPLIED_KEPT 64
#define BUSY_AT      8 /* operations under way: then what can wait waits */

/* Things that one core said and another must hear, once the first has returned. */
struct todo {
    enum todo_type {
        TODO_META_APPLIED,
        TODO_META_DONE,
        TODO_META_PHASE,
        TODO_MESSAGE, /* to ourselves */
    } type;
    uint32_t changes;
    uint64_t request;
    uint64_t slot;
    enum err err;
    struct bytes bytes; /* in the step's arena */
    const char *text;
};

/* What the node knows of another one beyond topology. */
struct peer {
    node_no node;
    bool gossip_alive;
    bool link_down;
    bool replaced;   /* another node takes its place, or it was given up: it is dead, whatever is
                        heard */
    usec down_since; /* mono; when link_down */
    int64_t ahead, ahead_before; /* of our wall clock, us: the best since, and in the time before */
    usec ahead_until;            /* mono; 0: nothing heard */
    bool clock_refused;          /* it was too far ahead when it was last heard */
    uint64_t sent, sent_bytes;   /* messages, since we started */
    uint64_t received, received_bytes;
};

/* A link that has just broken is not believed to be mended for so long: datagrams that were on
 * their way, or that still pass where connections do not, would have it flip with every one of
 * them. */
#define LINK_DOWN_LEAST (250 * USEC_PER_MS)

/* A table whose data, or (index > 0) an index whose entries, are being removed. */
struct node_drop {
    table_no table;
    index_no index;
};

struct index_of; /* node_meta.c */

/* What a node that takes over ranges fetches: rows (healing), and registers of IF (coord). */
enum moved { MOVED_ROWS, MOVED_REGISTERS, MOVED_COUNT };

enum clock_fault { CLOCK_GOOD, CLOCK_AHEAD, CLOCK_BEHIND };
enum node_run {
    RUN_STARTING,
    RUN_READY,
    RUN_DRAINING,
    RUN_FAILED,
    RUN_OUT, /* the cluster has gone on without us: nobody is served any more */
};

struct clients;
struct cql_event;
struct exec;
struct exec_effect;
struct exec_stats;

struct node {
    struct node_config config;
    struct rng rng;
    struct now now; /* of the running step */
    struct store *store;
    struct engine *engine;
    struct cluster *cluster;
    struct coord *coord;
    struct heal *heal;
    struct repair *repair;
    struct omap found; /* by sessions, of pairs that differ or did; node_entropy.c */
    struct meta *meta;
    struct gossip *gossip;
    struct clients *client_state; /* executor, proposals, what the executor sees */

    struct uuid host_id;
    uint32_t boot;
    bool boot_durable;
    bool life_checked; /* nobody knew of this boot when we came */
    enum node_run run;
    bool draining, drained;
    int64_t hlc;      /* the last timestamp given out or accepted, us */
    int64_t hlc_kept; /* on disk: a restart begins no lower */
    uint64_t hlc_refused;
    enum clock_fault clock_fault; /* of ours, as last told to the log, */
    char clock_text[256];         /* and to clients, and in the status */
    usec clock_off;               /* so far is ours ahead of the others, when it is wrong; else 0 */
    uint64_t damage_told;         /* reads that met damage, as far as the log has told of them */
    uint64_t hints_lost_told;     /* ... hints that are lost */
    bool hints_untold;            /* ... and that who has their ranges is yet to be told */
    bool mend_asked;              /* the shell is to open the store anew */
    usec damage_next;             /* when it may tell of more */
    usec place_next;              /* look then at what is kept beside the store */
    struct buf place;             /* what the shell was told to keep there */
    uint64_t batches_told;        /* kept batches that are damaged, likewise */
    usec pins_next;               /* when to look for dead nodes that keep deletions */
    uint64_t load;                /* bytes on our disk */
    const struct schema *schema;  /* the one the cores know */
    usec started;                 /* mono */
    struct peer *peers;           /* by node number */
    size_t peers_count, peers_cap;
    struct node_drop *drops;
    size_t drops_count, drops_cap;
    struct index_of *indexes; /* of the schema */
    bool building;            /* some of them */
    struct {
        uint64_t slot;
        uint32_t changes;
    } applied[APPLIED_KEPT]; /* what the last entries changed, for who proposed them */
    uint64_t finish_request; /* our STEP that waits for its answer */
    uint64_t finish_epoch;   /* the ring_epoch that it is for: that we have pulled for */
    usec finish_retry;
    usec role_retry;                      /* when to look for the first role; node_auth.c */
    node_no voters[TOPOLOGY_MEMBERS_MAX]; /* as last told to the log */
    uint32_t voters_count;
    uint64_t moving_epoch;             /* the ring_epoch healing was told of */
    uint64_t taken_epoch[MOVED_COUNT]; /* for which ring_epoch what is here */

    struct map clients;     /* by number; node_client.c */
    bool taking;            /* the executor's effects are being performed */
    size_t clients_running; /* requests not answered yet */
    uint64_t requests;      /* numbers for operations and proposals */

    struct node_effect *effects;
    size_t effects_count, effects_cap;
    struct todo *todos;
    size_t todos_count, todos_cap, todos_at;
    struct arena arena; /* of the running step and its effects */
    struct metrics metrics;
};

/* --- node.c */
struct node_effect *node_append(struct node *n, enum node_effect_type type);
void node_log(struct node *n, bool warning, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct todo *node_todo(struct node *n, enum todo_type type);
void node_meta_event(struct node *n, struct meta_event *event); /* fills in now */
void node_gossip_event(struct node *n, struct gossip_event *event);

void node_check_ready(struct node *n);

/* --- node_peer.c */
void peer_receive(struct node *n, const struct endpoint *from, struct bytes bytes);
void peer_send(struct node *n, const struct endpoint *to, struct wire_message *m);
void peer_send_node(struct node *n, node_no to, const struct wire_message *m);
void peer_link(struct node *n, const struct endpoint *from, bool up);
void peer_find_replaced(struct node *n); /* in the topology; after each change of it */
void peer_gossip_effects(struct node *n, const struct gossip_effects *effects);
bool peer_is_alive(const struct node *n, node_no node);

/* --- node_clock.c */
/* A timestamp (us) larger than all given out or seen, and not behind the wall clock. */
int64_t node_timestamp(struct node *n);
void clock_start(struct node *n);
void clock_keep(struct node *n);                               /* before each write of a client */
int64_t clock_tell(struct node *n);                            /* what a message of ours says */
void clock_heard(struct node *n, struct peer *p, int64_t hlc); /* p: NULL when of nobody we know */
/* What a client's token says of the clocks it has met. False: it is too far ahead. */
bool clock_follow(struct node *n, int64_t hlc);
/* The next timestamp that is above all in these rows, too. */
int64_t clock_above(struct node *n, const struct scan_result *rows);
/* Why no timestamp is given; NULL: it is. Lives as long as the node, and may be of a later moment
 * by then. */
const char *clock_problem(struct node *n);
/* The time as most others have it, where ours is wrong: what has expired, and what now() gives. */
struct now clock_as_others(const struct node *n);
int64_t clock_latest(const struct node *n); /* of ours, theirs and the hybrid one */

/* --- node_meta.c */
void meta_applied(struct node *n, uint32_t changes);
void meta_caught_up(struct node *n);
void meta_watch_move(struct node *n);
void meta_store_boot(struct node *n); /* durable with the node's ticket of that number */
void meta_new_life(struct node *n);
void meta_life_begins(struct node *n);
bool meta_life_is_new(struct node *n); /* else the next one will be */
/* What came of our STEP. */
void meta_finish_answered(struct node *n, enum err err, const char *text);
/* Of what this node takes over at ring_epoch, one half is here: when both are, it says so. */
void meta_taken_over(struct node *n, enum moved what, uint64_t ring_epoch);
void meta_finish_again(struct node *n);
void meta_drop_some(struct node *n);
void meta_build_some(struct node *n); /* of what new indexes lack */
void meta_load_drops(struct node *n);
enum err meta_load_facts(struct node *n, struct arena *arena, struct meta_fact **ret_facts,
                         size_t *ret_count);

/* --- node_client.c */
void client_open(struct node *n, uint64_t number, const struct endpoint *from);
void client_bytes(struct node *n, uint64_t number, struct bytes bytes);
void client_closed(struct node *n, uint64_t number);
void client_coord_done(struct node *n, uint64_t op, const struct coord_result *result);
void client_meta_done(struct node *n, uint64_t request, enum err err, uint32_t changes,
                      const char *message);
void client_close_all(struct node *n);
bool client_take(struct node *n); /* false: the executor had nothing to say */
void client_view_changed(struct node *n);
struct exec_stats client_exec_stats(const struct node *n);
/* To every connection that wants it; and the executor sees what there is now. */
void client_broadcast(struct node *n, const struct cql_event *event);
void client_view_now(struct node *n);

struct exec *client_exec(struct node *n);
bool client_refresh_view(struct node *n); /* false: there is nothing to see yet */
void client_init(struct node *n);
void client_free_all(struct node *n);
bool client_any_running(const struct node *n);
size_t client_held_bytes(const struct node *n);
size_t client_proposals(const struct node *n);

/* --- node_events.c */
void client_schema_changed(struct node *n, const struct schema *before, const struct schema *after);
void client_status_changed(struct node *n, node_no node, bool up);
void client_topology_changed(struct node *n, const struct endpoint *cql, bool added);

/* --- node_views.c */
void views_init(struct node *n);

/* --- node_auth.c */
void auth_setup(struct node *n);
void auth_setup_done(struct node *n, bool good);
void auth_password(struct node *n, const struct exec_effect *e);
void auth_password_done(struct node *n, const struct node_event *event);

/* --- node_report.c */
void report_init(struct node *n);
void report_failure(struct node *n); /* of the store, once, to the log and the others */
void report_batches(struct node *n);
bool node_asks_for_mending(struct node *n); /* then it is over in this step */
void node_place_look(struct node *n);       /* node_place.c; each step */
void report_lost_accounts(struct node *n);  /* at its start */
void report_range_damage(struct node *n, const struct heal_effect *e);
/* What is damaged here, for a person. False: nothing. */
const char *node_damaged_text(struct node *n, node_no node, token at); /* for a client */
bool node_damage_text(struct node *n, char *out, size_t size);
/* The store's failure, and what a person can do; in the arena. */
const char *store_failure_text(struct node *n);
void report_damage(struct node *n); /* to the log, what has come since */
void report_pins(struct node *n);
void report_lost_hints(struct node *n);
/* What a person is to know of lost hints. False: nothing. */
bool node_lost_hints_text(struct node *n, struct now now, char *out, size_t size);
void node_metric_malformed(struct node *n);

/* --- node_metadata.c */
void metadata_retire(struct node *n);  /* removed, or of an older generation */
void metadata_applied(struct node *n); /* tells the log when others vote now */

/* --- node_repair.c */
void healing_init(struct node *n, const struct node_config *config);
void healing_free(struct node *n);
bool runs_take(struct node *n);                                  /* false: it had nothing to say */
void runs_compared(struct node *n, const struct heal_effect *e); /* of one range, or of all */
void runs_deadline(struct node *n);
usec runs_due(const struct node *n);
struct exec_rows;
void runs_fill(struct node *n, struct exec_rows *out, struct arena *arena);
void differences_fill(struct node *n, struct exec_rows *out, struct arena *arena);

/* --- node_entropy.c */
void entropy_compared(struct node *n, const struct heal_effect *e);
void entropy_fill(struct node *n, struct exec_rows *out, struct arena *arena);

/* --- node_heal.c */
void healing_storage(const struct node_config *c, struct engine_config *ret);
void healing_host(struct node *n); /* what coordination asks of healing (node/coord/heal_host.h) */
void report_different(struct node *n, const struct heal_effect *e); /* rows, or a leaf */

#endif
