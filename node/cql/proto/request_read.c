#include "node/cql/proto/request.h"

/* Where decoding stands: the words are set by whoever sees first what is wrong. */
struct decode {
    struct reader r;
    uint8_t version;
    struct arena *arena;
    struct errmsg *msg;
    bool told; /* msg holds the reason */
};

static void fail(struct decode *d, const char *why)
{
    d->r.failed = true;
    if (d->told)
        return;
    errmsg_set(d->msg, ERR_MALFORMED, "%s", why);
    d->told = true;
}

static struct cql_values read_values(struct decode *d, bool named)
{
    size_t count = read_u16(&d->r);
    /* A value takes at least four bytes, so an array is bounded by what was received. */
    if (count * 4 > reader_left(&d->r))
        fail(d, "fewer values than announced");
    if (d->r.failed || count == 0)
        return (struct cql_values){NULL, NULL, 0};
    struct cql_value *items = arena_array(d->arena, struct cql_value, count);
    struct bytes *names = named ? arena_array(d->arena, struct bytes, count) : NULL;
    for (size_t i = 0; i < count && !d->r.failed; i++) {
        if (named)
            names[i] = cql_read_string(&d->r);
        items[i] = cql_read_value(&d->r);
    }
    return (struct cql_values){items, names, count};
}

static enum cql_consistency read_level(struct decode *d)
{
    bool there = !d->r.failed && reader_left(&d->r) >= 2;
    enum cql_consistency level = cql_read_consistency(&d->r);
    if (there && d->r.failed)
        fail(d, "unknown consistency level");
    return level;
}

static void read_params(struct decode *d, struct cql_params *p)
{
    struct reader *r = &d->r;
    p->consistency = read_level(d);
    uint32_t flags = d->version >= 5 ? read_u32(r) : read_u8(r);
    uint32_t known = 0x1ff;
    if (d->version < 5)
        known &= ~(uint32_t)CQL_QUERY_KEYSPACE;
    flags &= known;
    if ((flags & CQL_QUERY_VALUES) == 0)
        flags &= ~(uint32_t)CQL_QUERY_NAMES; /* means nothing without values */
    p->flags = flags;
    p->serial_consistency = CQL_CL_SERIAL;
    if (flags & CQL_QUERY_VALUES)
        p->values = read_values(d, flags & CQL_QUERY_NAMES);
    if (flags & CQL_QUERY_PAGE_SIZE)
        p->page_size = read_i32(r);
    if (flags & CQL_QUERY_PAGING_STATE) {
        struct cql_value state = cql_read_bytes(r);
        if (state.kind == CQL_VALUE_NULL) /* null: from the start */
            p->flags &= ~(uint32_t)CQL_QUERY_PAGING_STATE;
        p->paging_state = state.data;
    }
    if (flags & CQL_QUERY_SERIAL)
        p->serial_consistency = read_level(d);
    if (flags & CQL_QUERY_TIMESTAMP) {
        p->timestamp = read_i64(r);
        if (p->timestamp == INT64_MIN)
            fail(d, "timestamp out of range");
    }
    if (flags & CQL_QUERY_KEYSPACE)
        p->keyspace = cql_read_string(r);
    if (flags & CQL_QUERY_NOW)
        p->now_in_seconds = read_i32(r);
}

static void read_batch(struct decode *d, struct cql_request *q)
{
    struct reader *r = &d->r;
    uint8_t type = read_u8(r);
    size_t count = read_u16(r);
    if (type > CQL_BATCH_COUNTER)
        fail(d, "unknown batch type");
    /* kind, a short id's length, the number of values */
    if (count * 5 > reader_left(r))
        fail(d, "fewer statements than announced");
    if (r->failed)
        return;
    struct cql_batch_item *items = arena_array(d->arena, struct cql_batch_item, count);
    for (size_t i = 0; i < count && !r->failed; i++) {
        uint8_t kind = read_u8(r);
        if (kind > 1)
            fail(d, "a batch statement is neither text nor prepared");
        items[i].prepared = kind == 1;
        items[i].statement = kind == 1 ? cql_read_short_bytes(r) : cql_read_long_string(r);
        items[i].values = read_values(d, false);
    }
    q->batch.type = (enum cql_batch_type)type;
    q->batch.items = items;
    q->batch.count = count;

    /* The flags come after the values they would name, and values or paging belong to statements.
     */
    struct reader ahead = *r;
    read_u16(&ahead);
    uint32_t flags = d->version >= 5 ? read_u32(&ahead) : read_u8(&ahead);
    if (!ahead.failed && (flags & CQL_QUERY_NAMES))
        fail(d, "named values in a batch are not supported");
    if (!ahead.failed && (flags & 0x0f))
        fail(d, "a batch takes neither values nor paging of its own");
    read_params(d, &q->batch.params);
}

static void read_prepare(struct decode *d, struct cql_request *q)
{
    q->prepare.text = cql_read_long_string(&d->r);
    if (d->version < 5)
        return;
    q->prepare.has_keyspace = read_u32(&d->r) & CQL_PREPARE_KEYSPACE;
    if (q->prepare.has_keyspace)
        q->prepare.keyspace = cql_read_string(&d->r);
}

static void read_message(struct decode *d, struct cql_request *q)
{
    struct reader *r = &d->r;
    switch (q->opcode) {
    case CQL_STARTUP: q->startup = cql_read_string_map(r, d->arena); break;
    case CQL_QUERY:
        q->query.text = cql_read_long_string(r);
        read_params(d, &q->query.params);
        break;
    case CQL_PREPARE: read_prepare(d, q); break;
    case CQL_EXECUTE:
        q->execute.id = cql_read_short_bytes(r);
        if (d->version >= 5)
            q->execute.result_metadata_id = cql_read_short_bytes(r);
        read_params(d, &q->execute.params);
        break;
    case CQL_BATCH: read_batch(d, q); break;
    case CQL_AUTH_RESPONSE: q->auth_response = cql_read_bytes(r); break;
    case CQL_REGISTER: q->events = cql_read_string_list(r, d->arena); break;
    case CQL_OPTIONS: break;
    default: fail(d, "the opcode is no request");
    }
}

enum err cql_request_read(const struct cql_frame *frame, struct arena *a,
                          struct cql_request *ret_request, struct errmsg *reterr)
{
    const struct cql_header *h = &frame->header;
    struct decode d = {
        .r = reader_make(frame->body), .version = h->version, .arena = a, .msg = reterr};
    struct cql_request q = {.opcode = (enum cql_opcode)h->opcode,
                            .tracing = (h->flags & CQL_FLAG_TRACING) != 0};
    if (h->flags & CQL_FLAG_PAYLOAD)
        q.payload = cql_read_bytes_map(&d.r, a);
    read_message(&d, &q);
    const char *name = cql_opcode_name(h->opcode);
    if (d.told) {
        errmsg_wrap(reterr, "%s", name);
        return ERR_MALFORMED;
    }
    if (d.r.failed)
        return errmsg_set(reterr, ERR_MALFORMED, "%s: the body is malformed or cut short", name);
    *ret_request = q;
    return ERR_OK;
}
