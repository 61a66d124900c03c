/* engine_private.h - what the files of the engine share.
 *
 *   engine.c        life, facts, writes
 *   engine_rows.c   reading: fragments into rows, and collapsing them
 *   engine_scan.c   scans over rows_*
 *   engine_clock.c  range clocks: loading, snapshots
 *   engine_name.c   dots for what comes without
 *   engine_siblings.c  what a write to a siblings table takes away
 *   engine_garbage.c  the index of garbage
 *   engine_purged.c   the bound of what was dropped
 *   engine_settle.c   one partition without its garbage
 *   engine_adopt.c    garbage of lives that are over, whose dot nobody knows
 *   engine_context.c  what goes before a write with a context
 *   engine_purge.c    the walk over garbage that is due
 *   engine_compact.c  what was removed is worth compacting
 *   engine_log.c    writes under a dot, range logs
 *   engine_blocks.c where the entries of the logs lie
 *   engine_floor.c  what a log takes up, and what it does not have any more
 *   engine_pull.c   what other replicas lack, read and applied
 *   engine_forget.c all of a range goes
 *   engine_vital.c  what is kept twice
 *   engine_lost.c   what the store has lost
 *   engine_index.c  entries of secondary indexes, building and dropping them
 *   engine_find.c   scans of indexes
 *   tree*.c         Merkle trees: tree_private.h
 */
#ifndef TORC_STORAGE_ENGINE_PRIVATE_H
#define TORC_STORAGE_ENGINE_PRIVATE_H

#include "base/map.h"
#include "base/omap.h"
#include "base/rng.h"
#include "base/siphash.h"
#include "storage/counter_set.h"
#include "storage/engine.h"
#include "storage/garbage.h"
#include "storage/keys.h"
#include "storage/maxima.h"
#include "storage/part_private.h"
#include "storage/spans.h"

#define ENGINE_FORMAT     3u
#define YOUNG_MAX         4096u /* of a range, remembered one by one */
#define CLOCK_SNAPSHOT_AT 4096u /* writes of a range between two snapshots of its clock */
#define COLLAPSE_AT       4u    /* fragments met in a read that make it worth rewriting them */
#define COLLAPSES_MAX     64u   /* rewritten rows and parts of one read */
#define REMOVALS_MAX      4096u /* deleted rows that one read removes */
#define COLLAPSE_ODDS     64u   /* one write in so many reads its rows and collapses them */
#define COLLAPSE_ROWS_MAX 8u    /* ... when it has at most so many rows */
#define COLLAPSE_TIERS_AT 1024u /* cells of a row that is collapsed in tiers */
#define COLLAPSE_SHARE    32u   /* ... when what is new in it is so small a part of it */
#define LARGE_ROWS        64u   /* rows of which it is remembered that they are large */
#define LOG_ROWS_MAX      64u   /* a log entry with more rows names the whole partition */
#define WRITE_BYTES_MAX   ((size_t)32 << 20)
#define REMOVED_KINDS_MAX 64u    /* of which removed keys are counted at a time */
#define PURGED_BUCKETS    65536u /* of partitions, for the bound of what was dropped */
#define PURGED_NAMED      4u     /* of them by name, in a bucket */

/* Largest timestamps that were dropped: of some partitions, and of all others of a bucket. */
struct purged {
    int64_t others;
    uint8_t count;
    struct purged_partition {
        uint64_t partition; /* hash */
        int64_t newest;     /* above that of the others */
    } named[PURGED_NAMED];  /* ascending */
};

/* A dot that is applied and was not durable when somebody last looked. */
struct young_dot {
    struct dot dot;
    uint64_t batch; /* of the store */
};

struct log_item {     /* of a tail */
    uint64_t written; /* the number of its write */
    uint32_t at, len; /* tails have far less than 4 GiB */
    uint8_t n;        /* the dot's, in the window */
};

