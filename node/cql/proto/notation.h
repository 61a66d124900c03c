/* notation.h - the protocol's own words for small things: [string], [bytes], [value], [inet] …
 *
 *   [string]       u16 n, n bytes         [long string]  i32 n, n bytes
 *   [short bytes]  u16 n, n bytes         [bytes]        i32 n, n bytes; n < 0 is null
 *   [value]        as [bytes]; n == -1 is null, n == -2 is unset, anything below is malformed
 *   [string list]  u16 n, n [string]      [string map]   u16 n, n ([string] [string])
 *   [inet]         u8 4|16, address, i32 port
 *   [option]       u16 id, what the id asks for: the description of a type
 *
 * Readers give views into the reader's bytes and mark the reader failed on malformed ones.
 * Writers mark the buffer failed (ERR_TOO_BIG) when a length does not fit its prefix.
 */
#ifndef TORC_NODE_CQL_PROTO_NOTATION_H
#define TORC_NODE_CQL_PROTO_NOTATION_H

#include "base/arena.h"
#include "base/buf.h"
#include "node/cql/proto/names.h"

#define CQL_OPTION_DEPTH_MAX 32 /* how deep types may nest on the wire */

/* A value bound to a marker, or one cell of a result. Null and unset are different things: unset
 * leaves the column as it is. Results hold no unset. */
struct cql_value {
    struct bytes data; /* empty unless set */
    enum cql_value_kind { CQL_VALUE_SET, CQL_VALUE_NULL, CQL_VALUE_UNSET } kind;
};

#define CQL_NULL  ((struct cql_value){BYTES_NONE, CQL_VALUE_NULL})
#define CQL_UNSET ((struct cql_value){BYTES_NONE, CQL_VALUE_UNSET})

static inline struct cql_value cql_value_make(struct bytes data)
{
    return (struct cql_value){data, CQL_VALUE_SET};
}

struct cql_string_list {
    const struct bytes *items;
    size_t count;
};

struct cql_pair {
    struct bytes key;
    struct bytes value; /* of a bytes map: null reads as empty with data NULL */
};

struct cql_map {
    const struct cql_pair *items;
    size_t count;
};

struct bytes cql_read_string(struct reader *r);
struct bytes cql_read_long_string(struct reader *r);
struct bytes cql_read_short_bytes(struct reader *r);
struct cql_value cql_read_bytes(struct reader *r); /* never unset */
struct cql_value cql_read_value(struct reader *r);
enum cql_consistency cql_read_consistency(struct reader *r); /* fails on an unknown number */
struct endpoint cql_read_inet(struct reader *r);             /* fails on a port above 65535 */
struct endpoint cql_read_inetaddr(struct reader *r);         /* no port */

/* Arrays from the arena; their size is bounded by the bytes that are there. */
struct cql_string_list cql_read_string_list(struct reader *r, struct arena *a);
struct cql_map cql_read_string_map(struct reader *r, struct arena *a);
struct cql_map cql_read_bytes_map(struct reader *r, struct arena *a);

/* The value of `key` in a string map; false when it is not there. */
bool cql_map_get(const struct cql_map *map, const char *key, struct bytes *ret_value);

void cql_put_string(struct buf *b, struct bytes text);
void cql_put_string_cut(struct buf *b, struct bytes text); /* cut to 65535 bytes, not failed */
void cql_put_long_string(struct buf *b, struct bytes text);
void cql_put_short_bytes(struct buf *b, struct bytes bytes);
void cql_put_bytes(struct buf *b, struct bytes bytes);
void cql_put_null(struct buf *b);
void cql_put_value(struct buf *b, struct cql_value value);
void cql_put_string_list(struct buf *b, struct cql_string_list list);
void cql_put_string_map(struct buf *b, struct cql_map map);
void cql_put_bytes_map(struct buf *b,
                       struct cql_map map); /* data NULL and len 0 goes out as null */
void cql_put_inet(struct buf *b, const struct endpoint *e);
void cql_put_inetaddr(struct buf *b, const struct endpoint *e);

/* Type descriptions. The ids a driver knows; what a type means is not this folder's business. */
enum cql_option_id {
    CQL_OPTION_CUSTOM = 0x0000, /* [string] the Java class */
    CQL_OPTION_ASCII = 0x0001,
    CQL_OPTION_BIGINT = 0x0002,
    CQL_OPTION_BLOB = 0x0003,
    CQL_OPTION_BOOLEAN = 0x0004,
    CQL_OPTION_COUNTER = 0x0005,
    CQL_OPTION_DECIMAL = 0x0006,
    CQL_OPTION_DOUBLE = 0x0007,
    CQL_OPTION_FLOAT = 0x0008,
    CQL_OPTION_INT = 0x0009,
    CQL_OPTION_TIMESTAMP = 0x000B,
    CQL_OPTION_UUID = 0x000C,
    CQL_OPTION_VARCHAR = 0x000D,
    CQL_OPTION_VARINT = 0x000E,
    CQL_OPTION_TIMEUUID = 0x000F,
    CQL_OPTION_INET = 0x0010,
    CQL_OPTION_DATE = 0x0011,
    CQL_OPTION_TIME = 0x0012,
    CQL_OPTION_SMALLINT = 0x0013,
    CQL_OPTION_TINYINT = 0x0014,
    CQL_OPTION_DURATION = 0x0015,
    CQL_OPTION_LIST = 0x0020,  /* option of the element */
    CQL_OPTION_MAP = 0x0021,   /* option of the key, option of the value */
    CQL_OPTION_SET = 0x0022,   /* option of the element */
    CQL_OPTION_UDT = 0x0030,   /* [string] keyspace, [string] name, u16 n, n ([string] option) */
    CQL_OPTION_TUPLE = 0x0031, /* u16 n, n option */
};

/* Walk over one [option] and return the bytes it takes, its id first. The reader fails on an
 * unknown id, on nesting past CQL_OPTION_DEPTH_MAX and at the end of the bytes. */
struct bytes cql_option_skip(struct reader *r);

#endif
