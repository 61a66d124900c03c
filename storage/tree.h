/* tree.h - Merkle trees: what a range has, as sums of stretches of rows (docs/healing.md).
 *
 * A row is a row of a partition without what its deletions cover, or the head of one: deletion,
 * range tombstones, static row. Its digest is a keyed hash of its place and its canonical bytes;
 * that of a stretch is the sum of those of its rows, and their number. So it is the same on all
 * replicas that have the same, however that lies on the disk, and wherever leaves are cut.
 *
 * A place is the key of a row in the order in which they are stored: keys.h has it. A stretch is
 * from <= place < upto; empty: from the first, to the last of the range. Places of leaves are those
 * of rows; whoever asks may name any row, there or not: ERR_MALFORMED for other bytes.
 *
 * Leaves are stretches of about TREE_WIDTH rows, with their sums, on the disk: cut when they have
 * twice as many, joined with a neighbour below a quarter. Writing does nothing
 * to them. The tree has a clock *as of* which it is true; what the dots since then touched is in
 * the range log. What a leaf had when it was read last is *clean*, or *dirty*, if something of it
 * was touched since.
 *
 *   range log --fold--> dirty leaves, as-of clock --read--> clean leaves
 *
 * Invariants:
 *   (1) A clean leaf's sum is that of its rows as they are, but for what dots touched that are not
 *       in the as-of clock, and for garbage that was dropped since the last fold and left a mark.
 *   (2) What is not known is dirty: dots that the log has no more, tables without leaves.
 *   (3) A record of the tree is behind all data that it speaks of in the order of batches. So after
 *       a crash it speaks of what is there. It sums what there is, durable or not: an equality that
 *       was found is to be told when the as-of clock is durable (engine_has).
 *
 * Nothing here is seen by whoever reads or writes rows. State that has no dot and gets none
 * (engine_set_actor was not called) is not noticed.
 */
#ifndef TORC_STORAGE_TREE_H
#define TORC_STORAGE_TREE_H

#include "storage/engine.h"

struct tree_sum {
    uint64_t sum;
    uint64_t rows;
};

struct tree_stretch {
    struct bytes from, upto;
};

/* Bring the tree of the range up to date, or build it: at most about work_max fragments and entries
 * of the log are read in one call, and one leaf. *ret_done: nothing is dirty; call until then. It
 * goes on where it was, also after a restart. Tables are those of `place`; others go from the tree.
 * ERR_CORRUPT of the tree itself: it is gone, the next call builds it anew. */
enum err engine_tree_update(struct engine *e, keyspace_no keyspace, range_no range,
                            const struct range_place *place, size_t work_max,
                            bool *ret_done) MUST_CHECK;

/* The sums of all rows of each table of `place`, in its order, and the clock as of which they are;
 * reads one record and no data. *ret_current: nothing has changed since: as of the range's clock,
 * that is what is here. Else engine_tree_update makes it so. ret_asof is initialised. */
enum err engine_tree_root(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place, struct tree_sum *ret_sums,
                          struct clock *ret_asof, bool *ret_current) MUST_CHECK;

/* What is left out of sums and lists: what dots touched that only one of two replicas has.
 * Stretches that ascend and do not meet; NULL: nothing. tree_skip_make: of what engine_tree_touched
 * gave here or there, those of the table; in the arena. */
struct tree_skip {
    struct tree_stretch *items;
    size_t count;
};
struct tree_touched {
    table_no table;
    struct tree_stretch stretch;
};
void tree_skip_make(const struct tree_touched *touched, size_t count, table_no table,
                    struct arena *arena, struct tree_skip *ret);

bool tree_skip_has(const struct tree_skip *skip, struct bytes place); /* skip may be NULL */

/* The sum of a stretch: whole leaves, and those at its ends and where something is left out, which
 * are read. ERR_BEHIND when other leaves are dirty: engine_tree_update comes first. */
enum err engine_tree_sum(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct range_place *place, table_no table,
                         const struct tree_stretch *stretch, const struct tree_skip *skip,
                         struct tree_sum *ret) MUST_CHECK;

