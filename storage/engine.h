/* engine.h - a replica's tables: partitions, range clocks and range logs over a store.
 *
 * Every write puts in one atomic batch: a row fragment per row it touches, the range log entry that
 * names what its dot touched, and with them the change of the range clock (rebuilt at start from
 * the clock snapshot and the log beyond it). Fragments are merged when read and collapsed when
 * there are many: so a write never reads (storage/README.md has the measurement that chose this).
 *
 * Invariants: a dot in a clock is applied; an entry in the log has its data; format version checked
 * at open. Reads see writes at once; acks wait for the ticket.
 */
#ifndef TORC_STORAGE_ENGINE_H
#define TORC_STORAGE_ENGINE_H

#include "base/siphash.h"
#include "storage/clock.h"
#include "storage/counter_set.h"
#include "storage/part.h"
#include "storage/siblings.h"
#include "storage/store.h"

struct engine; /* Opaque, one per shard. */

#define LOG_TAILS_MAX  ((size_t)1 << 20)
#define TREE_BYTES_MAX ((size_t)8 << 20)
#define TREE_WIDTH     256u

struct engine_config {
    uint64_t seed;
    uint32_t ring_ranges;  /* Q; remembered in the store, a different one is refused */
    size_t log_tails_max;  /* bytes of range logs in memory and in the journal; 0: LOG_TAILS_MAX */
    size_t tree_bytes_max; /* leaves of trees in memory at a time; 0: TREE_BYTES_MAX */
    uint32_t tree_width;   /* rows of a leaf, leaves of a piece; 0, or more: TREE_WIDTH */
    struct siphash_key tree_key; /* of digests; the same on all replicas (tree.h) */
};

/* Borrows the store. Fails with ERR_UNSUPPORTED for another format version, ERR_CONFIG for another
 * ring_ranges, ERR_CORRUPT, ERR_IO. */
enum err engine_new(struct store *store, const struct engine_config *config,
                    struct engine **ret_engine, struct errmsg *reterr) MUST_CHECK;
void engine_free(struct engine *e); /* writes nothing */

/* Before a clean stop (then flush): the next start has less of the log to read. */
void engine_save_clocks(struct engine *e);

/* --- local facts: small records of the node itself (host id, boot epoch, Paxos registers, the
 * metadata log). `name` is any byte string. Writes join the same group commit.
 *
 * Two kinds. Those whose names begin with "a/" are *accounts* (hints, marks, proofs, runs): losing
 * one to damage costs it and nothing else, and whoever owns it asks engine_account_is_lost. All
 * others are *vital*: without one the node could contradict what it has told, so they are kept
 * twice (engine_vital.c), and with both copies the disk is lost. */
#define ACCOUNT_HINTS "a/h" /* of them what a lost stretch still shows is left: writes */
enum err engine_fact_get(struct engine *e, struct bytes name, struct buf *ret_value) MUST_CHECK;
void engine_fact_put(struct engine *e, struct bytes name, struct bytes value, uint64_t ticket);
void engine_fact_delete(struct engine *e, struct bytes name, uint64_t ticket);
/* First fact with a name > after that starts with prefix; ERR_NOT_FOUND at the end. With another
 * error some before it could not be read: *ret_name is empty when there is none behind those. */
enum err engine_fact_next(struct engine *e, struct bytes prefix, struct bytes after,
                          struct buf *ret_name, struct buf *ret_value) MUST_CHECK;

/* Who names what comes without its dot (engine_name.c). Until it is set nothing is named. */
void engine_set_actor(struct engine *e, struct actor self);

/* This replica has all that this life of another replica had of the range when it told of itself:
 * what an earlier life minted is known here, or was lost there. So what comes of it and is not
 * known is taken from a pull, whose giver has it, and from nobody else: ERR_STALE for a write,
 * ERR_BEHIND for what read repair brings; else it might come after its deletion was dropped. And
 * its garbage gets a dot of this replica (engine_purge). In memory only: who purges has told it
 * before. */
void engine_note_life(struct engine *e, keyspace_no keyspace, range_no range, struct actor actor);

/* Who else mints dots of the range, by the ring that the replicas agree under: others
 * have left, and nobody tells any more of what they minted and no clock has. So garbage of
 * that kind gets a dot of this replica, too (engine_purge). Never told: nobody is known to have
 * left. In memory only. */
