/* core.h - what the files of the simulator share; nobody else includes it.
 *
 *   sim.c     making, the queue of events, time, the turn of a node
 *   process.c starting, stopping, killing, pausing
 *   clock.c   the clocks of a machine
 *   disk.c    what goes wrong with disks
 *   net.c     datagrams and links
 *   client.c  a CQL client on each node
 *   watch.c   what must be true of all nodes at every moment
 *   trace.c   what was traced, and what a story expects
 *   check.c   replicas side by side
 *   bounds.c  what may wait, and how much of it
 *   lost.c    rows that are gone from one replica
 *   compare.c sessions by trees that are asked for; compare_wire.c: what they send
 *   repairs.c repair runs that are asked for
 */
#ifndef TORC_NODE_SIM_CORE_H
#define TORC_NODE_SIM_CORE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "node/cql/proto/conn.h"
#include "node/sim/sim.h"
#include "storage/store_mem.h"

enum event_type {
    EVENT_MESSAGE,     /* from -> node over a link */
    EVENT_DATAGRAM,    /* from -> node */
    EVENT_LINK_LOST,   /* the link node -> from is found broken, unless it is another one by now */
    EVENT_TURNED_AWAY, /* something sent from node to `from` was refused at once */
    EVENT_SYNC,        /* the disk of node has done what it was doing */
    EVENT_TURN,        /* a slow node gets to what has come meanwhile */
    EVENT_SENT,        /* the first message that waits at node for `from` is on the wire */
    EVENT_TO_NODE,     /* bytes of our client */
    EVENT_TO_CLIENT,   /* bytes of the node */
};

struct event {
    usec at;
    uint64_t order;
    enum event_type type;
    unsigned node;
    unsigned from;
    uint64_t life;   /* of the receiving process, link or connection: gone, the event is void */
    uint64_t link;   /* MESSAGE: life of the link it came over; SENT: the number of the sending */
    uint32_t client; /* TO_NODE, TO_CLIENT: what of the connection; enum in client.c */
    uint8_t *data;
    size_t len;
};

/* The two clocks of a machine, by virtual time; the wall clock is the monotonic one and so much. */
struct clocks {
    usec since; /* they have run at this speed since then, */
    usec mono;  /* when the monotonic one said this */
    usec wall;  /* ahead of the monotonic one */
    int32_t ppm;
};

/* What lies between two machines, one way. */
struct wire {
    bool cut;             /* nothing passes */
    usec extra;           /* everything takes longer */
    uint64_t bytes_per_s; /* 0: no bound */
    usec datagrams_upto;  /* those before are through at that time */
};

/* A TCP connection from one node to another. */
struct link {
    enum { LINK_NONE, LINK_OPEN } state;
    uint64_t life;      /* of this connection */
    uint64_t peer_life; /* of the process at the other end */
    usec last;          /* arrival of the last message: later ones come after it */
    usec retry;         /* NONE: refused until then */
    usec backoff;
    bool doubtful;      /* something is not acknowledged: a LINK_LOST is on its way */
    struct event *held; /* not on the wire yet, in order, from held_at on */
    size_t held_at, held_count, held_cap;
    size_t held_bytes;
    uint64_t sending; /* the first of them is being put on the wire, under this number; or 0 */
    size_t unheard;   /* bytes that the peer's kernel has taken, or will, and its process not yet */
};

struct question {
    uint64_t number;
    unsigned node;
    int16_t stream;
    struct arena arena;
    struct bytes text; /* what follows is in the arena */
    enum cql_consistency level;
    int32_t page_size; /* 0: all at once */
    uint64_t name;     /* 0: none */
    bool of_session, wants_receipt;
    struct bytes session;
    bool traced;
    uint8_t flags;          /* of the frame */
    struct bytes body;      /* of the request for the next page */
    struct sim_cell *cells; /* of the reply */
    size_t cells_cap;
    struct sim_reply reply;
};

#define SIM_WARNINGS_MAX 16

/* Our connection to a node. */
struct sim_client {
    uint64_t number; /* of the connection, 0: none */
    struct cql_conn conn;
    uint64_t accepted;      /* the connection that the node has open, 0: none */
    bool ready;             /* STARTUP is answered */
    usec last_in, last_out; /* arrivals, so that bytes stay in order */
    struct event *unread;   /* arrived while the node is too busy to read, from unread_at on */
    size_t unread_at, unread_count, unread_cap;
    bool reading;           /* an event is on its way to go on with them */
    struct question **open; /* unanswered, in the order asked */
    size_t open_count, open_cap;
    int16_t streams;
    struct sim_warning {
        char text[SIM_LINE_MAX];
        usec at;
    } warnings[SIM_WARNINGS_MAX]; /* the last of each text */
    size_t warnings_count;
};

struct machine {
    struct node *node; /* NULL: down */
    struct store *store;
    struct store *backup; /* an older copy of it; NULL: none */
    uint64_t life;        /* of the process; 0 before the first */
    bool paused;
    bool powered; /* down and not powered: silent, else it refuses */
    bool drained;
    char dc[16], rack[16];
    struct errmsg why_down; /* when it could not start */
    struct {
        bool armed;
        size_t effects;
    } crash; /* in the middle of a turn, after so many effects */
    usec turn_us;
    bool turn_comes; /* an EVENT_TURN is on its way */
    struct clocks clocks;
    struct {
        bool syncing;
        size_t groups; /* that it is syncing */
        usec sync_us;  /* 0: as all */
        bool full;
    } disk;
    bool knows_host_id;
    struct uuid host_id;
    node_no number;      /* in the cluster */
    usec deadline_mono;  /* of the node */
    usec deadline;       /* the same in virtual time, not before its last turn + 1 */
    uint32_t idle_turns; /* deadlines in a row at which time stood still */
    struct tracer tracer;
    struct sim *sim;
    struct event *held; /* while paused or slow */
    size_t held_count, held_cap;
    struct link links[SIM_NODES_MAX + 1]; /* to each other node */
    struct wire wires[SIM_NODES_MAX + 1]; /* from here to there */
    struct sim_client client;
};

