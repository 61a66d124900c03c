/* history.h - what clients asked and were told, and whether it can be true.
 *
 * The oracle of the random runs. It knows nothing of Torc but its promises, and shares no code with
 * what it checks (only base).
 *
 *   partition (key) -> cells (id) -> values, the last one wins; deletes take ranges of ids
 *
 * A register is a partition with one cell; a row, an element of a set or of a map is a cell. Values
 * that are written are unique, so a value that is read names its write (cells that have no value
 * are read as HISTORY_ANY, which any write of the cell explains).
 *
 * "The last" is by the timestamp that the client gave (`stamped`; of equal ones a delete wins, then
 * the larger value), or, when the server gave it, by real time: a write is later than another one
 * that had ended when it began, if so many have acked it that one of them knew the other one,
 * whatever clocks say; and else as far as clocks allow, if it began more than the skew after that.
 * Between others nothing is demanded but that all readers agree (5).
 *
 * What is known. A write that w replicas have acked is *known by w*; so is, by r, what a read of r
 * replicas showed, because reads tell only what is durable and repair what they read before they
 * answer. They repair no more than they read: of a delete of ids 0..9 that nobody has acked, a read
 * of 4..6 makes 4..6 known, and 1 may still be there for who has not heard of the delete. So a
 * read that shows the effect of a range delete tells of the cells that it shows gone, one by one. A
 * read of r replicas must see what was known by w when it began, if w + r > replicas.
 *
 *   (1) What is read was written, before the read ended.
 *   (2) A read does not show what is older than something it must see; nor nothing where it must
 *       see something, unless a delete or an expiry can be later.
 *   (3) A slice shows all it must: a LIMIT ends it, a missing row does not. Rows in order, once.
 *   (4) What expired does not come back.
 *   (5) Of two concurrent writes the one that was seen to win has won for all. And who has seen one
 *       that is not over yet, and writes over it, has written after it.
 *
 * With timestamps of clients (2) has an exception. A delete is forgotten when all replicas have it
 * and have told each other; what is executed only then, with an older timestamp, is new, and there.
 * So a delete (or an expiry) and what it had deleted do not count against a value whose write was
 * not over when the delete was asked for: not acked, or asked for again.
 *
 *   (6) With timestamps of clients: who is told that a write is done, and not that something
 *       overrules it, can rely on it (history_end.told): what was known by enough when the write
 *       was asked, that is, by all that then acked it, cannot have been what hides it. A delete
 *       (or an expiry) can, until all replicas are known to have the write: those that acked had
 *       forgotten it, another one has not, and a read joins what it has with what they have.
 *
 * Sessions. Where w + r > replicas, (2) and (5) hold whoever asks, so each client has read your
 * writes, monotonic reads, monotonic writes and writes follow reads; the message names the one that
 * is broken. Where levels do not overlap nothing is promised to a session either.
 *
 * In the end (history_all_equal) all replicas have all: what was acked by one of them is then known
 * by all. A lost disk takes one replica from all that was known before; what nobody else is known
 * to have may be gone, or not.
 *
 * Calls come in the order of time: a write is begun when it is asked, ended when it is answered; a
 * read is judged when it is answered.
 *
 * Cost: about a microsecond a write, and for a read one for each row shown or expected.
 */
#ifndef TORC_NODE_SIM_ORACLE_HISTORY_H
#define TORC_NODE_SIM_ORACLE_HISTORY_H

#include "base/err.h"
#include "base/types.h"

#define HISTORY_REPLICAS_MAX 32
#define HISTORY_NOTHING      INT64_MIN       /* a cell that has no value */
#define HISTORY_ANY          (INT64_MIN + 1) /* it has one; which is not told */
#define HISTORY_NOBODY       UINT32_MAX      /* a client that is none of them */

struct history; /* Opaque. */

struct history_config {
    const char *name;  /* what a partition is called in messages: "register"; borrowed */
    uint32_t replicas; /* of each partition, in all data centres */
    usec skew_us;      /* server timestamps may differ so much from the order of real time */
    bool stamped;      /* timestamps are the clients' */
};

struct history *history_new(const struct history_config *config);
void history_free(struct history *h); /* accepts NULL */

/* --- writes. One has one timestamp and any number of parts, and comes to a replica as a whole: its
 * parts are in one partition of the cluster. */

/* A write begins. `stamp` counts only in a stamped history. The number is for the calls below. */
size_t history_write(struct history *h, uint32_t client, int64_t stamp, usec start);
void history_put(struct history *h, size_t write, uint64_t key, int64_t id, int64_t value);
void history_delete(struct history *h, size_t write, uint64_t key, int64_t first, int64_t last);
/* All cells, but what the same write puts, now or later, stays: assigning a whole collection. */
void history_overwrite(struct history *h, size_t write, uint64_t key);
/* What it puts is gone after so long; a second more or less, as expiry counts in seconds. */
void history_expires(struct history *h, size_t write, usec ttl_us);

struct history_end {
    usec end;
    uint32_t replicas; /* that have acked it; 0: unknown whether any */
    bool open;         /* it may still be executed, at any time */
    bool again;        /* there were several attempts. Without client timestamps each is a write */
    bool told;         /* acked, and had it been overruled already, the client would know */
};
void history_wrote(struct history *h, size_t write, const struct history_end *end);

/* --- reads */

struct history_read {
    uint32_t client;
    uint32_t replicas; /* that have answered; 0: nothing was promised, but that it was written */
    usec start, end;   /* of the attempt that was answered */
    uint64_t key;
    int64_t first, last; /* ids asked for, both included */
    uint32_t limit;      /* 0: none */
    bool descending;     /* by id */
};

struct history_row {
    int64_t id, value;
};

/* False, with the contradiction in words, when it cannot be. */
bool history_judge(struct history *h, const struct history_read *r, const struct history_row *rows,
                   size_t count, struct errmsg *why) MUST_CHECK;

/* How many of the judged reads had to show something: an older answer, which there was, would have
 * been refused. When timestamps are from clocks that are too far off, none. */
uint64_t history_held(const struct history *h);

/* The cells of a list in the order in which it shows them: an element that was appended after
 * another one had been is behind it; twice only what was appended by several attempts. With
 * `rows` of history_judge, each once. */
bool history_judge_order(struct history *h, uint64_t key, const int64_t *ids, size_t count,
                         struct errmsg *why) MUST_CHECK;

/* --- the cluster */

/* One replica of everything was lost, and is being copied from the others. */
void history_disk_lost(struct history *h, usec at);

/* All replicas of everything are equal. */
void history_all_equal(struct history *h, usec at);

#endif
