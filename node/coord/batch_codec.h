/* batch_codec.h - mutations as bytes: of a logged batch, what its keepers store and replay; of an
 * IF, one, the value that is decided.
 *
 *   batch = count:u32 { keyspace:u32 vbytes(part) vbytes(supersede) }*count
 */
#ifndef TORC_NODE_COORD_BATCH_CODEC_H
#define TORC_NODE_COORD_BATCH_CODEC_H

#include "node/coord/coord.h"

#define BATCH_BYTES_MAX ((size_t)16 << 20)

/* Over BATCH_BYTES_MAX, out->failed. */
void batch_encode(const struct mutation *mutations, size_t count, struct buf *out);

/* Views into `in`. ERR_MALFORMED also for a part that is not where its key belongs. */
enum err batch_decode(struct bytes in, struct arena *arena, struct mutation **ret,
                      size_t *ret_count) MUST_CHECK;

#endif
