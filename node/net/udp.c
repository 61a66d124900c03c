#include "node/net/address.h"
#include "node/net/shell.h"

#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_MAX   65536
#define DATAGRAMS_TURN 256 /* so that a flood does not starve the rest of the turn */

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
                                   .from = address_get((const struct sockaddr *)&from),
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
    socklen_t len = address_put(to, &address);
    /* A datagram may be lost anyway: an error here is one more way to lose it. */
    ssize_t sent =
        sendto(s->udp_fd, bytes.data, bytes.len, MSG_DONTWAIT, (struct sockaddr *)&address, len);
    (void)sent;
}
