/* coord_ask.h - the stamp of an operation: above all that a quorum of the replicas has. For the
 * files of the coordinator, which include coord_core.h; coord_ask.c has the argument. */
#ifndef TORC_NODE_COORD_COORD_ASK_H
#define TORC_NODE_COORD_COORD_ASK_H

#include "node/coord/coord.h"

struct due;
struct pending;

/* What an operation writes of one partition. Borrowed until who asks has the answer. */
struct ask_of {
    keyspace_no keyspace;
    const struct part *part;
    const struct supersede *supersede;
    bool asked; /* set: a quorum is asked for it */
};

struct write_op;
struct batch;
struct cas;
struct ask;

struct ask_request {
    struct ask_of *of;
    size_t count;
    enum level level;
    int64_t stamp; /* the server's, in the parts */
    int64_t until; /* by when it is answered: not raised above */
    usec end_mono;
    struct write_op *write; /* who asks, or */
    struct batch *batch;    /* or */
    struct cas *cas;
};

struct asked {
    enum err err;            /* OK; FAILED, TIMEOUT: nothing was written */
    const struct ask_of *of; /* the request's */
    int64_t stamp;
    int64_t limit; /* as in struct run; INT64_MIN: nobody was asked */
    bool beyond;   /* something above the limit was there already */
    uint32_t required, failures;
};

/* ERR_OK: *ret is what it comes to. ERR_BEHIND: write_asked, batch_asked or cas_asked gets it,
 * until *ret_ask is called off (NULL: it is not to be). Else it has failed. */
enum err ask_start(struct coord *c, const struct ask_request *r, struct asked *ret,
                   struct ask **ret_ask);
void ask_call_off(struct coord *c, struct ask *a);

struct ask *ask_of_pending(struct pending *p);
struct ask *ask_of_due(struct due *due);
void ask_told(struct coord *c, struct now now, struct ask *a, node_no from, enum err err,
              uint64_t epoch, const struct wire_maximum_tell *m);
void ask_peer_lost(struct coord *c, struct now now, struct ask *a, node_no node);
void ask_plan_anew(struct coord *c, struct now now, struct ask *a);
void ask_expired(struct coord *c, struct now now, struct ask *a);
void ask_close(struct coord *c, struct ask *a); /* at shutdown, with who asks */
usec ask_end(const struct ask *a);

/* A peer asks. */
void replica_maximum(struct coord *c, node_no from, const struct wire_maximum_ask *m);

/* Is its stamp to be asked for? */
bool write_asks(const struct coord_write *w);
void write_asked(struct coord *c, struct now now, struct write_op *op, const struct asked *a);
void write_close(struct coord *c, struct write_op *op);
void batch_asked(struct coord *c, struct now now, struct batch *b, const struct asked *a);
void batch_close(struct coord *c, struct batch *b);
void cas_asked(struct coord *c, struct now now, struct cas *s, const struct asked *a);
void cas_close(struct coord *c, struct cas *s);

#endif