void engine_note_minters(struct engine *e, keyspace_no keyspace, range_no range,
                         const node_no *nodes, size_t count);

/* Whether that node may still tell of what it has minted. */
typedef bool engine_tells(void *arg, node_no node);

/* May the part be applied as state from elsewhere? Of all that is not here and has a dot which the
 * clock lacks, the minter still tells. (Whose life is over engine_apply knows.) */
bool engine_is_told(struct engine *e, keyspace_no keyspace, range_no range, const struct part *p,
                    engine_tells *tells, void *arg);

/* --- writes */

/* Apply a part whose cells carry their dots. `dot` with n > 0: the whole part is that dot's effect;
 * it enters log and clock (nothing happens when the clock has it already; the ticket still
 * completes). n == 0: the part is state from elsewhere (read repair), merged; when it has dots that
 * the clock lacks it gets one of the actor's, too. What has a dot that the clock has is here, or
 * was removed here: it is left out.
 *
 * `context` (NULL: none) is what its minter had when it minted the write: a tombstone here that
 * covers the write, with a dot in the context, was dropped there, so it goes first
 * (docs/versions.md). A replica that is about to take the range over gives a context only when its
 * own clock covers that; when it does not it must refuse the write.
 *
 * The ticket completes when durable. ERR_TOO_BIG when the part does not fit a batch, ERR_STALE for
 * a new write of a life that is over (engine_note_life), ERR_BEHIND
 * when what must go first is too much for one call: engine_purge does it first, the write comes
 * again (by a pull). */
enum err engine_apply(struct engine *e, keyspace_no keyspace, range_no range, const struct part *p,
                      struct dot dot, const struct clock *context, uint64_t ticket) MUST_CHECK;

/* ret := what a request to a siblings table becomes under that dot, the next one of this actor: its
 * part is to be applied here and sent to the others before anything else is written
 * (siblings_mint). stamp, now_s: as for engine_weigh. In the arena. ERR_INVALID when the request
 * has a deletion of ranges or of the partition. */
enum err engine_supersede(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct part *request, const struct supersede *s, struct dot dot,
                          int64_t stamp, int64_t now_s, struct arena *arena,
                          struct minted *ret) MUST_CHECK;

/* The dot the next local write of this actor in this range gets. */
struct dot engine_next_dot(struct engine *e, keyspace_no keyspace, range_no range,
                           struct actor self);

/* Counters in memory. They hear of all that is written here; who loads one reads the row first. */
struct counter_sets *engine_counters(struct engine *e);

/* Remove all data of a table and the entries of its indexes (DROP), in slices: call until it
 * returns true (also when the store cannot be read, which its failure then tells). */
bool engine_drop_table(struct engine *e, table_no table, size_t keys_max);

/* --- reads */

/* What to read. Bounds in token order: partitions with token in (after_token, upto_token], both
 * INT64_MIN: the whole ring; or exactly one partition when `key` is set. */
struct scan_slice { /* start <= row key < end */
    struct bytes start;
    struct bytes end; /* empty: no upper bound */
};

/* A place that an index found: a row of a partition, or all of it. */
struct scan_point {
    token token;
    struct bytes key;
    bool whole;
    struct bytes row; /* unless whole */
};

/* The terms from <= term < upto of an index; upto empty: no end. */
struct scan_index {
    index_no no; /* 0: none */
    struct bytes from;
    struct bytes upto;
};

struct scan {
    table_no table;
    bool single; /* only the partition `key` at `token` */
    token token;
    struct bytes key;
    token after_token, upto_token; /* when not single; (after, upto], no wrapping; a scan of the
                                      whole ring is (INT64_MIN, INT64_MAX] */
    struct scan_slice *slices;     /* ascending, disjoint; none: all rows */
    size_t slices_count;
    struct scan_index index;   /* engine_index_scan (index.h): what matches it */
    bool has_points;           /* read these alone; not when single */
    struct scan_point *points; /* ascending; rows of them are not looked for in `slices` */
    size_t points_count;
    bool want_static;
    bool reversed;          /* rows of a partition descending; only when single */
    uint32_t rows_max;      /* stop after so many live rows (a partition with only a live static row
                               counts one); 0: no limit */
    uint32_t rows_per_part; /* live rows of one partition at most; 0: no limit */
    uint32_t bytes_max;     /* stop after about so many encoded bytes; 0: a default */
    bool has_from;          /* resume strictly after this position */
    token from_token;
    struct bytes from_key;
    bool from_in_part; /* position is a row of that partition, else its end */
    struct bytes from_row;
    uint32_t from_rows; /* live rows of that partition on the pages before */
    bool durable;       /* see only what a power cut would leave; local, not encoded */
    int64_t now_s;      /* for TTL, from the coordinator, the same on all replicas */
};

