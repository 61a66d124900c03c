#include "node/cql/proto/conn_inner.h"

/* An idle connection keeps no more than this per buffer, whatever it once carried. */
#define KEEP_MAX ((size_t)64 << 10)

void cql_conn_init(struct cql_conn *c, const struct cql_conn_config *config)
{
    *c = (struct cql_conn){.config = *config};
    size_t *frame_max = &c->config.frame_max;
    if (*frame_max == 0)
        *frame_max = CQL_FRAME_MAX;
    if (*frame_max > CQL_FRAME_LIMIT)
        *frame_max = CQL_FRAME_LIMIT;
    if (c->config.out_max == 0)
        c->config.out_max = 4 * *frame_max;
    if (config->end == CQL_CLIENT)
        c->version = config->version;
    buf_init(&c->in, *frame_max + CQL_HEADER_SIZE + CQL_CONN_FEED_MAX);
    buf_init(&c->part, *frame_max + CQL_HEADER_SIZE + CQL_SEGMENT_PAYLOAD_MAX);
    buf_init(&c->body, *frame_max);
    /* What may wait is counted in cql_conn_put, which knows the whole of a message. */
    buf_init(&c->out, SIZE_MAX / 2);
    buf_init(&c->pack, SIZE_MAX / 2);
}

void cql_conn_close(struct cql_conn *c)
{
    buf_close(&c->in);
    buf_close(&c->part);
    buf_close(&c->body);
    buf_close(&c->out);
    buf_close(&c->pack);
    c->in_at = c->part_at = 0;
    c->state = CQL_CONN_CLOSED;
}

uint8_t cql_conn_version(const struct cql_conn *c)
{
    return c->version != 0 ? c->version : CQL_VERSION_MIN;
}

bool conn_segmented(const struct cql_conn *c)
{
    return c->state == CQL_CONN_OPEN && c->version >= CQL_VERSION_SEGMENT;
}

void conn_drop(struct buf *b)
{
    if (b->cap > KEEP_MAX)
        buf_close(b);
    buf_clear(b);
}

