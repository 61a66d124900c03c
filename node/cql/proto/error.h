/* error.h - the ERROR message: a code, a sentence, and what some codes carry beside it.
 *
 *   body                = code:i32 [string] and for
 *   UNAVAILABLE           cl:u16 required:i32 alive:i32
 *   WRITE_TIMEOUT         cl received:i32 required:i32 write_type:[string], v5 CAS: contentions:u16
 *   READ_TIMEOUT          cl received required data_present:u8
 *   READ_FAILURE          cl received required failures data_present:u8
 *   WRITE_FAILURE         cl received required failures write_type
 *   CAS_WRITE_UNKNOWN     cl received required
 *   FUNCTION_FAILURE      [string] keyspace [string] function [string list] argument types
 *   ALREADY_EXISTS        [string] keyspace [string] table, empty when it is the keyspace
 *   UNPREPARED            [short bytes] id
 *   failures              v4: count:i32        v5: count:i32, count ([inetaddr] code:u16)
 */
#ifndef TORC_NODE_CQL_PROTO_ERROR_H
#define TORC_NODE_CQL_PROTO_ERROR_H

#include "base/err.h"
#include "node/cql/proto/notation.h"

/* Why a replica failed, as version 5 tells it. */
enum cql_failure_code {
    CQL_FAILURE_UNKNOWN = 0,
    CQL_FAILURE_TOO_MANY_TOMBSTONES = 1,
    CQL_FAILURE_TIMEOUT = 2,
    CQL_FAILURE_INCOMPATIBLE_SCHEMA = 3,
};

struct cql_failure {
    struct endpoint replica; /* the port does not travel */
    uint16_t code;
};

struct cql_error {
    enum cql_error_code code;
    struct bytes message;
    enum cql_consistency consistency;
    int32_t received; /* answers; UNAVAILABLE: replicas alive */
    int32_t required; /* answers needed for the level */
    bool data_present;
    enum cql_write_type write_type;
    uint16_t contentions;
    int32_t failure_count; /* what version 4 sends; failures.count when failures are given */
    const struct cql_failure *failures; /* version 5: failure_count of them */
    struct bytes keyspace;
    struct bytes name; /* table or function */
    struct cql_string_list arg_types;
    struct bytes id; /* UNPREPARED */
};

/* A plain error: a code without anything beside it. */
struct cql_error cql_error_make(enum cql_error_code code, struct bytes message);

/* Append the body. What a version does not know goes out as what its drivers expect instead:
 * CAS_WRITE_UNKNOWN as a WRITE_TIMEOUT of type CAS in version 4. */
void cql_error_put(struct buf *b, uint8_t version, const struct cql_error *error);

/* Decode a body (after the prefix of the response). A code that is not in the list is kept, with
 * the message only. Views into `body`, arrays from the arena. */
enum err cql_error_read(struct bytes body, uint8_t version, struct arena *a,
                        struct cql_error *ret_error) MUST_CHECK;

/* The code that answers one of our own errors, where it carries nothing but a sentence. */
enum cql_error_code cql_error_code_of(enum err err);

#endif
