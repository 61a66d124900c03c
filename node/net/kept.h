/* kept.h - what torcd keeps beside its store, for when that is lost: node/node_place.c has the
 * lines.
 */
#ifndef TORC_NODE_NET_KEPT_H
#define TORC_NODE_NET_KEPT_H

#include "base/buf.h"
#include "base/types.h"

#define KEPT_ONLY_SIZE   512
#define KEPT_MEMBERS_MAX 64

struct kept {
    char only[KEPT_ONLY_SIZE]; /* keyspaces, with commas between */
    struct endpoint members[KEPT_MEMBERS_MAX];
    size_t members_count;
};

/* Atomically, fsynced; in the data directory, under a name that store_leveldb_set_aside leaves. */
enum err kept_write(const char *directory, struct bytes text) MUST_CHECK;

/* Empty when there is none, or none that can be read. */
void kept_read(const char *directory, struct kept *ret);

#endif
