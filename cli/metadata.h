/* metadata.h - `torc metadata`: who votes on changes, as a node sees it.
 *
 * GET /metadata  {"cluster", "node", "epoch", "generation", "majority", "nodes": [{"node",
 *                 "host_id", "address", "dc", "rack", "state", "up", "member", "away", "epoch"}]}
 */
#ifndef TORC_CLI_METADATA_H
#define TORC_CLI_METADATA_H

#include "cli/table.h"

#include <jansson.h>

/* The whole answer; a fresh table. */
void metadata_render(const json_t *root, struct table *t, struct buf *out);

#endif
