/* workload.h - what clients of a random run do, and who judges the answers.
 *
 * A workload is a file: it makes its tables, writes one request at a time, and holds the answers
 * against an oracle (node/sim/oracle) that knows only what was promised. The driver (load.c) has
 * the clients: it chooses node, level and workload of each request, waits, asks again, gives up.
 *
 *   workload_ops.schema  ->  ask -> (driver asks a node, perhaps twice) -> take  -> ... -> final
 *
 * A request is described by `struct op`; the workload fills in what it asks, the driver what
 * happened. `take` is called exactly once for each `ask`.
 */
#ifndef TORC_NODE_SIM_RUN_WORKLOAD_H
#define TORC_NODE_SIM_RUN_WORKLOAD_H

#include "base/rng.h"
#include "node/sim/sim.h"

#define WORKLOAD_CQL_MAX ((size_t)64 << 10)

/* What all workloads of a run share. */
struct workload_env {
    struct sim *sim;
    struct rng rng;
    uint32_t rf;      /* copies of each row (of a data centre's: all of them have as many) */
    uint32_t dcs;     /* data centres */
    usec skew_us;     /* server timestamps and real time are no further apart than this */
    int64_t values;   /* ++values: a number that no other request of the run uses */
    int64_t stamp;    /* the last timestamp given: workload_stamp */
    uint32_t old_ppm; /* of clients' timestamps are as old as the run; 0: as many as usual */
    uint32_t size;    /* 1 (few keys, all collide) to 100 (many) */
    uint32_t clients;
    bool direct; /* every node has all, always: who is asked executes it, and hands nothing on */
    bool calm;   /* no faults */
};

struct op {
    /* from the driver */
    unsigned client;            /* who asks: a session is all requests of one client, in order */
    unsigned node;              /* whom, at first; 0 in the final reading */
    enum cql_consistency level; /* the workload may change it before it answers */
    uint32_t replicas;          /* so many have answered when it is acked: workload_replicas */
    usec start;                 /* first asked */
    /* from the workload */
    struct buf cql; /* NUL-terminated statement; empty on entry */
    bool is_write;
    bool repeatable;     /* asking again is harmless: it has a client timestamp, or a name */
    bool serial;         /* schema changes: level means nothing */
    uint32_t deletes;    /* how many it asks for */
    uint64_t name;       /* of the request: sent again it is the same one; 0: none */
    int32_t page_size;   /* rows a page, one asked for after another; 0: all at once */
    uint64_t n[4];       /* the workload's own */
    void *own;           /* the same; freed by `take` */
    struct buf *session; /* the token that goes with it; borrowed; NULL: none */
    bool anywhere;       /* ask some node, not the one that the client is used to */
    /* from the driver */
    bool final; /* asked at ALL after healing: see what was ever acked */
};

struct answer {
    const struct sim_reply *reply; /* of the attempt that ended it; outcome is never PENDING.
                                      SIM_LOST also when the client gave up waiting */
    bool acked;                    /* reply->outcome == SIM_OK */
    bool open;  /* an attempt given up on may still be executed, at any time from now on */
    bool again; /* more than one attempt was made */
    usec end;
};

struct workload_ops {
    const char *name; /* a word, for scenario files */

    void *(*begin)(struct workload_env *env);
    void (*end)(void *w);

    /* The i-th statement that makes its tables, in keyspace `r`; false when there are no more. */
    bool (*schema)(void *w, uint32_t i, struct buf *cql);

    /* Write the next request into *op. */
    void (*ask)(void *w, struct op *op);

    /* The answer. False, with the contradiction in words, when it cannot be. */
    bool (*take)(void *w, struct op *op, const struct answer *a, struct errmsg *why);

    /* The disk of a replica was lost, and all of it is being copied from the others: what only one
     * replica had acked may be gone. May be NULL. */
    void (*disk_lost)(void *w, usec at);

    /* Grows with each answer that an oracle could have refused for showing too little. May be
     * NULL. */
    uint64_t (*held)(const void *w);

    /* After everything is healed and equal: the i-th request of the final reading, asked at ALL;
     * false when there are no more. Its answer goes to `take` with op->final set. */
    bool (*final)(void *w, uint32_t i, struct op *op);
};

/* Every workload there is, NULL at the end. */
extern const struct workload_ops *const workloads_all[];

/* Does a seed draw it among others? Those that are only asked for by name stand behind all that are
 * drawn. */
bool workload_is_drawn(const struct workload_ops *ops);

/* How many replicas have answered when a request at this level is acked. A LOCAL level counts
 * those of one data centre. */
uint32_t workload_replicas(const struct workload_env *env, enum cql_consistency level);

/* A client timestamp (microseconds) that nobody else has: mostly the present, now and then up to
 * two seconds ago. */
int64_t workload_stamp(struct workload_env *env);

/* Error answers that a fault explains; any other is a contradiction. */
bool workload_error_is_expected(enum cql_error_code code);

#endif
