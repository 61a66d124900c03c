/* metadata.h - `torc metadata`: who votes on changes, as a node sees it.
 *
 * GET  /metadata          {"cluster", "node", "epoch", "generation", "majority", "problem",
 * "nodes":
 *                          [{"node", "host_id", "address", "dc", "rack", "state", "up", "member",
 *                          "away", "lost", "epoch"}], "recovery": {"state": "none" | "asking" |
 *                          "deciding" | "done" | "refused", "why"}}
 * POST /metadata/recover  {"lost": [host ids], "cluster": its name} -> {}
 */
#ifndef TORC_CLI_METADATA_H
#define TORC_CLI_METADATA_H

#include "cli/options.h"

#include <jansson.h>

/* The whole answer; a fresh table. */
void metadata_render(const json_t *root, struct table *t, struct buf *out);

/* `torc metadata recover`: asks for the cluster's name, has the node do it, and waits for what
 * comes of it. Returns what main returns. */
int metadata_recover(const struct options *o);

#endif
