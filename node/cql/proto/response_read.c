#include "node/cql/proto/response.h"

/* A column takes at least a name's length and a type. */
#define COLUMN_LEAST 4

static void read_columns(struct reader *r, struct arena *a, struct cql_metadata *m)
{
    if (m->column_count > reader_left(r) / COLUMN_LEAST)
        r->failed = m->column_count > 0;
    if (r->failed || m->column_count == 0)
        return;
    bool global = m->flags & CQL_META_GLOBAL;
    struct bytes keyspace = global ? cql_read_string(r) : BYTES_NONE;
    struct bytes table = global ? cql_read_string(r) : BYTES_NONE;
    struct cql_column *columns = arena_array(a, struct cql_column, m->column_count);
    for (uint32_t i = 0; i < m->column_count && !r->failed; i++) {
        columns[i].keyspace = global ? keyspace : cql_read_string(r);
        columns[i].table = global ? table : cql_read_string(r);
        columns[i].name = cql_read_string(r);
        columns[i].type = cql_option_skip(r);
    }
    m->columns = columns;
}

static void read_metadata(struct reader *r, uint8_t version, struct arena *a,
                          struct cql_metadata *m)
{
    m->flags = read_u32(r);
    m->column_count = read_u32(r);
    if (version < 5)
        m->flags &= ~(uint32_t)CQL_META_CHANGED;
    if (m->column_count > INT32_MAX)
        r->failed = true;
    if (m->flags & CQL_META_MORE_PAGES)
        m->paging_state = cql_read_bytes(r).data;
    if (m->flags & CQL_META_CHANGED)
        m->new_id = cql_read_short_bytes(r);
    if ((m->flags & CQL_META_NONE) == 0)
        read_columns(r, a, m);
}

static void read_bind_metadata(struct reader *r, struct arena *a, struct cql_metadata *m)
{
    m->flags = read_u32(r) & CQL_META_GLOBAL;
    m->column_count = read_u32(r);
    uint32_t pk_count = read_u32(r);
    if (pk_count > reader_left(r) / 2)
        r->failed = true;
    if (r->failed)
        return;
    uint16_t *pk_indexes = pk_count > 0 ? arena_array(a, uint16_t, pk_count) : NULL;
    for (uint32_t i = 0; i < pk_count; i++) {
        pk_indexes[i] = read_u16(r);
        if (pk_indexes[i] >= m->column_count)
            r->failed = true;
    }
    m->pk_indexes = pk_indexes;
    m->pk_count = pk_count;
    read_columns(r, a, m);
}

/* Walk all cells once, so that nobody else has to fear them. */
static void read_rows(struct reader *r, uint8_t version, struct arena *a, struct cql_rows *rows)
{
    read_metadata(r, version, a, &rows->metadata);
    rows->count = read_u32(r);
    uint64_t cells = (uint64_t)rows->count * rows->metadata.column_count;
    /* Rows without columns would take no bytes: their number could be anything. */
    if (cells > reader_left(r) / 4 || (cells == 0 && rows->count > 0))
        r->failed = true;
    if (r->failed)
        return;
    const uint8_t *start = r->at;
    for (uint64_t i = 0; i < cells && !r->failed; i++)
        cql_read_bytes(r);
    rows->content = bytes_make(start, (size_t)(r->at - start));
}

static void read_prepared(struct reader *r, uint8_t version, struct arena *a,
                          struct cql_prepared *p)
{
    p->id = cql_read_short_bytes(r);
    if (version >= 5)
        p->result_metadata_id = cql_read_short_bytes(r);
    read_bind_metadata(r, a, &p->bind);
    read_metadata(r, version, a, &p->result);
}

static void read_schema_change(struct reader *r, struct arena *a, struct cql_schema_change *c)
{
    if (!cql_change_parse(cql_read_string(r), &c->change) ||
        !cql_target_parse(cql_read_string(r), &c->target))
        r->failed = true;
    c->keyspace = cql_read_string(r);
    if (c->target != CQL_TARGET_KEYSPACE)
        c->name = cql_read_string(r);
    if (c->target == CQL_TARGET_FUNCTION || c->target == CQL_TARGET_AGGREGATE)
        c->arg_types = cql_read_string_list(r, a);
}

