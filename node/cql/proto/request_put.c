#include "node/cql/proto/request.h"

static void put_values(struct buf *b, const struct cql_values *values)
{
    if (values->count > UINT16_MAX) {
        b->failed = true;
        return;
    }
    buf_put_u16(b, (uint16_t)values->count);
    for (size_t i = 0; i < values->count; i++) {
        if (values->names != NULL)
            cql_put_string(b, values->names[i]);
        cql_put_value(b, values->items[i]);
    }
}

static void put_params(struct buf *b, uint8_t version, const struct cql_params *p, uint32_t allowed)
{
    uint32_t flags = p->flags & allowed;
    if ((flags & CQL_QUERY_VALUES) == 0 || p->values.names == NULL)
        flags &= ~(uint32_t)CQL_QUERY_NAMES;
    else
        flags |= CQL_QUERY_NAMES;
    if (version < 5)
        flags &= 0xff & ~(uint32_t)CQL_QUERY_KEYSPACE;

    buf_put_u16(b, (uint16_t)p->consistency);
    if (version >= 5)
        buf_put_u32(b, flags);
    else
        buf_put_u8(b, (uint8_t)flags);
    if (flags & CQL_QUERY_VALUES)
        put_values(b, &p->values);
    if (flags & CQL_QUERY_PAGE_SIZE)
        buf_put_i32(b, p->page_size);
    if (flags & CQL_QUERY_PAGING_STATE)
        cql_put_bytes(b, p->paging_state);
    if (flags & CQL_QUERY_SERIAL)
        buf_put_u16(b, (uint16_t)p->serial_consistency);
    if (flags & CQL_QUERY_TIMESTAMP)
        buf_put_i64(b, p->timestamp);
    if (flags & CQL_QUERY_KEYSPACE)
        cql_put_string(b, p->keyspace);
    if (flags & CQL_QUERY_NOW)
        buf_put_i32(b, p->now_in_seconds);
}

static void put_batch(struct buf *b, uint8_t version, const struct cql_request *r)
{
    if (r->batch.count > UINT16_MAX) {
        b->failed = true;
        return;
    }
    buf_put_u8(b, (uint8_t)r->batch.type);
    buf_put_u16(b, (uint16_t)r->batch.count);
    for (size_t i = 0; i < r->batch.count; i++) {
        const struct cql_batch_item *item = &r->batch.items[i];
        struct cql_values values = item->values;
        values.names = NULL;
        buf_put_u8(b, item->prepared);
        if (item->prepared)
            cql_put_short_bytes(b, item->statement);
        else
            cql_put_long_string(b, item->statement);
        put_values(b, &values);
    }
    put_params(b, version, &r->batch.params, CQL_BATCH_PARAMS);
}

static void put_prepare(struct buf *b, uint8_t version, const struct cql_request *r)
{
    cql_put_long_string(b, r->prepare.text);
    if (version < 5)
        return;
    buf_put_u32(b, r->prepare.has_keyspace ? CQL_PREPARE_KEYSPACE : 0);
    if (r->prepare.has_keyspace)
        cql_put_string(b, r->prepare.keyspace);
}

uint8_t cql_request_put(struct buf *b, uint8_t version, const struct cql_request *r)
{
    uint8_t flags = r->tracing ? CQL_FLAG_TRACING : 0;
    if (r->payload.count > 0) {
        flags |= CQL_FLAG_PAYLOAD;
        cql_put_bytes_map(b, r->payload);
    }
    switch (r->opcode) {
    case CQL_STARTUP: cql_put_string_map(b, r->startup); break;
    case CQL_QUERY:
        cql_put_long_string(b, r->query.text);
        put_params(b, version, &r->query.params, UINT32_MAX);
        break;
    case CQL_PREPARE: put_prepare(b, version, r); break;
    case CQL_EXECUTE:
        cql_put_short_bytes(b, r->execute.id);
        if (version >= 5)
            cql_put_short_bytes(b, r->execute.result_metadata_id);
        put_params(b, version, &r->execute.params, UINT32_MAX);
        break;
    case CQL_BATCH: put_batch(b, version, r); break;
    case CQL_AUTH_RESPONSE: cql_put_value(b, r->auth_response); break;
    case CQL_REGISTER: cql_put_string_list(b, r->events); break;
    default: break; /* OPTIONS has no body */
    }
    return flags;
}