struct log_tail { /* young entries of an actor (engine_blocks.c) */
    struct actor actor;
    uint64_t window;
    uint64_t settled; /* number of the write that made a piece of it; 0: none yet */
    struct log_item *items;
    size_t count, cap;
    struct buf bytes;
};

/* What the log of a range takes up, and has no more (engine_floor.c). */
#define LOG_SAMPLES_MAX 32u
struct log_sample {
    int64_t at_s; /* wall, */
    uint64_t appended;
    struct clock clock; /* ... then */
};
struct log_account {
    uint64_t bytes, appended; /* of pieces that are there, and that ever were */
    int64_t since_s;          /* wall: no entry is older; 0: not known */
    struct clock floor;       /* dots of the range's clock that have no entry */
    struct log_sample *samples;
    size_t count, cap;
};

struct range_state {
    keyspace_no keyspace;
    range_no range;
    struct clock clock;
    uint32_t unsaved; /* dots since the last snapshot */
    enum err err;     /* its clock could not be read, or it is being forgotten: not served */
    bool lost;        /* engine_set_lost */
    bool rebuilding;  /* engine_set_rebuilding */
    struct map lives; /* node -> the life from which all was pulled */
    node_no *minters; /* who mints dots of it now; NULL: not known */
    size_t minters_count;
    uint64_t minted;        /* by our actor, before the range was forgotten */
    struct buf forget_from; /* the key where forgetting goes on */
    uint64_t hash;          /* of the clock, when `hashed` */
    bool hashed;
    struct young_dot *young; /* in the order of their batches */
    size_t young_count, young_cap;
    uint64_t young_all;     /* too many: whatever there is, as long as this batch is not durable */
    int64_t garbage_newest; /* bound of the timestamps of all garbage; TIMESTAMP_NONE: no garbage */
    uint64_t drops;         /* grows with whatever is dropped here */
    struct buf walk;        /* the entry of the garbage index to go on with; empty: the first */
    size_t waiting;         /* entries that this walk had to leave */
    size_t waited;          /* ... and the one before */
    struct buf urgent;      /* key of a partition that is purged before all others */
    struct sweep {          /* a partition whose deletions are being dropped: its rows come first */
        struct buf part;    /* its key; empty: there is none */
        struct buf chosen;  /* the deletions, as an encoded part */
        struct buf from;    /* the row to go on with */
        int64_t newest;     /* timestamp of the chosen */
    } sweep;
    struct log_tail *tails;
    size_t tails_count, tails_cap;
    struct log_account log;
    struct {
        enum { TREE_UNKNOWN, TREE_NONE, TREE_SOME } has;
        bool mark_known, marked; /* tree.c */
        int64_t mark;
    } tree;
};

struct log_staged { /* an entry in e->batch that is not written yet */
    struct range_state *range;
    struct dot dot;
    size_t at, len; /* in its ops */
};

struct removed { /* keys of one kind and range: engine_compact.c */
    struct span keys;
    range_no range;
    uint64_t count;  /* since it was last asked for; 0, and not early: the place is free */
    uint64_t ask_at; /* not before there are so many */
    bool early;      /* it was asked for, and there was more to remove */
};

