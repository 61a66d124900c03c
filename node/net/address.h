/* address.h - between an endpoint and what the kernel calls an address. */
#ifndef TORC_NODE_NET_ADDRESS_H
#define TORC_NODE_NET_ADDRESS_H

#include "base/types.h"

#include <sys/socket.h>

/* Fill the address; returns its length for bind, connect and sendto. */
socklen_t address_put(const struct endpoint *e, struct sockaddr_storage *ret_address);

/* IPv4 or IPv6; anything else gives "none". */
struct endpoint address_get(const struct sockaddr *a);

#endif
