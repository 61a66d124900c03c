#include "node/net/shell.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_MAX   65536
#define DATAGRAMS_TURN 256 /* so that a flood does not starve the rest of the turn */

static struct endpoint endpoint_of(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
        struct endpoint e = {.port = ntohs(v6->sin6_port)};
        memcpy(e.ip, &v6->sin6_addr, 16);
        return e;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    uint8_t ip[4];
    memcpy(ip, &v4->sin_addr, 4);
    return endpoint_v4(ip[0], ip[1], ip[2], ip[3], ntohs(v4->sin_port));
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    struct shell *s = arg;
    (void)what;
    for (int i = 0; i < DATAGRAMS_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        ssize_t got =
            recvfrom((int)fd, s->chunk, DATAGRAM_MAX, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
        if (got < 0)
            return;
        struct node_event event = {.type = NODE_DATAGRAM,
                                   .from = endpoint_of(&from),
                                   .bytes = bytes_make(s->chunk, (size_t)got)};
        link_heard(s, &event.from);
        shell_step(s, &event);
    }
}

enum err udp_listen(struct shell *s, const struct endpoint *at, struct errmsg *reterr)
{
    enum err err = shell_bind(at, SOCK_DGRAM, &s->udp_fd, reterr);
    if (err != ERR_OK)
        return err;
    s->ev_udp = event_new(s->base, s->udp_fd, EV_READ | EV_PERSIST, on_datagram, s);
    event_add(s->ev_udp, NULL);
    return ERR_OK;
}

void udp_send(struct shell *s, const struct endpoint *to, struct bytes bytes)
{
    struct sockaddr_storage address;
    socklen_t len;
    memset(&address, 0, sizeof address);
    if (endpoint_is_v4(to)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(to->port);
        memcpy(&v4->sin_addr, to->ip + 12, 4);
        len = sizeof *v4;
    } else {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(to->port);
        memcpy(&v6->sin6_addr, to->ip, 16);
        len = sizeof *v6;
    }
    /* A datagram may be lost anyway: an error here is one more way to lose it. */
    ssize_t sent =
        sendto(s->udp_fd, bytes.data, bytes.len, MSG_DONTWAIT, (struct sockaddr *)&address, len);
    (void)sent;
}