static void read_event(struct reader *r, struct arena *a, struct cql_event *e)
{
    if (!cql_event_parse(cql_read_string(r), &e->type)) {
        r->failed = true;
        return;
    }
    if (e->type == CQL_EVENT_SCHEMA_CHANGE) {
        read_schema_change(r, a, &e->schema);
        return;
    }
    if (!cql_node_change_parse(cql_read_string(r), &e->node.change))
        r->failed = true;
    e->node.node = cql_read_inet(r);
}

static void read_supported(struct reader *r, struct arena *a, struct cql_supported *s)
{
    size_t count = read_u16(r);
    if (count * 4 > reader_left(r))
        r->failed = true;
    if (r->failed || count == 0)
        return;
    struct cql_option *items = arena_array(a, struct cql_option, count);
    for (size_t i = 0; i < count && !r->failed; i++) {
        items[i].key = cql_read_string(r);
        items[i].values = cql_read_string_list(r, a);
    }
    s->items = items;
    s->count = count;
}

static void read_result(struct reader *r, uint8_t version, struct arena *a, struct cql_response *q)
{
    q->kind = (enum cql_result_kind)read_u32(r);
    switch (q->kind) {
    case CQL_RESULT_VOID: break;
    case CQL_RESULT_ROWS: read_rows(r, version, a, &q->rows); break;
    case CQL_RESULT_SET_KEYSPACE: q->keyspace = cql_read_string(r); break;
    case CQL_RESULT_PREPARED: read_prepared(r, version, a, &q->prepared); break;
    case CQL_RESULT_SCHEMA_CHANGE: read_schema_change(r, a, &q->schema); break;
    default: r->failed = true;
    }
}

static void read_prefix(struct reader *r, uint8_t flags, struct arena *a, struct cql_prefix *p)
{
    p->tracing = flags & CQL_FLAG_TRACING;
    if (p->tracing)
        p->trace_id = read_uuid(r);
    if (flags & CQL_FLAG_WARNING)
        p->warnings = cql_read_string_list(r, a);
    if (flags & CQL_FLAG_PAYLOAD)
        p->payload = cql_read_bytes_map(r, a);
}

static void read_message(struct reader *r, uint8_t version, struct arena *a, struct cql_response *q)
{
    switch (q->opcode) {
    case CQL_READY: break;
    case CQL_ERROR:
        if (cql_error_read(read_rest(r), version, a, &q->error) != ERR_OK)
            r->failed = true;
        break;
    case CQL_AUTHENTICATE: q->authenticator = cql_read_string(r); break;
    case CQL_SUPPORTED: read_supported(r, a, &q->supported); break;
    case CQL_RESULT: read_result(r, version, a, q); break;
    case CQL_EVENT: read_event(r, a, &q->event); break;
    case CQL_AUTH_CHALLENGE:
    case CQL_AUTH_SUCCESS: q->token = cql_read_bytes(r); break;
    default: r->failed = true;
    }
}

enum err cql_response_read(const struct cql_frame *frame, struct arena *a,
                           struct cql_response *ret_response, struct errmsg *reterr)
{
    const struct cql_header *h = &frame->header;
    struct reader r = reader_make(frame->body);
    struct cql_response q = {.opcode = (enum cql_opcode)h->opcode};
    read_prefix(&r, h->flags, a, &q.prefix);
    read_message(&r, h->version, a, &q);
    if (r.failed)
        return errmsg_set(reterr, ERR_MALFORMED, "%s: the body is malformed or cut short",
                          cql_opcode_name(h->opcode));
    *ret_response = q;
    return ERR_OK;
}

struct reader cql_rows_reader(const struct cql_rows *rows)
{
    return reader_make(rows->content);
}