struct comparison;   /* compare.c */
struct session_seen; /* compare_wire.c */

/* Partitions that are gone from the disk of one node. */
struct lost {
    unsigned node; /* 0: none */
    struct lost_part {
        keyspace_no keyspace;
        range_no range;
        table_no table;
        token token;
        uint8_t *key; /* owned */
        size_t len;
    } * parts;
    size_t count, cap;
    bool any; /* ever */
};

struct slot { /* of the queue */
    usec at;
    uint64_t order;
    struct event *event;
};

struct sim {
    struct sim_config config;
    struct rng rng;      /* network and disk */
    struct rng user_rng; /* sim_rng */
    usec time;
    uint64_t orders, lives, hash, events;
    bool damaged; /* bits of a disk were turned, or rows went from it */
    struct slot *heap;
    size_t heap_count, heap_cap;
    struct event **spare; /* events not in the heap */
    size_t spare_count, spare_cap;
    unsigned count;
    struct machine machines[SIM_NODES_MAX + 1]; /* [0] is nobody */

    struct watch *watch; /* NULL: none */
    struct lost lost;
    struct comparison *comparisons[SIM_NODES_MAX + 1]; /* compare.c */
    struct session_seen *seen;                         /* compare_wire.c */
    struct sim_crossed crossed;
    struct sim_repairs repairs;
    struct errmsg session_problem;

    struct map questions; /* number -> struct question */
    uint64_t numbers;
    uint64_t last_asked; /* of sim_cql */
    struct buf *session; /* the caller's */
    bool receipts;
    struct buf said;
    struct arena scratch;

    char *words;
    struct buf lines; /* recorded: NUL-terminated texts */
    size_t lines_count;
};

#define CQL_PORT       9042
#define INTERNODE_PORT 7000
#define SIM_WALL       ((usec)1767225600 * USEC_PER_SEC) /* where wall clocks begin: 2026-01-01 */

/* --- sim.c */
void queue_push(struct sim *s, struct event e); /* data is owned by the queue from now on */
struct machine *machine_of(const struct sim *s, unsigned node);
struct endpoint endpoint_of(unsigned node, uint16_t port);
unsigned node_at(const struct sim *s, const struct endpoint *e); /* 0: no machine of ours */
/* One event of the node, and all that follows from it. The process may be gone afterwards. */
void turn(struct sim *s, unsigned node, struct node_event *event);
void set_deadline(struct sim *s, struct machine *m, bool was_deadline);
void hold(struct machine *m, struct event e);
void release_held(struct sim *s, struct machine *m);
usec delay(struct sim *s, usec least, usec jitter);
void mix(struct sim *s, uint64_t value);

/* --- process.c */
void power_cut(struct sim *s, unsigned node);
void process_free_held(struct machine *m);

/* --- clock.c */
void clocks_init(struct clocks *c, unsigned node);
struct now clocks_read(const struct clocks *c, usec time);

/* The first moment at which the monotonic clock says so; before `since`: that. */
usec clocks_when(const struct clocks *c, usec mono);

/* --- net.c */
void net_send(struct sim *s, unsigned from, unsigned to, struct bytes bytes);
void net_datagram(struct sim *s, unsigned from, unsigned to, struct bytes bytes);
void net_arrive(struct sim *s, const struct event *e);
void net_sent(struct sim *s, const struct event *e);
void net_process_gone(struct sim *s, unsigned node, bool silent);
void net_close(struct sim *s);

/* --- client.c */
void client_out(struct sim *s, unsigned node);                      /* the node has bytes for us */
void client_hang_up(struct sim *s, unsigned node, uint64_t number); /* by the node */
void client_node_gone(struct sim *s, unsigned node);
void client_read_on(struct sim *s, unsigned node); /* after a turn */
void client_arrive(struct sim *s, const struct event *e);
void client_close(struct sim *s);

/* --- lost.c */
bool rows_are_lost(const struct sim *s, unsigned node, table_no table, struct bytes key);
/* The node is not whole there, and may claim what somebody has lost. */
bool rows_may_lack(const struct sim *s, unsigned node, keyspace_no keyspace, range_no range);
void rows_lost_disk(struct sim *s, unsigned node); /* it is empty, or another one */
void rows_lost_close(struct sim *s);

/* --- compare.c */
void compare_go_on(struct sim *s); /* after each event */
void compare_close(struct sim *s);

/* --- compare_wire.c */
void compare_sends(struct sim *s, unsigned from, struct bytes message);
void compare_crosses(struct sim *s, unsigned from, unsigned to, struct bytes message);

/* The session of a is over: its figures are those of the wire. */
void compare_over(struct sim *s, unsigned a, const struct heal_compared *c);
void compare_wire_close(struct sim *s);

/* --- repairs.c */
void repairs_process_gone(struct sim *s, unsigned node); /* it is about to be */

/* --- watch.c */
void watch_store(struct sim *s, unsigned node); /* the machine has a new store */

/* --- trace.c */
void trace_line(void *machine, struct now now, const char *line);
void trace_event(struct sim *s, unsigned node, const struct node_event *e);

#endif
