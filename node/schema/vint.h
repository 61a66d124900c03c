/* vint.h - Cassandra's unsigned integers of variable length: the leading one bits of the first byte
 * count the bytes that follow. Private to this folder. */
#ifndef TORC_NODE_SCHEMA_VINT_H
#define TORC_NODE_SCHEMA_VINT_H

#include "base/buf.h"

uint64_t vint_read(struct reader *r);
void vint_put(uint64_t v, struct buf *out);

#endif
