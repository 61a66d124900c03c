/* error.c - what an ERROR says to a person: as cqlsh has it, for scripts look for its words. */
#include "cli/client.h"

#include <string.h>

/* The name of the Python driver's exception, and its description of the code. Without one cqlsh
 * shows the server's message alone. */
static const struct kind {
    enum cql_error_code code;
    const char *name;
    const char *summary;
} kinds[] = {
    {CQL_ERROR_SERVER, "ServerError", NULL},
    {CQL_ERROR_PROTOCOL, "ProtocolException", NULL},
    {CQL_ERROR_CREDENTIALS, "BadCredentials", NULL},
    {CQL_ERROR_UNAVAILABLE, "Unavailable", "Unavailable exception"},
    {CQL_ERROR_OVERLOADED, "OverloadedErrorMessage", NULL},
    {CQL_ERROR_BOOTSTRAPPING, "IsBootstrappingErrorMessage", NULL},
    {CQL_ERROR_TRUNCATE, "TruncateError", NULL},
    {CQL_ERROR_WRITE_TIMEOUT, "WriteTimeout",
     "Coordinator node timed out waiting for replica nodes' responses"},
    {CQL_ERROR_CAS_WRITE_UNKNOWN, "WriteTimeout",
     "Coordinator node timed out waiting for replica nodes' responses"},
    {CQL_ERROR_READ_TIMEOUT, "ReadTimeout",
     "Coordinator node timed out waiting for replica nodes' responses"},
    {CQL_ERROR_READ_FAILURE, "ReadFailure", "Replica(s) failed to execute read"},
    {CQL_ERROR_WRITE_FAILURE, "WriteFailure", "Replica(s) failed to execute write"},
    {CQL_ERROR_SYNTAX, "SyntaxException", NULL},
    {CQL_ERROR_UNAUTHORIZED, "Unauthorized", "Unauthorized"},
    {CQL_ERROR_INVALID, "InvalidRequest", "Invalid query"},
    {CQL_ERROR_CONFIG, "ConfigurationException", NULL},
    {CQL_ERROR_FUNCTION_FAILURE, "FunctionFailure", "User Defined Function failure"},
    {CQL_ERROR_CDC_WRITE_FAILURE, "CDCWriteException", NULL},
    {CQL_ERROR_UNPREPARED, "PreparedQueryNotFound", NULL},
};

static void put_failures(const struct cql_error *e, struct buf *out)
{
    char text[ENDPOINT_TEXT_SIZE];
    buf_printf(out, ", 'failures': %d", e->failure_count);
    for (int32_t i = 0; i < e->failure_count && e->failures != NULL && i < 16; i++)
        buf_printf(out, "%s'%s': '0x%04x'", i == 0 ? ", 'error_code_map': {" : ", ",
                   endpoint_ip_text(&e->failures[i].replica, text), (unsigned)e->failures[i].code);
    if (e->failure_count > 0 && e->failures != NULL)
        buf_put_text(out, "}");
}

/* How many replicas were needed, and how many there were. */
static void put_info(const struct cql_error *e, struct buf *out)
{
    const char *level = cql_consistency_name((unsigned)e->consistency);
    switch (e->code) {
    case CQL_ERROR_UNAVAILABLE:
        buf_printf(out,
                   " info={'consistency': '%s', 'required_replicas': %d, 'alive_replicas': %d}",
                   level, e->required, e->received);
        break;
    case CQL_ERROR_WRITE_TIMEOUT:
    case CQL_ERROR_READ_TIMEOUT:
    case CQL_ERROR_CAS_WRITE_UNKNOWN:
    case CQL_ERROR_READ_FAILURE:
    case CQL_ERROR_WRITE_FAILURE:
        buf_printf(out,
                   " info={'consistency': '%s', 'required_responses': %d, 'received_responses': %d",
                   level, e->required, e->received);
        if (e->code == CQL_ERROR_READ_FAILURE || e->code == CQL_ERROR_WRITE_FAILURE)
            put_failures(e, out);
        if (e->code == CQL_ERROR_WRITE_TIMEOUT || e->code == CQL_ERROR_WRITE_FAILURE)
            buf_printf(out, ", 'write_type': '%s'", cql_write_type_name(e->write_type));
        buf_put_text(out, "}");
        break;
    default: break;
    }
}

static void put_exists(const struct cql_error *e, struct buf *out)
{
    buf_put_text(out, e->name.len > 0 ? "AlreadyExists: Table '" : "AlreadyExists: Keyspace '");
    buf_put_bytes(out, e->keyspace);
    if (e->name.len > 0) {
        buf_put_text(out, ".");
        buf_put_bytes(out, e->name);
    }
    buf_put_text(out, "' already exists");
}

void client_error_text(const struct cql_error *e, struct buf *out)
{
    const struct kind *kind = NULL;
    if (e->code == CQL_ERROR_ALREADY_EXISTS) {
        put_exists(e, out);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].code == e->code)
            kind = &kinds[i];
    }
    buf_printf(out, "%s: ", kind != NULL ? kind->name : cql_error_text((unsigned)e->code));
    if (kind == NULL || kind->summary == NULL) {
        buf_put_bytes(out, e->message);
        return;
    }
    buf_printf(out, "Error from server: code=%04x [%s] message=\"", (unsigned)e->code,
               kind->summary);
    buf_put_bytes(out, e->message);
    buf_put_text(out, "\"");
    put_info(e, out);
}
