/* store.h - an ordered key-value store with atomic, grouped, durable batches.
 *
 * A small vtable, so that the cores run on LevelDB (store_leveldb.c) and, in the simulator, on a
 * disk model that is exact about what fsync promises (store_mem.c).
 *
 *   write   queues a batch under a ticket. It is visible to reads at once; it is durable when its
 *           ticket comes out of store_completed with ERR_OK. Batches become durable in order: a
 *           durable batch implies all earlier ones.
 *   durable an iterator made by store_iter_new_durable sees only what is durable: what a node tells
 *           others it must still know after a power cut.
 *   flush   ends the turn: everything queued goes to the disk as one group (group commit). The
 * shell calls it once per turn; the fsync of one group overlaps the filling of the next. failure a
 * failed write or fsync is final for the store: later tickets fail too, with the reason in
 * store_failure, and the node stops acking.
 *
 * Iterators see the store as it was when they were made. A view of a key or a value lives until the
 * iterator moves or the store is written. Reading may skip over damaged blocks: an answer is good
 * only when store_iter_error, asked after the last step, says so. One thread uses a store and its
 * iterators.
 */
#ifndef TORC_STORAGE_STORE_H
#define TORC_STORAGE_STORE_H

#include "storage/lost.h"

struct store_batch { /* a list of operations, applied together or not at all */
    struct buf ops;
    size_t count;
};

#define STORE_BATCH_MAX ((size_t)72 << 20)

void store_batch_init(struct store_batch *b);
void store_batch_close(struct store_batch *b);
void store_batch_clear(struct store_batch *b);
void store_batch_put(struct store_batch *b, struct bytes key, struct bytes value);
void store_batch_delete(struct store_batch *b, struct bytes key);

/* Append to the journal of the store. What is appended in one epoch and goes to the disk together
 * becomes one record, under a key that the store makes: STORE_JOURNAL, u64 number. It holds the
 * epoch, u64, and the values, one behind the other. Numbers begin with 1 in each epoch: so records
 * take the places of those of the epoch before, and nobody has to find and remove them. Who begins
 * an epoch, with a larger number, wants no record of the one before; after opening a new one is
 * begun. What is appended cannot be read before it is durable. ret: where in `ops` the value lies.
 */
#define STORE_JOURNAL 'j'
size_t store_batch_append(struct store_batch *b, uint64_t epoch, struct bytes value);

/* ERR_TOO_BIG when the operations passed STORE_BATCH_MAX: such a batch must not be written. */
enum err store_batch_finish(const struct store_batch *b) MUST_CHECK;

/* Walk the operations: false at the end. A delete has no value. */
enum store_op_type { STORE_DELETE = 0, STORE_PUT = 1, STORE_APPEND = 2 };

struct store_op {
    enum store_op_type type;
    struct bytes key; /* none of what is appended */
    struct bytes value;
    uint64_t epoch; /* of what is appended */
};
bool store_batch_next(const struct store_batch *b, size_t *at, struct store_op *ret_op);

/* For stores: the last record of the journal that was begun. */
struct store_journal {
    uint64_t epoch, number;
};

/* The next one; replaces what is in `key`, and `value` begins with its epoch. */
void store_journal_begin(struct store_journal *j, uint64_t epoch, struct buf *key,
                         struct buf *value);

struct store;
struct store_iter;

struct store_done {
    uint64_t ticket;
    enum err err;
};

struct store_ops {
    enum err (*get)(struct store *s, struct bytes key, struct buf *ret_value);
    struct store_iter *(*iter_new)(struct store *s, bool durable);
    void (*iter_free)(struct store_iter *i);
    void (*iter_seek)(struct store_iter *i, struct bytes key);      /* first key >= */
    void (*iter_seek_last)(struct store_iter *i, struct bytes key); /* last key < */
    void (*iter_next)(struct store_iter *i);
    void (*iter_prev)(struct store_iter *i);
    bool (*iter_valid)(const struct store_iter *i);
    struct bytes (*iter_key)(const struct store_iter *i);   /* until the iterator moves */
    struct bytes (*iter_value)(const struct store_iter *i); /* until the iterator moves */
    enum err (*iter_error)(const struct store_iter *i);
    void (*write)(struct store *s, const struct store_batch *b, uint64_t ticket);
    void (*flush)(struct store *s);
    bool (*completed)(struct store *s, struct store_done *ret_done); /* false: none is waiting */
    const char *(*failure)(const struct store *s);                   /* NULL while healthy */
    size_t (*backlog)(const struct store *s);
    uint64_t (*size)(struct store *s, struct bytes from, struct bytes to);
    bool (*compact)(struct store *s, struct bytes from, struct bytes to);
    enum err (*check)(struct store *s, struct bytes from, struct bytes to, struct buf *ret_next,
                      uint64_t *bytes); /* NULL: there is no cache */
    const struct lost_keys *(*lost)(const struct store *s);
    void (*lost_known)(struct store *s);
    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
    uint64_t written; /* batches so far */
    uint64_t durable; /* and so many of them, the first, are durable */
};

struct store_iter {
    struct store *store;
};

enum err store_get(struct store *s, struct bytes key, struct buf *ret_value) MUST_CHECK;
struct store_iter *store_iter_new(struct store *s);
struct store_iter *store_iter_new_durable(struct store *s);
void store_iter_free(struct store_iter *i);
void store_iter_seek(struct store_iter *i, struct bytes key);
void store_iter_seek_last(struct store_iter *i, struct bytes key);
void store_iter_next(struct store_iter *i);
void store_iter_prev(struct store_iter *i);
bool store_iter_valid(const struct store_iter *i);
struct bytes store_iter_key(const struct store_iter *i);
struct bytes store_iter_value(const struct store_iter *i);
enum err store_iter_error(const struct store_iter *i) MUST_CHECK;

/* Queue a copy of the batch. Tickets are the caller's, ascending; 0: no completion wanted. */
void store_write(struct store *s, const struct store_batch *b, uint64_t ticket);
void store_flush(struct store *s);
bool store_completed(struct store *s, struct store_done *ret_done);
const char *store_failure(const struct store *s);

/* Bytes written that are not durable yet. The node sheds load when it gets long. */
size_t store_backlog(const struct store *s);

/* About how many bytes the keys from <= k < to take up on the disk, without reading them. What the
 * disk's store has yet in memory may not be counted. */
uint64_t store_size(struct store *s, struct bytes from, struct bytes to);

/* Whether what the disk has of the keys from <= k < to is as it was written. Reading does not tell:
 * what lies in a cache is not read from the disk. In steps of about a MB: *ret_next is where to go
 * on, empty when all is done; `from` may lie in it. *bytes += what was read. ERR_CORRUPT, ERR_IO.
 */
enum err store_check(struct store *s, struct bytes from, struct bytes to, struct buf *ret_next,
                     uint64_t *bytes) MUST_CHECK;

/* Much was removed between these keys (from <= key <= to): what was written so far is to be brought
 * into a form in which reading there does not cost anything for it. Some time later, beside all
 * else; answers do not change. False: too much is asked for already, ask again. */
bool store_compact(struct store *s, struct bytes from, struct bytes to);

/* What was ever lost of it, and when last (lost.h): whoever reads it must not believe what is there
 * of these stretches. */
const struct lost_keys *store_lost(const struct store *s);

/* Whoever reads it knows of these stretches, durably: they need not be told again. */
void store_lost_known(struct store *s);

void store_close(struct store *s); /* waits for what was flushed; accepts NULL */

#endif
