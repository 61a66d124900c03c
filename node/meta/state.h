/* state.h - what the log's entries make: topology, schema and the recent results.
 *
 * state_apply is a pure function of (state, slot, entry): preconditions are judged against the
 * state before the slot, so an entry comes to the same result on every node. An entry id among the
 * recent results takes no effect again.
 *
 * Ownership: the state owns its topology and results and one reference to its schema.
 */
#ifndef TORC_NODE_META_STATE_H
#define TORC_NODE_META_STATE_H

#include "node/meta/command.h"
#include "node/schema/schema.h"

#define STATE_RESULTS_MAX 256 /* how long an entry id is remembered, in slots */
#define STATE_MESSAGE_MAX 255
#define STATE_BYTES_MAX   ((size_t)24 << 20) /* of a snapshot; must fit into a wire message */

/* What an entry came to. */
struct result {
    struct uuid id;
    uint64_t slot;
    enum err err;
    char message[STATE_MESSAGE_MAX + 1];
};

struct state {
    struct topology topology;
    const struct schema *schema;
    struct result results[STATE_RESULTS_MAX]; /* that of slot s at s % STATE_RESULTS_MAX */
};

/* What an applied entry changed; `changes` are enum meta_change bits (meta.h). */
struct state_change {
    uint32_t changes;
    enum err err;
    keyspace_no keyspace;
    table_no table;
};

void state_init(struct state *s);
void state_close(struct state *s);

/* Apply the entry of slot topology.epoch + 1. UNSUPPORTED: it comes from another version and
 * nothing, not even the epoch, has changed: this node cannot go on. Every other entry is applied,
 * if only to note why it changes nothing. */
enum err state_apply(struct state *s, struct bytes entry, struct state_change *ret) MUST_CHECK;

/* Whether the command may be applied to this state; the plan is not looked at. */
enum err state_judge(const struct state *s, const struct command *c,
                     struct errmsg *reterr) MUST_CHECK;

/* Give a JOIN_START or LEAVE_START that state_judge allows its plan for the next slot, in `out`;
 * other commands, and those that will fail anyway, stay as they are. INVALID when there is no such
 * plan, with a message. */
enum err state_plan(const struct state *s, struct command *c, struct buf *out,
                    struct errmsg *reterr) MUST_CHECK;

/* The ring of a FOUND entry: all of it is the founder's, which becomes node 1. */
enum err state_plan_found(uint32_t ranges, const struct node_info *info,
                          struct buf *out) MUST_CHECK;

/* The result of an entry, or NULL when it is not among the recent ones. */
const struct result *state_result(const struct state *s, const struct uuid *id);

void state_encode(const struct state *s, struct buf *out);
enum err state_decode(struct bytes in, struct state *ret) MUST_CHECK; /* ret: not initialised */

#endif