/* Cut a stretch into up to slices_max (of at least one) at the borders of leaves, of about as many
 * rows each; one, when it is in one leaf. In the arena; slices join: the first begins with
 * stretch->from, the last ends with stretch->upto. ERR_BEHIND as above. */
struct tree_slice {
    struct tree_stretch stretch;
    struct tree_sum sum;
};
enum err engine_tree_cut(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct range_place *place, table_no table,
                         const struct tree_stretch *stretch, const struct tree_skip *skip,
                         size_t slices_max, struct arena *arena, struct tree_slice *ret,
                         size_t *ret_count) MUST_CHECK;

/* The rows of a stretch as they are now, whatever the tree says, without what is no difference:
 * garbage whose dots are in `agreed` (NULL: none), and what has expired at now_s. Rows of which
 * nothing is left are not in it. At most rows_max, in the arena; *ret_next: where to go on, empty
 * when that was all. */
struct tree_item {
    struct bytes place;
    uint64_t key_hash;     /* of the place */
    uint64_t content_hash; /* of place and row */
};
enum err engine_tree_list(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place, table_no table,
                          const struct tree_stretch *stretch, const struct tree_skip *skip,
                          const struct clock *agreed, int64_t now_s, size_t rows_max,
                          struct arena *arena, struct tree_item **ret_items, size_t *ret_count,
                          struct bytes *ret_next) MUST_CHECK;

/* What these dots touched, as stretches, in no order, some maybe twice; a row is a stretch of
 * itself. In the arena. ERR_BEHIND when the log lacks some of them, ERR_TOO_BIG when there are more
 * than `max`, or their places are longer than bytes_max in all. */
enum err engine_tree_touched(struct engine *e, keyspace_no keyspace, range_no range,
                             const struct clock *dots, size_t max, size_t bytes_max,
                             struct arena *arena, struct tree_touched **ret,
                             size_t *ret_count) MUST_CHECK;

/* Read clean leaves again, about work_max fragments, and tell which have not the sum that they had:
 * something on the disk has changed that nobody wrote. The files are verified first, for what is
 * read may come from a cache (store_check). They have the new one from then on. The tree
 * is to be up to date, but for what comes meanwhile (ERR_BEHIND). A leaf that cannot be read is no
 * error here, so that what is behind it is read all the same: it keeps its sum, and `unread` is
 * set; who takes the scrub as done asks for that. */
struct tree_scrub { /* where it goes on; zeroed: at the start */
    table_no table;
    struct buf from; /* the caller closes it */
    bool begun;
    bool on_disk; /* of the table: the files are as they were written, up to `from` until then */
    bool unread;  /* since it began: something could not be read */
};
struct tree_wrong {
    table_no table;
    struct tree_stretch stretch;
    struct tree_sum had, has;
};
enum err engine_tree_scrub(struct engine *e, keyspace_no keyspace, range_no range,
                           const struct range_place *place, struct tree_scrub *scrub,
                           size_t work_max, struct arena *arena, struct tree_wrong **ret_wrong,
                           size_t *ret_count, bool *ret_done) MUST_CHECK;

/* --- for who brings two replicas to equality (node/heal/compare.h)
 *
 * The rows at these places of a table, as they are now, for engine_tree_take of another replica; at
 * least one place, and then until about bytes_max. *ret_count: the places that are done; of those
 * where nothing is left there is nothing. ERR_MALFORMED: no places, or they do not ascend.
 *
 *   rows = part*, a part for each partition: those of its rows, and its head */
enum err engine_tree_rows(struct engine *e, table_no table, const struct bytes *places,
                          size_t count, size_t bytes_max, struct buf *out,
                          size_t *ret_count) MUST_CHECK;

/* A row, or head, where the giver lacks nothing that is here. The hash of the key alone names none:
 * tables have rows under the same keys. */
struct tree_settled {
    table_no table;
    uint64_t key_hash;
};
int tree_settled_compare(const void *a, const void *b);

