#include "cli/client.h"

#include "base/mem.h"
#include "cli/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)256 << 10)

bool client_is_open(const struct client *c)
{
    return c->chunk != NULL && c->fd >= 0;
}

static void drop(struct client *c)
{
    if (c->chunk == NULL)
        return;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    cql_conn_close(&c->conn);
}

void client_close(struct client *c)
{
    drop(c);
    mem_free(c->chunk);
    *c = (struct client){.fd = -1};
}

enum err client_put(struct client *c, int16_t stream, const struct cql_request *request,
                    struct errmsg *reterr)
{
    struct buf body;
    if (!client_is_open(c))
        return errmsg_set(reterr, ERR_CLOSED, "not connected");
    buf_init(&body, CQL_FRAME_LIMIT);
    uint8_t flags = cql_request_put(&body, cql_conn_version(&c->conn), request);
    enum err err = buf_finish(&body);
    if (err == ERR_OK)
        err = cql_conn_put(&c->conn, stream, request->opcode, flags, buf_bytes(&body));
    if (err == ERR_TOO_BIG)
        errmsg_set(reterr, err, "the request is too long (%zu bytes)", body.len);
    else if (err != ERR_OK)
        errmsg_set(reterr, err, "cannot send: %s", err_text(err));
    buf_close(&body);
    return err;
}

size_t client_unsent(const struct client *c)
{
    return c->conn.out.len + c->conn.pack.len;
}

static enum err lost(struct client *c, struct errmsg *reterr, const char *why)
{
    errmsg_set(reterr, ERR_CLOSED, "the connection to %s port %u was lost: %s", c->host,
               c->config.port, why);
    drop(c);
    return ERR_CLOSED;
}

/* Write as much as goes. */
static enum err push(struct client *c, struct errmsg *reterr)
{
    struct bytes out = cql_conn_out(&c->conn);
    while (out.len > 0) {
        ssize_t n = send(c->fd, out.data, out.len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return ERR_OK;
        if (n < 0)
            return lost(c, reterr, strerror(errno));
        cql_conn_sent(&c->conn, (size_t)n);
        out = cql_conn_out(&c->conn);
    }
    return ERR_OK;
}

void client_flush(struct client *c)
{
    if (!client_is_open(c))
        return;
    struct bytes out = cql_conn_out(&c->conn);
    ssize_t n = out.len > 0 ? send(c->fd, out.data, out.len, MSG_NOSIGNAL) : 0;
    if (n > 0)
        cql_conn_sent(&c->conn, (size_t)n);
}

/* Read what is there, waiting for it until the deadline. */
static enum err pull(struct client *c, usec deadline, struct errmsg *reterr)
{
    while (true) {
        ssize_t n = recv(c->fd, c->chunk, READ_CHUNK, 0);
        if (n > 0) {
            cql_conn_feed(&c->conn, bytes_make(c->chunk, (size_t)n));
            return ERR_OK;
        }
        if (n == 0)
            return lost(c, reterr, "the server closed it");
        if (errno != EAGAIN && errno != EINTR)
            return lost(c, reterr, strerror(errno));
        enum err err = push(c, reterr);
        if (err == ERR_OK)
            err = net_wait(c->fd, client_unsent(c) > 0, deadline, reterr);
        if (err != ERR_OK)
            return err;
    }
}

enum err client_wait(struct client *c, usec deadline, struct arena *a, int16_t *ret_stream,
                     struct cql_response *ret_response, struct errmsg *reterr)
{
    struct cql_frame frame;
    struct errmsg why;
    if (!client_is_open(c))
        return errmsg_set(reterr, ERR_CLOSED, "not connected");
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        enum cql_next next = cql_conn_next(&c->conn, &frame);
        if (next == CQL_NEXT_CLOSED)
            return lost(c, reterr, c->conn.why.text);
        if (next == CQL_NEXT_MORE) { /* only now: what was put meanwhile shares a segment */
            err = push(c, reterr);
            if (err == ERR_OK)
                err = pull(c, deadline, reterr);
            continue;
        }
        if (frame.header.stream == CQL_STREAM_EVENT)
            continue;
        err = cql_response_read(&frame, a, ret_response, &why);
        if (err != ERR_OK)
            return lost(c, reterr, why.text);
        *ret_stream = frame.header.stream;
        return ERR_OK;
    }
    return err;
}

enum err client_ask(struct client *c, const struct cql_request *request, struct arena *a,
                    struct cql_response *ret_response, struct errmsg *reterr)
{
    int16_t mine = c->next_stream;
    int16_t stream;
    c->next_stream = mine == INT16_MAX ? CLIENT_STREAM_ASK : (int16_t)(mine + 1);
    enum err err = client_put(c, mine, request, reterr);
    usec deadline = net_clock() + c->config.request_timeout;
    while (err == ERR_OK) {
        err = client_wait(c, deadline, a, &stream, ret_response, reterr);
        if (err == ERR_OK && stream == mine)
            return ERR_OK;
    }
    if (err == ERR_TIMEOUT)
        errmsg_set(reterr, err, "no answer from %s port %u within %lld s (--request-timeout)",
                   c->host, c->config.port, (long long)(c->config.request_timeout / USEC_PER_SEC));
    return err;
}

