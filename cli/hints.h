/* hints.h - `torc hints`: what waits for other replicas, as a node says it.
 *
 * {"node", "now_ms", "waiting": [{"kind": "hint" | "log" | "tree", "node", "address", "host_id",
 * "up", "waiting", "oldest_ms" | null, "why", "keyspace" (not of hints), of trees "range", of
 * others "bytes", of hints "for_any_owner", "delivered", "bytes_per_second", "full"}]}
 */
#ifndef TORC_CLI_HINTS_H
#define TORC_CLI_HINTS_H

#include "cli/table.h"

#include <jansson.h>

/* The whole answer; a fresh table. */
void hints_render(const json_t *root, struct table *t, struct buf *out);

#endif
