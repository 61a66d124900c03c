/* rivals.h - values that stay side by side until somebody replaces them: which may be gone, and
 * which must be (tables WITH conflicts = 'siblings').
 *
 * Like history.h it knows nothing of Torc but its promises (docs/siblings.md).
 *
 *   partition (key) -> places (id) -> values, of which any number is there
 *
 * A place is a column, an element of a set or an entry of a map; values are unique, but those of
 * elements (RIVALS_ANY), which are there or not. A write puts values, and takes others away in the
 * places that it names:
 *
 *   RIVALS_NONE   none: it says that nothing was seen
 *   RIVALS_OWN    what the same writer wrote there before
 *   RIVALS_SEEN   what a read has shown, and no more: what rivals_judge gave as the context of it
 *   RIVALS_ALL    what a read that it makes itself sees
 *
 * What is known is counted as in history.h: a read of r replicas must see what w replicas have
 * acked, or a read of w has shown, if w + r > replicas. So, of each value:
 *
 *   (1) It was written, before the read that shows it ended.
 *   (2) It is shown if it must be seen, unless a write that may take it away was asked before the
 *       read ended. A write that may is one that has seen it, or of the same writer and not over
 *       before it, or RIVALS_ALL and not over before it.
 *   (3) It is not shown if a write must be seen that is sure to have taken it away; nor if a read
 *       has missed it that had to show it, and what that read saw must be seen; nor beside a value
 *       of a write that takes it away, whatever the level.
 *
 * A request that the cluster handed on may have been executed twice, under two names, and only one
 * of them replaced. It is allowed to come back then; so (3) is for writes of which that cannot be
 * (rivals_config.once, and rivals_write.twice).
 *
 * Calls come in the order of time. A write is in one partition.
 */
#ifndef TORC_NODE_SIM_ORACLE_RIVALS_H
#define TORC_NODE_SIM_ORACLE_RIVALS_H

#include "base/err.h"
#include "base/types.h"

#define RIVALS_REPLICAS_MAX 16
#define RIVALS_ANY          (INT64_MIN + 1) /* the value of an element */
#define RIVALS_CROWD        40u /* with so many values in a place the least may go at any time */

struct rivals; /* Opaque. */

struct rivals_config {
    const char *name;  /* of a partition, in messages; borrowed */
    uint32_t replicas; /* of each partition */
    bool once;         /* who is asked executes the write himself: nothing is handed on */
};

struct rivals *rivals_new(const struct rivals_config *config);
void rivals_free(struct rivals *r); /* accepts NULL */

/* What a read has seen of a partition. Plain memory: mem_free it. */
struct rivals_context {
    size_t count;
    struct {
        size_t value;
        bool sure; /* else it may have been another one that looks the same */
    } seen[];
};

/* --- writes */

enum rivals_taking { RIVALS_NONE, RIVALS_OWN, RIVALS_SEEN, RIVALS_ALL };

struct rivals_write {
    uint64_t key;
    uint64_t writer;
    enum rivals_taking taking;
    const struct rivals_context *context; /* of RIVALS_SEEN; copied as far as needed */
    uint32_t reads;                       /* RIVALS_ALL: so many replicas answer its read */
    bool twice;                           /* it may be executed more than once */
    usec start;
};

/* A write begins. The number is for the calls below. */
size_t rivals_begin(struct rivals *r, const struct rivals_write *w);
void rivals_put(struct rivals *r, size_t write, int64_t id, int64_t value);
void rivals_take(struct rivals *r, size_t write, int64_t id); /* empties the place */

struct rivals_end {
    usec end;
    uint32_t replicas; /* that have acked it; 0: unknown whether any */
    bool open;         /* it may still be executed, at any time */
    bool refused;      /* it was not executed, and will not be */
};
void rivals_wrote(struct rivals *r, size_t write, const struct rivals_end *end);

/* How many values were put into a partition. */
size_t rivals_count(const struct rivals *r, uint64_t key);

/* --- reads */

struct rivals_read {
    uint64_t key;
    uint32_t replicas; /* that have answered; 0: nothing was promised, but that it was written */
    usec start, end;
};

struct rivals_shown {
    int64_t id, value;
};

/* A read of a whole partition. False, with the contradiction in words, when it cannot be; else what
 * it has seen, to be freed, in *ret (NULL: not asked for). */
bool rivals_judge(struct rivals *r, const struct rivals_read *read,
                  const struct rivals_shown *shown, size_t count, struct rivals_context **ret,
                  struct errmsg *why) MUST_CHECK;

/* How many of the reads had to show something, or something not. */
uint64_t rivals_held(const struct rivals *r);

/* --- the cluster: as history.h */

void rivals_disk_lost(struct rivals *r, usec at);
void rivals_all_equal(struct rivals *r, usec at);

#endif