struct engine {
    struct store *store;
    struct rng rng;
    struct omap ranges;       /* u32 keyspace, u32 range -> struct range_state * */
    struct range_state *last; /* that was asked for; NULL: none yet */
    struct omap loaded; /* u32 keyspace: all its stored ranges are in `ranges`; "?": but for those
                           that could not be read */
    size_t damaged_ranges, rebuilding_ranges;
    struct actor actor; /* node 0: nothing can be named yet */
    uint64_t fragment;  /* the number of the last fragment: boots << 40 | writes */
    struct maxima maxima;
    struct store_batch batch, bounds;
    struct buf key, value, twin; /* scratch */
    struct index_state *indexes; /* by (table, number) */
    size_t indexes_count;
    struct buf term;       /* scratch */
    bool recovered;        /* the journal of the logs was read */
    bool recovery_damaged; /* ... or cannot be, while this engine lives */
    uint64_t epoch;        /* of the journal that is written */
    size_t tail_bytes, tails_max;
    struct omap recovered_bytes; /* u32 keyspace, u32 range -> u64: pieces made at the start */
    struct log_staged *staged;
    size_t staged_count, staged_cap;
    struct counter_sets counters;
    struct purged purged[PURGED_BUCKETS]; /* what was dropped ... */
    bool purged_told; /* bounds came from others: what is below may have been dropped there */
    uint64_t purged_known[PURGED_BUCKETS / 64]; /* ... of those that were asked for */
    struct buf drop_cursor; /* entry of the garbage index that dropping a table has come to */
    struct buf drop_tree;   /* ... and of the trees */
    struct siphash_key tree_key;
    uint64_t tree_check; /* of that key: other trees are not ours */
    size_t tree_bytes_max;
    uint32_t tree_width;
    struct {
        uint64_t row;  /* hash of its key */
        uint32_t skip; /* so many collapses are left out */
    } large[LARGE_ROWS];
    struct lost_keys lost; /* not dealt with yet; and the id of the store's last finding */
    uint64_t losses;       /* values that were met */
    bool garbled;          /* one just now: it is known what the damage is */
    struct removed removed[REMOVED_KINDS_MAX];
    struct engine_stats stats;
};

/* --- engine.c */

/* Counts what could not be read; returns err. */
enum err engine_note(struct engine *e, enum err err);

/* The maximum of the partition is not below this from now on. */
void engine_note_timestamp(struct engine *e, table_no table, token place, int64_t timestamp);

/* Filling e->batch. */

void engine_batch_begin(struct engine *e);
void engine_batch_data(struct engine *e, const struct part *p); /* one fragment per row */
/* ... with their entries in the indexes and among the garbage. */
void engine_batch_part(struct engine *e, struct range_state *r, const struct part *p);
void engine_batch_row(struct engine *e, struct store_batch *batch, struct bytes key_before_fragment,
                      const struct part *fragment);
enum err engine_batch_check(const struct engine *e) MUST_CHECK; /* ERR_TOO_BIG */
void engine_batch_write(struct engine *e, uint64_t ticket);     /* to the store */
void engine_batch_undo(struct engine *e);                       /* it is not written */

/* --- engine_lost.c */

enum err engine_lost_load(struct engine *e, struct errmsg *reterr) MUST_CHECK;

/* What is vital is kept twice (engine_vital.c). Under e->key; a fact of either kind. */
void engine_vital_put(struct engine *e, struct store_batch *batch, struct bytes value);
void engine_vital_delete(struct engine *e, struct store_batch *batch);
void engine_batch_fact(struct engine *e, struct store_batch *batch, struct bytes name,
                       struct bytes value);
void engine_batch_no_fact(struct engine *e, struct store_batch *batch, struct bytes name);

/* Before anything is read: ERR_CORRUPT when both copies of something are lost. */
enum err engine_vital_mend(struct engine *e, struct errmsg *reterr) MUST_CHECK;

/* The value of that key has another checksum than it was written with. */
void engine_note_garbled(struct engine *e, struct bytes key);

/* --- engine_index.c */

void engine_batch_indexes(struct engine *e, const struct part *p); /* entries of what is in p */
void engine_batch_unindex(struct engine *e,
                          const struct part *p); /* its rows are gone as a whole */
void engine_indexes_free(struct engine *e);

/* --- engine_clock.c */

struct range_state *engine_range(struct engine *e, keyspace_no keyspace, range_no range);
void engine_ranges_free(struct engine *e);

/* The dot is applied by e->batch; puts a snapshot into it when one is due. */
void engine_range_add(struct engine *e, struct range_state *r, struct dot dot);

