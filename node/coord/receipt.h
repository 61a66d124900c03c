/* receipt.h - who has answered, told to a client that asked for it (docs/receipts.md). Private to
 * the folder.
 *
 * A receipt is a list of JSON objects with commas between them, one for each step that was done
 * for the request; who answers the client puts them into one document. Nothing is made of it
 * unless it is asked for. RECEIPT_MAX bytes at most: what is more is left out, and that is said.
 */
#ifndef TORC_NODE_COORD_RECEIPT_H
#define TORC_NODE_COORD_RECEIPT_H

#include "node/coord/cas_core.h"

#define RECEIPT_MAX ((size_t)32 << 10)

/* *all := it and one step more, in the arena. */
void receipt_add(struct bytes *all, struct arena *arena, struct bytes step);

/* The step, in the arena. `result`: how it ended. */
struct bytes receipt_of_run(struct coord *c, const struct run *run,
                            const struct coord_result *result, struct arena *arena);
struct bytes receipt_of_round(struct coord *c, const struct round *round, enum err err,
                              struct arena *arena);
struct bytes receipt_of_cas(struct coord *c, const struct cas *s, struct arena *arena);

/* Of a logged batch: its keepers, from the first. */
struct receipt_keeper {
    node_no node;
    enum replica_state state;
};
struct bytes receipt_of_keepers(struct coord *c, const struct receipt_keeper *keepers, size_t count,
                                struct arena *arena);

#endif
