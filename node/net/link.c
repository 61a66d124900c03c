/* link.c - TCP between nodes.
 *
 * Each node opens a connection to whom it sends; it only sends there and only receives on those
 * that others opened. So there are two between a pair, and neither end has to choose.
 *
 *   stream := hello frame*
 *   hello  := frame with payload "TORC", u16 version = 1, 16 bytes ip, u16 port (where the sender
 *             listens), vbytes cluster name
 *   frame  := u32 length of the payload, u32 CRC-32 of the payload, payload
 *
 * Anything else closes the connection. The other direction carries nothing, but for one line of
 * text before that when the hello was of another version or cluster: so both ends' logs say why.
 * What waits for a peer is bounded by LINK_OUT_MAX; messages
 * on a link that breaks are lost, and the node is told. */
#include "node/net/address.h"
#include "node/net/shell.h"

#include "base/mem.h"
#include "node/wire/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define FRAME_HEAD   8
#define LINK_VERSION 1
#define OUT_KEEP_MAX ((size_t)1 << 20) /* a larger buffer is given back when it is empty */

struct link_in {
    struct list all;
    struct shell *shell;
    int fd;
    struct event *event;
    struct buf in;
    bool greeted;
    struct endpoint peer;
};

static uint32_t checksum(struct bytes b)
{
    return (uint32_t)crc32(0, b.data, (uInt)b.len);
}

static void put_frame(struct buf *out, struct bytes payload)
{
    buf_put_u32(out, (uint32_t)payload.len);
    buf_put_u32(out, checksum(payload));
    buf_put_bytes(out, payload);
}

static void put_hello(const struct shell *s, struct buf *out)
{
    struct buf hello;
    buf_init(&hello, LINK_HELLO_MAX);
    buf_put_text(&hello, "TORC");
    buf_put_u16(&hello, LINK_VERSION);
    buf_put(&hello, s->endpoint.ip, sizeof s->endpoint.ip);
    buf_put_u16(&hello, s->endpoint.port);
    buf_put_vbytes(&hello, bytes_text(s->config->cluster_name));
    put_frame(out, buf_bytes(&hello));
    buf_close(&hello);
}

/* ERR_REFUSED: a node, but none of ours; `ret_why` is for a person. ERR_MALFORMED: no node. */
static enum err read_hello(const struct shell *s, struct bytes payload, struct endpoint *ret_peer,
                           struct errmsg *ret_why)
{
    struct reader r = reader_make(payload);
    struct bytes magic = read_bytes(&r, 4);
    uint16_t version = read_u16(&r);
    struct bytes ip = read_bytes(&r, sizeof ret_peer->ip);
    uint16_t port = read_u16(&r);
    struct bytes name = read_vbytes(&r);
    if (!reader_done(&r) || !bytes_equal_text(magic, "TORC"))
        return ERR_MALFORMED;
    memcpy(ret_peer->ip, ip.data, sizeof ret_peer->ip);
    ret_peer->port = port;
    if (version != LINK_VERSION)
        return errmsg_set(ret_why, ERR_REFUSED, "link versions differ: %d here, %d there",
                          LINK_VERSION, (int)version);
    if (!bytes_equal_text(name, s->config->cluster_name))
        return errmsg_set(ret_why, ERR_REFUSED, "cluster names differ: '%s' here, '%.*s' there",
                          s->config->cluster_name, (int)name.len, (const char *)name.data);
    return ERR_OK;
}

/* What came from elsewhere and goes to a person: bytes that a terminal would act on are left out.
 */