/* All of these are applied by e->batch; puts a snapshot into it. */
void engine_range_add_all(struct engine *e, struct range_state *r, const struct clock *dots);

/* Put a snapshot of the clock into e->batch. */
void engine_range_save(struct engine *e, struct range_state *r);

/* Anything of p is of a life that is over, and no clock here tells of it (engine_adopt.c). */
bool engine_is_stale(const struct engine *e, const struct range_state *r, const struct part *p);
bool engine_life_is_over(const struct engine *e, const struct range_state *r, struct actor actor);

/* No clock here has the dot, and nobody is left who could tell of it. */
bool engine_is_orphan(const struct engine *e, const struct range_state *r, struct dot dot);

/* The highest dot that our actor, or one of `known` (what the clock will be), has here. */
uint64_t engine_top(const struct engine *e, const struct range_state *r, const struct clock *known);

/* --- engine_forget.c */

/* It was begun, and has not ended. ERR_OK, or it cannot be read. */
enum err engine_is_forgetting(struct engine *e, const struct range_state *r, bool *ret) MUST_CHECK;

struct range_state *engine_range_of(const struct omap_node *n); /* a node of e->ranges */

/* --- engine_blocks.c */

/* ERR_OK, or why the journal cannot be read: then nobody knows what any clock claims. */
enum err engine_recover_logs(struct engine *e) MUST_CHECK;
void engine_settle_logs(struct engine *e); /* in a batch of its own */
void engine_tails_free(struct range_state *r);

/* Walks the entries of one actor; entries live in the arena. */
struct log_cursor {
    struct engine *e;
    struct range_state *range;
    struct actor actor;
    struct arena *arena;
    struct store_iter *it;
    uint64_t durable; /* number of the last write whose entries are shown */
    bool loaded;
    uint64_t window;
    bool has[LOG_WINDOW];
    struct bytes entry[LOG_WINDOW];
};

void log_cursor_init(struct log_cursor *c, struct engine *e, struct range_state *r,
                     struct actor actor, bool durable, struct arena *arena);
void log_cursor_close(struct log_cursor *c);

/* The first entry of a dot >= n. ERR_NOT_FOUND: there is none. */
enum err log_cursor_seek(struct log_cursor *c, uint64_t n, uint64_t *ret_n,
                         struct bytes *ret_entry) MUST_CHECK;

/* The next entry of a piece; false when it is damaged. */
bool log_piece_next(struct reader *in, uint8_t *ret_n, struct bytes *ret_entry);

/* --- engine_floor.c */

/* ERR_OK, or it cannot be read: then nobody knows what the log lacks. */
enum err engine_account_load(struct engine *e, struct range_state *r) MUST_CHECK;
void engine_account_put(struct engine *e, struct range_state *r); /* into e->batch */
void engine_account_close(struct log_account *a);
void engine_account_add(struct log_account *a, uint64_t bytes);
uint64_t engine_piece_bytes(size_t piece); /* with its key */

/* A piece of this key is made before its range is loaded. */
void engine_account_recovered(struct engine *e, struct bytes log_key, size_t piece);

/* The entries of these dots, of so many bytes, go by e->batch, or do not come with them. */
void engine_account_pruned(struct engine *e, struct range_state *r, const struct clock *gone,
                           uint64_t bytes);

/* --- engine_log.c */

enum shape_flags {
    SHAPE_DELETION = 1,
    SHAPE_STATIC = 2,
    SHAPE_WHOLE = 4,
    SHAPE_GARBAGE = 8,  /* something was deleted, or will expire */
    SHAPE_SEVERAL = 16, /* ... and not all of that goes at one time */
    SHAPE_FLAGS_END = 32
};

/* What an entry of the log names, of one partition. */
struct shape {
    table_no table;
    token token;
    struct bytes key;
    unsigned flags;
    struct scan_slice *ranges; /* rows and deleted ranges, in any order */
    size_t ranges_count;
    struct bytes *rows;
    size_t rows_count;
};

