/* conn_inner.h - what the two halves of the connection (conn.c sends, conn_in.c receives) share.
 * For these two files only. */
#ifndef TORC_NODE_CQL_PROTO_CONN_INNER_H
#define TORC_NODE_CQL_PROTO_CONN_INNER_H

#include "base/mem.h"
#include "node/cql/proto/conn.h"
#include "node/cql/proto/error.h"
#include "node/cql/proto/segment.h"

bool conn_segmented(const struct cql_conn *c);

/* Empty a buffer, and give its memory back when it is more than an idle connection should keep. */
void conn_drop(struct buf *b);

/* The compression that a STARTUP body asks for. */
enum err conn_startup_compression(uint8_t version, struct bytes body, enum cql_compression *ret,
                                  struct errmsg *reterr) MUST_CHECK;

/* All three say c->why to the other end. Refuse: this message only; a client, which has nobody to
 * say it to, closes. Break: close after saying it. Version: under a version everybody reads. */
void conn_refuse(struct cql_conn *c, int16_t stream, enum cql_error_code code);
void conn_break(struct cql_conn *c, int16_t stream);
void conn_refuse_version(struct cql_conn *c, unsigned version);

#endif
