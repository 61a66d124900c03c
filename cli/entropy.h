/* entropy.h - `torc entropy`: when replicas were last proved equal, and what they lack.
 *
 * GET /entropy         {"node", "keyspaces": [{"keyspace", "count", "by_clocks", "by_trees",
 *                       "lacks", "peer_lacks", "rows_found", "rows_left", "doubtful", "worst"}]}
 * GET /entropy?ranges  each with "pairs": [{"range", "peer", "clocks_s", ...}]
 *
 * Every node that is up, as /status of the one that is asked has it, is asked at its own address.
 */
#ifndef TORC_CLI_ENTROPY_H
#define TORC_CLI_ENTROPY_H

#include "cli/options.h"

int entropy_main(const struct options *o, struct table_look look);

/* The answers of nodes, put together; a keyspace or NULL for all. ERR_MALFORMED: one is none. */
enum err entropy_render(const struct bytes *answers, size_t count, const char *keyspace,
                        bool ranges, enum table_format format, struct table_look look,
                        struct buf *out, struct errmsg *reterr) MUST_CHECK;

/* Nodes that are up, other than the one that was asked, as "address" of /status has them: the
 * place of each in `answer`; at most `max`. */
#define ENTROPY_NODES_MAX 1024
struct entropy_node {
    char host[64];
    bool up;
    bool self;
    uint32_t node;
};
size_t entropy_nodes(struct bytes status, struct entropy_node *ret, size_t max);

#endif