static void printable(char *text)
{
    for (; *text != 0; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* Not more than one line a REFUSAL_EVERY, or whoever tries again and again fills the log. */
static void say_refusal(struct shell *s, const struct endpoint *peer, const char *who, char *why)
{
    char at[ENDPOINT_TEXT_SIZE];
    struct now now = shell_now();
    if (now.mono < s->refusal_next)
        return;
    s->refusal_next = now.mono + REFUSAL_EVERY;
    printable(why);
    log_line(s->log, now.wall, LOG_WARN, "%s %s: %s", who, endpoint_text(peer, at), why);
}

/* --- out */

static void tell_down(struct shell *s, struct link *l)
{
    if (l->down_told)
        return;
    l->down_told = true;
    s->downs = mem_grow(s->downs, s->downs_count, &s->downs_cap, sizeof *s->downs);
    s->downs[s->downs_count++] = l->peer;
}

static void link_break(struct shell *s, struct link *l)
{
    if (l->event != NULL)
        event_free(l->event);
    if (l->fd >= 0)
        close(l->fd);
    l->event = NULL;
    l->fd = -1;
    l->state = LINK_CLOSED;
    buf_close(&l->out);
    l->out_at = 0;
    l->retry = shell_now().mono + l->backoff;
    l->backoff = l->backoff * 2 < LINK_RETRY_MOST ? l->backoff * 2 : LINK_RETRY_MOST;
    l->down_told = false;
    tell_down(s, l);
}

static void on_link(evutil_socket_t fd, short what, void *arg);

static void link_write(struct shell *s, struct link *l)
{
    while (l->out_at < l->out.len) {
        ssize_t n = send(l->fd, l->out.data + l->out_at, l->out.len - l->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            event_free(l->event);
            l->event = event_new(s->base, l->fd, EV_READ | EV_WRITE, on_link, s);
            event_add(l->event, NULL);
            return;
        }
        if (n < 0) {
            link_break(s, l);
            return;
        }
        l->out_at += (size_t)n;
    }
    l->out_at = 0;
    if (l->out.cap > OUT_KEEP_MAX)
        buf_close(&l->out);
    else
        buf_clear(&l->out);
}

static struct link *link_by_fd(struct shell *s, int fd)
{
    list_each (at, &s->links) {
        struct link *l = container_of(at, struct link, all);
        if (l->fd == fd)
            return l;
    }
    return NULL;
}

/* The peer says nothing unless it refuses us. */
static void hear_refusal(struct shell *s, const struct link *l)
{
    char why[ERRMSG_SIZE];
    ssize_t n = recv(l->fd, why, sizeof why - 1, MSG_DONTWAIT);
    if (n <= 0)
        return;
    why[n] = 0;
    say_refusal(s, &l->peer, "refused by", why);
}

/* Connected, writable again, or closed by the peer. */
static void on_link(evutil_socket_t fd, short what, void *arg)
{
    struct shell *s = arg;
    struct link *l = link_by_fd(s, (int)fd);
    if (l == NULL)
        return;
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        link_break(s, l);
        return;
    }
    if (what & EV_READ) {
        char byte;
        ssize_t n = recv(l->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
        if (n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
            hear_refusal(s, l);
            link_break(s, l);
            return;
        }
    }
    if (l->state == LINK_CONNECTING) {
        l->state = LINK_UP;
        l->backoff = LINK_RETRY_FIRST;
        l->down_told = false;
    }
    event_free(l->event);
    l->event = event_new(s->base, l->fd, EV_READ, on_link, s);
    event_add(l->event, NULL);
    link_write(s, l);
}

static void link_connect(struct shell *s, struct link *l)
{
    struct sockaddr_storage address;
    socklen_t len = address_put(&l->peer, &address);
    int on = 1;
    l->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        link_break(s, l);
        return;
    }
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* From our own address, so that several nodes on one machine look like several machines. */
    if (endpoint_is_v4(&l->peer) && endpoint_is_v4(&s->endpoint)) {
        struct sockaddr_storage own;
        struct endpoint any_port = s->endpoint;
        any_port.port = 0;
        socklen_t own_len = address_put(&any_port, &own);
        int bound = bind(l->fd, (struct sockaddr *)&own, own_len);
        (void)bound; /* not ours behind an address translation: any will do */
    }
    int rc = connect(l->fd, (struct sockaddr *)&address, len);
    if (rc != 0 && errno != EINPROGRESS) {
        link_break(s, l);
        return;
    }
    l->state = LINK_CONNECTING;
    l->give_up = shell_now().mono + LINK_CONNECT_MAX;
    l->event = event_new(s->base, l->fd, EV_READ | EV_WRITE, on_link, s);
    event_add(l->event, NULL);
    put_hello(s, &l->out);
}

static struct link *link_to(struct shell *s, const struct endpoint *peer)
{
    list_each (at, &s->links) {
        struct link *l = container_of(at, struct link, all);
        if (endpoint_equal(&l->peer, peer))
            return l;
    }
    struct link *l = mem_new(struct link);
    l->peer = *peer;
    l->fd = -1;
    l->backoff = LINK_RETRY_FIRST;
    buf_init(&l->out, LINK_OUT_MAX);
    list_push_back(&s->links, &l->all);
    return l;
}

void link_send(struct shell *s, const struct endpoint *to, struct bytes payload)
{
    struct link *l = link_to(s, to);
    if (l->state == LINK_CLOSED && shell_now().mono >= l->retry)
        link_connect(s, l);
    if (l->state == LINK_CLOSED) {
        tell_down(s, l);
        l->down_told = false; /* each message that is dropped is told of */
        return;
    }
    put_frame(&l->out, payload);
    if (l->out.failed) {
        log_line(s->log, shell_now().wall, LOG_WARN, "a peer is too slow -> its link is cut");
        link_break(s, l);
    }
}

/* Else each message from a peer that has just come back would mark it as up, and the answer, turned
 * away for the rest of the pause, as down again. */
void link_heard(struct shell *s, const struct endpoint *peer)
{
    list_each (at, &s->links) {
        struct link *l = container_of(at, struct link, all);
        if (endpoint_equal(&l->peer, peer))
            l->retry = 0;
    }
}

void link_flush_all(struct shell *s)
{
    list_each (at, &s->links) {
        struct link *l = container_of(at, struct link, all);
        if (l->state == LINK_UP && l->out.len > l->out_at)
            link_write(s, l);
    }
}

usec link_deadline(const struct shell *s)
{
    usec next = USEC_NEVER;
    list_each (at, &s->links) {
        const struct link *l = container_of(at, struct link, all);
        if (l->state == LINK_CONNECTING && l->give_up < next)
            next = l->give_up;
    }
    return next;
}

void link_expire(struct shell *s, usec mono)
{
    list_each (at, &s->links) {
        struct link *l = container_of(at, struct link, all);
        if (l->state == LINK_CONNECTING && mono >= l->give_up)
            link_break(s, l);
    }
}

/* --- in */

static void in_close(struct link_in *l)
{
    l->shell->links_in_count--;
    list_remove(&l->all);
    event_free(l->event);
    close(l->fd);
    buf_close(&l->in);
    mem_free(l);
}

/* One whole frame from the front of `in`: 1 taken, 0 more bytes needed, -1 broken. */
static int take_frame(const struct link_in *l, size_t at, struct bytes *ret_payload)
{
    size_t have = l->in.len - at;
    size_t most = l->greeted ? WIRE_MESSAGE_MAX : LINK_HELLO_MAX;
    if (have < FRAME_HEAD)
        return 0;
    size_t len = load_u32(l->in.data + at);
    if (len == 0 || len > most)
        return -1;
    if (have < FRAME_HEAD + len)
        return 0;
    *ret_payload = bytes_make(l->in.data + at + FRAME_HEAD, len);
    return checksum(*ret_payload) == load_u32(l->in.data + at + 4) ? 1 : -1;
}

static void refuse(struct link_in *l, struct errmsg *why)
{
    ssize_t n = send(l->fd, why->text, strlen(why->text), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)n; /* then it does not hear it */
    shutdown(l->fd, SHUT_WR);
    say_refusal(l->shell, &l->peer, "refused", why->text);
}

static void on_in(evutil_socket_t fd, short what, void *arg)
{
    struct link_in *l = arg;
    struct shell *s = l->shell;
    struct bytes payload;
    size_t at = 0;
    int got;
    if (what & EV_TIMEOUT) { /* only before the hello */
        in_close(l);
        return;
    }
    ssize_t n = recv((int)fd, s->chunk, READ_CHUNK, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_put(&l->in, s->chunk, (size_t)n);
    if (n <= 0 || l->in.failed) {
        in_close(l);
        return;
    }
    while ((got = take_frame(l, at, &payload)) > 0) {
        at += FRAME_HEAD + payload.len;
        if (!l->greeted) {
            struct errmsg why;
            enum err err = read_hello(s, payload, &l->peer, &why);
            if (err != ERR_OK) {
                if (err == ERR_REFUSED)
                    refuse(l, &why);
                got = -1;
                break;
            }
            l->greeted = true;
            event_remove_timer(l->event);
            continue;
        }
        struct node_event event = {.type = NODE_MESSAGE, .from = l->peer, .bytes = payload};
        link_heard(s, &l->peer);
        shell_step(s, &event);
    }
    if (got < 0) {
        in_close(l);
        return;
    }
    buf_consume(&l->in, at);
    if (l->in.len == 0 && l->in.cap > OUT_KEEP_MAX)
        buf_close(&l->in);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct shell *s = arg;
    int got = accept4((int)fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)what;
    if (got < 0)
        return;
    if (s->links_in_count >= LINKS_IN_MAX) {
        close(got);
        return;
    }
    struct link_in *l = mem_new(struct link_in);
    l->shell = s;
    l->fd = got;
    buf_init(&l->in, WIRE_MESSAGE_MAX + FRAME_HEAD + READ_CHUNK);
    l->event = event_new(s->base, got, EV_READ | EV_PERSIST, on_in, l);
    struct timeval patience = {LINK_HELLO_SECS, 0};
    event_add(l->event, &patience);
    list_push_back(&s->links_in, &l->all);
    s->links_in_count++;
}

enum err link_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr)
{
    enum err err = shell_bind(at, SOCK_STREAM, &s->listen_link, reterr);
    if (err != ERR_OK)
        return err;
    s->ev_link = event_new(s->base, s->listen_link, EV_READ | EV_PERSIST, on_accept, s);
    event_add(s->ev_link, NULL);
    return ERR_OK;
}

void link_close_all(struct shell *s)
{
    if (s->ev_link != NULL) {
        event_free(s->ev_link);
        close(s->listen_link);
    }
    list_each_safe (at, after, &s->links_in)
        in_close(container_of(at, struct link_in, all));
    list_each_safe (at, after, &s->links) {
        struct link *l = container_of(at, struct link, all);
        list_remove(at);
        if (l->event != NULL)
            event_free(l->event);
        if (l->fd >= 0)
            close(l->fd);
        buf_close(&l->out);
        mem_free(l);
    }
}
