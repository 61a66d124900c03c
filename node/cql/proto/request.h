/* request.h - what a client asks: bodies of OPTIONS, STARTUP, AUTH_RESPONSE, QUERY, PREPARE,
 * EXECUTE, BATCH and REGISTER, decoded for the server and encoded for a client.
 *
 *   STARTUP        [string map]             OPTIONS    empty
 *   AUTH_RESPONSE  [bytes]                  REGISTER   [string list]
 *   QUERY          [long string] params
 *   PREPARE        [long string]            v5: flags:u32 ([string] keyspace)?
 *   EXECUTE        [short bytes] id         v5: [short bytes] result_metadata_id    then params
 *   params         consistency:u16 flags:u8 (v5: u32), then in this order what the flags say:
 *                  values page_size paging_state serial_consistency timestamp keyspace now
 *   values         n:u16, n (name:[string] if NAMES) [value]
 *   BATCH          type:u8 n:u16, n (kind:u8 text:[long string] | id:[short bytes], values),
 *                  consistency:u16 flags, serial_consistency timestamp keyspace now
 *   before all     [bytes map] custom payload, when the frame flag says so
 *
 * A decoded request is views into the frame, with arrays from the arena: it lives as long as both.
 * Bytes behind the end of a message and flags that no version knows are ignored, as Cassandra does.
 */
#ifndef TORC_NODE_CQL_PROTO_REQUEST_H
#define TORC_NODE_CQL_PROTO_REQUEST_H

#include "node/cql/proto/frame.h"
#include "node/cql/proto/notation.h"

/* The flags of params; they also say which fields of cql_params count. */
enum cql_query_flag {
    CQL_QUERY_VALUES = 0x01,
    CQL_QUERY_SKIP_METADATA = 0x02,
    CQL_QUERY_PAGE_SIZE = 0x04,
    CQL_QUERY_PAGING_STATE = 0x08,
    CQL_QUERY_SERIAL = 0x10,
    CQL_QUERY_TIMESTAMP = 0x20,
    CQL_QUERY_NAMES = 0x40,
    CQL_QUERY_KEYSPACE = 0x80, /* version 5, like the next */
    CQL_QUERY_NOW = 0x100,
};

#define CQL_BATCH_PARAMS                                                                           \
    (CQL_QUERY_SERIAL | CQL_QUERY_TIMESTAMP | CQL_QUERY_KEYSPACE | CQL_QUERY_NOW)
#define CQL_PREPARE_KEYSPACE 0x01u

struct cql_values {
    const struct cql_value *items;
    const struct bytes *names; /* as many; NULL when values are bound by position */
    size_t count;
};

struct cql_params {
    enum cql_consistency consistency;
    uint32_t flags; /* CQL_QUERY_*; bits that are none of them are ignored, as Cassandra does */
    struct cql_values values;
    int32_t page_size; /* rows; zero or less: no paging */
    struct bytes paging_state;
    enum cql_consistency serial_consistency; /* CQL_CL_SERIAL unless given */
    int64_t timestamp;                       /* microseconds since the epoch */
    struct bytes keyspace;
    int32_t now_in_seconds; /* seconds since the epoch */
};

enum cql_batch_type { CQL_BATCH_LOGGED, CQL_BATCH_UNLOGGED, CQL_BATCH_COUNTER };

struct cql_batch_item {
    bool prepared;
    struct bytes statement; /* the text, or the id of the prepared statement */
    struct cql_values values;
};

struct cql_request {
    enum cql_opcode opcode;
    bool tracing;
    struct cql_map payload; /* custom payload; empty when there is none */
    union {
        struct cql_map startup;
        struct {
            struct bytes text;
            struct cql_params params;
        } query;
        struct {
            struct bytes text;
            bool has_keyspace; /* version 5 */
            struct bytes keyspace;
        } prepare;
        struct {
            struct bytes id;
            struct bytes result_metadata_id; /* version 5 */
            struct cql_params params;
        } execute;
        struct {
            enum cql_batch_type type;
            const struct cql_batch_item *items;
            size_t count;
            struct cql_params params; /* no values, no paging */
        } batch;
        struct cql_value auth_response; /* the token; may be null */
        struct cql_string_list events;  /* names as sent; unknown ones are the server's to refuse */
    };
};

/* Decode a request frame. ERR_MALFORMED (answer with a protocol error) with words in `reterr`,
 * which may be NULL. */
enum err cql_request_read(const struct cql_frame *frame, struct arena *a,
                          struct cql_request *ret_request, struct errmsg *reterr) MUST_CHECK;

/* Append the body of a request and return the frame flags to send it with. A failed buffer says
 * that something did not fit its length prefix. Fields a version does not know are left out. */
uint8_t cql_request_put(struct buf *b, uint8_t version, const struct cql_request *request);

#endif
