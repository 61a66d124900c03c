#include "node/cql/exec/request.h"

/* Drivers decode messages strictly. Ours may have been cut within a character, so then all that is
 * not ASCII goes. */
struct bytes reply_readable(struct request *q, struct bytes message)
{
    if (value_validate(cql_type_native(CQL_TEXT), message, NULL) == ERR_OK)
        return message;
    uint8_t *p = arena_alloc(&q->arena, message.len);
    for (size_t i = 0; i < message.len; i++)
        p[i] = message.data[i] < 0x80 ? message.data[i] : '?';
    return bytes_make(p, message.len);
}

void reply_error(struct exec *e, struct request *q, const struct cql_error *error)
{
    struct cql_error clean = *error;
    struct buf b;
    clean.message = reply_readable(q, error->message);
    buf_init(&b, ERRMSG_SIZE * 8);
    cql_error_put(&b, q->version, &clean);
    e->stats.errors++;
    reply_body(e, q, CQL_ERROR, &b);
}

void reply_failed(struct exec *e, struct request *q)
{
    struct cql_error error = cql_error_make(q->run.code, bytes_text(q->run.message.text));
    if (q->run.exists_keyspace != NULL) {
        error.keyspace = bytes_text(q->run.exists_keyspace);
        error.name = q->run.exists_table != NULL ? bytes_text(q->run.exists_table) : BYTES_NONE;
    }
    if (q->run.function != NULL) {
        error.keyspace = bytes_text("system");
        error.name = bytes_text(q->run.function);
        error.arg_types = q->run.function_types;
    }
    reply_error(e, q, &error);
}

void reply_unprepared(struct exec *e, struct request *q, struct bytes id)
{
    char hex[33] = "";
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < id.len && i < 16; i++) {
        hex[2 * i] = digits[id.data[i] >> 4];
        hex[2 * i + 1] = digits[id.data[i] & 15];
    }
    const char *text = arena_printf(
        &q->arena,
        "Prepared query with ID %s not found (either the query was not prepared on this host "
        "(maybe the host has been restarted?) or you have prepared too many queries and it has "
        "been evicted from the internal cache)",
        hex);
    struct cql_error error = cql_error_make(CQL_ERROR_UNPREPARED, bytes_text(text));
    error.id = id;
    reply_error(e, q, &error);
}

void reply_void(struct exec *e, struct request *q)
{
    struct buf b;
    buf_init(&b, 64);
    cql_void_put(&b);
    reply_body(e, q, CQL_RESULT, &b);
}

void reply_supported(struct exec *e, struct request *q)
{
    const struct bytes cql[] = {BYTES_LIT("3.4.7")};
    const struct bytes compression[] = {BYTES_LIT("snappy"), BYTES_LIT("lz4")};
    const struct bytes versions[] = {BYTES_LIT("4/v4"), BYTES_LIT("5/v5")};
    const struct cql_option items[] = {
        {BYTES_LIT("COMPRESSION"), {compression, ARRAY_LEN(compression)}},
        {BYTES_LIT("CQL_VERSION"), {cql, ARRAY_LEN(cql)}},
        {BYTES_LIT("PROTOCOL_VERSIONS"), {versions, ARRAY_LEN(versions)}},
    };
    struct cql_supported supported = {items, ARRAY_LEN(items)};
    struct buf b;
    buf_init(&b, 1024);
    cql_supported_put(&b, &supported);
    reply_body(e, q, CQL_SUPPORTED, &b);
}

void reply_change(struct exec *e, struct request *q, const struct schema_change *change)
{
    static const enum cql_change words[] = {[CHANGE_CREATED] = CQL_CHANGE_CREATED,
                                            [CHANGE_UPDATED] = CQL_CHANGE_UPDATED,
                                            [CHANGE_DROPPED] = CQL_CHANGE_DROPPED};
    static const enum cql_target targets[] = {[SCHEMA_KEYSPACE] = CQL_TARGET_KEYSPACE,
                                              [SCHEMA_TABLE] = CQL_TARGET_TABLE,
                                              [SCHEMA_TYPE] = CQL_TARGET_TYPE};
    struct cql_schema_change out = {0};
    struct buf b;
    if (change->type == CHANGE_NONE) {
        reply_void(e, q);
        return;
    }
    out.change = words[change->type];
    out.target = targets[change->target];
    out.keyspace = bytes_text(change->keyspace);
    if (change->name != NULL)
        out.name = bytes_text(change->name);
    buf_init(&b, 1 << 16);
    cql_schema_change_put(&b, &out);
    reply_body(e, q, CQL_RESULT, &b);
}

enum cql_error_code reply_outcome_code(const struct exec_result *x, bool write)
{
    switch (x->err) {
    case ERR_UNAVAILABLE: return CQL_ERROR_UNAVAILABLE;
    case ERR_TIMEOUT:
        if (x->unknown && write)
            return CQL_ERROR_CAS_WRITE_UNKNOWN;
        return write ? CQL_ERROR_WRITE_TIMEOUT : CQL_ERROR_READ_TIMEOUT;
    case ERR_FAILED: return write ? CQL_ERROR_WRITE_FAILURE : CQL_ERROR_READ_FAILURE;
    default: return cql_error_code_of(x->err);
    }
}

const char *reply_outcome_text(struct request *q, const struct exec_result *x, bool write)
{
    if (x->err == ERR_UNAVAILABLE)
        return arena_printf(&q->arena, "Cannot achieve consistency level %s%s%s",
                            cql_consistency_name(x->level), x->message != NULL ? ": " : "",
                            x->message != NULL ? x->message : "");
    if (x->unknown)
        return arena_printf(&q->arena,
                            "CAS operation result is unknown - proposal accepted by %u but not a "
                            "quorum.",
                            x->received);
    if (x->err == ERR_TIMEOUT && write && x->kind == CQL_WRITE_CAS)
        return arena_printf(&q->arena,
                            "CAS operation timed out: received %u of %u required responses after "
                            "%u contention retries",
                            x->received, x->required, x->contentions);
    if (x->err == ERR_TIMEOUT)
        return arena_printf(&q->arena, "Operation timed out - received only %u responses.%s%s",
                            x->received, x->message != NULL ? " " : "",
                            x->message != NULL ? x->message : "");
    if (x->err == ERR_FAILED)
        return arena_printf(
            &q->arena, "Operation failed - received %u responses and %u failures%s%s", x->received,
            x->failures, x->message != NULL ? ": " : "", x->message != NULL ? x->message : "");
    return x->message != NULL ? x->message : err_text(x->err);
}

void reply_outcome(struct exec *e, struct request *q, const struct exec_result *x, bool write)
{
    struct cql_error error =
        cql_error_make(reply_outcome_code(x, write), bytes_text(reply_outcome_text(q, x, write)));
    struct cql_failure *failures = arena_array(&q->arena, struct cql_failure, x->failures);
    error.consistency = x->level;
    error.received = (int32_t)x->received;
    error.required = (int32_t)x->required;
    error.write_type = x->kind;
    error.contentions = (uint16_t)(x->contentions < UINT16_MAX ? x->contentions : UINT16_MAX);
    error.data_present = x->data_present;
    error.failure_count = (int32_t)x->failures;
    error.failures = failures; /* whose they were is not told: none and code 0 */
    reply_error(e, q, &error);
}
