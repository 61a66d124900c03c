#include "node/net/address.h"

#include <netinet/in.h>
#include <string.h>

socklen_t address_put(const struct endpoint *e, struct sockaddr_storage *ret_address)
{
    memset(ret_address, 0, sizeof *ret_address);
    if (endpoint_is_v4(e)) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(e->port)};
        memcpy(&v4.sin_addr, e->ip + 12, 4);
        memcpy(ret_address, &v4, sizeof v4);
        return sizeof v4;
    }
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
    memcpy(&v6.sin6_addr, e->ip, 16);
    memcpy(ret_address, &v6, sizeof v6);
    return sizeof v6;
}

struct endpoint address_get(const struct sockaddr *a)
{
    struct endpoint e = {.port = 0};
    if (a->sa_family == AF_INET) {
        struct sockaddr_in v4;
        uint8_t ip[4];
        memcpy(&v4, a, sizeof v4);
        memcpy(ip, &v4.sin_addr, sizeof ip);
        return endpoint_v4(ip[0], ip[1], ip[2], ip[3], ntohs(v4.sin_port));
    }
    if (a->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, a, sizeof v6);
        memcpy(e.ip, &v6.sin6_addr, sizeof e.ip);
        e.port = ntohs(v6.sin6_port);
    }
    return e;
}
