#include "node/cql/proto/response.h"

uint8_t cql_prefix_put(struct buf *b, const struct cql_prefix *prefix)
{
    uint8_t flags = 0;
    if (prefix->tracing) {
        flags |= CQL_FLAG_TRACING;
        buf_put_uuid(b, &prefix->trace_id);
    }
    if (prefix->warnings.count > 0) {
        flags |= CQL_FLAG_WARNING;
        cql_put_string_list(b, prefix->warnings);
    }
    if (prefix->payload.count > 0) {
        flags |= CQL_FLAG_PAYLOAD;
        cql_put_bytes_map(b, prefix->payload);
    }
    return flags;
}

void cql_authenticate_put(struct buf *b, struct bytes authenticator)
{
    cql_put_string(b, authenticator);
}

void cql_token_put(struct buf *b, struct cql_value answer)
{
    cql_put_value(b, answer);
}

void cql_supported_put(struct buf *b, const struct cql_supported *supported)
{
    if (supported->count > UINT16_MAX) {
        b->failed = true;
        return;
    }
    buf_put_u16(b, (uint16_t)supported->count);
    for (size_t i = 0; i < supported->count; i++) {
        cql_put_string(b, supported->items[i].key);
        cql_put_string_list(b, supported->items[i].values);
    }
}

static void put_schema_change(struct buf *b, const struct cql_schema_change *change)
{
    cql_put_string(b, bytes_text(cql_change_name(change->change)));
    cql_put_string(b, bytes_text(cql_target_name(change->target)));
    cql_put_string(b, change->keyspace);
    if (change->target != CQL_TARGET_KEYSPACE)
        cql_put_string(b, change->name);
    if (change->target == CQL_TARGET_FUNCTION || change->target == CQL_TARGET_AGGREGATE)
        cql_put_string_list(b, change->arg_types);
}

void cql_event_put(struct buf *b, const struct cql_event *event)
{
    cql_put_string(b, bytes_text(cql_event_name(event->type)));
    if (event->type == CQL_EVENT_SCHEMA_CHANGE) {
        put_schema_change(b, &event->schema);
        return;
    }
    cql_put_string(b, bytes_text(cql_node_change_name(event->node.change)));
    cql_put_inet(b, &event->node.node);
}

void cql_void_put(struct buf *b)
{
    buf_put_i32(b, CQL_RESULT_VOID);
}

void cql_set_keyspace_put(struct buf *b, struct bytes keyspace)
{
    buf_put_i32(b, CQL_RESULT_SET_KEYSPACE);
    cql_put_string(b, keyspace);
}

void cql_schema_change_put(struct buf *b, const struct cql_schema_change *change)
{
    buf_put_i32(b, CQL_RESULT_SCHEMA_CHANGE);
    put_schema_change(b, change);
}

/* Metadata. */

static bool same_table(const struct cql_metadata *m)
{
    for (uint32_t i = 1; i < m->column_count; i++) {
        if (!bytes_equal(m->columns[i].keyspace, m->columns[0].keyspace) ||
            !bytes_equal(m->columns[i].table, m->columns[0].table))
            return false;
    }
    return m->column_count > 0;
}

static void put_columns(struct buf *b, const struct cql_metadata *m, bool global)
{
    if (global) {
        cql_put_string(b, m->columns[0].keyspace);
        cql_put_string(b, m->columns[0].table);
    }
    for (uint32_t i = 0; i < m->column_count; i++) {
        if (!global) {
            cql_put_string(b, m->columns[i].keyspace);
            cql_put_string(b, m->columns[i].table);
        }
        cql_put_string(b, m->columns[i].name);
        buf_put_bytes(b, m->columns[i].type);
    }
}

static void put_bind_metadata(struct buf *b, const struct cql_metadata *m)
{
    bool global = same_table(m);
    buf_put_u32(b, global ? CQL_META_GLOBAL : 0);
    buf_put_u32(b, m->column_count);
    buf_put_u32(b, (uint32_t)m->pk_count);
    for (size_t i = 0; i < m->pk_count; i++)
        buf_put_u16(b, m->pk_indexes[i]);
    put_columns(b, m, global);
}

static void put_metadata(struct buf *b, uint8_t version, const struct cql_metadata *m)
{
    uint32_t flags = m->flags & (CQL_META_MORE_PAGES | CQL_META_NONE);
    if (version >= 5)
        flags |= m->flags & CQL_META_CHANGED;
    /* New metadata that is not told would be of no use. */
    if (flags & CQL_META_CHANGED)
        flags &= ~(uint32_t)CQL_META_NONE;
    if (m->columns == NULL)
        flags |= CQL_META_NONE;
    bool global = (flags & CQL_META_NONE) == 0 && same_table(m);
    if (global)
        flags |= CQL_META_GLOBAL;
    buf_put_u32(b, flags);
    buf_put_u32(b, m->column_count);
    if (flags & CQL_META_MORE_PAGES)
        cql_put_bytes(b, m->paging_state);
    if (flags & CQL_META_CHANGED)
        cql_put_short_bytes(b, m->new_id);
    if ((flags & CQL_META_NONE) == 0)
        put_columns(b, m, global);
}

void cql_prepared_put(struct buf *b, uint8_t version, const struct cql_prepared *prepared)
{
    buf_put_i32(b, CQL_RESULT_PREPARED);
    cql_put_short_bytes(b, prepared->id);
    if (version >= 5)
        cql_put_short_bytes(b, prepared->result_metadata_id);
    put_bind_metadata(b, &prepared->bind);
    put_metadata(b, version, &prepared->result);
}

void cql_rows_put(struct buf *b, uint8_t version, const struct cql_rows *rows)
{
    buf_put_i32(b, CQL_RESULT_ROWS);
    put_metadata(b, version, &rows->metadata);
    buf_put_u32(b, rows->count);
    buf_put_bytes(b, rows->content);
}

static void put_result(struct buf *b, uint8_t version, const struct cql_response *r)
{
    switch (r->kind) {
    case CQL_RESULT_VOID: cql_void_put(b); break;
    case CQL_RESULT_ROWS: cql_rows_put(b, version, &r->rows); break;
    case CQL_RESULT_SET_KEYSPACE: cql_set_keyspace_put(b, r->keyspace); break;
    case CQL_RESULT_PREPARED: cql_prepared_put(b, version, &r->prepared); break;
    case CQL_RESULT_SCHEMA_CHANGE: cql_schema_change_put(b, &r->schema); break;
    }
}

uint8_t cql_response_put(struct buf *b, uint8_t version, const struct cql_response *r)
{
    uint8_t flags = cql_prefix_put(b, &r->prefix);
    switch (r->opcode) {
    case CQL_ERROR: cql_error_put(b, version, &r->error); break;
    case CQL_AUTHENTICATE: cql_authenticate_put(b, r->authenticator); break;
    case CQL_SUPPORTED: cql_supported_put(b, &r->supported); break;
    case CQL_RESULT: put_result(b, version, r); break;
    case CQL_EVENT: cql_event_put(b, &r->event); break;
    case CQL_AUTH_CHALLENGE:
    case CQL_AUTH_SUCCESS: cql_token_put(b, r->token); break;
    default: break; /* READY has no body */
    }
    return flags;
}