enum err client_query(struct client *c, const char *text, struct arena *a,
                      struct cql_response *ret_response, struct errmsg *reterr)
{
    struct cql_request request = {.opcode = CQL_QUERY};
    request.query.text = bytes_text(text);
    request.query.params.consistency = CQL_CL_ONE;
    enum err err = client_ask(c, &request, a, ret_response, reterr);
    if (err == ERR_OK && ret_response->opcode == CQL_ERROR) {
        struct buf words;
        buf_init(&words, ERRMSG_SIZE * 8);
        client_error_text(&ret_response->error, &words);
        errmsg_set(reterr, ERR_INVALID, "%.*s", (int)words.len, (const char *)words.data);
        buf_close(&words);
        return ERR_INVALID;
    }
    return err;
}

static enum err refused(const struct cql_response *response, struct errmsg *reterr)
{
    return errmsg_set(reterr,
                      response->error.code == CQL_ERROR_PROTOCOL ? ERR_UNSUPPORTED : ERR_REFUSED,
                      "the server refused us: %.*s", (int)response->error.message.len,
                      (const char *)response->error.message.data);
}

/* SASL PLAIN: NUL, name, NUL, password. */
static enum err log_in(struct client *c, struct arena *a, struct errmsg *reterr)
{
    struct cql_request request = {.opcode = CQL_AUTH_RESPONSE};
    struct cql_response response;
    struct buf sasl;
    int16_t stream;
    if (c->config.username == NULL || c->config.password == NULL)
        return errmsg_set(reterr, ERR_REFUSED,
                          "the server asks who we are: --username and --password say it");
    buf_init(&sasl, 1 << 16);
    buf_put_u8(&sasl, 0);
    buf_put_text(&sasl, c->config.username);
    buf_put_u8(&sasl, 0);
    buf_put_text(&sasl, c->config.password);
    request.auth_response = cql_value_make(buf_bytes(&sasl));
    enum err err = client_put(c, 0, &request, reterr);
    buf_close(&sasl);
    if (err == ERR_OK)
        err =
            client_wait(c, net_clock() + c->config.connect_timeout, a, &stream, &response, reterr);
    if (err == ERR_OK && response.opcode == CQL_ERROR)
        return refused(&response, reterr);
    if (err == ERR_OK && response.opcode != CQL_AUTH_SUCCESS)
        err = errmsg_set(reterr, ERR_MALFORMED, "the server answered our password with %s",
                         cql_opcode_name(response.opcode));
    return err;
}

/* STARTUP and its answer. ERR_UNSUPPORTED: the server has not this version of the protocol. */
static enum err introduce(struct client *c, struct errmsg *reterr)
{
    const struct cql_pair pairs[] = {{bytes_text("CQL_VERSION"), bytes_text("3.0.0")},
                                     {bytes_text("DRIVER_NAME"), bytes_text("torc")},
                                     {bytes_text("DRIVER_VERSION"), bytes_text(TORC_VERSION)}};
    struct cql_request request = {.opcode = CQL_STARTUP, .startup = {pairs, ARRAY_LEN(pairs)}};
    struct cql_response response;
    struct arena arena;
    arena_init(&arena);
    enum err err = client_put(c, 0, &request, reterr);
    int16_t stream;
    if (err == ERR_OK)
        err = client_wait(c, net_clock() + c->config.connect_timeout, &arena, &stream, &response,
                          reterr);
    if (err == ERR_OK && response.opcode == CQL_AUTHENTICATE)
        err = log_in(c, &arena, reterr);
    else if (err == ERR_OK && response.opcode == CQL_ERROR)
        err = refused(&response, reterr);
    else if (err == ERR_OK && response.opcode != CQL_READY)
        err = errmsg_set(reterr, ERR_MALFORMED, "the server answered STARTUP with %s",
                         cql_opcode_name(response.opcode));
    arena_close(&arena);
    return err;
}

static enum err open_version(struct client *c, uint8_t version, struct errmsg *reterr)
{
    enum err err = net_connect(c->host, c->config.port, c->config.connect_timeout, &c->fd, reterr);
    if (err != ERR_OK)
        return err;
    cql_conn_init(&c->conn, &(struct cql_conn_config){.end = CQL_CLIENT,
                                                      .version = version,
                                                      .frame_max = CQL_FRAME_LIMIT,
                                                      .out_max = CLIENT_OUT_MAX});
    err = introduce(c, reterr);
    if (err != ERR_OK)
        drop(c);
    return err;
}

enum err client_open(struct client *c, const struct client_config *config, struct errmsg *reterr)
{
    *c = (struct client){.config = *config, .fd = -1, .next_stream = CLIENT_STREAM_ASK};
    snprintf(c->host, sizeof c->host, "%s", config->host);
    c->config.host = NULL; /* the copy counts */
    c->chunk = mem_alloc(READ_CHUNK);
    uint8_t version = config->version != 0 ? config->version : CQL_VERSION_MAX;
    enum err err = open_version(c, version, reterr);
    while (err == ERR_UNSUPPORTED && config->version == 0 && version > CQL_VERSION_MIN)
        err = open_version(c, --version, reterr);
    if (err != ERR_OK)
        client_close(c);
    return err;
}