struct tree_taken {
    uint64_t rows;                /* of which something was not here, heads too */
    uint64_t doubtful;            /* ... and showed something else, though `told` is NULL */
    table_no table;               /* of the first such, */
    struct bytes key;             /* its partition; in the arena */
    struct tree_settled *settled; /* in the arena, ascending */
    size_t settled_count;
};

/* Join rows of another replica with what is here. Unlike in a pull a value comes that has a dot
 * which the clock has, and that is not here: whether it was removed is just what is in doubt.
 * Garbage whose dot is in `agreed` (NULL: none) does not come: it was dropped here, or will be. So
 * nothing may have been dropped here since the other one was asked (engine_drops). Nor does garbage
 * that may have been dropped here, under an agreement that is over: its dot is in the clock, and
 * its timestamp not above the bound of what was dropped. What comes and has no name gets one as in
 * engine_apply. told (NULL: none): dots that the clock is to get when all is joined
 * (engine_tree_join); they are no strays. The ticket completes when it is durable. ERR_MALFORMED:
 * also what is not of `place`. */
enum err engine_tree_take(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct range_place *place, struct bytes rows,
                          const struct clock *agreed, const struct clock *told, int64_t now_s,
                          struct arena *arena, uint64_t ticket, struct tree_taken *ret) MUST_CHECK;

/* All that these dots did is here: the clock gets them, and there is nothing in the log about those
 * that are new. docs/healing.md ("When a clock takes in another") says when that is so. */
enum err engine_tree_join(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct clock *dots, uint64_t ticket) MUST_CHECK;

/* What rows show, for a vote: the hash of place and live values; of a head, of its deletions that
 * are not agreed, too. 0: nothing. Of rows as engine_tree_rows gives them (place: NULL, or they
 * must be of it; ERR_MALFORMED), in their order; and of those here at the places, for each of the
 * first *ret_count (until about bytes_max). All in the arena. */
struct tree_shown {
    struct bytes place;
    uint64_t hash;
    int64_t
        dropped; /* of engine_tree_look: the largest timestamp of what was dropped thereabouts */
    struct part part; /* alone: a row, or a head; zeroed when there is nothing */
};
enum err engine_tree_shown(struct engine *e, const struct range_place *place, struct bytes rows,
                           const struct clock *agreed, int64_t now_s, struct arena *arena,
                           struct tree_shown **ret, size_t *ret_count) MUST_CHECK;
enum err engine_tree_look(struct engine *e, table_no table, const struct bytes *places,
                          size_t count, const struct clock *agreed, int64_t now_s, size_t bytes_max,
                          struct arena *arena, struct tree_shown **ret,
                          size_t *ret_count) MUST_CHECK;

/* What is at these places (ascending by table and place) is from now on what most replicas have:
 * all fragments go, and `with` comes (NULL: nothing), whatever wins by timestamps. No join: the
 * caller has asked all, and knows that no other dot has touched what is here. But the deletions of
 * a head stay, for others may have dropped theirs, unless they cover what most show; and of `with`
 * those do not come that may have been dropped here. One batch. */
struct tree_replace {
    table_no table;
    struct bytes place;
    const struct part *with;
};
enum err engine_tree_replace(struct engine *e, keyspace_no keyspace, range_no range,
                             const struct tree_replace *items, size_t count, int64_t now_s,
                             struct arena *arena, uint64_t ticket) MUST_CHECK;

/* Whether that would be any change (NULL: there is none of it). Of a head others may have less:
 * what they have dropped, and that is none. */
bool engine_tree_changes(struct engine *e, keyspace_no keyspace, range_no range,
                         const struct part *own, const struct part *with, int64_t now_s,
                         struct arena *arena);

/* The same for the same key of digests: trees of other keys are not to be compared. */
uint64_t engine_tree_check(const struct engine *e);

/* Forget the tree: all is read again. */
void engine_tree_drop(struct engine *e, keyspace_no keyspace, range_no range);

#endif
