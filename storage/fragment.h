/* fragment.h - the value of a stored fragment: its bytes, and a checksum of them and of its key.
 *
 *   value = body (part_body_write), u32 checksum
 *
 * The checksum is there from where the fragment is made to where it is read: LevelDB has one over
 * each block, but only from where it makes the block; before, and again with each compaction, the
 * bytes lie in memory. Of a bit that flips there nobody would hear, and of two values of one
 * timestamp the larger would win everywhere. With the key in it (it ends in a number that no two
 * fragments have) a value that got under another key is seen, too.
 *
 * XXH3, folded to 32 bits: some 10 ns for a row of 100 bytes, on any machine.
 */
#ifndef TORC_STORAGE_FRAGMENT_H
#define TORC_STORAGE_FRAGMENT_H

#include "base/buf.h"

/* What is in `value` becomes the value of that key. */
void fragment_seal(struct bytes key, struct buf *value);

/* The body of a value that was read, a view. ERR_CORRUPT when it is not what was sealed. */
enum err fragment_open(struct bytes key, struct bytes value, struct bytes *ret_body) MUST_CHECK;

#endif
