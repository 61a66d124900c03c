/* node_client.h - connections of clients, for the files that know them. Private. */
#ifndef TORC_NODE_NODE_CLIENT_H
#define TORC_NODE_NODE_CLIENT_H

#include "node/cql/exec/exec.h"
#include "node/cql/proto/conn.h"
#include "node/cql/proto/window.h"
#include "node/node_core.h"

struct client {
    uint64_t number;
    struct endpoint from;
    struct cql_conn conn;
    char *keyspace;     /* of USE; NULL: none */
    char *user;         /* that has logged in; NULL: nobody */
    struct buf startup; /* its options, as a string map */
    uint64_t requests;
    struct buf who; /* names the client: what its driver says of itself, else this connection */
    uint32_t events;
    struct arena arena; /* of the request being decoded */
    size_t running;
    struct cql_window window;
    bool stalled; /* frames wait because too much is under way */
    bool pumping;
    bool closing;
};

/* A change that a client asked for and the metadata log has yet to decide. */
struct proposal {
    uint64_t op;
    struct arena arena;
    struct schema_change change; /* what it is if it changes anything */
};

struct clients {
    struct exec *exec;
    struct map proposals; /* op -> struct proposal */
    struct arena view[2]; /* the present view and the one before */
    size_t view_at;
    bool view_stale;
};

/* Rows of system_views (node_hints.c). */
void fill_hints(struct node *n, struct exec_rows *out, struct arena *arena);
void fill_pending_hints(struct node *n, struct exec_rows *out, struct arena *arena);

#endif
