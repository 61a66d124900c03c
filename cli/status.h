/* status.h - `torc status`, `ring` and `info`: what a node says of itself over HTTP, as a table.
 *
 * /status  {"cluster", "node", "host_id", "phase", "epoch", "schema_version", "release", "nodes":
 *           [{"node", "host_id", "address", "cql", "dc", "rack", "state", "up", "gossip",
 *             "ranges", "owns", "load", "self", "pins", "pins_s"}]}
 * /ring    {"ranges", "epoch", "moving", "owners": {dc: [[first range, how many, node]]}, "nodes"}
 * /hints   {"node", "now_ms", "waiting": [...]}: cli/hints.h
 * /metadata: cli/metadata.h
 *
 * Fields that are missing show as null: a node of another release may say more or less.
 */
#ifndef TORC_CLI_STATUS_H
#define TORC_CLI_STATUS_H

#include "cli/options.h"

/* 5.25 KiB: at most four figures. */
void status_put_size(struct buf *out, double bytes);

/* The path that a verb asks for. */
const char *status_path(enum verb verb);

/* Append what a node answered as people or programs want it. ERR_MALFORMED with words when it is
 * not what a node answers. */
enum err status_render(enum verb verb, struct bytes answer, enum table_format format,
                       struct table_look look, struct buf *out, struct errmsg *reterr) MUST_CHECK;

#endif
