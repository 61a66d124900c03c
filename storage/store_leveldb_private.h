/* store_leveldb_private.h - what the files of the store share. Private to them.
 *
 *   store_leveldb.c          opening, writing on the loop, closing
 *   store_leveldb_threads.c  the committer and the compactor
 *   store_leveldb_read.c     values and iterators
 *   store_leveldb_walk.c     LevelDB's iterators, and what they jump over
 *   store_leveldb_mend.c     a damaged directory is mended before it is opened; no LevelDB in it
 *
 * All of them talk to LevelDB, so its header is included here, and nowhere else.
 */
#ifndef TORC_STORAGE_STORE_LEVELDB_PRIVATE_H
#define TORC_STORAGE_STORE_LEVELDB_PRIVATE_H

#include "base/list.h"
#include "storage/gaps.h"
#include "storage/leveldb_check.h"
#include "storage/lost.h"
#include "storage/overlay.h"
#include "storage/spans.h"
#include "storage/store_leveldb.h"

#include <leveldb/c.h>
#include <pthread.h>

struct group {
    struct list link;
    struct store_batch batch;
    uint64_t number;
    uint64_t *tickets;
    size_t tickets_count, tickets_cap, tickets_done;
    bool sync_wanted;
    uint64_t last; /* batch in it */
    enum err err;
};

struct store_leveldb {
    struct store store;
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_comparator_t *order;
    leveldb_readoptions_t *read_options;
    struct ldb_check check;
    enum store_sync sync;
    int wake_fd;
    uint64_t torn;
    char *path;
    struct lost_keys lost; /* of this directory; lost.id 0: nothing ever */
    bool mended;           /* something of it at this opening */

    /* The loop's. */
    struct overlay overlay;
    struct overlay nothing; /* what a durable iterator looks at instead */
    struct group *filling;
    struct list ready; /* done, tickets not all handed out */
    uint64_t numbers;
    size_t backlog;
    char *failure;
    struct spans asked; /* to be compacted when `asked_after` is durable */
    uint64_t asked_after;
    struct gaps gaps;
    uint64_t many;      /* keys compared in one step that leave a gap */
    uint64_t walks;     /* iterators so far */
    uint64_t collected; /* groups that have left the overlay */

    /* Between the loop and the committer, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list queued;
    struct list done;
    bool stop;
    char *failure_found; /* set once */
    pthread_cond_t compact_work;
    struct spans compact;
    bool compacting;

    /* The committer's. */
    pthread_t committer;
    bool committer_runs;
    struct store_journal journal;
    enum err failed;

    pthread_t compactor; /* begun when there first is anything to do */
    bool compactor_runs;
};

static inline struct store_leveldb *ldb_of(const struct store *s)
{
    return container_of(s, struct store_leveldb, store);
}

static inline struct group *group_first(struct list *l)
{
    return container_of(l->next, struct group, link);
}

/* All nodes of the one list to the end of the other. */
void ldb_move_all(struct list *from, struct list *to);

/* LevelDB's C interface gives errors as text only. */
enum err ldb_err_of(const char *text);

/* --- store_leveldb.c */

bool ldb_sync_directory(const char *path);

/* --- store_leveldb_mend.c. Nobody else may have the directory open. */

/* CURRENT is gone, and there is more than a directory in the making: LevelDB would take it for a
 * new one, and remove all that there is. */
bool ldb_has_lost_current(const char *path);

enum err ldb_read_lost(const char *path, struct lost_keys *ret) MUST_CHECK;
enum err ldb_write_lost(const char *path, const struct lost_keys *lost) MUST_CHECK;

/* Looks at all that lies there, mends it, and adds to `lost` what it may have had. ERR_CORRUPT:
 * the manifest is damaged. */
enum err ldb_mend(const char *path, struct lost_keys *lost, bool *ret_found,
                  struct errmsg *reterr) MUST_CHECK;

/* --- store_leveldb_threads.c */

void *ldb_committer_main(void *store);

/* On the loop: what was asked for goes to the thread once LevelDB has what was written before. */
void ldb_hand_to_compactor(struct store_leveldb *l);

bool ldb_compact(struct store *s, struct bytes from, struct bytes to);
uint64_t ldb_size(struct store *s, struct bytes from, struct bytes to);

/* --- store_leveldb_walk.c: over what LevelDB has, without the overlay */

struct ldb_walk {
    struct store_leveldb *store;
    leveldb_iterator_t *it;
    uint64_t number;         /* of the iterators of this store; from 1 */
    uint64_t collected;      /* by the store when it was made */
    struct buf from, upto;   /* scratch */
    const struct gap *ahead; /* the first gap above where it stands; NULL: none; */
    uint64_t version;        /* ... as long as the gaps are of this version */
};

leveldb_comparator_t *ldb_order_new(void);

/* It sees what there is now. Errors: as of a store's iterator. prev, next: only when valid. */
void ldb_walk_init(struct ldb_walk *w, struct store_leveldb *l);
void ldb_walk_close(struct ldb_walk *w);
void ldb_walk_seek(struct ldb_walk *w, struct bytes key);      /* the first >= key */
void ldb_walk_seek_last(struct ldb_walk *w, struct bytes key); /* the last < key */
void ldb_walk_next(struct ldb_walk *w);
void ldb_walk_prev(struct ldb_walk *w);
bool ldb_walk_valid(const struct ldb_walk *w);
struct bytes ldb_walk_key(const struct ldb_walk *w);
struct bytes ldb_walk_value(const struct ldb_walk *w);
enum err ldb_walk_error(const struct ldb_walk *w);

/* --- store_leveldb_read.c */

enum err ldb_get(struct store *s, struct bytes key, struct buf *ret_value);
struct store_iter *ldb_iter_new(struct store *s, bool durable);
void ldb_iter_free(struct store_iter *iter);
void ldb_iter_seek(struct store_iter *iter, struct bytes key);
void ldb_iter_seek_last(struct store_iter *iter, struct bytes key);
void ldb_iter_next(struct store_iter *iter);
void ldb_iter_prev(struct store_iter *iter);
bool ldb_iter_valid(const struct store_iter *iter);
struct bytes ldb_iter_key(const struct store_iter *iter);
struct bytes ldb_iter_value(const struct store_iter *iter);
enum err ldb_iter_error(const struct store_iter *iter);

#endif
