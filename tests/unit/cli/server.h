/* server.h - a server for tests of the client: a thread on a free port of 127.0.0.1 that speaks the
 * real protocol and knows one table, t (id int PRIMARY KEY, name text, tags set<text>, n double).
 *
 *   SELECT ... t                 the rows, page by page
 *   USE x, CREATE ..., WARN ...  a keyspace, a schema change, a warning
 *   SYNTAX ..., HANGUP           an error on the statement's second line, a closed connection
 *   TOKEN receipt, FULL receipt  a session's next token, and the receipt when one is wanted; FULL
 *                                is Unavailable at ALL for sessions that have a token already
 *   prepared INSERT              id 13 is refused; the first `overloaded` tries are Overloaded
 */
#ifndef TORC_TESTS_UNIT_CLI_SERVER_H
#define TORC_TESTS_UNIT_CLI_SERVER_H

#include "cli/client.h"

#include <pthread.h>

#define SERVER_COLUMNS 4

struct server_row {
    struct cql_value cells[SERVER_COLUMNS];
};

struct server {
    uint16_t port;
    int listen_fd;
    pthread_t thread;
    pthread_mutex_t lock; /* held while the thread looks at what follows */
    uint8_t version_most; /* newest version it takes */
    uint32_t hang_up_at;  /* the connection is closed at this EXECUTE; 0: never */
    uint32_t overloaded;  /* so many EXECUTE are refused first */
    struct server_row *rows;
    size_t rows_count, rows_cap;
    struct arena arena; /* of the cells */
    uint64_t executed, pages;
    enum cql_consistency consistency; /* of the last query */
};

void server_start(struct server *s, uint8_t version_most);
void server_stop(struct server *s); /* frees the rows too */

/* Make what the thread did visible here, and the other way round: before reading or after writing
 * fields while it serves. */
void server_sync(struct server *s);

/* Add a row as the server holds it; before or after it serves. */
void server_add(struct server *s, int32_t id, const char *name);

#endif
