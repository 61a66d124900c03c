/* cql.c - clients' sockets. The protocol is the node's: here bytes go in and out. */
#include "node/net/address.h"
#include "node/net/shell.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_SECS 2

struct client {
    struct list dirty; /* in shell.dirty, or alone */
    struct shell *shell;
    uint64_t number;
    int fd;
    struct event *read, *write;
    bool closing;   /* write what is left, then close */
    bool lingering; /* all is written; read on until the client closes, or a reset might overtake
                       the last answer */
    bool paused;    /* not read from, for the node is busy with it */
};

static void client_free(struct client *c)
{
    struct shell *s = c->shell;
    map_remove(&s->clients, c->number);
    list_remove(&c->dirty);
    event_free(c->read);
    event_free(c->write);
    close(c->fd);
    mem_free(c);
}

/* The socket is gone: the node forgets the connection too. */
static void client_lost(struct client *c)
{
    struct shell *s = c->shell;
    struct node_event event = {.type = NODE_CLIENT_CLOSED, .client = c->number};
    client_free(c);
    shell_step(s, &event);
}

static void mark(struct client *c)
{
    if (list_empty(&c->dirty))
        list_push_back(&c->shell->dirty, &c->dirty);
}

void cql_dirty(struct shell *s, uint64_t number)
{
    struct client *c = map_get(&s->clients, number);
    if (c != NULL)
        mark(c);
}

void cql_close_later(struct shell *s, uint64_t number)
{
    struct client *c = map_get(&s->clients, number);
    if (c == NULL)
        return;
    c->closing = true;
    mark(c);
}

static void linger(struct client *c)
{
    struct timeval patience = {LINGER_SECS, 0};
    if (c->lingering)
        return;
    c->lingering = true;
    shutdown(c->fd, SHUT_WR);
    event_add(c->read, &patience);
}

/* Write what there is. False when the connection is gone. */
static bool flush(struct client *c)
{
    struct node *node = c->shell->node;
    for (;;) {
        struct bytes out = node_client_out(node, c->number);
        if (out.len == 0)
            break;
        ssize_t n = send(c->fd, out.data, out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            event_add(c->write, NULL);
            return true;
        }
        if (n < 0) {
            client_lost(c);
            return false;
        }
        node_client_sent(node, c->number, (size_t)n);
    }
    if (c->closing) {
        linger(c);
        return true;
    }
    if (c->paused && !node_client_is_busy(node, c->number)) {
        c->paused = false;
        event_add(c->read, NULL);
    }
    return true;
}

void cql_flush_all(struct shell *s)
{
    /* Losing one may make the node close or write others: they come to the end of the list. */
    while (!list_empty(&s->dirty)) {
        struct client *c = container_of(s->dirty.next, struct client, dirty);
        list_remove(&c->dirty);
        flush(c);
    }
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    mark(arg);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    struct shell *s = c->shell;
    uint64_t number = c->number;
    if (what & EV_TIMEOUT) {
        client_lost(c);
        return;
    }
    ssize_t n = recv((int)fd, s->chunk, READ_CHUNK, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_lost(c);
        return;
    }
    if (c->closing)
        return; /* it has nothing to say any more */
    struct node_event event = {
        .type = NODE_CLIENT_BYTES, .client = number, .bytes = bytes_make(s->chunk, (size_t)n)};
    shell_step(s, &event);
    c = map_get(&s->clients, number);
    if (c != NULL && node_client_is_busy(s->node, number)) {
        c->paused = true;
        event_del(c->read);
        mark(c);
    }
}

static struct endpoint peer_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    struct endpoint none = {.port = 0};
    if (getpeername(fd, (struct sockaddr *)&a, &len) != 0)
        return none;
    return address_get((const struct sockaddr *)&a);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct shell *s = arg;
    int on = 1;
    (void)what;
    int got = accept4((int)fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got < 0)
        return;
    if (map_count(&s->clients) >= (size_t)s->config->native_transport_max_concurrent_connections) {
        close(got);
        return;
    }
    setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct client *c = mem_new(struct client);
    c->shell = s;
    c->fd = got;
    c->number = ++s->client_numbers;
    list_init(&c->dirty);
    c->read = event_new(s->base, got, EV_READ | EV_PERSIST, on_read, c);
    c->write = event_new(s->base, got, EV_WRITE, on_write, c);
    map_put(&s->clients, c->number, c);
    event_add(c->read, NULL);
    struct node_event event = {.type = NODE_CLIENT_OPEN, .client = c->number, .from = peer_of(got)};
    shell_step(s, &event);
}

enum err cql_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr)
{
    enum err err = shell_bind(at, SOCK_STREAM, &s->listen_cql, reterr);
    if (err != ERR_OK)
        return err;
    /* Added to the loop when the node is ready; until then connections wait in the backlog. */
    s->ev_cql = event_new(s->base, s->listen_cql, EV_READ | EV_PERSIST, on_accept, s);
    return ERR_OK;
}

void cql_close_all(struct shell *s)
{
    if (s->ev_cql != NULL) {
        event_free(s->ev_cql);
        close(s->listen_cql);
    }
    uint64_t *numbers = map_keys(&s->clients);
    size_t count = map_count(&s->clients);
    for (size_t i = 0; i < count; i++)
        client_free(map_get(&s->clients, numbers[i]));
    mem_free(numbers);
}