enum err conn_startup_compression(uint8_t version, struct bytes body, enum cql_compression *ret,
                                  struct errmsg *reterr)
{
    struct arena a;
    arena_init(&a);
    struct reader r = reader_make(body);
    struct cql_map options = cql_read_string_map(&r, &a);
    struct bytes name;
    enum err err = ERR_OK;
    *ret = CQL_PLAIN;
    if (r.failed)
        err = errmsg_set(reterr, ERR_MALFORMED, "malformed STARTUP");
    else if (cql_map_get(&options, "COMPRESSION", &name) && name.len > 0) {
        if (!cql_compression_parse(name, ret))
            err = errmsg_set(reterr, ERR_INVALID, "unknown compression %.*s; there are lz4, snappy",
                             (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
        else if (*ret == CQL_SNAPPY && version >= CQL_VERSION_SEGMENT)
            err = errmsg_set(reterr, ERR_INVALID, "protocol version %u compresses with lz4 only",
                             version);
    }
    arena_close(&a);
    return err;
}

/* Sending. */

/* Turn the packed envelopes into one segment. */
static void flush_pack(struct cql_conn *c)
{
    if (c->pack.len == 0)
        return;
    cql_segment_put(&c->out, buf_bytes(&c->pack), true, c->compression == CQL_LZ4);
    conn_drop(&c->pack);
}

static void put_segmented(struct cql_conn *c, const struct cql_header *h, struct bytes body)
{
    if (c->pack.len + CQL_HEADER_SIZE + body.len > CQL_SEGMENT_PAYLOAD_MAX)
        flush_pack(c);
    cql_header_put(&c->pack, h);
    buf_put_bytes(&c->pack, body);
    if (c->pack.len <= CQL_SEGMENT_PAYLOAD_MAX)
        return;
    struct bytes all = buf_bytes(&c->pack);
    for (size_t at = 0, n; at < all.len; at += n) {
        n = all.len - at < CQL_SEGMENT_PAYLOAD_MAX ? all.len - at : CQL_SEGMENT_PAYLOAD_MAX;
        cql_segment_put(&c->out, bytes_make(all.data + at, n), false, c->compression == CQL_LZ4);
    }
    conn_drop(&c->pack);
}

static void put_bare(struct cql_conn *c, struct cql_header *h, struct bytes body)
{
    size_t start = c->out.len;
    bool compress =
        c->state == CQL_CONN_OPEN && c->compression != CQL_PLAIN && body.len >= CQL_COMPRESS_MIN;
    if (compress) {
        h->flags |= CQL_FLAG_COMPRESSED;
        cql_header_put(&c->out, h);
        cql_body_compress(&c->out, c->compression, body);
        size_t len = c->out.len - start - CQL_HEADER_SIZE;
        if (len < body.len) {
            store_u32(c->out.data + start + 5, (uint32_t)len);
            return;
        }
        c->out.len = start;
        h->flags &= (uint8_t)~CQL_FLAG_COMPRESSED;
    }
    cql_header_put(&c->out, h);
    buf_put_bytes(&c->out, body);
}

/* The most that this message and what is packed may add to `out`. */
static size_t size_on_wire(const struct cql_conn *c, size_t body_len)
{
    size_t len = CQL_HEADER_SIZE + body_len;
    size_t segments = len / CQL_SEGMENT_PAYLOAD_MAX + 2;
    return c->pack.len + len + segments * (CQL_SEGMENT_HEADER_MAX + CQL_SEGMENT_TRAILER);
}

static enum err put(struct cql_conn *c, uint8_t version, int16_t stream, enum cql_opcode opcode,
                    uint8_t flags, struct bytes body)
{
    if (body.len > c->config.frame_max ||
        c->out.len + size_on_wire(c, body.len) > c->config.out_max)
        return ERR_TOO_BIG;
    struct cql_header h = {
        .version = version,
        .response = c->config.end == CQL_SERVER,
        .flags = flags & (uint8_t)~CQL_FLAG_COMPRESSED,
        .stream = stream,
        .opcode = (uint8_t)opcode,
        .length = (uint32_t)body.len,
    };
    if (conn_segmented(c))
        put_segmented(c, &h, body);
    else
        put_bare(c, &h, body);
    return ERR_OK;
}

static void after_put_server(struct cql_conn *c, int16_t stream, enum cql_opcode opcode)
{
    if (c->state == CQL_CONN_ANSWERING) {
        if (opcode == CQL_READY || opcode == CQL_AUTHENTICATE)
            c->state = CQL_CONN_OPEN;
        else if (opcode == CQL_ERROR && stream == c->startup_stream)
            c->state = CQL_CONN_OPENING;
    }
    if (opcode == CQL_AUTHENTICATE)
        c->authenticating = true;
    if (opcode == CQL_AUTH_SUCCESS)
        c->authenticating = false;
    if (opcode == CQL_READY || opcode == CQL_AUTH_SUCCESS)
        c->trusted = true;
}

static enum err put_client(struct cql_conn *c, int16_t stream, enum cql_opcode opcode,
                           uint8_t flags, struct bytes body)
{
    enum cql_compression compression = c->compression;
    bool open = c->state == CQL_CONN_OPEN;
    if (c->state == CQL_CONN_ANSWERING || (open && opcode == CQL_STARTUP) ||
        (!open && opcode != CQL_STARTUP && opcode != CQL_OPTIONS))
        return ERR_INVALID;
    if (opcode == CQL_STARTUP) {
        enum err err = conn_startup_compression(c->version, body, &compression, &c->why);
        if (err != ERR_OK)
            return err;
    }
    enum err err = put(c, c->version, stream, opcode, flags, body);
    if (err == ERR_OK && opcode == CQL_STARTUP) {
        c->state = CQL_CONN_ANSWERING;
        c->compression = compression;
        c->startup_stream = stream;
    }
    return err;
}

enum err cql_conn_put(struct cql_conn *c, int16_t stream, enum cql_opcode opcode, uint8_t flags,
                      struct bytes body)
{
    if (c->state == CQL_CONN_CLOSED)
        return ERR_CLOSED;
    if (c->config.end == CQL_CLIENT) {
        ASSERT(cql_opcode_is_request(opcode));
        return put_client(c, stream, opcode, flags, body);
    }
    ASSERT(cql_opcode_is_response(opcode));
    enum err err = put(c, cql_conn_version(c), stream, opcode, flags, body);
    if (err == ERR_OK)
        after_put_server(c, stream, opcode);
    return err;
}

struct bytes cql_conn_out(struct cql_conn *c)
{
    flush_pack(c);
    return buf_bytes(&c->out);
}

void cql_conn_sent(struct cql_conn *c, size_t n)
{
    buf_consume(&c->out, n);
    if (c->out.len == 0)
        conn_drop(&c->out);
}

/* Refusing. */

static void put_error(struct cql_conn *c, uint8_t version, int16_t stream, enum cql_error_code code)
{
    struct cql_error error = cql_error_make(code, bytes_text(c->why.text));
    struct buf body;
    buf_init(&body, KEEP_MAX);
    cql_error_put(&body, version, &error);
    /* Whoever sends nonsense and never reads what it gets is done with. */
    if (put(c, version, stream, CQL_ERROR, 0, buf_bytes(&body)) != ERR_OK)
        c->state = CQL_CONN_CLOSED;
    buf_close(&body);
}

void conn_refuse(struct cql_conn *c, int16_t stream, enum cql_error_code code)
{
    if (c->config.end == CQL_SERVER)
        put_error(c, cql_conn_version(c), stream, code);
    else
        c->state = CQL_CONN_CLOSED;
}

void conn_refuse_version(struct cql_conn *c, unsigned version)
{
    /* The sentence is Cassandra's: drivers know by its words that they should step down. */
    errmsg_set(&c->why, ERR_UNSUPPORTED,
               "Invalid or unsupported protocol version (%u); supported versions are (%s)", version,
               CQL_VERSIONS_TEXT);
    if (c->config.end == CQL_SERVER)
        put_error(c, CQL_VERSION_MIN, 0, CQL_ERROR_PROTOCOL);
    c->state = CQL_CONN_CLOSED;
}

void conn_break(struct cql_conn *c, int16_t stream)
{
    conn_refuse(c, stream, CQL_ERROR_PROTOCOL);
    c->state = CQL_CONN_CLOSED;
}