/* Views point into what is read. */
bool engine_shape_read(struct reader *in, struct arena *arena, struct shape *ret);
/* Where it is, alone: the table (0: it cannot be read), and the token of its partition. */
table_no engine_shape_place(struct bytes entry, token *ret_token);

/* Into e->batch: an entry as it is, and one that names what is in p. */
void engine_put_entry(struct engine *e, struct range_state *r, struct dot dot, struct bytes entry);
void engine_put_shape(struct engine *e, struct range_state *r, struct dot dot,
                      const struct part *p);

/* --- engine_garbage.c */

/* Entries of what in p will be garbage, into e->batch. */
void engine_batch_garbage(struct engine *e, struct range_state *r, const struct part *p);

/* All of the range goes, its garbage too. */
void engine_garbage_forgotten(struct engine *e, struct range_state *r);

/* Has the range any garbage? True also when that cannot be read. */
bool engine_has_garbage(struct engine *e, const struct range_state *r);

/* Remove the entries of a table in slices, as engine_drop_table does. */
bool engine_drop_garbage(struct engine *e, table_no table, size_t keys_max);

/* --- engine_purged.c */

/* Something with this timestamp is dropped by e->batch. */
void engine_batch_purged(struct engine *e, table_no table, token place, int64_t timestamp);

enum err engine_load_purged_told(struct engine *e) MUST_CHECK; /* at the start */
void engine_purged_undo(struct engine *e);                     /* the batch is not written */

/* --- tree.c, tree_fold.c: trees (tree_private.h), as seen by what changes data without a dot */

/* Garbage of the range that is due by then is about to be dropped, by a batch that is not written
 * yet; or anything. */
#define TREE_ALL_GARBAGE (INT64_MAX - 1)
#define TREE_ALL         INT64_MAX
void engine_tree_mark(struct engine *e, struct range_state *r, int64_t due);

/* Entries of the log are about to go: what they touched becomes dirty before. *ret NULL: the range
 * has no tree. Close it, when it is not NULL; `write`: all went well, what was folded is written.
 */
struct tree_prune;
enum err engine_tree_prune_new(struct engine *e, struct range_state *r,
                               struct tree_prune **ret) MUST_CHECK;
void engine_tree_prune_free(struct tree_prune *p, bool write);

/* Those of the piece with dots in `known` go, if the range's clock has them. */
enum err engine_tree_prune_piece(struct tree_prune *p, const struct clock *known, struct dot window,
                                 struct bytes piece) MUST_CHECK;

void engine_tree_forgotten(struct range_state *r); /* its records go with the range */

/* A table goes from the trees of all ranges, in slices as engine_drop_table does. */
bool engine_drop_trees(struct engine *e, table_no table, size_t keys_max);

/* --- engine_compact.c */

/* Counts what a batch that is about to be written removes. range: of the ring; 0 when it is of no
 * one range. */
void engine_note_removed(struct engine *e, const struct store_batch *batch, range_no range);

/* Asks the store to compact where much was removed. `done`: there is nothing more to remove for
 * now; else very much. */
void engine_compact_removed(struct engine *e, bool done);

/* --- engine_context.c */

/* What a pull says of one partition: where it shows all that the giver has, what is not in it is
 * not there. */
struct answer {
    const struct part *part; /* as it came */
    int64_t bound;           /* of what the giver has dropped; TIMESTAMP_NONE: nothing ever */
    bool all_may_lack;       /* something that is new here has deleted rows, all of them perhaps */
    bool whole;              /* all rows are shown */
    bool has_static;         /* ... or the static row is, */
    bool shows_ranges;       /* rows in these, */
    struct scan_slice *ranges; /* ascending, disjoint */
    struct bytes *rows;        /* and these; ascending */
    size_t ranges_count, ranges_cap, rows_count, rows_cap;
};

