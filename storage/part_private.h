/* part_private.h - what the files of storage/ share about parts, and nobody else needs. */
#ifndef TORC_STORAGE_PART_PRIVATE_H
#define TORC_STORAGE_PART_PRIVATE_H

#include "storage/part.h"

/* Ends of row ranges: an empty end means that there is no upper bound. */
int range_end_compare(struct bytes a, struct bytes b);
bool range_before_end(struct bytes key, struct bytes end);

bool tomb_equal(const struct tomb *a, const struct tomb *b);
struct tomb tomb_max(const struct tomb *a, const struct tomb *b);

struct tomb_list {
    struct range_tomb *items;
    size_t count;
};

/* The stronger of two canonical lists at every place; may share their memory. */
struct tomb_list tombs_overlay(struct tomb_list a, struct tomb_list b, struct arena *arena);
struct tomb_list tombs_settle(struct tomb_list in, const struct tomb *cover, struct arena *arena);

/* The canonical list of any items, not yet without what the partition's deletion shadows. */
struct tomb_list tombs_normalise(struct range_tomb *items, size_t count, struct arena *arena);

/* The deletion that covers the key; *at, from 0, walks along with ascending keys. */
struct tomb tombs_at(const struct part *p, size_t *at, struct bytes key);

/* siblings.c: the join of two cells in one place of a siblings table; the row without what its
 * removed cells take away and without what such a table does not have; what a canonical part of one
 * may hold. */
bool siblings_beats(const struct cell *a, const struct cell *b);
void siblings_settle(struct row *r);
bool siblings_are_settled(const struct row *r);
bool sibling_is_canonical(const struct cell *c);

bool row_is_empty(const struct row *r);

/* ret := the row without what `cover` shadows; shares the cells when nothing is shadowed. */
void row_cover(const struct row *r, const struct tomb *cover, struct arena *arena, struct row *ret);

/* Keep of the range tombstones what lies in start <= key < end. */
void part_cut_tombs(struct part *p, struct bytes start, struct bytes end, struct arena *arena);

/* points.c */
struct scan_point;
void scan_points_put(const struct scan_point *points, size_t count, struct buf *out);
struct scan_point *scan_points_read(struct reader *in, struct arena *arena, size_t *ret_count);

/* Append a range tombstone behind all others; the array must have room. */
void part_append_tomb(struct part *p, const struct range_tomb *t);

/* What part_normalise establishes. A decoder refuses anything else, because merging relies on it.
 */
bool part_is_canonical(const struct part *p);

/* The encoding of a part without its table, token and key: the value of a stored fragment. */
void part_body_write(const struct part *p, int64_t now_s, struct buf *out);
enum err part_body_read(struct reader *in, struct arena *arena, struct part *ret) MUST_CHECK;

#define PART_NO_CLOCK INT64_MIN /* part_body_write: leave expired cells as they are */

#endif
