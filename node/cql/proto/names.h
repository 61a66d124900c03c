/* names.h - the numbers of the CQL native protocol, each declared once.
 *
 * All of them travel: do not renumber.
 */
#ifndef TORC_NODE_CQL_PROTO_NAMES_H
#define TORC_NODE_CQL_PROTO_NAMES_H

#include "base/bytes.h"

/* X(name, number, is it a request) */
#define CQL_OPCODE_LIST(X)                                                                         \
    X(ERROR, 0x00, false)                                                                          \
    X(STARTUP, 0x01, true)                                                                         \
    X(READY, 0x02, false)                                                                          \
    X(AUTHENTICATE, 0x03, false)                                                                   \
    X(OPTIONS, 0x05, true)                                                                         \
    X(SUPPORTED, 0x06, false)                                                                      \
    X(QUERY, 0x07, true)                                                                           \
    X(RESULT, 0x08, false)                                                                         \
    X(PREPARE, 0x09, true)                                                                         \
    X(EXECUTE, 0x0A, true)                                                                         \
    X(REGISTER, 0x0B, true)                                                                        \
    X(EVENT, 0x0C, false)                                                                          \
    X(BATCH, 0x0D, true)                                                                           \
    X(AUTH_CHALLENGE, 0x0E, false)                                                                 \
    X(AUTH_RESPONSE, 0x0F, true)                                                                   \
    X(AUTH_SUCCESS, 0x10, false)

#define CQL_CONSISTENCY_LIST(X)                                                                    \
    X(ANY, 0)                                                                                      \
    X(ONE, 1)                                                                                      \
    X(TWO, 2)                                                                                      \
    X(THREE, 3)                                                                                    \
    X(QUORUM, 4)                                                                                   \
    X(ALL, 5)                                                                                      \
    X(LOCAL_QUORUM, 6)                                                                             \
    X(EACH_QUORUM, 7)                                                                              \
    X(SERIAL, 8)                                                                                   \
    X(LOCAL_SERIAL, 9)                                                                             \
    X(LOCAL_ONE, 10)

/* X(name, number, what it says to a person) */
#define CQL_ERROR_LIST(X)                                                                          \
    X(SERVER, 0x0000, "server error")                                                              \
    X(PROTOCOL, 0x000A, "protocol error")                                                          \
    X(CREDENTIALS, 0x0100, "authentication failed")                                                \
    X(UNAVAILABLE, 0x1000, "not enough replicas alive")                                            \
    X(OVERLOADED, 0x1001, "overloaded")                                                            \
    X(BOOTSTRAPPING, 0x1002, "the node is bootstrapping")                                          \
    X(TRUNCATE, 0x1003, "truncate failed")                                                         \
    X(WRITE_TIMEOUT, 0x1100, "write timed out")                                                    \
    X(READ_TIMEOUT, 0x1200, "read timed out")                                                      \
    X(READ_FAILURE, 0x1300, "replicas failed to read")                                             \
    X(FUNCTION_FAILURE, 0x1400, "a function failed")                                               \
    X(WRITE_FAILURE, 0x1500, "replicas failed to write")                                           \
    X(CDC_WRITE_FAILURE, 0x1600, "no room for change data capture")                                \
    X(CAS_WRITE_UNKNOWN, 0x1700, "the outcome of a conditional write is unknown")                  \
    X(SYNTAX, 0x2000, "syntax error")                                                              \
    X(UNAUTHORIZED, 0x2100, "not authorized")                                                      \
    X(INVALID, 0x2200, "invalid request")                                                          \
    X(CONFIG, 0x2300, "configuration error")                                                       \
    X(ALREADY_EXISTS, 0x2400, "already exists")                                                    \
    X(UNPREPARED, 0x2500, "statement not prepared")

#define CQL_RESULT_LIST(X)                                                                         \
    X(VOID, 1)                                                                                     \
    X(ROWS, 2)                                                                                     \
    X(SET_KEYSPACE, 3)                                                                             \
    X(PREPARED, 4)                                                                                 \
    X(SCHEMA_CHANGE, 5)

