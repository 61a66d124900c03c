/* http.c - what monitoring, orchestration and the command line ask: /metrics /health /ready /status
 * /ring /metadata /entropy /repair. Small answers, bounded requests.
 *
 * Who asks need not say who he is, so nothing can be changed here from afar: a repair is begun and
 * cancelled, and a lost majority given up, by who is on this machine, as with nodetool, whose door
 * is the loopback's, too. That a page in a browser there does not do it, a request must say that it
 * is JSON: no page may send that to others unasked. */
#include "node/net/shell.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define HTTP_HEADERS_MAX  8192
#define HTTP_BODY_MAX     65536
#define HTTP_TIMEOUT_SECS 10
#define HTTP_ANSWER_MAX   ((size_t)16 << 20)

static void answer(struct evhttp_request *r, int code, const char *type, struct bytes body)
{
    struct evbuffer *out = evbuffer_new();
    evbuffer_add(out, body.data, body.len);
    evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", type);
    evhttp_send_reply(r, code,
                      code == HTTP_OK            ? "OK"
                      : code == HTTP_SERVUNAVAIL ? "Unavailable"
                                                 : "Refused",
                      out);
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

static void on_metadata(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct buf out;
    if (!is_get(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    node_metadata_json(s->node, &out);
    answer(r, HTTP_OK, "application/json", buf_bytes(&out));
    buf_close(&out);
}

static void on_entropy(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r));
    struct buf out;
    if (!is_get(r))
        return;
    buf_init(&out, 2 * HTTP_ANSWER_MAX);
    node_entropy_json(s->node, shell_now(), query != NULL && strcmp(query, "ranges") == 0, &out);
    answer(r, HTTP_OK, "application/json", buf_bytes(&out));
    buf_close(&out);
}

static void on_hints(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct buf out;
    if (!is_get(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    node_hints_json(s->node, shell_now(), &out);
    answer(r, HTTP_OK, "application/json", buf_bytes(&out));
    buf_close(&out);
}

/* --- repair runs */

static int code_of(enum err err)
{
    switch (err) {
    case ERR_OK: return HTTP_OK;
    case ERR_NOT_FOUND: return HTTP_NOTFOUND;
    case ERR_CLOSED: return 409;
    case ERR_UNAVAILABLE:
    case ERR_OVERLOADED: return HTTP_SERVUNAVAIL;
    default: return HTTP_BADREQUEST;
    }
}

/* From the loopback, or from the address that it has reached. */
static bool is_of_this_machine(struct evhttp_request *r)
{
    struct sockaddr_storage peer = {0}, own = {0};
    socklen_t peer_len = sizeof peer, own_len = sizeof own;
    struct evhttp_connection *c = evhttp_request_get_connection(r);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(c));
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 || peer.ss_family != own.ss_family)
        return false;
    if (peer.ss_family == AF_INET) {
        in_addr_t a = ((struct sockaddr_in *)&peer)->sin_addr.s_addr;
        return ntohl(a) >> 24 == 127 || a == ((struct sockaddr_in *)&own)->sin_addr.s_addr;
    }
    const struct in6_addr *a = &((struct sockaddr_in6 *)&peer)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(a) ||
           memcmp(a, &((struct sockaddr_in6 *)&own)->sin6_addr, sizeof *a) == 0;
}

static bool may_change(struct evhttp_request *r)
{
    const char *type = evhttp_find_header(evhttp_request_get_input_headers(r), "Content-Type");
    if (evhttp_request_get_command(r) != EVHTTP_REQ_POST)
        evhttp_send_error(r, HTTP_BADMETHOD, "only POST");
    else if (type == NULL || strncmp(type, "application/json", 16) != 0)
        evhttp_send_error(r, 415, "only application/json");
    else if (!is_of_this_machine(r))
        answer(r, 403, "text/plain", BYTES_LIT("only from the machine of the node itself\n"));
    else
        return true;
    return false;
}

static void answer_or_why(struct evhttp_request *r, enum err err, struct buf *out,
                          const struct errmsg *why)
{
    if (err == ERR_OK)
        answer(r, HTTP_OK, "application/json", buf_bytes(out));
    else
        answer(r, code_of(err), "text/plain", bytes_text(why->text));
}

static void start_repair(struct shell *s, struct evhttp_request *r, struct buf *out)
{
    struct errmsg why = {{0}};
    struct evbuffer *in = evhttp_request_get_input_buffer(r);
    size_t len = evbuffer_get_length(in);
    struct bytes body = bytes_make(evbuffer_pullup(in, -1), len);
    answer_or_why(r, node_repair_start(s->node, shell_now(), body, out, &why), out, &why);
}

static void show_repair(struct shell *s, struct evhttp_request *r, struct buf *out)
{
    struct errmsg why = {{0}};
    struct evkeyvalq query = {0};
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r));
    const char *id = NULL;
    if (text != NULL && evhttp_parse_query_str(text, &query) == 0)
        id = evhttp_find_header(&query, "id");
    enum err err = node_repair_json(s->node, shell_now(), id, out);
    (void)errmsg_set(&why, err, "there is no repair %.64s here", id != NULL ? id : "");
    answer_or_why(r, err, out, &why);
    evhttp_clear_headers(&query);
}