#define SCAN_BYTES_DEFAULT (1u << 20)

/* Rows of this part that the scan counts: live ones, or 1 when there is nothing but a live static
 * row. That one does not count when the scan has
 * slices or rows as points, or when rows of the partition were on the pages before. */
uint32_t scan_part_rows(const struct scan *s, const struct part *p);

void scan_encode(const struct scan *s, struct buf *out);
enum err scan_decode(struct bytes in, struct arena *arena, struct scan *ret) MUST_CHECK;

/* A page may end before any limit, with `more`, after a stretch of deleted rows.
 *
 * Parts in scan order with everything in them, tombstones too (merging needs them). When `more`,
 * the answer is complete only up to and including the position `upto_*`. */
struct scan_result {
    struct part *parts;
    size_t parts_count;
    uint32_t live_rows;
    bool more;
    token upto_token;
    struct bytes upto_key;
    bool upto_in_part; /* stopped after row upto_row of that partition, else after the partition */
    struct bytes upto_row;
    uint32_t upto_rows; /* live rows of that partition so far: copy to from_rows */
};

/* Results live in the arena. ERR_CORRUPT when a stored block fails its checksum. */
enum err engine_scan(struct engine *e, const struct scan *scan, struct arena *arena,
                     struct scan_result *ret) MUST_CHECK;

void scan_result_encode(const struct scan_result *r, struct buf *out);
enum err scan_result_decode(struct bytes in, struct arena *arena,
                            struct scan_result *ret) MUST_CHECK;
void scan_result_digest(const struct scan_result *r, int64_t now_s, struct digest *ret);

/* ret := the join of several answers to one scan, cut at the smallest `upto` of those that have
 * more; counts live rows anew and applies rows_max and rows_per_part. This is what makes LIMIT
 * right under merging: an answer with `more` may have fewer live rows than asked for, even none,
 * and is to be continued at its `upto`. Copy all of `upto_*`: limits of a partition count across
 * pages. */
void scan_result_merge(const struct scan *scan, const struct scan_result *results, size_t count,
                       struct arena *arena, struct scan_result *ret);

/* --- clocks and logs, for handoff and repair */

/* The applied clock; an empty one for a range never written, or whose clock cannot be read. Valid
 * until the next apply. It runs ahead of the disk: a copy is durable once a ticket written after it
 * was taken has completed, and only such a copy may be told to those who prune by it. */
const struct clock *engine_clock(struct engine *e, keyspace_no keyspace, range_no range);

/* clock_hash of it; costs nothing when it has not changed since it was last asked for. */
uint64_t engine_clock_hash(struct engine *e, keyspace_no keyspace, range_no range);

/* ret := the dots of it whose effect a power cut would leave. False when that is not known now: a
 * great many have come at once. */
bool engine_durable_clock(struct engine *e, keyspace_no keyspace, range_no range,
                          struct clock *ret);

/* Has the range all of these dots, and would a power cut leave them? */
enum engine_has { ENGINE_LACKS, ENGINE_HAS_YOUNG, ENGINE_HAS };
enum engine_has engine_has(struct engine *e, keyspace_no keyspace, range_no range,
                           const struct clock *need);

/* Writes nothing; the ticket completes when all that was applied before it is durable. */
void engine_barrier(struct engine *e, uint64_t ticket);

/* ERR_OK, or why the clock of the range cannot be read: then nothing can be applied, and no dot may
 * be minted, for it is not known which were. Damage is for good, ERR_IO is tried again. */
enum err engine_range_error(struct engine *e, keyspace_no keyspace, range_no range);

/* The same of all ranges first .. last of the keyspace that were used so far, at no cost while all
 * is well: a node that cannot apply what is written there gets staler with every write, so it
 * should not answer reads there either. */
enum err engine_ranges_error(struct engine *e, keyspace_no keyspace, range_no first, range_no last);