/* These travel as their names; the numbers are ours. */
#define CQL_WRITE_TYPE_LIST(X)                                                                     \
    X(SIMPLE)                                                                                      \
    X(BATCH)                                                                                       \
    X(UNLOGGED_BATCH)                                                                              \
    X(COUNTER)                                                                                     \
    X(BATCH_LOG)                                                                                   \
    X(CAS)                                                                                         \
    X(VIEW)                                                                                        \
    X(CDC)

#define CQL_EVENT_LIST(X)                                                                          \
    X(TOPOLOGY_CHANGE)                                                                             \
    X(STATUS_CHANGE)                                                                               \
    X(SCHEMA_CHANGE)

#define CQL_CHANGE_LIST(X)                                                                         \
    X(CREATED)                                                                                     \
    X(UPDATED)                                                                                     \
    X(DROPPED)

#define CQL_TARGET_LIST(X)                                                                         \
    X(KEYSPACE)                                                                                    \
    X(TABLE)                                                                                       \
    X(TYPE)                                                                                        \
    X(FUNCTION)                                                                                    \
    X(AGGREGATE)

/* Changes that TOPOLOGY_CHANGE and STATUS_CHANGE tell. */
#define CQL_NODE_CHANGE_LIST(X)                                                                    \
    X(NEW_NODE)                                                                                    \
    X(REMOVED_NODE)                                                                                \
    X(UP)                                                                                          \
    X(DOWN)

enum cql_opcode {
#define X(name, number, request) CQL_##name = number,
    CQL_OPCODE_LIST(X)
#undef X
};

enum cql_consistency {
#define X(name, number) CQL_CL_##name = number,
    CQL_CONSISTENCY_LIST(X)
#undef X
        CQL_CL_COUNT
};

enum cql_error_code {
#define X(name, number, text) CQL_ERROR_##name = number,
    CQL_ERROR_LIST(X)
#undef X
};

enum cql_result_kind {
#define X(name, number) CQL_RESULT_##name = number,
    CQL_RESULT_LIST(X)
#undef X
};

enum cql_write_type {
#define X(name) CQL_WRITE_##name,
    CQL_WRITE_TYPE_LIST(X)
#undef X
        CQL_WRITE_COUNT
};

enum cql_event_type {
#define X(name) CQL_EVENT_##name,
    CQL_EVENT_LIST(X)
#undef X
        CQL_EVENT_COUNT
};

enum cql_change {
#define X(name) CQL_CHANGE_##name,
    CQL_CHANGE_LIST(X)
#undef X
        CQL_CHANGE_COUNT
};

enum cql_target {
#define X(name) CQL_TARGET_##name,
    CQL_TARGET_LIST(X)
#undef X
        CQL_TARGET_COUNT
};

enum cql_node_change {
#define X(name) CQL_NODE_##name,
    CQL_NODE_CHANGE_LIST(X)
#undef X
        CQL_NODE_CHANGE_COUNT
};

/* The name as the protocol spells it; "?" for a number that is none. Never NULL. */
const char *cql_opcode_name(unsigned opcode);
const char *cql_consistency_name(unsigned consistency);
const char *cql_write_type_name(enum cql_write_type type);
const char *cql_event_name(enum cql_event_type type);
const char *cql_change_name(enum cql_change change);
const char *cql_target_name(enum cql_target target);
const char *cql_node_change_name(enum cql_node_change change);

/* What an error code says to a person; "unknown error" for one that is not in the list. */
const char *cql_error_text(unsigned code);

bool cql_opcode_is_request(unsigned opcode);  /* false for an unknown one too */
bool cql_opcode_is_response(unsigned opcode); /* false for an unknown one too */

/* The way back. Exact spelling, but for consistency levels in either case (config, the shell).
 * False when there is no such name. */
bool cql_consistency_parse(struct bytes name, enum cql_consistency *ret_consistency);
bool cql_write_type_parse(struct bytes name, enum cql_write_type *ret_type);
bool cql_event_parse(struct bytes name, enum cql_event_type *ret_type);
bool cql_change_parse(struct bytes name, enum cql_change *ret_change);
bool cql_target_parse(struct bytes name, enum cql_target *ret_target);
bool cql_node_change_parse(struct bytes name, enum cql_node_change *ret_change);

static inline bool cql_consistency_is_serial(enum cql_consistency c)
{
    return c == CQL_CL_SERIAL || c == CQL_CL_LOCAL_SERIAL;
}

#endif
