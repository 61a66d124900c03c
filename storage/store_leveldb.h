/* store_leveldb.h - the store of a running node.
 *
 *   filling --flush--> queued --committer thread--> done --store_completed--> gone
 *   (the loop's)       (under the lock)             (under the lock)
 *
 * LevelDB has one queue of writers and may stall on compaction, so only the committer thread
 * writes: it takes all groups that are queued and makes of them one WriteBatch and one fsync, while
 * the loop fills the next. Until a group is done what it wrote stands in an overlay in memory,
 * which reads look at first.
 *
 * What store_compact asks for waits until LevelDB has all that was written before; then a second
 * thread compacts it, in small pieces with pauses between them: LevelDB's own compactions and the
 * committer get their turn, and store_close waits for one piece.
 *
 * What was removed lies there until it is compacted, and who has walked over much of it remembers
 * where: gaps.h, store_leveldb_walk.c.
 *
 * Files: only store_leveldb_private.h includes LevelDB.
 */
#ifndef TORC_STORAGE_STORE_LEVELDB_H
#define TORC_STORAGE_STORE_LEVELDB_H

#include "storage/store.h"

enum store_sync {
    STORE_SYNC_BATCH,   /* a ticket completes when its group is fsynced */
    STORE_SYNC_PERIODIC /* a ticket completes when its group is written: it survives the death of
                           the process, and that of the machine after the next store_leveldb_sync */
};

struct store_leveldb_config {
    const char *path;
    enum store_sync sync;
    size_t write_buffer_bytes; /* 0: 4 MiB; LevelDB has two of them */
    size_t cache_bytes;        /* of uncompressed blocks; 0: 4 MiB */
    int files_max;             /* open at once; 0: 256 */
    uint32_t walk_many; /* keys compared in one step of an iterator that make it remember what it
                           stepped over (gaps.h); 0: 1024 */
    bool mend;          /* look at all files first, for somebody met damage */
};

/* Damage that LevelDB refuses to open is mended, where the manifest is whole, and store_lost tells
 * what is lost. ERR_CORRUPT: it is not.
 *
 * What a power cut left of the write that it met is cut off (log_tail.h): nobody was promised it.
 * What has been read from the store is durable, also what was not yet when the process before died.
 *
 * Fails with ERR_CONFIG and a text for a person when the directory is in use, not a directory or
 * not permitted, ERR_CORRUPT, ERR_FULL, ERR_IO. The directory is made when its parent is there. */
enum err store_leveldb_open(const struct store_leveldb_config *config, struct store **ret_store,
                            struct errmsg *reterr) MUST_CHECK;

/* All that lies there moves into a folder "lost-1", "lost-2" ... of its own: what was there is
 * known to be damaged beyond mending. Afterwards store_leveldb_was_set_aside says so, for good. */
enum err store_leveldb_set_aside(const char *path, struct errmsg *reterr) MUST_CHECK;
bool store_leveldb_was_set_aside(const char *path);

/* Becomes readable when tickets have completed; store_completed empties it. Owned by the store. */
int store_leveldb_wake_fd(const struct store *s);

/* Bytes that were cut off at opening. */
uint64_t store_leveldb_torn(const struct store *s);

/* Something was mended at opening. */
bool store_leveldb_mended(const struct store *s);

/* How many keys this thread has compared in LevelDB so far: what its reads have cost. */
uint64_t store_leveldb_compared(void);

/* Ask for an fsync of all that was flushed. With STORE_SYNC_PERIODIC the shell's timer calls it. */
void store_leveldb_sync(struct store *s);

/* Something that store_compact asked for is not done yet. */
bool store_leveldb_compacts(struct store *s);

#endif