/* Ranges of the keyspace that have a clock, ascending: first range >= from, or false. */
bool engine_next_range(struct engine *e, keyspace_no keyspace, range_no from, range_no *ret_range);

/* What dots touched, in (actor, n) order. */
struct log_entry {
    struct dot dot;
    struct part shape; /* keys only: table, token, key, which rows, flags of deletions and static */
};

/* For the dots in `wanted` (a clock from clock_missing) that the log has: the current state of all
 * they touched, merged into parts, and their log entries, until about bytes_max; of it all only
 * what is durable. The states tell of later writes, too: so that nobody sees half of such a batch,
 * and that it has its names there, what writes that are not in `have` (what the asker has) touched
 * in these partitions goes with them, and their entries. `ret_done`: the dots served by this call,
 * as a clock. Encoded for the wire by the codec below. */
enum err engine_log_read(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct clock *wanted, const struct clock *have, size_t bytes_max,
                         struct buf *ret_bytes, struct clock *ret_done) MUST_CHECK;

/* Apply what engine_log_read of another replica produced: states merged, log entries kept, their
 * dots added to the clock, all in one batch. What no dot tells of, and was not here
 * before, gets one of the actor's.
 *
 * `context` (NULL: none): the durable clock of the giver, as for engine_apply. `trusted`: this
 * replica holds the range (and is not only about to), so the context may be relied upon though the
 * clock here does not cover it. So it may when `in` names all dots that touched what is in it. What
 * would need it otherwise is left out, with its dots: it is missing still, and comes with a later
 * pull. `old`: the disk is an older copy of itself; what the giver had and does not show goes, for
 * what deleted it may have been dropped since. Nobody else has what lacks a deletion that was
 * dropped, so for him it may just be lost at the giver. */
enum err engine_log_apply(struct engine *e, keyspace_no keyspace, range_no range, struct bytes in,
                          const struct clock *context, bool trusted, bool old,
                          uint64_t ticket) MUST_CHECK;

/* Remove log entries of dots in `known` (every replica has them), about entries_max; *ret_done:
 * there are no more. The clock keeps the dots: its snapshot goes with the removal; and they are in
 * the floor from then on. The tree of the range hears of what they touched before. */
enum err engine_log_prune(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct clock *known, size_t entries_max, bool *ret_done) MUST_CHECK;

/* The floor of the log: the dots of the clock that it has no entry of, since they were pruned or
 * came without. Who lacks them needs the trees. Valid until the next call for the range. */
const struct clock *engine_log_floor(struct engine *e, keyspace_no keyspace, range_no range);

struct log_figures {
    uint64_t bytes;  /* that the log takes up, but for what was written just now */
    uint64_t dots;   /* that it has entries of, */
    uint64_t pruned; /* and those of the floor */
    int64_t since_s; /* wall: it does not reach back further; 0: not known */
};
void engine_log_figures(struct engine *e, keyspace_no keyspace, range_no range,
                        struct log_figures *ret);

/* To be called now and then: entries have no time of their own. When the log has grown by so many
 * bytes since the last time, or at all in so many seconds, it is noted how far it was at now_s. */
void engine_log_sample(struct engine *e, keyspace_no keyspace, range_no range, int64_t now_s,
                       uint64_t step_bytes, int64_t step_s);

/* Keep the log in bounds, whoever lacks what goes: what is from before before_s, and what makes it
 * longer than bytes_max; as finely as it was sampled. About entries_max; *ret_done: no more. */
enum err engine_log_cut(struct engine *e, keyspace_no keyspace, range_no range, uint64_t bytes_max,
                        int64_t before_s, size_t entries_max, bool *ret_done) MUST_CHECK;

/* --- dropping what was deleted, by proof (docs/versions.md)
 *
 * Remove garbage of the range whose dots are in `agreed`: tombstones and deletions with all that
 * they shadow here, and cells that expired before expired_before_s (a time that no clock of the
 * cluster is behind). At most about work_max fragments are looked at in one call; the next goes on
 * from there. *ret_done: the end of the index was come to, there is nothing more to do until
 * `agreed` or the time has grown. */
enum err engine_purge(struct engine *e, keyspace_no keyspace, range_no range,
                      const struct clock *agreed, int64_t expired_before_s, size_t work_max,
                      bool *ret_done) MUST_CHECK;

