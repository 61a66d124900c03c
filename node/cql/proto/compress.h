/* compress.h - the two body compressions a driver may choose in STARTUP.
 *
 *   lz4 body of version 4     = u32 plain length, raw LZ4 block
 *   snappy body of version 4  = raw Snappy block (it knows its own length)
 *   lz4 segment of version 5  = raw LZ4 block, both lengths in the segment header
 */
#ifndef TORC_NODE_CQL_PROTO_COMPRESS_H
#define TORC_NODE_CQL_PROTO_COMPRESS_H

#include "base/buf.h"

#define CQL_COMPRESS_MIN ((size_t)512) /* shorter bodies and segments go out as they are */

enum cql_compression { CQL_PLAIN, CQL_LZ4, CQL_SNAPPY };

/* "lz4" or "snappy" in either case, as Cassandra takes it; false for any other name. */
bool cql_compression_parse(struct bytes name, enum cql_compression *ret_compression);
const char *cql_compression_name(enum cql_compression c); /* "" for CQL_PLAIN */

/* Append the compressed form of a version 4 body. */
void cql_body_compress(struct buf *b, enum cql_compression c, struct bytes body);

/* Append the plain form. ERR_TOO_BIG when it claims more than `max` bytes, ERR_MALFORMED when it
 * is no compressed body; nothing is appended then, and no memory is taken for a claim that the
 * bytes present cannot possibly unpack to. */
enum err cql_body_decompress(struct buf *b, enum cql_compression c, struct bytes body,
                             size_t max) MUST_CHECK;

/* A raw LZ4 block without its length: append and return true, or, when it would not be smaller
 * than the payload, append nothing and return false. */
bool cql_block_compress(struct buf *b, struct bytes payload);

/* The way back to exactly `plain_len` bytes, at least one; ERR_MALFORMED otherwise. */
enum err cql_block_decompress(struct buf *b, struct bytes block, size_t plain_len) MUST_CHECK;

#endif