/* GET: all runs, or one with ?id=; POST: begin one. */
static void on_repair(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct buf out;
    buf_init(&out, HTTP_ANSWER_MAX);
    if (evhttp_request_get_command(r) == EVHTTP_REQ_GET)
        show_repair(s, r, &out);
    else if (may_change(r))
        start_repair(s, r, &out);
    buf_close(&out);
}

static void on_metadata_recover(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct errmsg why = {{0}};
    struct buf out;
    if (!may_change(r))
        return;
    struct evbuffer *in = evhttp_request_get_input_buffer(r);
    size_t len = evbuffer_get_length(in);
    struct bytes body = bytes_make(evbuffer_pullup(in, -1), len);
    buf_init(&out, HTTP_ANSWER_MAX);
    buf_put_text(&out, "{}\n");
    answer_or_why(r, node_metadata_recover(s->node, body, &why), &out, &why);
    buf_close(&out);
}

static void on_give_up(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct errmsg why = {{0}};
    struct buf out;
    if (!may_change(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    struct evbuffer *in = evhttp_request_get_input_buffer(r);
    size_t len = evbuffer_get_length(in);
    struct bytes body = bytes_make(evbuffer_pullup(in, -1), len);
    answer_or_why(r, node_give_up(s->node, shell_now(), body, &out, &why), &out, &why);
    buf_close(&out);
}

static void on_repair_cancel(struct evhttp_request *r, void *arg)
{
    struct shell *s = arg;
    struct errmsg why = {{0}};
    struct evkeyvalq query = {0};
    struct buf out;
    if (!may_change(r))
        return;
    buf_init(&out, HTTP_ANSWER_MAX);
    buf_put_text(&out, "{}\n");
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r));
    const char *id = NULL;
    if (text != NULL && evhttp_parse_query_str(text, &query) == 0)
        id = evhttp_find_header(&query, "id");
    enum err err = node_repair_cancel(s->node, shell_now(), id != NULL ? id : "", &why);
    answer_or_why(r, err, &out, &why);
    evhttp_clear_headers(&query);
    buf_close(&out);
}

static void on_other(struct evhttp_request *r, void *arg)
{
    (void)arg;
    evhttp_send_error(r, HTTP_NOTFOUND,
                      "there is /metrics /health /ready /status /ring /metadata /hints /entropy "
                      "/repair");
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
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_cb(s->http, "/metrics", on_metrics, s);
    evhttp_set_cb(s->http, "/health", on_health, s);
    evhttp_set_cb(s->http, "/ready", on_ready, s);
    evhttp_set_cb(s->http, "/status", on_status, s);
    evhttp_set_cb(s->http, "/ring", on_ring, s);
    evhttp_set_cb(s->http, "/metadata", on_metadata, s);
    evhttp_set_cb(s->http, "/metadata/recover", on_metadata_recover, s);
    evhttp_set_cb(s->http, "/entropy", on_entropy, s);
    evhttp_set_cb(s->http, "/repair", on_repair, s);
    evhttp_set_cb(s->http, "/repair/cancel", on_repair_cancel, s);
    evhttp_set_cb(s->http, "/repair/give-up", on_give_up, s);
    evhttp_set_cb(s->http, "/hints", on_hints, s);
    evhttp_set_gencb(s->http, on_other, s);
    return ERR_OK;
}

void http_close(struct shell *s)
{
    if (s->http != NULL)
        evhttp_free(s->http);
    s->http = NULL;
}