/* Ranges of the keyspace that have garbage which may be dropped as soon as it is agreed: the first
 * >= from, or false. A range that has none costs nothing. */
bool engine_next_garbage(struct engine *e, keyspace_no keyspace, range_no from,
                         int64_t expired_before_s, range_no *ret_range);

/* What the index of garbage has in the range that is due: deletions first, of each kind the oldest
 * first. Of each entry the dot, and since when it is due, in seconds. At most `max`: false when
 * there may be more, or some could not be read. */
bool engine_each_garbage(struct engine *e, keyspace_no keyspace, range_no range,
                         int64_t expired_before_s, size_t max,
                         void (*visit)(void *arg, struct dot dot, int64_t due_s), void *arg);

/* Grows whenever something is dropped here: what was asked for before may be gone. */
uint64_t engine_drops(struct engine *e, keyspace_no keyspace, range_no range);

/* A bound of the timestamps of what was ever dropped here in this partition, TIMESTAMP_NONE when
 * nothing was: a write without a dot (the replay of a batch) that is not above it may have been
 * deleted by something that is gone. Of partitions in which something was dropped long ago it is
 * one bound together, with some that it is not true of. */
int64_t engine_purged_bound(struct engine *e, table_no table, token place);

/* The same; ERR_CORRUPT when it cannot be read, and taken for the largest there is. */
enum err engine_read_purged(struct engine *e, table_no table, token place, int64_t *ret);

/* Those bounds of all partitions, and taking them from another replica: who gets the dots of what
 * was dropped elsewhere, without ever having had it (engine_tree_join), must know them before. From
 * then on they count in engine_maximum, too, as if it had been dropped here.
 *
 *   list = (u32 bucket, u8 named, i64 bound of the others, (u64 partition, i64 bound)*)*,
 * ascending; ERR_MALFORMED for anything else */
enum err engine_purged_list(struct engine *e, struct buf *out) MUST_CHECK;
enum err engine_purged_take(struct engine *e, struct bytes list) MUST_CHECK;

/* --- forgetting a range that this replica had left, before it holds it again */

/* Where its data lies. */
struct range_place {
    token first, last;      /* both included */
    const table_no *tables; /* of its keyspace, ascending */
    size_t tables_count;
};

/* From now on nothing is here: until engine_forget is through engine_range_error says
 * ERR_UNAVAILABLE, also after a restart, and the clock is empty. No dot of this actor is minted
 * twice for it. */
void engine_begin_forgetting(struct engine *e, keyspace_no keyspace, range_no range);

/* Remove all of a range: data, log, clock. At most keys_max keys in one call; call until *ret_done.
 * Begins it when that is not done yet. */
enum err engine_forget(struct engine *e, keyspace_no keyspace, range_no range,
                       const struct range_place *place, size_t keys_max, bool *ret_done) MUST_CHECK;

/* --- damage (engine_lost.c)
 *
 * What the store has lost, or a reader has found garbled, and nobody has dealt with yet. */
bool engine_has_lost(const struct engine *e);
uint64_t engine_losses(const struct engine *e); /* grows when a reader finds something */

/* May anything of the range be lost, or be there as it once was? */
bool engine_range_is_lost(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place);

/* Is nothing here that was written to the range: no data, clock or log? False also when that cannot
 * be read. */
bool engine_range_is_bare(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place);

/* Of accounts: may any whose name begins so be lost; this one? */
bool engine_account_is_lost(struct engine *e, struct bytes prefix);
bool engine_fact_is_lost(struct engine *e, struct bytes name);

void engine_lost_save(struct engine *e); /* what readers found: so that a restart knows, too */
void engine_lost_done(struct engine *e); /* in a batch behind what was done about it */

/* The range is not to be believed: ERR_CORRUPT, and it claims nothing, until it is forgotten. Not
 * over a restart: whoever calls this remembers. */
void engine_set_lost(struct engine *e, keyspace_no keyspace, range_no range);

/* The range was forgotten for damage, and what the other replicas have of it is being pulled: until
 * that is all, no write is taken and no read answered (ERR_UNAVAILABLE), for what was written
 * before may be known here to nobody; only what healing brings is taken. In memory only. */
void engine_set_rebuilding(struct engine *e, keyspace_no keyspace, range_no range, bool rebuilding);

