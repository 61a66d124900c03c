#include "cli/net.h"

#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)64 << 10)

volatile sig_atomic_t net_interrupted;

usec net_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

enum err net_wait(int fd, bool write, usec deadline, struct errmsg *reterr)
{
    struct pollfd p = {.fd = fd, .events = write ? POLLIN | POLLOUT : POLLIN};
    while (!net_interrupted) {
        usec left = deadline - net_clock();
        if (left <= 0)
            return errmsg_set(reterr, ERR_TIMEOUT, "no answer in time");
        usec ms = left / USEC_PER_MS + 1;
        int n = poll(&p, 1, ms > 1000 ? 1000 : (int)ms);
        if (n > 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return errmsg_set(reterr, ERR_IO, "poll: %s", strerror(errno));
    }
    return errmsg_set(reterr, ERR_REFUSED, "interrupted");
}

static enum err try_address(const struct addrinfo *a, usec deadline, int *ret_fd,
                            struct errmsg *reterr)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errmsg_set(reterr, ERR_IO, "%s", strerror(errno));
    enum err err = ERR_OK;
    int on = 1, failure = 0;
    socklen_t len = sizeof failure;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        if (errno != EINPROGRESS)
            err = errmsg_set(reterr, ERR_IO, "%s", strerror(errno));
        else
            err = net_wait(fd, true, deadline, reterr);
        if (err == ERR_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 &&
            failure != 0)
            err = errmsg_set(reterr, ERR_IO, "%s", strerror(failure));
    }
    if (err != ERR_OK) {
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

enum err net_connect(const char *host, uint16_t port, usec timeout, int *ret_fd,
                     struct errmsg *reterr)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char service[8];
    usec deadline = net_clock() + timeout;
    snprintf(service, sizeof service, "%u", port);
    int failure = getaddrinfo(host, service, &hints, &list);
    if (failure != 0)
        return errmsg_set(reterr, ERR_IO, "no such host %s: %s", host, gai_strerror(failure));
    enum err err = ERR_IO;
    for (struct addrinfo *a = list; a != NULL && err != ERR_OK; a = a->ai_next)
        err = try_address(a, deadline, ret_fd, reterr);
    freeaddrinfo(list);
    if (err != ERR_OK)
        errmsg_wrap(reterr, "connect to %s port %u", host, port);
    return err;
}

static enum err write_all(int fd, struct bytes bytes, usec deadline, struct errmsg *reterr)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n > 0) {
            bytes = bytes_make(bytes.data + n, bytes.len - (size_t)n);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return errmsg_set(reterr, ERR_IO, "%s", strerror(errno));
        enum err err = net_wait(fd, true, deadline, reterr);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err read_all(int fd, struct buf *in, usec deadline, struct errmsg *reterr)
{
    while (true) {
        size_t before = in->len;
        uint8_t *room = buf_extend(in, READ_CHUNK);
        if (room == NULL)
            return errmsg_set(reterr, ERR_TOO_BIG, "the answer is longer than 64 MiB");
        ssize_t n = recv(fd, room, READ_CHUNK, 0);
        in->len = before + (n > 0 ? (size_t)n : 0);
        if (n == 0)
            return ERR_OK;
        if (n > 0)
            continue;
        if (errno != EAGAIN && errno != EINTR)
            return errmsg_set(reterr, ERR_IO, "%s", strerror(errno));
        enum err err = net_wait(fd, false, deadline, reterr);
        if (err != ERR_OK)
            return err;
    }
}

/* "HTTP/1.x code words", headers, an empty line, the body until the end. */
static enum err take_answer(struct bytes in, struct buf *body, struct errmsg *reterr)
{
    const uint8_t *gap = in.len > 12 ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
    if (gap == NULL || memcmp(in.data, "HTTP/1.", 7) != 0)
        return errmsg_set(reterr, ERR_MALFORMED, "the answer is no HTTP");
    struct bytes rest = bytes_make(gap + 4, in.len - (size_t)(gap + 4 - in.data));
    if (memcmp(in.data + 8, " 200", 4) != 0)
        return errmsg_set(reterr, ERR_FAILED, "the node answered %.3s: %.*s",
                          (const char *)in.data + 9, (int)(rest.len < 200 ? rest.len : 200),
                          rest.len > 0 ? (const char *)rest.data : "");
    buf_put_bytes(body, rest);
    return ERR_OK;
}

static enum err ask(const char *host, uint16_t port, const char *path, const struct bytes *json,
                    usec timeout, struct buf *body, struct errmsg *reterr)
{
    int fd;
    usec deadline = net_clock() + timeout;
    enum err err = net_connect(host, port, timeout, &fd, reterr);
    if (err != ERR_OK)
        return err;
    struct buf out, in;
    buf_init(&out, READ_CHUNK + (json != NULL ? json->len : 0));
    buf_init(&in, HTTP_ANSWER_MAX);
    buf_printf(&out, "%s %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n",
               json != NULL ? "POST" : "GET", path, host);
    if (json != NULL)
        buf_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", json->len);
    buf_put_text(&out, "\r\n");
    if (json != NULL)
        buf_put_bytes(&out, *json);
    err = write_all(fd, buf_bytes(&out), deadline, reterr);
    if (err == ERR_OK)
        err = read_all(fd, &in, deadline, reterr);
    if (err == ERR_OK)
        err = take_answer(buf_bytes(&in), body, reterr);
    if (err != ERR_OK)
        errmsg_wrap(reterr, "http://%s:%u%s", host, port, path);
    close(fd);
    buf_close(&out);
    buf_close(&in);
    return err;
}

enum err http_get(const char *host, uint16_t port, const char *path, usec timeout, struct buf *body,
                  struct errmsg *reterr)
{
    return ask(host, port, path, NULL, timeout, body, reterr);
}

enum err http_post(const char *host, uint16_t port, const char *path, struct bytes json,
                   usec timeout, struct buf *body, struct errmsg *reterr)
{
    return ask(host, port, path, &json, timeout, body, reterr);
}

int http_refused(const struct errmsg *why, enum err err)
{
    static const char answered[] = "the node answered ";
    const char *at = strstr(why->text, answered);
    const char *words = at != NULL ? strstr(at, ": ") : NULL;
    if (err != ERR_FAILED || words == NULL || words[2] == '<') {
        fprintf(stderr, "torc: %s\n", why->text);
        if (err != ERR_FAILED)
            fputs("Is torcd running there? --host and --http-port say where to ask.\n", stderr);
        return err == ERR_FAILED ? EXIT_REQUEST : EXIT_CONNECT;
    }
    fprintf(stderr, "torc: %.*s\n", (int)strcspn(words + 2, "\n"), words + 2);
    return EXIT_REQUEST;
}
