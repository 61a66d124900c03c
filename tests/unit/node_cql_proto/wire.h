/* wire.h - golden bytes for the tests: written in hex, compared byte by byte. */
#ifndef TORC_TESTS_WIRE_H
#define TORC_TESTS_WIRE_H

#include "node/cql/proto/conn.h"
#include "node/cql/proto/request.h"
#include "node/cql/proto/response.h"

#include <CUnit/CUnit.h>

/* Bytes of a hex text; blanks are skipped. Memory from the arena. */
struct bytes wire_hex(struct arena *a, const char *hex);

/* Assert that `actual` are the bytes of `hex`; prints what differs. */
void wire_expect(struct arena *a, struct bytes actual, const char *hex);

/* n bytes that compress well, or not at all. */
struct bytes wire_text(struct arena *a, size_t n);
struct bytes wire_noise(struct arena *a, size_t n, uint64_t seed);

/* Open both ends as a driver and a server do: OPTIONS, STARTUP, READY, moving all bytes between
 * them in pieces of at most `piece` bytes. */
void wire_open(struct cql_conn *client, struct cql_conn *server, enum cql_compression compression,
               size_t piece);

/* Move what `from` has to say into `to`, a piece at a time, until `to` has a frame. False when
 * nothing is left and there is none. */
bool wire_move(struct cql_conn *from, struct cql_conn *to, size_t piece,
               struct cql_frame *ret_frame);

/* Feed all bytes and take the next frame. */
enum cql_next wire_feed(struct cql_conn *c, struct bytes bytes, struct cql_frame *ret_frame);

void wire_close(struct cql_conn *client, struct cql_conn *server);

#endif