/* Into e->batch: what must go before p, which is what is new of something that came with the
 * context; of a pull (else NULL) the answer as it came, and what it has not goes as well.
 * ERR_BEHIND, and the batch as it was: there is any, and it is not `trusted`; or it is too much: of
 * what a pull takes away a part is in the batch then, and the rest goes when it comes again. */
enum err engine_batch_context(struct engine *e, struct range_state *r, const struct part *p,
                              const struct clock *context, const struct answer *answer,
                              bool trusted) MUST_CHECK;

/* --- engine_name.c */

/* The dot that names what of a part has dots that are not in `known`, and is not here yet; n == 0:
 * nothing does. ret_stray: what is to be named, when n > 0; in the arena. */
struct dot engine_name(struct engine *e, const struct range_state *r, const struct clock *known,
                       const struct part *p, struct arena *arena, struct part *ret_stray);

/* The rows and deletions here that p has, too. ERR_OK, or they cannot be read. */
enum err engine_read_own(struct engine *e, const struct part *p, struct arena *arena,
                         struct part *ret) MUST_CHECK;

/* --- engine_rows.c */

/* Reads one partition after another from one iterator. */
struct rows {
    struct engine *e;
    struct arena *arena;
    struct store_iter *it;
    struct buf prefix;      /* the key of the partition */
    struct buf seek;        /* scratch */
    struct buf keys;        /* of the fragments just read */
    bool at_first;          /* nothing moved since the head was read */
    struct part head;       /* of the partition: deletion, all range tombstones, static row */
    struct store_batch fix; /* collapsed fragments, written by rows_close */
    size_t fixes;
    bool removes;                /* whole rows are among them */
    bool look_only;              /* no collapsing */
    bool rewriting;              /* neither: the caller rewrites what it wants to; see settle.h */
    struct buf head_keys;        /* rewriting: of the fragments of the head */
    bool shadowed;               /* the head covered something of the row just read */
    const struct row *fragments; /* of the row just read, as they lie there */
    size_t fragments_count;
    size_t bytes; /* of values read: the work done */
    size_t cells; /* of fragments of rows that were read */
};

/* durable: see only what is durable. Collapsing must see all there is (a fragment that is on its
 * way to the disk may replace those it would replace), so such a reader collapses nothing while the
 * store has a backlog. */
void rows_init(struct rows *r, struct engine *e, struct arena *arena, bool durable);

/* Writes what was collapsed. */
enum err rows_close(struct rows *r) MUST_CHECK;

/* Go to a partition and read its head. It may have nothing at all. */
enum err rows_open(struct rows *r, table_no table, token place, struct bytes key) MUST_CHECK;

/* Read the head of the partition where the iterator stands. ERR_NOT_FOUND: no more in the table. */
enum err rows_open_here(struct rows *r, table_no table) MUST_CHECK;
void rows_skip_part(struct rows *r); /* to behind the partition */

/* To the first row >= start, or the last one < end (empty: the last of all). */
void rows_seek(struct rows *r, struct bytes start);
void rows_seek_last(struct rows *r, struct bytes end);

/* The row there, without what the head shadows (maybe nothing of it), and go on in the direction.
 * ERR_NOT_FOUND when there are no more rows. */
enum err rows_next(struct rows *r, bool reversed, struct row *ret) MUST_CHECK;
/* The key of the row where the iterator stands (rows_in_part); in the arena. */
enum err rows_peek(struct rows *r, struct bytes *ret_key) MUST_CHECK;
enum err rows_error(const struct rows *r) MUST_CHECK; /* ERR_OK: what was read is all there is */
bool rows_in_part(const struct rows *r); /* the iterator stands on a row of the partition */

/* Read the rows of p, so that what of them is in many fragments is collapsed. What cannot be read
 * stays as it is: the write was good, and a read will tell. */
void engine_collapse(struct engine *e, const struct part *p);

#endif
