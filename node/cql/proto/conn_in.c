#include "node/cql/proto/conn_inner.h"

static struct bytes rest(const struct buf *b, size_t at)
{
    return at < b->len ? bytes_make(b->data + at, b->len - at) : BYTES_NONE;
}

/* One try at the bytes at hand. */
enum take {
    TAKE_MORE,  /* not enough bytes; nothing was consumed */
    TAKE_AGAIN, /* something was consumed or the state changed: look again */
    TAKE_FRAME,
};

void cql_conn_feed(struct cql_conn *c, struct bytes bytes)
{
    if (c->state == CQL_CONN_CLOSED)
        return;
    if (c->in_at > 0)
        buf_consume(&c->in, c->in_at);
    c->in_at = 0;
    if (c->in.len == 0)
        conn_drop(&c->in);
    buf_put_bytes(&c->in, bytes);
    if (c->in.failed) {
        errmsg_set(&c->why, ERR_TOO_BIG, "too many bytes before STARTUP was answered");
        c->state = CQL_CONN_CLOSED;
    }
}

/* The longest body that is welcome now. */
static size_t body_max(const struct cql_conn *c)
{
    size_t max = c->config.frame_max;
    if (c->config.end == CQL_SERVER && !c->trusted && max > CQL_OPENING_FRAME_MAX)
        return CQL_OPENING_FRAME_MAX;
    return max;
}

/* False when the connection cannot go on after such a header; it is closed then. */
static bool judge_version(struct cql_conn *c, const struct cql_header *h)
{
    bool server = c->config.end == CQL_SERVER;
    if (h->response == server) {
        errmsg_set(&c->why, ERR_MALFORMED, "a frame of the wrong direction");
        conn_break(c, h->stream);
        return false;
    }
    if (server && !cql_version_served(h->version)) {
        conn_refuse_version(c, h->version);
        return false;
    }
    if (server && c->version == 0)
        c->version = h->version;
    if (h->version != c->version) {
        /* A server that does not speak our version says so under one that it does. */
        if (!server && c->state != CQL_CONN_OPEN && h->opcode == CQL_ERROR)
            return true;
        errmsg_set(&c->why, ERR_MALFORMED, "a frame of version %u on a connection of version %u",
                   h->version, c->version);
        conn_break(c, h->stream);
        return false;
    }
    return true;
}

/* True when the opcode may come now; otherwise c->why says why not. */
static bool judge_opcode(struct cql_conn *c, const struct cql_header *h)
{
    const char *name = cql_opcode_name(h->opcode);
    if (c->config.end == CQL_CLIENT) {
        if (cql_opcode_is_response(h->opcode))
            return true;
        errmsg_set(&c->why, ERR_MALFORMED, "opcode %u is no response", h->opcode);
        return false;
    }
    if (!cql_opcode_is_request(h->opcode)) {
        errmsg_set(&c->why, ERR_MALFORMED, "opcode %u is no request", h->opcode);
        return false;
    }
    if (c->state == CQL_CONN_OPENING && h->opcode != CQL_STARTUP && h->opcode != CQL_OPTIONS) {
        errmsg_set(&c->why, ERR_INVALID, "%s before STARTUP", name);
        return false;
    }
    if (c->authenticating && h->opcode != CQL_AUTH_RESPONSE) {
        errmsg_set(&c->why, ERR_INVALID, "Unexpected message %s, expecting SASL_RESPONSE", name);
        return false;
    }
    if (c->state == CQL_CONN_OPEN && h->opcode == CQL_STARTUP) {
        errmsg_set(&c->why, ERR_INVALID, "the connection is already initialized");
        return false;
    }
    return true;
}

/* Uncompress into c->body when the frame says so. False when the frame was refused. */
static bool unpack_body(struct cql_conn *c, struct cql_frame *frame)
{
    bool compressed = frame->header.flags & CQL_FLAG_COMPRESSED;
    frame->header.flags &= (uint8_t)~CQL_FLAG_COMPRESSED;
    /* Segments compress as a whole; the flag of an envelope says nothing there. */
    if (!compressed || frame->body.len == 0 || conn_segmented(c))
        return true;
    enum err err = ERR_INVALID;
    /* A server may compress already the answer to STARTUP. */
    bool chosen = c->state == CQL_CONN_OPEN || c->config.end == CQL_CLIENT;
    if (chosen && c->compression != CQL_PLAIN)
        err = cql_body_decompress(&c->body, c->compression, frame->body, body_max(c));
    if (err == ERR_OK) {
        frame->body = buf_bytes(&c->body);
        return true;
    }
    bool big = err == ERR_TOO_BIG;
    errmsg_set(&c->why, err, "%s",
               err == ERR_INVALID ? "a compressed frame, but no compression was chosen"
               : big              ? "the request is too big once uncompressed"
                                  : "a compressed body that does not uncompress");
    conn_refuse(c, frame->header.stream, big ? CQL_ERROR_INVALID : CQL_ERROR_PROTOCOL);
    return false;
}

/* What a frame does to the connection itself. False when it was refused. */
static bool note_frame(struct cql_conn *c, const struct cql_frame *frame)
{
    unsigned opcode = frame->header.opcode;
    if (c->config.end == CQL_CLIENT) {
        if (c->state != CQL_CONN_ANSWERING)
            return true;
        if (opcode == CQL_READY || opcode == CQL_AUTHENTICATE)
            c->state = CQL_CONN_OPEN;
        else if (opcode == CQL_ERROR)
            c->state = CQL_CONN_OPENING;
        return true;
    }
    if (opcode != CQL_STARTUP)
        return true;
    if (conn_startup_compression(c->version, frame->body, &c->compression, &c->why) != ERR_OK) {
        conn_refuse(c, frame->header.stream, CQL_ERROR_PROTOCOL);
        return false;
    }
    c->state = CQL_CONN_ANSWERING;
    c->startup_stream = frame->header.stream;
    return true;
}

