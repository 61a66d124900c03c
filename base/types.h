/* types.h - the nouns that every folder shares.
 *
 * Pure data: no policy, no allocation. Ring, gossip and storage do not know each other; what they
 * both speak of stands here.
 */
#ifndef TORC_BASE_TYPES_H
#define TORC_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Microseconds. A point on the monotonic clock, a point since the Unix epoch, or a duration: the
 * name of the variable says which (`mono_us`, `wall_us`, `timeout_us`). */
typedef int64_t usec;
#define USEC_NEVER   INT64_MAX
#define USEC_PER_MS  ((usec)1000)
#define USEC_PER_SEC ((usec)1000000)

/* The only clocks a core sees, carried by every event. Timers use `mono`, versions use `wall`. */
struct now {
    usec mono;
    usec wall;
};

/* A point on the Murmur3 ring, as Cassandra counts it: signed 64 bit. */
typedef int64_t token;

/* Index of one of the Q equal token ranges, 0 .. Q-1, in token order. */
typedef uint32_t range_no;

/* Small numbers given out by the metadata log, never used twice in the life of a cluster: the slot
 * of the entry that made the thing. 0 is "none". A node number stands for one host id for ever. */
typedef uint32_t node_no;
typedef uint32_t keyspace_no;
typedef uint32_t table_no;
typedef uint32_t index_no;

struct uuid {
    uint8_t b[16];
};

/* An IPv4 (as ::ffff:a.b.c.d) or IPv6 address and a port. All zero: "none". */
struct endpoint {
    uint8_t ip[16];
    uint16_t port;
};

/* Who mints dots: one life of one node. A node that starts again is another actor, so no dot is
 * ever given out twice, whatever its disk forgot. Ordered by (node, boot). */
struct actor {
    node_no node;
    uint32_t boot;
};

/* The name of one write within a (keyspace, range): the n-th of an actor there, n >= 1. n == 0 is
 * "no dot". */
struct dot {
    struct actor actor;
    uint64_t n;
};

static inline int actor_compare(struct actor a, struct actor b)
{
    if (a.node != b.node)
        return a.node < b.node ? -1 : 1;
    return a.boot < b.boot ? -1 : a.boot > b.boot;
}

static inline int dot_compare(struct dot a, struct dot b)
{
    int c = actor_compare(a.actor, b.actor);
    if (c != 0)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

#define UUID_TEXT_SIZE     37 /* with the closing NUL */
#define ENDPOINT_TEXT_SIZE 64 /* "[v6]:port" with the closing NUL */

bool uuid_equal(const struct uuid *a, const struct uuid *b);
int uuid_compare(const struct uuid *a, const struct uuid *b);
bool uuid_is_zero(const struct uuid *u);

/* Write the canonical text of `u` (lower case, 36 characters) and return `ret_text`. */
const char *uuid_text(const struct uuid *u, char ret_text[UUID_TEXT_SIZE]);

/* Read the 36 character form, either case. False when it is not one. */
bool uuid_parse(const char *text, size_t len, struct uuid *ret_uuid);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
int endpoint_compare(const struct endpoint *a, const struct endpoint *b);
bool endpoint_is_none(const struct endpoint *e);
bool endpoint_is_v4(const struct endpoint *e);
struct endpoint endpoint_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);

/* "127.0.0.1:7000" or "[::1]:7000"; endpoint_ip_text leaves the port out. Both return ret_text. */
const char *endpoint_text(const struct endpoint *e, char ret_text[ENDPOINT_TEXT_SIZE]);
const char *endpoint_ip_text(const struct endpoint *e, char ret_text[ENDPOINT_TEXT_SIZE]);

/* Read "ip", "ip:port", "[v6]:port"; a missing port becomes default_port. No name look-up: false
 * when it is no literal address. */
bool endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret_endpoint);

#endif
