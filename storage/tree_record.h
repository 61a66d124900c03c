/* tree_record.h - the records of a tree, in memory and as bytes. Pure.
 *
 *   tree   = u8 version 1, u64 check of the hash's key, vbytes as-of clock, varint tables, table*
 *   table  = varint table, varint next id, varint pieces, piece*
 *   piece  = varint id, vbytes first, u64 sum, varint rows, due, varint leaves,
 *            bitmap of dirty leaves (the first is the lowest bit of the first byte)
 *   leaves = u8 version 1, varint count, leaf*                     the record of a piece
 *   leaf   = varint bytes of its first place shared with the one before, vbytes the others,
 *            u64 sum, varint rows, due
 *   due    = u8 (0 no garbage, 1 some that may go at once, 2 some that expires), [svarint seconds]
 *
 * Stored: do not renumber. The first piece of a table begins at the empty place, each leaf ends
 * where the next one begins. What is decoded has ascending places, and counts within bounds.
 */
#ifndef TORC_STORAGE_TREE_RECORD_H
#define TORC_STORAGE_TREE_RECORD_H

#include "storage/clock.h"
#include "storage/tree.h"

#define PIECE_LEAVES_MAX (2 * TREE_WIDTH)
#define PIECE_BITMAP     (PIECE_LEAVES_MAX / 8)

/* The earliest time at which garbage may go. */
#define DUE_NEVER INT64_MAX /* there is none */
#define DUE_NOW   INT64_MIN

struct tree_leaf {
    struct bytes first;
    struct tree_sum sum;
    int64_t due;
    bool dirty; /* in memory, while its piece is rewritten; stored: a bit of the piece */
};

struct tree_piece {
    uint32_t id;
    struct bytes first;
    struct tree_sum sum;      /* of its leaves, dirty ones as they were */
    int64_t due;              /* the earliest of its leaves */
    uint32_t count;           /* of leaves */
    uint8_t *dirty;           /* PIECE_BITMAP bytes */
    struct tree_leaf *leaves; /* NULL: not read */
    bool changed;             /* its record is to be written */
};

struct tree_table {
    table_no table;
    uint32_t next_id;
    struct tree_piece *pieces;
    size_t count, cap;
};

struct tree_head {
    uint64_t check;
    struct clock asof;
    struct tree_table *tables;
    size_t count, cap;
};

void tree_head_encode(const struct tree_head *h, struct buf *out);

/* asof is initialised; all else is in the arena. ERR_MALFORMED. */
enum err tree_head_decode(struct bytes in, struct arena *arena, struct tree_head *ret) MUST_CHECK;

void tree_leaves_encode(const struct tree_leaf *leaves, size_t count, struct buf *out);
enum err tree_leaves_decode(struct bytes in, struct arena *arena, struct tree_leaf **ret,
                            size_t *ret_count) MUST_CHECK;

/* Bits of a piece. */
static inline bool piece_is_dirty(const struct tree_piece *p, size_t leaf)
{
    return (p->dirty[leaf / 8] >> leaf % 8 & 1) != 0;
}
static inline void piece_set_dirty(struct tree_piece *p, size_t leaf)
{
    p->dirty[leaf / 8] = (uint8_t)(p->dirty[leaf / 8] | 1u << leaf % 8);
}
size_t piece_dirty_count(const struct tree_piece *p);
bool piece_is_all_dirty(const struct tree_piece *p);
void piece_set_all_dirty(struct tree_piece *p);
bool tree_table_is_clean(const struct tree_table *t);
bool tree_table_is_all_dirty(const struct tree_table *t);

/* Sums, counts and the bitmap from the leaves. */
void piece_sum_up(struct tree_piece *p);

#endif
