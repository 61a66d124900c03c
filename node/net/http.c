/* http.c - what monitoring, orchestration and the command line ask: /metrics /health /ready /status
 * /ring. Read-only, small answers, bounded requests. */
#include "node/net/shell.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <sys/socket.h>

#define HTTP_HEADERS_MAX  8192
#define HTTP_BODY_MAX     4096
#define HTTP_TIMEOUT_SECS 10
#define HTTP_ANSWER_MAX   ((size_t)16 << 20)

static void answer(struct evhttp_request *r, int code, const char *type, struct bytes body)
{
    struct evbuffer *out = evbuffer_new();
    evbuffer_add(out, body.data, body.len);
    evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", type);
    evhttp_send_reply(r, code, code == HTTP_OK ? "OK" : "Unavailable", out);
    evbuffer_free(out);
}

static bool is_get(struct evhttp_request *r)
{
    enum evhttp_cmd_type type = evhttp_request_get_command(r);
    if (type == EVHTTP_REQ_GET || type == EVHTTP_REQ_HEAD)
        return true;
    evhttp_send_error(r, HTTP_BADMETHOD, "only GET");
    return false;
}

static void on_metrics(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct buf out;
    if (!is_get(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    node_metrics_text(s->node, shell_now(), &out);
    answer(r, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", buf_bytes(&out));
    buf_close(&out);
}

static void on_health(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    const char *failure = store_failure(s->store);
    if (!is_get(r))
        return;
    if (failure != NULL)
        answer(r, HTTP_SERVUNAVAIL, "text/plain", bytes_text(failure));
    else
        answer(r, HTTP_OK, "text/plain", BYTES_LIT("ok\n"));
}

static void on_ready(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    bool ready = node_is_ready(s->node);
    struct buf out;
    if (!is_get(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    buf_printf(&out, "%s\n", node_phase(s->node));
    answer(r, ready ? HTTP_OK : HTTP_SERVUNAVAIL, "text/plain", buf_bytes(&out));
    buf_close(&out);
}

static void on_status(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct buf out;
    if (!is_get(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    node_status_json(s->node, shell_now(), &out);
    answer(r, HTTP_OK, "application/json", buf_bytes(&out));
    buf_close(&out);
}

static void on_ring(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct buf out;
    if (!is_get(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    node_ring_json(s->node, &out);
    answer(r, HTTP_OK, "application/json", buf_bytes(&out));
    buf_close(&out);
}

static void on_other(struct evhttp_request *r, void *arg)
{
    (void)arg;
    evhttp_send_error(r, HTTP_NOTFOUND, "there is /metrics /health /ready /status /ring");
}

enum err http_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr)
{
    int fd;
    enum err err = shell_bind(at, SOCK_STREAM, &fd, reterr);
    if (err != ERR_OK)
        return err;
    s->http = evhttp_new(s->base);
    evhttp_accept_socket(s->http, fd);
    evhttp_set_max_headers_size(s->http, HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(s->http, HTTP_BODY_MAX);
    evhttp_set_timeout(s->http, HTTP_TIMEOUT_SECS);
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_cb(s->http, "/metrics", on_metrics, s);
    evhttp_set_cb(s->http, "/health", on_health, s);
    evhttp_set_cb(s->http, "/ready", on_ready, s);
    evhttp_set_cb(s->http, "/status", on_status, s);
    evhttp_set_cb(s->http, "/ring", on_ring, s);
    evhttp_set_gencb(s->http, on_other, s);
    return ERR_OK;
}

void http_close(struct shell *s)
{
    if (s->http != NULL)
        evhttp_free(s->http);
    s->http = NULL;
}