/* engine_range_error, or that it is being rebuilt. */
enum err engine_serving_error(struct engine *e, keyspace_no keyspace, range_no range);

/* An upper bound of all timestamps ever applied here, TIMESTAMP_NONE when nothing was. And one of
 * those of the partition: what is above it is newer than all there is. */
int64_t engine_max_timestamp(const struct engine *e);
int64_t engine_maximum(struct engine *e, table_no table, token place);

/* Whether that one is a bound from before the start, which runs ahead: there may be nothing with
 * that timestamp, so nothing is to be stamped by it before it was looked what there is
 * (engine_weigh, engine_contest). */
bool engine_maximum_is_bound(struct engine *e, table_no table, token place);

/* What becomes of a part that is about to be applied (engine_weigh.c). */
struct weighed {
    bool newest;         /* it is above engine_maximum: nothing was read */
    struct loss stamped; /* of what the server has stamped */
    struct loss given;   /* of all else */
    struct part part;    /* what to apply and to send instead: of each place the winner, be it a
                            cell or a deletion; the part itself when all of it wins */
};

/* Whether a write wins everywhere that it touches. What loses: a value that is not the winner of
 * its place, or is deleted; a deletion of what stays. A value that is there already, and a deletion
 * of what is deleted, do not lose. Of a deletion of very many rows it may not be known: then it
 * counts as lost when the server has stamped it. The part has its dot. stamp: the server's, 0: it
 * has none; what is just below it is stamped, too (part_restamp), and a deletion above it counts
 * so: it won over one that was stamped where the write was minted. now_s: for TTL.
 * context: as for engine_apply, or NULL: nothing loses to what that takes away.
 * Results live in the arena and share memory with the part. ERR_CORRUPT, ERR_IO. */
enum err engine_weigh(struct engine *e, const struct part *p, const struct clock *context,
                      int64_t stamp, int64_t now_s, struct arena *arena,
                      struct weighed *ret) MUST_CHECK;

/* The largest timestamp up to `limit` to which something of the part that has the server's `stamp`
 * loses, as above; TIMESTAMP_NONE: there is none. A deletion of very many rows is said to lose to
 * the limit. *ret_beyond is set when it loses to something above the limit, or, of such a deletion,
 * may lose to it. arena: for what is read. ERR_CORRUPT, ERR_IO. */
enum err engine_contest(struct engine *e, const struct part *p, int64_t stamp, int64_t limit,
                        int64_t now_s, struct arena *arena, int64_t *ret,
                        bool *ret_beyond) MUST_CHECK;

/* The same of a request to a siblings table, were it minted here: it loses to nothing but what its
 * own writer wrote. ERR_INVALID as engine_supersede. */
enum err engine_contest_own(struct engine *e, keyspace_no keyspace, range_no range,
                            const struct part *request, const struct supersede *s, int64_t stamp,
                            int64_t limit, int64_t now_s, struct arena *arena, int64_t *ret,
                            bool *ret_beyond) MUST_CHECK;

struct engine_stats {
    uint64_t writes, weighed, scans, rows_read, fragments_read, collapses, bytes_written;
    uint64_t garbage_noted;   /* entries written to the index of garbage */
    uint64_t garbage_waiting; /* entries that the last walks left: their dots are not agreed */
    uint64_t purged;          /* tombstones, deletions and expired cells dropped */
    uint64_t purged_rows;     /* rows of which nothing was left */
    uint64_t compactions;     /* that the store was asked for */
    uint64_t adopted;         /* entries of garbage that no clock told of */
    uint64_t leaves_read;     /* of trees */
    uint64_t leaves_wrong;    /* ... that were clean, and not as they had been */
    uint64_t trees_built;     /* from the beginning; also those of which the log lacked something */
    uint64_t unexplained; /* ERR_CORRUPT of what no reader could name: the store is to be mended */
    uint64_t
        damaged; /* scans, pulls and clocks that were not given because of ERR_CORRUPT, ERR_IO */
};
struct engine_stats engine_stats(const struct engine *e);

/* Why nothing can be written any more (store_failure); NULL: it can. */
const char *engine_failure(const struct engine *e);

/* About how many bytes a table and its indexes take up on the disk (store_size). */
uint64_t engine_table_size(struct engine *e, table_no table);

#endif
