/* sessions.h - what a client that carries a token may rely on, whomever it asks, at any level.
 *
 * Like history.h it knows nothing of Torc but its promises (docs/sessions.md).
 *
 *   partition (key) -> cells (id) -> values, of which the one with the largest timestamp wins
 *
 * Values are unique, and a read tells the timestamp of each. So what a session has seen of a cell
 * is a *floor*: a timestamp below which it is shown nothing any more. A read raises it (monotonic
 * reads), and so does a write of the session that was acked (read your writes). When the timestamp
 * is a server's it is not known before somebody has read it; but it is above all that the session
 * had seen there, so none of that is shown again, nor an earlier write of the session (monotonic
 * writes).
 *
 * Nothing where there is a floor means that a delete has come, which is at or above it.
 *
 * With timestamps of clients: a delete is forgotten when all replicas have it and have told each
 * other. What is executed only then, with an older timestamp, is new. So a value may be below the
 * floor when its write was not over when some delete at or above the floor was asked for.
 *
 * Others (sessions_config.calm): who is shown a write of a session is shown, in the same partition,
 * what the session had seen when it wrote. That is promised where writes come as messages, so it is
 * asked for in runs without faults only.
 *
 * A lost disk may take what only one replica had acked or shown: all floors begin anew.
 *
 * Calls come in the order of time; a session has one request at a time.
 */
#ifndef TORC_NODE_SIM_ORACLE_SESSIONS_H
#define TORC_NODE_SIM_ORACLE_SESSIONS_H

#include "base/err.h"
#include "base/types.h"

struct sessions; /* Opaque. */

struct sessions_config {
    uint32_t clients; /* at most; each is one session */
    bool once;        /* who is asked executes a write himself, and once */
    bool calm;        /* no faults */
};

struct sessions *sessions_new(const struct sessions_config *config);
void sessions_free(struct sessions *s); /* accepts NULL */

/* --- writes: of one value into one cell, or a delete of all cells from `first` to `last` */

struct sessions_write {
    uint32_t client;
    uint64_t key;
    int64_t first, last;
    bool is_delete;
    int64_t value;
    int64_t stamp; /* of the client; 0: the server's. All of a partition are of one kind */
    usec start;
};
size_t sessions_write(struct sessions *s, const struct sessions_write *w);

struct sessions_end {
    usec end;
    bool acked; /* and not with a warning that it is not visible */
    bool open;  /* it may still be executed, at any time */
};
void sessions_wrote(struct sessions *s, size_t write, const struct sessions_end *end);

/* --- reads */

struct sessions_read {
    uint32_t client;
    uint64_t key;
    int64_t first, last; /* ids asked for */
    usec start, end;
};

struct sessions_row {
    int64_t id, value, stamp;
};

/* False, with the contradiction in words, when it cannot be. */
bool sessions_judge(struct sessions *s, const struct sessions_read *read,
                    const struct sessions_row *rows, size_t count, struct errmsg *why) MUST_CHECK;

/* Cells read that had a floor. */
uint64_t sessions_held(const struct sessions *s);

/* The client begins a new session. */
void sessions_anew(struct sessions *s, uint32_t client);
void sessions_disk_lost(struct sessions *s, usec at);

#endif
