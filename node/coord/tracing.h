/* tracing.h - what this node did for requests that a client wants to follow (TRACING ON).
 *
 * A session is one such request, named by a timeuuid. Every message that is sent for it carries the
 * name (node/wire), so whoever acts on the message knows for whom. While a node acts for a session
 * it has *entered* it; what is said then becomes an event of the session on this node. Nobody
 * collects events of others: each node writes its own to system_traces (node/node_trace.c), a
 * moment later and through the coordinator like any other write, in no session.
 *
 *   tracing_enter -> tracing_say … -> tracing_leave -> (tracing_due at `next`) written, forgotten
 *
 * Without a session nothing is kept and nothing is formatted. Bounds: TRACING_SESSIONS_MAX at once,
 * of each TRACING_EVENTS_MAX that are not written yet; what is more is not traced.
 */
#ifndef TORC_NODE_COORD_TRACING_H
#define TORC_NODE_COORD_TRACING_H

#include "base/arena.h"
#include "base/list.h"
#include "base/types.h"

#define TRACING_SESSIONS_MAX 256
#define TRACING_EVENTS_MAX   512
#define TRACING_TEXT_MAX     1024

struct trace_event {
    struct uuid id;
    usec elapsed; /* since this node heard of the session; 1 at least, cqlsh takes 0 for none */
    const char *text;
};

/* A pair of session.parameters. */
struct trace_param {
    const char *name, *value;
};

/* What the client asked; only where it asked. */
struct trace_request {
    const char *request; /* "Execute CQL3 query" */
    const char *command; /* "QUERY" */
    struct endpoint client;
    struct trace_param *params;
    size_t params_count;
    usec started; /* wall */
    usec duration;
    bool ended;
};

struct trace_session {
    struct list link; /* in tracing.sessions, the longest unused first */
    struct uuid id;
    struct now began, used;
    usec due; /* mono: when what there is will be written; USEC_NEVER: nothing */
    bool coordinates;
    struct trace_request request;
    struct trace_event *events; /* in the arena */
    size_t count, cap;
    struct arena arena; /* emptied when it is written */
    struct arena kept;  /* of `request` */
};

struct tracing {
    struct trace_session *on; /* entered; NULL: none */
    struct now now;           /* as entered */
    struct list sessions;
    size_t count;
    int64_t last_id;
    struct actor self;
    const char *(*name_table)(void *arg, table_no table); /* may be NULL, and say NULL */
    void *name_arg;
    char table[256];
};

void tracing_init(struct tracing *t);
void tracing_close(struct tracing *t);

/* A name for something that happens now: version 1, ascending on this node, of this node alone.
 * *last: the ticks of the one before. */
struct uuid timeid(int64_t *last, usec wall, struct actor self);

/* A client's request begins here. NULL: there are too many. */
struct trace_session *tracing_begin(struct tracing *t, struct now now);
struct trace_session *tracing_find(struct tracing *t, const struct uuid *id);

/* Act for this session from now on, zero: for none. Returns what was entered before, for leave. */
struct uuid tracing_enter(struct tracing *t, struct now now, const struct uuid *id);
void tracing_leave(struct tracing *t, const struct uuid *before);
struct uuid tracing_session(const struct tracing *t); /* zero: none */

void tracing_put(struct tracing *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define tracing_say(t, ...) ((t)->on != NULL ? tracing_put((t), __VA_ARGS__) : (void)0)

/* What people call a table; until the next call. */
const char *tracing_table(struct tracing *t, table_no table);

/* When something is to be written, or forgotten; USEC_NEVER. */
usec tracing_next(const struct tracing *t);
/* The next session with something to write at `now`, or NULL. Call tracing_written with each. */
struct trace_session *tracing_due(struct tracing *t, struct now now);
void tracing_written(struct tracing *t, struct trace_session *s);

#endif
