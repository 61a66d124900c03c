/* response.h - what a server answers, but for ERROR (error.h): encoded for the server, decoded
 * for a client.
 *
 *   before all      [uuid] trace id if TRACING, [string list] if WARNING, [bytes map] if PAYLOAD
 *   READY           empty                   AUTHENTICATE  [string] the authenticator
 *   AUTH_CHALLENGE  [bytes]                 AUTH_SUCCESS  [bytes]
 *   SUPPORTED       u16 n, n ([string] [string list])
 *   RESULT          kind:i32, then
 *     VOID            nothing
 *     SET_KEYSPACE    [string]
 *     SCHEMA_CHANGE   schema change
 *     ROWS            metadata rows:i32 rows*columns [bytes]
 *     PREPARED        [short bytes] id, v5: [short bytes] result_metadata_id,
 *                     bind metadata, metadata
 *   metadata        flags:i32 columns:i32 ([bytes] paging state)? (v5: [short bytes] new id)?
 *                   and unless NO_METADATA: (keyspace table if GLOBAL) columns column
 *   bind metadata   flags:i32 columns:i32 pk:i32, pk index:u16, (keyspace table if GLOBAL) columns
 *   column          (keyspace table unless GLOBAL) [string] name [option] type
 *   schema change   [string] change [string] target [string] keyspace, then by target
 *                   [string] name, [string list] argument types
 *   EVENT           [string] type, then schema change | [string] change [inet]
 *
 * Types are [option] bytes made elsewhere: this folder knows how to walk them, not what they mean.
 * Decoded messages are views into the body with arrays from the arena.
 */
#ifndef TORC_NODE_CQL_PROTO_RESPONSE_H
#define TORC_NODE_CQL_PROTO_RESPONSE_H

#include "node/cql/proto/error.h"
#include "node/cql/proto/frame.h"
#include "node/cql/proto/notation.h"

struct cql_prefix {
    bool tracing;
    struct uuid trace_id;
    struct cql_string_list warnings;
    struct cql_map payload;
};

enum cql_meta_flag {
    CQL_META_GLOBAL = 0x0001,
    CQL_META_MORE_PAGES = 0x0002,
    CQL_META_NONE = 0x0004,
    CQL_META_CHANGED = 0x0008, /* version 5: the metadata differs from what the id promised */
};

struct cql_column {
    struct bytes keyspace;
    struct bytes table;
    struct bytes name;
    struct bytes type; /* one [option] */
};

/* Of a result or of bind markers. GLOBAL is the encoder's to choose: one table spec when all
 * columns share it. The other flags are the caller's, and say which fields count. */
struct cql_metadata {
    uint32_t flags;
    uint32_t column_count;
    const struct cql_column *columns; /* column_count of them, or NULL under CQL_META_NONE */
    struct bytes paging_state;        /* CQL_META_MORE_PAGES */
    struct bytes new_id;              /* CQL_META_CHANGED */
    const uint16_t *pk_indexes; /* bind markers: position i of the partition key is bound by */
    size_t pk_count;            /* this marker; none when not all of it is bound */
};

struct cql_schema_change {
    enum cql_change change;
    enum cql_target target;
    struct bytes keyspace;
    struct bytes name;                /* unless the target is a keyspace */
    struct cql_string_list arg_types; /* functions and aggregates */
};

struct cql_event {
    enum cql_event_type type;
    union {
        struct {
            enum cql_node_change change;
            struct endpoint node;
        } node; /* TOPOLOGY_CHANGE and STATUS_CHANGE */
        struct cql_schema_change schema;
    };
};

struct cql_prepared {
    struct bytes id;
    struct bytes result_metadata_id; /* version 5 */
    struct cql_metadata bind;
    struct cql_metadata result; /* of no columns when the statement returns no rows */
};

struct cql_rows {
    struct cql_metadata metadata;
    uint32_t count;
    struct bytes content; /* count * column_count [bytes], row by row */
};

struct cql_option {
    struct bytes key;
    struct cql_string_list values;
};

struct cql_supported {
    const struct cql_option *items;
    size_t count;
};

struct cql_response {
    enum cql_opcode opcode;
    struct cql_prefix prefix;
    enum cql_result_kind kind; /* RESULT */
    union {
        struct cql_error error;
        struct bytes authenticator;
        struct cql_value token; /* AUTH_CHALLENGE, AUTH_SUCCESS */
        struct cql_supported supported;
        struct bytes keyspace; /* SET_KEYSPACE */
        struct cql_rows rows;
        struct cql_prepared prepared;
        struct cql_schema_change schema;
        struct cql_event event;
    };
};

/* Server. Each appends a body, or the next part of one; the buffer's failure is the only error.
 * cql_prefix_put comes first when there is a prefix and returns the frame flags for it; an error
 * may have one too. */
uint8_t cql_prefix_put(struct buf *b, const struct cql_prefix *prefix);
void cql_authenticate_put(struct buf *b, struct bytes authenticator);
void cql_token_put(struct buf *b, struct cql_value answer);
void cql_supported_put(struct buf *b, const struct cql_supported *supported);
void cql_void_put(struct buf *b);
void cql_set_keyspace_put(struct buf *b, struct bytes keyspace);
void cql_schema_change_put(struct buf *b, const struct cql_schema_change *change);
void cql_event_put(struct buf *b, const struct cql_event *event);
void cql_prepared_put(struct buf *b, uint8_t version, const struct cql_prepared *prepared);

/* The content is written beforehand, with cql_put_value for each cell: only then are the number
 * of rows and the paging state known, which come first on the wire. */
void cql_rows_put(struct buf *b, uint8_t version, const struct cql_rows *rows);

/* Any response from its decoded form: what the simulator and the tests use. Returns the flags. */
uint8_t cql_response_put(struct buf *b, uint8_t version, const struct cql_response *response);

/* Client: decode a response frame, ERROR included. ERR_MALFORMED with words in `reterr` (may be
 * NULL). The content of rows has been walked: reading its cells cannot fail. */
enum err cql_response_read(const struct cql_frame *frame, struct arena *a,
                           struct cql_response *ret_response, struct errmsg *reterr) MUST_CHECK;

/* Cell by cell through rows that cql_response_read gave. */
struct reader cql_rows_reader(const struct cql_rows *rows);

#endif