/* Judge the header at the start of `bytes`. False when its body is not for us: the connection is
 * closed, or c->skip is set. */
static bool judge_header(struct cql_conn *c, const struct cql_header *h)
{
    if (!judge_version(c, h))
        return false;
    if (h->length > CQL_FRAME_LIMIT) {
        errmsg_set(&c->why, ERR_TOO_BIG, "a frame of %u bytes", h->length);
        conn_break(c, h->stream);
        return false;
    }
    if (!judge_opcode(c, h)) {
        conn_refuse(c, h->stream, CQL_ERROR_PROTOCOL);
        c->skip = h->length;
        return false;
    }
    if (h->length > body_max(c)) {
        errmsg_set(&c->why, ERR_TOO_BIG,
                   "the request is too big: %u bytes, at most %zu are allowed", h->length,
                   body_max(c));
        conn_refuse(c, h->stream, CQL_ERROR_INVALID);
        c->skip = h->length;
        return false;
    }
    return true;
}

/* Take one envelope off the front of `bytes`; *ret_used says how much went. */
static enum take take_envelope(struct cql_conn *c, struct bytes bytes, size_t *ret_used,
                               struct cql_frame *ret_frame)
{
    *ret_used = 0;
    if (c->skip > 0) {
        *ret_used = c->skip < bytes.len ? c->skip : bytes.len;
        c->skip -= *ret_used;
        return *ret_used > 0 ? TAKE_AGAIN : TAKE_MORE;
    }
    if (bytes.len < CQL_HEADER_SIZE)
        return TAKE_MORE;
    struct cql_header h = cql_header_read(bytes.data);
    if (!judge_header(c, &h)) {
        *ret_used = CQL_HEADER_SIZE;
        return TAKE_AGAIN;
    }
    if (bytes.len - CQL_HEADER_SIZE < h.length)
        return TAKE_MORE;
    *ret_used = CQL_HEADER_SIZE + h.length;
    struct cql_frame frame = {h, bytes_make(bytes.data + CQL_HEADER_SIZE, h.length)};
    if (!unpack_body(c, &frame))
        return TAKE_AGAIN;
    frame.header.length = (uint32_t)frame.body.len;
    if (!note_frame(c, &frame))
        return TAKE_AGAIN;
    *ret_frame = frame;
    return TAKE_FRAME;
}

static enum take take_bare(struct cql_conn *c, struct cql_frame *ret_frame)
{
    size_t used;
    enum take t = take_envelope(c, rest(&c->in, c->in_at), &used, ret_frame);
    c->in_at += used;
    return t;
}

/* Append the payload of the next segment to c->part. */
static enum take take_segment(struct cql_conn *c)
{
    struct cql_segment s;
    enum err err = cql_segment_read(rest(&c->in, c->in_at), c->compression == CQL_LZ4, &s);
    if (err == ERR_NOT_FOUND)
        return TAKE_MORE;
    if (err == ERR_OK && c->growing && s.self_contained)
        err = ERR_MALFORMED;
    if (err == ERR_OK) {
        c->growing = !s.self_contained;
        c->in_at += s.size;
        if (s.plain_len > 0)
            err = cql_block_decompress(&c->part, s.payload, s.plain_len);
        else
            buf_put_bytes(&c->part, s.payload);
    }
    if (err != ERR_OK) {
        errmsg_set(&c->why, err, "%s",
                   err == ERR_CORRUPT ? "a segment whose checksum does not match"
                                      : "a segment that does not fit the one before or itself");
        conn_break(c, 0);
    }
    return TAKE_AGAIN;
}

static enum take take_segmented(struct cql_conn *c, struct cql_frame *ret_frame)
{
    if (c->part_at == c->part.len) {
        conn_drop(&c->part);
        c->part_at = 0;
        if (c->skip == 0)
            c->growing = false;
        return take_segment(c);
    }
    size_t used;
    enum take t = take_envelope(c, rest(&c->part, c->part_at), &used, ret_frame);
    c->part_at += used;
    if (c->state == CQL_CONN_CLOSED)
        return TAKE_AGAIN;
    /* A self contained segment ends with an envelope; the pieces of a large one hold nothing else.
     */
    bool at_end = c->part_at == c->part.len;
    bool broken = c->growing ? used > 0 && c->skip == 0 && !at_end
                             : t == TAKE_MORE || (at_end && c->skip > 0);
    if (broken) {
        errmsg_set(&c->why, ERR_MALFORMED, "a segment that does not end with its envelope");
        conn_break(c, 0);
        return TAKE_AGAIN;
    }
    return t == TAKE_MORE ? take_segment(c) : t;
}

enum cql_next cql_conn_next(struct cql_conn *c, struct cql_frame *ret_frame)
{
    conn_drop(&c->body);
    for (;;) {
        if (c->state == CQL_CONN_CLOSED)
            return CQL_NEXT_CLOSED;
        if (c->config.end == CQL_SERVER && c->state == CQL_CONN_ANSWERING)
            return CQL_NEXT_MORE;
        enum take t = conn_segmented(c) ? take_segmented(c, ret_frame) : take_bare(c, ret_frame);
        if (t == TAKE_FRAME)
            return CQL_NEXT_FRAME;
        if (t == TAKE_MORE)
            return CQL_NEXT_MORE;
    }
}
