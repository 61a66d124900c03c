/* client.h - one connection to a node, for a program that waits for its answers.
 *
 * client_ask is one request and its answer. client_put and client_wait are for many in flight: the
 * caller picks streams below CLIENT_STREAM_ASK, each in use by one request at a time. Answers to
 * requests that nobody waits for any more are dropped.
 *
 * An answer borrows from the connection until the next client_wait or client_ask (client_put leaves
 * it valid), its arrays from the arena given.
 */
#ifndef TORC_CLI_CLIENT_H
#define TORC_CLI_CLIENT_H

#include "node/cql/proto/conn.h"
#include "node/cql/proto/request.h"
#include "node/cql/proto/response.h"

#define CLIENT_STREAM_ASK 16384
#define CLIENT_OUT_MAX    ((size_t)64 << 20)

struct client_config {
    const char *host;
    uint16_t port;
    const char *username; /* NULL: a server that asks for it is refused */
    const char *password;
    uint8_t version; /* of the protocol; 0: 5, or 4 when the server has no 5 */
    usec connect_timeout;
    usec request_timeout;
};

struct client {
    struct client_config config;
    char host[256];
    int fd; /* -1: not connected */
    struct cql_conn conn;
    int16_t next_stream;
    uint8_t *chunk; /* what is read from the socket */
};

/* Connect, introduce ourselves, and log in when the server asks who we are. The texts of the config
 * but for the host must live as long as the client. On failure nothing is left open. */
enum err client_open(struct client *c, const struct client_config *config,
                     struct errmsg *reterr) MUST_CHECK;
void client_close(struct client *c); /* accepts a zeroed or closed one */
bool client_is_open(const struct client *c);

/* Put a request to be sent by the next client_wait. ERR_TOO_BIG: it, or what waits, is too long. */
enum err client_put(struct client *c, int16_t stream, const struct cql_request *request,
                    struct errmsg *reterr) MUST_CHECK;

/* Bytes put and not yet sent: whoever puts many should wait when they are many. */
size_t client_unsent(const struct client *c);

/* Send what goes without waiting. A lost connection is noticed by the next client_wait. */
void client_flush(struct client *c);

/* Send what was put and take the next answer. ERR_TIMEOUT at the deadline (the connection lives),
 * ERR_REFUSED when interrupted, anything else: the connection is closed. */
enum err client_wait(struct client *c, usec deadline, struct arena *a, int16_t *ret_stream,
                     struct cql_response *ret_response, struct errmsg *reterr) MUST_CHECK;

/* One request and its answer, which may be an ERROR. */
enum err client_ask(struct client *c, const struct cql_request *request, struct arena *a,
                    struct cql_response *ret_response, struct errmsg *reterr) MUST_CHECK;

/* A query without values; ERROR answers become ERR_INVALID and words. For what the shell itself
 * wants to know. */
enum err client_query(struct client *c, const char *text, struct arena *a,
                      struct cql_response *ret_response, struct errmsg *reterr) MUST_CHECK;

/* What an ERROR says to a person, in the words of cqlsh (error.c). */
void client_error_text(const struct cql_error *error, struct buf *out);

#endif
