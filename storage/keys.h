/* keys.h - the keys of the store, so made that byte order is the order of reading.
 *
 *   key   = 'M' name                                         format, boots, maxima
 *         | 'F' name                                         a vital fact of the node
 *         | 'A' name                                         an account: its name begins with "a/"
 *         | 'c' u32 keyspace, u32 range                      clock snapshot
 *         | 'j' u64 number                                   journal of the range logs (store.h)
 *         | 'l' u32 keyspace, u32 range, u32 node, u32 boot, u64 window, u64 piece
 *                                                            range log
 *         | 'f' u32 keyspace, u32 range                      account of the log (engine_floor.c)
 *         | part, u8 kind, [row if kind is 4], u64 fragment  data (values: fragment.h)
 *         | 'i' u32 table, u32 index, escaped term, place    an entry of an index
 *         | 'g' u32 keyspace, u32 range, u8 class, i64 due (sign bit flipped), u32 table, spot,
 *           dot                                              will be garbage (engine_garbage.c)
 *         | 'b' u32 bucket                                   bound of purged timestamps
 *         | 't' u32 keyspace, u32 range                      tree: what it is true of, its pieces
 *         | 't' u32 keyspace, u32 range, u32 table, u32 id   a piece of it: leaves (tree_record.h)
 *         | 'T' u32 keyspace, u32 range                      what was dropped since (tree_fold.c)
 *         | 'z' key                                          the twin of a key of 'F', 'M' or 'b'
 *                                                            (engine_vital.c)
 *   part  = 'd' u32 table, u64 token (sign bit flipped), escaped partition key
 *   kind  = 1 deletion of the partition, 2 range tombstones, 3 static row, 4 row
 *   row   = escaped clustering key
 *   place = u64 token (sign bit flipped), escaped partition key, u8 kind (3 all of it, 4 a row),
 *           row
 *           of the tree: u64 token, escaped partition key, u8 kind (1 its head, 4 a row), row
 *   spot  = u64 token (sign bit flipped), escaped partition key, u8 kind, [row if kind is 4]
 *   dot   = u32 node, u32 boot, u64 n
 *   escaped = each 0x00 as 0x00 0xFF, closed by 0x00 0x00
 *
 * Numbers are big endian. Stored: do not renumber. Escaping keeps the order of byte strings and
 * makes none a prefix of another, whatever the encoder of clustering keys does; so the fragments of
 * a row are neighbours, and rows and partitions follow each other in order.
 */
#ifndef TORC_STORAGE_KEYS_H
#define TORC_STORAGE_KEYS_H

#include "base/arena.h"
#include "base/buf.h"

enum key_kind { KEY_DELETION = 1, KEY_TOMBS = 2, KEY_STATIC = 3, KEY_ROW = 4, KEY_END = 5 };

#define KEY_TWIN          'z'
#define KEY_FRAGMENT_SIZE 8
#define LOG_WINDOW        64u /* dots of one actor whose entries lie together */

/* All replace what is in `out`. */
void key_meta(struct buf *out, const char *name);
void key_fact(struct buf *out, struct bytes name);
void key_twin(struct buf *out, struct bytes key); /* of another */
void key_clock(struct buf *out, keyspace_no keyspace, range_no range);
void key_log_account(struct buf *out, keyspace_no keyspace, range_no range);
/* Before all pieces of the log with these dots: window.n is a multiple of LOG_WINDOW. */
void key_log(struct buf *out, keyspace_no keyspace, range_no range, struct dot window);
void key_table(struct buf *out, table_no table); /* before all data of the table */
void key_token(struct buf *out, table_no table, token place);
void key_part(struct buf *out, table_no table, token place, struct bytes partition_key);

void key_indexes(struct buf *out, table_no table); /* before all entries of its indexes */
void key_index(struct buf *out, table_no table, index_no index);
void key_add_token(struct buf *out, token place);

void key_add_escaped(struct buf *out, struct bytes b);

/* The string that key_add_escaped wrote, at the front of `in`; a view when it had no zero bytes,
 * else in the arena. ret_len: the bytes it takes up in `in`. False when it is not one. */
bool key_unescape(struct bytes in, struct arena *arena, struct bytes *ret, size_t *ret_len);

/* Take apart the key of a clock snapshot, of a piece of a log. False when it is none. */
bool key_parse_clock(struct bytes key, keyspace_no *ret_keyspace, range_no *ret_range);
bool key_parse_log(struct bytes key, keyspace_no *ret_keyspace, range_no *ret_range,
                   struct dot *ret_window);

/* Take an entry of an index apart, from behind key_index. Views, or in the arena. */
bool key_parse_index(struct bytes rest, struct arena *arena, struct bytes *ret_term,
                     token *ret_token, struct bytes *ret_partition_key, enum key_kind *ret_kind,
                     struct bytes *ret_row);

/* What will be garbage one day. Kind 1: the deletion of the partition, 2: one of its range
 * tombstones, 3: of its static row, 4: of a row. */
enum garbage_class { GARBAGE_DELETED = 1, GARBAGE_EXPIRING = 2 };
struct garbage_key {
    keyspace_no keyspace;
    range_no range;
    enum garbage_class class;
    int64_t due; /* seconds: when it was deleted, or expires */
    table_no table;
    token token;
    struct bytes key;
    enum key_kind kind;
    struct bytes row;
    struct dot dot;
};
void key_garbage_range(struct buf *out, keyspace_no keyspace,
                       range_no range); /* before all of it */
void key_garbage(struct buf *out, const struct garbage_key *g);
bool key_parse_garbage(struct bytes key, struct arena *arena, struct garbage_key *ret);

void key_purged(struct buf *out, uint32_t bucket);

void key_tree(struct buf *out, keyspace_no keyspace, range_no range);
void key_tree_table(struct buf *out, keyspace_no keyspace, range_no range, table_no table);
void key_tree_mark(struct buf *out, keyspace_no keyspace, range_no range);
bool key_parse_tree(struct bytes key, keyspace_no *ret_keyspace, range_no *ret_range);

/* A place of the tree, from its start: the front of a partition, to which kind and row are added;
 * taking one apart. Views, or in the arena. */
void key_tree_place(struct buf *out, token place, struct bytes partition_key, enum key_kind kind);
bool key_parse_tree_place(struct bytes place, struct arena *arena, token *ret_token,
                          struct bytes *ret_partition_key, enum key_kind *ret_kind,
                          struct bytes *ret_row);
bool key_is_tree_place(struct bytes place);
/* Of one that is. */
static inline token key_place_token(struct bytes place)
{
    return (token)(load_u64(place.data) ^ (uint64_t)1 << 63);
}

/* Take the `part` of a data key. ret_len: its length. */
bool key_parse_part(struct bytes key, struct arena *arena, table_no *ret_table, token *ret_token,
                    struct bytes *ret_partition_key, size_t *ret_len);

#endif
