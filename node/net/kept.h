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
    bool known;                /* all that was written was read */
    char only[KEPT_ONLY_SIZE]; /* keyspaces, with commas between */
    struct endpoint members[KEPT_MEMBERS_MAX];
    size_t members_count;
};

/* Atomically, fsynced; in the data directory, under a name that store_leveldb_set_aside leaves. */
enum err kept_write(const char *directory, struct bytes text) MUST_CHECK;

/* What can be read; not `known` when there is none, or it is not all as it was written: then nobody
 * may take it for "nothing". */
void kept_read(const char *directory, struct kept *ret);

#define KEPT_WHY_SIZE 8192

/* A sentence about a store that was given up, for people; as atomic as the above. */
enum err kept_say_why(const char *directory, const char *text) MUST_CHECK;
bool kept_why(const char *directory, char ret[KEPT_WHY_SIZE]); /* false: none was */

#endif
