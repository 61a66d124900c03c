#include "node/cql/proto/error.h"

struct cql_error cql_error_make(enum cql_error_code code, struct bytes message)
{
    return (struct cql_error){.code = code, .message = message};
}

enum cql_error_code cql_error_code_of(enum err err)
{
    switch (err) {
    case ERR_MALFORMED: return CQL_ERROR_PROTOCOL;
    case ERR_OVERLOADED: return CQL_ERROR_OVERLOADED;
    case ERR_SYNTAX: return CQL_ERROR_SYNTAX;
    case ERR_REFUSED: return CQL_ERROR_UNAUTHORIZED;
    case ERR_CONFIG: return CQL_ERROR_CONFIG;
    case ERR_TOO_BIG:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_UNSUPPORTED:
    case ERR_INVALID: return CQL_ERROR_INVALID;
    default: return CQL_ERROR_SERVER;
    }
}

/* Encoding. */

static void put_count_and_level(struct buf *b, const struct cql_error *e)
{
    buf_put_u16(b, (uint16_t)e->consistency);
    buf_put_i32(b, e->received);
    buf_put_i32(b, e->required);
}

static void put_write_type(struct buf *b, enum cql_write_type type)
{
    cql_put_string(b, bytes_text(cql_write_type_name(type)));
}

static void put_failures(struct buf *b, uint8_t version, const struct cql_error *e)
{
    /* A count that no map stands behind cannot be told in version 5: the map is what counts. */
    int32_t count = version < 5 || e->failures != NULL ? e->failure_count : 0;
    buf_put_i32(b, count);
    for (int32_t i = 0; version >= 5 && i < count; i++) {
        cql_put_inetaddr(b, &e->failures[i].replica);
        buf_put_u16(b, e->failures[i].code);
    }
}

static void put_details(struct buf *b, uint8_t version, const struct cql_error *e)
{
    switch (e->code) {
    case CQL_ERROR_UNAVAILABLE:
        buf_put_u16(b, (uint16_t)e->consistency);
        buf_put_i32(b, e->required);
        buf_put_i32(b, e->received);
        break;
    case CQL_ERROR_WRITE_TIMEOUT:
        put_count_and_level(b, e);
        put_write_type(b, e->write_type);
        if (version >= 5 && e->write_type == CQL_WRITE_CAS)
            buf_put_u16(b, e->contentions);
        break;
    case CQL_ERROR_READ_TIMEOUT:
        put_count_and_level(b, e);
        buf_put_u8(b, e->data_present);
        break;
    case CQL_ERROR_READ_FAILURE:
        put_count_and_level(b, e);
        put_failures(b, version, e);
        buf_put_u8(b, e->data_present);
        break;
    case CQL_ERROR_WRITE_FAILURE:
        put_count_and_level(b, e);
        put_failures(b, version, e);
        put_write_type(b, e->write_type);
        break;
    case CQL_ERROR_CAS_WRITE_UNKNOWN: put_count_and_level(b, e); break;
    case CQL_ERROR_FUNCTION_FAILURE:
        cql_put_string(b, e->keyspace);
        cql_put_string(b, e->name);
        cql_put_string_list(b, e->arg_types);
        break;
    case CQL_ERROR_ALREADY_EXISTS:
        cql_put_string(b, e->keyspace);
        cql_put_string(b, e->name);
        break;
    case CQL_ERROR_UNPREPARED: cql_put_short_bytes(b, e->id); break;
    default: break;
    }
}

void cql_error_put(struct buf *b, uint8_t version, const struct cql_error *error)
{
    struct cql_error e = *error;
    if (version < 5 && e.code == CQL_ERROR_CAS_WRITE_UNKNOWN) {
        e.code = CQL_ERROR_WRITE_TIMEOUT;
        e.write_type = CQL_WRITE_CAS;
    }
    buf_put_i32(b, (int32_t)e.code);
    cql_put_string_cut(b, e.message);
    put_details(b, version, &e);
}

/* Decoding. */

static void read_count_and_level(struct reader *r, struct cql_error *e)
{
    e->consistency = cql_read_consistency(r);
    e->received = read_i32(r);
    e->required = read_i32(r);
}

static void read_write_type(struct reader *r, struct cql_error *e)
{
    if (!cql_write_type_parse(cql_read_string(r), &e->write_type))
        r->failed = true;
}

static void read_failures(struct reader *r, uint8_t version, struct arena *a, struct cql_error *e)
{
    e->failure_count = read_i32(r);
    if (version < 5)
        return;
    /* A replica takes at least seven bytes. */
    if (e->failure_count < 0 || (size_t)e->failure_count > reader_left(r) / 7)
        r->failed = true;
    if (r->failed || e->failure_count == 0)
        return;
    struct cql_failure *all = arena_array(a, struct cql_failure, e->failure_count);
    for (int32_t i = 0; i < e->failure_count && !r->failed; i++) {
        all[i].replica = cql_read_inetaddr(r);
        all[i].code = read_u16(r);
    }
    e->failures = all;
}

static void read_details(struct reader *r, uint8_t version, struct arena *a, struct cql_error *e)
{
    switch (e->code) {
    case CQL_ERROR_UNAVAILABLE:
        e->consistency = cql_read_consistency(r);
        e->required = read_i32(r);
        e->received = read_i32(r);
        break;
    case CQL_ERROR_WRITE_TIMEOUT:
        read_count_and_level(r, e);
        read_write_type(r, e);
        if (version >= 5 && e->write_type == CQL_WRITE_CAS)
            e->contentions = read_u16(r);
        break;
    case CQL_ERROR_READ_TIMEOUT:
        read_count_and_level(r, e);
        e->data_present = read_u8(r) != 0;
        break;
    case CQL_ERROR_READ_FAILURE:
        read_count_and_level(r, e);
        read_failures(r, version, a, e);
        e->data_present = read_u8(r) != 0;
        break;
    case CQL_ERROR_WRITE_FAILURE:
        read_count_and_level(r, e);
        read_failures(r, version, a, e);
        read_write_type(r, e);
        break;
    case CQL_ERROR_CAS_WRITE_UNKNOWN: read_count_and_level(r, e); break;
    case CQL_ERROR_FUNCTION_FAILURE:
        e->keyspace = cql_read_string(r);
        e->name = cql_read_string(r);
        e->arg_types = cql_read_string_list(r, a);
        break;
    case CQL_ERROR_ALREADY_EXISTS:
        e->keyspace = cql_read_string(r);
        e->name = cql_read_string(r);
        break;
    case CQL_ERROR_UNPREPARED: e->id = cql_read_short_bytes(r); break;
    default: break;
    }
}

enum err cql_error_read(struct bytes body, uint8_t version, struct arena *a,
                        struct cql_error *ret_error)
{
    struct reader r = reader_make(body);
    struct cql_error e = {0};
    e.code = (enum cql_error_code)read_i32(&r);
    e.message = cql_read_string(&r);
    read_details(&r, version, a, &e);
    if (r.failed)
        return ERR_MALFORMED;
    *ret_error = e;
    return ERR_OK;
}
