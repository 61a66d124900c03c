/* conn.h - one CQL connection as bytes in, frames out; frames in, bytes out. Either end of it.
 *
 * Pure: the caller owns the socket. It feeds what it read and takes frames with cql_conn_next
 * until that says MORE; it puts frames and writes what cql_conn_out gives. Framing, versions,
 * compression and checksums are settled here, so callers see plain messages only.
 *
 *             STARTUP                  READY or AUTHENTICATE
 *   OPENING ----------> ANSWERING ---------------------------> OPEN
 *      ^                    |                                    |
 *      +------ ERROR -------+            (any) ------------> CLOSED
 *                                             broken framing
 *
 * OPENING    only OPTIONS and STARTUP pass (server); frames of at most CQL_OPENING_FRAME_MAX.
 * ANSWERING  a server hands out no frame until the STARTUP is answered: whether the following
 *            bytes are segments depends on the answer. A client may put nothing.
 * OPEN       version 4: bodies compressed as chosen in STARTUP. Version 5: segments. After an
 *            AUTHENTICATE only AUTH_RESPONSE passes until one was answered with AUTH_SUCCESS.
 * CLOSED     what is in cql_conn_out is still to be written; then shut down for writing and read
 *            on until the other end closes: a socket closed over unread bytes takes the answer
 *            with it. Input is dropped.
 *
 * The server end answers by itself what concerns the framing: a version that is not served (ERROR
 * 0x000A on stream 0 under version 4: the one answer that all drivers step down from), an opcode
 * that may not come now, a STARTUP that asks for an unknown compression, a frame above frame_max
 * (refused on its stream and skipped, so the connection lives). cql_conn_next shows only frames
 * somebody must act on.
 *
 * Invariants:
 *   (1) At most CQL_CONN_FEED_MAX + two frame_max bytes are held for input, whatever comes in.
 *   (2) A frame handed out has a body of at most frame_max bytes, uncompressed, of the version of
 *       the connection (but for a server's ERROR that refuses the client's version), with an
 *       opcode that the other end may send.
 *   (3) The first frame of a served version fixes the version of the connection.
 *
 * Frames that cql_conn_next returns borrow from the connection until the next call of
 * cql_conn_next, cql_conn_feed or cql_conn_close; cql_conn_put leaves them valid.
 */
#ifndef TORC_NODE_CQL_PROTO_CONN_H
#define TORC_NODE_CQL_PROTO_CONN_H

#include "node/cql/proto/compress.h"
#include "node/cql/proto/frame.h"

#define CQL_CONN_FEED_MAX     ((size_t)1 << 20) /* the most that one cql_conn_feed may carry */
#define CQL_OPENING_FRAME_MAX ((size_t)128 << 10)

enum cql_end { CQL_SERVER, CQL_CLIENT };

enum cql_conn_state { CQL_CONN_OPENING, CQL_CONN_ANSWERING, CQL_CONN_OPEN, CQL_CONN_CLOSED };

struct cql_conn_config {
    enum cql_end end;
    uint8_t version;  /* client: the version to speak. Server: ignored */
    size_t frame_max; /* 0: CQL_FRAME_MAX; never more than CQL_FRAME_LIMIT */
    size_t out_max;   /* what may wait to be written; 0: four times frame_max */
};

struct cql_conn {
    struct cql_conn_config config;
    enum cql_conn_state state;
    uint8_t version;                  /* 0 until known (server) */
    enum cql_compression compression; /* as STARTUP chose; in force from OPEN on */
    int16_t startup_stream;
    bool authenticating; /* AUTHENTICATE went out and no AUTH_SUCCESS yet (server) */
    bool trusted;        /* READY or AUTH_SUCCESS went out: larger frames are welcome */
    struct errmsg why;   /* CLOSED: what was wrong */

    struct buf in;   /* from the socket */
    size_t in_at;    /* what of it is used up */
    struct buf part; /* version 5: the payload being taken apart, or a large envelope growing */
    size_t part_at;
    bool growing;    /* `part` holds pieces of one large envelope */
    struct buf body; /* the decompressed body handed out */
    size_t skip;     /* bytes of a refused body still to come */

    struct buf out;  /* for the socket */
    struct buf pack; /* version 5: envelopes that will share a segment */
};

enum cql_next {
    CQL_NEXT_MORE,   /* feed more (or, ANSWERING: put the answer to STARTUP) */
    CQL_NEXT_FRAME,  /* *ret_frame is a message */
    CQL_NEXT_CLOSED, /* write what is left, then close; `why` says it in words */
};

void cql_conn_init(struct cql_conn *c, const struct cql_conn_config *config);
void cql_conn_close(struct cql_conn *c); /* accepts a zeroed or closed one */

/* Take bytes from the socket, at most CQL_CONN_FEED_MAX. Call cql_conn_next until MORE between
 * two feeds: a caller that goes on feeding a connection that waits (ANSWERING) passes the bound,
 * and the connection closes itself. */
void cql_conn_feed(struct cql_conn *c, struct bytes bytes);

/* The next message, or why there is none. Never fails: broken bytes end in CLOSED. */
enum cql_next cql_conn_next(struct cql_conn *c, struct cql_frame *ret_frame);

/* Send a message. Version, direction, compression and length are filled in; of the header only
 * stream, opcode and flags (tracing, payload, warning) are taken. ERR_TOO_BIG when the body is
 * above frame_max or out_max would be passed: nothing was put, something smaller may be.
 * ERR_CLOSED when the connection is; ERR_INVALID for what a client may not send now. */
enum err cql_conn_put(struct cql_conn *c, int16_t stream, enum cql_opcode opcode, uint8_t flags,
                      struct bytes body) MUST_CHECK;

/* What is to be written to the socket, in version 5 the segment in the making included: call it
 * once a loop turn, so that small messages share segments. Valid until the next put or next. */
struct bytes cql_conn_out(struct cql_conn *c);
void cql_conn_sent(struct cql_conn *c, size_t n); /* the first n bytes of it are written */

/* The version to encode and decode bodies with; version 4's until it is known. */
uint8_t cql_conn_version(const struct cql_conn *c);

#endif
