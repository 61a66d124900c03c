/* replica.h - what this node says and takes as a replica. Private to the folder: coord_core.h
 * includes it. */
#ifndef TORC_NODE_COORD_REPLICA_H
#define TORC_NODE_COORD_REPLICA_H

#include "node/coord/coord.h"
#include "storage/index.h"

/* Alive, and when it is ourselves: what is here of the range can be read, and its clock, or we
 * would mint dots that others have already. */
bool replica_is_able(struct coord *c, keyspace_no keyspace, range_no range, node_no node);
/* What this node may tell as a replica. */
token replica_scan_start(const struct scan *s); /* its first place */
enum err replica_scan(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                      struct arena *arena, struct scan_result *ret);
enum err replica_find(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                      struct arena *arena, struct index_result *ret);
/* What read repair brings, under this epoch: may whoever minted what is lacking here still tell of
 * it? Else it comes with a pull (docs/versions.md, 6). */
bool replica_takes_state(struct coord *c, keyspace_no keyspace, range_no range,
                         const struct part *part, uint64_t planned);

/* waited: for what the message says that it must have first, and for its plan's epoch. */
void replica_write(struct coord *c, struct now now, node_no from, const struct wire_write *m,
                   bool waited);
/* Its token is its key's: else it would be stored where nobody looks for it. */
bool part_is_placed(const struct part *p);
void replica_read(struct coord *c, struct now now, node_no from, const struct wire_read *m,
                  bool waited);
/* May we answer all of the scan by this plan? As fence_check. */
enum err replica_may_answer(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                            uint64_t planned);

/* What a session has seen by this answer: encoded, in the arena. The rows, or (found by an index)
 * all that is here of the ranges, for what an index does not name any more tells something, too. */
struct bytes replica_tell(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                          const struct scan_result *rows, struct arena *arena);

#endif
