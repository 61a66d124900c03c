/* net.h - sockets for a program that waits: connect, read and write with a time limit. */
#ifndef TORC_CLI_NET_H
#define TORC_CLI_NET_H

#include "base/buf.h"

#include <signal.h>

usec net_clock(void); /* monotonic */

/* Set by the handler of SIGINT: everything that waits here gives up. The caller clears it. */
extern volatile sig_atomic_t net_interrupted;

/* Connect to the first address of a name that answers. The socket is non-blocking. */
enum err net_connect(const char *host, uint16_t port, usec timeout, int *ret_fd,
                     struct errmsg *reterr) MUST_CHECK;

/* Wait until the socket can be read (or written, with `write`). ERR_TIMEOUT past `deadline`,
 * ERR_REFUSED when interrupted. */
enum err net_wait(int fd, bool write, usec deadline, struct errmsg *reterr) MUST_CHECK;

#define HTTP_ANSWER_MAX ((size_t)64 << 20)

/* GET a path; the body is appended. Any status but 200 is an error that quotes the answer. */
enum err http_get(const char *host, uint16_t port, const char *path, usec timeout, struct buf *body,
                  struct errmsg *reterr) MUST_CHECK;

/* POST JSON to a path; else the same. */
enum err http_post(const char *host, uint16_t port, const char *path, struct bytes json,
                   usec timeout, struct buf *body, struct errmsg *reterr) MUST_CHECK;

/* Say why one of these failed: in the node's own words where it has some; else where and how it was
 * asked. Returns what main returns. */
int http_refused(const struct errmsg *why, enum err err);

#endif
